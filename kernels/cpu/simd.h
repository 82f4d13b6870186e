// The machines of vectors: Simd<L> has L lanes. For use in *_v3.cpp and *_v4.cpp only. All types
// live in a namespace named for the level, so nothing instantiated here can be merged across
// levels.
//   v4: Simd<16> for 32-bit types, Simd<8> where 64-bit ones occur (zmm; its 32-bit types are ymm)
//   v3: Simd<8>                    Simd<4>
#pragma once

#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <type_traits>

#include "ir/dtype.h"
#include "ir/scalar/machine.h"

// GCC 12's own headers of AVX-512 set off these (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#if defined(__AVX512F__)
#define TENON_LEVEL v4
#elif defined(__AVX2__)
#define TENON_LEVEL v3
#else
#error "simd.h belongs into files named *_v3.cpp and *_v4.cpp"
#endif

namespace tenon::kernels::TENON_LEVEL {

#if defined(__AVX512F__)
inline constexpr int kLanes32 = 16, kLanes64 = 8;
#else
inline constexpr int kLanes32 = 8, kLanes64 = 4;
#endif

template <class T, int L>
struct VecOf {
  typedef T type __attribute__((vector_size(sizeof(T) * L)));
};
template <class T, int L>
using Vec = typename VecOf<T, L>::type;

// Truth values: k-registers where there are any, else all-ones lanes.
template <int L, int Bits>
struct Mask {
#if defined(__AVX512F__)
  uint32_t k;  // one bit per lane
#else
  Vec<std::conditional_t<Bits == 32, int32_t, int64_t>, L> k;
#endif
};

template <int L>
struct Simd {
  static constexpr int kLanes = L;
  static constexpr bool kWide = L <= kLanes64;  // 64-bit types exist
  using F32 = Vec<float, L>;
  using I32 = Vec<int32_t, L>;
  // Never used when too wide for a register; but all types must be distinct.
  using F64 = Vec<double, kWide ? L : 1>;
  using I64 = Vec<int64_t, kWide ? L : 1>;
  using B32 = Mask<L, 32>;
  using B64 = Mask<L, 64>;
  bool trapped = false;

  F32 f32(float v) { return F32{} + v; }
  F64 f64(double v) { return F64{} + v; }
  I32 i32(int32_t v) { return I32{} + v; }
  I64 i64(int64_t v) { return I64{} + v; }

