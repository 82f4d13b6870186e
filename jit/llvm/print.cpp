// Loop IR to LLVM IR. Lanes are explicit here: a vector loop works on W elements at a time with a
// masked tail, so that no IR pass is needed but the one that turns variables into registers.
#include "jit/llvm/print.h"

#include <functional>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/Transforms/Utils/PromoteMemToReg.h>
#include <unordered_map>

#include "jit/llvm/body.h"
#include "jit/llvm/reduce.h"
#include "jit/llvm/scale.h"
#include "jit/loop/runtime.h"

namespace tenon::llvm_jit {

using llvm::BasicBlock;
using llvm::Value;
using loop::Bind;
using loop::Expr;
using loop::ExprNode;
using loop::kNone;
using loop::Op;
using loop::Stmt;
using loop::StmtKind;
using loop::Ty;
using loop::Var;

std::string runtime_symbol(uint32_t r) {
  return "tn_" + std::string(loop::name(static_cast<loop::Runtime>(r)));
}

namespace {

constexpr int kShortBody = 32;  // expressions of a fold's body that has a copy for each register of partials
constexpr int kLongBody = 60;   // of a loop body that is not worth a second copy

class FunctionPrinter {
 public:
  FunctionPrinter(llvm::Module& m, const loop::Program& p, const loop::Function& f,
                  const PrintOptions& o, llvm::Function* fn)
      : m_(m), c_(m.getContext()), p_(p), f_(f), o_(o), fn_(fn), b_(c_) {}

  void run() {
    entry_ = BasicBlock::Create(c_, "entry", fn_);
    b_.SetInsertPoint(entry_);
    start_ = BasicBlock::Create(c_, "start", fn_);
    b_.SetInsertPoint(start_);
    vars_.assign(f_.vars.size(), nullptr);
    lanes_.assign(f_.vars.size(), nullptr);
    varying_.assign(f_.vars.size(), 0);
    ctx_ = fn_->getArg(0);
    args_in_ = fn_->getArg(1);
    if (f_.kernel()) {
      store_var(f_.lo, fn_->getArg(2));
      store_var(f_.hi, fn_->getArg(3));
    } else {
      outs_in_ = fn_->getArg(2);
      store_var(f_.ctx, b_.CreatePtrToInt(ctx_, i64()));
    }
    for (size_t i = 0; i < f_.params.size(); ++i)
      store_var(f_.params[i], b_.CreateAlignedLoad(i64(), slot(args_in_, i), llvm::Align(8)));
    block(f_.body);
    if (!b_.GetInsertBlock()->getTerminator()) b_.CreateRet(b_.getInt64(0));
    if (max_args_) args_->setOperand(0, b_.getInt32(max_args_));
    if (max_outs_) outs_->setOperand(0, b_.getInt32(max_outs_));
    b_.SetInsertPoint(entry_);
    b_.CreateBr(start_);
    promote();
  }

 private:
  // ---------------------------------------------------------------- types and variables
  llvm::Type* i64() { return b_.getInt64Ty(); }
  llvm::Type* type(Ty t) {
    switch (t) {
      case Ty::i1:
        return b_.getInt1Ty();
      case Ty::i8:
        return b_.getInt8Ty();
      case Ty::i16:
        return b_.getInt16Ty();
      case Ty::i32:
        return b_.getInt32Ty();
      case Ty::i64:
        return b_.getInt64Ty();
      case Ty::f32:
        return b_.getFloatTy();
      case Ty::f64:
        return b_.getDoubleTy();
    }
    bug("no type");
  }
  llvm::Type* vec(llvm::Type* t) { return llvm::FixedVectorType::get(t, w_); }

  llvm::AllocaInst* alloca_of(llvm::Type* t, const std::string& name) {
    llvm::IRBuilder<> e(entry_);
    auto* a = e.CreateAlloca(t, nullptr, name);
    promotable_.push_back(a);
    return a;
  }
  llvm::AllocaInst* var(Var v) {
    if (!vars_[v]) vars_[v] = alloca_of(type(f_.vars[v].ty), f_.vars[v].name);
    return vars_[v];
  }
  llvm::AllocaInst* lane_var(Var v) {
    if (!lanes_[v]) lanes_[v] = alloca_of(vec(type(f_.vars[v].ty)), f_.vars[v].name);
    return lanes_[v];
  }
  void store_var(Var v, Value* x) { b_.CreateStore(x, var(v)); }

