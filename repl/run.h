// Engines at work for a command: stopped by Ctrl-C, one for each program.
#pragma once

#include <signal.h>

#include <functional>

#include "embed/engine.h"
#include "repl/command.h"

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

// Each program of the command line in an engine of its own, so that none sees another's state; gives the
// exit code. A filter that fits nothing of one program (E1001) may fit another's: it must fit one of all.
int each_program(const Invocation& invocation, const std::function<Diagnostics(Engine&, const std::string&)>& work);

}  // namespace tenon
