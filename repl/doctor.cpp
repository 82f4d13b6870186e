// `tenon doctor`: what was found on this machine, in the order in which one looks for a cause.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sched.h>
#include <unistd.h>

#include "io/cache.h"
#include "repl/command.h"
#include "support/cpu_name.h"

namespace tenon {
namespace {

void row(const char* what, const std::string& found) {
  std::printf("%-12s %s\n", what, found.c_str());
}

std::string cpu_features() {
  std::string out;
  auto add = [&](bool has, const char* name) {
    if (has) out += (out.empty() ? "" : " ") + std::string(name);
  };
  __builtin_cpu_init();
  add(__builtin_cpu_supports("sse4.2"), "sse4.2");
  add(__builtin_cpu_supports("avx"), "avx");
  add(__builtin_cpu_supports("avx2"), "avx2");
  add(__builtin_cpu_supports("fma"), "fma");
  add(__builtin_cpu_supports("avx512f"), "avx512f");
  add(__builtin_cpu_supports("avx512bw"), "avx512bw");
  add(__builtin_cpu_supports("avx512dq"), "avx512dq");
  add(__builtin_cpu_supports("avx512vl"), "avx512vl");
  add(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
  add(__builtin_cpu_supports("avx512bf16"), "avx512bf16");
  return out;
}

std::string kernels() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd"))
    return "512-bit (x86-64-v4)";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "256-bit (x86-64-v3)";
  return "none: this CPU has no AVX2 and FMA (x86-64-v3), the least that programs run on";
}

std::string cores() {
  cpu_set_t set;
  int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::string out =
      std::to_string(allowed) + " usable of " + std::to_string(sysconf(_SC_NPROCESSORS_CONF));
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  double used = 0, period = 0;
  char text[64];
  if (quota >> used >> period && period > 0) {
    std::snprintf(text, sizeof text, ", %.3g cores of time granted by the container",
                  used / period);
    out += text;
  }
  return out;
}

std::string memory() {
  char text[96];
  double gib = 1024.0 * 1024 * 1024;
  double all =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  double now =
      static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::snprintf(text, sizeof text, "%.1f GiB, %.1f GiB free", all / gib, now / gib);
  std::string out = text;
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  double most = 0;
  if (limit >> most && most < all) {
    std::snprintf(text, sizeof text, ", %.1f GiB granted by the container", most / gib);
    out += text;
  }
  return out;
}

std::string cache() {
  const std::optional<std::string> folder = io::cache_folder();
  if (!folder) return "off";
  const io::DiskCache::Use use = io::DiskCache(*folder + "/code", io::kCodeBytes).use();
  char text[96];
  std::snprintf(text, sizeof text, ": %lld objects, %.1f of at most %lld MiB", static_cast<long long>(use.entries),
                static_cast<double>(use.bytes) / (1 << 20), static_cast<long long>(io::kCodeBytes >> 20));
  return *folder + text;
}

}  // namespace

int command_doctor(const Invocation&) {
  row("Tenon", TENON_VERSION);
  row("CPU", cpu_name());
  row("features", cpu_features());
  row("kernels", kernels());
  row("cores", cores());
  row("memory", memory());
  std::string compiler = compiler_version();
  row("compiler", compiler.empty() ? "none in this build" : "LLVM " + compiler);
  row("cache", cache());
  for (const auto& [what, found] : session_gpu_report()) row(what.c_str(), found);
  return 0;
}

}  // namespace tenon
