// The CUDA driver of this machine behind the Gpu interface; what was found of it, for `tenon doctor`.
#pragma once

#include <string>

namespace tenon::cuda {

struct DriverState {
  bool found = false;
  std::string text;  // "NVIDIA H100, driver 12.8, sm_90", or what is missing and was tried
  std::string hint;
};
const DriverState& driver_state();

}  // namespace tenon::cuda
