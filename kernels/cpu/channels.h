// Products in which the columns belong to both operands, or one operand has one element for all of them:
// depthwise convolutions and their derivatives. There is no matrix in them; a vector holds columns.
#pragma once

#include "kernels/cpu/window.h"

namespace tenon::kernels {

// c[row, j] = the chain over depth of a[row, depth, j] * b[row, depth, j], in blocks of 1024
// (docs/semantics.md), each with any strides for rows and depth, and 1 for j. `splat`: b has no j.
struct ChannelSpec {
  Axes rows_a, rows_b, rows_c, depth_a, depth_b;
  int64_t columns;
  bool splat = false;
  const void* a;
  const void* b;
  void* c;
};
void channel_product(DType t, const ChannelSpec& spec, Threads& threads);  // f32 or f64

}  // namespace tenon::kernels
