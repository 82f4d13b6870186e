// Warpgroups (sm_90a): 128 threads that multiply matrices in shared memory (wgmma), boxes of tensors that
// come there by themselves (TMA), and barriers that count what has come (mbarrier). As in prelude.cuh one
// text serves NVRTC, which makes PTX of it, and the emulator (jit/cuda/sim_async.cpp). It stands behind the
// prelude only in texts that use it (kernels.h), and is nothing on other architectures.
//
//   tn_barrier_*   an mbarrier: so many arrivals and so many bytes end a phase; phases have parity 0, 1, 0, ..
//   tn_fetch_box   a box of a tensor into shared memory, its bytes counted by a barrier; zeros outside
//   tn_two         two elements as they lie beside each other
//   tn_group_*     products of a warpgroup. The accumulators are not there until they are waited for.
//
// Operands of 16 bits lie in lines of 128 bytes whose 16-byte pieces are exchanged (128-byte swizzle): piece p
// of line r is at p ^ r % 8. A line is 64 values of k of one row, or of one k 64 rows (`down`).
#ifndef TN_WARPGROUP
#define TN_WARPGROUP

typedef tn_uint TnBarrier;
enum { kTnAdd = 1, kTnADown = 2, kTnBDown = 4, kTnOfBf16 = 8 };

// An operand in shared memory, from where its first element lies. Eight lines further is `stride` bytes;
// `leading`: 64 rows further, where operands lie down.
TN_DEVICE tn_uint tn_operand_at(tn_uint address, int leading, int stride) {
  return (address & 0x3ffff) >> 4 | (tn_uint)(leading >> 4) << 16 | (tn_uint)(stride >> 4) << 32 | 1ull << 62;
}

#ifdef TN_SIM

struct TnMap { tn_int words[16]; };
// The emulator's side: the same struct stands in jit/cuda/sim_async.h.
struct TnAsync {
  void (*barrier_init)(void* barrier, int count);
  void (*barriers_shown)();
  void (*arrive)(void* barrier, int bytes);
  void (*wait)(void* barrier, int parity);
  void (*fetch)(void* to, const void* map, void* barrier, const int* at);
  char* (*dynamic)();
  void (*multiply)(float* d, int columns, int kind, tn_uint a, tn_uint b);
  void (*fence)();
  void (*sent)();
  void (*but)(int groups);
};
extern "C" TnAsync tn_async;
TnAsync tn_async;
#define TN_MAP_WORDS(m, at) tn_int m##at##0, tn_int m##at##1, tn_int m##at##2, tn_int m##at##3
#define TN_MAP(m) TN_MAP_WORDS(m, a), TN_MAP_WORDS(m, b), TN_MAP_WORDS(m, c), TN_MAP_WORDS(m, d)
#define TN_MAP_NAMES(m, at) m##at##0, m##at##1, m##at##2, m##at##3
#define TN_MAP_IS(m) const TnMap m = {{TN_MAP_NAMES(m, a), TN_MAP_NAMES(m, b), TN_MAP_NAMES(m, c), TN_MAP_NAMES(m, d)}}
#define TN_KERNEL_OF(threads) TN_KERNEL
TN_DEVICE void tn_barrier_init(TnBarrier* b, int count) { tn_async.barrier_init(b, count); }
TN_DEVICE void tn_barriers_shown() { tn_async.barriers_shown(); }
TN_DEVICE void tn_barrier_arrive(TnBarrier* b) { tn_async.arrive(b, 0); }
TN_DEVICE void tn_barrier_expect(TnBarrier* b, int bytes) { tn_async.arrive(b, bytes); }
TN_DEVICE void tn_barrier_wait(TnBarrier* b, int parity) { tn_async.wait(b, parity); }
TN_DEVICE void tn_fetch_box(void* to, const TnMap& map, TnBarrier* b, int x, int y, int z, int w) {
  const int at[4] = {x, y, z, w};
  tn_async.fetch(to, &map, b, at);
}
TN_DEVICE char* tn_dynamic() { return tn_async.dynamic(); }
TN_DEVICE tn_uint tn_operand(const void* p, int leading, int stride) {
  return tn_operand_at((tn_uint)((const char*)p - tn_async.dynamic()), leading, stride);
}
template <int N, int kind>
TN_DEVICE void tn_group_multiply(float (&d)[N / 2], tn_uint a, tn_uint b, bool add) {
  tn_async.multiply(d, N, kind | (add ? kTnAdd : 0), a, b);
}
TN_DEVICE void tn_group_fence() { tn_async.fence(); }
TN_DEVICE void tn_group_sent() { tn_async.sent(); }
template <int groups>
TN_DEVICE void tn_group_but() { tn_async.but(groups); }
template <class S>
TN_DEVICE unsigned tn_two(float x, float y, S) {
  return (unsigned)TnOf<S>::put(x).bits | (unsigned)TnOf<S>::put(y).bits << 16;
}
template <int n>
TN_DEVICE void tn_registers_less() {}
template <int n>
TN_DEVICE void tn_registers_more() {}

#else

