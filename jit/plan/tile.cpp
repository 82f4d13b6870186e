// Finds the matrices that tile groups make (tile.h): forward from the products that make elements, through
// what is elementwise, to those who fold or take them. A matrix with any other user becomes a tensor.
#include "jit/plan/tile.h"

#include <algorithm>
#include <functional>

#include "jit/plan/groups.h"

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

namespace {

constexpr int64_t kDeepest = 256;   // of a product that is worth making again for each who takes its elements
constexpr int64_t kNarrowest = 32;  // columns: a smaller matrix may as well be in memory
constexpr size_t kMostMakers = 3, kMostNodes = 64;

DimId product(Dims& dims, const std::vector<DimId>& shape, size_t from, size_t to) {
  DimId n = dims.constant(1);
  for (size_t i = from; i < to; ++i) n = dims.mul(n, shape[i]);
  return n;
}

// The index of each axis, where each axis is one index, read whole, and no two are the same.
std::optional<std::vector<uint8_t>> plain_axes(const Dims& dims, const ir::ContractSpec& spec,
                                               const std::vector<ir::Affine>& axes, const std::vector<DimId>& shape) {
  std::vector<uint8_t> list;
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto i = axes[k].plain(dims);
    if (!i || spec.range[*i] != shape[k] || std::find(list.begin(), list.end(), *i) != list.end()) return {};
    list.push_back(*i);
  }
  return list;
}
bool has(const std::vector<uint8_t>& list, uint8_t i) { return std::find(list.begin(), list.end(), i) != list.end(); }

}  // namespace

bool covers(Dims& dims, const TileSpace& space, const std::vector<DimId>& shape) {
  return shape.size() >= 2 && shape.back() == space.columns &&
         product(dims, shape, 0, shape.size() - 1) == dims.mul(space.slabs, space.rows);
}

std::optional<TileProduct> tile_maker(const ir::Function& fn, Dims& dims, const Node& n, TileSpace& space) {
  if (n.op != Op::contract) return {};
  const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
  const auto& shape = fn.type(n.results[0]).shape;
  if (shape.size() < 3 || !is_float(fn.type(n.results[0]).dtype)) return {};
  const auto a = plain_axes(dims, spec, spec.a, fn.type(n.operands[0]).shape);
  const auto b = plain_axes(dims, spec, spec.b, fn.type(n.operands[1]).shape);
  if (!a || !b) return {};
  TileProduct p;
  p.column = spec.out.back();
  if (has(*a, p.column) == has(*b, p.column)) return {};
  p.side = has(*a, p.column) ? 1 : 0;
  const auto &mine = p.side == 0 ? *a : *b, &other = p.side == 0 ? *b : *a;
  for (size_t k = 0; k + 1 < spec.out.size(); ++k) {
    const uint8_t i = spec.out[k];
    if (!has(mine, i)) return {};
    if (has(other, i) && !p.row.empty()) return {};  // slabs come first
    (has(other, i) ? p.batch : p.row).push_back(i);
  }
  int64_t depth = 1;
  for (size_t i = 0; i < spec.range.size(); ++i) {
    const auto index = static_cast<uint8_t>(i);
    if (has(spec.out, index)) continue;
    if (!has(mine, index) || !has(other, index)) return {};
    p.depth.push_back(index);
    depth *= dims.value(spec.range[i]).value_or(1);
  }
  // Rows of one slab share the columns' operand; where all share it (a classifier), depth is great.
  if (p.batch.empty() || p.row.empty() || depth > kDeepest) return {};
  if (const auto columns = dims.value(shape.back()); columns && *columns < kNarrowest) return {};
  space = {product(dims, shape, 0, p.batch.size()), product(dims, shape, p.batch.size(), shape.size() - 1), shape.back()};
  return p;
}

