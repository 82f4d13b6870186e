// Primitives on programs and structures: derivatives, randomness, text, data.
// Names that begin with _ are for the library only.
#include <charconv>
#include <limits>

#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

// ---- structures

// What one tensor of a model has become, for the other places that hold it.
struct Once {
  std::vector<Val> given;
  Val made;
};
using Met = std::map<uint32_t, Once>;
bool same_place(const Val& a, const Val& b) {
  auto *x = as<TensorVal>(a), *y = as<TensorVal>(b);
  return a == b || (x && y && (x->share ? x->share == y->share : x->leaf == y->leaf));
}

template <class F>
Val each_float(Elab& e, const std::vector<Val>& vs, Loc loc, F f, Met* met = nullptr) {
  const Val& v = vs[0];
  if (!v) return v;
  auto same = [&](const Val& other, Value::Kind k) {
    if (!other || other->kind != k)
      e.error(Code::E0401, loc, "the values have different structures: " + e.type_text(v) + " and " +
              (other ? e.type_text(other) : "nothing"));
  };
  for (auto& x : vs)
    if (!x) e.error(Code::E0401, loc, "the values have different structures: a part of one is left out of another");
  auto list = [&](auto get) {
    std::vector<Val> out;
    for (size_t i = 0; i < get(v).size(); ++i) {
      std::vector<Val> part;
      for (auto& x : vs) {
        same(x, v->kind);
        if (get(x).size() != get(v).size()) e.error(Code::E0401, loc, "the values have different numbers of parts");
        part.push_back(get(x)[i]);
      }
      out.push_back(each_float(e, part, loc, f, met));
    }
    return out;
  };
  switch (v->kind) {
    case Value::tensor: {
      const auto& t = *as<TensorVal>(v);
      if (!met || !t.share) return is_float(t.type.dtype) ? f(vs) : v;
      auto [it, first] = met->emplace(t.share, Once{vs, nullptr});
      if (first) it->second.made = is_float(t.type.dtype) ? e.one_of_a_kind(f(vs)) : v;
      for (size_t i = 1; i < vs.size(); ++i)
        if (!same_place(it->second.given[i], vs[i]))
          e.error(Code::E0401, loc, "the values have different structures: what is one tensor in the first is two in another",
                  "a part that was assigned to is shared no longer");
      return it->second.made;
    }
    case Value::weak: return f(vs);
    case Value::tuple: return std::make_shared<TupleVal>(list([](const Val& x) -> const std::vector<Val>& { return as<TupleVal>(x)->elements; }));
    case Value::list: return std::make_shared<ListVal>(list([](const Val& x) -> const std::vector<Val>& { return as<ListVal>(x)->elements; }));
    case Value::record: {
      auto fields = as<RecordVal>(v)->fields;
      for (auto& [n, x] : fields) {
        std::vector<Val> part;
        for (auto& o : vs) {
          same(o, v->kind);
          Val p = as<RecordVal>(o)->find(n);
          if (!p) e.error(Code::E0401, loc, "one record has no field `" + n + "`");
          part.push_back(p);
        }
        x = each_float(e, part, loc, f, met);
      }
      return std::make_shared<RecordVal>(std::move(fields));
    }
    case Value::model: {
      auto m = std::make_shared<ModelVal>(*as<ModelVal>(v));
      for (auto& o : vs) {
        same(o, v->kind);
        if (as<ModelVal>(o)->decl != m->decl) e.error(Code::E0401, loc, "these are different models: " + e.type_text(v) + " and " + e.type_text(o));
      }
      Met mine;
      if (!met) met = &mine;
      for (size_t i = 0; i < m->fields.size(); ++i) {
        Val& value = m->fields[i].value;
        if (!value) continue;
        std::vector<Val> part;
        for (auto& o : vs) part.push_back(as<ModelVal>(o)->fields[i].value);
        if (m->fields[i].role == ModelField::state) {
          // Carried over (rule 1): in map(f, net, g) the gradient stands last and has the new states.
          auto* t = as<TensorVal>(value);
          const uint32_t share = t ? t->share : 0;
          if (part.back()) value = part.back();
          if (share) value = met->emplace(share, Once{part, e.one_of_a_kind(value)}).first->second.made;
          continue;
        }
        value = each_float(e, part, loc, f, met);
      }
      return m;
    }
    default: return v;
  }
}

