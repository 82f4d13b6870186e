// canonicalise (prefix): a reduction whose axes are both trailing and others becomes two, the
// trailing axes first. With it every reduction has one of the two written orders of accumulation,
// sum_run or sum_col (design.md c, docs/semantics.md). And a map that is an elementwise operation in
// index notation becomes one (pointwise.cpp).

#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

// How many trailing axes a mixed reduction has; 0 for all other nodes.
size_t trailing(const Function& fn, const Node& n) {
  if (n.op != Op::reduce) return 0;
  const std::vector<int>& axes = n.get<ReduceAttr>().axes;
  size_t count = 0;
  int next = static_cast<int>(fn.types[n.operands[0]].rank()) - 1;
  while (count < axes.size() && axes[axes.size() - 1 - count] == next) {
    ++count;
    --next;
  }
  return count == axes.size() ? 0 : count;
}

class Canonicaliser {
 public:
  explicit Canonicaliser(Function& fn) : fn_(fn) {}

  void region(Region& r) {
    bool mixed = false;
    for (Node& n : r.nodes) {
      for (Region& inner : n.regions) region(inner);
      mixed |= trailing(fn_, n) > 0;
    }
    if (!mixed) return;
    std::vector<Node> nodes;
    nodes.reserve(r.nodes.size() + 4);
    for (Node& n : r.nodes) {
      if (trailing(fn_, n) > 0)
        split(std::move(n), nodes);
      else
        nodes.push_back(std::move(n));
    }
    r.nodes = std::move(nodes);
  }

 private:
  Value emit(std::vector<Node>& out, Op op, Value x, Attr attr, Type type, Loc loc) {
    const Value v = fn_.new_value(std::move(type));
    out.push_back({op, {x}, {v}, std::move(attr), {}, loc});
    return v;
  }

  void split(Node n, std::vector<Node>& out) {
    const ReduceAttr all = n.get<ReduceAttr>();
    const size_t tail = trailing(fn_, n);
    const Type x = fn_.types[n.operands[0]];
    // Halves accumulate in f32 and round once, so what lies between the two parts is f32.
    const bool accumulates = all.kind == ReduceKind::sum || all.kind == ReduceKind::prod;
    const bool half = accumulates && (x.dtype == DType::f16 || x.dtype == DType::bf16);
    const DType dtype = half ? DType::f32 : x.dtype;
    Value v = n.operands[0];
    if (half) v = emit(out, Op::convert, v, ConvertAttr{dtype}, {dtype, x.shape}, n.loc);

    ReduceAttr first{all.kind, {all.axes.end() - long(tail), all.axes.end()}};
    ReduceAttr rest{all.kind, {all.axes.begin(), all.axes.end() - long(tail)}};
    Type between{dtype, {x.shape.begin(), x.shape.end() - long(tail)}};
    v = emit(out, Op::reduce, v, std::move(first), std::move(between), n.loc);
    if (half) {
      const Type result = fn_.types[n.results[0]];
      v = emit(out, Op::reduce, v, std::move(rest), {dtype, result.shape}, n.loc);
      out.push_back({Op::convert, {v}, n.results, ConvertAttr{x.dtype}, {}, n.loc});
    } else {
      out.push_back({Op::reduce, {v}, n.results, std::move(rest), {}, n.loc});
    }
  }

  Function& fn_;
};

}  // namespace

bool canonical(const Module& module, const Function& fn) {
  bool mixed = false;
  each_node(fn.body, [&](const Node& n) { mixed |= trailing(fn, n) > 0; });
  return !mixed && !has_elementwise_maps(module, fn, true);
}

std::unique_ptr<Function> canonicalise(Module& module, const Function& fn) {
  auto out = std::make_unique<Function>(fn);
  Canonicaliser(*out).region(out->body);
  if (has_elementwise_maps(module, fn, true)) elementwise_maps(module, *out, true);
  return out;
}

}  // namespace tenon::ir