  Value* slot(Value* array, size_t i) { return b_.CreateConstInBoundsGEP1_64(i64(), array, i); }

  // ---------------------------------------------------------------- expressions
  // Lanes: an expression that depends on the vector loop's variable is a vector, all else one
  // value.
  bool is_varying(Expr e) {
    if (!w_) return false;
    if (auto it = varies_.find(e); it != varies_.end()) return it->second;
    const ExprNode& n = f_.exprs[e];
    bool v = false;
    if (n.op == Op::var) {
      v = n.a == lane_index_ || varying_[n.a];
    } else if (n.op != Op::konst) {
      for (uint32_t o : {n.a, n.b, n.c}) v |= o != kNone && is_varying(o);
    }
    return varies_[e] = v;
  }

  Value* splat(Value* v) { return b_.CreateVectorSplat(w_, v); }
  Value* iota(llvm::Type* t) {
    std::vector<llvm::Constant*> k;
    for (unsigned i = 0; i < w_; ++i) k.push_back(llvm::ConstantInt::get(t, i));
    return llvm::ConstantVector::get(k);
  }

  // How e changes from lane to lane, when that is a constant.
  std::optional<int64_t> step(Expr e) {
    if (!is_varying(e)) return 0;
    const ExprNode& n = f_.exprs[e];
    if (n.op == Op::var) return n.a == lane_index_ ? std::optional<int64_t>(1) : std::nullopt;
    if (n.op == Op::add || n.op == Op::sub) {
      auto a = step(n.a), b = step(n.b);
      if (!a || !b) return std::nullopt;
      return n.op == Op::add ? *a + *b : *a - *b;
    }
    if (n.op == Op::mul) {
      for (auto [x, y] : {std::pair(n.a, n.b), std::pair(n.b, n.a)})
        if (f_.exprs[y].op == Op::konst)
          if (auto s = step(x)) return *s * static_cast<int64_t>(f_.exprs[y].imm);
    }
    return std::nullopt;
  }
  // Its value in lane 0; only for what `step` knows.
  Value* lane0(Expr e) {
    if (!is_varying(e)) return eval(e);
    const ExprNode& n = f_.exprs[e];
    if (n.op == Op::var) return base_;
    Value *a = lane0(n.a), *b = lane0(n.b);
    return n.op == Op::add   ? b_.CreateAdd(a, b)
           : n.op == Op::sub ? b_.CreateSub(a, b)
                             : b_.CreateMul(a, b);
  }

  // As the lanes of the loop at hand.
  Value* lanes(Expr e) {
    if (auto it = held_.find(e); it != held_.end()) return it->second;
    Value* v = eval(e);
    return w_ && !is_varying(e) ? splat(v) : v;
  }

  // Spreads numbers over lanes before the loop.
  void hold(const loop::Block& body, const std::vector<Expr>& more) {
    const size_t room = o_.wide ? 20 : 8;  // of 32 registers, of 16
    for (Expr e : spread_ahead(f_, body, more, [this](Expr e) { return is_varying(e); }, room))
      // A constant as it is would be written again into every block that uses it.
      held_[e] = b_.CreateFreeze(splat(eval(e)));
    memo_.clear();
  }

  Value* eval(Expr e) {
    auto it = memo_.find(e);
    if (it != memo_.end()) return it->second;
    Value* v = compute(e);
    memo_[e] = v;
    return v;
  }

  Value* address(Expr base, Value* index, llvm::Type* t) {
    Value* p = b_.CreateIntToPtr(eval(base), b_.getPtrTy());
    return b_.CreateGEP(t, p, index);
  }

