// A walk over the tree with the scopes the elaborator would have (lint.h).
#include "frontend/lint.h"

#include <map>
#include <set>

namespace tenon {
namespace {

using namespace ast;

struct Defined {
  enum What { other, let, parameter, import } what;  // `other` may stay unused
  std::string name;
  Loc where;
  bool used = false;
};

class Walk {
 public:
  Walk(const std::function<bool(const std::string&)>& outside, LintResult& out) : outside_(outside), out_(out) {}

  void file(const Module& m) {
    // A file that does nothing by itself is a module: its top level is there for others.
    bool does = false;
    for (auto* st : m.top.stmts)
      does = does || st->kind == Stmt::expr || st->kind == Stmt::train || st->kind == Stmt::for_ ||
             st->kind == Stmt::while_ || st->kind == Stmt::test || st->kind == Stmt::bench;
    std::function<void(const TypeExpr*)> aliases = [&](const TypeExpr* t) { collect_sizes(t, alias_sizes_); };
    for (auto* st : m.top.stmts)
      if (st->kind == Stmt::type_def) aliases(as<TypeDef>(*st).type);
    Scope top(*this);
    for (auto* st : m.top.stmts) ahead(*st);
    std::vector<const Stmt*> later;  // functions see all of the top level
    for (auto* st : m.top.stmts) {
      if (st->kind == Stmt::fn || st->kind == Stmt::model || st->kind == Stmt::derivative) later.push_back(st);
      else stmt(*st, does ? Defined::let : Defined::other);
    }
    for (auto* st : later) stmt(*st, Defined::other);
  }

 private:
  struct Scope {
    explicit Scope(Walk& w) : walk(w) { w.scopes_.emplace_back(); }
    ~Scope() {
      for (Defined& d : walk.scopes_.back()) walk.unused(d);
      walk.scopes_.pop_back();
    }
    Walk& walk;
  };

  void define(const Name& id, Defined::What what) {
    scopes_.back().push_back({what, id.text, id.loc, false});
  }
  Defined* find(const std::string& id) {
    for (auto s = scopes_.rbegin(); s != scopes_.rend(); ++s)
      for (auto d = s->rbegin(); d != s->rend(); ++d)
        if (d->name == id) return &*d;
    return nullptr;
  }
  void unused(const Defined& d) {
    if (d.used || d.what == Defined::other || d.name.starts_with("_")) return;
    std::string message = d.what == Defined::import      ? "the import `" + d.name + "` is not used"
                          : d.what == Defined::parameter ? "the parameter `" + d.name + "` is not used"
                                                         : "`" + d.name + "` is not used";
    out_.notes.push_back({Code::E0405, d.where, std::move(message), {},
                          d.what == Defined::import ? "remove it" : "remove it, or begin its name with `_`", Fault::program, true});
  }
  void use(const std::string& id, Loc where) {
    if (Defined* d = find(id)) {
      d->used = true;
      return;
    }
    if (alias_sizes_.count(id) || outside_(id) || id == "_") return;
    out_.unknown.push_back({id, where});
    scopes_.front().push_back({Defined::other, id, where, true});  // one message a name
  }

  // ---- types

  static void collect_sizes(const DimExpr* d, std::set<std::string>& out) {
    if (!d) return;
    if (d->kind == DimExpr::variable) out.insert(d->id);
    collect_sizes(d->a, out);
    collect_sizes(d->b, out);
  }
  static void collect_sizes(const TypeExpr* t, std::set<std::string>& out) {
    if (!t) return;
    for (auto* d : t->dims) collect_sizes(d, out);
    for (auto* x : t->elements) collect_sizes(x, out);
    for (auto& f : t->fields) collect_sizes(f.type, out);
    collect_sizes(t->result, out);
  }
  // Names in a type: sizes that are new are bound by it.
  void dim(const DimExpr* d) {
    if (!d) return;
    if (d->kind == DimExpr::variable) {
      if (Defined* known = find(d->id)) known->used = true;
      else if (!outside_(d->id)) define({d->id, d->loc}, Defined::other);
    }
    dim(d->a);
    dim(d->b);
  }
  void type(const TypeExpr* t) {
    if (!t) return;
    if (t->kind == TypeExpr::named && !t->path.empty())
      if (Defined* d = find(t->path[0].text)) d->used = true;
    for (auto* d : t->dims) dim(d);
    for (auto* x : t->elements) type(x);
    for (auto& f : t->fields) type(f.type);
    type(t->result);
  }

  // ---- functions

  static bool names(const TypeExpr* t, const std::string& id) {
    if (!t) return false;
    if (t->kind == TypeExpr::named && t->path.size() == 1 && t->path[0].text == id) return true;
    for (auto* x : t->elements) if (names(x, id)) return true;
    for (auto& f : t->fields) if (names(f.type, id)) return true;
    return names(t->result, id);
  }

