// Keys, parts, code generation and linking; see code.h.
#include "jit/llvm/code.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <elf.h>
#include <exception>
#include <fstream>
#include <functional>
#include <link.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/DebugObjectManagerPlugin.h>
#include <llvm/ExecutionEngine/Orc/EPCDebugObjectRegistrar.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/Orc/TargetProcess/JITLoaderGDB.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/BLAKE3.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <map>
#include <thread>
#include <unistd.h>

#include "kernels/cpu/kernels.h"

namespace tenon::llvm_jit {

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

// What is switched off costs compile time and buys no speed (cpu.md 4).
constexpr const char* kFlags[] = {"tenon",
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

// Once per process.
void start_llvm() {
  static const bool done = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::cl::ParseCommandLineOptions(static_cast<int>(std::size(kFlags)), kFlags);
    return true;
  }();
  (void)done;
}

// What the linker wrote into the program or library that holds this code: other code, another id.
// Empty where it wrote none: then nothing is kept on disk.
std::string build_id() {
  struct Search {
    uintptr_t here;
    std::string id;
  } search{reinterpret_cast<uintptr_t>(&build_id), {}};
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* data) {
        auto& s = *static_cast<Search*>(data);
        bool ours = false;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& h = object->dlpi_phdr[i];
          const uintptr_t begin = object->dlpi_addr + h.p_vaddr;
          ours |= h.p_type == PT_LOAD && s.here >= begin && s.here < begin + h.p_memsz;
        }
        if (!ours) return 0;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& h = object->dlpi_phdr[i];
          if (h.p_type != PT_NOTE) continue;
          auto padded = [](size_t n) { return (n + 3) / 4 * 4; };
          const auto* at = reinterpret_cast<const char*>(object->dlpi_addr + h.p_vaddr);
          for (const char* end = at + h.p_memsz; at + sizeof(ElfW(Nhdr)) <= end;) {
            const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
            const char* name = at + sizeof *note;
            const char* text = name + padded(note->n_namesz);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
              s.id.assign(text, note->n_descsz);
            at = text + padded(note->n_descsz);
          }
        }
        return 1;
      },
      &search);
  return search.id;
}

std::string hash_of(std::string_view settings, std::string_view text) {
  llvm::BLAKE3 hasher;
  hasher.update(llvm::StringRef(settings.data(), settings.size()));
  hasher.update(llvm::StringRef(text.data(), text.size()));
  std::string out;
  for (uint8_t b : hasher.final<16>())
    for (int half : {b >> 4, b & 15}) out += "0123456789abcdef"[half];
  return out;
}

// Which functions may run often in one run of the program: those with loops, those that are called
// from a loop or from themselves, and what these call.
std::vector<char> often(const loop::Program& p) {
  const auto count = static_cast<uint32_t>(p.functions.size());
  std::vector<char> loops(count, 0);
  std::vector<std::set<uint32_t>> calls(count);
  std::vector<uint32_t> open;
  std::function<void(uint32_t, const loop::Block&, bool)> look = [&](uint32_t f, const loop::Block& block, bool inside) {
    using loop::StmtKind;
    for (const loop::Stmt& s : block) {
      const bool loop = s.kind == StmtKind::for_ || s.kind == StmtKind::while_ || s.kind == StmtKind::fold;
      if (loop) loops[f] = 1;
      if (s.kind == StmtKind::call && s.callee == loop::Callee::function) {
        calls[f].insert(s.id);
        if (inside) open.push_back(s.id);
      }
      look(f, s.body, inside || loop);
      look(f, s.other, inside || loop);
    }
  };
  for (uint32_t f = 0; f < count; ++f) look(f, p.functions[f].body, false);
  auto all_from = [&](std::vector<uint32_t> list) {
    std::vector<char> seen(count, 0);
    while (!list.empty()) {
      const uint32_t f = list.back();
      list.pop_back();
      for (uint32_t g : calls[f])
        if (!seen[g]) {
          seen[g] = 1;
          list.push_back(g);
        }
    }
    return seen;
  };
  for (uint32_t f = 0; f < count; ++f)
    if (all_from({f})[f]) open.push_back(f);
  std::vector<char> out = all_from(open);
  for (uint32_t f : open) out[f] = 1;
  for (uint32_t f = 0; f < count; ++f) out[f] |= loops[f];
  return out;
}

