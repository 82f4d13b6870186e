// Primitives on shapes: making tensors of a shape, asking for it, changing it.
#include <algorithm>

#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

std::vector<DimId> sizes_from(Elab& e, const std::vector<Val>& values, const std::vector<Loc>& locs, std::string_view fn) {
  std::vector<Val> list;
  for (auto& v : values) {
    if (auto* t = as<TupleVal>(v)) list.insert(list.end(), t->elements.begin(), t->elements.end());
    else list.push_back(v);
  }
  std::vector<DimId> out;
  for (size_t i = 0; i < list.size(); ++i) {
    Val v = list[i];
    Loc loc = i < locs.size() ? locs[i] : locs.empty() ? Loc{} : locs.back();
    if (auto* t = as<TensorVal>(v); t && t->type.scalar() && t->type.dtype == DType::i64) v = std::make_shared<IntVal>(t->leaf);
    if (v->kind != Value::integer) e.error(Code::E0401, loc, "`" + std::string(fn) + "` takes sizes, but this is " + e.type_text(v));
    if (auto k = e.known_int(v); k && *k < 0) e.error(Code::E0301, loc, "a size is not negative");
    out.push_back(e.int_dim(*as<IntVal>(v)));
  }
  return out;
}

DType dtype_option(Elab& e, const Val& v, Loc loc) {
  if (!v) return DType::f32;
  if (auto* d = as<DTypeVal>(v)) return d->value;
  e.error(Code::E0401, loc, "`dtype` is a dtype, but this is " + e.type_text(v));
}

template <int value>
Val filled(Elab& e, const Args& args) {
  const char* fn = value ? "ones" : "zeros";
  TakenRest a(e, args, fn, {"dtype"});
  DType d = dtype_option(e, a.named[0], args.loc);
  std::vector<DimId> shape = sizes_from(e, a.values, a.locs, fn);
  e.cx->b.at(args.loc);
  ir::Value c = d == DType::boolean ? e.cx->b.boolean(value) : e.to_dtype(e.integer(value), d, args.loc);
  return e.tensor(e.cx->b.fill(c, shape));
}

Val full(Elab& e, const Args& args) {
  TakenRest a(e, args, "full", {"dtype"});
  if (a.values.empty()) e.error(Code::E0402, args.loc, "`full` takes a value and sizes");
  Val v = a.values[0];
  if (a.named[0]) v = e.cast(v, dtype_option(e, a.named[0], args.loc), a.locs[0]);
  TensorVal t = e.as_tensor(v, a.locs[0]);
  if (!t.type.scalar()) e.error(Code::E0401, a.locs[0], "`full` repeats one number");
  a.values.erase(a.values.begin());
  a.locs.erase(a.locs.begin());
  return e.tensor(e.cx->b.fill(e.use(t), sizes_from(e, a.values, a.locs, "full")));
}

// arange(n): i64[n] of 0, 1, ..; as floats by cast
Val arange(Elab& e, const Args& args) {
  Taken a(e, args, "arange", {"n", "dtype"}, 1);
  DType d = a[1] ? dtype_option(e, a[1], a.loc(1)) : DType::i64;
  std::vector<DimId> shape = sizes_from(e, {a[0]}, {a.loc(0)}, "arange");
  return e.tensor(e.cx->b.one(ir::Op::iota, {}, ir::IotaAttr{d, shape, 0}));
}

Val shape_fn(Elab& e, const Args& args) {
  Taken a(e, args, "shape", {"x"}, 1);
  Val v = e.named_value(a[0]);
  std::vector<Val> out;
  if (e.is_numberlike(v))
    for (DimId d : e.as_tensor(v, a.loc(0)).type.shape) out.push_back(std::make_shared<IntVal>(d));
  else e.error(Code::E0401, a.loc(0), "`shape` needs a tensor, but this is " + e.type_text(v));
  return std::make_shared<TupleVal>(std::move(out));
}

Val len_fn(Elab& e, const Args& args) {
  Taken a(e, args, "len", {"x"}, 1);
  if (auto* t = as<TupleVal>(a[0])) return e.integer(static_cast<int64_t>(t->elements.size()));
  if (auto* t = as<ListVal>(a[0])) return e.integer(static_cast<int64_t>(t->elements.size()));
  if (auto* q = as<SequenceVal>(a[0])) return q->count;
  if (auto* s = as<StringVal>(a[0]))
    if (auto k = s->known()) return e.integer(static_cast<int64_t>(k->size()));
  if (auto* r = as<RangeVal>(a[0]))
    return e.int_binary(ast::BinaryOp::sub, *as<IntVal>(r->hi), *as<IntVal>(r->lo), args.loc);
  return std::make_shared<IntVal>(e.first_size(a[0], a.loc(0)));
}