Val map_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "map", {});
  if (a.values.size() < 2) e.error(Code::E0402, args.loc, "`map` takes a function and one or more values of one structure");
  Val f = a.values[0];
  for (size_t i = 1; i < a.values.size(); ++i) a.values[i] = e.floats_as_tensors(a.values[i], a.locs[i]);
  return each_float(e, {a.values.begin() + 1, a.values.end()}, args.loc, [&](const std::vector<Val>& leaves) {
    Args inner;
    inner.loc = args.loc;
    for (auto& l : leaves) inner.list.push_back({"", l, args.loc});
    return e.call(f, inner);
  });
}

Val leaves_fn(Elab& e, const Args& args) {
  Taken a(e, args, "leaves", {"x"}, 1);
  std::vector<Val> out;
  each_float(e, {e.floats_as_tensors(a[0], a.loc(0))}, args.loc, [&](const std::vector<Val>& l) {  // as map does
    out.push_back(l[0]);
    return l[0];
  });
  return std::make_shared<TupleVal>(std::move(out));
}

Val stop_fn(Elab& e, const Args& args) {
  Taken a(e, args, "stop_gradient", {"x"}, 1);
  return e.rebuild(a[0], [&](const Leaf& l, const ir::Type& t) {
    if (!is_float(t.dtype)) return l;
    ir::Value v = e.use(l, t);
    e.cx->b.at(args.loc);
    return e.leaf(e.cx->b.one(ir::Op::stop_gradient, {v}));
  });
}

Val parameters_fn(Elab& e, const Args& args) {
  Taken a(e, args, "parameters", {"net"}, 1);
  std::vector<Elab::FlatLeaf> flat;
  e.flatten(a[0], flat);
  DimId n = e.dims.constant(0);
  for (auto& f : flat) {
    if (f.role != ir::Leaf::param) continue;
    DimId c = e.dims.constant(1);
    for (DimId d : f.type.shape) c = e.dims.mul(c, d);
    n = e.dims.add(n, c);
  }
  return std::make_shared<IntVal>(n);
}

// ---- derivatives and modes

