// The syntax tree: what the parser makes of a source text, and the only thing later stages know of
// syntax. Nodes live in the Module's arena and are never changed once parsed; two passes over the
// same text give equal trees. The shapes follow grammar/Tenon.g4, with these done by the parser:
//   a |> f(b)        becomes a Call of f with `a` put in first (piped = true)
//   "a {x:.2f} b"    becomes a StringLit of text pieces and parsed holes
//   place += e       stays an Assign with its operator
//   -1               stays Unary(neg, 1): a written minus matters to indexing (rule 4)
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/source.h"

namespace tenon::ast {

struct Expr;
struct Stmt;
struct TypeExpr;
struct DimExpr;

struct Name {
  std::string text;
  Loc loc;
};

// { ... } : statements; the last one may be an ExprStmt, whose value is the block's value.
struct Block {
  std::vector<const Stmt*> stmts;
  Loc loc;
};

// name | _ | (p, p)
struct Pattern {
  enum Kind { name, wildcard, tuple } kind = name;
  Name id;                        // name
  std::vector<Pattern> elements;  // tuple
  Loc loc;
};

// One index of the index notation: `i` or `i in range`.
struct Index {
  Name id;
  const Expr* range = nullptr;
};

struct Param {
  Name id;
  const TypeExpr* type = nullptr;   // may be missing
  bool rest = false;                // int... : takes all that is left
  const Expr* default_value = nullptr;
};

// where T: float, U: integer
struct Constraint {
  Name variable;
  Name bound;  // float integer number any
};

// What a named function, a lambda and a method have in common.
struct FnSig {
  std::vector<Param> params;
  const TypeExpr* result = nullptr;
  std::vector<Constraint> constraints;
  Loc loc;
};
struct FnBody {  // exactly one of the two
  const Block* block = nullptr;
  const Expr* expr = nullptr;
};

// ---------------------------------------------------------------- dimensions and types

struct DimExpr {
  enum Kind { constant, variable, wildcard /* _ */, rest /* ... */, neg, add, sub, mul, div, floordiv } kind;
  Loc loc;
  int64_t value = 0;     // constant
  std::string id;        // variable
  const DimExpr *a = nullptr, *b = nullptr;
};

struct TypeField {
  Name id;
  const TypeExpr* type;
};

struct TypeExpr {
  enum Kind { named, tuple, record, list, function } kind;
  Loc loc;
  std::vector<Name> path;                  // named: f32, T, nn.Linear
  bool has_dims = false;                   // named: f32[] and f32 differ only in spelling
  std::vector<const DimExpr*> dims;        // named
  std::vector<const TypeExpr*> elements;   // tuple members; list: one; function: its parameters
  std::vector<TypeField> fields;           // record
  const TypeExpr* result = nullptr;        // function
};

// ---------------------------------------------------------------- expressions

enum class UnaryOp { neg, not_ };
enum class BinaryOp { or_, and_, eq, ne, lt, le, gt, ge, add, sub, mul, div, floordiv, rem, matmul, pow };
std::string_view spelling(UnaryOp op);
std::string_view spelling(BinaryOp op);

// A subscript between [ and ]. A bound that is written with a minus counts from the end (rule 4);
// the parser leaves the minus in the expression (Unary neg at the top).
struct Sub {
  enum Kind { index, range, all /* .. */, rest /* ... */ } kind;
  Loc loc;
  const Expr* at = nullptr;  // index
  const Expr* lo = nullptr;  // range; missing: from the start
  const Expr* hi = nullptr;  // range; missing: to the end
};

struct Arg {
  std::optional<Name> id;  // by name
  const Expr* value;
};

struct Field {
  Name id;
  const Expr* value;
};

struct Expr {
  enum Kind {
    int_lit, float_lit, bool_lit, string_lit, name, unary, binary, range, call, member, subscript,
    tuple, bracket, comprehension, record, if_, lambda, reduction
  };
  Kind kind;
  Loc loc;

