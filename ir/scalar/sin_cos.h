// sin(x) and cos(x). inf and NaN give NaN. Measured error: see docs/semantics.md.
//
// f32: for every x. In f64: x times 2/pi in chunks of 29 bits, each product exact and exact again
//      modulo 4, so the sum knows the quadrant and the remainder of the largest x too (the idea of
//      Payne and Hanek, without a table or a branch).
// f64: for |x| <= 2^45, in three parts of pi/2 after Cody and Waite, with the remainder as a sum of
//      two numbers; beyond, where the spacing of f64 exceeds 0.007, the result is NaN.
#pragma once

#include "ir/scalar/arithmetic.h"

namespace tenon::scalar {

namespace detail {

// sin((quadrant + turn) pi/2 + y + tail), given y + tail in about [-pi/4, pi/4].
template <class M>
typename M::F64 sine_in_quadrant(M& m, typename M::F64 quadrant, int turn, typename M::F64 sine,
                                 typename M::F64 cosine) {
  auto q = m.add(quadrant, m.f64(turn));
  q = m.fma(m.f64(-4.0), m.floor(m.mul(q, m.f64(0.25))), q);  // 0, 1, 2 or 3
  auto odd = m.or_(m.eq(q, m.f64(1.0)), m.eq(q, m.f64(3.0)));
  auto y = m.select(odd, cosine, sine);
  return m.select(m.le(m.f64(2.0), q), m.neg(y), y);
}

template <class M>
typename M::F32 sine(M& m, typename M::F32 x0, int turn) {
  // 2/pi = the sum of these
  constexpr double kChunks[] = {0x1.45f306dp-1,  0x1.9391054p-30, 0x1.4fe13abp-59, 0x1.d1f534dp-88,
                                0x1.b81b6c5p-117, 0x1.5993c4p-148, 0x1.c820ff2p-175};
  auto x = m.to_f64(x0);
  typename M::F64 part[7];
  for (int j = 0; j < 7; ++j) {
    auto p = m.mul(x, m.f64(kChunks[j]));
    part[j] = m.fma(m.f64(-4.0), m.trunc(m.mul(p, m.f64(0.25))), p);
  }
  auto sum = part[6];
  for (int j = 5; j >= 0; --j) sum = m.add(part[j], sum);
  auto turns = m.round_even(sum);
  // Once more from the large end, so that what cancels does so exactly.
  auto r = m.sub(part[0], turns);
  for (int j = 1; j < 7; ++j) r = m.add(r, part[j]);
  auto y = m.mul(r, m.f64(0x1.921fb54442d18p+0));
  auto z = m.mul(y, y);
  auto s = m.f64(0x1.6cd85e3f2b1d5p-19);
  s = m.fma(s, z, m.f64(-0x1.a00f9dc0e91d2p-13));
  s = m.fma(s, z, m.f64(0x1.111108966de89p-7));
  s = m.fma(s, z, m.f64(-0x1.5555554cba1bap-3));
  s = m.fma(m.mul(y, z), s, y);
  auto c = m.f64(-0x1.242ad8fed73f7p-22);
  c = m.fma(c, z, m.f64(0x1.a0112039b9bc8p-16));
  c = m.fma(c, z, m.f64(-0x1.6c16b898eebc5p-10));
  c = m.fma(c, z, m.f64(0x1.5555554f4e6d5p-5));
  c = m.fma(c, m.mul(z, z), m.fma(z, m.f64(-0.5), m.f64(1.0)));
  return m.to_f32(sine_in_quadrant(m, turns, turn, s, c));
}

template <class M>
typename M::F64 sine(M& m, typename M::F64 x, int turn) {
  auto turns = m.round_even(m.mul(x, m.f64(0x1.45f306dc9c883p-1)));
  auto back = m.neg(turns);
  auto a = m.fma(back, m.f64(0x1.921fb54442d18p+0), x);  // exact, all of it being multiples of 2^-53
  auto b = m.mul(back, m.f64(0x1.1a62633145c07p-54));
  auto b_low = m.fma(back, m.f64(0x1.1a62633145c07p-54), m.neg(b));
  auto hi = m.add(a, b);  // two-sum
  auto b_part = m.sub(hi, a);
  auto lo = m.add(m.sub(a, m.sub(hi, b_part)), m.sub(b, b_part));
  lo = m.add(lo, m.fma(back, m.f64(-0x1.f1976b7ed8fbcp-110), b_low));
  auto y = m.add(hi, lo);
  auto tail = m.sub(lo, m.sub(y, hi));

  auto z = m.mul(y, y);
  auto s = m.f64(0x1.5d93177f3bd34p-33);
  s = m.fma(s, z, m.f64(-0x1.ae5e6685f2c2bp-26));
  s = m.fma(s, z, m.f64(0x1.71de357814076p-19));
  s = m.fma(s, z, m.f64(-0x1.a01a019c12022p-13));
  s = m.fma(s, z, m.f64(0x1.111111110f87ep-7));
  auto cube = m.mul(y, z);
  // y + (cube * (s1 + z s) + tail (1 - z / 2))
  auto rest = m.sub(m.mul(m.f64(0.5), tail), m.mul(cube, s));
  auto sine = m.sub(y, m.sub(m.sub(m.mul(z, rest), tail), m.mul(cube, m.f64(-0x1.5555555555549p-3))));

  auto c = m.f64(-0x1.8faeb60b84ba8p-37);
  c = m.fma(c, z, m.f64(0x1.1ee9ec1911d51p-29));
  c = m.fma(c, z, m.f64(-0x1.27e4f80a34bddp-22));
  c = m.fma(c, z, m.f64(0x1.a01a019cb2188p-16));
  c = m.fma(c, z, m.f64(-0x1.6c16c16c15181p-10));
  c = m.fma(c, z, m.f64(0x1.555555555554cp-5));
  auto h = m.mul(m.f64(0.5), z);
  auto w = m.sub(m.f64(1.0), h);
  auto low = m.sub(m.mul(m.mul(z, z), c), m.mul(y, tail));
  auto cosine = m.add(w, m.add(m.sub(m.sub(m.f64(1.0), w), h), low));

  auto result = sine_in_quadrant(m, turns, turn, sine, cosine);
  return m.select(m.le(m.abs(x), m.f64(0x1p45)), result, m.f64(NAN));
}

}  // namespace detail

template <class M, class F>
F sin(M& m, F x) {
  auto y = detail::sine(m, x, 0);
  return m.select(m.eq(x, number<F>(m, 0.0)), x, y);  // -0
}
template <class M, class F>
F cos(M& m, F x) {
  return detail::sine(m, x, 1);
}

}  // namespace tenon::scalar
