// The IR: typed, monomorphic, first-order and flat (law 6). A Function is a list of nodes in regions
// over tensors (rank 0: scalars) and tapes; there are no tuples, closures or models. Its structure is
// static, its sizes are symbolic. What each operation means is written in docs/semantics.md.
//
//   size symbols   A Function declares the symbols its body may use; a call passes a Dim for each, so
//                  nothing has to be inferred from shapes at run time. More are bound inside by
//                  `bind_dim`, `call` (fresh) and `host`.
//   regions        if(bool)               {then() -> results, else() -> results}
//                  for(lo, hi, carries..) {body(i, carries..) -> carries}: i = lo, lo+1 .. hi-1
//                  while(carries..)       {cond(carries..) -> bool, body(carries..) -> carries}
//                  map()                  {body(i64 per index) -> scalar}, `scatter` likewise
//                  A region may use values of the regions around it: so `map` has no operands, its
//                  body reads tensors from around it by `read(tensor, i64 per axis)`.
//   nothing        `bind_dim`, `check`, `debug` and `tape_end` have no results.
//   order          Nodes run in order. `check`, `debug`, `host` and whatever can trap keep it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ir/call_places.h"
#include "ir/dim.h"
#include "ir/dtype.h"
#include "ir/op.h"
#include "support/diagnostic.h"
#include "support/source.h"

namespace tenon::ir {

using Value = uint32_t;  // an index into Function::types
using FnId = uint32_t;
inline constexpr Value kNoValue = ~0u;

struct Type {
  DType dtype = DType::f32;
  std::vector<DimId> shape;  // rank <= 8
  bool tape = false;         // then dtype and shape mean nothing

  size_t rank() const { return shape.size(); }
  bool scalar() const { return !tape && shape.empty(); }
  bool unsized(const Dims& dims) const {  // has an axis `_`
    for (DimId d : shape)
      if (d == dims.any()) return true;
    return false;
  }
  friend bool operator==(const Type&, const Type&) = default;
};
inline Type scalar_type(DType t) { return {t, {}, false}; }
inline Type tape_type() { return {DType::i64, {}, true}; }

// ---------------------------------------------------------------- attributes: one struct per need

// constant: the elements, row-major, in the dtype's own bytes. bool is one byte, 0 or 1.
struct Literal {
  DType dtype;
  std::vector<int64_t> shape;
  std::string bytes;
  friend bool operator==(const Literal&, const Literal&) = default;
};
struct ConstantAttr {
  std::shared_ptr<const Literal> literal;
};
struct IotaAttr {  // result[i0, i1, ..] = i_axis
  DType dtype;
  std::vector<DimId> shape;
  int axis;
};
struct DimAttr {  // size: a Dim as an i64 scalar
  DimId dim;
};
// reshape: same elements, row-major.
// retype: the same tensor under another type: an axis keeps its size, loses it (`_`), or gets it
// back, which whoever writes it answers for. How a loop carries what grows: as f32[_, D] and its
// size as an i64, which the body binds before it retypes. Nothing else takes a type with `_`, but
// regions, calls and tapes, which hand it on.
struct ShapeAttr {
  std::vector<DimId> shape;
};
struct BroadcastAttr {  // operand axis i becomes result axis axes[i] (ascending), the rest repeat
  std::vector<DimId> shape;
  std::vector<int> axes;
};
struct AxesAttr {  // transpose: result axis i is operand axis axes[i]
  std::vector<int> axes;
};
// slice (x, start...)      result[i..] = x[start + stride*i]
// update (x, v, start...)  x with x[start + stride*i] = v[i..]; shape and strides are v's
// Starts are i64 scalars, one per axis; out of range is E0802. strides >= 1.
struct SliceAttr {
  std::vector<DimId> shape;
  std::vector<int64_t> strides;
};
struct AxisAttr {  // concat; sort -> (values, i64 permutation), ascending, stable, NaN last
  int axis;
};
struct ReduceAttr {  // axes ascending, removed from the shape
  ReduceKind kind;
  std::vector<int> axes;
};
struct ArgReduceAttr {  // i64 result; first winner, NaN wins
  ReduceKind kind;      // max or min
  int axis;
};
struct ScanAttr {
  ReduceKind kind;
  int axis;
  bool reverse = false;
};
// contract(a, b): result[out..] = sum over the other indices of a[..] * b[..]; each operand axis is
// read at an affine combination of indices. The summed indices run row-major in the order of their
// numbers; that order is the order of accumulation (docs/semantics.md).
struct Affine {
  struct Term {
    uint8_t index;
    int64_t coefficient;
    friend bool operator==(const Term&, const Term&) = default;
  };
  std::vector<Term> terms;
  DimId offset;  // a Dim; constant 0 mostly
  friend bool operator==(const Affine&, const Affine&) = default;
  // The index itself when this is just one index.
  std::optional<uint8_t> plain(const Dims& dims) const {
    if (terms.size() == 1 && terms[0].coefficient == 1 && dims.value(offset) == int64_t{0})
      return terms[0].index;
    return std::nullopt;
  }
};
struct ContractSpec {
  std::vector<DimId> range;     // of each index
  std::vector<Affine> a, b;     // one per axis of each operand
  std::vector<uint8_t> out;     // the index of each result axis
  friend bool operator==(const ContractSpec&, const ContractSpec&) = default;
};
struct ContractAttr {
  std::shared_ptr<const ContractSpec> spec;
};
// map: region params are one i64 per out index then one per red index; it yields one scalar.
// result[out..] = reduce(kind) over red of the body; without red, just the body.
struct MapAttr {
  std::vector<DimId> out, red;
  ReduceKind kind = ReduceKind::sum;
};
// scatter(x): region params are one i64 per dim; it yields x's rank of i64 targets and one scalar.
// result = x; for each index in row-major order: result[targets] += scalar.
struct ScatterAttr {
  std::vector<DimId> dims;
};
struct ConvertAttr {
  DType to;
};
// call: a Dim for each of the callee's sizes; `fresh` names symbols bound inside the callee that its
// result types mention: callee symbol -> symbol of the caller, bound by this node.
struct CallAttr {
  FnId fn;
  std::vector<DimId> dims;
  std::vector<std::pair<SymId, SymId>> fresh;
};
// derive vjp: (args.., a cotangent per seed result) -> (results.., a cotangent per wrt parameter)
// derive jvp: (args.., a tangent per wrt parameter) -> (results.., a tangent per seed result)
// Removed by the pass `differentiate`.
struct DeriveAttr {
  enum Mode : uint8_t { vjp, jvp } mode;
  FnId fn;
  std::vector<DimId> dims;
  std::vector<int> wrt;    // parameters of fn; float
  std::vector<int> seeds;  // results of fn; float
};
struct SlotAttr {  // push, pop: a pop has the slot of its push, and the pushed value's type
  int slot;
  Type type;
};
struct BindAttr {  // bind_dim(i64): the symbol stands for this number from here on; >= 0 is checked
  SymId symbol;
};
// check(bool, shown...): false ends the run with `code` and `text`, in which each {} is replaced by
// the next shown value. A tensor condition must hold everywhere.
struct CheckAttr {
  Code code;
  std::string text;
  std::string hint;
  Fault fault = Fault::program;
};
struct TextAttr {  // debug: text with {} holes
  std::string text;
};
// host: an effect done by the session (print, csv, save..). `name` picks the host function, `args`
// are its static arguments. Result types may mention `binds`, symbols that this node binds from the
// shapes of the results it got. Only functions marked `effect` hold host nodes.
struct HostAttr {
  std::string name;
  std::vector<std::string> args;
  std::vector<Type> results;
  std::vector<SymId> binds;
};

using Attr = std::variant<std::monostate, ConstantAttr, IotaAttr, DimAttr, ShapeAttr, BroadcastAttr,
                          AxesAttr, SliceAttr, AxisAttr, ReduceAttr, ArgReduceAttr, ScanAttr,
                          ContractAttr, MapAttr, ScatterAttr, ConvertAttr, CallAttr, DeriveAttr,
                          SlotAttr, BindAttr, CheckAttr, TextAttr, HostAttr>;

// ---------------------------------------------------------------- nodes, regions, functions

struct Region;

struct Node {
  Op op;
  std::vector<Value> operands;
  std::vector<Value> results;
  Attr attr;
  std::vector<Region> regions;
  Loc loc;

