// The greedy grouping. A group knows which groups it waits for, directly and in all; a node may
// join a group when nothing that it needs waits for that group.
#include "jit/plan/groups.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "ir/passes/rewrite.h"

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

bool is_view(Op op) {
  return op == Op::broadcast || op == Op::transpose || op == Op::slice || op == Op::reshape ||
         op == Op::stop_gradient;
}

namespace {

bool divides_integers(const ir::Function& fn, const Node& n) {
  return (n.op == Op::div || n.op == Op::rem) && is_integer(fn.type(n.results[0]).dtype);
}

bool plain_map(const ir::Function& fn, const Node& n) {
  return n.op == Op::map && n.get<ir::MapAttr>().red.empty() && !fn.type(n.results[0]).scalar();
}

}  // namespace

bool row_reduce(const ir::Function& fn, const Node& n) {
  if (n.op != Op::reduce) return false;
  const ir::Type& t = fn.type(n.operands[0]);
  const auto& axes = n.get<ir::ReduceAttr>().axes;
  return axes.size() == 1 && axes[0] + 1 == static_cast<int>(t.rank()) && t.rank() >= 2 &&
         (t.dtype == DType::f32 || t.dtype == DType::f64);
}

std::vector<DimId> squeeze(const Dims& dims, const std::vector<DimId>& shape) {
  std::vector<DimId> out;
  for (DimId d : shape)
    if (dims.value(d) != int64_t{1}) out.push_back(d);
  return out;
}

RowRole row_role(const ir::Function& fn, const Dims& dims, const Node& n,
                 const std::vector<DimId>& space) {
  if (n.results.size() != 1 || fn.type(n.results[0]).tape || space.size() < 2) return RowRole::none;
  const auto& shape = fn.type(n.results[0]).shape;
  const std::vector<DimId> rows(space.begin(), space.end() - 1);
  auto narrow = [&](const std::vector<DimId>& s) {
    return !s.empty() && squeeze(dims, s) == squeeze(dims, rows);
  };
  if (row_reduce(fn, n))
    return fn.type(n.operands[0]).shape == space ? RowRole::reduce : RowRole::none;
  if (is_scalar(n.op) && !keeps_order(fn, n)) {
    if (shape == space) return RowRole::wide;
    return narrow(shape) ? RowRole::narrow : RowRole::none;
  }
  if (n.op == Op::broadcast) {
    const auto& from = fn.type(n.operands[0]).shape;
    if (shape != space || !narrow(from)) return RowRole::none;
    const auto& axes = n.get<ir::BroadcastAttr>().axes;
    for (size_t i = 0; i < axes.size(); ++i)
      if (dims.value(from[i]) != int64_t{1} && axes[i] + 1 >= static_cast<int>(space.size()))
        return RowRole::none;
    return RowRole::spread;
  }
  if (n.op == Op::reshape || n.op == Op::stop_gradient) {
    const auto& from = fn.type(n.operands[0]).shape;
    if (narrow(from) && narrow(shape)) return RowRole::same;
    if (n.op == Op::stop_gradient && shape == space) return RowRole::same;
  }
  return RowRole::none;
}

bool block_product(const ir::Function& fn, const Dims& dims, const Node& n,
                   const std::vector<DimId>& space, int side, std::vector<int>& axis) {
  if (n.op != Op::contract || space.size() < 3) return false;
  const DType t = fn.type(n.results[0]).dtype;
  if (t != DType::f32 && t != DType::f64) return false;
  const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
  auto in_result = [&](uint8_t i) {
    return std::find(spec.out.begin(), spec.out.end(), i) != spec.out.end();
  };
  const size_t row = space.size() - 2;
  axis.assign(spec.range.size(), -1);
  if (side < 0) {
    if (fn.type(n.results[0]).shape != space) return false;
    for (size_t k = 0; k <= row; ++k) axis[spec.out[k]] = static_cast<int>(k);
  } else {
    if (fn.type(n.operands[static_cast<size_t>(side)]).shape != space) return false;
    const auto& reads = side == 0 ? spec.a : spec.b;
    for (size_t k = 0; k < space.size(); ++k) {
      const auto i = reads[k].plain(dims);
      if (!i || spec.range[*i] != space[k] || axis[*i] >= 0) return false;
      if (in_result(*i) != (k <= row)) return false;
      if (k <= row) axis[*i] = static_cast<int>(k);
    }
  }
  bool shared = false, free = false;  // by rows of one slab; an index that one operand has alone
  std::vector<char> in[2] = {std::vector<char>(spec.range.size()),
                             std::vector<char>(spec.range.size())};
  for (size_t s = 0; s < 2; ++s)
    for (const ir::Affine& a : s == 0 ? spec.a : spec.b) {
      if (dims.value(a.offset) != int64_t{0}) return false;
      for (const ir::Affine::Term& term : a.terms) {
        in[s][term.index] = 1;
        if (axis[term.index] >= 0 && !a.plain(dims)) return false;
      }
    }
  for (uint8_t i : spec.out) {
    const bool both = in[0][i] && in[1][i];
    free |= !both;
    shared |= both && axis[i] >= 0 && axis[i] < static_cast<int>(row);
  }
  return shared && free;
}

