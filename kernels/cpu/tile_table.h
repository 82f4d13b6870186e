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
// columns, and nothing beyond is read of b or written of c. What c holds before:
enum class Before : uint8_t {
  nothing,
  blocks,  // the blocks before: it becomes c + result
  chain,   // this chain up to here, which goes on
};
using Tile = void (*)(const void* a, int64_t a_row, int64_t a_step, const void* b, int64_t b_step,
                      void* c, int64_t c_row, int64_t depth, int last, Before before);

// to[i * to_row + j] = from[j * from_row + i], i < depth, j < columns: a panel of b whose columns lie
// along the depth.
using Turn = void (*)(const void* from, int64_t from_row, void* to, int64_t to_row, int64_t depth,
                      int64_t columns);

// c[j] (+)= the chain over i of a[i * a_step] * b[j * b_row + i]: one row against such columns.
using TurnedRow = void (*)(const void* a, int64_t a_step, const void* b, int64_t b_row, void* c,
                           int64_t depth, int64_t columns, bool more);

// The tile whose rows and depth lie anywhere: a is read at a + rows[i] + steps[k].a, b at
// b + steps[k].b * b_step, and row i of the result lies at c + c_rows[i]. b is read in whole vectors, of which
// the last one's beyond `last` are not used.
struct WindowStep {
  int64_t a;  // in elements
  int64_t b;  // a row of b
};
using WindowTile = void (*)(const void* a, const int64_t* rows, const WindowStep* steps, const void* b,
                            int64_t b_step, void* c, const int64_t* c_rows, int64_t depth, int last,
                            bool more);

// to[i * to_row + j] = from[i * from_row + j], i < depth, j < columns: a panel of b that lies along its
// columns.
using CopyPanel = void (*)(const void* from, int64_t from_row, void* to, int64_t to_row,
                           int64_t depth, int64_t columns);

// acc[j] = fma(a[i * a_step], b[i * b_step + j], acc[j]) for i ascending: one row against rows of b
// that lie as they are read, a few of them in one pass over acc.
using RowChain = void (*)(const void* a, int64_t a_step, const void* b, int64_t b_step, void* acc,
                          int64_t depth, int64_t columns);

// The tile of channels.h: row i of a is read at a + rows[i] + steps_a[k] + j, b at b + steps_b[k] + j
// (or, without j, one element), and row i of the result lies at c + c_rows[i].
using ChannelTile = void (*)(const void* a, const int64_t* rows, const int64_t* steps_a, const void* b,
                             const int64_t* steps_b, void* c, const int64_t* c_rows, int64_t depth,
                             int last, bool more);
inline constexpr int kChannelRows = 6;

struct TileTable {
  int lanes = 0;                    // columns of one vector
  int rows[kTileVectors + 1] = {};  // the most rows for a number of vectors; 0: none
  Tile tile[kTileVectors + 1][kTileRows + 1] = {};  // [vectors][rows]
  int window_rows[5] = {};                           // likewise
  WindowTile window[5][kTileRows + 1] = {};
  ChannelTile channels[2][3][kChannelRows + 1] = {};  // [whether b is one element][vectors][rows]
  Turn turn = nullptr;                              // of 4-byte elements; null: there is none
  TurnedRow turned_row = nullptr;
  RowChain row_chain = nullptr;
  CopyPanel copy = nullptr;
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
