// The kernel of a tile group (tile.h): sizes, addresses and strides of its products as arguments, and what
// makes an element of them, which the printer puts into a family of kernels/cuda/tile.cuh.
#include <algorithm>

#include "jit/plan/kernel.h"
#include "jit/plan/tile.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::kNone;
using loop::Tile;

class TileLowering {
 public:
  TileLowering(FunctionLowering& driver, const Group& g)
      : d_(driver), sink_(*g.nodes.back()), nodes_(g.nodes.begin(), g.nodes.end() - 1), k_(driver) {
    for (const Node* n : nodes_) made_[n->results[0]] = n;
    for (const Node* n : nodes_) {
      TileSpace space;
      const auto p = tile_maker(d_.fn_, d_.unit_.dims, *n, space);
      if (!p) continue;
      space_ = space;
      makers_.emplace_back(n, *p);
    }
    require(!makers_.empty(), "a tile group without a product that makes it");
  }

  void run() {
    tile_.dtype = d_.type(sink_.results[0]).dtype;
    Exprs& x = d_.x_;
    Expr slabs = d_.keep(d_.extent(space_.slabs), "slabs"), rows = d_.keep(d_.extent(space_.rows), "rows");
    Expr columns = d_.extent(space_.columns);
    std::optional<TileProduct> taker;
    for (int side : {0, 1})
      if (!taker && sink_.op == ir::Op::contract && made_.contains(sink_.operands[static_cast<size_t>(side)]))
        taker = tile_taker(d_.fn_, d_.unit_.dims, sink_, side, space_);
    require(taker || sink_.op == ir::Op::reduce, "a tile group that nobody takes");
    for (auto& [n, p] : makers_)
      for (Value v : n->operands) memory_.try_emplace(v, d_.in_memory(v));
    if (taker) {
      const Value other = sink_.operands[static_cast<size_t>(1 - taker->side)];
      memory_.try_emplace(other, d_.in_memory(other));
    }
    Place out = d_.allocate(d_.type(sink_.results[0]));

    Stmt s{StmtKind::tile};
    s.args = {arg(out.e), arg(slabs), arg(rows), arg(columns)};
    for (auto& [n, p] : makers_) maker(s.args, *n, p);
    Expr items = tiles(rows);
    if (taker) {
      tile_.sink = taker->over_columns ? Tile::rows : Tile::columns;
      Expr free = d_.count(extents(sink_, taker->free));
      int64_t wide;
      tile_.wide = x.constant(free, wide) && wide > 64 ? 2 : 1;
      items = x.mul(tiles(taker->over_columns ? rows : columns), tiles(free, 64 * tile_.wide));
      this->taker(s.args, *taker, out);
    } else {
      tile_.sink = Tile::reduce;
      s.reduce = sink_.get<ir::ReduceAttr>().kind;
    }
    element_of(s);
    k_.emit(std::move(s));
    k_.tile(tile_);
    k_.launch(x.mul(slabs, items), x.i64(1));
    d_.bind(sink_.results[0], std::move(out));
  }

 private:
  Expr arg(Expr driver) { return k_.param(driver, "n"); }
  Expr tiles(Expr n, int64_t each = 64) {
    return d_.x_.binary(Op::sdiv, d_.x_.add(n, d_.x_.i64(each - 1)), d_.x_.i64(each));
  }
  std::vector<DimId> extents(const Node& n, const std::vector<uint8_t>& indices) const {
    std::vector<DimId> list;
    for (uint8_t i : indices) list.push_back(n.get<ir::ContractAttr>().spec->range[i]);
    return list;
  }
  // How far an index moves in an operand (-1: the result); nowhere in one that does not have it.
  Expr step(const Node& n, int operand, uint8_t index, const Place& p) {
    const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
    if (operand < 0) {
      for (size_t i = 0; i < spec.out.size(); ++i)
        if (spec.out[i] == index) return k_.dim(p.strides[i]);
      return k_.x().i64(0);
    }
    const auto& axes = operand == 0 ? spec.a : spec.b;
    for (size_t i = 0; i < axes.size(); ++i)
      if (axes[i].plain(d_.unit_.dims) == index) return k_.dim(p.strides[i]);
    return k_.x().i64(0);
  }
  // As loop::Tile lists a product. Its operand a is that with the rows, b has the columns; a place that is
  // null stands for the tile itself, or for the result that a tile is.
  void list(std::vector<Expr>& args, const Node& n, int row_side, const Place* a, const Place* b, const Place* out,
            const std::vector<uint8_t>& row, const std::vector<uint8_t>& column, const std::vector<uint8_t>& batch,
            const std::vector<uint8_t>& sum) {
    const Expr zero = k_.x().i64(0);
    auto extent = [&](uint8_t i) { return k_.dim(n.get<ir::ContractAttr>().spec->range[i]); };
    auto in = [&](const Place* p, int side, uint8_t i) { return p ? step(n, side, i, *p) : zero; };
    args.push_back(a ? arg(a->e) : zero);
    args.push_back(b ? arg(b->e) : zero);
    for (uint8_t i : row) args.insert(args.end(), {extent(i), in(a, row_side, i), in(out, -1, i)});
    for (uint8_t i : column) args.insert(args.end(), {extent(i), in(b, 1 - row_side, i), in(out, -1, i)});
    for (uint8_t i : batch)
      args.insert(args.end(), {extent(i), in(a, row_side, i), in(b, 1 - row_side, i), in(out, -1, i)});
    Expr depth = k_.x().i64(1);
    for (uint8_t i : sum) {
      args.insert(args.end(), {extent(i), in(a, row_side, i), in(b, 1 - row_side, i)});
      depth = k_.x().mul(depth, extent(i));
    }
    Expr columns = k_.x().i64(1);
    for (uint8_t i : column) columns = k_.x().mul(columns, extent(i));
    args.push_back(columns);
    args.push_back(depth);
    tile_.products.push_back({static_cast<uint8_t>(row.size()), static_cast<uint8_t>(column.size()),
                              static_cast<uint8_t>(batch.size()), static_cast<uint8_t>(sum.size())});
  }
  void maker(std::vector<Expr>& args, const Node& n, const TileProduct& p) {
    const Place &a = memory_.at(n.operands[static_cast<size_t>(p.side)]),
                &b = memory_.at(n.operands[static_cast<size_t>(1 - p.side)]);
    list(args, n, p.side, &a, &b, nullptr, p.row, {p.column}, p.batch, p.depth);
  }
  void taker(std::vector<Expr>& args, const TileProduct& p, const Place& out) {
    const Place& b = memory_.at(sink_.operands[static_cast<size_t>(1 - p.side)]);
    const std::vector<uint8_t> column{p.column};
    list(args, sink_, p.side, nullptr, &b, &out, p.over_columns ? p.row : column, p.free, p.batch,
         p.over_columns ? column : p.row);
  }

