// Result types of nodes (infer.h): one written rule per operation. The switch is exhaustive; the
// rules of structure are here, those of nodes with regions and calls in infer_control.cpp.

#include "ir/infer.h"

#include "ir/infer_rules.h"

namespace tenon::ir {
namespace {

Inferred scalar_rule(const Rule& r) {
  const OpFacts& f = facts(r.node.op);
  if (auto bad = r.operands(f.operands)) return *bad;
  const Type& first = r.type(0);
  for (size_t i = 0; i < r.count(); ++i) {
    const Type& t = r.type(i);
    if (t.tape) return r.wrong("a tape is no number");
    if (t.shape != first.shape) return r.wrong("shapes differ");
  }
  auto same_dtype = [&](size_t from) {
    for (size_t i = from + 1; i < r.count(); ++i)
      if (r.type(i).dtype != r.type(from).dtype) return false;
    return true;
  };
  switch (f.cls) {
    case OpClass::number:
      if (first.dtype == DType::boolean) return r.wrong("a bool is no number");
      if (!same_dtype(0)) return r.wrong("dtypes differ");
      return r.one(first);
    case OpClass::float_:
      if (!is_float(first.dtype)) return r.wrong("floats only");
      if (!same_dtype(0)) return r.wrong("dtypes differ");
      return r.one(first);
    case OpClass::integer:
      if (!is_integer(first.dtype)) return r.wrong("integers only");
      if (!same_dtype(0)) return r.wrong("dtypes differ");
      return r.one(first);
    case OpClass::logic:
      if (is_float(first.dtype)) return r.wrong("bools or integers only");
      if (!same_dtype(0)) return r.wrong("dtypes differ");
      return r.one(first);
    case OpClass::compare:
      if (r.node.op != Op::eq && first.dtype == DType::boolean)
        return r.wrong("bools have no order");
      if (!same_dtype(0)) return r.wrong("dtypes differ");
      return r.one({DType::boolean, first.shape});
    case OpClass::special:
      if (r.node.op == Op::select) {
        if (first.dtype != DType::boolean) return r.wrong("the condition is no bool");
        if (!same_dtype(1)) return r.wrong("dtypes differ");
        return r.one(r.type(1));
      }
      if (r.node.op == Op::convert) {
        const auto* a = r.attr<ConvertAttr>();
        if (!a) return r.no_attr();
        return r.one({a->to, first.shape});
      }
      if (first.dtype != DType::i64 || !same_dtype(0)) return r.wrong("key and counter are i64");
      return r.one(first);
    case OpClass::other:
      break;
  }
  return r.wrong("not a scalar operation");
}

Inferred constant_rule(const Rule& r) {
  if (auto bad = r.operands(0)) return *bad;
  const auto* a = r.attr<ConstantAttr>();
  if (!a || !a->literal) return r.no_attr();
  Type t{a->literal->dtype, {}};
  uint64_t count = 1;
  for (int64_t d : a->literal->shape) {
    if (d < 0) return r.wrong("a negative size");
    count *= uint64_t(d);
    t.shape.push_back(r.dims().constant(d));
  }
  if (count * size_of(t.dtype) != a->literal->bytes.size()) return r.wrong("bytes do not fit");
  return r.one(t);
}

Inferred iota_rule(const Rule& r) {
  if (auto bad = r.operands(0)) return *bad;
  const auto* a = r.attr<IotaAttr>();
  if (!a) return r.no_attr();
  if (a->dtype == DType::boolean) return r.wrong("bools do not count");
  if (a->axis < 0 || size_t(a->axis) >= a->shape.size()) return r.wrong("no such axis");
  return r.one({a->dtype, a->shape});
}

Inferred size_rule(const Rule& r) {
  if (auto bad = r.operands(0)) return *bad;
  if (!r.attr<DimAttr>()) return r.no_attr();
  return r.one(scalar_type(DType::i64));
}

Inferred broadcast_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<BroadcastAttr>();
  if (!a) return r.no_attr();
  const Type& x = r.type(0);
  if (a->axes.size() != x.rank()) return r.wrong("one result axis per operand axis");
  if (!ascending(a->axes, a->shape.size())) return r.wrong("axes do not ascend within the rank");
  for (size_t i = 0; i < x.rank(); ++i)
    if (a->shape[a->axes[i]] != x.shape[i]) return r.wrong("a kept axis changes its size");
  return r.one({x.dtype, a->shape});
}

Inferred reshape_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<ShapeAttr>();
  if (!a) return r.no_attr();
  DimId before = r.dims().constant(1), after = before;
  for (DimId d : r.type(0).shape) before = r.dims().mul(before, d);
  for (DimId d : a->shape) after = r.dims().mul(after, d);
  // What cannot be decided here has been checked by the code before it.
  if (r.dims().distance(before, after).value_or(0) != 0)
    return r.wrong("the number of elements changes");
  return r.one({r.type(0).dtype, a->shape});
}

