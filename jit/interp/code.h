// Prepared code: what the interpreter really runs. A function is flattened once into a straight
// list of instructions with jumps, over a frame of 8-byte slots: a scalar lies in its slot unboxed,
// a tensor or tape as a pointer that is null while the slot is free. Calls push frames on a stack
// of our own, so the depth of recursion never touches the C++ stack.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "jit/executable.h"
#include "jit/interp/interp.h"
#include "runtime/tape.h"
#include "runtime/trap.h"

namespace tenon::interp {

// A scalar stands at the start of its slot in its dtype's own bytes; the rest is zero.
union Slot {
  uint64_t bits;
  int64_t i;
  double d;
  float f;
  uint8_t b;
  Tensor* t;
  Tape* tape;
};
static_assert(sizeof(Slot) == 8);

enum class SlotKind : uint8_t { scalar, tensor, tape };

struct Run;
struct Instr;
using Handler = const Instr* (*)(Run&, const Instr*);

struct Instr {
  Handler run = nullptr;
  uint32_t a = 0, b = 0, c = 0;  // operand slots
  uint32_t out = 0;              // result slot
  const void* data = nullptr;    // what else the handler needs; owned by the Prepared
  int32_t jump = 0;              // relative to this instruction
  uint32_t die = 0;              // bit i: operand i is not used after this and may be taken
};

// A size at run time: a number, a slot, or a little stack program over slots.
struct SizeRef {
  enum Kind : uint8_t { number, slot, program } kind = number;
  int64_t value = 0;  // the number, the slot, or where in Prepared::size_code the program starts
  int64_t eval(const Run& r) const;
};
struct SizeOp {
  enum Kind : uint8_t { push, load, mul, add, floordiv, min, max, end } kind;
  int64_t value = 0;
};

struct ShapeRef {
  std::vector<SizeRef> axes;
  Extents eval(const Run& r) const;
};

struct Use {
  uint32_t slot;
  bool dies;
  SlotKind kind;
  DType dtype;
};

struct Prepared {
  const ir::Function* fn = nullptr;
  std::vector<Instr> instrs;
  std::vector<Loc> locs;        // one per instruction
  std::vector<const ir::Node*> nodes;  // likewise; null: a group, or what holds things together
  std::vector<SlotKind> kinds;  // of each slot
  std::vector<Slot> start;      // what a new frame is filled with: constants, and zero
  std::vector<uint32_t> sizes;  // slots of fn->sizes
  std::vector<Use> params;      // slots of the parameters
  std::vector<std::pair<SymId, uint32_t>> symbols;  // where each size symbol lives
  std::vector<SizeOp> size_code;
  std::vector<std::shared_ptr<void>> owned;  // the instructions' data

  uint32_t slot_of_symbol(SymId s) const {
    for (auto& [sym, slot] : symbols)
      if (sym == s) return slot;
    bug("a size symbol without a slot");
  }
};

// Frames lie on a stack of chunks that are kept for the next run.
struct Frame {
  const Prepared* code;
  Frame* caller;
  const Instr* call;  // the caller's instruction
  size_t slots;
  bool counted;  // for the limit of recursion
  Slot* first() { return reinterpret_cast<Slot*>(this + 1); }
};

class FrameStack {
 public:
  Frame* push(size_t slots);
  void pop(Frame* f);

 private:
  struct Chunk {
    std::unique_ptr<std::byte[]> memory;
    size_t size, used;
  };
  std::vector<Chunk> chunks_;
  size_t current_ = 0;
};

// Boxes for tensors in slots, kept for reuse.
class Boxes {
 public:
  ~Boxes() {
    for (Tensor* t : free_) delete t;
  }
  Tensor* take(Tensor&& value) {
    if (free_.empty()) return new Tensor(std::move(value));
    Tensor* t = free_.back();
    free_.pop_back();
    *t = std::move(value);
    return t;
  }
  Tensor* copy(const Tensor& value) {
    if (free_.empty()) return new Tensor(value);
    Tensor* t = free_.back();
    free_.pop_back();
    *t = value;
    return t;
  }
  void give(Tensor* t) {
    t->buffer.reset();
    free_.push_back(t);
  }
  Tensor open(Tensor* t) {  // the value out of its box
    Tensor value = std::move(*t);
    free_.push_back(t);
    return value;
  }

 private:
  std::vector<Tensor*> free_;
};

class Engine;  // run.cpp: what lives as long as the interpreter

// One run: the registers of the machine.
struct Run {
  Slot* s = nullptr;  // the slots of the running frame
  Frame* frame = nullptr;
  RunContext& context;
  Engine& engine;
  Boxes& boxes;
  int depth = 0;   // of calls that the limit counts
  int frames = 0;  // of all calls
  uint64_t count = 0;           // nodes run
  std::vector<Tensor> results;  // of the entry
  std::vector<Slot> moving;     // scratch of parallel moves
  Loc place{};                  // a better place for a Trap than the instruction's own

  Run(RunContext& c, Engine& e, Boxes& b) : context(c), engine(e), boxes(b) {}

  Threads& threads() { return context.threads; }
  void put(uint32_t slot, Tensor&& value) { s[slot].t = boxes.take(std::move(value)); }
  const Tensor& peek(uint32_t slot) const { return *s[slot].t; }
  void drop(uint32_t slot) {
    boxes.give(s[slot].t);
    s[slot].t = nullptr;
  }
  Tensor take(uint32_t slot) {
    Tensor value = boxes.open(s[slot].t);
    s[slot].t = nullptr;
    return value;
  }
  void poll() const {
    if (context.interrupted.load(std::memory_order_relaxed)) throw Trap(Code::E0807, "interrupted");
  }
};

inline int64_t SizeRef::eval(const Run& r) const {
  if (kind == number) return value;
  if (kind == slot) return r.s[value].i;
  int64_t eval_size_program(const Run& r, int64_t start);
  return eval_size_program(r, value);
}
[[noreturn]] void negative_size(int64_t value);
inline Extents ShapeRef::eval(const Run& r) const {
  Extents e;
  for (const SizeRef& a : axes) {
    int64_t v = a.eval(r);
    if (v < 0) [[unlikely]]
      negative_size(v);
    e.push_back(v);
  }
  return e;
}

// What the instruction is about to compute; asked before it runs.
ir::Work work_of(const Run& r, const Instr& in, const ir::Node* node);

// Scalars between slots and tensors.
Tensor scalar_tensor(Slot s, DType t);
inline Slot scalar_slot(const void* element, DType t) {
  Slot s{};
  std::memcpy(&s, element, size_of(t));
  return s;
}

}  // namespace tenon::interp
