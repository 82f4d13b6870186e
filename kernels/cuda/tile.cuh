// Matrices that are made by tiles and never lie in memory (jit/plan/tile.h): a block makes 64 x 64 elements
// of slab after slab's rows and columns from products of vectors, each thread 4 x 4 of them; what is made of
// them further, the printed kernel says:
//
//   products(slab, row, column, x)   the products' elements from there on, x[which][4][4]
//   row(r)                           before elements of row r, numbered over all slabs
//   element(column, x)               an element
//
// Then they are folded along the rows, or are an operand of a product themselves. Orders are those of
// docs/semantics.md: a thread holds 16 of the 64 partials of 4 rows, and chains go over the depth in order.

// Products of f16 and bf16 run on tensor cores where those of gemm.cuh would, and are then rounded as they
// do (docs/semantics.md 4); all else has the chain's bits.

// Of a product while its tile is made: slices of the operands, and where their rows and columns lie.
template <class T>
struct TnSlices {
  static const int depth = sizeof(T) == 8 ? 8 : 16, line = 68, places = 4 * 64;
  T* a;
  T* b;
  tn_int* at;
};
// A slice's place for elements stored as S, which tensor cores take as they are.
template <class S>
struct TnSliceRoom {
  typedef typename TnOf<S>::Acc T;
  static const int chain = TnSlices<T>::depth * TnSlices<T>::line, cores = TnSlice<S>::size / 2;  // 2 of 16 bits in a T
  static const int size = sizeof(S) == 2 && cores > chain ? cores : chain;
};
// What threads hand each other of a tile: 64 lines; of those that tensor cores read, too.
enum { kTnLine = 65, kTnCoreLine = 72 };

// Which 16 of a tile's elements a thread has: 4 rows and 4 columns beside each other; or those of its
// fragments, for two warps beside each other and four below.
template <class S>
struct TnSpots {
  static const int rows = 4, columns = 4;
  TN_DEVICE int row(int i) { return tn_thread() / 16 * 4 + i; }
  TN_DEVICE int column(int j) { return tn_thread() % 16 * 4 + j; }
  template <class T>
  TN_DEVICE T& of(T (&x)[4][4], int i, int j) {
    return x[i][j];
  }
};
struct TnFragmentSpots {
  static const int rows = 2, columns = 8;
  TN_DEVICE int row(int i) { return tn_thread() / 64 * 16 + tn_lane() / 4 + 8 * i; }
  TN_DEVICE int column(int j) { return tn_thread() / 32 % 2 * 32 + j / 2 * 8 + tn_lane() % 4 * 2 + j % 2; }
  template <class T>
  TN_DEVICE T& of(T (&x)[4][4], int i, int j) {
    return x[j / 2][2 * i + j % 2];
  }
};
template <>
struct TnSpots<TnF16> : TnFragmentSpots {};
template <>
struct TnSpots<TnBf16> : TnFragmentSpots {};

#if defined(TN_SIM) || __CUDA_ARCH__ >= 800
enum { kTnCores = 1, kTnWorthCores = 16 };  // as kWorthTensorCores of jit/cuda/nodes.cpp
#else
enum { kTnCores = 0, kTnWorthCores = 16 };
#endif
template <class S>
TN_DEVICE bool tn_on_cores(tn_int rows, tn_int columns, tn_int depth) {
  return kTnCores && sizeof(S) == 2 && rows >= kTnWorthCores && columns >= kTnWorthCores && depth >= kTnWorthCores;
}

