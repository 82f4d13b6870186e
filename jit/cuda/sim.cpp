// cudasim: a GPU emulated on the host, for machines without one and for tests (shared/gpu.md 3). The very
// text that NVRTC compiles is compiled by the host's C++ compiler; a thread of a block is a fibre, which
// runs until it waits at a barrier or an exchange between the lanes of a warp. The emulator is a strict
// device: memory is poisoned, every access is checked, and a deadlock names who waits where.
//
//   TENON_SIM_ORDER=forward|reverse|shuffled   in which order the threads of a block are taken up
//   TENON_SIM_COUNT=FILE                       what accesses would cost (sim_count.h)
//   TENON_SIM_ARCH=sm_80|sm_90a                which device's instructions programs may use
#include <dlfcn.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <sstream>

#include "io/cache.h"
#include "io/file.h"
#include "jit/cuda/gpu.h"
#include "jit/cuda/nvrtc.h"
#include "jit/cuda/sim.h"
#include "jit/cuda/sim_count.h"
#include "jit/cuda/sim_async.h"
#include "kernels/cuda/kernels.h"
#include "runtime/trap.h"

extern char** environ;

namespace tenon::cuda {

namespace {

namespace fs = std::filesystem;
namespace context = boost::context::detail;

// As in kernels/cuda/prelude.cuh.
struct Registers {
  int thread, threads;
  long long block, blocks;
  long long low[4], high[4];
  void (*access)(long long address, long long bytes);
  void (*barrier)();
  void (*exchange)(const void* mine, void* got, int lane, int bytes);
  void* (*shared)(const void* key, long long bytes);
  const char* (*gather)(const void* mine, int bytes);
  void (*copy_async)(void* to, long long from, int bytes);
  void (*copies_sent)();
  void (*copies_but)(int groups);
};
using Entry = void (*)(const long long*);

// ---------------------------------------------------------------- the threads of a block

constexpr size_t kStack = 256 << 10;
constexpr int kWarp = 32, kWidest = 16, kApart = 64;  // kTnApart
constexpr size_t kShared = 8;  // words of poison behind what is shared

// exchange: one lane hears from another; gather: each from all 32, none of which may be elsewhere; phase: for
// that of an mbarrier.
enum class State : uint8_t { ready, barrier, exchange, gather, phase, done };

struct Fibre {
  context::fcontext_t at = nullptr;
  State state = State::done;
  char mine[kApart];
  void* got = nullptr;
  int lane = 0, bytes = 0;
  // What cp.async has not brought yet, as if it took its time until somebody waits for it.
  struct Copy {
    void* to;
    const void* from;  // null: zeros
    size_t bytes;
    int group;
  };
  std::vector<Copy> copies;
  int sent = 0;  // groups
  const Async::Barrier* phase = nullptr;
  int parity = 0;
};

struct Kernel {
  std::string name;
  Entry entry;
  Registers* registers;
  std::string text;  // which one it is in: the name of that in the cache
};

class Block {
 public:
  enum class Order : uint8_t { forward, reverse, shuffled };
  static Order order() {
    const char* e = std::getenv("TENON_SIM_ORDER");
    const std::string_view s = e ? e : "forward";
    return s == "reverse" ? Order::reverse : s == "shuffled" ? Order::shuffled : Order::forward;
  }

  Block();
  ~Block() {
    for (void* s : stacks_) munmap(s, kStack);
  }

