// Slow, obvious versions of the eager kernels, written from docs/semantics.md alone: element by
// element, over any strides, on the plain machine. What the kernels are compared with, bit for bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "ir/function.h"
#include "ir/scalar/program.h"
#include "runtime/tensor.h"

namespace tenon::reference {

using ir::ReduceKind;

inline std::vector<int64_t> position(int64_t linear, const Extents& shape) {
  std::vector<int64_t> at(static_cast<size_t>(shape.size()));
  for (int i = shape.size() - 1; i >= 0; --i) {
    at[static_cast<size_t>(i)] = linear % shape[i];
    linear /= shape[i];
  }
  return at;
}
inline int64_t offset(const Tensor& t, const std::vector<int64_t>& at) {
  int64_t o = 0;
  for (size_t i = 0; i < at.size(); ++i) o += at[i] * t.strides[static_cast<int>(i)];
  return o;
}

// ---- the four orders of docs/semantics.md, on any value type
template <class T>
T sum_run(const std::vector<T>& x, T identity, const std::function<T(T, T)>& op) {
  if (x.empty()) return identity;
  std::vector<T> results;
  for (size_t c = 0; c < x.size(); c += 16384) {
    std::vector<T> p(64, identity);
    for (size_t k = c; k < std::min(x.size(), c + 16384); ++k)
      p[(k - c) % 64] = op(p[(k - c) % 64], x[k]);
    for (size_t h = 32; h >= 1; h /= 2)
      for (size_t j = 0; j < h; ++j) p[j] = op(p[j], p[j + h]);
    results.push_back(p[0]);
  }
  return results.size() == 1 ? results[0] : sum_run(results, identity, op);
}
template <class T>
T sum_col(const std::vector<T>& x, T identity, const std::function<T(T, T)>& op) {
  if (x.empty()) return identity;
  std::vector<T> results;
  for (size_t c = 0; c < x.size(); c += 256) {
    T r = identity;
    for (size_t k = c; k < std::min(x.size(), c + 256); ++k) r = op(r, x[k]);
    results.push_back(r);
  }
  return results.size() == 1 ? results[0] : sum_col(results, identity, op);
}
template <class T>
T chain(const std::vector<T>& x, T identity, const std::function<T(T, T)>& op) {
  if (x.empty()) return identity;
  T total{};
  for (size_t c = 0; c < x.size(); c += 1024) {
    T r = identity;
    for (size_t k = c; k < std::min(x.size(), c + 1024); ++k) r = op(r, x[k]);
    total = c == 0 ? r : op(total, r);
  }
  return total;
}
template <class T>
T fma_chain(const std::vector<T>& a, const std::vector<T>& b) {
  T total{};
  for (size_t c = 0; c < a.size(); c += 1024) {
    T r{};
    for (size_t k = c; k < std::min(a.size(), c + 1024); ++k) r = std::fma(a[k], b[k], r);
    total = c == 0 ? r : total + r;
  }
  return total;
}
template <class T>
T fma_run(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.empty()) return T{};
  std::vector<T> results;
  for (size_t c = 0; c < a.size(); c += 16384) {
    std::vector<T> p(64, T{});
    for (size_t k = c; k < std::min(a.size(), c + 16384); ++k)
      p[(k - c) % 64] = std::fma(a[k], b[k], p[(k - c) % 64]);
    for (size_t h = 32; h >= 1; h /= 2)
      for (size_t j = 0; j < h; ++j) p[j] = p[j] + p[j + h];
    results.push_back(p[0]);
  }
  return results.size() == 1 ? results[0] : sum_run<T>(results, T{}, std::plus<T>());
}

template <class T>
T combine(ReduceKind kind, T a, T b) {
  scalar::Plain m;
  switch (kind) {
    case ReduceKind::sum:
      return m.add(a, b);
    case ReduceKind::prod:
      return m.mul(a, b);
    case ReduceKind::max:
      return (b > a || b != b) ? b : a;
    case ReduceKind::min:
      return (b < a || b != b) ? b : a;
    case ReduceKind::any:
    case ReduceKind::all:
      break;
  }
  return a;
}
template <class T>
T identity(ReduceKind kind) {
  using L = std::numeric_limits<T>;
  switch (kind) {
    case ReduceKind::sum:
      return T{0};
    case ReduceKind::prod:
      return T{1};
    case ReduceKind::max:
      return L::has_infinity ? -L::infinity() : L::lowest();
    case ReduceKind::min:
      return L::has_infinity ? L::infinity() : L::max();
    case ReduceKind::any:
    case ReduceKind::all:
      break;
  }
  return T{};
}

