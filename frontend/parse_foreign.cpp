// What other languages write and Tenon does not: && ^ x++ 'text' def None. Found in the raw tokens,
// reported with Tenon's way of saying it, and mended, so that the rest of the file can be parsed.
// The other half of parse_tokens.h.
#include <algorithm>
#include <cctype>

#include "frontend/parse_string.h"
#include "frontend/parse_tokens.h"

namespace tenon {
namespace {

struct ForeignWord {
  std::string_view word;
  Tk kind;  // what it is mended to; BAD: the line is given up
  std::string_view hint;
};

// Words that are foreign where a statement begins and another word or a literal follows.
constexpr ForeignWord kStatementWords[] = {
    {"def", Tk::FN, "a function is `fn f(x) { ... }` or `fn f(x) = ...`"},
    {"func", Tk::FN, "a function is `fn f(x) { ... }` or `fn f(x) = ...`"},
    {"function", Tk::FN, "a function is `fn f(x) { ... }` or `fn f(x) = ...`"},
    {"class", Tk::MODEL, "a model is `model Name(sizes) { param ... fn forward(x) ... }`"},
    {"struct", Tk::BAD, "a record needs no declaration: `{x: 1, y: 2}`; "
                        "`type Name = {x: f32, y: f32}` names its type"},
    {"const", Tk::LET, "`let x = 1` binds for good, `var x = 1` may be bound again"},
    {"val", Tk::LET, "`let x = 1` binds for good, `var x = 1` may be bound again"},
    {"mut", Tk::VAR, "`let x = 1` binds for good, `var x = 1` may be bound again"},
    {"elif", Tk::ELSE, "write `else if`"},
    {"elsif", Tk::ELSE, "write `else if`"},
    {"elseif", Tk::ELSE, "write `else if`"},
    {"print", Tk::BAD, "print is a function: `print(x)`"},
    {"from", Tk::BAD, "`import nn` makes the names `nn.x` known; "
                      "a file beside this one is `import \"file.model\" as file`"},
    {"switch", Tk::BAD, "use `if a { .. } else if b { .. } else { .. }`"},
    {"match", Tk::BAD, "use `if a { .. } else if b { .. } else { .. }`"},
    {"raise", Tk::BAD, "`fail(\"why\")` ends the program with a message"},
    {"throw", Tk::BAD, "`fail(\"why\")` ends the program with a message"},
    {"del", Tk::BAD, "values are freed when nobody needs them"},
};

// Words that are foreign wherever they stand as a value.
constexpr ForeignWord kValueWords[] = {
    {"None", Tk::NAME, "there is no null: absence is a size of 0, or a bool beside the value; "
                       "a new axis comes from index notation or reshape"},
    {"True", Tk::TRUE, "write `true`"},
    {"False", Tk::FALSE, "write `false`"},
};

struct ForeignCharacter {
  std::string_view bytes, name, hint;
};
constexpr ForeignCharacter kCharacters[] = {
    {"\u201C", "“", "quotes are plain: \""},
    {"\u201D", "”", "quotes are plain: \""},
    {"\u2018", "‘", "quotes are plain: \""},
    {"\u2019", "’", "quotes are plain: \""},
    {"\u2212", "−", "the minus is a plain -"},
    {"\u2013", "–", "the minus is a plain -"},
    {"\u00D7", "×", "multiplication is *, the matrix product is @"},
    {"\u00B7", "·", "multiplication is *, the matrix product is @"},
    {"\u00F7", "÷", "division is /"},
    {"\u2264", "≤", "write <="},
    {"\u2265", "≥", "write >="},
    {"\u2260", "≠", "write !="},
    {"\u2192", "→", "write ->"},
    {"\u00B2", "²", "a square is x ** 2"},
    {"\u00A0", "a no-break space", "replace it by a plain blank"},
    {"\u200B", "a zero-width space", "delete it"},
};

class Mender {
 public:
  Mender(const SourceMap& sources, FileId file, const std::vector<Token>& raw, uint32_t end,
         FilteredTokens& out)
      : sources_(sources), text_(sources.text(file)), file_(file), raw_(raw), end_(end), out_(out) {}

  std::vector<Token> run(bool allow_tabs) {
    if (!allow_tabs) find_tabs();
    while (i_ < raw_.size()) {
      if (!mend_one()) put(raw_[i_++]);
    }
    return std::move(result_);
  }

