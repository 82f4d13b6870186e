// Where tensors live and work is put in order. The CPU is the first device; a GPU, and the emulator
// that stands for one, are others behind the same face (gpu.md). Kernels know the memory they are given,
// not the device; who runs a function knows both.
#pragma once

#include <cstddef>
#include <string_view>

namespace tenon {

// Bytes handed out now, at the most since the last reset, and all in all since the start.
struct MemoryUse {
  size_t now = 0, peak = 0, taken = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;  // "cpu": as --device takes it
  // Whether the host may read and write this memory itself; else only by the copies below.
  virtual bool host_memory() const = 0;

  // Uninitialised memory, 64-byte aligned. Throws Trap E0805 when there is not enough.
  virtual std::byte* take(size_t bytes) = 0;
  virtual void give(std::byte* memory, size_t bytes) = 0;

  // Between the host and the device, in the order of the work that was launched.
  virtual void copy_in(std::byte* to, const void* from, size_t bytes) = 0;
  virtual void copy_out(void* to, const std::byte* from, size_t bytes) = 0;
  virtual void wait() = 0;  // until all work launched so far is done

  virtual MemoryUse use() = 0;
  virtual void reset_peak() = 0;
};

Device& cpu();

}  // namespace tenon
