// Views, packed copies and comparisons of tensors.
#include "runtime/tensor.h"

#include <cmath>
#include <cstring>

#include "ir/scalar/program.h"
#include "runtime/copy.h"
#include "runtime/trap.h"

namespace tenon {

Extents row_major(const Extents& shape) {
  Extents strides = shape;
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

namespace {

// The bytes of a shape; what does not even fit a number is refused by the arena as the largest one.
size_t bytes_of(DType t, const Extents& shape) {
  int64_t n = static_cast<int64_t>(size_of(t));
  bool overflow = false, empty = false;
  for (int64_t x : shape) {
    empty |= x == 0;
    overflow |= __builtin_mul_overflow(n, x, &n);
  }
  if (empty) return 0;
  return overflow ? ~size_t{0} >> 1 : static_cast<size_t>(n);
}

}  // namespace

Tensor::Tensor(DType t, const Extents& s)
    : buffer(Buffer::allocate(bytes_of(t, s))), shape(s), strides(row_major(s)), dtype(t) {}

bool Tensor::contiguous() const {
  int64_t expect = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape[i] != 1 && strides[i] != expect) return false;
    expect *= shape[i];
  }
  return true;
}

Tensor Tensor::transposed(std::span<const int> axes) const {
  Tensor r = *this;
  for (size_t i = 0; i < axes.size(); ++i) {
    r.shape[static_cast<int>(i)] = shape[axes[i]];
    r.strides[static_cast<int>(i)] = strides[axes[i]];
  }
  return r;
}

Tensor Tensor::broadcast(const Extents& to, std::span<const int> axes) const {
  Tensor r = *this;
  r.shape = to;
  r.strides = to;
  for (int i = 0; i < to.size(); ++i) r.strides[i] = 0;
  for (size_t i = 0; i < axes.size(); ++i)
    if (shape[static_cast<int>(i)] != 1 || to[axes[i]] == 1)
      r.strides[axes[i]] = strides[static_cast<int>(i)];
  return r;
}

Tensor Tensor::sliced(const Extents& starts, const Extents& to,
                      std::span<const int64_t> steps) const {
  Tensor r = *this;
  r.shape = to;
  for (int i = 0; i < rank(); ++i) {
    r.offset += starts[i] * strides[i];
    r.strides[i] = strides[i] * steps[static_cast<size_t>(i)];
  }
  return r;
}

Tensor Tensor::packed() const {
  if (contiguous()) return *this;
  Tensor r(dtype, shape);
  copy_strided(r.raw(), r.strides.begin(), raw(), strides.begin(), shape.begin(), rank(),
               size_of(dtype));
  return r;
}

Tensor Tensor::reshaped(const Extents& to) const {
  Tensor r = packed();
  r.shape = to;
  r.strides = row_major(to);
  return r;
}

int64_t Tensor::as_int() const {
  int64_t v = 0;
  scalar::visit_dtype(dtype, [&]<DType t>() {
    scalar::Plain m;
    v = scalar::convert<t, DType::i64>(m, scalar::load_plain<t>(*data<scalar::Storage<t>>()));
  });
  return v;
}

double Tensor::as_double() const {
  double v = 0;
  scalar::visit_dtype(dtype, [&]<DType t>() {
    scalar::Plain m;
    v = scalar::convert<t, DType::f64>(m, scalar::load_plain<t>(*data<scalar::Storage<t>>()));
  });
  return v;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || !(a.shape == b.shape)) return false;
  Tensor x = a.packed(), y = b.packed();
  if (std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes())) == 0) return true;
  bool same = true;
  scalar::visit_dtype(a.dtype, [&]<DType t>() {
    using S = scalar::Storage<t>;
    const S *p = x.data<S>(), *q = y.data<S>();
    for (int64_t i = 0, n = x.count(); i < n && same; ++i) {
      if (std::memcmp(p + i, q + i, sizeof(S)) == 0) continue;
      if constexpr (is_float(t)) {
        auto u = scalar::load_plain<t>(p[i]), v = scalar::load_plain<t>(q[i]);
        same = u != u && v != v;  // any NaN equals any NaN
      } else {
        same = false;
      }
    }
  });
  return same;
}

}  // namespace tenon
