// Packed copies of operands that do not change (the weights of a model), kept with the buffer that they
// are of. Its bytes are what they were as long as the copies are there: whoever may write asks
// Buffer::sole(), which ends them. By law 1 nobody can tell by a result.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "runtime/buffer.h"

namespace tenon::kernels {

// Which copy of a buffer it is: everything that decides what lies where.
using PackKey = std::array<int64_t, 16>;

class Packs : public Derived {
 public:
  static Packs& of(Buffer& buffer) {
    return static_cast<Packs&>(buffer.derived([]() -> Derived* { return new Packs; }));
  }
  ~Packs() override;

  // The copy under this key; null when it is wanted for the first time, since what is used once is
  // packed on its way, and when all copies of the process together would be too many. `make` fills
  // `bytes` bytes at a multiple of 64.
  template <class F>
  const void* find(const PackKey& key, size_t bytes, F&& make) {
    const std::lock_guard lock(mutex_);
    Entry* e = wanted(key);
    if (!e) return nullptr;
    if (!e->copy) {
      if (!reserve(*e, bytes)) return nullptr;
      make(e->copy->data());
    }
    return e->copy->data();
  }

 private:
  struct Entry {
    PackKey key;
    boost::intrusive_ptr<Buffer> copy;
  };
  Entry* wanted(const PackKey& key);
  static bool reserve(Entry& e, size_t bytes);

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace tenon::kernels
