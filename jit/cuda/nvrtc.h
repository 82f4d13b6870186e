// NVRTC, NVIDIA's compiler of CUDA C++ at run time, behind one function. It needs no GPU and no driver.
#pragma once

#include <string>
#include <vector>

namespace tenon::cuda {

// What was found, for `tenon doctor`: "NVRTC 12.9 at PATH", or what was tried.
struct NvrtcState {
  bool found = false;
  int major = 0, minor = 0;
  std::string text;
};
const NvrtcState& nvrtc_state();
int nvrtc_runs();  // how many texts it has compiled in this process

// Compiles a text (after kernels::cuda_prelude) to a cubin for `arch` ("sm_90"); the options hold it to
// the bits of the CPU (docs/semantics.md): no contraction, no flushing, exact division and roots. `log`
// gets what the compiler says, with the registers and spills of each kernel. Throws UserError E1002 when
// NVRTC is not there; a text that it refuses is our mistake: bug().
std::string compile_cubin(const std::string& text, const std::string& arch, std::string* log = nullptr);

// Of the log: what each kernel takes of the hardware.
struct KernelUse {
  std::string name;
  int registers = 0;
  int64_t spilled = 0;  // bytes stored and loaded again for want of registers
};
std::vector<KernelUse> uses_of(const std::string& log);

// Kernels that stand beside each other in a text, each from its TN_KERNEL on, compiled in pieces of about
// the same length by several threads at once: a cubin for each piece.
// A piece that was compiled before comes from the cache (io/cache.h), but where the log is asked for.
std::vector<std::string> compile_cubins(const std::string& text, const std::string& arch, std::string* log = nullptr);

// The same to PTX, which one can read; for a virtual architecture ("compute_90").
std::string compile_ptx(const std::string& text, const std::string& arch);

}  // namespace tenon::cuda
