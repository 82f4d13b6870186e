// rooms: support ir
// What each pass does to a function, in the text form.

#include "ir/passes.h"

#include <gtest/gtest.h>

#include "ir/literal.h"
#include "ir/passes/rewrite.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

using Run = std::unique_ptr<Function> (*)(Module&, const Function&);

// The body of function 0 after some passes; the lines between the braces.
std::string after(const std::vector<Run>& passes, const std::string& text) {
  std::string error;
  const auto m = parse_text(text, error);
  if (!m) return "does not parse: " + error;
  for (const auto& f : m->functions)
    if (error = verify(*m, *f); !error.empty()) return error;
  for (Run run : passes) {
    auto out = run(*m, m->fn(0));
    if (error = verify(*m, *out); !error.empty()) return error;
    m->fn(0) = std::move(*out);
  }
  const std::string s = print(*m, m->fn(0));
  const size_t from = s.find("{\n") + 2;
  return s.substr(from, s.rfind("}") - from);
}

std::string fn(const std::string& lines, const std::string& flags = "") {
  return "fn @0 f[N, M](%0: f32[N, M], %1: f32, %2: i64, %3: bool, %4: f32[N, M, 3], %5: f16[N, "
         "M]) " +
         flags + "{\n" + lines + "\n}\n";
}

TEST(Canonicalise, SplitsMixedReductions) {
  EXPECT_EQ(after({canonicalise}, fn("%6: f32[M] = reduce(%4) sum axes=[0, 2]\nreturn %6")),
            "  %6: f32[N, M] = reduce(%4) sum axes=[2]\n"
            "  %7: f32[M] = reduce(%6) sum axes=[0]\n"
            "  return %7\n");
  // Trailing or leading axes alone stay one reduction.
  for (const char* same : {"  %6: f32[N] = reduce(%4) max axes=[1, 2]\n  return %6\n",
                           "  %6: f32[3] = reduce(%4) sum axes=[0, 1]\n  return %6\n",
                           "  %6: f32 = reduce(%4) sum axes=[0, 1, 2]\n  return %6\n"})
    EXPECT_EQ(after({canonicalise}, fn(same)), same);
}

TEST(Canonicalise, HalvesAreRoundedOnce) {
  EXPECT_EQ(after({canonicalise},
                  "fn @0 f[](%0: f16[2, 3, 4]) {\n%1: f16[3] = reduce(%0) sum axes=[0, 2]\n"
                  "%2: f16[3] = reduce(%0) max axes=[0, 2]\nreturn %1, %2\n}"),
            "  %1: f32[2, 3, 4] = convert(%0)\n"
            "  %2: f32[2, 3] = reduce(%1) sum axes=[2]\n"
            "  %3: f32[3] = reduce(%2) sum axes=[0]\n"
            "  %4: f16[3] = convert(%3)\n"
            "  %5: f16[2, 3] = reduce(%0) max axes=[2]\n"
            "  %6: f16[3] = reduce(%5) max axes=[0]\n"
            "  return %4, %6\n");
}

// ---- maps that are elementwise

TEST(Pointwise, AMapThatReadsAtItsOwnIndicesIsElementwise) {
  EXPECT_EQ(after({canonicalise}, fn("%6: f32[N, M] = map out=[N, M] {\n(%7: i64, %8: i64)\n"
                                     "%9: bool = le(%8, %7)\n%10: f32 = if(%9) {\n"
                                     "%11: f32 = read(%0, %7, %8)\nyield %11\n} {\nyield %1\n}\n"
                                     "yield %10\n}\nreturn %6")),
            "  %6: i64[M] = iota axis=0\n"
            "  %7: i64[N] = iota axis=0\n"
            "  %8: i64[N, M] = broadcast(%6) axes=[1]\n"
            "  %9: i64[N, M] = broadcast(%7) axes=[0]\n"
            "  %10: bool[N, M] = le(%8, %9)\n"
            "  %11: f32[N, M] = broadcast(%1) axes=[]\n"
            "  %12: f32[N, M] = select(%10, %0, %11)\n"
            "  return %12\n");
  // Over the indices that an operation depends on, transposed where the indices are.
  EXPECT_EQ(after({canonicalise},
                  "fn @0 f[N, M](%0: f32[N, M], %1: f32[N]) {\n"
                  "%2: f32[M, N] = map out=[M, N] {\n(%3: i64, %4: i64)\n"
                  "%5: f32 = read(%1, %4)\n%6: f32 = exp(%5)\n%7: f32 = read(%0, %4, %3)\n"
                  "%8: f32 = mul(%6, %7)\nyield %8\n}\nreturn %2\n}\n"),
            "  %2: f32[N] = exp(%1)\n"
            "  %3: f32[M, N] = transpose(%0) axes=[1, 0]\n"
            "  %4: f32[M, N] = broadcast(%2) axes=[1]\n"
            "  %5: f32[M, N] = mul(%4, %3)\n"
            "  return %5\n");
}

