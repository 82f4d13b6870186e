// What a pass reads of an earlier one it computes again where that is cheaper than to write it there and
// to read it here: when it is made, by a few light operations, of what is in memory anyway. So the factors
// of a derivative are not kept from the forward pass on, but what they are made of.
#include <algorithm>

#include "ir/cost.h"
#include "jit/plan/planner.h"

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Value;

namespace {

// Bytes moved for each element, roughly; an operation beside them costs little.
constexpr double kOperation = 0.5, kLeastGain = 4, kNever = 1e6;
constexpr int kHeavy = 8;  // by ir/cost.h: about what it costs to write and read a number

}  // namespace

std::map<Value, std::set<int>> Planner::users() const {
  std::map<Value, std::set<int>> users;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].gone) continue;
    for (const Node* n : groups_[g].group.nodes) {
      for (Value v : n->operands) users[v].insert(static_cast<int>(g));
      for (const ir::Region& inner : n->regions)
        for (Value v : used_in(inner)) users[v].insert(static_cast<int>(g));
    }
  }
  for (Value v : region_.results) users[v].insert(-1);
  return users;
}

Planner::Makers Planner::makers() const {
  Makers out;
  for (const Node& n : region_.nodes) {
    for (Value v : n.results) out.of[v] = &n;
    if (n.op == Op::update || n.op == Op::scatter) out.changed.insert(root(n.operands[0]));
  }
  return out;
}

void Planner::again() {
  const Makers makers = this->makers();
  std::map<Value, std::set<int>> read_by = users();
  for (size_t b = 0; b < groups_.size(); ++b) {
    const Work& w = groups_[b];
    if (w.gone || (w.group.kind != Group::point && w.group.kind != Group::row)) continue;
    Again a{static_cast<int>(b), makers, read_by, {}, {}, {}};
    for (const Node* n : w.group.nodes)
      for (Value v : n->operands) {
        a.has.insert(v);
        if (!made_by(b, v) && may_repeat(a, v) && !needed_elsewhere(a, v)) a.wanted.insert(v);
      }
    if (a.wanted.empty()) continue;
    // Without what is dearer to make than to keep.
    double gain = gain_of(a);
    for (bool better = true; better;) {
      better = false;
      for (Value v : std::set<Value>(a.wanted)) {
        a.wanted.erase(v);
        const double without = gain_of(a);
        if (without > gain) {
          gain = without;
          better = true;
        } else {
          a.wanted.insert(v);
        }
      }
    }
    if (!a.wanted.empty() && gain_of(a) >= kLeastGain) repeat(a);
  }
}

// An elementwise value of the group's shape that another pass makes by a light operation.
bool Planner::may_repeat(const Again& a, Value v) const {
  const auto made = made_.find(v);
  if (made == made_.end()) return false;
  const Group::Kind kind = groups_[made->second].group.kind;
  if (kind != Group::point && kind != Group::row) return false;
  const Node& n = *a.makers.of.at(v);
  if (read_whole_by(groups_[static_cast<size_t>(a.group)].group, v)) return false;  // it is in memory for that
  return is_scalar(n.op) && !keeps_order(fn_, n) && ir::cost_of(n.op) < kHeavy &&
         fn_.type(v).shape == groups_[a.group].shape;
}

// By more than the pass that makes it and the one at hand.
bool Planner::needed_elsewhere(const Again& a, Value v) const {
  const auto users = a.users.find(v);
  return users != a.users.end() && std::any_of(users->second.begin(), users->second.end(), [&](int g) {
           return g != a.group && g != made_.at(v);
         });
}

// The nodes that make what is wanted, and the cost of reading what they need for it.
double Planner::gain_of(Again& a) const {
  a.nodes.clear();
  std::set<Value> seen;
  double gain = 0;
  auto bytes = [&](Value v) { return static_cast<double>(size_of(fn_.type(v).dtype)); };
  for (Value v : a.wanted) gain += 2 * bytes(v);
  std::vector<Value> open(a.wanted.begin(), a.wanted.end());
  while (!open.empty()) {
    const Value v = open.back();
    open.pop_back();
    if (!seen.insert(v).second || fn_.type(v).scalar() || made_by(static_cast<size_t>(a.group), v))
      continue;
    const bool repeated = a.wanted.contains(v) ||
                          (may_repeat(a, v) && !a.has.contains(v) && !needed_elsewhere(a, v));
    if (repeated) {
      const Node& n = *a.makers.of.at(v);
      a.nodes.insert(&n);
      gain -= kOperation * ir::cost_of(n.op);
      open.insert(open.end(), n.operands.begin(), n.operands.end());
    } else if (!a.has.contains(v)) {
      gain -= cost_of_reading(a, v);
    }
  }
  return gain;
}

double Planner::cost_of_reading(const Again& a, Value v) const {
  const auto made = made_.find(v);
  if (made == made_.end()) return kNever;  // it may be changed in place before
  const Node& n = *a.makers.of.at(v);
  if (a.makers.changed.contains(root(v))) return kNever;
  if (n.op == Op::constant || n.op == Op::iota) return 0;
  const double size = static_cast<double>(size_of(fn_.type(v).dtype));
  if (groups_[made->second].group.kind == Group::node) {
    if (n.op == Op::broadcast && fn_.type(n.operands[0]).rank() < fn_.type(v).rank()) return 0;
    return 1.5 * size;  // and it lives longer
  }
  // What its pass has in registers alone would have to be written, too.
  if (needed_elsewhere(a, v)) return 1.5 * size;
  const Group::Kind kind = groups_[made->second].group.kind;
  return is_scalar(n.op) && (kind == Group::point || kind == Group::row) ? 3.5 * size : kNever;
}

void Planner::repeat(const Again& a) {
  Work& w = groups_[a.group];
  if (w.group.nodes.size() + a.nodes.size() > 64) return;
  std::set<Value> own;
  for (const Node* n : a.nodes) own.insert(n->results[0]);
  for (const Node* n : a.nodes) {
    w.group.nodes.push_back(n);
    w.group.again.insert(n);
    for (Value v : n->operands) {
      if (own.contains(v)) continue;
      a.users[v].insert(a.group);
      readers_[root(v)].insert(a.group);
      if (auto it = made_.find(v); it != made_.end()) add_need(a.group, it->second);
    }
  }
  for (Value v : own) a.users[v].erase(a.group);
  std::sort(w.group.nodes.begin(), w.group.nodes.end());
}

}  // namespace tenon::plan
