// ANTLR's tree -> our syntax tree: expressions; see parse_build.h. What a rule of the
// grammar cannot say is checked here.
#include "frontend/parse_build.h"

#include <charconv>
#include <cstdlib>

namespace tenon::tree_builder {

// ---------------------------------------------------------------- expressions

const Expr* Builder::expr(P::ExprContext* c) {
  Level level(*this);
  if (c->lambda()) return lambda(c->lambda());
  return stages(or_(c->orE()), c->stages());
}

const Expr* Builder::lambda(P::LambdaContext* c) {
  return lambda_from(loc(c), c->params(), c->type(), c->block(), c->expr());
}

const Expr* Builder::lambda_from(Loc l, P::ParamsContext* params_, P::TypeContext* type_,
                                 P::BlockContext* block_, P::ExprContext* body) {
  Level level(*this);
  FnSig sig;
  sig.params = params(params_);
  sig.loc = join({p_.file, l.begin, l.begin + 2}, loc(params_));
  if (type_) {
    sig.result = type(type_);
    sig.loc = join(sig.loc, sig.result->loc);
  }
  FnBody inner;
  if (block_) inner.block = block(block_);
  if (body) inner.expr = expr(body);
  auto* e = make<Lambda>(l);
  e->sig = std::move(sig);
  e->body = inner;
  return e;
}

const Expr* Builder::stages(const Expr* left, P::StagesContext* c) {
  if (c->children.empty()) return left;
  for (auto* one : c->postfix()) {
    const Expr* right = postfix(one);
    auto* primary = one->suffix().empty() ? one->primary() : nullptr;
    left = pipe(left, right, primary && primary->paren());
  }
  if (c->FN()) {
    uint32_t end = c->block() ? loc(c->block()).end : loc(c->expr()).end;
    const Expr* f = lambda_from({p_.file, loc(c->FN()).begin, end}, c->params(), c->type(),
                                c->block(), c->expr());
    left = pipe(left, f, true);
    if (c->stages()) left = stages(left, c->stages());
  }
  return left;
}

// Right of |> a call gets the left side put in first; anything else is called.
const Expr* Builder::pipe(const Expr* left, const Expr* right, bool parenthesised) {
  auto* e = make<Call>(join(left->loc, right->loc));
  e->piped = true;
  e->args.push_back({std::nullopt, left});
  if (right->kind == Expr::call && !parenthesised) {
    const Call& inner = as<Call>(*right);
    e->callee = inner.callee;
    e->args.insert(e->args.end(), inner.args.begin(), inner.args.end());
  } else {
    e->callee = right;
  }
  return e;
}

const Expr* Builder::binary(BinaryOp op, Loc op_loc, const Expr* a, const Expr* b) {
  auto* e = make<Binary>(join(a->loc, b->loc));
  e->op = op;
  e->op_loc = op_loc;
  e->a = a;
  e->b = b;
  return e;
}

const Expr* Builder::or_(P::OrEContext* c) {
  if (c->children.size() == 1) return and_(c->andE(0));
  Level level(*this);
  auto parts = c->andE();
  auto ops = c->OR();
  const Expr* e = and_(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i)
    e = binary(BinaryOp::or_, loc(ops[i - 1]), e, and_(parts[i]));
  return e;
}

const Expr* Builder::and_(P::AndEContext* c) {
  if (c->children.size() == 1) return not_(c->notE(0));
  Level level(*this);
  auto parts = c->notE();
  auto ops = c->AND();
  const Expr* e = not_(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i)
    e = binary(BinaryOp::and_, loc(ops[i - 1]), e, not_(parts[i]));
  return e;
}

const Expr* Builder::not_(P::NotEContext* c) {
  if (c->cmp()) return cmp(c->cmp());
  Level level(*this);
  const Expr* a = not_(c->notE());
  auto* e = make<Unary>(loc(c));
  e->op = UnaryOp::not_;
  e->a = a;
  return e;
}

const Expr* Builder::cmp(P::CmpContext* c) {
  if (c->children.size() == 1) return range(c->range(0));
  Level level(*this);
  const Expr* a = range(c->range(0));
  auto* op = static_cast<Node*>(c->children[1]);
  BinaryOp what{};
  switch (kind(op)) {
    case Tk::EQ: what = BinaryOp::eq; break;
    case Tk::NE: what = BinaryOp::ne; break;
    case Tk::LT: what = BinaryOp::lt; break;
    case Tk::LE: what = BinaryOp::le; break;
    case Tk::GT: what = BinaryOp::gt; break;
    default: what = BinaryOp::ge; break;
  }
  const Expr* e = binary(what, loc(op), a, range(c->range(1)));
  if (c->children.size() > 3) {
    Loc second = loc(static_cast<Node*>(c->children[3]));
    std::string middle = text(loc(c->range(1)));
    std::string hint = "write `a < b and b < c`";
    if (middle.size() < 30)
      hint = "write `" + text(loc(c->range(0))) + " " + text(loc(op)) + " " + middle + " and " +
             middle + " " + text(second) + " " + text(loc(c->range(2))) + "`";
    if (hint.size() > 90) hint = "write `a < b and b < c`";
    error(Code::E0101, second, "comparisons cannot be chained", hint,
          {{loc(op), "the first comparison"}});
  }
  return e;
}

const Expr* Builder::range(P::RangeContext* c) {
  if (c->children.size() == 1) return add(c->add(0));
  Level level(*this);
  const Expr* lo = add(c->add(0));
  const Expr* hi = add(c->add(1));
  auto* e = make<RangeExpr>(loc(c));
  e->lo = lo;
  e->hi = hi;
  return e;
}

const Expr* Builder::add(P::AddContext* c) {
  if (c->children.size() == 1) return product(c->product(0));
  Level level(*this);
  const Expr* e = product(c->product(0));
  for (size_t i = 1; i + 1 < c->children.size(); i += 2) {
    auto* op = static_cast<Node*>(c->children[i]);
    e = binary(kind(op) == Tk::PLUS ? BinaryOp::add : BinaryOp::sub, loc(op), e,
               product(static_cast<P::ProductContext*>(c->children[i + 1])));
  }
  return e;
}

const Expr* Builder::product(P::ProductContext* c) {
  if (c->children.size() == 1)
    return c->reduce() ? reduce(c->reduce()) : unary(c->unary(0));
  Level level(*this);
  const Expr* e = unary(c->unary(0));
  for (size_t i = 1; i + 1 < c->children.size(); i += 2) {
    auto* op = static_cast<Node*>(c->children[i]);
    BinaryOp what{};
    switch (kind(op)) {
      case Tk::STAR: what = BinaryOp::mul; break;
      case Tk::SLASH: what = BinaryOp::div; break;
      case Tk::DSLASH: what = BinaryOp::floordiv; break;
      case Tk::PERCENT: what = BinaryOp::rem; break;
      default: what = BinaryOp::matmul; break;
    }
    auto* right = c->children[i + 1];
    auto* r = dynamic_cast<P::ReduceContext*>(right);
    e = binary(what, loc(op), e, r ? reduce(r) : unary(static_cast<P::UnaryContext*>(right)));
  }
  return e;
}

// The minuses in front of something, the innermost last.
const Expr* Builder::negated(const List<Node>& minuses, const Expr* e) {
  for (auto minus = minuses.rbegin(); minus != minuses.rend(); ++minus) {
    auto* n = make<Unary>(join(loc(*minus), e->loc));
    n->op = UnaryOp::neg;
    n->a = e;
    e = n;
  }
  return e;
}

const Expr* Builder::reduce(P::ReduceContext* c) {
  Level level(*this);
  std::vector<Index> over = indices(c->index());
  const Expr* body = product(c->product());
  auto* e = make<Reduction>(join(loc(c->reducer()), body->loc));
  e->op = name(c->reducer());
  e->indices = std::move(over);
  e->body = body;
  return negated(c->MINUS(), e);
}

const Expr* Builder::unary(P::UnaryContext* c) {
  List<Node> minuses;
  for (; c->unary(); c = c->unary()) minuses.push_back(c->MINUS());
  Level level(*this);
  auto* p = c->power();
  bool plain = p->children.size() == 1 && p->postfix()->children.size() == 1;
  if (!minuses.empty() && plain && p->postfix()->primary() && p->postfix()->primary()->INT()) {
    // -9223372036854775808 has no positive counterpart
    return negated(minuses, number(p->postfix()->primary()->INT(), true));
  }
  return negated(minuses, power(p));
}

const Expr* Builder::power(P::PowerContext* c) {
  if (!c->unary()) return postfix(c->postfix());
  Level level(*this);
  const Expr* a = postfix(c->postfix());
  const Expr* b = unary(c->unary());
  return binary(BinaryOp::pow, loc(c->POW()), a, b);
}

const Expr* Builder::postfix(P::PostfixContext* c) {
  if (c->primary() && c->children.size() == 1) return primary(c->primary());
  Level level(*this);
  const Expr* e = nullptr;
  for (auto* child : c->children) {
    if (auto* p = dynamic_cast<P::PrimaryContext*>(child)) e = primary(p);
    else if (auto* s = dynamic_cast<P::SuffixContext*>(child)) e = suffix(e, s);
    else if (auto* k = dynamic_cast<P::CallContext*>(child)) e = call(e, k);
    else if (auto* m = dynamic_cast<P::MemberContext*>(child)) e = member(e, m);
    else e = name_ref(loc(c->reducer()));
  }
  return e;
}

const Expr* Builder::suffix(const Expr* object, P::SuffixContext* c) {
  if (c->member()) return member(object, c->member());
  if (c->call()) return call(object, c->call());
  return subscript(object, c->sub(), loc(c->RBRACKET()));
}

const Expr* Builder::member(const Expr* object, P::MemberContext* c) {
  auto* e = make<Member>(join(object->loc, loc(c)));
  e->object = object;
  e->id = name(c->name());
  return e;
}

const Expr* Builder::call(const Expr* callee, P::CallContext* c) {
  std::vector<Arg> args;
  for (auto* one : c->arg()) {
    Arg arg;
    if (one->name()) arg.id = name(one->name());
    arg.value = expr(one->expr());
    if (!arg.id && !args.empty() && args.back().id)
      error(Code::E0101, arg.value->loc, "an argument by position stands behind one by name",
            "arguments by position come first");
    args.push_back(std::move(arg));
  }
  auto* e = make<Call>(join(callee->loc, loc(c)));
  e->callee = callee;
  e->args = std::move(args);
  return e;
}

const Expr* Builder::subscript(const Expr* object, const List<P::SubContext>& subs, Loc end) {
  std::vector<Sub> parts;
  for (auto* s : subs) parts.push_back(sub(s));
  auto* e = make<Subscript>(join(object->loc, end));
  e->object = object;
  e->subs = std::move(parts);
  return e;
}

Sub Builder::sub(P::SubContext* c) {
  Sub s{};
  s.loc = loc(c);
  if (c->ELLIPSIS()) {
    s.kind = Sub::rest;
  } else if (!c->expr()) {
    s.kind = c->add() ? Sub::range : Sub::all;
    if (c->add()) s.hi = add(c->add());
  } else {
    const Expr* e = expr(c->expr());
    s.kind = Sub::index;
    s.at = e;
    if (c->RANGE()) {
      s = {Sub::range, s.loc, nullptr, e, nullptr};
    } else if (e->kind == Expr::range) {
      s = {Sub::range, s.loc, nullptr, as<RangeExpr>(*e).lo, as<RangeExpr>(*e).hi};
    }
  }
  return s;
}

const Expr* Builder::name_ref(Loc l) {
  Level level(*this);
  auto* e = make<NameRef>(l);
  e->id = text(l);
  return e;
}

const Expr* Builder::primary(P::PrimaryContext* c) {
  if (c->paren()) return paren(c->paren());
  if (c->bracket()) return bracket(c->bracket());
  if (c->record()) return record(c->record());
  if (c->ifE()) return if_(c->ifE());
  if (c->word()) return name_ref(loc(c->word()));
  if (c->INT()) return number(c->INT(), false);
  if (c->STRING()) return string(c->STRING());
  Level level(*this);
  if (c->FLOAT()) {
    auto* e = make<FloatLit>(loc(c));
    std::string digits = text(e->loc);
    auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), e->value);
    // from_chars does not tell too large from too small: the exponent does
    if (fault == std::errc::result_out_of_range) {
      e->value = std::strtod(digits.c_str(), nullptr);
      if (e->value > 1)
        error(Code::E0103, e->loc, "this number is too large for a float",
              "the largest is about 1.8e308; infinity is `inf`");
    }
    return e;
  }
  if (c->TEXT()) {
    auto* e = make<StringLit>(loc(c));
    StringPiece piece;
    piece.text = plain_text(text_.substr(e->loc.begin, e->loc.end - e->loc.begin));
    e->pieces.push_back(std::move(piece));
    return e;
  }
  auto* e = make<BoolLit>(loc(c));
  e->value = c->TRUE() != nullptr;
  return e;
}

