// Host functions on their own, and programs run through a session.
// rooms: session frontend io interp kernels runtime ir support
#include <gtest/gtest.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "session/host.h"
#include "session/session.h"
#include "tests/unit/temp_folder.h"

namespace tenon {
namespace {

struct HostTest : ::testing::Test {
  SourceMap sources;
  std::string printed;
  SessionHost host{sources, [this](std::string_view text) { printed += text; }, false};
  TempFolder folder;

  std::vector<Tensor> call(const std::string& name, std::vector<std::string> args, std::vector<Tensor> operands,
                           std::vector<DType> results = {}, Loc where = {}) {
    ir::HostAttr attr{name, std::move(args), {}, {}};
    for (DType t : results) attr.results.push_back(ir::scalar_type(t));
    return host.host(attr, std::move(operands), where);
  }
  Diagnostic error(const std::string& name, std::vector<std::string> args, std::vector<Tensor> operands,
                   std::vector<DType> results = {}, Loc where = {}) {
    try {
      call(name, std::move(args), std::move(operands), std::move(results), where);
    } catch (const UserError& e) {
      return e.diagnostic;
    }
    ADD_FAILURE() << name << " did not fail";
    return {};
  }
};

Tensor f32(std::vector<float> v) {
  Tensor t(DType::f32, {static_cast<int64_t>(v.size())});
  std::copy(v.begin(), v.end(), t.data<float>());
  return t;
}

TEST_F(HostTest, TheTableIsSortedAndWhole) {
  for (size_t i = 1; i < host_functions().size(); ++i)
    EXPECT_LT(host_functions()[i - 1].name, host_functions()[i].name);
}

TEST_F(HostTest, Prints) {
  call("print", {"loss {:.2f} of {{n}} {}"}, {Tensor::scalar(DType::f64, 0.125), f32({1, 2})});
  EXPECT_EQ(printed, "loss 0.12 of {n} [1. 2.]\n");
}

TEST_F(HostTest, KeepsBackWhatIsPrinted) {
  std::string kept;
  host.keep_in(&kept);
  call("print", {"a"}, {});
  host.keep_in(nullptr);
  call("print", {"b"}, {});
  EXPECT_EQ(kept, "a\n");
  EXPECT_EQ(printed, "b\n");
}

TEST_F(HostTest, ReadsCsvBesideTheProgram) {
  io::write_file(folder / "d.csv", "a,b,y\n1,2,0\n3,4,1\n", {});
  const FileId program = sources.add(folder / "p.model", "csv");
  auto both = call("csv", {"d.csv", "label", "y"}, {}, {DType::f64, DType::i64}, {program, 0, 3});
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].dtype, DType::f64);
  EXPECT_TRUE(both[0].shape == Extents({2, 2}));
  EXPECT_EQ(both[1].data<int64_t>()[1], 1);
  auto one = call("csv", {"d.csv"}, {}, {DType::f32}, {program, 0, 3});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(one[0].shape == Extents({2, 3}));
  const Diagnostic d = error("csv", {"none.csv"}, {}, {DType::f32}, {program, 0, 3});
  EXPECT_EQ(d.code, Code::E0901);
  EXPECT_EQ(d.fault, Fault::data);
}

TEST_F(HostTest, SavesAndLoads) {
  const std::string path = folder / "m.safetensors";
  call("save", {path, "w", "b"}, {f32({1, 2}), f32({3})});
  auto back = call("load", {path, "b", "w"}, {f32({0}), f32({0, 0})}, {DType::f32, DType::f32});
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].data<float>()[0], 3);
  EXPECT_EQ(back[1].data<float>()[1], 2);
}

TEST_F(HostTest, ListsAllThatDoesNotFit) {
  const std::string path = folder / "m.safetensors";
  call("save", {path, "w", "old"}, {f32({1, 2}), f32({3})});
  const Diagnostic d = error("load", {path, "w", "new"}, {f32({0, 0, 0}), f32({0})}, {DType::f32, DType::f32});
  EXPECT_EQ(d.code, Code::E0904);
  ASSERT_EQ(d.notes.size(), 3u);
  EXPECT_EQ(d.notes[0].text, "w is f32[2] in the file and f32[3] here");
  EXPECT_EQ(d.notes[1].text, "missing in the file: new, which is f32[1]");
  EXPECT_EQ(d.notes[2].text, "only in the file: old, which is f32[1]");
}

TEST_F(HostTest, KeepsTheHistoryOfTraining) {
  auto i = [](int64_t v) { return Tensor::scalar(DType::i64, v); };
  call("train_begin", {}, {i(100), i(10), i(3), i(30), i(0)});
  int64_t before = call("train_pace", {}, {})[0].as_int();
  EXPECT_EQ(before, 1);  // a first look early, then less and less often
  EXPECT_EQ(call("train_pace", {}, {})[0].as_int(), 4);
  for (int64_t e = 0; e < 3; ++e)
    call("train_epoch", {"loss"}, {i(e), i(10 * (e + 1)), Tensor::scalar(DType::f64, 1.0 / static_cast<double>(e + 1))});
  const Tensor net = f32({1, 2, 3});
  call("train_end", {}, {net});
  ASSERT_EQ(host.history().size(), 3u);
  EXPECT_EQ(host.history()[2].step, 30);
  EXPECT_EQ(host.history()[1].values[0], (std::pair<std::string, double>("loss", 0.5)));
  EXPECT_EQ(printed, "");
  // By the numbers of the model that came out.
  const std::vector<Tensor> rows = call("history", {"loss"}, {net});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].data<int64_t>()[2], 3);
  EXPECT_EQ(rows[1].data<int64_t>()[0], 10);
  EXPECT_EQ(rows[2].data<double>()[1], 0.5);
  EXPECT_EQ(error("history", {"loss"}, {f32({1, 2, 4})}).code, Code::E0602);
}

