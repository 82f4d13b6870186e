// What becomes one instruction: elementwise nodes of one shape gathered into groups, single
// elements that never need a tensor, broadcasts that nobody needs whole.
#include <algorithm>

#include "jit/interp/prepare.h"

namespace tenon::interp {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

namespace {
// Nodes that may take the memory of an operand, or hand it on.
bool takes_over(Op op) {
  return op == Op::update || op == Op::scatter || op == Op::for_ || op == Op::while_ ||
         op == Op::if_ || op == Op::call || op == Op::push || op == Op::host;
}
}  // namespace

bool Preparer::is_point(const Node& n) const {
  return ir::is_scalar(n.op) && !type(n.results[0]).scalar();
}

void Preparer::find_elements() {
  auto lone = [&](Value v) {
    if (use_count_[v] != 1 || !def_[v] || type(v).tape || type(v).shape.empty()) return false;
    for (DimId d : type(v).shape)
      if (module_.dims.value(d) != int64_t{1}) return false;
    return true;
  };
  std::function<void(const Region&)> visit = [&](const Region& r) {
    for (const Node& n : r.nodes) {
      if (n.op == Op::reshape && rank0(n.results[0]) && lone(n.operands[0]) &&
          def_[n.operands[0]]->op == Op::slice)
        element_[n.operands[0]] = 1;
      if (n.op == Op::update && lone(n.operands[1]) && def_[n.operands[1]]->op == Op::reshape &&
          rank0(def_[n.operands[1]]->operands[0]))
        element_[n.operands[1]] = 1;
      for (const Region& inner : n.regions) visit(inner);
    }
  };
  visit(fn_.body);
}

// Point nodes of one shape are gathered and stand where the first other node needs one of them.
// They cannot trap (integer division stands alone), so what is moved before them runs as if it were
// after.
std::vector<Item> Preparer::plan(const Region& r) {
  std::vector<Item> items;
  auto can_trap = [&](const Node& n) {
    return (n.op == Op::div || n.op == Op::rem) && is_integer(type(n.results[0]).dtype);
  };
  constexpr size_t kMostNodes = 48;
  struct Open {
    std::vector<const Node*> nodes;
    std::set<Value> reads;
  };
  std::map<std::vector<DimId>, Open> open;
  std::map<Value, const std::vector<DimId>*> in_open;  // value -> the shape of its open group

  auto close = [&](const std::vector<DimId>& shape) {
    auto it = open.find(shape);
    if (it == open.end()) return;
    Item item;
    item.group = std::move(it->second.nodes);
    std::map<Value, int> here;
    std::set<Value> made;
    for (const Node* n : item.group) {
      for (Value v : n->operands) {
        if (made.contains(v)) {
          ++here[v];
          continue;
        }
        Value from = splat_of(v);
        if (std::find(item.uses.begin(), item.uses.end(), from) == item.uses.end())
          item.uses.push_back(from);
      }
      made.insert(n->results[0]);
    }
    for (const Node* n : item.group) {
      Value v = n->results[0];
      in_open.erase(v);
      if (here[v] < use_count_[v] || can_trap(*n)) item.defs.push_back(v);
    }
    open.erase(it);
    if (!item.defs.empty()) items.push_back(std::move(item));
  };
  auto close_for = [&](Value v) {
    if (auto it = in_open.find(v); it != in_open.end()) close(std::vector<DimId>(*it->second));
  };

  for (const Node& n : r.nodes) {
    if (is_point(n)) {
      const std::vector<DimId>& shape = type(n.results[0]).shape;
      const bool traps = can_trap(n);
      for (Value v : n.operands)
        if (auto it = in_open.find(v); it != in_open.end() && *it->second != shape) close_for(v);
      if (auto it = open.find(shape);
          traps || (it != open.end() && (it->second.nodes.size() >= kMostNodes)))
        close(shape);
      Open& group = open[shape];
      group.nodes.push_back(&n);
      group.reads.insert(n.operands.begin(), n.operands.end());
      in_open[n.results[0]] = &type(n.results[0]).shape;
      if (traps) close(shape);
      continue;
    }
    if (only_splat(n)) continue;  // its users read the scalar itself
    for (Value v : n.operands) {
      close_for(v);
      if (!takes_over(n.op)) continue;
      // A group that waits with reading v would keep v from being moved or written in place here.
      std::vector<std::vector<DimId>> waiting;
      for (auto& [shape, group] : open)
        if (group.reads.contains(v)) waiting.push_back(shape);
      for (const auto& shape : waiting) close(shape);
    }
    for (const Region& inner : n.regions)
      for (Value v : used_in(inner)) close_for(v);
    Item item;
    item.node = &n;
    items.push_back(std::move(item));
  }
  for (Value v : r.results) close_for(v);
  while (!open.empty()) close(std::vector<DimId>(open.begin()->first));
  return items;
}

bool Preparer::only_splat(const Node& n) const {
  return n.op == Op::broadcast && rank0(n.operands[0]) && !needed_whole_[n.results[0]];
}

}  // namespace tenon::interp
