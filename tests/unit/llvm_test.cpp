// rooms: support ir runtime kernels interp loop llvm
// Graph mode against the interpreter and the loop IR's own: the same bits, whatever is fused and
// for every number of threads.
#include "ir/passes.h"
#include "ir/scalar/program.h"
#include "tests/unit/graph_program.h"

namespace tenon::test {
namespace {

std::string value(int i) { return "%" + std::to_string(i); }

// All scalar operations that take a dtype, as one function over f(T[N] x 3, bool[N]) or over
// scalars.
std::string all_scalar_ops(DType t, bool tensor, bool traps) {
  const std::string d(name(t)), s = tensor ? "[N]" : "";
  std::string body, results;
  int next = 4;
  for (int k = 0; k < ir::kOpCount; ++k) {
    auto op = static_cast<ir::Op>(k);
    if (!is_scalar(op) || !scalar::takes(op, t) || op == ir::Op::convert) continue;
    if (((op == ir::Op::div || op == ir::Op::rem) && !is_float(t)) != traps) continue;
    std::string out = ir::facts(op).cls == ir::OpClass::compare ? "bool" : d;
    std::string args = op == ir::Op::select          ? "%3, %0, %1"
                       : ir::facts(op).operands == 1 ? "%0"
                       : ir::facts(op).operands == 2 ? "%0, %1"
                                                     : "%0, %1, %2";
    body += "  " + value(next) + ": " + out + s + " = " + std::string(ir::name(op)) + "(" + args +
            ")\n";
    results += (results.empty() ? "" : ", ") + value(next++);
  }
  if (!traps)
    for (int k = 0; k < kDTypeCount; ++k) {
      body += "  " + value(next) + ": " + std::string(name(static_cast<DType>(k))) + s +
              " = convert(%0)\n";
      results += (results.empty() ? "" : ", ") + value(next++);
    }
  if (results.empty()) return "";
  return "fn @0 f[" + std::string(tensor ? "N" : "") + "](%0: " + d + s + ", %1: " + d + s +
         ", %2: " + d + s + ", %3: bool" + s + ") {\n" + body + "  return " + results + "\n}\n";
}

class EveryDType : public testing::TestWithParam<int> {};

TEST_P(EveryDType, ScalarOperationsOnTensors) {
  const auto t = static_cast<DType>(GetParam());
  for (bool traps : {false, true}) {
    std::string text = all_scalar_ops(t, true, traps);
    if (text.empty()) continue;
    Graph g(text);
    g.threads = {1, 3};
    for (int64_t n : {1, 100, 5000})
      g.check({n}, [&] {
        Tensor y = random_tensor(t, {n}, 2, true);
        if (traps)
          for (int64_t i = 0; i < n; ++i) {
            char* p = static_cast<char*>(y.raw()) + i * static_cast<int64_t>(size_of(t));
            *p = static_cast<char>(*p | 1);
          }
        return std::vector<Tensor>{random_tensor(t, {n}, 1, true), y,
                                   random_tensor(t, {n}, 3, true),
                                   random_tensor(DType::boolean, {n}, 4)};
      });
  }
}

TEST_P(EveryDType, ScalarOperationsOnNumbers) {
  const auto t = static_cast<DType>(GetParam());
  for (bool traps : {false, true}) {
    std::string text = all_scalar_ops(t, false, traps);
    if (text.empty()) continue;
    Graph g(text);
    g.threads = {1};
    for (uint32_t seed = 0; seed < 8; ++seed)
      g.check({}, [&] {
        return std::vector<Tensor>{random_tensor(t, {}, seed * 5 + 1, true),
                                   random_tensor(t, {}, seed * 5 + 2, true),
                                   random_tensor(t, {}, seed * 5 + 3, true),
                                   random_tensor(DType::boolean, {}, seed * 5 + 4)};
      });
  }
}

TEST_P(EveryDType, MovesAndReductions) {
  const auto t = static_cast<DType>(GetParam());
  const std::string d(name(t));
  std::string reds;
  std::string list;
  int next = 20;
  for (const char* kind : {"sum", "prod", "max", "min", "any", "all"}) {
    const bool logic = kind[0] == 'a';
    if (logic != (t == DType::boolean)) continue;
    for (const char* axes : {"[0]", "[1]", "[2]", "[1, 2]", "[0, 1]", "[0, 1, 2]"}) {
      std::string shape = axes == std::string("[0]")      ? "[M, K]"
                          : axes == std::string("[1]")    ? "[N, K]"
                          : axes == std::string("[2]")    ? "[N, M]"
                          : axes == std::string("[1, 2]") ? "[N]"
                          : axes == std::string("[0, 1]") ? "[K]"
                                                          : "";
      reds +=
          "  " + value(next) + ": " + d + shape + " = reduce(%1) " + kind + " axes=" + axes + "\n";
      list += ", " + value(next++);
    }
  }
  Graph g("fn @0 f[N, M, K](%0: " + d + "[N, M, K], %2: " + d + "[K]) {\n  %1: " + d +
          "[N, M, K] = stop_gradient(%0)\n" + reds + "  %3: " + d +
          "[K, N, M] = transpose(%0) axes=[2, 0, 1]\n  %4: " + d +
          "[K, N*M] = reshape(%3)\n  %5: " + d + "[N*M*K] = reshape(%0)\n  %6: " + d +
          "[N, M, K] = broadcast(%2) axes=[2]\n  %7: bool[N, M, K] = eq(%0, %6)\n  %8: " + d +
          "[N, M, K] = select(%7, %0, %6)\n  %9: " + d +
          "[2*N, M, K] = concat(%0, %8) axis=0\n  return %3, %4, %5, %8, %9" + list + "\n}\n");
  g.threads = {1, 2};
  for (auto [n, m, k] :
       {std::tuple<int64_t, int64_t, int64_t>{3, 4, 5}, {1, 7, 100}, {20, 1, 33}, {2, 300, 70}})
    g.check({n, m, k}, [&] {
      return std::vector<Tensor>{random_tensor(t, {n, m, k}, 1), random_tensor(t, {k}, 2)};
    });
}

INSTANTIATE_TEST_SUITE_P(All, EveryDType, testing::Range(0, kDTypeCount), [](const auto& i) {
  return std::string(name(static_cast<DType>(i.param)));
});

// ---------------------------------------------------------------- elementwise groups

TEST(Point, ChainsOfElementwiseOperations) {
  Graph g(R"(fn @0 f[N](%0: f32[N], %1: f32[N]) {
    %2: f32[N] = mul(%0, %1)
    %3: f32[N] = add(%2, %0)
    %4: f32[N] = tanh(%3)
    %5: f32[N] = exp(%0)
    %6: f32[N] = sub(%4, %5)
    return %6, %3
  })");
  for (int64_t n : {0, 1, 15, 16, 17, 1000, 100003})
    g.check({n}, [&] {
      return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1, true),
                                 random_tensor(DType::f32, {n}, 2, true)};
    });
}

