// The formatter; see format.h. Works on tokens, not on the tree, so that it cannot lose anything:
// every token and comment is written again, in order, on the line it was on; only the blanks between
// them are decided here.
#include "frontend/format.h"

#include <algorithm>

#include "frontend/ast_print.h"
#include "frontend/parse.h"
#include "frontend/parse_tokens.h"

namespace tenon {
namespace {

constexpr size_t kColumns = 100;
constexpr size_t kIndent = 2;

struct Item {
  Token token;
  bool own_line = false;    // first on its line
  bool blank_line = false;  // one or more blank lines stood before it
  bool begins = false;      // begins a statement
  bool block = false;       // a { or } of a block, not of a record
  bool reduction = false;   // the ] of sum[k]
  bool prefix = false;      // a minus before its operand
  bool setting = false;     // the = of an entry of train
};

// One line of the result, kept in parts until comments and settings are aligned.
struct Line {
  std::string code;
  std::string comment;
  size_t equals = std::string::npos;  // where the = of an entry of train stands
  bool blank_before = false;
};

bool is_comment(const Item& item) { return item.token.kind == Tk::COMMENT; }
bool is_open(Tk k) { return k == Tk::LPAREN || k == Tk::LBRACKET || k == Tk::LBRACE; }
bool is_close(Tk k) { return k == Tk::RPAREN || k == Tk::RBRACKET || k == Tk::RBRACE; }

// Can an expression end with this token?
bool ends_value(const Item& item) {
  Tk k = item.token.kind;
  return is_name(k) || k == Tk::INT || k == Tk::FLOAT || k == Tk::STRING || k == Tk::TEXT ||
         k == Tk::TRUE || k == Tk::FALSE || k == Tk::UNDER || k == Tk::ELLIPSIS || k == Tk::RPAREN ||
         k == Tk::RBRACE || (k == Tk::RBRACKET && !item.reduction);
}

class Formatter {
 public:
  Formatter(std::string_view text, const std::vector<Token>& raw, const FilteredTokens& filtered)
      : text_(text) {
    collect(raw);
    find_statements(filtered);
    match();
  }

  std::string run() {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (i == 0 || starts_line(i)) begin_line(i);
      write(i);
      track(i);
    }
    align_settings();
    align_comments();
    return assemble();
  }

 private:
  void collect(const std::vector<Token>& raw) {
    int newlines = 1;
    for (const Token& t : raw) {
      if (t.kind == Tk::NL) {
        ++newlines;
        continue;
      }
      Item item;
      item.token = t;
      item.own_line = newlines > 0;
      item.blank_line = newlines > 1 && !items_.empty();
      items_.push_back(item);
      newlines = 0;
    }
  }

  void find_statements(const FilteredTokens& filtered) {
    size_t at = 0;
    for (Item& item : items_) {
      if (is_comment(item)) continue;
      bool newline = at == 0;
      while (at < filtered.tokens.size() && filtered.tokens[at].kind == Tk::NL) newline = true, ++at;
      item.begins = newline;
      ++at;
    }
  }

  // Which braces are blocks (rule 5), which brackets belong to reductions, which minuses are signs.
  void match() {
    std::vector<size_t> open;
    std::vector<bool> train_blocks;  // per open brace: the entries of train
    const Item* last = nullptr;
    bool train = false;  // between `train` and its brace
    for (size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      if (is_comment(item)) continue;
      Tk k = item.token.kind, before = last ? last->token.kind : Tk::NL;
      if (item.begins || (last && last->block && before == Tk::LBRACE)) {
        item.begins = true;
        train = k == Tk::TRAIN && is_name(next_kind(i));
        if (!open.empty() && train_blocks.back()) find_setting(i);
      }
      bool after_value = last && !item.begins && (ends_value(*last) || before == Tk::ELSE) &&
                         !(before == Tk::ON && train);
      if (k == Tk::LBRACE) {
        item.block = after_value;
        open.push_back(i);
        train_blocks.push_back(train && item.block);
        if (item.block) train = false;
      } else if (is_open(k)) {
        item.reduction = k == Tk::LBRACKET && is_reducer(before) && !after_dot(i);
        open.push_back(i);
        train_blocks.push_back(false);
      } else if (is_close(k) && !open.empty()) {
        item.block = items_[open.back()].block;
        item.reduction = items_[open.back()].reduction;
        open.pop_back();
        train_blocks.pop_back();
      }
      if (k == Tk::MINUS) item.prefix = !after_value;
      last = &item;
    }
  }
  Tk next_kind(size_t i) const {
    for (size_t j = i + 1; j < items_.size(); ++j)
      if (!is_comment(items_[j])) return items_[j].token.kind;
    return Tk::END;
  }
  const Item* previous(size_t i, int count) const {
    while (i > 0) {
      --i;
      if (!is_comment(items_[i]) && --count == 0) return &items_[i];
    }
    return nullptr;
  }
  bool after_dot(size_t i) const {
    const Item* two = previous(i, 2);
    return two && two->token.kind == Tk::DOT;
  }
  // name params? '='
  void find_setting(size_t i) {
    int depth = 0;
    for (; i < items_.size(); ++i) {
      Tk k = items_[i].token.kind;
      if (is_open(k)) ++depth;
      if (is_close(k)) --depth;
      if (k == Tk::ASSIGN && depth == 0) {
        items_[i].setting = true;
        return;
      }
    }
  }

