// Emits nodes (builder.h). What does not type is a bug of the caller.

#include "ir/builder.h"

#include "ir/infer.h"
#include "ir/literal.h"

namespace tenon::ir {

Value Builder::param(Type t, Leaf leaf) {
  const Value v = fn_.new_value(std::move(t));
  fn_.body.params.push_back(v);
  fn_.params.push_back(std::move(leaf));
  return v;
}

const Node& Builder::emit(Op op, std::vector<Value> operands, Attr attr,
                          std::vector<Region> regions) {
  Node node{op, std::move(operands), {}, std::move(attr), std::move(regions), loc_};
  if (node.loc.via == 0) node.loc.via = via_;
  Inferred r = infer(module_, fn_, node);
  if (!r.error.empty()) bug(fn_.name + ": " + r.error);
  node.results.reserve(r.types.size());
  for (Type& t : r.types) node.results.push_back(fn_.new_value(std::move(t)));
  region().nodes.push_back(std::move(node));
  return region().nodes.back();
}

Value Builder::one(Op op, std::vector<Value> operands, Attr attr, std::vector<Region> regions) {
  const Node& node = emit(op, std::move(operands), std::move(attr), std::move(regions));
  require(node.results.size() == 1, "a node with one result was expected");
  return node.results[0];
}

std::vector<Value> Builder::open(const std::vector<Type>& params) {
  open_.push_back(std::make_unique<Region>());
  regions_.push_back(open_.back().get());
  for (const Type& t : params) region().params.push_back(fn_.new_value(t));
  return region().params;
}

void Builder::resume(Region r) {
  r.results.clear();
  open_.push_back(std::make_unique<Region>(std::move(r)));
  regions_.push_back(open_.back().get());
}

void Builder::unwind(size_t to_depth) {
  while (regions_.size() > to_depth) close({});
}

Region Builder::close(std::vector<Value> results) {
  require(!open_.empty(), "no region is open");
  Region r = std::move(*open_.back());
  open_.pop_back();
  regions_.pop_back();
  r.results = std::move(results);
  return r;
}

Value Builder::constant(Literal literal) {
  return one(Op::constant, {}, ConstantAttr{std::make_shared<const Literal>(std::move(literal))});
}

Value Builder::number(DType t, double v) { return constant(number_literal(t, v)); }
Value Builder::integer(int64_t v, DType t) { return constant(integer_literal(t, v)); }
Value Builder::boolean(bool v) { return constant(integer_literal(DType::boolean, v)); }

Value Builder::fill(Value scalar, const std::vector<DimId>& shape) {
  require(type(scalar).scalar(), "fill takes a scalar");
  return shape.empty() ? scalar : one(Op::broadcast, {scalar}, BroadcastAttr{shape, {}});
}

Value Builder::zeros(const Type& like) {
  const Type t = like;  // may be one of the types that grow here
  require(!t.tape, "a tape has no zero");
  return fill(number(t.dtype, 0), t.shape);
}

Value Builder::size(DimId d) { return one(Op::size, {}, DimAttr{d}); }

Value Builder::convert(Value v, DType to) {
  return type(v).dtype == to && !type(v).tape ? v : one(Op::convert, {v}, ConvertAttr{to});
}

Value Builder::broadcast(Value v, const std::vector<DimId>& shape, const std::vector<int>& axes) {
  if (type(v).shape == shape && !type(v).tape) return v;  // then axes can only be 0, 1, ..
  return one(Op::broadcast, {v}, BroadcastAttr{shape, axes});
}

Value Builder::reshape(Value v, const std::vector<DimId>& shape) {
  return type(v).shape == shape && !type(v).tape ? v : one(Op::reshape, {v}, ShapeAttr{shape});
}

Value Builder::transpose(Value v, const std::vector<int>& axes) {
  bool same = axes.size() == type(v).rank();
  for (size_t i = 0; i < axes.size(); ++i) same &= axes[i] == int(i);
  return same ? v : one(Op::transpose, {v}, AxesAttr{axes});
}

Value Builder::reduce(ReduceKind kind, Value v, std::vector<int> axes) {
  return axes.empty() ? v : one(Op::reduce, {v}, ReduceAttr{kind, std::move(axes)});
}

std::vector<Value> Builder::call(FnId fn, std::vector<DimId> dims, std::vector<Value> args) {
  return emit(Op::call, std::move(args), CallAttr{fn, std::move(dims), {}}).results;
}

}  // namespace tenon::ir
