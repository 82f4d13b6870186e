// rooms: cuda loop kernels cuda_kernels runtime io ir support
// Matrices that are made by tiles (kernels/cuda/tile.cuh) on the emulated GPU: folded along their rows, and
// taken by products over their columns or their rows, to the bits of docs/semantics.md 4, over sizes that fit
// no tile, in every order of the threads. Planted bugs show that what is tested can fail.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "ir/dtype.h"
#include "jit/cuda/gpu.h"
#include "jit/cuda/nvrtc.h"
#include "jit/cuda/sim.h"
#include "kernels/cuda/kernels.h"
#include "runtime/buffer.h"
#include "tests/unit/planted_bug.h"

namespace tenon::cuda {
namespace {

// Scores of queries a[slabs, rows, depth] and keys b[slabs, columns, depth], with a causal mask.
struct Case {
  int64_t slabs, rows, columns, depth, free;
};
enum Sink { kSum, kMax, kRows, kColumns };
constexpr const char* kNames[] = {"sum", "most", "rows", "columns"};

// What the printer writes, for the families in `scope`; of f32 or, as tensor cores take them, of 16 bits.
std::string text_of(const std::string& scope, const std::string& type = "float") {
  const std::string products =
      "  TnGemm<1, 1, 1, 1> p; p.a = a; p.b = b; p.out = 0; p.rows = rows; p.cols = columns; p.depth = depth;\n"
      "  p.row.extent[0] = rows; p.row.in[0] = depth; p.row.out[0] = 0;\n"
      "  p.col.extent[0] = columns; p.col.in[0] = depth; p.col.out[0] = 0;\n"
      "  p.batch.extent[0] = slabs; p.batch.in[0] = rows * depth; p.batch.out[0] = columns * depth; p.batch_out[0] = 0;\n"
      "  p.sum.extent[0] = depth; p.sum.in[0] = p.sum.out[0] = 1;\n"
      "  auto products = [&](tn_int slab, tn_int row, tn_int column, const " + scope + "TnSlices<float>& s, float (&x)[1][4][4]) {\n"
      "    " + scope + "tn_tile_product<" + type + ">(p, slab, row, column, s, x[0]);\n"
      "  };\n"
      "  tn_int at = 0;\n"
      "  auto row = [&](tn_int r) { at = r % rows; };\n"
      "  auto element = [&](tn_int column, const float* x) { return column <= at + 2 ? x[0] * " +
      (type == "float" ? "0.37f" : "0.5f") + " : -3.0f; };\n";
  const std::string slots = "(tn_int a, tn_int b, tn_int w, tn_int out, tn_int slabs, tn_int rows, tn_int columns, tn_int depth, "
                            "tn_int free, tn_int items) {\n" + products;
  std::string s;
  for (const char* fold : {"TnSum", "TnMax"})
    s += "TN_KERNEL " + std::string(kNames[fold == std::string("TnMax")]) + slots + "  " + scope + "tn_tile_reduce<" + fold +
         ", " + type + ", 1>(items, out, rows, columns, products, row, element);\n}\n";
  for (int over_rows : {0, 1}) {
    const std::string kept = over_rows ? "columns" : "rows", summed = over_rows ? "rows" : "columns";
    s += "TN_KERNEL " + kept + slots +
         "  TnGemm<1, 1, 1, 1> q; q.a = 0; q.b = w; q.out = out; q.cols = free; q.depth = " + summed + ";\n"
         "  q.row.extent[0] = " + kept + "; q.row.in[0] = 0; q.row.out[0] = free;\n"
         "  q.col.extent[0] = free; q.col.in[0] = q.col.out[0] = 1;\n"
         "  q.batch.extent[0] = slabs; q.batch.in[0] = 0; q.batch.out[0] = " + summed + " * free; q.batch_out[0] = " + kept + " * free;\n"
         "  q.sum.extent[0] = " + summed + "; q.sum.in[0] = 0; q.sum.out[0] = free;\n"
         "  " + scope + "tn_tile_times<" + (over_rows ? "true" : "false") + ", " + type + ", 1, 2>(items, rows, columns, q, products, row, element);\n}\n";
  }
  return s;
}

float both(Sink k, float a, float x) { return k == kSum ? a + x : x > a || x != x ? x : a; }
// docs/semantics.md 4.
float sum_run(Sink k, const std::vector<float>& x) {
  std::vector<float> chunks;
  for (size_t from = 0; from == 0 || from < x.size(); from += 16384) {
    float p[64];
    for (float& v : p) v = k == kSum ? 0.0f : -INFINITY;
    for (size_t i = from; i < std::min(x.size(), from + 16384); ++i) p[i % 64] = both(k, p[i % 64], x[i]);
    for (int h = 32; h >= 1; h /= 2)
      for (int j = 0; j < h; ++j) p[j] = both(k, p[j], p[j + h]);
    chunks.push_back(p[0]);
  }
  return chunks.size() == 1 ? chunks[0] : sum_run(k, chunks);
}
float chain(int64_t n, const std::function<float(int64_t)>& a, const std::function<float(int64_t)>& b) {
  float result = 0, r = 0;
  for (int64_t i = 0; i < n; ++i) {
    r = std::fma(a(i), b(i), r);
    if (i % 1024 == 1023 || i + 1 == n) {
      result = i < 1024 ? r : result + r;
      r = 0;
    }
  }
  return result;
}

// Whether the kernel gives the bits.
bool same(Gpu::Module& module, Sink sink, const Case& c) {
  auto make = [](int64_t n, unsigned seed) {
    auto b = Buffer::allocate(static_cast<size_t>(std::max<int64_t>(n, 1)) * 4);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<float*>(b->data())[i] = normal(random);
    return b;
  };
  const bool fold = sink == kSum || sink == kMax;
  const int64_t kept = sink == kColumns ? c.columns : c.rows, summed = sink == kColumns ? c.rows : c.columns;
  auto a = make(c.slabs * c.rows * c.depth, 1), b = make(c.slabs * c.columns * c.depth, 2), w = make(c.slabs * summed * c.free, 3);
  const int64_t count = c.slabs * kept * (fold ? 1 : c.free);
  auto out = Buffer::allocate(static_cast<size_t>(count) * 4, cudasim());
  auto on = [](const boost::intrusive_ptr<Buffer>& x) { return reinterpret_cast<int64_t>(x->on(cudasim())); };
  const int64_t items = c.slabs * ((kept + 63) / 64) * (fold ? 1 : (c.free + 127) / 128);
  if (items > 0) cudasim().launch(module.kernel(kNames[sink]), std::min<int64_t>(items, 2), 256, true,
                   std::vector<int64_t>{on(a), on(b), on(w), on(out), c.slabs, c.rows, c.columns, c.depth, c.free, items});
  const auto* got = reinterpret_cast<const float*>(out->data());
  const auto *pa = reinterpret_cast<const float*>(a->data()), *pb = reinterpret_cast<const float*>(b->data()),
             *pw = reinterpret_cast<const float*>(w->data());
  for (int64_t s = 0; s < c.slabs; ++s) {
    auto element = [&](int64_t row, int64_t column) {
      const float *x = pa + (s * c.rows + row) * c.depth, *y = pb + (s * c.columns + column) * c.depth;
      const float v = chain(c.depth, [&](int64_t i) { return x[i]; }, [&](int64_t i) { return y[i]; });
      return column <= row + 2 ? v * 0.37f : -3.0f;
    };
    for (int64_t r = 0; r < kept; ++r) {
      std::vector<float> line;
      for (int64_t i = 0; i < summed; ++i) line.push_back(sink == kColumns ? element(i, r) : element(r, i));
      if (fold) {
        if (got[s * kept + r] != sum_run(sink, line)) return false;
        continue;
      }
      for (int64_t e = 0; e < c.free; ++e)
        if (got[(s * kept + r) * c.free + e] != chain(summed, [&](int64_t i) { return line[static_cast<size_t>(i)]; },
                                                      [&](int64_t i) { return pw[(s * summed + i) * c.free + e]; }))
          return false;
    }
  }
  return true;
}

Gpu::Kernels kernels() {
  Gpu::Kernels k;
  for (const char* name : kNames) k[name] = 10;
  return k;
}

INSTANTIATE_TEST_SUITE_P(Threads, EveryOrder, testing::ValuesIn(kOrders));

TEST_P(EveryOrder, HasTheBitsOfItsParts) {
  auto module = cudasim().compile(text_of(""), kernels());
  for (const Case& c : {Case{2, 70, 67, 19, 9}, Case{1, 3, 130, 16, 70}, Case{3, 1, 1, 1, 1}, Case{1, 4, 0, 3, 2},
                        Case{1, 65, 64, 0, 130}, Case{1, 1, 16500, 2, 1}, Case{1, 1100, 2, 2, 1}})
    for (Sink sink : {kSum, kMax, kRows, kColumns})
      EXPECT_TRUE(same(*module, sink, c)) << kNames[sink] << " " << c.rows << " " << c.columns << " " << c.depth;
}

// The same of 16 bits, of small whole numbers: so every sum is exact, and tensor cores have its bits.
bool same_on_cores(Gpu::Module& module, DType t, Sink sink, const Case& c) {
  auto stored = [&](float v) {
    const auto b = std::bit_cast<uint32_t>(v);
    return t == DType::bf16 ? static_cast<uint16_t>((b + 0x7fffu + (b >> 16 & 1u)) >> 16) : std::bit_cast<uint16_t>(static_cast<_Float16>(v));
  };
  auto number = [&](uint16_t v) {
    return t == DType::bf16 ? std::bit_cast<float>(static_cast<uint32_t>(v) << 16) : static_cast<float>(std::bit_cast<_Float16>(v));
  };
  auto make = [&](int64_t n, unsigned seed) {
    auto b = Buffer::allocate(static_cast<size_t>(n) * 2);
    std::mt19937 random(seed);
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<uint16_t*>(b->data())[i] = stored(static_cast<float>(random() % 5) - 2.0f);
    return b;
  };
  const bool fold = sink == kSum || sink == kMax;
  const int64_t kept = sink == kColumns ? c.columns : c.rows, summed = sink == kColumns ? c.rows : c.columns;
  auto a = make(c.slabs * c.rows * c.depth, 1), b = make(c.slabs * c.columns * c.depth, 2), w = make(c.slabs * summed * c.free, 3);
  const int64_t count = c.slabs * kept * (fold ? 1 : c.free);
  auto out = Buffer::allocate(static_cast<size_t>(count) * 2, cudasim());
  auto on = [](const boost::intrusive_ptr<Buffer>& x) { return reinterpret_cast<int64_t>(x->on(cudasim())); };
  const int64_t items = c.slabs * ((kept + 63) / 64) * (fold ? 1 : (c.free + 127) / 128);
  cudasim().launch(module.kernel(kNames[sink]), std::min<int64_t>(items, 2), 256, true,
                   std::vector<int64_t>{on(a), on(b), on(w), on(out), c.slabs, c.rows, c.columns, c.depth, c.free, items});
  const auto* got = reinterpret_cast<const uint16_t*>(out->data());
  auto at = [&](const boost::intrusive_ptr<Buffer>& x, int64_t i) { return number(reinterpret_cast<const uint16_t*>(x->data())[i]); };
  for (int64_t s = 0; s < c.slabs; ++s) {
    std::vector<float> matrix(static_cast<size_t>(c.rows * c.columns));
    for (int64_t row = 0; row < c.rows; ++row)
      for (int64_t column = 0; column < c.columns; ++column) {
        float v = 0;
        for (int64_t k = 0; k < c.depth; ++k) v += at(a, (s * c.rows + row) * c.depth + k) * at(b, (s * c.columns + column) * c.depth + k);
        matrix[static_cast<size_t>(row * c.columns + column)] = column <= row + 2 ? number(stored(v)) * 0.5f : -3.0f;
      }
    for (int64_t r = 0; r < kept; ++r)
      for (int64_t e = 0; e < (fold ? 1 : c.free); ++e) {
        float v = sink == kMax ? -INFINITY : 0.0f;
        for (int64_t i = 0; i < summed; ++i) {
          const float x = matrix[static_cast<size_t>(sink == kColumns ? i * c.columns + r : r * c.columns + i)];
          v = fold ? both(sink, v, x) : v + x * at(w, (s * summed + i) * c.free + e);
        }
        if (got[(s * kept + r) * (fold ? 1 : c.free) + e] != stored(v)) return false;
      }
  }
  return true;
}

TEST_P(EveryOrder, OnTensorCoresWhatIsExactIsExact) {
  for (DType t : {DType::bf16, DType::f16}) {
    auto module = cudasim().compile(text_of("", t == DType::bf16 ? "TnBf16" : "TnF16"), kernels());
    // The third is too shallow for tensor cores, the fourth's rows are aligned to nothing.
    for (const Case& c : {Case{2, 70, 67, 40, 72}, Case{1, 16, 130, 16, 136}, Case{2, 20, 35, 9, 20}, Case{1, 33, 66, 35, 19}})
      for (Sink sink : {kSum, kMax, kRows, kColumns})
        EXPECT_TRUE(same_on_cores(*module, t, sink, c)) << kNames[sink] << " " << c.rows << " " << c.columns << " " << c.depth;
  }
}

// The families with one thing in them changed.
bool notices(const std::string& from, const std::string& to) {
  const std::string families = changed("// Matrices that are made by tiles", nullptr, from, to);
  auto module = cudasim().compile("namespace bad {\n" + families + "}\n" + text_of("bad::"), kernels());
  return noticed([&] {
    for (Sink sink : {kSum, kMax, kRows, kColumns})
      if (!same(*module, sink, {1, 70, 131, 40, 70})) return true;
    return false;
  });
}

TEST(PlantedBugs, NoneIsNoticedWhereNoneIs) { EXPECT_FALSE(notices("tn_sync();", "tn_sync();")); }
TEST(PlantedBugs, AMissingBarrierBehindTheSlices) {
  EXPECT_TRUE(notices("      s.b[k * line + m] = vb;\n    }\n    tn_sync();", "      s.b[k * line + m] = vb;\n    }\n"));
}
TEST(PlantedBugs, AMissingBarrierBehindTheTile) {
  EXPECT_TRUE(notices("tn_sync();  // the tile is there, too", ""));
}
TEST(PlantedBugs, AMissingBarrierBeforeTheFold) {
  EXPECT_TRUE(notices("= At::of(p, i, j);\n      tn_sync();", "= At::of(p, i, j);\n"));
}
TEST(PlantedBugs, AMissingBarrierBehindTheProduct) {
  EXPECT_TRUE(notices("At::of(r[w], i, j));\n            }\n          tn_sync();", "At::of(r[w], i, j));\n            }\n"));
}
TEST(PlantedBugs, AMaskThatIsLeftOut) { EXPECT_TRUE(notices("if (!there || column + At::column(j) >= columns)", "if (!there)")); }
TEST(PlantedBugs, ARowTooMany) { EXPECT_TRUE(notices("if (t < 64 && row + t < rows)", "if (t < 64 && row + t <= rows)")); }
TEST(PlantedBugs, AColumnTooMany) { EXPECT_TRUE(notices("if (col >= p.cols) continue;", "if (col > p.cols) continue;")); }
TEST(PlantedBugs, ATailThatIsRead) { EXPECT_TRUE(notices("if (k < summed && col < p.cols)", "if (k <= summed && col < p.cols)")); }
TEST(PlantedBugs, APartialThatIsLost) { EXPECT_TRUE(notices("K::template both<T>(At::of(p, i, j), v)", "v")); }

bool notices_on_cores(const std::string& from, const std::string& to) {
  const std::string families = changed("// Matrices that are made by tiles", nullptr, from, to);
  std::string text = "namespace bad {\n" + families + "}\n" + text_of("bad::", "TnBf16");
  for (const char* name : {"tn_tile_", "tn_order_"})  // TnBf16 would find the sound ones, too
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 4)) text.insert(at + 3, "bad_");
  auto module = cudasim().compile(text, kernels());
  return noticed([&] {
    for (Sink sink : {kSum, kRows, kColumns})
      if (!same_on_cores(*module, DType::bf16, sink, {1, 40, 70, 40, 70})) return true;
    return false;
  });
}
TEST(PlantedBugs, OnTensorCores) {
  EXPECT_FALSE(notices_on_cores("tn_copies_sent();", "tn_copies_sent();"));
  EXPECT_TRUE(notices_on_cores("tn_sync();  // the slices are there", ""));
  EXPECT_TRUE(notices_on_cores("tn_sync();  // both are there", ""));
  EXPECT_TRUE(notices_on_cores("tn_sync();  // before either changes", ""));
  EXPECT_TRUE(notices_on_cores("tn_copies_but<0>();\n    tn_sync();  // the slices", "tn_sync();  // the slices"));
  EXPECT_TRUE(notices_on_cores("if (all) visit(i, j, (T)0);", ""));
  EXPECT_TRUE(notices_on_cores("tn_thread() / 64 * 16, k, tn_lane()", "tn_thread() / 64 * 8, k, tn_lane()"));
  EXPECT_TRUE(notices_on_cores("2 * i + j % 2", "2 * (j % 2) + i"));
}

// What NVRTC makes of the families, where it is: no spills, on three generations.
TEST(Nvrtc, TilesCompileWithoutSpills) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  for (const auto& [arch, type] : {std::pair("sm_80", "float"), {"sm_90a", "float"}, {"sm_100", "float"}, {"sm_90a", "TnBf16"}}) {
    std::string log;
    EXPECT_GT(compile_cubin(text_of("", type), arch, &log).size(), 1000u);
    const std::vector<KernelUse> uses = uses_of(log);
    EXPECT_FALSE(uses.empty()) << log;
    for (const KernelUse& u : uses) EXPECT_EQ(u.spilled, 0) << arch << " " << u.name;
  }
}

}  // namespace
}  // namespace tenon::cuda
