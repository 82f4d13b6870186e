// Where the elaborator gets the texts of the library and of imported files.
#pragma once

#include <map>
#include <string>

#include "frontend/elaborate.h"

namespace tenon {

class LibraryTexts : public Texts {
 public:
  explicit LibraryTexts(const SourceMap& sources);
  std::vector<std::string> library_modules() override;
  const TextSource* library(std::string_view module) override;
  // A path beside the file that imports it.
  std::optional<TextSource> file(std::string_view path, Loc where) override;

 private:
  const SourceMap& sources_;
  std::map<std::string, TextSource, std::less<>> library_;
};

// The folder of the file that a place lies in, for paths relative to it; "" for none.
std::string folder_of(const SourceMap& sources, Loc where);

}  // namespace tenon
