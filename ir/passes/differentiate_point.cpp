// The bodies of map and scatter, backward and forward (differentiate_point.h).

#include "ir/passes/differentiate_point.h"

#include <algorithm>
#include <set>

#include "ir/passes/differentiate.h"
#include "ir/passes/partials.h"

namespace tenon::ir {
namespace {

using Outside = std::function<Value(Value)>;  // the value of what a body captures

// One body, written again on demand inside a region that is open in the builder.
class Point {
 public:
  Point(Builder& b, const Function& source, const Node& node, Outside primal, Outside tangent,
        std::function<DimId(DimId)> dim)
      : b_(b),
        source_(source),
        node_(node),
        body_(node.regions[0]),
        primal_(std::move(primal)),
        tangent_(std::move(tangent)),
        dim_(std::move(dim)) {
    collect(body_);
    if (node.op == Op::map) {
      const auto& a = node.get<MapAttr>();
      out_ = a.out.size();
      ranges_ = a.out;
      ranges_.insert(ranges_.end(), a.red.begin(), a.red.end());
    } else {
      ranges_ = node.get<ScatterAttr>().dims;
      out_ = ranges_.size();
    }
    for (DimId& d : ranges_) d = dim_(d);
  }

  const std::vector<DimId>& ranges() const { return ranges_; }
  size_t out() const { return out_; }

  // What may want a cotangent: reads, and scalars from outside, in the order of the body.
  std::vector<Value> targets(const std::function<bool(Value)>& active) const {
    std::vector<Value> out;
    auto scalar = [&](Value v) {
      if (!defs_.count(v) && !is_index(v) && active(v) &&
          std::find(out.begin(), out.end(), v) == out.end())
        out.push_back(v);
    };
    auto walk = [&](auto& self, const Region& region) -> void {
      for (const Node& n : region.nodes) {
        if (n.op == Op::read) {
          if (active(n.operands[0])) out.push_back(n.results[0]);
        } else if (n.op != Op::stop_gradient) {
          for (Value v : n.operands) scalar(v);
        }
        for (const Region& r : n.regions) self(self, r);
      }
      for (Value v : region.results) scalar(v);
    };
    walk(walk, body_);
    return out;
  }

  // Gives the owner of `target` (what is read, or the scalar itself) the cotangent that flows into
  // it over all indices, if any does. `seed` gives the body's cotangent inside, from the indices.
  void cotangent(BackwardSite& site, Value target,
                 const std::function<Value(Point&, const std::vector<Value>&)>& seed) {
    start();
    target_ = target;
    find_reach();
    const Node* read = defs_.count(target) ? defs_.at(target) : nullptr;
    const Value owner = read ? read->operands[0] : target;
    const Type type = site.type(owner);
    const std::vector<int> projection = read ? projected(*read, type) : std::vector<int>{};
    const bool gather = !read || type.rank() == 0 || !projection.empty();
    std::vector<int> order = read ? projection : std::vector<int>{};  // the loop's own indices
    if (!gather) order.clear();
    std::vector<DimId> out, red;
    for (int i : order) out.push_back(ranges_[i]);
    for (int i = 0; i < int(ranges_.size()); ++i) {
      if (std::find(order.begin(), order.end(), i) < order.begin() + long(out.size())) continue;
      order.push_back(i);
      red.push_back(ranges_[i]);
    }
    const std::vector<Value> params =
        b_.open(std::vector<Type>(order.size(), scalar_type(DType::i64)));
    std::vector<Value> index(params.size());
    for (size_t i = 0; i < order.size(); ++i) index[order[i]] = params[i];
    enter(index);
    cts_.clear();
    cts_[body_.results.back()] = seed(*this, index);
    sweep(body_);
    auto flows = cts_.find(target);
    const bool none = flows == cts_.end() || !reach_.count(body_.results.back());
    std::vector<Value> yield;
    if (!none && !gather) {
      if (at_.empty())
        for (size_t i = 1; i < read->operands.size(); ++i) at_.push_back(primal(read->operands[i]));
      yield = at_;
    }
    if (!none) yield.push_back(flows->second);
    Region region = leave(yield);
    if (none) return;  // the region is dropped
    settle(region);
    std::vector<Region> regions;
    regions.push_back(std::move(region));
    if (gather) {
      const MapAttr attr{out, red, ReduceKind::sum};
      site.add(owner, b_.one(Op::map, {}, attr, std::move(regions)));
    } else {
      Value total = site.total(owner);
      if (total == kNoValue) total = b_.zeros(type);
      const ScatterAttr attr{ranges_};
      site.set_total(owner, b_.one(Op::scatter, {total}, attr, std::move(regions)));
    }
  }