// have / want where both are products of sizes and it comes out even: 2*H*B / B.
std::optional<DimId> quotient(Elab& e, DimId have, DimId want) {
  DimId q = e.dims.floordiv(have, want);
  if (e.dims.mul(q, want) == have) return q;
  return std::nullopt;
}

Val reshape_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "reshape", {});
  if (a.values.empty()) e.error(Code::E0402, args.loc, "`reshape` takes a tensor and sizes");
  Val v = a.values[0];
  TensorVal t = e.as_tensor(v, a.locs[0]);
  std::vector<Val> list;
  std::vector<Loc> locs;
  for (size_t i = 1; i < a.values.size(); ++i) {  // sizes, and tuples of them: reshape(x, shape(y), 1)
    auto* tuple = as<TupleVal>(a.values[i]);
    for (auto& v : tuple ? tuple->elements : std::vector<Val>{a.values[i]}) {
      list.push_back(v);
      locs.push_back(a.locs[i]);
    }
  }
  std::optional<size_t> open;
  DimId have = e.dims.constant(1), want = have;
  for (DimId d : t.type.shape) have = e.dims.mul(have, d);
  std::vector<DimId> shape;
  for (size_t i = 0; i < list.size(); ++i) {
    if (e.known_int(list[i]) == int64_t{-1}) {
      if (open) e.error(Code::E0402, args.loc, "`reshape` takes one -1");
      open = i;
      shape.push_back(0);
      continue;
    }
    shape.push_back(sizes_from(e, {list[i]}, {i < locs.size() ? locs[i] : args.loc}, "reshape")[0]);
    want = e.dims.mul(want, shape.back());
  }
  ir::Value x = e.use(t);
  e.cx->b.at(args.loc);
  auto text = [&] { return "`reshape` of " + e.type_text(t.type) + " to " + std::to_string(list.size()) + " axes"; };
  if (open) {
    // The missing size: proved where the product divides, else computed and checked.
    auto hv = e.dims.value(have), wv = e.dims.value(want);
    if (hv && wv && (*wv == 0 || *hv % *wv != 0))
      e.error(Code::E0301, args.loc, text() + ": " + std::to_string(*hv) + " elements do not divide by " + std::to_string(*wv));
    std::vector<SymId> unknown{e.dims.fresh("rest", args.loc, false)};
    auto solved = e.dims.solve(e.dims.mul(want, e.dims.symbol(unknown[0])), have, unknown);
    DimId missing;
    if (want == e.dims.constant(1)) missing = have;
    else if (solved && solved->exact) missing = solved->value;
    else if (auto q = quotient(e, have, want)) missing = *q;
    else {
      ir::Value n = e.cx->b.scalar(ir::Op::div, {e.cx->b.size(have), e.cx->b.size(want)});
      missing = e.int_dim(IntVal(e.leaf(n)));
    }
    shape[*open] = missing;
    want = e.dims.mul(want, missing);
  }
  if (want != have)
    e.require_equal(have, want, args.loc, text() + (open ? ": the elements do not divide evenly" : ": the numbers of elements differ"), "", {});
  return e.tensor(e.reshape_as(x, shape));
}

Val transpose_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "transpose", {});
  if (a.values.empty()) e.error(Code::E0402, args.loc, "`transpose` takes a tensor");
  Val v = a.values[0];
  TensorVal t = e.as_tensor(v, a.locs[0]);
  int rank = static_cast<int>(t.type.rank());
  std::vector<Val> list(a.values.begin() + 1, a.values.end());
  if (list.size() == 1)
    if (auto* tuple = as<TupleVal>(list[0])) list = tuple->elements;
  std::vector<int> axes;
  if (list.empty()) {
    if (rank < 2) e.error(Code::E0303, args.loc, "`transpose` swaps the last two axes, but this is " + e.type_text(t.type));
    for (int i = 0; i < rank; ++i) axes.push_back(i);
    std::swap(axes[static_cast<size_t>(rank - 1)], axes[static_cast<size_t>(rank - 2)]);
  } else {
    std::set<int> seen;
    for (auto& x : list) {
      int64_t i = e.static_int(x, args.loc, "an axis");
      if (i < 0) i += rank;
      if (i < 0 || i >= rank || !seen.insert(static_cast<int>(i)).second || list.size() != static_cast<size_t>(rank))
        e.error(Code::E0303, args.loc, "`transpose` names each of the " + std::to_string(rank) + " axes once");
      axes.push_back(static_cast<int>(i));
    }
  }
  ir::Value x = e.use(t);
  e.cx->b.at(args.loc);
  return e.tensor(e.cx->b.transpose(x, axes));
}

