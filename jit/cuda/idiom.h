// Conversions to and from f16 and bf16 are programs over bits in the loop IR (ir/scalar/convert.h), as the same
// program runs everywhere; a GPU has an instruction for each. This finds such a program in a kernel's expressions.
#pragma once

#include <map>
#include <optional>

#include "jit/loop/loop.h"

namespace tenon::cuda {

// A call of the prelude instead of an expression: the function's name and what it is of.
struct Idiom {
  const char* call;
  loop::Expr of;
};

class Idioms {
 public:
  explicit Idioms(const loop::Function& f) : f_(f) {}
  std::optional<Idiom> at(loop::Expr e) const;

 private:
  const loop::Function& f_;
  mutable std::map<loop::Expr, std::optional<Idiom>> known_;
};

}  // namespace tenon::cuda
