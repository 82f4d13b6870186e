// The library's texts as they stand in stdlib/*.model, embedded by the build. What they mean is
// the business of frontend and session; this room only carries them.
#pragma once

#include <span>
#include <string_view>

namespace tenon {

struct LibraryFile {
  std::string_view name;  // "prelude", "nn": the path below stdlib/ without .model
  std::string_view text;
};

std::span<const LibraryFile> library_files();  // sorted by name

}  // namespace tenon
