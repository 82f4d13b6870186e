// Finding conversions of 16 bits (idiom.h): each is written once more by its own definition, over a variable, and
// compared with what stands there.
#include "jit/cuda/idiom.h"

#include "ir/scalar/convert.h"
#include "jit/loop/machine.h"

namespace tenon::cuda {

using loop::Expr;
using loop::ExprNode;
using loop::Function;
using loop::kNone;
using loop::Op;
using loop::Ty;

namespace {

struct Pattern {
  const char* call;
  Ty from;
  Function f;
  Expr whole = kNone;
};

const std::vector<Pattern>& patterns() {
  static const std::vector<Pattern> all = [] {
    using loop::Machine;
    std::vector<Pattern> made;
    auto pattern = [&](const char* call, Ty from, auto write) {
      Pattern& p = made.emplace_back(Pattern{call, from, {}, kNone});
      loop::Exprs x(p.f);
      Machine m(x);
      p.whole = write(m, x.var(x.fresh(from, "x")));
    };
    pattern("tn_from_f16", Ty::i32, [](Machine& m, Expr e) { return scalar::from_f16_bits(m, Machine::I32{e}).e; });
    pattern("tn_to_f16", Ty::f32, [](Machine& m, Expr e) { return scalar::to_f16_bits(m, Machine::F32{e}).e; });
    pattern("tn_to_bf16", Ty::f32, [](Machine& m, Expr e) { return scalar::to_bf16_bits(m, Machine::F32{e}).e; });
    return made;
  }();
  return all;
}

// `of` gets what stands for the pattern's variable: everywhere the same.
bool same(const Function& pattern, Expr p, const Function& f, Expr e, Ty from, Expr& of) {
  if (p == kNone || e == kNone) return p == e;
  const ExprNode &a = pattern.exprs[p], &b = f.exprs[e];
  if (a.op == Op::var) {
    if (of == kNone) of = e;
    return of == e && f.type(e) == from;
  }
  return a.op == b.op && a.ty == b.ty && a.imm == b.imm && same(pattern, a.a, f, b.a, from, of) &&
         same(pattern, a.b, f, b.b, from, of) && same(pattern, a.c, f, b.c, from, of);
}

}  // namespace

std::optional<Idiom> Idioms::at(Expr e) const {
  const auto [it, fresh] = known_.try_emplace(e);
  if (!fresh) return it->second;
  for (const Pattern& p : patterns()) {
    Expr of = kNone;
    if (f_.exprs[e].op == p.f.exprs[p.whole].op && f_.type(e) == p.f.type(p.whole) && same(p.f, p.whole, f_, e, p.from, of))
      return it->second = Idiom{p.call, of};
  }
  return std::nullopt;
}

}  // namespace tenon::cuda
