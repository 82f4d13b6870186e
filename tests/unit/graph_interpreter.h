// Graph mode in the place of the interpreter: a test file that is included behind this header runs
// its programs as machine code. What speaks to the host stays interpreted.
#pragma once

#include "jit/compiled.h"
#include "jit/interp/interp.h"

namespace tenon {

class GraphInterpreter {
 public:
  explicit GraphInterpreter(ir::Module& module)
      : module_(module), interpreter_(module), compiler_(module, options()) {}

  std::vector<Tensor> run(ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor> args,
                          RunContext& context) {
    if (module_.fn(fn).effect) return interpreter_.run(fn, sizes, std::move(args), context);
    return compiler_.compile(fn).run(sizes, std::move(args), context);
  }
  void set_override(Interpreter::Override f, void* self) { interpreter_.set_override(f, self); }
  const Interpreter::Stats& stats() const { return interpreter_.stats(); }

 private:
  // Each program in another way.
  static CompileOptions options() {
    static uint32_t turn = 0;
    CompileOptions o;
    o.verify = true;
    switch (turn++ % 4) {
      case 0:
        break;
      case 1:
        o.random_cuts = turn;
        break;
      case 2:
        o.optimise = o.fuse_points = o.fuse_rows = o.reuse_buffers = false;
        break;
      case 3:
        o.optimise = false;
        break;
    }
    return o;
  }
  ir::Module& module_;
  Interpreter interpreter_;
  Compiler compiler_;
};

}  // namespace tenon

#define Interpreter GraphInterpreter
