// rooms: support ir runtime kernels
// The eager kernels against the slow references, bit for bit: random shapes and strides, both
// objects, and 1, 2, 3 and 8 threads.
#include "tests/unit/kernels_common.h"

#include <atomic>
#include <thread>

using namespace tenon;
using namespace tenon::kernels_test;

namespace {

// ---------------------------------------------------------------- reductions

template <class T>
void check_reduce(DType t, ir::ReduceKind kind, const Tensor& x, const std::vector<int>& axes) {
  const Tensor want = reference::reduce<T>(kind, x, axes);
  everywhere([&](Threads& threads) {
    Tensor got(t, want.shape);
    kernels::reduce(kind, x, axes, got, threads);
    std::string shape, which;
    for (int64_t n : x.shape) shape += std::to_string(n) + " ";
    for (int a : axes) which += std::to_string(a) + " ";
    ASSERT_TRUE(same_bits(got, want))
        << name(t) << " " << ir::name(kind) << " of " << shape << "over " << which;
  });
}

TEST(Kernels, ReduceFollowsTheWrittenOrder) {
  using ir::ReduceKind;
  for (int turn = 0; turn < 150; ++turn) {
    const int rank = static_cast<int>(between(1, 4));
    const Extents shape =
        turn % 10 == 0 ? random_shape(std::min(rank, 2), 700) : random_shape(rank, 24);
    std::vector<int> axes;
    for (int i = 0; i < shape.size(); ++i)
      if (between(0, 1)) axes.push_back(i);
    if (axes.empty()) axes.push_back(shape.size() - 1);
    const auto kind = static_cast<ReduceKind>(between(0, 3));
    const bool wild = between(0, 1);
    check_reduce<float>(DType::f32, kind, random_view(DType::f32, shape, wild), axes);
    check_reduce<double>(DType::f64, kind, random_view(DType::f64, shape, wild), axes);
    check_reduce<int32_t>(DType::i32, kind, random_view(DType::i32, shape), axes);
    check_reduce<int64_t>(DType::i64, kind, random_view(DType::i64, shape), axes);
    check_reduce<uint8_t>(DType::u8, kind, random_view(DType::u8, shape), axes);
    check_reduce<int8_t>(DType::i8, kind, random_view(DType::i8, shape), axes);
  }
}

TEST(Kernels, LongReductionsFollowTheWrittenOrder) {
  for (auto kind : {ir::ReduceKind::sum, ir::ReduceKind::max}) {
    for (int64_t n : {16383, 16384, 16385, 50000}) {
      check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {n}), {0});
      check_reduce<double>(DType::f64, kind, random_tensor(DType::f64, {n}), {0});
    }
    check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {3, 20000}), {1});
    check_reduce<float>(DType::f32, kind,
                        random_tensor(DType::f32, {20000, 3}).transposed(std::vector<int>{1, 0}),
                        {1});
    check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {70000, 3}), {0});
    check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {1000, 130}), {0});
    check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {40, 30, 20, 10}), {0, 2});
    check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {40, 30, 20, 10}), {0, 1, 3});
  }
  for (auto kind :
       {ir::ReduceKind::sum, ir::ReduceKind::prod, ir::ReduceKind::max, ir::ReduceKind::min})
    for (int64_t n : {1, 2, 3, 10, 31, 32, 33, 64, 65}) {
      check_reduce<float>(DType::f32, kind, random_tensor(DType::f32, {300, n}, n % 2), {1});
      check_reduce<double>(DType::f64, kind, random_view(DType::f64, {40, 5, n}, true), {2});
      check_reduce<uint8_t>(DType::u8, kind, random_tensor(DType::u8, {17, n}), {1});
    }
  // Over a million: chunks of chunks.
  check_reduce<float>(DType::f32, ir::ReduceKind::sum, random_tensor(DType::f32, {16384 * 70}),
                      {0});
  // Pieces of several chunks, whole ones side by side, and what is left over.
  for (int64_t n : {16384 * 17, 16384 * 20 + 1, 16384 * 33 - 7}) {
    check_reduce<float>(DType::f32, ir::ReduceKind::sum, random_tensor(DType::f32, {2, n}), {1});
    check_reduce<double>(DType::f64, ir::ReduceKind::min, random_tensor(DType::f64, {n}), {0});
    check_reduce<uint8_t>(DType::u8, ir::ReduceKind::sum, random_tensor(DType::u8, {n}), {0});
  }
}

TEST(Kernels, SixteenBitFloatsAccumulateInF32) {
  for (DType t : {DType::f16, DType::bf16}) {
    Tensor x = random_tensor(t, {300, 40});
    Tensor wide(DType::f32, {300, 40});
    scalar::visit_dtype(t, [&]<DType kT>() {
      if constexpr (kT == DType::f16 || kT == DType::bf16)
        for (int64_t i = 0; i < x.count(); ++i)
          wide.data<float>()[i] = scalar::load_plain<kT>(x.data<uint16_t>()[i]);
    });
    for (const std::vector<int>& axes : {std::vector<int>{0}, {1}, {0, 1}}) {
      Tensor sum = reference::reduce<float>(ir::ReduceKind::sum, wide, axes);
      Tensor want(t, sum.shape);
      scalar::visit_dtype(t, [&]<DType kT>() {
        if constexpr (kT == DType::f16 || kT == DType::bf16)
          for (int64_t i = 0; i < sum.count(); ++i)
            want.data<uint16_t>()[i] = scalar::store_plain<kT>(sum.data<float>()[i]);
      });
      everywhere([&](Threads& threads) {
        Tensor got(t, sum.shape);
        kernels::reduce(ir::ReduceKind::sum, x, axes, got, threads);
        ASSERT_TRUE(same_bits(got, want));
      });
    }
  }
}

