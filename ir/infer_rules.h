// What the rules of inference share (infer.cpp, infer_control.cpp): private to the two.
#pragma once

#include <optional>
#include <string>

#include "ir/infer.h"

namespace tenon::ir {

struct Rule {
  Module& module;
  const Function& fn;
  const Node& node;

  Dims& dims() const { return module.dims; }
  size_t count() const { return node.operands.size(); }
  const Type& type(size_t i) const { return fn.types[node.operands[i]]; }
  bool i64(size_t i) const { return type(i).scalar() && type(i).dtype == DType::i64; }
  template <class A>
  const A* attr() const {
    return std::get_if<A>(&node.attr);
  }

  Inferred one(Type t) const {
    Inferred r;
    r.types.push_back(std::move(t));
    return r;
  }
  Inferred wrong(std::string what) const {
    return {{}, std::string(name(node.op)) + ": " + std::move(what)};
  }
  Inferred no_attr() const { return wrong("a wrong attribute"); }
  std::optional<Inferred> operands(int n) const {
    if (int(count()) != n) return wrong("a wrong number of operands");
    return {};
  }
  std::optional<Inferred> tensors(int n) const {  // that many, and no tapes
    if (int(count()) != n) return wrong("a wrong number of operands");
    for (size_t i = 0; i < count(); ++i)
      if (type(i).tape) return wrong("a tape is no tensor");
    return {};
  }
};

inline bool ascending(const std::vector<int>& axes, size_t rank) {
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] < 0 || size_t(axes[i]) >= rank || (i > 0 && axes[i] <= axes[i - 1])) return false;
  return true;
}

inline bool fits(ReduceKind kind, DType t) {
  const bool logical = kind == ReduceKind::any || kind == ReduceKind::all;
  return logical == (t == DType::boolean);
}

bool takes_no_attr(Op op);
size_t region_count(Op op);

Inferred map_rule(const Rule& r);
Inferred scatter_rule(const Rule& r);
Inferred call_rule(const Rule& r);
Inferred derive_rule(const Rule& r);
Inferred if_rule(const Rule& r);
Inferred for_rule(const Rule& r);
Inferred while_rule(const Rule& r);
Inferred push_rule(const Rule& r);
Inferred pop_rule(const Rule& r);
Inferred tape_new_rule(const Rule& r);
Inferred tape_end_rule(const Rule& r);

}  // namespace tenon::ir