// As order_of of jit/cuda/nodes.cpp: how an operand lies, with these steps of its lines, batch and sum.
template <class S>
TN_DEVICE int tn_order_of(tn_int data, const tn_int* line, const tn_int* line_extent, int lines, const tn_int* batch,
                          int batches, const tn_int* sum, const tn_int* sum_extent, int sums) {
  const int wide = 16 / sizeof(S);
  const bool along = sums > 0 && sum[sums - 1] == 1, down = !along && lines > 0 && line[lines - 1] == 1;
  if (!along && !down) return kTnDown;
  bool aligned = data % 16 == 0 && (along ? sum_extent[sums - 1] : line_extent[lines - 1]) % wide == 0;
  for (int i = 0; i < lines - !along; ++i) aligned &= line[i] % wide == 0;
  for (int i = 0; i < batches; ++i) aligned &= batch[i] % wide == 0;
  for (int i = 0; i < sums - along; ++i) aligned &= sum[i] % wide == 0;
  return (down ? kTnDown : 0) | (aligned ? kTnWide : 0);
}
template <class S, int R, int C, int N, int M>
TN_DEVICE int tn_order_in_b(const TnGemm<R, C, N, M>& p) {
  return tn_order_of<S>(p.b, p.col.in, p.col.extent, C, p.batch.out, N, p.sum.out, p.sum.extent, M);
}

// 16 of a slice's depth: rows of `x`, and the 32 columns of b that the warp has.
template <class S>
TN_DEVICE void tn_tile_mma(float (&d)[4][4], const unsigned* x, const S* slice, bool down, int k) {
  unsigned y[2][4];
  for (int j = 0; j < 2; ++j) TnMma<S>::columns(y[j], slice, down, tn_thread() / 32 % 2 * 32 + 16 * j, k, tn_lane());
  for (int f = 0; f < 4; ++f) tn_mma(d[f], x, y[f / 2] + f % 2 * 2, S());
}
template <class S, int R, int C, int N, int M>
TN_DEVICE void tn_tile_product_cores(const TnGemm<R, C, N, M>& p, tn_int row, tn_int column, S* a, S* b,
                                     const tn_int* down, const tn_int* across, float (&x)[4][4]) {
  const int a_order = tn_order_of<S>(p.a, p.row.in, p.row.extent, R, p.batch.in, N, p.sum.in, p.sum.extent, M);
  const int b_order = tn_order_in_b<S>(p);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) x[i][j] = 0.0f;
  for (tn_int k0 = 0; k0 < p.depth; k0 += TnSlice<S>::depth) {
    tn_fetch(a, p.a, a_order, down, p.rows - row, k0, p.depth, [&](tn_int k) { return tn_sum_in_a(p, k); });
    tn_fetch(b, p.b, b_order, across, p.cols - column, k0, p.depth, [&](tn_int k) { return tn_sum_in_b(p, k); });
    tn_copies_sent();
    tn_copies_but<0>();
    tn_sync();  // the slices are there
    for (int k = 0; k < TnSlice<S>::depth; k += 16) {
      unsigned r[4];
      TnMma<S>::rows(r, a, a_order & kTnDown, tn_thread() / 64 * 16, k, tn_lane());
      tn_tile_mma(x, r, b, b_order & kTnDown, k);
    }
    tn_sync();
  }
}