TEST(Pointwise, ABranchWhoseDerivativeMayBeInfiniteStaysABranchUntilThereAreNoDerivatives) {
  const std::string root = fn(
      "%6: f32[N, M] = map out=[N, M] {\n(%7: i64, %8: i64)\n%9: f32 = read(%0, %7, %8)\n"
      "%10: bool = lt(%1, %9)\n%11: f32 = if(%10) {\n%12: f32 = sqrt(%9)\nyield %12\n} {\n"
      "yield %1\n}\nyield %11\n}\nreturn %6");
  EXPECT_NE(after({canonicalise}, root).find("map"), std::string::npos);
  EXPECT_EQ(after({pointwise}, root),
            "  %6: f32[N, M] = broadcast(%1) axes=[]\n"
            "  %7: bool[N, M] = lt(%6, %0)\n"
            "  %8: f32[N, M] = sqrt(%0)\n"
            "  %9: f32[N, M] = broadcast(%1) axes=[]\n"
            "  %10: f32[N, M] = select(%7, %8, %9)\n"
            "  return %10\n");
}

TEST(Pointwise, OtherMapsStay) {
  for (const char* read : {"%9: f32 = read(%0, %7, %7)",                             // a diagonal
                           "%10: i64 = add(%8, %8)\n%9: f32 = read(%0, %7, %10)",    // computed
                           "%10: i64 = div(%8, %7)\n%9: f32 = read(%0, %7, %8)"})    // may trap
    EXPECT_NE(after({canonicalise, pointwise},
                    fn("%6: f32[N, M] = map out=[N, M] {\n(%7: i64, %8: i64)\n" + std::string(read) +
                       "\nyield %9\n}\nreturn %6"))
                  .find("map"),
              std::string::npos)
        << read;
}

TEST(Dce, DropsTheDeadAndKeepsEffects) {
  EXPECT_EQ(after({drop_dead}, fn("%6: f32 = exp(%1)\n%7: f32 = neg(%6)\n%8: f32 = neg(%1)\n"
                                  "debug(%8) \"{}\"\ncheck(%3) E0804 \"x\"\nreturn %1")),
            "  %6: f32 = neg(%1)\n  debug(%6) \"{}\"\n  check(%3) E0804 \"x\"\n  return %1\n");
}

const char kTraps[] =
    "%6: i64 = div(%2, %2)\n"
    "%7: f32[N, M] = slice(%0, %2, %2) strides=[1, 1]\n"
    "%8: f32 = while(%1) {\n(%9: f32)\nyield %3\n} {\n(%10: f32)\nyield %10\n}\n"
    "return %1";

TEST(Dce, DeadTrapsGoInThePrefixAndStayAfterIt) {
  EXPECT_EQ(after({drop_dead}, fn(kTraps)), "  return %1\n");
  const std::string kept = after({drop_dead_exact}, fn(kTraps));
  EXPECT_NE(kept.find("div("), std::string::npos) << kept;
  EXPECT_NE(kept.find("slice("), std::string::npos) << kept;
  EXPECT_NE(kept.find("while {"), std::string::npos) << kept;  // without its dead carry
}

TEST(Dce, WhatIsProvedNotToTrapGoesEverywhere) {
  EXPECT_EQ(
      after({drop_dead_exact},
            fn("%6: i64 = constant 0\n%7: f32[N, M, 1] = slice(%4, %6, %6, %6) strides=[1, 1, 1]\n"
               "%8: f32[N, M] = map out=[N, M] {\n(%9: i64, %10: i64)\n"
               "%11: f32 = read(%0, %9, %10)\nyield %11\n}\n%12: f32 = div(%1, %1)\nreturn %1")),
      "  return %1\n");
  const std::string beyond =
      after({drop_dead_exact},
            fn("%6: i64 = constant 1\n%7: f32[N, M, 3] = slice(%4, %6, %6, %6) strides=[1, 1, 1]\n"
               "return %1"));
  EXPECT_NE(beyond.find("slice"), std::string::npos) << beyond;
  const std::string gather =
      after({drop_dead_exact}, fn("%8: f32[N] = map out=[N] {\n(%9: i64)\n"
                                  "%11: f32 = read(%0, %9, %9)\nyield %11\n}\nreturn %1"));
  EXPECT_NE(gather.find("map"), std::string::npos) << gather;
}

