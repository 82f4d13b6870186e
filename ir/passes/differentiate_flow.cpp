// Dependence and use, by fixpoints over loops and cycles of calls (differentiate_flow.h).

#include "ir/passes/differentiate_flow.h"

#include "ir/passes/differentiate.h"

namespace tenon::ir {

void BitSet::add(size_t i) {
  if (words_.size() <= i / 64) words_.resize(i / 64 + 1);
  words_[i / 64] |= uint64_t{1} << (i % 64);
}

bool BitSet::add(const BitSet& other) {
  bool grew = false;
  if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
  for (size_t i = 0; i < other.words_.size(); ++i) {
    grew |= (other.words_[i] & ~words_[i]) != 0;
    words_[i] |= other.words_[i];
  }
  return grew;
}

// One function seen forward (sets of parameters) or backward (use).
struct Flow::Walk {
  Flow& flow;
  const Function& fn;
  std::vector<BitSet> sets;
  std::vector<char> useful;
  bool tapes_vary = false;  // a new tape counts as depending on parameter 0
  bool changed = false;

  bool carries(Value v) const { return differentiable(fn.types[v]); }
  const std::vector<BitSet>& callee(const Node& n) const {
    const FnId id = flow.memo_.callee(n);
    auto it = flow.current_.find(id);
    return it != flow.current_.end() ? it->second : flow.depends(id);
  }
  const Function& called(const Node& n) const {
    return flow.memo_.module().fn(flow.memo_.callee(n));
  }
  // Whether result k of the call depends on its operand i. An own rule speaks for every float.
  bool depends(const Node& n, const std::vector<BitSet>& matrix, size_t k, size_t i) const {
    if (called(n).vjp_rule) return carries(n.results[k]) && carries(n.operands[i]);
    return k < matrix.size() && matrix[k].has(i);
  }

  void reach(Value to, const BitSet& from) {
    if (carries(to)) changed |= sets[to].add(from);
  }
  void reach(Value to, Value from) {
    if (carries(to) && carries(from) && to != from) changed |= sets[to].add(sets[from]);
  }

  void forward(const Region& region) {
    for (const Node& n : region.nodes) forward(n);
  }
  void forward(const Node& n) {
    switch (n.op) {
      case Op::stop_gradient:
      case Op::host:
        return;
      case Op::call:
      case Op::derive: {
        const auto& matrix = callee(n);
        for (size_t k = 0; k < n.results.size(); ++k)
          for (size_t i = 0; i < n.operands.size(); ++i)
            if (depends(n, matrix, k, i)) reach(n.results[k], n.operands[i]);
        return;
      }
      case Op::if_:
        for (const Region& r : n.regions) {
          forward(r);
          for (size_t k = 0; k < n.results.size(); ++k) reach(n.results[k], r.results[k]);
        }
        return;
      case Op::for_:
      case Op::while_: {
        const Region& body = n.regions.back();
        const size_t first_operand = n.op == Op::for_ ? 2 : 0, first_param = n.op == Op::for_;
        for (size_t k = 0; k < n.results.size(); ++k)
          reach(body.params[first_param + k], n.operands[first_operand + k]);
        forward(body);
        for (size_t k = 0; k < n.results.size(); ++k) {
          reach(body.params[first_param + k], body.results[k]);
          reach(n.results[k], body.params[first_param + k]);
        }
        return;
      }
      case Op::map:
      case Op::scatter:
        forward(n.regions[0]);
        reach(n.results[0], n.regions[0].results.back());
        if (n.op == Op::scatter) reach(n.results[0], n.operands[0]);
        return;
      case Op::tape_new:
        if (tapes_vary) {
          BitSet some;
          some.add(0);
          reach(n.results[0], some);
        }
        return;
      case Op::constant:
      case Op::iota:
      case Op::size:
      case Op::broadcast:
      case Op::reshape:
      case Op::retype:
      case Op::transpose:
      case Op::slice:
      case Op::update:
      case Op::concat:
      case Op::reduce:
      case Op::arg_reduce:
      case Op::scan:
      case Op::contract:
      case Op::sort:
      case Op::read:
      case Op::push:
      case Op::pop:
      case Op::tape_end:
      case Op::bind_dim:
      case Op::check:
      case Op::debug:
#define SCALAR(name, arity, cls) case Op::name:
        TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
        for (Value r : n.results)
          for (Value v : n.operands) reach(r, v);
    }
  }

