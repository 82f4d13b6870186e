// Instances: a function elaborated for one kind of arguments, as an IR function of its own.
#include <algorithm>
#include <cstdio>

#include "frontend/elab.h"
#include "ir/verify.h"

namespace tenon::elab {

// ---------------------------------------------------------------- keys

// Everything about a value that an instance depends on; not the numbers in its leaves.
std::string Elab::key_of(const Val& v, Order* met) {
  if (!v) return "-";
  auto list = [&](const std::vector<Val>& xs) {
    std::string s = "(";
    for (auto& x : xs) s += key_of(x, met) + ",";
    return s + ")";
  };
  auto address = [](const void* p) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%p", p);
    return std::string(buffer);
  };
  switch (v->kind) {
    case Value::unit: return "u";
    case Value::poison: case Value::never: return "!";
    case Value::tensor: {
      const auto& t = as<TensorVal>(v)->type;
      if (auto k = known_bool(v)) return *k ? "true" : "false";
      if (const uint32_t share = as<TensorVal>(v)->share; met && share)
        if (auto [it, first] = met->emplace(share, met->size()); !first) return "@" + std::to_string(it->second);
      std::string s(tenon::name(t.dtype));
      s += "[";
      for (DimId d : t.shape) s += std::to_string(d) + ",";
      return s + "]";
    }
    case Value::integer: {
      const auto& i = *as<IntVal>(v);
      return i.dim ? "i" + std::to_string(*i.dim) : i.offset ? "i+" + std::to_string(*i.offset) : "i";
    }
    case Value::real: {
      auto k = as<FloatVal>(v)->known;
      char buffer[40];
      if (k) std::snprintf(buffer, sizeof buffer, "r%a", *k);
      return k ? buffer : "r";
    }
    case Value::weak: return "w";
    case Value::string: {
      std::string s = "s";
      for (auto& p : as<StringVal>(v)->pieces) s += p.hole ? "{" + key_of(p.hole, met) + ":" + p.format + "}" : p.text;
      return s;
    }
    case Value::tuple: return "t" + list(as<TupleVal>(v)->elements);
    case Value::list: return "l" + list(as<ListVal>(v)->elements);
    case Value::record: {
      std::string s = "{";
      for (auto& [n, x] : as<RecordVal>(v)->fields) s += n + ":" + key_of(x, met) + ",";
      return s + "}";
    }
    case Value::range: return "R" + key_of(as<RangeVal>(v)->lo, met) + key_of(as<RangeVal>(v)->hi, met);
    case Value::sequence: return "q" + key_of(as<SequenceVal>(v)->count, met) + key_of(as<SequenceVal>(v)->get, met);
    case Value::function: {
      const auto& f = *as<FunctionVal>(v);
      std::string s = "f" + std::to_string(f.what) + address(f.decl ? static_cast<const void*>(f.decl) : f.fn) +
                      address(f.primitive) + "#" + std::to_string(f.id) + std::to_string(static_cast<int>(f.wrap));
      for (auto& w : f.wrt) s += w + ",";
      if (f.self) s += key_of(f.self, met);
      if (f.inner) s += key_of(f.inner, met);
      return s + list(f.held);
    }
    case Value::model: {
      const auto& m = *as<ModelVal>(v);
      std::string s = "m" + address(m.decl) + (m.training ? "T" : "E") + "(";
      Order mine;  // which places are one is part of what it is
      if (!met) met = &mine;
      for (auto& f : m.fields) s += key_of(f.value, met) + ",";
      return s + ")";
    }
    case Value::model_class: return "c" + address(as<ModelClassVal>(v)->decl);
    case Value::dtype: return "d" + std::string(tenon::name(as<DTypeVal>(v)->value));
    case Value::module: return "M" + as<ModuleVal>(v)->name;
    case Value::type: return "y" + address(as<TypeVal>(v)->written);
  }
  bug("key_of: no such kind");
}

