// Units: a file, a REPL input, a test, a call from a host program; the library and imported modules.
#include <algorithm>
#include <cstring>

#include "frontend/elab.h"
#include "frontend/lint.h"
#include "frontend/parse.h"
#include "frontend/scan.h"
#include "ir/passes.h"
#include "ir/verify.h"

namespace tenon::elab {

// ---------------------------------------------------------------- names of a top level

void Elab::declare(const std::vector<const ast::Stmt*>& list, const ScopePtr& s) {
  auto define_once = [&](const ast::Name& id, Val v) {
    for (auto& n : s->local_names)
      if (n == id.text) {
        report({Code::E0202, id.loc, "`" + id.text + "` is defined twice", {{s->find_here(id.text)->where, "the first is here"}}, ""});
        return;
      }
    s->local_names.push_back(id.text);
    if (Binding* b = s->find_here(id.text)) *b = {id.text, v, false, id.loc};
    else s->define(id.text, v, false, id.loc);
  };
  for (auto* st : list) {
    switch (st->kind) {
      case ast::Stmt::fn: {
        const auto& d = ast::as<ast::FnDecl>(*st);
        auto f = std::make_shared<FunctionVal>(FunctionVal::named);
        f->decl = &d;
        f->scope = s;
        define_once(d.id, f);
        break;
      }
      case ast::Stmt::model: {
        const auto& d = ast::as<ast::ModelDecl>(*st);
        define_once(d.id, std::make_shared<ModelClassVal>(&d, s));
        break;
      }
      case ast::Stmt::type_def: {
        const auto& d = ast::as<ast::TypeDef>(*st);
        define_once(d.id, std::make_shared<TypeVal>(d.type, s));
        break;
      }
      case ast::Stmt::derivative: {
        const auto& d = ast::as<ast::Derivative>(*st);
        const ast::FnDecl* target = nullptr;
        for (auto* o : list)
          if (o->kind == ast::Stmt::fn && ast::as<ast::FnDecl>(*o).id.text == d.id.text) target = &ast::as<ast::FnDecl>(*o);
        if (!target) {
          report({Code::E0201, d.id.loc, "there is no function `" + d.id.text + "` in this file to give a derivative", {}, ""});
          break;
        }
        for (auto* o : list)
          if (o->kind == ast::Stmt::derivative && o != st && ast::as<ast::Derivative>(*o).id.text == d.id.text && own_derivative.count(target))
            report({Code::E0202, d.id.loc, "`" + d.id.text + "` has two derivatives", {{own_derivative[target]->id.loc, "the first is here"}}, ""});
        own_derivative[target] = &d;
        break;
      }
      default: break;
    }
  }
  // Names that a `let` will define: known to functions, empty until it is reached.
  for (auto* st : list)
    if (st->kind == ast::Stmt::bind) {
      const auto& b = ast::as<ast::Bind>(*st);
      std::function<void(const ast::Pattern&)> walk = [&](const ast::Pattern& p) {
        if (p.kind == ast::Pattern::name && !s->find_here(p.id.text)) s->define(p.id.text, nullptr, b.mutable_, p.id.loc);
        for (auto& e : p.elements) walk(e);
      };
      walk(b.pattern);
    }
}

void Elab::force_top(Binding& b, const std::string& id, Loc loc) {
  // A constant of the library is elaborated when it is first needed.
  for (auto& [name, scope] : loaded)
    if (scope->find_here(id) == &b)
      for (auto& m : modules)
        if (m->file == b.where.file)
          for (auto* st : m->top.stmts)
            if (st->kind == ast::Stmt::bind) {
              const auto& bind = ast::as<ast::Bind>(*st);
              if (bind.pattern.kind == ast::Pattern::name && bind.pattern.id.text == id) {
                Val v = expr(*bind.value, scope);
                scope->find_here(id)->value = v;
                return;
              }
            }
  error(Code::E0201, loc, "`" + id + "` is used before it is defined", "move its definition up",
        {{b.where, "`" + id + "` is defined here"}});
}

namespace {

// The module of a library file: stdlib/nn/conv.model is a part of nn, so is stdlib/nn.model.
std::string module_of(const std::string& file, const TextSource& source) {
  if (source.text.starts_with("# prelude")) return "";
  return file.substr(0, file.find('/'));
}

}  // namespace

const std::map<std::string, std::string, std::less<>>* Elab::library_names(const std::string& module) {
  if (library_index.empty()) {
    library_index[""];
    // Which file defines a name is seen from the starts of its lines, without parsing it.
    for (const std::string& m : texts.library_modules()) {
      const TextSource* t = texts.library(m);
      auto& index = library_index[module_of(m, *t)];
      std::string_view text = t->text;
      for (size_t at = 0; at < text.size();) {
        size_t end = text.find('\n', at);
        if (end == std::string_view::npos) end = text.size();
        std::string_view line = text.substr(at, end - at);
        for (std::string_view word : {"fn ", "model ", "let "})
          if (line.starts_with(word)) {
            size_t n = word.size();
            while (n < line.size() && (std::isalnum(static_cast<unsigned char>(line[n])) || line[n] == '_')) ++n;
            index.emplace(std::string(line.substr(word.size(), n - word.size())), m);
          }
        at = end + 1;
      }
    }
  }
  auto it = library_index.find(module);
  return it == library_index.end() ? nullptr : &it->second;
}

Binding* Elab::library_name(std::string_view id, const std::string& module) {
  auto* names = library_names(module);
  if (!names) return nullptr;
  auto it = names->find(id);
  return it == names->end() ? nullptr : load_library(it->second)->find_here(id);
}

Binding* Elab::library_name(std::string_view id, Loc from) {
  auto home = library_files.find(from.file);
  if (home != library_files.end() && !home->second.empty())
    if (Binding* b = library_name(id, home->second)) return b;
  return library_name(id);
}

ScopePtr Elab::load_library(const std::string& module_name) {
  if (auto it = loaded.find(module_name); it != loaded.end()) return it->second;
  const TextSource* t = texts.library(module_name);
  FileId file = sources.add_library("<" + t->name + ">", t->text);
  library_files[file] = module_of(module_name, *t);
  ParseResult r = parse(sources, file);
  if (!r.module) bug("the library does not parse: " + render(r.errors[0], sources));
  modules.push_back(r.module);
  auto scope = std::make_shared<Scope>(nullptr, true);
  loaded[module_name] = scope;
  declare(r.module->top.stmts, scope);
  return scope;
}

Val Elab::module_named(const std::string& path, bool file, Loc loc) {
  if (!file) {
    if (path.empty() || !library_names(path)) {
      std::vector<std::string> modules;
      for (auto& [name, files] : library_index)
        if (!name.empty()) modules.push_back(name);
      std::string hint = did_you_mean(path, modules);
      error(Code::E0201, loc, "the library has no module `" + path + "`",
            hint.empty() ? "a file beside this one is imported with quotes: import \"" + path + ".model\"" : hint);
    }
    return std::make_shared<ModuleVal>(nullptr, path);
  }
  auto source = texts.file(path, loc);
  if (!source) error(Code::E0901, loc, "the file `" + path + "` cannot be read", "paths are relative to the file that imports");
  if (auto it = loaded.find(source->name); it != loaded.end()) {
    if (loading.count(source->name)) error(Code::E0203, loc, "`" + path + "` is being imported already: the imports form a circle");
    return std::make_shared<ModuleVal>(it->second, path);
  }
  FileId id = sources.add(source->name, source->text);
  ParseResult r = parse(sources, id);
  if (!r.module) {
    for (auto& e : r.errors) report(e);
    throw Reported{};
  }
  modules.push_back(r.module);
  auto scope = std::make_shared<Scope>(nullptr, true);
  loaded[source->name] = scope;
  loading.insert(source->name);
  declare(r.module->top.stmts, scope);
  stmts(r.module->top.stmts, scope, false);
  loading.erase(source->name);
  return std::make_shared<ModuleVal>(scope, path);
}

}  // namespace tenon::elab

