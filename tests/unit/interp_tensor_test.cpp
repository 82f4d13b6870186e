// rooms: support ir runtime kernels interp
// Every operation on tensors, against plain loops written here; fused groups against their nodes
// one by one; what is written in place; map and scatter in all their ways; the same bits for any
// threads.
#include <algorithm>
#include <cmath>
#include <random>

#include "tests/unit/interp_program.h"

namespace tenon::test {
namespace {

template <class T>
std::vector<T> randoms(size_t n, uint64_t seed = 1) {
  std::mt19937_64 g(seed);
  std::vector<T> v(n);
  for (auto&& x : v) {
    if constexpr (std::is_same_v<T, bool>)
      x = (g() & 1) != 0;
    else if constexpr (std::is_floating_point_v<T>)
      x = static_cast<T>(static_cast<double>(g() % 20001) / 2500.0 - 4.0);
    else
      x = static_cast<T>(g() % 13 + 1);
  }
  return v;
}

std::vector<float> floats(size_t n, uint64_t seed = 1) { return randoms<float>(n, seed); }

// ---------------------------------------------------------------- elementwise

std::string type_text(DType t, const std::string& shape) { return std::string(name(t)) + shape; }

// The op once on tensors and once turn by turn on scalars, which go through other code.
template <class T>
void same_as_scalars(ir::Op op) {
  const DType t = dtype_of<T>();
  const int n = ir::facts(op).operands;
  const bool compares = ir::facts(op).cls == ir::OpClass::compare;
  const DType result = compares ? DType::boolean : t;
  for (int way = 0; way < 2; ++way) {
    const std::string shape = way == 0 ? "[N]" : "";
    std::string text = "fn @0 f[N](", list;
    for (int i = 0; i < n; ++i) {
      const DType operand = op == ir::Op::select && i == 0 ? DType::boolean : t;
      text += (i ? ", %" : "%") + std::to_string(i) + ": " + type_text(operand, shape);
      list += (i ? ", %" : "%") + std::to_string(i);
    }
    text += ") {\n %9: " + type_text(result, shape) + " = " + std::string(name(op)) + "(" + list +
            ")\n return %9\n}\n";
    static std::vector<Tensor> whole;
    Program p(text, 2);
    const int64_t count = 3000;
    auto arg = [&](int i) {
      if (op == ir::Op::select && i == 0) return tensor<bool>({count}, randoms<bool>(count, 7));
      return tensor<T>({count}, randoms<T>(count, 11 + i));
    };
    if (way == 0) {
      std::vector<Tensor> args;
      for (int i = 0; i < n; ++i) args.push_back(arg(i));
      whole = p.run(std::move(args), {count});
      continue;
    }
    std::vector<Tensor> args;
    for (int i = 0; i < n; ++i) args.push_back(arg(i));
    for (int64_t k = 0; k < count; ++k) {
      std::vector<Tensor> one;
      for (Tensor& a : args) {
        Tensor s(a.dtype, {});
        std::memcpy(s.raw(), static_cast<std::byte*>(a.raw()) + k * size_of(a.dtype),
                    size_of(a.dtype));
        one.push_back(std::move(s));
      }
      Tensor got = p.run(std::move(one), {0})[0];
      Tensor want(whole[0].dtype, {});
      std::memcpy(want.raw(), static_cast<std::byte*>(whole[0].raw()) + k * size_of(want.dtype),
                  size_of(want.dtype));
      ASSERT_TRUE(same_bits(got, want)) << name(op) << " of " << name(t) << " at " << k;
    }
  }
}

TEST(Point, EveryOperationIsThatOfScalars) {
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<ir::Op>(i);
    const ir::OpClass cls = ir::facts(op).cls;
    if (!ir::is_scalar(op) || op == ir::Op::convert) continue;
    const bool floats = cls == ir::OpClass::number || cls == ir::OpClass::float_ ||
                        cls == ir::OpClass::compare || op == ir::Op::select;
    const bool integers = cls == ir::OpClass::number || cls == ir::OpClass::integer ||
                          cls == ir::OpClass::compare || cls == ir::OpClass::logic ||
                          op == ir::Op::select;
    if (floats) {
      same_as_scalars<float>(op);
      same_as_scalars<double>(op);
    }
    if (integers) {
      same_as_scalars<int64_t>(op);
      same_as_scalars<int32_t>(op);
      same_as_scalars<uint8_t>(op);
    }
    if (cls == ir::OpClass::logic || op == ir::Op::eq || op == ir::Op::select)
      same_as_scalars<bool>(op);
    if (op == ir::Op::rng) same_as_scalars<int64_t>(op);
  }
}

// One group with splats, a mask, two results and an inner value that is used later.
constexpr const char* kChain = R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[N, M], %2: f32) {
  %3: f32[N, M] = broadcast(%2) axes=[]
  %4: f32[N, M] = mul(%0, %3)
  %5: f32[N, M] = add(%4, %1)
  %6: f32[N, M] = tanh(%5)
  %7: bool[N, M] = lt(%6, %1)
  %8: f32[N, M] = select(%7, %6, %0)
  %9: f32[N, M] = sub(%8, %3)
  %10: f32[N] = reduce(%6) max axes=[1]
  %11: i32[N, M] = convert(%9)
  return %9, %10, %11
})";

