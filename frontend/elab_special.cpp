// `update` of a model's state, and `assert fails(..)`.
#include <algorithm>

#include "frontend/elab.h"
#include "ir/verify.h"

namespace tenon::elab {

// In training the new value leaves the function as a hidden result; elsewhere nothing happens (rule 1).
void Elab::update_state(const ast::Update& u, const ScopePtr& s) {
  Binding* self = lookup("self", s);
  auto* m = self ? as<ModelVal>(self->value) : nullptr;
  const ModelField* f = m ? m->find(u.id.text) : nullptr;
  if (!f || f->role != ModelField::state)
    error(Code::E0601, u.loc, "`update` changes a state of the model it stands in, but `" + u.id.text + "` is none",
          "declare it: state " + u.id.text + ": f32[n] = zeros(n)");
  Val v = expr(*u.value, s);
  if (is_poison(v)) throw Reported{};
  const auto& old = *as<TensorVal>(f->value);
  ir::Value x = to_dtype(v, old.type.dtype, u.value->loc);
  const auto have = cx->fn->type(x).shape;
  if (have.size() != old.type.rank())
    error(Code::E0303, u.value->loc, "`" + u.id.text + "` is " + type_text(old.type) + ", but this is " + type_text(cx->fn->type(x)));
  for (size_t i = 0; i < have.size(); ++i)
    require_equal(have[i], old.type.shape[i], u.value->loc, "axis " + std::to_string(i) + " of `" + u.id.text + "` would change its size", "", {});
  x = reshape_as(x, old.type.shape);
  if (!m->training) return;
  if (cx->b.depth() > 1)
    error(Code::E0601, u.loc, "`update` cannot stand in a run-time `if` or loop", "compute the value there, and update once after it");
  cx->b.at(u.loc);
  ir::Value stopped = cx->b.one(ir::Op::stop_gradient, {x});
  std::erase_if(cx->updates, [&](auto& other) { return other.first == old.leaf; });
  cx->updates.emplace_back(old.leaf, std::make_shared<TensorVal>(leaf(stopped), old.type));
}

// derivative of f(x) -> y, dy { .. }: a function of f's parameters, results and cotangents, with the
// same size symbols, that gives the cotangent of each float parameter (rule 12).
void Elab::make_rule(const Callee& c, const ast::Derivative& d, Instance& inst) {
  const auto& params = c.sig->params;
  if (d.params.size() != params.size())
    error(Code::E0501, d.loc, "this derivative names " + std::to_string(d.params.size()) + " parameters, but `" + c.name +
          "` has " + std::to_string(params.size()), "", {{c.loc, "`" + c.name + "` is defined here"}});
  ir::FnId id;
  auto mine = new_cx(c.name + " rule", d.loc, id);
  const ir::Function& f = module.fn(inst.fn);
  FnCx* outer = cx;
  struct Leave {
    Elab& e;
    FnCx* outer;
    ~Leave() {
      e.stack.pop_back();
      e.cx = outer;
    }
  } leave{*this, outer};
  cx = mine.get();
  stack.push_back(cx);
  cx->pure_only = true;
  cx->training = c.training;  // the rule is of the mode that the function is in
  cx->fn->sizes = f.sizes;
  std::map<ir::Value, ir::Value> own;  // the function's parameter -> the rule's
  for (size_t i = 0; i < f.body.params.size(); ++i) {
    ir::Value p = f.body.params[i];
    own[p] = cx->b.param(f.type(p), f.params[i]);
    // What the function imports, its rule may use under the same name.
    for (auto& [from, type] : inst.imports)
      if (i + inst.imports.size() >= f.body.params.size() && &from == &inst.imports[i + inst.imports.size() - f.body.params.size()].first)
        cx->imports.emplace_back(from, own[p]);
  }
  size_t imported = cx->imports.size();
  auto ours = [&](const Leaf& l, const ir::Type&) { return l.owner == inst.owner ? leaf(own.at(l.v)) : l; };
  std::vector<Leaf> results, cotangents;
  for (size_t i = 0; i < f.body.results.size() - inst.updates.size(); ++i)
    results.push_back(leaf(cx->b.param(f.type(f.body.results[i]), {ir::Leaf::data, d.result.text})));
  for (size_t i = 0; i < results.size(); ++i)
    cotangents.push_back(is_float(cx->fn->type(results[i].v).dtype)
                             ? leaf(cx->b.param(cx->fn->type(results[i].v), {ir::Leaf::data, d.cotangent.text}))
                             : results[i]);
  auto scope = std::make_shared<Scope>(c.scope);
  scope->function = true;
  for (auto& [n, size] : inst.size_names) scope->define(n, std::make_shared<IntVal>(size), false, d.loc);
  std::vector<Val> values;
  for (size_t i = 0; i < params.size(); ++i) {
    values.push_back(rebuild(inst.param_values[i], ours));
    scope->define(d.params[i].id.text, values.back(), false, d.params[i].id.loc);
  }
  size_t n = 0;
  scope->define(d.result.text, rebuild(inst.result, [&](const Leaf&, const ir::Type&) { return results[n++]; }), false, d.result.loc);
  n = 0;
  scope->define(d.cotangent.text, rebuild(inst.result, [&](const Leaf&, const ir::Type&) { return cotangents[n++]; }), false, d.cotangent.loc);
  ast::FnBody body;
  body.block = d.body;
  size_t errors = messages.size();
  Val v = body_value(body, scope);
  if (messages.size() > errors || is_poison(v)) throw Reported{};
  // One gradient per parameter that holds floats, in order.
  std::vector<std::vector<FlatLeaf>> floats(params.size());
  std::vector<size_t> with;
  for (size_t i = 0; i < params.size(); ++i) {
    flatten(values[i], floats[i]);
    std::erase_if(floats[i], [](const FlatLeaf& l) { return !is_float(l.type.dtype); });
    if (!floats[i].empty()) with.push_back(i);
  }
  std::vector<Val> grads{v};
  if (with.size() > 1) {
    auto* t = as<TupleVal>(v);
    if (!t || t->elements.size() != with.size())
      error(Code::E0501, d.body->loc, "this block gives the gradients of " + std::to_string(with.size()) +
            " float parameters as a tuple, but this is " + type_text(v));
    grads = t->elements;
  }
  std::map<ir::Value, ir::Value> gradient;
  for (size_t k = 0; k < with.size(); ++k) {
    Val g = grads[k];
    const auto& want = floats[with[k]];
    if (is_numberlike(g) && want.size() == 1) g = tensor(to_dtype(g, want[0].type.dtype, d.body->loc));
    std::vector<FlatLeaf> have;
    flatten(g, have);
    std::erase_if(have, [](const FlatLeaf& l) { return !is_float(l.type.dtype); });
    std::vector<ir::Value> list;
    push_like(want, have, list, d.body->loc, "the gradient of `" + params[with[k]].id.text + "`");
    for (size_t i = 0; i < list.size(); ++i) gradient[want[i].leaf.v] = list[i];
  }
  if (cx->imports.size() != imported)
    error(Code::E0501, d.body->loc, "this derivative uses a value of its surroundings that `" + c.name + "` does not use", "pass it as an argument");
  std::vector<ir::Value> out;
  std::vector<FlatLeaf> leaves;
  for (ir::Value p : f.body.params) {
    if (!is_float(f.type(p).dtype)) continue;
    ir::Value mine_p = own[p];
    if (!gradient.count(mine_p)) {
      bool is_import = std::any_of(cx->imports.begin(), cx->imports.end(), [&](auto& i) { return i.second == mine_p; });
      if (is_import)
        error(Code::E0501, d.loc, "`" + c.name + "` uses a float of its surroundings, for which this derivative gives no gradient", "pass it as an argument");
    }
    out.push_back(gradient.count(mine_p) ? gradient[mine_p] : cx->b.zeros(f.type(p)));
    leaves.push_back({leaf(out.back()), f.type(p), "", ir::Leaf::data});
  }
  finish_function(*cx, out, leaves);
  if (cx->fn->sizes.size() != f.sizes.size())
    error(Code::E0501, d.body->loc, "this derivative uses a size that `" + c.name + "` does not have");
  if (std::string wrong = ir::verify(module, *mine->fn); !wrong.empty()) bug("derivative of: " + wrong);
  module.fn(inst.fn).vjp_rule = id;
}

// assert fails(e, "text"): that e does not compile, or fails when run, with a message that has the text.
void Elab::assert_fails(const ast::Call& c, const ScopePtr& s) {
  if (c.args.empty() || c.args.size() > 2)
    error(Code::E0402, c.loc, "`fails` takes an expression and a part of the message", "assert fails(f(x), \"sizes\")");
  std::string text;
  if (c.args.size() == 2) text = static_string(expr(*c.args[1].value, s), c.args[1].value->loc, "the text of `fails`");
  ir::FnId id;
  auto mine = new_cx("fails", c.loc, id);
  FnCx* outer = cx;
  auto stack_before = stack;
  bool recover_before = recovering;
  size_t known = messages.size();
  std::optional<Diagnostic> refused;
  cx = mine.get();
  stack.push_back(cx);
  recovering = false;
  try {
    // What it gives becomes the result: nothing that may fail is dropped as unused.
    std::vector<FlatLeaf> given;
    flatten(named_value(expr(*c.args[0].value, s)), given);
    std::vector<ir::Value> results;
    for (auto& g : given) results.push_back(use(g.leaf, g.type));
    finish_function(*cx, results, given);
    if (std::string wrong = ir::verify(module, *mine->fn); !wrong.empty()) bug("fails: " + wrong);
  } catch (const UserError& e) {
    refused = e.diagnostic;
  } catch (const Reported&) {
    if (messages.size() > known) refused = messages.back();
  }
  messages.resize(known);
  recovering = recover_before;
  cx = outer;
  stack = stack_before;
  cx->b.at(c.loc);
  if (refused) {
    if (refused->message.find(text) == std::string::npos)
      error(Code::E0804, c.loc, "this fails, but its message is another: " + refused->message);
    return;
  }
  extra_functions.push_back(id);
  std::vector<ir::Value> operands;
  for (SymId sym : mine->fn->sizes) operands.push_back(cx->b.size(dims.symbol(sym)));
  for (auto& [from, v] : mine->imports)
    operands.push_back(from.owner == kKeyOwner ? next_key() : use(from, mine->fn->type(v)));
  host("expect_fails", {text, std::to_string(id), std::to_string(mine->fn->sizes.size())}, operands, {}, {}, c.loc);
}

}  // namespace tenon::elab
