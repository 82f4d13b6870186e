// What to say where the grammar cannot go on. Our own words: ANTLR only tells the place, the rules
// it was in and what could have followed.
#pragma once

#include <string_view>
#include <vector>

#include "frontend/parse_tokens.h"

namespace tenon {

struct SyntaxFault {
  size_t at = 0;                        // the token that cannot stand there
  size_t first = 0;                     // where its statement begins
  std::vector<std::string_view> rules;  // grammar rules around it, innermost first
  std::vector<Tk> expected;             // what could stand there; empty when not known
  bool after_statement = false;         // a whole statement stands before it
};

Diagnostic syntax_message(const SourceMap& sources, FileId file, const std::vector<Token>& tokens,
                          const SyntaxFault& fault);

}  // namespace tenon
