// Primitives that `_train` of stdlib/train.model is written on: its keys, what it tells the host, and
// `history`, which asks for what was told.
#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

// _key(seed): the key of a training, of the place in the program and of `seed`
Val key_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_key", {"seed"}, 1);
  return e.int_from(e.cx->b.scalar(ir::Op::rng, {e.next_key(), e.int_value(*as<IntVal>(a[0]))}));
}

// _with_key(key, turn, f): f(), whose draws depend on these two numbers and on nothing around it; how
// many loops lead there, and how often they have turned, is not to be seen.
Val with_key_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_with_key", {"key", "turn", "f"}, 3);
  struct Back {
    FnCx& cx;
    ir::Value key;
    std::vector<LoopFrame> loops;
    int64_t draws;
    ~Back() {
      cx.key = key;
      cx.loops = std::move(loops);
      cx.draws = draws;
    }
  } back{*e.cx, e.cx->key, {}, e.cx->draws};
  ir::Value key = e.cx->b.scalar(ir::Op::rng, {e.int_value(*as<IntVal>(a[0])), e.int_value(*as<IntVal>(a[1]))});
  back.loops.swap(e.cx->loops);
  e.cx->key = key;
  e.cx->draws = 0;
  return e.call(a[2], Args{{}, args.loc});
}

ir::Value number(Elab& e, const Val& v, DType t, Loc loc) {
  Val x = e.cast(v, t, loc);
  return e.use(e.as_tensor(x, loc));
}

ir::Value truth(Elab& e, Val v, Loc loc) { return e.use(e.as_tensor(v, loc)); }

// _train_begin(rows, batch, epochs, steps, step, log): a run begins, or goes on from `step`
Val begin_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_train_begin", {"rows", "batch", "epochs", "steps", "step", "log"}, 6);
  std::vector<ir::Value> operands;
  for (int i = 0; i < 5; ++i) operands.push_back(number(e, a[i], DType::i64, args.loc));
  std::vector<std::string> text;
  if (a[5]->kind == Value::string) text.push_back(e.static_string(a[5], a.loc(5), "`log`, a folder,"));
  e.host("train_begin", text, operands, {}, {}, args.loc);
  return e.unit();
}
// _train_pace(): how many steps to do before the host is asked again
Val pace_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_train_pace", {}, 0);
  return e.int_from(e.use(*as<TensorVal>(
      e.host("train_pace", {}, {}, {ir::scalar_type(DType::i64)}, {}, args.loc)[0])));
}
// _train_step(ok, epoch, step, loss): where a training is, for the line that shows it. Not ok: it has
// come to a loss that is no finite number, which ends the program.
Val step_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_train_step", {"ok", "epoch", "step", "loss"}, 4);
  e.host("train_step", {}, {truth(e, a[0], args.loc), number(e, a[1], DType::i64, args.loc),
                            number(e, a[2], DType::i64, args.loc), number(e, a[3], DType::f64, args.loc)}, {}, {}, args.loc);
  return e.unit();
}
// _train_epoch(epoch, step, values): an epoch is over; values a record of numbers
Val epoch_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_train_epoch", {"epoch", "step", "values"}, 3);
  std::vector<ir::Value> operands{number(e, a[0], DType::i64, args.loc), number(e, a[1], DType::i64, args.loc)};
  std::vector<std::string> names;
  for (auto& [n, v] : as<RecordVal>(a[2])->fields) {
    names.push_back(n);
    operands.push_back(number(e, v, DType::f64, args.loc));
  }
  e.host("train_epoch", names, operands, {}, {}, args.loc);
  return e.unit();
}
// _train_log(step, count, losses, rates): of the steps before `step`, the last `count`
Val log_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_train_log", {"step", "count", "losses", "rates"}, 4);
  e.host("train_log", {}, {number(e, a[0], DType::i64, args.loc), number(e, a[1], DType::i64, args.loc),
                           e.use(*as<TensorVal>(a[2])), e.use(*as<TensorVal>(a[3]))}, {}, {}, args.loc);
  return e.unit();
}
std::vector<ir::Value> all_leaves(Elab& e, const Val& v) {
  Val whole = e.coerce(v, e.dynamic(v));
  std::vector<Elab::FlatLeaf> flat;
  e.flatten(whole, flat);
  std::vector<ir::Value> out;
  for (auto& f : flat)
    if (!f.argument) out.push_back(e.use(f.leaf, f.type));
  return out;
}
// _train_end(net): a run is over and has given this
Val end_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_train_end", {"net"}, 1);
  e.host("train_end", {}, all_leaves(e, a[0]), {}, {}, args.loc);
  return e.unit();
}

