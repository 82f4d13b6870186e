// Maps with a reduction, and scatter: loop nests whose body is a region over indices.
#include <algorithm>
#include <set>

#include "jit/plan/kernel.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::Bind;
using loop::kNone;

namespace {
constexpr int64_t kBlock = 1024;   // of a chain (docs/semantics.md)
constexpr int64_t kChunk = 16384;  // of a run
constexpr int64_t kColumns = 64;   // of a scatter that a thread takes

// Whether a scatter's last target is its last index, which no other target depends on.
bool rows_of_columns(const ir::Region& r, size_t rank) {
  if (rank == 0 || r.params.empty() || r.results[rank - 1] != r.params.back()) return false;
  std::set<Value> varies{r.params.back()};
  for (const Node& n : r.nodes) {
    bool v = false;
    for (Value o : n.operands) v |= varies.contains(o);
    for (const ir::Region& inner : n.regions)
      for (Value o : used_in(inner)) v |= varies.contains(o);
    if (v) varies.insert(n.results.begin(), n.results.end());
  }
  for (size_t a = 0; a + 1 < rank; ++a)
    if (varies.contains(r.results[a])) return false;
  return true;
}

// One value after the other, in blocks of 1024 whose results are folded in order.
Expr chain(KernelBuilder& k, ir::ReduceKind kind, DType t, Expr total,
           const std::function<Expr(Expr)>& element) {
  Exprs& x = k.x();
  Var sum = k.fresh(register_type(t), "sum"), block = k.fresh(register_type(t), "chain");
  k.set(sum, k.identity(kind, t));
  Expr blocks = x.binary(Op::sdiv, x.add(total, x.i64(kBlock - 1)), x.i64(kBlock));
  k.loop("block", x.i64(0), blocks, Bind::serial, [&](Expr b) {
    k.set(block, k.identity(kind, t));
    Expr lo = k.keep(x.mul(b, x.i64(kBlock)), "from"), end = x.add(lo, x.i64(kBlock));
    Expr hi = k.keep(x.select(x.compare(Op::lt, total, end), total, end), "to");
    k.loop("k", lo, hi, Bind::serial,
           [&](Expr q) { k.set(block, k.combine(kind, t, x.var(block), element(q))); });
    Expr first = x.compare(Op::eq, b, x.i64(0));
    k.set(sum, x.select(first, x.var(block), k.combine(kind, t, x.var(sum), x.var(block))));
  });
  return x.var(sum);
}
}  // namespace

