// Numbers to and from the bytes of constants (literal.h).

#include "ir/literal.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace tenon::ir {
namespace {

// A double as a float of `mantissa` explicit bits and `exponent` bits, rounded to nearest even.
uint16_t narrow(double v, int mantissa, int exponent) {
  const uint64_t bits = std::bit_cast<uint64_t>(v);
  const uint16_t sign = uint16_t((bits >> 63) << 15);
  const int bias = (1 << (exponent - 1)) - 1;
  const uint16_t infinite = uint16_t(((1 << exponent) - 1) << mantissa);
  if (std::isnan(v)) return uint16_t(sign | infinite | (1u << (mantissa - 1)));
  if (std::isinf(v)) return sign | infinite;
  if (v == 0) return sign;
  int e = 0;
  const double m = std::frexp(std::fabs(v), &e);    // v = m * 2^e, m in [0.5, 1)
  int scale = e - 1 < 1 - bias ? 1 - bias : e - 1;  // the exponent of the leading bit, or subnormal
  // m * 2^(e - scale + mantissa) is the significand; a double holds it and its rounding exactly.
  double significand = std::ldexp(m, e - scale + mantissa);
  const double whole = std::floor(significand);
  const double left = significand - whole;
  uint32_t q = uint32_t(whole);
  if (left > 0.5 || (left == 0.5 && (q & 1))) ++q;
  // With the leading bit counted in, a carry runs into the exponent by itself.
  const int64_t field = int64_t(scale + bias - 1) * (int64_t{1} << mantissa) + q;
  if (field >= infinite) return sign | infinite;
  return uint16_t(sign | field);
}

double widen(uint16_t bits, int mantissa, int exponent) {
  const int bias = (1 << (exponent - 1)) - 1;
  const int e = (bits >> mantissa) & ((1 << exponent) - 1);
  const int m = bits & ((1 << mantissa) - 1);
  double v;
  if (e == (1 << exponent) - 1)
    v = m ? std::nan("") : HUGE_VAL;
  else if (e == 0)
    v = std::ldexp(m, 1 - bias - mantissa);
  else
    v = std::ldexp(m + (1 << mantissa), e - bias - mantissa);
  return bits >> 15 ? -v : v;
}

template <class T>
void append(std::string& bytes, T v) {
  char raw[sizeof(T)];
  std::memcpy(raw, &v, sizeof(T));
  bytes.append(raw, sizeof(T));
}

int64_t saturate(double v) {
  if (std::isnan(v)) return 0;
  if (v >= 9223372036854775808.0) return INT64_MAX;
  if (v < -9223372036854775808.0) return INT64_MIN;
  return int64_t(v);
}

int64_t clamp_to(DType t, int64_t v) {
  const int bits = int(size_of(t)) * 8;
  if (bits == 64) return v;
  const int64_t low = facts(t).is_signed ? -(int64_t{1} << (bits - 1)) : 0;
  const int64_t high =
      facts(t).is_signed ? (int64_t{1} << (bits - 1)) - 1 : (int64_t{1} << bits) - 1;
  return v < low ? low : v > high ? high : v;
}

}  // namespace

void append_number(std::string& bytes, DType t, double v) {
  switch (t) {
    case DType::boolean:
      append<uint8_t>(bytes, v != 0);
      break;
    case DType::i8:
    case DType::u8:
    case DType::i32:
    case DType::i64:
      append_integer(bytes, t, clamp_to(t, saturate(v)));
      break;
    case DType::f16:
      append<uint16_t>(bytes, narrow(v, 10, 5));
      break;
    case DType::bf16:
      append<uint16_t>(bytes, narrow(v, 7, 8));
      break;
    case DType::f32:
      append<float>(bytes, float(v));
      break;
    case DType::f64:
      append<double>(bytes, v);
      break;
  }
}

void append_integer(std::string& bytes, DType t, int64_t v) {
  switch (t) {
    case DType::boolean:
      append<uint8_t>(bytes, v != 0);
      break;
    case DType::i8:
    case DType::u8:
      append<uint8_t>(bytes, uint8_t(v));
      break;
    case DType::i32:
      append<uint32_t>(bytes, uint32_t(v));
      break;
    case DType::i64:
      append<int64_t>(bytes, v);
      break;
    case DType::f16:
    case DType::bf16:
    case DType::f64:
      append_number(bytes, t, double(v));
      break;
    case DType::f32:
      append<float>(bytes, float(v));
      break;  // one rounding
  }
}

uint64_t bits_at(const Literal& literal, size_t i) {
  const size_t n = size_of(literal.dtype);
  uint64_t bits = 0;
  std::memcpy(&bits, literal.bytes.data() + i * n, n);
  return bits;
}

double number_at(const Literal& literal, size_t i) {
  const uint64_t bits = bits_at(literal, i);
  switch (literal.dtype) {
    case DType::boolean:
    case DType::i8:
    case DType::u8:
    case DType::i32:
    case DType::i64:
      return double(integer_at(literal, i));
    case DType::f16:
      return widen(uint16_t(bits), 10, 5);
    case DType::bf16:
      return widen(uint16_t(bits), 7, 8);
    case DType::f32:
      return std::bit_cast<float>(uint32_t(bits));
    case DType::f64:
      return std::bit_cast<double>(bits);
  }
  return 0;
}

int64_t integer_at(const Literal& literal, size_t i) {
  const uint64_t bits = bits_at(literal, i);
  switch (literal.dtype) {
    case DType::boolean:
    case DType::u8:
      return int64_t(bits);
    case DType::i8:
      return int8_t(bits);
    case DType::i32:
      return int32_t(bits);
    case DType::i64:
      return int64_t(bits);
    case DType::f16:
    case DType::bf16:
    case DType::f32:
    case DType::f64:
      return saturate(number_at(literal, i));
  }
  return 0;
}

Literal number_literal(DType t, double v) {
  Literal l{t, {}, {}};
  append_number(l.bytes, t, v);
  return l;
}

Literal integer_literal(DType t, int64_t v) {
  Literal l{t, {}, {}};
  append_integer(l.bytes, t, v);
  return l;
}

size_t element_count(const std::vector<int64_t>& shape) {
  size_t n = 1;
  for (int64_t d : shape) n *= size_t(d);
  return n;
}

}  // namespace tenon::ir
