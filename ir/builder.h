// Builds functions node by node. Types are inferred; a node that does not type is a bug of the caller
// (the frontend checks first and speaks to the user). Nothing is folded or simplified here.
#pragma once

#include <initializer_list>

#include "ir/function.h"

namespace tenon::ir {

class Builder {
 public:
  Builder(Module& module, Function& fn) : module_(module), fn_(fn) { regions_.push_back(&fn.body); }

  Module& module() { return module_; }
  Function& fn() { return fn_; }
  Dims& dims() { return module_.dims; }
  const Type& type(Value v) const { return fn_.type(v); }

  void at(Loc loc) { loc_ = loc; }  // the place of what is emitted from here on
  Loc at() const { return loc_; }
  // Calls that the code is put in place of (Loc::via), for what is emitted from here on.
  void via(uint32_t calls) { via_ = calls; }
  uint32_t via() const { return via_; }

  Value param(Type t, Leaf leaf = {});  // appends a parameter to the function

  // ---- any node
  const Node& emit(Op op, std::vector<Value> operands, Attr attr = {}, std::vector<Region> regions = {});
  Value one(Op op, std::vector<Value> operands, Attr attr = {}, std::vector<Region> regions = {});

  // ---- regions: open one, emit into it, take it back
  //   b.open({types of the parameters});  ...  Region r = b.close({results});
  std::vector<Value> open(const std::vector<Type>& params);
  Region close(std::vector<Value> results);
  void resume(Region r);         // opens a closed region again, to emit more into it
  void unwind(size_t to_depth);  // drops what is open beyond a depth: an error was met inside
  size_t depth() const { return regions_.size(); }
  Region& region() { return *regions_.back(); }
  const Region& region_at(size_t depth) const { return *regions_[depth]; }

  // ---- short forms
  Value scalar(Op op, std::initializer_list<Value> operands) { return one(op, operands); }
  Value constant(Literal literal);
  Value number(DType t, double v);             // a rank-0 constant; integers are exact to 2^53
  Value integer(int64_t v, DType t = DType::i64);
  Value boolean(bool v);
  Value fill(Value scalar, const std::vector<DimId>& shape);  // broadcast of a rank-0 value
  Value zeros(const Type& t);
  Value size(DimId d);                          // as an i64 scalar
  Value convert(Value v, DType to);             // itself when it is of that dtype
  Value broadcast(Value v, const std::vector<DimId>& shape, const std::vector<int>& axes);
  Value reshape(Value v, const std::vector<DimId>& shape);
  Value transpose(Value v, const std::vector<int>& axes);
  Value reduce(ReduceKind kind, Value v, std::vector<int> axes);
  std::vector<Value> call(FnId fn, std::vector<DimId> dims, std::vector<Value> args);

 private:
  Module& module_;
  Function& fn_;
  Loc loc_;
  uint32_t via_ = 0;
  std::vector<Region*> regions_;               // where nodes go: back()
  std::vector<std::unique_ptr<Region>> open_;  // regions under construction
};

}  // namespace tenon::ir