TEST(Point, AFusedGroupIsItsNodesOneByOne) {
  // The same nodes, kept apart by functions of one node each.
  constexpr const char* kApart = R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[N, M], %2: f32) {
    %3: f32[N, M] = broadcast(%2) axes=[]
    %4: f32[N, M] = call(%0, %3) @1 sizes=[N, M]
    %5: f32[N, M] = call(%4, %1) @2 sizes=[N, M]
    %6: f32[N, M] = call(%5) @3 sizes=[N, M]
    %7: bool[N, M] = call(%6, %1) @4 sizes=[N, M]
    %8: f32[N, M] = call(%7, %6, %0) @5 sizes=[N, M]
    %9: f32[N, M] = call(%8, %3) @6 sizes=[N, M]
    %10: f32[N] = reduce(%6) max axes=[1]
    %11: i32[N, M] = call(%9) @7 sizes=[N, M]
    return %9, %10, %11
  }
  fn @1 mul[N, M](%0: f32[N, M], %1: f32[N, M]) { %2: f32[N, M] = mul(%0, %1) return %2 }
  fn @2 add[N, M](%0: f32[N, M], %1: f32[N, M]) { %2: f32[N, M] = add(%0, %1) return %2 }
  fn @3 tanh[N, M](%0: f32[N, M]) { %1: f32[N, M] = tanh(%0) return %1 }
  fn @4 lt[N, M](%0: f32[N, M], %1: f32[N, M]) { %2: bool[N, M] = lt(%0, %1) return %2 }
  fn @5 sel[N, M](%0: bool[N, M], %1: f32[N, M], %2: f32[N, M]) { %3: f32[N, M] = select(%0, %1, %2) return %3 }
  fn @6 sub[N, M](%0: f32[N, M], %1: f32[N, M]) { %2: f32[N, M] = sub(%0, %1) return %2 }
  fn @7 cast[N, M](%0: f32[N, M]) { %1: i32[N, M] = convert(%0) return %1 })";
  for (int64_t n : {0, 1, 3, 70})
    for (int64_t m : {0, 1, 17, 1025}) {
      auto args = [&] {
        return std::vector<Tensor>{tensor({n, m}, floats(n * m, 1)),
                                   tensor({n, m}, floats(n * m, 2)), scalar(1.25f)};
      };
      if (m == 0) continue;  // a maximum of nothing is another matter
      Program apart(kApart);
      const auto want = apart.run(args(), {n, m});
      for (int threads : {1, 2, 3, 8}) {
        Program p(kChain, threads);
        const auto got = p.run(args(), {n, m});
        for (size_t i = 0; i < want.size(); ++i)
          EXPECT_TRUE(same_bits(got[i], want[i])) << n << "x" << m << " " << i;
      }
    }
}

TEST(Point, WritesOverWhatEndsThereAndNothingElse) {
  Program p(R"(fn @0 f[N](%0: f32[N], %1: f32[N]) {
    %2: f32[N] = add(%0, %1)
    %3: f32[N] = mul(%2, %0)
    return %3
  })");
  Tensor kept = tensor<float>({3}, {1, 2, 3});
  std::vector<Tensor> args{kept, tensor<float>({3}, {10, 20, 30})};
  const void* own = args[1].raw();
  auto out = p.run(std::move(args), {3});
  EXPECT_EQ(elements<float>(out[0]), (std::vector<float>{11, 44, 99}));
  EXPECT_EQ(out[0].raw(), own);
  EXPECT_EQ(elements<float>(kept), (std::vector<float>{1, 2, 3}));
}

