// Layouts: sizes become offsets; see arena.h.
#include "jit/loop/arena.h"

#include <algorithm>
#include <numeric>
#include <sys/mman.h>

#include "runtime/trap.h"
#include "support/diagnostic.h"

namespace tenon::loop {
namespace {

constexpr int64_t kAlign = 64;
constexpr int64_t kTooMuch = int64_t{1} << 61;  // more than any machine has; sums of a few still fit
constexpr size_t kKept = 512;                   // layouts, of all functions of a program

int64_t product(int64_t unit, std::span<const int64_t> shape) {
  int64_t n = unit;
  bool overflow = false;
  for (int64_t x : shape) {
    if (x <= 0) return 0;  // what is negative ends the run where it is made
    overflow |= __builtin_mul_overflow(n, x, &n);
  }
  return overflow ? kTooMuch : std::min(n, kTooMuch);
}

// As memory is handed out: never nothing, since predicated loads may touch the first element.
int64_t padded(int64_t bytes) { return std::max(kAlign, (bytes + kAlign - 1) / kAlign * kAlign); }

constexpr size_t kNamed = 3;  // tensors, when memory runs out

void note(Layout& layout, const Layout::Largest& l) {
  auto& list = layout.large_sure;
  auto at = std::find_if(list.begin(), list.end(), [&](const Layout::Largest& o) { return o.bytes < l.bytes; });
  list.insert(at, l);
  if (list.size() > kNamed) list.pop_back();
}

std::string type_text(const Layout::Largest& l) {
  std::string s(name(l.dtype));
  s += "[";
  for (size_t i = 0; i < l.shape.size(); ++i)
    s += (i ? ", " : "") + std::to_string(l.shape[i]);
  return s + "]";
}

}  // namespace

int64_t first_fit(std::span<const int64_t> sizes, const std::vector<std::vector<uint32_t>>& apart,
                  std::vector<int64_t>& offsets) {
  const size_t n = sizes.size();
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return sizes[a] > sizes[b]; });
  offsets.assign(n, -1);
  int64_t end = 0;
  std::vector<std::pair<int64_t, int64_t>> taken;
  for (uint32_t i : order) {
    taken.clear();
    for (uint32_t j : apart[i])
      if (offsets[j] >= 0) taken.emplace_back(offsets[j], offsets[j] + sizes[j]);
    std::sort(taken.begin(), taken.end());
    int64_t at = 0;
    for (auto [from, to] : taken) {
      if (from - at >= sizes[i]) break;
      at = std::min(std::max(at, to), kTooMuch);  // then nobody gets it anyway
    }
    offsets[i] = at;
    end = std::max(end, at + sizes[i]);
  }
  return end;
}

std::shared_ptr<const Layout> Layouts::get(uint32_t function, std::span<const int64_t> sizes) {
  std::lock_guard lock(mutex_);
  // Who runs with an old one keeps it.
  if (known_.size() > kKept) known_.clear();
  return make(function, {sizes.begin(), sizes.end()});
}

