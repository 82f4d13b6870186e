// Maps that are elementwise operations in index notation. A map without a reduction whose body reads
// tensors only at its own indices, each over a whole axis, says what operations on whole tensors say:
// it becomes those, so that it shares passes with its neighbours, and its derivative is theirs and
// not a scatter. Each operation is done over the indices that it depends on and no others.
//
//   canonicalise (prefix)   where the body has no `if`, or only such whose branches hand cotangents on
//                           as they are: a branch that is not taken must not bring 0 * inf into a
//                           derivative (docs/language.md), which a select does
//   pointwise (exact)       behind differentiation: any `if`

#include <algorithm>

#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

// A number of the body as a tensor over some of the map's indices, ascending.
struct Spread {
  Value value = kNoValue;
  std::vector<size_t> over;
};

bool divides_integers(const Function& fn, const Node& n) {
  return (n.op == Op::div || n.op == Op::rem) && !is_float(fn.types[n.operands[0]].dtype);
}

// Whether the cotangent of a result, if it is 0, stays 0 on its way to every operand.
bool hands_on(const Function& fn, const Node& n) {
  if (!is_float(fn.types[n.results[0]].dtype)) return true;
  switch (n.op) {
    case Op::add:
    case Op::sub:
    case Op::neg:
    case Op::select:
    case Op::convert:
      return true;
    default:
      return !is_scalar(n.op);
  }
}

class Elementwise {
 public:
  Elementwise(const Module& module, Function& fn, bool derivatives_follow)
      : any_(module.dims.any()), fn_(fn), derivatives_follow_(derivatives_follow) {}

  bool fits(const Node& n) const {
    if (n.op != Op::map) return false;
    const auto& a = n.get<MapAttr>();
    return a.red.empty() && !a.out.empty() &&
           std::find(a.out.begin(), a.out.end(), any_) == a.out.end() &&
           fits(n, n.regions[0], false);
  }

  void region(Region& r) {
    bool some = false;
    for (Node& n : r.nodes) {
      if (fits(n)) {
        some = true;
        continue;
      }
      for (Region& inner : n.regions) region(inner);
    }
    if (!some) return;
    std::vector<Node> nodes;
    nodes.reserve(r.nodes.size() + 8);
    for (Node& n : r.nodes) {
      if (fits(n))
        replace(n, nodes);
      else
        nodes.push_back(std::move(n));
    }
    r.nodes = std::move(nodes);
  }

  void rename(Region& r) const {
    if (renames_.empty()) return;
    for (Node& n : r.nodes) {
      renames_.apply(n.operands);
      for (Region& inner : n.regions) rename(inner);
    }
    renames_.apply(r.results);
  }

 private:
  bool fits(const Node& map, const Region& body, bool branch) const {
    for (const Node& n : body.nodes) {
      if (is_scalar(n.op)) {
        if (divides_integers(fn_, n)) return false;
        if (branch && derivatives_follow_ && !hands_on(fn_, n)) return false;
        continue;
      }
      switch (n.op) {
        case Op::constant:
        case Op::size:
        case Op::stop_gradient:
          break;
        case Op::read:
          if (!whole(map, n)) return false;
          break;
        case Op::if_:
          for (const Region& inner : n.regions)
            if (!fits(map, inner, true)) return false;
          break;
        default:
          return false;
      }
    }
    return true;
  }

  // A read at different indices of the map, each of which runs over all of its axis.
  bool whole(const Node& map, const Node& read) const {
    const auto& out = map.get<MapAttr>().out;
    const auto& params = map.regions[0].params;
    const Type& t = fn_.types[read.operands[0]];
    if (t.tape) return false;
    std::vector<size_t> seen;
    for (size_t i = 0; i < t.rank(); ++i) {
      const auto at = std::find(params.begin(), params.end(), read.operands[i + 1]);
      if (at == params.end()) return false;
      const auto index = static_cast<size_t>(at - params.begin());
      if (out[index] != t.shape[i] || std::find(seen.begin(), seen.end(), index) != seen.end())
        return false;
      seen.push_back(index);
    }
    return true;
  }

