// Names and members: where a name is looked for, what `a.b` is, and what to say when there is none.
#include <algorithm>
#include <cctype>

#include "frontend/elab.h"
#include "frontend/foreign_names.h"
#include "frontend/foreign_page.h"

namespace tenon::elab {
namespace {

// ReLU and relu, Conv2D and conv_2d.
bool same_letters(std::string_view a, std::string_view b) {
  auto letters = [](std::string_view s) {
    std::string out;
    for (char c : s)
      if (c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  };
  return letters(a) == letters(b);
}

}  // namespace

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  std::string hint;
  for (auto& c : near_misses(name, candidates)) hint += (hint.empty() ? "did you mean `" : "`, `") + c;
  return hint.empty() ? hint : hint + "`?";
}

Binding* Elab::lookup(std::string_view id, const ScopePtr& s) {
  for (Scope* at = s.get(); at; at = at->parent.get())
    if (Binding* b = at->find_here(id)) return b;
  return nullptr;
}

Val Elab::name_value(const std::string& id, Loc loc, const ScopePtr& s) {
  if (id == "training" && !lookup(id, s)) return boolean(cx->training);
  if (Binding* b = lookup(id, s)) {
    if (!b->value) force_top(*b, id, loc);
    // The expression of `assert fails` is a function to us alone: it runs where it stands.
    const bool inside = stack.size() > 1 && std::any_of(stack.begin() + 1, stack.end(),
                                    [](const FnCx* c) { return c->decl || c->fn->name != "fails"; });
    if (b->mutable_ && inside && top_->find_here(id) == b)
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
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (auto& b : at->bindings)
      if (b.name == "self" && b.value)
        if (auto* m = as<ModelVal>(b.value))
          for (auto& f : m->fields)
            if (f.name == id && !f.value)
              error(Code::E0601, loc, "`" + id + "` is left out of this " + m->decl->id.text + ": the condition of its `if` is false",
                    "use it under the same condition");
  error(Code::E0201, loc, "`" + id + "` is not known here", unknown_name_hint(id, s));
}

bool Elab::known_name(std::string_view id, const ScopePtr& s) {
  return lookup(id, s) || library_name(id) || find_builtin(id) || dtype_named(id);
}

// What an unknown name may have been meant to be: only what exists and can be seen from here.
std::string Elab::unknown_name_hint(const std::string& id, const ScopePtr& s) {
  library_names("");
  auto in_module = [&](bool exactly) -> std::string {
    for (auto& [module, names] : library_index) {
      if (module.empty()) continue;
      if (id == module) return "the module is imported first: import " + module;
      for (auto& [name, file] : names)
        if ((exactly ? id == name : same_letters(id, name)) && !name.starts_with("_"))
          return "`" + name + "` is in the module " + module + ": import " + module + ", then " + module + "." + name;
    }
    return "";
  };
  if (std::string hint = in_module(true); !hint.empty()) return hint;
  if (auto* f = foreign_name(Place::name, id); f && (f->needs.empty() || known_name(f->needs, s)))
    return std::string(f->hint);
  std::vector<std::string> candidates = builtin_names();
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (auto& b : at->bindings)
      if (!is_poison(b.value) && (b.value || stack.size() > 1)) candidates.push_back(b.name);
  for (auto& [n, file] : *library_names("")) candidates.push_back(n);
  for (int i = 0; i < kDTypeCount; ++i) candidates.emplace_back(kDTypes[i].name);
  std::erase_if(candidates, [](const std::string& c) { return c.starts_with("_"); });
  for (auto& c : candidates)
    if (same_letters(id, c)) return "did you mean `" + c + "`?";
  if (std::string hint = in_module(false); !hint.empty()) return hint;
  if (std::string here = foreign_page(id); !here.empty()) return "docs/from_pytorch.md says: " + here;
  return id.size() > 2 ? did_you_mean(id, candidates) : "";  // a short name is near to everything
}

Val Elab::member(const Val& object, const ast::Name& id, Loc loc) {
  if (is_poison(object)) throw Reported{};
  auto unknown = [&](const std::string& what, const std::vector<std::string>& have) {
    std::string hint = did_you_mean(id.text, have);
    if (hint.empty())
      if (auto* f = object->kind == Value::model ? foreign_name(Place::member, id.text) : nullptr) hint = f->hint;
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
    if (b)
      error(Code::E0201, id.loc, "`" + id.text + "` is a name of the module " + m->name + " alone",
            "names that begin with `_` are not seen from other files");
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
  auto* foreign = foreign_name(Place::member, id.text);
  if (foreign && (foreign->needs.empty() || known_name(foreign->needs, top_))) {
    hint = foreign->hint;
  } else if (is_numberlike(object) || object->kind == Value::list || object->kind == Value::tuple) {
    Binding* b = library_name(id.text);
    const bool function = find_builtin(id.text) || (b && b->value && b->value->kind == Value::function);
    if (function && !id.text.starts_with("_"))
      hint = "functions take the tensor as an argument: " + id.text + "(x), or x |> " + id.text;
    else if (is_numberlike(object)) hint = "a tensor has no members; functions take it as an argument: sum(x)";
  }
  error(Code::E0401, id.loc, "`." + id.text + "` of " + type_text(object), hint);
}

}  // namespace tenon::elab