TEST(Kernels, AnyAndAll) {
  everywhere([](Threads& threads) {
    for (int64_t n : {0, 1, 63, 64, 65, 1000}) {
      Tensor x(DType::boolean, {n});
      std::fill_n(x.data<uint8_t>(), n, uint8_t{1});
      Tensor r(DType::boolean, {});
      const int axes[] = {0};
      kernels::reduce(ir::ReduceKind::all, x, axes, r, threads);
      EXPECT_EQ(*r.data<uint8_t>(), 1);
      if (n > 0) {
        x.data<uint8_t>()[n - 1] = 0;
        kernels::reduce(ir::ReduceKind::all, x, axes, r, threads);
        EXPECT_EQ(*r.data<uint8_t>(), 0);
      }
      kernels::reduce(ir::ReduceKind::any, x, axes, r, threads);
      EXPECT_EQ(*r.data<uint8_t>(), n > 1);
    }
  });
}

// ---------------------------------------------------------------- contractions

ir::Affine at(std::vector<std::pair<int, int64_t>> terms) {
  ir::Affine a;
  for (auto [i, c] : terms) a.terms.push_back({static_cast<uint8_t>(i), c});
  a.offset = 0;
  return a;
}

template <class T>
void check_contract(DType t, const ir::ContractSpec& spec, const std::vector<int64_t>& range,
                    const Tensor& a, const Tensor& b, const std::string& what) {
  const Tensor want = reference::contract<T>(spec, range, a, b);
  everywhere([&](Threads& threads) {
    Tensor got(t, want.shape);
    kernels::contract(spec, range, {}, {}, a, b, got, threads);
    ASSERT_TRUE(same_bits(got, want)) << what;
    // With what is packed kept: made in the second turn of `everywhere`, there in those behind it.
    kernels::contract(spec, range, {}, {}, a, b, got, threads, {a.buffer.get(), b.buffer.get()});
    ASSERT_TRUE(same_bits(got, want)) << what << ", kept";
  });
}

// What is kept with a weight ends when somebody is about to write it, and not while it is shared.
TEST(Kernels, WeightsThatChangeAreNotKept) {
  const int64_t M = 3, N = 100, K = 90;
  const ir::ContractSpec spec{{}, {at({{0, 1}}), at({{2, 1}})}, {at({{1, 1}}), at({{2, 1}})}, {0, 1}};
  Threads threads(2);
  Tensor x = random_tensor(DType::f32, {M, K}), w = random_tensor(DType::f32, {N, K});
  auto check = [&](const Tensor& weight) {
    Tensor got(DType::f32, {M, N});
    kernels::contract(spec, {{M, N, K}}, {}, {}, x, weight, got, threads, {nullptr, weight.buffer.get()});
    return same_bits(got, reference::contract<float>(spec, {M, N, K}, x, weight));
  };
  for (int use = 0; use < 3; ++use) EXPECT_TRUE(check(w));
  {
    const Tensor other = w;
    EXPECT_FALSE(w.unique());
    EXPECT_TRUE(check(other));
  }
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_TRUE(w.unique());
    for (int64_t i = 0; i < N * K; ++i) w.data<float>()[i] += 1.0f;
    for (int use = 0; use < 3; ++use) EXPECT_TRUE(check(w)) << turn << " " << use;
  }
  // By several threads at once, each of which holds it.
  std::vector<std::thread> users;
  std::atomic<int> wrong{0};
  ASSERT_TRUE(w.unique());
  for (int i = 0; i < 4; ++i)
    users.emplace_back([&, weight = w] {
      Threads own(2);
      for (int use = 0; use < 20; ++use) {
        Tensor got(DType::f32, {M, N});
        kernels::contract(spec, {{M, N, K}}, {}, {}, x, weight, got, own, {nullptr, weight.buffer.get()});
        wrong += !same_bits(got, reference::contract<float>(spec, {M, N, K}, x, weight));
      }
    });
  for (std::thread& user : users) user.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Kernels, MatrixProductsInEveryTransposition) {
  for (int turn = 0; turn < 80; ++turn) {
    const bool large = turn % 20 == 0;
    const int64_t M = large ? between(1, 150) : between(0, 40),
                  N = large ? between(1, 200) : between(0, 90);
    const int64_t K = large ? between(1, 1500) : between(0, 150),
                  B = turn % 4 == 0 ? between(1, 4) : 0;
    // indices: 0 m, 1 n, 2 k, 3 batch
    std::vector<int64_t> range{M, N, K};
    std::vector<int> axes_a{0, 2}, axes_b{2, 1}, axes_out{0, 1};
    if (B > 0) {
      range.push_back(B);
      axes_a.push_back(3);
      axes_b.push_back(3);
      axes_out.push_back(3);
    }
    std::shuffle(axes_a.begin(), axes_a.end(), rng);
    std::shuffle(axes_b.begin(), axes_b.end(), rng);
    std::shuffle(axes_out.begin(), axes_out.end(), rng);
    ir::ContractSpec spec;
    Extents sa, sb;
    for (int i : axes_a)
      spec.a.push_back(at({{i, 1}})), sa.push_back(range[static_cast<size_t>(i)]);
    for (int i : axes_b)
      spec.b.push_back(at({{i, 1}})), sb.push_back(range[static_cast<size_t>(i)]);
    for (int i : axes_out) spec.out.push_back(static_cast<uint8_t>(i));
    const std::string what = std::to_string(M) + " " + std::to_string(N) + " " + std::to_string(K) +
                             " batch " + std::to_string(B);
    const bool wild = !large && turn % 3 == 0;
    check_contract<float>(DType::f32, spec, range, random_view(DType::f32, sa, wild),
                          random_view(DType::f32, sb, wild), what);
    if (turn % 2)
      check_contract<double>(DType::f64, spec, range, random_view(DType::f64, sa),
                             random_view(DType::f64, sb), what);
  }
}

