// Products through windows: what window.h says, cut into blocks of rows and panels of columns. Every
// output is a chain of its own, so no cut is felt by a bit.
#include "kernels/cpu/window.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <emmintrin.h>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/packs.h"
#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_table.h"
#include "kernels/cpu/walk.h"

namespace tenon::kernels {

void Axes::offsets(int64_t first, int64_t count, int64_t* to, int64_t gap) const {
  if (n == 0) {
    for (int64_t i = 0; i < count; ++i) to[i * gap] = 0;
    return;
  }
  Walk at(range, strides, n, first);
  const int64_t step = stride();
  for (int64_t done = 0; done < count;) {
    const int64_t here = std::min(count - done, range[n - 1] - at.at(n - 1)), from = at.offset();
    for (int64_t i = 0; i < here; ++i) to[(done + i) * gap] = from + i * step;
    done += here;
    at.skip(here);
  }
}

namespace {

constexpr int64_t kRowBlock = 240;                // rows that one thread takes at once, at most
constexpr int64_t kMostBlocks = 32;               // of depth, between two packings of b
constexpr int64_t kMostPacked = int64_t{32} << 20;   // bytes of b packed at once
constexpr int64_t kMostPartial = int64_t{16} << 20;  // bytes of results of blocks of depth, side by side
constexpr int64_t kKeptRows = 8192;               // so many that packing b costs nothing beside them
constexpr double kLeastFlops = 3e5;               // of a piece of work

bool any_negative_zero(const float* c, int64_t n) {
  __m128i any = _mm_setzero_si128();
  const __m128i zero = _mm_set1_epi32(INT32_MIN);
  int64_t j = 0;
  for (; j + 4 <= n; j += 4)
    any = _mm_or_si128(any, _mm_cmpeq_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(c + j)), zero));
  bool found = _mm_movemask_epi8(any) != 0;
  for (; j < n; ++j) found |= c[j] == 0 && std::signbit(c[j]);
  return found;
}
bool any_negative_zero(const double* c, int64_t n) {
  return std::any_of(c, c + n, [](double x) { return x == 0 && std::signbit(x); });
}

// The exponent of all ones, in no element.
bool all_finite(const float* x, int64_t n) {
  __m128i any = _mm_setzero_si128();
  const __m128i ones = _mm_set1_epi32(0x7f800000);
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
    any = _mm_or_si128(any, _mm_cmpeq_epi32(_mm_and_si128(v, ones), ones));
  }
  bool found = _mm_movemask_epi8(any) != 0;
  for (; i < n; ++i) found |= !std::isfinite(x[i]);
  return !found;
}
bool all_finite(const double* x, int64_t n) {
  return std::all_of(x, x + n, [](double v) { return std::isfinite(v); });
}

template <class T>
bool finite_elements(const WindowSpec& s, Threads& threads) {
  const T* b = static_cast<const T*>(s.b);
  const int64_t count = s.cols_b.count() * s.depth_b.count();
  int64_t span = 1;
  bool forward = true;
  for (const Axes* axes : {&s.cols_b, &s.depth_b})
    for (int i = 0; i < axes->n; ++i) {
      forward &= axes->strides[i] > 0;
      span += (axes->range[i] - 1) * axes->strides[i];
    }
  std::atomic<bool> found{false};
  constexpr int64_t kPiece = 65536;
  if (forward && span == count) {
    threads.each((count + kPiece - 1) / kPiece, [&](int64_t i) {
      if (!all_finite(b + i * kPiece, std::min(kPiece, count - i * kPiece)))
        found.store(true, std::memory_order_relaxed);
    });
    return !found;
  }
  const int64_t cols = s.cols_b.count(), rows = s.depth_b.count();
  std::vector<int64_t> column(static_cast<size_t>(cols));
  s.cols_b.offsets(0, cols, column.data());
  const int64_t each = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, cols));
  threads.each((rows + each - 1) / each, [&](int64_t piece) {
    for (int64_t k = piece * each; k < std::min(rows, (piece + 1) * each); ++k) {
      int64_t at = 0;
      s.depth_b.offsets(k, 1, &at);
      for (int64_t c : column)
        if (!std::isfinite(b[at + c])) found.store(true, std::memory_order_relaxed);
    }
  });
  return !found;
}

