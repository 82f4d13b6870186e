// Contraction tiles of f32, at level v3.
#include "kernels/cpu/turn_kernels.h"
#include "kernels/cpu/channel_kernels.h"
#include "kernels/cpu/window_kernels.h"

namespace tenon::kernels::v3 {
void fill_f32(TileTable& table) {
  fill_tiles<float>(table);
  fill_windows<float>(table);
  fill_channels<float>(table);
  table.turn = turn_panel;
  table.turned_row = turned_row;
}
}  // namespace tenon::kernels::v3
