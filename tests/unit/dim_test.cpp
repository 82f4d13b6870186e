// rooms: support ir
// Sizes: the normal form keeps its laws, checked against numbers.

#include "ir/dim.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace tenon {
namespace {

struct DimTest : ::testing::Test {
  Dims dims;
  SymId n = dims.fresh("N", {}, true), m = dims.fresh("M", {}, true), h = dims.fresh("H", {}, true);
  DimId N = dims.symbol(n), M = dims.symbol(m), H = dims.symbol(h);
  DimId c(int64_t v) { return dims.constant(v); }
};

TEST_F(DimTest, EqualSizesAreOneId) {
  EXPECT_EQ(dims.add(N, M), dims.add(M, N));
  EXPECT_EQ(dims.mul(dims.add(N, M), H), dims.add(dims.mul(H, M), dims.mul(H, N)));
  EXPECT_EQ(dims.sub(dims.add(N, c(3)), c(3)), N);
  EXPECT_EQ(dims.sub(N, N), c(0));
  EXPECT_EQ(dims.mul(N, c(0)), c(0));
  EXPECT_EQ(dims.mul(dims.add(N, c(1)), dims.sub(N, c(1))), dims.sub(dims.mul(N, N), c(1)));
  EXPECT_NE(N, M);
}

TEST_F(DimTest, FloorDivision) {
  EXPECT_EQ(dims.floordiv(c(7), c(2)), c(3));
  EXPECT_EQ(dims.floordiv(c(-7), c(2)), c(-4));
  EXPECT_EQ(dims.floordiv(dims.mul(c(6), N), c(3)), dims.mul(c(2), N));
  EXPECT_EQ(dims.floordiv(dims.mul(N, M), N), M);
  EXPECT_EQ(dims.floordiv(dims.mul(N, M), dims.mul(N, H)), dims.floordiv(M, H));
  EXPECT_EQ(dims.floordiv(dims.add(N, c(2)), c(2)), dims.add(c(1), dims.floordiv(N, c(2))));
  EXPECT_EQ(dims.floordiv(dims.add(dims.mul(c(2), N), c(1)), c(4)), dims.floordiv(N, c(2)));
  EXPECT_EQ(dims.floordiv(dims.floordiv(N, c(2)), c(3)), dims.floordiv(N, c(6)));
  // (N + 1) * (M + 2) divided by one of its factors
  const DimId a = dims.add(N, c(1)), b = dims.add(M, c(2));
  EXPECT_EQ(dims.floordiv(dims.mul(a, b), a), b);
  EXPECT_EQ(dims.floordiv(dims.mul(a, b), b), a);
  EXPECT_EQ(dims.floordiv(N, N), c(1));
  EXPECT_EQ(dims.floordiv(N, c(1)), N);
  // Padding of a convolution: (N + 2*1 - 3) // 1 + 1 is N.
  const DimId out = dims.sub(dims.add(N, c(2)), c(3));
  EXPECT_EQ(dims.add(dims.floordiv(out, c(1)), c(1)), N);
}

TEST_F(DimTest, Extremes) {
  EXPECT_EQ(dims.min(N, M), dims.min(M, N));
  EXPECT_EQ(dims.min(N, N), N);
  EXPECT_EQ(dims.min(N, dims.add(N, c(2))), N);
  EXPECT_EQ(dims.max(N, dims.add(N, c(2))), dims.add(N, c(2)));
  EXPECT_EQ(dims.max(N, c(0)), N);
  EXPECT_EQ(dims.min(dims.min(N, M), H), dims.min(N, dims.min(M, H)));
  EXPECT_EQ(dims.min(dims.add(N, c(1)), dims.add(M, c(1))), dims.add(c(1), dims.min(N, M)));
  EXPECT_EQ(dims.min(dims.add(c(1), dims.min(N, M)), H),
            dims.min(dims.add(N, c(1)), dims.min(dims.add(M, c(1)), H)));
  EXPECT_EQ(dims.max(c(3), c(5)), c(5));
}

TEST_F(DimTest, Facts) {
  EXPECT_EQ(dims.value(c(5)), 5);
  EXPECT_FALSE(dims.value(N));
  EXPECT_EQ(dims.as_symbol(N), n);
  EXPECT_FALSE(dims.as_symbol(dims.add(N, c(1))));
  EXPECT_FALSE(dims.as_symbol(c(1)));
  EXPECT_EQ(dims.distance(dims.add(N, c(4)), N), 4);
  EXPECT_FALSE(dims.distance(N, M));
  const DimId d = dims.add(dims.mul(N, M), dims.floordiv(H, c(2)));
  EXPECT_EQ(dims.symbols(d), (std::vector<SymId>{n, m, h}));
  EXPECT_FALSE(dims.has_existential(d));
  const SymId e = dims.fresh("rows", {}, false);
  EXPECT_TRUE(dims.has_existential(dims.add(d, dims.symbol(e))));
  EXPECT_TRUE(dims.known_nonnegative(d));
  EXPECT_FALSE(dims.known_nonnegative(dims.sub(N, c(1))));
}

// A number that a program passes may be below 0: no operand of an extremum is dropped for it.
TEST_F(DimTest, ANumberMayBeNegative) {
  const DimId k = dims.symbol(dims.fresh("k", {}, true, true));
  EXPECT_FALSE(dims.known_nonnegative(k));
  EXPECT_FALSE(dims.known_nonnegative(dims.add(N, k)));
  EXPECT_TRUE(dims.known_nonnegative(dims.max(k, c(0))));
  EXPECT_EQ(dims.text(dims.min(N, dims.sub(N, k))), "min(N, N - k)");
  EXPECT_EQ(dims.text(dims.max(k, c(0))), "max(0, k)");
  EXPECT_EQ(dims.min(N, dims.sub(N, M)), dims.sub(N, M));
  EXPECT_EQ(dims.min(k, dims.add(k, c(1))), k);
}

TEST_F(DimTest, Text) {
  EXPECT_EQ(dims.text(c(0)), "0");
  EXPECT_EQ(dims.text(dims.add(dims.mul(c(2), H), c(1))), "2*H + 1");
  EXPECT_EQ(dims.text(dims.sub(c(3), N)), "3 - N");
  EXPECT_EQ(dims.text(dims.sub(0, N)), "-N");
  EXPECT_EQ(dims.text(dims.floordiv(dims.add(N, c(1)), c(2))), "(N + 1)//2");
  EXPECT_EQ(dims.text(dims.mul(dims.floordiv(N, c(2)), M)), "(N//2)*M");
  EXPECT_EQ(dims.text(dims.min(H, dims.min(N, M))), "min(H, M, N)");
  EXPECT_EQ(dims.text(dims.add(dims.mul(N, N), M)), "N*N + M");
}

TEST_F(DimTest, Solve) {
  auto s = dims.solve(dims.add(dims.mul(c(2), N), c(1)), c(7), {n});
  ASSERT_TRUE(s);
  EXPECT_EQ(s->symbol, n);
  EXPECT_EQ(s->value, c(3));
  EXPECT_TRUE(s->exact);
  s = dims.solve(dims.add(dims.mul(c(2), N), c(1)), c(8), {n});
  ASSERT_TRUE(s);
  EXPECT_FALSE(s->exact);
  s = dims.solve(dims.mul(c(2), N), M, {n});
  ASSERT_TRUE(s);
  EXPECT_EQ(s->value, dims.floordiv(M, c(2)));
  EXPECT_FALSE(s->exact);
  s = dims.solve(dims.sub(M, N), H, {n});  // M - N == H
  ASSERT_TRUE(s);
  EXPECT_EQ(s->value, dims.sub(M, H));
  EXPECT_TRUE(s->exact);
  s = dims.solve(dims.mul(N, M), dims.mul(M, H), {n});  // N*M == M*H
  ASSERT_TRUE(s);
  EXPECT_EQ(s->value, H);
  EXPECT_TRUE(s->exact);
  EXPECT_FALSE(dims.solve(dims.mul(N, N), M, {n}));
  EXPECT_FALSE(dims.solve(dims.add(N, M), H, {n, m}));
  EXPECT_FALSE(dims.solve(N, H, {m}));
  EXPECT_FALSE(dims.solve(dims.floordiv(N, c(2)), H, {n}));
  EXPECT_FALSE(dims.solve(dims.add(N, dims.floordiv(N, c(2))), H, {n}));
}

TEST_F(DimTest, Substitute) {
  const DimId d = dims.add(dims.floordiv(dims.add(N, c(1)), c(2)), dims.min(N, M));
  EXPECT_EQ(dims.substitute(d, {{n, c(5)}, {m, c(2)}}), c(5));
  EXPECT_EQ(dims.substitute(d, {}), d);
  EXPECT_EQ(dims.substitute(d, {{h, c(1)}}), d);
  // At once, not one after the other.
  EXPECT_EQ(dims.substitute(dims.sub(N, M), {{n, M}, {m, N}}), dims.sub(M, N));
}

// A random size, made by the operations and beside it by numbers.
struct Grown {
  DimId d;
  int64_t v;
};

class RandomDims : public DimTest {
 public:
  std::mt19937 random{7};
  int64_t values[3];
  std::vector<SymId> syms{n, m, h};

