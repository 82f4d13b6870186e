// The chunks of a tape: 256 entries at first, doubling to 256 Ki; entries never move.
#include "runtime/tape.h"

#include <algorithm>
#include <cstdlib>

#include "runtime/trap.h"
#include "support/diagnostic.h"

namespace tenon {

namespace {
constexpr int64_t kFirst = 256, kLargest = 256 * 1024;
}

Tape::~Tape() {
  while (size_ > 0) {
    if (top_ == chunk_->entries) shrink();
    dispose(*--top_);
    --size_;
  }
  while (chunk_) {
    Chunk* below = chunk_->below;
    std::free(chunk_);
    chunk_ = below;
  }
  std::free(spare_);
}

void Tape::dispose(const Entry& e) {
  switch (e.kind) {
    case Kind::scalar:
      break;
    case Kind::tensor:
      delete reinterpret_cast<Tensor*>(e.bits);
      break;
    case Kind::tape:
      delete reinterpret_cast<Tape*>(e.bits);
      break;
  }
}

void Tape::push_tensor(int slot, Tensor value) {
  if (top_ == end_) grow();  // first: whatever throws here leaves nothing behind
  put({reinterpret_cast<uint64_t>(new Tensor(std::move(value))), slot, Kind::tensor});
}

Tensor Tape::pop_tensor(int slot) {
  auto* boxed = reinterpret_cast<Tensor*>(take(slot, Kind::tensor));
  Tensor value = std::move(*boxed);
  delete boxed;
  return value;
}

uint64_t Tape::take(int slot, Kind kind) {
  require(size_ > 0, "pop from an empty tape");
  if (top_ == chunk_->entries) shrink();
  const Entry& e = *--top_;
  require(e.slot == slot && e.kind == kind, "a pop does not meet its push");
  --size_;
  return e.bits;
}

void Tape::grow() {
  Chunk* fresh = spare_;
  spare_ = nullptr;
  if (!fresh) {
    int64_t capacity = chunk_ ? std::min(chunk_->capacity * 2, kLargest) : kFirst;
    fresh = static_cast<Chunk*>(std::malloc(sizeof(Chunk) + sizeof(Entry) * (capacity - 1)));
    if (!fresh)
      throw Trap(Code::E0805, "there is not enough memory for what the gradient needs", "");
    fresh->capacity = capacity;
  }
  fresh->below = chunk_;
  chunk_ = fresh;
  top_ = chunk_->entries;
  end_ = top_ + chunk_->capacity;
}

void Tape::shrink() {
  Chunk* emptied = chunk_;
  chunk_ = emptied->below;
  std::free(spare_);
  spare_ = emptied;
  top_ = end_ = chunk_->entries + chunk_->capacity;
}

}  // namespace tenon
