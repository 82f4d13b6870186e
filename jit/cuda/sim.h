// What the emulator finds wrong with a kernel: an access outside of memory, a deadlock, a launch that no
// GPU would take. Always our own mistake, so the engine makes a bug report of it; tests catch it.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace tenon::cuda {

struct SimFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// For tests of the emulator: from here on the host does not wait for memory that it writes again, or for a result.
enum class Lost : uint8_t { none, staging, result };
void lose_waits(Lost which);

}  // namespace tenon::cuda
