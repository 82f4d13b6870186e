// What a block on the emulator has under way beside its threads: mbarriers, boxes that TMA brings, products
// of warpgroups (kernels/cuda/warpgroup.cuh; PTX ISA 8, "Asynchronous warpgroup level matrix instructions").
// Each comes at the moment that hurts most: in the order `forward` boxes come as late as nobody else can
// move and products are made at once, in `reverse` the other way about, shuffled at any time between. What
// is under way cannot be seen: accumulators hold NaN until they are waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "jit/cuda/gpu.h"

namespace tenon::cuda {

// As in kernels/cuda/warpgroup.cuh.
struct AsyncTable {
  void (*barrier_init)(void* barrier, int count);
  void (*barriers_shown)();
  void (*arrive)(void* barrier, int bytes);
  void (*wait)(void* barrier, int parity);
  void (*fetch)(void* to, const void* map, void* barrier, const int* at);
  char* (*dynamic)();
  void (*multiply)(float* d, int columns, int kind, unsigned long long a, unsigned long long b);
  void (*fence)();
  void (*sent)();
  void (*but)(int groups);
};

// The emulator's own CUtensorMap; SimFault for what cuTensorMapEncodeTiled refuses.
Gpu::MapWords sim_map(const TensorMap& m);

class Async {
 public:
  enum class Timing : uint8_t { late_boxes, late_products, any };
  // `where` begins a message; `access` checks that memory of the device may be read.
  Async(std::function<std::string()> where, std::function<void(long long, long long)> access)
      : where_(std::move(where)), access_(std::move(access)) {}

  void start(size_t threads, size_t shared, Timing timing);
  void finish() const;  // SimFault for what is still under way when all threads are done
  std::byte* dynamic() { return dynamic_; }

  struct Barrier {
    int count = 0, pending = 0;
    int64_t bytes = 0;  // that are still to come in this phase
    bool parity = false;
    int shown_by = -1;  // the thread that made it and has not shown it
    bool passed(int which) const { return parity != (which != 0); }
  };
  void init(void* at, int count, int thread);
  void shown(int thread);
  const Barrier& barrier(void* at) { return known(at); }
  void arrive(void* at, int64_t bytes);
  std::string state_of(const Barrier& b) const;

  void fetch(void* to, const void* map, void* barrier, const int* at);
  bool deliver();  // the oldest box; false: none is under way
  void deliver_some(std::mt19937& random);

  void multiply(int thread, float* d, int columns, int kind, uint64_t a, uint64_t b, std::mt19937& random);
  void fence(int thread) { threads_[static_cast<size_t>(thread)].fenced = true; }
  void sent(int thread) { ++threads_[static_cast<size_t>(thread)].sent; }
  void but(int thread, int groups);

 private:
  struct Box {
    std::byte* to;
    Gpu::MapWords map;
    void* barrier;
    int at[4];
  };
  struct Product {
    float* d;
    int columns, kind, group;
    uint64_t a, b;
    bool made = false;
  };
  struct Thread {
    std::vector<Product> products;
    std::map<float*, std::vector<float>> hidden;  // what the accumulators really are
    int sent = 0;
    bool fenced = false;
    uint64_t history = 0;  // of all it multiplied
  };
  Barrier& known(void* at);
  void complete(Barrier& b);
  void bring(size_t which);
  void make(int thread, Product& p);
  const std::byte* element(uint64_t operand, bool down, int row, int k) const;

  std::function<std::string()> where_;
  std::function<void(long long, long long)> access_;
  Timing timing_ = Timing::late_boxes;
  std::vector<std::byte> memory_;
  std::byte* dynamic_ = nullptr;
  size_t bytes_ = 0;
  std::map<void*, Barrier> barriers_;
  std::vector<Box> boxes_;
  std::vector<Thread> threads_;
};

}  // namespace tenon::cuda
