// The driver of a program runs in the interpreter of the loop IR, which asks an Offload for all that
// happens on the device (engine.h).
#include "jit/cuda/engine.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <map>
#include <optional>
#include <mutex>

#include "jit/cuda/nodes.h"
#include "jit/cuda/print.h"
#include "jit/cuda/sim.h"
#include "jit/cuda/wide.h"
#include "jit/loop/runtime.h"
#include "jit/plan/lower.h"
#include "runtime/trap.h"

namespace tenon::cuda {

namespace {

constexpr int kThreads = 128;      // of a block, unless an item takes more
constexpr int64_t kLongItem = 1024, kLongerItem = 16384;  // elements: of a block, where warps are few; always
constexpr int64_t kThreadsEach = 2048;  // per multiprocessor, at most: the rest is a loop

// The record of traps (tn_trapped): an order, a lock, a site, the values of its message.
constexpr size_t kRecord = 16;
constexpr int kItemBits = 40;  // of an order: the launch is above

std::string kernel_name(uint32_t i) { return "k" + std::to_string(i); }

std::string print(const plan::Unit& unit, const Arithmetic& arithmetic, Gpu::Kernels& kernels) {
  std::string text;
  for (uint32_t i = 0; i < unit.program.kernels.size(); ++i) {
    const loop::Function& f = unit.program.kernels[i];
    text += print_kernel(f, kernel_name(i), shape_of(f)) + "\n";
    kernels[kernel_name(i)] = kOwnSlots + unit.program.kernels[i].params.size();
  }
  Instances instances;
  for (const loop::NodeInfo& n : unit.tables.nodes) instantiate(n, arithmetic, instances);
  kernels.merge(instances.kernels);
  return text + instances.text;
}

// TENON_SIM_ARENA=off gives each tensor a block of its own, whose borders the emulator watches.
CompileOptions options(bool arena = true) {
  CompileOptions o;
  const char* own = std::getenv("TENON_SIM_ARENA");
  o.plan_memory = arena && !(own && std::string_view(own) == "off");
  o.plan_numbers = false;
  o.skip_zeros = false;
  o.fuse_blocks = false;  // threads have no cache of their own there; tiles stand in for blocks of rows
  o.fuse_tiles = true;
  o.stagger_rows = false;  // a warp has one row, and other warps to wait with
  return o;
}

// Where kernels leave what trap they met: shared by all runs, since it is looked at before one ends.
class Record {
 public:
  explicit Record(Gpu& gpu) : buffer_(Buffer::allocate(kRecord * sizeof(int64_t), gpu)) { clear(gpu); }
  std::byte* on(Gpu& gpu) const { return buffer_->on(gpu); }
  void clear(Gpu& gpu) const {
    std::vector<int64_t> none(kRecord);
    none[0] = LLONG_MAX;
    gpu.copy_in(on(gpu), none.data(), kRecord * sizeof(int64_t));
  }

 private:
  boost::intrusive_ptr<Buffer> buffer_;
};

class Compiled final : public CompiledFunction {
 public:
  Compiled(ir::Module& module, ir::FnId fn, Gpu& gpu, const Arithmetic& arithmetic, const Record& record, bool arena = true)
      : gpu_(gpu), arithmetic_(arithmetic), record_(record), fn_(fn), unit_(module, options(arena)) {
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
    for (const auto& k : unit_.program.kernels) {
      shapes_.push_back(shape_of(k));
      lengths_.push_back(shapes_.back() == Shape::warp ? length_of(k) : Length{});
      each_.push_back(shapes_.back() == Shape::thread ? items_each(k) : 1);
    }
  }

  std::vector<Tensor> run(std::span<const int64_t> sizes, std::vector<Tensor> args, RunContext& context) const override;

  int planned() const { return unit_.stats.planned; }
  int64_t largest_arena() const { return largest_; }

 private:
  friend class Run;
  Gpu& gpu_;
  Arithmetic arithmetic_;
  const Record& record_;
  const ir::FnId fn_;
  plan::Unit unit_;
  // The same without an arena, for when there is not enough memory for all that might be made.
  mutable std::unique_ptr<Compiled> without_;
  mutable int64_t largest_ = 0;  // arena
  std::unique_ptr<Gpu::Module> module_;
  std::vector<boost::intrusive_ptr<Buffer>> literals_;
  std::vector<const void*> addresses_;
  // A kernel by its number; in the shape of a block, which is made when it is first asked for.
  void* kernel(uint32_t i, Shape shape) const {
    if (shape != Shape::block) return module_->kernel(kernel_name(i));
    const std::lock_guard lock(late_);
    auto& made = blocks_[i];
    const loop::Function& f = unit_.program.kernels[i];
    if (!made)
      made = gpu_.compile(print_kernel(f, kernel_name(i), shape), {{kernel_name(i), kOwnSlots + f.params.size()}});
    return made->kernel(kernel_name(i));
  }

