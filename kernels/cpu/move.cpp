// Moving elements: copies, concatenation, filling, slices, rows by number.
#include <algorithm>
#include <cstring>

#include "ir/scalar/program.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/walk.h"
#include "runtime/copy.h"
#include "runtime/trap.h"

namespace tenon::kernels {
namespace {

constexpr int64_t kPieceBytes = int64_t{1} << 18;

int64_t bytes_of(DType t) { return static_cast<int64_t>(size_of(t)); }

std::string position(int64_t index, int axis, int64_t extent) {
  return "index " + std::to_string(index) + " is outside axis " + std::to_string(axis) +
         " of size " + std::to_string(extent);
}

}  // namespace

void pack(const View& x, int64_t begin, int64_t end, void* to) {
  // Whole steps of the outermost axis in one go where the range has them, else rows.
  const int64_t size = bytes_of(x.dtype);
  char* out = static_cast<char*>(to);
  const char* data = static_cast<const char*>(x.data);
  int64_t inside = x.count() / std::max<int64_t>(1, x.rank > 0 ? x.shape[0] : 1);
  if (x.rank > 1 && inside > 0 && begin % inside == 0 && end % inside == 0) {
    int64_t shape[kMaxRank], dense[kMaxRank], step = 1;
    std::copy_n(x.shape, x.rank, shape);
    shape[0] = (end - begin) / inside;
    for (int i = x.rank - 1; i >= 0; --i) {
      dense[i] = step;
      step *= shape[i];
    }
    copy_strided(out, dense, data + begin / inside * x.strides[0] * size, x.strides, shape, x.rank,
                 size_of(x.dtype));
    return;
  }
  Walk at(x.shape, x.strides, x.rank, begin);
  for (int64_t f = begin; f < end;) {
    const int64_t n = x.rank == 0 ? 1 : std::min(end - f, x.shape[x.rank - 1] - at.at(x.rank - 1));
    const int64_t one = 1, stride = x.rank == 0 ? 1 : x.strides[x.rank - 1];
    copy_strided(out + (f - begin) * size, &one, data + at.offset() * size, &stride, &n, 1,
                 size_of(x.dtype));
    f += n;
    at.skip(n);
  }
}

void copy(const View& x, const View& out, Threads& threads) {
  const int64_t bytes = x.count() * bytes_of(x.dtype);
  // Cut along the first axis that is long enough to be cut.
  int axis = 0;
  while (axis < x.rank && x.shape[axis] == 1) ++axis;
  if (bytes <= kPieceBytes || axis == x.rank) {
    copy_strided(out.data, out.strides, x.data, x.strides, x.shape, x.rank, size_of(x.dtype));
    return;
  }
  const int64_t extent = x.shape[axis];
  const int64_t each = std::max<int64_t>(1, extent * kPieceBytes / bytes);
  threads.each((extent + each - 1) / each, [&](int64_t c) {
    int64_t shape[kMaxRank];
    std::copy_n(x.shape, x.rank, shape);
    const int64_t first = c * each;
    shape[axis] = std::min(each, extent - first);
    copy_strided(static_cast<char*>(out.data) + first * out.strides[axis] * bytes_of(x.dtype),
                 out.strides,
                 static_cast<const char*>(x.data) + first * x.strides[axis] * bytes_of(x.dtype),
                 x.strides, shape, x.rank, size_of(x.dtype));
  });
}

void concat(std::span<const View> parts, int axis, const View& out, Threads& threads) {
  int64_t at = 0;
  for (const View& part : parts) {
    View to = out;
    to.shape = part.shape;
    to.data = static_cast<char*>(out.data) + at * out.strides[axis] * bytes_of(out.dtype);
    if (part.count() > 0) copy(part, to, threads);
    at += part.shape[axis];
  }
}

void iota(int axis, const View& out, Threads& threads) {
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= out.shape[i];
  for (int i = axis + 1; i < out.rank; ++i) inner *= out.shape[i];
  const int64_t n = out.shape[axis];
  (void)threads;
  scalar::visit_dtype(out.dtype, [&]<DType t>() {
    using S = scalar::Storage<t>;
    scalar::Plain m;
    S* p = static_cast<S*>(out.data);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < n; ++i) {
        p = std::fill_n(p, inner, scalar::store_plain<t>(scalar::convert<DType::i64, t>(m, i)));
      }
  });
}

void fill(const View& out, const void* element, Threads& threads) {
  const int64_t bytes = out.count() * bytes_of(out.dtype);
  const char* from = static_cast<const char*>(element);
  if (out.contiguous() && std::all_of(from, from + size_of(out.dtype), [](char c) { return c == 0; })) {
    threads.each((bytes + kPieceBytes - 1) / kPieceBytes, [&](int64_t c) {
      const int64_t first = c * kPieceBytes;
      std::memset(static_cast<char*>(out.data) + first, 0,
                  static_cast<size_t>(std::min(kPieceBytes, bytes - first)));
    });
    return;
  }
  const int64_t none[kMaxRank] = {};
  copy(View(const_cast<void*>(element), out.shape, none, out.rank, out.dtype), out, threads);
}

