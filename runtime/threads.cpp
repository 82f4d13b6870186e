// The pool behind Threads. A job is published under one 64-bit ticket, its number and the next
// chunk, and a chunk is taken by advancing the ticket; so the caller never waits for a helper that
// is still asleep, only for chunks that were taken.
#include "runtime/threads.h"

#include <atomic>
#include <chrono>
#include <immintrin.h>
#include <mutex>
#include <thread>
#include <vector>

namespace tenon {
namespace {

constexpr auto kSpin = std::chrono::microseconds(100);  // then a helper parks
constexpr uint64_t kChunkBits = 40;
constexpr uint64_t kChunkMask = (uint64_t{1} << kChunkBits) - 1;

thread_local bool inside_body = false;

}  // namespace

struct Threads::Impl {
  using Body = void (*)(void*, int64_t);

  std::atomic<uint64_t> ticket{kChunkMask};  // job number << 40 | next chunk; all ones: closed
  std::atomic<Body> body{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<int64_t> chunks{0};
  alignas(64) std::atomic<int64_t> done{0};
  alignas(64) std::atomic<uint32_t> wake{0};  // changes with every job and at the end
  std::atomic<int> parked{0};
  std::atomic<bool> stop{false};
  std::mutex one_job;
  uint64_t job = 0;
  std::vector<std::thread> helpers;

  // Takes chunks of the job that is open now until none is left.
  void help() {
    for (;;) {
      uint64_t t = ticket.load(std::memory_order_acquire);
      int64_t next = static_cast<int64_t>(t & kChunkMask);
      // These may belong to a later job already; then the ticket has changed and the exchange
      // fails.
      Body f = body.load(std::memory_order_relaxed);
      void* c = context.load(std::memory_order_relaxed);
      int64_t n = chunks.load(std::memory_order_relaxed);
      if ((t & kChunkMask) == kChunkMask || next >= n) return;
      if (!ticket.compare_exchange_weak(t, t + 1, std::memory_order_acq_rel)) continue;
      f(c, next);
      done.fetch_add(1, std::memory_order_release);
    }
  }

  void helper() {
    inside_body = true;  // what a body runs inside is serial
    uint32_t seen = 0;
    auto since = std::chrono::steady_clock::now();
    for (int turn = 0;; ++turn) {
      uint32_t now = wake.load(std::memory_order_seq_cst);
      if (stop.load(std::memory_order_relaxed)) return;
      if (now != seen) {
        seen = now;
        help();
        since = std::chrono::steady_clock::now();
        continue;
      }
      _mm_pause();
      if (turn % 32 != 0 || std::chrono::steady_clock::now() - since < kSpin) continue;
      parked.fetch_add(1, std::memory_order_seq_cst);
      wake.wait(seen, std::memory_order_seq_cst);
      parked.fetch_sub(1, std::memory_order_seq_cst);
      since = std::chrono::steady_clock::now();
    }
  }
};

Threads::Threads(int count) : impl_(new Impl) {
  for (int i = 1; i < count; ++i) impl_->helpers.emplace_back([this] { impl_->helper(); });
}

Threads::~Threads() {
  impl_->stop = true;
  impl_->wake.fetch_add(1);
  impl_->wake.notify_all();
  for (auto& t : impl_->helpers) t.join();
  delete impl_;
}

int Threads::count() const { return static_cast<int>(impl_->helpers.size()) + 1; }

void Threads::run(int64_t chunks, void (*body)(void*, int64_t), void* context) {
  Impl& p = *impl_;
  std::unique_lock lock(p.one_job, std::defer_lock);
  // Nested, alone, or busy with the job of another thread: serially.
  if (chunks <= 1 || p.helpers.empty() || inside_body || !lock.try_lock()) {
    for (int64_t i = 0; i < chunks; ++i) body(context, i);
    return;
  }
  p.body.store(body, std::memory_order_relaxed);
  p.context.store(context, std::memory_order_relaxed);
  p.chunks.store(chunks, std::memory_order_relaxed);
  p.done.store(0, std::memory_order_relaxed);
  ++p.job;
  p.ticket.store((p.job & 0xffffff) << kChunkBits, std::memory_order_seq_cst);
  p.wake.fetch_add(1, std::memory_order_seq_cst);
  if (p.parked.load(std::memory_order_seq_cst) > 0) p.wake.notify_all();

  inside_body = true;
  p.help();
  inside_body = false;
  for (int turn = 0; p.done.load(std::memory_order_acquire) < chunks; ++turn) {
    if (turn < 4096)
      _mm_pause();
    else
      std::this_thread::yield();  // more threads than processors
  }
  p.ticket.store((p.job & 0xffffff) << kChunkBits | kChunkMask, std::memory_order_release);
}

}  // namespace tenon
