// Structural nodes on the GPU: which kernels of kernels/cuda a node takes, and how they are launched.
// The counterpart of rt_eager in jit/loop/runtime.cpp.
#pragma once

#include <functional>
#include <string>

#include "jit/cuda/gpu.h"
#include "jit/loop/runtime.h"

namespace tenon::cuda {

// Instances of the families, written as they are asked for: a kernel's name says all of it.
struct Instances {
  std::string text;
  Gpu::Kernels kernels;
};

// What matrix products may run on.
struct Arithmetic {
  bool cores = false;  // the device has tensor cores for f16 and bf16, and for f32 as tf32
  bool tf32 = false;   // the program was told to use them for f32 (--precision tf32)
  bool tensor_cores(DType t) const {
    return cores && (t == DType::f16 || t == DType::bf16 || (t == DType::f32 && tf32));
  }
};

// The stage on which a node runs. In the first pass over a program's nodes nothing is launched and the
// instances are written; a run then finds them by name.
class Stage {
 public:
  virtual ~Stage() = default;
  // `together`: so many threads share an item; 0: one thread an item.
  virtual void launch(const std::string& kernel, int64_t items, int together,
                      std::span<const int64_t> args) = 0;
  virtual int64_t scratch(int64_t bytes) = 0;  // device memory until the node is done
  virtual bool tensor_cores(DType t) const = 0;
  // Warpgroups (sm_90a), whose kernels are made when they are first asked for.
  virtual bool warpgroups() const { return false; }
  virtual int64_t multiprocessors() const { return 1; }
  virtual Gpu::MapWords map_of(const TensorMap&) { return {}; }
  virtual void launch_late(const std::string&, const std::function<std::string()>& /*text*/, size_t /*slots*/, int64_t /*blocks*/,
                           int /*threads*/, std::span<const int64_t>, Extra) {}
};

// Writes what `node` may need.
void instantiate(const loop::NodeInfo& node, const Arithmetic& arithmetic, Instances& out);
// Runs it: `args` are the slots behind the node's number. Throws Trap for what data makes wrong.
void run_node(const loop::NodeInfo& node, const int64_t* args, Stage& stage);

}  // namespace tenon::cuda
