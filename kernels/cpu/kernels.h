// The eager kernels of the CPU: what the interpreter calls per node, what compiled drivers call for
// contractions and the like, and what claims are compared with. Orders of accumulation are those of
// docs/semantics.md, for any number of threads and either object (v3: AVX2, v4: AVX-512).
//
// Conventions: `out` is row-major, has its shape, and overlaps no operand unless said otherwise;
// operands have any strides, 0 and negative too. Shapes were checked before; what only data can make
// wrong throws Trap. Elementwise work is in points.h.
#pragma once

#include <span>
#include <vector>

#include "ir/function.h"
#include "ir/op.h"
#include "kernels/cpu/points.h"
#include "kernels/cpu/view.h"
#include "runtime/buffer.h"
#include "runtime/threads.h"

namespace tenon::kernels {

// ---- which object runs: asked of the CPU once, TENON_ISA=v3|v4 or set_isa override it (for tests).
enum class Isa : uint8_t { v3, v4 };
bool supported(Isa isa);
Isa isa();
void set_isa(Isa isa);  // bug() when not supported

// ---- reductions
// axes ascending; `out` has x's shape without them. f16 and bf16 accumulate in f32, rounding once.
void reduce(ir::ReduceKind kind, const View& x, std::span<const int> axes, const View& out,
            Threads& threads);
// i64 result: the first winner; NaN wins. An empty axis traps (E0802).
void arg_reduce(ir::ReduceKind kind, const View& x, int axis, const View& out, Threads& threads);
// Inclusive, strictly sequential along the axis.
void scan(ir::ReduceKind kind, const View& x, int axis, bool reverse, const View& out,
          Threads& threads);

// ---- contraction (ir: ContractSpec). The numbers that spec's Dims came to: a range per index, an
// offset per axis of a and b (empty: all 0).
// An operand that does not change (a weight) may come with its buffer: then what a product packs of it
// is kept there (packs.h).
struct Kept {
  Buffer *a = nullptr, *b = nullptr;
};
// `frame`: one operand is zero but for the part that is given in its place. It has `shape`, and element i of
// the part along an axis is its element start + step * i.
struct Frame {
  int side;  // 0: a, 1: b
  std::span<const int64_t> shape, starts, steps;
};
void contract(const ir::ContractSpec& spec, std::span<const int64_t> range,
              std::span<const int64_t> offset_a, std::span<const int64_t> offset_b, const View& a,
              const View& b, const View& out, Threads& threads, Kept kept = {},
              const Frame* frame = nullptr);
// The same for a contraction of f32 or f64 that sums over one index, a stretch of it at a time: `range`, a
// and b are those of the positions from `first` on, of `whole` in all. The stretches come in order; `out`
// holds its elements behind the last one, and `sums`, memory for twice as many, what is summed up to then.
struct Stretch {
  int64_t first, whole;
  void* sums;
};
void contract_stretch(const ir::ContractSpec& spec, std::span<const int64_t> range, const View& a,
                      const View& b, const View& out, Stretch at, Threads& threads);

// The plain matrix product behind it, for compiled drivers, f32 and f64: c[i, m, n] = the chain over k
// of a[i, m, k] * b[i, k, n], as in a contraction with a free index. Strides are in elements, any for
// a and b; the columns of c are contiguous.
struct MatmulArgs {
  const void* a;
  const void* b;
  void* c;
  int64_t batch, rows, cols, depth;
  int64_t a_batch, a_row, a_depth;
  int64_t b_batch, b_depth, b_col;
  int64_t c_batch, c_row;
};
void matmul(DType dtype, const MatmulArgs& args, Threads& threads);

// ---- moving. `out` and `x` have equal dtypes; copy takes any strides on both sides.
void copy(const View& x, const View& out, Threads& threads);
void concat(std::span<const View> parts, int axis, const View& out, Threads& threads);
void iota(int axis, const View& out, Threads& threads);
void fill(const View& out, const void* element, Threads& threads);
// E0802 when [start, start + step * (extent - 1)] leaves an axis of `shape`.
void check_slice(std::span<const int64_t> shape, std::span<const int64_t> starts,
                 std::span<const int64_t> extents, std::span<const int64_t> steps);
// x (the copy of the operand, any strides) at starts + steps * i becomes v[i]; checked as above.
void update(const View& x, const View& v, std::span<const int64_t> starts,
            std::span<const int64_t> steps, Threads& threads);

// ---- order
// Stable, ascending, NaN last; -0 and +0 are equal. `permutation` is i64: values[i] = x[perm[i]].
void sort(const View& x, int axis, const View& values, const View& permutation, Threads& threads);

// ---- rows by number: index is i64 of any shape S; table [N, R..]; out and rows are S ++ R.
void gather_rows(const View& table, const View& index, const View& out, Threads& threads);  // E0802
// table (row-major, already the copy of the operand) += rows, in row-major order of index.
void scatter_add_rows(const View& table, const View& index, const View& rows, Threads& threads);

}  // namespace tenon::kernels
