// mbarriers, TMA and wgmma of the emulator (sim_async.h).
#include "jit/cuda/sim_async.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "jit/cuda/sim.h"

namespace tenon::cuda {

namespace {

constexpr uint64_t kMap = 0x70616d2d6e6f6e65, kBarrier = 0x7265697272616221;  // marks of what we made
constexpr uint32_t kPoison = 0xffc0dead;                                      // a NaN
constexpr int kAdd = 1, kADown = 2, kBDown = 4, kOfBf16 = 8;                  // as in warpgroup.cuh
constexpr size_t kBehind = 64;                                                // bytes of poison behind shared memory
constexpr uint64_t kLine = 128, kPiece = 16;

struct Map {
  uint64_t mark, address;
  int64_t extent[4], stride[3];
  int box[4];
};
static_assert(sizeof(Map) <= sizeof(Gpu::MapWords));

double value(uint16_t bits, bool bf16) {
  if (bf16) return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
  return static_cast<double>(std::bit_cast<_Float16>(bits));
}
double power(int n) { return std::bit_cast<double>(static_cast<uint64_t>(1023 + n) << 52); }

// As tn_tensor_sum of tensor_core.cuh, for 16 products: what those cores do has been measured, and what
// wgmma does is taken to be the same. No test may rely on more than the budget of docs/semantics.md 4.
float tensor_sum(float c, const double* x) {
  double plain = static_cast<double>(c), most = std::fabs(plain);
  for (int i = 0; i < 16; ++i) {
    plain += x[i];
    most = std::max(most, std::fabs(x[i]));
  }
  if (plain - plain != 0 || most == 0) return static_cast<float>(plain);
  const int shift = 25 - (static_cast<int>(std::bit_cast<uint64_t>(most) >> 52 & 0x7ff) - 1023);
  const double scale = power(shift);
  auto cut = [&](double v) { return static_cast<double>(static_cast<int64_t>(v * scale)); };
  double sum = cut(static_cast<double>(c));
  for (int i = 0; i < 16; ++i) sum += cut(x[i]);
  auto result = static_cast<float>(sum);
  if (std::fabs(static_cast<double>(result)) > std::fabs(sum)) result = std::nextafter(result, 0.0f);
  return static_cast<float>(static_cast<double>(result) * power(-shift));
}

std::byte* swizzled(std::byte* p) {
  const auto at = reinterpret_cast<uint64_t>(p);
  return reinterpret_cast<std::byte*>(at ^ (at / kLine % 8 * kPiece));
}

}  // namespace

Gpu::MapWords sim_map(const TensorMap& m) {
  auto refuse = [](const std::string& why) { throw SimFault("no map of a tensor can be made: " + why); };
  if (m.address % 16 != 0) refuse("it begins at no multiple of 16 bytes");
  for (int64_t s : m.stride)
    if (s % 16 != 0 || s <= 0 || s >= int64_t{1} << 40) refuse("a step of " + std::to_string(s) + " bytes");
  for (int64_t e : m.extent)
    if (e < 1 || e > int64_t{1} << 32) refuse("an extent of " + std::to_string(e));
  for (int b : m.box)
    if (b < 1 || b > 256) refuse("a box of " + std::to_string(b));
  if (static_cast<uint64_t>(m.box[0]) * 2 != kLine) refuse("lines of a box that are not 128 bytes");
  Map made{kMap, static_cast<uint64_t>(m.address), {}, {}, {}};
  std::copy(std::begin(m.extent), std::end(m.extent), made.extent);
  std::copy(std::begin(m.stride), std::end(m.stride), made.stride);
  std::copy(std::begin(m.box), std::end(m.box), made.box);
  Gpu::MapWords words{};
  std::memcpy(words.data(), &made, sizeof made);
  return words;
}

void Async::start(size_t threads, size_t shared, Timing timing) {
  timing_ = timing;
  barriers_.clear();
  boxes_.clear();
  threads_.assign(threads, {});
  bytes_ = shared;
  memory_.assign(shared + 1024 + kBehind, std::byte{0xff});
  dynamic_ = memory_.data() + (-reinterpret_cast<uint64_t>(memory_.data()) & 1023);
}

void Async::finish() const {
  if (!boxes_.empty()) throw SimFault(where_() + ": all threads are done while boxes are on their way to shared memory");
  for (const auto& [at, b] : barriers_)
    if (b.bytes != 0) throw SimFault(where_() + ": all threads are done while an mbarrier expects " + std::to_string(b.bytes) + " bytes");
  for (size_t i = 0; i < threads_.size(); ++i) {
    if (!threads_[i].products.empty()) throw SimFault(where_() + ": thread " + std::to_string(i) + " never waited for its products");
    if (threads_[i].history != threads_[i / 128 * 128].history)
      throw SimFault(where_() + ": the threads of a warpgroup multiply different things (thread " + std::to_string(i) + ")");
  }
  for (size_t i = 0; i < kBehind; ++i)
    if (bytes_ > 0 && dynamic_[bytes_ + i] != std::byte{0xff}) throw SimFault(where_() + " writes behind its shared memory");
}

// ---------------------------------------------------------------- mbarriers

Async::Barrier& Async::known(void* at) {
  auto it = barriers_.find(at);
  if (it == barriers_.end()) throw SimFault(where_() + ": an mbarrier that was never made");
  if (*static_cast<uint64_t*>(at) != kBarrier) throw SimFault(where_() + ": an mbarrier that was written over");
  return it->second;
}

void Async::init(void* at, int count, int thread) {
  if (reinterpret_cast<uint64_t>(at) % 8 != 0 || count < 1) throw SimFault(where_() + ": an mbarrier of " + std::to_string(count) + " arrivals, or not aligned");
  if (barriers_.contains(at)) throw SimFault(where_() + ": an mbarrier that is there is made again");
  *static_cast<uint64_t*>(at) = kBarrier;
  barriers_[at] = {count, count, 0, false, thread};
}

void Async::shown(int thread) {
  for (auto& [at, b] : barriers_)
    if (b.shown_by == thread) b.shown_by = -1;
}

void Async::complete(Barrier& b) {
  if (b.pending > 0 || b.bytes != 0) return;
  b.parity = !b.parity;
  b.pending = b.count;
}

void Async::arrive(void* at, int64_t bytes) {
  Barrier& b = known(at);
  if (b.pending == 0) throw SimFault(where_() + ": more than the " + std::to_string(b.count) + " arrivals that an mbarrier was made for");
  b.bytes += bytes;
  --b.pending;
  complete(b);
}

std::string Async::state_of(const Barrier& b) const {
  return "an mbarrier (" + std::to_string(b.pending) + " arrivals and " + std::to_string(b.bytes) + " bytes are missing)";
}

// ---------------------------------------------------------------- boxes

void Async::fetch(void* to, const void* map, void* barrier, const int* at) {
  Box box{static_cast<std::byte*>(to), {}, barrier, {at[0], at[1], at[2], at[3]}};
  std::memcpy(box.map.data(), map, sizeof box.map);
  Map m;
  std::memcpy(&m, map, sizeof m);
  if (m.mark != kMap) throw SimFault(where_() + ": a box of what is no map of a tensor");
  const auto bytes = static_cast<size_t>(2 * m.box[0] * m.box[1] * m.box[2] * m.box[3]);
  if (box.to < dynamic_ || box.to + bytes > dynamic_ + bytes_) throw SimFault(where_() + ": a box to where no shared memory is");
  if (reinterpret_cast<uint64_t>(to) % kLine != 0) throw SimFault(where_() + ": a box to where shared memory is not aligned to 128 bytes");
  if (known(barrier).shown_by >= 0) throw SimFault(where_() + ": a box is told of an mbarrier that was not shown to TMA");
  boxes_.push_back(box);
  if (timing_ == Timing::late_products) bring(boxes_.size() - 1);
}

void Async::bring(size_t which) {
  const Box box = boxes_[which];
  boxes_.erase(boxes_.begin() + static_cast<std::ptrdiff_t>(which));
  Map m;
  std::memcpy(&m, box.map.data(), sizeof m);
  std::byte* to = box.to;
  int64_t bytes = 0;
  for (int w = 0; w < m.box[3]; ++w)
    for (int z = 0; z < m.box[2]; ++z)
      for (int y = 0; y < m.box[1]; ++y) {
        const int64_t c[3] = {int64_t{box.at[1]} + y, int64_t{box.at[2]} + z, int64_t{box.at[3]} + w};
        bool inside = true;
        int64_t from = static_cast<int64_t>(m.address);
        for (int i = 0; i < 3; ++i) {
          inside &= c[i] >= 0 && c[i] < m.extent[i + 1];
          from += c[i] * m.stride[i];
        }
        for (int x = 0; x < m.box[0]; ++x, to += 2, bytes += 2) {
          const int64_t at = int64_t{box.at[0]} + x;
          std::byte* const there = swizzled(to);
          if (!inside || at < 0 || at >= m.extent[0]) {
            there[0] = there[1] = std::byte{0};
            continue;
          }
          if (x == 0 || at + 1 == m.extent[0] || x + 1 == m.box[0]) access_(from + 2 * at, 2);
          std::memcpy(there, reinterpret_cast<const std::byte*>(from + 2 * at), 2);
        }
      }
  Barrier& b = known(box.barrier);
  b.bytes -= bytes;
  complete(b);
}

bool Async::deliver() {
  if (boxes_.empty()) return false;
  bring(0);
  return true;
}

void Async::deliver_some(std::mt19937& random) {
  for (size_t i = boxes_.size(); i-- > 0;)
    if (random() % 4 == 0) bring(i);
}

// ---------------------------------------------------------------- products

const std::byte* Async::element(uint64_t operand, bool down, int row, int k) const {
  const uint64_t start = (operand & 0x3fff) << 4, leading = (operand >> 16 & 0x3fff) << 4, stride = (operand >> 32 & 0x3fff) << 4;
  const auto r = static_cast<uint64_t>(row), d = static_cast<uint64_t>(k);
  uint64_t at = down ? start + r / 64 * leading + d / 8 * stride + d % 8 * kLine + r % 64 * 2 : start + r / 8 * stride + r % 8 * kLine + d * 2;
  at ^= at / kLine % 8 * kPiece;
  if (at + 2 > bytes_) throw SimFault(where_() + ": an operand of a product reaches behind shared memory");
  return dynamic_ + at;
}

void Async::make(int thread, Product& p) {
  const int warp = thread % 128 / 32, lane = thread % 32;
  auto get = [&](uint64_t operand, bool down, int row, int k) {
    uint16_t bits;
    std::memcpy(&bits, element(operand, down, row, k), 2);
    return value(bits, p.kind & kOfBf16);
  };
  double a[2][16], b[16], x[16];
  for (int h = 0; h < 2; ++h)
    for (int k = 0; k < 16; ++k) a[h][k] = get(p.a, p.kind & kADown, warp * 16 + lane / 4 + h * 8, k);
  std::vector<float>& d = threads_[static_cast<size_t>(thread)].hidden[p.d];
  for (int j = 0; j < p.columns / 4; ++j) {
    for (int k = 0; k < 16; ++k) b[k] = get(p.b, p.kind & kBDown, j / 2 * 8 + lane % 4 * 2 + j % 2, k);
    for (int h = 0; h < 2; ++h) {
      float& to = d[static_cast<size_t>(j / 2 * 4 + h * 2 + j % 2)];
      for (int k = 0; k < 16; ++k) x[k] = a[h][k] * b[k];
      to = tensor_sum(p.kind & kAdd ? to : 0.0f, x);
    }
  }
  p.made = true;
}

void Async::multiply(int thread, float* d, int columns, int kind, uint64_t a, uint64_t b, std::mt19937& random) {
  Thread& t = threads_[static_cast<size_t>(thread)];
  if (threads_.size() % 128 != 0) throw SimFault(where_() + " multiplies in a block that is not made of warpgroups");
  if (columns % 8 != 0 || columns < 8 || columns > 256) throw SimFault(where_() + ": a product of " + std::to_string(columns) + " columns");
  if (!t.fenced) throw SimFault(where_() + ": no fence between the accumulators' last use and a product");
  for (uint64_t operand : {a, b}) {
    if (operand >> 62 != 1) throw SimFault(where_() + ": the emulator only knows operands with a swizzle of 128 bytes");
    if ((operand >> 3 & 7) != (operand >> 49 & 7))
      throw SimFault(where_() + ": an operand that begins inside of eight lines, and does not say so");
  }
  t.history = (t.history ^ a) * 0x100000001b3ull;
  t.history = (t.history ^ b) * 0x100000001b3ull;
  t.history = (t.history ^ static_cast<uint64_t>(kind + (columns << 8))) * 0x100000001b3ull;
  if (auto& hidden = t.hidden[d]; hidden.empty()) {
    hidden.assign(d, d + columns / 2);
    for (int i = 0; i < columns / 2; ++i) d[i] = std::bit_cast<float>(kPoison);
  } else if (hidden.size() != static_cast<size_t>(columns) / 2) {
    throw SimFault(where_() + ": products of different shapes into the same accumulators");
  }
  t.products.push_back({d, columns, kind, t.sent, a, b});
  if (timing_ == Timing::late_products || (timing_ == Timing::any && random() % 2)) return;
  for (Product& p : t.products)
    if (!p.made) make(thread, p);
}

void Async::but(int thread, int groups) {
  Thread& t = threads_[static_cast<size_t>(thread)];
  std::erase_if(t.products, [&](Product& p) {
    if (p.group >= t.sent - groups) return false;
    if (!p.made) make(thread, p);
    return true;
  });
  t.fenced = false;
  std::erase_if(t.hidden, [&](const auto& entry) {
    for (const Product& p : t.products)
      if (p.d == entry.first) return false;
    for (size_t i = 0; i < entry.second.size(); ++i)
      if (std::bit_cast<uint32_t>(entry.first[i]) != kPoison)
        throw SimFault(where_() + ": accumulators are written while products into them are under way");
    std::copy(entry.second.begin(), entry.second.end(), entry.first);
    return true;
  });
}

}  // namespace tenon::cuda
