// Building, printing and checking the loop IR.
#include "jit/loop/loop.h"

#include <cstdio>

namespace tenon::loop {

std::string_view name(Op op) {
  static constexpr std::string_view table[] = {
#define X(n) #n,
      TENON_LOOP_OPS(X)
#undef X
  };
  return table[static_cast<int>(op)];
}

Expr Exprs::make(ExprNode n) {
  auto [it, fresh] = index_.try_emplace(n.key(), static_cast<Expr>(fn_.exprs.size()));
  if (fresh) fn_.exprs.push_back(n);
  return it->second;
}

bool Exprs::constant(Expr e, int64_t& v) const {
  const ExprNode& n = fn_.exprs[e];
  if (n.op != Op::konst) return false;
  v = static_cast<int64_t>(n.imm);
  return true;
}

Expr Exprs::add(Expr a, Expr b) {
  int64_t x, y;
  bool ca = constant(a, x), cb = constant(b, y);
  if (ca && cb)
    return i64(static_cast<int64_t>(static_cast<uint64_t>(x) + static_cast<uint64_t>(y)));
  if (ca && x == 0) return b;
  if (cb && y == 0) return a;
  return binary(Op::add, a, b);
}

Expr Exprs::mul(Expr a, Expr b) {
  int64_t x, y;
  bool ca = constant(a, x), cb = constant(b, y);
  if (ca && cb)
    return i64(static_cast<int64_t>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y)));
  if ((ca && x == 0) || (cb && y == 0)) return i64(0);
  if (ca && x == 1) return b;
  if (cb && y == 1) return a;
  return binary(Op::mul, a, b);
}

Expr Exprs::to_slot(Expr e) {
  switch (fn_.type(e)) {
    case Ty::i1:
    case Ty::i8:
    case Ty::i16:
    case Ty::i32:
      return to(Op::zext, Ty::i64, e);
    case Ty::i64:
      return e;
    case Ty::f32:
      return to(Op::zext, Ty::i64, to(Op::bitcast, Ty::i32, e));
    case Ty::f64:
      return to(Op::bitcast, Ty::i64, e);
  }
  bug("slot of no type");
}

Expr Exprs::from_slot(Ty t, Expr e) {
  switch (t) {
    case Ty::i1:
    case Ty::i8:
    case Ty::i16:
    case Ty::i32:
      return to(Op::itrunc, t, e);
    case Ty::i64:
      return e;
    case Ty::f32:
      return to(Op::bitcast, Ty::f32, to(Op::itrunc, Ty::i32, e));
    case Ty::f64:
      return to(Op::bitcast, Ty::f64, e);
  }
  bug("slot of no type");
}

Var Exprs::fresh(Ty t, std::string name) {
  fn_.vars.push_back({t, std::move(name)});
  return static_cast<Var>(fn_.vars.size() - 1);
}

// ---------------------------------------------------------------- text

namespace {

struct Printer {
  const Program& p;
  const Function& f;
  std::string out;
  int depth = 1;

  void line(const std::string& s) { out += std::string(depth * 2, ' ') + s + "\n"; }
  std::string var(Var v) { return f.vars[v].name + "." + std::to_string(v); }

  // What a statement uses more than once gets a line and a name of its own before it.
  std::map<Expr, int> uses{}, named{};
  int names = 0;
  static bool leaf(const ExprNode& n) { return n.op == Op::konst || n.op == Op::var; }
  void count(Expr e) {
    if (e == kNone || ++uses[e] > 1 || leaf(f.exprs[e])) return;
    const ExprNode& n = f.exprs[e];
    count(n.a);
    count(n.b);
    count(n.c);
  }
  std::string expr(Expr e) {
    if (auto it = named.find(e); it != named.end()) return "%" + std::to_string(it->second);
    if (leaf(f.exprs[e]) || uses[e] < 2) return tree(e);
    std::string text = tree(e);
    named[e] = names;
    line("%" + std::to_string(names) + " = " + text);
    return "%" + std::to_string(names++);
  }

