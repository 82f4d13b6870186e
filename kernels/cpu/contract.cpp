// contract: any product of two operands summed over indices. An operand read at affine positions is
// a strided array with one stride per *index* (a convolution's p + r gives p and r the same one),
// so every contraction with a free index is a batched matrix product whose rows, columns and depth
// are groups of indices; matmul.cpp does that. Without a free index it is a dot, in the order of
// sum_run.
#include <algorithm>
#include <cstring>
#include <memory>

#include "ir/scalar/program.h"
#include "kernels/cpu/channels.h"
#include "kernels/cpu/frame.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/walk.h"
#include "kernels/cpu/window.h"
#include "runtime/copy.h"
#include "support/diagnostic.h"

namespace tenon::kernels {
namespace {

constexpr double kBatchFlops = 1e6, kBatchColumns = 128;  // of a product that is done by itself

int64_t bytes_of(DType t) { return static_cast<int64_t>(size_of(t)); }

// The spec with its numbers in.
struct Problem {
  int n = 0;
  int64_t range[kMostIndices];
  int64_t a[kMostIndices] = {}, b[kMostIndices] = {}, out[kMostIndices] = {};  // strides per index
  bool in_a[kMostIndices] = {}, in_b[kMostIndices] = {}, in_out[kMostIndices] = {};
  const char *a_data, *b_data;
  Kept kept;

