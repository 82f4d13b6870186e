// rooms: support ir runtime
// Tensors and their views, the arena, and the thread pool.
#include <atomic>
#include <cmath>
#include <gtest/gtest.h>
#include <thread>

#include "runtime/copy.h"
#include "runtime/tensor.h"
#include "runtime/threads.h"
#include "runtime/trap.h"

using namespace tenon;

namespace {

Tensor counting(const Extents& shape) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.data<float>()[i] = static_cast<float>(i);
  return t;
}

TEST(Tensor, ViewsMoveNoElement) {
  Tensor x = counting({3, 4});
  EXPECT_TRUE(x.unique());
  Tensor t = x.transposed(std::vector<int>{1, 0});
  EXPECT_FALSE(x.unique());
  EXPECT_EQ(t.buffer, x.buffer);
  EXPECT_FALSE(t.contiguous());
  Tensor p = t.packed();
  EXPECT_NE(p.buffer, x.buffer);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 3; ++j) EXPECT_EQ(p.data<float>()[i * 3 + j], j * 4 + i);
  Tensor s = x.sliced({1, 0}, {2, 2}, std::vector<int64_t>{1, 2}).packed();
  EXPECT_EQ(s.data<float>()[0], 4);
  EXPECT_EQ(s.data<float>()[1], 6);
  EXPECT_EQ(s.data<float>()[3], 10);
  Tensor row = x.sliced({2, 0}, {1, 4}, std::vector<int64_t>{1, 1}).reshaped({4});
  EXPECT_EQ(row.buffer, x.buffer);  // a view: contiguous
  EXPECT_EQ(row.data<float>()[3], 11);
  Tensor b = row.broadcast({2, 4, 3}, std::vector<int>{1}).packed();
  EXPECT_EQ(b.data<float>()[0], 8);
  EXPECT_EQ(b.data<float>()[12 + 3 * 3 + 2], 11);
  EXPECT_EQ(t.reshaped({12}).data<float>()[1], 4);
}

TEST(Tensor, ScalarsOfEveryDtype) {
  EXPECT_EQ(Tensor::scalar<int8_t>(DType::i8, -3).as_int(), -3);
  EXPECT_EQ(Tensor::scalar<uint8_t>(DType::u8, 200).as_double(), 200.0);
  EXPECT_EQ(Tensor::scalar<uint8_t>(DType::boolean, 1).as_int(), 1);
  EXPECT_EQ(Tensor::scalar<uint16_t>(DType::f16, 0x3e00).as_double(), 1.5);
  EXPECT_EQ(Tensor::scalar<uint16_t>(DType::bf16, 0xbfc0).as_double(), -1.5);
  EXPECT_EQ(Tensor::scalar<double>(DType::f64, 1e300).as_double(), 1e300);
  EXPECT_EQ(Tensor::scalar<int64_t>(DType::i64, INT64_MIN).as_int(), INT64_MIN);
}

TEST(Tensor, SameBitsTakesAnyNaNForAnyOther) {
  Tensor a = counting({4}), b = counting({4});
  EXPECT_TRUE(same_bits(a, b));
  a.data<float>()[1] = NAN;
  EXPECT_FALSE(same_bits(a, b));
  b.data<float>()[1] = -std::nanf("5");
  EXPECT_TRUE(same_bits(a, b));
  a.data<float>()[0] = -0.0f;  // not +0
  EXPECT_FALSE(same_bits(a, b));
  EXPECT_FALSE(same_bits(counting({4}), counting({2, 2})));
  EXPECT_TRUE(same_bits(counting({3, 4}).transposed(std::vector<int>{1, 0}),
                        counting({3, 4}).transposed(std::vector<int>{1, 0}).packed()));
}

TEST(Buffer, AbsurdSizesAreRefusedBeforeMemoryIsTouched) {
  for (const Extents& shape :
       {Extents{1000000000000000}, Extents{1 << 30, 1 << 30, 1 << 30}, Extents{1ll << 45}}) {
    try {
      Tensor t(DType::f64, shape);
      FAIL();
    } catch (const Trap& trap) {
      EXPECT_EQ(trap.code, Code::E0805);
      EXPECT_NE(trap.message.find("asked for"), std::string::npos);
      EXPECT_NE(trap.message.find("available"), std::string::npos);
    }
  }
  EXPECT_EQ(Tensor(DType::f64, {0, 1ll << 60}).count(), 0);  // empty is small
}

