// rooms: support ir
// The rule of types of each operation: what it accepts and what it refuses. Nodes are written in
// the text form with the type they should have; the verifier asks `infer` whether that is so.

#include "ir/infer.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

// A function around some lines: the operands that they may use.
std::string verdict(const std::string& lines) {
  const std::string text =
      "fn @0 callee[K](%0: f32[K], %1: i64) {\n %2: f32[2*K] = concat(%0, %0) axis=0\n"
      " %3: f64 = constant 1.0\n return %2, %3\n}\n"
      "fn @1 test[N, M](%0: f32[N, M], %1: f32[M], %2: i64, %3: bool, %4: i32[N], %5: f32, "
      "%6: bool[N], %7: i64[N], %8: f32[N], %9: f16[N, M], %10: f64) effect {\n" +
      lines + "\n return\n}\n";
  std::string error;
  const auto m = parse_text(text, error);
  if (!m) return "does not parse: " + error;
  for (const auto& f : m->functions)
    if (error = verify(*m, *f); !error.empty()) return error;
  return "";
}

struct Case {
  const char* lines;
  const char* error;  // a part of the message; empty: well-typed
};

void check(const Case& c) {
  const std::string got = verdict(c.lines);
  if (*c.error == '\0')
    EXPECT_EQ(got, "") << c.lines;
  else
    EXPECT_NE(got.find(c.error), std::string::npos) << c.lines << "\n  said: '" << got << "'";
}

