// `tenon fmt FILE...`: files in the standard form.
#include "repl/command.h"

namespace tenon {

int command_fmt(const Invocation&) {
  fail(Code::E1002, {}, "this build cannot format programs yet");
}

}  // namespace tenon