Val wrapped(Wrap kind, const Val& f, Elab& e, Loc loc, const Val& wrt) {
  if (f->kind != Value::function && f->kind != Value::model && f->kind != Value::model_class)
    e.error(Code::E0401, loc, "a function is needed here, but this is " + e.type_text(f),
            e.is_numberlike(f) ? "differentiate the function, not its result: grad(f)(x)" : "");
  auto w = std::make_shared<FunctionVal>(FunctionVal::wrapped);
  w->wrap = kind;
  w->inner = f;
  if (wrt) {
    std::vector<Val> list{wrt};
    if (auto* t = as<TupleVal>(wrt)) list = t->elements;
    for (auto& v : list) {
      if (v->kind != Value::string)
        e.error(Code::E0401, loc, "`wrt` is a string, the name of a parameter, but this is " + e.type_text(v),
                "the derivative is a function, called in turn: grad(f)(x)");
      w->wrt.push_back(e.static_string(v, loc, "`wrt`"));
    }
  }
  return w;
}
Val grad_fn(Elab& e, const Args& args) {
  Taken a(e, args, "grad", {"f", "wrt"}, 1);
  return wrapped(Wrap::grad, a[0], e, a.loc(0), a[1]);
}
Val value_and_grad_fn(Elab& e, const Args& args) {
  Taken a(e, args, "value_and_grad", {"f", "wrt"}, 1);
  return wrapped(Wrap::value_and_grad, a[0], e, a.loc(0), a[1]);
}
Val train_mode_fn(Elab& e, const Args& args) {
  Taken a(e, args, "train_mode", {"f"}, 1);
  return wrapped(Wrap::train_mode, a[0], e, a.loc(0), nullptr);
}
Val eval_mode_fn(Elab& e, const Args& args) {
  Taken a(e, args, "eval_mode", {"f"}, 1);
  return wrapped(Wrap::eval_mode, a[0], e, a.loc(0), nullptr);
}
Val jacobian_fn(Elab& e, const Args& args) {
  Taken a(e, args, "jacobian", {"f", "wrt"}, 1);
  return wrapped(Wrap::jacobian, a[0], e, a.loc(0), a[1]);
}
Val hessian_fn(Elab& e, const Args& args) {
  Taken a(e, args, "hessian", {"f", "wrt"}, 1);
  return wrapped(Wrap::jacobian, wrapped(Wrap::grad, a[0], e, a.loc(0), a[1]), e, a.loc(0), a[1]);
}
// A function of several parameters takes them as a tuple here: jvp(f, (a, b), (da, db)), vjp(f, (a, b)).
std::vector<std::string> parameters_given(const Val& f, const Val& x) {
  auto* t = as<TupleVal>(x);
  auto* fn = as<FunctionVal>(f);
  while (fn && fn->what == FunctionVal::wrapped && fn->wrap != Wrap::vjp_pull) fn = as<FunctionVal>(fn->inner);
  const ast::FnSig* sig = !fn || !t ? nullptr : fn->what == FunctionVal::named ? &fn->decl->sig
                          : fn->what == FunctionVal::lambda ? &fn->fn->sig : nullptr;
  std::vector<std::string> names;
  if (!sig || sig->params.size() < 2 || t->elements.size() < 2 || t->elements.size() > sig->params.size()) return names;
  for (size_t i = 0; i < t->elements.size(); ++i) names.push_back(sig->params[i].id.text);
  return names;
}
Args spread(const Val& x, bool several, Loc loc, Loc all) {
  Args out{{}, all};
  if (!several) out.list.push_back({"", x, loc});
  else for (auto& v : as<TupleVal>(x)->elements) out.list.push_back({"", v, loc});
  return out;
}
Val jvp_fn(Elab& e, const Args& args) {
  Taken a(e, args, "jvp", {"f", "x", "dx"}, 3);
  auto w = std::make_shared<FunctionVal>(*as<FunctionVal>(wrapped(Wrap::jvp, a[0], e, a.loc(0), nullptr)));
  w->wrt = parameters_given(a[0], a[1]);
  std::vector<Val> given{a[2]};
  if (!w->wrt.empty()) {
    auto* t = as<TupleVal>(a[2]);
    if (!t || t->elements.size() != w->wrt.size())
      e.error(Code::E0401, a.loc(2), "a tangent for each of the " + std::to_string(w->wrt.size()) + " arguments is needed, but this is " + e.type_text(a[2]));
    given = t->elements;
  }
  return e.derive(Wrap::jvp, *w, spread(a[1], !w->wrt.empty(), a.loc(1), args.loc), given);
}
Val vjp_fn(Elab& e, const Args& args) {
  Taken a(e, args, "vjp", {"f", "x"}, 2);
  auto pull = std::make_shared<FunctionVal>(*as<FunctionVal>(wrapped(Wrap::vjp_pull, a[0], e, a.loc(0), nullptr)));
  pull->wrt = parameters_given(a[0], a[1]);
  Args given = spread(e.named_value(a[1]), !pull->wrt.empty(), a.loc(1), args.loc);
  Val y = e.call(a[0], given);
  for (auto& g : given.list) pull->held.push_back(e.named_value(g.value));
  return std::make_shared<TupleVal>(std::vector<Val>{y, pull});
}

// ---- randomness

