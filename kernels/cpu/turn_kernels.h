// Turning a matrix of 4-byte elements into a panel: what a product does to an operand whose rows lie
// along the depth (the weights of every layer `x @ transpose(w)`). Squares go through registers, and the
// source is read along its rows, 8 or 16 of them at a time, so that the machine foresees the reads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/tile_kernels.h"

namespace tenon::kernels::TENON_LEVEL {

using Line = Registers<float>;  // a line of a square
inline constexpr int kSquare = Line::L;

#if defined(__AVX512F__)
// 16 x 16, in place: pairs of rows, pairs of pairs, then quarters of registers twice.
__attribute__((always_inline)) inline void turn(Line::V (&r)[16]) {
  Line::V s[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  auto pair = [](__m512 a, __m512 b, bool high) {
    const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
    return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(x, y) : _mm512_unpacklo_pd(x, y));
  };
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = pair(s[i], s[i + 2], false);
    r[i + 1] = pair(s[i], s[i + 2], true);
    r[i + 2] = pair(s[i + 1], s[i + 3], false);
    r[i + 3] = pair(s[i + 1], s[i + 3], true);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    s[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    s[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    s[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    s[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_f32x4(s[i], s[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(s[i], s[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(s[i + 4], s[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(s[i + 4], s[i + 12], 0xdd);
  }
}
#else
__attribute__((always_inline)) inline void turn(Line::V (&r)[8]) {
  Line::V s[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) s[i] = r[i], s[i + 4] = r[i + 4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
  }
}
#endif

// What is less than a square: to[i * to_row + j] = from[j * from_row + i], i < depth, j < columns.
inline void turn_part(const float* from, int64_t from_row, float* to, int64_t to_row, int64_t depth,
                      int64_t columns) {
  const auto along = Line::tail(static_cast<int>(depth)), across = Line::tail(static_cast<int>(columns));
  Line::V r[kSquare];
#pragma GCC unroll 16
  for (int x = 0; x < kSquare; ++x)
    r[x] = x < columns ? Line::load(from + x * from_row, along) : Line::zero();
  turn(r);
#pragma GCC unroll 16
  for (int x = 0; x < kSquare; ++x)
    if (x < depth) Line::store(to + x * to_row, r[x], across);
}

// to[i * to_row + j] = from[j * from_row + i], i < depth, j < columns.
inline void turn_panel(const void* source, int64_t from_row, void* target, int64_t to_row, int64_t depth,
                       int64_t columns) {
  const auto* from = static_cast<const float*>(source);
  auto* to = static_cast<float*>(target);
  int64_t j = 0;
  for (; j + kSquare <= columns; j += kSquare) {
    int64_t i = 0;
    for (; i + kSquare <= depth; i += kSquare) {
      Line::V r[kSquare];
#pragma GCC unroll 16
      for (int x = 0; x < kSquare; ++x) r[x] = Line::load(from + (j + x) * from_row + i);
      turn(r);
#pragma GCC unroll 16
      for (int x = 0; x < kSquare; ++x) Line::store(to + (i + x) * to_row + j, r[x]);
    }
    if (i < depth)
      turn_part(from + j * from_row + i, from_row, to + i * to_row + j, to_row, depth - i, kSquare);
  }
  if (j == columns) return;
  for (int64_t i = 0; i < depth; i += kSquare)
    turn_part(from + j * from_row + i, from_row, to + i * to_row + j, to_row,
              std::min<int64_t>(depth - i, kSquare), columns - j);
}

// One row of a against such columns: c[j] (+)= the fma chain over i of a[i * a_step] * b[j * b_row + i].
// Nothing is packed: squares are turned in registers and used at once, two side by side, since a chain
// waits for itself.
inline void turned_row(const void* row, int64_t a_step, const void* matrix, int64_t b_row, void* target,
                       int64_t depth, int64_t columns, bool more) {
  const auto* a = static_cast<const float*>(row);
  const auto* b = static_cast<const float*>(matrix);
  auto* c = static_cast<float*>(target);
  constexpr int kBlocks = 2;
  for (int64_t j = 0; j < columns; j += kBlocks * kSquare) {
    const int64_t here = std::min<int64_t>(columns - j, kBlocks * kSquare);
    const float* at[kBlocks * kSquare];
    for (int x = 0; x < kBlocks * kSquare; ++x) at[x] = b + (j + (x < here ? x : here - 1)) * b_row;
    Line::V sum[kBlocks];
    for (Line::V& s : sum) s = Line::zero();
    for (int64_t i = 0; i < depth; i += kSquare) {
      const int64_t left = depth - i;
      const auto tail = Line::tail(static_cast<int>(std::min<int64_t>(left, kSquare)));
#pragma GCC unroll 2
      for (int k = 0; k < kBlocks; ++k) {
        Line::V r[kSquare];
        if (left >= kSquare) {
#pragma GCC unroll 16
          for (int x = 0; x < kSquare; ++x) r[x] = Line::load(at[k * kSquare + x] + i);
          turn(r);
#pragma GCC unroll 16
          for (int x = 0; x < kSquare; ++x) sum[k] = Line::fma(Line::splat(a + (i + x) * a_step), r[x], sum[k]);
        } else {
          for (int x = 0; x < kSquare; ++x) r[x] = Line::load(at[k * kSquare + x] + i, tail);
          turn(r);
          for (int x = 0; x < left; ++x) sum[k] = Line::fma(Line::splat(a + (i + x) * a_step), r[x], sum[k]);
        }
      }
    }
    for (int k = 0; k < kBlocks && k * kSquare < here; ++k) {
      const auto tail = Line::tail(static_cast<int>(std::min<int64_t>(here - k * kSquare, kSquare)));
      float* to = c + j + k * kSquare;
      Line::store(to, more ? Line::add(Line::load(to, tail), sum[k]) : sum[k], tail);
    }
  }
}

}  // namespace tenon::kernels::TENON_LEVEL
