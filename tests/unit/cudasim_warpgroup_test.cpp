// rooms: cuda kernels cuda_kernels runtime io ir support
// What warpgroups have on the emulated GPU: mbarriers, boxes that TMA brings and products of shared memory
// (kernels/cuda/warpgroup.cuh), each sound in every order of the threads, and each wrong use noticed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "jit/cuda/gpu.h"
#include "jit/cuda/nvrtc.h"
#include "jit/cuda/sim.h"
#include "kernels/cuda/kernels.h"
#include "runtime/buffer.h"
#include "tests/unit/planted_bug.h"

namespace tenon::cuda {
namespace {

using Ints = std::vector<int64_t>;

std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}
std::string fault(const std::function<void()>& run) {
  try {
    run();
  } catch (const SimFault& f) {
    return f.what();
  }
  return "";
}
bool says(const std::string& what, const std::string& words) { return what.find(words) != std::string::npos; }

// ---------------------------------------------------------------- mbarriers

// Thread 0 makes numbers in a ring of two places, the warp behind adds them up.
constexpr const char* kRing = R"(
TN_KERNEL ring(tn_int out, tn_int n) {
  TN_SHARED(TnBarrier, full, 2);
  TN_SHARED(TnBarrier, empty, 2);
  TN_SHARED(tn_int, place, 2);
  const int t = tn_thread();
  if (t == 0) {
    for (int i = 0; i < 2; ++i) {
      tn_barrier_init(full + i, 1);
      tn_barrier_init(empty + i, 32);
    }
    tn_barriers_shown();
  }
  tn_sync();
  if (t == 0)
    for (int i = 0; i < n; ++i) {
      tn_barrier_wait(empty + i % 2, i / 2 % 2 ^ 1);
      place[i % 2] = i + 1;
      tn_barrier_arrive(full + i % 2);
    }
  if (t >= 32) {
    tn_int sum = 0;
    for (int i = 0; i < n; ++i) {
      tn_barrier_wait(full + i % 2, i / 2 % 2);
      sum += place[i % 2];
      tn_barrier_arrive(empty + i % 2);
    }
    tn_store<tn_int>(out, t - 32, sum);
  }
}
)";
bool ring_is_wrong(const std::string& text) {
  Gpu& g = cudasim();
  auto out = Buffer::allocate(32 * 8, g);
  auto module = g.compile(std::string(kernels::cuda_warpgroups()) + text, {{"ring", 2}});
  g.launch(module->kernel("ring"), 2, 64, true, Ints{reinterpret_cast<int64_t>(out->on(g)), 9});
  const auto* got = reinterpret_cast<const int64_t*>(out->data());
  return std::any_of(got, got + 32, [](int64_t v) { return v != 45; });
}

INSTANTIATE_TEST_SUITE_P(Threads, EveryOrder, testing::ValuesIn(kOrders));

TEST_P(EveryOrder, BarriersHandOnARing) { EXPECT_FALSE(ring_is_wrong(kRing)); }

