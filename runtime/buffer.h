// Counted memory of a device, 64-byte aligned; or memory that belongs to the host program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "runtime/device.h"

namespace tenon {

// What somebody made of a buffer's bytes and keeps with them, for the next who wants the same.
struct Derived {
  virtual ~Derived() = default;
};

class Buffer {
 public:
  // Throws Trap E0805 when there is not enough memory.
  static boost::intrusive_ptr<Buffer> allocate(size_t bytes, Device& device = cpu());
  // Memory of the host: never written to; `release` is called when the last user is gone.
  static boost::intrusive_ptr<Buffer> borrow(void* data, size_t bytes, std::function<void()> release);

  // Fresh memory on the same device for what this one holds and something behind it, `bytes` in all;
  // whoever asks copies. Who appends a second time will go on doing so and gets room for as much again,
  // so that n appends move O(n) bytes, and what is joined once takes what it needs.
  boost::intrusive_ptr<Buffer> grown(size_t bytes) const;

  // In the host's memory. What a GPU made is fetched when it is first asked for.
  std::byte* data() {
    if (!data_) fetch();
    return data_;
  }
  bool on_host() const { return data_ != nullptr; }  // without being fetched
  // In this device's memory: copied there when it is first asked for.
  std::byte* on(Device& device);
  size_t size() const { return size_; }
  bool borrowed() const { return borrowed_; }
  // Who may write: the only user of memory that is ours. A borrowed buffer counts as shared, and so
  // does one that lies both here and on a device, since the two must stay the same.
  uint32_t count() const {
    return borrowed_ ? 2 : count_.load(std::memory_order_acquire) + (data_ && mirror_);
  }
  // Asked by whoever is about to write, so what was derived from the bytes ends here.
  bool sole() {
    if (count() != 1) return false;
    if (derived_.load(std::memory_order_relaxed)) forget();
    return true;
  }
  // What is kept with these bytes until they change or go; `make` gives the first, and is the same
  // for all. By several threads at once, each of which holds the buffer.
  Derived& derived(Derived* (*make)());

  friend void intrusive_ptr_add_ref(Buffer* b) { b->count_.fetch_add(1, std::memory_order_relaxed); }
  friend void intrusive_ptr_release(Buffer* b) {
    if (b->count_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(b);
  }

 private:
  static void destroy(Buffer* b);
  void fetch();
  void forget();
  std::byte* data_ = nullptr;    // on the host
  Device* device_ = nullptr;     // where the mirror is
  std::byte* mirror_ = nullptr;  // the same bytes on a device that is not the host's
  size_t size_ = 0;
  bool borrowed_ = false;
  bool appended_ = false;        // it was made by `grown`
  std::atomic<uint32_t> count_{0};
  std::atomic<Derived*> derived_{nullptr};
  std::function<void()> release_;
};

// Of the CPU.
MemoryUse memory_use();
void reset_peak_memory();

}  // namespace tenon
