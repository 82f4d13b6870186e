// Elementwise groups: one flat loop nest over their shape, whatever strides their operands have.
#include <algorithm>
#include <set>

#include "jit/plan/kernel.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::Bind;
using loop::kNone;

void FunctionLowering::scalar_node(const Node& n) {
  std::vector<DType> dtypes;
  std::vector<Expr> operands;
  for (Value v : n.operands) {
    dtypes.push_back(type(v).dtype);
    operands.push_back(place(v).e);
  }
  Expr e = scalar_op(x_, n.op, type(n.results[0]).dtype, dtypes, operands, [&](Expr bad) {
    trap(bad, Code::E0801, "division of an integer by zero", {}, {});
  });
  Place p;
  p.kind = Place::scalar;
  p.e = keep(e, "s");
  bind(n.results[0], std::move(p));
}

namespace {

// A tensor that the loop nest walks over, element by element.
struct Walked {
  Value value = ir::kNoValue;
  bool output = false;
  bool fresh = false;          // output: of memory that no operand lies in
  DType dtype;
  Expr address = kNone;        // in the driver
  std::vector<DimId> strides;  // per axis of the shape, then per collapsed axis
  Expr base = kNone;           // in the kernel: where the row starts
  Expr loaded = kNone;
};

}  // namespace

