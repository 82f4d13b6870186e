// map and scatter: their bodies become point programs, with the turns behind that find errors;
// whole rows picked by number are known by sight.
#include <algorithm>

#include "jit/interp/handlers.h"
#include "jit/interp/prepare.h"

namespace tenon::interp {

using ir::Node;
using ir::Op;
using ir::Region;
using ir::Value;

namespace {

// A body in straight line. An `if` becomes selects: both arms are computed, but what could trap in
// one is kept harmless where the other holds: a read goes to element 0, a division is by 1.
class BodyCompiler {
 public:
  explicit BodyCompiler(const ir::Function& fn) : fn_(fn) {}

  bool compile(const Region& body) {
    for (size_t i = 0; i < body.params.size(); ++i)
      slots_[body.params[i]] = program.index(static_cast<int>(i));
    if (!nodes(body.nodes, -1)) return false;
    for (Value v : body.results) {
      auto s = slot(v);
      if (!s) return false;
      program.result(*s);
    }
    program.finish();
    return true;
  }

  kernels::PointProgram program;
  // What each operand is: a value from around, or a size.
  struct Operand {
    Value value = ir::kNoValue;
    DimId size = 0;
  };
  std::vector<Operand> operands;
  std::vector<Value> reads;
  std::vector<char> guarded;

 private:
  std::optional<int> slot(Value v) {
    if (auto it = slots_.find(v); it != slots_.end()) return it->second;
    if (!fn_.type(v).scalar()) return std::nullopt;
    operands.push_back({v, 0});
    const int s = program.input(fn_.type(v).dtype);
    return slots_[v] = s;
  }

  bool nodes(const std::vector<Node>& list, int mask) {
    for (const Node& n : list)
      if (!node(n, mask)) return false;
    return true;
  }

  bool node(const Node& n, int mask) {
    std::vector<int> in;
    if (n.op != Op::read)
      for (Value v : n.operands) {
        if (fn_.type(v).tape || !fn_.type(v).scalar()) return false;
        auto s = slot(v);
        if (!s) return false;
        in.push_back(*s);
      }
    if (ir::is_scalar(n.op)) {
      const DType t = fn_.type(n.results[0]).dtype;
      if (mask >= 0 && (n.op == Op::div || n.op == Op::rem) && is_integer(t))
        in[1] = program.op(Op::select, {mask, in[1], integer(t, 1)});
      slots_[n.results[0]] = n.op == Op::convert
                                 ? program.convert(in[0], n.get<ir::ConvertAttr>().to)
                                 : program.op_n(n.op, in.data(), static_cast<int>(in.size()));
      return true;
    }
    switch (n.op) {
      case Op::constant: {
        const ir::Literal& literal = *n.get<ir::ConstantAttr>().literal;
        if (!literal.shape.empty()) return false;
        slots_[n.results[0]] = program.constant_bytes(literal.dtype, literal.bytes.data());
        return true;
      }
      case Op::size: {
        operands.push_back({ir::kNoValue, n.get<ir::DimAttr>().dim});
        slots_[n.results[0]] = program.input(DType::i64);
        return true;
      }
      case Op::stop_gradient:
        slots_[n.results[0]] = in[0];
        return true;
      case Op::read:
        return read(n, mask);
      case Op::if_:
        return branch(n, in[0], mask);
      case Op::iota:
      case Op::broadcast:
      case Op::reshape:
      case Op::transpose:
      case Op::slice:
      case Op::update:
      case Op::concat:
      case Op::reduce:
      case Op::arg_reduce:
      case Op::scan:
      case Op::contract:
      case Op::sort:
      case Op::map:
      case Op::scatter:
      case Op::retype:
      case Op::call:
      case Op::derive:
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
        break;  // the verifier lets none of these in
    }
    return false;
  }

  int integer(DType t, int64_t v) {
    switch (t) {
      case DType::i8:
        return program.constant(t, static_cast<int8_t>(v));
      case DType::u8:
        return program.constant(t, static_cast<uint8_t>(v));
      case DType::i32:
        return program.constant(t, static_cast<int32_t>(v));
      case DType::i64:
        return program.constant(t, v);
      case DType::boolean:
      case DType::f16:
      case DType::bf16:
      case DType::f32:
      case DType::f64:
        break;
    }
    bug("not a dtype of integers");
  }

