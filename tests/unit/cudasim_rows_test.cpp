// rooms: cuda loop kernels cuda_kernels runtime io ir support
// What a block of threads does together with a long row, and with a matrix that is turned, on the emulated
// GPU: planted bugs show that the tests of values (tests/lang/tensors/long_rows.model) can fail.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>

#include "jit/cuda/gpu.h"
#include "jit/cuda/nvrtc.h"
#include "jit/cuda/sim.h"
#include "kernels/cuda/kernels.h"
#include "runtime/buffer.h"
#include "tests/unit/planted_bug.h"

namespace tenon::cuda {
namespace {

// Whether a kernel of (in, out), with `families` in a namespace of its own before it, gives something else than it
// should in some order of the threads.
bool notices(const std::string& families, const std::string& kernel, int64_t count, const std::function<float(int64_t)>& wanted,
             int threads = 256) {
  auto module = cudasim().compile("namespace bad {\n" + families + "}\n" + kernel, {{"k", 2}});
  return noticed([&] {
    auto in = Buffer::allocate(static_cast<size_t>(count) * 4);
    for (int64_t i = 0; i < count; ++i) reinterpret_cast<float*>(in->data())[i] = static_cast<float>(i % 97 - 40);
    auto out = Buffer::allocate(static_cast<size_t>(count) * 4, cudasim());
    cudasim().launch(module->kernel("k"), 2, threads, true,
                     std::vector<int64_t>{reinterpret_cast<int64_t>(in->on(cudasim())), reinterpret_cast<int64_t>(out->on(cudasim()))});
    bool wrong = false;
    for (int64_t i = 0; i < count; ++i) {
      const float w = wanted(i);
      wrong |= w == w && !(reinterpret_cast<const float*>(out->data())[i] == w);
    }
    return wrong;
  });
}

// Two sums, of 5000 numbers and of 100 behind them: whole numbers, so that every order gives the same.
bool fold_notices(const std::string& from, const std::string& to) {
  const std::string families = changed("// The same where a block folds", "// The same by one thread over partials", from, to);
  const std::string kernel =
      "TN_KERNEL k(tn_int in, tn_int out) {\n"
      "  TN_SHARED(float, held, 2048);\n"
      "  for (int part = 0; part < 2; ++part) {\n"
      "    const tn_int begin = part * 5000, end = part ? 5100 : 5000;\n"
      "    float p = 0;\n"
      "    for (tn_int at = begin; at < end; at += 2048) {\n"
      "      const tn_int to = at + 2048 < end ? at + 2048 : end;\n"
      "      for (tn_int i = at + tn_thread(); i < to; i += tn_threads()) held[i - at] = tn_load<float>(in, i);\n"
      "      p = bad::tn_fold_piece<TnSum>(held, (int)(to - at), p);\n"
      "    }\n"
      "    p = bad::tn_in_block<TnSum>(held, p);\n"
      "    if (tn_thread() == 255) tn_store<float>(out, part, p);\n"
      "  }\n"
      "}\n";
  return notices(families, kernel, 5100, [](int64_t i) {
    float sum = 0;
    for (int64_t k = i == 0 ? 0 : 5000; k < (i == 0 ? 5000 : 5100); ++k) sum += static_cast<float>(k % 97 - 40);
    return i < 2 ? sum : NAN;
  });
}

TEST(PlantedBugs, NoneInTheFold) { EXPECT_FALSE(fold_notices("tn_sync();", "tn_sync();")); }
TEST(PlantedBugs, AFoldThatDoesNotWaitForItsElements) {
  EXPECT_TRUE(fold_notices("  tn_sync();\n  if (tn_thread() < 64)\n    for", "  if (tn_thread() < 64)\n    for"));
}
TEST(PlantedBugs, AFoldThatIsOverwritten) {
  EXPECT_TRUE(fold_notices("p, held[i]);\n  tn_sync();", "p, held[i]);\n"));
}
TEST(PlantedBugs, PartialsThatNobodyWaitsFor) {
  EXPECT_TRUE(fold_notices("held[tn_thread()] = p;\n  tn_sync();", "held[tn_thread()] = p;\n"));
}
TEST(PlantedBugs, PartialsThatAreOverwritten) {
  EXPECT_TRUE(fold_notices("held[tn_lane() + 32]);\n  tn_sync();", "held[tn_lane() + 32]);\n"));
}
TEST(PlantedBugs, AnElementTooMany) { EXPECT_TRUE(fold_notices("i < n; i += 64", "i <= n; i += 64")); }

// Sums along 37 lines of 70, by warps that have 32 lines at a time, or one.
bool scan_notices(const std::string& from, const std::string& to, int bits = 5) {
  const std::string families = changed("// The same where a line's elements lie beside each other in both", "// A contraction: N indices", from, to);
  const std::string kernel =
      "TN_KERNEL k(tn_int in, tn_int out) {\n"
      "  TnView<2> x, y;\n"
      "  x.data = in; y.data = out;\n"
      "  x.shape[0] = y.shape[0] = 37; x.shape[1] = y.shape[1] = 70; x.stride[0] = y.stride[0] = 70; x.stride[1] = y.stride[1] = 1;\n"
      "  bad::tn_scan_lines<TnSum, float, 2>(x, y, 37, 0, " + std::to_string(bits) + ");\n"
      "}\n";
  return notices(families, kernel, 37 * 70, [](int64_t i) {
    float sum = 0;
    for (int64_t k = i / 70 * 70; k <= i; ++k) sum += static_cast<float>(k % 97 - 40);
    return sum;
  }, 128);
}

TEST(PlantedBugs, NoneInTheScan) { EXPECT_FALSE(scan_notices("tn_meet();", "tn_meet();")); }
TEST(PlantedBugs, AScanThatDoesNotWaitForItsElements) {
  EXPECT_TRUE(scan_notices("from[line] + begin + i);\n      }\n      tn_meet();", "from[line] + begin + i);\n      }\n"));
}
TEST(PlantedBugs, AScanThatNobodyWaitsFor) {
  EXPECT_TRUE(scan_notices("          v = p;\n        }\n      }\n      tn_meet();", "          v = p;\n        }\n      }\n"));
}
TEST(PlantedBugs, AScanThatIsOverwritten) {
  EXPECT_FALSE(scan_notices("tn_meet();", "tn_meet();", 10));
  EXPECT_TRUE(scan_notices("    tn_meet();  // before the places change;", "    // before the places change;", 10));
}
TEST(PlantedBugs, AScanThatForgetsWhatCameBefore) { EXPECT_TRUE(scan_notices("k0 + k == 0", "k == 0")); }

// [2, 40, 70] becomes [2, 70, 40].
bool turn_notices(const std::string& from, const std::string& to) {
  const std::string families = changed("// A copy that turns the last two axes", "template <class S>\nTN_DEVICE void tn_fill(", from, to);
  const std::string kernel =
      "TN_KERNEL k(tn_int in, tn_int out) {\n"
      "  TnView<3> x, y;\n"
      "  x.data = in; y.data = out;\n"
      "  x.shape[0] = y.shape[0] = 2; x.shape[1] = y.shape[1] = 70; x.shape[2] = y.shape[2] = 40;\n"
      "  x.stride[0] = y.stride[0] = 2800; x.stride[1] = 1; x.stride[2] = 70; y.stride[1] = 40; y.stride[2] = 1;\n"
      "  bad::tn_transpose<float>(x, y, 2 * 3 * 2);\n"
      "}\n";
  return notices(families, kernel, 5600, [](int64_t i) {
    const int64_t b = i / 2800, r = i % 2800 / 40, c = i % 40;
    return static_cast<float>((b * 2800 + c * 70 + r) % 97 - 40);
  });
}

TEST(PlantedBugs, NoneInTheTurn) { EXPECT_FALSE(turn_notices("tn_sync();", "tn_sync();")); }
TEST(PlantedBugs, ATurnThatDoesNotWait) {
  EXPECT_TRUE(turn_notices("x.stride[R - 1]);\n    }\n    tn_sync();", "x.stride[R - 1]);\n    }\n"));
}
TEST(PlantedBugs, ATurnThatIsOverwritten) {
  EXPECT_TRUE(turn_notices("tile[j * 33 + i]);\n    }\n    tn_sync();", "tile[j * 33 + i]);\n    }\n"));
}
TEST(PlantedBugs, LinesThatAreTooShort) { EXPECT_TRUE(turn_notices("tile[j * 33 + i] = ", "tile[j * 31 + i] = ")); }
TEST(PlantedBugs, AColumnTooMany) { EXPECT_TRUE(turn_notices("column + j < columns)", "column + j <= columns)")); }

}  // namespace
}  // namespace tenon::cuda
