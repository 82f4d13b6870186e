// The batched matrix product over groups of indices, behind every contraction with a free index.
#pragma once

#include <cstdint>

#include "ir/dtype.h"
#include "runtime/buffer.h"
#include "runtime/threads.h"

namespace tenon::kernels {

inline constexpr int kMostIndices = 16;

// Indices that run together, row-major, with a stride each in a and in b (elements). Neighbours
// that both operands walk as one are one.
struct Group {
  int n = 0;
  int64_t range[kMostIndices];
  int64_t s[2][kMostIndices];

  void add(int64_t extent, int64_t in_a, int64_t in_b) {
    if (extent == 1) return;
    if (n > 0 && s[0][n - 1] == in_a * extent && s[1][n - 1] == in_b * extent) {
      range[n - 1] *= extent;
      s[0][n - 1] = in_a;
      s[1][n - 1] = in_b;
      return;
    }
    range[n] = extent;
    s[0][n] = in_a;
    s[1][n++] = in_b;
  }
  int64_t count() const {
    int64_t c = 1;
    for (int i = 0; i < n; ++i) c *= range[i];
    return c;
  }
};

// c[batch.., rows.., cols..] = the chain over depth of a * b, in blocks of 1024
// (docs/semantics.md). c is row-major but for c_row, the distance of its rows when that is not the
// number of columns.
struct ProductSpec {
  Group batch, rows, cols, depth;
  const void* a;
  const void* b;
  void* c;
  int64_t c_row = -1;
  bool goes_on = false;    // c holds the chain up to here; depth stays within its block of 1024
  Buffer* kept = nullptr;  // b's, if it does not change (packs.h)
};
void product(DType t, const ProductSpec& spec, Threads& threads);  // f32 or f64

}  // namespace tenon::kernels