  // Runs one block whose threads may wait for each other.
  void run(const Kernel& k, int threads, size_t shared, const long long* args) {
    kernel_ = &k;
    args_ = args;
    order_ = order();
    fault_.clear();
    shared_.clear();
    async_.start(static_cast<size_t>(threads), shared,
                 order_ == Order::forward ? Async::Timing::late_boxes : order_ == Order::reverse ? Async::Timing::late_products : Async::Timing::any);
    fibres_.assign(static_cast<size_t>(threads), {});
    while (stacks_.size() < fibres_.size()) {
      void* s = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (s == MAP_FAILED) throw Trap(Code::E0805, "there is not enough memory for the emulator's threads");
      stacks_.push_back(s);
    }
    gathered_.resize((fibres_.size() + kWarp - 1) / kWarp * (kWarp * kApart));
    std::vector<int> turn(kWarp);
    for (int i = 0; i < kWarp; ++i) turn[static_cast<size_t>(i)] = order_ == Order::reverse ? kWarp - 1 - i : i;
    for (size_t i = 0; i < fibres_.size(); ++i) {
      fibres_[i].at = context::make_fcontext(static_cast<char*>(stacks_[i]) + kStack, kStack, begin);
      fibres_[i].state = State::ready;
    }
    // Warp after warp: in a fixed order each runs as far ahead as it can, shuffled they take turns.
    std::vector<size_t> warps((fibres_.size() + kWarp - 1) / kWarp);
    for (size_t w = 0; w < warps.size(); ++w) warps[w] = order_ == Order::reverse ? warps.size() - 1 - w : w;
    for (;;) {
      bool ran = false;
      if (order_ == Order::shuffled) {
        std::shuffle(warps.begin(), warps.end(), random_);
        async_.deliver_some(random_);
      }
      for (size_t w : warps)
        while (advance(w * kWarp, turn)) {
          ran = true;
          if (order_ == Order::shuffled) break;
        }
      if (!ran && !release()) break;
    }
    async_.finish();
    for (const auto& [key, memory] : shared_)
      for (size_t i = memory.size() - kShared; i < memory.size(); ++i)
        if (memory[i] != -1) throw SimFault("kernel " + k.name + " writes behind its shared memory");
  }

  // One thread of a block in which nobody waits.
  void alone(const Kernel& k, int thread, const long long* args) {
    kernel_ = &k;
    k.registers->thread = thread;
    fibre_ = -1;
    k.entry(args);
  }

  void start_block() { shared_.clear(); }

  static void barrier() { current_->wait(State::barrier); }
  static void exchange(const void* mine, void* got, int lane, int bytes) {
    Block& b = *current_;
    if (b.fibre_ < 0 || bytes > kWidest) throw SimFault(b.where() + " exchanges between lanes in a kernel launched without");
    Fibre& f = b.fibres_[static_cast<size_t>(b.fibre_)];
    if (bytes > 0) std::memcpy(f.mine, mine, static_cast<size_t>(bytes));
    f.got = got;
    f.lane = lane;
    f.bytes = bytes;
    b.wait(State::exchange);
  }
  static void* shared(const void* key, long long bytes) {
    for (auto& [k, memory] : current_->shared_)
      if (k == key) return memory.data();
    auto& made = current_->shared_.emplace_back(key, std::vector<long long>());
    made.second.assign(static_cast<size_t>(bytes + 7) / 8 + kShared, -1);  // poison: NaN
    return made.second.data();
  }
  static const char* gather(const void* mine, int bytes) {
    Block& b = *current_;
    if (b.fibre_ < 0) throw SimFault(b.where() + " gathers over lanes in a kernel launched without");
    Fibre& f = b.fibres_[static_cast<size_t>(b.fibre_)];
    std::memcpy(f.mine, mine, static_cast<size_t>(bytes));
    f.bytes = bytes;
    b.wait(State::gather);
    return b.gathered_.data() + b.fibre_ / kWarp * (kWarp * kApart);
  }
  static void copy_async(void* to, long long from, int bytes);
  static void touched(const void* site, long long at, long long bytes);  // TENON_SIM_COUNT
  static void copies_sent() { ++current_->fibres_[static_cast<size_t>(current_->fibre_)].sent; }
  static void copies_but(int groups) {
    Fibre& f = current_->fibres_[static_cast<size_t>(current_->fibre_)];
    std::erase_if(f.copies, [&](const Fibre::Copy& c) {
      if (c.group >= f.sent - groups) return false;
      arrived(c);
      return true;
    });
  }
  static void arrived(const Fibre::Copy& c) {
    if (c.from) std::memcpy(c.to, c.from, c.bytes);
    else std::memset(c.to, 0, c.bytes);
  }
  std::string where() const {
    return "kernel " + kernel_->name + ", block " + std::to_string(kernel_->registers->block) + ", thread " +
           std::to_string(kernel_->registers->thread);
  }
  static Block& current() { return *current_; }

