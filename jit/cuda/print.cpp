// The CUDA C++ printer of the loop IR (print.h). Expressions that are used more than once in a
// statement become constants in front of it; all variables are declared at the top, so that a trap may
// jump over what is left of an item.
#include "jit/cuda/print.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "jit/cuda/idiom.h"
#include "jit/cuda/wide.h"
#include "jit/loop/runtime.h"

namespace tenon::cuda {

using loop::Block;
using loop::Expr;
using loop::ExprNode;
using loop::Function;
using loop::kNone;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Ty;
using loop::Var;

namespace {

class KernelText {
 public:
  KernelText(const Function& f, std::string name, Shape shape) : f_(f), idioms_(f), name_(std::move(name)), shape_(shape) {}

  std::string print() {
    out_ = "TN_KERNEL " + name_ + "(tn_int tn_order, tn_int tn_hi, tn_int tn_trap";
    for (Var v : f_.params) out_ += ", tn_int " + var(v);
    out_ += ") {\n";
    declare();
    if (shape_ == Shape::tile) {
      tiles();
      return out_ + "}\n";
    }
    if (const Stmt* items = shape_ == Shape::thread ? wide_items(f_) : nullptr) {
      for (const Stmt& s : f_.body)
        if (&s != items) statement(s);
      wide(*items, Wide(f_, *items), "tn_block() * (tn_threads() * (tn_int){})", "0", "tn_hi", "tn_blocks() * (tn_threads() * (tn_int){})");
      return out_ + "}\n";
    }
    const bool alone = shape_ == Shape::thread, warp = shape_ == Shape::warp;
    if (shape_ == Shape::block) line("TN_SHARED(double, tn_piece, 2048);");
    line(shape_ == Shape::block ? "for (tn_int tn_g = tn_block(); tn_g < tn_hi; tn_g += tn_blocks()) {"
         : warp ? "for (tn_int tn_g = tn_warp(); tn_g < tn_hi; tn_g += tn_warps()) {"
               : "for (tn_int tn_g = tn_block() * tn_threads() + tn_thread(); tn_g < tn_hi;"
                 " tn_g += tn_blocks() * tn_threads()) {");
    ++depth_;
    line(var(f_.lo) + " = tn_g;");
    line(var(f_.hi) + " = tn_g + 1;");
    next_ = {"tn_next"};
    together_ = !alone;
    statements(f_.body);
    line("tn_next:;");
    if (!alone) line(meet());
    --depth_;
    line("}");
    out_ += "}\n";
    return out_;
  }

 private:
  // ---- words
  // Of those who share an item: where they wait for each other, who one is, how many they are.
  std::string meet() const { return shape_ == Shape::block ? "tn_sync();" : "tn_meet();"; }
  std::string self() const { return shape_ == Shape::warp ? "tn_lane()" : "tn_thread()"; }
  std::string all() const { return shape_ == Shape::warp ? "32" : "tn_threads()"; }
  void line(const std::string& s) { out_ += std::string(2 * static_cast<size_t>(depth_), ' ') + s + "\n"; }
  std::string var(Var v) const {
    std::string s;
    for (char c : f_.vars[v].name) s += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    s += "_" + std::to_string(v);
    if (!wide_) return s;
    if (v == wide_->index() && !first_.empty()) return first_;
    return wide_->sets(v) ? s + (first_.empty() ? "[tn_u]" : "[0]") : s;
  }
  static std::string number(const ExprNode& n) {
    switch (n.ty) {
      case Ty::i1: return n.imm & 1 ? "true" : "false";
      case Ty::i8: return "((signed char)" + std::to_string(static_cast<int8_t>(n.imm)) + ")";
      case Ty::i16: return "((short)" + std::to_string(static_cast<int16_t>(n.imm)) + ")";
      case Ty::i32: {
        const auto v = static_cast<int32_t>(n.imm);
        return v == INT32_MIN ? "(-2147483647 - 1)" : v < 0 ? "(" + std::to_string(v) + ")" : std::to_string(v);
      }
      case Ty::i64: {
        const auto v = static_cast<int64_t>(n.imm);
        if (v == INT64_MIN) return "(-9223372036854775807LL - 1)";
        return v < 0 ? "(" + std::to_string(v) + "LL)" : std::to_string(v) + "LL";
      }
      case Ty::f32: {
        const float v = std::bit_cast<float>(static_cast<uint32_t>(n.imm));
        char text[48];
        std::snprintf(text, sizeof text, "tn_f32(0x%08xu)", static_cast<unsigned>(n.imm));
        if (!std::isfinite(v)) return text;
        std::snprintf(text, sizeof text, "%.9g", static_cast<double>(v));
        return floating(text) + "f";
      }
      case Ty::f64: {
        const double v = std::bit_cast<double>(n.imm);
        char text[48];
        std::snprintf(text, sizeof text, "tn_f64(0x%016llxull)", static_cast<unsigned long long>(n.imm));
        if (!std::isfinite(v)) return text;
        std::snprintf(text, sizeof text, "%.17g", v);
        return floating(text);
      }
    }
    bug("no type");
  }
  static std::string floating(std::string s) {
    if (s.find_first_of(".e") == std::string::npos) s += ".0";
    return s[0] == '-' ? "(" + s : s;  // closed by the caller: see below
  }

