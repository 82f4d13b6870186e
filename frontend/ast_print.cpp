// The syntax tree as text; see ast_print.h.
#include "frontend/ast_print.h"

#include <charconv>

namespace tenon {
namespace ast {

std::string_view spelling(UnaryOp op) {
  switch (op) {
    case UnaryOp::neg: return "-";
    case UnaryOp::not_: return "not";
  }
  return "?";
}

std::string_view spelling(BinaryOp op) {
  switch (op) {
    case BinaryOp::or_: return "or";
    case BinaryOp::and_: return "and";
    case BinaryOp::eq: return "==";
    case BinaryOp::ne: return "!=";
    case BinaryOp::lt: return "<";
    case BinaryOp::le: return "<=";
    case BinaryOp::gt: return ">";
    case BinaryOp::ge: return ">=";
    case BinaryOp::add: return "+";
    case BinaryOp::sub: return "-";
    case BinaryOp::mul: return "*";
    case BinaryOp::div: return "/";
    case BinaryOp::floordiv: return "//";
    case BinaryOp::rem: return "%";
    case BinaryOp::matmul: return "@";
    case BinaryOp::pow: return "**";
  }
  return "?";
}

}  // namespace ast

namespace {

using namespace ast;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '"' || c == '\\') out += std::string("\\") + c;
    else out += c;
  }
  return out + "\"";
}

std::string shortest(double value) {
  char buffer[40];
  auto [end, fault] = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string s(buffer, end);
  if (s.find_first_of(".en") == s.npos) s += ".0";
  return s;
}

std::string dim_text(const DimExpr& d) {
  auto pair = [&](const char* op) {
    return "(" + dim_text(*d.a) + " " + op + " " + dim_text(*d.b) + ")";
  };
  switch (d.kind) {
    case DimExpr::constant: return std::to_string(d.value);
    case DimExpr::variable: return d.id;
    case DimExpr::wildcard: return "_";
    case DimExpr::rest: return "...";
    case DimExpr::neg: return "-" + dim_text(*d.a);
    case DimExpr::add: return pair("+");
    case DimExpr::sub: return pair("-");
    case DimExpr::mul: return pair("*");
    case DimExpr::div: return pair("/");
    case DimExpr::floordiv: return pair("//");
  }
  return "?";
}

std::string type_text(const TypeExpr& t) {
  auto list = [](const std::vector<const TypeExpr*>& types) {
    std::string out;
    for (const TypeExpr* one : types) out += (out.empty() ? "" : ", ") + type_text(*one);
    return out;
  };
  std::string out;
  switch (t.kind) {
    case TypeExpr::named:
      for (const Name& n : t.path) out += (out.empty() ? "" : ".") + n.text;
      if (t.has_dims) {
        out += "[";
        for (size_t i = 0; i < t.dims.size(); ++i) out += (i ? ", " : "") + dim_text(*t.dims[i]);
        out += "]";
      }
      return out;
    case TypeExpr::tuple: return "(" + list(t.elements) + (t.elements.size() == 1 ? ",)" : ")");
    case TypeExpr::list: return "[" + list(t.elements) + "]";
    case TypeExpr::function: return "fn(" + list(t.elements) + ") -> " + type_text(*t.result);
    case TypeExpr::record:
      for (const TypeField& f : t.fields)
        out += (out.empty() ? "" : ", ") + f.id.text + ": " + type_text(*f.type);
      return "{" + out + "}";
  }
  return "?";
}

std::string pattern_text(const Pattern& p) {
  if (p.kind == Pattern::name) return p.id.text;
  if (p.kind == Pattern::wildcard) return "_";
  std::string out;
  for (const Pattern& e : p.elements) out += (out.empty() ? "" : ", ") + pattern_text(e);
  return "(" + out + (p.elements.size() == 1 ? ",)" : ")");
}

class Printer {
 public:
  std::string out;

  void module(const Module& m) {
    line("module");
    Inner in(*this);
    for (const Stmt* s : m.top.stmts) stmt(*s);
  }