TEST(Point, ReadsViewsOfAnyStrides) {
  Program p(R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[M, N], %2: f32[N]) {
    %3: f32[N, M] = transpose(%1) axes=[1, 0]
    %4: f32[N, M] = broadcast(%2) axes=[0]
    %5: f32[N, M] = sub(%0, %3)
    %6: f32[N, M] = mul(%5, %4)
    return %6
  })");
  const int64_t n = 37, m = 41;
  const auto a = floats(n * m, 1), b = floats(n * m, 2), c = floats(n, 3);
  const auto got =
      elements<float>(p.run({tensor({n, m}, a), tensor({m, n}, b), tensor({n}, c)}, {n, m})[0]);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j) ASSERT_EQ(got[i * m + j], (a[i * m + j] - b[j * n + i]) * c[i]);
}

TEST(Point, IntegerDivisionByZeroInATensor) {
  Program p(R"(fn @0 f[N](%0: i64[N], %1: i64[N]) {
    %2: i64[N] = div(%0, %1)
    return %0
  })");
  p.run({tensor<int64_t>({2}, {1, 2}), tensor<int64_t>({2}, {1, 2})}, {2});
  // An unused division still ends the run: nothing that can trap is dropped.
  EXPECT_EQ(p.error({tensor<int64_t>({2}, {1, 2}), tensor<int64_t>({2}, {1, 0})}, {2}).code,
            Code::E0801);
}

// ---------------------------------------------------------------- structure

TEST(Structure, SliceAndUpdate) {
  Program p(R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[2, 3], %2: i64, %3: i64) {
    %4: f32[2, 3] = slice(%0, %2, %3) strides=[2, 1]
    %5: f32[N, M] = update(%0, %1, %2, %3) strides=[2, 1]
    return %4, %5
  })");
  const auto a = floats(35);
  auto out = p.run({tensor({5, 7}, a), tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}),
                    scalar<int64_t>(1), scalar<int64_t>(4)},
                   {5, 7});
  EXPECT_EQ(elements<float>(out[0]),
            (std::vector<float>{a[11], a[12], a[13], a[25], a[26], a[27]}));
  auto want = a;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) want[(1 + 2 * i) * 7 + 4 + j] = static_cast<float>(3 * i + j + 1);
  EXPECT_EQ(elements<float>(out[1]), want);
  for (auto [i, j] : std::vector<std::pair<int64_t, int64_t>>{{3, 4}, {1, 5}, {-1, 0}, {0, -1}})
    EXPECT_EQ(p.error({tensor({5, 7}, a), tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}), scalar(i),
                       scalar(j)},
                      {5, 7})
                  .code,
              Code::E0802);
}

TEST(Structure, UpdatesInALoopStayInPlace) {
  Program p(R"(fn @0 f[N](%0: f32[N], %1: i64) {
    %2: i64 = constant 0
    %3: f32[N] = for(%2, %1, %0) {
      (%4: i64, %5: f32[N])
      %6: f32 = convert(%4)
      %7: f32[1] = reshape(%6)
      %8: f32[N] = update(%5, %7, %4) strides=[1]
      yield %8
    }
    return %3
  })");
  Tensor x(DType::f32, {1000});
  const void* memory = x.raw();
  std::vector<Tensor> args;
  args.push_back(std::move(x));
  args.push_back(scalar<int64_t>(1000));
  auto out = p.run(std::move(args), {1000});
  EXPECT_EQ(out[0].raw(), memory);
  EXPECT_EQ(out[0].data<float>()[999], 999.0f);
}

