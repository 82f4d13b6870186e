// Tensors as text in NumPy's layout (its numpy/_core/arrayprint.py, with the options it starts with):
// eight digits behind the point at most, one width for all elements, lines of 75 characters, and
// three elements at either end of an axis once there are more than 1000 in all.
#include <algorithm>
#include <cmath>
#include <optional>

#include "runtime/decimal.h"
#include "runtime/format.h"

namespace tenon {

namespace {

constexpr int kDigits = 8;
constexpr int64_t kThreshold = 1000, kEdge = 3;
constexpr size_t kLine = 75;

bool summarised(const Tensor& t) { return t.count() > kThreshold; }

// The elements that are shown, in order.
void each_shown(const Tensor& t, int axis, int64_t at, const std::function<void(const void*)>& visit) {
  if (axis == t.rank()) {
    const auto* base = static_cast<const std::byte*>(t.raw());
    visit(base + at * static_cast<int64_t>(size_of(t.dtype)));
    return;
  }
  const int64_t n = t.shape[axis];
  const bool cut = summarised(t) && n > 2 * kEdge;
  for (int64_t i = 0; i < n; ++i) {
    if (cut && i == kEdge) i = n - kEdge;
    each_shown(t, axis + 1, at + i * t.strides[axis], visit);
  }
}

// How all the floats of one tensor are written.
struct FloatColumn {
  DType dtype;
  bool exponents = false;
  int fraction = 0;   // with exponents: digits behind the point, of every element
  int exponent_digits = 2;
  size_t left = 0, right = 0;  // characters before and behind the point

  // Shortest, but no more than kDigits behind the point.
  Decimal positional_digits(const void* e) const {
    Decimal d = shortest(dtype, e);
    if (d.fraction() <= kDigits) return d;
    const std::string text = fixed(real_of(dtype, e), kDigits);
    Decimal cut;
    const size_t point = text.find('.');
    cut.digits = text.substr(0, point) + text.substr(point + 1);
    cut.exponent = static_cast<int>(point) - 1;
    while (cut.digits.size() > 1 && cut.digits[0] == '0' && cut.exponent > 0) {
      cut.digits.erase(0, 1);
      --cut.exponent;
    }
    cut.trim();
    return cut;
  }
  Decimal scientific_digits(const void* e) const {
    Decimal d = shortest(dtype, e);
    if (static_cast<int>(d.digits.size()) - 1 > kDigits) d = decimal_with(real_of(dtype, e), kDigits);
    d.trim();
    return d;
  }
  // "12" and "5" of 12.5, "12" and "" of 12.
  static std::pair<std::string, std::string> written(const Decimal& d) {
    std::string text = d.positional();
    const size_t point = text.find('.');
    std::string behind = text.substr(point + 1);
    while (!behind.empty() && behind.back() == '0') behind.pop_back();
    return {text.substr(0, point), behind};
  }

  FloatColumn(const Tensor& t) : dtype(t.dtype) {
    double largest = 0, smallest = INFINITY;
    bool any = false, odd = false, minus_infinity = false;
    each_shown(t, 0, 0, [&](const void* e) {
      const double v = real_of(dtype, e);
      if (!std::isfinite(v)) {
        odd = true;
        minus_infinity |= std::isinf(v) && v < 0;
        return;
      }
      any = true;
      if (v == 0) return;
      largest = std::max(largest, std::fabs(v));
      smallest = std::min(smallest, std::fabs(v));
    });
    if (any && largest > 0) {
      // As many digits before the point as the dtype surely has, and no ratio that needs more.
      const double most = dtype == DType::f64 ? 1e8 : dtype == DType::f32 ? 1e6 : dtype == DType::f16 ? 1e3 : 1e2;
      const bool small = dtype == DType::f64 ? smallest < 0.0001 : static_cast<float>(smallest) < 0.0001f;
      exponents = largest >= most || small || largest / smallest > 1000;
    }
    each_shown(t, 0, 0, [&](const void* e) {
      const double v = real_of(dtype, e);
      if (!std::isfinite(v)) return;
      const size_t minus = std::signbit(v) ? 1 : 0;
      if (exponents) {
        const Decimal d = scientific_digits(e);
        fraction = std::max(fraction, static_cast<int>(d.digits.size()) - 1);
        exponent_digits = std::max(exponent_digits, static_cast<int>(std::to_string(std::abs(d.exponent)).size()));
        left = std::max(left, 1 + minus);
      } else {
        const auto [before, behind] = written(positional_digits(e));
        left = std::max(left, before.size() + minus);
        right = std::max(right, behind.size());
      }
    });
    if (exponents) right = static_cast<size_t>(exponent_digits + 2 + fraction);
    if (odd) {
      const size_t offset = right + 1, needed = minus_infinity ? 4 : 3;
      if (needed > offset) left = std::max(left, needed - offset);
    }
  }