  // ---- arithmetic. Vectors of GCC wrap: they are compiled with -fwrapv's meaning on unsigned
  // lanes.
  template <class V>
  V add(V a, V b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
  template <class V>
  V sub(V a, V b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
  template <class V>
  V mul(V a, V b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
  template <class V>
  V div(V a, V b) {
    return a / b;
  }
  F32 neg(F32 a) { return (F32)((I32)a ^ INT32_MIN); }
  F64 neg(F64 a) { return (F64)((I64)a ^ INT64_MIN); }
  I32 neg(I32 a) { return sub(I32{}, a); }
  I64 neg(I64 a) { return sub(I64{}, a); }
  F32 abs(F32 a) { return (F32)((I32)a & INT32_MAX); }
  F64 abs(F64 a) { return (F64)((I64)a & INT64_MAX); }

  F32 fma(F32 a, F32 b, F32 c) {
    if constexpr (sizeof(F32) == 64) {
#if defined(__AVX512F__)
      return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#endif
    } else if constexpr (sizeof(F32) == 32) {
      return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    } else {
      return (F32)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
    }
  }
  F64 fma(F64 a, F64 b, F64 c) {
#if defined(__AVX512F__)
    return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#else
    return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#endif
  }
  F32 scale(F32 y, F32 n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(F32) == 64)
      return (F32)_mm512_scalef_ps((__m512)y, (__m512)n);
    else
      return (F32)_mm256_scalef_ps((__m256)y, (__m256)n);
#else
    return scalar::scale_in_halves(*this, y, n);
#endif
  }
  F64 scale(F64 y, F64 n) {
#if defined(__AVX512F__)
    return (F64)_mm512_scalef_pd((__m512d)y, (__m512d)n);
#else
    return scalar::scale_in_halves(*this, y, n);
#endif
  }
  F32 sqrt(F32 a) {
    if constexpr (sizeof(F32) == 64) {
#if defined(__AVX512F__)
      return (F32)_mm512_sqrt_ps((__m512)a);
#endif
    } else if constexpr (sizeof(F32) == 32) {
      return (F32)_mm256_sqrt_ps((__m256)a);
    } else {
      return (F32)_mm_sqrt_ps((__m128)a);
    }
  }
  F64 sqrt(F64 a) {
#if defined(__AVX512F__)
    return (F64)_mm512_sqrt_pd((__m512d)a);
#else
    return (F64)_mm256_sqrt_pd((__m256d)a);
#endif
  }

  template <int kMode>
  F32 rounded(F32 a) {
    if constexpr (sizeof(F32) == 64) {
#if defined(__AVX512F__)
      return (F32)_mm512_roundscale_ps((__m512)a, kMode);
#endif
    } else if constexpr (sizeof(F32) == 32) {
      return (F32)_mm256_round_ps((__m256)a, kMode | _MM_FROUND_NO_EXC);
    } else {
      return (F32)_mm_round_ps((__m128)a, kMode | _MM_FROUND_NO_EXC);
    }
  }
  template <int kMode>
  F64 rounded(F64 a) {
#if defined(__AVX512F__)
    return (F64)_mm512_roundscale_pd((__m512d)a, kMode);
#else
    return (F64)_mm256_round_pd((__m256d)a, kMode | _MM_FROUND_NO_EXC);
#endif
  }
  template <class V>
  V round_even(V a) {
    return rounded<_MM_FROUND_TO_NEAREST_INT>(a);
  }
  template <class V>
  V floor(V a) {
    return rounded<_MM_FROUND_TO_NEG_INF>(a);
  }
  template <class V>
  V ceil(V a) {
    return rounded<_MM_FROUND_TO_POS_INF>(a);
  }
  template <class V>
  V trunc(V a) {
    return rounded<_MM_FROUND_TO_ZERO>(a);
  }

  // ---- comparisons
#if defined(__AVX512F__)
  template <int kFloat, int kInt>
  B32 compare(F32 a, F32 b) {
    if constexpr (L == 16)
      return {_mm512_cmp_ps_mask((__m512)a, (__m512)b, kFloat)};
    else
      return {_mm256_cmp_ps_mask((__m256)a, (__m256)b, kFloat)};
  }
  template <int kFloat, int kInt>
  B32 compare(I32 a, I32 b) {
    if constexpr (L == 16)
      return {_mm512_cmp_epi32_mask((__m512i)a, (__m512i)b, kInt)};
    else
      return {_mm256_cmp_epi32_mask((__m256i)a, (__m256i)b, kInt)};
  }
  template <int kFloat, int kInt>
  B64 compare(F64 a, F64 b) {
    return {_mm512_cmp_pd_mask((__m512d)a, (__m512d)b, kFloat)};
  }
  template <int kFloat, int kInt>
  B64 compare(I64 a, I64 b) {
    return {_mm512_cmp_epi64_mask((__m512i)a, (__m512i)b, kInt)};
  }
  template <class V>
  auto eq(V a, V b) {
    return compare<_CMP_EQ_OQ, _MM_CMPINT_EQ>(a, b);
  }
  template <class V>
  auto lt(V a, V b) {
    return compare<_CMP_LT_OQ, _MM_CMPINT_LT>(a, b);
  }
  template <class V>
  auto le(V a, V b) {
    return compare<_CMP_LE_OQ, _MM_CMPINT_LE>(a, b);
  }

  F32 select(B32 c, F32 a, F32 b) {
    if constexpr (L == 16)
      return (F32)_mm512_mask_blend_ps(static_cast<__mmask16>(c.k), (__m512)b, (__m512)a);
    else
      return (F32)_mm256_mask_blend_ps(static_cast<__mmask8>(c.k), (__m256)b, (__m256)a);
  }
  I32 select(B32 c, I32 a, I32 b) {
    if constexpr (L == 16)
      return (I32)_mm512_mask_blend_epi32(static_cast<__mmask16>(c.k), (__m512i)b, (__m512i)a);
    else
      return (I32)_mm256_mask_blend_epi32(static_cast<__mmask8>(c.k), (__m256i)b, (__m256i)a);
  }
  F64 select(B64 c, F64 a, F64 b) {
    return (F64)_mm512_mask_blend_pd(static_cast<__mmask8>(c.k), (__m512d)b, (__m512d)a);
  }
  I64 select(B64 c, I64 a, I64 b) {
    return (I64)_mm512_mask_blend_epi64(static_cast<__mmask8>(c.k), (__m512i)b, (__m512i)a);
  }
  static constexpr uint32_t kAll = L == 32 ? ~0u : (1u << L) - 1;
  template <int B>
  Mask<L, B> and_(Mask<L, B> a, Mask<L, B> b) {
    return {a.k & b.k};
  }
  template <int B>
  Mask<L, B> or_(Mask<L, B> a, Mask<L, B> b) {
    return {a.k | b.k};
  }
  template <int B>
  Mask<L, B> xor_(Mask<L, B> a, Mask<L, B> b) {
    return {a.k ^ b.k};
  }
  template <int B>
  Mask<L, B> not_(Mask<L, B> a) {
    return {a.k ^ kAll};
  }
  template <int B>
  Mask<L, B> select(Mask<L, B> c, Mask<L, B> a, Mask<L, B> b) {
    return {(c.k & a.k) | (~c.k & b.k)};
  }
  B64 b64(B32 a) { return {a.k}; }
  B32 b32(B64 a) { return {a.k}; }
  template <int B>
  bool any(Mask<L, B> a) {
    return a.k != 0;
  }
#else
  template <class V>
  auto eq(V a, V b) {
    return mask(a == b);
  }
  template <class V>
  auto lt(V a, V b) {
    return mask(a < b);
  }
  template <class V>
  auto le(V a, V b) {
    return mask(a <= b);
  }
  B32 mask(I32 k) { return {k}; }
  B64 mask(I64 k) { return {k}; }

  F32 select(B32 c, F32 a, F32 b) {
    if constexpr (L == 8)
      return (F32)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)c.k);
    else
      return (F32)_mm_blendv_ps((__m128)b, (__m128)a, (__m128)c.k);
  }
  I32 select(B32 c, I32 a, I32 b) { return (I32)select(c, (F32)a, (F32)b); }
  F64 select(B64 c, F64 a, F64 b) {
    return (F64)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)c.k);
  }
  I64 select(B64 c, I64 a, I64 b) { return (I64)select(c, (F64)a, (F64)b); }
  template <int B>
  Mask<L, B> and_(Mask<L, B> a, Mask<L, B> b) {
    return {a.k & b.k};
  }
  template <int B>
  Mask<L, B> or_(Mask<L, B> a, Mask<L, B> b) {
    return {a.k | b.k};
  }
  template <int B>
  Mask<L, B> xor_(Mask<L, B> a, Mask<L, B> b) {
    return {a.k ^ b.k};
  }
  template <int B>
  Mask<L, B> not_(Mask<L, B> a) {
    return {~a.k};
  }
  template <int B>
  Mask<L, B> select(Mask<L, B> c, Mask<L, B> a, Mask<L, B> b) {
    return {(c.k & a.k) | (~c.k & b.k)};
  }
  B64 b64(B32 a) { return {(I64)_mm256_cvtepi32_epi64((__m128i)a.k)}; }
  B32 b32(B64 a) {
    auto pairs =
        _mm256_permutevar8x32_epi32((__m256i)a.k, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
    return {(I32)_mm256_castsi256_si128(pairs)};
  }
  bool any(B32 a) {
    if constexpr (L == 8)
      return _mm256_movemask_ps((__m256)a.k) != 0;
    else
      return _mm_movemask_ps((__m128)a.k) != 0;
  }
  bool any(B64 a) { return _mm256_movemask_pd((__m256d)a.k) != 0; }
#endif

  // ---- integers
  template <class V>
  V quot(V a, V b) {
    return a / b;
  }
  template <class V>
  V rest(V a, V b) {
    return a % b;
  }
  I32 and_(I32 a, I32 b) { return a & b; }
  I64 and_(I64 a, I64 b) { return a & b; }
  I32 or_(I32 a, I32 b) { return a | b; }
  I64 or_(I64 a, I64 b) { return a | b; }
  I32 xor_(I32 a, I32 b) { return a ^ b; }
  I64 xor_(I64 a, I64 b) { return a ^ b; }
  I32 not_(I32 a) { return ~a; }
  I64 not_(I64 a) { return ~a; }
  I32 shl(I32 a, int n) { return (I32)((Vec<uint32_t, L>)a << n); }
  I64 shl(I64 a, int n) { return (I64)((Unsigned64)a << n); }
  I32 shl(I32 a, I32 n) { return (I32)((Vec<uint32_t, L>)a << (Vec<uint32_t, L>)n); }
  I64 shl(I64 a, I64 n) { return (I64)((Unsigned64)a << (Unsigned64)n); }
  I32 shr_u(I32 a, int n) { return (I32)((Vec<uint32_t, L>)a >> n); }
  I64 shr_u(I64 a, int n) { return (I64)((Unsigned64)a >> n); }
  template <class V>
  V shr(V a, int n) {
    return a >> n;
  }
  template <class V>
  V shr(V a, V n) {
    return a >> n;
  }

  // ---- the same bits, and conversions
  I32 bits(F32 a) { return (I32)a; }
  I64 bits(F64 a) { return (I64)a; }
  F32 from_bits(I32 a) { return (F32)a; }
  F64 from_bits(I64 a) { return (F64)a; }
  F64 to_f64(F32 a) { return __builtin_convertvector(a, F64); }
  F64 to_f64(I32 a) { return __builtin_convertvector(a, F64); }
  F64 to_f64(I64 a) { return __builtin_convertvector(a, F64); }
  F32 to_f32(F64 a) { return __builtin_convertvector(a, F32); }
  F32 to_f32(I32 a) { return __builtin_convertvector(a, F32); }
  F32 to_f32(I64 a) { return __builtin_convertvector(a, F32); }
  I32 to_i32(F32 a) { return __builtin_convertvector(a, I32); }
  I32 to_i32(F64 a) { return __builtin_convertvector(a, I32); }
  I32 to_i32(I64 a) { return __builtin_convertvector(a, I32); }
  I64 to_i64(F64 a) { return __builtin_convertvector(a, I64); }
  I64 to_i64(I32 a) { return __builtin_convertvector(a, I64); }

  template <class B>
  void trap_if(B bad) {
    trapped |= any(bad);
  }

 private:
  using Unsigned64 = Vec<uint64_t, kWide ? L : 1>;
  // Signed overflow of lanes has no meaning in C++; that of unsigned ones wraps.
  template <class V, class F>
  static V wrapping(V a, V b, F f) {
    if constexpr (std::is_same_v<V, I32>)
      return (V)f((Vec<uint32_t, L>)a, (Vec<uint32_t, L>)b);
    else if constexpr (std::is_same_v<V, I64>)
      return (V)f((Unsigned64)a, (Unsigned64)b);
    else
      return f(a, b);
  }
};

