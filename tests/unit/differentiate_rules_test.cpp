// rooms: support ir runtime kernels interp
// Derivatives of operations: the rows of scalars and the rules of structure (ir/passes/partials.h,
// transpose_rules.h, differentiate_point.h).
#include "tests/unit/derivative_case.h"

namespace tenon::test {
namespace {

// ---------------------------------------------------------------- straight line

TEST(Differentiate, StraightLineOfThirdOrder) {
  check(Case(R"(fn @0 f[](%0: f64, %1: f64) {
    %2: f64 = mul(%0, %0)
    %3: f64 = exp(%1)
    %4: f64 = mul(%2, %3)
    %5: f64 = tanh(%4)
    %6: f64 = sub(%5, %0)
    %7: f64 = div(%6, %3)
    return %7
  })",
             {num(0.7), num(-0.3)}),
        {0, 1}, 3);
}

void scalar_row(std::string op, int operands, std::vector<double> at, int orders = 3) {
  std::string params, uses;
  std::vector<Array> args;
  std::vector<int> wrt;
  for (int i = 0; i < operands; ++i) {
    params += (i ? ", %" : "%") + std::to_string(i) + ": f64[N]";
    uses += (i ? ", %" : "%") + std::to_string(i);
    args.push_back(vec({at[size_t(i)], at[size_t(i)] * 1.25}));
    wrt.push_back(i);
  }
  SCOPED_TRACE(op);
  check(Case("fn @0 f[N](" + params + ") {\n %9: f64[N] = " + op + "(" + uses + ")\n return %9\n}",
             args, {2}),
        wrt, orders);
}

TEST(Differentiate, EveryScalarRow) {
  scalar_row("add", 2, {0.3, 0.4});
  scalar_row("sub", 2, {0.3, 0.4});
  scalar_row("mul", 2, {0.3, 0.4});
  scalar_row("div", 2, {0.3, 0.4});
  scalar_row("rem", 2, {2.3, 0.4});
  scalar_row("neg", 1, {0.3});
  scalar_row("abs", 1, {-0.3});
  scalar_row("min", 2, {0.3, 0.4});
  scalar_row("max", 2, {0.3, 0.4});
  scalar_row("fma", 3, {0.3, 0.4, 0.5});
  scalar_row("pow", 2, {1.3, 2.4});
  scalar_row("sqrt", 1, {0.8});
  scalar_row("exp", 1, {0.3});
  scalar_row("expm1", 1, {0.3});
  scalar_row("log", 1, {0.6});
  scalar_row("log1p", 1, {0.3});
  scalar_row("sin", 1, {0.3});
  scalar_row("cos", 1, {0.3});
  scalar_row("tanh", 1, {0.3});
  scalar_row("erf", 1, {0.3});
  scalar_row("atan2", 2, {0.3, 0.4});
}

TEST(Differentiate, ConventionsAtKinks) {
  auto two = [](std::string op, double x, double y) {
    return gradient_of(
        Case("fn @0 f[](%0: f64, %1: f64) {\n %2: f64 = " + op + "(%0, %1)\n return %2\n}",
             {num(x), num(y)}),
        {0, 1});
  };
  using V = std::vector<double>;
  EXPECT_EQ(two("max", 1, 1), (V{0, 1}));
  EXPECT_EQ(two("min", 1, 1), (V{0, 1}));
  EXPECT_EQ(two("pow", 0, 2), (V{0, 0}));
  EXPECT_EQ(two("pow", 0, 0), (V{0, 0}));
  EXPECT_EQ(two("pow", 0, 1), (V{1, 0}));
  EXPECT_EQ(gradient_of(Case("fn @0 f[](%0: f64) {\n %1: f64 = abs(%0)\n return %1\n}", {num(0)})),
            V{0});
  EXPECT_EQ(
      gradient_of(Case("fn @0 f[](%0: f64[3]) {\n %1: f64 = reduce(%0) max axes=[0]\n return %1\n}",
                       {vec({1, 2, 2})})),
      (V{0, 1, 0}));
  EXPECT_EQ(gradient_of(
                Case("fn @0 f[](%0: f64[4]) {\n %1: f64 = reduce(%0) prod axes=[0]\n return %1\n}",
                     {vec({2, 0, 3, 5})})),
            (V{0, 30, 0, 0}));
  EXPECT_EQ(gradient_of(
                Case("fn @0 f[](%0: f64[4]) {\n %1: f64 = reduce(%0) prod axes=[0]\n return %1\n}",
                     {vec({2, 0, 0, 5})})),
            (V{0, 0, 0, 0}));
}

