// Units: texts in, diagnostics and kept tensors out (session.h).
#include "session/session.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <new>

#include "io/file.h"
#include "kernels/cpu/kernels.h"
#include "runtime/trap.h"
#include "session/impl.h"
#include "session/profile.h"
#include "support/cpu_name.h"

namespace tenon {

namespace {

constexpr int64_t kOwnMemory = int64_t{64} << 20;  // bytes

// The cores that this process may use, and that its container grants time for.
int granted_cores() {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  double used = 0, period = 0;
  if (quota >> used >> period && period > 0)
    cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(used / period))));
  return cores;
}

SessionHost::Output output_of(const SessionOptions& options) {
  if (options.output) return options.output;
  return [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); };
}

// Fewer features than this machine has, to see what another one would do: the same bits.
void limit_cpu(const std::string& cpu) {
  if (cpu.empty() || cpu == "native") return;
  const bool v4 = cpu == "x86-64-v4";
  if (!v4 && cpu != "x86-64-v3")
    fail(Code::E1002, {}, "programs are not compiled for a CPU called '" + cpu + "'",
         "--cpu is x86-64-v3 (AVX2), x86-64-v4 (AVX-512) or native");
  const kernels::Isa isa = v4 ? kernels::Isa::v4 : kernels::Isa::v3;
  if (!kernels::supported(isa))
    fail(Code::E1002, {}, "this machine's CPU is no " + cpu, "`tenon doctor` tells what it has", {},
         Fault::data);
  kernels::set_isa(isa);
}

// "index 3 is outside axis 0 of size 3": of which array (rule 6f) only the place in the text tells, since
// the machine code knows none of its names. What is subscripted there is a name, or nothing is said.
void name_array(Diagnostic& d, const SourceMap& sources) {
  const size_t at = d.message.find(" of size ");
  if (d.code != Code::E0802 || !d.message.starts_with("index ") || at == std::string::npos || !d.where.known()) return;
  const std::string_view text = sources.text(d.where);
  const std::string_view array = text.substr(0, text.find('['));
  auto part_of_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  if (array.empty() || array.size() == text.size() || !text.ends_with("]") || !std::all_of(array.begin(), array.end(), part_of_name)) return;
  d.message.replace(at, 9, " of `" + std::string(array) + "`, which has size ");
}

}  // namespace

bool has_error(const Diagnostics& list) {
  return std::any_of(list.begin(), list.end(), [](const Diagnostic& d) { return !d.warning; });
}

Diagnostics guarded(const std::function<void()>& f) {
  try {
    f();
    return {};
  } catch (const UserError& error) {
    return {error.diagnostic};
  } catch (const Trap& trap) {
    return {{trap.code, {}, trap.message, {}, trap.hint, trap.fault}};
  } catch (const std::bad_alloc&) {
    return {{Code::E0805, {}, "there is not enough memory", {}, {}, Fault::data}};
  }
}

Session::Impl::Impl(SessionOptions o)
    : options(std::move(o)),
      threads(options.threads > 0 ? options.threads : granted_cores()),
      host(sources, output_of(options), options.progress),
      tier(module, interpreter, options.mode, options.device, options.tf32) {
  host.seed = options.seed;
  std::function<std::string(Loc)> name_of;
  if (options.code_names)
    name_of = [this](Loc where) -> std::string {
      if (!where.known()) return "somewhere";
      const std::string path(sources.name(where.file));
      return path.substr(path.rfind('/') + 1) + ":" + std::to_string(sources.line_column(where.file, where.begin).line);
    };
  tier.set_compile(threads.count(), std::move(name_of));
  limit_cpu(options.cpu);
  host.run = [this](ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor> arguments) {
    RunContext c = context();
    return interpreter.run(fn, sizes, std::move(arguments), c);
  };
}

Session::Impl::~Impl() = default;

RunContext Session::Impl::context() {
  if (!kernels::supported(kernels::Isa::v3))
    fail(Code::E1002, {}, 
         "programs need a CPU with AVX2, FMA and BMI2 (x86-64-v3), and this one is \"" + cpu_name() + "\"",
         "`tenon doctor` tells what it has; `check`, `fmt` and `doc` work without", {}, Fault::data);
  RunContext c{threads, host, interrupted};
  c.profiler = profile.get();
  return c;
}

ParseResult Session::Impl::parse_file(const std::string& path) {
  std::string text;
  ParseResult out;
  out.errors = guarded([&] { text = io::read_file(path, {}); });
  // The program's own path stands on the command line: that it is wrong is no fault of data.
  for (Diagnostic& d : out.errors)
    if (d.code == Code::E0901) d.fault = Fault::program;
  if (!out.errors.empty()) return out;
  return parse(sources, sources.add(path, std::move(text)));
}