TEST(Dce, AnEmptyAxisHasNoFirstElement) {
  EXPECT_NE(after({drop_dead_exact}, fn("%6: i64[M] = arg_reduce(%0) max axis=0\nreturn %1")).find("arg_"),
            std::string::npos);
  EXPECT_EQ(after({drop_dead_exact}, fn("%6: i64[N, M] = arg_reduce(%4) max axis=2\nreturn %1")),
            "  return %1\n");
}

TEST(Dce, DropsDeadCarries) {
  EXPECT_EQ(after({drop_dead}, fn("%6: f32, %7: i64, %8: f32 = for(%2, %2, %1, %2, %1) {\n"
                                  "(%9: i64, %10: f32, %11: i64, %12: f32)\n"
                                  "%13: f32 = neg(%10)\n%14: i64 = add(%11, %2)\n"
                                  "%15: f32 = mul(%12, %10)\nyield %13, %14, %15\n}\nreturn %6")),
            "  %6: f32 = for(%2, %2, %1) {\n"
            "    (%7: i64, %8: f32)\n"
            "    %9: f32 = neg(%8)\n"
            "    yield %9\n  }\n  return %6\n");
  // A carry that another one needs stays.
  const std::string both =
      after({drop_dead}, fn("%6: f32, %7: f32 = for(%2, %2, %1, %1) {\n"
                            "(%9: i64, %10: f32, %11: f32)\n"
                            "%13: f32 = mul(%10, %11)\nyield %13, %10\n}\nreturn %6"));
  EXPECT_NE(both.find("%6: f32, %7: f32 = for"), std::string::npos) << both;
  EXPECT_EQ(
      after({drop_dead}, fn("%6: f32, %7: i64 = if(%3) {\n%8: f32 = neg(%1)\nyield %8, %2\n} {\n"
                            "%9: i64 = neg(%2)\nyield %1, %9\n}\nreturn %6")),
      "  %6: f32 = if(%3) {\n    %7: f32 = neg(%1)\n    yield %7\n  } {\n    yield %1\n  }\n"
      "  return %6\n");
}

TEST(Dce, ADeadTapeGoesAsAWhole) {
  const std::string program =
      "%6: tape = tape_new\n%7: f32, %8: tape = for(%2, %2, %1, %6) {\n(%9: i64, %10: f32, %11: "
      "tape)\n"
      "%12: tape = push(%11, %10) slot=0\n%13: f32 = exp(%10)\nyield %13, %12\n}\n"
      "%14: f32, %15: tape = for(%2, %2, %1, %8) {\n(%16: i64, %17: f32, %18: tape)\n"
      "%19: tape, %20: f32 = pop(%18) slot=0\n%21: f32 = mul(%17, %20)\nyield %21, %19\n}\n"
      "tape_end(%15)\n";
  EXPECT_EQ(after({drop_dead}, fn(program + "return %7")),
            "  %6: f32 = for(%2, %2, %1) {\n    (%7: i64, %8: f32)\n    %9: f32 = exp(%8)\n"
            "    yield %9\n  }\n  return %6\n");
  EXPECT_EQ(after({drop_dead}, fn(program + "return %14")),
            after({drop_dead_exact}, fn(program + "return %14")));
  const std::string kept = after({drop_dead}, fn(program + "return %14"));
  for (const char* part : {"tape_new", "push", "pop", "tape_end"})
    EXPECT_NE(kept.find(part), std::string::npos) << kept;
}