  // The body's value (or tangent) at every index, without reducing.
  Value everywhere(bool want_tangent) {
    return loop(want_tangent, MapAttr{ranges_, {}, ReduceKind::sum}).value();
  }
  std::optional<Value> loop(bool want_tangent, const MapAttr& attr) {
    start();
    open();
    const Value yield = body_.results.back();
    const Value v = want_tangent ? tangent(yield) : primal(yield);
    Region region = leave({v});
    if (v == kNoValue) return {};
    settle(region);
    std::vector<Region> regions;
    regions.push_back(std::move(region));
    return b_.one(Op::map, {}, attr, std::move(regions));
  }
  // scatter(x) of the body's tangent.
  std::optional<Value> scatter_tangent(Value x) {
    start();
    open();
    std::vector<Value> yield;
    for (size_t i = 0; i + 1 < body_.results.size(); ++i) yield.push_back(primal(body_.results[i]));
    yield.push_back(tangent(body_.results.back()));
    Region region = leave(yield);
    if (yield.back() == kNoValue) return {};
    settle(region);
    std::vector<Region> regions;
    regions.push_back(std::move(region));
    return b_.one(Op::scatter, {x}, ScatterAttr{ranges_}, std::move(regions));
  }

  Value read(Value tensor, const std::vector<Value>& index) {
    if (b_.type(tensor).scalar()) return tensor;
    std::vector<Value> operands{tensor};
    operands.insert(operands.end(), index.begin(), index.end());
    return b_.one(Op::read, operands);
  }
  Value primal(Value v) {
    for (auto scope = primals_.rbegin(); scope != primals_.rend(); ++scope)
      if (auto it = scope->find(v); it != scope->end()) return it->second;
    const auto def = defs_.find(v);
    if (def == defs_.end()) return outside(v);
    const Node& n = *def->second;
    if (n.op == Op::if_) {
      const size_t k = size_t(std::find(n.results.begin(), n.results.end(), v) - n.results.begin());
      return primals_.back()[v] =
                 branches(n, [&](const Region& r) { return std::vector{primal(r.results[k])}; })[0];
    }
    std::vector<Value> operands;
    for (Value u : n.operands) operands.push_back(primal(u));
    at(n);
    return primals_.back()[v] = b_.one(n.op, operands, with_dims(b_.module(), n.attr, dim_));
  }
  const std::vector<Value>& results() const { return body_.results; }

 private:
  void collect(const Region& region) {
    for (const Node& n : region.nodes) {
      for (Value v : n.results) defs_[v] = &n;
      for (const Region& r : n.regions) collect(r);
    }
  }
  bool is_index(Value v) const {
    return std::find(body_.params.begin(), body_.params.end(), v) != body_.params.end();
  }
  void at(const Node& n) { b_.at(n.loc); }

