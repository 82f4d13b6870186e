// rooms: support ir runtime kernels interp loop llvm
// The interpreter's own tests, run in graph mode: the same programs and the same expectations.
#define Program InterpreterProgram
#include "tests/unit/interp_program.h"
#undef Program

#include "jit/compiled.h"

namespace tenon::test {

class Program : public InterpreterProgram {
 public:
  explicit Program(std::string_view text, int threads = 1)
      : InterpreterProgram(text, threads), pool_(threads), compiler_(*module, verified()) {}

  std::vector<Tensor> run(std::vector<Tensor> args, std::vector<int64_t> sizes = {}, ir::FnId fn = 0) {
    if (module->fn(fn).effect) return InterpreterProgram::run(std::move(args), std::move(sizes), fn);
    RunContext context{pool_, host, interrupted, depth_limit};
    return compiler_.compile(fn).run(sizes, std::move(args), context);
  }
  template <class T>
  T number(std::vector<Tensor> args, std::vector<int64_t> sizes = {}) {
    return elements<T>(run(std::move(args), std::move(sizes)).at(0)).at(0);
  }
  Diagnostic error(std::vector<Tensor> args, std::vector<int64_t> sizes = {}) {
    try {
      run(std::move(args), std::move(sizes));
    } catch (const UserError& e) {
      return e.diagnostic;
    }
    ADD_FAILURE() << "the run did not fail";
    return {};
  }

 private:
  static CompileOptions verified() {
    CompileOptions o;
    o.verify = true;
    return o;
  }
  Threads pool_;
  Compiler compiler_;
};

}  // namespace tenon::test

#include "tests/unit/interp_tensor_test.cpp"
#include "tests/unit/interp_test.cpp"
