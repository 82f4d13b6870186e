// rooms: support frontend
// The formatter: its style, and on random programs that the tree stays and that twice is once.
#include <gtest/gtest.h>

#include <random>

#include "frontend/ast_print.h"
#include "frontend/format.h"
#include "frontend/parse.h"

namespace tenon {
namespace {

std::string formatted(const std::string& text, size_t columns = 100) {
  SourceMap sources;
  FormatResult r = format_source(sources, sources.add("t.model", text), {columns});
  for (const Diagnostic& d : r.errors) ADD_FAILURE() << render(d, sources);
  EXPECT_FALSE(r.gave_up) << text;
  FormatResult again = format_source(sources, sources.add("again.model", r.text), {columns});
  EXPECT_EQ(again.text, r.text);
  return r.text;
}

TEST(Format, Blanks) {
  EXPECT_EQ(formatted("let  x=a+b *-c**2"), "let x = a + b * -c ** 2\n");
  EXPECT_EQ(formatted("f( a,b , axis=0 ) [ 1 ,.. , ...] . g"), "f(a, b, axis = 0)[1, .., ...].g\n");
  EXPECT_EQ(formatted("x[1 .. 2, a .., ..-1]"), "x[1..2, a.., ..-1]\n");
  EXPECT_EQ(formatted("sum [k](a [k]) - max[ i ] -b[i]"), "sum[k] (a[k]) - max[i] -b[i]\n");
  EXPECT_EQ(formatted("fn f ( x:f32 [N,... ] , n : int ...)->T where T:float={ x : 1 }"),
            "fn f(x: f32[N, ...], n: int...) -> T where T: float = {x: 1}\n");
  EXPECT_EQ(formatted("if a{b}else{ {x:1} }"), "if a { b } else { {x: 1} }\n");
  EXPECT_EQ(formatted("let f=fn (x)=not(x)"), "let f = fn(x) = not (x)\n");
  EXPECT_EQ(formatted("let w~normal( 0,1 )"), "let w ~ normal(0, 1)\n");
  EXPECT_EQ(formatted("where (m,x, 0)\ntrain net on (a,b){ batch=64 }"),
            "where(m, x, 0)\ntrain net on (a, b) { batch = 64 }\n");
  EXPECT_EQ(formatted("let ( a,_ )=f(x)\n(a, b)=(b, a)"), "let (a, _) = f(x)\n(a, b) = (b, a)\n");
  EXPECT_EQ(formatted("return-x"), "return -x\n");
  EXPECT_EQ(formatted("{ }"), "{}\n");
  EXPECT_EQ(formatted("let y=-1  .f( )"), "let y = -1 .f()\n");  // `1.` would begin a number
}

TEST(Format, Lines) {
  EXPECT_EQ(formatted("\n\n\nlet a=1\n\n\n\nlet b=2   \n\n\n"), "let a = 1\n\nlet b = 2\n");
  EXPECT_EQ(formatted("fn f(x) {\n\n\tlet y=x\n\n\n      y\n\n}"),
            "fn f(x) {\n  let y = x\n\n  y\n}\n");
  EXPECT_EQ(formatted("if a {\nb\n}\nelse {\nc\n}"), "if a {\n  b\n} else {\n  c\n}\n");
  EXPECT_EQ(formatted("let z = a\n- b\n|> f(fn(x) {\nx\n})\n-z"),
            "let z = a\n  - b\n  |> f(fn(x) {\n    x\n  })\n-z\n");
  EXPECT_EQ(formatted("f(g(\na,\nb\n))"), "f(g(\n  a,\n  b\n))\n");
  EXPECT_EQ(formatted("let r = {\nx: 1,\ny: 2\n}"), "let r = {\n  x: 1,\n  y: 2\n}\n");
  EXPECT_EQ(formatted("let x = 3\r\nlet y = 4\r\n"), "let x = 3\nlet y = 4\n");
  EXPECT_EQ(formatted(""), "");
}

TEST(Format, Comments) {
  EXPECT_EQ(formatted("let a = 1 # one\nlet bb = 22    # two\n\nf(x)#three   \n"),
            "let a = 1    # one\nlet bb = 22  # two\n\nf(x)  #three\n");
  EXPECT_EQ(formatted("fn f(x) {\n# inside\nx\n# at the end\n}\n## doc\nlet a = 1"),
            "fn f(x) {\n  # inside\n  x\n  # at the end\n}\n## doc\nlet a = 1\n");
  EXPECT_EQ(formatted("if a { # why\nb }\n# between\nelse { c }"),
            "if a {  # why\n  b\n}\n# between\nelse { c }\n");
  EXPECT_EQ(formatted("f(a, # first\nb)"), "f(a,  # first\n  b)\n");
  EXPECT_EQ(formatted("## ends in blanks \t\nfn f(x) = x"), "## ends in blanks\nfn f(x) = x\n");
}

TEST(Format, Blocks) {
  EXPECT_EQ(formatted("fn f(x) { let y = x\n  return y }"),
            "fn f(x) {\n  let y = x\n  return y\n}\n");
  EXPECT_EQ(formatted("if a { f(b,\nc) } else { d }"),
            "if a {\n  f(b,\n    c)\n} else { d }\n");
  EXPECT_EQ(formatted("let g = map(fn(x) { x\n}, xs)"), "let g = map(fn(x) {\n  x\n}, xs)\n");
}

TEST(Format, LongLines) {
  auto at30 = [](const std::string& text) { return formatted(text, 30); };
  // as many arguments to a line as fit; one, where they have arguments of their own
  EXPECT_EQ(at30("let x = f(aaaaaaaaa, bbbbbbbbbb, c)"),
            "let x = f(\n  aaaaaaaaa, bbbbbbbbbb, c\n)\n");
  EXPECT_EQ(at30("f(aaaaaaaaaaaa, bbbbbbbbbb, ccccccc, ddddd)"),
            "f(\n  aaaaaaaaaaaa, bbbbbbbbbb,\n  ccccccc, ddddd\n)\n");
  EXPECT_EQ(at30("let m = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]"),
            "let m = [\n  [1.0, 2.0, 3.0],\n  [4.0, 5.0, 6.0]\n]\n");
  EXPECT_EQ(at30("let r = {first: aaaaaaaa, second: bbbbbbb}"),
            "let r = {\n  first: aaaaaaaa,\n  second: bbbbbbb\n}\n");
  // pipes below each other
  EXPECT_EQ(at30("let y = x |> first(1) |> second |> third"),
            "let y = x\n  |> first(1)\n  |> second\n  |> third\n");
  // the loosest operators
  EXPECT_EQ(at30("let y = aaaaaaaa * bbbbbb + cccccc * dddd"),
            "let y = aaaaaaaa * bbbbbb\n  + cccccc * dddd\n");
  EXPECT_EQ(at30("assert aaaaaaaaa == b and ccccccccc - d < e"),
            "assert aaaaaaaaa == b\n  and ccccccccc - d < e\n");
  // blocks, and the body of a function
  EXPECT_EQ(at30("fn f(x: f32) -> f32 { if x > 1.0 { x } else { 1.0 } }"),
            "fn f(x: f32) -> f32 {\n  if x > 1.0 {\n    x\n  } else {\n    1.0\n  }\n}\n");
  EXPECT_EQ(at30("fn f(x: f32[N]) -> f32[N] = x * x"),
            "fn f(x: f32[N]) -> f32[N] =\n  x * x\n");
  EXPECT_EQ(at30("let g = grad(fn(m) { loss(m, y) })(net)"),
            "let g = grad(fn(m) {\n  loss(m, y)\n})(net)\n");
  EXPECT_EQ(at30("let c[i, j] = sum[kkkk] a[i, kkkk] * b[kkkk, j]"),
            "let c[i, j] =\n  sum[kkkk] a[i, kkkk]\n  * b[kkkk, j]\n");
  // a comment stays behind its statement; a text cannot be broken
  EXPECT_EQ(at30("let x = f(aaaaaaaaaaa, bbbbbbbbbb)  # why"),
            "let x = f(\n  aaaaaaaaaaa, bbbbbbbbbb\n)  # why\n");
  EXPECT_EQ(at30("print(\"a text that is longer than a line\")"),
            "print(\"a text that is longer than a line\")\n");
}

TEST(Format, Train) {
  EXPECT_EQ(formatted("train net on d {\nloss(batch) = f(batch)\nbatch = 64\n\nseed = {a: 1}\n}"),
            "train net on d {\n  loss(batch) = f(batch)\n  batch       = 64\n\n  seed = {a: 1}\n}\n");
}

TEST(Format, Texts) {
  EXPECT_EQ(formatted("let s   = \"\"\"a\n   b\"\"\"   # c"), "let s = \"\"\"a\n   b\"\"\"  # c\n");
  EXPECT_EQ(formatted("print( \"{ x  +1 :.3f}\" )"), "print(\"{ x  +1 :.3f}\")\n");
}

TEST(Format, LeavesWrongProgramsAlone) {
  SourceMap sources;
  FormatResult r = format_source(sources, sources.add("t.model", "let  x = = 3\n"));
  EXPECT_EQ(r.text, "let  x = = 3\n");
  EXPECT_EQ(r.errors.size(), 1u);
}

// Random programs, drawn from the grammar, with random blanks, newlines and comments where they may
// stand.
class Programs {
 public:
  explicit Programs(unsigned seed) : random_(seed) {}
  std::string draw() {
    out_.clear();
    int n = 1 + pick(4);
    for (int i = 0; i < n; ++i) {
      if (i) newline();
      stmt(3);
    }
    return out_;
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int one_in) { return pick(one_in) == 0; }
  void put(const std::string& word) {
    auto letter = [](char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    bool apart = !out_.empty() && letter(out_.back()) && letter(word[0]);
    // two operators must not make a third; a digit and a point neither
    if (!out_.empty() && !letter(out_.back()) && !letter(word[0]) && word[0] != '(' &&
        word[0] != ')' && word[0] != ',')
      apart = true;
    if (!out_.empty() && letter(out_.back()) && word[0] == '.') apart = false;
    if (round_ > 0 && chance(12)) out_ += chance(3) ? " # c\n" : "\n";
    else if (apart || chance(3)) out_ += chance(4) ? "  " : " ";
    out_ += word;
  }
  // A binary operator: a line may end behind it.
  void op(const std::string& word) {
    out_ += " ";
    out_ += word + " ";
    if (chance(10)) out_ += "# c\n\n";
  }
  void newline() {
    if (chance(4)) out_ += "  # comment";
    out_ += "\n";
    if (chance(4)) out_ += "\n\n";
    if (chance(6)) out_ += "## doc\n";
  }
  std::string name() {
    static const char* kNames[] = {"x", "y", "net", "model", "state", "on", "where", "mean", "type"};
    return kNames[pick(9)];
  }
  std::string word() {
    std::string n = name();
    return n == "mean" ? "x" : n;
  }
  void block(int d) {
    put(" {");
    int n = pick(3);
    int round = round_;
    round_ = 0;
    for (int i = 0; i < n; ++i) {
      if (i || chance(2)) newline();
      stmt(d - 1);
    }
    if (chance(2)) newline();
    round_ = round;
    put("}");
  }
  template <class F>
  void list(int least, int most, F one) {
    int n = least + pick(most - least + 1);
    for (int i = 0; i < n; ++i) {
      if (i) put(",");
      one();
    }
  }
  void params(int d) {
    put("("), ++round_;
    list(0, 2, [&] {
      put(name());
      if (chance(2)) put(":"), type(d - 1);
      if (chance(3)) put("="), expr(d - 1);
    });
    --round_, put(")");
  }
  void type(int d) {
    switch (d <= 0 ? 0 : pick(6)) {
      case 1: put("("), ++round_, list(2, 3, [&] { type(d - 1); }), --round_, put(")"); return;
      case 2: put("{"), put("a"), put(":"), type(d - 1), put("}"); return;
      case 3: put("fn"), put("("), ++round_, list(0, 2, [&] { type(d - 1); }), --round_, put(")"),
              put("->"), type(d - 1); return;
      default:
        put("f32");
        if (chance(2)) put("["), ++round_, list(0, 3, [&] { dim(d); }), --round_, put("]");
    }
  }
  void dim(int d) {
    switch (d <= 0 ? 2 : pick(5)) {
      case 0: put("..."); return;
      case 1: put("_"); return;
      case 2: put("N"); return;
      case 3: put("("), dim_sum(), put(")"), put("*"), put("2"); return;
      default: dim_sum();
    }
  }
  void dim_sum() { put("N"), put("+"), put("1"); }
  void index() {
    put("i");
    if (chance(3)) put("in"), put("0"), put(".."), put("n");
  }
  void expr(int d) {
    switch (d <= 0 ? pick(3) : pick(20)) {
      case 0: put(word()); return;
      case 1: put(chance(2) ? "1.5" : "2"); return;
      case 2: put(chance(2) ? "\"a{x}b\"" : "true"); return;
      case 3: case 4: simple(d), op(std::string(kOps[pick(7)])), simple(d); return;
      case 5: put("-"), simple(d); return;
      case 6: put("("), ++round_, list(0, 3, [&] { expr(d - 1); }), --round_, put(")"); return;
      case 7: put("["), ++round_, list(0, 3, [&] { expr(d - 1); }), --round_, put("]"); return;
      case 8: put("{"), list(0, 2, [&] { put(name()), put(":"), expr(d - 1); }), put("}"); return;
      case 9: put("if"), expr(d - 1), block(d); if (chance(2)) put("else"), block(d); return;
      case 10: put("fn"), params(d), put("="), expr(d - 1); return;
      case 11: put("("), ++round_, put("fn"), params(d), block(d), --round_, put(")"); return;
      case 12: put("sum"), put("["), ++round_, list(1, 2, [&] { index(); }), --round_, put("]"),
               simple(d); return;
      case 13: simple(d), put("["), ++round_, list(1, 3, [&] { sub(d); }), --round_, put("]"); return;
      case 14: simple(d), put("."), put(name()); return;
      case 15: simple(d), op("|>"), put("f"), put("("), ++round_, list(0, 2, [&] { expr(d - 1); }),
               --round_, put(")"); return;
      case 16: put("not"), simple(d); return;
      case 17: put("0"), put(".."), simple(d); return;
      default: simple(d), put("("), ++round_, list(0, 2, [&] {
                 if (chance(3)) put(name()), put("=");
                 else put("k"), put("=");
                 expr(d - 1);
               }), --round_, put(")");
    }
  }
  void simple(int d) {
    if (chance(2)) {
      put(word());
    } else {
      put("("), ++round_, expr(d - 1), --round_, put(")");
    }
  }
  void sub(int d) {
    switch (pick(5)) {
      case 0: put("..."); return;
      case 1: put(".."); return;
      case 2: put("1"), put(".."); return;
      case 3: put(".."), put("-"), put("1"); return;
      default: expr(d - 1);
    }
  }
  void stmt(int d) {
    switch (d <= 0 ? pick(3) : pick(14)) {
      case 0: put("let"), put("x"), put("="), expr(d); return;
      case 1: put(word()), put("="), expr(d); return;
      case 2: put("return"), expr(d); return;
      case 3: put("var"), put("("), put("a"), put(","), put("_"), put(")"), put("="), expr(d); return;
      case 4: put("let"), put("c"), put("["), list(1, 2, [&] { index(); }), put("]"), put("="),
              expr(d); return;
      case 5: put("fn"), put(name()), params(d); if (chance(2)) put("->"), type(d);
              if (chance(3)) put("where"), put("T"), put(":"), put("float");
              if (chance(2)) block(d); else put("="), expr(d);
              return;
      case 6: put("for"), put("i"), put("in"), expr(d - 1), block(d); return;
      case 7: put("while"), expr(d - 1), block(d); return;
      case 8: put("model"), put("Net"), params(d), block(d); return;
      case 9: put("param"), put("w"), put(":"), type(d); if (chance(2)) put("~"), expr(d);
              if (chance(3)) put("if"), put("c");
              return;
      case 10: put("train"), put("net"), put("."), put("head"), put("on"), simple(d), put(" {");
               { int round = round_; round_ = 0; newline(); put("loss"), params(1), put("="), expr(d);
                 newline(); put("batch"), put("="), expr(d); newline(); round_ = round; }
               put("}"); return;
      case 11: put("test"), put("\"t\""), block(d); return;
      case 12: put("assert"), expr(d); return;
      default: expr(d);
    }
  }

  static constexpr std::string_view kOps[] = {"+", "-", "*", "@", "==", "and", "**"};
  std::mt19937 random_;
  std::string out_;
  int round_ = 0;  // inside ( or [
};

TEST(Format, RandomPrograms) {
  int parsed = 0;
  for (unsigned seed = 0; seed < 1500; ++seed) {
    std::string text = Programs(seed).draw();
    SourceMap sources;
    FileId file = sources.add("t.model", text);
    if (!parse(sources, file).module) continue;  // some draws break the newline rule
    ++parsed;
    formatted(text);
    formatted(text, 10 + seed % 40);
    if (HasFailure()) FAIL() << "seed " << seed << ":\n" << text;
  }
  EXPECT_GT(parsed, 900);
}

}  // namespace
}  // namespace tenon
