// Matrix products: how rows, columns and depth are cut into tiles, what is packed, and who does
// what. None of it is felt by a bit, since every output is a chain of its own (docs/semantics.md:
// contract); the cuts are those that measured best (cpu.md 2).
#include "kernels/cpu/matmul.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <emmintrin.h>
#include <mutex>
#include <utility>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/packs.h"
#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tile_table.h"
#include "kernels/cpu/walk.h"
#include "runtime/copy.h"
#include "runtime/distance.h"

namespace tenon::kernels {
namespace {

constexpr int64_t kRowBlock = 240;      // rows of a that stay in L2 with 1024 of depth
constexpr int64_t kColumnBlock = 4096;  // columns of b packed at once
constexpr double kLeastFlops = 3e5;     // of a piece of work: about a microsecond
constexpr double kSharedFlops = 2e6;    // of a thread's part of a panel that several compute with
constexpr int64_t kManyRows = 1 << 21;  // elements of a that the last cache holds, beside others
constexpr int64_t kFewThreads = 4;      // so few that each packs for itself what all of them read
constexpr int64_t kOwnPanels = 1 << 20;  // elements that each packs for itself at most
constexpr int64_t kLongRow = 1 << 20;   // bytes of b that one row is multiplied with as it lies
constexpr int64_t kRowGap = 16;         // between packed rows, in elements
constexpr int64_t kTurnedRows = 96;     // so few that turning b would cost more than turning c
constexpr int64_t kKeptRows = 1024;             // so many that packing b costs nothing beside them
constexpr int64_t kLeastKept = 4096;            // elements of b
constexpr int64_t kWidest = kTileVectors * 16;  // columns of a panel

// A few dozen elements: a call of memcpy would cost more than the copy.
template <class T>
void copy_short(T* to, const T* from, int64_t n) {
  constexpr int64_t kStep = 16 / sizeof(T);
  auto move = [&](int64_t i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
  };
  if (n < kStep) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i + kStep <= n; i += kStep) move(i);
  move(n - kStep);
}

// Tells a thread whether it begins a job: then it packs what it will read in all its pieces. What another
// core has just written comes at 2 GB/s where the cores lie far apart, and packing is ten times as fast.
class Job {
 public:
  bool begins() const {
    static thread_local uint64_t last = 0;
    return std::exchange(last, number_) != number_;
  }

 private:
  static uint64_t next() {  // threads count by themselves, from places far apart
    static std::atomic<uint64_t> threads{0};
    static thread_local uint64_t jobs = ++threads << 40;
    return ++jobs;
  }
  const uint64_t number_ = next();
};

template <class T>
class Product {
 public:
  Product(const ProductSpec& s, const TileTable& tiles, Threads& threads)
      : s_(s),
        tiles_(tiles),
        threads_(threads),
        rows_(s.rows.count()),
        cols_(s.cols.count()),
        depth_(s.depth.count()),
        c_row_(s.c_row >= 0 ? s.c_row : cols_) {
    const int64_t L = tiles.lanes;
    const bool big = tiles.rows[4] >= 6;  // 32 registers
    if (cols_ <= L)
      vectors_ = 1;
    else if (cols_ <= 2 * L)
      vectors_ = 2;
    else if (cols_ <= 3 * L && big)
      vectors_ = 3;
    else if (big)
      vectors_ = rows_ <= 2 ? 8 : rows_ > 6 && rows_ <= 9 ? 3 : 4;
    else
      vectors_ = rows_ <= 3 ? 4 : 2;
    width_ = vectors_ * L;
    tall_ = tiles.rows[vectors_];
    panels_ = (cols_ + width_ - 1) / width_;
    row_block_ = panels_ >= 4 ? kRowBlock : std::clamp<int64_t>((rows_ + 7) / 8, tall_, kRowBlock);
    row_block_ = std::max<int64_t>(tall_, row_block_ / tall_ * tall_);
    // a is read where it lies when its rows and its depth are one index each and depth is dense
    // enough; b when its columns are contiguous and it is small or little used.
    const bool plain_a = s.rows.n <= 1 && s.depth.n <= 1;
    a_row_ = s.rows.n == 1 ? s.rows.s[0][0] : 0;
    a_step_ = s.depth.n == 1 ? s.depth.s[0][0] : 0;
    pack_a_ = !plain_a || (a_step_ != 1 && depth_ > 1 && rows_ > 1 && panels_ > 2);
    // Who packs rows computes with them, so the blocks are as many for each thread.
    if (pack_a_ && rows_ > kRowBlock && threads.count() > 1) {
      const int64_t blocks = (rows_ + row_block_ - 1) / row_block_, twice = 2 * threads.count();
      const int64_t n = (blocks + twice - 1) / twice * twice, even = (rows_ + n - 1) / n;
      const int64_t whole = (std::max<int64_t>(even, 48) + tall_ - 1) / tall_ * tall_;
      row_block_ = std::min(row_block_, whole);
    }
    row_blocks_ = (rows_ + row_block_ - 1) / row_block_;
    const bool plain_b = s.cols.n <= 1 && s.depth.n <= 1 && (s.cols.n == 0 || s.cols.s[1][0] == 1);
    b_step_ = s.depth.n == 1 ? s.depth.s[1][0] : 0;
    turned_ = tiles.turned_row && plain_a && s.cols.n == 1 && s.depth.n == 1 && b_step_ == 1 &&
              s.cols.s[1][0] != 1;
    plain_ = plain_a && plain_b;
    pack_b_ =
        !plain_b || (rows_ > 48 && cols_ * depth_ * static_cast<int64_t>(sizeof(T)) > (256 << 10));
  }

