// rooms: support ir runtime kernels interp loop llvm
// Products and the passes between them, by blocks of rows: the bits of the nodes by themselves for
// every size, layout and number of threads; and which products fit.
#include <gtest/gtest.h>

#include "ir/passes.h"
#include "ir/text.h"
#include "jit/plan/groups.h"
#include "tests/unit/graph_program.h"

namespace tenon::test {
namespace {

const char kForward[] = R"(fn @0 f[B, H, L, K, D, E](%0: f32[B, H, L, D], %1: f32[B, H, K, D], %2: f32[B, H, K, E]) {
  %3: f32[B, H, L, K] = contract(%0, %1) range=[B, H, L, K, D] a=[$0, $1, $2, $4] b=[$0, $1, $3, $4] out=[0, 1, 2, 3]
  %4: f32 = constant 5.5
  %5: f32[B, H, L, K] = broadcast(%4) axes=[]
  %6: f32[B, H, L, K] = div(%3, %5)
  %7: i64[B, H, L, K] = iota axis=2
  %8: i64[B, H, L, K] = iota axis=3
  %9: bool[B, H, L, K] = le(%8, %7)
  %10: f32 = constant -inf
  %11: f32[B, H, L, K] = broadcast(%10) axes=[]
  %12: f32[B, H, L, K] = select(%9, %6, %11)
  %13: f32[B, H, L] = reduce(%12) max axes=[3]
  %14: f32[B, H, L, K] = broadcast(%13) axes=[0, 1, 2]
  %15: f32[B, H, L, K] = sub(%12, %14)
  %16: f32[B, H, L, K] = exp(%15)
  %17: f32[B, H, L] = reduce(%16) sum axes=[3]
  %18: f32[B, H, L, K] = broadcast(%17) axes=[0, 1, 2]
  %19: f32[B, H, L, K] = div(%16, %18)
)";

// Inputs as views: the heads lie inside the rows, as a projection of all of them leaves them.
Tensor heads(DType t, int64_t b, int64_t h, int64_t l, int64_t d, uint32_t seed, bool special) {
  const int axes[] = {0, 2, 1, 3};
  return random_tensor(t, {b, l, h, d}, seed, special).transposed(axes);
}

void check(const std::string& text, bool special = false) {
  const int64_t sizes[][6] = {{2, 3, 5, 5, 4, 4},    {1, 1, 1, 1, 1, 1},   {2, 2, 70, 33, 17, 9},
                              {1, 2, 3, 300, 8, 65}, {0, 2, 4, 4, 3, 3},   {2, 1, 0, 4, 3, 3},
                              {1, 2, 4, 0, 3, 3},    {1, 2, 4, 4, 0, 3},   {1, 2, 4, 4, 3, 0},
                              {1, 1, 200, 96, 32, 1}};
  Graph g(text);
  g.slow = false;
  g.threads = {1, 3};
  for (const auto& s : sizes)
    g.check({s[0], s[1], s[2], s[3], s[4], s[5]}, [&] {
      return std::vector<Tensor>{heads(DType::f32, s[0], s[1], s[2], s[4], 1, special),
                                 heads(DType::f32, s[0], s[1], s[3], s[4], 2, special),
                                 heads(DType::f32, s[0], s[1], s[3], s[5], 3, special)};
    });
}

TEST(Blocks, AttentionHasTheBitsOfItsParts) {
  const std::string product =
      "  %20: f32[B, H, L, E] = contract(%19, %2) range=[B, H, L, E, K] a=[$0, $1, $2, $4] "
      "b=[$0, $1, $4, $3] out=[0, 1, 2, 3]\n";
  check(kForward + product + "  return %20\n}\n");
  check(kForward + product + "  return %20\n}\n", true);
  check(kForward + product + "  return %3, %16, %17, %19, %20\n}\n");  // what lies between, too
  // Heads put side by side again: rows of the result lie apart.
  check(std::string(kForward) +
        "  %20: f32[B, L, H, E] = contract(%19, %2) range=[B, H, L, E, K] a=[$0, $1, $2, $4] "
        "b=[$0, $1, $4, $3] out=[0, 2, 1, 3]\n  return %20\n}\n");
  check(std::string(kForward) +
        "  %20: f32[B, E, H, L] = contract(%2, %19) range=[B, H, L, E, K] a=[$0, $1, $4, $3] "
        "b=[$0, $1, $2, $4] out=[0, 3, 1, 2]\n  return %20\n}\n");
}

TEST(Blocks, RowsLongerThanAChunk) {
  Graph g(std::string(kForward) +
          "  %20: f32[B, H, L, E] = contract(%19, %2) range=[B, H, L, E, K] a=[$0, $1, $2, $4] "
          "b=[$0, $1, $4, $3] out=[0, 1, 2, 3]\n  return %20\n}\n");
  g.slow = false;
  g.threads = {1, 3};
  g.check({1, 2, 3, 17000, 2, 2}, [&] {
    return std::vector<Tensor>{random_tensor(DType::f32, {1, 2, 3, 2}, 1),
                               random_tensor(DType::f32, {1, 2, 17000, 2}, 2),
                               random_tensor(DType::f32, {1, 2, 17000, 2}, 3)};
  });
}

// The derivative's form, in f64 and with grouped queries; the slow interpreter runs it too.
TEST(Blocks, DerivativesAndGroupedQueries) {
  Graph g(R"(fn @0 f[B, G, R, L, K, D](%0: f64[B, G, R, L, D], %1: f64[B, G, K, D], %2: f64[B, G, R, L, K], %3: f64[B, G, R, L]) {
  %4: f64[B, G, R, L, K] = contract(%0, %1) range=[B, G, R, L, K, D] a=[$0, $1, $2, $3, $5] b=[$0, $1, $4, $5] out=[0, 1, 2, 3, 4]
  %5: f64[B, G, R, L, K] = mul(%4, %2)
  %6: f64[B, G, R, L] = reduce(%5) sum axes=[4]
  %7: f64[B, G, R, L, K] = broadcast(%6) axes=[0, 1, 2, 3]
  %8: f64[B, G, R, L, K] = sub(%4, %7)
  %9: f64[B, G, R, L, K] = broadcast(%3) axes=[0, 1, 2, 3]
  %10: f64[B, G, R, L, K] = div(%8, %9)
  %11: f64[B, G, R, L, K] = mul(%10, %2)
  %12: f64[B, G, R, L, D] = contract(%11, %1) range=[B, G, R, L, D, K] a=[$0, $1, $2, $3, $5] b=[$0, $1, $5, $4] out=[0, 1, 2, 3, 4]
  %13: f64[B, G, K, D] = contract(%11, %0) range=[B, G, K, D, R, L] a=[$0, $1, $4, $5, $2] b=[$0, $1, $4, $5, $3] out=[0, 1, 2, 3]
  return %12, %13
}
)");
  for (const auto& s : std::vector<std::vector<int64_t>>{{2, 2, 3, 7, 5, 4}, {1, 1, 1, 40, 41, 3}})
    g.check(s, [&] {
      return std::vector<Tensor>{random_tensor(DType::f64, {s[0], s[1], s[2], s[3], s[5]}, 1),
                                 random_tensor(DType::f64, {s[0], s[1], s[4], s[5]}, 2),
                                 random_tensor(DType::f64, {s[0], s[1], s[2], s[3], s[4]}, 3),
                                 random_tensor(DType::f64, {s[0], s[1], s[2], s[3]}, 4)};
    });
}