TEST(Kernels, TallWideAndLongProducts) {
  struct {
    int64_t m, n, k;
  } cases[] = {{1, 1, 5000},   {1, 300, 1100}, {300, 1, 1100}, {2, 300, 64},   {9, 200, 33},
               {400, 10, 128}, {513, 33, 65},  {7, 4500, 5},   {250, 66, 1030}, {1, 45, 37},
               {1, 1003, 1029}, {1, 3000, 130}, {20, 70, 1100}, {67, 150, 300}, {130, 517, 129}, {64, 60, 4500}};
  for (auto [M, N, K] : cases) {
    ir::ContractSpec spec{{}, {at({{0, 1}}), at({{2, 1}})}, {at({{2, 1}}), at({{1, 1}})}, {0, 1}};
    check_contract<float>(DType::f32, spec, {M, N, K}, random_tensor(DType::f32, {M, K}),
                          random_tensor(DType::f32, {K, N}), "nn");
    Tensor bt = random_tensor(DType::f32, {N, K}).transposed(std::vector<int>{1, 0});
    Tensor a_t = random_tensor(DType::f32, {K, M}).transposed(std::vector<int>{1, 0});
    check_contract<float>(DType::f32, spec, {M, N, K}, a_t, bt, "tt");
    check_contract<float>(DType::f32, spec, {M, N, K}, random_tensor(DType::f32, {M, K}), bt, "nt");
    check_contract<double>(DType::f64, spec, {M, N, K}, random_tensor(DType::f64, {M, K}),
                           random_tensor(DType::f64, {K, N}), "nn");
  }
}

// So large that threads share them by columns, by rows, or by parts of a column's rows, and pack for
// themselves or together: each row is what a product of few rows makes of it.
TEST(Kernels, LargeProductsAreThoseOfTheirRows) {
  const std::vector<int> turned{1, 0};
  const ir::ContractSpec spec{{}, {at({{0, 1}}), at({{2, 1}})}, {at({{2, 1}}), at({{1, 1}})}, {0, 1}};
  struct {
    int64_t m, n, k;
  } cases[] = {{2100, 200, 1030}, {450, 330, 300}, {500, 64, 1100}, {90, 400, 700}, {250, 512, 64}};
  for (auto [M, N, K] : cases)
    for (const bool a_t : {false, true})
      for (const bool b_t : {false, true}) {
        Tensor a = a_t ? random_tensor(DType::f32, {K, M}).transposed(turned) : random_tensor(DType::f32, {M, K});
        const Tensor b = b_t ? random_tensor(DType::f32, {N, K}).transposed(turned) : random_tensor(DType::f32, {K, N});
        Tensor want(DType::f32, {M, N});
        Threads one(1);
        constexpr int64_t kFew = 30;
        for (int64_t i = 0; i < M; i += kFew) {
          const int64_t rows = std::min(kFew, M - i), part[] = {rows, K}, to[] = {rows, N};
          kernels::View from(static_cast<float*>(a.raw()) + i * a.strides[0], part, a.strides.begin(), 2, DType::f32);
          kernels::View out(want.data<float>() + i * N, to, want.strides.begin(), 2, DType::f32);
          kernels::contract(spec, {{rows, N, K}}, {}, {}, from, b, out, one);
        }
        for (const int count : {1, 2, 3, 6}) {
          Threads threads(count);
          Tensor got(DType::f32, {M, N});
          kernels::contract(spec, {{M, N, K}}, {}, {}, a, b, got, threads);
          ASSERT_TRUE(same_bits(got, want)) << M << " x " << N << " x " << K << ", threads " << count;
        }
      }
}

