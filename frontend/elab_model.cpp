// Models: making one, its fields and functions, and draws of random numbers.
#include <algorithm>
#include <cctype>

#include "frontend/elab.h"
#include "frontend/scan.h"

namespace tenon::elab {

const ast::FnDecl* Elab::method(const ast::ModelDecl& d, std::string_view name) {
  for (auto* m : d.members)
    if (m->kind == ast::Stmt::fn && ast::as<ast::FnDecl>(*m).id.text == name) return &ast::as<ast::FnDecl>(*m);
  return nullptr;
}

Val Elab::bound_method(const ast::FnDecl& d, const Val& self) {
  auto f = std::make_shared<FunctionVal>(FunctionVal::named);
  f->decl = &d;
  f->scope = as<ModelVal>(self)->scope;
  f->self = self;
  return f;
}

// What a model's functions see: its fields, its other functions, `self` and `training`.
ScopePtr Elab::model_scope(const Val& self, const ScopePtr& outer) {
  const auto& m = *as<ModelVal>(self);
  auto s = std::make_shared<Scope>(outer);
  s->function = true;
  for (auto* st : m.decl->members)
    if (st->kind == ast::Stmt::fn) {
      const auto& d = ast::as<ast::FnDecl>(*st);
      s->define(d.id.text, bound_method(d, self), false, d.id.loc);
    }
  for (auto& f : m.fields)
    if (f.value) s->define(f.name, f.value, false, m.decl->loc);
  s->define("self", self, false, m.decl->loc);
  s->define("training", boolean(m.training), false, m.decl->loc);
  return s;
}

Val Elab::construct(const ModelClassVal& c, const Args& args) {
  const ast::ModelDecl& d = *c.decl;
  made_models.insert(&d);
  ast::FnSig& sig = model_sigs[&d];
  if (sig.params.size() != d.params.size()) sig.params = d.params;
  ast::FnBody none;
  Callee callee{&d, d.id.text, &sig, &none, c.scope, nullptr, 0, d.id.loc, cx->training, c.scope};
  if (++call_depth > 200) error(Code::E0601, args.loc, "making a `" + d.id.text + "` makes another without end");
  struct Leave {
    Elab& e;
    ~Leave() { --e.call_depth; }
  } leave{*this};
  InPlace call(*this, args.loc);
  Bound b = bind_args(callee, args);
  auto m = std::make_shared<ModelVal>();
  m->decl = &d;
  m->scope = c.scope;
  m->made = args.loc;
  for (auto call = calls.rbegin(); call != calls.rend() && in_library(m->made); ++call) m->made = *call;
  auto scope = std::make_shared<Scope>(c.scope);
  scope->function = true;
  for (auto& [n, size] : b.types.sizes) {  // a size that an argument's type names is one of the model, as an int is
    if (std::any_of(d.params.begin(), d.params.end(), [&](const ast::Param& p) { return p.id.text == n; })) continue;
    m->fields.push_back({ModelField::argument, n, std::make_shared<IntVal>(size)});
    scope->define(n, m->fields.back().value, false, b.types.size_where[n]);
  }
  // An argument that a function of the model assigns to is a part that starts as it was given: saved, as parts are.
  std::set<std::string> changed;
  for (auto* st : d.members)
    if (st->kind == ast::Stmt::fn) changed.merge(assigned_fields(ast::as<ast::FnDecl>(*st).body));
  for (size_t i = 0; i < b.values.size(); ++i) {
    const bool changes = changed.count(d.params[i].id.text);
    b.values[i] = named_parts(changes ? named_value(b.values[i]) : b.values[i]);
    scope->define(d.params[i].id.text, b.values[i], false, d.params[i].id.loc);
    m->fields.push_back({changes ? ModelField::part : ModelField::argument, d.params[i].id.text, b.values[i]});
  }
  std::set<std::string> own;  // members
  auto add = [&](ModelField::Role role, const ast::Name& id, Val v) {
    if (!own.insert(id.text).second)
      error(Code::E0202, id.loc, "model " + d.id.text + " has `" + id.text + "` twice");
    std::erase_if(m->fields, [&](const ModelField& f) { return f.name == id.text; });
    // A param or a state is a tensor of its own, whatever it starts with; another name for one is none.
    v = role == ModelField::part ? named_parts(v) : one_of_a_kind(v);
    if (v) scope->define(id.text, v, false, id.loc);
    m->fields.push_back({role, id.text, std::move(v)});
  };
  for (auto* st : d.members) {
    cx->b.at(st->loc);
    switch (st->kind) {
      case ast::Stmt::param: {
        const auto& p = ast::as<ast::ParamDecl>(*st);
        auto role = p.state ? ModelField::state : ModelField::param;
        if (p.condition) {
          Val cond = condition(*p.condition, scope, "the `if` of a param");
          if (!static_bool(cond, p.condition->loc, "the `if` of a param")) {
            add(role, p.id, nullptr);
            break;
          }
        }
        if (!p.value)
          error(Code::E0601, p.loc, "`" + p.id.text + "` has no start value",
                "`~ normal(0, 0.02)` draws one, `= zeros(n)` sets one");
        Val v;
        if (p.draw) {
          v = draw_value(*p.value, p.type, scope, p.loc);
        } else {
          TypeCx t;
          t.scope = scope;
          t.bind = false;
          v = match(*p.type, expr(*p.value, scope), t, p.value->loc, "the start of `" + p.id.text + "`");
        }
        auto* t = as<TensorVal>(v);
        if (!t) error(Code::E0601, p.loc, "a param is a tensor, but this is " + type_text(v));
        if (!p.state && !is_float(t->type.dtype))
          error(Code::E0601, p.loc, "a param is learned, so it is a float tensor; this is " + type_text(v), "use state for what is carried along");
        add(role, p.id, v);
        break;
      }
      case ast::Stmt::bind: {
        const auto& x = ast::as<ast::Bind>(*st);
        if (x.pattern.kind != ast::Pattern::name || x.mutable_)
          error(Code::E0601, st->loc, "a part of a model is named by `let name = ..`");
        Val v;
        if (x.draw) v = draw_value(*x.value, x.type, scope, st->loc);
        else {
          v = expr(*x.value, scope);
          if (x.type) v = declared(*x.type, v, scope, x.value->loc);
        }
        if (is_poison(v)) throw Reported{};
        add(ModelField::part, x.pattern.id, named_value(v));
        break;
      }
      case ast::Stmt::fn: break;
      case ast::Stmt::index_bind:
        add(ModelField::part, ast::as<ast::IndexBind>(*st).id, index_bind(ast::as<ast::IndexBind>(*st), scope));
        break;
      case ast::Stmt::assert_: assert_stmt(ast::as<ast::Assert>(*st), scope); break;
      case ast::Stmt::assign: case ast::Stmt::expr: case ast::Stmt::for_: case ast::Stmt::while_:
      case ast::Stmt::jump: case ast::Stmt::model: case ast::Stmt::update: case ast::Stmt::train:
      case ast::Stmt::test: case ast::Stmt::bench: case ast::Stmt::derivative:
      case ast::Stmt::type_def: case ast::Stmt::import:
        error(Code::E0601, st->loc, "this does not belong into a model",
              "a model has param, state, let, assert and fn");
    }
  }
  // An argument that no function of the model names has done its work: what it holds is not carried on.
  auto named = [&](const std::string& id) {
    for (auto* st : d.members) {
      if (st->kind != ast::Stmt::fn) continue;
      std::string_view text = sources.text(st->loc);
      for (size_t at = text.find(id); at != std::string_view::npos; at = text.find(id, at + 1)) {
        auto word = [&](size_t i) { return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_'); };
        if (!(at > 0 && word(at - 1)) && !word(at + id.size())) return true;
      }
    }
    return false;
  };
  std::erase_if(m->fields, [&](const ModelField& f) {
    if (f.role != ModelField::argument) return false;
    std::vector<FlatLeaf> held;
    flatten(f.value, held);
    return !held.empty() && !named(f.name);
  });
  return shares_settled(m);
}

Val Elab::with_field(const ModelVal& m, std::string_view name, Val v) {
  auto r = std::make_shared<ModelVal>(m);
  for (auto& f : r->fields)
    if (f.name == name) {
      f.value = std::move(v);
      // Its tensors are no longer those the model was made of: they are saved, as those of parts are.
      if (f.role == ModelField::argument && (as<TensorVal>(f.value) || as<ModelVal>(f.value))) f.role = ModelField::part;
    }
  return r;
}

Val Elab::with_training(const Val& v, bool on) {
  if (!v) return v;
  auto all = [&](std::vector<Val> xs) {
    for (auto& x : xs) x = with_training(x, on);
    return xs;
  };
  switch (v->kind) {
    case Value::model: {
      auto r = std::make_shared<ModelVal>(*as<ModelVal>(v));
      r->training = on;
      for (auto& f : r->fields) f.value = with_training(f.value, on);
      return r;
    }
    case Value::tuple: return std::make_shared<TupleVal>(all(as<TupleVal>(v)->elements));
    case Value::list: return std::make_shared<ListVal>(all(as<ListVal>(v)->elements));
    case Value::record: {
      auto f = as<RecordVal>(v)->fields;
      for (auto& [n, x] : f) x = with_training(x, on);
      return std::make_shared<RecordVal>(std::move(f));
    }
    case Value::function: {
      const auto& f = *as<FunctionVal>(v);
      if (!f.self) return v;
      auto r = std::make_shared<FunctionVal>(f);
      r->self = with_training(f.self, on);
      return r;
    }
    default: return v;
  }
}

// ---------------------------------------------------------------- draws

Val Elab::random_bits(const std::vector<DimId>& shape, Loc loc) {
  cx->b.at(loc);
  ir::Value key = next_key();
  DimId n = dims.constant(1);
  for (DimId d : shape) n = dims.mul(n, d);
  if (shape.empty()) return tensor(cx->b.scalar(ir::Op::rng, {key, cx->b.integer(0)}));
  ir::Value at = cx->b.one(ir::Op::iota, {}, ir::IotaAttr{DType::i64, {n}, 0});
  ir::Value bits = cx->b.scalar(ir::Op::rng, {cx->b.fill(key, {n}), at});
  return tensor(reshape_as(bits, shape));
}

// A distribution is a function of 64 random bits per element and of the dtype (stdlib/random.model). Narrow floats are
// rounded from f32: their own steps are too coarse to compute with (a bit pattern passes f16's largest number).
Val Elab::draw(const Val& distribution, const ir::Type& t, Loc loc) {
  if (distribution->kind != Value::function)
    error(Code::E0401, loc, "a distribution is needed here, but this is " + type_text(distribution),
          "normal(0, 1), uniform(-1, 1), kaiming_uniform(n) ..");
  if (t.dtype == DType::boolean) error(Code::E0401, loc, "numbers are drawn, but this is " + type_text(t), "compare: draw(uniform(0, 1), n) < p");
  Val bits = random_bits(t.shape, loc);
  ir::Type wide = t;
  if (t.dtype == DType::f16 || t.dtype == DType::bf16) wide.dtype = DType::f32;
  Val v = call(distribution, Args{{{"", bits, loc}, {"", std::make_shared<DTypeVal>(wide.dtype), loc}}, loc});
  auto* x = as<TensorVal>(v);
  if (!x || x->type.dtype != wide.dtype || x->type.rank() != wide.rank())
    error(Code::E0401, loc, "this distribution gives " + type_text(v) + ", not " + type_text(wide));
  return wide.dtype == t.dtype ? v : cast(v, t.dtype, loc);
}

Val Elab::draw_value(const ast::Expr& distribution, const ast::TypeExpr* type, const ScopePtr& s, Loc loc) {
  Val d = expr(distribution, s);
  if (is_poison(d)) throw Reported{};
  ir::Type t = ir::scalar_type(DType::f32);
  if (type) {
    TypeCx tc;
    tc.scope = s;
    tc.bind = false;
    if (!is_dtype_name(*type, tc)) error(Code::E0401, type->loc, "what is drawn is a tensor");
    t = tensor_type(*type, tc);
  }
  return draw(d, t, loc);
}

}  // namespace tenon::elab
