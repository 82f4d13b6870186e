// rooms: support ir runtime kernels interp loop llvm
// Graph mode's own costs: what a compile takes, what a call takes, and how fast fused loops run.
//   llvm_bench [--threads N]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "ir/text.h"
#include "jit/compiled.h"
#include "jit/interp/interp.h"
#include "support/diagnostic.h"

namespace {

using namespace tenon;
using Clock = std::chrono::steady_clock;

struct NoHost : Host {
  std::vector<Tensor> host(const ir::HostAttr&, std::vector<Tensor>, Loc) override { return {}; }
  void debug(std::string_view, std::span<const Tensor>) override {}
};

double us(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double, std::micro>(b - a).count();
}

// Median and best of batches of about half a millisecond.
std::pair<double, double> measure(const std::function<void()>& f) {
  f();
  auto t0 = Clock::now();
  f();
  double once = us(t0, Clock::now());
  int batch = std::max(1, static_cast<int>(500 / std::max(once, 0.05)));
  std::vector<double> times;
  for (int i = 0; i < 60; ++i) {
    t0 = Clock::now();
    for (int k = 0; k < batch; ++k) f();
    times.push_back(us(t0, Clock::now()) / batch);
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[0]};
}

Tensor random(const Extents& shape, uint32_t seed) {
  Tensor t(DType::f32, shape);
  std::mt19937 g(seed);
  std::normal_distribution<float> n(0, 0.1f);
  for (int64_t i = 0; i < t.count(); ++i) t.data<float>()[i] = n(g);
  return t;
}

struct Case {
  const char* name;
  const char* text;
  std::vector<int64_t> sizes;
  std::function<std::vector<Tensor>()> args;
};

void run(const Case& c, int threads) {
  std::string error;
  auto module = ir::parse_text(c.text, error);
  if (!module) {
    std::printf("%s: %s\n", c.name, error.c_str());
    return;
  }
  Threads pool(threads);
  NoHost host;
  std::atomic<bool> interrupted{false};
  RunContext context{pool, host, interrupted};
  auto t0 = Clock::now();
  Compiler compiler(*module);
  const CompiledFunction& f = compiler.compile(0);
  double compile = us(t0, Clock::now()) / 1000;
  Compiler again(*module);
  t0 = Clock::now();
  again.compile(0);
  double warm = us(t0, Clock::now()) / 1000;
  std::vector<Tensor> args = c.args();
  Interpreter interpreter(*module);
  auto [gm, gb] = measure([&] { f.run(c.sizes, args, context); });
  auto [im, ib] = measure([&] { interpreter.run(0, c.sizes, args, context); });
  const CompileStats& s = compiler.stats();
  std::printf(
      "%-28s compile %6.1f ms (warm %5.1f; lower %.2f code %.2f link %.2f) %2d kernels | "
      "run %9.2f us (best %9.2f) | eager %9.2f (best %9.2f)\n",
      c.name, compile, warm, s.lower_ms, s.codegen_ms, s.link_ms, s.kernels, gm, gb, im, ib);
}

const char* kScalar = R"(fn @0 f[](%0: f64) {
  %1: f64 = mul(%0, %0)
  return %1
})";

const char* kNewton = R"(fn @0 newton[](%0: f64, %1: i64) {
  %3: i64 = constant 0
  %4: f64 = for(%3, %1, %0) {
    (%6: i64, %7: f64)
    %15: f64 = div(%0, %7)
    %16: f64 = add(%7, %15)
    %17: f64 = constant 0.5
    %18: f64 = mul(%17, %16)
    yield %18
  }
  return %4
})";

const char* kChain = R"(fn @0 f[N](%0: f32[N], %1: f32[N], %2: f32[N]) {
  %3: f32[N] = mul(%0, %1)
  %4: f32[N] = add(%3, %2)
  %5: f32 = constant 0.0
  %6: f32[N] = broadcast(%5) axes=[]
  %7: f32[N] = max(%4, %6)
  %8: f32[N] = mul(%7, %1)
  %9: f32[N] = tanh(%0)
  %10: f32[N] = add(%8, %9)
  return %10
})";

const char* kSoftmax = R"(fn @0 softmax[B, D](%0: f32[B, D]) {
  %1: f32[B] = reduce(%0) max axes=[1]
  %2: f32[B, D] = broadcast(%1) axes=[0]
  %3: f32[B, D] = sub(%0, %2)
  %4: f32[B, D] = exp(%3)
  %5: f32[B] = reduce(%4) sum axes=[1]
  %6: f32[B, D] = broadcast(%5) axes=[0]
  %7: f32[B, D] = div(%4, %6)
  return %7
})";

