// Instances: a function elaborated for one kind of arguments, as an IR function of its own.
#include <algorithm>
#include <optional>
#include <set>

#include "frontend/elab.h"
#include "ir/literal.h"
#include "ir/verify.h"

namespace tenon::elab {

namespace {

// Functions in a result live in scopes of the callee: such a callee is put in place of its call.
bool gives_function(const Val& v) {
  if (!v) return false;
  auto any = [](const std::vector<Val>& xs) { return std::any_of(xs.begin(), xs.end(), gives_function); };
  switch (v->kind) {
    case Value::function: {
      const auto& f = *as<FunctionVal>(v);
      if (f.what == FunctionVal::lambda || (f.what == FunctionVal::named && f.id)) return true;
      return f.inner && gives_function(f.inner);
    }
    case Value::sequence: return true;
    case Value::tuple: return any(as<TupleVal>(v)->elements);
    case Value::list: return any(as<ListVal>(v)->elements);
    case Value::record:
      for (auto& [n, x] : as<RecordVal>(v)->fields) if (gives_function(x)) return true;
      return false;
    case Value::model:
      for (auto& f : as<ModelVal>(v)->fields) if (gives_function(f.value)) return true;
      return false;
    case Value::unit: case Value::poison: case Value::never: case Value::tensor: case Value::integer: case Value::real:
    case Value::weak: case Value::string: case Value::range: case Value::model_class:
    case Value::dtype: case Value::module: case Value::type: return false;
  }
  return false;
}

struct Uneven {
  int64_t a, by;
  Loc loc;
};

// A division of sizes in a function, under no condition, that does not come out even at these sizes (rule 3).
// Only what is called with sizes that are all known leads further: the rest is told by the run.
std::optional<Uneven> uneven(Elab& e, ir::FnId fn, const DimSubst& sizes, std::set<std::pair<ir::FnId, std::vector<DimId>>>& seen) {
  const ir::Function& f = e.module.fn(fn);
  std::vector<DimId> known;
  for (SymId s : f.sizes) known.push_back(e.dims.substitute(e.dims.symbol(s), sizes));
  if (known.empty() || !std::all_of(known.begin(), known.end(), [&](DimId d) { return e.dims.value(d).has_value(); }) ||
      !seen.insert({fn, known}).second)
    return std::nullopt;
  std::map<ir::Value, DimId> numbers;
  auto value = [&](ir::Value v) -> std::optional<int64_t> {
    auto it = numbers.find(v);
    return it == numbers.end() ? std::nullopt : e.dims.value(e.dims.substitute(it->second, sizes));
  };
  for (const ir::Node& n : f.body.nodes) {
    if (auto* d = std::get_if<ir::DimAttr>(&n.attr)) {
      numbers[n.results[0]] = d->dim;
    } else if (auto* c = std::get_if<ir::ConstantAttr>(&n.attr)) {
      if (c->literal->dtype == DType::i64 && c->literal->shape.empty()) numbers[n.results[0]] = e.dims.constant(ir::integer_at(*c->literal, 0));
    } else if (auto* check = std::get_if<ir::CheckAttr>(&n.attr); check && check->text.ends_with("does not come out even")) {
      auto a = value(n.operands[1]), by = value(n.operands[2]);
      if (a && by && *by != 0 && *a % *by != 0) return Uneven{*a, *by, n.loc};
    } else if (auto* call = std::get_if<ir::CallAttr>(&n.attr)) {
      const ir::Function& callee = e.module.fn(call->fn);
      DimSubst inner;
      for (size_t i = 0; i < call->dims.size() && i < callee.sizes.size(); ++i)
        inner.emplace_back(callee.sizes[i], e.dims.substitute(call->dims[i], sizes));
      if (auto u = uneven(e, call->fn, inner, seen)) return u;
    }
  }
  return std::nullopt;
}

}  // namespace

Val Elab::emit_call(Instance& inst, std::vector<ir::Value> operands, const DimSubst& sizes, Loc loc, const Renamed& shares) {
  if (inst.failed) throw Reported{};
  cx->b.at(loc);
  const ir::Function& callee = module.fn(inst.fn);
  if (inst.effect) require_effect(loc, "`" + callee.name + "`");
  if (std::set<std::pair<ir::FnId, std::vector<DimId>>> seen; !inst.in_progress)
    if (auto u = uneven(*this, inst.fn, sizes, seen))
      error(Code::E0301, u->loc, std::to_string(u->a) + " / " + std::to_string(u->by) + " does not come out even",
            "`//` rounds down, also in a type", {{loc, "in this call"}});
  // A function that calls itself is still being made: it takes what it has imported up to here. When
  // it imports more further on, it is made again, with all of that from the start (instance()).
  std::vector<std::pair<Leaf, ir::Type>> imports = inst.imports;
  if (inst.in_progress)
    for (const FnCx* making : stack)
      if (making->id == inst.owner)
        for (auto& [from, v] : making->imports) imports.emplace_back(from, making->fn->type(v));
  for (auto& [from, type] : imports)
    operands.push_back(from.owner == kKeyOwner ? next_key() : use(from, type));
  // A state that has been updated here before comes in as it is by now; at the top level nobody takes updates.
  const std::vector<ir::Value> before = operands;
  if (stack.size() > 1)
    for (size_t k = 0; k < operands.size(); ++k)
      for (auto& [state, value] : cx->updates)
        if (state == leaf(before[k])) operands[k] = use(*as<TensorVal>(value));
  ir::CallAttr attr;
  attr.fn = inst.fn;
  DimSubst subst = sizes;
  for (SymId s : callee.sizes) {
    DimId d = dims.symbol(s);
    attr.dims.push_back(dims.substitute(d, sizes));
  }
  std::set<SymId> known(callee.sizes.begin(), callee.sizes.end());
  auto rename = [&](DimId d) {
    for (SymId s : dims.symbols(d))
      if (known.insert(s).second) {
        SymId mine = dims.fresh(dims.symbol_info(s).name, loc, false);
        attr.fresh.emplace_back(s, mine);
        subst.emplace_back(s, dims.symbol(mine));
      }
  };
  for (ir::Value v : callee.body.results)
    for (DimId d : callee.type(v).shape) rename(d);
  std::vector<ir::Value> results = cx->b.emit(ir::Op::call, operands, attr).results;
  // A model that the function has made of what it was given shares that with its caller's.
  const bool shared = !inst.in_progress && has_shares(inst.result);
  for (size_t k = 0; shared && k < callee.body.results.size(); ++k) {
    const auto& params = callee.body.params;
    auto given = std::find(params.begin(), params.end(), callee.body.results[k]);
    if (given != params.end()) results[k] = before[static_cast<size_t>(given - params.begin())];
    auto twice = std::find(callee.body.results.begin(), callee.body.results.begin() + static_cast<long>(k), callee.body.results[k]);
    results[k] = results[static_cast<size_t>(twice - callee.body.results.begin())];
  }
  size_t i = 0;
  Val v = receive(rebuild(inst.result, [](const Leaf& l, const ir::Type&) { return l; }, &subst), results, i);
  if (shared) {
    Renamed names = shares;
    v = with_shares(v, [&](const TensorVal& t) {
      if (!t.share) return t.share;
      auto [it, fresh] = names.emplace(t.share, next_share);
      if (fresh) ++next_share;
      return it->second;
    });
  }
  // New values of states: of ours, if the state came in as a parameter of ours.
  for (auto& [param, type] : inst.updates) {
    const auto& params = callee.body.params;
    size_t at = static_cast<size_t>(std::find(params.begin(), params.end(), param.v) - params.begin());
    if (cx->b.depth() > 1) {
      if (stack.size() == 1) {  // the top level: no gradient could take it, in a loop or not
        ++i;
        continue;
      }
      error(Code::E0601, loc, "a model that updates its state is called in a run-time `if` or loop",
            "call it once, before it, or go over a tuple: the turns of `for i in (0, 1, 2)` are written out one by one");
    }
    std::erase_if(cx->updates, [&](auto& u) { return u.first == leaf(before[at]); });
    cx->updates.emplace_back(leaf(before[at]), tensor(results[i++]));
  }
  return v;
}

Val Elab::call_instance(const Callee& c, const Args& args) {
  if (++call_depth > 200)
    error(Code::E0402, args.loc, "calls of `" + c.name + "` lead to new kinds of `" + c.name + "` without end",
          "write the types of its parameters and of its result");
  struct Leave {
    Elab& e;
    ~Leave() { --e.call_depth; }
  } leave{*this};
  for (int round = 0;; ++round) {
    int64_t draws = cx->draws;
    Bound b = bind_args(c, args);
    const std::set<int>& fixed = facts[c.decl].static_params;
    std::string key = std::to_string(reinterpret_cast<uintptr_t>(c.decl)) + "#" + std::to_string(c.id) +
                      (c.training ? "T" : "E") + (cx->pure_only ? "P" : "") + (automatic ? "A" + automatic->id.text : "");
    if (c.self) key += key_of(c.self);
    std::vector<Val> operands_of;
    for (size_t i = 0; i < b.values.size(); ++i) {
      Val& v = b.values[i];
      const ast::Param& p = c.sig->params[i];
      key += ";";
      bool is_fixed = fixed.count(static_cast<int>(i));
      if (is_fixed) {
        if (v->kind == Value::integer && !known_int(v))
          demand_static(v, b.locs[i], "`" + p.id.text + "` of " + c.name);
        if (dtype_of(v) == DType::boolean && !known_bool(v))
          demand_static(v, b.locs[i], "`" + p.id.text + "` of " + c.name);
        if (auto k = known_bool(v)) key += *k ? "=true" : "=false";
        else key += "=" + key_of(v);
      } else if (v->kind == Value::integer) {
        key += as<IntVal>(v)->dim ? "D" : "i";  // not which number
      } else if (v->kind == Value::real) {
        key += "r";
      } else {
        key += p.rest ? key_of(v) : key_as_written(p.type, v, b.types);
      }
    }
    // Sizes that a typed parameter writes as constants or names of outer scopes are in the text; those
    // of its own names are symbols. So the key needs no sizes of typed tensors.
    DimSubst sizes;
    Instance* inst = nullptr;
    try {
      calls.push_back(args.loc);
      inst = instance(c, b, key, sizes);
      calls.pop_back();
    } catch (const DemandStatic& d) {
      calls.pop_back();
      if (d.owner != making_owner || round > 20) throw;
      facts[c.decl].static_params.insert(d.param);
      cx->draws = draws;
      continue;
    } catch (...) {
      calls.pop_back();
      throw;
    }
    if (!inst) {  // it gives a function, which lives where it is called
      cx->draws = draws;
      return call_inline(c, args);
    }
    // Operands: the leaves of what became parameters, in the order in which they became so.
    std::vector<ir::Value> operands;
    if (c.self) leaf_values(c.self, operands);
    for (size_t i = 0; i < b.values.size(); ++i) {
      const Val& v = b.values[i];
      if (facts[c.decl].static_params.count(static_cast<int>(i))) continue;
      if (v->kind == Value::integer) {
        if (!as<IntVal>(v)->dim) operands.push_back(int_value(*as<IntVal>(v)));
      } else if (v->kind == Value::real) {
        operands.push_back(float_value(*as<FloatVal>(v)));
      } else if (auto* t = as<TensorVal>(v); t && c.sig->params[i].type && !c.sig->params[i].rest) {
        operands.push_back(use(*t));  // a known bool too: the parameter is there
      } else {
        leaf_values(v, operands);
      }
    }
    Renamed shares;
    if (inst->result && has_shares(inst->result)) {
      rename_shares(inst->self_value, c.self, shares);
      for (size_t i = 0; i < inst->param_values.size(); ++i) rename_shares(inst->param_values[i], b.values[i], shares);
    }
    return emit_call(*inst, operands, sizes, args.loc, shares);
  }
}

// Finds or makes the instance; `sizes`: symbol of the instance -> size of the caller. Null when the
// function gives a function: then it is to be put in place of its call.
Instance* Elab::instance(const Callee& c, const Bound& bound, const std::string& key, DimSubst& sizes) {
  auto symbols = [&](Instance& inst) { caller_sizes(inst, bound, sizes); };
  if (auto it = instances.find(key); it != instances.end()) {
    Instance& inst = *it->second;
    if (inst.failed) throw Reported{};
    if (inst.in_progress) {
      if (!inst.result)
        error(Code::E0409, calls.back(), "`" + c.name + "` calls itself, so the type of its result must be written",
              "fn " + c.name + "(..) -> f32 ..", {{c.loc, "`" + c.name + "` is defined here"}});
      inst.called_recursively = true;
    }
    symbols(inst);
    return &inst;
  }
  std::vector<std::pair<Leaf, ir::Type>> assumed;
  std::vector<SymId> assumed_sizes;
  for (int attempt = 0;; ++attempt) {
    require(attempt < 8, "a recursive function does not settle");
    size_t mark = instance_order.size();
    instance_order.push_back(key);
    auto owned = std::make_unique<Instance>();
    Instance& inst = *owned;
    instances[key] = std::move(owned);
    inst.in_progress = true;
    inst.scope = c.scope;
    ir::FnId id;
    std::unique_ptr<FnCx> mine = new_cx(c.name, c.loc, id);
    inst.fn = id;
    inst.owner = mine->id;
    FnCx* outer = cx;
    mine->training = c.training;
    mine->pure_only = outer && outer->pure_only;
    mine->decl = c.decl;
    auto forget = [&] {
      while (instance_order.size() > mark) {
        instances.erase(instance_order.back());
        instance_order.pop_back();
      }
    };
    struct Enter {
      Elab& e;
      FnCx* outer;
      Enter(Elab& el, FnCx* o, FnCx* n) : e(el), outer(o) {
        e.cx = n;
        e.stack.push_back(n);
      }
      ~Enter() {
        e.stack.pop_back();
        e.cx = outer;
      }
    };
    bool failed = false, again = false;
    try {
      Enter enter(*this, outer, mine.get());
      size_t errors = messages.size();
      try {
        make_body(c, bound, inst, assumed, assumed_sizes);
      } catch (const UserError& e) {
        if (!recovering) throw;
        report(e.diagnostic);
        failed = true;
      } catch (const Reported&) {
        failed = true;
      }
      failed = failed || messages.size() > errors;
    } catch (const DemandStatic& d) {
      making_owner = mine->id;
      forget();
      throw;
    } catch (...) {
      forget();
      throw;
    }
    if (failed) {
      inst.failed = true;
      inst.in_progress = false;
      throw Reported{};
    }
    if (gives_function(inst.result)) {
      forget();
      facts[c.decl].inline_always = true;
      return nullptr;
    }
    inst.in_progress = false;
    inst.effect = mine->effect;
    for (auto& [from, v] : mine->imports) inst.imports.emplace_back(from, mine->fn->type(v));
    inst.updates = mine->updates;
    std::vector<SymId> all_sizes = mine->fn->sizes;
    if (inst.called_recursively) {
      mine->fn->recursive = true;
      auto same = [](auto& a, auto& b) {
        if (a.size() != b.size()) return false;
        for (size_t i = 0; i < a.size(); ++i) if (a[i].first != b[i].first) return false;
        return true;
      };
      again = !same(inst.imports, assumed) || all_sizes.size() != inst.own_sizes.size() + assumed_sizes.size();
    }
    if (again) {
      assumed = inst.imports;
      assumed_sizes.assign(all_sizes.begin() + static_cast<long>(inst.own_sizes.size()), all_sizes.end());
      forget();
      continue;
    }
    if (std::string wrong = ir::verify(module, *mine->fn); !wrong.empty())
      bug("elaboration of `" + c.name + "`: " + wrong);
    if (c.decl && c.decl != automatic)
      if (auto it = own_derivative.find(static_cast<const ast::FnDecl*>(c.decl)); it != own_derivative.end()) {
        try {
          make_rule(c, *it->second, inst);
        } catch (const UserError& e) {
          if (!recovering) throw;
          report(e.diagnostic);
          inst.failed = true;
          throw Reported{};
        } catch (const Reported&) {
          inst.failed = true;
          throw;
        }
      }
    find_function(c, inst);
    symbols(inst);
    return &inst;
  }
}

// The parameters, the body and the results of an instance, in its own function.
// The result of a body whose ints may be sizes that it has bound itself: where no shape of the result
// tells such a size to the caller, the int goes as a number.
static Val ints_of_own_sizes(Elab& e, const Val& result) {
  std::set<SymId> own;
  for (const ir::Node& n : e.cx->b.region_at(0).nodes) {
    if (auto* a = std::get_if<ir::BindAttr>(&n.attr)) own.insert(a->symbol);
    if (auto* a = std::get_if<ir::CallAttr>(&n.attr))
      for (auto& [from, to] : a->fresh) own.insert(to);
    if (auto* a = std::get_if<ir::HostAttr>(&n.attr)) own.insert(a->binds.begin(), a->binds.end());
  }
  std::vector<Elab::FlatLeaf> flat;
  e.flatten(result, flat);
  for (auto& f : flat)
    for (DimId d : f.type.shape)
      for (SymId s : e.dims.symbols(d)) own.erase(s);
  if (own.empty()) return result;
  std::function<Val(const Val&)> told = [&](const Val& v) -> Val {
    auto all = [&](std::vector<Val> parts) {
      for (Val& part : parts) part = told(part);
      return parts;
    };
    if (auto* i = as<IntVal>(v); i && i->dim) {
      for (SymId s : e.dims.symbols(*i->dim))
        if (own.count(s)) return e.int_from(e.int_value(*i));
    } else if (auto* t = as<TupleVal>(v)) {
      return std::make_shared<TupleVal>(all(t->elements));
    } else if (auto* l = as<ListVal>(v)) {
      return std::make_shared<ListVal>(all(l->elements));
    } else if (auto* r = as<RecordVal>(v)) {
      auto fields = r->fields;
      for (auto& [name, part] : fields) part = told(part);
      return std::make_shared<RecordVal>(std::move(fields));
    }
    return v;
  };
  return told(result);
}

void Elab::make_body(const Callee& c, const Bound& bound, Instance& inst,
                     const std::vector<std::pair<Leaf, ir::Type>>& assumed, const std::vector<SymId>& assumed_sizes) {
  const auto& params = c.sig->params;
  const std::set<int> fixed = facts[c.decl].static_params;
  ParamCx p;
  p.inst = &inst;
  p.types.scope = c.scope;
  p.types.signature = true;
  p.types.dtypes = bound.types.dtypes;
  p.types.bounds = bound.types.bounds;
  Val self;
  if (c.self) {
    p.param = -1;
    self = parameter(nullptr, c.self, p, "");
    p.types.scope = model_scope(self, c.scope);
  }
  std::vector<Val> values(params.size());
  // Whole numbers first: the types of the others may name them.
  for (size_t i = 0; i < params.size(); ++i) {
    const Val& v = bound.values[i];
    auto* iv = as<IntVal>(v);
    bool is_int = iv || (!v && params[i].type && host_type(*params[i].type) == "int");
    if (!is_int) continue;
    if (fixed.count(static_cast<int>(i))) {
      values[i] = v;
      if (iv) p.types.sizes[params[i].id.text] = *iv->dim;
    } else if (!iv || iv->dim) {
      SymId s = dims.fresh(params[i].id.text, params[i].id.loc, true, true);
      cx->fn->sizes.push_back(s);
      cx->symbol_param[s] = static_cast<int>(i);
      inst.own_sizes.push_back({s, Instance::OwnSize::of_int, static_cast<int>(i), 0, 0, ""});
      values[i] = std::make_shared<IntVal>(dims.symbol(s));
      p.types.sizes[params[i].id.text] = dims.symbol(s);
    }
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (values[i]) continue;
    const Val& v = bound.values[i];
    const ast::TypeExpr* e = left_out(params[i], v) ? nullptr : params[i].type;
    ir::Leaf leaf_facts{ir::Leaf::data, params[i].id.text};
    p.param = static_cast<int>(i);
    p.leaf = 0;
    if (fixed.count(static_cast<int>(i))) {
      auto k = known_bool(v);
      values[i] = k ? boolean(*k) : v;
    } else if (as<IntVal>(v)) {
      ir::Value x = cx->b.param(ir::scalar_type(DType::i64), leaf_facts);
      cx->value_param[x] = p.param;
      values[i] = int_from(x);
    } else if (as<FloatVal>(v) || (!v && e && host_type(*e) == "float")) {
      values[i] = std::make_shared<FloatVal>(leaf(cx->b.param(ir::scalar_type(DType::f64), leaf_facts)));
    } else {
      values[i] = parameter(params[i].rest ? nullptr : e, v, p, params[i].id.text);
      auto* t = as<TensorVal>(values[i]);
      if (t && t->type.scalar() && t->type.dtype == DType::boolean) cx->value_param[t->leaf.v] = p.param;
    }
  }
  for (auto& [from, type] : assumed) use(from, type);
  for (SymId s : assumed_sizes) cx->fn->sizes.push_back(s);
  auto scope = std::make_shared<Scope>(p.types.scope);
  scope->function = true;
  for (auto& [n, d] : p.types.sizes) scope->define(n, std::make_shared<IntVal>(d), false, p.types.size_where[n]);
  for (auto& [n, d] : p.types.dtypes) scope->define(n, std::make_shared<DTypeVal>(d), false, c.loc);
  for (size_t i = 0; i < params.size(); ++i)
    scope->define(params[i].id.text, values[i], false, params[i].id.loc);
  inst.param_values = values;
  inst.self_value = self;
  inst.size_names = p.types.sizes;
  // What a call of itself gives, as far as the written type tells.
  if (c.sig->result) {
    TypeCx t = p.types;
    t.bind = false;
    inst.result = placeholder(*c.sig->result, t);
    if (inst.result) {
      std::vector<FlatLeaf> flat;
      flatten(inst.result, flat);
      for (auto& f : flat) {
        for (DimId d : f.type.shape)  // a size that only the call itself will know goes before
          if (d == dims.any()) cx->fn->body.results.push_back(cx->fn->new_value(ir::scalar_type(DType::i64)));
        cx->fn->body.results.push_back(f.leaf.v);
      }
      cx->fn->results.resize(cx->fn->body.results.size());
    }
  }
  Val expected = inst.result;
  struct Restore {
    bool& at;
    bool before;
    ~Restore() { at = before; }
  } wanted_before{any_size_wanted, any_size_wanted};
  any_size_wanted = c.sig->result && writes_any_size(*c.sig->result);
  Val v = body_value(*c.body, scope);
  if (is_poison(v)) throw Reported{};
  if (c.sig->result)
    v = match(*c.sig->result, v, p.types, c.body->expr ? c.body->expr->loc : c.sig->result->loc, "the result of " + c.name);
  if (v->kind == Value::never) v = expected ? coerce(v, expected) : unit();
  if (inst.called_recursively) v = coerce(v, expected);
  v = ints_of_own_sizes(*this, v);
  std::vector<FlatLeaf> flat;
  flatten(v, flat);
  std::vector<ir::Value> results;
  bool sizes_apart = false;
  if (inst.called_recursively) {
    std::vector<FlatLeaf> wanted;
    flatten(expected, wanted);
    for (auto& f : wanted) sizes_apart |= f.type.unsized(dims);
  }
  if (sizes_apart) {
    hand_on(v, expected, results);
    flat.clear();
    for (ir::Value x : results) flat.push_back({leaf(x), cx->fn->type(x), ""});
  } else if (!gives_function(v)) {
    for (auto& f : flat) results.push_back(use(f.leaf, f.type));
  }
  for (auto& [state, value] : cx->updates) {
    results.push_back(use(*as<TensorVal>(value)));
    flat.push_back({leaf(results.back()), cx->fn->type(results.back()), "", ir::Leaf::state});
  }
  size_t i = 0;
  if (sizes_apart) inst.result = expected;
  else inst.result = gives_function(v) ? v : rebuild(v, [&](const Leaf&, const ir::Type&) { return leaf(results[i++]); });
  finish_function(*cx, results, flat);
}

// The structure a written type describes, over values that nothing computes: enough to type a call.
Val Elab::placeholder(const ast::TypeExpr& e, TypeCx& t) {
  std::string_view host = host_type(e);
  if (host == "int") return int_from(cx->fn->new_value(ir::scalar_type(DType::i64)));
  if (host == "float") return std::make_shared<FloatVal>(leaf(cx->fn->new_value(ir::scalar_type(DType::f64))));
  switch (e.kind) {
    case ast::TypeExpr::tuple: {
      std::vector<Val> out;
      for (auto* x : e.elements) {
        out.push_back(placeholder(*x, t));
        if (!out.back()) return nullptr;
      }
      return std::make_shared<TupleVal>(std::move(out));
    }
    case ast::TypeExpr::record: {
      std::vector<std::pair<std::string, Val>> out;
      for (auto& f : e.fields) {
        out.emplace_back(f.id.text, placeholder(*f.type, t));
        if (!out.back().second) return nullptr;
      }
      return std::make_shared<RecordVal>(std::move(out));
    }
    case ast::TypeExpr::list:
    case ast::TypeExpr::function: return nullptr;
    case ast::TypeExpr::named: break;
  }
  if (!is_dtype_name(e, t)) return nullptr;
  auto d = type_dtype(e, t);
  if (!d) return nullptr;
  ir::Type type{*d, {}, false};
  for (auto* x : e.dims) {
    if (x->kind == ast::DimExpr::rest) {
      if (!t.rest) return nullptr;
      type.shape.insert(type.shape.end(), t.rest->begin(), t.rest->end());
      continue;
    }
    if (x->kind == ast::DimExpr::wildcard) {
      type.shape.push_back(dims.any());
      continue;
    }
    auto known = dim(*x, t, true);
    if (!known) return nullptr;
    type.shape.push_back(*known);
  }
  return tensor(cx->fn->new_value(type));
}

// The caller's size for each own symbol of the instance.
void Elab::caller_sizes(const Instance& inst, const Bound& bound, DimSubst& sizes) {
  if (bound.alone) return;
  for (auto& o : inst.own_sizes) {
    switch (o.from) {
      case Instance::OwnSize::of_int: sizes.emplace_back(o.symbol, *as<IntVal>(bound.values[o.param])->dim); break;
      case Instance::OwnSize::of_name: sizes.emplace_back(o.symbol, bound.types.sizes.at(o.name)); break;
      case Instance::OwnSize::of_axis: {
        std::vector<FlatLeaf> flat;
        flatten(bound.values[o.param], flat);
        sizes.emplace_back(o.symbol, flat[o.leaf].type.shape[o.axis]);
        break;
      }
    }
  }
}

}  // namespace tenon::elab
