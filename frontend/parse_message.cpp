// Syntax errors in words; see parse_message.h. First the mistakes that people are known to make,
// each with its own hint; then "expected .., found ..".
#include "frontend/parse_message.h"

#include <algorithm>
#include <string>

namespace tenon {
namespace {

// How a construct is written: the hint where nothing better is known.
struct Form {
  std::string_view rule, what, example;
};
constexpr Form kForms[] = {
    {"constraint", "a constraint", "where T: float"},
    {"bind", "a binding", "let x = 1, let x: f32[N] = ..., let c[i, j] = ..."},
    {"index", "an index", "sum[k] a[k], let h[i in 0..n] = ..."},
    {"forS", "a loop", "for i in 0..n { ... }"},
    {"whileS", "a loop", "while x > 0 { ... }"},
    {"ifE", "a choice", "if c { a } else { b }"},
    {"lambda", "a function value", "fn(x) = x * x, or fn(x) { ... }"},
    {"typeField", "a record type", "{x: f32[N, 64], y: i64[N]}"},
    {"type", "a type", "f32[N, 64], int, (f32, i64), {x: f32, y: i64}, fn(f32) -> f32"},
    {"dim", "a size", "f32[N, 2 * H], f32[..., 3], f32[_]"},
    {"par", "a parameter", "fn f(x: f32[N], steps: int = 10)"},
    {"fn", "a function", "fn f(x: f32[N]) -> f32[N] = ..., or fn f(x) { ... }"},
    {"model", "a model", "model Name(inputs: int) { ... }"},
    {"param", "a parameter", "param w: f32[n] ~ normal(0, 1), or state s: f32[n] = zeros(n)"},
    {"update", "an update", "update center = ..."},
    {"setting", "an entry of train", "batch = 64, loss(batch) = ..., or loss(batch) { ... }"},
    {"train", "train", "train net on data { loss(batch) = ... }"},
    {"test", "a test", "test \"name\" { ... }"},
    {"derivative", "a derivative", "derivative of f(x) -> y, dy { ... }"},
    {"typedefS", "a type's name", "type Tree = {left: i64[N], right: i64[N]}"},
    {"importS", "an import", "import nn, or import \"layers.model\" as layers"},
    {"field", "a record", "{x: 1, y: 2}"},
    {"bracket", "a bracket", "[1, 2, 3], or [f(x) for x in xs]"},
    {"pattern", "a pattern", "let (a, _) = ..., for (i, x) in ..."},
};

bool is_value_end(Tk k) {
  return is_name(k) || k == Tk::INT || k == Tk::FLOAT || k == Tk::STRING || k == Tk::TEXT ||
         k == Tk::TRUE || k == Tk::FALSE || k == Tk::RPAREN || k == Tk::RBRACKET;
}
bool is_value_start(Tk k) {
  return is_name(k) || k == Tk::INT || k == Tk::FLOAT || k == Tk::STRING || k == Tk::TEXT ||
         k == Tk::TRUE || k == Tk::FALSE || k == Tk::LPAREN || k == Tk::LBRACKET ||
         k == Tk::LBRACE || k == Tk::IF || k == Tk::FN || k == Tk::NOT;
}

class Writer {
 public:
  Writer(const SourceMap& sources, FileId file, const std::vector<Token>& tokens,
         const SyntaxFault& fault)
      : text_(sources.text(file)), file_(file), tokens_(tokens), fault_(fault) {}

  Diagnostic write() {
    if (!known_mistake()) general();
    Loc where{file_, tokens_[fault_.at].begin, tokens_[fault_.at].end};
    if (kind() == Tk::NL || kind() == Tk::END || tokens_[fault_.at].inserted) {
      // behind what stands before, not under the blank or comment there
      if (fault_.at > 0) where.begin = tokens_[fault_.at - 1].end;
      where.end = where.begin + 1;
    }
    return {Code::E0101, where, std::move(message_), {}, std::move(hint_)};
  }