// ---------------------------------------------------------------- the public face

namespace tenon {

using namespace elab;

struct Elaborator::Impl {
  Impl(ir::Module& module, SourceMap& sources, Texts& texts) : e(module, sources, texts), prefix(module) {}
  Elab e;
  ir::PrefixRunner prefix;
  uint32_t next_kept = 1;
  struct Kept {
    ir::Type type;
    bool integer;
  };
  std::map<uint32_t, Kept> pending;  // outputs of a unit that has not run yet

  std::unique_ptr<FnCx> begin(const std::string& name, Loc loc, ir::FnId& id) {
    e.messages.clear();
    auto c = e.new_cx(name, loc, id);
    e.cx = c.get();
    e.stack = {e.cx};
    e.calls.clear();
    return c;
  }

  // Ends the unit's function; runs the prefix, which makes the derivatives.
  void end(Unit& u, FnCx& c, ir::FnId id, const std::vector<ir::Value>& results, const std::vector<Elab::FlatLeaf>& leaves) {
    u.fn = id;
    auto has_error = [&] {
      return std::any_of(e.messages.begin(), e.messages.end(), [](const Diagnostic& d) { return !d.warning; });
    };
    if (!has_error()) {
      e.finish_function(c, results, leaves);
      if (std::string wrong = ir::verify(e.module, *c.fn); !wrong.empty()) bug("elaboration of a unit: " + wrong);
      try {
        prefix.run(id);
        for (ir::FnId extra : e.extra_functions) prefix.run(extra);
        e.extra_functions.clear();
      } catch (UserError& err) {
        e.module.places.spell_out(err.diagnostic);
        blame(err.diagnostic, e.sources);
        e.report(err.diagnostic);
      }
    }
    for (auto& [from, v] : c.imports)
      if (from.owner == 0) u.inputs.push_back(from.v);
    u.ok = !has_error();
    if (u.ok)  // first things first
      for (auto& d : e.check_notes) e.report(d);
    e.check_notes.clear();
    std::stable_sort(e.messages.begin(), e.messages.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return a.where.file == b.where.file && a.where.begin < b.where.begin;
    });
    u.messages = e.messages;
    e.cx = nullptr;
    e.stack.clear();
    // Instances that hold values of this unit cannot serve the next.
    std::erase_if(e.instances, [&](auto& item) {
      for (auto& [from, type] : item.second->imports)
        if (from.owner != 0 && from.owner != kKeyOwner) return true;
      return item.second->failed;
    });
    std::erase_if(e.instance_order, [&](const std::string& k) { return !e.instances.count(k); });
  }

