// Cutting pure spans out of functions with effects: what runs is the same, the spans are functions.
// rooms: session interp kernels runtime ir support
#include "session/span.h"
#include "tests/unit/interp_program.h"

namespace tenon::test {
namespace {

// A host that prints what it is given and hands out tensors.
struct Recorder : Host {
  std::vector<Tensor> host(const ir::HostAttr& call, std::vector<Tensor> operands, Loc) override {
    log += call.name;
    for (const Tensor& t : operands)
      log += " " + std::to_string(t.packed().data<float>()[0]) + "x" + std::to_string(t.count());
    log += ";";
    std::vector<Tensor> out;
    for (size_t i = 0; i < call.results.size(); ++i) out.push_back(tensor<float>({3}, {1, 2, 3}));
    return out;
  }
  void debug(std::string_view, std::span<const Tensor>) override {}
  std::string log;
};

struct Cut {
  explicit Cut(std::string_view text) {
    std::string error;
    module = ir::parse_text(text, error);
    if (!module) ADD_FAILURE() << error;
  }
  std::pair<std::string, std::vector<Tensor>> run(ir::FnId fn, std::vector<Tensor> args, std::vector<int64_t> sizes) {
    Interpreter interpreter(*module);
    Recorder host;
    Threads threads(1);
    std::atomic<bool> interrupted{false};
    RunContext context{threads, host, interrupted};
    auto results = interpreter.run(fn, sizes, std::move(args), context);
    return {host.log, results};
  }
  int spans_called(const ir::Region& r) const {
    int n = 0;
    for (const ir::Node& node : r.nodes) {
      n += node.op == ir::Op::call && module->fn(node.get<ir::CallAttr>().fn).name.ends_with(".span");
      for (const ir::Region& inner : node.regions) n += spans_called(inner);
    }
    return n;
  }
  std::unique_ptr<ir::Module> module;
};

void same(Cut& c, const std::vector<Tensor>& args, const std::vector<int64_t>& sizes, int spans) {
  const ir::FnId cut = SpanCutter(*c.module).cut(0);
  EXPECT_EQ(c.spans_called(c.module->fn(cut).body), spans) << ir::print(*c.module, c.module->fn(cut));
  auto before = c.run(0, args, sizes), after = c.run(cut, args, sizes);
  EXPECT_EQ(before.first, after.first);
  ASSERT_EQ(before.second.size(), after.second.size());
  for (size_t i = 0; i < before.second.size(); ++i) EXPECT_TRUE(same_bits(before.second[i], after.second[i]));
}

TEST(Span, RunsBetweenEffects) {
  Cut c(R"(
fn @0 main[N](%0: f32[N] data "x") effect {
  %1: f32[N] = add(%0, %0)
  %2: f32[N] = mul(%1, %0)
  host(%2) "print" args=["a"]
  %3: f32[N] = mul(%2, %1)
  host(%3) "print" args=["b"]
  return %3
})");
  if (!c.module) return;
  same(c, {tensor<float>({2}, {1, 2})}, {2}, 2);
}

TEST(Span, LoopsAndCallsWithEffectsAreEntered) {
  Cut c(R"(
fn @0 main[N](%0: f32[N] data "x", %1: i64 data "n") effect {
  %2: i64 = constant 0
  %3: f32[N] = for(%2, %1, %0) {
    (%4: i64, %5: f32[N])
    %6: f32[N] = mul(%5, %5)
    %7: f32[N] = call(%6) @1 sizes=[N]
    %8: f32[N] = add(%7, %6)
    yield %8
  }
  return %3
}
fn @1 show[N](%0: f32[N] data "x") effect {
  %1: f32[N] = add(%0, %0)
  host(%1) "print" args=["a"]
  %2: f32[N] = mul(%1, %1)
  return %2
})");
  if (!c.module) return;
  same(c, {tensor<float>({2}, {1, 2}), scalar<int64_t>(3)}, {2}, 2);
}

TEST(Span, SizesThatAreNeededOutsideAreBoundOutside) {
  Cut c(R"(
fn @0 main[](%0: i64 data "n") effect {
  %1: f32[rows?] = host "csv" binds=[rows?]
  bind_dim(%0) k?
  %2: f32 = constant 2.0
  %3: f32[k?] = broadcast(%2) axes=[]
  %4: f32[k?] = mul(%3, %3)
  %5: f32[rows?] = mul(%1, %1)
  host(%4, %5) "print" args=["a"]
  %6: f32[k?] = add(%4, %3)
  return %6, %5
})");
  if (!c.module) return;
  same(c, {scalar<int64_t>(4)}, {}, 2);
}

TEST(Span, ScalarsAloneAreNotWorthIt) {
  Cut c(R"(
fn @0 main[](%0: f32 data "x") effect {
  %1: f32 = add(%0, %0)
  host(%1) "print" args=["a"]
  return %1
})");
  if (!c.module) return;
  same(c, {scalar<float>(4)}, {}, 0);
}

TEST(Span, PureFunctionsAreLeftAlone) {
  Cut c("fn @0 f[N](%0: f32[N] data \"x\") {\n  return %0\n}\n");
  if (!c.module) return;
  EXPECT_EQ(SpanCutter(*c.module).cut(0), 0u);
}

}  // namespace
}  // namespace tenon::test
