// What the session sees of every way to run a function.
#pragma once

#include <atomic>
#include <chrono>
#include <span>
#include <string_view>
#include <vector>

#include "ir/function.h"
#include "runtime/tensor.h"
#include "runtime/threads.h"

namespace tenon {

// The session's side of `host` and `debug` nodes.
class Host {
 public:
  virtual ~Host() = default;
  // Does the effect; gives one tensor per result type. Throws Trap or UserError.
  virtual std::vector<Tensor> host(const ir::HostAttr& call, std::vector<Tensor> operands, Loc where) = 0;
  virtual void debug(std::string_view text, std::span<const Tensor> shown) = 0;
};

// Told of each piece of work that a run does, when somebody asked for a profile: a compiled kernel,
// a node that runs by itself. Called by the thread that runs the program. Else nobody asks the clock.
class Profiler {
 public:
  using Clock = std::chrono::steady_clock;
  virtual ~Profiler() = default;
  // `flops`: floating-point operations, where they are known; else 0.
  virtual void record(std::string_view what, Loc where, Clock::time_point begin, double flops) = 0;
};

struct RunContext {
  Threads& threads;
  Host& host;
  const std::atomic<bool>& interrupted;  // polled at loop turns and calls: E0807
  int depth_limit = 100000;              // of calls: E0806
  Profiler* profiler = nullptr;          // null: no profile
};

}  // namespace tenon
