// What a unit does, counted, and what the machine could do, measured: the two sides of every share
// that `tenon bench` and `--profile` tell.
#pragma once

#include <map>

#include "ir/cost.h"
#include "kernels/cpu/peak.h"
#include "session/impl.h"

namespace tenon {

// Floating-point operations by the table of ir/cost.h, with the sizes and the turns of loops of one
// run; and the least a run must move: each tensor that it is given read once, each that it gives
// written once.
struct UnitCost {
  ir::Work work;
  double bytes = 0;
};
// Runs the unit once, node by node, behind the passes that graph mode applies.
UnitCost count_cost(Session::Impl& session, const Unit& unit);

// The machine's limits with the session's threads; each is measured when it is first asked for.
class Limits {
 public:
  explicit Limits(Threads& threads) : threads_(threads) {}
  const kernels::PeakRate& peak();
  double copy_rate(double bytes);  // bytes a second, where that many are gone over

  // How long the arithmetic takes at least, in seconds.
  double least_seconds(const ir::Work& work) {
    return work.f32 / peak().f32 + work.f64 / peak().f64;
  }

 private:
  Threads& threads_;
  std::optional<kernels::PeakRate> peak_;
  std::map<int64_t, double> copies_;  // by the power of two of the bytes
};

// 1234567 -> "1.23 M": three digits and a prefix, for whatever unit follows.
std::string with_prefix(double value);

}  // namespace tenon