  void run(const T* a, const T* b, T* c) {
    if (s_.goes_on) {
      if (depth_ > 0) block(a, b, c, 0, cols_, 0, depth_, Before::chain);
      return;
    }
    if (depth_ == 0) {
      for (int64_t i = 0; i < rows_; ++i) std::fill_n(c + i * c_row_, cols_, T{0});
      return;
    }
    if (s_.kept) keep(b);
    by_rows();
    if (kept_) return blocks(a, b, c);
    if (rows_ == 1 && cols_ >= 16 && turned_) {
      const int64_t each =
          (pieces(cols_, 2.0 * static_cast<double>(depth_)) + 63) / 64 * 64;
      threads_.each((cols_ + each - 1) / each, [&](int64_t piece) {
        const int64_t c0 = piece * each, c1 = std::min(cols_, c0 + each), col = s_.cols.s[1][0];
        for (int64_t k0 = 0; k0 < depth_; k0 += kChainBlock)
          tiles_.turned_row(a + k0 * a_step_, a_step_, b + c0 * col + k0, col, c + c0,
                            std::min(depth_ - k0, kChainBlock), c1 - c0, k0 > 0);
      });
      return;
    }
    if (rows_ == 1 && plain_ && cols_ * depth_ * static_cast<int64_t>(sizeof(T)) >= kLongRow)
      return row(a, b, c);
    if (turned_ && tiles_.turn && a_step_ == 1 && rows_ >= 24 && rows_ <= kTurnedRows &&
        2 * rows_ <= cols_ && depth_ >= 128)
      return turned(a, b, c);
    blocks(a, b, c);
  }

 private:
  // Where a or b is read: packed or in place.
  struct Operand {
    const T* p;
    int64_t major, step;  // rows or columns; depth
  };

  void blocks(const T* a, const T* b, T* c) {
    // Few outputs and a long depth: the blocks of depth side by side, added in their order.
    const int64_t blocks = (depth_ + kChainBlock - 1) / kChainBlock, cells = rows_ * cols_;
    if (row_blocks_ * panels_ <= 16 && blocks >= 4 && cells <= 16384 && threads_.count() > 1) {
      split(a, b, c, blocks, cells);
      return;
    }
    const int64_t most = kept_ ? cols_ : kColumnBlock;
    for (int64_t j0 = 0; j0 < cols_; j0 += most) {
      const int64_t j1 = std::min(cols_, j0 + most);
      for (int64_t k0 = 0; k0 < depth_; k0 += kChainBlock)
        block(a, b, c, j0, j1, k0, std::min(depth_, k0 + kChainBlock), before(k0));
    }
  }