 private:
  Tk kind(size_t ahead = 0) const {
    return i_ + ahead < raw_.size() ? raw_[i_ + ahead].kind : Tk::END;
  }
  // Do the tokens at i + ahead and behind it touch?
  bool touching(size_t ahead = 0) const {
    return i_ + ahead + 1 < raw_.size() && raw_[i_ + ahead].end == raw_[i_ + ahead + 1].begin;
  }
  std::string_view text(size_t ahead = 0) const {
    const Token& t = raw_[i_ + ahead];
    return text_.substr(t.begin, t.end - t.begin);
  }
  char bad(size_t ahead = 0) const { return kind(ahead) == Tk::BAD ? text(ahead)[0] : '\0'; }
  bool ends_statement(size_t ahead) const {
    Tk k = kind(ahead);
    return k == Tk::NL || k == Tk::END || k == Tk::COMMENT || k == Tk::RBRACE || bad(ahead) == ';';
  }
  Tk last() const { return result_.empty() ? Tk::NL : result_.back().kind; }
  bool last_touches() const { return !result_.empty() && result_.back().end == raw_[i_].begin; }
  bool last_is_value() const {
    Tk k = last();
    return is_name(k) || k == Tk::RPAREN || k == Tk::RBRACKET || k == Tk::INT || k == Tk::FLOAT;
  }

  void put(Token t) { result_.push_back(t); }
  // Puts one token of `kind` for the next `count` raw ones.
  bool replace(Tk kind, size_t count) {
    put({kind, raw_[i_].begin, raw_[i_ + count - 1].end, true});
    i_ += count;
    return true;
  }
  bool drop(size_t count) {
    i_ += count;
    return true;
  }
  void error(size_t count, std::string message, std::string hint, Code code = Code::E0106) {
    Loc where{file_, raw_[i_].begin, raw_[i_ + count - 1].end};
    out_.errors.push_back({code, where, std::move(message), {}, std::move(hint)});
  }
  // Gives up the rest of the line: the parser's errors about it are ours.
  bool give_up_line() {
    uint32_t from = raw_[i_].begin;
    size_t line = text_.rfind('\n', from);
    while (i_ < raw_.size() && raw_[i_].kind != Tk::NL) {
      Tk k = raw_[i_].kind;
      bool bracket = k >= Tk::LPAREN && k <= Tk::RBRACE;
      if (bracket) put(raw_[i_]);  // so that brackets still match
      ++i_;
    }
    uint32_t to = i_ < raw_.size() ? raw_[i_].begin : end_;
    out_.mended.emplace_back(line == text_.npos ? 0 : line + 1, to + 1);
    return true;
  }

  void find_tabs() {
    uint32_t at = 0;
    for (size_t i = 0; i <= raw_.size(); ++i) {
      uint32_t to = i < raw_.size() ? raw_[i].begin : end_;
      if (i == 0) at = raw_.empty() ? to : std::min<uint32_t>(at, to);
      for (uint32_t j = at; j < to; ++j) {
        if (text_[j] != '\t') continue;
        uint32_t stop = j;
        while (stop < to && text_[stop] == '\t') ++stop;
        out_.errors.push_back({Code::E0106, {file_, j, stop}, "a tab stands here", {},
                               "lines are indented with blanks; `tenon fmt` replaces all tabs of a file"});
        return;
      }
      if (i < raw_.size()) at = raw_[i].end;
    }
  }

  bool mend_one() {
    switch (kind()) {
      case Tk::BAD: return mend_character();
      case Tk::BAD_STRING: return mend_string();
      case Tk::STRING: return mend_field() || mend_open_text();
      case Tk::INT:
      case Tk::FLOAT: return mend_number();
      case Tk::DOT: return mend_dot();
      case Tk::NAME: return mend_word();
      default: return mend_operator();
    }
  }

