// The door to libcuda: one device, its primary context, one stream (driver.h). Never seen by the rest of
// the house: what goes wrong here is said in words.
#include "jit/cuda/driver.h"

#include <cstdlib>
#include <map>
#include <mutex>

#include "jit/cuda/gpu.h"
#include "jit/cuda/library.h"
#include "jit/cuda/nvrtc.h"
#include "runtime/trap.h"

namespace tenon::cuda {

namespace {

// Declared here as in NVIDIA's interface; the names with _v2 are those of 64-bit sizes.
using DevicePointer = unsigned long long;
using Handle = void*;  // contexts, streams, modules, functions
#define TENON_CUDA_DRIVER(X)                                                        \
  X(cuInit, unsigned)                                                               \
  X(cuDriverGetVersion, int*)                                                       \
  X(cuGetErrorName, int, const char**)                                              \
  X(cuDeviceGetCount, int*)                                                         \
  X(cuDeviceGet, int*, int)                                                         \
  X(cuDeviceGetName, char*, int, int)                                               \
  X(cuDeviceGetAttribute, int*, int, int)                                           \
  X(cuDeviceTotalMem_v2, size_t*, int)                                              \
  X(cuDevicePrimaryCtxRetain, Handle*, int)                                         \
  X(cuCtxSetCurrent, Handle)                                                        \
  X(cuStreamCreate, Handle*, unsigned)                                              \
  X(cuStreamSynchronize, Handle)                                                    \
  X(cuMemGetInfo_v2, size_t*, size_t*)                                              \
  X(cuMemAlloc_v2, DevicePointer*, size_t)                                          \
  X(cuMemFree_v2, DevicePointer)                                                    \
  X(cuMemcpyHtoDAsync_v2, DevicePointer, const void*, size_t, Handle)               \
  X(cuMemcpyDtoHAsync_v2, void*, DevicePointer, size_t, Handle)                     \
  X(cuMemcpyDtoDAsync_v2, DevicePointer, DevicePointer, size_t, Handle)             \
  X(cuModuleLoadDataEx, Handle*, const void*, unsigned, int*, void**)               \
  X(cuModuleGetFunction, Handle*, Handle, const char*)                              \
  X(cuModuleUnload, Handle)                                                         \
  X(cuLaunchKernel, Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Handle, void**, void**) \
  X(cuFuncSetAttribute, Handle, int, int)                                             \
  X(cuMemHostAlloc, void**, size_t, unsigned)                                       \
  X(cuEventCreate, Handle*, unsigned)                                               \
  X(cuEventRecord, Handle, Handle)                                                  \
  X(cuEventSynchronize, Handle)
// From CUDA 12 on; without them launches are not recorded.
#define TENON_CUDA_GRAPHS(X)                                                              \
  X(cuGraphCreate, Handle*, unsigned)                                                     \
  X(cuGraphDestroy, Handle)                                                               \
  X(cuGraphAddKernelNode_v2, Handle*, Handle, const Handle*, size_t, const KernelNode*)   \
  X(cuGraphInstantiateWithFlags, Handle*, Handle, unsigned long long)                     \
  X(cuGraphExecKernelNodeSetParams_v2, Handle, Handle, const KernelNode*)                 \
  X(cuGraphLaunch, Handle, Handle)                                                        \
  X(cuGraphExecDestroy, Handle)

// From CUDA 12 on; without it there are no warpgroups.
using EncodeTiled = int (*)(void* map, int type, unsigned rank, void* address, const uint64_t* extents, const uint64_t* strides,
                            const uint32_t* box, const uint32_t* steps, int interleave, int swizzle, int promotion, int outside);

struct KernelNode {  // CUDA_KERNEL_NODE_PARAMS_v2
  Handle function;
  unsigned grid[3], block[3], shared;
  void** params;
  void** extra;
  Handle kernel, context;
};

constexpr int kMultiprocessors = 16, kMajor = 75, kMinor = 76;  // attributes of a device
constexpr int kDynamicShared = 8;  // an attribute of a function: the most it may be launched with
constexpr int kOutOfMemory = 2, kStub = 34, kNoDevice = 100;

struct Driver {
  Library library;
  DriverState state;
  int device = 0, multiprocessors = 0, version = 0, major = 0;
  std::string arch;
  Handle context = nullptr, stream = nullptr;
#define X(name, ...) int (*name)(__VA_ARGS__) = nullptr;
  TENON_CUDA_DRIVER(X)
  TENON_CUDA_GRAPHS(X)
#undef X
  bool graphs = false;
  EncodeTiled encode_tiled = nullptr;
  bool warpgroups() const { return major == 9 && encode_tiled && nvrtc_state().major >= 12; }

