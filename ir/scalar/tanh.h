// tanh(x). Measured error: see docs/semantics.md.
//
// f32: x P(x^2) / Q(x^2), of degrees 13 and 6, with x clamped to where the result rounds to 1: the
// rational that Eigen and XLA use, which is the fastest known on vectors (gelu is hot); x itself
// below 0.0004.
// f64: -e / (e + 2) with e = expm1(-2|x|), arranged for each half of the range.
#pragma once

#include "ir/scalar/expm1.h"
#include "ir/scalar/arithmetic.h"

namespace tenon::scalar {

template <class M>
typename M::F32 tanh(M& m, typename M::F32 x0) {
  auto high = m.f32(7.99881172180175781f), low = m.f32(-7.99881172180175781f);
  auto x = m.select(m.lt(high, x0), high, x0);
  x = m.select(m.lt(x, low), low, x);
  auto z = m.mul(x, x);
  auto p = m.f32(-2.76076847742355e-16f);
  p = m.fma(p, z, m.f32(2.00018790482477e-13f));
  p = m.fma(p, z, m.f32(-8.60467152213735e-11f));
  p = m.fma(p, z, m.f32(5.12229709037114e-08f));
  p = m.fma(p, z, m.f32(1.48572235717979e-05f));
  p = m.fma(p, z, m.f32(6.37261928875436e-04f));
  p = m.fma(p, z, m.f32(4.89352455891786e-03f));
  p = m.mul(p, x);
  auto q = m.f32(1.19825839466702e-06f);
  q = m.fma(q, z, m.f32(1.18534705686654e-04f));
  q = m.fma(q, z, m.f32(2.26843463243900e-03f));
  q = m.fma(q, z, m.f32(4.89352518554385e-03f));
  return m.select(m.lt(m.abs(x0), m.f32(0.0004f)), x0, m.div(p, q));
}

template <class M>
typename M::F64 tanh(M& m, typename M::F64 x) {
  auto one = m.f64(1.0);
  auto e = expm1(m, m.mul(m.f64(-2.0), m.abs(x)));
  // Above 1 as 1 - 2E / (1 + E) with E = e + 1, which is exact there.
  auto far = m.lt(one, m.abs(x));
  auto q = m.div(m.select(far, m.mul(m.f64(2.0), m.add(e, one)), m.neg(e)), m.add(e, m.f64(2.0)));
  return with_sign_of(m, m.abs(m.select(far, m.sub(one, q), q)), x);
}

}  // namespace tenon::scalar
