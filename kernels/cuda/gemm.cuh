// The contraction with a free index in each operand, as tiles of 64 x 64 in a block of 256 threads: what
// a matrix product is, a batched one, and a convolution whose windows are strides (implicit GEMM). The
// chain over k is that of tn_contract_chain, so the bits are.
//
// m is an index of a and the result only, n one of b and the result only; `o` are the other indices of
// the result, whose strides in it are at `oc`.
template <class S, int N, int M>
TN_DEVICE void tn_gemm(tn_int a, tn_int b, tn_int out, const TnIndices<N>& o, const tn_int* oc,
                       const TnIndices<M>& s, tn_int batches, tn_int depth, tn_int rows, tn_int am,
                       tn_int cm, tn_int cols, tn_int bn, tn_int cn) {
  typedef typename TnOf<S>::Acc T;
  TN_SHARED(T, pa, 16 * 64);
  TN_SHARED(T, pb, 16 * 64);
  const tn_int row_tiles = (rows + 63) / 64, tiles = row_tiles * ((cols + 63) / 64);
  const int t = tn_thread(), tr = t / 16 * 4, tc = t % 16 * 4;
  // Neighbouring threads read neighbouring elements, whichever way an operand lies.
  const bool a_down = M == 0 || s.a[M ? M - 1 : 0] != 1, b_down = M == 0 || s.b[M ? M - 1 : 0] != 1;
  for (tn_int g = tn_block(); g < batches * tiles; g += tn_blocks()) {
    tn_int batch = g / tiles, at_a = 0, at_b = 0, at_c = 0;
    for (int k = N - 1; k >= 0; --k) {
      const tn_int v = batch % o.extent[k];
      batch /= o.extent[k];
      at_a += v * o.a[k];
      at_b += v * o.b[k];
      at_c += v * oc[k];
    }
    const tn_int row = g % row_tiles * 64, col = g % tiles / row_tiles * 64;
    T r[4][4], sum[4][4];
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) r[i][j] = sum[i][j] = (T)0;
    for (tn_int k0 = 0; k0 < depth; k0 += 16) {
      for (int e = t; e < 1024; e += 256) {
        const int ka = a_down ? e / 64 : e % 16, m = a_down ? e % 64 : e / 16;
        const int kb = b_down ? e / 64 : e % 16, n = b_down ? e % 64 : e / 16;
        tn_int xa = at_a + (row + m) * am, xb = at_b + (col + n) * bn, none = 0;
        T va = (T)0, vb = (T)0;
        if (k0 + ka < depth && row + m < rows) {
          tn_locate<M>(s, k0 + ka, xa, none);
          va = tn_get<S>(a, xa);
        }
        if (k0 + kb < depth && col + n < cols) {
          tn_locate<M>(s, k0 + kb, none, xb);
          vb = tn_get<S>(b, xb);
        }
        pa[ka * 64 + m] = va;
        pb[kb * 64 + n] = vb;
      }
      tn_sync();
      const int last = depth - k0 < 16 ? (int)(depth - k0) : 16;  // what is missing stays out of a chain
      for (int k = 0; k < last; ++k) {
        T x[4], y[4];
        for (int i = 0; i < 4; ++i) {
          x[i] = pa[k * 64 + tr + i];
          y[i] = pb[k * 64 + tc + i];
        }
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) r[i][j] = tn_fma(x[i], y[j], r[i][j]);
      }
      tn_sync();
      if ((k0 + 16) % 1024 == 0 || k0 + 16 >= depth)
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) {
            sum[i][j] = k0 < 1024 ? r[i][j] : tn_add(sum[i][j], r[i][j]);
            r[i][j] = (T)0;
          }
    }
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        if (row + tr + i < rows && col + tc + j < cols)
          tn_put<S>(out, at_c + (row + tr + i) * cm + (col + tc + j) * cn, sum[i][j]);
  }
}
