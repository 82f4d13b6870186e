// The loops of reductions as templates over kind and dtype: instantiated by reduce_v3.cpp,
// reduce_v4.cpp.
#pragma once

#include <limits>

#include "ir/scalar/program.h"
#include "kernels/cpu/point_kernels.h"
#include "kernels/cpu/reduce_table.h"

namespace tenon::kernels::TENON_LEVEL {

using ir::ReduceKind;

template <DType t>
using SumOf = Storage<sum_type(t)>;
#if defined(__AVX512F__)
inline constexpr int kBytes = 64;
#else
inline constexpr int kBytes = 32;
#endif

template <ReduceKind kind, class T>
constexpr T identity_of() {
  switch (kind) {
    case ReduceKind::sum:
      return T{0};
    case ReduceKind::prod:
      return T{1};
    case ReduceKind::max:
      if constexpr (std::is_floating_point_v<T>)
        return -std::numeric_limits<T>::infinity();
      else
        return std::numeric_limits<T>::min();
    case ReduceKind::min:
      if constexpr (std::is_floating_point_v<T>)
        return std::numeric_limits<T>::infinity();
      else
        return std::numeric_limits<T>::max();
    case ReduceKind::any:
      return T{0};
    case ReduceKind::all:
      return T{1};
  }
  return T{};
}

// One step of a reduction, on numbers and on vectors of them.
template <ReduceKind kind, class T, class V>
V combine(V a, V b) {
  constexpr bool is_float = std::is_floating_point_v<T>;
  if constexpr (kind == ReduceKind::any)
    return a | b;
  else if constexpr (kind == ReduceKind::all)
    return a & b;
  else if constexpr (kind == ReduceKind::sum || kind == ReduceKind::prod) {
    auto f = [](auto x, auto y) {
      if constexpr (kind == ReduceKind::sum)
        return x + y;
      else
        return x * y;
    };
    if constexpr (is_float)
      return f(a, b);
    else if constexpr (std::is_same_v<V, T>)  // in a wider unsigned type: no overflow, the low bits
                                              // wrap
      return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
    else {
      typedef std::make_unsigned_t<T> U __attribute__((vector_size(sizeof(V))));
      return (V)f((U)a, (U)b);
    }
  } else if constexpr (kind == ReduceKind::max) {
    if constexpr (is_float && std::is_same_v<V, T>)
      return (b > a || b != b) ? b : a;
    else if constexpr (is_float) {
      Simd<sizeof(V) / sizeof(T)> m;
      return scalar::max(m, a, b);
    } else
      return b > a ? b : a;
  } else {
    if constexpr (is_float && std::is_same_v<V, T>)
      return (b < a || b != b) ? b : a;
    else if constexpr (is_float) {
      Simd<sizeof(V) / sizeof(T)> m;
      return scalar::min(m, a, b);
    } else
      return b < a ? b : a;
  }
}

// L elements of dtype t as a vector of its sum type.
template <DType t, int L>
auto load_sum(const void* p) {
  if constexpr (t == DType::f16 || t == DType::bf16) {
    Simd<L> m;
    return load<Simd<L>, t>(m, p);
  } else {
    return load_raw<L, Storage<t>>(p);
  }
}

// Lane l of the result is lane l + h of v.
template <int h, class V, size_t... l>
V shifted(V v, std::index_sequence<l...>) {
  typedef std::conditional_t<sizeof(v[0]) == 8, int64_t,
                             std::conditional_t<sizeof(v[0]) == 4, int32_t, int8_t>>
      Index __attribute__((vector_size(sizeof(V))));
  constexpr int L = sizeof...(l);
  return __builtin_shuffle(v, Index{(static_cast<int>(l) + h) % L...});
}
template <ReduceKind kind, class T, int h, class V>
T tree_in(V v) {
  if constexpr (h == 0)
    return v[0];
  else
    return tree_in<kind, T, h / 2>(
        combine<kind, T, V>(v, shifted<h>(v, std::make_index_sequence<sizeof(V) / sizeof(T)>())));
}
// 64 partials into one: p[j] = p[j] op p[j + h] for h = 32 .. 1.
template <ReduceKind kind, class T, class V, int N>
T tree_of(V (&acc)[N]) {
#pragma GCC unroll 8
  for (int n = N / 2; n >= 1; n /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) acc[i] = combine<kind, T, V>(acc[i], acc[i + n]);
  return tree_in<kind, T, static_cast<int>(sizeof(V) / sizeof(T)) / 2>(acc[0]);
}

template <ReduceKind kind, DType t>
void run_chunk(const void* x, int64_t n, void* out) {
  using T = SumOf<t>;
  constexpr int L = kBytes / static_cast<int>(sizeof(T));
  constexpr int N = 64 / L;
  static_assert(N >= 1);
  constexpr int64_t size = static_cast<int64_t>(size_of(t));
  const char* p = static_cast<const char*>(x);
  Vec<T, L> acc[N];
  for (int i = 0; i < N; ++i) acc[i] = Vec<T, L>{} + identity_of<kind, T>();
  for (; n >= 64; n -= 64, p += 64 * size)
    for (int i = 0; i < N; ++i) acc[i] = combine<kind, T>(acc[i], load_sum<t, L>(p + i * L * size));
  if (n > 0) {
    // What is missing is filled with the identity, which no partial can feel: a sum that starts at
    // +0 is never -0.
    alignas(64) char rest[64 * size];
    Storage<t> none;
    if constexpr (t == DType::f16 || t == DType::bf16) {
      constexpr bool half = t == DType::f16;
      none = kind == ReduceKind::sum    ? 0
             : kind == ReduceKind::prod ? (half ? 0x3c00 : 0x3f80)
             : kind == ReduceKind::max  ? (half ? 0xfc00 : 0xff80)
                                        : (half ? 0x7c00 : 0x7f80);
    } else {
      none = identity_of<kind, T>();
    }
    constexpr int kPer = kBytes / static_cast<int>(size);
    for (int64_t j = 0; j < 64; j += kPer)
      store_raw(rest + j * size, Vec<Storage<t>, kPer>{} + none);
    std::memcpy(rest, p, static_cast<size_t>(n * size));
    for (int i = 0; i < N; ++i)
      acc[i] = combine<kind, T>(acc[i], load_sum<t, L>(rest + i * L * size));
  }
  *static_cast<T*>(out) = tree_of<kind, T>(acc);
}

template <ReduceKind kind, DType t>
void run_chunks(const void* x, int64_t count, void* out) {
  using T = SumOf<t>;
  constexpr int L = kBytes / static_cast<int>(sizeof(T));
  constexpr int N = 64 / L;
  constexpr int kBeside = N <= 4 && kBytes == 64 ? 4 : 1;  // what the registers hold
  constexpr int64_t size = static_cast<int64_t>(size_of(t));
  const char* p = static_cast<const char*>(x);
  T* to = static_cast<T*>(out);
  for (; kBeside > 1 && count >= kBeside; count -= kBeside, p += kBeside * kRunChunk * size) {
    Vec<T, L> acc[kBeside][N];
#pragma GCC unroll 4
    for (int s = 0; s < kBeside; ++s)
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) acc[s][i] = Vec<T, L>{} + identity_of<kind, T>();
    for (int64_t at = 0; at < kRunChunk * size; at += 64 * size)
#pragma GCC unroll 4
      for (int s = 0; s < kBeside; ++s)
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i)
          acc[s][i] = combine<kind, T>(
              acc[s][i], load_sum<t, L>(p + s * kRunChunk * size + at + i * L * size));
#pragma GCC unroll 4
    for (int s = 0; s < kBeside; ++s) *to++ = tree_of<kind, T>(acc[s]);
  }
  for (; count > 0; --count, p += kRunChunk * size) run_chunk<kind, t>(p, kRunChunk, to++);
}

