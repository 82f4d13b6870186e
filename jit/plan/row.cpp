// Row groups: softmax, normalisations, losses. One kernel goes over the rows; each reduction is the
// border of a pass over the row, which stays in the cache. The orders of accumulation are those of
// the reductions by themselves (docs/semantics.md), so the bits are.
#include "jit/plan/row.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "ir/cost.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::Bind;
using loop::kNone;

namespace {

constexpr int64_t kChunk = 16384;
constexpr int kAlways = INT_MAX;  // a slot that is read behind the last pass

}  // namespace

void FunctionLowering::row_group(const Group& g) {
  const Node* anchor = nullptr;
  for (const Node* n : g.nodes)
    if (!anchor && row_reduce(fn_, *n)) anchor = n;
  require(anchor, "a row group without a reduction");
  const std::vector<DimId> space = type(anchor->operands[0]).shape;
  Rows rows(*this, g.nodes, space);
  rows.place_in_memory();
  KernelBuilder k(*this);
  rows.emit(k, k.lo(), k.hi());
  const std::vector<DimId> outer(space.begin(), space.end() - 1);
  k.launch(count(outer), x_.mul(extent(space.back()), x_.i64(k.cost)));
  rows.finish();
}

// ---- the values, the pass of each, and the last pass that wants it
Rows::Rows(FunctionLowering& driver, std::vector<const Node*> nodes, std::vector<DimId> space,
           const std::set<Value>& made)
    : driver_(driver), nodes_(std::move(nodes)), space_(std::move(space)), made_(made) {
  Dims& dims = driver_.unit_.dims;
  outer_.assign(space_.begin(), space_.end() - 1);
  row_ = space_.back();
  one_ = dims.constant(1);
  for (const Node* n : nodes_) {
    Item item;
    item.node = n;
    item.role = row_role(driver_.fn_, dims, *n, space_);
    require(item.role != RowRole::none, "a node that does not fit its row group");
    item.wide = item.role == RowRole::wide || item.role == RowRole::spread ||
                (item.role == RowRole::same && driver_.type(n->results[0]).shape == space_);
    bool in_heavy = false;
    int heavy_stage = 0;
    for (Value v : n->operands) {
      auto [it, fresh_value] = items_.try_emplace(v);
      Item& in = it->second;
      if (fresh_value) {  // read from outside
        in.wide = driver_.type(v).shape == space_;
        if (!made_.contains(v) && driver_.place(v).kind == Place::memory) {
          in.address = driver_.place(v).e;
          in.strides = driver_.place(v).strides;
          in.stored = true;
        }
      }
      item.stage = std::max(item.stage, in.stage);
      in_heavy |= in.node && in.heavy && in.wide;
      if (in.node && in.heavy && in.wide) heavy_stage = std::max(heavy_stage, in.stage);
    }
    // What is made of a heavy value in its own pass is as heavy; in a later one it finds it in
    // memory.
    if (item.role == RowRole::wide)
      item.heavy = ir::cost_of(n->op) >= 4 || (in_heavy && heavy_stage == item.stage);
    for (Value v : n->operands) {
      Item& in = items_.at(v);
      in.last_stage = std::max(in.last_stage, item.stage);
    }
    if (item.role == RowRole::reduce) ++item.stage;
    item.last_stage = item.stage;
    stages_ = std::max(stages_, item.stage);
    order_.push_back(n->results[0]);
    items_[n->results[0]] = item;
  }
  // What is computed again in a later pass wants its operands there too.
  for (size_t i = order_.size(); i-- > 0;) {
    Item& item = items_.at(order_[i]);
    if (item.role == RowRole::reduce || !item.wide || item.heavy || item.last_stage == item.stage)
      continue;
    for (Value v : item.node->operands) {
      Item& in = items_.at(v);
      in.last_stage = std::max(in.last_stage, item.last_stage);
    }
  }
  for (Value v : made_) items_[v].wide = true;
}

