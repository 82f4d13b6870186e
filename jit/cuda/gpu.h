// A GPU, or the emulator that stands for one: memory of its own, modules of compiled kernels, and one
// stream of work. Work is queued here and handed over when somebody waits for a result or the queue is
// long; a sequence of launches that comes again is recorded once as a graph and then replayed as one,
// with what is new in its arguments. Everything above (engine.h) and all of this is the same for both.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/device.h"
#include "runtime/trap.h"

namespace tenon::cuda {

// What a launch of warpgroups has beside its slots: bytes of dynamic shared memory, and how many maps of
// tensors its arguments begin with, 16 slots each.
struct Extra {
  int shared = 0, maps = 0;
};

// One launch: every argument is a slot of 8 bytes. `together`: the threads of a block meet at barriers.
struct Launch {
  void* kernel = nullptr;
  int64_t blocks = 0;
  int threads = 0;
  bool together = false;
  Extra extra;
  std::vector<int64_t> args;
};

// A tensor of 16-bit elements as TMA sees it, from the axis of neighbours outwards: elements, and bytes from
// one to the next of the three outer axes. It brings boxes in lines of 128 bytes, swizzled, with zeros outside.
struct TensorMap {
  int64_t address = 0;
  bool bf16 = false;
  int64_t extent[4] = {1, 1, 1, 1}, stride[3] = {16, 16, 16};
  int box[4] = {64, 1, 1, 1};
};

class Gpu : public Device {
 public:
  class Module {
   public:
    virtual ~Module() = default;
    // A kernel by its name; bug() when there is none.
    virtual void* kernel(const std::string& name) = 0;
  };
  // Launches recorded as one piece of work.
  class Graph {
   public:
    virtual ~Graph() = default;
    virtual void set(size_t i, const Launch& l) = 0;  // other arguments for launch i
    virtual void run() = 0;
  };
  // Compiles a text (after kernels::cuda_prelude) with these kernels in it: names, and how many slots.
  using Kernels = std::map<std::string, size_t>;
  virtual std::unique_ptr<Module> compile(const std::string& text, const Kernels& kernels) = 0;

  // A kernel by its name, compiled from `text` when it is first asked for; kept as long as the device.
  void* late_kernel(const std::string& name, const std::function<std::string()>& text, size_t slots);

  // Numbers, of at most kNumber bytes, share a page of memory, all of which comes along whenever the host
  // waits for one of them: what it asks for next is known then, unless something that was launched in between writes it.
  static constexpr size_t kNumber = 128;
  std::byte* take(size_t bytes) final;
  void give(std::byte* memory, size_t bytes) final;

  virtual bool owns(const void* address) const = 0;
  virtual int64_t multiprocessors() const = 0;
  virtual bool tensor_cores() const = 0;  // those of mma.sync for f16, bf16 and tf32, and cp.async
  virtual bool warpgroups() const = 0;    // wgmma, TMA and mbarrier: sm_90a
  // A tensor as an argument of a kernel (Extra::maps).
  using MapWords = std::array<int64_t, 16>;
  virtual MapWords map_of(const TensorMap& m) = 0;

  // In their order behind all that was asked for before. What copy_in is given is taken at once.
  void launch(void* kernel, int64_t blocks, int threads, bool together, std::span<const int64_t> args,
              Extra extra = {});
  void copy_on(std::byte* to, const std::byte* from, size_t bytes);  // device to device
  void copy_in(std::byte* to, const void* from, size_t bytes) final;
  // Whether the host has this number already, from when it waited last; then it gets it.
  bool seen(void* to, const std::byte* from, size_t bytes) const;
  // These wait for it.
  void copy_out(void* to, const std::byte* from, size_t bytes) final;
  void wait() final;

  // Before a module goes: what is queued runs, and no graph names its kernels any more.
  void retire();

  struct Stats {
    int64_t launches = 0;  // kernels
    int64_t batches = 0;   // times that the queue was handed over
    int64_t replayed = 0;  // kernels that ran as part of a graph
    int64_t waits = 0;     // times that the host waited for a result
  };
  const Stats& stats() const { return stats_; }

 protected:
  // Memory as `take` and `give` say, but for numbers; and what of the page begins and ends to be one.
  virtual std::byte* take_block(size_t bytes) = 0;
  virtual void give_block(std::byte* memory, size_t bytes) = 0;
  virtual void number_taken(std::byte*, size_t) {}
  virtual void number_given(std::byte* memory) { number_free(memory); }
  void number_free(std::byte* memory) { free_numbers_.push_back(memory); }

  // What a device does, in order. None of these waits but `read` and `finish`.
  virtual void run(const Launch& l) = 0;
  virtual std::unique_ptr<Graph> record(std::span<const Launch> launches) = 0;  // null: it has no graphs
  virtual void move_on(std::byte* to, const std::byte* from, size_t bytes) = 0;
  virtual void move_in(std::byte* to, const std::byte* staged, size_t bytes) = 0;
  virtual void read(void* to, const std::byte* from, size_t bytes) = 0;
  virtual void finish() = 0;
  // Host memory from which the device copies by itself, in two halves: `mark` notes that work up to now
  // uses one, `reached` waits for that.
  virtual std::byte* staging(size_t bytes) = 0;
  virtual void mark(int half) = 0;
  virtual void reached(int half) = 0;
  virtual void flushed() {}  // the queue has been handed over
  bool queued() const { return !queue_.empty(); }
  bool is_page(const std::byte* at) const { return page_ && at == page_; }

 private:
  struct Copy {
    std::byte* to;
    const std::byte* from;
    size_t bytes;
    bool in;  // from staged memory of the host
  };
  struct Step {  // a copy, or so many launches
    size_t launches = 0;
    Copy copy{};
  };
  struct Known {
    int seen = 0;
    std::unique_ptr<Graph> graph;
    std::vector<std::vector<int64_t>> args;  // as the graph has them
  };
  void flush();
  void run_all(std::span<const Launch> launches);
  std::byte* staged(const void* from, size_t bytes);

  bool is_number(const std::byte* at) const { return page_ && at >= page_ && at < page_ + kPage; }

  static constexpr size_t kApart = kNumber + 64, kPage = 80 * kApart;  // from one number to the next; in all
  std::byte* page_ = nullptr;
  std::vector<std::byte*> free_numbers_;
  std::vector<std::byte> seen_;  // of the page, as it was when the host waited last
  std::vector<char> fresh_;      // and still is, since nothing that was launched knows the number's place
  void touched(const std::byte* at) {
    if (is_number(at) && !fresh_.empty()) fresh_[static_cast<size_t>(at - page_) / kApart] = 0;
  }

  std::vector<Step> queue_;
  std::vector<Launch> launches_;  // of the queue, the first `used_`; the rest keeps its memory
  size_t used_ = 0;
  std::map<std::vector<std::tuple<void*, int64_t, int>>, Known> known_;
  std::byte* staging_ = nullptr;
  size_t staged_ = 0;  // bytes used of this half
  int half_ = 0;
  Stats stats_;
  std::mutex late_;
  std::map<std::string, std::unique_ptr<Module>> late_modules_;
};

// What somebody is told who asks for more than there is.
Trap no_memory(size_t asked, size_t left, size_t all);

// The emulator (cudasim). Always there; throws UserError E1002 where no compiler for the host is.
Gpu& cudasim();
// The NVIDIA GPU of this machine. Throws UserError E1002 that says what was looked for and is missing.
Gpu& gpu();

}  // namespace tenon::cuda
