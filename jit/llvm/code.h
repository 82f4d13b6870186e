// Machine code of programs in the loop IR: from memory or from disk where the same was made before,
// else by LLVM. Private to the room.
//
// A program comes in parts, each an object of its own: kernels; the functions that run often, because
// they hold loops or are called from them; and those that run once, for which quick code is good enough.
// The name of a kernel and the key of a part are hashes of all they are made from, so what is equal
// (repeated layers, another span or process that needs the same kernels) is made once.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "io/cache.h"
#include "jit/compiled.h"
#include "jit/loop/loop.h"
#include "jit/loop/runtime.h"
#include "jit/llvm/print.h"

namespace tenon::llvm_jit {

class Code {
 public:
  explicit Code(const CompileOptions& options);
  ~Code();

  // The address of function 0. `stats`: what it took.
  loop::RuntimeFn make(const loop::Program& program, CompileStats& stats);
  // LLVM IR or assembly of all parts.
  std::string text(const loop::Program& program, bool assembly);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::llvm_jit