  // Where nobody packs and b fits beside the rest into the second cache, a thread takes rows, not
  // columns: what stands before and behind a product goes by rows, too, and finds them in its cache.
  void by_rows() {
    constexpr int64_t kBeside = 512 << 10;
    const int64_t n = threads_.count();
    if (row_blocks_ > 1 || n == 1 || pack_a_ || (pack_b_ && !kept_) || rows_ < 2 * tall_ * n ||
        cols_ * depth_ * static_cast<int64_t>(sizeof(T)) > kBeside)
      return;
    row_block_ = (rows_ + n - 1) / n;
    row_blocks_ = (rows_ + row_block_ - 1) / row_block_;
  }

  // All panels of b as they are packed, from the buffer that keeps them: [block of depth][panel].
  void keep(const T* b) {
    if (rows_ > kKeptRows || cols_ < tiles_.lanes || cols_ * depth_ < kLeastKept || s_.cols.n > 1 ||
        s_.depth.n > 1)
      return;
    const int64_t from = reinterpret_cast<const std::byte*>(b) - s_.kept->data();
    const int64_t col = s_.cols.n == 1 ? s_.cols.s[1][0] : 0, all = panels_ * width_;
    const PackKey key{from, int64_t{sizeof(T)}, cols_, col, depth_, b_step_, width_};
    kept_ = static_cast<const T*>(
        Packs::of(*s_.kept).find(key, static_cast<size_t>(all * depth_) * sizeof(T), [&](void* to) {
          const int64_t count = (depth_ + kChainBlock - 1) / kChainBlock;
          threads_.each(count * panels_, [&](int64_t i) {
            const int64_t k0 = i / panels_ * kChainBlock, k1 = std::min(depth_, k0 + kChainBlock);
            const int64_t q = i % panels_, c0 = q * width_;
            pack_panel(b, c0, std::min(cols_, c0 + width_), k0, k1,
                       static_cast<T*>(to) + k0 * all + q * (k1 - k0) * width_);
          });
        }));
  }

  // One row against a matrix that the caches do not hold: its rows are read as they lie, a stretch
  // of columns by each thread, and the sums wait in the first cache.
  void row(const T* a, const T* b, T* c) {
    constexpr int64_t kWidth = 1024;
    const int64_t share = cols_ / (2 * threads_.count());
    const int64_t width = std::clamp<int64_t>(share / 64 * 64, 256, kWidth);
    threads_.each((cols_ + width - 1) / width, [&](int64_t piece) {
      alignas(64) T sums[kWidth];
      const int64_t c0 = piece * width, n = std::min(cols_ - c0, width);
      for (int64_t k0 = 0; k0 < depth_; k0 += kChainBlock) {
        std::fill_n(sums, n, T{0});
        tiles_.row_chain(a + k0 * a_step_, a_step_, b + k0 * b_step_ + c0, b_step_, sums,
                         std::min(depth_ - k0, kChainBlock), n);
        for (int64_t j = 0; j < n; ++j) c[c0 + j] = k0 > 0 ? c[c0 + j] + sums[j] : sums[j];
      }
    });
  }