TEST(Structure, MovesAndJoins) {
  Program p(R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[N, 2]) {
    %2: f32[M, N] = transpose(%0) axes=[1, 0]
    %3: f32[M*N] = reshape(%2)
    %4: f32[N, M + 2] = concat(%0, %1) axis=1
    %5: i32[N, M] = iota axis=1
    %6: f32[N, M] = iota axis=0
    %7: f32[2, 2] = constant [1.0, 2.0, 3.0, 4.0]
    return %3, %4, %5, %6, %7
  })");
  auto out = p.run(
      {tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}), tensor<float>({2, 2}, {7, 8, 9, 10})}, {2, 3});
  EXPECT_EQ(elements<float>(out[0]), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(elements<float>(out[1]), (std::vector<float>{1, 2, 3, 7, 8, 4, 5, 6, 9, 10}));
  EXPECT_EQ(elements<int32_t>(out[2]), (std::vector<int32_t>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(elements<float>(out[3]), (std::vector<float>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(elements<float>(out[4]), (std::vector<float>{1, 2, 3, 4}));
}

TEST(Structure, BetweenScalarsAndTensors) {
  Program p(R"(fn @0 f[](%0: f32) {
    %1: f32[1, 1] = reshape(%0)
    %2: f32 = reshape(%1)
    %3: f32[2, 3] = broadcast(%2) axes=[]
    %4: f32 = transpose(%2) axes=[]
    %5: f32 = stop_gradient(%4)
    return %3, %5, %1
  })");
  auto out = p.run({scalar(2.5f)});
  EXPECT_EQ(elements<float>(out[0]), std::vector<float>(6, 2.5f));
  EXPECT_EQ(elements<float>(out[1]), std::vector<float>{2.5f});
  EXPECT_EQ(elements<float>(out[2]), std::vector<float>{2.5f});
}

TEST(Structure, ReshapeToAnotherCountIsAnError) {
  Program p(R"(fn @0 f[N](%0: f32[N]) {
    %1: i64 = constant 6
    bind_dim(%1) S?
    %2: f32[S?, 2] = reshape(%0)
    return %2
  })");
  EXPECT_EQ(p.run({tensor({12}, floats(12))}, {12})[0].count(), 12);
  EXPECT_EQ(p.error({tensor({13}, floats(13))}, {13}).code, Code::E0803);
}

// ---------------------------------------------------------------- reductions and the like

TEST(Reduce, EveryKindOverEveryAxis) {
  Program p(R"(fn @0 f[N, M](%0: f64[N, M], %1: bool[N, M]) {
    %2: f64[N] = reduce(%0) sum axes=[1]
    %3: f64[M] = reduce(%0) sum axes=[0]
    %4: f64 = reduce(%0) prod axes=[0, 1]
    %5: f64[M] = reduce(%0) max axes=[0]
    %6: f64[N] = reduce(%0) min axes=[1]
    %7: bool[N] = reduce(%1) any axes=[1]
    %8: bool = reduce(%1) all axes=[0, 1]
    %9: i64[N] = arg_reduce(%0) max axis=1
    %10: i64[M] = arg_reduce(%0) min axis=0
    %11: f64[N, M] = scan(%0) sum axis=1
    %12: f64[N, M] = scan(%0) max axis=0 reverse
    return %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12
  })");
  // Small whole numbers: every order of adding is exact.
  auto out = p.run({tensor<double>({2, 3}, {1, 5, 2, 4, 3, 5}),
                    tensor<bool>({2, 3}, {true, false, false, true, true, true})},
                   {2, 3});
  EXPECT_EQ(elements<double>(out[0]), (std::vector<double>{8, 12}));
  EXPECT_EQ(elements<double>(out[1]), (std::vector<double>{5, 8, 7}));
  EXPECT_EQ(elements<double>(out[2]), (std::vector<double>{600}));
  EXPECT_EQ(elements<double>(out[3]), (std::vector<double>{4, 5, 5}));
  EXPECT_EQ(elements<double>(out[4]), (std::vector<double>{1, 3}));
  EXPECT_EQ(elements<bool>(out[5]), (std::vector<bool>{true, true}));
  EXPECT_EQ(elements<bool>(out[6]), (std::vector<bool>{false}));
  EXPECT_EQ(elements<int64_t>(out[7]), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(elements<int64_t>(out[8]), (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(elements<double>(out[9]), (std::vector<double>{1, 6, 8, 4, 7, 12}));
  EXPECT_EQ(elements<double>(out[10]), (std::vector<double>{4, 5, 5, 4, 3, 5}));
}

TEST(Sort, GivesValuesAndTheirOldPlaces) {
  Program p(R"(fn @0 f[N](%0: f32[N]) {
    %1: f32[N], %2: i64[N] = sort(%0) axis=0
    return %1, %2
  })");
  auto out = p.run({tensor<float>({6}, {3, 1, NAN, 2, 1, -1})}, {6});
  const auto values = elements<float>(out[0]);
  EXPECT_EQ(std::vector<float>(values.begin(), values.end() - 1),
            (std::vector<float>{-1, 1, 1, 2, 3}));
  EXPECT_TRUE(std::isnan(values[5]));
  EXPECT_EQ(elements<int64_t>(out[1]), (std::vector<int64_t>{5, 1, 4, 3, 0, 2}));
}

TEST(Contract, ProductDotAndConvolution) {
  Program p(R"(fn @0 f[N, K, M](%0: f64[N, K], %1: f64[K, M], %2: f64[K], %3: f64[3]) {
    %4: f64[N, M] = contract(%0, %1) range=[N, M, K] a=[$0, $2] b=[$2, $1] out=[0, 1]
    %5: f64 = contract(%2, %2) range=[K] a=[$0] b=[$0] out=[]
    %6: f64[K - 2] = contract(%2, %3) range=[K - 2, 3] a=[$0 + $1] b=[-1*$1 + (2)] out=[0]
    return %4, %5, %6
  })");
  const int64_t n = 5, k = 9, m = 7;
  std::vector<double> a(n * k), b(k * m), c(k), d{1, 2, 4};
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i * 7 % 11);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i * 5 % 13);
  for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<double>(i * 3 % 7);
  auto out =
      p.run({tensor({n, k}, a), tensor({k, m}, b), tensor({k}, c), tensor({3}, d)}, {n, k, m});
  std::vector<double> product(n * m), convolved(k - 2);
  double dot = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j)
      for (int64_t l = 0; l < k; ++l) product[i * m + j] += a[i * k + l] * b[l * m + j];
  for (int64_t l = 0; l < k; ++l) dot += c[l] * c[l];
  for (int64_t i = 0; i < k - 2; ++i)
    for (int64_t l = 0; l < 3; ++l) convolved[i] += c[i + l] * d[2 - l];
  EXPECT_EQ(elements<double>(out[0]), product);
  EXPECT_EQ(elements<double>(out[1])[0], dot);
  EXPECT_EQ(elements<double>(out[2]), convolved);
}

