// The command line as data: a command is one row of the table in command_table.cpp and one file
// with the function that the row names.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "embed/engine.h"
#include "support/diagnostic.h"

namespace tenon {

struct Option {
  std::string_view name;     // "--mode"
  std::string_view value;    // what help calls its value: "graph|eager", "N"; empty: a flag
  std::string_view meaning;  // one line
};

// The operands of a command that takes any number of programs; of a folder, those in it.
constexpr std::string_view kPrograms = "FILE|FOLDER...";

// The command line of one command after parsing.
struct Invocation {
  std::vector<std::string> operands;                             // files, functions, codes
  std::map<std::string_view, std::string, std::less<>> options;  // by name; a flag has ""
  std::vector<std::string> after_dashes;                         // what stands after --

  bool has(std::string_view option) const { return options.contains(option); }
  std::string value(std::string_view option, std::string_view otherwise = "") const;
};

struct Command {
  std::string_view name;
  std::string_view operands;  // "FILE...", for help
  std::string_view summary;   // one line
  std::string_view story;     // the rest of `tenon help NAME`
  size_t fewest, most;        // operands
  bool runs;                  // takes the options of running (kRunOptions)
  bool passes_arguments;      // takes `-- arguments`
  std::vector<Option> options;
  int (*run)(const Invocation&);
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);
std::span<const Option> run_options();

// The whole of main(): gives the exit code.
int run_command_line(const std::vector<std::string>& arguments);

// Throws a UserError (E1001) about the first mistake.
Invocation parse_arguments(const Command& command, std::span<const std::string> arguments);
RunSettings run_settings(const Invocation& invocation, Mode otherwise);
std::string usage(const Command& command);  // "usage: tenon run FILE ..."

// Shows diagnostics on stderr, in colour on a terminal, and gives the exit code they call for.
int report(const Diagnostics& diagnostics, const SourceMap& sources);

// One function per command, each in the file of its name.
int command_run(const Invocation&);
int command_eval(const Invocation&);
int command_repl(const Invocation&);
int command_check(const Invocation&);
int command_test(const Invocation&);
int command_bench(const Invocation&);
int command_fmt(const Invocation&);
int command_explain(const Invocation&);
int command_doc(const Invocation&);
int command_doctor(const Invocation&);
int command_help(const Invocation&);
int command_version(const Invocation&);

}  // namespace tenon
