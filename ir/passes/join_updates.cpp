// join_updates (exact): the parts of a tensor that are written one after another, as the derivative
// of slices writes them (`g[.., ..H]`, `g[.., H..]` of a gate, `three[0]` of a projection).
//
//   a slice of an update elsewhere   is a slice of what was updated
//   a slice of a repeated scalar     is the repeated scalar
//   updates that cover all of it     are one concat, which neither fills nor reads what was there
//
// Only where the sizes alone show that the parts lie inside and do not meet. What is dropped could
// not have failed.

#include <algorithm>

#include "ir/literal.h"
#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

class Joiner {
 public:
  Joiner(Module& module, Function& fn) : dims_(module.dims), fn_(fn) {}

  void run() {
    region(fn_.body);
    uses_.assign(fn_.types.size(), 0);
    count(fn_.body);
    drop(fn_.body);
  }

 private:
  // A part of a tensor that lies inside it, from `begin`, with steps of 1.
  struct Part {
    std::vector<DimId> begin, extent;
  };
  struct Update {
    Value whole, piece;
    Part part;
  };

  void region(Region& r) {
    const auto outer = updates_;
    for (Node& n : r.nodes) {
      for (Region& inner : n.regions) region(inner);
      node(n);
    }
    updates_ = outer;  // a value of an inner region is not to be named outside
  }

  void node(Node& n) {
    learn(n);
    if (n.op == Op::slice) slice(n);
    if (n.op != Op::update) return;
    const auto part = part_of(n, 2);
    if (!part) return;
    Update u{n.operands[0], n.operands[1], *part};
    safe_.push_back(n.results[0]);
    if (!covered(n, u)) updates_[n.results[0]] = std::move(u);
  }

  // ---- i64 values that sizes are known of, and tensors that repeat a scalar
  void learn(const Node& n) {
    if (n.op == Op::broadcast && fn_.types[n.operands[0]].scalar()) {
      repeated_[n.results[0]] = n.operands[0];
      return;
    }
    if (n.results.size() != 1) return;
    const Type& t = fn_.types[n.results[0]];
    if (t.tape || !t.scalar() || t.dtype != DType::i64) return;
    auto dim = [&](size_t i) -> std::optional<DimId> {
      const auto at = numbers_.find(n.operands[i]);
      return at == numbers_.end() ? std::nullopt : std::optional(at->second);
    };
    if (n.op == Op::constant) {
      numbers_[n.results[0]] =
          dims_.constant(integer_at(*n.get<ConstantAttr>().literal, 0));
    } else if (n.op == Op::size) {
      numbers_[n.results[0]] = n.get<DimAttr>().dim;
    } else if (n.op == Op::add || n.op == Op::sub || n.op == Op::mul) {
      const auto a = dim(0), b = dim(1);
      if (a && b)
        numbers_[n.results[0]] = n.op == Op::add   ? dims_.add(*a, *b)
                                 : n.op == Op::sub ? dims_.sub(*a, *b)
                                                   : dims_.mul(*a, *b);
    }
  }

  std::optional<Part> part_of(const Node& n, size_t first_start) const {
    const auto& a = n.get<SliceAttr>();
    const auto& shape = fn_.types[n.operands[0]].shape;
    Part part;
    for (size_t i = 0; i < shape.size(); ++i) {
      const auto start = numbers_.find(n.operands[first_start + i]);
      if (start == numbers_.end() || a.strides[i] != 1) return {};
      const DimId end = dims_.add(start->second, a.shape[i]);
      if (!dims_.known_nonnegative(start->second) || !dims_.known_nonnegative(a.shape[i]) ||
          !dims_.known_nonnegative(dims_.sub(shape[i], end)))
        return {};
      part.begin.push_back(start->second);
      part.extent.push_back(a.shape[i]);
    }
    return part;
  }

  bool apart(const Part& a, const Part& b) const {
    auto before = [&](const Part& x, const Part& y, size_t i) {
      return dims_.known_nonnegative(dims_.sub(y.begin[i], dims_.add(x.begin[i], x.extent[i])));
    };
    for (size_t i = 0; i < a.begin.size(); ++i)
      if (before(a, b, i) || before(b, a, i)) return true;
    return false;
  }

