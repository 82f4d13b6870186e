// What compiled code calls: memory, tapes, threads, and the ahead-of-time kernels for structural
// nodes. Every call has one form, slots in and slots out, so that LLVM and the slow interpreter
// share them.
#pragma once

#include <memory>
#include <optional>
#include <set>

#include "ir/function.h"
#include "jit/executable.h"
#include "jit/loop/arena.h"
#include "jit/loop/loop.h"

namespace tenon::loop {

// A tensor in compiled code: counted memory, row-major from `data`. The counts belong to one run,
// so they are not atomic. Compiled code reads `count` and `data` at these places. A block whose place
// is planned lies in its function's frame (arena.h) and has no buffer: with a count of 0 it is free.
struct MemoryBlock {
  int64_t count = 0;
  std::byte* data = nullptr;
  MemoryBlock *previous = nullptr, *next = nullptr;  // all that live in this run
  boost::intrusive_ptr<Buffer> buffer;
  int64_t capacity = 0;  // of a planned one, in bytes
};
static_assert(sizeof(MemoryBlock) <= kHeader);

// Last in, first out; an entry is one slot. Compiled code pushes and pops by itself inside a chunk:
// [top, end) is free, [begin, top) holds entries.
struct TapeBlock {
  int64_t *top = nullptr, *end = nullptr, *begin = nullptr;
  struct Chunk;
  Chunk *chunk = nullptr, *spare = nullptr;
  TapeBlock *previous = nullptr, *next = nullptr;
};

// A structural node as a runtime call sees it. `slots` of a call: the number of this, then what
// `eager` in runtime.cpp says for its operation.
struct NodeInfo {
  ir::Op op;
  std::vector<DType> dtypes;  // operands, then results
  std::vector<int> ranks;
  ir::ReduceKind reduce = ir::ReduceKind::sum;
  std::vector<int> axes;
  std::vector<int64_t> strides;
  bool reverse = false;
  std::shared_ptr<const ir::ContractSpec> spec;
  bool offsets = false;  // contract: some offset is not 0
  bool weight[2] = {};   // contract: the operand's block is told, since what is packed of it is kept
  int framed = -1;       // contract: the operand that is zero around what is told; `strides` are its steps
  std::string text;      // debug
  uint32_t trap = 0;     // check: its site
  Loc where;
};

// clang-format off
// What makes no call of a node's kernel: views and numbers that the driver computes, the elements of
// the printed kernels, control, tapes, and what stays with the host.
#define TENON_SCALAR_CASE(name, arity, cls) case ir::Op::name:
#define TENON_NO_NODE_KERNEL \
  case ir::Op::constant: case ir::Op::size: case ir::Op::retype: case ir::Op::transpose: \
  case ir::Op::map: case ir::Op::scatter: case ir::Op::read: case ir::Op::call: \
  case ir::Op::derive: case ir::Op::if_: case ir::Op::for_: case ir::Op::while_: \
  case ir::Op::push: case ir::Op::pop: case ir::Op::tape_new: case ir::Op::tape_end: \
  case ir::Op::bind_dim: case ir::Op::check: case ir::Op::debug: case ir::Op::stop_gradient: \
  case ir::Op::host: \
  TENON_SCALAR_OPS(TENON_SCALAR_CASE)
// clang-format on

// What stands beside the code of a program.
struct Tables {
  std::vector<NodeInfo> nodes;
  std::vector<std::shared_ptr<const ir::Literal>> literals;
  std::vector<const void*> literal_data;
  std::vector<Loc> places;  // of allocations, for when memory runs out, and of calls
  std::unique_ptr<Layouts> layouts;  // none: nothing is planned
};

struct Context;

// A device that is not the host's (jit/cuda): what a run of the slow interpreter asks it for. Blocks lie
// in its memory; their headers, the tapes and all numbers of the driver stay with the host.
class Offload {
 public:
  virtual ~Offload() = default;
  virtual Device& device() = 0;
  virtual bool owns(const void* address) const = 0;
  virtual void copy(std::byte* to, const std::byte* from, size_t bytes) = 0;  // within the device
  virtual int64_t launch(Context& context, uint32_t kernel, const int64_t* args, int64_t range) = 0;
  // What was launched may have met a trap that nobody has looked for yet: that is done before the host
  // sees a number of the device, says that something is wrong, shows something, or ends the run. The
  // trap becomes the context's error, with the calls that led to its launch, and the status is 1.
  virtual int64_t settle(Context& context) = 0;
  // A number for the host, looked for traps as `settle` does; where it met one, what is read means nothing.
  virtual void read(Context& context, void* to, const std::byte* from, size_t bytes) = 0;
  virtual void node(const NodeInfo& node, const int64_t* args) = 0;  // as `eager`; throws Trap
};

// The state of one run. The first members are read by compiled code, as slots of 8 bytes.
struct Context {
  int64_t depth = 0;
  int64_t depth_limit = 0;
  const void* interrupted = nullptr;
  const void* const* literals = nullptr;

