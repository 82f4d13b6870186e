// rooms: support ir runtime kernels interp
// Derivatives through control flow, calls, recursion and sizes, to order 3
// (ir/passes/differentiate.h).
#include "tests/unit/derivative_case.h"

namespace tenon::test {
namespace {

// ---------------------------------------------------------------- control

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
      %21: f64 = constant 1e-12
      %22: bool = lt(%20, %21)
      %23: bool = not(%22)
      %24: f64 = select(%22, %12, %18)
      %25: i64 = constant 1
      %26: i64 = add(%14, %25)
      yield %24, %23, %26
    }
    return %4
  })";

TEST(Differentiate, NewtonsWhileToOrderThree) {
  check(Case(kNewton, {num(2), num(50)}), {0}, 3, false);
  check(Case(kNewton, {num(2), num(3)}), {0}, 3);
  check(Case(kNewton, {num(2), num(1)}), {0}, 2);
  Case c(kNewton, {num(2), num(50)});
  EXPECT_NEAR(c.run(ir::make_vjp(*c.module, 0, {0}, {0}), {num(1)})[1].at[0], 0.5 / std::sqrt(2),
              1e-12);
}

TEST(Differentiate, ALoopThatNeverRuns) {
  Case c(kNewton, {num(2), num(0)});
  EXPECT_EQ(c.run(ir::make_vjp(*c.module, 0, {0}, {0}), {num(3)})[1].at[0], 3);
}

TEST(Differentiate, ForLoops) {
  // x <- x*sin(a*x + i), with a captured and the index used
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N], %2: i64) {
    %3: i64 = constant 1
    %4: f64[N] = for(%3, %2, %0) {
      (%5: i64, %6: f64[N])
      %7: f64[N] = mul(%1, %6)
      %8: f64 = convert(%5)
      %9: f64[N] = broadcast(%8) axes=[]
      %10: f64[N] = add(%7, %9)
      %11: f64[N] = sin(%10)
      %12: f64[N] = mul(%6, %11)
      yield %12
    }
    return %4
  })",
             {vec({0.9, 1.3}), vec({0.4, -0.6}), num(5)}, {2}),
        {0, 1}, 3);
}

TEST(Differentiate, FlatUnderStopGradientInALoop) {
  check(Case(R"(fn @0 f[](%0: f64) {
    %1: i64 = constant 0
    %2: i64 = constant 3
    %3: f64 = for(%1, %2, %0) {
      (%4: i64, %5: f64)
      %6: f64 = constant 3.0
      %7: f64 = mul(%5, %6)
      %8: f64 = round(%7)
      %9: f64 = stop_gradient(%8)
      %10: f64 = sin(%5)
      %11: f64 = mul(%10, %9)
      yield %11
    }
    return %3
  })",
             {num(0.8)}),
        {0}, 3);
}

TEST(Differentiate, NestedLoopsWithAnIfInside) {
  check(Case(R"(fn @0 f[](%0: f64, %1: f64) {
    %2: i64 = constant 0
    %3: i64 = constant 3
    %4: f64, %5: f64 = for(%2, %3, %0, %1) {
      (%6: i64, %7: f64, %8: f64)
      %9: f64 = mul(%7, %8)
      %10: f64 = for(%2, %6, %9) {
        (%11: i64, %12: f64)
        %13: i64 = constant 1
        %14: bool = lt(%11, %13)
        %15: f64 = if(%14) {
          %16: f64 = sin(%12)
          %17: f64 = mul(%16, %8)
          yield %17
        } {
          %18: f64 = exp(%0)
          %19: f64 = mul(%12, %18)
          %20: f64 = cos(%19)
          yield %20
        }
        yield %15
      }
      %21: f64 = add(%8, %10)
      yield %10, %21
    }
    %22: f64 = mul(%4, %5)
    return %22, %4
  })",
             {num(0.8), num(0.5)}),
        {0, 1}, 3);
}

