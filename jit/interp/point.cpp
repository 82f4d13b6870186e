// Handlers of point work: fused groups of elementwise nodes, and map and scatter, whose bodies run
// as point programs over blocks of indices, or turn by turn (see Turns in handlers.h).
#include <utility>

#include "jit/interp/engine.h"
#include "jit/interp/handlers.h"
#include "jit/interp/operands.h"
#include "kernels/cpu/kernels.h"

namespace tenon::interp {

namespace {

void operand_of(Run& r, const Use& u, kernels::PointOperand& to) {
  if (u.kind == SlotKind::scalar)
    to = {&r.s[u.slot], nullptr};
  else
    to = {r.peek(u.slot).raw(), r.peek(u.slot).strides.begin()};
}

}  // namespace

TENON_HANDLER(run_group) {
  const auto& p = *static_cast<const Points*>(in->data);
  const Extents space = p.shape.eval(r);
  kernels::PointOperand operands[kMostOperands];
  kernels::PointResult results[kMostOperands];
  for (size_t i = 0; i < p.operands.size(); ++i) operand_of(r, p.operands[i], operands[i]);
  for (size_t i = 0; i < p.results.size(); ++i) {
    Slot& out = r.s[p.results[i]];
    for (int from : p.may_replace[i]) {
      Slot& over = r.s[p.operands[from].slot];
      if (!over.t || !over.t->unique() || !over.t->contiguous()) continue;
      // The box moves; the strides that the operand points to move with it.
      out.t = over.t;
      out.t->dtype = p.types[i];
      over.t = nullptr;
      break;
    }
    if (!out.t) r.put(p.results[i], Tensor(p.types[i], space));
    results[i] = {out.t->raw(), nullptr};
  }
  kernels::run_points(p.program, space, {operands, p.operands.size()}, {results, p.results.size()},
                      {}, r.threads());
  for (const Use& u : p.operands)
    if (u.dies && r.s[u.slot].t) r.drop(u.slot);
  return in + 1;
}

// ---------------------------------------------------------------- map and scatter

namespace {

struct Mapping {
  std::vector<kernels::PointOperand> operands;
  std::vector<kernels::View> reads;
  bool usable = true;  // a read under a condition needs an element that is always there

