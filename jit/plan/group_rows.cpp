// Groups around reductions of rows: the passes over the same rows, what they alone need, and the
// products before and behind them.
#include <algorithm>

#include "ir/cost.h"
#include "jit/plan/planner.h"

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

namespace {
constexpr int64_t kLeastSlabs = 4;   // of a block that sums over its rows
constexpr size_t kMostAgain = 64;    // nodes of a block with what it makes again
constexpr int kDear = 8;             // by ir/cost.h; an exp or a product costs more than to read a number
}  // namespace

void Planner::rows() {
  for (size_t a = 0; a < groups_.size(); ++a) {
    Work& w = groups_[a];
    if (w.gone || w.group.nodes.size() != 1 || !row_reduce(fn_, *w.group.nodes[0])) continue;
    // A row is the work of one thread; a few long ones are better cut by the kernels of
    // reductions.
    const auto& space = fn_.type(w.group.nodes[0]->operands[0]).shape;
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < space.size() && rows < 4; ++i)
      rows *= dims_.value(space[i]).value_or(4);
    // In rows of one element a value per row and one per place have the same shape.
    if (dims_.value(space.back()) == int64_t{1}) continue;
    if (rows < 4 && dims_.value(space.back()).value_or(INT64_MAX) > 65536) continue;
    w.group.kind = Group::row;
    w.shape = fn_.type(w.group.nodes[0]->operands[0]).shape;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t a = 0; a < groups_.size(); ++a) {
      if (groups_[a].gone || groups_[a].group.kind != Group::row) continue;
      std::set<int> near = groups_[a].needs;
      for (size_t b = 0; b < groups_.size(); ++b)
        if (!groups_[b].gone && groups_[b].needs.contains(static_cast<int>(a)))
          near.insert(static_cast<int>(b));
      for (int b : near) {
        if (groups_[b].gone || !fits(groups_[b], groups_[a].shape)) continue;
        merge(static_cast<int>(a), b, true);
        changed |= groups_[b].gone;
      }
    }
  }
}

void Planner::sink() {
  std::map<Value, std::set<int>> users = this->users();
  for (size_t a = 0; a < groups_.size(); ++a) {
    if (groups_[a].gone || groups_[a].group.kind != Group::row) continue;
    for (size_t i = groups_[a].group.nodes.size(); i-- > 0;) {
      if (i >= groups_[a].group.nodes.size()) continue;
      const auto& to = users[groups_[a].group.nodes[i]->results[0]];
      if (to.size() == 1 && *to.begin() >= 0 && *to.begin() != static_cast<int>(a))
        sink(static_cast<int>(a), *to.begin(), groups_[a].group.nodes[i], users);
    }
  }
}