  // `}` and a newline and `else` become `} else`.
  bool starts_line(size_t i) const {
    if (!items_[i].own_line) return false;
    return !(items_[i].token.kind == Tk::ELSE && i > 0 && !is_comment(items_[i - 1]));
  }

  struct Open {
    size_t indent;  // levels of the line it stands on
    bool statements;  // a block
    bool round;       // ( or [
  };

  void begin_line(size_t i) {
    const Item& item = items_[i];
    size_t next = i;  // what a comment stands above
    while (next < items_.size() && is_comment(items_[next])) ++next;
    bool closes = is_close(item.token.kind);
    size_t levels = 0;
    if (closes && !open_.empty()) {
      levels = open_.back().indent;
    } else {
      if (!open_.empty()) levels = open_.back().indent + 1;
      bool in_statements = open_.empty() || open_.back().statements;
      bool goes_on = in_statements && next < items_.size() && !items_[next].begins &&
                     !is_close(items_[next].token.kind) && items_[next].token.kind != Tk::ELSE;
      if (goes_on) ++levels;
    }
    Line line;
    line.code.assign(levels * kIndent, ' ');
    bool after_open = i > 0 && is_open(last_code_kind(i));
    line.blank_before = item.blank_line && !closes && !(after_open && !is_comment(items_[i - 1])) &&
                        !lines_.empty();
    lines_.push_back(std::move(line));
    levels_ = levels;
    fresh_ = true;
  }
  Tk last_code_kind(size_t i) const {
    const Item* p = previous(i, 1);
    return p ? p->token.kind : Tk::NL;
  }

  void write(size_t i) {
    const Item& item = items_[i];
    Line& line = lines_.back();
    std::string word = spelled(item.token);
    if (is_comment(item)) {
      if (fresh_) line.code += word;
      else line.comment = word;
      fresh_ = false;
      return;
    }
    if (!fresh_ && blank_between(items_[i - 1], item, i)) line.code += ' ';
    if (item.setting && line.equals == std::string::npos) line.equals = line.code.size();
    line.code += word;
    fresh_ = false;
  }
  std::string spelled(const Token& t) const {
    std::string word(text_.substr(t.begin, t.end - t.begin));
    if (t.kind == Tk::COMMENT)
      while (!word.empty() && (word.back() == ' ' || word.back() == '\t')) word.pop_back();
    if (t.kind == Tk::TEXT) {
      size_t to = 0;
      for (size_t from = 0; from < word.size(); ++from) {
        if (word[from] == '\r' && from + 1 < word.size() && word[from + 1] == '\n') continue;
        word[to++] = word[from] == '\r' ? '\n' : word[from];
      }
      word.resize(to);
    }
    return word;
  }

  void track(size_t i) {
    Tk k = items_[i].token.kind;
    if (is_open(k)) open_.push_back({levels_, items_[i].block, k != Tk::LBRACE});
    if (is_close(k) && !open_.empty()) open_.pop_back();
  }