template <class S, int R, int C, int N, int M>
TN_DEVICE void tn_tile_product(const TnGemm<R, C, N, M>& p, tn_int slab, tn_int row, tn_int column,
                               const TnSlices<typename TnOf<S>::Acc>& s, typename TnOf<S>::Acc (&x)[4][4]) {
  typedef typename TnOf<S>::Acc T;
  const int deep = TnSlices<T>::depth, line = TnSlices<T>::line;
  const TnTile<64> down{s.at, s.at + 64}, across{s.at + 128, s.at + 192};
  typedef TnSpots<S> At;
  const int t = tn_thread();
  tn_int at_a = 0, at_b = 0, none = 0;
  tn_batch_at(p, slab, at_a, at_b, none);
  TnTile<64>::locate(down, p.row, row, p.rows, at_a, 0);
  TnTile<64>::locate(across, p.col, column, p.cols, at_b, 0);
  tn_sync();
  if constexpr (sizeof(S) == 2) {
    if (tn_on_cores<S>(p.rows, p.cols, p.depth)) {
      tn_tile_product_cores(p, row, column, (S*)s.a, (S*)s.b, down.in, across.in, x);
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) x[i][j] = TnOf<S>::get(TnOf<S>::put(x[i][j]));
      return;
    }
  }
  T r[4][4];
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) r[i][j] = x[i][j] = (T)0;
  for (tn_int k0 = 0; k0 < p.depth; k0 += deep) {
    for (int e = t; e < 64 * deep; e += 256) {
      const int k = e % deep, m = e / deep;
      T va = (T)0, vb = (T)0;
      if (k0 + k < p.depth && row + m < p.rows) va = tn_get<S>(p.a, down.in[m] + tn_sum_in_a(p, k0 + k));
      if (k0 + k < p.depth && column + m < p.cols) vb = tn_get<S>(p.b, across.in[m] + tn_sum_in_b(p, k0 + k));
      s.a[k * line + m] = va;
      s.b[k * line + m] = vb;
    }
    tn_sync();
    const int last = p.depth - k0 < deep ? (int)(p.depth - k0) : deep;
    for (int k = 0; k < last; ++k)
      for (int i = 0; i < At::rows; ++i)
        for (int j = 0; j < At::columns; ++j)
          At::of(r, i, j) = tn_fma(s.a[k * line + At::row(i)], s.b[k * line + At::column(j)], At::of(r, i, j));
    tn_sync();
    if ((k0 + deep) % 1024 == 0 || k0 + deep >= p.depth)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
          x[i][j] = k0 < 1024 ? r[i][j] : tn_add(x[i][j], r[i][j]);
          r[i][j] = (T)0;
        }
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) x[i][j] = TnOf<S>::get(TnOf<S>::put(x[i][j]));
}

// The elements of a tile: only those that are there are visited, or (all) the others as zeros.
template <class S, bool all, int P, class Products, class Row, class Element, class Visit>
TN_DEVICE void tn_tile_elements(tn_int slab, tn_int row, tn_int column, tn_int rows, tn_int columns,
                                const TnSlices<typename TnOf<S>::Acc>& s, Products products, Row of_row, Element element,
                                Visit visit) {
  typedef typename TnOf<S>::Acc T;
  typedef TnSpots<S> At;
  T x[P][4][4];
  products(slab, row, column, s, x);
  for (int i = 0; i < At::rows; ++i) {
    const bool there = row + At::row(i) < rows;
    if (!all && !there) continue;
    if (there) of_row(slab * rows + row + At::row(i));
    for (int j = 0; j < At::columns; ++j) {
      if (!there || column + At::column(j) >= columns) {
        if (all) visit(i, j, (T)0);
        continue;
      }
      T v[P];
      for (int k = 0; k < P; ++k) v[k] = At::of(x[k], i, j);
      visit(i, j, element(column + At::column(j), v));
    }
  }
}

// Folded along its rows: sum_run of each.
template <class K, class S, int P, class Products, class Row, class Element>
TN_DEVICE void tn_tile_reduce(tn_int items, tn_int out, tn_int rows, tn_int columns, Products products, Row of_row,
                              Element element) {
  typedef typename TnOf<S>::Acc T;
  typedef TnSpots<S> At;
  const int size = TnSliceRoom<S>::size;
  TN_SHARED(T, slices, 2 * size);
  TN_SHARED(T, fold, 64 * kTnLine);
  TN_SHARED(tn_int, places, TnSlices<T>::places);
  const TnSlices<T> s{slices, slices + size, places};
  const int t = tn_thread();
  const tn_int tiles = (rows + 63) / 64, chunks = (columns + 16383) / 16384;
  for (tn_int g = tn_block(); g < items; g += tn_blocks()) {
    const tn_int slab = g / tiles, row = g % tiles * 64;
    T p[4][4], outer[64], last = K::template first<S>();
    if (chunks > 1)
      for (int i = 0; i < 64; ++i) outer[i] = last;
    for (tn_int chunk = 0; chunk == 0 || chunk < chunks; ++chunk) {
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) p[i][j] = K::template first<S>();
      const tn_int end = (chunk + 1) * 16384 < columns ? (chunk + 1) * 16384 : columns;
      for (tn_int column = chunk * 16384; column < end; column += 64)
        tn_tile_elements<S, false, P>(slab, row, column, rows, columns, s, products, of_row, element,
                            [&](int i, int j, T v) { At::of(p, i, j) = K::template both<T>(At::of(p, i, j), v); });
      for (int i = 0; i < At::rows; ++i)
        for (int j = 0; j < At::columns; ++j) fold[At::row(i) * kTnLine + At::column(j)] = At::of(p, i, j);
      tn_sync();
      if (t < 64) {
        last = tn_alone<K, T>(fold + t * kTnLine);
        if (chunks > 1) outer[chunk % 64] = K::template both<T>(outer[chunk % 64], last);
      }
      tn_sync();
    }
    if (t < 64 && row + t < rows) tn_put<S>(out, slab * rows + row + t, chunks > 1 ? tn_alone<K, T>(outer) : last);
  }
}

