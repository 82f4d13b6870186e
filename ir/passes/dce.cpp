// dce: drops nodes, and loop-carried values, whose results nobody needs.
//
// In the prefix it decides what the program means, so both modes drop the same: dead nodes go even
// where they might have trapped or run for ever; only `check`, `debug` and `host`, and calls and
// regions that hold one, are kept for what they do. After the prefix nothing that may trap is
// dropped any more. A tape is used to its end: where one piece of it is needed, all of it is, but for
// slots that are only kept and taken back for nobody. Those go where the whole life of the tape is in
// one function: a derivative may keep what the rule that it uses does not ask for.

#include <algorithm>
#include <map>
#include <set>

#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

class Marker {
 public:
  Marker(Module& module, Function& fn, Effects& effects, bool keep_traps)
      : module_(module),
        fn_(fn),
        effects_(effects),
        traps_(module),
        keep_traps_(keep_traps),
        live_(fn.types.size(), 0),
        where_(fn.types.size()) {}

  void run() {
    index(fn_.body, nullptr, 0);
    group_slots();
    for (Value v : fn_.body.results) need(v);
    for (Value v : fn_.body.params)
      if (fn_.types[v].tape) need(v);
    for (size_t i = 0; i < owners_.size(); ++i)
      if (root(*owners_[i].node)) activate(i);
    settle();
    sweep(fn_.body);
    if (!renamed_.empty()) rename(fn_.body);
  }

 private:
  static constexpr uint32_t kNone = ~0u;
  struct Owner {  // a node and the node around it
    Node* node;
    uint32_t parent = kNone;
    bool active = false;
  };
  struct Place {  // where a value is defined: as a result, or as a parameter of a region
    uint32_t owner = kNone;
    uint32_t position = 0;
    bool param = false;
  };
  struct Use {  // of a tape: by a node, or as a result of a region of `owner`
    uint32_t owner;
    uint32_t position;
    bool yield;
  };

  void index(Region& r, Node* owner, uint32_t at) {
    for (size_t i = 0; i < r.params.size(); ++i)
      if (owner) where_[r.params[i]] = {at, uint32_t(i), true};
    for (Node& n : r.nodes) {
      const uint32_t id = uint32_t(owners_.size());
      owners_.push_back({&n, owner ? at : kNone, false});
      for (size_t i = 0; i < n.results.size(); ++i) where_[n.results[i]] = {id, uint32_t(i), false};
      for (size_t i = 0; i < n.operands.size(); ++i)
        if (fn_.types[n.operands[i]].tape)
          tape_uses_[n.operands[i]].push_back({id, uint32_t(i), false});
      if (n.op == Op::retype && fn_.types[n.operands[0]].unsized(module_.dims))
        sized_[n.operands[0]].push_back(id);
      std::vector<SymId> symbols;
      bound_symbols(n, symbols);
      for (SymId s : symbols) binders_[s].push_back(id);
      for (Region& inner : n.regions) index(inner, &n, id);
    }
    if (owner)
      for (size_t i = 0; i < r.results.size(); ++i)
        if (fn_.types[r.results[i]].tape)
          tape_uses_[r.results[i]].push_back({at, uint32_t(i), true});
  }

  // ---- slots: the pushes and pops of one tape that have one slot number live and die together
  Value family(Value v) {
    for (auto at = family_.find(v); at != family_.end() && at->second != v; at = family_.find(v)) v = at->second;
    return v;
  }
  void same_tape(Value a, Value b) {
    if (fn_.types[a].tape) family_[family(a)] = family(b);
  }
  void group_slots() {
    std::vector<Value> leaving = fn_.body.params;  // known to other functions
    leaving.insert(leaving.end(), fn_.body.results.begin(), fn_.body.results.end());
    for (const Owner& o : owners_) {
      const Node& n = *o.node;
      if (n.op == Op::push || n.op == Op::pop) {
        same_tape(n.results[0], n.operands[0]);
      } else if (n.op == Op::if_) {
        for (const Region& r : n.regions)
          for (size_t k = 0; k < n.results.size(); ++k) same_tape(n.results[k], r.results[k]);
      } else if (loop(n)) {
        for (size_t k = 0; k < n.results.size(); ++k) {
          same_tape(n.results[k], n.operands[k + bounds(n)]);
          for (const Region& r : n.regions) same_tape(n.results[k], r.params[k + (n.op == Op::for_ ? 1 : 0)]);
          same_tape(n.results[k], n.regions.back().results[k]);
        }
      } else if (n.op != Op::tape_new && n.op != Op::tape_end) {  // a call
        leaving.insert(leaving.end(), n.operands.begin(), n.operands.end());
        leaving.insert(leaving.end(), n.results.begin(), n.results.end());
      }
    }
    std::set<Value> known;
    for (Value v : leaving)
      if (fn_.types[v].tape) known.insert(family(v));
    for (uint32_t id = 0; id < owners_.size(); ++id) {
      const Node& n = *owners_[id].node;
      if (n.op != Op::push && n.op != Op::pop) continue;
      const Value tape = family(n.operands[0]);
      if (known.contains(tape)) continue;
      auto& peers = slots_[{tape, std::get<SlotAttr>(n.attr).slot}];
      peers.push_back(id);
      peers_of_[id] = &peers;
    }
  }
  bool optional(uint32_t id) const { return peers_of_.contains(id); }

