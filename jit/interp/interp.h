// Eager: interprets IR functions node by node with the ahead-of-time kernels of kernels/cpu. Also the
// reference that every other way of running is compared with.
#pragma once

#include <memory>
#include <vector>

#include "ir/cost.h"
#include "jit/executable.h"

namespace tenon {

// What one step of a run is: an operation, or elementwise operations that run as one.
struct Step {
  const ir::Function& fn;
  const ir::Node* node;  // null: a group, or a step that holds others together
  Loc where;
  ir::Work work;
};

// Sees every step of a run, for those who count and measure.
class StepWatcher {
 public:
  virtual ~StepWatcher() = default;
  virtual void before(const Step& step) = 0;
  virtual void after() = 0;
};

class Interpreter {
 public:
  // `module` may grow between runs; a function that has been run is not changed any more. All that is
  // reachable has been through the prefix (no `derive` left).
  explicit Interpreter(ir::Module& module);
  ~Interpreter();

  // `sizes`: a number per symbol of fn.sizes. Arguments are taken over: a buffer whose count is 1 may
  // be written. Errors at run time come out as UserError with the place of the node.
  std::vector<Tensor> run(ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor> args,
                          RunContext& context);

  // Compiled replacements: when set, called before a function is interpreted; true: it was run.
  // (The seam through which graph mode swaps machine code in.)
  using Override = bool (*)(void* self, ir::FnId fn, std::span<const int64_t> sizes,
                            std::vector<Tensor>& args, std::vector<Tensor>& results, RunContext&);
  void set_override(Override f, void* self);

  // While it is set, runs are watched, and slower.
  void watch(StepWatcher* watcher);

  struct Stats {
    uint64_t nodes_run = 0;
    uint64_t functions_prepared = 0;
  };
  const Stats& stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
