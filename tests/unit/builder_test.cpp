// rooms: support ir
// The builder's short forms and regions, the numbers in constants, and their evaluation.

#include "ir/builder.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "ir/eval_const.h"
#include "ir/literal.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

TEST(Builder, BuildsALoop) {
  Module m;
  auto f = std::make_unique<Function>();
  f->name = "power";
  const DimId n = m.dims.symbol(m.dims.fresh("N", {}, true));
  f->sizes = {*m.dims.as_symbol(n)};
  Builder b(m, *f);
  const Value x = b.param({DType::f32, {n}}, {Leaf::data, "x"}),
              k = b.param(scalar_type(DType::i64));
  b.at({1, 2, 3});
  const Value one = b.fill(b.number(DType::f32, 1), {n});
  const auto in = b.open({scalar_type(DType::i64), {DType::f32, {n}}});
  EXPECT_EQ(b.depth(), 2u);
  const Value y = b.scalar(Op::mul, {in[1], x});
  Region body = b.close({y});
  EXPECT_EQ(b.depth(), 1u);
  std::vector<Region> regions;
  regions.push_back(std::move(body));
  const Value r = b.one(Op::for_, {b.integer(0), k, one}, {}, std::move(regions));
  f->body.results = {r};
  f->results.resize(1);
  EXPECT_EQ(verify(m, *f), "");
  EXPECT_EQ(f->body.nodes.back().loc, (Loc{1, 2, 3}));
  m.add(std::move(f));
  EXPECT_EQ(print(m),
            "fn @0 power[N](%0: f32[N] data \"x\", %1: i64) {\n"
            "  %2: f32 = constant 1.0\n  %3: f32[N] = broadcast(%2) axes=[]\n"
            "  %4: i64 = constant 0\n  %5: f32[N] = for(%4, %1, %3) {\n"
            "    (%6: i64, %7: f32[N])\n    %8: f32[N] = mul(%7, %0)\n    yield %8\n  }\n"
            "  return %5\n}\n");
}

TEST(Builder, ShortFormsLeaveOutWhatDoesNothing) {
  Module m;
  Function f;
  const DimId n = m.dims.constant(4);
  Builder b(m, f);
  const Value x = b.param({DType::f32, {n, n}}), s = b.param(scalar_type(DType::f32));
  EXPECT_EQ(b.convert(x, DType::f32), x);
  EXPECT_EQ(b.broadcast(x, {n, n}, {0, 1}), x);
  EXPECT_EQ(b.reshape(x, {n, n}), x);
  EXPECT_EQ(b.transpose(x, {0, 1}), x);
  EXPECT_EQ(b.reduce(ReduceKind::sum, x, {}), x);
  EXPECT_EQ(b.fill(s, {}), s);
  EXPECT_TRUE(f.body.nodes.empty());
  EXPECT_EQ(b.type(b.reduce(ReduceKind::sum, x, {0, 1})), scalar_type(DType::f32));
  EXPECT_EQ(b.type(b.zeros({DType::i32, {n}})), (Type{DType::i32, {n}}));
  EXPECT_EQ(b.type(b.boolean(true)), scalar_type(DType::boolean));
}

TEST(BuilderDeathTest, RefusesWhatDoesNotType) {
  Module m;
  Function f;
  f.name = "f";
  Builder b(m, f);
  const Value x = b.number(DType::f32, 1), y = b.number(DType::f64, 1);
  EXPECT_DEATH(b.scalar(Op::add, {x, y}), "f: add: dtypes differ");
  EXPECT_DEATH(b.close({}), "no region is open");
}

