// Contractions with an index that only a has and one that only b has: a matrix product, a batched one,
// and a convolution, whose windows are strides (implicit GEMM). Rows are all indices of a and the result
// alone, columns those of b and the result, so that every tile is full whatever they are made of.
//
//   tn_gemm      the chain over k that docs/semantics.md writes down, so the CPU's bits: tiles of 64 x 64
//   tn_gemm_mma  on tensor cores, for f16, bf16 and (where it was asked for) f32 as tf32: products are
//                exact, their sums are rounded as the hardware does (semantics.md 4, the budget)

// K indices of one kind: extents, and how far each moves in two of the three tensors.
template <int K>
struct TnRange {
  tn_int extent[K ? K : 1], in[K ? K : 1], out[K ? K : 1];
  TN_DEVICE void at(const TnRange& r, tn_int i, tn_int& in, tn_int& out) {
    for (int k = K - 1; k > 0; --k) {
      const tn_int v = i % r.extent[k];
      i /= r.extent[k];
      in += v * r.in[k];
      out += v * r.out[k];
    }
    if (K) {
      in += i * r.in[0];
      out += i * r.out[0];
    }
  }
};

// `order` of an operand. kTnDown: neighbours lie beside each other along its rows (or columns), else
// along k; kTnWide: 16 bytes can be fetched at a time in that direction.
enum { kTnDown = 1, kTnWide = 2 };

template <int R, int C, int N, int M>
struct TnGemm {
  tn_int a, b, out;
  TnRange<R> row;    // in a, in the result
  TnRange<C> col;    // in b, in the result
  TnRange<N> batch;  // in a, in b
  tn_int batch_out[N ? N : 1];
  TnRange<M> sum;    // in a, in b
  tn_int batches, rows, cols, depth, a_order, b_order;
};

// Where tile number g begins, and where its rows and columns lie: known to all threads behind a barrier.
template <int T>
struct TnTile {
  tn_int* in;
  tn_int* out;
  template <int K>
  TN_DEVICE void locate(const TnTile& tile, const TnRange<K>& r, tn_int from, tn_int extent, tn_int in, tn_int out) {
    for (int i = tn_thread(); i < T; i += tn_threads()) {
      tn_int x = in, y = out;
      if (from + i < extent) TnRange<K>::at(r, from + i, x, y);
      tile.in[i] = x;
      tile.out[i] = y;
    }
  }
};
template <int R, int C, int N, int M>
TN_DEVICE void tn_batch_at(const TnGemm<R, C, N, M>& p, tn_int i, tn_int& a, tn_int& b, tn_int& out) {
  for (int k = N - 1; k >= 0; --k) {
    const tn_int v = i % p.batch.extent[k];
    i /= p.batch.extent[k];
    a += v * p.batch.in[k];
    b += v * p.batch.out[k];
    out += v * p.batch_out[k];
  }
}
template <int R, int C, int N, int M>
TN_DEVICE tn_int tn_sum_in_a(const TnGemm<R, C, N, M>& p, tn_int k) {
  tn_int a = 0, b = 0;
  TnRange<M>::at(p.sum, k, a, b);
  return a;
}
template <int R, int C, int N, int M>
TN_DEVICE tn_int tn_sum_in_b(const TnGemm<R, C, N, M>& p, tn_int k) {
  tn_int a = 0, b = 0;
  TnRange<M>::at(p.sum, k, a, b);
  return b;
}

// W neighbours in a row of the result, the columns at `places`, `left` of which there are: one access where they
// lie beside each other and are aligned for it.
template <class S, int W, class T>
TN_DEVICE void tn_put_row(tn_int out, tn_int line, const tn_int* places, tn_int left, const T* v) {
  bool beside = left >= W;
  for (int u = 1; u < W; ++u) beside = beside && places[u] == places[0] + u;
  const tn_int at = out + (line + places[0]) * (tn_int)sizeof(S);
  if (beside && at % (tn_int)(W * sizeof(S)) == 0) {
    TnWide<S, W> w;
    for (int u = 0; u < W; ++u) w.v[u] = TnOf<S>::put(v[u]);
    *tn_address<TnWide<S, W>>(at, 0) = w;
  } else {
    for (int u = 0; u < W; ++u)
      if (u < left) tn_put<S>(out, line + places[u], v[u]);
  }
}