  bool blank_between(const Item& a, const Item& b, size_t at) const {
    Tk x = a.token.kind, y = b.token.kind;
    if (x == Tk::LPAREN || x == Tk::LBRACKET || y == Tk::RPAREN || y == Tk::RBRACKET) return false;
    if (y == Tk::COMMA || y == Tk::COLON || x == Tk::DOT || y == Tk::DOT) return false;
    if (x == Tk::LBRACE && y == Tk::RBRACE) return false;
    if (x == Tk::LBRACE) return a.block;
    if (y == Tk::RBRACE) return b.block;
    if (x == Tk::MINUS && a.prefix) {
      // At the beginning of a line a blank behind it says that the line above goes on (rule 5).
      bool round = !open_.empty() && open_.back().round;
      return a.own_line && !a.begins && !round;
    }
    if (x == Tk::COMMA || x == Tk::COLON) return true;
    if (y == Tk::RANGE) return !(ends_value(a) || is_open(x));
    if (x == Tk::RANGE) return false;
    if (y == Tk::ELLIPSIS) return !ends_value(a);
    if (y == Tk::LPAREN || y == Tk::LBRACKET) {
      if (x == Tk::FN) return false;
      if (is_name(x) && x != Tk::NAME && is_keyword_here(at - 1)) return true;
      return !ends_value(a);
    }
    return true;
  }
  // A soft word that stands behind a value or a name is a keyword: `train net on (a, b)`.
  bool is_keyword_here(size_t i) const {
    if (items_[i].begins || is_reducer(items_[i].token.kind)) return false;
    const Item* before = previous(i, 1);
    return before && ends_value(*before);
  }

  // The entries of a train block have their = below each other.
  void align_settings() {
    each_run([](const Line& l) { return l.equals != std::string::npos; },
             [&](size_t from, size_t to) {
               size_t widest = 0;
               for (size_t i = from; i < to; ++i) widest = std::max(widest, lines_[i].equals);
               for (size_t i = from; i < to; ++i)
                 lines_[i].code.insert(lines_[i].equals, widest - lines_[i].equals, ' ');
             });
  }
  // So have comments behind the code of neighbouring lines.
  void align_comments() {
    each_run([](const Line& l) { return !l.comment.empty(); },
             [&](size_t from, size_t to) {
               size_t widest = 0;
               for (size_t i = from; i < to; ++i) {
                 size_t width = last_width(lines_[i].code);
                 if (width + 2 + characters(lines_[i].comment) <= kColumns)
                   widest = std::max(widest, width);
               }
               for (size_t i = from; i < to; ++i) {
                 size_t width = last_width(lines_[i].code);
                 size_t fill = widest > width ? widest - width : 0;
                 if (width + fill + 2 + characters(lines_[i].comment) > kColumns) fill = 0;
                 lines_[i].code.append(fill + 2, ' ');
                 lines_[i].code += lines_[i].comment;
               }
             });
  }
  template <class Belongs, class Use>
  void each_run(Belongs belongs, Use use) {
    for (size_t from = 0; from < lines_.size();) {
      size_t to = from;
      while (to < lines_.size() && belongs(lines_[to]) && (to == from || !lines_[to].blank_before))
        ++to;
      if (to > from) use(from, to);
      from = std::max(to, from + 1);
    }
  }
  static size_t characters(std::string_view s) {
    return static_cast<size_t>(std::count_if(
        s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }
  static size_t last_width(std::string_view code) {
    size_t newline = code.rfind('\n');  // inside a """ string
    return characters(newline == code.npos ? code : code.substr(newline + 1));
  }

  std::string assemble() const {
    std::string out;
    for (const Line& line : lines_) {
      if (line.blank_before) out += '\n';
      out += line.code;
      out += '\n';
    }
    return out;
  }

  std::string_view text_;
  std::vector<Item> items_;
  std::vector<Line> lines_;
  std::vector<Open> open_;
  size_t levels_ = 0;
  bool fresh_ = true;
};

}  // namespace

FormatResult format_source(SourceMap& sources, FileId file) {
  FormatResult result;
  std::string_view text = sources.text(file);
  result.text = text;
  ParseResult before = parse(sources, file, {.allow_tabs = true});
  if (!before.module) {
    result.errors = std::move(before.errors);
    return result;
  }
  uint32_t size = static_cast<uint32_t>(text.size());
  std::vector<Token> raw = lex(text, 0, size);
  FilteredTokens filtered = filter_tokens(sources, file, raw, size, {.allow_tabs = true});
  std::string formatted = Formatter(text, raw, filtered).run();
  SourceMap scratch;
  ParseResult after = parse(scratch, scratch.add("formatted", formatted));
  if (after.module && print_ast(*after.module) == print_ast(*before.module)) {
    result.text = std::move(formatted);
  } else {
    result.gave_up = true;
  }
  return result;
}

}  // namespace tenon
