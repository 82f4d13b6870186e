// Evaluates scalar operations on constants (eval_const.h) by the scalar programs, on plain numbers.

#include "ir/eval_const.h"

#include <cstring>

#include "ir/scalar/program.h"

namespace tenon::ir {
namespace {

template <DType t>
scalar::Register<scalar::Plain, t> load(const Literal& l) {
  scalar::Storage<t> s;
  std::memcpy(&s, l.bytes.data(), sizeof(s));
  return scalar::load_plain<t>(s);
}

template <DType t>
Literal store(scalar::Register<scalar::Plain, t> v) {
  const scalar::Storage<t> s = scalar::store_plain<t>(v);
  Literal l{t, {}, std::string(sizeof(s), '\0')};
  std::memcpy(l.bytes.data(), &s, sizeof(s));
  return l;
}

}  // namespace

std::optional<Literal> eval_const(Op op, const std::vector<Literal>& operands, DType result) {
  if (!is_scalar(op) || operands.size() != size_t(facts(op).operands)) return {};
  for (const Literal& l : operands)
    if (!l.shape.empty() || l.bytes.size() != size_of(l.dtype)) return {};
  // select is known by the dtype of its values, all others by that of the first operand.
  const DType t = operands[op == Op::select ? 1 : 0].dtype;
  for (size_t i = op == Op::select ? 1 : 0; i < operands.size(); ++i)
    if (operands[i].dtype != t) return {};
  if (op == Op::select && operands[0].dtype != DType::boolean) return {};
  if (op != Op::convert && scalar::result_type(op, t) != result) return {};

  std::optional<Literal> out;
  scalar::Plain m;
  scalar::visit(op, t, [&]<Op kOp, DType kT>() {
    if constexpr (kOp == Op::convert) {
      scalar::visit_dtype(result, [&]<DType kTo>() {
        out = store<kTo>(scalar::convert<kT, kTo>(m, load<kT>(operands[0])));
      });
    } else if constexpr (kOp == Op::select) {
      out = store<kT>(scalar::apply<kOp, kT>(m, load<DType::boolean>(operands[0]),
                                             load<kT>(operands[1]), load<kT>(operands[2])));
    } else {
      constexpr DType kTo = scalar::result_type(kOp, kT);
      if constexpr (facts(kOp).operands == 1)
        out = store<kTo>(scalar::apply<kOp, kT>(m, load<kT>(operands[0])));
      else if constexpr (facts(kOp).operands == 2)
        out = store<kTo>(scalar::apply<kOp, kT>(m, load<kT>(operands[0]), load<kT>(operands[1])));
      else
        out = store<kTo>(scalar::apply<kOp, kT>(m, load<kT>(operands[0]), load<kT>(operands[1]),
                                                load<kT>(operands[2])));
    }
  });
  if (m.trapped) return {};
  return out;
}

}  // namespace tenon::ir
