// Operators: on host numbers, on tensors, on structures; equality; the matrix product.
#include <cmath>

#include "frontend/elab.h"

namespace tenon::elab {

using ast::BinaryOp;

Val Elab::unary(ast::UnaryOp op, const Val& a, Loc loc, Loc a_loc) {
  if (is_poison(a)) throw Reported{};
  if (op == ast::UnaryOp::not_) {
    if (auto k = known_bool(a)) return boolean(!*k);
    auto* t = as<TensorVal>(a);
    if (!t || t->type.dtype != DType::boolean)
      error(Code::E0401, a_loc, "`not` needs a bool, but this is " + type_text(a));
    ir::Value v = use(*t);
    cx->b.at(loc);
    return tensor(cx->b.scalar(ir::Op::not_, {v}));
  }
  if (auto* i = as<IntVal>(a)) {
    if (i->dim) return std::make_shared<IntVal>(dims.sub(dims.constant(0), *i->dim));
    ir::Value v = int_value(*i);
    cx->b.at(loc);
    return int_from(cx->b.scalar(ir::Op::neg, {v}));
  }
  if (auto* f = as<FloatVal>(a)) {
    if (f->known) return real(-*f->known);
    return std::make_shared<FloatVal>(leaf(cx->b.scalar(ir::Op::neg, {float_value(*f)})));
  }
  if (auto* w = as<WeakVal>(a)) {
    auto r = std::make_shared<WeakVal>(*w);
    for (double& x : r->reals) x = -x;
    for (int64_t& x : r->integers) x = -x;
    return r;
  }
  return elementwise(ir::Op::neg, {a}, {a_loc}, loc, "-");
}

// ---------------------------------------------------------------- binary operators

namespace {

int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}

std::optional<ir::Op> plain_op(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return ir::Op::add;
    case BinaryOp::sub: return ir::Op::sub;
    case BinaryOp::mul: return ir::Op::mul;
    case BinaryOp::div: return ir::Op::div;
    case BinaryOp::rem: return ir::Op::rem;
    case BinaryOp::and_: return ir::Op::and_;
    case BinaryOp::or_: return ir::Op::or_;
    case BinaryOp::eq: return ir::Op::eq;
    case BinaryOp::lt: return ir::Op::lt;
    case BinaryOp::le: return ir::Op::le;
    case BinaryOp::ne: case BinaryOp::gt: case BinaryOp::ge: case BinaryOp::floordiv:
    case BinaryOp::matmul: case BinaryOp::pow: return std::nullopt;
  }
  return std::nullopt;
}

bool is_compare(BinaryOp op) {
  return op == BinaryOp::eq || op == BinaryOp::ne || op == BinaryOp::lt || op == BinaryOp::le ||
         op == BinaryOp::gt || op == BinaryOp::ge;
}

template <class T>
bool compare(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::eq: return a == b;
    case BinaryOp::ne: return a != b;
    case BinaryOp::lt: return a < b;
    case BinaryOp::le: return a <= b;
    case BinaryOp::gt: return a > b;
    default: return a >= b;
  }
}

}  // namespace

