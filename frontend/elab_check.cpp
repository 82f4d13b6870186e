// What nothing calls is checked by its text alone: every size of its signature is a symbol of its own.
#include "frontend/elab.h"

namespace tenon::elab {

void Elab::check_function(const ast::FnDecl& d, const ScopePtr& s, const Val& self) {
  for (auto& key : instance_order)
    if (module.fn(instances[key]->fn).loc == d.loc) return;  // called, so checked
  if (facts[&d].inline_always) return;
  for (auto& p : d.sig.params)
    if (!p.type || p.rest) return;
  auto f = std::make_shared<FunctionVal>(FunctionVal::named);
  f->decl = &d;
  f->scope = s;
  f->self = self;
  Callee c = callee_of(*f);
  Bound b;
  b.values.resize(d.sig.params.size());
  b.locs.assign(d.sig.params.size(), d.loc);
  b.types.scope = c.names;
  b.types.signature = true;
  b.alone = true;
  for (auto& k : d.sig.constraints) b.types.bounds[k.variable.text] = k.bound.text;
  size_t depth = cx->b.depth();
  FnCx* outer = cx;
  auto stack_before = stack;
  calls.push_back({});
  for (int round = 0; round < 20; ++round) {
    DimSubst sizes;
    try {
      instance(c, b, "check:" + std::to_string(reinterpret_cast<uintptr_t>(&d)), sizes);
    } catch (const Reported&) {
    } catch (const DemandStatic& ds) {
      // An int that must be static: any small number does for a check, its default best.
      const ast::Param& p = d.sig.params[static_cast<size_t>(ds.param)];
      if (ds.owner == making_owner && p.default_value) {
        try {
          b.values[static_cast<size_t>(ds.param)] = expr(*p.default_value, s);
          facts[&d].static_params.insert(ds.param);
          continue;
        } catch (const UserError& e) {
          report(e.diagnostic);
        } catch (const Reported&) {
        }
      }
    } catch (const UserError& e) {
      report(e.diagnostic);
    }
    break;
  }
  calls.pop_back();
  cx = outer;
  stack = stack_before;
  cx->b.unwind(depth);
}

// A model that nobody makes is made once with sizes of its own, and its functions are checked.
void Elab::check_model(const ast::ModelDecl& d, const ScopePtr& s) {
  if (made_models.count(&d)) return;
  ir::FnId id;
  auto mine = new_cx("check", d.loc, id);
  FnCx* outer = cx;
  auto stack_before = stack;
  cx = mine.get();
  stack = {outer, cx};
  Args args;
  bool possible = true;
  for (auto& p : d.params) {
    if (p.default_value) continue;
    std::string_view host = p.type ? host_type(*p.type) : "";
    if (host == "int") {
      SymId n = dims.fresh(p.id.text, p.id.loc, true, true);
      args.list.push_back({p.id.text, std::make_shared<IntVal>(dims.symbol(n)), p.id.loc});
    } else if (host == "float") {
      args.list.push_back({p.id.text, real(0.5), p.id.loc});
    } else if (p.type && p.type->kind == ast::TypeExpr::named && !p.type->has_dims && p.type->path[0].text == "bool") {
      args.list.push_back({p.id.text, boolean(true), p.id.loc});
    } else if (host == "dtype") {
      args.list.push_back({p.id.text, std::make_shared<DTypeVal>(DType::f32), p.id.loc});
    } else {
      possible = false;  // needs a value that its text does not tell
    }
  }
  if (possible) {
    try {
      Val m = construct(ModelClassVal(&d, s), args);
      for (auto* st : d.members)
        if (st->kind == ast::Stmt::fn) check_function(ast::as<ast::FnDecl>(*st), s, m);
    } catch (const UserError& e) {
      // What must be static (a bool, a length) is not known here; a real mistake has other codes.
      if (e.diagnostic.code != Code::E0403) report(e.diagnostic);
    } catch (const Reported&) {
    } catch (const DemandStatic&) {
    }
  }
  cx = outer;
  stack = stack_before;
}

void Elab::check_block(const ast::Block& body, const ScopePtr& s, bool gives_value) {
  ir::FnId id;
  auto mine = new_cx("check", body.loc, id);
  FnCx* outer = cx;
  std::vector<Binding> before = s->bindings;
  cx = mine.get();
  stack = {cx};
  try {
    stmts(body.stmts, std::make_shared<Scope>(s), gives_value);
  } catch (const Reported&) {
  }
  cx = outer;
  stack = {cx};
  s->bindings = before;
}

}  // namespace tenon::elab
