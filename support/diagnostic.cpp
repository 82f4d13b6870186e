// Rendering of diagnostics; see diagnostic.h.
#include "support/diagnostic.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tenon {
namespace {

struct CodeRow {
  std::string_view id, title, story;
};

constexpr CodeRow kRows[] = {
#define CODE(id, title, story) {#id, title, story},
#include "support/codes.def"
#undef CODE
};

struct Style {
  const char *red = "", *yellow = "", *blue = "", *bold = "", *off = "";
};

uint32_t width_of(std::string_view text) {
  uint32_t n = 0;
  for (char c : text)
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++n;
  return n;
}

// The place line, the source line and the carets under it.
void show_place(std::string& out, Loc where, const SourceMap& sources, const Style& style,
                std::string_view caret_note, char caret) {
  LineColumn at = sources.line_column(where.file, where.begin);
  std::string number = std::to_string(at.line);
  std::string pad(number.size(), ' ');
  out += pad + style.blue + "--> " + style.off + std::string(sources.name(where.file)) + ":" +
         number + ":" + std::to_string(at.column) + "\n";
  std::string line(sources.line(where.file, at.line));
  std::string lead;  // keeps tabs, so that the caret stands below its column
  uint32_t column = 1;
  for (size_t i = 0; i < line.size() && column < at.column; ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xC0) == 0x80) continue;
    lead += line[i] == '\t' ? '\t' : ' ';
    ++column;
  }
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 32 && c != '\t') c = '?';
  if (line.size() > 400) line.resize(400);
  uint32_t rest = width_of(line) + 1 > at.column ? width_of(line) + 1 - at.column : 0;
  uint32_t length = std::max<uint32_t>(
      1, std::min<uint32_t>(rest, width_of(sources.text(where))));
  out += pad + style.blue + " |\n" + number + " | " + style.off + line + "\n" + pad + style.blue +
         " | " + style.off;
  if (lead.size() < 400) {
    out += lead + style.red + std::string(length, caret) + style.off;
    if (!caret_note.empty()) out += " " + std::string(caret_note);
  }
  out += "\n";
}

}  // namespace

std::string_view code_name(Code code) { return kRows[static_cast<int>(code)].id; }
std::string_view code_title(Code code) { return kRows[static_cast<int>(code)].title; }
std::string_view code_story(Code code) { return kRows[static_cast<int>(code)].story; }

int exit_code(const Diagnostic& d) {
  if (d.warning) return 0;
  return d.fault == Fault::program ? 2 : 1;
}

std::string render(const Diagnostic& d, const SourceMap& sources, bool colour) {
  Style style;
  if (colour) style = {"\033[31m", "\033[33m", "\033[34m", "\033[1m", "\033[0m"};
  std::string out = d.warning ? std::string(style.yellow) + "note" : std::string(style.red) + "error";
  out += "[" + std::string(code_name(d.code)) + "]" + style.off + ": " + style.bold + d.message +
         style.off + "\n";
  if (d.where.known()) show_place(out, d.where, sources, style, "", '^');
  for (const Note& note : d.notes) {
    if (note.where.known()) {
      show_place(out, note.where, sources, style, note.text, '-');
    } else {
      out += std::string("  = note: ") + note.text + "\n";
    }
  }
  if (!d.hint.empty()) out += std::string("  = ") + style.bold + "hint" + style.off + ": " + d.hint + "\n";
  return out;
}

void blame(Diagnostic& d, const SourceMap& sources) {
  constexpr size_t kMost = 6;  // calls shown; of a recursion, the innermost ones and the first
  std::vector<Loc> calls;
  std::vector<size_t> times;
  for (const Loc& call : d.calls) {
    if (!call.known() || sources.library(call.file)) continue;
    auto at = std::find(calls.begin(), calls.end(), call);
    if (at == calls.end()) {
      calls.push_back(call);
      times.push_back(1);
    } else {
      ++times[static_cast<size_t>(at - calls.begin())];
    }
  }
  d.calls.clear();
  if (d.where.known() && sources.library(d.where.file) && !calls.empty()) {
    d.notes.insert(d.notes.begin(), {d.where, "it shows here, in the library"});
    d.where = calls[0];
    calls.erase(calls.begin());
    times.erase(times.begin());
  }
  auto around = [&](const Loc& call) {  // a call that holds the place is seen with it
    return call.file == d.where.file && call.begin <= d.where.begin && d.where.end <= call.end;
  };
  size_t left_out = calls.size() > kMost ? calls.size() - kMost : 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (left_out && i == kMost - 1) {
      d.notes.push_back({{}, "and through " + std::to_string(left_out) + " calls more"});
      i += left_out;
    }
    if (around(calls[i])) continue;
    d.notes.push_back({calls[i], "in this call" + (times[i] > 1 ? ", " + std::to_string(times[i]) + " times over" : "")});
  }
}

void fail(Code code, Loc where, std::string message, std::string hint, std::vector<Note> notes,
          Fault fault) {
  throw UserError({code, where, std::move(message), std::move(notes), std::move(hint), fault});
}

extern void (*before_bug_ends)();
void (*before_bug_ends)() = nullptr;  // for fuzzers (tests/fuzz), which keep the input that led here

void bug(std::string_view what, const char* file, int line) {
  std::fprintf(stderr,
               "tenon: internal error: %.*s (%s:%d)\n"
               "This is a mistake in Tenon, not in your program. Please report it together with "
               "the program that shows it.\n",
               static_cast<int>(what.size()), what.data(), file, line);
  std::fflush(stderr);
  if (before_bug_ends) before_bug_ends();
  std::_Exit(70);
}

// Changes of a letter (put in, left out, another one, two neighbours exchanged) that make b of a:
// optimal string alignment, three rows of its table at a time.
static size_t letters_changed(std::string_view a, std::string_view b) {
  std::vector<size_t> above(b.size() + 1), row(b.size() + 1), two_above;
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    two_above = std::exchange(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_above[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::vector<std::string> near_misses(std::string_view name,
                                     const std::vector<std::string>& candidates) {
  std::vector<std::pair<size_t, std::string>> found;
  for (const std::string& c : candidates) {
    if (c.empty()) continue;
    // One change in a name of up to five letters, one more for each three letters beyond. Nobody
    // misspells the first letter: where that differs, one change is all there may be (`weight` is
    // not a slip of `eigh`). The shorter of the two counts, or everything is near to a long name.
    const size_t length = std::min(name.size(), c.size());
    size_t limit = length < 6 ? 1 : length / 3;
    if (name[0] != c[0]) limit = 1;
    const size_t d = letters_changed(name, c);
    if (d <= limit && d < c.size()) found.emplace_back(d, c);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  for (auto& [d, c] : found)
    if (out.size() < 3 && std::find(out.begin(), out.end(), c) == out.end()) out.push_back(c);
  return out;
}

}  // namespace tenon
