// A naive evaluator of the IR for tests of passes: every number is a double, every tensor a
// row-major vector, every loop a recursion. Slow and short, and independent of the interpreter, so
// that the two can be held against each other. Integers are exact up to 2^53; `rng`, `host` and
// shifts are not known.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <stdexcept>

#include "ir/function.h"
#include "ir/literal.h"

namespace tenon::test {

struct Array {
  std::vector<int64_t> shape;
  std::vector<double> at;
  std::vector<std::pair<int, Array>> tape;  // of a tape: slots and what was pushed

  static Array scalar(double v) { return {{}, {v}, {}}; }
  size_t offset(const std::vector<int64_t>& index) const {
    size_t o = 0;
    for (size_t k = 0; k < shape.size(); ++k) {
      if (index[k] < 0 || index[k] >= shape[k]) throw std::out_of_range("index");
      o = o * size_t(shape[k]) + size_t(index[k]);
    }
    return o;
  }
};

inline Array array_of(std::vector<int64_t> shape) {
  size_t n = 1;
  for (int64_t d : shape) n *= size_t(std::max<int64_t>(d, 0));
  return {std::move(shape), std::vector<double>(n), {}};
}

// Calls `f` with every index below `shape`, in row-major order.
inline void each_index(const std::vector<int64_t>& shape,
                       const std::function<void(const std::vector<int64_t>&)>& f) {
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t d : shape)
    if (d <= 0) return;
  while (true) {
    f(index);
    size_t k = shape.size();
    while (k > 0 && ++index[k - 1] == shape[k - 1]) index[--k] = 0;
    if (k == 0) return;
  }
}

class NaiveEval {
 public:
  explicit NaiveEval(ir::Module& module) : module_(module) {}

  std::vector<Array> run(ir::FnId id, const std::vector<int64_t>& sizes, std::vector<Array> args) {
    const ir::Function& fn = module_.fn(id);
    Frame frame{fn, {}, std::vector<Array>(fn.types.size())};
    for (size_t i = 0; i < sizes.size(); ++i) frame.sizes[fn.sizes[i]] = sizes[i];
    return region(frame, fn.body, std::move(args));
  }

 private:
  struct Frame {
    const ir::Function& fn;
    std::map<SymId, int64_t> sizes;
    std::vector<Array> values;
  };
  using Index = std::vector<int64_t>;

  int64_t size(Frame& f, DimId d) {
    return module_.dims.evaluate(d, [&](SymId s) { return f.sizes.at(s); });
  }
  Index shape(Frame& f, const std::vector<DimId>& dims) {
    Index out;
    for (DimId d : dims) out.push_back(size(f, d));
    return out;
  }

  std::vector<Array> region(Frame& f, const ir::Region& r, std::vector<Array> args) {
    for (size_t i = 0; i < args.size(); ++i) f.values[r.params[i]] = std::move(args[i]);
    for (const ir::Node& n : r.nodes) node(f, n);
    std::vector<Array> out;
    for (ir::Value v : r.results) out.push_back(f.values[v]);
    return out;
  }

