// The runtime calls of compiled code, and the border between tensors and slots.
#include "jit/loop/runtime.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <ucontext.h>

#include "kernels/cpu/kernels.h"
#include "runtime/show.h"
#include "runtime/trap.h"

namespace tenon::loop {

struct TapeBlock::Chunk {
  Chunk* below;
  int64_t capacity;
  int64_t slots[1];
};

namespace {

constexpr int64_t kFirstChunk = 512, kLargestChunk = 512 * 1024;

TapeBlock::Chunk* new_chunk(TapeBlock::Chunk* below, int64_t capacity) {
  auto* c = static_cast<TapeBlock::Chunk*>(
      std::malloc(sizeof(TapeBlock::Chunk) + static_cast<size_t>(capacity) * sizeof(int64_t)));
  if (!c) throw Trap(Code::E0805, "out of memory for what the derivative has to remember");
  c->below = below;
  c->capacity = capacity;
  return c;
}

void free_tape(TapeBlock* t) {
  for (auto* c = t->chunk; c;) {
    auto* below = c->below;
    std::free(c);
    c = below;
  }
  std::free(t->spare);
  delete t;
}

}  // namespace

Context::Context(const Program& p, const Tables& t, RunContext& r)
    : depth_limit(r.depth_limit),
      interrupted(&r.interrupted),
      literals(t.literal_data.data()),
      program(p),
      tables(t),
      run(r) {}

Context::~Context() {
  while (live) {
    MemoryBlock* next = live->next;
    delete live;
    live = next;
  }
  while (tapes) {
    TapeBlock* next = tapes->next;
    free_tape(tapes);
    tapes = next;
  }
  while (spare) {
    MemoryBlock* next = spare->next;
    delete spare;
    spare = next;
  }
}

MemoryBlock* Context::adopt(boost::intrusive_ptr<Buffer> buffer, const void* data) {
  MemoryBlock* b = spare;
  if (b)
    spare = b->next;
  else
    b = new MemoryBlock;
  b->count = 1;
  b->data = static_cast<std::byte*>(const_cast<void*>(data));
  b->buffer = std::move(buffer);
  b->previous = nullptr;
  b->next = live;
  if (live) live->previous = b;
  live = b;
  return b;
}

MemoryBlock* Context::allocate(int64_t bytes) {
  // Predicated loads may touch the first element of an empty tensor.
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 64));
  Device& device = offload ? offload->device() : cpu();
  auto buffer = Buffer::allocate(size, device);
  void* data = buffer->on(device);
  return adopt(std::move(buffer), data);
}

void Context::shadow(const std::byte* frame, size_t bytes) {
  auto made = std::make_unique<Shadow>(frame, std::max<size_t>(bytes, kHeader));
  std::erase_if(shadows, [&](const auto& s) { return s->holds(made->frame()) || made->holds(s->frame()); });
  shadows.push_back(std::move(made));
}

char* Context::header(int64_t address) const {
  if (!offload) return reinterpret_cast<char*>(address);
  for (const auto& s : shadows)
    if (s->holds(address)) return reinterpret_cast<char*>(address + s->shift());
  bug("a frame without headers");
}

void Context::release(MemoryBlock* b) {
  if (--b->count > 0 || !b->buffer) return;
  b->buffer.reset();
  (b->previous ? b->previous->next : live) = b->next;
  if (b->next) b->next->previous = b->previous;
  b->next = spare;
  spare = b;
}

// ---------------------------------------------------------------- errors

