// What the passes share: facts of nodes and functions, and the small change of rewriting. A pass
// copies its function and works on the copy, which nobody else sees.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "ir/function.h"

namespace tenon::ir {

// ---- facts
size_t node_count(const Region& region);  // with the regions inside

// Every node, outer before inner, in order.
void each_node(const Region& region, const std::function<void(const Node&)>& visit);

// Does what must not be lost, or doubled: check, debug, host. Kept as long as the object lives,
// which may be over changes of the functions by passes: those bring no effects.
class Effects {
 public:
  explicit Effects(const Module& module) : module_(module) {}
  bool operator()(const Node& node);
  bool operator()(FnId fn);  // itself or what it calls

 private:
  const Module& module_;
  std::unordered_map<FnId, bool> memo_;
};

// May end the run, or never end, for some operands (docs/semantics.md). In doubt, yes. For
// functions that do not change meanwhile.
class Traps {
 public:
  explicit Traps(const Module& module) : module_(module) {}
  bool operator()(const Function& fn, const Node& node);

 private:
  bool called(FnId fn);
  bool here(const Function& fn, const Node& node);
  const std::unordered_map<Value, int64_t>& constants(const Function& fn);

  const Module& module_;
  std::unordered_map<FnId, bool> memo_;
  std::unordered_map<const Function*, std::unordered_map<Value, int64_t>> constants_;
};

// The symbols that a node binds, and those that its results and attribute mention.
void bound_symbols(const Node& node, std::vector<SymId>& out);
void each_dim(const Attr& attr, const std::function<void(DimId)>& visit);

// ---- rewriting
// The attribute with sizes replaced; symbols that it binds are looked up in `subst` as well.
Attr substitute(Module& module, const Attr& attr, const DimSubst& subst);
Type substitute(Dims& dims, const Type& type, const DimSubst& subst);

// A value that stands for another from here on. Chains are followed.
class Renames {
 public:
  void set(Value from, Value to) { to_[from] = to; }
  bool empty() const { return to_.empty(); }
  Value operator()(Value v) const {
    for (auto at = to_.find(v); at != to_.end(); at = to_.find(v)) v = at->second;
    return v;
  }
  void apply(std::vector<Value>& values) const {
    if (to_.empty()) return;
    for (Value& v : values) v = (*this)(v);
  }

 private:
  std::unordered_map<Value, Value> to_;
};

// Numbers values afresh in order of definition and forgets types of values that are gone.
void compact(Function& fn);

// ---- maps that are elementwise (pointwise.cpp). `derivatives_follow`: only where that changes no
// derivative for the worse.
bool has_elementwise_maps(const Module& module, const Function& fn, bool derivatives_follow);
void elementwise_maps(const Module& module, Function& fn, bool derivatives_follow);

// ---- the passes, each in its file
bool canonical(const Module& module, const Function& fn);  // canonicalise has nothing to do
std::unique_ptr<Function> canonicalise(Module& module, const Function& fn);
std::unique_ptr<Function> drop_dead(Module& module, const Function& fn);  // prefix
std::unique_ptr<Function> drop_dead(Module& module, const Function& fn, Effects& effects);
std::unique_ptr<Function> drop_dead_exact(Module& module,
                                          const Function& fn);  // keeps what may trap
std::unique_ptr<Function> pointwise(Module& module, const Function& fn);
std::unique_ptr<Function> inline_calls(Module& module, const Function& fn);
std::unique_ptr<Function> simplify(Module& module, const Function& fn);
std::unique_ptr<Function> join_updates(Module& module, const Function& fn);
std::unique_ptr<Function> share_common(Module& module, const Function& fn);

}  // namespace tenon::ir