  static double number(ir::Op op, bool whole, const std::vector<double>& x) {
    using ir::Op;
    switch (op) {
      case Op::add:
        return x[0] + x[1];
      case Op::sub:
        return x[0] - x[1];
      case Op::mul:
        return x[0] * x[1];
      case Op::div:
        return whole ? std::floor(x[0] / x[1]) : x[0] / x[1];
      case Op::rem:
        return x[0] - x[1] * std::floor(x[0] / x[1]);
      case Op::neg:
        return -x[0];
      case Op::abs:
        return std::fabs(x[0]);
      case Op::min:
        return x[1] < x[0] || std::isnan(x[1]) ? x[1] : x[0];
      case Op::max:
        return x[1] > x[0] || std::isnan(x[1]) ? x[1] : x[0];
      case Op::fma:
        return std::fma(x[0], x[1], x[2]);
      case Op::pow:
        return std::pow(x[0], x[1]);
      case Op::floor:
        return std::floor(x[0]);
      case Op::ceil:
        return std::ceil(x[0]);
      case Op::trunc:
        return std::trunc(x[0]);
      case Op::round:
        return std::nearbyint(x[0]);
      case Op::sqrt:
        return std::sqrt(x[0]);
      case Op::exp:
        return std::exp(x[0]);
      case Op::expm1:
        return std::expm1(x[0]);
      case Op::log:
        return std::log(x[0]);
      case Op::log1p:
        return std::log1p(x[0]);
      case Op::sin:
        return std::sin(x[0]);
      case Op::cos:
        return std::cos(x[0]);
      case Op::tanh:
        return std::tanh(x[0]);
      case Op::erf:
        return std::erf(x[0]);
      case Op::atan2:
        return std::atan2(x[0], x[1]);
      case Op::eq:
        return x[0] == x[1];
      case Op::lt:
        return x[0] < x[1];
      case Op::le:
        return x[0] <= x[1];
      case Op::and_:
        return x[0] != 0 && x[1] != 0;  // of bools
      case Op::or_:
        return x[0] != 0 || x[1] != 0;
      case Op::xor_:
        return (x[0] != 0) != (x[1] != 0);
      case Op::not_:
        return x[0] == 0;
      case Op::select:
        return x[0] != 0 ? x[1] : x[2];
      case Op::convert:
        return whole ? std::trunc(x[0]) : x[0];
      default:
        throw std::logic_error("an operation the naive evaluator does not know");
    }
  }
  static double join(ir::ReduceKind k, double a, double b) {
    switch (k) {
      case ir::ReduceKind::sum:
        return a + b;
      case ir::ReduceKind::prod:
        return a * b;
      case ir::ReduceKind::max:
        return number(ir::Op::max, false, {a, b});
      case ir::ReduceKind::min:
        return number(ir::Op::min, false, {a, b});
      case ir::ReduceKind::any:
        return a != 0 || b != 0;
      case ir::ReduceKind::all:
        return a != 0 && b != 0;
    }
    return 0;
  }
  static double start(ir::ReduceKind k, bool whole) {
    const double top = whole ? 9007199254740992.0 : INFINITY;
    switch (k) {
      case ir::ReduceKind::sum:
      case ir::ReduceKind::any:
        return 0;
      case ir::ReduceKind::prod:
      case ir::ReduceKind::all:
        return 1;
      case ir::ReduceKind::max:
        return -top;
      case ir::ReduceKind::min:
        return top;
    }
    return 0;
  }