// One layer forward with its loss and the gradient by hand, and a step of descent.
const char* kMlp =
    R"(fn @0 step[B](%0: f32[B, 784], %1: f32[B, 10], %2: f32[784, 128], %3: f32[128], %4: f32[128, 10], %5: f32[10]) {
  %6: f32[B, 128] = contract(%0, %2) range=[B, 128, 784] a=[$0, $2] b=[$2, $1] out=[0, 1]
  %7: f32[B, 128] = broadcast(%3) axes=[1]
  %8: f32[B, 128] = add(%6, %7)
  %9: f32 = constant 0.0
  %10: f32[B, 128] = broadcast(%9) axes=[]
  %11: f32[B, 128] = max(%8, %10)
  %12: f32[B, 10] = contract(%11, %4) range=[B, 10, 128] a=[$0, $2] b=[$2, $1] out=[0, 1]
  %13: f32[B, 10] = broadcast(%5) axes=[1]
  %14: f32[B, 10] = add(%12, %13)
  %15: f32[B] = reduce(%14) max axes=[1]
  %16: f32[B, 10] = broadcast(%15) axes=[0]
  %17: f32[B, 10] = sub(%14, %16)
  %18: f32[B, 10] = exp(%17)
  %19: f32[B] = reduce(%18) sum axes=[1]
  %20: f32[B, 10] = broadcast(%19) axes=[0]
  %21: f32[B, 10] = div(%18, %20)
  %22: f32[B, 10] = sub(%21, %1)
  %23: i64 = size B
  %24: f32 = convert(%23)
  %25: f32[B, 10] = broadcast(%24) axes=[]
  %26: f32[B, 10] = div(%22, %25)
  %27: f32[128, 10] = contract(%11, %26) range=[128, 10, B] a=[$2, $0] b=[$2, $1] out=[0, 1]
  %28: f32[10] = reduce(%26) sum axes=[0]
  %29: f32[B, 128] = contract(%26, %4) range=[B, 128, 10] a=[$0, $2] b=[$1, $2] out=[0, 1]
  %30: bool[B, 128] = lt(%10, %8)
  %31: f32[B, 128] = select(%30, %29, %10)
  %32: f32[784, 128] = contract(%0, %31) range=[784, 128, B] a=[$2, $0] b=[$2, $1] out=[0, 1]
  %33: f32[128] = reduce(%31) sum axes=[0]
  %34: f32 = constant 0.1
  %35: f32[784, 128] = broadcast(%34) axes=[]
  %36: f32[784, 128] = mul(%32, %35)
  %37: f32[784, 128] = sub(%2, %36)
  %38: f32[128] = broadcast(%34) axes=[]
  %39: f32[128] = mul(%33, %38)
  %40: f32[128] = sub(%3, %39)
  %41: f32[128, 10] = broadcast(%34) axes=[]
  %42: f32[128, 10] = mul(%27, %41)
  %43: f32[128, 10] = sub(%4, %42)
  %44: f32[10] = broadcast(%34) axes=[]
  %45: f32[10] = mul(%28, %44)
  %46: f32[10] = sub(%5, %45)
  return %37, %40, %43, %46
})";

}  // namespace

int main(int argc, char** argv) {
  int threads = 1;
  for (int i = 1; i + 1 < argc; ++i)
    if (!std::strcmp(argv[i], "--threads")) threads = std::atoi(argv[i + 1]);
  run({"scalar call",
       kScalar,
       {},
       [] { return std::vector<Tensor>{Tensor::scalar(DType::f64, 3.0)}; }},
      threads);
  run({"newton, 1000 turns",
       kNewton,
       {},
       [] {
         return std::vector<Tensor>{Tensor::scalar(DType::f64, 2.0),
                                    Tensor::scalar<int64_t>(DType::i64, 1000)};
       }},
      threads);
  for (int64_t n : {int64_t{16}, int64_t{4096}, int64_t{65536}, int64_t{4000000}})
    run({"chain with tanh",
         kChain,
         {n},
         [n] {
           return std::vector<Tensor>{random({n}, 1), random({n}, 2), random({n}, 3)};
         }},
        threads);
  for (auto [b, d] : {std::pair<int64_t, int64_t>{64, 10}, {128, 1000}, {4096, 1024}})
    run({"softmax rows",
         kSoftmax,
         {b, d},
         [b = b, d = d] {
           return std::vector<Tensor>{random({b, d}, 1)};
         }},
        threads);
  for (int64_t b : {int64_t{8}, int64_t{128}})
    run({"mlp step",
         kMlp,
         {b},
         [b] {
           return std::vector<Tensor>{random({b, 784}, 1),   random({b, 10}, 2),
                                      random({784, 128}, 3), random({128}, 4),
                                      random({128, 10}, 5),  random({10}, 6)};
         }},
        threads);
  return 0;
}
