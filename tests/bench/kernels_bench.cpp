// Speed of the eager kernels beside the machine's peak, measured in the same run (no figure carries
// over from one machine to another; shares of the peak do). Not part of CI. Build and run by hand:
//   ninja tenon_kernels tenon_runtime tenon_support
//   g++ -std=c++20 -O2 -march=x86-64-v4 -ffp-contract=off -I. tests/bench/kernels_bench.cpp \
//     $B/kernels/libtenon_kernels.a $B/runtime/libtenon_runtime.a $B/support/libtenon_support.a
//     -lpthread
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <immintrin.h>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"

using namespace tenon;

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// fp32 fused multiply-adds on twenty-four registers for about 50 us.
double peak_flops() {
  __m512 acc[24];
#pragma GCC unroll 24
  for (auto& a : acc) a = _mm512_set1_ps(1.0f);
  const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
  constexpr int kTurns = 16000;
  double t = seconds();
  for (int i = 0; i < kTurns; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < 24; ++j) acc[j] = _mm512_fmadd_ps(acc[j], x, y);
  }
  t = seconds() - t;
  __m512 sum = acc[0];
#pragma GCC unroll 24
  for (int j = 1; j < 24; ++j) sum = _mm512_add_ps(sum, acc[j]);
  static volatile float sink;
  sink = _mm512_reduce_add_ps(sum);
  return 24.0 * 32.0 * kTurns / t;
}

struct Row {
  std::string name;
  double work;  // flops or bytes of one call
  std::function<void()> call;
  bool flops = true;
  std::vector<double> rates{};
};

}  // namespace

