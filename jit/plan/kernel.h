// Builds one kernel: its arguments come from the driver, its elements from the nodes of a group.
#pragma once

#include "jit/plan/lower.h"

namespace tenon::plan {

class KernelBuilder {
 public:
  explicit KernelBuilder(FunctionLowering& driver);

  Exprs& x() { return x_; }
  Expr lo() const { return lo_; }
  Expr hi() const { return hi_; }

  // A value of the driver as an argument: a constant, or a slot read once.
  Expr param(Expr driver, const char* name);
  Expr dim(DimId d) { return param(driver_.dim(d), "n"); }

  // ---- statements
  void emit(Stmt s) { out_->push_back(std::move(s)); }
  Var fresh(Ty t, const char* name) { return x_.fresh(t, name); }
  void set(Var v, Expr e);
  Expr keep(Expr e, const char* name);
  template <class F>
  loop::Block inside(F&& f) {
    loop::Block block, *before = out_;
    out_ = &block;
    f();
    out_ = before;
    return block;
  }
  template <class F>
  void loop(const char* name, Expr lo, Expr hi, loop::Bind bind, F&& body) {
    Stmt s{StmtKind::for_};
    s.var = fresh(Ty::i64, name);
    s.a = lo;
    s.b = hi;
    s.bind = bind;
    Expr i = x_.var(s.var);
    s.body = inside([&] { body(i); });
    emit(std::move(s));
  }
  void trap(Expr when, Code code, Loc where, std::string text, std::vector<Expr> values);

  // ---- elements
  void bind(ir::Value v, Expr e) { values_[v] = e; }
  bool has(ir::Value v) const { return values_.contains(v); }
  Expr value(ir::Value v);  // bound here, or a scalar of the driver
  // Computes a scalar node from bound operands. `mask`: only where it holds may it trap.
  void scalar(const ir::Node& n, Expr mask = loop::kNone);
  // The nodes of a map's body, which is in straight line; an `if` becomes selects.
  void nodes(const ir::Region& r, Expr mask);
  // Mixed radix: the index of each axis from a row-major number.
  std::vector<Expr> split(Expr index, const std::vector<DimId>& shape);

  // Folds one value into another by a reduction.
  Expr combine(ir::ReduceKind kind, DType t, Expr acc, Expr v);
  Expr identity(ir::ReduceKind kind, DType t);

  // Starts it from the driver over [0, range).
  void launch(Expr range, Expr work);
  void streamed(Expr driver, int64_t bytes);  // see loop::Streamed
  void tile(loop::Tile t) { f_.tile = std::move(t); }  // what the tile statement is
  void replay_all() { f_.replay_all = true; }  // see loop::Function
  int cost = 1;                                // per element, of what was computed so far

 private:
  void read(const ir::Node& n, Expr mask);

  FunctionLowering& driver_;
  loop::Function f_;
  Exprs x_;
  loop::Block* out_;
  std::vector<Expr> args_;
  std::map<Expr, Expr> params_;
  loop::Block prologue_;
  std::map<ir::Value, Expr> values_;
  Expr lo_, hi_;
};

// The dtype in which a reduction of t is kept.
DType accumulator(DType t);

}  // namespace tenon::plan
