// The handlers of instructions and what they keep in Instr::data. Each gives the next instruction.
#pragma once

#include "jit/interp/code.h"
#include "kernels/cpu/points.h"

namespace tenon::interp {

#define TENON_HANDLER(name) const Instr* name(Run& r, const Instr* in)

// ---------------------------------------------------------------- control: control.cpp
struct MoveStep {
  uint32_t from, to;
  SlotKind kind;
  bool dies;
};
struct Call {
  ir::FnId fn = 0;
  bool counted = false;   // for the limit of recursion: the callee is recursive
  bool boundary = false;  // a call out of a function with effects: compiled code may take it
  bool has_tape = false;  // or what compiled code cannot give back either
  std::vector<Use> args;
  std::vector<SizeRef> sizes;
  std::vector<Use> results;
  std::vector<SymId> fresh_theirs;
  std::vector<std::pair<uint32_t, uint32_t>> fresh;  // slot of the callee -> ours
  // Likewise, where compiled code ran: the axis of a result that tells it.
  struct Told {
    size_t result, axis;
    uint32_t slot;
  };
  std::vector<Told> told;
  const Prepared* code = nullptr;                    // found at the first call
};
TENON_HANDLER(run_jump);
TENON_HANDLER(run_if);         // jumps when slot a is false
TENON_HANDLER(run_for_begin);  // out = a; jumps when out >= b
TENON_HANDLER(run_for_next);   // ++out; jumps when out < b
TENON_HANDLER(run_again);      // the end of a turn of `while`
TENON_HANDLER(run_call);       // data: Call
TENON_HANDLER(run_return);     // data: std::vector<Use>
TENON_HANDLER(run_move);       // out = a, which is then empty
TENON_HANDLER(run_move_scalar);
TENON_HANDLER(run_copy);
TENON_HANDLER(run_moves);  // data: std::vector<MoveStep>, all at once
TENON_HANDLER(run_drop);
TENON_HANDLER(run_drop_tape);

// ---------------------------------------------------------------- scalars: scalar.cpp
// The handler of a scalar operation on rank-0 values: out = op(a, b, c).
Handler scalar_handler(ir::Op op, DType operand, DType result);
TENON_HANDLER(run_size);  // data: SizeRef

// ---------------------------------------------------------------- tapes: control.cpp
TENON_HANDLER(run_tape_new);
TENON_HANDLER(run_tape_end);
TENON_HANDLER(run_compact);  // slot a, when it is a view of much more
struct Push {
  int slot;
  Use value;
};
TENON_HANDLER(run_push);  // out = a with data: Push
TENON_HANDLER(run_pop);   // out = the tape a, data: Push

// ---------------------------------------------------------------- effects: effects.cpp
struct Check {
  ir::CheckAttr attr;
  Use condition;
  std::vector<Use> shown;
};
TENON_HANDLER(run_check);
struct Debug {
  std::string text;
  std::vector<Use> shown;
};
TENON_HANDLER(run_debug);
TENON_HANDLER(run_bind);  // symbol slot out = scalar a
struct HostCall {
  // One axis of one result: binds `slot` from extent = coefficient * slot + rest, or has to equal
  // rest.
  struct Axis {
    uint16_t result, axis;
    bool binds;
    uint32_t slot;
    int64_t coefficient;
    SizeRef rest;
    std::string text;  // the size as it is written
  };
  ir::HostAttr attr;
  std::vector<Use> operands;
  std::vector<Use> results;
  std::vector<Axis> axes;  // those that bind first
};
TENON_HANDLER(run_host);

// ---------------------------------------------------------------- tensors: tensor.cpp
struct Shaped {  // constant iota broadcast reshape transpose slice update
  ShapeRef shape;
  std::vector<int> axes;
  std::vector<int64_t> strides;
  std::vector<uint32_t> starts;
  Use x, v;
  DType dtype;
  Tensor constant;
};
TENON_HANDLER(run_constant);
TENON_HANDLER(run_iota);
TENON_HANDLER(run_broadcast);
TENON_HANDLER(run_broadcast_scalar);
TENON_HANDLER(run_reshape);
TENON_HANDLER(run_reshape_to_scalar);
TENON_HANDLER(run_reshape_of_scalar);
TENON_HANDLER(run_transpose);
TENON_HANDLER(run_slice);
TENON_HANDLER(run_update);
TENON_HANDLER(run_update_element);
TENON_HANDLER(run_read);
struct Reading {
  Use x;
  std::vector<uint32_t> at;
};
struct Joined {
  std::vector<Use> parts;
  int axis;
};
TENON_HANDLER(run_concat);  // data: Joined
struct Reduced {
  ir::ReduceKind kind;
  std::vector<int> axes;  // or one axis
  bool reverse = false;
  DType dtype;
  bool to_scalar = false;
};
TENON_HANDLER(run_reduce);
TENON_HANDLER(run_arg_reduce);
TENON_HANDLER(run_scan);
struct Sorted {
  int axis;
  uint32_t values, permutation;
};
TENON_HANDLER(run_sort);
struct Contracted {
  std::shared_ptr<const ir::ContractSpec> spec;
  std::vector<SizeRef> range, offset_a, offset_b;
  bool offsets = false;
  Use a, b;
  DType dtype;
};
TENON_HANDLER(run_contract);

// ---------------------------------------------------------------- points: point.cpp
struct Points {
  kernels::PointProgram program;
  ShapeRef shape;
  std::vector<Use> operands;  // scalars: one value for all
  std::vector<uint32_t> results;
  std::vector<DType> types;
  // For each result the operands that it may be written over when they are not used any more.
  std::vector<std::vector<int>> may_replace;
};
TENON_HANDLER(run_group);  // data: Points
inline constexpr size_t kMostOperands = 160;

// The body of a map or scatter as a point program: runs, and jumps over the turns that stand
// behind.
struct Mapped {
  kernels::PointProgram program;
  ShapeRef out, red;
  ir::ReduceKind kind = ir::ReduceKind::sum;
  std::vector<Use> operands;  // scalars of around
  std::vector<Use> reads;
  std::vector<char> guarded;  // read only where a condition holds
  DType dtype = DType::f32;
  bool to_scalar = false;
  Use x{};  // of a scatter
};
TENON_HANDLER(run_map);
TENON_HANDLER(run_scatter);

// Whole rows picked or added by number: map out[i.., d..] = table[ids[i..], d..] and its adjoint.
struct Rows {
  Use table, index, rows;
  Loc place;
};
TENON_HANDLER(run_gather_rows);
TENON_HANDLER(run_scatter_rows);

// The turns of a map: its body once per index. They run where the point program trapped, to find
// what is wrong first, and where a read under a condition meets a tensor without elements. What the
// body gives is laid down in buffers, and a program that only reads those goes through the same
// kernel, so the order of sums is the same.
struct Turns {
  kernels::PointProgram program;
  ShapeRef out, red;
  ir::ReduceKind kind = ir::ReduceKind::sum;
  std::vector<uint32_t> index, extent;
  uint32_t turn, turns;
  std::vector<Use> values;        // what the body gives
  std::vector<uint32_t> buffers;  // one per value
  DType dtype = DType::f32;
  bool to_scalar = false, scatter = false;
  Use x{};
};
TENON_HANDLER(run_turns_begin);
TENON_HANDLER(run_turns_next);
TENON_HANDLER(run_turns_end);

}  // namespace tenon::interp