// Whole numbers on the host: sizes as long as they can be, i64 nodes when not.
Val Elab::int_binary(BinaryOp op, const IntVal& a, const IntVal& b, Loc loc) {
  auto ca = a.dim ? dims.value(*a.dim) : std::nullopt;
  auto cb = b.dim ? dims.value(*b.dim) : std::nullopt;
  bool both = a.dim && b.dim;
  auto dim_val = [](DimId d) -> Val { return std::make_shared<IntVal>(d); };
  auto node = [&](ir::Op o) {
    ir::Value x = int_value(a), y = int_value(b);
    cx->b.at(loc);
    return cx->b.scalar(o, {x, y});
  };
  auto zero_check = [&] {
    if (cb) {
      if (*cb == 0) error(Code::E0801, loc, "division by zero");
    }
  };
  // leaf + size keeps its leaf, so that the difference of two such is a size again.
  auto moved = [&](const IntVal& base, DimId by, bool minus) {
    auto r = std::make_shared<IntVal>(base.leaf);
    DimId from = base.offset.value_or(dims.constant(0));
    r->offset = minus ? dims.sub(from, by) : dims.add(from, by);
    if (dims.value(*r->offset) == int64_t{0}) r->offset.reset();
    return r;
  };
  if (op == BinaryOp::add && !both && (a.dim || b.dim)) return a.dim ? moved(b, *a.dim, false) : moved(a, *b.dim, false);
  if (op == BinaryOp::sub && !a.dim && b.dim) return moved(a, *b.dim, true);
  if (op == BinaryOp::sub && !a.dim && !b.dim && a.leaf == b.leaf)
    return dim_val(dims.sub(a.offset.value_or(dims.constant(0)), b.offset.value_or(dims.constant(0))));
  switch (op) {
    case BinaryOp::add: return both ? Val(dim_val(dims.add(*a.dim, *b.dim))) : int_from(node(ir::Op::add));
    case BinaryOp::sub: return both ? Val(dim_val(dims.sub(*a.dim, *b.dim))) : int_from(node(ir::Op::sub));
    case BinaryOp::mul: return both ? Val(dim_val(dims.mul(*a.dim, *b.dim))) : int_from(node(ir::Op::mul));
    case BinaryOp::floordiv:
      zero_check();
      if (ca && cb) return integer(floor_div(*ca, *cb));
      if (a.dim && cb && *cb > 0) return dim_val(dims.floordiv(*a.dim, *b.dim));
      return int_from(node(ir::Op::div));
    case BinaryOp::rem:
      zero_check();
      if (ca && cb) return integer(*ca - *cb * floor_div(*ca, *cb));
      if (a.dim && cb && *cb > 0)
        return dim_val(dims.sub(*a.dim, dims.mul(*b.dim, dims.floordiv(*a.dim, *b.dim))));
      return int_from(node(ir::Op::rem));
    case BinaryOp::div: {
      zero_check();
      std::string hint = "`//` rounds down; for a fraction write a float: " + (ca ? std::to_string(*ca) : std::string("a")) + ".0 / ..";
      if (ca && cb) {
        if (*ca % *cb != 0)
          error(Code::E0801, loc, std::to_string(*ca) + " / " + std::to_string(*cb) + " does not come out even", hint);
        return integer(*ca / *cb);
      }
      Val q = int_binary(BinaryOp::floordiv, a, b, loc);
      Val back = int_binary(BinaryOp::mul, *as<IntVal>(q), b, loc);
      const auto& bi = *as<IntVal>(back);
      if (!(bi.dim && a.dim && *bi.dim == *a.dim)) {
        ir::Value x = int_value(a), y = int_value(b), z = int_value(bi);
        ir::Value ok = cx->b.scalar(ir::Op::eq, {x, z});
        cx->b.emit(ir::Op::check, {ok, x, y},
                   ir::CheckAttr{Code::E0801, "{} / {} does not come out even",
                                 "`//` rounds down; for a fraction: float(a) / float(b)", Fault::data});
      }
      return q;
    }
    case BinaryOp::pow: {
      if (cb && *cb < 0) error(Code::E0801, loc, "a whole number to a negative power", "write a float base: 2.0 ** n");
      if (cb) {
        Val r = integer(1), base = std::make_shared<IntVal>(a);
        for (int64_t k = *cb; k > 0; k >>= 1) {
          if (k & 1) r = int_binary(BinaryOp::mul, *as<IntVal>(r), *as<IntVal>(base), loc);
          if (k > 1) base = int_binary(BinaryOp::mul, *as<IntVal>(base), *as<IntVal>(base), loc);
        }
        return r;
      }
      error(Code::E0401, loc, "a whole number to a power that is not known", "write a float base: 2.0 ** n");
    }
    case BinaryOp::eq: case BinaryOp::ne: case BinaryOp::lt: case BinaryOp::le: case BinaryOp::gt:
    case BinaryOp::ge: {
      if (both) {
        if (auto d = dims.distance(*a.dim, *b.dim)) return boolean(compare<int64_t>(op, *d, 0));
      }
      ir::Value x = int_value(a), y = int_value(b);
      cx->b.at(loc);
      return tensor(compare_values(op, x, y));
    }
    case BinaryOp::or_: case BinaryOp::and_: case BinaryOp::matmul: break;
  }
  error(Code::E0401, loc, "`" + std::string(spelling(op)) + "` does not work on whole numbers",
        op == BinaryOp::matmul ? "@ multiplies matrices; * multiplies numbers" : "compare them with something");
}

