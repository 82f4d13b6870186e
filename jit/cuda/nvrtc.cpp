// The door to NVRTC (nvrtc.h).
#include "jit/cuda/nvrtc.h"

#include <dlfcn.h>
#include <locale.h>

#include <filesystem>

#include "jit/cuda/library.h"
#include "kernels/cuda/kernels.h"
#include "support/diagnostic.h"

namespace tenon::cuda {

namespace {

// Declared here as in NVIDIA's interface.
using Program = void*;
#define TENON_NVRTC(X)                                                                             \
  X(nvrtcVersion, int*, int*)                                                                      \
  X(nvrtcCreateProgram, Program*, const char*, const char*, int, const char* const*, const char* const*) \
  X(nvrtcCompileProgram, Program, int, const char* const*)                                         \
  X(nvrtcGetProgramLogSize, Program, size_t*)                                                      \
  X(nvrtcGetProgramLog, Program, char*)                                                            \
  X(nvrtcGetCUBINSize, Program, size_t*)                                                           \
  X(nvrtcGetCUBIN, Program, char*)                                                                 \
  X(nvrtcGetPTXSize, Program, size_t*)                                                             \
  X(nvrtcGetPTX, Program, char*)                                                                   \
  X(nvrtcDestroyProgram, Program*)

struct Nvrtc {
  Library library;
  NvrtcState state;
#define X(name, ...) int (*name)(__VA_ARGS__) = nullptr;
  TENON_NVRTC(X)
#undef X

  Nvrtc() {
    std::vector<std::string> folders = cuda_folders("cuda_nvrtc");
    if (const char* own = std::getenv("TENON_NVRTC_PATH")) folders.insert(folders.begin(), own);
    // Loaded by an absolute path it does not find its built-in headers by itself: they come first.
    for (const std::string& f : folders) {
      std::error_code e;
      for (const auto& entry : std::filesystem::directory_iterator(f, e))
        if (entry.path().filename().string().starts_with("libnvrtc-builtins.so"))
          dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (!library.open({"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"}, folders)) {
      state.text = "NVRTC was not found (tried " + library.tried() + ")";
      return;
    }
#define X(name, ...)                                                           \
  name = reinterpret_cast<decltype(name)>(library.symbol(#name));              \
  if (!name) {                                                                 \
    state.text = "NVRTC at " + library.path() + " has no " #name;              \
    return;                                                                    \
  }
    TENON_NVRTC(X)
#undef X
    nvrtcVersion(&state.major, &state.minor);
    state.found = true;
    state.text = "NVRTC " + std::to_string(state.major) + "." + std::to_string(state.minor) + " at " + library.path();
  }
};

Nvrtc& nvrtc() {
  static Nvrtc n;
  return n;
}

using SizeFn = int (*)(Program, size_t*);
using BytesFn = int (*)(Program, char*);

std::string compile(const std::string& text, const std::string& arch, SizeFn Nvrtc::* result_size, BytesFn Nvrtc::* result,
                    std::string* log) {
  Nvrtc& n = nvrtc();
  if (!n.state.found)
    fail(Code::E1002, {}, n.state.text, "install the CUDA toolkit, or: pip install nvidia-cuda-nvrtc, and set TENON_NVRTC_PATH to its lib folder",
         {}, Fault::data);
  const std::string all = std::string(kernels::cuda_prelude()) + text, target = "--gpu-architecture=" + arch;
  const char* const options[] = {target.c_str(), "--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true",
                                 "--prec-sqrt=true", "-Xptxas=-v"};
  // Old versions leave another locale behind.
  locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr), before = uselocale(plain);
  Program program = nullptr;
  int status = n.nvrtcCreateProgram(&program, all.c_str(), "tenon.cu", 0, nullptr, nullptr);
  if (status == 0) status = n.nvrtcCompileProgram(program, static_cast<int>(std::size(options)), options);
  std::string said, made;
  size_t size = 0;
  if (program && n.nvrtcGetProgramLogSize(program, &size) == 0 && size > 1) {
    said.resize(size);
    n.nvrtcGetProgramLog(program, said.data());
  }
  if (status == 0 && (n.*result_size)(program, &size) == 0) {
    made.resize(size);
    (n.*result)(program, made.data());
  }
  if (program) n.nvrtcDestroyProgram(&program);
  uselocale(before);
  freelocale(plain);
  if (made.empty()) bug("NVRTC refuses a kernel (" + std::to_string(status) + ") for " + arch + ":\n" + said);
  if (log) *log = said;
  return made;
}

}  // namespace

const NvrtcState& nvrtc_state() { return nvrtc().state; }

std::string compile_cubin(const std::string& text, const std::string& arch, std::string* log) {
  return compile(text, arch, &Nvrtc::nvrtcGetCUBINSize, &Nvrtc::nvrtcGetCUBIN, log);
}

std::string compile_ptx(const std::string& text, const std::string& arch) {
  std::string ptx = compile(text, arch, &Nvrtc::nvrtcGetPTXSize, &Nvrtc::nvrtcGetPTX, nullptr);
  while (!ptx.empty() && ptx.back() == '\0') ptx.pop_back();  // it counts its end
  return ptx;
}

}  // namespace tenon::cuda
