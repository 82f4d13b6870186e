// Newlines and brackets; see parse_tokens.h. One pass over the tokens with a stack of open
// brackets. Where brackets do not match, keywords at the beginnings of lines and the indentation
// tell where the missing one was meant, and it is put there.
#include "frontend/parse_tokens.h"

#include <algorithm>

namespace tenon {

std::string_view spelling(Tk kind) {
  static constexpr std::string_view kSpellings[] = {"",
#define X(name, spelling) spelling,
                                                    TENON_TOKENS(X)
#undef X
  };
  return kSpellings[static_cast<int>(kind)];
}
bool is_soft_word(Tk kind) { return kind == Tk::NAME || (kind >= Tk::MODEL && kind <= Tk::AS); }
bool is_reducer(Tk kind) { return kind >= Tk::SUM && kind <= Tk::ARGMIN; }
bool is_reserved(Tk kind) { return kind >= Tk::LET && kind <= Tk::ASSERT; }

bool FilteredTokens::is_mended(uint32_t byte) const {
  return std::any_of(mended.begin(), mended.end(),
                     [&](auto range) { return byte >= range.first && byte < range.second; });
}

namespace {

bool is_opener(Tk k) { return k == Tk::LPAREN || k == Tk::LBRACKET || k == Tk::LBRACE; }
bool is_closer(Tk k) { return k == Tk::RPAREN || k == Tk::RBRACKET || k == Tk::RBRACE; }
Tk closer_of(Tk opener) {
  return opener == Tk::LPAREN ? Tk::RPAREN : opener == Tk::LBRACKET ? Tk::RBRACKET : Tk::RBRACE;
}

// Operators that may end a line or begin one (minus, not and ~ have their own rules).
bool is_joining(Tk k) {
  switch (k) {
    case Tk::PLUS: case Tk::STAR: case Tk::SLASH: case Tk::DSLASH: case Tk::PERCENT: case Tk::AT:
    case Tk::POW: case Tk::EQ: case Tk::NE: case Tk::LT: case Tk::LE: case Tk::GT: case Tk::GE:
    case Tk::AND: case Tk::OR: case Tk::RANGE: case Tk::PIPE: case Tk::ARROW:
    case Tk::PLUS_ASSIGN: case Tk::MINUS_ASSIGN: case Tk::STAR_ASSIGN: case Tk::SLASH_ASSIGN:
      return true;
    default:
      return false;
  }
}
bool goes_on_after(Tk k) {
  return is_joining(k) || k == Tk::MINUS || k == Tk::NOT || k == Tk::TILDE || k == Tk::COMMA ||
         k == Tk::ASSIGN;
}

// A word that begins a statement and never an expression.
bool begins_statement(Tk k, Tk next) {
  switch (k) {
    case Tk::LET: case Tk::VAR: case Tk::WHILE: case Tk::BREAK: case Tk::CONTINUE:
    case Tk::RETURN: case Tk::IMPORT: case Tk::ASSERT:
      return true;
    case Tk::FN: case Tk::MODEL: case Tk::TYPE: case Tk::PARAM: case Tk::STATE: case Tk::TRAIN:
    case Tk::UPDATE:
      return is_name(next);
    case Tk::TEST: case Tk::BENCH: return next == Tk::STRING;
    case Tk::EXPORT: return next == Tk::FN;
    case Tk::DERIVATIVE: return next == Tk::OF;
    default: return false;
  }
}
// Words after which Python would have a colon at the end of the line.
bool has_block(Tk k) {
  return k == Tk::IF || k == Tk::ELSE || k == Tk::FOR || k == Tk::WHILE || k == Tk::FN ||
         k == Tk::MODEL || k == Tk::TEST || k == Tk::BENCH || k == Tk::TRAIN || k == Tk::EXPORT;
}

class Filter {
 public:
  Filter(const SourceMap& sources, FileId file, std::vector<Token> tokens, uint32_t end,
         FilteredTokens& out)
      : text_(sources.text(file)), file_(file), in_(std::move(tokens)), end_(end), out_(out) {}

  void run() {
    count_open();
    bool newline = true;
    uint32_t newline_at = 0;
    line_first_ = Tk::END;
    for (i_ = 0; i_ < in_.size() && !out_.hopeless; ++i_) {
      const Token& t = in_[i_];
      if (t.kind == Tk::NL) {
        if (!newline) newline_at = t.begin;
        newline = true;
        continue;
      }
      if (t.kind == Tk::COMMENT) {
        note_doc(t, newline);
        continue;
      }
      if (newline) begin_line(t, newline_at);
      newline = false;
      if (t.kind == Tk::COLON && opens_python_block()) continue;
      if (is_opener(t.kind)) {
        emit(t);
        open(t, false);
      } else if (is_closer(t.kind)) {
        close(t);
      } else {
        emit(t);
      }
    }
    finish();
    match_braces();
  }