  std::string operator()(const void* e) const {
    const double v = real_of(dtype, e);
    if (!std::isfinite(v)) {
      const std::string text = std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
      const size_t width = left + right + 1;
      return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
    }
    std::string before, behind;
    if (exponents) {
      const Decimal d = decimal_with(v, fraction);
      before = d.digits.substr(0, 1);
      behind = d.digits.substr(1);
      std::string power = std::to_string(std::abs(d.exponent));
      power.insert(0, static_cast<size_t>(exponent_digits) - power.size(), '0');
      behind += (d.exponent < 0 ? "e-" : "e+") + power;
    } else {
      std::tie(before, behind) = written(positional_digits(e));
      behind.resize(right, ' ');
    }
    if (std::signbit(v)) before.insert(0, 1, '-');
    return std::string(left > before.size() ? left - before.size() : 0, ' ') + before + "." + behind;
  }
};

class Layout {
 public:
  Layout(const Tensor& t, const std::function<std::string(const void*)>& element)
      : t_(t), element_(element), cut_(summarised(t)) {}

  std::string text() {
    if (t_.count() == 0) return "[]";
    return axis(0, 0, " ", kLine);
  }

 private:
  // One bracket. `indent` stands before every line of what it holds.
  std::string axis(int a, int64_t at, const std::string& indent, size_t width) {
    if (a == t_.rank()) {
      const auto* base = static_cast<const std::byte*>(t_.raw());
      return element_(base + at * static_cast<int64_t>(size_of(t_.dtype)));
    }
    const int64_t n = t_.shape[a];
    const bool cut = cut_ && n > 2 * kEdge;
    const bool row = a + 1 == t_.rank();
    std::string done, line = indent;
    for (int64_t i = 0; i < n; ++i) {
      if (cut && i == kEdge) {
        put(done, line, "...", row, indent, width, a, false);
        i = n - kEdge;
      }
      put(done, line, axis(a + 1, at + i * t_.strides[a], indent + " ", width - 1), row, indent, width, a,
          i + 1 == n);
    }
    if (row) done += line;
    return "[" + done.substr(indent.size()) + "]";
  }

  void put(std::string& done, std::string& line, const std::string& word, bool row,
           const std::string& indent, size_t width, int a, bool last) {
    if (!row) {
      done += indent + word;
      if (!last) done += std::string(static_cast<size_t>(t_.rank() - a - 1), '\n');
      return;
    }
    if (line.size() + word.size() > width - 1 && line.size() > indent.size()) {
      while (!line.empty() && line.back() == ' ') line.pop_back();
      done += line + "\n";
      line = indent;
    }
    line += word;
    if (!last) line += ' ';
  }

  const Tensor& t_;
  const std::function<std::string(const void*)>& element_;
  const bool cut_;
};

}  // namespace

std::string format_tensor(const Tensor& t, const std::function<std::string(const void*)>& element) {
  size_t width = 0;
  auto length = [](const std::string& s) {
    return static_cast<size_t>(std::count_if(
        s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  };
  each_shown(t, 0, 0, [&](const void* e) { width = std::max(width, length(element(e))); });
  return Layout(t, [&](const void* e) {
    std::string text = element(e);
    return std::string(width - length(text), ' ') + text;
  }).text();
}

std::string format_plain_tensor(const Tensor& t) {
  if (is_float(t.dtype)) return Layout(t, FloatColumn(t)).text();
  return format_tensor(t, [&](const void* e) { return format_element(t.dtype, e); });
}

}  // namespace tenon
