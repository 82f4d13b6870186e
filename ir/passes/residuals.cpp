// Keeping and rebuilding forward values for backward code (residuals.h).

#include "ir/passes/residuals.h"

#include <algorithm>

namespace tenon::ir {
namespace {

constexpr int kRebuildNodes = 4;
constexpr int kNever = 1000;

// How a node may be emitted again: not at all; from nothing; from its operand, which is no larger
// and is kept instead; or only from operands that backward code has anyway.
enum class Again : uint8_t { never, leaf, view, cheap };

Again again(Op op) {
  switch (op) {
    case Op::constant:
    case Op::iota:
    case Op::size:
      return Again::leaf;
    case Op::broadcast:
    case Op::reshape:
    case Op::transpose:
      return Again::view;
    case Op::stop_gradient:  // what it hides may be flat, and must not be kept in its place
    case Op::slice:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::abs:
    case Op::min:
    case Op::max:
    case Op::eq:
    case Op::lt:
    case Op::le:
    case Op::and_:
    case Op::or_:
    case Op::xor_:
    case Op::not_:
    case Op::shl:
    case Op::shr:
    case Op::select:
    case Op::convert:
    case Op::div:
    case Op::rng:
      return Again::cheap;
    case Op::rem:  // costs more than its bytes, as do those that follow
    case Op::fma:
    case Op::pow:
    case Op::floor:
    case Op::ceil:
    case Op::trunc:
    case Op::round:
    case Op::sqrt:
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::sin:
    case Op::cos:
    case Op::tanh:
    case Op::erf:
    case Op::atan2:
    case Op::update:
    case Op::retype:
    case Op::concat:
    case Op::reduce:
    case Op::arg_reduce:
    case Op::scan:
    case Op::contract:
    case Op::sort:
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
      return Again::never;
  }
  return Again::never;
}

}  // namespace

void Residuals::defined(const Node& node, Frame& frame) {
  for (Value v : node.results) home_[v] = &frame;
  if (frame.kind == Frame::direct || again(node.op) == Again::never) return;
  // Dividing whole numbers can trap, which forward code has done already.
  if (node.op == Op::div && !is_float(forward_.type(node.results[0]).dtype)) return;
  cheap_.emplace(node.results[0], node);
}

Value& Residuals::tape(Frame& frame) {
  if (frame.tape == kNoValue) {
    frame.tape = frame.kind == Frame::direct ? forward_.one(Op::tape_new, {})
                                             : forward_.fn().new_value(tape_type());
    frame.tape_in = frame.tape;
  }
  return frame.tape;
}

Value& Residuals::back_tape(Frame& frame) {
  if (frame.back_tape == kNoValue) {
    if (frame.kind == Frame::direct) {
      frame.back_tape = tape(frame);  // where forward code left it
    } else {
      frame.popped = frame.back_tape = backward_.fn().new_value(tape_type());
    }
  }
  return frame.back_tape;
}

DimId Residuals::dim(DimId d) {
  DimSubst subst;
  for (SymId s : memo_.module().dims.symbols(d)) {
    auto home = size_home_.find(s);
    if (home == size_home_.end() || home->second->kind != Frame::taped) continue;
    auto [it, first] = size_here_.try_emplace(s, 0);
    if (first) {
      Dims& dims = memo_.module().dims;
      const Symbol info = dims.symbol_info(s);
      it->second = dims.fresh(info.name, info.where, false);
      home->second->saved_sizes.emplace_back(s, it->second);
    }
    subst.emplace_back(s, memo_.module().dims.symbol(it->second));
  }
  return subst.empty() ? d : memo_.module().dims.substitute(d, subst);
}

Type Residuals::type(Type t) {
  for (DimId& d : t.shape) d = dim(d);
  return t;
}

bool Residuals::at_hand(Value forward, const Frame& frame) const {
  const auto home = home_.find(forward);
  if (home == home_.end() || home->second->kind == Frame::direct) return true;
  if (forward == home->second->index) return true;
  if (home->second->kind == Frame::results && home->second->given.count(forward)) return true;
  for (const Frame* f = &frame; f; f = f->parent) {
    if (f->here.count(forward)) return true;
    if (f == home->second) break;
  }
  return false;
}

// The number of nodes it takes to have the value in backward code without keeping it.
int Residuals::rebuild_cost(Value forward, Frame& frame, int budget) {
  if (at_hand(forward, frame)) return 0;
  const auto node = cheap_.find(forward);
  if (budget == 0 || node == cheap_.end()) return kNever;
  int cost = 1;
  switch (again(node->second.op)) {
    case Again::never:
      return kNever;
    case Again::leaf:
      break;
    case Again::view: {
      const int base = rebuild_cost(node->second.operands[0], frame, budget - 1);
      cost += base == kNever ? 0 : base;
      break;
    }
    case Again::cheap:
      for (Value v : node->second.operands) {
        cost += rebuild_cost(v, frame, budget - 1);
        if (cost > budget) return kNever;
      }
      break;
  }
  return cost <= budget ? cost : kNever;
}

Value Residuals::rebuild(Value forward, Frame& frame) {
  const Node& node = cheap_.at(forward);
  std::vector<Value> operands;
  for (Value v : node.operands) operands.push_back(need(v, frame));
  const Loc before = backward_.at();
  backward_.at(node.loc);
  const Value v =
      backward_.one(node.op, std::move(operands),
                    with_dims(memo_.module(), node.attr, [&](DimId d) { return dim(d); }));
  backward_.at(before);
  return v;
}

Value Residuals::need(Value forward, Frame& frame) {
  const auto found = home_.find(forward);
  require(found != home_.end(), "backward code asks for a value that no body has");
  Frame& home = *found->second;
  if (home.kind == Frame::direct) return forward;
  for (Frame* f = &frame; f; f = f->parent) {
    if (auto it = f->here.find(forward); it != f->here.end()) return it->second;
    if (f == &home) break;
  }
  if (forward == home.index) {
    const Value sum = backward_.one(Op::add, {need(home.lo, frame), need(home.hi, frame)});
    const Value last = backward_.one(Op::sub, {sum, backward_.integer(1)});
    return frame.here[forward] = backward_.one(Op::sub, {last, home.turn});
  }
  // A function's own parameter costs nothing and is no node either: it is carried like a residual.
  if (cheap_.count(forward) && rebuild_cost(forward, frame, kRebuildNodes) != kNever)
    return frame.here[forward] = rebuild(forward, frame);
  const Value stand_in = backward_.fn().new_value(type(forward_.type(forward)));
  home.saved.emplace_back(forward, stand_in);
  return home.here[forward] = stand_in;
}

Value Residuals::drop(Value after, Frame& frame, Value before) {
  auto find = [&](Value v) {
    return std::find_if(frame.saved.begin(), frame.saved.end(),
                        [&](const auto& s) { return s.first == v; });
  };
  const auto kept = find(after);
  if (after == before || kept == frame.saved.end() || find(before) == frame.saved.end())
    return kNoValue;
  const Value stand_in = kept->second;
  frame.saved.erase(kept);
  return stand_in;
}

void Residuals::push_saved(Frame& frame) {
  std::vector<int>& slots = slots_[&frame];
  auto push = [&](Value v) {
    slots.push_back(memo_.fresh_slot());
    Value& t = tape(frame);
    t = forward_.one(Op::push, {t, v}, SlotAttr{slots.back(), forward_.type(v)});
  };
  for (const auto& [forward, stand_in] : frame.saved) push(forward);
  for (const auto& [size, stand_in] : frame.saved_sizes)
    push(forward_.size(memo_.module().dims.symbol(size)));
}

Value Residuals::pop_saved(Frame& frame, std::vector<Node>& nodes, Loc loc) {
  if (frame.tape == kNoValue) return kNoValue;
  const Value behind = [&] {
    back_tape(frame);
    return frame.popped;
  }();
  const size_t sizes = frame.saved_sizes.size(), count = frame.saved.size() + sizes;
  if (count == 0) return behind;
  Function& fn = backward_.fn();
  const std::vector<int>& slots = slots_.at(&frame);
  const Value start = fn.new_value(tape_type());
  Value tape = start;
  auto pop = [&](size_t i, Value v) {
    const Value next = i == 0 ? behind : fn.new_value(tape_type());
    nodes.push_back({Op::pop, {tape}, {next, v}, SlotAttr{slots[i], fn.type(v)}, {}, loc});
    tape = next;
  };
  for (size_t i = sizes; i-- > 0;) {
    const Value number = fn.new_value(scalar_type(DType::i64));
    pop(frame.saved.size() + i, number);
    nodes.push_back({Op::bind_dim, {number}, {}, BindAttr{frame.saved_sizes[i].second}, {}, loc});
  }
  for (size_t i = frame.saved.size(); i-- > 0;) pop(i, frame.saved[i].second);
  return start;
}

}  // namespace tenon::ir