TEST(Differentiate, CarriesThatMoveOrStay) {
  // One carry is handed round, one is a constant from the second turn on, one is not float.
  check(Case(R"(fn @0 f[](%0: f64, %1: f64, %2: f64, %3: i64) {
    %4: i64 = constant 0
    %5: f64, %6: f64, %7: f64, %8: i64 = for(%4, %3, %0, %1, %2, %4) {
      (%9: i64, %10: f64, %11: f64, %12: f64, %13: i64)
      %14: f64 = mul(%10, %11)
      %15: f64 = constant 0.5
      %16: i64 = constant 1
      %17: i64 = add(%13, %16)
      %18: f64 = mul(%14, %12)
      yield %11, %18, %15, %17
    }
    %19: f64 = add(%5, %6)
    return %19, %8
  })",
             {num(0.8), num(0.5), num(1.5), num(4)}),
        {0, 1, 2}, 2);
}

TEST(Differentiate, BranchesOfAnIf) {
  for (double side : {0.0, 1.0})
    check(Case(R"(fn @0 f[](%0: f64, %1: f64, %2: bool) {
      %3: f64, %4: f64 = if(%2) {
        %5: f64 = mul(%0, %1)
        %6: f64 = sin(%5)
        yield %6, %0
      } {
        %7: f64 = constant 2.0
        %8: f64 = exp(%1)
        yield %7, %8
      }
      %9: f64 = mul(%3, %4)
      return %9
    })",
               {num(0.8), num(0.5), num(side)}),
          {0, 1}, 3);
}

// ---------------------------------------------------------------- calls

TEST(Differentiate, CallsOfCalls) {
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N]) {
    %2: f64[N] = call(%0, %1) @1 sizes=[N]
    %3: f64[N] = call(%2, %1) @1 sizes=[N]
    %4: f64[N] = mul(%2, %3)
    return %4
  }
  fn @1 g[M](%0: f64[M], %1: f64[M]) {
    %2: f64[M] = call(%0) @2 sizes=[M]
    %3: f64[M] = mul(%2, %1)
    return %3
  }
  fn @2 h[K](%0: f64[K]) {
    %1: f64[K] = exp(%0)
    %2: f64[K] = sin(%1)
    return %2
  })",
             {vec({0.2, 0.5}), vec({0.7, -0.4})}, {2}),
        {0, 1}, 3);
}

TEST(Differentiate, CallsInsideLoopsAndLoopsInsideCalls) {
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N], %2: i64) {
    %3: i64 = constant 0
    %4: f64[N] = for(%3, %2, %0) {
      (%5: i64, %6: f64[N])
      %7: f64[N] = call(%6, %1) @1 sizes=[N]
      yield %7
    }
    %8: f64[N] = call(%4, %1) @1 sizes=[N]
    return %8
  }
  fn @1 g[M](%0: f64[M], %1: f64[M]) {
    %2: i64 = constant 0
    %3: i64 = constant 2
    %4: f64[M] = for(%2, %3, %0) {
      (%5: i64, %6: f64[M])
      %7: f64[M] = mul(%6, %1)
      %8: f64[M] = sin(%7)
      yield %8
    }
    %9: f64[M] = mul(%4, %0)
    return %9
  })",
             {vec({0.9, 1.3}), vec({1.4, -0.6}), num(2)}, {2}),
        {0, 1}, 3);
}

TEST(Differentiate, RecursionOnce) {
  // x^n = x * x^(n-1), with a bend
  check(Case(R"(fn @0 power[](%0: f64, %1: i64) recursive {
    %2: i64 = constant 1
    %3: bool = lt(%1, %2)
    %4: f64 = if(%3) {
      %5: f64 = constant 1.0
      yield %5
    } {
      %6: i64 = sub(%1, %2)
      %7: f64 = call(%0, %6) @0
      %8: f64 = mul(%0, %7)
      yield %8
    }
    return %4
  })",
             {num(1.3), num(5)}),
        {0}, 3);
}

TEST(Differentiate, RecursionTwice) {
  // t(x, n) = sin(t(x, n-1)) * t(x*x, n-2) + x
  check(Case(R"(fn @0 tree[](%0: f64, %1: i64) recursive {
    %2: i64 = constant 1
    %3: bool = lt(%1, %2)
    %4: f64 = if(%3) {
      yield %0
    } {
      %5: i64 = sub(%1, %2)
      %6: i64 = sub(%5, %2)
      %7: f64 = call(%0, %5) @0
      %8: f64 = sin(%7)
      %9: f64 = mul(%0, %0)
      %10: f64 = call(%9, %6) @0
      %11: f64 = mul(%8, %10)
      %12: f64 = add(%11, %0)
      yield %12
    }
    return %4
  })",
             {num(0.9), num(5)}),
        {0}, 3);
}

