// Forward mode on one function: the program again, with a tangent beside each value that depends on
// the chosen parameters. Linear operations are their own derivative; the rest has a written rule.
#pragma once

#include "ir/passes/differentiate.h"

namespace tenon::ir {

class Forward {
 public:
  Forward(Derivatives& memo, const PairKey& key, Builder& b);

  // (parameters, tangents of key.params) -> results, tangents of key.results; zeros made real.
  std::vector<Value> run(const std::vector<Value>& params, const std::vector<Value>& tangents);

 private:
  void nodes(const Region& region);
  void node(const Node& node);
  void branch(const Node& node);
  void loop(const Node& node);
  void call(const Node& node);
  Value structural(const Node& node);  // the tangent of the first result, or kNoValue

  Value primal(Value v) const { return copy_.map[v]; }
  Value tangent(Value v) const { return tangent_[v]; }  // kNoValue: zero
  Value tangent_or_zero(Value v) {
    return tangent(v) != kNoValue ? tangent(v) : zero(v);
  }
  Value zero(Value v);
  bool takes_part(const Node& node) const;

  Derivatives& memo_;
  const PairKey& key_;
  const Function& source_;
  Builder& b_;
  Copier copy_;
  Activity activity_;
  std::vector<Value> tangent_;  // source -> tangent
  std::unordered_map<Value, Type> sized_;
};

}  // namespace tenon::ir