const Expr* Builder::number(Node* n, bool negative) {
  Level level(*this);
  auto* e = make<IntLit>(loc(n));
  std::string digits = text(e->loc);
  uint64_t value = 0;
  auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  constexpr uint64_t kMost = uint64_t(1) << 63;
  if (fault != std::errc() || value > kMost || (value == kMost && !negative)) {
    error(Code::E0103, e->loc, "this number is too large for an int",
          "the largest is 9223372036854775807; write a float as 1e20");
  }
  e->value = static_cast<int64_t>(value);
  return e;
}

const Expr* Builder::string(Node* n) {
  Level level(*this);
  Loc l = loc(n);
  std::vector<StringPiece> pieces;
  for (StringPart& part : split_string(p_.sources, l, p_.errors)) {
    StringPiece piece;
    if (part.hole) {
      int height = 0;
      piece.hole = parse_hole(p_, part, height);
      height_ = std::max(height_, height);
      piece.format = std::move(part.format);
    } else {
      piece.text = std::move(part.text);
    }
    pieces.push_back(std::move(piece));
  }
  auto* e = make<StringLit>(l);
  e->pieces = std::move(pieces);
  return e;
}

const Expr* Builder::paren(P::ParenContext* c) {
  auto inside = c->expr();
  if (inside.size() == 1 && c->COMMA().empty()) return expr(inside[0]);
  Level level(*this);
  std::vector<const Expr*> elements;
  for (auto* one : inside) elements.push_back(expr(one));
  auto* e = make<TupleExpr>(loc(c));
  e->elements = std::move(elements);
  return e;
}