  void signature(const FnSig& sig, Defined::What what) {
    for (auto& c : sig.constraints) {
      define(c.variable, Defined::other);
      bool somewhere = names(sig.result, c.variable.text);
      for (auto& p : sig.params) somewhere = somewhere || names(p.type, c.variable.text);
      if (!somewhere)
        out_.wrong.push_back({Code::E0401, c.variable.loc, "no parameter has the dtype `" + c.variable.text + "`", {},
                              "a dtype variable stands in a type: x: " + c.variable.text + "[N]; else leave the `where` out"});
    }
    for (auto& p : sig.params) define(p.id, what);  // types and defaults may name any of them
    for (auto& p : sig.params) type(p.type);
    for (auto& p : sig.params)
      if (p.default_value) expr(*p.default_value);
    type(sig.result);
  }
  void body(const FnBody& b) {
    if (b.block) block(*b.block);
    if (b.expr) expr(*b.expr);
  }
  void function(const FnSig& sig, const FnBody& b, Defined::What what) {
    Scope s(*this);
    signature(sig, what);
    body(b);
  }

  void block(const Block& b) {
    Scope s(*this);
    for (auto* st : b.stmts) stmt(*st, Defined::let);
  }

  void pattern(const Pattern& p, Defined::What what) {
    if (p.kind == Pattern::name) define(p.id, what);
    for (auto& e : p.elements) pattern(e, what);
  }

  // ---- statements

  // Names of the top level that stand before they are defined.
  void ahead(const Stmt& st) {
    switch (st.kind) {
      case Stmt::fn: define(as<FnDecl>(st).id, Defined::other); return;
      case Stmt::model: define(as<ModelDecl>(st).id, Defined::other); return;
      case Stmt::type_def: define(as<TypeDef>(st).id, Defined::other); return;
      default: return;
    }
  }

  static Name import_name(const Import& i) {
    if (i.as) return *i.as;
    std::string id = i.path;
    if (i.file) {
      if (size_t slash = id.find_last_of('/'); slash != id.npos) id = id.substr(slash + 1);
      if (id.ends_with(".model")) id.resize(id.size() - 6);
    }
    return {id, i.loc};
  }

  void index(const Index& i) {
    if (i.range) expr(*i.range);
  }

  // What an assignment changes is not used by that.
  void place(const Expr& e) {
    switch (e.kind) {
      case Expr::name: {
        const auto& n = as<NameRef>(e);
        if (!find(n.id) && !outside_(n.id)) define({n.id, n.loc}, Defined::other);  // the elaborator complains
        return;
      }
      case Expr::tuple:
        for (auto* x : as<TupleExpr>(e).elements) place(*x);
        return;
      case Expr::member: place(*as<Member>(e).object); return;
      case Expr::subscript:
        place(*as<Subscript>(e).object);
        subs(as<Subscript>(e).subs);
        return;
      default: expr(e);
    }
  }

  void stmt(const Stmt& st, Defined::What lets) {
    switch (st.kind) {
      case Stmt::bind: {
        const auto& b = as<Bind>(st);
        if (b.value) expr(*b.value);
        type(b.type);
        pattern(b.pattern, lets);
        return;
      }
      case Stmt::index_bind: {
        const auto& b = as<IndexBind>(st);
        {
          Scope s(*this);
          for (auto& i : b.indices) index(i);
          for (auto& i : b.indices) define(i.id, Defined::other);
          expr(*b.value);
        }
        define(b.id, lets);
        return;
      }
      case Stmt::assign:
        expr(*as<Assign>(st).value);
        place(*as<Assign>(st).place);
        return;
      case Stmt::expr: expr(*as<ExprStmt>(st).value); return;
      case Stmt::fn: {
        const auto& d = as<FnDecl>(st);
        if (scopes_.size() > 1 && !in_model_) define(d.id, Defined::other);
        const bool model = in_model_;
        in_model_ = false;
        function(d.sig, d.body, Defined::parameter);
        in_model_ = model;
        return;
      }
      case Stmt::for_: {
        const auto& f = as<For>(st);
        expr(*f.source);
        Scope s(*this);
        pattern(f.pattern, Defined::other);
        block(*f.body);
        return;
      }
      case Stmt::while_:
        expr(*as<While>(st).condition);
        block(*as<While>(st).body);
        return;
      case Stmt::jump:
        if (auto* v = as<Jump>(st).value) expr(*v);
        return;
      case Stmt::model: model(as<ModelDecl>(st)); return;
      case Stmt::param: {
        const auto& p = as<ParamDecl>(st);
        type(p.type);
        if (p.value) expr(*p.value);
        if (p.condition) expr(*p.condition);
        define(p.id, Defined::other);
        return;
      }
      case Stmt::update:
        use(as<Update>(st).id.text, as<Update>(st).id.loc);
        expr(*as<Update>(st).value);
        return;
      case Stmt::train: {
        const auto& t = as<Train>(st);
        expr(*t.place);
        expr(*t.data);
        for (auto& e : t.settings) {
          Scope s(*this);
          if (e.params)
            for (auto& p : *e.params) define(p.id, Defined::other);
          body(e.body);
        }
        return;
      }
      case Stmt::test: block(*as<Test>(st).body); return;
      case Stmt::bench: block(*as<Bench>(st).body); return;
      case Stmt::derivative: {
        const auto& d = as<Derivative>(st);
        Scope s(*this);
        for (auto& p : d.params) {
          define(p.id, Defined::other);
          type(p.type);
        }
        define(d.result, Defined::other);
        define(d.cotangent, Defined::other);
        sizes_of_function(d.id.text);
        block(*d.body);
        return;
      }
      case Stmt::type_def: type_of_alias(as<TypeDef>(st)); return;
      case Stmt::import: define(import_name(as<Import>(st)), Defined::import); return;
      case Stmt::assert_:
        expr(*as<Assert>(st).value);
        if (auto* m = as<Assert>(st).message) expr(*m);
        return;
    }
  }