  std::vector<Shape> shapes_;
  std::vector<Length> lengths_;
  std::vector<int> each_;  // items of a thread at a time
  mutable std::mutex late_;
  mutable std::map<uint32_t, std::unique_ptr<Gpu::Module>> blocks_;
};

// One run: what the interpreter of the driver asks for.
class Run final : public loop::Offload, private Stage {
 public:
  explicit Run(const Compiled& c) : c_(c), gpu_(c.gpu_) {}

  Device& device() override { return gpu_; }
  bool owns(const void* address) const override { return gpu_.owns(address); }
  void copy(std::byte* to, const std::byte* from, size_t bytes) override { gpu_.copy_on(to, from, bytes); }

  int64_t launch(loop::Context& context, uint32_t kernel, const int64_t* args, int64_t range) override {
    if (range <= 0) return 0;
    const loop::Function& f = c_.unit_.program.kernels[kernel];
    Shape shape = c_.shapes_[kernel];
    const bool shared = shape == Shape::warp;
    if (const Length& l = c_.lengths_[kernel]; l.param >= 0 || l.constant > 0) {
      const int64_t length = l.param >= 0 ? args[l.param] : l.constant;
      const bool few = range * kWarp < gpu_.multiprocessors() * kThreadsEach;
      if (length >= (few ? kLongItem : kLongerItem)) shape = Shape::block;
    }
    const int together = shape == Shape::thread ? 0 : shape == Shape::warp ? kWarp : kBlock;
    const int64_t order = unsettled_ << kItemBits;
    std::vector<int64_t> slots{order, range, reinterpret_cast<int64_t>(c_.record_.on(gpu_))};
    slots.insert(slots.end(), args, args + f.params.size());
    const int64_t each = c_.each_[kernel];
    launch(c_.kernel(kernel, shape), (range + each - 1) / each, together, slots);
    if (!f.may_trap) return 0;
    if (calls_.empty() || calls_.back().second != context.calls) calls_.emplace_back(unsettled_, context.calls);
    ++unsettled_;
    if (!shared && !f.replay_all && unsettled_ < int64_t{1} << 20) return 0;
    // Which trap it was, and its numbers, the slow interpreter has to find out.
    std::vector<int64_t> met;
    if (!trapped(met)) return 0;
    if (met[0] < order) return report(context, met);
    const int64_t first = met[0] - order;
    return f.replay_all ? loop::interpret_kernel(context, kernel, args, 0, range)
                        : loop::interpret_kernel(context, kernel, args, first, first + 1);
  }
  int64_t settle(loop::Context& context) override {
    std::vector<int64_t> met;
    return trapped(met) ? report(context, met) : 0;
  }
  void read(loop::Context& context, void* to, const std::byte* from, size_t bytes) override {
    // What the host has seen already was right when it was seen.
    if (gpu_.seen(to, from, bytes) || settle(context) != 0) return;
    gpu_.copy_out(to, from, bytes);
  }
  void node(const loop::NodeInfo& n, const int64_t* args) override {
    run_node(n, args, *this);
    scratch_.clear();
  }

 private:
  bool trapped(std::vector<int64_t>& met) {
    if (unsettled_ == 0) return false;
    unsettled_ = 0;
    met_in_ = std::move(calls_);
    calls_.clear();
    met.resize(kRecord);
    gpu_.copy_out(met.data(), c_.record_.on(gpu_), kRecord * sizeof(int64_t));
    if (met[0] == LLONG_MAX) return false;
    c_.record_.clear(gpu_);
    return true;
  }
  // The run may have left the calls around the launch, or be in others.
  int64_t report(loop::Context& context, const std::vector<int64_t>& met) {
    const int64_t status = loop::runtime_function(loop::Runtime::trap)(&context, met.data() + 2, nullptr);
    auto at = std::upper_bound(met_in_.begin(), met_in_.end(), met[0] >> kItemBits,
                               [](int64_t order, const auto& entry) { return order < entry.first; });
    require(at != met_in_.begin() && context.error.has_value(), "a trap of a launch that never was");
    const std::vector<uint32_t>& calls = std::prev(at)->second;
    context.error->calls.clear();
    for (size_t i = calls.size(); i-- > 0;)
      if (calls[i] != loop::kNone) context.error->calls.push_back(c_.unit_.tables.places[calls[i]]);
    context.blamed = true;
    return status;
  }
  void launch(const std::string& kernel, int64_t items, int together, std::span<const int64_t> args) override {
    launch(c_.module_->kernel(kernel), items, together, args);
  }
  void launch(void* kernel, int64_t items, int together, std::span<const int64_t> args) {
    const int threads = together > kThreads ? together : kThreads;
    const int64_t each = together ? threads / together : threads;  // items of a block at a time
    const int64_t wanted = (items + each - 1) / each;
    const int64_t most = gpu_.multiprocessors() * kThreadsEach / threads;
    gpu_.launch(kernel, std::min(wanted, most), threads, together != 0, args);
  }
  bool tensor_cores(DType t) const override { return c_.arithmetic_.tensor_cores(t); }
  bool warpgroups() const override { return gpu_.warpgroups(); }
  int64_t multiprocessors() const override { return gpu_.multiprocessors(); }
  Gpu::MapWords map_of(const TensorMap& m) override { return gpu_.map_of(m); }
  void launch_late(const std::string& name, const std::function<std::string()>& text, size_t slots, int64_t blocks, int threads,
                   std::span<const int64_t> args, Extra extra) override {
    gpu_.launch(gpu_.late_kernel(name, text, slots), blocks, threads, true, args, extra);
  }
  int64_t scratch(int64_t bytes) override {
    scratch_.push_back(Buffer::allocate(static_cast<size_t>(std::max<int64_t>(bytes, 8)), gpu_));
    return reinterpret_cast<int64_t>(scratch_.back()->on(gpu_));
  }

