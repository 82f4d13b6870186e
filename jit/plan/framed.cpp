// Operands of products that are zero around a part: the border of a convolution, and a cotangent that a stride
// has spread. They are never made: the product is told the part and where it lies (kernels/cpu/frame.h).
#include <algorithm>
#include <functional>

#include "ir/literal.h"
#include "jit/plan/lower.h"
#include "jit/plan/roles.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;

namespace {

// Which axis of `from` each axis of `to` is, -1: none, a new one of size 1; empty where they differ in more.
std::vector<int> same_axes(const Dims& dims, const std::vector<DimId>& from, const std::vector<DimId>& to) {
  auto single = [&](DimId d) { return dims.value(d) == int64_t{1}; };
  std::vector<int> axes;
  size_t i = 0;
  for (DimId d : to) {
    if (single(d)) {
      axes.push_back(-1);
      continue;
    }
    while (i < from.size() && single(from[i])) ++i;
    if (i == from.size() || from[i] != d) return {};
    axes.push_back(static_cast<int>(i++));
  }
  while (i < from.size() && single(from[i])) ++i;
  return i == from.size() ? axes : std::vector<int>{};
}

// Whether all that reads v are products in whose windows these axes are: each is read by an index of the
// result and one that is summed.
bool only_windows(const ir::Function& fn, const Dims& dims, Value v, const std::vector<bool>& axes) {
  auto windows = [&](const Node& n) {
    if (n.op == ir::Op::reshape) {
      const std::vector<int> same = same_axes(dims, fn.type(v).shape, fn.type(n.results[0]).shape);
      std::vector<bool> now;
      for (int axis : same) now.push_back(axis >= 0 && axes[static_cast<size_t>(axis)]);
      return std::count(now.begin(), now.end(), true) == std::count(axes.begin(), axes.end(), true) &&
             only_windows(fn, dims, n.results[0], now);
    }
    if (n.op != ir::Op::contract || n.operands[0] == n.operands[1]) return false;
    const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
    const auto& read = n.operands[0] == v ? spec.a : spec.b;
    // A result whose last axis the windows walk along is turned when it is done, which parts of it make slow.
    for (const ir::Affine& axis : read)
      for (const auto& term : axis.terms)
        if (term.index == spec.out.back()) return false;
    for (size_t i = 0; i < axes.size(); ++i) {
      if (!axes[i]) continue;
      int kept = 0, summed = 0;
      for (const auto& term : read[i].terms)
        ++(std::find(spec.out.begin(), spec.out.end(), term.index) != spec.out.end() ? kept : summed);
      if (kept != 1 || summed != 1) return false;
    }
    return true;
  };
  bool all = true;
  std::function<void(const ir::Region&)> scan = [&](const ir::Region& r) {
    for (const Node& n : r.nodes) {
      if (!all) return;
      if (std::find(n.operands.begin(), n.operands.end(), v) != n.operands.end()) all = windows(n);
      for (const ir::Region& inner : n.regions) scan(inner);
    }
    all &= std::find(r.results.begin(), r.results.end(), v) == r.results.end();
  };
  scan(fn.body);
  return all;
}

const Node* maker(const ir::Region& r, Value v) {
  for (const Node& n : r.nodes) {
    if (std::find(n.results.begin(), n.results.end(), v) != n.results.end()) return &n;
    for (const ir::Region& inner : n.regions)
      if (const Node* found = maker(inner, v)) return found;
  }
  return nullptr;
}

}  // namespace

bool framed_by_zeros(const ir::Function& fn, const Dims& dims, const Node& n) {
  const auto& attr = n.get<ir::SliceAttr>();
  const ir::Type &t = fn.type(n.results[0]), &part = fn.type(n.operands[1]);
  if (t.dtype != DType::f32 && t.dtype != DType::f64) return false;
  std::vector<bool> axes;
  for (size_t i = 0; i < t.rank(); ++i)
    axes.push_back(t.shape[i] != part.shape[i] || attr.strides[i] != 1);
  if (std::find(axes.begin(), axes.end(), true) == axes.end()) return false;
  const Node* spread = maker(fn.body, n.operands[0]);
  if (!spread || spread->op != ir::Op::broadcast) return false;
  const Node* zero = maker(fn.body, spread->operands[0]);
  return zero && zero->op == ir::Op::constant && ir::bits_at(*zero->get<ir::ConstantAttr>().literal, 0) == 0 &&
         only_windows(fn, dims, n.results[0], axes);
}

bool FunctionLowering::framed_update(const Node& n) {
  if (!unit_.options.skip_zeros || place(n.operands[0]).kind != Place::fill ||
      place(n.operands[1]).kind != Place::memory || !framed_by_zeros(fn_, unit_.dims, n))
    return false;
  const auto& attr = n.get<ir::SliceAttr>();
  Framed f{type(n.operands[1]).shape, {}, attr.strides};
  for (size_t i = 0; i < f.part.size(); ++i) f.starts.push_back(place(n.operands[2 + i]).e);
  framed_.emplace(n.results[0], std::move(f));
  Place p = place(n.operands[1]);
  p.whole = false;
  bind(n.results[0], std::move(p));
  return true;
}

bool FunctionLowering::framed_reshape(const Node& n) {
  const auto from = framed_.find(n.operands[0]);
  if (from == framed_.end()) return false;
  Place p = place(n.operands[0]);
  Framed f;
  std::vector<DimId> strides;
  for (int axis : same_axes(unit_.dims, type(n.operands[0]).shape, type(n.results[0]).shape)) {
    const auto i = static_cast<size_t>(axis);
    f.part.push_back(axis < 0 ? unit_.dims.constant(1) : from->second.part[i]);
    f.starts.push_back(axis < 0 ? x_.i64(0) : from->second.starts[i]);
    f.steps.push_back(axis < 0 ? 1 : from->second.steps[i]);
    strides.push_back(axis < 0 ? unit_.dims.constant(0) : p.strides[i]);
  }
  p.strides = std::move(strides);
  framed_.emplace(n.results[0], std::move(f));
  bind(n.results[0], std::move(p));
  return true;
}

Place FunctionLowering::made_whole(Value v) {
  const Framed& f = framed_.at(v);
  const ir::Type &t = type(v), part{t.dtype, f.part};
  Place p = allocate(t), zeros;
  zeros.kind = Place::fill;
  zeros.e = x_.konst(register_type(t.dtype), 0);
  copy(zeros, p, t);
  std::vector<Expr> args{x_.i64(node_info(ir::Op::update, {t, part}))};
  unit_.tables.nodes.back().strides = f.steps;
  out_view(args, p, t);
  in_view(args, place(v), part);
  args.insert(args.end(), f.starts.begin(), f.starts.end());
  runtime(loop::Runtime::eager, std::move(args));
  return p;
}

}  // namespace tenon::plan
