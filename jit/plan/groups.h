// Cuts the nodes of a region into groups that run as one: what is fused, and in which order
// (design.md e). Greedy, no search. Moves nodes only where nobody can tell: what can trap keeps its
// order. planner.h is the state it works on, roles.h says what a node may be in a group.
#pragma once

#include <set>
#include <vector>

#include "ir/function.h"
#include "jit/compiled.h"
#include "jit/plan/roles.h"

namespace tenon::plan {

struct Group {
  enum Kind : uint8_t {
    node,   // one node by itself
    point,  // elementwise nodes (and maps) of one shape: one loop nest
    row,    // point nodes and reductions over the last axis, row by row
    block,  // a row group with products before and behind it, a block of rows at a time
    tile,   // a product or reduction, last, whose operand is made by tiles and is no tensor (tile.h)
  } kind = node;
  std::vector<const ir::Node*> nodes;  // in order
  // Those of them that an earlier group has as well: their values are computed again here, for this
  // group alone, and not written (group_again.cpp).
  std::set<const ir::Node*> again;
};

bool computes_again(const Group& g, ir::Value v);

std::vector<Group> plan_region(const ir::Function& fn, const Dims& dims, const ir::Region& region,
                               const CompileOptions& options);

}  // namespace tenon::plan