  Value* compute(Expr e) {
    const ExprNode& n = f_.exprs[e];
    const bool v = is_varying(e);
    if (n.op == Op::konst) {
      if (n.ty == Ty::f32)
        return llvm::ConstantFP::get(
            c_, llvm::APFloat(std::bit_cast<float>(static_cast<uint32_t>(n.imm))));
      if (n.ty == Ty::f64)
        return llvm::ConstantFP::get(c_, llvm::APFloat(std::bit_cast<double>(n.imm)));
      return llvm::ConstantInt::get(type(n.ty), n.imm);
    }
    if (n.op == Op::var) {
      if (v && n.a == lane_index_) return b_.CreateAdd(splat(base_), iota(i64()));
      if (v) return b_.CreateLoad(vec(type(n.ty)), lane_var(n.a));
      return b_.CreateLoad(type(n.ty), var(n.a));
    }
    if (n.op == Op::load) return load(n, v);
    auto operand = [&](uint32_t o) { return v ? lanes(o) : eval(o); };
    Value* a = operand(n.a);
    const bool fl = loop::is_float(f_.type(n.a));
    llvm::Type* t = v ? vec(type(n.ty)) : type(n.ty);
    auto unary = [&](llvm::Intrinsic::ID id) { return b_.CreateUnaryIntrinsic(id, a); };
    switch (n.op) {
      case Op::konst:
      case Op::var:
      case Op::load:
        break;
      case Op::add:
        return fl ? b_.CreateFAdd(a, operand(n.b)) : b_.CreateAdd(a, operand(n.b));
      case Op::sub:
        return fl ? b_.CreateFSub(a, operand(n.b)) : b_.CreateSub(a, operand(n.b));
      case Op::mul:
        return fl ? b_.CreateFMul(a, operand(n.b)) : b_.CreateMul(a, operand(n.b));
      case Op::div:
        return b_.CreateFDiv(a, operand(n.b));
      case Op::fma:
        return b_.CreateIntrinsic(llvm::Intrinsic::fma, {t}, {a, operand(n.b), operand(n.c)});
      case Op::scale:
        return scale(b_, a, operand(n.b), o_.wide);
      case Op::neg:
        return b_.CreateFNeg(a);
      case Op::abs:
        return unary(llvm::Intrinsic::fabs);
      case Op::sqrt:
        return unary(llvm::Intrinsic::sqrt);
      case Op::floor:
        return unary(llvm::Intrinsic::floor);
      case Op::ceil:
        return unary(llvm::Intrinsic::ceil);
      case Op::trunc:
        return unary(llvm::Intrinsic::trunc);
      case Op::rint:
        return unary(llvm::Intrinsic::nearbyint);
      case Op::sdiv:
        return b_.CreateSDiv(a, operand(n.b));
      case Op::srem:
        return b_.CreateSRem(a, operand(n.b));
      case Op::band:
        return b_.CreateAnd(a, operand(n.b));
      case Op::bor:
        return b_.CreateOr(a, operand(n.b));
      case Op::bxor:
        return b_.CreateXor(a, operand(n.b));
      case Op::shl:
        return b_.CreateShl(a, operand(n.b));
      case Op::lshr:
        return b_.CreateLShr(a, operand(n.b));
      case Op::ashr:
        return b_.CreateAShr(a, operand(n.b));
      case Op::eq:
        return fl ? b_.CreateFCmpOEQ(a, operand(n.b)) : b_.CreateICmpEQ(a, operand(n.b));
      case Op::ne:
        return fl ? b_.CreateFCmpUNE(a, operand(n.b)) : b_.CreateICmpNE(a, operand(n.b));
      case Op::lt:
        return fl ? b_.CreateFCmpOLT(a, operand(n.b)) : b_.CreateICmpSLT(a, operand(n.b));
      case Op::le:
        return fl ? b_.CreateFCmpOLE(a, operand(n.b)) : b_.CreateICmpSLE(a, operand(n.b));
      case Op::ult:
        return b_.CreateICmpULT(a, operand(n.b));
      case Op::select:
        return b_.CreateSelect(a, operand(n.b), operand(n.c));
      case Op::bitcast:
        return b_.CreateBitCast(a, t);
      case Op::sext:
        return b_.CreateSExt(a, t);
      case Op::zext:
        return b_.CreateZExt(a, t);
      case Op::itrunc:
        return b_.CreateTrunc(a, t);
      case Op::sitofp:
        return b_.CreateSIToFP(a, t);
      case Op::fptosi:
        return b_.CreateFPToSI(a, t);
      case Op::fpext:
        return b_.CreateFPExt(a, t);
      case Op::fptrunc:
        return b_.CreateFPTrunc(a, t);
    }
    bug("an expression that cannot be printed");
  }

