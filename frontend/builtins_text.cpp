// Primitives that take text apart: lines, words, bytes and string, and the number that a text says, which
// int(..), float(..) and the dtypes make of one (rule 16: a text is known when compiling).
#include <algorithm>
#include <charconv>

#include "frontend/builtins.h"

namespace tenon::elab {

Val number_in(Elab& e, const StringVal& s, DType to, Loc loc) {
  const auto known = s.known();
  if (!known)
    e.error(Code::E0401, loc, "a number is read from a text that is known when compiling, and this one is put together when the program runs",
            "convert what stands in its braces");
  std::string_view text = *known;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  auto refuse = [&](const std::string& what, const std::string& hint) {
    e.error(Code::E0401, loc, "the text \"" + *known + "\" is not " + what, hint);
  };
  if (to == DType::boolean) {
    if (text != "true" && text != "false") refuse("a bool", "bools are written true and false");
    return e.boolean(text == "true");
  }
  std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  if (digits.starts_with('-') && text.starts_with('+')) digits = {};  // "+-1", which from_chars would take
  const char* end = digits.data() + digits.size();
  if (is_float(to)) {
    double value = 0;
    const auto read = std::from_chars(digits.data(), end, value);
    if (read.ptr != end || read.ec == std::errc::invalid_argument) refuse("a number", "as in 12, -0.5, 1e-3, inf or nan");
    if (read.ec == std::errc::result_out_of_range) refuse("a number that a double holds", "the largest is 1.8e308, the smallest 4.9e-324");
    return e.real(value);
  }
  int64_t value = 0;
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ec == std::errc::result_out_of_range) refuse("an int of 64 bits", "they reach to 9223372036854775807");
  if (read.ptr != end || read.ec != std::errc{}) refuse("a whole number", "float(..) reads numbers with a point");
  return e.integer(value);
}

namespace {

// ---- parts of a text that is known: lines("a\nb"), words("a  b") are lists of strings

Val split(Elab& e, const Args& args, const std::string& fn, const char* between, bool blank_too) {
  Taken a(e, args, fn, {"text"}, 1);
  const std::string text = e.static_string(a[0], a.loc(0), "what `" + fn + "` takes");
  std::vector<Val> parts;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(between, at), text.size());
    if (end > at || blank_too) {
      std::string part = text.substr(at, end - at);
      if (blank_too && part.ends_with('\r')) part.pop_back();
      parts.push_back(e.string(std::move(part)));
    }
    at = end + 1;
  }
  return std::make_shared<ListVal>(std::move(parts));
}
Val lines_fn(Elab& e, const Args& args) { return split(e, args, "lines", "\n", true); }
Val words_fn(Elab& e, const Args& args) { return split(e, args, "words", " \t\r\n", false); }

// ---- text as numbers: bytes("ab") is u8[2], string(u8[N]) the text that prints so

Val bytes_fn(Elab& e, const Args& args) {
  Taken a(e, args, "bytes", {"text"}, 1);
  const std::string text = e.static_string(a[0], a.loc(0), "what `bytes` takes");
  e.cx->b.at(args.loc);
  return e.tensor(e.cx->b.constant(ir::Literal{DType::u8, {static_cast<int64_t>(text.size())}, text}));
}
Val string_fn(Elab& e, const Args& args) {
  Taken a(e, args, "string", {"bytes"}, 1);
  auto* t = as<TensorVal>(a[0]);
  if (!t || t->type.dtype != DType::u8 || t->type.rank() != 1)
    e.error(Code::E0401, a.loc(0), "`string` makes text of bytes, u8[N], but this is " + e.type_text(a[0]),
            e.is_numberlike(a[0]) ? "a number stands in text as it is: \"{x}\"" : "");
  return std::make_shared<StringVal>(std::vector<TextPiece>{{"", a[0], "text"}});
}

constexpr Builtin kTable[] = {
    {"lines", "lines(text)", lines_fn},
    {"words", "words(text)", words_fn},
    {"bytes", "bytes(text)", bytes_fn},
    {"string", "string(bytes)", string_fn},
};

}  // namespace

std::span<const Builtin> text_builtins() { return kTable; }

}  // namespace tenon::elab
