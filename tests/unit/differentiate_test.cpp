// rooms: support ir runtime kernels interp
// Derivatives against finite differences, order after order, and forward against reverse mode. Programs
// are IR text; what differentiation writes is verified, run by a naive evaluator and by the interpreter,
// which have to agree, and differentiated again.

#include "ir/passes/differentiate.h"

#include <gtest/gtest.h>

#include "ir/passes.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "jit/interp/interp.h"
#include "tests/unit/naive_eval.h"

namespace tenon::test {
namespace {

using ir::Builder;
using ir::FnId;
using ir::Function;
using ir::Op;
using ir::Value;

Array vec(std::vector<double> v) { return {{int64_t(v.size())}, v, {}}; }
Array num(double v) { return Array::scalar(v); }
// Some numbers without pattern in [lo, hi].
Array some(std::vector<int64_t> shape, double lo = -1, double hi = 1, int seed = 1) {
  Array a = array_of(std::move(shape));
  uint64_t s = uint64_t(seed) * 0x9e3779b97f4a7c15u;
  for (double& v : a.at) {
    s = s * 6364136223846793005u + 1442695040888963407u;
    v = lo + (hi - lo) * double(s >> 40) / double(1 << 24);
  }
  return a;
}

// Tensors of the types that `fn` takes, and back.
std::vector<Tensor> tensors(const Function& fn, const std::vector<Array>& args) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < args.size(); ++i) {
    const DType type = fn.type(fn.body.params[i]).dtype;
    Tensor t(type, Extents(args[i].shape));
    std::string bytes;
    for (double v : args[i].at) {
      if (is_float(type))
        ir::append_number(bytes, type, v);
      else
        ir::append_integer(bytes, type, int64_t(v));
    }
    std::copy(bytes.begin(), bytes.end(), static_cast<char*>(t.raw()));
    out.push_back(std::move(t));
  }
  return out;
}
Array array(const Tensor& any) {
  const Tensor t = any.packed();
  Array out = array_of({t.shape.begin(), t.shape.end()});
  for (size_t i = 0; i < out.at.size(); ++i)
    out.at[i] = t.dtype == DType::f64   ? t.data<double>()[i]
                : t.dtype == DType::f32 ? t.data<float>()[i]
                : t.dtype == DType::i64 ? double(t.data<int64_t>()[i])
                                        : double(t.data<bool>()[i]);
  return out;
}

struct NoHost : Host {
  std::vector<Tensor> host(const ir::HostAttr&, std::vector<Tensor>, Loc) override { return {}; }
  void debug(std::string_view, std::span<const Tensor>) override {}
};

struct Case {
  std::unique_ptr<ir::Module> module;
  std::vector<int64_t> sizes;
  std::vector<Array> args;

  Case(std::string_view text, std::vector<Array> a, std::vector<int64_t> s = {})
      : sizes(std::move(s)), args(std::move(a)) {
    std::string error;
    module = ir::parse_text(text, error);
    if (!module) {
      ADD_FAILURE() << error;
      std::abort();
    }
    for (const auto& f : module->functions) {
      const std::string wrong = ir::verify(*module, *f);
      if (!wrong.empty()) {
        ADD_FAILURE() << wrong;
        std::abort();
      }
    }
  }

  std::vector<Array> run(FnId fn, std::vector<Array> more = {}) {
    std::vector<Array> all = args;
    all.insert(all.end(), more.begin(), more.end());
    return NaiveEval(*module).run(fn, sizes, all);
  }
  // What the naive evaluator says, after the interpreter said the same.
  std::vector<Array> run_both(FnId fn, std::vector<Array> more = {}) {
    const std::vector<Array> expected = run(fn, more);
    more.insert(more.begin(), args.begin(), args.end());
    Threads threads(1);
    NoHost host;
    const std::atomic<bool> interrupted{false};
    RunContext context{threads, host, interrupted, 100000};
    Interpreter interpreter(*module);
    const auto got = interpreter.run(fn, sizes, tensors(module->fn(fn), more), context);
    EXPECT_EQ(got.size(), expected.size());
    for (size_t k = 0; k < expected.size(); ++k) {
      const Array a = array(got[k]);
      EXPECT_EQ(a.shape, expected[k].shape);
      for (size_t i = 0; i < a.at.size(); ++i)
        EXPECT_NEAR(a.at[i], expected[k].at[i], 1e-9 * std::max(1.0, std::fabs(expected[k].at[i])))
            << "the interpreter, result " << k << ", element " << i;
    }
    return expected;
  }
  double number(FnId fn) { return run(fn)[0].at[0]; }

  // A function of fn's parameters to one number: its float results from `first` on, in a sum with
  // uneven weights, after a sine so that no order of derivative is constant.
  FnId scalarised(FnId fn, size_t first, bool bend) {
    const Function& f = module->fn(fn);
    auto made = std::make_unique<Function>();
    made->name = "scalar" + std::to_string(module->functions.size());
    made->sizes = f.sizes;
    Builder b(*module, *made);
    std::vector<Value> params;
    for (size_t i = 0; i < args.size(); ++i) params.push_back(b.param(f.type(f.body.params[i])));
    for (size_t i = args.size(); i < f.body.params.size(); ++i)
      params.push_back(b.number(DType::f64, 1));  // the seed of a gradient
    std::vector<DimId> dims;
    for (SymId s : f.sizes) dims.push_back(module->dims.symbol(s));
    const std::vector<Value> results = b.call(fn, dims, params);
    Value sum = b.number(DType::f64, 0);
    for (size_t k = first; k < results.size(); ++k) {
      if (b.type(results[k]).dtype != DType::f64) continue;
      DimId count = module->dims.constant(1);
      for (DimId d : b.type(results[k]).shape) count = module->dims.mul(count, d);
      const Value flat = b.reshape(results[k], {count});
      Value w = b.one(Op::iota, {}, ir::IotaAttr{DType::f64, {count}, 0});
      w = b.one(Op::mul, {w, b.fill(b.number(DType::f64, 1.7), {count})});
      w = b.one(Op::cos, {b.one(Op::add, {w, b.fill(b.number(DType::f64, 0.3 + double(k)), {count})})});
      Value v = bend ? b.one(Op::sin, {flat}) : flat;
      v = b.reduce(ir::ReduceKind::sum, b.one(Op::mul, {w, v}), {0});
      sum = b.one(Op::add, {sum, v});
    }
    made->body.results = {sum};
    made->params.resize(made->body.params.size());
    made->results.resize(1);
    return module->add(std::move(made));
  }
};