TEST(Contract, AWindowThatLeavesIsAnError) {
  Program p(R"(fn @0 f[K, L](%0: f64[K], %1: f64[3]) {
    %2: f64[L] = contract(%0, %1) range=[L, 3] a=[$0 + $1] b=[$1] out=[0]
    return %2
  })");
  EXPECT_EQ(
      p.run({tensor({5}, randoms<double>(5)), tensor({3}, randoms<double>(3))}, {5, 3})[0].count(),
      3);
  EXPECT_EQ(
      p.error({tensor({5}, randoms<double>(5)), tensor({3}, randoms<double>(3))}, {5, 4}).code,
      Code::E0802);
}

TEST(Structure, OneElementOfAView) {
  Program p(R"(fn @0 f[N, M](%0: f32[N, M], %1: i64, %2: i64) {
    %3: f32[M, N] = transpose(%0) axes=[1, 0]
    %4: f32[1, 1] = slice(%3, %1, %2) strides=[1, 1]
    %5: f32 = reshape(%4)
    %6: f32[1, 1] = reshape(%5)
    %7: f32[M, N] = update(%3, %6, %2, %2) strides=[1, 1]
    return %5, %7
  })");
  EXPECT_EQ(p.number<float>(
                {tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}), scalar<int64_t>(2), scalar<int64_t>(1)},
                {2, 3}),
            6);
  const auto out = p.run(
      {tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}), scalar<int64_t>(2), scalar<int64_t>(0)}, {2, 3});
  EXPECT_EQ(elements<float>(out[1]), (std::vector<float>{3, 4, 2, 5, 3, 6}));
  const Diagnostic d = p.error(
      {tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}), scalar<int64_t>(3), scalar<int64_t>(1)}, {2, 3});
  EXPECT_EQ(d.code, Code::E0802);
  EXPECT_NE(d.message.find("3"), std::string::npos);
}

// ---------------------------------------------------------------- map and scatter

TEST(Map, ReadsAnyPlaces) {
  // out[i, j] = |u[i] - v[j]| + size
  Program p(R"(fn @0 f[N, M](%0: f32[N], %1: f32[M], %2: f32) {
    %3: f32[N, M] = map out=[N, M] {
      (%4: i64, %5: i64)
      %6: f32 = read(%0, %4)
      %7: f32 = read(%1, %5)
      %8: f32 = sub(%6, %7)
      %9: f32 = abs(%8)
      %10: i64 = size 2*M
      %11: f32 = convert(%10)
      %12: f32 = add(%9, %11)
      %13: f32 = mul(%12, %2)
      yield %13
    }
    return %3
  })");
  const auto u = floats(33, 1), v = floats(50, 2);
  const auto got =
      elements<float>(p.run({tensor({33}, u), tensor({50}, v), scalar(0.5f)}, {33, 50})[0]);
  for (int i = 0; i < 33; ++i)
    for (int j = 0; j < 50; ++j)
      ASSERT_EQ(got[i * 50 + j], (std::fabs(u[i] - v[j]) + 100.0f) * 0.5f);
}

