// What lives as long as the interpreter: prepared functions, boxes, frames.
#pragma once

#include <memory>
#include <vector>

#include "jit/interp/code.h"

namespace tenon::interp {

class Engine {
 public:
  explicit Engine(ir::Module& m) : module(m) {}

  const Prepared& code(ir::FnId fn);  // prepares it at the first call

  // Runs the function from `fn` on; arguments are taken over.
  std::vector<Tensor> run(ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor> args,
                          RunContext& context);

  ir::Module& module;
  Boxes boxes;
  FrameStack frames;
  Interpreter::Override override_fn = nullptr;
  void* override_self = nullptr;
  StepWatcher* watcher = nullptr;
  Interpreter::Stats stats;

 private:
  std::vector<std::unique_ptr<Prepared>> codes_;
};

// A recursion that is not marked as one would fill the memory without a word: our own mistake.
inline constexpr int kMostFrames = 4'000'000;

}  // namespace tenon::interp