TEST(Dce, ASlotThatNobodyAsksForGoesAlone) {
  // Slots 1 and 2 come back for nobody; slot 2 is pushed in a branch. What was only kept for them goes too.
  auto program = [](const std::string& given) {
    return "%6: tape = tape_new\n%7: f32, %8: tape = for(%2, %2, %1, %6) {\n(%9: i64, %10: f32, %11: tape)\n"
           "%12: f32 = neg(%10)\n%13: tape = push(%11, %10) slot=0\n%14: tape = push(%13, %12) slot=1\n"
           "%15: f32 = exp(%10)\n"
           "%16: tape = if(%3) {\n%17: tape = push(%14, %15) slot=2\nyield %17\n} {\nyield %14\n}\n"
           "yield %15, %16\n}\n"
           "%20: f32, %21: tape = for(%2, %2, %1, %8) {\n(%22: i64, %23: f32, %24: tape)\n"
           "%25: tape = if(%3) {\n%26: tape, %27: f32 = pop(%24) slot=2\nyield %26\n} {\nyield %24\n}\n"
           "%28: tape, %29: f32 = pop(%25) slot=1\n%30: tape, %31: f32 = pop(%28) slot=0\n"
           "%32: f32 = mul(%23, " + given + ")\nyield %32, %30\n}\ntape_end(%21)\nreturn %20\n";
  };
  const std::string one = after({drop_dead}, fn(program("%31")));
  for (const char* gone : {"slot=1", "slot=2", "neg"}) EXPECT_EQ(one.find(gone), std::string::npos) << one;
  for (const char* kept : {"push(%11, %10) slot=0", "pop(%", "tape_end"}) EXPECT_NE(one.find(kept), std::string::npos) << one;
  const std::string other = after({drop_dead_exact}, fn(program("%29")));
  for (const char* gone : {"slot=0", "slot=2"}) EXPECT_EQ(other.find(gone), std::string::npos) << other;
  for (const char* kept : {"slot=1", "neg", "tape_end"}) EXPECT_NE(other.find(kept), std::string::npos) << other;
}

TEST(Dce, KeepsWhoBindsASize) {
  const std::string text =
      "  bind_dim(%2) k?\n  %6: f32[k?] = broadcast(%1) axes=[]\n  return %6\n";
  EXPECT_EQ(after({drop_dead}, fn(text)), text);
  EXPECT_EQ(after({drop_dead}, fn("bind_dim(%2) k?\nreturn %1")), "  return %1\n");
  EXPECT_EQ(after({drop_dead_exact}, fn("bind_dim(%2) k?\nreturn %1")),
            "  bind_dim(%2) k?\n  return %1\n");
}

TEST(Dce, CallsWithEffectsStay) {
  const std::string callee =
      "fn @1 g[](%0: bool) {\n%1: f32 = call(%0) @2\nreturn %1\n}\n"
      "fn @2 h[](%0: bool) {\ncheck(%0) E0804 \"x\"\n%1: f32 = constant 1.0\nreturn %1\n}\n"
      "fn @3 pure[](%0: bool) {\n%1: f32 = constant 1.0\nreturn %1\n}\n";
  EXPECT_EQ(
      after({drop_dead}, fn("%6: f32 = call(%3) @1\n%7: f32 = call(%3) @3\nreturn %1") + callee),
      "  %6: f32 = call(%3) @1  # g\n  return %1\n");
}

TEST(Simplify, Numbers) {
  const auto same = [](const std::string& lines, const std::string& result) {
    EXPECT_EQ(after({simplify, drop_dead}, fn(lines)), "  return " + result + "\n") << lines;
  };
  const std::string one = "%6: f32 = constant 1.0\n%7: f32[N, M] = broadcast(%6) axes=[]\n";
  const std::string zero = "%6: f32 = constant 0.0\n%7: f32[N, M] = broadcast(%6) axes=[]\n";
  const std::string minus = "%6: f32 = constant -0.0\n%7: f32[N, M] = broadcast(%6) axes=[]\n";
  same(one + "%8: f32[N, M] = mul(%0, %7)\nreturn %8", "%0");
  same(one + "%8: f32[N, M] = mul(%7, %0)\nreturn %8", "%0");
  same(one + "%8: f32[N, M] = div(%0, %7)\nreturn %8", "%0");
  same(zero + "%8: f32[N, M] = sub(%0, %7)\nreturn %8", "%0");
  same("%6: f32 = neg(%1)\n%7: f32 = neg(%6)\nreturn %7", "%1");
  same("%6: i64 = constant 0\n%7: i64 = add(%6, %2)\nreturn %7", "%2");
  same("%6: f32[N, M] = stop_gradient(%0)\nreturn %6", "%0");
  // What looks alike and is not the same number for every x.
  const auto stays = [](const std::string& lines, const std::string& part) {
    const std::string s = after({simplify, drop_dead}, fn(lines));
    EXPECT_NE(s.find(part), std::string::npos) << s;
  };
  stays(zero + "%8: f32[N, M] = add(%0, %7)\nreturn %8", "add(");
  stays(minus + "%8: f32[N, M] = sub(%0, %7)\nreturn %8", "sub(");
  stays(zero + "%8: f32[N, M] = mul(%0, %7)\nreturn %8", "mul(");
  stays("%6: f32 = sub(%1, %1)\nreturn %6", "sub(");
  stays("%6: f32 = constant 3.0\n%7: f32 = div(%1, %6)\nreturn %7", "div(");
  stays("%6: f32 = div(%1, %1)\nreturn %6", "div(");
}

