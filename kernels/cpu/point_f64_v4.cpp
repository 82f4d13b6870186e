// Block kernels of f64, at level v4.
#include "kernels/cpu/point_kernels.h"

namespace tenon::kernels::v4 {

void fill_f64(PointTable& table) {
  fill_ops<DType::f64>(table);
  fill_converts<DType::f64>(table);
}

}  // namespace tenon::kernels::v4
