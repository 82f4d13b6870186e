// Strings taken apart; see parse_string.h.
#include "frontend/parse_string.h"

#include <optional>

namespace tenon {
namespace {

constexpr std::string_view kEscapeHint = R"(the escapes are \n \t \" \\ and \u{41})";

Diagnostic string_error(Loc where, std::string message, std::string hint) {
  return {Code::E0103, where, std::move(message), {}, std::move(hint)};
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

void append_utf8(std::string& out, uint32_t code) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12), tail(6), tail(0);
  }
}

// Where a hole that opens at `open` ends and where its format begins, told without knowing tokens:
// a stack of braces and strings, so that "{f("}")}" is one hole.
struct Hole {
  size_t close = std::string_view::npos;  // the byte of its }
  size_t colon = std::string_view::npos;  // the byte of the : before the format
};
Hole find_hole(std::string_view s, size_t open, size_t end) {
  Hole hole;
  std::string stack = "{";
  int round = 0;  // open ( and [ of the outermost level
  for (size_t i = open + 1; i < end; ++i) {
    char c = s[i];
    if (stack.back() == '"') {
      bool doubled = i + 1 < end && s[i + 1] == c;
      if (c == '\\' || ((c == '{' || c == '}') && doubled)) {
        ++i;
      } else if (c == '{') {
        stack += '{';
      } else if (c == '"') {
        stack.pop_back();
      }
      continue;
    }
    if (stack.size() == 1) {
      if (c == '(' || c == '[') ++round;
      if (c == ')' || c == ']') --round;
      if (c == ':' && round == 0 && hole.colon == std::string_view::npos) hole.colon = i;
    }
    if (c == '"' || c == '{') stack += c;
    if (c == '}') stack.pop_back();
    if (stack.empty()) {
      hole.close = i;
      break;
    }
  }
  return hole;
}

// Python's format mini-language, as far as rule 16 takes it over:
// [[fill]align][sign][0][width][.precision][type]
bool is_format(std::string_view f) {
  auto any_of = [](char c, std::string_view set) { return set.find(c) != set.npos; };
  size_t i = 0;
  size_t fill = 0;  // bytes of the first character, which may be any
  if (!f.empty()) {
    fill = 1;
    while (fill < f.size() && (static_cast<unsigned char>(f[fill]) & 0xC0) == 0x80) ++fill;
  }
  if (fill > 0 && fill < f.size() && any_of(f[fill], "<>^=")) {
    i = fill + 1;
  } else if (i < f.size() && any_of(f[i], "<>^=")) {
    ++i;
  }
  if (i < f.size() && any_of(f[i], "+- ")) ++i;
  auto digits = [&] {
    size_t from = i;
    while (i < f.size() && f[i] >= '0' && f[i] <= '9') ++i;
    return i - from;
  };
  if (digits() > 4) return false;
  if (i < f.size() && f[i] == '.') {
    ++i;
    size_t n = digits();
    if (n == 0 || n > 4) return false;
  }
  if (i < f.size() && any_of(f[i], "defgs%")) ++i;
  return i == f.size();
}

}  // namespace

std::vector<StringPart> split_string(const SourceMap& sources, Loc string,
                                     std::vector<Diagnostic>& errors) {
  std::string_view s = sources.text(string.file);
  std::vector<StringPart> parts;
  std::string text;
  auto flush = [&] {
    if (text.empty()) return;
    StringPart part;
    part.text = std::move(text);
    parts.push_back(std::move(part));
    text.clear();
  };
  size_t end = string.end - 1;
  for (size_t i = string.begin + 1; i < end; ++i) {
    char c = s[i];
    if (c == '\\') {
      size_t from = i++;
      switch (s[i]) {
        case 'n': text += '\n'; break;
        case 't': text += '\t'; break;
        case 'u': {
          uint32_t code = 0;
          for (i += 2; i < end && s[i] != '}'; ++i) {
            char h = s[i];
            uint32_t digit = h <= '9' ? h - '0' : (h | 32) - 'a' + 10;
            if (code < 0x110000) code = code * 16 + digit;
          }
          if (code >= 0x110000 || (code >= 0xD800 && code < 0xE000)) {
            Loc where{string.file, static_cast<uint32_t>(from), static_cast<uint32_t>(i + 1)};
            errors.push_back(string_error(where, "this is not the number of a character",
                                          R"(\u{...} holds a Unicode number up to 10FFFF)"));
          } else {
            append_utf8(text, code);
          }
          break;
        }
        default: text += s[i];
      }
    } else if (c == '{' && s[i + 1] != '{') {
      flush();
      Hole hole = find_hole(s, i, end);
      if (hole.close == std::string_view::npos) break;  // the lexer has let no such string pass
      StringPart part;
      part.hole = true;
      part.begin = static_cast<uint32_t>(i + 1);
      part.end = static_cast<uint32_t>(hole.close);
      if (hole.colon != std::string_view::npos) {
        part.end = static_cast<uint32_t>(hole.colon);
        part.format = s.substr(hole.colon + 1, hole.close - hole.colon - 1);
        if (!is_format(part.format)) {
          Loc where{string.file, static_cast<uint32_t>(hole.colon + 1),
                    static_cast<uint32_t>(hole.close)};
          errors.push_back(string_error(
              where, "`" + part.format + "` is not a format",
              "a format is written as in Python, with d e f g s or %: {x:.3f} {n:>8d} {p:.1%}"));
        }
      }
      parts.push_back(std::move(part));
      i = hole.close;
    } else {
      text += c;
      if (c == '{' || c == '}') ++i;  // doubled
    }
  }
  flush();
  return parts;
}