std::string at(int order, size_t param, size_t element) {
  return "order " + std::to_string(order) + ", parameter " + std::to_string(param) + ", element " +
         std::to_string(element);
}

// Gradients of every order up to `orders` with respect to `wrt`, held against central differences of
// the order below; and forward mode against reverse mode.
void check(Case c, std::vector<int> wrt, int orders = 2, bool bend = true) {
  FnId scalar = c.scalarised(0, 0, bend);
  ir::PrefixRunner prefix(*c.module);  // so that dead code goes, as in a real run
  for (int order = 1; order <= orders; ++order) {
    prefix.run(scalar);
    const FnId gradient = ir::make_vjp(*c.module, scalar, wrt, {0});
    const FnId forward = ir::make_jvp(*c.module, scalar, wrt, {0});
    prefix.run(gradient);
    prefix.run(forward);
    const std::vector<Array> got = c.run_both(gradient, {num(1)});
    ASSERT_EQ(got.size(), 1 + wrt.size());
    ASSERT_EQ(got[0].at[0], c.number(scalar)) << "the value changes";
    double along = 0;
    std::vector<Array> direction;
    for (size_t i = 0; i < wrt.size(); ++i) {
      Array& x = c.args[wrt[i]];
      direction.push_back(some(x.shape, -1, 1, int(i) + 5));
      ASSERT_EQ(got[1 + i].shape, x.shape);
      for (size_t k = 0; k < x.at.size(); ++k) {
        along += got[1 + i].at[k] * direction[i].at[k];
        const double h = 1e-4, kept = x.at[k];
        // A central difference of order h^6, so that rounding and truncation both stay below 1e-9.
        double difference = 0;
        const double weights[] = {45, -9, 1};
        for (int step = 1; step <= 3; ++step) {
          x.at[k] = kept + step * h;
          const double above = c.number(scalar);
          x.at[k] = kept - step * h;
          difference += weights[step - 1] * (above - c.number(scalar)) / (60 * h);
        }
        x.at[k] = kept;
        const double g = got[1 + i].at[k];
        EXPECT_NEAR(g, difference, 1e-7 * std::max(1.0, std::fabs(difference)))
            << at(order, size_t(wrt[i]), k);
      }
    }
    const double forward_along = c.run_both(forward, direction)[1].at[0];
    EXPECT_NEAR(forward_along, along, 1e-9 * std::max(1.0, std::fabs(along))) << "order " << order;
    scalar = c.scalarised(gradient, 1, false);
  }
}

Diagnostic refused(Case c, std::vector<int> wrt, std::vector<int> seeds = {0}) {
  try {
    ir::make_vjp(*c.module, 0, wrt, seeds);
  } catch (const UserError& e) {
    return e.diagnostic;
  }
  ADD_FAILURE() << "it was not refused";
  return {};
}

// ---------------------------------------------------------------- straight line

TEST(Differentiate, StraightLineOfThirdOrder) {
  check(Case(R"(fn @0 f[](%0: f64, %1: f64) {
    %2: f64 = mul(%0, %0)
    %3: f64 = exp(%1)
    %4: f64 = mul(%2, %3)
    %5: f64 = tanh(%4)
    %6: f64 = sub(%5, %0)
    %7: f64 = div(%6, %3)
    return %7
  })", {num(0.7), num(-0.3)}), {0, 1}, 3);
}

void scalar_row(std::string op, int operands, std::vector<double> at, int orders = 3) {
  std::string params, uses;
  std::vector<Array> args;
  std::vector<int> wrt;
  for (int i = 0; i < operands; ++i) {
    params += (i ? ", %" : "%") + std::to_string(i) + ": f64[N]";
    uses += (i ? ", %" : "%") + std::to_string(i);
    args.push_back(vec({at[size_t(i)], at[size_t(i)] * 1.25}));
    wrt.push_back(i);
  }
  SCOPED_TRACE(op);
  check(Case("fn @0 f[N](" + params + ") {\n %9: f64[N] = " + op + "(" + uses + ")\n return %9\n}", args,
             {2}), wrt, orders);
}

TEST(Differentiate, EveryScalarRow) {
  scalar_row("add", 2, {0.3, 0.4});
  scalar_row("sub", 2, {0.3, 0.4});
  scalar_row("mul", 2, {0.3, 0.4});
  scalar_row("div", 2, {0.3, 0.4});
  scalar_row("rem", 2, {2.3, 0.4});
  scalar_row("neg", 1, {0.3});
  scalar_row("abs", 1, {-0.3});
  scalar_row("min", 2, {0.3, 0.4});
  scalar_row("max", 2, {0.3, 0.4});
  scalar_row("fma", 3, {0.3, 0.4, 0.5});
  scalar_row("pow", 2, {1.3, 2.4});
  scalar_row("sqrt", 1, {0.8});
  scalar_row("exp", 1, {0.3});
  scalar_row("expm1", 1, {0.3});
  scalar_row("log", 1, {0.6});
  scalar_row("log1p", 1, {0.3});
  scalar_row("sin", 1, {0.3});
  scalar_row("cos", 1, {0.3});
  scalar_row("tanh", 1, {0.3});
  scalar_row("erf", 1, {0.3});
  scalar_row("atan2", 2, {0.3, 0.4});
}