bool Rows::outside(Value v) const {
  const auto& frame = driver_.frames_.back();
  auto it = frame.last.find(v);
  return it != frame.last.end() && it->second > frame.at && !frame.again.contains(v);
}

bool Rows::look(Value v) const {
  const Item& item = items_.at(v);
  return item.role == RowRole::spread || item.role == RowRole::same;
}

int Rows::slot_of(Value v) const { return items_.at(v).slot; }

const Place& Rows::place_of(Value v) const {
  for (const auto& [o, p] : outs_)
    if (o == v) return p;
  bug("a value of a row group that is not in memory");
}

// ---------------------------------------------------------------- where elements lie

// What has to come out. A broadcast or reshape that is used outside is made of its operand.
void Rows::find_wanted() {
  for (size_t i = order_.size(); i-- > 0;) {
    Value v = order_[i];
    if (!outside(v) && !wanted_.contains(v)) continue;
    wanted_.insert(v);
    if (look(v) && items_.at(items_.at(v).node->operands[0]).node)
      wanted_.insert(items_.at(v).node->operands[0]);
  }
}

void Rows::result_in_memory(Value v) {
  Item& item = items_.at(v);
  Place p = driver_.allocate(driver_.type(v));
  item.address = p.e;
  item.stored = true;
  if (item.wide) item.strides = driver_.row_major(space_);
  outs_.emplace_back(v, std::move(p));
}

// Heavy values that a later pass wants lie in the memory of a result of a still later pass, or in
// memory of their own.
void Rows::place_in_memory() {
  find_wanted();
  for (Value v : order_)
    if (wanted_.contains(v) && !look(v)) result_in_memory(v);
  const std::vector<DimId> flat = driver_.row_major(space_);
  std::set<int> reducing;  // passes that end in a reduction
  for (Value v : order_)
    if (items_.at(v).role == RowRole::reduce) reducing.insert(items_.at(v).stage - 1);
  std::set<Value> lent;  // results where another's elements lie before
  for (Value v : order_) {
    Item& item = items_.at(v);
    if (!item.wide || item.stored || !item.heavy || item.last_stage == item.stage) continue;
    if (item.role != RowRole::wide) continue;
    for (auto& [o, p] : outs_) {
      const Item& out = items_.at(o);
      if (!out.wide || lent.contains(o) ||
          size_of(driver_.type(o).dtype) != size_of(driver_.type(v).dtype))
        continue;
      if (out.stage < item.last_stage ||
          (out.stage == item.last_stage && reducing.contains(out.stage)) || out.stage == item.stage)
        continue;
      lent.insert(o);
      if (item.last_stage == out.stage) replaced_[out.stage].push_back(v);
      item.address = out.address;
      break;
    }
    if (item.address == kNone) item.address = driver_.allocate(driver_.type(v)).e;
    item.strides = flat;
    item.stored = true;
  }
  partial_results();
}

void Rows::place_in_slots(const std::set<Value>& taken) {
  find_wanted();
  taken_ = taken;
  for (Value v : made_) {
    if (outside(v))
      result_in_memory(v);
    else
      take_slot(v, -1, items_.at(v).last_stage);
  }
  for (Value v : order_) {
    Item& item = items_.at(v);
    if (wanted_.contains(v) && !look(v)) {
      result_in_memory(v);
    } else if (taken_.contains(v)) {
      take_slot(v, item.stage, kAlways);
    } else if (item.role == RowRole::wide && item.heavy && item.last_stage != item.stage) {
      take_slot(v, item.stage, item.last_stage);
    }
  }
  partial_results();
}