  // What the names of a file tell without types: unknown ones where nothing calls, unused ones.
  void check_names(const ast::Module& parsed) {
    LintResult found = lint(parsed, [&](const std::string& id) {
      return id == "training" || id == "fails" || (!id.starts_with("_") && e.known_name(id, nullptr));
    });
    for (auto& u : found.unknown) {
      // Elaborating has seen more: what it said of this name, or at this place, stands.
      const std::string message = "`" + u.name + "` is not known here";
      auto said = [&](const Diagnostic& d) {
        return d.message == message || d.message.starts_with("`" + u.name + "` ") ||
               (d.where.file == u.where.file && d.where.begin <= u.where.begin && u.where.end <= d.where.end);
      };
      if (std::none_of(e.messages.begin(), e.messages.end(), said))
        e.report({Code::E0201, u.where, message, {}, e.unknown_name_hint(u.name, e.top_)});
    }
    for (auto& d : found.wrong) e.report(d);
    e.check_notes = std::move(found.notes);
    e.check_notes.insert(e.check_notes.end(), e.left_to_run.begin(), e.left_to_run.end());
  }

  // Every scope a value reaches through closures.
  void each_scope(const Val& v, std::set<Scope*>& seen, const std::function<void(Scope&)>& f) {
    if (!v) return;
    switch (v->kind) {
      case Value::function: {
        const auto& fn = *as<FunctionVal>(v);
        for (Scope* s = fn.scope.get(); s; s = s->parent.get()) {
          if (s->top || !seen.insert(s).second) break;
          f(*s);
          for (size_t i = 0; i < s->bindings.size(); ++i) each_scope(s->bindings[i].value, seen, f);
        }
        each_scope(fn.self, seen, f);
        each_scope(fn.inner, seen, f);
        for (auto& h : fn.held) each_scope(h, seen, f);
        return;
      }
      case Value::tuple: for (auto& x : as<TupleVal>(v)->elements) each_scope(x, seen, f); return;
      case Value::list: for (auto& x : as<ListVal>(v)->elements) each_scope(x, seen, f); return;
      case Value::record: for (auto& [n, x] : as<RecordVal>(v)->fields) each_scope(x, seen, f); return;
      case Value::sequence: each_scope(as<SequenceVal>(v)->get, seen, f); return;
      case Value::model: for (auto& x : as<ModelVal>(v)->fields) each_scope(x.value, seen, f); return;
      default: return;
    }
  }