namespace {

// Threads that run out of memory side by side all say so.
void set_error(Context& c, Code code, Loc where, std::string message, std::string hint,
               Fault fault) {
  if (c.offload) c.offload->settle(c);
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (c.error) return;  // what was first is what is told
  c.error = Diagnostic{code, where, std::move(message), {}, std::move(hint), fault, false, {}};
}

// Runs what may throw Trap; the trap gets the place of the node.
template <class F>
int64_t guarded(Context& c, Loc where, F&& f) {
  try {
    f();
    return 0;
  } catch (Trap& t) {
    set_error(c, t.code, where, std::move(t.message), std::move(t.hint), t.fault);
  } catch (UserError& e) {
    if (!e.diagnostic.where.known()) e.diagnostic.where = where;
    if (c.offload) c.offload->settle(c);
    if (!c.error) c.error = std::move(e.diagnostic);
  } catch (const std::bad_alloc&) {
    set_error(c, Code::E0805, where, "there is not enough memory for this step",
              "smaller sizes or batches need less", Fault::data);
  }
  return 1;
}

MemoryBlock* block(int64_t slot) { return reinterpret_cast<MemoryBlock*>(slot); }
TapeBlock* tape(int64_t slot) { return reinterpret_cast<TapeBlock*>(slot); }
int64_t slot(const void* p) { return reinterpret_cast<int64_t>(p); }

// ---------------------------------------------------------------- memory and tapes

Loc place(Context* c, int64_t i) { return c->tables.places[static_cast<size_t>(i)]; }

// The planned place of a fresh block, unless it is taken or too small.
MemoryBlock* planned(Context* c, int64_t memory, int64_t bytes) {
  if (memory == 0) return nullptr;
  char* at = c->header(memory & ~(kHeader - 1));
  for (int64_t n = memory & (kHeader - 1); n >= 0; --n, at += kHeader) {
    auto* b = reinterpret_cast<MemoryBlock*>(at);
    if (b->count != 0 || bytes > b->capacity) continue;
    b->count = 1;
    return b;
  }
  return nullptr;
}

MemoryBlock* fresh(Context* c, int64_t bytes, int64_t memory) {
  if (MemoryBlock* b = planned(c, memory, bytes)) return b;
  return c->allocate(bytes);
}

int64_t rt_allocate(Context* c, const int64_t* args, int64_t* outs) {
  return guarded(*c, place(c, args[1]), [&] { outs[0] = slot(fresh(c, args[0], args[2])); });
}

int64_t rt_release(Context* c, const int64_t* args, int64_t*) {
  c->release(block(args[0]));
  return 0;
}

int64_t rt_enter(Context* c, const int64_t* args, int64_t*) {
  char* const frame = c->header(args[0]);
  const auto* layout = reinterpret_cast<const int64_t*>(args[1]);
  for (int64_t i = 0; i < layout[0]; ++i) {
    auto* b = new (frame + i * kHeader) MemoryBlock;
    b->data = reinterpret_cast<std::byte*>(args[0]) + layout[1 + 2 * i];
    b->capacity = layout[2 + 2 * i];
  }
  return 0;
}

int64_t rt_frame(Context* c, const int64_t* args, int64_t* outs) {
  return guarded(*c, place(c, args[1]), [&] {
    const auto function = static_cast<uint32_t>(args[0]);
    Layouts& layouts = *c->tables.layouts;
    auto layout = layouts.get(function, {args + 2, layouts.plan(function).sizes.size()});
    MemoryBlock* frame = c->allocate(layout->bytes);
    if (c->offload) c->shadow(frame->data, static_cast<size_t>(layout->bytes));
    outs[0] = slot(frame);
    outs[1] = slot(layout->words.data());
    c->layouts.insert(std::move(layout));
  });
}

bool sole(MemoryBlock* b) { return b->count == 1 && (!b->buffer || b->buffer->sole()); }

int64_t rt_unique(Context* c, const int64_t* args, int64_t* outs) {
  MemoryBlock* b = block(args[0]);
  if (sole(b)) {
    outs[0] = args[0];
    return 0;
  }
  return guarded(*c, place(c, args[2]), [&] {
    MemoryBlock* copy = fresh(c, args[1], args[3]);
    if (c->offload)
      c->offload->copy(copy->data, b->data, static_cast<size_t>(args[1]));
    else
      std::memcpy(copy->data, b->data, static_cast<size_t>(args[1]));
    c->release(b);
    outs[0] = slot(copy);
  });
}

int64_t rt_reuse(Context* c, const int64_t* args, int64_t* outs) {
  MemoryBlock* b = block(args[0]);
  if (sole(b)) {
    ++b->count;
    outs[0] = args[0];
    return 0;
  }
  return guarded(*c, place(c, args[2]), [&] { outs[0] = slot(fresh(c, args[1], args[3])); });
}

int64_t rt_grow(Context* c, const int64_t* args, int64_t* outs) {
  MemoryBlock* b = block(args[0]);
  const bool mine = sole(b);
  if (mine) {
    int64_t room = b->capacity;
    if (b->buffer) {
      Device& device = c->offload ? c->offload->device() : cpu();
      room = static_cast<int64_t>(b->buffer->size()) - (b->data - b->buffer->on(device));
    }
    if (args[2] <= room) {
      outs[0] = args[0];
      return 0;
    }
  }
  return guarded(*c, place(c, args[3]), [&] {
    MemoryBlock* larger = nullptr;
    if (mine && b->buffer) {
      auto buffer = b->buffer->grown(static_cast<size_t>(args[2]));
      void* data = buffer->on(c->offload ? c->offload->device() : cpu());
      larger = c->adopt(std::move(buffer), data);
    } else {
      larger = fresh(c, args[2], args[4]);
    }
    const auto bytes = static_cast<size_t>(args[1]);
    if (c->offload)
      c->offload->copy(larger->data, b->data, bytes);
    else
      std::memcpy(larger->data, b->data, bytes);
    c->release(b);
    outs[0] = slot(larger);
  });
}

int64_t rt_tape_new(Context* c, const int64_t*, int64_t* outs) {
  auto* t = new TapeBlock;
  t->next = c->tapes;
  if (c->tapes) c->tapes->previous = t;
  c->tapes = t;
  outs[0] = slot(t);
  return 0;
}

int64_t rt_tape_grow(Context* c, const int64_t* args, int64_t*) {
  TapeBlock* t = tape(args[0]);
  return guarded(*c, {}, [&] {
    TapeBlock::Chunk* fresh = t->spare;
    t->spare = nullptr;
    if (!fresh)
      fresh = new_chunk(nullptr,
                        t->chunk ? std::min(t->chunk->capacity * 2, kLargestChunk) : kFirstChunk);
    fresh->below = t->chunk;
    t->chunk = fresh;
    t->top = t->begin = fresh->slots;
    t->end = fresh->slots + fresh->capacity;
  });
}

int64_t rt_tape_shrink(Context*, const int64_t* args, int64_t*) {
  TapeBlock* t = tape(args[0]);
  require(t->chunk && t->chunk->below, "pop from an empty tape");
  std::free(t->spare);
  t->spare = t->chunk;
  t->chunk = t->chunk->below;
  t->begin = t->chunk->slots;
  t->top = t->end = t->chunk->slots + t->chunk->capacity;
  return 0;
}

int64_t rt_tape_end(Context* c, const int64_t* args, int64_t*) {
  TapeBlock* t = tape(args[0]);
  require(t->top == t->begin && (!t->chunk || !t->chunk->below), "a tape ends with entries on it");
  (t->previous ? t->previous->next : c->tapes) = t->next;
  if (t->next) t->next->previous = t->previous;
  free_tape(t);
  return 0;
}

// ---------------------------------------------------------------- structural nodes

// Reads views off the slots of a call.
struct Cursor {
  const NodeInfo& node;
  const int64_t* at;
  size_t which = 0;
  int64_t strides[8][kMaxRank];  // of outputs, which are row-major
  size_t outputs = 0;

