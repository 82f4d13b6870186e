// rooms: support ir runtime kernels interp loop llvm
// Graph mode against the interpreter and the loop IR's own: the same bits, whatever is fused and for
// every number of threads.
#include "tests/unit/graph_program.h"

namespace tenon::test {
namespace {

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
  for (auto [b, d] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {64, 100}, {100, 3}, {300, 129}, {0, 4}, {4, 0}})
    g.check({b, d}, [&] {
      return std::vector<Tensor>{random_tensor(DType::f32, {b, d}, 1), random_tensor(DType::f32, {d}, 2),
                                 random_tensor(DType::f32, {b}, 3), scalar(0.25f)};
    });
}

}  // namespace
}  // namespace tenon::test
