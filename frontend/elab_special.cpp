// `update` of a model's state, and `assert fails(..)`.
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
  cx->updates.emplace_back(old.leaf, std::make_shared<TensorVal>(leaf(stopped), old.type));
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
    expr(*c.args[0].value, s);
    finish_function(*cx, {}, {});
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