  void start() {
    primals_.clear();
    tangents_.clear();
    outside_.clear();
    reach_.clear();
    at_.clear();
  }
  void enter(const std::vector<Value>& index) {
    primals_.emplace_back();
    tangents_.emplace_back();
    for (size_t i = 0; i < index.size(); ++i) primals_.back()[body_.params[i]] = index[i];
  }
  void open() { enter(b_.open(std::vector<Type>(ranges_.size(), scalar_type(DType::i64)))); }
  Region leave(std::vector<Value> results) {
    primals_.pop_back();
    tangents_.pop_back();
    return b_.close(std::move(results));
  }
  // What the body captures gets its value behind the region, before the node: keeping or rebuilding
  // it may take nodes that do not belong inside.
  Value outside(Value v) {
    auto [it, first] = outside_.try_emplace(v, kNoValue);
    if (first) it->second = b_.fn().new_value(outside_type(v));
    return it->second;
  }
  Type outside_type(Value v) const {
    Type t = source_.type(v);
    for (DimId& d : t.shape) d = dim_(d);
    return t;
  }
  void settle(Region& region) {
    std::map<Value, Value> to;
    for (const auto& [v, stand_in] : outside_) to[stand_in] = primal_(v);
    if (!to.empty()) rename_uses(region, to);
    b_.at(node_.loc);
  }
  template <class Yield>
  std::vector<Value> branches(const Node& n, Yield yield) {
    const Value cond = primal(n.operands[0]);
    std::vector<Region> regions;
    for (const Region& r : n.regions) {
      b_.open({});
      primals_.emplace_back();
      tangents_.emplace_back();
      const std::vector<Value> out = yield(r);
      regions.push_back(leave(out));
    }
    at(n);
    return b_.emit(Op::if_, {cond}, {}, std::move(regions)).results;
  }

  // ---- backward: what depends on the target, and its cotangents
  void find_reach() {
    reach_.insert(target_);
    auto walk = [&](auto& self, const Region& region) -> void {
      for (const Node& n : region.nodes) {
        for (const Region& r : n.regions) self(self, r);
        if (n.op == Op::read || n.op == Op::stop_gradient) continue;
        for (size_t k = 0; k < n.results.size(); ++k) {
          if (!is_float(source_.type(n.results[k]).dtype)) continue;
          bool reaches = false;
          for (Value v : n.operands) reaches |= reach_.count(v) > 0;
          for (const Region& r : n.regions) reaches |= reach_.count(r.results[k]) > 0;
          if (reaches) reach_.insert(n.results[k]);
        }
      }
    };
    walk(walk, body_);
  }
  void add(Value v, Value ct) {
    auto [it, first] = cts_.try_emplace(v, ct);
    if (!first) it->second = b_.one(Op::add, {it->second, ct});
  }
  bool holds(const Node& n, Value v) const {  // whether v is defined in a region of n
    for (const Region& r : n.regions)
      for (const Node& inner : r.nodes)
        if (std::find(inner.results.begin(), inner.results.end(), v) != inner.results.end() ||
            holds(inner, v))
          return true;
    return false;
  }
  void sweep(const Region& region) {
    for (size_t i = region.nodes.size(); i-- > 0;) {
      const Node& n = region.nodes[i];
      if (n.op == Op::if_) {
        sweep_if(n);
      } else if (is_scalar(n.op) && cts_.count(n.results[0]) && n.results[0] != target_) {
        at(n);
        const Value ct = cts_.at(n.results[0]);
        const Primals p{[&](size_t k) { return primal(n.operands[k]); },
                        [&] { return primal(n.results[0]); }};
        for (size_t k = n.operands.size(); k-- > 0;)
          if (reach_.count(n.operands[k]))
            add(n.operands[k], apply_partial(b_, n, k, ct, p, source_.type(n.operands[k]).dtype));
      }
    }
  }
  void sweep_if(const Node& n) {
    bool any = false;
    for (Value v : n.results) any |= cts_.count(v) && reach_.count(v);
    if (!any) return;
    // The branches give a cotangent for each value of around them, and the target's if it is
    // inside.
    std::vector<Value> wanted;
    for (const Region& r : n.regions)
      for (Value v : captures(r))
        if (reach_.count(v) && std::find(wanted.begin(), wanted.end(), v) == wanted.end())
          wanted.push_back(v);
    const bool inside = holds(n, target_);
    const Node* read = inside ? defs_.at(target_) : nullptr;
    const std::map<Value, Value> around = cts_;
    const std::vector<Value> results = branches(n, [&](const Region& r) {
      cts_.clear();
      at_.clear();
      for (size_t k = n.results.size(); k-- > 0;)
        if (around.count(n.results[k]) && reach_.count(r.results[k]))
          add(r.results[k], around.at(n.results[k]));
      sweep(r);
      std::vector<Value> out;
      auto give = [&](Value v) {
        const auto it = cts_.find(v);
        out.push_back(it != cts_.end() ? it->second : b_.number(source_.type(v).dtype, 0));
      };
      for (Value v : wanted) give(v);
      if (!inside) return out;
      // Where the target is not reached, 0 goes to the first element.
      const bool here = cts_.count(target_) > 0;
      give(target_);
      for (size_t i = 1; i < read->operands.size(); ++i)
        out.push_back(!here ? b_.integer(0) : at_.empty() ? primal(read->operands[i]) : at_[i - 1]);
      return out;
    });
    cts_ = around;
    at_.clear();
    for (size_t i = wanted.size(); i-- > 0;) add(wanted[i], results[i]);
    if (!inside) return;
    cts_[target_] = results[wanted.size()];
    at_.assign(results.begin() + long(wanted.size()) + 1, results.end());
  }
  // The indices of the loop that a read goes by, when it goes by nothing else, each axis in full.
  std::vector<int> projected(const Node& read, const Type& type) const {
    std::vector<int> out;
    for (size_t i = 1; i < read.operands.size(); ++i) {
      const auto it = std::find(body_.params.begin(), body_.params.end(), read.operands[i]);
      const int index = int(it - body_.params.begin());
      if (it == body_.params.end() || ranges_[index] != type.shape[i - 1] ||
          std::find(out.begin(), out.end(), index) != out.end())
        return {};
      out.push_back(index);
    }
    for (const Node& n : body_.nodes)
      if (&n == &read) return out;
    return {};  // in a branch
  }

