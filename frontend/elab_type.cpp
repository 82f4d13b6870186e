// Written types against values. Matching a call's arguments binds the names of the signature: sizes,
// dtypes, and the dimensions that `...` stands for.
#include <functional>

#include "frontend/elab.h"
#include "frontend/foreign_names.h"

namespace tenon::elab {

using ast::DimExpr;
using ast::TypeExpr;

std::string_view Elab::host_type(const TypeExpr& e) {
  if (e.kind != TypeExpr::named || e.path.size() != 1 || e.has_dims) return "";
  const std::string& n = e.path[0].text;
  if (n == "int") return "int";
  if (n == "float") return "float";
  if (n == "string") return "string";
  if (n == "dtype") return "dtype";
  return "";
}

bool Elab::is_dtype_name(const TypeExpr& e, TypeCx& t) {
  if (e.kind != TypeExpr::named || e.path.size() != 1) return false;
  if (!host_type(e).empty()) return false;  // a parameter may be called `dtype`
  const std::string& n = e.path[0].text;
  if (dtype_named(n) || t.dtypes.count(n) || t.bounds.count(n)) return true;
  if (t.scope)
    if (Binding* b = lookup(n, t.scope)) return b->value && b->value->kind == Value::dtype;
  // A capital letter of a signature, with sizes behind it: any dtype, as the body allows.
  if (t.signature && e.has_dims && n.size() == 1 && n[0] >= 'A' && n[0] <= 'Z' && !library_name(n)) {
    t.bounds[n] = "any";
    return true;
  }
  return false;
}

// The dtype, when it is known: nullopt for a variable that nothing has bound yet.
std::optional<DType> Elab::type_dtype(const TypeExpr& e, TypeCx& t) {
  const std::string& n = e.path[0].text;
  if (auto it = t.dtypes.find(n); it != t.dtypes.end()) return it->second;
  if (t.bounds.count(n)) return std::nullopt;
  if (auto d = dtype_named(n)) return d;
  if (t.scope)
    if (Binding* b = lookup(n, t.scope))
      if (auto* d = as<DTypeVal>(b->value)) return d->value;
  return std::nullopt;
}

// What a name in a dimension stands for. The letters that a `let` names by its type are sizes of the
// block it stands in; a function has its own, or data that are read at the top level would decide what
// the functions of the file may be called with.
Binding* Elab::size_named(std::string_view id, const TypeCx& t) {
  bool inside = t.signature;
  for (Scope* at = t.scope.get(); at; at = at->parent.get()) {
    if (Binding* b = at->find_here(id); b && !(b->letter && inside)) return b;
    inside |= at->function;
  }
  return nullptr;
}

// The size, when all of its names are known; `partial`: nullopt in place of an error.
std::optional<DimId> Elab::dim(const DimExpr& e, TypeCx& t, bool partial) {
  auto two = [&](auto f) -> std::optional<DimId> {
    auto a = dim(*e.a, t, partial), b = dim(*e.b, t, partial);
    if (!a || !b) return std::nullopt;
    return f(*a, *b);
  };
  switch (e.kind) {
    case DimExpr::constant: return dims.constant(e.value);
    case DimExpr::variable: {
      if (auto it = t.sizes.find(e.id); it != t.sizes.end()) return it->second;
      if (t.scope)
        if (Binding* b = size_named(e.id, t); b && b->value) {
          if (auto* i = as<IntVal>(b->value)) return int_dim(*i);
          if (auto* x = as<TensorVal>(b->value); x && x->type.scalar() && x->type.dtype == DType::i64)
            return int_dim(IntVal(x->leaf));
          if (is_poison(b->value)) throw Reported{};
        }
      if (partial) return std::nullopt;
      if (Binding* b = t.scope ? lookup(e.id, t.scope) : nullptr; b && b->letter)
        error(Code::E0304, e.loc, "the size `" + e.id + "` is not known in a function or a model",
              "pass it as an argument: " + e.id + ": int",
              {{b->where, "this type names `" + e.id + "` for its own block, and not for what is called"}});
      error(Code::E0304, e.loc, "the size `" + e.id + "` is not known here",
            "a size is known once an argument's type names it alone; or pass it as an argument: " + e.id + ": int");
    }
    case DimExpr::wildcard:
    case DimExpr::rest: return std::nullopt;
    case DimExpr::neg: {
      auto a = dim(*e.a, t, partial);
      if (!a) return std::nullopt;
      return dims.sub(dims.constant(0), *a);
    }
    case DimExpr::add: return two([&](DimId a, DimId b) { return dims.add(a, b); });
    case DimExpr::sub: return two([&](DimId a, DimId b) { return dims.sub(a, b); });
    case DimExpr::mul: return two([&](DimId a, DimId b) { return dims.mul(a, b); });
    case DimExpr::floordiv:
    case DimExpr::div:
      return two([&](DimId a, DimId b) -> DimId {
        auto k = dims.value(b);
        if (k && *k <= 0) error(Code::E0801, e.loc, "a size is divided by " + std::to_string(*k));
        DimId q = dims.floordiv(a, b);
        if (e.kind == DimExpr::div && dims.mul(q, b) != a) {
          if (auto c = dims.value(a))
            error(Code::E0301, e.loc, std::to_string(*c) + " / " + std::to_string(k.value_or(0)) + " does not come out even");
          const Loc before = cx->b.at();
          cx->b.at(e.loc);
          ir::Value x = cx->b.size(a), y = cx->b.size(b);
          ir::Value ok = cx->b.scalar(ir::Op::eq, {x, cx->b.size(dims.mul(q, b))});
          cx->b.emit(ir::Op::check, {ok, x, y},
                     ir::CheckAttr{Code::E0803, "the size {} / {} does not come out even", "", Fault::data});
          cx->b.at(before);
        }
        return q;
      });
  }
  bug("dim: no such kind");
}

namespace {

void dim_names(const DimExpr* e, std::vector<std::pair<std::string, Loc>>& out) {
  if (!e) return;
  if (e->kind == DimExpr::variable) out.emplace_back(e->id, e->loc);
  dim_names(e->a, out);
  dim_names(e->b, out);
}

// The names of a type that has a name are those of where it was declared.
struct Inside {
  Inside(Elab::TypeCx& types, ScopePtr scope) : t(types), before(t.scope) { t.scope = std::move(scope); }
  ~Inside() { t.scope = before; }
  Elab::TypeCx& t;
  ScopePtr before;
};

bool fits(DType d, const std::string& bound) {
  if (bound == "float") return is_float(d);
  if (bound == "integer") return is_integer(d);
  if (bound == "number") return d != DType::boolean;
  return true;
}

}  // namespace

// What an unknown type was meant to be.
std::string Elab::unknown_type_hint(const std::string& id, const ScopePtr& s) {
  if (auto* f = foreign_name(Place::type, id)) return std::string(f->hint);
  std::vector<std::string> types{"int", "float", "string", "dtype"};
  for (int i = 0; i < kDTypeCount; ++i) types.emplace_back(kDTypes[i].name);
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (auto& b : at->bindings)
      if (as<TypeVal>(b.value) || as<ModelClassVal>(b.value)) types.push_back(b.name);
  if (std::string near = did_you_mean(id, types); id.size() > 2 && !near.empty()) return near;
  return "a dtype variable is declared behind the signature: where " + id + ": float (or integer, number, any)";
}

namespace {

// A type's name that nothing defines.
void refuse_unknown(Elab& e, const TypeExpr& type, const ScopePtr& s) {
  const std::string& name = type.path[0].text;
  const Loc loc = type.path[0].loc;
  if (!s || type.path.size() > 1 || e.lookup(name, s) || e.library_name(name, loc) || find_builtin(name)) return;
  e.error(Code::E0201, loc, "the type `" + name + "` is not known here", e.unknown_type_hint(name, s));
}

}  // namespace

const TypeVal* Elab::type_named(const TypeExpr& e, const ScopePtr& s) {
  if (e.kind != TypeExpr::named || e.path.empty() || !s) return nullptr;
  Binding* b = lookup(e.path[0].text, s);
  for (size_t i = 1; b && i < e.path.size(); ++i) {
    auto* m = as<ModuleVal>(b->value);
    if (!m || !m->scope || e.path[i].text.starts_with("_")) return nullptr;
    b = m->scope->find_here(e.path[i].text);
  }
  return b ? as<TypeVal>(b->value) : nullptr;
}

ir::Type Elab::tensor_type(const TypeExpr& e, TypeCx& t) {
  auto d = type_dtype(e, t);
  if (!d) error(Code::E0401, e.loc, "the dtype `" + e.path[0].text + "` is not known here");
  ir::Type r{*d, {}, false};
  for (auto* x : e.dims) {
    if (x->kind == DimExpr::rest) {
      if (!t.rest) error(Code::E0304, x->loc, "`...` stands for no dimensions that are known here");
      r.shape.insert(r.shape.end(), t.rest->begin(), t.rest->end());
    } else if (x->kind == DimExpr::wildcard) {
      r.shape.push_back(dims.symbol(dims.fresh("_", x->loc, true)));
    } else {
      r.shape.push_back(*dim(*x, t));
    }
  }
  return r;
}

// Matches the axes of a tensor; returns the shape as the type writes it. With `solve_only`, binds what
// can be bound and checks nothing.
void Elab::bind_dims(const TypeExpr& e, const ir::Type& type, TypeCx& t) {
  int rest_at = -1;
  for (size_t i = 0; i < e.dims.size(); ++i)
    if (e.dims[i]->kind == DimExpr::rest) rest_at = static_cast<int>(i);
  size_t fixed = e.dims.size() - (rest_at >= 0);
  if (rest_at < 0 ? type.rank() != fixed : type.rank() < fixed) return;
  size_t extra = type.rank() - fixed;
  if (rest_at >= 0 && !t.rest && t.bind)
    t.rest = std::vector<DimId>(type.shape.begin() + rest_at, type.shape.begin() + rest_at + static_cast<long>(extra));
  for (size_t i = 0, at = 0; i < e.dims.size(); ++i) {
    if (static_cast<int>(i) == rest_at) {
      at += extra;
      continue;
    }
    const DimExpr& d = *e.dims[i];
    if (d.kind == DimExpr::variable && t.bind && !dim(d, t, true)) {
      t.sizes[d.id] = type.shape[at];
      t.size_where[d.id] = d.loc;
    }
    ++at;
  }
}

Val Elab::match(const TypeExpr& e, const Val& v, TypeCx& t, Loc loc, const std::string& what) {
  if (is_poison(v)) throw Reported{};
  if (v->kind == Value::never) return v;
  auto mismatch = [&](const std::string& wants, const std::string& hint = "") {
    if (v->kind == Value::unit && what.starts_with("the result of "))
      error(Code::E0401, loc, "`" + what.substr(14) + "` ends without a value, but its type says that it gives " + std::string(sources.text(e.loc)),
            "the last line of a block is its value: write the value there", {{e.loc, "the type is written here"}});
    error(Code::E0401, loc, what + " is " + wants + ", but this is " + type_text(v), hint,
          {{e.loc, "the type is written here"}});
  };
  switch (e.kind) {
    case TypeExpr::tuple: {
      auto* x = as<TupleVal>(v);
      if (!x || x->elements.size() != e.elements.size()) mismatch("a tuple of " + std::to_string(e.elements.size()));
      std::vector<Val> out;
      for (size_t i = 0; i < x->elements.size(); ++i)
        out.push_back(match(*e.elements[i], x->elements[i], t, loc, "part " + std::to_string(i) + " of " + what));
      return std::make_shared<TupleVal>(std::move(out));
    }
    case TypeExpr::record: {
      auto* x = as<RecordVal>(v);
      if (!x) mismatch("a record");
      for (auto& f : e.fields)
        if (auto* tv = as<TensorVal>(x->find(f.id.text)); tv && is_dtype_name(*f.type, t)) bind_dims(*f.type, tv->type, t);
      std::vector<std::pair<std::string, Val>> out;
      for (auto& f : e.fields) {
        Val part = x->find(f.id.text);
        if (!part) mismatch("a record with a field `" + f.id.text + "`");
        out.emplace_back(f.id.text, match(*f.type, part, t, loc, "`" + f.id.text + "` of " + what));
      }
      if (x->fields.size() != e.fields.size())
        for (auto& [n, p] : x->fields) {
          bool known = false;
          for (auto& f : e.fields) known = known || f.id.text == n;
          if (!known) mismatch("a record without a field `" + n + "`");
        }
      return std::make_shared<RecordVal>(std::move(out));
    }
    case TypeExpr::list: {
      auto* x = as<ListVal>(v);
      if (!x) mismatch("a list");
      std::vector<Val> out;
      for (auto& p : x->elements) out.push_back(match(*e.elements[0], p, t, loc, "an element of " + what));
      return std::make_shared<ListVal>(std::move(out));
    }
    case TypeExpr::function:
      if (v->kind != Value::function && v->kind != Value::model && v->kind != Value::model_class) mismatch("a function");
      return v;
    case TypeExpr::named: break;
  }
  std::string_view host = host_type(e);
  if (host == "int") {
    if (v->kind == Value::integer) return v;
    auto* x = as<TensorVal>(v);
    if (x && x->type.scalar() && x->type.dtype == DType::i64) return std::make_shared<IntVal>(x->leaf);
    mismatch("an int", v->kind == Value::real ? "write a whole number, or cast(.., i64)" : "");
  }
  if (host == "float") {
    if (v->kind == Value::real) return v;
    if (v->kind == Value::integer) {
      if (auto k = known_int(v)) return real(static_cast<double>(*k));
      return std::make_shared<FloatVal>(leaf(to_dtype(v, DType::f64, loc)));
    }
    auto* x = as<TensorVal>(v);
    if (x && x->type.scalar() && is_float(x->type.dtype))
      return std::make_shared<FloatVal>(leaf(cx->b.convert(use(*x), DType::f64)));
    mismatch("a float");
  }
  if (host == "string") {
    if (v->kind != Value::string) mismatch("a string");
    return v;
  }
  if (host == "dtype") {
    if (v->kind != Value::dtype) mismatch("a dtype (f32, i64, ..)");
    return v;
  }
  if (!is_dtype_name(e, t)) {
    if (auto* named = type_named(e, t.scope)) {
      Inside inside(t, named->scope);
      return match(*named->written, v, t, loc, what);
    }
    Val named;
    const std::string& first = e.path[0].text;
    refuse_unknown(*this, e, t.scope);
    if (t.scope) {
      named = name_value(e.path[0].text, e.path[0].loc, t.scope);
      for (size_t i = 1; i < e.path.size(); ++i) named = member(named, e.path[i], e.loc);
    }
    auto* c = as<ModelClassVal>(named);
    if (!c && e.has_dims && (first == "int" || first == "float"))
      error(Code::E0401, e.loc, "`" + first + "` is one number and has no sizes",
            first == "int" ? "a tensor of whole numbers is i64[N]" : "a tensor is f32[N] or f64[N]");
    if (!c)
      error(Code::E0401, e.loc, "`" + e.path[0].text + "` is not a type",
            "types are dtypes (f32[N]), int, float, string, models, tuples, records, lists and functions");
    auto* m = as<ModelVal>(v);
    if (!m || m->decl != c->decl) mismatch("a model " + c->decl->id.text);
    return v;
  }
  // A tensor. An empty bracket becomes one by its type (rule 2).
  if (auto* none = as<ListVal>(v); none && none->elements.empty() && e.dims.size() == 1)
    if (const auto d = type_dtype(e, t))
      return match(e, tensor(cx->b.fill(*d == DType::boolean ? cx->b.boolean(false) : to_dtype(integer(0), *d, loc), {dims.constant(0)})), t, loc, what);
  if (as<ListVal>(v) && as<ListVal>(v)->elements.empty()) mismatch("a tensor", "a tensor without elements is zeros(0), one without rows zeros(0, 3)");
  if (!is_numberlike(v)) mismatch("a tensor", v->kind == Value::model ? "call the model, net(x); over each of its tensors: map(f, net)" : "");
  const std::string& dn = e.path[0].text;
  auto want = type_dtype(e, t);
  if (!want) {
    DType d;
    if (auto have = dtype_of(v)) d = *have;
    else d = v->kind == Value::real || (v->kind == Value::weak && as<WeakVal>(v)->real) ||
                     (t.bounds[dn] == "float")
                 ? DType::f32
                 : DType::i64;
    if (!fits(d, t.bounds[dn]))
      error(Code::E0401, loc, what + " needs a dtype that is " + t.bounds[dn] + ", but this is " + type_text(v),
            t.bounds[dn] == "float" ? "convert it first: cast(.., f32)" : "", {{e.loc, "the type is written here"}});
    t.dtypes[dn] = d;
    want = d;
  }
  if (auto have = dtype_of(v); have && *have != *want)
    error(Code::E0406, loc, what + " is " + std::string(tenon::name(*want)) + ", but this is " + type_text(v),
          "no dtype is converted silently: cast(.., " + std::string(tenon::name(*want)) + ")", {{e.loc, "the type is written here"}});
  // Written floats where whole numbers are declared: labels, indices.
  const bool real_literal = v->kind == Value::real || (v->kind == Value::weak && as<WeakVal>(v)->real);
  if (real_literal && !is_float(*want))
    mismatch(std::string(sources.text(e.loc)), *want == DType::boolean ? "compare: x > 0.5" : "write whole numbers: [0, 1, 2]");
  ir::Value x = to_dtype(v, *want, loc);
  const ir::Type have = cx->fn->type(x);
  int rest_at = -1;
  for (size_t i = 0; i < e.dims.size(); ++i)
    if (e.dims[i]->kind == DimExpr::rest) rest_at = static_cast<int>(i);
  size_t fixed = e.dims.size() - (rest_at >= 0);
  if (rest_at < 0 ? have.rank() != fixed : have.rank() < fixed) {
    std::string wants = std::string(sources.text(e.loc));
    std::string hint;
    if (have.rank() + 1 == fixed) hint = "reshape adds an axis of size 1";
    error(Code::E0303, loc, what + " is " + wants + " with " + (rest_at >= 0 ? "at least " : "") + std::to_string(fixed) +
          (fixed == 1 ? " axis" : " axes") + ", but this is " + type_text(have), hint, {{e.loc, "the type is written here"}});
  }
  bind_dims(e, have, t);
  size_t extra = have.rank() - fixed;
  std::vector<DimId> shape;
  bool checked = false;
  auto need = [&](DimId written, DimId actual, const DimExpr& d, size_t axis) {
    std::vector<Note> notes{{d.loc, "the size `" + std::string(sources.text(d.loc)) + "` is written here"}};
    if (auto it = t.size_where.find(d.id); d.kind == DimExpr::variable && it != t.size_where.end() && it->second.known() && !(it->second == d.loc))
      notes.push_back({it->second, "`" + d.id + "` was bound here" + (dims.text(written) == d.id ? "" : ", to " + dims.text(written))});
    // A way out: the sizes may only be the wrong way round.
    const bool turned = have.rank() == 2 && have.shape[1 - axis] == written && actual != written;
    const std::string hint = turned ? "did you mean transpose(..)?" : "change what makes one of the two sizes, or slice or reshape the value";
    if (require_equal(actual, written, loc, "axis " + std::to_string(axis) + " of " + what + " has another size than its type says",
                      hint, notes) == Sizes::checked)
      checked = true;
    shape.push_back(written);
  };
  for (size_t i = 0; i < e.dims.size(); ++i) {
    const DimExpr& d = *e.dims[i];
    size_t at = shape.size();
    if (d.kind == DimExpr::rest) {
      if (t.rest->size() != extra)
        error(Code::E0303, loc, what + ": `...` stands for " + std::to_string(t.rest->size()) + " axes before and for " +
              std::to_string(extra) + " here",
              "the shapes that `...` stands for are the same wherever it stands; reshape brings one to the other",
              {{e.loc, "the type is written here"}});
      for (size_t k = 0; k < extra; ++k) need((*t.rest)[k], have.shape[at + k], d, at + k);
      continue;
    }
    if (d.kind == DimExpr::wildcard) {
      shape.push_back(have.shape[at]);
      continue;
    }
    auto written = dim(d, t, true);
    if (!written) {  // linear in one unknown name
      std::vector<std::pair<std::string, Loc>> names;
      dim_names(&d, names);
      TypeCx trial = t;
      std::vector<SymId> unknown;
      std::vector<std::string> unknown_names;
      for (auto& [n, l] : names)
        if (Binding* b = t.scope ? size_named(n, t) : nullptr; !trial.sizes.count(n) && !(b && b->value)) {
          SymId s = dims.fresh(n, l, true);
          trial.sizes[n] = dims.symbol(s);
          unknown.push_back(s);
          unknown_names.push_back(n);
        }
      size_t mark = cx->b.region().nodes.size();
      auto p = dim(d, trial, true);
      cx->b.region().nodes.resize(mark);
      auto solved = p ? dims.solve(*p, have.shape[at], unknown) : std::nullopt;
      if (!solved)
        error(Code::E0304, d.loc, "the size `" + (unknown_names.empty() ? std::string("?") : unknown_names[0]) + "` cannot be inferred here",
              "pass it as an argument: " + (unknown_names.empty() ? std::string("n") : unknown_names[0]) + ": int");
      for (size_t k = 0; k < unknown.size(); ++k)
        if (unknown[k] == solved->symbol) {
          if (auto n = dims.value(solved->value); n && *n < 0)
            error(Code::E0301, loc, "axis " + std::to_string(at) + " of " + what + " is " + dims.text(have.shape[at]) + ", so that `" +
                  unknown_names[k] + "` would come to " + std::to_string(*n), "no size is negative: this axis is too long or too short",
                  {{d.loc, "the size `" + std::string(sources.text(d.loc)) + "` is written here"}});
          t.sizes[unknown_names[k]] = solved->value;
          t.size_where[unknown_names[k]] = d.loc;
        }
      written = dim(d, t);
    }
    need(*written, have.shape[at], d, at);
  }
  if (checked) x = reshape_as(x, shape);
  auto* same = as<TensorVal>(v);
  if (same && checked) same = nullptr;
  return std::make_shared<TensorVal>(leaf(x), ir::Type{*want, shape, false}, same ? same->known : nullptr, same ? same->share : 0);
}

Val Elab::declared(const TypeExpr& e, const Val& v, const ScopePtr& s, Loc loc) {
  TypeCx t;
  t.scope = s;
  Val r = match(e, v, t, loc, "the value");
  for (auto& [n, d] : t.sizes)
    if (!s->find_here(n)) {
      s->define(n, std::make_shared<IntVal>(d), false, t.size_where[n]);
      s->bindings.back().letter = true;
    }
  return r;
}

// A parameter of an instance: built from the type as written, or, without one, from the argument.
// Without an argument (a function that is checked alone) the type has to say it all.
Val Elab::parameter(const TypeExpr* e, const Val& arg, ParamCx& p, const std::string& path) {
  TypeCx& t = p.types;
  auto fresh_param = [&](const ir::Type& type) {
    return leaf(cx->b.param(type, {ir::Leaf::data, path}));
  };
  auto as_it_is = [&]() -> Val {
    std::vector<FlatLeaf> flat;
    flatten(arg, flat, path);
    size_t i = 0;
    p.leaf += static_cast<int>(flat.size());
    return rebuild(arg, [&](const Leaf&, const ir::Type& type) {
      const FlatLeaf& f = flat[i++];
      return leaf(cx->b.param(type, {f.role, f.path}));
    });
  };
  if (!e) return as_it_is();
  // Inside a structure a known bool is structure, as everywhere: no parameter stands for it.
  auto member = [&](const TypeExpr* type, const Val& part, const std::string& name) {
    return part && known_bool(part) ? part : parameter(type, part, p, path + "." + name);
  };
  switch (e->kind) {
    case TypeExpr::tuple: {
      std::vector<Val> out;
      auto* x = as<TupleVal>(arg);
      for (size_t i = 0; i < e->elements.size(); ++i)
        out.push_back(member(e->elements[i], x ? x->elements[i] : nullptr, std::to_string(i)));
      return std::make_shared<TupleVal>(std::move(out));
    }
    case TypeExpr::record: {
      std::vector<std::pair<std::string, Val>> out;
      auto* x = as<RecordVal>(arg);
      for (auto& f : e->fields)
        out.emplace_back(f.id.text, member(f.type, x ? x->find(f.id.text) : nullptr, f.id.text));
      return std::make_shared<RecordVal>(std::move(out));
    }
    case TypeExpr::list:
    case TypeExpr::function:
      if (!arg) throw Reported{};
      return as_it_is();
    case TypeExpr::named: break;
  }
  std::string_view host = host_type(*e);
  if (!host.empty() || !is_dtype_name(*e, t)) {
    if (auto* named = host.empty() ? type_named(*e, t.scope) : nullptr) {
      Inside inside(t, named->scope);
      return parameter(named->written, arg, p, path);
    }
    if (!arg) {
      if (host.empty()) refuse_unknown(*this, *e, t.scope);
      throw Reported{};
    }
    return as_it_is();
  }
  auto d = type_dtype(*e, t);
  if (!d) {  // checked without a call
    const std::string& bound = t.bounds[e->path[0].text];
    d = bound == "integer" ? DType::i64 : DType::f32;
    t.dtypes[e->path[0].text] = *d;
  }
  ir::Type type{*d, {}, false};
  auto* have = as<TensorVal>(arg);
  auto symbol = [&](const std::string& name, Loc where, bool of_axis, size_t axis) {
    SymId s = dims.fresh(name, where, true);
    cx->fn->sizes.push_back(s);
    p.inst->own_sizes.push_back({s, of_axis ? Instance::OwnSize::of_axis : Instance::OwnSize::of_name, p.param, p.leaf,
                                 static_cast<int>(axis), name});
    return dims.symbol(s);
  };
  for (auto* x : e->dims) {
    size_t at = type.shape.size();
    if (x->kind == DimExpr::rest) {
      if (!t.rest) {
        t.rest.emplace();
        size_t n = have ? have->type.rank() + 1 - e->dims.size() : 1;
        for (size_t k = 0; k < n; ++k)
          t.rest->push_back(symbol("..." + std::to_string(k), x->loc, true, at + k));
      }
      type.shape.insert(type.shape.end(), t.rest->begin(), t.rest->end());
    } else if (x->kind == DimExpr::wildcard) {
      type.shape.push_back(symbol("_", x->loc, true, at));
    } else if (auto known = dim(*x, t, true)) {
      type.shape.push_back(*known);
    } else {  // names that are new here
      std::vector<std::pair<std::string, Loc>> names;
      dim_names(x, names);
      for (auto& [n, l] : names) {
        TypeCx trial = t;
        ast::DimExpr probe{ast::DimExpr::variable, l, 0, n, nullptr, nullptr};
        if (dim(probe, trial, true)) continue;
        t.sizes[n] = symbol(n, l, false, 0);
        t.size_where[n] = l;
      }
      type.shape.push_back(*dim(*x, t));
    }
  }
  ++p.leaf;
  return std::make_shared<TensorVal>(fresh_param(type), type, nullptr, have ? have->share : 0);
}

}  // namespace tenon::elab
