// Primitives that read and write files: csv, npy, npz, idx, image, text, save, load, and the checkpoints of `train`.
#include <charconv>

#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

// What csv is asked for beside its path, as pairs of a key and a text (session/host_files.cpp reads them).
std::vector<std::string> csv_request(Elab& e, const Taken& a) {
  std::vector<std::string> out;
  auto strings = [&](const Val& v, Loc loc, const std::string& what, auto&& put) {
    auto* list = as<ListVal>(v);
    if (!list || list->elements.empty()) e.error(Code::E0401, loc, what + " is a list of strings, but this is " + e.type_text(v));
    for (const Val& word : list->elements) put(e.static_string(word, loc, "each of " + what));
  };
  std::optional<std::string> label;
  if (a[1]) {
    label = e.static_string(a[1], a.loc(1), "`label`");
    out.insert(out.end(), {"label", *label});
  }
  if (a[3]) strings(a[3], a.loc(3), "`columns`", [&](const std::string& name) { out.insert(out.end(), {"column", name}); });
  if (a[4]) {
    auto classes = [&](const std::string& column, const Val& words) {
      strings(words, a.loc(4), "`classes` of " + column, [&](const std::string& w) { out.insert(out.end(), {"class " + column, w}); });
    };
    if (auto* r = as<RecordVal>(a[4])) {
      for (auto& [column, words] : r->fields) classes(column, words);
    } else {
      if (!label || !as<ListVal>(a[4]))
        e.error(Code::E0401, a.loc(4), "`classes` is a record of lists of strings, but this is " + e.type_text(a[4]),
                "classes = {colour: [\"red\", \"green\"]}, or with `label` the list of its words alone");
      classes(*label, a[4]);
    }
  }
  if (a[5]) {
    auto* number = as<FloatVal>(a[5]);
    auto whole = e.known_int(a[5]);
    if (!whole && !(number && number->known))
      e.error(Code::E0401, a.loc(5), "`missing` is a number that is known when compiling, but this is " + e.type_text(a[5]), "missing = nan");
    char digits[40];
    auto end = std::to_chars(digits, digits + sizeof digits, whole ? static_cast<double>(*whole) : *number->known);
    out.insert(out.end(), {"missing", std::string(digits, end.ptr)});
  }
  return out;
}