template <class S, int R, int C, int N, int M>
TN_DEVICE void tn_gemm(const TnGemm<R, C, N, M>& p) {
  typedef typename TnOf<S>::Acc T;
  TN_SHARED(T, pa, 16 * 68);
  TN_SHARED(T, pb, 16 * 68);
  TN_SHARED(tn_int, places, 4 * 64);
  const TnTile<64> down{places, places + 64}, across{places + 128, places + 192};
  const tn_int row_tiles = (p.rows + 63) / 64, tiles = row_tiles * ((p.cols + 63) / 64);
  const int t = tn_thread(), tr = t / 16 * 4, tc = t % 16 * 4;
  // Neighbouring threads read neighbouring elements, whichever way an operand lies.
  const bool a_down = p.a_order & kTnDown, b_down = p.b_order & kTnDown;
  for (tn_int g = tn_block(); g < p.batches * tiles; g += tn_blocks()) {
    tn_int at_a = 0, at_b = 0, at_c = 0;
    tn_batch_at(p, g / tiles, at_a, at_b, at_c);
    const tn_int row = g % row_tiles * 64, col = g % tiles / row_tiles * 64;
    TnTile<64>::locate(down, p.row, row, p.rows, at_a, at_c);
    TnTile<64>::locate(across, p.col, col, p.cols, at_b, 0);
    tn_sync();
    T r[4][4], sum[4][4];
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) r[i][j] = sum[i][j] = (T)0;
    for (tn_int k0 = 0; k0 < p.depth; k0 += 16) {
      for (int e = t; e < 1024; e += 256) {
        const int ka = a_down ? e / 64 : e % 16, m = a_down ? e % 64 : e / 16;
        const int kb = b_down ? e / 64 : e % 16, n = b_down ? e % 64 : e / 16;
        T va = (T)0, vb = (T)0;
        if (k0 + ka < p.depth && row + m < p.rows) va = tn_get<S>(p.a, down.in[m] + tn_sum_in_a(p, k0 + ka));
        if (k0 + kb < p.depth && col + n < p.cols) vb = tn_get<S>(p.b, across.in[n] + tn_sum_in_b(p, k0 + kb));
        pa[ka * 68 + m] = va;
        pb[kb * 68 + n] = vb;
      }
      tn_sync();
      const int last = p.depth - k0 < 16 ? (int)(p.depth - k0) : 16;  // what is missing stays out of a chain
      for (int k = 0; k < last; ++k) {
        T x[4], y[4];
        for (int i = 0; i < 4; ++i) {
          x[i] = pa[k * 68 + tr + i];
          y[i] = pb[k * 68 + tc + i];
        }
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) r[i][j] = tn_fma(x[i], y[j], r[i][j]);
      }
      tn_sync();
      if ((k0 + 16) % 1024 == 0 || k0 + 16 >= p.depth)
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) {
            sum[i][j] = k0 < 1024 ? r[i][j] : tn_add(sum[i][j], r[i][j]);
            r[i][j] = (T)0;
          }
    }
    constexpr int beside = sizeof(S) <= 4 ? 4 : 2;  // 16 bytes
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; j += beside)
        if (row + tr + i < p.rows)
          tn_put_row<S, beside>(p.out, down.out[tr + i], across.out + tc + j, p.cols - col - tc - j, sum[i] + j);
    tn_sync();  // before the places change
  }
}

// ---- tensor cores: a block of 128 threads makes a tile of 64 x 64, each warp 32 x 32 of it. While the
// products of one slice of k are made, the next is on its way (cp.async).

