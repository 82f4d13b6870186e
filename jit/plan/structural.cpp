// Views, element access and the nodes that ahead-of-time kernels run.
#include <algorithm>

#include "jit/plan/lower.h"

namespace tenon::plan {

using ir::Node;
using ir::Value;
using loop::kNone;

// ---------------------------------------------------------------- views

void FunctionLowering::view_node(const Node& n) {
  const Value result = n.results[0];
  const ir::Type& t = type(result);
  if (n.op == ir::Op::iota) {
    Place p;
    p.kind = Place::iota;
    p.axis = n.get<ir::IotaAttr>().axis;
    for (DimId d : t.shape) extent(d);
    if (t.dtype == DType::i64) return bind(result, std::move(p));
    Place to = allocate(t);
    copy(p, to, t);
    return bind(result, std::move(to));
  }
  const Value operand = n.operands[0];
  const ir::Type& from = type(operand);
  Place p = place(operand);
  const DimId one = unit_.dims.constant(1), zero = unit_.dims.constant(0);
  if (n.op == ir::Op::stop_gradient) return bind(result, std::move(p));
  if (p.kind == Place::scalar) {  // broadcast or reshape of one number
    if (!t.shape.empty()) {
      p.kind = Place::fill;
      for (DimId d : t.shape) extent(d);
    }
    return bind(result, std::move(p));
  }
  switch (n.op) {
    case ir::Op::retype:
      // Without its size nothing could copy it later, so it is in a block of its own from here on.
      if (t.unsized(unit_.dims) && !(p.kind == Place::memory && p.whole && p.root >= 0)) {
        Place to = allocate(from);
        copy(p, to, from);
        p = std::move(to);
      }
      p.strides = row_major(t.shape);
      return bind(result, std::move(p));
    case ir::Op::broadcast: {
      const auto& attr = n.get<ir::BroadcastAttr>();
      for (DimId d : t.shape) extent(d);
      if (p.kind == Place::iota) p.axis = attr.axes[static_cast<size_t>(p.axis)];
      if (p.kind == Place::memory) {
        std::vector<DimId> strides(t.rank(), zero);
        for (size_t i = 0; i < attr.axes.size(); ++i)
          strides[static_cast<size_t>(attr.axes[i])] = p.strides[i];
        p.strides = std::move(strides);
        p.whole = p.whole && t.rank() == from.rank();
      }
      return bind(result, std::move(p));
    }
    case ir::Op::transpose: {
      const auto& axes = n.get<ir::AxesAttr>().axes;
      if (p.kind == Place::iota)
        p.axis = static_cast<int>(std::find(axes.begin(), axes.end(), p.axis) - axes.begin());
      if (p.kind == Place::memory) {
        std::vector<DimId> strides;
        bool moved = false;
        for (size_t i = 0; i < axes.size(); ++i) {
          strides.push_back(p.strides[static_cast<size_t>(axes[i])]);
          moved |= axes[i] != static_cast<int>(i);
        }
        p.strides = std::move(strides);
        p.whole = p.whole && !moved;
      }
      return bind(result, std::move(p));
    }
    case ir::Op::reshape: {
      for (DimId d : t.shape) extent(d);
      if (framed_reshape(n)) return;
      same_count(from.shape, t.shape);
      if (p.kind == Place::fill) {
        if (t.shape.empty()) p.kind = Place::scalar;
        return bind(result, std::move(p));
      }
      if (t.shape.empty()) {  // one element: its value
        Place s;
        s.kind = Place::scalar;
        s.e = p.kind == Place::iota ? x_.i64(0)
                                    : keep(load_element(x_, t.dtype, p.e, x_.i64(0)), "element");
        return bind(result, std::move(s));
      }
      if (p.kind == Place::iota) {
        Place to = allocate(t);
        copy(p, to, from);
        return bind(result, std::move(to));
      }
      std::vector<DimId> flat = row_major(from.shape);
      bool contiguous = true;
      for (size_t i = 0; i < flat.size(); ++i)
        contiguous &= from.shape[i] == one || flat[i] == p.strides[i];
      if (contiguous) {
        p.strides = row_major(t.shape);
        return bind(result, std::move(p));
      }
      // Axes of size 1 come and go in any view.
      std::vector<DimId> a, b, strides;
      for (size_t i = 0; i < from.rank(); ++i)
        if (from.shape[i] != one) {
          a.push_back(from.shape[i]);
          strides.push_back(p.strides[i]);
        }
      for (DimId d : t.shape)
        if (d != one) b.push_back(d);
      if (a == b) {
        std::vector<DimId> spread(t.rank(), zero);
        for (size_t i = 0, k = 0; i < t.rank(); ++i)
          if (t.shape[i] != one) spread[i] = strides[k++];
        p.strides = std::move(spread);
        p.whole = false;
        return bind(result, std::move(p));
      }
      Place to = allocate(t);
      copy(p, to, from);
      return bind(result, std::move(to));
    }
    case ir::Op::constant:
    case ir::Op::iota:
    case ir::Op::size:
    case ir::Op::slice:
    case ir::Op::update:
    case ir::Op::concat:
    case ir::Op::reduce:
    case ir::Op::arg_reduce:
    case ir::Op::scan:
    case ir::Op::contract:
    case ir::Op::sort:
    case ir::Op::map:
    case ir::Op::scatter:
    case ir::Op::read:
    case ir::Op::call:
    case ir::Op::derive:
    case ir::Op::if_:
    case ir::Op::for_:
    case ir::Op::while_:
    case ir::Op::push:
    case ir::Op::pop:
    case ir::Op::tape_new:
    case ir::Op::tape_end:
    case ir::Op::bind_dim:
    case ir::Op::check:
    case ir::Op::debug:
    case ir::Op::stop_gradient:
    case ir::Op::host:
      TENON_SCALAR_OPS(TENON_SCALAR_CASE)
      break;
  }
  bug("not a view");
}

// A reshape whose counts only the data knows to be equal.
void FunctionLowering::same_count(const std::vector<DimId>& from, const std::vector<DimId>& to) {
  DimId have = unit_.dims.constant(1), want = have;
  for (DimId d : from) have = unit_.dims.mul(have, d);
  for (DimId d : to) want = unit_.dims.mul(want, d);
  if (have == want) return;
  std::string shape;
  std::vector<Expr> values;
  for (DimId d : to) {
    shape += shape.empty() ? "{}" : ", {}";
    values.push_back(dim(d));
  }
  values.push_back(dim(want));
  values.push_back(dim(have));
  trap(x_.compare(Op::ne, dim(have), dim(want)), Code::E0803,
       "reshape to [" + shape + "] needs {} elements and finds {}", {}, std::move(values));
}

// Ends the run when [start, start + stride * (extent - 1)] leaves an axis of `shape`. The starts
// are the operands from `first` on.
void FunctionLowering::check_range(const Node& n, size_t first, const std::vector<DimId>& shape) {
  const auto& attr = n.get<ir::SliceAttr>();
  const size_t rank = shape.size();
  Expr ok = kNone;
  auto need = [&](Expr e) { ok = ok == kNone ? e : x_.binary(Op::band, ok, e); };
  for (size_t i = 0; i < rank; ++i) {
    Expr start = place(n.operands[first + i]).e;
    int64_t s;
    bool at_zero = x_.constant(start, s) && s == 0;
    if (at_zero && attr.strides[i] == 1 && attr.shape[i] == shape[i]) continue;
    auto have = unit_.dims.value(shape[i]), want = unit_.dims.value(attr.shape[i]);
    if (have && want && x_.constant(start, s) && *want > 0 && s >= 0 &&
        s + attr.strides[i] * (*want - 1) < *have)
      continue;
    Expr last = x_.add(extent(attr.shape[i]), x_.i64(-1));
    Expr end = x_.add(start, x_.mul(last, x_.i64(attr.strides[i])));
    if (!want) need(x_.compare(Op::le, x_.i64(0), last));
    if (want && *want == 1) {
      need(x_.compare(Op::ult, start, extent(shape[i])));
      continue;
    }
    if (!at_zero) need(x_.compare(Op::le, x_.i64(0), start));
    need(x_.compare(Op::lt, end, extent(shape[i])));
  }
  if (ok == kNone) return;
  std::vector<Expr> args{x_.i64(node_info(ir::Op::slice, {type(n.operands[0])}))};
  unit_.tables.nodes.back().strides = attr.strides;
  for (DimId d : shape) args.push_back(extent(d));
  for (size_t i = 0; i < rank; ++i) args.push_back(place(n.operands[first + i]).e);
  for (DimId d : attr.shape) args.push_back(extent(d));
  Stmt s{StmtKind::if_};
  s.a = x_.not_(ok);
  s.body = inside([&] { runtime(loop::Runtime::eager, std::move(args)); });
  emit(std::move(s));
}

void FunctionLowering::slice_node(const Node& n) {
  const auto& attr = n.get<ir::SliceAttr>();
  const ir::Type &t = type(n.results[0]), &from = type(n.operands[0]);
  for (DimId d : attr.shape) extent(d);
  check_range(n, 1, from.shape);
  if (from.shape.empty()) return bind(n.results[0], Place(place(n.operands[0])));
  Place p = place(n.operands[0]);
  if (p.kind == Place::fill) return bind(n.results[0], std::move(p));
  bool all = true, prefix = true;
  for (size_t i = 0; i < from.rank(); ++i) {
    const bool same = attr.shape[i] == from.shape[i] && attr.strides[i] == 1;
    int64_t start;
    all &= same;
    prefix &= i > 0 ? same
                    : attr.strides[0] == 1 && x_.constant(place(n.operands[1]).e, start) && start == 0;
  }
  // The first rows of what shrinks in a loop, as the cotangent of what grew does, are at their block's
  // beginning and may go on living in it.
  prefix &= found_in_run(from.shape[0]);
  if (p.kind == Place::iota) {
    if (all) return bind(n.results[0], std::move(p));
    // start + stride * i along its axis: one pass makes it.
    p = in_memory(n.operands[0]);
    // The copy lives on as the result's root.
  }
  Expr offset = x_.i64(0);
  for (size_t i = 0; i < from.rank(); ++i) {
    offset = x_.add(offset, x_.mul(place(n.operands[1 + i]).e, dim(p.strides[i])));
    if (attr.strides[i] != 1)
      p.strides[i] = unit_.dims.mul(p.strides[i], unit_.dims.constant(attr.strides[i]));
  }
  if (!all && !(prefix && p.whole)) {
    p.e = keep(x_.add(p.e, x_.mul(offset, x_.i64(static_cast<int64_t>(size_of(t.dtype))))), "data");
    p.whole = false;
  }
  bind(n.results[0], std::move(p));
}

// update(x, v, starts): in place when x ends here and nobody else has it.
void FunctionLowering::update_node(const Node& n) {
  const auto& attr = n.get<ir::SliceAttr>();
  const ir::Type &t = type(n.results[0]), &part = type(n.operands[1]);
  check_range(n, 2, t.shape);
  if (framed_update(n)) return;
  if (t.shape.empty()) return bind(n.results[0], Place(place(n.operands[1])));
  keep_views_of(n.operands[0]);
  Place x = place(n.operands[0]), v = place(n.operands[1]);
  const DimId one = unit_.dims.constant(1);
  bool single =
      std::all_of(part.shape.begin(), part.shape.end(), [&](DimId d) { return d == one; });
  if (v.kind == Place::iota && !single) v = in_memory(n.operands[1]);
  Expr element = kNone;  // of a single one, read before anything moves
  if (single) {
    element = v.kind == Place::memory ? keep(load_element(x_, t.dtype, v.e, x_.i64(0)), "element")
              : v.kind == Place::iota ? x_.i64(0)
                                      : v.e;
  } else if (v.kind == Place::fill) {
    v = in_memory(n.operands[1]);
  }
  bool alias = v.kind == Place::memory && x.kind == Place::memory && v.root == x.root && !single;
  Var block = take(n.operands[0], !alias);
  Var own = request(loop::Runtime::unique, {x_.var(block), bytes(t), here()}, request_for(t));
  Place p = whole(own, t);
  if (single) {
    Expr index = x_.i64(0);
    for (size_t i = 0; i < t.rank(); ++i)
      index = x_.add(index, x_.mul(place(n.operands[2 + i]).e, dim(p.strides[i])));
    emit(store_element(x_, t.dtype, p.e, index, element));
  } else {
    std::vector<Expr> args{x_.i64(node_info(ir::Op::update, {t, part}))};
    unit_.tables.nodes.back().strides = attr.strides;
    out_view(args, p, t);
    in_view(args, v, part);
    for (size_t i = 0; i < t.rank(); ++i) args.push_back(place(n.operands[2 + i]).e);
    runtime(loop::Runtime::eager, std::move(args));
  }
  bind(n.results[0], std::move(p));
}

// A size that only the run knows, as what grows or shrinks in a loop has.
bool FunctionLowering::found_in_run(DimId d) const {
  for (SymId s : unit_.dims.symbols(d))
    if (!unit_.dims.symbol_info(s).rigid) return true;
  return false;
}

// concat: behind its first part where that is what grows in a loop, ends here, and nobody else has it. Else
// all parts are copied to fresh memory, which has a place of the plan where the sizes are known.
void FunctionLowering::concat_node(const Node& n) {
  const auto axis = static_cast<size_t>(n.get<ir::AxisAttr>().axis);
  const Value first = n.operands[0];
  const ir::Type t = type(n.results[0]), part = type(first);
  bool grows = found_in_run(part.shape[axis]);
  for (size_t i = 0; i < axis; ++i) grows &= unit_.dims.value(t.shape[i]) == int64_t{1};
  if (grows) keep_views_of(first);
  const Place x = place(first);
  grows &= n.operands.size() > 1 && x.kind == Place::memory && x.whole && dies(x.root);
  for (size_t i = 1; i < n.operands.size() && grows; ++i) {
    const Place& p = place(n.operands[i]);
    grows = p.kind != Place::memory || p.root != x.root;
  }
  if (!grows) return eager_node(n);

  std::vector<ir::Type> types;  // of the rest, and of where it goes
  std::vector<Place> rest;
  for (size_t i = 1; i < n.operands.size(); ++i) {
    types.push_back(type(n.operands[i]));
    rest.push_back(in_memory(n.operands[i]));
  }
  types.push_back(t);
  types.back().shape[axis] = unit_.dims.sub(t.shape[axis], part.shape[axis]);
  const Expr used = bytes(part);
  Var block = take(first, true);
  Var own = request(loop::Runtime::grow, {x_.var(block), used, bytes(t), here()}, request_for(t));
  Place p = whole(own, t), tail = p;
  tail.e = keep(x_.add(p.e, used), "tail");
  std::vector<Expr> args{x_.i64(node_info(ir::Op::concat, types))};
  unit_.tables.nodes.back().axes = {static_cast<int>(axis)};
  for (size_t i = 0; i < rest.size(); ++i) in_view(args, rest[i], types[i]);
  out_view(args, tail, types.back());
  runtime(loop::Runtime::eager, std::move(args));
  bind(n.results[0], std::move(p));
}

// ---------------------------------------------------------------- ahead-of-time kernels

// Affine reads were proved or checked before; this is the last fence before the kernel.
void FunctionLowering::check_windows(const Node& n) {
  const auto& spec = *n.get<ir::ContractAttr>().spec;
  Expr some = kNone;  // nothing is read when a range is empty
  for (size_t side = 0; side < 2; ++side) {
    const auto& axes = side == 0 ? spec.a : spec.b;
    const auto& shape = type(n.operands[side]).shape;
    for (size_t k = 0; k < axes.size(); ++k) {
      auto plain = axes[k].plain(unit_.dims);
      if (plain && spec.range[*plain] == shape[k]) continue;
      Expr low = dim(axes[k].offset), high = low, size = extent(shape[k]);
      for (const auto& term : axes[k].terms) {
        Expr most =
            x_.mul(x_.add(extent(spec.range[term.index]), x_.i64(-1)), x_.i64(term.coefficient));
        (term.coefficient < 0 ? low : high) = x_.add(term.coefficient < 0 ? low : high, most);
      }
      if (some == kNone) {
        some = x_.konst(Ty::i1, 1);
        for (DimId d : spec.range)
          some = x_.binary(Op::band, some, x_.compare(Op::lt, x_.i64(0), extent(d)));
        some = keep(some, "some");
      }
      const std::string text = "index {} is outside axis " + std::to_string(k) + " of size {}";
      trap(x_.binary(Op::band, some, x_.compare(Op::lt, low, x_.i64(0))), Code::E0802, text, {},
           {low, size});
      trap(x_.binary(Op::band, some, x_.compare(Op::le, size, high)), Code::E0802, text, {},
           {high, size});
    }
  }
}

void FunctionLowering::eager_node(const Node& n) {
  std::vector<ir::Type> types;
  for (Value v : n.operands) types.push_back(type(v));
  for (Value v : n.results) types.push_back(type(v));
  if (n.op == ir::Op::contract) check_windows(n);
  std::vector<Place> in, out;
  for (Value v : n.operands) in.push_back(framed_.contains(v) ? place(v) : in_memory(v));
  for (Value v : n.results) out.push_back(allocate(type(v)));
  uint32_t id = node_info(n.op, types);
  loop::NodeInfo& info = unit_.tables.nodes.back();
  std::vector<Expr> args{x_.i64(id)};
  for (size_t i = 0; i < in.size(); ++i) {
    if (auto f = framed_.find(n.operands[i]); f != framed_.end()) types[i].shape = f->second.part;
    in_view(args, in[i], types[i]);
  }
  for (size_t i = 0; i < out.size(); ++i) out_view(args, out[i], type(n.results[i]));
  switch (n.op) {
    case ir::Op::reduce:
      info.reduce = n.get<ir::ReduceAttr>().kind;
      info.axes = n.get<ir::ReduceAttr>().axes;
      break;
    case ir::Op::arg_reduce:
      info.reduce = n.get<ir::ArgReduceAttr>().kind;
      info.axes = {n.get<ir::ArgReduceAttr>().axis};
      break;
    case ir::Op::scan:
      info.reduce = n.get<ir::ScanAttr>().kind;
      info.axes = {n.get<ir::ScanAttr>().axis};
      info.reverse = n.get<ir::ScanAttr>().reverse;
      break;
    case ir::Op::concat:
    case ir::Op::sort:
      info.axes = {n.get<ir::AxisAttr>().axis};
      break;
    case ir::Op::contract: {
      const auto& spec = n.get<ir::ContractAttr>().spec;
      info.spec = spec;
      for (DimId d : spec->range) args.push_back(extent(d));
      for (const auto* side : {&spec->a, &spec->b})
        for (const ir::Affine& a : *side) info.offsets |= unit_.dims.value(a.offset) != int64_t{0};
      if (info.offsets)
        for (const auto* side : {&spec->a, &spec->b})
          for (const ir::Affine& a : *side) args.push_back(dim(a.offset));
      // What a training step packs of a weight is used once, unless it is in a loop of that step.
      for (size_t side = 0; side < 2; ++side) {
        if (in[side].root < 0) continue;
        const Root& root = roots_[in[side].root];
        info.weight[side] = root.weight && (root.only_multiplied || frames_.size() > 1);
        if (info.weight[side]) args.push_back(x_.var(root.block));
      }
      for (size_t side = 0; side < 2; ++side) {
        auto f = framed_.find(n.operands[side]);
        if (f == framed_.end()) continue;
        info.framed = static_cast<int>(side);
        info.strides = f->second.steps;
        for (DimId d : type(n.operands[side]).shape) args.push_back(extent(d));
        args.insert(args.end(), f->second.starts.begin(), f->second.starts.end());
      }
      break;
    }
    case ir::Op::update:
    case ir::Op::slice:
    case ir::Op::reshape:
    case ir::Op::broadcast:
    case ir::Op::iota:  // called where they are lowered: their arguments are not a node's
      TENON_NO_NODE_KERNEL
      bug("not a node for an ahead-of-time kernel");
  }
  runtime(loop::Runtime::eager, std::move(args));
  for (size_t i = 0; i < out.size(); ++i) bind_element(n.results[i], std::move(out[i]));
}

void FunctionLowering::bind_element(Value v, Place p) {
  if (!type(v).shape.empty()) return bind(v, std::move(p));
  Place s;  // the memory goes at the end of the group
  s.kind = Place::scalar;
  s.e = keep(load_element(x_, type(v).dtype, p.e, x_.i64(0)), "s");
  bind(v, std::move(s));
}

// check(bool, shown..) and debug(shown..).
void FunctionLowering::check_node(const Node& n) {
  const bool check = n.op == ir::Op::check;
  Expr failed = kNone;
  size_t first = 0;
  if (check) {
    first = 1;
    Value c = n.operands[0];
    if (type(c).scalar()) {
      failed = x_.not_(place(c).e);
    } else {
      ir::Type t = type(c), one = ir::scalar_type(DType::boolean);
      Place in = in_memory(c), out = allocate(one);
      uint32_t id = node_info(ir::Op::reduce, {t, one});
      unit_.tables.nodes.back().reduce = ir::ReduceKind::all;
      for (size_t i = 0; i < t.rank(); ++i)
        unit_.tables.nodes.back().axes.push_back(static_cast<int>(i));
      std::vector<Expr> args{x_.i64(id)};
      in_view(args, in, t);
      out_view(args, out, one);
      runtime(loop::Runtime::eager, std::move(args));
      failed = x_.not_(load_element(x_, DType::boolean, out.e, x_.i64(0)));
    }
  }
  std::vector<ir::Type> types;
  for (size_t i = first; i < n.operands.size(); ++i) types.push_back(type(n.operands[i]));
  uint32_t id = node_info(n.op, types);
  std::vector<Expr> args{x_.i64(id)};
  // Sizes are computed outside the branch, which may never run.
  for (size_t i = first; i < n.operands.size(); ++i) {
    for (DimId d : row_major(type(n.operands[i]).shape)) dim(d);
    bytes(type(n.operands[i]));
    if (place(n.operands[i]).kind == Place::memory)
      for (DimId d : place(n.operands[i]).strides) dim(d);
  }
  auto show = [&] {
    for (size_t i = first; i < n.operands.size(); ++i) {
      Place p = in_memory(n.operands[i]);
      if (place(n.operands[i]).kind != Place::memory && check) roots_[p.root].frame = -1;
      in_view(args, p, type(n.operands[i]));
    }
  };
  if (!check) {
    unit_.tables.nodes[id].text = n.get<ir::TextAttr>().text;
    show();
    runtime(loop::Runtime::debug, std::move(args));
    return;
  }
  const auto& attr = n.get<ir::CheckAttr>();
  unit_.tables.nodes[id].trap = unit_.trap_site(attr.code, n.loc, attr.text, attr.hint, attr.fault);
  Stmt s{StmtKind::if_};
  s.a = failed;
  s.body = inside([&] {
    show();
    runtime(loop::Runtime::check, std::move(args));
  });
  emit(std::move(s));
}

}  // namespace tenon::plan