 protected:
  Expr(Kind k, Loc l) : kind(k), loc(l) {}
};

struct IntLit : Expr {
  explicit IntLit(Loc l) : Expr(int_lit, l) {}
  int64_t value = 0;
};
struct FloatLit : Expr {
  explicit FloatLit(Loc l) : Expr(float_lit, l) {}
  double value = 0;
};
struct BoolLit : Expr {
  explicit BoolLit(Loc l) : Expr(bool_lit, l) {}
  bool value = false;
};
struct StringPiece {
  std::string text;              // escapes resolved
  const Expr* hole = nullptr;    // set: the text is empty
  std::string format;            // what stands after the hole's colon: ".3f"
};
struct StringLit : Expr {  // "..." with holes; """...""" has one text piece
  explicit StringLit(Loc l) : Expr(string_lit, l) {}
  std::vector<StringPiece> pieces;
};
struct NameRef : Expr {
  explicit NameRef(Loc l) : Expr(name, l) {}
  std::string id;
};
struct Unary : Expr {
  explicit Unary(Loc l) : Expr(unary, l) {}
  UnaryOp op{};
  const Expr* a = nullptr;
};
struct Binary : Expr {
  explicit Binary(Loc l) : Expr(binary, l) {}
  BinaryOp op{};
  Loc op_loc;
  const Expr *a = nullptr, *b = nullptr;
};
struct RangeExpr : Expr {  // lo..hi, both there
  explicit RangeExpr(Loc l) : Expr(range, l) {}
  const Expr *lo = nullptr, *hi = nullptr;
};
struct Call : Expr {
  explicit Call(Loc l) : Expr(call, l) {}
  const Expr* callee = nullptr;
  std::vector<Arg> args;
  bool piped = false;  // the first argument stood left of |>
};
struct Member : Expr {  // a.name
  explicit Member(Loc l) : Expr(member, l) {}
  const Expr* object = nullptr;
  Name id;
};
struct Subscript : Expr {  // a[...]
  explicit Subscript(Loc l) : Expr(subscript, l) {}
  const Expr* object = nullptr;
  std::vector<Sub> subs;
};
struct TupleExpr : Expr {  // (a, b) (a,) ()
  explicit TupleExpr(Loc l) : Expr(tuple, l) {}
  std::vector<const Expr*> elements;
};
struct Bracket : Expr {  // [a, b]
  explicit Bracket(Loc l) : Expr(bracket, l) {}
  std::vector<const Expr*> elements;
};
struct Comprehension : Expr {  // [body for pattern in source]
  explicit Comprehension(Loc l) : Expr(comprehension, l) {}
  const Expr* body = nullptr;
  Pattern pattern;
  const Expr* source = nullptr;
};
struct RecordExpr : Expr {
  explicit RecordExpr(Loc l) : Expr(record, l) {}
  std::vector<Field> fields;
};
struct IfExpr : Expr {  // else if: otherwise holds one ExprStmt with an IfExpr
  explicit IfExpr(Loc l) : Expr(if_, l) {}
  const Expr* condition = nullptr;
  const Block* then = nullptr;
  const Block* otherwise = nullptr;  // may be missing
};
struct Lambda : Expr {
  explicit Lambda(Loc l) : Expr(lambda, l) {}
  FnSig sig;
  FnBody body;
};
struct Reduction : Expr {  // sum[i, j in 0..n] body
  explicit Reduction(Loc l) : Expr(reduction, l) {}
  Name op;  // sum prod max min mean any all argmax argmin
  std::vector<Index> indices;
  const Expr* body = nullptr;
};

// ---------------------------------------------------------------- statements

struct Stmt {
  enum Kind {
    bind, index_bind, assign, expr, fn, for_, while_, jump, model, param, update, train, test,
    bench, derivative, type_def, import, assert_
  };
  Kind kind;
  Loc loc;
  std::string doc;  // the ## lines above it

