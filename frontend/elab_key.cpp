// What tells the instances of a function apart: everything of its arguments that is known when compiling.
#include <cstdio>

#include "frontend/elab.h"

namespace tenon::elab {

// Everything about a value that an instance depends on; not the numbers in its leaves.
std::string Elab::key_of(const Val& v, Order* met) {
  if (!v) return "-";
  auto list = [&](const std::vector<Val>& xs) {
    std::string s = "(";
    for (auto& x : xs) s += key_of(x, met) + ",";
    return s + ")";
  };
  auto address = [](const void* p) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%p", p);
    return std::string(buffer);
  };
  switch (v->kind) {
    case Value::unit: return "u";
    case Value::poison: case Value::never: return "!";
    case Value::tensor: {
      const auto& t = as<TensorVal>(v)->type;
      if (auto k = known_bool(v)) return *k ? "true" : "false";
      if (const uint32_t share = as<TensorVal>(v)->share; met && share)
        if (auto [it, first] = met->emplace(share, met->size()); !first) return "@" + std::to_string(it->second);
      std::string s(tenon::name(t.dtype));
      s += "[";
      for (DimId d : t.shape) s += std::to_string(d) + ",";
      return s + "]";
    }
    case Value::integer: {
      const auto& i = *as<IntVal>(v);
      return i.dim ? "i" + std::to_string(*i.dim) : i.offset ? "i+" + std::to_string(*i.offset) : "i";
    }
    case Value::real: {
      auto k = as<FloatVal>(v)->known;
      char buffer[40];
      if (k) std::snprintf(buffer, sizeof buffer, "r%a", *k);
      return k ? buffer : "r";
    }
    case Value::weak: return "w";
    case Value::string: {
      std::string s = "s";
      for (auto& p : as<StringVal>(v)->pieces) s += p.hole ? "{" + key_of(p.hole, met) + ":" + p.format + "}" : p.text;
      return s;
    }
    case Value::tuple: return "t" + list(as<TupleVal>(v)->elements);
    case Value::list: return "l" + list(as<ListVal>(v)->elements);
    case Value::record: {
      std::string s = "{";
      for (auto& [n, x] : as<RecordVal>(v)->fields) s += n + ":" + key_of(x, met) + ",";
      return s + "}";
    }
    case Value::range: return "R" + key_of(as<RangeVal>(v)->lo, met) + key_of(as<RangeVal>(v)->hi, met);
    case Value::sequence: return "q" + key_of(as<SequenceVal>(v)->count, met) + key_of(as<SequenceVal>(v)->get, met);
    case Value::function: {
      const auto& f = *as<FunctionVal>(v);
      std::string s = "f" + std::to_string(f.what) + address(f.decl ? static_cast<const void*>(f.decl) : f.fn) +
                      address(f.primitive) + "#" + std::to_string(f.id) + std::to_string(static_cast<int>(f.wrap));
      for (auto& w : f.wrt) s += w + ",";
      if (f.self) s += key_of(f.self, met);
      if (f.inner) s += key_of(f.inner, met);
      return s + list(f.held);
    }
    case Value::model: {
      const auto& m = *as<ModelVal>(v);
      std::string s = "m" + address(m.decl) + (m.training ? "T" : "E") + "(";
      Order mine;  // which places are one is part of what it is
      if (!met) met = &mine;
      for (auto& f : m.fields) s += key_of(f.value, met) + ",";
      return s + ")";
    }
    case Value::model_class: return "c" + address(as<ModelClassVal>(v)->decl);
    case Value::dtype: return "d" + std::string(tenon::name(as<DTypeVal>(v)->value));
    case Value::module: return "M" + as<ModuleVal>(v)->name;
    case Value::type: return "y" + address(as<TypeVal>(v)->written);
  }
  bug("key_of: no such kind");
}

// Where the type is written, the sizes of tensors are symbols of the instance: not part of its key.
std::string Elab::key_as_written(const ast::TypeExpr* e, const Val& v, TypeCx& t) {
  auto *tuple = as<TupleVal>(v);
  auto *record = as<RecordVal>(v);
  auto member = [&](const ast::TypeExpr* type, const Val& part) {
    return part && known_bool(part) ? key_of(part) : key_as_written(type, part, t);
  };
  if (e && e->kind == ast::TypeExpr::tuple && tuple && tuple->elements.size() == e->elements.size()) {
    std::string s = "t(";
    for (size_t i = 0; i < e->elements.size(); ++i) s += member(e->elements[i], tuple->elements[i]) + ",";
    return s + ")";
  }
  if (e && e->kind == ast::TypeExpr::record && record) {
    std::string s = "{";
    for (auto& f : e->fields) s += f.id.text + ":" + member(f.type, record->find(f.id.text)) + ",";
    return s + "}";
  }
  if (e && e->kind == ast::TypeExpr::named) {
    if (auto* x = as<TensorVal>(v); x && is_dtype_name(*e, t))
      return std::string(tenon::name(x->type.dtype)) + "/" + std::to_string(x->type.rank());
    auto* named = host_type(*e).empty() && !is_dtype_name(*e, t) ? type_named(*e, t.scope) : nullptr;
    if (named) {
      ScopePtr outside = std::exchange(t.scope, named->scope);
      std::string key = key_as_written(named->written, v, t);
      t.scope = outside;
      return key;
    }
  }
  return key_of(v);
}

}  // namespace tenon::elab