TEST(Literals, NumbersRoundAsIeeeSays) {
  const auto bits = [](DType t, double v) { return bits_at(number_literal(t, v), 0); };
  EXPECT_EQ(bits(DType::f16, 1), 0x3c00u);
  EXPECT_EQ(bits(DType::f16, -2), 0xc000u);
  EXPECT_EQ(bits(DType::f16, 65504), 0x7bffu);
  EXPECT_EQ(bits(DType::f16, 65519.99), 0x7bffu);
  EXPECT_EQ(bits(DType::f16, 65520), 0x7c00u);
  EXPECT_EQ(bits(DType::f16, 5.9604644775390625e-08), 1u);   // the least subnormal
  EXPECT_EQ(bits(DType::f16, 2.98023223876953125e-08), 0u);  // half of it: ties to even
  EXPECT_EQ(bits(DType::f16, 2.9802322387695319e-08), 1u);
  EXPECT_EQ(bits(DType::f16, 6.097555160522461e-05), 0x03ffu);  // the greatest subnormal
  EXPECT_EQ(bits(DType::f16, 6.103515625e-05), 0x0400u);
  EXPECT_EQ(bits(DType::f16, 1 + 1.0 / 2048), 0x3c00u);  // a tie to even
  EXPECT_EQ(bits(DType::f16, 1 + 3.0 / 2048), 0x3c02u);
  EXPECT_EQ(bits(DType::f16, HUGE_VAL), 0x7c00u);
  EXPECT_EQ(bits(DType::f16, -0.0), 0x8000u);
  EXPECT_EQ(bits(DType::bf16, 1), 0x3f80u);
  EXPECT_EQ(bits(DType::bf16, 3.4e38), 0x7f80u);
  EXPECT_EQ(bits(DType::bf16, 1 + 1.0 / 256), 0x3f80u);
  EXPECT_TRUE(std::isnan(number_at(number_literal(DType::f16, NAN), 0)));
  // Every f16 and bf16 comes back as itself.
  for (const DType t : {DType::f16, DType::bf16})
    for (uint32_t i = 0; i < 65536; ++i) {
      Literal l{t, {}, std::string{char(i & 255), char(i >> 8)}};
      const double v = number_at(l, 0);
      if (!std::isnan(v)) {
        ASSERT_EQ(bits(t, v), i);
      }
    }
}

TEST(Literals, IntegersSaturateAndWrap) {
  EXPECT_EQ(integer_at(number_literal(DType::i8, 300), 0), 127);
  EXPECT_EQ(integer_at(number_literal(DType::u8, -5), 0), 0);
  EXPECT_EQ(integer_at(number_literal(DType::i64, 1e300), 0), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(integer_at(number_literal(DType::i64, NAN), 0), 0);
  EXPECT_EQ(integer_at(integer_literal(DType::i8, 257), 0), 1);
  EXPECT_EQ(integer_at(integer_literal(DType::i32, -1), 0), -1);
  EXPECT_EQ(integer_at(integer_literal(DType::u8, -1), 0), 255);
  EXPECT_EQ(number_at(integer_literal(DType::f32, 16777217), 0), 16777216);
}

TEST(EvalConst, ComputesAndKnowsItsLimits) {
  const auto f32 = [](double v) { return number_literal(DType::f32, v); };
  const auto i64 = [](int64_t v) { return integer_literal(DType::i64, v); };
  EXPECT_EQ(eval_const(Op::add, {f32(1), f32(2)}, DType::f32), f32(3));
  EXPECT_EQ(eval_const(Op::div, {i64(-7), i64(2)}, DType::i64), i64(-4));
  EXPECT_EQ(eval_const(Op::rem, {i64(-7), i64(2)}, DType::i64), i64(1));
  EXPECT_EQ(eval_const(Op::lt, {f32(1), f32(2)}, DType::boolean),
            integer_literal(DType::boolean, 1));
  EXPECT_EQ(eval_const(Op::convert, {f32(2.5)}, DType::i32), integer_literal(DType::i32, 2));
  EXPECT_EQ(eval_const(Op::convert, {i64(3)}, DType::f16), number_literal(DType::f16, 3));
  EXPECT_EQ(
      eval_const(Op::select, {integer_literal(DType::boolean, 0), f32(1), f32(2)}, DType::f32),
      f32(2));
  EXPECT_EQ(eval_const(Op::fma, {f32(2), f32(3), f32(1)}, DType::f32), f32(7));
  EXPECT_EQ(eval_const(Op::sqrt, {f32(2)}, DType::f32), f32(std::sqrt(2.0f)));
  EXPECT_EQ(eval_const(Op::add, {integer_literal(DType::i8, 127), integer_literal(DType::i8, 1)},
                       DType::i8),
            integer_literal(DType::i8, -128));
  EXPECT_EQ(eval_const(Op::mul, {number_literal(DType::f16, 300), number_literal(DType::f16, 300)},
                       DType::f16),
            number_literal(DType::f16, HUGE_VAL));
  EXPECT_FALSE(eval_const(Op::div, {i64(1), i64(0)}, DType::i64));
  EXPECT_FALSE(eval_const(Op::rem, {i64(1), i64(0)}, DType::i64));
  EXPECT_FALSE(eval_const(Op::add, {f32(1)}, DType::f32));
  EXPECT_FALSE(eval_const(Op::add, {f32(1), i64(1)}, DType::f32));
  EXPECT_FALSE(eval_const(Op::exp, {i64(1)}, DType::i64));
  EXPECT_FALSE(eval_const(Op::constant, {}, DType::f32));
  EXPECT_FALSE(eval_const(Op::add, {{DType::f32, {1}, std::string(4, 0)}, f32(1)}, DType::f32));
}

}  // namespace
}  // namespace tenon::ir