  bool mend_character() {
    switch (bad()) {
      case '&':
        if (touching() && bad(1) == '&') {
          error(2, "`&&` is not an operator", "write `and`");
          return replace(Tk::AND, 2);
        }
        error(1, "`&` is not an operator", "write `and`; there are no operators on bits");
        return replace(Tk::AND, 1);
      case '|':
        if (touching() && bad(1) == '|') {
          error(2, "`||` is not an operator", "write `or`");
          return replace(Tk::OR, 2);
        }
        error(1, "`|` is not an operator", "write `or`, or `|>` for a pipe");
        return replace(Tk::OR, 1);
      case '!':
        error(1, "`!` is not an operator", "write `not x`; unequal is `!=`");
        return replace(Tk::NOT, 1);
      case '^':
        error(1, "`^` is not an operator", "a power is `x ** 2`");
        return replace(Tk::POW, 1);
      case ';': {
        error(1, "a statement ends with its line, not with `;`",
              ends_statement(1) ? "delete it" : "begin a new line");
        return replace(Tk::NL, 1);
      }
      case '\'': return mend_quote();
      case '?':
        error(1, "`?` is not an operator", "a choice is `if c { a } else { b }`, "
                                           "element by element `where(c, a, b)`");
        return give_up_line();
      case '\\':
        error(1, "`\\` stands outside a string",
              "a line goes on by itself after an operator or a comma, and inside ( and [");
        if (kind(1) == Tk::NL) return drop(2);
        return drop(1);
      default: break;
    }
    size_t count = 1;
    bool wide = static_cast<unsigned char>(text()[0]) >= 0x80;
    while (wide && touching(count - 1) && kind(count) == Tk::BAD &&
           static_cast<unsigned char>(text(count)[0]) >= 0x80)
      ++count;
    std::string_view bytes = text_.substr(raw_[i_].begin, count);
    for (const ForeignCharacter& c : kCharacters) {
      if (!bytes.starts_with(c.bytes)) continue;
      bool named = c.name.starts_with("a ");
      error(count, (named ? std::string(c.name) : "`" + std::string(c.name) + "`") +
                       " is not part of the language",
            std::string(c.hint));
      return give_up_line();
    }
    unsigned char byte = static_cast<unsigned char>(bytes[0]);
    if (byte < 32 || byte == 127) {
      error(1, "a control character stands here", "delete it; is this a text file?");
    } else if (wide) {
      error(count, "`" + std::string(bytes) + "` is not part of the language",
            "names are made of the letters a to z and A to Z, digits and _; "
            "other letters may stand in strings and comments");
    } else {
      error(1, "`" + std::string(bytes) + "` is not part of the language", "delete it");
    }
    return give_up_line();
  }

  // 'text', or x' for a transposed matrix
  bool mend_quote() {
    uint32_t from = raw_[i_].begin;
    bool transposed = last_is_value() && last_touches();
    size_t line_end = std::min<size_t>(text_.find_first_of("\r\n", from), end_);
    size_t close = text_.find('\'', from + 1);
    if (transposed) {
      error(1, "`'` does not transpose", "write `transpose(x)`");
      return drop(1);
    }
    if (close >= line_end) {
      error(1, "`'` does not begin a string", "strings stand between double quotes: \"text\"");
      return give_up_line();
    }
    size_t count = 1;
    while (i_ + count < raw_.size() && raw_[i_ + count].begin <= close) ++count;
    // a token that reaches beyond the closing quote (a comment, a string) was swallowed by it
    out_.errors.push_back({Code::E0106, {file_, from, static_cast<uint32_t>(close + 1)},
                           "`'` does not begin a string", {},
                           "strings stand between double quotes: \"text\""});
    bool beyond = raw_[i_ + count - 1].end > close + 1;
    replace(Tk::STRING, count);
    return beyond && i_ < raw_.size() ? give_up_line() : true;
  }

  bool mend_string() {
    Loc where{file_, raw_[i_].begin, raw_[i_].end};
    bool unclosed = false;
    out_.errors.push_back(bad_string_message(sources_, where, unclosed));
    std::string_view body = text();
    replace(Tk::STRING, 1);
    if (!unclosed) return true;
    // The rest of the line is inside the string: close what was opened on this line, but keep a
    // block that seems to begin at its end.
    std::vector<Tk> open;
    for (auto t = result_.rbegin(); t != result_.rend() && t->kind != Tk::NL; ++t) {
      if (t->kind == Tk::RPAREN || t->kind == Tk::RBRACKET) open.push_back(t->kind);
      if (t->kind == Tk::LPAREN || t->kind == Tk::LBRACKET) {
        if (!open.empty()) {
          open.pop_back();
        } else {
          put_later_.push_back(t->kind == Tk::LPAREN ? Tk::RPAREN : Tk::RBRACKET);
        }
      }
    }
    for (Tk k : put_later_) put({k, where.end, where.end, true});
    put_later_.clear();
    size_t last = body.find_last_not_of(" \t");
    if (last != body.npos && body[last] == '{')
      put({Tk::LBRACE, where.end, where.end, true});
    out_.mended.emplace_back(where.begin, where.end + 1);
    return true;
  }

  // An unclosed """ comes as "" and then anything.
  bool mend_open_text() {
    if (text() != "\"\"" || !touching() || text(1)[0] != '"') return mend_operator();
    Loc where{file_, raw_[i_].begin, raw_[i_].end + 1};
    out_.errors.push_back({Code::E0103, where, "this string is never closed", {},
                           "a string of many lines ends with \"\"\""});
    out_.incomplete = true;
    out_.mended.emplace_back(where.begin, end_ + 1);
    put({Tk::TEXT, where.begin, end_, true});
    i_ = raw_.size();
    return true;
  }

