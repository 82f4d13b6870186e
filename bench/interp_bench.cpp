// rooms: support ir runtime kernels interp
// What the interpreter costs beside the kernels: nanoseconds per node, for scalars in a loop, for
// calls, and for small tensors. Medians of short batches (docs: cpu.md 0).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ir/text.h"
#include "jit/interp/interp.h"
#include "runtime/threads.h"

namespace {

using namespace tenon;

struct NoHost : Host {
  std::vector<Tensor> host(const ir::HostAttr&, std::vector<Tensor>, Loc) override { return {}; }
  void debug(std::string_view, std::span<const Tensor>) override {}
};

Threads threads(1);
NoHost host;
std::atomic<bool> interrupted{false};

// `nodes`: how many nodes of the IR one run goes through.
void row(const char* name, double nodes, std::string_view text, std::vector<Tensor> args,
         std::vector<int64_t> sizes = {}) {
  std::string error;
  auto module = ir::parse_text(text, error);
  if (!module) {
    std::printf("%s: %s\n", name, error.c_str());
    return;
  }
  Interpreter interpreter(*module);
  RunContext context{threads, host, interrupted};
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    interpreter.run(0, sizes, args, context);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%-28s %10.1f ns a node, best %8.1f   (%.0f nodes, %.2f us a run)\n", name,
              times[times.size() / 2] / nodes, times[0] / nodes, nodes,
              times[times.size() / 2] / 1e3);
}

Tensor i64(int64_t v) { return Tensor::scalar(DType::i64, v); }
Tensor f64(double v) { return Tensor::scalar(DType::f64, v); }
Tensor ones(const Extents& shape) {
  Tensor t(DType::f32, shape);
  std::fill(t.data<float>(), t.data<float>() + t.count(), 1.0f);
  return t;
}

}  // namespace

