// What the tests of the kernels share: random tensors and views, and running under every object and
// several numbers of threads.
#pragma once

#include <cstring>
#include <gtest/gtest.h>
#include <random>

#include "kernels/cpu/kernels.h"
#include "runtime/trap.h"
#include "tests/unit/kernels_reference.h"

namespace tenon::kernels_test {

using kernels::Isa;
using kernels::View;

inline std::mt19937_64 rng(42);

inline int64_t between(int64_t a, int64_t b) {
  return std::uniform_int_distribution<int64_t>(a, b)(rng);
}

// Numbers of all sizes, with zeros of both signs, infinities and NaN now and then.
template <class T>
T draw(bool wild) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (wild ? between(0, 19) : 19) {
      case 0:
        return T{0};
      case 1:
        return -T{0};
      case 2:
        return std::numeric_limits<T>::infinity();
      case 3:
        return -std::numeric_limits<T>::infinity();
      case 4:
        return std::numeric_limits<T>::quiet_NaN();
      case 5:
        return std::numeric_limits<T>::denorm_min();
      case 6:
        return static_cast<T>(std::ldexp(std::normal_distribution<double>()(rng),
                                         static_cast<int>(between(-60, 60))));
      default:
        return static_cast<T>(std::normal_distribution<double>()(rng));
    }
  } else {
    return between(0, 3) == 0 ? static_cast<T>(rng()) : static_cast<T>(between(-5, 5));
  }
}

inline void fill_with_draws(Tensor& t, bool wild) {
  scalar::visit_dtype(t.dtype, [&]<DType kT>() {
    using S = scalar::Storage<kT>;
    S* p = t.data<S>();
    for (int64_t i = 0; i < t.count(); ++i) {
      if constexpr (kT == DType::boolean)
        p[i] = static_cast<S>(between(0, 1));
      else if constexpr (kT == DType::f16 || kT == DType::bf16)
        p[i] = scalar::store_plain<kT>(draw<float>(wild));
      else
        p[i] = draw<S>(wild);
    }
  });
}

inline Tensor random_tensor(DType t, const Extents& shape, bool wild = false) {
  Tensor x(t, shape);
  fill_with_draws(x, wild);
  return x;
}

// A tensor of a shape that lies in memory some other way: transposed, with gaps, or broadcast.
inline Tensor random_view(DType t, const Extents& shape, bool wild = false) {
  const int rank = shape.size();
  std::vector<int> axes(static_cast<size_t>(rank));
  for (int i = 0; i < rank; ++i) axes[static_cast<size_t>(i)] = i;
  if (between(0, 1)) std::shuffle(axes.begin(), axes.end(), rng);
  // axes: memory order of the view's axes
  Extents stored, starts, steps_shape;
  std::vector<int64_t> steps;
  for (int a : axes) {
    int64_t step = between(0, 5) == 0 ? 2 : 1, start = between(0, 5) == 0 ? 1 : 0;
    stored.push_back(shape[a] * step + start);
    starts.push_back(start);
    steps.push_back(step);
    steps_shape.push_back(shape[a]);
  }
  Tensor x = random_tensor(t, stored, wild).sliced(starts, steps_shape, steps);
  std::vector<int> back(static_cast<size_t>(rank));
  for (int i = 0; i < rank; ++i) back[static_cast<size_t>(axes[static_cast<size_t>(i)])] = i;
  x = x.transposed(back);
  if (rank > 0 && between(0, 7) == 0) {  // one axis repeats
    int a = static_cast<int>(between(0, rank - 1));
    x.strides[a] = 0;
  }
  return x;
}

inline std::vector<Isa> isas() {
  std::vector<Isa> r{Isa::v3};
  if (kernels::supported(Isa::v4)) r.push_back(Isa::v4);
  return r;
}

// Runs f under every object and several numbers of threads.
template <class F>
void everywhere(F&& f) {
  static Threads pools[] = {Threads(1), Threads(2), Threads(3), Threads(8)};
  for (Isa isa : isas()) {
    kernels::set_isa(isa);
    for (Threads& t : pools) f(t);
  }
}

inline Extents random_shape(int rank, int64_t most) {
  Extents s;
  for (int i = 0; i < rank; ++i) {
    int64_t k = between(0, 9);
    s.push_back(k == 0 ? 0 : k < 3 ? 1 : between(1, most));
  }
  return s;
}

}  // namespace tenon::kernels_test
