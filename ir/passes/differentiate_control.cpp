// Reverse mode through branches and loops (design.md b2; differentiate_reverse.h). The backward
// body is written as soon as the forward body is known, since what it asks for decides what forward
// pushes; it is put in its place when the sweep comes by.

#include "ir/passes/differentiate_reverse.h"

namespace tenon::ir {

// Each branch pushes its own residuals, and backward code branches on the same condition. The
// cotangents that flow in, and the tape, are not known yet when a branch is written: stand-ins.
void Reverse::forward_if(const Node& node, Frame& frame) {
  Plan& plan = plans_[&node];
  plan.captured = active_captures(node.regions);
  for (size_t k = 0; k < node.results.size(); ++k) {
    if (!activity_.active(node.results[k])) continue;
    plan.carries.push_back(k);
    plan.stand_ins.push_back(b_.fn().new_value(residuals_.type(source_.type(node.results[k]))));
  }
  // Where a value has a cotangent already, from later uses or as a sum of the loop around, a branch
  // goes on with that: one that only touches an element of it does not cost a whole tensor.
  for (Value v : plan.captured)
    if (frame.totals.count(v) || frame.last_use[v] > frame.position)
      plan.totals.emplace_back(v, b_.fn().new_value(type(v)));
  std::vector<Region> forward;
  Frame* inner[2];
  for (size_t side = 0; side < 2; ++side) {
    const Region& branch = node.regions[side];
    Frame& own = *(inner[side] = &inner_frame(frame));
    f_.open({});
    forward_nodes(branch, own);
    b_.open({});
    for (const auto& [v, stand_in] : plan.totals) {
      own.cotangent[v] = stand_in;
      own.totals.insert(v);
    }
    for (size_t i = plan.carries.size(); i-- > 0;)
      add(branch.results[plan.carries[i]], sized(branch.results[plan.carries[i]], plan.stand_ins[i]),
          own);
    backward_nodes(branch, own);
    b_.at(node.loc);
    std::vector<Value> cts;
    for (Value v : plan.captured) cts.push_back(cotangent_or_zero(v, own));
    plan.bodies.push_back(b_.close(cts));
    f_.at(node.loc);
    residuals_.push_saved(own);
    forward.push_back(f_.close(copy_.values(branch.results)));
    plan.tape |= own.tape != kNoValue;
  }
  if (plan.tape) {
    plan.tape_in = b_.fn().new_value(tape_type());
    const Value tape = residuals_.tape(frame);
    for (size_t side = 0; side < 2; ++side) {
      Frame& own = *inner[side];
      Region& back = plan.bodies[side];
      if (own.tape == kNoValue) {  // this branch hands the tape on
        forward[side].results.push_back(tape);
        back.results.push_back(plan.tape_in);
        continue;
      }
      forward[side].results.push_back(own.tape);
      rename_uses(forward[side], {{own.tape_in, tape}});
      std::vector<Node> pops;
      const Value start = residuals_.pop_saved(own, pops, node.loc);
      prepend(back, std::move(pops));
      back.results.push_back(own.back_tape);
      rename_uses(back, {{start, plan.tape_in}});
    }
  }
  f_.at(node.loc);
  const Node& made = f_.emit(Op::if_, copy_.values(node.operands), {}, std::move(forward));
  const std::vector<Value> results = made.results;
  finish(node, results, frame);
  if (plan.tape) residuals_.tape(frame) = results.back();
}

void Reverse::backward_if(const Node& node, Frame& frame) {
  const auto planned = plans_.find(&node);
  if (planned == plans_.end()) return;
  Plan& plan = planned->second;
  bool any = plan.tape;
  for (size_t k : plan.carries) any |= cotangent(node.results[k], frame) != kNoValue;
  if (!any || (plan.captured.empty() && !plan.tape)) return;
  std::map<Value, Value> to;
  for (size_t i = 0; i < plan.carries.size(); ++i)
    to[plan.stand_ins[i]] = handed(node.results[plan.carries[i]], frame);
  for (const auto& [v, stand_in] : plan.totals) to[stand_in] = cotangent_or_zero(v, frame);
  if (plan.tape) to[plan.tape_in] = residuals_.back_tape(frame);
  for (Region& r : plan.bodies) rename_uses(r, to);
  const Value cond = primal(node.operands[0], frame);
  b_.at(node.loc);
  const std::vector<Value> cts = b_.emit(Op::if_, {cond}, {}, std::move(plan.bodies)).results;
  if (plan.tape) residuals_.back_tape(frame) = cts.back();
  std::set<Value> totals;
  for (const auto& [v, stand_in] : plan.totals) totals.insert(v);
  for (size_t i = plan.captured.size(); i-- > 0;) {
    if (totals.count(plan.captured[i]))
      frame.cotangent[plan.captured[i]] = cts[i];
    else
      add(plan.captured[i], cts[i], frame);
  }
}

// A loop pushes in each turn and runs backward as many turns; `while` counts them. Cotangents of
// the carries are carried, and so are those of what the body captures: each turn adds to what there
// is.
void Reverse::forward_loop(const Node& node, Frame& frame) {
  const bool counts = node.op == Op::while_;
  const size_t first_param = counts ? 0 : 1;
  const Region& body = node.regions.back();
  const size_t carries = node.results.size();
  Plan& plan = plans_[&node];
  plan.captured = active_captures({&body, 1});
  for (size_t k = 0; k < carries; ++k)
    if (activity_.active(node.results[k])) plan.carries.push_back(k);

  Frame& inner = inner_frame(frame);
  inner.totals.insert(plan.captured.begin(), plan.captured.end());
  std::vector<Type> types = copy_.types(body.params);
  if (counts) types.push_back(scalar_type(DType::i64));
  const std::vector<Value> params = f_.open(types);
  for (size_t i = 0; i < body.params.size(); ++i) {
    map_[body.params[i]] = params[i];
    residuals_.defined(params[i], inner);
  }
  forward_nodes(body, inner);

  std::vector<Type> back_types{scalar_type(DType::i64)};
  for (size_t k : plan.carries)
    back_types.push_back(residuals_.type(source_.type(node.results[k])));
  for (Value v : plan.captured) back_types.push_back(type(v));
  const std::vector<Value> back = b_.open(back_types);
  inner.turn = back[0];
  if (!counts) {
    inner.index = params[0];
    inner.lo = map_[node.operands[0]];
    inner.hi = map_[node.operands[1]];
  }
  for (size_t i = 0; i < plan.captured.size(); ++i)
    inner.cotangent[plan.captured[i]] = back[1 + plan.carries.size() + i];
  for (size_t i = plan.carries.size(); i-- > 0;)
    add(body.results[plan.carries[i]], sized(body.results[plan.carries[i]], back[1 + i]), inner);
  backward_nodes(body, inner);
  b_.at(node.loc);
  std::vector<Value> cts;
  for (size_t k : plan.carries)
    cts.push_back(handed(body.params[first_param + k], inner));
  for (Value v : plan.captured) cts.push_back(inner.cotangent[v]);
  // What a carry is after a turn it was before the next one, which backward code has just popped:
  // it is handed on from turn to turn, from the loop's result on, instead of being pushed as well.
  std::vector<Value> handed_on;
  for (size_t k = 0; k < carries; ++k) {
    const Value before = map_[body.params[first_param + k]], after = map_[body.results[k]];
    const Value stand_in = residuals_.drop(after, inner, before);
    if (stand_in == kNoValue) continue;
    plan.handed_on.push_back(k);
    handed_on.push_back(stand_in);
    cts.push_back(residuals_.need(before, inner));
  }
  plan.bodies.push_back(b_.close(cts));
  Region& back_body = plan.bodies[0];
  back_body.params.insert(back_body.params.end(), handed_on.begin(), handed_on.end());

  f_.at(node.loc);
  residuals_.push_saved(inner);
  std::vector<Value> results = copy_.values(body.results);
  if (counts) results.push_back(f_.one(Op::add, {params.back(), f_.integer(1)}));
  Region forward = f_.close(results);
  plan.tape = inner.tape != kNoValue;
  if (plan.tape) {
    forward.params.push_back(inner.tape_in);
    forward.results.push_back(inner.tape);
    std::vector<Node> pops;
    plan.bodies[0].params.push_back(residuals_.pop_saved(inner, pops, node.loc));
    prepend(plan.bodies[0], std::move(pops));
    plan.bodies[0].results.push_back(inner.back_tape);
  }

  std::vector<Value> operands = copy_.values(node.operands);
  std::vector<Region> regions;
  std::vector<Type> more;
  if (counts) {
    operands.push_back(f_.integer(0));
    more.push_back(scalar_type(DType::i64));
  }
  if (plan.tape) {
    operands.push_back(residuals_.tape(frame));
    more.push_back(tape_type());
  }
  if (counts) regions.push_back(copy_.region(node.regions[0], more));
  regions.push_back(std::move(forward));
  f_.at(node.loc);
  const std::vector<Value> made = f_.emit(node.op, operands, {}, std::move(regions)).results;
  finish(node, made, frame);
  if (counts) plan.turns = made[carries];
  if (plan.tape) residuals_.tape(frame) = made.back();
}

void Reverse::backward_loop(const Node& node, Frame& frame) {
  const auto planned = plans_.find(&node);
  if (planned == plans_.end()) return;
  Plan& plan = planned->second;
  bool any = plan.tape;
  for (size_t k : plan.carries) any |= cotangent(node.results[k], frame) != kNoValue;
  if (!any) return;
  const bool counts = node.op == Op::while_;
  const size_t first_operand = counts ? 0 : 2;
  std::vector<Value> operands;
  operands.push_back(counts ? b_.integer(0) : primal(node.operands[0], frame));
  operands.push_back(counts ? residuals_.need(plan.turns, frame) : primal(node.operands[1], frame));
  b_.at(node.loc);
  for (size_t k : plan.carries) operands.push_back(handed(node.results[k], frame));
  for (Value v : plan.captured) operands.push_back(cotangent_or_zero(v, frame));
  for (size_t k : plan.handed_on) operands.push_back(primal(node.results[k], frame));
  b_.at(node.loc);
  if (plan.tape) operands.push_back(residuals_.back_tape(frame));
  const std::vector<Value> cts = b_.emit(Op::for_, operands, {}, std::move(plan.bodies)).results;
  if (plan.tape) residuals_.back_tape(frame) = cts.back();
  const size_t own = plan.carries.size();
  for (size_t i = 0; i < plan.captured.size(); ++i)
    frame.cotangent[plan.captured[i]] = cts[own + i];
  for (size_t i = own; i-- > 0;) {
    const Value operand = node.operands[first_operand + plan.carries[i]];
    add(operand, sized(operand, cts[i]), frame);
  }
}

}  // namespace tenon::ir
