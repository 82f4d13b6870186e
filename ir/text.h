// The printed form of the IR. Printing and parsing are each other's inverse: parse(print(m)) is m, up
// to the numbering of values and places in the source, which are not printed. Values are numbered as
// they appear, so equal functions print equally. For people, for tests, and for `tenon explain`.
//
//   fn @0 net.forward[B, rows?](%0: f32[B, 2*H] data "x", %1: f32[H] param "net.b") effect {
//     %2: f32[B] = reduce(%0) sum axes=[1]
//     %3: f32[B] = for(%lo, %hi, %2) {
//       (%4: i64, %5: f32[B])
//       yield %5
//     }
//     return %3 data "y"
//   }
//
// A size with a question mark is existential; one with a ~ is a number that may be negative. The grammar stands in text_parse.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ir/function.h"

namespace tenon::ir {

std::string print(const Module& module, const Function& fn);
std::string print(const Module& module);  // every function
// `fn` and all it calls, numbered from @0 in the order of discovery: the same program prints the same
// in every module.
std::string print_program(const Module& module, FnId fn);

// Null and a message with a line number when the text is not IR.
std::unique_ptr<Module> parse_text(std::string_view text, std::string& error);

}  // namespace tenon::ir