std::shared_ptr<const Layout> Layouts::make(uint32_t function, const std::vector<int64_t>& sizes) {
  auto key = std::pair(function, sizes);
  if (auto it = known_.find(key); it != known_.end()) return it->second;
  const FramePlan& plan = plans_[function];
  auto layout = std::make_shared<Layout>();
  auto value_of = [&](SymId s) -> int64_t {
    for (size_t i = 0; i < plan.sizes.size(); ++i)
      if (plan.sizes[i] == s) return sizes[i];
    bug("a planned tensor has a size that its function does not know");
  };
  std::vector<int64_t> all, sure, offsets, unused;
  for (const FramePlan::Slot& slot : plan.slots) {
    std::vector<int64_t> shape;
    for (DimId d : slot.shape) shape.push_back(dims_.evaluate(d, value_of));
    const int64_t bytes = product(slot.unit, shape);
    layout->sizes.push_back(bytes);
    all.push_back(padded(bytes));
    sure.push_back(slot.sure ? padded(bytes) : 0);
    Layout::Largest l{bytes, slot.dtype, std::move(shape), slot.where};
    if (slot.sure && bytes > layout->largest_sure.bytes) layout->largest_sure = l;
    if (slot.sure) note(*layout, l);
    if (bytes > layout->largest.bytes) layout->largest = std::move(l);
  }
  for (const FramePlan::Call& call : plan.calls) {
    std::vector<int64_t> inner_sizes;
    for (DimId d : call.sizes) inner_sizes.push_back(dims_.evaluate(d, value_of));
    auto inner = make(call.function, inner_sizes);
    all.push_back(std::max(kAlign, inner->bytes));
    sure.push_back(call.sure ? inner->sure_bytes : 0);
    if (call.sure && inner->largest_sure.bytes > layout->largest_sure.bytes)
      layout->largest_sure = inner->largest_sure;
    if (call.sure)
      for (const Layout::Largest& l : inner->large_sure) note(*layout, l);
    if (inner->largest.bytes > layout->largest.bytes) layout->largest = inner->largest;
    layout->inner.push_back(std::move(inner));
  }
  const int64_t headers = kHeader * plan.headers;
  layout->sure_bytes =
      std::min(kTooMuch, headers + first_fit(sure, plan.apart, unused));
  layout->bytes = std::min(kTooMuch, headers + first_fit(all, plan.apart, offsets));
  auto& words = layout->words;
  words.push_back(plan.headers);
  for (size_t i = 0; i < plan.slots.size(); ++i) {
    words.push_back(headers + offsets[i]);
    if (i < plan.headers) words.push_back(all[i]);
  }
  for (size_t i = 0; i < plan.calls.size(); ++i) {
    words.push_back(headers + offsets[plan.slots.size() + i]);
    words.push_back(reinterpret_cast<int64_t>(layout->inner[i]->words.data()));
  }
  return known_[std::move(key)] = std::move(layout);
}

std::optional<Arena> take_arena(Layouts& layouts, std::span<const int64_t> sizes, Device& device) {
  Arena arena;
  arena.layout = layouts.get(0, sizes);
  const Layout& l = *arena.layout;
  auto allocate = [&](int64_t bytes) { return Buffer::allocate(static_cast<size_t>(bytes), device); };
  try {
    arena.buffer = allocate(std::max<int64_t>(l.bytes, kAlign));
    return arena;
  } catch (const Trap&) {
  }
  auto refuse = [](Trap& t, Loc where) {
    fail(t.code, where, std::move(t.message), std::move(t.hint), {}, t.fault);
  };
  // The largest tensor by itself, as the one who makes it would be told.
  const Layout::Largest& most = l.largest_sure;
  if (most.bytes > 0) try {
      allocate(most.bytes);
    } catch (Trap& t) {
      if (!device.host_memory()) t.message += "; the largest tensor is " + type_text(most);
      refuse(t, most.where);
    }
  if (l.sure_bytes > 0) try {
      allocate(l.sure_bytes);
    } catch (Trap& t) {
      if (device.host_memory() || l.large_sure.size() == 1) {
        t.message += "; the largest tensor is " + type_text(most);
      } else {
        t.message += "; the largest tensors are ";
        for (size_t i = 0; i < l.large_sure.size(); ++i)
          t.message += (i == 0 ? "" : i + 1 == l.large_sure.size() ? " and " : ", ") + type_text(l.large_sure[i]);
      }
      refuse(t, most.where);
    }
  return std::nullopt;
}

Shadow::Shadow(const std::byte* frame, size_t bytes)
    : frame_(reinterpret_cast<int64_t>(frame)), bytes_(static_cast<int64_t>(bytes)) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw Trap(Code::E0805, "there is no address space for what a device holds");
  twin_ = reinterpret_cast<int64_t>(p);
}

Shadow::~Shadow() { munmap(reinterpret_cast<void*>(twin_), static_cast<size_t>(bytes_)); }

}  // namespace tenon::loop
