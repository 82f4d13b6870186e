// rooms: cuda loop kernels cuda_kernels runtime io ir support
// Printed kernels that take neighbours in memory 16 bytes at a time (jit/cuda/wide.h): NVRTC makes such accesses of
// them, and planted bugs show that the tests of values (tests/lang/tensors/wide_access.model) can fail.
#include <gtest/gtest.h>

#include <functional>

#include "ir/text.h"
#include "jit/cuda/engine.h"
#include "jit/cuda/nvrtc.h"
#include "runtime/buffer.h"
#include "tests/unit/planted_bug.h"

namespace tenon::cuda {
namespace {

std::string text_of(const std::string& ir) {
  std::string error;
  auto module = ir::parse_text(ir, error);
  EXPECT_NE(module, nullptr) << error;
  return GpuCompiler::text(*module, 0);
}

std::string plus(const std::string& t) {
  return text_of("fn @0 plain[N](%0: " + t + "[N] data \"x\", %1: " + t + "[N] data \"y\") {\n  %2: " + t +
                 "[N] = add(%0, %1)\n  return %2\n}\n");
}
const char* const kRowSums = R"(fn @0 sums[N, M](%0: f32[N, M] data "x") {
  %1: f32[N, M] = mul(%0, %0)
  %2: f32[N] = reduce(%1) sum axes=[1]
  return %2
}
)";
const char* const kRows = R"(fn @0 rows[N, M](%0: f32[N, M] data "x", %1: f32[M] data "b") {
  %2: f32[N, M] = broadcast(%1) axes=[1]
  %3: f32[N, M] = add(%0, %2)
  return %3
}
)";

TEST(Wide, NvrtcMakesAccessesOf16Bytes) {
  if (!nvrtc_state().found) GTEST_SKIP() << nvrtc_state().text;
  for (const char* t : {"f32", "f64", "f16", "bf16", "i32", "i64", "i8"}) {
    const std::string ptx = compile_ptx(plus(t), "compute_90"), wide = t == std::string("f64") || t == std::string("i64") ? ".v2." : ".v4.";
    EXPECT_NE(ptx.find("ld.global" + wide), std::string::npos) << t;
    EXPECT_NE(ptx.find("st.global" + wide), std::string::npos) << t;
  }
  EXPECT_NE(compile_ptx(plus("f16"), "compute_90").find("cvt.rn.f16.f32"), std::string::npos);
  EXPECT_NE(compile_ptx(text_of(kRows), "compute_90").find("ld.global.v4.f32"), std::string::npos);
  EXPECT_NE(compile_ptx(text_of(kRowSums), "compute_90").find("ld.global.v2.f32"), std::string::npos);
}

// A kernel's text with one thing in it changed gives something else than it should, for a vector of n numbers from
// `skipped` on: an odd one is not aligned.
struct Wrong {
  const char *from, *to;
};
std::string with(std::string text, const Wrong& wrong) {
  const size_t at = text.find(wrong.from);
  EXPECT_NE(at, std::string::npos) << wrong.from;
  return text.replace(at, std::string_view(wrong.from).size(), wrong.to);
}
int64_t at(const boost::intrusive_ptr<Buffer>& b, int64_t skipped = 0) {
  return reinterpret_cast<int64_t>(b->on(cudasim())) + 4 * skipped;
}

bool plus_notices(const Wrong& wrong, int64_t n, int64_t skipped) {
  auto module = cudasim().compile(with(plus("f32"), wrong), {{"k0", 6}});
  return noticed([&] {
    auto x = Buffer::allocate(static_cast<size_t>(n + skipped) * 4), y = Buffer::allocate(static_cast<size_t>(n) * 4);
    auto out = Buffer::allocate(static_cast<size_t>(n) * 4, cudasim());
    for (int64_t i = 0; i < n + skipped; ++i) reinterpret_cast<float*>(x->data())[i] = static_cast<float>(i);
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<float*>(y->data())[i] = static_cast<float>(i % 13);
    cudasim().launch(module->kernel("k0"), 2, 128, false, std::vector<int64_t>{0, n, 0, at(x, skipped), at(y), at(out)});
    bool bad = false;
    for (int64_t i = 0; i < n; ++i) bad |= !(reinterpret_cast<const float*>(out->data())[i] == static_cast<float>(i + skipped + i % 13));
    return bad;
  });
}

TEST(PlantedBugs, NoneInTheSum) {
  for (int64_t skipped : {0, 1})
    for (int64_t n : {1, 5, 512, 515, 3000}) EXPECT_FALSE(plus_notices({"% 16", "% 16"}, n, skipped)) << n << " " << skipped;
}
TEST(PlantedBugs, NobodyAsksWhetherItIsAligned) { EXPECT_TRUE(plus_notices({"% 16", "% 4"}, 512, 1)); }
TEST(PlantedBugs, ThreadsThatTakeTheSame) { EXPECT_TRUE(plus_notices({"(tn_wide ? 4 : 1)", "1"}, 512, 0)); }
TEST(PlantedBugs, TurnsThatLeaveElementsOut) { EXPECT_TRUE(plus_notices({"tn_at += tn_blocks() * (tn_threads() * (tn_int)4)", "tn_at += tn_blocks() * (tn_threads() * (tn_int)8)"}, 3000, 0)); }
TEST(PlantedBugs, NobodyAsksWhereTheEndIs) { EXPECT_TRUE(plus_notices({"(int)(tn_hi - tn_at)", "(tn_threads() * 4)"}, 515, 0)); }

// The partials of a row's sum, which rounding tells apart.
bool sums_notices(const Wrong& wrong, int64_t n) {
  auto module = cudasim().compile(with(text_of(kRowSums), wrong), {{"k0", 8}});
  return noticed([&] {
    auto x = Buffer::allocate(static_cast<size_t>(n) * 4), out = Buffer::allocate(4, cudasim());
    auto* v = reinterpret_cast<float*>(x->data());
    for (int64_t i = 0; i < n; ++i) v[i] = 1.0f / static_cast<float>(i * 37 % 101 + 1);
    cudasim().launch(module->kernel("k0"), 1, 128, true, std::vector<int64_t>{0, 1, 0, n, 1, 0, at(x), at(out)});
    float p[64] = {};
    for (int64_t i = 0; i < n; ++i) p[i % 64] += v[i] * v[i];
    for (int h = 32; h >= 1; h /= 2)
      for (int j = 0; j < h; ++j) p[j] += p[j + h];
    return reinterpret_cast<const float*>(out->data())[0] != p[0];
  });
}
TEST(PlantedBugs, NoneInTheSums) {
  for (int64_t n : {3, 64, 131, 1000}) EXPECT_FALSE(sums_notices({"% 8", "% 8"}, n)) << n;
}
TEST(PlantedBugs, PartialsThatStayWithTheirNeighbours) {
  EXPECT_TRUE(sums_notices({"if (tn_wide) tn_apart(tn_p[0], tn_p[1]);", ""}, 1000));
}

}  // namespace
}  // namespace tenon::cuda
