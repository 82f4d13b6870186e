// rooms: support ir runtime kernels interp
// Law 1 for the exact passes: random programs, full of the numbers and shapes that rewrites look
// for, give the same bytes (any NaN is any NaN), or the same error, before and after each pass and
// all.

#include <cmath>
#include <random>

#include "ir/builder.h"
#include "ir/literal.h"
#include "ir/passes.h"
#include "ir/passes/rewrite.h"
#include "tests/unit/interp_program.h"

namespace tenon::test {
namespace {

using ir::Builder;
using ir::Op;
using ir::Region;
using ir::Type;
using ir::Value;

class Maker {
 public:
  Maker(ir::Module& module, uint32_t seed) : m_(module), random_(seed) {}

  // A program that may call those made before it.
  ir::FnId make() {
    auto f = std::make_unique<ir::Function>();
    f->name = "f" + std::to_string(m_.functions.size());
    SymId n = m_.dims.fresh("N", {}, true), k = m_.dims.fresh("M", {}, true);
    f->sizes = {n, k};
    N = m_.dims.symbol(n);
    M = m_.dims.symbol(k);
    Builder b(m_, *f);
    b_ = &b;
    f_ = f.get();
    pool_.clear();
    for (const Type& t : parameters(N, M)) pool_.push_back(b.param(t));
    steps(4 + pick(30));
    for (int i = 0; i < 6; ++i)
      f->body.results.push_back(
          pool_[pool_.size() - 1 - pick(std::min<int>(int(pool_.size()), 12))]);
    f->body.results.push_back(pool_[4]);
    f->results.resize(f->body.results.size());
    made_.push_back(m_.add(std::move(f)));
    return made_.back();
  }

  static std::vector<Type> parameters(DimId N, DimId M) {
    return {{DType::f32, {N, M}}, {DType::f32, {N}}, {DType::i32, {N}},
            {DType::f32, {}},     {DType::i64, {}},  {DType::boolean, {}}};
  }

 private:
  int pick(int n) { return int(random_() % uint32_t(n)); }
  bool coin() { return pick(2) == 0; }

  // ---- finding or making operands
  template <class F>
  std::optional<Value> any(F wanted) {
    std::vector<Value> found;
    for (Value v : pool_)
      if (wanted(f_->type(v))) found.push_back(v);
    if (found.empty()) return {};
    return found[pick(int(found.size()))];
  }
  Value of(Type t) {
    if (pick(4) == 0) return b_->fill(number(t.dtype), t.shape);
    if (auto v = any([&](const Type& x) { return x == t; })) return *v;
    return b_->fill(number(t.dtype), t.shape);
  }
  Value number(DType t) {
    if (pick(4) == 0)
      if (auto v = any([&](const Type& x) { return x == ir::scalar_type(t); })) return *v;
    static const double kFloats[] = {0,  0, 0,    -0.0,  1,    -1,       2,   0.5,
                                     -8, 3, 1024, 1e-40, 1e30, INFINITY, NAN, 5.9604645e-08};
    if (is_float(t)) return b_->number(t, kFloats[pick(16)]);
    if (t == DType::boolean) return b_->boolean(coin());
    return b_->integer(pick(6) - 2, t);
  }
  Type tensor_type() {
    auto v = any([](const Type& x) { return !x.tape; });
    return f_->type(*v);
  }
  Type float_type() {
    auto v = any([](const Type& x) { return is_float(x.dtype); });
    return f_->type(*v);
  }
  Type with(Type t, DType d) {
    t.dtype = d;
    return t;
  }
  void put(Value v) { pool_.push_back(v); }

  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }

