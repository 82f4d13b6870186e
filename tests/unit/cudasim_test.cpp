// rooms: cuda loop kernels cuda_kernels runtime io ir support
// The emulator must find what is wrong with a kernel: each planted bug here has to be caught. The sound
// kernel beside it shows that the test could fail. NVRTC, where it is installed, compiles the same texts.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include "jit/cuda/gpu.h"
#include "jit/cuda/nvrtc.h"
#include "jit/cuda/print.h"
#include "jit/cuda/sim.h"
#include "runtime/buffer.h"

namespace tenon::cuda {
namespace {

using Buffers = std::vector<boost::intrusive_ptr<Buffer>>;

// The sum of 64 numbers by a tree in shared memory; BARRIER is where a barrier belongs.
std::string tree(const std::string& barrier, int last = 64) {
  return R"(
TN_KERNEL tree(tn_int x, tn_int out) {
  TN_SHARED(float, p, 64);
  const int t = tn_thread();
  p[t] = t < )" + std::to_string(last) + R"( ? tn_load<float>(x, t) : 0.0f;
  tn_sync();
  for (int h = 32; h >= 1; h /= 2) {
    if (t < h) p[t] = p[t] + p[t + h];
    )" + barrier + R"(
  }
  if (t == 0) tn_store<float>(out, 0, p[0]);
}
)";
}

float run_tree(const std::string& text) {
  Gpu& g = cudasim();
  float x[64], out = -1;
  for (int i = 0; i < 64; ++i) x[i] = static_cast<float>(i + 1);
  auto in = Buffer::allocate(sizeof x, g), to = Buffer::allocate(sizeof out, g);
  g.copy_in(in->on(g), x, sizeof x);
  auto module = g.compile(text, {{"tree", 2}});
  const int64_t args[] = {reinterpret_cast<int64_t>(in->on(g)), reinterpret_cast<int64_t>(to->on(g))};
  g.launch(module->kernel("tree"), 1, 64, true, args);
  g.copy_out(&out, to->on(g), sizeof out);
  return out;
}

TEST(Cudasim, RunsASoundKernel) { EXPECT_EQ(run_tree(tree("tn_sync();")), 2080.0f); }

TEST(Cudasim, AMissingBarrierGivesAnotherSum) { EXPECT_NE(run_tree(tree("")), 2080.0f); }

TEST(Cudasim, AWrongMaskGivesAnotherSum) { EXPECT_NE(run_tree(tree("tn_sync();", 63)), 2080.0f); }

TEST(Cudasim, SharedMemoryIsPoisoned) {
  const float sum = run_tree(R"(
TN_KERNEL tree(tn_int x, tn_int out) {
  TN_SHARED(float, p, 65);
  p[tn_thread()] = tn_load<float>(x, tn_thread());
  tn_sync();
  if (tn_thread() == 0) tn_store<float>(out, 0, p[0] + p[64]);
}
)");
  EXPECT_TRUE(sum != sum);
}

// The host goes on while the device works; what it may not do before the device is done, the emulator shows.
struct Losing {
  explicit Losing(Lost which) { lose_waits(which); }
  ~Losing() {
    cudasim().wait();
    lose_waits(Lost::none);
  }
};
bool arrives_whole(Lost which) {
  Gpu& g = cudasim();
  std::vector<int> x(5 << 20), back(x.size());  // 20 MiB, through two halves of 4
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int>(i);
  auto on = Buffer::allocate(x.size() * 4, g);
  std::byte* const there = on->on(g);
  {
    const Losing losing(which);
    g.copy_in(there, x.data(), x.size() * 4);
  }
  g.copy_out(back.data(), there, back.size() * 4);
  return back == x;
}
TEST(Cudasim, CopiesAreWhole) { EXPECT_TRUE(arrives_whole(Lost::none)); }
TEST(Cudasim, StagingMemoryThatIsWrittenTooEarlyIsSeen) { EXPECT_FALSE(arrives_whole(Lost::staging)); }
TEST(Cudasim, AResultThatNobodyWaitsForIsNotThere) {
  Gpu& g = cudasim();
  auto x = Buffer::allocate(4096, g);
  std::byte* const there = x->on(g);
  int one = 1, back[1024] = {};
  const Losing losing(Lost::result);
  g.copy_in(there, &one, 4);
  g.copy_out(back, there, 4096);
  EXPECT_EQ(back[0], 0);
  g.wait();
  EXPECT_EQ(back[0], 1);
}

std::string fault(const std::string& text) {
  try {
    run_tree(text);
  } catch (const SimFault& f) {
    return f.what();
  }
  return "";
}
std::string kernel(const std::string& body) {
  return "TN_KERNEL tree(tn_int x, tn_int out) { const int t = tn_thread(); " + body + " }\n";
}

TEST(Cudasim, AnAccessBehindTheEndIsFound) {
  EXPECT_NE(fault(kernel("tn_store<float>(out, 0, tn_load<float>(x, t + 1));")).find("at byte 256 of an allocation of 256"),
            std::string::npos);
  EXPECT_NE(fault(kernel("tn_store<float>(out, t - 1, 0.0f);")).find("outside all allocations"), std::string::npos);
}

TEST(Cudasim, AnUnalignedAccessIsFound) {
  EXPECT_NE(fault(kernel("tn_store<float>(out, 0, tn_load<float>(x + 2, 0));")).find("not aligned"), std::string::npos);
}

TEST(Cudasim, ADeadlockNamesWhoWaits) {
  const std::string what = fault(kernel("if (t == 3) tn_from_lane(1.0f, 1); else if (t < 32) tn_sync();"));
  EXPECT_NE(what.find("deadlock"), std::string::npos) << what;
  EXPECT_NE(what.find("thread 3 at an exchange"), std::string::npos) << what;
}

TEST(Cudasim, ALaunchThatNoGpuTakesIsRefused) {
  Gpu& g = cudasim();
  auto module = g.compile(kernel(""), {{"tree", 2}});
  const int64_t args[] = {0, 0};
  g.launch(module->kernel("tree"), 1, 2048, true, args);
  EXPECT_THROW(g.wait(), SimFault);
}

TEST(Cudasim, AWriteBehindSharedMemoryIsFound) {
  const std::string body = "TN_SHARED(float, p, 64); p[t + 1] = 0.0f; tn_sync();";
  EXPECT_NE(fault(kernel(body)).find("behind its shared memory"), std::string::npos);
}

TEST(Cudasim, AnAsynchronousCopyNeedsAWait) {
  auto text = [](const std::string& wait) {
    return "TN_KERNEL tree(tn_int x, tn_int out) { TN_SHARED(float, p, 64); const int t = tn_thread();"
           "  if (t < 16) tn_copy_async(p + 4 * t, x, 4 * t, true);"
           "  tn_copies_sent(); " + wait + " tn_sync(); if (t == 0) tn_store<float>(out, 0, p[1] + p[62]); }\n";
  };
  EXPECT_EQ(run_tree(text("tn_copies_but<0>();")), 2.0f + 63.0f);
  EXPECT_NE(run_tree(text("tn_copies_but<1>();")), 2.0f + 63.0f);
  EXPECT_NE(fault("TN_KERNEL tree(tn_int x, tn_int out) { TN_SHARED(float, p, 64);"
                  "  tn_copy_async(p + 1, x, 0, true); tn_copies_sent(); tn_copies_but<0>(); }\n")
                .find("not aligned"),
            std::string::npos);
}

// ---- the queue: in order, handed over late, replayed as a graph with what is new in it

constexpr const char* kAdd = R"(
TN_KERNEL add(tn_int x, tn_int amount) {
  if (tn_thread() == 0) tn_store<tn_int>(x, 0, tn_load<tn_int>(x, 0) * 3 + amount);
}
)";

