// What a loop's body is made of, for the printer to choose how often it is written and what is done
// before it.
#pragma once

#include <functional>
#include <vector>

#include "jit/loop/loop.h"

namespace tenon::llvm_jit {

struct Weight {
  int exprs = 0;
  bool wide = false;  // touches elements of 8 bytes
};
Weight weigh(const loop::Function& f, const loop::Block& body);

// Numbers that a vector loop needs in all lanes and that do not change in it, `room` of them at most.
// Spread before it they leave the ports of loads and shuffles, which an exp by itself fills, to the
// elements. `more`: what is computed behind the body.
std::vector<loop::Expr> spread_ahead(const loop::Function& f, const loop::Block& body,
                                     const std::vector<loop::Expr>& more,
                                     const std::function<bool(loop::Expr)>& varies, size_t room);

}  // namespace tenon::llvm_jit