  void slice(Node& n) {
    const auto part = part_of(n, 1);
    if (!part) return;
    for (auto u = updates_.find(n.operands[0]);
         u != updates_.end() && apart(u->second.part, *part); u = updates_.find(n.operands[0]))
      n.operands[0] = u->second.whole;
    const auto scalar = repeated_.find(n.operands[0]);
    if (scalar == repeated_.end()) return;
    n.op = Op::broadcast;
    n.operands = {scalar->second};
    n.attr = BroadcastAttr{fn_.types[n.results[0]].shape, {}};
    repeated_[n.results[0]] = scalar->second;
  }

  // Whether n, with the updates before it, writes everything, one part behind another along an axis.
  bool covered(Node& n, const Update& last) {
    const auto& shape = fn_.types[n.results[0]].shape;
    std::vector<const Update*> parts{&last};
    const DimId zero = dims_.constant(0);
    std::optional<size_t> axis;  // the only one that is cut
    for (size_t i = 0; i < shape.size(); ++i) {
      if (last.part.extent[i] == shape[i]) continue;
      if (axis) return false;
      axis = i;
    }
    // Single elements are stored one by one, which costs less than a call.
    const DimId one = dims_.constant(1);
    const auto& size = last.part.extent;
    if (!axis || std::all_of(size.begin(), size.end(), [&](DimId d) { return d == one; }))
      return false;
    DimId left = dims_.sub(shape[*axis], last.part.extent[*axis]);
    for (Value at = last.whole; left != zero;) {
      const auto u = updates_.find(at);
      if (u == updates_.end()) return false;
      const Part& p = u->second.part;
      for (size_t i = 0; i < shape.size(); ++i)
        if (i != *axis && p.extent[i] != shape[i]) return false;
      for (const Update* q : parts)
        if (!apart(q->part, p)) return false;
      parts.push_back(&u->second);
      left = dims_.sub(left, p.extent[*axis]);
      at = u->second.whole;
    }
    // In order of where they begin.
    std::vector<Value> pieces;
    for (DimId at = zero; pieces.size() < parts.size();) {
      const auto next = std::find_if(parts.begin(), parts.end(), [&](const Update* u) {
        return u && u->part.begin[*axis] == at;
      });
      if (next == parts.end()) return false;
      pieces.push_back((*next)->piece);
      at = dims_.add(at, (*next)->part.extent[*axis]);
      *next = nullptr;
    }
    n.op = Op::concat;
    n.operands = std::move(pieces);
    n.attr = AxisAttr{static_cast<int>(*axis)};
    return true;
  }

  // ---- updates that nobody needs any more
  void count(const Region& r) {
    for (const Node& n : r.nodes) {
      for (Value v : n.operands) ++uses_[v];
      for (const Region& inner : n.regions) count(inner);
    }
    for (Value v : r.results) ++uses_[v];
  }
  void drop(Region& r) {
    std::vector<Node> kept;
    for (size_t i = r.nodes.size(); i-- > 0;) {
      Node& n = r.nodes[i];
      if (n.op == Op::update && uses_[n.results[0]] == 0 &&
          std::find(safe_.begin(), safe_.end(), n.results[0]) != safe_.end()) {
        for (Value v : n.operands) --uses_[v];
        continue;
      }
      for (Region& inner : n.regions) drop(inner);
      kept.push_back(std::move(n));
    }
    std::reverse(kept.begin(), kept.end());
    r.nodes = std::move(kept);
  }

  Dims& dims_;
  Function& fn_;
  std::unordered_map<Value, DimId> numbers_;
  std::unordered_map<Value, Value> repeated_;
  std::unordered_map<Value, Update> updates_;  // of the region at hand and those around it
  std::vector<Value> safe_;                    // results of updates that lie inside
  std::vector<int> uses_;
};

}  // namespace

std::unique_ptr<Function> join_updates(Module& module, const Function& fn) {
  auto out = std::make_unique<Function>(fn);
  bool updates = false;
  each_node(out->body, [&](const Node& n) { updates |= n.op == Op::update; });
  if (updates) Joiner(module, *out).run();
  return out;
}

}  // namespace tenon::ir
