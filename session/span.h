// Cuts the functions with effects into spans: each maximal run of pure nodes becomes a function of its
// own, called where the run stood. What is left between them is effects and the control around them,
// which is always interpreted; the spans are what graph mode compiles.
#pragma once

#include <map>

#include "ir/function.h"

namespace tenon {

class SpanCutter {
 public:
  explicit SpanCutter(ir::Module& module) : module_(module) {}

  // `fn` itself where it has no effect; else a function that does the same and whose pure runs are
  // calls, as in all functions with effects that it reaches.
  ir::FnId cut(ir::FnId fn);

 private:
  ir::Module& module_;
  std::map<ir::FnId, ir::FnId> done_;
};

}  // namespace tenon
