// What nothing calls is checked by its text alone: every size of its signature is a symbol of its own.
#include "frontend/elab.h"

namespace tenon::elab {

void Elab::check_function(const ast::FnDecl& d, const ScopePtr& s) {
  for (auto& key : instance_order)
    if (module.fn(instances[key]->fn).loc == d.loc) return;  // called, so checked
  if (facts[&d].inline_always) return;
  for (auto& p : d.sig.params)
    if (!p.type || p.rest) return;
  auto f = std::make_shared<FunctionVal>(FunctionVal::named);
  f->decl = &d;
  f->scope = s;
  Callee c = callee_of(*f);
  Bound b;
  b.values.resize(d.sig.params.size());
  b.locs.assign(d.sig.params.size(), d.loc);
  b.types.scope = s;
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

void Elab::check_block(const ast::Block& body, const ScopePtr& s) {
  ir::FnId id;
  auto mine = new_cx("check", body.loc, id);
  FnCx* outer = cx;
  std::vector<Binding> before = s->bindings;
  cx = mine.get();
  stack = {cx};
  try {
    stmts(body.stmts, std::make_shared<Scope>(s), false);
  } catch (const Reported&) {
  }
  cx = outer;
  stack = {cx};
  s->bindings = before;
}

}  // namespace tenon::elab