  const Compiled& c_;
  Gpu& gpu_;
  int64_t unsettled_ = 0;  // launches that may have met a trap
  // The calls that led to them, by the first of those with the same; and to those that were looked at last.
  std::vector<std::pair<int64_t, std::vector<uint32_t>>> calls_, met_in_;
  std::vector<boost::intrusive_ptr<Buffer>> scratch_;
};

int64_t drive(loop::Context* context, const int64_t* args, int64_t* outs) {
  return loop::interpret(*context, 0, args, outs);
}

std::vector<Tensor> Compiled::run(std::span<const int64_t> sizes, std::vector<Tensor> args, RunContext& context) const {
  try {
    std::optional<loop::Arena> arena;
    if (unit_.tables.layouts && unit_.tables.layouts->plan(0).framed) {
      arena = loop::take_arena(*unit_.tables.layouts, sizes, gpu_);
      if (!arena) {
        if (!without_) without_ = std::make_unique<Compiled>(unit_.module, fn_, gpu_, arithmetic_, record_, false);
        return without_->run(sizes, std::move(args), context);
      }
      largest_ = std::max(largest_, arena->layout->bytes);
    }
    Run offload(*this);
    loop::Context c(unit_.program, unit_.tables, context);
    c.offload = &offload;
    c.literals = addresses_.data();
    return loop::run(drive, unit_.signatures[0], unit_.dims, c, sizes, std::move(args), arena ? &*arena : nullptr);
  } catch (const SimFault& fault) {
    bug(std::string("cudasim: ") + fault.what());
  }
}

}  // namespace

struct GpuCompiler::Impl {
  ir::Module& module;
  Gpu& gpu;
  Arithmetic arithmetic;
  Record record;
  std::map<ir::FnId, std::unique_ptr<Compiled>> done;
};

GpuCompiler::GpuCompiler(ir::Module& module, Gpu& gpu, bool tf32)
    : impl_(new Impl{module, gpu, {gpu.tensor_cores(), tf32}, Record(gpu), {}}) {}
GpuCompiler::~GpuCompiler() = default;

std::string GpuCompiler::stats() const {
  const Gpu::Stats& s = impl_->gpu.stats();
  int planned = 0;
  int64_t arena = 0;
  for (const auto& [fn, compiled] : impl_->done) {
    planned += compiled->planned();
    arena = std::max(arena, compiled->largest_arena());
  }
  return "device " + std::string(impl_->gpu.name()) + ": kernels launched " + std::to_string(s.launches) + ", in batches " +
         std::to_string(s.batches) + ", replayed in graphs " + std::to_string(s.replayed) + ", waits of the host " +
         std::to_string(s.waits) + ", peak memory " + std::to_string((impl_->gpu.use().peak + (1 << 20) - 1) >> 20) + " MiB, tensors planned " +
         std::to_string(planned) + ", largest arena " + std::to_string((arena + 1023) >> 10) + " KiB";
}

void GpuCompiler::wait() const { impl_->gpu.wait(); }

bool GpuCompiler::has(ir::FnId fn) const { return impl_->done.contains(fn); }

const CompiledFunction& GpuCompiler::compile(ir::FnId fn) {
  auto& made = impl_->done[fn];
  if (!made) made = std::make_unique<Compiled>(impl_->module, fn, impl_->gpu, impl_->arithmetic, impl_->record);
  return *made;
}

std::string GpuCompiler::text(ir::Module& module, ir::FnId fn) {
  plan::Unit unit(module, options());
  unit.lower(fn);
  Gpu::Kernels kernels;
  return print(unit, {true, false}, kernels);
}

}  // namespace tenon::cuda