// Images before channels: batches of products where they are large, and columns that are several indices.
TEST(Kernels, ConvolutionsOfImagesByChannel) {
  struct Case {
    int64_t N, C, O, H, W, R, step;
  };
  for (const Case& q : {Case{2, 16, 16, 26, 25, 3, 1}, Case{3, 3, 20, 40, 21, 5, 2}, Case{2, 4, 7, 9, 9, 3, 1},
                        Case{1, 16, 33, 22, 23, 3, 1}, Case{4, 40, 65, 14, 14, 1, 1}}) {
    const int64_t P = (q.H - q.R) / q.step + 1, Q = (q.W - q.R) / q.step + 1;
    // 0 n, 1 o, 2 p, 3 q, 4 r, 5 s, 6 c
    const std::vector<int64_t> range{q.N, q.O, P, Q, q.R, q.R, q.C};
    ir::ContractSpec conv{{},
                          {at({{0, 1}}), at({{6, 1}}), at({{2, q.step}, {4, 1}}), at({{3, q.step}, {5, 1}})},
                          {at({{1, 1}}), at({{6, 1}}), at({{4, 1}}), at({{5, 1}})},
                          {0, 1, 2, 3}};
    Tensor x = random_tensor(DType::f32, {q.N, q.C, q.H, q.W});
    Tensor w = random_tensor(DType::f32, {q.O, q.C, q.R, q.R});
    check_contract<float>(DType::f32, conv, range, x, w, "conv, channels first");
    check_contract<double>(DType::f64, conv, range, random_view(DType::f64, {q.N, q.C, q.H, q.W}),
                           random_view(DType::f64, {q.O, q.C, q.R, q.R}), "conv, channels first, f64");
    // The gradient of w. 0 o, 1 c, 2 r, 3 s, 4 n, 5 p, 6 q
    ir::ContractSpec grad{{},
                          {at({{4, 1}}), at({{1, 1}}), at({{5, q.step}, {2, 1}}), at({{6, q.step}, {3, 1}})},
                          {at({{4, 1}}), at({{0, 1}}), at({{5, 1}}), at({{6, 1}})},
                          {0, 1, 2, 3}};
    check_contract<float>(DType::f32, grad, {q.O, q.C, q.R, q.R, q.N, P, Q}, x,
                          random_tensor(DType::f32, {q.N, q.O, P, Q}), "gradient of w, channels first");
  }
}

TEST(Kernels, ConvolutionsAndTheirGradients) {
  for (int turn = 0; turn < 12; ++turn) {
    const int64_t N = between(1, 3), P = between(1, 7), Q = between(1, 7), C = between(1, 9),
                  O = between(1, 40);
    const int64_t R = between(1, 3), S = between(1, 3), step = between(1, 2);
    // 0 n, 1 p, 2 q, 3 o, 4 r, 5 s, 6 c
    std::vector<int64_t> range{N, P, Q, O, R, S, C};
    ir::ContractSpec conv{
        {},
        {at({{0, 1}}), at({{1, step}, {4, 1}}), at({{2, step}, {5, 1}}), at({{6, 1}})},
        {at({{4, 1}}), at({{5, 1}}), at({{6, 1}}), at({{3, 1}})},
        {0, 1, 2, 3}};
    Tensor x = random_view(DType::f32, {N, (P - 1) * step + R, (Q - 1) * step + S, C});
    Tensor w = random_view(DType::f32, {R, S, C, O});
    check_contract<float>(DType::f32, conv, range, x, w, "conv");
    // The gradient of w: sum over n, p, q. 0 r, 1 s, 2 c, 3 o, 4 n, 5 p, 6 q
    std::vector<int64_t> range_w{R, S, C, O, N, P, Q};
    ir::ContractSpec grad{
        {},
        {at({{4, 1}}), at({{5, step}, {0, 1}}), at({{6, step}, {1, 1}}), at({{2, 1}})},
        {at({{4, 1}}), at({{5, 1}}), at({{6, 1}}), at({{3, 1}})},
        {0, 1, 2, 3}};
    check_contract<float>(DType::f32, grad, range_w, x, random_view(DType::f32, {N, P, Q, O}),
                          "conv gradient");
    // Depthwise: 0 n 1 p 2 q 3 c 4 r 5 s
    std::vector<int64_t> range_d{N, P, Q, C, R, S};
    ir::ContractSpec depthwise{
        {},
        {at({{0, 1}}), at({{1, step}, {4, 1}}), at({{2, step}, {5, 1}}), at({{3, 1}})},
        {at({{4, 1}}), at({{5, 1}}), at({{3, 1}})},
        {0, 1, 2, 3}};
    check_contract<float>(DType::f32, depthwise, range_d, x, random_view(DType::f32, {R, S, C}),
                          "depthwise");
  }
}