TEST(Differentiate, RefusesWhatHasNoDerivative) {
  const Diagnostic flat = refused(Case(R"(fn @0 f[](%0: f64) {
    %1: f64 = floor(%0)
    %2: f64 = add(%1, %0)
    return %2
  })",
                                       {}),
                                  {0});
  EXPECT_EQ(flat.code, Code::E0501);
  Case placed(R"(fn @0 f[](%0: f64) {
    %1: f64 = exp(%0)
    %2: f64 = round(%1)
    return %2
  })",
              {});
  placed.module->fn(0).body.nodes[1].loc = {1, 5, 9};
  EXPECT_EQ(refused(std::move(placed), {0}).where, (Loc{1, 5, 9}));
  EXPECT_EQ(refused(Case(R"(fn @0 f[](%0: f64) {
    %1: i64 = convert(%0)
    %2: f64 = convert(%1)
    return %2
  })",
                         {}),
                    {0})
                .code,
            Code::E0501);
  EXPECT_EQ(refused(Case(R"(fn @0 f[](%0: f64 data "x", %1: f64) {
    %2: f64 = stop_gradient(%0)
    %3: f64 = mul(%2, %1)
    return %3
  })",
                         {}),
                    {0})
                .message,
            "the result of `f` does not depend on `x`, so it has no derivative with respect to it");
  EXPECT_EQ(refused(Case(R"(fn @0 f[](%0: f64) effect {
    %1: f64 = mul(%0, %0)
    host(%1) "print"
    return %1
  })",
                         {}),
                    {0})
                .code,
            Code::E0701);
  // Under stop_gradient a step is a constant.
  EXPECT_EQ(gradient_of(Case(R"(fn @0 f[](%0: f64) {
    %1: f64 = floor(%0)
    %2: f64 = stop_gradient(%1)
    %3: f64 = mul(%2, %0)
    return %3
  })",
                             {num(2.5)})),
            std::vector<double>{2});
}

// ---------------------------------------------------------------- structure

// One expression of one tensor x: f64[N, M], 2 by 3 unless said otherwise.
void one(const std::string& body, int orders = 2, Array x = some({2, 3})) {
  SCOPED_TRACE(body);
  std::vector<int64_t> sizes = x.shape;
  check(Case("fn @0 f[N, M](%0: f64[N, M]) {\n" + body + "\n}", {std::move(x)}, sizes), {0},
        orders);
}

TEST(Differentiate, Moving) {
  one("%1: f64[N, 4, M] = broadcast(%0) axes=[0, 2]\n return %1");
  one("%1: f64[M, N] = transpose(%0) axes=[1, 0]\n return %1");
  one("%1: f64[N*M] = reshape(%0)\n return %1");
  one("%1: i64 = constant 1\n%2: i64 = constant 0\n%3: f64[1, 2] = slice(%0, %1, %2) strides=[1, "
      "2]\n"
      "return %3");
  one("%1: i64 = constant 1\n%2: i64 = constant 0\n%3: f64[1, 2] = slice(%0, %2, %1) strides=[1, "
      "1]\n"
      "%4: f64[N, M] = update(%0, %3, %1, %2) strides=[1, 2]\n%5: f64[N, M] = mul(%4, %0)\nreturn "
      "%5");
  one("%1: f64[N, M] = sin(%0)\n%2: f64[N, 2*M] = concat(%0, %1) axis=1\n"
      "%3: f64[N, 4*M] = concat(%2, %0, %0) axis=1\n return %3");
  one("%1: i64[N, M] = convert(%0)\n%2: f64[N, M] = convert(%1)\n%3: f64[N, M] = mul(%2, "
      "%0)\nreturn %3",
      2, some({2, 3}, 1, 4));
}

TEST(Differentiate, ReductionsAndScans) {
  for (std::string kind : {"sum", "prod", "max", "min"}) {
    one("%1: f64[M] = reduce(%0) " + kind + " axes=[0]\n return %1");
    one("%1: f64[N] = reduce(%0) " + kind + " axes=[1]\n return %1");
    one("%1: f64 = reduce(%0) " + kind + " axes=[0, 1]\n return %1", 3);
    for (std::string reverse : {"", " reverse"}) {
      one("%1: f64[N, M] = scan(%0) " + kind + " axis=1" + reverse + "\n return %1", 3);
      one("%1: f64[N, M] = scan(%0) " + kind + " axis=0" + reverse + "\n return %1", 2,
          some({4, 2}));
    }
  }
  Array x = some({3, 3});
  x.at[4] = 0;  // a zero among factors
  one("%1: f64[N] = reduce(%0) prod axes=[1]\n return %1", 3, x);
  one("%1: f64[N, M] = scan(%0) prod axis=1\n return %1", 3, x);
  x.at[3] = 0;  // two of them
  one("%1: f64[N] = reduce(%0) prod axes=[1]\n return %1", 3, x);
  one("%1: f64[N, M] = scan(%0) prod axis=1\n return %1", 3, x);
  one("%1: f64[N, 2, M] = broadcast(%0) axes=[0, 2]\n%2: f64[2] = reduce(%1) prod axes=[0, "
      "2]\nreturn %2");
  one("%1: i64[N] = arg_reduce(%0) max axis=1\n%2: f64[N] = convert(%1)\n%3: f64[N, M] = "
      "broadcast(%2) axes=[0]\n"
      "%4: f64[N, M] = mul(%3, %0)\nreturn %4");
}