TEST(Simplify, DivisionsByPowersOfTwo) {
  EXPECT_EQ(after({simplify, drop_dead},
                  fn("%6: f32 = constant -8.0\n%7: f32[N, M] = broadcast(%6) axes=[]\n"
                     "%8: f32[N, M] = div(%0, %7)\nreturn %8")),
            "  %6: f32 = constant -0.125\n  %7: f32[N, M] = broadcast(%6) axes=[]\n"
            "  %8: f32[N, M] = mul(%0, %7)\n  return %8\n");
  // 2^-24 is a number of f16, the inverse of 2^-24 is none.
  EXPECT_NE(after({simplify},
                  fn("%6: f16 = constant 5.9604645e-08\n%7: f16[N, M] = broadcast(%6) axes=[]\n"
                     "%8: f16[N, M] = div(%5, %7)\nreturn %8"))
                .find("div("),
            std::string::npos);
}

TEST(Simplify, Constants) {
  EXPECT_EQ(after({simplify, drop_dead}, fn("%6: f32 = constant 2.0\n%7: f32 = constant 3.0\n"
                                            "%8: f32 = mul(%6, %7)\n%9: bool = lt(%6, %8)\n"
                                            "%10: f32 = select(%9, %1, %8)\nreturn %10, %8")),
            "  %6: f32 = constant 6.0\n  return %1, %6\n");
  EXPECT_EQ(
      after({simplify, drop_dead}, fn("%6: i64 = size 12\n%7: i64 = size N\n%8: f32 = convert(%6)\n"
                                      "return %8, %7")),
      "  %6: i64 = size N\n  %7: f32 = constant 12.0\n  return %7, %6\n");
  // A division that ends the run stays, to do so.
  EXPECT_NE(
      after({simplify}, fn("%6: i64 = constant 0\n%7: i64 = constant 1\n%8: i64 = div(%7, %6)\n"
                           "return %8"))
          .find("div("),
      std::string::npos);
}

TEST(JoinUpdates, PartsOfATensor) {
  const std::string head = "fn @0 f[N, H](%0: f32[N, 3*H], %1: f32[N, H], %2: f32[N, H], "
                           "%3: f32[N, H], %4: i64) {\n"
                           "%5: i64 = constant 0\n%6: i64 = size H\n%7: i64 = size 2*H\n"
                           "%8: f32 = constant 0.0\n%9: f32[N, 3*H] = broadcast(%8) axes=[]\n";
  const std::string body = "strides=[1, 1]\n";
  // As a derivative writes the parts of what was sliced, from the last to the first.
  EXPECT_EQ(after({join_updates, drop_dead},
                  head + "%10: f32[N, 3*H] = update(%9, %3, %5, %7) " + body +
                      "%11: f32[N, H] = slice(%10, %5, %6) " + body +
                      "%12: f32[N, H] = add(%11, %2)\n" +
                      "%13: f32[N, 3*H] = update(%10, %12, %5, %6) " + body +
                      "%14: f32[N, 3*H] = update(%13, %1, %5, %5) " + body + "return %14\n}"),
            "  %5: f32 = constant 0.0\n"
            "  %6: f32[N, H] = broadcast(%5) axes=[]\n"
            "  %7: f32[N, H] = add(%6, %2)\n"
            "  %8: f32[N, 3*H] = concat(%1, %7, %3) axis=1\n"
            "  return %8\n");
  const auto stays = [&](const std::string& lines, const std::string& part) {
    const std::string s = after({join_updates, drop_dead}, head + lines + "\n}");
    EXPECT_EQ(s.find("concat("), std::string::npos) << s;
    EXPECT_NE(s.find(part), std::string::npos) << s;
  };
  // A hole, parts that meet, and a place that only the run knows.
  stays("%10: f32[N, 3*H] = update(%9, %3, %5, %7) " + body +
            "%11: f32[N, 3*H] = update(%10, %1, %5, %5) " + body + "return %11",
        "update(");
  stays("%10: f32[N, 3*H] = update(%0, %3, %5, %7) " + body +
            "%11: f32[N, 3*H] = update(%10, %2, %5, %7) " + body +
            "%12: f32[N, 3*H] = update(%11, %1, %5, %5) " + body + "return %12",
        "update(");
  stays("%10: f32[N, 3*H] = update(%9, %3, %5, %4) " + body +
            "%11: f32[N, H] = slice(%10, %5, %5) " + body + "return %11",
        "slice(%8");
  stays("%10: f32[N, 3*H] = update(%0, %3, %5, %6) " + body +
            "%11: f32[N, H] = slice(%10, %5, %6) " + body + "return %11",
        "slice(%7");
}

