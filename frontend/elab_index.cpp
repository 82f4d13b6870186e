// Index notation: let c[i, j] = sum[k] a[i, k] * b[k, j] (rule 6).
//
// Every part of the body becomes a tensor over the indices it uses, axes in the order of the indices'
// numbers; operators then are the library's own on aligned shapes, so that both ways of saying a thing
// give the same bits. A sum over a product is one contraction, windows (x[p + r]) included. Where an
// element must be computed by itself (an `if` that guards a read), the part is a `map`.
#include <algorithm>

#include "frontend/elab.h"

namespace tenon::elab {
namespace {

using ast::BinaryOp;
using ast::Expr;

struct IndexInfo {
  std::string name;
  Loc where;
  std::optional<DimId> range;  // how many
  Val first;                   // IntVal: where a written range begins; null: 0
  bool written = false;
};

// sum of coefficient * index + offset
struct AffineUse {
  std::map<int, int64_t> terms;
  Val offset;  // IntVal
};

// A tensor over `axes` (ascending numbers of indices), or a plain value without axes.
struct Part {
  Val v;
  std::vector<int> axes;
};

}  // namespace

class Elab::IndexNotation {
 public:
  IndexNotation(Elab& elab, ScopePtr scope) : e(elab), s(std::move(scope)) {}

