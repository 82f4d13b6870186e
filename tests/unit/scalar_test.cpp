// rooms: support ir
// The scalar programs on the plain machine: accuracy against long double, special cases, integers.
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "ir/scalar/program.h"

using namespace tenon;
using ir::Op;
using scalar::Plain;

namespace {

std::mt19937_64 rng(7);

// The distance of y from the true value in units in the last place of the true value.
template <class T>
long double ulps(T y, long double want) {
  constexpr long double kFar = 1e9;
  using L = std::numeric_limits<T>;
  if (std::isnan(want)) return std::isnan(y) ? 0 : kFar;
  if (std::isinf(y) || std::isinf(static_cast<T>(want)))
    return y == static_cast<T>(want) || std::fabs(want) > 0.9999999L * L::max() ? 0 : kFar;
  if (want == 0) return y == 0 ? 0 : kFar;
  int exponent;
  std::frexp(want, &exponent);
  exponent = std::max(exponent - L::digits, L::min_exponent - L::digits);
  return std::fabs(y - want) / std::ldexp(1.0L, exponent);
}

// Evenly spread arguments and arguments of every exponent, by turns.
template <class T>
T argument(T low, T high, bool even) {
  if (even) return static_cast<T>(std::uniform_real_distribution<double>(low, high)(rng));
  for (;;) {
    uint64_t bits = rng();
    T x;
    std::memcpy(&x, &bits, sizeof x);
    if (x >= low && x <= high) return x;
  }
}

constexpr int kTries = 100000;

template <DType t, Op op, class R>
void within(double bound, R reference, double low, double high) {
  using T = scalar::Storage<t>;
  Plain m;
  long double worst = 0;
  T at = 0;
  for (int i = 0; i < kTries; ++i) {
    T x = argument<T>(static_cast<T>(low), static_cast<T>(high), i % 2);
    long double e = ulps<T>(scalar::apply<op, t>(m, x), reference(static_cast<long double>(x)));
    if (e > worst) worst = e, at = x;
  }
  EXPECT_LE(worst, bound) << ir::name(op) << " " << name(t) << " at " << at;
}
template <DType t, Op op, class R>
void within_two(double bound, R reference, double xl, double xh, double yl, double yh) {
  using T = scalar::Storage<t>;
  Plain m;
  long double worst = 0;
  T at_x = 0, at_y = 0;
  for (int i = 0; i < kTries; ++i) {
    T x = argument<T>(static_cast<T>(xl), static_cast<T>(xh), i % 2);
    T y = argument<T>(static_cast<T>(yl), static_cast<T>(yh), i / 2 % 2);
    long double e = ulps<T>(scalar::apply<op, t>(m, x, y),
                            reference(static_cast<long double>(x), static_cast<long double>(y)));
    if (e > worst) worst = e, at_x = x, at_y = y;
  }
  EXPECT_LE(worst, bound) << ir::name(op) << " " << name(t) << " at " << at_x << ", " << at_y;
}

// The bounds of docs/semantics.md.
template <DType t>
void accuracy() {
  constexpr bool w = t == DType::f64;
  auto f = [](auto g) { return g; };
  using L = long double;
  within<t, Op::exp>(0.87, f([](L x) { return std::exp(x); }), w ? -750 : -105,
                     w ? 710 : 89);
  within<t, Op::exp>(0.87, f([](L x) { return std::exp(x); }), -1, 1);
  within<t, Op::expm1>(w ? 1.70 : 1.50, f([](L x) { return std::expm1(x); }), w ? -50 : -25,
                       w ? 710 : 89);
  within<t, Op::expm1>(w ? 1.70 : 1.50, f([](L x) { return std::expm1(x); }), -1, 1);
  within<t, Op::log>(w ? 0.82 : 0.81, f([](L x) { return std::log(x); }), 0, w ? 1e300 : 1e37);
  within<t, Op::log>(w ? 0.82 : 0.81, f([](L x) { return std::log(x); }), 0.5, 2);
  within<t, Op::log1p>(w ? 0.81 : 0.80, f([](L x) { return std::log1p(x); }), -1, w ? 1e300 : 1e37);
  within<t, Op::log1p>(w ? 0.81 : 0.80, f([](L x) { return std::log1p(x); }), -0.5, 1);
  within<t, Op::sin>(w ? 0.77 : 0.51, f([](L x) { return std::sin(x); }), -10, 10);
  within<t, Op::sin>(w ? 0.77 : 0.51, f([](L x) { return std::sin(x); }), w ? -1e13 : -3e38,
                     w ? 1e13 : 3e38);
  within<t, Op::cos>(w ? 0.77 : 0.51, f([](L x) { return std::cos(x); }), -10, 10);
  within<t, Op::cos>(w ? 0.77 : 0.51, f([](L x) { return std::cos(x); }), w ? -1e13 : -3e38,
                     w ? 1e13 : 3e38);
  within<t, Op::tanh>(w ? 2.3 : 4.3, f([](L x) { return std::tanh(x); }), -20, 20);
  within<t, Op::tanh>(w ? 2.3 : 4.3, f([](L x) { return std::tanh(x); }), -1, 1);
  within<t, Op::erf>(w ? 1.10 : 1.05, f([](L x) { return std::erf(x); }), -7, 7);
  within<t, Op::erf>(w ? 1.10 : 1.05, f([](L x) { return std::erf(x); }), 0.8, 1.3);
  within_two<t, Op::atan2>(w ? 1.45 : 0.51, f([](L y, L x) { return std::atan2(y, x); }), -2, 2, -2,
                           2);
  within_two<t, Op::atan2>(w ? 1.45 : 0.51, f([](L y, L x) { return std::atan2(y, x); }),
                           w ? -1e300 : -1e37, w ? 1e300 : 1e37, w ? -1e300 : -1e37,
                           w ? 1e300 : 1e37);
  within_two<t, Op::pow>(w ? 0.95 : 0.51, f([](L x, L y) { return std::pow(x, y); }), 0,
                         w ? 1e300 : 1e37, -10, 10);
  within_two<t, Op::pow>(w ? 0.95 : 0.51, f([](L x, L y) { return std::pow(x, y); }), 0.5, 2,
                         w ? -1000 : -128, w ? 1000 : 128);
}
TEST(Scalar, AccuracyOfF32) { accuracy<DType::f32>(); }
TEST(Scalar, AccuracyOfF64) { accuracy<DType::f64>(); }

// At the corners the C library is right to the bit, or to its last.
template <class T>
void same(T got, T want, const char* what, T x, T y = 0) {
  if (std::isnan(got) && std::isnan(want)) return;
  bool close = got == want ||
               std::fabs(got - want) <= std::fabs(want) * 8 * std::numeric_limits<T>::epsilon();
  EXPECT_TRUE(close && std::signbit(got) == std::signbit(want))
      << what << " " << x << " " << y << ": " << got << " for " << want;
}
template <class T>
void corners() {
  Plain m;
  const T inf = std::numeric_limits<T>::infinity(), tiny = std::numeric_limits<T>::denorm_min();
  const T xs[] = {T(0),   -T(0),  inf,    -inf, T(NAN), T(1), T(-1), T(2),
                  T(-2),  T(.5),  T(-.5), T(3), T(-3),  tiny, -tiny, std::numeric_limits<T>::max(),
                  T(1e6), T(-1e6)};
  for (T x : xs) {
    same(scalar::exp(m, x), std::exp(x), "exp", x);
    same(scalar::expm1(m, x), std::expm1(x), "expm1", x);
    same(scalar::log(m, x), std::log(x), "log", x);
    same(scalar::log1p(m, x), std::log1p(x), "log1p", x);
    same(scalar::tanh(m, x), std::tanh(x), "tanh", x);
    same(scalar::erf(m, x), std::erf(x), "erf", x);
    if (sizeof(T) == 4 || std::fabs(x) < T(1e10) || !(std::fabs(x) < inf)) {
      same(scalar::sin(m, x), std::sin(x), "sin", x);
      same(scalar::cos(m, x), std::cos(x), "cos", x);
    }
    for (T y : xs) {
      same(scalar::pow(m, x, y), std::pow(x, y), "pow", x, y);
      same(scalar::atan2(m, x, y), std::atan2(x, y), "atan2", x, y);
      const T larger = scalar::max(m, x, y), smaller = scalar::min(m, x, y);
      if (std::isnan(x) || std::isnan(y)) {
        EXPECT_TRUE(std::isnan(larger) && std::isnan(smaller));
      } else {
        EXPECT_EQ(larger, x > y ? x : y);
        EXPECT_EQ(std::signbit(larger), std::signbit(y > x ? y : x));
        EXPECT_EQ(smaller, x < y ? x : y);
      }
    }
  }
  EXPECT_TRUE(std::isnan(scalar::sin(m, inf)));
}
TEST(Scalar, CornersOfF32) { corners<float>(); }
TEST(Scalar, CornersOfF64) { corners<double>(); }

TEST(Scalar, FloatRemainderHasTheSignOfTheDivisor) {
  Plain m;
  for (int i = 0; i < kTries; ++i) {
    float b = argument<float>(-2, 2, i % 2), a = b * argument<float>(-1e6f, 1e6f, true);
    if (std::fabs(b) < 1e-30f) continue;
    double want = std::fmod(static_cast<double>(a), static_cast<double>(b));
    if (want != 0 && (want < 0) != (b < 0)) want += b;
    EXPECT_EQ(scalar::rem(m, a, b), static_cast<float>(want)) << a << " " << b;
  }
  EXPECT_EQ(scalar::rem(m, 5.5f, -2.0f), -0.5f);
  EXPECT_EQ(scalar::rem(m, -5.5f, 2.0f), 0.5f);
  EXPECT_EQ(scalar::rem(m, 5.0f, INFINITY), 5.0f);
  EXPECT_TRUE(std::isnan(scalar::rem(m, 5.0f, 0.0f)));
  EXPECT_TRUE(std::signbit(scalar::rem(m, 4.0f, -2.0f)));
}

template <DType t>
void integers() {
  using T = scalar::Storage<t>;
  using L = std::numeric_limits<T>;
  for (int i = 0; i < 20000; ++i) {
    T sa = i % 5 == 0 ? L::min() : static_cast<T>(rng()),
      sb = i % 7 == 0 ? static_cast<T>(-1) : static_cast<T>(rng() >> (rng() % 60));
    Plain m;
    const auto a = scalar::load_plain<t>(sa), b = scalar::load_plain<t>(sb);
    __int128 x = a, y = b;
    EXPECT_EQ(static_cast<T>(scalar::apply<Op::add, t>(m, a, b)), static_cast<T>(x + y));
    EXPECT_EQ(static_cast<T>(scalar::apply<Op::mul, t>(m, a, b)), static_cast<T>(x * y));
    auto q = scalar::apply<Op::div, t>(m, a, b);
    auto r = scalar::apply<Op::rem, t>(m, a, b);
    EXPECT_EQ(m.trapped, b == 0);
    if (b == 0) continue;
    __int128 floor = x / y - (x % y != 0 && (x < 0) != (y < 0));
    EXPECT_EQ(static_cast<T>(q), static_cast<T>(floor));
    EXPECT_EQ(static_cast<T>(r), static_cast<T>(x - floor * y));
    EXPECT_EQ(q, static_cast<T>(q));  // wrapped back into the dtype
    const int count = static_cast<int>(static_cast<uint64_t>(b) % (sizeof(T) * 8));
    EXPECT_EQ(static_cast<T>(scalar::apply<Op::shl, t>(m, a, b)),
              static_cast<T>(static_cast<uint64_t>(a) << count));
    EXPECT_EQ(static_cast<T>(scalar::apply<Op::shr, t>(m, a, b)), static_cast<T>(a >> count));
  }
}
TEST(Scalar, IntegersWrapFloorAndMask) {
  integers<DType::i8>();
  integers<DType::u8>();
  integers<DType::i32>();
  integers<DType::i64>();
}

TEST(Scalar, FloatToIntegerSaturates) {
  Plain m;
  auto f = [&](float x) { return scalar::convert<DType::f32, DType::i32>(m, x); };
  EXPECT_EQ(f(NAN), 0);
  EXPECT_EQ(f(INFINITY), INT32_MAX);
  EXPECT_EQ(f(-INFINITY), INT32_MIN);
  EXPECT_EQ(f(2147483648.0f), INT32_MAX);
  EXPECT_EQ(f(2147483520.0f), 2147483520);
  EXPECT_EQ(f(-2147483648.0f), INT32_MIN);
  EXPECT_EQ(f(-1.9f), -1);
  auto d = [&](double x) { return scalar::convert<DType::f64, DType::i64>(m, x); };
  EXPECT_EQ(d(NAN), 0);
  EXPECT_EQ(d(1e19), INT64_MAX);
  EXPECT_EQ(d(-1e19), INT64_MIN);
  EXPECT_EQ(d(-9223372036854775808.0), INT64_MIN);
  EXPECT_EQ((scalar::convert<DType::f64, DType::i32>(m, 2147483647.9)), INT32_MAX);
  EXPECT_EQ((scalar::convert<DType::f32, DType::u8>(m, -3.0f)), 0);
  EXPECT_EQ((scalar::convert<DType::f32, DType::u8>(m, 300.0f)), 255);
  EXPECT_EQ((scalar::convert<DType::f64, DType::i8>(m, -1000.0)), -128);
  EXPECT_EQ((scalar::convert<DType::i64, DType::u8>(m, int64_t{-1})), 255);
  EXPECT_EQ((scalar::convert<DType::i64, DType::i8>(m, int64_t{200})), -56);
  EXPECT_TRUE((scalar::convert<DType::f32, DType::boolean>(m, NAN)));
  EXPECT_FALSE((scalar::convert<DType::f32, DType::boolean>(m, -0.0f)));
}

TEST(Scalar, HalfFloatsThereAndBack) {
  Plain m;
  for (uint32_t i = 0; i < 0x10000; ++i) {
    _Float16 h;
    auto bits = static_cast<uint16_t>(i);
    std::memcpy(&h, &bits, 2);
    float want = static_cast<float>(h), got = scalar::from_f16_bits(m, static_cast<int32_t>(i));
    ASSERT_TRUE(std::memcmp(&want, &got, 4) == 0 || (std::isnan(want) && std::isnan(got))) << i;
    if (!std::isnan(got)) {
      ASSERT_EQ(scalar::to_f16_bits(m, got), static_cast<int32_t>(i));
    }
    float b = scalar::from_bf16_bits(m, static_cast<int32_t>(i));
    if (!std::isnan(b)) {
      ASSERT_EQ(scalar::to_bf16_bits(m, b), static_cast<int32_t>(i));
    }
  }
  for (int i = 0; i < 300000; ++i) {
    float x = argument<float>(-70000, 70000, i % 2);
    auto h = static_cast<_Float16>(x);
    uint16_t want;
    std::memcpy(&want, &h, 2);
    ASSERT_EQ(scalar::to_f16_bits(m, x), want) << x;
  }
  EXPECT_EQ(scalar::to_bf16_bits(m, 1.00390625f), 0x3f80);  // a tie, to even
  EXPECT_EQ(scalar::to_bf16_bits(m, 1.01171875f), 0x3f82);
  EXPECT_EQ(scalar::to_bf16_bits(m, 3.4e38f), 0x7f80);  // rounds to inf
}

TEST(Scalar, RngIsSquares64) {
  Plain m;
  for (int i = 0; i < 1000; ++i) {
    uint64_t key = rng() | 1, counter = static_cast<uint64_t>(i);
    uint64_t x = counter * key, y = x, z = y + key;
    auto turn = [&](uint64_t add) {
      x = x * x + add;
      x = (x >> 32) | (x << 32);
    };
    turn(y), turn(z), turn(y);
    x = x * x + z;
    uint64_t t = x;
    x = (x >> 32) | (x << 32);
    uint64_t want = t ^ ((x * x + y) >> 32);
    EXPECT_EQ(static_cast<uint64_t>(
                  scalar::rng(m, static_cast<int64_t>(key), static_cast<int64_t>(counter))),
              want);
  }
}

}  // namespace