  // ---- expressions
  void count(Expr e, std::map<Expr, int>& uses) const {
    if (e == kNone || uses[e]++ > 0) return;
    const ExprNode& n = f_.exprs[e];
    if (n.op == Op::konst || n.op == Op::var) return;
    if (const auto idiom = idioms_.at(e)) return count(idiom->of, uses);
    for (Expr x : {n.a, n.b, n.c})
      if (x != kNone) count(x, uses);
  }
  // Names what these share, in front of the statement at hand.
  void share(std::initializer_list<Expr> roots, const std::vector<Expr>& more = {}) {
    names_.clear();
    uses_.clear();
    for (Expr e : roots) count(e, uses_);
    for (Expr e : more) count(e, uses_);
  }
  std::string expr(Expr e) {
    if (auto it = names_.find(e); it != names_.end()) return it->second;
    const ExprNode& n = f_.exprs[e];
    const auto idiom = idioms_.at(e);
    std::string text = idiom ? std::string(idiom->call) + "(" + expr(idiom->of) + ")" : compute(n);
    if (uses_[e] < 2 || n.op == Op::konst || n.op == Op::var) return text;
    std::string name = "t" + std::to_string(e);
    line("const " + std::string(type_name(n.ty)) + " " + name + " = " + text + ";");
    return names_[e] = name;
  }
  std::string call(const char* f, const ExprNode& n) {
    std::string s = std::string(f) + "(" + expr(n.a);
    if (n.b != kNone) s += ", " + expr(n.b);
    if (n.c != kNone) s += ", " + expr(n.c);
    return s + ")";
  }
  std::string infix(const char* op, const ExprNode& n) {
    std::string a = expr(n.a), b = expr(n.b);
    return "(" + a + " " + op + " " + b + ")";
  }
  std::string as(Ty t, const std::string& s) { return "((" + std::string(type_name(t)) + ")" + s + ")"; }
  static std::string_view unsigned_name(Ty t) {
    switch (t) {
      case Ty::i1: return "bool";
      case Ty::i8: return "unsigned char";
      case Ty::i16: return "unsigned short";
      case Ty::i32: return "unsigned";
      case Ty::i64: return "tn_uint";
      case Ty::f32:
      case Ty::f64: break;
    }
    bug("not an integer");
  }
  std::string without_sign(Expr e) {
    return "((" + std::string(unsigned_name(f_.type(e))) + ")" + expr(e) + ")";
  }