std::vector<Tensor> Session::Impl::arguments_of(ir::FnId fn, std::vector<Tensor> arguments,
                                                const std::vector<uint32_t>& inputs) {
  const ir::Function& f = module.fn(fn);
  const size_t given = arguments.size();
  size_t next = 0;
  for (size_t i = given; i < f.params.size(); ++i) {
    if (f.params[i].role == ir::Leaf::key) {
      arguments.push_back(Tensor::scalar(DType::i64, key_of_seed(static_cast<int64_t>(options.seed))));
    } else {
      require(next < inputs.size(), "a unit has a parameter that nothing is kept for");
      arguments.push_back(kept.at(inputs[next++]));
    }
  }
  require(next == inputs.size(), "a unit has fewer parameters than inputs");
  return arguments;
}

std::vector<Tensor> Session::Impl::run(ir::FnId fn, std::span<const int64_t> sizes,
                                       std::vector<Tensor> arguments,
                                       const std::vector<uint32_t>& inputs) {
  arguments = arguments_of(fn, std::move(arguments), inputs);
  RunContext c = context();
  try {
    return interpreter.run(tier.prepare(fn), sizes, std::move(arguments), c);
  } catch (UserError& error) {
    name_array(error.diagnostic, sources);
    blame(error.diagnostic, sources);
    throw;
  }
}

Diagnostics Session::Impl::run_unit(const Unit& unit) {
  std::vector<Tensor> results;
  Diagnostics wrong = guarded([&] {
    require(module.fn(unit.fn).sizes.empty(), "a unit of the top level has sizes that nobody passes");
    results = run(unit.fn, {}, {}, unit.inputs);
  });
  host.end_run();
  if (!wrong.empty()) {
    elaborator.discard(unit);
    return wrong;
  }
  require(results.size() == unit.outputs.size(), "a unit gave the wrong number of results");
  std::vector<Elaborator::Kept> facts;
  for (size_t i = 0; i < results.size(); ++i) {
    Tensor& t = results[i];
    Elaborator::Kept k{t.dtype, {t.shape.begin(), t.shape.end()}, std::nullopt};
    if (t.rank() == 0 && t.dtype == DType::i64) k.integer = t.as_int();
    facts.push_back(std::move(k));
    if (unit.outputs[i] >= kept.size()) kept.resize(unit.outputs[i] + 1);
    // A view that repeats itself (`zeros` is one) would get memory in every run that takes it: once is
    // better, unless it is so large that it may be meant never to have any.
    if (t.bytes() <= kOwnMemory) t = t.packed();
    kept[unit.outputs[i]] = std::move(t);
  }
  elaborator.finish(unit, facts);
  return {};
}

// ---------------------------------------------------------------- the public face

namespace {

// A string as the language writes it.
std::string literal(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    char code[16];
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '{' || c == '}')
      out += {c, c};
    else if (static_cast<unsigned char>(c) < 32 || c == 127)
      std::snprintf(code, sizeof code, "\\u{%x}", static_cast<unsigned>(c)), out += code;
    else
      out += c;
  }
  return out + "\"";
}

// The arguments of the program hide the empty `args` of the library, and are no input of their own: nothing else changes.
void define_arguments(Elaborator& elaborator, SourceMap& sources, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return;
  std::string list;
  for (const std::string& a : arguments) list += (list.empty() ? "" : ", ") + literal(a);
  ParseResult parsed = parse(sources, sources.add("the command line", "let args = [" + list + "]"));
  if (!parsed.module) throw UserError(std::move(parsed.errors[0]));
  const Unit unit = elaborator.unit(parsed.module, {});
  require(unit.ok && unit.outputs.empty(), "the arguments are known texts");
  elaborator.finish(unit, {});
}

}  // namespace

Session::Session(SessionOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  define_arguments(impl_->elaborator, impl_->sources, impl_->options.arguments);
}
Session::~Session() = default;

SourceMap& Session::sources() { return impl_->sources; }

Diagnostics Session::run_file(const std::string& path) {
  impl_->interrupted = false;
  ParseResult parsed = impl_->parse_file(path);
  if (!parsed.module) return parsed.errors;
  Elaborator::Options how;
  how.check_all = false;
  how.seed_statement = impl_->statements++;
  Unit unit;
  Diagnostics out = guarded([&] { unit = impl_->elaborator.unit(parsed.module, how); });
  if (!out.empty()) return out;
  for (Diagnostic& d : unit.messages)
    if (!d.warning) out.push_back(std::move(d));  // notes are for `check`
  if (!unit.ok) return out;
  return impl_->run_unit(unit);
}

Session::TextResult Session::run_text(const std::string& name, std::string_view text, bool echo) {
  impl_->interrupted = false;
  ParseResult parsed = parse(impl_->sources, impl_->sources.add(name, std::string(text)));
  if (!parsed.module) return {parsed.incomplete, std::move(parsed.errors)};
  Elaborator::Options how;
  how.echo = echo;
  how.echo_types = impl_->options.echo_types;
  how.check_all = false;
  how.seed_statement = impl_->statements++;
  Unit unit;
  Diagnostics out = guarded([&] { unit = impl_->elaborator.unit(parsed.module, how); });
  if (!out.empty()) return {false, std::move(out)};
  for (Diagnostic& d : unit.messages)
    if (!d.warning) out.push_back(std::move(d));
  if (!unit.ok) return {false, std::move(out)};
  impl_->entries.clear();  // what they were made of may have been defined anew
  out = impl_->run_unit(unit);
  for (const UnitTest& test : unit.tests)
    if (out.empty()) out = impl_->run_test(test);
  return {false, std::move(out)};
}

