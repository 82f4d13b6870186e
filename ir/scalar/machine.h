// What a scalar program runs on (law 4). Every scalar operation of the IR is written once, in the
// files beside this one, as a C++ template over a *machine*:
//
//   template <class M> typename M::F32 exp(M& m, typename M::F32 x);
//
// and machines differ in what a value is: a number (Plain, below: eval_const and the references), a
// register of numbers (kernels/cpu/simd.h: the eager kernels), or an expression under construction
// (loop IR, which LLVM and CUDA print). A program has no branch that depends on data, only `select`,
// and no loop that depends on data; so running it on expressions unrolls it into straight-line code.
//
// ---- Types. Six value types, distinct C++ types (B32 and B64 may be one and the same):
//   F32 F64   IEEE binary32, binary64; denormals kept; round to nearest, ties to even
//   I32 I64   two's complement, wrapping
//   B32 B64   truth values as they come out of comparing 32-bit and 64-bit values. A B32 selects among
//             F32 and I32, a B64 among F64 and I64. b64(B32) and b32(B64) change the kind.
// A dtype lives in a machine type, its *register class* (see register_class in program.h):
//   bool: B32   i8 u8 i32: I32   i64: I64   f16 bf16 f32: F32   f64: F64
// i8 is kept sign-extended and u8 zero-extended; after each operation the dispatcher in program.h wraps
// the value back into its dtype (and rounds f16 and bf16), so programs need not.
//
// ---- Operations, members of M (an object, passed by reference: it may hold a builder):
//   constants   f32(float) f64(double) i32(int32_t) i64(int64_t)
//   F -> F      add sub mul div     one IEEE operation each
//               fma(a, b, c)        a * b + c with one rounding
//               sqrt                IEEE
//               scale(y, n)         y * 2^n with one rounding, for finite y with 1/2 < y < 2 and integral n
//                                   with |n| <= 252 (F32), 2044 (F64). Else a value of no interest
//               neg abs             change the sign bit and nothing else (NaN too)
//               floor ceil trunc round_even   to an integral value, exact; NaN and inf stay
//   F, F -> B   eq lt le            false when either is NaN
//   I -> I      add sub mul neg     wrapping
//               quot rest           division truncated toward zero and its remainder; the programs see
//                                   to it that the divisor is not 0 and that it is not MIN by -1
//               and_ or_ xor_ not_
//               shl shr shr_u       by a constant `int` or by an I; 0 <= count < bits is seen to by
//                                   the programs. shr is arithmetic, shr_u logical
//   I, I -> B   eq lt le            signed
//   B -> B      and_ or_ xor_ not_
//   select(B, x, y)                 x where true, else y: for F, I and B of the width of B
//   bits(F) -> I, from_bits(I) -> F the same bits, same width
//   convert     to_f64(F32)         exact         to_f32(F64)   one rounding
//               to_f32(I32|I64), to_f64(I32|I64)   one rounding
//               to_i32(F32|F64), to_i64(F64)       toward zero; the programs see to it that the value
//                                   fits, since what happens otherwise differs between processors
//               to_i32(I64)         the low 32 bits   to_i64(I32)   sign extended
//               b64(B32) b32(B64)
//   trap_if(B)  the run ends with E0801 where true. Plain and SIMD machines set a flag; a compiler
//               emits a check. The value computed besides is then of no interest, but must not fault.
// Nothing else. In particular no min and max: a program writes the select whose NaN and zero it means.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace tenon::scalar {

// `scale` of a machine that has no instruction for it: two multiplications, of which the first is exact.
// A result that vanishes is made of 0, since products that underflow take many processors long.
template <class M>
typename M::F32 scale_in_halves(M& m, typename M::F32 y, typename M::F32 n) {
  y = m.select(m.lt(n, m.f32(-151.0f)), m.f32(0.0f), y);
  auto biased = m.bits(m.add(n, m.f32(0x1.8p23f + 254)));  // n + 254 in the low bits
  auto half = m.shr(biased, 1);
  auto rest = m.sub(biased, half);
  return m.mul(m.mul(y, m.from_bits(m.shl(half, 23))), m.from_bits(m.shl(rest, 23)));
}
template <class M>
typename M::F64 scale_in_halves(M& m, typename M::F64 y, typename M::F64 n) {
  y = m.select(m.lt(n, m.f64(-1076.0)), m.f64(0.0), y);
  auto biased = m.bits(m.add(n, m.f64(0x1.8p52 + 2046)));
  auto half = m.shr(biased, 1);
  auto rest = m.sub(biased, half);
  return m.mul(m.mul(y, m.from_bits(m.shl(half, 52))), m.from_bits(m.shl(rest, 52)));
}

// The machine whose values are plain numbers. The oracle of all others.
struct Plain {
  using F32 = float;
  using F64 = double;
  using I32 = int32_t;
  using I64 = int64_t;
  using B32 = bool;
  using B64 = bool;
  bool trapped = false;

  F32 f32(float v) { return v; }
  F64 f64(double v) { return v; }
  I32 i32(int32_t v) { return v; }
  I64 i64(int64_t v) { return v; }