  std::string compute(const ExprNode& n) {
    const bool fl = n.a != kNone && loop::is_float(f_.type(n.a));
    switch (n.op) {
      case Op::konst: {
        std::string s = number(n);
        return s[0] == '(' && s.back() != ')' ? s + ")" : s;
      }
      case Op::var: return var(n.a);
      case Op::load: {
        if (auto it = taken_.find({n.a, n.b, n.ty}); it != taken_.end()) return it->second + "[tn_u]";
        std::string a = expr(n.a), i = expr(n.b);
        return "tn_load<" + std::string(type_name(n.ty)) + ">(" + a + ", " + i + ")";
      }
      case Op::add: return fl ? infix("+", n) : call("tn_add", n);
      case Op::sub: return fl ? infix("-", n) : call("tn_sub", n);
      case Op::mul: return fl ? infix("*", n) : call("tn_mul", n);
      case Op::div: return infix("/", n);
      case Op::fma: return call("tn_fma", n);
      case Op::scale: return call("tn_scale", n);
      case Op::neg: return "(-" + expr(n.a) + ")";
      case Op::abs: return call("tn_abs", n);
      case Op::sqrt: return call("tn_sqrt", n);
      case Op::floor: return call("tn_floor", n);
      case Op::ceil: return call("tn_ceil", n);
      case Op::trunc: return call("tn_trunc", n);
      case Op::rint: return call("tn_rint", n);
      case Op::sdiv: return infix("/", n);
      case Op::srem: return infix("%", n);
      case Op::band: return as(n.ty, infix("&", n));
      case Op::bor: return as(n.ty, infix("|", n));
      case Op::bxor: return as(n.ty, infix("^", n));
      case Op::shl: return call("tn_shl", n);
      case Op::lshr: return call("tn_lshr", n);
      case Op::ashr: return infix(">>", n);
      case Op::eq: return infix("==", n);
      case Op::ne: return infix("!=", n);
      case Op::lt: return infix("<", n);
      case Op::le: return infix("<=", n);
      case Op::ult: {
        std::string a = without_sign(n.a), b = without_sign(n.b);
        return "(" + a + " < " + b + ")";
      }
      case Op::select: {
        std::string c = expr(n.a), a = expr(n.b), b = expr(n.c);
        return "(" + c + " ? " + a + " : " + b + ")";
      }
      case Op::bitcast: {
        const Ty from = f_.type(n.a);
        if (from == n.ty) return expr(n.a);
        return "tn_bitcast<" + std::string(type_name(n.ty)) + ">(" + expr(n.a) + ")";
      }
      case Op::sext: return f_.type(n.a) == Ty::i1 ? "(-" + as(n.ty, expr(n.a)) + ")" : as(n.ty, expr(n.a));
      case Op::zext: return as(n.ty, without_sign(n.a));
      case Op::itrunc: return n.ty == Ty::i1 ? "((" + expr(n.a) + " & 1) != 0)" : as(n.ty, expr(n.a));
      case Op::sitofp:
      case Op::fptosi:
      case Op::fpext:
      case Op::fptrunc: return as(n.ty, expr(n.a));
    }
    bug("no such operation");
  }

  // ---- statements
  void declare() {
    depth_ = 1;
    std::set<Var> params(f_.params.begin(), f_.params.end());
    for (Var v = 0; v < f_.vars.size(); ++v)
      if (!params.contains(v)) line(std::string(type_name(f_.vars[v].ty)) + " " + var(v) + ";");
  }
  void statements(const Block& b) {
    for (const Stmt& s : b) statement(s);
  }
  std::string label() { return "tn_next" + std::to_string(++labels_); }
  // The body of a loop whose items belong to one thread each.
  void item(const Block& body, const std::function<void()>& last = {}) {
    const bool together = together_;
    together_ = false;
    next_.push_back(label());
    statements(body);
    if (last) last();
    line(next_.back() + ":;");
    next_.pop_back();
    together_ = together;
  }
  void open() {
    line("{");
    ++depth_;
  }
  void close() {
    --depth_;
    line("}");
  }