  void step() {
    Builder& b = *b_;
    switch (pick(28)) {
      case 0:
      case 1:
      case 2: {  // arithmetic
        const Type t = tensor_type();
        static const Op kFloat[] = {Op::add, Op::sub, Op::mul, Op::div, Op::min, Op::max, Op::pow};
        static const Op kWhole[] = {Op::add, Op::sub,  Op::mul,  Op::div,
                                    Op::rem, Op::and_, Op::xor_, Op::shl};
        static const Op kLogic[] = {Op::and_, Op::or_, Op::xor_, Op::eq};
        const Op op = t.dtype == DType::boolean ? kLogic[pick(4)]
                      : is_float(t.dtype)       ? kFloat[pick(7)]
                                                : kWhole[pick(8)];
        if (!is_float(t.dtype) && (op == Op::div || op == Op::rem) && pick(3))
          return;  // traps: few
        const Value x = of(t), y = pick(5) ? of(t) : x;
        return put(b.one(op, {x, y}));
      }
      case 3: {
        const Type t = float_type();
        static const Op kOps[] = {Op::neg,  Op::abs,   Op::exp,
                                  Op::sqrt, Op::floor, Op::stop_gradient};
        const Op op = kOps[pick(6)];
        const Value v = b.one(op, {of(t)});
        return put(coin() ? b.one(op, {v}) : v);
      }
      case 4: {
        const Type t = tensor_type();
        static const DType kTo[] = {DType::f32,     DType::f64, DType::i32, DType::i64,
                                    DType::boolean, DType::f16, DType::bf16};
        return put(b.one(Op::convert, {of(t)}, ir::ConvertAttr{kTo[pick(7)]}));
      }
      case 5: {
        Type t = tensor_type();
        if (t.dtype == DType::boolean) return put(b.one(Op::not_, {of(t)}));
        return put(b.one(coin() ? Op::lt : Op::eq, {of(t), of(t)}));
      }
      case 6: {
        const Type t = tensor_type();
        const Value x = of(t);
        return put(b.one(Op::select, {of(with(t, DType::boolean)), x, coin() ? x : of(t)}));
      }
      case 7: {
        const Type t = tensor_type();
        const Value s = number(t.dtype);
        return put(b.fill(s, t.shape));
      }
      case 8: {  // transposes
        auto v = any([](const Type& x) { return x.rank() >= 2; });
        std::vector<int> axes(f_->type(*v).rank());
        for (size_t i = 0; i < axes.size(); ++i) axes[i] = int(i);
        std::shuffle(axes.begin(), axes.end(), random_);
        return put(b.one(Op::transpose, {*v}, ir::AxesAttr{axes}));
      }
      case 9: {  // to one axis and perhaps back
        const Value x = of(tensor_type());
        const Type t = f_->type(x);
        DimId all = m_.dims.constant(1);
        for (DimId d : t.shape) all = m_.dims.mul(all, d);
        Value v = b.one(Op::reshape, {x}, ir::ShapeAttr{{all}});
        put(v);
        if (coin()) put(b.one(Op::reshape, {v}, ir::ShapeAttr{{m_.dims.constant(1), all}}));
        if (coin()) put(b.one(Op::reshape, {v}, ir::ShapeAttr{t.shape}));
        return;
      }
      case 10: {  // a new axis
        const Value x = of(tensor_type());
        Type t = f_->type(x);
        if (t.rank() >= 3) return;
        const int at = pick(int(t.rank()) + 1);
        std::vector<int> axes;
        for (int i = 0; i < int(t.rank()); ++i) axes.push_back(i < at ? i : i + 1);
        t.shape.insert(t.shape.begin() + at, coin() ? N : m_.dims.constant(2));
        return put(b.one(Op::broadcast, {x}, ir::BroadcastAttr{t.shape, axes}));
      }
      case 11: {
        auto v = any([](const Type& x) { return x.rank() >= 1 && x.dtype != DType::boolean; });
        const int rank = int(f_->type(*v).rank());
        std::vector<int> axes;
        const int keep = pick(rank);
        for (int i = 0; i < rank; ++i)
          if (i != keep || rank == 1 || coin()) axes.push_back(i);
        if (!axes.empty())
          put(b.reduce(coin() ? ir::ReduceKind::sum : ir::ReduceKind::max, *v, axes));
        return;
      }
      case 12: {  // contraction, perhaps of a transpose
        const Value x = of({DType::f32, {N, M}});
        const bool flip = coin();
        const Value y = flip
                            ? b.one(Op::transpose, {of({DType::f32, {N, M}})}, ir::AxesAttr{{1, 0}})
                            : of({DType::f32, {M, N}});
        auto spec = std::make_shared<ir::ContractSpec>();
        auto index = [](uint8_t i) { return ir::Affine{{{i, 1}}, 0}; };
        spec->range = {N, N, M};
        spec->a = {index(0), index(2)};
        spec->b = {index(2), index(1)};
        spec->out = {0, 1};
        if (coin()) spec->out = {0};
        return put(b.one(Op::contract, {x, y}, ir::ContractAttr{spec}));
      }
      case 13: {  // parts
        auto v = any([](const Type& x) { return x.rank() == 1; });
        const Type t = f_->type(*v);
        const Value start = pick(3)   ? b.integer(0)
                            : pick(2) ? b.integer(1)
                                      : of(ir::scalar_type(DType::i64));
        const Type part{t.dtype, {coin() ? t.shape[0] : m_.dims.constant(1)}};
        if (coin()) return put(b.one(Op::slice, {*v, start}, ir::SliceAttr{part.shape, {1}}));
        return put(b.one(Op::update, {*v, of(part), start}, ir::SliceAttr{part.shape, {1}}));
      }
      case 14: {
        auto v = any([](const Type& x) { return x.rank() >= 1 && x.rank() < 3; });
        if (coin()) return put(b.one(Op::concat, {*v}, ir::AxisAttr{0}));
        if (f_->types.size() > 200) return;  // they double
        return put(b.one(Op::concat, {*v, of(f_->type(*v))}, ir::AxisAttr{0}));
      }
      case 15:
        return put(b.size(coin() ? N : m_.dims.constant(7)));
      case 16:
      case 17:
        return branch();
      case 18:
        return loop();
      case 19:
      case 20:
        return call();
      case 21:
      case 22:
      case 23:
      case 24:
      case 25: {  // a number on one side
        const Type t = pick(3) ? float_type() : tensor_type();
        if (t.dtype == DType::boolean) return;
        static const Op kOps[] = {Op::add, Op::sub, Op::mul, Op::div};
        const Op op = kOps[pick(4)];
        if (!is_float(t.dtype) && op == Op::div && pick(3)) return;
        const Value s = b.fill(number(t.dtype), t.shape);
        auto x = any([&](const Type& y) { return y == t; });
        if (!x || !is_float(t.dtype)) x = of(t);
        return put(coin() ? b.one(op, {*x, s}) : b.one(op, {s, *x}));
      }
      case 26:
        if (pick(4) == 0) b.emit(Op::debug, {of(tensor_type())}, ir::TextAttr{"{}"});
        return;
      default:
        if (pick(6)) return put(b.one(Op::iota, {}, ir::IotaAttr{DType::f32, {N, M}, pick(2)}));
        b.emit(Op::check, {coin() ? b.boolean(true) : of(ir::scalar_type(DType::boolean))},
               ir::CheckAttr{Code::E0804, "no", "", Fault::program});
    }
  }

