// Handlers of the structural operations on tensors: views where no element has to move, kernels
// elsewhere, and in place where the operand is not used any more.
#include <optional>

#include "jit/interp/engine.h"
#include "jit/interp/handlers.h"
#include "jit/interp/operands.h"
#include "kernels/cpu/kernels.h"

namespace tenon::interp {

namespace {

const Shaped& shaped(const Instr* in) { return *static_cast<const Shaped*>(in->data); }

void done_with(Run& r, const Use& u) {
  if (u.dies) r.drop(u.slot);
}

// The operand to be changed: itself where nobody else can tell, else a row-major copy.
Tensor to_change(Run& r, const Use& x) {
  const Tensor& t = r.peek(x.slot);
  if (x.dies && t.unique() && t.contiguous()) return r.take(x.slot);
  Tensor copy(t.dtype, t.shape);
  kernels::copy(t, copy, r.threads());
  done_with(r, x);
  return copy;
}

Extents starts_of(Run& r, const std::vector<uint32_t>& slots) {
  Extents e;
  for (uint32_t s : slots) e.push_back(r.s[s].i);
  return e;
}

std::span<const int64_t> span(const Extents& e) {
  return {e.begin(), static_cast<size_t>(e.size())};
}

}  // namespace

TENON_HANDLER(run_constant) {
  r.s[in->out].t = r.boxes.copy(shaped(in).constant);
  return in + 1;
}

TENON_HANDLER(run_iota) {
  const Shaped& s = shaped(in);
  Tensor out(s.dtype, s.shape.eval(r));
  kernels::iota(s.axes[0], out, r.threads());
  r.put(in->out, std::move(out));
  return in + 1;
}

// ---------------------------------------------------------------- views

TENON_HANDLER(run_broadcast) {
  const Shaped& s = shaped(in);
  Tensor out = r.peek(s.x.slot).broadcast(s.shape.eval(r), s.axes);
  done_with(r, s.x);
  r.put(in->out, std::move(out));
  return in + 1;
}

TENON_HANDLER(run_broadcast_scalar) {
  const Shaped& s = shaped(in);
  Tensor out = scalar_tensor(r.s[s.x.slot], s.dtype).broadcast(s.shape.eval(r), {});
  r.put(in->out, std::move(out));
  return in + 1;
}

namespace {
void same_count(int64_t have, const Extents& to) {
  if (have == to.product()) return;
  std::string shape;
  for (int64_t n : to) shape += (shape.empty() ? "" : ", ") + std::to_string(n);
  throw Trap(Code::E0803, "reshape to [" + shape + "] needs " + std::to_string(to.product()) +
                              " elements and finds " + std::to_string(have));
}
}  // namespace

TENON_HANDLER(run_reshape) {
  const Shaped& s = shaped(in);
  const Tensor& x = r.peek(s.x.slot);
  const Extents to = s.shape.eval(r);
  same_count(x.count(), to);
  Tensor out;
  if (x.contiguous()) {
    out = x.reshaped(to);
  } else {
    Tensor copy(x.dtype, x.shape);
    kernels::copy(x, copy, r.threads());
    out = copy.reshaped(to);
  }
  done_with(r, s.x);
  r.put(in->out, std::move(out));
  return in + 1;
}

TENON_HANDLER(run_reshape_to_scalar) {
  const Shaped& s = shaped(in);
  const Tensor& x = r.peek(s.x.slot);
  same_count(x.count(), {});
  r.s[in->out] = scalar_slot(x.raw(), s.dtype);
  done_with(r, s.x);
  return in + 1;
}

TENON_HANDLER(run_reshape_of_scalar) {
  const Shaped& s = shaped(in);
  const Extents to = s.shape.eval(r);
  same_count(1, to);
  Tensor out(s.dtype, to);
  std::memcpy(out.raw(), &r.s[s.x.slot], size_of(s.dtype));
  r.put(in->out, std::move(out));
  return in + 1;
}

TENON_HANDLER(run_transpose) {
  const Shaped& s = shaped(in);
  Tensor out = r.peek(s.x.slot).transposed(s.axes);
  done_with(r, s.x);
  r.put(in->out, std::move(out));
  return in + 1;
}

TENON_HANDLER(run_slice) {
  const Shaped& s = shaped(in);
  const Tensor& x = r.peek(s.x.slot);
  const Extents starts = starts_of(r, s.starts), to = s.shape.eval(r);
  kernels::check_slice(span(x.shape), span(starts), span(to), s.strides);
  Tensor out = x.sliced(starts, to, s.strides);
  done_with(r, s.x);
  r.put(in->out, std::move(out));
  return in + 1;
}

// ---------------------------------------------------------------- changed copies

TENON_HANDLER(run_update) {
  const Shaped& s = shaped(in);
  const Extents starts = starts_of(r, s.starts);
  {
    // Checked before x is touched: a trap leaves nothing half written.
    const Tensor &x = r.peek(s.x.slot), &v = r.peek(s.v.slot);
    kernels::check_slice(span(x.shape), span(starts), span(v.shape), s.strides);
  }
  Tensor x = to_change(r, s.x);
  kernels::update(x, r.peek(s.v.slot), span(starts), s.strides, r.threads());
  done_with(r, s.v);
  r.put(in->out, std::move(x));
  return in + 1;
}

namespace {
int64_t place_of(Run& r, const Tensor& x, const std::vector<uint32_t>& index) {
  int64_t at = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t i = r.s[index[axis]].i;
    if (i < 0 || i >= x.shape[axis]) [[unlikely]]
      out_of_range(i, axis, x.shape[axis]);
    at += i * x.strides[axis];
  }
  return at;
}
}  // namespace