  // What the top level defined becomes kept tensors: its leaves are the unit's results.
  void keep(Unit& u, FnCx& c, std::vector<ir::Value>& results, std::vector<Elab::FlatLeaf>& leaves) {
    std::map<Leaf, uint32_t> ids;
    auto id_of = [&](const Leaf& l, const ir::Type& t, bool integer) {
      auto [it, fresh] = ids.emplace(l, next_kept);
      if (fresh) {
        ++next_kept;
        pending[it->second] = {t, integer};
        u.outputs.push_back(it->second);
        results.push_back(l.v);
        leaves.push_back({l, t, "", ir::Leaf::data});
      }
      return Leaf{0, it->second};
    };
    std::function<Val(const Val&)> kept = [&](const Val& v) {
      return e.rebuild(solid(v), [&](const Leaf& l, const ir::Type& t) {
        if (l.owner != c.id) return l;
        return id_of(l, t, t.scalar() && t.dtype == DType::i64);
      });
    };
    std::set<Scope*> seen;
    std::set<Scope*> tops{e.top_.get()};
    for (auto& [name, s] : e.loaded) tops.insert(s.get());
    for (Scope* s : tops)
      for (size_t i = 0; i < s->bindings.size(); ++i) {
        Val v = s->bindings[i].value;
        if (!v) continue;
        each_scope(v, seen, [&](Scope& inner) {
          for (auto& b : inner.bindings)
            if (b.value) b.value = kept(b.value);
        });
        s->bindings[i].value = kept(v);
      }
  }

  // Sizes that only this unit knows are kept as numbers: an int that is a size becomes a leaf.
  Val solid(const Val& v) {
    auto* i = as<IntVal>(v);
    if (!i || (i->dim && e.dims.value(*i->dim))) return v;
    return e.int_from(e.int_value(*i));
  }
};

Elaborator::Elaborator(ir::Module& module, SourceMap& sources, Texts& texts)
    : impl_(std::make_unique<Impl>(module, sources, texts)) {}
Elaborator::~Elaborator() = default;

Unit Elaborator::unit(std::shared_ptr<ast::Module> parsed, const Options& options) {
  Elab& e = impl_->e;
  e.modules.push_back(parsed);
  e.findings = options.findings;
  Unit u;
  ir::FnId id;
  auto c = impl_->begin("main", parsed->top.loc, id);
  c->draws = static_cast<int64_t>(options.seed_statement) << 32;
  e.top_->local_names.clear();
  // A name that is defined again must not be found by instances that saw the old one.
  bool redefines = false;
  for (auto* st : parsed->top.stmts)
    if (st->kind == ast::Stmt::fn) redefines |= e.top_->find_here(ast::as<ast::FnDecl>(*st).id.text) != nullptr;
    else if (st->kind == ast::Stmt::model) redefines |= e.top_->find_here(ast::as<ast::ModelDecl>(*st).id.text) != nullptr;
    else if (st->kind == ast::Stmt::bind) redefines = redefines || !e.top_->bindings.empty();
  if (redefines) {
    e.instances.clear();
    e.instance_order.clear();
  }
  std::vector<Binding> before = e.top_->bindings;
  e.noting = options.check_all;
  e.left_to_run.clear();
  e.declare(parsed->top.stmts, e.top_);
  // Values last as long as their statements: everything at the top level is one block.
  const auto& list = parsed->top.stmts;
  for (size_t i = 0; i < list.size(); ++i) {
    const ast::Stmt& st = *list[i];
    if (st.kind == ast::Stmt::test) {
      u.tests.push_back({ast::as<ast::Test>(st).title, st.loc, &st});
      continue;
    }
    if (st.kind == ast::Stmt::bench) {
      u.benches.push_back({ast::as<ast::Bench>(st).title, st.loc, &st});
      continue;
    }
    e.guarded(st, e.top_, [&] {
      bool show = options.echo && st.kind == ast::Stmt::expr;
      Val v = e.stmt_value(st, e.top_, show);
      if (show && v->kind != Value::unit && v->kind != Value::never) {
        std::vector<TextPiece> pieces;
        e.show(v, "", pieces, st.loc);
        Val named = e.named_value(v);
        if (auto* t = as<TensorVal>(named); t && options.echo_types && !t->type.scalar())
          pieces.push_back({"   " + e.type_text(named), nullptr, ""});
        e.emit_text("print", pieces, st.loc);
      }
    });
  }
  if (options.check_all) {
    for (auto* st : list) {
      if (st->kind == ast::Stmt::fn) e.check_function(ast::as<ast::FnDecl>(*st), e.top_);
      if (st->kind == ast::Stmt::model) e.check_model(ast::as<ast::ModelDecl>(*st), e.top_);
      if (st->kind == ast::Stmt::test || st->kind == ast::Stmt::bench) {
        const ast::Block* body = st->kind == ast::Stmt::test ? ast::as<ast::Test>(*st).body : ast::as<ast::Bench>(*st).body;
        e.check_block(*body, e.top_, st->kind == ast::Stmt::bench);
      }
    }
  }
  if (options.check_all) impl_->check_names(*parsed);
  e.noting = false;
  for (auto* st : list)
    if (st->kind == ast::Stmt::derivative) u.rules.push_back({"derivative of " + ast::as<ast::Derivative>(*st).id.text, st->loc, st});
  std::vector<ir::Value> results;
  std::vector<Elab::FlatLeaf> leaves;
  bool errors = std::any_of(e.messages.begin(), e.messages.end(), [](const Diagnostic& d) { return !d.warning; });
  if (!errors && options.keep) impl_->keep(u, *c, results, leaves);
  impl_->end(u, *c, id, results, leaves);
  e.findings = nullptr;
  if (!u.ok) e.top_->bindings = before;
  else u.before = std::make_shared<std::vector<Binding>>(std::move(before));
  return u;
}

