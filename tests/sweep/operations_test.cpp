// rooms: support ir runtime kernels interp loop llvm
// The sweep over the closed set of operations (ir/op.h): each, on every dtype that it takes, over
// empty, single, odd and large shapes, over contiguous, transposed, strided and repeated operands,
// over NaN, infinities, both zeros and denormals: interpreted and compiled, by 1, 2, 3 and 8 threads,
// the bits are the same. The list is the table's own: a new scalar operation is swept as it is, and
// for any other new one the switch below does not compile until it says how it is used.
#include "tests/sweep/uses.h"

namespace tenon::test {
namespace {

// ---------------------------------------------------------------- the sweep

struct Size {
  int64_t n, k;
};
constexpr Size kSizes[] = {{0, 3}, {3, 0}, {1, 1}, {7, 5}, {2, 33}, {130, 17}};
constexpr Size kLarge{16500, 2};  // beyond a chunk of a sum

class Sweep : public testing::TestWithParam<int> {};

TEST_P(Sweep, EagerAndGraphGiveTheSameBits) {
  const Op op = Op(GetParam());
  static Threads pools[] = {Threads(1), Threads(2), Threads(3), Threads(8)};
  int programs = 0;
  for (int k = 0; k < kDTypeCount; ++k) {
    const DType t = DType(k);
    ir::Module module;
    Uses uses(module, t);
    if (!uses.add(op)) continue;
    ++programs;
    uses.fn->params.resize(kOperands);
    uses.fn->results.resize(uses.fn->body.results.size());
    ASSERT_EQ(ir::verify(module, *uses.fn), "") << ir::print(module);
    const ir::FnId fn = 0;
    Interpreter interpreter(module);
    Compiler compiler(module);
    const CompiledFunction& compiled = compiler.compile(fn);
    auto compare = [&](Size size, Layout layout, std::span<Threads> with) {
      const std::vector<Tensor> kept = operands(t, size.n, size.k, layout);
      auto run = [&](bool graph, Threads& pool) {
        Outcome o;
        TestHost host;
        std::atomic<bool> interrupted{false};
        RunContext c{pool, host, interrupted, 1000};
        const std::vector<int64_t> sizes{size.n, size.k};
        std::vector<Tensor> args;
        for (const Tensor& a : kept) args.push_back(copy_of(a));
        try {
          o.results = graph ? compiled.run(sizes, std::move(args), c)
                            : interpreter.run(fn, sizes, std::move(args), c);
        } catch (const UserError& e) {
          o.failed = true;
          o.diagnostic = e.diagnostic;
        }
        return o;
      };
      const Outcome want = run(false, pools[0]);
      ASSERT_FALSE(want.failed) << want.diagnostic.message;
      for (Threads& pool : with)
        for (bool graph : {false, true})
          expect_same(want, run(graph, pool),
                      std::string(name(t)) + " [" + std::to_string(size.n) + ", " + std::to_string(size.k) +
                          "] " + kLayoutNames[layout] + (graph ? " graph " : " eager ") +
                          std::to_string(pool.count()));
    };
    for (const Size& size : kSizes)
      for (int layout = 0; layout < kLayouts; ++layout) {
        // What is small is the work of one thread, whatever the number.
        compare(size, Layout(layout), size.n < 100 ? std::span(pools, 1) : std::span(pools));
        if (HasFailure()) {
          ADD_FAILURE() << ir::print(module);
          return;
        }
      }
    compare(kLarge, packed, pools);
    compare(kLarge, strided, pools);
  }
  EXPECT_GT(programs, 0);
}

INSTANTIATE_TEST_SUITE_P(Op, Sweep, testing::ValuesIn(swept()), [](const auto& i) {
  return std::string(ir::name(Op(i.param)));
});

}  // namespace
}  // namespace tenon::test