// ---- between memory and registers: L elements of a dtype, at any address
template <int L, class T>
Vec<T, L> load_raw(const void* p) {
  Vec<T, L> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
void store_raw(void* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

template <int L>
Vec<int32_t, L> load_u8(const void* p) {
#if defined(__AVX512F__)
  if constexpr (L == 16)
    return (Vec<int32_t, L>)_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
#endif
  if constexpr (L == 8)
    return (Vec<int32_t, L>)_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
  if constexpr (L == 4) return (Vec<int32_t, L>)_mm_cvtepu8_epi32(_mm_loadu_si32(p));
}
template <int L>
Vec<int32_t, L> load_u16(const void* p) {
#if defined(__AVX512F__)
  if constexpr (L == 16)
    return (Vec<int32_t, L>)_mm512_cvtepu16_epi32(
        _mm256_loadu_si256(static_cast<const __m256i*>(p)));
#endif
  if constexpr (L == 8)
    return (Vec<int32_t, L>)_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  if constexpr (L == 4)
    return (Vec<int32_t, L>)_mm_cvtepu16_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}
// The low byte or 16 bits of each lane.
template <int L>
void store_u8(void* p, Vec<int32_t, L> v) {
#if defined(__AVX512F__)
  if constexpr (L == 16)
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)v));
  else
    _mm_storel_epi64(static_cast<__m128i*>(p), _mm256_cvtepi32_epi8((__m256i)v));
