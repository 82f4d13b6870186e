// Text -> syntax tree. The one door to ANTLR: no other file knows that it exists.
#pragma once

#include <memory>
#include <vector>

#include "frontend/ast.h"
#include "support/diagnostic.h"

namespace tenon {

struct ParseResult {
  std::shared_ptr<ast::Module> module;   // null when there are errors
  std::vector<Diagnostic> errors;        // every independent one, in source order
  bool incomplete = false;  // the text ends inside a bracket or a string: the REPL asks for more
};

struct ParseOptions {
  bool allow_tabs = false;  // `tenon fmt` replaces the tabs that all others refuse
};

// Never throws on any input. Deep nesting beyond 500 levels is an error with a place; the worst text
// known fits into 4 MB of stack, not into 2.
ParseResult parse(SourceMap& sources, FileId file);
ParseResult parse(SourceMap& sources, FileId file, ParseOptions options);

}  // namespace tenon
