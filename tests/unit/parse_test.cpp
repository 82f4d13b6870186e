// rooms: support frontend
// The parser: every construct, precedence, newlines, messages, and that no text breaks it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "frontend/ast_print.h"
#include "frontend/parse.h"

namespace tenon {
namespace {

std::string tree(const std::string& text) {
  SourceMap sources;
  ParseResult r = parse(sources, sources.add("t.model", text));
  std::string out;
  for (const Diagnostic& d : r.errors) out += render(d, sources);
  if (r.module) out += print_ast(*r.module);
  return out;
}

// The one statement of a text, its tree written in one line: binary + (name a) (int 1)
std::string brief(const std::string& text) {
  std::istringstream lines(tree(text));
  std::string line, out;
  int depth = 0;
  while (std::getline(lines, line)) {
    if (line == "module") continue;
    int d = static_cast<int>(line.find_first_not_of(' ')) / 2;
    while (depth >= d && depth > 0) out += ")", --depth;
    out += (out.empty() ? "(" : " (") + line.substr(static_cast<size_t>(d) * 2);
    depth = d;
  }
  while (depth-- > 0) out += ")";
  return out;
}

size_t statements(const std::string& text) {
  SourceMap sources;
  ParseResult r = parse(sources, sources.add("t.model", text));
  EXPECT_TRUE(r.module) << tree(text);
  return r.module ? r.module->top.stmts.size() : 0;
}

std::vector<Diagnostic> errors(const std::string& text) {
  SourceMap sources;
  return parse(sources, sources.add("t.model", text)).errors;
}

bool incomplete(const std::string& text) {
  SourceMap sources;
  return parse(sources, sources.add("t.model", text)).incomplete;
}

TEST(Parse, Precedence) {
  EXPECT_EQ(brief("a + b * c"), "(binary + (name a) (binary * (name b) (name c)))");
  EXPECT_EQ(brief("a - b - c"), "(binary - (binary - (name a) (name b)) (name c))");
  EXPECT_EQ(brief("-x ** 2"), "(unary - (binary ** (name x) (int 2)))");
  EXPECT_EQ(brief("x ** -y ** 2"),
            "(binary ** (name x) (unary - (binary ** (name y) (int 2))))");
  EXPECT_EQ(brief("a or b and not c == d"),
            "(binary or (name a) (binary and (name b) (unary not (binary == (name c) (name d)))))");
  EXPECT_EQ(brief("0..n + 1"), "(range (int 0) (binary + (name n) (int 1)))");
  EXPECT_EQ(brief("a @ b // c"), "(binary // (binary @ (name a) (name b)) (name c))");
  EXPECT_EQ(brief("-1"), "(unary - (int 1))");
  EXPECT_EQ(brief("-9223372036854775808"), "(unary - (int -9223372036854775808))");
  EXPECT_EQ(brief("(a, b).x"), "(member x (tuple (name a) (name b)))");
  EXPECT_EQ(brief("(a)"), "(name a)");
  EXPECT_EQ(brief("(a,)"), "(tuple (name a))");
  EXPECT_EQ(brief("()"), "(tuple)");
}

TEST(Parse, Pipes) {
  EXPECT_EQ(brief("x |> f(1) |> g"),
            "(call piped (name g) (call piped (name f) (name x) (int 1)))");
  EXPECT_EQ(brief("x |> (f(1))"), "(call piped (call (name f) (int 1)) (name x))");
  EXPECT_EQ(brief("x |> fn(a) { a } |> g"),
            "(call piped (name g) (call piped (lambda (parameter a) (block (name a))) (name x)))");
  EXPECT_EQ(brief("x |> fn(a) = a |> g"),
            "(call piped (lambda (parameter a) (call piped (name g) (name a))) (name x))");
}

TEST(Parse, Reductions) {
  EXPECT_EQ(brief("sum[k] a[k] * b + c"),
            "(binary + (reduction sum (index k) (binary * (subscript (name a) (at (name k))) "
            "(name b))) (name c))");
  EXPECT_EQ(brief("0.5 * -max[i in 0..n] x"),
            "(binary * (float 0.5) (unary - (reduction max (index i (range (int 0) (name n))) "
            "(name x))))");
  EXPECT_EQ(brief("max(a, axis = 0)"), "(call (name max) (name a) (argument axis (int 0)))");
  EXPECT_EQ(brief("max[k] (a[k])"),
            "(reduction max (index k) (subscript (name a) (at (name k))))");
  EXPECT_EQ(brief("let mean = mean + 1"), "(let mean (binary + (name mean) (int 1)))");
}

TEST(Parse, Subscripts) {
  EXPECT_EQ(brief("x[.., -1, ..b, a.., a..b, ...]"),
            "(subscript (name x) (all) (at (unary - (int 1))) (up to (name b)) (from (name a)) "
            "(from to (name a) (name b)) (rest))");
  EXPECT_EQ(brief("x[..-1]"), "(subscript (name x) (up to (unary - (int 1))))");
  EXPECT_EQ(brief("a[i] (b)"), "(call (subscript (name a) (at (name i))) (name b))");
}

TEST(Parse, Strings) {
  EXPECT_EQ(brief(R"("a\n\u{3b1}{{}}")"), "(string \"a\\n\u03b1{}\")");
  EXPECT_EQ(brief(R"("{x:>8.3f} {f({a: 1})}")"),
            "(string (hole \">8.3f\" (name x)) (text \" \") (hole (call (name f) (record (field a "
            "(int 1))))))");
  EXPECT_EQ(brief(R"("{{" + f("}}"))"), "(binary + (string \"{\") (call (name f) (string \"}\")))");
  EXPECT_EQ(brief(R"("{f("{g("x")}")}")"),
            "(string (hole (call (name f) (string (hole (call (name g) (string \"x\")))))))");
  EXPECT_EQ(brief("\"\"\"a\r\n\"b\" {x}\\n\"\"\""), "(string \"a\\n\\\"b\\\" {x}\\\\n\")");
  EXPECT_EQ(brief("\"\""), "(string \"\")");
}

TEST(Parse, HolesHavePlacesInTheFile) {
  SourceMap sources;
  FileId file = sources.add("t.model", "let s = 1\nprint(\"sum: {s + t}\")\n");
  ParseResult r = parse(sources, file);
  ASSERT_TRUE(r.module);
  const auto& call = ast::as<ast::Call>(*ast::as<ast::ExprStmt>(*r.module->top.stmts[1]).value);
  const auto& string = ast::as<ast::StringLit>(*call.args[0].value);
  EXPECT_EQ(sources.text(string.pieces[1].hole->loc), "s + t");
  EXPECT_EQ(sources.line_column(file, string.pieces[1].hole->loc.begin).column, 14u);
}

TEST(Parse, SoftWordsAreNames) {
  EXPECT_EQ(statements("let (train, test) = split(data, 0.8)\n"
                       "let state = model + param\ntrain(x)\ntest = 3\nupdate.x = 1\n"
                       "on + of\nwhere(m, x, 0)\ntype = 1\nexport = where\nderivative(f)\n"),
            10u);
  EXPECT_EQ(brief("f(state = 1, sum = 2)"),
            "(call (name f) (argument state (int 1)) (argument sum (int 2)))");
}

TEST(Parse, Newlines) {
  EXPECT_EQ(statements("let z = a\n-sum(z)"), 2u);
  EXPECT_EQ(statements("let z = a\n  - sum(z)"), 1u);
  EXPECT_EQ(statements("let z = a\n  + b\n\n  # a comment\n  |> f\n"), 1u);
  EXPECT_EQ(statements("let z =\n\n  a +\n  b\n"), 1u);
  EXPECT_EQ(statements("f(\n  a,\n\n  b\n)\n"), 1u);
  EXPECT_EQ(statements("let a = x\nwhere(m, x, 0)\n"), 2u);
  EXPECT_EQ(statements("fn f(x: T) -> T\n  where T: float {\n  x\n}\n"), 1u);
  EXPECT_EQ(statements("if a { 1 }\nelse { 2 }\n"), 1u);
  EXPECT_EQ(statements("let r = {\n  x: 1,\n  y: 2\n}\n"), 1u);
  EXPECT_EQ(statements("let f = g(fn(x) {\n  let y = x\n  y\n})\n"), 1u);
  EXPECT_EQ(statements("{x: 1}\n(a, b) = (b, a)\n[1]\n"), 3u);
}

TEST(Parse, Statements) {
  EXPECT_EQ(brief("var (a, (_, b)) = f(x)"), "(var (a, (_, b)) (call (name f) (name x)))");
  EXPECT_EQ(brief("let e: f32[B, _, ..., 2 * (N - 1)] ~ normal(0, 1)"),
            "(let e: f32[B, _, ..., (2 * (N - 1))] ~ (call (name normal) (int 0) (int 1)))");
  EXPECT_EQ(brief("x[1..] += y"), "(assign += (subscript (name x) (from (int 1))) (name y))");
  EXPECT_EQ(brief("let h[i in 0..n, j] = i"),
            "(let h[] (index i (range (int 0) (name n))) (index j) (name i))");
  EXPECT_EQ(brief("export fn zeros(sizes: int..., dtype: dtype = f32) -> T where T: float, U: any = x"),
            "(export fn zeros -> T where T: float, U: any (parameter sizes: int...) "
            "(parameter dtype: dtype (name f32)) (name x))");
  EXPECT_EQ(brief("state s: f32[n] = zeros(n) if bias"),
            "(state s: f32[n] (call (name zeros) (name n)) (if (name bias)))");
  EXPECT_EQ(brief("update center = 0.9 * center"),
            "(update center (binary * (float 0.9) (name center)))");
  EXPECT_EQ(brief("train net.blocks[0] on (a, b) { loss(batch) = f(batch) }"),
            "(train (subscript (member blocks (name net)) (at (int 0))) (tuple (name a) (name b)) "
            "(setting loss() (parameter batch) (call (name f) (name batch))))");
  EXPECT_EQ(brief("derivative of f(x, y) -> z, dz { (dz, dz) }"),
            "(derivative of f -> z, dz (parameter x) (parameter y) (block (tuple (name dz) (name "
            "dz))))");
  EXPECT_EQ(brief("type T = {f: fn(f32[N], int) -> (f32, i64), l: [nn.Block]}"),
            "(type T = {f: fn(f32[N], int) -> (f32, i64), l: [nn.Block]})");
  EXPECT_EQ(brief("import nn as n"), "(import nn as n)");
  EXPECT_EQ(brief("import \"a.model\" as a"), "(import \"a.model\" as a)");
  EXPECT_EQ(brief("assert a == b, \"why\""),
            "(assert (binary == (name a) (name b)) (string \"why\"))");
  EXPECT_EQ(brief("for (i, x) in enumerate(xs) { continue }"),
            "(for (i, x) (call (name enumerate) (name xs)) (block (continue)))");
  EXPECT_EQ(brief("[f(x) for x in xs]"), "(comprehension x (call (name f) (name x)) (name xs))");
  EXPECT_EQ(brief("if a { {x: 1} } else if b { {} } else { }"),
            "(if (name a) (then (record (field x (int 1)))) (else (if (name b) (then (record)) "
            "(else))))");
  EXPECT_EQ(brief("## one\n##\n## two\nlet x = 1"), "(## one) (## ) (## two) (let x (int 1))");
}

TEST(Parse, Robust) {
  const int n = 20000;
  auto repeat = [](const std::string& s, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += s;
    return out;
  };
  for (const std::string& deep :
       {repeat("(", n), repeat("[", n) + "1" + repeat("]", n), repeat("{", n), repeat("if a {", n),
        "let x = " + repeat("- ", n) + "1", repeat("not ", n) + "x", repeat("x ** ", n) + "x",
        repeat("x + ", n) + "x", "x" + repeat(".a", n), "x" + repeat("()", n),
        "if a { 1 }" + repeat(" else if a { 1 }", n), repeat("fn(x) = ", n) + "x",
        "x" + repeat(" |> f", n), repeat("sum[i] ", n) + "x",
        "let x: " + repeat("fn() -> ", n) + "f32 = 3", "let x: f32[" + repeat("-", n) + "1] = 3",
        "\"" + repeat("{ ", n) + "\"", "let x = \"" + repeat("{(\"", n),
        "x = \"" + repeat("{f(\"", 30) + "x" + repeat("\")}", 30) + "\"",
        "let " + repeat("(", n) + "a" + repeat(")", n) + " = 3"}) {
    std::vector<Diagnostic> found = errors(deep);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].code, Code::E0104) << found[0].message;
  }
  EXPECT_EQ(statements(repeat("(", 499) + "1" + repeat(")", 499)), 1u);
  EXPECT_EQ(statements(repeat("if a {", 450) + "1" + repeat("}", 450)), 1u);
  EXPECT_EQ(statements(""), 0u);
  EXPECT_EQ(statements("\n\n# x"), 0u);
  EXPECT_EQ(statements("\xEF\xBB\xBFlet x = 3"), 1u);
  EXPECT_EQ(statements("let x = 3\r\nlet y = 4\r\n\r\n"), 2u);
  EXPECT_FALSE(errors(repeat("}", n)).empty());
  EXPECT_FALSE(errors(repeat("\"", n + 1)).empty());
}

