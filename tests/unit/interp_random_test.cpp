// rooms: support ir runtime kernels interp
// Random programs with nested control, calls, tapes and updates, run by the interpreter and by a
// naive evaluator that copies every value: whatever is moved, dropped, fused or written in place
// wrongly shows as a difference.
#include <map>
#include <random>
#include <variant>

#include "ir/builder.h"
#include "ir/literal.h"
#include "tests/unit/interp_program.h"

namespace tenon::test {
namespace {

using ir::Op;
using ir::Region;
using ir::Type;
using ir::Value;

// ---------------------------------------------------------------- the naive evaluator

struct Plain {
  std::vector<double> f;   // of f64
  std::vector<int64_t> i;  // of i64 and bool
  std::vector<Plain> tape;
};

class Naive {
 public:
  Naive(const ir::Module& m, int64_t n) : module_(m), n_(n) {}

  std::vector<Plain> call(ir::FnId id, std::vector<Plain> args) {
    const ir::Function& f = module_.fn(id);
    std::map<Value, Plain> env;
    for (size_t k = 0; k < args.size(); ++k) env[f.body.params[k]] = args[k];
    return region(f, f.body, env);
  }

 private:
  std::vector<Plain> region(const ir::Function& f, const Region& r, std::map<Value, Plain>& env) {
    for (const ir::Node& n : r.nodes) node(f, n, env);
    std::vector<Plain> out;
    for (Value v : r.results) out.push_back(env.at(v));
    return out;
  }

  void node(const ir::Function& f, const ir::Node& n, std::map<Value, Plain>& env) {
    auto in = [&](size_t k) -> const Plain& { return env.at(n.operands[k]); };
    Plain out;
    auto point = [&](auto&& op) {
      const size_t count = std::max(in(0).f.size(), in(0).i.size());
      for (size_t k = 0; k < count; ++k) op(k);
    };
    switch (n.op) {
      case Op::add:
        if (in(0).i.empty())
          point([&](size_t k) { out.f.push_back(in(0).f[k] + in(1).f[k]); });
        else
          point([&](size_t k) { out.i.push_back(in(0).i[k] + in(1).i[k]); });
        break;
      case Op::sub:
        point([&](size_t k) { out.f.push_back(in(0).f[k] - in(1).f[k]); });
        break;
      case Op::mul:
        point([&](size_t k) { out.f.push_back(in(0).f[k] * in(1).f[k]); });
        break;
      case Op::lt:
        if (in(0).i.empty())
          point([&](size_t k) { out.i.push_back(in(0).f[k] < in(1).f[k]); });
        else
          point([&](size_t k) { out.i.push_back(in(0).i[k] < in(1).i[k]); });
        break;
      case Op::select:
        point([&](size_t k) { out.f.push_back(in(0).i[k] ? in(1).f[k] : in(2).f[k]); });
        break;
      case Op::constant: {
        const ir::Literal& l = *n.get<ir::ConstantAttr>().literal;
        if (is_float(l.dtype))
          out.f.push_back(ir::number_at(l, 0));
        else
          out.i.push_back(ir::integer_at(l, 0));
        break;
      }
      case Op::broadcast:
        out.f.assign(n_, in(0).f[0]);
        break;
      case Op::reshape:
      case Op::stop_gradient:
      case Op::retype:
        out = in(0);
        break;
      case Op::slice:
        out.f.push_back(in(0).f[in(1).i[0]]);
        break;
      case Op::update:
        out = in(0);
        out.f[in(2).i[0]] = in(1).f[0];
        break;
      case Op::tape_new:
        break;
      case Op::tape_end:
        EXPECT_TRUE(in(0).tape.empty());
        return;
      case Op::push:
        out = in(0);
        out.tape.push_back(in(1));
        break;
      case Op::pop: {
        out = in(0);
        Plain top = out.tape.back();
        out.tape.pop_back();
        env[n.results[0]] = out;
        env[n.results[1]] = top;
        return;
      }
      case Op::if_:
        return give(n, region(f, n.regions[in(0).i[0] ? 0 : 1], env), env);
      case Op::call: {
        std::vector<Plain> args;
        for (size_t k = 0; k < n.operands.size(); ++k) args.push_back(in(k));
        return give(n, call(n.get<ir::CallAttr>().fn, args), env);
      }
      case Op::for_: {
        std::vector<Plain> carry;
        for (size_t k = 2; k < n.operands.size(); ++k) carry.push_back(in(k));
        for (int64_t i = in (0).i[0], hi = in(1).i[0]; i < hi; ++i) {
          Plain index;
          index.i.push_back(i);
          env[n.regions[0].params[0]] = index;
          for (size_t k = 0; k < carry.size(); ++k) env[n.regions[0].params[k + 1]] = carry[k];
          carry = region(f, n.regions[0], env);
        }
        return give(n, carry, env);
      }
      case Op::while_: {
        std::vector<Plain> carry;
        for (size_t k = 0; k < n.operands.size(); ++k) carry.push_back(in(k));
        for (;;) {
          for (size_t k = 0; k < carry.size(); ++k) env[n.regions[0].params[k]] = carry[k];
          if (!region(f, n.regions[0], env)[0].i[0]) break;
          for (size_t k = 0; k < carry.size(); ++k) env[n.regions[1].params[k]] = carry[k];
          carry = region(f, n.regions[1], env);
        }
        return give(n, carry, env);
      }
      default:
        FAIL() << "the naive evaluator does not know " << name(n.op);
    }
    env[n.results[0]] = out;
  }

