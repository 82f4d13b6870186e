// `tenon repl`: reads, evaluates and prints until Ctrl-D. On a pipe there are no prompts, and the
// exit code is that of the worst error.
#include <algorithm>
#include <cstdio>

#include "repl/command.h"
#include "repl/line_editor.h"
#include "repl/run.h"

namespace tenon {
namespace {

constexpr const char* kHelp =
    "Type an expression to see its value, or any statement of the language.\n"
    "  let w = [1.0, 2.0]        then        w * 2\n"
    "An open bracket goes on over several lines; Ctrl-C drops them, or stops a run. Up brings an\n"
    "entry back with all its lines, Tab completes a name. A `test` runs when it is entered.\n"
    "  :help  this text      :quit or Ctrl-D  leave";

// What people type who do not know yet how to leave; a variable of that name is still a variable.
bool asks(const Engine& engine, std::string line, const char* what) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.pop_back();
  if (line.ends_with("()")) line.resize(line.size() - 2);
  if (line != what) return false;
  const std::vector<std::string> names = engine.names();
  return std::find(names.begin(), names.end(), what) == names.end();
}

// A command of the REPL itself; false if it means to leave.
bool meta_command(const std::string& line) {
  if (line == ":quit" || line == ":q" || line == ":exit") return false;
  if (line == ":help" || line == ":h" || line == ":?")
    std::puts(kHelp);
  else
    std::printf("There is no %s here; :help tells what there is.\n", line.c_str());
  return true;
}

}  // namespace

int command_repl(const Invocation& invocation) {
  RunSettings settings = run_settings(invocation, Mode::eager);
  settings.echo_types = true;
  settings.progress = true;
  auto engine = make_engine(settings);
  LineEditor editor;
  editor.complete_with([&] { return engine->names(); });
  if (editor.interactive())
    std::printf("Tenon %s. :help tells more, Ctrl-D leaves.\n", TENON_VERSION);

  std::string text;  // the lines of one entry so far
  int worst = 0;
  for (;;) {
    std::string line;
    LineEditor::Got got = editor.read(text.empty() ? "> " : "... ", line);
    if (got == LineEditor::Got::interrupted) {
      text.clear();
      continue;
    }
    bool end = got == LineEditor::Got::end;
    if (end && text.empty()) break;
    if (!end) {
      if (text.empty() && line.find_first_not_of(" \t") == std::string::npos) continue;
      if (text.empty() && line[0] == ':') {
        editor.remember(line);
        if (!meta_command(line)) break;
        continue;
      }
      if (text.empty() && (asks(*engine, line, "exit") || asks(*engine, line, "quit"))) break;
      if (text.empty() && asks(*engine, line, "help")) {
        std::puts(kHelp);
        continue;
      }
      text += line + "\n";
    }
    Engine::Evaluation done;
    {
      InterruptGuard guard(*engine);
      done = engine->evaluate(text);
    }
    // At the end of the input nothing more can come: then the open bracket is an error.
    if (done.incomplete && !end) continue;
    editor.remember(text.substr(0, text.find_last_not_of('\n') + 1));
    worst = std::max(worst, report(done.diagnostics, engine->sources()));
    std::fflush(stdout);
    text.clear();
    if (end) break;
  }
  if (editor.interactive()) {
    std::putchar('\n');
    return 0;
  }
  return worst;
}

}  // namespace tenon
