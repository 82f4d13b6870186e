// Graph mode on a GPU (or the emulator): lowers a function to the loop IR as the CPU's compiler does,
// prints its kernels as CUDA C++, and runs its driver on the host, which launches them. Tensors stay on the
// device between runs; the host reads them when it asks (runtime/buffer.h).
#pragma once

#include <memory>
#include <string>

#include "jit/compiled.h"
#include "jit/cuda/gpu.h"

namespace tenon::cuda {

class GpuCompiler {
 public:
  // `tf32`: products of f32 matrices may run on tensor cores, where factors are rounded to tf32.
  GpuCompiler(ir::Module& module, Gpu& gpu, bool tf32 = false);
  ~GpuCompiler();
  GpuCompiler(const GpuCompiler&) = delete;

  // As Compiler: once per function; what is given lives as long as this.
  const CompiledFunction& compile(ir::FnId fn);
  bool has(ir::FnId fn) const;
  std::string stats() const;  // in a line
  void wait() const;  // until all that was launched is done

  // The kernels of a function as text, without the prelude.
  static std::string text(ir::Module& module, ir::FnId fn);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::cuda
