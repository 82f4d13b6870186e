// The machine (ir/scalar/machine.h) whose values are loop-IR expressions under construction:
// running a scalar program on it writes that program down in the loop IR, so each exists once (law
// 4).
#pragma once

#include <functional>

#include "ir/scalar/machine.h"
#include "jit/loop/loop.h"

namespace tenon::loop {

class Machine {
 public:
  struct F32 {
    Expr e;
  };
  struct F64 {
    Expr e;
  };
  struct I32 {
    Expr e;
  };
  struct I64 {
    Expr e;
  };
  struct B {
    Expr e;
  };
  using B32 = B;
  using B64 = B;

  explicit Machine(Exprs& x) : x_(x) {}
  // What becomes of trap_if.
  std::function<void(Expr)> on_trap;

  F32 f32(float v) { return {x_.f32(v)}; }
  F64 f64(double v) { return {x_.f64(v)}; }
  I32 i32(int32_t v) { return {x_.konst(Ty::i32, static_cast<uint32_t>(v))}; }
  I64 i64(int64_t v) { return {x_.i64(v)}; }

  template <class T>
  T add(T a, T b) {
    return {x_.binary(Op::add, a.e, b.e)};
  }
  template <class T>
  T sub(T a, T b) {
    return {x_.binary(Op::sub, a.e, b.e)};
  }
  template <class T>
  T mul(T a, T b) {
    return {x_.binary(Op::mul, a.e, b.e)};
  }
  template <class T>
  T div(T a, T b) {
    return {x_.binary(Op::div, a.e, b.e)};
  }
  template <class T>
  T fma(T a, T b, T c) {
    return {x_.fma(a.e, b.e, c.e)};
  }
  template <class T>
  T scale(T y, T n) {
    return {x_.binary(Op::scale, y.e, n.e)};
  }
  template <class T>
  T sqrt(T a) {
    return {x_.unary(Op::sqrt, a.e)};
  }
  template <class T>
  T abs(T a) {
    return {x_.unary(Op::abs, a.e)};
  }
  template <class T>
  T floor(T a) {
    return {x_.unary(Op::floor, a.e)};
  }
  template <class T>
  T ceil(T a) {
    return {x_.unary(Op::ceil, a.e)};
  }
  template <class T>
  T trunc(T a) {
    return {x_.unary(Op::trunc, a.e)};
  }
  template <class T>
  T round_even(T a) {
    return {x_.unary(Op::rint, a.e)};
  }
  template <class T>
  T neg(T a) {
    if (is_float(x_.fn().type(a.e))) return {x_.unary(Op::neg, a.e)};
    return {x_.binary(Op::sub, x_.konst(x_.fn().type(a.e), 0), a.e)};
  }

  template <class T>
  B eq(T a, T b) {
    return {x_.compare(Op::eq, a.e, b.e)};
  }
  template <class T>
  B lt(T a, T b) {
    return {x_.compare(Op::lt, a.e, b.e)};
  }
  template <class T>
  B le(T a, T b) {
    return {x_.compare(Op::le, a.e, b.e)};
  }

  template <class T>
  T quot(T a, T b) {
    return {x_.binary(Op::sdiv, a.e, b.e)};
  }
  template <class T>
  T rest(T a, T b) {
    return {x_.binary(Op::srem, a.e, b.e)};
  }
  template <class T>
  T and_(T a, T b) {
    return {x_.binary(Op::band, a.e, b.e)};
  }
  template <class T>
  T or_(T a, T b) {
    return {x_.binary(Op::bor, a.e, b.e)};
  }
  template <class T>
  T xor_(T a, T b) {
    return {x_.binary(Op::bxor, a.e, b.e)};
  }
  template <class T>
  T not_(T a) {
    return {x_.binary(Op::bxor, a.e, x_.konst(x_.fn().type(a.e), ones(x_.fn().type(a.e))))};
  }
  template <class T>
  T shl(T a, int n) {
    return {x_.binary(Op::shl, a.e, count(a.e, n))};
  }
  template <class T>
  T shr(T a, int n) {
    return {x_.binary(Op::ashr, a.e, count(a.e, n))};
  }
  template <class T>
  T shr_u(T a, int n) {
    return {x_.binary(Op::lshr, a.e, count(a.e, n))};
  }
  template <class T>
  T shl(T a, T n) {
    return {x_.binary(Op::shl, a.e, n.e)};
  }
  template <class T>
  T shr(T a, T n) {
    return {x_.binary(Op::ashr, a.e, n.e)};
  }
  template <class T>
  T shr_u(T a, T n) {
    return {x_.binary(Op::lshr, a.e, n.e)};
  }

  template <class T>
  T select(B c, T a, T b) {
    return {x_.select(c.e, a.e, b.e)};
  }

  I32 bits(F32 a) { return {x_.to(Op::bitcast, Ty::i32, a.e)}; }
  I64 bits(F64 a) { return {x_.to(Op::bitcast, Ty::i64, a.e)}; }
  F32 from_bits(I32 a) { return {x_.to(Op::bitcast, Ty::f32, a.e)}; }
  F64 from_bits(I64 a) { return {x_.to(Op::bitcast, Ty::f64, a.e)}; }

  F64 to_f64(F32 a) { return {x_.to(Op::fpext, Ty::f64, a.e)}; }
  F64 to_f64(I32 a) { return {x_.to(Op::sitofp, Ty::f64, a.e)}; }
  F64 to_f64(I64 a) { return {x_.to(Op::sitofp, Ty::f64, a.e)}; }
  F32 to_f32(F64 a) { return {x_.to(Op::fptrunc, Ty::f32, a.e)}; }
  F32 to_f32(I32 a) { return {x_.to(Op::sitofp, Ty::f32, a.e)}; }
  F32 to_f32(I64 a) { return {x_.to(Op::sitofp, Ty::f32, a.e)}; }
  I32 to_i32(F32 a) { return {x_.to(Op::fptosi, Ty::i32, a.e)}; }
  I32 to_i32(F64 a) { return {x_.to(Op::fptosi, Ty::i32, a.e)}; }
  I64 to_i64(F64 a) { return {x_.to(Op::fptosi, Ty::i64, a.e)}; }
  I32 to_i32(I64 a) { return {x_.to(Op::itrunc, Ty::i32, a.e)}; }
  I64 to_i64(I32 a) { return {x_.to(Op::sext, Ty::i64, a.e)}; }
  B b64(B a) { return a; }
  B b32(B a) { return a; }

  void trap_if(B bad) { on_trap(bad.e); }

 private:
  static uint64_t ones(Ty t) { return t == Ty::i1 ? 1 : t == Ty::i32 ? 0xffffffffu : ~uint64_t{0}; }
  Expr count(Expr a, int n) { return x_.konst(x_.fn().type(a), static_cast<uint64_t>(n)); }
  Exprs& x_;
};

}  // namespace tenon::loop
