// rooms: support frontend ir
// Parser and formatter: any text parses or is told why not, with at least one message; a text that
// parses has the same tree after it was formatted, and formatting it again changes nothing.
#include "frontend/ast_print.h"
#include "frontend/format.h"
#include "frontend/parse.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  SourceMap sources;
  const FileId file = sources.add("input.model", std::string(fuzz::text_of(data, size)));
  const ParseResult parsed = parse(sources, file);
  fuzz::hold(bool(parsed.module) == parsed.errors.empty(), "a tree, or messages");
  for (const Diagnostic& d : parsed.errors) render(d, sources);
  const FormatResult once = format_source(sources, file);
  fuzz::hold(!once.gave_up, "the formatter keeps the tree");
  if (!parsed.module) return 0;
  fuzz::hold(once.errors.empty(), "what parses is formatted");
  const FileId again = sources.add("again.model", once.text);
  const ParseResult parsed_again = parse(sources, again);
  fuzz::hold(parsed_again.module && print_ast(*parsed_again.module) == print_ast(*parsed.module),
             "the tree of the formatted text is the tree of the text");
  fuzz::hold(format_source(sources, again).text == once.text, "formatting twice is formatting once");
  return 0;
}
