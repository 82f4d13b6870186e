// Transposes of the linear structural operations (transpose_rules.h).

#include "ir/passes/transpose_rules.h"

#include <algorithm>

#include "ir/passes/differentiate_point.h"

namespace tenon::ir {

std::vector<int> other_axes(size_t rank, const std::vector<int>& axes) {
  std::vector<int> out;
  for (int i = 0; i < int(rank); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) out.push_back(i);
  return out;
}

Value sum_over(Builder& b, Value v, const std::vector<int>& axes) {
  std::vector<int> trailing, rest = axes;
  int last = int(b.type(v).rank()) - 1;
  while (!rest.empty() && rest.back() == last) {
    trailing.insert(trailing.begin(), last--);
    rest.pop_back();
  }
  return b.reduce(ReduceKind::sum, b.reduce(ReduceKind::sum, v, trailing), rest);
}

Value index_constant(Builder& b, DimId d) {
  const auto known = b.dims().value(d);
  return known ? b.integer(*known) : b.size(d);
}

namespace {

struct Contraction {
  BackwardSite& site;
  const ContractSpec& spec;
  const std::vector<Affine>&own, &other;  // the operand that wants a cotangent, and the other
  const Type own_type;
  Value other_value, ct;

  bool mentions(const std::vector<Affine>& axes, int index, size_t except = ~size_t{0}) const {
    for (size_t k = 0; k < axes.size(); ++k)
      for (const Affine::Term& t : axes[k].terms)
        if (k != except && t.index == index) return true;
    return false;
  }
  int out_axis(int index) const {
    for (size_t k = 0; k < spec.out.size(); ++k)
      if (spec.out[k] == index) return int(k);
    return -1;
  }

  // The index that runs along each axis of the result: empty when there is no such choice.
  std::vector<int> leads() const {
    std::vector<int> out;
    for (size_t k = 0; k < own.size(); ++k) {
      int lead = -1;
      if (auto plain = own[k].plain(site.b.dims())) {
        lead = *plain;
      } else {
        for (const Affine::Term& t : own[k].terms)
          if (lead < 0 && t.coefficient >= 1 && out_axis(t.index) >= 0 &&
              !mentions(other, t.index) && !mentions(own, t.index, k))
            lead = t.index;
      }
      if (lead < 0 || std::find(out.begin(), out.end(), lead) != out.end()) return {};
      out.push_back(lead);
    }
    return out;
  }

  // own axis k reads at p*c + sum r*d + offset with lead p. Along p the cotangent is spread out to
  // stride c and padded, then read at p' - sum r*d for each p' of the axis: a contraction again.
  Value contract(const std::vector<int>& leads) {
    Builder& b = site.b;
    Dims& dims = b.dims();
    std::vector<DimId> range;
    for (DimId d : spec.range) range.push_back(site.dim(d));
    const DimId zero = dims.constant(0);
    std::vector<Affine> ct_axes;
    for (uint8_t index : spec.out) ct_axes.push_back({{{index, 1}}, zero});
    Type spread = b.type(ct);
    SliceAttr place{spread.shape, std::vector<int64_t>(spread.rank(), 1)};
    std::vector<DimId> starts(spread.rank(), zero);
    bool moved = false;
    std::vector<uint8_t> order;  // of the indices: those of windows first, as where it was written
    for (size_t k = 0; k < own.size(); ++k) {
      if (own[k].plain(dims)) continue;
      moved = true;
      const int lead = leads[k], axis = out_axis(lead);
      DimId below = zero, above = zero;  // how far the other terms reach
      Affine read{{{uint8_t(lead), 1}}, zero};
      for (const Affine::Term& t : own[k].terms) {
        if (t.index == lead) {
          place.strides[axis] = t.coefficient;
          continue;
        }
        const DimId reach =
            dims.mul(dims.constant(t.coefficient), dims.sub(range[t.index], dims.constant(1)));
        DimId& side = t.coefficient > 0 ? above : below;
        side = dims.add(side, reach);
        read.terms.push_back({t.index, -t.coefficient});
        if (std::find(order.begin(), order.end(), t.index) == order.end()) order.push_back(t.index);
      }
      read.offset = above;
      ct_axes[axis] = read;
      starts[axis] = dims.add(site.dim(own[k].offset), above);
      range[lead] = own_type.shape[k];
      spread.shape[axis] = dims.add(own_type.shape[k], dims.sub(above, below));
    }
    if (moved) {
      std::vector<Value> operands{b.zeros(spread), ct};
      for (DimId s : starts) operands.push_back(index_constant(b, s));
      ct = b.one(Op::update, operands, place);
    }
    // An index that only this operand had: the cotangent is the same all along it.
    std::vector<uint8_t> number(range.size(), 0);
    auto result = std::make_shared<ContractSpec>();
    auto bare = [&](int index) { return !mentions(ct_axes, index) && !mentions(other, index); };
    for (size_t i = 0; i < range.size(); ++i)
      if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(uint8_t(i));
    for (uint8_t i : order) {
      number[i] = uint8_t(result->range.size());
      if (!bare(i)) result->range.push_back(range[i]);
    }
    auto renumber = [&](std::vector<Affine> axes) {
      for (Affine& a : axes) {
        a.offset = site.dim(a.offset);
        for (Affine::Term& t : a.terms) t.index = number[t.index];
        std::sort(a.terms.begin(), a.terms.end(),
                  [](const Affine::Term& x, const Affine::Term& y) { return x.index < y.index; });
      }
      return axes;
    };
    result->a = renumber(ct_axes);
    result->b = renumber(other);
    std::vector<int> kept;
    for (size_t k = 0; k < leads.size(); ++k) {
      if (bare(leads[k])) continue;
      kept.push_back(int(k));
      result->out.push_back(number[leads[k]]);
    }
    const Value v = b.one(Op::contract, {ct, other_value}, ContractAttr{result});
    return b.broadcast(v, own_type.shape, kept);
  }

