// A function of the loop IR as bytes: equal bytes are equal machine code.
#include <type_traits>

#include "jit/loop/loop.h"

namespace tenon::loop {

namespace {

// Every member of a struct is taken by name, so that a new one is a compile error here until somebody
// has decided whether code depends on it.
struct Writer {
  std::string& out;
  bool kernel;

  template <class T>
  void raw(T v) {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T>);
    out.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  template <class T>
  void list(const std::vector<T>& values) {
    raw(values.size());
    for (T v : values) raw(v);
  }
  void node(const ExprNode& n) {
    const auto& [op, ty, a, b, c, imm] = n;
    raw(op), raw(ty), raw(a), raw(b), raw(c), raw(imm);
  }
  void block(const Block& list) {
    raw(list.size());
    for (const Stmt& s : list) stmt(s);
  }
  void stmt(const Stmt& s) {
    const auto& [kind, var, index, a, b, c, d, ty, bind, reduce, callee, id, place, args, outs, body, other] =
        s;
    raw(kind), raw(var), raw(index), raw(a), raw(b), raw(c), raw(d), raw(ty), raw(bind), raw(reduce), raw(callee);
    // A kernel only says that it met a trap; which one, the slow interpreter finds out.
    raw(place);
    raw(kernel && kind == StmtKind::trap ? 0u : id);
    list(args), list(outs), block(body), block(other);
  }
};

}  // namespace

void append_bytes(const Function& f, std::string& out) {
  const auto& [name, exprs, vars, params, ctx, lo, hi, results, may_trap, replay_all, places, streamed, tile, body] = f;
  // For messages, for the interpreter, for whoever launches it.
  (void)name, (void)may_trap, (void)replay_all, (void)places, (void)streamed;
  Writer w{out, f.kernel()};
  w.raw(exprs.size());
  for (const ExprNode& n : exprs) w.node(n);
  w.raw(vars.size());
  for (const VarInfo& v : vars) w.raw(v.ty);
  w.list(params), w.raw(ctx), w.raw(lo), w.raw(hi), w.raw(results), w.block(body);
  const auto& [sink, dtype, products, wide] = tile;
  w.raw(sink), w.raw(dtype), w.raw(wide), w.raw(products.size());
  for (const auto& [row, column, batch, sum] : products) w.raw(row), w.raw(column), w.raw(batch), w.raw(sum);
}

}  // namespace tenon::loop