TEST(Point, RowsAndColumnsBroadcast) {
  Graph g(R"(fn @0 f[B, D](%0: f32[B, D], %1: f32[D], %2: f32[B], %3: f32) {
    %4: f32[B, D] = broadcast(%1) axes=[1]
    %5: f32[B, D] = add(%0, %4)
    %6: f32[B, D] = broadcast(%2) axes=[0]
    %7: f32[B, D] = mul(%5, %6)
    %8: f32[B, D] = broadcast(%3) axes=[]
    %9: f32[B, D] = max(%7, %8)
    %10: f32[D, B] = transpose(%9) axes=[1, 0]
    %11: f32[D, B] = transpose(%0) axes=[1, 0]
    %12: f32[D, B] = add(%10, %11)
    return %9, %12
  })");
  for (auto [b, d] :
       {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {64, 100}, {100, 3}, {300, 129}, {0, 4}, {4, 0}})
    g.check({b, d}, [&] {
      return std::vector<Tensor>{random_tensor(DType::f32, {b, d}, 1),
                                 random_tensor(DType::f32, {d}, 2),
                                 random_tensor(DType::f32, {b}, 3), scalar(0.25f)};
    });
}

TEST(Point, IndicesAndFillsAreNeverInMemory) {
  Graph g(R"(fn @0 f[N, M](%0: i64[N, M], %1: i64) {
    %2: i64[N, M] = iota axis=1
    %3: i64[N, M] = iota axis=0
    %4: i64[N, M] = mul(%2, %3)
    %5: i64[N, M] = add(%4, %0)
    %6: i64[N, M] = broadcast(%1) axes=[]
    %7: i64[N, M] = max(%5, %6)
    %8: i64[N] = iota axis=0
    %9: i64[N, M] = broadcast(%8) axes=[0]
    %10: i64[M, N] = transpose(%9) axes=[1, 0]
    %11: i64[N*M] = reshape(%9)
    %12: i64 = constant 1
    %13: i64[N - 1] = slice(%8, %12) strides=[1]
    return %7, %2, %6, %10, %11, %13
  })");
  for (auto [n, m] : {std::pair<int64_t, int64_t>{1, 1}, {3, 50}, {200, 300}})
    g.check({n, m}, [&] {
      return std::vector<Tensor>{random_tensor(DType::i64, {n, m}, 1), scalar<int64_t>(3)};
    });
}

