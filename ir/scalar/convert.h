// convert: between all dtypes. Float to integer goes toward zero, saturates, and takes NaN to 0.
// Integer to narrower integer keeps the low bits. Anything to bool is x != 0 (NaN: true). Float to
// narrower float and integer to float round once, to nearest even; to f16 and bf16 by way of f32.
//
// The two 16-bit formats as bit programs, so that they are the same on every machine. After F. Giesen,
// "Float->half variants" (2012).
#pragma once

#include "ir/scalar/machine.h"

namespace tenon::scalar {

// The 16 bits of the nearest f16, in an I32.
template <class M>
typename M::I32 to_f16_bits(M& m, typename M::F32 x) {
  auto b = m.bits(x);
  auto sign = m.and_(b, m.i32(INT32_MIN));
  auto f = m.xor_(b, sign);
  auto large = m.select(m.lt(m.i32(0x7f800000), f), m.i32(0x7e00), m.i32(0x7c00));
  auto magic = m.i32(((127 - 15) + (23 - 10) + 1) << 23);
  auto small = m.sub(m.bits(m.add(m.from_bits(f), m.from_bits(magic))), magic);
  auto odd = m.and_(m.shr(f, 13), m.i32(1));
  auto normal = m.shr(m.add(m.add(f, m.i32(0xfff - ((127 - 15) << 23))), odd), 13);
  auto h = m.select(m.lt(f, m.i32(113 << 23)), small, normal);
  h = m.select(m.le(m.i32((127 + 16) << 23), f), large, h);
  return m.or_(h, m.shr_u(sign, 16));
}
template <class M>
typename M::F32 from_f16_bits(M& m, typename M::I32 h) {
  auto mantissa = m.shl(m.and_(h, m.i32(0x7fff)), 13);
  auto exponent = m.and_(mantissa, m.i32(0x7c00 << 13));
  auto f = m.add(mantissa, m.i32((127 - 15) << 23));
  auto high = m.add(f, m.i32((128 - 16) << 23));
  auto magic = m.from_bits(m.i32(113 << 23));
  auto low = m.bits(m.sub(m.from_bits(m.add(f, m.i32(1 << 23))), magic));
  f = m.select(m.eq(exponent, m.i32(0)), low, f);
  f = m.select(m.eq(exponent, m.i32(0x7c00 << 13)), high, f);
  return m.from_bits(m.or_(f, m.shl(m.and_(h, m.i32(0x8000)), 16)));
}

template <class M>
typename M::I32 to_bf16_bits(M& m, typename M::F32 x) {
  auto b = m.bits(x);
  auto odd = m.and_(m.shr_u(b, 16), m.i32(1));
  auto rounded = m.shr_u(m.add(b, m.add(m.i32(0x7fff), odd)), 16);
  return m.select(m.eq(x, x), rounded, m.i32(0x7fc0));
}
template <class M>
typename M::F32 from_bf16_bits(M& m, typename M::I32 h) {
  return m.from_bits(m.shl(h, 16));
}

template <class M>
typename M::F32 round_to_f16(M& m, typename M::F32 x) { return from_f16_bits(m, to_f16_bits(m, x)); }
template <class M>
typename M::F32 round_to_bf16(M& m, typename M::F32 x) { return from_bf16_bits(m, to_bf16_bits(m, x)); }

// Toward zero into [low, high], which F must hold exactly; NaN to 0.
template <class M>
typename M::I32 clamp_to_i32(M& m, typename M::F64 x, double low, double high) {
  x = m.select(m.lt(m.f64(high), x), m.f64(high), x);
  x = m.select(m.lt(x, m.f64(low)), m.f64(low), x);
  return m.to_i32(m.select(m.eq(x, x), x, m.f64(0.0)));
}
template <class M>
typename M::I32 clamp_to_i32(M& m, typename M::F32 x, double low, double high) {
  auto top = m.f32(static_cast<float>(high)), bottom = m.f32(static_cast<float>(low));
  x = m.select(m.lt(top, x), top, x);
  x = m.select(m.lt(x, bottom), bottom, x);
  return m.to_i32(m.select(m.eq(x, x), x, m.f32(0.0f)));
}
template <class M>
typename M::I32 float_to_i32(M& m, typename M::F32 x) {
  // 2^31 - 1 is no f32, so the upper end is put in afterwards.
  auto limit = m.f32(0x1p31f);
  auto fits = m.and_(m.lt(x, limit), m.le(m.neg(limit), x));
  auto v = m.to_i32(m.select(fits, x, m.f32(0.0f)));
  v = m.select(m.le(limit, x), m.i32(INT32_MAX), v);
  return m.select(m.lt(x, m.neg(limit)), m.i32(INT32_MIN), v);
}
template <class M>
typename M::I32 float_to_i32(M& m, typename M::F64 x) {
  return clamp_to_i32(m, x, -2147483648.0, 2147483647.0);
}
template <class M>
typename M::I64 float_to_i64(M& m, typename M::F64 x) {
  auto limit = m.f64(0x1p63);
  auto fits = m.and_(m.lt(x, limit), m.le(m.neg(limit), x));
  auto v = m.to_i64(m.select(fits, x, m.f64(0.0)));
  v = m.select(m.le(limit, x), m.i64(INT64_MAX), v);
  return m.select(m.lt(x, m.neg(limit)), m.i64(INT64_MIN), v);
}

}  // namespace tenon::scalar
