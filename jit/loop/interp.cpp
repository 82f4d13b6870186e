// The slow interpreter of the loop IR: one element at a time, as the statements say. The oracle for
// LLVM, and the one who finds out which trap a kernel met.
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "ir/scalar/machine.h"
#include "jit/loop/runtime.h"
#include "runtime/trap.h"

namespace tenon::loop {
namespace {

using Bits = uint64_t;

template <class T>
T as(Bits b) {
  T v;
  std::memcpy(&v, &b, sizeof v);
  return v;
}
template <class T>
Bits bits(T v) {
  Bits b = 0;
  std::memcpy(&b, &v, sizeof v);
  return b;
}
Bits cut(Ty t, Bits b) {
  switch (t) {
    case Ty::i1:
      return b & 1;
    case Ty::i8:
      return b & 0xff;
    case Ty::i16:
      return b & 0xffff;
    case Ty::i32:
    case Ty::f32:
      return b & 0xffffffffu;
    case Ty::i64:
    case Ty::f64:
      return b;
  }
  return b;
}
int64_t number(Ty t, Bits b) {  // sign extended
  switch (t) {
    case Ty::i1:
      return -static_cast<int64_t>(b & 1);
    case Ty::i8:
      return static_cast<int8_t>(b);
    case Ty::i16:
      return static_cast<int16_t>(b);
    case Ty::i32:
      return static_cast<int32_t>(b);
    case Ty::i64:
    case Ty::f32:
    case Ty::f64:
      break;
  }
  return static_cast<int64_t>(b);
}

// What `compute` does for floats and integers alike.
#define TENON_LOOP_ANY_CASES \
  case Op::konst:            \
  case Op::var:              \
  case Op::load:             \
  case Op::select:           \
  case Op::bitcast:          \
  case Op::sext:             \
  case Op::zext:             \
  case Op::itrunc:           \
  case Op::sitofp:           \
  case Op::fptosi:           \
  case Op::fpext:            \
  case Op::fptrunc:

class Machine {
 public:
  Machine(Context& c, const Function& f)
      : c_(c), f_(f), vars_(f.vars.size()), memo_(f.exprs.size()), stamp_(f.exprs.size()) {}

  std::vector<Bits>& vars() { return vars_; }
  // The values of a `ret`.
  std::vector<Bits> results;

  enum class End { none, returned, failed };
  End block(const Block& b) {
    for (const Stmt& s : b) {
      if (End e = stmt(s); e != End::none) return e;
      if (c_.error) return End::failed;  // found when a number was read from the device
    }
    return End::none;
  }

 private:
  Bits eval(Expr e) {
    ++now_;
    return value(e);
  }
  Bits value(Expr e) {
    if (stamp_[e] == now_) return memo_[e];
    Bits v = compute(f_.exprs[e]);
    stamp_[e] = now_;
    return memo_[e] = v;
  }

  template <class F>
  Bits floats(Op op, const ExprNode& n) {
    scalar::Plain m;
    F a = as<F>(value(n.a)), b = n.b == kNone ? F{} : as<F>(value(n.b));
    switch (op) {
      case Op::add:
        return bits<F>(a + b);
      case Op::sub:
        return bits<F>(a - b);
      case Op::mul:
        return bits<F>(a * b);
      case Op::div:
        return bits<F>(a / b);
      case Op::fma:
        return bits<F>(std::fma(a, b, as<F>(value(n.c))));
      case Op::scale:
        return bits<F>(m.scale(a, b));
      case Op::neg:
        return bits<F>(-a);
      case Op::abs:
        return bits<F>(std::fabs(a));
      case Op::sqrt:
        return bits<F>(std::sqrt(a));
      case Op::floor:
        return bits<F>(std::floor(a));
      case Op::ceil:
        return bits<F>(std::ceil(a));
      case Op::trunc:
        return bits<F>(std::trunc(a));
      case Op::rint:
        return bits<F>(std::nearbyint(a));
      case Op::eq:
        return a == b;
      case Op::ne:
        return a != b;
      case Op::lt:
        return a < b;
      case Op::le:
        return a <= b;
      TENON_LOOP_ANY_CASES
      case Op::sdiv:
      case Op::srem:
      case Op::band:
      case Op::bor:
      case Op::bxor:
      case Op::shl:
      case Op::lshr:
      case Op::ashr:
      case Op::ult:
        break;
    }
    bug("not an operation of floats");
  }