 private:
  Tk kind(int ahead = 0) const {
    long i = static_cast<long>(fault_.at) + ahead;
    if (i < 0) return Tk::NL;
    return i < static_cast<long>(tokens_.size()) ? tokens_[i].kind : Tk::END;
  }
  std::string_view text(int ahead = 0) const {
    const Token& t = tokens_[fault_.at + ahead];
    return text_.substr(t.begin, t.end - t.begin);
  }
  std::string quoted(int ahead = 0) const { return "`" + std::string(text(ahead)) + "`"; }
  bool touching(int ahead) const {
    return tokens_[fault_.at + ahead].end == tokens_[fault_.at + ahead + 1].begin;
  }
  std::string_view rule(size_t i = 0) const {
    return i < fault_.rules.size() ? fault_.rules[i] : std::string_view();
  }
  // Is `inner` among the rules, with none of a new block or bracket before it?
  bool within(std::string_view name) const {
    for (std::string_view r : fault_.rules) {
      if (r == name) return true;
      if (r == "stmt" || r == "paren" || r == "call" || r == "bracket") return false;
    }
    return false;
  }
  bool could_be(Tk k) const {
    return std::find(fault_.expected.begin(), fault_.expected.end(), k) != fault_.expected.end();
  }
  bool wants_value() const { return could_be(Tk::INT) && could_be(Tk::LPAREN); }
  bool wants_block() const {
    return rule() == "block" && could_be(Tk::LBRACE);
  }
  Tk first_kind() const { return tokens_[fault_.first].kind; }
  bool say(std::string message, std::string hint) {
    message_ = std::move(message);
    hint_ = std::move(hint);
    return true;
  }

  std::string found() const {
    const Token& t = tokens_[fault_.at];
    switch (t.kind) {
      case Tk::END: return "the end of the text";
      case Tk::NL: return "the end of the line";
      case Tk::STRING: case Tk::TEXT: return "a string";
      case Tk::INT: case Tk::FLOAT: return "the number " + quoted();
      default: break;
    }
    if (t.inserted) return "`" + std::string(spelling(t.kind)) + "`";
    if (is_reserved(t.kind)) return "the word " + quoted();
    return quoted();
  }