  void type_of_alias(const TypeDef& d) {
    Scope s(*this);
    type(d.type);
  }

  // A rule sees the sizes and dtypes of the signature it belongs to.
  void sizes_of_function(const std::string& id) {
    auto at = signatures_.find(id);
    if (at == signatures_.end()) return;
    std::set<std::string> sizes;
    for (auto& p : at->second->params) collect_sizes(p.type, sizes);
    collect_sizes(at->second->result, sizes);
    for (auto& c : at->second->constraints) sizes.insert(c.variable.text);
    for (auto& p : at->second->params) sizes.insert(p.id.text);
    for (auto& n : sizes)
      if (!find(n)) define({n, {}}, Defined::other);
  }

  void model(const ModelDecl& d) {
    Scope s(*this);
    for (const char* word : {"self", "training"}) define({word, {}}, Defined::other);
    for (auto* st : d.members)
      if (st->kind == Stmt::fn) define(as<FnDecl>(*st).id, Defined::other);
    for (auto& p : d.params) define(p.id, Defined::parameter);
    for (auto& p : d.params) {
      type(p.type);
      if (p.default_value) expr(*p.default_value);
    }
    in_model_ = true;
    for (auto* st : d.members)
      if (st->kind != Stmt::fn) stmt(*st, Defined::other);
    for (auto* st : d.members)
      if (st->kind == Stmt::fn) stmt(*st, Defined::other);
    in_model_ = false;
  }

  // ---- expressions

  void subs(const std::vector<Sub>& list) {
    for (auto& s : list)
      for (auto* e : {s.at, s.lo, s.hi})
        if (e) expr(*e);
  }

  void expr(const Expr& e) {
    switch (e.kind) {
      case Expr::int_lit: case Expr::float_lit: case Expr::bool_lit: return;
      case Expr::string_lit:
        for (auto& p : as<StringLit>(e).pieces)
          if (p.hole) expr(*p.hole);
        return;
      case Expr::name: use(as<NameRef>(e).id, e.loc); return;
      case Expr::unary: expr(*as<Unary>(e).a); return;
      case Expr::binary:
        expr(*as<Binary>(e).a);
        expr(*as<Binary>(e).b);
        return;
      case Expr::range:
        expr(*as<RangeExpr>(e).lo);
        expr(*as<RangeExpr>(e).hi);
        return;
      case Expr::call:
        expr(*as<Call>(e).callee);
        for (auto& a : as<Call>(e).args) expr(*a.value);
        return;
      case Expr::member: expr(*as<Member>(e).object); return;
      case Expr::subscript:
        expr(*as<Subscript>(e).object);
        subs(as<Subscript>(e).subs);
        return;
      case Expr::tuple:
        for (auto* x : as<TupleExpr>(e).elements) expr(*x);
        return;
      case Expr::bracket:
        for (auto* x : as<Bracket>(e).elements) expr(*x);
        return;
      case Expr::comprehension: {
        const auto& c = as<Comprehension>(e);
        expr(*c.source);
        Scope s(*this);
        pattern(c.pattern, Defined::other);
        expr(*c.body);
        return;
      }
      case Expr::record:
        for (auto& f : as<RecordExpr>(e).fields) expr(*f.value);
        return;
      case Expr::if_: {
        const auto& i = as<IfExpr>(e);
        expr(*i.condition);
        block(*i.then);
        if (i.otherwise) block(*i.otherwise);
        return;
      }
      case Expr::lambda: function(as<Lambda>(e).sig, as<Lambda>(e).body, Defined::other); return;
      case Expr::reduction: {
        const auto& r = as<Reduction>(e);
        Scope s(*this);
        for (auto& i : r.indices) index(i);
        for (auto& i : r.indices) define(i.id, Defined::other);
        expr(*r.body);
        return;
      }
    }
  }

 public:
  std::map<std::string, const FnSig*> signatures_;  // of the top level

 private:
  const std::function<bool(const std::string&)>& outside_;
  LintResult& out_;
  std::vector<std::vector<Defined>> scopes_;
  std::set<std::string> alias_sizes_;
  bool in_model_ = false;
};

}  // namespace

LintResult lint(const ast::Module& module, const std::function<bool(const std::string&)>& outside) {
  LintResult out;
  Walk walk(outside, out);
  for (auto* st : module.top.stmts)
    if (st->kind == ast::Stmt::fn) walk.signatures_[ast::as<ast::FnDecl>(*st).id.text] = &ast::as<ast::FnDecl>(*st).sig;
  walk.file(module);
  return out;
}

}  // namespace tenon