#else
  const auto low = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  if constexpr (L == 8) {
    int32_t a = _mm_cvtsi128_si32(_mm_shuffle_epi8(_mm256_castsi256_si128((__m256i)v), low));
    int32_t b = _mm_cvtsi128_si32(_mm_shuffle_epi8(_mm256_extracti128_si256((__m256i)v, 1), low));
    std::memcpy(p, &a, 4);
    std::memcpy(static_cast<char*>(p) + 4, &b, 4);
  } else {
    int32_t a = _mm_cvtsi128_si32(_mm_shuffle_epi8((__m128i)v, low));
    std::memcpy(p, &a, 4);
  }
#endif
}
template <int L>
void store_u16(void* p, Vec<int32_t, L> v) {
#if defined(__AVX512F__)
  if constexpr (L == 16)
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16((__m512i)v));
  else
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtepi32_epi16((__m256i)v));
#else
  const auto low = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1);
  if constexpr (L == 8) {
    _mm_storel_epi64(static_cast<__m128i*>(p),
                     _mm_shuffle_epi8(_mm256_castsi256_si128((__m256i)v), low));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(static_cast<char*>(p) + 8),
                     _mm_shuffle_epi8(_mm256_extracti128_si256((__m256i)v, 1), low));
  } else {
    _mm_storel_epi64(static_cast<__m128i*>(p), _mm_shuffle_epi8((__m128i)v, low));
  }
#endif
}

}  // namespace tenon::kernels::TENON_LEVEL
