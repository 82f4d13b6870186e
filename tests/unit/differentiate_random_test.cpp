// rooms: support ir runtime kernels interp
// Derivatives of random programs: whatever control flow, calls and operations come together, each
// order agrees with finite differences, forward with reverse mode, the interpreter with the evaluator.
// TENON_RANDOM=5000 runs as many programs.
#include <random>

#include "tests/unit/derivative_case.h"

namespace tenon::test {
namespace {

// Writes functions (scalar, vector) -> (scalar, vector) whose values stay small and smooth.
class Writer {
 public:
  Writer(ir::Module& module, uint32_t seed) : module_(module), random_(seed) {}

  void write(Function& fn, int budget) {
    Builder b(module_, fn);
    b_ = &b;
    size_ = module_.dims.symbol(fn.sizes[0]);
    Scope scope;
    scope.scalars = {b.param(ir::scalar_type(DType::f64))};
    scope.vectors = {b.param({DType::f64, {size_}})};
    body(scope, budget, 0);
    fn.body.results = {pick(scope.scalars), pick(scope.vectors)};
    // What comes in is always used, so that there is something to differentiate.
    fn.body.results[0] = b.one(Op::add, {fn.body.results[0], b.one(Op::sin, {scope.scalars[0]})});
    const Value other = b.one(Op::sin, {scope.vectors[0]});
    fn.body.results[1] = b.one(Op::mul, {fn.body.results[1], other});
    fn.results.resize(2);
  }
  std::vector<FnId> callees;

 private:
  struct Scope {
    std::vector<Value> scalars, vectors;
  };
  int roll(int n) { return int(random_() % uint32_t(n)); }
  Value pick(const std::vector<Value>& from) {  // newer ones more often
    const int n = int(from.size());
    return from[size_t(std::max(roll(n), roll(n)))];
  }
  Value one(Op op, std::vector<Value> operands) { return b_->one(op, std::move(operands)); }
  Value tame(Value v) { return one(roll(2) ? Op::sin : Op::tanh, {v}); }

  Value pointwise(const std::vector<Value>& from) {
    const Value x = pick(from), y = pick(from);
    switch (roll(8)) {
      case 0:
        return one(Op::add, {x, one(Op::mul, {y, y})});
      case 1:
        return one(Op::mul, {x, y});
      case 2:
        return one(Op::sub, {x, tame(y)});
      case 3:
        return tame(x);
      case 4:
        return one(Op::exp, {one(Op::neg, {one(Op::mul, {x, x})})});
      case 5:
        return one(Op::max, {x, y});
      case 6: {
        const ir::Type t = b_->type(x);
        const Value two = b_->fill(b_->number(DType::f64, 2), t.shape);
        return one(Op::div, {x, one(Op::add, {two, one(Op::mul, {y, y})})});
      }
      default:
        return one(Op::select, {one(Op::lt, {x, y}), one(Op::sin, {y}), x});
    }
  }
  Value at(int i) { return b_->integer(i); }

  void mixed(Scope& s) {
    const Value v = pick(s.vectors), x = pick(s.scalars);
    const DimId one_dim = module_.dims.constant(1);
    switch (roll(7)) {
      case 0:
        s.vectors.push_back(tame(one(Op::add, {v, b_->fill(x, {size_})})));
        return;
      case 1:
        s.scalars.push_back(tame(b_->reduce(ir::ReduceKind::sum, v, {0})));
        return;
      case 2:
        s.scalars.push_back(b_->reduce(ir::ReduceKind::max, v, {0}));
        return;
      case 3: {
        auto spec = std::make_shared<ir::ContractSpec>();
        const ir::Affine plain{{{0, 1}}, module_.dims.constant(0)};
        *spec = {{size_}, {plain}, {plain}, {}};
        s.scalars.push_back(
            tame(b_->one(Op::contract, {v, pick(s.vectors)}, ir::ContractAttr{spec})));
        return;
      }
      case 4: {
        const Value part = b_->one(Op::slice, {v, at(roll(3))}, ir::SliceAttr{{one_dim}, {1}});
        s.scalars.push_back(b_->reshape(part, {}));
        return;
      }
      case 5: {
        const Value part = b_->reshape(x, {one_dim});
        s.vectors.push_back(
            b_->one(Op::update, {v, part, at(roll(3))}, ir::SliceAttr{{one_dim}, {1}}));
        return;
      }
      default: {  // v backward, times x
        const Value last = b_->one(Op::sub, {b_->size(size_), at(1)});
        const Value i = b_->open({ir::scalar_type(DType::i64)})[0];
        const Value read = one(Op::read, {v, one(Op::sub, {last, i})});
        std::vector<ir::Region> regions;
        regions.push_back(b_->close({one(Op::mul, {read, x})}));
        s.vectors.push_back(b_->one(Op::map, {}, ir::MapAttr{{size_}, {}, ir::ReduceKind::sum},
                                    std::move(regions)));
      }
    }
  }

