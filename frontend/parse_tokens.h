// Between the lexer and the parser: which newlines end a statement (rule 5 of the language), which
// brackets belong together, what is written as in another language. Every mistake found here is
// also mended in the token list, so that the parser behind it does not report it a second time.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "frontend/token.h"
#include "support/diagnostic.h"

namespace tenon {

constexpr int kMaxNesting = 500;

struct FilteredTokens {
  std::vector<Token> tokens;   // no comments; an END is the last one
  std::vector<int> enclosing;  // per token: the index of the innermost { around it, or -1;
                               // a { and its } count as outside and inside, in this order
  std::vector<Diagnostic> errors;
  // Ranges of bytes in which the parser's own errors are consequences of errors found here.
  std::vector<std::pair<uint32_t, uint32_t>> mended;
  std::unordered_map<uint32_t, std::string> docs;  // ## lines, by the byte of the token below them
  bool incomplete = false;  // the text ends inside a bracket, a string or after an operator
  bool hopeless = false;    // nested too deep: do not parse

  bool is_mended(uint32_t byte) const;
};

struct FilterOptions {
  bool allow_tabs = false;  // `tenon fmt` replaces them
};

FilteredTokens filter_tokens(const SourceMap& sources, FileId file, const std::vector<Token>& raw,
                             uint32_t end, FilterOptions options = {});

// The first half of it (parse_foreign.cpp): characters, numbers, operators and words that other
// languages have. Gives a mended list, still with comments and newlines.
std::vector<Token> mend_spellings(const SourceMap& sources, FileId file,
                                  const std::vector<Token>& raw, uint32_t end, FilterOptions options,
                                  FilteredTokens& out);

// Not UTF-8, zero bytes, too large: nothing else can be said about such a text.
bool check_text(const SourceMap& sources, FileId file, std::vector<Diagnostic>& errors);

}  // namespace tenon