template <ReduceKind kind, DType t>
void columns(void* acc_out, const void* x, int64_t rows, int64_t stride, int64_t cols) {
  using T = SumOf<t>;
  constexpr int L = kBytes / static_cast<int>(sizeof(T));
  constexpr int64_t size = static_cast<int64_t>(size_of(t));
  T* acc = static_cast<T*>(acc_out);
  const char* p = static_cast<const char*>(x);
  const int64_t step = stride * size;
  const int64_t whole = cols / L * L;
  int64_t r = 0, c = 0;
  for (; r + 4 <= rows; r += 4, p += 4 * step)
    for (c = 0; c < whole; c += L) {
      auto v = load_raw<L, T>(acc + c);
      const char* q = p + c * size;
      v = combine<kind, T>(v, load_sum<t, L>(q));
      v = combine<kind, T>(v, load_sum<t, L>(q + step));
      v = combine<kind, T>(v, load_sum<t, L>(q + 2 * step));
      v = combine<kind, T>(v, load_sum<t, L>(q + 3 * step));
      store_raw(acc + c, v);
    }
  for (; r < rows; ++r, p += step)
    for (c = 0; c < whole; c += L)
      store_raw(acc + c, combine<kind, T>(load_raw<L, T>(acc + c), load_sum<t, L>(p + c * size)));
  if (whole == cols) return;
  p = static_cast<const char*>(x) + whole * size;
  auto v = Vec<T, L>{};
  const int64_t rest = cols - whole;
  std::memcpy(&v, acc + whole, static_cast<size_t>(rest) * sizeof(T));
  for (r = 0; r < rows; ++r, p += step) {
    alignas(64) char row[L * size] = {};
    // A copy of known size where the memory behind is the next row's.
    if (r + 1 < rows && stride >= rest && step >= L * size)
      std::memcpy(row, p, sizeof row);
    else
      std::memcpy(row, p, static_cast<size_t>(rest * size));
    v = combine<kind, T>(v, load_sum<t, L>(row));
  }
  std::memcpy(acc + whole, &v, static_cast<size_t>(rest) * sizeof(T));
}