  void need(Value v) {
    if (carries(v) && !useful[v]) useful[v] = changed = true;
  }
  void backward(const Region& region) {
    for (size_t i = region.nodes.size(); i-- > 0;) backward(region.nodes[i]);
  }
  void backward(const Node& n) {
    auto any = [&] {
      for (Value r : n.results)
        if (useful[r]) return true;
      return false;
    };
    switch (n.op) {
      case Op::stop_gradient:
      case Op::host:
        return;
      case Op::call:
      case Op::derive: {
        const auto& matrix = callee(n);
        for (size_t k = 0; k < n.results.size(); ++k)
          for (size_t i = 0; useful[n.results[k]] && i < n.operands.size(); ++i)
            if (depends(n, matrix, k, i)) need(n.operands[i]);
        return;
      }
      case Op::if_:
        for (const Region& r : n.regions) {
          for (size_t k = 0; k < n.results.size(); ++k)
            if (useful[n.results[k]]) need(r.results[k]);
          backward(r);
        }
        return;
      case Op::for_:
      case Op::while_: {
        const Region& body = n.regions.back();
        const size_t first_operand = n.op == Op::for_ ? 2 : 0, first_param = n.op == Op::for_;
        for (size_t k = 0; k < n.results.size(); ++k) {
          const Value param = body.params[first_param + k];
          if (!useful[n.results[k]] && !useful[param]) continue;
          need(n.results[k]);  // a carry takes part or not as a whole
          need(param);
          need(body.results[k]);
          need(n.operands[first_operand + k]);
        }
        backward(body);
        return;
      }
      case Op::map:
      case Op::scatter:
        if (!any()) return;
        need(n.regions[0].results.back());
        if (n.op == Op::scatter) need(n.operands[0]);
        backward(n.regions[0]);
        return;
      case Op::constant:
      case Op::iota:
      case Op::size:
      case Op::broadcast:
      case Op::reshape:
      case Op::retype:
      case Op::transpose:
      case Op::slice:
      case Op::update:
      case Op::concat:
      case Op::reduce:
      case Op::arg_reduce:
      case Op::scan:
      case Op::contract:
      case Op::sort:
      case Op::read:
      case Op::push:
      case Op::pop:
      case Op::tape_new:
      case Op::tape_end:
      case Op::bind_dim:
      case Op::check:
      case Op::debug:
#define SCALAR(name, arity, cls) case Op::name:
        TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
        if (any())
          for (Value v : n.operands) need(v);
    }
  }
};

void Flow::collect(FnId fn, std::vector<FnId>& order, std::map<FnId, char>& seen) {
  if (known_.count(fn) || !seen.emplace(fn, 1).second) return;
  auto visit = [&](auto& self, const Region& region) -> void {
    for (const Node& n : region.nodes) {
      if (n.op == Op::call || n.op == Op::derive) collect(memo_.callee(n), order, seen);
      for (const Region& r : n.regions) self(self, r);
    }
  };
  visit(visit, memo_.module().fn(fn).body);
  order.push_back(fn);
}

std::vector<BitSet> Flow::results(FnId id) {
  const Function& fn = memo_.module().fn(id);
  Walk walk{*this, fn, std::vector<BitSet>(fn.types.size()), {}};
  for (size_t i = 0; i < fn.body.params.size(); ++i) {
    BitSet self;
    self.add(i);
    walk.reach(fn.body.params[i], self);
  }
  do {
    walk.changed = false;
    walk.forward(fn.body);
  } while (walk.changed);
  std::vector<BitSet> out;
  for (Value r : fn.body.results) out.push_back(walk.sets[r]);
  return out;
}

const std::vector<BitSet>& Flow::depends(FnId fn) {
  if (auto it = known_.find(fn); it != known_.end()) return it->second;
  std::vector<FnId> order;
  std::map<FnId, char> seen;
  collect(fn, order, seen);
  bool cycle = false;
  for (FnId f : order) {
    cycle |= memo_.recursive(f);
    current_[f].resize(memo_.module().fn(f).body.results.size());
  }
  bool changed = true;
  while (changed) {
    changed = false;
    for (FnId f : order) {
      std::vector<BitSet> now = results(f);
      std::vector<BitSet>& before = current_[f];
      for (size_t k = 0; k < now.size(); ++k) changed |= before[k].add(now[k]);
    }
    changed &= cycle;
  }
  for (FnId f : order) known_[f] = std::move(current_[f]);
  for (FnId f : order) current_.erase(f);
  return known_.at(fn);
}

Activity Flow::activity(FnId id, const std::vector<int>& params, const std::vector<int>& results) {
  const Function& fn = memo_.module().fn(id);
  Walk walk{*this, fn, std::vector<BitSet>(fn.types.size()), std::vector<char>(fn.types.size())};
  walk.tapes_vary = true;
  BitSet some;
  some.add(0);
  for (int i : params) walk.reach(fn.body.params[i], some);
  for (size_t v = 0; v < fn.types.size(); ++v) {
    if (!fn.types[v].tape) continue;
    walk.useful[v] = true;
    walk.sets[v] = some;
  }
  do {
    walk.changed = false;
    walk.forward(fn.body);
  } while (walk.changed);
  for (int k : results) walk.need(fn.body.results[k]);
  do {
    walk.changed = false;
    walk.backward(fn.body);
  } while (walk.changed);
  Activity out;
  for (const BitSet& s : walk.sets) out.varied.push_back(!s.empty());
  out.useful = std::move(walk.useful);
  return out;
}

}  // namespace tenon::ir
