// What the sweeps over the closed set of operations (operations_test.cpp, cudasim_test.cpp) share: for each
// operation a program that uses it in several ways, and operands that lie in memory in every way. For a new
// operation the switch below does not compile until it says how it is used.
#pragma once

#include "ir/builder.h"
#include "ir/scalar/program.h"
#include "tests/unit/graph_program.h"

namespace tenon::test {

using ir::Builder;
using ir::Op;
using ir::ReduceKind;
using ir::Region;
using ir::Type;
using ir::Value;

// ---------------------------------------------------------------- programs

// One operation on one dtype t, in several uses. The operands of each program:
enum Operand { x, y, z, m, w, square, mask, number, index, targets, kOperands };

class Uses {
 public:
  Uses(ir::Module& module, DType dtype) : t(dtype), dims(module.dims) {
    auto made = std::make_unique<ir::Function>();
    made->name = "uses";
    made->sizes = {dims.fresh("N", {}, true), dims.fresh("K", {}, true)};
    N = dims.symbol(made->sizes[0]);
    K = dims.symbol(made->sizes[1]);
    fn = &module.fn(module.add(std::move(made)));
    b = std::make_unique<Builder>(module, *fn);
    const Type types[kOperands] = {{t, {N}},    {t, {N}}, {t, {N}},           {t, {N, K}},
                                   {t, {N, K}}, {t, {K, K}}, {DType::boolean, {N}}, {t, {}},
                                   {DType::i64, {}}, {DType::i64, {N}}};
    for (const Type& type : types) in.push_back(b->param(type));
  }
  void put(Value v) { fn->body.results.push_back(v); }
  void each(Op op, std::vector<Value> operands, ir::Attr attr = {}) {
    for (Value v : b->emit(op, std::move(operands), std::move(attr)).results) put(v);
  }
  Value at(int64_t i) { return b->integer(i); }
  DimId whole(int64_t n) { return dims.constant(n); }

  // True if there is anything to run.
  bool add(Op op);

  DType t;
  Dims& dims;
  DimId N = 0, K = 0;
  ir::Function* fn = nullptr;
  std::unique_ptr<Builder> b;
  std::vector<Value> in;

