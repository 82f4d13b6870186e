// What the tests of graph mode share: a program as IR text, run in every way there is; all must
// give the same bits, or end with the same diagnostic.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>

#include "jit/compiled.h"
#include "jit/plan/lower.h"
#include "tests/unit/interp_program.h"

namespace tenon::test {

struct Outcome {
  std::vector<Tensor> results;
  bool failed = false;
  Diagnostic diagnostic;
  std::string log;  // what `debug` said
};

inline std::string describe(const Tensor& t) {
  std::string s(name(t.dtype));
  for (int64_t e : t.shape) s += " " + std::to_string(e);
  Tensor flat = t.packed();
  for (int64_t i = 0; i < std::min<int64_t>(flat.count(), 12); ++i) {
    Tensor e = flat;
    e.shape = {};
    e.strides = {};
    e.offset += i;
    char text[40];
    std::snprintf(text, sizeof text, " %.9g", e.as_double());
    s += text;
  }
  return s;
}

inline void expect_same(const Outcome& a, const Outcome& b, const std::string& how) {
  ASSERT_EQ(a.failed, b.failed) << how << ": " << a.diagnostic.message << " / "
                                << b.diagnostic.message;
  EXPECT_EQ(a.log, b.log) << how;
  if (a.failed) {
    EXPECT_EQ(a.diagnostic.code, b.diagnostic.code) << how;
    EXPECT_EQ(a.diagnostic.message, b.diagnostic.message) << how;
    EXPECT_EQ(a.diagnostic.hint, b.diagnostic.hint) << how;
    EXPECT_TRUE(a.diagnostic.where == b.diagnostic.where) << how;
    EXPECT_EQ(a.diagnostic.fault, b.diagnostic.fault) << how;
    return;
  }
  ASSERT_EQ(a.results.size(), b.results.size()) << how;
  for (size_t i = 0; i < a.results.size(); ++i)
    EXPECT_TRUE(same_bits(a.results[i], b.results[i]))
        << how << ", result " << i << ":\n  " << describe(a.results[i]) << "\n  "
        << describe(b.results[i]);
}

class Graph {
 public:
  explicit Graph(std::string_view text) : program_(text) {}

  using Args = std::function<std::vector<Tensor>()>;

  // Runs it in every way and compares; gives what the interpreter gave.
  Outcome check(const std::vector<int64_t>& sizes, const Args& args, ir::FnId fn = 0) {
    ir::Module& m = *program_.module;
    Threads one(1);
    Outcome want = outcome(
        [&](RunContext& c) { return program_.interpreter->run(fn, sizes, args(), c); }, one);
    for (const std::unique_ptr<Way>& way : ways(m, fn)) {
      Way& w = *way;
      plan::Unit& unit = w.unit;
      if (slow)
        expect_same(want,
                    outcome(
                        [&](RunContext& c) {
                          loop::Context context(unit.program, unit.tables, c);
                          auto entry = [](loop::Context* x, const int64_t* in, int64_t* out) {
                            return loop::interpret(*x, 0, in, out);
                          };
                          return loop::run(entry, unit.signatures[0], unit.dims, context, sizes,
                                           args());
                        },
                        one),
                    std::string("slow, ") + w.name);
      const CompiledFunction& f = w.compiler.compile(fn);
      for (int n : threads) {
        Threads pool(n);
        expect_same(want, outcome([&](RunContext& c) { return f.run(sizes, args(), c); }, pool),
                    std::string(w.name) + ", threads " + std::to_string(n));
      }
    }
    return want;
  }

  std::vector<int> threads{1, 2, 3, 8};
  bool slow = true;  // the slow interpreter too
  int depth_limit = 100000;
  ir::Module& module() { return *program_.module; }

 private:
  // A function in one way of compiling it: made once, run with all sizes.
  struct Way {
    Way(ir::Module& m, const char* n, CompileOptions o) : name(n), unit(m, o), compiler(m, o) {}
    const char* name;
    plan::Unit unit;
    Compiler compiler;
  };
  const std::vector<std::unique_ptr<Way>>& ways(ir::Module& m, ir::FnId fn) {
    auto [at, fresh] = ways_.try_emplace(fn);
    if (!fresh) return at->second;
    auto add = [&](const char* name, auto change) {
      CompileOptions o;
      o.verify = true;
      change(o);
      at->second.push_back(std::make_unique<Way>(m, name, o));
      at->second.back()->unit.lower(fn);
      EXPECT_EQ(loop::verify(at->second.back()->unit.program), "") << name;
    };
    add("all", [](CompileOptions&) {});
    add("one kernel per node",
        [](CompileOptions& o) { o.optimise = o.fuse_points = o.fuse_rows = o.reuse_buffers = false; });
    add("points only", [](CompileOptions& o) { o.fuse_rows = false; });
    add("cut at random, row after row", [](CompileOptions& o) {
      o.random_cuts = 7;
      o.stagger_rows = false;
    });
    add("other random cuts", [](CompileOptions& o) { o.random_cuts = 12345; });
    add("256 bits", [](CompileOptions& o) { o.wide = false; });
    return at->second;
  }

  template <class F>
  Outcome outcome(F&& run, Threads& pool) {
    Outcome o;
    TestHost host;
    std::atomic<bool> interrupted{false};
    RunContext c{pool, host, interrupted, depth_limit};
    try {
      o.results = run(c);
    } catch (const UserError& e) {
      o.failed = true;
      o.diagnostic = e.diagnostic;
    }
    o.log = host.log;
    return o;
  }
  Program program_;
  std::map<ir::FnId, std::vector<std::unique_ptr<Way>>> ways_;
};

// Numbers of a dtype, the same for the same seed; with the odd special one among floats.
inline Tensor random_tensor(DType t, const Extents& shape, uint32_t seed, bool special = false) {
  Tensor r(t, shape);
  std::mt19937 g(seed);
  std::normal_distribution<double> normal;
  for (int64_t i = 0; i < r.count(); ++i) {
    double v = normal(g) * 2;
    if (special && g() % 17 == 0) {
      const double odd[] = {0.0, -0.0, 1e300, -1e300, 1e-310, std::nan(""), 0.5, 3.0};
      v = odd[g() % 8];
    }
    switch (t) {
      case DType::boolean:
        r.data<uint8_t>()[i] = g() & 1;
        break;
      case DType::i8:
        r.data<int8_t>()[i] = static_cast<int8_t>(g());
        break;
      case DType::u8:
        r.data<uint8_t>()[i] = static_cast<uint8_t>(g());
        break;
      case DType::i32:
        r.data<int32_t>()[i] = static_cast<int32_t>(g());
        break;
      case DType::i64:
        r.data<int64_t>()[i] = static_cast<int64_t>(g() % 100) - 50;
        break;
      case DType::f16:
        r.data<uint16_t>()[i] = static_cast<uint16_t>(0x3000 + g() % 0x1800 + (g() & 1) * 0x8000);
        break;
      case DType::bf16:
        r.data<uint16_t>()[i] = static_cast<uint16_t>(0x3f00 + g() % 0x180 + (g() & 1) * 0x8000);
        break;
      case DType::f32:
        r.data<float>()[i] = static_cast<float>(v);
        break;
      case DType::f64:
        r.data<double>()[i] = v;
        break;
    }
  }
  return r;
}

}  // namespace tenon::test