 private:
  struct Open {
    Tk kind;
    uint32_t begin;
    uint32_t line;    // the first byte of its line
    uint32_t indent;  // of its line
    bool python;      // put in for a colon
  };

  Tk next_kind() const {
    for (size_t j = i_ + 1; j < in_.size(); ++j)
      if (in_[j].kind != Tk::COMMENT) return in_[j].kind;
    return Tk::END;
  }
  bool inside_round() const {
    return !stack_.empty() && (stack_.back().kind == Tk::LPAREN || stack_.back().kind == Tk::LBRACKET);
  }
  Tk last() const { return out_.tokens.empty() ? Tk::NL : out_.tokens.back().kind; }
  void emit(Token t) {
    out_.tokens.push_back(t);
    if ((t.kind == Tk::LBRACE || t.kind == Tk::ASSIGN) && stack_.size() == head_depth_) head_ = false;
  }
  void put(Tk kind, uint32_t at) { emit({kind, at, at, true}); }
  Loc at(uint32_t begin, uint32_t length = 1) const { return {file_, begin, begin + length}; }
  void error(Loc where, std::string message, std::string hint, std::vector<Note> notes = {},
             Code code = Code::E0102) {
    out_.errors.push_back({code, where, std::move(message), std::move(notes), std::move(hint)});
  }

  // How many braces nobody closes, and whether the text ends inside a bracket.
  void count_open() {
    std::vector<Tk> stack;
    Tk last = Tk::END;
    bool matching = true;
    for (const Token& t : in_) {
      if (is_opener(t.kind)) stack.push_back(t.kind);
      if (is_closer(t.kind)) {
        while (!stack.empty() && closer_of(stack.back()) != t.kind) {
          matching = false;
          if (t.kind != Tk::RBRACE && stack.back() == Tk::LBRACE) break;
          stack.pop_back();
        }
        if (stack.empty()) matching = false;
        else if (closer_of(stack.back()) == t.kind) stack.pop_back();
      }
      if (t.kind != Tk::NL && t.kind != Tk::COMMENT) last = t.kind;
    }
    missing_ = static_cast<int>(std::count(stack.begin(), stack.end(), Tk::LBRACE));
    if (matching && (!stack.empty() || goes_on_after(last))) out_.incomplete = true;
  }

  // ## lines directly above a definition document it.
  void note_doc(const Token& t, bool own_line) {
    std::string_view line = text_.substr(t.begin, t.end - t.begin);
    if (!own_line) return;
    if (!line.starts_with("##") || line.starts_with("###")) {
      doc_.clear();
      return;
    }
    if (!follows_doc(t.begin)) doc_.clear();
    line.remove_prefix(2);
    if (line.starts_with(" ")) line.remove_prefix(1);
    if (!doc_.empty()) doc_ += "\n";
    doc_ += line.substr(0, line.find_last_not_of(" \t\r") + 1);  // blanks at an end mean nothing
    doc_end_ = t.end;
  }
  // Is there exactly one newline between the last ## line and this byte?
  bool follows_doc(uint32_t byte) const {
    if (doc_.empty()) return false;
    std::string_view between = text_.substr(doc_end_, byte - doc_end_);
    return std::count(between.begin(), between.end(), '\n') == 1;
  }

  // The first token of a line: does the newline before it end a statement? Are brackets missing?
  void begin_line(const Token& t, uint32_t newline_at) {
    size_t start = t.begin == 0 ? std::string_view::npos : text_.find_last_of("\r\n", t.begin - 1);
    line_ = start == std::string_view::npos ? 0 : static_cast<uint32_t>(start + 1);
    indent_ = t.begin - line_;
    line_first_ = t.kind;
    if (follows_doc(t.begin)) out_.docs[t.begin] = doc_;
    doc_.clear();
    if (inside_round() && begins_statement(t.kind, next_kind())) close_round(newline_at);
    close_python(t, newline_at);
    while (missing_ > 0 && !stack_.empty() && stack_.back().kind == Tk::LBRACE &&
           !stack_.back().python && stack_.back().line != line_) {
      const Open& o = stack_.back();
      bool outer = t.kind == Tk::RBRACE ? indent_ < o.indent : indent_ <= o.indent;
      if (!outer) break;
      error(at(o.begin), "this `{` is never closed", "add a `}` on a line of its own above",
            {{at(t.begin, t.end - t.begin), "the indentation says it ended before this line"}});
      --missing_;
      put(Tk::RBRACE, newline_at);
      stack_.pop_back();
    }
    if (last() == Tk::NL || last() == Tk::LBRACE) note_head(t);
    if (inside_round() || !ends_statement(t)) return;
    if (t.kind == Tk::LBRACE && head_ && stack_.size() == head_depth_) {
      error(at(t.begin), "this `{` stands on a line of its own",
            "a block begins on the line of its head: `if c {`");
      return;
    }
    put_newline(newline_at);
    note_head(t);
  }
  // Is this the head of a block whose brace is still to come?
  void note_head(const Token& t) {
    head_ = has_block(t.kind) && (t.kind < Tk::MODEL || begins_statement(t.kind, next_kind()));
    head_depth_ = stack_.size();
  }
  void put_newline(uint32_t byte) { emit({Tk::NL, byte, byte + 1, false}); }

