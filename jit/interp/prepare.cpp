// Flattening: regions become jumps, values get slots, and last uses become moves and drops.
#include "jit/interp/prepare.h"

#include <algorithm>

#include "jit/interp/handlers.h"

namespace tenon::interp {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

bool Dying::has(Value v) const {
  return std::find(values_.begin(), values_.end(), v) != values_.end();
}

bool Dying::take(Value v) {
  auto it = std::find(values_.begin(), values_.end(), v);
  if (it == values_.end()) return false;
  values_.erase(it);
  return true;
}

Preparer::Preparer(ir::Module& module, const ir::Function& fn)
    : module_(module), fn_(fn), code_(std::make_unique<Prepared>()) {
  slot_of_.assign(fn.types.size(), ~0u);
  last_.assign(fn.types.size(), -1);
  owner_.assign(fn.types.size(), 0);
  use_count_.assign(fn.types.size(), 0);
  splat_.assign(fn.types.size(), ir::kNoValue);
  needed_whole_.assign(fn.types.size(), 0);
  def_.assign(fn.types.size(), nullptr);
  element_.assign(fn.types.size(), 0);
}

std::unique_ptr<Prepared> Preparer::run() {
  code_->fn = &fn_;
  loc_ = fn_.loc;
  for (SymId s : fn_.sizes) code_->sizes.push_back(symbol_slot(s));
  for (Value v : fn_.body.params) {
    define(v);
    code_->params.push_back(borrow(v));
  }
  std::function<void(const Region&)> count = [&](const Region& r) {
    for (const Node& n : r.nodes) {
      for (Value v : n.operands) {
        ++use_count_[v];
        if (!is_point(n)) needed_whole_[v] = 1;
      }
      for (Value v : n.results) def_[v] = &n;
      if (n.op == Op::broadcast && rank0(n.operands[0])) splat_[n.results[0]] = n.operands[0];
      for (const Region& inner : n.regions) count(inner);
    }
    for (Value v : r.results) {
      ++use_count_[v];
      needed_whole_[v] = 1;
    }
  };
  count(fn_.body);
  find_elements();
  region(fn_.body, fn_.body.params, [&](Dying& dying) {
    auto* results = own(uses(fn_.body.results, dying));
    emit(run_return).data = results;
  });
  return std::move(code_);
}

// ---------------------------------------------------------------- slots

SlotKind Preparer::kind(Value v) const {
  const ir::Type& t = type(v);
  if (t.tape) return SlotKind::tape;
  return t.shape.empty() || element_[v] ? SlotKind::scalar : SlotKind::tensor;
}

uint32_t Preparer::new_slot(SlotKind kind) {
  auto& list = free_[static_cast<int>(kind)];
  if (!list.empty()) {
    uint32_t s = list.back();
    list.pop_back();
    return s;
  }
  code_->kinds.push_back(kind);
  code_->start.push_back(Slot{});
  return static_cast<uint32_t>(code_->kinds.size() - 1);
}

void Preparer::free_slot(uint32_t slot) {
  free_[static_cast<int>(code_->kinds[slot])].push_back(slot);
}

uint32_t Preparer::pinned_slot(Slot start) {
  code_->kinds.push_back(SlotKind::scalar);
  code_->start.push_back(start);
  auto slot = static_cast<uint32_t>(code_->kinds.size() - 1);
  pinned_.insert(slot);
  return slot;
}

uint32_t Preparer::define(Value v) { return slot_of_[v] = new_slot(kind(v)); }

uint32_t Preparer::slot(Value v) const {
  require(slot_of_[v] != ~0u, "a value is used before it is defined");
  return slot_of_[v];
}

uint32_t Preparer::symbol_slot(SymId s) {
  for (auto& [sym, slot] : code_->symbols)
    if (sym == s) return slot;
  uint32_t slot = pinned_slot({});
  code_->symbols.emplace_back(s, slot);
  return slot;
}

SizeRef Preparer::size_ref(DimId d) {
  if (auto v = module_.dims.value(d)) return {SizeRef::number, *v};
  if (auto s = module_.dims.as_symbol(d)) return {SizeRef::slot, symbol_slot(*s)};
  auto start = static_cast<int64_t>(code_->size_code.size());
  size_code(d);
  code_->size_code.push_back({SizeOp::end, 0});
  return {SizeRef::program, start};
}

void Preparer::size_code(DimId d) {
  auto put = [&](SizeOp::Kind k, int64_t v = 0) { code_->size_code.push_back({k, v}); };
  const Dims::Poly poly = module_.dims.poly(d);
  put(SizeOp::push, poly.constant);
  for (const Dims::Term& term : poly.terms) {
    put(SizeOp::push, term.coefficient);
    for (const Dims::Atom& atom : term.atoms) {
      if (atom.kind == Dims::Atom::sym) {
        put(SizeOp::load, symbol_slot(atom.s));
      } else {
        size_code(atom.a);
        size_code(atom.b);
        put(atom.kind == Dims::Atom::floordiv ? SizeOp::floordiv
            : atom.kind == Dims::Atom::min    ? SizeOp::min
                                              : SizeOp::max);
      }
      put(SizeOp::mul);
    }
    put(SizeOp::add);
  }
}

ShapeRef Preparer::shape_ref(const std::vector<DimId>& shape) {
  ShapeRef r;
  for (DimId d : shape) r.axes.push_back(size_ref(d));
  return r;
}

// ---------------------------------------------------------------- instructions

Instr& Preparer::emit(Handler h, uint32_t out, uint32_t a, uint32_t b, uint32_t c) {
  Instr in;
  in.run = h;
  in.a = a;
  in.b = b;
  in.c = c;
  in.out = out;
  code_->instrs.push_back(in);
  code_->locs.push_back(loc_);
  code_->nodes.push_back(node_);
  return code_->instrs.back();
}

// The last place of a value in the list is the one that may move it away.
std::vector<Use> Preparer::uses(const std::vector<Value>& values, Dying& dying) {
  std::vector<Use> list(values.size());
  for (size_t i = values.size(); i-- > 0;) {
    list[i] = borrow(values[i]);
    if (list[i].kind != SlotKind::scalar) list[i].dies = dying.take(values[i]);
  }
  return list;
}

void Preparer::drop(Value v) {
  switch (kind(v)) {
    case SlotKind::scalar:
      break;
    case SlotKind::tensor:
      emit(run_drop, 0, slot(v));
      break;
    case SlotKind::tape:
      emit(run_drop_tape, 0, slot(v));
      break;
  }
}

void Preparer::moves(std::vector<Move> list, Dying& dying) {
  std::erase_if(list, [&](const Move& m) {
    if (slot(m.from) != m.to) return false;
    dying.take(m.from);  // it stays where it is
    return true;
  });
  bool clash = false;
  for (size_t i = 0; i < list.size(); ++i)
    for (size_t j = 0; j < i; ++j) clash |= slot(list[i].from) == list[j].to;
  // A value that stays in its slot and is wanted elsewhere too is copied first, which is any order.
  std::vector<MoveStep> steps(list.size());
  for (size_t i = list.size(); i-- > 0;) {
    Value v = list[i].from;
    steps[i] = {slot(v), list[i].to, kind(v), kind(v) != SlotKind::scalar && dying.take(v)};
  }
  if (clash) {
    emit(run_moves).data = own(std::move(steps));
    return;
  }
  for (const MoveStep& s : steps) {
    Handler h = s.kind == SlotKind::tensor && !s.dies ? run_copy : run_move;
    require(s.kind != SlotKind::tape || s.dies, "a tape is used twice");
    if (s.kind == SlotKind::scalar) h = run_move_scalar;
    emit(h, s.to, s.from);
  }
}

// ---------------------------------------------------------------- regions

void Preparer::direct_uses(const Item& item, std::vector<Value>& out) {
  if (item.node)
    out.insert(out.end(), item.node->operands.begin(), item.node->operands.end());
  else
    out.insert(out.end(), item.uses.begin(), item.uses.end());
}

// All values that a region and those inside it use, its own included.
const std::vector<Value>& Preparer::used_in(const Region& r) {
  auto [it, fresh] = used_in_.try_emplace(&r);
  if (!fresh) return it->second;
  std::vector<Value> list = r.results;
  for (const Node& n : r.nodes) {
    for (Value v : n.operands) list.push_back(is_point(n) ? splat_of(v) : v);
    for (const Region& inner : n.regions) {
      const auto& deep = used_in(inner);
      list.insert(list.end(), deep.begin(), deep.end());
    }
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return used_in_[&r] = std::move(list);
}

namespace {
bool contains(const std::vector<Value>& sorted, Value v) {
  return std::binary_search(sorted.begin(), sorted.end(), v);
}
}  // namespace

// `owned`: values from outside whose end this region has to see to (parameters, or what an `if`
// hands to its branches); their slots belong to whoever defined them.
void Preparer::region(const Region& r, const std::vector<Value>& owned, const Finish& finish) {
  const uint32_t self = ++regions_;
  const std::vector<Item> items = plan(r);
  const int n = static_cast<int>(items.size());
  auto mine = [&](Value v) {
    owner_[v] = self;
    last_[v] = -1;
  };
  auto defs = [](const Item& item) -> const std::vector<Value>& {
    return item.node ? item.node->results : item.defs;
  };
  for (Value v : owned) mine(v);
  for (const Item& item : items)
    for (Value v : defs(item)) mine(v);
  std::vector<std::vector<Value>> ends(n + 1);
  {
    std::vector<Value> here;
    auto use = [&](Value v, int k) {
      if (owner_[v] == self) last_[v] = k;
    };
    for (int k = 0; k < n; ++k) {
      here.clear();
      direct_uses(items[k], here);
      for (Value v : here) use(v, k);
      if (items[k].node)
        for (const Region& inner : items[k].node->regions)
          for (Value v : used_in(inner)) use(v, k);
    }
    for (Value v : r.results) use(v, n);
  }
  std::set<Value> local;
  std::vector<Value> unused;
  for (Value v : owned) (last_[v] < 0 ? unused : ends[last_[v]]).push_back(v);
  std::vector<std::vector<Value>> unused_defs(n);
  for (int k = 0; k < n; ++k)
    for (Value v : defs(items[k])) {
      local.insert(v);
      (last_[v] < 0 ? unused_defs[k] : ends[last_[v]]).push_back(v);
    }
  auto release = [&](Value v) {
    if (local.contains(v) && slot_of_[v] != ~0u && !pinned_.contains(slot_of_[v]))
      free_slot(slot_of_[v]);
  };

  for (Value v : unused) drop(v);
  for (int k = 0; k < n; ++k) {
    Dying dying(ends[k]);
    const Item& item = items[k];
    if (item.node) {
      loc_ = item.node->loc;
      node_ = item.node;
      compact_views(*item.node, k, dying, local);
      node(*item.node, dying);
      loc_ = item.node->loc;
    } else {
      loc_ = item.group.front()->loc;
      group(item, dying);
    }
    node_ = nullptr;
    for (Value v : dying.left()) drop(v);
    for (Value v : unused_defs[k]) {
      drop(v);
      release(v);
    }
    for (Value v : ends[k]) release(v);
  }
  Dying dying(ends[n]);
  finish(dying);
  for (Value v : dying.left()) drop(v);
  for (Value v : ends[n]) release(v);
}

// Where a tensor is changed in place or grows: what looks at a part of it and is used later (item k is at
// hand) would keep it from that, and a copy of the whole in every turn of a loop would be quadratic.
void Preparer::compact_views(const Node& n, int k, const Dying& dying, const std::set<Value>& local) {
  if ((n.op != Op::update && n.op != Op::concat) || !dying.has(n.operands[0])) return;
  auto source = [&](Value v, bool* part) {
    for (const Node* d = def_[v]; d; d = def_[v]) {
      if (d->op == Op::slice)
        *part = true;
      else if (d->op != Op::reshape && d->op != Op::transpose && d->op != Op::retype)
        break;
      v = d->operands[0];
    }
    return v;
  };
  bool whole = false;
  const Value changed = source(n.operands[0], &whole);
  for (Value v : local) {
    bool part = false;
    if (last_[v] > k && slot_of_[v] != ~0u && kind(v) == SlotKind::tensor && source(v, &part) == changed && part)
      emit(run_compact, 0, slot(v));
  }
}

// ---------------------------------------------------------------- control

void Preparer::node(const Node& n, Dying& dying) {
  if (n.op == Op::if_) return if_node(n, dying);
  if (n.op == Op::for_) return for_node(n, dying);
  if (n.op == Op::while_) return while_node(n, dying);
  if (n.op == Op::call) return call_node(n, dying);
  if (n.op == Op::map || n.op == Op::scatter) return map_node(n, dying);
  // The operations, which prepare_ops.cpp lists exhaustively.
  if (ir::is_scalar(n.op) && rank0(n.results[0]))
    scalar_node(n);
  else
    tensor_node(n, dying);
}

void Preparer::if_node(const Node& n, Dying& dying) {
  std::vector<Value> outer;  // what ends in the branches
  for (Value v : dying.left())
    if (kind(v) != SlotKind::scalar) outer.push_back(v);
  for (Value v : outer) dying.take(v);
  for (Value v : n.results) define(v);
  int to_else = here();
  emit(run_if, 0, slot(n.operands[0]));
  int to_end = 0;
  for (int branch = 0; branch < 2; ++branch) {
    const Region& r = n.regions[branch];
    loc_ = n.loc;
    if (branch == 1) {
      to_end = here();
      emit(run_jump);
      land(to_else);
    }
    const auto& used = used_in(r);
    std::vector<Value> handed;
    for (Value v : outer) {
      if (contains(used, v))
        handed.push_back(v);
      else
        drop(v);
    }
    region(r, handed, [&](Dying& last) {
      std::vector<Move> list;
      for (size_t i = 0; i < n.results.size(); ++i)
        list.push_back({r.results[i], slot(n.results[i])});
      moves(std::move(list), last);
    });
  }
  land(to_end);
}

std::vector<uint32_t> Preparer::carries(const Node& n, size_t first, Dying& dying) {
  std::vector<uint32_t> slots;
  std::vector<Move> list;
  for (size_t i = 0; i < n.results.size(); ++i) {
    slots.push_back(define(n.results[i]));
    list.push_back({n.operands[first + i], slots.back()});
  }
  // What the loop reads itself is copied into the carry and lives until the loop ends.
  std::vector<Value> movable;
  for (Value v : dying.left()) {
    bool inside = false;
    for (const Region& r : n.regions) inside |= contains(used_in(r), v);
    if (!inside) movable.push_back(v);
  }
  Dying of_inits(movable);
  moves(std::move(list), of_inits);
  for (Value v : movable)
    if (!of_inits.has(v)) dying.take(v);
  return slots;
}

void Preparer::for_node(const Node& n, Dying& dying) {
  const Region& body = n.regions[0];
  std::vector<uint32_t> slots = carries(n, 2, dying);
  uint32_t counter = define(body.params[0]);
  std::vector<Value> owned(body.params.begin() + 1, body.params.end());
  for (size_t i = 0; i < owned.size(); ++i) slot_of_[owned[i]] = slots[i];
  int begin = here();
  emit(run_for_begin, counter, slot(n.operands[0]), slot(n.operands[1]));
  int top = here();
  region(body, owned, [&](Dying& last) {
    std::vector<Move> list;
    for (size_t i = 0; i < slots.size(); ++i) list.push_back({body.results[i], slots[i]});
    moves(std::move(list), last);
  });
  loc_ = n.loc;
  int next = here();
  emit(run_for_next, counter, 0, slot(n.operands[1])).jump = top - next;
  land(begin);
  free_slot(counter);
}

void Preparer::while_node(const Node& n, Dying& dying) {
  const Region &cond = n.regions[0], &body = n.regions[1];
  std::vector<uint32_t> slots = carries(n, 0, dying);
  for (size_t i = 0; i < slots.size(); ++i) {
    slot_of_[cond.params[i]] = slots[i];
    slot_of_[body.params[i]] = slots[i];
  }
  int top = here(), leave = 0;
  region(cond, {}, [&](Dying&) {
    leave = here();
    emit(run_if, 0, slot(cond.results[0]));
  });
  region(body, body.params, [&](Dying& last) {
    std::vector<Move> list;
    for (size_t i = 0; i < slots.size(); ++i) list.push_back({body.results[i], slots[i]});
    moves(std::move(list), last);
  });
  loc_ = n.loc;
  int back = here();
  emit(run_again).jump = top - back;
  land(leave);
}

void Preparer::call_node(const Node& n, Dying& dying) {
  const auto& attr = n.get<ir::CallAttr>();
  Call call;
  call.fn = attr.fn;
  call.counted = module_.fn(attr.fn).recursive;
  call.boundary = fn_.effect;
  call.args = uses(n.operands, dying);
  for (DimId d : attr.dims) call.sizes.push_back(size_ref(d));
  for (auto& [theirs, ours] : attr.fresh) {
    call.fresh_theirs.push_back(theirs);
    call.fresh.emplace_back(0, symbol_slot(ours));
  }
  for (Value v : n.results) {
    define(v);
    call.results.push_back(borrow(v));
  }
  for (Value v : module_.fn(attr.fn).body.params) call.has_tape |= module_.fn(attr.fn).type(v).tape;
  const ir::Function& callee = module_.fn(attr.fn);
  for (Value v : callee.body.results)
    call.has_tape |= callee.type(v).tape || callee.type(v).unsized(module_.dims);
  for (auto& [theirs, ours] : attr.fresh) {
    const size_t before = call.told.size();
    for (size_t i = 0; i < callee.body.results.size(); ++i) {
      const auto& shape = callee.type(callee.body.results[i]).shape;
      for (size_t k = 0; k < shape.size() && call.told.size() == before; ++k)
        if (shape[k] == module_.dims.symbol(theirs)) call.told.push_back({i, k, symbol_slot(ours)});
    }
    call.has_tape |= call.told.size() == before;
  }
  emit(run_call).data = own(std::move(call));
}

}  // namespace tenon::interp
