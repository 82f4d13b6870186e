// rooms: support ir runtime kernels interp loop cuda cuda_kernels io
// The sweep over the closed set of operations (operations_test.cpp) on the emulated GPU: each, on every dtype
// that it takes, over empty, single, odd and larger shapes, in every layout and over special numbers, gives the
// bits of the interpreter, in the three orders of threads. Products on tensor cores are held to the budget
// of docs/semantics.md 4.
#include <cmath>
#include <cstdlib>

#include "jit/cuda/engine.h"
#include "tests/sweep/uses.h"

namespace tenon::test {
namespace {

struct Size {
  int64_t n, k;
};
constexpr Size kSizes[] = {{0, 3}, {3, 0}, {1, 1}, {2, 33}};
constexpr Size kOdd{7, 5};
constexpr Size kCores{130, 17};   // enough rows, columns and depth for tensor cores
constexpr Size kLarge{16500, 2};  // beyond a chunk of a sum

// The emulator, but on a machine with a GPU that may be swept too (bench/gpu/run.sh).
cuda::Gpu& device() {
  const char* name = std::getenv("TENON_SWEEP_DEVICE");
  return name && std::string_view(name) == "gpu" ? cuda::gpu() : cuda::cudasim();
}

class Sweep : public testing::TestWithParam<int> {};

double largest(const Tensor& t) {
  double m = 0;
  const Tensor flat = t.packed();
  for (int64_t i = 0; i < flat.count(); ++i) {
    Tensor e = flat;
    e.shape = {};
    e.strides = {};
    e.offset += i;
    m = std::max(m, std::abs(e.as_double()));
  }
  return m;
}

// Two results of a product over at most `depth` factors no larger than `a` and `b`.
void expect_within_budget(const Tensor& want, const Tensor& got, double depth, double a, double b, const std::string& how) {
  ASSERT_EQ(want.count(), got.count()) << how;
  const double unit = want.dtype == DType::f16 ? 0x1p-10 : 0x1p-7;  // of a last place
  const Tensor x = want.packed(), y = got.packed();
  for (int64_t i = 0; i < x.count(); ++i) {
    Tensor p = x, q = y;
    for (Tensor* t : {&p, &q}) {
      t->shape = {};
      t->strides = {};
      t->offset += i;
    }
    const double v = p.as_double(), bound = depth * 0x1p-23 * depth * a * b + unit * std::abs(v);
    ASSERT_LE(std::abs(v - q.as_double()), bound) << how << ", element " << i;
  }
}

TEST_P(Sweep, TheDeviceGivesTheBitsOfTheInterpreter) {
  const Op op = Op(GetParam());
  Threads one(1);
  int programs = 0;
  for (int k = 0; k < kDTypeCount; ++k) {
    const DType t = DType(k);
    ir::Module module;
    Uses uses(module, t);
    if (!uses.add(op)) continue;
    static constexpr const char* kOrders[] = {"forward", "reverse", "shuffled"};
    setenv("TENON_SIM_ORDER", kOrders[(GetParam() + programs++) % 3], 1);
    uses.fn->params.resize(kOperands);
    uses.fn->results.resize(uses.fn->body.results.size());
    Interpreter interpreter(module);
    cuda::GpuCompiler compiler(module, device());
    const CompiledFunction& compiled = compiler.compile(0);
    const bool cores = op == Op::contract && (t == DType::f16 || t == DType::bf16);
    auto compare = [&](Size size, Layout layout, bool exact) {
      const std::vector<Tensor> kept = operands(t, size.n, size.k, layout, !exact);
      auto run = [&](bool device) {
        Outcome o;
        TestHost host;
        std::atomic<bool> interrupted{false};
        RunContext c{one, host, interrupted, 1000};
        const std::vector<int64_t> sizes{size.n, size.k};
        std::vector<Tensor> args;
        for (const Tensor& a : kept) args.push_back(copy_of(a));
        try {
          o.results = device ? compiled.run(sizes, std::move(args), c) : interpreter.run(0, sizes, std::move(args), c);
        } catch (const UserError& e) {
          o.failed = true;
          o.diagnostic = e.diagnostic;
        }
        return o;
      };
      const std::string how = std::string(name(t)) + " [" + std::to_string(size.n) + ", " + std::to_string(size.k) + "] " +
                              kLayoutNames[layout];
      const Outcome want = run(false), got = run(true);
      ASSERT_FALSE(want.failed) << want.diagnostic.message;
      if (exact) return expect_same(want, got, how);
      ASSERT_FALSE(got.failed) << got.diagnostic.message;
      double most = 0;
      for (size_t i = 0; i < kOperands; ++i)
        if (kept[i].dtype == t) most = std::max(most, largest(kept[i]));
      for (size_t i = 0; i < want.results.size(); ++i)
        expect_within_budget(want.results[i], got.results[i], double(std::max(size.n, size.k)), most, most, how);
    };
    for (const Size& size : kSizes) compare(size, packed, true);
    for (int layout = 0; layout < kLayouts; ++layout) compare(kOdd, Layout(layout), true);
    compare(kCores, transposed, !cores);
    compare(kLarge, packed, true);
    if (HasFailure()) {
      ADD_FAILURE() << ir::print(module);
      return;
    }
  }
  EXPECT_GT(programs, 0);
}

INSTANTIATE_TEST_SUITE_P(Op, Sweep, testing::ValuesIn(swept()),
                         [](const auto& i) { return std::string(ir::name(Op(i.param))); });

}  // namespace
}  // namespace tenon::test
