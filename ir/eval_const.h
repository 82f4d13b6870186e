// Evaluates a scalar operation on rank-0 constants by the same scalar programs as every backend, so
// that folding cannot change a bit.
#pragma once

#include <optional>

#include "ir/function.h"

namespace tenon::ir {

// Nothing where the operation ends the run (x // 0), or does not take these operands.
std::optional<Literal> eval_const(Op op, const std::vector<Literal>& operands, DType result);

}  // namespace tenon::ir