int main() {
  row("newton, while, f64", 1000 * 11, R"(fn @0 newton[](%0: f64, %1: i64) {
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
      %21: f64 = constant -1.0
      %22: bool = lt(%20, %21)
      %23: bool = not(%22)
      %24: i64 = constant 1
      %25: i64 = add(%14, %24)
      yield %18, %23, %25
    }
    return %4
  })",
      {f64(2.0), i64(1000)});
  row("exp of a scalar", 2 * 1000, R"(fn @0 f[](%0: f64, %1: i64) {
    %2: i64 = constant 0
    %3: f64 = for(%2, %1, %0) {
      (%4: i64, %5: f64)
      %6: f64 = exp(%5)
      %7: f64 = neg(%6)
      yield %7
    }
    return %3
  })",
      {f64(0.5), i64(1000)});
  row("calls, recursive", 1000 * 5, R"(fn @0 down[](%0: i64) recursive {
    %1: i64 = constant 0
    %2: bool = le(%0, %1)
    %3: i64 = if(%2) {
      yield %0
    } {
      %4: i64 = constant 1
      %5: i64 = sub(%0, %4)
      %6: i64 = call(%5) @0
      %7: i64 = add(%6, %4)
      yield %7
    }
    return %3
  })",
      {i64(1000)});
  row("x[i] = 2 * x[i]", 5 * 1000, R"(fn @0 f[N](%0: f32[N], %1: i64) {
    %2: i64 = constant 0
    %3: f32[N] = for(%2, %1, %0) {
      (%4: i64, %5: f32[N])
      %10: f32[1] = slice(%5, %4) strides=[1]
      %6: f32 = reshape(%10)
      %7: f32 = add(%6, %6)
      %8: f32[1] = reshape(%7)
      %9: f32[N] = update(%5, %8, %4) strides=[1]
      yield %9
    }
    return %3
  })",
      {ones({1000}), i64(1000)}, {1000});
  row("add of 8 (fused chain of 4)", 4 * 1000, R"(fn @0 f[N](%0: f32[N], %1: i64) {
    %2: i64 = constant 0
    %3: f32[N] = for(%2, %1, %0) {
      (%4: i64, %5: f32[N])
      %6: f32[N] = add(%5, %0)
      %7: f32[N] = mul(%6, %0)
      %8: f32[N] = sub(%7, %0)
      %9: f32[N] = max(%8, %0)
      yield %9
    }
    return %3
  })",
      {ones({8}), i64(1000)}, {8});
  row("one add of 8", 1000, R"(fn @0 f[N](%0: f32[N], %1: i64) {
    %2: i64 = constant 0
    %3: f32[N] = for(%2, %1, %0) {
      (%4: i64, %5: f32[N])
      %6: f32[N] = add(%5, %0)
      yield %6
    }
    return %3
  })",
      {ones({8}), i64(1000)}, {8});
  row("transpose and reduce 4x4", 3 * 1000, R"(fn @0 f[N, M](%0: f32[N, M], %1: i64) {
    %2: i64 = constant 0
    %9: f32 = constant 0.0
    %3: f32 = for(%2, %1, %9) {
      (%4: i64, %5: f32)
      %6: f32[M, N] = transpose(%0) axes=[1, 0]
      %7: f32[M] = reduce(%6) sum axes=[1]
      %8: f32 = reduce(%7) sum axes=[0]
      yield %8
    }
    return %3
  })",
      {ones({4, 4}), i64(1000)}, {4, 4});
  row("contract 4x4x4", 1000, R"(fn @0 f[N](%0: f32[N, N], %1: i64) {
    %2: i64 = constant 0
    %3: f32[N, N] = for(%2, %1, %0) {
      (%4: i64, %5: f32[N, N])
      %6: f32[N, N] = contract(%5, %0) range=[N, N, N] a=[$0, $2] b=[$2, $1] out=[0, 1]
      yield %6
    }
    return %3
  })",
      {ones({4, 4}), i64(1000)}, {4});
  row("a run of nothing", 1, "fn @0 f[N](%0: f32[N]) {\n return %0\n}", {ones({8})}, {8});

  // What a million elements cost: per element here, not per node.
  const Tensor million = ones({1000, 1000});
  row("gelu, per element", 1e6, R"(fn @0 f[N, M](%0: f32[N, M]) {
    %1: f32 = constant 0.70710677
    %2: f32[N, M] = broadcast(%1) axes=[]
    %3: f32[N, M] = mul(%0, %2)
    %4: f32[N, M] = erf(%3)
    %5: f32 = constant 1.0
    %6: f32[N, M] = broadcast(%5) axes=[]
    %7: f32[N, M] = add(%4, %6)
    %8: f32 = constant 0.5
    %9: f32[N, M] = broadcast(%8) axes=[]
    %10: f32[N, M] = mul(%9, %0)
    %11: f32[N, M] = mul(%10, %7)
    return %11
  })",
      {million}, {1000, 1000});
  row("softmax, per element", 1e6, R"(fn @0 f[N, M](%0: f32[N, M]) {
    %1: f32[N] = reduce(%0) max axes=[1]
    %2: f32[N, M] = broadcast(%1) axes=[0]
    %3: f32[N, M] = sub(%0, %2)
    %4: f32[N, M] = exp(%3)
    %5: f32[N] = reduce(%4) sum axes=[1]
    %6: f32[N, M] = broadcast(%5) axes=[0]
    %7: f32[N, M] = div(%4, %6)
    return %7
  })",
      {million}, {1000, 1000});
  row("|u[i] - v[j]|, per element", 1e6, R"(fn @0 f[N, M](%0: f32[N, M], %1: f32[N]) {
    %2: f32[N, M] = map out=[N, M] {
      (%3: i64, %4: i64)
      %5: f32 = read(%1, %3)
      %6: f32 = read(%0, %4, %3)
      %7: f32 = sub(%5, %6)
      %8: f32 = abs(%7)
      yield %8
    }
    return %2
  })",
      {million, ones({1000})}, {1000, 1000});

  // What a function costs before its first run: chains of small groups with reductions between.
  std::string text = "fn @0 f[N](%0: f32[N]) {\n";
  int v = 0;
  for (int i = 0; i < 250; ++i) {
    auto name = [](int k) { return "%" + std::to_string(k); };
    text += name(v + 1) + ": f32[N] = mul(" + name(v) + ", %0)\n";
    text += name(v + 2) + ": f32 = reduce(" + name(v + 1) + ") sum axes=[0]\n";
    text += name(v + 3) + ": f32[N] = broadcast(" + name(v + 2) + ") axes=[]\n";
    text += name(v + 4) + ": f32[N] = add(" + name(v + 1) + ", " + name(v + 3) + ")\n";
    v += 4;
  }
  text += "return %" + std::to_string(v) + "\n}";
  std::string error;
  auto module = ir::parse_text(text, error);
  std::vector<double> times;
  for (int i = 0; i < 50; ++i) {
    Interpreter interpreter(*module);
    RunContext context{threads, host, interrupted};
    const int64_t sizes[] = {0};
    const auto start = std::chrono::steady_clock::now();
    interpreter.run(0, sizes, {ones({0})}, context);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%-28s %10.1f ns a node, best %8.1f   (1000 nodes, with one run of empty tensors)\n",
              "prepare", times[25] / 1000, times[0] / 1000);
  return 0;
}
