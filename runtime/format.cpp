// Scalars as text and the format mini-language (format.h). Python's rules, so that whoever knows them
// is never surprised; the C++ library rounds, always exactly. Tensors: format_tensor.cpp.
#include "runtime/format.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "runtime/decimal.h"
#include "runtime/trap.h"

namespace tenon {

namespace {

template <class T>
T load(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ = or 0: not said
  char sign = '-';
  int width = 0;
  std::optional<int> precision;
  char type = 0;
};

// The parser has refused what is no format; this reads it again, and so must not believe it.
std::optional<Spec> parse_spec(std::string_view f) {
  Spec s;
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t i = 0, first = f.empty() ? 0 : 1;
  while (first < f.size() && (static_cast<unsigned char>(f[first]) & 0xC0) == 0x80) ++first;
  bool filled = false;
  if (first > 0 && first < f.size() && is_align(f[first])) {
    s.fill = f.substr(0, first);
    s.align = f[first];
    i = first + 1;
    filled = true;
  } else if (i < f.size() && is_align(f[i])) {
    s.align = f[i++];
  }
  if (i < f.size() && (f[i] == '+' || f[i] == '-' || f[i] == ' ')) s.sign = f[i++];
  if (i < f.size() && f[i] == '0') {
    if (!filled) s.fill = "0";
    if (!s.align) s.align = '=';
    ++i;
  }
  auto number = [&] {
    int n = 0;
    for (int digits = 0; i < f.size() && f[i] >= '0' && f[i] <= '9' && digits < 4; ++digits)
      n = 10 * n + (f[i++] - '0');
    return n;
  };
  s.width = number();
  if (i < f.size() && f[i] == '.') {
    if (++i == f.size() || f[i] < '0' || f[i] > '9') return std::nullopt;
    s.precision = number();
  }
  if (i < f.size() && std::string_view("defgs%").find(f[i]) != std::string_view::npos) s.type = f[i++];
  if (i != f.size()) return std::nullopt;
  return s;
}

size_t characters(std::string_view text) {
  size_t n = 0;
  for (char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

// `sign` goes before the padding where the alignment says `=`.
std::string pad(const Spec& s, std::string_view sign, std::string_view body, char usual) {
  const size_t length = characters(sign) + characters(body);
  const size_t missing = length < static_cast<size_t>(s.width) ? s.width - length : 0;
  size_t before = 0, inside = 0, after = 0;
  switch (s.align ? s.align : usual) {
    case '<': after = missing; break;
    case '^': before = missing / 2; after = missing - before; break;
    case '=': inside = missing; break;
    default: before = missing;
  }
  std::string out;
  for (size_t i = 0; i < before; ++i) out += s.fill;
  out += sign;
  for (size_t i = 0; i < inside; ++i) out += s.fill;
  out += body;
  for (size_t i = 0; i < after; ++i) out += s.fill;
  return out;
}

// With a precision and no type, Python takes `g`, but shows that it is no whole number.
std::string general_with_point(double v, int precision) {
  precision = std::max(precision, 1);
  Decimal d = decimal_with(v, precision - 1);
  d.trim();
  return d.exponent < -4 || d.exponent >= precision - 1 ? d.scientific(0) : d.positional();
}

std::string real_body(const Spec& s, double v, DType t, const void* element) {
  if (std::isnan(v)) return s.type == '%' ? "nan%" : "nan";
  if (std::isinf(v)) return s.type == '%' ? "inf%" : "inf";
  const int precision = s.precision.value_or(6);
  switch (s.type) {
    case 'e': return decimal_with(v, precision).scientific(precision);
    case 'f': return fixed(v, precision);
    case '%': return fixed(v * 100, precision) + "%";
    case 'g': return general(v, precision);
    default: break;
  }
  if (s.precision) return general_with_point(v, *s.precision);
  std::string text = format_element(t, element);
  return text[0] == '-' ? text.substr(1) : text;
}

std::string format_one(const Spec& s, DType t, const void* element) {
  if (s.type == 's' || (t == DType::boolean && s.type == 0)) {
    std::string text = format_element(t, element);
    if (s.precision && text.size() > static_cast<size_t>(*s.precision)) text.resize(*s.precision);
    return pad(s, "", text, s.type == 's' ? '<' : '>');
  }
  const bool whole = !is_float(t);
  double v = 0;
  int64_t i = 0;
  if (whole) {
    i = integer_of(t, element);
    v = static_cast<double>(i);
  } else {
    v = real_of(t, element);
  }
  const bool negative = whole ? i < 0 : std::signbit(v) && !std::isnan(v);
  const std::string_view sign = negative ? "-" : s.sign == '+' ? "+" : s.sign == ' ' ? " " : "";
  if (whole && (s.type == 0 || s.type == 'd')) {
    const uint64_t size = i < 0 ? 0 - static_cast<uint64_t>(i) : static_cast<uint64_t>(i);
    return pad(s, sign, std::to_string(size), '>');
  }
  return pad(s, sign, real_body(s, std::fabs(v), t, element), '>');
}

Spec checked(std::string_view spec, DType t) {
  const std::string wrong = wrong_format(spec, t);
  if (!wrong.empty())
    throw Trap(Code::E0401, wrong, "a format is written as in Python: {x:.3f} {n:>8d} {p:.1%}",
               Fault::program);
  return *parse_spec(spec);
}

}  // namespace

double real_of(DType t, const void* p) {
  switch (t) {
    case DType::f16: {
      const auto h = load<uint16_t>(p);
      const int exponent = h >> 10 & 31, fraction = h & 1023;
      const double sign = h >> 15 ? -1.0 : 1.0;
      if (exponent == 31) return fraction ? std::nan("") : sign * INFINITY;
      if (exponent == 0) return sign * std::ldexp(fraction, -24);
      return sign * std::ldexp(1024 + fraction, exponent - 25);
    }
    case DType::bf16:
      return std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(p)) << 16);
    case DType::f32: return load<float>(p);
    case DType::f64: return load<double>(p);
    case DType::boolean:
    case DType::i8:
    case DType::u8:
    case DType::i32:
    case DType::i64: return static_cast<double>(integer_of(t, p));
  }
  return 0;
}

int64_t integer_of(DType t, const void* p) {
  switch (t) {
    case DType::boolean: return load<uint8_t>(p) != 0;
    case DType::i8: return load<int8_t>(p);
    case DType::u8: return load<uint8_t>(p);
    case DType::i32: return load<int32_t>(p);
    case DType::i64: return load<int64_t>(p);
    case DType::f16:
    case DType::bf16:
    case DType::f32:
    case DType::f64: bug("a float where a whole number is formatted");
  }
  return 0;
}

std::string format_element(DType t, const void* p) {
  if (t == DType::boolean) return load<uint8_t>(p) ? "true" : "false";
  if (!is_float(t)) return std::to_string(integer_of(t, p));
  const double v = real_of(t, p);
  if (std::isnan(v)) return "nan";
  const std::string sign = std::signbit(v) ? "-" : "";
  if (std::isinf(v)) return sign + "inf";
  const Decimal d = shortest(t, p);
  return sign + (d.exponent < -4 || d.exponent >= 16 ? d.scientific(0) : d.positional());
}

std::string wrong_format(std::string_view spec, DType t) {
  const std::optional<Spec> s = parse_spec(spec);
  if (!s) return "`" + std::string(spec) + "` is not a format";
  if (is_float(t) && s->type == 'd')
    return "the format `" + std::string(spec) + "` is for whole numbers, and this is " +
           std::string(name(t));
  if (!is_float(t) && s->precision && (s->type == 0 || s->type == 'd'))
    return "the format `" + std::string(spec) + "` has a precision, which " + std::string(name(t)) +
           " does not take";
  return {};
}

std::string format_text(std::string_view text, std::string_view spec) {
  const std::optional<Spec> s = parse_spec(spec);
  if (!s || (s->type != 0 && s->type != 's'))
    throw Trap(Code::E0401, "`" + std::string(spec) + "` is not a format for text",
               "for text there are an alignment and a width: {name:>10}", Fault::program);
  if (s->precision) {
    size_t end = 0;
    for (int n = 0; n < *s->precision && end < text.size(); ++n)
      for (++end; end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80;) ++end;
    text = text.substr(0, end);
  }
  return pad(*s, "", text, '<');
}

std::string format_plain(const Tensor& value) {
  return value.rank() == 0 ? format_element(value.dtype, value.raw()) : format_plain_tensor(value);
}

std::string format(const Tensor& value, std::string_view spec) {
  if (spec.empty()) return format_plain(value);
  if (spec == "text") {  // bytes that are text; no program can write this format, string(..) does
    const Tensor bytes = value.packed();
    return std::string(static_cast<const char*>(bytes.raw()), static_cast<size_t>(bytes.bytes()));
  }
  const Spec s = checked(spec, value.dtype);
  if (value.rank() == 0) return format_one(s, value.dtype, value.raw());
  return format_tensor(value, [&](const void* e) { return format_one(s, value.dtype, e); });
}

namespace {

std::string difference(const Tensor& a, const Tensor& b) {
  if (a.rank() == 0 || a.shape != b.shape || a.dtype != b.dtype) return "they differ";
  const int64_t n = a.count();
  int64_t first = -1, worst = -1, count = 0;
  double most = 0;
  std::vector<int64_t> at(static_cast<size_t>(a.rank()), 0), first_at, worst_at;
  std::string left, right;
  for (int64_t i = 0; i < n; ++i) {
    int64_t x = 0, y = 0;
    for (int k = 0; k < a.rank(); ++k) {
      x += at[static_cast<size_t>(k)] * a.strides[k];
      y += at[static_cast<size_t>(k)] * b.strides[k];
    }
    const auto size = static_cast<int64_t>(size_of(a.dtype));
    std::string p = format_element(a.dtype, static_cast<const std::byte*>(a.raw()) + x * size);
    std::string q = format_element(b.dtype, static_cast<const std::byte*>(b.raw()) + y * size);
    if (p != q) {
      ++count;
      if (first < 0) {
        first = i;
        first_at = at;
        left = p;
        right = q;
      }
      const double d = std::abs(std::strtod(p.c_str(), nullptr) - std::strtod(q.c_str(), nullptr));
      if (worst < 0 || d > most) {
        worst = i;
        worst_at = at;
        most = d;
      }
    }
    for (int k = a.rank() - 1; k >= 0 && ++at[static_cast<size_t>(k)] == a.shape[k]; --k) at[static_cast<size_t>(k)] = 0;
  }
  if (first < 0) return "they differ";
  auto place = [](const std::vector<int64_t>& index) {
    std::string s = "[";
    for (size_t k = 0; k < index.size(); ++k) s += (k ? ", " : "") + std::to_string(index[k]);
    return s + "]";
  };
  std::string out = std::to_string(count) + " of " + std::to_string(n) + " differ; the first at " + place(first_at) + ": " + left + " and " + right;
  if (a.dtype == DType::boolean) return out;
  char text[48];
  std::snprintf(text, sizeof text, "%.3g", most);
  return out + "; the largest difference is " + text + (worst == first ? ", there" : ", at " + place(worst_at));
}

}  // namespace

std::string fill_template(std::string_view text, std::span<const Tensor> values,
                          std::string (*plain)(const Tensor&)) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '}' && i + 1 < text.size() && text[i + 1] == '}') ++i;
    if (c != '{') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == '{') {
      out += '{';
      ++i;
      continue;
    }
    const size_t close = text.find('}', i);
    if (close == std::string_view::npos || next == values.size()) {
      out += c;  // a message that has come out wrong is better than none
      continue;
    }
    std::string_view spec = text.substr(i + 1, close - i - 1);
    if (spec == "difference" && next + 1 < values.size()) {
      out += difference(values[next], values[next + 1]);
      next += 2;
      i = close;
      continue;
    }
    if (!spec.empty() && spec[0] == ':') spec.remove_prefix(1);
    const Tensor& value = values[next++];
    out += spec.empty() ? plain(value) : format(value, spec);
    i = close;
  }
  return out;
}

}  // namespace tenon
