// The interpreter's door (interp.h), its loop, its frames, and where a Trap gets its place.
#include <algorithm>
#include <new>

#include "jit/interp/engine.h"
#include "jit/interp/handlers.h"
#include "jit/interp/prepare.h"

namespace tenon::interp {

// ---------------------------------------------------------------- frames

Frame* FrameStack::push(size_t slots) {
  const size_t bytes = sizeof(Frame) + slots * sizeof(Slot);
  while (current_ < chunks_.size() && chunks_[current_].used + bytes > chunks_[current_].size) {
    if (current_ + 1 < chunks_.size() && chunks_[current_ + 1].size < bytes)
      chunks_.resize(current_ + 1);
    ++current_;
  }
  if (current_ == chunks_.size()) {
    const size_t last = chunks_.empty() ? 32 * 1024 : chunks_.back().size;
    const size_t size = std::max(std::min<size_t>(2 * last, 16 << 20), bytes);
    chunks_.push_back({std::unique_ptr<std::byte[]>(new std::byte[size]), size, 0});
  }
  Chunk& c = chunks_[current_];
  auto* f = new (c.memory.get() + c.used) Frame;
  c.used += bytes;
  f->slots = slots;
  return f;
}

void FrameStack::pop(Frame* f) {
  Chunk& c = chunks_[current_];
  c.used -= sizeof(Frame) + f->slots * sizeof(Slot);
  if (c.used == 0 && current_ > 0) --current_;
}

// ---------------------------------------------------------------- sizes

int64_t eval_size_program(const Run& r, int64_t start) {
  int64_t stack[32];
  int n = 0;
  auto wrap = [](unsigned __int128 v) { return static_cast<int64_t>(static_cast<uint64_t>(v)); };
  for (const SizeOp* op = r.frame->code->size_code.data() + start;; ++op) {
    require(n < 30, "a size is nested too deeply");
    switch (op->kind) {
      case SizeOp::push:
        stack[n++] = op->value;
        break;
      case SizeOp::load:
        stack[n++] = r.s[op->value].i;
        break;
      case SizeOp::mul:
        --n;
        stack[n - 1] = wrap(static_cast<unsigned __int128>(static_cast<uint64_t>(stack[n - 1])) *
                            static_cast<uint64_t>(stack[n]));
        break;
      case SizeOp::add:
        --n;
        stack[n - 1] = static_cast<int64_t>(static_cast<uint64_t>(stack[n - 1]) +
                                            static_cast<uint64_t>(stack[n]));
        break;
      case SizeOp::floordiv: {
        --n;
        const int64_t a = stack[n - 1], b = stack[n];
        if (b <= 0) throw Trap(Code::E0803, "a size is divided by " + std::to_string(b));
        stack[n - 1] = a / b - (a % b < 0);
        break;
      }
      case SizeOp::min:
        --n;
        stack[n - 1] = std::min(stack[n - 1], stack[n]);
        break;
      case SizeOp::max:
        --n;
        stack[n - 1] = std::max(stack[n - 1], stack[n]);
        break;
      case SizeOp::end:
        return stack[0];
    }
  }
}

void negative_size(int64_t value) {
  throw Trap(Code::E0803, "a size comes to " + std::to_string(value) + ", which is negative");
}

Tensor scalar_tensor(Slot s, DType t) {
  Tensor r(t, {});
  std::memcpy(r.raw(), &s, size_of(t));
  return r;
}

// ---------------------------------------------------------------- the engine

const Prepared& Engine::code(ir::FnId fn) {
  if (fn >= codes_.size()) codes_.resize(module.functions.size());
  if (!codes_[fn]) {
    codes_[fn] = Preparer(module, module.fn(fn)).run();
    ++stats.functions_prepared;
  }
  return *codes_[fn];
}

namespace {

// The calls that lead to where a run ended, innermost first.
void add_calls(const Run& r, Diagnostic& d) {
  for (const Frame* f = r.frame; f && f->caller; f = f->caller) {
    const Prepared& code = *f->caller->code;
    d.calls.push_back(code.locs[f->call - code.instrs.data()]);
  }
}

// Frees what the frames of a run that was left early still hold.
void unwind(Run& r) {
  while (r.frame) {
    Frame* f = r.frame;
    for (size_t i = 0; i < f->slots; ++i) {
      Slot& s = f->first()[i];
      switch (f->code->kinds[i]) {
        case SlotKind::scalar:
          break;
        case SlotKind::tensor:
          if (s.t) r.boxes.give(s.t);
          break;
        case SlotKind::tape:
          delete s.tape;
          break;
      }
    }
    r.frame = f->caller;
    r.engine.frames.pop(f);
  }
}

}  // namespace

std::vector<Tensor> Engine::run(ir::FnId fn, std::span<const int64_t> sizes,
                                std::vector<Tensor> args, RunContext& context) {
  const ir::Function& function = module.fn(fn);
  require(sizes.size() == function.sizes.size(),
          "a function is run with the wrong number of sizes");
  require(args.size() == function.body.params.size(),
          "a function is run with the wrong number of arguments");
  if (override_fn) {
    std::vector<Tensor> results;
    if (override_fn(override_self, fn, sizes, args, results, context)) return results;
  }
  Run r(context, *this, boxes);
  const Instr* pc = nullptr;
  try {
    const Prepared& c = code(fn);
    r.frame = frames.push(c.kinds.size());
    r.frame->code = &c;
    r.frame->caller = nullptr;
    r.frame->call = nullptr;
    r.frame->counted = false;
    r.s = r.frame->first();
    std::copy(c.start.begin(), c.start.end(), r.s);
    for (size_t i = 0; i < sizes.size(); ++i) r.s[c.sizes[i]].i = sizes[i];
    for (size_t i = 0; i < args.size(); ++i) {
      const Use& u = c.params[i];
      require(u.kind != SlotKind::tape, "the entry of a run takes no tape");
      require(args[i].dtype == u.dtype, "an argument has the wrong dtype");
      if (u.kind == SlotKind::scalar)
        r.s[u.slot] = scalar_slot(args[i].raw(), u.dtype);
      else
        r.put(u.slot, std::move(args[i]));
    }
    args.clear();
    pc = c.instrs.data();
    uint64_t count = 0;
    if (watcher) {
      while (pc) {
        const Prepared& code = *r.frame->code;
        const size_t at = static_cast<size_t>(pc - code.instrs.data());
        watcher->before({*code.fn, code.nodes[at], code.locs[at], work_of(r, *pc, code.nodes[at])});
        pc = pc->run(r, pc);
        watcher->after();
      }
    }
    while (pc) {
      ++count;
      pc = pc->run(r, pc);
    }
    stats.nodes_run += count;
    return std::move(r.results);
  } catch (const Trap& t) {
    Loc where = r.place;
    if (!where.known() && pc && r.frame)
      where = r.frame->code->locs[pc - r.frame->code->instrs.data()];
    Diagnostic d{t.code, where, t.message, {}, t.hint, t.fault, false, {}};
    add_calls(r, d);
    unwind(r);
    module.places.spell_out(d);
    throw UserError(std::move(d));
  } catch (const std::bad_alloc&) {
    Loc where{};
    if (pc && r.frame) where = r.frame->code->locs[pc - r.frame->code->instrs.data()];
    Diagnostic d{Code::E0805, where, "there is not enough memory for this step", {},
                 "smaller sizes or batches need less", Fault::data, false, {}};
    add_calls(r, d);
    unwind(r);
    module.places.spell_out(d);
    throw UserError(std::move(d));
  } catch (UserError& e) {  // of a host function, or of compiled code that was called
    if (pc && r.frame)
      e.diagnostic.calls.push_back(r.frame->code->locs[pc - r.frame->code->instrs.data()]);
    add_calls(r, e.diagnostic);
    unwind(r);
    module.places.spell_out(e.diagnostic);
    throw;
  } catch (...) {
    unwind(r);
    throw;
  }
}

}  // namespace tenon::interp

namespace tenon {

struct Interpreter::Impl {
  interp::Engine engine;
};

Interpreter::Interpreter(ir::Module& module) : impl_(new Impl{interp::Engine(module)}) {}
Interpreter::~Interpreter() = default;

std::vector<Tensor> Interpreter::run(ir::FnId fn, std::span<const int64_t> sizes,
                                     std::vector<Tensor> args, RunContext& context) {
  return impl_->engine.run(fn, sizes, std::move(args), context);
}

void Interpreter::set_override(Override f, void* self) {
  impl_->engine.override_fn = f;
  impl_->engine.override_self = self;
}

void Interpreter::watch(StepWatcher* watcher) { impl_->engine.watcher = watcher; }

const Interpreter::Stats& Interpreter::stats() const { return impl_->engine.stats; }

}  // namespace tenon