TEST(Point, ADyingOperandGivesItsMemory) {
  Graph g(R"(fn @0 f[N](%0: f32[N], %1: f32[N]) {
    %2: f32[N] = add(%0, %1)
    return %2, %1
  })");
  g.check({100}, [&] {
    return std::vector<Tensor>{random_tensor(DType::f32, {100}, 1),
                               random_tensor(DType::f32, {100}, 2)};
  });
  Compiler c(g.module());
  Threads pool(1);
  TestHost host;
  std::atomic<bool> interrupted{false};
  RunContext context{pool, host, interrupted};
  std::vector<Tensor> args{random_tensor(DType::f32, {100}, 1),
                           random_tensor(DType::f32, {100}, 2)};
  const void* x = args[0].raw();
  auto out = c.compile(0).run(std::vector<int64_t>{100}, std::move(args), context);
  EXPECT_EQ(out[0].raw(), x);
  // What the caller still holds is never written.
  Tensor kept = random_tensor(DType::f32, {100}, 1), copy = random_tensor(DType::f32, {100}, 1);
  out = c.compile(0).run(std::vector<int64_t>{100}, {kept, kept}, context);
  EXPECT_TRUE(same_bits(kept, copy));
}

TEST(Compile, WhatIsEqualIsMadeOnce) {
  Graph g(R"(fn @0 f[N](%0: f32[N], %1: f32[N]) {
    %2: f32[N] = add(%0, %1)
    return %2
  }
  fn @1 g[M](%0: f32[M], %1: f32[M]) {
    %2: f32[M] = add(%0, %1)
    return %2
  }
  fn @2 h[N](%0: f32[N], %1: f32[N]) {
    %2: f32[N] = add(%0, %1)
    %3: f32[N] = neg(%0)
    %4: f32 = reduce(%3) sum axes=[0]
    return %2, %4
  })");
  Compiler c(g.module());
  c.compile(0);
  EXPECT_EQ(c.stats().parts_made, 2);  // its kernel, its driver
  c.compile(1);
  EXPECT_EQ(c.stats().parts_made, 2);
  c.compile(2);
  EXPECT_EQ(c.stats().parts_made, 4);
  EXPECT_EQ(c.stats().parts_read, 0);
}

TEST(Point, DivisionByZeroIsFoundWhereverItIs) {
  Graph g(R"(fn @0 f[N](%0: i64[N], %1: i64[N]) {
    %2: i64[N] = add(%0, %1)
    %3: i64[N] = div(%2, %1)
    %4: i64[N] = mul(%3, %3)
    %5: i64[N] = rem(%4, %0)
    return %5
  })");
  for (auto [a, b] : {std::pair<int64_t, int64_t>{-1, -1}, {7, -1}, {-1, 99999}, {5, 100000}})
    g.check({100001}, [&] {
      Tensor x = random_tensor(DType::i64, {100001}, 1), y = random_tensor(DType::i64, {100001}, 2);
      for (int64_t i = 0; i < 100001; ++i) {
        x.data<int64_t>()[i] |= 1;
        y.data<int64_t>()[i] |= 1;
      }
      if (a >= 0) x.data<int64_t>()[a] = 0;
      if (b >= 0) y.data<int64_t>()[b] = 0;
      return std::vector<Tensor>{x, y};
    });
}