Val draw_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "draw", {"dtype"});
  if (a.values.empty()) e.error(Code::E0402, args.loc, "`draw` takes a distribution and sizes");
  ir::Type t = ir::scalar_type(DType::f32);
  if (a.named[0]) {
    if (auto* d = as<DTypeVal>(a.named[0])) t.dtype = d->value;
    else e.error(Code::E0401, args.loc, "`dtype` is a dtype");
  }
  std::vector<Val> sizes(a.values.begin() + 1, a.values.end());
  if (sizes.size() == 1)
    if (auto* tuple = as<TupleVal>(sizes[0])) sizes = tuple->elements;
  for (auto& v : sizes) {
    if (v->kind != Value::integer) e.error(Code::E0401, args.loc, "`draw` takes sizes, but this is " + e.type_text(v));
    t.shape.push_back(e.int_dim(*as<IntVal>(v)));
  }
  return e.draw(a.values[0], t, args.loc);
}
// Small seeds are no keys of the generator (it wants many different digits): spread them first.
ir::Value mixed_seed(Elab& e, ir::Value seed) {
  ir::Value spread = e.cx->b.scalar(ir::Op::mul, {seed, e.cx->b.integer(kSeedFactor)});
  return e.cx->b.scalar(ir::Op::add, {spread, e.cx->b.integer(kSeedOffset)});
}
// _bits(seed, step, n): i64[n] of 64 random bits, of these numbers alone
Val bits_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_bits", {"seed", "step", "n"}, 3);
  for (int i = 0; i < 3; ++i)
    if (a[i]->kind != Value::integer) e.error(Code::E0401, a.loc(i), "an int is needed here, but this is " + e.type_text(a[i]));
  ir::Value seed = e.int_value(*as<IntVal>(a[0])), step = e.int_value(*as<IntVal>(a[1]));
  DimId n = e.int_dim(*as<IntVal>(a[2]));
  ir::Value key = e.cx->b.scalar(ir::Op::rng, {mixed_seed(e, seed), step});
  ir::Value at = e.cx->b.one(ir::Op::iota, {}, ir::IotaAttr{DType::i64, {n}, 0});
  return e.tensor(e.cx->b.scalar(ir::Op::rng, {e.cx->b.fill(key, {n}), at}));
}
// _mix(bits, n): i64 of other bits for each of `bits`, which must be random themselves: the n-th of each
Val mix_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_mix", {"bits", "n"}, 2);
  Val v = a[0];
  const TensorVal t = e.as_tensor(v, a.loc(0));
  if (t.type.dtype != DType::i64) e.error(Code::E0401, a.loc(0), "`_mix` takes i64, but this is " + e.type_text(t.type));
  ir::Value n = e.to_dtype(a[1], DType::i64, a.loc(1));
  return e.tensor(e.cx->b.scalar(ir::Op::rng, {e.use(t), e.cx->b.fill(n, t.type.shape)}));
}
// seed(7): the top level's draws from here on depend on it, and not on --seed
Val seed_fn(Elab& e, const Args& args) {
  Taken a(e, args, "seed", {"seed"}, 1);
  e.require_effect(args.loc, "`seed`");
  if (a[0]->kind != Value::integer) e.error(Code::E0401, a.loc(0), "a seed is an int, but this is " + e.type_text(a[0]));
  e.cx->key = mixed_seed(e, e.int_value(*as<IntVal>(a[0])));
  return e.unit();
}
// Random bits like those a draw takes, for dropout and its kind.
Val random_bits_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "random_bits", {});
  std::vector<Val> sizes = a.values;
  if (sizes.size() == 1)
    if (auto* tuple = as<TupleVal>(sizes[0])) sizes = tuple->elements;
  std::vector<DimId> shape;
  for (auto& v : sizes) {
    if (v->kind != Value::integer) e.error(Code::E0401, args.loc, "`random_bits` takes sizes");
    shape.push_back(e.int_dim(*as<IntVal>(v)));
  }
  return e.random_bits(shape, args.loc);
}

// ---- sequences and static questions

