// What this machine can do at most, measured and not looked up: `tenon bench` and `--profile` tell
// how much of it a program gets.
#pragma once

#include <cstdint>

#include "runtime/threads.h"

namespace tenon::kernels {

// Floating-point operations a second with all threads at work; a multiply-add counts two.
struct PeakRate {
  double f32, f64;
};
PeakRate measure_peak(Threads& threads);

// Bytes read plus bytes written a second by a copy that goes over `bytes` in all: small ones stay in
// a cache, large ones come from memory.
double measure_copy(int64_t bytes, Threads& threads);

// The loops behind measure_peak, one object per level: `turns` rounds of kPeakChains independent
// multiply-adds of a vector each. Gives the floating-point operations done.
inline constexpr int kPeakChains = 12;
namespace v3 {
double run_fma_f32(int64_t turns);
double run_fma_f64(int64_t turns);
}  // namespace v3
namespace v4 {
double run_fma_f32(int64_t turns);
double run_fma_f64(int64_t turns);
}  // namespace v4

}  // namespace tenon::kernels