int main() {
  static Threads one(1), two(2);
  std::vector<Row> rows;
  std::vector<double> peak;
  auto zeros = [](const Extents& s) {
    Tensor t(DType::f32, s);
    for (int64_t i = 0; i < t.count(); ++i)
      t.data<float>()[i] = static_cast<float>(i % 17) * 0.125f - 1.0f;
    return t;
  };
  auto product = [&](int64_t M, int64_t N, int64_t K, Threads& threads, const char* kind) {
    const bool bt = kind[1] == 't', at = kind[0] == 't';
    Tensor a = at ? zeros({K, M}).transposed(std::vector<int>{1, 0}) : zeros({M, K});
    Tensor b = bt ? zeros({N, K}).transposed(std::vector<int>{1, 0}) : zeros({K, N});
    Tensor c(DType::f32, {M, N});
    char name[80];
    std::snprintf(name, sizeof name, "matmul %s %ldx%ldx%ld %dT", kind, M, N, K, threads.count());
    rows.push_back(
        {name, 2.0 * static_cast<double>(M * N * K), [=, &threads]() mutable {
           kernels::MatmulArgs m{
               a.raw(), b.raw(),      c.raw(),      1, M, N, K, 0, a.strides[0], a.strides[1],
               0,       b.strides[0], b.strides[1], 0, N};
           kernels::matmul(DType::f32, m, threads);
         }});
  };
  for (int64_t n : {64, 128, 256, 512, 1024}) product(n, n, n, one, "nn");
  for (int64_t n : {256, 512, 1024}) product(n, n, n, two, "nn");
  product(512, 512, 512, one, "nt");
  product(512, 512, 512, one, "tn");
  product(128, 10, 128, one, "nn");
  product(128, 128, 784, one, "nn");
  product(32, 512, 512, one, "nn");
  product(8, 1024, 1024, one, "nn");
  product(1, 1024, 1024, one, "nn");

  auto point = [&](const char* name, ir::Op op, int64_t n, int in) {
    Tensor x = zeros({n}), y = zeros({n}), out(DType::f32, {n});
    rows.push_back({name, 4.0 * static_cast<double>(n) * (in + 1),
                    [=]() mutable {
                      std::vector<kernels::View> v{x};
                      if (in == 2) v.push_back(y);
                      kernels::run_point(op, v, out, one);
                    },
                    false});
  };
  point("add 4096", ir::Op::add, 4096, 2);
  point("add 1M", ir::Op::add, 1 << 20, 2);
  point("exp 4096", ir::Op::exp, 4096, 1);
  point("exp 1M", ir::Op::exp, 1 << 20, 1);
  point("tanh 64K", ir::Op::tanh, 1 << 16, 1);
  point("erf 64K", ir::Op::erf, 1 << 16, 1);
  point("sin 64K", ir::Op::sin, 1 << 16, 1);
  point("log 64K", ir::Op::log, 1 << 16, 1);
  {
    // softmax over rows: max, exp(x - max), sum, divide
    const int64_t B = 256, D = 512;
    Tensor x = zeros({B, D}), m(DType::f32, {B}), e(DType::f32, {B, D}), s(DType::f32, {B});
    auto p1 = std::make_shared<kernels::PointProgram>(),
         p2 = std::make_shared<kernels::PointProgram>();
    {
      int a = p1->input(DType::f32), b = p1->input(DType::f32);
      p1->result(p1->op(ir::Op::exp, {p1->op(ir::Op::sub, {a, b})}));
      p1->finish();
    }
    {
      int a = p2->input(DType::f32), b = p2->input(DType::f32);
      p2->result(p2->op(ir::Op::div, {a, b}));
      p2->finish();
    }
    rows.push_back({"softmax 256x512 (x read, y written)", 8.0 * B * D,
                    [=]() mutable {
                      const int axis[1] = {1};
                      const int64_t st[2] = {D, 1}, col[2] = {1, 0};
                      kernels::reduce(ir::ReduceKind::max, x, axis, m, one);
                      kernels::PointOperand in1[] = {{x.raw(), st}, {m.raw(), col}};
                      kernels::PointResult out[] = {{e.raw(), nullptr}};
                      kernels::run_points(*p1, {B, D}, in1, out, {}, one);
                      kernels::reduce(ir::ReduceKind::sum, e, axis, s, one);
                      kernels::PointOperand in2[] = {{e.raw(), st}, {s.raw(), col}};
                      kernels::run_points(*p2, {B, D}, in2, out, {}, one);
                    },
                    false});
    rows.push_back({"max of rows 256x512", 4.0 * B * D,
                    [=]() mutable {
                      const int axis[1] = {1};
                      kernels::reduce(ir::ReduceKind::max, x, axis, m, one);
                    },
                    false});
    rows.push_back({"exp(x - row) 256x512", 8.0 * B * D,
                    [=]() mutable {
                      const int64_t st[2] = {D, 1}, col[2] = {1, 0};
                      kernels::PointOperand in1[] = {{x.raw(), st}, {m.raw(), col}};
                      kernels::PointResult out[] = {{e.raw(), nullptr}};
                      kernels::run_points(*p1, {B, D}, in1, out, {}, one);
                    },
                    false});
    rows.push_back({"x / row 256x512", 8.0 * B * D,
                    [=]() mutable {
                      const int64_t st[2] = {D, 1}, col[2] = {1, 0};
                      kernels::PointOperand in1[] = {{x.raw(), st}, {m.raw(), col}};
                      kernels::PointResult out[] = {{e.raw(), nullptr}};
                      kernels::run_points(*p2, {B, D}, in1, out, {}, one);
                    },
                    false});
    rows.push_back({"sum of rows 256x512", 4.0 * B * D,
                    [=]() mutable {
                      const int axis[1] = {1};
                      kernels::reduce(ir::ReduceKind::sum, x, axis, m, one);
                    },
                    false});
    Tensor c(DType::f32, {D});
    rows.push_back({"sum of columns 256x512", 4.0 * B * D,
                    [=]() mutable {
                      const int axis[1] = {0};
                      kernels::reduce(ir::ReduceKind::sum, x, axis, c, one);
                    },
                    false});
    Tensor t = x.transposed(std::vector<int>{1, 0}), u(DType::f32, {D, B});
    rows.push_back(
        {"transpose 256x512", 8.0 * B * D, [=]() mutable { kernels::copy(t, u, one); }, false});
  }
  {
    // conv 3x3, 16x16 with 32 channels to 64, four images
    const int64_t N = 4, P = 14, C = 32, O = 64;
    Tensor x = zeros({N, P + 2, P + 2, C}), w = zeros({3, 3, C, O}), y(DType::f32, {N, P, P, O});
    auto at = [](std::vector<std::pair<int, int64_t>> terms) {
      ir::Affine a;
      for (auto [i, c] : terms) a.terms.push_back({static_cast<uint8_t>(i), c});
      a.offset = 0;
      return a;
    };
    ir::ContractSpec spec{{},
                          {at({{0, 1}}), at({{1, 1}, {4, 1}}), at({{2, 1}, {5, 1}}), at({{6, 1}})},
                          {at({{4, 1}}), at({{5, 1}}), at({{6, 1}}), at({{3, 1}})},
                          {0, 1, 2, 3}};
    rows.push_back({"conv 3x3 4x14x14x32 to 64", 2.0 * N * P * P * O * 9 * C, [=]() mutable {
                      const std::vector<int64_t> range{N, P, P, O, 3, 3, C};
                      kernels::contract(spec, range, {}, {}, x, w, y, one);
                    }});
  }
  {
    Tensor s(DType::f32, {1});
    rows.push_back({"add of one element (calls)", 1,
                    [=]() mutable {
                      std::vector<kernels::View> v{s, s};
                      kernels::run_point(ir::Op::add, v, s, one);
                    },
                    false});
  }

  for (int round = 0; round < 60; ++round) {
    peak.push_back(peak_flops());
    for (Row& r : rows) {
      int calls = 1;
      double t = seconds();
      r.call();
      double single = seconds() - t;
      calls = std::clamp(static_cast<int>(3e-4 / single), 1, 10000);
      t = seconds();
      for (int i = 0; i < calls; ++i) r.call();
      r.rates.push_back(r.work * calls / (seconds() - t));
    }
  }
  auto best = [](std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); };
  auto median = [](std::vector<double>& v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
  };
  const double top = best(peak), middle = median(peak);
  std::printf("peak of one thread: %.0f GF best, %.0f median\n", top * 1e-9, middle * 1e-9);
  for (Row& r : rows) {
    const double b = best(r.rates), m = median(r.rates);
    const bool pair = r.name.ends_with("2T");
    if (r.flops)
      std::printf("%-38s %7.1f GF best (%5.1f %% of the peak), %7.1f median\n", r.name.c_str(),
                  b * 1e-9, 100 * b / top / (pair ? 2 : 1), m * 1e-9);
    else
      std::printf("%-38s %7.2f GB/s best, %7.2f median; %.3f us\n", r.name.c_str(), b * 1e-9,
                  m * 1e-9, r.work / b * 1e6);
  }
}
