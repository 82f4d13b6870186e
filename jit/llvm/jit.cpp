// The compiler behind jit/compiled.h: lowers a set of functions, prints it, and has ORC make code.
#include <atomic>
#include <chrono>
#include <functional>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <map>
#include <mutex>

#include "jit/compiled.h"
#include "jit/llvm/print.h"
#include "kernels/cpu/kernels.h"
#include "jit/loop/runtime.h"
#include "jit/plan/lower.h"

namespace tenon {

namespace {

namespace orc = llvm::orc;

double now_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

template <class T>
T sure(llvm::Expected<T> e) {
  if (!e) bug("LLVM: " + llvm::toString(e.takeError()));
  return std::move(*e);
}
void sure(llvm::Error e) {
  if (e) bug("LLVM: " + llvm::toString(std::move(e)));
}

// Once per process. What is switched off costs compile time and buys no speed (cpu.md 4).
void start_llvm() {
  static const bool done = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    const char* flags[] = {"tenon",
                           "-disable-lsr",
                           "-disable-post-ra",
                           "-enable-misched=0",
                           "-disable-cgp",
                           "-disable-machine-licm",
                           "-disable-machine-cse",
                           "-disable-machine-sink",
                           "-disable-branch-fold",
                           "-disable-tail-duplicate",
                           "-disable-block-placement",
                           "-disable-early-ifcvt",
                           "-disable-copyprop",
                           "-disable-peephole"};
    llvm::cl::ParseCommandLineOptions(static_cast<int>(std::size(flags)), flags);
    return true;
  }();
  (void)done;
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
  std::unique_ptr<orc::LLJIT> jit;
  std::unique_ptr<orc::JITTargetMachineBuilder> target;
  std::map<ir::FnId, std::unique_ptr<Compiled>> done, without_arena;
  std::atomic<int64_t> largest_arena{0};
  bool wide = false;
  int modules = 0;

  Impl(ir::Module& m, CompileOptions o) : module(m), options(o) {}

  void start() {
    if (jit) return;
    start_llvm();
    auto builder = sure(orc::JITTargetMachineBuilder::detectHost());
    wide = options.wide && kernels::isa() == kernels::Isa::v4 && builder.getFeatures().getString().find("+avx512f") != std::string::npos;
    if (!wide) {
      builder.setCPU("x86-64-v3");
      builder.getFeatures() = llvm::SubtargetFeatures();
    }
    builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
    builder.getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
    target = std::make_unique<orc::JITTargetMachineBuilder>(builder);
    jit = sure(orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(builder)).create());
    orc::SymbolMap symbols;
    auto add = [&](const std::string& name, void* p) {
      symbols[jit->mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(p),
                                             llvm::JITSymbolFlags::Exported};
    };
    for (uint32_t r = 0; r <= static_cast<uint32_t>(loop::Runtime::debug); ++r)
      add(llvm_jit::runtime_symbol(r),
          reinterpret_cast<void*>(loop::runtime_function(static_cast<loop::Runtime>(r))));
    add(llvm_jit::kLaunchSymbol, reinterpret_cast<void*>(&loop::launch));
    // What the code generator calls by itself.
    add("memcpy", reinterpret_cast<void*>(&memcpy));
    add("memset", reinterpret_cast<void*>(&memset));
    sure(jit->getMainJITDylib().define(orc::absoluteSymbols(std::move(symbols))));
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

  std::unique_ptr<llvm::Module> print(const plan::Unit& unit, const std::string& prefix,
                                      llvm::LLVMContext& context) {
    llvm_jit::PrintOptions o{prefix, wide};
    auto m = llvm_jit::print_llvm(unit.program, o, context);
    m->setDataLayout(jit->getDataLayout());
    m->setTargetTriple(jit->getTargetTriple().str());
    if (options.verify) {
      std::string text;
      llvm::raw_string_ostream out(text);
      if (llvm::verifyModule(*m, &out)) bug("LLVM IR: " + text + "\n" + loop::print(unit.program));
    }
    return m;
  }

  std::unique_ptr<Compiled> compile(ir::FnId fn, bool arena) {
    auto compiled = std::make_unique<Compiled>();
    compiled->largest = &largest_arena;
    const double t0 = now_ms();
    compiled->unit = lower(fn, arena);
    const double t1 = now_ms();
    start();
    std::string prefix = "m" + std::to_string(modules++) + "_";
    auto context = std::make_unique<llvm::LLVMContext>();
    auto m = print(*compiled->unit, prefix, *context);
    const double t2 = now_ms();
    sure(jit->addIRModule(orc::ThreadSafeModule(std::move(m), std::move(context))));
    auto address = sure(jit->lookup(llvm_jit::function_symbol({prefix, wide}, 0)));
    compiled->entry = address.toPtr<loop::RuntimeFn>();
    const double t3 = now_ms();
    stats.lower_ms += t1 - t0;
    stats.print_ms += t2 - t1;
    stats.codegen_ms += t3 - t2;
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
  i.start();
  llvm::LLVMContext context;
  auto m = i.print(*unit, "", context);
  std::string text;
  if (stage == Stage::llvm) {
    llvm::raw_string_ostream out(text);
    m->print(out, nullptr);
    return out.str();
  }
  auto machine = sure(i.target->createTargetMachine());
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream out(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    bug("LLVM cannot print assembly");
  passes.run(*m);
  return std::string(bytes);
}

}  // namespace tenon
