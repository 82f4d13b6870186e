// The public C++ interface: what tenon/tenon.h promises.
// rooms: embed
#include <gtest/gtest.h>

#include <thread>

#include "embed/include/tenon/tenon.h"

namespace tenon::embed {
namespace {

Options quiet(Options::Mode mode = Options::graph) {
  Options o;
  o.mode = mode;
  o.threads = 2;
  o.output = [](std::string_view) {};
  return o;
}

TEST(Embed, CallsOnTheHostsMemory) {
  Session s(quiet());
  ASSERT_FALSE(s.load_text("fn f(x: f32[N, M]) -> f32[M, N] = transpose(x) * 2"));
  const std::vector<float> x = {1, 2, 3, 4, 5, 6}, before = x;
  auto r = s.call("f", {{x.data(), {2, 3}}});
  ASSERT_TRUE(r.ok()) << r.error().text;
  const Output& o = r.value().at(0);
  EXPECT_EQ(o.dtype(), DType::f32);
  EXPECT_EQ(o.shape(), (std::vector<int64_t>{3, 2}));
  const auto got = o.as<float>();
  EXPECT_EQ(std::vector<float>(got.begin(), got.end()), (std::vector<float>{2, 8, 4, 10, 6, 12}));
  EXPECT_EQ(x, before);
}

TEST(Embed, ResultsNeverShareTheHostsMemory) {
  Session s(quiet(Options::eager));
  ASSERT_FALSE(s.load_text("fn same(x) = x\nfn turned(x) = transpose(x)"));
  std::vector<double> x = {1, 2, 3, 4};
  auto a = s.call("same", {{x.data(), {2, 2}}});
  auto b = s.call("turned", {{x.data(), {2, 2}}});
  ASSERT_TRUE(a && b);
  x.assign(4, 0);
  EXPECT_EQ(a.value()[0].as<double>()[3], 4);
  EXPECT_EQ(b.value()[0].as<double>()[1], 3);
}

TEST(Embed, OutputsOutliveTheSession) {
  std::vector<Output> kept;
  {
    Session s(quiet());
    ASSERT_FALSE(s.load_text("let w = [1.0, 2.0]\nfn g() = {w: w, n: len(w) + argmax(w)}"));
    auto r = s.call("g", {});
    ASSERT_TRUE(r.ok()) << r.error().text;
    kept = r.value();
  }
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].name(), "w");
  EXPECT_EQ(kept[0].as<float>()[1], 2);
  EXPECT_EQ(kept[1].number<int64_t>(), 3);
}

TEST(Embed, ScalarsAndEmptyTensors) {
  Session s(quiet());
  ASSERT_FALSE(s.load_text("fn f(x: f32[N], a: f32) = sum(x) * a"));
  const float a = 3, one = 5;
  EXPECT_EQ(s.call("f", {{&one, {1}}, {&a, {}}}).value()[0].number<float>(), 15);
  EXPECT_EQ(s.call("f", {{static_cast<const float*>(nullptr), {0}}, {&a, {}}}).value()[0].number<float>(), 0);
}

TEST(Embed, NumbersThatAreKnownAreResultsToo) {
  Session s(quiet());
  ASSERT_FALSE(s.load_text("fn g() = {n: 3, x: 0.5, t: [1.0], s: true}"));
  auto r = s.call("g", {});
  ASSERT_TRUE(r.ok()) << r.error().text;
  ASSERT_EQ(r.value().size(), 4u);
  EXPECT_EQ(r.value()[0].number<int64_t>(), 3);
  EXPECT_EQ(r.value()[1].number<double>(), 0.5);
}

TEST(Embed, ErrorsAreValues) {
  Session s(quiet());
  auto syntax = s.load_text("let x = (", "broken");
  ASSERT_TRUE(syntax);
  EXPECT_EQ(syntax->file, "broken");
  EXPECT_EQ(syntax->line, 1u);
  EXPECT_NE(syntax->text.find("error[E01"), std::string::npos);
  auto absent = s.load("/nowhere/none.model");
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->code, "E0901");
  ASSERT_FALSE(s.load_text("fn f(x: f32[3]) = x\nfn pick(x: f32[N], i: i64) = x[i]", "fine"));
  const std::vector<float> x(4);
  EXPECT_EQ(s.call("f", {{x.data(), {4}}}).error().code, "E0803");
  EXPECT_FALSE(s.call("f", {{x.data(), {1, 1, 1, 1, 1, 1, 1, 1, 1}}}).ok());
  EXPECT_FALSE(s.call("f", {{x.data(), {-1}}}).ok());
  EXPECT_FALSE(s.call("f", {}).ok());
  const int64_t i = 9;
  auto range = s.call("pick", {{x.data(), {4}}, {&i, {}}});
  ASSERT_FALSE(range.ok());
  EXPECT_EQ(range.error().code, "E0802");
  EXPECT_FALSE(range.error().in_program);
  EXPECT_EQ(range.error().file, "fine");
  EXPECT_EQ(range.error().line, 2u);
  EXPECT_TRUE(s.call("f", {{x.data(), {3}}}).ok());  // good for more
}

TEST(Embed, AFailedLoadLeavesNothing) {
  Session s(quiet());
  ASSERT_TRUE(s.load_text("let a = 1\nassert a == 2\nfn f() = a"));
  EXPECT_EQ(s.call("f", {}).error().code, "E0201");
}

TEST(Embed, TwoSessionsOnTwoThreads) {
  auto work = [](Options::Mode mode, float* out) {
    Session s(quiet(mode));
    if (s.load_text("fn f(x: f32[N]) -> f32 {\n  var y = 0.0\n  for i in 0..20 { y = y + sum(tanh(x * i)) }\n  y\n}")) return;
    std::vector<float> x(1000);
    for (size_t i = 0; i < x.size(); ++i) x[i] = 0.001f * static_cast<float>(i);
    for (int k = 0; k < 20; ++k) *out = s.call("f", {{x.data(), {1000}}}).value()[0].number<float>();
  };
  float a = -1, b = -2, c = -3;
  std::thread one(work, Options::graph, &a), two(work, Options::graph, &b), three(work, Options::eager, &c);
  one.join();
  two.join();
  three.join();
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, c);  // law 1
  EXPECT_GT(a, 0);
}

TEST(EmbedDeath, MisuseEndsTheProcess) {
  Session s(quiet());
  ASSERT_FALSE(s.load_text("let w = [1.0, 2.0]\nfn f() = sum(w)"));
  auto r = s.call("f", {});
  ASSERT_TRUE(r.ok() && r.value().size() == 1);
  EXPECT_DEATH((void)r.value()[0].as<double>(), "another dtype");
  EXPECT_DEATH((void)r.error(), "does not hold");
}

}  // namespace
}  // namespace tenon::embed