TEST(Buffer, MemoryIsAlignedCountedAndComesBack) {
  const size_t before = memory_use().now;
  reset_peak_memory();
  std::byte* p;
  {
    auto a = Buffer::allocate(1000), b = Buffer::allocate(5 << 20);
    p = b->data();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a->data()) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b->data()) % 64, 0u);
    EXPECT_GE(memory_use().now, before + 1000 + (5 << 20));
    EXPECT_EQ(a->count(), 1u);
  }
  EXPECT_EQ(memory_use().now, before);
  EXPECT_GE(memory_use().peak, before + (5 << 20));
  EXPECT_EQ(Buffer::allocate(5 << 20)->data(), p);  // kept, handed out again
}

TEST(Buffer, WhatIsAppendedToAgainHasRoomForAsMuchMore) {
  const auto first = Buffer::allocate(1000), joined = first->grown(1500), longer = joined->grown(2000);
  EXPECT_EQ(joined->size(), 1500u);  // joined once, and no byte more
  EXPECT_EQ(longer->size(), 4000u);
  EXPECT_EQ(longer->grown(4100)->size(), 8200u);
  const size_t taken = memory_use().taken;
  Buffer::allocate(1 << 10);
  EXPECT_EQ(memory_use().taken, taken + (1 << 10));
}

TEST(Buffer, BorrowedMemoryIsReleasedAndNeverUnique) {
  float data[4] = {1, 2, 3, 4};
  bool released = false;
  {
    Tensor t;
    t.buffer = Buffer::borrow(data, sizeof data, [&] { released = true; });
    t.shape = {4};
    t.strides = {1};
    EXPECT_FALSE(t.unique());
    EXPECT_EQ(t.data<float>()[2], 3);
  }
  EXPECT_TRUE(released);
}

TEST(Copy, EveryPermutationOfAxes) {
  Tensor x = counting({3, 33, 5, 35});
  std::vector<int> axes{0, 1, 2, 3};
  do {
    Tensor t = x.transposed(axes), p = t.packed();
    for (int64_t i = 0; i < p.count(); i += 7) {
      int64_t rest = i, o = 0;
      for (int k = 3; k >= 0; --k) {
        o += rest % t.shape[k] * t.strides[k];
        rest /= t.shape[k];
      }
      ASSERT_EQ(p.data<float>()[i], static_cast<float>(o));
    }
  } while (std::next_permutation(axes.begin(), axes.end()));
}

TEST(Threads, EveryChunkRunsOnce) {
  for (int count : {1, 2, 3, 8}) {
    Threads threads(count);
    EXPECT_EQ(threads.count(), count);
    for (int turn = 0; turn < 300; ++turn) {
      const int chunks = turn % 37;
      std::vector<std::atomic<int>> hits(static_cast<size_t>(chunks));
      threads.each(chunks, [&](int64_t i) { hits[static_cast<size_t>(i)].fetch_add(1); });
      for (auto& h : hits) ASSERT_EQ(h.load(), 1);
      if (turn % 100 == 99) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // they park
    }
  }
}

TEST(Threads, MoreChunksThanARangeCounts) {
  Threads threads(3);
  const int64_t chunks = 1'500'001;
  std::vector<uint8_t> hits(static_cast<size_t>(chunks));
  threads.each(chunks, [&](int64_t i) { ++hits[static_cast<size_t>(i)]; });
  EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), chunks);
}

TEST(Threads, NestedRunsAreSerialAndOtherCallersWait) {
  Threads threads(3);
  std::atomic<int> sum{0};
  threads.each(10,
               [&](int64_t) { threads.each(10, [&](int64_t j) { sum += static_cast<int>(j); }); });
  EXPECT_EQ(sum.load(), 450);
  sum = 0;
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) threads.each(8, [&](int64_t) { sum += 1; });
  });
  for (int i = 0; i < 200; ++i) threads.each(8, [&](int64_t) { sum += 1; });
  other.join();
  EXPECT_EQ(sum.load(), 3200);
}

}  // namespace
