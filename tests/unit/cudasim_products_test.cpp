// rooms: cuda loop kernels cuda_kernels runtime io ir support
// Matrix products, batched ones and convolutions on the emulated GPU: f32 to the CPU's bits, on tensor cores
// within the budget of docs/semantics.md 4, in every layout of the operands and every order of the threads.
// Planted bugs show that what is tested can fail.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "jit/cuda/gpu.h"
#include "jit/cuda/nodes.h"
#include "jit/cuda/nvrtc.h"
#include "jit/cuda/sim.h"
#include "jit/cuda/warpgroup.h"
#include "kernels/cuda/kernels.h"
#include "runtime/buffer.h"
#include "tests/unit/planted_bug.h"

namespace tenon::cuda {
namespace {

using List = std::vector<int64_t>;

float bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
uint16_t to_bf16(float v) {
  const auto b = std::bit_cast<uint32_t>(v);
  return static_cast<uint16_t>((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
}
float number(DType t, const std::byte* at, int64_t i) {
  if (t == DType::f32) return reinterpret_cast<const float*>(at)[i];
  const uint16_t v = reinterpret_cast<const uint16_t*>(at)[i];
  return t == DType::bf16 ? bf16(v) : static_cast<float>(std::bit_cast<_Float16>(v));
}
void put(DType t, std::byte* at, int64_t i, float v) {
  if (t == DType::f32) reinterpret_cast<float*>(at)[i] = v;
  else reinterpret_cast<uint16_t*>(at)[i] = t == DType::bf16 ? to_bf16(v) : std::bit_cast<uint16_t>(static_cast<_Float16>(v));
}

// A contraction of indices with these extents; the axes of a, b and the result name one index each, but an
// axis of a may name two, whose sum it is (a convolution).
struct Product {
  DType dtype;
  List range;
  std::vector<std::vector<uint8_t>> a;
  std::vector<uint8_t> b, out;
  // How the operands lie: the axes from the outermost to the innermost; empty: row-major.
  std::vector<size_t> a_lies = {}, b_lies = {};
  int64_t shift = 0;  // elements before the first: unaligned
};

class Bench final : private Stage {
 public:
  Bench(const Product& p, bool tensor_cores) : p_(p), cores_{tensor_cores, true} {
    auto spec = std::make_shared<ir::ContractSpec>();
    spec->range.resize(p.range.size());
    for (const auto& axis : p.a) {
      spec->a.emplace_back();
      for (uint8_t i : axis) spec->a.back().terms.push_back({i, 1});
    }
    for (uint8_t i : p.b) spec->b.push_back({{{i, 1}}, {}});
    spec->out = p.out;
    node_.op = ir::Op::contract;
    node_.dtypes = {p.dtype, p.dtype, p.dtype};
    node_.ranks = {static_cast<int>(p.a.size()), static_cast<int>(p.b.size()), static_cast<int>(p.out.size())};
    node_.spec = spec;
    instantiate(node_, cores_, instances_);
  }

  const std::string& text() const { return instances_.text; }
  std::string launched;  // the kernel of the product
  bool groups = false;   // the device has warpgroups
  std::string family;    // instead of kernels::cuda_warpgroups

  // The worst difference from the CPU's order, over the budget of each element; 0: the same bits.
  double run(const std::string& extra = "", const std::string& kernels = "") {
    module_ = cudasim().compile(extra + (kernels.empty() ? instances_.text : kernels), instances_.kernels);
    List a_shape, b_shape, out_shape, a_strides, b_strides;
    for (const auto& axis : p_.a) {
      int64_t n = 1;
      for (uint8_t i : axis) n += p_.range[i] - 1;
      a_shape.push_back(n);
    }
    for (uint8_t i : p_.b) b_shape.push_back(p_.range[i]);
    for (uint8_t i : p_.out) out_shape.push_back(p_.range[i]);
    a_ = make(a_shape, p_.a_lies, a_strides, 1);
    b_ = make(b_shape, p_.b_lies, b_strides, 2);
    const int64_t count = product(out_shape);
    const auto size = static_cast<int64_t>(size_of(p_.dtype));
    auto out = Buffer::allocate(static_cast<size_t>(count * size), cudasim());
    List slots{on(a_) + p_.shift * size};
    auto add = [&](const List& l) { slots.insert(slots.end(), l.begin(), l.end()); };
    add(a_shape);
    add(a_strides);
    slots.push_back(on(b_) + p_.shift * size);
    add(b_shape);
    add(b_strides);
    slots.push_back(reinterpret_cast<int64_t>(out->on(cudasim())));
    add(out_shape);
    add(p_.range);
    run_node(node_, slots.data(), *this);
    return compare(out->data(), a_strides, b_strides, out_shape);
  }

 private:
  static int64_t product(const List& l) {
    int64_t n = 1;
    for (int64_t v : l) n *= v;
    return n;
  }
  int64_t on(const boost::intrusive_ptr<Buffer>& b) const { return reinterpret_cast<int64_t>(b->on(cudasim())); }
  boost::intrusive_ptr<Buffer> make(const List& shape, std::vector<size_t> lies, List& strides, unsigned seed) const {
    if (lies.empty())
      for (size_t i = 0; i < shape.size(); ++i) lies.push_back(i);
    strides.resize(shape.size());
    int64_t n = 1;
    for (size_t i = lies.size(); i-- > 0;) {
      strides[lies[i]] = n;
      n *= shape[lies[i]];
    }
    auto b = Buffer::allocate(static_cast<size_t>(n + p_.shift) * size_of(p_.dtype));
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < n + p_.shift; ++i) put(p_.dtype, b->data(), i, normal(random));
    return b;
  }
  double compare(const std::byte* got, const List& sa, const List& sb, const List& shape) {
    List summed, at(p_.range.size());
    for (size_t i = 0; i < p_.range.size(); ++i)
      if (std::find(p_.out.begin(), p_.out.end(), i) == p_.out.end()) summed.push_back(static_cast<int64_t>(i));
    int64_t depth = 1;
    for (int64_t i : summed) depth *= p_.range[static_cast<size_t>(i)];
    double worst = 0;
    for (int64_t e = 0; e < product(shape); ++e) {
      int64_t rest = e;
      for (size_t k = p_.out.size(); k-- > 0;) {
        at[p_.out[k]] = rest % shape[k];
        rest /= shape[k];
      }
      float r = 0, result = 0;
      double weight = 0;
      for (int64_t k = 0; k < depth; ++k) {
        rest = k;
        for (size_t s = summed.size(); s-- > 0;) {
          const auto i = static_cast<size_t>(summed[s]);
          at[i] = rest % p_.range[i];
          rest /= p_.range[i];
        }
        int64_t ia = p_.shift, ib = p_.shift;
        for (size_t x = 0; x < p_.a.size(); ++x)
          for (uint8_t i : p_.a[x]) ia += at[i] * sa[x];
        for (size_t x = 0; x < p_.b.size(); ++x) ib += at[p_.b[x]] * sb[x];
        const float x = number(p_.dtype, a_->data(), ia), y = number(p_.dtype, b_->data(), ib);
        r = std::fma(x, y, r);
        weight += std::fabs(static_cast<double>(x) * y);
        if (k % 1024 == 1023 || k + 1 == depth) {
          result = k < 1024 ? r : result + r;
          r = 0;
        }
      }
      alignas(4) std::byte one[4] = {};
      put(p_.dtype, one, 0, result);
      const float wanted = number(p_.dtype, one, 0), is = number(p_.dtype, got, e);
      if (wanted == is) continue;
      if (!(launched.starts_with("tn_gemm_mma") || launched.starts_with("tn_gemm_group")) || is != is) return INFINITY;
      const bool tf32 = p_.dtype == DType::f32;
      const double last = p_.dtype == DType::bf16 ? 0x1p-7 : p_.dtype == DType::f16 ? 0x1p-10 : 0;
      const double budget = weight * (static_cast<double>(depth) * 0x1p-23 + (tf32 ? 0x1p-10 : 0)) + std::fabs(wanted) * last;
      worst = std::max(worst, std::fabs(static_cast<double>(is) - wanted) / budget);
    }
    return worst;
  }

  void launch(const std::string& kernel, int64_t items, int together, std::span<const int64_t> args) override {
    launched = kernel;
    cudasim().launch(module_->kernel(kernel), std::min<int64_t>(items, 3), together, together != 0, args);
  }
  int64_t scratch(int64_t) override { return 0; }
  bool warpgroups() const override { return groups; }
  int64_t multiprocessors() const override { return 2; }
  Gpu::MapWords map_of(const TensorMap& m) override { return cudasim().map_of(m); }
  void launch_late(const std::string& kernel, const std::function<std::string()>& text, size_t slots, int64_t blocks, int threads,
                   std::span<const int64_t> args, Extra extra) override {
    launched = kernel;
    std::string all = text();
    if (!family.empty()) all.replace(0, kernels::cuda_warpgroups().size(), family);
    late_ = cudasim().compile(all, {{kernel, slots}});
    cudasim().launch(late_->kernel(kernel), blocks, threads, true, args, extra);
  }
  bool tensor_cores(DType t) const override { return cores_.tensor_cores(t); }

  Product p_;
  Arithmetic cores_;
  loop::NodeInfo node_;
  Instances instances_;
  std::unique_ptr<Gpu::Module> module_, late_;
  boost::intrusive_ptr<Buffer> a_, b_;
};

constexpr DType kBf16 = DType::bf16, kF16 = DType::f16, kF32 = DType::f32;
Product plain(DType t, int64_t m, int64_t n, int64_t k) { return {t, {m, n, k}, {{0}, {2}}, {2, 1}, {0, 1}}; }

std::vector<Product> products() {
  std::vector<Product> all;
  for (DType t : {kBf16, kF16, kF32}) {
    all.push_back(plain(t, 72, 80, 40));   // two tiles each way, 16 bytes at a time
    all.push_back(plain(t, 67, 35, 19));   // nothing is a multiple of anything
    Product turned = plain(t, 64, 72, 48);
    turned.a_lies = turned.b_lies = {1, 0};
    all.push_back(turned);
    Product odd = plain(t, 24, 40, 33);
    odd.shift = 1;
    all.push_back(odd);
  }
  all.push_back({kBf16, {3, 20, 24, 32}, {{0}, {1}, {3}}, {0, 3, 2}, {0, 1, 2}});  // batched
  // An image [h, w, channels] by a kernel [3, 3, channels, outputs]: indices h, w, o, y, x, c.
  all.push_back({kBf16, {6, 9, 16, 3, 3, 8}, {{0, 3}, {1, 4}, {5}}, {3, 4, 5, 2}, {0, 1, 2}});
  all.push_back({kF32, {6, 9, 16, 3, 3, 8}, {{0, 3}, {1, 4}, {5}}, {3, 4, 5, 2}, {0, 1, 2}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Threads, EveryOrder, testing::ValuesIn(kOrders));

TEST_P(EveryOrder, OnTensorCoresWithinTheBudget) {
  double worst = 0;
  for (const Product& p : products()) {
    Bench b(p, true);
    const double r = b.run();
    EXPECT_TRUE(b.launched.starts_with("tn_gemm_mma")) << b.launched;
    EXPECT_LE(r, 1) << b.launched;
    worst = std::max(worst, r);
  }
  EXPECT_GT(worst, 0.01);  // the emulated cores do not round as the CPU does
}

// The same on warpgroups, in every layout; what they cannot take stays with mma.sync.
std::vector<Product> wide_products() {
  std::vector<Product> all;
  for (int lies : {0, 1, 2, 3}) {
    Product p = plain(lies % 2 ? kBf16 : kF16, 136, lies == 3 ? 272 : 144, lies == 3 ? 328 : 72);
    if (lies & 1) p.a_lies = {1, 0};
    if (lies & 2) p.b_lies = {1, 0};
    all.push_back(p);
  }
  all.push_back({kBf16, {2, 128, 128, 64}, {{0}, {1}, {3}}, {0, 3, 2}, {0, 1, 2}});                       // batched
  all.push_back({kBf16, {2, 2, 128, 136, 64}, {{0}, {2}, {1}, {4}}, {0, 3, 1, 4}, {0, 2, 1, 3}});           // heads within rows
  all.push_back({kF16, {2, 64, 130, 64}, {{0}, {1}, {3}}, {3, 2}, {2, 0, 1}, {}, {1, 0}});                  // two indices are the rows; turned
  return all;
}
TEST_P(EveryOrder, OnWarpgroupsWithinTheBudget) {
  for (const Product& p : wide_products()) {
    Bench b(p, true);
    b.groups = true;
    EXPECT_LE(b.run(), 1) << b.launched;
    EXPECT_TRUE(b.launched.starts_with("tn_gemm_group")) << b.launched;
  }
}
TEST(Products, WhatWarpgroupsCannotTakeIsLeftToOthers) {
  auto launched = [](const Product& p) {
    Bench b(p, true);
    b.groups = true;
    EXPECT_LE(b.run(), 1) << b.launched;
    return b.launched;
  };
  Product odd = plain(kBf16, 128, 128, 64);
  odd.shift = 1;
  for (const Product& p : {plain(kBf16, 120, 128, 64), plain(kBf16, 128, 128, 56), plain(kBf16, 128, 128, 68), odd})
    EXPECT_TRUE(launched(p).starts_with("tn_gemm_mma"));
}

TEST_P(EveryOrder, WithoutThemToTheBit) {
  for (const Product& p : products()) {
    Bench b(p, false);
    EXPECT_EQ(b.run(), 0) << b.launched;
    EXPECT_TRUE(b.launched.starts_with("tn_gemm_") && !b.launched.starts_with("tn_gemm_mma")) << b.launched;
  }
}

TEST(Products, TooSmallForTensorCoresHaveTheBits) {
  Bench b(plain(kBf16, 15, 64, 64), true);
  EXPECT_EQ(b.run(), 0);
  EXPECT_FALSE(b.launched.starts_with("tn_gemm_mma"));
}

// The families with one thing in them changed, beside the sound ones.
bool notices(const std::string& from, const std::string& to, Product p = plain(kBf16, 72, 80, 72)) {
  std::string families = changed("// One slice of an operand for a tile", "// Matrices that are made by tiles", from, to);
  auto renamed = [](std::string s) {
    for (const char* name : {"tn_fetch", "tn_gemm_mma"})
      for (size_t i = s.find(std::string(name) + (std::string(name) == "tn_fetch" ? "(" : "<")), n = std::string(name).size();
           i != std::string::npos; i = s.find(name, i + n + 4))
        if (!std::isalnum(static_cast<unsigned char>(s[i + n])) && s[i + n] != '_') s.replace(i, n, std::string(name) + "_bad");
    return s;
  };
  for (const char* name : {"tn_fetch(", "tn_gemm_mma("})
    for (size_t i = families.find(name); i != std::string::npos; i = families.find(name, i + 12))
      families.replace(i, std::string(name).size(), std::string(name, std::string(name).size() - 1) + "_bad(");
  Bench b(p, true);
  return noticed([&] { return !(b.run(families, renamed(b.text())) <= 1); });
}

TEST(PlantedBugs, NoneIsNoticedWhereNoneIs) { EXPECT_FALSE(notices("tn_sync();", "tn_sync();")); }
TEST(PlantedBugs, AMissingWait) { EXPECT_TRUE(notices("tn_copies_but<1>();", "tn_copies_but<2>();")); }
TEST(PlantedBugs, AMissingBarrierBehindTheWait) {
  EXPECT_TRUE(notices("        tn_copies_but<0>();\n      }\n      tn_sync();", "        tn_copies_but<0>();\n      }\n"));
}
TEST(PlantedBugs, AMissingBarrierBeforeTheNextSlice) {
  EXPECT_TRUE(notices("x[i], y[j / 2] + j % 2 * 2, S());\n      }\n      tn_sync();",
                      "x[i], y[j / 2] + j % 2 * 2, S());\n      }\n", plain(kBf16, 72, 80, 200)));
}
TEST(PlantedBugs, AWrongMask) { EXPECT_TRUE(notices("m < left && k0 + k < depth;", "m < left && k0 + k <= depth;")); }
TEST(PlantedBugs, AMaskThatIsLeftOut) { EXPECT_TRUE(notices("if (row + m < p.rows)", "")); }
TEST(PlantedBugs, AnEndOfTheColumnsThatIsLeftOut) { EXPECT_TRUE(notices("p.cols - col - n, sum", "2, sum")); }
TEST(PlantedBugs, AFragmentOfTheWrongRows) { EXPECT_TRUE(notices("wm + 16 * i, k, lane", "wm + 8 * i, k, lane")); }
TEST(PlantedBugs, TensorCoresInABranch) {
  EXPECT_TRUE(notices("for (int j = 0; j < 4; ++j) tn_mma", "for (int j = 0; j < 4; ++j) if (lane < 31) tn_mma"));
}

// The family of warpgroups with one thing in it changed; five slices go once round the ring.
bool group_notices(const std::string& from, const std::string& to) {
  std::string family(kernels::cuda_warpgroups());
  const size_t at = family.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  Bench b(plain(kBf16, 136, 136, 320), true);
  b.groups = true;
  b.family = family.replace(at, from.size(), to);
  return noticed([&] { return !(b.run() <= 1); });
}
TEST(PlantedBugs, InTheRingOfWarpgroups) {
  EXPECT_FALSE(group_notices("tn_sync();", "tn_sync();"));
  EXPECT_TRUE(group_notices("tn_barrier_wait(full + it % stages, it / stages % 2);", ""));
  EXPECT_TRUE(group_notices("tn_barrier_wait(empty + it % stages, it / stages % 2 ^ 1);", ""));
  EXPECT_TRUE(group_notices("tn_barrier_init(empty + s, 8)", "tn_barrier_init(empty + s, 4)"));
  EXPECT_TRUE(group_notices("(it + stages - 1) % stages);\n    }", "it % stages);\n    }"));  // before it has been read
  EXPECT_TRUE(group_notices("tn_group_but<0>();", "tn_group_but<1>();"));
  EXPECT_TRUE(group_notices("k + i > 0", "i > 0"));
  EXPECT_TRUE(group_notices("if (row + 8 * h >= p.rows) continue;", ""));
  EXPECT_TRUE(group_notices("c + 1 < left) {", "c < left + 1) {"));
  EXPECT_TRUE(group_notices("(group - 1) * 64", "0 * 64"));
}

// What NVRTC makes of the families, where it is: no spills, on three generations.
TEST(Nvrtc, WarpgroupsCompileWithoutSpills) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  std::string text(kernels::cuda_warpgroups());
  text += group_kernel("small", kF16, 0, 128) + group_kernel("large", kBf16, 14, 256);  // seconds each
  std::string log;
  compile_cubin(text, "sm_90a", &log);
  const std::vector<KernelUse> uses = uses_of(log);
  EXPECT_EQ(uses.size(), 2u);
  for (const KernelUse& u : uses) {
    EXPECT_EQ(u.spilled, 0) << u.name;
    EXPECT_LE(u.registers, 168) << u.name;
  }
  EXPECT_EQ(log.find("erializ"), std::string::npos) << log;
  compile_cubin(text, "sm_100", &log);  // where they are nothing
}
TEST(Nvrtc, ProductsCompileWithoutSpills) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  for (const char* arch : {"sm_80", "sm_90a", "sm_100"}) {
    std::string text;
    for (DType t : {kBf16, kF32}) text += Bench(plain(t, 64, 64, 64), true).text();
    std::string log;
    EXPECT_GT(compile_cubin(text, arch, &log).size(), 1000u);
    for (size_t at = log.find(" bytes spill stores"); at != std::string::npos; at = log.find(" bytes spill stores", at + 1))
      EXPECT_EQ(log.substr(at - 2, 2), " 0") << arch << "\n" << log;
  }
}

}  // namespace
}  // namespace tenon::cuda
