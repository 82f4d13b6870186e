// `tenon test FILE...`: each file in an engine of its own, so that none sees another's state.
#include <algorithm>

#include "repl/command.h"
#include "repl/run.h"

namespace tenon {

int command_test(const Invocation& invocation) {
  RunSettings settings = run_settings(invocation, Mode::graph);
  int code = 0;
  for (const std::string& path : invocation.operands) {
    auto engine = make_engine(settings);
    InterruptGuard guard(*engine);
    code =
        std::max(code, report(engine->test(path, invocation.value("--filter")), engine->sources()));
    if (code == 130) break;
  }
  return code;
}

}  // namespace tenon
