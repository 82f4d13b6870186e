// exp(x): e to the power x. Overflows to inf above 88.72 (f32) and 709.78 (f64); below the smallest
// normal number the result is rounded once, into the denormals. exp(NaN) is NaN.
// Measured error: f32 1.00 ulp, f64 0.85 ulp.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; a polynomial for exp(r); then 2^n by two multiplications of
// which the first is exact, so that a denormal result is rounded only once.
// f32: the polynomial of degree 6 of Cephes (S. Moshier, expf.c).
// f64: the rational form of fdlibm (e_exp.c).
#pragma once

#include "ir/scalar/machine.h"

namespace tenon::scalar {

// y * 2^n for |n| <= 252 (f32), 2044 (f64) and y near 1; rounded once.
template <class M>
typename M::F32 scale(M& m, typename M::F32 y, typename M::I32 n) {
  auto biased = m.add(n, m.i32(254));
  auto half = m.shr(biased, 1);
  auto rest = m.sub(biased, half);
  return m.mul(m.mul(y, m.from_bits(m.shl(half, 23))), m.from_bits(m.shl(rest, 23)));
}
template <class M>
typename M::F64 scale(M& m, typename M::F64 y, typename M::I64 n) {
  auto biased = m.add(n, m.i64(2046));
  auto half = m.shr(biased, 1);
  auto rest = m.sub(biased, half);
  return m.mul(m.mul(y, m.from_bits(m.shl(half, 52))), m.from_bits(m.shl(rest, 52)));
}

// The integer nearest to x / ln 2, as a float and as an integer: adding 1.5 * 2^23 (2^52) leaves it in
// the low bits. So there is no conversion, which a NaN would have to be kept from.
template <class M, class F>
struct Nearest {
  F n;
  typename Width<M, F>::I k;
};
template <class M>
Nearest<M, typename M::F32> over_ln2(M& m, typename M::F32 x) {
  auto magic = m.f32(0x1.8p23f);
  auto t = m.fma(x, m.f32(1.44269504f), magic);
  return {m.sub(t, magic), m.sub(m.bits(t), m.i32(0x4b400000))};
}
template <class M>
Nearest<M, typename M::F64> over_ln2(M& m, typename M::F64 x) {
  auto magic = m.f64(0x1.8p52);
  auto t = m.fma(x, m.f64(0x1.71547652b82fep+0), magic);
  return {m.sub(t, magic), m.sub(m.bits(t), m.i64(0x4338000000000000))};
}

template <class M>
typename M::F32 exp(M& m, typename M::F32 x) {
  // Outside these the result is inf or 0 anyway. x stands last, so NaN passes both. The 0 is chosen and
  // not computed: products that vanish take the hardware longer than all the rest, and masks (-inf)
  // are full of them.
  auto high = m.f32(89.0f);
  x = m.select(m.lt(high, x), high, x);
  auto none = m.lt(x, m.f32(-104.5f));
  x = m.select(none, m.f32(0.0f), x);
  auto [n, k] = over_ln2(m, x);
  auto r = m.fma(n, m.f32(-0.693359375f), x);
  r = m.fma(n, m.f32(2.12194440e-4f), r);
  auto p = m.f32(1.9875691500e-4f);
  p = m.fma(p, r, m.f32(1.3981999507e-3f));
  p = m.fma(p, r, m.f32(8.3334519073e-3f));
  p = m.fma(p, r, m.f32(4.1665795894e-2f));
  p = m.fma(p, r, m.f32(1.6666665459e-1f));
  p = m.fma(p, r, m.f32(5.0000001201e-1f));
  auto y = m.add(m.fma(p, m.mul(r, r), r), m.f32(1.0f));
  return m.select(none, m.f32(0.0f), scale(m, y, k));
}

template <class M>
typename M::F64 exp(M& m, typename M::F64 x) {
  auto high = m.f64(710.0);
  x = m.select(m.lt(high, x), high, x);
  auto none = m.lt(x, m.f64(-746.0));
  x = m.select(none, m.f64(0.0), x);
  auto [n, k] = over_ln2(m, x);
  // ln 2 in two parts; the first has 33 bits, so n times it is exact.
  auto hi = m.fma(n, m.f64(-6.93147180369123816490e-01), x);
  auto lo = m.mul(n, m.f64(1.90821492927058770002e-10));
  auto r = m.sub(hi, lo);
  auto t = m.mul(r, r);
  auto p = m.f64(4.13813679705723846039e-08);
  p = m.fma(p, t, m.f64(-1.65339022054652515390e-06));
  p = m.fma(p, t, m.f64(6.61375632143793436117e-05));
  p = m.fma(p, t, m.f64(-2.77777777770155933842e-03));
  p = m.fma(p, t, m.f64(1.66666666666666019037e-01));
  auto c = m.sub(r, m.mul(t, p));
  auto q = m.div(m.mul(r, c), m.sub(m.f64(2.0), c));
  auto y = m.sub(m.f64(1.0), m.sub(m.sub(lo, q), hi));
  return m.select(none, m.f64(0.0), scale(m, y, k));
}

}  // namespace tenon::scalar
