// Blocks of rows: products whose results are gone over row by row, those passes, and products that
// take what the passes made, as one kernel. Attention has this form, and its derivative, where products
// also sum over the rows: those go on from block to block. Between
// them lies one block of rows, in the cache of the thread that works on it, where else there would
// be a tensor with an element per pair of positions. Each element is summed in its own order wherever
// its row is cut off (docs/semantics.md), so the bits are those of the nodes by themselves.
#include <algorithm>

#include "jit/plan/row.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::Bind;
using loop::kNone;

namespace {
constexpr int64_t kCache = 512 << 10;  // bytes of a block: half of a core's L2
constexpr int64_t kLeastRows = 32;     // of a block; fewer make products slow
constexpr int64_t kPieces = 16;        // for threads to share, where rows are enough
}  // namespace

class BlockLowering {
 public:
  BlockLowering(FunctionLowering& driver, const Group& g) : d_(driver), x_(driver.x_) {
    std::set<Value> made;
    for (const Node* n : g.nodes) {
      if (row_reduce(d_.fn_, *n) && space_.empty()) space_ = d_.type(n->operands[0]).shape;
      if (n->op == ir::Op::contract) continue;
      row_nodes_.push_back(n);
      made.insert(n->results[0]);
    }
    require(!space_.empty(), "a block of rows without a reduction");
    for (const Node* n : g.nodes) {
      if (n->op != ir::Op::contract) continue;
      Product p;
      p.node = n;
      for (int side : {0, 1})
        if (made.contains(n->operands[static_cast<size_t>(side)])) p.side = side;
      if (p.side < 0) made_.insert(n->results[0]);
      else taken_.insert(n->operands[static_cast<size_t>(p.side)]);
      p.over_rows = p.side >= 0 && stretch_product(d_.fn_, d_.unit_.dims, *n, space_, p.side, p.axis);
      require(p.over_rows || block_product(d_.fn_, d_.unit_.dims, *n, space_, p.side, p.axis),
              "a product that does not fit its block of rows");
      over_rows_ |= p.over_rows;
      products_.push_back(std::move(p));
    }
  }

  void run() {
    Rows rows(d_, row_nodes_, space_, made_);
    for (Product& p : products_) {
      d_.check_windows(*p.node);
      for (size_t side = 0; side < 2; ++side)
        if (static_cast<int>(side) != p.side) p.in[side] = d_.in_memory(p.node->operands[side]);
      for (DimId r : p.node->get<ir::ContractAttr>().spec->range) d_.extent(r);
    }
    rows.place_in_slots(taken_);
    for (Product& p : products_) {
      const ir::Type& t = d_.type(p.node->results[0]);
      if (p.side >= 0) p.out = d_.allocate(t);
      p.info = number(x_.i64(d_.node_info(
          ir::Op::contract, {d_.type(p.node->operands[0]), d_.type(p.node->operands[1]), t})));
      d_.unit_.tables.nodes.back().spec = p.node->get<ir::ContractAttr>().spec;
    }
    cut(rows);

    KernelBuilder k(d_);
    Exprs& x = k.x();
    const DimId height = space_[space_.size() - 2], width = space_.back();
    Expr memory = scratch(k, rows);
    Expr per_slab = k.param(blocks_, "blocks"), most = k.param(rows_, "rows");
    // The rows of a slab that are summed over come in their order, so a thread takes it whole.
    Expr lo = over_rows_ ? x.mul(k.lo(), per_slab) : k.lo();
    Expr hi = over_rows_ ? x.mul(k.hi(), per_slab) : k.hi();
    k.loop("block", lo, hi, Bind::serial, [&](Expr block) {
      Expr slab = k.keep(x.binary(Op::sdiv, block, per_slab), "slab");
      first_ = k.keep(x.mul(x.binary(Op::srem, block, per_slab), most), "first");
      Expr end = x.add(first_, most);
      Expr last = k.keep(x.select(x.compare(Op::lt, k.dim(height), end), k.dim(height), end), "last");
      count_ = k.keep(x.binary(Op::sub, last, first_), "count");
      at_ = k.split(slab, {space_.begin(), space_.end() - 2});
      for (size_t s = 0; s < rows.slots.size(); ++s) {
        const auto size = static_cast<int64_t>(size_of(rows.slots[s].dtype));
        Expr start = x.add(memory, k.param(offsets_[s], "offset"));
        Expr before = x.mul(x.mul(first_, k.dim(width)), x.i64(size));
        rows.slots[s].address = k.keep(x.binary(Op::sub, start, before), "slot");
      }
      for (const Product& p : products_)
        if (p.side < 0) product(k, rows, p, memory);
      rows.emit(k, first_, last, at_, k.keep(x.mul(slab, k.dim(height)), "above"));
      for (const Product& p : products_)
        if (p.side >= 0) product(k, rows, p, memory);
    });
    Expr elements = x_.mul(over_rows_ ? d_.extent(height) : rows_, d_.extent(width));
    k.launch(over_rows_ ? slabs_ : x_.mul(slabs_, blocks_), x_.mul(elements, x_.i64(k.cost)));
    rows.finish();
    for (Product& p : products_)
      if (p.side >= 0) d_.bind(p.node->results[0], std::move(p.out));
  }

