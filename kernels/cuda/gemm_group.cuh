// Matrix products on warpgroups (sm_90a), for f16 and bf16: a block of 384 threads makes tiles of 128 x N.
// One thread fetches slices of 64 of k by TMA into a ring of four places; two warpgroups multiply 64 rows
// each out of it, two slices at most under way, and give a place back when they have read it. Tails are
// zeros that TMA brings, and are not stored. Sums are rounded as on other tensor cores (semantics.md 4).
struct TnGroupGemm {
  tn_int out, rows, cols, depth, inner, outer;           // inner * outer products
  tn_int row_step, col_step, inner_step, outer_step;     // of the result
  tn_int pairs;                                          // two neighbours of a row are 4 aligned bytes
};
struct TnGroupTile {
  int row, col, inner, outer;
};
// Tiles that are made at the same time lie near each other, so that they share operands in L2: down 16 tiles
// of rows, then the next columns.
TN_DEVICE TnGroupTile tn_group_tile(const TnGroupGemm& p, int columns, tn_int g) {
  const tn_int down = (p.rows + 127) / 128, across = (p.cols + columns - 1) / columns, batch = g / (down * across);
  g %= down * across;
  const tn_int band = g / (16 * across), height = down - 16 * band < 16 ? down - 16 * band : 16;
  g -= band * 16 * across;
  return {(int)(16 * band + g % height) * 128, (int)(g / height) * columns, (int)(batch % p.inner), (int)(batch / p.inner)};
}

template <class S, int N, int kind>
TN_DEVICE void tn_gemm_group(const TnMap& a, const TnMap& b, const TnGroupGemm& p) {
  enum { stages = 4, a_bytes = 128 * 128, bytes = a_bytes + N * 128, box = 8192 };
  TN_SHARED(TnBarrier, full, stages);
  TN_SHARED(TnBarrier, empty, stages);
  char* const memory = tn_dynamic();
  const int t = tn_thread(), group = t / 128, lane = t % 32, slices = (int)((p.depth + 63) / 64);
  const tn_int tiles = (p.rows + 127) / 128 * ((p.cols + N - 1) / N) * p.inner * p.outer;
  if (t == 0) {
    for (int s = 0; s < stages; ++s) {
      tn_barrier_init(full + s, 1);
      tn_barrier_init(empty + s, 8);  // warps
    }
    tn_barriers_shown();
  }
  tn_sync();
  int it = 0;  // slices so far
  if (group == 0) {
    tn_registers_less<40>();
    if (t != 0) return;
    for (tn_int g = tn_block(); g < tiles; g += tn_blocks()) {
      const TnGroupTile at = tn_group_tile(p, N, g);
      for (int k = 0; k < slices; ++k, ++it) {
        TnBarrier* const there = full + it % stages;
        char* const to = memory + it % stages * bytes;
        tn_barrier_wait(empty + it % stages, it / stages % 2 ^ 1);
        tn_barrier_expect(there, bytes);
        if (kind & kTnADown)
          for (int i = 0; i < 2; ++i) tn_fetch_box(to + i * box, a, there, at.row + 64 * i, 64 * k, at.inner, at.outer);
        else tn_fetch_box(to, a, there, 64 * k, at.row, at.inner, at.outer);
        if (kind & kTnBDown)
          for (int i = 0; i < N / 64; ++i)
            tn_fetch_box(to + a_bytes + i * box, b, there, at.col + 64 * i, 64 * k, at.inner, at.outer);
        else tn_fetch_box(to + a_bytes, b, there, 64 * k, at.col, at.inner, at.outer);
      }
    }
    return;
  }
  tn_registers_more<232>();
  const int step_a = kind & kTnADown ? 16 * 128 : 32, step_b = kind & kTnBDown ? 16 * 128 : 32;  // 16 of k
  float d[N / 2];
  for (tn_int g = tn_block(); g < tiles; g += tn_blocks()) {
    const TnGroupTile at = tn_group_tile(p, N, g);
    for (int k = 0; k < slices; ++k, ++it) {
      const char* const pa = memory + it % stages * bytes + (group - 1) * box;
      const char* const pb = memory + it % stages * bytes + a_bytes;
      tn_barrier_wait(full + it % stages, it / stages % 2);
      tn_group_fence();
#pragma unroll
      for (int i = 0; i < 4; ++i)
        tn_group_multiply<N, kind>(d, tn_operand(pa + i * step_a, box, 1024), tn_operand(pb + i * step_b, box, 1024), k + i > 0);
      tn_group_sent();
      tn_group_but<1>();  // so the slice before has been read
      if (k > 0 && lane == 0) tn_barrier_arrive(empty + (it + stages - 1) % stages);
    }
    tn_group_but<0>();
    if (lane == 0) tn_barrier_arrive(empty + (it + stages - 1) % stages);
    const tn_int row = at.row + (group - 1) * 64 + t % 128 / 32 * 16 + lane / 4;
    const int col = lane % 4 * 2, left = (int)(p.cols - at.col) - col;  // columns that are there
    const tn_int place = at.inner * p.inner_step + at.outer * p.outer_step + (at.col + col) * p.col_step;
#pragma unroll  // so that d stays in registers
    for (int h = 0; h < 2; ++h) {
      const tn_int line = place + (row + 8 * h) * p.row_step;
      if (row + 8 * h >= p.rows) continue;
#pragma unroll
      for (int c = 0; c < N; c += 8) {
        const unsigned two = tn_two(d[c / 2 + 2 * h], d[c / 2 + 2 * h + 1], S());
        const S x = {(unsigned short)two}, y = {(unsigned short)(two >> 16)};
        if (p.pairs && c + 1 < left) {
          tn_store<unsigned>(p.out + 2 * (line + c), 0, two);
          continue;
        }
        if (c < left) tn_store<S>(p.out, line + c * p.col_step, x);
        if (c + 1 < left) tn_store<S>(p.out, line + (c + 1) * p.col_step, y);
      }
    }
  }
}
