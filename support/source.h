// Source texts and places in them. Every later stage refers to source by `Loc` only; the texts
// themselves live here for as long as messages may have to show them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace tenon {

using FileId = uint32_t;

// A half-open range of bytes [begin, end) in one source. `Loc{}` means "no place".
struct Loc {
  FileId file = 0;  // 0: nowhere
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t via = 0;  // how a node of the IR came here, when its call is gone (ir/call_places.h)

  bool known() const { return file != 0; }
  friend bool operator==(const Loc&, const Loc&) = default;
};

// The smallest range that holds both; both must be in one file.
inline Loc join(Loc a, Loc b) {
  if (!a.known()) return b;
  if (!b.known() || a.file != b.file) return a;
  return {a.file, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}

// Lines and columns count from 1; a column counts bytes, with UTF-8 continuation bytes left out.
struct LineColumn {
  uint32_t line = 0;
  uint32_t column = 0;
};

class SourceMap {
 public:
  // Takes the text as it is; a UTF-8 BOM is blanked so that offsets stay true.
  FileId add(std::string name, std::string text);
  // A text that is Tenon's own, not the user's: a message is not about it.
  FileId add_library(std::string name, std::string text);
  bool library(FileId file) const { return file != 0 && files_[file - 1].library; }

  std::string_view name(FileId file) const { return files_[file - 1].name; }
  std::string_view text(FileId file) const { return files_[file - 1].text; }
  std::string_view text(Loc loc) const;
  LineColumn line_column(FileId file, uint32_t offset) const;
  std::string_view line(FileId file, uint32_t line) const;  // without its line end

 private:
  struct File {
    std::string name;
    std::string text;
    std::vector<uint32_t> line_starts;
    bool library = false;
  };
  std::deque<File> files_;  // a deque: views stay valid as files are added
};

}  // namespace tenon
