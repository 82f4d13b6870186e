// Matrices that never become tensors: what is made of products of vectors, element by element, and is only
// folded along its rows or taken by further products. Attention's scores are one, and what its derivative
// makes of them. On a device each reduction and each product that takes such a matrix is one kernel, which
// makes the elements by tiles as it goes (tile_lower.cpp, kernels/cuda/tile.cuh); they are made as often as
// somebody takes them, and memory holds a number per row. The orders of accumulation are those of the nodes
// by themselves, so the bits are.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ir/function.h"

namespace tenon::plan {

// The matrices [slabs][rows, columns] of a tile group; values of other shapes with as many elements in
// rows as long are the same matrices.
struct TileSpace {
  DimId slabs, rows, columns;
  friend bool operator==(const TileSpace&, const TileSpace&) = default;
};
// Whether a value of this shape has an element for each place.
bool covers(Dims& dims, const TileSpace& space, const std::vector<DimId>& shape);

// The indices of a product that makes the matrices, or takes them: batch number the slabs. A maker has the
// row's in operand `side`, the column's in the other and sums over depth; a taker has the matrix in
// operand `side`, and `free` in the other alone.
struct TileProduct {
  int side = 0;
  std::vector<uint8_t> batch, row, depth, free;
  uint8_t column = 0;
  bool over_columns = false;  // a taker: sums over these, else over the rows
};
std::optional<TileProduct> tile_maker(const ir::Function& fn, Dims& dims, const ir::Node& n, TileSpace& space);
std::optional<TileProduct> tile_taker(const ir::Function& fn, Dims& dims, const ir::Node& n, int side,
                                      const TileSpace& space);

// Of the nodes of a region, by their places in it.
struct Tiles {
  std::map<size_t, std::vector<size_t>> cones;  // a reduction or product, and what makes its operand
  std::set<size_t> inside;                      // what belongs to cones alone
};
Tiles find_tiles(const ir::Function& fn, const Dims& dims, const ir::Region& region);

}  // namespace tenon::plan
