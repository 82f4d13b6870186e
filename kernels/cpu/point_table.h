// The block kernels: one scalar operation over a block of contiguous elements, per operation, dtype
// and level. What points.cpp calls.
#pragma once

#include <cstdint>

#include "ir/dtype.h"
#include "ir/op.h"

namespace tenon::kernels {

// An operand with step 0 is one value, written at least kSplat times at its address; with step 1 it
// is n elements. *trap becomes true where the operation traps (integer division by zero).
inline constexpr int kSplat = 16;
using BlockKernel = void (*)(void* out, const void* const* in, const int* steps, int64_t n,
                             bool* trap);

inline constexpr int kScalarOpCount = 0
#define SCALAR(name, arity, cls) +1
#define OTHER(name)
    TENON_SCALAR_OPS(SCALAR) TENON_OTHER_OPS(OTHER);
#undef SCALAR
#undef OTHER

struct PointTable {
  BlockKernel op[kScalarOpCount][kDTypeCount] =
      {};  // by the dtype of the operands (select: values)
  BlockKernel convert[kDTypeCount][kDTypeCount] = {};  // [from][to]
};

// f16 and bf16 are not in these; points.cpp goes through f32.
namespace v3 {
void fill_integer(PointTable& table);
void fill_f32(PointTable& table);
void fill_f64(PointTable& table);
}  // namespace v3
namespace v4 {
void fill_integer(PointTable& table);
void fill_f32(PointTable& table);
void fill_f64(PointTable& table);
}  // namespace v4

// Of the level in force; complete.
const PointTable& point_table();

}  // namespace tenon::kernels
