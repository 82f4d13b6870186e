// Forward mode (differentiate_forward.h).

#include "ir/passes/differentiate_forward.h"

#include "ir/passes/differentiate_point.h"
#include "ir/passes/partials.h"
#include "ir/passes/transpose_rules.h"

namespace tenon::ir {

Forward::Forward(Derivatives& memo, const PairKey& key, Builder& b)
    : memo_(memo),
      key_(key),
      source_(memo.module().fn(key.fn)),
      b_(b),
      copy_(memo, source_, b),
      activity_(memo.flow().activity(key.fn, key.params, key.results)),
      tangent_(source_.types.size(), kNoValue),
      sized_(sized_types(memo.module().dims, source_)) {}

std::vector<Value> Forward::run(const std::vector<Value>& params,
                                const std::vector<Value>& tangents) {
  for (size_t i = 0; i < params.size(); ++i) copy_.map[source_.body.params[i]] = params[i];
  for (size_t i = 0; i < tangents.size(); ++i)
    tangent_[source_.body.params[key_.params[i]]] = tangents[i];
  nodes(source_.body);
  b_.at(source_.loc);
  std::vector<Value> out = copy_.values(source_.body.results);
  for (int k : key_.results) out.push_back(tangent_or_zero(source_.body.results[k]));
  return out;
}

Value Forward::zero(Value v) {
  const Type& t = source_.type(v);
  if (!t.unsized(memo_.module().dims)) return b_.zeros(t);
  return b_.one(Op::retype, {b_.zeros(sized_.at(v))}, ShapeAttr{t.shape});
}

bool Forward::takes_part(const Node& node) const {
  for (Value v : node.results)
    if (activity_.active(v)) return true;
  return false;
}

void Forward::nodes(const Region& region) {
  for (const Node& n : region.nodes) node(n);
}

void Forward::node(const Node& n) {
  b_.at(n.loc);
  if (n.op == Op::tape_end) {
    copy_.emit(n);
    b_.emit(Op::tape_end, {tangent(n.operands[0])});
    return;
  }
  if (!takes_part(n)) {
    copy_.emit(n);
    return;
  }
  if (is_scalar(n.op)) {
    copy_.emit(n);
    const Primals p{[&](size_t k) { return primal(n.operands[k]); },
                    [&] { return primal(n.results[0]); }};
    Value sum = kNoValue;
    for (size_t i = 0; i < n.operands.size(); ++i) {
      const Value t = tangent(n.operands[i]);
      if (t == kNoValue) continue;
      const Value part = apply_partial(b_, n, i, t, p, source_.type(n.results[0]).dtype);
      sum = sum == kNoValue ? part : b_.one(Op::add, {sum, part});
    }
    tangent_[n.results[0]] = sum;
    return;
  }
  switch (n.op) {
    case Op::if_:
      return branch(n);
    case Op::for_:
    case Op::while_:
      return loop(n);
    case Op::call:
    case Op::derive:
      return call(n);
    case Op::tape_new:
      copy_.emit(n);
      tangent_[n.results[0]] = b_.one(Op::tape_new, {});
      return;
    case Op::push:
    case Op::pop: {
      copy_.emit(n);
      const auto& slot = n.get<SlotAttr>();
      const Value before = tangent(n.operands[0]);
      tangent_[n.results[0]] = before;
      if (!is_float(slot.type.dtype)) return;
      const SlotAttr derived{memo_.derived_slot(slot.slot), slot.type};
      if (n.op == Op::push) {
        tangent_[n.results[0]] =
            b_.one(Op::push, {before, tangent_or_zero(n.operands[1])}, derived);
      } else {
        const Node& pop = b_.emit(Op::pop, {before}, derived);
        tangent_[n.results[0]] = pop.results[0];
        tangent_[n.results[1]] = pop.results[1];
      }
      return;
    }
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
    case Op::tape_end:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::stop_gradient:
    case Op::host: {
      copy_.emit(n);
      const Value t = structural(n);
      if (!n.results.empty()) tangent_[n.results[0]] = t;
      return;
    }
#define SCALAR(name, arity, cls) case Op::name:
      TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      return;
  }
}

Value Forward::structural(const Node& n) {
  const Value t = n.operands.empty() ? kNoValue : tangent(n.operands[0]);
  auto again = [&](std::vector<Value> operands) {
    return b_.one(n.op, std::move(operands), n.attr);
  };
  // The operation itself on the tangent of its first operand.
  auto linear = [&] {
    std::vector<Value> operands = copy_.values(n.operands);
    operands[0] = t;
    return again(operands);
  };
  switch (n.op) {
    case Op::broadcast:
    case Op::reshape:
    case Op::retype:
    case Op::transpose:
    case Op::slice:
      return t == kNoValue ? t : linear();
    case Op::update: {
      if (t == kNoValue && tangent(n.operands[1]) == kNoValue) return kNoValue;
      std::vector<Value> operands = copy_.values(n.operands);
      operands[0] = tangent_or_zero(n.operands[0]);
      operands[1] = tangent_or_zero(n.operands[1]);
      return again(operands);
    }
    case Op::concat: {
      bool any = false;
      for (Value v : n.operands) any |= tangent(v) != kNoValue;
      if (!any) return kNoValue;
      std::vector<Value> operands;
      for (Value v : n.operands) operands.push_back(tangent_or_zero(v));
      return again(operands);
    }
    case Op::reduce: {
      if (t == kNoValue) return t;
      const auto& a = n.get<ReduceAttr>();
      const Value x = primal(n.operands[0]);
      switch (a.kind) {
        case ReduceKind::sum:
          return linear();
        case ReduceKind::prod:
          return sum_over(b_, b_.one(Op::mul, {t, product_of_others(b_, x, a.axes)}), a.axes);
        case ReduceKind::max:
        case ReduceKind::min: {
          const Value wins = first_winner(b_, a.kind, x, a.axes);
          return sum_over(b_, b_.one(Op::select, {wins, t, b_.zeros(b_.type(x))}), a.axes);
        }
        case ReduceKind::any:
        case ReduceKind::all:
          break;
      }
      bug("a bool carries no derivative");
    }
    case Op::scan: {
      if (t == kNoValue) return t;
      const auto& a = n.get<ScanAttr>();
      const Value x = primal(n.operands[0]), y = primal(n.results[0]);
      switch (a.kind) {
        case ReduceKind::sum:
          return linear();
        case ReduceKind::prod:
          return scan_prod_tangent(b_, x, y, t, a);
        case ReduceKind::max:
        case ReduceKind::min:
          return gather_along(b_, t, scan_winner(b_, y, a), a.axis);
        case ReduceKind::any:
        case ReduceKind::all:
          break;
      }
      bug("a bool carries no derivative");
    }
    case Op::contract: {
      const Value u = tangent(n.operands[1]);
      Value sum = kNoValue;
      if (t != kNoValue) sum = again({t, primal(n.operands[1])});
      if (u == kNoValue) return sum;
      const Value part = again({primal(n.operands[0]), u});
      return sum == kNoValue ? part : b_.one(Op::add, {sum, part});
    }
    case Op::sort:
      if (t == kNoValue) return t;
      return gather_along(b_, t, primal(n.results[1]), n.get<AxisAttr>().axis);
    case Op::map:
    case Op::scatter:
      return point_tangent(
          b_, source_, n, [&](Value v) { return primal(v); }, [&](Value v) { return tangent(v); });
    case Op::constant:
    case Op::iota:
    case Op::size:
    case Op::arg_reduce:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::stop_gradient:
      return kNoValue;
    case Op::read:
      bug("a read stands outside map and scatter");
    case Op::call:
    case Op::derive:
    case Op::if_:
    case Op::for_:
    case Op::while_:
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end:
    case Op::host:
#define SCALAR(name, arity, cls) case Op::name:
      TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      break;
  }
  bug("not a structural operation");
}

void Forward::branch(const Node& n) {
  std::vector<size_t> active;
  for (size_t k = 0; k < n.results.size(); ++k)
    if (activity_.active(n.results[k])) active.push_back(k);
  std::vector<Region> regions;
  for (const Region& r : n.regions) {
    b_.open({});
    nodes(r);
    b_.at(n.loc);
    std::vector<Value> out = copy_.values(r.results);
    for (size_t k : active) out.push_back(tangent_or_zero(r.results[k]));
    regions.push_back(b_.close(out));
  }
  b_.at(n.loc);
  const auto results = b_.emit(n.op, copy_.values(n.operands), {}, std::move(regions)).results;
  for (size_t k = 0; k < n.results.size(); ++k) copy_.map[n.results[k]] = results[k];
  for (size_t i = 0; i < active.size(); ++i)
    tangent_[n.results[active[i]]] = results[n.results.size() + i];
}

void Forward::loop(const Node& n) {
  const size_t first_operand = n.op == Op::for_ ? 2 : 0, first_param = n.op == Op::for_;
  std::vector<size_t> active;
  std::vector<Type> more;
  std::vector<Value> operands = copy_.values(n.operands);
  for (size_t k = 0; k < n.results.size(); ++k) {
    if (!activity_.active(n.results[k])) continue;
    active.push_back(k);
    more.push_back(source_.type(n.results[k]));
    operands.push_back(tangent_or_zero(n.operands[first_operand + k]));
  }
  std::vector<Region> regions;
  if (n.op == Op::while_) regions.push_back(copy_.region(n.regions[0], more));
  const Region& body = n.regions.back();
  std::vector<Type> types = copy_.types(body.params);
  types.insert(types.end(), more.begin(), more.end());
  const std::vector<Value> params = b_.open(types);
  for (size_t i = 0; i < body.params.size(); ++i) copy_.map[body.params[i]] = params[i];
  for (size_t i = 0; i < active.size(); ++i)
    tangent_[body.params[first_param + active[i]]] = params[body.params.size() + i];
  nodes(body);
  b_.at(n.loc);
  std::vector<Value> out = copy_.values(body.results);
  for (size_t k : active) out.push_back(tangent_or_zero(body.results[k]));
  regions.push_back(b_.close(out));
  const auto results = b_.emit(n.op, operands, {}, std::move(regions)).results;
  for (size_t k = 0; k < n.results.size(); ++k) copy_.map[n.results[k]] = results[k];
  for (size_t i = 0; i < active.size(); ++i)
    tangent_[n.results[active[i]]] = results[n.results.size() + i];
}

void Forward::call(const Node& n) {
  PairKey key{memo_.callee(n), {}, {}};
  std::vector<Value> operands = copy_.values(n.operands);
  for (size_t i = 0; i < n.operands.size(); ++i) {
    if (!activity_.active(n.operands[i])) continue;
    key.params.push_back(int(i));
    operands.push_back(tangent_or_zero(n.operands[i]));
  }
  for (size_t k = 0; k < n.results.size(); ++k)
    if (activity_.active(n.results[k])) key.results.push_back(int(k));
  const FnId fn = called_at(n.loc, [&] { return memo_.tangent(key).fn; });
  b_.at(n.loc);
  CallAttr attr{fn, memo_.sizes(n), {}};
  if (n.op == Op::call) attr.fresh = n.get<CallAttr>().fresh;
  const auto results = b_.emit(Op::call, operands, attr).results;
  for (size_t k = 0; k < n.results.size(); ++k) copy_.map[n.results[k]] = results[k];
  for (size_t i = 0; i < key.results.size(); ++i)
    tangent_[n.results[key.results[i]]] = results[n.results.size() + i];
}

}  // namespace tenon::ir
