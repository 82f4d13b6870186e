// A GPU, or the emulator that stands for one: memory of its own, modules of compiled kernels, launches
// in order on one stream. Everything above it (engine.h) is the same for both.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "runtime/device.h"

namespace tenon::cuda {

class Gpu : public Device {
 public:
  class Module {
   public:
    virtual ~Module() = default;
    // A kernel by its name; bug() when there is none.
    virtual void* kernel(const std::string& name) = 0;
  };
  // Compiles a text (after kernels::cuda_prelude) with these kernels in it: names, and how many slots.
  using Kernels = std::map<std::string, size_t>;
  virtual std::unique_ptr<Module> compile(const std::string& text, const Kernels& kernels) = 0;
  // Every argument is a slot of 8 bytes. `together`: the threads of a block meet at barriers.
  virtual void launch(void* kernel, int64_t blocks, int threads, bool together,
                      std::span<const int64_t> args) = 0;

  virtual void copy_on(std::byte* to, const std::byte* from, size_t bytes) = 0;  // device to device
  virtual bool owns(const void* address) const = 0;
  virtual int64_t multiprocessors() const = 0;
  virtual bool tensor_cores() const = 0;  // those of mma.sync for f16, bf16 and tf32, and cp.async
};

// The emulator (cudasim). Always there; throws UserError E1002 where no compiler for the host is.
Gpu& cudasim();
// The NVIDIA GPU of this machine. Throws UserError E1002 that says what was looked for and is missing.
Gpu& gpu();

}  // namespace tenon::cuda