template <class T>
class WindowProduct {
 public:
  WindowProduct(const WindowSpec& s, const TileTable& tiles, Threads& threads)
      : s_(s),
        tiles_(tiles),
        threads_(threads),
        batch_(s.batch_c.count()),
        rows_(s.rows_a.count()),
        cols_(s.cols_b.count()),
        depth_(s.depth_a.count()),
        lanes_(tiles.lanes) {
    const int64_t vectors = (cols_ + lanes_ - 1) / lanes_;
    if (tiles.window_rows[4] >= 6)  // 32 registers
      vectors_ = vectors <= 4 ? vectors : vectors % 4 != 0 && vectors % 3 == 0 ? 3 : 4;
    else
      vectors_ = vectors == 1 ? 1 : rows_ <= 3 && vectors >= 4 ? 4 : 2;
    width_ = vectors_ * lanes_;
    panels_ = (cols_ + width_ - 1) / width_;
    padded_ = panels_ * width_;
    tall_ = tiles.window_rows[vectors_];
    blocks_ = std::max<int64_t>(1, (depth_ + kChainBlock - 1) / kChainBlock);
    // b is read where it lies when its columns do in whole vectors, and near one another.
    pack_ = !(s.cols_b.even() && s.depth_b.even() && s.cols_b.stride() == 1 && cols_ % lanes_ == 0 &&
              (panels_ == 1 || rows_ * batch_ <= 48));
    direct_ = s.cols_c.n == 0 || (s.cols_c.even() && s.cols_c.stride() == 1);
    if (s.parts.empty()) parts_.push_back({s.rows_a, s.rows_c, rows_});
    for (const WindowPart& p : s.parts) {
      parts_.push_back({p.rows_a, p.rows_c, p.rows_a.count(), &p});
      parts_.back().less = static_cast<int64_t>(p.steps.size()) < depth_;
    }
    cut();
  }

  void run() {
    const int64_t packed_block =
        batch_ * padded_ * std::min(depth_, kChainBlock) * static_cast<int64_t>(sizeof(T));
    int64_t chunk = kMostBlocks;  // blocks of depth at once
    if (pack_) chunk = std::min(chunk, std::max<int64_t>(1, kMostPacked / std::max<int64_t>(1, packed_block)));
    const int64_t cells = batch_ * rows_ * padded_;
    if (split_) chunk = std::min(chunk, kMostPartial / (cells * static_cast<int64_t>(sizeof(T))));
    chunk = std::min(chunk, blocks_);
    if (!s_.parts.empty()) chunk = blocks_;
    // Results that do not lie in rows of columns, and are not done in one go, grow here.
    if (split_ || (!direct_ && chunk < blocks_))
      wide_ = reinterpret_cast<T*>(scratch<12>(static_cast<size_t>(cells) * sizeof(T)));
    const int64_t most = s_.parts.empty() ? std::min(depth_, chunk * kChainBlock) : 0;
    auto* steps = reinterpret_cast<WindowStep*>(scratch<10>(static_cast<size_t>(most) * sizeof(WindowStep)));
    steps_ = steps;
    const bool kept = pack_ && chunk == blocks_ && keep();
    for (int64_t b0 = 0; b0 < blocks_; b0 += chunk) {
      first_ = b0 * kChainBlock;
      last_ = std::min(depth_, (b0 + chunk) * kChainBlock);
      if (most > 0) {
        s_.depth_a.offsets(first_, last_ - first_, &steps[0].a, 2);
        for (int64_t k = 0; k < last_ - first_; ++k) steps[k].b = k;
      }
      if (pack_ && !kept) {
        const int64_t size = batch_ * padded_ * (last_ - first_);
        pack(reinterpret_cast<T*>(scratch<14>(static_cast<size_t>(size) * sizeof(T))));
      }
      if (split_)
        side_by_side(std::min(blocks_ - b0, chunk), cells);
      else
        each(tasks_, task_flops_, [&](int64_t t) { task(t, first_, last_, target(t)); });
    }
    if (wide_) store_wide();
  }