std::vector<double> gradient_of(Case c, std::vector<int> wrt = {0}) {
  const FnId g = ir::make_vjp(*c.module, 0, wrt, {0});
  auto got = c.run_both(g, {num(1)});
  std::vector<double> out;
  for (size_t i = 1; i < got.size(); ++i) out.insert(out.end(), got[i].at.begin(), got[i].at.end());
  return out;
}

TEST(Differentiate, ConventionsAtKinks) {
  auto two = [](std::string op, double x, double y) {
    return gradient_of(Case("fn @0 f[](%0: f64, %1: f64) {\n %2: f64 = " + op +
                            "(%0, %1)\n return %2\n}", {num(x), num(y)}), {0, 1});
  };
  using V = std::vector<double>;
  EXPECT_EQ(two("max", 1, 1), (V{0, 1}));
  EXPECT_EQ(two("min", 1, 1), (V{0, 1}));
  EXPECT_EQ(two("pow", 0, 2), (V{0, 0}));
  EXPECT_EQ(two("pow", 0, 0), (V{0, 0}));
  EXPECT_EQ(two("pow", 0, 1), (V{1, 0}));
  EXPECT_EQ(gradient_of(Case("fn @0 f[](%0: f64) {\n %1: f64 = abs(%0)\n return %1\n}", {num(0)})), V{0});
  EXPECT_EQ(gradient_of(Case("fn @0 f[](%0: f64[3]) {\n %1: f64 = reduce(%0) max axes=[0]\n return %1\n}",
                             {vec({1, 2, 2})})), (V{0, 1, 0}));
  EXPECT_EQ(gradient_of(Case("fn @0 f[](%0: f64[4]) {\n %1: f64 = reduce(%0) prod axes=[0]\n return %1\n}",
                             {vec({2, 0, 3, 5})})), (V{0, 30, 0, 0}));
  EXPECT_EQ(gradient_of(Case("fn @0 f[](%0: f64[4]) {\n %1: f64 = reduce(%0) prod axes=[0]\n return %1\n}",
                             {vec({2, 0, 0, 5})})), (V{0, 0, 0, 0}));
}

