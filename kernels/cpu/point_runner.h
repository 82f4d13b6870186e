// Runs a point program over ranges of its index space: shared by elementwise nodes, map and
// scatter.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <string>

#include "kernels/cpu/point_table.h"
#include "kernels/cpu/points.h"

namespace tenon::kernels {

inline constexpr int kMaxSpace = 2 * kMaxRank;  // a map has axes out and red

struct PointRunner {
  PointRunner(const PointProgram& program, std::span<const int64_t> space,
              std::span<const PointOperand> operands, std::span<const PointResult> results,
              std::span<const View> reads);

  int64_t count() const { return count_; }
  // How many elements make a piece of work for one thread.
  int64_t piece() const;
  // Elements [begin, end) of the space, row-major. `packed`: a place for each result, whose first
  // element is that of `begin`; without it results go where the constructor was told.
  void run(int64_t begin, int64_t end, void* const* packed = nullptr);
  void run_all(Threads& threads);
  // Throws what the runs met: the read with the smallest position in the space, or a division.
  void rethrow();

 private:
  enum class Access : uint8_t { uniform, dense, row, row_splat, packed };
  struct Operand {
    const char* data;
    int64_t strides[kMaxSpace];
    Access access;
  };
  struct Result {
    char* data;
    int64_t strides[kMaxSpace];
    bool dense;
    bool direct;  // written by the operation itself, not copied from scratch
  };
  struct Place {  // where a slot is for the block at hand
    const char* p;
    int step;
    bool counts;  // successive integers from the first: indices of the inner axis
  };
  struct Memory;  // of one thread

  void run_op(const PointProgram::Instr& code, void* out, const Place* places, int64_t n,
              bool* trap);
  bool run_read(const PointProgram::Instr& code, char* out, const Place* places, int64_t begin,
                int64_t n);
  void outside(int64_t position, int64_t index, int axis, int64_t extent);

  const PointProgram& program_;
  std::span<const View> reads_;
  int rank_ = 0;
  int64_t shape_[kMaxSpace];
  int64_t inner_ = 1;  // extent of the last axis
  bool by_rows_ = true;
  int64_t count_ = 1;
  int64_t block_ = 1024;
  std::vector<Operand> operands_;
  std::vector<Result> results_;
  const PointTable& table_;

  std::atomic<bool> trapped_{false};
  std::mutex mutex_;
  int64_t outside_at_ = INT64_MAX;
  std::string outside_;
};

// An operation whose dtype is f16 or bf16, by way of f32; any other directly.
void run_block(const PointTable& table, ir::Op op, DType t, void* out, const void* const* in,
               const int* steps, int n_in, int64_t n, bool* trap);
void convert_any(const PointTable& table, DType from, DType to, void* out, const void* in, int step,
                 int64_t n, bool* trap);

}  // namespace tenon::kernels