 private:
  struct Part {
    const Axes &rows_a, &rows_c;
    int64_t rows;
    const WindowPart* from = nullptr;  // none: all the depth
    bool less = false;                 // some of the depth is left out
    int64_t row_block = 0, row_blocks = 0;
    int64_t a() const { return from ? from->a : 0; }
    int64_t c() const { return from ? from->c : 0; }
  };

  // Where the rows of a task are written: row i of it at base + at[i], for the first column of all.
  struct Target {
    T* base;
    bool more, turned;
    bool to_result;
  };

  template <class F>
  void each(int64_t count, double flops, F&& f) {
    const int64_t piece = std::clamp<int64_t>(
        static_cast<int64_t>(kLeastFlops / std::max(1.0, flops)), 1, std::max<int64_t>(1, count));
    threads_.each((count + piece - 1) / piece, [&](int64_t p) {
      for (int64_t i = p * piece; i < std::min(count, (p + 1) * piece); ++i) f(i);
    });
  }

  // Blocks of rows as tall as stay in the cache, then of panels, for a few tasks a thread: so b, which is
  // read once for each block of rows, is read least often. Where that is not enough, the blocks of rows
  // get smaller; where there are not even tiles enough, the blocks of depth go side by side.
  void cut() {
    const int64_t want = 6 * threads_.count();
    auto cut_rows = [&](int64_t most) {
      row_blocks_ = 0;
      for (Part& p : parts_) {
        const int64_t count = std::max<int64_t>(1, (p.rows + most - 1) / most);
        p.row_block = std::clamp(((p.rows + count - 1) / count + tall_ - 1) / tall_ * tall_, tall_,
                                 kRowBlock / tall_ * tall_);
        p.row_blocks = (p.rows + p.row_block - 1) / p.row_block;
        row_blocks_ += p.row_blocks;
      }
    };
    cut_rows(kRowBlock);
    const int64_t each = (want + batch_ * row_blocks_ - 1) / (batch_ * row_blocks_);  // of a block of rows
    panel_block_ = std::max<int64_t>(1, panels_ / each);
    panel_blocks_ = (panels_ + panel_block_ - 1) / panel_block_;
    split_ = s_.parts.empty() && threads_.count() > 1 && batch_ * rows_ * panel_blocks_ < want * tall_ && blocks_ >= 4 &&
             batch_ * rows_ * padded_ * static_cast<int64_t>(sizeof(T)) * 4 <= kMostPartial;
    if (!split_ && batch_ * row_blocks_ * panel_blocks_ < want) {
      const int64_t count = (want + batch_ * panel_blocks_ - 1) / (batch_ * panel_blocks_);
      cut_rows((rows_ + count - 1) / count);
    }
    tasks_ = batch_ * row_blocks_ * panel_blocks_;
    task_flops_ = 2.0 * static_cast<double>(rows_) / static_cast<double>(row_blocks_) *
                  static_cast<double>(panel_block_ * width_) * static_cast<double>(depth_);
  }

  Target target(int64_t) const {
    if (wide_) return {wide_, first_ > 0, false, false};
    return {static_cast<T*>(s_.c), first_ > 0, !direct_, true};
  }

