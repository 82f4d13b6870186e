// Products whose operands are read through windows: convolutions, their derivatives, and whatever
// else is read at places that no single stride describes.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/dtype.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/tile_table.h"
#include "runtime/threads.h"

namespace tenon::kernels {

// Indices that run together, row-major, as one operand walks them: a stride each, in elements.
// Neighbours that are walked as one are one.
class Axes {
 public:
  void add(int64_t extent, int64_t stride) {
    count_ *= extent;
    if (extent == 1) return;
    if (n > 0 && strides[n - 1] == stride * extent) {
      range[n - 1] *= extent;
      strides[n - 1] = stride;
      return;
    }
    range[n] = extent;
    strides[n++] = stride;
  }
  int64_t count() const { return count_; }
  // Where the elements [first, first + count) lie; told every `gap` numbers.
  void offsets(int64_t first, int64_t count, int64_t* to, int64_t gap = 1) const;
  // One stride for all: of an operand that needs no table.
  bool even() const { return n <= 1; }
  int64_t stride() const { return n == 0 ? 0 : strides[n - 1]; }  // of the innermost
  int64_t run() const { return n == 0 ? count_ : range[n - 1]; }

  int n = 0;
  int64_t range[kMostIndices], strides[kMostIndices];

 private:
  int64_t count_ = 1;
};

// c[batch.., rows.., cols..] = the chain over depth of a[batch, rows, depth] * b[batch, depth, cols], in
// blocks of 1024 (docs/semantics.md), each with any strides. a is read where it lies, element by
// element, so it is the operand with the windows; b is read in vectors along its columns, and packed
// where it does not lie so.
//
// `parts`, if there are any, are all rows. What they leave out of the depth is known to be zeros of a, and is
// not multiplied; there is no batch then, and b is finite. The bits are those of all the depth.
struct WindowPart {
  Axes rows_a, rows_c;
  int64_t a = 0, c = 0;           // where they begin, in elements
  std::vector<WindowStep> steps;  // a: from a row's beginning; b: the place in the depth
};
struct WindowSpec {
  Axes batch_a, batch_b, batch_c, rows_a, rows_c, cols_b, cols_c, depth_a, depth_b;
  const void* a;
  const void* b;
  void* c;
  Buffer* kept = nullptr;  // b's, if it does not change (packs.h)
  std::vector<WindowPart> parts;
};
void window_product(DType t, const WindowSpec& spec, Threads& threads);  // f32 or f64

// Whether b has neither infinities nor NaN, so that its product with a zero is a zero. What is kept beside
// b's buffer is not looked at again.
bool finite(DType t, const WindowSpec& spec, Threads& threads);

}  // namespace tenon::kernels