void Planner::sink(int a, int b, const Node* last, std::map<Value, std::set<int>>& users) {
  Work &from = groups_[a], &to = groups_[b];
  if (to.group.kind == Group::node || to.gone) return;
  auto fits_there = [&](const Node& n) {
    if (!is_scalar(n.op) || keeps_order(fn_, n)) return false;
    if (to.group.kind == Group::point) return fn_.type(n.results[0]).shape == to.shape;
    return row_role(fn_, dims_, n, to.shape) == RowRole::wide;
  };
  // With what only it needs.
  std::set<const Node*> moved{last};
  std::set<Value> read;
  for (bool changed = true; changed;) {
    changed = false;
    read.clear();
    for (const Node* m : moved)
      for (Value v : m->operands)
        if (made_by(static_cast<size_t>(a), v)) read.insert(v);
    for (const Node* n : from.group.nodes) {
      if (moved.contains(n) || !read.contains(n->results[0])) continue;
      bool others = users[n->results[0]] != std::set<int>{a};
      for (const Node* m : from.group.nodes)
        others |= !moved.contains(m) && std::find(m->operands.begin(), m->operands.end(),
                                                  n->results[0]) != m->operands.end();
      if (others || !is_scalar(n->op)) continue;
      moved.insert(n);
      changed = true;
    }
  }
  if (to.group.nodes.size() + moved.size() > 64) return;
  std::set<Value> own, loaded;
  for (const Node* m : moved) {
    if (!fits_there(*m)) return;
    own.insert(m->results[0]);
  }
  // What a gather there reads at places of its choice has to be whole before.
  for (Value v : own)
    if (read_whole_by(to.group, v)) return;
  for (const Node* m : moved)
    for (Value v : m->operands) {
      if (own.contains(v) || fn_.type(v).scalar()) continue;
      const RowRole role = role_of(from.group, v, from.shape);
      const bool per_row = role == RowRole::reduce || role == RowRole::narrow ||
                           role == RowRole::spread || role == RowRole::same;
      if (per_row) continue;
      // What comes from elsewhere may be about to be changed in place: it is read where it was.
      if (!made_.contains(v)) return;
      if (made_by(static_cast<size_t>(a), v) && users[v] == std::set<int>{a}) return;
      if (!users[v].contains(b)) loaded.insert(v);
    }
  if (loaded.size() > 1) return;
  for (const Node* m : moved) {
    from.group.nodes.erase(std::find(from.group.nodes.begin(), from.group.nodes.end(), m));
    to.group.nodes.push_back(m);
    made_[m->results[0]] = b;
    for (Value v : m->operands) {
      users[v].insert(b);
      readers_[root(v)].insert(b);
      if (auto it = made_.find(v); it != made_.end() && it->second != b) add_need(b, it->second);
    }
  }
  std::sort(to.group.nodes.begin(), to.group.nodes.end());
}

void Planner::blocks() {
  for (size_t a = 0; a < groups_.size(); ++a) {
    if (groups_[a].gone || groups_[a].group.kind != Group::row) continue;
    const std::vector<DimId> space = groups_[a].shape;
    for (size_t b = 0; b < groups_.size(); ++b) {
      const Node* n = product_by_itself(b);
      if (!n) continue;
      std::vector<int> axis;
      const bool makes = groups_[a].needs.contains(static_cast<int>(b)) &&
                         used_wide(groups_[a].group, n->results[0], space) &&
                         block_product(fn_, dims_, *n, space, -1, axis);
      bool takes = false;
      for (int side : {0, 1}) {
        const Value mine = n->operands[static_cast<size_t>(side)],
                    other = n->operands[static_cast<size_t>(1 - side)];
        takes |= made_by(a, mine) && !made_by(a, other) &&
                 role_of(groups_[a].group, mine, space) == RowRole::wide &&
                 may_take(*n, space, side);
      }
      if (makes || takes) join_block(a, b);
    }
  }
  if (!options_.compute_again) return;
  for (size_t a = 0; a < groups_.size(); ++a)
    if (!groups_[a].gone && groups_[a].group.kind == Group::block) make_again(a);
}

const Node* Planner::product_by_itself(size_t g) const {
  if (groups_[g].gone || groups_[g].group.kind != Group::node) return nullptr;
  const Node* n = groups_[g].group.nodes[0];
  return n->op == Op::contract ? n : nullptr;
}

// Whether a product can take rows of its operand `side` as a block has them. One that sums over the rows
// leaves each slab to one thread, so there have to be some.
bool Planner::may_take(const Node& n, const std::vector<DimId>& space, int side) const {
  std::vector<int> axis;
  if (block_product(fn_, dims_, n, space, side, axis)) return true;
  if (!stretch_product(fn_, dims_, n, space, side, axis)) return false;
  int64_t slabs = 1;
  for (size_t i = 0; i + 2 < space.size(); ++i) slabs *= dims_.value(space[i]).value_or(kLeastSlabs);
  return slabs >= kLeastSlabs;
}

void Planner::join_block(size_t a, size_t b) {
  const Group::Kind before = groups_[a].group.kind;
  groups_[a].group.kind = Group::row;
  merge(static_cast<int>(a), static_cast<int>(b), true);
  groups_[a].group.kind = groups_[b].gone ? Group::block : before;
}