bool is_point(const ir::Function& fn, const Node& n) {
  return (is_scalar(n.op) && !fn.type(n.results[0]).scalar()) || plain_map(fn, n);
}

bool keeps_order(const ir::Function& fn, const Node& n) {
  if (is_scalar(n.op)) return divides_integers(fn, n);
  switch (n.op) {
    case Op::constant:
    case Op::iota:
    case Op::size:
    case Op::broadcast:
    case Op::reshape:
    case Op::retype:
    case Op::transpose:
    case Op::concat:
    case Op::reduce:
    case Op::scan:
    case Op::contract:
    case Op::sort:
    case Op::stop_gradient:
      return false;
    case Op::arg_reduce:
    case Op::slice:
    case Op::update:
    case Op::map:
    case Op::scatter:
    case Op::read:
    case Op::call:
    case Op::derive:
    case Op::if_:
    case Op::for_:
    case Op::while_:
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::host:
#define SCALAR(name, arity, cls) case Op::name:
    TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      break;
  }
  return true;
}

std::vector<Value> used_in(const Region& region) {
  std::vector<Value> list = region.results;
  for (const Node& n : region.nodes) {
    list.insert(list.end(), n.operands.begin(), n.operands.end());
    for (const Region& inner : n.regions) {
      auto deep = used_in(inner);
      list.insert(list.end(), deep.begin(), deep.end());
    }
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

namespace {

// A set of small numbers.
class Bits {
 public:
  bool has(int i) const {
    return static_cast<size_t>(i) / 64 < words_.size() && words_[static_cast<size_t>(i) / 64] >> (i % 64) & 1;
  }
  void add(int i) {
    if (static_cast<size_t>(i) / 64 >= words_.size()) words_.resize(static_cast<size_t>(i) / 64 + 1);
    words_[static_cast<size_t>(i) / 64] |= uint64_t{1} << (i % 64);
  }
  void remove(int i) {
    if (has(i)) words_[static_cast<size_t>(i) / 64] &= ~(uint64_t{1} << (i % 64));
  }
  void add(const Bits& other) {
    if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
    for (size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  }

 private:
  std::vector<uint64_t> words_;
};

class Planner {
 public:
  Planner(const ir::Function& fn, const Dims& dims, const Region& region,
          const CompileOptions& options)
      : fn_(fn), dims_(dims), region_(region), options_(options), random_(options.random_cuts) {}

  std::vector<Group> run() {
    for (size_t i = 0; i < region_.nodes.size(); ++i) place(i);
    if (options_.fuse_rows) {
      rows();
      sink();
      if (options_.fuse_blocks) blocks();
    }
    return in_order();
  }

 private:
  struct Work {
    Group group;
    std::vector<DimId> shape;  // of a point group; of a row group with its last axis
    std::set<int> needs;       // directly
    Bits waits;                // for which groups in all
    size_t last = 0;           // the place of its last node
    bool ordered = false;      // holds a node that keeps order
    bool gone = false;         // merged into another
  };

  bool waits(int a, int b) const { return groups_[a].waits.has(b); }  // a for b

  void add_need(int g, int need) {
    if (g == need || !groups_[g].needs.insert(need).second) return;
    Bits more = groups_[need].waits;
    more.add(need);
    groups_[g].waits.add(more);
    for (size_t h = 0; h < groups_.size(); ++h)
      if (!groups_[h].gone && waits(static_cast<int>(h), g)) groups_[h].waits.add(more);
  }

  std::set<int> needs_of(size_t i) {
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

  // The symbols that a node's types and attributes mention, and those of the nodes inside it.
  std::vector<SymId> symbols_in(const Node& n) const {
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

  Value root(Value v) const {
    auto it = root_.find(v);
    return it == root_.end() ? v : it->second;
  }

  bool may_join(const Node& n, int g, const std::set<int>& needs) {
    const Work& w = groups_[g];
    if (w.gone || w.group.nodes.size() >= 64) return false;
    if (keeps_order(fn_, n) && w.ordered) return false;
    if (options_.random_cuts && random_() % 3 == 0) return false;
    if (reads_whole(n, g)) return false;
    for (int need : needs)
      if (need != g && waits(need, g)) return false;
    return true;
  }

  // A map reads elements of whole tensors: what the group has only in registers is no tensor yet.
  bool reads_whole(const Node& n, int g) const {
    for (const Region& inner : n.regions)
      for (Value v : used_in(inner))
        if (auto it = made_.find(v); it != made_.end() && it->second == g) return true;
    return false;
  }

  void join(int g, size_t i, const std::set<int>& needs) {
    const Node& n = region_.nodes[i];
    Work& w = groups_[g];
    w.group.nodes.push_back(&n);
    w.last = i;
    for (int need : needs) add_need(g, need);
    record(g, i);
  }

  void record(int g, size_t i) {
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

  int fresh(size_t i, Group::Kind kind, const std::set<int>& needs) {
    groups_.emplace_back();
    int g = static_cast<int>(groups_.size() - 1);
    groups_[g].group.kind = kind;
    join(g, i, needs);
    return g;
  }

  // Whether a map of one reads, at places of its own choice, what the other makes.
  static bool reads_from(const Work& reader, const Work& maker) {
    for (const Node* n : reader.group.nodes)
      for (const Region& body : n->regions) {
        const std::vector<Value> used = used_in(body);
        for (const Node* m : maker.group.nodes)
          for (Value v : m->results)
            if (std::binary_search(used.begin(), used.end(), v)) return true;
      }
    return false;
  }

  // Merges b into a when both are point groups of one shape and nothing stands between them.
  void merge(int a, int b, bool row = false) {
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
    std::merge(x.group.nodes.begin(), x.group.nodes.end(), y.group.nodes.begin(),
               y.group.nodes.end(),
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

  void place(size_t i) {
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

  // Around each reduction of rows: whatever walks over the same rows, before it and behind it.
  void rows() {
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

  // What a group makes for one other group alone, out of what is in memory anyway, is made there: so
  // it is neither written nor read. (A derivative's factors are made beside the values that they are
  // of, since those are what they need.)
  void sink() {
    std::map<Value, std::set<int>> users;  // -1: a result of the region
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].gone) continue;
      for (const Node* n : groups_[g].group.nodes) {
        for (Value v : n->operands) users[v].insert(static_cast<int>(g));
        for (const Region& inner : n->regions)
          for (Value v : used_in(inner)) users[v].insert(static_cast<int>(g));
      }
    }
    for (Value v : region_.results) users[v].insert(-1);
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

  void sink(int a, int b, const Node* last, std::map<Value, std::set<int>>& users) {
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

  // Around each row group: products that make what it goes over, and those that take what it makes.
  void blocks() {
    for (size_t a = 0; a < groups_.size(); ++a) {
      if (groups_[a].gone || groups_[a].group.kind != Group::row) continue;
      const std::vector<DimId> space = groups_[a].shape;
      for (size_t b = 0; b < groups_.size(); ++b) {
        if (groups_[b].gone || groups_[b].group.kind != Group::node) continue;
        const Node& n = *groups_[b].group.nodes[0];
        if (n.op != Op::contract) continue;
        std::vector<int> axis;
        const bool makes = groups_[a].needs.contains(static_cast<int>(b)) &&
                           used_wide(groups_[a].group, n.results[0], space) &&
                           block_product(fn_, dims_, n, space, -1, axis);
        bool takes = false;
        for (int side : {0, 1}) {
          const Value mine = n.operands[static_cast<size_t>(side)],
                      other = n.operands[static_cast<size_t>(1 - side)];
          takes |= made_by(a, mine) && !made_by(a, other) &&
                   role_of(groups_[a].group, mine, space) == RowRole::wide &&
                   block_product(fn_, dims_, n, space, side, axis);
        }
        if (!makes && !takes) continue;
        const Group::Kind before = groups_[a].group.kind;
        groups_[a].group.kind = Group::row;
        merge(static_cast<int>(a), static_cast<int>(b), true);
        groups_[a].group.kind = groups_[b].gone ? Group::block : before;
      }
    }
  }

  bool made_by(size_t g, Value v) const {
    const auto at = made_.find(v);
    return at != made_.end() && at->second == static_cast<int>(g);
  }

  RowRole role_of(const Group& g, Value v, const std::vector<DimId>& space) const {
    for (const Node* n : g.nodes)
      if (n->results[0] == v)
        return n->op == Op::contract ? RowRole::none : row_role(fn_, dims_, *n, space);
    return RowRole::none;
  }

  bool used_wide(const Group& g, Value v, const std::vector<DimId>& space) const {
    if (fn_.type(v).shape != space) return false;
    for (const Node* n : g.nodes)
      if (std::find(n->operands.begin(), n->operands.end(), v) != n->operands.end()) return true;
    return false;
  }

  bool fits(const Work& w, const std::vector<DimId>& space) const {
    if (w.ordered) return false;
    if (w.group.kind == Group::row) return w.shape == space;
    for (const Node* n : w.group.nodes)
      if (row_role(fn_, dims_, *n, space) == RowRole::none) return false;
    return true;
  }

  std::vector<Group> in_order() {
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

  const ir::Function& fn_;
  const Dims& dims_;
  const Region& region_;
  const CompileOptions& options_;
  std::mt19937 random_;
  std::vector<Work> groups_;
  std::map<Value, int> made_;               // value -> group
  std::map<SymId, int> bound_;              // size bound in this region -> group
  std::map<Value, Value> root_;             // view -> whose memory it looks at
  std::map<Value, std::set<int>> readers_;  // root -> groups that read it
  int last_ordered_ = -1;
};

}  // namespace

std::vector<Group> plan_region(const ir::Function& fn, const Dims& dims, const Region& region,
                               const CompileOptions& options) {
  return Planner(fn, dims, region, options).run();
}

}  // namespace tenon::plan
