// One step of a reduction, and what it starts from, in LLVM IR; the words of docs/semantics.md.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "jit/loop/loop.h"

namespace tenon::llvm_jit {

inline llvm::Value* combine(llvm::IRBuilder<>& b, ir::ReduceKind kind, loop::Ty t, llvm::Value* acc,
                            llvm::Value* x) {
  const bool fl = loop::is_float(t);
  switch (kind) {
    case ir::ReduceKind::sum:
      return fl ? b.CreateFAdd(acc, x) : b.CreateAdd(acc, x);
    case ir::ReduceKind::prod:
      return fl ? b.CreateFMul(acc, x) : b.CreateMul(acc, x);
    case ir::ReduceKind::max:
    case ir::ReduceKind::min: {
      llvm::Value *l = kind == ir::ReduceKind::max ? acc : x,
                  *r = kind == ir::ReduceKind::max ? x : acc;
      if (!fl) return b.CreateSelect(b.CreateICmpSLT(l, r), x, acc);
      // One instruction, and one for a NaN, which does not wait for it.
      llvm::Value* better = b.CreateSelect(
          kind == ir::ReduceKind::max ? b.CreateFCmpOGT(x, acc) : b.CreateFCmpOLT(x, acc), x, acc);
      return b.CreateSelect(b.CreateFCmpUNO(x, x), x, better);
    }
    case ir::ReduceKind::any:
      return b.CreateOr(acc, x);
    case ir::ReduceKind::all:
      return b.CreateAnd(acc, x);
  }
  bug("no such reduction");
}

inline llvm::Constant* identity(llvm::IRBuilder<>& b, ir::ReduceKind kind, llvm::Type* ty,
                                loop::Ty t) {
  switch (kind) {
    case ir::ReduceKind::sum:
    case ir::ReduceKind::any:
      return llvm::Constant::getNullValue(ty);
    case ir::ReduceKind::all:
      return b.getTrue();
    case ir::ReduceKind::prod:
      return loop::is_float(t) ? llvm::ConstantFP::get(ty, 1.0) : llvm::ConstantInt::get(ty, 1);
    case ir::ReduceKind::max:
    case ir::ReduceKind::min: {
      const bool max = kind == ir::ReduceKind::max;
      if (loop::is_float(t)) return llvm::ConstantFP::getInfinity(ty, max);
      unsigned bits = ty->getIntegerBitWidth();
      return llvm::ConstantInt::get(b.getContext(), max ? llvm::APInt::getSignedMinValue(bits)
                                                        : llvm::APInt::getSignedMaxValue(bits));
    }
  }
  bug("no such reduction");
}

}  // namespace tenon::llvm_jit
