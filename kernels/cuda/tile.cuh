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

// Of a product while its tile is made: slices of the operands, and where their rows and columns lie.
template <class T>
struct TnSlices {
  static const int depth = sizeof(T) == 8 ? 8 : 16, line = 68, places = 4 * 64;
  T* a;
  T* b;
  tn_int* at;
};
// What threads hand each other of a tile: 64 lines.
enum { kTnLine = 65 };

template <class S, int R, int C, int N, int M>
TN_DEVICE void tn_tile_product(const TnGemm<R, C, N, M>& p, tn_int slab, tn_int row, tn_int column,
                               const TnSlices<typename TnOf<S>::Acc>& s, typename TnOf<S>::Acc (&x)[4][4]) {
  typedef typename TnOf<S>::Acc T;
  const int deep = TnSlices<T>::depth, line = TnSlices<T>::line;
  const TnTile<64> down{s.at, s.at + 64}, across{s.at + 128, s.at + 192};
  const int t = tn_thread(), tr = t / 16 * 4, tc = t % 16 * 4;
  tn_int at_a = 0, at_b = 0, none = 0;
  tn_batch_at(p, slab, at_a, at_b, none);
  TnTile<64>::locate(down, p.row, row, p.rows, at_a, 0);
  TnTile<64>::locate(across, p.col, column, p.cols, at_b, 0);
  tn_sync();
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
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) r[i][j] = tn_fma(s.a[k * line + tr + i], s.b[k * line + tc + j], r[i][j]);
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

// The elements of a tile: only those that are there are visited.
template <int P, class T, class Products, class Row, class Element, class Visit>
TN_DEVICE void tn_tile_elements(tn_int slab, tn_int row, tn_int column, tn_int rows, tn_int columns,
                                const TnSlices<T>& s, Products products, Row of_row, Element element, Visit visit) {
  const int t = tn_thread(), tr = t / 16 * 4, tc = t % 16 * 4;
  T x[P][4][4];
  products(slab, row, column, s, x);
  for (int i = 0; i < 4; ++i) {
    if (row + tr + i >= rows) continue;
    of_row(slab * rows + row + tr + i);
    for (int j = 0; j < 4; ++j) {
      if (column + tc + j >= columns) continue;
      T v[P];
      for (int k = 0; k < P; ++k) v[k] = x[k][i][j];
      visit(i, j, element(column + tc + j, v));
    }
  }
}

// Folded along its rows: sum_run of each.
template <class K, class S, int P, class Products, class Row, class Element>
TN_DEVICE void tn_tile_reduce(tn_int items, tn_int out, tn_int rows, tn_int columns, Products products, Row of_row,
                              Element element) {
  typedef typename TnOf<S>::Acc T;
  const int size = TnSlices<T>::depth * TnSlices<T>::line;
  TN_SHARED(T, slices, 2 * size);
  TN_SHARED(T, fold, 64 * kTnLine);
  TN_SHARED(tn_int, places, TnSlices<T>::places);
  const TnSlices<T> s{slices, slices + size, places};
  const int t = tn_thread(), tr = t / 16 * 4, tc = t % 16 * 4;
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
        tn_tile_elements<P>(slab, row, column, rows, columns, s, products, of_row, element,
                            [&](int i, int j, T v) { p[i][j] = K::template both<T>(p[i][j], v); });
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) fold[(tr + i) * kTnLine + tc + j] = p[i][j];
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

// An operand of the product p, whose rows are the matrix's rows and which sums over its columns, or (D) the
// other way about. W: by so many times 64 columns of the result at a time.
template <bool D, class S, int P, int W, int R, int C, int N, int M, class Products, class Row, class Element>
TN_DEVICE void tn_tile_times(tn_int items, tn_int rows, tn_int columns, const TnGemm<R, C, N, M>& p, Products products,
                             Row of_row, Element element) {
  typedef typename TnOf<S>::Acc T;
  const int deep = TnSlices<T>::depth, line = TnSlices<T>::line, size = deep * line;
  TN_SHARED(T, slices, 2 * size);
  TN_SHARED(T, tile, 64 * kTnLine);
  TN_SHARED(tn_int, places, TnSlices<T>::places);
  const TnSlices<T> s{slices, slices + size, places};
  const int t = tn_thread(), tr = t / 16 * 4, tc = t % 16 * 4;
  const tn_int kept = D ? columns : rows, summed = D ? rows : columns;
  const tn_int across = (p.cols + 64 * W - 1) / (64 * W), down = (kept + 63) / 64;
  for (tn_int g = tn_block(); g < items; g += tn_blocks()) {
    const tn_int slab = g / (down * across), first = g / across % down * 64, left = g % across * (64 * W);
    tn_int none = 0, at_b = 0, at_out = 0;
    tn_batch_at(p, slab, none, at_b, at_out);
    T r[W][4][4], sum[W][4][4];
    for (int w = 0; w < W; ++w)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) r[w][i][j] = sum[w][i][j] = (T)0;
    for (tn_int next = 0; next < summed; next += 64) {
      tn_tile_elements<P>(slab, D ? next : first, D ? first : next, rows, columns, s, products, of_row, element,
                          [&](int i, int j, T v) { tile[(tr + i) * kTnLine + tc + j] = v; });
      for (int k0 = 0; k0 < 64 && next + k0 < summed; k0 += deep) {
        const int last = summed - next - k0 < deep ? (int)(summed - next - k0) : deep;
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
            for (int i = 0; i < 4; ++i) {
              const T x = tile[D ? (k0 + k) * kTnLine + tr + i : (tr + i) * kTnLine + k0 + k];
              for (int j = 0; j < 4; ++j) r[w][i][j] = tn_fma(x, slices[k * line + tc + j], r[w][i][j]);
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
    for (int i = 0; i < 4; ++i) {
      if (first + tr + i >= kept) continue;
      tn_int unused = 0, line_at = at_out;
      TnRange<R>::at(p.row, first + tr + i, unused, line_at);
      for (int w = 0; w < W; ++w)
        for (int j = 0; j < 4; ++j) {
          const tn_int col = left + 64 * w + tc + j;
          tn_int at = line_at;
          if (col >= p.cols) continue;
          TnRange<C>::at(p.col, col, unused, at);
          tn_put<S>(p.out, at, sum[w][i][j]);
        }
    }
  }
}
