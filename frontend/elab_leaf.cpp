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
                  const DimSubst* subst, const std::function<ir::Type(const ir::Type&)>* types, Met* met) {
  if (!v) return v;
  auto again = [&](const Val& x) { return rebuild(x, f, subst, types, met); };
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
      if (met && t.share)
        if (auto it = met->find(t.share); it != met->end()) return it->second;
      // Known elements belong to the leaf: another one has its own.
      Leaf l = f(t.leaf, t.type);
      ir::Type type = types ? (*types)(t.type) : substituted(dims, t.type, subst);
      // What came over a loop's border without its size has it now.
      if (type.unsized(dims) && l.owner == cx->id && l.v != ir::kNoValue) type = cx->fn->type(l.v);
      Val r = std::make_shared<TensorVal>(l, type, l == t.leaf ? t.known : nullptr, t.share);
      if (met && t.share) met->emplace(t.share, r);
      return r;
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
      Met mine;
      if (!met) met = &mine;
      auto r = std::make_shared<ModelVal>(*as<ModelVal>(v));
      for (auto& field : r->fields) field.value = again(field.value);
      return r;
    }
  }
  bug("rebuild: no such kind");
}

struct Elab::LeafPlace {
  std::string path;
  ir::Leaf::Role role = ir::Leaf::data;
  Order* met = nullptr;  // inside a model: where what may be shared stands in the list
  bool part = false;     // inside a field that is no argument
  // Arguments come back when the model is made again, but not what a model among them has learned;
  // one whose name begins with _ is there for its structure alone.
  bool given = false, shape_only = false;

  LeafPlace inner(const std::string& name) const {
    LeafPlace p = *this;
    p.path = path.empty() ? name : path + "." + name;
    return p;
  }
};

void Elab::flatten(const Val& v, std::vector<FlatLeaf>& out, const std::string& path, ir::Leaf::Role role) {
  flatten_at(v, out, LeafPlace{path, role});
}

void Elab::flatten_at(const Val& v, std::vector<FlatLeaf>& out, const LeafPlace& at) {
  if (!v) return;
  auto push = [&](const Leaf& l, ir::Type type) {
    out.push_back({l, std::move(type), at.path, at.role, at.part, at.given || at.shape_only});
  };
  auto all = [&](const std::vector<Val>& list) {
    int i = 0;
    for (auto& x : list) flatten_at(x, out, at.inner(std::to_string(i++)));
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
      return;
    case Value::tensor: {
      const auto& t = *as<TensorVal>(v);
      if (known_bool(v)) return;
      if (at.met && t.share) {
        auto [it, first] = at.met->emplace(t.share, out.size());
        if (!first) {  // it has the name of the first place that is kept, and is what any of them says
          FlatLeaf& one = out[it->second];
          const bool argument = at.given || at.shape_only;
          if (one.argument && !argument) std::swap(one.path, one.also.emplace_back(at.path));
          else one.also.push_back(at.path);
          one.argument = one.argument && argument;
          one.part = one.part || at.part;
          if (one.role == ir::Leaf::data || at.role == ir::Leaf::param) one.role = at.role;
          return;
        }
      }
      push(t.leaf, t.type);
      return;
    }
    case Value::integer:
      if (!as<IntVal>(v)->dim) push(as<IntVal>(v)->leaf, ir::scalar_type(DType::i64));
      return;
    case Value::real:
      if (!as<FloatVal>(v)->known) push(as<FloatVal>(v)->leaf, ir::scalar_type(DType::f64));
      return;
    case Value::string:
      for (auto& p : as<StringVal>(v)->pieces) flatten_at(p.hole, out, at);
      return;
    case Value::tuple: return all(as<TupleVal>(v)->elements);
    case Value::list: return all(as<ListVal>(v)->elements);
    case Value::record:
      for (auto& [n, x] : as<RecordVal>(v)->fields) flatten_at(x, out, at.inner(n));
      return;
    case Value::range:
      flatten_at(as<RangeVal>(v)->lo, out, at);
      flatten_at(as<RangeVal>(v)->hi, out, at);
      return;
    case Value::sequence:
      flatten_at(as<SequenceVal>(v)->count, out, at);
      flatten_at(as<SequenceVal>(v)->get, out, at);
      return;
    case Value::function: {
      const auto& fn = *as<FunctionVal>(v);
      flatten_at(fn.self, out, at);
      flatten_at(fn.inner, out, at);
      for (auto& h : fn.held) flatten_at(h, out, at);
      return;
    }
    case Value::model: {
      Order mine;
      for (auto& f : as<ModelVal>(v)->fields) {
        LeafPlace p = at.inner(f.name);
        if (!p.met) p.met = &mine;
        p.role = f.role == ModelField::param   ? ir::Leaf::param
                 : f.role == ModelField::state ? ir::Leaf::state
                                               : ir::Leaf::data;
        const bool argument = f.role == ModelField::argument;
        p.part = at.part || !argument;
        p.given = argument;
        p.shape_only = at.shape_only || (argument && f.name.starts_with("_"));
        flatten_at(f.value, out, p);
      }
      return;
    }
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