Val sequence_fn(Elab& e, const Args& args) {
  Taken a(e, args, "sequence", {"count", "get"}, 2);
  if (a[0]->kind != Value::integer) e.error(Code::E0401, a.loc(0), "the length of a sequence is an int");
  return std::make_shared<SequenceVal>(a[0], a[1]);
}
// tuple(count, get): the tuple of get(0), get(1), .., of a length known while compiling. What a shape is
// computed with, and how a function gives a number of parts that an argument says.
Val tuple_fn(Elab& e, const Args& args) {
  Taken a(e, args, "tuple", {"count", "get"}, 2);
  int64_t count = e.static_int(a[0], a.loc(0), "the length of a tuple");
  if (count < 0 || count > 1024) e.error(Code::E0401, a.loc(0), "the length of a tuple is from 0 to 1024, but this is " + std::to_string(count));
  std::vector<Val> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(e.call(a[1], Args{{{"", e.integer(i), a.loc(1)}}, args.loc}));
  return std::make_shared<TupleVal>(std::move(out));
}
Val is_function_fn(Elab& e, const Args& args) {
  Taken a(e, args, "is_function", {"x"}, 1);
  return e.boolean(a[0]->kind == Value::function);
}
// _static(x): an int or a bool that is known when compiling; where it is an argument, each value of it
// makes an instance of its own, and a loop whose counter it is is repeated turn by turn.
Val static_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_static", {"x"}, 1);
  if (a[0]->kind == Value::integer) return e.integer(e.static_int(a[0], a.loc(0), "this size"));
  return e.boolean(e.static_bool(a[0], a.loc(0), "this"));
}
Val is_list_fn(Elab& e, const Args& args) {
  Taken a(e, args, "is_list", {"x"}, 1);
  return e.boolean(a[0]->kind == Value::list || a[0]->kind == Value::tuple);
}
Val is_string_fn(Elab& e, const Args& args) {
  Taken a(e, args, "is_string", {"x"}, 1);
  return e.boolean(a[0]->kind == Value::string);
}
// _has(args.., "name"): whether a record has the field
Val has_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_has", {"record", "name"}, 2);
  auto* r = as<RecordVal>(a[0]);
  return e.boolean(r && r->find(e.static_string(a[1], a.loc(1), "`name`")));
}
Val is_empty_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_is_empty", {"x"}, 1);
  auto* r = as<RecordVal>(a[0]);
  return e.boolean(r && r->fields.empty());
}
// _through(x, parts): parts[n - 1](.. parts[0](x)). What goes from one to the next may change its type,
// which a loop over the list does not allow.
Val through_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_through", {"x", "parts"}, 2);
  const auto* list = as<ListVal>(a[1]);
  const auto* tuple = as<TupleVal>(a[1]);
  if (!list && !tuple)
    e.error(Code::E0402, a.loc(1), "the parts are a list of models and functions, but this is " + e.type_text(a[1]),
            "nn.Sequential([Linear(4, 8), relu])");
  Val x = a[0];
  for (const Val& part : list ? list->elements : tuple->elements)
    x = e.call(part, Args{{{"", x, args.loc}}, args.loc});
  return x;
}
// _fields(record): a list of (name, value); _get(x, name) and _with(x, name, value): a field of a record or model
Val fields_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_fields", {"record"}, 1);
  auto* r = as<RecordVal>(a[0]);
  if (!r) e.error(Code::E0401, a.loc(0), "a record is needed here: {body: .., head: ..}, but this is " + e.type_text(a[0]));
  std::vector<Val> out;
  for (auto& [n, v] : r->fields) out.push_back(std::make_shared<TupleVal>(std::vector<Val>{e.string(n), v}));
  return std::make_shared<ListVal>(std::move(out));
}
Val get_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_get", {"x", "name"}, 2);
  return e.member(a[0], ast::Name{e.static_string(a[1], a.loc(1), "`name`"), a.loc(0)}, a.loc(0));
}
Val with_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_with", {"x", "name", "value"}, 3);
  std::string name = e.static_string(a[1], a.loc(1), "`name`");
  if (auto* m = as<ModelVal>(a[0])) {
    // It is for the library's functions that treat the parts of a model apart; a shared tensor would fall apart.
    for (auto& [share, places] : e.shared_places(a[0])) {
      auto inside = [&](const std::string& p) { return p == name || p.starts_with(name + "."); };
      const auto within = std::count_if(places.begin(), places.end(), inside);
      if (within && static_cast<size_t>(within) < places.size())
        e.error(Code::E0401, args.loc, "`" + *std::find_if(places.begin(), places.end(), inside) + "` and `" +
                *std::find_if_not(places.begin(), places.end(), inside) + "` are one tensor, which cannot be treated in two ways",
                "let one part have both");
    }
    return e.with_field(*m, name, a[2]);
  }
  auto fields = as<RecordVal>(a[0])->fields;
  for (auto& [n, v] : fields)
    if (n == name) v = a[2];
  return std::make_shared<RecordVal>(std::move(fields));
}
// _merge(a, b): a record with the fields of both
Val merge_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_merge", {"a", "b"}, 2);
  auto *x = as<RecordVal>(a[0]), *y = as<RecordVal>(a[1]);
  if (!x || !y) e.error(Code::E0401, args.loc, "`_merge` joins records");
  auto fields = x->fields;
  fields.insert(fields.end(), y->fields.begin(), y->fields.end());
  return std::make_shared<RecordVal>(std::move(fields));
}
// A range as a sequence, so that what works on sequences works on ranges.
Args with_sequences(Elab& e, const Args& args) {
  Args out = args;
  for (auto& a : out.list)
    if (auto* r = as<RangeVal>(a.value))
      a.value = e.call(e.name_value("_range", args.loc, e.library_), Args{{{"", r->lo, a.loc}, {"", r->hi, a.loc}}, args.loc});
  return out;
}
Val reverse_fn(Elab& e, const Args& args) {
  Taken a(e, args, "reverse", {"x"}, 1);
  if (auto* l = as<ListVal>(a[0])) return std::make_shared<ListVal>(std::vector<Val>(l->elements.rbegin(), l->elements.rend()));
  if (auto* t = as<TupleVal>(a[0])) return std::make_shared<TupleVal>(std::vector<Val>(t->elements.rbegin(), t->elements.rend()));
  return e.call(e.name_value("_reverse", args.loc, e.library_), with_sequences(e, args));
}
Val enumerate_fn(Elab& e, const Args& args) {
  Taken a(e, args, "enumerate", {"x"}, 1);
  std::vector<Val> list;
  if (auto* l = as<ListVal>(a[0])) list = l->elements;
  else if (auto* t = as<TupleVal>(a[0])) list = t->elements;
  else return e.call(e.name_value("_enumerate", args.loc, e.library_), with_sequences(e, args));
  std::vector<Val> out;
  for (size_t i = 0; i < list.size(); ++i)
    out.push_back(std::make_shared<TupleVal>(std::vector<Val>{e.integer(static_cast<int64_t>(i)), list[i]}));
  return std::make_shared<ListVal>(std::move(out));
}
Val zip_fn(Elab& e, const Args& args) {
  Taken a(e, args, "zip", {"a", "b"}, 2);
  auto list = [](const Val& v) -> std::optional<std::vector<Val>> {
    if (auto* l = as<ListVal>(v)) return l->elements;
    if (auto* t = as<TupleVal>(v)) return t->elements;
    return std::nullopt;
  };
  auto x = list(a[0]), y = list(a[1]);
  if (x && y) {
    if (x->size() != y->size()) e.error(Code::E0401, args.loc, "`zip` of lists of " + std::to_string(x->size()) + " and " + std::to_string(y->size()));
    std::vector<Val> out;
    for (size_t i = 0; i < x->size(); ++i) out.push_back(std::make_shared<TupleVal>(std::vector<Val>{(*x)[i], (*y)[i]}));
    return std::make_shared<ListVal>(std::move(out));
  }
  return e.call(e.name_value("_zip", args.loc, e.library_), with_sequences(e, args));
}

