// All scalar operations behind one door: apply<op, dtype>(machine, operands...) runs the program of an
// operation on values of a dtype, each held in its register class, and wraps the result back into its
// dtype. visit() turns a run-time (op, dtype) into template arguments, for the combinations that exist.
//
//   Plain m;
//   float y = apply<ir::Op::exp, DType::f32>(m, 1.0f);
//   bool ok = visit(op, t, [&]<ir::Op kOp, DType kT>() { ... apply<kOp, kT>(m, a, b) ... });
#pragma once

#include "ir/dtype.h"
#include "ir/op.h"
#include "ir/scalar/arithmetic.h"
#include "ir/scalar/atan2.h"
#include "ir/scalar/convert.h"
#include "ir/scalar/erf.h"
#include "ir/scalar/exp.h"
#include "ir/scalar/expm1.h"
#include "ir/scalar/log.h"
#include "ir/scalar/pow.h"
#include "ir/scalar/rng.h"
#include "ir/scalar/sin_cos.h"
#include "ir/scalar/tanh.h"

namespace tenon::scalar {

using ir::Op;
using ir::OpClass;

// ---- register classes
enum class Class : uint8_t { b32, i32, i64, f32, f64 };
constexpr Class register_class(DType t) {
  switch (t) {
    case DType::boolean: return Class::b32;
    case DType::i8: case DType::u8: case DType::i32: return Class::i32;
    case DType::i64: return Class::i64;
    case DType::f16: case DType::bf16: case DType::f32: return Class::f32;
    case DType::f64: return Class::f64;
  }
  return Class::f32;
}
template <class M, Class C> struct RegisterOf;
template <class M> struct RegisterOf<M, Class::b32> { using type = typename M::B32; };
template <class M> struct RegisterOf<M, Class::i32> { using type = typename M::I32; };
template <class M> struct RegisterOf<M, Class::i64> { using type = typename M::I64; };
template <class M> struct RegisterOf<M, Class::f32> { using type = typename M::F32; };
template <class M> struct RegisterOf<M, Class::f64> { using type = typename M::F64; };
template <class M, DType t> using Register = typename RegisterOf<M, register_class(t)>::type;

constexpr int bit_count(DType t) { return static_cast<int>(size_of(t)) * 8; }

// ---- which operation takes which dtype. `t` is the dtype of the operands (select: of the values;
// convert: what is converted).
constexpr bool takes(Op op, DType t) {
  switch (ir::facts(op).cls) {
    case OpClass::number: return t != DType::boolean;
    case OpClass::float_: return is_float(t);
    case OpClass::integer: return is_integer(t);
    case OpClass::logic: return t == DType::boolean || is_integer(t);
    case OpClass::compare: return op == Op::eq || t != DType::boolean;
    case OpClass::special: return op == Op::rng ? t == DType::i64 : true;
    case OpClass::other: return false;
  }
  return false;
}
// The dtype of the result; convert has its own.
constexpr DType result_type(Op op, DType t) {
  return ir::facts(op).cls == OpClass::compare ? DType::boolean : t;
}

// ---- back into the dtype, after an operation on its register class
template <DType t, class M>
Register<M, t> wrap(M& m, Register<M, t> v) {
  if constexpr (t == DType::i8) return m.shr(m.shl(v, 24), 24);
  else if constexpr (t == DType::u8) return m.and_(v, m.i32(255));
  else if constexpr (t == DType::f16) return round_to_f16(m, v);
  else if constexpr (t == DType::bf16) return round_to_bf16(m, v);
  else return v;
}

// ---- convert
template <DType from, DType to, class M>
Register<M, to> convert(M& m, Register<M, from> x) {
  constexpr Class a = register_class(from), b = register_class(to);
  if constexpr (from == to) {
    return x;
  } else if constexpr (b == Class::b32) {
    if constexpr (a == Class::i32) return m.not_(m.eq(x, m.i32(0)));
    else if constexpr (a == Class::i64) return m.b32(m.not_(m.eq(x, m.i64(0))));
    else if constexpr (a == Class::f32) return m.not_(m.eq(x, m.f32(0.0f)));
    else return m.b32(m.not_(m.eq(x, m.f64(0.0))));
  } else if constexpr (a == Class::b32) {
    if constexpr (b == Class::i32) return m.select(x, m.i32(1), m.i32(0));
    else if constexpr (b == Class::f32) return m.select(x, m.f32(1.0f), m.f32(0.0f));
    else if constexpr (b == Class::i64) return m.select(m.b64(x), m.i64(1), m.i64(0));
    else return m.select(m.b64(x), m.f64(1.0), m.f64(0.0));
  } else if constexpr (b == Class::i32) {
    if constexpr (a == Class::i32) return wrap<to>(m, x);
    else if constexpr (a == Class::i64) return wrap<to>(m, m.to_i32(x));
    else if constexpr (to == DType::i8) return clamp_to_i32(m, x, -128.0, 127.0);
    else if constexpr (to == DType::u8) return clamp_to_i32(m, x, 0.0, 255.0);
    else return float_to_i32(m, x);
  } else if constexpr (b == Class::i64) {
    if constexpr (a == Class::i32) return m.to_i64(x);
    else if constexpr (a == Class::f32) return float_to_i64(m, m.to_f64(x));
    else return float_to_i64(m, x);
  } else if constexpr (b == Class::f32) {
    if constexpr (a == Class::f32) return wrap<to>(m, x);
    else return wrap<to>(m, m.to_f32(x));
  } else {
    return m.to_f64(x);
  }
}

// ---- apply
template <Op op, DType t, class M, class X>
auto apply(M& m, X x) {  // one operand
  static_assert(takes(op, t) && std::is_same_v<X, Register<M, t>>);
  if constexpr (op == Op::not_) return wrap<t>(m, m.not_(x));
  else if constexpr (op == Op::neg) return wrap<t>(m, m.neg(x));
  else if constexpr (op == Op::abs) return wrap<t>(m, abs(m, x));
  else if constexpr (op == Op::floor) return m.floor(x);  // of an f16: an f16
  else if constexpr (op == Op::ceil) return m.ceil(x);
  else if constexpr (op == Op::trunc) return m.trunc(x);
  else if constexpr (op == Op::round) return m.round_even(x);
  else if constexpr (op == Op::sqrt) return wrap<t>(m, m.sqrt(x));
  else if constexpr (op == Op::exp) return wrap<t>(m, exp(m, x));
  else if constexpr (op == Op::expm1) return wrap<t>(m, expm1(m, x));
  else if constexpr (op == Op::log) return wrap<t>(m, log(m, x));
  else if constexpr (op == Op::log1p) return wrap<t>(m, log1p(m, x));
  else if constexpr (op == Op::sin) return wrap<t>(m, sin(m, x));
  else if constexpr (op == Op::cos) return wrap<t>(m, cos(m, x));
  else if constexpr (op == Op::tanh) return wrap<t>(m, tanh(m, x));
  else { static_assert(op == Op::erf); return wrap<t>(m, erf(m, x)); }
}

template <Op op, DType t, class M, class X>
auto apply(M& m, X a, X b) {  // two operands of one type
  static_assert(takes(op, t) && std::is_same_v<X, Register<M, t>>);
  if constexpr (op == Op::add) return wrap<t>(m, m.add(a, b));
  else if constexpr (op == Op::sub) return wrap<t>(m, m.sub(a, b));
  else if constexpr (op == Op::mul) return wrap<t>(m, m.mul(a, b));
  else if constexpr (op == Op::div) return wrap<t>(m, div(m, a, b));
  else if constexpr (op == Op::rem) return wrap<t>(m, rem(m, a, b));
  else if constexpr (op == Op::min) return min(m, a, b);
  else if constexpr (op == Op::max) return max(m, a, b);
  else if constexpr (op == Op::pow) return wrap<t>(m, pow(m, a, b));
  else if constexpr (op == Op::atan2) return wrap<t>(m, atan2(m, a, b));
  else if constexpr (op == Op::and_) return m.and_(a, b);
  else if constexpr (op == Op::or_) return m.or_(a, b);
  else if constexpr (op == Op::xor_) return m.xor_(a, b);
  else if constexpr (op == Op::shl) return wrap<t>(m, shl(m, a, b, bit_count(t)));
  else if constexpr (op == Op::shr) return shr(m, a, b, bit_count(t));
  else if constexpr (op == Op::rng) return rng(m, a, b);
  // Truth values that come from 64-bit values are brought to the one class of bool.
  else if constexpr (op == Op::eq) {
    if constexpr (t == DType::boolean) return m.not_(m.xor_(a, b));
    else if constexpr (t == DType::i64 || t == DType::f64) return m.b32(m.eq(a, b));
    else return m.eq(a, b);
  } else if constexpr (op == Op::lt) {
    if constexpr (t == DType::i64 || t == DType::f64) return m.b32(m.lt(a, b));
    else return m.lt(a, b);
  } else {
    static_assert(op == Op::le);
    if constexpr (t == DType::i64 || t == DType::f64) return m.b32(m.le(a, b));
    else return m.le(a, b);
  }
}

template <Op op, DType t, class M, class C, class X>
auto apply(M& m, C a, X b, X c) {  // fma(a, b, c) or select(a, b, c)
  static_assert(takes(op, t) && std::is_same_v<X, Register<M, t>>);
  if constexpr (op == Op::fma) {
    return wrap<t>(m, m.fma(a, b, c));
  } else {
    static_assert(op == Op::select);
    if constexpr (t == DType::i64 || t == DType::f64) return m.select(m.b64(a), b, c);
    else return m.select(a, b, c);
  }
}

// ---- from run time to compile time
template <class F>
bool visit_dtype(DType t, F&& f) {
  switch (t) {
    case DType::boolean: f.template operator()<DType::boolean>(); return true;
    case DType::i8: f.template operator()<DType::i8>(); return true;
    case DType::u8: f.template operator()<DType::u8>(); return true;
    case DType::i32: f.template operator()<DType::i32>(); return true;
    case DType::i64: f.template operator()<DType::i64>(); return true;
    case DType::f16: f.template operator()<DType::f16>(); return true;
    case DType::bf16: f.template operator()<DType::bf16>(); return true;
    case DType::f32: f.template operator()<DType::f32>(); return true;
    case DType::f64: f.template operator()<DType::f64>(); return true;
  }
  return false;
}
// Calls f.operator()<op, t>(); false when op does not take t. convert is visited with its source.
template <class F>
bool visit(Op op, DType t, F&& f) {
  bool found = false;
  visit_dtype(t, [&]<DType kT>() {
    switch (op) {
#define SCALAR(name, arity, cls)                    \
  case Op::name:                                    \
    if constexpr (takes(Op::name, kT)) {            \
      f.template operator()<Op::name, kT>();        \
      found = true;                                 \
    }                                               \
    break;
#define OTHER(name) case Op::name: break;
      TENON_SCALAR_OPS(SCALAR) TENON_OTHER_OPS(OTHER)
#undef SCALAR
#undef OTHER
    }
  });
  return found;
}

// ---- the numbers in memory: a dtype's storage and its register on the plain machine
template <DType t> struct StorageOf;
template <> struct StorageOf<DType::boolean> { using type = uint8_t; };
template <> struct StorageOf<DType::i8> { using type = int8_t; };
template <> struct StorageOf<DType::u8> { using type = uint8_t; };
template <> struct StorageOf<DType::i32> { using type = int32_t; };
template <> struct StorageOf<DType::i64> { using type = int64_t; };
template <> struct StorageOf<DType::f16> { using type = uint16_t; };
template <> struct StorageOf<DType::bf16> { using type = uint16_t; };
template <> struct StorageOf<DType::f32> { using type = float; };
template <> struct StorageOf<DType::f64> { using type = double; };
template <DType t> using Storage = typename StorageOf<t>::type;

template <DType t>
Register<Plain, t> load_plain(Storage<t> s) {
  Plain m;
  if constexpr (t == DType::boolean) return s != 0;
  else if constexpr (t == DType::f16) return from_f16_bits(m, static_cast<int32_t>(s));
  else if constexpr (t == DType::bf16) return from_bf16_bits(m, static_cast<int32_t>(s));
  else return s;
}
template <DType t>
Storage<t> store_plain(Register<Plain, t> v) {
  Plain m;
  if constexpr (t == DType::f16) return static_cast<uint16_t>(to_f16_bits(m, v));
  else if constexpr (t == DType::bf16) return static_cast<uint16_t>(to_bf16_bits(m, v));
  else return static_cast<Storage<t>>(v);
}

}  // namespace tenon::scalar
