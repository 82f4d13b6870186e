// Blocks and statements. Jumps need no flags where they end a block: the rest of the block goes into
// the other arm of the `if` that holds the jump ("tail position"), and loops read the outcome.
#include "frontend/elab.h"

#include "frontend/scan.h"

namespace tenon::elab {

Val Elab::block(const ast::Block& b, const ScopePtr& s) {
  return stmts(b.stmts, std::make_shared<Scope>(s), true);
}

namespace {

void names_of(const ast::Pattern& p, std::vector<std::string>& out) {
  if (p.kind == ast::Pattern::name) out.push_back(p.id.text);
  for (auto& e : p.elements) names_of(e, out);
}

// Marks the names of a `var` whose types write `_`.
void may_grow(const ast::Pattern& p, const ast::TypeExpr& type, Scope& s) {
  if (p.kind == ast::Pattern::name && Elab::writes_any_size(type)) s.find_here(p.id.text)->growing = &type;
  if (p.kind == ast::Pattern::tuple && type.kind == ast::TypeExpr::tuple)
    for (size_t i = 0; i < std::min(p.elements.size(), type.elements.size()); ++i)
      may_grow(p.elements[i], *type.elements[i], s);
}

}  // namespace

// After an error in a statement: what it would have defined is poison, so that nobody complains again.
void Elab::poison_names(const ast::Stmt& st, const ScopePtr& s) {
  std::vector<std::string> names;
  switch (st.kind) {
    case ast::Stmt::bind: names_of(ast::as<ast::Bind>(st).pattern, names); break;
    case ast::Stmt::index_bind: names.push_back(ast::as<ast::IndexBind>(st).id.text); break;
    case ast::Stmt::import: {
      const auto& i = ast::as<ast::Import>(st);
      names.push_back(i.as ? i.as->text : i.path);
      break;
    }
    case ast::Stmt::assign: case ast::Stmt::expr: case ast::Stmt::fn: case ast::Stmt::for_: case ast::Stmt::while_:
    case ast::Stmt::jump: case ast::Stmt::model: case ast::Stmt::param: case ast::Stmt::update: case ast::Stmt::train:
    case ast::Stmt::test: case ast::Stmt::bench: case ast::Stmt::derivative: case ast::Stmt::type_def:
    case ast::Stmt::assert_: break;
  }
  for (auto& n : names)
    if (Binding* b = s->find_here(n); !b || b->value == nullptr || s->top) {
      if (b && !b->value) b->value = poison();
      else s->define(n, poison(), true, st.loc);
    }
  for (auto& n : assigned_names({&st}))
    if (Binding* b = lookup(n, s); b && b->mutable_) b->value = poison();
}

bool Elab::guarded(const ast::Stmt& st, const ScopePtr& s, const std::function<void()>& f) {
  size_t depth = cx->b.depth(), loops = cx->loops.size();
  auto recover = [&] {
    cx->b.unwind(depth);
    cx->loops.resize(loops);
    poison_names(st, s);
  };
  if (!recovering) {
    f();
    return true;
  }
  try {
    f();
    return true;
  } catch (const UserError& e) {
    report(e.diagnostic);
    recover();
  } catch (const Reported&) {
    recover();
  }
  return false;
}

Val Elab::stmts(const std::vector<const ast::Stmt*>& list, const ScopePtr& s, bool last_is_value) {
  Val value = unit();
  for (size_t i = 0; i < list.size(); ++i) {
    const ast::Stmt& st = *list[i];
    bool last = i + 1 == list.size();
    Val v = unit();
    bool ok = guarded(st, s, [&] { v = stmt_value(st, s, last && last_is_value); });
    if (last && last_is_value) value = ok ? v : poison();
  }
  return value;
}

// One statement; its value where it has one and it is wanted.
Val Elab::stmt_value(const ast::Stmt& st, const ScopePtr& s, bool want) {
  cx->b.at(st.loc);
  if (st.kind != ast::Stmt::expr) {
    stmt(st, s);
    return unit();
  }
  const ast::Expr& e = *ast::as<ast::ExprStmt>(st).value;
  Val v = e.kind == ast::Expr::if_ ? if_expr(ast::as<ast::IfExpr>(e), s, want) : expr(e, s);
  if (want) return v;
  const auto* c = e.kind == ast::Expr::call ? &ast::as<ast::Call>(e) : nullptr;
  if (c && c->callee->kind == ast::Expr::name && ast::as<ast::NameRef>(*c->callee).id == "debug") return unit();
  if (v->kind != Value::unit && v->kind != Value::poison && v->kind != Value::never) {
    std::string hint = "print it, give it a name with let, or remove it";
    if (e.kind == ast::Expr::binary && ast::as<ast::Binary>(e).op == ast::BinaryOp::eq)
      hint = "`==` compares; `=` assigns";
    if (c && c->callee->kind == ast::Expr::member && ast::as<ast::Member>(*c->callee).id.text == "step" && c->args.size() == 2 &&
        as<TupleVal>(v)) {  // opt.step(net, g): values do not change where they stand
      std::string net(sources.text(c->args[0].value->loc)), opt(sources.text(ast::as<ast::Member>(*c->callee).object->loc));
      hint = "a step gives the changed model and optimizer: (" + net + ", " + opt + ") = " + std::string(sources.text(e.loc));
    }
    error(Code::E0405, e.loc, "this value is not used", hint);
  }
  return unit();
}

void Elab::define(const ScopePtr& s, const ast::Name& id, Val v, bool mutable_) {
  for (auto& n : s->local_names)
    if (n == id.text) {
      std::vector<Note> notes;
      if (Binding* b = s->find_here(id.text)) notes.push_back({b->where, "`" + id.text + "` was defined here"});
      error(Code::E0202, id.loc, "`" + id.text + "` is defined twice in this block",
            "choose another name, or make the first a `var` and assign to it", notes);
    }
  s->local_names.push_back(id.text);
  find_name(id, v, mutable_);
  if (Binding* b = s->find_here(id.text)) {  // declared ahead, or an older unit's
    *b = {id.text, std::move(v), mutable_, id.loc};
    return;
  }
  s->define(id.text, std::move(v), mutable_, id.loc);
}

void Elab::bind_pattern(const ast::Pattern& p, const Val& v, bool mutable_, const ScopePtr& s) {
  if (is_poison(v)) {
    std::vector<std::string> names;
    names_of(p, names);
    for (auto& n : names) s->define(n, v, mutable_, p.loc);
    return;
  }
  switch (p.kind) {
    case ast::Pattern::wildcard: return;
    case ast::Pattern::name:
      if (v->kind == Value::unit)
        error(Code::E0401, p.loc, "there is no value here to name `" + p.id.text + "`",
              "the last line of a function's block is its value");
      define(s, p.id, named_value(v), mutable_);
      return;
    case ast::Pattern::tuple: {
      std::vector<Val> parts;
      if (auto* t = as<TupleVal>(v)) parts = t->elements;
      else if (auto* l = as<ListVal>(v)) parts = l->elements;
      else
        error(Code::E0401, p.loc, "a tuple of " + std::to_string(p.elements.size()) + " is needed here, but this is " + type_text(v));
      if (parts.size() != p.elements.size())
        error(Code::E0401, p.loc, "this names " + std::to_string(p.elements.size()) + " parts, but there are " +
              std::to_string(parts.size()), "`_` stands for a part that nobody names");
      for (size_t i = 0; i < parts.size(); ++i) bind_pattern(p.elements[i], parts[i], mutable_, s);
      return;
    }
  }
}

void Elab::stmt(const ast::Stmt& st, const ScopePtr& s) {
  switch (st.kind) {
    case ast::Stmt::bind: {
      const auto& b = ast::as<ast::Bind>(st);
      const ast::TypeExpr* written = b.type;  // behind its names
      for (const TypeVal* named; written && (named = type_named(*written, s));) written = named->written;
      Val v;
      if (b.draw) {
        v = draw_value(*b.value, b.type, s, st.loc);
      } else {
        const ast::TypeExpr* outer = wanted;  // a reader takes its dtypes from here (rule 26)
        ScopePtr outer_scope = wanted_scope;
        wanted = b.type;
        wanted_scope = s;
        bool any_outer = any_size_wanted;
        any_size_wanted = written && writes_any_size(*written);
        try {
          v = expr(*b.value, s);
        } catch (...) {
          wanted = outer;
          wanted_scope = outer_scope;
          any_size_wanted = any_outer;
          throw;
        }
        wanted = outer;
        wanted_scope = outer_scope;
        any_size_wanted = any_outer;
        if (b.type) v = declared(*b.type, v, s, b.value->loc);
      }
      cx->b.at(st.loc);
      bind_pattern(b.pattern, v, b.mutable_, s);
      if (b.mutable_ && written) may_grow(b.pattern, *written, *s);
      return;
    }
    case ast::Stmt::index_bind: {
      const auto& b = ast::as<ast::IndexBind>(st);
      define(s, b.id, index_bind(b, s), b.mutable_);
      return;
    }
    case ast::Stmt::assign: assign(ast::as<ast::Assign>(st), s); return;
    case ast::Stmt::expr: stmt_value(st, s, false); return;
    case ast::Stmt::fn: {
      if (s->top) return;  // declared ahead of the unit
      const auto& d = ast::as<ast::FnDecl>(st);
      auto f = std::make_shared<FunctionVal>(FunctionVal::named);
      f->decl = &d;
      auto inner = std::make_shared<Scope>(freeze(s));
      f->scope = inner;
      f->id = next_id++;
      kept_scopes.push_back(inner);  // instances are keyed by it
      inner->define(d.id.text, f, false, d.id.loc);
      define(s, d.id, f, false);
      return;
    }
    case ast::Stmt::for_: for_stmt(ast::as<ast::For>(st), s, nullptr); return;
    case ast::Stmt::while_: while_stmt(ast::as<ast::While>(st), s, nullptr); return;
    case ast::Stmt::jump: {
      const auto& j = ast::as<ast::Jump>(st);
      if (j.what == ast::Jump::return_)
        error(Code::E0407, st.loc, "`return` cannot stand here",
              "it stands in a function, as a statement of its own or of an `if` or a loop");
      error(Code::E0407, st.loc, std::string(j.what == ast::Jump::break_ ? "`break`" : "`continue`") + " outside of a loop");
    }
    case ast::Stmt::model: return;
    case ast::Stmt::param: error(Code::E0601, st.loc, "`param` and `state` stand in a model only");
    case ast::Stmt::update: {
      const auto& u = ast::as<ast::Update>(st);
      update_state(u, s);
      return;
    }
    case ast::Stmt::train: train(ast::as<ast::Train>(st), s); return;
    case ast::Stmt::test:
    case ast::Stmt::bench: return;
    case ast::Stmt::derivative: return;
    case ast::Stmt::type_def: {
      if (s->top) return;
      error(Code::E0201, st.loc, "`type` stands at the top level of a file");
    }
    case ast::Stmt::import: {
      const auto& i = ast::as<ast::Import>(st);
      if (!s->top) error(Code::E0201, st.loc, "`import` stands at the top level of a file");
      Val m = module_named(i.path, i.file, st.loc);
      std::string id = i.path;
      if (i.file) {
        size_t slash = id.find_last_of('/');
        if (slash != std::string::npos) id = id.substr(slash + 1);
        if (id.ends_with(".model")) id.resize(id.size() - 6);
      }
      define(s, i.as ? *i.as : ast::Name{id, st.loc}, m, false);
      return;
    }
    case ast::Stmt::assert_: assert_stmt(ast::as<ast::Assert>(st), s); return;
  }
}

// ---------------------------------------------------------------- assert

void Elab::assert_stmt(const ast::Assert& a, const ScopePtr& s) {
  const ast::Expr& e = *a.value;
  std::string text(sources.text(e.loc));
  for (char& c : text) if (c == '\n' || c == '{' || c == '}') c = c == '\n' ? ' ' : c == '{' ? '(' : ')';
  if (e.kind == ast::Expr::call) {
    const auto& c = ast::as<ast::Call>(e);
    if (c.callee->kind == ast::Expr::name && ast::as<ast::NameRef>(*c.callee).id == "fails") {
      assert_fails(c, s);
      return;
    }
  }
  auto check = [&](ir::Value ok, std::vector<ir::Value> shown, std::string what) {
    std::vector<ir::Value> operands{ok};
    if (a.message) {  // assert e, "text"
      Val m = expr(*a.message, s);
      if (m->kind != Value::string) error(Code::E0401, a.message->loc, "the message of an assert is a string, but this is " + type_text(m));
      std::string said = holes(as<StringVal>(m)->pieces, operands);
      what = said + "\n  " + what;
    }
    operands.insert(operands.end(), shown.begin(), shown.end());
    cx->b.at(e.loc);
    cx->b.emit(ir::Op::check, operands, ir::CheckAttr{Code::E0804, what, "", Fault::data});
  };
  auto shown = [&](const Val& v) -> std::optional<ir::Value> {
    Val w = v;
    if (!is_numberlike(v)) return std::nullopt;
    if (auto* f = as<FloatVal>(v)) return float_value(*f);
    if (auto* i = as<IntVal>(v)) return int_value(*i);
    return use(as_tensor(w, e.loc));
  };
  // Both sides, and of tensors where they differ: all of it is made when the assertion fails, not before.
  auto check_sides = [&](ir::Value ok, const Val& x, const Val& y, bool where) {
    auto sx = shown(x), sy = shown(y);
    if (!sx || !sy) return check(ok, {}, "assertion failed: " + text);
    std::vector<ir::Value> list{*sx, *sy};
    std::string what = "assertion failed: " + text + "\n  left:  {}\n  right: {}";
    const ir::Type tx = cx->fn->type(*sx), ty = cx->fn->type(*sy);
    if (where && !tx.scalar() && tx == ty) {
      list.insert(list.end(), {*sx, *sy});
      what += "\n  {difference}";
    }
    check(ok, std::move(list), std::move(what));
  };
  if (e.kind == ast::Expr::binary) {
    const auto& b = ast::as<ast::Binary>(e);
    using Op = ast::BinaryOp;
    bool cmp = b.op == Op::eq || b.op == Op::ne || b.op == Op::lt || b.op == Op::le || b.op == Op::gt || b.op == Op::ge;
    if (cmp) {
      Val x = expr(*b.a, s), y = expr(*b.b, s);
      Val ok = binary(b.op, x, y, e.loc, b.a->loc, b.b->loc);
      // A literal beside a tensor is shown in the tensor's dtype, as it was compared.
      if (as<TensorVal>(x) && as<WeakVal>(y)) y = tensor(to_dtype(y, *dtype_of(x), b.b->loc));
      if (as<TensorVal>(y) && as<WeakVal>(x)) x = tensor(to_dtype(x, *dtype_of(y), b.a->loc));
      check_sides(use(as_tensor(ok, e.loc)), x, y, b.op == Op::eq);
      return;
    }
  }
  if (e.kind == ast::Expr::call) {  // assert close(a, b, ..)
    const auto& c = ast::as<ast::Call>(e);
    const bool close = c.callee->kind == ast::Expr::name && ast::as<ast::NameRef>(*c.callee).id == "close" && !lookup("close", s);
    if (close && c.args.size() >= 2 && !c.args[0].id && !c.args[1].id) {
      Args args;
      args.loc = c.loc;
      for (auto& g : c.args) {
        Val v = expr(*g.value, s);
        if (is_poison(v)) throw Reported{};
        args.list.push_back({g.id ? g.id->text : "", v, g.value->loc});
      }
      Val& x = args.list[0].value;
      Val& y = args.list[1].value;
      cx->b.at(e.loc);
      Val ok = call(expr(*c.callee, s), args);
      if (as<TensorVal>(x) && is_weak(y) && is_float(*dtype_of(x))) y = tensor(to_dtype(y, *dtype_of(x), e.loc));
      if (as<TensorVal>(y) && is_weak(x) && is_float(*dtype_of(y))) x = tensor(to_dtype(x, *dtype_of(y), e.loc));
      if (as<WeakVal>(x) && as<WeakVal>(y)) {  // compared as doubles
        x = tensor(to_dtype(x, DType::f64, e.loc));
        y = tensor(to_dtype(y, DType::f64, e.loc));
      }
      check_sides(use(as_tensor(ok, e.loc)), x, y, true);
      return;
    }
  }
  Val v = expr(e, s);
  if (is_poison(v)) throw Reported{};
  if (dtype_of(v) != DType::boolean)
    error(Code::E0401, e.loc, "`assert` needs a bool or a bool tensor, but this is " + type_text(v));
  check(use(*as<TensorVal>(v)), {}, "assertion failed: " + text);
}

// ---------------------------------------------------------------- tail position

Val Elab::tail(const Cont* c, const Tail& t) {
  Val last = unit();
  while (c) {
    if (c->at >= c->list->size()) {
      c = c->next;
      continue;
    }
    const ast::Stmt& st = *(*c->list)[c->at];
    Cont rest{c->list, c->at + 1, c->scope, c->next};
    const Cont* next = &rest;
    while (next && next->at >= next->list->size()) next = next->next;
    Jumps jumps = scan_jumps({&st});
    bool relevant = jumps.returns || jumps.breaks;
    if (st.kind == ast::Stmt::jump) {
      const auto& j = ast::as<ast::Jump>(st);
      cx->b.at(st.loc);
      switch (j.what) {
        case ast::Jump::return_:
          if (!t.on_return) error(Code::E0407, st.loc, "`return` outside of a function");
          return t.on_return(j.value ? named_value(expr(*j.value, c->scope)) : unit(), st.loc);
        case ast::Jump::break_:
          if (!t.on_break) error(Code::E0407, st.loc, "`break` outside of a loop");
          return t.on_break(st.loc);
        case ast::Jump::continue_:
          if (!t.on_continue) error(Code::E0407, st.loc, "`continue` outside of a loop");
          return t.on_continue(st.loc);
      }
    }
    if (relevant && st.kind == ast::Stmt::expr &&
        ast::as<ast::ExprStmt>(st).value->kind == ast::Expr::if_) {
      const auto& e = ast::as<ast::IfExpr>(*ast::as<ast::ExprStmt>(st).value);
      Val cond = condition(*e.condition, c->scope, "`if`");
      static const std::vector<const ast::Stmt*> kNothing;
      auto arm = [&](const ast::Block* b) {
        Cont inner{b ? &b->stmts : &kNothing, 0, std::make_shared<Scope>(c->scope), &rest};
        return tail(&inner, t);
      };
      if (auto k = known_bool(cond)) return arm(*k ? e.then : e.otherwise);
      if (next && may_fall_through(e.then->stmts) && (!e.otherwise || may_fall_through(e.otherwise->stmts)))
        return join_and_go_on(e, cond, c->scope, rest, t);
      return branches(cond, [&] { return arm(e.then); }, [&] { return arm(e.otherwise); },
                      every_var(c->scope), st.loc, true);
    }
    if (jumps.returns && (st.kind == ast::Stmt::for_ || st.kind == ast::Stmt::while_)) {
      LoopReturn ret;
      bool ok = guarded(st, c->scope, [&] {
        if (st.kind == ast::Stmt::for_) for_stmt(ast::as<ast::For>(st), c->scope, &ret);
        else while_stmt(ast::as<ast::While>(st), c->scope, &ret);
      });
      if (!ok) throw Reported{};
      if (!ret.flag) {  // unrolled or never returns
        c = next ? &keep_cont(*next) : nullptr;
        continue;
      }
      if (known_bool(ret.flag) == true) return t.on_return(ret.value, st.loc);
      Cont after = rest;
      return branches(ret.flag, [&] { return t.on_return(ret.value, st.loc); },
                      [&] { return tail(&after, t); }, every_var(c->scope), st.loc, true);
    }
    if (jumps.returns || (jumps.breaks && st.kind != ast::Stmt::for_ && st.kind != ast::Stmt::while_))
      error(Code::E0407, st.loc, "`return`, `break` and `continue` stand as statements of their own, of an `if` or of a loop",
            "take the `if` that holds it out of the expression");
    bool want = !next && t.want_value;
    bool ok = guarded(st, c->scope, [&] { last = stmt_value(st, c->scope, want); });
    if (!ok) last = poison();
    c = next ? &keep_cont(*next) : nullptr;
  }
  if (is_poison(last)) throw Reported{};
  return t.end(last);
}

// An `if` both of whose arms may go on to what follows, while some path inside jumps: what follows is
// to be written once, so the arms say by a number how they ended, and with which value.
Val Elab::join_and_go_on(const ast::IfExpr& e, const Val& cond, const ScopePtr& s, const Cont& rest, const Tail& t) {
  enum How { fell, returned, broke, continued };
  bool seen[4] = {};
  Loc where[4] = {};
  auto outcome = [&](How how, const Val& v, Loc loc) -> Val {
    seen[how] = true;
    where[how] = loc;
    return std::make_shared<TupleVal>(std::vector<Val>{tensor(cx->b.integer(how)), v});
  };
  const Val never = std::make_shared<NeverVal>();
  Tail inner;
  inner.end = [&](const Val&) { return outcome(fell, never, e.loc); };
  if (t.on_return) inner.on_return = [&](const Val& v, Loc loc) { return outcome(returned, v, loc); };
  if (t.on_break) inner.on_break = [&](Loc loc) { return outcome(broke, never, loc); };
  if (t.on_continue) inner.on_continue = [&](Loc loc) { return outcome(continued, never, loc); };
  auto arm = [&](const ast::Block* b) -> Val {
    if (!b) return inner.end(unit());
    Cont start{&b->stmts, 0, std::make_shared<Scope>(s), nullptr};
    return tail(&start, inner);
  };
  const Val out = branches(cond, [&] { return arm(e.then); }, [&] { return arm(e.otherwise); }, every_var(s), e.loc, true);
  const auto& parts = as<TupleVal>(out)->elements;
  std::function<Val(int)> go_on = [&](int how) -> Val {
    while (how <= continued && !seen[how]) ++how;
    auto jump = [&]() -> Val {
      if (how == returned) return t.on_return(parts[1], where[how]);
      return how == broke ? t.on_break(where[how]) : t.on_continue(where[how]);
    };
    if (how > continued) return tail(&rest, t);
    int after = how + 1;
    while (after <= continued && !seen[after]) ++after;
    if (after > continued && !seen[fell]) return jump();
    const ir::Value is = cx->b.scalar(ir::Op::eq, {use(*as<TensorVal>(parts[0])), cx->b.integer(how)});
    return branches(tensor(is), jump, [&] { return go_on(after); }, every_var(s), e.loc, true);
  };
  return go_on(returned);
}

Val Elab::body_value(const ast::FnBody& body, const ScopePtr& s) {
  if (body.expr) return named_value(expr(*body.expr, s));
  auto scope = std::make_shared<Scope>(s);
  if (!scan_jumps(body.block->stmts).returns) return named_value(stmts(body.block->stmts, scope, true));
  Tail t;
  t.want_value = true;
  t.end = [&](const Val& v) { return named_value(v); };
  t.on_return = [&](const Val& v, Loc) { return v; };
  Cont c{&body.block->stmts, 0, scope, nullptr};
  return tail(&c, t);
}

// Conts on the C++ stack point at their successors; one that outlives its frame is kept here.
const Elab::Cont& Elab::keep_cont(const Cont& c) {
  conts.push_back(std::make_unique<Cont>(c));
  return *conts.back();
}

}  // namespace tenon::elab