  // What warpgroup.cuh asks for.
  static AsyncTable async_table() {
    return {[](void* b, int count) { current_->async_.init(b, count, current_->here()); },
            [] { current_->async_.shown(current_->here()); },
            [](void* b, int bytes) { current_->async_.arrive(b, bytes); },
            phase,
            [](void* to, const void* map, void* b, const int* at) { current_->async_.fetch(to, map, b, at); },
            [] { return reinterpret_cast<char*>(current_->async_.dynamic()); },
            multiply,
            [] { meet(0), current_->async_.fence(current_->here()); },
            [] { meet(1), current_->async_.sent(current_->here()); },
            [](int groups) { meet(2 + groups), current_->async_.but(current_->here(), groups); }};
  }
  static void phase(void* barrier, int parity) {
    Fibre& f = current_->fibres_[static_cast<size_t>(current_->here())];
    f.phase = &current_->async_.barrier(barrier);
    f.parity = parity;
    if (!f.phase->passed(parity)) current_->wait(State::phase);
  }
  // All lanes of a warp, at the same of these.
  static void meet(int which) {
    const char* all = gather(&which, sizeof which);
    if (std::memcmp(all, &which, sizeof which) != 0) throw SimFault(current_->where() + " is at another operation of its warpgroup than thread 0 of its warp");
  }
  static void multiply(float* d, int columns, int kind, unsigned long long a, unsigned long long b) {
    const uint64_t mine[] = {a, b, static_cast<uint64_t>(kind), static_cast<uint64_t>(columns)};
    const char* all = gather(mine, sizeof mine);
    if (std::memcmp(all, mine, sizeof mine) != 0) throw SimFault(current_->where() + " multiplies something else than thread 0 of its warp");
    current_->async_.multiply(current_->here(), d, columns, kind, a, b, current_->random_);
  }
  Registers* registers() const { return kernel_->registers; }

