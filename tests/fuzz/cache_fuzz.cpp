// rooms: support io
// The cache on disk: an entry of any bytes is whole under the name that it was put under, or it counts
// as missing and is taken away; what is put comes back.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cache.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;
namespace fs = std::filesystem;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string folder = fuzz::own_folder();
  const std::string entry = folder + "/a", other = folder + "/b";
  const std::string_view bytes = fuzz::text_of(data, size);
  std::ofstream(entry, std::ios::binary) << bytes;
  ::chmod(entry.c_str(), 0600);
  io::DiskCache cache(folder, 1 << 20);
  const auto found = cache.get("a");
  fuzz::hold(fs::exists(entry) == bool(found), "a damaged entry is taken away, a whole one stays");
  fuzz::hold(!found || bytes.ends_with(*found), "an entry is what stands in its file");
  if (found) {
    fs::rename(entry, other);
    fuzz::hold(!cache.get("b"), "an entry under another's name is none");
  }
  cache.put("a", bytes);
  fuzz::hold(cache.get("a") == bytes, "what is put comes back");
  return 0;
}