TEST(Infer, ScalarOperations) {
  const Case cases[] = {
      {"%20: f32[N, M] = add(%0, %0)", ""},
      {"%20: i64 = sub(%2, %2)", ""},
      {"%20: i32[N] = rem(%4, %4)", ""},
      {"%20: f16[N, M] = exp(%9)", ""},
      {"%20: f32 = fma(%5, %5, %5)", ""},
      {"%20: bool[N] = lt(%8, %8)", ""},
      {"%20: bool[N] = eq(%6, %6)", ""},
      {"%20: bool = and(%3, %3)", ""},
      {"%20: i64 = xor(%2, %2)", ""},
      {"%20: i64[N] = shl(%7, %7)", ""},
      {"%20: f32[N] = select(%6, %8, %8)", ""},
      {"%20: bool[N] = select(%6, %6, %6)", ""},
      {"%20: f64[N, M] = convert(%0)", ""},
      {"%20: bool = convert(%5)", ""},
      {"%20: i64[N] = rng(%7, %7)", ""},
      {"%20: f32[N, M] = add(%0, %1)", "shapes differ"},
      {"%20: f32[N, M] = add(%0)", "number of operands"},
      {"%20: f32[N, M] = add(%0, %0, %0)", "number of operands"},
      {"%20: f32[N] = add(%8, %4)", "dtypes differ"},
      {"%20: bool = mul(%3, %3)", "a bool is no number"},
      {"%20: i64 = exp(%2)", "floats only"},
      {"%20: f32 = shl(%5, %5)", "integers only"},
      {"%20: f32 = or(%5, %5)", "bools or integers only"},
      {"%20: bool = lt(%3, %3)", "no order"},
      {"%20: bool = eq(%2, %5)", "dtypes differ"},
      {"%20: f32[N] = select(%8, %8, %8)", "condition is no bool"},
      {"%20: f32[N] = select(%3, %8, %8)", "shapes differ"},
      {"%20: f32[N] = select(%6, %8, %4)", "dtypes differ"},
      {"%20: f32 = rng(%5, %5)", "i64"},
      {"%20: f64 = add(%5, %5)", "another type"},
      {"%20: f32, %21: f32 = add(%5, %5)", "number of results"},
      {"add(%5, %5)", "number of results"},
      {"%20: tape = tape_new\n%21: tape = neg(%20)", "tape"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, MakersAndViews) {
  const Case cases[] = {
      {"%20: i32[N, 3] = iota axis=1", ""},
      {"%20: f32[N] = iota axis=0", ""},
      {"%20: bool[N] = iota axis=0", "do not count"},
      {"%20: f32 = iota axis=0", "no such axis"},
      {"%20: i64[N] = iota axis=-1", "no such axis"},
      {"%20: i64 = size N*M", ""},
      {"%20: i32 = size N", "another type"},
      {"%20: f32[2] = constant [1.0, 2.0]", ""},
      {"%20: f32[N, 4, M] = broadcast(%0) axes=[0, 2]", ""},
      {"%20: f32[N, M] = broadcast(%5) axes=[]", ""},
      {"%20: f32[N, M] = broadcast(%1) axes=[0]", "changes its size"},
      {"%20: f32[M, N] = broadcast(%0) axes=[1, 0]", "ascend"},
      {"%20: f32[N, M] = broadcast(%1) axes=[]", "one result axis"},
      {"%20: f32[N, M] = broadcast(%1) axes=[2]", "ascend"},
      {"%20: f32[N*M] = reshape(%0)", ""},
      {"%20: f32[M, N] = reshape(%0)", ""},
      {"%20: f32[2, N//2] = reshape(%8)", ""},  // left to a check
      {"%20: f32[N + 1] = reshape(%8)", "number of elements"},
      {"%20: f32[M, N] = transpose(%0) axes=[1, 0]", ""},
      {"%20: f32[N, M] = transpose(%0) axes=[0, 0]", "permutation"},
      {"%20: f32[N] = transpose(%0) axes=[0]", "permutation"},
      {"%20: f32[N, M] = transpose(%0) axes=[0, 2]", "permutation"},
      {"%20: f32[N] = stop_gradient(%8)", ""},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, PartsOfTensors) {
  const Case cases[] = {
      {"%20: f32[3, M] = slice(%0, %2, %2) strides=[1, 2]", ""},
      {"%20: f32[3] = slice(%0, %2, %2) strides=[1]", "one size and stride"},
      {"%20: f32[3, M] = slice(%0, %2) strides=[1, 1]", "one start per axis"},
      {"%20: f32[3, M] = slice(%0, %2, %2) strides=[1, 0]", "at least 1"},
      {"%20: f32[3, M] = slice(%0, %2, %5) strides=[1, 1]", "i64"},
      {"%20: f32[M] = update(%1, %1, %2) strides=[1]", ""},
      {"%20: f32[M] = update(%1, %8, %2) strides=[1]", ""},
      {"%20: i32[N] = update(%4, %8, %2) strides=[1]", "dtypes differ"},
      {"%20: f32[N + M] = concat(%1, %8) axis=0", ""},
      {"%20: f32[N, 2*M] = concat(%0, %0) axis=1", ""},
      {"%20: f32[N, M] = concat(%0) axis=1", ""},
      {"%20: f32[2*N, M] = concat(%0, %1) axis=0", "ranks differ"},
      {"%20: f32[2*N, M] = concat(%0, %0) axis=2", "no such axis"},
      {"%20: f32[2*N] = concat(%8, %4) axis=0", "dtypes differ"},
      {"%19: f32[M, N] = transpose(%0) axes=[1, 0]\n%20: f32[N + M, M] = concat(%0, %19) axis=0",
       "sizes of other axes"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, Reductions) {
  const Case cases[] = {
      {"%20: f32[N] = reduce(%0) sum axes=[1]", ""},
      {"%20: f32 = reduce(%0) max axes=[0, 1]", ""},
      {"%20: bool = reduce(%6) any axes=[0]", ""},
      {"%20: f32[N] = reduce(%0) any axes=[1]", "suit"},
      {"%20: bool = reduce(%6) sum axes=[0]", "suit"},
      {"%20: f32[N, M] = reduce(%0) sum axes=[]", "ascend"},
      {"%20: f32 = reduce(%0) sum axes=[1, 0]", "ascend"},
      {"%20: f32 = reduce(%0) sum axes=[0, 2]", "ascend"},
      {"%20: i64[M] = arg_reduce(%0) max axis=0", ""},
      {"%20: f32[M] = arg_reduce(%0) max axis=0", "another type"},
      {"%20: i64[M] = arg_reduce(%0) sum axis=0", "max or min"},
      {"%20: i64 = arg_reduce(%6) max axis=0", "no number"},
      {"%20: f32[N, M] = scan(%0) sum axis=0 reverse", ""},
      {"%20: bool[N] = scan(%6) all axis=0", ""},
      {"%20: f32[N, M] = scan(%0) sum axis=2", "no such axis"},
      {"%20: f32[N, M] = scan(%0) all axis=1", "suit"},
      {"%20: f32[N, M], %21: i64[N, M] = sort(%0) axis=1", ""},
      {"%20: f32[N, M], %21: i32[N, M] = sort(%0) axis=1", "another type"},
      {"%20: f32, %21: i64 = sort(%5) axis=0", "no such axis"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, Contractions) {
  const Case cases[] = {
      {"%20: f32[N] = contract(%0, %1) range=[N, M] a=[$0, $1] b=[$1] out=[0]", ""},
      {"%20: f32 = contract(%8, %8) range=[N] a=[$0] b=[$0] out=[]", ""},
      {"%20: f32[N, M] = contract(%8, %1) range=[N, M] a=[$0] b=[$1] out=[0, 1]", ""},
      {"%20: f32[N - 2] = contract(%8, %8) range=[N - 2, 3] a=[$0 + $1] b=[2*$1 + (1)] out=[0]",
       ""},
      {"%20: i32 = contract(%4, %4) range=[N] a=[$0] b=[$0] out=[]", ""},
      {"%20: f32[N] = contract(%0, %8) range=[N, M] a=[$0, $1] b=[$1] out=[0]", "not the size"},
      {"%20: f32[N] = contract(%0, %1) range=[N, M] a=[$0] b=[$1] out=[0]", "one index expression"},
      {"%20: f32[N] = contract(%0, %1) range=[N, M] a=[$0, $2] b=[$1] out=[0]", "no such index"},
      {"%20: f32[N] = contract(%0, %1) range=[N, M] a=[$0, $1] b=[$1] out=[0, 0]", "twice in the"},
      {"%20: f32[N] = contract(%0, %1) range=[N, M] a=[$0, $1 + $1] b=[$1] out=[0]",
       "twice in one"},
      {"%20: f32[N] = contract(%0, %1) range=[N, M] a=[$0, 0*$1] b=[$1] out=[0]", "times 0"},
      {"%20: f32[N] = contract(%8, %4) range=[N] a=[$0] b=[$0] out=[0]", "dtypes differ"},
      {"%20: bool[N] = contract(%6, %6) range=[N] a=[$0] b=[$0] out=[0]", "no number"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, MapsAndScatters) {
  const Case cases[] = {
      {"%20: f32[M, N] = map out=[M, N] {\n(%21: i64, %22: i64)\n%23: f32 = read(%0, %22, %21)\n"
       "yield %23\n}",
       ""},
      {"%20: f32[N] = map out=[N] red=[M] prod {\n(%21: i64, %22: i64)\n"
       "%23: f32 = read(%0, %21, %22)\nyield %23\n}",
       ""},
      {"%20: f32[N] = map out=[N] {\nyield %5\n}", "one i64 per index"},
      {"%20: f32[N] = map out=[N] {\n(%21: i64)\nyield %5, %5\n}", "one scalar"},
      {"%20: f32[N] = map out=[N] red=[M] any {\n(%21: i64, %22: i64)\nyield %5\n}", "suit"},
      {"%20: f32[N] = map out=[N] {\n(%21: i64)\n%22: f32 = read(%8)\nyield %22\n}", "one index"},
      {"%20: f32[N] = map out=[N] {\n(%21: i64)\n%22: f32 = read(%8, %5)\nyield %22\n}", "i64"},
      {"%20: f32[M] = scatter(%1) dims=[N] {\n(%21: i64)\n%22: i64 = read(%7, %21)\n"
       "%23: f32 = read(%8, %21)\nyield %22, %23\n}",
       ""},
      {"%20: f32[M] = scatter(%1) dims=[N] {\n(%21: i64)\nyield %5\n}", "a target per axis"},
      {"%20: f32[M] = scatter(%1) dims=[N] {\n(%21: i64)\nyield %5, %5\n}", "target is an i64"},
      {"%20: f32[M] = scatter(%1) dims=[N] {\n(%21: i64)\nyield %21, %10\n}", "another dtype"},
      {"%20: bool[N] = scatter(%6) dims=[N] {\n(%21: i64)\nyield %21, %3\n}", "no number"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, CallsAndDerivatives) {
  const Case cases[] = {
      {"%20: f32[2*N], %21: f64 = call(%8, %2) @0 sizes=[N]", ""},
      {"%20: f32[2*N], %21: f64 = call(%8, %2) @0 sizes=[M]", "another type"},
      {"%20: f32[2*N], %21: f64 = call(%8, %2) @0", "one size per size"},
      {"%20: f32[2*N], %21: f64 = call(%8) @0 sizes=[N]", "arguments are missing"},
      {"%20: f32[2*N], %21: f64 = call(%8, %2, %2) @0 sizes=[N]", "too many"},
      {"%19: f32[2*N] = concat(%8, %8) axis=0\n"
       "%20: f32[2*N], %21: f64, %22: f32[N] = derive(%8, %2, %19) vjp @0 sizes=[N] wrt=[0] "
       "seeds=[0]",
       ""},
      {"%20: f32[2*N], %21: f64, %22: f32[2*N] = derive(%8, %2, %8) jvp @0 sizes=[N] wrt=[0] "
       "seeds=[0]",
       ""},
      {"%20: f32[2*N], %21: f64 = derive(%8, %2, %8) vjp @0 sizes=[N] wrt=[1] seeds=[0]",
       "no float"},
      {"%20: f32[2*N], %21: f64 = derive(%8, %2, %8) vjp @0 sizes=[N] wrt=[0] seeds=[2]",
       "no float"},
      {"%20: f32[2*N], %21: f64, %22: f32[N] = derive(%8, %2, %8) vjp @0 sizes=[N] wrt=[0] "
       "seeds=[0]",
       "another type"},
      {"%20: f32[2*N], %21: f64, %22: f32[N] = derive(%8, %2) vjp @0 sizes=[N] wrt=[0] seeds=[0]",
       "one seed each"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, Control) {
  const Case cases[] = {
      {"%20: f32 = if(%3) {\nyield %5\n} {\nyield %5\n}", ""},
      {"%20: f32 = if(%3) {\nyield %5\n} {\nyield %10\n}", "different types"},
      {"%20: f32 = if(%2) {\nyield %5\n} {\nyield %5\n}", "no bool"},
      {"%20: f32 = if(%3) {\n(%21: i64)\nyield %5\n} {\nyield %5\n}", "has parameters"},
      {"%20: f32 = for(%2, %2, %5) {\n(%21: i64, %22: f32)\nyield %22\n}", ""},
      {"for(%2, %2) {\n(%21: i64)\nyield\n}", ""},
      {"%20: f32 = for(%2, %5, %5) {\n(%21: i64, %22: f32)\nyield %22\n}", "bounds"},
      {"%20: f32 = for(%2, %2, %5) {\n(%21: f32, %22: f32)\nyield %22\n}", "i64 first"},
      {"%20: f32 = for(%2, %2, %5) {\n(%21: i64)\nyield %5\n}", "per carry"},
      {"%20: f32 = for(%2, %2, %5) {\n(%21: i64, %22: f32)\nyield %10\n}", "changes its type"},
      {"%20: f32 = while(%5) {\n(%21: f32)\nyield %3\n} {\n(%22: f32)\nyield %22\n}", ""},
      {"%20: f32 = while(%5) {\n(%21: f32)\nyield %21\n} {\n(%22: f32)\nyield %22\n}", "one bool"},
      {"%20: f32 = while(%5) {\nyield %3\n} {\n(%22: f32)\nyield %22\n}", "per carry"},
      {"%20: f32 = while(%5) {\n(%21: f64)\nyield %3\n} {\n(%22: f32)\nyield %22\n}",
       "other types"},
      {"%20: f32 = while(%5) {\n(%21: f32)\nyield %3\n} {\n(%22: f32)\nyield %10\n}",
       "changes its type"},
      {"check(%3, %0, %2) E0804 \"x\"", ""},
      {"check(%6) E0804 \"everywhere\"", ""},
      {"check(%5) E0804 \"x\"", "no bool"},
      {"check E0804 \"x\"", "no bool"},
      {"debug(%0) \"{}\"", ""},
      {"bind_dim(%2) r?", ""},
      {"bind_dim(%5) r?", "i64"},
      {"%20: tape = tape_new\n%21: tape = push(%20, %0) slot=0\n%22: tape, %23: f32[N, M] = "
       "pop(%21) "
       "slot=0\ntape_end(%22)",
       ""},
      {"%20: tape = push(%0, %0) slot=0", "a tape and a tensor"},
      {"tape_end(%0)", "not a tape"},
      {"%20: f32[N] = host(%0) \"draw\" args=[\"a\"]", ""},
  };
  for (const Case& c : cases) check(c);
}

TEST(Infer, RankIsAtMostEight) {
  check({"%20: f32[1, 1, 1, 1, 1, 1, 1, N] = broadcast(%8) axes=[7]", ""});
  check({"%20: f32[1, 1, 1, 1, 1, 1, 1, 1, N] = broadcast(%8) axes=[8]", "more than 8"});
}

// Every operation must stand a node with nothing right about it.
TEST(Infer, StandsNonsense) {
  Module m;
  auto f = std::make_unique<Function>();
  const DimId n = m.dims.symbol(m.dims.fresh("N", {}, true));
  f->new_value({DType::f32, {n}});
  f->new_value(scalar_type(DType::i64));
  f->new_value(tape_type());
  const Attr attrs[] = {{},
                        ConstantAttr{},
                        IotaAttr{DType::f32, {}, 3},
                        DimAttr{0},
                        ShapeAttr{},
                        BroadcastAttr{{}, {4}},
                        AxesAttr{{9}},
                        SliceAttr{},
                        AxisAttr{7},
                        ReduceAttr{ReduceKind::sum, {5}},
                        ArgReduceAttr{ReduceKind::max, 5},
                        ScanAttr{ReduceKind::sum, 5},
                        ContractAttr{},
                        MapAttr{{n}, {}},
                        ScatterAttr{{n}},
                        ConvertAttr{DType::f32},
                        CallAttr{77, {}, {}},
                        DeriveAttr{DeriveAttr::vjp, 77, {}, {3}, {3}},
                        SlotAttr{-1, {}},
                        BindAttr{99},
                        CheckAttr{},
                        TextAttr{},
                        HostAttr{}};
  int refused = 0;
  for (int op = 0; op < kOpCount; ++op)
    for (const Attr& attr : attrs)
      for (int operands = 0; operands < 27; ++operands)
        for (int regions = 0; regions < 3; ++regions) {
          Node node{Op(op), {}, {}, attr, {}, {}};
          for (int k = operands; k > 0; k /= 3) node.operands.push_back(Value(k % 3));
          for (int k = 0; k < regions; ++k) node.regions.push_back({{1}, {}, {Value(100)}});
          refused += !infer(m, *f, node).error.empty();
        }
  EXPECT_GT(refused, 100000);
}

}  // namespace
}  // namespace tenon::ir
