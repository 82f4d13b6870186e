// pow(x, y): x to the power y, with the special cases of IEEE 754: pow(x, 0) and pow(1, y) are 1 even
// for NaN; a negative x needs an integral y, else NaN; pow(-1, +-inf) is 1.
// Measured error: see docs/semantics.md.
//
// exp(y log |x|). f32 computes it in f64. f64 needs the product to 2^-64, so its logarithm and the
// product are sums of two numbers (T. Dekker, 1971).
#pragma once

#include "ir/scalar/exp.h"
#include "ir/scalar/log.h"

namespace tenon::scalar {

namespace detail {

// What exp(y log a), a = |x|, becomes with the sign of x and the cases that logarithms cannot know.
template <class M, class F>
F finish_pow(M& m, F x, F y, F r) {
  using W = Width<M, F>;
  auto zero = number<F>(m, 0.0), one = number<F>(m, 1.0), half = number<F>(m, 0.5);
  auto negative = m.lt(m.bits(x), integer<typename W::I>(m, 0));
  auto whole = m.eq(m.floor(y), y);
  auto halved = m.mul(y, half);
  auto odd = m.and_(whole, m.not_(m.eq(m.floor(halved), halved)));
  r = m.select(m.eq(m.abs(x), one), m.select(m.eq(y, y), one, y), r);
  r = m.select(m.and_(negative, odd), m.neg(r), r);
  r = m.select(m.and_(m.lt(x, zero), m.not_(m.or_(whole, m.eq(m.abs(x), number<F>(m, INFINITY))))),
               number<F>(m, NAN), r);
  return m.select(m.or_(m.eq(y, zero), m.eq(x, one)), one, r);
}

// log(x) = hi + lo to about 2^-68, for finite x > 0.
template <class M>
void log_two(M& m, typename M::F64 x, typename M::F64& hi, typename M::F64& lo) {
  typename M::I64 k;
  typename M::F64 part;
  split_any(m, x, k, part);
  auto one = m.f64(1.0), two = m.f64(2.0);
  // s = (part - 1) / (part + 1) as sh + sl
  auto f = m.sub(part, one);
  auto d = m.add(part, one);
  auto d_low = m.sub(part, m.sub(d, one));
  auto sh = m.div(f, d);
  auto left = m.fma(m.neg(sh), d, f);
  auto sl = m.div(m.fma(m.neg(sh), d_low, left), d);
  auto zh = m.mul(sh, sh);
  auto zl = m.fma(sh, sh, m.neg(zh));
  zl = m.fma(m.mul(two, sh), sl, zl);
  // log part = 2 s (1 + z / 3 + z^2 (1 / 5 + z / 7 + ...))
  auto p = m.f64(1.0 / 27.0);
  for (int n = 25; n >= 5; n -= 2) p = m.fma(p, zh, m.f64(1.0 / n));
  auto th = m.mul(zh, m.f64(0x1.5555555555555p-2));
  auto tl = m.fma(zh, m.f64(0x1.5555555555555p-2), m.neg(th));
  tl = m.fma(zh, m.f64(0x1.5555555555555p-56), tl);
  tl = m.fma(zl, m.f64(0x1.5555555555555p-2), tl);
  tl = m.fma(m.mul(zh, zh), p, tl);
  auto wh = m.add(th, tl);
  auto wl = m.sub(tl, m.sub(wh, th));
  auto ah = m.mul(two, sh), al = m.mul(two, sl);
  auto qh = m.mul(ah, wh);
  auto ql = m.fma(ah, wh, m.neg(qh));
  ql = m.fma(ah, wl, ql);
  ql = m.fma(al, wh, ql);
  auto mh = m.add(ah, qh);
  auto ml = m.add(m.add(m.sub(qh, m.sub(mh, ah)), al), ql);
  // + k ln 2, whose first part has 42 bits
  auto kf = m.to_f64(k);
  auto kh = m.mul(kf, m.f64(0x1.62e42fefa3800p-1));
  auto kl = m.mul(kf, m.f64(0x1.ef35793c76730p-45));
  auto sum = m.add(kh, mh);
  auto rest = m.add(m.sub(mh, m.sub(sum, kh)), m.add(ml, kl));
  hi = m.add(sum, rest);
  lo = m.sub(rest, m.sub(hi, sum));
}

// exp(h + l), for |h| < 800
template <class M>
typename M::F64 exp_two(M& m, typename M::F64 h, typename M::F64 l) {
  auto n = over_ln2(m, h).n;
  auto hi = m.fma(n, m.f64(-6.93147180369123816490e-01), h);
  auto lo = m.fma(n, m.f64(1.90821492927058770002e-10), m.neg(l));
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
  return m.scale(y, n);
}

}  // namespace detail

template <class M>
typename M::F32 pow(M& m, typename M::F32 x, typename M::F32 y) {
  auto r = exp(m, m.mul(m.to_f64(y), log(m, m.to_f64(m.abs(x)))));
  return detail::finish_pow(m, x, y, m.to_f32(r));
}

template <class M>
typename M::F64 pow(M& m, typename M::F64 x, typename M::F64 y) {
  auto zero = m.f64(0.0), one = m.f64(1.0), inf = m.f64(INFINITY);
  auto a = m.abs(x);
  typename M::F64 hi, lo;
  detail::log_two(m, a, hi, lo);
  auto ph = m.mul(y, hi);
  auto pl = m.fma(y, lo, m.fma(y, hi, m.neg(ph)));
  auto far = m.lt(m.f64(800.0), m.abs(ph));
  pl = m.select(far, zero, pl);
  ph = m.select(m.lt(m.f64(800.0), ph), m.f64(800.0), ph);
  ph = m.select(m.lt(ph, m.f64(-800.0)), m.f64(-800.0), ph);
  auto r = detail::exp_two(m, ph, pl);
  // 0, inf and infinite powers: only the sign of y log a counts.
  auto sign = m.select(m.lt(one, a), one, m.f64(-1.0));
  auto limit = m.select(m.lt(zero, m.mul(sign, y)), inf, zero);
  auto at_limit = m.or_(m.or_(m.eq(a, zero), m.eq(a, inf)), m.eq(m.abs(y), inf));
  auto known = m.and_(m.eq(a, a), m.eq(y, y));
  r = m.select(m.and_(at_limit, known), limit, r);
  r = m.select(known, r, m.f64(NAN));
  return detail::finish_pow(m, x, y, r);
}

}  // namespace tenon::scalar