  // ---- an element
  void element_of(Stmt& s) {
    Exprs& x = k_.x();
    s.outs = {k_.fresh(Ty::i64, "row"), k_.fresh(Ty::i64, "column")};
    for (auto& [n, p] : makers_) s.outs.push_back(k_.fresh(register_type(d_.type(n->results[0]).dtype), "x"));
    // The same row by the axes of each shape that the matrix has.
    s.other = k_.inside([&] {
      for (const Node* n : nodes_) {
        const auto& shape = d_.type(n->results[0]).shape;
        if (!covers(d_.unit_.dims, space_, shape)) continue;
        std::vector<DimId> outer(shape.begin(), shape.end() - 1);
        if (rows_.contains(outer)) continue;
        std::vector<Expr> at = k_.split(x.var(s.outs[0]), outer);
        for (Expr& e : at) e = k_.keep(e, "at");
        rows_[outer] = std::move(at);
      }
    });
    s.body = k_.inside([&] {
      for (size_t i = 0; i < makers_.size(); ++i) done_[{makers_[i].first->results[0], {}}] = x.var(s.outs[i + 2]);
      column_ = x.var(s.outs[1]);
      for (Value v : sink_.operands)
        if (made_.contains(v) && covers(d_.unit_.dims, space_, d_.type(v).shape)) s.c = k_.keep(matrix(v), "v");
    });
  }
  // An element of a value that covers the matrix, at the row and column at hand.
  Expr matrix(Value v) {
    if (const auto it = done_.find({v, {}}); it != done_.end()) return it->second;
    const auto& shape = d_.type(v).shape;
    std::vector<Expr> at = rows_.at({shape.begin(), shape.end() - 1});
    at.push_back(column_);
    return element(v, at);
  }
  Expr element(Value v, const std::vector<Expr>& at) {
    if (const auto it = done_.find({v, {}}); it != done_.end()) return it->second;
    if (const auto it = done_.find({v, at}); it != done_.end()) return it->second;
    const auto node = made_.find(v);
    return done_[{v, at}] = node == made_.end() ? read(v, at) : compute(*node->second, at);
  }
  Expr compute(const Node& n, const std::vector<Expr>& at) {
    if (n.op == ir::Op::reshape) return matrix(n.operands[0]);
    if (n.op == ir::Op::stop_gradient) return element(n.operands[0], at);
    if (n.op == ir::Op::broadcast) {
      const auto& axes = n.get<ir::BroadcastAttr>().axes;
      const auto& from = d_.type(n.operands[0]).shape;
      std::vector<Expr> less;
      for (size_t i = 0; i < axes.size(); ++i)
        less.push_back(d_.unit_.dims.value(from[i]) == int64_t{1} ? k_.x().i64(0) : at[static_cast<size_t>(axes[i])]);
      return element(n.operands[0], less);
    }
    std::vector<Expr> operands;
    for (Value o : n.operands) operands.push_back(element(o, at));
    for (size_t i = 0; i < operands.size(); ++i) k_.bind(n.operands[i], operands[i]);
    k_.scalar(n);
    return k_.value(n.results[0]);
  }
  Expr read(Value v, const std::vector<Expr>& at) {
    const Place& p = d_.place(v);
    switch (p.kind) {
      case Place::scalar:
      case Place::fill: return k_.param(p.e, "s");
      case Place::iota: return at[static_cast<size_t>(p.axis)];
      case Place::memory: {
        Exprs& x = k_.x();
        Expr index = x.i64(0);
        for (size_t i = 0; i < at.size(); ++i) index = x.add(index, x.mul(at[i], k_.dim(p.strides[i])));
        k_.cost += 2;
        return k_.keep(load_element(x, d_.type(v).dtype, k_.param(p.e, "in"), index), "x");
      }
      case Place::nothing:
      case Place::tape: break;
    }
    bug("a tile is made of what is no tensor");
  }

  FunctionLowering& d_;
  const Node& sink_;
  const std::vector<const Node*> nodes_;
  KernelBuilder k_;
  Tile tile_;
  TileSpace space_{};
  std::map<Value, const Node*> made_;
  std::map<Value, Place> memory_;  // the operands of the products
  std::vector<std::pair<const Node*, TileProduct>> makers_;
  std::map<std::vector<DimId>, std::vector<Expr>> rows_;
  std::map<std::pair<Value, std::vector<Expr>>, Expr> done_;  // no place: the matrix's own
  Expr column_ = kNone;
};

void FunctionLowering::tile_group(const Group& g) { TileLowering(*this, g).run(); }

}  // namespace tenon::plan
