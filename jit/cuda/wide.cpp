// Loops whose elements are taken several at a time (wide.h).
#include "jit/cuda/wide.h"

#include <algorithm>

#include "jit/cuda/print.h"

namespace tenon::cuda {

using loop::Expr;
using loop::ExprNode;
using loop::Function;
using loop::kNone;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Var;

namespace {

constexpr size_t kAccess = 16;  // bytes
constexpr size_t kLight = 96;   // operations of an element

// How often statements read each variable.
using Reads = std::map<Var, int>;
void reads(const Function& f, Expr e, std::set<Expr>& seen, Reads& out) {
  if (e == kNone || !seen.insert(e).second) return;
  const ExprNode& n = f.exprs[e];
  if (n.op == Op::konst) return;
  if (n.op == Op::var) {
    ++out[n.a];
    return;
  }
  for (Expr x : {n.a, n.b, n.c}) reads(f, x, seen, out);
}
void reads(const Function& f, const Stmt& s, Reads& out) {
  std::set<Expr> seen;
  for (Expr e : {s.a, s.b, s.c, s.d}) reads(f, e, seen, out);
  for (Expr e : s.args) reads(f, e, seen, out);
  for (const Stmt& inner : s.body) reads(f, inner, out);
  for (const Stmt& inner : s.other) reads(f, inner, out);
}

}  // namespace

Wide::Wide(const Function& f, const Stmt& loop, int most) : f_(f), idioms_(f), index_(loop.kind == StmtKind::fold ? loop.index : loop.var) {
  if (!line(loop)) return;
  std::set<Expr> seen;
  for (const Stmt& s : loop.body) {
    if (s.kind == StmtKind::store && beside(s.a, s.b)) accesses_.push_back({s.a, s.b, s.ty});
    for (Expr e : {s.a, s.b, s.c}) look(e, seen);
  }
  if (loop.kind == StmtKind::fold) {
    look(loop.c, seen);
    look(loop.d, seen);
  }
  if (accesses_.empty() || seen.size() > kLight) return;
  size_t widest = 1;
  for (const Access& a : accesses_) widest = std::max(widest, static_cast<size_t>(loop::bytes(a.ty)));
  width_ = std::min(most, static_cast<int>(kAccess / widest));
}

bool Wide::line(const Stmt& loop) {
  Reads inside, all;
  for (const Stmt& s : loop.body) {
    if (s.kind != StmtKind::set && s.kind != StmtKind::store && s.kind != StmtKind::fetch) return false;
    reads(f_, s, inside);
    if (s.kind != StmtKind::set) continue;
    // Nothing may come over from the element before.
    const auto [it, first] = set_.emplace(s.var, s.a);
    if (first && inside.contains(s.var)) return false;
    if (!first) it->second = kNone;
  }
  if (set_.contains(index_)) return false;
  if (loop.kind == StmtKind::fold) {
    std::set<Expr> seen;
    reads(f_, loop.c, seen, inside);
    reads(f_, loop.d, seen, inside);
    if (inside.contains(loop.var)) return false;
  }
  // Nor may the last element's be asked for behind the loop.
  for (const Stmt& s : f_.body) reads(f_, s, all);
  for (const auto& [v, e] : set_)
    if (all[v] != inside[v]) return false;
  return all[index_] == inside[index_];
}

void Wide::look(Expr e, std::set<Expr>& seen) {
  if (e == kNone || !seen.insert(e).second) return;
  const ExprNode& n = f_.exprs[e];
  if (n.op == Op::konst || n.op == Op::var) return;
  if (const auto idiom = idioms_.at(e)) return look(idiom->of, seen);
  if (n.op == Op::load && beside(n.a, n.b)) accesses_.push_back({n.a, n.b, n.ty});
  for (Expr x : {n.a, n.b, n.c}) look(x, seen);
}

std::optional<int64_t> Wide::stride(Expr e) const {
  if (e == kNone) return 0;
  const ExprNode& n = f_.exprs[e];
  if (n.op == Op::konst) return 0;
  if (n.op == Op::var) {
    if (n.a == index_) return 1;
    const auto it = set_.find(n.a);
    if (it == set_.end()) return 0;
    return it->second == kNone ? std::nullopt : stride(it->second);
  }
  const auto a = stride(n.a), b = stride(n.b), c = stride(n.c);
  if (!a || !b || !c) return std::nullopt;
  if (n.op == Op::load) return std::nullopt;  // a store of the body may lie between two elements
  if (*a == 0 && *b == 0 && *c == 0) return 0;
  if (n.ty != loop::Ty::i64) return std::nullopt;
  if (n.op == Op::add) return *a + *b;
  if (n.op == Op::sub) return *a - *b;
  return std::nullopt;
}

const Stmt* wide_items(const Function& f) {
  if (f.body.empty()) return nullptr;
  const Stmt& last = f.body.back();
  if (!over_items(f, last)) return nullptr;
  Reads before;
  for (const Stmt& s : f.body) {
    if (&s == &last) break;
    if (s.kind != StmtKind::set) return nullptr;
    reads(f, s, before);
  }
  if (before.contains(f.lo) || before.contains(f.hi)) return nullptr;
  return Wide(f, last).width() > 1 ? &last : nullptr;
}

int items_each(const Function& f) {
  const Stmt* const items = wide_items(f);
  return items ? Wide(f, *items).width() : 1;
}

}  // namespace tenon::cuda