// As below, on tensor cores: what `sum` of the columns from `left` on is.
template <bool D, class S, int P, int W, int R, int C, int N, int M, class Products, class Row, class Element>
TN_DEVICE void tn_tile_times_cores(tn_int slab, tn_int first, tn_int left, tn_int rows, tn_int columns,
                                   const TnGemm<R, C, N, M>& p, const TnSlices<float>& s, S* tile, tn_int at_b,
                                   Products products, Row of_row, Element element, float (&sum)[W][4][4]) {
  typedef TnSpots<S> At;
  TN_SHARED(tn_int, across, 128 * W);
  const tn_int summed = D ? rows : columns;
  const int order = tn_order_in_b<S>(p), lane = tn_lane(), wm = tn_thread() / 64 * 16;
  const TnTile<64 * W> places{across, across + 64 * W};
  TnTile<64 * W>::locate(places, p.col, left, p.cols, at_b, 0);  // seen behind the first product's barriers
  for (int w = 0; w < W; ++w)
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) sum[w][i][j] = 0.0f;
  for (tn_int next = 0; next < summed; next += 64) {
    tn_tile_elements<S, true, P>(slab, D ? next : first, D ? first : next, rows, columns, s, products, of_row, element,
                                 [&](int i, int j, float v) { tile[At::row(i) * kTnCoreLine + At::column(j)] = TnOf<S>::put(v); });
    for (int k0 = 0; k0 < 64 && next + k0 < summed; k0 += TnSlice<S>::depth)
      for (int w = 0; w < W; ++w) {
        tn_fetch((S*)s.b, p.b, order, across + 64 * w, p.cols - left - 64 * w, next + k0, summed,
                 [&](tn_int k) { return tn_sum_in_b(p, k); });
        tn_copies_sent();
        tn_copies_but<0>();
        tn_sync();  // both are there
        for (int k = 0; k < TnSlice<S>::depth; k += 16) {
          unsigned r[4];
          if (D) tn_matrices(r, tile + (k0 + k + lane % 8 + lane / 16 * 8) * kTnCoreLine + wm + lane / 8 % 2 * 8, true);
          else tn_matrices(r, tile + (wm + lane % 16) * kTnCoreLine + k0 + k + lane / 16 * 8, false);
          tn_tile_mma(sum[w], r, (S*)s.b, order & kTnDown, k);
        }
        tn_sync();  // before either changes
      }
  }
  tn_sync();
}

