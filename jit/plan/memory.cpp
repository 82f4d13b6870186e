// Sizes, blocks and who owns them.
#include <algorithm>

#include "jit/plan/lower.h"

namespace tenon::plan {

using ir::Value;
using loop::kNone;

// ---------------------------------------------------------------- sizes

Expr FunctionLowering::dim(DimId d) {
  if (auto v = unit_.dims.value(d)) return x_.i64(*v);
  if (auto s = unit_.dims.as_symbol(d)) {
    for (size_t i = frames_.size(); i-- > 0;)
      if (auto it = frames_[i].symbols.find(*s); it != frames_[i].symbols.end()) return it->second;
    bug("a size symbol that nobody bound: " + unit_.dims.symbol_info(*s).name);
  }
  for (size_t i = frames_.size(); i-- > 0;)
    if (auto it = frames_[i].dims.find(d); it != frames_[i].dims.end()) return it->second;
  const Dims::Poly poly = unit_.dims.poly(d);
  Expr sum = x_.i64(poly.constant);
  for (const Dims::Term& term : poly.terms) {
    Expr product = x_.i64(term.coefficient);
    for (const Dims::Atom& atom : term.atoms) {
      if (atom.kind == Dims::Atom::sym) {
        product = x_.mul(product, dim(unit_.dims.symbol(atom.s)));
        continue;
      }
      Expr a = dim(atom.a), b = dim(atom.b), v = kNone;
      switch (atom.kind) {
        case Dims::Atom::sym:
          break;
        case Dims::Atom::floordiv: {
          if (!unit_.dims.value(atom.b))
            trap(x_.compare(Op::le, b, x_.i64(0)), Code::E0803, "a size is divided by {}", {}, {b});
          Expr q = x_.binary(Op::sdiv, a, b), rest = x_.binary(Op::srem, a, b);
          v = x_.binary(Op::sub, q, x_.to(Op::zext, Ty::i64, x_.compare(Op::lt, rest, x_.i64(0))));
          break;
        }
        case Dims::Atom::min:
          v = x_.select(x_.compare(Op::lt, b, a), b, a);
          break;
        case Dims::Atom::max:
          v = x_.select(x_.compare(Op::lt, a, b), b, a);
          break;
      }
      product = x_.mul(product, v);
    }
    sum = x_.add(sum, product);
  }
  return frames_.back().dims[d] = keep(sum, "dim");
}

Expr FunctionLowering::extent(DimId d) {
  const Dims::Poly poly = unit_.dims.poly(d);
  bool negative = poly.constant < 0;
  for (const Dims::Term& t : poly.terms) negative |= t.coefficient < 0;
  Expr e = dim(d);
  if (!negative) return e;
  for (const Frame& f : frames_)
    if (f.checked.contains(d)) return e;
  trap(x_.compare(Op::lt, e, x_.i64(0)), Code::E0803, "a size comes to {}, which is negative", {},
       {e});
  frames_.back().checked.insert(d);
  return e;
}

Expr FunctionLowering::count(const std::vector<DimId>& shape) {
  Expr n = x_.i64(1);
  for (DimId d : shape) n = x_.mul(n, extent(d));
  return n;
}

Expr FunctionLowering::bytes(const ir::Type& t) {
  Expr n = x_.mul(count(t.shape), x_.i64(static_cast<int64_t>(size_of(t.dtype))));
  // Sizes whose product does not fit ask for more than any machine has, not for little.
  int unknown = 0;
  Expr about = x_.f64(static_cast<double>(size_of(t.dtype)));
  for (DimId d : t.shape) {
    unknown += !unit_.dims.value(d);
    about = x_.binary(Op::mul, about, x_.to(Op::sitofp, Ty::f64, extent(d)));
  }
  if (unknown < 2) return n;
  return keep(x_.select(x_.compare(Op::lt, about, x_.f64(0x1p62)), n, x_.i64(int64_t{1} << 62)),
              "bytes");
}

std::vector<DimId> FunctionLowering::row_major(const std::vector<DimId>& shape) {
  std::vector<DimId> strides(shape.size());
  DimId n = unit_.dims.constant(1);
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = n;
    n = unit_.dims.mul(n, shape[i]);
  }
  return strides;
}

DimId FunctionLowering::chunks_of(DimId n) {
  Dims& d = unit_.dims;
  return d.floordiv(d.add(n, d.constant(16383)), d.constant(16384));
}

// ---------------------------------------------------------------- places and roots