// A channel at a time, before the channels and behind them: whole and broken vectors, tiles of rows, and for
// the gradient of w blocks of depth side by side.
TEST(Kernels, DepthwiseConvolutions) {
  struct Case {
    int64_t N, C, P, Q, R, step;
  };
  for (const Case& q : {Case{2, 45, 9, 13, 3, 1}, Case{3, 32, 37, 40, 2, 1}, Case{1, 70, 8, 19, 3, 2}, Case{2, 4, 5, 16, 1, 1}}) {
    const int64_t H = (q.P - 1) * q.step + q.R, W = (q.Q - 1) * q.step + q.R;
    // 0 n, 1 p, 2 q, 3 c, 4 r, 5 s
    const ir::Affine down = at({{1, q.step}, {4, 1}}), right = at({{2, q.step}, {5, 1}});
    const std::vector<int64_t> range{q.N, q.P, q.Q, q.C, q.R, q.R};
    const ir::ContractSpec last{{}, {at({{0, 1}}), down, right, at({{3, 1}})}, {at({{4, 1}}), at({{5, 1}}), at({{3, 1}})}, {0, 1, 2, 3}};
    const ir::ContractSpec first{{}, {at({{0, 1}}), at({{3, 1}}), down, right}, {at({{3, 1}}), at({{4, 1}}), at({{5, 1}})}, {0, 3, 1, 2}};
    const ir::ContractSpec of_w{{}, {at({{0, 1}}), down, right, at({{3, 1}})}, {at({{0, 1}}), at({{1, 1}}), at({{2, 1}}), at({{3, 1}})}, {4, 5, 3}};
    check_contract<float>(DType::f32, last, range, random_tensor(DType::f32, {q.N, H, W, q.C}), random_tensor(DType::f32, {q.R, q.R, q.C}), "channels last");
    check_contract<double>(DType::f64, last, range, random_tensor(DType::f64, {q.N, H, W, q.C}), random_tensor(DType::f64, {q.R, q.R, q.C}), "channels last, f64");
    check_contract<float>(DType::f32, first, range, random_tensor(DType::f32, {q.N, q.C, H, W}), random_tensor(DType::f32, {q.C, q.R, q.R}), "channels first");
    check_contract<float>(DType::f32, of_w, range, random_tensor(DType::f32, {q.N, H, W, q.C}), random_tensor(DType::f32, {q.N, q.P, q.Q, q.C}), "gradient of w");
  }
}

// Large enough for several blocks of depth, panels of columns and blocks of rows, for depths that are cut
// and for results whose columns do not lie side by side; with strides, dilation and groups.
TEST(Kernels, LargeConvolutions) {
  struct Case {
    int64_t N, G, C, O, H, W, R, step, dilation;
    bool last;  // channels
  };
  for (const Case& q :
       {Case{2, 1, 40, 70, 12, 11, 3, 1, 1, true}, Case{1, 1, 130, 33, 9, 10, 3, 1, 1, true},
        Case{3, 1, 3, 17, 21, 20, 5, 2, 2, true}, Case{2, 3, 5, 8, 13, 9, 3, 1, 2, true},
        Case{2, 1, 40, 70, 12, 11, 3, 1, 1, false}, Case{1, 1, 130, 100, 9, 10, 3, 1, 1, false},
        Case{3, 1, 3, 17, 21, 20, 5, 2, 2, false}, Case{2, 3, 5, 8, 13, 9, 3, 1, 2, false},
        Case{5, 1, 1, 32, 34, 36, 3, 1, 1, true}, Case{5, 1, 1, 20, 34, 36, 3, 1, 1, false}}) {
    const int64_t reach = q.dilation * (q.R - 1) + 1;
    const int64_t P = (q.H - reach) / q.step + 1, Q = (q.W - reach) / q.step + 1;
    const std::string what = "channels " + std::to_string(q.C) + (q.last ? " last" : " first");
    auto window = [&](int place, int tap) { return at({{place, q.step}, {tap, q.dilation}}); };
    auto image = [&](int n, int g, int c, ir::Affine h, ir::Affine w) {
      return q.last ? std::vector<ir::Affine>{at({{n, 1}}), h, w, at({{g, 1}}), at({{c, 1}})}
                    : std::vector<ir::Affine>{at({{n, 1}}), at({{g, 1}}), at({{c, 1}}), h, w};
    };
    auto shape = [&](int64_t c, int64_t h, int64_t w) {
      return q.last ? Extents{q.N, h, w, q.G, c} : Extents{q.N, q.G, c, h, w};
    };
    auto both = [&](const ir::ContractSpec& spec, const std::vector<int64_t>& range, Extents a, Extents b,
                    const std::string& of) {
      check_contract<float>(DType::f32, spec, range, random_tensor(DType::f32, a),
                            random_tensor(DType::f32, b), of + what);
      check_contract<double>(DType::f64, spec, range, random_view(DType::f64, a),
                             random_view(DType::f64, b), of + what + ", f64");
    };
    // 0 n, 1 g, 2 o, 3 p, 4 q, 5 r, 6 s, 7 c
    const std::vector<uint8_t> out = q.last ? std::vector<uint8_t>{0, 3, 4, 1, 2} : std::vector<uint8_t>{0, 1, 2, 3, 4};
    both({{}, image(0, 1, 7, window(3, 5), window(4, 6)),
          {at({{1, 1}}), at({{2, 1}}), at({{7, 1}}), at({{5, 1}}), at({{6, 1}})}, out},
         {q.N, q.G, q.O, P, Q, q.R, q.R, q.C}, shape(q.C, q.H, q.W), {q.G, q.O, q.C, q.R, q.R}, "conv, ");
    // The gradient of w: 0 g, 1 o, 2 c, 3 r, 4 s, 5 n, 6 p, 7 q
    both({{}, image(5, 0, 1, at({{6, 1}}), at({{7, 1}})), image(5, 0, 2, window(6, 3), window(7, 4)),
          {0, 1, 2, 3, 4}},
         {q.G, q.O, q.C, q.R, q.R, q.N, P, Q}, shape(q.O, P, Q), shape(q.C, q.H, q.W), "gradient of w, ");
  }
}