  kernels::View in() {
    int rank = node.ranks[which];
    kernels::View v(reinterpret_cast<void*>(at[0]), at + 1, at + 1 + rank, rank,
                    node.dtypes[which]);
    at += 1 + 2 * rank;
    ++which;
    return v;
  }
  kernels::View out() {
    int rank = node.ranks[which];
    int64_t* st = strides[outputs++];
    int64_t n = 1;
    for (int i = rank - 1; i >= 0; --i) {
      st[i] = n;
      n *= at[1 + i];
    }
    kernels::View v(reinterpret_cast<void*>(at[0]), at + 1, st, rank, node.dtypes[which]);
    at += 1 + rank;
    ++which;
    return v;
  }
  std::span<const int64_t> numbers(size_t n) {
    std::span<const int64_t> s(at, n);
    at += n;
    return s;
  }
};

// The time that a node takes, told to whoever asked.
class Profiled {
 public:
  Profiled(Profiler* profiler, const NodeInfo& node) : profiler_(profiler), node_(node) {
    if (profiler_) begin_ = Profiler::Clock::now();
  }
  ~Profiled() {
    if (profiler_)
      profiler_->record(node_.op == ir::Op::contract ? "product" : ir::name(node_.op), node_.where,
                        begin_, flops_);
  }
  void product(std::span<const int64_t> range) const {
    if (!profiler_) return;
    flops_ = 2;
    for (int64_t n : range) flops_ *= static_cast<double>(n);
  }