  void give(const ir::Node& n, const std::vector<Plain>& values, std::map<Value, Plain>& env) {
    for (size_t k = 0; k < values.size(); ++k) env[n.results[k]] = values[k];
  }

  const ir::Module& module_;
  int64_t n_;
};

// ---------------------------------------------------------------- random programs

class Maker {
 public:
  Maker(ir::Module& m, uint64_t seed) : module_(m), g_(seed) {}

  ir::FnId function() {
    auto fn = std::make_unique<ir::Function>();
    fn->name = "f";
    const SymId n = module_.dims.fresh("N", {}, true);
    fn->sizes.push_back(n);
    ir::Function& f = *fn;
    const ir::FnId id = module_.add(std::move(fn));
    ir::Builder b(module_, f);
    b_ = &b;
    n_ = module_.dims.symbol(n);
    vector_ = {DType::f64, {n_}};
    one_ = {DType::f64, {module_.dims.constant(1)}};
    Env env;
    for (int k = 0; k < 3; ++k) env.vectors.push_back(b.param(vector_));
    for (int k = 0; k < 2; ++k) env.numbers.push_back(b.param(ir::scalar_type(DType::f64)));
    nodes(env, 0, 6 + pick(12));
    f.body.results = some(env, {vector_, vector_, ir::scalar_type(DType::f64)});
    f.results.resize(3);
    done_.push_back(id);
    return id;
  }

 private:
  struct Env {
    std::vector<Value> vectors, numbers, places, truths;  // places: i64 within N
  };

  int pick(int n) { return static_cast<int>(g_() % static_cast<uint64_t>(n)); }
  Value any(const std::vector<Value>& list) {
    // Mostly the newest, so that chains grow.
    const int n = static_cast<int>(list.size());
    return list[pick(3) ? n - 1 - pick(std::min(n, 3)) : pick(n)];
  }
  Value place(Env& env) {
    if (env.places.empty() || pick(3) == 0) env.places.push_back(b_->integer(pick(5)));
    return any(env.places);
  }
  Value truth(Env& env) {
    if (env.truths.empty() || pick(2))
      env.truths.push_back(b_->one(Op::lt, {any(env.numbers), any(env.numbers)}));
    return any(env.truths);
  }
  std::vector<Value> some(Env& env, const std::vector<Type>& types) {
    std::vector<Value> out;
    for (const Type& t : types) out.push_back(t == vector_ ? any(env.vectors) : any(env.numbers));
    return out;
  }
  std::vector<Type> types() {
    std::vector<Type> t(1 + pick(4));
    for (Type& x : t) x = pick(3) ? vector_ : ir::scalar_type(DType::f64);
    return t;
  }
  void take(Env& env, const std::vector<Type>& types, const std::vector<Value>& values,
            size_t from = 0) {
    for (size_t k = 0; k < types.size(); ++k)
      (types[k] == vector_ ? env.vectors : env.numbers).push_back(values[from + k]);
  }

  void nodes(Env& env, int depth, int count) {
    for (int k = 0; k < count; ++k) node(env, depth);
  }

