// Tensor cores (mma.sync, sm_80 and up) behind TnMma<S>: fragments of a slice in shared memory, and their
// product. A warp multiplies 16 x depth by depth x 8; which of the elements a lane holds, NVIDIA's PTX
// manual says. No other file of the kernels holds any assembly but for cp.async (prelude.cuh).
//
// A slice lies [row][k] or, `down`, [k][row]: TnSlice says how far apart.
template <class S>
struct TnSlice {
  // Lines are 16 bytes longer than they must be: the 8 that ldmatrix reads at once lie in other banks.
  static const int wide = 16 / sizeof(S), depth = sizeof(S) == 2 ? 32 : 16;
  static const int by_row = depth + wide, by_k = 64 + wide;
  static const int size = 64 * by_row > depth * by_k ? 64 * by_row : depth * by_k;
};

#ifdef TN_SIM

// Four 8 x 8 matrices of 16 bits, whose rows lie where lanes 0-7, 8-15, 16-23 and 24-31 say.
template <class S>
TN_DEVICE void tn_matrices(unsigned* r, const S* row, bool transposed) {
  const char* all = tn_sim.gather(&row, sizeof row);
  const int lane = tn_thread() % 32, g = lane / 4, t = lane % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    unsigned v[2];
    for (int j = 0; j < 2; ++j) {
      const int line = transposed ? t + j : g, at = transposed ? g : t + j;
      v[j] = (*(const unsigned short* const*)(all + kTnApart * (8 * i + line)))[at];
    }
    r[i] = v[0] | v[1] << 16;
  }
}
// What a tensor core makes of a sum of n exact products and c, as measured on an A100 (Fasi et al., 2021,
// "Numerical behavior of NVIDIA tensor cores"): all are cut to 2 bits below the last of the largest, and
// the sum is cut to f32. The hardware at hand may differ; no test may rely on more than the budget.
TN_DEVICE float tn_tensor_sum(float c, const double* x, int n) {
  double plain = c, most = __builtin_fabs(c);
  for (int i = 0; i < n; ++i) {
    plain += x[i];
    if (__builtin_fabs(x[i]) > most) most = __builtin_fabs(x[i]);
  }
  if (plain - plain != 0 || most == 0) return (float)plain;
  const int shift = 25 - __builtin_ilogb(most);
  double sum = __builtin_trunc(__builtin_scalbn((double)c, shift));
  for (int i = 0; i < n; ++i) sum += __builtin_trunc(__builtin_scalbn(x[i], shift));
  float cut = (float)sum;
  if (__builtin_fabs((double)cut) > __builtin_fabs(sum)) cut = tn_f32((unsigned)tn_bitcast<int>(cut) - 1);
  return (float)__builtin_scalbn((double)cut, -shift);
}
struct TnFragments {
  unsigned a[4], b[2];
};
// d += a b, of `each` elements in a register.
template <class Value>
TN_DEVICE void tn_multiply(float* d, const unsigned* a, const unsigned* b, int each, Value value) {
  TnFragments mine;
  for (int i = 0; i < 4; ++i) mine.a[i] = a[i];
  for (int i = 0; i < 2; ++i) mine.b[i] = b[i];
  const char* all = tn_sim.gather(&mine, sizeof mine);
  auto of = [&](int lane) { return (const TnFragments*)(all + kTnApart * lane); };
  const int lane = tn_thread() % 32, half = 4 * each;  // values of k in a register of four lanes
  for (int v = 0; v < 4; ++v) {
    const int g = lane / 4, n = lane % 4 * 2 + v % 2;
    for (int h = 0; h < 2; ++h) {
      double x[8];
      for (int k = 0; k < half; ++k)
        x[k] = value(of(g * 4 + k / each)->a[v / 2 + 2 * h], k % each) * value(of(n * 4 + k / each)->b[h], k % each);
      d[v] = tn_tensor_sum(d[v], x, half);
    }
  }
}
TN_DEVICE void tn_mma(float* d, const unsigned* a, const unsigned* b, TnF16) {
  tn_multiply(d, a, b, 2, [](unsigned r, int i) {
    TnF16 v = {(unsigned short)(r >> 16 * i)};
    return (double)TnOf<TnF16>::get(v);
  });
}
TN_DEVICE void tn_mma(float* d, const unsigned* a, const unsigned* b, TnBf16) {
  tn_multiply(d, a, b, 2, [](unsigned r, int i) { return (double)tn_f32(r >> 16 * i << 16); });
}
TN_DEVICE void tn_mma(float* d, const unsigned* a, const unsigned* b, float) {
  tn_multiply(d, a, b, 1, [](unsigned r, int) { return (double)tn_f32(r); });
}
TN_DEVICE unsigned tn_tf32(float x) {
  const unsigned b = (unsigned)tn_bitcast<int>(x);
  return x - x != 0 ? b : b + 0x1000u & ~0x1fffu;
}

