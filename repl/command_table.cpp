// The table of commands. To add one: a row here, a line in command.h and a file of its name.
#include "repl/command.h"

namespace tenon {
namespace {

constexpr size_t kAny = 1000000;

const Option kRunOptions[] = {
    {"--mode", "graph|eager", "compile, or run node by node; the results are the same bits"},
    {"--device", "cpu|gpu|cudasim", "where to run; cpu unless told"},
    {"--precision", "f32|tf32", "of products of f32 matrices on a gpu: tf32 is faster, with 11 bits a factor"},
    {"--threads", "N", "how many threads; all cores unless told; the results do not depend on it"},
    {"--cpu", "NAME", "no more than this CPU has: x86-64-v3, x86-64-v4; the same bits"},
    {"--seed", "N", "the seed of every draw; 0 unless told"},
    {"--stats", "", "at the end, tell what was run and compiled, in time and memory"},
};

const Command kCommands[] = {
    {"run",
     "FILE",
     "run a program",
     "Runs the program from its first statement to its last, compiled unless told otherwise.\n"
     "`tenon FILE` is the same. What stands after -- is the list `args` of the program, texts that\n"
     "int(args[0]) and float(args[1]) make numbers of.",
     1,
     1,
     true,
     true,
     {{"--profile", "", "at the end, tell where the time went, by line and kernel"},
      {"--trace", "PATH", "write that as a trace for ui.perfetto.dev or chrome://tracing"},
      {"--code-names", "", "show compiled code to perf and gdb under the names of its source; the cache is not used"}},
     command_run},
    {"-e",
     "EXPRESSION",
     "evaluate an expression and print its value",
     "Evaluates statements given on the command line, node by node unless told otherwise, and\n"
     "prints the value of the last one if it is an expression: tenon -e 'sum([1, 2, 3])'.",
     1,
     1,
     true,
     false,
     {{"--profile", "", "at the end, tell where the time went, by line and kernel"},
      {"--trace", "PATH", "write that as a trace for ui.perfetto.dev or chrome://tracing"}},
     command_eval},
    {"repl",
     "",
     "evaluate what you type, line by line",
     "Keeps everything you define, prints values, and survives every error.\n"
     "Ctrl-C drops a line or stops a run; Ctrl-D leaves. `tenon` alone is the same.",
     0,
     0,
     true,
     false,
     {},
     command_repl},
    {"check",
     kPrograms,
     "find every error that needs no data",
     "Parses and checks the files with nothing executed: names, types, sizes, derivatives,\n"
     "effects. No data file is opened. Exit code 2 if there is an error.",
     1,
     kAny,
     false,
     true,
     {},
     command_check},
    {"test",
     kPrograms,
     "run the tests of a program",
     "Runs the `test` blocks of each file, after its top level has run once.",
     1,
     kAny,
     true,
     true,
     {{"--filter", "TEXT", "only the tests whose title contains TEXT"}},
     command_test},
    {"bench",
     kPrograms,
     "measure the benchmarks of a program",
     "Measures the `bench` blocks of each file: median and best time, operations and bytes\n"
     "counted from the IR, and the share of the machine's peak.",
     1,
     kAny,
     true,
     true,
     {{"--filter", "TEXT", "only those whose title is TEXT, or contains it if none is"},
      {"--times", "", "times alone: nothing is counted, and the machine's peak not measured"},
      {"--json", "", "print one JSON document"}},
     command_bench},
    {"fmt",
     kPrograms,
     "bring programs into the standard form",
     "Rewrites each file in place; one with a syntax error is left as it is.",
     1,
     kAny,
     false,
     false,
     {{"--check", "", "change nothing; exit code 2 if a file is not in the standard form"}},
     command_fmt},
    {"explain",
     "FILE [FUNCTION] | CODE",
     "show how a function is compiled, or what a code means",
     "With a file, prints one stage of a function on its way to machine code, or of the file's\n"
     "own statements where no function is named: its syntax tree, the types and sizes of its names,\n"
     "what its `train` blocks stand for, its IR before and behind the passes, what is fused and what\n"
     "is not (plan), its loops, LLVM's IR, machine code. With the code of a message, as in\n"
     "`tenon explain E0301`, prints the long story behind it.",
     1,
     2,
     false,
     true,
     {{"--emit", "STAGE", "ast, types, train, ir (unless told), ir-opt, plan, loop, llvm, asm, cuda or ptx"}},
     command_explain},
    {"doc",
     "[NAME]",
     "tell what the library has, or about one function of it",
     "Without a name, lists the functions, layers, losses, optimizers and the rest, each with a\n"
     "sentence; with one, shows its head and its documentation. docs/library has the same as pages.",
     0,
     1,
     false,
     false,
     {{"--markdown", "", "all of it, as the pages of docs/library"}},
     command_doc},
    {"doctor",
     "",
     "tell what was found on this machine",
     "",
     0,
     0,
     false,
     false,
     {},
     command_doctor},
    {"help",
     "[COMMAND]",
     "tell about the commands, or one of them",
     "",
     0,
     1,
     false,
     false,
     {},
     command_help},
    {"version", "", "tell the version", "", 0, 0, false, false, {}, command_version},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

std::span<const Option> run_options() { return kRunOptions; }

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands)
    if (command.name == name) return &command;
  return nullptr;
}

}  // namespace tenon