  // Few rows against many columns that lie along the depth (the weights of a layer): these are read
  // as they lie, in the part of the rows; the rows are packed as panels; and the result is turned,
  // which is less than they are. fma(a, b, c) is fma(b, a, c).
  void turned(const T* a, const T* b, T* c) {
    const int64_t col = s_.cols.s[1][0];
    ProductSpec spec;
    spec.rows.add(cols_, col, 0);
    spec.cols.add(rows_, 0, a_row_);
    spec.depth.add(depth_, 1, 1);
    Product other(spec, tiles_, threads_);
    other.c_row_ = rows_;
    const int64_t panels = other.panels_, width = other.width_;
    auto memory = [&] {
      return reinterpret_cast<T*>(scratch<2>(static_cast<size_t>(depth_ * panels * width) * sizeof(T)));
    };
    const int64_t blocks = (depth_ + kChainBlock - 1) / kChainBlock, count = threads_.count();
    auto pack = [&](int64_t i, T* to) {
      const int64_t k0 = i / panels * kChainBlock, k1 = std::min(depth_, k0 + kChainBlock);
      const int64_t q = i % panels, c0 = q * width;
      other.pack_panel(a, c0, std::min(rows_, c0 + width), k0, k1,
                       to + k0 * panels * width + q * (k1 - k0) * width);
    };
    T* const shared = count > kFewThreads ? memory() : nullptr;
    if (shared) threads_.each(blocks * panels, [&](int64_t i) { pack(i, shared); });
    const Job job;
    // As many columns as the second cache holds with their depth, and as many pieces for each thread, in
    // whole squares.
    constexpr int64_t kSquare = 16, kLeast = 3 * kSquare;
    const int64_t most =
        (int64_t{256} << 10) / (std::min(depth_, kChainBlock) * int64_t{sizeof(T)});
    const int64_t wished = std::max(kLeast, std::min(most, cols_ / (4 * count)));
    const int64_t rounds = (cols_ + wished * count - 1) / (wished * count);
    const int64_t block =
        ((cols_ + rounds * count - 1) / (rounds * count) + kSquare - 1) / kSquare * kSquare;
    threads_.each((cols_ + block - 1) / block, [&](int64_t piece) {
      const int64_t j0 = piece * block, n = std::min(cols_ - j0, block);
      T* const packed = shared ? shared : memory();
      if (!shared && job.begins())
        for (int64_t i = 0; i < blocks * panels; ++i) pack(i, packed);
      T* result =
          reinterpret_cast<T*>(scratch<1>(static_cast<size_t>(block * rows_) * sizeof(T)));
      for (int64_t k0 = 0; k0 < depth_; k0 += kChainBlock) {
        const int64_t depth = std::min(depth_ - k0, kChainBlock);
        for (int64_t q = 0; q < panels; ++q) {
          const int64_t c0 = q * width, c1 = std::min(rows_, c0 + width);
          other.tiles({b + j0 * col + k0, col, 1}, 0, n,
                      {packed + k0 * panels * width + q * depth * width, 1, width}, c1 - c0,
                      result + c0, depth, before(k0));
        }
      }
      tiles_.turn(result, rows_, c + j0, c_row_, rows_, n);
    });
  }

  void split(const T* a, const T* b, T* c, int64_t blocks, int64_t cells) {
    const int64_t group = std::max<int64_t>(1, (int64_t{1} << 20) / cells);  // blocks held at once
    const int64_t c_row = c_row_;
    T* partial = reinterpret_cast<T*>(
        scratch<4>(static_cast<size_t>(std::min(group, blocks) * cells) * sizeof(T)));
    for (int64_t g0 = 0; g0 < blocks; g0 += group) {
      const int64_t g1 = std::min(blocks, g0 + group);
      threads_.each(g1 - g0, [&](int64_t i) {
        Product one = *this;  // the same cuts, into rows that lie close
        one.c_row_ = cols_;
        const int64_t k0 = (g0 + i) * kChainBlock;
        one.block(a, b, partial + i * cells, 0, cols_, k0, std::min(depth_, k0 + kChainBlock),
                  Before::nothing);
      });
      for (int64_t i = 0; i < g1 - g0; ++i)
        for (int64_t r = 0; r < rows_; ++r)
          for (int64_t j = 0; j < cols_; ++j) {
            const T v = partial[i * cells + r * cols_ + j];
            T& to = c[r * c_row + j];
            to = g0 + i == 0 ? v : to + v;
          }
    }
  }

  static Before before(int64_t k0) { return k0 > 0 ? Before::blocks : Before::nothing; }