// ---------------------------------------------------------------- maps, scatter

TEST(Map, GathersReducesAndScatters) {
  Graph g(R"(fn @0 f[N, D, K](%0: f32[N, D], %1: i64[K]) {
    %2: f32[K, D] = map out=[K, D] {
      (%3: i64, %4: i64)
      %5: i64 = read(%1, %3)
      %6: f32 = read(%0, %5, %4)
      yield %6
    }
    %7: f32[K, D] = tanh(%2)
    %8: f32[N, D] = scatter(%0) dims=[K, D] {
      (%10: i64, %11: i64)
      %12: i64 = read(%1, %10)
      %13: f32 = read(%7, %10, %11)
      yield %12, %11, %13
    }
    %14: f32[K] = map out=[K] red=[D, N] sum {
      (%15: i64, %16: i64, %17: i64)
      %18: f32 = read(%2, %15, %16)
      %19: f32 = read(%0, %17, %16)
      %20: f32 = sub(%18, %19)
      %21: f32 = abs(%20)
      yield %21
    }
    %22: f32 = map out=[] red=[K, N] max {
      (%23: i64, %24: i64)
      %25: f32 = read(%14, %23)
      %26: i64 = constant 0
      %27: f32 = read(%0, %24, %26)
      %28: f32 = mul(%25, %27)
      yield %28
    }
    %29: f32 = map out=[] red=[N, D] sum {
      (%30: i64, %31: i64)
      %32: f32 = read(%0, %30, %31)
      yield %32
    }
    return %7, %8, %14, %22, %29
  })");
  for (auto [n, d, k] :
       {std::tuple<int64_t, int64_t, int64_t>{5, 1, 3}, {50, 40, 30}, {3, 2000, 7}, {1, 1, 1}})
    for (bool bad : {false, true})
      g.check({n, d, k}, [&] {
        Tensor ids = random_tensor(DType::i64, {k}, 2);
        for (int64_t i = 0; i < k; ++i) ids.data<int64_t>()[i] = (ids.data<int64_t>()[i] + 50) % n;
        if (bad) {
          ids.data<int64_t>()[k / 2] = n;
          ids.data<int64_t>()[k - 1] = -1;
        }
        return std::vector<Tensor>{random_tensor(DType::f32, {n, d}, 1), ids};
      });
}

TEST(Map, WhatIsReadElsewhereIsMadeBefore) {
  Graph g(R"(fn @0 f[N](%0: f32[N]) {
    %1: f32[N] = exp(%0)
    %2: i64 = size N
    %3: f32[N] = map out=[N] {
      (%4: i64)
      %5: i64 = constant 1
      %6: i64 = sub(%2, %4)
      %7: i64 = sub(%6, %5)
      %8: f32 = read(%1, %7)
      yield %8
    }
    %9: f32[N] = add(%3, %1)
    return %9
  })");
  for (int64_t n : {1, 40, 5000})
    g.check({n}, [&] { return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1)}; });
}

TEST(Map, AnIfReadsOnlyTheArmThatHolds) {
  Graph g(R"(fn @0 f[N](%0: f64[N], %1: i64[N]) {
    %2: f64[N] = map out=[N] {
      (%3: i64)
      %4: i64 = constant 0
      %5: bool = lt(%4, %3)
      %6: f64 = if(%5) {
        %7: i64 = constant 1
        %8: i64 = sub(%3, %7)
        %9: f64 = read(%0, %8)
        %10: i64 = read(%1, %3)
        %11: i64 = div(%8, %10)
        %12: f64 = convert(%11)
        %13: f64 = add(%9, %12)
        yield %13
      } {
        %14: f64 = constant 0.0
        yield %14
      }
      yield %6
    }
    return %2
  })");
  for (int64_t n : {1, 5, 40, 40000})
    for (int64_t zero : {int64_t{-1}, int64_t{0}, n - 1})
      g.check({n}, [&] {
        Tensor d = random_tensor(DType::i64, {n}, 2);
        for (int64_t i = 0; i < n; ++i) d.data<int64_t>()[i] |= 1;
        if (zero >= 0) d.data<int64_t>()[zero] = 0;
        return std::vector<Tensor>{random_tensor(DType::f64, {n}, 1), d};
      });
}