  void expr(const Expr& e) {
    switch (e.kind) {
      case Expr::int_lit: return line("int " + std::to_string(as<IntLit>(e).value));
      case Expr::float_lit: return line("float " + shortest(as<FloatLit>(e).value));
      case Expr::bool_lit: return line(as<BoolLit>(e).value ? "true" : "false");
      case Expr::name: return line("name " + as<NameRef>(e).id);
      case Expr::string_lit: return string(as<StringLit>(e));
      case Expr::unary: {
        const auto& u = as<Unary>(e);
        return node("unary " + std::string(spelling(u.op)), {u.a});
      }
      case Expr::binary: {
        const auto& b = as<Binary>(e);
        return node("binary " + std::string(spelling(b.op)), {b.a, b.b});
      }
      case Expr::range: return node("range", {as<RangeExpr>(e).lo, as<RangeExpr>(e).hi});
      case Expr::call: return call(as<Call>(e));
      case Expr::member:
        return node("member " + as<Member>(e).id.text, {as<Member>(e).object});
      case Expr::subscript: return subscript(as<Subscript>(e));
      case Expr::tuple: return list("tuple", as<TupleExpr>(e).elements);
      case Expr::bracket: return list("bracket", as<Bracket>(e).elements);
      case Expr::comprehension: {
        const auto& c = as<Comprehension>(e);
        return node("comprehension " + pattern_text(c.pattern), {c.body, c.source});
      }
      case Expr::record: {
        line("record");
        Inner in(*this);
        for (const Field& f : as<RecordExpr>(e).fields) node("field " + f.id.text, {f.value});
        return;
      }
      case Expr::if_: {
        const auto& i = as<IfExpr>(e);
        node("if", {i.condition});
        Inner in(*this);
        block("then", i.then);
        block("else", i.otherwise);
        return;
      }
      case Expr::lambda: return function("lambda", as<Lambda>(e).sig, as<Lambda>(e).body);
      case Expr::reduction: {
        const auto& r = as<Reduction>(e);
        line("reduction " + r.op.text);
        Inner in(*this);
        indices(r.indices);
        return expr(*r.body);
      }
    }
  }

 private:
  struct Inner {
    explicit Inner(Printer& p) : printer(p) { ++printer.depth_; }
    ~Inner() { --printer.depth_; }
    Printer& printer;
  };

  void line(const std::string& text) {
    out.append(2 * static_cast<size_t>(depth_), ' ');
    out += text;
    out += '\n';
  }
  void node(const std::string& head, std::initializer_list<const Expr*> parts) {
    line(head);
    Inner in(*this);
    for (const Expr* part : parts)
      if (part) expr(*part);
  }
  void list(const std::string& head, const std::vector<const Expr*>& parts) {
    line(head);
    Inner in(*this);
    for (const Expr* part : parts) expr(*part);
  }
  void block(const std::string& head, const Block* b) {
    if (!b) return;
    line(head);
    Inner in(*this);
    for (const Stmt* s : b->stmts) stmt(*s);
  }
  void string(const StringLit& s) {
    if (s.pieces.empty()) return line("string \"\"");
    if (s.pieces.size() == 1 && !s.pieces[0].hole)
      return line("string " + quoted(s.pieces[0].text));
    line("string");
    Inner in(*this);
    for (const StringPiece& p : s.pieces) {
      if (!p.hole) line("text " + quoted(p.text));
      else node(p.format.empty() ? "hole" : "hole " + quoted(p.format), {p.hole});
    }
  }
  void call(const Call& c) {
    line(c.piped ? "call piped" : "call");
    Inner in(*this);
    expr(*c.callee);
    for (const Arg& a : c.args) {
      if (a.id) node("argument " + a.id->text, {a.value});
      else expr(*a.value);
    }
  }
  void subscript(const Subscript& s) {
    line("subscript");
    Inner in(*this);
    expr(*s.object);
    for (const Sub& sub : s.subs) {
      switch (sub.kind) {
        case Sub::index: node("at", {sub.at}); break;
        case Sub::all: line("all"); break;
        case Sub::rest: line("rest"); break;
        case Sub::range:
          node(!sub.lo ? "up to" : !sub.hi ? "from" : "from to", {sub.lo, sub.hi});
          break;
      }
    }
  }
  void indices(const std::vector<Index>& list) {
    for (const Index& i : list) node("index " + i.id.text, {i.range});
  }
  void params(const std::vector<Param>& list) {
    for (const Param& p : list) {
      std::string head = "parameter " + p.id.text;
      if (p.type) head += ": " + type_text(*p.type);
      if (p.rest) head += "...";
      node(head, {p.default_value});
    }
  }
  void function(const std::string& head, const FnSig& sig, const FnBody& body) {
    std::string text = head;
    if (sig.result) text += " -> " + type_text(*sig.result);
    for (size_t i = 0; i < sig.constraints.size(); ++i)
      text += (i ? ", " : " where ") + sig.constraints[i].variable.text + ": " +
              sig.constraints[i].bound.text;
    line(text);
    Inner in(*this);
    params(sig.params);
    block("block", body.block);
    if (body.expr) expr(*body.expr);
  }

