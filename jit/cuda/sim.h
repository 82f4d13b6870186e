// What the emulator finds wrong with a kernel: an access outside of memory, a deadlock, a launch that no
// GPU would take. Always our own mistake, so the engine makes a bug report of it; tests catch it.
#pragma once

#include <stdexcept>

namespace tenon::cuda {

struct SimFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace tenon::cuda
