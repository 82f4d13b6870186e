// In which shape a kernel is printed, and the names of the prelude (print.h).
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "jit/cuda/print.h"

namespace tenon::cuda {

using loop::Block;
using loop::Expr;
using loop::ExprNode;
using loop::Function;
using loop::kNone;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Ty;
using loop::Var;

std::string_view type_name(Ty t) {
  switch (t) {
    case Ty::i1: return "bool";
    case Ty::i8: return "signed char";
    case Ty::i16: return "short";
    case Ty::i32: return "int";
    case Ty::i64: return "tn_int";
    case Ty::f32: return "float";
    case Ty::f64: return "double";
  }
  bug("no type");
}

std::string_view storage_name(DType t) {
  switch (t) {
    case DType::boolean:
    case DType::u8: return "unsigned char";
    case DType::i8: return "signed char";
    case DType::i32: return "int";
    case DType::i64: return "tn_int";
    case DType::f16: return "TnF16";
    case DType::bf16: return "TnBf16";
    case DType::f32: return "float";
    case DType::f64: return "double";
  }
  bug("no dtype");
}

std::string_view kind_name(ir::ReduceKind k) {
  switch (k) {
    case ir::ReduceKind::sum: return "TnSum";
    case ir::ReduceKind::prod: return "TnProd";
    case ir::ReduceKind::max: return "TnMax";
    case ir::ReduceKind::min: return "TnMin";
    case ir::ReduceKind::any: return "TnAny";
    case ir::ReduceKind::all: return "TnAll";
  }
  bug("no reduction");
}

bool over_items(const Function& f, const Stmt& s) {
  auto is = [&](Expr e, Var v) { return f.exprs[e].op == Op::var && f.exprs[e].a == v; };
  return s.kind == StmtKind::for_ && is(s.a, f.lo) && is(s.b, f.hi);
}

namespace {

// Whether a warp has something to share out in here.
bool shares(const Block& b) {
  for (const Stmt& s : b) {
    if (s.kind == StmtKind::fold) return true;
    if (s.kind == StmtKind::for_ && s.bind == loop::Bind::vector) return true;
    if (shares(s.body) || shares(s.other)) return true;
  }
  return false;
}

}  // namespace

Shape shape_of(const Function& f) {
  if (f.tile.sink != loop::Tile::none) return Shape::tile;
  for (const Stmt& s : f.body) {
    if (over_items(f, s) ? shares(s.body) : shares({s})) return Shape::warp;
  }
  return Shape::thread;
}

Length length_of(const Function& f) {
  std::map<Var, Expr> set;  // of those that are set once
  std::set<Var> again;
  bool sums_products = false;
  std::vector<Expr> ends;
  std::function<void(const Block&)> look = [&](const Block& b) {
    for (const Stmt& s : b) {
      if (s.kind == StmtKind::set && !set.emplace(s.var, s.a).second) again.insert(s.var);
      if (s.kind == StmtKind::fold) {
        sums_products |= s.d != kNone;
        ends.push_back(s.b);
        continue;  // what is inside belongs to one thread
      }
      if (s.kind == StmtKind::for_ && s.bind == loop::Bind::vector) ends.push_back(s.b);
      look(s.body);
      look(s.other);
    }
  };
  look(f.body);
  if (sums_products) return {};
  std::function<Length(Expr)> length = [&](Expr e) -> Length {
    const ExprNode& n = f.exprs[e];
    if (n.op == Op::konst) return {-1, static_cast<int64_t>(n.imm)};
    if (n.op == Op::select) return length(n.b);  // the end of the last chunk
    if (n.op != Op::var) return {};
    const auto p = std::find(f.params.begin(), f.params.end(), n.a);
    if (p != f.params.end()) return {static_cast<int>(p - f.params.begin()), 0};
    const auto it = set.find(n.a);
    return it == set.end() || again.contains(n.a) ? Length{} : length(it->second);
  };
  for (Expr e : ends)
    if (const Length l = length(e); l.param >= 0 || l.constant > 0) return l;
  return {};
}

}  // namespace tenon::cuda
