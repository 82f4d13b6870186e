// `tenon bench FILE...`.
#include <algorithm>

#include "repl/command.h"
#include "repl/run.h"

namespace tenon {

int command_bench(const Invocation& invocation) {
  RunSettings settings = run_settings(invocation, Mode::graph);
  int code = 0;
  for (const std::string& path : invocation.operands) {
    auto engine = make_engine(settings);
    InterruptGuard guard(*engine);
    code = std::max(code, report(engine->bench(path, invocation.has("--json")), engine->sources()));
    if (code == 130) break;
  }
  return code;
}

}  // namespace tenon