  Bits integers(Op op, const ExprNode& n) {
    const Ty t = f_.type(n.a);
    Bits a = value(n.a), b = n.b == kNone ? 0 : value(n.b);
    int64_t x = number(t, a), y = number(t, b);
    switch (op) {
      case Op::add:
        return cut(t, a + b);
      case Op::sub:
        return cut(t, a - b);
      case Op::mul:
        return cut(t, a * b);
      case Op::sdiv:
        return cut(t, static_cast<Bits>(x / y));
      case Op::srem:
        return cut(t, static_cast<Bits>(x % y));
      case Op::band:
        return a & b;
      case Op::bor:
        return a | b;
      case Op::bxor:
        return a ^ b;
      case Op::shl:
        return cut(t, a << b);
      case Op::lshr:
        return a >> b;
      case Op::ashr:
        return cut(t, static_cast<Bits>(x >> b));
      case Op::eq:
        return a == b;
      case Op::ne:
        return a != b;
      case Op::lt:
        return x < y;
      case Op::le:
        return x <= y;
      case Op::ult:
        return a < b;
      TENON_LOOP_ANY_CASES
      case Op::div:
      case Op::fma:
      case Op::scale:
      case Op::neg:
      case Op::abs:
      case Op::sqrt:
      case Op::floor:
      case Op::ceil:
      case Op::trunc:
      case Op::rint:
        break;
    }
    bug("not an operation of integers");
  }

  Bits compute(const ExprNode& n) {
    switch (n.op) {
      case Op::konst:
        return cut(n.ty, n.imm);
      case Op::var:
        return vars_[n.a];
      case Op::load: {
        Bits b = 0;
        const auto* at = reinterpret_cast<const std::byte*>(value(n.a)) +
                         static_cast<int64_t>(value(n.b)) * bytes(n.ty);
        const auto size = static_cast<size_t>(bytes(n.ty));
        if (!c_.offload || !c_.offload->owns(at))
          std::memcpy(&b, at, size);
        else
          c_.offload->read(c_, &b, at, size);
        return cut(n.ty, b);
      }
      case Op::select:
        return value(n.a) ? value(n.b) : value(n.c);
      case Op::bitcast:
      case Op::zext:
        return value(n.a);
      case Op::itrunc:
        return cut(n.ty, value(n.a));
      case Op::sext:
        return cut(n.ty, static_cast<Bits>(number(f_.type(n.a), value(n.a))));
      case Op::sitofp: {
        int64_t v = number(f_.type(n.a), value(n.a));
        return n.ty == Ty::f32 ? bits(static_cast<float>(v)) : bits(static_cast<double>(v));
      }
      case Op::fptosi: {
        double v = f_.type(n.a) == Ty::f32 ? as<float>(value(n.a)) : as<double>(value(n.a));
        // Out of range it is not looked at, but C++ must not see it either.
        double limit = n.ty == Ty::i32 ? 0x1p31 : 0x1p63;
        if (!(v < limit && v >= -limit)) return 0;
        return cut(n.ty, static_cast<Bits>(static_cast<int64_t>(v)));
      }
      case Op::fpext:
        return bits(static_cast<double>(as<float>(value(n.a))));
      case Op::fptrunc:
        return bits(static_cast<float>(as<double>(value(n.a))));
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::eq:
      case Op::ne:
      case Op::lt:
      case Op::le:
        return is_float(f_.type(n.a)) ? any_float(n) : integers(n.op, n);
      case Op::div:
      case Op::fma:
      case Op::scale:
      case Op::neg:
      case Op::abs:
      case Op::sqrt:
      case Op::floor:
      case Op::ceil:
      case Op::trunc:
      case Op::rint:
        return any_float(n);
      case Op::sdiv:
      case Op::srem:
      case Op::band:
      case Op::bor:
      case Op::bxor:
      case Op::shl:
      case Op::lshr:
      case Op::ashr:
      case Op::ult:
        return integers(n.op, n);
    }
    bug("no such operation");
  }

