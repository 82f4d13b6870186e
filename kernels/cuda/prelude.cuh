// What every kernel for the GPU begins with: the names that the printer (jit/cuda/print.cpp) and the
// kernel families use. The same text is compiled by NVRTC and, with TN_SIM, by the host's compiler for
// the emulator (jit/cuda/sim.cpp); nothing else in kernels/cuda knows of either. No header is included.
//
//   tn_int            a slot: every argument of every kernel. Addresses are slots too.
//   tn_load/tn_store  the only ways to memory; the emulator checks each access
//   tn_lane, tn_warp  items that are shared out go to the 32 threads of a warp, which meet in tn_meet
//   tn_at_once        the fold over a warp, in the order of docs/semantics.md
//   tn_copy_async     cp.async; tensor_core.cuh has what mma.sync takes

typedef long long tn_int;
typedef unsigned long long tn_uint;

#ifdef TN_SIM

#define TN_DEVICE static inline
#define TN_UNROLL
#define TN_UNROLL_8
#define TN_APART static  // rarely run, not to be inlined
#define TN_KERNEL extern "C" void
// The emulator's side: the same struct stands in jit/cuda/sim.cpp.
struct TnSim {
  int thread, threads;
  tn_int block, blocks;
  tn_int low[4], high[4];  // the allocations that were accessed last
  void (*access)(tn_int address, tn_int bytes);
  void (*barrier)();
  void (*exchange)(const void* mine, void* got, int lane, int bytes);  // got: that lane's
  void* (*shared)(const void* key, tn_int bytes);
  const char* (*gather)(const void* mine, int bytes);  // what all 32 lanes gave, kTnApart bytes apart
  void (*copy_async)(void* to, tn_int from, int bytes);  // from 0: zeros
  void (*copies_sent)();
  void (*copies_but)(int groups);
};
enum { kTnApart = 64 };
extern "C" TnSim tn_sim;
TnSim tn_sim;
TN_DEVICE int tn_thread() { return tn_sim.thread; }
TN_DEVICE int tn_threads() { return tn_sim.threads; }
TN_DEVICE tn_int tn_block() { return tn_sim.block; }
TN_DEVICE tn_int tn_blocks() { return tn_sim.blocks; }
TN_DEVICE void tn_sync() { tn_sim.barrier(); }
TN_DEVICE void tn_meet() { tn_sim.exchange(0, 0, 0, 0); }
template <class T>
TN_DEVICE T tn_from_lane(T v, int lane) {
  T got;
  tn_sim.exchange(&v, &got, lane, sizeof(T));
  return got;
}
#define TN_SHARED(T, name, n)                                \
  static char name##_key;                                    \
  T* const name = (T*)tn_sim.shared(&name##_key, sizeof(T) * (n))
template <class T>
TN_DEVICE T* tn_address(tn_int address, tn_int index) {
  const tn_int at = address + index * (tn_int)sizeof(T);
  const tn_int end = at + (tn_int)sizeof(T);
  if (at % (tn_int)sizeof(T) != 0 ||
      !((at >= tn_sim.low[0] && end <= tn_sim.high[0]) || (at >= tn_sim.low[1] && end <= tn_sim.high[1]) ||
        (at >= tn_sim.low[2] && end <= tn_sim.high[2]) || (at >= tn_sim.low[3] && end <= tn_sim.high[3])))
    tn_sim.access(at, sizeof(T));
  return (T*)at;
}
// 16 bytes from memory into shared memory, on their own; zeros unless `there`.
template <class T>
TN_DEVICE void tn_copy_async(T* to, tn_int address, tn_int index, bool there) {
  tn_sim.copy_async(to, there ? address + index * (tn_int)sizeof(T) : 0, 16);
}
TN_DEVICE void tn_copies_sent() { tn_sim.copies_sent(); }
template <int groups>
TN_DEVICE void tn_copies_but() { tn_sim.copies_but(groups); }
TN_DEVICE void tn_keep_least(tn_int address, const tn_int* met, int n) {
  tn_int* const p = tn_address<tn_int>(address, 0);
  if (met[0] >= p[0]) return;
  p[0] = met[0];
  for (int i = 1; i < n + 2; ++i) p[i + 1] = met[i];
}
TN_DEVICE float tn_sqrt(float x) { return __builtin_sqrtf(x); }
TN_DEVICE double tn_sqrt(double x) { return __builtin_sqrt(x); }
TN_DEVICE float tn_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
TN_DEVICE double tn_fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
TN_DEVICE float tn_abs(float x) { return __builtin_fabsf(x); }
TN_DEVICE double tn_abs(double x) { return __builtin_fabs(x); }
TN_DEVICE float tn_floor(float x) { return __builtin_floorf(x); }
TN_DEVICE double tn_floor(double x) { return __builtin_floor(x); }
TN_DEVICE float tn_ceil(float x) { return __builtin_ceilf(x); }
TN_DEVICE double tn_ceil(double x) { return __builtin_ceil(x); }
TN_DEVICE float tn_trunc(float x) { return __builtin_truncf(x); }
TN_DEVICE double tn_trunc(double x) { return __builtin_trunc(x); }
TN_DEVICE float tn_rint(float x) { return __builtin_rintf(x); }
TN_DEVICE double tn_rint(double x) { return __builtin_rint(x); }

#else

#define TN_DEVICE static __device__ __forceinline__
#define TN_UNROLL _Pragma("unroll")
#define TN_UNROLL_8 _Pragma("unroll 8")
#define TN_APART static __device__ __noinline__
#define TN_KERNEL extern "C" __global__ void
#define TN_SHARED(T, name, n) __shared__ __align__(16) T name[n]
TN_DEVICE int tn_thread() { return threadIdx.x; }
TN_DEVICE int tn_threads() { return blockDim.x; }
TN_DEVICE tn_int tn_block() { return blockIdx.x; }
TN_DEVICE tn_int tn_blocks() { return gridDim.x; }
TN_DEVICE void tn_sync() { __syncthreads(); }
TN_DEVICE void tn_meet() { __syncwarp(); }
template <class T>
TN_DEVICE T tn_from_lane(T v, int lane) {
  return __shfl_sync(0xffffffffu, v, lane);
}
template <class T>
TN_DEVICE T* tn_address(tn_int address, tn_int index) {
  return (T*)__cvta_global_to_generic(address + index * (tn_int)sizeof(T));  // so it is global to the compiler
}
// 16 bytes from memory into shared memory, on their own (sm_80 and up); zeros unless `there`. Those
// sent together are waited for together: tn_copies_but<n> until all but the last n groups are there.
template <class T>
TN_DEVICE void tn_copy_async(T* to, tn_int address, tn_int index, bool there) {
#if __CUDA_ARCH__ >= 800
  const unsigned at = (unsigned)__cvta_generic_to_shared(to);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(at), "l"(address + index * (tn_int)sizeof(T)),
               "r"(there ? 16 : 0));
#endif
}
TN_DEVICE void tn_copies_sent() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}
template <int groups>
TN_DEVICE void tn_copies_but() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;\n" ::"n"(groups) : "memory");
#endif
}
TN_DEVICE void tn_keep_least(tn_int address, const tn_int* met, int n) {
  volatile tn_int* const p = (tn_int*)address;
  if (met[0] >= p[0]) return;
  for (bool done = false; !done;) {
    if (atomicCAS((tn_uint*)(address + 8), 0ull, 1ull) != 0) continue;
    if (met[0] < p[0]) {
      p[0] = met[0];
      for (int i = 1; i < n + 2; ++i) p[i + 1] = met[i];
    }
    __threadfence();
    atomicExch((tn_uint*)(address + 8), 0ull);
    done = true;
  }
}
TN_DEVICE float tn_sqrt(float x) { return __fsqrt_rn(x); }
TN_DEVICE double tn_sqrt(double x) { return __dsqrt_rn(x); }
TN_DEVICE float tn_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
TN_DEVICE double tn_fma(double a, double b, double c) { return __fma_rn(a, b, c); }
TN_DEVICE float tn_abs(float x) { return fabsf(x); }
TN_DEVICE double tn_abs(double x) { return fabs(x); }
TN_DEVICE float tn_floor(float x) { return floorf(x); }
TN_DEVICE double tn_floor(double x) { return floor(x); }
TN_DEVICE float tn_ceil(float x) { return ceilf(x); }
TN_DEVICE double tn_ceil(double x) { return ceil(x); }
TN_DEVICE float tn_trunc(float x) { return truncf(x); }
TN_DEVICE double tn_trunc(double x) { return trunc(x); }
TN_DEVICE float tn_rint(float x) { return rintf(x); }
TN_DEVICE double tn_rint(double x) { return rint(x); }