  bool batch(int i) const { return in_out[i] && in_a[i] && in_b[i]; }
  bool free(int i) const { return in_out[i] && !batch(i); }
  void swap() {
    std::swap(a, b);
    std::swap(in_a, in_b);
    std::swap(a_data, b_data);
    std::swap(kept.a, kept.b);
  }
};

Problem problem_of(const ir::ContractSpec& spec, std::span<const int64_t> range,
                   std::span<const int64_t> offset_a, std::span<const int64_t> offset_b,
                   const View& a, const View& b, const View& out) {
  Problem p;
  p.n = static_cast<int>(range.size());
  require(p.n <= kMostIndices, "a contraction has too many indices");
  std::copy(range.begin(), range.end(), p.range);
  int64_t at_a = 0, at_b = 0;
  auto read = [&](const std::vector<ir::Affine>& axes, const View& x,
                  std::span<const int64_t> offset, int64_t* strides, bool* present, int64_t& at) {
    for (size_t i = 0; i < axes.size(); ++i) {
      if (!offset.empty()) at += offset[i] * x.strides[i];
      for (const auto& term : axes[i].terms) {
        strides[term.index] += term.coefficient * x.strides[i];
        present[term.index] = true;
      }
    }
  };
  read(spec.a, a, offset_a, p.a, p.in_a, at_a);
  read(spec.b, b, offset_b, p.b, p.in_b, at_b);
  for (size_t i = 0; i < spec.out.size(); ++i) {
    p.out[spec.out[i]] = out.strides[i];
    p.in_out[spec.out[i]] = true;
  }
  p.a_data = static_cast<const char*>(a.data) + at_a * bytes_of(a.dtype);
  p.b_data = static_cast<const char*>(b.data) + at_b * bytes_of(b.dtype);
  return p;
}

// ---------------------------------------------------------------- no free index: dots

void dots(const Problem& p, const ir::ContractSpec& spec, DType t, const View& out,
          Threads& threads) {
  const DType sum = sum_type(t);
  Group batch, depth;
  for (uint8_t i : spec.out) batch.add(p.range[i], p.a[i], p.b[i]);
  for (int i = 0; i < p.n; ++i)
    if (!p.in_out[i]) depth.add(p.range[i], p.a[i], p.b[i]);
  const int64_t cells = batch.count(), n = depth.count();
  Tensor wide;
  char* to = static_cast<char*>(out.data);
  if (sum != t) {
    wide = Tensor(sum, {cells});
    to = static_cast<char*>(wide.raw());
  }
  const auto dot = reduce_table().dot[static_cast<int>(t)];
  const int64_t chunks = std::max<int64_t>(1, (n + kRunChunk - 1) / kRunChunk);
  std::unique_ptr<char[]> partial(new char[static_cast<size_t>(cells * chunks * bytes_of(sum))]);
  const bool plain = depth.n <= 1 && (depth.n == 0 || (depth.s[0][0] == 1 && depth.s[1][0] == 1));
  const int64_t each = std::max<int64_t>(1, (int64_t{1} << 14) / std::max<int64_t>(1, n));
  threads.each((cells * chunks + each - 1) / each, [&](int64_t piece) {
    std::unique_ptr<char[]> packed;
    for (int64_t i = piece * each; i < std::min(cells * chunks, (piece + 1) * each); ++i) {
      const int64_t cell = i / chunks, k0 = i % chunks * kRunChunk,
                    k1 = std::min(n, k0 + kRunChunk);
      const char* a =
          p.a_data + Walk(batch.range, batch.s[0], batch.n, cell).offset() * bytes_of(t);
      const char* b =
          p.b_data + Walk(batch.range, batch.s[1], batch.n, cell).offset() * bytes_of(t);
      if (plain) {
        a += k0 * bytes_of(t);
        b += k0 * bytes_of(t);
      } else {
        if (!packed) packed.reset(new char[static_cast<size_t>(2 * kRunChunk * bytes_of(t))]);
        char* second = packed.get() + kRunChunk * bytes_of(t);
        pack(View(const_cast<char*>(a), depth.range, depth.s[0], depth.n, t), k0, k1, packed.get());
        pack(View(const_cast<char*>(b), depth.range, depth.s[1], depth.n, t), k0, k1, second);
        a = packed.get();
        b = second;
      }
      dot(a, b, k1 - k0, partial.get() + i * bytes_of(sum));
    }
  });
  for (int64_t cell = 0; cell < cells; ++cell) {
    const char* from = partial.get() + cell * chunks * bytes_of(sum);
    if (chunks == 1)
      std::memcpy(to + cell * bytes_of(sum), from, size_of(sum));
    else
      run_contiguous(ir::ReduceKind::sum, sum, from, chunks, to + cell * bytes_of(sum));
  }
  narrow(sum, to, out);
}

// ---------------------------------------------------------------- integers: any order is exact

void integers(const Problem& p, const ir::ContractSpec& spec, DType t, const View& out,
              Threads& threads) {
  Group cells, depth;
  for (uint8_t i : spec.out) cells.add(p.range[i], p.a[i], p.b[i]);
  for (int i = 0; i < p.n; ++i)
    if (!p.in_out[i]) depth.add(p.range[i], p.a[i], p.b[i]);
  const int64_t n = cells.count(), k = depth.count();
  const int64_t inner = depth.n > 0 ? depth.range[depth.n - 1] : 1;
  const int64_t as = depth.n > 0 ? depth.s[0][depth.n - 1] : 0,
                bs = depth.n > 0 ? depth.s[1][depth.n - 1] : 0;
  const int64_t each = std::max<int64_t>(1, (int64_t{1} << 14) / std::max<int64_t>(1, k));
  scalar::visit_dtype(t, [&]<DType kT>() {
    if constexpr (is_integer(kT)) {
      using S = scalar::Storage<kT>;
      threads.each((n + each - 1) / each, [&](int64_t piece) {
        for (int64_t i = piece * each; i < std::min(n, (piece + 1) * each); ++i) {
          const S* a = reinterpret_cast<const S*>(p.a_data) +
                       Walk(cells.range, cells.s[0], cells.n, i).offset();
          const S* b = reinterpret_cast<const S*>(p.b_data) +
                       Walk(cells.range, cells.s[1], cells.n, i).offset();
          Walk wa(depth.range, depth.s[0], depth.n, 0), wb(depth.range, depth.s[1], depth.n, 0);
          uint64_t sum = 0;
          for (int64_t done = 0; done < k; done += inner, wa.skip(inner), wb.skip(inner)) {
            const S *x = a + wa.offset(), *y = b + wb.offset();
            for (int64_t j = 0; j < inner; ++j)
              sum += static_cast<uint64_t>(x[j * as]) * static_cast<uint64_t>(y[j * bs]);
          }
          static_cast<S*>(out.data)[i] = static_cast<S>(sum);
        }
      });
    }
  });
}

// ---------------------------------------------------------------- a free index: matrix products

// a laid out as rows x depth, since every batch will pack it; p reads it there from now on.
Tensor row_major_rows(Problem& p, const ir::ContractSpec& spec, DType t) {
  int index[kMostIndices], n = 0;
  for (uint8_t i : spec.out)
    if (p.free(i) && p.in_a[i]) index[n++] = i;
  for (int i = 0; i < p.n; ++i) {
    if (!p.in_out[i] && p.in_a[i]) index[n++] = i;
    if (p.batch(i)) return {};
  }
  if (n > kMaxRank) return {};
  Extents shape;
  int64_t from[kMaxRank];
  for (int k = 0; k < n; ++k) {
    shape.push_back(p.range[index[k]]);
    from[k] = p.a[index[k]];
  }
  Tensor dense(t, shape);
  copy_strided(dense.raw(), dense.strides.begin(), p.a_data, from, shape.begin(), n, size_of(t));
  for (int k = 0; k < n; ++k) p.a[index[k]] = dense.strides[k];
  p.a_data = static_cast<const char*>(dense.raw());
  return dense;
}

// Whether an operand is read through a window: at places that no stride for each index describes.
bool reads_windows(const std::vector<ir::Affine>& axes) {
  for (const ir::Affine& a : axes)
    for (const auto& term : a.terms)
      if (a.terms.size() > 1 || term.coefficient != 1) return true;
  return false;
}

// The framed axes of an operand: each is read by one index of the rows and one of the depth, and these read
// nothing else of it.
bool framed_axes(const Problem& p, const std::vector<ir::Affine>& read, std::span<const int64_t> offset,
                 const View& part, const Frame& frame, std::vector<FramedAxis>& axes, int* axis_of) {
  int uses[kMostIndices] = {};
  for (const ir::Affine& a : read)
    for (const auto& term : a.terms) ++uses[term.index];
  for (size_t i = 0; i < read.size(); ++i) {
    if (part.shape[i] == frame.shape[i] && frame.steps[i] == 1) continue;
    FramedAxis f;
    for (const auto& term : read[i].terms) {
      const int index = term.index;
      if (uses[index] > 1) return false;
      if (p.free(index) && p.in_a[index] && f.row < 0) {
        f.row = index;
        f.row_coefficient = term.coefficient;
      } else if (!p.in_out[index] && f.tap < 0) {
        f.tap = index;
        f.tap_coefficient = term.coefficient;
      } else {
        return false;
      }
      axis_of[index] = static_cast<int>(axes.size());
    }
    f.offset = offset.empty() ? 0 : offset[i];
    f.start = frame.starts[i];
    f.step = frame.steps[i];
    f.extent = part.shape[i];
    f.stride = part.strides[i];
    axes.push_back(f);
  }
  return true;
}

// A convolution or a derivative of one: its windows become the rows of a product, and are read where
// they lie. What is framed, a then, is read beside its zeros.
bool through_windows(Problem p, const ir::ContractSpec& spec, DType t, const View& out,
                     Threads& threads, std::span<const FramedAxis> framed = {}, const int* axis_of = nullptr) {
  const bool in_a = reads_windows(spec.a), in_b = reads_windows(spec.b);
  if (!in_a && !in_b) return false;
  if (!in_a && framed.empty()) p.swap();
  WindowSpec w;
  for (uint8_t i : spec.out) {
    if (p.batch(i)) {
      w.batch_a.add(p.range[i], p.a[i]);
      w.batch_b.add(p.range[i], p.b[i]);
      w.batch_c.add(p.range[i], p.out[i]);
    } else if (p.in_a[i]) {
      w.rows_a.add(p.range[i], p.a[i]);
      w.rows_c.add(p.range[i], p.out[i]);
    } else {
      w.cols_b.add(p.range[i], p.b[i]);
      w.cols_c.add(p.range[i], p.out[i]);
    }
  }
  for (int i = 0; i < p.n; ++i)
    if (!p.in_out[i]) {
      w.depth_a.add(p.range[i], p.a[i]);
      w.depth_b.add(p.range[i], p.b[i]);
    }
  // A vector holds columns: where there are hardly any, or each is a batch, they are better made of
  // what are rows here.
  const int last = spec.out.back();
  if (p.batch(last) || (w.cols_b.count() < 4 && p.in_a[last])) return false;
  w.a = p.a_data;
  w.b = p.b_data;
  w.c = out.data;
  w.kept = p.kept.b;
  if (!framed.empty()) {
    // A result whose columns lie apart is turned, which short runs of rows make slow.
    if (w.cols_c.n > 0 && !(w.cols_c.even() && w.cols_c.stride() == 1)) return false;
    constexpr int64_t kMostPacked = int64_t{32} << 20;
    if (w.cols_b.count() * w.depth_b.count() * bytes_of(t) > kMostPacked) return false;
    std::vector<PartIndex> rows, depth;
    for (uint8_t i : spec.out) {
      if (p.batch(i) && p.range[i] != 1) return false;
      if (!p.batch(i) && p.in_a[i]) rows.push_back({p.range[i], p.a[i], p.out[i], axis_of[i]});
    }
    for (int i = 0; i < p.n; ++i)
      if (!p.in_out[i]) depth.push_back({p.range[i], p.a[i], 0, axis_of[i]});
    if (!finite(t, w, threads)) return false;
    w.parts = parts_of(framed, rows, depth, threads);
    if (w.parts.empty()) return false;
  }
  window_product(t, w, threads);
  return true;
}

// A depthwise convolution or a derivative of one: the last index of the result belongs to both operands,
// or b is a window of numbers for rows of a; and b has hardly an index of its own.
bool through_channels(Problem p, const ir::ContractSpec& spec, DType t, const View& out,
                      Threads& threads) {
  constexpr int64_t kFewColumns = 4, kFewFree = 4;
  const int last = spec.out.back();
  int64_t free_a = 1, free_b = 1;
  for (uint8_t i : spec.out) {
    if (i == last || !p.free(i)) continue;
    (p.in_a[i] ? free_a : free_b) *= p.range[i];
  }
  const bool batch = p.batch(last);
  if (batch ? free_a < free_b : !p.in_a[last]) {
    p.swap();
    std::swap(free_a, free_b);
  }
  if (free_b > kFewFree || p.range[last] < kFewColumns || p.out[last] != 1 || p.a[last] != 1)
    return false;
  if (batch && p.b[last] != 1) return false;
  // One row of numbers against a matrix is a product like others.
  if (!batch && (free_b > 1 || p.range[last] < 2 * kFewColumns ||
                 (!reads_windows(spec.a) && !reads_windows(spec.b))))
    return false;
  ChannelSpec s;
  for (uint8_t i : spec.out) {
    if (i == last) continue;
    s.rows_a.add(p.range[i], p.a[i]);
    s.rows_b.add(p.range[i], p.b[i]);
    s.rows_c.add(p.range[i], p.out[i]);
  }
  for (int i = 0; i < p.n; ++i)
    if (!p.in_out[i]) {
      s.depth_a.add(p.range[i], p.a[i]);
      s.depth_b.add(p.range[i], p.b[i]);
    }
  s.columns = p.range[last];
  s.splat = !batch;
  s.a = p.a_data;
  s.b = p.b_data;
  s.c = out.data;
  channel_product(t, s, threads);
  return true;
}

bool row_major(const View& v) {
  int64_t step = 1;
  for (int i = v.rank; i-- > 0;) {
    if (v.shape[i] != 1 && v.strides[i] != step) return false;
    step *= v.shape[i];
  }
  return true;
}

// to += from, a dense matrix, row by row.
void add_rows(DType t, char* to, int64_t row, const char* from, int64_t rows, int64_t columns) {
  auto add = [&]<class T>(T* x, const T* y) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) x[i * row + j] += y[i * columns + j];
  };
  if (t == DType::f64)
    add(reinterpret_cast<double*>(to), reinterpret_cast<const double*>(from));
  else
    add(reinterpret_cast<float*>(to), reinterpret_cast<const float*>(from));
}