  bool known_mistake() {
    Tk tok = kind(), prev = kind(-1);
    if (statements_behind_equals()) return true;
    if (rule() == "setting" && could_be(Tk::ASSIGN) && could_be(Tk::LPAREN))
      return say("expected `=`, found " + found(), "an entry of train is written: " + example_of("setting"));
    // a line that begins with .name
    if (tok == Tk::DOT && (prev == Tk::NL || fault_.at == 0))
      return say("a line cannot begin with `.`",
                 "put the point and the name on the line above, or write a pipe: `x |> f`");
    // = for ==
    if (tok == Tk::ASSIGN) {
      bool header = wants_block() && (rule(1) == "ifE" || rule(1) == "whileS");
      bool asserted = fault_.after_statement && first_kind() == Tk::ASSERT;
      if (header || asserted)
        return say("`=` does not compare", "write `==`");
      if (rule() == "paren" || rule() == "bracket" || rule() == "call" || rule() == "sub" ||
          rule() == "suffix")
        return say("`=` cannot stand here",
                   "to compare write `==`; an argument by name is one word: `f(axis = 0)`");
      if (fault_.after_statement && first_kind() != Tk::RETURN && prev != Tk::NL)
        return say("a second `=` in one statement", "to compare write `==`; "
                   "each assignment is a statement of its own");
    }
    // a / sum[k] ..
    if (tok == Tk::LBRACKET && is_reducer(prev)) {
      Tk op = kind(-2);
      if (op == Tk::SLASH || op == Tk::DSLASH || op == Tk::PERCENT || op == Tk::AT ||
          op == Tk::POW) {
        std::string o(spelling(op)), r(text(-1));
        return say("a reduction after `" + o + "` needs parentheses",
                   "write `" + o + " (" + r + "[..] ..)`");
      }
      return say("`" + std::string(text(-1)) + "[` begins a reduction, which cannot stand here",
                 "put the reduction in parentheses; to index a value of that name, rename it");
    }
    if (rule() == "index" || (rule() == "name" && rule(1) == "index")) {
      if (is_reducer(kind(-2)) && prev == Tk::LBRACKET)
        return say("`" + std::string(text(-2)) + "[` begins a reduction, and " + found() +
                       " is no index",
                   "a reduction is `sum[k] a[k]`, or over all elements `sum(a)`; "
                   "to index a value of that name, rename it");
      if (tok == Tk::UNDER) return say("an index needs a name", "`_` never binds");
    }
    if (tok == Tk::COLON) {
      if (wants_block() || fault_.after_statement || rule() == "block") {
        bool record = prev != Tk::NL && kind(-2) == Tk::LBRACE && is_name(prev);
        if (record && fault_.at >= 3)
          return say("this brace begins a block, not a record",
                     "a block whose value is a record is `{ {" + std::string(text(-1)) +
                         ": ...} }`");
        if (wants_block() || has_header())
          return say("a block does not begin with `:`", "a block stands between braces: `" +
                                                             header_example() + "`");
      }
      for (std::string_view r : fault_.rules) {
        if (r == "suffix" || r == "sub")
          return say("`:` does not slice", "a slice is `x[1..3]`, `x[1..]`, `x[..3]`; "
                                           "a whole axis is `x[.., 0]`");
        if (r == "paren" || r == "call" || r == "bracket" || r == "stmt") break;
      }
      if (rule() == "paren")
        return say("`:` cannot stand in parentheses", "a record stands between braces: `{x: 1}`");
      if (rule() == "call")
        return say("an argument is not named with `:`", "write `name = value`");
    }
    if (tok == Tk::ASSIGN && (rule() == "record" || rule() == "field"))
      return say("a field is not written with `=`", "a record is `{x: 1, y: 2}`");
    if (tok == Tk::UNDER && (wants_value() || could_be(Tk::NAME) || rule() == "stmt"))
      return say("`_` is not a value", "it only stands for what is not named: `let (a, _) = ..`");
    if (tok == Tk::PLUS && (wants_value() || rule() == "stmt"))
      return say("there is no `+` before a value", "delete it");
    if (tok == Tk::ELSE && (rule() == "stmt" || fault_.after_statement))
      return say("this `else` belongs to no `if`", "a choice is `if c { a } else { b }`");
    if (tok == Tk::FN && wants_value() && !could_be(Tk::FN))
      return say("a function value needs parentheses here", "write `(fn(x) = x * x)`");
    if (tok == Tk::NOT && wants_value() && !could_be(Tk::NOT))
      return say("`not` needs parentheses here", "write `a == (not b)`");
    if (tok == Tk::PIPE && wants_value())
      return say("a pipe needs a value on its left", "write `x |> f`");
    if (wants_block()) return expected_block(tok);
    if (tok == Tk::IN && prev != Tk::NL && within_for_parentheses())
      return say("the head of a loop takes no parentheses", "write `for i in 0..n { ... }`");
    if (rule() == "forS" && tok == Tk::ASSIGN)
      return say("a loop is not written with `=`", "write `for i in 0..n { ... }`");
    if (is_reserved(tok) && could_be(Tk::NAME) && !could_be(Tk::INT))
      return say("`" + std::string(text()) + "` is a reserved word and cannot be a name",
                 "choose another name");
    if (tok == Tk::ASSIGN && rule() == "stmt" && is_reserved(prev))
      return say("`" + std::string(text(-1)) + "` is a reserved word and cannot be a name",
                 "choose another name");
    if (rule() == "lambda" && !wants_value())
      return say("expected `=` or a block in a function value, found " + found(),
                 "a function value is `fn(x) = x * x` or `fn(x) { ... }`; "
                 "`->` stands before the type of the result");
    if (tok == Tk::COMMA && rule() == "bind" && is_name(prev))
      return say("expected `=`, found `,`", "a tuple stands in parentheses: `let (a, b) = ...`");
    if ((tok == Tk::LPAREN || tok == Tk::LT) && is_name(prev) && kind(-2) == Tk::COLON)
      return say(found() + " cannot stand in a type",
                 "a type is written " + example_of("type"));
    if (rule() == "record" && fault_.first > 0 && tokens_[fault_.first - 1].kind == Tk::LBRACE &&
        (fault_.first == 1 || tokens_[fault_.first - 2].kind == Tk::NL))
      return say("this `{` at the beginning of a statement begins a record: " + found() +
                     " cannot stand in one",
                 "a block needs a head: `if c {`, `for i in 0..n {`, `fn f(x) {`, `test \"t\" {`");
    if (fault_.after_statement) return after_statement(tok, prev);
    return false;
  }