 private:
  Profiler* profiler_;
  const NodeInfo& node_;
  Profiler::Clock::time_point begin_;
  mutable double flops_ = 0;
};

int64_t rt_eager(Context* c, const int64_t* args, int64_t*) {
  const NodeInfo& node = c->tables.nodes[static_cast<size_t>(args[0])];
  Threads& threads = c->run.threads;
  const Profiled profiled(c->run.profiler, node);
  return guarded(*c, node.where, [&] {
    if (c->offload) return c->offload->node(node, args + 1);
    Cursor k{node, args + 1, 0, {}, 0};
    switch (node.op) {
      case ir::Op::reduce: {
        auto x = k.in(), out = k.out();
        kernels::reduce(node.reduce, x, node.axes, out, threads);
        return;
      }
      case ir::Op::arg_reduce: {
        auto x = k.in(), out = k.out();
        kernels::arg_reduce(node.reduce, x, node.axes[0], out, threads);
        return;
      }
      case ir::Op::scan: {
        auto x = k.in(), out = k.out();
        kernels::scan(node.reduce, x, node.axes[0], node.reverse, out, threads);
        return;
      }
      case ir::Op::contract: {
        auto a = k.in(), b = k.in(), out = k.out();
        auto range = k.numbers(node.spec->range.size());
        profiled.product(range);
        std::span<const int64_t> offset_a, offset_b;
        if (node.offsets) {
          offset_a = k.numbers(node.spec->a.size());
          offset_b = k.numbers(node.spec->b.size());
        }
        kernels::Kept kept;
        if (node.weight[0]) kept.a = block(k.numbers(1)[0])->buffer.get();
        if (node.weight[1]) kept.b = block(k.numbers(1)[0])->buffer.get();
        if (node.framed >= 0) {
          const auto rank = static_cast<size_t>(node.ranks[static_cast<size_t>(node.framed)]);
          const auto shape = k.numbers(rank), starts = k.numbers(rank);
          const kernels::Frame frame{node.framed, shape, starts, node.strides};
          kernels::contract(*node.spec, range, offset_a, offset_b, a, b, out, threads, kept, &frame);
          return;
        }
        kernels::contract(*node.spec, range, offset_a, offset_b, a, b, out, threads, kept);
        return;
      }
      case ir::Op::concat: {
        std::vector<kernels::View> parts;
        for (size_t i = 0; i + 1 < node.dtypes.size(); ++i) parts.push_back(k.in());
        kernels::concat(parts, node.axes[0], k.out(), threads);
        return;
      }
      case ir::Op::sort: {
        auto x = k.in(), values = k.out(), permutation = k.out();
        kernels::sort(x, node.axes[0], values, permutation, threads);
        return;
      }
      case ir::Op::update: {
        auto x = k.out(), v = k.in();
        kernels::update(x, v, k.numbers(static_cast<size_t>(x.rank)), node.strides, threads);
        return;
      }
      case ir::Op::slice: {
        auto n = static_cast<size_t>(node.ranks[0]);
        auto shape = k.numbers(n), starts = k.numbers(n), extents = k.numbers(n);
        kernels::check_slice(shape, starts, extents, node.strides);
        return;
      }
      case ir::Op::reshape: {  // a copy
        auto x = k.in(), out = k.out();
        kernels::copy(x, out, threads);
        return;
      }
      case ir::Op::broadcast: {  // a fill with a scalar
        auto out = k.out();
        kernels::fill(out, k.at, threads);
        return;
      }
      case ir::Op::iota:
        kernels::iota(node.axes[0], k.out(), threads);
        return;
        TENON_NO_NODE_KERNEL
        break;
    }
    bug("no ahead-of-time kernel for this node");
  });
}

int64_t rt_tile(Context* c, const int64_t* args, int64_t*) {
  const NodeInfo& node = c->tables.nodes[static_cast<size_t>(args[0])];
  return guarded(*c, node.where, [&] {
    Cursor k{node, args + 1, 0, {}, 0};
    const auto a = k.in(), b = k.in(), out = k.in();
    const auto range = k.numbers(node.spec->range.size());
    if (k.at[0] < 0) return kernels::contract(*node.spec, range, {}, {}, a, b, out, c->run.threads);
    kernels::contract_stretch(*node.spec, range, a, b, out,
                              {k.at[0], k.at[1], reinterpret_cast<void*>(k.at[2])}, c->run.threads);
  });
}

int64_t rt_scratch(Context* c, const int64_t* args, int64_t* outs) {
  static thread_local std::unique_ptr<char[]> memory;
  static thread_local int64_t size = 0;
  return guarded(*c, place(c, args[1]), [&] {
    if (size < args[0] + 64) {
      memory.reset();
      size = 0;
      memory.reset(new char[static_cast<size_t>(args[0]) + 64]);
      size = args[0] + 64;
    }
    outs[0] = (slot(memory.get()) + 63) & ~int64_t{63};
  });
}

int64_t rt_fold_run(Context* c, const int64_t* args, int64_t* outs) {
  const auto dtype = static_cast<DType>(args[1]);
  const int64_t stride = 1;
  const int axis = 0;
  outs[0] = 0;
  kernels::reduce(static_cast<ir::ReduceKind>(args[0]),
                  kernels::View(reinterpret_cast<void*>(args[2]), args + 3, &stride, 1, dtype),
                  {&axis, 1}, kernels::View(outs, nullptr, nullptr, 0, dtype), c->run.threads);
  return 0;
}

// ---------------------------------------------------------------- traps, checks, debug

int64_t rt_trap(Context* c, const int64_t* args, int64_t*) {
  const TrapSite& site = c->program.traps[static_cast<size_t>(args[0])];
  std::vector<Tensor> values;
  for (size_t at = site.text.find("{}"); at != std::string::npos; at = site.text.find("{}", at + 2))
    values.push_back(Tensor::scalar<int64_t>(DType::i64, *++args));
  set_error(*c, site.code, site.where, fill_holes(site.text, values), site.hint, site.fault);
  return 1;
}

Tensor tensor_of(Context* c, kernels::View v) {
  Extents shape(std::span<const int64_t>(v.shape, static_cast<size_t>(v.rank)));
  Tensor t(v.dtype, shape);
  if (t.count() == 0) return t;
  std::vector<std::byte> fetched;
  if (c->offload && c->offload->owns(v.data)) {  // all from its lowest element to its highest
    int64_t low = 0, high = 0;
    for (int i = 0; i < v.rank; ++i) {
      const int64_t reach = (v.shape[i] - 1) * v.strides[i];
      (reach < 0 ? low : high) += reach;
    }
    const auto size = static_cast<int64_t>(size_of(v.dtype));
    fetched.resize(static_cast<size_t>((high - low + 1) * size));
    c->offload->device().copy_out(
        fetched.data(), static_cast<const std::byte*>(v.data) + low * size, fetched.size());
    v.data = fetched.data() - low * size;
  }
  kernels::View out(t);
  Threads one(1);
  kernels::copy(v, out, one);
  return t;
}

std::vector<Tensor> shown(Context* c, const NodeInfo& node, const int64_t* args) {
  std::vector<Tensor> list;
  Cursor k{node, args + 1, 0, {}, 0};
  for (size_t i = 0; i < node.dtypes.size(); ++i) list.push_back(tensor_of(c, k.in()));
  return list;
}

int64_t rt_check(Context* c, const int64_t* args, int64_t*) {
  const NodeInfo& node = c->tables.nodes[static_cast<size_t>(args[0])];
  const TrapSite& site = c->program.traps[node.trap];
  set_error(*c, site.code, site.where, fill_holes(site.text, shown(c, node, args)), site.hint,
            site.fault);
  return 1;
}

int64_t rt_called_from(Context* c, const int64_t* args, int64_t*) {
  if (!c->blamed) c->error->calls.push_back(place(c, args[0]));
  return 1;
}

int64_t rt_debug(Context* c, const int64_t* args, int64_t*) {
  const NodeInfo& node = c->tables.nodes[static_cast<size_t>(args[0])];
  if (c->offload && c->offload->settle(*c) != 0) return 1;
  return guarded(*c, node.where, [&] { c->run.host.debug(node.text, shown(c, node, args)); });
}

}  // namespace