  Bits any_float(const ExprNode& n) {
    return f_.type(n.a) == Ty::f32 ? floats<float>(n.op, n) : floats<double>(n.op, n);
  }

  template <class T>
  static Bits fold_step(ir::ReduceKind kind, T acc, T x) {
    constexpr bool fl = std::is_floating_point_v<T>;
    auto nan = [](T v) { return v != v; };
    switch (kind) {
      case ir::ReduceKind::sum:
        if constexpr (fl)
          return bits<T>(acc + x);
        else
          return bits<T>(static_cast<T>(static_cast<uint64_t>(acc) + static_cast<uint64_t>(x)));
      case ir::ReduceKind::prod:
        if constexpr (fl)
          return bits<T>(acc * x);
        else
          return bits<T>(static_cast<T>(static_cast<uint64_t>(acc) * static_cast<uint64_t>(x)));
      case ir::ReduceKind::max:
        return bits<T>(x > acc || nan(x) ? x : acc);
      case ir::ReduceKind::min:
        return bits<T>(x < acc || nan(x) ? x : acc);
      case ir::ReduceKind::any:
        return bits<T>(acc != 0 || x != 0 ? T{1} : T{0});
      case ir::ReduceKind::all:
        return bits<T>(acc != 0 && x != 0 ? T{1} : T{0});
    }
    return 0;
  }
  template <class T>
  static Bits first(ir::ReduceKind kind) {
    using L = std::numeric_limits<T>;
    switch (kind) {
      case ir::ReduceKind::sum:
      case ir::ReduceKind::any:
        return bits<T>(T{0});
      case ir::ReduceKind::prod:
      case ir::ReduceKind::all:
        return bits<T>(T{1});
      case ir::ReduceKind::max:
        return bits<T>(L::has_infinity ? -L::infinity() : L::min());
      case ir::ReduceKind::min:
        return bits<T>(L::has_infinity ? L::infinity() : L::max());
    }
    return 0;
  }

  // The order of docs/semantics.md, word for word.
  template <class T>
  End fold_as(const Stmt& s, int64_t lo, int64_t hi) {
    Bits p[64];
    for (Bits& b : p) b = first<T>(s.reduce);
    for (int64_t i = lo; i < hi; ++i) {
      vars_[s.index] = static_cast<Bits>(i);
      if (End e = block(s.body); e != End::none) return e;
      Bits& acc = p[(i - lo) % 64];
      T x = as<T>(eval(s.c));
      if (s.d == kNone)
        acc = fold_step<T>(s.reduce, as<T>(acc), x);
      else if constexpr (std::is_floating_point_v<T>)
        acc = bits<T>(std::fma(x, as<T>(eval(s.d)), as<T>(acc)));
      else
        bug("a fold of products of integers");
    }
    for (int h = 32; h >= 1; h /= 2)
      for (int j = 0; j < h; ++j) p[j] = fold_step<T>(s.reduce, as<T>(p[j]), as<T>(p[j + h]));
    vars_[s.var] = p[0];
    return End::none;
  }

  std::vector<int64_t> slots(const std::vector<Expr>& list) {
    std::vector<int64_t> out;
    for (Expr e : list) out.push_back(static_cast<int64_t>(eval(e)));
    return out;
  }

