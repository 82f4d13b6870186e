// `tenon test FILE...`: each file in an engine of its own, so that none sees another's state.
#include <algorithm>

#include "repl/command.h"
#include "repl/run.h"

namespace tenon {

int command_test(const Invocation& invocation) {
  RunSettings settings = run_settings(invocation, Mode::graph);
  int code = 0;
  // A filter that fits no test of one file may fit another's; that it fits none of all is an error.
  auto fits_none = [](const Diagnostics& d) { return d.size() == 1 && d[0].code == Code::E1001; };
  size_t without = 0;
  for (const std::string& path : invocation.operands) {
    auto engine = make_engine(settings);
    InterruptGuard guard(*engine);
    const Diagnostics wrong = engine->test(path, invocation.value("--filter"));
    if (fits_none(wrong) && ++without < invocation.operands.size()) continue;
    code = std::max(code, report(wrong, engine->sources()));
    if (code == 130) break;
  }
  return code;
}

}  // namespace tenon
