// Tensors at run time: a counted buffer and a strided view of it. Elements are never changed through
// a Tensor that others can see: who wants to write asks `unique()` first (law: values, not mutation).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "ir/dtype.h"
#include "runtime/buffer.h"

namespace tenon {

inline constexpr int kMaxRank = 8;

// A small inline list of int64: shapes and strides.
class Extents {
 public:
  Extents() = default;
  Extents(std::initializer_list<int64_t> v) { for (int64_t x : v) push_back(x); }
  explicit Extents(std::span<const int64_t> v) { for (int64_t x : v) push_back(x); }
  int size() const { return n_; }
  bool empty() const { return n_ == 0; }
  int64_t operator[](int i) const { return v_[i]; }
  int64_t& operator[](int i) { return v_[i]; }
  void push_back(int64_t x) { v_[n_++] = x; }
  const int64_t* begin() const { return v_.data(); }
  const int64_t* end() const { return v_.data() + n_; }
  int64_t product() const { int64_t p = 1; for (int64_t x : *this) p *= x; return p; }
  friend bool operator==(const Extents& a, const Extents& b) {
    if (a.n_ != b.n_) return false;
    for (int i = 0; i < a.n_; ++i) if (a.v_[i] != b.v_[i]) return false;
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> v_{};
  int n_ = 0;
};

Extents row_major(const Extents& shape);  // strides in elements

struct Tensor {
  boost::intrusive_ptr<Buffer> buffer;
  int64_t offset = 0;  // in elements
  Extents shape;
  Extents strides;     // in elements; 0 where a value repeats
  DType dtype = DType::f32;

  Tensor() = default;
  // Uninitialised, row-major. Throws Trap E0805 when there is not enough memory.
  Tensor(DType t, const Extents& shape);

  int rank() const { return shape.size(); }
  int64_t count() const { return shape.product(); }
  int64_t bytes() const { return count() * static_cast<int64_t>(size_of(dtype)); }
  bool contiguous() const;            // row-major without gaps (axes of size 1 do not count)
  bool unique() const { return buffer && buffer->sole(); }  // see Buffer::sole

  template <class T> T* data() { return reinterpret_cast<T*>(buffer->data()) + offset; }
  template <class T> const T* data() const { return reinterpret_cast<const T*>(buffer->data()) + offset; }
  void* raw() { return buffer->data() + offset * static_cast<int64_t>(size_of(dtype)); }
  const void* raw() const { return buffer->data() + offset * static_cast<int64_t>(size_of(dtype)); }

  // Views: no element moves.
  Tensor transposed(std::span<const int> axes) const;
  Tensor broadcast(const Extents& to, std::span<const int> axes) const;  // see ir: BroadcastAttr
  Tensor sliced(const Extents& starts, const Extents& to, std::span<const int64_t> steps) const;

  Tensor packed() const;                     // itself when contiguous, else a row-major copy
  Tensor reshaped(const Extents& to) const;  // a view when contiguous, else of a copy

  template <class T> static Tensor scalar(DType t, T value) {
    Tensor r(t, {});
    *r.data<T>() = value;
    return r;
  }
  // The value of a rank-0 tensor of any dtype (bool: 0 or 1).
  int64_t as_int() const;
  double as_double() const;
};

// Equal dtype, shape and bits, where any NaN equals any NaN (law 1).
bool same_bits(const Tensor& a, const Tensor& b);

}  // namespace tenon
