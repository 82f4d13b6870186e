// Leaves: using values of one function in another, and rebuilding the structures that hold them.
#include <algorithm>

#include "frontend/elab.h"

namespace tenon::elab {

Elab::Elab(ir::Module& m, SourceMap& s, Texts& t)
    : module(m), sources(s), texts(t), dims(m.dims) {
  library_ = std::make_shared<Scope>(nullptr, true);
  top_ = std::make_shared<Scope>(library_, true);
}

void Elab::error(Code code, Loc where, std::string message, std::string hint, std::vector<Note> notes) {
  Diagnostic d{code, where, std::move(message), std::move(notes), std::move(hint), Fault::program, false,
               {calls.rbegin(), calls.rend()}};
  blame(d, sources);
  throw UserError(std::move(d));
}

void Elab::report(const Diagnostic& d) {
  for (const Diagnostic& m : messages)
    if (m.code == d.code && m.where == d.where && m.message == d.message) return;
  messages.push_back(d);
}

ir::Value Elab::use(const Leaf& l, const ir::Type& type) {
  if (l.owner == cx->id) return l.v;
  for (auto& [from, v] : cx->imports)
    if (from == l) return v;
  ir::Leaf facts{l.owner == kKeyOwner ? ir::Leaf::key : ir::Leaf::data, ""};
  ir::Value v = cx->fn->new_value(type);
  cx->fn->body.params.push_back(v);
  cx->fn->params.push_back(facts);
  cx->imports.emplace_back(l, v);
  return v;
}

ir::Value Elab::use(const TensorVal& t) {
  if (t.known && t.type.scalar() && t.type.dtype == DType::boolean) return cx->b.boolean(t.known->bytes[0] != 0);
  return use(t.leaf, t.type);
}

Val Elab::tensor(ir::Value v) {
  return std::make_shared<TensorVal>(leaf(v), cx->fn->type(v));
}

namespace {

ir::Type substituted(Dims& dims, const ir::Type& t, const DimSubst* subst) {
  if (!subst) return t;
  ir::Type r = t;
  for (DimId& d : r.shape) d = dims.substitute(d, *subst);
  return r;
}

}  // namespace

Val Elab::rebuild(const Val& v, const std::function<Leaf(const Leaf&, const ir::Type&)>& f,
                  const DimSubst* subst, const std::function<ir::Type(const ir::Type&)>* types) {
  if (!v) return v;
  auto again = [&](const Val& x) { return rebuild(x, f, subst, types); };
  auto all = [&](const std::vector<Val>& xs) {
    std::vector<Val> out;
    for (auto& x : xs) out.push_back(again(x));
    return out;
  };
  switch (v->kind) {
    case Value::unit:
    case Value::poison:
    case Value::never:
    case Value::weak:
    case Value::dtype:
    case Value::model_class:
    case Value::module:
    case Value::type:
      return v;
    case Value::tensor: {
      const auto& t = *as<TensorVal>(v);
      if (known_bool(v)) return v;  // structure, not a leaf: `if bias` leaves no branch
      // Known elements belong to the leaf: another one has its own.
      Leaf l = f(t.leaf, t.type);
      ir::Type type = types ? (*types)(t.type) : substituted(dims, t.type, subst);
      // What came over a loop's border without its size has it now.
      if (type.unsized(dims) && l.owner == cx->id && l.v != ir::kNoValue) type = cx->fn->type(l.v);
      return std::make_shared<TensorVal>(l, type, l == t.leaf ? t.known : nullptr);
    }
    case Value::integer: {
      const auto& i = *as<IntVal>(v);
      if (i.dim) return std::make_shared<IntVal>(subst ? dims.substitute(*i.dim, *subst) : *i.dim);
      auto r = std::make_shared<IntVal>(f(i.leaf, ir::scalar_type(DType::i64)));
      if (i.offset) r->offset = subst ? dims.substitute(*i.offset, *subst) : *i.offset;
      return r;
    }
    case Value::real: {
      const auto& r = *as<FloatVal>(v);
      if (r.known) return v;
      return std::make_shared<FloatVal>(f(r.leaf, ir::scalar_type(DType::f64)));
    }
    case Value::string: {
      std::vector<TextPiece> pieces = as<StringVal>(v)->pieces;
      for (auto& p : pieces)
        if (p.hole) p.hole = again(p.hole);
      return std::make_shared<StringVal>(std::move(pieces));
    }
    case Value::tuple:
      return std::make_shared<TupleVal>(all(as<TupleVal>(v)->elements));
    case Value::list:
      return std::make_shared<ListVal>(all(as<ListVal>(v)->elements));
    case Value::record: {
      auto fields = as<RecordVal>(v)->fields;
      for (auto& [n, x] : fields) x = again(x);
      return std::make_shared<RecordVal>(std::move(fields));
    }
    case Value::range: {
      const auto& r = *as<RangeVal>(v);
      return std::make_shared<RangeVal>(again(r.lo), again(r.hi));
    }
    case Value::sequence: {
      const auto& q = *as<SequenceVal>(v);
      return std::make_shared<SequenceVal>(again(q.count), again(q.get));
    }
    case Value::function: {
      // A closure's scope is not rebuilt: its leaves are imported where it is called.
      const auto& fn = *as<FunctionVal>(v);
      if (!fn.self && !fn.inner && fn.held.empty()) return v;
      auto r = std::make_shared<FunctionVal>(fn);
      r->self = again(fn.self);
      r->inner = again(fn.inner);
      r->held = all(fn.held);
      return r;
    }
    case Value::model: {
      auto r = std::make_shared<ModelVal>(*as<ModelVal>(v));
      for (auto& field : r->fields) field.value = again(field.value);
      return r;
    }
  }
  bug("rebuild: no such kind");
}

void Elab::flatten(const Val& v, std::vector<FlatLeaf>& out, const std::string& path,
                   ir::Leaf::Role role) {
  if (!v) return;
  auto join_path = [&](const std::string& part) { return path.empty() ? part : path + "." + part; };
  switch (v->kind) {
    case Value::unit:
    case Value::poison:
    case Value::never:
    case Value::weak:
    case Value::dtype:
    case Value::model_class:
    case Value::module:
    case Value::type:
      return;
    case Value::tensor: {
      const auto& t = *as<TensorVal>(v);
      if (!known_bool(v)) out.push_back({t.leaf, t.type, path, role});
      return;
    }
    case Value::integer:
      if (!as<IntVal>(v)->dim)
        out.push_back({as<IntVal>(v)->leaf, ir::scalar_type(DType::i64), path, role});
      return;
    case Value::real:
      if (!as<FloatVal>(v)->known)
        out.push_back({as<FloatVal>(v)->leaf, ir::scalar_type(DType::f64), path, role});
      return;
    case Value::string:
      for (auto& p : as<StringVal>(v)->pieces) flatten(p.hole, out, path, role);
      return;
    case Value::tuple: {
      int i = 0;
      for (auto& x : as<TupleVal>(v)->elements) flatten(x, out, join_path(std::to_string(i++)), role);
      return;
    }
    case Value::list: {
      int i = 0;
      for (auto& x : as<ListVal>(v)->elements) flatten(x, out, join_path(std::to_string(i++)), role);
      return;
    }
    case Value::record:
      for (auto& [n, x] : as<RecordVal>(v)->fields) flatten(x, out, join_path(n), role);
      return;
    case Value::range:
      flatten(as<RangeVal>(v)->lo, out, path, role);
      flatten(as<RangeVal>(v)->hi, out, path, role);
      return;
    case Value::sequence:
      flatten(as<SequenceVal>(v)->count, out, path, role);
      flatten(as<SequenceVal>(v)->get, out, path, role);
      return;
    case Value::function: {
      const auto& fn = *as<FunctionVal>(v);
      flatten(fn.self, out, path, role);
      flatten(fn.inner, out, path, role);
      for (auto& h : fn.held) flatten(h, out, path, role);
      return;
    }
    case Value::model:
      for (auto& f : as<ModelVal>(v)->fields) {
        ir::Leaf::Role r = f.role == ModelField::param   ? ir::Leaf::param
                           : f.role == ModelField::state ? ir::Leaf::state
                                                         : ir::Leaf::data;
        size_t before = out.size();
        flatten(f.value, out, join_path(f.name), r);
        // Arguments come back when the model is made again, but not what a model among them has learned;
        // one whose name begins with _ is there for its structure alone.
        const bool shape_only = f.name.starts_with("_");
        for (size_t i = before; i < out.size(); ++i) {
          if (f.role != ModelField::argument) out[i].part = true;
          else if (shape_only || !out[i].part) out[i].argument = true;
        }
      }
      return;
  }
}

std::string Elab::shape_text(const std::vector<DimId>& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + dims.text(shape[i]);
  return s + "]";
}

std::string Elab::type_text(const ir::Type& t) {
  std::string s(name(t.dtype));
  return t.shape.empty() ? s : s + shape_text(t.shape);
}

std::string Elab::type_text(const Val& v) {
  auto list = [&](const std::vector<Val>& xs) {
    std::string s;
    for (auto& x : xs) s += (s.empty() ? "" : ", ") + type_text(x);
    return s;
  };
  switch (v->kind) {
    case Value::unit: return "nothing";
    case Value::poison: return "an unknown type";
    case Value::never: return "a failure";
    case Value::tensor: return type_text(as<TensorVal>(v)->type);
    case Value::integer: return "int";
    case Value::real: return "float";
    case Value::weak: {
      const auto& w = *as<WeakVal>(v);
      std::string s = w.real ? "f32[" : "i64[";
      for (size_t i = 0; i < w.shape.size(); ++i) s += (i ? ", " : "") + std::to_string(w.shape[i]);
      return s + "]";
    }
    case Value::string: return "string";
    case Value::tuple: return "(" + list(as<TupleVal>(v)->elements) + ")";
    case Value::list: {
      const auto& e = as<ListVal>(v)->elements;
      return e.empty() ? "an empty list" : "a list of " + std::to_string(e.size());
    }
    case Value::record: {
      std::string s;
      for (auto& [n, x] : as<RecordVal>(v)->fields) s += (s.empty() ? "" : ", ") + n + ": " + type_text(x);
      return "{" + s + "}";
    }
    case Value::range: return "a range";
    case Value::sequence: return "a sequence";
    case Value::function: return "a function";
    case Value::model: return "model " + as<ModelVal>(v)->decl->id.text;
    case Value::model_class: return "the model " + as<ModelClassVal>(v)->decl->id.text + " itself";
    case Value::dtype: return "the dtype " + std::string(name(as<DTypeVal>(v)->value));
    case Value::module: return "the module " + as<ModuleVal>(v)->name;
    case Value::type: return "a type";
  }
  return "?";
}

}  // namespace tenon::elab
