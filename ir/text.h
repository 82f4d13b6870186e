// The printed form of the IR. Printing and parsing are each other's inverse: parse(print(m)) is m, up
// to the numbering of values. For people, for tests, and for `tenon explain`.
#pragma once

#include <memory>
#include <string>

#include "ir/function.h"

namespace tenon::ir {

std::string print(const Module& module, const Function& fn);
std::string print(const Module& module);  // every function

// Null and a message with a line number when the text is not IR.
std::unique_ptr<Module> parse_text(std::string_view text, std::string& error);

}  // namespace tenon::ir
