// `tenon version`.
#include <cstdio>

#include "repl/command.h"

namespace tenon {

int command_version(const Invocation&) {
  std::printf("tenon %s\n", TENON_VERSION);
  return 0;
}

}  // namespace tenon
