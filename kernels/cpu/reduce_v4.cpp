// The loops of reductions, at level v4.
#include "kernels/cpu/reduce_kernels.h"

namespace tenon::kernels::v4 {
void fill(ReduceTable& table) { fill_all(table); }
}  // namespace tenon::kernels::v4