 private:
  bool add_scalar(Op op);
  void add_loop(Op op);
};

inline bool Uses::add_scalar(Op op) {
  if (!scalar::takes(op, t)) return false;
  const bool divides = (op == Op::div || op == Op::rem) && is_integer(t);
  auto use = [&](Value a, Value c, Value d, Value flag) {
    if (divides) c = b->one(Op::or_, {c, b->fill(b->integer(1, t), b->type(c).shape)});
    if (op == Op::convert) {
      for (int k = 0; k < kDTypeCount; ++k) put(b->one(op, {a}, ir::ConvertAttr{DType(k)}));
    } else if (op == Op::select) {
      put(b->one(op, {flag, a, c}));
    } else {
      std::vector<Value> all = {a, c, d};
      all.resize(size_t(ir::facts(op).operands));
      put(b->one(op, all));
    }
  };
  use(in[x], in[y], in[z], in[mask]);
  const Value spread = b->broadcast(in[mask], {N, K}, {0});
  use(in[m], in[w], in[m], spread);
  use(in[w], b->fill(in[number], {N, K}), in[m], spread);  // one operand repeats
  use(in[number], in[number], in[number], b->boolean(true));
  return true;
}

// Control flow around an elementwise body.
inline void Uses::add_loop(Op op) {
  std::vector<Region> regions;
  const Value lo = at(0), hi = at(3);
  if (op == Op::if_) {
    const Value odd = b->one(Op::lt, {in[index], hi});
    for (Operand arm : {x, y}) {
      b->open({});
      regions.push_back(b->close({b->one(Op::stop_gradient, {in[arm]})}));
    }
    put(b->one(op, {odd}, {}, std::move(regions)));
    return;
  }
  const Type index_type = ir::scalar_type(DType::i64), carried{t, {N}};
  if (op == Op::while_) {
    auto p = b->open({index_type, carried});
    regions.push_back(b->close({b->one(Op::lt, {p[0], hi})}));
  }
  auto p = b->open({index_type, carried});
  const Value flag = b->fill(b->one(Op::eq, {p[0], at(1)}), {N});
  const Value next = b->one(Op::select, {flag, in[y], p[1]});
  if (op == Op::while_) {
    regions.push_back(b->close({b->one(Op::add, {p[0], at(1)}), next}));
    for (Value v : b->emit(op, {lo, in[x]}, {}, std::move(regions)).results) put(v);
  } else {
    regions.push_back(b->close({next}));
    put(b->one(op, {lo, hi, in[x]}, {}, std::move(regions)));
  }
}

inline bool Uses::add(Op op) {
  if (ir::is_scalar(op)) return add_scalar(op);
  const bool logic = t == DType::boolean;
  const auto affine = [](uint8_t i) { return ir::Affine{{{i, 1}}, 0}; };
  switch (op) {
    case Op::constant:
      put(logic ? b->boolean(true) : b->number(t, 3));
      break;
    case Op::iota:
      if (logic) return false;
      put(b->one(op, {}, ir::IotaAttr{t, {N}, 0}));
      for (int axis : {0, 1}) put(b->one(op, {}, ir::IotaAttr{t, {N, K}, axis}));
      break;
    case Op::size:
      put(b->size(dims.mul(N, dims.add(K, whole(1)))));
      break;
    case Op::broadcast:
      put(b->broadcast(in[x], {N, K}, {0}));
      put(b->broadcast(in[x], {K, N}, {1}));
      put(b->fill(in[number], {N, K}));
      put(b->broadcast(in[m], {N, whole(2), K}, {0, 2}));
      break;
    case Op::reshape:
      put(b->reshape(in[m], {dims.mul(N, K)}));
      put(b->reshape(in[m], {K, N}));
      put(b->reshape(b->transpose(in[m], {1, 0}), {dims.mul(N, K)}));
      put(b->reshape(in[x], {whole(1), N, whole(1)}));
      break;
    case Op::transpose:
      put(b->transpose(in[m], {1, 0}));
      put(b->transpose(b->broadcast(in[m], {N, whole(2), K}, {0, 2}), {2, 0, 1}));
      break;
    case Op::slice:
    case Op::update: {
      const DimId half = dims.floordiv(N, whole(2));
      struct Part {
        DimId n;
        int64_t stride;
      };
      for (const Part& p : {Part{N, 1}, Part{half, 1}, Part{half, 2}}) {
        const ir::SliceAttr one{{p.n}, {p.stride}}, two{{p.n, K}, {p.stride, 1}};
        if (op == Op::slice) {
          put(b->one(op, {in[x], at(0)}, one));
          put(b->one(op, {in[m], at(0), at(0)}, two));
        } else {
          put(b->one(op, {in[x], b->fill(in[number], {p.n}), at(0)}, one));
          const Value part = b->one(Op::slice, {in[w], at(0), at(0)}, ir::SliceAttr{{p.n, K}, {1, 1}});
          put(b->one(op, {in[m], part, at(0), at(0)}, two));
        }
      }
      break;
    }
    case Op::concat:
      put(b->one(op, {in[x], in[y], in[x]}, ir::AxisAttr{0}));
      for (int axis : {0, 1}) put(b->one(op, {in[m], in[w]}, ir::AxisAttr{axis}));
      break;
    case Op::reduce:
      for (ReduceKind kind : {ReduceKind::sum, ReduceKind::prod, ReduceKind::max, ReduceKind::min,
                              ReduceKind::any, ReduceKind::all}) {
        if (logic != (kind == ReduceKind::any || kind == ReduceKind::all)) continue;
        put(b->reduce(kind, in[x], {0}));
        put(b->reduce(kind, in[m], {0}));
        put(b->reduce(kind, in[m], {1}));
        put(b->reduce(kind, in[m], {0, 1}));
      }
      break;
    case Op::arg_reduce:
      if (logic) return false;
      for (ReduceKind kind : {ReduceKind::max, ReduceKind::min}) {
        // Over an axis that is never empty: the other case is an error, which tests/lang has.
        const Value more = b->one(Op::concat, {in[m], b->fill(in[number], {N, whole(1)})}, ir::AxisAttr{1});
        put(b->one(op, {more}, ir::ArgReduceAttr{kind, 1}));
        const Value rows = b->one(Op::concat, {in[m], b->fill(in[number], {whole(1), K})}, ir::AxisAttr{0});
        put(b->one(op, {rows}, ir::ArgReduceAttr{kind, 0}));
      }
      break;
    case Op::scan:
      if (logic) return false;
      for (ReduceKind kind : {ReduceKind::sum, ReduceKind::prod, ReduceKind::max, ReduceKind::min})
        for (bool reverse : {false, true}) {
          put(b->one(op, {in[x]}, ir::ScanAttr{kind, 0, reverse}));
          for (int axis : {0, 1}) put(b->one(op, {in[m]}, ir::ScanAttr{kind, axis, reverse}));
        }
      break;
    case Op::contract: {
      if (logic) return false;
      auto spec = [&](std::vector<DimId> range, std::vector<ir::Affine> a, std::vector<ir::Affine> c,
                      std::vector<uint8_t> out, Value p, Value q) {
        auto s = std::make_shared<ir::ContractSpec>();
        s->range = std::move(range);
        s->a = std::move(a);
        s->b = std::move(c);
        s->out.assign(out.begin(), out.end());
        put(b->one(op, {p, q}, ir::ContractAttr{s}));
      };
      spec({N}, {affine(0)}, {affine(0)}, {}, in[x], in[y]);
      spec({N, K, K}, {affine(0), affine(2)}, {affine(2), affine(1)}, {0, 1}, in[m], in[square]);
      spec({N, K, K}, {affine(0), affine(2)}, {affine(1), affine(2)}, {0, 1}, in[m], in[square]);
      spec({K, K, N}, {affine(2), affine(0)}, {affine(2), affine(1)}, {0, 1}, in[m], in[w]);
      spec({N, K}, {affine(0), affine(1)}, {affine(0), affine(1)}, {0}, in[m], in[w]);
      spec({K, N}, {affine(1), affine(0)}, {affine(1)}, {0}, in[m], in[x]);
      break;
    }
    case Op::sort:
      each(op, {in[x]}, ir::AxisAttr{0});
      for (int axis : {0, 1}) each(op, {in[m]}, ir::AxisAttr{axis});
      break;
    case Op::map: {
      auto place = [&](bool red) {
        const auto p = b->open({ir::scalar_type(DType::i64), ir::scalar_type(DType::i64)});
        const Value element = b->one(Op::read, {in[m], p[0], p[1]});
        std::vector<Region> regions;
        regions.push_back(b->close({element}));
        const ReduceKind kind = logic ? ReduceKind::any : ReduceKind::sum;
        put(b->one(Op::map, {}, red ? ir::MapAttr{{N}, {K}, kind} : ir::MapAttr{{N, K}, {}, kind},
                   std::move(regions)));
      };
      place(false);
      place(true);
      break;
    }
    case Op::scatter: {
      if (logic) return false;
      const auto p = b->open({ir::scalar_type(DType::i64)});
      const Value to = b->one(Op::read, {in[targets], p[0]});
      const Value element = b->one(Op::read, {in[y], p[0]});
      std::vector<Region> regions;
      regions.push_back(b->close({to, element}));
      put(b->one(op, {in[x]}, ir::ScatterAttr{{N}}, std::move(regions)));
      break;
    }
    case Op::if_:
    case Op::for_:
    case Op::while_:
      add_loop(op);
      break;
    case Op::retype: {  // the size is forgotten and given back
      ir::ShapeAttr unsized{{dims.any(), K}}, sized{{N, K}};
      put(b->one(op, {b->one(op, {in[m]}, unsized)}, sized));
      const Value turned = b->transpose(b->reshape(in[m], {K, N}), {1, 0});  // no block of its own
      put(b->one(op, {b->one(op, {turned}, unsized)}, sized));
      break;
    }
    case Op::stop_gradient:
      put(b->one(op, {in[x]}));
      put(b->one(op, {in[m]}));
      break;
    case Op::check: {
      b->emit(op, {b->one(Op::eq, {in[mask], in[mask]})}, ir::CheckAttr{Code::E0804, "never", ""});
      put(in[x]);
      break;
    }
    case Op::bind_dim: {
      const SymId bound = dims.fresh("B", {}, false);
      b->emit(op, {in[index]}, ir::BindAttr{bound});
      put(b->size(dims.add(dims.symbol(bound), whole(1))));
      break;
    }
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end: {
      if (op != Op::push) return false;  // all four in one program
      Value tape = b->one(Op::tape_new, {});
      for (int i = 0; i < 2; ++i)
        tape = b->one(Op::push, {tape, i == 0 ? in[x] : in[m]}, ir::SlotAttr{i, b->type(i == 0 ? in[x] : in[m])});
      for (int i = 1; i >= 0; --i) {
        const auto popped = b->emit(Op::pop, {tape}, ir::SlotAttr{i, b->type(i == 0 ? in[x] : in[m])}).results;
        tape = popped[0];
        put(popped[1]);
      }
      b->emit(Op::tape_end, {tape});
      break;
    }
    case Op::call: {
      auto callee = std::make_unique<ir::Function>();
      callee->name = "callee";
      callee->sizes = {dims.fresh("P", {}, true)};
      Builder inner(b->module(), *callee);
      const Value p = inner.param({t, {dims.symbol(callee->sizes[0])}});
      callee->body.results = {inner.one(Op::concat, {p, p}, ir::AxisAttr{0})};
      callee->params.resize(1);
      callee->results.resize(1);
      const ir::FnId id = b->module().add(std::move(callee));
      put(b->call(id, {N}, {in[x]})[0]);
      put(b->call(id, {K}, {b->one(Op::reduce, {in[m]}, ir::ReduceAttr{logic ? ReduceKind::any : ReduceKind::max, {0}})})[0]);
      break;
    }
    // Derivatives become the operations above before anything runs; the effects are the host's; reads
    // stand inside of maps and scatters.
    case Op::read:
    case Op::derive:
    case Op::debug:
    case Op::host:
      return false;
#define SCALAR(name, arity, cls) case Op::name:
      TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      break;
  }
  return true;
}

// ---------------------------------------------------------------- operands

enum Layout { packed, transposed, strided, repeated, kLayouts };
constexpr const char* kLayoutNames[] = {"contiguous", "transposed", "strided", "repeated"};

// `plain`: without them.
inline Tensor with_specials(DType t, const Extents& shape, uint32_t seed, bool plain = false) {
  Tensor r = random_tensor(t, shape, seed, !plain);
  if (plain) return r;
  scalar::visit_dtype(t, [&]<DType kT>() {
    if constexpr (is_float(kT)) {
      using S = scalar::Storage<kT>;
      const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1.0, 5e-324, 1e-42, 6e-8, -1e38, 65504};
      for (int64_t i = 0; i < r.count(); i += 5) {
        const double v = odd[size_t(i / 5 + seed) % std::size(odd)];
        if constexpr (kT == DType::f32 || kT == DType::f64)
          r.data<S>()[i] = S(v);
        else
          r.data<S>()[i] = scalar::store_plain<kT>(float(v));
      }
    }
  });
  return r;
}