Diagnostics Session::check_file(const std::string& path) {
  // A world of its own: what one file defines is nothing to the next.
  ParseResult parsed = impl_->parse_file(path);
  if (!parsed.module) return parsed.errors;
  ir::Module module;
  LibraryTexts texts(impl_->sources);
  Elaborator elaborator(module, impl_->sources, texts);
  Unit unit;
  Diagnostics out = guarded([&] {
    define_arguments(elaborator, impl_->sources, impl_->options.arguments);
    unit = elaborator.unit(parsed.module, {});
  });
  if (out.empty()) out = std::move(unit.messages);
  return out;
}

Session::CallResult Session::call(const std::string& function, std::vector<Tensor> arguments) {
  impl_->interrupted = false;
  CallResult out;
  std::string key = function;
  std::vector<std::pair<DType, int>> types;
  for (const Tensor& t : arguments) {
    types.emplace_back(t.dtype, t.rank());
    key += " " + std::string(name(t.dtype)) + std::to_string(t.rank());
  }
  auto at = impl_->entries.find(key);
  if (at == impl_->entries.end()) {
    Impl::Entry entry;
    entry.errors = guarded([&] { entry.made = impl_->elaborator.entry(function, types); });
    for (Diagnostic& d : entry.made.unit.messages)
      if (!d.warning) entry.errors.push_back(std::move(d));
    at = impl_->entries.emplace(std::move(key), std::move(entry)).first;
  }
  const Impl::Entry& entry = at->second;
  if (!entry.errors.empty()) {
    out.diagnostics = entry.errors;
    return out;
  }
  std::vector<Tensor> values;
  out.diagnostics = guarded([&] {
    const ir::Function& f = impl_->module.fn(entry.made.unit.fn);
    std::vector<int64_t> sizes;
    for (SymId s : f.sizes) {
      int64_t size = -1;
      for (size_t i = 0; i < arguments.size(); ++i)
        for (size_t k = 0; k < entry.made.entry_sizes[i].size(); ++k)
          if (entry.made.entry_sizes[i][k] == s) size = arguments[i].shape[static_cast<int>(k)];
      require(size >= 0, "an entry has a size that no argument brings");
      sizes.push_back(size);
    }
    values = impl_->run(entry.made.unit.fn, sizes, std::move(arguments), entry.made.unit.inputs);
  });
  impl_->host.end_run();
  for (size_t i = 0; i < values.size(); ++i)
    out.results.push_back({entry.made.result_names.at(i), std::move(values[i])});
  return out;
}

std::vector<std::string> Session::names() const { return impl_->elaborator.names(); }

const std::vector<ProgressRow>& Session::history() const { return impl_->host.history(); }

void Session::start_profile() {
  impl_->profile = std::make_unique<Profile>(impl_->sources, impl_->tier);
  impl_->interpreter.watch(impl_->profile.get());
}

std::string Session::profile_report() {
  Limits limits(impl_->threads);
  return impl_->profile ? impl_->profile->report(limits) : "";
}

std::string Session::profile_trace() const {
  return impl_->profile ? impl_->profile->trace() : "";
}

std::string Session::stats() const {
  const Interpreter::Stats& run = impl_->interpreter.stats();
  const Tier::Stats& tier = impl_->tier.stats();
  const CompileStats compile = impl_->tier.compile_stats();
  auto mib = [](auto bytes) { return static_cast<double>(bytes) / (1024 * 1024); };
  char text[640];
  std::snprintf(text, sizeof text,
                "stats: nodes interpreted %llu, functions prepared %llu, compiled %llu in %.1f ms (loops %.1f, known code %.1f, new code %.1f, linking %.1f), parts read %d and made %d, compiled runs "
                "%llu, tensors planned %d and counted %d, largest arena %.2f MiB, peak memory %.2f MiB, memory taken %.2f MiB, threads %d",
                static_cast<unsigned long long>(run.nodes_run), static_cast<unsigned long long>(run.functions_prepared),
                static_cast<unsigned long long>(tier.compiled), tier.compile_ms, compile.lower_ms,
                compile.read_ms, compile.codegen_ms, compile.link_ms, compile.parts_read, compile.parts_made,
                static_cast<unsigned long long>(tier.compiled_runs),
                compile.planned, compile.counted, mib(compile.arena_bytes), mib(memory_use().peak), mib(memory_use().taken),
                impl_->threads.count());
  return text + impl_->tier.device_stats();
}

std::string session_compiler_version() { return TENON_LLVM_VERSION; }

void Session::interrupt() { impl_->interrupted = true; }

}  // namespace tenon
