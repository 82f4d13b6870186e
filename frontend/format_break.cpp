// Where a line that is too long goes on below (format_items.h). One decision a line and pass, the
// outermost first: what stands between commas, pipes, the body of a one-line function, blocks,
// operators, brackets. What was broken is looked at again until everything fits or nothing helps.
// A decision depends on the line alone and only ever breaks, so formatting twice is formatting once.
#include <algorithm>

#include "frontend/format_items.h"

namespace tenon::fmt {

namespace {

// How loosely an operator binds; 0: none that a line may begin with.
int looseness(const Item& item) {
  switch (item.token.kind) {
    case Tk::OR: return 5;
    case Tk::AND: return 4;
    case Tk::EQ: case Tk::NE: case Tk::LT: case Tk::LE: case Tk::GT: case Tk::GE: return 3;
    case Tk::PLUS: return 2;
    case Tk::MINUS: return item.prefix ? 0 : 2;
    case Tk::STAR: case Tk::SLASH: case Tk::DSLASH: case Tk::PERCENT: case Tk::AT: return 1;
    default: return 0;
  }
}

class Breaker {
 public:
  Breaker(std::string_view text, Items& items, size_t columns)
      : text_(text), items_(items), columns_(columns), at_(items.size()), width_(items.size()) {}

  void run() {
    open_blocks();
    while (pass()) {
    }
  }

 private:
  // A block over several lines has its braces at the ends of lines.
  void open_blocks() {
    for (size_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      if (!item.block || !is_open(item.token.kind) || item.partner == i) continue;
      bool several = false;
      for (size_t j = i + 1; j <= item.partner; ++j) several |= items_.starts_line(j);
      if (!several) continue;
      if (!is_comment(items_[i + 1])) items_.break_before(i + 1);
      items_.break_before(item.partner);
    }
  }

  // One look at every line; whether anything was broken.
  bool pass() {
    bool changed = false;
    Levels levels(items_);
    for (size_t first = 0; first < items_.size();) {
      const size_t level = levels.begin_line(first);
      size_t column = level * kIndent, end = first;
      for (; end < items_.size() && (end == first || !items_.starts_line(end)); ++end) {
        if (is_comment(items_[end])) continue;
        const std::string word = spelled(text_, items_[end].token);
        if (end > first && items_.blank_before(end)) ++column;
        at_[end] = column;
        const size_t newline = word.rfind('\n');  // inside a """ string
        column = newline == word.npos ? column + characters(word)
                                      : characters(std::string_view(word).substr(newline + 1));
        width_[end] = column - std::min(column, at_[end]);
      }
      for (size_t i = first; i < end; ++i) levels.pass(i);
      size_t last = end;  // behind the code
      while (last > first && is_comment(items_[last - 1])) --last;
      if (column > columns_ && last > first) changed |= break_line(first, last, level);
      first = end;
    }
    return changed;
  }

  bool break_line(size_t first, size_t last, size_t level) {
    first_ = first;
    last_ = last;
    base_ = items_[first].depth;
    for (size_t i = first; i < last; ++i) base_ = std::min(base_, items_[i].depth);
    here_ = level * kIndent;
    below_ = (items_[first].begins ? level + 1 : level) * kIndent;
    return closer() || commas() || pipes() || body() || blocks() || of_function() ||
           operators(true) || value() || unclosed() || bracket(false) || assignment() ||
           operators(false) || bracket(true);
  }

  bool at_base(size_t i) const { return items_[i].depth == base_; }
  size_t end_of(size_t i) const { return at_[i] + width_[i]; }
  // The width of the items [from, to) on a line of their own.
  size_t width(size_t from, size_t to) const { return to > from ? end_of(to - 1) - at_[from] : 0; }
  bool inside_bracket() const {
    const Item& item = items_[first_];
    if (is_close(item.token.kind) || item.depth != base_ || item.parent == Item::kNone) return false;
    return !items_[item.parent].block;
  }
  bool break_before(size_t i) {
    if (i <= first_ || i >= last_ || is_comment(items_[i]) || items_[i].own_line) return false;
    items_.break_before(i);
    return true;
  }
  // Breaks around what a pair of brackets holds.
  bool open_up(size_t open) {
    const size_t close = items_[open].partner;
    if (close == open + 1) return false;
    bool changed = break_before(open + 1);
    if (close < last_) changed |= break_before(close);
    return changed;
  }

  // ) of a bracket that began above: the rest stays inside.
  bool closer() {
    for (size_t i = first_ + 1; i < last_; ++i)
      if (is_close(items_[i].token.kind) && items_[i].partner < first_)
        if (break_before(i)) return true;
    return false;
  }

  // { } of this line, and those of a function that is an argument.
  bool blocks() {
    bool changed = false;
    for (size_t i = first_; i < last_; ++i)
      if (items_[i].block && is_open(items_[i].token.kind) && (at_base(i) || of_lambda(i))) {
        changed |= open_up(i);
        i = std::max(i, std::min(items_[i].partner, last_ - 1));
      }
    return changed;
  }
  bool of_lambda(size_t brace) const {
    if (brace == 0 || items_[brace - 1].token.kind != Tk::RPAREN) return false;
    const size_t open = items_[brace - 1].partner;
    return open > 0 && items_[open - 1].token.kind == Tk::FN;
  }