struct Work {  // a part on its way to an object
  Part part;
  llvm::CodeGenOptLevel level;
  std::string key, object;
  std::exception_ptr failed{};
};

// /tmp/perf-PID.map, where perf looks for the names of code that came with no file: a line for each
// function that is linked.
class PerfMap final : public orc::ObjectLinkingLayer::Plugin {
 public:
  void modifyPassConfig(orc::MaterializationResponsibility&, llvm::jitlink::LinkGraph&,
                        llvm::jitlink::PassConfiguration& passes) override {
    passes.PostFixupPasses.push_back([](llvm::jitlink::LinkGraph& graph) {
      std::ofstream out("/tmp/perf-" + std::to_string(::getpid()) + ".map", std::ios::app);
      for (const llvm::jitlink::Symbol* s : graph.defined_symbols())
        if (s->hasName() && s->isCallable())
          out << std::hex << s->getAddress().getValue() << " " << s->getSize() << " " << s->getName().str() << "\n";
      return llvm::Error::success();
    });
  }
  llvm::Error notifyFailed(orc::MaterializationResponsibility&) override { return llvm::Error::success(); }
  llvm::Error notifyRemovingResources(orc::JITDylib&, orc::ResourceKey) override { return llvm::Error::success(); }
  void notifyTransferringResources(orc::JITDylib&, orc::ResourceKey, orc::ResourceKey) override {}
};

}  // namespace

struct Code::Impl {
  CompileOptions options;
  bool wide = false;
  std::optional<orc::JITTargetMachineBuilder> target;
  std::unique_ptr<orc::LLJIT> jit;
  std::optional<io::DiskCache> cache;
  std::string settings;  // what every key depends on
  std::set<std::string> kernels;                       // linked already
  std::map<std::string, loop::RuntimeFn> programs;     // likewise, by the hash of all

  explicit Impl(const CompileOptions& o) : options(o) {
    start_llvm();
    target = sure(orc::JITTargetMachineBuilder::detectHost());
    wide = options.wide && kernels::isa() == kernels::Isa::v4 &&
           target->getFeatures().getString().find("+avx512f") != std::string::npos;
    if (!wide) {
      target->setCPU("x86-64-v3");
      target->getFeatures() = llvm::SubtargetFeatures();
    }
    target->getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
    target->setCodeModel(llvm::CodeModel::Small);
    target->setRelocationModel(llvm::Reloc::PIC_);
    for (const char* flag : kFlags) settings += std::string(flag) + " ";
    settings += std::string(LLVM_VERSION_STRING) + " " + target->getCPU() + " " + target->getFeatures().getString() +
                (wide ? " wide " : " narrow ");
    if (const std::string id = build_id(); options.cache && !options.name_of && !id.empty())
      if (auto folder = io::cache_folder()) {
        cache.emplace(*folder + "/code", io::kCodeBytes);
        settings += id;
      }
  }

  // Names for people in place of hashes: where a kernel comes from, what a function is called.
  void name(const loop::Program& program, PrintOptions& names, const std::string& all) const {
    const std::string mark = "." + all.substr(0, 8);
    for (size_t k = 0; k < names.kernels.size(); ++k) {
      const std::vector<Loc>& places = program.kernels[k].places;
      names.kernels[k] = program.kernels[k].name + " " + options.name_of(places.empty() ? Loc{} : places[0]) + mark;
    }
    for (size_t f = 0; f < names.functions.size(); ++f) names.functions[f] = program.functions[f].name + mark;
  }

