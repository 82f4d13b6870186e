// Contractions that are plain or batched products of matrices, for warpgroups (warpgroup.h).
#include "jit/cuda/warpgroup.h"

#include <algorithm>

#include "jit/cuda/nodes.h"
#include "jit/cuda/print.h"
#include "kernels/cuda/kernels.h"

namespace tenon::cuda {

namespace {

using Index = GroupProduct::Index;
constexpr int kRows = 128, kDeep = 64, kStages = 4;      // as in gemm_group.cuh
constexpr int kADown = 2, kBDown = 4, kOfBf16 = 8;       // as in warpgroup.cuh
constexpr int64_t kWide = 8;                             // elements of 16 bytes
constexpr int64_t kMost = int64_t{1} << 31;              // coordinates of a box are ints

// Indices that move as one become one; those of extent 1 go.
void fold(std::vector<Index>& list) {
  std::vector<Index> folded;
  for (const Index& i : list) {
    if (i.extent == 1) continue;
    if (!folded.empty()) {
      Index& o = folded.back();
      if (o.a == i.a * i.extent && o.b == i.b * i.extent && o.out == i.out * i.extent) {
        o = {o.extent * i.extent, i.a, i.b, i.out};
        continue;
      }
    }
    folded.push_back(i);
  }
  list = std::move(folded);
}

struct Operand {
  TensorMap map;
  bool down = false;
};
// An operand with its lines, what is summed and its batch; false where TMA cannot bring it.
bool operand(Operand& o, DType t, int64_t address, const Index& line, const Index& sum, const std::vector<Index>& batch,
             int64_t Index::*in, int lines) {
  o.down = sum.*in != 1;
  const Index &near = o.down ? line : sum, &far = o.down ? sum : line;
  if (near.*in != 1 || address % 16 != 0) return false;
  o.map.address = address;
  o.map.bf16 = t == DType::bf16;
  o.map.extent[0] = near.extent;
  o.map.extent[1] = far.extent;
  o.map.stride[0] = far.*in;
  for (size_t i = 0; i < 2; ++i) {  // the inner one first; one that is missing is one element
    const bool there = i < batch.size();
    const Index one = there ? batch[batch.size() - 1 - i] : Index{1, 0, 0, 0};
    o.map.extent[i + 2] = one.extent;
    o.map.stride[i + 1] = there ? one.*in : o.map.stride[i] * o.map.extent[i + 1];
  }
  for (int64_t& s : o.map.stride) {
    if (s % kWide != 0 || s <= 0) return false;
    s *= static_cast<int64_t>(size_of(t));
  }
  o.map.box[1] = o.down ? kDeep : lines;
  return std::all_of(std::begin(o.map.extent), std::end(o.map.extent), [](int64_t e) { return e < kMost; });
}

}  // namespace

std::string group_kernel(const std::string& name, DType t, int kind, int columns) {
  return "TN_KERNEL_OF(384) " + name +
         "(TN_MAP(a), TN_MAP(b), tn_int n0, tn_int n1, tn_int n2, tn_int n3, tn_int n4, tn_int n5, tn_int n6, tn_int n7, tn_int n8, "
         "tn_int n9, tn_int n10) {\n  TN_MAP_IS(a);\n  TN_MAP_IS(b);\n"
         "  const TnGroupGemm p = {n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10};\n  tn_gemm_group<" +
         std::string(storage_name(t)) + ", " + std::to_string(columns) + ", " + std::to_string(kind) + ">(a, b, p);\n}\n";
}

bool multiply_on_warpgroups(GroupProduct p, Stage& stage) {
  if (!stage.warpgroups() || (p.dtype != DType::f16 && p.dtype != DType::bf16)) return false;
  for (auto* list : {&p.rows, &p.cols, &p.batch, &p.sum}) fold(*list);
  if (p.rows.size() != 1 || p.cols.size() != 1 || p.sum.size() != 1 || p.batch.size() > 2) return false;
  if (p.rows[0].out == 1 && p.cols[0].out != 1) {  // lines of the result are rows of a tile
    std::swap(p.a, p.b);
    std::swap(p.rows, p.cols);
    for (auto* list : {&p.rows, &p.cols, &p.batch, &p.sum})
      for (Index& i : *list) std::swap(i.a, i.b);
  }
  const Index &row = p.rows[0], &col = p.cols[0], &sum = p.sum[0];
  if (row.extent < kRows || col.extent < kRows || sum.extent < kDeep) return false;
  auto cut = [](int64_t n, int64_t by) { return (n + by - 1) / by; };
  int64_t batches = 1;
  for (const Index& i : p.batch) batches *= i.extent;
  auto tiles = [&](int columns) { return batches * cut(row.extent, kRows) * cut(col.extent, columns); };
  const int columns = col.extent > kRows && tiles(2 * kRows) >= stage.multiprocessors() ? 2 * kRows : kRows;
  Operand a, b;
  if (!operand(a, p.dtype, p.a, row, sum, p.batch, &Index::a, kRows) ||
      !operand(b, p.dtype, p.b, col, sum, p.batch, &Index::b, columns))
    return false;
  const int kind = (a.down ? kADown : 0) | (b.down ? kBDown : 0) | (p.dtype == DType::bf16 ? kOfBf16 : 0);
  std::vector<int64_t> args;
  for (const Operand* o : {&a, &b}) {
    const Gpu::MapWords words = stage.map_of(o->map);
    args.insert(args.end(), words.begin(), words.end());
  }
  const Index one{1, 0, 0, 0}, inner = p.batch.empty() ? one : p.batch.back(), outer = p.batch.size() < 2 ? one : p.batch[0];
  const bool pairs = p.out % 4 == 0 && col.out == 1 && row.out % 2 == 0 && inner.out % 2 == 0 && outer.out % 2 == 0;
  args.insert(args.end(), {p.out, row.extent, col.extent, sum.extent, inner.extent, outer.extent, row.out, col.out, inner.out,
                           outer.out, pairs});
  const std::string name = "tn_gemm_group_" + std::string(storage_name(p.dtype)) + "_" + std::to_string(kind) + "_" + std::to_string(columns);
  const int shared = kStages * (kRows + columns) * 128 + 1024;
  stage.launch_late(name, [&] { return std::string(kernels::cuda_warpgroups()) + group_kernel(name, p.dtype, kind, columns); },
                    kGroupSlots, std::min(tiles(columns), stage.multiprocessors()), kGroupThreads, args, {shared, 2});
  return true;
}

}  // namespace tenon::cuda