  int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q * b > a ? q - 1 : q;
  }
  Grown grow(int depth) {
    const int pick = depth == 0 ? int(random() % 2) : int(random() % 9);
    if (pick == 0) {
      const int64_t v = int64_t(random() % 7) - 1;
      return {dims.constant(v), v};
    }
    if (pick <= 2) {
      const size_t s = random() % 3;
      return {dims.symbol(syms[s]), values[s]};
    }
    const Grown a = grow(depth - 1), b = grow(depth - 1);
    switch (pick) {
      case 3:
        return {dims.add(a.d, b.d), a.v + b.v};
      case 4:
        return {dims.sub(a.d, b.d), a.v - b.v};
      case 5:
        return {dims.mul(a.d, b.d), a.v * b.v};
      case 6:
        if (b.v <= 0) return a;
        return {dims.floordiv(a.d, b.d), floor_div(a.v, b.v)};
      case 7:
        return {dims.min(a.d, b.d), std::min(a.v, b.v)};
      default:
        return {dims.max(a.d, b.d), std::max(a.v, b.v)};
    }
  }
};

TEST_F(RandomDims, EveryFormHasItsValue) {
  for (int round = 0; round < 30000; ++round) {
    for (int64_t& v : values) v = int64_t(random() % 9) + 1;
    const Grown g = grow(4);
    ASSERT_EQ(dims.evaluate(g.d, [&](SymId s) { return values[s - n]; }), g.v)
        << dims.text(g.d) << " at N=" << values[0] << " M=" << values[1] << " H=" << values[2];
    // Substituting numbers gives the number, too.
    const DimId at = dims.substitute(g.d, {{n, dims.constant(values[0])},
                                           {m, dims.constant(values[1])},
                                           {h, dims.constant(values[2])}});
    ASSERT_EQ(dims.value(at), g.v) << dims.text(g.d);
    if (dims.known_nonnegative(g.d)) {
      ASSERT_GE(g.v, 0) << dims.text(g.d);
    }
  }
}

