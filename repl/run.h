// Ctrl-C while an engine is at work.
#pragma once

#include <signal.h>

#include "embed/engine.h"

namespace tenon {

// As long as it lives, Ctrl-C calls the engine's interrupt().
class InterruptGuard {
 public:
  explicit InterruptGuard(Engine& engine);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction before_ {};
};

}  // namespace tenon
