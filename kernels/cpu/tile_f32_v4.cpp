// Contraction tiles of f32, at level v4.
#include "kernels/cpu/tile_kernels.h"

namespace tenon::kernels::v4 {
void fill_f32(TileTable& table) { fill_tiles<float>(table); }
}  // namespace tenon::kernels::v4
