// Derivatives of the reductions and scans, of which only sums are linear (transpose_rules.h). max
// and min go to their first winner only; prod is written so that elements that are 0 get their due.

#include "ir/passes/transpose_rules.h"

namespace tenon::ir {
namespace {

// x with `axes` behind all others and merged into one, and the way back.
struct Merged {
  Builder& b;
  std::vector<int> order, inverse;
  std::vector<DimId> apart, shape;  // transposed, and then merged

  Merged(Builder& builder, const Type& t, const std::vector<int>& axes) : b(builder) {
    order = other_axes(t.rank(), axes);
    for (int a : order) shape.push_back(t.shape[a]);
    DimId product = b.dims().constant(1);
    for (int a : axes) {
      order.push_back(a);
      product = b.dims().mul(product, t.shape[a]);
    }
    shape.push_back(product);
    inverse.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      apart.push_back(t.shape[order[i]]);
      inverse[order[i]] = int(i);
    }
  }
  int axis() const { return int(shape.size()) - 1; }
  Value in(Value x) { return b.reshape(b.transpose(x, order), shape); }
  Value out(Value m) { return b.transpose(b.reshape(m, apart), inverse); }
};

// The body of a map over `shape`: gives it the indices, takes the scalar. The shape is a copy, since it
// may stand in the table of types, which grows here.
Value map_over(Builder& b, std::vector<DimId> shape,
               const std::function<Value(std::vector<Value>&)>& body) {
  std::vector<Value> index = b.open(std::vector<Type>(shape.size(), scalar_type(DType::i64)));
  std::vector<Region> regions;
  const Value v = body(index);
  regions.push_back(b.close({v}));
  return b.one(Op::map, {}, MapAttr{shape, {}, ReduceKind::sum}, std::move(regions));
}

Value read(Builder& b, Value x, std::vector<Value> index) {
  index.insert(index.begin(), x);
  return b.one(Op::read, std::move(index));
}

// The place before `at` in the order of a scan, or `at` itself at the start; and whether it is
// that.
struct Before {
  Value index, first;
};
Before before(Builder& b, Value at, DimId n, bool reverse) {
  const Value one = b.integer(1);
  const Value end = reverse ? b.one(Op::sub, {index_constant(b, n), one}) : b.integer(0);
  const Value first = b.one(Op::eq, {at, end});
  const Value step = b.one(reverse ? Op::add : Op::sub, {at, one});
  return {b.one(Op::select, {first, at, step}), first};
}

// Along an axis: y[k-1] of an inclusive scan of products, 1 at the start.
Value exclusive(Builder& b, Value y, int axis, bool reverse) {
  const Type t = b.type(y);
  return map_over(b, t.shape, [&](std::vector<Value>& index) {
    const Before prev = before(b, index[axis], t.shape[axis], reverse);
    index[axis] = prev.index;
    return b.one(Op::select, {prev.first, b.number(t.dtype, 1), read(b, y, index)});
  });
}

// A loop along an axis over rows of size 1: body(row of each input, carries) -> (row of the result,
// carries). `reverse` runs from the end.
Value loop_along(
    Builder& b, const std::vector<Value>& inputs, int axis, bool reverse,
    const std::vector<double>& init,
    const std::function<std::vector<Value>(std::vector<Value>, std::vector<Value>)>& body) {
  const Type t = b.type(inputs[0]);
  Type row = t;
  row.shape[axis] = b.dims().constant(1);
  const SliceAttr place{row.shape, std::vector<int64_t>(t.rank(), 1)};
  const Value lo = b.integer(0), hi = index_constant(b, t.shape[axis]);
  std::vector<Value> operands{lo, hi, b.zeros(t)};
  std::vector<Type> params{scalar_type(DType::i64), t};
  for (double v : init) {
    operands.push_back(b.fill(b.number(t.dtype, v), row.shape));
    params.push_back(row);
  }
  const std::vector<Value> p = b.open(params);
  Value at = p[0];
  if (reverse) at = b.one(Op::sub, {b.one(Op::sub, {hi, b.integer(1)}), at});
  std::vector<Value> starts(t.rank());
  for (int k = 0; k < int(t.rank()); ++k) starts[k] = k == axis ? at : b.integer(0);
  auto with_starts = [&](std::vector<Value> v) {
    v.insert(v.end(), starts.begin(), starts.end());
    return v;
  };
  std::vector<Value> rows;
  for (Value v : inputs) rows.push_back(b.one(Op::slice, with_starts({v}), place));
  std::vector<Value> out = body(rows, {p.begin() + 2, p.end()});
  out[0] = b.one(Op::update, with_starts({p[1], out[0]}), place);
  std::vector<Region> regions;
  regions.push_back(b.close(out));
  return b.emit(Op::for_, operands, {}, std::move(regions)).results[0];
}

}  // namespace

