// The loop IR (law 5): what a compiled function is before LLVM prints it. Functions (the driver:
// calls, loops, memory) and kernels (loop nests over elements) are lists of statements over typed
// variables. Expressions are scalars; lanes exist in the printers only. Meaning never depends on a
// Bind.
//
//   everything is a slot   Functions, kernels and runtime calls take and give arrays of i64 slots:
//                          numbers by their bits, addresses as i64. One calling convention serves
//                          LLVM and the slow interpreter.
//   function(ctx, args, outs) -> status     0: done, 1: a trap is stored in the context
//   kernel(ctx, args, lo, hi) -> status     works on [lo, hi) of its outermost range
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "ir/dtype.h"
#include "ir/op.h"
#include "support/diagnostic.h"

namespace tenon::loop {

// Values live in i1, i32, i64, f32 and f64 (the register classes of ir/scalar/machine.h); i8 and
// i16 are for memory, i16 being the bits of f16 and bf16 too. i1 is one byte in memory.
enum class Ty : uint8_t { i1, i8, i16, i32, i64, f32, f64 };
constexpr int bytes(Ty t) {
  constexpr int table[] = {1, 1, 2, 4, 8, 4, 8};
  return table[static_cast<int>(t)];
}
constexpr bool is_float(Ty t) { return t == Ty::f32 || t == Ty::f64; }
constexpr std::string_view name(Ty t) {
  constexpr std::string_view table[] = {"i1", "i8", "i16", "i32", "i64", "f32", "f64"};
  return table[static_cast<int>(t)];
}

// The machine's scalar operations. Integers wrap; shift counts are in range; sdiv and srem truncate
// and are never asked to divide by zero (min / -1 is excluded by the program around them).
// Comparisons of floats are false on NaN, but for `ne`.
#define TENON_LOOP_OPS(X)                                                                        \
  X(konst)                                                                                       \
  X(var) X(load) X(add) X(sub) X(mul) X(div) X(fma) X(scale) X(neg) X(abs) X(sqrt) X(floor)      \
      X(ceil) X(trunc) X(rint) X(sdiv) X(srem) X(band) X(bor) X(bxor) X(shl) X(lshr) X(ashr) X(eq) X(ne) \
          X(lt) X(le) X(ult) X(select) X(bitcast) X(sext) X(zext) X(itrunc) X(sitofp) X(fptosi)  \
              X(fpext) X(fptrunc)
enum class Op : uint8_t {
#define X(n) n,
  TENON_LOOP_OPS(X)
#undef X
};
std::string_view name(Op op);

using Expr = uint32_t;  // an index into Function::exprs
using Var = uint32_t;   // an index into Function::vars
inline constexpr uint32_t kNone = ~0u;

struct ExprNode {
  Op op;
  Ty ty;
  uint32_t a = kNone, b = kNone, c = kNone;  // operands; var: the Var; load: address and index
  uint64_t imm = 0;                          // konst: the bits
  auto key() const { return std::tuple(op, ty, a, b, c, imm); }
};

struct VarInfo {
  Ty ty;
  std::string name;
};

enum class Bind : uint8_t { serial, vector };

enum class StmtKind : uint8_t { set, store, fetch, if_, while_, for_, fold, tile, call, launch, trap, ret };

// What is called from a function: another one, or a helper of the runtime.
enum class Callee : uint8_t { function, runtime };

struct Stmt;
using Block = std::vector<Stmt>;

struct Stmt {
  StmtKind kind;
  // set: var = a                       store: [a + b * size] = c of type ty
  // fetch: the memory at a + b * size of ty is wanted soon; whatever lies there, this does nothing else
  // if: a ? body : other               while: body computes, then a decides, then other; and again
  // for: var in [a, b)                 trap: when a holds, trap number `id` with `args`
  // fold: var = the partials of order c (docs/semantics.md) over i = `index` in [a, b), b - a <=
  // 16384,
  //       of the value c, computed by body; with d: p = fma(c, d, p)
  // tile: Function::tile with args; outs are the row at hand, the column, and an element of each of its
  //       products; `other` goes once over a row, body once over an element, whose value is c
  // call: callee `id` of args, results into outs; a status that is not 0 is returned at once, after
  //       telling the Context which `place` (of Tables) it came back to
  // launch: kernel `id` with args over [0, a), cut into chunks of b
  // ret: the values args are the function's results; or for a kernel nothing
  uint32_t var = kNone, index = kNone;
  Expr a = kNone, b = kNone, c = kNone, d = kNone;
  Ty ty = Ty::i64;
  Bind bind = Bind::serial;
  ir::ReduceKind reduce = ir::ReduceKind::sum;
  Callee callee = Callee::function;
  uint32_t id = 0;
  uint32_t place = kNone;
  std::vector<Expr> args{};
  std::vector<Var> outs{};
  Block body{}, other{};
};

// A parameter of a kernel: the address of memory that is only written, element i of `bytes` by item
// i alone. Much of it may go past the caches (runtime.h: launch).
struct Streamed {
  uint32_t param;
  int64_t bytes;
};

// A kernel that goes over a matrix of each slab by tiles, whose elements are made of products and are
// never in memory: they are folded along the rows, or are themselves an operand of a product. For devices
// only, where threads share a tile (kernels/cuda/tile.cuh). The statement's args: the result's address,
// slabs, rows, columns; and of each product (the tile's own first, then the one that takes them) the
// addresses a, b, and for each index its extent and strides, as kernels/cuda/gemm.cuh has them.
struct Tile {
  enum Sink : uint8_t {
    none,
    reduce,  // a fold of each row, as docs/semantics.md sums runs
    rows,    // a product that sums over the columns
    columns, // a product that sums over the rows
  } sink = none;
  DType dtype = DType::f32;  // of the products and of the result
  struct Indices {
    uint8_t row, column, batch, sum;
  };
  std::vector<Indices> products;
  uint8_t wide = 1;  // by 64 columns of the result at a time
};

// A function or a kernel.
struct Function {
  std::string name;
  std::vector<ExprNode> exprs;
  std::vector<VarInfo> vars;
  std::vector<Var> params;     // one slot each
  Var ctx = kNone;             // the address of the Context; functions only
  Var lo = kNone, hi = kNone;  // kernels only
  uint32_t results = 0;        // slots given back
  bool may_trap = false;       // kernels: holds a trap
  bool replay_all = false;     // kernels: which trap comes first shows in the whole range only
  std::vector<Loc> places;     // kernels: what in the source they are for; several may be alike
  std::vector<Streamed> streamed;
  Tile tile;                   // kernels: of the tile statement in it
  Block body;