// An operand of the product p, whose rows are the matrix's rows and which sums over its columns, or (D) the
// other way about. W: by so many times 64 columns of the result at a time.
template <bool D, class S, int P, int W, int R, int C, int N, int M, class Products, class Row, class Element>
TN_DEVICE void tn_tile_times(tn_int items, tn_int rows, tn_int columns, const TnGemm<R, C, N, M>& p, Products products,
                             Row of_row, Element element) {
  typedef typename TnOf<S>::Acc T;
  typedef TnSpots<S> At;
  const int deep = TnSlices<T>::depth, line = TnSlices<T>::line, size = TnSliceRoom<S>::size;
  TN_SHARED(T, slices, 2 * size);
  TN_SHARED(T, tile, 64 * kTnLine);
  TN_SHARED(tn_int, places, TnSlices<T>::places);
  const TnSlices<T> s{slices, slices + size, places};
  const int t = tn_thread();
  const tn_int kept = D ? columns : rows, summed = D ? rows : columns;
  const bool cores = tn_on_cores<S>(kept, p.cols, summed);
  const tn_int across = (p.cols + 64 * W - 1) / (64 * W), down = (kept + 63) / 64;
  for (tn_int g = tn_block(); g < items; g += tn_blocks()) {
    const tn_int slab = g / (down * across), first = g / across % down * 64, left = g % across * (64 * W);
    tn_int none = 0, at_b = 0, at_out = 0;
    tn_batch_at(p, slab, none, at_b, at_out);
    auto store = [&](const T (&v)[W][4][4]) {
      for (int i = 0; i < At::rows; ++i) {
        if (first + At::row(i) >= kept) continue;
        tn_int unused = 0, line_at = at_out;
        TnRange<R>::at(p.row, first + At::row(i), unused, line_at);
        for (int w = 0; w < W; ++w)
          for (int j = 0; j < At::columns; ++j) {
            const tn_int col = left + 64 * w + At::column(j);
            tn_int at = line_at;
            if (col >= p.cols) continue;
            TnRange<C>::at(p.col, col, unused, at);
            tn_put<S>(p.out, at, At::of(v[w], i, j));
          }
      }
    };
    if constexpr (sizeof(S) == 2) {
      if (cores) {
        T sum[W][4][4];
        tn_tile_times_cores<D, S, P, W>(slab, first, left, rows, columns, p, s, (S*)tile, at_b, products, of_row, element, sum);
        store(sum);
        continue;
      }
    }
    T r[W][4][4], sum[W][4][4];
    for (int w = 0; w < W; ++w)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) r[w][i][j] = sum[w][i][j] = (T)0;
    for (tn_int next = 0; next < summed; next += 64) {
      tn_tile_elements<S, false, P>(slab, D ? next : first, D ? first : next, rows, columns, s, products, of_row, element,
                          [&](int i, int j, T v) { tile[At::row(i) * kTnLine + At::column(j)] = v; });
      for (int k0 = 0; k0 < 64 && next + k0 < summed; k0 += deep) {
        const int last = summed - next - k0 < deep ? (int)(summed - next - k0) : deep;
#pragma unroll (sizeof(S) == 2 ? 1 : W)  // small ones, which need no speed but few registers
        for (int w = 0; w < W; ++w) {
          for (int e = t; e < 64 * deep; e += 256) {
            const tn_int k = next + k0 + e / 64, col = left + 64 * w + e % 64;
            T v = (T)0;
            if (k < summed && col < p.cols) {
              tn_int at = at_b, unused = 0;
              TnRange<C>::at(p.col, col, at, unused);
              v = tn_get<S>(p.b, at + tn_sum_in_b(p, k));
            }
            slices[e / 64 * line + e % 64] = v;
          }
          tn_sync();  // the tile is there, too
          for (int k = 0; k < last; ++k)
            for (int i = 0; i < At::rows; ++i) {
              const T x = tile[D ? (k0 + k) * kTnLine + At::row(i) : At::row(i) * kTnLine + k0 + k];
              for (int j = 0; j < At::columns; ++j)
                At::of(r[w], i, j) = tn_fma(x, slices[k * line + At::column(j)], At::of(r[w], i, j));
            }
          tn_sync();
        }
      }
      if ((next + 64) % 1024 == 0 || next + 64 >= summed)
        for (int w = 0; w < W; ++w)
          for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) {
              sum[w][i][j] = next < 1024 ? r[w][i][j] : tn_add(sum[w][i][j], r[w][i][j]);
              r[w][i][j] = (T)0;
            }
    }
    store(sum);
  }
}
