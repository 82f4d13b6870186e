// atan2(y, x): the angle of the point (x, y), in [-pi, pi]; zeros and infinities as in IEEE 754.
// Measured error: see docs/semantics.md.
//
// With a = |y|, b = |x| the angle of (b, a) is the nearest of 0, atan 1/2, pi/4, atan 3/2, pi/2 plus
// the atan of a quotient below 0.44 (the intervals of fdlibm, s_atan.c); the polynomial is our own
// minimax fit. f32 is computed in f64.
#pragma once

#include "ir/scalar/arithmetic.h"

namespace tenon::scalar {

template <class M>
typename M::F64 atan2(M& m, typename M::F64 y, typename M::F64 x) {
  auto zero = m.f64(0.0), one = m.f64(1.0), inf = m.f64(INFINITY);
  auto a = m.abs(y), b = m.abs(x);
  auto both_inf = m.and_(m.eq(a, inf), m.eq(b, inf));
  a = m.select(both_inf, one, a);
  b = m.select(both_inf, one, b);
  auto big = m.or_(m.lt(m.f64(0x1p1000), a), m.lt(m.f64(0x1p1000), b));
  auto shrink = m.select(big, m.f64(0x1p-30), one);
  a = m.mul(a, shrink);
  b = m.mul(b, shrink);

  auto a16 = m.mul(a, m.f64(16.0));
  auto near_0 = m.or_(m.lt(a16, m.mul(m.f64(7.0), b)), m.eq(a, zero));
  auto near_half = m.lt(a16, m.mul(m.f64(11.0), b));
  auto near_1 = m.lt(a16, m.mul(m.f64(19.0), b));
  auto near_3half = m.lt(a16, m.mul(m.f64(39.0), b));
  auto pick = [&](auto v0, auto v1, auto v2, auto v3, auto v4) {
    return m.select(near_0, v0, m.select(near_half, v1, m.select(near_1, v2, m.select(near_3half, v3, v4))));
  };
  auto num = pick(a, m.sub(m.add(a, a), b), m.sub(a, b), m.fma(b, m.f64(-3.0), m.add(a, a)), m.neg(b));
  auto den = pick(m.select(m.eq(b, zero), one, b), m.add(m.add(b, b), a), m.add(a, b),
                  m.fma(a, m.f64(3.0), m.add(b, b)), a);
  auto hi = pick(zero, m.f64(0x1.dac670561bb4fp-2), m.f64(0x1.921fb54442d18p-1),
                 m.f64(0x1.f730bd281f69bp-1), m.f64(0x1.921fb54442d18p+0));
  auto lo = pick(zero, m.f64(0x1.a2b7f222f65e2p-56), m.f64(0x1.1a62633145c07p-55),
                 m.f64(0x1.007887af0cbbdp-56), m.f64(0x1.1a62633145c07p-54));

  auto t = m.div(num, den);
  auto z = m.mul(t, t);
  auto p = m.f64(0x1.c0b2000a5edfep-7);
  p = m.fma(p, z, m.f64(-0x1.05768803b5162p-5));
  p = m.fma(p, z, m.f64(0x1.6b2727d5ed576p-5));
  p = m.fma(p, z, m.f64(-0x1.a9fe06a8bf069p-5));
  p = m.fma(p, z, m.f64(0x1.e1331985acbd2p-5));
  p = m.fma(p, z, m.f64(-0x1.11090dee98be3p-4));
  p = m.fma(p, z, m.f64(0x1.3b132ff426ddcp-4));
  p = m.fma(p, z, m.f64(-0x1.745d11d03e6f4p-4));
  p = m.fma(p, z, m.f64(0x1.c71c71a16b188p-4));
  p = m.fma(p, z, m.f64(-0x1.2492492445df7p-3));
  p = m.fma(p, z, m.f64(0x1.9999999998fe0p-3));
  p = m.fma(p, z, m.f64(-0x1.5555555555552p-2));
  auto r = m.add(hi, m.add(t, m.fma(m.mul(t, z), p, lo)));
  // A quotient that underflowed must not pick up anything from hi and lo, which are 0 then.
  auto left = m.lt(m.bits(x), m.i64(0));  // -0 too
  r = m.select(left, m.sub(m.f64(0x1.921fb54442d18p+1), m.sub(r, m.f64(0x1.1a62633145c07p-53))), r);
  return with_sign_of(m, m.abs(r), y);
}

template <class M>
typename M::F32 atan2(M& m, typename M::F32 y, typename M::F32 x) {
  return m.to_f32(atan2(m, m.to_f64(y), m.to_f64(x)));
}

}  // namespace tenon::scalar