// Token soup and bytes: an answer, no crash, and every error has a place inside the text.
TEST(Parse, Garbage) {
  const std::vector<std::string> words = {
      "let", "var", "fn", "if", "else", "for", "in", "while", "break", "return", "and", "or", "not",
      "true", "import", "assert", "model", "param", "state", "update", "train", "on", "test",
      "derivative", "of", "where", "type", "export", "as", "sum", "max", "_", "x", "net", "1", "2.5",
      "\"s\"", "\"a{x}b\"", "\"bad{", "\"\"\"", "(", ")", "[", "]", "{", "}", ",", ":", ".", "..",
      "...", "->", "|>", "=", "+=", "~", "==", "<", "+", "-", "*", "/", "//", "%", "@", "**", "\n",
      "\n", "\n", "# c", "&", "!", "^", "'", ";", "?", "\t", "\\", "\xC3\xA9", "def ", "elif "};
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    int length = static_cast<int>(random() % 60);
    for (int i = 0; i < length; ++i) {
      text += words[random() % words.size()];
      if (random() % 3) text += ' ';
    }
    SourceMap sources;
    ParseResult r = parse(sources, sources.add("t.model", text));
    EXPECT_EQ(r.module == nullptr, !r.errors.empty()) << text;
    for (const Diagnostic& d : r.errors) {
      EXPECT_TRUE(d.where.known() && d.where.begin <= text.size()) << text;
      EXPECT_FALSE(d.message.empty());
      render(d, sources);
    }
  }
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += static_cast<char>(random() % 256);
    errors(text);
    for (char& c : text) c = static_cast<char>(c & 0x7F);
    for (char& c : text) c = c == 0 ? ' ' : c;
    errors(text);
  }
}

