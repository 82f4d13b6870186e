// Reverse mode: forward code and the straight-line part of backward code (differentiate_reverse.h).
// Bodies of branches and loops are in differentiate_control.cpp.

#include "ir/passes/differentiate_reverse.h"

#include <algorithm>

#include "ir/passes/partials.h"
#include "ir/passes/transpose_rules.h"

namespace tenon::ir {

// Where transposes write.
class Reverse::Site : public BackwardSite {
 public:
  Site(Reverse& r, Frame& frame) : BackwardSite(r.b_), r_(r), frame_(frame) {}
  Value primal(Value v) override { return r_.primal(v, frame_); }
  Type type(Value v) override { return r_.type(v); }
  DimId dim(DimId d) override { return r_.residuals_.dim(d); }
  bool active(Value v) override { return r_.activity_.active(v); }
  void add(Value v, Value ct) override { r_.add(v, ct, frame_); }
  Value total(Value v) override { return r_.cotangent(v, frame_); }
  void set_total(Value v, Value ct) override { frame_.cotangent[v] = ct; }

 private:
  Reverse& r_;
  Frame& frame_;
};

Reverse::Reverse(Derivatives& memo, FnId source, const std::vector<int>& params,
                 const std::vector<int>& results, Builder& forward, Builder& backward,
                 Frame::Kind kind)
    : memo_(memo),
      source_(memo.module().fn(source)),
      copy_(memo, source_, forward),
      map_(copy_.map),
      f_(forward),
      b_(backward),
      params_(params),
      results_(results),
      activity_(memo.flow().activity(source, params, results)),
      residuals_(memo, forward, backward),
      sized_(sized_types(memo.module().dims, source_)) {
  root_.kind = kind;
}

void Reverse::bind_params(const std::vector<Value>& forward) {
  for (size_t i = 0; i < forward.size(); ++i) {
    map_[source_.body.params[i]] = forward[i];
    residuals_.defined(forward[i], root_);
    root_.given.insert(forward[i]);
  }
}

std::vector<Value> Reverse::forward() {
  forward_nodes(source_.body, root_);
  std::vector<Value> out;
  for (Value v : source_.body.results) out.push_back(map_[v]);
  return out;
}

std::vector<Value> Reverse::backward(const std::vector<Value>& cts) {
  for (size_t i = cts.size(); i-- > 0;)
    if (cts[i] != kNoValue) {
      const Value result = source_.body.results[results_[i]];
      add(result, sized(result, cts[i]), root_);
    }
  backward_nodes(source_.body, root_);
  b_.at(source_.loc);
  std::vector<Value> out;
  for (int i : params_) out.push_back(handed(source_.body.params[i], root_));
  return out;
}

// ---------------------------------------------------------------- cotangents

void Reverse::add(Value source, Value ct, Frame& frame) {
  if (!activity_.active(source)) return;
  auto [it, first] = frame.cotangent.try_emplace(source, ct);
  if (!first) it->second = b_.one(Op::add, {it->second, ct});
}

Value Reverse::cotangent(Value source, const Frame& frame) const {
  const auto it = frame.cotangent.find(source);
  return it == frame.cotangent.end() ? kNoValue : it->second;
}

Type Reverse::type(Value source) {
  const Type& t = source_.type(source);
  return residuals_.type(t.unsized(memo_.module().dims) ? sized_.at(source) : t);
}

Value Reverse::handed(Value source, Frame& frame) {
  const Value ct = cotangent_or_zero(source, frame);
  const Type& t = source_.type(source);
  if (!t.unsized(memo_.module().dims)) return ct;
  return b_.one(Op::retype, {ct}, ShapeAttr{residuals_.type(t).shape});
}

Value Reverse::sized(Value source, Value ct) {
  if (!source_.type(source).unsized(memo_.module().dims)) return ct;
  return b_.one(Op::retype, {ct}, ShapeAttr{type(source).shape});
}

Value Reverse::cotangent_or_zero(Value source, Frame& frame) {
  const Value ct = cotangent(source, frame);
  return ct != kNoValue ? ct : zero(source);
}

bool Reverse::takes_part(const Node& node) const {
  for (Value v : node.results)
    if (activity_.active(v)) return true;
  return false;
}

std::vector<Value> Reverse::active_captures(std::span<const Region> regions) const {
  std::vector<Value> out;
  for (const Region& r : regions)
    for (Value v : captures(r))
      if (activity_.active(v) && std::find(out.begin(), out.end(), v) == out.end())
        out.push_back(v);
  return out;
}

Frame& Reverse::inner_frame(Frame& parent) {
  frames_.push_back(std::make_unique<Frame>());
  frames_.back()->kind = Frame::taped;
  frames_.back()->parent = &parent;
  return *frames_.back();
}

// ---------------------------------------------------------------- forward code

void Reverse::clone(const Node& node, Frame& frame) {
  const Node& made = copy_.emit(node);
  finish(node, made.results, frame);
  residuals_.defined(made, frame);
  if (node.op == Op::bind_dim) residuals_.bound(node.get<BindAttr>().symbol, frame);
  if (node.op == Op::call)
    for (const auto& [inner, outer] : node.get<CallAttr>().fresh) residuals_.bound(outer, frame);
}

// The node's results are the first of `results`; all are of the frame's body.
void Reverse::finish(const Node& node, const std::vector<Value>& results, Frame& frame) {
  for (size_t i = 0; i < node.results.size(); ++i) map_[node.results[i]] = results[i];
  for (Value v : results) residuals_.defined(v, frame);
}

void Reverse::forward_nodes(const Region& region, Frame& frame) {
  for (size_t i = 0; i < region.nodes.size(); ++i) {
    for (Value v : region.nodes[i].operands) frame.last_use[v] = i;
    for (const Region& inner : region.nodes[i].regions)
      for (Value v : captures(inner)) frame.last_use[v] = i;
  }
  for (Value v : region.results) frame.last_use[v] = region.nodes.size();
  for (frame.position = 0; frame.position < region.nodes.size(); ++frame.position)
    forward_node(region.nodes[frame.position], frame);
}

void Reverse::forward_node(const Node& node, Frame& frame) {
  f_.at(node.loc);
  if (takes_part(node)) {
    if (node.op == Op::if_) return forward_if(node, frame);
    if (node.op == Op::for_ || node.op == Op::while_) return forward_loop(node, frame);
    if (node.op == Op::call || node.op == Op::derive) return forward_call(node, frame);
  }
  clone(node, frame);
}

void Reverse::forward_call(const Node& node, Frame& frame) {
  const FnId callee = memo_.callee(node);
  if (memo_.module().fn(callee).vjp_rule) return clone(node, frame);
  PairKey key{callee, {}, {}};
  for (size_t i = 0; i < node.operands.size(); ++i)
    if (activity_.active(node.operands[i])) key.params.push_back(int(i));
  for (size_t k = 0; k < node.results.size(); ++k)
    if (activity_.active(node.results[k])) key.results.push_back(int(k));
  const Pair& pair = called_at(node.loc, [&]() -> const Pair& { return memo_.pair(key); });
  Plan& plan = plans_[&node];
  plan.pair = &pair;
  if (node.op == Op::call) plan.fresh = node.get<CallAttr>().fresh;
  std::vector<Value> operands;
  for (Value v : node.operands) operands.push_back(map_[v]);
  if (pair.tape) operands.push_back(residuals_.tape(frame));
  f_.at(node.loc);
  const Node& made = f_.emit(Op::call, operands, CallAttr{pair.fwd, memo_.sizes(node), plan.fresh});
  const std::vector<Value> results = made.results;
  finish(node, results, frame);
  for (const auto& [inner, outer] : plan.fresh) residuals_.bound(outer, frame);
  if (pair.tape) residuals_.tape(frame) = results.back();
  const size_t own = node.results.size();
  plan.extras.assign(results.begin() + long(own), results.begin() + long(own + pair.extras));
}

// ---------------------------------------------------------------- backward code

void Reverse::backward_nodes(const Region& region, Frame& frame) {
  for (size_t i = region.nodes.size(); i-- > 0;) backward_node(region.nodes[i], frame);
}

void Reverse::backward_node(const Node& node, Frame& frame) {
  b_.at(node.loc);
  if (is_scalar(node.op)) {
    const Value ct = cotangent(node.results[0], frame);
    if (ct == kNoValue) return;
    const Primals p{[&](size_t k) { return primal(node.operands[k], frame); },
                    [&] { return primal(node.results[0], frame); }};
    for (size_t i = node.operands.size(); i-- > 0;) {
      const Value x = node.operands[i];
      if (activity_.active(x))
        add(x, apply_partial(b_, node, i, ct, p, source_.type(x).dtype), frame);
    }
    return;
  }
  switch (node.op) {
    case Op::if_:
      return backward_if(node, frame);
    case Op::for_:
    case Op::while_:
      return backward_loop(node, frame);
    case Op::call:
    case Op::derive:
      return backward_call(node, frame);
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end:
      return backward_tape(node, frame);
    case Op::host:
      fail(Code::E0701, node.loc,
           "`" + node.get<HostAttr>().name + "` is an effect, inside what is differentiated",
           "debug(x) prints from there");
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
    case Op::map:
    case Op::scatter:
    case Op::read:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::stop_gradient: {
      std::vector<Value> cts;
      bool any = false;
      for (Value v : node.results) {
        cts.push_back(cotangent(v, frame));
        any |= cts.back() != kNoValue;
      }
      Site site(*this, frame);
      if (any) transpose(site, source_, node, cts);
      return;
    }
#define SCALAR(name, arity, cls) case Op::name:
      TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      return;
  }
}

// push and pop are each other's adjoint: what was pushed last is popped first, and its cotangent is
// pushed first. Every float slot has one, so that both ends agree without asking
// (differentiate_flow.h).
void Reverse::backward_tape(const Node& node, Frame& frame) {
  const auto tape_ct = [&](Value v) {
    const Value ct = cotangent(v, frame);
    require(ct != kNoValue, "a tape without a tape of cotangents");
    return ct;
  };
  if (node.op == Op::tape_new) {
    b_.emit(Op::tape_end, {tape_ct(node.results[0])});
    return;
  }
  Value& before = frame.cotangent[node.operands[0]];
  if (node.op == Op::tape_end) {
    before = b_.one(Op::tape_new, {});
    return;
  }
  const auto& slot = node.get<SlotAttr>();
  const Value after = tape_ct(node.results[0]);
  if (!is_float(slot.type.dtype)) {
    before = after;
    return;
  }
  const SlotAttr derived{memo_.derived_slot(slot.slot), residuals_.type(slot.type)};
  if (node.op == Op::pop) {
    before = b_.one(Op::push, {after, handed(node.results[1], frame)}, derived);
    return;
  }
  const Node& pop = b_.emit(Op::pop, {after}, derived);
  const Value ct = pop.results[1];
  before = pop.results[0];
  add(node.operands[1], sized(node.operands[1], ct), frame);
}

void Reverse::backward_call(const Node& node, Frame& frame) {
  const auto planned = plans_.find(&node);
  if (planned == plans_.end()) {
    const Function& callee = memo_.module().fn(memo_.callee(node));
    if (callee.vjp_rule && takes_part(node)) backward_rule(node, *callee.vjp_rule, frame);
    return;
  }
  const Plan& plan = planned->second;
  const Pair& pair = *plan.pair;
  bool any = pair.tape;  // what was pushed has to be popped
  for (int k : pair.key.results) any |= cotangent(node.results[k], frame) != kNoValue;
  if (!any) return;
  std::vector<DimId> dims;
  for (DimId d : memo_.sizes(node)) dims.push_back(residuals_.dim(d));
  for (SymId s : pair.result_sizes)
    for (const auto& [inner, outer] : plan.fresh)
      if (inner == s) dims.push_back(residuals_.dim(memo_.module().dims.symbol(outer)));
  std::vector<Value> operands;
  for (const Pair::Residual& r : pair.residuals) {
    switch (r.from) {
      case Pair::Residual::param:
        operands.push_back(primal(node.operands[r.index], frame));
        break;
      case Pair::Residual::result:
        operands.push_back(primal(node.results[r.index], frame));
        break;
      case Pair::Residual::extra:
        operands.push_back(residuals_.need(plan.extras[r.index], frame));
        break;
    }
  }
  for (int k : pair.key.results) operands.push_back(handed(node.results[k], frame));
  if (pair.tape) operands.push_back(residuals_.back_tape(frame));
  b_.at(node.loc);
  const std::vector<Value> cts = b_.call(pair.bwd, dims, operands);
  if (pair.tape) residuals_.back_tape(frame) = cts.back();
  for (size_t i = pair.key.params.size(); i-- > 0;)
    add(node.operands[pair.key.params[i]], sized(node.operands[pair.key.params[i]], cts[i]), frame);
}

// A rule of the user's takes the arguments, the results and a cotangent per float result, and gives
// one per float parameter.
void Reverse::backward_rule(const Node& node, FnId rule, Frame& frame) {
  bool any = false;
  for (Value v : node.results) any |= cotangent(v, frame) != kNoValue;
  if (!any) return;
  std::vector<Value> operands;
  for (Value v : node.operands) operands.push_back(primal(v, frame));
  for (Value v : node.results) operands.push_back(primal(v, frame));
  for (Value v : node.results)
    if (is_float(source_.type(v).dtype)) operands.push_back(cotangent_or_zero(v, frame));
  std::vector<DimId> dims;
  for (DimId d : memo_.sizes(node)) dims.push_back(residuals_.dim(d));
  b_.at(node.loc);
  const std::vector<Value> cts = b_.call(rule, dims, operands);
  size_t next = cts.size();
  for (size_t i = node.operands.size(); i-- > 0;)
    if (is_float(source_.type(node.operands[i]).dtype)) add(node.operands[i], cts[--next], frame);
}

}  // namespace tenon::ir