  // Columns [j0, j1), depth [k0, k1), all rows.
  void block(const T* a, const T* b, T* c, int64_t j0, int64_t j1, int64_t k0, int64_t k1,
             Before before) {
    const int64_t depth = k1 - k0;
    const int64_t panels = (j1 - j0 + width_ - 1) / width_;
    const double flops_of_panel = 2.0 * static_cast<double>(width_) * static_cast<double>(depth);
    const int64_t count = threads_.count();
    const Job job;
    if (row_blocks_ == 1 || (!pack_a_ && panels >= count)) {
      // Who packs a panel of b computes with it, all rows or as many as the caches hold: it stays in his L2,
      // nobody waits for what others pack, and nothing but a travels between the cores.
      Operand rows{a + k0 * a_step_, a_row_, a_step_};
      const bool own = pack_a_ && count <= kFewThreads;
      if (pack_a_ && !own) {
        constexpr int64_t kRows = 32;
        const int64_t stride = depth + kRowGap;
        T* to = reinterpret_cast<T*>(scratch<0>(static_cast<size_t>(rows_ * stride) * sizeof(T)));
        const int64_t parts = depth > 64 ? (rows_ + kRows - 1) / kRows : 1;
        const int64_t each = (rows_ + parts - 1) / parts;
        threads_.each(parts, [&](int64_t i) {
          pack_rows(a, i * each, std::min(rows_, (i + 1) * each), k0, k1, to + i * each * stride);
        });
        rows = {to, stride, 1};
      }
      auto panel = [&](int64_t q, int64_t i0, int64_t i1) {
        const int64_t c0 = j0 + q * width_, c1 = std::min(j1, c0 + width_);
        const Operand from = own ? packed_rows<0>(a, 0, rows_, k0, k1, job.begins()) : rows;
        Operand cols{b + c0 + k0 * b_step_, 1, b_step_};
        if (kept_) {
          cols = {kept_ + k0 * panels_ * width_ + q * depth * width_, 1, width_};
        } else if (pack_b_) {
          T* to =
              reinterpret_cast<T*>(scratch<1>(static_cast<size_t>(depth * width_) * sizeof(T)));
          pack_panel(b, c0, c1, k0, k1, to);
          cols = {to, 1, width_};
        }
        tiles({from.p + i0 * from.major, from.major, from.step}, i0, i1, cols, c1 - c0, c + c0, depth,
              before);
      };
      const int64_t most = pack_a_ ? rows_ : std::max(kRowBlock, kManyRows / depth / tall_ * tall_);
      for (int64_t i0 = 0; i0 < rows_; i0 += most)
        each_panel(panels, i0, std::min(rows_, i0 + most), flops_of_panel, panel);
      return;
    }
    const T* packed = kept_ ? kept_ + k0 * panels * width_ : nullptr;
    auto pack = [&](int64_t q, T* to) {
      const int64_t c0 = j0 + q * width_;
      pack_panel(b, c0, std::min(j1, c0 + width_), k0, k1, to + q * depth * width_);
    };
    auto memory = [&] {
      return reinterpret_cast<T*>(scratch<2>(static_cast<size_t>(depth * panels * width_) * sizeof(T)));
    };
    const bool own = !packed && pack_b_ && count <= kFewThreads && depth * panels * width_ <= kOwnPanels;
    if (!packed && pack_b_ && !own) {
      T* to = memory();
      const int64_t each = std::max<int64_t>(1, 65536 / (width_ * depth));
      threads_.each((panels + each - 1) / each, [&](int64_t piece) {
        for (int64_t q = piece * each; q < std::min(panels, (piece + 1) * each); ++q) pack(q, to);
      });
      packed = to;
    }
    auto panels_here = [&] {  // as the thread at hand reads them
      if (!own) return packed;
      T* to = memory();
      if (job.begins())
        for (int64_t q = 0; q < panels; ++q) pack(q, to);
      return static_cast<const T*>(to);
    };
    auto panel = [&](const T* here, int64_t q, int64_t c0) {
      return here ? Operand{here + q * depth * width_, 1, width_}
                  : Operand{b + c0 + k0 * b_step_, 1, b_step_};
    };
    if (pack_a_) {
      // A piece is a block of rows, packed once and met by all panels.
      const int64_t each =
          pieces(row_blocks_, flops_of_panel * static_cast<double>(panels * row_block_));
      threads_.each((row_blocks_ + each - 1) / each, [&](int64_t piece) {
        for (int64_t r = piece * each; r < std::min(row_blocks_, (piece + 1) * each); ++r) {
          const int64_t i0 = r * row_block_, i1 = std::min(rows_, i0 + row_block_);
          const Operand rows = packed_rows<3>(a, i0, i1, k0, k1);
          const T* here = panels_here();
          for (int64_t q = 0; q < panels; ++q) {
            const int64_t c0 = j0 + q * width_, c1 = std::min(j1, c0 + width_);
            tiles(rows, i0, i1, panel(here, q, c0), c1 - c0, c + c0, depth, before);
          }
        }
      });
      return;
    }
    const int64_t all = row_blocks_ * panels;
    const int64_t each = pieces(all, flops_of_panel * static_cast<double>(row_block_));
    threads_.each((all + each - 1) / each, [&](int64_t piece) {
      const T* here = panels_here();
      for (int64_t w = piece * each; w < std::min(all, (piece + 1) * each); ++w) {
        const int64_t i0 = w / panels * row_block_, i1 = std::min(rows_, i0 + row_block_);
        const int64_t q = w % panels, c0 = j0 + q * width_, c1 = std::min(j1, c0 + width_);
        tiles({a + i0 * a_row_ + k0 * a_step_, a_row_, a_step_}, i0, i1, panel(here, q, c0), c1 - c0,
              c + c0, depth, before);
      }
    });
  }