Unit Elaborator::test(const ast::Stmt& test) {
  Elab& e = impl_->e;
  Unit u;
  ir::FnId id;
  auto c = impl_->begin("test", test.loc, id);
  std::vector<Binding> before = e.top_->bindings;
  e.stmts(ast::as<ast::Test>(test).body->stmts, std::make_shared<Scope>(e.top_), false);
  impl_->end(u, *c, id, {}, {});
  e.top_->bindings = before;
  return u;
}

Elaborator::Bench Elaborator::bench(const ast::Stmt& bench) {
  Elab& e = impl_->e;
  Bench out;
  const auto& body = ast::as<ast::Bench>(bench).body->stmts;
  const auto assigned = assigned_names(body);
  std::vector<Binding> before = e.top_->bindings;
  std::vector<ir::Value> results;
  std::vector<Elab::FlatLeaf> leaves;
  auto result = [&](const Elab::FlatLeaf& l) {
    results.push_back(e.use(l.leaf, l.type));
    leaves.push_back(l);
  };
  auto changes = [&](const Binding& b) { return b.mutable_ && b.value && assigned.contains(b.name); };
  auto end = [&](Unit& u, FnCx& c, ir::FnId id) {
    impl_->end(u, c, id, results, leaves);
    results.clear();
    leaves.clear();
  };
  ir::FnId id;
  auto c = impl_->begin("bench start", bench.loc, id);
  // As where a loop begins: numbers that are known now will not be in the next run.
  for (Binding& b : e.top_->bindings)
    if (changes(b))
      b.value = e.rebuild(e.coerce(b.value, e.dynamic(b.value)), [&](const Leaf& l, const ir::Type& t) {
        result({l, t, "", ir::Leaf::data});
        out.start.outputs.push_back(impl_->next_kept++);
        return Leaf{0, out.start.outputs.back()};
      });
  end(out.start, *c, id);
  const std::vector<Binding> entered = e.top_->bindings;

  c = impl_->begin("bench", bench.loc, id);
  // What a bench computes leaves as results, or it would be removed as dead.
  Val v = e.stmts(body, std::make_shared<Scope>(e.top_), true);
  std::vector<Elab::FlatLeaf> shown;
  if (!is_poison(v)) e.flatten(v, shown);
  for (auto& l : shown) result(l);
  for (size_t i = 0; i < entered.size() && !is_poison(v); ++i) {
    if (!changes(entered[i])) continue;
    const Val now = e.top_->bindings[i].value;
    std::vector<Elab::FlatLeaf> from, to;
    e.flatten(entered[i].value, from);
    e.flatten(e.coerce(now, e.dynamic(now)), to);
    bool alike = from.size() == to.size();  // what has grown is computed, and forgotten
    for (size_t k = 0; alike && k < to.size(); ++k) alike = from[k].type == to[k].type;
    for (size_t k = 0; k < to.size(); ++k) {
      if (alike) out.carried.emplace_back(from[k].leaf.v, results.size());
      result(to[k]);
    }
  }
  end(out.unit, *c, id);
  e.top_->bindings = before;
  return out;
}

