// Short text of numbers (show.h).
#include "runtime/show.h"

#include "runtime/format.h"

namespace tenon {

namespace {

constexpr int64_t kMost = 6;  // elements shown of an axis

void show_axis(const Tensor& t, int axis, int64_t at, std::string& out) {
  if (axis == t.rank()) {
    const auto* base = static_cast<const std::byte*>(t.raw());
    out += format_element(t.dtype, base + at * static_cast<int64_t>(size_of(t.dtype)));
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

std::string show_element(DType t, const void* element) { return format_element(t, element); }

std::string show(const Tensor& t) {
  std::string out;
  show_axis(t, 0, 0, out);
  return out;
}

std::string fill_holes(std::string_view text, std::span<const Tensor> values) {
  return fill_template(text, values, show);
}

}  // namespace tenon
