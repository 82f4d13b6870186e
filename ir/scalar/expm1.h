// expm1(x) = exp(x) - 1 without the loss near 0. expm1(-0) is -0; -1 far below, inf above.
// Measured error: see docs/semantics.md.
//
// With x = n ln 2 + r: 2^n (expm1(r)) + (2^n - 1), computed at half its size, so that 2^n cannot
// overflow before the result does. expm1(r) is what exp.h computes before it adds 1.
#pragma once

#include "ir/scalar/exp.h"

namespace tenon::scalar {

template <class M>
typename M::F32 expm1(M& m, typename M::F32 x0) {
  auto high = m.f32(89.0f), low = m.f32(-20.0f);
  auto x = m.select(m.lt(high, x0), high, x0);
  x = m.select(m.lt(x, low), low, x);
  auto [n, k] = over_ln2(m, x);
  auto r = m.fma(n, m.f32(-0.693359375f), x);
  r = m.fma(n, m.f32(2.12194440e-4f), r);
  auto p = m.f32(1.9875691500e-4f);
  p = m.fma(p, r, m.f32(1.3981999507e-3f));
  p = m.fma(p, r, m.f32(8.3334519073e-3f));
  p = m.fma(p, r, m.f32(4.1665795894e-2f));
  p = m.fma(p, r, m.f32(1.6666665459e-1f));
  p = m.fma(p, r, m.f32(5.0000001201e-1f));
  p = m.fma(p, m.mul(r, r), r);
  auto half = m.from_bits(m.shl(m.add(k, m.i32(126)), 23));  // 2^(n - 1)
  auto y = m.fma(half, p, m.sub(half, m.f32(0.5f)));
  y = m.select(m.eq(n, m.f32(0.0f)), p, m.add(y, y));
  return m.select(m.eq(x0, m.f32(0.0f)), x0, y);
}

template <class M>
typename M::F64 expm1(M& m, typename M::F64 x0) {
  auto high = m.f64(710.0), low = m.f64(-40.0);
  auto x = m.select(m.lt(high, x0), high, x0);
  x = m.select(m.lt(x, low), low, x);
  auto [n, k] = over_ln2(m, x);
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
  auto e = m.sub(hi, m.sub(lo, q));
  auto half = m.from_bits(m.shl(m.add(k, m.i64(1022)), 52));
  auto y = m.fma(half, e, m.sub(half, m.f64(0.5)));
  y = m.select(m.eq(n, m.f64(0.0)), e, m.add(y, y));
  return m.select(m.eq(x0, m.f64(0.0)), x0, y);
}

}  // namespace tenon::scalar
