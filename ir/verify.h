// Checks that a function is well-formed: types follow `infer`, values are defined before use and in a
// region that reaches the use, symbols are bound before use, tapes are linear, effects stay in effect
// functions. Runs after every pass; a failure is our bug and names the pass.
#pragma once

#include <string>

#include "ir/function.h"

namespace tenon::ir {

// The first thing wrong, or empty.
std::string verify(Module& module, const Function& fn);
// bug() with the pass's name when something is wrong.
void verify_after(std::string_view pass, Module& module, const Function& fn);

}  // namespace tenon::ir