 private:
  static void begin(context::transfer_t from) {
    Block& b = *current_;
    b.scheduler_ = from.fctx;
    Fibre& f = b.fibres_[static_cast<size_t>(b.fibre_)];
    try {
      b.kernel_->entry(b.args_);
    } catch (const SimFault& fault) {
      b.fault_ = fault.what();
    }
    f.state = State::done;
    context::jump_fcontext(b.scheduler_, nullptr);
  }
  void resume(int t) {
    fibre_ = t;
    kernel_->registers->thread = t;
    Fibre& f = fibres_[static_cast<size_t>(t)];
    f.at = context::jump_fcontext(f.at, nullptr).fctx;
  }
  int here() const {
    if (fibre_ < 0) throw SimFault(where() + " uses a warpgroup's operation in a kernel that was launched without barriers");
    return fibre_;
  }
  void wait(State s) {
    if (fibre_ < 0) throw SimFault(where() + " waits in a kernel that was launched without barriers");
    fibres_[static_cast<size_t>(fibre_)].state = s;
    scheduler_ = context::jump_fcontext(scheduler_, nullptr).fctx;
  }
  // The threads of the warp from `w` on, each until it waits; and what they exchange when all of them do.
  // False when none of them could move.
  bool advance(size_t w, std::vector<int>& turn) {
    const size_t end = std::min(fibres_.size(), w + kWarp);
    if (order_ == Order::shuffled) std::shuffle(turn.begin(), turn.end(), random_);
    bool ran = false;
    for (int t : turn) {
      const size_t i = w + static_cast<size_t>(t);
      if (i >= end) continue;
      if (fibres_[i].state == State::phase && fibres_[i].phase->passed(fibres_[i].parity)) fibres_[i].state = State::ready;
      if (fibres_[i].state != State::ready) continue;
      ran = true;
      resume(static_cast<int>(i));
      if (!fault_.empty()) throw SimFault(fault_);
    }
    size_t here = 0, exchange = 0, gather = 0;
    for (size_t i = w; i < end; ++i) {
      here += fibres_[i].state != State::done;
      exchange += fibres_[i].state == State::exchange;
      gather += fibres_[i].state == State::gather;
    }
    if (gather == kWarp) {
      for (size_t i = w; i < end; ++i) {
        if (fibres_[i].bytes != fibres_[w].bytes)
          throw SimFault("kernel " + kernel_->name + ": threads " + std::to_string(w) + " and " + std::to_string(i) +
                         " are at different operations of their warp");
        std::memcpy(gathered_.data() + i * kApart, fibres_[i].mine, static_cast<size_t>(fibres_[i].bytes));
        fibres_[i].state = State::ready;
      }
      return true;
    }
    if (exchange == 0 || exchange != here) return ran;
    for (size_t i = w; i < end; ++i) {
      if (fibres_[i].state != State::exchange) continue;
      const auto bytes = static_cast<size_t>(fibres_[i].bytes), from = w + static_cast<size_t>(fibres_[i].lane);
      if (bytes == 0) continue;  // they only meet
      if (from < end && fibres_[from].state == State::exchange) std::memcpy(fibres_[i].got, fibres_[from].mine, bytes);
      else std::memset(fibres_[i].got, 0xff, bytes);  // a lane that is gone
    }
    for (size_t i = w; i < end; ++i)
      if (fibres_[i].state == State::exchange) fibres_[i].state = State::ready;
    return true;
  }
  // When nobody can move: all wait at the barrier and are let go, or all are done (false).
  bool release() {
    size_t live = 0, waiting = 0;
    for (const Fibre& f : fibres_) {
      live += f.state != State::done;
      waiting += f.state == State::barrier;
    }
    if (live == 0) return false;
    if (async_.deliver()) return true;
    if (waiting == live) {
      for (Fibre& f : fibres_)
        if (f.state == State::barrier) f.state = State::ready;
      return true;
    }
    std::string s = "deadlock in kernel " + kernel_->name + ", block " + std::to_string(kernel_->registers->block) + ":";
    std::string last;
    for (size_t i = 0, from = 0; i <= fibres_.size(); ++i) {  // neighbours that wait for the same are told together
      const std::string now = i < fibres_.size() ? waits_for(fibres_[i]) : "";
      if (i > 0 && now == last) continue;
      if (!last.empty()) s += (i - from > 1 ? " threads " + std::to_string(from) + " to " : " thread ") + std::to_string(i - 1) + last + ";";
      from = i;
      last = now;
    }
    throw SimFault(s);
  }

  std::string waits_for(const Fibre& f) const {
    switch (f.state) {
      case State::barrier: return " at a barrier";
      case State::exchange: return " at an exchange";
      case State::gather: return " at tensor cores";
      case State::phase: return " at " + async_.state_of(*f.phase);
      case State::ready:
      case State::done: break;
    }
    return "";
  }

