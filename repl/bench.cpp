// `tenon bench FILE...`.
#include "repl/command.h"
#include "repl/run.h"

namespace tenon {

int command_bench(const Invocation& invocation) {
  return each_program(invocation, [&](Engine& engine, const std::string& path) {
    return engine.bench(path, {invocation.value("--filter"), invocation.has("--json"), invocation.has("--times")});
  });
}

}  // namespace tenon
