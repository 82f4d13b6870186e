// What packs.h says, and how much is kept at most.
#include "kernels/cpu/packs.h"

#include "runtime/trap.h"

namespace tenon::kernels {
namespace {

constexpr size_t kMostKept = size_t{1} << 30;  // bytes, of all buffers together
constexpr size_t kMostEntries = 8;             // of one buffer

std::atomic<size_t> kept{0};

}  // namespace

Packs::~Packs() {
  for (const Entry& e : entries_)
    if (e.copy) kept -= e.copy->size();
}

Packs::Entry* Packs::wanted(const PackKey& key) {
  for (Entry& e : entries_)
    if (e.key == key) return &e;
  if (entries_.size() < kMostEntries) entries_.push_back({key, nullptr});
  return nullptr;
}

bool Packs::reserve(Entry& e, size_t bytes) {
  if (kept.fetch_add(bytes) + bytes > kMostKept) {
    kept -= bytes;
    return false;
  }
  try {
    e.copy = Buffer::allocate(bytes);
  } catch (const Trap&) {  // too little memory for a copy is enough to go on without
    kept -= bytes;
    return false;
  }
  return true;
}

}  // namespace tenon::kernels