TEST(Simplify, Views) {
  EXPECT_EQ(
      after({simplify, drop_dead},
            fn("%6: f32[3, N, M] = transpose(%4) axes=[2, 0, 1]\n"
               "%7: f32[N, M, 3] = transpose(%6) axes=[1, 2, 0]\n"
               "%8: f32[M, 3, N] = transpose(%6) axes=[2, 0, 1]\n"
               "%9: f32[3*M*N] = reshape(%4)\n%10: f32[3*N, M] = reshape(%9)\nreturn %7, %8, %10")),
      "  %6: f32[M, 3, N] = transpose(%4) axes=[1, 2, 0]\n"
      "  %7: f32[3*N, M] = reshape(%4)\n  return %4, %6, %7\n");
  EXPECT_EQ(after({simplify, drop_dead},
                  fn("%6: f32[N, M] = broadcast(%1) axes=[]\n%7: f32[N, M] = exp(%6)\n"
                     "%8: f32[M, N] = transpose(%7) axes=[1, 0]\n%9: f32[M, N, 2] = broadcast(%8) "
                     "axes=[0, 1]\n"
                     "return %9")),
            "  %6: f32 = exp(%1)\n  %7: f32[M, N, 2] = broadcast(%6) axes=[]\n  return %7\n");
  EXPECT_EQ(
      after({simplify, drop_dead},
            fn("%6: f32[M, N] = transpose(%0) axes=[1, 0]\n"
               "%7: f32[M, M] = contract(%6, %0) range=[M, M, N] a=[$0, $2] b=[$2, $1] out=[0, 1]\n"
               "return %7")),
      "  %6: f32[M, M] = contract(%0, %0) range=[M, M, N] a=[$2, $0] b=[$2, $1] out=[0, 1]\n"
      "  return %6\n");
  // Behind a contraction: the result in another order, unless somebody wants the first one too.
  EXPECT_EQ(
      after({simplify, drop_dead},
            fn("%6: f32[M, M] = contract(%0, %0) range=[M, M, N] a=[$2, $0] b=[$2, $1] out=[0, 1]\n"
               "%7: f32[M, M] = transpose(%6) axes=[1, 0]\nreturn %7")),
      "  %6: f32[M, M] = contract(%0, %0) range=[M, M, N] a=[$2, $0] b=[$2, $1] out=[1, 0]\n"
      "  return %6\n");
  const std::string kept =
      "  %6: f32[M, M] = contract(%0, %0) range=[M, M, N] a=[$2, $0] b=[$2, $1] out=[0, 1]\n"
      "  %7: f32[M, M] = transpose(%6) axes=[1, 0]\n  return %6, %7\n";
  EXPECT_EQ(after({simplify, drop_dead}, fn(kept)), kept);
  EXPECT_EQ(
      after({simplify, drop_dead},
            fn("%6: i64 = constant 0\n%7: f32[N, M] = slice(%0, %6, %6) strides=[1, 1]\n"
               "%8: f32[N, M] = exp(%0)\n%9: f32[N, M] = update(%7, %8, %6, %6) strides=[1, 1]\n"
               "%10: f32[N, M] = concat(%9) axis=0\nreturn %10")),
      "  %6: f32[N, M] = exp(%0)\n  return %6\n");
}

