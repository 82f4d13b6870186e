// The zeros around an operand of a product, left out: a border of a convolution, and what a stride spreads
// its cotangent with. Rows that meet the same zeros make one part of window.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/window.h"
#include "runtime/threads.h"

namespace tenon::kernels {

// An axis of which only `extent` places hold elements, at start + step * i. A product reads it at
// row_coefficient * row + tap_coefficient * tap + offset, for an index of its rows and one of its depth.
struct FramedAxis {
  int row = -1, tap = -1;
  int64_t row_coefficient = 0, tap_coefficient = 0, offset = 0, start = 0, step = 1;
  int64_t extent = 0, stride = 0;  // of the elements there are
};

// An index of rows or of depth, with its strides where no framed axis reads it.
struct PartIndex {
  int64_t range, a, c;
  int axis = -1;  // the framed one that reads it
};

// None where there would be too many.
std::vector<WindowPart> parts_of(std::span<const FramedAxis> axes, std::span<const PartIndex> rows,
                                 std::span<const PartIndex> depth, Threads& threads);

}  // namespace tenon::kernels
