// What is made once and used again by later processes: bytes on disk under a name that says all they
// were made from, so that an entry is never wrong, only missing. Nothing here fails: a folder that
// cannot be written or a full disk means fewer entries, a damaged entry is taken away.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::io {

// $TENON_CACHE, else $XDG_CACHE_HOME/tenon, else ~/.cache/tenon. None where TENON_CACHE is `off` or
// there is no home.
std::optional<std::string> cache_folder();

inline constexpr int64_t kCodeBytes = int64_t{256} << 20;  // for machine code, in the folder `code`
inline constexpr int64_t kCubinBytes = int64_t{256} << 20;  // for that of GPUs, in the folder `cubin`

// Many processes may use a folder at once: an entry appears whole, by renaming, and whoever has it
// open keeps it when it is removed. Entries that another user could have written are not read.
class DiskCache {
 public:
  // What was not used for longest goes when all entries together have more than `limit` bytes.
  DiskCache(std::string folder, int64_t limit) : folder_(std::move(folder)), limit_(limit) {}

  // `key`: letters and digits.
  std::optional<std::string> get(const std::string& key);
  void put(const std::string& key, std::string_view contents);

  struct Use {
    int64_t entries = 0, bytes = 0;
  };
  Use use() const;

 private:
  void trim();

  std::string folder_;
  int64_t limit_;
  int64_t unseen_ = -1;    // bytes put since the folder was last looked through; -1: never was
  bool writable_ = true;   // until writing fails: then this process leaves it at that
};

}  // namespace tenon::io