Inferred retype_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<ShapeAttr>();
  if (!a) return r.no_attr();
  const Type& x = r.type(0);
  if (x.rank() != a->shape.size()) return r.wrong("the rank changes");
  for (size_t i = 0; i < x.rank(); ++i)
    if (x.shape[i] != a->shape[i] && x.shape[i] != r.dims().any() && a->shape[i] != r.dims().any())
      return r.wrong("a size changes");
  return r.one({x.dtype, a->shape});
}

Inferred transpose_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<AxesAttr>();
  if (!a) return r.no_attr();
  const Type& x = r.type(0);
  std::vector<bool> seen(x.rank(), false);
  Type t{x.dtype, {}};
  if (a->axes.size() != x.rank()) return r.wrong("not a permutation");
  for (int axis : a->axes) {
    if (axis < 0 || size_t(axis) >= x.rank() || seen[axis]) return r.wrong("not a permutation");
    seen[axis] = true;
    t.shape.push_back(x.shape[axis]);
  }
  return r.one(t);
}

Inferred slice_rule(const Rule& r, size_t first_start) {
  const auto* a = r.attr<SliceAttr>();
  if (!a) return r.no_attr();
  if (r.count() < first_start) return r.wrong("operands are missing");
  for (size_t i = 0; i < first_start; ++i)
    if (r.type(i).tape) return r.wrong("a tape is no tensor");
  const Type& x = r.type(0);
  if (r.count() != first_start + x.rank()) return r.wrong("one start per axis");
  if (a->shape.size() != x.rank() || a->strides.size() != x.rank())
    return r.wrong("one size and stride per axis");
  for (size_t i = first_start; i < r.count(); ++i)
    if (!r.i64(i)) return r.wrong("a start is an i64 scalar");
  for (int64_t s : a->strides)
    if (s < 1) return r.wrong("strides are at least 1");
  if (r.node.op == Op::slice) return r.one({x.dtype, a->shape});
  if (r.type(1).dtype != x.dtype) return r.wrong("dtypes differ");
  if (r.type(1).shape != a->shape) return r.wrong("the shape is not that of what is put in");
  return r.one(x);
}

Inferred concat_rule(const Rule& r) {
  const auto* a = r.attr<AxisAttr>();
  if (!a) return r.no_attr();
  if (r.count() == 0) return r.wrong("nothing to join");
  if (auto bad = r.tensors(int(r.count()))) return *bad;
  Type t = r.type(0);
  if (a->axis < 0 || size_t(a->axis) >= t.rank()) return r.wrong("no such axis");
  for (size_t i = 1; i < r.count(); ++i) {
    const Type& x = r.type(i);
    if (x.dtype != t.dtype) return r.wrong("dtypes differ");
    if (x.rank() != t.rank()) return r.wrong("ranks differ");
    for (size_t k = 0; k < t.rank(); ++k) {
      if (int(k) == a->axis)
        t.shape[k] = r.dims().add(t.shape[k], x.shape[k]);
      else if (t.shape[k] != x.shape[k])
        return r.wrong("sizes of other axes differ");
    }
  }
  return r.one(t);
}

