// From an IR function to its driver and kernels in the loop IR. One FunctionLowering per function;
// the parts lie in lower*.cpp: control and memory, views and structural nodes, loops over elements.
//
// Memory: each tensor that is made asks for a block (runtime.h); where that lies is decided when the
// drivers are done (arena.h). A value *owns* its block in the region that made it; behind its last
// use it is given up, or handed on to whoever takes it over (a loop, a call, a result, an update in
// place). Views share their root's block and are
// strides over it, all of which are sizes, so adjacent axes are known to collapse when their DimIds
// say so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ir/function.h"
#include "jit/compiled.h"
#include "jit/loop/loop.h"
#include "jit/loop/runtime.h"
#include "jit/plan/groups.h"

namespace tenon::plan {

using loop::Expr;
using loop::Exprs;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Ty;
using loop::Var;

// The register class of a dtype (ir/scalar/machine.h).
Ty register_type(DType t);
// Loads and stores with the conversions between memory and register.
Expr load_element(Exprs& x, DType t, Expr address, Expr index);
Stmt store_element(Exprs& x, DType t, Expr address, Expr index, Expr value);
Expr memory_bits(Exprs& x, DType t, Expr value);  // as they lie in memory, in the low end of a slot
Expr literal_element(Exprs& x, const ir::Literal& literal);
// A scalar operation on register values; `on_trap` hears of the condition that ends the run.
Expr scalar_op(Exprs& x, ir::Op op, DType result, const std::vector<DType>& dtypes,
               const std::vector<Expr>& operands, const std::function<void(Expr)>& on_trap);

// A driver's request for memory: product(shape) elements of `unit` bytes.
struct Request {
  DType dtype = DType::f32;
  int64_t unit = 0;
  std::vector<DimId> shape;
  Loc where;
};
// A call of another function: what it passes as sizes, and what comes back.
struct CallSite {
  std::vector<DimId> sizes;
  std::vector<ir::Type> results;
  Loc where;
};

// A set of functions on its way to a program.
struct Unit {
  ir::Module& module;
  Dims dims;  // a copy: lowering makes sizes of its own (strides)
  std::map<ir::FnId, std::unique_ptr<ir::Function>> optimised;  // behind the exact passes
  CompileOptions options;
  loop::Program program;
  loop::Tables tables;
  std::vector<loop::Signature> signatures;  // per function
  std::vector<std::map<Var, Request>> requests;  // per function, by the variable of the block
  std::vector<CallSite> calls;                   // Stmt::var of a call of a function
  std::map<ir::FnId, uint32_t> function_index;
  std::map<std::string, uint32_t> kernel_index;  // by what it does
  CompileStats stats;

  Unit(ir::Module& m, CompileOptions o) : module(m), options(o) {}
  const ir::Function& fn(ir::FnId id) const { return *optimised.at(id); }
  // Everything reachable from fn, which becomes function 0.
  void lower(ir::FnId fn);
  uint32_t add_kernel(loop::Function f, Loc where);
  uint32_t trap_site(Code code, Loc where, std::string text, std::string hint, Fault fault);
};

// Where a value is.
struct Place {
  enum Kind : uint8_t { nothing, scalar, memory, fill, iota, tape } kind = nothing;
  Expr e = loop::kNone;        // scalar, fill: the value; memory: the address; tape: its handle
  std::vector<DimId> strides;  // memory
  int axis = 0;                // iota
  int root = -1;               // memory: index into roots_; -1: nobody's (a constant)
  bool whole = false;          // memory: the root's elements, all of them in their order
};

// A value that is zero but for a part, whose place it has: element i of the part along an axis is its element
// start + step * i. Only products read it (framed.cpp).
struct Framed {
  std::vector<DimId> part;  // its shape
  std::vector<Expr> starts;
  std::vector<int64_t> steps;
};

class FunctionLowering {
 public:
  FunctionLowering(Unit& unit, ir::FnId id);
  loop::Function run();

 private:
  struct Root {
    Var block;
    int frame = -1;                // the region that owns it now; -1: given up or handed on
    bool weight = false;           // a model's parameter or a small argument: no loop changes it
    bool only_multiplied = false;  // a parameter that products alone read: it changes seldom
    std::vector<ir::Value> views;  // values that look at it
  };
  struct Frame {
    std::set<ir::Value> again;      // what the group at hand computes for itself alone
    std::map<ir::Value, int> last;  // last use of a value, by group; the region's end is INT_MAX
    int at = 0;                     // the group at hand
    std::map<DimId, Expr> dims;     // sizes computed here
    std::set<DimId> checked;        // found not to be negative
    std::map<SymId, Expr> symbols;
  };