  // fn f(x) = { let y = .. }: behind `=` a brace begins a record (rule 5), a block has no `=`.
  bool statements_behind_equals() {
    if (rule() != "record" && rule() != "field") return false;
    size_t brace = fault_.at;
    while (brace > 0 && fault_.at - brace < 2 && tokens_[brace].kind != Tk::LBRACE) --brace;
    if (tokens_[brace].kind != Tk::LBRACE || brace < 2 || tokens_[brace - 1].kind != Tk::ASSIGN)
      return false;
    size_t head = brace - 1;  // where the line of the brace begins
    while (head > 0 && tokens_[head - 1].kind != Tk::NL && tokens_[head - 1].kind != Tk::LBRACE) --head;
    bool entry = is_name(tokens_[head].kind) && tokens_[head + 1].kind == Tk::LPAREN;
    bool function = tokens_[head].kind == Tk::FN || tokens_[head].kind == Tk::EXPORT;
    bool lambda = false;
    for (size_t i = head + 1; i < brace; ++i) lambda |= tokens_[i].kind == Tk::FN;
    if (!entry && !function && !lambda) return false;
    return say("behind `=` a brace begins a record, but this is none",
               std::string("statements stand in a block, without the `=`: ") +
                   (entry ? "loss(batch) { ... }" : lambda ? "fn(x) { ... }" : "fn f(x) { ... }"));
  }

  bool within_for_parentheses() const {
    return first_kind() == Tk::FOR && fault_.first + 1 < tokens_.size() &&
           tokens_[fault_.first + 1].kind == Tk::LPAREN;
  }
  bool has_header() const {
    Tk k = first_kind();
    return k == Tk::IF || k == Tk::FOR || k == Tk::WHILE || k == Tk::FN || k == Tk::MODEL ||
           k == Tk::TEST || k == Tk::BENCH || k == Tk::TRAIN;
  }
  std::string header_example() const {
    switch (first_kind()) {
      case Tk::FOR: return "for i in 0..n { ... }";
      case Tk::WHILE: return "while c { ... }";
      case Tk::FN: return "fn f(x) { ... }";
      case Tk::MODEL: return "model Name(n: int) { ... }";
      default: return "if c { ... }";
    }
  }

  bool expected_block(Tk tok) {
    std::string_view parent = rule(1);
    std::string what = parent == "ifE"      ? kind(-1) == Tk::ELSE ? "after `else`"
                                                                   : "after the condition"
                       : parent == "whileS" ? "after the condition"
                       : parent == "forS"   ? "after the head of the loop"
                       : parent == "model"  ? "after the head of the model"
                       : parent == "test"   ? "after the name"
                                            : "here";
    if (tok == Tk::NL && kind(1) == Tk::LBRACE)
      return say("expected `{` " + what + ", found the end of the line",
                 "the brace stands on the line of what it belongs to");
    std::string form = example_of(parent);
    if (parent == "ifE") form = "if c { a } else { b }";
    return say("expected `{` " + what + ", found " + found(),
               form.empty() ? "a block stands between braces"
                            : "it is written `" + form + "`");
  }

