// The tape of reverse mode at run time: what `push` laid down and `pop` takes back, last in, first
// out. A pushed tensor is a counted handle, so no element is copied; whoever pops it may find that
// it is the only user. Every entry remembers its slot, so that a pop which does not meet its push
// is found at once (our bug, never the user's).
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/tensor.h"

namespace tenon {

class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape();

  void push_scalar(int slot, uint64_t bits) { put({bits, slot, Kind::scalar}); }
  void push_tensor(int slot, Tensor value);
  // A tape on a tape: taken over, deleted with this one when nobody pops it.
  void push_tape(int slot, Tape* value) {
    put({reinterpret_cast<uint64_t>(value), slot, Kind::tape});
  }

  uint64_t pop_scalar(int slot) { return take(slot, Kind::scalar); }
  Tensor pop_tensor(int slot);
  Tape* pop_tape(int slot) { return reinterpret_cast<Tape*>(take(slot, Kind::tape)); }

  bool empty() const { return size_ == 0; }
  int64_t entries() const { return size_; }

 private:
  enum class Kind : uint8_t { scalar, tensor, tape };
  struct Entry {
    uint64_t bits;  // the scalar itself, or a pointer
    int slot;
    Kind kind;
  };
  struct Chunk {
    Chunk* below;
    int64_t capacity;
    Entry entries[1];
  };
  void put(Entry e) {
    if (top_ == end_) grow();
    *top_++ = e;
    ++size_;
  }
  uint64_t take(int slot, Kind kind);
  void grow();
  void shrink();
  static void dispose(const Entry& e);

  Chunk* chunk_ = nullptr;  // the newest; older ones are full
  Chunk* spare_ = nullptr;  // one emptied chunk is kept, so that a border is not a cliff
  Entry* top_ = nullptr;
  Entry* end_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace tenon
