// The contraction tile whose rows lie anywhere: instantiated by tile_*_v3.cpp and tile_*_v4.cpp. It is
// the tile of tile_kernels.h with tables of offsets where that has strides, so a convolution needs no
// copy of its windows. A pointer for every row is held in a register, so tiles are no taller than
// those there are.
#pragma once

#include "kernels/cpu/tile_kernels.h"

namespace tenon::kernels::TENON_LEVEL {

#if defined(__AVX512F__)
inline constexpr int kWindowRows[5] = {0, 10, 10, 8, 6};
#else
inline constexpr int kWindowRows[5] = {0, 10, 6, 4, 3};
#endif

template <class T, int R, int N>
void window_tile(const void* a_data, const int64_t* rows, const WindowStep* steps, const void* b_data,
                 int64_t b_step, void* c_data, const int64_t* c_rows, int64_t depth, int last,
                 bool more) {
  using W = Registers<T>;
  typename W::V acc[R][N];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) acc[i][j] = W::zero();
  const T* row[R];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) row[i] = static_cast<const T*>(a_data) + rows[i];
  for (const WindowStep* end = steps + depth; steps != end; ++steps) {
    const int64_t at = steps->a;
    const T* b = static_cast<const T*>(b_data) + steps->b * b_step;
    typename W::V v[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) v[j] = W::load(b + j * W::L);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const auto s = W::splat(row[i] + at);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) acc[i][j] = W::fma(s, v[j], acc[i][j]);
    }
  }
  const auto tail = W::tail(last);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      T* to = static_cast<T*>(c_data) + c_rows[i] + j * W::L;
      if (j == N - 1 && last != W::L)
        W::store(to, more ? W::add(W::load(to, tail), acc[i][j]) : acc[i][j], tail);
      else
        W::store(to, more ? W::add(W::load(to), acc[i][j]) : acc[i][j]);
    }
}

template <class T, int N, int... R>
void fill_window_rows(TileTable& table, std::integer_sequence<int, R...>) {
  table.window_rows[N] = kWindowRows[N];
  ((table.window[N][R + 1] = window_tile<T, R + 1, N>), ...);
}
template <class T>
void fill_windows(TileTable& table) {
  auto fill = [&]<int N>() {
    fill_window_rows<T, N>(table, std::make_integer_sequence<int, kWindowRows[N]>());
  };
  fill.template operator()<1>();
  fill.template operator()<2>();
  fill.template operator()<3>();
  fill.template operator()<4>();
}

}  // namespace tenon::kernels::TENON_LEVEL