  template <class A>
  const A& get() const { return std::get<A>(attr); }
};

struct Region {
  std::vector<Value> params;
  std::vector<Node> nodes;
  std::vector<Value> results;
};

// What a parameter or result stands for in the program: the only memory of records and models.
struct Leaf {
  enum Role : uint8_t { data, param, state, key } role = data;
  std::string path;  // "net.fc1.weight"
};

struct Function {
  std::string name;
  Loc loc;
  std::vector<SymId> sizes;   // passed by the caller
  Region body;
  std::vector<Type> types;    // of every value
  std::vector<Leaf> params;   // one per body.params
  std::vector<Leaf> results;  // one per body.results
  bool effect = false;        // holds host nodes, itself or by its calls
  bool recursive = false;     // part of a cycle of calls
  // `derivative of`: a function (params.., results.., a cotangent per float result) -> a cotangent
  // per float parameter, with the same sizes.
  std::optional<FnId> vjp_rule;

  Value new_value(Type t) {
    types.push_back(std::move(t));
    return static_cast<Value>(types.size() - 1);
  }
  const Type& type(Value v) const { return types[v]; }
};

struct Module {
  Dims dims;
  std::vector<std::unique_ptr<Function>> functions;  // never moved: references stay good
  CallPlaces places;
  std::shared_ptr<void> derivatives;                 // the memo of ir/passes/differentiate.h

  FnId add(std::unique_ptr<Function> f) {
    functions.push_back(std::move(f));
    return static_cast<FnId>(functions.size() - 1);
  }
  Function& fn(FnId id) { return *functions[id]; }
  const Function& fn(FnId id) const { return *functions[id]; }
};

}  // namespace tenon::ir
