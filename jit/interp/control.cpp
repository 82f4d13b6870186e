// Control: jumps, loops, calls, moves and tapes.
#include <algorithm>

#include "jit/interp/engine.h"
#include "jit/interp/handlers.h"
#include "kernels/cpu/kernels.h"

namespace tenon::interp {

TENON_HANDLER(run_jump) { return (void)r, in + in->jump; }

TENON_HANDLER(run_if) { return r.s[in->a].b ? in + 1 : in + in->jump; }

TENON_HANDLER(run_for_begin) {
  const int64_t lo = r.s[in->a].i;
  r.s[in->out].i = lo;
  return lo < r.s[in->b].i ? in + 1 : in + in->jump;
}

TENON_HANDLER(run_for_next) {
  r.poll();
  const int64_t i = ++r.s[in->out].i;
  return i < r.s[in->b].i ? in + in->jump : in + 1;
}

TENON_HANDLER(run_again) {
  r.poll();
  return in + in->jump;
}

// ---------------------------------------------------------------- moves

TENON_HANDLER(run_move) {
  r.s[in->out].t = r.s[in->a].t;  // a box or a tape: one pointer
  r.s[in->a].t = nullptr;
  return in + 1;
}

TENON_HANDLER(run_move_scalar) {
  r.s[in->out] = r.s[in->a];
  return in + 1;
}

TENON_HANDLER(run_copy) {
  r.s[in->out].t = r.boxes.copy(*r.s[in->a].t);
  return in + 1;
}

TENON_HANDLER(run_moves) {
  const auto& steps = *static_cast<const std::vector<MoveStep>*>(in->data);
  auto& moving = r.moving;
  moving.clear();
  for (const MoveStep& m : steps) {
    Slot& from = r.s[m.from];
    if (m.kind == SlotKind::scalar) {
      moving.push_back(from);
    } else if (m.dies) {
      moving.push_back(from);
      from.t = nullptr;
    } else {
      require(m.kind == SlotKind::tensor, "a tape is used twice");
      Slot copy;
      copy.t = r.boxes.copy(*from.t);
      moving.push_back(copy);
    }
  }
  for (size_t i = 0; i < steps.size(); ++i) r.s[steps[i].to] = moving[i];
  return in + 1;
}

TENON_HANDLER(run_drop) {
  r.drop(in->a);
  return in + 1;
}

TENON_HANDLER(run_drop_tape) {
  delete r.s[in->a].tape;
  r.s[in->a].tape = nullptr;
  return in + 1;
}

// ---------------------------------------------------------------- calls

namespace {

Tensor as_tensor(Run& r, const Use& u) {
  if (u.kind == SlotKind::scalar) return scalar_tensor(r.s[u.slot], u.dtype);
  require(u.kind == SlotKind::tensor, "a tape where a tensor is needed");
  return u.dies ? r.take(u.slot) : r.peek(u.slot);
}

void from_tensor(Run& r, const Use& u, Tensor&& t) {
  if (u.kind == SlotKind::scalar)
    r.s[u.slot] = scalar_slot(t.raw(), u.dtype);
  else
    r.put(u.slot, std::move(t));
}

// A call that leaves a function with effects may be taken by compiled code.
bool overridden(Run& r, const Call& call) {
  std::vector<int64_t> sizes;
  for (const SizeRef& s : call.sizes) sizes.push_back(s.eval(r));
  std::vector<Tensor> args, results;
  for (const Use& u : call.args) {
    Use shared = u;
    shared.dies = false;
    args.push_back(as_tensor(r, shared));
  }
  // Give up our own share first, so that the compiled code may write into what nobody else uses.
  std::vector<Slot> kept;
  for (const Use& u : call.args)
    if (u.dies) {
      kept.push_back(r.s[u.slot]);
      r.s[u.slot].t->buffer.reset();
    }
  size_t k = 0;
  const bool taken =
      r.engine.override_fn(r.engine.override_self, call.fn, sizes, args, results, r.context);
  for (size_t i = 0; i < call.args.size(); ++i) {
    const Use& u = call.args[i];
    if (!u.dies) continue;
    if (taken)
      r.drop(u.slot);
    else
      kept[k++].t->buffer = std::move(args[i].buffer);
  }
  if (!taken) return false;
  require(results.size() == call.results.size(), "compiled code gave the wrong number of results");
  for (const Call::Told& t : call.told) r.s[t.slot].i = results[t.result].shape[t.axis];
  for (size_t i = 0; i < results.size(); ++i)
    from_tensor(r, call.results[i], std::move(results[i]));
  return true;
}

}  // namespace

TENON_HANDLER(run_call) {
  auto& call = *static_cast<Call*>(const_cast<void*>(in->data));
  r.poll();
  if (call.boundary && r.engine.override_fn && !call.has_tape && overridden(r, call))
    return in + 1;
  if (!call.code) {
    const Prepared& code = r.engine.code(call.fn);
    for (size_t i = 0; i < call.fresh.size(); ++i)
      call.fresh[i].first = code.slot_of_symbol(call.fresh_theirs[i]);
    call.code = &code;
  }
  const Prepared& code = *call.code;
  if (call.counted && r.depth >= r.context.depth_limit)
    throw Trap(Code::E0806,
               "`" + code.fn->name + "` calls itself more than " +
                   std::to_string(r.context.depth_limit) + " times without coming back",
               "check the condition that ends the recursion", Fault::data);
  auto& sizes = r.moving;  // computed before anything has moved: a size may trap
  sizes.clear();
  for (const SizeRef& size : call.sizes) {
    Slot v;
    v.i = size.eval(r);
    sizes.push_back(v);
  }
  Frame* f = r.engine.frames.push(code.kinds.size());
  Slot *s = f->first(), *ours = r.s;
  std::copy(code.start.begin(), code.start.end(), s);
  f->code = &code;
  f->caller = r.frame;
  f->call = in;
  f->counted = call.counted;
  r.frame = f;  // from here on whatever throws finds what lies in it
  for (size_t i = 0; i < sizes.size(); ++i) s[code.sizes[i]] = sizes[i];
  for (size_t i = 0; i < call.args.size(); ++i) {
    const Use& from = call.args[i];
    Slot& to = s[code.params[i].slot];
    if (from.kind == SlotKind::scalar || from.dies) {
      to = ours[from.slot];
      if (from.dies) ours[from.slot].t = nullptr;
    } else {
      require(from.kind == SlotKind::tensor, "a tape is used twice");
      to.t = r.boxes.copy(*ours[from.slot].t);
    }
  }
  r.s = s;
  r.depth += call.counted;
  require(++r.frames < kMostFrames, "a recursion that is not marked as one");
  return code.instrs.data();
}

TENON_HANDLER(run_return) {
  const auto& results = *static_cast<const std::vector<Use>*>(in->data);
  Frame* f = r.frame;
  if (!f->caller) {
    for (const Use& u : results) r.results.push_back(as_tensor(r, u));
    r.frame = nullptr;
    r.engine.frames.pop(f);
    return nullptr;
  }
  const Instr* back = f->call;
  const auto& call = *static_cast<const Call*>(back->data);
  Slot* theirs = f->caller->first();
  for (size_t i = 0; i < results.size(); ++i) {
    const Use& u = results[i];
    Slot& to = theirs[call.results[i].slot];
    if (u.kind == SlotKind::scalar || u.dies) {
      to = r.s[u.slot];
      if (u.dies) r.s[u.slot].t = nullptr;
    } else {
      require(u.kind == SlotKind::tensor, "a tape is used twice");
      to.t = r.boxes.copy(*r.s[u.slot].t);
    }
  }
  for (auto& [from, to] : call.fresh) theirs[to] = r.s[from];
  r.depth -= f->counted;
  --r.frames;
  r.frame = f->caller;
  r.s = theirs;
  r.engine.frames.pop(f);
  return back + 1;
}

// ---------------------------------------------------------------- tapes

TENON_HANDLER(run_tape_new) {
  r.s[in->out].tape = new Tape;
  return in + 1;
}

TENON_HANDLER(run_tape_end) {
  require(r.s[in->a].tape->empty(), "a tape ends before everything was taken from it");
  delete r.s[in->a].tape;
  r.s[in->a].tape = nullptr;
  return in + 1;
}

namespace {
// What looks at a small part of large memory gets memory of its own, so that the rest may go or be changed.
void compact(Run& r, uint32_t slot) {
  const Tensor& t = r.peek(slot);
  if (t.buffer->size() < 4096 || 4 * static_cast<size_t>(t.bytes()) > t.buffer->size()) return;
  Tensor own(t.dtype, t.shape);
  kernels::copy(t, own, r.threads());
  r.drop(slot);
  r.put(slot, std::move(own));
}
}  // namespace

TENON_HANDLER(run_compact) {
  compact(r, in->a);
  return in + 1;
}

TENON_HANDLER(run_push) {
  const auto& push = *static_cast<const Push*>(in->data);
  Tape* tape = r.s[in->a].tape;
  switch (push.value.kind) {
    case SlotKind::scalar:
      tape->push_scalar(push.slot, r.s[push.value.slot].bits);
      break;
    case SlotKind::tensor:
      compact(r, push.value.slot);
      tape->push_tensor(push.slot,
                        push.value.dies ? r.take(push.value.slot) : r.peek(push.value.slot));
      break;
    case SlotKind::tape:
      tape->push_tape(push.slot, r.s[push.value.slot].tape);
      r.s[push.value.slot].tape = nullptr;
      break;
  }
  r.s[in->a].tape = nullptr;
  r.s[in->out].tape = tape;
  return in + 1;
}

TENON_HANDLER(run_pop) {
  const auto& pop = *static_cast<const Push*>(in->data);
  Tape* tape = r.s[in->a].tape;
  switch (pop.value.kind) {
    case SlotKind::scalar:
      r.s[pop.value.slot].bits = tape->pop_scalar(pop.slot);
      break;
    case SlotKind::tensor:
      r.put(pop.value.slot, tape->pop_tensor(pop.slot));
      break;
    case SlotKind::tape:
      r.s[pop.value.slot].tape = tape->pop_tape(pop.slot);
      break;
  }
  r.s[in->a].tape = nullptr;
  r.s[in->out].tape = tape;
  return in + 1;
}

}  // namespace tenon::interp
