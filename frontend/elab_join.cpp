// The common type of values that meet: the arms of an `if`, the turns of a loop.
#include <cstring>

#include "frontend/elab.h"

namespace tenon::elab {
namespace {

bool same_literal(const std::shared_ptr<const ir::Literal>& a, const std::shared_ptr<const ir::Literal>& b) {
  return a && b && *a == *b;
}

Val type_of_weak(Dims& dims, const WeakVal& w) {
  ir::Type t{w.real ? DType::f32 : DType::i64, {}, false};
  for (int64_t n : w.shape) t.shape.push_back(dims.constant(n));
  return std::make_shared<TensorVal>(Leaf{}, t);
}

}  // namespace

Val Elab::dynamic(const Val& v) {
  if (!v) return v;
  switch (v->kind) {
    case Value::integer: return std::make_shared<IntVal>(Leaf{});
    case Value::real: return std::make_shared<FloatVal>(Leaf{});
    case Value::weak: return type_of_weak(dims, *as<WeakVal>(v));
    case Value::tensor: return std::make_shared<TensorVal>(Leaf{}, as<TensorVal>(v)->type, nullptr, as<TensorVal>(v)->share);
    case Value::tuple: {
      std::vector<Val> e;
      for (auto& x : as<TupleVal>(v)->elements) e.push_back(dynamic(x));
      return std::make_shared<TupleVal>(std::move(e));
    }
    case Value::list: {
      std::vector<Val> e;
      for (auto& x : as<ListVal>(v)->elements) e.push_back(dynamic(x));
      return std::make_shared<ListVal>(std::move(e));
    }
    case Value::record: {
      auto f = as<RecordVal>(v)->fields;
      for (auto& [n, x] : f) x = dynamic(x);
      return std::make_shared<RecordVal>(std::move(f));
    }
    case Value::model: {
      auto m = std::make_shared<ModelVal>(*as<ModelVal>(v));
      for (auto& f : m->fields)
        if (f.role != ModelField::argument) f.value = dynamic(f.value);
      return m;
    }
    case Value::unit: case Value::poison: case Value::never: case Value::string: case Value::range:
    case Value::sequence: case Value::function: case Value::model_class: case Value::dtype:
    case Value::module:
    case Value::type: return v;
  }
  bug("dynamic: no such kind");
}

Val Elab::join(const Val& a, const Val& b, std::string& why, bool resize) {
  if (a == b) return a;
  if (!a || !b) {
    why = "one has a part that the other lacks";
    return nullptr;
  }
  if (a->kind == Value::never) return b;
  if (b->kind == Value::never) return a;
  if (is_poison(a) || is_poison(b)) throw Reported{};
  auto differ = [&](const std::string& w) -> Val {
    if (why.empty()) why = w;
    return nullptr;
  };
  auto all = [&](const std::vector<Val>& x, const std::vector<Val>& y, std::vector<Val>& out) {
    if (x.size() != y.size()) {
      differ("they have different numbers of parts");
      return false;
    }
    for (size_t i = 0; i < x.size(); ++i) {
      Val j = join(x[i], y[i], why, resize);
      if (!j && (x[i] || y[i])) return false;
      out.push_back(j);
    }
    return true;
  };
  auto *ia = as<IntVal>(a), *ib = as<IntVal>(b);
  if (ia && ib) {
    if (ia->dim && ib->dim && *ia->dim == *ib->dim) return a;
    return std::make_shared<IntVal>(Leaf{});
  }
  bool ha = a->kind == Value::integer || a->kind == Value::real;
  bool hb = b->kind == Value::integer || b->kind == Value::real;
  if (ha && hb) {
    auto *fa = as<FloatVal>(a), *fb = as<FloatVal>(b);
    if (fa && fb && fa->known && fb->known && std::memcmp(&*fa->known, &*fb->known, sizeof(double)) == 0) return a;
    return std::make_shared<FloatVal>(Leaf{});
  }
  if (is_numberlike(a) && is_numberlike(b)) {
    Val x = a->kind == Value::weak ? type_of_weak(dims, *as<WeakVal>(a)) : a;
    Val y = b->kind == Value::weak ? type_of_weak(dims, *as<WeakVal>(b)) : b;
    auto *ta = as<TensorVal>(x), *tb = as<TensorVal>(y);
    if (!ta || !tb) {  // a tensor and a host number
      const TensorVal& t = ta ? *ta : *tb;
      const Val& n = ta ? y : x;
      if (!t.type.scalar()) return differ("one is a tensor of shape " + shape_text(t.type.shape) + ", the other a number");
      if (t.type.dtype == DType::boolean || (n->kind == Value::real && !is_float(t.type.dtype)))
        return differ("one is " + std::string(tenon::name(t.type.dtype)) + ", the other " + type_text(n));
      return std::make_shared<TensorVal>(Leaf{}, t.type);
    }
    ir::Type type = ta->type;
    const uint32_t share = share_of_both(ta->share, tb->share);
    if (ta->type.dtype != tb->type.dtype) {
      if (a->kind == Value::weak && (is_float(tb->type.dtype) || !as<WeakVal>(a)->real)) type.dtype = tb->type.dtype;
      else if (b->kind == Value::weak && (is_float(ta->type.dtype) || !as<WeakVal>(b)->real)) type.dtype = ta->type.dtype;
      else return differ("one is " + type_text(x) + ", the other " + type_text(y));
    }
    if (ta->type.rank() == tb->type.rank() && ta->type.shape != tb->type.shape) {
      bool fits = true;
      for (size_t i = 0; i < type.rank(); ++i)
        if (ta->type.shape[i] != tb->type.shape[i]) {
          fits &= resize || ta->type.shape[i] == dims.any() || tb->type.shape[i] == dims.any();
          type.shape[i] = dims.any();
        }
      if (fits) return std::make_shared<TensorVal>(Leaf{}, type, nullptr, share);
    }
    if (ta->type.shape != tb->type.shape)
      return differ("one has shape " + shape_text(ta->type.shape) + ", the other " + shape_text(tb->type.shape));
    if (same_literal(ta->known, tb->known)) return std::make_shared<TensorVal>(ta->leaf, ta->type, ta->known, share);
    return std::make_shared<TensorVal>(Leaf{}, type, nullptr, share);
  }
  if (a->kind != b->kind) return differ("one is " + type_text(a) + ", the other " + type_text(b));
  switch (a->kind) {
    case Value::unit: return a;
    case Value::tuple: {
      std::vector<Val> out;
      if (!all(as<TupleVal>(a)->elements, as<TupleVal>(b)->elements, out)) return nullptr;
      return std::make_shared<TupleVal>(std::move(out));
    }
    case Value::list: {
      std::vector<Val> out;
      if (!all(as<ListVal>(a)->elements, as<ListVal>(b)->elements, out)) return nullptr;
      return std::make_shared<ListVal>(std::move(out));
    }
    case Value::record: {
      auto f = as<RecordVal>(a)->fields;
      if (f.size() != as<RecordVal>(b)->fields.size()) return differ("they have different fields");
      for (auto& [n, x] : f) {
        Val y = as<RecordVal>(b)->find(n);
        if (!y) return differ("one has no field `" + n + "`");
        x = join(x, y, why, resize);
        if (!x) return nullptr;
      }
      return std::make_shared<RecordVal>(std::move(f));
    }
    case Value::model: {
      auto &x = *as<ModelVal>(a), &y = *as<ModelVal>(b);
      if (x.decl != y.decl) return differ("they are different models");
      auto m = std::make_shared<ModelVal>(x);
      for (size_t i = 0; i < m->fields.size(); ++i) {
        Val p = x.fields[i].value, q = y.fields[i].value;
        if (!p && !q) continue;
        m->fields[i].value = join(p, q, why, resize);
        if (y.fields[i].role == ModelField::part) m->fields[i].role = ModelField::part;
        if (!m->fields[i].value) return nullptr;
      }
      m->training = x.training || y.training;
      return m;
    }
    case Value::string: {
      auto x = as<StringVal>(a)->known(), y = as<StringVal>(b)->known();
      if (x && y && *x == *y) return a;
      return differ("a string cannot be chosen while the program runs");
    }
    case Value::function: {
      auto &x = *as<FunctionVal>(a), &y = *as<FunctionVal>(b);
      if (x.what == y.what && x.decl == y.decl && x.fn == y.fn && x.primitive == y.primitive && x.id == y.id &&
          !x.self && !y.self && !x.inner && !y.inner)
        return a;
      return differ("a function cannot be chosen while the program runs: put the `if` inside of it");
    }
    case Value::dtype:
      if (as<DTypeVal>(a)->value == as<DTypeVal>(b)->value) return a;
      return differ("a dtype cannot be chosen while the program runs");
    case Value::range: {
      auto &x = *as<RangeVal>(a), &y = *as<RangeVal>(b);
      Val lo = join(x.lo, y.lo, why), hi = join(x.hi, y.hi, why);
      if (!lo || !hi) return nullptr;
      return std::make_shared<RangeVal>(lo, hi);
    }
    case Value::model_class:
      if (as<ModelClassVal>(a)->decl == as<ModelClassVal>(b)->decl) return a;
      return differ("a model cannot be chosen while the program runs");
    case Value::poison: case Value::never: case Value::tensor: case Value::integer: case Value::real:
    case Value::weak: case Value::sequence: case Value::module: case Value::type: break;
  }
  return differ("this cannot be chosen while the program runs");
}

bool Elab::same_kind(const Val& a, const Val& b, std::string& why) {
  if (a->kind == Value::never || b->kind == Value::never || is_poison(a)) return true;
  bool na = a->kind == Value::integer || a->kind == Value::real;
  if (na && is_numberlike(b)) {
    auto* t = as<TensorVal>(b);
    if (!t) return true;
    if (t->type.scalar() && t->type.dtype != DType::boolean) return true;
    why = "the first is a number";
    return false;
  }
  if (auto* t = as<TensorVal>(a)) {
    if (t->type.scalar() && (b->kind == Value::integer || (b->kind == Value::real && is_float(t->type.dtype)))) return true;
    auto* u = as<TensorVal>(b);
    return u && u->type.dtype == t->type.dtype && u->type.rank() == t->type.rank();
  }
  if (a->kind != b->kind) return false;
  if (a->kind == Value::model) return as<ModelVal>(a)->decl == as<ModelVal>(b)->decl;
  return true;
}

// v in the shape of `target`, whose leaves carry types only; emits what has to be converted.
Val Elab::coerce(const Val& v, const Val& target) {
  if (!target) return target;
  if (v && v->kind == Value::never) {
    return rebuild(target, [&](const Leaf&, ir::Type t) {
      for (DimId& d : t.shape)
        if (d == dims.any()) d = dims.constant(0);
      return leaf(cx->b.zeros(t));
    });
  }
  switch (target->kind) {
    case Value::integer:
      if (as<IntVal>(target)->dim) return target;
      return int_from(int_value(*as<IntVal>(v)));
    case Value::real:
      if (as<FloatVal>(target)->known) return target;
      return std::make_shared<FloatVal>(leaf(to_dtype(v, DType::f64, cx->b.at())));
    case Value::tensor: {
      const auto& t = *as<TensorVal>(target);
      ir::Value x = to_dtype(v, t.type.dtype, cx->b.at());
      return std::make_shared<TensorVal>(leaf(x), t.type, t.known, t.share);
    }
    case Value::tuple: {
      std::vector<Val> e;
      auto& from = as<TupleVal>(v)->elements;
      auto& to = as<TupleVal>(target)->elements;
      for (size_t i = 0; i < to.size(); ++i) e.push_back(coerce(from[i], to[i]));
      return std::make_shared<TupleVal>(std::move(e));
    }
    case Value::list: {
      std::vector<Val> e;
      auto& from = as<ListVal>(v)->elements;
      auto& to = as<ListVal>(target)->elements;
      for (size_t i = 0; i < to.size(); ++i) e.push_back(coerce(from[i], to[i]));
      return std::make_shared<ListVal>(std::move(e));
    }
    case Value::record: {
      auto f = as<RecordVal>(target)->fields;
      for (auto& [n, x] : f) x = coerce(as<RecordVal>(v)->find(n), x);
      return std::make_shared<RecordVal>(std::move(f));
    }
    case Value::model: {
      auto m = std::make_shared<ModelVal>(*as<ModelVal>(target));
      for (size_t i = 0; i < m->fields.size(); ++i)
        m->fields[i].value = coerce(as<ModelVal>(v)->fields[i].value, m->fields[i].value);
      return m;
    }
    case Value::range:
      return std::make_shared<RangeVal>(coerce(as<RangeVal>(v)->lo, as<RangeVal>(target)->lo),
                                        coerce(as<RangeVal>(v)->hi, as<RangeVal>(target)->hi));
    case Value::unit: case Value::poison: case Value::never: case Value::weak: case Value::string:
    case Value::sequence: case Value::function: case Value::model_class: case Value::dtype:
    case Value::module:
    case Value::type: return target;
  }
  bug("coerce: no such kind");
}

void Elab::leaf_values(const Val& v, std::vector<ir::Value>& out) {
  std::vector<FlatLeaf> flat;
  flatten(v, flat);
  for (auto& f : flat) out.push_back(use(f.leaf, f.type));
}

// ---------------------------------------------------------------- sizes that change

Val Elab::join_var(const Var& var, const Val& a, const Val& b, std::string& why) {
  const ast::TypeExpr* type = var.scope->bindings[var.at].growing;
  Val j = join(a, b, why, type != nullptr);
  auto* t = as<TensorVal>(j);
  if (t && !type && t->type.unsized(dims)) {
    why = "its size changes";
    return nullptr;
  }
  if (!t || !type || type->dims.size() != t->type.rank()) return j;
  for (size_t i = 0; i < t->type.rank(); ++i)
    if (t->type.shape[i] == dims.any() && type->dims[i]->kind != ast::DimExpr::wildcard &&
        type->dims[i]->kind != ast::DimExpr::rest) {
      why = "axis " + std::to_string(i) + " changes its size, and its type has no `_` there";
      return nullptr;
    }
  return j;
}

bool Elab::writes_any_size(const ast::TypeExpr& t) {
  for (auto* d : t.dims)
    if (d->kind == ast::DimExpr::wildcard) return true;
  for (auto* e : t.elements)
    if (t.kind != ast::TypeExpr::function && writes_any_size(*e)) return true;
  for (auto& f : t.fields)
    if (writes_any_size(*f.type)) return true;
  return false;
}

// What to do about a var whose sizes alone are in the way.
std::string Elab::size_hint(const Var& var, const Val& a, const Val& b, std::string otherwise) {
  const Binding& binding = var.scope->bindings[var.at];
  std::string why;
  Val j = binding.growing ? nullptr : join(a, b, why, true);
  auto* t = as<TensorVal>(j);
  if (!t) return otherwise;
  std::string type(tenon::name(t->type.dtype));
  auto* old = as<TensorVal>(a);
  for (size_t i = 0; i < t->type.rank(); ++i) {
    DimId d = t->type.shape[i];
    type += (i ? ", " : "[") + (d == dims.any() ? "_" : dims.text(old ? old->type.shape[i] : d));
  }
  return "a size that changes is declared: var " + binding.name + ": " + type + "] = ..";
}

Val Elab::without_hidden_sizes(const Val& v) {
  std::vector<FlatLeaf> flat;
  flatten(v, flat);
  auto hidden = [&](DimId d) {
    for (SymId s : dims.symbols(d))
      if (!visible_symbol(s)) return true;
    return false;
  };
  bool any = false;
  for (auto& f : flat)
    for (DimId d : f.type.shape) any |= hidden(d);
  if (!any) return v;
  const std::function<ir::Type(const ir::Type&)> without = [&](ir::Type t) {
    for (DimId& d : t.shape)
      if (hidden(d)) d = dims.any();
    return t;
  };
  return rebuild(dynamic(v), [](const Leaf& l, const ir::Type&) { return l; }, nullptr, &without);
}

void Elab::hand_on(const Val& v, const Val& target, std::vector<ir::Value>& out) {
  std::vector<FlatLeaf> flat, wanted;
  flatten(coerce(v, target), flat);
  flatten(target, wanted);
  require(flat.size() == wanted.size(), "a value has other leaves than what it is handed on as");
  for (size_t k = 0; k < flat.size(); ++k) {
    ir::Value x = use(flat[k].leaf, flat[k].type);
    const ir::Type& type = wanted[k].type;
    if (type.unsized(dims)) {
      const ir::Type have = cx->fn->type(x);
      for (size_t i = 0; i < have.rank(); ++i)
        if (type.shape[i] == dims.any()) out.push_back(cx->b.size(have.shape[i]));
      x = cx->b.one(ir::Op::retype, {x}, ir::ShapeAttr{type.shape});
    }
    out.push_back(x);
  }
}

Val Elab::receive(const Val& target, const std::vector<ir::Value>& values, size_t& next) {
  return rebuild(target, [&](const Leaf&, const ir::Type& t) {
    if (!t.unsized(dims)) return leaf(values[next++]);
    ir::Type sized = t;
    for (DimId& d : sized.shape) {
      if (d != dims.any()) continue;
      SymId s = dims.fresh("_", cx->b.at(), false);
      cx->b.emit(ir::Op::bind_dim, {values[next++]}, ir::BindAttr{s});
      d = dims.symbol(s);
    }
    return leaf(cx->b.one(ir::Op::retype, {values[next++]}, ir::ShapeAttr{sized.shape}));
  });
}

}  // namespace tenon::elab