  void node(Env& env, int depth) {
    const Op two[] = {Op::add, Op::sub, Op::mul};
    switch (pick(depth < 3 ? 16 : 10)) {
      case 0:
      case 1:
      case 2:
        env.vectors.push_back(b_->one(two[pick(3)], {any(env.vectors), any(env.vectors)}));
        return;
      case 3:
        env.numbers.push_back(b_->one(two[pick(3)], {any(env.numbers), any(env.numbers)}));
        return;
      case 4: {
        const Value less = b_->one(Op::lt, {any(env.vectors), any(env.vectors)});
        env.vectors.push_back(b_->one(Op::select, {less, any(env.vectors), any(env.vectors)}));
        return;
      }
      case 5:
        env.vectors.push_back(b_->broadcast(any(env.numbers), {n_}, {}));
        return;
      case 6: {
        const Value at = place(env);
        const Value part =
            b_->one(Op::slice, {any(env.vectors), at}, ir::SliceAttr{one_.shape, {1}});
        env.numbers.push_back(b_->reshape(part, {}));
        return;
      }
      case 7: {
        const Value at = place(env), v = b_->reshape(any(env.numbers), one_.shape);
        env.vectors.push_back(
            b_->one(Op::update, {any(env.vectors), v, at}, ir::SliceAttr{one_.shape, {1}}));
        return;
      }
      case 8: {
        const Value at = place(env);
        const Value part =
            b_->one(Op::slice, {any(env.vectors), at}, ir::SliceAttr{one_.shape, {1}});
        const Value to = place(env);  // a part that stays a tensor: two readers
        env.numbers.push_back(b_->reshape(part, {}));
        env.vectors.push_back(
            b_->one(Op::update, {any(env.vectors), part, to}, ir::SliceAttr{one_.shape, {1}}));
        return;
      }
      case 9:
        env.vectors.push_back(b_->one(Op::stop_gradient, {any(env.vectors)}));
        return;
      case 10:
      case 11: {
        const auto t = types();
        const Value c = truth(env);
        std::vector<Region> arms;
        for (int arm = 0; arm < 2; ++arm) {
          Env inner = env;
          b_->open({});
          nodes(inner, depth + 1, pick(5));
          arms.push_back(b_->close(some(inner, t)));
        }
        const std::vector<Value> results = b_->emit(Op::if_, {c}, {}, std::move(arms)).results;
        take(env, t, results);
        return;
      }
      case 12: {
        const auto t = types();
        std::vector<Value> operands{b_->integer(0), b_->integer(pick(4))};
        for (Value v : some(env, t)) operands.push_back(v);
        std::vector<Type> params = t;
        params.insert(params.begin(), ir::scalar_type(DType::i64));
        Env inner = env;
        const auto values = b_->open(params);
        inner.places.push_back(values[0]);
        take(inner, t, values, 1);
        nodes(inner, depth + 1, 1 + pick(5));
        std::vector<Region> body;
        body.push_back(b_->close(some(inner, t)));
        const std::vector<Value> results =
            b_->emit(Op::for_, operands, {}, std::move(body)).results;
        take(env, t, results);
        return;
      }
      case 13: {  // while (i < n): the first carry counts
        const auto t = types();
        const Value most = b_->integer(pick(4)), step = b_->integer(1);
        std::vector<Value> operands{b_->integer(0)};
        for (Value v : some(env, t)) operands.push_back(v);
        std::vector<Type> params = t;
        params.insert(params.begin(), ir::scalar_type(DType::i64));
        std::vector<Region> regions;
        auto values = b_->open(params);
        regions.push_back(b_->close({b_->one(Op::lt, {values[0], most})}));
        Env inner = env;
        values = b_->open(params);
        take(inner, t, values, 1);
        nodes(inner, depth + 1, 1 + pick(4));
        std::vector<Value> out = some(inner, t);
        out.insert(out.begin(), b_->one(Op::add, {values[0], step}));
        regions.push_back(b_->close(out));
        const std::vector<Value> results =
            b_->emit(Op::while_, operands, {}, std::move(regions)).results;
        take(env, t, results, 1);
        return;
      }
      case 14: {
        if (done_.empty()) return;
        const std::vector<Type> t{vector_, vector_, vector_, ir::scalar_type(DType::f64),
                                  ir::scalar_type(DType::f64)};
        const auto results =
            b_->call(done_[pick(static_cast<int>(done_.size()))], {n_}, some(env, t));
        take(env, {vector_, vector_, ir::scalar_type(DType::f64)}, results);
        return;
      }
      default: {  // what a loop pushes another takes back
        const Value from = b_->integer(0), to = b_->integer(pick(4));
        Value tape = b_->one(Op::tape_new, {});
        const Value kept = any(env.vectors), number = any(env.numbers);
        auto values = b_->open({ir::scalar_type(DType::i64), ir::tape_type(), vector_});
        Env inner = env;
        inner.vectors.push_back(values[2]);
        nodes(inner, 3, 1 + pick(3));
        Value t = b_->one(Op::push, {values[1], any(inner.vectors)}, ir::SlotAttr{0, vector_});
        t = b_->one(Op::push, {t, any(inner.numbers)},
                    ir::SlotAttr{1, ir::scalar_type(DType::f64)});
        std::vector<Region> body;
        body.push_back(b_->close({t, any(inner.vectors)}));
        const std::vector<Value> forward =
            b_->emit(Op::for_, {from, to, tape, kept}, {}, std::move(body)).results;
        values = b_->open(
            {ir::scalar_type(DType::i64), ir::tape_type(), vector_, ir::scalar_type(DType::f64)});
        const std::vector<Value> p1 =
            b_->emit(Op::pop, {values[1]}, ir::SlotAttr{1, ir::scalar_type(DType::f64)}).results;
        const std::vector<Value> p0 = b_->emit(Op::pop, {p1[0]}, ir::SlotAttr{0, vector_}).results;
        body.clear();
        const Value sum = b_->one(Op::add, {p0[1], values[2]});
        body.push_back(b_->close({p0[0], pick(2) ? sum : p0[1], p1[1]}));
        const std::vector<Value> back =
            b_->emit(Op::for_, {from, to, forward[0], forward[1], number}, {}, std::move(body))
                .results;
        b_->emit(Op::tape_end, {back[0]});
        env.vectors.push_back(back[1]);
        env.numbers.push_back(back[2]);
        return;
      }
    }
  }

