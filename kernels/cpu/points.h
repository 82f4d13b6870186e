// Point programs: scalar operations over the elements of an index space, in straight line. They run
// block at a time: each operation is one call over up to 1024 elements that stay in the L1 cache, as
// in numexpr or DuckDB. So neighbouring elementwise nodes cost one pass over memory, and the body of a
// `map` needs no compiler; and since each operation is the same scalar program as ever, the bits are
// those of running the nodes one by one.
//
//   PointProgram p;                                     // relu(x * w + b)
//   int x = p.input(DType::f32), w = p.input(DType::f32), b = p.input(DType::f32);
//   int zero = p.constant(DType::f32, 0.0f);
//   p.result(p.op(ir::Op::max, {p.op(ir::Op::add, {p.op(ir::Op::mul, {x, w}), b}), zero}));
//   p.finish();
//   run_points(p, {32, 64}, {{x_ptr, x_strides}, {w_ptr, nullptr}, ..}, {{out_ptr, nullptr}}, {}, threads);
#pragma once

#include <cstring>
#include <initializer_list>
#include <span>
#include <vector>

#include "ir/cost.h"
#include "kernels/cpu/view.h"
#include "runtime/threads.h"

namespace tenon::kernels {

class PointProgram {
 public:
  // Each gives the number of the slot that holds the value.
  int input(DType t);                                   // the next operand of run_points
  int constant_bytes(DType t, const void* bytes);       // one element
  template <class T>
  int constant(DType t, T v) { return constant_bytes(t, &v); }
  int index(int axis);                                  // i64: the position along an axis of the space
  // operand `which` of `reads` at i64 slots, one per axis; outside: E0802.
  int read(int which, DType t, const std::vector<int>& at);
  // The result dtype follows from the operands; convert says it.
  int op(ir::Op op, std::initializer_list<int> in) { return op_n(op, in.begin(), static_cast<int>(in.size())); }
  int op_n(ir::Op op, const int* in, int n);
  int convert(int in, DType to);
  void result(int slot);                                // any slot, inputs too
  void finish();                                        // no more; assigns memory to the slots

  DType type(int slot) const { return slots_[slot].dtype; }
  int inputs() const { return inputs_; }
  DType result_type(int i) const { return slots_[results_[i]].dtype; }
  int results() const { return static_cast<int>(results_.size()); }
  bool reads_by_index() const { return reads_by_index_; }
  ir::Work work() const;  // per element

 private:
  friend struct PointRunner;
  enum class Kind : uint8_t { input, constant, index, read, op };
  struct Slot {
    DType dtype;
    Kind kind;
    int32_t input = -1;      // input: operand; index: axis; read: which
    int32_t scratch = -1;    // its place among the scratch blocks
    uint64_t constant = 0;   // bytes of a constant
  };
  struct Instr {
    Kind kind;               // op or read
    ir::Op op;
    int32_t out;
    int32_t n = 0;
    int32_t in[kMaxRank];
  };
  std::vector<Slot> slots_;
  std::vector<Instr> code_;
  std::vector<int> results_;
  int inputs_ = 0;
  int scratch_ = 0;          // how many blocks live at once
  bool reads_by_index_ = false;
  bool finished_ = false;
};

// An operand over the index space: strides in elements per axis, 0 where it repeats; without
// strides it is one value for all.
struct PointOperand {
  const void* data;
  const int64_t* strides;
};
// Without strides: row-major. A result may be the very memory of an operand that is read at the same
// places; otherwise results overlap nothing.
struct PointResult {
  void* data;
  const int64_t* strides;
};

// Throws Trap E0801 (integer division by zero) or E0802 (a read outside).
void run_points(const PointProgram& program, const Extents& space,
                std::span<const PointOperand> operands, std::span<const PointResult> results,
                std::span<const View> reads, Threads& threads);

// map: the program has one result; its space is `out` followed by `red` axes. result[out] = the
// reduction over red, in the order written in docs/semantics.md. `result` is row-major.
void run_map(const PointProgram& program, const Extents& out, const Extents& red, ir::ReduceKind kind,
             std::span<const PointOperand> operands, std::span<const View> reads, void* result,
             Threads& threads);

// scatter: the program's results are x.rank i64 targets and one value of x's dtype. x (already the
// copy of the operand) += value, in row-major order of the space. Outside: E0802.
void run_scatter(const PointProgram& program, const Extents& space,
                 std::span<const PointOperand> operands, std::span<const View> reads, const View& x,
                 Threads& threads);

// One operation on whole tensors of equal shape; `out` is row-major.
void run_point(ir::Op op, std::span<const View> in, const View& out, Threads& threads);

}  // namespace tenon::kernels
