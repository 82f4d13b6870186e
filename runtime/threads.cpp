// The pool behind Threads. Each thread has a range of chunks of its own, the same part of every job of
// one size, so that its caches hold what it wrote before; who is done with it takes chunks from the ends of
// others. A range lies in one cache line with what is to be done, and only that line and the answer
// travel between the cores: where they lie far apart, each journey costs half a microsecond.
#include "runtime/threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <immintrin.h>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/distance.h"

namespace tenon {
namespace {

constexpr auto kSpin = std::chrono::microseconds(100);  // then a helper parks
constexpr size_t kApart = 128;                          // bytes: a line and the one fetched with it
constexpr int kPatience = 8;  // looks at an answer before the helper's range is touched
constexpr int64_t kMostDelay = 1500, kFarDelay = 600;  // ticks
constexpr uint32_t kAsk = 1024, kAsked = 8;
constexpr int kBits = 20;
constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;
constexpr int64_t kMostChunks = int64_t{1} << (kBits - 1);

thread_local bool inside_body = false;

// Between a job and a first helper that waits for it: a mean of the latest, in ticks.
alignas(kApart) std::atomic<int64_t> delay{0};

void heard(int64_t ticks) {
  const int64_t mean = delay.load(std::memory_order_relaxed);
  delay.store(mean + (std::min(ticks, kMostDelay) - mean) / 4, std::memory_order_relaxed);
}

using Body = void (*)(void*, int64_t);

struct Chunk {
  Body body;
  void* context;
  int64_t number;
};

// The chunks of a thread that nobody took yet.
struct alignas(kApart) Range {
  std::atomic<uint64_t> span{0};  // number of the job | first chunk | end
  std::atomic<Body> body{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<uint64_t> when{0};  // it was published, in ticks of the clock that all cores share

  void publish(uint64_t job, int64_t first, int64_t end, Body f, void* c) {
    body.store(f, std::memory_order_relaxed);
    context.store(c, std::memory_order_relaxed);
    when.store(__rdtsc(), std::memory_order_relaxed);
    span.store(job << (2 * kBits) | static_cast<uint64_t>(first) << kBits |
                   static_cast<uint64_t>(end),
               std::memory_order_release);
  }
  bool empty() const {
    const uint64_t s = span.load(std::memory_order_seq_cst);
    return (s >> kBits & kMask) >= (s & kMask);
  }
  // The owner takes from the front, others from the end.
  bool take(bool front, Chunk& out) {
    for (;;) {
      uint64_t s = span.load(std::memory_order_acquire);
      const uint64_t first = s >> kBits & kMask, end = s & kMask;
      if (first >= end) return false;
      // These may belong to a later job already; then this range is empty, or another, and the exchange fails.
      out.body = body.load(std::memory_order_relaxed);
      out.context = context.load(std::memory_order_relaxed);
      out.number = static_cast<int64_t>(front ? first : end - 1);
      const uint64_t rest = front ? s + (uint64_t{1} << kBits) : s - 1;
      if (span.compare_exchange_weak(s, rest, std::memory_order_acq_rel)) return true;
    }
  }
};

// What a helper tells.
struct alignas(kApart) Answer {
  std::atomic<int64_t> done{0};  // chunks, in all jobs so far
  std::atomic<bool> parked{false};
  std::atomic<uint32_t> wake{0};

  void wake_up() {
    if (!parked.load(std::memory_order_relaxed) || !parked.exchange(false)) return;
    wake.fetch_add(1, std::memory_order_seq_cst);
    wake.notify_one();
  }
};

}  // namespace

struct Threads::Impl {
  explicit Impl(size_t count) : ranges(count), answers(count) {}

  std::vector<Range> ranges;    // of the caller, then of each helper
  std::vector<Answer> answers;  // the first is nobody's
  std::atomic<bool> stop{false};
  std::mutex one_job;
  uint64_t job = 0;
  int64_t given = 0;  // chunks that helpers did, in all jobs so far
  std::vector<std::thread> helpers;

  // Runs what is left in the ranges of others.
  template <class Done>
  void steal(size_t me, Done&& done) {
    Chunk c;
    for (size_t k = 1; k < ranges.size(); ++k) {
      Range& other = ranges[(me + k) % ranges.size()];
      while (other.take(false, c)) {
        c.body(c.context, c.number);
        done();
      }
    }
  }

