// The text of kernels/cuda/*.cuh, embedded by the build: what stands before every generated kernel.
#pragma once

#include <string_view>

namespace tenon::kernels {

std::string_view cuda_prelude();  // prelude, move, fold, tensor_core, gemm, tile

}  // namespace tenon::kernels