TEST_F(RandomDims, LawsOfArithmetic) {
  for (int64_t& v : values) v = 3;
  for (int round = 0; round < 10000; ++round) {
    const DimId a = grow(2).d, b = grow(2).d, x = grow(2).d;
    ASSERT_EQ(dims.add(a, b), dims.add(b, a));
    ASSERT_EQ(dims.mul(a, b), dims.mul(b, a));
    ASSERT_EQ(dims.add(dims.add(a, b), x), dims.add(a, dims.add(b, x)));
    ASSERT_EQ(dims.mul(dims.mul(a, b), x), dims.mul(a, dims.mul(b, x)));
    ASSERT_EQ(dims.mul(a, dims.add(b, x)), dims.add(dims.mul(a, b), dims.mul(a, x)));
    ASSERT_EQ(dims.sub(dims.add(a, b), b), a);
    ASSERT_EQ(dims.min(a, b), dims.min(b, a));
    ASSERT_EQ(dims.max(a, b), dims.max(b, a));
    ASSERT_EQ(dims.substitute(a, {{n, N}, {m, M}, {h, H}}), a) << dims.text(a);
    if (b != dims.constant(0)) {
      ASSERT_EQ(dims.floordiv(dims.mul(a, b), b), a) << dims.text(a) << " / " << dims.text(b);
    }
  }
}

TEST_F(RandomDims, SolutionsSolve) {
  int solved = 0;
  for (int round = 0; round < 20000; ++round) {
    for (int64_t& v : values) v = int64_t(random() % 9) + 1;
    const DimId p = grow(3).d, a = grow(3).d;
    const auto s = dims.solve(p, dims.substitute(a, {{n, M}}), {n});
    if (!s || !s->exact) continue;
    ++solved;
    ASSERT_EQ(dims.substitute(p, {{n, s->value}}), dims.substitute(a, {{n, M}})) << dims.text(p);
  }
  EXPECT_GT(solved, 500);
}

TEST_F(DimTest, WrapsInPlaceOfTrapping) {
  const DimId big = c(INT64_MAX), low = c(INT64_MIN);
  dims.add(big, big);
  dims.mul(low, low);
  dims.floordiv(low, c(-1));
  dims.floordiv(dims.mul(low, N), c(-1));
  dims.floordiv(dims.mul(low, N), dims.mul(c(-1), N));
  dims.floordiv(N, c(0));
  dims.floordiv(N, low);
  dims.min(dims.add(N, low), dims.add(M, big));
  dims.max(low, big);
  EXPECT_EQ(dims.evaluate(dims.floordiv(N, M), [](SymId) { return 0; }), 0);
}

TEST_F(DimTest, QuotientsOfQuotientsDoNotMeetTheEndOfNumbers) {
  DimId d = dims.add(N, c(1));
  for (int i = 0; i < 200; ++i) d = dims.floordiv(d, c(2));
  EXPECT_EQ(dims.evaluate(d, [](SymId) { return INT64_MAX - 1; }), 0);
  EXPECT_EQ(dims.evaluate(d, [](SymId) { return -3; }), -1);
  const DimId far = dims.mul(c(int64_t{1} << 40), M);
  const DimId twice = dims.floordiv(dims.floordiv(N, far), far);
  EXPECT_EQ(dims.evaluate(twice, [](SymId) { return 5; }), 0);
}

TEST_F(DimTest, ReferencesToFormsStay) {
  const Dims::Poly& p = dims.poly(N);
  for (int i = 0; i < 10000; ++i) dims.add(N, c(i));
  EXPECT_EQ(&p, &dims.poly(N));
}

}  // namespace
}  // namespace tenon
