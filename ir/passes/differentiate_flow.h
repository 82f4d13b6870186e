// Which values depend differentiably on which parameters, and which reach a result: what
// differentiation may leave out. Integers, bools and stop_gradient pass nothing on. A tape is one
// value that depends on all that was pushed; tapes always take part, so that whoever pushes on a
// tape of cotangents and whoever pops from it agree without asking.
#pragma once

#include <map>
#include <vector>

#include "ir/function.h"

namespace tenon::ir {

class Derivatives;

// A set of small numbers, empty until something is put in.
class BitSet {
 public:
  bool empty() const { return words_.empty(); }
  bool has(size_t i) const { return i / 64 < words_.size() && words_[i / 64] >> (i % 64) & 1; }
  void add(size_t i);
  bool add(const BitSet& other);  // whether it grew

 private:
  std::vector<uint64_t> words_;
};

// What differentiation of one function looks at, for chosen parameters and results.
struct Activity {
  std::vector<char> varied, useful;  // by value
  bool active(Value v) const { return varied[v] && useful[v]; }
};

class Flow {
 public:
  explicit Flow(Derivatives& memo) : memo_(memo) {}

  // For each result of `fn`, the parameters it depends on.
  const std::vector<BitSet>& depends(FnId fn);
  Activity activity(FnId fn, const std::vector<int>& params, const std::vector<int>& results);

 private:
  struct Walk;
  void collect(FnId fn, std::vector<FnId>& order, std::map<FnId, char>& seen);
  std::vector<BitSet> results(FnId fn);
  void check(FnId fn) const;

  Derivatives& memo_;
  std::map<FnId, std::vector<BitSet>> known_;    // final
  std::map<FnId, std::vector<BitSet>> current_;  // growing, while a cycle of calls is solved
};

}  // namespace tenon::ir
