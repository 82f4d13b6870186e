// Depthwise products: what channels.h says, cut into blocks of rows and pairs of vectors of columns. Every
// output is a chain of its own, so no cut is felt by a bit.
#include "kernels/cpu/channels.h"

#include <algorithm>

#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_table.h"

namespace tenon::kernels {
namespace {

constexpr int64_t kRowBlock = 66;    // rows of a task, at most: whole tiles
constexpr int64_t kMostBlocks = 32;  // of depth, whose steps are written down at once
constexpr int64_t kMostPartial = int64_t{16} << 20;  // bytes of results of blocks of depth, side by side
constexpr double kLeastFlops = 3e5;  // of a piece of work

template <class T>
class ChannelProduct {
 public:
  ChannelProduct(const ChannelSpec& s, const TileTable& tiles, Threads& threads)
      : s_(s),
        tiles_(tiles),
        threads_(threads),
        rows_(s.rows_c.count()),
        depth_(s.depth_a.count()),
        width_(2 * tiles.lanes) {
    const int64_t want = 6 * threads.count();
    row_block_ = std::clamp<int64_t>((rows_ + want - 1) / want, kChannelRows, kRowBlock);
    row_blocks_ = (rows_ + row_block_ - 1) / row_block_;
    const int64_t blocks = std::max<int64_t>(1, (depth_ + kChainBlock - 1) / kChainBlock);
    const int64_t bytes = rows_ * s.columns * static_cast<int64_t>(sizeof(T));
    // Few outputs and a long depth: its blocks side by side, added in their order.
    split_ = threads.count() > 1 && blocks >= 4 && row_blocks_ < want && 4 * bytes <= kMostPartial;
    chunk_ = std::min(blocks, split_ ? std::min(kMostBlocks, kMostPartial / bytes) : kMostBlocks);
  }

  void run() {
    const int64_t most = std::min(depth_, chunk_ * kChainBlock);
    int64_t* steps =
        reinterpret_cast<int64_t*>(scratch<15>(static_cast<size_t>(2 * most) * sizeof(int64_t)));
    steps_a_ = steps;
    steps_b_ = steps + most;
    int64_t first = 0;
    do {
      const int64_t depth = std::min(depth_ - first, most);
      s_.depth_a.offsets(first, depth, steps);
      s_.depth_b.offsets(first, depth, steps + most);
      if (split_)
        side_by_side(depth, first > 0);
      else
        each(row_blocks_, 2.0 * static_cast<double>(row_block_ * s_.columns * depth), [&](int64_t i) {
          for (int64_t k = 0; k == 0 || k < depth; k += kChainBlock)
            block(i, k, std::min(depth, k + kChainBlock), nullptr, first + k > 0);
        });
      first += most;
    } while (first < depth_);
  }

 private:
  template <class F>
  void each(int64_t count, double flops, F&& f) {
    const int64_t piece = std::clamp<int64_t>(
        static_cast<int64_t>(kLeastFlops / std::max(1.0, flops)), 1, std::max<int64_t>(1, count));
    threads_.each((count + piece - 1) / piece, [&](int64_t p) {
      for (int64_t i = p * piece; i < std::min(count, (p + 1) * piece); ++i) f(i);
    });
  }

  // One block of rows over depth [k0, k1) of the steps at hand, into the result or, row by row, into
  // `partial`.
  void block(int64_t index, int64_t k0, int64_t k1, T* partial, bool more) const {
    const int64_t i0 = index * row_block_, rows = std::min(row_block_, rows_ - i0);
    int64_t at_a[kRowBlock], at_b[kRowBlock], at_c[kRowBlock];
    s_.rows_a.offsets(i0, rows, at_a);
    s_.rows_b.offsets(i0, rows, at_b);
    if (partial)
      for (int64_t i = 0; i < rows; ++i) at_c[i] = (i0 + i) * s_.columns;
    else
      s_.rows_c.offsets(i0, rows, at_c);
    const T *a = static_cast<const T*>(s_.a), *b = static_cast<const T*>(s_.b);
    T* c = partial ? partial : static_cast<T*>(s_.c);
    const int64_t L = tiles_.lanes;
    for (int64_t i = 0; i < rows;) {
      int64_t run = 1;  // of rows that share b
      while (run < kChannelRows && i + run < rows && at_b[i + run] == at_b[i]) ++run;
      // All columns of few rows, since those lie side by side.
      for (int64_t j = 0; j < s_.columns; j += width_) {
        const int64_t columns = std::min(width_, s_.columns - j), vectors = (columns + L - 1) / L;
        const int last = static_cast<int>(columns - (vectors - 1) * L);
        tiles_.channels[s_.splat][vectors][run](a + j, at_a + i, steps_a_ + k0,
                                                b + at_b[i] + (s_.splat ? 0 : j), steps_b_ + k0,
                                                c + j, at_c + i, k1 - k0, last, more);
      }
      i += run;
    }
  }

  void side_by_side(int64_t depth, bool more) {
    const int64_t blocks = (depth + kChainBlock - 1) / kChainBlock, cells = rows_ * s_.columns;
    T* partial = reinterpret_cast<T*>(scratch<16>(static_cast<size_t>(blocks * cells) * sizeof(T)));
    threads_.each(blocks * row_blocks_, [&](int64_t t) {
      const int64_t n = t / row_blocks_, k0 = n * kChainBlock;
      block(t % row_blocks_, k0, std::min(depth, k0 + kChainBlock), partial + n * cells, false);
    });
    each(rows_, static_cast<double>(blocks * s_.columns), [&](int64_t row) {
      int64_t at = 0;
      s_.rows_c.offsets(row, 1, &at);
      T* to = static_cast<T*>(s_.c) + at;
      for (int64_t n = 0; n < blocks; ++n) {
        const T* from = partial + n * cells + row * s_.columns;
        for (int64_t j = 0; j < s_.columns; ++j) to[j] = n > 0 || more ? to[j] + from[j] : from[j];
      }
    });
  }

  const ChannelSpec& s_;
  const TileTable& tiles_;
  Threads& threads_;
  int64_t rows_, depth_, width_, row_block_, row_blocks_, chunk_;
  bool split_;
  const int64_t *steps_a_ = nullptr, *steps_b_ = nullptr;  // of the depth at hand
};

}  // namespace

void channel_product(DType t, const ChannelSpec& spec, Threads& threads) {
  if (t == DType::f64)
    ChannelProduct<double>(spec, tile_table(t), threads).run();
  else
    ChannelProduct<float>(spec, tile_table(t), threads).run();
}

}  // namespace tenon::kernels
