// `tenon check FILE...`: everything that can be known without data.
#include <algorithm>
#include <cstdio>

#include "repl/command.h"

namespace tenon {

int command_check(const Invocation& invocation) {
  RunSettings settings;
  settings.arguments = invocation.after_dashes;
  auto engine = make_engine(settings);
  int code = 0;
  for (const std::string& path : invocation.operands) {
    int own = report(engine->check(path), engine->sources());
    if (own == 0) std::printf("%s: no errors\n", path.c_str());
    code = std::max(code, own);
  }
  return code;
}

}  // namespace tenon