  // A block of rows against a block of panels, over depth [k0, k1) of what is packed.
  void task(int64_t t, int64_t k0, int64_t k1, Target to) {
    const int64_t in_batch = row_blocks_ * panel_blocks_, batch = t / in_batch;
    int64_t row = t % in_batch / panel_blocks_;
    const Part* part = parts_.data();
    for (; row >= part->row_blocks; ++part) row -= part->row_blocks;
    const int64_t i0 = row * part->row_block, q0 = t % panel_blocks_ * panel_block_;
    const int64_t rows = std::min(part->row_block, part->rows - i0), q1 = std::min(panels_, q0 + panel_block_);
    int64_t at[kRowBlock], result[kRowBlock], batch_a = 0, batch_b = 0, batch_c = 0;
    s_.batch_a.offsets(batch, 1, &batch_a);
    s_.batch_b.offsets(batch, 1, &batch_b);
    s_.batch_c.offsets(batch, 1, &batch_c);
    part->rows_a.offsets(i0, rows, at);
    const T* a = static_cast<const T*>(s_.a) + batch_a + part->a();
    T* block = nullptr;
    if (to.turned)
      block = reinterpret_cast<T*>(scratch<11>(static_cast<size_t>(kRowBlock * width_) * sizeof(T)));
    for (int64_t i = 0; i < rows && !(to.to_result && direct_); ++i)
      result[i] = to.turned ? i * width_ : (batch * rows_ + i0 + i) * padded_;
    if (to.to_result) {
      to.base += batch_c + part->c();
      if (direct_) part->rows_c.offsets(i0, rows, result);
    }
    for (int64_t q = q0; q < q1; ++q) {
      const int64_t c0 = q * width_, columns = std::min(width_, cols_ - c0);
      const int64_t vectors = (columns + lanes_ - 1) / lanes_;
      const int last = static_cast<int>(columns - (vectors - 1) * lanes_);
      const int64_t tall = tiles_.window_rows[vectors];
      const int64_t tiles = (rows + tall - 1) / tall, low = rows / tiles, extra = rows % tiles;
      T* c = to.turned ? block : to.base + c0;
      const T* b;
      int64_t b_step = width_;
      if (pack_) {
        b = packed_ + ((batch * panels_ + q) * (last_ - first_)) * width_;
      } else {
        b_step = s_.depth_b.stride();
        b = static_cast<const T*>(s_.b) + batch_b + first_ * b_step + c0;
      }
      const WindowStep* steps = part->from ? part->from->steps.data() : steps_ + (k0 - first_);
      const WindowStep* const end = part->from ? steps + part->from->steps.size() : steps + (k1 - k0);
      bool more = to.more;
      do {
        int64_t depth = std::min<int64_t>(end - steps, kChainBlock);
        if (part->less && depth > 0) {  // as far as one block of the depth goes
          const int64_t over = (steps->b / kChainBlock + 1) * kChainBlock;
          depth = std::lower_bound(steps, steps + depth, over,
                                   [](const WindowStep& step, int64_t k) { return step.b < k; }) - steps;
        }
        for (int64_t i = 0, tile = 0; tile < tiles; ++tile) {
          const int64_t height = low + (tile < extra);
          tiles_.window[vectors][height](a, at + i, steps, b, b_step, c, result + i, depth, last, more);
          i += height;
        }
        more = true;
        steps += depth;
      } while (steps < end);
      if (part->less)
        for (int64_t i = 0; i < rows; ++i)
          mend(*part, a + at[i], b, b_step, c + result[i], columns);
      if (to.turned) turn_out(block, width_, *part, i0, rows, c0, columns, to.base);
    }
  }

  // What was left out turns -0 into +0, and nothing else: a sum that is not 0 does not feel zeros, and
  // one that is +0 stays so. Such an element, an underflow, is summed again with all its depth.
  void mend(const Part& part, const T* a, const T* b, int64_t b_step, T* c, int64_t columns) const {
    if (!any_negative_zero(c, columns)) return;
    const std::vector<WindowStep>& steps = part.from->steps;
    for (int64_t j = 0; j < columns; ++j) {
      if (c[j] != 0 || !std::signbit(c[j])) continue;
      T chain = 0;
      size_t at = 0;
      for (int64_t k = 0; k < depth_; ++k) {
        if (k > 0 && k % kChainBlock == 0) {
          c[j] = k == kChainBlock ? chain : c[j] + chain;
          chain = 0;
        }
        const T x = at < steps.size() && steps[at].b == k ? a[steps[at++].a] : T{0};
        chain = std::fma(x, b[k * b_step + j], chain);
      }
      c[j] = depth_ <= kChainBlock ? chain : c[j] + chain;
    }
  }