// ---- text and effects

Val print_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "print", {});
  std::vector<TextPiece> pieces;
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (i) pieces.push_back({" ", nullptr, ""});
    e.show(a.values[i], "", pieces, a.locs[i]);
  }
  e.emit_text("print", pieces, args.loc);
  return e.unit();
}
Val debug_fn(Elab& e, const Args& args) {
  TakenRest a(e, args, "debug", {});
  std::vector<TextPiece> pieces;
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (i) pieces.push_back({" ", nullptr, ""});
    e.show(a.values[i], "", pieces, a.locs[i]);
  }
  std::vector<ir::Value> operands;
  std::string text = e.holes(pieces, operands);
  e.cx->b.at(args.loc);
  e.cx->b.emit(ir::Op::debug, operands, ir::TextAttr{text});
  return a.values.size() == 1 ? a.values[0] : e.unit();
}
Val failing(Elab& e, const Args& args, Code code) {
  TakenRest a(e, args, "fail", {});
  std::vector<TextPiece> pieces;
  for (size_t i = 0; i < a.values.size(); ++i) e.show(a.values[i], "", pieces, a.locs[i]);
  std::vector<ir::Value> operands{e.cx->b.boolean(false)};
  std::string text = e.holes(pieces, operands);
  e.cx->b.at(args.loc);
  e.cx->b.emit(ir::Op::check, operands, ir::CheckAttr{code, text, "", Fault::data});
  return std::make_shared<NeverVal>();
}
Val fail_fn(Elab& e, const Args& args) { return failing(e, args, Code::E0804); }
// _out_of_range(text): what indexing says in words of its own
Val out_of_range_fn(Elab& e, const Args& args) { return failing(e, args, Code::E0802); }
// _refuse(text): an error of the program, found while compiling it: an option that does not exist
Val refuse_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_refuse", {"text"}, 1);
  e.error(Code::E0402, args.loc, e.static_string(a[0], a.loc(0), "`text`"));
}

