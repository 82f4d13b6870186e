// x[i, a..b, .., ids] (rule 4). What is assigned to is in elab_assign.cpp.
#include <cstring>

#include "frontend/elab_subscript.h"

namespace tenon::elab {

namespace {

bool written_minus(const ast::Expr* e) {
  return e && e->kind == ast::Expr::unary && ast::as<ast::Unary>(*e).op == ast::UnaryOp::neg;
}

}  // namespace

Val Elab::index_int(const ast::Expr& e, const ScopePtr& s) {
  Val v = expr(e, s);
  if (is_poison(v)) throw Reported{};
  if (auto* t = as<TensorVal>(v); t && t->type.scalar() && is_integer(t->type.dtype))
    v = std::make_shared<IntVal>(leaf(cx->b.convert(use(*t), DType::i64)));
  return v;
}

void Elab::out_of_range(const ast::Sub& sub, int64_t index, size_t axis, const std::string& size) {
  std::string written(sources.text(sub.loc)), number = std::to_string(index);
  std::string hint;
  if (index < 0 && !written_minus(sub.at)) hint = "only what is written with a minus counts from the end: x[-1]; a computed index does not";
  error(Code::E0802, sub.loc, "index " + written + (written == number || written == "- " + number ? "" : ", which is " + number + ",") +
        " is out of range: axis " + std::to_string(axis) + " has size " + size, hint);
}

std::vector<Elab::Cut> Elab::cuts(const std::vector<DimId>& shape, const std::vector<ast::Sub>& subs, Loc loc,
                                  const ScopePtr& s, const std::string& what) {
  std::vector<Cut> out;
  size_t given = 0;
  bool rest = false;
  for (auto& sub : subs) {
    if (sub.kind == ast::Sub::rest) {
      if (rest) error(Code::E0303, sub.loc, "`...` stands twice");
      rest = true;
    } else {
      ++given;
    }
  }
  if (given > shape.size())
    error(Code::E0303, loc, what + " has " + std::to_string(shape.size()) + (shape.size() == 1 ? " axis" : " axes") +
          ", but " + std::to_string(given) + " subscripts stand here");
  auto whole = [&](DimId d) { out.push_back({integer(0), d, false, loc}); };
  auto bound = [&](const ast::Expr* e, DimId size) {
    Val v = index_int(*e, s);
    if (v->kind != Value::integer) error(Code::E0401, e->loc, "a bound of a slice is an int, but this is " + type_text(v));
    if (written_minus(e)) v = int_binary(ast::BinaryOp::add, IntVal(size), *as<IntVal>(v), e->loc);
    return v;
  };
  for (auto& sub : subs) {
    DimId size = out.size() < shape.size() ? shape[out.size()] : dims.constant(0);
    switch (sub.kind) {
      case ast::Sub::rest:
        for (size_t n = shape.size() - given; n > 0; --n) whole(shape[out.size()]);
        break;
      case ast::Sub::all: whole(size); break;
      case ast::Sub::index: {
        Val v = bound(sub.at, size);
        auto k = known_int(v);
        auto n = dims.value(size);
        if (k && (*k < 0 || (n && *k >= *n)))
          out_of_range(sub, *k - (written_minus(sub.at) && n ? *n : 0), out.size(), dims.text(size));
        out.push_back({v, dims.constant(1), true, sub.loc});
        break;
      }
      case ast::Sub::range: {
        Val lo = sub.lo ? bound(sub.lo, size) : integer(0);
        Val hi = sub.hi ? bound(sub.hi, size) : std::make_shared<IntVal>(size);
        Val count = int_binary(ast::BinaryOp::sub, *as<IntVal>(hi), *as<IntVal>(lo), sub.loc);
        auto k = known_int(count), l = known_int(lo), h = known_int(hi);
        auto n = dims.value(size);
        if ((k && *k < 0) || (l && *l < 0) || (n && h && *h > *n))
          error(Code::E0802, sub.loc, "the slice " + std::string(sources.text(sub.loc)) + " is out of range: axis " +
                std::to_string(out.size()) + " has size " + dims.text(size));
        out.push_back({lo, int_dim(*as<IntVal>(count)), false, sub.loc});
        break;
      }
    }
  }
  while (out.size() < shape.size()) whole(shape[out.size()]);
  return out;
}

ir::Value Elab::slice_value(ir::Value x, const std::vector<Cut>& list, Loc loc) {
  const auto from = cx->fn->type(x).shape;
  ir::SliceAttr attr;
  std::vector<ir::Value> operands{x};
  std::vector<DimId> kept;
  bool all = true;
  for (size_t i = 0; i < list.size(); ++i) {
    attr.shape.push_back(list[i].count);
    attr.strides.push_back(list[i].step);
    operands.push_back(int_value(*as<IntVal>(list[i].start)));
    if (!list[i].drop) kept.push_back(list[i].count);
    all = all && !list[i].drop && list[i].count == from[i] && list[i].step == 1;
  }
  if (all) return x;
  cx->b.at(loc);
  return reshape_as(cx->b.one(ir::Op::slice, operands, attr), kept);
}

size_t part_at(Elab& e, const ast::Sub& sub, size_t count, const std::string& what, const ScopePtr& s) {
  const int64_t n = static_cast<int64_t>(count);
  int64_t i = e.static_int(e.index_int(*sub.at, s), sub.at->loc, "a subscript of " + what);
  if (written_minus(sub.at)) i += n;
  if (i < 0 || i >= n) e.error(Code::E0802, sub.loc, "there is no part " + std::to_string(i) + ": " + what + " has " + std::to_string(n));
  return static_cast<size_t>(i);
}

Val Elab::subscript(const Val& object, const std::vector<ast::Sub>& subs, Loc loc, const ScopePtr& s) {
  if (is_poison(object)) throw Reported{};
  auto pick = [&](const std::vector<Val>& list, const char* what) -> Val {
    if (subs.size() != 1 || subs[0].kind == ast::Sub::rest || subs[0].kind == ast::Sub::all)
      error(Code::E0401, loc, std::string(what) + " takes one subscript");
    int64_t n = static_cast<int64_t>(list.size());
    auto at = [&](const ast::Expr* e, int64_t none) {
      if (!e) return none;
      int64_t i = static_int(index_int(*e, s), e->loc, std::string("a subscript of ") + what);
      return written_minus(e) ? i + n : i;
    };
    if (subs[0].kind == ast::Sub::range) {
      int64_t lo = at(subs[0].lo, 0), hi = at(subs[0].hi, n);
      if (lo < 0 || hi > n || lo > hi) error(Code::E0802, subs[0].loc, std::string("out of range: ") + what + " has " + std::to_string(n) + " parts");
      std::vector<Val> part(list.begin() + lo, list.begin() + hi);
      if (object->kind == Value::tuple) return std::make_shared<TupleVal>(part);
      return std::make_shared<ListVal>(part);
    }
    return list[part_at(*this, subs[0], list.size(), what, s)];
  };
  if (auto* t = as<TupleVal>(object)) return pick(t->elements, "the tuple");
  if (auto* l = as<ListVal>(object)) return pick(l->elements, "the list");
  if (auto* q = as<SequenceVal>(object)) {
    if (subs.size() != 1 || subs[0].kind != ast::Sub::index) error(Code::E0401, loc, "a sequence takes one index");
    return call(q->get, Args{{{"", index_int(*subs[0].at, s), loc}}, loc});
  }
  if (object->kind == Value::record) {  // rows of a data set
    if (subs.size() != 1) error(Code::E0401, loc, "a data set takes one subscript: its rows");
    if (subs[0].kind == ast::Sub::index) {
      Val i = index_int(*subs[0].at, s);
      if (i->kind != Value::integer) return gather_rows(object, i, loc);
      DimId n = first_size(object, loc);
      if (written_minus(subs[0].at)) i = int_binary(ast::BinaryOp::add, IntVal(n), *as<IntVal>(i), loc);
      return row(object, int_value(*as<IntVal>(i)), loc);
    }
    std::vector<Cut> c = cuts({first_size(object, loc)}, subs, loc, s, "the data set");
    return slice_rows(object, c[0], loc);
  }
  if (!is_numberlike(object))
    error(Code::E0401, loc, "this is " + type_text(object) + " and has no elements",
          object->kind == Value::function ? "a call takes round brackets: f(x)" : "");
  Val v = object;
  // An element of a constant integer tensor is a size.
  if (subs.size() == 1 && subs[0].kind == ast::Sub::index) {
    Val i = index_int(*subs[0].at, s);
    if (i->kind != Value::integer) return gather_rows(named_value(object), i, loc);
    auto k = known_int(i);
    std::optional<int64_t> size;
    const WeakVal* w = as<WeakVal>(object);
    const TensorVal* t = as<TensorVal>(object);
    if (w && w->shape.size() == 1) size = w->shape[0];
    if (t && t->known && t->known->shape.size() == 1) size = t->known->shape[0];
    if (k && size) {
      int64_t at = written_minus(subs[0].at) ? *k + *size : *k;
      if (at < 0 || at >= *size)
        out_of_range(subs[0], *k, 0, std::to_string(*size));
      if (w && !w->real) return integer(w->integers[static_cast<size_t>(at)]);
      if (w) return real(w->reals[static_cast<size_t>(at)]);
      if (t->known->dtype == DType::i64) {
        int64_t x;
        std::memcpy(&x, t->known->bytes.data() + at * 8, 8);
        return integer(x);
      }
    }
  }
  const TensorVal& t = as_tensor(v, loc);
  if (t.type.scalar()) error(Code::E0303, loc, "this is one " + type_text(t.type) + " and has no axes to subscript");
  std::vector<DimId> shape = t.type.shape;
  ir::Value x = use(t);
  if (in_map) {
    std::vector<ir::Value> operands{x};
    for (auto& c : cuts(shape, subs, loc, s, "the tensor")) {
      if (!c.drop) error(Code::E0412, loc, "in index notation every axis has its subscript");
      operands.push_back(int_value(*as<IntVal>(c.start)));
    }
    cx->b.at(loc);
    return tensor(cx->b.one(ir::Op::read, operands));
  }
  return tensor(slice_value(x, cuts(shape, subs, loc, s, "the tensor"), loc));
}

// ---------------------------------------------------------------- rows of structures

DimId Elab::first_size(const Val& v, Loc loc) {
  if (auto* w = as<WeakVal>(v)) return dims.constant(w->shape[0]);
  std::vector<FlatLeaf> flat;
  flatten(v, flat);
  std::optional<DimId> n;
  for (auto& f : flat) {
    if (f.type.shape.empty()) error(Code::E0303, loc, "`" + f.path + "` is one number and has no rows");
    if (!n) n = f.type.shape[0];
    else require_equal(*n, f.type.shape[0], loc, "`" + flat[0].path + "` and `" + f.path + "` have different numbers of rows",
                       "the tensors of a data set share their first size", {});
  }
  if (!n) error(Code::E0401, loc, "this is " + type_text(v) + " and has no rows");
  return *n;
}

namespace {

template <class F>
Val each_tensor(Elab& e, const Val& v, F f) {
  // Types change, so this is no rebuild.
  if (auto* t = as<TensorVal>(v)) return f(*t);
  if (auto* r = as<RecordVal>(v)) {
    auto fields = r->fields;
    for (auto& [n, x] : fields) x = each_tensor(e, x, f);
    return std::make_shared<RecordVal>(std::move(fields));
  }
  if (auto* t = as<TupleVal>(v)) {
    auto list = t->elements;
    for (auto& x : list) x = each_tensor(e, x, f);
    return std::make_shared<TupleVal>(std::move(list));
  }
  return v;
}

}  // namespace

Val Elab::slice_rows(const Val& v, const Cut& cut, Loc loc) {
  return each_tensor(*this, v, [&](const TensorVal& t) {
    std::vector<Cut> list{cut};
    for (size_t i = 1; i < t.type.rank(); ++i) list.push_back({integer(0), t.type.shape[i], false, loc});
    return tensor(slice_value(use(t), list, loc));
  });
}

Val Elab::row(const Val& v, ir::Value index, Loc loc) {
  return slice_rows(v, Cut{int_from(index), dims.constant(1), true, loc}, loc);
}

Val Elab::gather_rows(const Val& v, const Val& ids_in, Loc loc) {
  Val ids = ids_in;
  const TensorVal it = as_tensor(ids, loc, "an index");
  if (!is_integer(it.type.dtype))
    error(Code::E0401, loc, "an index is an integer, but this is " + type_text(ids),
          it.type.dtype == DType::boolean ? "masks are written with where(mask, a, b)" : "");
  ir::Value idx = cx->b.convert(use(it), DType::i64);
  return each_tensor(*this, v, [&](const TensorVal& t) {
    if (t.type.scalar()) error(Code::E0303, loc, "one number has no rows");
    ir::Value x = use(t);
    cx->b.at(loc);
    ir::MapAttr attr;
    attr.out = it.type.shape;
    attr.out.insert(attr.out.end(), t.type.shape.begin() + 1, t.type.shape.end());
    std::vector<ir::Value> i = cx->b.open(std::vector<ir::Type>(attr.out.size(), ir::scalar_type(DType::i64)));
    std::vector<ir::Value> at{idx};
    at.insert(at.end(), i.begin(), i.begin() + static_cast<long>(it.type.rank()));
    ir::Value r = it.type.scalar() ? idx : cx->b.one(ir::Op::read, at);
    std::vector<ir::Value> from{x, r};
    from.insert(from.end(), i.begin() + static_cast<long>(it.type.rank()), i.end());
    ir::Value y = cx->b.one(ir::Op::read, from);
    std::vector<ir::Region> regions;
    regions.push_back(cx->b.close({y}));
    return tensor(cx->b.emit(ir::Op::map, {}, attr, std::move(regions)).results[0]);
  });
}

}  // namespace tenon::elab
