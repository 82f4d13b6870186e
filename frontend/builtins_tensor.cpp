// Primitives on tensors: elementwise functions, conversions and reductions. Shapes are in builtins_shape.cpp.
#include <algorithm>

#include "frontend/builtins.h"
#include "frontend/foreign_names.h"

namespace tenon::elab {

Taken::Taken(Elab& e, const Args& args, std::string_view fn, std::initializer_list<std::string_view> params,
             size_t required) {
  std::vector<std::string> names;
  for (auto p : params) names.emplace_back(p);
  auto describe = [&] {
    std::string s;
    for (auto& n : names) s += (s.empty() ? "" : ", ") + n;
    return "`" + std::string(fn) + "` takes (" + s + ")";
  };
  values_.resize(names.size());
  locs_.assign(names.size(), args.loc);
  size_t at = 0;
  for (auto& a : args.list) {
    size_t i = at;
    if (a.name.empty()) {
      if (at >= names.size()) e.error(Code::E0402, a.loc, "too many arguments: " + describe());
      ++at;
    } else {
      i = 0;
      while (i < names.size() && names[i] != a.name) ++i;
      if (i == names.size()) {
        auto* foreign = foreign_name(Place::parameter, a.name);
        const bool fits = foreign && std::find(names.begin(), names.end(), foreign->hint) != names.end();
        e.error(Code::E0402, a.loc, "`" + std::string(fn) + "` has no parameter `" + a.name + "`",
                fits ? "it is called `" + std::string(foreign->hint) + "` here" : describe());
      }
      if (values_[i]) e.error(Code::E0402, a.loc, "`" + a.name + "` is given twice", describe());
    }
    if (is_poison(a.value)) throw Reported{};
    values_[i] = a.value;
    locs_[i] = a.loc;
  }
  for (size_t i = 0; i < required; ++i)
    if (!values_[i]) e.error(Code::E0402, args.loc, "`" + names[i] + "` is missing: " + describe());
}

TakenRest::TakenRest(Elab& e, const Args& args, std::string_view fn, std::initializer_list<std::string_view> names) {
  named.resize(names.size());
  for (auto& a : args.list) {
    if (is_poison(a.value)) throw Reported{};
    if (a.name.empty()) {
      values.push_back(a.value);
      locs.push_back(a.loc);
      continue;
    }
    size_t i = 0;
    for (auto n : names) {
      if (n == a.name) break;
      ++i;
    }
    if (i == names.size()) e.error(Code::E0402, a.loc, "`" + std::string(fn) + "` has no parameter `" + a.name + "`");
    named[i] = a.value;
  }
}

Val Elab::cast(const Val& v, DType to, Loc loc) {
  if (v->kind == Value::weak || v->kind == Value::integer || v->kind == Value::real) {
    // Literals are taken as they are written: f64([0.1]) sees the double.
    auto* w = as<WeakVal>(v);
    bool real_number = v->kind == Value::real || (w && w->real);
    if (!(real_number && !is_float(to)) && to != DType::boolean) return tensor(to_dtype(v, to, loc));
  }
  if (auto* text = as<StringVal>(v)) return cast(number_in(*this, *text, to, loc), to, loc);
  Val x = v;
  const TensorVal& t = as_tensor(x, loc, "what is converted: a tensor or a number");
  cx->b.at(loc);
  return tensor(cx->b.convert(use(t), to));
}

namespace {

// ---- elementwise

template <ir::Op op, const char* const& label>
Val unary_fn(Elab& e, const Args& args) {
  Taken a(e, args, label, {"x"}, 1);
  return e.elementwise(op, {a[0]}, {a.loc(0)}, args.loc, label);
}
template <ir::Op op, const char* const& label>
Val binary_fn(Elab& e, const Args& args) {
  Taken a(e, args, label, {"a", "b"}, 2);
  return e.elementwise(op, {a[0], a[1]}, {a.loc(0), a.loc(1)}, args.loc, label);
}

#define UNARY(name) constexpr const char* const k_##name = #name;
UNARY(exp) UNARY(expm1) UNARY(log) UNARY(log1p) UNARY(sqrt) UNARY(sin) UNARY(cos) UNARY(tanh) UNARY(erf)
UNARY(floor) UNARY(ceil) UNARY(trunc) UNARY(round) UNARY(maximum) UNARY(minimum) UNARY(atan2)
UNARY(bit_and) UNARY(bit_or) UNARY(bit_xor) UNARY(bit_not) UNARY(shift_left) UNARY(shift_right)
#undef UNARY

Val abs_fn(Elab& e, const Args& args) {
  Taken a(e, args, "abs", {"x"}, 1);
  if (auto k = e.known_int(a[0])) return e.integer(*k < 0 ? -*k : *k);
  if (auto* f = as<FloatVal>(a[0]); f && f->known) return e.real(*f->known < 0 ? -*f->known : *f->known);
  if (auto* f = as<FloatVal>(a[0])) return std::make_shared<FloatVal>(e.leaf(e.cx->b.scalar(ir::Op::abs, {e.float_value(*f)})));
  if (auto* i = as<IntVal>(a[0])) return e.int_from(e.cx->b.scalar(ir::Op::abs, {e.int_value(*i)}));
  return e.elementwise(ir::Op::abs, {a[0]}, {a.loc(0)}, args.loc, "abs");
}

// maximum and minimum of host numbers stay host numbers: of sizes, sizes.
template <bool is_max>
Val extremum(Elab& e, const Args& args) {
  const char* label = is_max ? "maximum" : "minimum";
  Taken a(e, args, label, {"a", "b"}, 2);
  auto *ia = as<IntVal>(a[0]), *ib = as<IntVal>(a[1]);
  ir::Op op = is_max ? ir::Op::max : ir::Op::min;
  if (ia && ib) {
    if (ia->dim && ib->dim)
      return std::make_shared<IntVal>(is_max ? e.dims.max(*ia->dim, *ib->dim) : e.dims.min(*ia->dim, *ib->dim));
    ir::Value x = e.int_value(*ia), y = e.int_value(*ib);
    return e.int_from(e.cx->b.scalar(op, {x, y}));
  }
  bool host = true;
  for (int i = 0; i < 2; ++i) host = host && (a[i]->kind == Value::integer || a[i]->kind == Value::real);
  if (host) {
    ir::Value x = e.to_dtype(a[0], DType::f64, a.loc(0)), y = e.to_dtype(a[1], DType::f64, a.loc(1));
    return std::make_shared<FloatVal>(e.leaf(e.cx->b.scalar(op, {x, y})));
  }
  return e.elementwise(op, {a[0], a[1]}, {a.loc(0), a.loc(1)}, args.loc, label);
}

Val where_fn(Elab& e, const Args& args) {
  Taken a(e, args, "where", {"condition", "a", "b"}, 3);
  Val c = a[0];
  if (e.dtype_of(c) != DType::boolean)
    e.error(Code::E0401, a.loc(0), "`where` chooses by bools, but this is " + e.type_text(c), "compare: where(x > 0, a, b)");
  // Shapes of all three meet; dtypes of the two values.
  auto o = e.together({a[1], a[2]}, {a.loc(1), a.loc(2)}, args.loc, "where");
  ir::Value cv = e.use(*as<TensorVal>(c));
  std::vector<DimId> shape = o.shape;
  const auto& cs = e.cx->fn->type(cv).shape;
  if (cs.size() > shape.size()) shape = cs;
  // A condition that is larger or has larger axes decides; sizes must fit.
  DimId one = e.dims.constant(1);
  for (size_t i = 0; i < std::min(cs.size(), o.shape.size()); ++i) {
    size_t ic = cs.size() - 1 - i, io = o.shape.size() - 1 - i, is = shape.size() - 1 - i;
    if (cs[ic] == o.shape[io]) continue;
    if (cs[ic] == one) { shape[is] = o.shape[io]; continue; }
    if (o.shape[io] == one) { shape[is] = cs[ic]; continue; }
    e.require_equal(cs[ic], o.shape[io], args.loc, "the sizes of `where` differ", "", {});
    shape[is] = o.shape[io];
    std::vector<DimId> s = cs;
    s[ic] = o.shape[io];
    cv = e.reshape_as(cv, s);
  }
  if (shape != o.shape && shape != cs)
    e.error(Code::E0302, args.loc, "the condition and the values of `where` would both have to grow: " +
            e.shape_text(cs) + " and " + e.shape_text(o.shape));
  ir::Value x = e.stretch(o.values[0], shape), y = e.stretch(o.values[1], shape);
  e.cx->b.at(args.loc);
  return e.tensor(e.cx->b.scalar(ir::Op::select, {e.stretch(cv, shape), x, y}));
}

Val cast_fn(Elab& e, const Args& args) {
  Taken a(e, args, "cast", {"x", "dtype"}, 2);
  auto* d = as<DTypeVal>(a[1]);
  if (!d) e.error(Code::E0401, a.loc(1), "`cast` needs a dtype, but this is " + e.type_text(a[1]), "f32, f64, i64, bool ..");
  return e.cast(a[0], d->value, a.loc(0));
}

// int(x), float(x): back to a host number.
Val to_int(Elab& e, const Args& args) {
  Taken a(e, args, "int", {"x"}, 1);
  if (a[0]->kind == Value::integer) return a[0];
  if (auto* text = as<StringVal>(a[0])) return number_in(e, *text, DType::i64, a.loc(0));
  if (auto* f = as<FloatVal>(a[0]); f && f->known && *f->known == static_cast<double>(static_cast<int64_t>(*f->known)))
    return e.integer(static_cast<int64_t>(*f->known));
  Val v = e.cast(a[0], DType::i64, a.loc(0));
  const auto& t = *as<TensorVal>(v);
  if (!t.type.scalar()) e.error(Code::E0401, a.loc(0), "an int is made of one number, but this is " + e.type_text(a[0]));
  return std::make_shared<IntVal>(t.leaf);
}
Val to_float(Elab& e, const Args& args) {
  Taken a(e, args, "float", {"x"}, 1);
  if (a[0]->kind == Value::real) return a[0];
  if (auto* text = as<StringVal>(a[0])) return number_in(e, *text, DType::f64, a.loc(0));
  if (auto k = e.known_int(a[0])) return e.real(static_cast<double>(*k));
  Val v = e.cast(a[0], DType::f64, a.loc(0));
  const auto& t = *as<TensorVal>(v);
  if (!t.type.scalar()) e.error(Code::E0401, a.loc(0), "a float is made of one number, but this is " + e.type_text(a[0]));
  return std::make_shared<FloatVal>(t.leaf);
}

// ---- reductions

Val keep_axes(Elab& e, ir::Value v, const std::vector<DimId>& from, const std::vector<int>& axes, bool keep) {
  if (!keep) return e.tensor(v);
  std::vector<DimId> shape = from;
  for (int a : axes) shape[static_cast<size_t>(a)] = e.dims.constant(1);
  return e.tensor(e.reshape_as(v, shape));
}

struct Reduced {
  TensorVal t;
  std::vector<int> axes;
  bool keep;
};
// min(a, b) of other languages.
std::string of_two(std::string_view fn) {
  return std::string(fn) + "imum(a, b) takes the " + (fn == "max" ? "greater" : "less") + " of two, element by element";
}
Reduced reduced(Elab& e, const Args& args, std::string_view fn) {
  Taken a(e, args, fn, {"x", "axis", "keep"}, 1);
  Val v = e.named_value(a[0]);
  TensorVal t = e.as_tensor(v, a.loc(0));
  std::vector<int> axes;
  int rank = static_cast<int>(t.type.rank());
  if (a[1]) {
    if (auto* x = as<TensorVal>(a[1]); x && x->type.scalar() && is_integer(x->type.dtype))
      e.error(Code::E0403, a.loc(1), "an axis must be known when compiling, but this is only known when the program runs",
              "axes and ranks are part of a tensor's type");
    if (a[1]->kind != Value::integer && a[1]->kind != Value::tuple)
      e.error(Code::E0401, a.loc(1), "an axis is an int or a tuple of ints, but this is " + e.type_text(a[1]),
              fn == "max" || fn == "min" ? of_two(fn) : "");
    const bool two = (fn == "max" || fn == "min") && args.list.size() == 2 && args.list[1].name.empty();
    try {
      axes = e.static_axes(a[1], rank, a.loc(1));
    } catch (UserError& error) {
      if (two && a[1]->kind == Value::integer) error.diagnostic.hint = of_two(fn);
      throw;
    }
  } else {
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  }
  bool keep = a[2] && e.static_bool(a[2], a.loc(2), "`keep`");
  return {std::move(t), std::move(axes), keep};
}

template <ir::ReduceKind kind>
Val reduce_fn(Elab& e, const Args& args) {
  std::string fn(ir::name(kind));
  Reduced r = reduced(e, args, fn);
  bool logic = kind == ir::ReduceKind::any || kind == ir::ReduceKind::all;
  if (logic != (r.t.type.dtype == DType::boolean))
    e.error(Code::E0401, args.loc, "`" + fn + "` works on " + (logic ? "bools" : "numbers") + ", but this is " + e.type_text(r.t.type),
            logic ? "" : "cast(x, i64) counts");
  ir::Value x = e.use(r.t);
  e.cx->b.at(args.loc);
  if (r.axes.empty()) return e.tensor(x);
  return keep_axes(e, e.cx->b.reduce(kind, x, r.axes), r.t.type.shape, r.axes, r.keep);
}

Val mean_fn(Elab& e, const Args& args) {
  Reduced r = reduced(e, args, "mean");
  if (!is_float(r.t.type.dtype))
    e.error(Code::E0401, args.loc, "`mean` of " + e.type_text(r.t.type), "convert it first: mean(cast(x, f32))");
  ir::Value x = e.use(r.t);
  e.cx->b.at(args.loc);
  DimId n = e.dims.constant(1);
  for (int a : r.axes) n = e.dims.mul(n, r.t.type.shape[static_cast<size_t>(a)]);
  ir::Value s = r.axes.empty() ? x : e.cx->b.reduce(ir::ReduceKind::sum, x, r.axes);
  ir::Value count = e.to_dtype(std::make_shared<IntVal>(n), r.t.type.dtype, args.loc);
  std::vector<DimId> shape = e.cx->fn->type(s).shape;
  ir::Value m = e.cx->b.scalar(ir::Op::div, {s, e.stretch(count, shape)});
  return keep_axes(e, m, r.t.type.shape, r.axes, r.keep);
}

template <ir::ReduceKind kind>
Val arg_fn(Elab& e, const Args& args) {
  std::string fn = std::string("arg") + std::string(ir::name(kind));
  Reduced r = reduced(e, args, fn);
  if (r.t.type.dtype == DType::boolean) e.error(Code::E0401, args.loc, "`" + fn + "` works on numbers");
  ir::Value x = e.use(r.t);
  e.cx->b.at(args.loc);
  if (r.axes.size() != 1) {  // over all: of the flat tensor
    DimId n = e.dims.constant(1);
    for (DimId d : r.t.type.shape) n = e.dims.mul(n, d);
    if (r.axes.size() != r.t.type.rank()) e.error(Code::E0401, args.loc, "`" + fn + "` takes one axis, or all");
    x = e.reshape_as(x, {n});
    return e.tensor(e.cx->b.one(ir::Op::arg_reduce, {x}, ir::ArgReduceAttr{kind, 0}));
  }
  ir::Value v = e.cx->b.one(ir::Op::arg_reduce, {x}, ir::ArgReduceAttr{kind, r.axes[0]});
  return keep_axes(e, v, r.t.type.shape, r.axes, r.keep);
}

template <ir::ReduceKind kind>
Val scan_fn(Elab& e, const Args& args) {
  std::string fn = "cum" + std::string(ir::name(kind));
  Taken a(e, args, fn, {"x", "axis"}, 1);
  Val v = a[0];
  TensorVal t = e.as_tensor(v, a.loc(0));
  int rank = static_cast<int>(t.type.rank());
  std::vector<int> axes = e.static_axes(a[1] ? a[1] : e.integer(-1), rank, a.loc(1));
  if (t.type.dtype == DType::boolean) e.error(Code::E0401, a.loc(0), "`" + fn + "` works on numbers");
  return e.tensor(e.cx->b.one(ir::Op::scan, {e.use(t)}, ir::ScanAttr{kind, axes[0], false}));
}

template <bool indices>
Val sort_fn(Elab& e, const Args& args) {
  Taken a(e, args, indices ? "argsort" : "sort", {"x", "axis"}, 1);
  Val v = a[0];
  TensorVal t = e.as_tensor(v, a.loc(0));
  std::vector<int> axes = e.static_axes(a[1] ? a[1] : e.integer(-1), static_cast<int>(t.type.rank()), a.loc(1));
  ir::Value x = e.use(t);
  e.cx->b.at(args.loc);
  return e.tensor(e.cx->b.emit(ir::Op::sort, {x}, ir::AxisAttr{axes[0]}).results[indices ? 1 : 0]);
}

Val fma_fn(Elab& e, const Args& args) {
  Taken a(e, args, "fma", {"a", "b", "c"}, 3);
  return e.elementwise(ir::Op::fma, {a[0], a[1], a[2]}, {a.loc(0), a.loc(1), a.loc(2)}, args.loc, "fma");
}

constexpr Builtin kTable[] = {
    {"exp", "exp(x)", unary_fn<ir::Op::exp, k_exp>},
    {"expm1", "expm1(x)", unary_fn<ir::Op::expm1, k_expm1>},
    {"log", "log(x)", unary_fn<ir::Op::log, k_log>},
    {"log1p", "log1p(x)", unary_fn<ir::Op::log1p, k_log1p>},
    {"sqrt", "sqrt(x)", unary_fn<ir::Op::sqrt, k_sqrt>},
    {"sin", "sin(x)", unary_fn<ir::Op::sin, k_sin>},
    {"cos", "cos(x)", unary_fn<ir::Op::cos, k_cos>},
    {"tanh", "tanh(x)", unary_fn<ir::Op::tanh, k_tanh>},
    {"erf", "erf(x)", unary_fn<ir::Op::erf, k_erf>},
    {"floor", "floor(x)", unary_fn<ir::Op::floor, k_floor>},
    {"ceil", "ceil(x)", unary_fn<ir::Op::ceil, k_ceil>},
    {"trunc", "trunc(x)", unary_fn<ir::Op::trunc, k_trunc>},
    {"round", "round(x)", unary_fn<ir::Op::round, k_round>},
    {"atan2", "atan2(y, x)", binary_fn<ir::Op::atan2, k_atan2>},
    {"fma", "fma(a, b, c)", fma_fn},
    {"bit_and", "bit_and(a, b)", binary_fn<ir::Op::and_, k_bit_and>},
    {"bit_or", "bit_or(a, b)", binary_fn<ir::Op::or_, k_bit_or>},
    {"bit_xor", "bit_xor(a, b)", binary_fn<ir::Op::xor_, k_bit_xor>},
    {"bit_not", "bit_not(a)", unary_fn<ir::Op::not_, k_bit_not>},
    {"shift_left", "shift_left(a, n)", binary_fn<ir::Op::shl, k_shift_left>},
    {"shift_right", "shift_right(a, n)", binary_fn<ir::Op::shr, k_shift_right>},
    {"abs", "abs(x)", abs_fn},
    {"maximum", "maximum(a, b)", extremum<true>},
    {"minimum", "minimum(a, b)", extremum<false>},
    {"where", "where(condition, a, b)", where_fn},
    {"cast", "cast(x, dtype)", cast_fn},
    {"int", "int(x)", to_int},
    {"float", "float(x)", to_float},
    {"sum", "sum(x, axis, keep)", reduce_fn<ir::ReduceKind::sum>},
    {"prod", "prod(x, axis, keep)", reduce_fn<ir::ReduceKind::prod>},
    {"max", "max(x, axis, keep)", reduce_fn<ir::ReduceKind::max>},
    {"min", "min(x, axis, keep)", reduce_fn<ir::ReduceKind::min>},
    {"any", "any(x, axis, keep)", reduce_fn<ir::ReduceKind::any>},
    {"all", "all(x, axis, keep)", reduce_fn<ir::ReduceKind::all>},
    {"mean", "mean(x, axis, keep)", mean_fn},
    {"argmax", "argmax(x, axis, keep)", arg_fn<ir::ReduceKind::max>},
    {"argmin", "argmin(x, axis, keep)", arg_fn<ir::ReduceKind::min>},
    {"cumsum", "cumsum(x, axis)", scan_fn<ir::ReduceKind::sum>},
    {"cumprod", "cumprod(x, axis)", scan_fn<ir::ReduceKind::prod>},
    {"cummax", "cummax(x, axis)", scan_fn<ir::ReduceKind::max>},
    {"cummin", "cummin(x, axis)", scan_fn<ir::ReduceKind::min>},
    {"sort", "sort(x, axis)", sort_fn<false>},
    {"argsort", "argsort(x, axis)", sort_fn<true>},
};

}  // namespace

std::span<const Builtin> tensor_builtins() { return kTable; }

}  // namespace tenon::elab