  static inline Block* current_ = nullptr;
  Order order_ = Order::forward;
  std::mt19937 random_{20261123};
  const Kernel* kernel_ = nullptr;
  const long long* args_ = nullptr;
  std::vector<Fibre> fibres_;
  std::vector<void*> stacks_;
  std::vector<std::pair<const void*, std::vector<long long>>> shared_;
  std::vector<char> gathered_;  // per warp
  context::fcontext_t scheduler_ = nullptr;
  std::string fault_;
  int fibre_ = -1;
  Async async_;
};

// ---------------------------------------------------------------- compiling

uint64_t hash(std::string_view s, uint64_t h) {
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h;
}

// How a kernel is called with an array of its slots.
std::string call_of(const std::string& name, size_t slots) {
  std::string s = "extern \"C\" void " + name + "_call(const tn_int* a) { " + name + "(";
  for (size_t i = 0; i < slots; ++i) s += (i ? ", a[" : "a[") + std::to_string(i) + "]";
  return s + "); }\n";
}

// The shared object of a text, from the cache where its text lies beside it.
class SimModule final : public Gpu::Module {
 public:
  explicit SimModule(const std::string& text) {
    char name[40];
    std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash(text, 0xcbf29ce484222325ull)),
                  static_cast<unsigned long long>(hash(text, 0x84222325cbf29ce4ull)));
    const std::optional<std::string> cache = io::cache_folder();
    fs::path folder = cache ? fs::path(*cache) / "cudasim" : fs::path();
    std::error_code error;
    if (cache) fs::create_directories(folder, error);
    if (!cache || error || access(folder.c_str(), W_OK) != 0) {  // a folder of one's own, then
      std::string own = (fs::temp_directory_path() / "tenon-XXXXXX").string();
      if (!mkdtemp(own.data())) fail(Code::E1002, {}, "the emulator found no folder to compile in", {}, {}, Fault::data);
      folder = temporary_ = own;
    }
    const fs::path object = folder / (std::string(name) + ".so"), source = folder / (std::string(name) + ".cu");
    std::ifstream known(source, std::ios::binary);
    std::stringstream held;
    held << known.rdbuf();
    if (!fs::exists(object) || held.str() != text) build(text, source, object);
    text_ = std::string(name).substr(0, 8);
    handle_ = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle_) bug(std::string("cudasim: ") + dlerror());
    registers_ = static_cast<Registers*>(dlsym(handle_, "tn_sim"));
    require(registers_ != nullptr, "cudasim: a module without registers");
    if (auto* touch = static_cast<SimCount::Touch*>(dlsym(handle_, "tn_touch"))) *touch = Block::touched;
    if (void* table = dlsym(handle_, "tn_async")) *static_cast<AsyncTable*>(table) = Block::async_table();
  }
  ~SimModule() override {
    cudasim().retire();
    dlclose(handle_);
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  }

  void* kernel(const std::string& name) override {
    auto [it, fresh] = kernels_.try_emplace(name);
    if (fresh) {
      it->second = {name, reinterpret_cast<Entry>(dlsym(handle_, (name + "_call").c_str())), registers_, text_};
      require(it->second.entry != nullptr, "cudasim: no kernel " + name);
    }
    return &it->second;
  }

 private:
  static void build(const std::string& text, const fs::path& source, const fs::path& object) {
    const std::string stamp = "." + std::to_string(getpid());
    const std::string cu = source.string() + stamp, so = object.string() + stamp;
    {
      std::ofstream out(cu, std::ios::binary);
      out << text;
    }
    const char* const args[] = {"g++", "-x", "c++", "-std=c++17", "-DTN_SIM", "-O1", "-march=x86-64-v3",
                                "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-w", "-shared", "-fPIC",
                                "-o", so.c_str(), cu.c_str(), SimCount::wanted() ? SimCount::options() : nullptr, nullptr};
    pid_t child;
    int status = 0;
    if (posix_spawnp(&child, args[0], nullptr, nullptr, const_cast<char* const*>(args), environ) != 0)
      fail(Code::E1002, {}, "the emulator of a GPU needs g++, which was not found", "apt-get install g++", {}, Fault::data);
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) bug("cudasim: g++ refuses " + cu);
    // The object first: a text without one is compiled again, an object without its text too.
    fs::rename(so, object);
    fs::rename(cu, source);
  }

  void* handle_ = nullptr;
  Registers* registers_ = nullptr;
  std::string text_;
  std::map<std::string, Kernel> kernels_;
  fs::path temporary_;
};

// ---------------------------------------------------------------- the device

constexpr int kMostShared = 227 << 10;  // bytes of a block on sm_90
constexpr size_t kRedZone = 64;  // on both sides of an allocation

// For a real architecture too; what the kernels take of it is appended to $TENON_SIM_NVRTC_LOG, a line
// each: name, architecture, registers, bytes spilled.
void compile_for(const std::string& text, const std::string& arch) {
  std::string log, lines;
  compile_cubins(text, arch, &log);
  const char* path = std::getenv("TENON_SIM_NVRTC_LOG");
  if (!path || !*path) return;
  for (const KernelUse& u : uses_of(log))
    lines += u.name + " " + arch + " " + std::to_string(u.registers) + " " + std::to_string(u.spilled) + "\n";
  std::ofstream(path, std::ios::app) << lines;
}