// ---------------------------------------------------------------- memory: loops, branches, calls

TEST(Memory, UpdatesInALoopAreInPlace) {
  Graph g(R"(fn @0 f[N](%0: f32[N]) {
    %1: i64 = constant 0
    %2: i64 = size N
    %3: f32[N] = for(%1, %2, %0) {
      (%4: i64, %5: f32[N])
      %6: f32[1] = slice(%5, %4) strides=[1]
      %7: f32 = reshape(%6)
      %8: f32 = mul(%7, %7)
      %9: f32[1] = reshape(%8)
      %10: f32 = constant 0.5
      %11: bool = lt(%7, %10)
      %12: f32[N] = if(%11) {
        %13: f32[N] = update(%5, %9, %4) strides=[1]
        yield %13
      } {
        yield %5
      }
      yield %12
    }
    return %3, %0
  })");
  for (int64_t n : {0, 1, 1000})
    g.check({n}, [&] { return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1)}; });
  // A quadratic copy would take minutes.
  g.slow = false;
  g.threads = {1};
  g.check({300000}, [&] { return std::vector<Tensor>{random_tensor(DType::f32, {300000}, 1)}; });
}

TEST(Memory, SlicesAndUpdatesOfBlocks) {
  Graph g(R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[2, 3], %2: i64, %3: i64) {
    %4: f32[N, M] = update(%0, %1, %2, %3) strides=[2, 1]
    %5: f32[2, 3] = slice(%4, %3, %2) strides=[1, 2]
    %6: f32[2, 3] = exp(%5)
    %7: f32[N, M] = update(%4, %6, %2, %3) strides=[1, 1]
    %8: f32[N, M] = add(%7, %0)
    %10: i64 = constant 0
    %9: f32[1, M] = slice(%0, %2, %10) strides=[1, 1]
    return %8, %5, %9, %4
  })");
  for (int64_t i : {0, 1, 2, -1, 100})
    for (int64_t j : {0, 1, 2})
      g.check({6, 7}, [&] {
        return std::vector<Tensor>{random_tensor(DType::f32, {6, 7}, 1),
                                   random_tensor(DType::f32, {2, 3}, 2), scalar(i), scalar(j)};
      });
}

constexpr const char* kLoops = R"(fn @0 f[N](%0: f32[N], %1: f32[N], %2: i64) {
    %3: i64 = constant 0
    %4: f32[N], %5: f32[N], %6: i64 = for(%3, %2, %0, %1, %3) {
      (%7: i64, %8: f32[N], %9: f32[N], %10: i64)
      %11: f32[N] = add(%8, %9)
      %12: i64 = add(%10, %7)
      %13: f32[N] = mul(%0, %11)
      yield %9, %13, %12
    }
    %14: bool = lt(%6, %2)
    %15: f32[N] = if(%14) {
      %16: f32[N] = call(%4, %2) @1 sizes=[N]
      yield %16
    } {
      yield %5
    }
    %17: f32[N], %18: i64 = while(%15, %3) {
      (%19: f32[N], %20: i64)
      %21: f32 = reduce(%19) max axes=[0]
      %22: f32 = constant 100.0
      %23: bool = lt(%21, %22)
      %24: i64 = constant 20
      %25: bool = lt(%20, %24)
      %26: bool = and(%23, %25)
      yield %26
    } {
      (%27: f32[N], %28: i64)
      %29: f32[N] = add(%27, %1)
      %30: i64 = constant 1
      %31: i64 = add(%28, %30)
      yield %29, %31
    }
    return %4, %17, %18, %6, %0
  }
  fn @1 g[N](%0: f32[N], %1: i64) recursive {
    %2: i64 = constant 0
    %3: bool = le(%1, %2)
    %4: f32[N] = if(%3) {
      yield %0
    } {
      %5: i64 = constant 1
      %6: i64 = sub(%1, %5)
      %7: f32[N] = tanh(%0)
      %8: f32[N] = call(%7, %6) @1 sizes=[N]
      %9: f32[N] = add(%8, %0)
      yield %9
    }
    return %4
  })";

