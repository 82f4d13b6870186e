// Multiply-adds and nothing else, in registers; instantiated by peak_v3.cpp and peak_v4.cpp.
#pragma once

#include "kernels/cpu/peak.h"
#include "kernels/cpu/tile_kernels.h"

namespace tenon::kernels::TENON_LEVEL {

// Enough chains to hide the latency of any machine (4 cycles, 2 a cycle), few enough for 16
// registers. The factors keep the sums finite; they are read through `volatile`, so that nothing is
// computed beforehand.
template <class T>
double fma_chains(int64_t turns) {
  using W = Registers<T>;
  volatile T factor = T(0.999), addend = T(1);
  const T one = factor, other = addend;
  const typename W::V x = W::splat(&one), y = W::splat(&other);
  typename W::V acc[kPeakChains];
  // Each begins elsewhere: equal chains would be computed once.
  volatile T begin = T(0);
#pragma GCC unroll 16
  for (auto& a : acc) {
    const T own = begin;
    a = W::splat(&own);
  }
  for (int64_t i = 0; i < turns; ++i)
#pragma GCC unroll 16
    for (auto& a : acc) a = W::fma(a, x, y);
  alignas(64) T kept[W::L];
#pragma GCC unroll 16
  for (auto& a : acc) {
    W::store(kept, a);
    volatile T used = kept[0];
    (void)used;
  }
  return 2.0 * W::L * kPeakChains * static_cast<double>(turns);
}

}  // namespace tenon::kernels::TENON_LEVEL
