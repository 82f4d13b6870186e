// `tenon fmt`: one style. Blanks and indentation are ours, line breaks are the writer's as long as
// lines fit, comments and single blank lines stay. The syntax tree of the text never changes, and formatting a formatted
// text changes nothing.
#pragma once

#include <string>
#include <vector>

#include "support/diagnostic.h"

namespace tenon {

struct FormatResult {
  std::string text;                // the formatted text; after an error the text as it was
  std::vector<Diagnostic> errors;  // a text that does not parse is not formatted
  bool gave_up = false;            // our own bug: the tree would have changed, so nothing was
};

struct FormatOptions {
  size_t columns = 100;  // what a line may have
};

// Tabs, which all others refuse, are replaced.
FormatResult format_source(SourceMap& sources, FileId file, FormatOptions options = {});

}  // namespace tenon
