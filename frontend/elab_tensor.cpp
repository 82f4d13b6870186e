// From host numbers to tensors: dtypes, one-sided broadcasting, equal sizes, and what must be static.
#include <cmath>
#include <cstring>

#include "frontend/elab.h"
#include "ir/eval_const.h"

namespace tenon::elab {
namespace {

template <class T>
void append(std::string& bytes, T v) {
  bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
}

void append_as(std::string& bytes, DType t, double real, int64_t whole, bool is_real) {
  switch (t) {
    case DType::boolean: append<uint8_t>(bytes, is_real ? real != 0 : whole != 0); return;
    case DType::i8: append<int8_t>(bytes, static_cast<int8_t>(whole)); return;
    case DType::u8: append<uint8_t>(bytes, static_cast<uint8_t>(whole)); return;
    case DType::i32: append<int32_t>(bytes, static_cast<int32_t>(whole)); return;
    case DType::i64: append<int64_t>(bytes, whole); return;
    case DType::f32: append<float>(bytes, is_real ? static_cast<float>(real) : static_cast<float>(whole)); return;
    case DType::f64: append<double>(bytes, is_real ? real : static_cast<double>(whole)); return;
    case DType::f16:
    case DType::bf16: {  // by the scalar programs, from f32: one rounding of a short literal
      ir::Literal f{DType::f32, {}, {}};
      append<float>(f.bytes, is_real ? static_cast<float>(real) : static_cast<float>(whole));
      auto r = ir::eval_const(ir::Op::convert, {f}, t);
      require(r.has_value(), "no conversion to a 16-bit float");
      bytes += r->bytes;
      return;
    }
  }
}

}  // namespace

Val Elab::boolean(bool v) {
  auto lit = std::make_shared<ir::Literal>(ir::Literal{DType::boolean, {}, std::string(1, v ? '\1' : '\0')});
  ir::Value c = cx->b.constant(*lit);
  return std::make_shared<TensorVal>(leaf(c), ir::scalar_type(DType::boolean), lit);
}

Val Elab::string(std::string text) {
  std::vector<TextPiece> p;
  if (!text.empty()) p.push_back({std::move(text), nullptr, ""});
  return std::make_shared<StringVal>(std::move(p));
}

ir::Value Elab::int_value(const IntVal& i) {
  if (!i.dim) {
    ir::Value v = use(i.leaf, ir::scalar_type(DType::i64));
    return i.offset ? cx->b.scalar(ir::Op::add, {v, int_value(IntVal(*i.offset))}) : v;
  }
  if (auto c = dims.value(*i.dim)) return cx->b.integer(*c);
  return cx->b.size(*i.dim);
}

ir::Value Elab::float_value(const FloatVal& f) {
  if (f.known) return cx->b.number(DType::f64, *f.known);
  return use(f.leaf, ir::scalar_type(DType::f64));
}

namespace {
// The names that int_dim gives: n and a number.
bool unnamed_size(std::string_view name) {
  return name.size() > 1 && name[0] == 'n' && name.find_first_not_of("0123456789", 1) == name.npos;
}
}  // namespace

DimId Elab::int_dim(const IntVal& i) {
  if (i.dim) return *i.dim;
  ir::Value v = int_value(i);
  // The same number is the same size: zeros(n, n) is square. Looked for where it still means something.
  for (size_t depth = cx->b.depth(); depth-- > 0;) {
    const auto& nodes = cx->b.region_at(depth).nodes;
    for (size_t k = nodes.size(); k-- > 0;)
      if (nodes[k].op == ir::Op::bind_dim && nodes[k].operands[0] == v)
        return dims.symbol(nodes[k].get<ir::BindAttr>().symbol);
  }
  SymId s = dims.fresh("_", cx->b.at(), false);
  cx->b.emit(ir::Op::bind_dim, {v}, ir::BindAttr{s});
  return dims.symbol(s);
}

bool Elab::is_numberlike(const Val& v) {
  return v->kind == Value::tensor || v->kind == Value::integer || v->kind == Value::real ||
         v->kind == Value::weak;
}
bool Elab::is_weak(const Val& v) {
  return v->kind == Value::integer || v->kind == Value::real || v->kind == Value::weak;
}
std::optional<DType> Elab::dtype_of(const Val& v) {
  if (auto* t = as<TensorVal>(v)) return t->type.dtype;
  return std::nullopt;
}

ir::Value Elab::to_dtype(const Val& v, DType t, Loc loc) {
  cx->b.at(loc);
  switch (v->kind) {
    case Value::tensor: {
      const auto& x = *as<TensorVal>(v);
      if (x.type.dtype != t)
        error(Code::E0406, loc, "this is " + type_text(v) + ", but " + std::string(name(t)) + " is needed here",
              "convert it: cast(.., " + std::string(name(t)) + ")");
      return use(x);
    }
    case Value::integer: {
      const auto& i = *as<IntVal>(v);
      if (auto c = i.dim ? dims.value(*i.dim) : std::nullopt; c && t != DType::boolean) {
        ir::Literal lit{t, {}, {}};
        append_as(lit.bytes, t, static_cast<double>(*c), *c, false);
        return cx->b.constant(lit);
      }
      if (t == DType::boolean) error(Code::E0401, loc, "an int stands where a bool is needed");
      return cx->b.convert(int_value(i), t);
    }
    case Value::real: {
      const auto& f = *as<FloatVal>(v);
      if (!is_float(t))
        error(Code::E0401, loc, "a float meets a tensor of " + std::string(name(t)),
              "convert the tensor: cast(.., f32), or write a whole number");
      if (f.known) {
        ir::Literal lit{t, {}, {}};
        append_as(lit.bytes, t, *f.known, 0, true);
        return cx->b.constant(lit);
      }
      return cx->b.convert(float_value(f), t);
    }
    case Value::weak: {
      const auto& w = *as<WeakVal>(v);
      if (w.real && !is_float(t))
        error(Code::E0401, loc, "floats meet a tensor of " + std::string(name(t)),
              "convert the tensor: cast(.., f32), or write whole numbers");
      ir::Literal lit{t, w.shape, {}};
      for (size_t i = 0; i < (w.real ? w.reals.size() : w.integers.size()); ++i)
        append_as(lit.bytes, t, w.real ? w.reals[i] : 0, w.real ? 0 : w.integers[i], w.real);
      return cx->b.constant(lit);
    }
    default:
      error(Code::E0401, loc, "a tensor or a number is needed here, but this is " + type_text(v));
  }
}

const TensorVal& Elab::as_tensor(Val& v, Loc loc, std::string_view what) {
  if (is_poison(v)) throw Reported{};
  if (v->kind == Value::integer) v = tensor(to_dtype(v, DType::i64, loc));
  if (v->kind == Value::real) v = tensor(to_dtype(v, DType::f32, loc));
  if (auto* w = as<WeakVal>(v)) v = tensor(to_dtype(v, w->real ? DType::f32 : DType::i64, loc));
  if (auto* t = as<TensorVal>(v)) return *t;
  error(Code::E0401, loc, std::string(what) + " is needed here, but this is " + type_text(v));
}

Val Elab::named_value(const Val& v) {
  auto* w = as<WeakVal>(v);
  if (!w) return v;
  ir::Value c = to_dtype(v, w->real ? DType::f32 : DType::i64, cx->b.at());
  std::shared_ptr<const ir::Literal> known;
  if (!w->real) {
    auto lit = std::make_shared<ir::Literal>(ir::Literal{DType::i64, w->shape, {}});
    for (int64_t x : w->integers) append<int64_t>(lit->bytes, x);
    known = lit;
  }
  return std::make_shared<TensorVal>(leaf(c), cx->fn->type(c), known);
}

// ---------------------------------------------------------------- equal sizes

std::vector<Note> Elab::size_notes(DimId a, DimId b) {
  std::vector<Note> notes;
  for (DimId d : {a, b})
    for (SymId s : dims.symbols(d)) {
      const Symbol& info = dims.symbol_info(s);
      if (info.where.known())
        notes.push_back({info.where, "`" + info.name + "` was bound here"});
    }
  return notes;
}

Elab::Sizes Elab::require_equal(DimId a, DimId b, Loc loc, const std::string& what,
                                const std::string& hint, std::vector<Note> notes) {
  if (a == b) return Sizes::equal;
  auto distance = dims.distance(a, b);
  // T against 2*(T / 2): that depends on the number, however T came about.
  auto rounded = [&](DimId d) {
    for (auto& term : dims.poly(d).terms)
      for (auto& atom : term.atoms)
        if (atom.kind != Dims::Atom::sym) return true;
    return false;
  };
  bool open = dims.has_existential(a) || dims.has_existential(b) || rounded(a) || rounded(b);
  if ((distance && *distance != 0) || !open) {
    for (Note& n : size_notes(a, b))
      if (std::none_of(notes.begin(), notes.end(), [&](const Note& m) { return m.where == n.where; }))
        notes.push_back(std::move(n));
    differing = Differing{a, b, "", loc};
    error(Code::E0301, loc, what + ": " + dims.text(a) + " against " + dims.text(b), hint, std::move(notes));
  }
  cx->b.at(loc);
  ir::Value x = cx->b.size(a), y = cx->b.size(b);
  ir::Value ok = cx->b.scalar(ir::Op::eq, {x, y});
  // A size that nobody named is shown by its number alone, a known one is what the other should be.
  auto side = [&](DimId d) {
    auto symbols = dims.symbols(d);
    bool nameless = symbols.size() == 1 && dims.symbol(symbols[0]) == d && unnamed_size(dims.symbol_info(symbols[0]).name);
    return nameless ? std::string("{}") : dims.text(d) + " is {}";
  };
  std::vector<ir::Value> shown{ok, x, y};
  std::string text = side(a) + " and " + side(b);
  if (dims.value(b)) {
    text = side(a) + ", not " + dims.text(b);
    shown = {ok, x};
  } else if (dims.value(a)) {
    text = side(b) + ", not " + dims.text(a);
    shown = {ok, y};
  }
  cx->b.emit(ir::Op::check, shown, ir::CheckAttr{Code::E0803, what + ": " + text, hint, Fault::data});
  if (noting) leave_to_run(loc, a, b);
  return Sizes::checked;
}

void Elab::leave_to_run(Loc loc, DimId a, DimId b) {
  std::string when = "the program runs";
  for (DimId d : {a, b})
    for (SymId s : dims.symbols(d))
      for (std::string_view part : {"rows of ", "columns of "})
        if (dims.symbol_info(s).name.starts_with(part)) when = dims.symbol_info(s).name.substr(part.size()) + " is opened";
  Diagnostic d{Code::E0803, loc, "left to check when " + when + ": " + dims.text(a) + " = " + dims.text(b),
               {}, "", Fault::program, true, {calls.rbegin(), calls.rend()}};
  blame(d, sources);
  d.notes.clear();
  for (const Diagnostic& m : left_to_run)
    if (m.where == d.where && m.message == d.message) return;
  left_to_run.push_back(std::move(d));
}

ir::Value Elab::reshape_as(ir::Value v, const std::vector<DimId>& shape) {
  if (cx->fn->type(v).shape == shape) return v;
  return cx->b.reshape(v, shape);
}

ir::Value Elab::stretch(ir::Value v, const std::vector<DimId>& shape) {
  const std::vector<DimId> from = cx->fn->type(v).shape;
  if (from == shape) return v;
  std::vector<DimId> kept;
  std::vector<int> axes;
  size_t lead = shape.size() - from.size();
  DimId one = dims.constant(1);
  for (size_t i = 0; i < from.size(); ++i)
    if (!(from[i] == one && shape[lead + i] != one)) {
      kept.push_back(from[i]);
      axes.push_back(static_cast<int>(lead + i));
    }
  v = reshape_as(v, kept);
  if (kept == shape) return v;
  return cx->b.broadcast(v, shape, axes);
}

Elab::Operands Elab::together(const std::vector<Val>& vs, const std::vector<Loc>& locs, Loc op_loc,
                              std::string_view op, std::optional<DType> force) {
  for (auto& v : vs)
    if (is_poison(v)) throw Reported{};
  for (size_t i = 0; i < vs.size(); ++i)
    if (!is_numberlike(vs[i]))
      error(Code::E0401, locs[i], "`" + std::string(op) + "` works on tensors and numbers, but this is " + type_text(vs[i]),
            vs[i]->kind == Value::model ? "use map(f, net) for models" : "");
  // The dtype: that of the tensors; weak numbers follow.
  std::optional<DType> dtype = force;
  size_t first = 0;
  for (size_t i = 0; i < vs.size(); ++i) {
    auto t = dtype_of(vs[i]);
    if (!t) continue;
    if (!dtype) {
      dtype = t;
      first = i;
    } else if (*dtype != *t) {
      error(Code::E0406, op_loc,
            "`" + std::string(op) + "` of " + type_text(vs[first]) + " and " + type_text(vs[i]),
            "no dtype is converted silently: cast(.., " + std::string(name(*dtype)) + ") or cast(.., " +
                std::string(name(*t)) + ")",
            {{locs[first], type_text(vs[first])}, {locs[i], type_text(vs[i])}});
    }
  }
  if (!dtype) {
    dtype = DType::i64;
    for (auto& v : vs)
      if (v->kind == Value::real || (v->kind == Value::weak && as<WeakVal>(v)->real)) dtype = DType::f32;
  }
  if (*dtype == DType::boolean && !force)
    for (size_t i = 0; i < vs.size(); ++i)
      if (is_weak(vs[i]))
        error(Code::E0401, locs[i], "`" + std::string(op) + "` of a bool and a number",
              "cast(b, i64) makes 0 and 1 of a bool; where(b, x, y) chooses by one", {{locs[first], type_text(vs[first])}});
  Operands r;
  r.dtype = *dtype;
  for (size_t i = 0; i < vs.size(); ++i) r.values.push_back(to_dtype(vs[i], *dtype, locs[i]));
  cx->b.at(op_loc);
  // The shape: that of one operand, to which the others are stretched.
  DimId one = dims.constant(1);
  size_t big = 0;
  for (size_t i = 0; i < vs.size(); ++i) {
    // Copies: new values move the types, and an axis that was checked counts as equal from then on.
    const std::vector<DimId> a = cx->fn->type(r.values[big]).shape;
    std::vector<DimId> b = cx->fn->type(r.values[i]).shape;
    if (i == big || b.empty()) continue;
    size_t n = std::min(a.size(), b.size());
    bool grow_a = a.size() < b.size(), grow_b = b.size() < a.size();
    for (size_t k = 0; k < n; ++k) {
      size_t ia = a.size() - n + k, ib = b.size() - n + k;
      DimId da = a[ia], db = b[ib];
      if (da == db) continue;
      if (da == one) {
        grow_a = true;
        continue;
      }
      if (db == one) {
        grow_b = true;
        continue;
      }
      std::vector<Note> notes{{locs[big], type_text(cx->fn->type(r.values[big]))},
                              {locs[i], type_text(cx->fn->type(r.values[i]))}};
      Sizes s = require_equal(da, db, op_loc, "the sizes of `" + std::string(op) + "` differ",
                              a.size() == b.size() ? "both sides need the same shape here"
                                                   : "shapes are aligned at their last axis",
                              notes);
      if (s == Sizes::checked) {
        b[ib] = da;
        r.values[i] = reshape_as(r.values[i], b);
      }
    }
    if (grow_a && grow_b && !a.empty()) {
      std::string ta = type_text(cx->fn->type(r.values[big])), tb = type_text(cx->fn->type(r.values[i]));
      error(Code::E0302, op_loc, "both sides of `" + std::string(op) + "` would have to grow: " + ta + " and " + tb,
            "if an outer result is meant, write it: let d[i, j] = a[i] " + std::string(op) +
                " b[j]; otherwise bring both to one shape with reshape",
            {{locs[big], ta}, {locs[i], tb}});
    }
    if (grow_a) big = i;
  }
  r.shape = cx->fn->type(r.values[big]).shape;
  for (auto& v : r.values) v = stretch(v, r.shape);
  return r;
}

Val Elab::elementwise(ir::Op op, const std::vector<Val>& vs, const std::vector<Loc>& locs, Loc loc,
                      std::string_view fn_name) {
  bool host = true;
  for (auto& v : vs) {
    if (is_poison(v)) throw Reported{};
    host = host && (v->kind == Value::integer || v->kind == Value::real);
  }
  ir::OpClass cls = ir::facts(op).cls;
  if (host && cls == ir::OpClass::float_) {  // exp(2.0): stays a host number
    std::vector<ir::Literal> known;
    for (auto& v : vs) {
      std::optional<double> d;
      if (auto* f = as<FloatVal>(v)) d = f->known;
      if (auto i = known_int(v)) d = static_cast<double>(*i);
      if (!d) break;
      ir::Literal lit{DType::f64, {}, {}};
      append<double>(lit.bytes, *d);
      known.push_back(lit);
    }
    if (known.size() == vs.size())
      if (auto r = ir::eval_const(op, known, DType::f64)) {
        double d;
        std::memcpy(&d, r->bytes.data(), sizeof d);
        return real(d);
      }
    std::vector<ir::Value> operands;
    for (size_t i = 0; i < vs.size(); ++i) operands.push_back(to_dtype(vs[i], DType::f64, locs[i]));
    cx->b.at(loc);
    return std::make_shared<FloatVal>(leaf(cx->b.one(op, operands)));
  }
  bool any_tensor = false;
  for (auto& v : vs) any_tensor = any_tensor || v->kind == Value::tensor;
  std::optional<DType> force;
  if (!any_tensor && cls == ir::OpClass::float_) force = DType::f32;
  Operands o = together(vs, locs, loc, fn_name, force);
  auto refuse = [&](const char* wants) {
    error(Code::E0401, loc, "`" + std::string(fn_name) + "` works on " + wants + ", but this is " +
          std::string(name(o.dtype)), std::string(wants) == "floats" ? "convert it first: cast(x, f32)" : "");
  };
  switch (cls) {
    case ir::OpClass::float_: if (!is_float(o.dtype)) refuse("floats"); break;
    case ir::OpClass::number: if (o.dtype == DType::boolean) refuse("numbers"); break;
    case ir::OpClass::integer: if (!is_integer(o.dtype)) refuse("integers"); break;
    case ir::OpClass::logic: if (is_float(o.dtype)) refuse("bools and integers"); break;
    case ir::OpClass::compare:
      if (op != ir::Op::eq && o.dtype == DType::boolean) refuse("numbers");
      break;
    case ir::OpClass::special:
    case ir::OpClass::other: break;
  }
  return tensor(cx->b.one(op, o.values));
}

// ---------------------------------------------------------------- static values

std::optional<bool> Elab::known_bool(const Val& v) {
  auto* t = as<TensorVal>(v);
  if (t && t->type.scalar() && t->type.dtype == DType::boolean && t->known) return t->known->bytes[0] != 0;
  return std::nullopt;
}

std::optional<int64_t> Elab::known_int(const Val& v) {
  if (auto* i = as<IntVal>(v)) return i->dim ? dims.value(*i->dim) : std::nullopt;
  return std::nullopt;
}

void Elab::demand_static(const Val& v, Loc loc, std::string_view who) {
  if (is_poison(v)) throw Reported{};
  if (auto* i = as<IntVal>(v)) {
    if (i->dim) {
      for (SymId s : dims.symbols(*i->dim))
        for (FnCx* f : stack)
          if (auto it = f->symbol_param.find(s); it != f->symbol_param.end())
            throw DemandStatic{f->id, it->second};
    } else if (auto it = loop_of_index.find(i->leaf); it != loop_of_index.end()) {
      throw DemandUnroll{it->second};
    } else {
      for (FnCx* f : stack)
        if (f->id == i->leaf.owner)
          if (auto at = f->value_param.find(i->leaf.v); at != f->value_param.end())
            throw DemandStatic{f->id, at->second};
    }
  }
  if (auto* t = as<TensorVal>(v))
    for (FnCx* f : stack)
      if (f->id == t->leaf.owner)
        if (auto it = f->value_param.find(t->leaf.v); it != f->value_param.end())
          throw DemandStatic{f->id, it->second};
  error(Code::E0403, loc, std::string(who) + " must be known when the program is compiled",
        "write the number here, or pass it as an argument that is a literal");
}

int64_t Elab::static_int(const Val& v, Loc loc, std::string_view who) {
  if (is_poison(v)) throw Reported{};
  if (v->kind != Value::integer)
    error(Code::E0401, loc, std::string(who) + " is an int, but this is " + type_text(v));
  if (auto c = known_int(v)) return *c;
  demand_static(v, loc, who);
}

bool Elab::static_bool(const Val& v, Loc loc, std::string_view who) {
  if (is_poison(v)) throw Reported{};
  if (auto c = known_bool(v)) return *c;
  if (dtype_of(v) != DType::boolean)
    error(Code::E0401, loc, std::string(who) + " is a bool, but this is " + type_text(v));
  demand_static(v, loc, who);
}

std::string Elab::static_string(const Val& v, Loc loc, std::string_view who) {
  if (is_poison(v)) throw Reported{};
  auto* s = as<StringVal>(v);
  if (!s) error(Code::E0401, loc, std::string(who) + " is a string, but this is " + type_text(v));
  if (auto k = s->known()) return *k;
  demand_static(v, loc, who);
}

std::vector<int> Elab::static_axes(const Val& v, int rank, Loc loc) {
  std::vector<Val> list;
  if (auto* t = as<TupleVal>(v)) list = t->elements;
  else list = {v};
  std::set<int> axes;
  for (auto& x : list) {
    int64_t a = static_int(x, loc, "an axis");
    int64_t n = a < 0 ? a + rank : a;
    if (n < 0 || n >= rank)
      error(Code::E0303, loc, "axis " + std::to_string(a) + " is not there: the tensor has " +
            std::to_string(rank) + (rank == 1 ? " axis" : " axes"),
            rank ? "axes go from 0 to " + std::to_string(rank - 1) + ", or from -1 backwards" : "");
    if (!axes.insert(static_cast<int>(n)).second)
      error(Code::E0303, loc, "axis " + std::to_string(a) + " is named twice");
  }
  return {axes.begin(), axes.end()};
}

}  // namespace tenon::elab