TEST(Queue, ReplaysSequencesWithNewArguments) {
  Gpu& g = cudasim();
  auto module = g.compile(kAdd, {{"add", 2}});
  auto x = Buffer::allocate(8, g);
  const int64_t zero = 0;
  g.copy_in(x->on(g), &zero, 8);
  int64_t wanted = 0;
  const Gpu::Stats before = g.stats();
  for (int64_t step = 0; step < 6; ++step) {
    for (int64_t k = 0; k < 4; ++k) {
      const int64_t args[] = {reinterpret_cast<int64_t>(x->on(g)), k == 2 ? step : k};
      g.launch(module->kernel("add"), 1, 32, false, args);
      wanted = wanted * 3 + args[1];
    }
    int64_t got = 0;
    g.copy_out(&got, x->on(g), 8);
    EXPECT_EQ(got, wanted) << step;
  }
  EXPECT_EQ(g.stats().batches - before.batches, 6);
  EXPECT_EQ(g.stats().replayed - before.replayed, 4 * 4);  // from the third time on
}

TEST(Queue, KeepsItsOrderAndWhatItStillNeeds) {
  Gpu& g = cudasim();
  auto module = g.compile(kAdd, {{"add", 2}});
  auto y = Buffer::allocate(8, g);
  {
    auto x = Buffer::allocate(8, g);
    int64_t start = 5;
    g.copy_in(x->on(g), &start, 8);
    start = 6;  // the copy has been taken
    const int64_t args[] = {reinterpret_cast<int64_t>(x->on(g)), 1};
    g.launch(module->kernel("add"), 1, 32, false, args);
    g.copy_on(y->on(g), x->on(g), 8);
    g.launch(module->kernel("add"), 1, 32, false, args);
  }  // given back while it is still to be used
  auto z = Buffer::allocate(8, g);
  int64_t got = 0;
  g.copy_out(&got, y->on(g), 8);
  EXPECT_EQ(got, 16);
}

