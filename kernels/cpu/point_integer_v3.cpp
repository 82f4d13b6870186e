// Block kernels of bool and the integers, at level v3.
#include "kernels/cpu/point_kernels.h"

namespace tenon::kernels::v3 {

void fill_integer(PointTable& table) {
  fill_ops<DType::boolean>(table);
  fill_ops<DType::i8>(table);
  fill_ops<DType::u8>(table);
  fill_ops<DType::i32>(table);
  fill_ops<DType::i64>(table);
  fill_converts<DType::boolean>(table);
  fill_converts<DType::i8>(table);
  fill_converts<DType::u8>(table);
  fill_converts<DType::i32>(table);
  fill_converts<DType::i64>(table);
}

}  // namespace tenon::kernels::v3
