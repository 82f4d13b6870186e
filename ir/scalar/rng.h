// rng(key, counter) -> i64: 64 random bits by squares64, a counter-based generator of five rounds of
// squaring (B. Widynski, "Squares: A Fast Counter-Based RNG", arXiv:2004.06278, 2020-22). A key should
// have irregular digits: keys made by rng itself are good ones.
#pragma once

#include "ir/scalar/machine.h"

namespace tenon::scalar {

template <class M>
typename M::I64 rng(M& m, typename M::I64 key, typename M::I64 counter) {
  auto swap = [&](typename M::I64 v) { return m.or_(m.shr_u(v, 32), m.shl(v, 32)); };
  auto x = m.mul(counter, key);
  auto y = x;
  auto z = m.add(y, key);
  x = swap(m.add(m.mul(x, x), y));
  x = swap(m.add(m.mul(x, x), z));
  x = swap(m.add(m.mul(x, x), y));
  auto t = m.add(m.mul(x, x), z);
  x = swap(t);
  return m.xor_(t, m.shr_u(m.add(m.mul(x, x), y), 32));
}

}  // namespace tenon::scalar
