// The loops of reductions, at level v3.
#include "kernels/cpu/reduce_kernels.h"

namespace tenon::kernels::v3 {
void fill(ReduceTable& table) { fill_all(table); }
}  // namespace tenon::kernels::v3
