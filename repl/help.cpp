// `tenon help`: all of it comes from the table of commands.
#include <algorithm>
#include <cstdio>

#include "repl/command.h"

namespace tenon {
namespace {

void print_options(std::span<const Option> options) {
  for (const Option& option : options) {
    std::string left =
        std::string(option.name) + (option.value.empty() ? "" : " ") + std::string(option.value);
    std::printf("  %-26s %.*s\n", left.c_str(), static_cast<int>(option.meaning.size()),
                option.meaning.data());
  }
}

void print_all() {
  std::puts("Tenon: a small declarative language for models.\n");
  std::puts("usage: tenon COMMAND ...      tenon FILE      tenon -e 'EXPRESSION'\n");
  for (const Command& command : commands())
    std::printf("  %-10s %.*s\n", std::string(command.name).c_str(),
                static_cast<int>(command.summary.size()), command.summary.data());
  std::puts("\nOptions of run, -e, repl, test and bench:\n");
  print_options(run_options());
  std::puts("\n`tenon help COMMAND` tells more about one, `tenon explain E0301` about a message.");
  std::puts("Exit codes: 0 done; 1 it failed on data, files or numbers; 2 the program or the");
  std::puts("command line is wrong; 130 interrupted.");
}

}  // namespace

std::string usage(const Command& command) {
  std::string out = "usage: tenon " + std::string(command.name);
  if (command.runs || !command.options.empty()) out += " [OPTIONS]";
  if (!command.operands.empty()) out += " " + std::string(command.operands);
  if (command.passes_arguments) out += " [-- ARGUMENTS]";
  return out;
}

int command_help(const Invocation& invocation) {
  if (invocation.operands.empty()) {
    print_all();
    return 0;
  }
  const std::string& name = invocation.operands[0];
  const Command* command = find_command(name);
  if (!command) {
    std::vector<std::string> names;
    for (const Command& c : commands()) names.emplace_back(c.name);
    std::vector<std::string> near = near_misses(name, names);
    fail(Code::E1001, {}, "there is no command '" + name + "'",
         near.empty() ? "`tenon help` lists the commands"
                      : "did you mean `tenon help " + near[0] + "`?");
  }
  std::printf("%s\n\n%.*s\n", usage(*command).c_str(), static_cast<int>(command->summary.size()),
              command->summary.data());
  if (!command->story.empty())
    std::printf("\n%.*s\n", static_cast<int>(command->story.size()), command->story.data());
  if (command->runs || !command->options.empty()) std::puts("\noptions:");
  print_options(command->options);
  if (command->runs) print_options(run_options());
  return 0;
}

}  // namespace tenon
