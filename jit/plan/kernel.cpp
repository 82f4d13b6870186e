#include "jit/plan/kernel.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ir/cost.h"

namespace tenon::plan {

using ir::Node;
using ir::Region;
using ir::Value;
using loop::kNone;

DType accumulator(DType t) {
  switch (t) {
    case DType::f16:
    case DType::bf16:
    case DType::f32:
      return DType::f32;
    case DType::i8:
    case DType::u8:
    case DType::i32:
      return DType::i32;
    case DType::boolean:
    case DType::i64:
    case DType::f64:
      return t;
  }
  return t;
}

KernelBuilder::KernelBuilder(FunctionLowering& driver) : driver_(driver), x_(f_), out_(&f_.body) {
  f_.lo = fresh(Ty::i64, "lo");
  f_.hi = fresh(Ty::i64, "hi");
  lo_ = x_.var(f_.lo);
  hi_ = x_.var(f_.hi);
}

Expr KernelBuilder::param(Expr driver, const char* name) {
  const loop::ExprNode n = driver_.out_fn_.exprs[driver];  // by value: to_slot adds expressions
  if (n.op == Op::konst) return x_.konst(n.ty, n.imm);
  auto [it, fresh_param] = params_.try_emplace(driver, kNone);
  if (!fresh_param) return it->second;
  Var v = fresh(Ty::i64, name);
  f_.params.push_back(v);
  args_.push_back(driver_.x_.to_slot(driver));
  Expr e = x_.var(v);
  if (n.ty != Ty::i64) {
    // Parameters are read at the start of the kernel, outside every loop.
    Var typed = fresh(n.ty, name);
    Stmt s{StmtKind::set};
    s.var = typed;
    s.a = x_.from_slot(n.ty, e);
    prologue_.push_back(std::move(s));
    e = x_.var(typed);
  }
  return params_[driver] = e;
}

void KernelBuilder::set(Var v, Expr e) {
  Stmt s{StmtKind::set};
  s.var = v;
  s.a = e;
  emit(std::move(s));
}

Expr KernelBuilder::keep(Expr e, const char* name) {
  Op op = f_.exprs[e].op;
  if (op == Op::konst || op == Op::var) return e;
  Var v = fresh(f_.type(e), name);
  set(v, e);
  return x_.var(v);
}

void KernelBuilder::trap(Expr when, Code code, Loc where, std::string text,
                         std::vector<Expr> values) {
  Stmt s{StmtKind::trap};
  s.a = when;
  s.id = driver_.unit_.trap_site(code, where, std::move(text), {}, Fault::data);
  s.args = std::move(values);
  f_.may_trap = true;
  emit(std::move(s));
}

// ---------------------------------------------------------------- elements

Expr KernelBuilder::value(Value v) {
  if (auto it = values_.find(v); it != values_.end()) return it->second;
  const Place& p = driver_.place(v);
  require(p.kind == Place::scalar || p.kind == Place::fill,
          "a kernel meets a tensor it does not read");
  return param(p.e, "s");
}

void KernelBuilder::scalar(const Node& n, Expr mask) {
  std::vector<DType> dtypes;
  std::vector<Expr> operands;
  for (Value v : n.operands) {
    dtypes.push_back(driver_.type(v).dtype);
    operands.push_back(value(v));
  }
  const DType t = driver_.type(n.results[0]).dtype;
  cost += ir::cost_of(n.op);
  Expr e = scalar_op(x_, n.op, t, dtypes, operands, [&](Expr bad) {
    if (mask != kNone) bad = x_.binary(Op::band, bad, mask);
    trap(bad, Code::E0801, n.loc, "division of an integer by zero", {});
  });
  // Sums and products of indices stay expressions: the printer sees through them where it loads.
  bool index =
      t == DType::i64 && (n.op == ir::Op::add || n.op == ir::Op::sub || n.op == ir::Op::mul);
  bind(n.results[0], index ? e : keep(e, "v"));
}

void KernelBuilder::nodes(const Region& r, Expr mask) {
  for (const Node& n : r.nodes) {
    if (is_scalar(n.op)) {
      scalar(n, mask);
      continue;
    }
    switch (n.op) {
      case ir::Op::constant:
        bind(n.results[0], literal_element(x_, *n.get<ir::ConstantAttr>().literal));
        break;
      case ir::Op::size:
        bind(n.results[0], dim(n.get<ir::DimAttr>().dim));
        break;
      case ir::Op::stop_gradient:
        bind(n.results[0], value(n.operands[0]));
        break;
      case ir::Op::read:
        read(n, mask);
        break;
      case ir::Op::if_: {
        Expr c = value(n.operands[0]);
        Expr yes = mask == kNone ? c : keep(x_.binary(Op::band, mask, c), "m");
        Expr no = x_.not_(c);
        no = keep(mask == kNone ? no : x_.binary(Op::band, mask, no), "m");
        nodes(n.regions[0], yes);
        nodes(n.regions[1], no);
        for (size_t i = 0; i < n.results.size(); ++i)
          bind(n.results[i],
               keep(x_.select(c, value(n.regions[0].results[i]), value(n.regions[1].results[i])),
                    "v"));
        break;
      }
      case ir::Op::iota:
      case ir::Op::broadcast:
      case ir::Op::reshape:
      case ir::Op::transpose:
      case ir::Op::slice:
      case ir::Op::update:
      case ir::Op::concat:
      case ir::Op::reduce:
      case ir::Op::arg_reduce:
      case ir::Op::scan:
      case ir::Op::contract:
      case ir::Op::sort:
      case ir::Op::map:
      case ir::Op::scatter:
      case ir::Op::retype:
      case ir::Op::call:
      case ir::Op::derive:
      case ir::Op::for_:
      case ir::Op::while_:
      case ir::Op::push:
      case ir::Op::pop:
      case ir::Op::tape_new:
      case ir::Op::tape_end:
      case ir::Op::bind_dim:
      case ir::Op::check:
      case ir::Op::debug:
      case ir::Op::host:
        TENON_SCALAR_OPS(TENON_SCALAR_CASE)
        bug("a node in the body of a map that is not in straight line");
    }
  }
}

void KernelBuilder::read(const Node& n, Expr mask) {
  const Value tensor = n.operands[0];
  const ir::Type& t = driver_.type(tensor);
  if (t.shape.empty()) return bind(n.results[0], value(tensor));
  const Place p = driver_.place(tensor);
  std::vector<Expr> at;
  for (size_t i = 0; i < t.rank(); ++i) {
    Expr index = value(n.operands[1 + i]);
    Expr size = dim(t.shape[i]);
    Expr bad = x_.not_(x_.compare(Op::ult, index, size));
    if (mask != kNone) bad = x_.binary(Op::band, bad, mask);
    trap(bad, Code::E0802, n.loc, "index {} is outside axis " + std::to_string(i) + " of size {}",
         {index, size});
    if (mask != kNone) index = keep(x_.select(mask, index, x_.i64(0)), "at");
    at.push_back(index);
  }
  switch (p.kind) {
    case Place::fill:
      bind(n.results[0], param(p.e, "s"));
      return;
    case Place::iota:
      bind(n.results[0], at[static_cast<size_t>(p.axis)]);
      return;
    case Place::memory: {
      Expr index = x_.i64(0);
      for (size_t i = 0; i < t.rank(); ++i) index = x_.add(index, x_.mul(at[i], dim(p.strides[i])));
      cost += 2;
      bind(n.results[0], keep(load_element(x_, t.dtype, param(p.e, "data"), index), "x"));
      return;
    }
    case Place::nothing:
    case Place::scalar:
    case Place::tape:
      bug("read of what is no tensor");
  }
}

std::vector<Expr> KernelBuilder::split(Expr index, const std::vector<DimId>& shape) {
  std::vector<Expr> at(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    if (i == 0) {
      at[0] = index;
      break;
    }
    // An empty axis leaves no index to split; the division must not see its 0 all the same.
    Expr n = dim(shape[i]);
    int64_t v;
    if (!x_.constant(n, v) || v == 0)
      n = keep(x_.select(x_.compare(Op::eq, n, x_.i64(0)), x_.i64(1), n), "n");
    at[i] = keep(x_.binary(Op::srem, index, n), "at");
    index = keep(x_.binary(Op::sdiv, index, n), "rest");
  }
  return at;
}

Expr KernelBuilder::combine(ir::ReduceKind kind, DType t, Expr acc, Expr v) {
  ir::Op op = ir::Op::add;
  switch (kind) {
    case ir::ReduceKind::sum:
      op = ir::Op::add;
      break;
    case ir::ReduceKind::prod:
      op = ir::Op::mul;
      break;
    case ir::ReduceKind::max:
      op = ir::Op::max;
      break;
    case ir::ReduceKind::min:
      op = ir::Op::min;
      break;
    case ir::ReduceKind::any:
      op = ir::Op::or_;
      break;
    case ir::ReduceKind::all:
      op = ir::Op::and_;
      break;
  }
  return scalar_op(x_, op, t, {t, t}, {acc, v}, [](Expr) {});
}

Expr KernelBuilder::identity(ir::ReduceKind kind, DType t) {
  auto number = [&](double f, int64_t i32, int64_t i64) -> Expr {
    switch (register_type(t)) {
      case Ty::f32:
        return x_.f32(static_cast<float>(f));
      case Ty::f64:
        return x_.f64(f);
      case Ty::i64:
        return x_.i64(i64);
      case Ty::i1:
      case Ty::i8:
      case Ty::i16:
      case Ty::i32:
        return x_.konst(Ty::i32, static_cast<uint32_t>(i32));
    }
    bug("no such type");
  };
  const double inf = std::numeric_limits<double>::infinity();
  switch (kind) {
    case ir::ReduceKind::sum:
      return number(0, 0, 0);
    case ir::ReduceKind::prod:
      return number(1, 1, 1);
    case ir::ReduceKind::max:
      return number(-inf, INT32_MIN, INT64_MIN);
    case ir::ReduceKind::min:
      return number(inf, INT32_MAX, INT64_MAX);
    case ir::ReduceKind::any:
      return x_.konst(Ty::i1, 0);
    case ir::ReduceKind::all:
      return x_.konst(Ty::i1, 1);
  }
  bug("no such reduction");
}

void KernelBuilder::streamed(Expr driver, int64_t bytes) {
  const auto at = std::find(args_.begin(), args_.end(), driver);
  require(at != args_.end(), "a kernel streams what it does not write");
  f_.streamed.push_back({static_cast<uint32_t>(at - args_.begin()), bytes});
}

void KernelBuilder::launch(Expr range, Expr work) {
  f_.body.insert(f_.body.begin(), std::make_move_iterator(prologue_.begin()),
                 std::make_move_iterator(prologue_.end()));
  Stmt s{StmtKind::launch};
  s.id = driver_.unit_.add_kernel(std::move(f_), driver_.loc_);
  s.a = range;
  s.b = work;
  s.args = std::move(args_);
  driver_.emit(std::move(s));
}

}  // namespace tenon::plan
