// Reductions, scans and contractions in the orders of docs/semantics.md, so with the bits of the CPU.
// In 64 partials a warp finds its work; chunks give as many warps as there is to do.

// Element i of a line that is the last L axes of x and begins at element `first`, which lies at `place`.
template <int R, int L>
TN_DEVICE tn_int tn_along(const TnView<R>& x, tn_int first, tn_int place, tn_int i) {
  return L == 1 ? place + i * x.stride[R - 1] : TnView<R>::place(x, first + i);
}

// sum_run: the last L axes of x are folded; chunk c of row r goes to out[r * chunks + c].
template <class K, class S, class O, int R, int L>
TN_DEVICE void tn_reduce_run(const TnView<R>& x, tn_int out, tn_int rows, tn_int chunks) {
  typedef typename TnOf<S>::Acc T;
  tn_int n = 1;
  for (int a = R - L; a < R; ++a) n *= x.shape[a];
  for (tn_int g = tn_warp(); g < rows * chunks; g += tn_warps()) {
    const tn_int row = g / chunks, begin = g % chunks * 16384;
    const tn_int end = begin + 16384 < n ? begin + 16384 : n;
    const tn_int place = n > 0 ? TnView<R>::place(x, row * n) : 0;
    T p = K::template first<S>(), q = p;
    for (tn_int i = begin + tn_lane(); i < end; i += 64) {
      p = K::template both<T>(p, tn_get<S>(x.data, tn_along<R, L>(x, row * n, place, i)));
      if (i + 32 < end) q = K::template both<T>(q, tn_get<S>(x.data, tn_along<R, L>(x, row * n, place, i + 32)));
    }
    p = tn_at_once<K, T>(p, q);
    if (tn_lane() == 0) tn_put<O>(out, g, (typename TnOf<O>::Acc)p);
  }
}

// The same by a block for each chunk of a long row.
template <class K, class S, class O, int R, int L>
TN_DEVICE void tn_reduce_long(const TnView<R>& x, tn_int out, tn_int rows, tn_int chunks) {
  typedef typename TnOf<S>::Acc T;
  TN_SHARED(T, held, 2048);
  tn_int n = 1;
  for (int a = R - L; a < R; ++a) n *= x.shape[a];
  for (tn_int g = tn_block(); g < rows * chunks; g += tn_blocks()) {
    const tn_int row = g / chunks, begin = g % chunks * 16384;
    const tn_int end = begin + 16384 < n ? begin + 16384 : n;
    const tn_int place = n > 0 ? TnView<R>::place(x, row * n) : 0;
    T p = K::template first<S>();
    for (tn_int at = begin; at < end; at += 2048) {
      const tn_int to = at + 2048 < end ? at + 2048 : end;
      for (tn_int i = at + tn_thread(); i < to; i += tn_threads())
        held[i - at] = tn_get<S>(x.data, tn_along<R, L>(x, row * n, place, i));
      p = tn_fold_piece<K, T>(held, (int)(to - at), p);
    }
    p = tn_in_block<K, T>(held, p);
    if (tn_thread() == 0) tn_put<O>(out, g, (typename TnOf<O>::Acc)p);
  }
}

// sum_col: x has its kept axes first, then L folded ones; chunk c of element e goes to
// out[c * kept + e]. One thread an element and chunk, as the order is sequential.
template <class K, class S, class O, int R, int L>
TN_DEVICE void tn_reduce_col(const TnView<R>& x, tn_int out, tn_int kept, tn_int chunks) {
  typedef typename TnOf<S>::Acc T;
  tn_int n = 1;
  for (int a = R - L; a < R; ++a) n *= x.shape[a];
  for (tn_int g = tn_block() * tn_threads() + tn_thread(); g < kept * chunks;
       g += tn_blocks() * tn_threads()) {
    const tn_int e = g % kept, begin = g / kept * 256;
    const tn_int end = begin + 256 < n ? begin + 256 : n;
    const tn_int place = n > 0 ? TnView<R>::place(x, e * n) : 0;
    T p = K::template first<S>();
    for (tn_int i = begin; i < end; ++i)
      p = K::template both<T>(p, tn_get<S>(x.data, tn_along<R, L>(x, e * n, place, i)));
    tn_put<O>(out, g, (typename TnOf<O>::Acc)p);
  }
}

