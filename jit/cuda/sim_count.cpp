// Sectors and banks of emulated kernels (sim_count.h).
#include "jit/cuda/sim_count.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <tuple>

namespace tenon::cuda {

namespace {

constexpr int64_t kSector = 32, kBanks = 32, kWord = 4, kLine = kBanks * kWord;
constexpr int64_t kBlocks = 16;  // of a launch's kernel are looked at in full; the others would say the same

}  // namespace

SimCount* SimCount::wanted() {
  const char* path = std::getenv("TENON_SIM_COUNT");
  if (!path || !*path) return nullptr;
  static SimCount* count = [] {
    auto* made = new SimCount;
    std::atexit([] { wanted()->write(); });
    return made;
  }();
  count->path_ = path;
  return count;
}
SimCount::SimCount() = default;

const char* SimCount::options() { return "-fsanitize=kernel-address"; }
const char* SimCount::text() {
  return R"(
extern "C" {
void (*tn_touch)(const void* site, tn_int at, tn_int bytes);
#define TN_TOUCH(name, bytes)                                                                   \
  __attribute__((no_sanitize_address, noinline)) void name##bytes##_noabort(const void* p) {    \
    tn_touch(__builtin_return_address(0), (tn_int)p, bytes);                                    \
  }
#define TN_TOUCH_N(name)                                                                        \
  __attribute__((no_sanitize_address, noinline)) void name##N_noabort(const void* p, tn_int n) { \
    tn_touch(__builtin_return_address(0), (tn_int)p, n);                                        \
  }
TN_TOUCH(__asan_load, 1) TN_TOUCH(__asan_load, 2) TN_TOUCH(__asan_load, 4) TN_TOUCH(__asan_load, 8) TN_TOUCH(__asan_load, 16)
TN_TOUCH(__asan_store, 1) TN_TOUCH(__asan_store, 2) TN_TOUCH(__asan_store, 4) TN_TOUCH(__asan_store, 8) TN_TOUCH(__asan_store, 16)
TN_TOUCH_N(__asan_load) TN_TOUCH_N(__asan_store)
void __asan_handle_no_return() {}
}
)";
}

void SimCount::touched(int thread, const void* site, long long at, long long bytes, Where where) {
  block_.push_back({thread / 32, site, turns_[{thread, site}]++, thread % 32, at, bytes, where});
}

void SimCount::end_block(const std::string& kernel) {
  Sum& sum = sums_[kernel];
  if (++sum.blocks <= kBlocks) {
    std::stable_sort(block_.begin(), block_.end(), [](const Access& a, const Access& b) {
      return std::tuple(a.key(), a.lane) < std::tuple(b.key(), b.lane);
    });
    for (size_t begin = 0, end; begin < block_.size(); begin = end) {
      for (end = begin; end < block_.size() && block_[end].key() == block_[begin].key();) ++end;
      const auto which = static_cast<size_t>(block_[begin].where);
      const int64_t grain = which == 0 ? 1 : kWord;
      std::set<int64_t> touched, sectors;
      ++sum.requests[which];
      // Of 8 or 16 bytes a lane, half a warp or a quarter has a turn of its own.
      const auto lanes = static_cast<int>(std::max<int64_t>(1, kLine / std::max<int64_t>(kWord, block_[begin].bytes)));
      for (size_t i = begin; i < end;) {
        std::map<int64_t, std::set<int64_t>> banks;
        for (const int group = block_[i].lane / lanes; i < end && block_[i].lane / lanes == group; ++i) {
          const Access& a = block_[i];
          for (int64_t at = a.at / grain * grain; at < a.at + a.bytes; at += grain) {
            touched.insert(at);
            sectors.insert(at / kSector);
            banks[at / kWord % kBanks].insert(at / kWord);
          }
        }
        size_t turns = 0;
        for (const auto& [bank, words] : banks) turns = std::max(turns, words.size());
        if (which == 1) sum.taken[1] += static_cast<int64_t>(turns);
      }
      const int64_t bytes = static_cast<int64_t>(touched.size()) * grain;
      if (which == 0) sum.taken[0] += static_cast<int64_t>(sectors.size());
      sum.least[which] += (bytes + (which == 0 ? kSector : kLine) - 1) / (which == 0 ? kSector : kLine);
    }
  }
  block_.clear();
  turns_.clear();
}

void SimCount::write() const {
  std::ofstream out(path_, std::ios::app);
  for (const auto& [kernel, s] : sums_) {
    out << kernel << " blocks " << s.blocks << " memory " << s.requests[0] << " sectors " << s.taken[0] << " of at least "
        << s.least[0] << " shared " << s.requests[1] << " turns " << s.taken[1] << " of at least " << s.least[1] << "\n";
  }
}

}  // namespace tenon::cuda
