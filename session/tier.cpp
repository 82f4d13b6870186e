// Between the interpreter and the compiler (tier.h).
#include "session/tier.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>

#include "ir/passes/rewrite.h"
#include "jit/compiled.h"

namespace tenon {

Tier::Tier(ir::Module& module, Interpreter& interpreter, Mode mode)
    : module_(module), graph_(mode == Mode::graph), cutter_(module) {
  const char* tiering = std::getenv("TENON_TIERING");
  always_ = tiering && std::strcmp(tiering, "off") == 0;
  if (graph_) interpreter.set_override(override, this);
}

Tier::~Tier() = default;

ir::FnId Tier::prepare(ir::FnId fn) { return graph_ ? cutter_.cut(fn) : fn; }

Compiler& Tier::compiler() {
  if (!compiler_) compiler_ = std::make_unique<Compiler>(module_);
  return *compiler_;
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
    state.compile_now = t.always_ || t.loops(fn);
  }
  if (++state.runs == 1 && !state.compile_now) return false;
  Compiler& compiler = t.compiler();
  if (!compiler.has(fn)) {
    const auto start = std::chrono::steady_clock::now();
    compiler.compile(fn);
    t.stats_.compile_ms +=
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    ++t.stats_.compiled;
  }
  ++t.stats_.compiled_runs;
  results = compiler.compile(fn).run(sizes, std::move(args), context);
  return true;
}

}  // namespace tenon
