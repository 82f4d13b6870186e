// Primitives that read and write files: csv, save, load, and the checkpoints of `train`.
#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

Val csv_fn(Elab& e, const Args& args) {
  Taken a(e, args, "csv", {"path", "label", "dtype"}, 1);
  DType d = DType::f32;
  if (a[2]) {
    auto* t = as<DTypeVal>(a[2]);
    if (!t || !is_float(t->value)) e.error(Code::E0401, a.loc(2), "`dtype` is f32 or f64 here");
    d = t->value;
  }
  // A written type tells the dtypes: {x: f64[N, D], y: f32[N]}, or f64[N, D] without a label.
  DType labels = DType::i64;
  auto written = [&](const ast::TypeExpr* t, DType otherwise) {
    if (auto it = t && t->kind == ast::TypeExpr::named ? e.typedefs.find(t->path[0].text) : e.typedefs.end(); it != e.typedefs.end()) t = it->second;
    auto found = t && t->kind == ast::TypeExpr::named ? dtype_named(t->path[0].text) : std::nullopt;
    return found && (is_float(*found) || *found == DType::i64) ? *found : otherwise;
  };
  const ast::TypeExpr* type = e.wanted;
  if (type && type->kind == ast::TypeExpr::named)
    if (auto it = e.typedefs.find(type->path[0].text); it != e.typedefs.end()) type = it->second;
  if (type && type->kind == ast::TypeExpr::record) {
    for (auto& f : type->fields) {
      if (f.id.text == "x" && is_float(written(f.type, d))) d = written(f.type, d);
      if (f.id.text == "y") labels = written(f.type, labels);
    }
  } else if (type && is_float(written(type, d))) {
    d = written(type, d);
  }
  std::vector<std::string> text{e.static_string(a[0], a.loc(0), "the path of a csv file")};
  if (a[1]) text.push_back(e.static_string(a[1], a.loc(1), "`label`"));
  SymId n = e.dims.fresh("rows of " + text[0], args.loc, false), c = e.dims.fresh("columns of " + text[0], args.loc, false);
  ir::Type x{d, {e.dims.symbol(n), e.dims.symbol(c)}, false};
  ir::Type y{labels, {e.dims.symbol(n)}, false};
  std::vector<ir::Type> results{x};
  if (a[1]) results.push_back(y);
  auto out = e.host("csv", text, {}, results, {n, c}, args.loc);
  if (!a[1]) return out[0];
  return std::make_shared<RecordVal>(std::vector<std::pair<std::string, Val>>{{"x", out[0]}, {"y", out[1]}});
}

struct Named {
  std::vector<std::string> args;
  std::vector<ir::Value> operands;
  std::vector<ir::Type> types;
};
Named named_leaves(Elab& e, const Val& v, const std::string& path, Loc loc) {
  Named n;
  n.args.push_back(path);
  std::vector<Elab::FlatLeaf> flat;
  e.flatten(v, flat);
  for (auto& f : flat) {
    if (f.argument) continue;
    n.args.push_back(f.path.empty() ? "value" : f.path);
    n.operands.push_back(e.use(f.leaf, f.type));
    n.types.push_back(f.type);
  }
  if (n.operands.empty()) e.error(Code::E0401, loc, "there is nothing to save in " + e.type_text(v));
  return n;
}
Val save_fn(Elab& e, const Args& args) {
  Taken a(e, args, "save", {"value", "path"}, 2);
  Val whole = e.named_value(a[0]);
  whole = e.coerce(whole, e.dynamic(whole));  // a count that is still constant is saved like any other
  Named n = named_leaves(e, whole, e.static_string(a[1], a.loc(1), "the path of a file"), args.loc);
  e.host("save", n.args, n.operands, {}, {}, args.loc);
  return e.unit();
}
// The structure of `v` with the numbers that the host function finds under their names.
Val loaded(Elab& e, const std::string& host, Val v, const std::string& path, Loc loc) {
  v = e.named_value(v);
  v = e.coerce(v, e.dynamic(v));
  Named n = named_leaves(e, v, path, loc);
  auto out = e.host(host, n.args, n.operands, n.types, {}, loc);
  std::vector<Elab::FlatLeaf> flat;
  e.flatten(v, flat);
  size_t i = 0, at = 0;
  return e.rebuild(v, [&](const Leaf& own, const ir::Type&) {
    return flat[at++].argument ? own : as<TensorVal>(out[i++])->leaf;
  });
}
Val load_fn(Elab& e, const Args& args) {
  Taken a(e, args, "load", {"net", "path"}, 2);
  if (a[0]->kind == Value::string)
    e.error(Code::E0402, args.loc, "`load` takes the model first: load(net, \"net.safetensors\")");
  return loaded(e, "load", a[0], e.static_string(a[1], a.loc(1), "the path of a file"), args.loc);
}

// _checkpoint(path, state, ok): the state of a training, written when that is due. Not ok: the training
// ends here, and this is the last state that was good.
Val checkpoint_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_checkpoint", {"path", "state", "ok"}, 3);
  Named n = named_leaves(e, e.coerce(a[1], e.dynamic(a[1])), e.static_string(a[0], a.loc(0), "the path of a checkpoint"), args.loc);
  Val ok = a[2];
  n.operands.insert(n.operands.begin(), e.use(e.as_tensor(ok, a.loc(2))));
  e.host("checkpoint", n.args, n.operands, {}, {}, args.loc);
  return e.unit();
}
// _resume(path, state): the state in the file, or the one given if there is no file yet
Val resume_fn(Elab& e, const Args& args) {
  Taken a(e, args, "_resume", {"path", "state"}, 2);
  return loaded(e, "resume", a[1], e.static_string(a[0], a.loc(0), "the path of a checkpoint"), args.loc);
}

constexpr Builtin kTable[] = {
    {"csv", "csv(path, label, dtype = f32)", csv_fn},
    {"save", "save(value, path)", save_fn},
    {"load", "load(net, path)", load_fn},
    {"_checkpoint", "_checkpoint(path, state, ok)", checkpoint_fn},
    {"_resume", "_resume(path, state)", resume_fn},
};

}  // namespace

std::span<const Builtin> file_builtins() { return kTable; }

}  // namespace tenon::elab
