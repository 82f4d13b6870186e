// Source texts and places in them; see source.h.
#include "support/source.h"

#include <algorithm>

namespace tenon {

FileId SourceMap::add(std::string name, std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.replace(0, 3, "   ");
  std::vector<uint32_t> starts{0};
  for (uint32_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n') starts.push_back(i + 1);
  files_.push_back({std::move(name), std::move(text), std::move(starts), false});
  return static_cast<FileId>(files_.size());
}

FileId SourceMap::add_library(std::string name, std::string text) {
  const FileId file = add(std::move(name), std::move(text));
  files_.back().library = true;
  return file;
}

std::string_view SourceMap::text(Loc loc) const {
  if (!loc.known()) return {};
  std::string_view all = text(loc.file);
  uint32_t begin = std::min<uint32_t>(loc.begin, all.size());
  uint32_t end = std::clamp<uint32_t>(loc.end, begin, all.size());
  return all.substr(begin, end - begin);
}

LineColumn SourceMap::line_column(FileId file, uint32_t offset) const {
  const File& f = files_[file - 1];
  auto after = std::upper_bound(f.line_starts.begin(), f.line_starts.end(), offset);
  uint32_t line = static_cast<uint32_t>(after - f.line_starts.begin());
  uint32_t column = 1;
  for (uint32_t i = f.line_starts[line - 1]; i < offset && i < f.text.size(); ++i)
    if ((static_cast<unsigned char>(f.text[i]) & 0xC0) != 0x80) ++column;
  return {line, column};
}

std::string_view SourceMap::line(FileId file, uint32_t line) const {
  const File& f = files_[file - 1];
  if (line == 0 || line > f.line_starts.size()) return {};
  uint32_t begin = f.line_starts[line - 1];
  size_t end = f.text.find('\n', begin);
  if (end == std::string::npos) end = f.text.size();
  if (end > begin && f.text[end - 1] == '\r') --end;
  return std::string_view(f.text).substr(begin, end - begin);
}

}  // namespace tenon