  bool kernel() const { return lo != kNone; }
  Ty type(Expr e) const { return exprs[e].ty; }
};

// Where and how a run ends early. {} in the text is replaced by the next value.
struct TrapSite {
  Code code;
  Loc where;
  std::string text, hint;
  Fault fault = Fault::data;
};

struct Program {
  std::vector<Function> functions;
  std::vector<Function> kernels;
  std::vector<TrapSite> traps;
};

// Builds expressions, each distinct one once.
class Exprs {
 public:
  explicit Exprs(Function& fn) : fn_(fn) {}
  Function& fn() { return fn_; }

  Expr make(ExprNode n);
  Expr konst(Ty t, uint64_t bits) { return make({Op::konst, t, kNone, kNone, kNone, bits}); }
  Expr i64(int64_t v) { return konst(Ty::i64, static_cast<uint64_t>(v)); }
  Expr f32(float v) { return konst(Ty::f32, std::bit_cast<uint32_t>(v)); }
  Expr f64(double v) { return konst(Ty::f64, std::bit_cast<uint64_t>(v)); }
  Expr var(Var v) { return make({Op::var, fn_.vars[v].ty, v}); }
  Expr load(Ty t, Expr address, Expr index) { return make({Op::load, t, address, index}); }
  Expr unary(Op op, Expr a) { return make({op, fn_.type(a), a}); }
  Expr to(Op op, Ty t, Expr a) { return fn_.type(a) == t ? a : make({op, t, a}); }
  Expr binary(Op op, Expr a, Expr b) { return make({op, fn_.type(a), a, b}); }
  Expr compare(Op op, Expr a, Expr b) { return make({op, Ty::i1, a, b}); }
  Expr fma(Expr a, Expr b, Expr c) { return make({Op::fma, fn_.type(a), a, b, c}); }
  Expr select(Expr c, Expr x, Expr y) { return make({Op::select, fn_.type(x), c, x, y}); }
  Expr not_(Expr a) { return binary(Op::bxor, a, konst(Ty::i1, 1)); }
  // i64 arithmetic with the constants folded that sizes bring.
  Expr add(Expr a, Expr b);
  Expr mul(Expr a, Expr b);
  bool constant(Expr e, int64_t& v) const;

  // As a slot, and back.
  Expr to_slot(Expr e);
  Expr from_slot(Ty t, Expr e);

  Var fresh(Ty t, std::string name);

 private:
  Function& fn_;
  std::map<std::tuple<Op, Ty, uint32_t, uint32_t, uint32_t, uint64_t>, Expr> index_;
};

std::string print(const Program& p);
std::string print(const Program& p, const Function& f);
// All that machine code depends on, and nothing else (names, places, the numbers of a kernel's traps).
void append_bytes(const Function& f, std::string& out);
// The first thing wrong, or empty.
std::string verify(const Program& p);

}  // namespace tenon::loop