std::optional<TileProduct> tile_taker(const ir::Function& fn, Dims& dims, const Node& n, int side,
                                      const TileSpace& space) {
  if (n.op != Op::contract) return {};
  const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
  const auto& shape = fn.type(n.operands[static_cast<size_t>(side)]).shape;
  if (!covers(dims, space, shape)) return {};
  const auto a = plain_axes(dims, spec, spec.a, fn.type(n.operands[0]).shape);
  const auto b = plain_axes(dims, spec, spec.b, fn.type(n.operands[1]).shape);
  if (!a || !b) return {};
  const auto &mine = side == 0 ? *a : *b, &other = side == 0 ? *b : *a;
  for (size_t split = 1; split + 1 < shape.size(); ++split) {
    if (product(dims, shape, 0, split) != space.slabs) continue;
    TileProduct p;
    p.side = side;
    p.column = mine.back();
    p.batch.assign(mine.begin(), mine.begin() + static_cast<long>(split));
    p.row.assign(mine.begin() + static_cast<long>(split), mine.end() - 1);
    p.over_columns = !has(spec.out, p.column);
    auto in_all = [&](uint8_t i) { return has(other, i) && has(spec.out, i); };
    auto summed = [&](uint8_t i) { return has(other, i) && !has(spec.out, i); };
    auto kept = [&](uint8_t i) { return !has(other, i) && has(spec.out, i); };
    bool fits = std::all_of(p.batch.begin(), p.batch.end(), in_all);
    if (p.over_columns) {
      fits &= summed(p.column) && std::all_of(p.row.begin(), p.row.end(), kept);
    } else {
      // Rows are summed in the order of their numbers, which has to be that of the rows.
      fits &= kept(p.column) && std::all_of(p.row.begin(), p.row.end(), summed) &&
              std::is_sorted(p.row.begin(), p.row.end());
    }
    int64_t wide = 1;
    for (uint8_t i : spec.out)
      if (!has(mine, i)) {
        p.free.push_back(i);
        wide *= dims.value(spec.range[i]).value_or(1);
      }
    for (uint8_t i : other) fits &= has(mine, i) || has(spec.out, i);
    if (fits && wide <= kDeepest) return p;
  }
  return {};
}

namespace {

class Finder {
 public:
  Finder(const ir::Function& fn, const Dims& dims, const Region& region)
      : fn_(fn), dims_(dims), region_(region), nodes_(region.nodes.size()) {}

  Tiles run() {
    for (size_t i = 0; i < region_.nodes.size(); ++i) {
      for (Value v : region_.nodes[i].results) made_[v] = i;
      follow(i);
    }
    if (none_) return {};
    for (Value v : region_.results) escapes(v);
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (nodes_[i].made && !nodes_[root(i)].folded) nodes_[root(i)].dead = true;
    for (bool changed = true; changed;) {
      tiles_ = {};
      masks();
      changed = cones();
    }
    return std::move(tiles_);
  }

 private:
  struct Info {
    bool made = false;     // elements of a matrix of `space`
    bool maker = false;    // of the product that makes them
    bool taker = false;
    TileSpace space{};
    size_t parent = 0;     // a union-find over what depends on each other
    bool dead = false;     // of a root: somebody wants a tensor
    bool folded = false;   // of a root: somebody folds its rows; else it is a chain of products
  };

  size_t root(size_t i) {
    while (nodes_[i].parent != i) i = nodes_[i].parent = nodes_[nodes_[i].parent].parent;
    return i;
  }
  void join(size_t i, size_t k) {
    const size_t a = root(i), b = root(k);
    nodes_[a].parent = b;
    nodes_[b].dead |= nodes_[a].dead;
    nodes_[b].folded |= nodes_[a].folded;
  }
  bool live(size_t i) { return nodes_[i].made && !nodes_[root(i)].dead; }
  const Info* matrix(Value v) const {
    const auto it = made_.find(v);
    return it != made_.end() && nodes_[it->second].made ? &nodes_[it->second] : nullptr;
  }
  void escapes(Value v) {
    if (const auto it = made_.find(v); it != made_.end() && nodes_[it->second].made) nodes_[root(it->second)].dead = true;
  }