class Sim final : public Gpu {
 public:
  std::string_view name() const override { return "cudasim"; }
  bool host_memory() const override { return false; }  // treated like a GPU's: only copies touch it

  // TENON_SIM_MEMORY: so many MiB, for tests of what happens when they are not enough.
  std::byte* take_block(size_t bytes) override {
    const char* own = std::getenv("TENON_SIM_MEMORY");
    if (const size_t all = own ? std::strtoull(own, nullptr, 10) << 20 : 0; all > 0 && use_.now + bytes > all)
      throw no_memory(bytes, all - std::min(all, use_.now), all);
    std::byte* p = cpu().take(bytes + 2 * kRedZone);
    std::memset(p, 0xff, bytes + 2 * kRedZone);
    p += kRedZone;
    live_[reinterpret_cast<long long>(p)] = bytes;
    use_.now += bytes;
    use_.taken += bytes;
    use_.peak = std::max(use_.peak, use_.now);
    return p;
  }
  // What is queued may still use it.
  void give_block(std::byte* memory, size_t bytes) override {
    use_.now -= bytes;
    late_.emplace_back(memory, bytes);
    late_bytes_ += bytes;
    if (!queued()) release();
  }
  // To kernels a number is an allocation of its own. It is handed out again when nothing is queued that may
  // use it, poisoned.
  void number_taken(std::byte* p, size_t bytes) override {
    const auto at = reinterpret_cast<long long>(p);
    // The page itself is the host's to copy alone.
    auto it = live_.upper_bound(at);
    if (it != live_.begin() && is_page(reinterpret_cast<std::byte*>(std::prev(it)->first))) live_.erase(std::prev(it));
    live_[at] = bytes;
  }
  void number_given(std::byte* p) override {
    late_numbers_.push_back(p);
    if (!queued()) release();
  }
  MemoryUse use() override { return use_; }
  void reset_peak() override { use_.peak = use_.now; }

  bool owns(const void* address) const override {
    long long low, high;
    return find(reinterpret_cast<long long>(address), low, high);
  }
  int64_t multiprocessors() const override { return 2; }
  bool tensor_cores() const override { return true; }
  // TENON_SIM_ARCH=sm_80: what its kernels may ask of it; else it is an sm_90a.
  bool warpgroups() const override {
    const char* arch = std::getenv("TENON_SIM_ARCH");
    return !arch || !*arch || std::string_view(arch) == "sm_90a";
  }
  MapWords map_of(const TensorMap& m) override { return sim_map(m); }

  static void access(long long address, long long bytes);
  void lose(Lost which) { lost_ = which; }
  // Where a kernel's memory begins and ends.
  bool find(long long at, long long& low, long long& high) const {
    auto it = live_.upper_bound(at);
    if (it == live_.begin()) return false;
    --it;
    low = it->first;
    high = low + static_cast<long long>(it->second);
    return at < high;  // else low and high are those of the one before
  }

  std::unique_ptr<Module> compile(const std::string& text, const Kernels& kernels) override {
    // TENON_SIM_NVRTC=sm_90a: the real compiler must take the text, too.
    if (const char* arch = std::getenv("TENON_SIM_NVRTC"); arch && *arch) compile_for(text, arch);
    std::string all = std::string(kernels::cuda_prelude()) + text;
    for (const auto& [name, slots] : kernels) all += call_of(name, slots);
    if (SimCount::wanted()) all += SimCount::text();
    return std::make_unique<SimModule>(all);
  }