TENON_HANDLER(run_update_element) {
  const Shaped& s = shaped(in);
  place_of(r, r.peek(s.x.slot), s.starts);
  Tensor x = to_change(r, s.x);
  const auto bytes = static_cast<int64_t>(size_of(x.dtype));
  const int64_t at = place_of(r, x, s.starts);  // a copy has strides of its own
  std::memcpy(static_cast<std::byte*>(x.raw()) + at * bytes, &r.s[s.v.slot],
              static_cast<size_t>(bytes));
  r.put(in->out, std::move(x));
  return in + 1;
}

// read, and a slice of one element.
TENON_HANDLER(run_read) {
  const auto& read = *static_cast<const Reading*>(in->data);
  const Tensor& x = r.peek(read.x.slot);
  const int64_t at = place_of(r, x, read.at);
  const auto bytes = static_cast<int64_t>(size_of(x.dtype));
  r.s[in->out] = scalar_slot(static_cast<const std::byte*>(x.raw()) + at * bytes, x.dtype);
  done_with(r, read.x);
  return in + 1;
}

namespace {

// The first part of a concat with room for the rest behind it, of `shape`, where nobody else can tell:
// what grows in a loop is not copied in every turn. Nothing where this is not so.
std::optional<Tensor> extended(Run& r, const Joined& join, const Extents& shape) {
  const Use& first = join.parts[0];
  const Tensor& x = r.peek(first.slot);
  if (!first.dies || !x.unique() || !x.contiguous() || x.count() == 0) return std::nullopt;
  for (int i = 0; i < join.axis; ++i)
    if (shape[i] != 1) return std::nullopt;
  Tensor out = x;  // two users now, until x is dropped
  out.shape = shape;
  out.strides = row_major(shape);
  const int64_t unit = static_cast<int64_t>(size_of(x.dtype));
  if (static_cast<size_t>(x.offset * unit + out.bytes()) > x.buffer->size()) {
    out.buffer = x.buffer->grown(static_cast<size_t>(out.bytes()));
    out.offset = 0;
    Tensor head = out;
    head.shape = x.shape;
    kernels::copy(x, head, r.threads());
  }
  return out;
}

}  // namespace

TENON_HANDLER(run_concat) {
  const auto& join = *static_cast<const Joined*>(in->data);
  std::vector<kernels::View> parts;
  parts.reserve(join.parts.size());
  Extents shape = r.peek(join.parts[0].slot).shape;
  shape[join.axis] = 0;
  for (const Use& u : join.parts) {
    const Tensor& t = r.peek(u.slot);
    parts.emplace_back(t);
    shape[join.axis] += t.shape[join.axis];
  }
  std::optional<Tensor> grown = extended(r, join, shape);
  Tensor out = grown ? std::move(*grown) : Tensor(parts[0].dtype, shape);
  if (grown) {
    Tensor rest = out;
    rest.offset += parts[0].count();
    rest.shape[join.axis] -= parts[0].shape[join.axis];
    kernels::concat(std::span(parts).subspan(1), join.axis, rest, r.threads());
  } else {
    kernels::concat(parts, join.axis, out, r.threads());
  }
  for (const Use& u : join.parts) done_with(r, u);
  r.put(in->out, std::move(out));
  return in + 1;
}

// ---------------------------------------------------------------- reductions and the like

