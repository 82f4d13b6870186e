// What the tests of the interpreter share: a program as IR text, run on tensors made from numbers.
#pragma once

#include <atomic>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "ir/text.h"
#include "ir/verify.h"
#include "jit/interp/interp.h"
#include "runtime/threads.h"
#include "runtime/trap.h"

namespace tenon::test {

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else if constexpr (std::is_same_v<T, int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else
    return DType::f64;
}

template <class T>
Tensor tensor(const Extents& shape, const std::vector<T>& values) {
  Tensor t(dtype_of<T>(), shape);
  for (size_t i = 0; i < values.size(); ++i) t.data<T>()[i] = values[i];
  return t;
}
template <class T>
Tensor scalar(T v) {
  return Tensor::scalar(dtype_of<T>(), v);
}

template <class T>
void gather(const Tensor& t, int axis, int64_t at, std::vector<T>& out) {
  if (axis == t.rank()) {
    out.push_back(t.data<T>()[at]);
    return;
  }
  for (int64_t i = 0; i < t.shape[axis]; ++i) gather(t, axis + 1, at + i * t.strides[axis], out);
}
template <class T>
std::vector<T> elements(const Tensor& t) {  // row-major, whatever the strides
  EXPECT_EQ(t.dtype, dtype_of<T>());
  std::vector<T> out;
  gather(t, 0, 0, out);
  return out;
}

struct TestHost : Host {
  std::vector<Tensor> host(const ir::HostAttr& call, std::vector<Tensor> operands, Loc) override {
    log += call.name + "(" + std::to_string(operands.size()) + ");";
    return std::move(next);
  }
  void debug(std::string_view text, std::span<const Tensor> shown) override {
    log += std::string(text) + "/" + std::to_string(shown.size()) + ";";
  }
  std::vector<Tensor> next;
  std::string log;
};

class Program {
 public:
  explicit Program(std::string_view text, int threads = 1) : threads_(threads) {
    std::string error;
    module = ir::parse_text(text, error);
    if (!module) {
      ADD_FAILURE() << error;
      std::abort();
    }
    for (auto& f : module->functions) {
      const std::string wrong = ir::verify(*module, *f);
      if (!wrong.empty()) {
        ADD_FAILURE() << f->name << ": " << wrong;
        std::abort();
      }
    }
    interpreter = std::make_unique<Interpreter>(*module);
  }

  std::vector<Tensor> run(std::vector<Tensor> args, std::vector<int64_t> sizes = {},
                          ir::FnId fn = 0) {
    RunContext context{threads_, host, interrupted, depth_limit};
    return interpreter->run(fn, sizes, std::move(args), context);
  }
  template <class T>
  T number(std::vector<Tensor> args, std::vector<int64_t> sizes = {}) {
    return elements<T>(run(std::move(args), std::move(sizes)).at(0)).at(0);
  }
  // The diagnostic that a run ends with.
  Diagnostic error(std::vector<Tensor> args, std::vector<int64_t> sizes = {}) {
    try {
      run(std::move(args), std::move(sizes));
    } catch (const UserError& e) {
      return e.diagnostic;
    }
    ADD_FAILURE() << "the run did not fail";
    return {};
  }

  std::unique_ptr<ir::Module> module;
  std::unique_ptr<Interpreter> interpreter;
  TestHost host;
  std::atomic<bool> interrupted{false};
  int depth_limit = 100000;

 private:
  Threads threads_;
};

}  // namespace tenon::test