#else

template <class S>
TN_DEVICE void tn_matrices(unsigned* r, const S* row, bool transposed) {
#if __CUDA_ARCH__ >= 800
  const unsigned at = (unsigned)__cvta_generic_to_shared(row);
  if (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
#endif
}
#if __CUDA_ARCH__ >= 800
#define TN_MMA(S, shape, type)                                                                           \
  TN_DEVICE void tn_mma(float* d, const unsigned* a, const unsigned* b, S) {                             \
    asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type                                 \
                 ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"                \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                        \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                    \
  }
TN_DEVICE unsigned tn_tf32(float x) {
  unsigned r;
  asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(r) : "f"(x));
  return r;
}
#else  // never launched (Gpu::tensor_cores)
#define TN_MMA(S, shape, type) TN_DEVICE void tn_mma(float*, const unsigned*, const unsigned*, S) {}
TN_DEVICE unsigned tn_tf32(float) { return 0; }
#endif
TN_MMA(TnF16, "m16n8k16", "f16")
TN_MMA(TnBf16, "m16n8k16", "bf16")
TN_MMA(float, "m16n8k8", "tf32")

#endif

// 16 bits: by ldmatrix, which can turn what it reads.
template <class S>
struct TnMma {
  static const int depth = 16;
  // Rows m.. of a, as one operand of 16 x 16.
  TN_DEVICE void rows(unsigned* x, const S* slice, bool down, int m, int k, int lane) {
    typedef TnSlice<S> L;
    if (down) tn_matrices(x, slice + (k + lane % 8 + lane / 16 * 8) * L::by_k + m + lane / 8 % 2 * 8, true);
    else tn_matrices(x, slice + (m + lane % 16) * L::by_row + k + lane / 16 * 8, false);
  }
  // Columns n.. of b, as two operands of 16 x 8.
  TN_DEVICE void columns(unsigned* y, const S* slice, bool down, int n, int k, int lane) {
    typedef TnSlice<S> L;
    if (down) tn_matrices(y, slice + (k + lane % 16) * L::by_k + n + lane / 16 * 8, true);
    else tn_matrices(y, slice + (n + lane % 8 + lane / 16 * 8) * L::by_row + k + lane / 8 % 2 * 8, false);
  }
};
// f32, each rounded to tf32: 8 x 8 at a time, fetched one by one.
template <>
struct TnMma<float> {
  static const int depth = 8;
  TN_DEVICE unsigned one(const float* slice, bool down, int m, int k) {
    typedef TnSlice<float> L;
    return tn_tf32(slice[down ? k * L::by_k + m : m * L::by_row + k]);
  }
  TN_DEVICE void rows(unsigned* x, const float* slice, bool down, int m, int k, int lane) {
    for (int i = 0; i < 4; ++i) x[i] = one(slice, down, m + lane / 4 + i % 2 * 8, k + lane % 4 + i / 2 * 4);
  }
  TN_DEVICE void columns(unsigned* y, const float* slice, bool down, int n, int k, int lane) {
    for (int i = 0; i < 4; ++i) y[i] = one(slice, down, n + lane / 4 + i / 2 * 8, k + lane % 4 + i % 2 * 4);
  }
};
