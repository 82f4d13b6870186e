// `tenon test FILE...`.
#include "repl/command.h"
#include "repl/run.h"

namespace tenon {

int command_test(const Invocation& invocation) {
  return each_program(invocation, [&](Engine& engine, const std::string& path) {
    return engine.test(path, invocation.value("--filter"));
  });
}

}  // namespace tenon