#endif

TN_DEVICE int tn_lane() { return tn_thread() % 32; }
TN_DEVICE tn_int tn_warp() { return tn_block() * (tn_threads() / 32) + tn_thread() / 32; }
TN_DEVICE tn_int tn_warps() { return tn_blocks() * (tn_threads() / 32); }

// A trap: what was met first stays in the record at `address`, which is [order, lock, site, values..];
// `met` is the order of launch and item, the site, and n values of its message.
TN_APART void tn_trapped(tn_int address, const tn_int* met, int n) { tn_keep_least(address, met, n); }

template <class T>
TN_DEVICE T tn_load(tn_int address, tn_int index) {
  return *tn_address<T>(address, index);
}
template <class T>
TN_DEVICE void tn_store(tn_int address, tn_int index, T value) {
  *tn_address<T>(address, index) = value;
}

// W elements of a thread, `step` apart, of which those before `left` are there: beside each other and aligned, or
// far apart (print.cpp). The first stands for what is behind the end.
template <class T, int W>
struct alignas(sizeof(T) * W) TnWide { T v[W]; };
template <class T, int W>
TN_DEVICE void tn_take(T (&x)[W], tn_int address, tn_int index, int step, int left) {
  if (step == 1 && left >= W) {
    const TnWide<T, W> w = *tn_address<TnWide<T, W>>(address + index * (tn_int)sizeof(T), 0);
    TN_UNROLL
    for (int u = 0; u < W; ++u) x[u] = w.v[u];
  } else {
    TN_UNROLL
    for (int u = 0; u < W; ++u) x[u] = tn_load<T>(address, index + (u * step < left ? u * step : 0));
  }
}
template <class T, int W>
TN_DEVICE void tn_give(tn_int address, tn_int index, int step, int left, const T (&x)[W]) {
  if (step == 1 && left >= W) {
    TnWide<T, W> w;
    TN_UNROLL
    for (int u = 0; u < W; ++u) w.v[u] = x[u];
    *tn_address<TnWide<T, W>>(address + index * (tn_int)sizeof(T), 0) = w;
  } else {
    TN_UNROLL
    for (int u = 0; u < W; ++u)
      if (u * step < left) tn_store<T>(address, index + u * step, x[u]);
  }
}
// The same into shared memory.
template <class T, int W>
TN_DEVICE void tn_hold(T* to, int index, int step, int left, const T (&x)[W]) {
  if (step == 1 && left >= W) {
    TnWide<T, W> w;
    TN_UNROLL
    for (int u = 0; u < W; ++u) w.v[u] = x[u];
    *(TnWide<T, W>*)(to + index) = w;
  } else {
    TN_UNROLL
    for (int u = 0; u < W; ++u)
      if (u * step < left) to[index + u * step] = x[u];
  }
}

