// The door to NVRTC (nvrtc.h).
#include "jit/cuda/nvrtc.h"

#include <dlfcn.h>
#include <locale.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <exception>
#include <filesystem>
#include <sstream>
#include <thread>

#include "io/cache.h"
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

// What holds a text to the CPU's bits, and lets the log tell what its kernels take.
constexpr const char* kOptions[] = {"--std=c++17",     "--fmad=false",     "--ftz=false",
                                    "--prec-div=true", "--prec-sqrt=true", "-Xptxas=-v"};

Nvrtc& nvrtc() {
  static Nvrtc n;
  return n;
}

std::atomic<int> runs{0};

// Under which name a cubin is kept: all it is made of, the compiler included.
std::string key_of(const std::string& text, const std::string& arch) {
  const NvrtcState& state = nvrtc().state;
  std::error_code error;
  Dl_info where{};
  dladdr(reinterpret_cast<void*>(nvrtc().nvrtcVersion), &where);
  const auto size = where.dli_fname ? std::filesystem::file_size(where.dli_fname, error) : 0;
  std::string all = "1\n" + arch + "\n" + std::to_string(state.major) + "." + std::to_string(state.minor) + " " +
                    std::to_string(error ? 0 : size) + "\n";
  for (const char* o : kOptions) all += std::string(o) + "\n";
  all += kernels::cuda_prelude();
  all += text;
  uint64_t a = 0xcbf29ce484222325ull, b = 0x243f6a8885a308d3ull;
  for (const char c : all) {
    a = (a ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    const auto wide = static_cast<unsigned __int128>(b ^ static_cast<unsigned char>(c)) * 0x9e3779b97f4a7c15ull;
    b = static_cast<uint64_t>(wide) ^ static_cast<uint64_t>(wide >> 64);
  }
  char name[40];
  std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(a), static_cast<unsigned long long>(b));
  return name;
}

// The log with the kernel in front of each of its messages: NVRTC itself only shows the line.
std::string with_kernels(const std::string& log, const std::string& text) {
  std::vector<std::string> kernel_of{""};  // per line of the text
  std::string now = "the prelude";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line); kernel_of.push_back(now))
    if (line.starts_with("TN_KERNEL") && line.find(' ') != std::string::npos) {  // or TN_KERNEL_OF(384)
      const size_t at = line.find(' ') + 1;
      now = line.substr(at, line.find('(', at) - at);
    }
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
  std::vector<const char*> options(std::begin(kOptions), std::end(kOptions));
  options.push_back(target.c_str());
  ++runs;
  // Old versions leave another locale behind.
  locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr), before = uselocale(plain);
  Program program = nullptr;
  int status = n.nvrtcCreateProgram(&program, all.c_str(), "tenon.cu", 0, nullptr, nullptr);
  if (status == 0) status = n.nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
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

int nvrtc_runs() { return runs; }

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
  if (!nvrtc().state.found) compile_cubin("", arch);  // which says what was looked for
  std::optional<io::DiskCache> cache;
  if (auto folder = io::cache_folder(); folder && !log) cache.emplace(*folder + "/cubin", io::kCubinBytes);
  std::vector<std::string> keys;
  for (size_t i = 0; cache && i < pieces.size(); ++i)
    if (auto kept = cache->get(keys.emplace_back(key_of(pieces[i], arch)))) cubins[i] = std::move(*kept);
  std::vector<bool> known;
  for (const std::string& c : cubins) known.push_back(!c.empty());
  auto one = [&](size_t i) {
    if (known[i]) return;
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
  for (size_t i = 0; cache && i < pieces.size(); ++i)
    if (!known[i]) cache->put(keys[i], cubins[i]);
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