  void statement(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::set: {
        open();
        share({s.a});
        std::string v = expr(s.a);
        line(var(s.var) + " = " + v + ";");
        close();
        return;
      }
      case StmtKind::fetch:
        return;
      case StmtKind::store: {
        open();
        share({s.a, s.b, s.c});
        std::string a = expr(s.a), i = expr(s.b), v = expr(s.c);
        std::string text = "tn_store<" + std::string(type_name(s.ty)) + ">(" + a + ", " + i + ", " + v + ");";
        if (together_) {  // all have read what they need before the first writes, and see it behind
          line(meet());
          line("if (" + self() + " == 0) " + text);
          line(meet());
        } else {
          line(text);
        }
        close();
        return;
      }
      case StmtKind::if_: {
        open();
        share({s.a});
        std::string c = expr(s.a);
        line("if (" + c + ") {");
        ++depth_;
        statements(s.body);
        --depth_;
        if (!s.other.empty()) {
          line("} else {");
          ++depth_;
          statements(s.other);
          --depth_;
        }
        line("}");
        close();
        return;
      }
      case StmtKind::while_: {
        line("for (;;) {");
        ++depth_;
        statements(s.body);
        open();
        share({s.a});
        std::string c = expr(s.a);
        line("if (!" + c + ") break;");
        close();
        statements(s.other);
        close();
        return;
      }
      case StmtKind::for_: {
        const bool vector = s.bind == loop::Bind::vector && together_ && !over_items(f_, s);
        if (const Wide w(f_, s); vector && w.width() > 1) {
          open();
          share({s.a, s.b});
          const std::string lo = expr(s.a), hi = expr(s.b);
          line("const tn_int tn_begin = " + lo + ", tn_end = " + hi + ";");
          line(meet());
          wide(s, w, "0", "tn_begin", "tn_end", all() + " * {}");
          line(meet());
          close();
          return;
        }
        open();
        share({s.a, s.b});
        std::string lo = expr(s.a), hi = expr(s.b), v = var(s.var);
        line("const tn_int tn_end = " + hi + ";");
        if (vector) {
          line(meet());
          line("for (" + v + " = " + lo + " + " + self() + "; " + v + " < tn_end; " + v + " += " + all() + ") {");
          ++depth_;
          item(s.body);
          close();
          line(meet());
        } else {
          line("for (" + v + " = " + lo + "; " + v + " < tn_end; ++" + v + ") {");
          ++depth_;
          statements(s.body);
          close();
        }
        close();
        return;
      }
      case StmtKind::fold: return fold(s);
      case StmtKind::tile: break;
      case StmtKind::call: {
        // The one helper that kernels call: the fold of a run in memory.
        require(s.callee == loop::Callee::runtime && s.id == kFoldRun, "a kernel calls something");
        open();
        share({s.args[2], s.args[3]});
        std::string a = expr(s.args[2]), n = expr(s.args[3]);
        line(var(s.outs[0]) + " = " + fold_run(s, a, n) + ";");
        close();
        return;
      }
      case StmtKind::trap: {
        open();
        share({s.a});
        std::string c = expr(s.a);
        line("if (" + c + ") {");
        ++depth_;
        open();  // a trap may not jump over the names of its values
        share({}, s.args);
        std::string values;
        for (Expr e : s.args) values += ", (tn_int)" + expr(e);
        line("const tn_int tn_met[] = {tn_order + tn_g, " + std::to_string(s.id) + values + "};");
        line("tn_trapped(tn_trap, tn_met, " + std::to_string(s.args.size()) + ");");
        close();
        line("goto " + next_.back() + ";");
        close();
        close();
        return;
      }
      case StmtKind::launch:
      case StmtKind::ret: break;
    }
    bug("a kernel with a statement that it cannot have");
  }

