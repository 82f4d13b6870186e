// rooms: support ir runtime kernels interp loop llvm
// The arena: two tensors that live at the same time never overlap. Checked on random conflicts, on the
// drivers of random programs (by reading them again, without the planner's analysis), and by running.
#include <random>
#include <unistd.h>

#include "jit/loop/arena.h"
#include "tests/unit/graph_program.h"

namespace tenon::test {
namespace {

using loop::Block;
using loop::kNone;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Var;

TEST(FirstFit, WhatIsApartDoesNotOverlap) {
  std::mt19937 g(1);
  for (int turn = 0; turn < 300; ++turn) {
    const size_t n = 1 + g() % 40;
    std::vector<int64_t> sizes, offsets;
    for (size_t i = 0; i < n; ++i) sizes.push_back(64 * static_cast<int64_t>(1 + g() % 100));
    std::vector<std::vector<uint32_t>> apart(n);
    for (uint32_t i = 0; i < n; ++i)
      for (uint32_t j = 0; j < i; ++j)
        if (g() % 3 == 0) {
          apart[i].push_back(j);
          apart[j].push_back(i);
        }
    const int64_t end = loop::first_fit(sizes, apart, offsets);
    int64_t last = 0;
    for (uint32_t i = 0; i < n; ++i) {
      ASSERT_GE(offsets[i], 0);
      EXPECT_EQ(offsets[i] % 64, 0);
      last = std::max(last, offsets[i] + sizes[i]);
      for (uint32_t j : apart[i])
        EXPECT_TRUE(offsets[i] + sizes[i] <= offsets[j] || offsets[j] + sizes[j] <= offsets[i])
            << "turn " << turn << ": " << i << " and " << j;
    }
    EXPECT_EQ(end, last);
  }
}

TEST(FirstFit, SequentialTensorsShareOnePlace) {
  // A chain: each lives together with its neighbours only.
  std::vector<int64_t> sizes(10, 4096), offsets;
  std::vector<std::vector<uint32_t>> apart(10);
  for (uint32_t i = 0; i + 1 < 10; ++i) {
    apart[i].push_back(i + 1);
    apart[i + 1].push_back(i);
  }
  EXPECT_EQ(loop::first_fit(sizes, apart, offsets), 2 * 4096);
}

// ---------------------------------------------------------------- random programs in a straight line

std::string random_program(std::mt19937& g) {
  // All of shape [N, M] or [N]; a wide value is made of earlier ones, now and then of a long-lived one.
  std::string text = "fn @0 f[N, M](%0: f32[N, M], %1: f32[M, M]) {\n";
  std::vector<std::string> wide{"%0"}, narrow;
  int next = 2;
  auto any = [&](const std::vector<std::string>& list) {
    return list[g() % 4 ? list.size() - 1 - g() % std::min<size_t>(list.size(), 3)
                        : g() % list.size()];
  };
  const int steps = 4 + static_cast<int>(g() % 24);
  for (int i = 0; i < steps; ++i) {
    std::string r = "%" + std::to_string(next++);
    switch (g() % 6) {
      case 0:
        text += "  " + r + ": f32[N, M] = add(" + any(wide) + ", " + any(wide) + ")\n";
        wide.push_back(r);
        break;
      case 1:
        text += "  " + r + ": f32[N, M] = tanh(" + any(wide) + ")\n";
        wide.push_back(r);
        break;
      case 2:
        text += "  " + r + ": f32[N, M] = contract(" + any(wide) +
                ", %1) range=[N, M, M] a=[$0, $2] b=[$2, $1] out=[0, 1]\n";
        wide.push_back(r);
        break;
      case 3:
        text += "  " + r + ": f32[N] = reduce(" + any(wide) + ") sum axes=[1]\n";
        narrow.push_back(r);
        break;
      case 4:
        text += "  " + r + ": f32[M] = reduce(" + any(wide) + ") max axes=[0]\n";
        text += "  %" + std::to_string(next++) + ": f32[N, M] = broadcast(" + r + ") axes=[1]\n";
        wide.push_back("%" + std::to_string(next - 1));
        break;
      case 5:
        if (narrow.empty()) break;
        text += "  " + r + ": f32[N, M] = broadcast(" + any(narrow) + ") axes=[0]\n";
        wide.push_back(r);
        break;
    }
  }
  text += "  %" + std::to_string(next) + ": f32[N, M] = sub(" + any(wide) + ", " + any(wide) +
          ")\n  return %" + std::to_string(next) + "\n}\n";
  return text;
}

// The slots that each variable of the driver may point into, from what is written to it.
class Reader {
 public:
  Reader(const loop::Function& f, const loop::FramePlan& plan) : f_(f), plan_(plan) {}

