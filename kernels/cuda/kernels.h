// The texts of kernels/cuda/*.cuh, embedded by the build.
#pragma once

#include <string_view>

namespace tenon::kernels {

// What stands before every kernel: prelude, move, fold, tensor_core, gemm, tile.
std::string_view cuda_prelude();
// And behind that before those of warpgroups (sm_90a): warpgroup, gemm_group.
std::string_view cuda_warpgroups();

}  // namespace tenon::kernels