  // ---- several elements at a time (wide.h)
  //
  // The elements begin, begin + 1, .. < end of a loop go to threads in turns of `each` for all of them. A thread has
  // tn_left of its own from tn_at on, tn_step apart: neighbours where all that lies side by side is aligned for it,
  // else as far apart as there are threads, so that a warp's accesses are lines of memory either way. What is
  // behind the end is computed of the first element again, and stays where it is. {}: how many there are.
  // A fold's `last` takes the value of each; `before` and `after` stand around all of a thread's.
  void wide(const Stmt& s, const Wide& w, std::string from, const std::string& begin, const std::string& end, std::string each,
            const std::function<void()>& last = {}, const std::string& before = "", const std::string& after = "") {
    const std::string n = std::to_string(w.width()), size = "(" + all() + " * " + n + ")";
    for (std::string* text : {&from, &each})
      if (const size_t at = text->find("{}"); at != std::string::npos) text->replace(at, 2, n);
    wide_ = &w;
    std::string lined;
    first_ = begin;
    for (const Wide::Access& a : w.accesses()) {
      names_.clear();
      uses_.clear();
      const std::string bytes = std::to_string(loop::bytes(a.ty)) + "LL", line = std::to_string(w.width() * loop::bytes(a.ty));
      lined += (lined.empty() ? "(" : " && (") + expr(a.address) + " + " + expr(a.index) + " * " + bytes + ") % " + line + " == 0";
    }
    line("const bool tn_wide = " + lined + ";");
    line("const int tn_step = tn_wide ? 1 : " + all() + ", tn_first = " + self() + " * (tn_wide ? " + n + " : 1);");
    line("for (tn_int tn_at = " + begin + " + " + from + " + tn_first; tn_at < " + end + "; tn_at += " + each + ") {");
    ++depth_;
    line("const int tn_left = " + end + " - tn_at < " + size + " ? (int)(" + end + " - tn_at) : " + size + ";");
    std::set<Var> made;
    for (const Stmt& inner : s.body)
      if (inner.kind == StmtKind::set && made.insert(inner.var).second)
        line(std::string(type_name(f_.vars[inner.var].ty)) + " " + plain(inner.var) + "[" + n + "];");
    stretch_.clear();
    for (const Stmt& inner : s.body) {
      if (inner.kind == StmtKind::fetch) continue;
      take(inner.a);
      take(inner.b);
      take(inner.c);
      if (inner.kind == StmtKind::set) {
        element([&] { line(var(inner.var) + " = " + expr(inner.a) + ";"); }, {inner.a});
        fresh_.insert(inner.var);
        continue;
      }
      const std::string t(type_name(inner.ty));
      if (w.beside(inner.a, inner.b)) {
        const std::string held = "tn_w" + std::to_string(held_++);
        line(t + " " + held + "[" + n + "];");
        element([&] { line(held + "[tn_u] = " + expr(inner.c) + ";"); }, {inner.c});
        flush();
        line("tn_give<" + t + ", " + n + ">(" + of_first(inner.a) + ", " + of_first(inner.b) + ", tn_step, tn_left, " + held + ");");
      } else {
        element([&] {
          std::string a = expr(inner.a), i = expr(inner.b), v = expr(inner.c);
          line("if (tn_u * tn_step < tn_left) tn_store<" + t + ">(" + a + ", " + i + ", " + v + ");");
        }, {inner.a, inner.b, inner.c});
        flush();
      }
    }
    if (last) {
      take(s.c);
      take(s.d);
      if (!before.empty()) line(before);
      element(last, {s.c, s.d});
    }
    flush();
    if (!after.empty()) line(after);
    close();
    wide_ = nullptr;
  }
  // What is computed for each element of a thread; from one access of memory to the next they share a loop.
  void element(const std::function<void()>& print, std::initializer_list<Expr> roots) {
    std::string outside = std::move(out_);
    out_ = std::move(stretch_);
    ++depth_;
    first_.clear();
    open();
    share(roots);
    print();
    close();
    --depth_;
    stretch_ = std::move(out_);
    out_ = std::move(outside);
  }
  void flush() {
    if (!stretch_.empty()) {
      line("TN_UNROLL");
      line("for (int tn_u = 0; tn_u < " + std::to_string(wide_->width()) + "; ++tn_u) {");
      line("  const tn_int " + plain(wide_->index()) + " = tn_at + (tn_u * tn_step < tn_left ? tn_u * tn_step : 0);");
      out_ += stretch_;
      line("}");
      stretch_.clear();
    }
    taken_.clear();
    fresh_.clear();
  }
  // Loads of what lies side by side, in front of the loop that uses them.
  void take(Expr e) {
    if (e == kNone) return;
    const ExprNode& n = f_.exprs[e];
    if (n.op == Op::konst || n.op == Op::var) return;
    if (n.op == Op::load && wide_->beside(n.a, n.b)) {
      if (taken_.contains({n.a, n.b, n.ty})) return;
      if (awaits(n.a) || awaits(n.b)) flush();
      const std::string t(type_name(n.ty)), count = std::to_string(wide_->width()), held = "tn_w" + std::to_string(held_++);
      line(t + " " + held + "[" + count + "];");
      line("tn_take<" + t + ", " + count + ">(" + held + ", " + of_first(n.a) + ", " + of_first(n.b) + ", tn_step, tn_left);");
      taken_[{n.a, n.b, n.ty}] = held;
      return;
    }
    for (Expr x : {n.a, n.b, n.c}) take(x);
  }
  // Whether it is computed by the stretch that is not written yet.
  bool awaits(Expr e) const {
    if (e == kNone) return false;
    const ExprNode& n = f_.exprs[e];
    if (n.op == Op::konst) return false;
    if (n.op == Op::var) return fresh_.contains(n.a);
    return awaits(n.a) || awaits(n.b) || awaits(n.c);
  }
  std::string of_first(Expr e) {
    names_.clear();
    uses_.clear();
    first_ = "tn_at";
    std::string s = expr(e);
    first_.clear();
    return s;
  }
  std::string plain(Var v) {
    const Wide* const w = std::exchange(wide_, nullptr);
    std::string s = var(v);
    wide_ = w;
    return s;
  }

