// The driver of a program runs in the interpreter of the loop IR, which asks an Offload for all that
// happens on the device (engine.h).
#include "jit/cuda/engine.h"

#include <climits>
#include <map>

#include "jit/cuda/nodes.h"
#include "jit/cuda/print.h"
#include "jit/cuda/sim.h"
#include "jit/loop/runtime.h"
#include "jit/plan/lower.h"
#include "runtime/trap.h"

namespace tenon::cuda {

namespace {

constexpr int kThreads = 128;      // of a block, unless an item takes more
constexpr int64_t kThreadsEach = 2048;  // per multiprocessor, at most: the rest is a loop

std::string kernel_name(uint32_t i) { return "k" + std::to_string(i); }

std::string print(const plan::Unit& unit, const Arithmetic& arithmetic, Gpu::Kernels& kernels) {
  std::string text;
  for (uint32_t i = 0; i < unit.program.kernels.size(); ++i) {
    text += print_kernel(unit.program.kernels[i], kernel_name(i)) + "\n";
    kernels[kernel_name(i)] = kOwnSlots + unit.program.kernels[i].params.size();
  }
  Instances instances;
  for (const loop::NodeInfo& n : unit.tables.nodes) instantiate(n, arithmetic, instances);
  kernels.merge(instances.kernels);
  return text + instances.text;
}

// A planned frame holds headers that the host reads and writes, beside elements: not on a device.
CompileOptions options() {
  CompileOptions o;
  o.plan_memory = false;
  return o;
}

class Compiled final : public CompiledFunction {
 public:
  Compiled(ir::Module& module, ir::FnId fn, Gpu& gpu, const Arithmetic& arithmetic)
      : gpu_(gpu), arithmetic_(arithmetic), unit_(module, options()) {
    unit_.lower(fn);
    Gpu::Kernels kernels;
    const std::string text = print(unit_, arithmetic, kernels);
    if (!kernels.empty()) module_ = gpu.compile(text, kernels);
    for (const auto& l : unit_.tables.literals) {
      literals_.push_back(Buffer::allocate(std::max<size_t>(l->bytes.size(), 8), gpu));
      std::byte* at = literals_.back()->on(gpu);
      gpu.copy_in(at, l->bytes.data(), l->bytes.size());
      addresses_.push_back(at);
    }
    for (const auto& k : unit_.program.kernels) shapes_.push_back(shape_of(k));
  }

  std::vector<Tensor> run(std::span<const int64_t> sizes, std::vector<Tensor> args, RunContext& context) const override;

 private:
  friend class Run;
  Gpu& gpu_;
  Arithmetic arithmetic_;
  plan::Unit unit_;
  std::unique_ptr<Gpu::Module> module_;
  std::vector<boost::intrusive_ptr<Buffer>> literals_;
  std::vector<const void*> addresses_;
  std::vector<Shape> shapes_;
};

// One run: what the interpreter of the driver asks for.
class Run final : public loop::Offload, private Stage {
 public:
  explicit Run(const Compiled& c) : c_(c), gpu_(c.gpu_) {
    trap_ = Buffer::allocate(sizeof(int64_t), gpu_);
    reset_trap();
  }

  Device& device() override { return gpu_; }
  bool owns(const void* address) const override { return gpu_.owns(address); }
  void copy(std::byte* to, const std::byte* from, size_t bytes) override { gpu_.copy_on(to, from, bytes); }

  int64_t launch(loop::Context& context, uint32_t kernel, const int64_t* args, int64_t range) override {
    if (range <= 0) return 0;
    const loop::Function& f = c_.unit_.program.kernels[kernel];
    std::vector<int64_t> slots{0, range, reinterpret_cast<int64_t>(trap_->on(gpu_))};
    slots.insert(slots.end(), args, args + f.params.size());
    Stage& stage = *this;
    stage.launch(kernel_name(kernel), range, c_.shapes_[kernel] == Shape::warp ? kWarp : 0,
                 slots);
    if (!f.may_trap) return 0;
    int64_t first;
    gpu_.copy_out(&first, trap_->on(gpu_), sizeof first);
    if (first == LLONG_MAX) return 0;
    reset_trap();
    // Which trap it was, and its numbers, the slow interpreter finds out.
    return f.replay_all ? loop::interpret_kernel(context, kernel, args, 0, range)
                        : loop::interpret_kernel(context, kernel, args, first, first + 1);
  }
  void node(const loop::NodeInfo& n, const int64_t* args) override {
    run_node(n, args, *this);
    scratch_.clear();
  }

 private:
  void reset_trap() {
    const int64_t none = LLONG_MAX;
    gpu_.copy_in(trap_->on(gpu_), &none, sizeof none);
  }
  void launch(const std::string& kernel, int64_t items, int together, std::span<const int64_t> args) override {
    const int threads = together > kThreads ? together : kThreads;
    const int64_t each = together ? threads / together : threads;  // items of a block at a time
    const int64_t wanted = (items + each - 1) / each;
    const int64_t most = gpu_.multiprocessors() * kThreadsEach / threads;
    gpu_.launch(c_.module_->kernel(kernel), std::min(wanted, most), threads, together != 0, args);
  }
  bool tensor_cores(DType t) const override { return c_.arithmetic_.tensor_cores(t); }
  int64_t scratch(int64_t bytes) override {
    scratch_.push_back(Buffer::allocate(static_cast<size_t>(std::max<int64_t>(bytes, 8)), gpu_));
    return reinterpret_cast<int64_t>(scratch_.back()->on(gpu_));
  }

  const Compiled& c_;
  Gpu& gpu_;
  boost::intrusive_ptr<Buffer> trap_;
  std::vector<boost::intrusive_ptr<Buffer>> scratch_;
};

int64_t drive(loop::Context* context, const int64_t* args, int64_t* outs) {
  return loop::interpret(*context, 0, args, outs);
}

std::vector<Tensor> Compiled::run(std::span<const int64_t> sizes, std::vector<Tensor> args, RunContext& context) const {
  try {
    Run offload(*this);
    loop::Context c(unit_.program, unit_.tables, context);
    c.offload = &offload;
    c.literals = addresses_.data();
    return loop::run(drive, unit_.signatures[0], unit_.dims, c, sizes, std::move(args));
  } catch (const SimFault& fault) {
    bug(std::string("cudasim: ") + fault.what());
  }
}

}  // namespace

struct GpuCompiler::Impl {
  ir::Module& module;
  Gpu& gpu;
  Arithmetic arithmetic;
  std::map<ir::FnId, std::unique_ptr<Compiled>> done;
};

GpuCompiler::GpuCompiler(ir::Module& module, Gpu& gpu, bool tf32)
    : impl_(new Impl{module, gpu, {gpu.tensor_cores(), tf32}, {}}) {}
GpuCompiler::~GpuCompiler() = default;

void GpuCompiler::wait() const { impl_->gpu.wait(); }

bool GpuCompiler::has(ir::FnId fn) const { return impl_->done.contains(fn); }

const CompiledFunction& GpuCompiler::compile(ir::FnId fn) {
  auto& made = impl_->done[fn];
  if (!made) made = std::make_unique<Compiled>(impl_->module, fn, impl_->gpu, impl_->arithmetic);
  return *made;
}

std::string GpuCompiler::text(ir::Module& module, ir::FnId fn) {
  plan::Unit unit(module, options());
  unit.lower(fn);
  Gpu::Kernels kernels;
  return print(unit, {true, false}, kernels);
}

}  // namespace tenon::cuda
