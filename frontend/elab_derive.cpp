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
    case Wrap::jacobian:
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
  Val taker = f.inner;
  while (as<FunctionVal>(taker) && as<FunctionVal>(taker)->what == FunctionVal::wrapped && as<FunctionVal>(taker)->wrap != Wrap::vjp_pull)
    taker = as<FunctionVal>(taker)->inner;  // grad(f) takes what f takes
  if (auto* m = as<ModelVal>(taker))
    if (auto* d = method(*m->decl, "forward")) taker = bound_method(*d, taker);
  const FunctionVal* inner = as<FunctionVal>(taker);
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
  std::vector<int> result_at;
  size_t result_at_next = 0, updates_from = 0;
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
    // Sizes that are only known inside come out as numbers, before the tensors that have them.
    std::set<SymId> own;
    for (const ir::Node& n : cx->b.region_at(0).nodes) {
      if (auto* a = std::get_if<ir::BindAttr>(&n.attr)) own.insert(a->symbol);
      if (auto* a = std::get_if<ir::CallAttr>(&n.attr))
        for (auto& [from, to] : a->fresh) own.insert(to);
    }
    Val target = value;
    if (!own.empty()) {
      const std::function<ir::Type(const ir::Type&)> without = [&](ir::Type t) {
        for (DimId& d : t.shape)
          for (SymId s : dims.symbols(d))
            if (own.count(s)) d = dims.any();
        return t;
      };
      target = rebuild(dynamic(value), [](const Leaf& l, const ir::Type&) { return l; }, nullptr, &without);
    }
    std::vector<ir::Value> results;
    hand_on(value, target, results);
    value = target;
    flatten(value, flat_result);
    for (auto& l : flat_result) {  // where each leaf is among the results
      for (DimId d : l.type.shape) result_at_next += d == dims.any();
      result_at.push_back(static_cast<int>(result_at_next++));
    }
    updates_from = results.size();
    updates = cx->updates;
    std::vector<FlatLeaf> leaves(results.size());
    for (size_t i = 0; i < flat_result.size(); ++i) leaves[static_cast<size_t>(result_at[i])] = flat_result[i];
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
    std::vector<FlatLeaf> seeded;
    for (size_t i = 0; i < flat_result.size(); ++i) {
      if (!is_float(flat_result[i].type.dtype)) continue;
      seeded.push_back(flat_result[i]);
      attr.seeds.push_back(result_at[i]);
      if (kind != Wrap::jvp && flat_result[i].type.unsized(dims))
        error(Code::E0501, loc, "the size of the result is only known inside of what is differentiated",
              "make one number of it: sum(..); or use jvp");
    }
    if (attr.seeds.empty()) error(Code::E0501, loc, "the function gives no float to differentiate");
    if (kind == Wrap::jacobian) {
      std::vector<std::vector<FlatLeaf>> of;
      for (size_t i : wrt) of.push_back(inside[i]);
      std::vector<Val> values;
      for (size_t i : wrt) values.push_back(argv[i]);
      return jacobian(attr, operands, value, seeded, values, of);
    }
    if (kind == Wrap::jvp) {
      for (size_t k = 0; k < wrt.size(); ++k) {
        std::vector<FlatLeaf> have, tangent;
        for (auto& l : inside[wrt[k]]) if (differentiable(l)) have.push_back(l);
        flatten(like(argv[wrt[k]], given[k], loc), tangent);
        std::erase_if(tangent, [](const FlatLeaf& l) { return !differentiable(l); });
        push_like(have, tangent, operands, loc, "the tangent");
      }
    } else {
      std::vector<FlatLeaf> ct;
      flatten(like(value, given[0], loc), ct);
      std::erase_if(ct, [](const FlatLeaf& l) { return !is_float(l.type.dtype); });
      push_like(seeded, ct, operands, loc, "the cotangent");
    }
  }
  cx->b.at(loc);
  std::vector<ir::Value> results = cx->b.emit(ir::Op::derive, operands, attr).results;
  size_t n = 0;
  Val out = receive(value, results, n);
  std::map<Leaf, ir::Value> updated;
  for (size_t i = 0; i < updates.size(); ++i) updated[updates[i].first] = results[updates_from + i];
  n = updates_from + updates.size();
  if (kind == Wrap::jvp) {
    Val dy = rebuild(out, [&](const Leaf& l, const ir::Type& t) {
      if (!is_float(t.dtype)) return l;
      ir::Value tangent = results[n++];
      if (cx->fn->type(tangent).unsized(dims)) tangent = cx->b.one(ir::Op::retype, {tangent}, ir::ShapeAttr{t.shape});
      return leaf(tangent);
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

// `given` for a value of this structure: its numbers take the dtypes that stand there.
Val Elab::like(const Val& value, const Val& given, Loc loc) {
  if (auto* t = as<TensorVal>(value); t && given && is_weak(given) && is_float(t->type.dtype))
    return tensor(to_dtype(given, t->type.dtype, loc));
  if (as<FloatVal>(value) && given && is_weak(given)) return tensor(to_dtype(given, DType::f64, loc));
  auto all = [&](const std::vector<Val>& x, std::vector<Val> y) {
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) y[i] = like(x[i], y[i], loc);
    return y;
  };
  if (auto *x = as<TupleVal>(value), *y = as<TupleVal>(given); x && y)
    return std::make_shared<TupleVal>(all(x->elements, y->elements));
  if (auto *x = as<ListVal>(value), *y = as<ListVal>(given); x && y)
    return std::make_shared<ListVal>(all(x->elements, y->elements));
  if (auto *x = as<RecordVal>(value), *y = as<RecordVal>(given); x && y) {
    std::vector<std::pair<std::string, Val>> fields;  // in the order of the value's own
    for (auto& [n, v] : x->fields)
      if (Val g = y->find(n)) fields.emplace_back(n, like(v, g, loc));
    return std::make_shared<RecordVal>(std::move(fields));
  }
  return given;
}

namespace {

// The structure with each float tensor replaced.
Val replaced(Elab& e, const Val& v, const std::function<Val()>& next, Elab::Met* met = nullptr) {
  if (!v) return v;
  auto all = [&](std::vector<Val> xs) {
    for (auto& x : xs) x = replaced(e, x, next, met);
    return xs;
  };
  if (auto* t = as<TensorVal>(v)) {
    if (!met || !t->share) return is_float(t->type.dtype) ? next() : v;
    auto [it, first] = met->emplace(t->share, v);
    if (first && is_float(t->type.dtype)) it->second = e.one_of_a_kind(next());
    return it->second;
  }
  if (v->kind == Value::real) return next();
  if (auto* t = as<TupleVal>(v)) return std::make_shared<TupleVal>(all(t->elements));
  if (auto* l = as<ListVal>(v)) return std::make_shared<ListVal>(all(l->elements));
  if (auto* r = as<RecordVal>(v)) {
    auto fields = r->fields;
    for (auto& [n, x] : fields) x = replaced(e, x, next, met);
    return std::make_shared<RecordVal>(std::move(fields));
  }
  if (auto* m = as<ModelVal>(v)) {
    auto copy = std::make_shared<ModelVal>(*m);
    Elab::Met mine;
    if (!met) met = &mine;
    for (auto& f : copy->fields)
      if (f.role != ModelField::state) f.value = replaced(e, f.value, next, met);
      else if (auto* t = as<TensorVal>(f.value)) met->emplace(t->share, f.value);
    return copy;
  }
  return v;
}

}  // namespace

// A row per element of each float tensor in the result: the loop of a pull-back over unit cotangents.
// Where the result is y and the argument x, the rows make a tensor of shape(y) and then shape(x).
Val Elab::jacobian(ir::DeriveAttr attr, const std::vector<ir::Value>& operands, const Val& value,
                   const std::vector<FlatLeaf>& results, const std::vector<Val>& arguments,
                   const std::vector<std::vector<FlatLeaf>>& inside) {
  ir::Builder& b = cx->b;
  const std::vector<int> seeds = attr.seeds;
  std::vector<ir::Type> types;  // of the arguments' floats
  for (auto& list : inside)
    for (auto& l : list)
      if (differentiable(l)) types.push_back(l.type);
  size_t at = 0;
  auto rows = [&]() -> Val {
    const ir::Type& y = results[at].type;
    attr.seeds = {seeds[at++]};
    DimId n = dims.constant(1);
    for (DimId d : y.shape) n = dims.mul(n, d);
    std::vector<ir::Value> start{b.integer(0), b.size(n)};
    std::vector<ir::Type> carried{ir::scalar_type(DType::i64)};
    for (ir::Type t : types) {
      t.shape.insert(t.shape.begin(), n);
      carried.push_back(t);
      start.push_back(b.zeros(t));
    }
    std::vector<ir::Value> params = b.open(carried);
    ir::Value i = params[0];
    ir::Value unit = b.scalar(ir::Op::eq, {b.one(ir::Op::iota, {}, ir::IotaAttr{DType::i64, {n}, 0}), b.fill(i, {n})});
    std::vector<ir::Value> all = operands;
    all.push_back(b.reshape(b.convert(unit, y.dtype), y.shape));
    std::vector<ir::Value> given = b.emit(ir::Op::derive, all, attr).results;
    std::vector<ir::Value> next;
    for (size_t k = 0; k < types.size(); ++k) {
      ir::SliceAttr one;
      one.shape = types[k].shape;
      one.shape.insert(one.shape.begin(), dims.constant(1));
      one.strides.assign(one.shape.size(), 1);
      std::vector<ir::Value> put{params[k + 1], b.reshape(given[given.size() - types.size() + k], one.shape), i};
      while (put.size() < one.shape.size() + 2) put.push_back(b.integer(0));
      next.push_back(b.one(ir::Op::update, put, one));
    }
    std::vector<ir::Region> regions;
    regions.push_back(b.close(next));
    std::vector<ir::Value> done = b.emit(ir::Op::for_, start, {}, std::move(regions)).results;
    size_t k = 0;
    std::vector<Val> parts;
    for (auto& v : arguments)
      parts.push_back(replaced(*this, v, [&] {
        std::vector<DimId> shape = y.shape;
        shape.insert(shape.end(), types[k].shape.begin(), types[k].shape.end());
        return tensor(b.reshape(done[k++], shape));
      }));
    return parts.size() == 1 ? parts[0] : std::make_shared<TupleVal>(std::move(parts));
  };
  return replaced(*this, value, rows);
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
