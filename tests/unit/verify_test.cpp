// rooms: support ir
// The verifier finds each kind of mistake that a pass could make, and says what it is.

#include "ir/verify.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/text.h"

namespace tenon::ir {
namespace {

std::string verdict(const std::string& text) {
  std::string error;
  const auto m = parse_text(text, error);
  if (!m) return "does not parse: " + error;
  for (const auto& f : m->functions)
    if (error = verify(*m, *f); !error.empty()) return error;
  return "";
}

void expect(const std::string& text, const std::string& part) {
  const std::string got = verdict(text);
  if (part.empty())
    EXPECT_EQ(got, "") << text;
  else
    EXPECT_NE(got.find(part), std::string::npos) << text << "\n  said: '" << got << "'";
}

std::string fn(const std::string& params, const std::string& lines, const std::string& result = "",
               const std::string& flags = "") {
  return "fn @0 f[N](" + params + ") " + flags + " {\n" + lines + "\nreturn " + result + "\n}\n";
}

TEST(Verify, Scopes) {
  expect(fn("%0: f32, %1: bool",
            "%2: f32 = if(%1) {\n%3: f32 = neg(%0)\nyield %3\n} {\nyield %0\n}", "%2"),
         "");
  expect(fn("%0: f32, %1: bool",
            "%2: f32 = if(%1) {\n%3: f32 = neg(%0)\nyield %3\n} {\nyield %3\n}", "%2"),
         "outside its region");
  expect(fn("%0: f32, %1: bool",
            "%2: f32 = if(%1) {\n%3: f32 = neg(%0)\nyield %3\n} {\nyield %0\n}", "%3"),
         "outside its region");
  expect(fn("%0: f32, %1: i64",
            "%2: f32 = for(%1, %1, %0) {\n(%3: i64, %4: f32)\n"
            "%5: f32 = mul(%4, %0)\nyield %5\n}\n%6: i64 = neg(%3)",
            "%2"),
         "outside its region");
}

TEST(Verify, ValuesOutOfOrder) {
  Module m;
  auto f = std::make_unique<Function>();
  const Value a = f->new_value(scalar_type(DType::f32)), b = f->new_value(scalar_type(DType::f32)),
              c = f->new_value(scalar_type(DType::f32));
  f->body.params = {a};
  f->params.resize(1);
  f->body.nodes.push_back({Op::neg, {c}, {b}, {}, {}, {}});
  f->body.nodes.push_back({Op::neg, {a}, {c}, {}, {}, {}});
  EXPECT_NE(verify(m, *f).find("before it is defined"), std::string::npos) << verify(m, *f);
  f->body.nodes = {{Op::neg, {a}, {b}, {}, {}, {}}, {Op::neg, {a}, {b}, {}, {}, {}}};
  EXPECT_NE(verify(m, *f).find("defined twice"), std::string::npos) << verify(m, *f);
  f->body.nodes = {{Op::neg, {a}, {a}, {}, {}, {}}};
  EXPECT_NE(verify(m, *f).find("defined twice"), std::string::npos) << verify(m, *f);
  f->body.nodes = {{Op::neg, {77}, {b}, {}, {}, {}}};
  EXPECT_NE(verify(m, *f).find("does not exist"), std::string::npos) << verify(m, *f);
  f->body.nodes = {{Op::neg, {a}, {77}, {}, {}, {}}};
  EXPECT_NE(verify(m, *f), "");
  f->body.nodes = {};
  f->body.results = {b};
  f->results.resize(1);
  EXPECT_NE(verify(m, *f).find("before it is defined"), std::string::npos) << verify(m, *f);
  f->body.results = {a};
  EXPECT_EQ(verify(m, *f), "");
}

TEST(Verify, Leaves) {
  Module m;
  auto f = std::make_unique<Function>();
  f->body.params = {f->new_value(scalar_type(DType::f32))};
  EXPECT_NE(verify(m, *f).find("leaf per parameter"), std::string::npos);
  f->params.resize(1);
  f->body.results = {0};
  EXPECT_NE(verify(m, *f).find("leaf per result"), std::string::npos);
  f->results.resize(1);
  EXPECT_EQ(verify(m, *f), "");
}

TEST(Verify, Sizes) {
  expect(fn("%0: f32[N]", "", "%0"), "");
  expect(fn("%0: f32[M]", "", "%0"), "size M is not bound");
  expect(fn("%0: f32", "%1: i64 = size K + N", ""), "size K is not bound");
  expect(fn("%0: f32, %1: i64", "bind_dim(%1) k?\n%2: f32[k?] = broadcast(%0) axes=[]", "%2"), "");
  expect(fn("%0: f32, %1: i64", "%2: f32[k?] = broadcast(%0) axes=[]\nbind_dim(%1) k?", "%2"),
         "size k is not bound");
  expect(fn("%0: f32, %1: i64", "bind_dim(%1) k?\nbind_dim(%1) k?"), "bound twice");
  expect(fn("%0: f32, %1: i64", "bind_dim(%1) N"), "bound twice");
  // Bound in a region, unknown after it; another region may bind it again.
  const std::string inside =
      "for(%1, %1) {\n(%3: i64)\nbind_dim(%3) k?\n%4: i64 = size k?\nyield\n}\n";
  const std::string again =
      "for(%1, %1) {\n(%5: i64)\nbind_dim(%5) k?\n%6: i64 = size k?\nyield\n}\n";
  expect(fn("%0: f32, %1: i64", inside + again), "");
  expect(fn("%0: f32, %1: i64", inside + "%7: i64 = size k?"), "size k is not bound");
  // A branch cannot give a tensor whose size only it knows.
  expect(
      fn("%0: f32, %1: i64, %2: bool",
         "%3: f32[k?] = if(%2) {\nbind_dim(%1) k?\n%4: f32[k?] = broadcast(%0) axes=[]\nyield %4\n"
         "} {\nbind_dim(%1) k?\n%5: f32[k?] = broadcast(%0) axes=[]\nyield %5\n}"),
      "size k is not bound");
}

const char kZeros[] =
    "fn @1 zeros[](%0: i64) {\nbind_dim(%0) k?\n%1: f32 = constant 0.0\n"
    "%2: f32[k?] = broadcast(%1) axes=[]\nreturn %2\n}\n";

TEST(Verify, SizesOfResults) {
  expect(
      fn("%0: i64", "%1: f32[r?] = call(%0) @1 fresh=[k?: r?]\n%2: i64 = size r?", "%1") + kZeros,
      "");
  expect(fn("%0: i64", "%1: f32[k?] = call(%0) @1", "%1") + kZeros, "no name here");
  expect(fn("%0: i64",
            "%1: f32[r?] = call(%0) @1 fresh=[k?: r?]\n%2: f32[r?] = call(%0) @1 "
            "fresh=[k?: r?]") +
             kZeros,
         "bound twice");
  expect(fn("%0: i64", "%1: f32[N] = call(%0) @1 fresh=[k?: N]") + kZeros, "bound twice");
}

TEST(Verify, Points) {
  const std::string head = "%2: f32[N] = map out=[N] {\n(%3: i64)\n", tail = "\nyield %4\n}";
  auto body = [&](const std::string& lines) {
    return fn("%0: f32[N], %1: f32", head + lines + tail, "%2");
  };
  expect(body("%4: f32 = read(%0, %3)"), "");
  expect(
      body("%5: i64 = size N\n%6: bool = lt(%3, %5)\n%4: f32 = if(%6) {\n%7: f32 = read(%0, %3)\n"
           "yield %7\n} {\nyield %1\n}"),
      "");
  expect(body("%5: f32[N] = exp(%0)\n%4: f32 = read(%5, %3)"), "only scalars");
  expect(body("%4: f32 = reduce(%0) sum axes=[0]"), "not allowed inside");
  expect(body("%4: f32 = for(%3, %3, %1) {\n(%8: i64, %9: f32)\nyield %9\n}"),
         "not allowed inside");
  expect(body("%5: bool = eq(%3, %3)\ncheck(%5) E0804 \"x\"\n%4: f32 = exp(%1)"),
         "not allowed inside");
  expect(body("%5: f32[2] = constant [1.0, 2.0]\n%4: f32 = exp(%1)"), "only scalars");
  expect(fn("%0: f32[N], %1: i64", "%2: f32 = read(%0, %1)"), "only map and scatter read");
}

TEST(Verify, Tapes) {
  const std::string make = "%3: tape = tape_new\n%4: tape = push(%3, %0) slot=0\n";
  const std::string params = "%0: f32, %1: bool, %2: i64";
  expect(fn(params, make + "%5: tape, %6: f32 = pop(%4) slot=0\ntape_end(%5)", "%6"), "");
  expect(fn(params, make + "%5: tape, %6: f32 = pop(%4) slot=0"), "never used");
  expect(fn(params, make + "tape_end(%4)\ntape_end(%4)"), "used twice");
  expect(fn(params, make + "tape_end(%3)\ntape_end(%4)"), "used twice");
  expect(fn(params, make + "for(%2, %2) {\n(%7: i64)\ntape_end(%4)\nyield\n}"), "inside a loop");
  expect(fn(params, make + "if(%1) {\ntape_end(%4)\nyield\n} {\nyield\n}"), "different tapes");
  expect(fn(params, make + "if(%1) {\ntape_end(%4)\nyield\n} {\ntape_end(%4)\nyield\n}"), "");
  expect(
      fn(params, make + "if(%1) {\ntape_end(%4)\nyield\n} {\ntape_end(%4)\nyield\n}\ntape_end(%4)"),
      "used twice");
  expect(fn(params, make + "%5: tape = for(%2, %2, %4) {\n(%7: i64, %8: tape)\n"
                           "%9: tape = push(%8, %0) slot=1\nyield %9\n}\ntape_end(%5)"),
         "");
  expect(fn(params, make + "%5: tape = for(%2, %2, %4) {\n(%7: i64, %8: tape)\n"
                           "%9: tape = push(%8, %0) slot=1\nyield %8\n}\ntape_end(%5)"),
         "used twice");
  expect(fn(params,
            make + "%5: tape = while(%4) {\n(%8: tape)\nyield %1\n} {\n(%9: tape)\nyield %9\n}\n"
                   "tape_end(%5)"),
         "");
  expect(fn(params, make + "%5: tape = while(%4) {\n(%8: tape)\nyield %1\n} {\n(%9: tape)\n"
                           "%10: tape = tape_new\nyield %10\n}\ntape_end(%5)"),
         "never used");
  expect(fn("%0: tape", "", "%0"), "");
  expect(fn("%0: tape", ""), "never used");
  expect(fn("%0: tape", "", "%0, %0"), "used twice");
}

TEST(Verify, Effects) {
  expect(fn("%0: f32", "host(%0) \"print\"", "", "effect"), "");
  expect(fn("%0: f32", "host(%0) \"print\""), "effect in a pure function");
  const std::string called = "fn @1 g[]() effect {\nhost \"print\"\nreturn\n}\n";
  expect(fn("%0: f32", "call @1", "", "effect") + called, "");
  expect(fn("%0: f32", "call @1") + called, "calls one with effects");
  expect(
      "fn @0 f[](%0: f32) effect {\nreturn %0\n}\nfn @1 g[](%0: f32) effect {\n"
      "%1: f32, %2: f32 = derive(%0, %0) vjp @0 wrt=[0] seeds=[0]\nreturn\n}\n",
      "an effect has no derivative");
}

TEST(Verify, BoolsAreZeroOrOne) {
  Module m;
  auto f = std::make_unique<Function>();
  Builder b(m, *f);
  b.constant({DType::boolean, {2}, std::string("\1\2", 2)});
  EXPECT_NE(verify(m, *f).find("a bool is 0 or 1"), std::string::npos);
}

TEST(VerifyDeathTest, NamesTheGuiltyPass) {
  Module m;
  Function f;
  f.name = "forward";
  f.body.results = {7};
  EXPECT_DEATH(verify_after("simplify", m, f), "after simplify: fn forward: ");
}

}  // namespace
}  // namespace tenon::ir
