// What goes wrong, in three kinds that are never mixed (law 9):
//   Diagnostic   the user's program, data or files are wrong: a code, a place, and one hint
//   UserError    the exception that carries one Diagnostic out of a stage that cannot go on
//   bug()        our own mistake: prints a request for a report and ends the process
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "support/source.h"

namespace tenon {

// One enumerator per row of codes.def: Code::E0301 and so on.
enum class Code {
#define CODE(id, title, story) id,
#include "support/codes.def"
#undef CODE
};

// Who is at fault decides the exit code: the program text or the command line (2), or what only
// shows in data, files and numbers (1).
enum class Fault { program, data };

struct Note {
  Loc where;  // may be unknown
  std::string text;
};

struct Diagnostic {
  Code code;
  Loc where;
  std::string message;      // what was expected and what was found, in the user's names
  std::vector<Note> notes;  // where each came from
  std::string hint;         // one way out; may be empty
  Fault fault = Fault::program;
  bool warning = false;     // a note of `tenon check`: does not fail the run
  std::vector<Loc> calls = {};  // that lead to `where`, innermost first; `blame` makes notes of them
};

// Decides which place a message is about: the innermost one in the user's own text, when the
// mistake shows in the library. What shows there and the other calls on the way become notes.
void blame(Diagnostic& diagnostic, const SourceMap& sources);

std::string_view code_name(Code code);   // "E0301"
std::string_view code_title(Code code);  // one line
std::string_view code_story(Code code);  // the long story of `tenon explain E0301`
int exit_code(const Diagnostic& diagnostic);

// Renders a diagnostic with its source lines and carets, as a person reads it:
//   error[E0301]: sizes differ: ...
//     --> digits.model:12:9
//      |
//   12 |   let y = x @ w
//      |           ^^^^^
//      = hint: ...
std::string render(const Diagnostic& diagnostic, const SourceMap& sources, bool colour = false);

class UserError : public std::exception {
 public:
  explicit UserError(Diagnostic d) : diagnostic(std::move(d)) {}
  const char* what() const noexcept override { return diagnostic.message.c_str(); }
  Diagnostic diagnostic;
};

// Throws a UserError; `fault` is the program's unless said otherwise.
[[noreturn]] void fail(Code code, Loc where, std::string message, std::string hint = {},
                       std::vector<Note> notes = {}, Fault fault = Fault::program);

// Our own bug: never a message about the user's program.
[[noreturn]] void bug(std::string_view what, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE());
inline void require(bool ok, std::string_view what, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  if (!ok) bug(what, file, line);
}

// The `candidates` closest to `name` by edit distance, best first; empty when none is near.
std::vector<std::string> near_misses(std::string_view name,
                                     const std::vector<std::string>& candidates);

}  // namespace tenon