  // Per slot: the first and the last statement that mentions it.
  std::vector<std::pair<int, int>> lives() {
    lives_.assign(plan_.slots.size(), {-1, -1});
    for (const Stmt& s : f_.body) {
      const bool enter = s.kind == StmtKind::call && s.callee == loop::Callee::runtime &&
                         s.id == static_cast<uint32_t>(loop::Runtime::enter);
      if (enter) continue;  // clears the headers, touches no element
      EXPECT_TRUE(s.kind != StmtKind::for_ && s.kind != StmtKind::while_ && s.kind != StmtKind::if_);
      for (loop::Expr e : {s.a, s.b, s.c, s.d}) mention(e);
      for (loop::Expr e : s.args) mention(e);
      if (s.kind == StmtKind::set)
        for (uint32_t slot : slots_of(s.a)) points_[s.var].insert(slot);
      if (s.kind == StmtKind::call)
        for (Var v : s.outs)
          for (loop::Expr e : s.args)
            for (uint32_t slot : slots_of(e)) points_[v].insert(slot);
      ++at_;
    }
    return lives_;
  }

 private:
  std::set<uint32_t> slots_of(loop::Expr e) const {
    if (e == kNone) return {};
    const loop::ExprNode& n = f_.exprs[e];
    std::set<uint32_t> out;
    if (n.op == Op::konst) return out;
    if (is_var(e, "frame")) return {0};
    if (n.op == Op::var) {
      auto it = points_.find(n.a);
      return it == points_.end() ? out : it->second;
    }
    // frame + layout[word] or frame + 64 * header
    if (n.op == Op::add && is_var(n.a, "frame")) {
      const loop::ExprNode& b = f_.exprs[n.b];
      if (b.op == Op::konst) {
        out.insert(static_cast<uint32_t>(b.imm / loop::kHeader));
        if (b.imm % loop::kHeader) out.insert(static_cast<uint32_t>(b.imm / loop::kHeader + 1));
      } else {
        const auto word = static_cast<int64_t>(f_.exprs[b.b].imm);
        out.insert(static_cast<uint32_t>(word - plan_.slot_word(plan_.headers) + plan_.headers));
      }
      return out;
    }
    for (uint32_t o : {n.a, n.b, n.c}) {
      auto inner = slots_of(o);
      out.insert(inner.begin(), inner.end());
    }
    return out;
  }
  bool is_var(loop::Expr e, std::string_view name) const {
    return f_.exprs[e].op == Op::var && f_.vars[f_.exprs[e].a].name == name;
  }
  void mention(loop::Expr e) {
    for (uint32_t slot : slots_of(e)) {
      auto& [first, last] = lives_[slot];
      if (first < 0) first = at_;
      last = at_;
    }
  }

