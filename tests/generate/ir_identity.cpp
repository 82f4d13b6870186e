// rooms: support ir
// Reads IR from the files it is given and prints it again: the two texts must be the same, and what
// was read must satisfy the verifier. Used by generate.py on what `tenon explain --emit=ir` wrote.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "ir/text.h"
#include "ir/verify.h"

int main(int count, char** arguments) {
  int failed = 0;
  for (int i = 1; i < count; ++i) {
    std::ifstream file(arguments[i]);
    std::stringstream text;
    text << file.rdbuf();
    std::string error;
    const auto module = tenon::ir::parse_text(text.str(), error);
    if (!module) {
      std::fprintf(stderr, "%s: %s\n", arguments[i], error.c_str());
      ++failed;
      continue;
    }
    for (const auto& fn : module->functions) {
      const std::string wrong = tenon::ir::verify(*module, *fn);
      if (wrong.empty()) continue;
      std::fprintf(stderr, "%s: %s: %s\n", arguments[i], fn->name.c_str(), wrong.c_str());
      ++failed;
    }
    const std::string again = tenon::ir::print(*module);
    if (again == text.str()) continue;
    ++failed;
    std::istringstream before(text.str()), after(again);
    std::string a, b;
    for (int line = 1;; ++line) {
      const bool more = bool(std::getline(before, a)), other = bool(std::getline(after, b));
      if (more && other && a == b) continue;
      std::fprintf(stderr, "%s:%d: read\n  %s\nprinted\n  %s\n", arguments[i], line,
                   more ? a.c_str() : "(the end)", other ? b.c_str() : "(the end)");
      break;
    }
  }
  return failed ? 1 : 0;
}