// One slice of an operand for a tile, from the rows (or columns) at `places`, `left` of which there are.
template <class S, class At>
TN_DEVICE void tn_fetch(S* slice, tn_int x, tn_int order, const tn_int* places, tn_int left, tn_int k0,
                        tn_int depth, At at) {
  typedef TnSlice<S> L;
  const bool down = order & kTnDown;
  if (order & kTnWide) {
    const int each = down ? 64 / L::wide : L::depth / L::wide;  // pieces of 16 bytes a line
    for (int e = tn_thread(); e < 64 * L::depth / L::wide; e += tn_threads()) {
      const int k = down ? e / each : e % each * L::wide, m = down ? e % each * L::wide : e / each;
      const bool there = m < left && k0 + k < depth;
      tn_copy_async(slice + (down ? k * L::by_k + m : m * L::by_row + k), x,
                    there ? places[m] + at(k0 + k) : 0, there);
    }
    return;
  }
  for (int e = tn_thread(); e < 64 * L::depth; e += tn_threads()) {
    const int k = down ? e / 64 : e % L::depth, m = down ? e % 64 : e / L::depth;
    S v = S();
    if (m < left && k0 + k < depth) v = tn_load<S>(x, places[m] + at(k0 + k));
    slice[down ? k * L::by_k + m : m * L::by_row + k] = v;
  }
}

template <class S, int R, int C, int N, int M>
TN_DEVICE void tn_gemm_mma(const TnGemm<R, C, N, M>& p) {
  typedef TnSlice<S> L;
  TN_SHARED(S, sa, 2 * L::size);
  TN_SHARED(S, sb, 2 * L::size);
  TN_SHARED(tn_int, places, 4 * 64);
  const TnTile<64> down{places, places + 64}, across{places + 128, places + 192};
  const tn_int row_tiles = (p.rows + 63) / 64, tiles = row_tiles * ((p.cols + 63) / 64);
  const int warp = tn_thread() / 32, lane = tn_lane(), wm = warp / 2 * 32, wn = warp % 2 * 32;
  const bool a_down = p.a_order & kTnDown, b_down = p.b_order & kTnDown;
  for (tn_int g = tn_block(); g < p.batches * tiles; g += tn_blocks()) {
    tn_int at_a = 0, at_b = 0, at_c = 0;
    tn_batch_at(p, g / tiles, at_a, at_b, at_c);
    const tn_int row = g % row_tiles * 64, col = g % tiles / row_tiles * 64;
    TnTile<64>::locate(down, p.row, row, p.rows, at_a, at_c);
    TnTile<64>::locate(across, p.col, col, p.cols, at_b, 0);
    tn_sync();
    float sum[2][4][4];
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 4; ++j)
        for (int v = 0; v < 4; ++v) sum[i][j][v] = 0.0f;
    auto fetch = [&](int half, tn_int k0) {
      tn_fetch(sa + half * L::size, p.a, p.a_order, down.in, p.rows - row, k0, p.depth,
               [&](tn_int k) { return tn_sum_in_a(p, k); });
      tn_fetch(sb + half * L::size, p.b, p.b_order, across.in, p.cols - col, k0, p.depth,
               [&](tn_int k) { return tn_sum_in_b(p, k); });
      tn_copies_sent();
    };
    fetch(0, 0);
    int half = 0;
    for (tn_int k0 = 0; k0 < p.depth; k0 += L::depth, half ^= 1) {
      if (k0 + L::depth < p.depth) {
        fetch(half ^ 1, k0 + L::depth);
        tn_copies_but<1>();
      } else {
        tn_copies_but<0>();
      }
      tn_sync();
      const S* const pa = sa + half * L::size;
      const S* const pb = sb + half * L::size;
      for (int k = 0; k < L::depth; k += TnMma<S>::depth) {
        unsigned x[2][4], y[2][4];
        for (int i = 0; i < 2; ++i) TnMma<S>::rows(x[i], pa, a_down, wm + 16 * i, k, lane);
        for (int j = 0; j < 2; ++j) TnMma<S>::columns(y[j], pb, b_down, wn + 16 * j, k, lane);
        for (int i = 0; i < 2; ++i)
          for (int j = 0; j < 4; ++j) tn_mma(sum[i][j], x[i], y[j / 2] + j % 2 * 2, S());
      }
      tn_sync();
    }
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 4; ++j)
        for (int v = 0; v < 4; v += 2) {
          const int m = wm + 16 * i + lane / 4 + v / 2 * 8, n = wn + 8 * j + lane % 4 * 2;
          if (row + m < p.rows) tn_put_row<S, 2>(p.out, down.out[m], across.out + n, p.cols - col - n, sum[i][j] + v);
        }
    tn_sync();
  }
}
