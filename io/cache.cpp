// The cache on disk; see cache.h.
#include "io/cache.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace tenon::io {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'t', 'e', 'n', 'o', 'n', '.', 'c', '1'};  // the last is the version
constexpr const char* kUnfinished = ".part";

struct Header {
  char magic[8];
  uint64_t bytes, checksum;
};

uint64_t mixed(uint64_t h, uint64_t word) {
  const auto product = static_cast<unsigned __int128>(h ^ word) * 0x9e3779b97f4a7c15ull;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ (h << 1);
}

// Of the name too, so that an entry under another's name is noticed.
uint64_t checksum(std::string_view key, std::string_view contents) {
  uint64_t h = 0x243f6a8885a308d3ull;
  for (std::string_view text : {key, contents}) {
    h = mixed(h, text.size());
    for (size_t at = 0; at < text.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, text.data() + at, std::min<size_t>(8, text.size() - at));
      h = mixed(h, word);
    }
  }
  return h;
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int operator*() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

bool read_all(int fd, void* into, size_t bytes) {
  auto* to = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t n = ::read(fd, to, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool write_all(int fd, const void* from, size_t bytes) {
  auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t n = ::write(fd, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

// Entries become code that this process runs, so they must be this user's (or root's) own.
bool trusted(const struct stat& s) {
  return S_ISREG(s.st_mode) && (s.st_uid == ::geteuid() || s.st_uid == 0) &&
         (s.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool contents_of(int fd, const std::string& key, const struct stat& s, std::string& out) {
  Header header;
  if (!read_all(fd, &header, sizeof header)) return false;
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return false;
  if (static_cast<uint64_t>(s.st_size) != sizeof header + header.bytes) return false;
  out.resize(header.bytes);
  return read_all(fd, out.data(), out.size()) && checksum(key, out) == header.checksum;
}

struct Entry {
  std::string path;
  int64_t bytes, used;  // used: seconds since 1970
};

int64_t now() { return static_cast<int64_t>(::time(nullptr)); }

// The entries; `unfinished` gets what a process that was killed may have left.
std::vector<Entry> entries_of(const std::string& folder, std::vector<Entry>* unfinished = nullptr) {
  std::vector<Entry> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    struct stat s;
    const std::string path = it->path().string();
    if (::lstat(path.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    const Entry e{path, static_cast<int64_t>(s.st_size), static_cast<int64_t>(s.st_mtime)};
    if (path.find(kUnfinished) == std::string::npos) out.push_back(e);
    else if (unfinished) unfinished->push_back(e);
  }
  return out;
}

}  // namespace

std::optional<std::string> cache_folder() {
  auto set = [](const char* name) -> const char* {
    const char* value = std::getenv(name);
    return value && *value ? value : nullptr;
  };
  if (const char* own = set("TENON_CACHE")) {
    if (std::strcmp(own, "off") == 0) return std::nullopt;
    return own;
  }
  // What is not absolute would be another folder wherever a program is started (XDG says so too).
  if (const char* xdg = set("XDG_CACHE_HOME"); xdg && *xdg == '/') return std::string(xdg) + "/tenon";
  if (const char* home = set("HOME"); home && *home == '/') return std::string(home) + "/.cache/tenon";
  return std::nullopt;
}

std::optional<std::string> DiskCache::get(const std::string& key) {
  const std::string path = folder_ + "/" + key;
  Descriptor file(path, O_RDONLY | O_NOFOLLOW);
  struct stat s;
  if (!file.open() || ::fstat(*file, &s) != 0 || !trusted(s)) return std::nullopt;
  std::string out;
  if (!contents_of(*file, key, s, out)) {
    ::unlink(path.c_str());
    return std::nullopt;
  }
  if (now() - static_cast<int64_t>(s.st_mtime) > 3600) ::futimens(*file, nullptr);  // it was used
  return out;
}

void DiskCache::put(const std::string& key, std::string_view contents) {
  const auto bytes = static_cast<int64_t>(sizeof(Header) + contents.size());
  if (!writable_ || bytes > limit_) return;
  static std::atomic<unsigned> count{0};
  const std::string path = folder_ + "/" + key;
  const std::string part = path + kUnfinished + std::to_string(::getpid()) + "." + std::to_string(count++);
  std::error_code error;
  fs::create_directories(folder_, error);
  bool done = false;
  {
    Descriptor file(part, O_WRONLY | O_CREAT | O_EXCL);
    Header header{{}, contents.size(), checksum(key, contents)};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    done = file.open() && write_all(*file, &header, sizeof header) &&
           write_all(*file, contents.data(), contents.size());
  }
  // Not brought to the disk first: what a power cut leaves behind is noticed by its checksum.
  done = done && ::rename(part.c_str(), path.c_str()) == 0;
  if (!done) {
    ::unlink(part.c_str());
    writable_ = false;
    return;
  }
  if (unseen_ >= 0) unseen_ += bytes;
  if (unseen_ < 0 || unseen_ > limit_ / 8) trim();
}

void DiskCache::trim() {
  unseen_ = 0;
  std::vector<Entry> unfinished;
  std::vector<Entry> entries = entries_of(folder_, &unfinished);
  for (const Entry& e : unfinished)
    if (now() - e.used > 3600) ::unlink(e.path.c_str());
  int64_t total = 0;
  for (const Entry& e : entries) total += e.bytes;
  if (total <= limit_) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& e : entries) {
    if (total <= limit_ / 4 * 3) break;
    ::unlink(e.path.c_str());
    total -= e.bytes;
  }
}

DiskCache::Use DiskCache::use() const {
  Use out;
  for (const Entry& e : entries_of(folder_)) {
    ++out.entries;
    out.bytes += e.bytes;
  }
  return out;
}

}  // namespace tenon::io