Unit Elaborator::rule_test(const ast::Stmt& derivative, bool training, int point) {
  Elab& e = impl_->e;
  Unit u;
  ir::FnId id;
  auto c = impl_->begin("test", derivative.loc, id);
  c->draws = 1000 * (point + 1);
  c->training = training;
  const auto& rule = ast::as<ast::Derivative>(derivative);
  try {
    for (auto& [decl, own] : e.own_derivative)
      if (own == &rule) e.test_rule(*decl, rule, point);
  } catch (const UserError& err) {
    e.report(err.diagnostic);
  } catch (const Reported&) {
  } catch (const DemandStatic&) {
    e.report({Code::E0403, rule.id.loc, "an argument must be known when compiling", {}, ""});
  }
  impl_->end(u, *c, id, {}, {});
  return u;
}

Elaborator::Entry Elaborator::entry(std::string_view function, const std::vector<std::pair<DType, int>>& arguments) {
  Elab& e = impl_->e;
  Entry r;
  ir::FnId id;
  auto c = impl_->begin(std::string(function), {}, id);
  std::vector<ir::Value> results;
  std::vector<Elab::FlatLeaf> leaves;
  try {
    Args args;
    for (auto& [dtype, rank] : arguments) {
      ir::Type t{dtype, {}, false};
      std::vector<SymId> syms;
      for (int k = 0; k < rank; ++k) {
        SymId s = e.dims.fresh("axis " + std::to_string(k) + " of argument " + std::to_string(args.list.size()), {}, false);
        syms.push_back(s);
        c->fn->sizes.push_back(s);
        t.shape.push_back(e.dims.symbol(s));
      }
      r.entry_sizes.push_back(syms);
      args.list.push_back({"", std::make_shared<TensorVal>(e.leaf(c->b.param(t, {})), t), {}});
    }
    Binding* b = e.top_->find_here(function);
    if (!b || !b->value) {
      std::vector<std::string> have;
      for (auto& x : e.top_->bindings) have.push_back(x.name);
      e.error(Code::E0201, {}, "there is no `" + std::string(function) + "` in what was loaded", did_you_mean(function, have));
    }
    Val v = e.call(b->value, args);
    v = e.named_value(v);
    e.flatten(e.coerce(v, e.dynamic(v)), leaves);  // numbers that are known are results, too
    for (auto& l : leaves) {
      results.push_back(e.use(l.leaf, l.type));
      r.result_names.push_back(l.path);
    }
  } catch (const UserError& err) {
    e.report(err.diagnostic);
  } catch (const Reported&) {
  }
  impl_->end(r.unit, *c, id, results, leaves);
  return r;
}

