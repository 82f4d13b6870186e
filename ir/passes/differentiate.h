// What the files of differentiation share: the memo of a module and the pairs of functions that
// reverse mode makes of what is called. From outside only `differentiate` and, in ir/passes.h,
// make_vjp and make_jvp are used. How it works is told in design.md b, in short:
//
//   reverse   A function becomes forward code, the program itself, and backward code, which runs it
//             from its end and carries a cotangent per value. At the top both go into one body;
//             what is called becomes a pair of functions (differentiate_reverse.h).
//   residuals What backward code needs of forward code is a value that lives longer, a further
//   result
//             of a call, or, where the body runs many times, pushed on a tape (residuals.h).
//   forward   A function becomes the program with a tangent beside each value
//   (differentiate_forward). order n   What comes out is ordinary IR, tapes included, so it is
//   differentiated the same way.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/builder.h"
#include "ir/passes/differentiate_flow.h"

namespace tenon::ir {

// The pass: replaces each `derive` of `fn` by a call of a function that make_vjp or make_jvp
// writes.
std::unique_ptr<Function> differentiate(Module& module, const Function& fn);

// Which parameters and results of a function take part, as sorted lists.
struct PairKey {
  FnId fn;
  std::vector<int> params, results;
  auto operator<=>(const PairKey&) const = default;
};

// Forward and backward code of a function that is called.
//   fwd(args.., tape if `tape`)            -> (results.., extras.., tape)
//   bwd(residuals.., cotangents of key.results.., tape) -> (cotangents of key.params.., tape)
struct Pair {
  struct Residual {
    enum From : uint8_t { param, result, extra } from;  // what of the forward call it is
    size_t index;
  };
  PairKey key;
  FnId fwd = 0, bwd = 0;
  bool tape = false;
  size_t extras = 0;
  std::vector<Residual> residuals;
  std::vector<SymId> result_sizes;  // passed to bwd after the function's own: its results' shapes
};

// (args.., a tangent per key.params) -> (results.., a tangent per key.results)
struct Tangent {
  PairKey key;
  FnId fn = 0;
};

// The memo of a module, kept in Module::derivatives.
class Derivatives {
 public:
  static Derivatives& of(Module& module);
  explicit Derivatives(Module& module);

  Module& module() { return module_; }
  Flow& flow() { return flow_; }

  FnId vjp(FnId fn, std::vector<int> wrt, std::vector<int> seeds, Loc where = {});
  FnId jvp(FnId fn, std::vector<int> wrt, std::vector<int> seeds, Loc where = {});
  const Pair& pair(const PairKey& key);
  const Tangent& tangent(const PairKey& key);

  // What a `call` or `derive` node calls: `derive` stands for a call of a function written for it.
  FnId callee(const Node& node);
  const std::vector<DimId>& sizes(const Node& node) const;

  int fresh_slot() { return next_slot_++; }
  // The slot on a tape of cotangents or tangents for a slot of the tape itself.
  int derived_slot(int slot);

  // Runs `write`; when it throws, what it put into the memo and the module is taken back.
  void all_or_nothing(const std::function<void()>& write);

  bool recursive(FnId fn);  // calls itself, over others or not
  std::string unique_name(const std::string& base);

 private:
  struct Order {  // of make_vjp and make_jvp
    DeriveAttr::Mode mode;
    FnId fn;
    std::vector<int> wrt, seeds;
    auto operator<=>(const Order&) const = default;
  };
  FnId make(Order order, Loc where);
  FnId write_vjp(const Order& order);
  void write_pair(Pair& pair);
  void write_tangent(Tangent& tangent);
  void by_rule(Builder& b, const Order& order, const std::vector<Value>& params,
               const std::vector<Value>& cts);
  FnId write_jvp(const Order& order);
  void tangent_by_rule(Builder& b, const PairKey& key, const std::vector<Value>& params,
                       const std::vector<Value>& tangents);

  Module& module_;
  Flow flow_;
  std::map<Order, FnId> made_;
  std::set<Order> in_progress_;
  std::map<PairKey, std::unique_ptr<Pair>> pairs_;
  std::map<PairKey, std::unique_ptr<Tangent>> tangents_;
  std::vector<std::function<void()>> written_;  // takes each entry of the memo back
  std::map<int, int> derived_slots_;
  std::map<FnId, bool> recursive_;
  std::set<std::string> names_;
  size_t named_ = 0;  // functions whose names are in names_
  int next_slot_ = 0;
};

// Writes nodes of a function again, into another; `derive` becomes a call.
class Copier {
 public:
  Copier(Derivatives& memo, const Function& source, Builder& b)
      : map(source.types.size(), kNoValue), memo_(memo), source_(source), b_(b) {}

  const Node& emit(const Node& node);
  // The region with further parameters behind its own.
  Region region(const Region& region, const std::vector<Type>& more = {});
  std::vector<Value> values(const std::vector<Value>& source) const;
  std::vector<Type> types(const std::vector<Value>& source) const;

  std::vector<Value> map;  // source -> copy

 private:
  Derivatives& memo_;
  const Function& source_;
  Builder& b_;
};

// Runs f; a refusal inside the function that it differentiates came by the call at `call`.
template <class F>
decltype(auto) called_at(Loc call, F&& f) {
  try {
    return f();
  } catch (UserError& e) {
    e.diagnostic.calls.push_back(call);
    throw;
  }
}

// A value that can carry a derivative: a float tensor or a tape.
inline bool differentiable(const Type& t) { return t.tape || is_float(t.dtype); }

// The attribute with each Dim replaced.
Attr with_dims(Module& module, const Attr& attr, const std::function<DimId(DimId)>& dim);
// Renames uses in a region and the regions inside it.
void rename_uses(Region& region, const std::map<Value, Value>& to);
// The values of outer regions that a region uses, in the order of their first use.
std::vector<Value> captures(const Region& region);
void prepend(Region& region, std::vector<Node> nodes);
// The type with its sizes of each value whose own type has a `_`: from the `retype` that took them
// away or gives them back.
std::unordered_map<Value, Type> sized_types(const Dims& dims, const Function& fn);

}  // namespace tenon::ir