// _check(ok, text): what an argument of a library function has to be. The message is about the call.
Val check_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_check", {"ok", "text"}, 2);
  std::vector<TextPiece> pieces = e.pieces_of(a[1], args.loc);
  auto ok = e.known_bool(a[0]);
  if (ok && *ok) return e.unit();
  std::string known;
  for (const TextPiece& p : pieces) {
    auto i = p.hole ? e.known_int(p.hole) : std::nullopt;
    auto* f = as<FloatVal>(p.hole);
    if (!p.hole) known += p.text;
    else if (i) known += std::to_string(*i);
    else if (f && f->known) {
      char text[32];
      known.append(text, std::to_chars(text, text + sizeof text, *f->known).ptr);
    } else ok = std::nullopt;  // the number has to come from the run
  }
  if (ok) e.error(Code::E0402, args.loc, known);
  Val value = a[0];
  std::vector<ir::Value> operands{e.use(e.as_tensor(value, a.loc(0)))};
  const std::string text = e.holes(pieces, operands);
  e.cx->b.at(args.loc);
  e.cx->b.emit(ir::Op::check, operands, ir::CheckAttr{Code::E0402, text, "", Fault::data});
  return e.unit();
}

// close(a, b, rtol, atol, nan): |a - b| <= atol + rtol*|b|, everywhere, for every part of a structure
Val close_values(Elab& e, const Val& a, const Val& b, const Val& rtol, const Val& atol, bool nan, Loc loc) {
  using Op = ast::BinaryOp;
  if (e.is_numberlike(a) && e.is_numberlike(b)) {
    bool weak = e.is_weak(a) && e.is_weak(b);
    auto o = e.together({a, b}, {loc, loc}, loc, "close", weak ? std::optional(DType::f64) : std::nullopt);
    if (!is_float(o.dtype)) return e.equal(a, b, loc);
    double r = o.dtype == DType::f64 ? 1e-9 : o.dtype == DType::f32 ? 1e-5 : 1e-2;
    double t = o.dtype == DType::f64 ? 1e-12 : o.dtype == DType::f32 ? 1e-6 : 1e-2;
    Val x = e.tensor(o.values[0]), y = e.tensor(o.values[1]);
    auto absolute = [&](const Val& v) { return e.elementwise(ir::Op::abs, {v}, {loc}, loc, "abs"); };
    Val bound = e.binary(Op::add, atol ? atol : e.real(t), e.binary(Op::mul, rtol ? rtol : e.real(r), absolute(y), loc, loc, loc), loc, loc, loc);
    // Whatever stands beside an infinity is infinitely far, however wide that makes the bound.
    Val apart = absolute(e.binary(Op::sub, x, y, loc, loc, loc));
    Val near = e.binary(Op::and_, e.binary(Op::le, apart, bound, loc, loc, loc),
                        e.binary(Op::lt, apart, e.real(std::numeric_limits<double>::infinity()), loc, loc, loc), loc, loc, loc);
    Val ok = e.binary(Op::or_, e.binary(Op::eq, x, y, loc, loc, loc), near, loc, loc, loc);
    if (nan)
      ok = e.binary(Op::or_, ok, e.binary(Op::and_, e.binary(Op::ne, x, x, loc, loc, loc), e.binary(Op::ne, y, y, loc, loc, loc), loc, loc, loc), loc, loc, loc);
    const auto& tv = *as<TensorVal>(ok);
    std::vector<int> axes;
    for (size_t i = 0; i < tv.type.rank(); ++i) axes.push_back(static_cast<int>(i));
    return axes.empty() ? ok : e.tensor(e.cx->b.reduce(ir::ReduceKind::all, e.use(tv), axes));
  }
  std::vector<Elab::FlatLeaf> x, y;
  e.flatten(a, x);
  e.flatten(b, y);
  if (a->kind != b->kind || x.size() != y.size())
    e.error(Code::E0401, loc, "`close` of " + e.type_text(a) + " and " + e.type_text(b));
  Val ok = e.boolean(true);
  for (size_t i = 0; i < x.size(); ++i) {
    Val part = close_values(e, std::make_shared<TensorVal>(x[i].leaf, x[i].type), std::make_shared<TensorVal>(y[i].leaf, y[i].type), rtol, atol, nan, loc);
    ok = e.known_bool(ok) == true ? part : e.binary(Op::and_, ok, part, loc, loc, loc);
  }
  return ok;
}
Val close_fn(Elab& e, const Args& args) {
  Taken a(e, args, "close", {"a", "b", "rtol", "atol", "nan"}, 2);
  return close_values(e, a[0], a[1], a[2], a[3], a[4] && e.static_bool(a[4], a.loc(4), "`nan`"), args.loc);
}