 private:
  struct Product {
    const Node* node = nullptr;
    int side = -1;          // the operand that the passes make; -1: it makes what they go over
    std::vector<int> axis;  // of the space that each index runs along; -1: it runs whole
    Place in[2], out;
    bool over_rows = false;  // sums over them: a block of rows goes on with what those before have summed
    Expr sums = kNone;       // where, in the memory of the thread; in the driver
    Expr info = kNone;  // its number among the nodes of the program, in the driver
  };

  // A constant that kernels take as an argument, so that those of like blocks are the same.
  Expr number(Expr constant) {
    Var v = d_.fresh(Ty::i64, "number");
    d_.set(v, constant);
    return x_.var(v);
  }

  Expr least(Expr a, Expr b) { return x_.select(x_.compare(Op::lt, b, a), b, a); }
  Expr most(Expr a, Expr b) { return x_.select(x_.compare(Op::lt, a, b), b, a); }
  Expr ratio_up(Expr a, Expr b) {
    return x_.binary(Op::sdiv, x_.add(a, x_.add(b, x_.i64(-1))), b);
  }

  // How many rows a block has, how many blocks cover a slab (the rows that share their other axes),
  // and where in the block each slot lies.
  void cut(Rows& rows) {
    Expr height = d_.extent(space_[space_.size() - 2]), width = d_.extent(space_.back());
    slabs_ = d_.keep(d_.count({space_.begin(), space_.end() - 2}), "slabs");
    int64_t bytes = 0;
    for (const Rows::Slot& s : rows.slots) bytes += static_cast<int64_t>(size_of(s.dtype));
    Expr row_bytes = most(x_.mul(width, x_.i64(bytes)), x_.i64(1));
    Expr cached = x_.binary(Op::sdiv, x_.i64(kCache), row_bytes);
    if (!over_rows_) cached = least(cached, ratio_up(x_.mul(slabs_, height), x_.i64(kPieces)));
    Expr wished = d_.keep(most(cached, x_.i64(kLeastRows)), "rows");
    Expr needed = ratio_up(height, wished);  // what sums over no rows is 0
    blocks_ = d_.keep(over_rows_ ? most(needed, x_.i64(1)) : needed, "blocks");
    rows_ = d_.keep(ratio_up(height, most(blocks_, x_.i64(1))), "rows");
    total_ = x_.i64(0);
    for (const Rows::Slot& s : rows.slots) {
      offsets_.push_back(total_);
      Expr size = x_.mul(x_.mul(rows_, width), x_.i64(static_cast<int64_t>(size_of(s.dtype))));
      reserve(size);
    }
    for (Product& p : products_) {
      if (!p.over_rows) continue;
      p.sums = total_;
      Expr size = x_.i64(2 * static_cast<int64_t>(size_of(d_.type(p.node->results[0]).dtype)));
      const ir::ContractSpec& spec = *p.node->get<ir::ContractAttr>().spec;
      for (uint8_t i : spec.out)
        if (p.axis[i] < 0) size = x_.mul(size, d_.extent(spec.range[i]));
      reserve(size);
    }
  }
  void reserve(Expr bytes) {
    total_ = d_.keep(x_.add(total_, x_.binary(Op::band, x_.add(bytes, x_.i64(127)), x_.i64(-64))),
                     "bytes");
  }

  Expr scratch(KernelBuilder& k, const Rows& rows) {
    if (rows.slots.empty() && !over_rows_) return k.x().i64(0);
    Stmt s{StmtKind::call};
    s.callee = loop::Callee::runtime;
    s.id = static_cast<uint32_t>(loop::Runtime::scratch);
    s.args = {k.param(total_, "bytes"), k.param(number(d_.here()), "place")};
    s.outs = {k.fresh(Ty::i64, "memory")};
    Expr memory = k.x().var(s.outs[0]);
    k.emit(std::move(s));
    return memory;
  }

