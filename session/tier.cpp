// Between the interpreter and the compiler (tier.h).
#include "session/tier.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>

#include "ir/passes/rewrite.h"
#include "jit/cuda/driver.h"
#include "jit/cuda/engine.h"
#include "jit/cuda/nvrtc.h"

namespace tenon {

namespace {

std::unique_ptr<cuda::GpuCompiler> compiler_for(ir::Module& module, const std::string& device, bool tf32) {
  if (device == "cpu") return nullptr;
  if (device == "cudasim") return std::make_unique<cuda::GpuCompiler>(module, cuda::cudasim(), tf32);
  if (device == "gpu") return std::make_unique<cuda::GpuCompiler>(module, cuda::gpu(), tf32);
  fail(Code::E1002, {}, "there is no device '" + device + "'",
       "programs run on the cpu, on a gpu, or on cudasim, which emulates one", {}, Fault::data);
}

}  // namespace

Tier::Tier(ir::Module& module, Interpreter& interpreter, Mode mode, const std::string& device,
           bool tf32)
    : module_(module),
      graph_(mode == Mode::graph || device != "cpu"),
      cutter_(module),
      gpu_(compiler_for(module, device, tf32)) {
  const char* tiering = std::getenv("TENON_TIERING");
  always_ = tiering && std::strcmp(tiering, "off") == 0;
  if (graph_) interpreter.set_override(override, this);
}

std::vector<std::pair<std::string, std::string>> session_gpu_report() {
  const cuda::DriverState& d = cuda::driver_state();
  return {{"GPU", d.text + (d.hint.empty() ? "" : "; " + d.hint)}, {"NVRTC", cuda::nvrtc_state().text}};
}

Tier::~Tier() = default;

std::string Tier::device_stats() const { return gpu_ ? "\nstats: " + gpu_->stats() : ""; }

void Tier::wait() const {
  if (gpu_) gpu_->wait();
}

ir::FnId Tier::prepare(ir::FnId fn) { return graph_ ? cutter_.cut(fn) : fn; }

Compiler& Tier::compiler() {
  if (!compiler_) {
    CompileOptions options;
    options.cache = true;
    options.threads = threads_;
    options.name_of = name_of_;
    compiler_ = std::make_unique<Compiler>(module_, options);
  }
  return *compiler_;
}

CompileStats Tier::compile_stats() const {
  return compiler_ ? compiler_->stats() : CompileStats{};
}

bool Tier::loops(ir::FnId fn) const {
  std::set<ir::FnId> seen{fn};
  std::vector<ir::FnId> open{fn};
  bool found = false;
  while (!open.empty() && !found) {
    const ir::Function& f = module_.fn(open.back());
    open.pop_back();
    found |= f.recursive;
    ir::each_node(f.body, [&](const ir::Node& n) {
      found |= n.op == ir::Op::for_ || n.op == ir::Op::while_;
      if (n.op == ir::Op::call && seen.insert(n.get<ir::CallAttr>().fn).second)
        open.push_back(n.get<ir::CallAttr>().fn);
    });
  }
  return found;
}

bool Tier::override(void* self, ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor>& args,
                    std::vector<Tensor>& results, RunContext& context) {
  Tier& t = *static_cast<Tier*>(self);
  if (t.module_.fn(fn).effect) return false;
  State& state = t.states_[fn];
  if (!state.known) {
    state.known = true;
    state.compile_now = t.always_ || t.gpu_ || t.loops(fn);
  }
  if (++state.runs == 1 && !state.compile_now) return false;
  const bool fresh = t.gpu_ ? !t.gpu_->has(fn) : !t.compiler().has(fn);
  const auto start = std::chrono::steady_clock::now();
  const CompiledFunction& compiled = t.gpu_ ? t.gpu_->compile(fn) : t.compiler().compile(fn);
  if (fresh) {
    t.stats_.compile_ms +=
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    ++t.stats_.compiled;
  }
  ++t.stats_.compiled_runs;
  results = compiled.run(sizes, std::move(args), context);
  return true;
}

}  // namespace tenon
