// Matrix products on warpgroups (kernels/cuda/gemm_group.cuh): which contractions are such, and their launch.
#pragma once

#include <string>
#include <vector>

#include "ir/dtype.h"

namespace tenon::cuda {

class Stage;

// A contraction as every index moves in its tensors, in elements; operands by their addresses.
struct GroupProduct {
  struct Index {
    int64_t extent, a, b, out;
  };
  DType dtype;
  int64_t a, b, out;
  std::vector<Index> rows, cols, batch, sum;  // the outermost first
};
// Runs it there, and says whether: indices of a kind must fold into one (a batch into two), lines be aligned to
// 16 bytes as TMA has to have them, and the matrices fill a tile.
bool multiply_on_warpgroups(GroupProduct p, Stage& stage);

// An instance of the family, behind the prelude: its name, `kind` of warpgroup.cuh, its columns.
std::string group_kernel(const std::string& name, DType t, int kind, int columns);
inline constexpr size_t kGroupSlots = 43;
inline constexpr int kGroupThreads = 384;

}  // namespace tenon::cuda
