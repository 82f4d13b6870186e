// Moving elements: strided copies, fills, positions, and the stable sort. Instantiated by
// jit/cuda/nodes.cpp, which also says over how many threads.

// A tensor: the address of its first element, extents and strides in elements.
template <int R>
struct TnView {
  tn_int data;
  tn_int shape[R ? R : 1], stride[R ? R : 1];
  // Where element `i` in row-major order lies.
  TN_DEVICE tn_int place(const TnView& v, tn_int i) {
    tn_int at = 0;
    for (int a = R - 1; a > 0; --a) {
      at += i % v.shape[a] * v.stride[a];
      i /= v.shape[a];
    }
    return R ? at + i * v.stride[0] : 0;
  }
};

template <class S, int R>
TN_DEVICE void tn_copy(const TnView<R>& x, const TnView<R>& out, tn_int n) {
  for (tn_int i = tn_block() * tn_threads() + tn_thread(); i < n; i += tn_blocks() * tn_threads())
    tn_store<S>(out.data, TnView<R>::place(out, i), tn_load<S>(x.data, TnView<R>::place(x, i)));
}

// A copy that turns the last two axes: along the one neighbours lie beside each other in x, along the other
// in the result. A block moves 32 x 32 through shared memory, whose lines are a bank longer than that.
template <class S, int R>
TN_DEVICE void tn_transpose(const TnView<R>& x, const TnView<R>& out, tn_int items) {
  TN_SHARED(S, tile, 32 * 33);
  const tn_int rows = x.shape[R - 2], columns = x.shape[R - 1], across = (columns + 31) / 32, tiles = (rows + 31) / 32 * across;
  for (tn_int g = tn_block(); g < items; g += tn_blocks()) {
    const tn_int row = g % tiles / across * 32, column = g % across * 32;
    tn_int from = x.data, to = out.data, rest = g / tiles;
    for (int a = R - 3; a >= 0; --a) {
      from += rest % x.shape[a] * x.stride[a] * (tn_int)sizeof(S);
      to += rest % x.shape[a] * out.stride[a] * (tn_int)sizeof(S);
      rest /= x.shape[a];
    }
    for (int e = tn_thread(); e < 1024; e += tn_threads()) {
      const int i = e % 32, j = e / 32;
      if (row + i < rows && column + j < columns)
        tile[j * 33 + i] = tn_load<S>(from, (row + i) * x.stride[R - 2] + (column + j) * x.stride[R - 1]);
    }
    tn_sync();
    for (int e = tn_thread(); e < 1024; e += tn_threads()) {
      const int i = e / 32, j = e % 32;
      if (row + i < rows && column + j < columns)
        tn_store<S>(to, (row + i) * out.stride[R - 2] + (column + j) * out.stride[R - 1], tile[j * 33 + i]);
    }
    tn_sync();
  }
}

template <class S>
TN_DEVICE void tn_fill(tn_int out, tn_int n, tn_int bits) {
  for (tn_int i = tn_block() * tn_threads() + tn_thread(); i < n; i += tn_blocks() * tn_threads())
    tn_store<S>(out, i, (S)bits);
}

// out[..] = the position along one axis of `extent`, behind which `inner` elements lie.
template <class S>
TN_DEVICE void tn_iota(tn_int out, tn_int n, tn_int inner, tn_int extent) {
  for (tn_int i = tn_block() * tn_threads() + tn_thread(); i < n; i += tn_blocks() * tn_threads())
    tn_put<S>(out, i, (typename TnOf<S>::Acc)(i / inner % extent));
}

// ---- sort: rows of n values, merged in passes of doubled width. Each element finds its place by a
// binary search in the sibling run; equal ones keep their order (left before right). NaN comes last.
template <class T>
TN_DEVICE bool tn_before(T a, T b) {
  return a < b || (b != b && a == a);
}
// Pass 0: keys from the strided x, positions counted up.
template <class S, int R>
TN_DEVICE void tn_sort_begin(const TnView<R>& x, tn_int keys, tn_int at, tn_int n, tn_int total) {
  for (tn_int i = tn_block() * tn_threads() + tn_thread(); i < total; i += tn_blocks() * tn_threads()) {
    tn_store<S>(keys, i, tn_load<S>(x.data, TnView<R>::place(x, i)));
    tn_store<tn_int>(at, i, i % n);
  }
}
template <class S>
TN_DEVICE void tn_sort_merge(tn_int keys, tn_int at, tn_int to_keys, tn_int to_at, tn_int n,
                             tn_int width, tn_int total) {
  typedef typename TnOf<S>::Acc T;
  for (tn_int g = tn_block() * tn_threads() + tn_thread(); g < total; g += tn_blocks() * tn_threads()) {
    const tn_int row = g / n * n, i = g - row, pair = i / (2 * width) * (2 * width);
    const bool left = i < pair + width;
    const tn_int from = left ? pair + width : pair;  // the sibling run
    tn_int low = from < n ? from : n, high = from + width < n ? from + width : n;
    const tn_int begin = low;
    const T key = tn_get<S>(keys, g);
    while (low < high) {
      const tn_int middle = (low + high) / 2;
      const T other = tn_get<S>(keys, row + middle);
      if (left ? tn_before(other, key) : !tn_before(key, other)) low = middle + 1;
      else high = middle;
    }
    const tn_int place = row + pair + (i - (left ? pair : pair + width)) + (low - begin);
    tn_store<S>(to_keys, place, tn_load<S>(keys, g));
    tn_store<tn_int>(to_at, place, tn_load<tn_int>(at, g));
  }
}
template <class S, int R>
TN_DEVICE void tn_sort_end(tn_int keys, tn_int at, const TnView<R>& values, const TnView<R>& permutation,
                           tn_int total) {
  for (tn_int i = tn_block() * tn_threads() + tn_thread(); i < total; i += tn_blocks() * tn_threads()) {
    tn_store<S>(values.data, TnView<R>::place(values, i), tn_load<S>(keys, i));
    tn_store<tn_int>(permutation.data, TnView<R>::place(permutation, i), tn_load<tn_int>(at, i));
  }
}