  template <class T>
  static constexpr bool kFloat = std::is_floating_point_v<T>;
  template <class T>
  using Unsigned = std::make_unsigned_t<T>;

  // Integers go through unsigned ones, whose overflow is defined.
  template <class T>
  T add(T a, T b) {
    if constexpr (kFloat<T>) return a + b;
    else return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
  }
  template <class T>
  T sub(T a, T b) {
    if constexpr (kFloat<T>) return a - b;
    else return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
  }
  template <class T>
  T mul(T a, T b) {
    if constexpr (kFloat<T>) return a * b;
    else return static_cast<T>(static_cast<Unsigned<T>>(a) * static_cast<Unsigned<T>>(b));
  }
  template <class T>
  T neg(T a) {
    if constexpr (kFloat<T>) return -a;
    else return sub(T{0}, a);
  }
  template <class T>
  T div(T a, T b) { return a / b; }
  float fma(float a, float b, float c) { return std::fma(a, b, c); }
  double fma(double a, double b, double c) { return std::fma(a, b, c); }
  template <class T>
  T scale(T y, T n) { return scale_in_halves(*this, y, n); }
  template <class T>
  T sqrt(T a) { return std::sqrt(a); }
  template <class T>
  T abs(T a) { return std::fabs(a); }
  template <class T>
  T floor(T a) { return std::floor(a); }
  template <class T>
  T ceil(T a) { return std::ceil(a); }
  template <class T>
  T trunc(T a) { return std::trunc(a); }
  template <class T>
  T round_even(T a) { return std::nearbyint(a); }  // the mode is never changed: ties to even

  template <class T>
  bool eq(T a, T b) { return a == b; }
  template <class T>
  bool lt(T a, T b) { return a < b; }
  template <class T>
  bool le(T a, T b) { return a <= b; }

  template <class T>
  T quot(T a, T b) { return a / b; }
  template <class T>
  T rest(T a, T b) { return a % b; }
  template <class T>
  T and_(T a, T b) { return static_cast<T>(a & b); }
  template <class T>
  T or_(T a, T b) { return static_cast<T>(a | b); }
  template <class T>
  T xor_(T a, T b) { return static_cast<T>(a ^ b); }
  template <class T>
  T not_(T a) {
    if constexpr (std::is_same_v<T, bool>) return !a;
    else return ~a;
  }
  template <class T, class N>
  T shl(T a, N n) { return static_cast<T>(static_cast<Unsigned<T>>(a) << n); }
  template <class T, class N>
  T shr(T a, N n) { return static_cast<T>(a >> n); }
  template <class T, class N>
  T shr_u(T a, N n) { return static_cast<T>(static_cast<Unsigned<T>>(a) >> n); }

  template <class T>
  T select(bool c, T a, T b) { return c ? a : b; }

  int32_t bits(float a) { return std::bit_cast<int32_t>(a); }
  int64_t bits(double a) { return std::bit_cast<int64_t>(a); }
  float from_bits(int32_t a) { return std::bit_cast<float>(a); }
  double from_bits(int64_t a) { return std::bit_cast<double>(a); }

  double to_f64(float a) { return a; }
  double to_f64(int32_t a) { return a; }
  double to_f64(int64_t a) { return static_cast<double>(a); }
  float to_f32(double a) { return static_cast<float>(a); }
  float to_f32(int32_t a) { return static_cast<float>(a); }
  float to_f32(int64_t a) { return static_cast<float>(a); }
  int32_t to_i32(float a) { return static_cast<int32_t>(a); }
  int32_t to_i32(double a) { return static_cast<int32_t>(a); }
  int64_t to_i64(double a) { return static_cast<int64_t>(a); }
  int32_t to_i32(int64_t a) { return static_cast<int32_t>(a); }
  int64_t to_i64(int32_t a) { return a; }
  bool b64(bool a) { return a; }
  bool b32(bool a) { return a; }

  void trap_if(bool bad) { trapped |= bad; }
};

// ---- what programs of both widths share: Width<M, typename M::F64>::I is M::I64, and so on.
template <class M, class T>
struct Width {
  static constexpr bool wide =
      std::is_same_v<T, typename M::F64> || std::is_same_v<T, typename M::I64>;
  using F = std::conditional_t<wide, typename M::F64, typename M::F32>;
  using I = std::conditional_t<wide, typename M::I64, typename M::I32>;
  using B = std::conditional_t<wide, typename M::B64, typename M::B32>;
  static constexpr int bits = wide ? 64 : 32;
};

// A float constant of the width of T; the value must be meant for both widths.
template <class T, class M>
T number(M& m, double v) {
  if constexpr (std::is_same_v<T, typename M::F64>) return m.f64(v);
  else return m.f32(static_cast<float>(v));
}
// An integer constant of the width of T.
template <class T, class M>
T integer(M& m, int64_t v) {
  if constexpr (std::is_same_v<T, typename M::I64>) return m.i64(v);
  else return m.i32(static_cast<int32_t>(v));
}

}  // namespace tenon::scalar
