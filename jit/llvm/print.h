// Prints a program in the loop IR as one LLVM module. Private to the room, as all headers that name
// LLVM are.
#pragma once

#include <llvm/IR/Module.h>
#include <memory>
#include <string>

#include "jit/loop/loop.h"

namespace tenon::llvm_jit {

struct PrintOptions {
  std::string prefix;  // of every symbol, so that modules do not meet
  bool wide = true;    // 512-bit registers
};

std::string function_symbol(const PrintOptions& o, uint32_t function);
inline constexpr const char* kLaunchSymbol = "tn_launch";
std::string runtime_symbol(uint32_t runtime);

std::unique_ptr<llvm::Module> print_llvm(const loop::Program& program, const PrintOptions& options,
                                         llvm::LLVMContext& context);

}  // namespace tenon::llvm_jit
