// The contraction tile as a template: instantiated by tile_*_v3.cpp and tile_*_v4.cpp. 6 x 64 (6
// rows of 4 vectors) is the one that measured best for large products, with a unpacked, b in panels
// and blocks of 1024 steps (cpu.md 2); the others serve narrow and flat ones.
#pragma once

#include <utility>

#include "kernels/cpu/simd.h"
#include "kernels/cpu/tile_table.h"

namespace tenon::kernels::TENON_LEVEL {

template <class T>
struct Registers;
#if defined(__AVX512F__)
template <>
struct Registers<float> {
  using V = __m512;
  using Tail = __mmask16;
  static constexpr int L = 16;
  static Tail tail(int n) { return static_cast<Tail>((1u << n) - 1); }
  static V zero() { return _mm512_setzero_ps(); }
  static V splat(const float* p) { return _mm512_set1_ps(*p); }
  static V load(const float* p) { return _mm512_loadu_ps(p); }
  static V load(const float* p, Tail m) { return _mm512_maskz_loadu_ps(m, p); }
  static void store(float* p, V v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, V v, Tail m) { _mm512_mask_storeu_ps(p, m, v); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
};
template <>
struct Registers<double> {
  using V = __m512d;
  using Tail = __mmask8;
  static constexpr int L = 8;
  static Tail tail(int n) { return static_cast<Tail>((1u << n) - 1); }
  static V zero() { return _mm512_setzero_pd(); }
  static V splat(const double* p) { return _mm512_set1_pd(*p); }
  static V load(const double* p) { return _mm512_loadu_pd(p); }
  static V load(const double* p, Tail m) { return _mm512_maskz_loadu_pd(m, p); }
  static void store(double* p, V v) { _mm512_storeu_pd(p, v); }
  static void store(double* p, V v, Tail m) { _mm512_mask_storeu_pd(p, m, v); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
};
// The most rows for 1, 2, 3, 4 and 8 vectors: 32 registers hold the sums, the vectors of b and one
// of a.
inline constexpr int kMostRows[kTileVectors + 1] = {0, 16, 12, 9, 6, 0, 0, 0, 2};
#else
template <>
struct Registers<float> {
  using V = __m256;
  using Tail = __m256i;
  static constexpr int L = 8;
  static Tail tail(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static V zero() { return _mm256_setzero_ps(); }
  static V splat(const float* p) { return _mm256_set1_ps(*p); }
  static V load(const float* p) { return _mm256_loadu_ps(p); }
  static V load(const float* p, Tail m) { return _mm256_maskload_ps(p, m); }
  static void store(float* p, V v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, V v, Tail m) { _mm256_maskstore_ps(p, m, v); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static V add(V a, V b) { return _mm256_add_ps(a, b); }
};
template <>
struct Registers<double> {
  using V = __m256d;
  using Tail = __m256i;
  static constexpr int L = 4;
  static Tail tail(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static V zero() { return _mm256_setzero_pd(); }
  static V splat(const double* p) { return _mm256_set1_pd(*p); }
  static V load(const double* p) { return _mm256_loadu_pd(p); }
  static V load(const double* p, Tail m) { return _mm256_maskload_pd(p, m); }
  static void store(double* p, V v) { _mm256_storeu_pd(p, v); }
  static void store(double* p, V v, Tail m) { _mm256_maskstore_pd(p, m, v); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
};
inline constexpr int kMostRows[kTileVectors + 1] = {0, 12, 6, 4, 3, 0, 0, 0, 0};  // 16 registers
#endif

inline constexpr int kAhead = 16;  // rows of b

template <class T, int R, int N, bool kTail>
__attribute__((always_inline)) inline void tile_body(const T* a, int64_t a_row, int64_t a_step,
                                                     const T* b, int64_t b_step, T* c,
                                                     int64_t c_row, int64_t depth, int last,
                                                     Before before) {
  using W = Registers<T>;
  const auto tail = W::tail(last);
  typename W::V acc[R][N];
  auto held = [&](int i, int j) {
    const T* at = c + i * c_row + j * W::L;
    return kTail && j == N - 1 ? W::load(at, tail) : W::load(at);
  };
  if (before == Before::chain) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) acc[i][j] = held(i, j);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) acc[i][j] = W::zero();
  }
  // A pointer for every third row; the others are one or two strides from it.
  const T* row[(R + 2) / 3];
#pragma GCC unroll 8
  for (int i = 0; i < (R + 2) / 3; ++i) row[i] = a + 3 * i * a_row;
  for (int64_t k = 0; k < depth; ++k) {
    typename W::V v[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      if (kTail && j == N - 1)
        v[j] = W::load(b + j * W::L, tail);
      else
        v[j] = W::load(b + j * W::L);
      // Flat tiles wait for memory: rows of b lie pages apart, where the machine foresees nothing.
      if (N == kTileVectors) _mm_prefetch(reinterpret_cast<const char*>(b + kAhead * b_step + j * W::L), _MM_HINT_T0);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const auto s = W::splat(row[i / 3] + (i % 3) * a_row);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) acc[i][j] = W::fma(s, v[j], acc[i][j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < (R + 2) / 3; ++i) row[i] += a_step;
    b += b_step;
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      T* to = c + i * c_row + j * W::L;
      const auto sum = before == Before::blocks ? W::add(held(i, j), acc[i][j]) : acc[i][j];
      if (kTail && j == N - 1)
        W::store(to, sum, tail);
      else
        W::store(to, sum);
    }
}

template <class T, int R, int N>
void tile(const void* a, int64_t a_row, int64_t a_step, const void* b, int64_t b_step, void* c,
          int64_t c_row, int64_t depth, int last, Before before) {
  if (last == Registers<T>::L)
    tile_body<T, R, N, false>(static_cast<const T*>(a), a_row, a_step, static_cast<const T*>(b),
                              b_step, static_cast<T*>(c), c_row, depth, last, before);
  else
    tile_body<T, R, N, true>(static_cast<const T*>(a), a_row, a_step, static_cast<const T*>(b),
                             b_step, static_cast<T*>(c), c_row, depth, last, before);
}

template <class T, int N>
__attribute__((always_inline)) inline void copy_rows(const T* from, int64_t from_row, T* to,
                                                     int64_t to_row, int64_t depth) {
  using W = Registers<T>;
  for (int64_t i = 0; i < depth; ++i, from += from_row, to += to_row)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      _mm_prefetch(reinterpret_cast<const char*>(from + kAhead * from_row + j * W::L), _MM_HINT_T0);
      W::store(to + j * W::L, W::load(from + j * W::L));
    }
}

template <class T>
void copy_panel(const void* source, int64_t from_row, void* target, int64_t to_row, int64_t depth,
                int64_t columns) {
  using W = Registers<T>;
  const T* from = static_cast<const T*>(source);
  T* to = static_cast<T*>(target);
  if (columns == 4 * W::L) return copy_rows<T, 4>(from, from_row, to, to_row, depth);
  if (columns == 2 * W::L) return copy_rows<T, 2>(from, from_row, to, to_row, depth);
  const int64_t whole = columns / W::L * W::L;
  const auto tail = W::tail(static_cast<int>(columns - whole));
  for (int64_t i = 0; i < depth; ++i, from += from_row, to += to_row) {
    for (int64_t j = 0; j < whole; j += W::L) W::store(to + j, W::load(from + j));
    if (whole < columns) W::store(to + whole, W::load(from + whole, tail), tail);
  }
}

template <class T, int R>
__attribute__((always_inline)) inline void chain_rows(const T* a, int64_t a_step, const T* b,
                                                      int64_t b_step, T* acc, int64_t columns) {
  using W = Registers<T>;
  typename W::V s[R];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) s[i] = W::splat(a + i * a_step);
  int64_t j = 0;
  for (; j + W::L <= columns; j += W::L) {
    auto sum = W::load(acc + j);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) sum = W::fma(s[i], W::load(b + i * b_step + j), sum);
    W::store(acc + j, sum);
  }
  if (j == columns) return;
  const auto tail = W::tail(static_cast<int>(columns - j));
  auto sum = W::load(acc + j, tail);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) sum = W::fma(s[i], W::load(b + i * b_step + j, tail), sum);
  W::store(acc + j, sum, tail);
}

template <class T>
void row_chain(const void* row, int64_t a_step, const void* matrix, int64_t b_step, void* sums,
               int64_t depth, int64_t columns) {
  const T *a = static_cast<const T*>(row), *b = static_cast<const T*>(matrix);
  T* acc = static_cast<T*>(sums);
  constexpr int kRows = 8;
  int64_t i = 0;
  for (; i + kRows <= depth; i += kRows)
    chain_rows<T, kRows>(a + i * a_step, a_step, b + i * b_step, b_step, acc, columns);
  for (; i < depth; ++i)
    chain_rows<T, 1>(a + i * a_step, a_step, b + i * b_step, b_step, acc, columns);
}

template <class T, int N, int... R>
void fill_rows(TileTable& table, std::integer_sequence<int, R...>) {
  table.rows[N] = kMostRows[N];
  ((table.tile[N][R + 1] = tile<T, R + 1, N>), ...);
}
template <class T>
void fill_tiles(TileTable& table) {
  table.lanes = Registers<T>::L;
  table.row_chain = row_chain<T>;
  table.copy = copy_panel<T>;
  auto fill = [&]<int N>() {
    if constexpr (kMostRows[N] > 0)
      fill_rows<T, N>(table, std::make_integer_sequence<int, kMostRows[N]>());
  };
  fill.template operator()<1>();
  fill.template operator()<2>();
  fill.template operator()<3>();
  fill.template operator()<4>();
  fill.template operator()<8>();
}

}  // namespace tenon::kernels::TENON_LEVEL