TEST(Simplify, Control) {
  EXPECT_EQ(
      after({simplify, drop_dead},
            fn("%6: bool = constant false\n%7: bool = not(%6)\ncheck(%7) E0804 \"x\"\n"
               "%8: f32 = if(%7) {\n%9: f32 = exp(%1)\nyield %9\n} {\n%10: f32 = neg(%1)\nyield "
               "%10\n}\n"
               "%11: i64 = constant 3\n%12: f32 = for(%11, %11, %8) {\n(%13: i64, %14: f32)\n"
               "%15: f32 = neg(%14)\nyield %15\n}\n%16: bool = and(%7, %3)\nreturn %12, %16")),
      "  %6: f32 = exp(%1)\n  return %6, %3\n");
  EXPECT_NE(after({simplify}, fn("%6: bool = constant false\ncheck(%6) E0804 \"x\"\nreturn"))
                .find("check"),
            std::string::npos);
}

TEST(Cse, SharesEqualNodes) {
  EXPECT_EQ(
      after({share_common},
            fn("%6: f32 = exp(%1)\n%7: f32 = exp(%1)\n%8: f32 = mul(%6, %7)\n"
               "%9: f32 = if(%3) {\n%10: f32 = exp(%1)\n%11: f32 = neg(%10)\nyield %11\n} {\n"
               "%12: f32 = neg(%6)\nyield %12\n}\n%13: f32 = neg(%1)\nreturn %8, %9, %13")),
      "  %6: f32 = exp(%1)\n  %7: f32 = mul(%6, %6)\n"
      "  %8: f32 = if(%3) {\n    %9: f32 = neg(%6)\n    yield %9\n  } {\n"
      "    %10: f32 = neg(%6)\n    yield %10\n  }\n  %11: f32 = neg(%1)\n  return %7, %8, %11\n");
}

TEST(Cse, TellsAttributesApart) {
  const char* apart =
      "  %6: f32[N] = reduce(%0) sum axes=[1]\n  %7: f32[N] = reduce(%0) max axes=[1]\n"
      "  %8: f32 = constant 0.0\n  %9: f32 = constant -0.0\n  %10: f64 = convert(%1)\n"
      "  %11: f16 = convert(%1)\n  %12: f32[N, M] = broadcast(%1) axes=[]\n"
      "  %13: f32[M, N] = broadcast(%1) axes=[]\n  debug(%1) \"x\"\n  debug(%1) \"x\"\n"
      "  return %6, %7, %8, %9, %10, %11, %12, %13\n";
  EXPECT_EQ(after({share_common}, fn(apart)), apart);
}

TEST(Inline, SubstitutesSizesAndNamesOwnSymbols) {
  const std::string callee =
      "fn @1 g[K](%0: f32[K], %1: i64) {\nbind_dim(%1) r?\n%2: f32[2*K] = concat(%0, %0) axis=0\n"
      "%3: f32 = constant 0.0\n%4: f32[r?] = broadcast(%3) axes=[]\n%5: f32[r?] = exp(%4)\n"
      "%6: f32 = reduce(%5) sum axes=[0]\nreturn %2, %4, %6\n}\n";
  EXPECT_EQ(
      after({inline_calls},
            "fn @0 f[N](%0: f32[3*N], %1: i64) {\n"
            "%2: f32[6*N], %3: f32[s?], %4: f32 = call(%0, %1) @1 sizes=[3*N] fresh=[r?: s?]\n"
            "%5: f32[6*N], %6: f32[t?], %7: f32 = call(%0, %1) @1 sizes=[3*N] fresh=[r?: t?]\n"
            "%8: f32[t?] = neg(%6)\nreturn %3, %8\n}\n" +
                callee),
      "  bind_dim(%1) s?\n  %2: f32[6*N] = concat(%0, %0) axis=0\n  %3: f32 = constant 0.0\n"
      "  %4: f32[s?] = broadcast(%3) axes=[]\n  %5: f32[s?] = exp(%4)\n"
      "  %6: f32 = reduce(%5) sum axes=[0]\n"
      "  bind_dim(%1) t?\n  %7: f32[6*N] = concat(%0, %0) axis=0\n  %8: f32 = constant 0.0\n"
      "  %9: f32[t?] = broadcast(%8) axes=[]\n  %10: f32[t?] = exp(%9)\n"
      "  %11: f32 = reduce(%10) sum axes=[0]\n  %12: f32[t?] = neg(%9)\n  return %4, %12\n");
}

