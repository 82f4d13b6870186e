// The runner of point programs: how operands are reached, block by block, and how each instruction
// becomes one call of a block kernel.
#include "kernels/cpu/point_runner.h"

#include <algorithm>
#include <memory>

#include "runtime/trap.h"

namespace tenon::kernels {
namespace {

constexpr int64_t kBlock = 1024;
constexpr int64_t kCacheBytes = 40 << 10;  // what the blocks of one program may take of L1

template <class T>
void splat(void* to, const void* from) {
  T v;
  std::memcpy(&v, from, sizeof v);
  std::fill_n(static_cast<T*>(to), kSplat, v);
}
void splat(void* to, const void* from, size_t size) {
  switch (size) {
    case 1:
      return splat<uint8_t>(to, from);
    case 2:
      return splat<uint16_t>(to, from);
    case 4:
      return splat<uint32_t>(to, from);
    default:
      return splat<uint64_t>(to, from);
  }
}

// n elements between strided memory and a packed block.
template <bool kToBlock, class T>
void move_row(char* block, char* memory, int64_t stride, int64_t n) {
  T* b = reinterpret_cast<T*>(block);
  T* m = reinterpret_cast<T*>(memory);
  if constexpr (kToBlock) {
    if (stride == 1)
      std::memcpy(b, m, static_cast<size_t>(n) * sizeof(T));
    else
      for (int64_t i = 0; i < n; ++i) b[i] = m[i * stride];
  } else {
    if (stride == 1)
      std::memcpy(m, b, static_cast<size_t>(n) * sizeof(T));
    else
      for (int64_t i = 0; i < n; ++i) m[i * stride] = b[i];
  }
}
template <bool kToBlock>
void move_row(char* block, char* memory, int64_t stride, int64_t n, size_t size) {
  switch (size) {
    case 1:
      return move_row<kToBlock, uint8_t>(block, memory, stride, n);
    case 2:
      return move_row<kToBlock, uint16_t>(block, memory, stride, n);
    case 4:
      return move_row<kToBlock, uint32_t>(block, memory, stride, n);
    default:
      return move_row<kToBlock, uint64_t>(block, memory, stride, n);
  }
}

// Walks [begin, begin + n) of a space from position `at`, one stretch of the last axis at a time.
template <class F>
void by_stretches(const int64_t* shape, int rank, const int64_t* from, int64_t n, F&& f) {
  int64_t at[kMaxSpace];
  std::copy_n(from, rank, at);
  int64_t done = 0;
  while (done < n) {
    int64_t stretch = rank == 0 ? 1 : std::min(n - done, shape[rank - 1] - at[rank - 1]);
    f(at, done, stretch);
    done += stretch;
    if (rank == 0) break;
    at[rank - 1] += stretch;
    for (int i = rank - 1; i > 0 && at[i] == shape[i]; --i) {
      at[i] = 0;
      ++at[i - 1];
    }
  }
}

int64_t offset_of(const int64_t* at, const int64_t* strides, int rank) {
  int64_t o = 0;
  for (int i = 0; i < rank; ++i) o += at[i] * strides[i];
  return o;
}

}  // namespace

// ---------------------------------------------------------------- one instruction

void PointRunner::run_op(const PointProgram::Instr& code, void* out, const Place* places, int64_t n,
                         bool* trap) {
  const void* in[3];
  int steps[3];
  for (int j = 0; j < code.n; ++j) {
    in[j] = places[code.in[j]].p;
    steps[j] = places[code.in[j]].step;
  }
  const auto& slots = program_.slots_;
  if (code.op == ir::Op::convert) {
    convert_any(table_, slots[code.in[0]].dtype, slots[code.out].dtype, out, in[0], steps[0], n,
                trap);
    return;
  }
  DType t = slots[code.in[code.op == ir::Op::select ? 1 : 0]].dtype;
  run_block(table_, code.op, t, out, in, steps, code.n, n, trap);
}

void PointRunner::outside(int64_t position, int64_t index, int axis, int64_t extent) {
  std::lock_guard lock(mutex_);
  if (position >= outside_at_) return;
  outside_at_ = position;
  outside_ = "index " + std::to_string(index) + " is outside axis " + std::to_string(axis) +
             " of size " + std::to_string(extent);
}

bool PointRunner::run_read(const PointProgram::Instr& code, char* out, const Place* places,
                           int64_t begin, int64_t n) {
  const View& from = reads_[program_.slots_[code.out].input];
  const size_t size = size_of(from.dtype);
  const char* data = static_cast<const char*>(from.data);
  // One stretch of memory: all indices fixed but one, which counts.
  int counting = -1;
  bool plain = true;
  for (int j = 0; j < code.n; ++j) {
    const Place& p = places[code.in[j]];
    if (p.counts && counting < 0)
      counting = j;
    else if (p.step != 0)
      plain = false;
  }
  if (plain) {
    int64_t o = 0;
    for (int j = 0; j < code.n; ++j) {
      int64_t index;
      std::memcpy(&index, places[code.in[j]].p, 8);
      int64_t last = index + (j == counting ? n - 1 : 0);
      if (index < 0 || index >= from.shape[j])
        return outside(begin, index, j, from.shape[j]), false;
      if (last >= from.shape[j])
        return outside(begin + from.shape[j] - index, from.shape[j], j, from.shape[j]), false;
      o += index * from.strides[j];
    }
    int64_t stride = counting < 0 ? 0 : from.strides[counting];
    move_row<true>(out, const_cast<char*>(data) + o * static_cast<int64_t>(size), stride, n, size);
    return true;
  }
  int64_t offsets[256];
  for (int64_t i0 = 0; i0 < n; i0 += 256) {
    int64_t m = std::min<int64_t>(256, n - i0);
    std::fill_n(offsets, m, 0);
    int64_t bad = m;
    int bad_axis = 0;
    for (int j = 0; j < code.n; ++j) {
      const Place& p = places[code.in[j]];
      const auto* index = reinterpret_cast<const int64_t*>(p.p) + i0 * p.step;
      const int64_t stride = from.strides[j], step = p.step;
      const auto extent = static_cast<uint64_t>(from.shape[j]);
      bool all = true;
      for (int64_t i = 0; i < m; ++i) {
        all &= static_cast<uint64_t>(index[i * step]) < extent;
        offsets[i] += static_cast<int64_t>(static_cast<uint64_t>(index[i * step]) *
                                           static_cast<uint64_t>(stride));
      }
      for (int64_t i = 0; !all && i < bad; ++i)
        if (static_cast<uint64_t>(index[i * step]) >= extent) {
          bad = i;
          bad_axis = j;
        }
    }
    if (bad < m) {
      const Place& p = places[code.in[bad_axis]];
      int64_t index = reinterpret_cast<const int64_t*>(p.p)[(i0 + bad) * p.step];
      return outside(begin + i0 + bad, index, bad_axis, from.shape[bad_axis]), false;
    }
    auto gather = [&]<class T>() {
      const T* d = reinterpret_cast<const T*>(data);
      T* o = reinterpret_cast<T*>(out) + i0;
      for (int64_t i = 0; i < m; ++i) o[i] = d[offsets[i]];
    };
    switch (size) {
      case 1:
        gather.template operator()<uint8_t>();
        break;
      case 2:
        gather.template operator()<uint16_t>();
        break;
      case 4:
        gather.template operator()<uint32_t>();
        break;
      default:
        gather.template operator()<uint64_t>();
        break;
    }
  }
  return true;
}

// ---------------------------------------------------------------- the space

PointRunner::PointRunner(const PointProgram& program, std::span<const int64_t> space,
                         std::span<const PointOperand> operands,
                         std::span<const PointResult> results, std::span<const View> reads)
    : program_(program), reads_(reads), table_(point_table()) {
  for (int64_t x : space) count_ *= x;
  const int n_axes = static_cast<int>(space.size());
  operands_.resize(operands.size());
  results_.resize(results.size());
  // Merge axes that everybody walks alike; not when the program looks at indices.
  int64_t dense_step[kMaxSpace];
  for (int64_t i = n_axes - 1, step = 1; i >= 0; --i) {
    dense_step[i] = step;
    step *= space[static_cast<size_t>(i)];
  }
  auto stride_of = [&](const int64_t* s, int i, bool result) {
    if (s) return space[static_cast<size_t>(i)] == 1 ? int64_t{0} : s[i];
    return result ? dense_step[i] : int64_t{0};
  };
  for (int i = 0; i < n_axes; ++i) {
    const int64_t extent = space[static_cast<size_t>(i)];
    if (extent == 1 && !program.reads_by_index_) continue;
    bool merge = rank_ > 0 && !program.reads_by_index_;
    if (merge) {
      for (size_t k = 0; merge && k < operands.size(); ++k)
        merge =
            operands_[k].strides[rank_ - 1] == stride_of(operands[k].strides, i, false) * extent;
      for (size_t k = 0; merge && k < results.size(); ++k)
        merge = results_[k].strides[rank_ - 1] == stride_of(results[k].strides, i, true) * extent;
    }
    int to = merge ? rank_ - 1 : rank_++;
    shape_[to] = merge ? shape_[to] * extent : extent;
    for (size_t k = 0; k < operands.size(); ++k)
      operands_[k].strides[to] = stride_of(operands[k].strides, i, false);
    for (size_t k = 0; k < results.size(); ++k)
      results_[k].strides[to] = stride_of(results[k].strides, i, true);
  }
  inner_ = rank_ > 0 ? shape_[rank_ - 1] : 1;
  by_rows_ = inner_ >= 128 || rank_ <= 1;

  auto dense = [&](const int64_t* strides) {
    int64_t step = 1;
    for (int i = rank_ - 1; i >= 0; --i) {
      if (shape_[i] != 1 && strides[i] != step) return false;
      step *= shape_[i];
    }
    return true;
  };
  int packed = 0;
  for (size_t k = 0; k < operands.size(); ++k) {
    Operand& o = operands_[k];
    o.data = static_cast<const char*>(operands[k].data);
    bool uniform = true;
    for (int i = 0; i < rank_; ++i) uniform &= o.strides[i] == 0;
    const int64_t last = rank_ > 0 ? o.strides[rank_ - 1] : 0;
    o.access = uniform            ? Access::uniform
               : dense(o.strides) ? Access::dense
               : !by_rows_        ? Access::packed
               : last == 1        ? Access::row
               : last == 0        ? Access::row_splat
                                  : Access::packed;
    packed += o.access == Access::packed;
  }
  for (size_t k = 0; k < results.size(); ++k) {
    Result& r = results_[k];
    r.data = static_cast<char*>(results[k].data);
    r.dense = dense(r.strides);
    r.direct = false;
    const auto& slot = program.slots_[program.results_[k]];
    if (!r.dense || slot.scratch < 0) continue;
    r.direct = true;
    for (size_t j = k + 1; j < program.results_.size(); ++j)
      if (program.results_[j] == program.results_[k]) r.direct = false;  // the later one takes it
    if (program.code_.back().out == program.results_[k]) continue;
    // Written before others have read: not over an operand.
    const char* begin = r.data;
    const char* end = begin + count_ * static_cast<int64_t>(size_of(slot.dtype));
    for (size_t j = 0; j < operands.size(); ++j) {
      if (operands_[j].access == Access::uniform) continue;
      int64_t low = 0, high = 1;
      for (int i = 0; i < rank_; ++i) {
        int64_t reach = operands_[j].strides[i] * (shape_[i] - 1);
        (reach < 0 ? low : high) += reach;
      }
      const auto size = static_cast<int64_t>(size_of(program.slots_[j].dtype));
      if (operands_[j].data + low * size < end && begin < operands_[j].data + high * size)
        r.direct = false;
    }
  }
  int64_t blocks = program.scratch_ + packed + (program.reads_by_index_ ? 2 : 0);
  while (block_ > 128 && block_ * 4 * blocks > kCacheBytes) block_ /= 2;
}

int64_t PointRunner::piece() const {
  int64_t cost = 1;
  for (const auto& i : program_.code_)
    cost += i.kind == PointProgram::Kind::read ? 4 : ir::cost_of(i.op);
  return std::max<int64_t>(kBlock, (int64_t{1} << 16) / cost / kBlock * kBlock);
}

// ---------------------------------------------------------------- running

struct PointRunner::Memory {
  std::vector<Place> places;   // per slot
  std::vector<char*> buffers;  // per slot that is filled
  std::unique_ptr<char[]> bytes;
  size_t size = 0;
  char* base = nullptr;