  // panel(q, i0, i1) for all panels: as many of them for each thread, and of those left over a part of the
  // rows, where that is work enough.
  template <class F>
  void each_panel(int64_t panels, int64_t i0, int64_t i1, double flops_of_panel, F&& panel) {
    const int64_t count = threads_.count(), share = panels / count, rest = panels % count;
    const double flops = flops_of_panel * static_cast<double>(i1 - i0);
    if (share == 0 || rest == 0 || flops < kSharedFlops * static_cast<double>(count)) {
      const int64_t each = pieces(panels, flops);
      threads_.each((panels + each - 1) / each, [&](int64_t piece) {
        for (int64_t q = piece * each; q < std::min(panels, (piece + 1) * each); ++q) panel(q, i0, i1);
      });
      return;
    }
    const int64_t part = ((i1 - i0 + count - 1) / count + tall_ - 1) / tall_ * tall_;
    threads_.each((share + rest) * count, [&](int64_t piece) {
      const int64_t t = piece / (share + rest), q = piece % (share + rest);
      if (q < share) return panel(t * share + q, i0, i1);
      const int64_t r0 = std::min(i1, i0 + t * part), r1 = std::min(i1, r0 + part);
      if (r0 < r1) panel(share * count + q - share, r0, r1);
    });
  }

  static int64_t pieces(int64_t count, double flops_each) {
    return std::clamp<int64_t>(static_cast<int64_t>(kLeastFlops / flops_each), 1,
                               std::max<int64_t>(1, count));
  }

  // Rows [i0, i1) (a's operand begins at row i0) against up to `width` columns, in balanced tiles.
  void tiles(const Operand& a, int64_t i0, int64_t i1, const Operand& b, int64_t columns, T* c,
             int64_t depth, Before before) const {
    const int64_t L = tiles_.lanes, rows = i1 - i0;
    for (int64_t j = 0; j < columns;) {
      int64_t v = (columns - j + L - 1) / L;
      v = v >= vectors_ ? vectors_ : v > 4 ? 4 : v;
      const int64_t wide = std::min(columns - j, v * L);
      const auto last = static_cast<int>(wide - (v - 1) * L);
      const int64_t count = (rows + tall_ - 1) / tall_, low = rows / count, extra = rows % count;
      for (int64_t t = 0, i = 0; t < count; ++t) {
        const int64_t height = low + (t < extra);
        tiles_.tile[v][height](a.p + i * a.major, a.major, a.step, b.p + j, b.step,
                               c + (i0 + i) * c_row_ + j, c_row_, depth, last, before);
        i += height;
      }
      j += wide;
    }
  }

  // ---- packing. Rows: [row][depth], with a little room between so that rows do not share cache
  // sets.
  template <int kWhich>
  Operand packed_rows(const T* a, int64_t i0, int64_t i1, int64_t k0, int64_t k1,
                      bool fresh = true) const {
    const int64_t stride = k1 - k0 + kRowGap;
    T* to =
        reinterpret_cast<T*>(scratch<kWhich>(static_cast<size_t>((i1 - i0) * stride) * sizeof(T)));
    if (fresh) pack_rows(a, i0, i1, k0, k1, to);
    return {to, stride, 1};
  }