ir::Value Elab::compare_values(BinaryOp op, ir::Value x, ir::Value y) {
  switch (op) {
    case BinaryOp::eq: return cx->b.scalar(ir::Op::eq, {x, y});
    case BinaryOp::ne: return cx->b.scalar(ir::Op::not_, {cx->b.scalar(ir::Op::eq, {x, y})});
    case BinaryOp::lt: return cx->b.scalar(ir::Op::lt, {x, y});
    case BinaryOp::le: return cx->b.scalar(ir::Op::le, {x, y});
    case BinaryOp::gt: return cx->b.scalar(ir::Op::lt, {y, x});
    default: return cx->b.scalar(ir::Op::le, {y, x});
  }
}

// Real numbers on the host.
Val Elab::float_binary(BinaryOp op, const Val& a, const Val& b, Loc loc, Loc a_loc, Loc b_loc) {
  auto known = [&](const Val& v) -> std::optional<double> {
    if (auto* f = as<FloatVal>(v)) return f->known;
    if (auto i = known_int(v)) return static_cast<double>(*i);
    return std::nullopt;
  };
  auto ka = known(a), kb = known(b);
  if (ka && kb) {
    switch (op) {
      case BinaryOp::add: return real(*ka + *kb);
      case BinaryOp::sub: return real(*ka - *kb);
      case BinaryOp::mul: return real(*ka * *kb);
      case BinaryOp::div: return real(*ka / *kb);
      case BinaryOp::floordiv: return real(std::floor(*ka / *kb));
      case BinaryOp::rem: return real(*ka - *kb * std::floor(*ka / *kb));
      default: break;
    }
    if (is_compare(op)) return boolean(compare(op, *ka, *kb));
  }
  ir::Value x = to_dtype(a, DType::f64, a_loc), y = to_dtype(b, DType::f64, b_loc);
  cx->b.at(loc);
  auto out = [&](ir::Value v) { return std::make_shared<FloatVal>(leaf(v)); };
  if (is_compare(op)) return tensor(compare_values(op, x, y));
  switch (op) {
    case BinaryOp::floordiv: return out(cx->b.scalar(ir::Op::floor, {cx->b.scalar(ir::Op::div, {x, y})}));
    case BinaryOp::pow: return power(tensor(x), b, loc, a_loc, b_loc, true);
    default: break;
  }
  auto o = plain_op(op);
  if (!o || op == BinaryOp::and_ || op == BinaryOp::or_)
    error(Code::E0401, loc, "`" + std::string(spelling(op)) + "` does not work on numbers");
  return out(cx->b.scalar(*o, {x, y}));
}

// x ** y: literal whole powers become multiplications.
Val Elab::power(const Val& a, const Val& b, Loc loc, Loc a_loc, Loc b_loc, bool host) {
  auto wrap = [&](ir::Value v) -> Val {
    if (host) return std::make_shared<FloatVal>(leaf(v));
    return tensor(v);
  };
  auto k = known_int(b);
  if (auto* f = as<FloatVal>(b); f && f->known && std::floor(*f->known) == *f->known && std::abs(*f->known) <= 64)
    k = static_cast<int64_t>(*f->known);
  Val av = a;
  if (k && std::abs(*k) <= 64) {
    const TensorVal& t = as_tensor(av, a_loc);
    if (t.type.dtype == DType::boolean) error(Code::E0401, loc, "`**` does not work on bools");
    if (*k < 0 && !is_float(t.type.dtype)) error(Code::E0801, loc, "a negative power of integers");
    ir::Value x = use(t);
    cx->b.at(loc);
    ir::Value one = stretch(to_dtype(integer(1), t.type.dtype, loc), t.type.shape);
    ir::Value r = ir::kNoValue;
    for (uint64_t n = static_cast<uint64_t>(std::abs(*k)); n; n >>= 1) {
      if (n & 1) r = r == ir::kNoValue ? x : cx->b.scalar(ir::Op::mul, {r, x});
      if (n > 1) x = cx->b.scalar(ir::Op::mul, {x, x});
    }
    if (r == ir::kNoValue) r = one;
    if (*k < 0) r = cx->b.scalar(ir::Op::div, {one, r});
    return wrap(r);
  }
  if (host) {
    ir::Value x = to_dtype(a, DType::f64, a_loc), y = to_dtype(b, DType::f64, b_loc);
    return wrap(cx->b.scalar(ir::Op::pow, {x, y}));
  }
  return elementwise(ir::Op::pow, {a, b}, {a_loc, b_loc}, loc, "**");
}