  bool after_statement(Tk tok, Tk prev) {
    if (first_kind() == Tk::IMPORT)
      return say("expected the end of the statement, found " + found(),
                 "an import is written: " + example_of("importS"));
    if (tok == Tk::COMMA)
      return say("expected the end of the statement, found `,`",
                 "a tuple stands in parentheses: `(a, b)`, also on the left: `let (a, b) = ...`");
    if (tok == Tk::RANGE)
      return say("a range has two ends", "write `a..b`; an open end stands only in an index: "
                                         "`x[a..]`");
    if (tok == Tk::ARROW)
      return say("`->` cannot stand here", "it stands before the type of a result: "
                                           "`fn f(x: f32) -> f32`");
    if (tok == Tk::LBRACE && has_header() == false && is_name(prev)) {
      return say("expected the end of the statement, found `{`",
                 "a block needs a head: `if c {`, `for i in 0..n {`, `fn f(x) {`, "
                 "`model Name(n: int) {`");
    }
    if (tok == Tk::EQ || tok == Tk::NE || (tok >= Tk::LT && tok <= Tk::GE)) return false;
    if (tok == Tk::IF && is_value_end(prev))
      return say("`if` cannot stand behind a value", "a choice is `if c { a } else { b }`");
    if (tok == Tk::FOR && is_value_end(prev))
      return say("`for` cannot stand behind a value",
                 "a comprehension stands in brackets: `[f(x) for x in xs]`");
    if (tok == Tk::WHERE)
      return say("`where` cannot stand here",
                 "it follows the head of a function: `fn f(x: T[...]) -> T[...] where T: float`; "
                 "element by element choose with `where(c, a, b)`");
    if (tok == Tk::AS)
      return say("`as` cannot stand here", "it follows an import; a conversion is `f64(x)` or "
                                           "`cast(x, f64)`");
    if (tok == Tk::TILDE)
      return say("`~` cannot stand here",
                 "it gives a parameter or a name its distribution: `param w: f32[n] ~ normal(0, 1)`");
    if (tok == Tk::IN)
      return say("`in` cannot stand here",
                 "it belongs to a loop, `for x in xs {`, or to an index, `let h[i in 0..n] = ...`");
    if (is_value_start(tok) && is_value_end(prev)) {
      std::string hint;
      if (fault_.at == fault_.first + 1 && prev == Tk::NAME) hint = near_keyword(text(-1));
      if (hint.empty() && fault_.at == fault_.first + 1 && is_soft_word(prev) && prev != Tk::NAME)
        hint = keyword_form(prev);
      if (hint.empty() && prev == Tk::INT && is_name(tok))
        hint = "a product is written `" + std::string(text(-1)) + " * " + std::string(text()) + "`";
      if (hint.empty() && is_name(prev) && (tok == Tk::STRING || is_name(tok)) &&
          fault_.at == fault_.first + 1 && (kind(1) == Tk::NL || kind(1) == Tk::END))
        hint = "a call is written `" + std::string(text(-1)) + "(" + std::string(text()) + ")`";
      if (hint.empty()) hint = "an operator or a comma is missing, or a new line";
      return say("expected the end of the statement, found " + found(), hint);
    }
    return say("expected the end of the statement, found " + found(), "");
  }

  std::string near_keyword(std::string_view word) const {
    std::vector<std::string> words;
    for (int k = static_cast<int>(Tk::LET); k <= static_cast<int>(Tk::AS); ++k)
      if (Tk kind = static_cast<Tk>(k); kind != Tk::OF && kind != Tk::AS && kind != Tk::ON)
        words.emplace_back(spelling(kind));
    std::vector<std::string> near = near_misses(word, words);
    auto sorted = [](std::string letters) {
      std::sort(letters.begin(), letters.end());
      return letters;
    };
    for (const std::string& w : words)  // letters in a wrong order: modle
      if (near.empty() && sorted(w) == sorted(std::string(word))) near.push_back(w);
    return near.empty() ? "" : "did you mean `" + near[0] + "`?";
  }
  std::string keyword_form(Tk k) const {
    switch (k) {
      case Tk::MODEL: return "a model is " + example_of("model");
      case Tk::PARAM: case Tk::STATE: return "it is written " + example_of("param");
      case Tk::UPDATE: return "it is written " + example_of("update");
      case Tk::TRAIN: return "it is written " + example_of("train");
      case Tk::TEST: return "it is written " + example_of("test");
      case Tk::BENCH: return "it is written bench \"name\" { ... }";
      case Tk::DERIVATIVE: return "it is written " + example_of("derivative");
      case Tk::TYPE: return "it is written " + example_of("typedefS");
      case Tk::EXPORT: return "it is written export fn f(x) = ...";
      default: return "";
    }
  }
  std::string example_of(std::string_view rule) const {
    for (const Form& f : kForms)
      if (f.rule == rule) return std::string(f.example);
    return "";
  }

