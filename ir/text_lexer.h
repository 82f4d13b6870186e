// The tokens of the IR's text form: private to text_parse.cpp.
#pragma once

#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::ir {

struct Malformed {
  std::string what;
  uint32_t line;
};

struct Token {
  enum Kind { end, word, number, string, mark } kind = end;
  std::string_view text;  // of a string: what stands between the quotes
  uint32_t line = 1;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token next() {
    skip();
    Token t{Token::end, {}, line_};
    if (at_ >= text_.size()) return t;
    const size_t from = at_;
    const char c = text_[at_];
    if (letter(c)) {
      while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]) || text_[at_] == '.'))
        ++at_;
      t.kind = Token::word;
    } else if (digit(c)) {
      digits();
      if (at_ + 1 < text_.size() && text_[at_] == '.' && digit(text_[at_ + 1])) {
        ++at_;
        digits();
      }
      if (at_ < text_.size() && text_[at_] == 'e') {
        ++at_;
        if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
        digits();
      }
      t.kind = Token::number;
    } else if (c == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\n'; ++at_)
        if (text_[at_] == '\\') ++at_;
      if (at_ >= text_.size() || text_[at_] != '"') throw Malformed{"a string does not end", line_};
      t.kind = Token::string;
      t.text = text_.substr(from + 1, at_ - from - 1);
      ++at_;
      return t;
    } else {
      at_ += text_.substr(at_, 2) == "//" ? 2 : 1;
      t.kind = Token::mark;
    }
    t.text = text_.substr(from, at_ - from);
    return t;
  }

  // The hexadecimal digits right here: the payload of a NaN.
  std::string_view hex() {
    const size_t from = at_;
    while (at_ < text_.size() && std::isxdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    return text_.substr(from, at_ - from);
  }

 private:
  static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  static bool digit(char c) { return c >= '0' && c <= '9'; }
  void digits() {
    while (at_ < text_.size() && digit(text_[at_])) ++at_;
  }
  void skip() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
      } else if (c == '#') {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
};

}  // namespace tenon::ir