const Place& FunctionLowering::place(Value v) {
  const Place& p = places_[v];
  require(p.kind != Place::nothing, "a value is used before it is made");
  return p;
}

void FunctionLowering::bind(Value v, Place p) {
  if (p.kind == Place::memory && p.root >= 0) roots_[p.root].views.push_back(v);
  places_[v] = std::move(p);
}

int FunctionLowering::new_root(Var block) {
  Root r;
  r.block = block;
  r.frame = static_cast<int>(frames_.size()) - 1;
  roots_.push_back(std::move(r));
  return static_cast<int>(roots_.size() - 1);
}

// Memory for a value of type t that lives until the end of the group unless it is bound to a value.
Place FunctionLowering::allocate(const ir::Type& t) {
  return whole(request(loop::Runtime::allocate, {bytes(t), here()}, request_for(t)), t);
}

// A call that may give fresh memory; `args` ends with what the request is about. Where the memory
// comes from is the last argument: 0 until the arena is planned (arena.h).
Var FunctionLowering::request(loop::Runtime r, std::vector<Expr> args, Request asked) {
  Var block = fresh(Ty::i64, "block");
  args.push_back(x_.i64(0));
  runtime(r, std::move(args), {block});
  unit_.requests.back().emplace(block, std::move(asked));
  return block;
}

Request FunctionLowering::request_for(const ir::Type& t) const {
  return {t.dtype, static_cast<int64_t>(size_of(t.dtype)), t.shape, loc_};
}

Place FunctionLowering::whole(Var block, const ir::Type& t) {
  Place p;
  p.kind = Place::memory;
  p.root = new_root(block);
  p.e = keep(x_.load(Ty::i64, x_.var(block), x_.i64(1)), "data");
  p.strides = row_major(t.shape);
  p.whole = true;
  return p;
}

bool FunctionLowering::dies(int root) {
  if (root < 0) return false;
  const Root& r = roots_[root];
  if (r.frame != static_cast<int>(frames_.size()) - 1) return false;
  const Frame& f = frames_.back();
  for (Value v : r.views)
    if (auto it = f.last.find(v); it != f.last.end() && it->second > f.at) return false;
  return true;
}

void FunctionLowering::release_dead() {
  for (size_t i = 0; i < roots_.size(); ++i)
    if (dies(static_cast<int>(i))) {
      runtime(loop::Runtime::release, {x_.var(roots_[i].block)});
      roots_[i].frame = -1;
    }
}

// What looks at a part of v's memory and is used after this group gets memory of its own, so that v
// may be changed in place: the derivative of a slice reads its part and clears it, and a copy of the
// whole in every turn of a loop would be quadratic.
void FunctionLowering::keep_views_of(Value v) {
  const Place& p = place(v);
  if (p.kind != Place::memory || !p.whole || p.root < 0) return;
  const auto root = static_cast<size_t>(p.root);
  const Frame& f = frames_.back();
  if (roots_[root].frame != static_cast<int>(frames_.size()) - 1) return;
  std::vector<Value> later, rest;
  for (Value w : roots_[root].views) {
    auto it = f.last.find(w);
    (it != f.last.end() && it->second > f.at ? later : rest).push_back(w);
  }
  const DimId one = unit_.dims.constant(1), zero = unit_.dims.constant(0);
  if (later.size() > 2) return;
  for (Value w : later) {
    if (places_[w].whole || framed_.contains(w)) return;
    for (size_t i = 0; i < type(w).rank(); ++i)  // more elements than memory
      if (places_[w].strides[i] == zero && type(w).shape[i] != one) return;
  }
  for (Value w : later) {
    Place to = allocate(type(w));
    copy(places_[w], to, type(w));
    bind(w, std::move(to));
  }
  roots_[root].views = std::move(rest);
}

// An owned block with v's elements. `move`: v's own block may be handed over when it dies here.
Var FunctionLowering::take(Value v, bool move) {
  Place p = place(v);
  if (p.kind == Place::memory && p.whole && p.root >= 0) {
    Var block = roots_[p.root].block;
    if (move && dies(p.root)) {
      roots_[p.root].frame = -1;
    } else {
      Expr b = x_.var(block);
      emit(store_element(x_, DType::i64, b, x_.i64(0),
                         x_.add(x_.load(Ty::i64, b, x_.i64(0)), x_.i64(1))));
    }
    return block;
  }
  Place to = allocate(type(v));
  copy(p, to, type(v));
  roots_[to.root].frame = -1;
  return roots_[to.root].block;
}

