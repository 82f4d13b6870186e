// How a cotangent runs back through the structural operations (design.md b): one rule each. Most
// operations are linear, so the rule is the transpose; reductions and scans by prod, max and min,
// which are not, have theirs in transpose_rules_reduce.cpp, map and scatter in
// differentiate_point.cpp. Every rule is written in IR operations, so order n needs nothing new.
#pragma once

#include <functional>

#include "ir/builder.h"

namespace tenon::ir {

// Where a rule writes: backward code of one body. Values of the node are named as in the source.
class BackwardSite {
 public:
  explicit BackwardSite(Builder& builder) : b(builder) {}
  virtual ~BackwardSite() = default;

  virtual Value primal(Value source) = 0;        // its value in backward code, kept for it
  virtual Type type(Value source) = 0;           // its type there
  virtual DimId dim(DimId d) = 0;                // a size there
  virtual bool active(Value source) = 0;         // whether it wants a cotangent
  virtual void add(Value source, Value ct) = 0;  // after what it has: the order is meaning
  // What it has so far, and a total that takes its place. A rule that gives only some elements adds
  // them where they belong, so that a loop which reads x[i] does not touch all of x in each turn.
  virtual Value total(Value source) = 0;  // kNoValue: nothing yet
  virtual void set_total(Value source, Value ct) = 0;

  Builder& b;
};

// Adds `ct` to the elements of `source` that slice(source, starts) reads.
void add_part(BackwardSite& site, Value source, Value ct, const std::vector<Value>& starts,
              const std::vector<int64_t>& strides);

// Gives the node's operands their cotangents. `cts` has one entry per result, kNoValue for a zero.
// Not for nodes with bodies, calls and tapes: those are differentiate_reverse.cpp's.
void transpose(BackwardSite& site, const Function& source, const Node& node,
               const std::vector<Value>& cts);

// ---- what forward mode shares

std::vector<int> other_axes(size_t rank, const std::vector<int>& axes);  // those not in `axes`
// A sum over any axes, as the two nodes that canonicalise would make of it.
Value sum_over(Builder& b, Value v, const std::vector<int>& axes);
Value index_constant(Builder& b, DimId d);  // an i64 scalar

// True at the first winner of a max or min over `axes`, false elsewhere; of x's shape.
Value first_winner(Builder& b, ReduceKind kind, Value x, const std::vector<int>& axes);
// At each element the product of all others along `axes`: right where elements are 0 too.
Value product_of_others(Builder& b, Value x, const std::vector<int>& axes);
// For y = scan max or min: at each place the index along the axis that y's element came from.
Value scan_winner(Builder& b, Value y, const ScanAttr& attr);
// For y = scan prod of x: the tangent of y, and the cotangent of x. Loops along the axis.
Value scan_prod_tangent(Builder& b, Value x, Value y, Value tangent, const ScanAttr& attr);
Value scan_prod_cotangent(Builder& b, Value x, Value y, Value ct, const ScanAttr& attr);
// x with index[..] in place of the index along `axis`, and its transpose.
Value gather_along(Builder& b, Value x, Value index, int axis);
Value scatter_along(Builder& b, Value ct, Value index, int axis);

// The cotangent of x under y = reduce(kind, x, axes).
Value reduce_cotangent(Builder& b, ReduceKind kind, const std::vector<int>& axes,
                       const Type& x_type, const std::function<Value()>& x, Value ct);

}  // namespace tenon::ir
