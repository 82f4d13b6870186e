// The session's inside, shared by the files of this room.
//   session.cpp    units: parse, elaborate, run, keep        host.cpp      the table of host functions
//   test.cpp       `tenon test`                              host_*.cpp    files, training, checkpoints
//   explain.cpp    `tenon explain`                           texts.cpp     library and imported files
//   bench.cpp      `tenon bench`                             span.cpp      pure spans of an effect function
//   measure.cpp    what a unit does, what the machine can    tier.cpp      which spans are compiled, and when
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>

#include "frontend/elaborate.h"
#include "frontend/parse.h"
#include "jit/interp/interp.h"
#include "session/host.h"
#include "session/session.h"
#include "session/texts.h"
#include "session/tier.h"

namespace tenon {

class Profile;

struct Session::Impl {
  explicit Impl(SessionOptions o);
  ~Impl();

  SessionOptions options;
  SourceMap sources;
  LibraryTexts texts{sources};
  ir::Module module;
  Elaborator elaborator{module, sources, texts};
  Interpreter interpreter{module};
  Threads threads;
  std::atomic<bool> interrupted{false};
  SessionHost host;
  Tier tier;
  std::vector<Tensor> kept;  // by the ids of Unit::inputs and outputs
  uint64_t statements = 0;   // inputs so far, for the draws of each

  struct Entry {
    Elaborator::Entry made;
    Diagnostics errors;
  };
  std::map<std::string, Entry> entries;  // by function, dtypes and ranks

  void write(std::string_view text);

  // Parses `path` (null, with errors, when it cannot).
  ParseResult parse_file(const std::string& path);
  // Runs a unit and keeps what it gives. Diagnostics of the run; empty when all is well.
  Diagnostics run_unit(const Unit& unit);
  // Runs a test on what the units before have left, and tells how it went; before it tells that it
  // failed, `on_failure` may show what was kept back.
  Diagnostics run_test(const UnitTest& test, const std::function<void()>& on_failure = {});
  // These arguments, then the kept tensors `inputs`, and the key of draws where fn takes it.
  std::vector<Tensor> arguments_of(ir::FnId fn, std::vector<Tensor> arguments,
                                   const std::vector<uint32_t>& inputs);
  // Runs a function on them.
  std::vector<Tensor> run(ir::FnId fn, std::span<const int64_t> sizes, std::vector<Tensor> arguments,
                          const std::vector<uint32_t>& inputs);
  RunContext context();
  std::unique_ptr<Profile> profile;  // of run_file and run_text, when asked for
};

// Runs f; what it throws becomes a diagnostic.
Diagnostics guarded(const std::function<void()>& f);

bool has_error(const Diagnostics& list);

// E1001: no test or bench (`what`) of a program has the filter in its title.
Diagnostics no_title(const std::string& what, const std::string& path, const std::string& filter,
                     const std::vector<UnitTest>& all);

}  // namespace tenon
