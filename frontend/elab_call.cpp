// Calls: what is called, which argument is which, and calls that are put in place of themselves.
#include <algorithm>

#include "frontend/elab.h"
#include "frontend/foreign_names.h"

namespace tenon::elab {

Val Elab::call_expr(const ast::Call& c, const ScopePtr& s) {
  Val callee = expr(*c.callee, s);
  if (is_poison(callee)) throw Reported{};
  Args args;
  args.loc = c.loc;
  // In a pipe every stage is a place of its own: the caret stands under it, not under all before it.
  if (c.piped) args.loc = tenon::join(c.callee->loc, Loc{c.loc.file, c.loc.end, c.loc.end});
  bool named = false;
  for (auto& a : c.args) {
    if (a.id) named = true;
    else if (named) error(Code::E0402, a.value->loc, "an argument by position stands behind one by name");
    Val v = expr(*a.value, s);
    if (is_poison(v)) throw Reported{};
    if (v->kind == Value::unit) error(Code::E0402, a.value->loc, "this argument has no value");
    if (c.piped && args.list.empty()) {
      args.list.push_back({"", v, args.loc});
      continue;
    }
    args.list.push_back({a.id ? a.id->text : "", v, a.id ? tenon::join(a.id->loc, a.value->loc) : a.value->loc});
  }
  cx->b.at(args.loc);
  differing.reset();
  try {
    return call(callee, args);
  } catch (UserError& e) {
    if (differing && e.diagnostic.code == Code::E0301) explain_sizes(e.diagnostic, callee, c, s);
    // x |> Linear(3, 4): the left side went in among what makes the model.
    if (auto* m = as<ModelClassVal>(callee); m && c.piped && e.diagnostic.where == args.loc &&
                                             (e.diagnostic.code == Code::E0401 || e.diagnostic.code == Code::E0402))
      e.diagnostic.hint = "a pipe puts its left side in as the first argument, and this makes a " + m->decl->id.text +
                          ": make it before, let layer = " + m->decl->id.text + "(..), then x |> layer";
    throw;
  }
}

void Elab::explain_sizes(Diagnostic& d, const Val& callee, const ast::Call& c, const ScopePtr& s) {
  const Differing sizes = *differing;
  if (!(d.where == sizes.where)) return;
  // The argument of a model's constructor that has this value: the likelier name first.
  auto made_with = [&](const Val& v, DimId size, std::string_view likely) -> std::optional<Note> {
    auto* m = as<ModelVal>(v);
    if (!m || !m->made.known() || in_library(m->made)) return std::nullopt;
    const ModelField* found = nullptr;
    for (auto& f : m->fields)
      if (auto* i = as<IntVal>(f.value); f.role == ModelField::argument && i && i->dim == size && (!found || f.name == likely))
        found = &f;
    if (!found) return std::nullopt;
    return Note{m->made, "`" + found->name + "` is " + dims.text(size) + " here"};
  };
  auto value_of = [&](const ast::Expr& e) -> Val {
    if (e.kind != ast::Expr::name && e.kind != ast::Expr::member) return nullptr;
    return expr(e, s);  // was evaluated before, so it is there
  };
  std::vector<Note> notes;
  const ast::Expr* argument = nullptr;
  for (auto& a : c.args)
    if (a.value->loc == sizes.where || (c.piped && &a == &c.args[0])) argument = argument ? argument : a.value;
  bool flattened = false;
  while (argument && argument->kind == ast::Expr::call) {
    const auto& inner = ast::as<ast::Call>(*argument);
    flattened = flattened || sources.text(inner.callee->loc) == "flatten";
    if (Val v = value_of(*inner.callee))
      if (auto note = made_with(v, sizes.have, "outputs")) {
        notes.push_back(*note);
        break;
      }
    argument = inner.args.empty() ? nullptr : inner.args[0].value;
  }
  if (auto note = made_with(callee, sizes.want, "inputs")) {
    notes.push_back(*note);
    std::erase_if(d.notes, [&](const Note& n) { return in_library(n.where); });
    d.hint = flattened ? "`flatten` makes one axis of all; nn.flatten keeps the first, the batch"
                       : "what one layer gives is what the next takes: make the two sizes one";
  }
  d.notes.insert(d.notes.begin(), notes.begin(), notes.end());
}

Val Elab::call(const Val& callee, const Args& args) {
  if (is_poison(callee)) throw Reported{};
  switch (callee->kind) {
    case Value::function: {
      const auto& f = *as<FunctionVal>(callee);
      switch (f.what) {
        case FunctionVal::builtin: return f.primitive->call(*this, args);
        case FunctionVal::wrapped: return call_wrapped(f, args);
        case FunctionVal::lambda: return call_inline(callee_of(f), args);
        case FunctionVal::named: {
          Callee c = callee_of(f);
          if (facts[c.decl].inline_always || in_map) return call_inline(c, args);
          return call_instance(c, args);
        }
      }
      bug("call: no such function");
    }
    case Value::model: {
      const auto& m = *as<ModelVal>(callee);
      auto* d = method(*m.decl, "forward");
      if (!d)
        error(Code::E0601, args.loc, "model " + m.decl->id.text + " has no `forward` and cannot be called",
              "call one of its functions by name");
      return call(bound_method(*d, callee), args);
    }
    case Value::model_class: return construct(*as<ModelClassVal>(callee), args);
    case Value::dtype: {
      if (args.list.size() != 1 || !args.list[0].name.empty())
        error(Code::E0402, args.loc, "a conversion takes one argument");
      return cast(args.list[0].value, as<DTypeVal>(callee)->value, args.list[0].loc);
    }
    default:
      error(Code::E0401, args.loc, "this is " + type_text(callee) + " and cannot be called",
            is_numberlike(callee) ? "for an element write x[i], for a product a * (b)" : "");
  }
}

Elab::Callee Elab::callee_of(const FunctionVal& f) {
  if (f.what == FunctionVal::lambda)
    return {f.fn, "fn", &f.fn->sig, &f.fn->body, f.scope, nullptr, f.id, f.fn->loc, cx->training, f.scope};
  Callee c{f.decl, f.decl->id.text, &f.decl->sig, &f.decl->body, f.scope, f.self, f.id, f.decl->loc, cx->training, f.scope};
  if (auto* m = as<ModelVal>(f.self)) {
    c.training = m->training;
    c.names = model_scope(f.self, f.scope);
    c.name = m->decl->id.text + "." + c.name;
  }
  return c;
}

Elab::Bound Elab::bind_args(const Callee& c, const Args& args) {
  const auto& params = c.sig->params;
  Bound b;
  b.values.resize(params.size());
  b.locs.assign(params.size(), args.loc);
  std::vector<Note> where{{c.loc, "`" + c.name + "` is defined here"}};
  for (size_t i = 0; i < params.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (params[i].id.text == params[k].id.text)
        error(Code::E0202, params[i].id.loc, "`" + c.name + "` has two parameters named `" + params[i].id.text + "`", "",
              {{params[k].id.loc, "the first stands here"}});
  size_t at = 0;
  std::vector<Val> rest;
  auto can_be_called = [](const auto& a) { return a.value && (a.value->kind == Value::model || a.value->kind == Value::function); };
  auto describe = [&] {
    std::string s;
    for (auto& p : params) s += (s.empty() ? "" : ", ") + p.id.text + (p.rest ? "..." : "");
    return "`" + c.name + "` takes (" + s + ")";
  };
  for (auto& a : args.list) {
    if (a.name.empty()) {
      while (at < params.size() && !params[at].rest && b.values[at]) ++at;
      if (at >= params.size())
        error(Code::E0402, a.loc, "too many arguments: " + describe(),
              params.size() == 1 && std::ranges::all_of(args.list, can_be_called) ? "several are one list: " + c.name + "([a, b])" : "",
              where);
      if (params[at].rest) {
        if (auto* t = as<TupleVal>(a.value)) rest.insert(rest.end(), t->elements.begin(), t->elements.end());
        else rest.push_back(a.value);
        continue;
      }
      b.values[at] = a.value;
      b.locs[at++] = a.loc;
    } else {
      size_t i = 0;
      while (i < params.size() && params[i].id.text != a.name) ++i;
      if (i == params.size()) {
        std::vector<std::string> names;
        for (auto& p : params) names.push_back(p.id.text);
        std::string hint = did_you_mean(a.name, names);
        auto* foreign = foreign_name(Place::parameter, a.name);
        if (foreign && std::find(names.begin(), names.end(), foreign->hint) != names.end())
          hint = "it is called `" + std::string(foreign->hint) + "` here";
        // sgd(net, lr = 0.1, momentum = 0.9): what is no option may be a function of its own.
        Binding* other = in_library(c.loc) && hint.empty() ? library_name(a.name) : nullptr;
        if (other && other->value && other->value->kind == Value::function)
          hint = "`" + a.name + "` is a function of its own: " + a.name + "(..)";
        error(Code::E0402, a.loc, "`" + c.name + "` has no parameter `" + a.name + "`",
              hint.empty() ? describe() : hint, where);
      }
      if (b.values[i]) error(Code::E0402, a.loc, "`" + a.name + "` is given twice", describe(), where);
      b.values[i] = a.value;
      b.locs[i] = a.loc;
    }
  }
  // Defaults, which may use the parameters before them.
  auto scope = std::make_shared<Scope>(c.names);
  for (size_t i = 0; i < params.size(); ++i) {
    if (params[i].rest) b.values[i] = std::make_shared<TupleVal>(rest);
    if (!b.values[i]) {
      if (!params[i].default_value)
        error(Code::E0402, args.loc, "`" + params[i].id.text + "` is missing: " + describe(), "", where);
      Loc at_call = cx->b.at();
      b.values[i] = expr(*params[i].default_value, scope);
      cx->b.at(at_call);
    }
    if (is_poison(b.values[i])) throw Reported{};
    scope->define(params[i].id.text, b.values[i], false, params[i].id.loc);
  }
  // Types: first what binds names, then all of them.
  TypeCx& t = b.types;
  t.scope = c.names;
  t.signature = true;
  for (auto& k : c.sig->constraints) t.bounds[k.variable.text] = k.bound.text;
  for (size_t i = 0; i < params.size(); ++i)
    if (params[i].type && host_type(*params[i].type) == "dtype")
      if (auto* d = as<DTypeVal>(b.values[i])) t.dtypes[params[i].id.text] = d->value;
  for (size_t i = 0; i < params.size(); ++i) {
    if (!params[i].type || params[i].rest || left_out(params[i], b.values[i])) continue;
    const ast::TypeExpr& e = *params[i].type;
    if (host_type(e) == "int") {
      b.values[i] = match(e, b.values[i], t, b.locs[i], "`" + params[i].id.text + "` of " + c.name);
      const auto& iv = *as<IntVal>(b.values[i]);
      if (iv.dim) t.sizes[params[i].id.text] = *iv.dim;
      else if (names_size(*c.sig, params[i].id.text)) {
        DimId d = int_dim(iv);
        t.sizes[params[i].id.text] = d;
        b.values[i] = std::make_shared<IntVal>(d);
      }
    }
  }
  for (bool weak : {false, true})  // plain sizes: of what is a tensor already, then of brackets of literals
    for (size_t i = 0; i < params.size(); ++i) {
      if (!params[i].type || params[i].rest || !is_dtype_name(*params[i].type, t)) continue;
      auto* x = as<TensorVal>(b.values[i]);
      auto* w = as<WeakVal>(b.values[i]);
      ir::Type type = x ? x->type : ir::scalar_type(DType::f32);
      if (w)
        for (int64_t n : w->shape) type.shape.push_back(dims.constant(n));
      if (weak ? w != nullptr : x != nullptr) bind_dims(*params[i].type, type, t);
    }
  for (int weak_round = 0; weak_round < 2; ++weak_round)
    for (size_t i = 0; i < params.size(); ++i) {
      if (!params[i].type) {
        if (weak_round == 0) b.values[i] = named_value(b.values[i]);
        continue;
      }
      if (is_weak(b.values[i]) != (weak_round == 1)) continue;
      if (params[i].rest || left_out(params[i], b.values[i])) continue;
      b.values[i] = match(*params[i].type, b.values[i], t, b.locs[i], "`" + params[i].id.text + "` of " + c.name);
    }
  for (size_t i = 0; i < params.size(); ++i)
    if (params[i].rest)
      for (auto& v : as<TupleVal>(b.values[i])->elements)
        if (host_type(*params[i].type) == "int" && v->kind != Value::integer)
          error(Code::E0401, args.loc, "`" + params[i].id.text + "` of " + c.name + " takes ints, but this is " + type_text(v));
  return b;
}

// Whether a dimension of the signature names this parameter.
bool Elab::names_size(const ast::FnSig& sig, const std::string& id) {
  std::function<bool(const ast::DimExpr*)> in_dim = [&](const ast::DimExpr* d) {
    return d && ((d->kind == ast::DimExpr::variable && d->id == id) || in_dim(d->a) || in_dim(d->b));
  };
  std::function<bool(const ast::TypeExpr*)> in_type = [&](const ast::TypeExpr* t) {
    if (!t) return false;
    for (auto* d : t->dims) if (in_dim(d)) return true;
    for (auto* x : t->elements) if (in_type(x)) return true;
    for (auto& f : t->fields) if (in_type(f.type)) return true;
    return in_type(t->result);
  };
  for (auto& p : sig.params) if (in_type(p.type)) return true;
  return in_type(sig.result);
}

// Puts the body in place of the call: lambdas, and functions that give functions back.
Val Elab::call_inline(const Callee& c, const Args& args) {
  if (++call_depth > 200)
    error(Code::E0402, args.loc, "`" + c.name + "` is put in place of its own call without end",
          in_map ? "index notation calls it for each element; a comprehension can do it: [f(v) for v in x]"
                 : "write the types of its parameters and of its result");
  struct Leave {
    Elab& e;
    bool training;
    ~Leave() {
      --e.call_depth;
      e.cx->training = training;
    }
  } leave{*this, cx->training};
  InPlace call(*this, args.loc);
  Bound b = bind_args(c, args);
  auto scope = std::make_shared<Scope>(c.self ? model_scope(c.self, c.scope) : c.scope);
  scope->function = true;
  for (auto& [n, d] : b.types.sizes) scope->define(n, std::make_shared<IntVal>(d), false, b.types.size_where[n]);
  for (auto& [n, d] : b.types.dtypes) scope->define(n, std::make_shared<DTypeVal>(d), false, c.loc);
  for (size_t i = 0; i < b.values.size(); ++i)
    scope->define(c.sig->params[i].id.text, b.values[i], false, c.sig->params[i].id.loc);
  cx->training = c.training;
  size_t errors = messages.size();
  Val v = body_value(*c.body, scope);
  if (messages.size() > errors) throw Reported{};
  if (is_poison(v)) throw Reported{};
  if (c.sig->result) v = match(*c.sig->result, v, b.types, c.body->expr ? c.body->expr->loc : c.loc, "the result of " + c.name);
  return v;
}

}  // namespace tenon::elab
