// Syntax tree -> IR, with every check on the way: names, types, sizes, effects. There is no separate
// type checker: elaborating a program with nothing known but its text *is* checking it, and what runs
// later is what was checked.
//
// A program comes in *units*: a file, one input of the REPL, one test, one call from a host program.
// A unit becomes one IR function. What it defines at its top level is kept for the units after it:
// structure here, numbers in the session's table of kept tensors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frontend/ast.h"
#include "ir/function.h"

namespace tenon {

// How the elaborator gets at texts that it does not have: the library's modules and imported files.
struct TextSource {
  std::string name;  // as shown in messages
  std::string text;
};
class Texts {
 public:
  virtual ~Texts() = default;
  virtual std::vector<std::string> library_modules() = 0;                  // "prelude", "nn", ..
  virtual const TextSource* library(std::string_view module) = 0;          // null: no such module
  virtual std::optional<TextSource> file(std::string_view path, Loc where) = 0;
};

// The key that a unit's hidden key parameter gets for a user's seed: small numbers are no keys of the
// generator, which wants many different digits.
inline constexpr int64_t kSeedFactor = static_cast<int64_t>(0x9E3779B97F4A7C15u);
inline constexpr int64_t kSeedOffset = static_cast<int64_t>(0xD1B54A32D192ED03u);
constexpr int64_t key_of_seed(int64_t seed) {
  return static_cast<int64_t>(static_cast<uint64_t>(seed) * static_cast<uint64_t>(kSeedFactor) + static_cast<uint64_t>(kSeedOffset));
}

// A primitive of the language, for its documentation.
struct PrimitiveDoc {
  std::string_view name, signature, text;
};
std::vector<PrimitiveDoc> primitive_docs();

struct UnitTest {
  std::string title;
  Loc where;
  const ast::Stmt* stmt;  // ast::Test, ast::Bench or ast::Derivative
};

struct Unit {
  bool ok = false;
  ir::FnId fn = 0;
  std::vector<uint32_t> inputs;       // kept tensors that become the parameters, in order
  std::vector<uint32_t> outputs;      // kept tensors that the results become, in order
  std::vector<UnitTest> tests, benches;
  std::vector<UnitTest> rules;        // `derivative of`, to be checked by Elaborator::rule_test
  std::vector<Diagnostic> messages;   // errors, and notes (warning = true)
  std::shared_ptr<void> before;       // what `discard` goes back to
};

// What a reader may want to know of a program, found while elaborating it.
struct Findings {
  struct Named {
    Loc where;
    std::string function;  // the one that it stands in, or is; "" at the top level
    std::string text;      // "let x: f32[N, 2]"; the tensors of a model on lines below
  };
  struct Training {
    Loc where;
    std::string text;  // the call that a `train` block stands for
  };
  std::vector<Named> types;
  std::vector<Training> trains;
  Loc trainer;  // the definition of what they call
};

class Elaborator {
 public:
  Elaborator(ir::Module& module, SourceMap& sources, Texts& texts);
  ~Elaborator();

  // A whole file or one REPL input. `echo`: a last expression that is not unit is printed.
  // `check_all`: functions that nobody calls are checked too.
  struct Options {
    bool echo = false;
    bool echo_types = false;  // with the type of a tensor behind it
    bool check_all = true;
    bool keep = true;  // later units use what it defines: its values become outputs
    Findings* findings = nullptr;  // filled in where it is given
    uint64_t seed_statement = 0;  // tells the draws of one REPL input from those of the next
  };
  Unit unit(std::shared_ptr<ast::Module> parsed, const Options& options);
  // The body of a test on what the units before defined; it defines nothing itself.
  Unit test(const ast::Stmt& test);
  // The body of a bench, likewise. What it assigns to a `var` of the program is there for its next run,
  // and for nothing else: `start` gives the values that the first run takes, `carried` says which kept
  // tensor becomes which result.
  struct Bench {
    Unit start, unit;
    std::vector<std::pair<uint32_t, size_t>> carried;
  };
  Bench bench(const ast::Stmt& bench);
  // Checks of an own derivative against the automatic one; `point` 0..2 are different arguments.
  Unit rule_test(const ast::Stmt& derivative, bool training, int point);
  // A call of a function defined at the top level on tensors of the given dtypes and ranks; the sizes
  // are symbols bound by `entry_sizes` from the arguments' shapes. Parameters: arguments, then inputs.
  struct Entry {
    Unit unit;
    std::vector<std::vector<SymId>> entry_sizes;  // per argument, per axis
    std::vector<std::string> result_names;        // paths of the results: "" or "loss", "grad.fc1.weight"
  };
  Entry entry(std::string_view function, const std::vector<std::pair<DType, int>>& arguments);

  // After a unit has run: kept tensors got these shapes and numbers; sizes become constants.
  struct Kept {
    DType dtype;
    std::vector<int64_t> shape;
    std::optional<int64_t> integer;  // of an i64 scalar
  };
  void finish(const Unit& unit, const std::vector<Kept>& outputs);
  // Forgets what a unit that failed while running had defined.
  void discard(const Unit& unit);

  std::vector<std::string> names() const;  // what is defined, for completion
  // The IR function of a named top-level function, elaborated by its signature; for `explain`.
  std::optional<ir::FnId> function_named(std::string_view name, std::vector<Diagnostic>& messages);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