Val Elab::binary(BinaryOp op, const Val& a, const Val& b, Loc loc, Loc a_loc, Loc b_loc) {
  if (is_poison(a) || is_poison(b)) throw Reported{};
  if (op == BinaryOp::matmul) return matmul(a, b, loc, a_loc, b_loc);
  bool host_a = a->kind == Value::integer || a->kind == Value::real;
  bool host_b = b->kind == Value::integer || b->kind == Value::real;
  if (a->kind == Value::integer && b->kind == Value::integer)
    return int_binary(op, *as<IntVal>(a), *as<IntVal>(b), loc);
  if (host_a && host_b) {
    if (op == BinaryOp::pow) {
      auto *fa = as<FloatVal>(a), *fb = as<FloatVal>(b);
      bool whole = known_int(b).has_value();
      if (!whole && (!fa || fa->known) && (!fb || fb->known))
        return elementwise(ir::Op::pow, {a, b}, {a_loc, b_loc}, loc, "**");
      if (auto k = known_int(b); k && fa && fa->known) {
        double r = 1, base = *fa->known;
        for (uint64_t n = static_cast<uint64_t>(std::abs(*k)); n; n >>= 1, base *= base)
          if (n & 1) r *= base;
        return real(*k < 0 ? 1 / r : r);
      }
      return power(tensor(to_dtype(a, DType::f64, a_loc)), b, loc, a_loc, b_loc, true);
    }
    return float_binary(op, a, b, loc, a_loc, b_loc);
  }
  if (op == BinaryOp::add) {
    if (a->kind == Value::string && b->kind == Value::string) {
      std::vector<TextPiece> p = as<StringVal>(a)->pieces;
      for (auto& q : as<StringVal>(b)->pieces) {
        if (!p.empty() && !p.back().hole && !q.hole) p.back().text += q.text;
        else p.push_back(q);
      }
      return std::make_shared<StringVal>(std::move(p));
    }
    auto *la = as<ListVal>(a), *lb = as<ListVal>(b);
    if (la && lb) {
      std::vector<Val> e = la->elements;
      e.insert(e.end(), lb->elements.begin(), lb->elements.end());
      return std::make_shared<ListVal>(std::move(e));
    }
  }
  if (!is_numberlike(a) || !is_numberlike(b)) {
    if (op == BinaryOp::eq) return equal(a, b, loc);
    if (op == BinaryOp::ne) return unary(ast::UnaryOp::not_, equal(a, b, loc), loc, loc);
    const Val& bad = is_numberlike(a) ? b : a;
    std::string hint;
    if (bad->kind == Value::model) hint = "models have no operators: map(fn(p, q) = .., a, b) works on their parameters";
    if (bad->kind == Value::string && op == BinaryOp::add) hint = "put the value into the string: \"{x}\"";
    if (bad->kind == Value::unit) hint = "does the last line of that block give a value?";
    if (bad->kind == Value::sequence) hint = "a sequence is run over: for x in s { .. }, or [f(x) for x in s] makes a tensor";
    auto* list = as<ListVal>(bad);
    if (list && op == BinaryOp::add)
      hint = list->elements.empty() ? "`[]` alone is a list without a type; a growing tensor is declared: var xs: i64[_] = i64(zeros(0)), then xs = concat(xs, [x])"
                                    : "xs + [x] joins lists; concat joins tensors";
    error(Code::E0401, loc, "`" + std::string(spelling(op)) + "` of " + type_text(a) + " and " + type_text(b), hint);
  }
  switch (op) {
    case BinaryOp::pow: return power(a, b, loc, a_loc, b_loc, false);
    case BinaryOp::div:
    case BinaryOp::floordiv: {
      auto t = dtype_of(a) ? dtype_of(a) : dtype_of(b);
      bool real_weak = (as<WeakVal>(a) && as<WeakVal>(a)->real) || (as<WeakVal>(b) && as<WeakVal>(b)->real) ||
                       a->kind == Value::real || b->kind == Value::real;
      bool floats = t ? is_float(*t) : real_weak;
      if (op == BinaryOp::div && !floats)
        error(Code::E0401, loc, "`/` of integer tensors", "`//` rounds down; for fractions convert first: cast(x, f32)");
      Val q = elementwise(ir::Op::div, {a, b}, {a_loc, b_loc}, loc, spelling(op));
      if (op == BinaryOp::floordiv && floats) q = elementwise(ir::Op::floor, {q}, {loc}, loc, "//");
      return q;
    }
    case BinaryOp::eq: case BinaryOp::ne: case BinaryOp::lt: case BinaryOp::le: case BinaryOp::gt:
    case BinaryOp::ge: {
      auto o = together({a, b}, {a_loc, b_loc}, loc, spelling(op));
      if (o.dtype == DType::boolean && op != BinaryOp::eq && op != BinaryOp::ne)
        error(Code::E0401, loc, "`" + std::string(spelling(op)) + "` does not work on bools");
      return tensor(compare_values(op, o.values[0], o.values[1]));
    }
    case BinaryOp::and_: case BinaryOp::or_:
      for (auto& [v, l] : {std::pair{a, a_loc}, std::pair{b, b_loc}})
        if (dtype_of(v) != DType::boolean)
          error(Code::E0401, l, "`" + std::string(spelling(op)) + "` joins bools, but this is " + type_text(v),
                "for bits of integers: bit_and, bit_or");
      return elementwise(*plain_op(op), {a, b}, {a_loc, b_loc}, loc, spelling(op));
    case BinaryOp::add: case BinaryOp::sub: case BinaryOp::mul: case BinaryOp::rem:
      return elementwise(*plain_op(op), {a, b}, {a_loc, b_loc}, loc, spelling(op));
    case BinaryOp::matmul: break;
  }
  bug("binary: no such operator");
}