// ---------------------------------------------------------------- programs

struct SessionTest : ::testing::TestWithParam<Mode> {
  std::string printed;
  Session session{[this] {
    SessionOptions o;
    o.mode = GetParam();
    o.threads = 2;
    o.output = [this](std::string_view text) { printed += text; };
    return o;
  }()};
  TempFolder folder;

  std::string run(std::string_view text, bool echo = true) {
    printed.clear();
    std::string out;
    for (const Diagnostic& d : session.run_text("input", text, echo).diagnostics) out += render(d, session.sources());
    return printed + out;
  }
  std::string file(const std::string& text) {
    const std::string path = folder / "p.model";
    io::write_file(path, text, {});
    return path;
  }
};

TEST_P(SessionTest, EvaluatesAndKeeps) {
  EXPECT_EQ(run("1 + 1"), "2\n");
  EXPECT_EQ(run("let x = [1.0, 2.0]"), "");
  EXPECT_EQ(run("x * 2"), "[2. 4.]\n");
  EXPECT_EQ(run("fn f(a: f32[N]) = sum(a)"), "");
  EXPECT_EQ(run("f(x)"), "3.0\n");
  EXPECT_EQ(run("var n = 3"), "");
  EXPECT_EQ(run("n = n + 4"), "");
  EXPECT_EQ(run("zeros(n)"), "[0. 0. 0. 0. 0. 0. 0.]\n");
}

TEST_P(SessionTest, SurvivesErrors) {
  EXPECT_EQ(run("let x = 5"), "");
  EXPECT_NE(run("y + 1").find("error[E0201]"), std::string::npos);
  EXPECT_NE(run("let z = [1, 2][x]").find("error[E08"), std::string::npos);
  EXPECT_NE(run("z").find("error[E0201]"), std::string::npos);  // nothing is kept of what failed
  EXPECT_EQ(run("x"), "5\n");
}

TEST_P(SessionTest, AsksForMore) {
  EXPECT_TRUE(session.run_text("input", "let a = (\n", true).incomplete);
  EXPECT_FALSE(session.run_text("input", "let a = )\n", true).incomplete);
}

TEST_P(SessionTest, EffectsKeepTheirOrder) {
  EXPECT_EQ(run("var x = [1.0, 2.0]\nfor i in 0..3 {\n  x = x * 2\n  print(i, sum(x))\n}\nprint(x)", false),
            "0 6.0\n1 12.0\n2 24.0\n[ 8. 16.]\n");
}

TEST_P(SessionTest, TestsAreCounted) {
  const std::string path = file(
      "print(\"top\")\nlet a = 2\ntest \"good\" { assert a == 2 }\n"
      "test \"bad\" {\n  print(\"inside\")\n  assert a == 3\n}\ntest \"good too\" { assert a < 3 }\n");
  Diagnostics list = session.test_file(path, "");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].code, Code::E0804);
  EXPECT_EQ(exit_code(list[0]), 1);
  EXPECT_NE(printed.find("ok      good  ("), std::string::npos) << printed;
  EXPECT_NE(printed.find("top\ninside\nFAILED  bad  ("), std::string::npos) << printed;
  EXPECT_NE(printed.find("2 passed, 1 failed\n"), std::string::npos) << printed;
}

TEST_P(SessionTest, TestsThatPassSayNothingElse) {
  EXPECT_TRUE(session.test_file(file("print(\"top\")\ntest \"good\" { print(1) }\n"), "").empty());
  EXPECT_EQ(printed.find("top"), std::string::npos);
  EXPECT_NE(printed.find("1 passed, 0 failed\n"), std::string::npos);
}

TEST_P(SessionTest, CallsAreMadeOncePerType) {
  ASSERT_EQ(run("fn twice(x: f32[N]) -> f32[N] = x * 2\nlet k = [1.0, 2.0]\nfn shift(x: f32[2]) = x + k"), "");
  auto a = session.call("twice", {f32({1, 2})});
  auto b = session.call("twice", {f32({1, 2, 3})});
  ASSERT_EQ(a.results.size(), 1u);
  ASSERT_EQ(b.results.size(), 1u);
  EXPECT_EQ(b.results[0].value.data<float>()[2], 6);
  EXPECT_EQ(session.call("shift", {f32({1, 1})}).results.at(0).value.data<float>()[1], 3);
  EXPECT_EQ(session.call("shift", {f32({1, 1, 1})}).diagnostics.at(0).code, Code::E0803);
  EXPECT_FALSE(session.call("none", {}).diagnostics.empty());
}

TEST_P(SessionTest, AnInterruptEndsALoop) {
  session.interrupt();  // before a run it is forgotten
  EXPECT_EQ(run("1"), "1\n");
}

TEST_P(SessionTest, SeedsAreReproducible) {
  const std::string first = run("print(draw(normal(0, 1), 3))", false);
  Session other([this] {
    SessionOptions o;
    o.mode = GetParam();
    o.output = [this](std::string_view text) { printed += text; };
    return o;
  }());
  printed.clear();
  other.run_text("input", "print(draw(normal(0, 1), 3))", false);
  EXPECT_EQ(printed, first);
  EXPECT_NE(run("print(draw(normal(0, 1), 3))", false), first);  // another statement, other numbers
}

INSTANTIATE_TEST_SUITE_P(Modes, SessionTest, ::testing::Values(Mode::eager, Mode::graph),
                         [](const auto& info) { return info.param == Mode::eager ? "eager" : "graph"; });

}  // namespace
}  // namespace tenon
