// How handlers see their operands; shared by those that call kernels.
#pragma once

#include "jit/interp/code.h"
#include "kernels/cpu/view.h"

namespace tenon::interp {

// A scalar is seen in its slot.
inline kernels::View view(Run& r, const Use& u) {
  if (u.kind == SlotKind::scalar) return {&r.s[u.slot], nullptr, nullptr, 0, u.dtype};
  return r.peek(u.slot);
}

[[noreturn]] void out_of_range(int64_t index, int axis, int64_t size);

// What `check` and `debug` show: a scalar becomes a tensor of rank 0.
std::vector<Tensor> shown(Run& r, const std::vector<Use>& uses);

}  // namespace tenon::interp