Val csv_fn(Elab& e, const Args& args) {
  Taken a(e, args, "csv", {"path", "label", "dtype", "columns", "classes", "missing"}, 1);
  DType d = DType::f32;
  if (a[2]) {
    auto* t = as<DTypeVal>(a[2]);
    if (!t || !is_float(t->value)) e.error(Code::E0401, a.loc(2), "`dtype` is f32 or f64 here");
    d = t->value;
  }
  // A written type tells the dtypes: {x: f64[N, D], y: f32[N]}, or f64[N, D] without a label.
  DType labels = DType::i64;
  auto written = [&](const ast::TypeExpr* t, DType otherwise) {
    if (auto* named = t ? e.type_named(*t, e.wanted_scope) : nullptr) t = named->written;
    auto found = t && t->kind == ast::TypeExpr::named ? dtype_named(t->path[0].text) : std::nullopt;
    return found && (is_float(*found) || *found == DType::i64) ? *found : otherwise;
  };
  const ast::TypeExpr* type = e.wanted;
  if (auto* named = type ? e.type_named(*type, e.wanted_scope) : nullptr) type = named->written;
  if (type && type->kind == ast::TypeExpr::record) {
    for (auto& f : type->fields) {
      if (f.id.text == "x" && is_float(written(f.type, d))) d = written(f.type, d);
      if (f.id.text == "y") labels = written(f.type, labels);
    }
  } else if (type && is_float(written(type, d))) {
    d = written(type, d);
  }
  std::vector<std::string> text{e.static_string(a[0], a.loc(0), "the path of a csv file")};
  for (std::string& t : csv_request(e, a)) text.push_back(std::move(t));
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
// Numbers are kept in files, and records, tuples, lists and models of them. What else a model holds comes
// back when the model is made; elsewhere it would be lost without a word, so it is refused.
void require_storable(Elab& e, const Val& v, const std::string& path, Loc loc) {
  if (!v) return;
  auto inner = [&](const std::string& part) { return path.empty() ? part : path + "." + part; };
  auto refuse = [&](const std::string& hint) {
    e.error(Code::E0401, loc, (path.empty() ? "this" : "`" + path + "`") + " is " +
            (v->kind == Value::string ? "a string" : e.type_text(v)) + ", which cannot be kept in a file", hint);
  };
  auto all = [&](const std::vector<Val>& list) {
    for (size_t i = 0; i < list.size(); ++i) require_storable(e, list[i], inner(std::to_string(i)), loc);
  };
  switch (v->kind) {
    case Value::tensor: case Value::integer: case Value::real: case Value::weak: case Value::poison: return;
    case Value::tuple: return all(as<TupleVal>(v)->elements);
    case Value::list: return all(as<ListVal>(v)->elements);
    case Value::record:
      for (auto& [n, x] : as<RecordVal>(v)->fields) require_storable(e, x, inner(n), loc);
      return;
    case Value::model:
      for (auto& f : as<ModelVal>(v)->fields)
        if (f.role != ModelField::argument && f.value &&
            (f.value->kind == Value::sequence || f.value->kind == Value::range || f.value->kind == Value::record ||
             f.value->kind == Value::tuple || f.value->kind == Value::list || f.value->kind == Value::model))
          require_storable(e, f.value, inner(f.name), loc);
      return;
    case Value::sequence: case Value::range:
      refuse("its elements are computed when they are asked for; make a tensor or a list of them: [x for x in ..]");
      return;
    case Value::string: refuse("a file keeps numbers; leave it out, or keep its bytes"); return;
    case Value::unit: case Value::never: case Value::function: case Value::model_class: case Value::dtype:
    case Value::module:
    case Value::type: refuse("a file keeps numbers"); return;
  }
}

Named named_leaves(Elab& e, const Val& v, const std::string& path, Loc loc) {
  require_storable(e, v, "", loc);
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
  std::vector<Elab::FlatLeaf> flat;
  e.flatten(v, flat);
  for (auto& f : flat)  // the other names of what is one tensor here: files of PyTorch have them all
    for (auto& other : f.argument ? std::vector<std::string>{} : f.also) {
      n.args.push_back(f.path);
      n.args.push_back(other);
    }
  auto out = e.host(host, n.args, n.operands, n.types, {}, loc);
  size_t i = 0, at = 0;
  return e.rebuild(v, [&](const Leaf& own, const ir::Type&) {
    return flat[at++].argument ? own : as<TensorVal>(out[i++])->leaf;
  });
}
// read(path): what is in a file, by the type that is written beside it.
struct ReadType {
  Elab& e;
  Loc loc;
  std::vector<std::string> args;
  std::vector<ir::Type> types{};
  std::vector<SymId> sizes{};

  const ast::TypeExpr& named(const ast::TypeExpr& t) const {
    const ast::TypeExpr* at = &t;
    ScopePtr scope = e.wanted_scope;
    while (const TypeVal* name = e.type_named(*at, scope)) {
      at = name->written;
      scope = name->scope;
    }
    return *at;
  }
  // Collects names and types; the sizes are whatever the file has, and compared by the declaration.
  void collect(const ast::TypeExpr& written, const std::string& path) {
    const ast::TypeExpr& t = named(written);
    auto inner = [&](const std::string& part) { return path.empty() ? part : path + "." + part; };
    if (t.kind == ast::TypeExpr::record) {
      for (auto& f : t.fields) collect(f.type ? *f.type : written, inner(f.id.text));
      return;
    }
    if (t.kind == ast::TypeExpr::tuple) {
      for (size_t i = 0; i < t.elements.size(); ++i) collect(*t.elements[i], inner(std::to_string(i)));
      return;
    }
    const std::string_view host = t.kind == ast::TypeExpr::named ? e.host_type(t) : std::string_view();
    const std::string name = path.empty() ? "value" : path;
    std::optional<DType> d;
    if (t.kind == ast::TypeExpr::named && t.path.size() == 1) d = dtype_named(t.path[0].text);
    if (host == "int") d = DType::i64;
    if (host == "float") d = DType::f64;
    if (host == "bool") d = DType::boolean;
    for (auto* x : t.dims)
      if (x->kind == ast::DimExpr::rest) d.reset();
    if (!d)
      e.error(Code::E0401, t.loc, "`read` cannot give this type", "a file holds tensors; write their dtypes and sizes: {w: f32[N, 3], count: int}");
    ir::Type type{*d, {}, false};
    for (size_t i = 0; i < t.dims.size(); ++i) {
      sizes.push_back(e.dims.fresh("axis " + std::to_string(i) + " of " + name + " in " + args[0], loc, false));
      type.shape.push_back(e.dims.symbol(sizes.back()));
    }
    args.push_back(name);
    types.push_back(type);
  }
  Val give(const ast::TypeExpr& written, const std::vector<Val>& out, size_t& at) const {
    const ast::TypeExpr& t = named(written);
    if (t.kind == ast::TypeExpr::record) {
      std::vector<std::pair<std::string, Val>> fields;
      for (auto& f : t.fields) fields.emplace_back(f.id.text, give(*f.type, out, at));
      return std::make_shared<RecordVal>(std::move(fields));
    }
    if (t.kind == ast::TypeExpr::tuple) {
      std::vector<Val> list;
      for (auto* x : t.elements) list.push_back(give(*x, out, at));
      return std::make_shared<TupleVal>(std::move(list));
    }
    const Val& v = out[at++];
    const std::string_view host = e.host_type(t);
    if (host == "int") return std::make_shared<IntVal>(as<TensorVal>(v)->leaf);
    if (host == "float") return std::make_shared<FloatVal>(as<TensorVal>(v)->leaf);
    return v;
  }
};
Val read_fn(Elab& e, const Args& args) {
  Taken a(e, args, "read", {"path"}, 1);
  const std::string path = e.static_string(a[0], a.loc(0), "the path of a file");
  if (!e.wanted)
    e.error(Code::E0401, args.loc, "what is in a file is known when it is read, so its type has to be written",
            "let r: {w: f32[N, 3], b: f32[N]} = read(..)");
  const ast::TypeExpr& type = *e.wanted;
  ReadType r{e, args.loc, {path}};
  r.collect(type, "");
  auto out = e.host("read", r.args, {}, r.types, r.sizes, args.loc);
  size_t at = 0;
  return r.give(type, out, at);
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

// ---- readers of one tensor, whose dtype and rank the program says: by a written type, or by options

// `fixed`: sizes of the last axes, if they are known; the others come from the data.
Val read_tensor(Elab& e, const std::string& host, std::vector<std::string> text, DType dtype, size_t rank,
                const std::vector<int64_t>& fixed, Loc loc) {
  ir::Type type{dtype, {}, false};
  std::vector<SymId> binds;
  for (size_t i = 0; i + fixed.size() < rank; ++i) {
    binds.push_back(e.dims.fresh("axis " + std::to_string(i) + " of " + text[0], loc, false));
    type.shape.push_back(e.dims.symbol(binds.back()));
  }
  for (int64_t n : fixed) type.shape.push_back(e.dims.constant(n));
  return e.host(host, std::move(text), {}, {type}, binds, loc)[0];
}

// What npy, npz and idx read; `at`: where the options rank and dtype stand in `a`.
Val array_from(Elab& e, const Args& args, const std::string& fn, const Taken& a, int at, DType otherwise) {
  std::vector<std::string> text{e.static_string(a[0], a.loc(0), "the path of a file")};
  if (at > 1) text.push_back(e.static_string(a[1], a.loc(1), "the name of an array"));
  std::optional<DType> dtype;
  std::optional<size_t> rank;
  const ast::TypeExpr* type = e.wanted;
  if (auto* named = type ? e.type_named(*type, e.wanted_scope) : nullptr) type = named->written;
  if (type && type->kind == ast::TypeExpr::named && type->path.size() == 1)
    if (auto d = dtype_named(type->path[0].text)) {
      dtype = d;
      rank = type->dims.size();
      for (auto* x : type->dims)
        if (x->kind == ast::DimExpr::rest) rank.reset();
    }
  if (a[at]) {
    const int64_t n = e.static_int(a[at], a.loc(at), "`rank`");
    if (n < 0 || n > 8) e.error(Code::E0401, a.loc(at), "`rank` is the number of axes, from 0 to 8");
    rank = static_cast<size_t>(n);
  }
  if (a[at + 1]) {
    auto* d = as<DTypeVal>(a[at + 1]);
    if (!d) e.error(Code::E0401, a.loc(at + 1), "`dtype` is a dtype, but this is " + e.type_text(a[at + 1]));
    dtype = d->value;
  }
  if (!rank)
    e.error(Code::E0401, args.loc, "the file tells its axes only when the program runs, so they must be written here",
            "let x: " + std::string(name(otherwise)) + "[N, D] = " + fn + "(..), or rank = 2");
  return read_tensor(e, fn, text, dtype.value_or(otherwise), *rank, {}, args.loc);
}
Val npy_fn(Elab& e, const Args& args) {
  return array_from(e, args, "npy", Taken(e, args, "npy", {"path", "rank", "dtype"}, 1), 1, DType::f32);
}
Val npz_fn(Elab& e, const Args& args) {
  return array_from(e, args, "npz", Taken(e, args, "npz", {"path", "name", "rank", "dtype"}, 2), 2, DType::f32);
}
Val idx_fn(Elab& e, const Args& args) {
  return array_from(e, args, "idx", Taken(e, args, "idx", {"path", "rank", "dtype"}, 1), 1, DType::u8);
}

// image(path, channels = 3): u8[height, width, channels]
Val image_fn(Elab& e, const Args& args) {
  Taken a(e, args, "image", {"path", "channels"}, 1);
  const int64_t channels = a[1] ? e.static_int(a[1], a.loc(1), "`channels`") : 3;
  if (channels != 1 && channels != 3 && channels != 4)
    e.error(Code::E0401, a.loc(1), "a picture is read with 1 channel (grey), 3 (red, green, blue) or 4 (and alpha)");
  return read_tensor(e, "image", {e.static_string(a[0], a.loc(0), "the path of a picture"), std::to_string(channels)}, DType::u8, 3, {channels}, args.loc);
}
// text(path): the bytes of a file, u8[N]
Val text_fn(Elab& e, const Args& args) {
  Taken a(e, args, "text", {"path"}, 1);
  return read_tensor(e, "text", {e.static_string(a[0], a.loc(0), "the path of a text")}, DType::u8, 1, {}, args.loc);
}

constexpr Builtin kTable[] = {
    {"npy", "npy(path, rank, dtype = f32)", npy_fn},
    {"npz", "npz(path, name, rank, dtype = f32)", npz_fn},
    {"idx", "idx(path, rank, dtype = u8)", idx_fn},
    {"image", "image(path, channels = 3)", image_fn},
    {"text", "text(path)", text_fn},
    {"csv", "csv(path, label, dtype = f32, columns, classes, missing)", csv_fn},
    {"save", "save(value, path)", save_fn},
    {"load", "load(net, path)", load_fn},
    {"read", "read(path)", read_fn},
    {"_checkpoint", "_checkpoint(path, state, ok)", checkpoint_fn},
    {"_resume", "_resume(path, state)", resume_fn},
};

}  // namespace

std::span<const Builtin> file_builtins() { return kTable; }

}  // namespace tenon::elab