TEST(Differentiate, Sorting) {
  one("%1: f64[N, M], %2: i64[N, M] = sort(%0) axis=1\n%3: f64[N, M] = convert(%2)\n"
      "%4: f64[N, M] = mul(%3, %1)\nreturn %1, %4",
      3, some({2, 4}));
}

void two(const std::string& head, const std::string& body, Array x, Array y,
         std::vector<int64_t> sizes, int orders = 3) {
  SCOPED_TRACE(body);
  check(Case("fn @0 f" + head + " {\n" + body + "\n}", {std::move(x), std::move(y)},
             std::move(sizes)),
        {0, 1}, orders);
}

TEST(Differentiate, Contractions) {
  two("[A, B, C](%0: f64[A, B], %1: f64[B, C])",
      "%2: f64[A, C] = contract(%0, %1) range=[A, C, B] a=[$0, $2] b=[$2, $1] out=[0, 1]\nreturn "
      "%2",
      some({2, 3}), some({3, 2}, -1, 1, 2), {2, 3, 2});
  two("[A, B, C](%0: f64[A, C, B], %1: f64[A, C])",  // batched, and transposed out
      "%2: f64[B, A] = contract(%0, %1) range=[A, B, C] a=[$0, $2, $1] b=[$0, $2] out=[1, "
      "0]\nreturn %2",
      some({2, 2, 3}), some({2, 2}, -1, 1, 2), {2, 3, 2});
  two("[A](%0: f64[A], %1: f64[A])",
      "%2: f64 = contract(%0, %1) range=[A] a=[$0] b=[$0] out=[]\nreturn %2", some({3}),
      some({3}, -1, 1, 2), {3});
  two("[A, B](%0: f64[A, B], %1: f64[A])",  // an index that only one operand has
      "%2: f64[A] = contract(%0, %1) range=[A, B] a=[$0, $1] b=[$0] out=[0]\nreturn %2",
      some({2, 3}), some({2}, -1, 1, 2), {2, 3});
  two("[A](%0: f64[A, A], %1: f64[A])",  // a diagonal
      "%2: f64[A] = contract(%0, %1) range=[A] a=[$0, $0] b=[$0] out=[0]\nreturn %2", some({3, 3}),
      some({3}, -1, 1, 2), {3});
  two("[A](%0: f64[A, A], %1: f64[A])",  // one row
      "%2: f64[A] = contract(%0, %1) range=[A] a=[(1), $0] b=[$0] out=[0]\nreturn %2", some({3, 3}),
      some({3}, -1, 1, 2), {3});
}

TEST(Differentiate, Windows) {
  two("[N, K](%0: f64[N], %1: f64[K])",
      "%2: f64[N - K + 1] = contract(%0, %1) range=[N - K + 1, K] a=[$0 + $1] b=[$1] "
      "out=[0]\nreturn %2",
      some({6}), some({3}, -1, 1, 2), {6, 3});
  // Stride 2, dilation 3, an offset, two channels in and three out.
  two("[](%0: f64[2, 12], %1: f64[3, 2, 3])",
      "%2: f64[3, 2] = contract(%0, %1) range=[3, 2, 2, 3] a=[$2, 2*$1 + 3*$3 + (1)] b=[$0, $2, "
      "$3] "
      "out=[0, 1]\nreturn %2",
      some({2, 12}), some({3, 2, 3}, -1, 1, 2), {});
  // A window that runs backward.
  two("[](%0: f64[8], %1: f64[3])",
      "%2: f64[4] = contract(%0, %1) range=[4, 3] a=[$0 + -1*$1 + (2)] b=[$1] out=[0]\nreturn %2",
      some({8}), some({3}, -1, 1, 2), {});
  // The other side has the window.
  two("[](%0: f64[3, 2], %1: f64[9, 2])",
      "%2: f64[4] = contract(%0, %1) range=[4, 3, 2] a=[$1, $2] b=[2*$0 + $1, $2] out=[0]\nreturn "
      "%2",
      some({3, 2}), some({9, 2}, -1, 1, 2), {});
  // Two dimensions.
  two("[](%0: f64[5, 4], %1: f64[2, 3])",
      "%2: f64[4, 2] = contract(%0, %1) range=[4, 2, 2, 3] a=[$0 + $2, $1 + $3] b=[$2, $3] out=[0, "
      "1]\n"
      "return %2",
      some({5, 4}), some({2, 3}, -1, 1, 2), {});
  // No index of the result runs along: every window begins at a summed one.
  two("[](%0: f64[5], %1: f64[3, 3])",
      "%2: f64 = contract(%0, %1) range=[3, 3] a=[$0 + $1] b=[$0, $1] out=[]\nreturn %2", some({5}),
      some({3, 3}, -1, 1, 2), {});
}