const Expr* Builder::bracket(P::BracketContext* c) {
  Level level(*this);
  if (c->FOR()) {
    const Expr* body = expr(c->expr(0));
    Pattern over = pattern(c->pattern());
    const Expr* source = expr(c->expr(1));
    auto* e = make<Comprehension>(loc(c));
    e->body = body;
    e->pattern = std::move(over);
    e->source = source;
    return e;
  }
  std::vector<const Expr*> elements;
  for (auto* one : c->expr()) elements.push_back(expr(one));
  auto* e = make<Bracket>(loc(c));
  e->elements = std::move(elements);
  return e;
}

const Expr* Builder::record(P::RecordContext* c) {
  Level level(*this);
  std::vector<Field> fields;
  for (auto* one : c->field()) fields.push_back({name(one->name()), expr(one->expr())});
  auto* e = make<RecordExpr>(loc(c));
  e->fields = std::move(fields);
  return e;
}

const Expr* Builder::if_(P::IfEContext* c) {
  Level level(*this);
  const Expr* condition = expr(c->expr());
  const Block* then = block(c->block(0));
  const Block* otherwise = nullptr;
  if (c->ifE()) {
    const Expr* next = if_(c->ifE());
    auto* b = p_.module.make_plain<Block>();
    b->loc = next->loc;
    auto* s = p_.module.make<ExprStmt>(next->loc);
    s->value = next;
    b->stmts.push_back(s);
    otherwise = b;
  } else if (c->block().size() > 1) {
    otherwise = block(c->block(1));
  }
  auto* e = make<IfExpr>(loc(c));
  e->condition = condition;
  e->then = then;
  e->otherwise = otherwise;
  return e;
}

}  // namespace tenon::tree_builder