constexpr const char* kGather = R"(fn @0 f[N, M, K](%0: f32[N, M], %1: i64[K]) {
    %2: f32[K, M] = map out=[K, M] {
      (%3: i64, %4: i64)
      %5: i64 = read(%1, %3)
      %6: f32 = read(%0, %5, %4)
      yield %6
    }
    return %2
  })";

TEST(Map, GathersRows) {
  Program p(kGather);
  const auto table = floats(40);
  const auto got = elements<float>(
      p.run({tensor({10, 4}, table), tensor<int64_t>({3}, {9, 0, 9})}, {10, 4, 3})[0]);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) ASSERT_EQ(got[i * 4 + j], table[(i == 1 ? 0 : 9) * 4 + j]);
  for (int64_t bad : {10, -1}) {
    const Diagnostic d =
        p.error({tensor({10, 4}, table), tensor<int64_t>({3}, {9, bad, 77})}, {10, 4, 3});
    EXPECT_EQ(d.code, Code::E0802);
    EXPECT_NE(d.message.find(std::to_string(bad)), std::string::npos)
        << d.message;  // the first one
    EXPECT_EQ(d.message.find("77"), std::string::npos) << d.message;
  }
}

// With Z = 0 the guarded read makes the body run turn by turn: the same bits in the same order.
std::string map_of(const std::string& out, const std::string& red, const std::string& result) {
  return "fn @0 f[N, M, Z](%0: f32[N, M], %1: f32, %2: f32[Z]) {\n %3: " + result +
         " = map out=" + out + " red=" + red + R"( {
      (%4: i64, %5: i64)
      %7: f32 = read(%0, %4, %5)
      %8: f32 = mul(%7, %1)
      %9: i64 = size Z
      %10: i64 = constant 1
      %11: bool = lt(%10, %9)
      %12: f32 = if(%11) {
        %13: f32 = read(%2, %10)
        yield %13
      } {
        yield %8
      }
      yield %12
    }
    return %3
  })";
}

TEST(Map, SumsInOneOrderHoweverItRuns) {
  struct Case {
    std::string out, red, result;
  };
  const int64_t n = 70, m = 2100;
  const auto a = floats(n * m);
  for (const Case& c : {Case{"[N]", "[M] sum", "f32[N]"}, Case{"[]", "[N, M] sum", "f32"},
                        Case{"[N]", "[M] max", "f32[N]"}}) {
    const std::string text = map_of(c.out, c.red, c.result);
    Program slow(text);
    const Tensor want =
        slow.run({tensor({n, m}, a), scalar(1.1f), Tensor(DType::f32, {0})}, {n, m, 0})[0];
    for (int threads : {1, 2, 3, 8}) {
      Program p(text, threads);
      const auto got = p.run({tensor({n, m}, a), scalar(1.1f), tensor<float>({1}, {0})}, {n, m, 1});
      EXPECT_TRUE(same_bits(got[0], want)) << c.red << threads;
    }
  }
}

TEST(Map, EmptySpaces) {
  Program p(map_of("[N]", "[M] sum", "f32[N]"));
  for (int64_t z : {0, 1}) {
    auto run = [&](int64_t n, int64_t m) {
      return p.run(
          {Tensor(DType::f32, {n, m}), scalar(1.0f), tensor<float>({z}, std::vector<float>(z))},
          {n, m, z})[0];
    };
    EXPECT_EQ(elements<float>(run(3, 0)), std::vector<float>(3, 0.0f));
    EXPECT_EQ(run(0, 3).count(), 0);
  }
}

// An `if` in a body computes one arm: what the other would do wrong does not happen.
constexpr const char* kGuarded = R"(fn @0 f[N, K](%0: i64[K], %1: i64) {
    %2: i64[N] = map out=[N] {
      (%3: i64)
      %4: i64 = constant 0
      %5: bool = lt(%4, %3)
      %6: i64 = if(%5) {
        %7: i64 = constant 1
        %8: i64 = sub(%3, %7)
        %9: i64 = read(%0, %8)
        yield %9
      } {
        %10: i64 = constant 100
        %11: bool = eq(%1, %4)
        %12: i64 = if(%11) {
          yield %4
        } {
          %13: i64 = div(%10, %1)
          yield %13
        }
        yield %12
      }
      yield %6
    }
    return %2
  })";

