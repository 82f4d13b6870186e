// The loops that measure the peak, at level v3.
#include "kernels/cpu/peak_kernels.h"

namespace tenon::kernels::v3 {
double run_fma_f32(int64_t turns) { return fma_chains<float>(turns); }
double run_fma_f64(int64_t turns) { return fma_chains<double>(turns); }
}  // namespace tenon::kernels::v3