RuntimeFn runtime_function(Runtime r) {
  static constexpr RuntimeFn table[] = {
#define X(n) rt_##n,
      TENON_RUNTIME_CALLS(X)
#undef X
  };
  return table[static_cast<int>(r)];
}

std::string_view name(Runtime r) {
  static constexpr std::string_view table[] = {
#define X(n) #n,
      TENON_RUNTIME_CALLS(X)
#undef X
  };
  return table[static_cast<int>(r)];
}

// ---------------------------------------------------------------- the border

namespace {

int64_t scalar_slot(const Tensor& t) {
  switch (t.dtype) {
    case DType::f16:
    case DType::bf16:
    case DType::f32:
      return static_cast<int64_t>(std::bit_cast<uint32_t>(static_cast<float>(t.as_double())));
    case DType::f64:
      return std::bit_cast<int64_t>(*t.data<double>());
    case DType::i64:
      return t.as_int();
    case DType::boolean:
    case DType::i8:
    case DType::u8:
    case DType::i32:
      return static_cast<int64_t>(static_cast<uint32_t>(t.as_int()));
  }
  bug("no such dtype");
}

// Recursion to the allowed depth needs more stack than a thread has. The pages are only reserved,
// and given back after each run.
class LargeStack {
 public:
  LargeStack() {
    for (size_ = size_t{16} << 30; size_ >= (size_t{64} << 20); size_ /= 4) {
      base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
      if (base_ != MAP_FAILED) break;
    }
    if (base_ == MAP_FAILED) throw Trap(Code::E0805, "there is not enough memory for recursion");
    mprotect(base_, 4096, PROT_NONE);
  }
  ~LargeStack() { munmap(base_, size_); }
  void* base() const { return base_; }
  size_t size() const { return size_; }
  void give_back() {
    constexpr size_t kKept = size_t{1} << 20;
    madvise(static_cast<char*>(base_) + 4096, size_ - kKept - 4096, MADV_DONTNEED);
  }
  bool busy = false;