  void reserve(size_t need) {
    if (need + 64 > size) {
      size = need + 64;
      bytes.reset(new char[size]);
    }
    base = bytes.get() + (64 - reinterpret_cast<uintptr_t>(bytes.get()) % 64) % 64;
  }
};

void PointRunner::run(int64_t begin, int64_t end, void* const* packed) {
  if (begin >= end) return;
  const auto& slots = program_.slots_;
  static thread_local Memory m;

  // Memory: a block per scratch slot, and per slot that is filled (operands, constants, indices).
  const int64_t block_bytes = block_ * 8;
  size_t filled = 0;
  for (const auto& s : slots) filled += s.scratch < 0;
  m.reserve(static_cast<size_t>(block_bytes) * (static_cast<size_t>(program_.scratch_) + filled));
  m.places.resize(slots.size());
  char* scratch = m.base;
  char* next = scratch + program_.scratch_ * block_bytes;
  m.buffers.assign(slots.size(), nullptr);
  for (size_t s = 0; s < slots.size(); ++s) {
    if (slots[s].scratch >= 0) {
      m.places[s] = {scratch + slots[s].scratch * block_bytes, 1, false};
      continue;
    }
    char* buffer = next;
    m.buffers[s] = buffer;
    next += block_bytes;
    const size_t size = size_of(slots[s].dtype);
    m.places[s] = {buffer, 0, false};
    if (slots[s].kind == PointProgram::Kind::constant)
      splat(buffer, &slots[s].constant, size);
    else if (slots[s].kind == PointProgram::Kind::input &&
             operands_[slots[s].input].access == Access::uniform)
      splat(buffer, operands_[slots[s].input].data, size);
  }
  char* const* buffers = m.buffers.data();

  int64_t at[kMaxSpace] = {};
  for (int64_t i = rank_ - 1, rest = begin; i >= 0; --i) {
    at[i] = rest % shape_[i];
    rest /= shape_[i];
  }
  bool trap = false;
  bool new_row = true;
  for (int64_t f = begin; f < end;) {
    int64_t n = std::min(block_, end - f);
    if (by_rows_ && rank_ > 0) n = std::min(n, inner_ - at[rank_ - 1]);
    // ---- operands and indices
    for (size_t s = 0; s < slots.size(); ++s) {
      Place& place = m.places[s];
      const auto size = static_cast<int64_t>(size_of(slots[s].dtype));
      if (slots[s].kind == PointProgram::Kind::input) {
        const Operand& o = operands_[slots[s].input];
        switch (o.access) {
          case Access::uniform:
            break;
          case Access::dense:
            place = {o.data + f * size, 1, false};
            break;
          case Access::row:
            place = {o.data + offset_of(at, o.strides, rank_) * size, 1, false};
            break;
          case Access::row_splat:
            if (new_row)
              splat(buffers[s], o.data + offset_of(at, o.strides, rank_) * size,
                    static_cast<size_t>(size));
            place = {buffers[s], 0, false};
            break;
          case Access::packed:
            by_stretches(shape_, rank_, at, n,
                         [&](const int64_t* here, int64_t done, int64_t stretch) {
                           move_row<true>(
                               buffers[s] + done * size,
                               const_cast<char*>(o.data) + offset_of(here, o.strides, rank_) * size,
                               o.strides[rank_ - 1], stretch, static_cast<size_t>(size));
                         });
            place = {buffers[s], 1, false};
            break;
        }
      } else if (slots[s].kind == PointProgram::Kind::index) {
        auto* index = reinterpret_cast<int64_t*>(buffers[s]);
        const int axis = slots[s].input;
        if (by_rows_ && axis != rank_ - 1) {
          if (new_row) std::fill_n(index, kSplat, at[axis]);
          place = {buffers[s], 0, false};
        } else {
          by_stretches(shape_, rank_, at, n,
                       [&](const int64_t* here, int64_t done, int64_t stretch) {
                         if (axis == rank_ - 1)
                           for (int64_t i = 0; i < stretch; ++i) index[done + i] = here[axis] + i;
                         else
                           std::fill_n(index + done, stretch, here[axis]);
                       });
          place = {buffers[s], 1, by_rows_ && axis == rank_ - 1};
        }
      }
    }
    // ---- where direct results go
    for (size_t k = 0; k < results_.size(); ++k) {
      const int s = program_.results_[k];
      const auto size = static_cast<int64_t>(size_of(slots[s].dtype));
      if (packed && slots[s].scratch >= 0)
        m.places[s].p = static_cast<char*>(packed[k]) + (f - begin) * size;
      else if (!packed && results_[k].direct)
        m.places[s].p = results_[k].data + f * size;
    }
    // ---- the program
    for (const auto& code : program_.code_) {
      char* out = const_cast<char*>(m.places[code.out].p);
      if (code.kind == PointProgram::Kind::read) {
        if (!run_read(code, out, m.places.data(), f, n)) return;
      } else {
        run_op(code, out, m.places.data(), n, &trap);
      }
    }
    // ---- results that were not written in place
    for (size_t k = 0; k < program_.results_.size(); ++k) {
      const int s = program_.results_[k];
      const auto size = static_cast<int64_t>(size_of(slots[s].dtype));
      const Place& p = m.places[s];
      if (packed) {
        char* to = static_cast<char*>(packed[k]) + (f - begin) * size;
        if (p.p != to) {
          if (p.step == 0)
            for (int64_t i = 0; i < n; ++i)
              std::memcpy(to + i * size, p.p, static_cast<size_t>(size));
          else
            std::memcpy(to, p.p, static_cast<size_t>(n * size));
        }
        continue;
      }
      const Result& r = results_[k];
      if (r.direct) continue;
      by_stretches(shape_, rank_, at, n, [&](const int64_t* here, int64_t done, int64_t stretch) {
        char* to = r.data + offset_of(here, r.strides, rank_) * size;
        int64_t step = rank_ > 0 ? r.strides[rank_ - 1] : 0;
        if (p.step == 0)
          for (int64_t i = 0; i < stretch; ++i)
            std::memcpy(to + i * step * size, p.p, static_cast<size_t>(size));
        else
          move_row<false>(const_cast<char*>(p.p) + done * size, to, step, stretch,
                          static_cast<size_t>(size));
      });
    }
    // ---- on
    f += n;
    new_row = false;
    if (rank_ == 0) break;
    at[rank_ - 1] += n;
    for (int i = rank_ - 1; i > 0 && at[i] >= shape_[i]; --i) {
      new_row = true;
      at[i - 1] += at[i] / shape_[i];
      at[i] %= shape_[i];
    }
    if (trap) {
      trapped_.store(true, std::memory_order_relaxed);
      return;
    }
  }
  if (trap) trapped_.store(true, std::memory_order_relaxed);
}

void PointRunner::run_all(Threads& threads) {
  const int64_t each = piece();
  if (count_ <= each) {
    run(0, count_);
  } else {
    threads.each((count_ + each - 1) / each,
                 [&](int64_t c) { run(c * each, std::min(count_, (c + 1) * each)); });
  }
  rethrow();
}

void PointRunner::rethrow() {
  if (outside_at_ != INT64_MAX) throw Trap(Code::E0802, outside_);
  if (trapped_) throw Trap(Code::E0801, "division of an integer by zero");
}

}  // namespace tenon::kernels