template <DType t>
void dot_chunk(const void* a, const void* b, int64_t n, void* out) {
  using T = SumOf<t>;
  constexpr int L = kBytes / static_cast<int>(sizeof(T));
  constexpr int N = 64 / L;
  constexpr int64_t size = static_cast<int64_t>(size_of(t));
  const char *p = static_cast<const char*>(a), *q = static_cast<const char*>(b);
  Vec<T, L> acc[N] = {};
  auto step = [&](const char* x, const char* y, int i) {
    auto u = load_sum<t, L>(x + i * L * size);
    auto v = load_sum<t, L>(y + i * L * size);
    if constexpr (std::is_floating_point_v<T>) {
      Simd<L> m;
      return m.fma(u, v, acc[i]);
    } else {
      return combine<ReduceKind::sum, T>(acc[i], combine<ReduceKind::prod, T>(u, v));
    }
  };
  for (; n >= 64; n -= 64, p += 64 * size, q += 64 * size)
    for (int i = 0; i < N; ++i) acc[i] = step(p, q, i);
  if (n > 0) {
    // A product may underflow to -0, so here what is missing must leave its partial alone.
    alignas(64) char x[64 * size] = {}, y[64 * size] = {};
    std::memcpy(x, p, static_cast<size_t>(n * size));
    std::memcpy(y, q, static_cast<size_t>(n * size));
    for (int i = 0; i < N; ++i) {
      auto next = step(x, y, i);
      for (int l = 0; l < L; ++l)
        if (i * L + l < n) acc[i][l] = next[l];
    }
  }
  *static_cast<T*>(out) = tree_of<ReduceKind::sum, T>(acc);
}

template <DType t>
void fill_reductions(ReduceTable& table) {
  constexpr int d = static_cast<int>(t);
  auto set = [&]<ReduceKind kind>() {
    if constexpr (reduces(kind, t)) {
      table.run[static_cast<int>(kind)][d] = run_chunk<kind, t>;
      table.chunks[static_cast<int>(kind)][d] = run_chunks<kind, t>;
      table.columns[static_cast<int>(kind)][d] = columns<kind, t>;
    }
  };
  set.template operator()<ReduceKind::sum>();
  set.template operator()<ReduceKind::prod>();
  set.template operator()<ReduceKind::max>();
  set.template operator()<ReduceKind::min>();
  set.template operator()<ReduceKind::any>();
  set.template operator()<ReduceKind::all>();
  if constexpr (t != DType::boolean) table.dot[d] = dot_chunk<t>;
}

inline void fill_all(ReduceTable& table) {
  fill_reductions<DType::boolean>(table);
  fill_reductions<DType::i8>(table);
  fill_reductions<DType::u8>(table);
  fill_reductions<DType::i32>(table);
  fill_reductions<DType::i64>(table);
  fill_reductions<DType::f16>(table);
  fill_reductions<DType::bf16>(table);
  fill_reductions<DType::f32>(table);
  fill_reductions<DType::f64>(table);
}

}  // namespace tenon::kernels::TENON_LEVEL
