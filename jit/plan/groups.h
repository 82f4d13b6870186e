// Cuts the nodes of a region into groups that run as one: what is fused, and in which order
// (design.md e). Greedy, no search. Moves nodes only where nobody can tell: what can trap keeps its
// order.
#pragma once

#include <vector>

#include "ir/function.h"
#include "jit/compiled.h"

namespace tenon::plan {

struct Group {
  enum Kind : uint8_t {
    node,   // one node by itself
    point,  // elementwise nodes (and maps) of one shape: one loop nest
    row,    // point nodes and reductions over the last axis, row by row
    block,  // a row group with products before and behind it, a block of rows at a time
  } kind = node;
  std::vector<const ir::Node*> nodes;  // in order
};

// Elementwise on tensors: what a point group is made of.
bool is_point(const ir::Function& fn, const ir::Node& n);
// Whether running the node can end the run, or does something that must keep its place.
bool keeps_order(const ir::Function& fn, const ir::Node& n);
// Another look at its operand's memory (where strides allow).
bool is_view(ir::Op op);

// A reduction over the last axis alone, in f32 or f64: the border of a pass over a row.
bool row_reduce(const ir::Function& fn, const ir::Node& n);
// What a node does in a group that walks over the rows of `space`, whose last axis is the row: make
// an element of each place, or of each row; fold a row; give a row's value to its places; or hand
// on.
enum class RowRole : uint8_t { none, wide, narrow, reduce, spread, same };
RowRole row_role(const ir::Function& fn, const Dims& dims, const ir::Node& n,
                 const std::vector<DimId>& space);
// Whether a contraction can be done for some rows of `space` alone, which run over its last axis:
// it makes their elements (side -1), or takes them as operand `side` and sums over them. Such rows
// share all axes of the space but the last two, and so a part of the operands that no others use.
// `axis`: the axis of the space that each index runs along; -1: it runs whole.
bool block_product(const ir::Function& fn, const Dims& dims, const ir::Node& n,
                   const std::vector<DimId>& space, int side, std::vector<int>& axis);
std::vector<DimId> squeeze(const Dims& dims,
                           const std::vector<DimId>& shape);  // without axes of size 1

std::vector<Group> plan_region(const ir::Function& fn, const Dims& dims, const ir::Region& region,
                               const CompileOptions& options);

// Every value that a region and those inside it use, its own included; sorted.
std::vector<ir::Value> used_in(const ir::Region& region);

}  // namespace tenon::plan
