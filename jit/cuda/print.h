// Prints kernels of the loop IR as CUDA C++ (law 5: the second printer), over the names of
// kernels/cuda/prelude.cuh. One text serves NVRTC and the emulator, and all sizes.
//
//   thread   a kernel whose outermost loop is over elements: a thread an element, in a grid stride
//   block    the same with 256 threads an item, for long ones: they fetch and compute the elements of a fold,
//            2048 at a time, and 64 of them add what they find in shared memory
//   tile     one of tiles (loop::Tile): 256 threads an item, in a family of kernels/cuda/tile.cuh
//   warp     one with folds or inner loops over elements: 32 threads an item. A fold's partials j and
//            j + 32 belong to lane j, so sums have the CPU's bits; what is not in such a loop is computed
//            by every thread alike, and stored by the first.
//
// In loops over elements a thread takes neighbours in memory 16 bytes at a time (wide.h): a lane in a fold two of
// them, so that its partials are 2 j and 2 j + 1 there, which go to where they belong before the last steps.
#pragma once

#include <functional>
#include <string>

#include "ir/dtype.h"
#include "jit/loop/loop.h"

namespace tenon::cuda {

enum class Shape : uint8_t { thread, warp, block, tile };
inline constexpr int kWarp = 32, kBlock = 256;

Shape shape_of(const loop::Function& kernel);
// Whether a statement is the loop over the kernel's items.
bool over_items(const loop::Function& kernel, const loop::Stmt& s);
// Of a kernel in the shape of a warp: what tells how long its items are, as a parameter's number or a
// constant; neither where it cannot be a block's.
struct Length {
  int param = -1;
  int64_t constant = 0;
};
Length length_of(const loop::Function& kernel);

// A kernel named `name` of the slots (order, hi, trap, params..): it works on items [0, hi). Of those that
// meet a trap the least, `order` added, is left in the record at `trap` (tn_trapped), with the number of
// the trap and the values of its message. In the shape `warp` an item may meet several: which one is first
// shows when it runs alone.
std::string print_kernel(const loop::Function& kernel, const std::string& name, Shape shape);

// Statements that fill the TnGemm (gemm.cuh) named `self` with the addresses and indices of a product, each
// member from what `next` says.
std::string gemm_members(const std::string& self, const loop::Tile::Indices& indices,
                         const std::function<std::string()>& next);

// The names in the prelude: of a value in the loop IR, of a dtype in memory, of a reduction.
std::string_view type_name(loop::Ty t);
std::string_view storage_name(DType t);
std::string_view kind_name(ir::ReduceKind k);
inline constexpr size_t kOwnSlots = 3;  // in front of the kernel's params

}  // namespace tenon::cuda
