// What zlib unpacks: gzip files, and the members of zip files (npz).
#pragma once

#include <string>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::io {

// The contents of a file, unpacked if it is gzip. E0901 if it cannot be read, E0903 if it is damaged.
std::string read_file_or_gzip(const std::string& path, Loc where);

// A raw deflate stream of a known unpacked size; false if it is damaged.
bool inflate_raw(std::string_view packed, std::string& into, size_t size);

}  // namespace tenon::io
