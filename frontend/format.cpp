// The formatter; see format.h. Works on tokens, not on the tree, so that it cannot lose anything:
// every token and comment is written again, in order; only the blanks between them are decided here,
// and in format_break.cpp where a line that is too long goes on.
#include "frontend/format.h"

#include <algorithm>

#include "frontend/ast_print.h"
#include "frontend/format_items.h"
#include "frontend/parse.h"

namespace tenon {
namespace {

using namespace fmt;

// One line of the result, kept in parts until comments and settings are aligned.
struct Line {
  std::string code;
  std::string comment;
  size_t equals = std::string::npos;  // where the = of an entry of train stands
  bool blank_before = false;
};

class Formatter {
 public:
  Formatter(std::string_view text, const Items& items, size_t columns)
      : text_(text), items_(items), levels_(items), columns_(columns) {}

  std::string run() {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (i == 0 || items_.starts_line(i)) begin_line(i);
      write(i);
      levels_.pass(i);
    }
    align_settings();
    align_comments();
    return assemble();
  }

 private:
  void begin_line(size_t i) {
    const Item& item = items_[i];
    const Item* before = items_.previous(i, 1);
    const bool after_open = before && is_open(before->token.kind) && !is_comment(items_[i - 1]);
    Line line;
    line.code.assign(levels_.begin_line(i) * kIndent, ' ');
    line.blank_before =
        item.blank_line && !is_close(item.token.kind) && !after_open && !lines_.empty();
    lines_.push_back(std::move(line));
    fresh_ = true;
  }

  void write(size_t i) {
    const Item& item = items_[i];
    Line& line = lines_.back();
    std::string word = spelled(text_, item.token);
    if (is_comment(item)) {
      if (fresh_) line.code += word;
      else line.comment = word;
      fresh_ = false;
      return;
    }
    if (!fresh_ && items_.blank_before(i)) line.code += ' ';
    if (item.setting && line.equals == std::string::npos) line.equals = line.code.size();
    line.code += word;
    fresh_ = false;
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
                 if (width + 2 + characters(lines_[i].comment) <= columns_)
                   widest = std::max(widest, width);
               }
               for (size_t i = from; i < to; ++i) {
                 size_t width = last_width(lines_[i].code);
                 size_t fill = widest > width ? widest - width : 0;
                 if (width + fill + 2 + characters(lines_[i].comment) > columns_) fill = 0;
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
  const Items& items_;
  Levels levels_;
  size_t columns_;
  std::vector<Line> lines_;
  bool fresh_ = true;
};

}  // namespace

FormatResult format_source(SourceMap& sources, FileId file, FormatOptions options) {
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
  Items items(raw, filter_tokens(sources, file, raw, size, {.allow_tabs = true}));
  break_long_lines(text, items, options.columns);
  std::string formatted = Formatter(text, items, options.columns).run();
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