  // "a name", "a value or `)`", "`,` or `]`"
  std::string expected_words() const {
    std::vector<std::string> words;
    bool value = wants_value(), name = could_be(Tk::NAME);
    std::string_view r = rule();
    auto in_rule = [&](std::string_view a) { return r == a; };
    if (in_rule("type") && name) {
      words.push_back("a type");
    } else if ((in_rule("dim") || in_rule("dimAtom")) && name) {
      words.push_back("a size");
    } else if (in_rule("pattern") && name) {
      words.push_back("a name");
    } else if (in_rule("stmt")) {
      words.push_back("a statement");
    } else if (value) {
      words.push_back("a value");
    } else if (name) {
      words.push_back(in_rule("file_") || in_rule("block") ? "a statement" : "a name");
    }
    bool grouped = !words.empty();
    // After a value in brackets only the bracket's own end is in the set: the commas and operators
    // were tried before.
    Tk closer = could_be(Tk::RPAREN) ? Tk::RPAREN : could_be(Tk::RBRACKET) ? Tk::RBRACKET : Tk::END;
    if (!grouped && fault_.expected.size() == 1 && closer != Tk::END) words.push_back("`,`");
    for (Tk k : fault_.expected) {
      bool word = is_name(k) || is_reserved(k) || k == Tk::INT || k == Tk::FLOAT ||
                  k == Tk::STRING || k == Tk::TEXT || k == Tk::UNDER;
      bool opener = k == Tk::LPAREN || k == Tk::LBRACKET || k == Tk::LBRACE;
      if (grouped && (word || opener || k == Tk::MINUS || k == Tk::ELLIPSIS || k == Tk::RANGE))
        continue;
      if (k == Tk::NL || k == Tk::END) {
        words.push_back(k == Tk::NL ? "the end of the line" : "");
        if (k == Tk::END) words.pop_back();
      } else if (k == Tk::STRING) {
        words.push_back("a string");
      } else if (k == Tk::INT) {
        words.push_back("a number");
      } else if (!spelling(k).empty()) {
        words.push_back("`" + std::string(spelling(k)) + "`");
      }
    }
    if (words.empty() || words.size() > 5) return "";
    std::string out = words[0];
    for (size_t i = 1; i < words.size(); ++i)
      out += (i + 1 == words.size() ? " or " : ", ") + words[i];
    return out;
  }

  void general() {
    std::string wanted = expected_words();
    std::string hint;
    Tk tok = kind();
    bool after_operator = fault_.at > 0 && is_joining(kind(-1));
    if (after_operator && (wanted.empty() || wants_value())) {
      wanted = "a value";
      hint = "the operator `" + std::string(text(-1)) + "` needs a value on its right";
    } else if (wanted.empty() && (kind(-1) == Tk::ASSIGN || kind(-1) == Tk::TILDE)) {
      wanted = "a value";
    }
    for (std::string_view r : fault_.rules) {
      if (!hint.empty()) break;
      if (r == "block" || r == "call" || r == "paren" || r == "record" || r == "suffix") break;
      std::string form = example_of(r);
      if (r == "index" && !is_reducer(kind(-2)) && kind(-1) != Tk::LBRACKET) continue;
      if (!form.empty()) {
        for (const Form& f : kForms)
          if (f.rule == r) hint = std::string(f.what) + " is written: " + std::string(f.example);
        break;
      }
    }
    if (hint.empty() && (rule() == "call" || rule() == "paren" || rule() == "bracket" ||
                         rule() == "suffix" || rule() == "record") &&
        is_value_start(tok) && is_value_end(kind(-1)))
      hint = "a comma or an operator is missing before it, or a bracket is not closed";
    if (hint.empty() && rule() == "stmt" && kind(-1) == Tk::NL && is_joining(tok))
      hint = "delete it";
    if (wanted.empty()) {
      say(found() + " cannot stand here", std::move(hint));
      if (message_[0] >= 'a' && message_[0] <= 'z') message_ = "unexpected: " + message_;
    } else {
      say("expected " + wanted + ", found " + found(), std::move(hint));
    }
  }
  static bool is_joining(Tk k) { return k >= Tk::EQ && k <= Tk::POW; }

  std::string_view text_;
  FileId file_;
  const std::vector<Token>& tokens_;
  const SyntaxFault& fault_;
  std::string message_, hint_;
};

}  // namespace

Diagnostic syntax_message(const SourceMap& sources, FileId file, const std::vector<Token>& tokens,
                          const SyntaxFault& fault) {
  return Writer(sources, file, tokens, fault).write();
}

}  // namespace tenon