  bool read(const Node& n, int mask) {
    const Value x = n.operands[0];
    if (fn_.type(x).scalar()) {
      auto s = slot(x);
      if (!s) return false;
      slots_[n.results[0]] = *s;
      return true;
    }
    std::vector<int> at;
    for (size_t i = 1; i < n.operands.size(); ++i) {
      auto s = slot(n.operands[i]);
      if (!s) return false;
      at.push_back(mask < 0 ? *s : program.op(Op::select, {mask, *s, integer(DType::i64, 0)}));
    }
    size_t which = std::find(reads.begin(), reads.end(), x) - reads.begin();
    if (which == reads.size()) {
      reads.push_back(x);
      guarded.push_back(0);
    }
    if (mask >= 0) guarded[which] = 1;
    slots_[n.results[0]] = program.read(static_cast<int>(which), fn_.type(x).dtype, at);
    return true;
  }

  bool branch(const Node& n, int condition, int mask) {
    const int other = program.op(Op::not_, {condition});
    const int yes = mask < 0 ? condition : program.op(Op::and_, {mask, condition});
    const int no = mask < 0 ? other : program.op(Op::and_, {mask, other});
    if (!nodes(n.regions[0].nodes, yes) || !nodes(n.regions[1].nodes, no)) return false;
    for (size_t i = 0; i < n.results.size(); ++i) {
      auto a = slot(n.regions[0].results[i]), b = slot(n.regions[1].results[i]);
      if (!a || !b) return false;
      slots_[n.results[i]] = program.op(Op::select, {condition, *a, *b});
    }
    return true;
  }