  Value* load(const ExprNode& n, bool v) {
    llvm::Type* t = type(n.ty);
    const llvm::Align align(static_cast<uint64_t>(loop::bytes(n.ty)));
    if (!v) return b_.CreateAlignedLoad(t, address(n.a, eval(n.b), t), align);
    auto s = is_varying(n.a) ? std::nullopt : step(n.b);
    if (s == 0) return splat(b_.CreateAlignedLoad(t, address(n.a, lane0(n.b), t), align));
    if (s == 1) {
      Value* p = address(n.a, lane0(n.b), t);
      if (!mask_) return b_.CreateAlignedLoad(vec(t), p, align);
      return b_.CreateMaskedLoad(vec(t), p, align, mask_, llvm::Constant::getNullValue(vec(t)));
    }
    Value* p = address(n.a, lanes(n.b), t);
    Value* all = mask_ ? mask_ : llvm::Constant::getAllOnesValue(vec(b_.getInt1Ty()));
    return b_.CreateMaskedGather(vec(t), p, align, all, llvm::Constant::getNullValue(vec(t)));
  }

  // ---------------------------------------------------------------- statements
  void block(const loop::Block& list) {
    for (const Stmt& s : list) {
      memo_.clear();
      stmt(s);
    }
    memo_.clear();
  }

  BasicBlock* fresh(const char* name) { return BasicBlock::Create(c_, name, fn_); }
  void go(BasicBlock* to) {
    if (!b_.GetInsertBlock()->getTerminator()) b_.CreateBr(to);
    b_.SetInsertPoint(to);
  }

  void stmt(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::set:
        if (w_ && varying_[s.var])
          b_.CreateStore(lanes(s.a), lane_var(s.var));
        else
          store_var(s.var, eval(s.a));
        return;
      case StmtKind::store:
        store(s);
        return;
      case StmtKind::fetch: {
        Value* p = address(s.a, w_ ? lane0(s.b) : eval(s.b), type(s.ty));
        b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {b_.getPtrTy()},
                           {p, b_.getInt32(0), b_.getInt32(3), b_.getInt32(1)});  // to read, for all caches
        return;
      }
      case StmtKind::if_: {
        BasicBlock *yes = fresh("then"), *no = fresh("else"), *end = fresh("end");
        b_.CreateCondBr(eval(s.a), yes, no);
        b_.SetInsertPoint(yes);
        block(s.body);
        if (!b_.GetInsertBlock()->getTerminator()) b_.CreateBr(end);
        b_.SetInsertPoint(no);
        block(s.other);
        go(end);
        return;
      }
      case StmtKind::while_: {
        BasicBlock *head = fresh("while"), *body = fresh("body"), *end = fresh("end");
        b_.CreateBr(head);
        b_.SetInsertPoint(head);
        block(s.body);
        b_.CreateCondBr(eval(s.a), body, end);
        memo_.clear();
        b_.SetInsertPoint(body);
        block(s.other);
        b_.CreateBr(head);
        b_.SetInsertPoint(end);
        return;
      }
      case StmtKind::for_:
        if (s.bind == Bind::vector && !w_)
          vector_loop(s);
        else
          serial_loop(s);
        return;
      case StmtKind::fold:
        fold(s);
        return;
      case StmtKind::tile:
        bug("tiles are for devices");
      case StmtKind::call:
        call(s);
        return;
      case StmtKind::launch:
        launch(s);
        return;
      case StmtKind::trap:
        trap(s);
        return;
      case StmtKind::ret:
        for (size_t i = 0; i < s.args.size(); ++i)
          b_.CreateAlignedStore(eval(s.args[i]), slot(outs_in_, i), llvm::Align(8));
        b_.CreateRet(b_.getInt64(0));
        return;
    }
  }

  void store(const Stmt& s) {
    llvm::Type* t = type(s.ty);
    const llvm::Align align(static_cast<uint64_t>(loop::bytes(s.ty)));
    if (!w_) {
      Value* v = eval(s.c);
      b_.CreateAlignedStore(v, address(s.a, eval(s.b), t), align);
      return;
    }
    Value* v = lanes(s.c);
    if (!is_varying(s.a) && step(s.b) == 1) {
      Value* p = address(s.a, lane0(s.b), t);
      if (mask_)
        b_.CreateMaskedStore(v, p, align, mask_);
      else
        b_.CreateAlignedStore(v, p, align);
      return;
    }
    Value* p = address(s.a, lanes(s.b), t);
    Value* all = mask_ ? mask_ : llvm::Constant::getAllOnesValue(vec(b_.getInt1Ty()));
    b_.CreateMaskedScatter(v, p, align, all);
  }