TEST(Barriers, AWrongParityIsNoticed) {
  EXPECT_TRUE(noticed([] { return ring_is_wrong(with(kRing, "(full + i % 2, i / 2 % 2)", "(full + i % 2, i / 2 % 2 ^ 1)")); }));
  EXPECT_TRUE(noticed([] { return ring_is_wrong(with(kRing, "i / 2 % 2 ^ 1", "i / 2 % 2")); }));
}
TEST(Barriers, AMissingWaitIsNoticed) {
  EXPECT_TRUE(noticed([] { return ring_is_wrong(with(kRing, "tn_barrier_wait(empty + i % 2, i / 2 % 2 ^ 1);", "")); }));
}
TEST(Barriers, ADeadlockTellsWhatIsMissing) {
  const std::string what = fault([] { ring_is_wrong(with(kRing, "tn_barrier_init(empty + i, 32)", "tn_barrier_init(empty + i, 33)")); });
  EXPECT_TRUE(says(what, "thread 0 at an mbarrier (1 arrivals and 0 bytes are missing)")) << what;
  EXPECT_TRUE(says(what, "threads 32 to 63 at an mbarrier")) << what;
}
TEST(Barriers, BytesThatNeverComeAreTold) {
  const std::string what = fault([] { ring_is_wrong(with(kRing, "tn_barrier_arrive(full + i % 2)", "tn_barrier_expect(full + i % 2, 64)")); });
  EXPECT_TRUE(says(what, "0 arrivals and 64 bytes are missing")) << what;
  const std::string last = with(kRing, "tn_barrier_arrive(empty + i % 2);", "if (t == 40 && i == n - 1) tn_barrier_expect(empty, 8); else tn_barrier_arrive(empty + i % 2);");
  EXPECT_TRUE(says(fault([&] { ring_is_wrong(last); }), "expects 8 bytes"));
}
TEST(Barriers, WrongUsesAreTold) {
  auto told = [](const char* from, const char* to) { return fault([&] { ring_is_wrong(with(kRing, from, to)); }); };
  EXPECT_TRUE(says(told("tn_barrier_init(full + i, 1);", ""), "never made"));
  EXPECT_TRUE(says(told("tn_barrier_init(full + i, 1);", "tn_barrier_init(full, 1);"), "made again"));
  EXPECT_TRUE(says(told("place[i % 2] = i + 1;", "place[i % 2] = i + 1; full[i % 2] = 0;"), "written over"));
}

// ---------------------------------------------------------------- boxes and products