// Columns are b's, and the group that holds the last result axis; fma(a, b, c) is fma(b, a, c).
void columns_of_b(Problem& p, const ir::ContractSpec& spec) {
  const int last = spec.out.back();
  bool columns_of_a = p.in_a[last] && !p.in_b[last];
  if (p.batch(last)) {
    columns_of_a = true;  // any group that is not empty
    for (uint8_t i : spec.out) columns_of_a &= !(p.free(i) && p.in_b[i]);
  }
  if (columns_of_a) p.swap();
}

void products(Problem p, const ir::ContractSpec& spec, DType t, const View& out, Threads& threads) {
  if (through_channels(p, spec, t, out, threads)) return;
  if (through_windows(p, spec, t, out, threads)) return;
  columns_of_b(p, spec);
  // Columns that stand before the rows in the result (a convolution's images before its channels)
  // are batches, if each of these is work enough: then the result needs no moving.
  bool first = true, leading[kMostIndices] = {};
  double flops = 2, columns = 1;  // of one batch
  for (int i = 0; i < p.n; ++i)
    if (!p.in_out[i]) flops *= static_cast<double>(p.range[i]);
  for (uint8_t i : spec.out) {
    const bool column = p.free(i) && p.in_b[i];
    first &= p.batch(i) || column;
    if (first && column)
      leading[i] = true;
    else if (!p.batch(i))
      flops *= static_cast<double>(p.range[i]);
    if (column && !leading[i]) columns *= static_cast<double>(p.range[i]);
  }
  bool split = false;
  for (uint8_t i : spec.out) split |= leading[i] && p.range[i] > 1;
  Tensor dense;
  if (!split || first || flops < kBatchFlops || columns < kBatchColumns)
    std::fill(std::begin(leading), std::end(leading), false);
  else
    dense = row_major_rows(p, spec, t);
  ProductSpec s;
  int order[kMaxRank], placed = 0, kind_of[kMaxRank];  // result axes as batch, rows, columns
  for (int kind = 0; kind < 3; ++kind)
    for (size_t axis = 0; axis < spec.out.size(); ++axis) {
      const int i = spec.out[axis];
      const int k = p.batch(i) || leading[i] ? 0 : p.in_b[i] ? 2 : 1;
      if (k == kind) {
        kind_of[placed] = kind;
        order[placed++] = static_cast<int>(axis);
      }
    }
  bool in_order = true;
  for (int i = 0; i < placed; ++i) {
    in_order &= order[i] == i;
    const int index = spec.out[static_cast<size_t>(order[i])];
    Group& g = kind_of[i] == 0 ? s.batch : kind_of[i] == 1 ? s.rows : s.cols;
    g.add(p.range[index], p.a[index], p.b[index]);
  }
  for (int i = 0; i < p.n; ++i)
    if (!p.in_out[i]) s.depth.add(p.range[i], p.a[i], p.b[i]);
  s.a = p.a_data;
  s.b = p.b_data;
  s.kept = p.kept.b;
  if (in_order && row_major(out)) {
    s.c = out.data;
    return product(t, s, threads);
  }
  // Into rows that lie apart, if it is one matrix.
  int matrix[2] = {-1, -1};
  bool one = in_order;
  for (int i = 0; i < placed; ++i) {
    if (out.shape[i] == 1) continue;
    one &= kind_of[i] > 0 && matrix[kind_of[i] - 1] < 0;
    if (one) matrix[kind_of[i] - 1] = i;
  }
  if (one && (matrix[1] < 0 || out.strides[matrix[1]] == 1)) {
    s.c = out.data;
    s.c_row = matrix[0] < 0 ? s.cols.count() : out.strides[matrix[0]];
    return product(t, s, threads);
  }
  // Into an array in that order, then to its place.
  Extents shape;
  for (int i = 0; i < placed; ++i) shape.push_back(out.shape[order[i]]);
  Tensor temporary(t, shape);
  s.c = temporary.raw();
  product(t, s, threads);
  int back[kMaxRank];
  for (int i = 0; i < placed; ++i) back[order[i]] = i;
  copy(temporary.transposed({back, static_cast<size_t>(placed)}), out, threads);
}

