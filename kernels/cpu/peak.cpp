// Measuring the machine (peak.h): the best of several short samples, since whatever else runs on it
// only ever makes them longer.
#include "kernels/cpu/peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/cpu/kernels.h"

namespace tenon::kernels {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSamples = 40;
constexpr int64_t kTurns = 100'000;  // of the chains: well under a millisecond
constexpr int64_t kLeastCopy = 16 << 10, kMostCopy = 512 << 20, kPart = 128 << 10;  // bytes

// The best rate of a few samples of f, which gives how much it did.
template <class F>
double best_rate(F&& f) {
  double best = 0;
  for (int i = 0; i < kSamples; ++i) {
    const auto start = Clock::now();
    const double done = f();
    const std::chrono::duration<double> took = Clock::now() - start;
    best = std::max(best, done / took.count());
  }
  return best;
}

double peak_of(Threads& threads, double (*chains)(int64_t)) {
  return best_rate([&] {
    const int n = threads.count();
    std::vector<double> done(static_cast<size_t>(n));
    threads.each(n, [&](int64_t i) { done[static_cast<size_t>(i)] = chains(kTurns); });
    return std::accumulate(done.begin(), done.end(), 0.0);
  });
}

}  // namespace

PeakRate measure_peak(Threads& threads) {
  const bool wide = isa() == Isa::v4;
  return {peak_of(threads, wide ? v4::run_fma_f32 : v3::run_fma_f32),
          peak_of(threads, wide ? v4::run_fma_f64 : v3::run_fma_f64)};
}

double measure_copy(int64_t bytes, Threads& threads) {
  const int64_t half = std::clamp(bytes, kLeastCopy, kMostCopy) / 2;
  std::vector<char> from(static_cast<size_t>(half), 1), to(static_cast<size_t>(half), 2);
  const int64_t parts = (half + kPart - 1) / kPart;
  // Often enough that the clock and the start of the threads do not matter.
  const int64_t rounds = std::max<int64_t>(1, (int64_t{8} << 20) / half);
  return best_rate([&] {
    for (int64_t round = 0; round < rounds; ++round) {
      if (parts == 1) {
        std::memcpy(to.data(), from.data(), static_cast<size_t>(half));
        asm volatile("" : : "r"(to.data()) : "memory");  // a copy that nobody reads is a copy still
        continue;
      }
      threads.each(parts, [&](int64_t part) {
        const int64_t begin = part * kPart, end = std::min(half, begin + kPart);
        std::memcpy(to.data() + begin, from.data() + begin, static_cast<size_t>(end - begin));
      });
    }
    return 2.0 * static_cast<double>(half * rounds);
  });
}

}  // namespace tenon::kernels