TEST(Parse, Incomplete) {
  for (const char* text : {"fn f(x) {", "f(1,", "let x = [1,\n2", "let x =", "let x = 1 +",
                           "let s = \"\"\"abc\n", "if a {\nx", "f(1,\nlet"})
    EXPECT_TRUE(incomplete(text)) << text;
  for (const char* text : {"let x = 1", "f(1))", "let s = \"abc", "let x = (1]", "}", ""})
    EXPECT_FALSE(incomplete(text)) << text;
}

TEST(Parse, IndependentErrorsInOneRun) {
  EXPECT_EQ(errors("let = 1\nlet y = 2\nlet = 3\nfn f(x) {\n  let = 4\n  x\n  x +\n}\n").size(), 4u);
  EXPECT_EQ(errors("model Net(n int) {\n  param w f32[n]\n  fn f(x) = x\n}\nlet y = 1 < 2 < 3\n")
                .size(), 3u);
  EXPECT_EQ(errors("fn f(x) {\n  let y = g(x\n  y\n}\nlet = 3\n").size(), 2u);
}

// tests/errors/syntax: NAME.model says NAME.expected. TENON_UPDATE=1 writes the expectations.
TEST(Parse, Messages) {
  namespace fs = std::filesystem;
  auto read = [](const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  };
  fs::path folder = fs::path(__FILE__).parent_path().parent_path() / "errors" / "syntax";
  int programs = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".model") continue;
    ++programs;
    SourceMap sources;
    ParseResult r = parse(sources, sources.add(entry.path().filename(), read(entry.path())));
    std::string found;
    for (const Diagnostic& d : r.errors) found += render(d, sources);
    EXPECT_FALSE(found.empty()) << entry.path();
    fs::path expected = entry.path();
    expected.replace_extension(".expected");
    if (std::getenv("TENON_UPDATE")) std::ofstream(expected, std::ios::binary) << found;
    EXPECT_EQ(found, read(expected)) << entry.path();
  }
  EXPECT_GE(programs, 40);
}

}  // namespace
}  // namespace tenon