Inferred reduce_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<ReduceAttr>();
  if (!a) return r.no_attr();
  const Type& x = r.type(0);
  if (a->axes.empty() || !ascending(a->axes, x.rank()))
    return r.wrong("axes must ascend within the rank, at least one");
  if (!fits(a->kind, x.dtype)) return r.wrong("the reduction does not suit the dtype");
  Type t{x.dtype, {}};
  for (size_t i = 0, k = 0; i < x.rank(); ++i) {
    if (k < a->axes.size() && a->axes[k] == int(i))
      ++k;
    else
      t.shape.push_back(x.shape[i]);
  }
  return r.one(t);
}

Inferred arg_reduce_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<ArgReduceAttr>();
  if (!a) return r.no_attr();
  Type t = r.type(0);
  if (a->kind != ReduceKind::max && a->kind != ReduceKind::min) return r.wrong("max or min only");
  if (t.dtype == DType::boolean) return r.wrong("a bool is no number");
  if (a->axis < 0 || size_t(a->axis) >= t.rank()) return r.wrong("no such axis");
  t.shape.erase(t.shape.begin() + a->axis);
  return r.one({DType::i64, t.shape});
}

Inferred scan_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<ScanAttr>();
  if (!a) return r.no_attr();
  const Type& x = r.type(0);
  if (a->axis < 0 || size_t(a->axis) >= x.rank()) return r.wrong("no such axis");
  if (!fits(a->kind, x.dtype)) return r.wrong("the scan does not suit the dtype");
  return r.one(x);
}

Inferred contract_rule(const Rule& r) {
  if (auto bad = r.tensors(2)) return *bad;
  const auto* a = r.attr<ContractAttr>();
  if (!a || !a->spec) return r.no_attr();
  const ContractSpec& s = *a->spec;
  const Type& x = r.type(0);
  if (x.dtype != r.type(1).dtype) return r.wrong("dtypes differ");
  if (x.dtype == DType::boolean) return r.wrong("a bool is no number");
  if (s.range.size() > 32) return r.wrong("too many indices");
  for (size_t side = 0; side < 2; ++side) {
    const std::vector<Affine>& axes = side == 0 ? s.a : s.b;
    const Type& t = r.type(side);
    if (axes.size() != t.rank()) return r.wrong("one index expression per operand axis");
    for (size_t k = 0; k < axes.size(); ++k) {
      uint64_t seen = 0;
      for (const Affine::Term& term : axes[k].terms) {
        if (term.index >= s.range.size()) return r.wrong("no such index");
        if (term.coefficient == 0) return r.wrong("an index times 0");
        if (seen >> term.index & 1) return r.wrong("an index twice in one expression");
        seen |= uint64_t{1} << term.index;
      }
      if (auto plain = axes[k].plain(r.dims()); plain && s.range[*plain] != t.shape[k])
        return r.wrong("the range of an index is not the size of its axis");
    }
  }
  Type t{x.dtype, {}};
  uint64_t seen = 0;
  for (uint8_t index : s.out) {
    if (index >= s.range.size()) return r.wrong("no such index");
    if (seen >> index & 1) return r.wrong("an index twice in the result");
    seen |= uint64_t{1} << index;
    t.shape.push_back(s.range[index]);
  }
  return r.one(t);
}

Inferred sort_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<AxisAttr>();
  if (!a) return r.no_attr();
  const Type& x = r.type(0);
  if (a->axis < 0 || size_t(a->axis) >= x.rank()) return r.wrong("no such axis");
  return {{x, {DType::i64, x.shape}}, {}};
}

Inferred read_rule(const Rule& r) {
  if (r.count() == 0 || r.type(0).tape) return r.wrong("a tensor is missing");
  if (r.count() != r.type(0).rank() + 1) return r.wrong("one index per axis");
  for (size_t i = 1; i < r.count(); ++i)
    if (!r.i64(i)) return r.wrong("an index is an i64 scalar");
  return r.one(scalar_type(r.type(0).dtype));
}