  void start() {
    if (jit) return;
    jit = sure(orc::LLJITBuilder().setJITTargetMachineBuilder(*target).create());
    if (options.name_of) {
      auto& linker = llvm::cast<orc::ObjectLinkingLayer>(jit->getObjLinkingLayer());
      linker.addPlugin(std::make_unique<PerfMap>());
      orc::ExecutionSession& session = jit->getExecutionSession();
      auto gdb = std::make_unique<orc::EPCDebugObjectRegistrar>(
          session, orc::ExecutorAddr::fromPtr(&llvm_orc_registerJITLoaderGDBWrapper));
      linker.addPlugin(std::make_unique<orc::DebugObjectManagerPlugin>(session, std::move(gdb), false, true));
    }
    orc::SymbolMap symbols;
    auto add = [&](const std::string& name, void* p) {
      symbols[jit->mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(p), llvm::JITSymbolFlags::Exported};
    };
    for (uint32_t r = 0; r <= static_cast<uint32_t>(loop::Runtime::debug); ++r)
      add(runtime_symbol(r), reinterpret_cast<void*>(loop::runtime_function(static_cast<loop::Runtime>(r))));
    add(kLaunchSymbol, reinterpret_cast<void*>(&loop::launch));
    // What the code generator calls by itself.
    add("memcpy", reinterpret_cast<void*>(&memcpy));
    add("memset", reinterpret_cast<void*>(&memset));
    sure(jit->getMainJITDylib().define(orc::absoluteSymbols(std::move(symbols))));
  }

  std::unique_ptr<llvm::TargetMachine> machine(llvm::CodeGenOptLevel level) const {
    orc::JITTargetMachineBuilder builder = *target;
    builder.setCodeGenOptLevel(level);
    return sure(builder.createTargetMachine());
  }

  std::unique_ptr<llvm::Module> print(const loop::Program& program, const Part& part, const PrintOptions& o,
                                      const llvm::TargetMachine& machine, llvm::LLVMContext& context) const {
    auto m = print_llvm(program, part, o, context);
    m->setDataLayout(machine.createDataLayout());
    m->setTargetTriple(machine.getTargetTriple().str());
    if (options.verify) {
      std::string text;
      llvm::raw_string_ostream out(text);
      if (llvm::verifyModule(*m, &out)) bug("LLVM IR: " + text + "\n" + loop::print(program));
    }
    return m;
  }

  void compile(const loop::Program& program, const PrintOptions& o, Work& work) const {
    llvm::LLVMContext context;
    auto made = machine(work.level);
    auto module = print(program, work.part, o, *made, context);
    auto object = sure(orc::SimpleCompiler(*made)(*module));
    work.object = object->getBuffer().str();
  }

  // Those of `list`, several at once where that is allowed. What is made does not depend on it.
  void compile(const loop::Program& program, const PrintOptions& o, const std::vector<Work*>& list) const {
    std::atomic<size_t> next{0};
    auto some = [&] {
      for (size_t at; (at = next++) < list.size();) try {
          compile(program, o, *list[at]);
        } catch (...) {
          list[at]->failed = std::current_exception();
        }
    };
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < std::min(list.size(), static_cast<size_t>(options.threads)); ++i) helpers.emplace_back(some);
    some();
    for (std::thread& t : helpers) t.join();
    for (const Work* w : list)
      if (w->failed) std::rethrow_exception(w->failed);
  }
};

