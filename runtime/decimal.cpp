// Decimal digits of floats, by the C++ library's exact conversions (decimal.h).
#include "runtime/decimal.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace tenon {

namespace {

// "d.ddde+xx" taken apart.
Decimal parts(const char* begin, const char* end) {
  Decimal d;
  const char* p = begin;
  for (; p < end && *p != 'e'; ++p)
    if (*p != '.') d.digits += *p;
  int e = 0;
  const bool negative = p + 1 < end && p[1] == '-';
  for (p += 2; p < end; ++p) e = 10 * e + (*p - '0');
  d.exponent = negative ? -e : e;
  return d;
}

template <class T>
Decimal shortest_of(T v) {
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(v), std::chars_format::scientific);
  return parts(buffer, end);
}

uint16_t bits_of(const void* p) {
  uint16_t b;
  std::memcpy(&b, p, sizeof b);
  return b;
}

}  // namespace

void Decimal::trim() {
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
}

bool Decimal::increment() {
  if (digits.back() == '9') return false;
  ++digits.back();
  return true;
}

int Decimal::fraction() const {
  return std::max(0, static_cast<int>(digits.size()) - 1 - exponent);
}

std::string Decimal::positional() const {
  const int n = static_cast<int>(digits.size());
  if (exponent < 0) return "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (n <= exponent + 1) return digits + std::string(static_cast<size_t>(exponent + 1 - n), '0') + ".0";
  return digits.substr(0, static_cast<size_t>(exponent + 1)) + "." +
         digits.substr(static_cast<size_t>(exponent + 1));
}

std::string Decimal::scientific(int at_least) const {
  std::string out = digits.substr(0, 1), behind = digits.substr(1);
  if (static_cast<int>(behind.size()) < at_least) behind.resize(static_cast<size_t>(at_least), '0');
  if (!behind.empty()) out += "." + behind;
  const int e = std::abs(exponent);
  return out + (exponent < 0 ? "e-" : "e+") + (e < 10 ? "0" : "") + std::to_string(e);
}

Decimal shortest(DType t, const void* p) {
  if (t == DType::f64) {
    double v;
    std::memcpy(&v, p, sizeof v);
    return shortest_of(v);
  }
  if (t == DType::f32) {
    float v;
    std::memcpy(&v, p, sizeof v);
    return shortest_of(v);
  }
  // 16 bits: the fewest digits that lie nearer to this number than to its neighbours.
  const double v = std::fabs(real_of(t, p));
  const uint16_t own = bits_of(p) & 0x7fff, up = own + 1, down = own == 0 ? 0 : own - 1;
  const double above = real_of(t, &up), below = real_of(t, &down);
  for (int digits = 0; digits < 9; ++digits) {
    char buffer[64];
    auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific, digits);
    // Below a power of two the numbers lie closer together than above it: then the next decimal may
    // read back where the nearest one does not.
    Decimal d = parts(buffer, end);
    for (int step = 0; step < 2; ++step) {
      if (step == 1 && !d.increment()) break;
      const std::string text = d.scientific(0);
      double read = 0;
      std::from_chars(text.data(), text.data() + text.size(), read);
      const double off = std::fabs(read - v);
      // The largest number has infinity above it: half a step further is where that begins.
      const double upper = std::isinf(above) ? v - below : std::fabs(above - read);
      if (off == 0 || (off < upper && off < std::fabs(read - below))) {
        d.trim();
        return d;
      }
    }
  }
  return shortest_of(v);
}

Decimal decimal_with(double v, int fraction) {
  std::string buffer(static_cast<size_t>(fraction) + 32, '\0');
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(v),
                                    std::chars_format::scientific, fraction);
  return parts(buffer.data(), end);
}

std::string fixed(double v, int fraction) {
  std::string buffer(static_cast<size_t>(fraction) + 330, '\0');
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(v),
                                    std::chars_format::fixed, fraction);
  buffer.resize(static_cast<size_t>(end - buffer.data()));
  return buffer;
}

std::string general(double v, int precision) {
  std::string buffer(static_cast<size_t>(precision) + 330, '\0');
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(v),
                                    std::chars_format::general, precision);
  buffer.resize(static_cast<size_t>(end - buffer.data()));
  return buffer;
}

}  // namespace tenon