TEST(Differentiate, RefusesWhatHasNoDerivative) {
  const Diagnostic flat = refused(Case(R"(fn @0 f[](%0: f64) {
    %1: f64 = floor(%0)
    %2: f64 = add(%1, %0)
    return %2
  })", {}), {0});
  EXPECT_EQ(flat.code, Code::E0501);
  Case placed(R"(fn @0 f[](%0: f64) {
    %1: f64 = exp(%0)
    %2: f64 = round(%1)
    return %2
  })", {});
  placed.module->fn(0).body.nodes[1].loc = {1, 5, 9};
  EXPECT_EQ(refused(std::move(placed), {0}).where, (Loc{1, 5, 9}));
  EXPECT_EQ(refused(Case(R"(fn @0 f[](%0: f64) {
    %1: i64 = convert(%0)
    %2: f64 = convert(%1)
    return %2
  })", {}), {0}).code, Code::E0501);
  EXPECT_EQ(refused(Case(R"(fn @0 f[](%0: f64 data "x", %1: f64) {
    %2: f64 = stop_gradient(%0)
    %3: f64 = mul(%2, %1)
    return %3
  })", {}), {0}).message, "the result of `f` does not depend on `x`, so it has no derivative with respect to it");
  EXPECT_EQ(refused(Case(R"(fn @0 f[](%0: f64) effect {
    %1: f64 = mul(%0, %0)
    host(%1) "print"
    return %1
  })", {}), {0}).code, Code::E0701);
  // Under stop_gradient a step is a constant.
  EXPECT_EQ(gradient_of(Case(R"(fn @0 f[](%0: f64) {
    %1: f64 = floor(%0)
    %2: f64 = stop_gradient(%1)
    %3: f64 = mul(%2, %0)
    return %3
  })", {num(2.5)})), std::vector<double>{2});
}

// ---------------------------------------------------------------- structure

// One expression of one tensor x: f64[N, M], 2 by 3 unless said otherwise.
void one(const std::string& body, int orders = 2, Array x = some({2, 3})) {
  SCOPED_TRACE(body);
  std::vector<int64_t> sizes = x.shape;
  check(Case("fn @0 f[N, M](%0: f64[N, M]) {\n" + body + "\n}", {std::move(x)}, sizes), {0}, orders);
}

TEST(Differentiate, Moving) {
  one("%1: f64[N, 4, M] = broadcast(%0) axes=[0, 2]\n return %1");
  one("%1: f64[M, N] = transpose(%0) axes=[1, 0]\n return %1");
  one("%1: f64[N*M] = reshape(%0)\n return %1");
  one("%1: i64 = constant 1\n%2: i64 = constant 0\n%3: f64[1, 2] = slice(%0, %1, %2) strides=[1, 2]\n"
      "return %3");
  one("%1: i64 = constant 1\n%2: i64 = constant 0\n%3: f64[1, 2] = slice(%0, %2, %1) strides=[1, 1]\n"
      "%4: f64[N, M] = update(%0, %3, %1, %2) strides=[1, 2]\n%5: f64[N, M] = mul(%4, %0)\nreturn %5");
  one("%1: f64[N, M] = sin(%0)\n%2: f64[N, 2*M] = concat(%0, %1) axis=1\n"
      "%3: f64[N, 4*M] = concat(%2, %0, %0) axis=1\n return %3");
  one("%1: i64[N, M] = convert(%0)\n%2: f64[N, M] = convert(%1)\n%3: f64[N, M] = mul(%2, %0)\nreturn %3",
      2, some({2, 3}, 1, 4));
}

TEST(Differentiate, ReductionsAndScans) {
  for (std::string kind : {"sum", "prod", "max", "min"}) {
    one("%1: f64[M] = reduce(%0) " + kind + " axes=[0]\n return %1");
    one("%1: f64[N] = reduce(%0) " + kind + " axes=[1]\n return %1");
    one("%1: f64 = reduce(%0) " + kind + " axes=[0, 1]\n return %1", 3);
    for (std::string reverse : {"", " reverse"}) {
      one("%1: f64[N, M] = scan(%0) " + kind + " axis=1" + reverse + "\n return %1", 3);
      one("%1: f64[N, M] = scan(%0) " + kind + " axis=0" + reverse + "\n return %1", 2, some({4, 2}));
    }
  }
  Array x = some({3, 3});
  x.at[4] = 0;  // a zero among factors
  one("%1: f64[N] = reduce(%0) prod axes=[1]\n return %1", 3, x);
  one("%1: f64[N, M] = scan(%0) prod axis=1\n return %1", 3, x);
  x.at[3] = 0;  // two of them
  one("%1: f64[N] = reduce(%0) prod axes=[1]\n return %1", 3, x);
  one("%1: f64[N, M] = scan(%0) prod axis=1\n return %1", 3, x);
  one("%1: f64[N, 2, M] = broadcast(%0) axes=[0, 2]\n%2: f64[2] = reduce(%1) prod axes=[0, 2]\nreturn %2");
  one("%1: i64[N] = arg_reduce(%0) max axis=1\n%2: f64[N] = convert(%1)\n%3: f64[N, M] = broadcast(%2) axes=[0]\n"
      "%4: f64[N, M] = mul(%3, %0)\nreturn %4");
}

TEST(Differentiate, Sorting) {
  one("%1: f64[N, M], %2: i64[N, M] = sort(%0) axis=1\n%3: f64[N, M] = convert(%2)\n"
      "%4: f64[N, M] = mul(%3, %1)\nreturn %1, %4", 3, some({2, 4}));
}

void two(const std::string& head, const std::string& body, Array x, Array y, std::vector<int64_t> sizes,
         int orders = 3) {
  SCOPED_TRACE(body);
  check(Case("fn @0 f" + head + " {\n" + body + "\n}", {std::move(x), std::move(y)}, std::move(sizes)),
        {0, 1}, orders);
}

TEST(Differentiate, Contractions) {
  two("[A, B, C](%0: f64[A, B], %1: f64[B, C])",
      "%2: f64[A, C] = contract(%0, %1) range=[A, C, B] a=[$0, $2] b=[$2, $1] out=[0, 1]\nreturn %2",
      some({2, 3}), some({3, 2}, -1, 1, 2), {2, 3, 2});
  two("[A, B, C](%0: f64[A, C, B], %1: f64[A, C])",  // batched, and transposed out
      "%2: f64[B, A] = contract(%0, %1) range=[A, B, C] a=[$0, $2, $1] b=[$0, $2] out=[1, 0]\nreturn %2",
      some({2, 2, 3}), some({2, 2}, -1, 1, 2), {2, 3, 2});
  two("[A](%0: f64[A], %1: f64[A])", "%2: f64 = contract(%0, %1) range=[A] a=[$0] b=[$0] out=[]\nreturn %2",
      some({3}), some({3}, -1, 1, 2), {3});
  two("[A, B](%0: f64[A, B], %1: f64[A])",  // an index that only one operand has
      "%2: f64[A] = contract(%0, %1) range=[A, B] a=[$0, $1] b=[$0] out=[0]\nreturn %2", some({2, 3}),
      some({2}, -1, 1, 2), {2, 3});
  two("[A](%0: f64[A, A], %1: f64[A])",  // a diagonal
      "%2: f64[A] = contract(%0, %1) range=[A] a=[$0, $0] b=[$0] out=[0]\nreturn %2", some({3, 3}),
      some({3}, -1, 1, 2), {3});
  two("[A](%0: f64[A, A], %1: f64[A])",  // one row
      "%2: f64[A] = contract(%0, %1) range=[A] a=[(1), $0] b=[$0] out=[0]\nreturn %2", some({3, 3}),
      some({3}, -1, 1, 2), {3});
}

TEST(Differentiate, Windows) {
  two("[N, K](%0: f64[N], %1: f64[K])",
      "%2: f64[N - K + 1] = contract(%0, %1) range=[N - K + 1, K] a=[$0 + $1] b=[$1] out=[0]\nreturn %2",
      some({6}), some({3}, -1, 1, 2), {6, 3});
  // Stride 2, dilation 3, an offset, two channels in and three out.
  two("[](%0: f64[2, 12], %1: f64[3, 2, 3])",
      "%2: f64[3, 2] = contract(%0, %1) range=[3, 2, 2, 3] a=[$2, 2*$1 + 3*$3 + (1)] b=[$0, $2, $3] "
      "out=[0, 1]\nreturn %2", some({2, 12}), some({3, 2, 3}, -1, 1, 2), {});
  // A window that runs backward.
  two("[](%0: f64[8], %1: f64[3])",
      "%2: f64[4] = contract(%0, %1) range=[4, 3] a=[$0 + -1*$1 + (2)] b=[$1] out=[0]\nreturn %2",
      some({8}), some({3}, -1, 1, 2), {});
  // The other side has the window.
  two("[](%0: f64[3, 2], %1: f64[9, 2])",
      "%2: f64[4] = contract(%0, %1) range=[4, 3, 2] a=[$1, $2] b=[2*$0 + $1, $2] out=[0]\nreturn %2",
      some({3, 2}), some({9, 2}, -1, 1, 2), {});
  // Two dimensions.
  two("[](%0: f64[5, 4], %1: f64[2, 3])",
      "%2: f64[4, 2] = contract(%0, %1) range=[4, 2, 2, 3] a=[$0 + $2, $1 + $3] b=[$2, $3] out=[0, 1]\n"
      "return %2", some({5, 4}), some({2, 3}, -1, 1, 2), {});
  // No index of the result runs along: every window begins at a summed one.
  two("[](%0: f64[5], %1: f64[3, 3])",
      "%2: f64 = contract(%0, %1) range=[3, 3] a=[$0 + $1] b=[$0, $1] out=[]\nreturn %2", some({5}),
      some({3, 3}, -1, 1, 2), {});
}

TEST(Differentiate, MapsAndGathers) {
  // Rows by number, with a factor from around.
  check(Case(R"(fn @0 f[V, D, B](%0: f64[V, D], %1: i64[B], %2: f64) {
    %3: f64[B, D] = map out=[B, D] {
      (%4: i64, %5: i64)
      %6: i64 = read(%1, %4)
      %7: f64 = read(%0, %6, %5)
      %8: f64 = mul(%7, %2)
      %9: f64 = sin(%8)
      yield %9
    }
    return %3
  })", {some({4, 2}), vec({3, 1, 3}), num(0.7)}, {4, 2, 3}), {0, 2}, 3);
  // |u[i] - v[j]| to a power, with plain reads, and a sum.
  for (std::string kind : {"sum", "prod", "max", "min"})
    check(Case(R"(fn @0 f[N, M](%0: f64[N], %1: f64[M]) {
      %2: f64[N] = map out=[N] red=[M] )" + kind + R"( {
        (%3: i64, %4: i64)
        %5: f64 = read(%0, %3)
        %6: f64 = read(%1, %4)
        %7: f64 = sub(%5, %6)
        %8: f64 = abs(%7)
        %9: f64 = mul(%8, %7)
        %10: f64 = mul(%9, %6)
        yield %10
      }
      return %2
    })", {some({3}), some({2}, -1, 1, 2)}, {3, 2}), {0, 1}, kind == "prod" ? 3 : 2);
  // A triangle by an if; reads only in the branches, one of them twice.
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64) {
    %2: f64[N] = map out=[N] red=[N] sum {
      (%3: i64, %4: i64)
      %5: bool = lt(%4, %3)
      %6: f64 = mul(%1, %1)
      %7: f64 = if(%5) {
        %8: f64 = read(%0, %4)
        %9: f64 = read(%0, %3)
        %10: f64 = mul(%8, %9)
        %11: f64 = mul(%10, %6)
        yield %11
      } {
        yield %6
      }
      yield %7
    }
    return %2
  })", {some({3}), num(0.8)}, {3}), {0, 1}, 3);
  // A scalar map, and a body that is what it captures.
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64) {
    %2: f64 = map out=[] red=[N] sum {
      (%3: i64)
      %4: f64 = read(%0, %3)
      %5: f64 = mul(%4, %4)
      yield %5
    }
    %6: f64[N] = map out=[N] {
      (%7: i64)
      yield %1
    }
    return %2, %6
  })", {some({3}), num(0.8)}, {3}), {0, 1}, 2);
}