// The first winner along the last axis of x; NaN wins.
template <class K, class S, int R>
TN_DEVICE void tn_arg_reduce(const TnView<R>& x, tn_int out, tn_int rows) {
  typedef typename TnOf<S>::Acc T;
  const tn_int n = x.shape[R - 1];
  for (tn_int g = tn_block() * tn_threads() + tn_thread(); g < rows; g += tn_blocks() * tn_threads()) {
    const tn_int place = TnView<R>::place(x, g * n);
    tn_int best = 0;
    T held = tn_get<S>(x.data, place);
    for (tn_int i = 1; i < n && held == held; ++i) {
      const T v = tn_get<S>(x.data, tn_along<R, 1>(x, 0, place, i));
      if (v != held && K::template both<T>(held, v) != held) {
        held = v;
        best = i;
      }
    }
    tn_store<tn_int>(out, g, best);
  }
}
// The same by a warp for each line, whose elements lie beside each other.
template <class K, class T>
TN_DEVICE bool tn_wins(T v, tn_int i, T held, tn_int best) {
  if (v != v || held != held) return v != v && (held == held || i < best);
  return v == held ? i < best : K::template both<T>(held, v) != held;
}
template <class K, class S, int R>
TN_DEVICE void tn_arg_line(const TnView<R>& x, tn_int out, tn_int rows) {
  typedef typename TnOf<S>::Acc T;
  const tn_int n = x.shape[R - 1];
  for (tn_int g = tn_warp(); g < rows; g += tn_warps()) {
    const tn_int place = TnView<R>::place(x, g * n);
    // A lane without elements has the first one, as if it came last.
    tn_int best = tn_lane() < n ? tn_lane() : n;
    T held = tn_get<S>(x.data, place + (best < n ? best : 0));
    for (tn_int i = best + 32; i < n && held == held; i += 32) {
      const T v = tn_get<S>(x.data, place + i);
      if (tn_wins<K, T>(v, i, held, best)) {
        held = v;
        best = i;
      }
    }
    for (int h = 16; h >= 1; h /= 2) {
      const int other = (tn_lane() + h) % 32;
      const T v = tn_from_lane(held, other);
      const tn_int i = tn_from_lane(best, other);
      if (tn_wins<K, T>(v, i, held, best)) {
        held = v;
        best = i;
      }
    }
    if (tn_lane() == 0) tn_store<tn_int>(out, g, best);
  }
}

// Inclusive, sequential along the last axis of both views; `reverse` turns it around.
template <class K, class S, int R>
TN_DEVICE void tn_scan(const TnView<R>& x, const TnView<R>& out, tn_int rows, tn_int reverse) {
  typedef typename TnOf<S>::Acc T;
  const tn_int n = x.shape[R - 1];
  for (tn_int g = tn_block() * tn_threads() + tn_thread(); g < rows; g += tn_blocks() * tn_threads()) {
    const tn_int from = TnView<R>::place(x, g * n), to = TnView<R>::place(out, g * n);
    T p = K::template first<S>();
    for (tn_int k = 0; k < n; ++k) {
      const tn_int i = reverse ? n - 1 - k : k;
      const T v = tn_get<S>(x.data, tn_along<R, 1>(x, 0, from, i));
      p = k == 0 ? v : K::template both<T>(p, v);
      tn_put<S>(out.data, tn_along<R, 1>(out, 0, to, i), p);
    }
  }
}
// The same where a line's elements lie beside each other in both: a warp brings 1024 elements of up to 32 lines into
// shared memory, where a lane goes along each line, and takes them out again. Lines there are one longer, so that
// the lanes are in different banks. A block has 4 warps. `bits`: a line has 2^bits of the 1024.
template <class K, class S, int R>
TN_DEVICE void tn_scan_lines(const TnView<R>& x, const TnView<R>& out, tn_int rows, tn_int reverse, tn_int bits) {
  typedef typename TnOf<S>::Acc T;
  TN_SHARED(T, tiles, 4 * (1024 + 32));
  TN_SHARED(tn_int, places, 4 * 64);
  const int warp = tn_thread() / 32, lane = tn_lane(), wide = 1 << bits, lines = 1024 >> bits;
  T* const tile = tiles + warp * (1024 + 32);
  tn_int* const from = places + warp * 64;
  tn_int* const to = from + 32;
  const tn_int n = x.shape[R - 1];
  for (tn_int g = tn_warp(); g < (rows + lines - 1) / lines; g += tn_warps()) {
    const tn_int first = g * lines;
    const bool mine = lane < lines && first + lane < rows;
    if (mine) {
      from[lane] = TnView<R>::place(x, (first + lane) * n);
      to[lane] = TnView<R>::place(out, (first + lane) * n);
    }
    tn_meet();
    T p = (T)0;
    for (tn_int k0 = 0; k0 < n; k0 += wide) {
      const int width = n - k0 < wide ? (int)(n - k0) : wide;
      const tn_int begin = reverse ? n - k0 - width : k0;
      TN_UNROLL_8
      for (int e = lane; e < 1024; e += 32) {
        const int line = e >> bits, i = e & (wide - 1);
        if (first + line < rows && i < width) tile[line * (wide + 1) + i] = tn_get<S>(x.data, from[line] + begin + i);
      }
      tn_meet();
      if (mine) {
        for (int k = 0; k < width; ++k) {
          T& v = tile[lane * (wide + 1) + (reverse ? width - 1 - k : k)];
          p = k0 + k == 0 ? v : K::template both<T>(p, v);
          v = p;
        }
      }
      tn_meet();
      for (int e = lane; e < 1024; e += 32) {
        const int line = e >> bits, i = e & (wide - 1);
        if (first + line < rows && i < width) tn_put<S>(out.data, to[line] + begin + i, tile[line * (wide + 1) + i]);
      }
    }
    tn_meet();  // before the places change; what a lane has taken out, it alone writes again
  }
}