  std::string error_name(int code) const {
    const char* s = nullptr;
    return cuGetErrorName && cuGetErrorName(code, &s) == 0 && s ? s : "error " + std::to_string(code);
  }
  // What the driver may not refuse.
  void sure(int code, const char* what) const {
    if (code == kOutOfMemory) throw Trap(Code::E0805, "the GPU has not enough memory", "smaller sizes or batches need less");
    if (code != 0) bug(std::string("CUDA: ") + what + " gives " + error_name(code));
  }

  Driver() {
    std::vector<std::string> folders{"/usr/lib/wsl/lib"};
    if (const char* own = std::getenv("TENON_CUDA_PATH")) folders.insert(folders.begin(), own);
    if (!library.open({"libcuda.so.1"}, folders)) {  // plain libcuda.so may be the toolkit's stub
      refuse("no NVIDIA driver was found (tried " + library.tried() + ")", "use --device cpu, or cudasim to try a program out");
      return;
    }
#define X(name, ...)                                                                            \
  name = reinterpret_cast<decltype(name)>(library.symbol(#name));                               \
  if (!name) {                                                                                  \
    refuse("the NVIDIA driver at " + library.path() + " is too old: it has no " #name, "update the driver"); \
    return;                                                                                     \
  }
    TENON_CUDA_DRIVER(X)
#undef X
    graphs = true;
#define X(name, ...) graphs &= (name = reinterpret_cast<decltype(name)>(library.symbol(#name))) != nullptr;
    TENON_CUDA_GRAPHS(X)
#undef X
    encode_tiled = reinterpret_cast<EncodeTiled>(library.symbol("cuTensorMapEncodeTiled"));
    int count = 0;
    if (int code = cuInit(0); code != 0) {
      if (code == kStub) refuse("the driver found at " + library.path() + " is the toolkit's stub, not a driver", "install the NVIDIA driver");
      else if (code == kNoDevice) refuse("there is a driver at " + library.path() + ", but no NVIDIA GPU", "use --device cpu");
      else refuse("the NVIDIA driver at " + library.path() + " cannot start: " + error_name(code), "after an update of the driver the machine must be restarted");
      return;
    }
    if (cuDeviceGetCount(&count) != 0 || count == 0 || cuDeviceGet(&device, 0) != 0) {
      refuse("there is a driver at " + library.path() + ", but no NVIDIA GPU", "use --device cpu");
      return;
    }
    char name[128] = "";
    int minor = 0;
    sure(cuDeviceGetName(name, sizeof name, device), "cuDeviceGetName");
    sure(cuDeviceGetAttribute(&multiprocessors, kMultiprocessors, device), "cuDeviceGetAttribute");
    sure(cuDeviceGetAttribute(&major, kMajor, device), "cuDeviceGetAttribute");
    sure(cuDeviceGetAttribute(&minor, kMinor, device), "cuDeviceGetAttribute");
    sure(cuDriverGetVersion(&version), "cuDriverGetVersion");
    arch = "sm_" + std::to_string(major * 10 + minor) + (warpgroups() && minor == 0 ? "a" : "");
    state.found = true;
    state.text = std::string(name) + ", driver for CUDA " + std::to_string(version / 1000) + "." +
                 std::to_string(version % 1000 / 10) + ", " + arch;
  }
  void refuse(std::string text, std::string hint) {
    state.text = std::move(text);
    state.hint = std::move(hint);
  }
};

Driver& driver() {
  static Driver d;
  return d;
}

// The driver's view of a launch.
struct Slots {
  std::vector<void*> at;
  explicit Slots(const Launch& l) {
    for (size_t i = 0; i < l.args.size(); i += i < 16 * static_cast<size_t>(l.extra.maps) ? 16 : 1)
      at.push_back(const_cast<int64_t*>(&l.args[i]));
  }
};

// A chain of kernel nodes.
class CudaGraph final : public Gpu::Graph {
 public:
  CudaGraph(Driver& d, std::span<const Launch> launches) : d_(d) {
    d.sure(d.cuGraphCreate(&graph_, 0), "cuGraphCreate");
    for (const Launch& l : launches) {
      Slots slots(l);
      const KernelNode node = node_of(l, slots);
      Handle made = nullptr;
      d.sure(d.cuGraphAddKernelNode_v2(&made, graph_, nodes_.empty() ? nullptr : &nodes_.back(), !nodes_.empty(), &node),
             "cuGraphAddKernelNode");
      nodes_.push_back(made);
    }
    d.sure(d.cuGraphInstantiateWithFlags(&exec_, graph_, 0), "cuGraphInstantiate");
  }
  ~CudaGraph() override {
    d_.cuGraphExecDestroy(exec_);
    d_.cuGraphDestroy(graph_);
  }
  void set(size_t i, const Launch& l) override {
    Slots slots(l);
    const KernelNode node = node_of(l, slots);
    d_.sure(d_.cuGraphExecKernelNodeSetParams_v2(exec_, nodes_[i], &node), "cuGraphExecKernelNodeSetParams");
  }
  void run() override { d_.sure(d_.cuGraphLaunch(exec_, d_.stream), "cuGraphLaunch"); }

 private:
  static KernelNode node_of(const Launch& l, Slots& slots) {
    return {l.kernel, {static_cast<unsigned>(l.blocks), 1, 1}, {static_cast<unsigned>(l.threads), 1, 1},
            static_cast<unsigned>(l.extra.shared),
            slots.at.data(), nullptr, nullptr, nullptr};
  }
  Driver& d_;
  Handle graph_ = nullptr, exec_ = nullptr;
  std::vector<Handle> nodes_;
};

class CudaModule final : public Gpu::Module {
 public:
  CudaModule(Driver& d, const std::string& text) : d_(d) {
    for (const std::string& cubin : compile_cubins(text, d.arch))
      d.sure(d.cuModuleLoadDataEx(&modules_.emplace_back(), cubin.data(), 0, nullptr, nullptr), "cuModuleLoadDataEx");
  }
  ~CudaModule() override {
    gpu().retire();
    for (Handle m : modules_) d_.cuModuleUnload(m);
  }
  void* kernel(const std::string& name) override {
    Handle& f = functions_[name];
    for (Handle m : modules_)
      if (!f && d_.cuModuleGetFunction(&f, m, name.c_str()) != 0) f = nullptr;
    require(f != nullptr, "no kernel " + name);
    return f;
  }

 private:
  Driver& d_;
  std::vector<Handle> modules_;
  std::map<std::string, Handle> functions_;
};

// Memory is kept when it is given back, in classes of size: cuMemAlloc waits for the whole device.
class Cuda final : public Gpu {
 public:
  explicit Cuda(Driver& d) : d_(d) {
    d.sure(d.cuDevicePrimaryCtxRetain(&d.context, d.device), "cuDevicePrimaryCtxRetain");
    d.sure(d.cuCtxSetCurrent(d.context), "cuCtxSetCurrent");
    d.sure(d.cuStreamCreate(&d.stream, 1), "cuStreamCreate");  // 1: does not wait for the null stream
  }

  std::string_view name() const override { return "gpu"; }
  bool host_memory() const override { return false; }
  int64_t multiprocessors() const override { return d_.multiprocessors; }
  bool tensor_cores() const override { return d_.major >= 8; }
  bool warpgroups() const override { return d_.warpgroups(); }
  MapWords map_of(const TensorMap& m) override {
    // bf16 9, f16 6; no interleaving, swizzle of 128 bytes, lines of 256 bytes in L2, zeros outside.
    alignas(64) MapWords words{};
    uint64_t extents[4], strides[3];
    uint32_t box[4], steps[4] = {1, 1, 1, 1};
    for (size_t i = 0; i < 4; ++i) {
      extents[i] = static_cast<uint64_t>(m.extent[i]);
      box[i] = static_cast<uint32_t>(m.box[i]);
      if (i < 3) strides[i] = static_cast<uint64_t>(m.stride[i]);
    }
    d_.sure(d_.encode_tiled(words.data(), m.bf16 ? 9 : 6, 4, reinterpret_cast<void*>(m.address), extents, strides, box, steps, 0, 3, 3, 0),
            "cuTensorMapEncodeTiled");
    return words;
  }

  std::byte* take_block(size_t bytes) override {
    std::lock_guard lock(mutex_);
    const size_t size = rounded(bytes);
    std::byte* p = nullptr;
    if (auto& free = free_[size]; !free.empty()) {
      p = free.back();
      free.pop_back();
    } else {
      p = fresh(size);
    }
    live_[p] = size;
    use_.now += size;
    use_.taken += size;
    use_.peak = std::max(use_.peak, use_.now);
    return p;
  }
  // Work that still reads it was launched before whatever gets it next: one stream, one order.
  void give_block(std::byte* memory, size_t bytes) override {
    std::lock_guard lock(mutex_);
    const size_t size = rounded(bytes);
    live_.erase(memory);
    free_[size].push_back(memory);
    use_.now -= size;
  }
  MemoryUse use() override { return use_; }
  void reset_peak() override { use_.peak = use_.now; }

  bool owns(const void* p) const override {
    std::lock_guard lock(mutex_);
    auto it = live_.upper_bound(const_cast<std::byte*>(static_cast<const std::byte*>(p)));
    if (it == live_.begin()) return false;
    --it;
    return static_cast<const std::byte*>(p) < it->first + it->second;
  }

  std::unique_ptr<Module> compile(const std::string& text, const Kernels&) override {
    return std::make_unique<CudaModule>(d_, text);
  }

 protected:
  void run(const Launch& l) override {
    widen(l);
    Slots slots(l);
    d_.sure(d_.cuLaunchKernel(l.kernel, static_cast<unsigned>(l.blocks), 1, 1, static_cast<unsigned>(l.threads), 1, 1,
                              static_cast<unsigned>(l.extra.shared), d_.stream, slots.at.data(), nullptr),
            "a launch");
  }
  std::unique_ptr<Graph> record(std::span<const Launch> launches) override {
    if (!d_.graphs) return nullptr;
    for (const Launch& l : launches) widen(l);
    return std::make_unique<CudaGraph>(d_, launches);
  }
  void move_in(std::byte* to, const std::byte* staged, size_t bytes) override {
    d_.sure(d_.cuMemcpyHtoDAsync_v2(address(to), staged, bytes, d_.stream), "a copy to the device");
  }
  void move_on(std::byte* to, const std::byte* from, size_t bytes) override {
    d_.sure(d_.cuMemcpyDtoDAsync_v2(address(to), address(from), bytes, d_.stream), "a copy on the device");
  }
  void read(void* to, const std::byte* from, size_t bytes) override {
    d_.sure(d_.cuMemcpyDtoHAsync_v2(to, address(from), bytes, d_.stream), "a copy from the device");
    finish();
  }
  void finish() override { d_.sure(d_.cuStreamSynchronize(d_.stream), "the work on the device"); }
  std::byte* staging(size_t bytes) override {
    void* p = nullptr;
    d_.sure(d_.cuMemHostAlloc(&p, bytes, 0), "cuMemHostAlloc");
    for (Handle& e : events_) d_.sure(d_.cuEventCreate(&e, 2), "cuEventCreate");  // 2: without times
    return static_cast<std::byte*>(p);
  }
  void mark(int half) override { d_.sure(d_.cuEventRecord(events_[half], d_.stream), "cuEventRecord"); }
  // An event that was never recorded is there at once.
  void reached(int half) override { d_.sure(d_.cuEventSynchronize(events_[half]), "cuEventSynchronize"); }

 private:
  // More shared memory than 48 KiB is asked for once.
  void widen(const Launch& l) {
    if (int& most = widened_[l.kernel]; l.extra.shared > most)
      d_.sure(d_.cuFuncSetAttribute(l.kernel, kDynamicShared, most = l.extra.shared), "cuFuncSetAttribute");
  }
  static DevicePointer address(const std::byte* p) { return reinterpret_cast<DevicePointer>(p); }
  static size_t rounded(size_t bytes) {
    size_t step = 256;
    while (step * 8 < bytes) step *= 2;
    return (std::max<size_t>(bytes, 1) + step - 1) / step * step;
  }
  std::byte* fresh(size_t size) {
    DevicePointer p = 0;
    int code = d_.cuMemAlloc_v2(&p, size);
    if (code == kOutOfMemory) {  // give back what is kept, and try once more
      for (auto& [kept, list] : free_) {
        for (std::byte* b : list) d_.cuMemFree_v2(address(b));
        list.clear();
      }
      code = d_.cuMemAlloc_v2(&p, size);
    }
    if (code == kOutOfMemory) {
      size_t left = 0, total = 0;
      d_.cuMemGetInfo_v2(&left, &total);
      throw no_memory(size, left, total);
    }
    d_.sure(code, "cuMemAlloc");
    return reinterpret_cast<std::byte*>(p);
  }

  Driver& d_;
  Handle events_[2] = {nullptr, nullptr};  // per half of the staging memory
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  std::map<std::byte*, size_t> live_;
  std::map<void*, int> widened_;
  MemoryUse use_;
};

}  // namespace

const DriverState& driver_state() { return driver().state; }

Gpu& gpu() {
  Driver& d = driver();
  if (!d.state.found) fail(Code::E1002, {}, d.state.text, d.state.hint, {}, Fault::data);
  if (!nvrtc_state().found)
    fail(Code::E1002, {}, "a GPU is there (" + d.state.text + "), but " + nvrtc_state().text,
         "install the CUDA toolkit, or: pip install nvidia-cuda-nvrtc, and set TENON_NVRTC_PATH to its lib folder", {},
         Fault::data);
  // Buffers may outlive every static object of this room, so it is never taken down.
  static Cuda* cuda = new Cuda(d);
  return *cuda;
}

}  // namespace tenon::cuda