  const loop::Function& f_;
  const loop::FramePlan& plan_;
  std::map<Var, std::set<uint32_t>> points_;
  std::vector<std::pair<int, int>> lives_;
  int at_ = 0;
};

TEST(Arena, RandomGroupsNeverOverlap) {
  std::mt19937 g(7);
  int planned = 0, shared = 0;
  for (int turn = 0; turn < 60; ++turn) {
    const std::string text = random_program(g);
    Program program(text);
    for (uint32_t cuts : {0u, 5u, 77u}) {
      CompileOptions options;
      options.random_cuts = cuts;
      options.fuse_rows = cuts != 5;
      options.reuse_buffers = turn % 2 == 0;
      plan::Unit unit(*program.module, options);
      unit.lower(0);
      ASSERT_EQ(loop::verify(unit.program), "") << text;
      const loop::FramePlan& plan = unit.tables.layouts->plan(0);
      auto lives = Reader(unit.program.functions[0], plan).lives();
      for (auto [n, m] : {std::pair<int64_t, int64_t>{1, 1}, {7, 33}, {100, 3}, {33, 20000}}) {
        const int64_t sizes[] = {n, m};
        auto layout = unit.tables.layouts->get(0, sizes);
        auto offset = [&](size_t i) {
          return layout->words[static_cast<size_t>(
              i < plan.headers ? plan.header_word(static_cast<uint32_t>(i))
                               : plan.slot_word(static_cast<uint32_t>(i)))];
        };
        for (size_t i = 0; i < plan.slots.size(); ++i) {
          ASSERT_GE(lives[i].first, 0) << "slot " << i << " is used by nobody\n"
                                         << text
                                         << loop::print(unit.program, unit.program.functions[0]);
          EXPECT_LE(offset(i) + layout->sizes[i], layout->bytes);
          ++planned;
          for (size_t j = 0; j < i; ++j) {
            const bool apart = offset(i) + layout->sizes[i] <= offset(j) ||
                               offset(j) + layout->sizes[j] <= offset(i);
            if (lives[i].first <= lives[j].second && lives[j].first <= lives[i].second)
              EXPECT_TRUE(apart) << "slots " << i << " and " << j << "\n"
                                 << text << loop::print(unit.program, unit.program.functions[0]);
            else
              shared += !apart;
          }
        }
      }
    }
  }
  EXPECT_GT(planned, 500);
  EXPECT_GT(shared, 100) << "memory is used again";
}

TEST(Arena, RandomProgramsGiveTheSameBits) {
  std::mt19937 g(11);
  for (int turn = 0; turn < 6; ++turn) {
    Graph graph(random_program(g));
    graph.threads = {1, 3};
    graph.check({9, 17}, [] {
      return std::vector<Tensor>{random_tensor(DType::f32, {9, 17}, 1),
                                 random_tensor(DType::f32, {17, 17}, 2)};
    });
  }
}

// ---------------------------------------------------------------- loops, calls, too little memory

constexpr const char* kLoop = R"(fn @0 f[N](%0: f32[N], %1: i64) {
  %2: i64 = constant 0
  %3: f32[N] = tanh(%0)
  %4: f32[N] = for(%2, %1, %3) {
    (%5: i64, %6: f32[N])
    %7: f32[N] = scan(%6) sum axis=0
    %8: f32[N] = tanh(%7)
    %9: f32[N] = scan(%8) max axis=0 reverse
    yield %9
  }
  %10: f32[N] = add(%4, %0)
  return %10
}
)";

TEST(Arena, LoopsUseTheSlotsOfTheirBodyAgain) {
  Graph graph(kLoop);
  CompileOptions options;
  plan::Unit unit(graph.module(), options);
  unit.lower(0);
  const int64_t sizes[] = {1000};
  // However many turns: a few tensors, and only the result is a block of its own.
  auto layout = unit.tables.layouts->get(0, sizes);
  EXPECT_LE(layout->bytes, 8 * 4096);
  EXPECT_EQ(unit.stats.counted, 1);
  for (int64_t turns : {0, 1, 2, 9})
    graph.check({50}, [&] {
      return std::vector<Tensor>{random_tensor(DType::f32, {50}, 1), scalar(turns)};
    });
}

constexpr const char* kBranch = R"(fn @0 f[N](%0: f32[N], %1: bool) {
  %2: f32 = if(%1) {
    %3: f32[N, N, N, N, N] = broadcast(%0) axes=[0]
    %4: f32[N, N, N, N, N] = tanh(%3)
    %5: f32 = reduce(%4) sum axes=[0, 1, 2, 3, 4]
    yield %5
  } {
    %6: f32 = reduce(%0) sum axes=[0]
    yield %6
  }
  return %2
}
)";