TEST(Memory, LoopsBranchesCallsAndRecursion) {
  Graph g(kLoops);
  for (int64_t n : {1, 17, 20000})
    for (int64_t turns : {0, 1, 2, 5})
      g.check({n}, [&] {
        return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1),
                                   random_tensor(DType::f32, {n}, 2), scalar(turns)};
      });
}

// ---------------------------------------------------------------- derivatives: tapes

TEST(Tape, DerivativesThroughLoopsAndRecursion) {
  std::string text(kLoops);
  text += R"(
  fn @2 d[N](%0: f32[N], %1: f32[N], %2: i64, %3: f32[N]) {
    %4: f32[N], %5: f32[N], %6: i64, %7: i64, %8: f32[N], %9: f32[N], %10: f32[N] = derive(%0, %1, %2, %3) vjp @0 sizes=[N] wrt=[0, 1] seeds=[1]
    return %5, %9, %10
  })";
  Graph g(text);
  ir::PrefixRunner(g.module()).run(2);
  for (int64_t n : {1, 17, 1000})
    for (int64_t turns : {0, 1, 4})
      g.check(
          {n},
          [&] {
            return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1),
                                       random_tensor(DType::f32, {n}, 2), scalar(turns),
                                       random_tensor(DType::f32, {n}, 3)};
          },
          2);
}

// ---------------------------------------------------------------- rows

constexpr const char* kRows = R"(fn @0 f[B, D](%0: f32[B, D], %1: f32[D]) {
    %2: f32[B] = reduce(%0) max axes=[1]
    %3: f32[B, D] = broadcast(%2) axes=[0]
    %4: f32[B, D] = sub(%0, %3)
    %5: f32[B, D] = exp(%4)
    %6: f32[B] = reduce(%5) sum axes=[1]
    %7: f32[B, D] = broadcast(%6) axes=[0]
    %8: f32[B, D] = div(%5, %7)
    %9: f32[B] = log(%6)
    %10: f32[B, D] = broadcast(%9) axes=[0]
    %11: f32[B, D] = sub(%4, %10)
    %12: f32[B] = reduce(%8) sum axes=[1]
    %13: i64 = size D
    %14: f32 = convert(%13)
    %15: f32[B] = broadcast(%14) axes=[]
    %16: f32[B] = div(%12, %15)
    %17: f32[B, D] = broadcast(%16) axes=[0]
    %18: f32[B, D] = sub(%8, %17)
    %19: f32[B, D] = mul(%18, %18)
    %20: f32[B] = reduce(%19) sum axes=[1]
    %21: f32[B] = sqrt(%20)
    %22: f32[B, D] = broadcast(%21) axes=[0]
    %23: f32[B, D] = div(%18, %22)
    %24: f32[B, D] = broadcast(%1) axes=[1]
    %25: f32[B, D] = mul(%23, %24)
    %26: f32 = reduce(%25) sum axes=[0, 1]
    return %8, %11, %25, %9, %26
  })";

TEST(Row, SoftmaxLogSoftmaxAndLayerNorm) {
  Graph g(kRows);
  for (auto [b, d] : {std::pair<int64_t, int64_t>{1, 1},
                      {3, 10},
                      {5, 64},
                      {130, 100},
                      {2, 16384},
                      {2, 16385},
                      {3, 50000},
                      {4, 0},
                      {0, 4}})
    g.check({b, d}, [&] {
      return std::vector<Tensor>{random_tensor(DType::f32, {b, d}, 1),
                                 random_tensor(DType::f32, {d}, 2)};
    });
}

// ---------------------------------------------------------------- errors

TEST(Errors, ChecksAndDebugKeepTheirOrder) {
  Graph g(R"(fn @0 f[N](%0: f32[N], %1: i64) {
    %2: f32[N] = exp(%0)
    debug(%2, %1) "first {}"
    %3: i64 = constant 3
    %4: bool = lt(%1, %3)
    check(%4, %1, %2) E0804 "{} is not below 3: {}" hint="smaller"
    debug(%1) "second {}"
    %5: i64 = div(%3, %1)
    %6: f32[1] = slice(%2, %1) strides=[1]
    return %6, %5
  })");
  for (int64_t i : {0, 1, 2, 3, -1})
    for (int64_t n : {1, 2, 20})
      g.check({n}, [&] {
        return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1), scalar(i)};
      });
}

}  // namespace
}  // namespace tenon::test
