// The strided copy: axes that lie alike on both sides are merged, then the two that matter, the
// closest of each side, are walked in tiles, so that a transpose touches each cache line once.
#include "runtime/copy.h"

#include <algorithm>
#include <cstring>
#include <emmintrin.h>
#include <xmmintrin.h>

#include "runtime/tensor.h"

namespace tenon {
namespace {

struct Axis {
  int64_t extent, to, from;
};

// n times v, by vectors: a loop over elements stores them one by one.
template <class T>
void repeat(T* to, T v, int64_t n) {
  constexpr int64_t kEach = 16 / sizeof(T);
  alignas(16) T block[kEach];
  std::fill_n(block, kEach, v);
  const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(block));
  int64_t i = 0;
  for (; i + 4 * kEach <= n; i += 4 * kEach)
    for (int k = 0; k < 4; ++k)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i + k * kEach), all);
  for (; i < n; ++i) to[i] = v;
}

template <class T>
void row(T* to, int64_t ts, const T* from, int64_t fs, int64_t n) {
  if (ts == 1 && fs == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (ts == 1 && fs == 0) {
    repeat(to, *from, n);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * ts] = from[i * fs];
  }
}

// to[i * to_row + j] = from[i + j * from_row]: 4 x 4 elements in registers, and whole cache lines
// of the source before the next ones, since a power of two between its rows would evict them.
void transpose(uint32_t* to, int64_t to_row, const uint32_t* from, int64_t from_row, int64_t rows,
               int64_t cols) {
  int64_t i0 = 0;
  for (; i0 + 4 <= rows; i0 += 16) {
    const int64_t i1 = std::min(rows / 4 * 4, i0 + 16);
    int64_t j = 0;
    for (; j + 4 <= cols; j += 4)
      for (int64_t i = i0; i < i1; i += 4) {
        const auto* p = reinterpret_cast<const float*>(from) + i + j * from_row;
        __m128 a = _mm_loadu_ps(p), b = _mm_loadu_ps(p + from_row);
        __m128 c = _mm_loadu_ps(p + 2 * from_row), d = _mm_loadu_ps(p + 3 * from_row);
        _MM_TRANSPOSE4_PS(a, b, c, d);
        auto* q = reinterpret_cast<float*>(to) + i * to_row + j;
        _mm_storeu_ps(q, a);
        _mm_storeu_ps(q + to_row, b);
        _mm_storeu_ps(q + 2 * to_row, c);
        _mm_storeu_ps(q + 3 * to_row, d);
      }
    for (; j < cols; ++j)
      for (int64_t i = i0; i < i1; ++i) to[i * to_row + j] = from[i + j * from_row];
  }
  for (int64_t i = rows / 4 * 4; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) to[i * to_row + j] = from[i + j * from_row];
}

}  // namespace

void transpose_four(uint32_t* to, int64_t to_row, const uint32_t* from, const int64_t* offset,
                    int64_t n) {
  int64_t x = 0;
  for (; x + 4 <= n; x += 4) {
    const auto* p = reinterpret_cast<const float*>(from) + x;
    __m128 a = _mm_loadu_ps(p + offset[0]), b = _mm_loadu_ps(p + offset[1]);
    __m128 c = _mm_loadu_ps(p + offset[2]), d = _mm_loadu_ps(p + offset[3]);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    auto* q = reinterpret_cast<float*>(to) + x * to_row;
    _mm_storeu_ps(q, a);
    _mm_storeu_ps(q + to_row, b);
    _mm_storeu_ps(q + 2 * to_row, c);
    _mm_storeu_ps(q + 3 * to_row, d);
  }
  for (; x < n; ++x)
    for (int j = 0; j < 4; ++j) to[x * to_row + j] = from[x + offset[j]];
}

namespace {

template <class T>
void plane(T* to, const T* from, const Axis& outer, const Axis& inner) {
  constexpr int64_t kTile = 32;
  if constexpr (sizeof(T) == 4)
    if (inner.to == 1 && outer.from == 1 && inner.extent >= 4 && outer.extent >= 4)
      return transpose(to, outer.to, from, inner.from, outer.extent, inner.extent);
  // Rows along the last axis unless the source lies across it.
  if (std::abs(inner.from) <= 1 || inner.extent == 1 ||
      std::abs(outer.from) > std::abs(inner.from)) {
    for (int64_t i = 0; i < outer.extent; ++i)
      row(to + i * outer.to, inner.to, from + i * outer.from, inner.from, inner.extent);
    return;
  }
  for (int64_t i0 = 0; i0 < outer.extent; i0 += kTile)
    for (int64_t j0 = 0; j0 < inner.extent; j0 += kTile) {
      int64_t i1 = std::min(i0 + kTile, outer.extent), j1 = std::min(j0 + kTile, inner.extent);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j)
          to[i * outer.to + j * inner.to] = from[i * outer.from + j * inner.from];
    }
}

template <class T>
void walk(T* to, const T* from, const Axis* axes, int n) {
  if (n == 0)
    *to = *from;
  else if (n == 1)
    row(to, axes[0].to, from, axes[0].from, axes[0].extent);
  else if (n == 2)
    plane(to, from, axes[0], axes[1]);
  else
    for (int64_t i = 0; i < axes[0].extent; ++i)
      walk(to + i * axes[0].to, from + i * axes[0].from, axes + 1, n - 1);
}

}  // namespace

void copy_strided(void* to, const int64_t* to_strides, const void* from,
                  const int64_t* from_strides, const int64_t* shape, int rank,
                  size_t element_size) {
  Axis axes[kMaxRank];
  int n = 0;
  for (int i = 0; i < rank; ++i) {
    if (shape[i] == 0) return;
    if (shape[i] == 1) continue;
    Axis a{shape[i], to_strides[i], from_strides[i]};
    if (n > 0 && axes[n - 1].to == a.to * a.extent && axes[n - 1].from == a.from * a.extent) {
      axes[n - 1] = {axes[n - 1].extent * a.extent, a.to, a.from};
    } else {
      axes[n++] = a;
    }
  }
  // The source's closest axis goes second to last, so that the tiles are made of it and the last.
  if (n > 2) {
    int best = n - 1;
    for (int i = 0; i < n; ++i)
      if (axes[i].from != 0 &&
          (axes[best].from == 0 || std::abs(axes[i].from) < std::abs(axes[best].from)))
        best = i;
    if (best < n - 2) {
      Axis a = axes[best];
      for (int i = best; i < n - 2; ++i) axes[i] = axes[i + 1];
      axes[n - 2] = a;
    }
  }
  switch (element_size) {
    case 1:
      return walk(static_cast<uint8_t*>(to), static_cast<const uint8_t*>(from), axes, n);
    case 2:
      return walk(static_cast<uint16_t*>(to), static_cast<const uint16_t*>(from), axes, n);
    case 4:
      return walk(static_cast<uint32_t*>(to), static_cast<const uint32_t*>(from), axes, n);
    default:
      return walk(static_cast<uint64_t*>(to), static_cast<const uint64_t*>(from), axes, n);
  }
}

}  // namespace tenon
