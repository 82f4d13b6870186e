// The loops of reductions, per kind, dtype and level. A 16-bit float is accumulated in f32: its
// *sum type*; that of any other dtype is the dtype itself.
#pragma once

#include <cstdint>

#include "ir/dtype.h"
#include "ir/op.h"

namespace tenon::kernels {

inline constexpr int kReduceKinds = 6;
inline constexpr int64_t kRunChunk = 16384;   // docs/semantics.md: sum_run
inline constexpr int64_t kColChunk = 256;     // sum_col
inline constexpr int64_t kChainBlock = 1024;  // contract, and map with an output index

constexpr DType sum_type(DType t) { return t == DType::f16 || t == DType::bf16 ? DType::f32 : t; }

struct ReduceTable {
  // One chunk of sum_run: n <= kRunChunk contiguous elements; *out is of the sum type.
  using Run = void (*)(const void* x, int64_t n, void* out);
  // `count` whole chunks that lie behind each other, several side by side: one stream of memory
  // alone is waited for.
  using Chunks = void (*)(const void* x, int64_t count, void* out);
  // acc[c] = op(acc[c], x[r * stride + c]) for r ascending; acc is of the sum type.
  using Columns = void (*)(void* acc, const void* x, int64_t rows, int64_t stride, int64_t cols);
  // One chunk of sum_run with p[j] = fma(a, b, p[j]).
  using Dot = void (*)(const void* a, const void* b, int64_t n, void* out);

  Run run[kReduceKinds][kDTypeCount] = {};
  Chunks chunks[kReduceKinds][kDTypeCount] = {};
  Columns columns[kReduceKinds][kDTypeCount] = {};
  Dot dot[kDTypeCount] = {};
};

namespace v3 {
void fill(ReduceTable& table);
}
namespace v4 {
void fill(ReduceTable& table);
}

const ReduceTable& reduce_table();  // of the level in force

// The identity of a reduction, of dtype t (a sum type), written to *out.
void identity(ir::ReduceKind kind, DType t, void* out);

// sum_run over any number of contiguous elements, on the calling thread; *out is of the sum type.
void run_contiguous(ir::ReduceKind kind, DType t, const void* x, int64_t n, void* out);

constexpr bool reduces(ir::ReduceKind kind, DType t) {
  bool truth = kind == ir::ReduceKind::any || kind == ir::ReduceKind::all;
  return truth == (t == DType::boolean);
}

}  // namespace tenon::kernels
