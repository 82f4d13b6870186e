// The operation `scale` of the loop IR (ir/scalar/machine.h) in LLVM IR.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "support/diagnostic.h"

namespace tenon::llvm_jit {

// y * 2^n, rounded once: an instruction where there are registers of 512 bits, else scale_in_halves.
inline llvm::Value* scale(llvm::IRBuilder<>& b, llvm::Value* y, llvm::Value* n, bool wide) {
  llvm::Type* t = y->getType();
  const bool f32 = t->getScalarType()->isFloatTy();
  if (wide && t->isVectorTy()) {
    const bool full = t->getPrimitiveSizeInBits() == 512;
    require(full || f32, "a vector of half a register is of f32");
    llvm::Type* mask = full && f32 ? b.getInt16Ty() : b.getInt8Ty();
    std::vector<llvm::Value*> args{y, n, llvm::Constant::getNullValue(t),
                                   llvm::ConstantInt::getAllOnesValue(mask)};
    if (!full) return b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_scalef_ps_256, {}, args);
    args.push_back(b.getInt32(4));  // the rounding that is set
    return b.CreateIntrinsic(f32 ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_512
                                 : llvm::Intrinsic::x86_avx512_mask_scalef_pd_512,
                             {}, args);
  }
  auto number = [&](double v) { return llvm::ConstantFP::get(t, v); };
  llvm::Type* bits = t->getWithNewType(f32 ? b.getInt32Ty() : b.getInt64Ty());
  y = b.CreateSelect(b.CreateFCmpOLT(n, number(f32 ? -151.0 : -1076.0)), number(0), y);
  llvm::Value* biased =
      b.CreateBitCast(b.CreateFAdd(n, number(f32 ? 0x1.8p23 + 254 : 0x1.8p52 + 2046)), bits);
  llvm::Value* half = b.CreateAShr(biased, 1);
  for (llvm::Value* part : {half, b.CreateSub(biased, half)})
    y = b.CreateFMul(y, b.CreateBitCast(b.CreateShl(part, f32 ? 23 : 52), t));
  return y;
}

}  // namespace tenon::llvm_jit