constexpr Builtin kTable[] = {
    {"map", "map(f, a, b, ..)", map_fn},
    {"leaves", "leaves(x)", leaves_fn},
    {"parameters", "parameters(net)", parameters_fn},
    {"stop_gradient", "stop_gradient(x)", stop_fn},
    {"grad", "grad(f, wrt)", grad_fn},
    {"value_and_grad", "value_and_grad(f, wrt)", value_and_grad_fn},
    {"jacobian", "jacobian(f, wrt)", jacobian_fn},
    {"hessian", "hessian(f, wrt)", hessian_fn},
    {"jvp", "jvp(f, x, dx)", jvp_fn},
    {"vjp", "vjp(f, x)", vjp_fn},
    {"train_mode", "train_mode(f)", train_mode_fn},
    {"eval_mode", "eval_mode(f)", eval_mode_fn},
    {"draw", "draw(distribution, sizes.., dtype = f32)", draw_fn},
    {"random_bits", "random_bits(sizes..)", random_bits_fn},
    {"_bits", "_bits(seed, step, n)", bits_fn},
    {"_mix", "_mix(bits, n)", mix_fn},
    {"seed", "seed(number)", seed_fn},
    {"sequence", "sequence(count, get)", sequence_fn},
    {"_fields", "_fields(record)", fields_fn},
    {"_get", "_get(x, name)", get_fn},
    {"_with", "_with(x, name, value)", with_fn},
    {"_static", "_static(x)", static_fn},
    {"tuple", "tuple(count, get)", tuple_fn},
    {"is_function", "is_function(x)", is_function_fn},
    {"is_list", "is_list(x)", is_list_fn},
    {"is_string", "is_string(x)", is_string_fn},
    {"_has", "_has(record, name)", has_fn},
    {"_is_empty", "_is_empty(x)", is_empty_fn},
    {"_merge", "_merge(a, b)", merge_fn},
    {"reverse", "reverse(x)", reverse_fn},
    {"enumerate", "enumerate(x)", enumerate_fn},
    {"zip", "zip(a, b)", zip_fn},
    {"print", "print(values..)", print_fn},
    {"debug", "debug(x)", debug_fn},
    {"fail", "fail(text)", fail_fn},
    {"_through", "_through(x, parts)", through_fn},
    {"_refuse", "_refuse(text)", refuse_fn},
    {"_out_of_range", "_out_of_range(text)", out_of_range_fn},
    {"_check", "_check(ok, text)", check_fn},
    {"close", "close(a, b, rtol, atol, nan = false)", close_fn},
};

}  // namespace

std::span<const Builtin> program_builtins() { return kTable; }

const Builtin* find_builtin(std::string_view name) {
  for (auto table : builtin_tables())
    for (const Builtin& b : table)
      if (b.name == name) return &b;
  return nullptr;
}

std::vector<std::string> builtin_names() {
  std::vector<std::string> out;
  for (auto table : builtin_tables())
    for (const Builtin& b : table) out.emplace_back(b.name);
  return out;
}

}  // namespace tenon::elab
