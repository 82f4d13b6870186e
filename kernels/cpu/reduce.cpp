// reduce: sum_run over the trailing block of reduced axes, then sum_col over the others, in the
// order of docs/semantics.md, cut over threads in ways that no bit depends on.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/point_runner.h"
#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/walk.h"
#include "runtime/copy.h"
#include "support/diagnostic.h"

namespace tenon::kernels {
namespace {

using ir::ReduceKind;

int64_t bytes_of(DType t) { return static_cast<int64_t>(size_of(t)); }

// ---------------------------------------------------------------- trailing axes: sum_run

// Axes that are walked at one stride: that stride, or nothing.
bool one_stride(const int64_t* shape, const int64_t* strides, int rank, int64_t& stride) {
  int64_t count = 1;
  stride = 1;
  for (int i = rank - 1; i >= 0; --i) {
    if (shape[i] == 1) continue;
    if (count == 1)
      stride = strides[i];
    else if (strides[i] != stride * count)
      return false;
    count *= shape[i];
  }
  return true;
}

template <class T>
void repeat(char* p, int64_t n) {
  T v;
  std::memcpy(&v, p, sizeof v);
  std::fill_n(reinterpret_cast<T*>(p), n, v);
}

// Many short rows, n <= 32: side by side as columns. Partial j of every row is one run of memory
// then, and each step of the tree one call; partials that have no element are left out, being the
// identity.
constexpr int64_t kShort = 32, kSideBySide = 128;
void short_rows(ReduceKind kind, DType t, const char* data, int64_t row_stride, int64_t stride,
                int64_t n, int64_t rows, char* out) {
  const auto columns = reduce_table().columns[static_cast<int>(kind)][static_cast<int>(t)];
  alignas(64) char x[kShort * kSideBySide * 8], p[kShort * kSideBySide * 8];
  const int64_t shape[2] = {n, rows}, dense[2] = {rows, 1}, from[2] = {stride, row_stride};
  copy_strided(x, dense, data, from, shape, 2, size_of(t));
  identity(kind, t, p);
  switch (size_of(t)) {
    case 1:
      repeat<uint8_t>(p, n * rows);
      break;
    case 4:
      repeat<uint32_t>(p, n * rows);
      break;
    default:
      repeat<uint64_t>(p, n * rows);
      break;
  }
  columns(p, x, 1, 0, n * rows);
  for (int64_t h = 32; h >= 1; h /= 2)
    if (h < n) columns(p, p + h * rows * bytes_of(t), 1, 0, std::min(h, n - h) * rows);
  std::memcpy(out, p, static_cast<size_t>(rows * bytes_of(t)));
}

constexpr int64_t kChunksOfPiece = 16;  // of long rows: the work of a thread at a time

// x: kept axes, then the reduced ones; out: sum type, row-major over the kept axes.
void run_axes(ReduceKind kind, const View& x, int kept, void* out, Threads& threads) {
  const DType t = x.dtype, sum = sum_type(t);
  int64_t rows = 1, n = 1;
  for (int i = 0; i < kept; ++i) rows *= x.shape[i];
  for (int i = kept; i < x.rank; ++i) n *= x.shape[i];
  char* to = static_cast<char*>(out);
  if (rows == 0) return;
  if (n == 0) {
    for (int64_t r = 0; r < rows; ++r) identity(kind, sum, to + r * bytes_of(sum));
    return;
  }
  const auto run = reduce_table().run[static_cast<int>(kind)][static_cast<int>(t)];
  const char* data = static_cast<const char*>(x.data);
  const bool tight = contiguous(x.shape + kept, x.strides + kept, x.rank - kept);

  int64_t row_stride, stride;
  if (n <= kShort && rows >= 16 && sum == t && one_stride(x.shape, x.strides, kept, row_stride) &&
      one_stride(x.shape + kept, x.strides + kept, x.rank - kept, stride)) {
    const int64_t blocks = (rows + kSideBySide - 1) / kSideBySide, each = 8;
    threads.each((blocks + each - 1) / each, [&](int64_t c) {
      for (int64_t b = c * each; b < std::min(blocks, (c + 1) * each); ++b) {
        const int64_t r0 = b * kSideBySide;
        short_rows(kind, t, data + r0 * row_stride * bytes_of(t), row_stride, stride, n,
                   std::min(kSideBySide, rows - r0), to + r0 * bytes_of(t));
      }
    });
    return;
  }
  if (n <= kRunChunk) {
    // Whole rows per piece; rows that are not contiguous are packed a few at a time.
    const int64_t each = std::max<int64_t>(1, (int64_t{1} << 15) / n);
    threads.each((rows + each - 1) / each, [&](int64_t c) {
      const int64_t r0 = c * each, r1 = std::min(rows, r0 + each);
      if (tight) {
        Walk row(x.shape, x.strides, kept, r0);
        for (int64_t r = r0; r < r1; ++r, row.next())
          run(data + row.offset() * bytes_of(t), n, to + r * bytes_of(sum));
      } else {
        std::unique_ptr<char[]> packed(new char[static_cast<size_t>((r1 - r0) * n * bytes_of(t))]);
        pack(x, r0 * n, r1 * n, packed.get());
        for (int64_t r = r0; r < r1; ++r)
          run(packed.get() + (r - r0) * n * bytes_of(t), n, to + r * bytes_of(sum));
      }
    });
    return;
  }

  const int64_t chunks = (n + kRunChunk - 1) / kRunChunk;
  std::unique_ptr<char[]> partial(new char[static_cast<size_t>(rows * chunks * bytes_of(sum))]);
  auto rest = [&] {
    for (int64_t r = 0; r < rows; ++r)
      run_contiguous(kind, sum, partial.get() + r * chunks * bytes_of(sum), chunks,
                     to + r * bytes_of(sum));
  };
  // Long rows that lie in one: a piece is a few chunks of a row.
  if (tight && chunks > kChunksOfPiece) {
    const auto run_chunks = reduce_table().chunks[static_cast<int>(kind)][static_cast<int>(t)];
    const int64_t pieces = (chunks + kChunksOfPiece - 1) / kChunksOfPiece;
    threads.each(rows * pieces, [&](int64_t piece) {
      const int64_t r = piece / pieces, c0 = piece % pieces * kChunksOfPiece,
                    c1 = std::min(chunks, c0 + kChunksOfPiece), whole = std::min(c1, n / kRunChunk);
      const char* from =
          data + (Walk(x.shape, x.strides, kept, r).offset() + c0 * kRunChunk) * bytes_of(t);
      char* result = partial.get() + (r * chunks + c0) * bytes_of(sum);
      run_chunks(from, whole - c0, result);
      if (whole < c1)
        run(from + (whole - c0) * kRunChunk * bytes_of(t), n - whole * kRunChunk,
            result + (whole - c0) * bytes_of(sum));
    });
    return rest();
  }
  // A piece is one chunk.
  threads.each(rows * chunks, [&](int64_t c) {
    const int64_t r = c / chunks, k0 = c % chunks * kRunChunk, k1 = std::min(n, k0 + kRunChunk);
    char* result = partial.get() + c * bytes_of(sum);
    if (tight) {
      Walk row(x.shape, x.strides, kept, r);
      run(data + (row.offset() + k0) * bytes_of(t), k1 - k0, result);
    } else {
      std::unique_ptr<char[]> packed(new char[static_cast<size_t>((k1 - k0) * bytes_of(t))]);
      pack(x, r * n + k0, r * n + k1, packed.get());
      run(packed.get(), k1 - k0, result);
    }
  });
  rest();
}

// ---------------------------------------------------------------- other axes: sum_col

// A space of kept and reduced axes of which the last kept one is the columns.
struct Columns {
  int64_t kept_shape[kMaxRank], kept_strides[kMaxRank];
  int64_t red_shape[kMaxRank], red_strides[kMaxRank];
  int kept = 0, red = 0;
  int64_t cols = 1, col_stride = 1;
};

// Columns [c0, c1) at `base`, reduced steps [r0, r1), from the identity, into acc (sum type).
void chunk_of_columns(ReduceKind kind, DType t, const char* base, const Columns& s, int64_t r0,
                      int64_t r1, int64_t c0, int64_t c1, char* acc) {
  const DType sum = sum_type(t);
  const auto columns = reduce_table().columns[static_cast<int>(kind)][static_cast<int>(t)];
  for (int64_t c = c0; c < c1; ++c) identity(kind, sum, acc + (c - c0) * bytes_of(sum));
  const char* first = base + c0 * s.col_stride * bytes_of(t);
  Walk walk(s.red_shape, s.red_strides, s.red, r0);
  if (s.col_stride == 1 || c1 - c0 == 1) {
    // As many steps at once as lie at one stride.
    for (int64_t r = r0; r < r1;) {
      const int64_t stretch =
          s.red == 0 ? 1 : std::min(r1 - r, s.red_shape[s.red - 1] - walk.at(s.red - 1));
      columns(acc, first + walk.offset() * bytes_of(t), stretch,
              s.red == 0 ? 0 : s.red_strides[s.red - 1], c1 - c0);
      r += stretch;
      walk.skip(stretch);
    }
    return;
  }
  // The columns lie apart: bring a few steps of them together.
  const int64_t width = c1 - c0, most = std::max<int64_t>(1, 8192 / width);
  std::unique_ptr<char[]> block(
      new char[static_cast<size_t>(std::min(most, r1 - r0) * width * bytes_of(t))]);
  for (int64_t r = r0; r < r1;) {
    int64_t stretch =
        s.red == 0 ? 1 : std::min(r1 - r, s.red_shape[s.red - 1] - walk.at(s.red - 1));
    stretch = std::min(stretch, most);
    const int64_t shape[2] = {stretch, width};
    const int64_t from[2] = {s.red == 0 ? 0 : s.red_strides[s.red - 1], s.col_stride},
                  to[2] = {width, 1};
    copy_strided(block.get(), to, first + walk.offset() * bytes_of(t), from, shape, 2, size_of(t));
    columns(acc, block.get(), stretch, width, width);
    r += stretch;
    walk.skip(stretch);
  }
}

// x reduced over `axes`, none of which is the last; out: sum type, row-major.
void column_axes(ReduceKind kind, const View& x, std::span<const int> axes, void* out,
                 Threads& threads) {
  const DType t = x.dtype, sum = sum_type(t);
  Columns s;
  // The kept axes behind the last reduced one make one run of columns where they lie in one.
  int first_trailing = axes.back() + 1;
  for (int i = 0; i < x.rank; ++i) {
    bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (reduced) {
      s.red_shape[s.red] = x.shape[i];
      s.red_strides[s.red++] = x.strides[i];
    } else if (i < first_trailing) {
      s.kept_shape[s.kept] = x.shape[i];
      s.kept_strides[s.kept++] = x.strides[i];
    }
  }
  int64_t rows = 1, n = 1;
  for (int i = 0; i < s.red; ++i) n *= s.red_shape[i];
  // Of the trailing ones, merge from the back as long as they are contiguous.
  int i = x.rank - 1;
  for (; i >= first_trailing; --i) {
    if (x.shape[i] == 1) continue;
    if (s.cols == 1)
      s.col_stride = x.strides[i];
    else if (x.strides[i] != s.cols * s.col_stride)
      break;
    s.cols *= x.shape[i];
  }
  for (int j = first_trailing; j <= i; ++j) {
    s.kept_shape[s.kept] = x.shape[j];
    s.kept_strides[s.kept++] = x.strides[j];
  }
  for (int j = 0; j < s.kept; ++j) rows *= s.kept_shape[j];
  if (rows == 0 || s.cols == 0) return;
  char* to = static_cast<char*>(out);
  if (n == 0) {
    for (int64_t k = 0; k < rows * s.cols; ++k) identity(kind, sum, to + k * bytes_of(sum));
    return;
  }
  const char* data = static_cast<const char*>(x.data);
  const int64_t chunks = (n + kColChunk - 1) / kColChunk;
  // A tile of columns stays in L1; its width is free, since columns do not meet.
  const int64_t width = std::min<int64_t>(s.cols, s.col_stride == 1 ? 1024 : 64);
  const int64_t tiles = (s.cols + width - 1) / width;
  if (chunks == 1) {
    const int64_t each = std::max<int64_t>(1, (int64_t{1} << 15) / (n * width));
    threads.each((rows * tiles + each - 1) / each, [&](int64_t piece) {
      for (int64_t k = piece * each; k < std::min(rows * tiles, (piece + 1) * each); ++k) {
        const int64_t row = k / tiles, c0 = k % tiles * width, c1 = std::min(s.cols, c0 + width);
        Walk at(s.kept_shape, s.kept_strides, s.kept, row);
        chunk_of_columns(kind, t, data + at.offset() * bytes_of(t), s, 0, n, c0, c1,
                         to + (row * s.cols + c0) * bytes_of(sum));
      }
    });
    return;
  }
  // Chunk results [row][chunk][col], reduced again by sum_col over their middle axis.
  Tensor partial(sum, {rows, chunks, s.cols});
  char* part = static_cast<char*>(partial.raw());
  const int64_t each = std::max<int64_t>(1, (int64_t{1} << 15) / (kColChunk * width));
  const int64_t all = rows * chunks * tiles;
  threads.each((all + each - 1) / each, [&](int64_t piece) {
    for (int64_t k = piece * each; k < std::min(all, (piece + 1) * each); ++k) {
      const int64_t row = k / (chunks * tiles), chunk = k / tiles % chunks;
      const int64_t c0 = k % tiles * width, c1 = std::min(s.cols, c0 + width);
      Walk at(s.kept_shape, s.kept_strides, s.kept, row);
      chunk_of_columns(kind, t, data + at.offset() * bytes_of(t), s, chunk * kColChunk,
                       std::min(n, (chunk + 1) * kColChunk), c0, c1,
                       part + ((row * chunks + chunk) * s.cols + c0) * bytes_of(sum));
    }
  });
  const int middle[1] = {1};
  column_axes(kind, partial, middle, out, threads);
}

}  // namespace

// ---------------------------------------------------------------- shared

const ReduceTable& reduce_table() {
  static ReduceTable tables[2];
  static std::once_flag once[2];
  auto i = static_cast<size_t>(isa());
  std::call_once(once[i], [&] { isa() == Isa::v4 ? v4::fill(tables[i]) : v3::fill(tables[i]); });
  return tables[i];
}

void identity(ReduceKind kind, DType t, void* out) {
  auto write = [&]<class T>(T least, T most) {
    T v = kind == ReduceKind::max                               ? least
          : kind == ReduceKind::min                             ? most
          : kind == ReduceKind::prod || kind == ReduceKind::all ? T{1}
                                                                : T{0};
    std::memcpy(out, &v, sizeof v);
  };
  switch (t) {
    case DType::boolean:
      write.operator()<uint8_t>(0, 1);
      break;
    case DType::i8:
      write.operator()<int8_t>(INT8_MIN, INT8_MAX);
      break;
    case DType::u8:
      write.operator()<uint8_t>(0, UINT8_MAX);
      break;
    case DType::i32:
      write.operator()<int32_t>(INT32_MIN, INT32_MAX);
      break;
    case DType::i64:
      write.operator()<int64_t>(INT64_MIN, INT64_MAX);
      break;
    case DType::f64:
      write.operator()<double>(-INFINITY, INFINITY);
      break;
    case DType::f16:
    case DType::bf16:
    case DType::f32:
      write.operator()<float>(-INFINITY, INFINITY);
      break;
  }
}

void run_contiguous(ReduceKind kind, DType t, const void* x, int64_t n, void* out) {
  const DType sum = sum_type(t);
  if (n == 0) return identity(kind, sum, out);
  const auto run = reduce_table().run[static_cast<int>(kind)][static_cast<int>(t)];
  if (n <= kRunChunk) return run(x, n, out);
  const int64_t chunks = (n + kRunChunk - 1) / kRunChunk;
  std::unique_ptr<char[]> partial(new char[static_cast<size_t>(chunks * bytes_of(sum))]);
  for (int64_t c = 0; c < chunks; ++c)
    run(static_cast<const char*>(x) + c * kRunChunk * bytes_of(t),
        std::min(kRunChunk, n - c * kRunChunk), partial.get() + c * bytes_of(sum));
  run_contiguous(kind, sum, partial.get(), chunks, out);
}

void narrow(DType sum, const void* from, const View& out) {
  if (sum == out.dtype) return;
  bool trap = false;
  convert_any(point_table(), sum, out.dtype, out.data, from, 1, out.count(), &trap);
}

void reduce(ReduceKind kind, const View& x, std::span<const int> axes, const View& out,
            Threads& threads) {
  require(reduces(kind, x.dtype), "a reduction does not take its operand's dtype");
  if (axes.empty()) return copy(x, out, threads);
  const DType sum = sum_type(x.dtype);
  // 16-bit floats stay in f32 until the end.
  Tensor wide;
  void* result = out.data;
  if (sum != out.dtype) {
    wide = Tensor(sum, {out.count()});
    result = wide.raw();
  }
  int trailing = 0;  // how many of the last axes are reduced
  while (trailing < static_cast<int>(axes.size()) &&
         axes[axes.size() - 1 - static_cast<size_t>(trailing)] == x.rank - 1 - trailing)
    ++trailing;
  const auto others = axes.first(axes.size() - static_cast<size_t>(trailing));
  if (others.empty()) {
    run_axes(kind, x, x.rank - trailing, result, threads);
  } else if (trailing == 0) {
    column_axes(kind, x, others, result, threads);
  } else {
    Extents kept;
    for (int i = 0; i < x.rank - trailing; ++i) kept.push_back(x.shape[i]);
    Tensor middle(sum, kept);
    run_axes(kind, x, x.rank - trailing, middle.raw(), threads);
    // An axis that is last now was not last in x, so sum_col it is; it may have to be told so by a
    // column of its own.
    Tensor as_columns = middle;
    as_columns.shape.push_back(1);
    as_columns.strides.push_back(1);
    column_axes(kind, as_columns, others, result, threads);
  }
  if (sum != out.dtype) narrow(sum, result, out);
}

}  // namespace tenon::kernels
