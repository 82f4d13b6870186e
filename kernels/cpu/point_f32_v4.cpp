// Block kernels of f32, and f16 and bf16 to and from it, at level v4.
#include "kernels/cpu/point_kernels.h"

namespace tenon::kernels::v4 {

void fill_f32(PointTable& table) {
  fill_ops<DType::f32>(table);
  fill_converts<DType::f32>(table);
  auto set = [&]<DType from, DType to>() {
    table.convert[static_cast<int>(from)][static_cast<int>(to)] = convert_block<from, to>;
  };
  set.template operator()<DType::f32, DType::f16>();
  set.template operator()<DType::f32, DType::bf16>();
  set.template operator()<DType::f16, DType::f32>();
  set.template operator()<DType::bf16, DType::f32>();
}

}  // namespace tenon::kernels::v4
