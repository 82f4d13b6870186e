// Handlers of scalar operations on rank-0 values: the scalar programs on the plain machine,
// straight from slot to slot.
#include "ir/scalar/program.h"
#include "jit/interp/handlers.h"

namespace tenon::interp {

namespace {

using ir::Op;
using scalar::load_plain;
using scalar::Plain;
using scalar::Storage;
using scalar::store_plain;

// Every machine we run on has fma (design.md c); without this attribute each one is a call into
// libm. flatten: the whole program of the operation becomes one function, compiled for that
// machine.
#if defined(__x86_64__)
#define TENON_FLAT __attribute__((flatten, target("avx2,fma")))
#else
#define TENON_FLAT __attribute__((flatten))
#endif

template <DType t>
inline auto load(const Slot& s) {
  Storage<t> v;
  std::memcpy(&v, &s, sizeof v);
  return load_plain<t>(v);
}
template <DType t, class V>
inline void store(Slot& s, V v) {
  const Storage<t> bytes = store_plain<t>(v);
  s.bits = 0;
  std::memcpy(&s, &bytes, sizeof bytes);
}

[[noreturn]] void zero_division() { throw Trap(Code::E0801, "division of an integer by zero"); }

template <Op op, DType t>
TENON_FLAT const Instr* run_scalar(Run& r, const Instr* in) {
  Plain m;
  Slot* s = r.s;
  constexpr int n = ir::facts(op).operands;
  constexpr DType result = scalar::result_type(op, t);
  if constexpr (n == 1) {
    store<result>(s[in->out], scalar::apply<op, t>(m, load<t>(s[in->a])));
  } else if constexpr (n == 2) {
    store<result>(s[in->out], scalar::apply<op, t>(m, load<t>(s[in->a]), load<t>(s[in->b])));
    if constexpr ((op == Op::div || op == Op::rem) && is_integer(t))
      if (m.trapped) [[unlikely]]
        zero_division();
  } else if constexpr (op == Op::select) {
    s[in->out] = load<DType::boolean>(s[in->a]) ? s[in->b] : s[in->c];
  } else {
    store<result>(s[in->out],
                  scalar::apply<op, t>(m, load<t>(s[in->a]), load<t>(s[in->b]), load<t>(s[in->c])));
  }
  return in + 1;
}

template <DType from, DType to>
TENON_FLAT const Instr* run_convert(Run& r, const Instr* in) {
  Plain m;
  store<to>(r.s[in->out], scalar::convert<from, to>(m, load<from>(r.s[in->a])));
  return in + 1;
}

}  // namespace

Handler scalar_handler(Op op, DType operand, DType result) {
  Handler found = nullptr;
  if (op == Op::convert) {
    scalar::visit_dtype(operand, [&]<DType from>() {
      scalar::visit_dtype(result, [&]<DType to>() { found = run_convert<from, to>; });
    });
  } else {
    scalar::visit(op, operand, [&]<Op kOp, DType t>() {
      if constexpr (kOp != Op::convert) found = run_scalar<kOp, t>;
    });
  }
  require(found, "a scalar operation on a dtype that it does not take");
  return found;
}

TENON_HANDLER(run_size) {
  r.s[in->out].i = static_cast<const SizeRef*>(in->data)->eval(r);
  return in + 1;
}

}  // namespace tenon::interp
