// The closed set of operations of the IR (design.md a3). Adding one: docs/adding_an_operation.md.
//   SCALAR(name, operands, class)  elementwise over operands of equal shape; broadcasts are explicit
//   OTHER(name)                    structure and control: a written rule each
// Operand and result classes of scalar operations:
//   number   all operands one number dtype, result the same      float  likewise, floats only
//   integer  likewise, integers only                             logic  bools or integers, same out
//   compare  one dtype in (bool too for eq), bool out            special  its own rule in infer.cpp
#pragma once

#include <cstdint>
#include <string_view>

namespace tenon::ir {

// clang-format off
#define TENON_SCALAR_OPS(SCALAR) \
  SCALAR(add, 2, number) SCALAR(sub, 2, number) SCALAR(mul, 2, number) SCALAR(div, 2, number) \
  SCALAR(rem, 2, number) SCALAR(neg, 1, number) SCALAR(abs, 1, number) SCALAR(min, 2, number) \
  SCALAR(max, 2, number) SCALAR(fma, 3, float_) SCALAR(pow, 2, float_) \
  SCALAR(floor, 1, float_) SCALAR(ceil, 1, float_) SCALAR(trunc, 1, float_) SCALAR(round, 1, float_) \
  SCALAR(sqrt, 1, float_) SCALAR(exp, 1, float_) SCALAR(expm1, 1, float_) SCALAR(log, 1, float_) \
  SCALAR(log1p, 1, float_) SCALAR(sin, 1, float_) SCALAR(cos, 1, float_) SCALAR(tanh, 1, float_) \
  SCALAR(erf, 1, float_) SCALAR(atan2, 2, float_) \
  SCALAR(eq, 2, compare) SCALAR(lt, 2, compare) SCALAR(le, 2, compare) \
  SCALAR(and_, 2, logic) SCALAR(or_, 2, logic) SCALAR(xor_, 2, logic) SCALAR(not_, 1, logic) \
  SCALAR(shl, 2, integer) SCALAR(shr, 2, integer) \
  SCALAR(select, 3, special) SCALAR(convert, 1, special) SCALAR(rng, 2, special)

#define TENON_OTHER_OPS(OTHER) \
  OTHER(constant) OTHER(iota) OTHER(size) OTHER(broadcast) OTHER(reshape) OTHER(transpose) \
  OTHER(slice) OTHER(update) OTHER(concat) OTHER(reduce) OTHER(arg_reduce) OTHER(scan) \
  OTHER(contract) OTHER(sort) OTHER(map) OTHER(scatter) OTHER(read) \
  OTHER(retype) OTHER(call) OTHER(derive) OTHER(if_) OTHER(for_) OTHER(while_) \
  OTHER(push) OTHER(pop) OTHER(tape_new) OTHER(tape_end) \
  OTHER(bind_dim) OTHER(check) OTHER(debug) OTHER(stop_gradient) OTHER(host)
// clang-format on

enum class Op : uint8_t {
#define SCALAR(name, arity, cls) name,
#define OTHER(name) name,
  TENON_SCALAR_OPS(SCALAR) TENON_OTHER_OPS(OTHER)
#undef SCALAR
#undef OTHER
};

enum class OpClass : uint8_t { number, float_, integer, logic, compare, special, other };

struct OpFacts {
  std::string_view name;  // as printed: without a trailing underscore
  int8_t operands;        // -1: its own rule
  OpClass cls;
};

constexpr std::string_view trim_underscore(std::string_view s) {
  return s.ends_with('_') ? s.substr(0, s.size() - 1) : s;
}

inline constexpr OpFacts kOps[] = {
#define SCALAR(name, arity, cls) {trim_underscore(#name), arity, OpClass::cls},
#define OTHER(name) {trim_underscore(#name), -1, OpClass::other},
    TENON_SCALAR_OPS(SCALAR) TENON_OTHER_OPS(OTHER)
#undef SCALAR
#undef OTHER
};
inline constexpr int kOpCount = static_cast<int>(sizeof(kOps) / sizeof(kOps[0]));

constexpr const OpFacts& facts(Op op) { return kOps[static_cast<int>(op)]; }
constexpr std::string_view name(Op op) { return facts(op).name; }
constexpr bool is_scalar(Op op) { return facts(op).cls != OpClass::other; }

enum class ReduceKind : uint8_t { sum, prod, max, min, any, all };
inline constexpr std::string_view kReduceNames[] = {"sum", "prod", "max", "min", "any", "all"};
constexpr std::string_view name(ReduceKind k) { return kReduceNames[static_cast<int>(k)]; }

}  // namespace tenon::ir