TEST(Arena, ABranchThatIsNotTakenNeedsNoMemory) {
  Graph graph(kBranch);
  Threads one(1);
  TestHost host;
  std::atomic<bool> interrupted{false};
  RunContext c{one, host, interrupted};
  Compiler compiler(graph.module());
  const CompiledFunction& f = compiler.compile(0);
  auto run = [&](bool big) {
    const int64_t sizes[] = {2000};  // to the fifth power: 10^17 bytes
    Tensor x(DType::f32, {2000});
    std::fill_n(x.data<float>(), 2000, 1.0f);
    return f.run(sizes, {x, Tensor::scalar<uint8_t>(DType::boolean, big)}, c);
  };
  EXPECT_EQ(run(false)[0].as_double(), 2000);
  try {
    run(true);
    FAIL() << "memory for 10^17 bytes";
  } catch (const UserError& e) {
    EXPECT_EQ(e.diagnostic.code, Code::E0805);
  }
}

TEST(Arena, TooMuchNamesTheLargestTensorBeforeTheRun) {
  // Each tensor is a quarter of the machine's memory, and five live together; `debug` would be heard.
  const int64_t n = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / 16;
  Graph many(R"(fn @0 f[N](%0: f32[1]) {
  debug(%0) "began {}"
  %1: f32 = reshape(%0)
  %2: f32[N] = broadcast(%1) axes=[]
  %3: f32[N] = scan(%2) sum axis=0
  %4: f32[N] = scan(%3) sum axis=0
  %5: f32[N] = scan(%4) sum axis=0
  %6: f32[N] = scan(%5) sum axis=0
  %7: f32[N] = scan(%6) max axis=0
  %8: f32[N] = add(%3, %4)
  %9: f32[N] = add(%8, %5)
  %10: f32[N] = add(%9, %6)
  %11: f32[N] = add(%10, %7)
  %12: f32 = reduce(%11) sum axes=[0]
  return %12
}
)");
  Threads one(1);
  TestHost host;
  std::atomic<bool> interrupted{false};
  RunContext c{one, host, interrupted};
  Compiler compiler(many.module());
  const int64_t sizes[] = {n};
  try {
    compiler.compile(0).run(sizes, {tensor<float>({1}, {1.0f})}, c);
    FAIL() << "more memory than the machine has";
  } catch (const UserError& e) {
    EXPECT_EQ(e.diagnostic.code, Code::E0805);
    EXPECT_NE(e.diagnostic.message.find("are asked for"), std::string::npos);
    EXPECT_NE(e.diagnostic.message.find("the largest tensor is f32[" + std::to_string(n) + "]"),
              std::string::npos)
        << e.diagnostic.message;
  }
  EXPECT_EQ(host.log, "") << "something ran before";
}

TEST(Arena, ResultsOfCalledFunctionsLieInTheCallersFrame) {
  // Large enough not to be inlined, called twice.
  std::string body;
  for (int i = 1; i <= 45; ++i)
    body += "  %" + std::to_string(i) + ": f32[N] = " + (i % 3 ? "tanh" : "abs") + "(%" +
            std::to_string(i - 1) + ")\n";
  std::string text = "fn @0 f[N](%0: f32[N]) {\n"
                     "  %1: f32[N], %2: f32[N] = call(%0) @1 sizes=[N]\n"
                     "  %3: f32[N] = scan(%1) sum axis=0\n"
                     "  %4: f32[N], %5: f32[N] = call(%3) @1 sizes=[N]\n"
                     "  %6: f32[N] = add(%2, %5)\n"
                     "  %7: f32[N] = add(%6, %4)\n"
                     "  %8: f32[N] = scan(%7) sum axis=0\n"
                     "  return %8\n}\n"
                     "fn @1 g[N](%0: f32[N]) {\n" +
                     body +
                     "  %46: f32[N] = scan(%45) sum axis=0\n"
                     "  return %45, %46\n}\n";
  Graph graph(text);
  CompileOptions options;
  plan::Unit unit(graph.module(), options);
  unit.lower(0);
  ASSERT_EQ(unit.program.functions.size(), 2u);
  EXPECT_EQ(unit.stats.counted, 1) << loop::print(unit.program);
  for (int64_t n : {1, 100, 5000})
    graph.check({n}, [&] { return std::vector<Tensor>{random_tensor(DType::f32, {n}, 1)}; });
}

}  // namespace
}  // namespace tenon::test