  // ---- the map at hand
  void replace(const Node& map, std::vector<Node>& out) {
    ranges_ = map.get<MapAttr>().out;
    loc_ = map.loc;
    out_ = &out;
    known_.clear();
    const Region& body = map.regions[0];
    for (size_t i = 0; i < body.params.size(); ++i) index_of_[body.params[i]] = i;
    nodes(map, body);
    std::vector<size_t> all(ranges_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    renames_.set(map.results[0], over(of(body.results[0]), all));
    index_of_.clear();
  }

  Value emit(Op op, std::vector<Value> operands, Attr attr, DType dtype,
             const std::vector<size_t>& indices, Loc loc) {
    Type t{dtype, {}};
    for (size_t i : indices) t.shape.push_back(ranges_[i]);
    const Value v = fn_.new_value(std::move(t));
    out_->push_back({op, std::move(operands), {v}, std::move(attr), {}, loc});
    return v;
  }

  // What stands for a value of the body, or for one from around the map.
  Spread of(Value v) {
    if (const auto at = known_.find(v); at != known_.end()) return at->second;
    const auto at = index_of_.find(v);
    if (at == index_of_.end()) return {v, {}};
    const std::vector<size_t> index{at->second};
    return known_[v] = {emit(Op::iota, {}, IotaAttr{DType::i64, {ranges_[index[0]]}, 0}, DType::i64,
                             index, loc_),
                        index};
  }

  // The same over more indices.
  Value over(const Spread& s, const std::vector<size_t>& indices) {
    if (s.over == indices) return s.value;
    BroadcastAttr a;
    for (size_t i : indices) a.shape.push_back(ranges_[i]);
    for (size_t i : s.over)
      a.axes.push_back(
          static_cast<int>(std::find(indices.begin(), indices.end(), i) - indices.begin()));
    return emit(Op::broadcast, {s.value}, std::move(a), fn_.types[s.value].dtype, indices, loc_);
  }

  void nodes(const Node& map, const Region& body) {
    for (const Node& n : body.nodes) {
      if (n.op == Op::if_) {
        for (const Region& inner : n.regions) nodes(map, inner);
        for (size_t i = 0; i < n.results.size(); ++i) {
          const Value yes = n.regions[0].results[i], no = n.regions[1].results[i];
          known_[n.results[i]] = scalar(Op::select, {n.operands[0], yes, no}, {}, n.results[i], n.loc);
        }
      } else if (n.op == Op::read) {
        known_[n.results[0]] = read(map, n);
      } else {
        known_[n.results[0]] = scalar(n.op, n.operands, n.attr, n.results[0], n.loc);
      }
    }
  }

  Spread scalar(Op op, const std::vector<Value>& operands, const Attr& attr, Value result, Loc loc) {
    std::vector<Spread> in;
    std::vector<size_t> indices;
    for (Value v : operands) {
      in.push_back(of(v));
      indices.insert(indices.end(), in.back().over.begin(), in.back().over.end());
    }
    std::sort(indices.begin(), indices.end());
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
    std::vector<Value> values;
    for (const Spread& s : in) values.push_back(over(s, indices));
    return {emit(op, std::move(values), attr, fn_.types[result].dtype, indices, loc), indices};
  }

  Spread read(const Node& map, const Node& n) {
    const auto& params = map.regions[0].params;
    std::vector<size_t> read_at, indices;
    for (size_t i = 1; i < n.operands.size(); ++i)
      read_at.push_back(static_cast<size_t>(
          std::find(params.begin(), params.end(), n.operands[i]) - params.begin()));
    indices = read_at;
    std::sort(indices.begin(), indices.end());
    const Value x = n.operands[0];
    if (indices == read_at) return {x, indices};
    AxesAttr a;
    for (size_t i : indices)
      a.axes.push_back(static_cast<int>(std::find(read_at.begin(), read_at.end(), i) - read_at.begin()));
    return {emit(Op::transpose, {x}, std::move(a), fn_.types[x].dtype, indices, n.loc), indices};
  }

  const DimId any_;  // `_`
  Function& fn_;
  const bool derivatives_follow_;
  Renames renames_;
  std::vector<DimId> ranges_;
  Loc loc_;
  std::vector<Node>* out_ = nullptr;
  std::unordered_map<Value, Spread> known_;
  std::unordered_map<Value, size_t> index_of_;
};

}  // namespace

bool has_elementwise_maps(const Module& module, const Function& fn, bool derivatives_follow) {
  const Elementwise e(module, const_cast<Function&>(fn), derivatives_follow);  // changes nothing
  bool found = false;
  each_node(fn.body, [&](const Node& n) { found |= e.fits(n); });
  return found;
}

void elementwise_maps(const Module& module, Function& fn, bool derivatives_follow) {
  Elementwise e(module, fn, derivatives_follow);
  e.region(fn.body);
  e.rename(fn.body);
  compact(fn);
}

std::unique_ptr<Function> pointwise(Module& module, const Function& fn) {
  auto out = std::make_unique<Function>(fn);
  if (has_elementwise_maps(module, fn, false)) elementwise_maps(module, *out, false);
  return out;
}

}  // namespace tenon::ir
