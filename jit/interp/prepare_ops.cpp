// The operations: which handler runs a node, with what; elementwise groups; constants.
#include <algorithm>

#include "ir/literal.h"
#include "jit/interp/handlers.h"
#include "jit/interp/prepare.h"

namespace tenon::interp {

using ir::Node;
using ir::Op;
using ir::Value;

void Preparer::scalar_node(const Node& n) {
  uint32_t in[3] = {0, 0, 0};
  for (size_t i = 0; i < n.operands.size(); ++i) in[i] = slot(n.operands[i]);
  const uint32_t out = define(n.results[0]);
  // select takes its dtype from its arms
  const Value shown = n.op == Op::select ? n.operands[1] : n.operands[0];
  emit(scalar_handler(n.op, type(shown).dtype, type(n.results[0]).dtype), out, in[0], in[1], in[2]);
}

void Preparer::group(const Item& item, Dying& dying) {
  Points p;
  std::map<Value, int> slots;
  for (Value v : item.uses) slots[v] = p.program.input(type(v).dtype);
  for (const Node* n : item.group) {
    int in[3];
    for (size_t i = 0; i < n->operands.size(); ++i) {
      auto it = slots.find(n->operands[i]);
      in[i] = it != slots.end() ? it->second : slots.at(splat_of(n->operands[i]));
    }
    slots[n->results[0]] = n->op == Op::convert
                               ? p.program.convert(in[0], n->get<ir::ConvertAttr>().to)
                               : p.program.op_n(n->op, in, static_cast<int>(n->operands.size()));
  }
  p.shape = shape_ref(type(item.group[0]->results[0]).shape);
  p.operands = uses(item.uses, dying);
  for (Value v : item.defs) {
    p.program.result(slots.at(v));
    p.results.push_back(define(v));
    p.types.push_back(type(v).dtype);
    std::vector<int> over;
    for (size_t i = 0; i < p.operands.size(); ++i)
      if (p.operands[i].dies && size_of(p.operands[i].dtype) == size_of(type(v).dtype))
        over.push_back(static_cast<int>(i));
    p.may_replace.push_back(std::move(over));
  }
  p.program.finish();
  require(p.operands.size() <= kMostOperands && p.results.size() <= kMostOperands,
          "a group of point nodes is too large");
  emit(run_group).data = own(std::move(p));
}

// ---------------------------------------------------------------- effects

void Preparer::check_node(const Node& n) {
  Check c;
  c.attr = n.get<ir::CheckAttr>();
  c.condition = borrow(n.operands[0]);
  for (size_t i = 1; i < n.operands.size(); ++i) c.shown.push_back(borrow(n.operands[i]));
  emit(run_check).data = own(std::move(c));
}

void Preparer::host_node(const Node& n, Dying& dying) {
  HostCall h;
  h.attr = n.get<ir::HostAttr>();
  h.operands = uses(n.operands, dying);
  for (Value v : n.results) {
    define(v);
    h.results.push_back(borrow(v));
  }
  // Each symbol is bound by the first axis that is linear in it with all else known; every other
  // axis is checked.
  std::set<SymId> unknown(h.attr.binds.begin(), h.attr.binds.end());
  std::vector<std::pair<uint16_t, uint16_t>> left;
  for (uint16_t i = 0; i < h.attr.results.size(); ++i)
    for (uint16_t k = 0; k < h.attr.results[i].shape.size(); ++k) left.emplace_back(i, k);
  auto dim = [&](std::pair<uint16_t, uint16_t> at) {
    return h.attr.results[at.first].shape[at.second];
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (auto at : left) {
      const DimId d = dim(at);
      std::vector<SymId> free;
      for (SymId s : module_.dims.symbols(d))
        if (unknown.contains(s)) free.push_back(s);
      if (free.size() != 1) continue;
      const Dims::Poly poly = module_.dims.poly(d);
      const Dims::Term* linear = nullptr;
      int mentions = 0;
      for (const Dims::Term& t : poly.terms)
        for (const Dims::Atom& a : t.atoms) {
          const bool composite = a.kind != Dims::Atom::sym;
          if (a.kind == Dims::Atom::sym && a.s == free[0]) {
            ++mentions;
            if (t.atoms.size() == 1) linear = &t;
          } else if (composite) {
            for (DimId inner : {a.a, a.b})
              for (SymId s : module_.dims.symbols(inner)) mentions += s == free[0];
          }
        }
      if (mentions != 1 || !linear) continue;
      HostCall::Axis axis{
          at.first, at.second,           true, symbol_slot(free[0]), linear->coefficient,
          {},       module_.dims.text(d)};
      const DimId part = module_.dims.mul(module_.dims.constant(linear->coefficient),
                                          module_.dims.symbol(free[0]));
      axis.rest = size_ref(module_.dims.sub(d, part));
      h.axes.push_back(std::move(axis));
      unknown.erase(free[0]);
      std::erase(left, at);
      progress = true;
      break;
    }
  }
  require(unknown.empty(), "a host node binds a size that no result determines");
  for (auto at : left)
    h.axes.push_back(
        {at.first, at.second, false, 0, 0, size_ref(dim(at)), module_.dims.text(dim(at))});
  emit(run_host).data = own(std::move(h));
}

// ---------------------------------------------------------------- tensors

namespace {
Tensor tensor_of(const ir::Literal& literal) {
  Extents shape{std::span<const int64_t>(literal.shape)};
  Tensor t(literal.dtype, shape);
  std::memcpy(t.raw(), literal.bytes.data(), literal.bytes.size());
  return t;
}
}  // namespace

void Preparer::tensor_node(const Node& n, Dying& dying) {
  auto result = [&] { return n.results[0]; };
  auto x = [&] { return n.operands[0]; };
  // Operand i, which is taken over when this is its last use and its only place here.
  auto use = [&](size_t i) {
    Use u = borrow(n.operands[i]);
    if (u.kind != SlotKind::scalar &&
        std::count(n.operands.begin(), n.operands.end(), n.operands[i]) == 1)
      u.dies = dying.take(n.operands[i]);
    return u;
  };
  auto put = [&](Handler h, Shaped s) {
    auto* data = own(std::move(s));
    emit(h, define(result())).data = data;
  };
  auto identity = [&] {
    const Use u = use(0);
    const uint32_t out = define(result());
    if (u.kind == SlotKind::scalar)
      emit(run_move_scalar, out, u.slot);
    else
      emit(u.dies ? run_move : run_copy, out, u.slot);
  };

  switch (n.op) {
#define SCALAR(name, arity, cls) case Op::name:
    TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
    bug("a point node outside a group");
    case Op::if_:
    case Op::for_:
    case Op::while_:
    case Op::call:
    case Op::map:
    case Op::scatter:
      bug("control is flattened elsewhere");
    case Op::derive:
      bug("`derive` is left after the prefix");

    case Op::constant: {
      const ir::Literal& literal = *n.get<ir::ConstantAttr>().literal;
      if (rank0(result())) {
        slot_of_[result()] = pinned_slot(scalar_slot(literal.bytes.data(), literal.dtype));
        return;
      }
      Shaped s;
      s.constant = tensor_of(literal);
      put(run_constant, std::move(s));
      return;
    }
    case Op::iota: {
      const auto& a = n.get<ir::IotaAttr>();
      Shaped s;
      s.shape = shape_ref(a.shape);
      s.axes = {a.axis};
      s.dtype = a.dtype;
      put(run_iota, std::move(s));
      return;
    }
    case Op::size: {
      const SizeRef size = size_ref(n.get<ir::DimAttr>().dim);
      if (size.kind == SizeRef::number) {
        Slot s{};
        s.i = size.value;
        slot_of_[result()] = pinned_slot(s);
        return;
      }
      // A symbol's slot holds the size itself; a loop may bind it anew, so its value is copied.
      auto* data = own(size);
      emit(run_size, define(result())).data = data;
      return;
    }
    case Op::broadcast: {
      const auto& a = n.get<ir::BroadcastAttr>();
      if (a.shape.empty()) return identity();
      Shaped s;
      s.shape = shape_ref(a.shape);
      s.axes = a.axes;
      s.x = use(0);
      s.dtype = s.x.dtype;
      put(s.x.kind == SlotKind::scalar ? run_broadcast_scalar : run_broadcast, std::move(s));
      return;
    }
    case Op::reshape: {
      Shaped s;
      s.shape = shape_ref(n.get<ir::ShapeAttr>().shape);
      if (kind(x()) == SlotKind::scalar && kind(result()) == SlotKind::scalar) return identity();
      s.x = use(0);
      s.dtype = s.x.dtype;
      put(rank0(x())        ? run_reshape_of_scalar
          : rank0(result()) ? run_reshape_to_scalar
                            : run_reshape,
          std::move(s));
      return;
    }
    case Op::retype:
      return identity();
    case Op::transpose: {
      if (rank0(x())) return identity();
      Shaped s;
      s.axes = n.get<ir::AxesAttr>().axes;
      s.x = use(0);
      put(run_transpose, std::move(s));
      return;
    }
    case Op::slice: {
      const auto& a = n.get<ir::SliceAttr>();
      if (rank0(x())) return identity();
      Shaped s;
      if (element_[result()]) {
        Reading read;
        for (size_t i = 1; i < n.operands.size(); ++i) read.at.push_back(slot(n.operands[i]));
        read.x = borrow(x());
        auto* data = own(std::move(read));
        emit(run_read, define(result())).data = data;
        return;
      }
      s.shape = shape_ref(a.shape);
      s.strides = a.strides;
      for (size_t i = 1; i < n.operands.size(); ++i) s.starts.push_back(slot(n.operands[i]));
      s.x = use(0);
      put(run_slice, std::move(s));
      return;
    }
    case Op::update: {
      if (rank0(x())) {
        emit(run_move_scalar, define(result()), slot(n.operands[1]));
        return;
      }
      Shaped s;
      s.strides = n.get<ir::SliceAttr>().strides;
      for (size_t i = 2; i < n.operands.size(); ++i) s.starts.push_back(slot(n.operands[i]));
      s.x = use(0);
      s.v = use(1);
      put(s.v.kind == SlotKind::scalar ? run_update_element : run_update, std::move(s));
      return;
    }
    case Op::concat: {
      Joined j;
      j.axis = n.get<ir::AxisAttr>().axis;
      j.parts = uses(n.operands, dying);
      auto* data = own(std::move(j));
      emit(run_concat, define(result())).data = data;
      return;
    }
    case Op::reduce: {
      const auto& a = n.get<ir::ReduceAttr>();
      auto* data = own(Reduced{a.kind, a.axes, false, type(x()).dtype, rank0(result())});
      emit(run_reduce, define(result()), slot(x())).data = data;
      return;
    }
    case Op::arg_reduce: {
      const auto& a = n.get<ir::ArgReduceAttr>();
      auto* data = own(Reduced{a.kind, {a.axis}, false, DType::i64, rank0(result())});
      emit(run_arg_reduce, define(result()), slot(x())).data = data;
      return;
    }
    case Op::scan: {
      const auto& a = n.get<ir::ScanAttr>();
      auto* data = own(Reduced{a.kind, {a.axis}, a.reverse, type(x()).dtype, false});
      emit(run_scan, define(result()), slot(x())).data = data;
      return;
    }
    case Op::contract: {
      Contracted c;
      c.spec = n.get<ir::ContractAttr>().spec;
      for (DimId d : c.spec->range) c.range.push_back(size_ref(d));
      for (const auto& axis : c.spec->a) c.offset_a.push_back(size_ref(axis.offset));
      for (const auto& axis : c.spec->b) c.offset_b.push_back(size_ref(axis.offset));
      for (const auto* list : {&c.offset_a, &c.offset_b})
        for (const SizeRef& o : *list) c.offsets |= o.kind != SizeRef::number || o.value != 0;
      c.a = borrow(n.operands[0]);
      c.b = borrow(n.operands[1]);
      c.dtype = type(result()).dtype;
      auto* data = own(std::move(c));
      emit(run_contract, define(result())).data = data;
      return;
    }
    case Op::sort: {
      define(n.results[0]);
      define(n.results[1]);
      emit(run_sort, 0, slot(x())).data =
          own(Sorted{n.get<ir::AxisAttr>().axis, slot(n.results[0]), slot(n.results[1])});
      return;
    }
    case Op::read: {
      if (rank0(x())) return identity();
      Reading read;
      for (size_t i = 1; i < n.operands.size(); ++i) read.at.push_back(slot(n.operands[i]));
      read.x = borrow(x());
      auto* data = own(std::move(read));
      emit(run_read, define(result())).data = data;
      return;
    }
    case Op::stop_gradient:
      return identity();
    case Op::bind_dim:
      emit(run_bind, symbol_slot(n.get<ir::BindAttr>().symbol), slot(x()));
      return;
    case Op::check:
      return check_node(n);
    case Op::debug: {
      Debug d;
      d.text = n.get<ir::TextAttr>().text;
      for (Value v : n.operands) d.shown.push_back(borrow(v));
      emit(run_debug).data = own(std::move(d));
      return;
    }
    case Op::host:
      return host_node(n, dying);

    case Op::tape_new:
      emit(run_tape_new, define(result()));
      return;
    case Op::tape_end:
      require(dying.take(x()), "a tape is used after its end");
      emit(run_tape_end, 0, slot(x()));
      return;
    case Op::push: {
      require(dying.take(x()), "a tape is used twice");
      const Use v = use(1);
      auto* data = own(Push{n.get<ir::SlotAttr>().slot, v});
      emit(run_push, define(result()), slot(x())).data = data;
      return;
    }
    case Op::pop: {
      require(dying.take(x()), "a tape is used twice");
      define(n.results[0]);
      define(n.results[1]);
      auto* data = own(Push{n.get<ir::SlotAttr>().slot, borrow(n.results[1])});
      emit(run_pop, slot(n.results[0]), slot(x())).data = data;
      return;
    }
  }
}

}  // namespace tenon::interp