// Whether a pass may write where a value lies that it reads: it is one loop, so each element is read
// before it is written. (Several reductions in a pass, or one and results besides, are several.)
bool Rows::hands_over(int stage) const {
  const Item* fold = nullptr;
  for (Value v : order_) {
    const Item& item = items_.at(v);
    if (item.role != RowRole::reduce || item.stage != stage + 1) continue;
    if (fold) return false;
    fold = &item;
  }
  if (!fold) return true;
  std::set<Value> met;
  std::function<void(Value)> meet = [&](Value v) {
    const Item& item = items_.at(v);
    if (!item.node || !item.wide || !met.insert(v).second) return;
    if (item.heavy && item.stage < stage) return;
    for (Value o : item.node->operands) meet(o);
  };
  meet(fold->node->operands[0]);
  for (Value v : order_) {
    const Item& item = items_.at(v);
    const bool kept = wanted_.contains(v) || taken_.contains(v) ||
                      (item.heavy && item.last_stage != item.stage);
    if (item.wide && item.stage == stage && kept && !met.contains(v)) return false;
  }
  return true;
}

void Rows::take_slot(Value v, int from, int to) {
  Item& item = items_.at(v);
  const DType t = driver_.type(v).dtype;
  item.stored = true;
  item.strides.assign(space_.size(), driver_.unit_.dims.constant(0));
  item.strides[space_.size() - 2] = row_;
  item.strides.back() = one_;
  for (size_t s = 0; s < slots.size(); ++s) {
    if (size_of(slots[s].dtype) != size_of(t)) continue;
    const Lodger& before = lodgers_[s];
    if (before.to > from || (before.to == from && !hands_over(from))) continue;
    if (before.to == from) replaced_[from].push_back(before.value);
    lodgers_[s] = {v, to};
    item.slot = static_cast<int>(s);
    return;
  }
  item.slot = static_cast<int>(slots.size());
  slots.push_back({t});
  lodgers_.push_back({v, to});
}

void Rows::partial_results() {
  auto& d = driver_;
  loop::Exprs& x = d.x_;
  chunks_in_driver_ =
      d.keep(x.binary(Op::sdiv, x.add(d.extent(row_), x.i64(kChunk - 1)), x.i64(kChunk)), "chunks");
  Expr many = x.to(Op::zext, Ty::i64, x.compare(Op::lt, x.i64(1), chunks_in_driver_));
  const DimId c = d.chunks_of(row_);
  Request asked{DType::f64, 8, outer_, d.loc_};
  asked.shape.push_back(c);
  asked.shape.push_back(d.unit_.dims.min(d.unit_.dims.sub(c, one_), one_));
  Var block = d.request(
      loop::Runtime::allocate,
      {x.mul(x.mul(many, x.mul(chunks_in_driver_, d.count(outer_))), x.i64(8)), d.here()},
      std::move(asked));
  partials_ = d.whole(block, ir::scalar_type(DType::f64));
}

// ---------------------------------------------------------------- the kernel

Expr Rows::address_of(const Item& item, KernelBuilder& k, const char* name) const {
  return item.slot >= 0 ? slots[static_cast<size_t>(item.slot)].address
                        : k.param(item.address, name);
}

namespace {

// What earlier turns of a loop knew. A value that was never set is not looked at.
class Delays {
 public:
  explicit Delays(KernelBuilder& k) : k_(k) {}
  // What the variable v held at the end of the turn that lies `turns` back.
  Expr before(Var v, int turns) {
    if (turns == 0) return k_.x().var(v);
    std::vector<Var>& line = lines_[v];
    while (static_cast<int>(line.size()) < turns)
      line.push_back(k_.fresh(k_.x().fn().vars[v].ty, "before"));
    return k_.x().var(line[static_cast<size_t>(turns) - 1]);
  }
  void end_turn() {
    for (const auto& [v, line] : lines_)
      for (size_t i = line.size(); i-- > 0;) k_.set(line[i], k_.x().var(i ? line[i - 1] : v));
  }

 private:
  KernelBuilder& k_;
  std::map<Var, std::vector<Var>> lines_;
};

}  // namespace

