// What the targets share (fuzz.h): bytes as a file, and that our own bugs are crashes.
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>

#include "tests/fuzz/fuzz.h"

namespace tenon {
extern void (*before_bug_ends)();  // support/diagnostic.cpp
}

// bug() ends the process quietly, with its own exit code; a fuzzer wants to see a crash.
static const bool crashes = [] {
  tenon::before_bug_ends = [] { std::abort(); };
  return true;
}();

namespace tenon::fuzz {

const std::string& as_file(const uint8_t* data, size_t size, const char* name) {
  static const int descriptor = memfd_create(name, 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  hold(descriptor >= 0 && ftruncate(descriptor, 0) == 0 &&
           pwrite(descriptor, data, size, 0) == static_cast<ssize_t>(size),
       "a file in memory can be written");
  return path;
}

std::string own_folder() {
  namespace fs = std::filesystem;
  static std::string folder;
  if (folder.empty()) {
    folder = (fs::temp_directory_path() / "tenon-fuzz-XXXXXX").string();
    hold(mkdtemp(folder.data()) != nullptr, "a folder can be made");
    std::atexit([] {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    });
  }
  return folder;
}

void read_every_byte(const void* bytes, int64_t count) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<const uint8_t*>(bytes)[i];
  hold(sum <= static_cast<uint64_t>(count) * 255, "bytes are bytes");
}

}  // namespace tenon::fuzz