TEST(Inline, GoesDeepButNotRound) {
  EXPECT_EQ(
      after({inline_calls},
            "fn @0 f[](%0: f32) {\n%1: f32 = call(%0) @1\n%2: f32 = call(%1) @3\nreturn %2\n}\n"
            "fn @1 g[](%0: f32) {\n%1: f32 = call(%0) @2\n%2: f32 = neg(%1)\nreturn %2\n}\n"
            "fn @2 h[](%0: f32) {\n%1: f32 = exp(%0)\nreturn %1\n}\n"
            "fn @3 loop[](%0: f32) recursive {\n%1: f32 = call(%0) @3\nreturn %1\n}\n"),
      "  %1: f32 = exp(%0)\n  %2: f32 = neg(%1)\n  %3: f32 = call(%2) @3  # loop\n  return %3\n");
  // A function that returns its parameter, twice, inside a loop.
  EXPECT_EQ(
      after({inline_calls},
            "fn @0 f[](%0: f32, %1: i64) {\n%2: f32 = for(%1, %1, %0) {\n(%3: i64, %4: f32)\n"
            "%5: f32, %6: f32 = call(%4) @1\n%7: f32 = mul(%5, %6)\nyield %7\n}\nreturn %2\n}\n"
            "fn @1 g[](%0: f32) {\nreturn %0, %0\n}\n"),
      "  %2: f32 = for(%1, %1, %0) {\n    (%3: i64, %4: f32)\n    %5: f32 = mul(%4, %4)\n"
      "    yield %5\n  }\n  return %2\n");
}

TEST(Inline, LargeFunctionsOfManyCallsStay) {
  std::string body;
  for (int i = 1; i <= 60; ++i)
    body += "%" + std::to_string(i) + ": f32 = exp(%" + std::to_string(i - 1) + ")\n";
  const std::string callee = "fn @1 g[](%0: f32) {\n" + body + "return %60\n}\n";
  const std::string once =
      after({inline_calls}, "fn @0 f[](%0: f32) {\n%1: f32 = call(%0) @1\nreturn %1\n}\n" + callee);
  EXPECT_EQ(once.find("call"), std::string::npos);
  const std::string twice = after({inline_calls},
                                  "fn @0 f[](%0: f32) {\n%1: f32 = call(%0) @1\n"
                                  "%2: f32 = call(%1) @1\nreturn %2\n}\n" +
                                      callee);
  EXPECT_NE(twice.find("call"), std::string::npos);
}

TEST(Prefix, LeavesNoDerivative) {
  std::string error;
  const auto m = parse_text(
      "fn @0 third[](%0: f32) {\n%1: f32 = constant 1.0\n%2: f32, %3: f32 = derive(%0, %1) vjp @1 "
      "wrt=[0] seeds=[0]\n"
      "return %3\n}\n"
      "fn @1 second[](%0: f32) {\n%1: f32 = constant 1.0\n%2: f32, %3: f32 = derive(%0, %1) vjp @2 "
      "wrt=[0] seeds=[0]\n"
      "return %3\n}\n"
      "fn @2 first[](%0: f32) {\n%1: f32 = constant 1.0\n%2: f32, %3: f32 = derive(%0, %1) jvp @3 "
      "wrt=[0] seeds=[0]\n"
      "return %3\n}\n"
      "fn @3 f[](%0: f32) {\n%1: f32 = mul(%0, %0)\n%2: f32 = mul(%1, %1)\nreturn %2\n}\n",
      error);
  ASSERT_TRUE(m) << error;
  PrefixRunner runner(*m);
  runner.run(0);
  for (const auto& f : m->functions) {
    EXPECT_EQ(verify(*m, *f), "");
    each_node(f->body, [](const Node& n) { EXPECT_NE(n.op, Op::derive); });
  }
  const std::string done = print(*m);
  runner.run(0);
  EXPECT_EQ(print(*m), done);
}

TEST(Passes, AreListedOnce) {
  EXPECT_EQ(prefix_passes().size(), 3u);
  EXPECT_EQ(exact_passes().size(), 6u);
  for (const Pass& p : prefix_passes()) EXPECT_EQ(p.kind, Pass::prefix);
  for (const Pass& p : exact_passes()) EXPECT_EQ(p.kind, Pass::exact);
}

}  // namespace
}  // namespace tenon::ir