  void pack_rows(const T* a, int64_t i0, int64_t i1, int64_t k0, int64_t k1, T* to) const {
    const int64_t depth = k1 - k0, stride = depth + kRowGap;
    const Group &r = s_.rows, &d = s_.depth;
    if (r.n == 1 && d.n == 1 && a_row_ == 1 && tiles_.turn) {
      tiles_.turn(a + i0 + k0 * a_step_, a_step_, to, stride, i1 - i0, depth);
      return;
    }
    if (r.n <= 1 && d.n <= 1) {
      const int64_t shape[2] = {i1 - i0, depth}, dense[2] = {stride, 1},
                    from[2] = {a_row_, a_step_};
      copy_strided(to, dense, a + i0 * a_row_ + k0 * a_step_, from, shape, 2, sizeof(T));
      return;
    }
    Walk row(r.range, r.s[0], r.n, i0);
    for (int64_t i = i0; i < i1; ++i, row.next()) {
      const T* from = a + row.offset();
      T* out = to + (i - i0) * stride;
      Walk k(d.range, d.s[0], d.n, k0);
      for (int64_t done = 0; done < depth;) {
        const int64_t n = stretch(d, k, depth - done), step = d.n > 0 ? d.s[0][d.n - 1] : 0;
        const T* q = from + k.offset();
        if (step == 1)
          std::memcpy(out + done, q, static_cast<size_t>(n) * sizeof(T));
        else
          for (int64_t x = 0; x < n; ++x) out[done + x] = q[x * step];
        done += n;
        k.skip(n);
      }
    }
  }

  // A panel: [depth][width]. What is beyond the last column is never read.
  void pack_panel(const T* b, int64_t c0, int64_t c1, int64_t k0, int64_t k1, T* to) const {
    const Group &g = s_.cols, &d = s_.depth;
    const int64_t depth = k1 - k0, columns = c1 - c0;
    Walk k(d.range, d.s[1], d.n, k0);
    Columns where;
    if (g.n > 1) find_columns(c0, columns, where);
    for (int64_t done = 0; done < depth;) {
      const int64_t n = stretch(d, k, depth - done), step = d.n > 0 ? d.s[1][d.n - 1] : 0;
      if (g.n <= 1) {
        const int64_t col = g.n == 1 ? g.s[1][0] : 0;
        const int64_t shape[2] = {n, columns}, dense[2] = {width_, 1}, from[2] = {step, col};
        const T* at = b + k.offset() + c0 * col;
        if (step == 1 && col != 1 && tiles_.turn)
          tiles_.turn(at, col, to + done * width_, width_, n, columns);
        else if (col == 1)
          tiles_.copy(at, step, to + done * width_, width_, n, columns);
        else
          copy_strided(to + done * width_, dense, at, from, shape, 2, sizeof(T));
      } else {
        pack_columns(b + k.offset(), step, n, where, columns, to + done * width_);
      }
      done += n;
      k.skip(n);
    }
  }

  // The columns of a panel when they are several indices (a convolution's images, rows and places):
  // where each begins, and the runs of those that lie side by side.
  struct Columns {
    int64_t offset[kWidest];
    int64_t run[kWidest + 1];  // the first column of each, then the number of columns
    int64_t runs = 0;
  };
  void find_columns(int64_t c0, int64_t columns, Columns& where) const {
    const Group& g = s_.cols;
    Walk col(g.range, g.s[1], g.n, c0);
    for (int64_t j = 0; j < columns; ++j, col.next()) {
      where.offset[j] = col.offset();
      if (j == 0 || where.offset[j] != where.offset[j - 1] + 1) where.run[where.runs++] = j;
    }
    where.run[where.runs] = columns;
  }

  // to[x * width + j] = from[x * step + offset of column j], x < n
  void pack_columns(const T* from, int64_t step, int64_t n, const Columns& where, int64_t columns,
                    T* to) const {
    int64_t j0 = 0;
    if (where.runs * 6 <= columns) {  // long enough to be copied as they lie
      for (int64_t x = 0; x < n; ++x)
        for (int64_t r = 0; r < where.runs; ++r) {
          const int64_t j = where.run[r];
          copy_short(to + x * width_ + j, from + x * step + where.offset[j], where.run[r + 1] - j);
        }
      return;
    }
    // Columns that are dense along the depth, four by four through registers.
    if (sizeof(T) == 4 && step == 1)
      for (; j0 + 4 <= columns; j0 += 4)
        transpose_four(reinterpret_cast<uint32_t*>(to + j0), width_,
                       reinterpret_cast<const uint32_t*>(from), where.offset + j0, n);
    for (int64_t x = 0; j0 < columns && x < n; ++x) {
      const T* q = from + x * step;
      T* out = to + x * width_;
      for (int64_t j = j0; j < columns; ++j) out[j] = q[where.offset[j]];
    }
  }

