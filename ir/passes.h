// The passes, as values in a list. A pass builds a new function body; it does not edit in place.
//   prefix  is meaning: runs in both modes, in this order, and defines the bits
//   exact   may not change one bit (law 1): runs in graph mode, after the prefix
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "ir/function.h"

namespace tenon::ir {

struct Pass {
  std::string_view name;
  std::string_view sentence;  // what it does, for `tenon explain`
  enum Kind { prefix, exact } kind;
  std::unique_ptr<Function> (*run)(Module&, const Function&);
};

std::span<const Pass> prefix_passes();  // canonicalise, differentiate, dce
std::span<const Pass> exact_passes();   // inline, pointwise, simplify, join, cse, dce

class Effects;

// Runs the prefix over `fn` and all it calls, in place of each function, once per function and runner:
// keep one runner per module. What it calls must be complete.
class PrefixRunner {
 public:
  explicit PrefixRunner(Module& module);
  void run(FnId fn);  // after it, no `derive` is reachable from fn

 private:
  Module& module_;
  std::vector<char> done_;
  std::shared_ptr<Effects> effects_;  // what is known of functions that are done
};

// ---- derivatives: ir/passes/differentiate_*.cpp
// A function (args.., a cotangent per seed) -> (results.., a cotangent per wrt parameter), with fn's
// sizes; memoised per module. Throws UserError E0501 with the place of the operation that has no
// derivative, or when no seed depends on a wrt parameter.
FnId make_vjp(Module& module, FnId fn, const std::vector<int>& wrt, const std::vector<int>& seeds);
FnId make_jvp(Module& module, FnId fn, const std::vector<int>& wrt, const std::vector<int>& seeds);

}  // namespace tenon::ir
