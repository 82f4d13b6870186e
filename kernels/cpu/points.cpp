// Elementwise nodes, map and scatter: the runner over a whole space, and what becomes of its
// values.
#include "kernels/cpu/points.h"

#include <algorithm>
#include <memory>

#include "ir/scalar/program.h"
#include "kernels/cpu/point_runner.h"
#include "kernels/cpu/reduce_table.h"
#include "kernels/cpu/walk.h"
#include "runtime/trap.h"

namespace tenon::kernels {
namespace {

std::span<const int64_t> list(const Extents& e) {
  return {e.begin(), static_cast<size_t>(e.size())};
}

// ---------------------------------------------------------------- map with reduced axes

// Continues the chain of one output over k values: blocks of 1024, each from the identity, whose
// results are combined in order (docs/semantics.md).
template <ir::ReduceKind kind, class T>
struct Chain {
  T total{}, block{};
  int64_t done = 0;
  T none;
  void close() {
    total = done <= kChainBlock ? block : step(total, block);
    block = none;
  }
  static T step(T a, T b) {
    if constexpr (kind == ir::ReduceKind::any)
      return a | b;
    else if constexpr (kind == ir::ReduceKind::all)
      return a & b;
    else if constexpr (kind == ir::ReduceKind::max)
      return (b > a || b != b) ? b : a;
    else if constexpr (kind == ir::ReduceKind::min)
      return (b < a || b != b) ? b : a;
    else if constexpr (std::is_floating_point_v<T>) {
      if constexpr (kind == ir::ReduceKind::sum)
        return a + b;
      else
        return a * b;
    } else {
      auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
      if constexpr (kind == ir::ReduceKind::sum)
        return static_cast<T>(x + y);
      else
        return static_cast<T>(x * y);
    }
  }
  void add(const T* v, int64_t n) {
    for (int64_t i = 0; i < n;) {
      const int64_t stop = std::min(n, i + kChainBlock - done % kChainBlock);
      done += stop - i;
      T b = block;
      for (; i < stop; ++i) b = step(b, v[i]);
      block = b;
      if (done % kChainBlock == 0) close();
    }
  }
  T finish() {
    if (done % kChainBlock != 0) close();
    return done == 0 ? none : total;
  }
};

// The values of one output after another come in pieces; out[o] follows from depth values each.
template <ir::ReduceKind kind, DType t>
void map_chains(PointRunner& runner, int64_t outputs, int64_t depth, void* result,
                Threads& threads) {
  using T = scalar::Storage<sum_type(t)>;
  using S = scalar::Storage<t>;
  T* to = static_cast<T*>(result);
  T none;
  identity(kind, sum_type(t), &none);
  const int64_t each = std::max<int64_t>(1, runner.piece() / std::max<int64_t>(1, depth));
  threads.each((outputs + each - 1) / each, [&](int64_t piece) {
    const int64_t o0 = piece * each, o1 = std::min(outputs, o0 + each);
    constexpr int64_t kPart = 4096;
    alignas(64) S values[kPart];
    void* packed = values;
    Chain<kind, T> chain{none, none, 0, none};
    int64_t o = o0, left = depth;
    for (int64_t f = o0 * depth; f < o1 * depth;) {
      const int64_t n = std::min(kPart, o1 * depth - f);
      runner.run(f, f + n, &packed);
      for (int64_t i = 0; i < n;) {
        const int64_t stretch = std::min(left, n - i);
        if constexpr (std::is_same_v<S, T>) {
          chain.add(values + i, stretch);
        } else {
          for (int64_t j = 0; j < stretch; ++j) {
            T wide = scalar::load_plain<t>(values[i + j]);
            chain.add(&wide, 1);
          }
        }
        i += stretch;
        left -= stretch;
        if (left > 0) continue;
        to[o++] = chain.finish();
        chain = {none, none, 0, none};
        left = depth;
      }
      f += n;
    }
  });
}

// Without output axes: sum_run.
void map_run(PointRunner& runner, ir::ReduceKind kind, DType t, int64_t depth, void* result,
             Threads& threads) {
  const DType sum = sum_type(t);
  const int64_t chunks = (depth + kRunChunk - 1) / kRunChunk,
                size = static_cast<int64_t>(size_of(sum));
  std::unique_ptr<char[]> partial(
      new char[static_cast<size_t>(std::max<int64_t>(1, chunks) * size)]);
  threads.each(chunks, [&](int64_t c) {
    const int64_t k0 = c * kRunChunk, k1 = std::min(depth, k0 + kRunChunk);
    std::unique_ptr<char[]> values(new char[static_cast<size_t>(k1 - k0) * size_of(t)]);
    void* packed = values.get();
    runner.run(k0, k1, &packed);
    run_contiguous(kind, t, values.get(), k1 - k0, partial.get() + c * size);
  });
  if (chunks == 1)
    std::memcpy(result, partial.get(), static_cast<size_t>(size));
  else
    run_contiguous(kind, sum, partial.get(), chunks, result);
}

}  // namespace

void run_points(const PointProgram& program, const Extents& space,
                std::span<const PointOperand> operands, std::span<const PointResult> results,
                std::span<const View> reads, Threads& threads) {
  PointRunner runner(program, list(space), operands, results, reads);
  runner.run_all(threads);
}

void run_map(const PointProgram& program, const Extents& out, const Extents& red,
             ir::ReduceKind kind, std::span<const PointOperand> operands,
             std::span<const View> reads, void* result, Threads& threads) {
  if (red.empty()) {
    const PointResult to{result, nullptr};
    return run_points(program, out, operands, {&to, 1}, reads, threads);
  }
  int64_t space[kMaxSpace];
  int axes = 0;
  for (int64_t x : out) space[axes++] = x;
  for (int64_t x : red) space[axes++] = x;
  PointRunner runner(program, {space, static_cast<size_t>(axes)}, operands, {}, reads);
  const DType t = program.result_type(0), sum = sum_type(t);
  const int64_t outputs = out.product(), depth = red.product();
  Tensor wide;
  void* to = result;
  if (sum != t) {
    wide = Tensor(sum, {outputs});
    to = wide.raw();
  }
  if (depth == 0) {
    for (int64_t o = 0; o < outputs; ++o)
      identity(kind, sum, static_cast<char*>(to) + o * static_cast<int64_t>(size_of(sum)));
  } else if (out.empty()) {
    map_run(runner, kind, t, depth, to, threads);
  } else {
    scalar::visit_dtype(t, [&]<DType kT>() {
      auto run = [&]<ir::ReduceKind kind_>() {
        if constexpr (reduces(kind_, kT))
          map_chains<kind_, kT>(runner, outputs, depth, to, threads);
      };
      switch (kind) {
        case ir::ReduceKind::sum:
          run.template operator()<ir::ReduceKind::sum>();
          break;
        case ir::ReduceKind::prod:
          run.template operator()<ir::ReduceKind::prod>();
          break;
        case ir::ReduceKind::max:
          run.template operator()<ir::ReduceKind::max>();
          break;
        case ir::ReduceKind::min:
          run.template operator()<ir::ReduceKind::min>();
          break;
        case ir::ReduceKind::any:
          run.template operator()<ir::ReduceKind::any>();
          break;
        case ir::ReduceKind::all:
          run.template operator()<ir::ReduceKind::all>();
          break;
      }
    });
  }
  runner.rethrow();
  if (sum != t) {
    int64_t one = 1;
    narrow(sum, to, View(result, &outputs, &one, 1, t));
  }
}

void run_scatter(const PointProgram& program, const Extents& space,
                 std::span<const PointOperand> operands, std::span<const View> reads, const View& x,
                 Threads& threads) {
  PointRunner runner(program, list(space), operands, {}, reads);
  const int64_t n = runner.count();
  if (n == 0) return;
  // Parts of the space: targets and values side by side in parallel, then added in order.
  const int64_t part = std::min<int64_t>(n, 1 << 16);
  const int rank = x.rank;
  std::unique_ptr<int64_t[]> targets(new int64_t[static_cast<size_t>(std::max(1, rank) * part)]);
  std::unique_ptr<char[]> values(new char[static_cast<size_t>(part) * size_of(x.dtype)]);
  const int64_t each = std::min(part, runner.piece());
  for (int64_t f0 = 0; f0 < n; f0 += part) {
    const int64_t m = std::min(part, n - f0);
    threads.each((m + each - 1) / each, [&](int64_t c) {
      const int64_t k0 = c * each, k1 = std::min(m, k0 + each);
      void* packed[kMaxRank + 1];
      for (int i = 0; i < rank; ++i) packed[i] = targets.get() + i * part + k0;
      packed[rank] = values.get() + k0 * static_cast<int64_t>(size_of(x.dtype));
      runner.run(f0 + k0, f0 + k1, packed);
    });
    runner.rethrow();
    scalar::visit_dtype(x.dtype, [&]<DType t>() {
      if constexpr (t != DType::boolean) {
        using S = scalar::Storage<t>;
        scalar::Plain plain;
        const S* v = reinterpret_cast<const S*>(values.get());
        S* data = static_cast<S*>(x.data);
        for (int64_t k = 0; k < m; ++k) {
          int64_t o = 0;
          for (int i = 0; i < rank; ++i) {
            const int64_t at = targets[static_cast<size_t>(i * part + k)];
            if (at < 0 || at >= x.shape[i])
              throw Trap(Code::E0802, "index " + std::to_string(at) + " is outside axis " +
                                          std::to_string(i) + " of size " +
                                          std::to_string(x.shape[i]));
            o += at * x.strides[i];
          }
          auto sum = scalar::apply<ir::Op::add, t>(plain, scalar::load_plain<t>(data[o]),
                                                   scalar::load_plain<t>(v[k]));
          data[o] = scalar::store_plain<t>(sum);
        }
      }
    });
  }
}

void run_point(ir::Op op, std::span<const View> in, const View& out, Threads& threads) {
  // One program per operation and dtypes, made at its first use on each thread.
  struct Key {
    ir::Op op;
    DType in[3], out;
    bool operator==(const Key&) const = default;
  };
  static thread_local std::vector<std::pair<Key, std::unique_ptr<PointProgram>>> programs;
  Key key{op, {}, out.dtype};
  for (size_t i = 0; i < in.size(); ++i) key.in[i] = in[i].dtype;
  PointProgram* program = nullptr;
  for (auto& [k, p] : programs)
    if (k == key) program = p.get();
  if (!program) {
    auto p = std::make_unique<PointProgram>();
    int slots[3];
    for (size_t i = 0; i < in.size(); ++i) slots[i] = p->input(in[i].dtype);
    p->result(op == ir::Op::convert ? p->convert(slots[0], out.dtype)
                                    : p->op_n(op, slots, static_cast<int>(in.size())));
    p->finish();
    program = p.get();
    programs.emplace_back(key, std::move(p));
  }
  PointOperand operands[3];
  for (size_t i = 0; i < in.size(); ++i)
    operands[i] = {in[i].data, in[i].rank == 0 ? nullptr : in[i].strides};
  const PointResult result{out.data, nullptr};
  PointRunner runner(*program, {out.shape, static_cast<size_t>(out.rank)}, {operands, in.size()},
                     {&result, 1}, {});
  runner.run_all(threads);
}

}  // namespace tenon::kernels
