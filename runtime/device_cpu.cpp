// The CPU as a device: an arena in host memory. Freed memory is kept and handed out again, since the
// first touch of fresh pages costs many times what a kernel does with them (cpu.md 1): small blocks in
// size classes cut from chunks of 2 MB, large ones as mappings of their own, both on huge pages where
// the system has them.
#include "runtime/device.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#include "runtime/trap.h"

namespace tenon {
namespace {

constexpr size_t kChunk = size_t{2} << 20;
constexpr size_t kLargest = kChunk / 4;  // above, a block is a mapping of its own
constexpr size_t kAlign = 64;

std::string readable(size_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double v = static_cast<double>(bytes);
  int unit = 0;
  while (v >= 1024 && unit < 6) v /= 1024, ++unit;
  char text[48];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", v, kUnits[unit]);
  return text;
}

[[noreturn]] void refuse(size_t asked, size_t available) {
  throw Trap(Code::E0805,
             readable(asked) + " are asked for, and " + readable(available) + " are available",
             "smaller sizes or batches need less");
}

// What the machine could give: its memory, or less where a control group says so.
size_t machine_limit() {
  size_t limit =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (std::FILE* f = std::fopen(path, "r")) {
      unsigned long long v = 0;
      if (std::fscanf(f, "%llu", &v) == 1 && v > 0) limit = std::min<size_t>(limit, v);
      std::fclose(f);
    }
  }
  return limit;
}

// What the system could give now without killing somebody; asked only for large fresh memory.
size_t available_now() {
  size_t kib = 0;
  if (std::FILE* f = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    unsigned long v;
    while (std::fgets(line, sizeof line, f))
      if (std::sscanf(line, "MemAvailable: %lu kB", &v) == 1) kib = v;
    std::fclose(f);
  }
  return kib ? kib << 10 : ~size_t{0};
}

// Sizes are rounded up to four steps per power of two, so that at most a fifth is wasted.
size_t rounded(size_t bytes) {
  if (bytes <= kAlign) return kAlign;
  if (bytes > kLargest) {
    size_t step = std::max(kChunk / 16, std::bit_floor(bytes) / 16);
    return (bytes + step - 1) / step * step;
  }
  size_t step = std::max(kAlign, std::bit_floor(bytes) / 4);
  return (bytes + step - 1) / step * step;
}

class Cpu final : public Device {
 public:
  std::string_view name() const override { return "cpu"; }
  bool host_memory() const override { return true; }

  std::byte* take(size_t bytes) override {
    std::lock_guard lock(mutex_);
    size_t size = rounded(bytes);
    if (bytes > limit_ || size > limit_ - std::min(limit_, use_.now))
      refuse(bytes, limit_ - std::min(limit_, use_.now));
    std::byte* p = nullptr;
    auto& free = free_[size];
    if (!free.empty()) {
      p = free.back();
      free.pop_back();
      kept_ -= size;
    } else {
      // What is kept must not push the process over the limit.
      if (use_.now + kept_ + size > limit_) release_large();
      if (size >= (size_t{256} << 20) && size > available_now()) {
        release_large();
        if (const size_t left = available_now(); size > left) refuse(bytes, left);
      }
      p = size > kLargest ? map(size) : cut(size);
    }
    use_.now += size;
    use_.taken += size;
    use_.peak = std::max(use_.peak, use_.now);
    return p;
  }

  void give(std::byte* p, size_t bytes) override {
    std::lock_guard lock(mutex_);
    size_t size = rounded(bytes);
    use_.now -= size;
    kept_ += size;
    free_[size].push_back(p);
    // A long run that once needed much gives back what it does not need again.
    if (kept_ > limit_ / 4 && kept_ > use_.now) release_large();
  }

  void copy_in(std::byte* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy_out(void* to, const std::byte* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void wait() override {}  // whoever launches work on the CPU waits for it

  MemoryUse use() override {
    std::lock_guard lock(mutex_);
    return use_;
  }
  void reset_peak() override {
    std::lock_guard lock(mutex_);
    use_.peak = use_.now;
  }

 private:
  static std::byte* map(size_t size) {
    // Aligned to a huge page, by cutting off what stands over.
    size_t total = size + kChunk;
    void* p = mmap(nullptr, total, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) refuse(size, 0);
    auto at = reinterpret_cast<uintptr_t>(p);
    uintptr_t begin = (at + kChunk - 1) / kChunk * kChunk;
    if (begin > at) munmap(p, begin - at);
    uintptr_t end = begin + (size + 4095) / 4096 * 4096;
    if (at + total > end) munmap(reinterpret_cast<void*>(end), at + total - end);
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
    return reinterpret_cast<std::byte*>(begin);
  }

  std::byte* cut(size_t size) {
    if (static_cast<size_t>(chunk_end_ - chunk_) < size) {
      chunk_ = map(kChunk);
      chunk_end_ = chunk_ + kChunk;
    }
    std::byte* p = chunk_;
    chunk_ += size;
    return p;
  }

  void release_large() {
    for (auto& [size, blocks] : free_) {
      if (size <= kLargest) continue;
      for (std::byte* p : blocks) {
        munmap(p, (size + 4095) / 4096 * 4096);
        kept_ -= size;
      }
      blocks.clear();
    }
  }

  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<std::byte*>> free_;
  std::byte* chunk_ = nullptr;
  std::byte* chunk_end_ = nullptr;
  size_t kept_ = 0;
  size_t limit_ = machine_limit();
  MemoryUse use_;
};

}  // namespace

// Never destroyed: buffers may outlive every static object.
Device& cpu() {
  static Cpu* device = new Cpu;
  return *device;
}

}  // namespace tenon