// Not done where false.
bool beside_frame(const ir::ContractSpec& spec, std::span<const int64_t> range,
                  std::span<const int64_t> offset_a, std::span<const int64_t> offset_b, const View& a,
                  const View& b, const View& out, Threads& threads, Kept kept, const Frame& frame) {
  const DType t = out.dtype;
  if (t != DType::f32 && t != DType::f64) return false;
  // Offsets of framed axes are counted where they are read; a framed axis begins at its first element.
  const bool left = frame.side == 0;
  const View& part = left ? a : b;
  const auto& read = left ? spec.a : spec.b;
  const std::span<const int64_t> given = left ? offset_a : offset_b;
  int64_t rest[kMaxRank] = {};
  for (size_t i = 0; i < read.size() && !given.empty(); ++i)
    if (part.shape[i] == frame.shape[i] && frame.steps[i] == 1) rest[i] = given[i];
  const std::span<const int64_t> offset(rest, given.empty() ? 0 : read.size());
  Problem p = problem_of(spec, range, left ? offset : offset_a, left ? offset_b : offset, a, b, out);
  p.kept = kept;
  if (!left) p.swap();
  p.kept.a = nullptr;
  std::vector<FramedAxis> axes;
  int axis_of[kMostIndices];
  std::fill(std::begin(axis_of), std::end(axis_of), -1);
  return framed_axes(p, read, given, part, frame, axes, axis_of) && !axes.empty() &&
         through_windows(p, spec, t, out, threads, axes, axis_of);
}

}  // namespace