  // The one statement of tiles, behind what reads the parameters.
  void tiles() {
    using loop::Tile;
    const Tile& tile = f_.tile;
    for (const Stmt& s : f_.body) {
      if (s.kind != StmtKind::tile) {
        statement(s);
        continue;
      }
      share({}, s.args);
      size_t at = 0;
      auto next = [&] { return expr(s.args[at++]); };
      const std::string out = next(), slabs = next(), rows = next(), columns = next();
      const size_t makers = s.outs.size() - 2;
      for (size_t i = 0; i < tile.products.size(); ++i) {
        const Tile::Indices& n = tile.products[i];
        const std::string self = "tn_p" + std::to_string(i);
        line("TnGemm<" + std::to_string(n.row) + ", " + std::to_string(n.column) + ", " + std::to_string(n.batch) + ", " +
             std::to_string(n.sum) + "> " + self + ";");
        line(gemm_members(self, n, next));
        const bool maker = i < makers;
        const std::string wide = next(), depth = next();
        line(self + ".out = " + (maker ? "0" : out) + "; " + self + ".batches = " + slabs + "; " + self + ".rows = " +
             (tile.sink == Tile::columns && !maker ? columns : rows) + "; " + self + ".cols = " + wide + "; " + self +
             ".depth = " + depth + ";");
      }
      const std::string t(storage_name(tile.dtype)), acc = "TnOf<" + t + ">::Acc";
      const std::string counts = std::to_string(makers);
      line("auto tn_products = [&](tn_int slab, tn_int row, tn_int column, const TnSlices<" + acc + ">& s, " + acc +
           " (&x)[" + counts + "][4][4]) {");
      for (size_t i = 0; i < makers; ++i)
        line("  tn_tile_product<" + t + ">(tn_p" + std::to_string(i) + ", slab, row, column, s, x[" + std::to_string(i) +
             "]);");
      line("};");
      line("auto tn_row = [&](tn_int row) {");
      ++depth_;
      line(var(s.outs[0]) + " = row;");
      statements(s.other);
      --depth_;
      line("};");
      line("auto tn_element = [&](tn_int column, const " + acc + "* x) -> " + acc + " {");
      ++depth_;
      line(var(s.outs[1]) + " = column;");
      for (size_t i = 0; i < makers; ++i) line(var(s.outs[i + 2]) + " = x[" + std::to_string(i) + "];");
      statements(s.body);
      share({s.c});
      line("return " + expr(s.c) + ";");
      --depth_;
      line("};");
      if (tile.sink == Tile::reduce) {
        line("tn_tile_reduce<" + std::string(kind_name(s.reduce)) + ", " + t + ", " + counts + ">(tn_hi, " + out + ", " +
             rows + ", " + columns + ", tn_products, tn_row, tn_element);");
      } else {
        line("tn_tile_times<" + std::string(tile.sink == Tile::columns ? "true" : "false") + ", " + t + ", " + counts +
             ", " + std::to_string(tile.wide) + ">(tn_hi, " + rows + ", " + columns + ", tn_p" + counts +
             ", tn_products, tn_row, tn_element);");
      }
    }
  }