TEST(Kernels, DotsAndOddContractions) {
  for (int64_t K : {0, 1, 63, 64, 65, 1000, 16384, 40000}) {
    ir::ContractSpec dot{{}, {at({{0, 1}})}, {at({{0, 1}})}, {}};
    check_contract<float>(DType::f32, dot, {K}, random_view(DType::f32, {K}),
                          random_view(DType::f32, {K}), "dot");
    check_contract<double>(DType::f64, dot, {K}, random_view(DType::f64, {K}),
                           random_view(DType::f64, {K}), "dot");
  }
  // Products that underflow to -0: a padded chain would turn them into +0.
  Tensor tiny(DType::f32, {3}), minus(DType::f32, {3});
  for (int i = 0; i < 3; ++i) tiny.data<float>()[i] = 1e-30f, minus.data<float>()[i] = -1e-30f;
  check_contract<float>(DType::f32, {{}, {at({{0, 1}})}, {at({{0, 1}})}, {}}, {3}, tiny, minus,
                        "-0");
  for (int turn = 0; turn < 30; ++turn) {
    int64_t B = between(1, 9), M = between(1, 9), N = between(1, 20), K = between(1, 200),
            L = between(1, 9);
    // row-wise dots; outer product; a bare sum on one side; two summed indices in different orders
    check_contract<float>(
        DType::f32, {{}, {at({{0, 1}}), at({{1, 1}})}, {at({{0, 1}}), at({{1, 1}})}, {0}}, {B, K},
        random_view(DType::f32, {B, K}), random_view(DType::f32, {B, K}), "rows");
    check_contract<float>(DType::f32, {{}, {at({{0, 1}})}, {at({{1, 1}})}, {0, 1}}, {M, N},
                          random_view(DType::f32, {M}), random_view(DType::f32, {N}), "outer");
    check_contract<float>(DType::f32, {{}, {at({{0, 1}}), at({{2, 1}})}, {at({{1, 1}})}, {1, 0}},
                          {M, N, K}, random_view(DType::f32, {M, K}), random_view(DType::f32, {N}),
                          "sum on one side");
    check_contract<float>(DType::f32,
                          {{},
                           {at({{3, 1}}), at({{0, 1}}), at({{2, 1}})},
                           {at({{2, 1}}), at({{3, 1}}), at({{1, 1}})},
                           {0, 1}},
                          {M, N, L, K}, random_view(DType::f32, {K, M, L}),
                          random_view(DType::f32, {L, K, N}), "two summed");
    check_contract<float>(DType::f32, {{}, {at({{0, 1}, {1, 2}})}, {at({{1, 1}})}, {0}}, {N, K},
                          random_view(DType::f32, {N + 2 * K}), random_view(DType::f32, {K}),
                          "strided window");
  }
}

TEST(Kernels, IntegerAndSixteenBitContractions) {
  for (int turn = 0; turn < 10; ++turn) {
    int64_t M = between(1, 20), N = between(1, 40), K = between(1, 50);
    ir::ContractSpec spec{{}, {at({{0, 1}}), at({{2, 1}})}, {at({{2, 1}}), at({{1, 1}})}, {0, 1}};
    for (DType t : {DType::i64, DType::i32, DType::u8, DType::i8, DType::f16, DType::bf16}) {
      Tensor a = random_view(t, {M, K}), b = random_view(t, {K, N}), want(t, {M, N});
      scalar::visit_dtype(t, [&]<DType kT>() {
        if constexpr (kT != DType::boolean) {
          using S = scalar::Storage<kT>;
          for (int64_t i = 0; i < M; ++i)
            for (int64_t j = 0; j < N; ++j) {
              S& to = want.data<S>()[i * N + j];
              auto value = [&](const Tensor& x, int64_t r, int64_t c) {
                return scalar::load_plain<kT>(x.data<S>()[r * x.strides[0] + c * x.strides[1]]);
              };
              if constexpr (is_integer(kT)) {
                uint64_t sum = 0;
                for (int64_t k = 0; k < K; ++k)
                  sum +=
                      static_cast<uint64_t>(value(a, i, k)) * static_cast<uint64_t>(value(b, k, j));
                to = static_cast<S>(sum);
              } else if constexpr (kT == DType::f16 || kT == DType::bf16) {
                float sum = 0;
                for (int64_t k = 0; k < K; ++k) sum = std::fma(value(a, i, k), value(b, k, j), sum);
                to = scalar::store_plain<kT>(sum);
              }
            }
        }
      });
      everywhere([&](Threads& threads) {
        Tensor got(t, {M, N});
        kernels::contract(spec, std::vector<int64_t>{M, N, K}, {}, {}, a, b, got, threads);
        ASSERT_TRUE(same_bits(got, want)) << name(t);
      });
    }
  }
}