  void node(Frame& f, const ir::Node& n) {
    using ir::Op;
    auto in = [&](size_t i) -> Array& { return f.values[n.operands[i]]; };
    auto whole = [&](double v) { return int64_t(v); };
    auto give = [&](Array a) { f.values[n.results[0]] = std::move(a); };
    auto result_type = [&]() -> const ir::Type& { return f.fn.types[n.results[0]]; };
    auto indexed = [&](Index to, auto element) {
      Array out = array_of(std::move(to));
      size_t i = 0;
      each_index(out.shape, [&](const Index& index) { out.at[i++] = element(index); });
      give(std::move(out));
    };
    if (ir::is_scalar(n.op)) {
      Array out = array_of(in(0).shape);
      const ir::Type& t = f.fn.types[n.op == Op::convert ? n.results[0] : n.operands[0]];
      std::vector<double> x(n.operands.size());
      for (size_t i = 0; i < out.at.size(); ++i) {
        for (size_t k = 0; k < x.size(); ++k) x[k] = in(k).at[i];
        out.at[i] = number(n.op, !is_float(t.dtype), x);
      }
      return give(std::move(out));
    }
    switch (n.op) {
      case Op::constant: {
        const ir::Literal& l = *n.get<ir::ConstantAttr>().literal;
        Array out = array_of(l.shape);
        for (size_t i = 0; i < out.at.size(); ++i)
          out.at[i] = is_float(l.dtype) ? number_at(l, i) : double(integer_at(l, i));
        return give(std::move(out));
      }
      case Op::iota: {
        const auto& a = n.get<ir::IotaAttr>();
        return indexed(shape(f, a.shape), [&](const Index& i) { return double(i[a.axis]); });
      }
      case Op::size:
        return give(Array::scalar(double(size(f, n.get<ir::DimAttr>().dim))));
      case Op::stop_gradient:
      case Op::retype:
        return give(in(0));
      case Op::reshape: {
        Array out = in(0);
        out.shape = shape(f, n.get<ir::ShapeAttr>().shape);
        return give(std::move(out));
      }
      case Op::broadcast: {
        const auto& a = n.get<ir::BroadcastAttr>();
        return indexed(shape(f, a.shape), [&](const Index& i) {
          Index from;
          for (int axis : a.axes) from.push_back(i[axis]);
          return in(0).at[in(0).offset(from)];
        });
      }
      case Op::transpose: {
        const auto& axes = n.get<ir::AxesAttr>().axes;
        Index to;
        for (int axis : axes) to.push_back(in(0).shape[axis]);
        return indexed(to, [&](const Index& i) {
          Index from(i.size());
          for (size_t k = 0; k < axes.size(); ++k) from[axes[k]] = i[k];
          return in(0).at[in(0).offset(from)];
        });
      }
      case Op::slice: {
        const auto& a = n.get<ir::SliceAttr>();
        return indexed(shape(f, a.shape), [&](const Index& i) {
          Index from(i.size());
          for (size_t k = 0; k < i.size(); ++k)
            from[k] = whole(in(1 + k).at[0]) + a.strides[k] * i[k];
          return in(0).at[in(0).offset(from)];
        });
      }
      case Op::update: {
        const auto& a = n.get<ir::SliceAttr>();
        Array out = in(0);
        each_index(in(1).shape, [&](const Index& i) {
          Index to(i.size());
          for (size_t k = 0; k < i.size(); ++k)
            to[k] = whole(in(2 + k).at[0]) + a.strides[k] * i[k];
          out.at[out.offset(to)] = in(1).at[in(1).offset(i)];
        });
        return give(std::move(out));
      }
      case Op::concat: {
        const int axis = n.get<ir::AxisAttr>().axis;
        return indexed(shape(f, result_type().shape), [&](Index i) {
          size_t k = 0;
          for (; i[axis] >= in(k).shape[axis]; ++k) i[axis] -= in(k).shape[axis];
          return in(k).at[in(k).offset(i)];
        });
      }
      case Op::reduce: {
        const auto& a = n.get<ir::ReduceAttr>();
        Array out = array_of(shape(f, result_type().shape));
        std::fill(out.at.begin(), out.at.end(), start(a.kind, !is_float(result_type().dtype)));
        each_index(in(0).shape, [&](const Index& i) {
          Index to;
          for (int k = 0; k < int(i.size()); ++k)
            if (std::find(a.axes.begin(), a.axes.end(), k) == a.axes.end()) to.push_back(i[k]);
          double& acc = out.at[out.offset(to)];
          acc = join(a.kind, acc, in(0).at[in(0).offset(i)]);
        });
        return give(std::move(out));
      }
      case Op::arg_reduce: {
        const auto& a = n.get<ir::ArgReduceAttr>();
        return indexed(shape(f, result_type().shape), [&](Index i) {
          i.insert(i.begin() + a.axis, 0);
          int64_t best = 0;
          for (int64_t k = 0; k < in(0).shape[a.axis]; ++k) {
            Index other = i;
            i[a.axis] = k;
            other[a.axis] = best;
            const double x = in(0).at[in(0).offset(i)], y = in(0).at[in(0).offset(other)];
            if (a.kind == ir::ReduceKind::max ? x > y : x < y) best = k;
          }
          return double(best);
        });
      }
      case Op::scan: {
        const auto& a = n.get<ir::ScanAttr>();
        Array out = in(0);
        const int64_t count = out.shape[a.axis];
        Index rest = out.shape;
        rest[a.axis] = std::min<int64_t>(count, 1);
        each_index(rest, [&](Index i) {
          double acc = 0;
          for (int64_t k = 0; k < count; ++k) {
            i[a.axis] = a.reverse ? count - 1 - k : k;
            double& x = out.at[out.offset(i)];
            acc = x = k == 0 ? x : join(a.kind, acc, x);
          }
        });
        return give(std::move(out));
      }
      case Op::contract: {
        const ir::ContractSpec& s = *n.get<ir::ContractAttr>().spec;
        const Index range = shape(f, s.range);
        Array out = array_of(shape(f, result_type().shape));
        auto at = [&](const Array& x, const std::vector<ir::Affine>& axes, const Index& i) {
          Index from;
          for (const ir::Affine& axis : axes) {
            from.push_back(size(f, axis.offset));
            for (const auto& t : axis.terms) from.back() += t.coefficient * i[t.index];
          }
          return x.at[x.offset(from)];
        };
        each_index(range, [&](const Index& i) {
          Index to;
          for (uint8_t k : s.out) to.push_back(i[k]);
          out.at[out.offset(to)] += at(in(0), s.a, i) * at(in(1), s.b, i);
        });
        return give(std::move(out));
      }
      case Op::sort: {
        const int axis = n.get<ir::AxisAttr>().axis;
        Array out = in(0), permutation = in(0);
        Index rest = out.shape;
        const int64_t count = rest[axis];
        rest[axis] = std::min<int64_t>(count, 1);
        each_index(rest, [&](Index i) {
          auto place = [&](int64_t k) {
            i[axis] = k;
            return in(0).offset(i);
          };
          std::vector<int64_t> order(static_cast<size_t>(count));
          std::iota(order.begin(), order.end(), 0);
          std::stable_sort(order.begin(), order.end(), [&](int64_t p, int64_t q) {
            return in(0).at[place(p)] < in(0).at[place(q)];
          });
          for (int64_t k = 0; k < count; ++k) {
            out.at[place(k)] = in(0).at[place(order[size_t(k)])];
            permutation.at[place(k)] = double(order[size_t(k)]);
          }
        });
        give(std::move(out));
        f.values[n.results[1]] = std::move(permutation);
        return;
      }
      case Op::read: {
        Index i;
        for (size_t k = 1; k < n.operands.size(); ++k) i.push_back(whole(in(k).at[0]));
        return give(Array::scalar(in(0).at[in(0).offset(i)]));
      }
      case Op::map: {
        const auto& a = n.get<ir::MapAttr>();
        const Index out_shape = shape(f, a.out), red = shape(f, a.red);
        return indexed(out_shape, [&](const Index& i) {
          double acc = start(a.kind, !is_float(result_type().dtype));
          each_index(red, [&](const Index& r) {
            std::vector<Array> index;
            for (int64_t k : i) index.push_back(Array::scalar(double(k)));
            for (int64_t k : r) index.push_back(Array::scalar(double(k)));
            const double v = region(f, n.regions[0], std::move(index))[0].at[0];
            acc = red.empty() ? v : join(a.kind, acc, v);
          });
          return acc;
        });
      }
      case Op::scatter: {
        Array out = in(0);
        each_index(shape(f, n.get<ir::ScatterAttr>().dims), [&](const Index& i) {
          std::vector<Array> index;
          for (int64_t k : i) index.push_back(Array::scalar(double(k)));
          const auto given = region(f, n.regions[0], std::move(index));
          Index to;
          for (size_t k = 0; k + 1 < given.size(); ++k) to.push_back(whole(given[k].at[0]));
          out.at[out.offset(to)] += given.back().at[0];
        });
        return give(std::move(out));
      }
      case Op::call: {
        const auto& a = n.get<ir::CallAttr>();
        const ir::Function& callee = module_.fn(a.fn);
        Frame inner{callee, {}, std::vector<Array>(callee.types.size())};
        for (size_t i = 0; i < a.dims.size(); ++i)
          inner.sizes[callee.sizes[i]] = size(f, a.dims[i]);
        std::vector<Array> args;
        for (ir::Value v : n.operands) args.push_back(f.values[v]);
        std::vector<Array> results = region(inner, callee.body, std::move(args));
        for (const auto& [from, to] : a.fresh) f.sizes[to] = inner.sizes.at(from);
        for (size_t k = 0; k < results.size(); ++k) f.values[n.results[k]] = std::move(results[k]);
        return;
      }
      case Op::if_: {
        auto results = region(f, n.regions[in(0).at[0] != 0 ? 0 : 1], {});
        for (size_t k = 0; k < results.size(); ++k) f.values[n.results[k]] = std::move(results[k]);
        return;
      }
      case Op::for_:
      case Op::while_: {
        const bool counted = n.op == Op::for_;
        int64_t i = counted ? whole(in(0).at[0]) : 0;
        const int64_t end = counted ? whole(in(1).at[0]) : 0;
        std::vector<Array> carry;
        for (size_t k = counted ? 2 : 0; k < n.operands.size(); ++k) carry.push_back(in(k));
        while (counted ? i < end : region(f, n.regions[0], carry)[0].at[0] != 0) {
          if (counted) carry.insert(carry.begin(), Array::scalar(double(i++)));
          carry = region(f, n.regions.back(), std::move(carry));
        }
        for (size_t k = 0; k < carry.size(); ++k) f.values[n.results[k]] = std::move(carry[k]);
        return;
      }
      case Op::tape_new:
        return give(Array{});
      case Op::tape_end:
        if (!in(0).tape.empty()) throw std::logic_error("a tape ends with something on it");
        return;
      case Op::push: {
        Array t = std::move(in(0));
        t.tape.emplace_back(n.get<ir::SlotAttr>().slot, in(1));
        return give(std::move(t));
      }
      case Op::pop: {
        Array t = std::move(in(0));
        if (t.tape.empty() || t.tape.back().first != n.get<ir::SlotAttr>().slot)
          throw std::logic_error("a pop finds another slot");
        f.values[n.results[1]] = std::move(t.tape.back().second);
        t.tape.pop_back();
        return give(std::move(t));
      }
      case Op::bind_dim:
        f.sizes[n.get<ir::BindAttr>().symbol] = whole(in(0).at[0]);
        return;
      case Op::check:
        if (std::count(in(0).at.begin(), in(0).at.end(), 0.0)) throw std::runtime_error("check");
        return;
      case Op::debug:
        ++debugged;
        return;
      default:
        throw std::logic_error("an operation the naive evaluator does not know");
    }
  }

  ir::Module& module_;

 public:
  int debugged = 0;  // how often
};

}  // namespace tenon::test
