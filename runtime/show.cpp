// Short text of numbers (show.h).
#include "runtime/show.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace tenon {

namespace {

constexpr int64_t kMost = 6;  // elements shown of an axis

template <class T>
T load(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

float from_bf16(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

float from_f16(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const float sign = h >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? std::nanf("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

template <class T>
std::string number(T v) {
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v);
  return std::string(buffer, end);
}

template <class T>
std::string real(T v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  std::string s = number(v);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}

// The shortest decimal that reads back in a dtype of 16 bits: fewer digits than its f32 would need.
template <class Back>
std::string short_real(float v, Back same) {
  if (!std::isfinite(v)) return real(v);
  for (int digits = 1; digits < 9; ++digits) {
    char buffer[64];
    auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::general, digits);
    float read = 0;
    std::from_chars(buffer, end, read);
    if (same(read)) {
      std::string s(buffer, end);
      if (s.find_first_of(".e") == std::string::npos) s += ".0";
      return s;
    }
  }
  return real(v);
}

void show_axis(const Tensor& t, int axis, int64_t at, std::string& out) {
  if (axis == t.rank()) {
    const auto* base = static_cast<const std::byte*>(t.raw());
    out += show_element(t.dtype, base + at * static_cast<int64_t>(size_of(t.dtype)));
    return;
  }
  out += '[';
  const int64_t n = t.shape[axis];
  for (int64_t i = 0; i < n; ++i) {
    if (i > 0) out += ", ";
    if (n > kMost && i == kMost / 2) {
      out += "...";
      i = n - kMost / 2 - 1;
      continue;
    }
    show_axis(t, axis + 1, at + i * t.strides[axis], out);
  }
  out += ']';
}

}  // namespace

std::string show_element(DType t, const void* p) {
  switch (t) {
    case DType::boolean: return load<uint8_t>(p) ? "true" : "false";
    case DType::i8: return number<int>(load<int8_t>(p));
    case DType::u8: return number<int>(load<uint8_t>(p));
    case DType::i32: return number(load<int32_t>(p));
    case DType::i64: return number(load<int64_t>(p));
    case DType::f32: return real(load<float>(p));
    case DType::f64: return real(load<double>(p));
    case DType::bf16: {
      const auto bits = load<uint16_t>(p);
      // Reads back: rounding the decimal to nearest even gives these bits again.
      return short_real(from_bf16(bits), [&](float v) {
        const uint32_t u = std::bit_cast<uint32_t>(v);
        return static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16) == bits;
      });
    }
    case DType::f16: {
      const auto bits = load<uint16_t>(p);
      const float value = from_f16(bits);
      const float up = from_f16(static_cast<uint16_t>(bits + 1)), down = from_f16(static_cast<uint16_t>(bits - 1));
      return short_real(value, [&](float v) {
        const float d = std::fabs(v - value);
        return d < std::fabs(v - up) && d < std::fabs(v - down);
      });
    }
  }
  return {};
}

std::string show(const Tensor& t) {
  std::string out;
  show_axis(t, 0, 0, out);
  return out;
}

std::string fill_holes(std::string_view text, std::span<const Tensor> values) {
  std::string out;
  size_t next = 0;
  while (!text.empty()) {
    const size_t hole = text.find("{}");
    if (hole == std::string_view::npos || next == values.size()) break;
    out += text.substr(0, hole);
    out += show(values[next++]);
    text.remove_prefix(hole + 2);
  }
  return out + std::string(text);
}

}  // namespace tenon
