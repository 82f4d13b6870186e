// exp(x): e to the power x. Overflows to inf above 88.72 (f32) and 709.78 (f64); below the smallest
// normal number the result is rounded once, into the denormals. exp(NaN) is NaN.
// Measured error: f32 0.87 ulp, f64 0.85 ulp.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; a polynomial for exp(r); then 2^n by the machine's `scale`.
// f32: a polynomial of degree 6, 1 + r + c2 r^2 + ..., of least greatest relative error (3e-9), its
// coefficients rounded one after another. f64: the rational form of fdlibm (e_exp.c).
#pragma once

#include "ir/scalar/machine.h"

namespace tenon::scalar {

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
  // Outside these the result is inf or 0 anyway. x stands last, so NaN passes. The 0 is chosen and not
  // computed, so what lies above it need not be right where it is chosen: -inf makes a NaN there.
  auto high = m.f32(89.0f);
  x = m.select(m.lt(high, x), high, x);
  auto none = m.lt(x, m.f32(-104.5f));
  auto n = over_ln2(m, x).n;
  auto r = m.fma(n, m.f32(-0.693359375f), x);
  r = m.fma(n, m.f32(2.12194440e-4f), r);
  auto p = m.f32(0x1.6a4ce4p-10f);
  p = m.fma(p, r, m.f32(0x1.123988p-7f));
  p = m.fma(p, r, m.f32(0x1.5558b0p-5f));
  p = m.fma(p, r, m.f32(0x1.555492p-3f));
  p = m.fma(p, r, m.f32(0x1.fffffcp-2f));
  p = m.fma(p, r, m.f32(1.0f));
  p = m.fma(p, r, m.f32(1.0f));
  return m.select(none, m.f32(0.0f), m.scale(p, n));
}

template <class M>
typename M::F64 exp(M& m, typename M::F64 x) {
  auto high = m.f64(710.0);
  x = m.select(m.lt(high, x), high, x);
  auto none = m.lt(x, m.f64(-746.0));
  auto n = over_ln2(m, x).n;
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
  return m.select(none, m.f64(0.0), m.scale(y, n));
}

}  // namespace tenon::scalar