  Value scatter_into(Value total) {
    Builder& b = site.b;
    std::vector<DimId> range;
    for (DimId d : spec.range) range.push_back(site.dim(d));
    if (total == kNoValue) total = b.zeros(own_type);
    const std::vector<Value> index =
        b.open(std::vector<Type>(range.size(), scalar_type(DType::i64)));
    auto at = [&](const Affine& a) {
      Value sum = index_constant(b, site.dim(a.offset));
      for (const Affine::Term& t : a.terms) {
        const Value step = b.one(Op::mul, {index[t.index], b.integer(t.coefficient)});
        sum = b.one(Op::add, {sum, step});
      }
      return sum;
    };
    std::vector<Value> read_ct{ct}, read_other{other_value}, yield;
    for (uint8_t i : spec.out) read_ct.push_back(index[i]);
    for (const Affine& a : other) read_other.push_back(at(a));
    for (const Affine& a : own) yield.push_back(at(a));
    const Value u = b.one(Op::read, read_ct);
    yield.push_back(b.one(Op::mul, {u, b.one(Op::read, read_other)}));
    std::vector<Region> body;
    body.push_back(b.close(yield));
    return b.one(Op::scatter, {total}, ScatterAttr{range}, std::move(body));
  }
};

std::vector<Value> starts_of(BackwardSite& site, const Node& node, size_t first) {
  std::vector<Value> out;
  for (size_t i = first; i < node.operands.size(); ++i)
    out.push_back(site.primal(node.operands[i]));
  return out;
}

std::vector<Value> joined(std::vector<Value> a, const std::vector<Value>& more) {
  a.insert(a.end(), more.begin(), more.end());
  return a;
}

}  // namespace

void add_part(BackwardSite& site, Value source, Value ct, const std::vector<Value>& starts,
              const std::vector<int64_t>& strides) {
  Builder& b = site.b;
  const SliceAttr place{b.type(ct).shape, strides};
  Value total = site.total(source);
  if (total == kNoValue) {
    total = b.zeros(site.type(source));
  } else {
    const Value before = b.one(Op::slice, joined({total}, starts), place);
    ct = b.one(Op::add, {before, ct});
  }
  site.set_total(source, b.one(Op::update, joined({total, ct}, starts), place));
}

void transpose(BackwardSite& site, const Function& source, const Node& node,
               const std::vector<Value>& cts) {
  Builder& b = site.b;
  const Value ct = cts.empty() ? kNoValue : cts[0];
  auto operand = [&](size_t i) { return node.operands[i]; };
  auto wants = [&](size_t i) { return ct != kNoValue && site.active(operand(i)); };
  switch (node.op) {
#define SCALAR(name, arity, cls) case Op::name:
    TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
    bug("a scalar operation has partials, not a transpose");
    case Op::constant:
    case Op::iota:
    case Op::size:
    case Op::arg_reduce:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::stop_gradient:
      return;
    case Op::broadcast: {
      if (!wants(0)) return;
      const auto& axes = node.get<BroadcastAttr>().axes;
      site.add(operand(0), sum_over(b, ct, other_axes(b.type(ct).rank(), axes)));
      return;
    }
    case Op::retype:  // a cotangent has its sizes, as that of the operand (differentiate_reverse.h)
      if (wants(0)) {
        const Type have = b.type(ct), want = site.type(operand(0));
        Value given = ct;
        if (have != want) {
          std::vector<DimId> between = want.shape;
          for (size_t i = 0; i < between.size(); ++i)
            if (between[i] != have.shape[i]) between[i] = b.dims().any();
          given = b.one(Op::retype, {b.one(Op::retype, {ct}, ShapeAttr{between})},
                        ShapeAttr{want.shape});
        }
        site.add(operand(0), given);
      }
      return;
    case Op::reshape:
      if (wants(0)) site.add(operand(0), b.reshape(ct, site.type(operand(0)).shape));
      return;
    case Op::transpose: {
      if (!wants(0)) return;
      const auto& axes = node.get<AxesAttr>().axes;
      std::vector<int> inverse(axes.size());
      for (size_t i = 0; i < axes.size(); ++i) inverse[axes[i]] = int(i);
      site.add(operand(0), b.transpose(ct, inverse));
      return;
    }
    case Op::slice: {
      if (!wants(0)) return;
      add_part(site, operand(0), ct, starts_of(site, node, 1), node.get<SliceAttr>().strides);
      return;
    }
    case Op::update: {
      if (!wants(0) && !wants(1)) return;
      const SliceAttr place{site.type(operand(1)).shape, node.get<SliceAttr>().strides};
      const std::vector<Value> starts = starts_of(site, node, 2);
      if (wants(1)) site.add(operand(1), b.one(Op::slice, joined({ct}, starts), place));
      if (!wants(0)) return;
      const Value zero = b.zeros(site.type(operand(1)));
      site.add(operand(0), b.one(Op::update, joined({ct, zero}, starts), place));
      return;
    }
    case Op::concat: {
      const int axis = node.get<AxisAttr>().axis;
      std::vector<DimId> start{b.dims().constant(0)};
      for (Value v : node.operands)
        start.push_back(b.dims().add(start.back(), site.type(v).shape[axis]));
      for (size_t i = node.operands.size(); i-- > 0;) {
        if (!wants(i)) continue;
        const Type t = site.type(operand(i));
        std::vector<Value> operands{ct};
        for (int k = 0; k < int(t.rank()); ++k)
          operands.push_back(k == axis ? index_constant(b, start[i]) : b.integer(0));
        site.add(operand(i),
                 b.one(Op::slice, operands, SliceAttr{t.shape, std::vector<int64_t>(t.rank(), 1)}));
      }
      return;
    }
    case Op::reduce: {
      if (!wants(0)) return;
      const auto& a = node.get<ReduceAttr>();
      site.add(operand(0), reduce_cotangent(
                               b, a.kind, a.axes, site.type(operand(0)),
                               [&] { return site.primal(operand(0)); }, ct));
      return;
    }
    case Op::scan: {
      if (!wants(0)) return;
      const auto& a = node.get<ScanAttr>();
      switch (a.kind) {
        case ReduceKind::sum:
          site.add(operand(0), b.one(Op::scan, {ct}, ScanAttr{a.kind, a.axis, !a.reverse}));
          return;
        case ReduceKind::prod: {
          const Value x = site.primal(operand(0)), y = site.primal(node.results[0]);
          site.add(operand(0), scan_prod_cotangent(b, x, y, ct, a));
          return;
        }
        case ReduceKind::max:
        case ReduceKind::min: {
          const Value index = scan_winner(b, site.primal(node.results[0]), a);
          site.add(operand(0), scatter_along(b, ct, index, a.axis));
          return;
        }
        case ReduceKind::any:
        case ReduceKind::all:
          bug("a bool carries no derivative");
      }
      return;
    }
    case Op::contract: {
      const ContractSpec& spec = *node.get<ContractAttr>().spec;
      for (size_t i = 2; i-- > 0;) {
        if (!wants(i)) continue;
        Contraction c{site,
                      spec,
                      i == 0 ? spec.a : spec.b,
                      i == 0 ? spec.b : spec.a,
                      site.type(operand(i)),
                      site.primal(operand(1 - i)),
                      ct};
        const std::vector<int> leads = c.leads();
        if (leads.size() == c.own.size())
          site.add(operand(i), c.contract(leads));
        else
          site.set_total(operand(i), c.scatter_into(site.total(operand(i))));
      }
      return;
    }
    case Op::sort:
      if (wants(0))
        site.add(operand(0),
                 scatter_along(b, ct, site.primal(node.results[1]), node.get<AxisAttr>().axis));
      return;
    case Op::read: {
      if (!wants(0)) return;
      const std::vector<DimId> one(site.type(operand(0)).rank(), b.dims().constant(1));
      add_part(site, operand(0), b.reshape(ct, one), starts_of(site, node, 1),
               std::vector<int64_t>(one.size(), 1));
      return;
    }
    case Op::map:
    case Op::scatter:
      if (ct != kNoValue) point_cotangents(site, source, node, ct);
      return;
    case Op::call:
    case Op::derive:
    case Op::if_:
    case Op::for_:
    case Op::while_:
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end:
    case Op::host:
      bug("not a structural operation");
  }
}

}  // namespace tenon::ir