// Attention's derivative: what the forward pass made is made again, and the products that sum over the rows
// go on from block to block, over blocks of 1024 rows, in any layout of their results.
std::string derivative(const std::string& t, const char* values, const char* keys) {
  std::string text = R"(fn @0 f[B, H, L, K, D, E](%0: T[B, H, L, D], %1: T[B, H, K, D], %2: T[B, H, K, E], %3: T[B, H, L, E]) {
  %4: T[B, H, L, K] = contract(%0, %1) range=[B, H, L, K, D] a=[$0, $1, $2, $4] b=[$0, $1, $3, $4] out=[0, 1, 2, 3]
  %5: T[B, H, L] = reduce(%4) max axes=[3]
  %6: T[B, H, L, K] = broadcast(%5) axes=[0, 1, 2]
  %7: T[B, H, L, K] = sub(%4, %6)
  %8: T[B, H, L, K] = exp(%7)
  %9: T[B, H, L] = reduce(%8) sum axes=[3]
  %10: T[B, H, L, K] = broadcast(%9) axes=[0, 1, 2]
  %11: T[B, H, L, K] = div(%8, %10)
  %12: T[B, H, L, E] = contract(%11, %2) range=[B, H, L, E, K] a=[$0, $1, $2, $4] b=[$0, $1, $4, $3] out=[0, 1, 2, 3]
  %13: T[B, H, L, E] = mul(%12, %3)
  %14: T[B, H, L, K] = contract(%13, %2) range=[B, H, L, E, K] a=[$0, $1, $2, $3] b=[$0, $1, $4, $3] out=[0, 1, 2, 4]
  %15: T[B, H, L, K] = mul(%14, %11)
  %16: T[B, H, L] = reduce(%15) sum axes=[3]
  %17: T[B, H, L, K] = broadcast(%16) axes=[0, 1, 2]
  %18: T[B, H, L, K] = sub(%14, %17)
  %19: T[B, H, L, K] = mul(%18, %8)
  %20: T[B, H, L, D] = contract(%19, %1) range=[B, H, L, D, K] a=[$0, $1, $2, $4] b=[$0, $1, $4, $3] out=[0, 1, 2, 3]
  VALUES
  KEYS
  return %12, %20, %21, %22
}
)";
  auto put = [&](const std::string& hole, const std::string& by) {
    for (size_t at; (at = text.find(hole)) != std::string::npos;) text.replace(at, hole.size(), by);
  };
  put("VALUES", values);
  put("KEYS", keys);
  put("T[", t + "[");
  return text;
}
const char kValues[] = "%21: T[B, H, K, E] = contract(%11, %13) range=[B, H, K, E, L] a=[$0, $1, $4, $2] b=[$0, $1, $4, $3] out=[0, 1, 2, 3]";
const char kKeys[] = "%22: T[B, H, K, D] = contract(%19, %0) range=[B, H, L, K, D] a=[$0, $1, $2, $3] b=[$0, $1, $2, $4] out=[0, 1, 3, 4]";
std::string returning_weights(std::string text) {
  return text.replace(text.find("return %12"), 10, "return %11, %12");
}
// Rows of the results that lie apart, and results turned.
const char kValuesApart[] = "%21: T[B, K, H, E] = contract(%13, %11) range=[B, H, K, E, L] a=[$0, $1, $4, $3] b=[$0, $1, $4, $2] out=[0, 2, 1, 3]";
const char kKeysTurned[] = "%22: T[D, B, K, H] = contract(%19, %0) range=[B, H, L, K, D] a=[$0, $1, $2, $3] b=[$0, $1, $2, $4] out=[4, 0, 3, 1]";

