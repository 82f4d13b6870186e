// What the commands ask of the language behind them, and nothing else: the seam between the command
// line and the session. Host programs have tenon/tenon.h instead. Everything a program prints goes
// to stdout; what is wrong comes back as diagnostics, which the commands show on stderr.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "session/session.h"

namespace tenon {

// The options that go with run, -e, repl, test and bench.
struct RunSettings {
  Mode mode = Mode::graph;
  std::string device = "cpu";
  bool tf32 = false;  // products of f32 matrices on a GPU round their factors to tf32
  int threads = 0;  // 0: as many as the machine has
  std::string cpu;  // compile for this CPU; empty: for this machine
  uint64_t seed = 0;
  bool stats = false;
  bool code_names = false;  // perf and gdb see compiled code under its source's names
  bool progress = false;  // training shows a line on stderr
  bool echo_types = false;  // the REPL shows a tensor's type behind it
  std::vector<std::string> arguments;  // of the program: what stands after --
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual SourceMap& sources() = 0;

  // Reads, parses and checks a file with nothing executed: errors and notes.
  virtual Diagnostics check(const std::string& path) = 0;
  // Runs a file from its first statement to its last.
  virtual Diagnostics run(const std::string& path) = 0;
  // Runs the tests of a file whose titles contain `filter`, printing a line for each; a test that
  // fails is a diagnostic.
  virtual Diagnostics test(const std::string& path, const std::string& filter) = 0;
  virtual Diagnostics bench(const std::string& path, const BenchOptions& options) = 0;
  // Prints one stage of a function: ast types train ir ir-opt plan loop llvm asm. An empty
  // function: the file's own statements.
  virtual Diagnostics explain(const std::string& path, const std::string& stage,
                              const std::string& function) = 0;

  // Statements on top of what was evaluated before, as the REPL and -e give them; the value of an
  // expression that stands last is printed.
  struct Evaluation {
    bool incomplete = false;  // the text ends inside a bracket or a string; nothing was done
    Diagnostics diagnostics;
  };
  virtual Evaluation evaluate(std::string_view text) = 0;
  // The names that can be used now, for completion.
  virtual std::vector<std::string> names() const = 0;

  // What was run and compiled so far, one line; for --stats.
  virtual std::string stats() const = 0;

  // Where the time of what runs from here on went: a table, and a trace in JSON.
  virtual void start_profile() = 0;
  virtual std::string profile_report() = 0;
  virtual std::string profile_trace() const = 0;

  // Asks a run to stop with E0807. Called from a signal handler.
  virtual void interrupt() = 0;
};

// Throws a UserError (E1002) if the settings ask for what this machine has not.
std::unique_ptr<Engine> make_engine(const RunSettings& settings);

// "19.1.7"; empty if no compiler is linked in.
std::string compiler_version();

}  // namespace tenon