  // ---- forward
  Value tangent(Value v) {
    for (auto scope = tangents_.rbegin(); scope != tangents_.rend(); ++scope)
      if (auto it = scope->find(v); it != scope->end()) return it->second;
    const auto def = defs_.find(v);
    if (def == defs_.end()) return is_index(v) ? kNoValue : tangent_(v);
    const Value t = is_float(source_.type(v).dtype) ? node_tangent(*def->second, v) : kNoValue;
    return tangents_.back()[v] = t;
  }
  Value node_tangent(const Node& n, Value v) {
    if (n.op == Op::stop_gradient) return kNoValue;
    if (n.op == Op::read) {
      const Value t = tangent_(n.operands[0]);
      if (t == kNoValue) return kNoValue;
      std::vector<Value> index;
      for (size_t i = 1; i < n.operands.size(); ++i) index.push_back(primal(n.operands[i]));
      return read(t, index);
    }
    if (n.op == Op::if_) {
      const size_t k = size_t(std::find(n.results.begin(), n.results.end(), v) - n.results.begin());
      return branches(n, [&](const Region& r) {
        const Value t = tangent(r.results[k]);
        return std::vector{t != kNoValue ? t : b_.number(source_.type(v).dtype, 0)};
      })[0];
    }
    if (!is_scalar(n.op)) return kNoValue;
    const Primals p{[&](size_t k) { return primal(n.operands[k]); }, [&] { return primal(v); }};
    Value sum = kNoValue;
    for (size_t k = 0; k < n.operands.size(); ++k) {
      const Value t =
          is_float(source_.type(n.operands[k]).dtype) ? tangent(n.operands[k]) : kNoValue;
      if (t == kNoValue) continue;
      at(n);
      const Value part = apply_partial(b_, n, k, t, p, source_.type(v).dtype);
      sum = sum == kNoValue ? part : b_.one(Op::add, {sum, part});
    }
    return sum;
  }

