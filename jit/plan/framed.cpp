// Operands of products that are zero around a part: the border of a convolution, and a cotangent that a stride
// has spread. They are never made: the product is told the part and where it lies (kernels/cpu/frame.h).
#include <algorithm>

#include "jit/plan/lower.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;

// Whether all that reads v are products in whose windows these axes are: each is read by an index of the
// result and one that is summed.
bool FunctionLowering::only_windows_of(Value v, const std::vector<bool>& axes) const {
  auto windows = [&](const Node& n) {
    if (n.op != ir::Op::contract || n.operands[0] == n.operands[1]) return false;
    const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
    const auto& read = n.operands[0] == v ? spec.a : spec.b;
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
      if (std::find(n.operands.begin(), n.operands.end(), v) != n.operands.end()) all &= windows(n);
      for (const ir::Region& inner : n.regions) scan(inner);
    }
    all &= std::find(r.results.begin(), r.results.end(), v) == r.results.end();
  };
  scan(fn_.body);
  return all;
}

// update(zeros, part, starts) for products alone: it looks at the part.
bool FunctionLowering::framed_update(const Node& n) {
  const auto& attr = n.get<ir::SliceAttr>();
  const ir::Type &t = type(n.results[0]), &part = type(n.operands[1]);
  if (!unit_.options.skip_zeros || (t.dtype != DType::f32 && t.dtype != DType::f64)) return false;
  const Place& zeros = place(n.operands[0]);
  if (zeros.kind != Place::fill || place(n.operands[1]).kind != Place::memory) return false;
  const loop::ExprNode& e = out_fn_.exprs[zeros.e];
  if (e.op != Op::konst || e.imm != 0) return false;
  std::vector<bool> axes;
  for (size_t i = 0; i < t.rank(); ++i)
    axes.push_back(t.shape[i] != part.shape[i] || attr.strides[i] != 1);
  if (std::find(axes.begin(), axes.end(), true) == axes.end() || !only_windows_of(n.results[0], axes))
    return false;
  Framed f{part.shape, {}, attr.strides};
  for (size_t i = 0; i < t.rank(); ++i) f.starts.push_back(place(n.operands[2 + i]).e);
  framed_.emplace(n.results[0], std::move(f));
  Place p = place(n.operands[1]);
  p.whole = false;
  bind(n.results[0], std::move(p));
  return true;
}

}  // namespace tenon::plan