void check_derivative(DType t, const std::string& text, bool special = false) {
  const int64_t sizes[][6] = {{2, 3, 5, 5, 4, 4},    {1, 1, 1, 1, 1, 1},   {2, 2, 130, 33, 17, 9},
                              {4, 1, 1500, 300, 3, 5}, {1, 2, 2100, 3, 8, 65}, {2, 2, 0, 4, 3, 3},
                              {1, 4, 4, 0, 3, 3},    {1, 4, 4, 4, 0, 3},   {0, 2, 4, 4, 3, 3},
                              {5, 1, 1024, 70, 1, 1}};
  Graph g(text);
  g.slow = false;
  g.threads = {1, 3};
  for (const auto& s : sizes)
    g.check({s[0], s[1], s[2], s[3], s[4], s[5]}, [&] {
      return std::vector<Tensor>{
          heads(t, s[0], s[1], s[2], s[4], 1, special), heads(t, s[0], s[1], s[3], s[4], 2, special),
          heads(t, s[0], s[1], s[3], s[5], 3, special), heads(t, s[0], s[1], s[2], s[5], 4, special)};
    });
}

TEST(Blocks, DerivativesThatSumOverRowsHaveTheBitsOfTheirParts) {
  check_derivative(DType::f32, derivative("f32", kValues, kKeys));
  check_derivative(DType::f32, derivative("f32", kValues, kKeys), true);
  check_derivative(DType::f64, derivative("f64", kValuesApart, kKeysTurned));
  check_derivative(DType::f32, returning_weights(derivative("f32", kValues, kKeys)));
}

// The kinds of groups of function 0 behind the passes, in order; views and constants left out.
std::string kinds(const std::string& text, const CompileOptions& options = {}) {
  std::string error, out;
  auto m = ir::parse_text(text, error);
  if (!m) return error;
  auto fn = std::make_unique<ir::Function>(m->fn(0));
  for (const ir::Pass& pass : ir::exact_passes()) fn = pass.run(*m, *fn);
  for (const plan::Group& g : plan::plan_region(*fn, m->dims, fn->body, options)) {
    if (g.kind == plan::Group::node && g.nodes[0]->op != ir::Op::contract) continue;
    static constexpr const char* kNames[] = {"product", "point", "row", "block", "tile"};
    out += (out.empty() ? "" : " ") + std::string(kNames[g.kind]);
  }
  return out;
}