 private:
  void* base_ = MAP_FAILED;
  size_t size_ = 0;
};

struct Crossing {
  RuntimeFn entry;
  Context* context;
  const int64_t* in;
  int64_t* out;
  int64_t status;
  ucontext_t here, there;
};
thread_local Crossing* crossing = nullptr;

void cross() {
  Crossing* c = crossing;
  c->status = c->entry(c->context, c->in, c->out);
}

int64_t on_large_stack(RuntimeFn entry, Context* context, const int64_t* in, int64_t* out) {
  thread_local LargeStack stack;
  // A run inside a run (by the host) is already on it.
  if (stack.busy) return entry(context, in, out);
  stack.busy = true;
  Crossing c{entry, context, in, out, 1, {}, {}};
  getcontext(&c.there);
  c.there.uc_stack.ss_sp = stack.base();
  c.there.uc_stack.ss_size = stack.size();
  c.there.uc_link = &c.here;
  Crossing* before = crossing;
  crossing = &c;
  makecontext(&c.there, cross, 0);
  swapcontext(&c.here, &c.there);
  crossing = before;
  stack.give_back();
  stack.busy = false;
  return c.status;
}

uint16_t half_bits(float f) { return std::bit_cast<uint16_t>(static_cast<_Float16>(f)); }

Tensor scalar_tensor(DType t, int64_t s) {
  Tensor r(t, {});
  auto f = std::bit_cast<float>(static_cast<uint32_t>(s));
  switch (t) {
    case DType::boolean:
      *r.data<uint8_t>() = static_cast<uint8_t>(s & 1);
      break;
    case DType::i8:
    case DType::u8:
      *r.data<uint8_t>() = static_cast<uint8_t>(s);
      break;
    case DType::i32:
      *r.data<int32_t>() = static_cast<int32_t>(s);
      break;
    case DType::i64:
      *r.data<int64_t>() = s;
      break;
    case DType::f16:
      *r.data<uint16_t>() = half_bits(f);
      break;
    case DType::bf16:
      *r.data<uint16_t>() = static_cast<uint16_t>(static_cast<uint32_t>(s) >> 16);
      break;
    case DType::f32:
      *r.data<float>() = f;
      break;
    case DType::f64:
      *r.data<double>() = std::bit_cast<double>(s);
      break;
  }
  return r;
}

}  // namespace