std::string plain_text(std::string_view literal) {
  std::string out;
  out.reserve(literal.size());
  for (size_t i = 3; i + 3 < literal.size(); ++i) {
    if (literal[i] == '\r') {
      out += '\n';
      if (literal[i + 1] == '\n') ++i;
    } else {
      out += literal[i];
    }
  }
  return out;
}

Diagnostic bad_string_message(const SourceMap& sources, Loc string, bool& unclosed) {
  std::string_view s = sources.text(string.file);
  size_t line_end = s.find_first_of("\r\n", string.begin);
  if (line_end == std::string_view::npos) line_end = s.size();
  auto at = [&](size_t begin, size_t length) {
    return Loc{string.file, static_cast<uint32_t>(begin), static_cast<uint32_t>(begin + length)};
  };
  unclosed = string.end - string.begin < 2 || s[string.end - 1] != '"';
  std::optional<Diagnostic> inside;  // what is wrong before the closing quote
  for (size_t i = string.begin + 1; i < string.end && !inside; ++i) {
    char c = s[i], next = i + 1 < line_end ? s[i + 1] : '\0';
    if (c == '"') break;
    if (c == '\\') {
      if (i + 1 >= line_end) break;
      if (next == 'u') {
        size_t j = i + 3;
        while (j < line_end && is_hex(s[j])) ++j;
        if (s[i + 2] != '{' || j == i + 3 || j >= line_end || s[j] != '}')
          inside = string_error(at(i, 2), R"(expected a character's number after \u)",
                                R"(it is written in hexadecimal: \u{41}, \u{3b1})");
        else
          i = j;
        continue;
      }
      if (std::string_view("nt\"\\").find(next) == std::string_view::npos)
        inside = string_error(at(i, 2), std::string("`\\") + next + "` is no escape",
                              next == '{' || next == '}'
                                  ? std::string("write ") + next + next + " for the brace itself"
                                  : std::string(kEscapeHint));
      ++i;
    } else if ((c == '{' || c == '}') && next == c) {
      ++i;
    } else if (c == '}') {
      inside = string_error(at(i, 1), "this `}` closes no hole of the string",
                            "write }} for the brace itself");
    } else if (c == '{') {
      size_t first = s.find_first_not_of(" \t", i + 1);
      if (first < line_end && s[first] == '}') {
        inside = string_error(at(i, first + 1 - i), "the hole {} of this string is empty",
                              "put the value between the braces: {x}, {x:.3f}; "
                              "or write {{}} for the braces themselves");
      } else if (first < line_end && s[first] == '"' && first + 1 < line_end &&
                 find_hole(s, i, line_end).close != std::string_view::npos) {
        inside = string_error(at(i, 1), "a hole of a string cannot begin with a quote",
                              "put the inner string in parentheses, {(\"..\")}; "
                              "or write {{ for the brace itself");
      } else {
        Hole hole = find_hole(s, i, line_end);
        if (hole.close == std::string_view::npos || hole.close >= string.end) {
          inside = string_error(at(i, 1), "this `{` opens a hole of the string that is not closed",
                                "write {{ for the brace itself");
        } else {
          i = hole.close;
        }
      }
    }
  }
  if (inside && !unclosed) return *inside;
  if (unclosed)
    return string_error(at(string.begin, 1), "this string is not closed on its line",
                        "add the closing quote; a string of many lines stands between \"\"\"");
  return string_error(string, "this string is malformed", std::string(kEscapeHint));
}

}  // namespace tenon