void check_slice(std::span<const int64_t> shape, std::span<const int64_t> starts,
                 std::span<const int64_t> extents, std::span<const int64_t> steps) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (starts[i] < 0 || starts[i] > shape[i])
      throw Trap(Code::E0802, position(starts[i], static_cast<int>(i), shape[i]));
    int64_t last;
    if (extents[i] > 0 && (__builtin_mul_overflow(steps[i], extents[i] - 1, &last) ||
                           __builtin_add_overflow(last, starts[i], &last) || last >= shape[i]))
      throw Trap(Code::E0802, position(last, static_cast<int>(i), shape[i]));
  }
}

void update(const View& x, const View& v, std::span<const int64_t> starts,
            std::span<const int64_t> steps, Threads& threads) {
  check_slice({x.shape, static_cast<size_t>(x.rank)}, starts,
              {v.shape, static_cast<size_t>(v.rank)}, steps);
  int64_t strides[kMaxRank], offset = 0;
  for (int i = 0; i < x.rank; ++i) {
    offset += starts[static_cast<size_t>(i)] * x.strides[i];
    strides[i] = steps[static_cast<size_t>(i)] * x.strides[i];
  }
  if (v.count() == 0) return;
  copy(v,
       View(static_cast<char*>(x.data) + offset * bytes_of(x.dtype), v.shape, strides, v.rank,
            x.dtype),
       threads);
}

// ---------------------------------------------------------------- rows by number

void gather_rows(const View& table, const View& index, const View& out, Threads& threads) {
  const int64_t n = index.count(), size = bytes_of(table.dtype);
  int64_t width = 1;
  for (int i = 1; i < table.rank; ++i) width *= table.shape[i];
  const bool tight = contiguous(table.shape + 1, table.strides + 1, table.rank - 1);
  Walk check(index.shape, index.strides, index.rank, 0);
  const auto* numbers = static_cast<const int64_t*>(index.data);
  for (int64_t i = 0; i < n; ++i, check.next()) {
    const int64_t r = numbers[check.offset()];
    if (r < 0 || r >= table.shape[0]) throw Trap(Code::E0802, position(r, 0, table.shape[0]));
  }
  const int64_t each = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, width * size));
  int64_t dense[kMaxRank], step = 1;
  for (int i = table.rank - 1; i >= 1; --i) {
    dense[i] = step;
    step *= table.shape[i];
  }
  threads.each((n + each - 1) / each, [&](int64_t c) {
    Walk at(index.shape, index.strides, index.rank, c * each);
    for (int64_t i = c * each; i < std::min(n, (c + 1) * each); ++i, at.next()) {
      const char* from =
          static_cast<const char*>(table.data) + numbers[at.offset()] * table.strides[0] * size;
      char* to = static_cast<char*>(out.data) + i * width * size;
      if (tight)
        std::memcpy(to, from, static_cast<size_t>(width * size));
      else
        copy_strided(to, dense + 1, from, table.strides + 1, table.shape + 1, table.rank - 1,
                     size_of(table.dtype));
    }
  });
}

void scatter_add_rows(const View& table, const View& index, const View& rows, Threads& threads) {
  const int64_t n = index.count();
  int64_t width = 1;
  for (int i = 1; i < table.rank; ++i) width *= table.shape[i];
  const auto* numbers = static_cast<const int64_t*>(index.data);
  Walk check(index.shape, index.strides, index.rank, 0);
  for (int64_t i = 0; i < n; ++i, check.next()) {
    const int64_t r = numbers[check.offset()];
    if (r < 0 || r >= table.shape[0]) throw Trap(Code::E0802, position(r, 0, table.shape[0]));
  }
  // Columns over threads: each walks all rows in order, so every element sees its updates in order.
  const int64_t cut = std::max<int64_t>(
      64, std::min<int64_t>(width, (int64_t{1} << 16) / std::max<int64_t>(1, n) + 64));
  const int64_t pieces = n == 0 ? 0 : (width + cut - 1) / cut;
  const int kept = index.rank;  // rows: index axes, then the row's own
  scalar::visit_dtype(table.dtype, [&]<DType t>() {
    if constexpr (t != DType::boolean) {
      using S = scalar::Storage<t>;
      threads.each(pieces, [&](int64_t piece) {
        scalar::Plain m;
        const int64_t c0 = piece * cut, c1 = std::min(width, c0 + cut);
        Walk number(index.shape, index.strides, index.rank, 0);
        Walk row(rows.shape, rows.strides, kept, 0);
        const bool tight = contiguous(rows.shape + kept, rows.strides + kept, rows.rank - kept);
        for (int64_t i = 0; i < n; ++i, number.next(), row.next()) {
          S* to = static_cast<S*>(table.data) + numbers[number.offset()] * width;
          const S* from = static_cast<const S*>(rows.data) + row.offset();
          Walk inside(rows.shape + kept, rows.strides + kept, rows.rank - kept, c0);
          for (int64_t c = c0; c < c1; ++c) {
            const S v = tight ? from[c] : from[inside.offset()];
            if (!tight) inside.next();
            if constexpr (t == DType::f32 || t == DType::f64)
              to[c] += v;
            else
              to[c] = scalar::store_plain<t>(scalar::apply<ir::Op::add, t>(
                  m, scalar::load_plain<t>(to[c]), scalar::load_plain<t>(v)));
          }
        }
      });
    }
  });
}

}  // namespace tenon::kernels