TEST(Differentiate, MapsAndGathers) {
  // Rows by number, with a factor from around.
  check(Case(R"(fn @0 f[V, D, B](%0: f64[V, D], %1: i64[B], %2: f64) {
    %3: f64[B, D] = map out=[B, D] {
      (%4: i64, %5: i64)
      %6: i64 = read(%1, %4)
      %7: f64 = read(%0, %6, %5)
      %8: f64 = mul(%7, %2)
      %9: f64 = sin(%8)
      yield %9
    }
    return %3
  })",
             {some({4, 2}), vec({3, 1, 3}), num(0.7)}, {4, 2, 3}),
        {0, 2}, 3);
  // |u[i] - v[j]| to a power, with plain reads, and a sum.
  for (std::string kind : {"sum", "prod", "max", "min"})
    check(Case(R"(fn @0 f[N, M](%0: f64[N], %1: f64[M]) {
      %2: f64[N] = map out=[N] red=[M] )" +
                   kind + R"( {
        (%3: i64, %4: i64)
        %5: f64 = read(%0, %3)
        %6: f64 = read(%1, %4)
        %7: f64 = sub(%5, %6)
        %8: f64 = abs(%7)
        %9: f64 = mul(%8, %7)
        %10: f64 = mul(%9, %6)
        yield %10
      }
      return %2
    })",
               {some({3}), some({2}, -1, 1, 2)}, {3, 2}),
          {0, 1}, kind == "prod" ? 3 : 2);
  // A triangle by an if; reads only in the branches, one of them twice.
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64) {
    %2: f64[N] = map out=[N] red=[N] sum {
      (%3: i64, %4: i64)
      %5: bool = lt(%4, %3)
      %6: f64 = mul(%1, %1)
      %7: f64 = if(%5) {
        %8: f64 = read(%0, %4)
        %9: f64 = read(%0, %3)
        %10: f64 = mul(%8, %9)
        %11: f64 = mul(%10, %6)
        yield %11
      } {
        yield %6
      }
      yield %7
    }
    return %2
  })",
             {some({3}), num(0.8)}, {3}),
        {0, 1}, 3);
  // A scalar map, and a body that is what it captures.
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64) {
    %2: f64 = map out=[] red=[N] sum {
      (%3: i64)
      %4: f64 = read(%0, %3)
      %5: f64 = mul(%4, %4)
      yield %5
    }
    %6: f64[N] = map out=[N] {
      (%7: i64)
      yield %1
    }
    return %2, %6
  })",
             {some({3}), num(0.8)}, {3}),
        {0, 1}, 2);
}

TEST(Differentiate, Scatters) {
  check(Case(R"(fn @0 f[N, M](%0: f64[N], %1: f64[M], %2: i64[M]) {
    %3: f64[N] = scatter(%0) dims=[M] {
      (%4: i64)
      %5: i64 = read(%2, %4)
      %6: f64 = read(%1, %4)
      %7: f64 = read(%0, %5)
      %8: f64 = mul(%6, %7)
      yield %5, %8
    }
    return %3
  })",
             {some({3}), some({4}, -1, 1, 2), vec({2, 0, 2, 1})}, {3, 4}),
        {0, 1}, 3);
}

// A map in a loop: what its body reads is kept, what it computes is not.
TEST(Differentiate, MapsInLoops) {
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N, N], %2: i64[N]) {
    %3: i64 = constant 0
    %4: i64 = constant 3
    %5: f64[N] = for(%3, %4, %0) {
      (%6: i64, %7: f64[N])
      %8: f64[N] = map out=[N] red=[N] sum {
        (%9: i64, %10: i64)
        %11: i64 = read(%2, %10)
        %12: f64 = read(%7, %11)
        %13: f64 = read(%1, %9, %10)
        %14: f64 = mul(%12, %13)
        %15: f64 = sin(%14)
        yield %15
      }
      yield %8
    }
    return %5
  })",
             {some({2}), some({2, 2}, -1, 1, 2), vec({1, 1})}, {2}),
        {0, 1}, 3);
}

}  // namespace
}  // namespace tenon::test
