// The inside of string literals: escapes, braces and holes. Knows bytes, not tokens and not ANTLR.
#pragma once

#include <string>
#include <vector>

#include "support/diagnostic.h"

namespace tenon {

// One piece of a string: a text with its escapes resolved, or a hole.
struct StringPart {
  bool hole = false;
  std::string text;             // no hole
  uint32_t begin = 0, end = 0;  // hole: the bytes of its expression
  std::string format;           // hole: what stands after its colon
};

// Takes a STRING token apart, from its first quote to its last. Errors are appended.
std::vector<StringPart> split_string(const SourceMap& sources, Loc string,
                                     std::vector<Diagnostic>& errors);

// The text between the quotes of """...""": as it stands, with line ends made \n.
std::string plain_text(std::string_view literal);

// What is wrong with a BAD_STRING token.
Diagnostic bad_string_message(const SourceMap& sources, Loc string, bool& unclosed);

}  // namespace tenon
