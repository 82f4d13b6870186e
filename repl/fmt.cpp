// `tenon fmt FILE...`: files in the standard form. A file is replaced as a whole or not at all.
#include <algorithm>
#include <cstdio>

#include "frontend/format.h"
#include "io/file.h"
#include "repl/command.h"

namespace tenon {

int command_fmt(const Invocation& invocation) {
  SourceMap sources;
  int code = 0;
  for (const std::string& path : invocation.operands) {
    try {
      FileId file = sources.add(path, io::read_file(path, {}));
      std::string before(sources.text(file));
      FormatResult formatted = format_source(sources, file);
      if (formatted.gave_up) bug("formatting would have changed the meaning of " + path);
      if (!formatted.errors.empty()) {
        code = std::max(code, report(formatted.errors, sources));
      } else if (formatted.text == before) {
        continue;
      } else if (invocation.has("--check")) {
        std::printf("%s\n", path.c_str());
        code = std::max(code, 2);
      } else {
        io::write_file(path, formatted.text, {});
      }
    } catch (UserError& error) {
      if (error.diagnostic.code == Code::E0901) error.diagnostic.fault = Fault::program;
      code = std::max(code, report({error.diagnostic}, sources));
    }
  }
  return code;
}

}  // namespace tenon
