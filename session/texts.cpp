// The library's texts as the build embedded them, and imported files from the disk (texts.h).
#include "session/texts.h"

#include <filesystem>

#include "io/file.h"
#include "stdlib/library.h"

namespace tenon {

LibraryTexts::LibraryTexts(const SourceMap& sources) : sources_(sources) {
  for (const LibraryFile& f : library_files())
    library_.emplace(f.name, TextSource{"stdlib/" + std::string(f.name) + ".model", std::string(f.text)});
}

std::vector<std::string> LibraryTexts::library_modules() {
  std::vector<std::string> out;
  for (const auto& [name, text] : library_) out.push_back(name);
  return out;
}

const TextSource* LibraryTexts::library(std::string_view module) {
  auto at = library_.find(module);
  return at == library_.end() ? nullptr : &at->second;
}

std::optional<TextSource> LibraryTexts::file(std::string_view path, Loc where) {
  const std::string folder = folder_of(sources_, where);
  std::filesystem::path full(path);
  if (full.is_relative() && !folder.empty()) full = std::filesystem::path(folder) / full;
  std::error_code error;
  if (!std::filesystem::is_regular_file(full, error)) return std::nullopt;
  // One name for one file, however it is written: a file imported twice is loaded once.
  const std::string name = full.lexically_normal().string();
  return TextSource{name, io::read_file(name, where)};
}

std::string folder_of(const SourceMap& sources, Loc where) {
  if (!where.known()) return "";
  const std::string_view name = sources.name(where.file);
  const size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(name.substr(0, slash));
}

}  // namespace tenon
