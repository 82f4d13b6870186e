// Sharing by name binding (rule 7): a param, a state or a part of a model that is named in a second
// place of the model, or given to a part of it, is one tensor with one derivative. Each of them has a
// number, `TensorVal::share`; walks over the leaves of a model meet a number once. Numbers say nothing
// between two models: a tuple of a net and its trained copy has two sets of leaves.
#include <algorithm>

#include "frontend/elab.h"

namespace tenon::elab {

Val Elab::with_shares(const Val& v, const std::function<uint32_t(const TensorVal&)>& f) {
  if (!v) return v;
  auto all = [&](std::vector<Val> xs) {
    for (auto& x : xs) x = with_shares(x, f);
    return xs;
  };
  switch (v->kind) {
    case Value::tensor: {
      const auto& t = *as<TensorVal>(v);
      if (known_bool(v)) return v;
      const uint32_t share = f(t);
      return share == t.share ? v : std::make_shared<TensorVal>(t.leaf, t.type, t.known, share);
    }
    case Value::tuple: return std::make_shared<TupleVal>(all(as<TupleVal>(v)->elements));
    case Value::list: return std::make_shared<ListVal>(all(as<ListVal>(v)->elements));
    case Value::record: {
      auto fields = as<RecordVal>(v)->fields;
      for (auto& [n, x] : fields) x = with_shares(x, f);
      return std::make_shared<RecordVal>(std::move(fields));
    }
    case Value::model: {
      auto m = std::make_shared<ModelVal>(*as<ModelVal>(v));
      for (auto& field : m->fields) field.value = with_shares(field.value, f);
      return m;
    }
    case Value::function: {
      const auto& fn = *as<FunctionVal>(v);
      if (!fn.self && !fn.inner && fn.held.empty()) return v;
      auto r = std::make_shared<FunctionVal>(fn);
      r->self = with_shares(fn.self, f);
      r->inner = with_shares(fn.inner, f);
      r->held = all(fn.held);
      return r;
    }
    case Value::unit: case Value::poison: case Value::never: case Value::integer: case Value::real:
    case Value::weak: case Value::string: case Value::range: case Value::sequence: case Value::model_class:
    case Value::dtype: case Value::module: case Value::type:
      return v;
  }
  bug("with_shares: no such kind");
}

Val Elab::named_parts(const Val& v) {
  return with_shares(v, [&](const TensorVal& t) { return t.share ? t.share : next_share++; });
}

Val Elab::one_of_a_kind(const Val& v) {
  std::map<std::pair<uint32_t, Leaf>, uint32_t> given;
  return with_shares(v, [&](const TensorVal& t) {
    if (!t.share) return next_share++;
    auto [it, fresh] = given.emplace(std::pair(t.share, t.leaf), next_share);
    if (fresh) ++next_share;
    return it->second;
  });
}

// A gradient, or zeros_like(net), has the numbers of its net but other tensors: beside the net it gets its own.
Val Elab::shares_settled(const Val& model) {
  std::map<uint32_t, Leaf> first;
  std::map<std::pair<uint32_t, Leaf>, uint32_t> given;
  return with_shares(model, [&](const TensorVal& t) {
    if (!t.share) return next_share++;
    if (first.emplace(t.share, t.leaf).first->second == t.leaf) return t.share;
    auto [it, fresh] = given.emplace(std::pair(t.share, t.leaf), next_share);
    if (fresh) ++next_share;
    return it->second;
  });
}

// Of two models that meet after an `if` or a turn: two places are one where they are so in both.
uint32_t Elab::share_of_both(uint32_t a, uint32_t b) {
  if (a == b) return a;
  if (!a || !b) return 0;
  auto [it, fresh] = joined_shares.emplace(std::pair(a, b), next_share);
  if (fresh) ++next_share;
  return it->second;
}

void Elab::rename_shares(const Val& inside, const Val& outside, Renamed& names) {
  std::vector<uint32_t> a, b;
  auto list = [&](const Val& v, std::vector<uint32_t>& out) {
    with_shares(v, [&](const TensorVal& t) {
      out.push_back(t.share);
      return t.share;
    });
  };
  list(inside, a);
  list(outside, b);
  for (size_t i = 0; a.size() == b.size() && i < a.size(); ++i)
    if (a[i] && b[i]) names.emplace(a[i], b[i]);
}

bool Elab::has_shares(const Val& v) {
  auto any = [](const std::vector<Val>& xs) { return std::any_of(xs.begin(), xs.end(), has_shares); };
  if (auto* t = as<TupleVal>(v)) return any(t->elements);
  if (auto* l = as<ListVal>(v)) return any(l->elements);
  if (auto* r = as<RecordVal>(v))
    return std::any_of(r->fields.begin(), r->fields.end(), [](auto& f) { return has_shares(f.second); });
  return as<ModelVal>(v) != nullptr;
}

std::map<uint32_t, std::vector<std::string>> Elab::shared_places(const Val& v) {
  std::map<uint32_t, std::vector<std::string>> places;
  std::function<void(const Val&, const std::string&, bool)> visit = [&](const Val& x, const std::string& path, bool model) {
    auto inner = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
    if (auto* t = as<TensorVal>(x)) {
      if (model && t->share && !known_bool(x)) places[t->share].push_back(path);
    } else if (auto* m = as<ModelVal>(x)) {
      for (auto& f : m->fields) visit(f.value, inner(f.name), true);
    } else if (auto* r = as<RecordVal>(x)) {
      for (auto& [n, part] : r->fields) visit(part, inner(n), model);
    } else {
      auto *tuple = as<TupleVal>(x);
      auto *list = as<ListVal>(x);
      if (!tuple && !list) return;
      size_t i = 0;
      for (auto& part : tuple ? tuple->elements : list->elements) visit(part, inner(std::to_string(i++)), model);
    }
  };
  visit(v, "", false);
  return places;
}

void Elab::note_broken_shares(const std::string& name, const Val& before, const Val& after, Loc loc) {
  if (!noting || in_library(loc)) return;
  auto now = shared_places(after);
  for (auto& [share, places] : shared_places(before)) {
    if (places.size() < 2) continue;
    const auto& left = now[share];
    if (left.size() == places.size() || left.empty()) continue;
    auto gone = std::find_if(places.begin(), places.end(), [&](const std::string& p) {
      return std::find(left.begin(), left.end(), p) == left.end();
    });
    if (gone == places.end()) continue;
    Diagnostic d{Code::E0601, loc, "`" + name + "." + *gone + "` and `" + name + "." + left[0] + "` were one tensor; from here on each has its own numbers",
                 {}, "make the model again from the new part to keep one", Fault::program, true, {calls.rbegin(), calls.rend()}};
    blame(d, sources);
    for (const Diagnostic& m : left_to_run)
      if (m.where == d.where && m.code == d.code) return;
    left_to_run.push_back(std::move(d));
    return;
  }
}

}  // namespace tenon::elab
