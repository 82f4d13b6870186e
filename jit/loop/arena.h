// The arena of a compiled function: where each of its tensors lies, known before it runs. What lives
// at the same time is static and stands in the FramePlan; sizes are symbols, so offsets are computed
// once for each set of sizes that comes along (a Layout), by first fit, the largest first.
//
// A frame is the memory of one function: headers (MemoryBlock, 64 bytes each) of the tensors whose
// owners are counted at run time, then elements, then the frames of the functions it calls, which lie
// where nothing that lives during the call lies. The frame of the outermost function is the arena.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ir/dim.h"
#include "ir/dtype.h"
#include "runtime/buffer.h"
#include "support/source.h"

namespace tenon::loop {

inline constexpr int64_t kHeader = 64;  // bytes of a header

struct FramePlan {
  struct Slot {  // product(shape) elements of `unit` bytes
    DType dtype = DType::f32;
    int64_t unit = 0;
    std::vector<DimId> shape;
    Loc where;
    bool sure = false;  // it is made in every run
  };
  struct Call {
    uint32_t function = 0;
    std::vector<DimId> sizes;
    bool sure = false;
  };
  bool framed = false;       // takes a frame and a layout behind its other parameters
  std::vector<SymId> sizes;  // what its Dims are made of
  uint32_t headers = 0;      // the first of the slots have one
  std::vector<Slot> slots;
  std::vector<Call> calls;
  // Per slot, then per call: the others that live at the same time.
  std::vector<std::vector<uint32_t>> apart;

  // Words of a layout, as compiled code reads them.
  int64_t header_word(uint32_t slot) const { return 1 + 2 * static_cast<int64_t>(slot); }
  int64_t slot_word(uint32_t slot) const {
    return 1 + 2 * static_cast<int64_t>(headers) + (static_cast<int64_t>(slot) - headers);
  }
  int64_t call_word(uint32_t call) const {
    return 1 + static_cast<int64_t>(headers) + static_cast<int64_t>(slots.size()) +
           2 * static_cast<int64_t>(call);
  }
};

// Offsets for one set of sizes.
struct Layout {
  // The number of headers; the offset and size of the elements of each; the offset of each other
  // slot; the offset and the layout of each call's frame.
  std::vector<int64_t> words;
  std::vector<int64_t> sizes;  // bytes of each slot
  int64_t bytes = 0;
  struct Largest {  // of the slots, calls included
    int64_t bytes = -1;
    DType dtype = DType::f32;
    std::vector<int64_t> shape;
    Loc where;
  } largest, largest_sure;
  std::vector<Largest> large_sure;  // the few largest, the largest first
  int64_t sure_bytes = 0;  // what would do for the slots that are made in every run
  std::vector<std::shared_ptr<const Layout>> inner;  // per call
};

// Places of `sizes` bytes each, so that what is `apart` does not overlap; gives the end of the last.
int64_t first_fit(std::span<const int64_t> sizes, const std::vector<std::vector<uint32_t>>& apart,
                  std::vector<int64_t>& offsets);

class Layouts {
 public:
  Layouts(const Dims& dims, std::vector<FramePlan> plans) : dims_(dims), plans_(std::move(plans)) {}

  const FramePlan& plan(uint32_t function) const { return plans_[function]; }
  std::shared_ptr<const Layout> get(uint32_t function, std::span<const int64_t> sizes);

 private:
  std::shared_ptr<const Layout> make(uint32_t function, const std::vector<int64_t>& sizes);

  const Dims& dims_;
  std::vector<FramePlan> plans_;
  std::mutex mutex_;
  std::map<std::pair<uint32_t, std::vector<int64_t>>, std::shared_ptr<const Layout>> known_;
};

// The memory of one run, of a device.
struct Arena {
  boost::intrusive_ptr<Buffer> buffer;
  std::shared_ptr<const Layout> layout;
};

// The headers of a frame on a device that the host cannot write to: as much address space of the host, of which
// the pages with headers are used. An address of the frame plus `shift` is its twin on the host.
class Shadow {
 public:
  Shadow(const std::byte* frame, size_t bytes);  // throws Trap E0805
  ~Shadow();
  Shadow(const Shadow&) = delete;
  bool holds(int64_t address) const { return address >= frame_ && address < frame_ + bytes_; }
  int64_t frame() const { return frame_; }
  int64_t shift() const { return twin_ - frame_; }

 private:
  int64_t frame_, bytes_, twin_;
};
// None when what may be made is too much, but what is made in every run is not: then the blocks have
// to be asked for one by one. Throws UserError E0805, which names the largest tensor, when that is too
// much as well.
std::optional<Arena> take_arena(Layouts& layouts, std::span<const int64_t> sizes, Device& device = cpu());

}  // namespace tenon::loop