// ---------------------------------------------------------------- the rest

TEST(Kernels, ScanGoesStepByStep) {
  for (int turn = 0; turn < 40; ++turn) {
    Extents shape = random_shape(static_cast<int>(between(1, 3)), 30);
    const int axis = static_cast<int>(between(0, shape.size() - 1));
    const bool reverse = between(0, 1);
    const auto kind = static_cast<ir::ReduceKind>(between(0, 3));
    Tensor x = random_view(DType::f32, shape, true), want(DType::f32, shape);
    for (int64_t i = 0; i < want.count(); ++i) {
      auto p = reference::position(i, shape);
      int64_t stop = p[static_cast<size_t>(axis)];
      float v = 0;
      bool first = true;
      for (int64_t k = reverse ? shape[axis] - 1 : 0; reverse ? k >= stop : k <= stop;
           k += reverse ? -1 : 1) {
        p[static_cast<size_t>(axis)] = k;
        float e = x.data<float>()[reference::offset(x, p)];
        v = first ? e : reference::combine(kind, v, e);
        first = false;
      }
      want.data<float>()[i] = v;
    }
    everywhere([&](Threads& threads) {
      Tensor got(DType::f32, shape);
      kernels::scan(kind, x, axis, reverse, got, threads);
      ASSERT_TRUE(same_bits(got, want));
    });
  }
}

TEST(Kernels, SortIsStableAndPutsNaNLast) {
  Tensor x(DType::f32, {8});
  const float values[] = {3, NAN, -0.0f, 0.0f, -INFINITY, 3, NAN, 1};
  std::copy_n(values, 8, x.data<float>());
  Threads threads(1);
  Tensor v(DType::f32, {8}), p(DType::i64, {8});
  kernels::sort(x, 0, v, p, threads);
  const int64_t want[] = {4, 2, 3, 7, 0, 5, 1, 6};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(p.data<int64_t>()[i], want[i]);
  Tensor best(DType::i64, {});
  kernels::arg_reduce(ir::ReduceKind::max, x, 0, best, threads);
  EXPECT_EQ(*best.data<int64_t>(), 1);  // NaN wins, the first one
  Tensor y = random_tensor(DType::i32, {5, 1000});
  kernels::arg_reduce(ir::ReduceKind::min, y, 1, Tensor(best = Tensor(DType::i64, {5})), threads);
  for (int r = 0; r < 5; ++r) {
    const int32_t* row = y.data<int32_t>() + r * 1000;
    EXPECT_EQ(best.data<int64_t>()[r], std::min_element(row, row + 1000) - row);
  }
  EXPECT_THROW(kernels::arg_reduce(ir::ReduceKind::max, Tensor(DType::f32, {0}), 0,
                                   Tensor(DType::i64, {}), threads),
               Trap);
}

TEST(Kernels, CopiesConcatsAndUpdates) {
  everywhere([](Threads& threads) {
    for (int turn = 0; turn < 25; ++turn) {
      Extents shape = random_shape(static_cast<int>(between(1, 4)), turn % 8 == 0 ? 60 : 12);
      Tensor x = random_view(DType::f32, shape);
      Tensor out(DType::f32, shape);
      kernels::copy(x, out, threads);
      for (int64_t i = 0; i < out.count(); ++i)
        ASSERT_EQ(out.data<float>()[i],
                  x.data<float>()[reference::offset(x, reference::position(i, shape))]);
      const int axis = static_cast<int>(between(0, shape.size() - 1));
      Extents twice = shape;
      twice[axis] *= 2;
      Tensor both(DType::f32, twice);
      std::vector<View> parts{x, out};
      kernels::concat(parts, axis, both, threads);
      Extents zero;
      std::vector<int64_t> ones(static_cast<size_t>(shape.size()), 1);
      for (int i = 0; i < shape.size(); ++i) zero.push_back(0);
      ASSERT_TRUE(same_bits(both.sliced(zero, shape, ones), out));
      std::vector<int64_t> starts(static_cast<size_t>(shape.size()), 0);
      starts[static_cast<size_t>(axis)] = shape[axis];
      Tensor other = random_tensor(DType::f32, shape);
      kernels::update(both, other, starts, ones, threads);
      zero[axis] = shape[axis];
      ASSERT_TRUE(same_bits(both.sliced(zero, shape, ones), other));
      if (shape[axis] > 0) {
        starts[static_cast<size_t>(axis)] += 1;
        ASSERT_THROW(kernels::update(both, other, starts, ones, threads), Trap);
      }
    }
    // A stretch that steps.
    Tensor line(DType::i64, {10}), odd(DType::i64, {5});
    kernels::iota(0, line, threads);
    std::fill_n(odd.data<int64_t>(), 5, 100);
    kernels::update(line, odd, std::vector<int64_t>{1}, std::vector<int64_t>{2}, threads);
    for (int64_t i = 0; i < 10; ++i) ASSERT_EQ(line.data<int64_t>()[i], i % 2 ? 100 : i);
  });
}