// Where the type is written, the sizes of tensors are symbols of the instance: not part of its key.
std::string Elab::key_as_written(const ast::TypeExpr* e, const Val& v, TypeCx& t) {
  auto *tuple = as<TupleVal>(v);
  auto *record = as<RecordVal>(v);
  auto member = [&](const ast::TypeExpr* type, const Val& part) {
    return part && known_bool(part) ? key_of(part) : key_as_written(type, part, t);
  };
  if (e && e->kind == ast::TypeExpr::tuple && tuple && tuple->elements.size() == e->elements.size()) {
    std::string s = "t(";
    for (size_t i = 0; i < e->elements.size(); ++i) s += member(e->elements[i], tuple->elements[i]) + ",";
    return s + ")";
  }
  if (e && e->kind == ast::TypeExpr::record && record) {
    std::string s = "{";
    for (auto& f : e->fields) s += f.id.text + ":" + member(f.type, record->find(f.id.text)) + ",";
    return s + "}";
  }
  if (e && e->kind == ast::TypeExpr::named) {
    if (auto* x = as<TensorVal>(v); x && is_dtype_name(*e, t))
      return std::string(tenon::name(x->type.dtype)) + "/" + std::to_string(x->type.rank());
    auto* named = host_type(*e).empty() && !is_dtype_name(*e, t) ? type_named(*e, t.scope) : nullptr;
    if (named) {
      ScopePtr outside = std::exchange(t.scope, named->scope);
      std::string key = key_as_written(named->written, v, t);
      t.scope = outside;
      return key;
    }
  }
  return key_of(v);
}

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
    default: return false;
  }
}

}  // namespace

// ---------------------------------------------------------------- functions under construction

std::unique_ptr<FnCx> Elab::new_cx(std::string name, Loc loc, ir::FnId& id) {
  auto f = std::make_unique<ir::Function>();
  f->name = std::move(name);
  f->loc = loc;
  ir::Function* raw = f.get();
  id = module.add(std::move(f));
  auto c = std::make_unique<FnCx>(next_owner++, module, raw);
  c->b.at(loc);
  return c;
}

std::vector<SymId> Elab::free_symbols(const ir::Function& fn) {
  std::set<SymId> used, bound;
  auto dim = [&](DimId d) {
    for (SymId s : dims.symbols(d)) used.insert(s);
  };
  auto all = [&](const std::vector<DimId>& ds) {
    for (DimId d : ds) dim(d);
  };
  struct Visit {
    std::function<void(const ir::Region&)> region;
  } visit;
  // Only values that are there: what was elaborated in vain has left types behind.
  visit.region = [&](const ir::Region& r) {
    for (ir::Value v : r.params) all(fn.type(v).shape);
    for (const ir::Node& n : r.nodes) {
      for (ir::Value v : n.results) all(fn.type(v).shape);
      if (auto* a = std::get_if<ir::DimAttr>(&n.attr)) dim(a->dim);
      if (auto* a = std::get_if<ir::ShapeAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::IotaAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::BroadcastAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::SliceAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::MapAttr>(&n.attr)) all(a->out), all(a->red);
      if (auto* a = std::get_if<ir::ScatterAttr>(&n.attr)) all(a->dims);
      if (auto* a = std::get_if<ir::SlotAttr>(&n.attr)) all(a->type.shape);
      if (auto* a = std::get_if<ir::DeriveAttr>(&n.attr)) all(a->dims);
      if (auto* a = std::get_if<ir::BindAttr>(&n.attr)) bound.insert(a->symbol);
      if (auto* a = std::get_if<ir::ContractAttr>(&n.attr)) {
        all(a->spec->range);
        for (auto& x : a->spec->a) dim(x.offset);
        for (auto& x : a->spec->b) dim(x.offset);
      }
      if (auto* a = std::get_if<ir::CallAttr>(&n.attr)) {
        all(a->dims);
        for (auto& [from, to] : a->fresh) bound.insert(to);
      }
      if (auto* a = std::get_if<ir::HostAttr>(&n.attr)) {
        for (SymId s : a->binds) bound.insert(s);
        for (auto& t : a->results) all(t.shape);
      }
      for (const ir::Region& inner : n.regions) visit.region(inner);
    }
  };
  visit.region(fn.body);
  std::vector<SymId> out;
  for (SymId s : used)
    if (!bound.count(s)) out.push_back(s);
  return out;
}