// One bool: bit by bit for models, element by element for structures.
Val Elab::equal(const Val& a, const Val& b, Loc loc) {
  if (is_poison(a) || is_poison(b)) throw Reported{};
  if (is_numberlike(a) && is_numberlike(b)) {
    Val e = binary(BinaryOp::eq, a, b, loc, loc, loc);
    const auto& t = *as<TensorVal>(e);
    if (t.type.scalar()) return e;
    std::vector<int> axes;
    for (size_t i = 0; i < t.type.rank(); ++i) axes.push_back(static_cast<int>(i));
    return tensor(cx->b.reduce(ir::ReduceKind::all, use(t), axes));
  }
  auto both = [&](const std::vector<Val>& x, const std::vector<Val>& y) {
    if (x.size() != y.size()) return boolean(false);
    Val r = boolean(true);
    for (size_t i = 0; i < x.size(); ++i) {
      Val e = equal(x[i], y[i], loc);
      if (known_bool(r) == true) r = e;
      else if (known_bool(e) == false) r = e;
      else r = binary(BinaryOp::and_, r, e, loc, loc, loc);
    }
    return r;
  };
  if (a->kind == b->kind) {
    switch (a->kind) {
      case Value::string: {
        auto x = as<StringVal>(a)->known(), y = as<StringVal>(b)->known();
        if (x && y) return boolean(*x == *y);
        error(Code::E0403, loc, "strings with holes cannot be compared");
      }
      case Value::dtype: return boolean(as<DTypeVal>(a)->value == as<DTypeVal>(b)->value);
      case Value::tuple: return both(as<TupleVal>(a)->elements, as<TupleVal>(b)->elements);
      case Value::list: return both(as<ListVal>(a)->elements, as<ListVal>(b)->elements);
      case Value::record: {
        auto &x = as<RecordVal>(a)->fields, &y = as<RecordVal>(b)->fields;
        std::vector<Val> p, q;
        for (auto& [n, v] : x) {
          Val w = as<RecordVal>(b)->find(n);
          if (!w) return boolean(false);
          p.push_back(v);
          q.push_back(w);
        }
        if (x.size() != y.size()) return boolean(false);
        return both(p, q);
      }
      case Value::model: {
        if (as<ModelVal>(a)->decl != as<ModelVal>(b)->decl) return boolean(false);
        std::vector<Val> p, q;
        for (auto& f : as<ModelVal>(a)->fields) if (f.value) p.push_back(f.value);
        for (auto& f : as<ModelVal>(b)->fields) if (f.value) q.push_back(f.value);
        return both(p, q);
      }
      case Value::function: {
        auto &x = *as<FunctionVal>(a), &y = *as<FunctionVal>(b);
        return boolean(x.what == y.what && x.decl == y.decl && x.fn == y.fn && x.primitive == y.primitive && x.id == y.id);
      }
      case Value::unit: return boolean(true);
      default: break;
    }
  }
  error(Code::E0401, loc, "`==` of " + type_text(a) + " and " + type_text(b));
}