TEST(Kernels, RowsByNumber) {
  everywhere([](Threads& threads) {
    Tensor table = random_tensor(DType::f32, {50, 70}), index(DType::i64, {20, 10});
    for (int64_t i = 0; i < index.count(); ++i) index.data<int64_t>()[i] = between(0, 49);
    Tensor rows(DType::f32, {20, 10, 70});
    kernels::gather_rows(table, index, rows, threads);
    Tensor sum = Tensor(DType::f32, {50, 70}), want = Tensor(DType::f32, {50, 70});
    std::memcpy(sum.raw(), table.raw(), static_cast<size_t>(table.bytes()));
    std::memcpy(want.raw(), table.raw(), static_cast<size_t>(table.bytes()));
    kernels::scatter_add_rows(sum, index, rows, threads);
    for (int64_t i = 0; i < 200; ++i)
      for (int64_t c = 0; c < 70; ++c) {
        const int64_t r = index.data<int64_t>()[i];
        ASSERT_EQ(rows.data<float>()[i * 70 + c], table.data<float>()[r * 70 + c]);
        want.data<float>()[r * 70 + c] += rows.data<float>()[i * 70 + c];
      }
    ASSERT_TRUE(same_bits(sum, want));
    index.data<int64_t>()[7] = 50;
    ASSERT_THROW(kernels::gather_rows(table, index, rows, threads), Trap);
  });
}

TEST(Kernels, MapsReadAndReduceInOrder) {
  everywhere([](Threads& threads) {
    for (auto [I, J, K] :
         {std::array<int64_t, 3>{5, 7, 3}, {3, 130, 40}, {1, 1, 5000}, {2, 200, 1500}, {4, 3, 0}}) {
      Tensor a = random_tensor(DType::f32, {I, std::max<int64_t>(K, 1)}),
             b = random_tensor(DType::f32, {J, std::max<int64_t>(K, 1)});
      // out[i, j] = sum over k of exp(a[i, k]) - b[j, k]
      kernels::PointProgram p;
      int i = p.index(0), j = p.index(1), k = p.index(2);
      int x = p.read(0, DType::f32, {i, k}), y = p.read(1, DType::f32, {j, k});
      p.result(p.op(ir::Op::sub, {p.op(ir::Op::exp, {x}), y}));
      p.finish();
      std::vector<View> reads{a, b};
      Tensor got(DType::f32, {I, J}), want(DType::f32, {I, J});
      kernels::run_map(p, {I, J}, {K}, ir::ReduceKind::sum, {}, reads, got.raw(), threads);
      scalar::Plain m;
      for (int64_t u = 0; u < I; ++u)
        for (int64_t v = 0; v < J; ++v) {
          std::vector<float> values;
          for (int64_t w = 0; w < K; ++w)
            values.push_back(scalar::exp(m, a.data<float>()[u * K + w]) -
                             b.data<float>()[v * K + w]);
          want.data<float>()[u * J + v] = reference::chain<float>(values, 0.0f, std::plus<float>());
        }
      ASSERT_TRUE(same_bits(got, want));
    }
    // Without an output index: sum_run.
    Tensor a = random_tensor(DType::f32, {40000});
    kernels::PointProgram p;
    p.result(p.read(0, DType::f32, {p.index(0)}));
    p.finish();
    std::vector<View> reads{a};
    Tensor got(DType::f32, {});
    kernels::run_map(p, {}, {40000}, ir::ReduceKind::sum, {}, reads, got.raw(), threads);
    ASSERT_TRUE(same_bits(got, reference::reduce<float>(ir::ReduceKind::sum, a, {0})));
    // Outside: the first place in row-major order is told.
    try {
      kernels::run_map(p, {50000}, {}, ir::ReduceKind::sum, {}, reads,
                       Tensor(DType::f32, {50000}).raw(), threads);
      FAIL();
    } catch (const Trap& t) {
      ASSERT_EQ(t.code, Code::E0802);
      ASSERT_NE(t.message.find("index 40000 is outside axis 0 of size 40000"), std::string::npos)
          << t.message;
    }
  });
}

TEST(Kernels, ScatterAddsInOrder) {
  everywhere([](Threads& threads) {
    Tensor x = random_tensor(DType::f32, {30, 4}), v = random_tensor(DType::f32, {500, 4}),
           at_row(DType::i64, {500});
    for (int64_t i = 0; i < 500; ++i) at_row.data<int64_t>()[i] = between(0, 29);
    Tensor want(DType::f32, {30, 4});
    std::memcpy(want.raw(), x.raw(), static_cast<size_t>(x.bytes()));
    for (int64_t i = 0; i < 500; ++i)
      for (int64_t c = 0; c < 4; ++c)
        want.data<float>()[at_row.data<int64_t>()[i] * 4 + c] += v.data<float>()[i * 4 + c];
    kernels::PointProgram p;
    int i = p.index(0), c = p.index(1);
    p.result(p.read(0, DType::i64, {i}));
    p.result(c);
    p.result(p.read(1, DType::f32, {i, c}));
    p.finish();
    std::vector<View> reads{at_row, v};
    kernels::run_scatter(p, {500, 4}, {}, reads, x, threads);
    ASSERT_TRUE(same_bits(x, want));
  });
}

}  // namespace