  bool root(const Node& n) {
    if (!n.regions.empty()) {  // what is inside counts for itself, but for loops without an end
      return keep_traps_ && (n.op == Op::while_ || n.op == Op::map || n.op == Op::scatter) &&
             traps_(fn_, n);
    }
    if (effects_(n)) return true;
    return keep_traps_ && n.op != Op::read && traps_(fn_, n);
  }

  void need(Value v) {
    if (live_[v]) return;
    live_[v] = 1;
    pending_.push_back(v);
  }

  void size(DimId d) {
    for (SymId s : module_.dims.symbols(d))
      if (const auto at = binders_.find(s); at != binders_.end())
        for (uint32_t id : at->second) activate(id);
  }

  static size_t bounds(const Node& n) { return n.op == Op::for_ ? 2 : 0; }
  static bool loop(const Node& n) { return n.op == Op::for_ || n.op == Op::while_; }

  // A carried value: as it comes in, inside, and as it goes out.
  void carry(const Node& n, size_t k) {
    need(n.results[k]);
    need(n.operands[k + bounds(n)]);
    for (const Region& r : n.regions) need(r.params[k + (n.op == Op::for_ ? 1 : 0)]);
    need(n.regions.back().results[k]);
  }

  void activate(uint32_t id) {
    Owner& o = owners_[id];
    if (o.active) return;
    o.active = true;
    if (o.parent != kNone) activate(o.parent);
    if (const auto at = peers_of_.find(id); at != peers_of_.end())
      for (uint32_t peer : *at->second) activate(peer);
    const Node& n = *o.node;
    each_dim(n.attr, [this](DimId d) { size(d); });
    if (n.op == Op::while_) {
      need(n.regions[0].results[0]);
    } else if (n.op == Op::if_ || n.op == Op::for_) {
      for (size_t i = 0; i < (n.op == Op::if_ ? 1 : bounds(n)); ++i) need(n.operands[i]);
    } else {
      for (Value v : n.operands) need(v);
      for (const Region& r : n.regions)
        for (Value v : r.results) need(v);
      for (Value v : n.results)
        if (fn_.types[v].tape) need(v);
    }
  }

  void settle() {
    while (!pending_.empty()) {
      const Value v = pending_.back();
      pending_.pop_back();
      for (DimId d : fn_.types[v].shape) size(d);
      // A value that a loop carries without its size keeps the place where it gets it back, even if
      // nobody reads it there: differentiation learns from it how large a zero is.
      if (const auto at = sized_.find(v); at != sized_.end())
        for (uint32_t id : at->second) {
          need(owners_[id].node->results[0]);
        }
      if (fn_.types[v].tape)
        for (const Use& u : tape_uses_[v]) {
          if (optional(u.owner)) {  // the tape goes on behind it
            need(owners_[u.owner].node->results[0]);
            continue;
          }
          activate(u.owner);
          if (u.yield)
            give(*owners_[u.owner].node, u.position);
          else if (!owners_[u.owner].node->regions.empty())
            take(*owners_[u.owner].node, u.position);
        }
      const Place& p = where_[v];
      if (p.owner == kNone) continue;
      if (fn_.types[v].tape && optional(p.owner)) {
        need(owners_[p.owner].node->operands[0]);
        continue;
      }
      activate(p.owner);
      const Node& n = *owners_[p.owner].node;
      if (!p.param && n.op == Op::if_) {
        for (const Region& r : n.regions) need(r.results[p.position]);
      } else if (loop(n)) {
        const size_t skip = p.param && n.op == Op::for_ ? 1 : 0;
        if (p.position >= skip) carry(n, p.position - skip);
      }
    }
  }
  // A tape goes out of a region as its result k, or into a loop as operand k.
  void give(const Node& n, size_t k) {
    if (n.op == Op::if_)
      need(n.results[k]);
    else if (loop(n))
      carry(n, k);
  }
  void take(const Node& n, size_t k) {
    if (loop(n) && k >= bounds(n)) carry(n, k - bounds(n));
  }

