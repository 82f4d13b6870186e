// Walks over syntax for scan.h. One walk serves both questions.
#include "frontend/scan.h"

namespace tenon::elab {
namespace {

struct Walk {
  std::set<std::string> assigned, fields;
  Jumps jumps;
  int loops = 0;  // around the present place, inside what is scanned

  void list(const std::vector<const ast::Stmt*>& l) {
    for (auto* s : l) stmt(*s);
  }
  void block(const ast::Block* b) {
    if (b) list(b->stmts);
  }
  void place(const ast::Expr& e) {
    switch (e.kind) {
      case ast::Expr::name: assigned.insert(ast::as<ast::NameRef>(e).id); return;
      case ast::Expr::member: {
        const auto& m = ast::as<ast::Member>(e);
        if (m.object->kind == ast::Expr::name) fields.insert(m.id.text);
        return place(*m.object);
      }
      case ast::Expr::subscript: place(*ast::as<ast::Subscript>(e).object); return;
      case ast::Expr::tuple:
        for (auto* x : ast::as<ast::TupleExpr>(e).elements) place(*x);
        return;
      case ast::Expr::int_lit: case ast::Expr::float_lit: case ast::Expr::bool_lit: case ast::Expr::string_lit:
      case ast::Expr::unary: case ast::Expr::binary: case ast::Expr::range: case ast::Expr::call:
      case ast::Expr::bracket: case ast::Expr::comprehension: case ast::Expr::record: case ast::Expr::if_:
      case ast::Expr::lambda: case ast::Expr::reduction: return;
    }
  }
  void stmt(const ast::Stmt& s) {
    switch (s.kind) {
      case ast::Stmt::bind: expr(ast::as<ast::Bind>(s).value); return;
      case ast::Stmt::index_bind: expr(ast::as<ast::IndexBind>(s).value); return;
      case ast::Stmt::assign:
        place(*ast::as<ast::Assign>(s).place);
        expr(ast::as<ast::Assign>(s).value);
        return;
      case ast::Stmt::expr: expr(ast::as<ast::ExprStmt>(s).value); return;
      case ast::Stmt::for_:
        ++loops;
        block(ast::as<ast::For>(s).body);
        --loops;
        return;
      case ast::Stmt::while_:
        ++loops;
        block(ast::as<ast::While>(s).body);
        --loops;
        return;
      case ast::Stmt::jump:
        if (ast::as<ast::Jump>(s).what == ast::Jump::return_) jumps.returns = true;
        else if (loops == 0) jumps.breaks = true;
        return;
      case ast::Stmt::train: place(*ast::as<ast::Train>(s).place); return;
      case ast::Stmt::fn: case ast::Stmt::model: case ast::Stmt::param: case ast::Stmt::update:
      case ast::Stmt::test: case ast::Stmt::bench: case ast::Stmt::derivative:
      case ast::Stmt::type_def: case ast::Stmt::import: case ast::Stmt::assert_: return;
    }
  }
  // Assignments stand in expressions only inside the blocks of an `if`; lambdas are functions of
  // their own.
  void expr(const ast::Expr* e) {
    if (!e) return;
    switch (e->kind) {
      case ast::Expr::if_: {
        const auto& i = ast::as<ast::IfExpr>(*e);
        expr(i.condition);
        block(i.then);
        block(i.otherwise);
        return;
      }
      case ast::Expr::unary: expr(ast::as<ast::Unary>(*e).a); return;
      case ast::Expr::binary:
        expr(ast::as<ast::Binary>(*e).a);
        expr(ast::as<ast::Binary>(*e).b);
        return;
      case ast::Expr::call:
        expr(ast::as<ast::Call>(*e).callee);
        for (auto& a : ast::as<ast::Call>(*e).args) expr(a.value);
        return;
      case ast::Expr::member: expr(ast::as<ast::Member>(*e).object); return;
      case ast::Expr::subscript: expr(ast::as<ast::Subscript>(*e).object); return;
      case ast::Expr::tuple:
        for (auto* x : ast::as<ast::TupleExpr>(*e).elements) expr(x);
        return;
      case ast::Expr::bracket:
        for (auto* x : ast::as<ast::Bracket>(*e).elements) expr(x);
        return;
      case ast::Expr::record:
        for (auto& f : ast::as<ast::RecordExpr>(*e).fields) expr(f.value);
        return;
      case ast::Expr::comprehension: expr(ast::as<ast::Comprehension>(*e).body); return;
      case ast::Expr::reduction: expr(ast::as<ast::Reduction>(*e).body); return;
      case ast::Expr::int_lit: case ast::Expr::float_lit: case ast::Expr::bool_lit:
      case ast::Expr::string_lit: case ast::Expr::name: case ast::Expr::range:
      case ast::Expr::lambda: return;
    }
  }
};

}  // namespace

Jumps scan_jumps(const std::vector<const ast::Stmt*>& list) {
  Walk w;
  w.list(list);
  return w.jumps;
}

bool may_fall_through(const std::vector<const ast::Stmt*>& list) {
  if (list.empty()) return true;
  const ast::Stmt& last = *list.back();
  if (last.kind == ast::Stmt::jump) return false;
  if (last.kind != ast::Stmt::expr) return true;
  const ast::Expr& e = *ast::as<ast::ExprStmt>(last).value;
  if (e.kind != ast::Expr::if_) return true;
  const auto& i = ast::as<ast::IfExpr>(e);
  return !i.otherwise || may_fall_through(i.then->stmts) || may_fall_through(i.otherwise->stmts);
}

std::set<std::string> assigned_names(const std::vector<const ast::Stmt*>& list) {
  Walk w;
  w.list(list);
  return w.assigned;
}

std::set<std::string> assigned_names(const ast::Expr& e) {
  Walk w;
  w.expr(&e);
  return w.assigned;
}

std::set<std::string> assigned_fields(const ast::FnBody& body) {
  Walk w;
  w.block(body.block);
  return w.fields;
}

}  // namespace tenon::elab
