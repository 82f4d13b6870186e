// A pool that spins for a short while and then parks (cpu.md 5). Work is cut into chunks in ways that
// no result depends on, mostly by sizes alone; threads take chunks by an atomic counter, so results
// are the same bits for any count (law 1).
#pragma once

#include <cstdint>

namespace tenon {

class Threads {
 public:
  explicit Threads(int count);  // the caller is one of them; count >= 1
  ~Threads();
  Threads(const Threads&) = delete;
  int count() const;

  // Calls body(context, chunk) for chunk in [0, chunks), each once, and returns when all are done.
  // The body does not throw. Called inside a body: runs serially.
  void run(int64_t chunks, void (*body)(void* context, int64_t chunk), void* context);

  template <class F>
  void each(int64_t chunks, F&& f) {
    run(chunks, [](void* c, int64_t i) { (*static_cast<F*>(c))(i); }, &f);
  }

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace tenon