void Elaborator::finish(const Unit& unit, const std::vector<Kept>& outputs) {
  Elab& e = impl_->e;
  DimSubst subst;
  for (size_t i = 0; i < unit.outputs.size(); ++i) {
    const auto& type = impl_->pending[unit.outputs[i]].type;
    for (size_t k = 0; k < type.shape.size(); ++k) {
      std::vector<SymId> unknown;
      for (SymId s : e.dims.symbols(type.shape[k]))
        if (std::none_of(subst.begin(), subst.end(), [&](auto& p) { return p.first == s; })) unknown.push_back(s);
      DimId p = e.dims.substitute(type.shape[k], subst);
      if (unknown.size() == 1)
        if (auto solved = e.dims.solve(p, e.dims.constant(outputs[i].shape[k]), unknown)) subst.emplace_back(solved->symbol, solved->value);
    }
  }
  std::map<uint32_t, const Kept*> by_id;
  for (size_t i = 0; i < unit.outputs.size(); ++i) by_id[unit.outputs[i]] = &outputs[i];
  // Leaves keep their place; their types get the numbers that came out, whole numbers become known.
  std::function<Val(const Val&)> settle = [&](const Val& v) -> Val {
    if (!v) return v;
    if (auto* i = as<IntVal>(v)) {
      if (i->dim || i->leaf.owner != 0) return v;
      auto it = by_id.find(i->leaf.v);
      if (it == by_id.end() || !it->second->integer || i->offset) return v;
      return e.integer(*it->second->integer);
    }
    if (auto* t = as<TensorVal>(v)) {
      auto it = by_id.find(t->leaf.v);
      if (t->leaf.owner != 0 || it == by_id.end()) return v;
      ir::Type type = t->type;
      for (size_t k = 0; k < type.shape.size(); ++k) type.shape[k] = e.dims.constant(it->second->shape[k]);
      return std::make_shared<TensorVal>(t->leaf, type, t->known, t->share);
    }
    auto all = [&](std::vector<Val> xs) {
      for (auto& x : xs) x = settle(x);
      return xs;
    };
    switch (v->kind) {
      case Value::tuple: return std::make_shared<TupleVal>(all(as<TupleVal>(v)->elements));
      case Value::list: return std::make_shared<ListVal>(all(as<ListVal>(v)->elements));
      case Value::record: {
        auto f = as<RecordVal>(v)->fields;
        for (auto& [n, x] : f) x = settle(x);
        return std::make_shared<RecordVal>(std::move(f));
      }
      case Value::range: return std::make_shared<RangeVal>(settle(as<RangeVal>(v)->lo), settle(as<RangeVal>(v)->hi));
      case Value::sequence: return std::make_shared<SequenceVal>(settle(as<SequenceVal>(v)->count), settle(as<SequenceVal>(v)->get));
      case Value::model: {
        auto m = std::make_shared<ModelVal>(*as<ModelVal>(v));
        for (auto& f : m->fields) f.value = settle(f.value);
        return m;
      }
      case Value::function: {
        const auto& f = *as<FunctionVal>(v);
        if (!f.self && !f.inner && f.held.empty()) return v;
        auto r = std::make_shared<FunctionVal>(f);
        r->self = settle(f.self);
        r->inner = settle(f.inner);
        r->held = all(f.held);
        return r;
      }
      default: return v;
    }
  };
  std::set<Scope*> seen;
  std::set<Scope*> tops{e.top_.get()};
  for (auto& [name, s] : e.loaded) tops.insert(s.get());
  for (Scope* s : tops)
    for (auto& b : s->bindings) {
      impl_->each_scope(b.value, seen, [&](Scope& inner) {
        for (auto& x : inner.bindings) x.value = settle(x.value);
      });
      b.value = settle(b.value);
    }
  impl_->pending.clear();
}

void Elaborator::discard(const Unit& unit) {
  if (unit.before) impl_->e.top_->bindings = *static_cast<std::vector<Binding>*>(unit.before.get());
  impl_->pending.clear();
}

std::vector<std::string> Elaborator::names() const {
  std::vector<std::string> out = builtin_names();
  std::erase_if(out, [](const std::string& n) { return n.starts_with("_"); });
  for (auto& b : impl_->e.top_->bindings) out.push_back(b.name);
  for (auto& [n, m] : impl_->e.library_index)
    if (!n.empty() && !n.starts_with("_")) out.push_back(n);
  return out;
}

std::optional<ir::FnId> Elaborator::function_named(std::string_view name, std::vector<Diagnostic>& messages) {
  Elab& e = impl_->e;
  if (name == "main") return std::nullopt;
  // The newest instance made of it by the program itself, else one made by its signature.
  for (auto it = e.instance_order.rbegin(); it != e.instance_order.rend(); ++it) {
    Instance& inst = *e.instances[*it];
    if (!inst.failed && e.module.fn(inst.fn).name == name) return inst.fn;
  }
  Binding* b = e.top_->find_here(name);
  auto* f = b ? as<FunctionVal>(b->value) : nullptr;
  if (f && f->what == FunctionVal::named) {
    ir::FnId id;
    auto c = impl_->begin("explain", {}, id);
    e.check_function(*f->decl, f->scope);
    messages = e.messages;
    e.cx = nullptr;
    e.stack.clear();
    for (auto it = e.instance_order.rbegin(); it != e.instance_order.rend(); ++it) {
      Instance& inst = *e.instances[*it];
      if (!inst.failed && e.module.fn(inst.fn).name == name) return inst.fn;
    }
  }
  return std::nullopt;
}

}  // namespace tenon