// What a block reads of the elements that an earlier one made it makes again where that takes a few
// light operations, and so it does for products that wait for such elements. Attention's derivative reads
// the exponentials and makes the weights of them, which no tensor holds then.
void Planner::make_again(size_t a) {
  const std::vector<DimId> space = groups_[a].shape;
  const Makers makers = this->makers();
  auto of_a_block = [&](Value v) {
    const auto made = made_.find(v);
    return made != made_.end() && made->second != static_cast<int>(a) &&
           groups_[made->second].group.kind == Group::block && fn_.type(v).shape == space;
  };
  std::vector<Value> open;
  std::set<int> sources;  // the blocks that it reads of
  for (const Node* n : groups_[a].group.nodes)
    for (Value v : n->operands)
      if (of_a_block(v)) {
        open.push_back(v);
        sources.insert(made_.at(v));
      }
  if (sources.empty()) return;
  std::map<size_t, Value> takers;  // and what each takes
  for (size_t b = 0; b < groups_.size(); ++b) {
    const Node* n = product_by_itself(b);
    for (int side : {0, 1})
      if (n && of_a_block(n->operands[static_cast<size_t>(side)]) &&
          sources.contains(made_.at(n->operands[static_cast<size_t>(side)])) &&
          !of_a_block(n->operands[static_cast<size_t>(1 - side)]) && may_take(*n, space, side)) {
        takers[b] = n->operands[static_cast<size_t>(side)];
        open.push_back(takers[b]);
      }
  }
  // The nodes that make all of that, down to what is kept.
  const std::map<Value, std::set<int>> users = this->users();
  std::set<const Node*> again;
  size_t saved = 0;
  while (!open.empty()) {
    const Value v = open.back();
    open.pop_back();
    if (!of_a_block(v)) {
      if (makers.changed.contains(root(v))) return;
      continue;
    }
    const Node& n = *makers.of.at(v);
    if (again.contains(&n)) continue;
    // Others may read the tensor all the same.
    const std::set<int>& readers = users.at(v);
    const int home = made_.at(v);
    const bool kept = std::any_of(readers.begin(), readers.end(), [&](int g) {
      return g != home && g != static_cast<int>(a) &&
             (g < 0 || !takers.contains(static_cast<size_t>(g)));
    });
    if (kept) continue;
    const RowRole role = row_role(fn_, dims_, n, space);
    const bool light = role == RowRole::wide && ir::cost_of(n.op) < kDear;
    if (!light && role != RowRole::spread) continue;
    saved += n.op != Op::broadcast && readers != std::set<int>{home};
    again.insert(&n);
    open.insert(open.end(), n.operands.begin(), n.operands.end());
  }
  Work& w = groups_[a];
  if (saved == 0 || w.group.nodes.size() + again.size() + takers.size() > kMostAgain) return;
  for (const Node* n : again) {
    w.group.nodes.push_back(n);
    w.group.again.insert(n);
    for (Value v : n->operands) {
      readers_[root(v)].insert(static_cast<int>(a));
      if (const auto it = made_.find(v); it != made_.end()) add_need(static_cast<int>(a), it->second);
    }
  }
  std::sort(w.group.nodes.begin(), w.group.nodes.end());
  for (const auto& [b, taken] : takers)
    if (again.contains(makers.of.at(taken))) join_block(a, b);
}

RowRole Planner::role_of(const Group& g, Value v, const std::vector<DimId>& space) const {
  for (const Node* n : g.nodes)
    if (n->results[0] == v)
      return n->op == Op::contract ? RowRole::none : row_role(fn_, dims_, *n, space);
  return RowRole::none;
}

bool Planner::used_wide(const Group& g, Value v, const std::vector<DimId>& space) const {
  if (fn_.type(v).shape != space) return false;
  for (const Node* n : g.nodes)
    if (std::find(n->operands.begin(), n->operands.end(), v) != n->operands.end()) return true;
  return false;
}

bool Planner::fits(const Work& w, const std::vector<DimId>& space) const {
  if (w.ordered) return false;
  if (w.group.kind == Group::row) return w.shape == space;
  for (const Node* n : w.group.nodes)
    if (row_role(fn_, dims_, *n, space) == RowRole::none) return false;
  return true;
}

}  // namespace tenon::plan