  // Rule 5.
  bool ends_statement(const Token& t) const {
    if (last() == Tk::NL || last() == Tk::LBRACE || goes_on_after(last())) return false;
    switch (t.kind) {
      case Tk::RBRACE: case Tk::COMMA: case Tk::ELSE: return false;
      case Tk::WHERE: return !is_name(next_kind());
      case Tk::MINUS: return i_ + 1 < in_.size() && in_[i_ + 1].begin == t.end &&
                             in_[i_ + 1].kind != Tk::NL;
      default: return !is_joining(t.kind);
    }
  }

  // A statement begins inside ( or [ : report the bracket, and close all of them there.
  void close_round(uint32_t byte) {
    const Open& o = stack_.back();
    error(at(o.begin), "this `" + std::string(spelling(o.kind)) + "` is never closed",
          "add a `" + std::string(spelling(closer_of(o.kind))) + "`",
          {{at(in_[i_].begin, in_[i_].end - in_[i_].begin), "a new statement begins here"}});
    while (inside_round()) {
      out_.mended.emplace_back(stack_.back().begin, byte + 1);
      put(closer_of(stack_.back().kind), byte);
      stack_.pop_back();
    }
  }

  bool opens_python_block() {
    if (inside_round() || !has_block(line_first_)) return false;
    size_t j = i_ + 1;
    while (j < in_.size() && in_[j].kind == Tk::COMMENT) ++j;
    if (j < in_.size() && in_[j].kind != Tk::NL) return false;
    if (!python_reported_)
      error(at(in_[i_].begin), "a block does not begin with `:`",
            "a block stands between braces: `if c { ... }`", {}, Code::E0106);
    python_reported_ = true;
    put(Tk::LBRACE, in_[i_].begin);
    open(in_[i_], true);
    return true;
  }
  void close_python(const Token& t, uint32_t newline_at) {
    while (!stack_.empty() && stack_.back().python && indent_ <= stack_.back().indent) {
      stack_.pop_back();
      put(Tk::RBRACE, newline_at);
      if (t.kind != Tk::ELSE && !stack_.empty() && stack_.back().python &&
          indent_ > stack_.back().indent)
        break;
    }
  }

  void open(const Token& t, bool python) {
    stack_.push_back({python ? Tk::LBRACE : t.kind, t.begin, line_, indent_, python});
    if (stack_.size() > kMaxNesting) {
      error(at(t.begin), "nested too deep: more than 500 open brackets",
            "give inner parts names with `let`, or move them to functions", {}, Code::E0104);
      out_.hopeless = true;
    }
  }

  void close(const Token& t) {
    std::string found(spelling(t.kind));
    auto matches = [&](const Open& o) { return !o.python && closer_of(o.kind) == t.kind; };
    if (!stack_.empty() && matches(stack_.back())) {
      stack_.pop_back();
      emit(t);
      return;
    }
    // Only a brace may close what is open across lines.
    bool deeper = false;
    for (auto o = stack_.rbegin(); o != stack_.rend() && !deeper; ++o) {
      deeper = matches(*o);
      if (t.kind != Tk::RBRACE && o->kind == Tk::LBRACE && o->line != line_) break;
    }
    if (deeper) {
      bool first = true;
      while (!matches(stack_.back())) {
        const Open& o = stack_.back();
        if (!o.python && first) {
          error(at(o.begin), "this `" + std::string(spelling(o.kind)) + "` is never closed",
                "add a `" + std::string(spelling(closer_of(o.kind))) + "` before this `" + found + "`",
                {{at(t.begin), "closed from outside here"}});
          first = false;
        }
        out_.mended.emplace_back(o.begin, t.end);
        put(closer_of(o.kind), t.begin);
        stack_.pop_back();
      }
      stack_.pop_back();
      emit(t);
      return;
    }
    if (inside_round()) {
      const Open& o = stack_.back();
      std::string wanted(spelling(closer_of(o.kind)));
      error(at(t.begin), "`" + found + "` cannot close a `" + std::string(spelling(o.kind)) + "`",
            "write `" + wanted + "`", {{at(o.begin), "opened here"}});
      put(closer_of(o.kind), t.begin);
      out_.mended.emplace_back(o.begin, t.end);
      stack_.pop_back();
      return;
    }
    error(at(t.begin), "this `" + found + "` closes nothing", "delete it, or add what it closes");
    out_.mended.emplace_back(line_, t.end + 1);
  }

