// grad, value_and_grad, jvp, vjp: the function becomes an IR function of its own, and a `derive` node
// stands for its derivative until the pass `differentiate` makes it.
#include "frontend/elab.h"
#include "ir/verify.h"

namespace tenon::elab {
namespace {

// Replaces float tensors that are differentiated by what `take` gives; states by their update.
bool differentiable(const Elab::FlatLeaf& f) {
  return is_float(f.type.dtype) && f.role != ir::Leaf::state;
}

}  // namespace

// Host floats inside tuples, lists and records become f32 tensors: a derivative must not miss them.
Val Elab::floats_as_tensors(const Val& v, Loc loc) {
  switch (v->kind) {
    case Value::real: return tensor(to_dtype(v, DType::f32, loc));
    case Value::weak: return named_value(v);
    case Value::tuple: {
      auto list = as<TupleVal>(v)->elements;
      for (auto& x : list) x = floats_as_tensors(x, loc);
      return std::make_shared<TupleVal>(std::move(list));
    }
    case Value::list: {
      auto list = as<ListVal>(v)->elements;
      for (auto& x : list) x = floats_as_tensors(x, loc);
      return std::make_shared<ListVal>(std::move(list));
    }
    case Value::record: {
      auto fields = as<RecordVal>(v)->fields;
      for (auto& [n, x] : fields) x = floats_as_tensors(x, loc);
      return std::make_shared<RecordVal>(std::move(fields));
    }
    case Value::unit: case Value::poison: case Value::never: case Value::tensor: case Value::integer:
    case Value::string: case Value::range: case Value::sequence: case Value::function: case Value::model:
    case Value::model_class: case Value::dtype: case Value::module:
    case Value::type:
      return v;
  }
  bug("floats_as_tensors: no such kind of value");
}

Val Elab::call_wrapped(const FunctionVal& f, const Args& args) {
  switch (f.wrap) {
    case Wrap::train_mode:
    case Wrap::eval_mode: {
      bool on = f.wrap == Wrap::train_mode;
      Args inner = args;
      for (auto& a : inner.list) a.value = with_training(a.value, on);
      bool before = cx->training;
      cx->training = on;
      struct Back {
        FnCx* c;
        bool v;
        ~Back() { c->training = v; }
      } back{cx, before};
      return call(with_training(f.inner, on), inner);
    }
    case Wrap::grad:
    case Wrap::value_and_grad: return derive(f.wrap, f, args, {});
    case Wrap::vjp_pull: {
      if (args.list.size() != 1) error(Code::E0402, args.loc, "the pull-back takes one argument: the cotangent of the result");
      Args held;
      held.loc = args.loc;
      for (auto& h : f.held) held.list.push_back({"", h, args.loc});
      return derive(f.wrap, f, held, {args.list[0].value});
    }
    case Wrap::jvp: break;
  }
  bug("call_wrapped: no such wrap");
}

Val Elab::derive(Wrap kind, const FunctionVal& f, const Args& args, const std::vector<Val>& given) {
  Loc loc = args.loc;
  // The arguments in order, as the function itself would take them.
  std::vector<Val> argv;
  std::vector<std::string> names;
  const FunctionVal* inner = as<FunctionVal>(f.inner);
  while (inner && inner->what == FunctionVal::wrapped && inner->wrap != Wrap::vjp_pull)
    inner = as<FunctionVal>(inner->inner);  // grad(f) takes what f takes
  if (inner && (inner->what == FunctionVal::named || inner->what == FunctionVal::lambda)) {
    Callee c = callee_of(*inner);
    Bound b = bind_args(c, args);
    argv = b.values;
    for (auto& p : c.sig->params) names.push_back(p.id.text);
  } else {
    for (auto& a : args.list) {
      if (!a.name.empty()) error(Code::E0402, a.loc, "arguments of this function go by position");
      argv.push_back(a.value);
    }
  }
  if (argv.empty()) error(Code::E0402, loc, "there is nothing to differentiate with respect to");
  std::vector<size_t> wrt;
  if (f.wrt.empty()) wrt = {0};
  for (auto& w : f.wrt) {
    size_t i = 0;
    while (i < names.size() && names[i] != w) ++i;
    if (i == names.size()) error(Code::E0402, loc, "the function has no parameter `" + w + "` to differentiate with respect to");
    wrt.push_back(i);
  }
  for (size_t i : wrt) {
    if (argv[i]->kind == Value::integer)
      error(Code::E0501, loc, "there is no derivative with respect to a whole number", "write a float: 2.0");
    // An untyped parameter sees a float as a tensor of its own.
    argv[i] = floats_as_tensors(argv[i], loc);
  }

  // The function of the leaves.
  ir::FnId id;
  std::unique_ptr<FnCx> mine = new_cx(inner && inner->what == FunctionVal::named ? inner->decl->id.text : "fn", loc, id);
  FnCx* outer = cx;
  mine->pure_only = true;
  mine->training = outer->training;
  Val value;
  std::vector<FlatLeaf> flat_result;
  std::vector<std::vector<FlatLeaf>> inside(argv.size());  // leaves of the arguments in `mine`
  size_t updates_from = 0;
  std::vector<std::pair<Leaf, Val>> updates;
  {
    struct Enter {
      Elab& e;
      FnCx* outer;
      ~Enter() {
        e.stack.pop_back();
        e.cx = outer;
      }
    } enter{*this, outer};
    cx = mine.get();
    stack.push_back(cx);
    cx->b.at(loc);
    Args again;
    again.loc = loc;
    Instance scratch;
    ParamCx p;
    p.inst = &scratch;
    for (size_t i = 0; i < argv.size(); ++i) {
      std::string path = i < names.size() ? names[i] : "";
      Val v = parameter(nullptr, argv[i], p, path);
      flatten(v, inside[i], path);
      if (kind != Wrap::jvp)
        for (size_t w : wrt)
          if (w == i) v = with_training(v, true);
      if (kind == Wrap::jvp) v = with_training(v, true);
      again.list.push_back({"", v, loc});
    }
    size_t errors = messages.size();
    value = call(f.inner, again);
    if (messages.size() > errors || is_poison(value)) throw Reported{};
    flatten(value, flat_result);
    std::vector<ir::Value> results;
    for (auto& r : flat_result) results.push_back(use(r.leaf, r.type));
    size_t n = 0;
    value = rebuild(value, [&](const Leaf&, const ir::Type&) { return leaf(results[n++]); });
    updates_from = results.size();
    updates = cx->updates;
    std::vector<FlatLeaf> leaves = flat_result;
    for (auto& [l, v] : updates) {
      const auto& t = *as<TensorVal>(v);
      results.push_back(use(t));
      leaves.push_back({leaf(results.back()), t.type, "", ir::Leaf::state});
    }
    finish_function(*cx, results, leaves);
    if (std::string wrong = ir::verify(module, *mine->fn); !wrong.empty()) bug("derive: " + wrong);
  }
  cx->b.at(loc);

  // What is differentiated: a float scalar, alone or first in a tuple.
  bool scalar_only = kind == Wrap::grad || kind == Wrap::value_and_grad;
  Val head = value;
  if (auto* t = as<TupleVal>(value); t && !t->elements.empty()) head = t->elements[0];
  bool ok_head = (as<TensorVal>(head) && as<TensorVal>(head)->type.scalar() && is_float(as<TensorVal>(head)->type.dtype)) ||
                 (as<FloatVal>(head) && !as<FloatVal>(head)->known);
  if (auto* k = as<FloatVal>(head); scalar_only && k && k->known)
    error(Code::E0501, loc, "what is differentiated gives the same number whatever it is given",
          "its result does not depend on what it is differentiated with respect to");
  if (scalar_only && !ok_head)
    error(Code::E0501, loc, "what is differentiated gives one float, but this gives " + type_text(value),
          as<TensorVal>(head) && !as<TensorVal>(head)->type.scalar() ? "sum or mean makes one number of it; jvp and vjp take any result" : "");
  if (kind == Wrap::grad && value->kind == Value::tuple)
    error(Code::E0501, loc, "this function gives a tuple", "value_and_grad differentiates its first part and passes the rest through");
  ir::DeriveAttr attr;
  attr.mode = kind == Wrap::jvp ? ir::DeriveAttr::jvp : ir::DeriveAttr::vjp;
  attr.fn = id;
  for (SymId s : mine->fn->sizes) attr.dims.push_back(dims.symbol(s));
  std::vector<ir::Value> operands;
  int at = 0;
  std::vector<char> is_wrt(argv.size(), 0);
  for (size_t i : wrt) is_wrt[i] = 1;
  std::vector<std::vector<int>> wrt_params(argv.size());
  for (size_t i = 0; i < argv.size(); ++i) {
    leaf_values(argv[i], operands);
    for (auto& l : inside[i]) {
      if (is_wrt[i] && differentiable(l)) wrt_params[i].push_back(at);
      ++at;
    }
  }
  for (size_t i : wrt) {
    if (wrt_params[i].empty())
      error(Code::E0501, loc, "there is no float in " + type_text(argv[i]) + " to differentiate with respect to",
            as<ModelVal>(argv[i]) ? "the model has no param" : "cast(x, f32) makes floats of integers");
    attr.wrt.insert(attr.wrt.end(), wrt_params[i].begin(), wrt_params[i].end());
  }
  for (auto& [from, v] : mine->imports)
    operands.push_back(from.owner == kKeyOwner ? next_key() : use(from, mine->fn->type(v)));
  if (scalar_only) {
    attr.seeds = {0};
    operands.push_back(cx->b.number(flat_result[0].type.dtype, 1.0));
  } else {
    for (size_t i = 0; i < flat_result.size(); ++i)
      if (is_float(flat_result[i].type.dtype)) attr.seeds.push_back(static_cast<int>(i));
    if (attr.seeds.empty()) error(Code::E0501, loc, "the function gives no float to differentiate");
    if (kind == Wrap::jvp) {
      for (size_t k = 0; k < wrt.size(); ++k) {
        std::vector<FlatLeaf> have, tangent;
        for (auto& l : inside[wrt[k]]) if (differentiable(l)) have.push_back(l);
        Val g = given[k];
        if (is_weak(g) && have.size() == 1) g = tensor(to_dtype(g, have[0].type.dtype, loc));
        flatten(g, tangent);
        std::erase_if(tangent, [](const FlatLeaf& l) { return !differentiable(l); });
        push_like(have, tangent, operands, loc, "the tangent");
      }
    } else {
      std::vector<FlatLeaf> have, ct;
      for (int i : attr.seeds) have.push_back(flat_result[i]);
      Val g = given[0];
      if (is_weak(g) && have.size() == 1) g = tensor(to_dtype(g, have[0].type.dtype, loc));
      flatten(g, ct);
      std::erase_if(ct, [](const FlatLeaf& l) { return !is_float(l.type.dtype); });
      push_like(have, ct, operands, loc, "the cotangent");
    }
  }
  cx->b.at(loc);
  std::vector<ir::Value> results = cx->b.emit(ir::Op::derive, operands, attr).results;
  size_t n = 0;
  auto take = [&](const Leaf&, const ir::Type&) { return leaf(results[n++]); };
  Val out = rebuild(value, take);
  std::map<Leaf, ir::Value> updated;
  for (size_t i = 0; i < updates.size(); ++i) updated[updates[i].first] = results[updates_from + i];
  n = updates_from + updates.size();
  if (kind == Wrap::jvp) {
    size_t k = 0;
    Val dy = rebuild(value, [&](const Leaf&, const ir::Type& t) {
      size_t i = k++;
      if (is_float(t.dtype)) return leaf(results[n++]);
      return leaf(results[i]);
    });
    return std::make_shared<TupleVal>(std::vector<Val>{out, dy});
  }
  std::vector<Val> grads;
  for (size_t i : wrt) {
    size_t k = 0;
    std::vector<FlatLeaf> mine_leaves;
    flatten(argv[i], mine_leaves);
    grads.push_back(rebuild(argv[i], [&](const Leaf& own, const ir::Type&) {
      const FlatLeaf& l = inside[i][k++];
      if (differentiable(l)) return leaf(results[n++]);
      if (auto it = updated.find(l.leaf); it != updated.end()) return leaf(it->second);
      return own;
    }));
  }
  Val g = grads.size() == 1 ? grads[0] : std::make_shared<TupleVal>(grads);
  if (kind == Wrap::value_and_grad) return std::make_shared<TupleVal>(std::vector<Val>{out, g});
  return g;
}

// Tangents or cotangents, one per leaf and of its type.
void Elab::push_like(const std::vector<FlatLeaf>& want, const std::vector<FlatLeaf>& have,
                     std::vector<ir::Value>& operands, Loc loc, const std::string& what) {
  bool same = want.size() == have.size();
  for (size_t i = 0; same && i < want.size(); ++i)
    same = want[i].type.dtype == have[i].type.dtype && want[i].type.rank() == have[i].type.rank();
  if (!same) {
    std::string w, h;
    for (auto& l : want) w += (w.empty() ? "" : ", ") + type_text(l.type);
    for (auto& l : have) h += (h.empty() ? "" : ", ") + type_text(l.type);
    error(Code::E0401, loc, what + " must have the structure (" + w + "), but this is (" + h + ")");
  }
  for (size_t i = 0; i < want.size(); ++i) {
    bool checked = false;
    for (size_t k = 0; k < want[i].type.rank(); ++k)
      checked |= require_equal(have[i].type.shape[k], want[i].type.shape[k], loc, "a size of " + what + " differs", "", {}) == Sizes::checked;
    ir::Value v = use(have[i].leaf, have[i].type);
    operands.push_back(checked ? reshape_as(v, want[i].type.shape) : v);
  }
}

}  // namespace tenon::elab