void contract(const ir::ContractSpec& spec, std::span<const int64_t> range,
              std::span<const int64_t> offset_a, std::span<const int64_t> offset_b, const View& a,
              const View& b, const View& out, Threads& threads, Kept kept,
              const Frame* frame) {
  if (out.count() == 0) return;
  const DType t = out.dtype;
  if (frame) {
    const View& part = frame->side == 0 ? a : b;
    if (beside_frame(spec, range, offset_a, offset_b, a, b, out, threads, kept, *frame)) return;
    Tensor whole(t, Extents(frame->shape));  // it has to be there
    const int64_t zero = 0;
    fill(whole, &zero, threads);
    update(whole, part, frame->starts, frame->steps, threads);
    const View there = whole;
    return contract(spec, range, offset_a, offset_b, frame->side == 0 ? there : a,
                    frame->side == 0 ? b : there, out, threads, kept);
  }
  Problem p = problem_of(spec, range, offset_a, offset_b, a, b, out);
  p.kept = kept;
  bool has_free = false;
  for (int i = 0; i < p.n; ++i) has_free |= p.free(i);
  if (has_free && (t == DType::f32 || t == DType::f64)) return products(p, spec, t, out, threads);
  if (is_integer(t)) return integers(p, spec, t, out, threads);
  if (!has_free) return dots(p, spec, t, out, threads);
  // 16-bit floats: in f32, rounded once.
  auto widen = [&](const View& x) {
    Tensor w(DType::f32, Extents({x.shape, static_cast<size_t>(x.rank)}));
    run_point(ir::Op::convert, {&x, 1}, w, threads);
    return w;
  };
  const Tensor wide_a = widen(a), wide_b = widen(b);
  Tensor wide_out(DType::f32, Extents({out.shape, static_cast<size_t>(out.rank)}));
  products(problem_of(spec, range, offset_a, offset_b, wide_a, wide_b, wide_out), spec, DType::f32,
           wide_out, threads);
  narrow(DType::f32, wide_out.raw(), out);
}

