// add sub mul div rem neg abs min max fma floor ceil trunc round sqrt: what is one or a few machine
// operations, for floats and for integers.
//
// Integers wrap. Integer `div` floors and `rem` has the sign of the divisor, so a = div(a, b) * b +
// rem(a, b); both trap on 0; MIN div -1 is MIN. Float `rem` is a - floor(a / b) * b, rounded once,
// with the sign of the divisor; it is exact to the last bit where |a / b| < 2^23 (f32), 2^52 (f64).
// max(a, b) = (b > a or b is NaN) ? b : a, min likewise: NaN in either operand comes through, and of
// two zeros the first is taken. round goes to the nearest integer, ties to even.
#pragma once

#include "ir/scalar/machine.h"

namespace tenon::scalar {

template <class M, class T>
constexpr bool is_float_type =
    std::is_same_v<T, typename M::F32> || std::is_same_v<T, typename M::F64>;

template <class M, class T>
T max(M& m, T a, T b) {
  if constexpr (is_float_type<M, T>) return m.select(m.or_(m.lt(a, b), m.not_(m.eq(b, b))), b, a);
  else return m.select(m.lt(a, b), b, a);
}
template <class M, class T>
T min(M& m, T a, T b) {
  if constexpr (is_float_type<M, T>) return m.select(m.or_(m.lt(b, a), m.not_(m.eq(b, b))), b, a);
  else return m.select(m.lt(b, a), b, a);
}

// x with the sign bit of s; x has none.
template <class M, class F>
F with_sign_of(M& m, F x, F s) {
  using I = typename Width<M, F>::I;
  auto sign = m.shl(integer<I>(m, 1), Width<M, F>::bits - 1);
  return m.from_bits(m.or_(m.bits(x), m.and_(m.bits(s), sign)));
}

template <class M, class T>
T div(M& m, T a, T b) {
  if constexpr (is_float_type<M, T>) {
    return m.div(a, b);
  } else {
    auto zero = integer<T>(m, 0), one = integer<T>(m, 1);
    auto by_minus_one = m.eq(b, integer<T>(m, -1));
    auto by_zero = m.eq(b, zero);
    m.trap_if(by_zero);
    auto d = m.select(m.or_(by_zero, by_minus_one), one, b);
    auto q = m.quot(a, d);
    auto r = m.sub(a, m.mul(q, d));
    auto below = m.and_(m.not_(m.eq(r, zero)), m.lt(m.xor_(r, d), zero));
    q = m.select(below, m.sub(q, one), q);
    return m.select(by_minus_one, m.neg(a), q);
  }
}

template <class M, class T>
T rem(M& m, T a, T b) {
  if constexpr (is_float_type<M, T>) {
    auto zero = number<T>(m, 0.0);
    auto q = m.floor(m.div(a, b));
    auto r = m.select(m.eq(q, zero), a, m.fma(m.neg(q), b, a));
    // The quotient may have been rounded to the next integer, either way.
    auto wrong_sign = m.or_(m.and_(m.lt(r, zero), m.lt(zero, b)), m.and_(m.lt(zero, r), m.lt(b, zero)));
    r = m.select(wrong_sign, m.add(r, b), r);
    auto too_far = m.and_(m.le(m.abs(b), m.abs(r)), m.not_(wrong_sign));
    r = m.select(too_far, m.sub(r, b), r);
    return m.select(m.eq(r, zero), with_sign_of(m, zero, b), r);
  } else {
    auto zero = integer<T>(m, 0), one = integer<T>(m, 1);
    auto by_minus_one = m.eq(b, integer<T>(m, -1));
    auto by_zero = m.eq(b, zero);
    m.trap_if(by_zero);
    auto d = m.select(m.or_(by_zero, by_minus_one), one, b);
    auto r = m.sub(a, m.mul(m.quot(a, d), d));
    auto below = m.and_(m.not_(m.eq(r, zero)), m.lt(m.xor_(r, d), zero));
    return m.select(by_minus_one, zero, m.select(below, m.add(r, d), r));
  }
}

template <class M, class T>
T abs(M& m, T a) {
  if constexpr (is_float_type<M, T>) return m.abs(a);
  else return m.select(m.lt(a, integer<T>(m, 0)), m.neg(a), a);
}

// Shift counts are taken modulo the number of bits of the dtype. u8 is zero-extended, so the
// arithmetic shift is a logical one there.
template <class M, class I>
I shl(M& m, I a, I n, int bits) {
  return m.shl(a, m.and_(n, integer<I>(m, bits - 1)));
}
template <class M, class I>
I shr(M& m, I a, I n, int bits) {
  return m.shr(a, m.and_(n, integer<I>(m, bits - 1)));
}

}  // namespace tenon::scalar