Value first_winner(Builder& b, ReduceKind kind, Value x, const std::vector<int>& axes) {
  if (axes.size() > 1) {
    Merged merged(b, b.type(x), axes);
    return merged.out(first_winner(b, kind, merged.in(x), {merged.axis()}));
  }
  const Type t = b.type(x);
  const Value winner = b.one(Op::arg_reduce, {x}, ArgReduceAttr{kind, axes[0]});
  const Value everywhere = b.broadcast(winner, t.shape, other_axes(t.rank(), axes));
  return b.one(Op::eq, {b.one(Op::iota, {}, IotaAttr{DType::i64, t.shape, axes[0]}), everywhere});
}

Value product_of_others(Builder& b, Value x, const std::vector<int>& axes) {
  if (axes.size() > 1) {
    Merged merged(b, b.type(x), axes);
    return merged.out(product_of_others(b, merged.in(x), {merged.axis()}));
  }
  const int axis = axes[0];
  const Value up = b.one(Op::scan, {x}, ScanAttr{ReduceKind::prod, axis, false});
  const Value down = b.one(Op::scan, {x}, ScanAttr{ReduceKind::prod, axis, true});
  const Value below = exclusive(b, up, axis, false), above = exclusive(b, down, axis, true);
  return b.one(Op::mul, {below, above});
}

Value reduce_cotangent(Builder& b, ReduceKind kind, const std::vector<int>& axes,
                       const Type& x_type, const std::function<Value()>& x, Value ct) {
  const Value everywhere = b.broadcast(ct, x_type.shape, other_axes(x_type.rank(), axes));
  switch (kind) {
    case ReduceKind::sum:
      return everywhere;
    case ReduceKind::prod:
      return b.one(Op::mul, {everywhere, product_of_others(b, x(), axes)});
    case ReduceKind::max:
    case ReduceKind::min: {
      const Value wins = first_winner(b, kind, x(), axes);
      return b.one(Op::select, {wins, everywhere, b.zeros(x_type)});
    }
    case ReduceKind::any:
    case ReduceKind::all:
      break;
  }
  bug("a bool carries no derivative");
}

Value scan_winner(Builder& b, Value y, const ScanAttr& attr) {
  const Type t = b.type(y);
  // Where the running winner changes, its place; elsewhere the start, which never wins later.
  const Value start = attr.reverse ? index_constant(b, t.shape[attr.axis]) : b.integer(-1);
  const Value changes = map_over(b, t.shape, [&](std::vector<Value>& index) {
    const Value at = index[attr.axis], now = read(b, y, index);
    const Before prev = before(b, at, t.shape[attr.axis], attr.reverse);
    index[attr.axis] = prev.index;
    const Value then = read(b, y, index);
    const Value number = b.one(Op::eq, {then, then});  // a NaN stays to the end
    const Value differs = b.one(Op::and_, {number, b.one(Op::not_, {b.one(Op::eq, {now, then})})});
    return b.one(Op::select, {b.one(Op::or_, {prev.first, differs}), at, start});
  });
  const ReduceKind kind = attr.reverse ? ReduceKind::min : ReduceKind::max;
  return b.one(Op::scan, {changes}, ScanAttr{kind, attr.axis, attr.reverse});
}

Value scan_prod_tangent(Builder& b, Value x, Value y, Value tangent, const ScanAttr& attr) {
  // dy[k] = dy[k-1]*x[k] + y[k-1]*dx[k]
  return loop_along(b, {x, y, tangent}, attr.axis, attr.reverse, {0, 1},
                    [&](std::vector<Value> row, std::vector<Value> carry) -> std::vector<Value> {
                      const Value a = b.one(Op::mul, {carry[0], row[0]});
                      const Value c = b.one(Op::mul, {carry[1], row[2]});
                      const Value dy = b.one(Op::add, {a, c});
                      return {dy, dy, row[1]};
                    });
}

Value scan_prod_cotangent(Builder& b, Value x, Value y, Value ct, const ScanAttr& attr) {
  // dx[i] = (product before i) * r[i] with r[i] = ct[i] + x[i+1]*r[i+1]
  const Value r =
      loop_along(b, {x, ct}, attr.axis, !attr.reverse, {0, 0},
                 [&](std::vector<Value> row, std::vector<Value> carry) -> std::vector<Value> {
                   const Value later = b.one(Op::mul, {carry[0], carry[1]});
                   const Value now = b.one(Op::add, {row[1], later});
                   return {now, now, row[0]};
                 });
  return b.one(Op::mul, {r, exclusive(b, y, attr.axis, attr.reverse)});
}

Value gather_along(Builder& b, Value x, Value index, int axis) {
  return map_over(b, b.type(index).shape, [&](std::vector<Value>& at) {
    const Value from = read(b, index, at);
    at[axis] = from;
    return read(b, x, at);
  });
}

Value scatter_along(Builder& b, Value ct, Value index, int axis) {
  const Type t = b.type(ct);
  const Value zero = b.zeros(t);
  std::vector<Value> at = b.open(std::vector<Type>(t.rank(), scalar_type(DType::i64)));
  const Value v = read(b, ct, at), to = read(b, index, at);
  at[axis] = to;
  at.push_back(v);
  std::vector<Region> regions;
  regions.push_back(b.close(at));
  return b.one(Op::scatter, {zero}, ScatterAttr{t.shape}, std::move(regions));
}

}  // namespace tenon::ir