std::vector<ir::Value> same_dtype(Elab& e, const std::vector<Val>& values, const std::vector<Loc>& locs, std::string_view fn) {
  std::optional<DType> d;
  for (auto& v : values)
    if (auto t = e.dtype_of(v)) d = d ? d : t;
  if (!d) {
    d = DType::i64;
    for (auto& v : values)
      if (v->kind == Value::real || (as<WeakVal>(v) && as<WeakVal>(v)->real)) d = DType::f32;
  }
  std::vector<ir::Value> out;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!e.is_numberlike(values[i])) e.error(Code::E0401, locs[i], "`" + std::string(fn) + "` takes tensors, but this is " + e.type_text(values[i]));
    out.push_back(e.to_dtype(values[i], *d, locs[i]));
  }
  return out;
}

std::vector<Val> parts(const TakenRest& a) {
  if (a.values.size() == 1) {
    if (auto* l = as<ListVal>(a.values[0])) return l->elements;
    if (auto* t = as<TupleVal>(a.values[0])) return t->elements;
  }
  return a.values;
}

// What concat and stack join: tensors of one dtype, and the shape of the first.
struct Joined {
  std::vector<ir::Value> values;
  std::vector<Loc> locs;
  std::vector<DimId> first;

  Joined(Elab& e, const TakenRest& a, const Args& args, const std::string& fn) : locs(a.locs) {
    const std::vector<Val> list = parts(a);
    if (list.empty()) e.error(Code::E0402, args.loc, "`" + fn + "` takes tensors");
    locs.resize(list.size(), args.loc);
    values = same_dtype(e, list, locs, fn);
    first = e.cx->fn->type(values[0]).shape;
  }
};

Val concat_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "concat", {"axis"});
  auto [v, locs, first] = Joined(e, a, args, "concat");
  if (first.empty()) e.error(Code::E0303, locs[0], "`concat` joins tensors with axes; stack makes one of numbers");
  int axis = e.static_axes(a.named[0] ? a.named[0] : e.integer(0), static_cast<int>(first.size()), args.loc)[0];
  for (size_t i = 1; i < v.size(); ++i) {
    std::vector<DimId> s = e.cx->fn->type(v[i]).shape;
    if (s.size() != first.size())
      e.error(Code::E0303, locs[i], "`concat` of " + e.shape_text(first) + " and " + e.shape_text(s) + ": the ranks differ");
    bool checked = false;
    for (size_t k = 0; k < s.size(); ++k) {
      if (static_cast<int>(k) == axis) continue;
      checked |= e.require_equal(first[k], s[k], locs[i], "axis " + std::to_string(k) + " differs in `concat`", "only the axis that is joined may differ", {}) == Elab::Sizes::checked;
      s[k] = first[k];
    }
    if (checked) v[i] = e.reshape_as(v[i], s);
  }
  e.cx->b.at(args.loc);
  return e.tensor(e.cx->b.one(ir::Op::concat, v, ir::AxisAttr{axis}));
}

Val stack_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "stack", {"axis"});
  auto [v, locs, first] = Joined(e, a, args, "stack");
  int axis = e.static_axes(a.named[0] ? a.named[0] : e.integer(0), static_cast<int>(first.size()) + 1, args.loc)[0];
  std::vector<DimId> shape = first;
  shape.insert(shape.begin() + axis, e.dims.constant(1));
  for (size_t i = 0; i < v.size(); ++i) {
    const std::vector<DimId> s = e.cx->fn->type(v[i]).shape;
    if (s.size() != first.size()) e.error(Code::E0303, locs[i], "`stack` of " + e.shape_text(first) + " and " + e.shape_text(s));
    for (size_t k = 0; k < s.size(); ++k) e.require_equal(first[k], s[k], locs[i], "the shapes differ in `stack`", "", {});
    v[i] = e.cx->b.reshape(v[i], shape);
  }
  e.cx->b.at(args.loc);
  return e.tensor(e.cx->b.one(ir::Op::concat, v, ir::AxisAttr{axis}));
}