TEST(Differentiate, MutualRecursionInALoop) {
  check(Case(R"(fn @0 f[](%0: f64, %1: f64) {
    %2: i64 = constant 0
    %3: i64 = constant 3
    %4: f64 = for(%2, %3, %0) {
      (%5: i64, %6: f64)
      %7: f64 = call(%6, %1, %5) @1
      yield %7
    }
    return %4
  }
  fn @1 even[](%0: f64, %1: f64, %2: i64) recursive {
    %3: i64 = constant 1
    %4: bool = lt(%2, %3)
    %5: f64 = if(%4) {
      %6: f64 = sin(%0)
      yield %6
    } {
      %7: i64 = sub(%2, %3)
      %8: f64 = mul(%0, %1)
      %9: f64 = call(%8, %7) @2
      yield %9
    }
    return %5
  }
  fn @2 odd[](%0: f64, %1: i64) recursive {
    %2: f64 = constant 0.7
    %3: f64 = call(%0, %2, %1) @1
    %4: f64 = mul(%3, %0)
    return %4
  })",
             {num(0.8), num(1.1)}),
        {0, 1}, 2);
}

TEST(Differentiate, SizesBoundInside) {
  // The loop makes vectors of the length of its index; the callee too.
  const char* text = R"(fn @0 f[](%0: f64, %1: i64) {
    %2: i64 = constant 0
    %3: f64 = for(%2, %1, %0) {
      (%4: i64, %5: f64)
      bind_dim(%4) K?
      %6: f64[K?] = broadcast(%5) axes=[]
      %7: f64[K?] = iota axis=0
      %8: f64[K?] = mul(%6, %7)
      %9: f64[K?] = sin(%8)
      %10: f64[K?] = exp(%9)
      %11: f64 = reduce(%10) sum axes=[0]
      %12: f64 = mul(%11, %5)
      yield %12
    }
    %13: f64 = call(%3, %1) @1
    return %13
  }
  fn @1 g[](%0: f64, %1: i64) {
    bind_dim(%1) L?
    %2: f64[L?] = broadcast(%0) axes=[]
    %3: f64[L?] = iota axis=0
    %4: f64[L?] = mul(%2, %3)
    %5: f64[L?] = sin(%4)
    %6: f64 = reduce(%5) sum axes=[0]
    return %6
  })";
  check(Case(text, {num(0.3), num(3)}), {0}, 2);
}

TEST(Differentiate, ACallThatReturnsASizeOfItsOwn) {
  check(Case(R"(fn @0 f[](%0: f64, %1: i64) {
    %2: f64[n?] = call(%0, %1) @1 fresh=[L?: n?]
    %3: f64[n?] = mul(%2, %2)
    %4: f64 = reduce(%3) sum axes=[0]
    return %4
  }
  fn @1 g[](%0: f64, %1: i64) {
    bind_dim(%1) L?
    %2: f64[L?] = broadcast(%0) axes=[]
    %3: f64[L?] = iota axis=0
    %4: f64[L?] = mul(%2, %3)
    %5: f64[L?] = sin(%4)
    return %5
  })",
             {num(0.3), num(4)}),
        {0}, 2);
}

TEST(Differentiate, DeriveInsideWhatIsDifferentiated) {
  // h(x) = x * g'(x)
  check(Case(R"(fn @0 h[](%0: f64) {
    %1: f64 = constant 1.0
    %2: f64, %3: f64 = derive(%0, %1) vjp @1 wrt=[0] seeds=[0]
    %4: f64, %5: f64 = derive(%0, %3) jvp @1 wrt=[0] seeds=[0]
    %6: f64 = mul(%5, %0)
    return %6
  }
  fn @1 g[](%0: f64) {
    %1: f64 = sin(%0)
    %2: f64 = mul(%1, %1)
    return %2
  })",
             {num(0.3)}),
        {0}, 2);
}

TEST(Differentiate, TheDerivativeOfItselfIsRefused) {
  const Diagnostic d = refused(Case(R"(fn @0 f[](%0: f64) recursive {
    %1: f64 = constant 1.0
    %2: f64, %3: f64 = derive(%0, %1) vjp @0 wrt=[0] seeds=[0]
    %4: f64 = mul(%3, %0)
    return %4
  })",
                                    {}),
                               {0});
  EXPECT_EQ(d.code, Code::E0501);
}