  const ir::Function& fn_;
  std::map<Value, int> slots_;
};

// read(x, params[from], params[from + 1], ..): the rest of an element's place is the index itself.
bool plain(const Node& n, size_t first_operand, const std::vector<Value>& params, size_t from,
           size_t count) {
  if (n.operands.size() != first_operand + count || from + count > params.size()) return false;
  for (size_t i = 0; i < count; ++i)
    if (n.operands[first_operand + i] != params[from + i]) return false;
  return true;
}

struct RowsSeen {
  Value table, index, rows;
};

// map [i.., d..]: read(table, read(ids, i..), d..)
std::optional<RowsSeen> gather_seen(const ir::Function& fn, const Node& n) {
  const auto& a = n.get<ir::MapAttr>();
  const Region& body = n.regions[0];
  if (!a.red.empty() || body.nodes.size() != 2) return std::nullopt;
  const Node &ids = body.nodes[0], &row = body.nodes[1];
  if (ids.op != Op::read || row.op != Op::read || body.results[0] != row.results[0])
    return std::nullopt;
  const ir::Type &index = fn.type(ids.operands[0]), &table = fn.type(row.operands[0]);
  if (table.rank() == 0 || index.rank() == 0 || row.operands[1] != ids.results[0])
    return std::nullopt;
  if (!plain(ids, 1, body.params, 0, index.rank())) return std::nullopt;
  if (!plain(row, 2, body.params, index.rank(), table.rank() - 1)) return std::nullopt;
  if (body.params.size() != index.rank() + table.rank() - 1) return std::nullopt;
  std::vector<DimId> shape = index.shape;
  shape.insert(shape.end(), table.shape.begin() + 1, table.shape.end());
  if (shape != a.out) return std::nullopt;
  return RowsSeen{row.operands[0], ids.operands[0], ir::kNoValue};
}

// scatter [i.., d..]: at (read(ids, i..), d..) add read(rows, i.., d..)
std::optional<RowsSeen> scatter_seen(const ir::Function& fn, const Node& n) {
  const auto& a = n.get<ir::ScatterAttr>();
  const Region& body = n.regions[0];
  if (body.nodes.size() != 2) return std::nullopt;
  const Node* ids = &body.nodes[0];
  const Node* value = &body.nodes[1];
  if (ids->op != Op::read || value->op != Op::read) return std::nullopt;
  if (body.results[0] == value->results[0]) std::swap(ids, value);
  const ir::Type &index = fn.type(ids->operands[0]), &rows = fn.type(value->operands[0]);
  const ir::Type& table = fn.type(n.operands[0]);
  if (table.rank() == 0 || index.rank() == 0) return std::nullopt;
  if (body.results[0] != ids->results[0] || body.results.back() != value->results[0])
    return std::nullopt;
  if (!plain(*ids, 1, body.params, 0, index.rank())) return std::nullopt;
  if (!plain(*value, 1, body.params, 0, rows.rank()) || rows.rank() != body.params.size())
    return std::nullopt;
  if (body.params.size() != index.rank() + table.rank() - 1) return std::nullopt;
  for (size_t i = 1; i < table.rank(); ++i)
    if (body.results[i] != body.params[index.rank() + i - 1]) return std::nullopt;
  std::vector<DimId> shape = index.shape;
  shape.insert(shape.end(), table.shape.begin() + 1, table.shape.end());
  if (shape != a.dims || rows.shape != shape) return std::nullopt;
  for (Value v : {ids->operands[0], value->operands[0]})
    if (v == n.operands[0]) return std::nullopt;
  return RowsSeen{n.operands[0], ids->operands[0], value->operands[0]};
}

}  // namespace

// Both kinds: a scatter is a map whose results are places and a value.
void Preparer::map_node(const Node& n, Dying& dying) {
  if (n.op == Op::map) {
    if (auto rows = gather_seen(fn_, n)) {
      auto* data =
          own(Rows{borrow(rows->table), borrow(rows->index), {}, n.regions[0].nodes[1].loc});
      emit(run_gather_rows, define(n.results[0])).data = data;
      return;
    }
  } else if (auto rows = scatter_seen(fn_, n)) {
    Use table = borrow(rows->table);
    table.dies = dying.take(rows->table);
    auto* data = own(Rows{table, borrow(rows->index), borrow(rows->rows), n.loc});
    emit(run_scatter_rows, define(n.results[0])).data = data;
    return;
  }

  const bool scatter = n.op == Op::scatter;
  const Region& body = n.regions[0];
  const std::vector<DimId>& out =
      scatter ? n.get<ir::ScatterAttr>().dims : n.get<ir::MapAttr>().out;
  const std::vector<DimId> red = scatter ? std::vector<DimId>{} : n.get<ir::MapAttr>().red;
  const ir::ReduceKind kind = scatter ? ir::ReduceKind::sum : n.get<ir::MapAttr>().kind;
  const uint32_t result = define(n.results[0]);
  const DType dtype = type(n.results[0]).dtype;
  const bool to_scalar = rank0(n.results[0]);
  Use x{};
  if (scatter) {
    x = borrow(n.operands[0]);
    // A body that reads x reads it as it was: then it may not be written in place.
    const auto& used = used_in(body);
    if (!to_scalar && !std::binary_search(used.begin(), used.end(), n.operands[0]))
      x.dies = dying.take(n.operands[0]);
  }

  BodyCompiler compiler(fn_);
  require(compiler.compile(body), "the body of a map is no straight line of scalars");
  Mapped m;
  for (const auto& o : compiler.operands) {
    if (o.value != ir::kNoValue) {
      m.operands.push_back(borrow(o.value));
      continue;
    }
    const SizeRef size = size_ref(o.size);
    uint32_t at = 0;
    if (size.kind == SizeRef::slot) {
      at = static_cast<uint32_t>(size.value);
    } else {
      at = pinned_slot({});
      auto* data = own(size);
      emit(run_size, at).data = data;
    }
    m.operands.push_back({at, false, SlotKind::scalar, DType::i64});
  }
  for (Value v : compiler.reads) m.reads.push_back(borrow(v));
  m.guarded = compiler.guarded;
  m.program = std::move(compiler.program);
  m.out = shape_ref(out);
  m.red = shape_ref(red);
  m.kind = kind;
  m.dtype = dtype;
  m.to_scalar = to_scalar;
  m.x = x;
  auto* blocks = own(std::move(m));
  const int fast = here();
  emit(scatter ? run_scatter : run_map, result).data = blocks;

  Turns t;
  t.out = shape_ref(out);
  t.red = shape_ref(red);
  t.kind = kind;
  t.dtype = dtype;
  t.to_scalar = to_scalar;
  t.scatter = scatter;
  t.x = x;
  for (Value v : body.params) {
    t.index.push_back(define(v));
    t.extent.push_back(new_slot(SlotKind::scalar));
  }
  t.turn = new_slot(SlotKind::scalar);
  t.turns = new_slot(SlotKind::scalar);
  for (Value v : body.results) {
    t.buffers.push_back(new_slot(SlotKind::tensor));
    t.program.result(t.program.input(type(v).dtype));
  }
  t.program.finish();
  auto* turns = own(std::move(t));
  const int begin = here();
  emit(run_turns_begin).data = turns;
  const int top = here();
  region(body, {}, [&](Dying&) {
    for (Value v : body.results) turns->values.push_back(borrow(v));
    loc_ = n.loc;
    const int next = here();
    Instr& in = emit(run_turns_next);
    in.data = turns;
    in.jump = top - next;
  });
  land(begin);
  emit(run_turns_end, result).data = turns;
  land(fast);
  for (uint32_t s : turns->index) free_slot(s);
  for (uint32_t s : turns->extent) free_slot(s);
  for (uint32_t s : turns->buffers) free_slot(s);
  free_slot(turns->turn);
  free_slot(turns->turns);
}

}  // namespace tenon::interp
