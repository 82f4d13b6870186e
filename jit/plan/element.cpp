// One element at a time: loads, stores and the scalar programs, written down in the loop IR.
#include <cstring>

#include "ir/literal.h"
#include "ir/scalar/program.h"
#include "jit/loop/machine.h"
#include "jit/plan/lower.h"

namespace tenon::plan {

using loop::Machine;

Ty register_type(DType t) {
  switch (scalar::register_class(t)) {
    case scalar::Class::b32:
      return Ty::i1;
    case scalar::Class::i32:
      return Ty::i32;
    case scalar::Class::i64:
      return Ty::i64;
    case scalar::Class::f32:
      return Ty::f32;
    case scalar::Class::f64:
      return Ty::f64;
  }
  bug("no register class");
}

Expr load_element(Exprs& x, DType t, Expr address, Expr index) {
  Machine m(x);
  switch (t) {
    case DType::boolean:
      return x.compare(Op::ne, x.load(Ty::i8, address, index), x.konst(Ty::i8, 0));
    case DType::i8:
      return x.to(Op::sext, Ty::i32, x.load(Ty::i8, address, index));
    case DType::u8:
      return x.to(Op::zext, Ty::i32, x.load(Ty::i8, address, index));
    case DType::i32:
      return x.load(Ty::i32, address, index);
    case DType::i64:
      return x.load(Ty::i64, address, index);
    case DType::f16:
      return scalar::from_f16_bits(
                 m, Machine::I32{x.to(Op::zext, Ty::i32, x.load(Ty::i16, address, index))})
          .e;
    case DType::bf16:
      return scalar::from_bf16_bits(
                 m, Machine::I32{x.to(Op::zext, Ty::i32, x.load(Ty::i16, address, index))})
          .e;
    case DType::f32:
      return x.load(Ty::f32, address, index);
    case DType::f64:
      return x.load(Ty::f64, address, index);
  }
  bug("no dtype");
}

namespace {
// The value as its memory type.
Expr stored(Exprs& x, DType t, Expr v) {
  Machine m(x);
  switch (t) {
    case DType::boolean:
      return x.to(Op::zext, Ty::i8, v);
    case DType::i8:
    case DType::u8:
      return x.to(Op::itrunc, Ty::i8, v);
    case DType::f16:
      return x.to(Op::itrunc, Ty::i16, scalar::to_f16_bits(m, Machine::F32{v}).e);
    case DType::bf16:
      return x.to(Op::itrunc, Ty::i16, scalar::to_bf16_bits(m, Machine::F32{v}).e);
    case DType::i32:
    case DType::i64:
    case DType::f32:
    case DType::f64:
      return v;
  }
  bug("no dtype");
}
}  // namespace

Stmt store_element(Exprs& x, DType t, Expr address, Expr index, Expr value) {
  Stmt s{StmtKind::store};
  s.a = address;
  s.b = index;
  s.c = stored(x, t, value);
  s.ty = x.fn().type(s.c);
  return s;
}

Expr memory_bits(Exprs& x, DType t, Expr value) { return x.to_slot(stored(x, t, value)); }

Expr literal_element(Exprs& x, const ir::Literal& literal) {
  uint64_t bits = ir::bits_at(literal, 0);
  Expr result = loop::kNone;
  scalar::visit_dtype(literal.dtype, [&]<DType t>() {
    scalar::Storage<t> stored;
    std::memcpy(&stored, &bits, sizeof stored);
    auto v = scalar::load_plain<t>(stored);
    switch (scalar::register_class(t)) {
      case scalar::Class::b32:
        result = x.konst(Ty::i1, v != 0);
        break;
      case scalar::Class::i32:
        result = x.konst(Ty::i32, static_cast<uint32_t>(static_cast<int32_t>(v)));
        break;
      case scalar::Class::i64:
        result = x.i64(static_cast<int64_t>(v));
        break;
      case scalar::Class::f32:
        result = x.f32(static_cast<float>(v));
        break;
      case scalar::Class::f64:
        result = x.f64(static_cast<double>(v));
        break;
    }
  });
  return result;
}

Expr scalar_op(Exprs& x, ir::Op op, DType result, const std::vector<DType>& dtypes,
               const std::vector<Expr>& operands, const std::function<void(Expr)>& on_trap) {
  Machine m(x);
  m.on_trap = on_trap;
  Expr out = loop::kNone;
  if (op == ir::Op::convert) {
    scalar::visit_dtype(dtypes[0], [&]<DType from>() {
      scalar::visit_dtype(result, [&]<DType to>() {
        out = scalar::convert<from, to>(m, scalar::Register<Machine, from>{operands[0]}).e;
      });
    });
    return out;
  }
  DType t = op == ir::Op::select ? dtypes[1] : dtypes[0];
  bool found = scalar::visit(op, t, [&]<ir::Op kOp, DType kT>() {
    using R = scalar::Register<Machine, kT>;
    if constexpr (kOp == ir::Op::convert) {
    } else if constexpr (kOp == ir::Op::select) {
      out = scalar::apply<kOp, kT>(m, Machine::B{operands[0]}, R{operands[1]}, R{operands[2]}).e;
    } else if constexpr (ir::facts(kOp).operands == 1) {
      out = scalar::apply<kOp, kT>(m, R{operands[0]}).e;
    } else if constexpr (ir::facts(kOp).operands == 2) {
      out = scalar::apply<kOp, kT>(m, R{operands[0]}, R{operands[1]}).e;
    } else {
      out = scalar::apply<kOp, kT>(m, R{operands[0]}, R{operands[1]}, R{operands[2]}).e;
    }
  });
  require(found, "a scalar operation on a dtype that it does not take: " + std::string(ir::name(op)) + " of " + std::string(name(t)));
  return out;
}

}  // namespace tenon::plan
