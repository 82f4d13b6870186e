// What speaks to the outside or ends the run: check, debug, host, and sizes bound from numbers.
#include "jit/interp/engine.h"
#include "jit/interp/handlers.h"
#include "jit/interp/operands.h"
#include "runtime/show.h"

namespace tenon::interp {

void out_of_range(int64_t index, int axis, int64_t size) {
  // In the words of kernels/cpu: a read says the same wherever it stands.
  throw Trap(Code::E0802, "index " + std::to_string(index) + " is outside axis " +
                              std::to_string(axis) + " of size " + std::to_string(size));
}

std::vector<Tensor> shown(Run& r, const std::vector<Use>& uses) {
  std::vector<Tensor> list;
  for (const Use& u : uses)
    list.push_back(u.kind == SlotKind::scalar ? scalar_tensor(r.s[u.slot], u.dtype)
                                              : r.peek(u.slot));
  return list;
}

namespace {

bool all_true(const Tensor& t, int axis, const uint8_t* at) {
  if (axis == t.rank()) return *at;
  for (int64_t i = 0; i < t.shape[axis]; ++i)
    if (!all_true(t, axis + 1, at + i * t.strides[axis])) return false;
  return true;
}

}  // namespace

TENON_HANDLER(run_check) {
  const auto& c = *static_cast<const Check*>(in->data);
  const bool good =
      c.condition.kind == SlotKind::scalar
          ? r.s[c.condition.slot].b
          : all_true(r.peek(c.condition.slot), 0, r.peek(c.condition.slot).data<uint8_t>());
  if (good) [[likely]]
    return in + 1;
  throw Trap(c.attr.code, fill_holes(c.attr.text, shown(r, c.shown)), c.attr.hint, c.attr.fault);
}

TENON_HANDLER(run_debug) {
  const auto& d = *static_cast<const Debug*>(in->data);
  const std::vector<Tensor> values = shown(r, d.shown);
  r.context.host.debug(d.text, values);
  return in + 1;
}

TENON_HANDLER(run_bind) {
  const int64_t n = r.s[in->a].i;
  if (n < 0) negative_size(n);
  r.s[in->out].i = n;
  return in + 1;
}

TENON_HANDLER(run_host) {
  const auto& h = *static_cast<const HostCall*>(in->data);
  std::vector<Tensor> operands;
  for (const Use& u : h.operands) {
    if (u.kind == SlotKind::scalar)
      operands.push_back(scalar_tensor(r.s[u.slot], u.dtype));
    else
      operands.push_back(u.dies ? r.take(u.slot) : r.peek(u.slot));
  }
  const Loc where = r.frame->code->locs[in - r.frame->code->instrs.data()];
  std::vector<Tensor> results = r.context.host.host(h.attr, std::move(operands), where);
  require(results.size() == h.results.size(), "a host function gave the wrong number of results");
  for (size_t i = 0; i < results.size(); ++i) {
    require(results[i].dtype == h.results[i].dtype, "a host function gave the wrong dtype");
    const size_t rank = h.attr.results[i].shape.size();
    if (static_cast<size_t>(results[i].rank()) != rank)
      throw Trap(Code::E0803, "`" + h.attr.name + "` gave a tensor with " +
                                  std::to_string(results[i].rank()) + " axes where " +
                                  std::to_string(rank) + " are declared");
  }
  for (const HostCall::Axis& a : h.axes) {
    const int64_t extent = results[a.result].shape[a.axis], rest = a.rest.eval(r);
    auto differs = [&](const std::string& what) {
      throw Trap(Code::E0803, "axis " + std::to_string(a.axis) + " of what `" + h.attr.name +
                                  "` gave has size " + std::to_string(extent) + ", but `" + a.text +
                                  "` " + what);
    };
    if (!a.binds) {
      if (extent != rest) differs("is " + std::to_string(rest));
      continue;
    }
    if ((extent - rest) % a.coefficient != 0 || (extent - rest) / a.coefficient < 0)
      differs("cannot be that");
    r.s[a.slot].i = (extent - rest) / a.coefficient;
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const Use& u = h.results[i];
    if (u.kind == SlotKind::scalar)
      r.s[u.slot] = scalar_slot(results[i].raw(), u.dtype);
    else
      r.put(u.slot, std::move(results[i]));
  }
  return in + 1;
}

}  // namespace tenon::interp
