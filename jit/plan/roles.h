// What one node may be in a group: elementwise, one step of a pass over rows, a product by rows, or
// something that keeps its place. Asked by the grouping (groups.h) and by the lowering of groups.
#pragma once

#include <vector>

#include "ir/function.h"

namespace tenon::plan {

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
// Whether a contraction sums over the rows of each slab of `space`, which it takes as operand `side`, and
// over nothing else: then it can take them some at a time, in their order.
bool stretch_product(const ir::Function& fn, const Dims& dims, const ir::Node& n,
                     const std::vector<DimId>& space, int side, std::vector<int>& axis);
// Whether an update gives what is zero but for a part, and is read through the windows of products alone:
// then they are told the part and where it lies (framed.cpp).
bool framed_by_zeros(const ir::Function& fn, const Dims& dims, const ir::Node& update);
std::vector<DimId> squeeze(const Dims& dims,
                           const std::vector<DimId>& shape);  // without axes of size 1

// Every value that a region and those inside it use, its own included; sorted.
std::vector<ir::Value> used_in(const ir::Region& region);

}  // namespace tenon::plan