  // ---------------------------------------------------------------- loops
  template <class F>
  void count_loop(Value* lo, Value* hi, Value* by, llvm::AllocaInst* i, F&& body) {
    // One jump a turn, back from its end; in front of the first stands a test of its own.
    BasicBlock *in = fresh("body"), *end = fresh("end");
    b_.CreateStore(lo, i);
    b_.CreateCondBr(b_.CreateICmpSLT(lo, hi), in, end);
    b_.SetInsertPoint(in);
    Value* at = b_.CreateLoad(i64(), i);
    body(at);
    Value* next = b_.CreateAdd(b_.CreateLoad(i64(), i), by);
    b_.CreateStore(next, i);
    b_.CreateCondBr(b_.CreateICmpSLT(next, hi), in, end);
    b_.SetInsertPoint(end);
  }

  void serial_loop(const Stmt& s) {
    Value *lo = eval(s.a), *hi = eval(s.b);
    count_loop(lo, hi, b_.getInt64(1), var(s.var), [&](Value*) { block(s.body); });
  }

  // Which variables hold lanes: whatever is set from something that varies, until nothing changes.
  void mark(const loop::Block& list, bool& changed) {
    for (const Stmt& s : list) {
      if (s.kind == StmtKind::set && !varying_[s.var] && is_varying(s.a)) {
        varying_[s.var] = 1;
        varies_.clear();
        changed = true;
      }
      mark(s.body, changed);
      mark(s.other, changed);
    }
  }

  void open_lanes(Var index, const loop::Block& body, bool wide_elements) {
    w_ = (wide_elements ? 8u : 16u) / (o_.wide ? 1u : 2u);
    lane_index_ = index;
    varies_.clear();
    memo_.clear();
    for (bool changed = true; changed;) {
      changed = false;
      mark(body, changed);
    }
  }
  void close_lanes() {
    w_ = 0;
    lane_index_ = kNone;
    base_ = mask_ = nullptr;
    varies_.clear();
    held_.clear();
    memo_.clear();
  }

  // The first `rest` lanes.
  Value* mask_of(Value* rest) {
    Value* some = b_.CreateSelect(b_.CreateICmpSLT(rest, b_.getInt64(w_)), rest, b_.getInt64(w_));
    Value* r = b_.CreateTrunc(some, b_.getInt32Ty());
    return b_.CreateICmpULT(iota(b_.getInt32Ty()), splat(r));
  }

  void vector_loop(const Stmt& s) {
    Value *lo = eval(s.a), *hi = eval(s.b);
    const Weight weight = weigh(f_, s.body);
    open_lanes(s.var, s.body, weight.wide);
    hold(s.body, {});
    auto* i = alloca_of(i64(), "at");
    Value* step = b_.getInt64(w_);
    auto masked = [&](Value* at) {
      base_ = at;
      mask_ = mask_of(b_.CreateSub(hi, at));
      block(s.body);
      mask_ = nullptr;
    };
    if (weight.exprs > kLongBody) {  // one masked copy
      count_loop(lo, hi, step, i, masked);
    } else {
      Value* full = b_.CreateSub(hi, b_.getInt64(w_ - 1));
      count_loop(lo, full, step, i, [&](Value* at) {
        base_ = at;
        block(s.body);
      });
      BasicBlock *tail = fresh("tail"), *end = fresh("end");
      Value* at = b_.CreateLoad(i64(), i);
      b_.CreateCondBr(b_.CreateICmpSLT(at, hi), tail, end);
      b_.SetInsertPoint(tail);
      masked(at);
      b_.CreateBr(end);
      b_.SetInsertPoint(end);
    }
    close_lanes();
  }

