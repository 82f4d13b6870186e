// erf(x), the error function. Measured error: see docs/semantics.md.
//
// f32: below 0.93 x + x P(x^2); above 1 - exp(-Q(x)) where Q(x) = -log(erfc(x)).
// f64: below 1 the same form; above 1 - exp(-x^2) erfcx(x), with erfcx a polynomial in
//      (x - 2.5) / (x + 2.5).
// All polynomials are our own minimax fits; the idea of the f32 form is N. Juffa's.
#pragma once

#include "ir/scalar/arithmetic.h"
#include "ir/scalar/exp.h"

namespace tenon::scalar {

template <class M>
typename M::F32 erf(M& m, typename M::F32 x) {
  auto a = m.abs(x);
  auto z = m.mul(x, x);
  auto p = m.f32(0x1.5e05e0p-14f);
  p = m.fma(p, z, m.f32(-0x1.aaa2bfp-11f));
  p = m.fma(p, z, m.f32(0x1.54d428p-8f));
  p = m.fma(p, z, m.f32(-0x1.b80ff2p-6f));
  p = m.fma(p, z, m.f32(0x1.ce2e1cp-4f));
  p = m.fma(p, z, m.f32(-0x1.812744p-2f));
  p = m.fma(p, z, m.f32(0x1.06eba8p-3f));
  auto small = m.fma(p, x, x);

  auto t = m.select(m.lt(m.f32(4.0f), a), m.f32(4.0f), a);
  auto q = m.f32(0x1.78ddccp-17f);
  q = m.fma(q, t, m.f32(-0x1.527c64p-12f));
  q = m.fma(q, t, m.f32(0x1.dd6ccap-9f));
  q = m.fma(q, t, m.f32(-0x1.855156p-6f));
  q = m.fma(q, t, m.f32(0x1.b32572p-4f));
  q = m.fma(q, t, m.f32(0x1.45328ep-1f));
  q = m.fma(q, t, m.f32(0x1.0778dcp-3f));
  q = m.fma(q, t, t);
  auto large = with_sign_of(m, m.sub(m.f32(1.0f), exp(m, m.neg(q))), x);
  return m.select(m.lt(m.f32(0.93f), a), large, small);  // NaN takes `small`, which keeps it
}

template <class M>
typename M::F64 erf(M& m, typename M::F64 x) {
  auto a = m.abs(x);
  auto z = m.mul(x, x);
  auto p = m.f64(0x1.0627890b92f43p-34);
  p = m.fma(p, z, m.f64(-0x1.38ac32d8ed106p-30));
  p = m.fma(p, z, m.f64(0x1.f7b9a24bdfaf0p-27));
  p = m.fma(p, z, m.f64(-0x1.5f1f41608c1ffp-23));
  p = m.fma(p, z, m.f64(0x1.b9df3066e20fep-20));
  p = m.fma(p, z, m.f64(-0x1.f4d1e4355e24fp-17));
  p = m.fma(p, z, m.f64(0x1.f9a321e4be396p-14));
  p = m.fma(p, z, m.f64(-0x1.c02db3db49905p-11));
  p = m.fma(p, z, m.f64(0x1.565bcd0dbd920p-8));
  p = m.fma(p, z, m.f64(-0x1.b82ce31284f38p-6));
  p = m.fma(p, z, m.f64(0x1.ce2f21a042b34p-4));
  p = m.fma(p, z, m.f64(-0x1.812746b0379e6p-2));
  p = m.fma(p, z, m.f64(0x1.06eba8214db69p-3));
  auto small = m.fma(p, x, x);

  auto t = m.select(m.lt(m.f64(6.1), a), m.f64(6.1), a);
  auto u = m.div(m.sub(t, m.f64(2.5)), m.add(t, m.f64(2.5)));
  auto q = m.f64(0x1.95e1ea7cad955p-20);
  q = m.fma(q, u, m.f64(0x1.7a7812636cd02p-17));
  q = m.fma(q, u, m.f64(0x1.5b353b97cdf7dp-16));
  q = m.fma(q, u, m.f64(-0x1.19117158b5ab9p-15));
  q = m.fma(q, u, m.f64(-0x1.0e0ce72a8449fp-13));
  q = m.fma(q, u, m.f64(0x1.def0d5ef5d8d5p-13));
  q = m.fma(q, u, m.f64(0x1.cb3abc5fc338ep-11));
  q = m.fma(q, u, m.f64(-0x1.5a571d77f4348p-9));
  q = m.fma(q, u, m.f64(-0x1.05bb2fffe99a6p-8));
  q = m.fma(q, u, m.f64(0x1.470ba1f7610c4p-5));
  q = m.fma(q, u, m.f64(-0x1.0011543710d90p-3));
  q = m.fma(q, u, m.f64(0x1.01c11a735ce5dp-2));
  q = m.fma(q, u, m.f64(-0x1.7ca88dec217b7p-2));
  q = m.fma(q, u, m.f64(0x1.afbb3f3b7343ap-3));
  auto c = m.mul(exp(m, m.neg(m.mul(t, t))), q);
  auto large = with_sign_of(m, m.sub(m.f64(1.0), c), x);
  return m.select(m.lt(m.f64(1.0), a), large, small);
}

}  // namespace tenon::scalar