  void fold(const Stmt& s) {
    const Ty ty = f_.vars[s.var].ty;
    const std::string t(type_name(ty)), k(kind_name(s.reduce)), i = var(s.index);
    auto both = [&](const std::string& p) {
      return [this, &s, p, k] {
        open();
        share({s.c, s.d});
        std::string c = expr(s.c);
        if (s.d != kNone) {
          std::string d = expr(s.d);
          line(p + " = tn_fma(" + c + ", " + d + ", " + p + ");");
        } else {
          line(p + " = " + k + "::both(" + p + ", " + c + ");");
        }
        close();
      };
    };
    open();
    share({s.a, s.b});
    std::string lo = expr(s.a), hi = expr(s.b);
    line("const tn_int tn_begin = " + lo + ", tn_end = " + hi + ";");
    const bool block = together_ && shape_ == Shape::block;
    // A lane of a warp has two partials, each with every 64th element.
    const Wide w(f_, s, block ? 16 / loop::bytes(ty) : 2);
    if (block) {
      line(t + "* const tn_held = (" + t + "*)tn_piece;");
      line(t + " tn_p = " + k + "::first<" + t + ">();");
      line("for (tn_int tn_from = tn_begin; tn_from < tn_end; tn_from += 2048) {");
      ++depth_;
      line("const tn_int tn_to = tn_from + 2048 < tn_end ? tn_from + 2048 : tn_end;");
      if (w.width() > 1 && s.d == kNone) {
        const std::string n = std::to_string(w.width());
        wide(s, w, "0", "tn_from", "tn_to", "tn_threads() * {}", [&] { line("tn_c[tn_u] = " + expr(s.c) + ";"); },
             t + " tn_c[" + n + "];", "tn_hold<" + t + ", " + n + ">(tn_held, (int)(tn_at - tn_from), tn_step, tn_left, tn_c);");
      } else {
        line("for (" + i + " = tn_from + tn_thread(); " + i + " < tn_to; " + i + " += tn_threads()) {");
        ++depth_;
        item(s.body, [&] {
          open();
          share({s.c});
          line("tn_held[" + i + " - tn_from] = " + expr(s.c) + ";");
          close();
        });
        close();
      }
      line("tn_p = tn_fold_piece<" + k + ">(tn_held, (int)(tn_to - tn_from), tn_p);");
      close();
      line(var(s.var) + " = tn_in_block<" + k + ">(tn_held, tn_p);");
    } else if (together_ && w.width() == 2) {
      line(meet());  // other lanes may have stored what is read
      line(t + " tn_p[2] = {" + k + "::first<" + t + ">(), " + k + "::first<" + t + ">()};");
      wide(s, w, "0", "tn_begin", "tn_end", "32 * {}", [&] {
        const std::string c = expr(s.c), d = s.d == kNone ? "" : expr(s.d);
        line("if (tn_u * tn_step < tn_left) tn_p[tn_u] = " +
             (s.d == kNone ? k + "::both(tn_p[tn_u], " + c + ");" : "tn_fma(" + c + ", " + d + ", tn_p[tn_u]);"));
      });
      line("if (tn_wide) tn_apart(tn_p[0], tn_p[1]);");
      line(var(s.var) + " = tn_at_once<" + k + ">(tn_p[0], tn_p[1]);");
    } else if (together_) {
      line(meet());
      line(t + " tn_p = " + k + "::first<" + t + ">(), tn_q = tn_p;");
      line("for (" + i + " = tn_begin + tn_lane(); " + i + " < tn_end; " + i + " += 32) {");
      ++depth_;
      item(s.body, [&] {
        open();  // a trap may not jump over the name of a partial
        line(t + "& tn_r = (" + i + " - tn_begin) % 64 < 32 ? tn_p : tn_q;");
        both("tn_r")();
        close();
      });
      close();
      line(var(s.var) + " = tn_at_once<" + k + ">(tn_p, tn_q);");
    } else {
      line(t + " tn_p[64];");
      line("for (int tn_j = 0; tn_j < 64; ++tn_j) tn_p[tn_j] = " + k + "::first<" + t + ">();");
      line("for (" + i + " = tn_begin; " + i + " < tn_end; ++" + i + ") {");
      ++depth_;
      statements(s.body);
      both("tn_p[(" + i + " - tn_begin) % 64]")();
      close();
      line(var(s.var) + " = tn_alone<" + k + ">(tn_p);");
    }
    close();
  }