  ir::Module& module_;
  std::mt19937_64 g_;
  ir::Builder* b_ = nullptr;
  DimId n_ = 0;
  Type vector_, one_;
  std::vector<ir::FnId> done_;
};

// ---------------------------------------------------------------- the test

TEST(Random, TheInterpreterIsTheNaiveEvaluator) {
  const int64_t n = 6;
  const char* wanted = std::getenv("TENON_SEED");
  const uint64_t first = wanted ? std::strtoull(wanted, nullptr, 10) : 1,
                 last = wanted ? first : 400;
  for (uint64_t seed = first; seed <= last; ++seed) {
    ir::Module module;
    Maker maker(module, seed);
    ir::FnId id = 0;
    for (int k = 0; k < 3; ++k) {
      id = maker.function();
      ASSERT_EQ(ir::verify(module, module.fn(id)), "") << seed;
    }
    std::mt19937_64 g(seed);
    auto number = [&] { return static_cast<double>(g() % 2001) / 1000.0 - 1.0; };
    std::vector<Tensor> args, kept;
    std::vector<Plain> plain;
    for (int k = 0; k < 5; ++k) {
      Plain p;
      for (int64_t j = 0; j < (k < 3 ? n : 1); ++j) p.f.push_back(number());
      args.push_back(k < 3 ? tensor({n}, p.f) : scalar(p.f[0]));
      if (k == 0) kept.push_back(args[0]);  // somebody else holds the first argument
      plain.push_back(std::move(p));
    }
    const std::vector<double> before = plain[0].f;
    const auto want = Naive(module, n).call(id, plain);
    Threads threads(1);
    TestHost host;
    std::atomic<bool> interrupted{false};
    RunContext context{threads, host, interrupted};
    Interpreter interpreter(module);
    const int64_t sizes[] = {n};
    const auto got = interpreter.run(id, sizes, std::move(args), context);
    for (size_t k = 0; k < want.size(); ++k) {
      const Tensor expected = k < 2 ? tensor({n}, want[k].f) : scalar(want[k].f[0]);
      ASSERT_TRUE(same_bits(got[k], expected)) << "seed " << seed << " result " << k << "\n"
                                               << ir::print(module);
    }
    ASSERT_EQ(elements<double>(kept[0]), before) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tenon::test
