// if, for, while. What a branch or a loop assigns becomes a result of its node; a loop is elaborated
// again when a turn shows that something it carries has a wider type than it began with.
#include "frontend/elab.h"
#include "frontend/scan.h"

namespace tenon::elab {

std::vector<Elab::Var> Elab::vars_named(const std::set<std::string>& names, const ScopePtr& s) {
  std::vector<Var> out;
  std::set<std::string> left = names;
  for (Scope* at = s.get(); at && !left.empty(); at = at->parent.get())
    for (size_t i = at->bindings.size(); i-- > 0;)
      if (left.erase(at->bindings[i].name) && at->bindings[i].mutable_ && at->bindings[i].value)
        out.push_back({at, i});
  return out;
}

std::vector<Elab::Var> Elab::every_var(const ScopePtr& s) {
  std::vector<Var> out;
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (size_t i = 0; i < at->bindings.size(); ++i)
      if (at->bindings[i].mutable_ && at->bindings[i].value) out.push_back({at, i});
  return out;
}

Val Elab::if_expr(const ast::IfExpr& e, const ScopePtr& s, bool want_value) {
  Val cond = condition(*e.condition, s, "`if`");
  auto arm = [&](const ast::Block* b) -> Val {
    if (!b) return unit();
    Val v = stmts(b->stmts, std::make_shared<Scope>(s), want_value);
    if (is_poison(v)) throw Reported{};
    return v;
  };
  if (auto k = known_bool(cond)) return arm(*k ? e.then : e.otherwise);
  if (want_value && !e.otherwise && !e.then->stmts.empty() && e.then->stmts.back()->kind == ast::Stmt::expr) {
    // Its last line would be the value: of what, where the condition is false?
    const ast::Expr& last = *ast::as<ast::ExprStmt>(*e.then->stmts.back()).value;
    if (last.kind == ast::Expr::int_lit || last.kind == ast::Expr::float_lit || last.kind == ast::Expr::string_lit || last.kind == ast::Expr::name || last.kind == ast::Expr::binary)
      error(Code::E0401, e.loc, "an `if` without `else` has no value", "say what it is otherwise: else { .. }");
  }
  if (want_value && !e.otherwise) want_value = false;
  std::set<std::string> names = assigned_names(e.then->stmts);
  if (e.otherwise) names.merge(assigned_names(e.otherwise->stmts));
  try {
    return branches(cond, [&] { return arm(e.then); }, [&] { return arm(e.otherwise); },
                    vars_named(names, s), e.loc, want_value);
  } catch (const UserError& err) {
    // Arms of different types are fine where the condition can be static.
    if (err.diagnostic.code == Code::E0408) {
      auto* t = as<TensorVal>(cond);
      for (FnCx* f : stack)
        if (t && f->id == t->leaf.owner)
          if (auto it = f->value_param.find(t->leaf.v); it != f->value_param.end())
            throw DemandStatic{f->id, it->second};
      if (e.condition->kind == ast::Expr::binary)  // n == 0 on an int parameter
        for (auto* side : {ast::as<ast::Binary>(*e.condition).a, ast::as<ast::Binary>(*e.condition).b})
          if (side->kind == ast::Expr::name)
            if (Binding* b = lookup(ast::as<ast::NameRef>(*side).id, s); b && b->value && as<IntVal>(b->value) &&
                as<IntVal>(b->value)->dim)
              for (SymId sym : dims.symbols(*as<IntVal>(b->value)->dim))
                for (FnCx* f : stack)
                  if (auto it = f->symbol_param.find(sym); it != f->symbol_param.end())
                    throw DemandStatic{f->id, it->second};
    }
    throw;
  }
}

Val Elab::branches(const Val& cond, const std::function<Val()>& then, const std::function<Val()>& otherwise,
                   const std::vector<Var>& assigned, Loc loc, bool want_value) {
  cx->b.at(loc);
  const auto& ct = *as<TensorVal>(cond);
  ir::Value c = use(ct);
  std::vector<Val> before;
  for (auto& v : assigned) before.push_back(v.value());
  auto restore = [&] {
    for (size_t i = 0; i < assigned.size(); ++i) assigned[i].value() = before[i];
  };
  struct Arm {
    Val value;
    std::vector<Val> vars;
    ir::Region region;
  };
  auto run = [&](const std::function<Val()>& f) {
    Arm a;
    cx->b.open({});
    try {
      a.value = f();
    } catch (...) {
      restore();
      throw;
    }
    for (auto& v : assigned) a.vars.push_back(v.value());
    restore();
    a.region = cx->b.close({});
    return a;
  };
  Arm x = run(then), y = run(otherwise);
  if (!want_value) x.value = y.value = unit();
  // Join what came out of both.
  std::string why;
  Val value = join(x.value, y.value, why, any_size_wanted);
  if (!value && (x.value->kind == Value::unit || y.value->kind == Value::unit))
    error(Code::E0408, loc, "one way through this `if` gives " + type_text(x.value->kind == Value::unit ? y.value : x.value) +
          ", the other ends without a value", "both ways need a value: the last line of a block, or a `return`");
  if (!value) error(Code::E0408, loc, "the two arms of this `if` give different types: " + why,
                    "both arms need one type; without `else` the value is nothing");
  value = without_hidden_sizes(value);
  std::vector<Val> vars;
  for (size_t i = 0; i < assigned.size(); ++i) {
    std::string w;
    Val j = join_var(assigned[i], x.vars[i], y.vars[i], w);
    if (j && j != before[i]) j = without_hidden_sizes(j);
    if (!j)
      error(Code::E0408, loc, "after this `if`, `" + assigned[i].scope->bindings[assigned[i].at].name +
            "` would have different types: " + w,
            size_hint(assigned[i], x.vars[i], y.vars[i], "assign a value of one type in both arms"));
    vars.push_back(j);
  }
  auto finish = [&](Arm& a) {
    cx->b.resume(std::move(a.region));
    cx->b.at(loc);
    std::vector<ir::Value> out;
    hand_on(a.value, value, out);
    for (size_t i = 0; i < vars.size(); ++i)
      if (vars[i] != before[i]) hand_on(a.vars[i], vars[i], out);
    a.region = cx->b.close(std::move(out));
  };
  finish(x);
  finish(y);
  std::vector<ir::Region> regions;
  regions.push_back(std::move(x.region));
  regions.push_back(std::move(y.region));
  cx->b.at(loc);
  std::vector<ir::Value> results = cx->b.emit(ir::Op::if_, {c}, {}, std::move(regions)).results;
  size_t next = 0;
  auto take = [&](const Val& v) { return receive(v, results, next); };
  value = take(value);
  for (size_t i = 0; i < vars.size(); ++i)
    if (vars[i] != before[i]) assigned[i].value() = take(vars[i]);
  return value;
}

// ---------------------------------------------------------------- loops

// What for and while have in common.
struct Elab::LoopSpec {
  Loc loc;
  const std::vector<const ast::Stmt*>* body;
  ScopePtr scope;                                        // around the body
  std::function<void(const Val& i, const ScopePtr&)> begin;  // binds the pattern; for only
  Val lo, hi;                                            // for only
  const ast::Expr* condition = nullptr;                  // while only
  bool breaks = false;
  std::function<void(const std::string& name, const std::string& why)> unfit;
};

namespace {

struct Again {};  // the loop has learned a wider type: elaborate it again

// A value of a var that may grow, where each `_` of its declared type is any size.
Val any_sized(const Val& v, const ast::TypeExpr& type, DimId any) {
  if (auto* t = as<TensorVal>(v); t && type.dims.size() == t->type.rank()) {
    auto wide = std::make_shared<TensorVal>(*t);
    wide->known = nullptr;
    for (size_t i = 0; i < type.dims.size(); ++i)
      if (type.dims[i]->kind == ast::DimExpr::wildcard) wide->type.shape[i] = any;
    return wide;
  }
  if (auto* r = as<RecordVal>(v)) {
    auto wide = std::make_shared<RecordVal>(*r);
    for (auto& [name, part] : wide->fields)
      for (auto& f : type.fields)
        if (f.id.text == name) part = any_sized(part, *f.type, any);
    return wide;
  }
  if (auto* t = as<TupleVal>(v); t && type.kind == ast::TypeExpr::tuple && t->elements.size() == type.elements.size()) {
    auto wide = std::make_shared<TupleVal>(*t);
    for (size_t i = 0; i < wide->elements.size(); ++i)
      wide->elements[i] = any_sized(wide->elements[i], *type.elements[i], any);
    return wide;
  }
  return v;
}

}  // namespace

void Elab::run_loop(LoopSpec& spec, LoopReturn* returns) {
  Jumps jumps = scan_jumps(*spec.body);
  if (jumps.returns && !returns)
    error(Code::E0407, spec.loc, "this loop returns from its function, but does not stand as a statement of it");
  bool is_for = spec.begin != nullptr;
  bool flags = jumps.breaks || jumps.returns;  // then a run-time `go` ends the loop
  bool as_while = !is_for || flags;
  std::vector<Var> vars = vars_named(assigned_names(*spec.body), spec.scope);
  if (spec.condition) {
    auto more = assigned_names(*spec.condition);
    for (auto& v : vars_named(more, spec.scope)) vars.push_back(v);
  }
  std::vector<Val> before, targets;
  for (auto& v : vars) {
    before.push_back(v.value());
    if (is_poison(v.value())) throw Reported{};
    targets.push_back(dynamic(v.value()));
  }
  const size_t known_errors = messages.size();
  bool may_widen = false;
  for (auto& v : vars) may_widen |= v.scope->bindings[v.at].growing != nullptr;
  bool counter = is_for && as_while;  // an i64 carried along
  Val ret_target;                     // known after the first turn that returns
  int64_t draws = cx->draws;
  size_t depth = cx->b.depth(), frames = cx->loops.size();
  auto restore = [&] {
    for (size_t i = 0; i < vars.size(); ++i) vars[i].value() = before[i];
    cx->b.unwind(depth);
    cx->loops.resize(frames);
    cx->draws = draws;
  };
  for (int attempt = 0;; ++attempt) {
    if (attempt == 12)
      error(Code::E0408, spec.loc, "the types of what this loop carries do not settle");
    try {
      if (ret_target) ret_target = without_hidden_sizes(ret_target);  // what a turn has bound is gone
      cx->b.at(spec.loc);
      // Initial values of: [counter] [go] [returned] [return value] vars
      std::vector<ir::Value> init;
      std::vector<ir::Type> types;
      auto carry = [&](ir::Value v) {
        init.push_back(v);
        types.push_back(cx->fn->type(v));
      };
      ir::Value lo = ir::kNoValue, hi = ir::kNoValue;
      if (is_for) {
        lo = int_value(*as<IntVal>(spec.lo));
        hi = int_value(*as<IntVal>(spec.hi));
      }
      if (counter) carry(is_for ? lo : cx->b.integer(0));
      if (flags) carry(cx->b.boolean(true));
      bool returning = jumps.returns && ret_target;
      if (returning) {
        carry(cx->b.boolean(false));
        std::vector<ir::Value> zero;
        hand_on(std::make_shared<NeverVal>(), ret_target, zero);
        for (ir::Value v : zero) carry(v);
      }
      for (size_t i = 0; i < vars.size(); ++i) {
        std::vector<ir::Value> v;
        hand_on(before[i], targets[i], v);
        for (ir::Value x : v) carry(x);
      }
      // Puts the carried values of a region in place; gives the flags.
      struct Carried {
        ir::Value counter = ir::kNoValue, go = ir::kNoValue, returned = ir::kNoValue;
        Val ret;
      };
      auto enter = [&](const std::vector<ir::Value>& params, size_t next) {
        Carried c;
        auto take = [&](const Val& t) { return receive(t, params, next); };
        if (counter) c.counter = params[next++];
        if (flags) c.go = params[next++];
        if (returning) {
          c.returned = params[next++];
          c.ret = take(ret_target);
        }
        for (size_t i = 0; i < vars.size(); ++i) vars[i].value() = take(targets[i]);
        return c;
      };
      // One turn's outcome: what the next turn gets.
      std::vector<ir::Region> regions;
      if (as_while) {
        std::vector<ir::Value> params = cx->b.open(types);
        Carried c = enter(params, 0);
        Val ok;
        auto test = [&]() -> Val {
          if (is_for) return tensor(cx->b.scalar(ir::Op::lt, {c.counter, hi}));
          return condition(*spec.condition, spec.scope, "`while`");
        };
        if (flags && !is_for)
          ok = branches(tensor(c.go), test, [&] { return boolean(false); }, {}, spec.loc, true);
        else if (flags)
          ok = tensor(cx->b.scalar(ir::Op::and_, {c.go, use(*as<TensorVal>(test()))}));
        else
          ok = test();
        ir::Value okv = use(*as<TensorVal>(ok));
        regions.push_back(cx->b.close({okv}));
      }
      std::vector<ir::Type> body_types = types;
      if (!as_while) body_types.insert(body_types.begin(), ir::scalar_type(DType::i64));
      std::vector<ir::Value> params = cx->b.open(body_types);
      Carried c = enter(params, as_while ? 0 : 1);
      ir::Value index = is_for ? (as_while ? c.counter : params[0]) : counter ? c.counter : ir::kNoValue;
      cx->loops.push_back({index == ir::kNoValue ? Leaf{} : leaf(index)});
      auto inner = std::make_shared<Scope>(spec.scope);
      if (is_for) spec.begin(int_from(index), inner);
      // The outcome as a tuple: go, returned, return value, vars.
      auto outcome = [&](Val go, Val returned, Val ret) -> Val {
        std::vector<Val> parts;
        if (flags) parts.push_back(go);
        if (returning) {
          parts.push_back(returned);
          parts.push_back(ret);
        }
        for (auto& v : vars) parts.push_back(v.value());
        return std::make_shared<TupleVal>(std::move(parts));
      };
      auto no_ret = [&]() -> Val { return returning ? c.ret : nullptr; };
      auto flag = [&](bool v) -> Val { return std::make_shared<TensorVal>(leaf(cx->b.boolean(v)), ir::scalar_type(DType::boolean)); };
      Val out;
      if (flags) {
        // Each end of a turn gives all vars, those that grow included.
        bool grows = std::any_of(vars.begin(), vars.end(), [](const Var& v) { return v.scope->bindings[v.at].growing; });
        struct Restore {
          bool& at;
          bool before;
          ~Restore() { at = before; }
        } wanted_before{any_size_wanted, any_size_wanted};
        any_size_wanted |= grows;
        Tail t;
        t.end = [&](const Val&) { return outcome(flag(true), flag(false), no_ret()); };
        t.on_continue = [&](Loc) { return outcome(flag(true), flag(false), no_ret()); };
        t.on_break = [&](Loc) { return outcome(flag(false), flag(false), no_ret()); };
        if (jumps.returns)
          t.on_return = [&](const Val& v, Loc loc) -> Val {
            if (!ret_target) {
              ret_target = dynamic(v);
              throw Again{};
            }
            std::string why;
            Val j = join(ret_target, v, why, any_size_wanted);
            if (!j) error(Code::E0408, loc, "this `return` and another one give different types: " + why);
            std::vector<FlatLeaf> p, q;
            flatten(dynamic(j), p);
            flatten(ret_target, q);
            for (size_t i = 0; i < std::min(p.size(), q.size()); ++i)
              if (!(p[i].type == q[i].type)) {
                ret_target = dynamic(j);
                throw Again{};
              }
            return outcome(flag(false), flag(true), coerce(v, ret_target));
          };
        Cont start{spec.body, 0, inner, nullptr};
        out = tail(&start, t);
      } else {
        size_t errors = messages.size();
        stmts(*spec.body, inner, false);
        if (messages.size() > errors) {  // reported inside: what the loop assigns is not to be trusted
          restore();
          throw Reported{};
        }
        out = outcome(nullptr, nullptr, nullptr);
      }
      // Did every var keep its type?
      const auto& parts = as<TupleVal>(out)->elements;
      size_t first = parts.size() - vars.size();
      bool wider = false;
      for (size_t i = 0; i < vars.size(); ++i) {
        std::string why;
        Val j = join_var(vars[i], targets[i], parts[first + i], why);
        const std::string& id = vars[i].scope->bindings[vars[i].at].name;
        if (!j)
          error(Code::E0408, spec.loc, "`" + id + "` does not keep its type from one turn of this loop to the next: " + why,
                size_hint(vars[i], targets[i], parts[first + i], "a var has one type"));
        std::vector<FlatLeaf> p, q;
        flatten(dynamic(j), p);
        flatten(targets[i], q);
        bool same = p.size() == q.size() && j->kind == targets[i]->kind;
        for (size_t k = 0; same && k < p.size(); ++k) same = p[k].type == q[k].type && p[k].argument == q[k].argument;
        if (!same) {
          targets[i] = dynamic(j);
          wider = true;
        }
      }
      if (wider) throw Again{};
      std::vector<ir::Value> results;
      if (counter) results.push_back(cx->b.scalar(ir::Op::add, {c.counter, cx->b.integer(1)}));
      size_t k = 0;
      if (flags) leaf_values(parts[k++], results);
      if (returning) {
        leaf_values(parts[k++], results);
        hand_on(parts[k++], ret_target, results);
      }
      for (size_t i = 0; i < vars.size(); ++i) hand_on(parts[first + i], targets[i], results);
      regions.push_back(cx->b.close(std::move(results)));
      cx->loops.resize(frames);
      cx->b.at(spec.loc);
      std::vector<ir::Value> operands = init;
      if (!as_while) operands.insert(operands.begin(), {lo, hi});
      std::vector<ir::Value> done =
          cx->b.emit(as_while ? ir::Op::while_ : ir::Op::for_, operands, {}, std::move(regions)).results;
      Carried end = enter(done, 0);
      if (returns && returning) {
        returns->flag = tensor(end.returned);
        returns->value = end.ret;
      }
      return;
    } catch (const Again&) {
      restore();
    } catch (const NeedsCounter& n) {
      if (n.frame != frames || is_for) throw;
      restore();
      counter = true;
    } catch (...) {
      restore();
      if (!may_widen) throw;
      // A size that only the first turn has may be what is wrong: stack[..-1] of a stack that starts empty.
      may_widen = false;
      messages.resize(known_errors);
      for (size_t i = 0; i < vars.size(); ++i)
        if (const ast::TypeExpr* type = vars[i].scope->bindings[vars[i].at].growing)
          targets[i] = any_sized(targets[i], *type, dims.any());
    }
  }
}

Elab::Items Elab::items(const Val& source, Loc loc) {
  if (is_poison(source)) throw Reported{};
  Items it;
  if (auto* r = as<RangeVal>(source)) {
    it.lo = r->lo;
    it.hi = r->hi;
    it.get = [](const Val& i) { return i; };
  } else if (auto* l = as<ListVal>(source)) {
    it.known = l->elements;
  } else if (auto* t = as<TupleVal>(source)) {
    it.known = t->elements;
  } else if (auto* q = as<SequenceVal>(source)) {
    it.lo = integer(0);
    it.hi = q->count;
    Val get = q->get;
    it.get = [this, get, loc](const Val& i) { return call(get, Args{{{"", i, loc}}, loc}); };
  } else if (source->kind == Value::weak || (as<TensorVal>(source) && !as<TensorVal>(source)->type.scalar()) ||
             source->kind == Value::record) {
    Val v = named_value(source);
    it.lo = integer(0);
    it.hi = std::make_shared<IntVal>(first_size(v, loc));
    it.get = [this, v, loc](const Val& i) { return row(v, int_value(*as<IntVal>(i)), loc); };
  } else {
    error(Code::E0401, loc, "`for` runs over a range, a list or the first axis of a tensor, but this is " + type_text(source),
          source->kind == Value::integer ? "for i in 0..n counts from 0 to n - 1" : "");
  }
  return it;
}

void Elab::unrolled(const ast::For& f, const std::vector<Val>& list, const ScopePtr& s, LoopReturn* returns) {
  Jumps jumps = scan_jumps(f.body->stmts);
  if (list.size() > 1024)
    error(Code::E0403, f.loc, "this loop would be repeated " + std::to_string(list.size()) + " times when compiling; 1024 is the most");
  if (jumps.breaks || jumps.returns) return unrolled_with_jumps(f, list, s, returns);
  for (auto& v : list) {
    auto inner = std::make_shared<Scope>(s);
    bind_pattern(f.pattern, v, false, inner);
    size_t errors = messages.size();
    stmts(f.body->stmts, inner, false);
    if (messages.size() > errors) return;
  }
}

// A turn tells whether the next one follows; where only the run knows, that one stands in an `if`.
void Elab::unrolled_with_jumps(const ast::For& f, const std::vector<Val>& list, const ScopePtr& s, LoopReturn* returns) {
  const bool may_return = scan_jumps(f.body->stmts).returns;
  if (may_return && !returns)
    error(Code::E0407, f.loc, "this loop returns from its function, but does not stand as a statement of it");
  if (list.empty()) return;
  const std::vector<Var> vars = every_var(s);
  struct Restore {
    bool& at;
    bool before;
    ~Restore() { at = before; }
  } wanted_before{any_size_wanted, any_size_wanted};
  for (auto& v : vars) any_size_wanted |= v.scope->bindings[v.at].growing != nullptr;
  auto outcome = [&](bool go, bool returned, const Val& value) -> Val {
    return std::make_shared<TupleVal>(std::vector<Val>{boolean(go), boolean(returned), value});
  };
  const Val never = std::make_shared<NeverVal>();
  Tail t;
  t.end = [&](const Val&) { return outcome(true, false, never); };
  t.on_continue = [&](Loc) { return outcome(true, false, never); };
  t.on_break = [&](Loc) { return outcome(false, false, never); };
  if (may_return) t.on_return = [&](const Val& v, Loc) { return outcome(false, true, v); };
  std::function<Val(size_t)> turns = [&](size_t from) -> Val {
    for (size_t k = from;; ++k) {
      auto inner = std::make_shared<Scope>(s);
      bind_pattern(f.pattern, list[k], false, inner);
      Cont start{&f.body->stmts, 0, inner, nullptr};
      const size_t errors = messages.size();
      Val out = tail(&start, t);
      if (messages.size() > errors) throw Reported{};
      const Val go = as<TupleVal>(out)->elements[0];
      const std::optional<bool> known = known_bool(go);
      if (k + 1 == list.size() || known == false) return out;
      if (known != true) return branches(go, [&] { return turns(k + 1); }, [&] { return out; }, vars, f.loc, true);
    }
  };
  Val out = turns(0);
  if (!may_return) return;
  const auto& parts = as<TupleVal>(out)->elements;
  if (known_bool(parts[1]) == false) return;
  returns->flag = parts[1];
  returns->value = parts[2];
}

void Elab::for_stmt(const ast::For& f, const ScopePtr& s, LoopReturn* returns) {
  Items it = items(expr(*f.source, s), f.source->loc);
  if (it.known) {
    unrolled(f, *it.known, s, returns);
    return;
  }
  uint64_t id = next_id++;
  LoopSpec spec;
  spec.loc = f.loc;
  spec.body = &f.body->stmts;
  spec.scope = s;
  spec.lo = it.lo;
  spec.hi = it.hi;
  spec.begin = [&](const Val& i, const ScopePtr& inner) {
    loop_of_index[as<IntVal>(i)->leaf] = id;
    Val v = it.get(i);
    bind_pattern(f.pattern, v, false, inner);
  };
  size_t depth = cx->b.depth(), errors = messages.size();
  int64_t draws = cx->draws;
  std::vector<Var> vars = every_var(s);
  std::vector<Val> before;
  for (auto& v : vars) before.push_back(v.value());
  try {
    run_loop(spec, returns);
  } catch (const DemandUnroll& d) {
    if (d.loop != id) throw;
    cx->b.unwind(depth);
    cx->draws = draws;
    messages.resize(errors);
    for (size_t i = 0; i < vars.size(); ++i) vars[i].value() = before[i];
    int64_t lo = static_int(it.lo, f.source->loc, "the range of a loop over models or other static things");
    int64_t hi = static_int(it.hi, f.source->loc, "the range of a loop over models or other static things");
    std::vector<Val> list;
    for (int64_t i = lo; i < hi && list.size() <= 1024; ++i) list.push_back(it.get(integer(i)));
    unrolled(f, list, s, returns);
  }
}

void Elab::while_stmt(const ast::While& w, const ScopePtr& s, LoopReturn* returns) {
  LoopSpec spec;
  spec.loc = w.loc;
  spec.body = &w.body->stmts;
  spec.scope = s;
  spec.condition = w.condition;
  run_loop(spec, returns);
}

// [body for p in source]: over lists it is repeated, over counted things it is a loop that fills a
// tensor; the kind of the body's value decides between a tensor and a list (rule 2).
Val Elab::comprehension(const ast::Comprehension& c, const ScopePtr& s) {
  Items it = items(expr(*c.source, s), c.source->loc);
  auto repeat = [&](const std::vector<Val>& list) {
    std::vector<Val> out;
    std::vector<Loc> locs;
    for (auto& v : list) {
      auto inner = std::make_shared<Scope>(s);
      bind_pattern(c.pattern, v, false, inner);
      out.push_back(expr(*c.body, inner));
      locs.push_back(c.body->loc);
    }
    return bracket(std::move(out), locs, c.loc);
  };
  if (it.known) return repeat(*it.known);
  uint64_t id = next_id++;
  size_t depth = cx->b.depth(), frames = cx->loops.size();
  int64_t draws = cx->draws;
  auto restore = [&] {
    cx->b.unwind(depth);
    cx->loops.resize(frames);
    cx->draws = draws;
  };
  auto statically = [&] {
    restore();
    int64_t lo = static_int(it.lo, c.source->loc, "the length of a list");
    int64_t hi = static_int(it.hi, c.source->loc, "the length of a list");
    std::vector<Val> list;
    if (hi - lo > 1024)
      error(Code::E0403, c.loc, "a list of " + std::to_string(hi - lo) + " elements; 1024 is the most");
    for (int64_t i = lo; i < hi; ++i) list.push_back(it.get(integer(i)));
    return repeat(list);
  };
  auto body = [&](ir::Value index) {
    cx->loops.push_back({leaf(index)});
    auto inner = std::make_shared<Scope>(s);
    Val i = int_from(index);
    loop_of_index[as<IntVal>(i)->leaf] = id;
    bind_pattern(c.pattern, it.get(i), false, inner);
    Val v = expr(*c.body, inner);
    if (is_poison(v)) throw Reported{};
    return v;
  };
  try {
    // A trial turn tells what the body gives.
    std::vector<ir::Value> p = cx->b.open({ir::scalar_type(DType::i64)});
    Val trial = body(p[0]);
    if (!is_numberlike(trial)) return statically();
    ir::Type t = as_tensor(trial, c.body->loc).type;
    restore();
    DimId count = dims.sub(int_dim(*as<IntVal>(it.hi)), int_dim(*as<IntVal>(it.lo)));
    for (DimId d : t.shape)
      for (SymId sym : dims.symbols(d))
        if (!visible_symbol(sym))
          error(Code::E0301, c.body->loc, "the elements of this bracket have different sizes: " + dims.text(d));
    ir::Type whole = t;
    whole.shape.insert(whole.shape.begin(), count);
    ir::Value lo = int_value(*as<IntVal>(it.lo)), hi = int_value(*as<IntVal>(it.hi));
    ir::Value zeros = cx->b.zeros(whole);
    p = cx->b.open({ir::scalar_type(DType::i64), whole});
    Val v = body(p[0]);
    ir::Value x = use(as_tensor(v, c.body->loc));
    ir::SliceAttr one;
    one.shape = t.shape;
    one.shape.insert(one.shape.begin(), dims.constant(1));
    one.strides.assign(one.shape.size(), 1);
    std::vector<ir::Value> operands{p[1], cx->b.reshape(x, one.shape), cx->b.scalar(ir::Op::sub, {p[0], lo})};
    while (operands.size() < one.shape.size() + 2) operands.push_back(cx->b.integer(0));
    ir::Value next = cx->b.one(ir::Op::update, operands, one);
    std::vector<ir::Region> regions;
    regions.push_back(cx->b.close({next}));
    cx->loops.resize(frames);
    cx->b.at(c.loc);
    return tensor(cx->b.emit(ir::Op::for_, {lo, hi, zeros}, {}, std::move(regions)).results[0]);
  } catch (const DemandUnroll& d) {
    if (d.loop != id) throw;
    return statically();
  } catch (...) {
    restore();
    throw;
  }
}

}  // namespace tenon::elab
