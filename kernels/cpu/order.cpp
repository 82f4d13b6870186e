// What depends on the order along one axis: scan, arg_reduce, sort.
#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "ir/scalar/program.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/walk.h"
#include "runtime/trap.h"
#include "support/diagnostic.h"

namespace tenon::kernels {
namespace {

using ir::ReduceKind;

// x without one axis, and that axis.
struct Lines {
  int64_t shape[kMaxRank], strides[kMaxRank], out_strides[kMaxRank];
  int rank = 0;
  int64_t count = 1, n, stride, out_stride = 0;

  Lines(const View& x, int axis, const View* out) : n(x.shape[axis]), stride(x.strides[axis]) {
    for (int i = 0; i < x.rank; ++i) {
      if (i == axis) {
        if (out) out_stride = out->strides[i];
        continue;
      }
      shape[rank] = x.shape[i];
      strides[rank] = x.strides[i];
      out_strides[rank] = out ? out->strides[i] : 0;
      count *= shape[rank++];
    }
  }
  // f(input offset, output offset, number) for every line, spread over threads.
  template <class F>
  void each(Threads& threads, F&& f) const {
    const int64_t piece = std::max<int64_t>(1, (int64_t{1} << 14) / std::max<int64_t>(1, n));
    threads.each((count + piece - 1) / piece, [&](int64_t c) {
      Walk in(shape, strides, rank, c * piece), to(shape, out_strides, rank, c * piece);
      for (int64_t i = c * piece; i < std::min(count, (c + 1) * piece); ++i, in.next(), to.next())
        f(in.offset(), to.offset(), i);
    });
  }
};

template <DType t>
auto step(ReduceKind kind, scalar::Register<scalar::Plain, sum_type(t)> a,
          scalar::Register<scalar::Plain, sum_type(t)> b) {
  scalar::Plain m;
  constexpr DType s = sum_type(t);
  if constexpr (t == DType::boolean) {
    return kind == ReduceKind::any ? a || b : a && b;
  } else {
    switch (kind) {
      case ReduceKind::sum:
        return scalar::apply<ir::Op::add, s>(m, a, b);
      case ReduceKind::prod:
        return scalar::apply<ir::Op::mul, s>(m, a, b);
      case ReduceKind::max:
        return scalar::apply<ir::Op::max, s>(m, a, b);
      case ReduceKind::min:
        return scalar::apply<ir::Op::min, s>(m, a, b);
      case ReduceKind::any:
      case ReduceKind::all:
        break;
    }
    bug("any and all are for bool");
  }
}

template <class T>
bool is_nan(T v) {
  return v != v;
}

}  // namespace

void scan(ReduceKind kind, const View& x, int axis, bool reverse, const View& out,
          Threads& threads) {
  require(reduces(kind, x.dtype), "a scan does not take its operand's dtype");
  const Lines lines(x, axis, &out);
  if (lines.n == 0) return;
  scalar::visit_dtype(x.dtype, [&]<DType t>() {
    using S = scalar::Storage<t>;
    const S* from = static_cast<const S*>(x.data);
    S* to = static_cast<S*>(out.data);
    lines.each(threads, [&](int64_t a, int64_t b, int64_t) {
      const S* p = from + a + (reverse ? (lines.n - 1) * lines.stride : 0);
      S* q = to + b + (reverse ? (lines.n - 1) * lines.out_stride : 0);
      const int64_t ps = reverse ? -lines.stride : lines.stride;
      const int64_t qs = reverse ? -lines.out_stride : lines.out_stride;
      // The first element as it is; 16-bit floats go on in f32.
      scalar::Register<scalar::Plain, sum_type(t)> v = scalar::load_plain<t>(*p);
      *q = *p;
      if constexpr (t == DType::boolean) *q = v;
      for (int64_t i = 1; i < lines.n; ++i) {
        v = step<t>(kind, v, scalar::load_plain<t>(p[i * ps]));
        q[i * qs] = scalar::store_plain<t>(v);
      }
    });
  });
}

void arg_reduce(ReduceKind kind, const View& x, int axis, const View& out, Threads& threads) {
  const Lines lines(x, axis, nullptr);
  if (lines.count == 0) return;
  if (lines.n == 0) throw Trap(Code::E0802, "the extreme element of an empty axis is asked for");
  scalar::visit_dtype(x.dtype, [&]<DType t>() {
    using S = scalar::Storage<t>;
    auto* to = static_cast<int64_t*>(out.data);
    lines.each(threads, [&](int64_t a, int64_t, int64_t number) {
      const S* p = static_cast<const S*>(x.data) + a;
      int64_t best = 0;
      auto v = scalar::load_plain<t>(p[0]);
      for (int64_t i = 1; i < lines.n && !is_nan(v); ++i) {
        const auto w = scalar::load_plain<t>(p[i * lines.stride]);
        if (is_nan(w) || (kind == ReduceKind::max ? w > v : w < v)) {
          v = w;
          best = i;
        }
      }
      to[number] = best;
    });
  });
}

void sort(const View& x, int axis, const View& values, const View& permutation, Threads& threads) {
  const Lines lines(x, axis, &values);
  if (lines.n == 0) return;
  scalar::visit_dtype(x.dtype, [&]<DType t>() {
    using S = scalar::Storage<t>;
    lines.each(threads, [&](int64_t a, int64_t b, int64_t) {
      const S* p = static_cast<const S*>(x.data) + a;
      S* q = static_cast<S*>(values.data) + b;
      auto* order = static_cast<int64_t*>(permutation.data) + b;
      std::unique_ptr<int64_t[]> at(new int64_t[static_cast<size_t>(lines.n)]);
      std::iota(at.get(), at.get() + lines.n, 0);
      std::stable_sort(at.get(), at.get() + lines.n, [&](int64_t i, int64_t j) {
        const auto u = scalar::load_plain<t>(p[i * lines.stride]),
                   v = scalar::load_plain<t>(p[j * lines.stride]);
        return u < v || (is_nan(v) && !is_nan(u));
      });
      for (int64_t i = 0; i < lines.n; ++i) {
        q[i * lines.out_stride] = p[at[static_cast<size_t>(i)] * lines.stride];
        order[i * lines.out_stride] = at[static_cast<size_t>(i)];
      }
    });
  });
}

}  // namespace tenon::kernels