  End stmt(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::set:
        vars_[s.var] = eval(s.a);
        return End::none;
      case StmtKind::store: {
        Bits v = eval(s.c);
        auto* at = reinterpret_cast<std::byte*>(eval(s.a));
        at += static_cast<int64_t>(eval(s.b)) * bytes(s.ty);
        const auto size = static_cast<size_t>(bytes(s.ty));
        if (c_.offload && c_.offload->owns(at))
          c_.offload->device().copy_in(at, &v, size);
        else
          std::memcpy(at, &v, size);
        return End::none;
      }
      case StmtKind::fetch:
        return End::none;
      case StmtKind::if_:
        return block(eval(s.a) ? s.body : s.other);
      case StmtKind::while_:
        for (;;) {
          if (End e = block(s.body); e != End::none) return e;
          if (!eval(s.a)) return End::none;
          if (End e = block(s.other); e != End::none) return e;
        }
      case StmtKind::for_: {
        auto lo = static_cast<int64_t>(eval(s.a)), hi = static_cast<int64_t>(eval(s.b));
        for (int64_t i = lo; i < hi; ++i) {
          vars_[s.var] = static_cast<Bits>(i);
          if (End e = block(s.body); e != End::none) return e;
        }
        return End::none;
      }
      case StmtKind::tile:
        bug("tiles are for devices");
      case StmtKind::fold: {
        auto lo = static_cast<int64_t>(eval(s.a)), hi = static_cast<int64_t>(eval(s.b));
        switch (f_.vars[s.var].ty) {
          case Ty::i1:
            return fold_as<uint8_t>(s, lo, hi);
          case Ty::i32:
            return fold_as<int32_t>(s, lo, hi);
          case Ty::i64:
            return fold_as<int64_t>(s, lo, hi);
          case Ty::f32:
            return fold_as<float>(s, lo, hi);
          case Ty::f64:
            return fold_as<double>(s, lo, hi);
          case Ty::i8:
          case Ty::i16:
            break;
        }
        bug("a fold of a memory type");
      }
      case StmtKind::call: {
        std::vector<int64_t> args = slots(s.args), outs(s.outs.size() + 1);
        int64_t status;
        if (s.callee == Callee::function) {
          if (c_.offload) c_.calls.push_back(s.place);
          status = interpret(c_, s.id, args.data(), outs.data());
          if (c_.offload) c_.calls.pop_back();
        } else {
          status = runtime_function(static_cast<Runtime>(s.id))(&c_, args.data(), outs.data());
        }
        if (status != 0) {
          const int64_t place = s.place;
          if (s.place != kNone) runtime_function(Runtime::called_from)(&c_, &place, nullptr);
          return End::failed;
        }
        for (size_t i = 0; i < s.outs.size(); ++i) vars_[s.outs[i]] = static_cast<Bits>(outs[i]);
        return End::none;
      }
      case StmtKind::launch: {
        std::vector<int64_t> args = slots(s.args);
        auto range = static_cast<int64_t>(eval(s.a));
        if (c_.offload)
          return c_.offload->launch(c_, s.id, args.data(), range) != 0 ? End::failed : End::none;
        return range > 0 && interpret_kernel(c_, s.id, args.data(), 0, range) != 0 ? End::failed
                                                                                   : End::none;
      }
      case StmtKind::trap: {
        if (!eval(s.a)) return End::none;
        std::vector<int64_t> args = slots(s.args);
        args.insert(args.begin(), s.id);
        runtime_function(Runtime::trap)(&c_, args.data(), nullptr);
        return End::failed;
      }
      case StmtKind::ret:
        for (Expr e : s.args) results.push_back(eval(e));
        return End::returned;
    }
    bug("no such statement");
  }

  Context& c_;
  const Function& f_;
  std::vector<Bits> vars_, memo_;
  std::vector<uint64_t> stamp_;
  uint64_t now_ = 0;
};

}  // namespace

int64_t interpret(Context& c, uint32_t function, const int64_t* args, int64_t* outs) {
  const Function& f = c.program.functions[function];
  Machine m(c, f);
  m.vars()[f.ctx] = reinterpret_cast<Bits>(&c);
  for (size_t i = 0; i < f.params.size(); ++i) m.vars()[f.params[i]] = static_cast<Bits>(args[i]);
  if (m.block(f.body) != Machine::End::returned) return 1;
  for (size_t i = 0; i < m.results.size(); ++i) outs[i] = static_cast<int64_t>(m.results[i]);
  return 0;
}

int64_t interpret_kernel(Context& c, uint32_t kernel, const int64_t* args, int64_t lo, int64_t hi) {
  const Function& f = c.program.kernels[kernel];
  Machine m(c, f);
  m.vars()[f.lo] = static_cast<Bits>(lo);
  m.vars()[f.hi] = static_cast<Bits>(hi);
  for (size_t i = 0; i < f.params.size(); ++i) m.vars()[f.params[i]] = static_cast<Bits>(args[i]);
  return m.block(f.body) == Machine::End::failed ? 1 : 0;
}

}  // namespace tenon::loop
