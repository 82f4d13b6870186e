// The greedy grouping: a node joins the elementwise group that its operands come from, or begins
// one; groups merge where nothing stands between them; at the end they are put in order.
#include "jit/plan/groups.h"

#include <algorithm>
#include <functional>

#include "ir/passes/rewrite.h"
#include "jit/plan/planner.h"

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

void Planner::add_need(int g, int need) {
  if (g == need || !groups_[g].needs.insert(need).second) return;
  Bits more = groups_[need].waits;
  more.add(need);
  groups_[g].waits.add(more);
  for (size_t h = 0; h < groups_.size(); ++h)
    if (!groups_[h].gone && waits(static_cast<int>(h), g)) groups_[h].waits.add(more);
}

std::set<int> Planner::needs_of(size_t i) {
  const Node& n = region_.nodes[i];
  std::set<int> needs;
  auto use = [&](Value v) {
    if (auto it = made_.find(v); it != made_.end()) needs.insert(it->second);
  };
  for (Value v : n.operands) use(v);
  for (const Region& inner : n.regions)
    for (Value v : used_in(inner)) use(v);
  // A size that this region binds is there once its node has run.
  if (!bound_.empty())
    for (SymId s : symbols_in(n))
      if (auto it = bound_.find(s); it != bound_.end()) needs.insert(it->second);
  if (keeps_order(fn_, n) && last_ordered_ >= 0) needs.insert(last_ordered_);
  // What reads a tensor that is about to be changed in place goes first.
  if (n.op == Op::update || n.op == Op::scatter)
    if (auto it = readers_.find(root(n.operands[0])); it != readers_.end())
      needs.insert(it->second.begin(), it->second.end());
  return needs;
}

std::vector<SymId> Planner::symbols_in(const Node& n) const {
  std::vector<SymId> list;
  auto add = [&](DimId d) {
    for (SymId s : dims_.symbols(d)) list.push_back(s);
  };
  auto type = [&](Value v) {
    for (DimId d : fn_.type(v).shape) add(d);
  };
  std::function<void(const Node&)> scan = [&](const Node& m) {
    ir::each_dim(m.attr, add);
    for (Value v : m.operands) type(v);
    for (Value v : m.results) type(v);
    for (const Region& inner : m.regions) {
      for (Value v : inner.params) type(v);
      for (const Node& k : inner.nodes) scan(k);
    }
  };
  scan(n);
  return list;
}

bool Planner::may_join(const Node& n, int g, const std::set<int>& needs) {
  const Work& w = groups_[g];
  if (w.gone || w.group.nodes.size() >= 64) return false;
  if (keeps_order(fn_, n) && w.ordered) return false;
  if (options_.random_cuts && random_() % 3 == 0) return false;
  if (reads_whole(n, g)) return false;
  for (int need : needs)
    if (need != g && waits(need, g)) return false;
  return true;
}

bool Planner::reads_whole(const Node& n, int g) const {
  for (const Region& inner : n.regions)
    for (Value v : used_in(inner))
      if (auto it = made_.find(v); it != made_.end() && it->second == g) return true;
  return false;
}

void Planner::join(int g, size_t i, const std::set<int>& needs) {
  const Node& n = region_.nodes[i];
  Work& w = groups_[g];
  w.group.nodes.push_back(&n);
  w.last = i;
  for (int need : needs) add_need(g, need);
  record(g, i);
}

void Planner::record(int g, size_t i) {
  const Node& n = region_.nodes[i];
  for (Value v : n.results) made_[v] = g;
  std::vector<SymId> bound;
  ir::bound_symbols(n, bound);
  for (SymId s : bound) bound_[s] = g;
  if (is_view(n.op) && !n.operands.empty()) root_[n.results[0]] = root(n.operands[0]);
  for (Value v : n.operands) readers_[root(v)].insert(g);
  for (const Region& inner : n.regions)
    for (Value v : used_in(inner)) readers_[root(v)].insert(g);
  if (keeps_order(fn_, n)) {
    groups_[g].ordered = true;
    last_ordered_ = g;
  }
}

int Planner::fresh(size_t i, Group::Kind kind, const std::set<int>& needs) {
  groups_.emplace_back();
  int g = static_cast<int>(groups_.size() - 1);
  groups_[g].group.kind = kind;
  join(g, i, needs);
  return g;
}

bool Planner::read_whole_by(const Group& g, Value v) {
  for (const Node* n : g.nodes)
    for (const Region& body : n->regions) {
      const std::vector<Value> used = used_in(body);
      if (std::binary_search(used.begin(), used.end(), v)) return true;
    }
  return false;
}

bool Planner::reads_from(const Work& reader, const Work& maker) {
  for (const Node* m : maker.group.nodes)
    for (Value v : m->results)
      if (read_whole_by(reader.group, v)) return true;
  return false;
}