  // A run of an accumulator's dtype, as the slot that the helper of compiled code gives.
  std::string fold_run(const Stmt& s, const std::string& address, const std::string& n) {
    const auto kind = static_cast<ir::ReduceKind>(f_.exprs[s.args[0]].imm);
    const auto dtype = static_cast<DType>(f_.exprs[s.args[1]].imm);
    const std::string run = "tn_run<" + std::string(kind_name(kind)) + ", " +
                            std::string(storage_name(dtype)) + ">(" + address + ", " + n + ")";
    switch (dtype) {
      case DType::f32: return "(tn_int)(unsigned)tn_bitcast<int>(" + run + ")";
      case DType::f64: return "tn_bitcast<tn_int>(" + run + ")";
      case DType::i32: return "(tn_int)(unsigned)" + run;
      case DType::i64:
      case DType::boolean: return "(tn_int)" + run;
      case DType::i8:
      case DType::u8:
      case DType::f16:
      case DType::bf16: break;
    }
    bug("a run of what is no accumulator");
  }

  static constexpr auto kFoldRun = static_cast<uint32_t>(loop::Runtime::fold_run);

  const Function& f_;
  Idioms idioms_;
  std::string name_, out_;
  Shape shape_;
  int depth_ = 0, labels_ = 0;
  bool together_ = false;          // all threads of the warp run this alike
  std::vector<std::string> next_;  // where a trap goes on
  std::map<Expr, std::string> names_;
  std::map<Expr, int> uses_;
  const Wide* wide_ = nullptr;  // the loop at hand
  std::string first_;           // its first element's index, where that is asked for
  std::string stretch_;         // what is not written yet
  std::set<Var> fresh_;         // and what it sets
  std::map<std::tuple<Expr, Expr, Ty>, std::string> taken_;
  int held_ = 0;
};

}  // namespace

std::string gemm_members(const std::string& self, const loop::Tile::Indices& indices,
                         const std::function<std::string()>& next) {
  std::string s;
  auto set = [&](const std::string& member) { s += (s.empty() ? "" : " ") + self + "." + member + " = " + next() + ";"; };
  auto range = [&](const std::string& which, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string place = "[" + std::to_string(i) + "]";
      for (const char* part : {".extent", ".in", ".out"}) set(which + part + place);
      if (which == "batch") set(which + "_out" + place);
    }
  };
  set("a");
  set("b");
  range("row", indices.row);
  range("col", indices.column);
  range("batch", indices.batch);
  range("sum", indices.sum);
  return s;
}

std::string print_kernel(const Function& f, const std::string& name, Shape shape) {
  return KernelText(f, name, shape).print();
}

}  // namespace tenon::cuda