TEST(Differentiate, Scatters) {
  check(Case(R"(fn @0 f[N, M](%0: f64[N], %1: f64[M], %2: i64[M]) {
    %3: f64[N] = scatter(%0) dims=[M] {
      (%4: i64)
      %5: i64 = read(%2, %4)
      %6: f64 = read(%1, %4)
      %7: f64 = read(%0, %5)
      %8: f64 = mul(%6, %7)
      yield %5, %8
    }
    return %3
  })", {some({3}), some({4}, -1, 1, 2), vec({2, 0, 2, 1})}, {3, 4}), {0, 1}, 3);
}

// A map in a loop: what its body reads is kept, what it computes is not.
TEST(Differentiate, MapsInLoops) {
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N, N], %2: i64[N]) {
    %3: i64 = constant 0
    %4: i64 = constant 3
    %5: f64[N] = for(%3, %4, %0) {
      (%6: i64, %7: f64[N])
      %8: f64[N] = map out=[N] red=[N] sum {
        (%9: i64, %10: i64)
        %11: i64 = read(%2, %10)
        %12: f64 = read(%7, %11)
        %13: f64 = read(%1, %9, %10)
        %14: f64 = mul(%12, %13)
        %15: f64 = sin(%14)
        yield %15
      }
      yield %8
    }
    return %5
  })", {some({2}), some({2, 2}, -1, 1, 2), vec({1, 1})}, {2}), {0, 1}, 3);
}

// ---------------------------------------------------------------- control

constexpr const char* kNewton = R"(fn @0 newton[](%0: f64, %1: i64) {
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
      %21: f64 = constant 1e-12
      %22: bool = lt(%20, %21)
      %23: bool = not(%22)
      %24: f64 = select(%22, %12, %18)
      %25: i64 = constant 1
      %26: i64 = add(%14, %25)
      yield %24, %23, %26
    }
    return %4
  })";

TEST(Differentiate, NewtonsWhileToOrderThree) {
  check(Case(kNewton, {num(2), num(50)}), {0}, 3, false);
  check(Case(kNewton, {num(2), num(3)}), {0}, 3);
  check(Case(kNewton, {num(2), num(1)}), {0}, 2);
  Case c(kNewton, {num(2), num(50)});
  EXPECT_NEAR(c.run(ir::make_vjp(*c.module, 0, {0}, {0}), {num(1)})[1].at[0], 0.5 / std::sqrt(2), 1e-12);
}

TEST(Differentiate, ALoopThatNeverRuns) {
  Case c(kNewton, {num(2), num(0)});
  EXPECT_EQ(c.run(ir::make_vjp(*c.module, 0, {0}, {0}), {num(3)})[1].at[0], 3);
}

