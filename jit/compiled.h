// Graph mode: compiles an IR function, with all that it calls, to machine code. No LLVM shows here.
//
// One compile serves all sizes. By law 1 the results are the same bits as the interpreter's for
// every thread count and whatever was fused, so the session may swap compiled code in at any time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jit/executable.h"

namespace tenon {

// What is fused; each switch changes speed only.
struct CompileOptions {
  bool optimise = true;       // the exact passes: inline, simplify, share, drop
  bool fuse_points = true;    // chains of elementwise operations run in one pass over memory
  bool fuse_rows = true;      // row reductions with the elementwise operations around them
  bool fuse_blocks = true;    // row groups with the products around them, a block of rows at a time
  bool fuse_tiles = false;    // products of matrices that are made by tiles: for devices (jit/plan/tile.h)
  bool stagger_rows = true;   // the passes over a row take turns with those of the rows before it
  bool compute_again = true;  // what a later pass needs, where that is cheaper than to keep it
  bool skip_zeros = true;     // a product reads a framed operand beside the zeros around it
  bool reuse_buffers = true;  // an elementwise result takes the memory of an operand that dies
  bool plan_memory = true;    // what does not leave a run lies in one arena
  bool plan_numbers = true;   // single numbers too; a device brings them to its host by themselves
  uint32_t random_cuts = 0;   // tests: a seed by which groups are cut at random; 0: no cuts
  bool verify = false;        // check loop IR and LLVM IR (tests)
  bool wide = true;           // use AVX-512 where the machine has it
  int threads = 1;            // that may compile at once
  // What somebody who debugs or samples the process calls the code of a place in the source: then perf
  // and gdb are told the names of all code, and the cache, which knows no names, is not used.
  std::function<std::string(Loc)> name_of = {};
  bool cache = false;         // keep machine code on disk (io/cache.h), and take from there what is known
};

class CompiledFunction {
 public:
  virtual ~CompiledFunction() = default;

  // `sizes`: a number per symbol of fn.sizes. Arguments are taken over: a buffer whose count is 1
  // may be written and given back as a result. Errors at run time come out as UserError with the
  // code, text and place that the interpreter gives. May be called by several threads at once.
  virtual std::vector<Tensor> run(std::span<const int64_t> sizes, std::vector<Tensor> args,
                                  RunContext& context) const = 0;
};

struct CompileStats {
  double lower_ms = 0;    // IR to loop IR
  double read_ms = 0;     // what of its code was made before, in this process or on disk
  double codegen_ms = 0;  // the rest: loop IR to LLVM IR to machine code
  double link_ms = 0;
  int parts_read = 0;  // from disk
  int parts_made = 0;
  int functions = 0;      // compiled IR functions
  int kernels = 0;        // distinct loop nests
  int launches = 0;       // places where a kernel is started
  int planned = 0;        // tensors with a place in the arena
  int counted = 0;        // tensors in blocks of their own: results, and what no plan can know
  int64_t arena_bytes = 0;  // the largest arena of any run
};

class Compiler {
 public:
  // `module` may grow between compiles; a function that was compiled is not changed any more. All
  // that is reachable has been through the prefix (no `derive` left) and holds no `host` node.
  explicit Compiler(ir::Module& module, CompileOptions options = {});
  ~Compiler();
  Compiler(const Compiler&) = delete;

  // Runs the exact passes and compiles fn and what it calls, once; later calls give the same
  // object. Lives as long as the Compiler. Calls of `compile` from several threads are put in a
  // queue; nobody else may change the module meanwhile.
  const CompiledFunction& compile(ir::FnId fn);
  // Whether compile(fn) was done before.
  bool has(ir::FnId fn) const;
  const CompileStats& stats() const;

  // For `tenon explain`: the set of functions that compile(fn) would build, as text.
  enum class Stage { loop, llvm, assembly };
  std::string dump(ir::FnId fn, Stage stage);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