  const Program& program;
  const Tables& tables;
  RunContext& run;
  std::optional<Diagnostic> error;
  MemoryBlock* live = nullptr;
  TapeBlock* tapes = nullptr;
  MemoryBlock* spare = nullptr;  // headers kept for the next block
  Offload* offload = nullptr;    // none: all is on the host
  // With an offload: the places of the calls under way, outermost first; and whether the error's are known
  // already, since it was met at a place that the run has left behind.
  std::vector<uint32_t> calls;
  bool blamed = false;
  // And the frames in its memory.
  std::vector<std::unique_ptr<Shadow>> shadows;
  void shadow(const std::byte* frame, size_t bytes);  // a new one, in place of what lay there
  char* header(int64_t address) const;                // where the host has what is at a frame's address
  std::set<std::shared_ptr<const Layout>> layouts;  // of the frames made by `frame`

  Context(const Program& p, const Tables& t, RunContext& r);
  ~Context();
  Context(const Context&) = delete;

  MemoryBlock* allocate(int64_t bytes);  // count 1; throws Trap
  MemoryBlock* adopt(boost::intrusive_ptr<Buffer> buffer, const void* data);
  void release(MemoryBlock* b);
};
inline constexpr int kDepth = 0, kDepthLimit = 1, kInterrupted = 2,
                     kLiterals = 3;  // slots of Context

using RuntimeFn = int64_t (*)(Context*, const int64_t* args, int64_t* outs);
using KernelFn = int64_t (*)(Context*, const int64_t* args, int64_t lo, int64_t hi);

// X(name, what it takes -> gives). `memory` is where a fresh block is planned to lie: the address of
// a header in a frame, with the number of further ones behind it added; 0: nowhere.
#define TENON_RUNTIME_CALLS(X)                                                                     \
  X(allocate) /* bytes, place, memory -> block */                                                  \
  X(release)  /* block */                                                                          \
  X(unique)   /* block, bytes, place, memory -> block: itself when nobody else has it, else a copy \
               */                                                                                  \
  X(reuse)    /* block, bytes, place, memory -> one more count of it when nobody else has it, else \
                 a fresh one */                                                                    \
  X(grow)     /* block, bytes in it, bytes, place, memory -> block: itself when nobody else has it     \
                 and there is room, else one with those bytes and room (buffer.h) */               \
  X(enter)    /* frame, layout: its headers are free from now on */                                \
  X(frame)    /* function, place, sizes.. -> block, layout: a frame that is not part of another */ \
  X(eager)    /* node, operands.. : runs an ahead-of-time kernel */                                \
  X(tile)     /* contraction, operands, result, ranges: a part of it, from kernels; then -1, or Stretch (kernels.h) */ \
  X(scratch)  /* bytes, place -> address: of the thread, until it asks again; from kernels */      \
  X(fold_run) /* reduction, dtype, address, n -> the run's result: also from kernels */            \
  X(tape_new) /* -> tape */                                                                        \
  X(tape_grow)   /* tape: its chunk is full */                                                     \
  X(tape_shrink) /* tape: its chunk is empty */                                                    \
  X(tape_end)    /* tape */                                                                        \
  X(trap)        /* site, values..: ends the run */                                                \
  X(check)       /* node, shown..: ends the run with the text of a check node */                   \
  X(called_from) /* place: the call there has failed */                                            \
  X(debug)       /* node, shown.. */
enum class Runtime : uint32_t {
#define X(n) n,
  TENON_RUNTIME_CALLS(X)
#undef X
};
RuntimeFn runtime_function(Runtime r);
std::string_view name(Runtime r);

// Runs a kernel over [0, range), each item of which is about `work` operations. A kernel that gives
// 2 met a trap: the lowest failing chunk runs again in the slow interpreter, which finds out which.
int64_t launch(Context* context, uint32_t kernel, KernelFn fn, const int64_t* args, int64_t range,
               int64_t work);

// How slots become tensors at the border. A function's arguments are its sizes, then its
// parameters; it gives its results, then the symbols that its result types mention and that are
// bound inside.
struct Signature {
  bool deep = false;  // may recurse: runs on a large stack of its own
  std::vector<SymId> sizes;
  std::vector<ir::Type> params, results;
  std::vector<SymId> bound;
};
// Errors come out as UserError.
std::vector<Tensor> run(RuntimeFn entry, const Signature& signature, const Dims& dims,
                        Context& context, std::span<const int64_t> sizes, std::vector<Tensor> args,
                        const Arena* arena = nullptr);

// The slow interpreter: the meaning of the loop IR, for tests and for finding traps.
int64_t interpret(Context& context, uint32_t function, const int64_t* args, int64_t* outs);
int64_t interpret_kernel(Context& context, uint32_t kernel, const int64_t* args, int64_t lo,
                         int64_t hi);

}  // namespace tenon::loop