  // Rows [i0, i0 + rows) and columns [c0, c0 + columns) of the result from where rows are `stride`
  // apart.
  void turn_out(const T* from, int64_t stride, const Part& part, int64_t i0, int64_t rows, int64_t c0,
                int64_t columns, T* c) const {
    int64_t row[kRowBlock];
    part.rows_c.offsets(i0, rows, row);
    if (direct_) {
      for (int64_t i = 0; i < rows; ++i)
        std::copy_n(from + i * stride, columns, c + row[i] + c0);
      return;
    }
    for (int64_t i = 0; i < rows;) {
      int64_t run = 1;  // of rows that lie side by side
      while (i + run < rows && row[i + run] == row[i] + run) ++run;
      int64_t j = 0, column = 0;
      if (sizeof(T) == 4 && tiles_.turn && s_.cols_c.even() && run >= 8) {
        s_.cols_c.offsets(c0, 1, &column);
        tiles_.turn(from + i * stride, stride, c + row[i] + column, s_.cols_c.stride(), columns, run);
        j = columns;
      }
      for (; j < columns; ++j) {
        s_.cols_c.offsets(c0 + j, 1, &column);
        for (int64_t x = 0; x < run; ++x) c[row[i + x] + column] = from[(i + x) * stride + j];
      }
      i += run;
    }
  }

  // Few outputs and a long depth: its blocks side by side, added in their order.
  void side_by_side(int64_t blocks, int64_t cells) {
    T* partial = reinterpret_cast<T*>(scratch<13>(static_cast<size_t>(blocks * cells) * sizeof(T)));
    threads_.each(blocks * tasks_, [&](int64_t t) {
      const int64_t block = t / tasks_, k0 = first_ + block * kChainBlock;
      task(t % tasks_, k0, std::min(last_, k0 + kChainBlock),
           {partial + block * cells, false, false, false});
    });
    constexpr int64_t kPiece = 4096;
    each((cells + kPiece - 1) / kPiece, static_cast<double>(kPiece * blocks), [&](int64_t piece) {
      const int64_t begin = piece * kPiece, end = std::min(cells, begin + kPiece);
      for (int64_t block = 0; block < blocks; ++block) {
        const T* from = partial + block * cells;
        if (block == 0 && first_ == 0)
          std::copy(from + begin, from + end, wide_ + begin);
        else
          for (int64_t i = begin; i < end; ++i) wide_[i] += from[i];
      }
    });
  }

  void store_wide() {
    const int64_t blocks = (rows_ + kRowBlock - 1) / kRowBlock;
    threads_.each(batch_ * blocks, [&](int64_t t) {
      const int64_t batch = t / blocks, i0 = t % blocks * kRowBlock;
      int64_t offset = 0;
      s_.batch_c.offsets(batch, 1, &offset);
      turn_out(wide_ + (batch * rows_ + i0) * padded_, padded_, parts_[0], i0, std::min(kRowBlock, rows_ - i0),
               0, cols_, static_cast<T*>(s_.c) + offset);
    });
  }

  // All of b as it is packed, from the buffer that keeps it.
  bool keep() {
    constexpr int kMostAxes = 3;
    const Axes &c = s_.cols_b, &d = s_.depth_b;
    if (!s_.kept || batch_ > 1 || rows_ > kKeptRows || !c.even() || d.n > kMostAxes) return false;
    const int64_t from = static_cast<const std::byte*>(s_.b) - s_.kept->data();
    PackKey key{from, int64_t{sizeof(T)}, cols_, c.stride(), depth_, width_, -1 - d.n};
    for (int i = 0; i < d.n; ++i) {
      key[static_cast<size_t>(7 + 2 * i)] = d.range[i];
      key[static_cast<size_t>(8 + 2 * i)] = d.strides[i];
    }
    first_ = 0;
    last_ = depth_;
    packed_ = static_cast<const T*>(
        Packs::of(*s_.kept).find(key, static_cast<size_t>(padded_ * depth_) * sizeof(T),
                                 [&](void* to) { pack(static_cast<T*>(to)); }));
    return packed_ != nullptr;
  }

