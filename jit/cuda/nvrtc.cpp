// The door to NVRTC (nvrtc.h).
#include "jit/cuda/nvrtc.h"

#include <dlfcn.h>
#include <locale.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <sstream>
#include <thread>

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
    const char* own = std::getenv("TENON_NVRTC_PATH");
    if (own) folders.insert(folders.begin(), own);
    // Loaded by an absolute path it does not find its built-in headers by itself: they come first.
    for (const std::string& f : own ? std::vector<std::string>{own} : folders) {
      std::error_code e;
      for (const auto& entry : std::filesystem::directory_iterator(f, e))
        if (entry.path().filename().string().starts_with("libnvrtc-builtins.so"))
          dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    const std::vector<std::string> names{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"};
    bool open = false;
    if (own)  // what one names comes before what the system has
      for (const std::string& n : names) open = open || library.open({(std::filesystem::path(own) / n).string()}, {});
    if (!open && !library.open(names, folders)) {
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

// The log with the kernel in front of each of its messages: NVRTC itself only shows the line.
std::string with_kernels(const std::string& log, const std::string& text) {
  std::vector<std::string> kernel_of{""};  // per line of the text
  std::string now = "the prelude";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line); kernel_of.push_back(now))
    if (line.starts_with("TN_KERNEL ")) now = line.substr(10, line.find('(') - 10);
  std::string out;
  std::istringstream messages(log);
  for (std::string line; std::getline(messages, line); out += line + "\n") {
    if (!line.starts_with("tenon.cu(")) continue;
    const size_t number = std::strtoul(line.c_str() + 9, nullptr, 10);
    if (number < kernel_of.size()) out += "in " + kernel_of[number] + ": ";
  }
  return out;
}

// The text cut in front of kernels into so many pieces.
std::vector<std::string> pieces_of(const std::string& text, size_t pieces) {
  std::vector<std::string> out{""};
  for (size_t at = 0; at < text.size();) {
    const size_t next = std::min(text.find("\nTN_KERNEL ", at), text.size() - 1) + 1;
    if (out.back().size() * pieces >= text.size()) out.emplace_back();
    out.back() += text.substr(at, next - at);
    at = next;
  }
  return out;
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
  if (made.empty())
    bug("NVRTC refuses a kernel (" + std::to_string(status) + ") for " + arch + ":\n" + with_kernels(said, all));
  if (log) *log = said;
  return made;
}

}  // namespace

const NvrtcState& nvrtc_state() { return nvrtc().state; }

std::string compile_cubin(const std::string& text, const std::string& arch, std::string* log) {
  return compile(text, arch, &Nvrtc::nvrtcGetCUBINSize, &Nvrtc::nvrtcGetCUBIN, log);
}

std::vector<KernelUse> uses_of(const std::string& log) {
  std::vector<KernelUse> out;
  std::istringstream lines(log);
  auto number_before = [](const std::string& line, const char* word) -> int64_t {
    const size_t at = line.find(word);
    if (at == std::string::npos) return 0;
    size_t from = at;
    while (from > 0 && std::isdigit(static_cast<unsigned char>(line[from - 1]))) --from;
    return std::strtoll(line.c_str() + from, nullptr, 10);
  };
  for (std::string line; std::getline(lines, line);) {
    if (const size_t at = line.find("Compiling entry function '"); at != std::string::npos)
      out.push_back({line.substr(at + 26, line.find('\'', at + 26) - at - 26), 0, 0});
    if (out.empty()) continue;
    if (line.find(" bytes spill stores") != std::string::npos)
      out.back().spilled += number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
    if (line.find(" registers") != std::string::npos)
      out.back().registers = static_cast<int>(number_before(line, " registers"));
  }
  return out;
}

std::vector<std::string> compile_cubins(const std::string& text, const std::string& arch, std::string* log) {
  // A piece costs its prelude, some 30 ms (shared/gpu.md 1), so a small text stays in one.
  constexpr size_t kPiece = 16 << 10;
  const size_t threads = std::max(1u, std::min(8u, std::thread::hardware_concurrency()));
  const std::vector<std::string> pieces = pieces_of(text, std::clamp<size_t>(text.size() / kPiece, 1, threads));
  std::vector<std::string> cubins(pieces.size()), logs(pieces.size());
  std::vector<std::exception_ptr> failed(pieces.size());
  nvrtc();  // opened by one
  auto one = [&](size_t i) {
    try {
      cubins[i] = compile_cubin(pieces[i], arch, &logs[i]);
    } catch (...) {
      failed[i] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < pieces.size(); ++i) others.emplace_back(one, i);
  one(0);
  for (std::thread& t : others) t.join();
  for (const std::exception_ptr& e : failed)
    if (e) std::rethrow_exception(e);
  if (log)
    for (const std::string& l : logs) *log += l;
  return cubins;
}

std::string compile_ptx(const std::string& text, const std::string& arch) {
  std::string ptx = compile(text, arch, &Nvrtc::nvrtcGetPTXSize, &Nvrtc::nvrtcGetPTX, nullptr);
  while (!ptx.empty() && ptx.back() == '\0') ptx.pop_back();  // it counts its end
  return ptx;
}

}  // namespace tenon::cuda