TEST(Differentiate, ForLoops) {
  // x <- x*sin(a*x + i), with a captured and the index used
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N], %2: i64) {
    %3: i64 = constant 1
    %4: f64[N] = for(%3, %2, %0) {
      (%5: i64, %6: f64[N])
      %7: f64[N] = mul(%1, %6)
      %8: f64 = convert(%5)
      %9: f64[N] = broadcast(%8) axes=[]
      %10: f64[N] = add(%7, %9)
      %11: f64[N] = sin(%10)
      %12: f64[N] = mul(%6, %11)
      yield %12
    }
    return %4
  })", {vec({0.9, 1.3}), vec({0.4, -0.6}), num(5)}, {2}), {0, 1}, 3);
}

TEST(Differentiate, NestedLoopsWithAnIfInside) {
  check(Case(R"(fn @0 f[](%0: f64, %1: f64) {
    %2: i64 = constant 0
    %3: i64 = constant 3
    %4: f64, %5: f64 = for(%2, %3, %0, %1) {
      (%6: i64, %7: f64, %8: f64)
      %9: f64 = mul(%7, %8)
      %10: f64 = for(%2, %6, %9) {
        (%11: i64, %12: f64)
        %13: i64 = constant 1
        %14: bool = lt(%11, %13)
        %15: f64 = if(%14) {
          %16: f64 = sin(%12)
          %17: f64 = mul(%16, %8)
          yield %17
        } {
          %18: f64 = exp(%0)
          %19: f64 = mul(%12, %18)
          %20: f64 = cos(%19)
          yield %20
        }
        yield %15
      }
      %21: f64 = add(%8, %10)
      yield %10, %21
    }
    %22: f64 = mul(%4, %5)
    return %22, %4
  })", {num(0.8), num(0.5)}), {0, 1}, 3);
}

TEST(Differentiate, CarriesThatMoveOrStay) {
  // One carry is handed round, one is a constant from the second turn on, one is not float.
  check(Case(R"(fn @0 f[](%0: f64, %1: f64, %2: f64, %3: i64) {
    %4: i64 = constant 0
    %5: f64, %6: f64, %7: f64, %8: i64 = for(%4, %3, %0, %1, %2, %4) {
      (%9: i64, %10: f64, %11: f64, %12: f64, %13: i64)
      %14: f64 = mul(%10, %11)
      %15: f64 = constant 0.5
      %16: i64 = constant 1
      %17: i64 = add(%13, %16)
      %18: f64 = mul(%14, %12)
      yield %11, %18, %15, %17
    }
    %19: f64 = add(%5, %6)
    return %19, %8
  })", {num(0.8), num(0.5), num(1.5), num(4)}), {0, 1, 2}, 2);
}

TEST(Differentiate, BranchesOfAnIf) {
  for (double side : {0.0, 1.0})
    check(Case(R"(fn @0 f[](%0: f64, %1: f64, %2: bool) {
      %3: f64, %4: f64 = if(%2) {
        %5: f64 = mul(%0, %1)
        %6: f64 = sin(%5)
        yield %6, %0
      } {
        %7: f64 = constant 2.0
        %8: f64 = exp(%1)
        yield %7, %8
      }
      %9: f64 = mul(%3, %4)
      return %9
    })", {num(0.8), num(0.5), num(side)}), {0, 1}, 3);
}

// ---------------------------------------------------------------- calls

TEST(Differentiate, CallsOfCalls) {
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N]) {
    %2: f64[N] = call(%0, %1) @1 sizes=[N]
    %3: f64[N] = call(%2, %1) @1 sizes=[N]
    %4: f64[N] = mul(%2, %3)
    return %4
  }
  fn @1 g[M](%0: f64[M], %1: f64[M]) {
    %2: f64[M] = call(%0) @2 sizes=[M]
    %3: f64[M] = mul(%2, %1)
    return %3
  }
  fn @2 h[K](%0: f64[K]) {
    %1: f64[K] = exp(%0)
    %2: f64[K] = sin(%1)
    return %2
  })", {vec({0.2, 0.5}), vec({0.7, -0.4})}, {2}), {0, 1}, 3);
}

TEST(Differentiate, CallsInsideLoopsAndLoopsInsideCalls) {
  check(Case(R"(fn @0 f[N](%0: f64[N], %1: f64[N], %2: i64) {
    %3: i64 = constant 0
    %4: f64[N] = for(%3, %2, %0) {
      (%5: i64, %6: f64[N])
      %7: f64[N] = call(%6, %1) @1 sizes=[N]
      yield %7
    }
    %8: f64[N] = call(%4, %1) @1 sizes=[N]
    return %8
  }
  fn @1 g[M](%0: f64[M], %1: f64[M]) {
    %2: i64 = constant 0
    %3: i64 = constant 2
    %4: f64[M] = for(%2, %3, %0) {
      (%5: i64, %6: f64[M])
      %7: f64[M] = mul(%6, %1)
      %8: f64[M] = sin(%7)
      yield %8
    }
    %9: f64[M] = mul(%4, %0)
    return %9
  })", {vec({0.9, 1.3}), vec({1.4, -0.6}), num(2)}, {2}), {0, 1}, 3);
}

TEST(Differentiate, RecursionOnce) {
  // x^n = x * x^(n-1), with a bend
  check(Case(R"(fn @0 power[](%0: f64, %1: i64) recursive {
    %2: i64 = constant 1
    %3: bool = lt(%1, %2)
    %4: f64 = if(%3) {
      %5: f64 = constant 1.0
      yield %5
    } {
      %6: i64 = sub(%1, %2)
      %7: f64 = call(%0, %6) @0
      %8: f64 = mul(%0, %7)
      yield %8
    }
    return %4
  })", {num(1.3), num(5)}), {0}, 3);
}

