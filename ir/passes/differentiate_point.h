// Derivatives of `map` and `scatter`, whose bodies are scalar programs over reads. A body is
// computed anew where its derivative is (nothing of it is kept), and each read that wants a
// cotangent gets a loop of its own: a `map` where the read's indices are just indices of the loop,
// else a `scatter`.
#pragma once

#include <functional>

#include "ir/passes/transpose_rules.h"

namespace tenon::ir {

void point_cotangents(BackwardSite& site, const Function& source, const Node& node, Value ct);

// Forward mode: the tangent of the node's result. `tangent` gives kNoValue for a zero; so does
// this.
Value point_tangent(Builder& b, const Function& source, const Node& node,
                    const std::function<Value(Value)>& primal,
                    const std::function<Value(Value)>& tangent);

}  // namespace tenon::ir
