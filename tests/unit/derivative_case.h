// What the tests of differentiation share: derivatives against finite differences, order after
// order, and forward against reverse mode. Programs are IR text; what differentiation writes is
// verified, run by a naive evaluator and by the interpreter, which have to agree, and
// differentiated again.

#pragma once

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/literal.h"
#include "ir/passes.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "jit/interp/interp.h"
#include "tests/unit/naive_eval.h"

namespace tenon::test {

using ir::Builder;
using ir::FnId;
using ir::Function;
using ir::Op;
using ir::Value;

inline Array vec(std::vector<double> v) { return {{int64_t(v.size())}, v, {}}; }
inline Array num(double v) { return Array::scalar(v); }
// Some numbers without pattern in [lo, hi].
inline Array some(std::vector<int64_t> shape, double lo = -1, double hi = 1, int seed = 1) {
  Array a = array_of(std::move(shape));
  uint64_t s = uint64_t(seed) * 0x9e3779b97f4a7c15u;
  for (double& v : a.at) {
    s = s * 6364136223846793005u + 1442695040888963407u;
    v = lo + (hi - lo) * double(s >> 40) / double(1 << 24);
  }
  return a;
}

// Tensors of the types that `fn` takes, and back.
inline std::vector<Tensor> tensors(const Function& fn, const std::vector<Array>& args) {
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
inline Array array(const Tensor& any) {
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
  // A central difference of order h^6, so that rounding and truncation both stay below 1e-9.
  double difference(FnId fn, double& x, double h) {
    const double kept = x, weights[] = {45, -9, 1};
    double sum = 0;
    for (int step = 1; step <= 3; ++step) {
      x = kept + step * h;
      const double above = number(fn);
      x = kept - step * h;
      sum += weights[step - 1] * (above - number(fn)) / (60 * h);
    }
    x = kept;
    return sum;
  }

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
      w = b.one(Op::cos,
                {b.one(Op::add, {w, b.fill(b.number(DType::f64, 0.3 + double(k)), {count})})});
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

inline bool near(double a, double b, double relative) {
  return std::fabs(a - b) <= relative * std::max(1.0, std::fabs(a));
}

inline std::string at(int order, size_t param, size_t element) {
  return "order " + std::to_string(order) + ", parameter " + std::to_string(param) + ", element " +
         std::to_string(element);
}

// Gradients of every order up to `orders` with respect to `wrt`, held against central differences
// of the order below; and forward mode against reverse mode. `kinks`: the program may have some.
inline void check(Case c, std::vector<int> wrt, int orders = 2, bool bend = true,
                  bool kinks = false) {
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
        const double g = got[1 + i].at[k];
        const double difference = c.difference(scalar, x.at[k], 1e-4);
        // A kink close by shows in that a narrower difference says something else.
        if (kinks && !near(difference, c.difference(scalar, x.at[k], 2e-5), 2e-8)) continue;
        EXPECT_NEAR(g, difference, 1e-7 * std::max(1.0, std::fabs(difference)))
            << at(order, size_t(wrt[i]), k);
      }
    }
    const double forward_along = c.run_both(forward, direction)[1].at[0];
    EXPECT_NEAR(forward_along, along, 1e-9 * std::max(1.0, std::fabs(along))) << "order " << order;
    scalar = c.scalarised(gradient, 1, false);
  }
}

inline Diagnostic refused(Case c, std::vector<int> wrt, std::vector<int> seeds = {0}) {
  try {
    ir::make_vjp(*c.module, 0, wrt, seeds);
  } catch (const UserError& e) {
    return e.diagnostic;
  }
  ADD_FAILURE() << "it was not refused";
  return {};
}

inline std::vector<double> gradient_of(Case c, std::vector<int> wrt = {0}) {
  const FnId g = ir::make_vjp(*c.module, 0, wrt, {0});
  auto got = c.run_both(g, {num(1)});
  std::vector<double> out;
  for (size_t i = 1; i < got.size(); ++i) out.insert(out.end(), got[i].at.begin(), got[i].at.end());
  return out;
}

}  // namespace tenon::test
