// One row per scalar operation (partials.h). Conventions, which are meaning: at a tie max and min
// give the derivative to their second operand, abs has 0 at 0, and integers and bools carry none.

#include "ir/passes/partials.h"

#include <string>

namespace tenon::ir {
namespace {

constexpr double kTwoOverSqrtPi = 1.1283791670955125739;

[[noreturn]] void flat(const Node& node) {
  fail(Code::E0501, node.loc,
       "`" + std::string(name(node.op)) +
           "` is flat: its derivative is 0 everywhere but at the steps, where it has none",
       "write stop_gradient(...) around it where no derivative is meant to pass");
}

}  // namespace

Value filled(Builder& b, const Type& like, double v) {
  return b.fill(b.number(like.dtype, v), like.shape);
}

Value apply_partial(Builder& b, const Node& node, size_t i, Value d, const Primals& p, DType to) {
  const Type t = b.type(d);
  auto x = [&](size_t k) { return p.operand(k); };
  auto number = [&](double v) { return filled(b, t, v); };
  auto op1 = [&](Op op, Value u) { return b.one(op, {u}); };
  auto op2 = [&](Op op, Value u, Value v) { return b.one(op, {u, v}); };
  auto times = [&](Value u) { return op2(Op::mul, d, u); };
  auto where = [&](Value c, Value u, Value v) { return b.one(Op::select, {c, u, v}); };
  // d where the condition holds, or where it does not; 0 elsewhere.
  auto pass_if = [&](Value c, bool holds) {
    return holds ? where(c, d, number(0)) : where(c, number(0), d);
  };
  switch (node.op) {
    case Op::add:
      return d;
    case Op::sub:
      return i == 0 ? d : op1(Op::neg, d);
    case Op::mul:
      return times(x(1 - i));
    case Op::div: {
      const Value by = x(1);
      return i == 0 ? op2(Op::div, d, by) : times(op1(Op::neg, op2(Op::div, p.result(), by)));
    }
    case Op::rem: {
      // a - q*b with a whole q: constant between the steps, and (a - y)/b gives it back.
      if (i == 0) return d;
      return times(op1(Op::neg, op2(Op::div, op2(Op::sub, x(0), p.result()), x(1))));
    }
    case Op::neg:
      return op1(Op::neg, d);
    case Op::abs: {
      const Value v = x(0), zero = number(0);
      return where(op2(Op::lt, v, zero), op1(Op::neg, d), where(op2(Op::lt, zero, v), d, zero));
    }
    case Op::min:
      return pass_if(op2(Op::lt, x(0), x(1)), i == 0);
    case Op::max:
      return pass_if(op2(Op::lt, x(1), x(0)), i == 0);
    case Op::fma:
      return i == 2 ? d : times(x(1 - i));
    case Op::pow: {
      const Value base = x(0), zero = number(0), one = number(1);
      if (i == 0) {
        // y * x^(y-1), which is 0 for y = 0 whatever x is.
        const Value y = x(1);
        const Value slope = op2(Op::mul, y, op2(Op::pow, base, op2(Op::sub, y, one)));
        return times(where(op2(Op::eq, y, zero), zero, slope));
      }
      // x^y * log x, which is 0 at x = 0. The inner select keeps -inf out of higher orders.
      const Value at_zero = op2(Op::eq, base, zero);
      const Value log = op1(Op::log, where(at_zero, one, base));
      return times(where(at_zero, zero, op2(Op::mul, p.result(), log)));
    }
    case Op::floor:
    case Op::ceil:
    case Op::trunc:
    case Op::round:
      flat(node);
    case Op::sqrt:
      return times(op2(Op::div, number(0.5), p.result()));  // inf at 0
    case Op::exp:
      return times(p.result());
    case Op::expm1:
      return times(op2(Op::add, p.result(), number(1)));
    case Op::log:
      return op2(Op::div, d, x(0));
    case Op::log1p:
      return op2(Op::div, d, op2(Op::add, x(0), number(1)));
    case Op::sin:
      return times(op1(Op::cos, x(0)));
    case Op::cos:
      return times(op1(Op::neg, op1(Op::sin, x(0))));
    case Op::tanh: {
      const Value y = p.result();
      return times(op2(Op::sub, number(1), op2(Op::mul, y, y)));
    }
    case Op::erf: {
      const Value v = x(0);
      const Value bell = op1(Op::exp, op1(Op::neg, op2(Op::mul, v, v)));
      return times(op2(Op::mul, number(kTwoOverSqrtPi), bell));
    }
    case Op::atan2: {  // atan2(y, x): x/(x*x + y*y) and -y/(x*x + y*y)
      const Value y = x(0), u = x(1);
      const Value r2 = op2(Op::add, op2(Op::mul, u, u), op2(Op::mul, y, y));
      return times(op2(Op::div, i == 0 ? u : op1(Op::neg, y), r2));
    }
    case Op::select:
      return pass_if(x(0), i == 1);
    case Op::convert:
      return b.convert(d, to);
    case Op::eq:
    case Op::lt:
    case Op::le:
    case Op::and_:
    case Op::or_:
    case Op::xor_:
    case Op::not_:
    case Op::shl:
    case Op::shr:
    case Op::rng:
      bug("a bool or an integer carries no derivative");
#define OTHER(name) case Op::name:
      TENON_OTHER_OPS(OTHER)
#undef OTHER
      bug("not a scalar operation");
  }
  bug("an unknown operation");
}

}  // namespace tenon::ir
