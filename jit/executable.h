// What the session sees of every way to run a function.
#pragma once

#include <atomic>
#include <span>
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

struct RunContext {
  Threads& threads;
  Host& host;
  const std::atomic<bool>& interrupted;  // polled at loop turns and calls: E0807
  int depth_limit = 100000;              // of calls: E0806
};

}  // namespace tenon