  void branch() {
    const Value cond = of(ir::scalar_type(DType::boolean));
    const Type types[2] = {tensor_type(), tensor_type()};
    std::vector<Region> regions;
    for (int arm = 0; arm < 2; ++arm) {
      b_->open({});
      const size_t mark = pool_.size();
      steps(pick(4));
      std::vector<Value> results = {of(types[0]), of(types[1])};
      pool_.resize(mark);
      regions.push_back(b_->close(results));
    }
    for (Value v : b_->emit(Op::if_, {cond}, {}, std::move(regions)).results) put(v);
  }

  void loop() {
    const Type types[2] = {tensor_type(), float_type()};
    const Value lo = b_->integer(pick(3)), hi = b_->integer(pick(4)), x = of(types[0]),
                y = of(types[1]);
    const auto params = b_->open({ir::scalar_type(DType::i64), types[0], types[1]});
    const size_t mark = pool_.size();
    pool_.insert(pool_.end(), params.begin(), params.end());
    steps(pick(4));
    std::vector<Value> results = {of(types[0]), of(types[1])};
    pool_.resize(mark);
    std::vector<Region> regions;
    regions.push_back(b_->close(results));
    for (Value v : b_->emit(Op::for_, {lo, hi, x, y}, {}, std::move(regions)).results) put(v);
  }

  void call() {
    if (made_.empty()) return;
    const ir::FnId fn = made_[pick(int(made_.size()))];
    std::vector<DimId> dims = {coin() ? N : m_.dims.constant(2), coin() ? M : N};
    std::vector<Value> args;
    for (const Type& t : parameters(dims[0], dims[1])) args.push_back(of(t));
    for (Value v : b_->call(fn, dims, args)) put(v);
  }

