// Reading a program for the formatter (format_items.h).
#include "frontend/format_items.h"

#include <algorithm>

namespace tenon::fmt {

bool ends_value(const Item& item) {
  Tk k = item.token.kind;
  return is_name(k) || k == Tk::INT || k == Tk::FLOAT || k == Tk::STRING || k == Tk::TEXT ||
         k == Tk::TRUE || k == Tk::FALSE || k == Tk::UNDER || k == Tk::ELLIPSIS || k == Tk::RPAREN ||
         k == Tk::RBRACE || (k == Tk::RBRACKET && !item.reduction);
}

Items::Items(const std::vector<Token>& raw, const FilteredTokens& filtered) {
  collect(raw);
  find_statements(filtered);
  match();
}

void Items::collect(const std::vector<Token>& raw) {
  int newlines = 1;
  for (const Token& t : raw) {
    if (t.kind == Tk::NL) {
      ++newlines;
      continue;
    }
    Item item;
    item.token = t;
    item.own_line = newlines > 0;
    item.blank_line = newlines > 1 && !list_.empty();
    item.partner = list_.size();
    list_.push_back(item);
    newlines = 0;
  }
}

void Items::find_statements(const FilteredTokens& filtered) {
  size_t at = 0;
  for (Item& item : list_) {
    if (is_comment(item)) continue;
    bool newline = at == 0;
    while (at < filtered.tokens.size() && filtered.tokens[at].kind == Tk::NL) newline = true, ++at;
    item.begins = newline;
    ++at;
  }
}

// Which braces are blocks (rule 5), which brackets belong to reductions, which minuses are signs.
void Items::match() {
  std::vector<size_t> open;
  std::vector<bool> train_blocks;  // per open brace: the entries of train
  const Item* last = nullptr;
  auto place = [&](size_t i, const std::vector<size_t>& around) {
    Item& item = list_[i];
    item.depth = static_cast<int>(around.size());
    item.parent = around.empty() ? Item::kNone : around.back();
    item.in_round = !around.empty() && list_[around.back()].token.kind != Tk::LBRACE;
  };
  bool train = false;  // between `train` and its brace
  for (size_t i = 0; i < list_.size(); ++i) {
    Item& item = list_[i];
    place(i, open);
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
      item.block = list_[open.back()].block;
      item.reduction = list_[open.back()].reduction;
      item.partner = open.back();
      list_[open.back()].partner = i;
      open.pop_back();
      place(i, open);
      train_blocks.pop_back();
    }
    if (k == Tk::MINUS) item.prefix = !after_value;
    last = &item;
  }
}

Tk Items::next_kind(size_t i) const {
  for (size_t j = i + 1; j < list_.size(); ++j)
    if (!is_comment(list_[j])) return list_[j].token.kind;
  return Tk::END;
}

const Item* Items::previous(size_t i, int count) const {
  while (i > 0) {
    --i;
    if (!is_comment(list_[i]) && --count == 0) return &list_[i];
  }
  return nullptr;
}

bool Items::after_dot(size_t i) const {
  const Item* two = previous(i, 2);
  return two && two->token.kind == Tk::DOT;
}

// name params? '=': an entry with a block has none
void Items::find_setting(size_t i) {
  int depth = 0;
  for (; i < list_.size(); ++i) {
    Tk k = list_[i].token.kind;
    if (k == Tk::LBRACE && depth == 0) return;
    if (is_open(k)) ++depth;
    if (is_close(k)) --depth;
    if (k == Tk::ASSIGN && depth == 0) {
      list_[i].setting = true;
      return;
    }
  }
}

bool Items::starts_line(size_t i) const {
  if (!list_[i].own_line) return false;
  return !(list_[i].token.kind == Tk::ELSE && i > 0 && !is_comment(list_[i - 1]));
}

bool Items::blank_before(size_t at) const {
  const Item &a = list_[at - 1], &b = list_[at];
  Tk x = a.token.kind, y = b.token.kind;
  if (x == Tk::LPAREN || x == Tk::LBRACKET || y == Tk::RPAREN || y == Tk::RBRACKET) return false;
  if (x == Tk::INT && y == Tk::DOT) return true;  // `1.` begins a number that nobody ends
  if (y == Tk::COMMA || y == Tk::COLON || x == Tk::DOT || y == Tk::DOT) return false;
  if (x == Tk::LBRACE && y == Tk::RBRACE) return false;
  if (x == Tk::LBRACE) return a.block;
  if (y == Tk::RBRACE) return b.block;
  if (x == Tk::MINUS && a.prefix) {
    // At the beginning of a line a blank behind it says that the line above goes on (rule 5).
    return a.own_line && !a.begins && !a.in_round;
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
bool Items::is_keyword_here(size_t i) const {
  if (list_[i].begins || is_reducer(list_[i].token.kind)) return false;
  const Item* before = previous(i, 1);
  return before && ends_value(*before);
}

// ---------------------------------------------------------------- lines

size_t Levels::begin_line(size_t i) {
  const Item& item = items_[i];
  size_t next = i;  // what a comment stands above
  while (next < items_.size() && is_comment(items_[next])) ++next;
  level_ = 0;
  if (is_close(item.token.kind) && !open_.empty()) {
    level_ = open_.back();
  } else {
    if (!open_.empty()) level_ = open_.back() + 1;
    const bool in_statements = open_.empty() || statements_.back();
    const bool goes_on = in_statements && next < items_.size() && !items_[next].begins &&
                         !is_close(items_[next].token.kind) &&
                         items_[next].token.kind != Tk::ELSE;
    if (goes_on) ++level_;
  }
  return level_;
}

void Levels::pass(size_t i) {
  const Tk k = items_[i].token.kind;
  if (is_open(k)) {
    open_.push_back(level_);
    statements_.push_back(items_[i].block);
  }
  if (is_close(k) && !open_.empty()) {
    open_.pop_back();
    statements_.pop_back();
  }
}

std::string spelled(std::string_view text, const Token& t) {
  std::string word(text.substr(t.begin, t.end - t.begin));
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

size_t characters(std::string_view s) {
  return static_cast<size_t>(std::count_if(
      s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace tenon::fmt
