// Which instances a structural node takes, and their launches (nodes.h). The orders of accumulation are
// cut as docs/semantics.md says: runs in chunks of 16384, columns in chunks of 256, chunk results again.
#include "jit/cuda/nodes.h"

#include <algorithm>

#include "jit/cuda/print.h"
#include "jit/cuda/warpgroup.h"
#include "jit/plan/kernel.h"
#include "kernels/cpu/kernels.h"
#include "runtime/trap.h"

namespace tenon::cuda {

namespace {

using loop::NodeInfo;
using List = std::vector<int64_t>;

// A tensor on the device as the host knows it.
struct View {
  int64_t data = 0;
  List shape, strides;
  DType dtype = DType::f32;

  int rank() const { return static_cast<int>(shape.size()); }
  int64_t count() const { return product(shape); }
  static int64_t product(const List& l) {
    int64_t n = 1;
    for (int64_t v : l) n *= v;
    return n;
  }
  static View row_major(int64_t data, List shape, DType t) {
    View v{data, std::move(shape), {}, t};
    v.strides.resize(v.shape.size());
    int64_t n = 1;
    for (size_t i = v.shape.size(); i-- > 0;) {
      v.strides[i] = n;
      n *= v.shape[i];
    }
    return v;
  }
  View permuted(const std::vector<int>& axes) const {
    View v{data, {}, {}, dtype};
    for (int a : axes) {
      v.shape.push_back(shape[static_cast<size_t>(a)]);
      v.strides.push_back(strides[static_cast<size_t>(a)]);
    }
    return v;
  }
  void move(size_t axis, int64_t steps) { data += steps * strides[axis] * static_cast<int64_t>(size_of(dtype)); }
};

// Reads the operands off the slots, as rt_eager does.
class Slots {
 public:
  Slots(const NodeInfo& n, const int64_t* at) : node_(n), at_(at) {}
  View in() {
    const auto r = static_cast<size_t>(node_.ranks[which_]);
    View v{at_[0], List(at_ + 1, at_ + 1 + r), List(at_ + 1 + r, at_ + 1 + 2 * r), node_.dtypes[which_++]};
    at_ += 1 + 2 * r;
    return v;
  }
  View out() {
    const auto r = static_cast<size_t>(node_.ranks[which_]);
    View v = View::row_major(at_[0], List(at_ + 1, at_ + 1 + r), node_.dtypes[which_]);
    ++which_;
    at_ += 1 + r;
    return v;
  }
  List numbers(size_t n) {
    List l(at_, at_ + n);
    at_ += n;
    return l;
  }