  void stmt(const Stmt& s) {
    for (size_t from = 0; from < s.doc.size();) {
      size_t to = std::min(s.doc.find('\n', from), s.doc.size());
      line("## " + s.doc.substr(from, to - from));
      from = to + 1;
    }
    switch (s.kind) {
      case Stmt::bind: {
        const auto& b = as<Bind>(s);
        std::string head = (b.mutable_ ? "var " : "let ") + pattern_text(b.pattern);
        if (b.type) head += ": " + type_text(*b.type);
        return node(head + (b.draw ? " ~" : ""), {b.value});
      }
      case Stmt::index_bind: {
        const auto& b = as<IndexBind>(s);
        line((b.mutable_ ? "var " : "let ") + b.id.text + "[]");
        Inner in(*this);
        indices(b.indices);
        return expr(*b.value);
      }
      case Stmt::assign: {
        const auto& a = as<Assign>(s);
        std::string op = a.op ? std::string(spelling(*a.op)) : "";
        return node("assign " + op + "=", {a.place, a.value});
      }
      case Stmt::expr: return expr(*as<ExprStmt>(s).value);
      case Stmt::fn: {
        const auto& f = as<FnDecl>(s);
        return function((f.exported ? "export fn " : "fn ") + f.id.text, f.sig, f.body);
      }
      case Stmt::for_: {
        const auto& f = as<For>(s);
        node("for " + pattern_text(f.pattern), {f.source});
        Inner in(*this);
        return block("block", f.body);
      }
      case Stmt::while_: {
        const auto& w = as<While>(s);
        node("while", {w.condition});
        Inner in(*this);
        return block("block", w.body);
      }
      case Stmt::jump: {
        const auto& j = as<Jump>(s);
        return node(j.what == Jump::break_      ? "break"
                    : j.what == Jump::continue_ ? "continue"
                                                : "return",
                    {j.value});
      }
      case Stmt::model: {
        const auto& m = as<ModelDecl>(s);
        line("model " + m.id.text);
        Inner in(*this);
        params(m.params);
        for (const Stmt* member : m.members) stmt(*member);
        return;
      }
      case Stmt::param: {
        const auto& p = as<ParamDecl>(s);
        node((p.state ? "state " : "param ") + p.id.text + ": " + type_text(*p.type) +
                 (p.draw ? " ~" : ""),
             {p.value});
        Inner in(*this);
        if (p.condition) node("if", {p.condition});
        return;
      }
      case Stmt::update:
        return node("update " + as<Update>(s).id.text, {as<Update>(s).value});
      case Stmt::train: {
        const auto& t = as<Train>(s);
        node("train", {t.place, t.data});
        Inner in(*this);
        for (const Setting& setting : t.settings) {
          line("setting " + setting.id.text + (setting.params ? "()" : ""));
          Inner inner(*this);
          if (setting.params) params(*setting.params);
          block("block", setting.body.block);
          if (setting.body.expr) expr(*setting.body.expr);
        }
        return;
      }
      case Stmt::test: return block("test " + quoted(as<Test>(s).title), as<Test>(s).body);
      case Stmt::bench: return block("bench " + quoted(as<Bench>(s).title), as<Bench>(s).body);
      case Stmt::derivative: {
        const auto& d = as<Derivative>(s);
        line("derivative of " + d.id.text + " -> " + d.result.text + ", " + d.cotangent.text);
        Inner in(*this);
        params(d.params);
        return block("block", d.body);
      }
      case Stmt::type_def:
        return line("type " + as<TypeDef>(s).id.text + " = " + type_text(*as<TypeDef>(s).type));
      case Stmt::import: {
        const auto& i = as<Import>(s);
        return line("import " + (i.file ? quoted(i.path) : i.path) +
                    (i.as ? " as " + i.as->text : ""));
      }
      case Stmt::assert_: return node("assert", {as<Assert>(s).value, as<Assert>(s).message});
    }
  }

  int depth_ = 0;
};

}  // namespace

std::string print_ast(const Module& module) {
  Printer p;
  p.module(module);
  return std::move(p.out);
}

std::string print_ast(const Expr& expr) {
  Printer p;
  p.expr(expr);
  return std::move(p.out);
}

std::string print_ast(const TypeExpr& type) { return type_text(type); }

}  // namespace tenon