Code::Code(const CompileOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Code::~Code() = default;

loop::RuntimeFn Code::make(const loop::Program& program, CompileStats& stats) {
  Impl& i = *impl_;
  const double begin = now_ms();
  PrintOptions names{i.wide, {}, {}};
  std::vector<size_t> weight;
  std::string all;
  for (const loop::Function& k : program.kernels) {
    std::string bytes;
    loop::append_bytes(k, bytes);
    names.kernels.push_back("k" + hash_of(i.settings, bytes));
    weight.push_back(bytes.size());
    all += names.kernels.back();
  }
  for (const loop::Function& f : program.functions) loop::append_bytes(f, all);
  all = hash_of(i.settings, all);
  if (auto known = i.programs.find(all); known != i.programs.end()) return known->second;
  for (size_t f = 0; f < program.functions.size(); ++f) names.functions.push_back("f" + std::to_string(f) + "." + all);
  if (i.options.name_of) i.name(program, names, all);

  // Two halves of the kernels, so that two threads have work; always, so that keys are the same.
  std::vector<Work> work(4);
  for (Work& w : work) w.level = llvm::CodeGenOptLevel::Less;
  Work &drivers = work[2], &once = work[3];
  once.level = llvm::CodeGenOptLevel::None;
  std::string fresh[2];
  size_t sum[2] = {0, 0};
  for (uint32_t k = 0; k < program.kernels.size(); ++k) {
    if (!i.kernels.insert(names.kernels[k]).second) continue;
    const int half = sum[0] <= sum[1] ? 0 : 1;
    sum[half] += weight[k];
    work[half].part.kernels.push_back(k);
    fresh[half] += names.kernels[k];
  }
  const std::vector<char> many = often(program);
  for (uint32_t f = 0; f < program.functions.size(); ++f) (many[f] ? drivers : once).part.functions.push_back(f);
  for (int half : {0, 1}) work[half].key = hash_of(i.settings, fresh[half]);
  drivers.key = hash_of(i.settings, all + " often");
  once.key = hash_of(i.settings, all + " once");
  std::erase_if(work, [](const Work& w) { return w.part.kernels.empty() && w.part.functions.empty(); });
  std::vector<Work*> open;
  for (Work& w : work) {
    if (i.cache)
      if (auto object = i.cache->get(w.key)) w.object = std::move(*object);
    if (w.object.empty()) open.push_back(&w);
  }
  const double looked = now_ms();
  i.compile(program, names, open);
  if (i.cache)
    for (const Work* w : open) i.cache->put(w->key, w->object);
  const double made = now_ms();
  i.start();
  for (Work& w : work)
    sure(i.jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(w.object, w.key)));
  const auto entry = sure(i.jit->lookup(names.functions[0])).toPtr<loop::RuntimeFn>();
  i.programs[all] = entry;
  stats.read_ms += looked - begin;
  stats.codegen_ms += made - looked;
  stats.link_ms += now_ms() - made;
  stats.parts_made += static_cast<int>(open.size());
  stats.parts_read += static_cast<int>(work.size() - open.size());
  return entry;
}

std::string Code::text(const loop::Program& program, bool assembly) {
  Impl& i = *impl_;
  PrintOptions names{i.wide, {}, {}};
  Part nests, once;
  for (uint32_t k = 0; k < program.kernels.size(); ++k) {
    names.kernels.push_back("k" + std::to_string(k));
    nests.kernels.push_back(k);
  }
  const std::vector<char> many = often(program);
  for (uint32_t f = 0; f < program.functions.size(); ++f) {
    names.functions.push_back("f" + std::to_string(f));
    (many[f] ? nests : once).functions.push_back(f);
  }
  std::string text;
  for (const Part* part : {&nests, &once}) {
    if (part->kernels.empty() && part->functions.empty()) continue;
    auto machine = i.machine(part == &once ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Less);
    llvm::LLVMContext context;
    auto m = i.print(program, *part, names, *machine, context);
    llvm::SmallString<0> bytes;
    llvm::raw_svector_ostream out(bytes);
    if (assembly) {
      llvm::legacy::PassManager passes;
      if (machine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
        bug("LLVM cannot print assembly");
      passes.run(*m);
    } else {
      m->print(out, nullptr);
    }
    text += bytes.str().str();
  }
  return text;
}

}  // namespace tenon::llvm_jit