// reduce: the maximal trailing block of axes by sum_run, then the rest by sum_col.
template <class T>
Tensor reduce(ReduceKind kind, const Tensor& x, const std::vector<int>& axes) {
  std::vector<int> run, col;
  int trailing = 0;
  while (trailing < static_cast<int>(axes.size()) &&
         axes[axes.size() - 1 - static_cast<size_t>(trailing)] == x.rank() - 1 - trailing)
    ++trailing;
  for (int a : axes) (a >= x.rank() - trailing ? run : col).push_back(a);
  Extents kept, kept_shape, run_shape, col_shape;
  for (int i = 0; i < x.rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) {
      kept.push_back(i);
      kept_shape.push_back(x.shape[i]);
    }
  for (int a : run) run_shape.push_back(x.shape[a]);
  for (int a : col) col_shape.push_back(x.shape[a]);
  Tensor out(x.dtype, kept_shape);
  std::function<T(T, T)> op = [&](T a, T b) { return combine(kind, a, b); };
  const T none = identity<T>(kind);
  for (int64_t o = 0; o < kept_shape.product(); ++o) {
    auto at_kept = position(o, kept_shape);
    std::vector<int64_t> at(static_cast<size_t>(x.rank()));
    for (int i = 0; i < kept.size(); ++i)
      at[static_cast<size_t>(kept[i])] = at_kept[static_cast<size_t>(i)];
    std::vector<T> outer;
    for (int64_t c = 0; c < col_shape.product(); ++c) {
      auto at_col = position(c, col_shape);
      for (size_t i = 0; i < col.size(); ++i) at[static_cast<size_t>(col[i])] = at_col[i];
      std::vector<T> inner;
      for (int64_t r = 0; r < run_shape.product(); ++r) {
        auto at_run = position(r, run_shape);
        for (size_t i = 0; i < run.size(); ++i) at[static_cast<size_t>(run[i])] = at_run[i];
        inner.push_back(x.data<T>()[offset(x, at)]);
      }
      outer.push_back(run.empty() ? inner[0] : sum_run<T>(inner, none, op));
    }
    out.data<T>()[o] = col.empty() ? outer[0] : sum_col<T>(outer, none, op);
  }
  return out;
}

template <class T>
Tensor contract(const ir::ContractSpec& spec, const std::vector<int64_t>& range, const Tensor& a,
                const Tensor& b) {
  Extents shape, sum_shape;
  std::vector<int> sums;
  for (uint8_t i : spec.out) shape.push_back(range[i]);
  std::vector<bool> in_a(range.size()), in_b(range.size());
  for (auto& x : spec.a)
    for (auto& t : x.terms) in_a[t.index] = true;
  for (auto& x : spec.b)
    for (auto& t : x.terms) in_b[t.index] = true;
  bool free = false;
  for (uint8_t i : spec.out) free |= !(in_a[i] && in_b[i]);
  for (size_t i = 0; i < range.size(); ++i)
    if (std::find(spec.out.begin(), spec.out.end(), i) == spec.out.end()) {
      sums.push_back(static_cast<int>(i));
      sum_shape.push_back(range[i]);
    }
  Tensor out(a.dtype, shape);
  std::vector<int64_t> at(range.size());
  auto read = [&](const std::vector<ir::Affine>& axes, const Tensor& x) {
    int64_t o = 0;
    for (size_t i = 0; i < axes.size(); ++i)
      for (auto& t : axes[i].terms)
        o += t.coefficient * at[t.index] * x.strides[static_cast<int>(i)];
    return x.data<T>()[o];
  };
  for (int64_t o = 0; o < shape.product(); ++o) {
    auto p = position(o, shape);
    for (size_t i = 0; i < p.size(); ++i) at[spec.out[i]] = p[i];
    std::vector<T> u, v;
    for (int64_t k = 0; k < sum_shape.product(); ++k) {
      auto q = position(k, sum_shape);
      for (size_t i = 0; i < q.size(); ++i) at[static_cast<size_t>(sums[i])] = q[i];
      u.push_back(read(spec.a, a));
      v.push_back(read(spec.b, b));
    }
    out.data<T>()[o] = free ? fma_chain(u, v) : fma_run(u, v);
  }
  return out;
}

}  // namespace tenon::reference