  // ---- packing of b: [batch][panel][depth][width], depth [first_, last_)
  void pack(T* to) {
    const int64_t depth = last_ - first_;
    packed_ = to;
    constexpr int64_t kPiece = 256;  // of depth
    const int64_t pieces = (depth + kPiece - 1) / kPiece;
    each(batch_ * panels_ * pieces, static_cast<double>(kPiece * width_) * 8, [&](int64_t t) {
      const int64_t panel = t / pieces, k0 = t % pieces * kPiece, k1 = std::min(depth, k0 + kPiece);
      int64_t batch = 0;
      s_.batch_b.offsets(panel / panels_, 1, &batch);
      const int64_t c0 = panel % panels_ * width_;
      pack_panel(static_cast<const T*>(s_.b) + batch, c0, std::min(cols_, c0 + width_), first_ + k0,
                 first_ + k1, to + (panel * depth + k0) * width_);
    });
  }

  void pack_panel(const T* b, int64_t c0, int64_t c1, int64_t k0, int64_t k1, T* to) const {
    const int64_t columns = c1 - c0;
    int64_t column[4 * 16], step[256];
    s_.cols_b.offsets(c0, columns, column);
    s_.depth_b.offsets(k0, k1 - k0, step);
    const bool rows = s_.cols_b.stride() == 1 && column[columns - 1] == column[0] + columns - 1;
    const bool turned = sizeof(T) == 4 && tiles_.turn && s_.cols_b.even();
    for (int64_t k = 0; k < k1 - k0;) {
      int64_t run = 1;  // of depth that lies side by side
      if (turned && !rows)
        while (k + run < k1 - k0 && step[k + run] == step[k] + run) ++run;
      const T* from = b + step[k];
      T* out = to + k * width_;
      if (rows) {
        std::memcpy(out, from + column[0], static_cast<size_t>(columns) * sizeof(T));
      } else if (run >= 8) {
        tiles_.turn(from + column[0], s_.cols_b.stride(), out, width_, run, columns);
      } else {  // sixteen steps of one column after the other: each is a line or a few
        run = std::min<int64_t>(k1 - k0 - k, 16);
        for (int64_t j = 0; j < columns; ++j)
          for (int64_t x = 0; x < run; ++x) out[x * width_ + j] = b[step[k + x] + column[j]];
      }
      k += run;
    }
    if (columns < width_)
      for (int64_t k = 0; k < k1 - k0; ++k)
        std::fill_n(to + k * width_ + columns, width_ - columns, T{0});
  }

  const WindowSpec& s_;
  const TileTable& tiles_;
  Threads& threads_;
  int64_t batch_, rows_, cols_, depth_, lanes_;
  int64_t vectors_, width_, panels_, padded_, tall_, blocks_;
  std::vector<Part> parts_;
  int64_t row_blocks_, panel_block_, panel_blocks_, tasks_;
  double task_flops_;
  bool pack_;
  bool direct_;         // the columns of the result lie side by side
  bool split_ = false;  // the blocks of depth are done side by side
  int64_t first_ = 0, last_ = 0;  // the depth at hand
  const WindowStep* steps_ = nullptr;
  const T* packed_ = nullptr;
  T* wide_ = nullptr;
};

}  // namespace

bool finite(DType t, const WindowSpec& s, Threads& threads) {
  const auto look = [&] {
    return t == DType::f64 ? finite_elements<double>(s, threads) : finite_elements<float>(s, threads);
  };
  if (!s.kept) return look();
  const int64_t from = static_cast<const std::byte*>(s.b) - s.kept->data();
  const PackKey key{from, static_cast<int64_t>(size_of(t)), s.cols_b.count(), s.depth_b.count(), -100};
  const void* known = Packs::of(*s.kept).find(key, 64, [&](void* to) { *static_cast<bool*>(to) = look(); });
  return known ? *static_cast<const bool*>(known) : look();
}

void window_product(DType t, const WindowSpec& spec, Threads& threads) {
  if (t == DType::f64)
    WindowProduct<double>(spec, tile_table(t), threads).run();
  else
    WindowProduct<float>(spec, tile_table(t), threads).run();
}

}  // namespace tenon::kernels
