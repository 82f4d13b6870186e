// The compiler behind jit/compiled.h: lowers a set of functions, and gets machine code for it (code.h).
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>

#include "jit/compiled.h"
#include "jit/llvm/code.h"
#include "jit/loop/runtime.h"
#include "jit/plan/lower.h"

namespace tenon {

namespace {

double now_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

class Compiled final : public CompiledFunction {
 public:
  std::unique_ptr<plan::Unit> unit;
  loop::RuntimeFn entry = nullptr;
  std::atomic<int64_t>* largest = nullptr;  // arena
  // The same without an arena, for when there is not enough memory for all that might be made.
  std::function<const Compiled&()> without;

  std::vector<Tensor> run(std::span<const int64_t> sizes, std::vector<Tensor> args,
                          RunContext& context) const override {
    std::optional<loop::Arena> arena;
    const bool framed = unit->tables.layouts && unit->tables.layouts->plan(0).framed;
    if (framed) {
      arena = loop::take_arena(*unit->tables.layouts, sizes);
      if (!arena) return without().run(sizes, std::move(args), context);
      int64_t seen = largest->load();
      while (seen < arena->layout->bytes &&
             !largest->compare_exchange_weak(seen, arena->layout->bytes)) {
      }
    }
    loop::Context c(unit->program, unit->tables, context);
    try {
      return loop::run(entry, unit->signatures[0], unit->dims, c, sizes, std::move(args),
                       arena ? &*arena : nullptr);
    } catch (UserError& e) {
      unit->module.places.spell_out(e.diagnostic);
      throw;
    }
  }
};

}  // namespace

struct Compiler::Impl {
  ir::Module& module;
  CompileOptions options;
  CompileStats stats;
  std::recursive_mutex mutex;
  std::unique_ptr<llvm_jit::Code> code;  // made when first needed: LLVM costs a few ms
  std::map<ir::FnId, std::unique_ptr<Compiled>> done, without_arena;
  std::atomic<int64_t> largest_arena{0};

  Impl(ir::Module& m, CompileOptions o) : module(m), options(o) {}

  llvm_jit::Code& made() {
    if (!code) code = std::make_unique<llvm_jit::Code>(options);
    return *code;
  }

  std::unique_ptr<plan::Unit> lower(ir::FnId fn, bool arena = true) {
    CompileOptions o = options;
    o.plan_memory &= arena;
    auto unit = std::make_unique<plan::Unit>(module, o);
    unit->lower(fn);
    if (options.verify) {
      std::string wrong = loop::verify(unit->program);
      if (!wrong.empty()) bug("loop IR: " + wrong + "\n" + loop::print(unit->program));
    }
    return unit;
  }

  std::unique_ptr<Compiled> compile(ir::FnId fn, bool arena) {
    auto compiled = std::make_unique<Compiled>();
    compiled->largest = &largest_arena;
    const double t0 = now_ms();
    compiled->unit = lower(fn, arena);
    stats.lower_ms += now_ms() - t0;
    compiled->entry = made().make(compiled->unit->program, stats);
    const CompileStats& own = compiled->unit->stats;
    stats.functions += own.functions;
    stats.kernels += own.kernels;
    stats.launches += own.launches;
    stats.planned += own.planned;
    stats.counted += own.counted;
    return compiled;
  }
};

Compiler::Compiler(ir::Module& module, CompileOptions options)
    : impl_(std::make_unique<Impl>(module, options)) {}
Compiler::~Compiler() = default;

bool Compiler::has(ir::FnId fn) const {
  std::lock_guard lock(impl_->mutex);
  return impl_->done.contains(fn);
}
const CompileStats& Compiler::stats() const {
  impl_->stats.arena_bytes = impl_->largest_arena.load();
  return impl_->stats;
}

const CompiledFunction& Compiler::compile(ir::FnId fn) {
  Impl& i = *impl_;
  std::lock_guard lock(i.mutex);
  if (auto it = i.done.find(fn); it != i.done.end()) return *it->second;
  auto compiled = i.compile(fn, true);
  compiled->without = [&i, fn]() -> const Compiled& {
    std::lock_guard again(i.mutex);
    auto& at = i.without_arena[fn];
    if (!at) at = i.compile(fn, false);
    return *at;
  };
  return *(i.done[fn] = std::move(compiled));
}

std::string Compiler::dump(ir::FnId fn, Stage stage) {
  Impl& i = *impl_;
  std::lock_guard lock(i.mutex);
  auto unit = i.lower(fn);
  if (stage == Stage::loop) return loop::print(unit->program);
  return i.made().text(unit->program, stage == Stage::assembly);
}

}  // namespace tenon