 private:
  const NodeInfo& node_;
  const int64_t* at_;
  size_t which_ = 0;
};

// ---------------------------------------------------------------- instances

std::string word(std::string_view s) {
  std::string out;
  for (char c : s) out += c == ' ' ? '_' : c;
  return out;
}

// A kernel of slots a0, a1, ..: `views` ranks first, a view each, then `numbers` more. `body` calls the
// family with v0, v1, .. and n0, n1, ...
std::string instance(Instances* out, std::string name, const std::vector<int>& views, int numbers,
                     const std::string& body) {
  if (!out || out->kernels.contains(name)) return name;
  std::string head, text;
  size_t slot = 0;
  auto next = [&] {
    head += (slot ? ", tn_int a" : "tn_int a") + std::to_string(slot);
    return "a" + std::to_string(slot++);
  };
  for (size_t v = 0; v < views.size(); ++v) {
    const std::string self = "v" + std::to_string(v);
    text += "  TnView<" + std::to_string(views[v]) + "> " + self + ";\n  " + self + ".data = " + next() + ";\n";
    for (const char* part : {".shape[", ".stride["})
      for (int i = 0; i < views[v]; ++i)
        text += "  " + self + part + std::to_string(i) + "] = " + next() + ";\n";
  }
  for (int i = 0; i < numbers; ++i) text += "  const tn_int n" + std::to_string(i) + " = " + next() + ";\n";
  out->text += "TN_KERNEL " + name + "(" + head + ") {\n" + text + "  " + body + "\n}\n";
  out->kernels[name] = slot;
  return name;
}
std::string str(int v) { return std::to_string(v); }

std::string storage_of_bytes(size_t bytes) {
  return bytes == 1 ? "unsigned char" : bytes == 2 ? "unsigned short" : bytes == 4 ? "int" : "tn_int";
}
std::string copy_kernel(Instances* out, DType t, int rank) {
  const std::string s = storage_of_bytes(size_of(t));
  return instance(out, "tn_copy_" + word(s) + "_" + str(rank), {rank, rank}, 1,
                  "tn_copy<" + s + ", " + str(rank) + ">(v0, v1, n0);");
}
std::string transpose_kernel(Instances* out, DType t, int rank) {
  const std::string s = storage_of_bytes(size_of(t));
  return instance(out, "tn_transpose_" + word(s) + "_" + str(rank), {rank, rank}, 1,
                  "tn_transpose<" + s + ", " + str(rank) + ">(v0, v1, n0);");
}
void copy_instances(Instances& out, DType t, int rank) {
  copy_kernel(&out, t, rank);
  if (rank >= 2) transpose_kernel(&out, t, rank);
}
std::string fill_kernel(Instances* out, DType t) {
  const std::string s = storage_of_bytes(size_of(t));
  return instance(out, "tn_fill_" + word(s), {}, 3, "tn_fill<" + s + ">(n0, n1, n2);");
}
std::string iota_kernel(Instances* out, DType t) {
  const std::string s(storage_name(t));
  return instance(out, "tn_iota_" + word(s), {}, 4, "tn_iota<" + s + ">(n0, n1, n2, n3);");
}
std::string fold_kernel(Instances* out, const char* family, ir::ReduceKind k, DType from, DType to, int rank,
                        int folded) {
  const std::string s(storage_name(from)), o(storage_name(to)), kind(kind_name(k));
  return instance(out,
                  std::string(family) + "_" + kind + "_" + word(s) + "_" + word(o) + "_" + str(rank) + "_" + str(folded),
                  {rank}, 3,
                  std::string(family) + "<" + kind + ", " + s + ", " + o + ", " + str(rank) + ", " + str(folded) +
                      ">(v0, n0, n1, n2);");
}
// `beside`: the elements of a line lie beside each other.
std::string arg_kernel(Instances* out, ir::ReduceKind k, DType t, int rank, bool beside) {
  const std::string s(storage_name(t)), kind(kind_name(k)), family = beside ? "tn_arg_line" : "tn_arg_reduce";
  return instance(out, family + "_" + kind + "_" + word(s) + "_" + str(rank), {rank}, 2,
                  family + "<" + kind + ", " + s + ", " + str(rank) + ">(v0, n0, n1);");
}
std::string scan_kernel(Instances* out, ir::ReduceKind k, DType t, int rank, bool beside) {
  const std::string s(storage_name(t)), kind(kind_name(k)), family = beside ? "tn_scan_lines" : "tn_scan";
  return instance(out, family + "_" + kind + "_" + word(s) + "_" + str(rank), {rank, rank}, beside ? 3 : 2,
                  family + "<" + kind + ", " + s + ", " + str(rank) + ">(v0, v1, n0, n1" + (beside ? ", n2);" : ");"));
}
std::string sort_kernel(Instances* out, const char* step, DType t, int rank) {
  const std::string s(storage_name(t)), name = "tn_sort_" + std::string(step) + "_" + word(s);
  if (std::string_view(step) == "merge") return instance(out, name, {}, 7, "tn_sort_merge<" + s + ">(n0, n1, n2, n3, n4, n5, n6);");
  const bool begin = std::string_view(step) == "begin";
  return instance(out, name + "_" + str(rank), begin ? std::vector<int>{rank} : std::vector<int>{rank, rank}, begin ? 4 : 3,
                  "tn_sort_" + std::string(step) + "<" + s + ", " + str(rank) + ">" +
                      (begin ? "(v0, n0, n1, n2, n3);" : "(n0, n1, v0, v1, n2);"));
}

// ---------------------------------------------------------------- contractions, as strides per index

constexpr int kTile = 64, kTensorThreads = 128;  // of tn_gemm and tn_gemm_mma
constexpr int64_t kWorthABlock = 1024;       // a shorter run is a warp's
constexpr int64_t kWorthATile = 8;           // fewer rows or columns leave most of it idle
constexpr int64_t kWorthTensorCores = 16;    // their smallest operand, in each direction
constexpr int kDown = 1, kWide = 2;          // as in gemm.cuh

// The indices of a contraction by who has them. A tile's rows are all that only a and the result have, its
// columns those of b; `batch` are the other indices of the result.
struct Plan {
  std::vector<uint8_t> out, summed, row, col, batch;
  bool free = false;  // some index of the result is not in both operands
  bool tiles() const { return !row.empty() && !col.empty(); }
};
Plan plan_of(const ir::ContractSpec& s) {
  auto in = [](const std::vector<ir::Affine>& axes, size_t index) {
    for (const ir::Affine& a : axes)
      for (const auto& t : a.terms)
        if (t.index == index) return true;
    return false;
  };
  Plan p;
  p.out = s.out;
  for (size_t i = 0; i < s.range.size(); ++i) {
    if (std::find(s.out.begin(), s.out.end(), i) == s.out.end()) p.summed.push_back(static_cast<uint8_t>(i));
    else p.free |= !(in(s.a, i) && in(s.b, i));
  }
  for (uint8_t i : s.out) {
    const bool a = in(s.a, i), b = in(s.b, i);
    (a && !b ? p.row : b && !a ? p.col : p.batch).push_back(i);
  }
  return p;
}
// `mma`: on tensor cores.
std::string gemm_kernel(Instances* out, const Plan& p, DType t, bool mma) {
  const std::string s(storage_name(t));
  const std::string counts = str(static_cast<int>(p.row.size())) + ", " + str(static_cast<int>(p.col.size())) + ", " +
                             str(static_cast<int>(p.batch.size())) + ", " + str(static_cast<int>(p.summed.size()));
  std::string name = mma ? "tn_gemm_mma_" : "tn_gemm_";
  name += word(s);
  for (const auto* list : {&p.row, &p.col, &p.batch, &p.summed}) name += "_" + str(static_cast<int>(list->size()));
  // Slots: the result, a, b, then for each index its extent and two strides (three for a batch), the rest.
  auto count = [](const auto& list) { return static_cast<uint8_t>(list.size()); };
  int at = 1;
  std::string set = "TnGemm<" + counts + "> p; p.out = n0; ";
  set += gemm_members("p", {count(p.row), count(p.col), count(p.batch), count(p.summed)},
                      [&] { return "n" + str(at++); });
  auto next = [&] { return " = n" + str(at++) + ";"; };
  for (const char* part : {"batches", "rows", "cols", "depth", "a_order", "b_order"}) set += std::string(" p.") + part + next();
  return instance(out, name, {}, at, set + (mma ? " tn_gemm_mma<" : " tn_gemm<") + s + ">(p);");
}
std::string contract_kernel(Instances* out, const ir::ContractSpec& spec, DType t, DType to) {
  const Plan p = plan_of(spec);
  const int n = static_cast<int>(p.out.size()), m = static_cast<int>(p.summed.size());
  const std::string s(storage_name(t)), o(storage_name(to));
  // Slots: a, b, out, then extent, a, b per index of the result and per summed one, then counts.
  std::string set = "TnIndices<" + str(n) + "> o; TnIndices<" + str(m) + "> s;";
  int at = 3;
  for (const char* which : {"o", "s"})
    for (int i = 0; i < (*which == 'o' ? n : m); ++i)
      for (const char* part : {"extent", "a", "b"})
        set += std::string(" ") + which + "." + part + "[" + str(i) + "] = n" + str(at++) + ";";
  const std::string rest = "(n0, n1, n2, o, s, n" + str(at) + ", n" + str(at + 1);
  if (p.free)
    return instance(out, "tn_chain_" + word(s) + "_" + str(n) + "_" + str(m), {}, at + 2,
                    set + " tn_contract_chain<" + s + ", " + str(n) + ", " + str(m) + ">" + rest + ");");
  return instance(out, "tn_dot_" + word(s) + "_" + word(o) + "_" + str(n) + "_" + str(m), {}, at + 3,
                  set + " tn_contract_dot<" + s + ", " + o + ", " + str(n) + ", " + str(m) + ">" + rest + ", n" +
                      str(at + 2) + ");");
}

// ---------------------------------------------------------------- launches

// A view's slots, and then these.
List slots(std::initializer_list<const View*> views, std::initializer_list<int64_t> numbers) {
  List l;
  for (const View* v : views) {
    l.push_back(v->data);
    l.insert(l.end(), v->shape.begin(), v->shape.end());
    l.insert(l.end(), v->strides.begin(), v->strides.end());
  }
  l.insert(l.end(), numbers);
  return l;
}

int64_t cut(int64_t n, int64_t chunk) { return std::max<int64_t>(1, (n + chunk - 1) / chunk); }

void copy(const View& x, const View& out, Stage& stage) {
  const int64_t n = out.count();
  // Where both have neighbours, but along different axes, tiles of both are turned.
  constexpr int64_t kWorthTurning = 16;
  auto neighbours = [&](const View& v) {
    for (size_t i = v.shape.size(); i-- > 0;)
      if (v.strides[i] == 1 && v.shape[i] >= kWorthTurning) return static_cast<int>(i);
    return -1;
  };
  const int from = neighbours(x), to = neighbours(out);
  if (n > 0 && from >= 0 && to >= 0 && from != to) {
    std::vector<int> axes;
    for (int i = 0; i < x.rank(); ++i)
      if (i != from && i != to) axes.push_back(i);
    axes.insert(axes.end(), {from, to});
    const View turned = x.permuted(axes), there = out.permuted(axes);
    const int64_t rows = x.shape[static_cast<size_t>(from)], columns = x.shape[static_cast<size_t>(to)];
    const int64_t tiles = n / (rows * columns) * cut(rows, 32) * cut(columns, 32);
    stage.launch(transpose_kernel(nullptr, x.dtype, x.rank()), tiles, kBlock, slots({&turned, &there}, {tiles}));
    return;
  }
  if (n > 0) stage.launch(copy_kernel(nullptr, x.dtype, x.rank()), n, 0, slots({&x, &out}, {n}));
}

// Folds the last `folded` axes of x, in passes until one chunk is left, into `out` of dtype `to`; the
// kept elements are `rows`. `columns`: sum_col, whose chunk results lie [chunks, kept].
void fold(bool columns, ir::ReduceKind k, View x, int folded, int64_t rows, int64_t out, DType to, Stage& stage) {
  const DType acc = plan::accumulator(x.dtype);
  const char* family = "tn_reduce_col";
  const int64_t chunk = columns ? 256 : 16384;
  for (;;) {
    int64_t n = 1;
    for (int i = x.rank() - folded; i < x.rank(); ++i) n *= x.shape[static_cast<size_t>(i)];
    const int64_t chunks = cut(n, chunk);
    const bool block = !columns && n >= kWorthABlock;
    if (!columns) family = block ? "tn_reduce_long" : "tn_reduce_run";
    const DType o = chunks == 1 ? to : acc;
    const int64_t dest =
        chunks == 1 ? out : stage.scratch(rows * chunks * static_cast<int64_t>(size_of(acc)));
    if (rows > 0)
      stage.launch(fold_kernel(nullptr, family, k, x.dtype, o, x.rank(), folded), rows * chunks,
                   columns ? 0 : block ? kBlock : kWarp,
                   slots({&x}, {dest, rows, chunks}));
    if (chunks == 1) return;
    x = View{dest, {rows, chunks}, columns ? List{1, rows} : List{chunks, 1}, acc};
    folded = 1;
  }
}
void fold_instances(Instances& out, bool columns, ir::ReduceKind k, DType from, DType to, int rank, int folded) {
  const DType acc = plan::accumulator(from);
  for (const char* family : {"tn_reduce_col", "tn_reduce_run", "tn_reduce_long"}) {
    if ((std::string_view(family) == "tn_reduce_col") != columns) continue;
    for (DType o : {to, acc}) {
      fold_kernel(&out, family, k, from, o, rank, folded);
      fold_kernel(&out, family, k, acc, o, 2, 1);
    }
  }
}

struct Axes {
  int trailing = 0;        // reduced axes at the end
  std::vector<int> rest;   // the other reduced ones
  std::vector<int> order;  // of what is left without the trailing ones: kept, then rest
};
Axes axes_of(int rank, const std::vector<int>& axes) {
  Axes a;
  auto reduced = [&](int i) { return std::find(axes.begin(), axes.end(), i) != axes.end(); };
  while (a.trailing < rank && reduced(rank - 1 - a.trailing)) ++a.trailing;
  for (int i = 0; i < rank - a.trailing; ++i) (reduced(i) ? a.rest : a.order).push_back(i);
  a.order.insert(a.order.end(), a.rest.begin(), a.rest.end());
  return a;
}

void reduce(const NodeInfo& node, const View& x, const View& out, Stage& stage) {
  const Axes a = axes_of(x.rank(), node.axes);
  View middle = x;
  if (a.trailing > 0) {
    const DType acc = plan::accumulator(x.dtype);
    List left(x.shape.begin(), x.shape.end() - a.trailing);
    const int64_t rows = View::product(left);
    const bool last = a.rest.empty();
    const int64_t dest = last ? out.data : stage.scratch(rows * static_cast<int64_t>(size_of(acc)));
    fold(false, node.reduce, x, a.trailing, rows, dest, last ? out.dtype : acc, stage);
    if (last) return;
    middle = View::row_major(dest, std::move(left), acc);
  }
  fold(true, node.reduce, middle.permuted(a.order), static_cast<int>(a.rest.size()), out.count(), out.data,
       out.dtype, stage);
}

std::vector<int> axis_last(int rank, int axis) {
  std::vector<int> order;
  for (int i = 0; i < rank; ++i)
    if (i != axis) order.push_back(i);
  order.push_back(axis);
  return order;
}

void sort(const NodeInfo& node, const View& x, const View& values, const View& permutation, Stage& stage) {
  const auto order = axis_last(x.rank(), node.axes[0]);
  const View from = x.permuted(order), to = values.permuted(order), at = permutation.permuted(order);
  const int64_t total = from.count(), n = from.shape.back();
  if (total == 0) return;
  const auto bytes = static_cast<int64_t>(size_of(x.dtype));
  int64_t keys = stage.scratch(total * bytes), places = stage.scratch(total * 8);
  int64_t keys2 = stage.scratch(total * bytes), places2 = stage.scratch(total * 8);
  stage.launch(sort_kernel(nullptr, "begin", x.dtype, x.rank()), total, 0, slots({&from}, {keys, places, n, total}));
  for (int64_t width = 1; width < n; width *= 2) {
    stage.launch(sort_kernel(nullptr, "merge", x.dtype, 0), total, 0,
                 List{keys, places, keys2, places2, n, width, total});
    std::swap(keys, keys2);
    std::swap(places, places2);
  }
  stage.launch(sort_kernel(nullptr, "end", x.dtype, x.rank()), total, 0, slots({&to, &at}, {keys, places, total}));
}

// How an operand lies (gemm.cuh): in which direction its neighbours are, and whether 16 bytes of them can
// be fetched at a time: then every step to another line keeps their alignment.
int64_t order_of(const View& x, const Plan& p, const std::vector<uint8_t>& lines, const List& range, const List& stride) {
  const uint8_t line = lines.back();
  const bool along = !p.summed.empty() && stride[p.summed.back()] == 1, down = !along && stride[line] == 1;
  if (!along && !down) return kDown;
  const int64_t wide = 16 / static_cast<int64_t>(size_of(x.dtype));
  const uint8_t contiguous = along ? p.summed.back() : line;
  bool aligned = x.data % 16 == 0 && range[contiguous] % wide == 0;
  for (const auto* list : {&lines, &p.batch, &p.summed})
    for (uint8_t i : *list)
      if (i != contiguous) aligned &= stride[i] % wide == 0;
  return (down ? kDown : 0) | (aligned ? kWide : 0);
}

void contract(const NodeInfo& node, Slots& k, Stage& stage) {
  View a = k.in(), b = k.in();
  const View out = k.out();
  const ir::ContractSpec& spec = *node.spec;
  const List range = k.numbers(spec.range.size());
  List stride_a(range.size()), stride_b(range.size());
  const List offset_a = node.offsets ? k.numbers(spec.a.size()) : List(spec.a.size());
  const List offset_b = node.offsets ? k.numbers(spec.b.size()) : List(spec.b.size());
  auto place = [](View& v, const std::vector<ir::Affine>& axes, const List& offset, List& stride) {
    for (size_t i = 0; i < axes.size(); ++i) {
      v.move(i, offset[i]);
      for (const auto& t : axes[i].terms) stride[t.index] += t.coefficient * v.strides[i];
    }
  };
  place(a, spec.a, offset_a, stride_a);
  place(b, spec.b, offset_b, stride_b);
  const Plan p = plan_of(spec);
  int64_t depth = 1;
  List args{a.data, b.data, out.data};
  for (uint8_t i : p.out) args.insert(args.end(), {range[i], stride_a[i], stride_b[i]});
  for (uint8_t i : p.summed) {
    args.insert(args.end(), {range[i], stride_a[i], stride_b[i]});
    depth *= range[i];
  }
  const int64_t elements = out.count();
  if (elements == 0) return;
  const auto all = [&](const std::vector<uint8_t>& list) {
    int64_t n = 1;
    for (uint8_t i : list) n *= range[i];
    return n;
  };
  const int64_t rows = all(p.row), cols = all(p.col);
  if (p.tiles() && rows >= kWorthATile && cols >= kWorthATile) {
    const bool mma = stage.tensor_cores(a.dtype) && std::min({rows, cols, depth}) >= kWorthTensorCores;
    List stride_c(range.size());
    for (size_t i = 0; i < p.out.size(); ++i) stride_c[p.out[i]] = out.strides[i];
    if (mma) {
      GroupProduct g{a.dtype, a.data, b.data, out.data, {}, {}, {}, {}};
      auto indices = [&](const std::vector<uint8_t>& list) {
        std::vector<GroupProduct::Index> l;
        for (uint8_t i : list) l.push_back({range[i], stride_a[i], stride_b[i], stride_c[i]});
        return l;
      };
      g.rows = indices(p.row);
      g.cols = indices(p.col);
      g.batch = indices(p.batch);
      g.sum = indices(p.summed);
      if (multiply_on_warpgroups(std::move(g), stage)) return;
    }
    args = {out.data, a.data, b.data};
    for (uint8_t i : p.row) args.insert(args.end(), {range[i], stride_a[i], stride_c[i]});
    for (uint8_t i : p.col) args.insert(args.end(), {range[i], stride_b[i], stride_c[i]});
    for (uint8_t i : p.batch) args.insert(args.end(), {range[i], stride_a[i], stride_b[i], stride_c[i]});
    for (uint8_t i : p.summed) args.insert(args.end(), {range[i], stride_a[i], stride_b[i]});
    args.insert(args.end(), {all(p.batch), rows, cols, depth, order_of(a, p, p.row, range, stride_a),
                             order_of(b, p, p.col, range, stride_b)});
    const int64_t tiles = all(p.batch) * cut(rows, kTile) * cut(cols, kTile);
    stage.launch(gemm_kernel(nullptr, p, a.dtype, mma), tiles, mma ? kTensorThreads : kBlock, args);
    return;
  }
  args.insert(args.end(), {elements, depth});
  if (p.free) {
    stage.launch(contract_kernel(nullptr, spec, a.dtype, out.dtype), elements, 0, args);
    return;
  }
  const DType acc = plan::accumulator(a.dtype);
  const int64_t chunks = cut(depth, 16384);
  args.push_back(chunks);
  if (chunks > 1) args[2] = stage.scratch(elements * chunks * static_cast<int64_t>(size_of(acc)));
  stage.launch(contract_kernel(nullptr, spec, a.dtype, chunks > 1 ? acc : out.dtype), elements * chunks, kWarp, args);
  if (chunks > 1)
    fold(false, ir::ReduceKind::sum, View{args[2], {elements, chunks}, {chunks, 1}, acc}, 1, elements, out.data,
         out.dtype, stage);
}

}  // namespace

void instantiate(const NodeInfo& n, const Arithmetic& arithmetic, Instances& out) {
  const DType t = n.dtypes.empty() ? DType::f32 : n.dtypes[0];
  const int rank = n.ranks.empty() ? 0 : n.ranks[0];
  switch (n.op) {
    case ir::Op::reduce: {
      const Axes a = axes_of(rank, n.axes);
      if (a.trailing > 0)
        fold_instances(out, false, n.reduce, t, a.rest.empty() ? t : plan::accumulator(t), rank, a.trailing);
      if (!a.rest.empty() || a.trailing == 0)
        fold_instances(out, true, n.reduce, a.trailing > 0 ? plan::accumulator(t) : t, t, rank - a.trailing,
                       static_cast<int>(a.rest.size()));
      return;
    }
    case ir::Op::arg_reduce:
      for (bool beside : {false, true}) arg_kernel(&out, n.reduce, t, rank, beside);
      return;
    case ir::Op::scan:
      for (bool beside : {false, true}) scan_kernel(&out, n.reduce, t, rank, beside);
      return;
    case ir::Op::contract: {
      contract_kernel(&out, *n.spec, t, t);
      if (const Plan p = plan_of(*n.spec); p.tiles()) {
        gemm_kernel(&out, p, t, false);
        if (arithmetic.tensor_cores(t)) gemm_kernel(&out, p, t, true);
      }
      if (!plan_of(*n.spec).free) {
        contract_kernel(&out, *n.spec, t, plan::accumulator(t));
        fold_instances(out, false, ir::ReduceKind::sum, plan::accumulator(t), t, 2, 1);
      }
      return;
    }
    case ir::Op::sort:
      for (const char* step : {"begin", "merge", "end"}) sort_kernel(&out, step, t, rank);
      return;
    case ir::Op::concat:
    case ir::Op::reshape:
    case ir::Op::update: copy_instances(out, t, rank); return;
    case ir::Op::broadcast: fill_kernel(&out, t); return;
    case ir::Op::iota: iota_kernel(&out, t); return;
    case ir::Op::slice:  // only its bounds are checked, on the host
    TENON_NO_NODE_KERNEL
      return;
  }
}

void run_node(const NodeInfo& node, const int64_t* args, Stage& stage) {
  Slots k(node, args);
  switch (node.op) {
    case ir::Op::reduce: {
      const View x = k.in(), out = k.out();
      return reduce(node, x, out, stage);
    }
    case ir::Op::arg_reduce: {
      const View x = k.in(), out = k.out();
      const View lines = x.permuted(axis_last(x.rank(), node.axes[0]));
      const int64_t rows = out.count();
      if (rows > 0 && lines.shape.back() == 0)
        throw Trap(Code::E0802, "the extreme element of an empty axis is asked for");
      const bool beside = lines.strides.back() == 1;
      if (rows > 0)
        stage.launch(arg_kernel(nullptr, node.reduce, x.dtype, x.rank(), beside), rows, beside ? kWarp : 0,
                     slots({&lines}, {out.data, rows}));
      return;
    }
    case ir::Op::scan: {
      const View x = k.in(), out = k.out();
      const auto order = axis_last(x.rank(), node.axes[0]);
      const View from = x.permuted(order), to = out.permuted(order);
      if (x.count() == 0) return;
      const int64_t rows = x.count() / from.shape.back();
      if (from.strides.back() == 1 && to.strides.back() == 1) {
        int64_t lines = 1, bits = 10;  // of a warp, which has 1024 elements of them at a time
        for (; lines < 32 && lines * 2 <= rows; lines *= 2) --bits;
        stage.launch(scan_kernel(nullptr, node.reduce, x.dtype, x.rank(), true), cut(rows, lines), kWarp,
                     slots({&from, &to}, {rows, node.reverse, bits}));
      } else {
        stage.launch(scan_kernel(nullptr, node.reduce, x.dtype, x.rank(), false), rows, 0, slots({&from, &to}, {rows, node.reverse}));
      }
      return;
    }
    case ir::Op::contract: return contract(node, k, stage);
    case ir::Op::concat: {
      std::vector<View> parts;
      for (size_t i = 0; i + 1 < node.dtypes.size(); ++i) parts.push_back(k.in());
      View out = k.out();
      const auto axis = static_cast<size_t>(node.axes[0]);
      for (const View& part : parts) {
        View to = out;
        to.shape = part.shape;
        copy(part, to, stage);
        out.move(axis, part.shape[axis]);
      }
      return;
    }
    case ir::Op::sort: {
      const View x = k.in(), values = k.out(), permutation = k.out();
      return sort(node, x, values, permutation, stage);
    }
    case ir::Op::update: {
      View x = k.out();
      const View v = k.in();
      const List starts = k.numbers(x.shape.size());
      kernels::check_slice(x.shape, starts, v.shape, node.strides);
      for (size_t i = 0; i < starts.size(); ++i) {
        x.move(i, starts[i]);
        x.strides[i] *= node.strides[i];
      }
      x.shape = v.shape;
      return copy(v, x, stage);
    }
    case ir::Op::slice: {
      const auto n = static_cast<size_t>(node.ranks[0]);
      const List shape = k.numbers(n), starts = k.numbers(n), extents = k.numbers(n);
      kernels::check_slice(shape, starts, extents, node.strides);
      return;
    }
    case ir::Op::reshape: {
      const View x = k.in(), out = k.out();
      return copy(x, out, stage);
    }
    case ir::Op::broadcast: {
      const View out = k.out();
      const int64_t bits = k.numbers(1)[0], n = out.count();
      if (n > 0) stage.launch(fill_kernel(nullptr, out.dtype), n, 0, List{out.data, n, bits});
      return;
    }
    case ir::Op::iota: {
      const View out = k.out();
      const auto axis = static_cast<size_t>(node.axes[0]);
      const int64_t n = out.count();
      if (n > 0)
        stage.launch(iota_kernel(nullptr, out.dtype), n, 0,
                     List{out.data, n, out.strides[axis], out.shape[axis]});
      return;
    }
    TENON_NO_NODE_KERNEL
      break;
  }
  bug("no kernel for this node");
}

}  // namespace tenon::cuda