 protected:
  // A device works while the host goes on: what it is asked for is done as late as somebody waits for it (forward),
  // at once (reverse), or some of it early (shuffled). So whoever does not wait sees what was there before.
  void later(std::function<void()> work) {
    ++asked_;
    pending_.push_back(std::move(work));
    const Block::Order order = Block::order();
    if (order == Block::Order::reverse || pending_.size() > kMostPending) drain(asked_);
    if (order == Block::Order::shuffled && random_() % 2) drain(done_ + random_() % (asked_ - done_ + 1));
  }
  void drain(size_t until) {
    while (done_ < until) {
      const std::function<void()> work = std::move(pending_.front());
      pending_.pop_front();
      ++done_;
      try {
        work();
      } catch (...) {  // what fails must not be tried again, nor what was to follow it
        pending_.clear();
        done_ = asked_;
        throw;
      }
    }
  }

  void run(const Launch& l) override {
    later([this, l] { carry_out(l); });
  }
  void carry_out(const Launch& l) {
    const Kernel& k = *static_cast<Kernel*>(l.kernel);
    const int64_t blocks = l.blocks;
    const int threads = l.threads;
    if (blocks < 1 || blocks > 0x7fffffff || threads < 1 || threads > 1024)
      throw SimFault("kernel " + k.name + " is launched over " + std::to_string(blocks) + " blocks of " +
                     std::to_string(threads) + " threads");
    if (l.extra.shared > kMostShared)
      throw SimFault("kernel " + k.name + " is launched with " + std::to_string(l.extra.shared) + " bytes of shared memory");
    const std::vector<long long> slots(l.args.begin(), l.args.end());
    Registers& r = *k.registers;
    r = {0, threads, 0, blocks, {}, {}, access, Block::barrier, Block::exchange, Block::shared,
         Block::gather, Block::copy_async, Block::copies_sent, Block::copies_but};
    SimCount* const count = SimCount::wanted();
    for (r.block = 0; r.block < blocks; ++r.block) {
      if (count && r.block > 0) count->end_block(k.name + "@" + k.text);
      if (l.together) {
        block_.run(k, threads, static_cast<size_t>(l.extra.shared), slots.data());
        continue;
      }
      block_.start_block();
      for (int t = 0; t < threads; ++t) block_.alone(k, t, slots.data());
    }
    if (count) count->end_block(k.name + "@" + k.text);
  }

  // A graph is a list of launches: what replaying one needs is tested wherever programs run.
  class Recorded final : public Graph {
   public:
    Recorded(Sim& sim, std::span<const Launch> launches) : sim_(sim), launches_(launches.begin(), launches.end()) {}
    void set(size_t i, const Launch& l) override { launches_[i].args = l.args; }
    void run() override {
      for (const Launch& l : launches_) sim_.run(l);
    }

   private:
    Sim& sim_;
    std::vector<Launch> launches_;
  };
  std::unique_ptr<Graph> record(std::span<const Launch> launches) override {
    return std::make_unique<Recorded>(*this, launches);
  }
  void move_in(std::byte* to, const std::byte* staged, size_t bytes) override {
    later([=, this] {
      check(to, bytes);
      std::memcpy(to, staged, bytes);
    });
  }
  void move_on(std::byte* to, const std::byte* from, size_t bytes) override {
    later([=, this] {
      check(to, bytes);
      check(from, bytes);
      std::memmove(to, from, bytes);
    });
  }
  void read(void* to, const std::byte* from, size_t bytes) override {
    later([=, this] {
      check(from, bytes);
      std::memcpy(to, from, bytes);
    });
    if (lost_ != Lost::result) finish();
  }
  void finish() override {
    drain(asked_);
    release();
  }
  std::byte* staging(size_t bytes) override { return static_cast<std::byte*>(std::malloc(bytes)); }
  void mark(int half) override { marks_[half] = asked_; }
  void reached(int half) override {
    if (lost_ != Lost::staging) drain(marks_[half]);
  }
  void flushed() override {
    if (late_bytes_ > kMostLate) drain(asked_);
    release();
  }
  // What was given back goes when nobody is left who may use it.
  void release() {
    if (!pending_.empty()) return;
    late_bytes_ = 0;
    for (auto [memory, bytes] : late_) {
      live_.erase(reinterpret_cast<long long>(memory));
      cpu().give(memory - kRedZone, bytes + 2 * kRedZone);
    }
    late_.clear();
    for (std::byte* p : late_numbers_) {
      live_.erase(reinterpret_cast<long long>(p));
      std::memset(p, 0xff, kNumber);
      number_free(p);
    }
    late_numbers_.clear();
  }

