// The tokens of a program as the formatter sees them: which braces are blocks, which minuses are
// signs, where statements begin. Inside of format.cpp (which writes lines) and format_break.cpp
// (which decides where a long line goes on below).
#pragma once

#include <string_view>
#include <vector>

#include "frontend/parse_tokens.h"

namespace tenon::fmt {

inline constexpr size_t kIndent = 2;

struct Item {
  Token token;
  bool own_line = false;    // first on its line
  bool blank_line = false;  // one or more blank lines stood before it
  bool begins = false;      // begins a statement
  bool block = false;       // a { or } of a block, not of a record
  bool reduction = false;   // the ] of sum[k]
  bool prefix = false;      // a minus before its operand
  bool setting = false;     // the = of an entry of train
  bool in_round = false;    // the innermost bracket around it is ( or [
  int depth = 0;            // how many brackets are open around it; of a bracket: around the pair
  size_t partner = 0;       // of a bracket: its other half, itself when there is none
  size_t parent = kNone;    // the open bracket around it

  static constexpr size_t kNone = ~size_t{0};
};

inline bool is_comment(const Item& item) { return item.token.kind == Tk::COMMENT; }
inline bool is_open(Tk k) { return k == Tk::LPAREN || k == Tk::LBRACKET || k == Tk::LBRACE; }
inline bool is_close(Tk k) { return k == Tk::RPAREN || k == Tk::RBRACKET || k == Tk::RBRACE; }
bool ends_value(const Item& item);  // can an expression end with this token?

class Items {
 public:
  Items(const std::vector<Token>& raw, const FilteredTokens& filtered);

  size_t size() const { return list_.size(); }
  const Item& operator[](size_t i) const { return list_[i]; }
  void break_before(size_t i) { list_[i].own_line = true; }

  // `}` and a newline and `else` become `} else`.
  bool starts_line(size_t i) const;
  // Is there a blank between item i and the one before it, on one line?
  bool blank_before(size_t i) const;
  // The one `count` places before i, comments apart; null if there is none.
  const Item* previous(size_t i, int count) const;

 private:
  void collect(const std::vector<Token>& raw);
  void find_statements(const FilteredTokens& filtered);
  void match();
  Tk next_kind(size_t i) const;
  bool after_dot(size_t i) const;
  void find_setting(size_t i);
  bool is_keyword_here(size_t i) const;

  std::vector<Item> list_;
};

// How far in each line begins, in levels: fed with the items in their order.
class Levels {
 public:
  explicit Levels(const Items& items) : items_(items) {}
  size_t begin_line(size_t i);  // item i begins a line
  void pass(size_t i);          // every item, behind its begin_line

 private:
  const Items& items_;
  std::vector<size_t> open_;  // per open bracket: the level of the line that it stands on
  std::vector<bool> statements_;
  size_t level_ = 0;
};

// What an item is written as.
std::string spelled(std::string_view text, const Token& token);
size_t characters(std::string_view s);

// Breaks lines of more than `columns` characters, by setting where lines begin.
void break_long_lines(std::string_view text, Items& items, size_t columns);

}  // namespace tenon::fmt