  std::string tree(Expr e) {
    const ExprNode& n = f.exprs[e];
    std::string t(name(n.ty));
    if (n.op == Op::konst) {
      char text[40];
      if (n.ty == Ty::f32)
        std::snprintf(text, sizeof text, "%.9g",
                      std::bit_cast<float>(static_cast<uint32_t>(n.imm)));
      else if (n.ty == Ty::f64)
        std::snprintf(text, sizeof text, "%.17g", std::bit_cast<double>(n.imm));
      else
        std::snprintf(text, sizeof text, "%lld",
                      n.ty == Ty::i32 ? static_cast<long long>(static_cast<int32_t>(n.imm))
                                      : static_cast<long long>(n.imm));
      return n.ty == Ty::i64 ? text : t + " " + text;
    }
    if (n.op == Op::var) return var(n.a);
    if (n.op == Op::load) return t + "[" + expr(n.a) + " + " + expr(n.b) + "]";
    std::string s(name(n.op));
    if (n.op >= Op::bitcast) s += "." + t;
    s += "(" + expr(n.a);
    if (n.b != kNone) s += ", " + expr(n.b);
    if (n.c != kNone) s += ", " + expr(n.c);
    return s + ")";
  }

  std::string list(const std::vector<Expr>& es) {
    std::string s;
    for (Expr e : es) s += (s.empty() ? "" : ", ") + expr(e);
    return s;
  }

  void block(const Block& b) {
    ++depth;
    for (const Stmt& s : b) stmt(s);
    --depth;
  }

  void stmt(const Stmt& s) {
    uses.clear();
    named.clear();
    names = 0;
    if (s.kind != StmtKind::while_ && s.kind != StmtKind::fold && s.kind != StmtKind::tile)
      for (Expr e : {s.a, s.b, s.c, s.d}) count(e);
    for (Expr e : s.args) count(e);
    switch (s.kind) {
      case StmtKind::set:
        line(var(s.var) + " = " + expr(s.a));
        break;
      case StmtKind::store:
        line(std::string(name(s.ty)) + "[" + expr(s.a) + " + " + expr(s.b) + "] = " + expr(s.c));
        break;
      case StmtKind::fetch:
        line("fetch " + std::string(name(s.ty)) + "[" + expr(s.a) + " + " + expr(s.b) + "]");
        break;
      case StmtKind::if_:
        line("if " + expr(s.a));
        block(s.body);
        if (!s.other.empty()) {
          line("else");
          block(s.other);
        }
        break;
      case StmtKind::while_:
        line("while");
        block(s.body);
        line("holds " + expr(s.a));
        block(s.other);
        break;
      case StmtKind::for_:
        line("for " + var(s.var) + " in " + expr(s.a) + " .. " + expr(s.b) +
             (s.bind == Bind::vector ? " vector" : ""));
        block(s.body);
        break;
      case StmtKind::fold:
        line(var(s.var) + " = fold " + std::string(ir::name(s.reduce)) + " " + var(s.index) +
             " in " + expr(s.a) + " .. " + expr(s.b));
        block(s.body);
        line("  of " + expr(s.c) + (s.d == kNone ? "" : " times " + expr(s.d)));
        break;
      case StmtKind::tile:
        line("tile (" + list(s.args) + ")");
        line("each row");
        block(s.other);
        line("each element");
        block(s.body);
        line("  of " + expr(s.c));
        break;
      case StmtKind::call: {
        std::string outs;
        for (Var v : s.outs) outs += (outs.empty() ? "" : ", ") + var(v);
        line((outs.empty() ? "" : outs + " = ") + "call " +
             (s.callee == Callee::function ? p.functions[s.id].name
                                           : "runtime." + std::to_string(s.id)) +
             "(" + list(s.args) + ")");
        break;
      }
      case StmtKind::launch:
        line("launch " + p.kernels[s.id].name + " over " + expr(s.a) + " by " + expr(s.b) + " (" +
             list(s.args) + ")");
        break;
      case StmtKind::trap:
        line("trap " + std::to_string(s.id) + " when " + expr(s.a) + " (" + list(s.args) + ")");
        break;
      case StmtKind::ret:
        line("return " + list(s.args));
        break;
    }
  }
};

// ---------------------------------------------------------------- checks

struct Checker {
  const Program& p;
  const Function& f;
  std::string wrong;