  void helper(size_t me) {
    inside_body = true;  // what a body runs inside is serial
    Range& own = ranges[me];
    Answer& answer = answers[me];
    int64_t done = 0;
    bool waits = false;  // awake, for the next job
    auto since = std::chrono::steady_clock::now();
    for (int turn = 0;; ++turn) {
      if (stop.load(std::memory_order_relaxed)) return;
      Chunk c;
      if (own.take(true, c)) {
        if (waits && me == 1)
          heard(static_cast<int64_t>(__rdtsc() - own.when.load(std::memory_order_relaxed)));
        do {
          c.body(c.context, c.number);
          ++done;
        } while (own.take(true, c));
        answer.done.store(done, std::memory_order_release);
        steal(me, [&] { answer.done.store(++done, std::memory_order_release); });
        since = std::chrono::steady_clock::now();
        waits = false;
        continue;
      }
      waits = true;
      _mm_pause();
      if (turn % 32 != 0 || std::chrono::steady_clock::now() - since < kSpin) continue;
      const uint32_t seen = answer.wake.load(std::memory_order_seq_cst);
      answer.parked.store(true, std::memory_order_seq_cst);
      if (own.empty() && !stop.load(std::memory_order_seq_cst))
        answer.wake.wait(seen, std::memory_order_seq_cst);
      waits = false;
      answer.parked.store(false, std::memory_order_relaxed);
      since = std::chrono::steady_clock::now();
    }
  }

  bool all_done(int64_t expected) const {
    int64_t sum = 0;
    for (size_t i = 1; i < answers.size(); ++i)
      sum += answers[i].done.load(std::memory_order_acquire);
    return sum == expected;
  }

  void run(int64_t chunks, Body body, void* context) {
    const auto count = static_cast<int64_t>(ranges.size());
    job = (job + 1) & 0xffffff;
    const auto first = [&](int64_t t) { return chunks * t / count; };
    for (int64_t t = 1; t < count; ++t) {
      if (first(t) == first(t + 1)) continue;
      const auto i = static_cast<size_t>(t);
      ranges[i].publish(job, first(t), first(t + 1), body, context);
      answers[i].wake_up();
    }
    // The caller's first chunk is in no range: taking it would wait until all of this has arrived.
    int64_t own = first(1) > 0 ? 1 : 0;
    const bool more = first(1) > 1;
    if (more) ranges[0].publish(job, 1, first(1), body, context);
    if (own > 0) body(context, 0);
    // A helper that was about to park has seen its range, or is seen to be parked now.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (int64_t t = 1; t < count; ++t)
      if (first(t) < first(t + 1)) answers[static_cast<size_t>(t)].wake_up();
    Chunk c;
    for (; more && ranges[0].take(true, c); ++own) body(context, c.number);
    for (int turn = 0; turn < kPatience && !all_done(given + chunks - own); ++turn) _mm_pause();
    if (!all_done(given + chunks - own)) steal(0, [&] { ++own; });
    given += chunks - own;
    for (int turn = 0; !all_done(given); ++turn) {
      if (turn < 4096)
        _mm_pause();
      else
        std::this_thread::yield();  // more threads than processors
    }
  }
};

Threads::Threads(int count) : impl_(new Impl(static_cast<size_t>(count))) {
  for (int i = 1; i < count; ++i)
    impl_->helpers.emplace_back([this, i] { impl_->helper(static_cast<size_t>(i)); });
}

Threads::~Threads() {
  impl_->stop = true;
  for (Answer& a : impl_->answers) {
    a.wake.fetch_add(1);
    a.wake.notify_one();
  }
  for (auto& t : impl_->helpers) t.join();
  delete impl_;
}

bool cores_are_far() {
  // A few jobs in many are given out all the same, else nobody would see the cores come nearer.
  static thread_local uint32_t asked = 0;
  return !inside_body && asked++ % kAsk >= kAsked &&
         delay.load(std::memory_order_relaxed) > kFarDelay;
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
  inside_body = true;
  if (chunks <= kMostChunks) {
    p.run(chunks, body, context);
  } else {
    const int64_t each = (chunks + kMostChunks - 1) / kMostChunks;
    auto several = [&](int64_t i) {
      for (int64_t k = i * each; k < std::min(chunks, (i + 1) * each); ++k) body(context, k);
    };
    p.run((chunks + each - 1) / each,
          [](void* f, int64_t i) { (*static_cast<decltype(several)*>(f))(i); }, &several);
  }
  inside_body = false;
}

}  // namespace tenon