 protected:
  Stmt(Kind k, Loc l) : kind(k), loc(l) {}
};

struct Bind : Stmt {  // let p: T = e   var p = e   let x: f32[B] ~ normal(0, 1)
  explicit Bind(Loc l) : Stmt(bind, l) {}
  bool mutable_ = false;
  Pattern pattern;
  const TypeExpr* type = nullptr;
  bool draw = false;  // ~ in place of =
  const Expr* value = nullptr;
};
struct IndexBind : Stmt {  // let y[i, j in 0..n] = e
  explicit IndexBind(Loc l) : Stmt(index_bind, l) {}
  bool mutable_ = false;
  Name id;
  std::vector<Index> indices;
  const Expr* value = nullptr;
};
struct Assign : Stmt {  // place = e    place += e
  explicit Assign(Loc l) : Stmt(assign, l) {}
  const Expr* place = nullptr;         // whether it is a place is checked later
  std::optional<BinaryOp> op;          // += -= *= /=
  const Expr* value = nullptr;
};
struct ExprStmt : Stmt {
  explicit ExprStmt(Loc l) : Stmt(expr, l) {}
  const Expr* value = nullptr;
};
struct FnDecl : Stmt {
  explicit FnDecl(Loc l) : Stmt(fn, l) {}
  bool exported = false;
  Name id;
  FnSig sig;
  FnBody body;
};
struct For : Stmt {
  explicit For(Loc l) : Stmt(for_, l) {}
  Pattern pattern;
  const Expr* source = nullptr;
  const Block* body = nullptr;
};
struct While : Stmt {
  explicit While(Loc l) : Stmt(while_, l) {}
  const Expr* condition = nullptr;
  const Block* body = nullptr;
};
struct Jump : Stmt {
  enum What { break_, continue_, return_ };
  explicit Jump(Loc l) : Stmt(jump, l) {}
  What what{};
  const Expr* value = nullptr;  // return
};
struct ModelDecl : Stmt {  // members: ParamDecl, Bind, FnDecl, ...
  explicit ModelDecl(Loc l) : Stmt(model, l) {}
  Name id;
  std::vector<Param> params;
  std::vector<const Stmt*> members;
};
struct ParamDecl : Stmt {  // param w: T ~ d if c    state m: T = e
  explicit ParamDecl(Loc l) : Stmt(param, l) {}
  bool state = false;
  Name id;
  const TypeExpr* type = nullptr;
  bool draw = false;
  const Expr* value = nullptr;      // may be missing
  const Expr* condition = nullptr;  // may be missing
};
struct Update : Stmt {  // update center = e
  explicit Update(Loc l) : Stmt(update, l) {}
  Name id;
  const Expr* value = nullptr;
};
struct Setting {  // loss(batch) = e    loss(batch) { .. }
  Name id;
  std::optional<std::vector<Param>> params;
  FnBody body;
  Loc loc() const { return body.expr ? body.expr->loc : body.block->loc; }
};
struct Train : Stmt {
  explicit Train(Loc l) : Stmt(train, l) {}
  const Expr* place = nullptr;
  const Expr* data = nullptr;
  std::vector<Setting> settings;
};
struct Test : Stmt {
  explicit Test(Loc l) : Stmt(test, l) {}
  std::string title;
  const Block* body = nullptr;
};
struct Bench : Stmt {
  explicit Bench(Loc l) : Stmt(bench, l) {}
  std::string title;
  const Block* body = nullptr;
};
struct Derivative : Stmt {  // derivative of f(x) -> y, dy { .. }
  explicit Derivative(Loc l) : Stmt(derivative, l) {}
  Name id;
  std::vector<Param> params;
  Name result, cotangent;
  const Block* body = nullptr;
};
struct TypeDef : Stmt {
  explicit TypeDef(Loc l) : Stmt(type_def, l) {}
  Name id;
  const TypeExpr* type = nullptr;
};
struct Import : Stmt {  // import nn   import "layers.model" as layers
  explicit Import(Loc l) : Stmt(import, l) {}
  std::string path;
  bool file = false;  // a string: a file beside this one
  std::optional<Name> as;
};
struct Assert : Stmt {  // assert e   assert e, "text"
  explicit Assert(Loc l) : Stmt(assert_, l) {}
  const Expr* value = nullptr;
  const Expr* message = nullptr;  // may be missing
};

// ---------------------------------------------------------------- module

// One parsed source. Owns its nodes; moving a Module does not move them.
class Module {
 public:
  FileId file = 0;
  Block top;

  template <class T>
  T* make(Loc loc) {
    auto node = std::make_shared<T>(loc);
    T* raw = node.get();
    nodes_.push_back(std::move(node));
    return raw;
  }
  template <class T>
  T* make_plain() {  // Block, TypeExpr, DimExpr
    auto node = std::make_shared<T>();
    T* raw = node.get();
    nodes_.push_back(std::move(node));
    return raw;
  }

 private:
  std::vector<std::shared_ptr<void>> nodes_;
};

// Checked downcast for a node whose kind has been looked at.
template <class T, class Base>
const T& as(const Base& node) {
  return static_cast<const T&>(node);
}

}  // namespace tenon::ast
