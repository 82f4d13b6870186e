// Elementwise work on the result of a contraction, done where its elements come to an end: block by block,
// while a block lies in the cache of the core that made it. The plan says what belongs to it and compiles
// it (jit/plan/finish.cpp); the kernel of the contraction calls it once for each element.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/threads.h"

namespace tenon::kernels {

struct Finish {
  // The result as a row-major matrix: the plan has cut its axes into rows and columns.
  int64_t rows = 0, columns = 0;
  int64_t work = 1;  // operations on an element, about

  // Elements [row0, row1) x [col0, col1) are complete: (i, j) lies at from + i * from_row + j, counted in
  // elements, in the result itself or wherever the kernel holds the block. Any thread calls it, and
  // several do at the same time.
  void (*block)(const Finish& f, int64_t row0, int64_t row1, int64_t col0, int64_t col1, const void* from,
                int64_t from_row) = nullptr;

  void operator()(int64_t row0, int64_t row1, int64_t col0, int64_t col1, const void* from,
                  int64_t from_row) const {
    block(*this, row0, row1, col0, col1, from, from_row);
  }

  // Behind a kernel that has not called it on its way.
  void all(const void* result, Threads& threads) const {
    constexpr int64_t kGrain = 32768;  // as launch.cpp cuts
    const int64_t each = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, columns * work));
    threads.each((rows + each - 1) / each, [&](int64_t i) {
      block(*this, i * each, std::min(rows, (i + 1) * each), 0, columns, result, columns);
    });
  }
};

}  // namespace tenon::kernels