// A tensor of a shape, lying in memory in some way.
inline Tensor laid_out(DType t, const Extents& shape, Layout layout, uint32_t seed, bool plain = false) {
  const int rank = shape.size();
  if (rank == 0 || layout == packed) return with_specials(t, shape, seed, plain);
  if (layout == transposed) {
    Extents back;
    std::vector<int> axes;
    for (int i = rank; i-- > 0;) {
      back.push_back(shape[i]);
      axes.push_back(i);
    }
    return with_specials(t, back, seed, plain).transposed(axes);
  }
  if (layout == strided) {
    Extents wide, starts;
    std::vector<int64_t> steps;
    for (int64_t n : shape) {
      wide.push_back(2 * n + 1);
      starts.push_back(1);
      steps.push_back(2);
    }
    return with_specials(t, wide, seed, plain).sliced(starts, shape, steps);
  }
  Tensor r = with_specials(t, shape, seed, plain);
  r.strides[seed % uint32_t(rank)] = 0;
  return r;
}

inline std::vector<Tensor> operands(DType t, int64_t n, int64_t k, Layout layout, bool plain = false) {
  std::vector<Tensor> out;
  for (uint32_t i : {1u, 2u, 3u}) out.push_back(laid_out(t, {n}, layout, i, plain));
  for (uint32_t i : {4u, 5u}) out.push_back(laid_out(t, {n, k}, layout, i, plain));
  out.push_back(laid_out(t, {k, k}, layout, 6, plain));
  out.push_back(laid_out(DType::boolean, {n}, layout, 7, plain));
  out.push_back(with_specials(t, {}, 8, plain));
  out.push_back(Tensor::scalar<int64_t>(DType::i64, n / 2));
  Tensor to(DType::i64, {n});
  for (int64_t i = 0; i < n; ++i) to.data<int64_t>()[i] = i * 7 % n;
  out.push_back(to);
  return out;
}

// The same elements lying in the same way in memory of its own: a run may write over what it gets.
inline Tensor copy_of(const Tensor& a) {
  Tensor r = a;
  r.buffer = Buffer::allocate(a.buffer->size());
  std::memcpy(r.buffer->data(), a.buffer->data(), a.buffer->size());
  return r;
}

// Those that are operations of their own at run time.
inline std::vector<int> swept() {
  std::vector<int> out;
  for (int k = 0; k < ir::kOpCount; ++k)
    for (int t = 0; t < kDTypeCount; ++t) {
      ir::Module module;
      if (!Uses(module, DType(t)).add(Op(k))) continue;
      out.push_back(k);
      break;
    }
  return out;
}

}  // namespace tenon::test
