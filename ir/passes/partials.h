// The partial derivatives of the scalar operations: one row each, in IR operations, serving reverse
// and forward mode alike (design.md b). A row is linear in what comes in, so derivatives of any
// order are the same rows again.
#pragma once

#include <functional>

#include "ir/builder.h"

namespace tenon::ir {

// The values of a node where its derivative is written. Asking for one makes backward code keep it,
// so a row asks for no more than it names.
struct Primals {
  std::function<Value(size_t)> operand;
  std::function<Value()> result;
};

// d(result)/d(operand i) times `d`: of a cotangent of the result it makes the operand's, of a
// tangent of the operand the result's. `d` is of the operand's shape; for `convert` it has the
// dtype of the side it comes from, and `to` is that of the other side. Throws E0501 where the
// operation is flat.
Value apply_partial(Builder& b, const Node& node, size_t i, Value d, const Primals& x, DType to);

// `v` everywhere, in the shape and dtype of `like`.
Value filled(Builder& b, const Type& like, double v);

}  // namespace tenon::ir