// One warpgroup: a[64 rows, 64] and b[128 columns, 64] or, lying down, a[64, 64 rows] and b[64, 128 columns].
std::string product(int kind) {
  const bool a_down = kind & 2, b_down = kind & 4;
  const std::string k = std::to_string(kind);
  return std::string(R"(
TN_KERNEL_OF(128) one(TN_MAP(a), TN_MAP(b), tn_int out) {
  TN_MAP_IS(a);
  TN_MAP_IS(b);
  TN_SHARED(TnBarrier, full, 1);
  char* const pa = tn_dynamic();
  char* const pb = pa + 8192;
  const int t = tn_thread(), lane = t % 32;
  if (t == 0) {
    tn_barrier_init(full, 1);
    tn_barriers_shown();
  }
  tn_sync();
  if (t == 0) {
    tn_barrier_expect(full, 24576);
    tn_fetch_box(pa, a, full, 0, 0, 1, 0);
    tn_fetch_box(pb, b, full, 0, 0, 1, 0);
)") + (b_down ? "    tn_fetch_box(pb + 8192, b, full, 64, 0, 1, 0);\n" : "") + R"(  }
  tn_barrier_wait(full, 0);
  float d[64];
  tn_group_fence();
  for (int k = 0; k < 64; k += 16)
    tn_group_multiply<128, )" + k + R"(>(d, tn_operand(pa + k * )" + (a_down ? "128" : "2") + ", 8192, 1024), tn_operand(pb + k * " +
         (b_down ? "128" : "2") + R"(, 8192, 1024), k > 0);
  tn_group_sent();
  tn_group_but<0>();
  for (int i = 0; i < 64; ++i)
    tn_store<float>(out, (t / 32 * 16 + lane / 4 + i / 2 % 2 * 8) * 128 + i / 4 * 8 + lane % 4 * 2 + i % 2, d[i]);
}
)";
}
float number(bool bf16, uint16_t bits) {
  return bf16 ? std::bit_cast<float>(static_cast<uint32_t>(bits) << 16) : static_cast<float>(std::bit_cast<_Float16>(bits));
}

// Of a second slab of tensors with fewer rows, columns and depth than the boxes have.
bool product_is_wrong(const std::string& text, int kind, int64_t depth = 56, int64_t rows = 56, int64_t columns = 120) {
  Gpu& g = cudasim();
  const bool bf16 = kind & 8, a_down = kind & 2, b_down = kind & 4;
  std::mt19937 random(7);
  auto tensor = [&](int64_t n) {
    auto b = Buffer::allocate(static_cast<size_t>(2 * n));
    for (int64_t i = 0; i < n; ++i) {
      const float v = std::normal_distribution<float>()(random);
      reinterpret_cast<uint16_t*>(b->data())[i] =
          bf16 ? static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16) : std::bit_cast<uint16_t>(static_cast<_Float16>(v));
    }
    return b;
  };
  auto a = tensor(2 * rows * depth), b = tensor(2 * columns * depth);
  auto map = [&](const boost::intrusive_ptr<Buffer>& x, bool down, int64_t lines, int box) {
    TensorMap m{reinterpret_cast<int64_t>(x->on(g)), bf16};
    m.extent[0] = down ? lines : depth;
    m.extent[1] = down ? depth : lines;
    m.extent[2] = 2;
    m.stride[0] = 2 * m.extent[0];
    m.stride[1] = m.stride[2] = 2 * lines * depth;
    m.box[1] = down ? 64 : box;
    const Gpu::MapWords words = g.map_of(m);
    return Ints(words.begin(), words.end());
  };
  auto out = Buffer::allocate(64 * 128 * 4, g);
  Ints args = map(a, a_down, rows, 64);
  const Ints more = map(b, b_down, columns, 128);
  args.insert(args.end(), more.begin(), more.end());
  args.push_back(reinterpret_cast<int64_t>(out->on(g)));
  auto module = g.compile(std::string(kernels::cuda_warpgroups()) + text, {{"one", 33}});
  g.launch(module->kernel("one"), 1, 128, true, args, {25 << 10, 2});
  const auto* got = reinterpret_cast<const float*>(out->data());
  const auto *pa = reinterpret_cast<const uint16_t*>(a->data()) + rows * depth, *pb = reinterpret_cast<const uint16_t*>(b->data()) + columns * depth;
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t j = 0; j < 128; ++j) {
      double sum = 0, weight = 0;
      for (int64_t k = 0; k < depth && i < rows && j < columns; ++k) {
        const double x = static_cast<double>(number(bf16, pa[a_down ? k * rows + i : i * depth + k])) *
                         static_cast<double>(number(bf16, pb[b_down ? k * columns + j : j * depth + k]));
        sum += x;
        weight += std::fabs(x);
      }
      if (!(std::fabs(static_cast<double>(got[i * 128 + j]) - sum) <= weight * 64 * 0x1p-23)) return true;
    }
  return false;
}

TEST_P(EveryOrder, BoxesAndProductsInEveryLayout) {
  for (int kind : {8, 10, 12, 14, 0, 6}) EXPECT_FALSE(product_is_wrong(product(kind), kind)) << kind;
}

std::string told(const std::string& from, const std::string& to, int kind = 8) {
  return fault([&] { product_is_wrong(with(product(kind), from, to), kind); });
}
bool bad(const std::string& from, const std::string& to, int kind = 8) {
  return noticed([&] { return product_is_wrong(with(product(kind), from, to), kind); });
}