void FunctionLowering::map_node(const Node& n) {
  const auto& attr = n.get<ir::MapAttr>();
  const ir::Region& r = n.regions[0];
  const ir::Type& t = type(n.results[0]);
  const size_t outs = attr.out.size(), reds = attr.red.size();

  KernelBuilder k(*this);
  Exprs& x = k.x();
  auto element = [&](const std::vector<Expr>& out, const std::vector<Expr>& red) {
    for (size_t i = 0; i < outs; ++i) k.bind(r.params[i], out[i]);
    for (size_t i = 0; i < reds; ++i) k.bind(r.params[outs + i], red[i]);
    k.nodes(r, kNone);
    return k.value(r.results[0]);
  };

  if (t.shape.empty() && reds == 0) {  // one number
    Place out = allocate(t);
    Expr address = k.param(out.e, "out");
    k.loop("i", k.lo(), k.hi(), Bind::serial,
           [&](Expr) { k.emit(store_element(x, t.dtype, address, x.i64(0), element({}, {}))); });
    k.launch(x_.i64(1), x_.i64(1));
    return bind_element(n.results[0], std::move(out));
  }

  const DType acc = accumulator(t.dtype);
  if (t.shape.empty()) {  // a run over all: chunks, each of 64 partials
    Expr total = count(attr.red);
    Expr chunks =
        keep(x_.binary(Op::sdiv, x_.add(total, x_.i64(kChunk - 1)), x_.i64(kChunk)), "chunks");
    DimId all = unit_.dims.constant(1);
    for (DimId d : attr.red) all = unit_.dims.mul(all, d);
    Var block = request(
        loop::Runtime::allocate,
        {x_.mul(chunks, x_.i64(static_cast<int64_t>(size_of(acc)))), here()},
        {acc, static_cast<int64_t>(size_of(acc)), {chunks_of(all)}, loc_});
    ir::Type one = ir::scalar_type(acc);
    Place partial = whole(block, one);
    Expr address = k.param(partial.e, "out");
    Expr n_all = k.param(total, "n");
    k.loop("chunk", k.lo(), k.hi(), Bind::serial, [&](Expr c) {
      Expr lo = k.keep(x.mul(c, x.i64(kChunk)), "from");
      Expr end = x.add(lo, x.i64(kChunk));
      Expr hi = k.keep(x.select(x.compare(Op::lt, n_all, end), n_all, end), "to");
      Stmt s{loop::StmtKind::fold};
      s.var = k.fresh(register_type(acc), "acc");
      s.index = k.fresh(Ty::i64, "i");
      s.a = lo;
      s.b = hi;
      s.reduce = attr.kind;
      Expr i = x.var(s.index);
      Var result = s.var;
      s.body = k.inside([&] { s.c = k.keep(element({}, k.split(i, attr.red)), "v"); });
      k.emit(std::move(s));
      k.emit(store_element(x, acc, address, c, x.var(result)));
    });
    k.launch(chunks, x_.i64(kChunk * std::max(1, k.cost)));
    // The chunks' results are a run themselves.
    Expr v = run_of(partial.e, chunks, acc, attr.kind);
    if (acc != t.dtype) v = scalar_op(x_, ir::Op::convert, t.dtype, {acc}, {v}, [](Expr) {});
    Place s;
    s.kind = Place::scalar;
    s.e = keep(v, "s");
    return bind(n.results[0], std::move(s));
  }

  // An output index: a chain per element, in blocks of 1024.
  Place out = allocate(t);
  std::vector<DimId> outer(attr.out.begin(), attr.out.end() - 1);
  Expr total = k.param(count(attr.red), "depth");
  Expr address = k.param(out.e, "out");
  Expr inner_size = k.dim(attr.out.back());
  auto nest = [&](const std::vector<Expr>& rows, Expr base, Expr from, Expr to) {
    k.loop("i", from, to, Bind::vector, [&](Expr i) {
      std::vector<Expr> at = rows;
      at.push_back(i);
      Expr v = chain(k, attr.kind, acc, total,
                     [&](Expr q) { return element(at, k.split(q, attr.red)); });
      if (acc != t.dtype) v = scalar_op(x, ir::Op::convert, t.dtype, {acc}, {v}, [](Expr) {});
      k.emit(store_element(x, t.dtype, address, x.add(base, i), v));
    });
  };
  Expr depth = count(attr.red);
  if (outer.empty()) {
    nest({}, x.i64(0), k.lo(), k.hi());
    k.launch(extent(attr.out.back()), x_.mul(depth, x_.i64(k.cost)));
  } else {
    k.loop("row", k.lo(), k.hi(), Bind::serial, [&](Expr row) {
      std::vector<Expr> rows = k.split(row, outer);
      Expr base = k.keep(x.mul(row, inner_size), "base");
      nest(rows, base, x.i64(0), inner_size);
    });
    k.launch(count(outer), x_.mul(x_.mul(depth, extent(attr.out.back())), x_.i64(k.cost)));
  }
  bind(n.results[0], std::move(out));
}

// sum_run over n elements of dtype t that lie in a row.
Expr FunctionLowering::run_of(Expr address, Expr n, DType t, ir::ReduceKind kind) {
  Place out = allocate(ir::scalar_type(t));
  loop::NodeInfo info;
  info.op = ir::Op::reduce;
  info.where = loc_;
  info.dtypes = {t, t};
  info.ranks = {1, 0};
  info.reduce = kind;
  info.axes = {0};
  unit_.tables.nodes.push_back(std::move(info));
  runtime(loop::Runtime::eager, {x_.i64(static_cast<int64_t>(unit_.tables.nodes.size() - 1)),
                                 address, n, x_.i64(1), out.e});
  return load_element(x_, t, out.e, x_.i64(0));
}

// ---------------------------------------------------------------- scatter