Inferred check_rule(const Rule& r) {
  if (!r.attr<CheckAttr>()) return r.no_attr();
  if (r.count() == 0 || r.type(0).tape || r.type(0).dtype != DType::boolean)
    return r.wrong("the condition is no bool");
  if (auto bad = r.tensors(int(r.count()))) return *bad;
  return {};
}

Inferred rule(const Rule& r) {
  const Op op = r.node.op;
  if (is_scalar(op)) return scalar_rule(r);
  switch (op) {
#define SCALAR(name, arity, cls) case Op::name:
    TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
    return scalar_rule(r);
    case Op::constant:
      return constant_rule(r);
    case Op::iota:
      return iota_rule(r);
    case Op::size:
      return size_rule(r);
    case Op::broadcast:
      return broadcast_rule(r);
    case Op::reshape:
      return reshape_rule(r);
    case Op::retype:
      return retype_rule(r);
    case Op::transpose:
      return transpose_rule(r);
    case Op::slice:
      return slice_rule(r, 1);
    case Op::update:
      return slice_rule(r, 2);
    case Op::concat:
      return concat_rule(r);
    case Op::reduce:
      return reduce_rule(r);
    case Op::arg_reduce:
      return arg_reduce_rule(r);
    case Op::scan:
      return scan_rule(r);
    case Op::contract:
      return contract_rule(r);
    case Op::sort:
      return sort_rule(r);
    case Op::map:
      return map_rule(r);
    case Op::scatter:
      return scatter_rule(r);
    case Op::read:
      return read_rule(r);
    case Op::call:
      return call_rule(r);
    case Op::derive:
      return derive_rule(r);
    case Op::if_:
      return if_rule(r);
    case Op::for_:
      return for_rule(r);
    case Op::while_:
      return while_rule(r);
    case Op::push:
      return push_rule(r);
    case Op::pop:
      return pop_rule(r);
    case Op::tape_new:
      return tape_new_rule(r);
    case Op::tape_end:
      return tape_end_rule(r);
    case Op::bind_dim:
      if (auto bad = r.operands(1)) return *bad;
      if (!r.attr<BindAttr>()) return r.no_attr();
      if (!r.i64(0)) return r.wrong("a size is an i64 scalar");
      return {};
    case Op::check:
      return check_rule(r);
    case Op::debug:
      if (!r.attr<TextAttr>()) return r.no_attr();
      if (auto bad = r.tensors(int(r.count()))) return *bad;
      return {};
    case Op::stop_gradient:
      if (auto bad = r.tensors(1)) return *bad;
      return r.one(r.type(0));
    case Op::host: {
      const auto* a = r.attr<HostAttr>();
      if (!a) return r.no_attr();
      if (auto bad = r.tensors(int(r.count()))) return *bad;
      return {a->results, {}};
    }
  }
  return r.wrong("an unknown operation");
}

// Only what hands a value on takes one whose size its type does not tell.
bool hands_on(Op op) {
  return op == Op::retype || op == Op::if_ || op == Op::for_ || op == Op::while_ || op == Op::call ||
         op == Op::derive || op == Op::push || op == Op::pop;
}

}  // namespace

Inferred infer(Module& module, const Function& fn, const Node& node) {
  for (Value v : node.operands)
    if (v >= fn.types.size())
      return {{}, std::string(name(node.op)) + ": an operand does not exist"};
  const Rule r{module, fn, node};
  if (!hands_on(node.op))
    for (Value v : node.operands)
      if (fn.types[v].unsized(module.dims)) return r.wrong("an operand without its size");
  if (std::holds_alternative<std::monostate>(node.attr) != takes_no_attr(node.op))
    return r.no_attr();
  if (node.regions.size() != region_count(node.op)) return r.wrong("a wrong number of regions");
  Inferred result = rule(r);
  for (const Type& t : result.types)
    if (t.rank() > 8) return r.wrong("more than 8 dimensions");
  return result;
}

}  // namespace tenon::ir