  // ---------------------------------------------------------------- fold: 64 partials
  void fold(const Stmt& s) {
    Value *lo = eval(s.a), *hi = eval(s.b);
    const Ty t = f_.vars[s.var].ty;
    const Weight weight = weigh(f_, s.body);
    open_lanes(s.index, s.body, weight.wide || t == Ty::f64 || t == Ty::i64);
    hold(s.body, {s.c, s.d});
    llvm::Type *elem = type(t), *v = vec(elem);
    const unsigned parts = 64 / w_;
    auto* i = alloca_of(i64(), "at");
    std::vector<llvm::AllocaInst*> p;
    for (unsigned u = 0; u < parts; ++u) {
      p.push_back(alloca_of(v, "p"));
      b_.CreateStore(llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(w_),
                                                    identity(b_, s.reduce, elem, t)),
                     p.back());
    }
    auto value = [&](Value* acc) {
      block(s.body);
      Value* x = lanes(s.c);
      if (s.d != kNone) {
        Value* y = lanes(s.d);
        x = b_.CreateIntrinsic(llvm::Intrinsic::fma, {v}, {x, y, acc});
      } else {
        x = combine(b_, s.reduce, t, acc, x);
      }
      memo_.clear();
      return x;
    };
    Value* from = lo;
    if (weight.exprs <= kShortBody) {
      Value* full = b_.CreateSub(hi, b_.getInt64(63));
      count_loop(lo, full, b_.getInt64(64), i, [&](Value* at) {
        for (unsigned u = 0; u < parts; ++u) {
          base_ = u ? b_.CreateAdd(at, b_.getInt64(u * w_)) : at;
          b_.CreateStore(value(b_.CreateLoad(v, p[u])), p[u]);
        }
      });
      from = b_.CreateLoad(i64(), i);
    }
    // What is left, or all of a long body: the partials lie in memory, so that one copy serves
    // them.
    BasicBlock *rest = fresh("rest"), *tree = fresh("tree");
    llvm::IRBuilder<> e(entry_);
    auto* array = e.CreateAlloca(llvm::ArrayType::get(elem, 64), nullptr, "partials");
    array->setAlignment(llvm::Align(64));
    b_.CreateCondBr(b_.CreateICmpSLT(from, hi), rest, tree);
    b_.SetInsertPoint(rest);
    auto place = [&](Value* j) { return b_.CreateGEP(elem, array, j); };
    const llvm::Align align(t == Ty::i1 ? 1 : static_cast<uint64_t>(loop::bytes(t)) * w_);
    auto in_memory = [&](llvm::Type* ty) { return t == Ty::i1 ? vec(b_.getInt8Ty()) : ty; };
    auto put = [&](Value* x, Value* j) {
      if (t == Ty::i1) x = b_.CreateZExt(x, vec(b_.getInt8Ty()));
      b_.CreateAlignedStore(x, t == Ty::i1 ? b_.CreateGEP(b_.getInt8Ty(), array, j) : place(j),
                            align);
    };
    auto get = [&](Value* j) -> Value* {
      Value* x = b_.CreateAlignedLoad(
          in_memory(v), t == Ty::i1 ? b_.CreateGEP(b_.getInt8Ty(), array, j) : place(j), align);
      return t == Ty::i1 ? b_.CreateTrunc(x, v) : x;
    };
    for (unsigned u = 0; u < parts; ++u) put(b_.CreateLoad(v, p[u]), b_.getInt64(u * w_));
    auto part_of = [&](Value* at) { return b_.CreateAnd(b_.CreateSub(at, lo), b_.getInt64(63)); };
    // What was stored under a mask cannot be forwarded to the pass behind this one, which reads it
    // at once; so a second copy without one, unless the body is long.
    if (weight.exprs > kShortBody && weight.exprs <= kLongBody) {
      Value* full = b_.CreateSub(hi, b_.getInt64(w_ - 1));
      count_loop(from, full, b_.getInt64(w_), i, [&](Value* at) {
        base_ = at;
        Value* j = part_of(at);
        Value* x = value(get(j));
        put(x, j);
      });
      from = b_.CreateLoad(i64(), i);
    }
    count_loop(from, hi, b_.getInt64(w_), i, [&](Value* at) {
      base_ = at;
      mask_ = mask_of(b_.CreateSub(hi, at));
      Value* j = part_of(at);
      Value* acc = get(j);
      Value* x = value(acc);
      put(b_.CreateSelect(mask_, x, acc), j);
      mask_ = nullptr;
    });
    for (unsigned u = 0; u < parts; ++u) b_.CreateStore(get(b_.getInt64(u * w_)), p[u]);
    b_.CreateBr(tree);
    b_.SetInsertPoint(tree);
    std::vector<Value*> q;
    for (unsigned u = 0; u < parts; ++u) q.push_back(b_.CreateLoad(v, p[u]));
    for (unsigned h = parts / 2; h >= 1; h /= 2)
      for (unsigned u = 0; u < h; ++u) q[u] = combine(b_, s.reduce, t, q[u], q[u + h]);
    Value* x = q[0];
    for (unsigned h = w_ / 2; h >= 1; h /= 2) {  // lanes j and j + h
      std::vector<int> low, high;
      for (unsigned l = 0; l < h; ++l) {
        low.push_back(static_cast<int>(l));
        high.push_back(static_cast<int>(l + h));
      }
      Value* upper = b_.CreateShuffleVector(x, high);
      x = combine(b_, s.reduce, t, b_.CreateShuffleVector(x, low), upper);
    }
    Value* result = b_.CreateExtractElement(x, uint64_t{0});
    close_lanes();
    store_var(s.var, result);
  }

  // ---------------------------------------------------------------- calls and traps
  llvm::AllocaInst* call_array(llvm::AllocaInst*& array, unsigned& most, size_t n,
                               const char* name) {
    if (!array) {
      llvm::IRBuilder<> e(entry_);
      array = e.CreateAlloca(i64(), e.getInt32(1), name);
      array->setAlignment(llvm::Align(8));
    }
    most = std::max(most, static_cast<unsigned>(std::max<size_t>(n, 1)));
    return array;
  }
  Value* arguments(const std::vector<Expr>& args) {
    std::vector<Value*> values;
    for (Expr e : args) values.push_back(eval(e));
    auto* array = call_array(args_, max_args_, args.size(), "args");
    for (size_t i = 0; i < values.size(); ++i)
      b_.CreateAlignedStore(values[i], slot(array, i), llvm::Align(8));
    return array;
  }

  llvm::FunctionCallee runtime(const std::string& name) {
    auto* t = llvm::FunctionType::get(i64(), {b_.getPtrTy(), b_.getPtrTy(), b_.getPtrTy()}, false);
    return m_.getOrInsertFunction(name, t);
  }

  void check_status(Value* status) {
    BasicBlock* on = fresh("on");
    b_.CreateCondBr(b_.CreateICmpNE(status, b_.getInt64(0)), failed(1), on);
    b_.SetInsertPoint(on);
  }
  // A call that failed says where it was made, for the message; off the path of those that did not.
  void check_call(Value* status, uint32_t place) {
    BasicBlock *on = fresh("on"), *stop = fresh("came_back");
    b_.CreateCondBr(b_.CreateICmpNE(status, b_.getInt64(0)), stop, on);
    b_.SetInsertPoint(stop);
    auto* array = call_array(args_, max_args_, 1, "args");
    b_.CreateAlignedStore(b_.getInt64(place), slot(array, 0), llvm::Align(8));
    Value* outs = call_array(outs_, max_outs_, 1, "outs");
    b_.CreateRet(b_.CreateCall(runtime(runtime_symbol(static_cast<uint32_t>(loop::Runtime::called_from))),
                               {ctx_, array, outs}));
    b_.SetInsertPoint(on);
  }
  BasicBlock* failed(int status) {
    BasicBlock*& f = failed_[status];
    if (!f) {
      f = fresh("failed");
      llvm::IRBuilder<>(f).CreateRet(b_.getInt64(static_cast<uint64_t>(status)));
    }
    return f;
  }

  void call(const Stmt& s) {
    Value* args = arguments(s.args);
    Value* outs = call_array(outs_, max_outs_, s.outs.size(), "outs");
    const bool own = s.callee == loop::Callee::function;
    Value* status = b_.CreateCall(runtime(own ? o_.functions[s.id] : runtime_symbol(s.id)),
                                  {ctx_, args, outs});
    bool never = false;
    if (!own) {
      auto r = static_cast<loop::Runtime>(s.id);
      never = r == loop::Runtime::release || r == loop::Runtime::enter || r == loop::Runtime::tape_new ||
              r == loop::Runtime::tape_shrink || r == loop::Runtime::fold_run ||
              r == loop::Runtime::tape_end;
    }
    if (own && s.place != loop::kNone)
      check_call(status, s.place);
    else if (!never)
      check_status(status);
    for (size_t i = 0; i < s.outs.size(); ++i)
      store_var(s.outs[i], b_.CreateAlignedLoad(i64(), slot(outs, i), llvm::Align(8)));
  }

  void launch(const Stmt& s) {
    Value *range = eval(s.a), *work = eval(s.b);
    Value* args = arguments(s.args);
    auto* t = llvm::FunctionType::get(
        i64(), {b_.getPtrTy(), b_.getInt32Ty(), b_.getPtrTy(), b_.getPtrTy(), i64(), i64()}, false);
    auto* of_kernel = llvm::FunctionType::get(i64(), {b_.getPtrTy(), b_.getPtrTy(), i64(), i64()}, false);
    Value* kernel = m_.getOrInsertFunction(o_.kernels[s.id], of_kernel).getCallee();
    check_status(b_.CreateCall(m_.getOrInsertFunction(kLaunchSymbol, t),
                               {ctx_, b_.getInt32(s.id), kernel, args, range, work}));
  }

  void trap(const Stmt& s) {
    BasicBlock* on = fresh("on");
    if (f_.kernel()) {
      // The slow interpreter finds out which trap it was, in order.
      Value* bad;
      if (w_ && is_varying(s.a)) {
        bad = lanes(s.a);
        if (mask_) bad = b_.CreateAnd(bad, mask_);
        bad = b_.CreateICmpNE(b_.CreateBitCast(bad, b_.getIntNTy(w_)), b_.getIntN(w_, 0));
      } else {
        bad = eval(s.a);
      }
      b_.CreateCondBr(bad, failed(2), on);
      b_.SetInsertPoint(on);
      return;
    }
    BasicBlock* stop = fresh("trap");
    b_.CreateCondBr(eval(s.a), stop, on);
    b_.SetInsertPoint(stop);
    memo_.clear();
    std::vector<Value*> values{b_.getInt64(s.id)};
    for (Expr e : s.args) values.push_back(eval(e));
    auto* array = call_array(args_, max_args_, values.size(), "args");
    for (size_t i = 0; i < values.size(); ++i)
      b_.CreateAlignedStore(values[i], slot(array, i), llvm::Align(8));
    Value* outs = call_array(outs_, max_outs_, 1, "outs");
    b_.CreateRet(b_.CreateCall(runtime(runtime_symbol(static_cast<uint32_t>(loop::Runtime::trap))),
                               {ctx_, array, outs}));
    memo_.clear();
    b_.SetInsertPoint(on);
  }

  void promote() {
    // Blocks that nothing reaches would confuse the dominator tree's users.
    llvm::DominatorTree tree(*fn_);
    std::vector<llvm::AllocaInst*> list;
    for (auto* a : promotable_)
      if (llvm::isAllocaPromotable(a)) list.push_back(a);
    llvm::PromoteMemToReg(list, tree);
  }

  llvm::Module& m_;
  llvm::LLVMContext& c_;
  const loop::Program& p_;
  const loop::Function& f_;
  const PrintOptions& o_;
  llvm::Function* fn_;
  llvm::IRBuilder<> b_;
  BasicBlock *entry_ = nullptr, *start_ = nullptr;
  Value *ctx_ = nullptr, *args_in_ = nullptr, *outs_in_ = nullptr;
  std::vector<llvm::AllocaInst*> vars_, lanes_, promotable_;
  llvm::AllocaInst *args_ = nullptr, *outs_ = nullptr;
  unsigned max_args_ = 0, max_outs_ = 0;
  std::unordered_map<int, BasicBlock*> failed_;
  // the vector loop at hand
  unsigned w_ = 0;
  Var lane_index_ = kNone;
  Value *base_ = nullptr, *mask_ = nullptr;
  std::vector<char> varying_;
  std::unordered_map<Expr, bool> varies_;
  std::unordered_map<Expr, Value*> memo_;  // within one statement
  std::unordered_map<Expr, Value*> held_;  // spread before the vector loop at hand
};

}  // namespace

std::unique_ptr<llvm::Module> print_llvm(const loop::Program& p, const Part& part,
                                         const PrintOptions& o, llvm::LLVMContext& c) {
  auto m = std::make_unique<llvm::Module>("tenon", c);
  auto* ptr = llvm::PointerType::getUnqual(c);
  llvm::Type* word = llvm::Type::getInt64Ty(c);
  auto print = [&](const loop::Function& f, const std::string& name) {
    auto* t = f.kernel() ? llvm::FunctionType::get(word, {ptr, ptr, word, word}, false)
                         : llvm::FunctionType::get(word, {ptr, ptr, ptr}, false);
    // Another function of this part may have declared it.
    auto* fn = llvm::cast<llvm::Function>(m->getOrInsertFunction(name, t).getCallee());
    fn->setDoesNotThrow();
    FunctionPrinter(*m, p, f, o, fn).run();
  };
  for (uint32_t i : part.kernels) print(p.kernels[i], o.kernels[i]);
  for (uint32_t i : part.functions) print(p.functions[i], o.functions[i]);
  return m;
}

}  // namespace tenon::llvm_jit