  // How far the innermost index of depth goes on from here.
  static int64_t stretch(const Group& d, const Walk& k, int64_t most) {
    return d.n == 0 ? most : std::min(most, d.range[d.n - 1] - k.at(d.n - 1));
  }

  const ProductSpec& s_;
  const TileTable& tiles_;
  Threads& threads_;
  int64_t rows_, cols_, depth_, c_row_;
  int64_t vectors_, width_, tall_, panels_, row_block_, row_blocks_;
  int64_t a_row_, a_step_, b_step_;
  bool pack_a_, pack_b_;
  const T* kept_ = nullptr;  // b, packed before
  bool plain_;   // both are read along one stride each
  bool turned_;  // the columns of b lie along the depth
};

// One column is one row of the turned product: a vector holds columns, and fma(a, b, c) is fma(b, a, c).
ProductSpec turned_spec(const ProductSpec& s) {
  ProductSpec out = s;
  for (Group* g : {&out.batch, &out.rows, &out.cols, &out.depth})
    for (int i = 0; i < g->n; ++i) std::swap(g->s[0][i], g->s[1][i]);
  std::swap(out.rows, out.cols);
  std::swap(out.a, out.b);
  out.c_row = -1;
  out.kept = nullptr;
  return out;
}

template <class T>
void run(DType t, const ProductSpec& s, Threads& threads) {
  if (s.cols.count() == 1 && s.rows.count() > 1 && s.c_row <= 1)
    return run<T>(t, turned_spec(s), threads);
  const TileTable& tiles = tile_table(t);
  const T *a = static_cast<const T*>(s.a), *b = static_cast<const T*>(s.b);
  T* c = static_cast<T*>(s.c);
  const int64_t batch = s.batch.count(), cells = s.rows.count() * s.cols.count();
  if (batch == 1) return Product<T>(s, tiles, threads).run(a, b, c);
  ProductSpec one = s;
  one.kept = nullptr;
  // Small ones side by side, big ones one after another with all threads in each.
  const double flops = 2.0 * static_cast<double>(cells) * static_cast<double>(s.depth.count());
  const int64_t each =
      flops > 5e6 ? batch
                  : std::max<int64_t>(1, static_cast<int64_t>(kLeastFlops / std::max(1.0, flops)));
  threads.each((batch + each - 1) / each, [&](int64_t piece) {
    Product<T> product(one, tiles, threads);
    Walk wa(s.batch.range, s.batch.s[0], s.batch.n, piece * each),
        wb(s.batch.range, s.batch.s[1], s.batch.n, piece * each);
    for (int64_t i = piece * each; i < std::min(batch, (piece + 1) * each);
         ++i, wa.next(), wb.next())
      product.run(a + wa.offset(), b + wb.offset(), c + i * cells);
  });
}

// The threads that are worth asking for so much work.
Threads& worth_asking(const ProductSpec& s, Threads& threads) {
  // Some 10 us of one core, in operations and in elements to fetch, which decide where each is used once
  // (a vector times a matrix). Below: only threads of a core that is near.
  constexpr double kNear = 2.5e6, kNearFetched = 2e5;
  static Threads alone(1);
  const auto batch = static_cast<double>(s.batch.count()), rows = static_cast<double>(s.rows.count()),
             cols = static_cast<double>(s.cols.count()), depth = static_cast<double>(s.depth.count());
  const bool little = 2 * batch * rows * cols * depth < kNear && batch * depth * (rows + cols) < kNearFetched;
  return little && threads.count() > 1 && cores_are_far() ? alone : threads;
}

}  // namespace

const TileTable& tile_table(DType t) {
  static TileTable tables[2][2];
  static std::once_flag once[2][2];
  const auto i = static_cast<size_t>(isa()), w = static_cast<size_t>(t == DType::f64);
  std::call_once(once[i][w], [&] {
    if (isa() == Isa::v4)
      w ? v4::fill_f64(tables[i][w]) : v4::fill_f32(tables[i][w]);
    else
      w ? v3::fill_f64(tables[i][w]) : v3::fill_f32(tables[i][w]);
  });
  return tables[i][w];
}

void product(DType t, const ProductSpec& spec, Threads& all) {
  Threads& threads = worth_asking(spec, all);
  t == DType::f64 ? run<double>(t, spec, threads) : run<float>(t, spec, threads);
}

}  // namespace tenon::kernels