TEST(Map, IfComputesOneArm) {
  Program p(kGuarded);
  auto run = [&](int64_t n, std::vector<int64_t> a, int64_t d) {
    const auto k = static_cast<int64_t>(a.size());
    return elements<int64_t>(p.run({tensor<int64_t>({k}, a), scalar(d)}, {n, k})[0]);
  };
  EXPECT_EQ(run(4, {7, 8, 9}, 3), (std::vector<int64_t>{33, 7, 8, 9}));
  EXPECT_EQ(run(4, {7, 8, 9}, 0), (std::vector<int64_t>{0, 7, 8, 9}));
  EXPECT_EQ(run(1, {}, 5), (std::vector<int64_t>{20}));  // nothing to read, and nothing is read
  const Diagnostic d = p.error({tensor<int64_t>({2}, {7, 8}), scalar<int64_t>(5)}, {5, 2});
  EXPECT_EQ(d.code, Code::E0802);
  EXPECT_NE(d.message.find("index 2"), std::string::npos) << d.message;
}

TEST(Map, ReportsTheFirstIndexForAnyThreads) {
  const int64_t n = 200000;
  std::vector<int64_t> at(n, 1);
  at[150000] = 555;
  at[77777] = -333;
  at[199999] = 444;
  for (int64_t z : {1, 0}) {  // 0: turn by turn
    constexpr const char* kText = R"(fn @0 f[N, K, Z](%0: f32[K], %1: i64[N], %2: f32[Z]) {
      %3: f32[N] = map out=[N] {
        (%4: i64)
        %5: i64 = read(%1, %4)
        %6: i64 = constant 0
        %7: bool = lt(%5, %6)
        %8: bool = lt(%6, %5)
        %9: bool = eq(%7, %8)
        %10: f32 = if(%9) {
          %11: f32 = read(%2, %6)
          yield %11
        } {
          %12: f32 = read(%0, %5)
          yield %12
        }
        yield %10
      }
      return %3
    })";
    for (int threads : {1, 2, 3, 8}) {
      Program p(kText, threads);
      const Diagnostic d = p.error(
          {tensor<float>({2}, {1, 2}), tensor({n}, at), Tensor(DType::f32, {z})}, {n, 2, z});
      EXPECT_EQ(d.code, Code::E0802);
      EXPECT_NE(d.message.find("-333"), std::string::npos) << d.message;
    }
  }
}

// The first index counts, not the first read in the body.
TEST(Map, ReportsTheFirstIndexOfTwoReads) {
  Program p(R"(fn @0 f[N, K](%0: i64[K], %1: i64[N], %2: i64[N]) {
    %3: i64[N] = map out=[N] {
      (%4: i64)
      %5: i64 = read(%1, %4)
      %6: i64 = read(%2, %4)
      %7: i64 = read(%0, %5)
      %8: i64 = read(%0, %6)
      %9: i64 = div(%7, %8)
      yield %9
    }
    return %3
  })");
  std::vector<int64_t> a(5000, 1), b(5000, 1);
  a[700] = 111;
  b[600] = 222;
  b[800] = 333;
  auto run = [&](int64_t one) {
    return p.error({tensor<int64_t>({2}, {7, one}), tensor({5000}, a), tensor({5000}, b)},
                   {5000, 2});
  };
  EXPECT_NE(run(1).message.find("222"), std::string::npos);
  EXPECT_EQ(run(0).code, Code::E0801);  // the division fails at once
}

constexpr const char* kScatter = R"(fn @0 f[N, M, K](%0: f32[N, M], %1: i64[K], %2: f32[K, M]) {
    %3: f32[N, M] = scatter(%0) dims=[K, M] {
      (%4: i64, %5: i64)
      %6: i64 = read(%1, %4)
      %7: f32 = read(%2, %4, %5)
      yield %6, %5, %7
    }
    return %3
  })";