  void need(bool ok, const std::string& what) {
    if (!ok && wrong.empty()) wrong = f.name + ": " + what;
  }
  Ty type(Expr e, const char* where) {
    if (e >= f.exprs.size()) {
      need(false, std::string("no expression in ") + where);
      return Ty::i64;
    }
    return f.type(e);
  }

  void exprs() {
    for (Expr e = 0; e < f.exprs.size(); ++e) {
      const ExprNode& n = f.exprs[e];
      std::string at = std::string(name(n.op)) + " e" + std::to_string(e);
      if (n.op == Op::var) {
        need(n.a < f.vars.size() && f.vars[n.a].ty == n.ty, at + ": variable of another type");
        continue;
      }
      for (uint32_t o : {n.a, n.b, n.c}) need(o == kNone || o < e, at + ": operand not before it");
      if (!wrong.empty()) return;
      auto ty = [&](uint32_t o) { return f.type(o); };
      switch (n.op) {
        case Op::konst:
        case Op::var:
          break;
        case Op::load:
          need(ty(n.a) == Ty::i64 && ty(n.b) == Ty::i64, at + ": address");
          break;
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::sdiv:
        case Op::srem:
        case Op::band:
        case Op::bor:
        case Op::bxor:
        case Op::shl:
        case Op::lshr:
        case Op::ashr:
          need(ty(n.a) == n.ty && ty(n.b) == n.ty, at + ": operand types");
          break;
        case Op::scale:
          need(ty(n.a) == n.ty && ty(n.b) == n.ty && is_float(n.ty), at + ": operand types");
          break;
        case Op::fma:
          need(ty(n.a) == n.ty && ty(n.b) == n.ty && ty(n.c) == n.ty && is_float(n.ty),
               at + ": operand types");
          break;
        case Op::neg:
        case Op::abs:
        case Op::sqrt:
        case Op::floor:
        case Op::ceil:
        case Op::trunc:
        case Op::rint:
          need(ty(n.a) == n.ty && is_float(n.ty), at + ": operand type");
          break;
        case Op::eq:
        case Op::ne:
        case Op::lt:
        case Op::le:
        case Op::ult:
          need(ty(n.a) == ty(n.b) && n.ty == Ty::i1, at + ": operand types");
          break;
        case Op::select:
          need(ty(n.a) == Ty::i1 && ty(n.b) == n.ty && ty(n.c) == n.ty, at + ": operand types");
          break;
        case Op::bitcast:
          need(bytes(ty(n.a)) == bytes(n.ty), at + ": widths");
          break;
        case Op::sext:
        case Op::zext:
          need(!is_float(ty(n.a)), at + ": operand type");
          break;
        case Op::itrunc:
          need(!is_float(ty(n.a)) && bytes(ty(n.a)) >= bytes(n.ty), at + ": operand type");
          break;
        case Op::sitofp:
          need(!is_float(ty(n.a)) && is_float(n.ty), at + ": types");
          break;
        case Op::fptosi:
          need(is_float(ty(n.a)) && !is_float(n.ty), at + ": types");
          break;
        case Op::fpext:
          need(ty(n.a) == Ty::f32 && n.ty == Ty::f64, at + ": types");
          break;
        case Op::fptrunc:
          need(ty(n.a) == Ty::f64 && n.ty == Ty::f32, at + ": types");
          break;
      }
    }
  }