  Builder& b_;
  const Function& source_;
  const Node& node_;
  const Region& body_;
  Outside primal_, tangent_;
  std::function<DimId(DimId)> dim_;
  std::map<Value, const Node*> defs_;
  std::vector<DimId> ranges_;
  size_t out_ = 0;
  std::vector<std::map<Value, Value>> primals_, tangents_;  // by open region
  std::map<Value, Value> outside_;
  Value target_ = kNoValue;
  std::set<Value> reach_;
  std::map<Value, Value> cts_;
  std::vector<Value> at_;  // the target's indices, when it stands in a branch
};

std::vector<int> reduced_axes(const Point& p) {
  std::vector<int> axes;
  for (size_t i = p.out(); i < p.ranges().size(); ++i) axes.push_back(int(i));
  return axes;
}

bool plain_sum(const Node& node) {
  return node.op == Op::scatter || node.get<MapAttr>().red.empty() ||
         node.get<MapAttr>().kind == ReduceKind::sum;
}

}  // namespace

void point_cotangents(BackwardSite& site, const Function& source, const Node& node, Value ct) {
  Builder& b = site.b;
  Point point(
      b, source, node, [&](Value v) { return site.primal(v); }, {},
      [&](DimId d) { return site.dim(d); });
  const bool map = node.op == Op::map, sum = plain_sum(node);
  const std::vector<Value> targets = point.targets([&](Value v) { return site.active(v); });
  if (!sum && !targets.empty()) {  // as if the values had been written out and then reduced
    const Type full{b.type(ct).dtype, point.ranges()};
    ct = reduce_cotangent(
        b, node.get<MapAttr>().kind, reduced_axes(point), full,
        [&] { return point.everywhere(false); }, ct);
  }
  auto seed = [&](Point& p, const std::vector<Value>& index) {
    std::vector<Value> at;
    if (map) {
      at.assign(index.begin(), index.begin() + long(sum ? p.out() : index.size()));
    } else {
      for (size_t i = 0; i + 1 < p.results().size(); ++i) at.push_back(p.primal(p.results()[i]));
    }
    return p.read(ct, at);
  };
  for (size_t i = targets.size(); i-- > 0;) point.cotangent(site, targets[i], seed);
  if (!map && site.active(node.operands[0])) site.add(node.operands[0], ct);
}

Value point_tangent(Builder& b, const Function& source, const Node& node,
                    const std::function<Value(Value)>& primal,
                    const std::function<Value(Value)>& tangent) {
  Point point(b, source, node, primal, tangent, [](DimId d) { return d; });
  if (node.op == Op::scatter) {
    const Value dx = tangent(node.operands[0]);
    const Value from = dx != kNoValue ? dx : b.zeros(source.type(node.operands[0]));
    const auto with_body = point.scatter_tangent(from);
    return with_body ? *with_body : dx;
  }
  const auto& a = node.get<MapAttr>();
  if (plain_sum(node)) return point.loop(true, a).value_or(kNoValue);
  const auto t = point.loop(true, MapAttr{point.ranges(), {}, ReduceKind::sum});
  if (!t) return kNoValue;
  const Value x = point.everywhere(false);
  const std::vector<int> axes = reduced_axes(point);
  if (a.kind == ReduceKind::prod)
    return sum_over(b, b.one(Op::mul, {*t, product_of_others(b, x, axes)}), axes);
  const Value wins = first_winner(b, a.kind, x, axes);
  return sum_over(b, b.one(Op::select, {wins, *t, b.zeros(b.type(x))}), axes);
}

}  // namespace tenon::ir
