// The queue of a GPU, its graphs and its staging memory (gpu.h).
#include "jit/cuda/gpu.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace tenon::cuda {

namespace {

constexpr size_t kLongQueue = 1024;             // launches; then the device should begin
constexpr size_t kHalf = size_t{4} << 20;       // bytes of staging memory, twice
constexpr size_t kWorthAGraph = 3, kGraphs = 64;  // launches; graphs that are kept
constexpr int kSeen = 2;                        // times that a sequence came before it is recorded

}  // namespace

Trap no_memory(size_t asked, size_t left, size_t all) {
  auto mib = [](size_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) / (1 << 20));
    return std::string(text);
  };
  std::string hint = "smaller sizes or batches need less";
  if (left < asked) hint += ": " + std::to_string(100 * left / asked) + " % of it would fit";
  return Trap(Code::E0805, mib(asked) + " MiB are asked for on the GPU, and " + mib(left) + " of its " + mib(all) + " MiB are free",
              std::move(hint));
}

std::byte* Gpu::take(size_t bytes) {
  if (bytes > kNumber) return take_block(bytes);
  if (!page_) {
    page_ = take_block(kPage);
    for (size_t at = kPage - kApart; at > 0; at -= kApart) free_numbers_.push_back(page_ + at);
  }
  if (free_numbers_.empty()) return take_block(bytes);
  std::byte* const p = free_numbers_.back();
  free_numbers_.pop_back();
  number_taken(p, bytes);
  return p;
}

void Gpu::give(std::byte* memory, size_t bytes) {
  if (is_number(memory)) number_given(memory);
  else give_block(memory, bytes);
}

void* Gpu::late_kernel(const std::string& name, const std::function<std::string()>& text, size_t slots) {
  const std::lock_guard lock(late_);
  auto& made = late_modules_[name];
  if (!made) made = compile(text(), {{name, slots}});
  return made->kernel(name);
}

void Gpu::launch(void* kernel, int64_t blocks, int threads, bool together, std::span<const int64_t> args,
                 Extra extra) {
  for (int64_t a : args) touched(reinterpret_cast<const std::byte*>(a));
  if (used_ == launches_.size()) launches_.emplace_back();
  Launch& l = launches_[used_++];
  l.kernel = kernel;
  l.blocks = blocks;
  l.threads = threads;
  l.together = together;
  l.extra = extra;
  l.args.assign(args.begin(), args.end());
  if (queue_.empty() || queue_.back().launches == 0) queue_.push_back({});
  ++queue_.back().launches;
  ++stats_.launches;
  if (used_ >= kLongQueue) flush();
}

void Gpu::copy_on(std::byte* to, const std::byte* from, size_t bytes) {
  touched(to);
  if (bytes > 0) queue_.push_back({0, {to, from, bytes, false}});
}

void Gpu::copy_in(std::byte* to, const void* from, size_t bytes) {
  touched(to);
  const auto* at = static_cast<const std::byte*>(from);
  for (size_t n; bytes > 0; bytes -= n, at += n, to += n) {
    n = std::min(bytes, kHalf);
    const std::byte* piece = staged(at, n);
    queue_.push_back({0, {to, piece, n, true}});
  }
}

std::byte* Gpu::staged(const void* from, size_t bytes) {
  if (!staging_) staging_ = staging(2 * kHalf);
  if (staged_ + bytes > kHalf) {
    flush();
    mark(half_);
    half_ ^= 1;
    reached(half_);
    staged_ = 0;
  }
  std::byte* at = staging_ + static_cast<size_t>(half_) * kHalf + staged_;
  staged_ += (bytes + 15) / 16 * 16;
  std::memcpy(at, from, bytes);
  return at;
}

void Gpu::copy_out(void* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  if (!is_number(from)) {
    flush();
    ++stats_.waits;
    read(to, from, bytes);
    return;
  }
  if (seen(to, from, bytes)) return;
  flush();
  ++stats_.waits;
  seen_.resize(kPage);
  read(seen_.data(), page_, kPage);
  fresh_.assign(kPage / kApart, 1);
  seen(to, from, bytes);
}

bool Gpu::seen(void* to, const std::byte* from, size_t bytes) const {
  if (!is_number(from) || fresh_.empty() || !fresh_[static_cast<size_t>(from - page_) / kApart]) return false;
  std::memcpy(to, seen_.data() + (from - page_), bytes);
  return true;
}

void Gpu::wait() {
  flush();
  finish();
}

void Gpu::retire() {
  try {
    wait();
  } catch (...) {  // whoever waited next would have been told; nobody is left
  }
  known_.clear();
}

void Gpu::flush() {
  if (queue_.empty()) return;
  // What fails must not be tried again.
  const std::vector<Step> steps = std::move(queue_);
  queue_.clear();
  used_ = 0;
  ++stats_.batches;
  size_t next = 0;
  for (const Step& s : steps) {
    if (s.launches > 0) run_all({launches_.data() + next, s.launches});
    else if (s.copy.in) move_in(s.copy.to, s.copy.from, s.copy.bytes);
    else move_on(s.copy.to, s.copy.from, s.copy.bytes);
    next += s.launches;
  }
  flushed();
}

void Gpu::run_all(std::span<const Launch> launches) {
  Known* known = nullptr;
  if (launches.size() >= kWorthAGraph) {
    std::vector<std::tuple<void*, int64_t, int>> key;
    for (const Launch& l : launches) key.emplace_back(l.kernel, l.blocks, l.threads);
    if (known_.size() >= kGraphs && !known_.contains(key)) known_.clear();
    known = &known_[std::move(key)];
    ++known->seen;
  }
  if (!known || known->seen <= kSeen) {
    for (const Launch& l : launches) run(l);
    return;
  }
  if (!known->graph) {
    known->graph = record(launches);
    if (!known->graph) {  // none on this device
      for (const Launch& l : launches) run(l);
      return;
    }
    for (const Launch& l : launches) known->args.push_back(l.args);
  } else {
    for (size_t i = 0; i < launches.size(); ++i) {
      if (known->args[i] == launches[i].args) continue;
      known->graph->set(i, launches[i]);
      known->args[i] = launches[i].args;
    }
  }
  known->graph->run();
  stats_.replayed += static_cast<int64_t>(launches.size());
}

}  // namespace tenon::cuda
