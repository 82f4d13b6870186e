// ANTLR's tree -> our syntax tree: the inside of parse.cpp, which alone includes this.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "TenonParser.h"
#include "frontend/ast.h"
#include "frontend/parse_string.h"
#include "frontend/parse_tokens.h"
#include "support/diagnostic.h"

namespace tenon {

// Thrown through ANTLR where a text is nested too deep.
struct TooDeep {
  Loc where;
};

// What a text and the holes of its strings have in common.
struct Parsing {
  SourceMap& sources;
  FileId file;
  ast::Module& module;
  std::vector<Diagnostic>& errors;
  int hole_depth = 0;
};

using Docs = std::unordered_map<uint32_t, std::string>;  // see FilteredTokens

namespace tree_builder {

using P = tenon_grammar::TenonParser;
using namespace ast;

// One function per grammar rule. The tree must be free of errors. Throws TooDeep; other errors are
// appended to parsing.errors.
class Builder {
 public:
  Builder(Parsing& parsing, const std::unordered_map<uint32_t, std::string>& docs)
      : p_(parsing), docs_(docs), text_(parsing.sources.text(parsing.file)) {}

  const Stmt* stmt(P::StmtContext* c);
  const Expr* expr(P::ExprContext* c);
  int height() const { return height_; }  // how many levels of expressions stand in each other

 private:
  using Node = antlr4::tree::TerminalNode;
  template <class T>
  using List = std::vector<T*>;

  // -- places and leaves
  Loc loc(const antlr4::Token* t) const {
    return {p_.file, static_cast<uint32_t>(t->getStartIndex()),
            static_cast<uint32_t>(t->getStopIndex() + 1)};
  }
  Loc loc(antlr4::ParserRuleContext* c) const { return join(loc(c->getStart()), loc(c->getStop())); }
  Loc loc(Node* n) const { return loc(n->getSymbol()); }
  std::string text(Loc l) const { return std::string(text_.substr(l.begin, l.end - l.begin)); }
  static Tk kind(antlr4::tree::ParseTree* child) {
    auto* node = dynamic_cast<Node*>(child);
    return node ? static_cast<Tk>(node->getSymbol()->getType()) : Tk::END;
  }
  template <class C>
  Name name(C* c) const {
    Loc l = loc(c);
    return {text(l), l};
  }
  void error(Code code, Loc where, std::string message, std::string hint,
             std::vector<Note> notes = {}) {
    p_.errors.push_back({code, where, std::move(message), std::move(notes), std::move(hint)});
  }

  // -- height: later stages walk the tree recursively, so it must not be too tall. `height_` is
  // that of the tallest node made since the innermost Level began.
  struct Level {
    explicit Level(Builder& b) : builder(b), outer(b.height_) { b.height_ = 0; }
    ~Level() { builder.height_ = std::max(builder.height_, outer); }
    Builder& builder;
    int outer;
  };
  template <class T>
  T* make(Loc l) {
    grow(l);
    return p_.module.make<T>(l);
  }
  void grow(Loc l) {
    if (++height_ > kMaxNesting) throw TooDeep{{l.file, l.begin, l.begin + 1}};
  }

  // -- statements
  const Stmt* bare_stmt(P::StmtContext* c);
  const Stmt* bind(P::BindContext* c, Loc l, bool is_mutable);
  const Stmt* simple(P::SimpleContext* c);
  const Stmt* jump(P::JumpContext* c);
  const Stmt* fn(P::FnContext* c);
  const Stmt* model(P::ModelContext* c);
  const Stmt* param(P::ParamContext* c);
  const Stmt* train(P::TrainContext* c);
  const Stmt* derivative(P::DerivativeContext* c);
  const Stmt* test(P::TestContext* c);
  const Stmt* import(P::ImportSContext* c);
  const Block* block(P::BlockContext* c);
  Pattern pattern(P::PatternContext* c);
  std::vector<Index> indices(const List<P::IndexContext>& list);
  std::vector<Param> params(P::ParamsContext* c);
  const Expr* place(P::PlaceContext* c);
  std::string title(Node* string);

  // -- expressions
  const Expr* lambda(P::LambdaContext* c);
  const Expr* lambda_from(Loc l, P::ParamsContext* params, P::TypeContext* type,
                          P::BlockContext* block, P::ExprContext* body);
  const Expr* stages(const Expr* left, P::StagesContext* c);
  const Expr* pipe(const Expr* left, const Expr* right, bool parenthesised);
  const Expr* or_(P::OrEContext* c);
  const Expr* and_(P::AndEContext* c);
  const Expr* not_(P::NotEContext* c);
  const Expr* cmp(P::CmpContext* c);
  const Expr* range(P::RangeContext* c);
  const Expr* add(P::AddContext* c);
  const Expr* product(P::ProductContext* c);
  const Expr* reduce(P::ReduceContext* c);
  const Expr* unary(P::UnaryContext* c);
  const Expr* power(P::PowerContext* c);
  const Expr* postfix(P::PostfixContext* c);
  const Expr* suffix(const Expr* object, P::SuffixContext* c);
  const Expr* member(const Expr* object, P::MemberContext* c);
  const Expr* call(const Expr* callee, P::CallContext* c);
  const Expr* subscript(const Expr* object, const List<P::SubContext>& subs, Loc end);
  const Expr* primary(P::PrimaryContext* c);
  const Expr* number(Node* n, bool negative);
  const Expr* string(Node* n);
  const Expr* paren(P::ParenContext* c);
  const Expr* bracket(P::BracketContext* c);
  const Expr* record(P::RecordContext* c);
  const Expr* if_(P::IfEContext* c);
  const Expr* name_ref(Loc l);
  const Expr* binary(BinaryOp op, Loc op_loc, const Expr* a, const Expr* b);
  const Expr* negated(const List<Node>& minuses, const Expr* e);
  Sub sub(P::SubContext* c);

  // -- types
  const TypeExpr* type(P::TypeContext* c);
  const DimExpr* dim(P::DimContext* c);
  const DimExpr* dim_sum(P::DimSumContext* c);
  const DimExpr* dim_product(P::DimProductContext* c);
  const DimExpr* dim_atom(P::DimAtomContext* c);
  DimExpr* dim_node(DimExpr::Kind kind, Loc l, const DimExpr* a = nullptr,
                    const DimExpr* b = nullptr);

  Parsing& p_;
  const std::unordered_map<uint32_t, std::string>& docs_;
  std::string_view text_;
  int height_ = 0;
};

}  // namespace tree_builder

// Parses the hole of a string; null after an error. (In parse.cpp.)
const ast::Expr* parse_hole(Parsing& parsing, const StringPart& part, int& height);

}  // namespace tenon
