// Block kernels from scalar programs: instantiated by point_*_v3.cpp and point_*_v4.cpp.
#pragma once

#include <utility>

#include "ir/scalar/program.h"
#include "kernels/cpu/point_table.h"
#include "kernels/cpu/simd.h"

namespace tenon::kernels::TENON_LEVEL {

using ir::Op;
using scalar::Register;
using scalar::Storage;

constexpr bool wide(DType t) { return t == DType::i64 || t == DType::f64; }
// What computes f32 in f64.
constexpr bool goes_through_f64(Op op) {
  return op == Op::sin || op == Op::cos || op == Op::pow || op == Op::atan2;
}

template <class M, DType t>
Register<M, t> load(M& m, const void* p) {
  constexpr int L = M::kLanes;
  if constexpr (t == DType::boolean)
    return m.not_(m.eq(load_u8<L>(p), m.i32(0)));
  else if constexpr (t == DType::u8)
    return load_u8<L>(p);
  else if constexpr (t == DType::i8)
    return m.shr(m.shl(load_u8<L>(p), 24), 24);
  else if constexpr (t == DType::f16)
    return scalar::from_f16_bits(m, load_u16<L>(p));
  else if constexpr (t == DType::bf16)
    return scalar::from_bf16_bits(m, load_u16<L>(p));
  else
    return load_raw<L, Storage<t>>(p);
}
template <class M, DType t>
void store(M& m, void* p, Register<M, t> v) {
  constexpr int L = M::kLanes;
  if constexpr (t == DType::boolean)
    store_u8<L>(p, m.select(v, m.i32(1), m.i32(0)));
  else if constexpr (t == DType::u8 || t == DType::i8)
    store_u8<L>(p, v);
  else if constexpr (t == DType::f16)
    store_u16<L>(p, scalar::to_f16_bits(m, v));
  else if constexpr (t == DType::bf16)
    store_u16<L>(p, scalar::to_bf16_bits(m, v));
  else
    store_raw(p, v);
}

// Runs `f` on registers loaded from up to three operands. The last few elements go through buffers
// filled up with the last element, so that nothing traps that is not there; they take the same loop
// once more, so that the program, which is inlined to keep its constants in registers, stands there
// once.
template <int L, DType R, DType... In, size_t... j, class F>
__attribute__((flatten)) void sweep_over(std::index_sequence<j...>, void* out,
                                         const void* const* in, const int* steps, int64_t n,
                                         bool* trap, F f) {
  using M = Simd<L>;
  M m;
  // Every index is a constant, so that pointers live in registers.
  const char* p[] = {static_cast<const char*>(in[j])...};
  const int64_t step[] = {steps[j] * static_cast<int64_t>(size_of(In)) * L...};
  char* o = static_cast<char*>(out);
  alignas(64) char buffer[sizeof...(In)][L * 8];
  alignas(64) char result[L * 8];
  char* end = nullptr;
  const int64_t rest = n % L;
  for (int64_t turns = n / L;;) {
    for (; turns > 0; --turns) {
      store<M, R>(m, o, f(m, load<M, In>(m, p[j])...));
      o += L * static_cast<int64_t>(size_of(R));
      ((p[j] += step[j]), ...);
    }
    if (end || rest == 0) break;
    auto fill_up = [rest](const char*& from, int64_t moves, char* to, int64_t size) {
      if (moves == 0) return;
      for (int64_t l = 0; l < L; ++l)
        std::memcpy(to + l * size, from + (l < rest ? l : rest - 1) * size,
                    static_cast<size_t>(size));
      from = to;
    };
    (fill_up(p[j], step[j], buffer[j], static_cast<int64_t>(size_of(In))), ...);
    end = o;
    o = result;
    turns = 1;
  }
  if (end) std::memcpy(end, result, static_cast<size_t>(rest) * size_of(R));
  if (m.trapped) *trap = true;
}
template <int L, DType R, DType... In, class F>
void sweep(void* out, const void* const* in, const int* steps, int64_t n, bool* trap, F f) {
  sweep_over<L, R, In...>(std::make_index_sequence<sizeof...(In)>(), out, in, steps, n, trap, f);
}

template <Op op, DType t>
void block(void* out, const void* const* in, const int* steps, int64_t n, bool* trap) {
  constexpr int L = wide(t) || goes_through_f64(op) ? kLanes64 : kLanes32;
  constexpr DType R = scalar::result_type(op, t);
  if constexpr (op == Op::select) {
    sweep<L, R, DType::boolean, t, t>(out, in, steps, n, trap, [](auto& m, auto c, auto a, auto b) {
      return scalar::apply<op, t>(m, c, a, b);
    });
  } else if constexpr (ir::facts(op).operands == 3) {
    sweep<L, R, t, t, t>(out, in, steps, n, trap, [](auto& m, auto a, auto b, auto c) {
      return scalar::apply<op, t>(m, a, b, c);
    });
  } else if constexpr (ir::facts(op).operands == 2) {
    sweep<L, R, t, t>(out, in, steps, n, trap,
                      [](auto& m, auto a, auto b) { return scalar::apply<op, t>(m, a, b); });
  } else {
    sweep<L, R, t>(out, in, steps, n, trap,
                   [](auto& m, auto a) { return scalar::apply<op, t>(m, a); });
  }
}

template <DType from, DType to>
void convert_block(void* out, const void* const* in, const int* steps, int64_t n, bool* trap) {
  constexpr int L = wide(from) || wide(to) ? kLanes64 : kLanes32;
  sweep<L, to, from>(out, in, steps, n, trap,
                     [](auto& m, auto a) { return scalar::convert<from, to>(m, a); });
}

template <DType t>
void fill_ops(PointTable& table) {
#define SCALAR(name, arity, cls)                                       \
  if constexpr (scalar::takes(Op::name, t) && Op::name != Op::convert) \
    table.op[static_cast<int>(Op::name)][static_cast<int>(t)] = block<Op::name, t>;
#define OTHER(name)
  TENON_SCALAR_OPS(SCALAR) TENON_OTHER_OPS(OTHER)
#undef SCALAR
#undef OTHER
}

template <DType from>
void fill_converts(PointTable& table) {
  auto* row = table.convert[static_cast<int>(from)];
  auto set = [&]<DType to>() { row[static_cast<int>(to)] = convert_block<from, to>; };
  set.template operator()<DType::boolean>();
  set.template operator()<DType::i8>();
  set.template operator()<DType::u8>();
  set.template operator()<DType::i32>();
  set.template operator()<DType::i64>();
  set.template operator()<DType::f32>();
  set.template operator()<DType::f64>();
}

}  // namespace tenon::kernels::TENON_LEVEL
