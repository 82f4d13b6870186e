// One operation over one block, for every dtype: the 16-bit floats go through f32, so that their
// block kernels are conversions only.
#include <algorithm>

#include "kernels/cpu/point_runner.h"

namespace tenon::kernels {

void convert_any(const PointTable& table, DType from, DType to, void* out, const void* in, int step,
                 int64_t n, bool* trap) {
  if (BlockKernel k = table.convert[static_cast<int>(from)][static_cast<int>(to)]) {
    k(out, &in, &step, n, trap);
    return;
  }
  // One of the two is a 16-bit float; between it and anything else stands f32.
  alignas(64) float middle[256];
  auto first = table.convert[static_cast<int>(from)][static_cast<int>(DType::f32)];
  auto second = table.convert[static_cast<int>(DType::f32)][static_cast<int>(to)];
  const char* p = static_cast<const char*>(in);
  char* o = static_cast<char*>(out);
  for (int64_t i = 0; i < n; i += 256) {
    int64_t m = std::min<int64_t>(256, n - i);
    const void* a = p + i * step * static_cast<int64_t>(size_of(from));
    const void* b = middle;
    int one = 1;
    first(middle, &a, &step, m, trap);
    second(o + i * static_cast<int64_t>(size_of(to)), &b, &one, m, trap);
  }
}

void run_block(const PointTable& table, ir::Op op, DType t, void* out, const void* const* in,
               const int* steps, int n_in, int64_t n, bool* trap) {
  if (t != DType::f16 && t != DType::bf16) {
    table.op[static_cast<int>(op)][static_cast<int>(t)](out, in, steps, n, trap);
    return;
  }
  alignas(64) float wide[3][256];
  alignas(64) float result[256];
  BlockKernel k = table.op[static_cast<int>(op)][static_cast<int>(DType::f32)];
  bool truth = ir::facts(op).cls == ir::OpClass::compare;
  for (int64_t i = 0; i < n; i += 256) {
    int64_t m = std::min<int64_t>(256, n - i);
    const void* p[3];
    int s[3];
    for (int j = 0; j < n_in; ++j) {
      const char* from = static_cast<const char*>(in[j]);
      if (op == ir::Op::select && j == 0) {
        p[j] = from + i * steps[j];
        s[j] = steps[j];
        continue;
      }
      int64_t count = steps[j] == 0 ? kSplat : m;
      int one = 1;
      const void* a = from + i * steps[j] * 2;
      table.convert[static_cast<int>(t)][static_cast<int>(DType::f32)](wide[j], &a, &one, count,
                                                                       trap);
      p[j] = wide[j];
      s[j] = steps[j];
    }
    if (truth) {
      k(static_cast<char*>(out) + i, p, s, m, trap);
      continue;
    }
    k(result, p, s, m, trap);
    const void* r = result;
    int one = 1;
    table.convert[static_cast<int>(DType::f32)][static_cast<int>(t)](
        static_cast<char*>(out) + i * 2, &r, &one, m, trap);
  }
}

}  // namespace tenon::kernels