  // What node i is to the matrices before it.
  void follow(size_t i) {
    const Node& n = region_.nodes[i];
    Info& info = nodes_[i];
    info.parent = i;
    for (const Region& inner : n.regions)
      for (Value v : used_in(inner)) escapes(v);
    const Info* in = nullptr;
    bool one = true, same = true;
    for (Value v : n.operands) {
      const Info* m = matrix(v);
      if (!m) continue;
      one = !in;
      same &= !in || in->space == m->space;
      in = m;
    }
    if (!in) {
      info.maker = info.made = tile_maker(fn_, dims_, n, info.space).has_value();
      none_ &= !info.made;
      return;
    }
    auto join_operands = [&] {
      for (Value v : n.operands)
        if (matrix(v)) join(i, made_.at(v));
    };
    const bool handed_on = (is_scalar(n.op) && !keeps_order(fn_, n)) || n.op == Op::reshape || n.op == Op::stop_gradient;
    if (handed_on && same && n.results.size() == 1 && covers(dims_, in->space, fn_.type(n.results[0]).shape)) {
      info.made = true;
      info.space = in->space;
      return join_operands();
    }
    if (one && (folds(n) || takes(n, in->space))) {
      info.taker = true;
      info.folded = folds(n);
      return join_operands();
    }
    for (Value v : n.operands) escapes(v);
  }
  bool folds(const Node& n) const {
    if (n.op != Op::reduce) return false;
    const ir::Type& t = fn_.type(n.operands[0]);
    const auto& axes = n.get<ir::ReduceAttr>().axes;
    return axes.size() == 1 && axes[0] + 1 == static_cast<int>(t.rank()) && is_float(t.dtype);
  }
  bool takes(const Node& n, const TileSpace& space) {
    for (int side : {0, 1})
      if (matrix(n.operands.size() == 2 ? n.operands[static_cast<size_t>(side)] : ir::kNoValue) && n.op == Op::contract)
        return tile_taker(fn_, dims_, n, side, space).has_value();
    return false;
  }

  // What is elementwise over indices and other tensors and goes into matrices alone (a causal mask) is made
  // with the elements.
  void masks() {
    std::set<size_t> found;
    std::function<void(Value, DimId)> look = [&](Value v, DimId columns) {
      const auto it = made_.find(v);
      if (it == made_.end() || nodes_[it->second].made) return;
      const Node& n = region_.nodes[it->second];
      const auto& shape = fn_.type(v).shape;
      if (shape.empty() || shape.back() != columns) return;
      if (n.op == Op::broadcast) {  // of what changes along the columns, too
        const auto& axes = n.get<ir::BroadcastAttr>().axes;
        if (found.insert(it->second).second && !axes.empty() && axes.back() + 1 == static_cast<int>(shape.size()))
          look(n.operands[0], columns);
      } else if (is_scalar(n.op) && !keeps_order(fn_, n)) {
        if (!found.insert(it->second).second) return;
        for (Value o : n.operands) look(o, columns);
      }
    };
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (live(i) && !nodes_[i].maker)
        for (Value v : region_.nodes[i].operands) look(v, nodes_[i].space.columns);
    for (size_t before = found.size() + 1; before != found.size();) {
      before = found.size();
      auto keep = [&](Value v) {
        if (const auto it = made_.find(v); it != made_.end()) found.erase(it->second);
      };
      for (Value v : region_.results) keep(v);
      for (size_t i = 0; i < nodes_.size(); ++i) {
        const Node& n = region_.nodes[i];
        for (const Region& inner : n.regions)
          for (Value v : used_in(inner)) keep(v);
        if ((live(i) && !nodes_[i].maker) || found.contains(i)) continue;
        for (Value v : n.operands) keep(v);
      }
    }
    tiles_.inside = std::move(found);
  }

  DType dtype(size_t i) const { return fn_.type(region_.nodes[i].results[0]).dtype; }

  // False when all is well; else some matrices are to be tensors and all is to be looked at again.
  bool cones() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].taker || nodes_[root(i)].dead) continue;
      std::set<size_t> cone;
      size_t makers = 0;
      bool alike = true;  // a kernel has one dtype
      std::function<void(Value)> gather = [&](Value v) {
        const auto it = made_.find(v);
        if (it == made_.end()) return;
        const size_t k = it->second;
        if (!nodes_[k].made && !tiles_.inside.contains(k)) return;
        if (!cone.insert(k).second) return;
        makers += nodes_[k].maker;
        alike &= !nodes_[k].maker || dtype(k) == dtype(i);
        if (!nodes_[k].maker)
          for (Value o : region_.nodes[k].operands) gather(o);
      };
      for (Value v : region_.nodes[i].operands)
        if (matrix(v)) gather(v);
      if (makers > kMostMakers || cone.size() > kMostNodes || !alike) {
        nodes_[root(i)].dead = true;
        return true;
      }
      tiles_.cones[i].assign(cone.begin(), cone.end());
    }
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (live(i)) tiles_.inside.insert(i);
    return false;
  }

  const ir::Function& fn_;
  Dims dims_;  // a copy: products of sizes are made to be compared
  const Region& region_;
  std::vector<Info> nodes_;
  std::map<Value, size_t> made_;
  Tiles tiles_;
  bool none_ = true;
};

}  // namespace

Tiles find_tiles(const ir::Function& fn, const Dims& dims, const Region& region) {
  return Finder(fn, dims, region).run();
}

}  // namespace tenon::plan
