// `tenon explain CODE` and `tenon explain FILE [FUNCTION] --emit=STAGE`.
#include <algorithm>
#include <cctype>
#include <cstdio>

#include "repl/command.h"
#include "support/stories.h"

namespace tenon {
namespace {

constexpr std::string_view kStages[] = {"ast",  "types", "train", "ir", "ir-opt",
                                        "plan", "loop",  "llvm",  "asm",   "cuda", "ptx"};

constexpr Code kCodes[] = {
#define CODE(id, title, story) Code::id,
#include "support/codes.def"
#undef CODE
};

bool looks_like_a_code(std::string_view word) {
  if (word.size() < 2 || word.size() > 5 || (word[0] != 'E' && word[0] != 'e')) return false;
  for (char c : word.substr(1))
    if (!std::isdigit(static_cast<unsigned char>(c))) return false;
  return true;
}

// A story: its paragraphs in lines of at most 80 characters, its programs (indented) as they are.
void print_story(std::string_view text) {
  size_t column = 0;
  auto end_line = [&] {
    if (column > 0) std::putchar('\n');
    column = 0;
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with("    ")) {
      end_line();
      std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
      continue;
    }
    while (!line.empty()) {
      const size_t blank = std::min(line.find(' '), line.size());
      if (column > 0 && column + 1 + blank > 80) end_line();
      if (column > 0) std::putchar(' ');
      std::fwrite(line.data(), 1, blank, stdout);
      column += blank + (column > 0);
      line.remove_prefix(std::min(blank + 1, line.size()));
    }
  }
  end_line();
}

int explain_code(std::string word) {
  word = "E" + std::string(5 - word.size(), '0') + word.substr(1);  // e301 is E0301
  std::vector<std::string> names;
  for (Code code : kCodes) {
    std::string_view name = code_name(code), title = code_title(code);
    names.emplace_back(name);
    if (name != word) continue;
    std::printf("%.*s: %.*s\n\n", static_cast<int>(name.size()), name.data(),
                static_cast<int>(title.size()), title.data());
    print_story(code_story(code));
    if (!more_of_story(code).empty()) std::putchar('\n');
    print_story(more_of_story(code));
    return 0;
  }
  std::vector<std::string> near = near_misses(word, names);
  fail(Code::E1001, {}, "no message has the code " + word,
       near.empty() ? "" : "there is " + near[0]);
}

}  // namespace

int command_explain(const Invocation& invocation) {
  const std::string& first = invocation.operands[0];
  if (looks_like_a_code(first)) return explain_code(first);
  std::string stage = invocation.value("--emit", "ir");
  std::vector<std::string> stages(std::begin(kStages), std::end(kStages));
  if (std::find(stages.begin(), stages.end(), stage) == stages.end()) {
    std::vector<std::string> near = near_misses(stage, stages);
    fail(Code::E1001, {}, "--emit does not know the stage '" + stage + "'",
         near.empty() ? "the stages are ast, types, train, ir, ir-opt, plan, loop, llvm, asm, cuda and ptx"
                      : "did you mean " + near[0] + "?");
  }
  RunSettings settings;
  settings.arguments = invocation.after_dashes;
  auto engine = make_engine(settings);
  std::string function = invocation.operands.size() > 1 ? invocation.operands[1] : "";
  return report(engine->explain(first, stage, function), engine->sources());
}

}  // namespace tenon
