// rooms: support ir runtime kernels interp
// Derivatives as the prefix makes them, run by the interpreter: loops on tapes, recursion, order
// two, and accumulators that must stay in place.
#include <chrono>
#include <cmath>

#include "ir/passes.h"
#include "tests/unit/interp_program.h"

namespace tenon::test {
namespace {

// A program whose function 0 is replaced by its vjp, taken `order` times with respect to parameter
// 0.
struct Derived : Program {
  Derived(std::string_view text, int order) : Program(text) {
    ir::PrefixRunner prefix(*module);
    prefix.run(0);
    fn = 0;
    for (int k = 0; k < order; ++k) {
      // Result 0 of the original, or the last cotangent of what was derived before.
      const int seed = k == 0 ? 0 : static_cast<int>(module->fn(fn).body.results.size()) - 1;
      fn = ir::make_vjp(*module, fn, {0}, {seed});
      EXPECT_EQ(ir::verify(*module, module->fn(fn)), "");
    }
  }
  ir::FnId fn;
};

constexpr const char* kNewton = R"(fn @0 newton[](%0: f64, %1: i64) {
    %2: bool = constant true
    %3: i64 = constant 0
    %4: f64, %5: bool, %6: i64 = while(%0, %2, %3) {
      (%7: f64, %8: bool, %9: i64)
      %10: bool = lt(%9, %1)
      %11: bool = and(%8, %10)
      yield %11
    } {
      (%12: f64, %13: bool, %14: i64)
      %15: f64 = div(%0, %12)
      %16: f64 = add(%12, %15)
      %17: f64 = constant 0.5
      %18: f64 = mul(%17, %16)
      %19: f64 = sub(%18, %12)
      %20: f64 = abs(%19)
      %21: f64 = constant 1e-14
      %22: bool = lt(%20, %21)
      %23: bool = not(%22)
      %24: i64 = constant 1
      %25: i64 = add(%14, %24)
      yield %18, %23, %25
    }
    return %4
  })";

TEST(Derivative, OfNewtonIsThatOfTheSquareRoot) {
  Derived first(kNewton, 1), second(kNewton, 2);
  for (double a : {0.5, 2.0, 10.0}) {
    auto d1 = first.run({scalar(a), scalar<int64_t>(60), scalar(1.0)}, {}, first.fn);
    EXPECT_NEAR(elements<double>(d1.back())[0], 0.5 / std::sqrt(a), 1e-12);
    auto d2 = second.run({scalar(a), scalar<int64_t>(60), scalar(1.0), scalar(1.0)}, {}, second.fn);
    EXPECT_NEAR(elements<double>(d2.back())[0], -0.25 / (a * std::sqrt(a)), 1e-10);
  }
}

TEST(Derivative, GoesThroughRecursion) {
  // power(x, n) = n == 0 ? 1 : x * power(x, n - 1)
  Derived p(R"(fn @0 power[](%0: f64, %1: i64) recursive {
    %2: i64 = constant 0
    %3: bool = eq(%1, %2)
    %4: f64 = if(%3) {
      %5: f64 = constant 1.0
      yield %5
    } {
      %6: i64 = constant 1
      %7: i64 = sub(%1, %6)
      %8: f64 = call(%0, %7) @0
      %9: f64 = mul(%0, %8)
      yield %9
    }
    return %4
  })",
            1);
  auto out = p.run({scalar(1.5), scalar<int64_t>(7), scalar(1.0)}, {}, p.fn);
  EXPECT_DOUBLE_EQ(elements<double>(out[0])[0], std::pow(1.5, 7));
  EXPECT_NEAR(elements<double>(out.back())[0], 7 * std::pow(1.5, 6), 1e-12);
}

// s = sum over i of x[i]^2, one element at a time: the cotangent of x grows in place, so ten times
// the length costs ten times the time, not a hundred.
TEST(Derivative, OfAnElementLoopIsLinear) {
  Derived p(R"(fn @0 f[N](%0: f64[N]) {
    %1: i64 = constant 0
    %2: i64 = size N
    %3: f64 = constant 0.0
    %4: f64 = for(%1, %2, %3) {
      (%5: i64, %6: f64)
      %7: f64[1] = slice(%0, %5) strides=[1]
      %8: f64 = reshape(%7)
      %9: f64 = mul(%8, %8)
      %10: f64 = add(%6, %9)
      yield %10
    }
    return %4
  })",
            1);
  auto seconds = [&](int64_t n) {
    double best = 1e9;
    for (int k = 0; k < 5; ++k) {
      const auto start = std::chrono::steady_clock::now();
      auto out = p.run({tensor({n}, std::vector<double>(n, 3.0)), scalar(1.0)}, {n}, p.fn);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      EXPECT_EQ(elements<double>(out.back()), std::vector<double>(n, 6.0));
    }
    return best;
  };
  seconds(100);
  EXPECT_LT(seconds(40000), 40 * seconds(4000));  // 100 times were it quadratic
}

}  // namespace
}  // namespace tenon::test