// A contraction: N indices of the result, then M that are summed, each with its extent and how far it
// moves in a and b.
template <int N>
struct TnIndices {
  tn_int extent[N ? N : 1], a[N ? N : 1], b[N ? N : 1];
};
template <int N>
TN_DEVICE void tn_locate(const TnIndices<N>& x, tn_int i, tn_int& a, tn_int& b) {
  for (int k = N - 1; k >= 0; --k) {
    const tn_int v = i % x.extent[k];
    i /= x.extent[k];
    a += v * x.a[k];
    b += v * x.b[k];
  }
}
// Some index is free: chains of fma in blocks of 1024, whose results are added in their order.
template <class S, int N, int M>
TN_DEVICE void tn_contract_chain(tn_int a, tn_int b, tn_int out, const TnIndices<N>& o,
                                 const TnIndices<M>& s, tn_int elements, tn_int depth) {
  typedef typename TnOf<S>::Acc T;
  for (tn_int g = tn_block() * tn_threads() + tn_thread(); g < elements;
       g += tn_blocks() * tn_threads()) {
    tn_int at_a = 0, at_b = 0;
    tn_locate<N>(o, g, at_a, at_b);
    T result = (T)0;
    for (tn_int begin = 0; begin < depth; begin += 1024) {
      const tn_int end = begin + 1024 < depth ? begin + 1024 : depth;
      T r = (T)0;
      for (tn_int k = begin; k < end; ++k) {
        tn_int ka = at_a, kb = at_b;
        tn_locate<M>(s, k, ka, kb);
        r = tn_fma(tn_get<S>(a, ka), tn_get<S>(b, kb), r);
      }
      result = begin == 0 ? r : tn_add(result, r);
    }
    tn_put<S>(out, g, result);
  }
}
// None is free (a dot product, of rows perhaps): 64 partials of fma; chunk c of row g to
// out[g * chunks + c].
template <class S, class O, int N, int M>
TN_DEVICE void tn_contract_dot(tn_int a, tn_int b, tn_int out, const TnIndices<N>& o,
                               const TnIndices<M>& s, tn_int rows, tn_int depth, tn_int chunks) {
  typedef typename TnOf<S>::Acc T;
  for (tn_int g = tn_warp(); g < rows * chunks; g += tn_warps()) {
    tn_int at_a = 0, at_b = 0;
    tn_locate<N>(o, g / chunks, at_a, at_b);
    const tn_int begin = g % chunks * 16384, end = begin + 16384 < depth ? begin + 16384 : depth;
    T p = (T)0, q = (T)0;
    for (tn_int k = begin + tn_lane(); k < end; k += 32) {
      tn_int ka = at_a, kb = at_b;
      tn_locate<M>(s, k, ka, kb);
      T& r = (k - begin) % 64 < 32 ? p : q;
      r = tn_fma(tn_get<S>(a, ka), tn_get<S>(b, kb), r);
    }
    p = tn_at_once<TnSum, T>(p, q);
    if (tn_lane() == 0) tn_put<O>(out, g, (typename TnOf<O>::Acc)p);
  }
}
