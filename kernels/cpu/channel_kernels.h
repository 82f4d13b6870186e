// The tile of channels.h: a few rows of one or two vectors of columns in registers, over steps that lie
// anywhere. The rows of a tile share b. Instantiated by tile_*_v3.cpp and tile_*_v4.cpp.
#pragma once

#include "kernels/cpu/tile_kernels.h"

namespace tenon::kernels::TENON_LEVEL {

template <class T, int R, int N, bool kSplat, bool kTail>
__attribute__((always_inline)) inline void channel_body(const T* a, const int64_t* rows,
                                                        const int64_t* steps_a, const T* b,
                                                        const int64_t* steps_b, T* c,
                                                        const int64_t* c_rows, int64_t depth,
                                                        int last, bool more) {
  using W = Registers<T>;
  const auto tail = W::tail(last);
  auto load = [&](const T* p, int j) {
    return kTail && j == N - 1 ? W::load(p + j * W::L, tail) : W::load(p + j * W::L);
  };
  typename W::V acc[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) acc[i][j] = W::zero();
  const T* row[R];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) row[i] = a + rows[i];
  for (int64_t k = 0; k < depth; ++k) {
    const int64_t at = steps_a[k];
    const T* other = b + steps_b[k];
    typename W::V v[N];
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) v[j] = kSplat ? W::splat(other) : load(other, j);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < N; ++j) acc[i][j] = W::fma(load(row[i] + at, j), v[j], acc[i][j]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < N; ++j) {
      T* to = c + c_rows[i] + j * W::L;
      const auto sum = more ? W::add(load(c + c_rows[i], j), acc[i][j]) : acc[i][j];
      if (kTail && j == N - 1)
        W::store(to, sum, tail);
      else
        W::store(to, sum);
    }
}

template <class T, int R, int N, bool kSplat>
void channel_tile(const void* a, const int64_t* rows, const int64_t* steps_a, const void* b,
                  const int64_t* steps_b, void* c, const int64_t* c_rows, int64_t depth, int last,
                  bool more) {
  auto run = [&]<bool kTail>() {
    channel_body<T, R, N, kSplat, kTail>(static_cast<const T*>(a), rows, steps_a,
                                         static_cast<const T*>(b), steps_b, static_cast<T*>(c),
                                         c_rows, depth, last, more);
  };
  last == Registers<T>::L ? run.template operator()<false>() : run.template operator()<true>();
}

template <class T, int... R>
void fill_channel_rows(TileTable& table, std::integer_sequence<int, R...>) {
  ((table.channels[0][1][R + 1] = channel_tile<T, R + 1, 1, false>), ...);
  ((table.channels[0][2][R + 1] = channel_tile<T, R + 1, 2, false>), ...);
  ((table.channels[1][1][R + 1] = channel_tile<T, R + 1, 1, true>), ...);
  ((table.channels[1][2][R + 1] = channel_tile<T, R + 1, 2, true>), ...);
}
template <class T>
void fill_channels(TileTable& table) {
  fill_channel_rows<T>(table, std::make_integer_sequence<int, kChannelRows>());
}

}  // namespace tenon::kernels::TENON_LEVEL