bool Elab::visible_symbol(SymId s) {
  // Bound inside a region that has been dropped or is still open: not outside of it.
  std::function<bool(const ir::Region&)> binds = [&](const ir::Region& r) {
    for (const ir::Node& n : r.nodes) {
      if (auto* a = std::get_if<ir::BindAttr>(&n.attr); a && a->symbol == s) return true;
      if (auto* a = std::get_if<ir::CallAttr>(&n.attr))
        for (auto& [from, to] : a->fresh) if (to == s) return true;
      if (auto* a = std::get_if<ir::HostAttr>(&n.attr))
        for (SymId x : a->binds) if (x == s) return true;
    }
    return false;
  };
  if (dims.symbol_info(s).rigid) return true;
  for (size_t d = 0; d < cx->b.depth(); ++d)
    if (binds(cx->b.region_at(d))) return true;
  // A symbol of an enclosing function or of the arguments.
  for (SymId x : cx->fn->sizes) if (x == s) return true;
  for (ir::Value p : cx->fn->body.params)
    for (DimId dd : cx->fn->type(p).shape)
      for (SymId x : dims.symbols(dd)) if (x == s) return true;
  return false;
}

void Elab::finish_function(FnCx& f, const std::vector<ir::Value>& results, const std::vector<FlatLeaf>& leaves) {
  f.fn->body.results = results;
  f.fn->results.clear();
  for (auto& l : leaves) f.fn->results.push_back({l.role, l.path});
  f.fn->results.resize(results.size());
  f.fn->effect = f.effect;
  for (SymId s : free_symbols(*f.fn))
    if (std::find(f.fn->sizes.begin(), f.fn->sizes.end(), s) == f.fn->sizes.end()) f.fn->sizes.push_back(s);
}

void Elab::require_effect(Loc loc, std::string_view what) {
  if (cx->pure_only)
    error(Code::E0701, loc, std::string(what) + " has an effect, which is not allowed in what is differentiated",
          "print after it, or use debug(x)");
  cx->effect = true;
}

// ---------------------------------------------------------------- keys of draws

ir::Value Elab::current_key() {
  ir::Value k = cx->key != ir::kNoValue ? cx->key : use(Leaf{kKeyOwner, 0}, ir::scalar_type(DType::i64));
  for (size_t i = 0; i < cx->loops.size(); ++i) {
    const Leaf& turn = cx->loops[i].turn;
    if (turn.v == ir::kNoValue) throw NeedsCounter{i};
    k = cx->b.scalar(ir::Op::rng, {k, use(turn, ir::scalar_type(DType::i64))});
  }
  return k;
}

ir::Value Elab::next_key() {
  ir::Value k = current_key();
  // Ordinals are negative, so that they never meet the number of a turn.
  return cx->b.scalar(ir::Op::rng, {k, cx->b.integer(-1 - cx->draws++)});
}

// ---------------------------------------------------------------- calls

Val Elab::emit_call(Instance& inst, std::vector<ir::Value> operands, const DimSubst& sizes, Loc loc, const Renamed& shares) {
  if (inst.failed) throw Reported{};
  cx->b.at(loc);
  const ir::Function& callee = module.fn(inst.fn);
  if (inst.effect) require_effect(loc, "`" + callee.name + "`");
  // A function that calls itself is still being made: it takes what it has imported up to here. When
  // it imports more further on, it is made again, with all of that from the start (instance()).
  std::vector<std::pair<Leaf, ir::Type>> imports = inst.imports;
  if (inst.in_progress)
    for (const FnCx* making : stack)
      if (making->id == inst.owner)
        for (auto& [from, v] : making->imports) imports.emplace_back(from, making->fn->type(v));
  for (auto& [from, type] : imports)
    operands.push_back(from.owner == kKeyOwner ? next_key() : use(from, type));
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
    if (given != params.end()) results[k] = operands[static_cast<size_t>(given - params.begin())];
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
    cx->updates.emplace_back(leaf(operands[at]), tensor(results[i++]));
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