void contract_stretch(const ir::ContractSpec& spec, std::span<const int64_t> range, const View& a,
                      const View& b, const View& out, Stretch at, Threads& threads) {
  if (out.count() == 0) return;
  const DType t = out.dtype;
  const int64_t size = bytes_of(t);
  Problem p = problem_of(spec, range, {}, {}, a, b, out);
  columns_of_b(p, spec);
  // The sums as a matrix: in the result itself, where it is one; else in memory of their own.
  ProductSpec s;
  int64_t dense[kMaxRank], strides[2] = {0, 1}, n = 1, depth = 0;
  int axes[2] = {0, 0};
  for (int columns = 1; columns >= 0; --columns)
    for (size_t axis = spec.out.size(); axis-- > 0;) {
      const int i = spec.out[axis];
      if (p.free(i) ? p.in_b[i] != (columns == 1) : columns == 1) continue;
      dense[axis] = n;
      n *= p.range[i];
      if (p.range[i] == 1) continue;
      ++axes[columns];
      strides[columns] = p.out[i];
    }
  for (uint8_t i : spec.out)
    if (p.free(i)) (p.in_b[i] ? s.cols : s.rows).add(p.range[i], p.a[i], p.b[i]);
  int64_t step_a = 0, step_b = 0;
  for (int i = 0; i < p.n; ++i) {
    if (p.in_out[i]) continue;
    depth = p.range[i];
    step_a = p.a[i];
    step_b = p.b[i];
  }
  const int64_t columns = s.cols.count();
  const bool direct = axes[0] <= 1 && axes[1] <= 1 && strides[1] == 1;
  char* const sums = direct ? static_cast<char*>(out.data) : static_cast<char*>(at.sums);
  const int64_t row = direct ? strides[0] : columns, rows = s.rows.count();
  char* const chain = static_cast<char*>(at.sums) + n * size;
  // Each block of 1024 is a chain of its own (docs/semantics.md), added to those before.
  const int64_t end = at.first + depth;
  for (int64_t k = at.first, next; k < end || at.whole == 0; k = next) {
    next = std::min(end, (k / kChainBlock + 1) * kChainBlock);
    const bool first = k < kChainBlock;
    s.depth = {};
    s.depth.add(next - k, step_a, step_b);
    s.a = p.a_data + (k - at.first) * step_a * size;
    s.b = p.b_data + (k - at.first) * step_b * size;
    s.c = first ? sums : chain;
    s.c_row = first ? row : columns;
    s.goes_on = k % kChainBlock != 0;
    product(t, s, threads);
    if (!first && (next % kChainBlock == 0 || next == at.whole)) add_rows(t, sums, row, chain, rows, columns);
    if (at.whole == 0) break;
  }
  if (direct || end < at.whole) return;
  copy(View(sums, out.shape, dense, out.rank, t), out, threads);
}

void matmul(DType dtype, const MatmulArgs& m, Threads& threads) {
  const int64_t size = bytes_of(dtype);
  for (int64_t i = 0; i < m.batch; ++i) {
    ProductSpec s;
    s.rows.add(m.rows, m.a_row, 0);
    s.cols.add(m.cols, 0, m.b_col);
    s.depth.add(m.depth, m.a_depth, m.b_depth);
    s.a = static_cast<const char*>(m.a) + i * m.a_batch * size;
    s.b = static_cast<const char*>(m.b) + i * m.b_batch * size;
    s.c = static_cast<char*>(m.c) + i * m.c_batch * size;
    s.c_row = m.c_row;
    product(dtype, s, threads);
  }
}

}  // namespace tenon::kernels