// The values as slots, to be handed over. What `captured` uses stays ours.
std::vector<Expr> FunctionLowering::slots_of(const std::vector<Value>& values,
                                             const std::vector<Value>& captured, bool typed) {
  std::vector<int> kept;
  for (Value v : captured)
    if (places_[v].kind == Place::memory) kept.push_back(places_[v].root);
  std::vector<Expr> slots;
  for (size_t i = 0; i < values.size(); ++i) {
    Value v = values[i];
    const ir::Type& t = type(v);
    if (t.tape) {
      slots.push_back(place(v).e);
    } else if (t.scalar()) {
      slots.push_back(typed ? place(v).e : x_.to_slot(place(v).e));
    } else {
      int root = place(v).kind == Place::memory ? place(v).root : -1;
      bool move = root >= 0 && std::find(kept.begin(), kept.end(), root) == kept.end();
      for (size_t j = i + 1; j < values.size(); ++j)
        move &= !(places_[values[j]].kind == Place::memory && places_[values[j]].root == root);
      slots.push_back(x_.var(take(v, move)));
    }
  }
  return slots;
}

void FunctionLowering::bind_slot(Value v, Expr slot) {
  const ir::Type& t = type(v);
  Place p;
  if (t.tape) {
    p.kind = Place::tape;
    p.e = keep(slot, "tape");
  } else if (t.scalar()) {
    p.kind = Place::scalar;
    p.e = keep(x_.from_slot(register_type(t.dtype), slot), "s");
  } else {
    Var block = fresh(Ty::i64, "block");
    set(block, slot);
    p = whole(block, t);
  }
  bind(v, std::move(p));
}

// The value in memory: itself, or a copy that lives until the end of the group.
Place FunctionLowering::in_memory(Value v) {
  const Place& p = place(v);
  if (framed_.contains(v)) return made_whole(v);
  if (p.kind == Place::memory) return p;
  Place from = p;
  Place to = allocate(type(v));
  copy(from, to, type(v));
  return to;
}

// Elements of one place into another that is row-major.
void FunctionLowering::copy(const Place& from, const Place& to, const ir::Type& t) {
  std::vector<Expr> args;
  switch (from.kind) {
    case Place::memory:
      args.push_back(x_.i64(node_info(ir::Op::reshape, {t, t})));
      in_view(args, from, t);
      out_view(args, to, t);
      break;
    case Place::scalar:
    case Place::fill:
      args.push_back(x_.i64(node_info(ir::Op::broadcast, {t})));
      out_view(args, to, t);
      args.push_back(memory_bits(x_, t.dtype, from.e));
      break;
    case Place::iota:
      args.push_back(x_.i64(node_info(ir::Op::iota, {t})));
      unit_.tables.nodes.back().axes = {from.axis};
      out_view(args, to, t);
      break;
    case Place::nothing:
    case Place::tape:
      bug("copy of what is no tensor");
  }
  runtime(loop::Runtime::eager, std::move(args));
}

void FunctionLowering::in_view(std::vector<Expr>& args, const Place& p, const ir::Type& t) {
  require(p.kind == Place::memory, "a view of what is not in memory");
  args.push_back(p.e);
  for (DimId d : t.shape) args.push_back(extent(d));
  for (DimId d : p.strides) args.push_back(dim(d));
}

void FunctionLowering::out_view(std::vector<Expr>& args, const Place& p, const ir::Type& t) {
  args.push_back(p.e);
  for (DimId d : t.shape) args.push_back(extent(d));
}

Expr FunctionLowering::here() {
  return x_.i64(place_of(loc_));
}

uint32_t FunctionLowering::place_of(Loc where) {
  auto& places = unit_.tables.places;
  if (places.empty() || !(places.back() == where)) places.push_back(where);
  return static_cast<uint32_t>(places.size()) - 1;
}

uint32_t FunctionLowering::node_info(ir::Op op, const std::vector<ir::Type>& types) {
  loop::NodeInfo info;
  info.op = op;
  info.where = loc_;
  for (const ir::Type& t : types) {
    info.dtypes.push_back(t.dtype);
    info.ranks.push_back(static_cast<int>(t.rank()));
  }
  unit_.tables.nodes.push_back(std::move(info));
  return static_cast<uint32_t>(unit_.tables.nodes.size() - 1);
}

}  // namespace tenon::plan