  void block(const Block& b, bool in_vector) {
    for (const Stmt& s : b) {
      if (!wrong.empty()) return;
      for (Expr e : s.args) type(e, "arguments");
      switch (s.kind) {
        case StmtKind::set:
          need(type(s.a, "set") == f.vars.at(s.var).ty, "set of another type");
          break;
        case StmtKind::store:
          need(type(s.a, "store") == Ty::i64 && type(s.b, "store") == Ty::i64 &&
                   type(s.c, "store") == s.ty,
               "store types");
          break;
        case StmtKind::fetch:
          need(type(s.a, "fetch") == Ty::i64 && type(s.b, "fetch") == Ty::i64, "fetch types");
          break;
        case StmtKind::if_:
          need(!in_vector, "if inside a vector loop");
          need(type(s.a, "if") == Ty::i1, "condition type");
          block(s.body, in_vector);
          block(s.other, in_vector);
          break;
        case StmtKind::while_:
          need(!in_vector, "while inside a vector loop");
          need(type(s.a, "while") == Ty::i1, "condition type");
          block(s.body, in_vector);
          block(s.other, in_vector);
          break;
        case StmtKind::for_:
          need(!(in_vector && s.bind == Bind::vector), "vector loop inside another");
          need(type(s.a, "for") == Ty::i64 && type(s.b, "for") == Ty::i64, "range type");
          block(s.body, in_vector || s.bind == Bind::vector);
          break;
        case StmtKind::fold:
          need(!in_vector, "fold inside a vector loop");
          need(type(s.c, "fold") == f.vars.at(s.var).ty, "fold type");
          block(s.body, true);
          break;
        case StmtKind::tile:
          need(f.kernel() && f.tile.sink != Tile::none && !in_vector, "tile");
          need(s.outs.size() + (f.tile.sink != Tile::reduce) == f.tile.products.size() + 2, "tile: elements of products");
          for (Expr e : s.args) need(type(e, "tile") == Ty::i64, "an argument is no slot");
          type(s.c, "tile");
          block(s.other, true);
          block(s.body, true);
          break;
        case StmtKind::call:
          need(!in_vector && (!f.kernel() || s.callee == Callee::runtime), "call inside a kernel");
          if (s.callee == Callee::function)
            need(s.id < p.functions.size() && s.args.size() == p.functions[s.id].params.size() &&
                     s.outs.size() == p.functions[s.id].results,
                 "call of function " + std::to_string(s.id));
          for (Expr e : s.args) need(type(e, "call") == Ty::i64, "an argument is no slot");
          for (Var v : s.outs) need(f.vars.at(v).ty == Ty::i64, "a result is no slot");
          break;
        case StmtKind::launch:
          need(s.id < p.kernels.size() && s.args.size() == p.kernels[s.id].params.size(),
               "launch of kernel " + std::to_string(s.id));
          for (Expr e : s.args) need(type(e, "launch") == Ty::i64, "an argument is no slot");
          break;
        case StmtKind::trap:
          need(s.id < p.traps.size(), "trap number");
          need(type(s.a, "trap") == Ty::i1, "condition type");
          break;
        case StmtKind::ret:
          need(f.kernel() || s.args.size() == f.results, "number of results");
          for (Expr e : s.args) need(type(e, "return") == Ty::i64, "a result is no slot");
          break;
      }
    }
  }
};

}  // namespace

std::string print(const Program& p, const Function& f) {
  Printer printer{p, f, {}};
  std::string head = (f.kernel() ? "kernel " : "function ") + f.name + "(";
  for (size_t i = 0; i < f.params.size(); ++i) head += (i ? ", " : "") + printer.var(f.params[i]);
  head += ")";
  if (f.kernel()) head += " over " + printer.var(f.lo) + " .. " + printer.var(f.hi);
  for (const Streamed& s : f.streamed)
    head += ", streams " + printer.var(f.params[s.param]) + " by " + std::to_string(s.bytes);
  printer.out = head + "\n";
  for (const Stmt& s : f.body) printer.stmt(s);
  return printer.out;
}

std::string print(const Program& p) {
  std::string s;
  for (const Function& f : p.functions) s += print(p, f) + "\n";
  for (const Function& f : p.kernels) s += print(p, f) + "\n";
  for (size_t i = 0; i < p.traps.size(); ++i)
    s += "trap " + std::to_string(i) + ": " + std::string(code_name(p.traps[i].code)) + " " +
         p.traps[i].text + "\n";
  return s;
}

std::string verify(const Program& p) {
  for (const auto* list : {&p.functions, &p.kernels})
    for (const Function& f : *list) {
      Checker c{p, f, {}};
      c.exprs();
      if (c.wrong.empty()) c.block(f.body, false);
      if (!c.wrong.empty()) return c.wrong;
    }
  return {};
}

}  // namespace tenon::loop