struct __align__(64) TnMap { tn_int words[16]; };
#define TN_MAP(m) const __grid_constant__ TnMap m
#define TN_MAP_IS(m)
#define TN_KERNEL_OF(threads) extern "C" __global__ void __launch_bounds__(threads, 1)
TN_DEVICE unsigned tn_in_shared(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
TN_DEVICE void tn_barrier_init(TnBarrier* b, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(tn_in_shared(b)), "r"(count) : "memory");
}
TN_DEVICE void tn_barriers_shown() {  // to TMA
  asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;\n" ::: "memory");
}
TN_DEVICE void tn_barrier_arrive(TnBarrier* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(tn_in_shared(b)) : "memory");
}
TN_DEVICE void tn_barrier_expect(TnBarrier* b, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(tn_in_shared(b)), "r"(bytes) : "memory");
}
TN_DEVICE void tn_barrier_wait(TnBarrier* b, int parity) {
  unsigned there;
  do {
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}\n"
                 : "=r"(there) : "r"(tn_in_shared(b)), "r"(parity) : "memory");
  } while (!there);
}
TN_DEVICE void tn_fetch_box(void* to, const TnMap& map, TnBarrier* b, int x, int y, int z, int w) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];\n"
               ::"r"(tn_in_shared(to)), "l"(&map), "r"(tn_in_shared(b)), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
}
// 1024 bytes are the launch's for this: where dynamic memory begins, nobody says.
TN_DEVICE char* tn_dynamic() {
  extern __shared__ char tn_dynamic_memory[];
  return tn_dynamic_memory + (-tn_in_shared(tn_dynamic_memory) & 1023u);
}
TN_DEVICE tn_uint tn_operand(const void* p, int leading, int stride) { return tn_operand_at(tn_in_shared(p), leading, stride); }
TN_DEVICE void tn_group_fence() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
TN_DEVICE void tn_group_sent() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }
template <int groups>
TN_DEVICE void tn_group_but() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(groups) : "memory");
}
// Rounded as TnOf does.
TN_DEVICE unsigned tn_two(float x, float y, TnBf16) {
  unsigned r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(r) : "f"(y), "f"(x));
  return r;
}
TN_DEVICE unsigned tn_two(float x, float y, TnF16) {
  unsigned r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;\n" : "=r"(r) : "f"(y), "f"(x));
  return r;
}
template <int n>
TN_DEVICE void tn_registers_less() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(n)); }
template <int n>
TN_DEVICE void tn_registers_more() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(n)); }

#define TN_TEN(t) "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t "9, "
#define TN_8OF(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define TN_32OF(i) TN_8OF(i), TN_8OF(i + 8), TN_8OF(i + 16), TN_8OF(i + 24)
#define TN_REGISTERS_128 TN_TEN() TN_TEN(1) TN_TEN(2) TN_TEN(3) TN_TEN(4) TN_TEN(5) "%60, %61, %62, %63"
#define TN_REGISTERS_256 \
  TN_TEN() TN_TEN(1) TN_TEN(2) TN_TEN(3) TN_TEN(4) TN_TEN(5) TN_TEN(6) TN_TEN(7) TN_TEN(8) TN_TEN(9) TN_TEN(10) TN_TEN(11) \
  "%120, %121, %122, %123, %124, %125, %126, %127"
#define TN_GROUP_MMA(n, type, a_at, b_at, add_at, down_a, down_b, ...)                                          \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #add_at ", 0;\n"                                            \
               "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type " {" TN_REGISTERS_##n "}, %" #a_at \
               ", %" #b_at ", p, 1, 1, %" #down_a ", %" #down_b ";\n}\n"                                        \
               : __VA_ARGS__ : "l"(a), "l"(b), "r"((int)add), "n"(kind / kTnADown % 2), "n"(kind / kTnBDown % 2))
template <int N, int kind>
TN_DEVICE void tn_group_multiply(float (&d)[N / 2], tn_uint a, tn_uint b, bool add) {
  if constexpr (N == 128 && kind / kTnOfBf16) TN_GROUP_MMA(128, "bf16", 64, 65, 66, 67, 68, TN_32OF(0), TN_32OF(32));
  if constexpr (N == 128 && !(kind / kTnOfBf16)) TN_GROUP_MMA(128, "f16", 64, 65, 66, 67, 68, TN_32OF(0), TN_32OF(32));
  if constexpr (N == 256 && kind / kTnOfBf16)
    TN_GROUP_MMA(256, "bf16", 128, 129, 130, 131, 132, TN_32OF(0), TN_32OF(32), TN_32OF(64), TN_32OF(96));
  if constexpr (N == 256 && !(kind / kTnOfBf16))
    TN_GROUP_MMA(256, "f16", 128, 129, 130, 131, 132, TN_32OF(0), TN_32OF(32), TN_32OF(64), TN_32OF(96));
}
#else  // never launched (Gpu::warpgroups)
TN_DEVICE void tn_barrier_init(TnBarrier*, int) {}
TN_DEVICE void tn_barriers_shown() {}
TN_DEVICE void tn_barrier_arrive(TnBarrier*) {}
TN_DEVICE void tn_barrier_expect(TnBarrier*, int) {}
TN_DEVICE void tn_barrier_wait(TnBarrier*, int) {}
TN_DEVICE void tn_fetch_box(void*, const TnMap&, TnBarrier*, int, int, int, int) {}
TN_DEVICE char* tn_dynamic() { return 0; }
TN_DEVICE tn_uint tn_operand(const void*, int, int) { return 0; }
TN_DEVICE void tn_group_fence() {}
TN_DEVICE void tn_group_sent() {}
template <class S>
TN_DEVICE unsigned tn_two(float, float, S) { return 0; }
template <int groups>
TN_DEVICE void tn_group_but() {}
template <int n>
TN_DEVICE void tn_registers_less() {}
template <int n>
TN_DEVICE void tn_registers_more() {}
template <int N, int kind>
TN_DEVICE void tn_group_multiply(float (&)[N / 2], tn_uint, tn_uint, bool) {}
#endif

#endif
#endif
