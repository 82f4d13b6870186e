// Row groups: softmax, normalisations, losses. One kernel goes over the rows; each reduction is the
// border of a pass over the row, which stays in the cache. The orders of accumulation are those of
// the reductions by themselves (docs/semantics.md), so the bits are.
#include <algorithm>
#include <set>

#include "ir/cost.h"
#include "jit/plan/kernel.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::Bind;
using loop::kNone;

namespace {

constexpr int64_t kChunk = 16384;

// A value of the group, or one that it reads.
struct Item {
  const Node* node = nullptr;  // null: read
  RowRole role = RowRole::none;
  int stage = 0;               // the pass in which it can be computed
  int last_stage = 0;          // the last pass that uses it
  bool wide = false;           // an element per place; else per row
  bool heavy = false;          // not computed twice
  bool stored = false;         // lies in memory once its pass is done
  Expr address = kNone;        // memory, in the driver
  std::vector<DimId> strides;  // read, wide: per axis of the space
  Expr base = kNone;           // in the kernel: where the row starts
};

}  // namespace

void FunctionLowering::row_group(const Group& g) {
  const Node* anchor = nullptr;
  for (const Node* n : g.nodes)
    if (!anchor && row_reduce(fn_, *n)) anchor = n;
  require(anchor, "a row group without a reduction");
  const std::vector<DimId> space = type(anchor->operands[0]).shape;
  const std::vector<DimId> outer(space.begin(), space.end() - 1);
  const DimId row = space.back(), one = unit_.dims.constant(1);
  auto outside = [&](Value v) {
    auto it = frames_.back().last.find(v);
    return it != frames_.back().last.end() && it->second > frames_.back().at;
  };

  // ---- the values, the pass of each, and the last pass that wants it
  std::map<Value, Item> items;
  std::vector<Value> order;  // of the group's own, in order
  std::set<Value> made;
  int stages = 0;
  for (const Node* n : g.nodes) made.insert(n->results[0]);
  for (const Node* n : g.nodes) {
    Item item;
    item.node = n;
    item.role = row_role(fn_, unit_.dims, *n, space);
    require(item.role != RowRole::none, "a node that does not fit its row group");
    item.wide = item.role == RowRole::wide || item.role == RowRole::spread ||
                (item.role == RowRole::same && type(n->results[0]).shape == space);
    bool in_heavy = false;
    int heavy_stage = 0;
    for (Value v : n->operands) {
      auto [it, fresh_value] = items.try_emplace(v);
      Item& in = it->second;
      if (fresh_value) {  // read from outside
        const Place& p = place(v);
        in.wide = type(v).shape == space;
        if (p.kind == Place::memory) {
          in.address = p.e;
          in.strides = p.strides;
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
      Item& in = items.at(v);
      in.last_stage = std::max(in.last_stage, item.stage);
    }
    if (item.role == RowRole::reduce) ++item.stage;
    item.last_stage = item.stage;
    stages = std::max(stages, item.stage);
    order.push_back(n->results[0]);
    items[n->results[0]] = item;
  }
  // What is computed again in a later pass wants its operands there too.
  for (size_t i = order.size(); i-- > 0;) {
    Item& item = items.at(order[i]);
    if (item.role == RowRole::reduce || !item.wide || item.heavy || item.last_stage == item.stage)
      continue;
    for (Value v : item.node->operands) {
      Item& in = items.at(v);
      in.last_stage = std::max(in.last_stage, item.last_stage);
    }
  }

  // ---- what has to come out. A broadcast or reshape that is used outside is made of its operand.
  std::set<Value> wanted;
  auto is_look = [&](Value v) {
    return items.at(v).role == RowRole::spread || items.at(v).role == RowRole::same;
  };
  for (size_t i = order.size(); i-- > 0;) {
    Value v = order[i];
    if (!outside(v) && !wanted.contains(v)) continue;
    wanted.insert(v);
    if (is_look(v) && made.contains(items.at(v).node->operands[0]))
      wanted.insert(items.at(v).node->operands[0]);
  }
  const std::vector<DimId> flat = row_major(space);
  std::vector<std::pair<Value, Place>> outs;
  for (Value v : order) {
    if (!wanted.contains(v) || is_look(v)) continue;
    Item& item = items.at(v);
    Place p = allocate(type(v));
    item.address = p.e;
    item.stored = true;
    if (item.wide) item.strides = flat;
    outs.emplace_back(v, std::move(p));
  }
  // Heavy values that a later pass wants lie in the memory of a result of a still later pass, or in
  // memory of their own.
  std::set<int> reducing;  // passes that end in a reduction
  for (Value v : order)
    if (items.at(v).role == RowRole::reduce) reducing.insert(items.at(v).stage - 1);
  std::map<Value, Value> lent;  // result -> whose elements lie there before
  for (Value v : order) {
    Item& item = items.at(v);
    if (!item.wide || item.stored || !item.heavy || item.last_stage == item.stage) continue;
    if (item.role != RowRole::wide) continue;
    for (auto& [o, p] : outs) {
      const Item& out = items.at(o);
      if (!out.wide || lent.contains(o) || size_of(type(o).dtype) != size_of(type(v).dtype))
        continue;
      if (out.stage < item.last_stage ||
          (out.stage == item.last_stage && reducing.contains(out.stage)) || out.stage == item.stage)
        continue;
      lent[o] = v;
      item.address = out.address;
      break;
    }
    if (item.address == kNone) item.address = allocate(type(v)).e;
    item.strides = flat;
    item.stored = true;
  }

  // ---- the kernel
  KernelBuilder k(*this);
  Exprs& x = k.x();
  Expr length = k.dim(row);
  Expr chunks_in_driver =
      keep(x_.binary(Op::sdiv, x_.add(extent(row), x_.i64(kChunk - 1)), x_.i64(kChunk)), "chunks");
  Expr chunks = k.param(chunks_in_driver, "chunks");
  Place partials;  // of rows longer than a chunk
  {
    Expr many = x_.to(Op::zext, Ty::i64, x_.compare(Op::lt, x_.i64(1), chunks_in_driver));
    const DimId c = chunks_of(row);
    Request asked{DType::f64, 8, outer, loc_};
    asked.shape.push_back(c);
    asked.shape.push_back(unit_.dims.min(unit_.dims.sub(c, one), one));
    Var block = request(
        loop::Runtime::allocate,
        {x_.mul(x_.mul(many, x_.mul(chunks_in_driver, count(outer))), x_.i64(8)), here()},
        std::move(asked));
    partials = whole(block, ir::scalar_type(DType::f64));
  }
  Expr partial_address = k.param(partials.e, "partials");

  k.loop("row", k.lo(), k.hi(), Bind::serial, [&](Expr r) {
    std::vector<Expr> at = k.split(r, outer);
    // Where the row starts in each tensor; narrow ones are an element.
    for (auto& [v, item] : items) {
      if (!item.stored) continue;
      Expr base = x.i64(0);
      if (item.wide) {
        for (size_t i = 0; i < outer.size(); ++i)
          base = x.add(base, x.mul(at[i], k.dim(item.strides[i])));
      } else if (item.node) {
        base = r;
      } else {  // read: its axes are the outer ones, up to axes of size 1
        const auto& shape = type(v).shape;
        size_t o = 0;
        for (size_t i = 0; i < shape.size(); ++i) {
          if (shape[i] == one) continue;
          while (outer[o] == one) ++o;
          base = x.add(base, x.mul(at[o++], k.dim(item.strides[i])));
        }
      }
      item.base = k.keep(base, "base");
    }
    std::set<Value> done, pending;  // wide: stored in memory already, and by the pass at hand
    std::map<Value, Expr> narrow;
    std::map<Value, Expr> here_now;  // wide, in the loop body at hand

    std::function<Expr(Value)> narrow_value = [&](Value v) -> Expr {
      if (auto it = narrow.find(v); it != narrow.end()) return it->second;
      const Item& item = items.at(v);
      require(!item.node, "a row's value is used before its pass");
      const Place& p = place(v);
      Expr e = p.kind == Place::memory
                   ? k.keep(load_element(x, type(v).dtype, k.param(p.e, "in"), item.base), "row")
               : p.kind == Place::iota ? at[static_cast<size_t>(p.axis)]
                                       : k.param(p.e, "s");
      return narrow[v] = e;
    };
    // An element of the pass at hand; what is made on the way and has to be kept is stored.
    std::function<Expr(Value, Expr)> element = [&](Value v, Expr i) -> Expr {
      if (auto it = here_now.find(v); it != here_now.end()) return it->second;
      Item& item = items.at(v);
      Expr e = kNone;
      auto load = [&] {
        Expr stride = k.dim(item.strides.back());
        k.cost += 1;
        return k.keep(load_element(x, type(v).dtype, k.param(item.address, "in"),
                                   x.add(item.base, x.mul(i, stride))),
                      "x");
      };
      if (!item.node) {
        const Place& p = place(v);
        e = p.kind == Place::memory ? load()
            : p.kind == Place::iota
                ? (p.axis + 1 == static_cast<int>(space.size()) ? i
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
          k.emit(store_element(x, type(v).dtype, k.param(item.address, "out"), x.add(item.base, i),
                               e));
          k.cost += 1;
          pending.insert(v);
        }
      }
      return here_now[v] = e;
    };

    for (int stage = 0; stage <= stages; ++stage) {
      // Values of the row itself.
      for (Value v : order) {
        Item& item = items.at(v);
        if (item.wide || item.stage != stage || item.role == RowRole::reduce) continue;
        if (item.role == RowRole::same) {
          narrow[v] = narrow_value(item.node->operands[0]);
          continue;
        }
        for (Value o : item.node->operands) k.bind(o, narrow_value(o));
        k.scalar(*item.node);
        narrow[v] = k.value(v);
      }
      for (Value v : order)
        if (items.at(v).stage == stage && !items.at(v).wide && items.at(v).stored)
          k.emit(store_element(x, type(v).dtype, k.param(items.at(v).address, "out"),
                               items.at(v).base, narrow.at(v)));
      // Reductions whose operand is of this pass.
      for (Value v : order) {
        const Item& item = items.at(v);
        if (item.role != RowRole::reduce || item.stage != stage + 1) continue;
        const DType t = type(v).dtype;
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
          s.body = k.inside([&] { s.c = k.keep(element(item.node->operands[0], i), "v"); });
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
        narrow[v] = x.var(result);
      }
      // What else has to be stored in this pass.
      std::vector<Value> rest;
      for (Value v : order)
        if (items.at(v).wide && items.at(v).stored && items.at(v).stage == stage &&
            !done.contains(v))
          rest.push_back(v);
      if (!rest.empty()) {
        here_now.clear();
        pending.clear();
        k.loop("i", x.i64(0), length, Bind::vector, [&](Expr i) {
          // What still lies where a result goes is read before that is written.
          for (Value v : rest)
            if (auto it = lent.find(v);
                it != lent.end() && items.at(it->second).last_stage >= stage)
              element(it->second, i);
          for (Value v : rest) element(v, i);
        });
        done.insert(pending.begin(), pending.end());
        pending.clear();
        here_now.clear();
      }
    }
  });
  k.launch(count(outer), x_.mul(extent(row), x_.i64(k.cost)));
  for (auto& [v, p] : outs) bind(v, std::move(p));
  for (Value v : order)
    if (wanted.contains(v) && is_look(v)) view_node(*items.at(v).node);
}

}  // namespace tenon::plan