// A REPL goes on after a refusal: asking again gives the same answer, and the parts can still be
// had.
TEST(Differentiate, ARefusalLeavesNothingBehind) {
  Case c(R"(fn @0 f[](%0: f64, %1: i64) recursive {
    %2: f64 = call(%0) @1
    %3: f64 = call(%2) @2
    %4: i64 = constant 0
    %5: bool = lt(%4, %1)
    %6: f64 = if(%5) {
      %7: i64 = constant 1
      %8: i64 = sub(%1, %7)
      %9: f64 = call(%3, %8) @0
      yield %9
    } {
      yield %3
    }
    return %6
  }
  fn @1 g[](%0: f64) {
    %1: f64 = sin(%0)
    return %1
  }
  fn @2 h[](%0: f64) {
    %1: f64 = call(%0) @1
    %2: f64 = trunc(%1)
    %3: f64 = add(%2, %1)
    return %3
  })",
         {num(0.5)});
  for (int time = 0; time < 2; ++time) {
    for (bool forward : {false, true}) {
      try {
        forward ? ir::make_jvp(*c.module, 0, {0}, {0}) : ir::make_vjp(*c.module, 0, {0}, {0});
        ADD_FAILURE() << "it was not refused";
      } catch (const UserError& e) {
        EXPECT_EQ(e.diagnostic.code, Code::E0501);
      }
      for (const auto& f : c.module->functions) EXPECT_EQ(ir::verify(*c.module, *f), "");
    }
  }
  const FnId g = ir::make_vjp(*c.module, 1, {0}, {0});
  EXPECT_NEAR(c.run_both(g, {num(1)})[1].at[0], std::cos(0.5), 1e-12);
}

TEST(Differentiate, ARuleOfItsOwn) {
  // softplus with a rule that says twice the truth, so that it shows
  const char* text = R"(fn @0 f[](%0: f64, %1: i64) {
    %2: i64 = constant 0
    %3: f64 = for(%2, %1, %0) {
      (%4: i64, %5: f64)
      %6: f64 = call(%5) @1
      yield %6
    }
    return %3
  }
  fn @1 g[](%0: f64) rule=@2 {
    %1: f64 = exp(%0)
    return %1
  }
  fn @2 rule[](%0: f64, %1: f64, %2: f64) {
    %3: f64 = mul(%1, %2)
    %4: f64 = add(%3, %3)
    return %4
  })";
  Case c(text, {num(0.1), num(2)});
  const double y = std::exp(0.1);
  EXPECT_NEAR(c.run(ir::make_vjp(*c.module, 0, {0}, {0}), {num(1)})[1].at[0], 4 * std::exp(y) * y,
              1e-12);
  EXPECT_NEAR(c.run(ir::make_jvp(*c.module, 0, {0}, {0}), {num(1)})[1].at[0], 4 * std::exp(y) * y,
              1e-12);
  const FnId direct = ir::make_vjp(*c.module, 1, {0}, {0});
  EXPECT_NEAR(NaiveEval(*c.module).run(direct, {}, {num(0.1), num(1)})[1].at[0], 2 * y, 1e-12);
  // The rule itself is differentiated for order 2.
  const FnId first = ir::make_vjp(*c.module, 0, {0}, {0});
  const FnId second = ir::make_vjp(*c.module, first, {0}, {1});
  c.args[1] = num(1);
  EXPECT_NEAR(c.run(second, {num(1), num(1)})[2].at[0], 4 * y, 1e-12);
}

TEST(Differentiate, DebugRunsOnceAndChecksStay) {
  Case c(R"(fn @0 f[](%0: f64) {
    %1: f64 = sin(%0)
    debug(%1) "here {}"
    %2: f64 = constant 0.0
    %3: bool = lt(%2, %1)
    check(%3) E0804 "positive"
    %4: f64 = mul(%1, %1)
    return %4
  })",
         {num(0.5)});
  const FnId g = ir::make_vjp(*c.module, 0, {0}, {0});
  NaiveEval eval(*c.module);
  EXPECT_NEAR(eval.run(g, {}, {num(0.5), num(1)})[1].at[0], std::sin(1.0), 1e-12);
  EXPECT_EQ(eval.debugged, 1);
  EXPECT_THROW(c.args[0] = num(-0.5); c.run(g, {num(1)}), std::runtime_error);
}

