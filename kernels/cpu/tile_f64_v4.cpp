// Contraction tiles of f64, at level v4.
#include "kernels/cpu/channel_kernels.h"
#include "kernels/cpu/window_kernels.h"

namespace tenon::kernels::v4 {
void fill_f64(TileTable& table) {
  fill_tiles<double>(table);
  fill_windows<double>(table);
  fill_channels<double>(table);
}
}  // namespace tenon::kernels::v4
