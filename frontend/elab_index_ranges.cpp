// The indices of index notation: which are seen where, and over which ranges they run (rule 6). The
// values they stand in are made in elab_index.cpp.
#include "frontend/elab_index.h"

#include <algorithm>

namespace tenon::elab {

using ast::BinaryOp;
using ast::Expr;

int IndexRanges::add(const ast::Index& i) {
  IndexInfo info{i.id.text, i.id.loc, std::nullopt, nullptr, false};
  if (i.range) {
    Val r = e.expr(*i.range, s);
    auto* range = as<RangeVal>(r);
    if (!range) e.error(Code::E0401, i.range->loc, "an index runs over a range, but this is " + e.type_text(r), "i in 0..n");
    info.written = true;
    if (e.known_int(range->lo) != int64_t{0}) info.first = range->lo;
    Val n = e.int_binary(BinaryOp::sub, *as<IntVal>(range->hi), *as<IntVal>(range->lo), i.range->loc);
    info.range = e.int_dim(*as<IntVal>(n));
  }
  indices.push_back(info);
  return static_cast<int>(indices.size()) - 1;
}

// The innermost index of that name: of the reductions around the place, or of the left side.
int IndexRanges::find(const std::string& name) const {
  for (auto i = open.rbegin(); i != open.rend(); ++i)
    if (indices[static_cast<size_t>(*i)].name == name) return *i;
  return -1;
}

bool IndexRanges::uses_index(const Expr& x) {
  bool found = false;
  walk(x, [&](const Expr& y) {
    if (y.kind == Expr::name && find(ast::as<ast::NameRef>(y).id) >= 0) found = true;
  });
  return found;
}

void IndexRanges::children(const Expr& x, const std::function<void(const Expr&)>& f) {
  switch (x.kind) {
    case Expr::unary: f(*ast::as<ast::Unary>(x).a); return;
    case Expr::binary:
      f(*ast::as<ast::Binary>(x).a);
      f(*ast::as<ast::Binary>(x).b);
      return;
    case Expr::call:
      for (auto& a : ast::as<ast::Call>(x).args) f(*a.value);
      return;
    case Expr::subscript: {
      f(*ast::as<ast::Subscript>(x).object);
      for (auto& sub : ast::as<ast::Subscript>(x).subs)
        for (auto* p : {sub.at, sub.lo, sub.hi})
          if (p) f(*p);
      return;
    }
    case Expr::member: f(*ast::as<ast::Member>(x).object); return;
    case Expr::reduction: f(*ast::as<ast::Reduction>(x).body); return;
    case Expr::if_: {
      const auto& i = ast::as<ast::IfExpr>(x);
      f(*i.condition);
      for (auto* b : {i.then, i.otherwise})
        if (b) values(*b, [&](const Expr& y, const ast::Bind*) { f(y); });
      return;
    }
    case Expr::tuple:
      for (auto* part : ast::as<ast::TupleExpr>(x).elements) f(*part);
      return;
    case Expr::bracket:
      for (auto* part : ast::as<ast::Bracket>(x).elements) f(*part);
      return;
    case Expr::record:
      for (auto& field : ast::as<ast::RecordExpr>(x).fields) f(*field.value);
      return;
    case Expr::int_lit: case Expr::float_lit: case Expr::bool_lit: case Expr::string_lit: case Expr::name:
    case Expr::range: case Expr::comprehension: case Expr::lambda: return;
  }
}

// The values in an arm: of its `let`s, whose names are then known, and its own.
void IndexRanges::values(const ast::Block& b, const std::function<void(const Expr&, const ast::Bind*)>& f) {
  const size_t before = locals.size();
  const std::function<void(const ast::Pattern&)> name = [&](const ast::Pattern& p) {
    if (p.kind == ast::Pattern::name) locals.push_back(p.id.text);
    for (auto& e : p.elements) name(e);
  };
  for (auto* st : b.stmts) {
    if (st->kind == ast::Stmt::expr) f(*ast::as<ast::ExprStmt>(*st).value, nullptr);
    if (st->kind != ast::Stmt::bind) continue;
    f(*ast::as<ast::Bind>(*st).value, &ast::as<ast::Bind>(*st));
    name(ast::as<ast::Bind>(*st).pattern);
  }
  locals.resize(before);
}

bool IndexRanges::is_local(const std::string& name) const {
  return std::find(locals.begin(), locals.end(), name) != locals.end();
}

bool IndexRanges::uses_local(const Expr& x) {
  bool found = false;
  walk(x, [&](const Expr& y) { found |= y.kind == Expr::name && is_local(ast::as<ast::NameRef>(y).id); });
  return found;
}

// Everything in x, each where its own indices are seen.
void IndexRanges::walk(const Expr& x, const std::function<void(const Expr&)>& f) {
  f(x);
  auto inner = [&](const Expr& y) { walk(y, f); };
  auto* r = x.kind == Expr::reduction ? &ast::as<ast::Reduction>(x) : nullptr;
  if (r && reduced.count(r)) {
    Within within(*this, *r);
    children(x, inner);
  } else {
    children(x, inner);
  }
}

// An index of a reduction that is over (rule 6b).
void IndexRanges::refuse_closed(const Expr& x) {
  walk(x, [&](const Expr& y) {
    if (y.kind != Expr::name) return;
    const std::string& id = ast::as<ast::NameRef>(y).id;
    if (is_local(id)) return;
    for (auto& info : indices)
      if (info.name == id && find(id) < 0 && !e.lookup(id, s))
        e.error(Code::E0412, y.loc, beyond_reach(id), std::string(kReach));
    if (find(id) < 0 && id != "training" && !e.known_name(id, s))
      e.error(Code::E0201, y.loc, "`" + id + "` is not known here",
              id.size() > 2 ? e.unknown_name_hint(id, s)
                            : "an index stands on the left, let y[i, " + id + "] = .., or is reduced over: sum[" + id + "] ..");
  });
}

std::optional<AffineUse> IndexRanges::affine(const Expr& x) {
  refuse_closed(x);
  if (uses_local(x)) return std::nullopt;
  if (x.kind == Expr::name) {
    int i = find(ast::as<ast::NameRef>(x).id);
    if (i >= 0) return AffineUse{{{i, 1}}, e.integer(0)};
  }
  if (!uses_index(x)) {
    Val v = e.index_int(x, s);
    if (v->kind != Value::integer) return std::nullopt;
    return AffineUse{{}, v};
  }
  if (x.kind == Expr::unary && ast::as<ast::Unary>(x).op == ast::UnaryOp::neg) {
    auto a = affine(*ast::as<ast::Unary>(x).a);
    if (!a) return std::nullopt;
    for (auto& [i, c] : a->terms) c = -c;
    a->offset = e.unary(ast::UnaryOp::neg, a->offset, x.loc, x.loc);
    return a;
  }
  if (x.kind != Expr::binary) return std::nullopt;
  const auto& b = ast::as<ast::Binary>(x);
  auto l = affine(*b.a), r = affine(*b.b);
  if (!l || !r) return std::nullopt;
  if (b.op == BinaryOp::add || b.op == BinaryOp::sub) {
    int64_t sign = b.op == BinaryOp::add ? 1 : -1;
    for (auto& [i, c] : r->terms) l->terms[i] += sign * c;
    l->offset = e.int_binary(b.op, *as<IntVal>(l->offset), *as<IntVal>(r->offset), x.loc);
    return l;
  }
  if (b.op == BinaryOp::mul) {
    if (!l->terms.empty()) std::swap(l, r);
    auto k = e.known_int(l->offset);
    if (!l->terms.empty()) return std::nullopt;
    if (!k) {
      factors.emplace_back(l->offset, x.loc);
      return std::nullopt;
    }
    for (auto& [i, c] : r->terms) c *= *k;
    r->offset = e.int_binary(BinaryOp::mul, *as<IntVal>(r->offset), IntVal(e.dims.constant(*k)), x.loc);
    return r;
  }
  return std::nullopt;
}

Val IndexRanges::base(const ast::Subscript& x) {
  auto [it, fresh] = bases.emplace(&x, nullptr);
  if (fresh) {
    if (uses_index(*x.object))
      e.error(Code::E0412, x.object->loc, "what is subscripted cannot depend on an index", "write all subscripts in one bracket: a[i, j]");
    Val v = e.named_value(e.expr(*x.object, s));
    it->second = v;
  }
  if (is_poison(it->second)) throw Reported{};
  return it->second;
}

// Opens the reductions inside, so that their indices get ranges with all others.
void IndexRanges::declare(const Expr& x) {
  walk(x, [&](const Expr& y) {
    if (y.kind != Expr::reduction) return;
    const auto& r = ast::as<ast::Reduction>(y);
    std::vector<int> mine;
    for (auto& i : r.indices) mine.push_back(add(i));
    reduced[&r] = mine;
  });
}

// One round: every subscript says what it knows. Plain uses must agree; windows narrow.
void IndexRanges::find_ranges(const Expr& x) {
  struct Window {
    AffineUse use;
    DimId size;
    Loc loc;
  };
  std::vector<Window> windows;
  std::map<int, std::pair<DimId, Loc>> plain;
  walk(x, [&](const Expr& y) {
    if (y.kind != Expr::subscript) return;
    const auto& sub = ast::as<ast::Subscript>(y);
    bool any = false;
    for (auto& p : sub.subs) any = any || (p.at && uses_index(*p.at));
    if (!any || uses_local(*sub.object)) return;
    Val b = base(sub);
    auto* t = as<TensorVal>(b);
    if (!t) return;
    if (t->type.rank() != sub.subs.size())
      e.error(Code::E0303, y.loc, "in index notation every axis has its subscript: the tensor has " +
              std::to_string(t->type.rank()) + ", here are " + std::to_string(sub.subs.size()), "", {{sub.object->loc, e.type_text(b)}});
    for (size_t k = 0; k < sub.subs.size(); ++k) {
      if (sub.subs[k].kind != ast::Sub::index)
        e.error(Code::E0412, sub.subs[k].loc, "a slice cannot stand in index notation", "every axis has an index");
      auto use = affine(*sub.subs[k].at);
      if (!use || use->terms.empty()) continue;
      bool is_plain = use->terms.size() == 1 && use->terms.begin()->second == 1 && e.known_int(use->offset) == int64_t{0};
      int i = use->terms.begin()->first;
      auto& info = indices[static_cast<size_t>(i)];
      if (!is_plain) {
        windows.push_back({*use, t->type.shape[k], sub.subs[k].loc});
      } else if (!info.written) {
        auto [it, fresh] = plain.emplace(i, std::pair{t->type.shape[k], sub.subs[k].loc});
        if (!fresh)
          e.require_equal(it->second.first, t->type.shape[k], sub.subs[k].loc, "the index `" + info.name + "` runs over two sizes",
                          "a written range says how far: " + info.name + " in 0..n", {{it->second.second, "`" + info.name + "` runs over " + e.dims.text(it->second.first) + " here"}});
      }
    }
  });
  for (auto& [i, p] : plain) indices[static_cast<size_t>(i)].range = p.first;
  // A window fixes the one index that nothing else fixes, and narrows one that is fixed.
  for (int round = 0; round < 4; ++round)
    for (auto& w : windows) {
      bool negative = false;
      for (auto& [i, c] : w.use.terms) negative = negative || c < 0;
      auto off = as<IntVal>(w.use.offset)->dim;
      if (auto k = e.known_int(w.use.offset); k && *k < 0) negative = true;
      for (auto& [i, c] : w.use.terms) {
        auto& info = indices[static_cast<size_t>(i)];
        if (info.written) continue;
        bool others = true;
        for (auto& [j, cj] : w.use.terms) others = others && (j == i || indices[static_cast<size_t>(j)].range);
        if (!others || (info.range && w.use.terms.size() > 1)) continue;
        if (negative || !off)
          e.error(Code::E0412, w.loc, "this subscript does not tell the range of `" + info.name + "`", "write it: " + info.name + " in 1..n");
        DimId left = e.dims.sub(w.size, *off);
        for (auto& [j, cj] : w.use.terms)
          if (j != i)
            left = e.dims.sub(left, e.dims.mul(e.dims.constant(cj), e.dims.sub(*indices[static_cast<size_t>(j)].range, e.dims.constant(1))));
        DimId n = c == 1 ? left : e.dims.floordiv(e.dims.add(left, e.dims.constant(c - 1)), e.dims.constant(c));
        if (!info.range) info.range = n;
        else if (auto d = e.dims.distance(n, *info.range)) info.range = *d < 0 ? n : *info.range;
        else info.range = e.dims.min(n, *info.range);
      }
    }
  for (auto& info : indices)
    if (!info.range) {
      // A stride that decides a range is part of the structure: an argument, so known at the call.
      for (auto& [factor, loc] : factors) e.demand_static(factor, loc, "the factor of an index");
      e.error(Code::E0412, info.where, "the range of the index `" + info.name + "` is not known", "use it as a plain subscript, or write it: " + info.name + " in 0..n");
    }
}

}  // namespace tenon::elab
