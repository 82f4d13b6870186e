#include "jit/llvm/body.h"

#include <unordered_set>
#include <utility>

namespace tenon::llvm_jit {

using loop::Block;
using loop::Expr;
using loop::ExprNode;
using loop::kNone;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Ty;

namespace {

void add_weight(const loop::Function& f, const Block& body, Weight& w) {
  std::unordered_set<Expr> seen;
  std::function<void(Expr)> visit = [&](Expr e) {
    if (e == kNone || !seen.insert(e).second) return;
    const ExprNode& n = f.exprs[e];
    if (n.op == Op::konst || n.op == Op::var) return;
    ++w.exprs;
    w.wide |= n.ty == Ty::f64 || (n.op == Op::load && n.ty == Ty::i64);
    for (Expr o : {n.a, n.b, n.c}) visit(o);
  };
  for (const Stmt& s : body) {
    for (Expr e : {s.a, s.b, s.c, s.d}) visit(e);
    w.wide |= s.kind == StmtKind::store && (s.ty == Ty::i64 || s.ty == Ty::f64);
    add_weight(f, s.body, w);
    add_weight(f, s.other, w);
  }
}

void find_changes(const Block& body, std::vector<char>& changes) {
  for (const Stmt& s : body) {
    if (s.var != kNone) changes[s.var] = 1;
    if (s.index != kNone) changes[s.index] = 1;
    for (loop::Var v : s.outs) changes[v] = 1;
    find_changes(s.body, changes);
    find_changes(s.other, changes);
  }
}

}  // namespace

Weight weigh(const loop::Function& f, const Block& body) {
  Weight w;
  add_weight(f, body, w);
  return w;
}

std::vector<Expr> spread_ahead(const loop::Function& f, const Block& body,
                               const std::vector<Expr>& more,
                               const std::function<bool(Expr)>& varies, size_t room) {
  std::vector<char> changes(f.vars.size(), 0);
  find_changes(body, changes);
  std::vector<Expr> variables, constants;  // a constant costs a load in the loop, a variable a shuffle
  std::unordered_set<Expr> seen;
  auto wish = [&](Expr e) {
    if (e == kNone || varies(e) || !seen.insert(e).second) return;
    const ExprNode& n = f.exprs[e];
    // The zero costs nothing, and integers may be part of an instruction.
    if (n.op == Op::konst && loop::is_float(n.ty) && n.imm != 0) constants.push_back(e);
    if (n.op == Op::var && n.ty != Ty::i1 && !changes[n.a]) variables.push_back(e);
  };
  std::function<void(Expr)> visit = [&](Expr e) {
    if (e == kNone || !varies(e) || !seen.insert(e).second) return;
    const ExprNode& n = f.exprs[e];
    if (n.op == Op::var) return;
    for (Expr o : {n.a, n.b, n.c}) {
      if (n.op != Op::load) wish(o);
      visit(o);
    }
  };
  std::function<void(const Block&)> all = [&](const Block& list) {
    for (const Stmt& s : list) {
      if (s.kind == StmtKind::store || s.kind == StmtKind::set)
        for (Expr e : {s.a, s.b, s.c}) visit(e);
      all(s.body);
      all(s.other);
    }
  };
  all(body);
  for (Expr e : more) visit(e);
  variables.insert(variables.end(), constants.begin(), constants.end());
  if (variables.size() > room) variables.resize(room);
  return variables;
}

}  // namespace tenon::llvm_jit