TEST(Differentiate, RecursionTwice) {
  // t(x, n) = sin(t(x, n-1)) * t(x*x, n-2) + x
  check(Case(R"(fn @0 tree[](%0: f64, %1: i64) recursive {
    %2: i64 = constant 1
    %3: bool = lt(%1, %2)
    %4: f64 = if(%3) {
      yield %0
    } {
      %5: i64 = sub(%1, %2)
      %6: i64 = sub(%5, %2)
      %7: f64 = call(%0, %5) @0
      %8: f64 = sin(%7)
      %9: f64 = mul(%0, %0)
      %10: f64 = call(%9, %6) @0
      %11: f64 = mul(%8, %10)
      %12: f64 = add(%11, %0)
      yield %12
    }
    return %4
  })", {num(0.9), num(5)}), {0}, 3);
}

TEST(Differentiate, MutualRecursionInALoop) {
  check(Case(R"(fn @0 f[](%0: f64, %1: f64) {
    %2: i64 = constant 0
    %3: i64 = constant 3
    %4: f64 = for(%2, %3, %0) {
      (%5: i64, %6: f64)
      %7: f64 = call(%6, %1, %5) @1
      yield %7
    }
    return %4
  }
  fn @1 even[](%0: f64, %1: f64, %2: i64) recursive {
    %3: i64 = constant 1
    %4: bool = lt(%2, %3)
    %5: f64 = if(%4) {
      %6: f64 = sin(%0)
      yield %6
    } {
      %7: i64 = sub(%2, %3)
      %8: f64 = mul(%0, %1)
      %9: f64 = call(%8, %7) @2
      yield %9
    }
    return %5
  }
  fn @2 odd[](%0: f64, %1: i64) recursive {
    %2: f64 = constant 0.7
    %3: f64 = call(%0, %2, %1) @1
    %4: f64 = mul(%3, %0)
    return %4
  })", {num(0.8), num(1.1)}), {0, 1}, 2);
}

TEST(Differentiate, SizesBoundInside) {
  // The loop makes vectors of the length of its index; the callee too.
  const char* text = R"(fn @0 f[](%0: f64, %1: i64) {
    %2: i64 = constant 0
    %3: f64 = for(%2, %1, %0) {
      (%4: i64, %5: f64)
      bind_dim(%4) K?
      %6: f64[K?] = broadcast(%5) axes=[]
      %7: f64[K?] = iota axis=0
      %8: f64[K?] = mul(%6, %7)
      %9: f64[K?] = sin(%8)
      %10: f64[K?] = exp(%9)
      %11: f64 = reduce(%10) sum axes=[0]
      %12: f64 = mul(%11, %5)
      yield %12
    }
    %13: f64 = call(%3, %1) @1
    return %13
  }
  fn @1 g[](%0: f64, %1: i64) {
    bind_dim(%1) L?
    %2: f64[L?] = broadcast(%0) axes=[]
    %3: f64[L?] = iota axis=0
    %4: f64[L?] = mul(%2, %3)
    %5: f64[L?] = sin(%4)
    %6: f64 = reduce(%5) sum axes=[0]
    return %6
  })";
  check(Case(text, {num(0.3), num(3)}), {0}, 2);
}

TEST(Differentiate, ACallThatReturnsASizeOfItsOwn) {
  check(Case(R"(fn @0 f[](%0: f64, %1: i64) {
    %2: f64[n?] = call(%0, %1) @1 fresh=[L?: n?]
    %3: f64[n?] = mul(%2, %2)
    %4: f64 = reduce(%3) sum axes=[0]
    return %4
  }
  fn @1 g[](%0: f64, %1: i64) {
    bind_dim(%1) L?
    %2: f64[L?] = broadcast(%0) axes=[]
    %3: f64[L?] = iota axis=0
    %4: f64[L?] = mul(%2, %3)
    %5: f64[L?] = sin(%4)
    return %5
  })", {num(0.3), num(4)}), {0}, 2);
}

TEST(Differentiate, DeriveInsideWhatIsDifferentiated) {
  // h(x) = x * g'(x)
  check(Case(R"(fn @0 h[](%0: f64) {
    %1: f64 = constant 1.0
    %2: f64, %3: f64 = derive(%0, %1) vjp @1 wrt=[0] seeds=[0]
    %4: f64, %5: f64 = derive(%0, %3) jvp @1 wrt=[0] seeds=[0]
    %6: f64 = mul(%5, %0)
    return %6
  }
  fn @1 g[](%0: f64) {
    %1: f64 = sin(%0)
    %2: f64 = mul(%1, %1)
    return %2
  })", {num(0.3)}), {0}, 2);
}

TEST(Differentiate, TheDerivativeOfItselfIsRefused) {
  const Diagnostic d = refused(Case(R"(fn @0 f[](%0: f64) recursive {
    %1: f64 = constant 1.0
    %2: f64, %3: f64 = derive(%0, %1) vjp @0 wrt=[0] seeds=[0]
    %4: f64 = mul(%3, %0)
    return %4
  })", {}), {0});
  EXPECT_EQ(d.code, Code::E0501);
}

TEST(Differentiate, ARuleOfItsOwn) {
  // softplus with a rule that says twice the truth, so that it shows
  const char* text = R"(fn @0 f[](%0: f64, %1: i64) {
    %2: i64 = constant 0
    %3: f64 = for(%2, %1, %0) {
      (%4: i64, %5: f64)
      %6: f64 = call(%5) @1
      yield %6
    }
    return %3
  }
  fn @1 g[](%0: f64) rule=@2 {
    %1: f64 = exp(%0)
    return %1
  }
  fn @2 rule[](%0: f64, %1: f64, %2: f64) {
    %3: f64 = mul(%1, %2)
    %4: f64 = add(%3, %3)
    return %4
  })";
  Case c(text, {num(0.1), num(2)});
  const double y = std::exp(0.1);
  EXPECT_NEAR(c.run(ir::make_vjp(*c.module, 0, {0}, {0}), {num(1)})[1].at[0], 4 * std::exp(y) * y, 1e-12);
  EXPECT_NEAR(c.run(ir::make_jvp(*c.module, 0, {0}, {0}), {num(1)})[1].at[0], std::exp(y) * y, 1e-12);
  const FnId direct = ir::make_vjp(*c.module, 1, {0}, {0});
  EXPECT_NEAR(NaiveEval(*c.module).run(direct, {}, {num(0.1), num(1)})[1].at[0], 2 * y, 1e-12);
  // The rule itself is differentiated for order 2.
  const FnId first = ir::make_vjp(*c.module, 0, {0}, {0});
  const FnId second = ir::make_vjp(*c.module, first, {0}, {1});
  c.args[1] = num(1);
  EXPECT_NEAR(c.run(second, {num(1), num(1)})[2].at[0], 4 * y, 1e-12);
}