void FunctionLowering::point_group(const Group& g) {
  const std::vector<DimId> shape = type(g.nodes[0]->results[0]).shape;
  const DimId one = unit_.dims.constant(1);
  std::set<Value> made;
  for (const Node* n : g.nodes) made.insert(n->results[0]);

  // ---- what comes in and what has to come out
  std::vector<Walked> walked;
  std::set<int> fixed;  // axes whose index is needed by itself
  bool traps = false, reads = false;
  std::vector<Value> inputs;
  for (const Node* n : g.nodes) {
    traps |= keeps_order(fn_, *n);
    if (n->op == ir::Op::map) {
      reads = true;
      for (size_t i = 0; i < shape.size(); ++i) fixed.insert(static_cast<int>(i));
      continue;
    }
    for (Value v : n->operands)
      if (!made.contains(v) && std::find(inputs.begin(), inputs.end(), v) == inputs.end())
        inputs.push_back(v);
  }
  for (Value v : inputs) {
    const Place& p = place(v);
    if (p.kind == Place::iota) fixed.insert(p.axis);
    if (p.kind != Place::memory) continue;
    Walked w;
    w.value = v;
    w.dtype = type(v).dtype;
    w.address = p.e;
    w.strides = p.strides;
    walked.push_back(std::move(w));
  }
  std::vector<std::pair<Value, Place>> outs;
  const std::vector<DimId> flat = row_major(shape);
  Expr total_bytes = kNone;
  std::set<int> reused;
  for (const Node* n : g.nodes) {
    Value v = n->results[0];
    const Frame& f = frames_.back();
    if (f.again.contains(v)) continue;
    auto last = f.last.find(v);
    if (last == f.last.end() || last->second <= f.at) continue;  // used in this group only
    const ir::Type& t = type(v);
    total_bytes = bytes(t);
    Place out;
    // The memory of an operand that ends here, element for element.
    int donor = -1;
    if (unit_.options.reuse_buffers && !traps && !reads)
      for (const Walked& w : walked) {
        if (w.output) continue;
        const Place& p = place(w.value);
        if (p.root < 0 || !p.whole || p.strides != flat || reused.contains(p.root) ||
            size_of(w.dtype) != size_of(t.dtype) || !dies(p.root))
          continue;
        bool only = true;
        for (const Walked& other : walked)
          only &= other.output || other.value == w.value || place(other.value).root != p.root ||
                  place(other.value).strides == flat;
        if (only) donor = p.root;
      }
    if (donor >= 0) {
      reused.insert(donor);
      out = whole(request(loop::Runtime::reuse,
                          {x_.var(roots_[static_cast<size_t>(donor)].block), total_bytes, here()},
                          request_for(t)),
                  t);
    } else {
      out = allocate(t);
    }
    Walked w;
    w.value = v;
    w.output = true;
    w.fresh = donor < 0;
    w.dtype = t.dtype;
    w.address = out.e;
    w.strides = flat;
    walked.push_back(std::move(w));
    outs.emplace_back(v, std::move(out));
  }
  if (outs.empty() && !traps) return;

  // ---- collapse axes that all operands walk over as one
  struct Axis {
    DimId size;
    int original;  // when it is one axis of the shape
  };
  std::vector<Axis> axes;
  std::vector<std::vector<DimId>> strides(walked.size());
  for (size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] == one && !fixed.contains(static_cast<int>(a))) continue;
    bool merge = !axes.empty() && axes.back().original >= 0 &&
                 !fixed.contains(static_cast<int>(a)) && !fixed.contains(axes.back().original);
    if (!axes.empty() && axes.back().original < 0 && !fixed.contains(static_cast<int>(a)))
      merge = true;
    for (size_t w = 0; merge && w < walked.size(); ++w)
      merge = strides[w].back() == unit_.dims.mul(walked[w].strides[a], shape[a]);
    if (merge) {
      axes.back().size = unit_.dims.mul(axes.back().size, shape[a]);
      axes.back().original = -1;
      for (size_t w = 0; w < walked.size(); ++w) strides[w].back() = walked[w].strides[a];
    } else {
      axes.push_back({shape[a], static_cast<int>(a)});
      for (size_t w = 0; w < walked.size(); ++w) strides[w].push_back(walked[w].strides[a]);
    }
  }
  if (axes.empty()) {
    axes.push_back({one, -1});
    for (auto& s : strides) s.push_back(unit_.dims.constant(0));
  }
  for (size_t w = 0; w < walked.size(); ++w) walked[w].strides = std::move(strides[w]);

  auto bind_outs = [&] {
    for (auto& [v, p] : outs) bind(v, std::move(p));
  };

  // ---- the kernel
  KernelBuilder k(*this);
  Exprs& x = k.x();
  std::map<int, Expr> index;  // of the axes that are needed by themselves
  auto body = [&](Expr inner) {
    if (axes.back().original >= 0) index[axes.back().original] = inner;
    for (Value v : inputs) {
      const Place& p = place(v);
      if (p.kind == Place::iota) k.bind(v, index.at(p.axis));
    }
    auto at = [&](const Walked& w) { return x.add(w.base, x.mul(inner, k.dim(w.strides.back()))); };
    for (const Node* n : g.nodes) {
      if (n->op == ir::Op::map) {
        const ir::Region& r = n->regions[0];
        for (size_t i = 0; i < r.params.size(); ++i)
          k.bind(r.params[i], index.at(static_cast<int>(i)));
        k.nodes(r, kNone);
        k.bind(n->results[0], k.value(r.results[0]));
      } else {
        for (Walked& w : walked)
          if (!w.output && !k.has(w.value) &&
              std::find(n->operands.begin(), n->operands.end(), w.value) != n->operands.end()) {
            k.bind(w.value, k.keep(load_element(x, w.dtype, k.param(w.address, "in"), at(w)), "x"));
            k.cost += 1;
          }
        k.scalar(*n);
      }
    }
    for (const Walked& w : walked)
      if (w.output) {
        k.emit(store_element(x, w.dtype, k.param(w.address, "out"), at(w), k.value(w.value)));
        k.cost += 1;
      }
  };
  if (axes.size() == 1) {
    for (Walked& w : walked) w.base = x.i64(0);
    k.loop("i", k.lo(), k.hi(), Bind::vector, body);
    for (const Walked& w : walked)
      if (w.fresh) k.streamed(w.address, static_cast<int64_t>(size_of(w.dtype)));
    k.launch(extent(axes[0].size), x_.i64(k.cost));
    bind_outs();
    return;
  }
  std::vector<DimId> outer;
  for (size_t a = 0; a + 1 < axes.size(); ++a) outer.push_back(axes[a].size);
  Expr inner_size = k.dim(axes.back().size);
  k.loop("row", k.lo(), k.hi(), Bind::serial, [&](Expr row) {
    std::vector<Expr> at = k.split(row, outer);
    for (size_t a = 0; a < outer.size(); ++a)
      if (axes[a].original >= 0) index[axes[a].original] = at[a];
    for (Walked& w : walked) {
      Expr base = x.i64(0);
      for (size_t a = 0; a < outer.size(); ++a)
        base = x.add(base, x.mul(at[a], k.dim(w.strides[a])));
      w.base = k.keep(base, "base");
    }
    k.loop("i", x.i64(0), inner_size, Bind::vector, body);
  });
  k.launch(count(outer), x_.mul(extent(axes.back().size), x_.i64(k.cost)));
  bind_outs();
}

}  // namespace tenon::plan