namespace {
// Calls f with the view to fill; a result without axes goes straight to its slot.
template <class F>
void fill(Run& r, const Instr* in, bool to_scalar, DType t, const Extents& shape, F&& f) {
  if (to_scalar) {
    Slot result{};
    f(kernels::View(&result, nullptr, nullptr, 0, t));
    r.s[in->out] = result;
  } else {
    Tensor out(t, shape);
    f(kernels::View(out));
    r.put(in->out, std::move(out));
  }
}
}  // namespace

TENON_HANDLER(run_reduce) {
  const auto& a = *static_cast<const Reduced*>(in->data);
  const Tensor& x = r.peek(in->a);
  Extents shape;
  for (int i = 0, k = 0; i < x.rank(); ++i) {
    if (k < static_cast<int>(a.axes.size()) && a.axes[k] == i)
      ++k;
    else
      shape.push_back(x.shape[i]);
  }
  fill(r, in, a.to_scalar, a.dtype, shape,
       [&](const kernels::View& out) { kernels::reduce(a.kind, x, a.axes, out, r.threads()); });
  return in + 1;
}

TENON_HANDLER(run_arg_reduce) {
  const auto& a = *static_cast<const Reduced*>(in->data);
  const Tensor& x = r.peek(in->a);
  Extents shape;
  for (int i = 0; i < x.rank(); ++i)
    if (i != a.axes[0]) shape.push_back(x.shape[i]);
  fill(r, in, a.to_scalar, DType::i64, shape, [&](const kernels::View& out) {
    kernels::arg_reduce(a.kind, x, a.axes[0], out, r.threads());
  });
  return in + 1;
}

TENON_HANDLER(run_scan) {
  const auto& a = *static_cast<const Reduced*>(in->data);
  const Tensor& x = r.peek(in->a);
  Tensor out(a.dtype, x.shape);
  kernels::scan(a.kind, x, a.axes[0], a.reverse, out, r.threads());
  r.put(in->out, std::move(out));
  return in + 1;
}

TENON_HANDLER(run_sort) {
  const auto& a = *static_cast<const Sorted*>(in->data);
  const Tensor& x = r.peek(in->a);
  Tensor values(x.dtype, x.shape), permutation(DType::i64, x.shape);
  kernels::sort(x, a.axis, values, permutation, r.threads());
  r.put(a.values, std::move(values));
  r.put(a.permutation, std::move(permutation));
  return in + 1;
}

namespace {

// Reads at affine places were proved or checked before; this is the last fence before the kernel.
void inside(const std::vector<ir::Affine>& axes, const int64_t* range, const Extents& offset,
            const kernels::View& x) {
  for (size_t k = 0; k < axes.size(); ++k) {
    if (axes[k].terms.size() == 1 && axes[k].terms[0].coefficient == 1 && offset[k] == 0 &&
        range[axes[k].terms[0].index] == x.shape[k])
      continue;
    int64_t low = offset[k], high = offset[k];
    for (const auto& term : axes[k].terms) {
      const int64_t most = (range[term.index] - 1) * term.coefficient;
      if (most < 0)
        low += most;
      else
        high += most;
    }
    if (low < 0) out_of_range(low, static_cast<int>(k), x.shape[k]);
    if (high >= x.shape[k]) out_of_range(high, static_cast<int>(k), x.shape[k]);
  }
}

}  // namespace

TENON_HANDLER(run_contract) {
  const auto& c = *static_cast<const Contracted*>(in->data);
  const kernels::View a = view(r, c.a), b = view(r, c.b);
  int64_t ranges[32];
  bool empty = false;
  const size_t n = c.range.size();
  for (size_t i = 0; i < n; ++i) {
    ranges[i] = c.range[i].eval(r);
    if (ranges[i] < 0) negative_size(ranges[i]);
    empty |= ranges[i] == 0;
  }
  Extents offset_a, offset_b, shape;
  for (const SizeRef& o : c.offset_a) offset_a.push_back(o.eval(r));
  for (const SizeRef& o : c.offset_b) offset_b.push_back(o.eval(r));
  if (!empty) {
    inside(c.spec->a, ranges, offset_a, a);
    inside(c.spec->b, ranges, offset_b, b);
  }
  for (uint8_t i : c.spec->out) shape.push_back(ranges[i]);
  std::span<const int64_t> oa, ob;
  if (c.offsets) {
    oa = span(offset_a);
    ob = span(offset_b);
  }
  fill(r, in, c.spec->out.empty(), c.dtype, shape, [&](const kernels::View& out) {
    kernels::contract(*c.spec, {ranges, n}, oa, ob, a, b, out, r.threads());
  });
  return in + 1;
}

}  // namespace tenon::interp