TEST(Boxes, WhatIsNotWaitedForIsNotThere) { EXPECT_TRUE(bad("tn_barrier_wait(full, 0);", "")); }
TEST(Boxes, MoreBytesThanCome) {
  EXPECT_TRUE(says(told("24576", "24592"), "0 arrivals and 16 bytes are missing"));
  EXPECT_TRUE(bad("24576", "8192"));
}
TEST(Boxes, WrongUsesAreTold) {
  EXPECT_TRUE(says(told("tn_barriers_shown();", ""), "not shown to TMA"));
  EXPECT_TRUE(says(told("tn_fetch_box(pa, a", "tn_fetch_box(pa + 64, a"), "not aligned to 128 bytes"));
  EXPECT_TRUE(says(told("tn_fetch_box(pb, b", "tn_fetch_box(pb + 8192, b"), "where no shared memory is"));
  EXPECT_TRUE(says(told("tn_barrier_wait(full, 0);", "return;"), "on their way"));
}
TEST(Boxes, MapsThatNoDriverTakesAreRefused) {
  auto told = [](auto change) {
    TensorMap m{4096, true};
    change(m);
    return fault([&] { cudasim().map_of(m); });
  };
  EXPECT_EQ(told([](TensorMap&) {}), "");
  EXPECT_TRUE(says(told([](TensorMap& m) { m.address = 4104; }), "multiple of 16"));
  EXPECT_TRUE(says(told([](TensorMap& m) { m.stride[0] = 24; }), "a step of 24 bytes"));
  EXPECT_TRUE(says(told([](TensorMap& m) { m.box[1] = 257; }), "a box of 257"));
  EXPECT_TRUE(says(told([](TensorMap& m) { m.extent[3] = 0; }), "an extent of 0"));
}
TEST(Products, AccumulatorsAreHiddenUntilTheyAreWaitedFor) {
  EXPECT_TRUE(bad("tn_group_but<0>();\n", "tn_group_but<1>();\n"));
  EXPECT_TRUE(says(told("  tn_group_but<0>();\n", "  d[5] = 1.0f;\n  tn_group_but<0>();\n"), "are written while"));
}
TEST(Products, WrongUsesAreTold) {
  EXPECT_TRUE(says(told("tn_group_fence();", ""), "no fence"));
  EXPECT_TRUE(says(told("tn_group_sent();", ""), "never waited"));
  EXPECT_TRUE(says(told("tn_operand(pb +", "tn_operand(pb + 256 +"), "begins inside of eight lines"));
  EXPECT_TRUE(says(told("tn_operand(pb +", "tn_operand(pb + 8192 +"), "behind shared memory"));
  EXPECT_TRUE(says(told("tn_operand(pa + k", "tn_operand(pa + t % 2 * 16 + k"), "something else than thread 0"));
  EXPECT_TRUE(says(told("tn_operand(pa + k", "tn_operand(pa + t / 64 * 16 + k"), "the threads of a warpgroup multiply different things"));
  EXPECT_TRUE(says(told("for (int k = 0; k < 64", "if (t < 120) for (int k = 0; k < 64"), "different operations"));
}
TEST(Products, AWrongOperandGivesWrongNumbers) {
  EXPECT_TRUE(bad("tn_operand(pa + k * 2, 8192, 1024)", "tn_operand(pa + k * 2, 8192, 2048)"));
  EXPECT_TRUE(bad("tn_operand(pa + k * 2", "tn_operand(pa + k"));
  EXPECT_TRUE(bad("tn_operand(pb + k * 128, 8192", "tn_operand(pb + k * 128, 4096", 12));
  EXPECT_TRUE(bad("tn_group_multiply<128, 8>", "tn_group_multiply<128, 10>"));
  EXPECT_TRUE(bad("k > 0", "true"));
}

// What NVRTC makes of it, where it is; on other architectures it is nothing.
TEST(Nvrtc, WarpgroupsCompileWithoutSpills) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  std::string text(kernels::cuda_warpgroups());
  for (int kind : {0, 2, 4, 6, 8, 10, 12, 14}) text += with(product(kind), " one(", " one" + std::to_string(kind) + "(");
  for (const char* arch : {"sm_80", "sm_90a", "sm_100"}) {
    std::string log;
    EXPECT_GT(compile_cubin(text, arch, &log).size(), 1000u);
    const std::vector<KernelUse> uses = uses_of(log);
    EXPECT_EQ(uses.size(), 8u);
    for (const KernelUse& u : uses) EXPECT_EQ(u.spilled, 0) << arch << "\n" << log;
    EXPECT_EQ(log.find("erializ"), std::string::npos) << log;  // products that ptxas could not leave under way
  }
}

}  // namespace
}  // namespace tenon::cuda
