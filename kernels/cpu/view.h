// What a kernel sees of a tensor: a pointer, extents and strides; no counting, no ownership. Compiled
// code fills one in on its stack, the interpreter takes one of a Tensor.
#pragma once

#include <cstdint>

#include "ir/dtype.h"
#include "runtime/tensor.h"

namespace tenon::kernels {

struct View {
  void* data = nullptr;              // the first element (offset applied)
  const int64_t* shape = nullptr;    // rank numbers
  const int64_t* strides = nullptr;  // in elements; 0 where a value repeats
  int32_t rank = 0;
  DType dtype = DType::f32;

  View() = default;
  View(void* d, const int64_t* sh, const int64_t* st, int r, DType t)
      : data(d), shape(sh), strides(st), rank(r), dtype(t) {}
  // Of a tensor that outlives the view. What is only read is passed as a const Tensor.
  View(const Tensor& t)  // NOLINT: implicit, so that a Tensor can stand wherever a View is asked for
      : data(const_cast<void*>(t.raw())), shape(t.shape.begin()), strides(t.strides.begin()),
        rank(t.rank()), dtype(t.dtype) {}

  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }
  bool contiguous() const {
    int64_t expect = 1;
    for (int i = rank - 1; i >= 0; --i) {
      if (shape[i] != 1 && strides[i] != expect) return false;
      expect *= shape[i];
    }
    return true;
  }
};

}  // namespace tenon::kernels
