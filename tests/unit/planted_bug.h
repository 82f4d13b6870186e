// What the tests of CUDA's kernel families share: they run in every order in which the emulator can take
// up the threads of a block, and a family with one thing in it changed must be noticed in one of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "jit/cuda/sim.h"
#include "kernels/cuda/kernels.h"

namespace tenon::cuda {

constexpr const char* kOrders[] = {"forward", "reverse", "shuffled"};

class EveryOrder : public testing::TestWithParam<const char*> {
 protected:
  EveryOrder() { setenv("TENON_SIM_ORDER", GetParam(), 1); }
  ~EveryOrder() override { unsetenv("TENON_SIM_ORDER"); }
};

// The families from the text `first` up to `last` (null: to the end), with `from` in them changed to `to`.
inline std::string changed(const char* first, const char* last, const std::string& from, const std::string& to) {
  std::string text(kernels::cuda_prelude());
  text = text.substr(text.find(first));
  if (last) text = text.substr(0, text.find(last));
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// Whether it goes wrong, or the emulator finds a fault, in some order.
inline bool noticed(const std::function<bool()>& goes_wrong) {
  bool found = false;
  for (const char* order : kOrders) {
    setenv("TENON_SIM_ORDER", order, 1);
    try {
      found |= goes_wrong();
    } catch (const SimFault&) {
      found = true;
    }
  }
  unsetenv("TENON_SIM_ORDER");
  return found;
}

}  // namespace tenon::cuda
