// ANTLR's tree -> our syntax tree: statements, types and dimensions; see parse_build.h. What a rule of the
// grammar cannot say is checked here.
#include "frontend/parse_build.h"

#include <charconv>

namespace tenon::tree_builder {

// ---------------------------------------------------------------- statements

const Stmt* Builder::stmt(P::StmtContext* c) {
  const Stmt* s = bare_stmt(c);
  auto doc = docs_.find(s->loc.begin);
  if (doc != docs_.end()) const_cast<Stmt*>(s)->doc = doc->second;
  return s;
}

const Stmt* Builder::bare_stmt(P::StmtContext* c) {
  Loc l = loc(c);
  if (auto* b = c->bind()) return bind(b, l, c->VAR() != nullptr);
  if (auto* s = c->simple()) return simple(s);
  if (auto* f = c->fn()) return fn(f);
  if (auto* j = c->jump()) return jump(j);
  if (auto* m = c->model()) return model(m);
  if (auto* q = c->param()) return param(q);
  if (auto* t = c->train()) return train(t);
  if (auto* d = c->derivative()) return derivative(d);
  if (auto* t = c->test()) return test(t);
  if (auto* i = c->importS()) return import(i);
  if (auto* f = c->forS()) {
    auto* s = p_.module.make<For>(l);
    s->pattern = pattern(f->pattern());
    s->source = expr(f->expr());
    s->body = block(f->block());
    return s;
  }
  if (auto* w = c->whileS()) {
    auto* s = p_.module.make<While>(l);
    s->condition = expr(w->expr());
    s->body = block(w->block());
    return s;
  }
  if (auto* u = c->update()) {
    auto* s = p_.module.make<Update>(l);
    s->id = name(u->name());
    s->value = expr(u->expr());
    return s;
  }
  auto* t = c->typedefS();
  auto* s = p_.module.make<TypeDef>(l);
  s->id = name(t->name());
  s->type = type(t->type());
  return s;
}

const Stmt* Builder::bind(P::BindContext* c, Loc l, bool is_mutable) {
  if (c->name() != nullptr) {
    auto* s = p_.module.make<IndexBind>(l);
    s->mutable_ = is_mutable;
    s->id = name(c->name());
    s->indices = indices(c->index());
    s->value = expr(c->expr());
    return s;
  }
  auto* s = p_.module.make<Bind>(l);
  s->mutable_ = is_mutable;
  s->pattern = pattern(c->pattern());
  if (c->type() != nullptr) s->type = type(c->type());
  s->draw = c->TILDE() != nullptr;
  s->value = expr(c->expr());
  return s;
}

const Stmt* Builder::simple(P::SimpleContext* c) {
  Loc l = loc(c);
  if (c->expr().size() == 1) {
    auto* s = p_.module.make<ExprStmt>(l);
    s->value = expr(c->expr(0));
    return s;
  }
  auto* s = p_.module.make<Assign>(l);
  s->place = expr(c->expr(0));
  if (c->PLUS_ASSIGN()) s->op = BinaryOp::add;
  if (c->MINUS_ASSIGN()) s->op = BinaryOp::sub;
  if (c->STAR_ASSIGN()) s->op = BinaryOp::mul;
  if (c->SLASH_ASSIGN()) s->op = BinaryOp::div;
  s->value = expr(c->expr(1));
  return s;
}

const Stmt* Builder::jump(P::JumpContext* c) {
  Loc l = loc(c);
  if (c->ASSERT()) {
    auto* s = p_.module.make<Assert>(l);
    s->value = expr(c->expr(0));
    if (c->expr().size() > 1) s->message = expr(c->expr(1));
    return s;
  }
  auto* s = p_.module.make<Jump>(l);
  s->what = c->BREAK() ? Jump::break_ : c->CONTINUE() ? Jump::continue_ : Jump::return_;
  if (!c->expr().empty()) s->value = expr(c->expr(0));
  return s;
}

const Stmt* Builder::fn(P::FnContext* c) {
  auto* s = p_.module.make<FnDecl>(loc(c));
  s->exported = c->EXPORT() != nullptr;
  s->id = name(c->name());
  s->sig.params = params(c->params());
  s->sig.loc = join(loc(c->FN()), loc(c->params()));
  if (c->type()) {
    s->sig.result = type(c->type());
    s->sig.loc = join(s->sig.loc, s->sig.result->loc);
  }
  if (c->constraints())
    for (auto* one : c->constraints()->constraint())
      s->sig.constraints.push_back({name(one->name(0)), name(one->name(1))});
  if (c->block()) s->body.block = block(c->block());
  if (c->expr()) s->body.expr = expr(c->expr());
  return s;
}

std::vector<Param> Builder::params(P::ParamsContext* c) {
  std::vector<Param> out;
  for (auto* par : c->par()) {
    Param param;
    param.id = name(par->name());
    if (par->type()) param.type = type(par->type());
    param.rest = par->ELLIPSIS() != nullptr;
    if (par->expr()) param.default_value = expr(par->expr());
    out.push_back(std::move(param));
  }
  return out;
}

const Stmt* Builder::model(P::ModelContext* c) {
  auto* s = p_.module.make<ModelDecl>(loc(c));
  s->id = name(c->name());
  s->params = params(c->params());
  s->members = block(c->block())->stmts;
  return s;
}

const Stmt* Builder::param(P::ParamContext* c) {
  auto* s = p_.module.make<ParamDecl>(loc(c));
  s->state = c->STATE() != nullptr;
  s->id = name(c->name());
  s->type = type(c->type());
  s->draw = c->TILDE() != nullptr;
  size_t next = 0;
  if (c->TILDE() || c->ASSIGN()) s->value = expr(c->expr(next++));
  if (c->IF()) s->condition = expr(c->expr(next));
  return s;
}

const Stmt* Builder::train(P::TrainContext* c) {
  auto* s = p_.module.make<Train>(loc(c));
  s->place = place(c->place());
  s->data = expr(c->expr());
  for (auto* one : c->setting()) {
    Setting setting;
    setting.id = name(one->name());
    if (one->params()) setting.params = params(one->params());
    if (one->block()) setting.body.block = block(one->block());
    else setting.body.expr = expr(one->expr());
    s->settings.push_back(std::move(setting));
  }
  return s;
}

const Expr* Builder::place(P::PlaceContext* c) {
  Level level(*this);
  const Expr* e = name_ref(loc(c->word()));
  List<P::SubContext> subs;
  for (auto* child : c->children) {
    if (auto* m = dynamic_cast<P::MemberContext*>(child)) e = member(e, m);
    if (auto* s = dynamic_cast<P::SubContext*>(child)) subs.push_back(s);
    if (kind(child) == Tk::RBRACKET) {
      e = subscript(e, subs, loc(static_cast<Node*>(child)));
      subs.clear();
    }
  }
  return e;
}

const Stmt* Builder::test(P::TestContext* c) {
  if (c->TEST()) {
    auto* s = p_.module.make<Test>(loc(c));
    s->title = title(c->STRING());
    s->body = block(c->block());
    return s;
  }
  auto* s = p_.module.make<Bench>(loc(c));
  s->title = title(c->STRING());
  s->body = block(c->block());
  return s;
}

// A string that cannot have holes.
std::string Builder::title(Node* string) {
  std::string out;
  for (const StringPart& part : split_string(p_.sources, loc(string), p_.errors)) {
    if (part.hole)
      error(Code::E0103, {p_.file, part.begin, std::max(part.end, part.begin + 1)},
            "this string cannot have holes", "it is read before anything runs; "
            "write {{ for the brace itself");
    out += part.text;
  }
  return out;
}

const Stmt* Builder::derivative(P::DerivativeContext* c) {
  auto* s = p_.module.make<Derivative>(loc(c));
  s->id = name(c->name(0));
  s->params = params(c->params());
  s->result = name(c->name(1));
  s->cotangent = name(c->name(2));
  s->body = block(c->block());
  return s;
}

const Stmt* Builder::import(P::ImportSContext* c) {
  auto* s = p_.module.make<Import>(loc(c));
  s->file = c->STRING() != nullptr;
  s->path = s->file ? title(c->STRING()) : name(c->name(0)).text;
  if (c->AS()) s->as = name(c->name().back());
  return s;
}

const Block* Builder::block(P::BlockContext* c) {
  Level level(*this);
  auto* b = p_.module.make_plain<Block>();
  b->loc = loc(c);
  for (auto* s : c->stmt()) b->stmts.push_back(stmt(s));
  return b;
}

Pattern Builder::pattern(P::PatternContext* c) {
  Pattern out;
  out.loc = loc(c);
  if (c->name()) {
    out.id = name(c->name());
  } else if (c->UNDER()) {
    out.kind = Pattern::wildcard;
  } else {
    out.kind = Pattern::tuple;
    for (auto* one : c->pattern()) out.elements.push_back(pattern(one));
    // (a) is a, as it is in expressions
    if (out.elements.size() == 1 && c->COMMA().empty()) {
      Pattern only = std::move(out.elements[0]);
      return only;
    }
  }
  return out;
}

std::vector<Index> Builder::indices(const List<P::IndexContext>& list) {
  std::vector<Index> out;
  for (auto* one : list)
    out.push_back({name(one->name()), one->expr() ? expr(one->expr()) : nullptr});
  return out;
}

// ---------------------------------------------------------------- types and dimensions

const TypeExpr* Builder::type(P::TypeContext* c) {
  Level level(*this);
  auto* t = p_.module.make_plain<TypeExpr>();
  t->loc = loc(c);
  for (auto* one : c->type()) t->elements.push_back(type(one));
  if (c->FN()) {
    t->kind = TypeExpr::function;
    t->result = t->elements.back();
    t->elements.pop_back();
  } else if (!c->name().empty()) {
    t->kind = TypeExpr::named;
    for (auto* one : c->name()) t->path.push_back(name(one));
    t->has_dims = c->LBRACKET() != nullptr;
    for (auto* one : c->dim()) t->dims.push_back(dim(one));
  } else if (c->LBRACE()) {
    t->kind = TypeExpr::record;
    for (auto* one : c->typeField()) t->fields.push_back({name(one->name()), type(one->type())});
  } else if (c->LBRACKET()) {
    t->kind = TypeExpr::list;
  } else if (t->elements.size() == 1 && c->COMMA().empty()) {
    return t->elements[0];
  } else {
    t->kind = TypeExpr::tuple;
  }
  grow(t->loc);
  return t;
}

DimExpr* Builder::dim_node(DimExpr::Kind kind, Loc l, const DimExpr* a, const DimExpr* b) {
  grow(l);
  auto* d = p_.module.make_plain<DimExpr>();
  d->kind = kind;
  d->loc = l;
  d->a = a;
  d->b = b;
  return d;
}

const DimExpr* Builder::dim(P::DimContext* c) {
  Level level(*this);
  if (c->ELLIPSIS()) return dim_node(DimExpr::rest, loc(c));
  if (c->UNDER()) return dim_node(DimExpr::wildcard, loc(c));
  return dim_sum(c->dimSum());
}

const DimExpr* Builder::dim_sum(P::DimSumContext* c) {
  Level level(*this);
  const DimExpr* d = dim_product(c->dimProduct(0));
  for (size_t i = 1; i + 1 < c->children.size(); i += 2) {
    auto* right = dim_product(static_cast<P::DimProductContext*>(c->children[i + 1]));
    d = dim_node(kind(c->children[i]) == Tk::PLUS ? DimExpr::add : DimExpr::sub,
                 join(d->loc, right->loc), d, right);
  }
  return d;
}

const DimExpr* Builder::dim_product(P::DimProductContext* c) {
  Level level(*this);
  const DimExpr* d = dim_atom(c->dimAtom(0));
  for (size_t i = 1; i + 1 < c->children.size(); i += 2) {
    auto* right = dim_atom(static_cast<P::DimAtomContext*>(c->children[i + 1]));
    Tk op = kind(c->children[i]);
    d = dim_node(op == Tk::STAR ? DimExpr::mul : op == Tk::SLASH ? DimExpr::div : DimExpr::floordiv,
                 join(d->loc, right->loc), d, right);
  }
  return d;
}

const DimExpr* Builder::dim_atom(P::DimAtomContext* c) {
  Level level(*this);
  if (c->dimSum()) return dim_sum(c->dimSum());
  if (c->dimAtom()) {
    const DimExpr* a = dim_atom(c->dimAtom());
    return dim_node(DimExpr::neg, loc(c), a);
  }
  if (c->name()) {
    auto* d = dim_node(DimExpr::variable, loc(c));
    d->id = text(d->loc);
    return d;
  }
  auto* d = dim_node(DimExpr::constant, loc(c));
  std::string digits = text(d->loc);
  auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), d->value);
  if (fault != std::errc())
    error(Code::E0103, d->loc, "this size is too large", "sizes are below 9223372036854775807");
  return d;
}

}  // namespace tenon::tree_builder