TEST(Scatter, AddsRowsInOrder) {
  const int64_t n = 7, m = 5, k = 1000;
  auto table = floats(n * m, 1), rows = floats(k * m, 2);
  std::vector<int64_t> at(k);
  for (int64_t i = 0; i < k; ++i) at[i] = i * i % n;
  auto want = table;
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < m; ++j) want[at[i] * m + j] += rows[i * m + j];
  for (int threads : {1, 2, 3, 8}) {
    Program p(kScatter, threads);
    Tensor kept = tensor({n, m}, table);
    EXPECT_EQ(elements<float>(p.run({kept, tensor({k}, at), tensor({k, m}, rows)}, {n, m, k})[0]),
              want);
    EXPECT_EQ(elements<float>(kept), table);
  }
  at[3] = 7;
  Program p(kScatter);
  EXPECT_EQ(p.error({tensor({n, m}, table), tensor({k}, at), tensor({k, m}, rows)}, {n, m, k}).code,
            Code::E0802);
}

TEST(Scatter, OfItselfReadsItAsItWas) {
  Program p(R"(fn @0 f[N](%0: f32[N]) {
    %1: f32[N] = scatter(%0) dims=[N] {
      (%2: i64)
      %3: i64 = constant 0
      %4: f32 = read(%0, %3)
      yield %3, %4
    }
    return %1
  })");
  EXPECT_EQ(elements<float>(p.run({tensor<float>({3}, {1, 2, 3})}, {3})[0]),
            (std::vector<float>{4, 2, 3}));
}

TEST(Scatter, IntoAScalarAndTurnByTurn) {
  Program p(R"(fn @0 f[N, Z](%0: f32, %1: f32[N], %2: f32[Z], %3: f32[N]) {
    %4: f32 = scatter(%0) dims=[N] {
      (%5: i64)
      %6: f32 = read(%1, %5)
      yield %6
    }
    %7: f32[N] = scatter(%3) dims=[N] {
      (%8: i64)
      %9: f32 = read(%1, %8)
      %10: i64 = size Z
      %11: i64 = constant 0
      %12: bool = lt(%11, %10)
      %13: f32 = if(%12) {
        %14: f32 = read(%2, %11)
        %15: f32 = add(%14, %9)
        yield %15
      } {
        yield %9
      }
      yield %11, %13
    }
    return %4, %7
  })");
  for (int64_t z : {0, 1}) {
    auto out =
        p.run({scalar(10.0f), tensor<float>({4}, {1, 2, 3, 4}),
               tensor<float>({z}, std::vector<float>(z, 100.0f)), tensor<float>({4}, {5, 6, 7, 8})},
              {4, z});
    EXPECT_EQ(elements<float>(out[0])[0], 20);
    EXPECT_EQ(elements<float>(out[1]), (std::vector<float>{z == 0 ? 15.0f : 415.0f, 6, 7, 8}));
  }
}

// ---------------------------------------------------------------- law 1

TEST(Threads, AnyNumberGivesTheSameBits) {
  constexpr const char* kText = R"(fn @0 f[N, K](%0: f32[N, K], %1: f32[K, K]) {
    %2: f32[N, K] = contract(%0, %1) range=[N, K, K] a=[$0, $2] b=[$2, $1] out=[0, 1]
    %3: f32[N, K] = tanh(%2)
    %4: f32[N] = reduce(%3) max axes=[1]
    %5: f32[N, K] = broadcast(%4) axes=[0]
    %6: f32[N, K] = sub(%3, %5)
    %7: f32[N, K] = exp(%6)
    %8: f32[N] = reduce(%7) sum axes=[1]
    %9: f32[N, K] = broadcast(%8) axes=[0]
    %10: f32[N, K] = div(%7, %9)
    %11: f32[K] = reduce(%10) sum axes=[0]
    %12: f32[N, K] = scan(%10) sum axis=0
    %13: f32 = contract(%10, %12) range=[N, K] a=[$0, $1] b=[$0, $1] out=[]
    %14: f32[N, K], %15: i64[N, K] = sort(%10) axis=1
    return %10, %11, %12, %13, %14, %15
  })";
  const int64_t n = 300, k = 130;
  const auto a = floats(n * k, 1), b = floats(k * k, 2);
  Program one(kText, 1);
  const auto want = one.run({tensor({n, k}, a), tensor({k, k}, b)}, {n, k});
  for (int threads : {2, 3, 8}) {
    Program p(kText, threads);
    const auto got = p.run({tensor({n, k}, a), tensor({k, k}, b)}, {n, k});
    for (size_t i = 0; i < want.size(); ++i)
      EXPECT_TRUE(same_bits(got[i], want[i])) << i << " with " << threads;
  }
}

}  // namespace
}  // namespace tenon::test
