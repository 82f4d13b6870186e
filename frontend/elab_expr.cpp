// Expressions: what each kind of node is, closures, conditions and brackets. Operators are in
// elab_operator.cpp, names and members in elab_name.cpp.
#include <algorithm>

#include "frontend/elab_index.h"

namespace tenon::elab {
namespace {

using ast::BinaryOp;
using ast::Expr;

// Whether evaluating the right side of `and`/`or` could trap or cost: then it is really skipped.
bool trivial(const Expr& e) {
  switch (e.kind) {
    case Expr::int_lit: case Expr::float_lit: case Expr::bool_lit: case Expr::name: return true;
    case Expr::unary: return trivial(*ast::as<ast::Unary>(e).a);
    case Expr::binary: {
      const auto& b = ast::as<ast::Binary>(e);
      return b.op != BinaryOp::div && b.op != BinaryOp::floordiv && b.op != BinaryOp::rem &&
             b.op != BinaryOp::matmul && trivial(*b.a) && trivial(*b.b);
    }
    case Expr::member: return trivial(*ast::as<ast::Member>(e).object);
    case Expr::string_lit: case Expr::range: case Expr::call: case Expr::subscript: case Expr::tuple:
    case Expr::bracket: case Expr::comprehension: case Expr::record: case Expr::if_:
    case Expr::lambda: case Expr::reduction: return false;
  }
  return false;
}

bool reduces(const Expr& e, std::string_view index) {
  switch (e.kind) {
    case Expr::unary: return reduces(*ast::as<ast::Unary>(e).a, index);
    case Expr::binary: return reduces(*ast::as<ast::Binary>(e).a, index) || reduces(*ast::as<ast::Binary>(e).b, index);
    case Expr::reduction: {
      const auto& r = ast::as<ast::Reduction>(e);
      return reduces(*r.body, index) ||
             std::any_of(r.indices.begin(), r.indices.end(), [&](const ast::Index& i) { return i.id.text == index; });
    }
    case Expr::int_lit: case Expr::float_lit: case Expr::bool_lit: case Expr::string_lit: case Expr::name:
    case Expr::range: case Expr::call: case Expr::member: case Expr::subscript: case Expr::tuple:
    case Expr::bracket: case Expr::comprehension: case Expr::record: case Expr::if_: case Expr::lambda: return false;
  }
  return false;
}

// A name that is not known beside a reduction over it: sum[i] a[i] - a[i].
void tell_of_reach(const Expr& e, Diagnostic& d, const SourceMap& sources) {
  if (d.code != Code::E0201 || d.where.file != e.loc.file || d.where.begin < e.loc.begin || d.where.end > e.loc.end) return;
  const std::string id(sources.text(d.where));
  if (!d.message.starts_with("`" + id + "`") || !reduces(e, id)) return;
  d.code = Code::E0412;
  d.message = beyond_reach(id);
  d.hint = kReach;
}

Val binary_expr(Elab& e, const ast::Binary& b, const ScopePtr& s) {
  if (b.op == BinaryOp::and_ || b.op == BinaryOp::or_) {
    Val a = e.expr(*b.a, s);
    if (is_poison(a)) throw Reported{};
    bool is_and = b.op == BinaryOp::and_;
    if (auto k = e.known_bool(a)) {
      if (*k != is_and) return a;
      return e.expr(*b.b, s);
    }
    auto* t = as<TensorVal>(a);
    if (!t || t->type.dtype != DType::boolean)
      e.error(Code::E0401, b.a->loc, std::string("`") + (is_and ? "and" : "or") +
            "` joins bools, but this is " + e.type_text(a), "compare it with something");
    if (t->type.scalar() && !trivial(*b.b)) {
      return e.branches(
          a, [&] { return is_and ? e.expr(*b.b, s) : e.boolean(true); },
          [&] { return is_and ? e.boolean(false) : e.expr(*b.b, s); }, {}, b.loc, true);
    }
    Val r = e.expr(*b.b, s);
    return e.binary(b.op, a, r, b.loc, b.a->loc, b.b->loc);
  }
  Val a = e.expr(*b.a, s);
  Val r = e.expr(*b.b, s);
  return e.binary(b.op, a, r, b.loc, b.a->loc, b.b->loc);
}

}  // namespace

Val Elab::expr(const Expr& e, const ScopePtr& s) {
  cx->b.at(e.loc);
  switch (e.kind) {
    case Expr::int_lit: return integer(ast::as<ast::IntLit>(e).value);
    case Expr::float_lit: return real(ast::as<ast::FloatLit>(e).value);
    case Expr::bool_lit: return boolean(ast::as<ast::BoolLit>(e).value);
    case Expr::string_lit: return string_lit(ast::as<ast::StringLit>(e), s);
    case Expr::name: return name_value(ast::as<ast::NameRef>(e).id, e.loc, s);
    case Expr::unary: {
      const auto& u = ast::as<ast::Unary>(e);
      return unary(u.op, expr(*u.a, s), e.loc, u.a->loc);
    }
    case Expr::binary:
      try {
        return binary_expr(*this, ast::as<ast::Binary>(e), s);
      } catch (UserError& error) {
        tell_of_reach(e, error.diagnostic, sources);
        throw;
      }
    case Expr::range: {
      const auto& r = ast::as<ast::RangeExpr>(e);
      auto bound = [&](const Expr& x) {
        Val v = expr(x, s);
        if (is_poison(v)) throw Reported{};
        if (auto* t = as<TensorVal>(v); t && t->type.scalar() && t->type.dtype == DType::i64)
          v = std::make_shared<IntVal>(t->leaf);
        if (v->kind != Value::integer)
          error(Code::E0401, x.loc, "a range goes from int to int, but this is " + type_text(v));
        return v;
      };
      Val lo = bound(*r.lo);
      Val hi = bound(*r.hi);
      return std::make_shared<RangeVal>(lo, hi);
    }
    case Expr::call: return call_expr(ast::as<ast::Call>(e), s);
    case Expr::member: {
      const auto& m = ast::as<ast::Member>(e);
      return member(expr(*m.object, s), m.id, e.loc);
    }
    case Expr::subscript: {
      const auto& x = ast::as<ast::Subscript>(e);
      return subscript(expr(*x.object, s), x.subs, e.loc, s);
    }
    case Expr::tuple: {
      std::vector<Val> out;
      for (auto* x : ast::as<ast::TupleExpr>(e).elements) out.push_back(named_value(expr(*x, s)));
      return std::make_shared<TupleVal>(std::move(out));
    }
    case Expr::bracket: {
      std::vector<Val> out;
      std::vector<Loc> locs;
      for (auto* x : ast::as<ast::Bracket>(e).elements) {
        out.push_back(expr(*x, s));
        locs.push_back(x->loc);
      }
      return bracket(std::move(out), locs, e.loc);
    }
    case Expr::comprehension: return comprehension(ast::as<ast::Comprehension>(e), s);
    case Expr::record: {
      std::vector<std::pair<std::string, Val>> fields;
      for (auto& f : ast::as<ast::RecordExpr>(e).fields) {
        for (auto& [n, v] : fields)
          if (n == f.id.text) error(Code::E0202, f.id.loc, "the record has `" + n + "` twice");
        fields.emplace_back(f.id.text, named_value(expr(*f.value, s)));
      }
      return std::make_shared<RecordVal>(std::move(fields));
    }
    case Expr::if_: return if_expr(ast::as<ast::IfExpr>(e), s, true);
    case Expr::lambda: return closure(ast::as<ast::Lambda>(e), s);
    case Expr::reduction: return reduction(ast::as<ast::Reduction>(e), s);
  }
  bug("expr: no such kind");
}

Val Elab::closure(const ast::Lambda& l, const ScopePtr& s) {
  auto f = std::make_shared<FunctionVal>(FunctionVal::lambda);
  f->fn = &l;
  f->id = next_id++;
  f->scope = freeze(s);
  return f;
}

// A scope that holds the present values of all vars in reach, in front of the rest (rule 13).
ScopePtr Elab::freeze(const ScopePtr& s) {
  auto frozen = std::make_shared<Scope>(s);
  std::set<std::string> seen;
  for (Scope* at = s.get(); at; at = at->parent.get())
    for (auto it = at->bindings.rbegin(); it != at->bindings.rend(); ++it)
      if (seen.insert(it->name).second && it->mutable_)
        frozen->define(it->name, it->value, false, it->where);
  return frozen->bindings.empty() ? s : frozen;
}

Val Elab::condition(const Expr& e, const ScopePtr& s, std::string_view who) {
  Val v = expr(e, s);
  if (is_poison(v)) throw Reported{};
  auto* t = as<TensorVal>(v);
  if (!t || t->type.dtype != DType::boolean)
    error(Code::E0401, e.loc, std::string(who) + " needs a bool, but this is " + type_text(v),
          is_numberlike(v) ? "compare it with something: x != 0" : "");
  if (!t->type.scalar())
    error(Code::E0401, e.loc, std::string(who) + " needs one bool, but this is " + type_text(v),
          "any(..) or all(..) make one of many; where(c, a, b) chooses element by element");
  return v;
}

Val Elab::bracket(std::vector<Val> elements, const std::vector<Loc>& locs, Loc loc) {
  bool numbers = true, all_weak = true, real_any = false;
  for (auto& v : elements) {
    if (is_poison(v)) throw Reported{};
    numbers = numbers && is_numberlike(v);
    bool weak_static = v->kind == Value::weak || known_int(v) || (as<FloatVal>(v) && as<FloatVal>(v)->known);
    all_weak = all_weak && weak_static;
    real_any = real_any || v->kind == Value::real || (as<WeakVal>(v) && as<WeakVal>(v)->real);
  }
  if (elements.empty() || !numbers) return std::make_shared<ListVal>(std::move(elements));
  if (all_weak) {
    auto w = std::make_shared<WeakVal>();
    w->real = real_any;
    std::optional<std::vector<int64_t>> shape;
    for (size_t i = 0; i < elements.size(); ++i) {
      std::vector<int64_t> inner;
      auto* x = as<WeakVal>(elements[i]);
      if (x) inner = x->shape;
      if (shape && *shape != inner)
        error(Code::E0301, locs[i], "the elements of a bracket need one shape: this is " + type_text(elements[i]) +
              ", the first is " + type_text(elements[0]), "a tuple (a, b) holds different shapes", {{locs[0], type_text(elements[0])}});
      shape = inner;
      auto put = [&](double r, int64_t n, bool is_real) {
        if (w->real) w->reals.push_back(is_real ? r : static_cast<double>(n));
        else w->integers.push_back(n);
      };
      if (x) {
        for (double r : x->reals) put(r, 0, true);
        for (int64_t n : x->integers) put(0, n, false);
      } else if (auto n = known_int(elements[i])) {
        put(0, *n, false);
      } else {
        put(*as<FloatVal>(elements[i])->known, 0, true);
      }
    }
    w->shape = *shape;
    w->shape.insert(w->shape.begin(), static_cast<int64_t>(elements.size()));
    return w;
  }
  // Stack run-time tensors: one dtype, one shape.
  std::optional<DType> dtype;
  for (auto& v : elements)
    if (auto t = dtype_of(v)) dtype = dtype ? dtype : t;
  if (!dtype) dtype = real_any ? DType::f32 : DType::i64;
  std::vector<ir::Value> rows;
  std::vector<DimId> shape;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (*dtype == DType::boolean && is_weak(elements[i]))
      error(Code::E0401, locs[i], "the elements of a bracket have one dtype: this is a number, another is a bool",
            "cast(b, i64) makes 0 and 1 of a bool; a tuple (a, b) holds different types");
    ir::Value v = to_dtype(elements[i], *dtype, locs[i]);
    auto have = cx->fn->type(v).shape;
    if (i == 0) shape = have;
    if (have.size() != shape.size())
      error(Code::E0303, locs[i], "the elements of a bracket need one shape: this is " + type_text(elements[i]) +
            ", the first is " + type_text(elements[0]), "a tuple (a, b) holds different shapes");
    for (size_t k = 0; k < shape.size(); ++k)
      require_equal(shape[k], have[k], locs[i], "the elements of a bracket need one shape", "a tuple (a, b) holds different shapes",
                    {{locs[0], type_text(elements[0])}});
    std::vector<DimId> row{dims.constant(1)};
    row.insert(row.end(), shape.begin(), shape.end());
    rows.push_back(cx->b.reshape(v, row));
  }
  cx->b.at(loc);
  return tensor(cx->b.one(ir::Op::concat, rows, ir::AxisAttr{0}));
}

}  // namespace tenon::elab