// a @ b: the last axis of a with the last but one of b (the only one of a vector); leading axes are a batch.
Val Elab::matmul(Val a, Val b, Loc loc, Loc a_loc, Loc b_loc) {
  const TensorVal& x = as_tensor(a, a_loc, "a matrix or a vector");
  const TensorVal& y = as_tensor(b, b_loc, "a matrix or a vector");
  std::vector<Note> notes{{a_loc, type_text(a)}, {b_loc, type_text(b)}};
  if (x.type.dtype != y.type.dtype)
    error(Code::E0406, loc, "`@` of " + type_text(a) + " and " + type_text(b), "convert one of them with cast", notes);
  if (x.type.dtype == DType::boolean) error(Code::E0401, loc, "`@` does not work on bools");
  size_t ra = x.type.rank(), rb = y.type.rank();
  if (ra == 0 || rb == 0)
    error(Code::E0303, loc, "`@` of " + type_text(a) + " and " + type_text(b), "* multiplies by a number", notes);
  DimId ka = x.type.shape[ra - 1], kb = y.type.shape[rb == 1 ? 0 : rb - 2];
  std::string hint;
  if (ka != kb && rb >= 2 && y.type.shape[rb - 1] == ka) hint = "did you mean transpose of the right side?";
  ir::Value va = use(x), vb = use(y);
  if (require_equal(ka, kb, loc, "the inner sizes of `@` differ", hint, notes) == Sizes::checked) {
    auto shape = y.type.shape;
    shape[rb == 1 ? 0 : rb - 2] = ka;
    vb = reshape_as(vb, shape);
  }
  // Batch axes: those of the one with more; the other's must be the same, trailing, or absent.
  size_t ba = ra > 2 ? ra - 2 : 0, bb = rb > 2 ? rb - 2 : 0;
  size_t nb = std::max(ba, bb);
  auto spec = std::make_shared<ir::ContractSpec>();
  DimId zero = dims.constant(0);
  auto plain = [&](size_t i) { return ir::Affine{{{static_cast<uint8_t>(i), 1}}, zero}; };
  const auto& sa = cx->fn->type(va).shape;
  const auto sb = cx->fn->type(vb).shape;
  const auto& big = ba >= bb ? sa : sb;
  for (size_t i = 0; i < nb; ++i) spec->range.push_back(big[i]);
  for (size_t i = 0; i < std::min(ba, bb); ++i) {
    DimId da = sa[ba - 1 - i], db = sb[bb - 1 - i];
    require_equal(da, db, loc, "the batch sizes of `@` differ", "", notes);
  }
  for (size_t i = 0; i < ba; ++i) spec->a.push_back(plain(nb - ba + i));
  for (size_t i = 0; i < bb; ++i) spec->b.push_back(plain(nb - bb + i));
  for (size_t i = 0; i < nb; ++i) spec->out.push_back(static_cast<uint8_t>(i));
  if (ra >= 2) {
    spec->range.push_back(sa[ra - 2]);
    spec->a.push_back(plain(spec->range.size() - 1));
    spec->out.push_back(static_cast<uint8_t>(spec->range.size() - 1));
  }
  if (rb >= 2) {
    spec->range.push_back(sb[rb - 1]);
    spec->out.push_back(static_cast<uint8_t>(spec->range.size() - 1));
  }
  spec->range.push_back(ka);
  spec->a.push_back(plain(spec->range.size() - 1));
  spec->b.push_back(plain(spec->range.size() - 1));
  if (rb >= 2) spec->b.push_back(plain(spec->range.size() - 2));
  cx->b.at(loc);
  return tensor(cx->b.one(ir::Op::contract, {va, vb}, ir::ContractAttr{spec}));
}

}  // namespace tenon::elab