TEST(Differentiate, DebugRunsOnceAndChecksStay) {
  Case c(R"(fn @0 f[](%0: f64) {
    %1: f64 = sin(%0)
    debug(%1) "here {}"
    %2: f64 = constant 0.0
    %3: bool = lt(%2, %1)
    check(%3) E0804 "positive"
    %4: f64 = mul(%1, %1)
    return %4
  })", {num(0.5)});
  const FnId g = ir::make_vjp(*c.module, 0, {0}, {0});
  NaiveEval eval(*c.module);
  EXPECT_NEAR(eval.run(g, {}, {num(0.5), num(1)})[1].at[0], std::sin(1.0), 1e-12);
  EXPECT_EQ(eval.debugged, 1);
  EXPECT_THROW(c.args[0] = num(-0.5); c.run(g, {num(1)}), std::runtime_error);
}

TEST(Differentiate, WhatComesOutIsWrittenOnce) {
  Case c(kNewton, {});
  EXPECT_EQ(ir::make_vjp(*c.module, 0, {0}, {0}), ir::make_vjp(*c.module, 0, {0}, {0}));
}

// A loop that reads and writes single elements, under an if: each turn adds to what it read.
TEST(Differentiate, ElementsInLoops) {
  const char* text = R"(fn @0 f[N](%0: f64[N], %1: f64[N]) {
    %2: i64 = constant 0
    %3: i64 = size N
    %4: f64[N] = for(%2, %3, %0) {
      (%5: i64, %6: f64[N])
      %7: i64 = constant 1
      %8: bool = lt(%5, %7)
      %9: f64[1] = if(%8) {
        %10: f64[1] = slice(%1, %5) strides=[1]
        %11: f64[1] = mul(%10, %10)
        yield %11
      } {
        %12: i64 = sub(%5, %7)
        %13: f64[1] = slice(%6, %12) strides=[1]
        %14: f64[1] = slice(%1, %12) strides=[1]
        %15: f64[1] = mul(%13, %14)
        yield %15
      }
      %16: f64[1] = slice(%6, %5) strides=[1]
      %17: f64[1] = mul(%9, %16)
      %18: f64[N] = update(%6, %17, %5) strides=[1]
      yield %18
    }
    return %4
  })";
  check(Case(text, {some({4}), some({4}, -1, 1, 2)}, {4}), {0, 1}, 3);
  // Nothing in the backward loop is as large as the tensor but the totals themselves.
  Case c(text, {});
  const Function& g = c.module->fn(ir::make_vjp(*c.module, 0, {0, 1}, {0}));
  auto walk = [&](auto& self, const ir::Region& r, bool inside) -> void {
    for (const ir::Node& n : r.nodes) {
      if (inside && n.op == Op::broadcast) EXPECT_EQ(g.type(n.results[0]).shape[0], c.module->dims.constant(1));
      if (inside && n.op == Op::add && g.type(n.results[0]).rank() > 0)
        EXPECT_EQ(g.type(n.results[0]).shape[0], c.module->dims.constant(1));
      for (const ir::Region& inner : n.regions) self(self, inner, inside || n.op == Op::for_);
    }
  };
  walk(walk, g.body, false);
}

// Loop invariants and what is free to rebuild are not pushed: one push per turn, of the tanh.
TEST(Differentiate, KeepsNoMoreThanItMust) {
  Case c(R"(fn @0 f[N](%0: f64[N], %1: f64[N, N], %2: i64) {
    %3: i64 = constant 0
    %4: f64[N] = for(%3, %2, %0) {
      (%5: i64, %6: f64[N])
      %7: f64[N] = contract(%1, %6) range=[N, N] a=[$0, $1] b=[$1] out=[0]
      %8: f64 = constant 0.5
      %9: f64[N] = broadcast(%8) axes=[]
      %10: f64[N] = mul(%7, %9)
      %11: f64[N] = tanh(%10)
      yield %11
    }
    return %4
  })", {});
  const FnId g = ir::make_vjp(*c.module, 0, {0}, {0});
  std::map<Op, int> count;
  auto walk = [&](auto& self, const ir::Region& r) -> void {
    for (const ir::Node& n : r.nodes) {
      ++count[n.op];
      for (const ir::Region& inner : n.regions) self(self, inner);
    }
  };
  walk(walk, c.module->fn(g).body);
  EXPECT_EQ(count[Op::push], 1);
  EXPECT_EQ(count[Op::pop], 1);
  EXPECT_EQ(count[Op::tape_new], 1);
  // With respect to the matrix too each state is both what tanh gave and what the next turn takes:
  // it is pushed once.
  count.clear();
  walk(walk, c.module->fn(ir::make_vjp(*c.module, 0, {0, 1}, {0})).body);
  EXPECT_EQ(count[Op::push], 1);
  c.args = {some({2}), some({2, 2}, -1, 1, 2), num(4)};
  c.sizes = {2};
  check(std::move(c), {0, 1}, 3);
}

}  // namespace
}  // namespace tenon::test
