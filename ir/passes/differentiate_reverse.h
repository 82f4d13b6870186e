// Reverse mode on one function: writes its forward code and its backward code, body by body
// (design.md b). Both builders may be one: then backward code stands behind forward code in one
// list.
#pragma once

#include <span>

#include "ir/passes/residuals.h"

namespace tenon::ir {

class Reverse {
 public:
  Reverse(Derivatives& memo, FnId source, const std::vector<int>& params,
          const std::vector<int>& results, Builder& forward, Builder& backward, Frame::Kind kind);

  // The function's parameters, in forward code.
  void bind_params(const std::vector<Value>& forward);
  // Forward code of the whole body, into the open region; the results.
  std::vector<Value> forward();
  // Backward code of the whole body, into the open region, from a cotangent per chosen result (or
  // kNoValue) to a cotangent per chosen parameter, zeros made real.
  std::vector<Value> backward(const std::vector<Value>& cts);

  Frame& root() { return root_; }
  Residuals& residuals() { return residuals_; }

 private:
  class Site;
  // What forward code leaves for backward code, per node that needs more than values.
  struct Plan {
    std::vector<Region> bodies;                   // backward, detached until its place comes
    std::vector<size_t> carries;                  // results (or carries) that take part
    std::vector<Value> stand_ins;                 // if: for the cotangents of `carries`
    std::vector<std::pair<Value, Value>> totals;  // if: captured, and a stand-in for its cotangent
    std::vector<Value> captured;  // values of around that the bodies want cotangents for
    Value tape_in = kNoValue;     // if: stands for the tape that backward bodies start from
    bool tape = false;
    std::vector<size_t> handed_on;  // loops: carries whose value after a turn is kept as a carry
    Value turns = kNoValue;         // while: how many times the body ran
    const Pair* pair = nullptr;     // call
    std::vector<Value> extras;
    std::vector<std::pair<SymId, SymId>> fresh;
  };

  void forward_nodes(const Region& region, Frame& frame);
  void forward_node(const Node& node, Frame& frame);
  void forward_if(const Node& node, Frame& frame);
  void forward_loop(const Node& node, Frame& frame);
  void forward_call(const Node& node, Frame& frame);
  void clone(const Node& node, Frame& frame);
  void finish(const Node& node, const std::vector<Value>& results, Frame& frame);

  void backward_nodes(const Region& region, Frame& frame);
  void backward_node(const Node& node, Frame& frame);
  void backward_if(const Node& node, Frame& frame);
  void backward_loop(const Node& node, Frame& frame);
  void backward_call(const Node& node, Frame& frame);
  void backward_rule(const Node& node, FnId rule, Frame& frame);
  void backward_tape(const Node& node, Frame& frame);

  void add(Value source, Value ct, Frame& frame);
  Value cotangent(Value source, const Frame& frame) const;  // or kNoValue
  Value cotangent_or_zero(Value source, Frame& frame);
  Value zero(Value source) { return b_.zeros(type(source)); }
  // A cotangent has its sizes, also where a value of the source has a type with `_`; over a loop, a
  // branch, a call and a tape it is handed on as that value is.
  Type type(Value source);                   // of its cotangent, in backward code
  Value handed(Value source, Frame& frame);  // cotangent_or_zero, in the value's own type
  Value sized(Value source, Value ct);       // back again
  Value primal(Value source, Frame& frame) { return residuals_.need(map_[source], frame); }
  bool takes_part(const Node& node) const;
  std::vector<Value> active_captures(std::span<const Region> regions) const;
  Frame& inner_frame(Frame& parent);

  Derivatives& memo_;
  const Function& source_;
  Copier copy_;
  std::vector<Value>& map_;  // source -> forward code
  Builder& f_;
  Builder& b_;
  std::vector<int> params_, results_;
  Activity activity_;
  Residuals residuals_;
  std::unordered_map<Value, Type> sized_;
  Frame root_;
  std::map<const Node*, Plan> plans_;
  std::vector<std::unique_ptr<Frame>> frames_;
};

}  // namespace tenon::ir