  ir::Region branch(Scope s, int budget, int depth) {
    b_->open({});
    body(s, budget, depth);
    return b_->close({pick(s.scalars), pick(s.vectors)});
  }

  void control(Scope& s, int budget, int depth) {
    std::vector<ir::Region> regions;
    const ir::Type scalar = ir::scalar_type(DType::f64), vector{DType::f64, {size_}};
    const ir::Type index = ir::scalar_type(DType::i64);
    std::vector<Value> made;
    switch (roll(4)) {
      case 0: {
        const Value cond = one(Op::lt, {pick(s.scalars), pick(s.scalars)});
        regions.push_back(branch(s, budget, depth));
        regions.push_back(branch(s, budget, depth));
        made = b_->emit(Op::if_, {cond}, {}, std::move(regions)).results;
        break;
      }
      case 1: {
        const std::vector<Value> operands{at(0), at(1 + roll(3)), pick(s.scalars), pick(s.vectors)};
        const auto p = b_->open({index, scalar, vector});
        Scope inner = s;
        inner.scalars.push_back(b_->one(Op::sin, {b_->convert(p[0], DType::f64)}));
        inner.scalars.push_back(p[1]);
        inner.vectors.push_back(p[2]);
        body(inner, budget, depth);
        const Value x = tame(pick(inner.scalars)), v = tame(pick(inner.vectors));
        regions.push_back(b_->close({x, v}));
        made = b_->emit(Op::for_, operands, {}, std::move(regions)).results;
        break;
      }
      case 2: {
        const std::vector<Value> operands{pick(s.scalars), pick(s.vectors), at(roll(2))};
        const auto q = b_->open({scalar, vector, index});
        regions.push_back(b_->close({one(Op::lt, {q[2], at(3)})}));
        const auto p = b_->open({scalar, vector, index});
        Scope inner = s;
        inner.scalars.push_back(p[0]);
        inner.vectors.push_back(p[1]);
        body(inner, budget, depth);
        const Value x = tame(pick(inner.scalars)), v = tame(pick(inner.vectors));
        regions.push_back(b_->close({x, v, one(Op::add, {p[2], at(1)})}));
        made = b_->emit(Op::while_, operands, {}, std::move(regions)).results;
        break;
      }
      default:
        if (callees.empty()) return;
        made = b_->call(callees[size_t(roll(int(callees.size())))], {size_},
                        {pick(s.scalars), pick(s.vectors)});
    }
    s.scalars.push_back(made[0]);
    s.vectors.push_back(made[1]);
  }

  void body(Scope& s, int budget, int depth) {
    for (int i = 0; i < budget; ++i) {
      switch (roll(depth < 3 ? 5 : 4)) {
        case 0:
          s.scalars.push_back(pointwise(s.scalars));
          break;
        case 1:
          s.vectors.push_back(pointwise(s.vectors));
          break;
        case 2:
        case 3:
          mixed(s);
          break;
        default:
          control(s, std::max(2, budget / 2), depth + 1);
      }
    }
  }

  ir::Module& module_;
  std::mt19937 random_;
  Builder* b_ = nullptr;
  DimId size_ = 0;
};

std::string program(uint32_t seed) {
  ir::Module module;
  auto start = [&](const char* name) -> Function& {
    auto fn = std::make_unique<Function>();
    fn->name = name;
    fn->sizes = {module.dims.fresh("N", {}, true)};
    return module.fn(module.add(std::move(fn)));
  };
  Writer writer(module, seed);
  Function& main = start("main");
  for (const char* name : {"first", "second"}) {
    Function& fn = start(name);
    writer.write(fn, 4);
    writer.callees.push_back(FnId(module.functions.size() - 1));
  }
  writer.write(main, 8);
  return ir::print(module);
}

TEST(DifferentiateRandom, AgreesWithDifferences) {
  const char* many = std::getenv("TENON_RANDOM");
  const uint32_t count = many ? uint32_t(std::atoi(many)) : 60;
  for (uint32_t seed = 1; seed <= count; ++seed) {
    const std::string text = program(seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    check(Case(text, {num(0.4), some({3}, -1, 1, int(seed))}, {3}), {0, 1}, 1 + int(seed % 3),
          false, true);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << text;
      return;
    }
  }
}

}  // namespace
}  // namespace tenon::test