// scatter(x): targets and values in row-major order of the indices, one after the other.
void FunctionLowering::scatter_node(const Node& n) {
  const auto& attr = n.get<ir::ScatterAttr>();
  const ir::Region& r = n.regions[0];
  const ir::Type& t = type(n.results[0]);
  keep_views_of(n.operands[0]);
  // The body may read the very tensor that is added to: then it is not taken.
  std::vector<Value> used = used_in(r);
  bool moves = true;
  if (place(n.operands[0]).kind == Place::memory)
    for (Value v : used)
      moves &= places_[v].kind != Place::memory || places_[v].root != place(n.operands[0]).root;
  Var block = take(n.operands[0], moves);
  Var own = request(loop::Runtime::unique, {x_.var(block), bytes(t), here()}, request_for(t));
  Place p = whole(own, t);

  KernelBuilder k(*this);
  Exprs& x = k.x();
  Expr address = k.param(p.e, "out");
  // One turn: the additions to an element are in the order of the indices.
  auto add_one = [&] {
    k.nodes(r, kNone);
    Expr index = x.i64(0);
    for (size_t a = 0; a < t.rank(); ++a) {
      Expr target = k.value(r.results[a]), size = k.dim(t.shape[a]);
      k.trap(x.not_(x.compare(Op::ult, target, size)), Code::E0802, n.loc,
             "index {} is outside axis " + std::to_string(a) + " of size {}", {target, size});
      index = x.add(index, x.mul(target, k.dim(p.strides[a])));
    }
    Expr old = k.keep(load_element(x, t.dtype, address, index), "old");
    Expr sum = scalar_op(x, ir::Op::add, t.dtype, {t.dtype, t.dtype},
                         {old, k.value(r.results[t.rank()])}, [](Expr) {});
    k.emit(store_element(x, t.dtype, address, index, sum));
  };
  if (rows_of_columns(r, t.rank())) {
    // The last index is a column of its own in every turn: many at once, and columns over threads.
    const std::vector<DimId> outer(attr.dims.begin(), attr.dims.end() - 1);
    Expr columns = k.dim(attr.dims.back());
    Expr rows = k.param(count(outer), "rows");
    Expr from = k.keep(x.mul(k.lo(), x.i64(kColumns)), "from"),
         end = x.mul(k.hi(), x.i64(kColumns));
    Expr to = k.keep(x.select(x.compare(Op::lt, columns, end), columns, end), "to");
    k.loop("row", x.i64(0), rows, Bind::serial, [&](Expr row) {
      std::vector<Expr> at = k.split(row, outer);
      for (size_t a = 0; a < at.size(); ++a) k.bind(r.params[a], at[a]);
      k.loop("i", from, to, Bind::vector, [&](Expr i) {
        k.bind(r.params.back(), i);
        add_one();
      });
    });
    k.replay_all();
    Expr blocks = x_.binary(Op::sdiv, x_.add(extent(attr.dims.back()), x_.i64(kColumns - 1)),
                            x_.i64(kColumns));
    k.launch(blocks, x_.mul(count(outer), x_.i64(kColumns * k.cost / 8)));
  } else {
    // Leading targets that are the leading indices: each of those has rows of its own.
    size_t own = 0;
    while (own < t.rank() && own + 1 < attr.dims.size() && r.results[own] == r.params[own]) ++own;
    const std::vector<DimId> outer(attr.dims.begin(), attr.dims.begin() + static_cast<long>(own));
    std::function<void(size_t)> nest = [&](size_t a) {
      if (a == attr.dims.size()) return add_one();
      k.loop("i", x.i64(0), k.dim(attr.dims[a]), Bind::serial, [&](Expr i) {
        k.bind(r.params[a], i);
        nest(a + 1);
      });
    };
    k.loop("row", k.lo(), k.hi(), Bind::serial, [&](Expr row) {
      std::vector<Expr> at = k.split(row, outer);
      for (size_t a = 0; a < at.size(); ++a) k.bind(r.params[a], at[a]);
      nest(own);
    });
    const std::vector<DimId> inner(attr.dims.begin() + static_cast<long>(own), attr.dims.end());
    k.launch(count(outer), x_.mul(count(inner), x_.i64(k.cost)));
  }
  bind_element(n.results[0], std::move(p));
}

}  // namespace tenon::plan