 private:
  void check(const std::byte* at, size_t bytes) const {
    long long low, high;
    if (is_page(at)) return;
    if (bytes > 0 && (!find(reinterpret_cast<long long>(at), low, high) ||
                      reinterpret_cast<long long>(at) + static_cast<long long>(bytes) > high))
      throw SimFault("a copy of " + std::to_string(bytes) + " bytes leaves the device's memory");
  }
  static constexpr size_t kMostPending = 4096, kMostLate = size_t{128} << 20;
  size_t late_bytes_ = 0;
  std::deque<std::function<void()>> pending_;
  size_t asked_ = 0, done_ = 0, marks_[2] = {0, 0};  // so many pieces of work; when each half of the staging memory is free
  std::mt19937 random_{20261124};
  Lost lost_ = Lost::none;
  std::map<long long, size_t> live_;
  std::vector<std::pair<std::byte*, size_t>> late_;  // given back while work was queued
  std::vector<std::byte*> late_numbers_;
  MemoryUse use_;
  Block block_;
};

Sim& the_sim() {
  static Sim* sim = new Sim;  // buffers may outlive every static object
  return *sim;
}

void Sim::access(long long at, long long bytes) {
  long long low = 0, high = 0;
  if (the_sim().find(at, low, high) && at + bytes <= high && at % bytes == 0) {
    Registers& r = *Block::current().registers();
    static unsigned next = 0;
    r.low[next % 4] = low;
    r.high[next++ % 4] = high;
    return;
  }
  const std::string what = " an access of " + std::to_string(bytes) + " bytes";
  if (!the_sim().find(at, low, high) && (at < low || at >= high + static_cast<long long>(kRedZone)))
    throw SimFault(Block::current().where() + ":" + what + " outside all allocations");
  if (at + bytes > high)
    throw SimFault(Block::current().where() + ":" + what + " at byte " + std::to_string(at - low) + " of an allocation of " +
                   std::to_string(high - low));
  throw SimFault(Block::current().where() + ":" + what + " that is not aligned");
}

Block::Block() : async_([this] { return where(); }, Sim::access) { current_ = this; }

void Block::touched(const void* site, long long at, long long bytes) {
  Block& b = *current_;
  bool shared = false;
  for (const auto& [key, memory] : b.shared_) {
    const auto begin = reinterpret_cast<long long>(memory.data());
    shared |= at >= begin && at < begin + static_cast<long long>(memory.size() * 8);
  }
  long long low, high;
  if (!shared && !the_sim().find(at, low, high)) return;  // a thread's own
  SimCount::wanted()->touched(b.kernel_->registers->thread, site, at, bytes, shared ? SimCount::Where::shared : SimCount::Where::memory);
}

void Block::copy_async(void* to, long long from, int bytes) {
  Block& b = *current_;
  if (from != 0) Sim::access(from, bytes);
  bool shared = false;
  for (const auto& [key, memory] : b.shared_) {
    const auto at = static_cast<const char*>(to) - reinterpret_cast<const char*>(memory.data());
    shared |= at >= 0 && at % bytes == 0 && at + bytes <= static_cast<long long>((memory.size() - kShared) * 8);
  }
  if (!shared) throw SimFault(b.where() + ": an asynchronous copy to where no shared memory is, or not aligned");
  Fibre& f = b.fibres_[static_cast<size_t>(b.fibre_)];
  f.copies.push_back({to, reinterpret_cast<const void*>(from), static_cast<size_t>(bytes), f.sent});
  // It may arrive at once, or as late as somebody waits for it.
  if (b.order_ == Order::reverse || (b.order_ == Order::shuffled && b.random_() % 2)) arrived(f.copies.back()), f.copies.pop_back();
}

}  // namespace

Gpu& cudasim() { return the_sim(); }
void lose_waits(Lost which) { the_sim().lose(which); }

}  // namespace tenon::cuda
