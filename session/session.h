// A running program and what it has defined: texts become units, units become IR, the IR is run, and
// what came out is kept for the units after it. The one place where frontend and jit meet.
//
// A Session is used by one thread at a time; `interrupt` alone may be called from any thread and from
// a signal handler. What the program prints goes to `output`; what is wrong comes back as diagnostics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/dtype.h"
#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon {

enum class Mode { eager, graph };

using Diagnostics = std::vector<Diagnostic>;

struct SessionOptions {
  Mode mode = Mode::eager;
  std::string device = "cpu";
  bool tf32 = false;  // products of f32 matrices on a GPU round their factors to tf32
  int threads = 0;  // 0: as many as the machine grants
  std::string cpu;  // x86-64-v3, x86-64-v4: no more than that CPU has, in the whole process
  uint64_t seed = 0;
  bool code_names = false;  // tell perf and gdb what compiled code is called
  bool progress = false;   // training shows a line on stderr
  bool echo_types = false;  // of run_text: a tensor is shown with its type
  std::vector<std::string> arguments;  // what a program finds in `args` (stdlib/program.model)
  std::function<void(std::string_view)> output;  // empty: stdout
};

struct BenchOptions {
  std::string filter;  // only those whose title is this, or contains it if none is
  bool json = false;
  bool times = false;  // alone: nothing is counted, and the machine's peak not measured
};

// One row of what training has reported: values by name, in the order of the names.
struct ProgressRow {
  int64_t epoch, step;
  std::vector<std::pair<std::string, double>> values;
};

class Session {
 public:
  struct Impl;  // impl.h: of this room only

  // Throws UserError E1002 if a device is asked for that is not there.
  explicit Session(SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  SourceMap& sources();

  // Runs a file from its first statement to its last, on top of what was run before.
  Diagnostics run_file(const std::string& path);
  // The same of a text; `name` stands in messages. `echo`: the value of a last expression is printed.
  struct TextResult {
    bool incomplete = false;  // the text ends inside a bracket or a string; nothing was done
    Diagnostics diagnostics;
  };
  TextResult run_text(const std::string& name, std::string_view text, bool echo);

  // Everything that can be known without data, nothing run, nothing defined.
  Diagnostics check_file(const std::string& path);

  // The top level once, then each test whose title contains `filter`: a line for each, and one with
  // the counts. A test that fails is a diagnostic.
  Diagnostics test_file(const std::string& path, const std::string& filter);

  // Measures the `bench` blocks; see session/bench.cpp.
  Diagnostics bench_file(const std::string& path, const BenchOptions& options);

  // Prints one stage of a function on its way: ast types train ir ir-opt plan loop llvm asm cuda
  // ptx. An empty function: the
  // file's own statements.
  Diagnostics explain_file(const std::string& path, const std::string& stage,
                           const std::string& function);

  // A call of a function that was defined at the top level: compiled once for each combination of
  // dtypes and ranks, run on any sizes. Never throws; on errors the results are empty.
  struct Result {
    std::string name;  // "" or the path in a structure: "loss", "grad.fc1.weight"
    Tensor value;
  };
  struct CallResult {
    std::vector<Result> results;
    Diagnostics diagnostics;
  };
  CallResult call(const std::string& function, std::vector<Tensor> arguments);

  std::vector<std::string> names() const;  // for completion
  const std::vector<ProgressRow>& history() const;
  std::string stats() const;  // one line for --stats

  // What runs from here on is watched; then where its time went, as a table and as a trace of
  // Chrome's format (JSON).
  void start_profile();
  std::string profile_report();
  std::string profile_trace() const;

  void interrupt();

 private:
  std::unique_ptr<Impl> impl_;
};

// What of a GPU was found on this machine, and what is missing: rows for `tenon doctor`.
std::vector<std::pair<std::string, std::string>> session_gpu_report();

// "19.1.7": of the LLVM that is linked in.
std::string session_compiler_version();

}  // namespace tenon