TEST(Differentiate, WhatComesOutIsWrittenOnce) {
  Case c(kNewton, {});
  EXPECT_EQ(ir::make_vjp(*c.module, 0, {0}, {0}), ir::make_vjp(*c.module, 0, {0}, {0}));
}

// A loop that reads and writes single elements, under an if: each turn adds to what it read.
TEST(Differentiate, ElementsInLoops) {
  const char* text = R"(fn @0 f[N](%0: f64[N], %1: f64[N]) {
    %2: i64 = constant 0
    %3: i64 = size N
    %4: f64[N] = for(%2, %3, %0) {
      (%5: i64, %6: f64[N])
      %7: i64 = constant 1
      %8: bool = lt(%5, %7)
      %9: f64[1] = if(%8) {
        %10: f64[1] = slice(%1, %5) strides=[1]
        %11: f64[1] = mul(%10, %10)
        yield %11
      } {
        %12: i64 = sub(%5, %7)
        %13: f64[1] = slice(%6, %12) strides=[1]
        %14: f64[1] = slice(%1, %12) strides=[1]
        %15: f64[1] = mul(%13, %14)
        yield %15
      }
      %16: f64[1] = slice(%6, %5) strides=[1]
      %17: f64[1] = mul(%9, %16)
      %18: f64[N] = update(%6, %17, %5) strides=[1]
      yield %18
    }
    return %4
  })";
  check(Case(text, {some({4}), some({4}, -1, 1, 2)}, {4}), {0, 1}, 3);
  // Nothing in the backward loop is as large as the tensor but the totals themselves.
  Case c(text, {});
  const Function& g = c.module->fn(ir::make_vjp(*c.module, 0, {0, 1}, {0}));
  auto walk = [&](auto& self, const ir::Region& r, bool inside) -> void {
    for (const ir::Node& n : r.nodes) {
      if (inside && n.op == Op::broadcast)
        EXPECT_EQ(g.type(n.results[0]).shape[0], c.module->dims.constant(1));
      if (inside && n.op == Op::add && g.type(n.results[0]).rank() > 0)
        EXPECT_EQ(g.type(n.results[0]).shape[0], c.module->dims.constant(1));
      for (const ir::Region& inner : n.regions) self(self, inner, inside || n.op == Op::for_);
    }
  };
  walk(walk, g.body, false);
}

// Loop invariants and what is free to rebuild are not pushed: one push per turn, of the tanh.
TEST(Differentiate, KeepsNoMoreThanItMust) {
  Case c(R"(fn @0 f[N](%0: f64[N], %1: f64[N, N], %2: i64) {
    %3: i64 = constant 0
    %4: f64[N] = for(%3, %2, %0) {
      (%5: i64, %6: f64[N])
      %7: f64[N] = contract(%1, %6) range=[N, N] a=[$0, $1] b=[$1] out=[0]
      %8: f64 = constant 0.5
      %9: f64[N] = broadcast(%8) axes=[]
      %10: f64[N] = mul(%7, %9)
      %11: f64[N] = tanh(%10)
      yield %11
    }
    return %4
  })",
         {});
  const FnId g = ir::make_vjp(*c.module, 0, {0}, {0});
  std::map<Op, int> count;
  auto walk = [&](auto& self, const ir::Region& r) -> void {
    for (const ir::Node& n : r.nodes) {
      ++count[n.op];
      for (const ir::Region& inner : n.regions) self(self, inner);
    }
  };
  walk(walk, c.module->fn(g).body);
  EXPECT_EQ(count[Op::push], 1);
  EXPECT_EQ(count[Op::pop], 1);
  EXPECT_EQ(count[Op::tape_new], 1);
  // With respect to the matrix too each state is both what tanh gave and what the next turn takes:
  // it is pushed once.
  count.clear();
  walk(walk, c.module->fn(ir::make_vjp(*c.module, 0, {0, 1}, {0})).body);
  EXPECT_EQ(count[Op::push], 1);
  c.args = {some({2}), some({2, 2}, -1, 1, 2), num(4)};
  c.sizes = {2};
  check(std::move(c), {0, 1}, 3);
}

}  // namespace
}  // namespace tenon::test