void Rows::emit(KernelBuilder& k, Expr lo, Expr hi, std::vector<Expr> slab, Expr above) {
  Exprs& x = k.x();
  auto& d = driver_;
  Expr length = k.dim(row_);
  Expr chunks = k.param(chunks_in_driver_, "chunks");
  Expr partial_address = k.param(partials_.e, "partials");
  const bool straight = !d.unit_.options.stagger_rows;

  // The row at hand, in a pass of it: its number, its place along the axes, and where it starts in
  // each tensor.
  Expr r = kNone;
  std::vector<Expr> at;
  std::vector<Var> first_at;  // what the first pass divided
  Delays delays(k);
  auto begin_row = [&](Expr row, int stage) {
    if (above != kNone) {
      at = slab;
      at.push_back(row);
      r = k.keep(x.add(above, row), "row");
    } else {
      r = row;
      if (stage == 0 || outer_.size() == 1) {
        at = k.split(row, outer_);
      } else {
        for (size_t i = 0; i < at.size(); ++i) at[i] = delays.before(first_at[i], stage);
      }
      if (stage == 0 && outer_.size() > 1 && !straight)
        for (Expr& e : at) {
          first_at.push_back(k.fresh(Ty::i64, "at"));
          k.set(first_at.back(), e);
        }
    }
    for (auto& [v, item] : items_) {
      item.base = kNone;
      if (!item.stored || (!straight && (item.last_stage < stage || item.stage > stage))) continue;
      Expr base = x.i64(0);
      if (item.wide) {
        for (size_t i = 0; i < outer_.size(); ++i)
          base = x.add(base, x.mul(at[i], k.dim(item.strides[i])));
      } else if (item.node) {
        base = r;
      } else {  // read: its axes are the outer ones, up to axes of size 1
        const auto& shape = d.type(v).shape;
        size_t o = 0;
        for (size_t i = 0; i < shape.size(); ++i) {
          if (shape[i] == one_) continue;
          while (outer_[o] == one_) ++o;
          base = x.add(base, x.mul(at[o++], k.dim(item.strides[i])));
        }
      }
      item.base = k.keep(base, "base");
    }
  };
  int now = 0;                    // the pass at hand
  std::set<Value> done, pending;  // wide: stored in memory already, and by the pass at hand
  std::map<Value, Expr> narrow;   // in the pass at hand
  std::map<Value, std::pair<Var, int>> narrow_made;  // the group's own, and in which pass
  std::map<Value, Expr> here_now;                    // wide, in the loop body at hand
  auto make_narrow = [&](Value v, Expr e) {
    const Var var = k.fresh(x.fn().type(e), "row");
    k.set(var, e);
    narrow_made[v] = {var, now};
    narrow[v] = x.var(var);
  };

  std::function<Expr(Value)> narrow_value = [&](Value v) -> Expr {
    if (auto it = narrow.find(v); it != narrow.end()) return it->second;
    const Item& item = items_.at(v);
    if (item.node) {
      auto it = narrow_made.find(v);
      require(it != narrow_made.end(), "a row's value is used before its pass");
      return narrow[v] = delays.before(it->second.first, straight ? 0 : now - it->second.second);
    }
    const Place& p = d.place(v);
    Expr e = p.kind == Place::memory
                 ? k.keep(load_element(x, d.type(v).dtype, k.param(p.e, "in"), item.base), "row")
             : p.kind == Place::iota ? at[static_cast<size_t>(p.axis)]
                                     : k.param(p.e, "s");
    return narrow[v] = e;
  };
  // An element of the pass at hand; what is made on the way and has to be kept is stored.
  std::function<Expr(Value, Expr)> element = [&](Value v, Expr i) -> Expr {
    if (auto it = here_now.find(v); it != here_now.end()) return it->second;
    Item& item = items_.at(v);
    const DType t = d.type(v).dtype;
    Expr e = kNone;
    auto load = [&] {
      require(item.base != kNone, "a pass reads what is not there for it");
      Expr stride = k.dim(item.strides.back());
      k.cost += 1;
      return k.keep(
          load_element(x, t, address_of(item, k, "in"), x.add(item.base, x.mul(i, stride))), "x");
    };
    if (made_.contains(v)) {
      e = load();
    } else if (!item.node) {
      const Place& p = d.place(v);
      e = p.kind == Place::memory ? load()
          : p.kind == Place::iota
              ? (p.axis + 1 == static_cast<int>(space_.size())
                     ? i
                     : at[static_cast<size_t>(p.axis)])
              : k.param(p.e, "s");
    } else if (done.contains(v) && item.heavy) {
      e = load();
    } else if (item.role == RowRole::spread) {
      e = narrow_value(item.node->operands[0]);
    } else if (item.role == RowRole::same) {
      e = element(item.node->operands[0], i);
    } else {
      for (Value o : item.node->operands) k.bind(o, element(o, i));
      k.scalar(*item.node);
      e = k.value(v);
      if (item.stored && !done.contains(v)) {
        k.emit(store_element(x, t, address_of(item, k, "out"), x.add(item.base, i), e));
        k.cost += 1;
        pending.insert(v);
      }
    }
    return here_now[v] = e;
  };
  // What still lies where a result goes is read before that is written.
  auto rescue = [&](int stage, Expr i) {
    if (auto it = replaced_.find(stage); it != replaced_.end())
      for (Value v : it->second) element(v, i);
  };

  // The second pass asks for what the first one reads of the row after its own.
  bool fetched = false;
  auto fetch = [&](int stage, Expr i) {
    if (straight || stage != 1 || std::exchange(fetched, true)) return;
    const DimId none = d.unit_.dims.constant(0);
    for (const auto& [v, item] : items_) {
      if (item.node || !item.wide || item.slot >= 0 || item.base == kNone) continue;
      const DimId down = item.strides[outer_.size() - 1];
      const DType t = d.type(v).dtype;
      const Ty in_registers = register_type(t);
      if (item.strides.back() != one_ || down == none ||
          static_cast<int>(size_of(t)) != loop::bytes(in_registers))
        continue;
      Stmt s{StmtKind::fetch};
      s.a = k.param(item.address, "in");
      s.b = x.add(x.add(item.base, x.mul(x.i64(2), k.dim(down))), i);
      s.ty = in_registers;
      k.emit(std::move(s));
    }
  };

  auto pass = [&](int stage) {
    now = stage;
    // Values of the row itself; those that are read, ahead of the loops.
    for (const auto& [v, item] : items_)
      if (item.base != kNone && !item.wide && !item.node) narrow_value(v);
    for (Value v : order_) {
      Item& item = items_.at(v);
      if (item.wide || item.stage != stage || item.role == RowRole::reduce) continue;
      if (item.role == RowRole::same) {
        make_narrow(v, narrow_value(item.node->operands[0]));
        continue;
      }
      for (Value o : item.node->operands) k.bind(o, narrow_value(o));
      k.scalar(*item.node);
      make_narrow(v, k.value(v));
    }
    for (Value v : order_)
      if (items_.at(v).stage == stage && !items_.at(v).wide && items_.at(v).stored)
        k.emit(store_element(x, d.type(v).dtype, address_of(items_.at(v), k, "out"),
                             items_.at(v).base, narrow_value(v)));
    // Reductions whose operand is of this pass.
    for (Value v : order_) {
      const Item& item = items_.at(v);
      if (item.role != RowRole::reduce || item.stage != stage + 1) continue;
      const DType t = d.type(v).dtype;
      const ir::ReduceKind kind = item.node->get<ir::ReduceAttr>().kind;
      Var result = k.fresh(register_type(t), "fold");
      k.set(result, k.identity(kind, t));
      k.loop("chunk", x.i64(0), chunks, Bind::serial, [&](Expr c) {
        Expr from = k.keep(x.mul(c, x.i64(kChunk)), "from"), end = x.add(from, x.i64(kChunk));
        Expr to = k.keep(x.select(x.compare(Op::lt, length, end), length, end), "to");
        Stmt s{loop::StmtKind::fold};
        s.var = result;
        s.index = k.fresh(Ty::i64, "i");
        s.a = from;
        s.b = to;
        s.reduce = kind;
        Expr i = x.var(s.index);
        here_now.clear();
        pending.clear();
        s.body = k.inside([&] {
          rescue(stage, i);
          fetch(stage, i);
          s.c = k.keep(element(item.node->operands[0], i), "v");
        });
        k.emit(std::move(s));
        Stmt many{loop::StmtKind::if_};
        many.a = x.compare(Op::lt, x.i64(1), chunks);
        many.body = k.inside([&] {
          k.emit(store_element(x, t, partial_address, x.add(x.mul(r, chunks), c), x.var(result)));
        });
        k.emit(std::move(many));
      });
      done.insert(pending.begin(), pending.end());
      pending.clear();
      here_now.clear();
      Stmt many{loop::StmtKind::if_};
      many.a = x.compare(Op::lt, x.i64(1), chunks);
      many.body = k.inside([&] {
        Stmt call{loop::StmtKind::call};
        call.callee = loop::Callee::runtime;
        call.id = static_cast<uint32_t>(loop::Runtime::fold_run);
        Expr first = x.add(partial_address,
                           x.mul(x.mul(r, chunks), x.i64(static_cast<int64_t>(size_of(t)))));
        call.args = {x.i64(static_cast<int64_t>(kind)), x.i64(static_cast<int64_t>(t)), first,
                     chunks};
        call.outs = {k.fresh(Ty::i64, "run")};
        Var out = call.outs[0];
        k.emit(std::move(call));
        k.set(result, x.from_slot(register_type(t), x.var(out)));
      });
      k.emit(std::move(many));
      make_narrow(v, x.var(result));
    }
    // What else has to be stored in this pass.
    std::vector<Value> rest;
    for (Value v : order_)
      if (items_.at(v).wide && items_.at(v).stored && items_.at(v).stage == stage &&
          !done.contains(v))
        rest.push_back(v);
    if (!rest.empty()) {
      here_now.clear();
      pending.clear();
      k.loop("i", x.i64(0), length, Bind::vector, [&](Expr i) {
        rescue(stage, i);
        fetch(stage, i);
        for (Value v : rest) element(v, i);
      });
      done.insert(pending.begin(), pending.end());
      pending.clear();
      here_now.clear();
    }
  };

  if (straight) {
    k.loop("row", lo, hi, Bind::serial, [&](Expr row) {
      begin_row(row, 0);
      for (int stage = 0; stage <= stages_; ++stage) pass(stage);
    });
    return;
  }
  // In one turn the passes belong to as many rows: the first to this one, the second to the one before
  // and so on. So no pass waits for the end of the reduction that it needs: that of a short row
  // takes longer than the pass.
  k.loop("turn", lo, x.add(hi, x.i64(stages_)), Bind::serial, [&](Expr turn) {
    for (int stage = 0; stage <= stages_; ++stage) {
      Expr row = stage == 0 ? turn : k.keep(x.binary(Op::sub, turn, x.i64(stage)), "row");
      Expr begun = x.compare(Op::le, lo, row), open = x.compare(Op::lt, row, hi);
      Stmt s{StmtKind::if_};
      s.a = stage == 0         ? open
            : stage == stages_ ? begun
                               : x.binary(Op::band, begun, open);
      s.body = k.inside([&] {
        narrow.clear();
        begin_row(row, stage);
        pass(stage);
      });
      k.emit(std::move(s));
    }
    delays.end_turn();
  });
}

void Rows::finish() {
  for (auto& [v, p] : outs_) driver_.bind(v, std::move(p));
  for (Value v : order_)
    if (wanted_.contains(v) && look(v)) driver_.view_node(*items_.at(v).node);
}

}  // namespace tenon::plan