Val broadcast_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "broadcast", {});
  if (a.values.empty()) e.error(Code::E0402, args.loc, "`broadcast` takes a tensor and sizes");
  Val v = a.values[0];
  TensorVal t = e.as_tensor(v, a.locs[0]);
  a.values.erase(a.values.begin());
  a.locs.erase(a.locs.begin());
  std::vector<DimId> shape = sizes_from(e, a.values, a.locs, "broadcast");
  if (shape.size() < t.type.rank()) e.error(Code::E0303, args.loc, "`broadcast` to fewer axes");
  DimId one = e.dims.constant(1);
  std::vector<DimId> own = t.type.shape;
  for (size_t i = 0; i < t.type.rank(); ++i) {
    DimId to = shape[shape.size() - t.type.rank() + i];
    if (own[i] == one || own[i] == to) continue;
    e.require_equal(own[i], to, args.loc, "`broadcast` repeats axes of size 1 only", "", {});
    own[i] = to;  // equal when the program runs, which was checked
  }
  return e.tensor(e.stretch(e.reshape_as(e.use(t), own), shape));
}

Val dtype_fn(Elab& e, const Args& args) {
  Taken a(e, args, "dtype_of", {"x"}, 1);
  Val v = a[0];
  return std::make_shared<DTypeVal>(e.as_tensor(v, a.loc(0)).type.dtype);
}

Val rank_fn(Elab& e, const Args& args) {
  Taken a(e, args, "rank", {"x"}, 1);
  Val v = a[0];
  return e.integer(static_cast<int64_t>(e.as_tensor(v, a.loc(0)).type.rank()));
}

// ---- what library functions of any rank are written with

// _axis(x, axis, more = 0): from the front, an axis of x, or of what has `more` axes more. _axes(x, axis): a tuple of such, all of them for ().
Val axis_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_axis", {"x", "axis", "more"}, 2);
  Val v = a[0];
  int rank = static_cast<int>(e.as_tensor(v, a.loc(0)).type.rank());
  if (a[2]) rank += static_cast<int>(e.static_int(a[2], args.loc, "`more`"));
  if (a[1]->kind == Value::tuple) e.error(Code::E0401, args.loc, "one axis is needed here, an int, but this is " + e.type_text(a[1]));
  return e.integer(e.static_axes(a[1], rank, args.loc)[0]);
}
Val axes_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_axes", {"x", "axis"}, 2);
  Val v = a[0];
  int rank = static_cast<int>(e.as_tensor(v, a.loc(0)).type.rank());
  std::vector<int> axes = e.static_axes(a[1], rank, args.loc);
  if (as<TupleVal>(a[1]) && axes.empty())
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  std::vector<Val> out;
  for (int i : axes) out.push_back(e.integer(i));
  return std::make_shared<TupleVal>(std::move(out));
}
// _rows(x, keep = 1): all axes but the last `keep` as one. f32[.., N] -> f32[R, N]
Val rows_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_rows", {"x", "keep"}, 1);
  Val v = a[0];
  const TensorVal t = e.as_tensor(v, a.loc(0));
  size_t keep = a[1] ? static_cast<size_t>(e.static_int(a[1], args.loc, "`keep`")) : 1;
  if (t.type.rank() < keep)
    e.error(Code::E0303, args.loc, std::string(keep == 1 ? "a tensor with an axis" : "a matrix, or a batch of them,") +
            " is needed here, but this is " + e.type_text(t.type));
  std::vector<DimId> shape{e.dims.constant(1)};
  for (size_t i = 0; i < t.type.rank(); ++i) {
    if (i + keep < t.type.rank()) shape[0] = e.dims.mul(shape[0], t.type.shape[i]);
    else shape.push_back(t.type.shape[i]);
  }
  return e.tensor(e.reshape_as(e.use(t), shape));
}
// fma(a, b, c): a * b + c, rounded once

constexpr Builtin kTable[] = {
    {"zeros", "zeros(sizes.., dtype = f32)", filled<0>},
    {"ones", "ones(sizes.., dtype = f32)", filled<1>},
    {"full", "full(value, sizes.., dtype)", full},
    {"arange", "arange(n, dtype = i64)", arange},
    {"shape", "shape(x)", shape_fn},
    {"len", "len(x)", len_fn},
    {"rank", "rank(x)", rank_fn},
    {"dtype_of", "dtype_of(x)", dtype_fn},
    {"reshape", "reshape(x, sizes..)", reshape_fn},
    {"transpose", "transpose(x, axes..)", transpose_fn},
    {"concat", "concat(parts.., axis = 0)", concat_fn},
    {"stack", "stack(parts.., axis = 0)", stack_fn},
    {"broadcast", "broadcast(x, sizes..)", broadcast_fn},
    {"_axis", "_axis(x, axis, more = 0)", axis_fn},
    {"_axes", "_axes(x, axis)", axes_fn},
    {"_rows", "_rows(x, keep = 1)", rows_fn},
};

}  // namespace

std::span<const Builtin> shape_builtins() { return kTable; }

}  // namespace tenon::elab