  // Inside a bracket: as many parts to a line as fit, or one where parts have parts.
  bool commas() {
    if (!inside_bracket()) return false;
    std::vector<size_t> starts;
    bool nested = false;
    for (size_t i = first_; i < last_; ++i) {
      if (items_[i].token.kind != Tk::COMMA) continue;
      if (items_[i].depth > base_) nested = true;
      else if (at_base(i) && i + 1 < last_) starts.push_back(i + 1);
    }
    return nested ? break_all(starts) : fill(starts, here_);
  }

  // The parts of a bracket that goes on below already.
  bool unclosed() {
    size_t open = Item::kNone;
    for (size_t i = first_; i < last_; ++i)
      if (is_open(items_[i].token.kind) && !items_[i].block && items_[i].partner >= last_) open = i;
    if (open == Item::kNone) return false;
    std::vector<size_t> starts;
    for (size_t i = open; i + 1 < last_; ++i)
      if (items_[i].token.kind == Tk::COMMA && items_[i].parent == open) starts.push_back(i + 1);
    return fill(starts, here_ + kIndent);
  }

  bool pipes() {
    std::vector<size_t> starts;
    for (size_t i = first_ + 1; i < last_; ++i)
      if (at_base(i) && items_[i].token.kind == Tk::PIPE) starts.push_back(i);
    return break_all(starts);
  }

  // fn f(x) = value
  bool body() {
    const Tk k = items_[first_].token.kind;
    if (!items_[first_].begins || (k != Tk::FN && k != Tk::EXPORT)) return false;
    return assignment();
  }
  // A function value on a line that goes on already: its body would stand no further in.
  bool of_function() {
    return items_[first_].token.kind == Tk::FN && !items_[first_].begins && bracket(false);
  }

  bool operators(bool only_if_all_fits) {
    int loosest = 0;
    for (size_t i = first_ + 1; i < last_; ++i)
      if (at_base(i)) loosest = std::max(loosest, looseness(items_[i]));
    if (loosest == 0) return false;
    std::vector<size_t> starts;
    for (size_t i = first_ + 1; i < last_; ++i)
      if (at_base(i) && looseness(items_[i]) == loosest) starts.push_back(i);
    if (only_if_all_fits) {
      if (here_ + width(first_, starts[0]) > columns_) return false;
      for (size_t k = 0; k < starts.size(); ++k)
        if (below_ + width(starts[k], k + 1 < starts.size() ? starts[k + 1] : last_) > columns_)
          return false;
    }
    return fill(starts, below_);
  }

  // The value of `let x = value` on a line of its own, if it fits there and is more than a call,
  // which had better be opened up.
  bool value() {
    const size_t from = after_assignment();
    if (from == Item::kNone || below_ + width(from, last_) > columns_) return false;
    const size_t open = widest(false);
    if (open != Item::kNone && items_[open].partner == last_ - 1 &&
        2 * width(open, last_) > width(from, last_))
      return false;
    return break_before(from);
  }
  bool assignment() {
    const size_t from = after_assignment();
    return from != Item::kNone && break_before(from);
  }
  size_t after_assignment() const {
    for (size_t i = first_ + 1; i + 1 < last_; ++i)
      if (at_base(i) && items_[i].token.kind == Tk::ASSIGN) return i + 1;
    return Item::kNone;
  }

  // What the widest bracket holds, on lines of its own. Indices and sizes only when nothing else
  // is left.
  bool bracket(bool indices) {
    const size_t open = widest(indices);
    return open != Item::kNone && open_up(open);
  }
  size_t widest(bool indices) const {
    size_t best = Item::kNone, best_width = 0;
    for (size_t i = first_; i < last_; ++i) {
      if (!at_base(i) || !is_open(items_[i].token.kind) || items_[i].partner <= i + 1) continue;
      const bool index = items_[i].token.kind == Tk::LBRACKET && i > first_ &&
                         (ends_value(items_[i - 1]) || items_[i].reduction);
      if (index != indices || items_[i].block) continue;
      const size_t end = std::min(items_[i].partner, last_);
      const size_t inside = width(i + 1, end);
      // A lone text that is too long is no better off inside.
      if (end == i + 2 && below_ + inside > columns_) continue;
      if (inside > best_width) best = i, best_width = inside;
    }
    return best;
  }

  bool break_all(const std::vector<size_t>& starts) {
    bool changed = false;
    for (size_t i : starts) changed |= break_before(i);
    return changed;
  }
  // Breaks before those parts that do not fit behind the one before; the lines after the first
  // begin at column `from`.
  bool fill(const std::vector<size_t>& starts, size_t from) {
    bool changed = false;
    size_t line = first_, column = here_;
    for (size_t k = 0; k < starts.size(); ++k) {
      const size_t end = k + 1 < starts.size() ? starts[k + 1] : last_;
      if (column + width(line, end) <= columns_) continue;
      if (starts[k] == line) continue;
      changed |= break_before(starts[k]);
      line = starts[k];
      column = from;
    }
    return changed;
  }

  std::string_view text_;
  Items& items_;
  size_t columns_;
  std::vector<size_t> at_, width_;  // columns of each item in its line
  size_t first_ = 0, last_ = 0;     // the line at hand
  size_t here_ = 0, below_ = 0;     // where it begins, and where a line below it would
  int base_ = 0;                    // the least depth in it
};

}  // namespace

void break_long_lines(std::string_view text, Items& items, size_t columns) {
  Breaker(text, items, columns).run();
}

}  // namespace tenon::fmt
