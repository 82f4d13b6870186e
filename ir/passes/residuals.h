// What backward code needs of forward code, and how it gets there. Each body that is differentiated
// has a Frame; where forward and backward code of a body do not stand in one list of nodes, a value
// is carried over once, at the first time that backward code asks for it:
//
//   direct   both are in one list: a residual is the value itself, living longer
//   results  a function: residuals are further results of forward, and parameters of backward
//   taped    a branch, a loop's body, or a function that calls itself: forward ends with a push per
//            residual, backward begins with the pops in reverse order. Loops inside push and pop in
//            between, so one tape serves all.
//
// What is free to rebuild (constants, views, compares and cheap elementwise nodes of what is there
// anyway) is emitted again instead. A value of an outer body is asked of that body's frame, so what
// a loop does not change is never pushed in it.
#pragma once

#include <unordered_map>

#include "ir/builder.h"
#include "ir/passes/differentiate.h"

namespace tenon::ir {

struct Frame {
  enum Kind : uint8_t { direct, results, taped } kind = direct;
  Frame* parent = nullptr;

  // The tape in forward code: what comes in (a value to be bound by whoever closes the body) and
  // where it stands now. kNoValue: not used so far.
  Value tape_in = kNoValue, tape = kNoValue;
  // In backward code: where it stands behind the pops, and now.
  Value popped = kNoValue, back_tape = kNoValue;

  std::set<Value> given;  // a function's parameters: whoever calls has them anyway

  std::vector<std::pair<Value, Value>> saved;        // forward value, its stand-in in backward code
  std::vector<std::pair<SymId, SymId>> saved_sizes;  // a size bound in this body, its stand-in
  std::unordered_map<Value, Value> here;             // forward value -> backward value in this body
  std::unordered_map<Value, Value> cotangent;        // of values of the source
  std::set<Value> totals;  // values from outside whose cotangent is carried through this body
  std::unordered_map<Value, size_t> last_use;  // in this body: the node, or behind them all
  size_t position = 0;                         // of forward code

  // A loop's own index, rebuilt from the backward loop's: lo + hi - 1 - turn.
  Value index = kNoValue, turn = kNoValue, lo = kNoValue, hi = kNoValue;
};

class Residuals {
 public:
  Residuals(Derivatives& memo, Builder& forward, Builder& backward)
      : memo_(memo), forward_(forward), backward_(backward) {}

  // Forward code: a value or size that comes to be in the body of `frame`.
  void defined(Value forward, Frame& frame) { home_[forward] = &frame; }
  void defined(const Node& node, Frame& frame);
  void bound(SymId symbol, Frame& frame) { size_home_[symbol] = &frame; }
  // A size bound in forward code that backward code is passed.
  void declare(SymId symbol) { size_here_[symbol] = symbol; }
  Value& tape(Frame& frame);  // the tape in forward code, made when first asked for

  // Backward code, emitted into the body of `frame`: the value of `forward` there.
  Value need(Value forward, Frame& frame);
  DimId dim(DimId d);
  Type type(Type t);
  Value& back_tape(Frame& frame);  // the tape in backward code; `frame` uses one

  // Forgets that `after` is kept, when `before` is too: its stand-in, which the caller binds, or
  // kNoValue.
  Value drop(Value after, Frame& frame, Value before);

  // Closing a taped body: forward pushes what was asked for, into the open region.
  void push_saved(Frame& frame);
  // Backward pops it: nodes to stand before all others, and the tape they start from; kNoValue when
  // the body uses no tape. Slots are those of push_saved, which comes first.
  Value pop_saved(Frame& frame, std::vector<Node>& nodes, Loc loc);

 private:
  int rebuild_cost(Value forward, Frame& frame, int budget);
  bool at_hand(Value forward, const Frame& frame) const;
  Value rebuild(Value forward, Frame& frame);

  Derivatives& memo_;
  Builder& forward_;
  Builder& backward_;
  std::unordered_map<Value, Frame*> home_;
  std::unordered_map<SymId, Frame*> size_home_;
  std::unordered_map<SymId, SymId> size_here_;
  std::unordered_map<Value, Node> cheap_;                     // nodes that may be emitted again
  std::unordered_map<const Frame*, std::vector<int>> slots_;  // of what push_saved pushed
};

}  // namespace tenon::ir