  bool mend_number() {
    if (kind() == Tk::INT && text().size() > 1 && text()[0] == '0' && last() != Tk::DOT) {
      size_t zeros = std::min(text().find_first_not_of('0'), text().size() - 1);
      error(1, "a number does not begin with 0", "write `" + std::string(text().substr(zeros)) + "`; numbers are decimal",
            Code::E0103);
      return replace(Tk::INT, 1);
    }
    if (kind() == Tk::INT && touching() && kind(1) == Tk::DOT) {
      bool word = touching(1) && is_name(kind(2));
      error(2, "a number has digits after its point",
            "write `" + std::string(text()) + ".0`", Code::E0103);
      return replace(Tk::FLOAT, word ? 3 : 2);
    }
    if (touching() && (is_name(kind(1)) || is_reserved(kind(1)))) {
      std::string number(text()), word(text(1));
      char first = word[0];
      std::string hint = "write `" + number + " * " + word + "` for a product";
      if (number == "0" && (first == 'x' || first == 'b' || first == 'o'))
        hint = "numbers are decimal";
      else if (first == '_')
        hint = "digits are not grouped: 1000000, or 1e6 for a float";
      else if (first == 'e' || first == 'E')
        hint = "an exponent has digits: 1e-3";
      else if (word == "f" || word == "L" || word == "l" || word == "d")
        hint = "a number has no suffix: it takes the dtype of what it meets; f64(0.1) asks for one";
      error(2, "`" + number + word + "` is not a number", hint, Code::E0103);
      size_t count = 2;
      while (touching(count - 1) && (is_name(kind(count)) || kind(count) == Tk::INT)) ++count;
      return replace(kind(), count);
    }
    return false;
  }

  bool mend_dot() {
    if (!touching() || (kind(1) != Tk::INT && kind(1) != Tk::FLOAT)) return false;
    if (last_is_value() && last_touches()) {
      error(2, "an element of a tuple is not written with a point",
            "write `t[" + std::string(text(1)) + "]`");
      return drop(2);
    }
    error(2, "a number has digits before its point", "write `0." + std::string(text(1)) + "`",
          Code::E0103);
    return replace(Tk::FLOAT, 2);
  }

  // {"a": 1}: the fields of a record are names.
  bool mend_field() {
    if (last() != Tk::LBRACE || kind(1) != Tk::COLON) return false;
    std::string_view name = text().substr(1, text().size() - 2);
    const bool fits = !name.empty() && (std::isalpha(static_cast<unsigned char>(name[0])) || name[0] == '_') &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
    error(1, "a field of a record is a name, not a string",
          fits ? "write `{" + std::string(name) + ": ...}`" : "write `{name: ...}`");
    out_.mended.emplace_back(raw_[i_].begin, line_end(raw_[i_].begin));
    put({Tk::NAME, raw_[i_].begin, raw_[i_].end, true});
    ++i_;
    return true;
  }

  // Comments of other languages: // to the end of the line, /* to */.
  bool mend_comment() {
    // A line that begins with // may go on with a division: two words in a row cannot.
    const bool starts = result_.empty() || last() == Tk::LBRACE;
    const bool words = kind() == Tk::DSLASH && is_name(kind(1)) && is_name(kind(2)) &&
                       !touching(1);
    if (kind() == Tk::DSLASH && (starts || words)) {
      size_t count = 1;
      while (kind(count) != Tk::NL && kind(count) != Tk::END) ++count;
      error(count, "`//` divides and rounds down; it begins no comment", "a comment begins with `#`");
      return drop(count);
    }
    if (kind() != Tk::SLASH || !touching() || (kind(1) != Tk::STAR && kind(1) != Tk::POW)) return false;
    size_t close = text_.find("*/", raw_[i_].begin + 2);
    if (close == text_.npos || close >= end_) return false;
    size_t count = 1;
    while (i_ + count < raw_.size() && raw_[i_ + count].begin < close + 2) ++count;
    out_.errors.push_back({Code::E0106, {file_, raw_[i_].begin, static_cast<uint32_t>(close + 2)},
                           "`/*` begins no comment", {}, "a comment goes from `#` to the end of its line"});
    return drop(count);
  }

