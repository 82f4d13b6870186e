// Which spans are compiled, and when (design.md a1). By law 1 nobody can tell by the results.
//   eager   nothing
//   graph   a span with loops or recursion before its first run, else it would be stuck in the
//           interpreter; any other when it is run for the second time, so that a script that does
//           everything once never waits for the compiler
// TENON_TIERING=off in the environment compiles every span before its first run (tests).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "jit/compiled.h"
#include "jit/interp/interp.h"
#include "session/session.h"
#include "session/span.h"

namespace tenon {

namespace cuda {
class Gpu;
class GpuCompiler;
}  // namespace cuda

class Tier {
 public:
  // `device`: as --device takes it. On another than the cpu every span is compiled for it before its
  // first run; `tf32`: with f32 products on tensor cores. Throws UserError E1002 if it is not there.
  Tier(ir::Module& module, Interpreter& interpreter, Mode mode, const std::string& device, bool tf32 = false);
  ~Tier();
  Tier(const Tier&) = delete;
  Tier& operator=(const Tier&) = delete;

  // What to run in place of `fn`: in graph mode the same with its pure spans cut out.
  ir::FnId prepare(ir::FnId fn);

  struct Stats {
    uint64_t compiled = 0;       // functions compiled for their own sake
    uint64_t compiled_runs = 0;  // runs of compiled code
    double compile_ms = 0;
  };
  const Stats& stats() const { return stats_; }
  std::string device_stats() const;  // a line on what another device than the CPU did; or nothing
  void wait() const;  // until the device has done what was launched
  CompileStats compile_stats() const;
  // For compilers made from now on: CompileOptions of these names.
  void set_compile(int threads, std::function<std::string(Loc)> name_of) {
    threads_ = threads;
    name_of_ = std::move(name_of);
  }
  Compiler& compiler();  // made when first needed: LLVM costs a few ms

 private:
  struct State {
    uint64_t runs = 0;
    bool compile_now = false, known = false;
  };
  static bool override(void* self, ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor>& args,
                       std::vector<Tensor>& results, RunContext& context);
  bool loops(ir::FnId fn) const;

  ir::Module& module_;
  bool graph_, always_;
  SpanCutter cutter_;
  std::map<ir::FnId, State> states_;
  int threads_ = 1;
  std::function<std::string(Loc)> name_of_;
  std::unique_ptr<Compiler> compiler_;
  std::unique_ptr<cuda::GpuCompiler> gpu_;  // where a program runs instead
  Stats stats_;
};

}  // namespace tenon