  // ---- what is left
  template <class F>
  static void keep(std::vector<Value>& values, F wanted) {
    size_t to = 0;
    for (size_t i = 0; i < values.size(); ++i)
      if (wanted(i)) values[to++] = values[i];
    values.resize(to);
  }

  void prune(Node& n) {
    std::vector<char> wanted(n.results.size());
    for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = live_[n.results[i]];
    auto at = [&](size_t skip) {
      return [&wanted, skip](size_t i) { return i < skip || wanted[i - skip]; };
    };
    if (n.op == Op::if_) {
      for (Region& r : n.regions) keep(r.results, at(0));
    } else {
      keep(n.operands, at(bounds(n)));
      for (Region& r : n.regions) keep(r.params, at(n.op == Op::for_ ? 1 : 0));
      keep(n.regions.back().results, at(0));
    }
    keep(n.results, at(0));
  }

  void sweep(Region& r) {
    std::vector<Node> nodes;
    nodes.reserve(r.nodes.size());
    for (Node& n : r.nodes) {
      const uint32_t id = swept_++;  // the same order as in index()
      if (!owners_[id].active) {
        if (optional(id)) renamed_.set(n.results[0], n.operands[0]);
        swept_ += uint32_t(inner_count(n));
        continue;
      }
      for (Region& inner : n.regions) sweep(inner);
      if (loop(n) || n.op == Op::if_) prune(n);
      nodes.push_back(std::move(n));
    }
    r.nodes = std::move(nodes);
  }
  void rename(Region& r) {
    for (Node& n : r.nodes) {
      renamed_.apply(n.operands);
      for (Region& inner : n.regions) rename(inner);
    }
    renamed_.apply(r.results);
  }
  static size_t inner_count(const Node& n) {
    size_t count = 0;
    for (const Region& r : n.regions) count += node_count(r);
    return count;
  }

  Module& module_;
  Function& fn_;
  Effects& effects_;
  Traps traps_;
  bool keep_traps_;
  std::vector<char> live_;
  std::vector<Place> where_;
  std::vector<Owner> owners_;
  std::vector<Value> pending_;
  std::unordered_map<Value, std::vector<Use>> tape_uses_;
  std::unordered_map<SymId, std::vector<uint32_t>> binders_;
  std::unordered_map<Value, std::vector<uint32_t>> sized_;  // retypes of what comes without its size
  std::unordered_map<Value, Value> family_;  // one tape, whatever its values are called: a forest
  std::map<std::pair<Value, int>, std::vector<uint32_t>> slots_;  // of tapes whose whole life is here
  std::unordered_map<uint32_t, const std::vector<uint32_t>*> peers_of_;
  Renames renamed_;
  uint32_t swept_ = 0;
};

std::unique_ptr<Function> run(Module& module, const Function& fn, Effects& effects,
                              bool keep_traps) {
  auto out = std::make_unique<Function>(fn);
  Marker(module, *out, effects, keep_traps).run();
  compact(*out);
  return out;
}

}  // namespace

std::unique_ptr<Function> drop_dead(Module& module, const Function& fn, Effects& effects) {
  return run(module, fn, effects, false);
}
std::unique_ptr<Function> drop_dead(Module& module, const Function& fn) {
  Effects effects(module);
  return run(module, fn, effects, false);
}
std::unique_ptr<Function> drop_dead_exact(Module& module, const Function& fn) {
  Effects effects(module);
  return run(module, fn, effects, true);
}

}  // namespace tenon::ir