  ir::Module& m_;
  std::mt19937 random_;
  DimId N = 0, M = 0;
  Builder* b_ = nullptr;
  ir::Function* f_ = nullptr;
  std::vector<Value> pool_;
  std::vector<ir::FnId> made_;
};

// ---------------------------------------------------------------- running and comparing

// What a run gives: bytes with every NaN alike, or the error.
std::string outcome(Interpreter& interpreter, RunContext& context, ir::FnId fn, int64_t n,
                    int64_t m, uint32_t seed) {
  std::mt19937 random(seed);
  auto some = [&] {  // and what tells almost equal rewrites apart
    static const float kOdd[] = {-0.0f, 0.0f, -0.0f, NAN, -INFINITY, 1e-40f, 16777216.0f, 0.1f};
    return random() % 4 == 0 ? kOdd[random() % 8] : float(int(random() % 17) - 8) / 4;
  };
  std::vector<float> matrix(size_t(n * m)), row(static_cast<size_t>(n));
  std::vector<int32_t> whole(static_cast<size_t>(n));
  for (float& x : matrix) x = some();
  for (float& x : row) x = some();
  for (int32_t& x : whole) x = int32_t(random() % 9) - 4;
  std::vector<Tensor> args = {tensor<float>({n, m}, matrix),
                              tensor<float>({n}, row),
                              tensor<int32_t>({n}, whole),
                              scalar<float>(some()),
                              scalar<int64_t>(int64_t(random() % 4)),
                              scalar<bool>(random() % 2 == 0)};
  std::string out;
  try {
    const int64_t sizes[] = {n, m};
    for (const Tensor& t : interpreter.run(fn, sizes, std::move(args), context)) {
      const Tensor c = t.packed();
      ir::Literal l{
          c.dtype, {c.count()}, std::string(static_cast<const char*>(c.raw()), size_t(c.bytes()))};
      out += std::string(name(c.dtype)) + std::to_string(c.count()) + ":";
      for (size_t i = 0; i < size_t(c.count()); ++i) {
        if (is_float(l.dtype) && std::isnan(ir::number_at(l, i))) {
          out += "nan,";
        } else {
          out += std::to_string(ir::bits_at(l, i)) + ",";
        }
      }
    }
  } catch (const UserError& e) {
    out = std::string(code_name(e.diagnostic.code)) + " " + e.diagnostic.message;
  }
  return out;
}

TEST(Exact, NoPassChangesABit) {
  int runs = 0, errors = 0, changed = 0;
  for (uint32_t seed = 0; seed < 1500; ++seed) {
    ir::Module m;
    Maker maker(m, seed);
    ir::FnId fn = 0;
    for (int i = 0; i < 3; ++i) fn = maker.make();
    ir::PrefixRunner(m).run(fn);

    // Each pass alone, and all in their order.
    std::vector<std::pair<std::string, ir::FnId>> variants;
    auto add = [&](std::string name, std::unique_ptr<ir::Function> f) {
      ir::verify_after(name, m, *f);
      changed += print(m, *f) != print(m, m.fn(fn));
      variants.emplace_back(std::move(name), m.add(std::move(f)));
    };
    auto all = std::make_unique<ir::Function>(m.fn(fn));
    for (const ir::Pass& p : ir::exact_passes()) {
      add(std::string(p.name), p.run(m, m.fn(fn)));
      all = p.run(m, *all);
      ir::verify_after(p.name, m, *all);
    }
    for (const ir::Pass& p : ir::exact_passes()) all = p.run(m, *all);  // once more
    add("all", std::move(all));

    Interpreter interpreter(m);
    Threads threads(1);
    TestHost host;
    auto run = [&](ir::FnId id, RunContext& context, int64_t n, int64_t k, uint32_t seed) {
      host.log.clear();
      const std::string s = outcome(interpreter, context, id, n, k, seed);
      return s + host.log;
    };
    std::atomic<bool> interrupted{false};
    RunContext context{threads, host, interrupted};
    for (const auto& [n, k] : {std::pair{3, 4}, {2, 2}, {1, 5}, {0, 3}}) {
      const std::string expected = run(fn, context, n, k, seed);
      ++runs;
      errors += expected[0] == 'E';
      for (const auto& [name, id] : variants)
        ASSERT_EQ(run(id, context, n, k, seed), expected)
            << "seed " << seed << " " << name << " N=" << n << " M=" << k << "\nbefore\n"
            << print(m, m.fn(fn)) << "after\n"
            << print(m, m.fn(id));
    }
  }
  // The test must neither fail all the time nor never, and the passes must find something to do.
  EXPECT_GT(errors, runs / 50);
  EXPECT_LT(errors, runs / 2);
  EXPECT_GT(changed, 1000);
}

}  // namespace
}  // namespace tenon::test
