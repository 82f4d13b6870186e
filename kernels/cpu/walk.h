// Walking strided spaces: the position and offset of successive elements, and packing of ranges.
#pragma once

#include <cstdint>

#include "kernels/cpu/view.h"

namespace tenon::kernels {

inline bool contiguous(const int64_t* shape, const int64_t* strides, int rank) {
  int64_t expect = 1;
  for (int i = rank - 1; i >= 0; --i) {
    if (shape[i] != 1 && strides[i] != expect) return false;
    expect *= shape[i];
  }
  return true;
}

// Row-major over a shape, from a linear position on.
class Walk {
 public:
  Walk(const int64_t* shape, const int64_t* strides, int rank, int64_t position)
      : shape_(shape), strides_(strides), rank_(rank) {
    for (int i = rank - 1; i >= 0; --i) {
      at_[i] = shape[i] > 0 ? position % shape[i] : 0;
      position = shape[i] > 0 ? position / shape[i] : 0;
      offset_ += at_[i] * strides[i];
    }
  }
  int64_t offset() const { return offset_; }  // in elements
  int64_t at(int axis) const { return at_[axis]; }
  void next() { skip(1); }
  // On by n, which stays within the last axis or reaches its end exactly.
  void skip(int64_t n) {
    if (rank_ == 0) return;
    at_[rank_ - 1] += n;
    offset_ += n * strides_[rank_ - 1];
    for (int i = rank_ - 1; i > 0 && at_[i] >= shape_[i]; --i) {
      offset_ += strides_[i - 1] - at_[i] * strides_[i];
      at_[i] = 0;
      ++at_[i - 1];
    }
  }

 private:
  const int64_t* shape_;
  const int64_t* strides_;
  int rank_;
  int64_t at_[2 * kMaxRank] = {};
  int64_t offset_ = 0;
};

// Elements [begin, end) of x, row-major, into contiguous memory.
void pack(const View& x, int64_t begin, int64_t end, void* to);

// Values of a sum type into `out` of a narrower dtype, rounding once; nothing when equal.
void narrow(DType sum, const void* from, const View& out);

}  // namespace tenon::kernels
