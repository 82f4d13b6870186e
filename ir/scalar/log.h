// log(x) and log1p(x) = log(1 + x), natural. log(0) is -inf, below 0 NaN; log1p(-1) is -inf.
// Measured error: see docs/semantics.md.
//
// x = 2^k m with m in [sqrt(1/2), sqrt(2)); f = m - 1, s = f / (2 + f), log m = 2 atanh s, in the
// form of fdlibm (e_log.c, s_log1p.c): f - (f*f/2 - s (f*f/2 + R(s*s))). The polynomials R are our
// own minimax fits, of relative error 2^-36 and 2^-58.
#pragma once

#include "ir/scalar/arithmetic.h"

namespace tenon::scalar {

namespace detail {

// k ln 2 + log(1 + f) + c
template <class M>
typename M::F32 log_core(M& m, typename M::F32 f, typename M::F32 k, typename M::F32 c) {
  auto s = m.div(f, m.add(m.f32(2.0f), f));
  auto z = m.mul(s, s);
  auto p = m.fma(z, m.f32(0x1.e2f646p-3f), m.f32(0x1.2438d8p-2f));
  p = m.fma(z, p, m.f32(0x1.999a7ap-2f));
  p = m.fma(z, p, m.f32(0x1.555554p-1f));
  auto R = m.mul(z, p);
  auto h = m.mul(m.f32(0.5f), m.mul(f, f));
  auto tail = m.fma(s, m.add(h, R), m.fma(k, m.f32(9.0580006145e-06f), c));
  return m.sub(m.mul(k, m.f32(6.9313812256e-01f)), m.sub(m.sub(h, tail), f));
}
template <class M>
typename M::F64 log_core(M& m, typename M::F64 f, typename M::F64 k, typename M::F64 c) {
  auto s = m.div(f, m.add(m.f64(2.0), f));
  auto z = m.mul(s, s);
  auto p = m.fma(z, m.f64(0x1.2f056444e8954p-3), m.f64(0x1.39a1bacc1a7a5p-3));
  p = m.fma(z, p, m.f64(0x1.74663ee5ee274p-3));
  p = m.fma(z, p, m.f64(0x1.c71c5209724fdp-3));
  p = m.fma(z, p, m.f64(0x1.24924941f0fe4p-2));
  p = m.fma(z, p, m.f64(0x1.999999997fdbbp-2));
  p = m.fma(z, p, m.f64(0x1.5555555555592p-1));
  auto R = m.mul(z, p);
  auto h = m.mul(m.f64(0.5), m.mul(f, f));
  auto tail = m.fma(s, m.add(h, R), m.fma(k, m.f64(0x1.473de6af278edp-34), c));
  return m.sub(m.mul(k, m.f64(0x1.62e42fef00000p-1)), m.sub(m.sub(h, tail), f));
}

// x = 2^k m for a normal, positive x.
template <class M>
void split(M& m, typename M::F32 x, typename M::I32& k, typename M::F32& part) {
  auto b = m.bits(x);
  k = m.shr(m.sub(b, m.i32(0x3f3504f3)), 23);
  part = m.from_bits(m.sub(b, m.shl(k, 23)));
}
template <class M>
void split(M& m, typename M::F64 x, typename M::I64& k, typename M::F64& part) {
  auto b = m.bits(x);
  k = m.shr(m.sub(b, m.i64(0x3fe6a09e667f3bcd)), 52);
  part = m.from_bits(m.sub(b, m.shl(k, 52)));
}
template <class M>
typename M::F32 as_float(M& m, typename M::I32 k) { return m.to_f32(k); }
template <class M>
typename M::F64 as_float(M& m, typename M::I64 k) { return m.to_f64(k); }

// The same for a denormal as well.
template <class M, class F>
void split_any(M& m, F x, typename Width<M, F>::I& k, F& part) {
  using I = typename Width<M, F>::I;
  constexpr bool wide = Width<M, F>::wide;
  auto tiny = m.lt(x, number<F>(m, wide ? 0x1p-1022 : 0x1p-126));
  auto big = m.select(tiny, m.mul(x, number<F>(m, wide ? 0x1p54 : 0x1p25)), x);
  split(m, big, k, part);
  k = m.select(tiny, m.sub(k, integer<I>(m, wide ? 54 : 25)), k);
}

}  // namespace detail

template <class M, class F>
F log(M& m, F x) {
  auto zero = number<F>(m, 0.0), inf = number<F>(m, INFINITY);
  typename Width<M, F>::I k;
  F part;
  detail::split_any(m, x, k, part);
  auto y = detail::log_core(m, m.sub(part, number<F>(m, 1.0)), detail::as_float(m, k), zero);
  y = m.select(m.lt(x, inf), y, x);  // inf and NaN stay
  y = m.select(m.eq(x, zero), m.neg(inf), y);
  return m.select(m.lt(x, zero), number<F>(m, NAN), y);
}

template <class M, class F>
F log1p(M& m, F x) {
  using I = typename Width<M, F>::I;
  auto zero = number<F>(m, 0.0), one = number<F>(m, 1.0), inf = number<F>(m, INFINITY);
  auto u = m.add(one, x);
  I k;
  F part;
  detail::split(m, u, k, part);
  // What rounding 1 + x lost, relative to u.
  auto lost = m.select(m.lt(one, x), m.sub(one, m.sub(u, x)), m.sub(x, m.sub(u, one)));
  auto near = m.eq(k, integer<I>(m, 0));
  auto f = m.select(near, x, m.sub(part, one));
  auto c = m.select(near, zero, m.div(lost, u));
  auto y = detail::log_core(m, f, detail::as_float(m, k), c);
  y = m.select(m.lt(x, inf), y, x);
  y = m.select(m.eq(x, zero), x, y);  // -0
  y = m.select(m.eq(u, zero), m.neg(inf), y);
  return m.select(m.lt(u, zero), number<F>(m, NAN), y);
}

}  // namespace tenon::scalar