  int add(const ast::Index& i) {
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

  // ---- ranges: from all uses of an index, before anything is emitted for it

  int find(const std::string& name) const {
    for (int i = static_cast<int>(indices.size()) - 1; i >= 0; --i)
      if (indices[static_cast<size_t>(i)].name == name && !closed.count(i)) return i;
    return -1;
  }

  bool uses_index(const Expr& x) {
    bool found = false;
    walk(x, [&](const Expr& y) {
      if (y.kind == Expr::name && find(ast::as<ast::NameRef>(y).id) >= 0) found = true;
    });
    return found;
  }

  static void walk(const Expr& x, const std::function<void(const Expr&)>& f) {
    f(x);
    switch (x.kind) {
      case Expr::unary: walk(*ast::as<ast::Unary>(x).a, f); return;
      case Expr::binary:
        walk(*ast::as<ast::Binary>(x).a, f);
        walk(*ast::as<ast::Binary>(x).b, f);
        return;
      case Expr::call:
        for (auto& a : ast::as<ast::Call>(x).args) walk(*a.value, f);
        return;
      case Expr::subscript: {
        walk(*ast::as<ast::Subscript>(x).object, f);
        for (auto& sub : ast::as<ast::Subscript>(x).subs)
          for (auto* p : {sub.at, sub.lo, sub.hi})
            if (p) walk(*p, f);
        return;
      }
      case Expr::member: walk(*ast::as<ast::Member>(x).object, f); return;
      case Expr::reduction: walk(*ast::as<ast::Reduction>(x).body, f); return;
      case Expr::if_: {
        const auto& i = ast::as<ast::IfExpr>(x);
        walk(*i.condition, f);
        for (auto* b : {i.then, i.otherwise})
          if (b)
            for (auto* st : b->stmts)
              if (st->kind == ast::Stmt::expr) walk(*ast::as<ast::ExprStmt>(*st).value, f);
        return;
      }
      default: return;
    }
  }

  // An index of a reduction that is over (rule 6b).
  void refuse_closed(const Expr& x) {
    walk(x, [&](const Expr& y) {
      if (y.kind != Expr::name) return;
      const std::string& id = ast::as<ast::NameRef>(y).id;
      for (int i : closed)
        if (indices[static_cast<size_t>(i)].name == id && find(id) < 0 && !e.lookup(id, s))
          e.error(Code::E0412, y.loc, "the index `" + id + "` is used beyond the reach of its reduction",
                  "a reduction reaches over a product, not over + or a comparison: put the sum into parentheses");
      if (find(id) < 0 && id != "training" && !e.known_name(id, s))
        e.error(Code::E0201, y.loc, "`" + id + "` is not known here",
                id.size() > 2 ? e.unknown_name_hint(id, s)
                              : "an index stands on the left, let y[i, " + id + "] = .., or is reduced over: sum[" + id + "] ..");
    });
  }

  std::optional<AffineUse> affine(const Expr& x) {
    refuse_closed(x);
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

  Val base(const ast::Subscript& x) {
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
  void declare(const Expr& x) {
    walk(x, [&](const Expr& y) {
      if (y.kind != Expr::reduction) return;
      const auto& r = ast::as<ast::Reduction>(y);
      std::vector<int> mine;
      for (auto& i : r.indices) mine.push_back(add(i));
      reduced[&r] = mine;
    });
  }

  // One round: every subscript says what it knows. Plain uses must agree; windows narrow.
  void find_ranges(const Expr& x) {
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
      if (!any) return;
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

  // ---- values

  DimId range(int i) { return *indices[static_cast<size_t>(i)].range; }

  Part iota(int i) {
    ir::Value v = e.cx->b.one(ir::Op::iota, {}, ir::IotaAttr{DType::i64, {range(i)}, 0});
    Val t = e.tensor(v);
    if (auto& first = indices[static_cast<size_t>(i)].first) t = e.binary(BinaryOp::add, t, first, e.cx->b.at(), {}, {});
    return {t, {i}};
  }

  Val aligned(const Part& p, const std::vector<int>& axes) {
    if (p.axes == axes) return p.v;
    Val v = p.v;
    const TensorVal& t = e.as_tensor(v, e.cx->b.at());
    std::vector<DimId> shape;
    std::vector<int> at;
    for (size_t k = 0; k < axes.size(); ++k) {
      shape.push_back(range(axes[k]));
      if (std::find(p.axes.begin(), p.axes.end(), axes[k]) != p.axes.end()) at.push_back(static_cast<int>(k));
    }
    return e.tensor(e.cx->b.broadcast(e.use(t), shape, at));
  }

  static std::vector<int> united(const std::vector<int>& a, const std::vector<int>& b) {
    std::vector<int> out;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
    return out;
  }

  Part part(const Expr& x) {
    e.cx->b.at(x.loc);
    switch (x.kind) {
      case Expr::name: {
        int i = find(ast::as<ast::NameRef>(x).id);
        if (i >= 0) return iota(i);
        break;
      }
      case Expr::unary: {
        const auto& u = ast::as<ast::Unary>(x);
        Part p = part(*u.a);
        return {e.unary(u.op, p.v, x.loc, u.a->loc), p.axes};
      }
      case Expr::binary: {
        const auto& b = ast::as<ast::Binary>(x);
        if (!uses_index(x)) break;
        Part l = part(*b.a), r = part(*b.b);
        std::vector<int> axes = united(l.axes, r.axes);
        Val a = l.axes.empty() ? l.v : aligned(l, axes), c = r.axes.empty() ? r.v : aligned(r, axes);
        return {e.binary(b.op, a, c, x.loc, b.a->loc, b.b->loc), axes};
      }
      case Expr::call: {
        const auto& c = ast::as<ast::Call>(x);
        if (!uses_index(x)) break;
        Val callee = e.expr(*c.callee, s);
        std::vector<Part> parts;
        std::vector<int> axes;
        for (auto& a : c.args) {
          parts.push_back(part(*a.value));
          axes = united(axes, parts.back().axes);
        }
        Args args;
        args.loc = x.loc;
        for (size_t i = 0; i < parts.size(); ++i)
          args.list.push_back({c.args[i].id ? c.args[i].id->text : "", parts[i].axes.empty() ? parts[i].v : aligned(parts[i], axes), c.args[i].value->loc});
        Val v = e.call(callee, args);
        auto* t = as<TensorVal>(v);
        std::vector<DimId> shape;
        for (int i : axes) shape.push_back(range(i));
        if (!t || t->type.shape != shape)
          e.error(Code::E0412, x.loc, "a function in index notation works element by element, but this gives " + e.type_text(v),
                  "reductions are written with their index: sum[k] ..");
        return {v, axes};
      }
      case Expr::subscript: {
        const auto& sub = ast::as<ast::Subscript>(x);
        bool any = false;
        for (auto& p : sub.subs) any = any || (p.at && uses_index(*p.at));
        if (any) return read(sub);
        break;
      }
      case Expr::reduction: return reduce(ast::as<ast::Reduction>(x));
      case Expr::if_:
        if (uses_index(x)) return by_element(x);
        break;
      default: break;
    }
    // Free of indices: an ordinary scalar.
    if (uses_index(x)) e.error(Code::E0412, x.loc, "this cannot stand in index notation");
    refuse_closed(x);
    Val v = e.expr(x, s);
    if (is_poison(v)) throw Reported{};
    if (auto* t = as<TensorVal>(v); (t && !t->type.scalar()) || v->kind == Value::weak)
      e.error(Code::E0412, x.loc, "the body of index notation is one number, but this is " + e.type_text(v), "give it its subscripts: x[i, j]");
    return {v, {}};
  }

  // a[i, 2 * k + 1]: a slice and a transpose, where every axis is read along one index of its own, in steps.
  // An index that is `fixed` stands for its place in its range.
  std::optional<Part> sliced(const ast::Subscript& x, const TensorVal& t, const std::map<int, int64_t>& fixed) {
    std::vector<Cut> cuts;
    std::vector<int> order;  // index of each kept axis
    std::set<int> seen;
    for (auto& sub : x.subs) {
      auto use = affine(*sub.at);
      if (!use) return std::nullopt;
      Cut cut{use->offset, e.dims.constant(1), true, sub.loc};
      for (auto [i, c] : use->terms) {
        auto place = fixed.find(i);
        int64_t at = place == fixed.end() ? 0 : place->second;
        if (place == fixed.end()) {
          if (c < 1 || !cut.drop || !seen.insert(i).second) return std::nullopt;
          order.push_back(i);
          cut.count = range(i);
          cut.drop = false;
          cut.step = c;
        }
        auto plus = [&](const IntVal& more) {
          Val by = c == 1 ? std::make_shared<IntVal>(more) : e.int_binary(BinaryOp::mul, more, IntVal(e.dims.constant(c)), sub.loc);
          cut.start = e.int_binary(BinaryOp::add, *as<IntVal>(cut.start), *as<IntVal>(by), sub.loc);
        };
        if (auto& first = indices[static_cast<size_t>(i)].first) plus(*as<IntVal>(first));
        if (at != 0) plus(IntVal(e.dims.constant(at)));
      }
      cuts.push_back(cut);
    }
    ir::Value v = e.slice_value(e.use(t), cuts, x.loc);
    std::vector<int> axes = order, perm;
    std::sort(axes.begin(), axes.end());
    for (int a : axes) perm.push_back(static_cast<int>(std::find(order.begin(), order.end(), a) - order.begin()));
    if (axes != order) v = e.cx->b.transpose(v, perm);
    return Part{e.tensor(v), axes};
  }

  // a[i, k]: a gather where it is not a slice.
  Part read(const ast::Subscript& x) {
    Val b = base(x);
    auto* t = as<TensorVal>(b);
    if (!t) e.error(Code::E0401, x.object->loc, "this is " + e.type_text(b) + " and has no elements");
    if (auto part = sliced(x, *t, {})) return *part;
    std::vector<Part> at;
    std::vector<int> axes;
    for (auto& sub : x.subs) {
      at.push_back(part(*sub.at));
      Val& v = at.back().v;
      if (v->kind == Value::integer) v = e.tensor(e.to_dtype(v, DType::i64, sub.loc));
      auto* it = as<TensorVal>(v);
      if (!it || !is_integer(it->type.dtype)) e.error(Code::E0401, sub.loc, "a subscript is an integer, but this is " + e.type_text(v));
      v = e.tensor(e.cx->b.convert(e.use(*it), DType::i64));
      axes = united(axes, at.back().axes);
    }
    e.cx->b.at(x.loc);
    ir::MapAttr attr;
    for (int a : axes) attr.out.push_back(range(a));
    std::vector<ir::Value> at_values;
    for (auto& p : at) at_values.push_back(e.use(*as<TensorVal>(p.v)));
    ir::Value whole = e.use(*t);
    auto params = e.cx->b.open(std::vector<ir::Type>(axes.size(), ir::scalar_type(DType::i64)));
    std::vector<ir::Value> operands{whole};
    for (size_t k = 0; k < at.size(); ++k) {
      if (at[k].axes.empty()) {
        operands.push_back(at_values[k]);
        continue;
      }
      std::vector<ir::Value> inner{at_values[k]};
      for (int a : at[k].axes) inner.push_back(params[static_cast<size_t>(std::find(axes.begin(), axes.end(), a) - axes.begin())]);
      operands.push_back(e.cx->b.one(ir::Op::read, inner));
    }
    ir::Value y = e.cx->b.one(ir::Op::read, operands);
    std::vector<ir::Region> regions;
    regions.push_back(e.cx->b.close({y}));
    return {e.tensor(e.cx->b.emit(ir::Op::map, {}, attr, std::move(regions)).results[0]), axes};
  }

  // One operand of a contraction: a tensor and how each of its axes is read.
  struct Factor {
    ir::Value v;
    std::vector<ir::Affine> axes;
    std::vector<int> uses;
    DType dtype;
  };
  Factor factor(const Expr& x) {
    DimId zero = e.dims.constant(0);
    if (x.kind == Expr::subscript) {
      const auto& sub = ast::as<ast::Subscript>(x);
      bool window = false, fits = true;
      std::vector<ir::Affine> axes;
      std::set<int> uses;
      for (auto& p : sub.subs) {
        auto use = p.at ? affine(*p.at) : std::nullopt;
        fits = fits && use && as<IntVal>(use->offset)->dim && !(e.known_int(use->offset) && *e.known_int(use->offset) < 0);
        if (!fits) break;
        ir::Affine a{{}, *as<IntVal>(use->offset)->dim};
        window = window || use->terms.size() > 1;
        for (auto& [i, c] : use->terms) {
          fits = fits && c > 0 && !indices[static_cast<size_t>(i)].first;
          a.terms.push_back({static_cast<uint8_t>(i), c});
          uses.insert(i);
        }
        axes.push_back(a);
      }
      if (window && fits && as<TensorVal>(base(sub))) {
        const auto& t = *as<TensorVal>(base(sub));
        return {e.use(t), axes, {uses.begin(), uses.end()}, t.type.dtype};
      }
    }
    Part p = part(x);
    Val v = p.v;
    const TensorVal& t = e.as_tensor(v, x.loc);
    Factor f{e.use(t), {}, p.axes, t.type.dtype};
    for (int a : p.axes) f.axes.push_back({{{static_cast<uint8_t>(a), 1}}, zero});
    return f;
  }

  Part reduce(const ast::Reduction& r) {
    const std::vector<int>& mine = reduced.at(&r);
    std::set<int> sum(mine.begin(), mine.end());
    const std::string& op = r.op.text;
    auto close = [&] { closed.insert(mine.begin(), mine.end()); };
    // sum of a product: one contraction
    if (op == "sum" && r.body->kind == Expr::binary && ast::as<ast::Binary>(*r.body).op == BinaryOp::mul) {
      const auto& b = ast::as<ast::Binary>(*r.body);
      if (uses_index(*b.a) && uses_index(*b.b)) {
        Factor l = factor(*b.a), q = factor(*b.b);
        if (l.dtype != q.dtype)
          e.error(Code::E0406, r.body->loc, "a product of " + std::string(tenon::name(l.dtype)) + " and " + std::string(tenon::name(q.dtype)), "convert one of them with cast");
        std::vector<int> all = united(l.uses, q.uses), out;
        for (int i : mine) all = united(all, {i});
        for (int i : all)
          if (!sum.count(i)) out.push_back(i);
        bool used = true;
        for (int i : mine)
          used = used && (std::count(l.uses.begin(), l.uses.end(), i) || std::count(q.uses.begin(), q.uses.end(), i));
        if (used && l.dtype != DType::boolean) {
          // Indices of the contraction: free ones in order, then the summed ones: windows first.
          std::vector<int> order = out;
          auto in_window = [&](int i) {
            for (auto* f : {&l, &q})
              for (auto& a : f->axes)
                if (a.terms.size() > 1)
                  for (auto& term : a.terms)
                    if (term.index == i) return true;
            return false;
          };
          for (int i : mine) if (in_window(i)) order.push_back(i);
          for (int i : mine) if (!in_window(i)) order.push_back(i);
          std::map<int, uint8_t> number;
          auto spec = std::make_shared<ir::ContractSpec>();
          for (int i : order) {
            number[i] = static_cast<uint8_t>(spec->range.size());
            spec->range.push_back(range(i));
          }
          auto renumber = [&](std::vector<ir::Affine> axes) {
            for (auto& a : axes) {
              for (auto& term : a.terms) term.index = number.at(term.index);
              std::sort(a.terms.begin(), a.terms.end(), [](auto& x, auto& y) { return x.index < y.index; });
            }
            return axes;
          };
          spec->a = renumber(l.axes);
          spec->b = renumber(q.axes);
          for (int i : out) spec->out.push_back(number.at(i));
          e.cx->b.at(r.loc);
          Part result{e.tensor(e.cx->b.one(ir::Op::contract, {l.v, q.v}, ir::ContractAttr{spec})), out};
          close();
          return result;
        }
      }
    }
    if (auto taps = window(r, mine)) {
      close();
      return *taps;
    }
    Part p = part(*r.body);
    std::vector<int> all = p.axes, out;
    for (int i : mine) all = united(all, {i});
    for (int i : all)
      if (!sum.count(i)) out.push_back(i);
    Val v = aligned(p, all);
    std::vector<Val> axes;
    for (size_t k = 0; k < all.size(); ++k)
      if (sum.count(all[k])) axes.push_back(e.integer(static_cast<int64_t>(k)));
    const Builtin* f = find_builtin(op);
    require(f, "a reducer without a primitive");
    if ((op == "argmax" || op == "argmin") && mine.size() != 1)
      e.error(Code::E0412, r.loc, "`" + op + "` takes one index");
    Val axis = axes.size() == 1 ? axes[0] : std::make_shared<TupleVal>(axes);
    Val result = f->call(e, Args{{{"", v, r.body->loc}, {"axis", axis, r.op.loc}}, r.loc});
    close();
    return {result, out};
  }

  // max[r in 0..2] x[2 * p + r]: a window of a known small size is written out, one slice after the other.
  std::optional<Part> window(const ast::Reduction& r, const std::vector<int>& mine) {
    const std::string& op = r.op.text;
    if ((op != "sum" && op != "max" && op != "min") || r.body->kind != Expr::subscript) return std::nullopt;
    const auto& sub = ast::as<ast::Subscript>(*r.body);
    auto* t = as<TensorVal>(base(sub));
    if (!t || t->type.dtype == DType::boolean) return std::nullopt;
    std::set<int> moved;  // indices that stand in a window beside another
    for (auto& p : sub.subs)
      if (auto use = p.at ? affine(*p.at) : std::nullopt; use && use->terms.size() > 1)
        for (auto& [i, c] : use->terms) moved.insert(i);
    int64_t count = 1;
    std::vector<int64_t> size;
    for (int i : mine) {
      auto n = e.dims.value(range(i));
      if (!moved.count(i) || !n || *n < 1 || *n > kMostTaps || (count *= *n) > kMostTaps) return std::nullopt;
      size.push_back(*n);
    }
    Part total;
    for (int64_t tap = 0; tap < count; ++tap) {
      std::map<int, int64_t> fixed;
      int64_t rest = tap;
      for (size_t k = mine.size(); k-- > 0; rest /= size[k]) fixed[mine[k]] = rest % size[k];
      auto part = sliced(sub, *t, fixed);
      if (!part) return std::nullopt;
      e.cx->b.at(r.loc);
      total = tap == 0 ? *part : Part{e.tensor(joined(op, e.use(*as<TensorVal>(total.v)), e.use(*as<TensorVal>(part->v)))), part->axes};
    }
    return total;
  }
  static constexpr int64_t kMostTaps = 64;

  // Of a value and the next tap of its window. The first extreme stays, and so does a NaN.
  ir::Value joined(const std::string& op, ir::Value total, ir::Value tap) {
    ir::Builder& b = e.cx->b;
    if (op == "sum") return b.one(ir::Op::add, {total, tap});
    ir::Value stays = op == "max" ? b.one(ir::Op::le, {tap, total}) : b.one(ir::Op::le, {total, tap});
    if (is_float(b.type(total).dtype)) stays = b.one(ir::Op::or_, {stays, b.one(ir::Op::not_, {b.one(ir::Op::eq, {total, total})})});
    return b.one(ir::Op::select, {stays, total, tap});
  }

  // Element by element: indices are numbers, subscripts read one element, `if` takes one arm.
  Part by_element(const Expr& x) {
    std::set<int> used;
    walk(x, [&](const Expr& y) {
      if (y.kind == Expr::name)
        if (int i = find(ast::as<ast::NameRef>(y).id); i >= 0) used.insert(i);
      if (y.kind == Expr::reduction)
        e.error(Code::E0411, y.loc, "a reduction inside an `if` of index notation is not built yet", "give it a name before: let s[i] = sum[k] ..");
    });
    std::vector<int> axes(used.begin(), used.end());
    ir::MapAttr attr;
    for (int a : axes) attr.out.push_back(range(a));
    auto inner = std::make_shared<Scope>(s);
    auto params = e.cx->b.open(std::vector<ir::Type>(axes.size(), ir::scalar_type(DType::i64)));
    for (size_t k = 0; k < axes.size(); ++k) {
      auto& info = indices[static_cast<size_t>(axes[k])];
      Val i = e.int_from(params[k]);
      if (info.first) i = e.int_binary(BinaryOp::add, *as<IntVal>(i), *as<IntVal>(info.first), x.loc);
      inner->define(info.name, i, false, info.where);
    }
    ++e.in_map;
    struct Leave {
      Elab& e;
      ~Leave() { --e.in_map; }
    } leave{e};
    Val v = e.expr(x, inner);
    const TensorVal& t = e.as_tensor(v, x.loc, "the body of index notation: one number");
    if (!t.type.scalar()) e.error(Code::E0412, x.loc, "the body of index notation is one number, but this is " + e.type_text(v));
    ir::Value y = e.use(t);
    std::vector<ir::Region> regions;
    regions.push_back(e.cx->b.close({y}));
    e.cx->b.at(x.loc);
    return {e.tensor(e.cx->b.emit(ir::Op::map, {}, attr, std::move(regions)).results[0]), axes};
  }

  Val whole(const Expr& body, const std::vector<int>& left) {
    Part p = part(body);
    for (int a : p.axes)
      if (std::find(left.begin(), left.end(), a) == left.end())
        e.error(Code::E0412, body.loc, "the index `" + indices[static_cast<size_t>(a)].name + "` is used beyond the reach of its reduction",
                "a reduction reaches over a product, not over + or a comparison: put the sum into parentheses");
    return left.empty() ? p.v : aligned(p, left);
  }

 private:
  Elab& e;
  ScopePtr s;
  std::vector<IndexInfo> indices;
  std::set<int> closed;  // of reductions that are done
  std::map<const ast::Reduction*, std::vector<int>> reduced;
  std::map<const ast::Subscript*, Val> bases;
  std::vector<std::pair<Val, Loc>> factors;  // of indices, not known when compiling
};

Val Elab::index_bind(const ast::IndexBind& b, const ScopePtr& s) {
  IndexNotation n(*this, s);
  std::vector<int> left;
  for (auto& i : b.indices) {
    for (int k : left)
      if (b.indices[static_cast<size_t>(k)].id.text == i.id.text) error(Code::E0412, i.id.loc, "the index `" + i.id.text + "` stands twice on the left");
    left.push_back(n.add(i));
  }
  n.declare(*b.value);
  n.find_ranges(*b.value);
  return n.whole(*b.value, left);
}

Val Elab::reduction(const ast::Reduction& r, const ScopePtr& s) {
  IndexNotation n(*this, s);
  n.declare(r);
  n.find_ranges(r);
  return n.whole(r, {});
}

}  // namespace tenon::elab
