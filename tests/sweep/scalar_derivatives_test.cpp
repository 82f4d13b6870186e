// rooms: support ir runtime kernels interp
// Every scalar operation on f64 (ir/op.h) against differences: gradients of order one to three in
// every operand, forward against reverse mode. An operation that refuses has to be flat there.
#include "ir/scalar/program.h"
#include "tests/unit/derivative_case.h"

namespace tenon::test {
namespace {

class ScalarDerivatives : public testing::TestWithParam<int> {};

TEST_P(ScalarDerivatives, AreLimitsOfDifferences) {
  const Op op = Op(GetParam());
  const int operands = ir::facts(op).operands;
  // Inside of every domain, away from the kinks of abs, min, max, rem and the steps of floor.
  const std::vector<double> points[] = {{0.6, 1.4, 0.3}, {0.45, 0.8, 1.9}, {0.5, -0.8, 1.2}};
  std::string params, uses;
  std::vector<Array> args;
  std::vector<int> wrt;
  for (int i = 0; i < operands; ++i) {
    params += (i ? ", %" : "%") + std::to_string(i) + ": f64[N]";
    uses += (i ? ", %" : "%") + std::to_string(i);
    args.push_back(vec(points[i]));
    wrt.push_back(i);
  }
  const std::string text = "fn @0 f[N](" + params + ") {\n %9: f64[N] = " + std::string(ir::name(op)) +
                           "(" + uses + ")\n return %9\n}";
  Case probe(text, args, {3});
  const ir::FnId scalar = probe.scalarised(0, 0, true);
  try {
    ir::make_vjp(*probe.module, scalar, wrt, {0});
  } catch (const UserError& e) {
    EXPECT_EQ(e.diagnostic.code, Code::E0501);
    for (int i : wrt)
      for (double& v : probe.args[size_t(i)].at)
        EXPECT_EQ(probe.difference(scalar, v, 1e-4), 0) << "refused, but not flat";
    return;
  }
  check(Case(text, args, {3}), wrt, 3);
}

// Those whose result carries a derivative and has no rule of its own (select, convert).
std::vector<int> smooth() {
  std::vector<int> out;
  for (int k = 0; k < ir::kOpCount; ++k) {
    const auto cls = ir::facts(Op(k)).cls;
    if (cls == ir::OpClass::number || cls == ir::OpClass::float_) out.push_back(k);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Op, ScalarDerivatives, testing::ValuesIn(smooth()),
                         [](const auto& i) { return std::string(ir::name(Op(i.param))); });

}  // namespace
}  // namespace tenon::test
