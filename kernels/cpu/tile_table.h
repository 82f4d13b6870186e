// The contraction tiles: c[i, j] (+)= the fma chain over k of a[i, k] * b[k, j], for a few rows and
// a few vectors of columns held in registers. One per level, dtype, number of rows and of vectors;
// eager, compiled and ahead-of-time code call the same ones, so their bits are equal by
// construction.
#pragma once

#include <cstdint>

#include "ir/dtype.h"

namespace tenon::kernels {

inline constexpr int kTileVectors = 8;
inline constexpr int kTileRows = 16;

// depth steps from +0 (at most one block of 1024; docs/semantics.md: contract). a is read at
// a + i * a_row + k * a_step, b at b + k * b_step + j, both in elements; the last vector has `last`
// columns, and nothing beyond is read of b or written of c. `more`: c holds the blocks before, and
// becomes c + result.
using Tile = void (*)(const void* a, int64_t a_row, int64_t a_step, const void* b, int64_t b_step,
                      void* c, int64_t c_row, int64_t depth, int last, bool more);

struct TileTable {
  int lanes = 0;                    // columns of one vector
  int rows[kTileVectors + 1] = {};  // the most rows for a number of vectors; 0: none
  Tile tile[kTileVectors + 1][kTileRows + 1] = {};  // [vectors][rows]
};

namespace v3 {
void fill_f32(TileTable& table);
void fill_f64(TileTable& table);
}  // namespace v3
namespace v4 {
void fill_f32(TileTable& table);
void fill_f64(TileTable& table);
}  // namespace v4

const TileTable& tile_table(DType t);  // f32 or f64, of the level in force

}  // namespace tenon::kernels