void Planner::merge(int a, int b, bool row) {
  if (a == b || groups_[a].gone || groups_[b].gone) return;
  Work &x = groups_[a], &y = groups_[b];
  if (!row && (x.group.kind != y.group.kind || x.shape != y.shape)) return;
  if (x.group.nodes.size() + y.group.nodes.size() > 64 || (x.ordered && y.ordered)) return;
  if (options_.random_cuts && random_() % 3 == 0) return;
  for (const Node* n : x.group.nodes)
    if (reads_whole(*n, b)) return;
  for (const Node* n : y.group.nodes)
    if (reads_whole(*n, a)) return;
  if (reads_from(x, y) || reads_from(y, x)) return;
  if (waits(b, a)) {
    for (int need : y.needs)
      if (need != a && waits(need, a)) return;
  }
  if (waits(a, b)) {
    for (int need : x.needs)
      if (need != b && waits(need, b)) return;
  }
  std::vector<const Node*> nodes;
  std::merge(x.group.nodes.begin(), x.group.nodes.end(), y.group.nodes.begin(), y.group.nodes.end(),
             std::back_inserter(nodes));  // nodes lie in one vector, so addresses are their order
  x.group.nodes = std::move(nodes);
  x.last = std::max(x.last, y.last);
  x.ordered |= y.ordered;
  y.gone = true;
  auto reads = [&](Value v) {
    std::set<int>& list = readers_[root(v)];
    list.erase(b);
    list.insert(a);
  };
  for (const Node* n : y.group.nodes) {
    for (Value v : n->results) made_[v] = a;
    for (Value v : n->operands) reads(v);
    for (const Region& inner : n->regions)
      for (Value v : used_in(inner)) reads(v);
  }
  if (last_ordered_ == b) last_ordered_ = a;
  std::set<int> needs = y.needs;
  needs.erase(a);
  x.needs.erase(b);
  for (size_t h = 0; h < groups_.size(); ++h) {
    Work& w = groups_[h];
    if (w.waits.has(b)) {
      w.waits.remove(b);
      if (static_cast<int>(h) != a) w.waits.add(a);
    }
    if (w.needs.erase(b) && static_cast<int>(h) != a) w.needs.insert(a);
  }
  x.waits.remove(a);
  std::set<int> all = x.needs;
  all.insert(needs.begin(), needs.end());
  x.needs.clear();
  for (int need : all) add_need(a, need);
  // Whoever waited for b alone now waits for all that a waits for.
  for (size_t h = 0; h < groups_.size(); ++h) {
    Work& w = groups_[h];
    if (w.gone || static_cast<int>(h) == a || !waits(static_cast<int>(h), a)) continue;
    w.waits.add(x.waits);
  }
}

void Planner::tile(size_t i, const std::vector<size_t>& cone) {
  std::set<int> needs = needs_of(i);
  for (size_t k : cone) needs.merge(needs_of(k));
  const int g = fresh(i, Group::tile, needs);
  std::vector<const Node*> nodes;
  for (size_t k : cone) {
    nodes.push_back(&region_.nodes[k]);
    for (Value v : region_.nodes[k].operands) readers_[root(v)].insert(g);
  }
  auto& list = groups_[static_cast<size_t>(g)].group.nodes;
  list.insert(list.begin(), nodes.begin(), nodes.end());
}

void Planner::place(size_t i) {
  const Node& n = region_.nodes[i];
  std::set<int> needs = needs_of(i);
  if (!is_point(fn_, n)) {
    fresh(i, Group::node, needs);
    return;
  }
  const auto& shape = fn_.type(n.results[0]).shape;
  int home = -1;
  if (options_.fuse_points)
    for (Value v : n.operands) {
      auto it = made_.find(v);
      if (it == made_.end()) continue;
      int g = it->second;
      if (groups_[g].group.kind == Group::point && groups_[g].shape == shape && g > home &&
          may_join(n, g, needs))
        home = g;
    }
  if (home < 0) {
    home = fresh(i, Group::point, needs);
    groups_[home].shape = shape;
  } else {
    join(home, i, needs);
  }
  if (options_.fuse_points)
    for (int need : std::set<int>(groups_[home].needs)) merge(home, need);
}

std::vector<Group> Planner::in_order() {
  std::vector<Group> out;
  std::set<std::pair<size_t, int>> ready;
  std::map<int, size_t> missing;
  std::map<int, std::vector<int>> users;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].gone) continue;
    missing[static_cast<int>(g)] = groups_[g].needs.size();
    for (int need : groups_[g].needs) users[need].push_back(static_cast<int>(g));
    if (groups_[g].needs.empty()) ready.insert({groups_[g].last, static_cast<int>(g)});
  }
  size_t live = missing.size();
  while (!ready.empty()) {
    int g = ready.begin()->second;
    ready.erase(ready.begin());
    out.push_back(groups_[g].group);
    for (int u : users[g])
      if (--missing[u] == 0) ready.insert({groups_[u].last, u});
  }
  require(out.size() == live, "groups wait for each other");
  return out;
}

bool computes_again(const Group& g, Value v) {
  return std::any_of(g.again.begin(), g.again.end(),
                     [&](const Node* n) { return n->results[0] == v; });
}

std::vector<Group> plan_region(const ir::Function& fn, const Dims& dims, const Region& region,
                               const CompileOptions& options) {
  return Planner(fn, dims, region, options).run();
}

}  // namespace tenon::plan