TEST(Blocks, ProductsOfAllRowsAndOfRowsThatShareNothingStayByThemselves) {
  const std::string head = "fn @0 f[B, L, K, D](%0: f32[B, L, D], %1: f32[B, K, D], %2: f32[K, D]) {\n";
  const std::string rows =
      "%4: f32[B, L] = reduce(%3) max axes=[2]\n%5: f32[B, L, K] = broadcast(%4) axes=[0, 1]\n"
      "%6: f32[B, L, K] = sub(%3, %5)\n";
  const std::string batched =
      "%3: f32[B, L, K] = contract(%0, %1) range=[B, L, K, D] a=[$0, $1, $3] b=[$0, $2, $3] out=[0, 1, 2]\n";
  const std::string shared =
      "%3: f32[B, L, K] = contract(%0, %2) range=[B, L, K, D] a=[$0, $1, $3] b=[$2, $3] out=[0, 1, 2]\n";
  const std::string by_rows =
      "%7: f32[B, L, D] = contract(%6, %1) range=[B, L, D, K] a=[$0, $1, $3] b=[$0, $3, $2] out=[0, 1, 2]\n";
  const std::string over_rows =
      "%7: f32[B, K, D] = contract(%6, %0) range=[B, K, D, L] a=[$0, $3, $1] b=[$0, $3, $2] out=[0, 1, 2]\n";
  EXPECT_EQ(kinds(head + batched + rows + by_rows + "return %7\n}\n"), "block");
  EXPECT_EQ(kinds(head + batched + rows + over_rows + "return %7\n}\n"), "block");
  // One slab would be the work of one thread.
  std::string alone = head + batched + rows + over_rows + "return %7\n}\n";
  for (size_t at; (at = alone.find("[B, ")) != std::string::npos;) alone.replace(at, 4, "[1, ");
  alone.replace(alone.find("f[1, "), 5, "f[");
  EXPECT_EQ(kinds(alone), "block product");
  EXPECT_EQ(kinds(head + shared + rows + "return %6\n}\n"), "product row");  // a classifier's
  EXPECT_EQ(kinds(head + shared + rows + by_rows + "return %7\n}\n"), "product block");
}

// The derivative makes the exponentials again; what is a result all the same is read.
TEST(Blocks, WhatABlockReadsOfAnotherIsMadeAgain) {
  const std::string text = derivative("f32", kValues, kKeys);
  CompileOptions kept;
  kept.compute_again = false;
  EXPECT_EQ(kinds(text), "block point block");
  EXPECT_EQ(kinds(text, kept), "block point product block");
  EXPECT_EQ(kinds(returning_weights(text)), "block point product block");
}

// On a device: who folds or takes a matrix makes it, where nobody wants it as a tensor.
TEST(Tiles, MatricesThatAreOnlyFoldedAndTakenAreMadeByTiles) {
  CompileOptions device;
  device.fuse_blocks = false;
  device.fuse_tiles = true;
  const std::string take =
      "  %20: f32[B, H, L, E] = contract(%19, %2) range=[B, H, L, E, K] a=[$0, $1, $2, $4] b=[$0, $1, $4, $3] out=[0, 1, 2, 3]\n";
  const std::string over_rows =
      "  %21: f32[B, H, K, D] = contract(%19, %0) range=[B, H, K, D, L] a=[$0, $1, $4, $2] b=[$0, $1, $4, $3] out=[0, 1, 2, 3]\n";
  EXPECT_EQ(kinds(kForward + take + "  return %20\n}\n", device), "tile tile tile");
  EXPECT_EQ(kinds(kForward + take + over_rows + "  return %20, %21\n}\n", device), "tile tile tile tile");
  EXPECT_EQ(kinds(kForward + take + "  return %20\n}\n"), "block");
  // The scores leave: all of it is as it was.
  EXPECT_EQ(kinds(kForward + take + "  return %20, %19\n}\n", device), "product row product");
  EXPECT_EQ(kinds(kForward + take + "  return %20, %3\n}\n", device), "product row product");
  // Chains of products that nobody folds, products of all slabs alike, and deep ones are not made again.
  const std::string head = "fn @0 f[B, L, K, D](%0: f32[B, L, D], %1: f32[B, K, D], %2: f32[K, D], %9: f32[B, L, 512], %10: f32[B, K, 512]) {\n";
  const std::string tail =
      "  %4: f32[B, L] = reduce(%3) max axes=[2]\n"
      "  %5: f32[B, L, D] = contract(%3, %1) range=[B, L, D, K] a=[$0, $1, $3] b=[$0, $3, $2] out=[0, 1, 2]\n";
  const std::string batched = "  %3: f32[B, L, K] = contract(%0, %1) range=[B, L, K, D] a=[$0, $1, $3] b=[$0, $2, $3] out=[0, 1, 2]\n";
  const std::string alike = "  %3: f32[B, L, K] = contract(%0, %2) range=[B, L, K, D] a=[$0, $1, $3] b=[$2, $3] out=[0, 1, 2]\n";
  const std::string deep = "  %3: f32[B, L, K] = contract(%9, %10) range=[B, L, K, 512] a=[$0, $1, $3] b=[$0, $2, $3] out=[0, 1, 2]\n";
  EXPECT_EQ(kinds(head + batched + tail + "  return %4, %5\n}\n", device), "tile tile");
  EXPECT_EQ(kinds(head + batched + tail + "  return %5\n}\n", device), "product product");
  EXPECT_EQ(kinds(head + alike + tail + "  return %4, %5\n}\n", device), "product row product");
  EXPECT_EQ(kinds(head + deep + tail + "  return %4, %5\n}\n", device), "product row product");
}

}  // namespace
}  // namespace tenon::test
