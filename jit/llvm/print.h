// Prints a program in the loop IR, or a part of it, as one LLVM module. Private to the room, as all headers that name
// LLVM are.
#pragma once

#include <llvm/IR/Module.h>
#include <memory>
#include <string>
#include <vector>

#include "jit/loop/loop.h"

namespace tenon::llvm_jit {

struct PrintOptions {
  bool wide = true;  // 512-bit registers
  std::vector<std::string> functions, kernels;  // their symbols
};

// What becomes one module; what it uses of the others, it declares.
struct Part {
  std::vector<uint32_t> functions, kernels;
};

inline constexpr const char* kLaunchSymbol = "tn_launch";
std::string runtime_symbol(uint32_t runtime);

std::unique_ptr<llvm::Module> print_llvm(const loop::Program& program, const Part& part,
                                         const PrintOptions& options, llvm::LLVMContext& context);

}  // namespace tenon::llvm_jit
