// Block kernels of f64, at level v3.
#include "kernels/cpu/point_kernels.h"

namespace tenon::kernels::v3 {

void fill_f64(PointTable& table) {
  fill_ops<DType::f64>(table);
  fill_converts<DType::f64>(table);
}

}  // namespace tenon::kernels::v3