  // The part of a tensor that belongs to the block: `index` of each of its axes, none where an axis
  // is read in another way.
  void view(KernelBuilder& k, std::vector<Expr>& args, const ir::Type& t, Expr address,
            const std::vector<DimId>& strides, const std::vector<int>& index,
            const std::vector<int>& axis) {
    Exprs& x = k.x();
    const int row = static_cast<int>(space_.size()) - 2;
    std::vector<Expr> shape;
    Expr offset = x.i64(0);
    for (size_t i = 0; i < t.rank(); ++i) {
      const int along = index[i] < 0 ? -1 : axis[static_cast<size_t>(index[i])];
      shape.push_back(along < 0 ? k.dim(t.shape[i]) : along == row ? count_ : x.i64(1));
      if (along < 0) continue;
      Expr at = along == row ? first_ : at_[static_cast<size_t>(along)];
      offset = x.add(offset, x.mul(at, k.dim(strides[i])));
    }
    args.push_back(
        k.keep(x.add(address, x.mul(offset, x.i64(static_cast<int64_t>(size_of(t.dtype))))), "at"));
    args.insert(args.end(), shape.begin(), shape.end());
    for (DimId s : strides) args.push_back(k.dim(s));
  }

  void view(KernelBuilder& k, std::vector<Expr>& args, const Rows& rows, Value v,
            const std::vector<int>& index, const std::vector<int>& axis) {
    const ir::Type& t = d_.type(v);
    const int slot = rows.slot_of(v);
    if (slot < 0) {
      const Place& p = rows.place_of(v);
      return view(k, args, t, k.param(p.e, "at"), p.strides, index, axis);
    }
    std::vector<DimId> strides(t.rank(), d_.unit_.dims.constant(0));
    strides[t.rank() - 2] = space_.back();
    strides.back() = d_.unit_.dims.constant(1);
    view(k, args, t, rows.slots[static_cast<size_t>(slot)].address, strides, index, axis);
  }

  void product(KernelBuilder& k, const Rows& rows, const Product& p, Expr memory) {
    Exprs& x = k.x();
    const ir::ContractSpec& spec = *p.node->get<ir::ContractAttr>().spec;
    std::vector<Expr> args{k.param(p.info, "node")};
    for (size_t side = 0; side < 2; ++side) {
      std::vector<int> index;
      for (const ir::Affine& a : side == 0 ? spec.a : spec.b) {
        const auto plain = a.plain(d_.unit_.dims);
        index.push_back(plain ? static_cast<int>(*plain) : -1);
      }
      const Value v = p.node->operands[side];
      if (static_cast<int>(side) == p.side)
        view(k, args, rows, v, index, p.axis);
      else
        view(k, args, d_.type(v), k.param(p.in[side].e, "at"), p.in[side].strides, index, p.axis);
    }
    const std::vector<int> out(spec.out.begin(), spec.out.end());
    const Value result = p.node->results[0];
    if (p.side < 0)
      view(k, args, rows, result, out, p.axis);
    else
      view(k, args, d_.type(result), k.param(p.out.e, "at"), p.out.strides, out, p.axis);
    const int row = static_cast<int>(space_.size()) - 2;
    for (size_t i = 0; i < spec.range.size(); ++i)
      args.push_back(p.axis[i] < 0 ? k.dim(spec.range[i]) : p.axis[i] == row ? count_ : x.i64(1));
    args.push_back(p.over_rows ? first_ : x.i64(-1));
    if (p.over_rows) {
      args.push_back(k.dim(space_[space_.size() - 2]));
      args.push_back(x.add(memory, k.param(p.sums, "sums")));
    }
    Stmt s{StmtKind::call};
    s.callee = loop::Callee::runtime;
    s.id = static_cast<uint32_t>(loop::Runtime::tile);
    s.args = std::move(args);
    k.emit(std::move(s));
  }

  FunctionLowering& d_;
  Exprs& x_;
  std::vector<DimId> space_;
  std::vector<const Node*> row_nodes_;
  std::vector<Product> products_;
  std::set<Value> made_, taken_;
  bool over_rows_ = false;  // some product sums over rows
  Expr slabs_ = kNone, blocks_ = kNone, rows_ = kNone, total_ = kNone;  // in the driver
  std::vector<Expr> offsets_;
  Expr first_ = kNone, count_ = kNone;  // of the block at hand, in the kernel
  std::vector<Expr> at_;
};

void FunctionLowering::block_group(const Group& g) { BlockLowering(*this, g).run(); }

}  // namespace tenon::plan