  void finish() {
    bool first = !out_.hopeless;
    while (!stack_.empty()) {
      const Open& o = stack_.back();
      if (!o.python && first) {
        error(at(o.begin), "this `" + std::string(spelling(o.kind)) + "` is never closed",
              "add a `" + std::string(spelling(closer_of(o.kind))) + "`");
        first = false;
      }
      out_.mended.emplace_back(o.kind == Tk::LBRACE ? end_ : o.begin, end_ + 1);
      put(closer_of(o.kind), end_);
      stack_.pop_back();
    }
    put(Tk::END, end_);
    out_.tokens.back().inserted = false;
  }

  void match_braces() {
    std::vector<int> braces;
    out_.enclosing.reserve(out_.tokens.size());
    for (size_t i = 0; i < out_.tokens.size(); ++i) {
      out_.enclosing.push_back(braces.empty() ? -1 : braces.back());
      if (out_.tokens[i].kind == Tk::LBRACE) braces.push_back(static_cast<int>(i));
      if (out_.tokens[i].kind == Tk::RBRACE && !braces.empty()) braces.pop_back();
    }
  }

  std::string_view text_;
  FileId file_;
  std::vector<Token> in_;
  uint32_t end_;
  FilteredTokens& out_;
  size_t i_ = 0;
  std::vector<Open> stack_;
  int missing_ = 0;
  uint32_t line_ = 0, indent_ = 0;
  bool head_ = false;
  size_t head_depth_ = 0;
  Tk line_first_ = Tk::END;
  bool python_reported_ = false;
  std::string doc_;
  uint32_t doc_end_ = 0;
};

}  // namespace

FilteredTokens filter_tokens(const SourceMap& sources, FileId file, const std::vector<Token>& raw,
                             uint32_t end, FilterOptions options) {
  FilteredTokens out;
  std::vector<Token> mended = mend_spellings(sources, file, raw, end, options, out);
  Filter(sources, file, std::move(mended), end, out).run();
  return out;
}

bool check_text(const SourceMap& sources, FileId file, std::vector<Diagnostic>& errors) {
  std::string_view s = sources.text(file);
  auto refuse = [&](size_t at, std::string message, std::string hint) {
    uint32_t byte = static_cast<uint32_t>(at);
    errors.push_back({Code::E0105, {file, byte, byte + 1}, std::move(message), {}, std::move(hint)});
    return false;
  };
  if (s.size() >= 1u << 30)
    return refuse(0, "the file is too large for a program", "data is read with csv(..) or npy(..)");
  for (size_t i = 0; i < s.size();) {
    unsigned char c = static_cast<unsigned char>(s[i]);
    if (c == 0) return refuse(i, "a zero byte stands here", "is this a text file?");
    // RFC 3629: no overlong forms, no surrogates, nothing beyond 10FFFF
    size_t length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3
                  : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    bool good = length > 0 && i + length <= s.size();
    for (size_t j = 1; good && j < length; ++j) {
      unsigned char d = static_cast<unsigned char>(s[i + j]);
      good = (d & 0xC0) == 0x80;
      if (j == 1 && ((c == 0xE0 && d < 0xA0) || (c == 0xED && d > 0x9F) || (c == 0xF0 && d < 0x90) ||
                     (c == 0xF4 && d > 0x8F)))
        good = false;
    }
    if (!good) return refuse(i, "this byte is not UTF-8 text", "save the file as UTF-8");
    i += length;
  }
  // Holes within holes make the lexer slow, so their depth is bounded before it runs.
  constexpr int kMaxBraces = 100;
  bool quoted = false;
  int depth = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\n') quoted = false, depth = 0;
    if (s[i] == '"') quoted = true;
    if (quoted && s[i] == '{' && ++depth > kMaxBraces) {
      uint32_t byte = static_cast<uint32_t>(i);
      errors.push_back({Code::E0104, {file, byte, byte + 1},
                        "nested too deep: more than 100 open braces behind a quote in one line", {},
                        "give inner parts names with `let`"});
      return false;
    }
    if (s[i] == '}' && depth > 0) --depth;
  }
  return true;
}

}  // namespace tenon