  bool mend_word() {
    Tk next = kind(1);
    if (next == Tk::STRING && touching() && text().size() == 1 && std::string_view("frbuFRBU").find(text()[0]) != text().npos) {
      error(1, "a string takes no `" + std::string(text()) + "` before it",
            text() == "f" || text() == "F" ? "holes are filled in every string: \"{x:.2f}\"" : "strings are plain: \"text\"");
      return drop(1);
    }
    if (last() != Tk::DOT && next != Tk::ASSIGN && next != Tk::COLON) {
      for (const ForeignWord& w : kValueWords) {
        if (text() != w.word) continue;
        error(1, "there is no `" + std::string(w.word) + "`", std::string(w.hint));
        return replace(w.kind, 1);
      }
    }
    bool follows = is_name(next) || next == Tk::STRING || next == Tk::INT || next == Tk::FLOAT ||
                   next == Tk::NOT || next == Tk::TRUE || next == Tk::FALSE;
    if (!follows) return false;
    if (text() == "lambda") {
      error(1, "`lambda` is not a word of the language", "a function value is `fn(x) = x * x`");
      return give_up_line();
    }
    Tk before = last();
    if (before != Tk::NL && before != Tk::COMMENT && before != Tk::LBRACE && before != Tk::RBRACE)
      return false;
    for (const ForeignWord& w : kStatementWords) {
      if (text() != w.word) continue;
      error(1, "`" + std::string(w.word) + "` is not a word of the language",
            std::string(w.hint));
      if (w.kind == Tk::BAD) return give_up_line();
      Token word = raw_[i_];
      replace(w.kind, 1);
      if (w.kind == Tk::ELSE) put({Tk::IF, word.begin, word.end, true});
      if (w.kind == Tk::MODEL) out_.mended.emplace_back(word.begin, line_end(word.begin));
      return true;
    }
    return false;
  }
  uint32_t line_end(uint32_t from) const {
    return static_cast<uint32_t>(std::min<size_t>(text_.find('\n', from), end_));
  }

  bool mend_operator() {
    if (mend_comment()) return true;
    if (kind() == Tk::VAR && kind(1) == Tk::LPAREN && touching() && last() != Tk::NL && last() != Tk::LBRACE) {
      error(1, "`var` is a reserved word", "the variance is `variance(x)`");
      return replace(Tk::NAME, 1);
    }
    Tk a = kind(), b = touching() ? kind(1) : Tk::END;
    if ((a == Tk::PLUS && b == Tk::PLUS) || (a == Tk::MINUS && b == Tk::MINUS)) {
      bool after = last_is_value() && ends_statement(2);
      bool before = (last() == Tk::NL || last() == Tk::LBRACE) && touching(1) && is_name(kind(2));
      if (after || before) {
        std::string sign(1, a == Tk::PLUS ? '+' : '-');
        error(2, "`" + sign + sign + "` is not an operator", "write `x " + sign + "= 1`");
        return drop(2);
      }
    }
    if (a == Tk::ASSIGN && b == Tk::GT) {
      error(2, "`=>` is not part of the language",
            "a function value is `fn(x) = x * x`; at least is `>=`");
      return replace(Tk::ASSIGN, 2);
    }
    if (a == Tk::EQ && b == Tk::ASSIGN) {
      error(2, "`===` is not an operator", "write `==`");
      return replace(Tk::EQ, 2);
    }
    if (a == Tk::LT && b == Tk::GT) {
      error(2, "`<>` is not an operator", "write `!=`");
      return replace(Tk::NE, 2);
    }
    if (a == Tk::COLON && b == Tk::ASSIGN) {
      error(2, "`:=` is not an operator", "`let x = 1` makes a name, `x = 2` gives a `var` a new value");
      return replace(Tk::ASSIGN, 2);
    }
    if (b == Tk::ASSIGN &&
        (a == Tk::POW || a == Tk::DSLASH || a == Tk::PERCENT || a == Tk::AT)) {
      std::string op(text());
      error(2, "`" + op + "=` is not an operator",
            "only += -= *= /= are; write `x = x " + op + " ...`");
      return replace(Tk::ASSIGN, 2);
    }
    return false;
  }

  const SourceMap& sources_;
  std::string_view text_;
  FileId file_;
  const std::vector<Token>& raw_;
  uint32_t end_;
  FilteredTokens& out_;
  size_t i_ = 0;
  std::vector<Token> result_;
  std::vector<Tk> put_later_;
};

}  // namespace

std::vector<Token> mend_spellings(const SourceMap& sources, FileId file,
                                  const std::vector<Token>& raw, uint32_t end,
                                  FilterOptions options, FilteredTokens& out) {
  return Mender(sources, file, raw, end, out).run(options.allow_tabs);
}

}  // namespace tenon