std::vector<Tensor> run(RuntimeFn entry, const Signature& sig, const Dims& dims, Context& context,
                        std::span<const int64_t> sizes, std::vector<Tensor> args,
                        const Arena* arena) {
  std::optional<Arena> own;
  Layouts* layouts = context.tables.layouts.get();
  const bool framed = layouts && layouts->plan(0).framed;
  if (framed && !arena) {
    own = take_arena(*layouts, sizes, context.offload ? context.offload->device() : cpu());
    require(own.has_value(), "an arena was refused");
    arena = &*own;
  }
  require(sizes.size() == sig.sizes.size() && args.size() == sig.params.size(),
          "compiled function called with other arguments");
  Device& device = context.offload ? context.offload->device() : cpu();
  std::vector<int64_t> in(sizes.begin(), sizes.end());
  for (size_t i = 0; i < args.size(); ++i) {
    Tensor& t = args[i];
    if (sig.params[i].scalar()) {
      in.push_back(scalar_slot(t));
      continue;
    }
    if (!t.contiguous()) t = t.packed();
    if (t.count() == 0) t = Tensor(t.dtype, t.shape);  // the host's may have no memory at all
    // A view into a larger buffer may not be written in place: its block must own the memory alone.
    const int64_t offset = t.offset * static_cast<int64_t>(size_of(t.dtype));
    const void* data = t.buffer->on(device) + offset;
    in.push_back(slot(context.adopt(std::move(t.buffer), data)));
  }
  args.clear();
  if (framed) {
    const std::byte* frame = arena->buffer->on(device);
    if (context.offload) context.shadow(frame, arena->buffer->size());
    in.push_back(slot(frame));
    in.push_back(slot(arena->layout->words.data()));
  }
  std::vector<int64_t> out(sig.results.size() + sig.bound.size() + 1);
  int64_t status = sig.deep ? on_large_stack(entry, &context, in.data(), out.data())
                            : entry(&context, in.data(), out.data());
  if (status == 0 && context.offload) status = context.offload->settle(context);
  if (status != 0) {
    require(context.error.has_value(), "a run failed without an error");
    throw UserError(std::move(*context.error));
  }
  auto value_of = [&](SymId s) -> int64_t {
    for (size_t i = 0; i < sig.sizes.size(); ++i)
      if (sig.sizes[i] == s) return sizes[i];
    for (size_t i = 0; i < sig.bound.size(); ++i)
      if (sig.bound[i] == s) return out[sig.results.size() + i];
    bug("a result has a size that nobody knows");
  };
  std::vector<Tensor> results;
  for (size_t i = 0; i < sig.results.size(); ++i) {
    const ir::Type& t = sig.results[i];
    if (t.scalar()) {
      results.push_back(scalar_tensor(t.dtype, out[i]));
      continue;
    }
    MemoryBlock* b = block(out[i]);
    require(b->buffer != nullptr, "a result lies in the arena");
    Tensor r;
    r.dtype = t.dtype;
    for (DimId d : t.shape) r.shape.push_back(dims.evaluate(d, value_of));
    r.strides = row_major(r.shape);
    r.buffer = b->buffer;
    r.offset = (b->data - b->buffer->on(device)) / static_cast<int64_t>(size_of(t.dtype));
    context.release(b);
    results.push_back(std::move(r));
  }
  return results;
}

}  // namespace tenon::loop
