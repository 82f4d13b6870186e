// What a scalar operation costs beside an addition, roughly: one table for everybody who has to
// know. Kernels cut their work into chunks by it, the planner judges by it what may be computed
// twice, and `tenon bench` counts by it (docs/language.md tells the table).
#pragma once

#include "ir/dtype.h"
#include "ir/op.h"

namespace tenon::ir {

constexpr int cost_of(Op op) {
  switch (op) {
    case Op::div:
    case Op::sqrt:
      return 4;
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::tanh:
    case Op::erf:
    case Op::rem:
    case Op::rng:
      return 8;
    case Op::sin:
    case Op::cos:
    case Op::pow:
    case Op::atan2:
      return 24;
    case Op::fma:
      return 2;
#define SCALAR(name, arity, cls)
#define OTHER(name) case Op::name:
      TENON_SCALAR_OPS(SCALAR) TENON_OTHER_OPS(OTHER)
#undef SCALAR
#undef OTHER
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::neg:
    case Op::abs:
    case Op::min:
    case Op::max:
    case Op::floor:
    case Op::ceil:
    case Op::trunc:
    case Op::round:
    case Op::eq:
    case Op::lt:
    case Op::le:
    case Op::and_:
    case Op::or_:
    case Op::xor_:
    case Op::not_:
    case Op::shl:
    case Op::shr:
    case Op::select:
    case Op::convert:
      return 1;
  }
  return 1;
}

// Floating-point operations of a scalar operation whose result is of dtype t. Whole numbers,
// comparisons, choices and conversions are none.
constexpr int flops_of(Op op, DType t) {
  const OpClass cls = facts(op).cls;
  return is_float(t) && (cls == OpClass::number || cls == OpClass::float_) ? cost_of(op) : 0;
}

// Floating-point operations by where the hardware does them: f16 and bf16 are computed in f32.
struct Work {
  double f32 = 0, f64 = 0;

  void add(DType t, double count) {
    if (is_float(t)) (t == DType::f64 ? f64 : f32) += count;
  }
  Work& operator+=(const Work& other) {
    f32 += other.f32;
    f64 += other.f64;
    return *this;
  }
  double total() const { return f32 + f64; }
};

}  // namespace tenon::ir
