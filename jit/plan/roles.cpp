// What one node may be in a group: the rules that do not look at the other groups.
#include "jit/plan/roles.h"

#include <algorithm>

namespace tenon::plan {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

bool is_view(Op op) {
  return op == Op::broadcast || op == Op::transpose || op == Op::slice || op == Op::reshape ||
         op == Op::stop_gradient;
}

namespace {

bool divides_integers(const ir::Function& fn, const Node& n) {
  return (n.op == Op::div || n.op == Op::rem) && is_integer(fn.type(n.results[0]).dtype);
}

bool plain_map(const ir::Function& fn, const Node& n) {
  return n.op == Op::map && n.get<ir::MapAttr>().red.empty() && !fn.type(n.results[0]).scalar();
}

}  // namespace

bool row_reduce(const ir::Function& fn, const Node& n) {
  if (n.op != Op::reduce) return false;
  const ir::Type& t = fn.type(n.operands[0]);
  const auto& axes = n.get<ir::ReduceAttr>().axes;
  return axes.size() == 1 && axes[0] + 1 == static_cast<int>(t.rank()) && t.rank() >= 2 &&
         (t.dtype == DType::f32 || t.dtype == DType::f64);
}

std::vector<DimId> squeeze(const Dims& dims, const std::vector<DimId>& shape) {
  std::vector<DimId> out;
  for (DimId d : shape)
    if (dims.value(d) != int64_t{1}) out.push_back(d);
  return out;
}

RowRole row_role(const ir::Function& fn, const Dims& dims, const Node& n,
                 const std::vector<DimId>& space) {
  if (n.results.size() != 1 || fn.type(n.results[0]).tape || space.size() < 2) return RowRole::none;
  const auto& shape = fn.type(n.results[0]).shape;
  const std::vector<DimId> rows(space.begin(), space.end() - 1);
  auto narrow = [&](const std::vector<DimId>& s) {
    return !s.empty() && squeeze(dims, s) == squeeze(dims, rows);
  };
  if (row_reduce(fn, n))
    return fn.type(n.operands[0]).shape == space ? RowRole::reduce : RowRole::none;
  if (is_scalar(n.op) && !keeps_order(fn, n)) {
    if (shape == space) return RowRole::wide;
    return narrow(shape) ? RowRole::narrow : RowRole::none;
  }
  if (n.op == Op::broadcast) {
    const auto& from = fn.type(n.operands[0]).shape;
    if (shape != space || !narrow(from)) return RowRole::none;
    const auto& axes = n.get<ir::BroadcastAttr>().axes;
    for (size_t i = 0; i < axes.size(); ++i)
      if (dims.value(from[i]) != int64_t{1} && axes[i] + 1 >= static_cast<int>(space.size()))
        return RowRole::none;
    return RowRole::spread;
  }
  if (n.op == Op::reshape || n.op == Op::stop_gradient) {
    const auto& from = fn.type(n.operands[0]).shape;
    if (narrow(from) && narrow(shape)) return RowRole::same;
    if (n.op == Op::stop_gradient && shape == space) return RowRole::same;
  }
  return RowRole::none;
}

bool block_product(const ir::Function& fn, const Dims& dims, const Node& n,
                   const std::vector<DimId>& space, int side, std::vector<int>& axis) {
  if (n.op != Op::contract || space.size() < 3) return false;
  const DType t = fn.type(n.results[0]).dtype;
  if (t != DType::f32 && t != DType::f64) return false;
  const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
  auto in_result = [&](uint8_t i) {
    return std::find(spec.out.begin(), spec.out.end(), i) != spec.out.end();
  };
  const size_t row = space.size() - 2;
  axis.assign(spec.range.size(), -1);
  if (side < 0) {
    if (fn.type(n.results[0]).shape != space) return false;
    for (size_t k = 0; k <= row; ++k) axis[spec.out[k]] = static_cast<int>(k);
  } else {
    if (fn.type(n.operands[static_cast<size_t>(side)]).shape != space) return false;
    const auto& reads = side == 0 ? spec.a : spec.b;
    for (size_t k = 0; k < space.size(); ++k) {
      const auto i = reads[k].plain(dims);
      if (!i || spec.range[*i] != space[k] || axis[*i] >= 0) return false;
      if (in_result(*i) != (k <= row)) return false;
      if (k <= row) axis[*i] = static_cast<int>(k);
    }
  }
  bool shared = false, free = false;  // by rows of one slab; an index that one operand has alone
  std::vector<char> in[2] = {std::vector<char>(spec.range.size()),
                             std::vector<char>(spec.range.size())};
  for (size_t s = 0; s < 2; ++s)
    for (const ir::Affine& a : s == 0 ? spec.a : spec.b) {
      if (dims.value(a.offset) != int64_t{0}) return false;
      for (const ir::Affine::Term& term : a.terms) {
        in[s][term.index] = 1;
        if (axis[term.index] >= 0 && !a.plain(dims)) return false;
      }
    }
  for (uint8_t i : spec.out) {
    const bool both = in[0][i] && in[1][i];
    free |= !both;
    shared |= both && axis[i] >= 0 && axis[i] < static_cast<int>(row);
  }
  return shared && free;
}

bool stretch_product(const ir::Function& fn, const Dims& dims, const Node& n,
                     const std::vector<DimId>& space, int side, std::vector<int>& axis) {
  if (n.op != Op::contract || space.size() < 3) return false;
  const DType t = fn.type(n.results[0]).dtype;
  if (t != DType::f32 && t != DType::f64) return false;
  const ir::ContractSpec& spec = *n.get<ir::ContractAttr>().spec;
  axis.assign(spec.range.size(), -1);
  std::vector<char> in[2] = {std::vector<char>(spec.range.size()),
                             std::vector<char>(spec.range.size())};
  for (size_t s = 0; s < 2; ++s)
    for (const ir::Affine& a : s == 0 ? spec.a : spec.b) {
      const auto i = a.plain(dims);
      if (!i || in[s][*i]) return false;
      in[s][*i] = 1;
    }
  if (fn.type(n.operands[static_cast<size_t>(side)]).shape != space) return false;
  const auto& reads = side == 0 ? spec.a : spec.b;
  const auto& other = in[1 - side];
  const size_t row = space.size() - 2;
  std::vector<char> out(spec.range.size());
  for (uint8_t i : spec.out) out[i] = 1;
  for (size_t k = 0; k < space.size(); ++k) {
    const auto i = *reads[k].plain(dims);
    if (spec.range[i] != space[k]) return false;
    if (k <= row) axis[i] = static_cast<int>(k);
    // Slabs are batches, rows are summed, columns stay.
    if (static_cast<bool>(other[i]) != (k <= row) || static_cast<bool>(out[i]) != (k != row))
      return false;
  }
  for (size_t i = 0; i < spec.range.size(); ++i)
    if (!out[i] && axis[i] != static_cast<int>(row)) return false;
  return true;
}

bool is_point(const ir::Function& fn, const Node& n) {
  return (is_scalar(n.op) && !fn.type(n.results[0]).scalar()) || plain_map(fn, n);
}

bool keeps_order(const ir::Function& fn, const Node& n) {
  if (is_scalar(n.op)) return divides_integers(fn, n);
  switch (n.op) {
    case Op::constant:
    case Op::iota:
    case Op::size:
    case Op::broadcast:
    case Op::reshape:
    case Op::retype:
    case Op::transpose:
    case Op::concat:
    case Op::reduce:
    case Op::scan:
    case Op::contract:
    case Op::sort:
    case Op::stop_gradient:
      return false;
    case Op::arg_reduce:
    case Op::slice:
    case Op::update:
    case Op::map:
    case Op::scatter:
    case Op::read:
    case Op::call:
    case Op::derive:
    case Op::if_:
    case Op::for_:
    case Op::while_:
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::host:
#define SCALAR(name, arity, cls) case Op::name:
      TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      break;
  }
  return true;
}

std::vector<Value> used_in(const Region& region) {
  std::vector<Value> list = region.results;
  for (const Node& n : region.nodes) {
    list.insert(list.end(), n.operands.begin(), n.operands.end());
    for (const Region& inner : n.regions) {
      auto deep = used_in(inner);
      list.insert(list.end(), deep.begin(), deep.end());
    }
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace tenon::plan
