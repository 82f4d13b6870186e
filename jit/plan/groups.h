// Cuts the nodes of a region into groups that run as one: what is fused, and in which order (design.md
// e). Greedy, no search. Moves nodes only where nobody can tell: what can trap keeps its order.
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
  } kind = node;
  std::vector<const ir::Node*> nodes;  // in order
};

// Elementwise on tensors: what a point group is made of.
bool is_point(const ir::Function& fn, const ir::Node& n);
// Whether running the node can end the run, or does something that must keep its place.
bool keeps_order(const ir::Function& fn, const ir::Node& n);
// Another look at its operand's memory (where strides allow).
bool is_view(ir::Op op);

std::vector<Group> plan_region(const ir::Function& fn, const Dims& dims, const ir::Region& region,
                               const CompileOptions& options);

// Every value that a region and those inside it use, its own included; sorted.
std::vector<ir::Value> used_in(const ir::Region& region);

}  // namespace tenon::plan
