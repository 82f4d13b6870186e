// Names and members: where a name is looked for, what `a.b` is, and what to say when there is none.
#include "frontend/elab.h"

namespace tenon::elab {

Binding* Elab::lookup(std::string_view id, const ScopePtr& s) {
  for (Scope* at = s.get(); at; at = at->parent.get())
    if (Binding* b = at->find_here(id)) return b;
  return nullptr;
}

Val Elab::name_value(const std::string& id, Loc loc, const ScopePtr& s) {
  if (id == "training" && !lookup(id, s)) return boolean(cx->training);
  if (Binding* b = lookup(id, s)) {
    if (!b->value) force_top(*b, id, loc);
    if (b->mutable_ && stack.size() > 1 && top_->find_here(id) == b)
      error(Code::E0204, loc, "a function reads the var `" + id + "` of the top level",
            "pass it as an argument, or make it a let", {{b->where, "`" + id + "` is defined here"}});
    return b->value;
  }
  if (Binding* b = library_name(id, loc)) {
    if (!b->value) force_top(*b, id, loc);
    return b->value;
  }
  if (const Builtin* p = find_builtin(id); p && (!id.starts_with("_") || in_library(loc))) {
    auto f = std::make_shared<FunctionVal>(FunctionVal::builtin);
    f->primitive = p;
    return f;
  }
  if (auto t = dtype_named(id)) return std::make_shared<DTypeVal>(*t);
  std::vector<std::string> candidates = builtin_names();
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (auto& b : at->bindings) candidates.push_back(b.name);
  for (auto& [n, file] : *library_names("")) candidates.push_back(n);
  for (int i = 0; i < kDTypeCount; ++i) candidates.emplace_back(kDTypes[i].name);
  std::erase_if(candidates, [](const std::string& c) { return c.starts_with("_"); });
  // What newcomers from elsewhere look for; a name of one or two letters is near to everything.
  static const std::map<std::string_view, std::string_view> kElsewhere = {
      {"range", "a range is written 0..n"},
      {"tensor", "a bracket of numbers is a tensor: [1.0, 2.0]"},
      {"array", "a bracket of numbers is a tensor: [1.0, 2.0]"},
      {"np", "the library's functions need no prefix: exp(x), sum(x)"},
      {"torch", "the library's functions need no prefix: exp(x), sum(x)"},
      {"matmul", "the matrix product is a @ b"},
      {"dot", "the matrix product is a @ b"},
      {"append", "xs + [x] is the longer list"},
      {"item", "a tensor with no axes is a number already"},
      {"None", "there is no null: a size of 0, or a bool beside the value"},
      {"Tensor", "a tensor's type is its dtype and sizes: f32[N, 3]"}};
  std::string hint;
  if (auto it = kElsewhere.find(id); it != kElsewhere.end()) hint = it->second;
  if (hint.empty() && id.size() > 2) {
    for (auto& c : near_misses(id, candidates)) hint += (hint.empty() ? "did you mean `" : "`, `") + c;
    if (!hint.empty()) hint += "`?";
  }
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (auto& b : at->bindings)
      if (b.name == "self" && b.value)
        if (auto* m = as<ModelVal>(b.value))
          for (auto& f : m->fields)
            if (f.name == id && !f.value)
              error(Code::E0601, loc, "`" + id + "` is left out of this " + m->decl->id.text + ": the condition of its `if` is false",
                    "use it under the same condition");
  error(Code::E0201, loc, "`" + id + "` is not known here", hint);
}

Val Elab::member(const Val& object, const ast::Name& id, Loc loc) {
  if (is_poison(object)) throw Reported{};
  auto unknown = [&](const std::string& what, const std::vector<std::string>& have) {
    std::string hint;
    for (auto& c : near_misses(id.text, have)) hint += (hint.empty() ? "did you mean `" : "`, `") + c;
    if (!hint.empty()) hint += "`?";
    if (hint.empty() && !have.empty()) {
      for (size_t i = 0; i < have.size() && i < 12; ++i) hint += (hint.empty() ? "there are " : ", ") + have[i];
      if (have.size() > 12) hint += " ..";
    }
    error(Code::E0201, id.loc, what + " has no `" + id.text + "`", hint);
  };
  std::vector<std::string> have;
  if (auto* r = as<RecordVal>(object)) {
    if (Val v = r->find(id.text)) return v;
    for (auto& [n, v] : r->fields) have.push_back(n);
    unknown("the record " + type_text(object), have);
  }
  if (auto* m = as<ModelVal>(object)) {
    if (auto* f = m->find(id.text)) {
      if (!f->value)
        error(Code::E0601, loc, "`" + id.text + "` of " + m->decl->id.text + " is not there: its condition was false when the model was made");
      return f->value;
    }
    if (auto* d = method(*m->decl, id.text)) return bound_method(*d, object);
    for (auto& f : m->fields) have.push_back(f.name);
    for (auto* st : m->decl->members)
      if (st->kind == ast::Stmt::fn) have.push_back(ast::as<ast::FnDecl>(*st).id.text);
    unknown("model " + m->decl->id.text, have);
  }
  if (auto* m = as<ModuleVal>(object)) {
    Binding* b = m->scope ? m->scope->find_here(id.text) : library_name(id.text, m->name);
    if (b && !id.text.starts_with("_")) {
      if (!b->value) force_top(*b, id.text, loc);
      return b->value;
    }
    if (m->scope)
      for (auto& x : m->scope->bindings) have.push_back(x.name);
    else
      for (auto& [name, file] : *library_names(m->name)) have.push_back(name);
    std::erase_if(have, [](const std::string& n) { return n.starts_with("_"); });
    if (!id.text.starts_with("_") && !m->scope && library_name(id.text))
      error(Code::E0201, id.loc, "the module " + m->name + " has no `" + id.text + "`", "`" + id.text + "` needs no module: it is known everywhere");
    unknown("the module " + m->name, have);
  }
  std::string hint;
  if (is_numberlike(object))
    hint = id.text == "T" ? "transpose(x)" : "functions take the tensor as an argument: " + id.text + "(x), or x |> " + id.text;
  error(Code::E0401, id.loc, "`." + id.text + "` of " + type_text(object), hint);
}

}  // namespace tenon::elab
