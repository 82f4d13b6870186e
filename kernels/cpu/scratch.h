// Memory that a thread keeps from call to call, for what the kernels pack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tenon::kernels {

// At least `bytes`, at a multiple of 64. Every kWhich is a block of its own: 0 to 9 are those of
// matmul.cpp, 10 to 14 those of window.cpp,
// 15 and 16 those of channels.cpp.
template <int kWhich>
char* scratch(size_t bytes) {
  static thread_local std::unique_ptr<char[]> memory;
  static thread_local size_t size = 0;
  if (size < bytes + 64) {
    size = bytes + 64;
    memory.reset(new char[size]);
  }
  return memory.get() + (64 - reinterpret_cast<uintptr_t>(memory.get()) % 64) % 64;
}

}  // namespace tenon::kernels