  // ---- control: lower.cpp
  const ir::Type& type(ir::Value v) const { return fn_.type(v); }
  Var fresh(Ty t, std::string name) { return x_.fresh(t, std::move(name)); }
  void emit(Stmt s) { out_->push_back(std::move(s)); }
  void set(Var v, Expr e);
  Expr keep(Expr e, std::string name);  // in a variable, so that it is computed once
  void runtime(loop::Runtime r, std::vector<Expr> args, std::vector<Var> outs = {});
  void trap(Expr when, Code code, std::string text, std::string hint, std::vector<Expr> values,
            Fault fault = Fault::data);
  void poll();
  template <class F>
  loop::Block inside(F&& f) {  // what f emits, as a block of its own
    loop::Block block, *before = out_;
    out_ = &block;
    f();
    out_ = before;
    return block;
  }
  void region(const ir::Region& r, const std::function<void()>& begin,
              const std::function<void()>& end);
  void group(const Group& g);
  void node(const ir::Node& n);
  bool only_multiplied(ir::Value parameter) const;
  void if_node(const ir::Node& n);
  void for_node(const ir::Node& n);
  void while_node(const ir::Node& n);
  void call_node(const ir::Node& n);
  void push_node(const ir::Node& n);
  void pop_node(const ir::Node& n);
  Var slot_var(ir::Value v, std::string name);
  void bind_variable(ir::Value v, Var var);
  void assign_slots(const std::vector<Var>& vars, const std::vector<ir::Value>& values);
  std::vector<Var> carries(const ir::Node& n, size_t first);

  // ---- memory: memory.cpp
  Expr dim(DimId d);     // as an i64 in the driver
  Expr extent(DimId d);  // likewise, checked not to be negative where it could be
  Expr count(const std::vector<DimId>& shape);
  Expr bytes(const ir::Type& t);
  std::vector<DimId> row_major(const std::vector<DimId>& shape);
  DimId chunks_of(DimId n);  // runs of 16384 (docs/semantics.md)
  const Place& place(ir::Value v);
  void bind(ir::Value v, Place p);
  int new_root(Var block);
  Place allocate(const ir::Type& t);
  Var request(loop::Runtime r, std::vector<Expr> args, Request asked);
  Request request_for(const ir::Type& t) const;
  Place whole(Var block, const ir::Type& t);
  bool dies(int root);  // its last use is the group at hand
  void release_dead();
  void keep_views_of(ir::Value v);
  Var take(ir::Value v, bool move);
  std::vector<Expr> slots_of(const std::vector<ir::Value>& values,
                             const std::vector<ir::Value>& captured, bool typed = false);
  void bind_slot(ir::Value v, Expr slot);
  Place in_memory(ir::Value v);
  Expr here();  // this place in the program, for when memory runs out
  uint32_t place_of(Loc where);  // its number in the tables
  void copy(const Place& from, const Place& to, const ir::Type& t);
  void in_view(std::vector<Expr>& args, const Place& p, const ir::Type& t);
  void out_view(std::vector<Expr>& args, const Place& p, const ir::Type& t);
  uint32_t node_info(ir::Op op, const std::vector<ir::Type>& types);

  // ---- structural nodes: structural.cpp
  void view_node(const ir::Node& n);
  void same_count(const std::vector<DimId>& from, const std::vector<DimId>& to);
  void slice_node(const ir::Node& n);
  void update_node(const ir::Node& n);
  bool framed_update(const ir::Node& n);  // framed.cpp
  bool framed_reshape(const ir::Node& n);
  Place made_whole(ir::Value v);  // a framed one, zeros and all, until the end of the group
  bool found_in_run(DimId d) const;
  void concat_node(const ir::Node& n);
  void eager_node(const ir::Node& n);
  void check_windows(const ir::Node& n);
  void bind_element(ir::Value v, Place p);  // the one element in p, or p itself
  void check_node(const ir::Node& n);
  void check_range(const ir::Node& n, size_t first, const std::vector<DimId>& shape);

  // ---- loops over elements: point.cpp, map.cpp, row.cpp
  void scalar_node(const ir::Node& n);
  void point_group(const Group& g);
  void map_node(const ir::Node& n);
  void scatter_node(const ir::Node& n);
  Expr run_of(Expr address, Expr n, DType t, ir::ReduceKind kind);
  void row_group(const Group& g);
  void block_group(const Group& g);  // block.cpp
  void tile_group(const Group& g);   // tile_lower.cpp
  friend class KernelBuilder;
  friend class Rows;
  friend class BlockLowering;
  friend class TileLowering;

  Unit& unit_;
  const ir::Function& fn_;
  loop::Function out_fn_;
  Exprs x_;
  loop::Block* out_ = nullptr;
  Loc loc_;
  std::vector<Place> places_;
  std::vector<Root> roots_;
  std::map<ir::Value, Framed> framed_;
  std::vector<Frame> frames_;
  std::vector<Expr> results_;  // the function's
};

}  // namespace tenon::plan
