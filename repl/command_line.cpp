// Which command is meant, and what becomes of errors: the frame around every command.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <signal.h>
#include <unistd.h>

#include "repl/command.h"

namespace tenon {
namespace {

bool looks_like_a_file(const std::string& word) {
  return word.ends_with(".model") || word.find('/') != std::string::npos ||
         ::access(word.c_str(), F_OK) == 0;
}

// The command, and where its own arguments begin. `tenon FILE` and `tenon --mode eager FILE` are
// run, `tenon --mode graph -e X` is -e, and no operand at all is the REPL.
const Command& choose(std::vector<std::string>& arguments) {
  if (arguments.empty()) return *find_command("repl");
  const std::string first = arguments[0];
  if (const Command* command = find_command(first)) {
    arguments.erase(arguments.begin());
    return *command;
  }
  if (first == "--help" || first == "-h") {
    arguments.erase(arguments.begin());
    return *find_command("help");
  }
  if (first == "--version" || first == "-V") {
    arguments.erase(arguments.begin());
    return *find_command("version");
  }
  if (first[0] == '-' && first.size() > 1) {
    auto dashes = std::find(arguments.begin(), arguments.end(), "--");
    auto e = std::find(arguments.begin(), dashes, "-e");
    if (e != dashes) {
      arguments.erase(e);
      return *find_command("-e");
    }
    return *find_command("run");
  }
  if (looks_like_a_file(first)) return *find_command("run");
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  std::vector<std::string> near = near_misses(first, names);
  fail(Code::E1001, {}, "there is no command and no file '" + first + "'",
       near.empty() ? "`tenon help` lists the commands" : "did you mean `tenon " + near[0] + "`?");
}

}  // namespace

int report(const Diagnostics& diagnostics, const SourceMap& sources) {
  bool colour = ::isatty(2) && !std::getenv("NO_COLOR");
  int code = 0;
  std::fflush(stdout);  // so that what was printed before stands before
  for (const Diagnostic& d : diagnostics) {
    std::string text = render(d, sources, colour);
    std::fwrite(text.data(), 1, text.size(), stderr);
    int own = d.code == Code::E0807 ? 130 : exit_code(d);
    code = std::max(code, own);
  }
  return code;
}

int run_command_line(const std::vector<std::string>& given) {
  SourceMap none;
  try {
    std::vector<std::string> arguments = given;
    const Command& command = choose(arguments);
    Invocation invocation = parse_arguments(command, arguments);
    if (invocation.has("--help")) {
      invocation.operands = {std::string(command.name)};
      return command_help(invocation);
    }
    int code = command.run(invocation);
    if (std::fflush(stdout) != 0) {
      fail(Code::E0902, {}, "the output cannot be written: is the disk full?", {}, {}, Fault::data);
    }
    return code;
  } catch (const UserError& error) {
    return report({error.diagnostic}, none);
  } catch (const std::bad_alloc&) {
    return report({{Code::E0805, {}, "there is not enough memory", {}, {}, Fault::data}}, none);
  } catch (const std::exception& error) {
    bug(error.what());
  }
}

}  // namespace tenon