// history(net): what the training that gave this model has reported, a row for each epoch. Found by
// the numbers of the model: a value has no identity of its own.
Val history_fn(Elab& e, const Args& args) {
  Taken a(e, args, "history", {"net"}, 1);
  auto* m = as<ModelVal>(a[0]);
  if (!m) e.error(Code::E0401, a.loc(0), "`history` takes a model that was trained, but this is " + e.type_text(a[0]));
  if (!m->curve)
    e.error(Code::E0602, a.loc(0), "this model does not come from a `train` block, so it has no history",
            "ask for it after `train net on data { .. }`: history(net).loss");
  DimId n = e.dims.symbol(e.dims.fresh("epochs", args.loc, false));
  std::vector<ir::Type> types{{DType::i64, {n}, false}, {DType::i64, {n}, false}};
  for (size_t i = 0; i < m->curve->size(); ++i) types.push_back({DType::f64, {n}, false});
  auto out = e.host("history", *m->curve, all_leaves(e, a[0]), types, {e.dims.symbols(n)[0]}, args.loc);
  std::vector<std::pair<std::string, Val>> fields{{"epoch", out[0]}, {"step", out[1]}}, held;
  for (size_t i = 0; i < m->curve->size(); ++i) {
    const std::string& name = (*m->curve)[i];
    if (name.starts_with(kHeld)) held.emplace_back(name.substr(kHeld.size()), out[i + 2]);
    else fields.emplace_back(name, out[i + 2]);
  }
  if (!held.empty()) fields.emplace_back("held", std::make_shared<RecordVal>(std::move(held)));
  return std::make_shared<RecordVal>(std::move(fields));
}

// _held(record): its fields named as those of held-out data
Val held_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_held", {"record"}, 1);
  auto fields = as<RecordVal>(a[0])->fields;
  for (auto& [n, v] : fields) n = std::string(kHeld) + n;
  return std::make_shared<RecordVal>(std::move(fields));
}
// _call_each(fields, x): a record of functions, each called on x: the record of what they give
Val call_each_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_call_each", {"functions", "x"}, 2);
  auto* r = as<RecordVal>(a[0]);
  if (!r) e.error(Code::E0602, a.loc(0), "metrics are a record of functions: {accuracy: fn(batch) = ..}");
  auto fields = r->fields;
  for (auto& [n, f] : fields) {
    auto* fn = as<FunctionVal>(f);
    const Loc at = fn && fn->fn ? fn->fn->loc : args.loc;
    f = e.call(f, Args{{{"", a[1], a.loc(1)}}, args.loc});
    Val v = f;
    if (!e.is_numberlike(v) || !e.as_tensor(v, at).type.scalar())
      e.error(Code::E0602, at, "the metric `" + n + "` is one number of a batch, but this gives " + e.type_text(f), "mean(..) of it");
    f = e.cast(v, DType::f64, args.loc);
  }
  return std::make_shared<RecordVal>(std::move(fields));
}
// _learning_rate(opt): its field `lr`, or 0 if it has none
Val learning_rate_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_learning_rate", {"opt"}, 1);
  auto* m = as<ModelVal>(a[0]);
  const ModelField* f = m ? m->find("lr") : nullptr;
  return f && f->value ? f->value : e.real(0);
}

constexpr Builtin kTable[] = {
    {"history", "history(net)", history_fn},
    {"_key", "_key(seed)", key_fn},
    {"_with_key", "_with_key(key, turn, f)", with_key_fn},
    {"_train_begin", "_train_begin(rows, batch, epochs, steps, step, log)", begin_fn},
    {"_train_pace", "_train_pace()", pace_fn},
    {"_train_step", "_train_step(ok, epoch, step, loss)", step_fn},
    {"_train_epoch", "_train_epoch(epoch, step, values)", epoch_fn},
    {"_train_log", "_train_log(step, count, losses, rates)", log_fn},
    {"_train_end", "_train_end(net)", end_fn},
    {"_held", "_held(record)", held_fn},
    {"_call_each", "_call_each(functions, x)", call_each_fn},
    {"_learning_rate", "_learning_rate(opt)", learning_rate_fn},
};

}  // namespace

std::span<const Builtin> train_builtins() { return kTable; }

}  // namespace tenon::elab