  Mapping(Run& r, const Mapped& m) : operands(m.operands.size()) {
    for (size_t i = 0; i < m.operands.size(); ++i) operand_of(r, m.operands[i], operands[i]);
    reads.reserve(m.reads.size());
    for (size_t i = 0; i < m.reads.size(); ++i) {
      reads.push_back(view(r, m.reads[i]));
      if (m.guarded[i] && reads.back().count() == 0) usable = false;
    }
  }
};

Tensor copy_of(Run& r, const Use& x) {
  const Tensor& t = r.peek(x.slot);
  if (x.dies && t.unique() && t.contiguous()) return r.take(x.slot);
  Tensor copy(t.dtype, t.shape);
  kernels::copy(t, copy, r.threads());
  if (x.dies) r.drop(x.slot);
  return copy;
}

}  // namespace

// A trap in a block tells that something is wrong, not what is wrong first: then the turns behind
// find the smallest index, and in it the first node.
TENON_HANDLER(run_map) {
  const auto& m = *static_cast<const Mapped*>(in->data);
  const Mapping args(r, m);
  if (!args.usable) return in + 1;
  const Extents out = m.out.eval(r), red = m.red.eval(r);
  try {
    if (m.to_scalar) {
      Slot result{};
      kernels::run_map(m.program, out, red, m.kind, args.operands, args.reads, &result,
                       r.threads());
      r.s[in->out] = result;
    } else {
      Tensor result(m.dtype, out);
      kernels::run_map(m.program, out, red, m.kind, args.operands, args.reads, result.raw(),
                       r.threads());
      r.put(in->out, std::move(result));
    }
  } catch (const Trap& t) {
    if (t.code != Code::E0801 && t.code != Code::E0802) throw;
    return in + 1;
  }
  return in + in->jump;
}

TENON_HANDLER(run_scatter) {
  const auto& m = *static_cast<const Mapped*>(in->data);
  if (!Mapping(r, m).usable) return in + 1;
  const Extents space = m.out.eval(r);
  Slot sum{};
  Tensor x;
  if (m.to_scalar)
    sum = r.s[m.x.slot];
  else
    x = copy_of(r, m.x);
  // The reads are seen after x was taken: a body that reads x reads it as it was, since then x does
  // not end here and was copied.
  const Mapping args(r, m);
  try {
    kernels::run_scatter(
        m.program, space, args.operands, args.reads,
        m.to_scalar ? kernels::View(&sum, nullptr, nullptr, 0, m.dtype) : kernels::View(x),
        r.threads());
  } catch (const Trap& t) {
    if (t.code != Code::E0801 && t.code != Code::E0802) throw;
    if (m.x.dies) r.put(m.x.slot, std::move(x));  // half changed; the turns look at its sizes only
    return in + 1;
  }
  if (m.to_scalar)
    r.s[in->out] = sum;
  else
    r.put(in->out, std::move(x));
  return in + in->jump;
}

TENON_HANDLER(run_gather_rows) {
  const auto& g = *static_cast<const Rows*>(in->data);
  const Tensor &table = r.peek(g.table.slot), &index = r.peek(g.index.slot);
  Extents shape = index.shape;
  for (int i = 1; i < table.rank(); ++i) shape.push_back(table.shape[i]);
  r.place = g.place;
  Tensor out(table.dtype, shape);
  kernels::gather_rows(table, index, out, r.threads());
  r.place = {};
  r.put(in->out, std::move(out));
  return in + 1;
}

TENON_HANDLER(run_scatter_rows) {
  const auto& g = *static_cast<const Rows*>(in->data);
  r.place = g.place;
  Tensor table = copy_of(r, g.table);
  kernels::scatter_add_rows(table, r.peek(g.index.slot), r.peek(g.rows.slot), r.threads());
  r.place = {};
  r.put(in->out, std::move(table));
  return in + 1;
}

// ---------------------------------------------------------------- turn by turn

TENON_HANDLER(run_turns_begin) {
  const auto& t = *static_cast<const Turns*>(in->data);
  // Not one Extents: out and red together may have more axes than a tensor.
  size_t axis = 0;
  int64_t total = 1;
  for (const Extents& part : {t.out.eval(r), t.red.eval(r)})
    for (int64_t n : part) {
      r.s[t.index[axis]].i = 0;
      r.s[t.extent[axis++]].i = n;
      total *= n;
    }
  r.s[t.turn].i = 0;
  r.s[t.turns].i = total;
  for (size_t i = 0; i < t.buffers.size(); ++i)
    r.put(t.buffers[i], Tensor(t.values[i].dtype, {total}));
  return total > 0 ? in + 1 : in + in->jump;
}

TENON_HANDLER(run_turns_next) {
  const auto& t = *static_cast<const Turns*>(in->data);
  const int64_t at = r.s[t.turn].i++;
  if (t.scatter && !t.to_scalar) {
    const Tensor& x = r.peek(t.x.slot);
    for (int axis = 0; axis < x.rank(); ++axis) {
      const int64_t i = r.s[t.values[axis].slot].i;
      if (i < 0 || i >= x.shape[axis]) out_of_range(i, axis, x.shape[axis]);
    }
  }
  for (size_t i = 0; i < t.buffers.size(); ++i) {
    const size_t bytes = size_of(t.values[i].dtype);
    std::memcpy(
        static_cast<std::byte*>(r.s[t.buffers[i]].t->raw()) + at * static_cast<int64_t>(bytes),
        &r.s[t.values[i].slot], bytes);
  }
  if (at + 1 == r.s[t.turns].i) return in + 1;
  for (size_t i = t.index.size(); i-- > 0;) {
    if (++r.s[t.index[i]].i < r.s[t.extent[i]].i) break;
    r.s[t.index[i]].i = 0;
  }
  if ((at & 255) == 0) r.poll();
  return in + in->jump;
}

TENON_HANDLER(run_turns_end) {
  const auto& t = *static_cast<const Turns*>(in->data);
  std::vector<kernels::PointOperand> operands;
  const Extents out = t.out.eval(r), red = t.red.eval(r);
  std::vector<int64_t> strides(out.begin(), out.end());
  strides.insert(strides.end(), red.begin(), red.end());
  for (int64_t i = static_cast<int64_t>(strides.size()), next = 1; i-- > 0;)
    next *= std::exchange(strides[i], next);
  for (uint32_t b : t.buffers) operands.push_back({r.peek(b).raw(), strides.data()});
  if (t.scatter) {
    if (t.to_scalar) {
      Slot sum = r.s[t.x.slot];
      kernels::run_scatter(t.program, out, operands, {},
                           kernels::View(&sum, nullptr, nullptr, 0, t.dtype), r.threads());
      r.s[in->out] = sum;
    } else {
      Tensor x = copy_of(r, t.x);
      kernels::run_scatter(t.program, out, operands, {}, x, r.threads());
      r.put(in->out, std::move(x));
    }
  } else if (t.to_scalar) {
    Slot result{};
    kernels::run_map(t.program, out, red, t.kind, operands, {}, &result, r.threads());
    r.s[in->out] = result;
  } else {
    Tensor result(t.dtype, out);
    kernels::run_map(t.program, out, red, t.kind, operands, {}, result.raw(), r.threads());
    r.put(in->out, std::move(result));
  }
  for (uint32_t b : t.buffers) r.drop(b);
  return in + 1;
}

}  // namespace tenon::interp