TEST(Queue, StagesMoreThanItsMemory) {
  Gpu& g = cudasim();
  std::vector<int> big(5 << 20), back(big.size());
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<int>(i);
  auto x = Buffer::allocate(big.size() * 4, g);
  g.copy_in(x->on(g), big.data(), big.size() * 4);
  g.copy_out(back.data(), x->on(g), big.size() * 4);
  EXPECT_EQ(big, back);
}

TEST(Buffers, StayOnTheDeviceUntilTheHostAsks) {
  Gpu& g = cudasim();
  auto b = Buffer::allocate(8, g);
  const double v = 0.5;
  g.copy_in(b->on(g), &v, 8);
  EXPECT_EQ(b->count(), 1u);
  EXPECT_EQ(*reinterpret_cast<double*>(b->data()), 0.5);
  EXPECT_EQ(b->count(), 2u);  // in two places: nobody may write
  auto host = Buffer::allocate(8);
  *reinterpret_cast<double*>(host->data()) = 1.5;
  double back = 0;
  g.copy_out(&back, host->on(g), 8);
  EXPECT_EQ(back, 1.5);
}

TEST(Nvrtc, CompilesWhatTheEmulatorRuns) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  for (const char* arch : {"sm_80", "sm_90a", "sm_100"}) {
    std::string log;
    const std::string cubin = compile_cubin(tree("tn_sync();"), arch, &log);
    EXPECT_GT(cubin.size(), 1000u);
    const std::vector<KernelUse> uses = uses_of(log);
    ASSERT_EQ(uses.size(), 1u) << log;
    EXPECT_EQ(uses[0].name, "tree");
    EXPECT_GT(uses[0].registers, 3);
    EXPECT_EQ(uses[0].spilled, 0);
  }
}

TEST(Nvrtc, CompilesALongTextInPieces) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  std::string text;
  for (int i = 0; i < 40; ++i) {
    std::string one = tree("tn_sync();");
    text += one.replace(one.find("tree("), 5, "tree" + std::to_string(i) + "(") + "// " + std::string(900, '.') + "\n";
  }
  std::string log;
  const std::vector<std::string> cubins = compile_cubins(text, "sm_90a", &log);
  if (std::thread::hardware_concurrency() > 1) {
    EXPECT_GT(cubins.size(), 1u);
  }
  std::set<std::string> names;
  for (const KernelUse& u : uses_of(log)) names.insert(u.name);
  EXPECT_EQ(names.size(), 40u);
}

TEST(Nvrtc, KeepsCubinsOnDisk) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  std::string folder = (std::filesystem::temp_directory_path() / "tenon-cubins-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const char* before = std::getenv("TENON_CACHE");
  const std::string kept = before ? before : "";
  setenv("TENON_CACHE", folder.c_str(), 1);
  auto made = [](const std::string& text, const char* arch, std::string* log = nullptr) {
    const int runs = nvrtc_runs();
    const std::vector<std::string> cubins = compile_cubins(text, arch, log);
    return std::pair(cubins, nvrtc_runs() - runs);
  };
  std::string log;
  const auto first = made(tree("tn_sync();"), "sm_90a"), again = made(tree("tn_sync();"), "sm_90a");
  EXPECT_EQ(first.second, 1);
  EXPECT_EQ(again.second, 0);
  EXPECT_EQ(first.first, again.first);
  EXPECT_EQ(made(tree("tn_sync(); "), "sm_90a").second, 1);            // another text
  EXPECT_EQ(made(tree("tn_sync();"), "sm_80").second, 1);              // another architecture
  EXPECT_EQ(made(tree("tn_sync();"), "sm_90a", &log).second, 1);       // the log is not kept
  before ? setenv("TENON_CACHE", kept.c_str(), 1) : unsetenv("TENON_CACHE");
  std::filesystem::remove_all(folder);
}

TEST(Nvrtc, WhatItRefusesIsABugWithTheKernelAndTheLine) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  EXPECT_EXIT(compile_cubins(tree("tn_sync();") + "TN_KERNEL wrong(tn_int x) {\n  no_such_thing(x);\n}\n", "sm_90a"),
              testing::ExitedWithCode(70), "in wrong: tenon.cu.*\n *no_such_thing.x.;");
}

}  // namespace
}  // namespace tenon::cuda