// ---- integers wrap, shifts are of bits
TN_DEVICE int tn_add(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
TN_DEVICE int tn_sub(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
TN_DEVICE int tn_mul(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
TN_DEVICE tn_int tn_add(tn_int a, tn_int b) { return (tn_int)((tn_uint)a + (tn_uint)b); }
TN_DEVICE tn_int tn_sub(tn_int a, tn_int b) { return (tn_int)((tn_uint)a - (tn_uint)b); }
TN_DEVICE tn_int tn_mul(tn_int a, tn_int b) { return (tn_int)((tn_uint)a * (tn_uint)b); }
TN_DEVICE float tn_add(float a, float b) { return a + b; }
TN_DEVICE float tn_mul(float a, float b) { return a * b; }
TN_DEVICE double tn_add(double a, double b) { return a + b; }
TN_DEVICE double tn_mul(double a, double b) { return a * b; }
TN_DEVICE int tn_shl(int a, int b) { return (int)((unsigned)a << b); }
TN_DEVICE tn_int tn_shl(tn_int a, tn_int b) { return (tn_int)((tn_uint)a << b); }
TN_DEVICE int tn_lshr(int a, int b) { return (int)((unsigned)a >> b); }
TN_DEVICE tn_int tn_lshr(tn_int a, tn_int b) { return (tn_int)((tn_uint)a >> b); }
TN_DEVICE int tn_fma(int a, int b, int c) { return tn_add(tn_mul(a, b), c); }
TN_DEVICE tn_int tn_fma(tn_int a, tn_int b, tn_int c) { return tn_add(tn_mul(a, b), c); }

union TnBits4 { int i; float f; };
union TnBits8 { tn_int i; double f; };
template <class T, class F>
struct TnCast;
template <class T>
struct TnCast<T, T> { TN_DEVICE T of(T v) { return v; } };
template <>
struct TnCast<int, float> { TN_DEVICE int of(float v) { TnBits4 b; b.f = v; return b.i; } };
template <>
struct TnCast<float, int> { TN_DEVICE float of(int v) { TnBits4 b; b.i = v; return b.f; } };
template <>
struct TnCast<tn_int, double> { TN_DEVICE tn_int of(double v) { TnBits8 b; b.f = v; return b.i; } };
template <>
struct TnCast<double, tn_int> { TN_DEVICE double of(tn_int v) { TnBits8 b; b.i = v; return b.f; } };
template <class T, class F>
TN_DEVICE T tn_bitcast(F v) {
  return TnCast<T, F>::of(v);
}
TN_DEVICE float tn_f32(unsigned bits) { return tn_bitcast<float>((int)bits); }
TN_DEVICE double tn_f64(tn_uint bits) { return tn_bitcast<double>((tn_int)bits); }

// y * 2^n, rounded once (ir/scalar/machine.h): two products of which the first is exact.
TN_DEVICE float tn_scale(float y, float n) {
  const int biased = tn_bitcast<int>(n + 12583166.0f), half = biased >> 1;
  return y * tn_bitcast<float>(tn_shl(half, 23)) * tn_bitcast<float>(tn_shl(tn_sub(biased, half), 23));
}
TN_DEVICE double tn_scale(double y, double n) {
  const tn_int biased = tn_bitcast<tn_int>(n + 6755399441057790.0), half = biased >> 1;
  return y * tn_bitcast<double>(tn_shl(half, (tn_int)52)) * tn_bitcast<double>(tn_shl(tn_sub(biased, half), (tn_int)52));
}

// ---- 16 bits as a float, and the nearest 16 bits (ir/scalar/convert.h)
#ifdef TN_SIM
TN_DEVICE float tn_from_f16(int bits) {
  const unsigned sign = (unsigned)(bits & 0x8000) << 16, rest = bits & 0x7fff;
  if (rest >= 0x7c00u) return tn_f32(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  if (rest >= 0x400u) return tn_f32(sign | ((rest << 13) + 0x38000000u));
  const float tiny = (float)(int)rest * tn_f32(0x33800000u);  // 2^-24
  return sign ? -tiny : tiny;
}
TN_DEVICE int tn_to_f16(float v) {
  const unsigned b = (unsigned)tn_bitcast<int>(v), sign = b >> 16 & 0x8000u, rest = b & 0x7fffffffu;
  if (rest > 0x7f800000u) return 0x7e00;
  if (rest >= 0x477ff000u) return (int)(sign | 0x7c00u);  // from here on the nearest is infinite
  if (rest >= 0x38800000u) {
    const unsigned m = rest - 0x38000000u;
    return (int)(sign | (m + 0xfffu + (m >> 13 & 1u)) >> 13);
  }
  const float sum = tn_f32(rest) + 0.5f;  // denormal: let the adder round at 2^-24
  return (int)(sign | ((unsigned)tn_bitcast<int>(sum) - 0x3f000000u));
}
TN_DEVICE int tn_to_bf16(float v) {
  const unsigned b = (unsigned)tn_bitcast<int>(v);
  return v != v ? 0x7fc0 : (int)((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
}
#else
TN_DEVICE float tn_from_f16(int bits) {
  float v;
  asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"((unsigned short)bits));
  return v;
}
TN_DEVICE int tn_to_f16(float v) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
  return bits;
}
TN_DEVICE int tn_to_bf16(float v) {
#if __CUDA_ARCH__ >= 800
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(v));
  return bits;
#else
  const unsigned b = (unsigned)tn_bitcast<int>(v);
  return v != v ? 0x7fc0 : (int)((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
#endif
}
#endif

// ---- dtypes as they lie in memory, and the type in which they are computed
struct TnF16 { unsigned short bits; };
struct TnBf16 { unsigned short bits; };
template <class S>
struct TnOf { typedef S Acc; TN_DEVICE Acc get(S v) { return v; } TN_DEVICE S put(Acc v) { return v; } };
template <>
struct TnOf<signed char> {
  typedef int Acc;
  TN_DEVICE int get(signed char v) { return v; }
  TN_DEVICE signed char put(int v) { return (signed char)v; }
};
template <>
struct TnOf<unsigned char> {
  typedef int Acc;
  TN_DEVICE int get(unsigned char v) { return v; }
  TN_DEVICE unsigned char put(int v) { return (unsigned char)v; }
};
template <>
struct TnOf<TnBf16> {
  typedef float Acc;
  TN_DEVICE float get(TnBf16 v) { return tn_f32((unsigned)v.bits << 16); }
  TN_DEVICE TnBf16 put(float v) {
    TnBf16 r;
    r.bits = (unsigned short)tn_to_bf16(v);
    return r;
  }
};
template <>
struct TnOf<TnF16> {
  typedef float Acc;
  TN_DEVICE float get(TnF16 v) { return tn_from_f16(v.bits); }
  TN_DEVICE TnF16 put(float v) {
    TnF16 r;
    r.bits = (unsigned short)tn_to_f16(v);
    return r;
  }
};
template <class S>
TN_DEVICE typename TnOf<S>::Acc tn_get(tn_int address, tn_int index) {
  return TnOf<S>::get(tn_load<S>(address, index));
}
template <class S>
TN_DEVICE void tn_put(tn_int address, tn_int index, typename TnOf<S>::Acc v) {
  tn_store<S>(address, index, TnOf<S>::put(v));
}

// ---- the reductions, of what is stored as S and computed in its Acc
template <class S>
struct TnLimit;
#define TN_LIMIT(S, least, most)                             \
  template <>                                                \
  struct TnLimit<S> {                                        \
    TN_DEVICE typename TnOf<S>::Acc low() { return least; }  \
    TN_DEVICE typename TnOf<S>::Acc high() { return most; }  \
  };
TN_LIMIT(bool, false, true)
TN_LIMIT(signed char, -128, 127)
TN_LIMIT(unsigned char, 0, 255)
TN_LIMIT(int, -2147483647 - 1, 2147483647)
TN_LIMIT(tn_int, -9223372036854775807LL - 1, 9223372036854775807LL)
TN_LIMIT(float, tn_f32(0xff800000u), tn_f32(0x7f800000u))
TN_LIMIT(TnF16, tn_f32(0xff800000u), tn_f32(0x7f800000u))
TN_LIMIT(TnBf16, tn_f32(0xff800000u), tn_f32(0x7f800000u))
TN_LIMIT(double, tn_f64(0xfff0000000000000ull), tn_f64(0x7ff0000000000000ull))
#define TN_REDUCTION(name, first_value, both_values)                              \
  struct name {                                                                   \
    template <class S>                                                            \
    TN_DEVICE typename TnOf<S>::Acc first() {                                     \
      typedef typename TnOf<S>::Acc T;                                            \
      return (T)(first_value);                                                    \
    }                                                                             \
    template <class T>                                                            \
    TN_DEVICE T both(T a, T x) {                                                  \
      return (T)(both_values);                                                    \
    }                                                                             \
  };
TN_REDUCTION(TnSum, 0, tn_add(a, x))
TN_REDUCTION(TnProd, 1, tn_mul(a, x))
TN_REDUCTION(TnMax, TnLimit<S>::low(), x > a || x != x ? x : a)
TN_REDUCTION(TnMin, TnLimit<S>::high(), x < a || x != x ? x : a)
TN_REDUCTION(TnAny, 0, a != (T)0 || x != (T)0)
TN_REDUCTION(TnAll, 1, a != (T)0 && x != (T)0)

// The last steps of a fold of 64 partials: a thread of the warp holds the two of its lane and lane + 32.
// Every thread gets the result.
template <class K, class T>
TN_DEVICE T tn_at_once(T p, T q) {
  p = K::template both<T>(p, q);
  const int lane = tn_lane();
  for (int h = 16; h >= 1; h /= 2) {
    const T other = tn_from_lane(p, (lane + h) % 32);  // only lane 0's sum is needed
    p = K::template both<T>(p, other);
  }
  return tn_from_lane(p, 0);
}
// Before that, where a lane has neighbours instead: those of 2 * lane and 2 * lane + 1.
template <class T>
TN_DEVICE void tn_apart(T& p, T& q) {
  const int lane = tn_lane(), half = lane / 2;
  const T a = tn_from_lane(p, half), b = tn_from_lane(q, half);
  const T c = tn_from_lane(p, half + 16), d = tn_from_lane(q, half + 16);
  p = lane % 2 ? b : a;
  q = lane % 2 ? d : c;
}

// The same where a block folds: elements lie in shared memory, 2048 at a time and the first of them a multiple
// of 64 behind the run's, and thread j < 64 keeps partial j.
template <class K, class T>
TN_DEVICE T tn_fold_piece(const T* held, int n, T p) {
  tn_sync();
  if (tn_thread() < 64)
    for (int i = tn_thread(); i < n; i += 64) p = K::template both<T>(p, held[i]);
  tn_sync();
  return p;
}
template <class K, class T>
TN_DEVICE T tn_in_block(T* held, T p) {
  if (tn_thread() < 64) held[tn_thread()] = p;
  tn_sync();
  p = tn_at_once<K, T>(held[tn_lane()], held[tn_lane() + 32]);
  tn_sync();
  return p;
}

// The same by one thread over partials of its own.
template <class K, class T>
TN_DEVICE T tn_alone(T* p) {
  for (int h = 32; h >= 1; h /= 2)
    for (int j = 0; j < h; ++j) p[j] = K::template both<T>(p[j], p[j + h]);
  return p[0];
}

// A run of n values in memory, by one thread: chunks of 16384, and their results again.
template <class K, class S>
TN_APART typename TnOf<S>::Acc tn_run(tn_int address, tn_int n) {
  typedef typename TnOf<S>::Acc T;
  T outer[64], inner[64], last = K::template first<S>();
  for (int j = 0; j < 64; ++j) outer[j] = K::template first<S>();
  const tn_int chunks = (n + 16383) / 16384;
  for (tn_int c = 0; c < chunks; ++c) {
    for (int j = 0; j < 64; ++j) inner[j] = K::template first<S>();
    const tn_int end = (c + 1) * 16384 < n ? (c + 1) * 16384 : n;
    for (tn_int i = c * 16384; i < end; ++i)
      inner[i % 64] = K::template both<T>(inner[i % 64], tn_get<S>(address, i));
    last = tn_alone<K, T>(inner);
    outer[c % 64] = K::template both<T>(outer[c % 64], last);
  }
  return chunks > 1 ? tn_alone<K, T>(outer) : last;
}
