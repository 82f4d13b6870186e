// Index notation: let c[i, j] = sum[k] a[i, k] * b[k, j] (rule 6).
//
// Every part of the body becomes a tensor over the indices it uses, axes in the order of the indices'
// numbers; operators then are the library's own on aligned shapes, so that both ways of saying a thing
// give the same bits. A sum over a product is one contraction, windows (x[p + r]) included. Where an
// element must be computed by itself (an `if` that guards a read), the part is a `map`.
#include "frontend/elab_index.h"

#include <algorithm>

namespace tenon::elab {
namespace {

using ast::BinaryOp;
using ast::Expr;

// A tensor over `axes` (ascending numbers of indices), or a plain value without axes.
struct Part {
  Val v;
  std::vector<int> axes;
};

}  // namespace

class Elab::IndexNotation : public IndexRanges {
 public:
  using IndexRanges::IndexRanges;

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
        if (takes_numbers(callee, c)) return by_element(x);
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
      case Expr::int_lit: case Expr::float_lit: case Expr::bool_lit: case Expr::string_lit: case Expr::range:
      case Expr::member: case Expr::tuple: case Expr::bracket: case Expr::comprehension: case Expr::record:
      case Expr::lambda: break;
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

  // Does a function whose types say so take what depends on an index as a single number? Others are given
  // all of the elements at once.
  bool takes_numbers(const Val& callee, const ast::Call& c) {
    const auto* f = as<FunctionVal>(callee);
    if (!f || (f->what != FunctionVal::named && f->what != FunctionVal::lambda)) return false;
    const ast::FnSig& sig = f->what == FunctionVal::named ? f->decl->sig : f->fn->sig;
    for (size_t k = 0; k < c.args.size(); ++k) {
      if (!uses_index(*c.args[k].value)) continue;
      for (size_t p = 0; p < sig.params.size(); ++p) {
        const ast::Param& param = sig.params[p];
        if (c.args[k].id ? c.args[k].id->text != param.id.text : p != k) continue;
        if (!param.type || param.rest || param.type->kind != ast::TypeExpr::named || param.type->path.size() != 1 || !param.type->dims.empty()) continue;
        const std::string& type = param.type->path[0].text;
        if (dtype_named(type) || type == "int" || type == "float") return true;
        for (const ast::Constraint& of : sig.constraints)
          if (of.variable.text == type) return true;
      }
    }
    return false;
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
    Within within(*this, r);
    std::set<int> sum(mine.begin(), mine.end());
    const std::string& op = r.op.text;
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
          return {e.tensor(e.cx->b.one(ir::Op::contract, {l.v, q.v}, ir::ContractAttr{spec})), out};
        }
      }
    }
    if (auto taps = window(r, mine)) return *taps;
    return over(r, part(*r.body));
  }

  // The library's own reduction of what its body came to.
  Part over(const ast::Reduction& r, const Part& p) {
    const std::vector<int>& mine = reduced.at(&r);
    const std::string& op = r.op.text;
    std::vector<int> all = p.axes, out;
    for (int i : mine) all = united(all, {i});
    std::vector<Val> axes;
    for (size_t k = 0; k < all.size(); ++k) {
      if (std::find(mine.begin(), mine.end(), all[k]) == mine.end()) out.push_back(all[k]);
      else axes.push_back(e.integer(static_cast<int64_t>(k)));
    }
    const Builtin* f = find_builtin(op);
    require(f, "a reducer without a primitive");
    if ((op == "argmax" || op == "argmin") && mine.size() != 1)
      e.error(Code::E0412, r.loc, "`" + op + "` takes one index");
    Val axis = axes.size() == 1 ? axes[0] : std::make_shared<TupleVal>(axes);
    return {f->call(e, Args{{{"", aligned(p, all), r.body->loc}, {"axis", axis, r.op.loc}}, r.loc}), out};
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

  // ---- element by element: indices are numbers, subscripts read one element, `if` takes one arm

  // A step on the way to a place in an arm, and how many indices are seen there: what has to come out of a
  // condition, or a `let`.
  struct Step {
    const Expr* condition;
    bool taken;
    size_t seen;
    const ast::Bind* let;
  };

  Part by_element(const Expr& x) {
    std::vector<Step> path;
    make_reductions(x, path);
    std::set<int> used;
    uses(x, used);
    return elements(x, {}, {used.begin(), used.end()}, {}, ir::ReduceKind::sum);
  }

  // A reduction in there becomes a tensor of its own, made before: under the conditions that lead to it,
  // so that what an `if` guards is not read for the elements that go another way.
  void make_reductions(const Expr& x, std::vector<Step>& path) {
    auto guarded = [&](const Expr* condition, bool taken, const std::function<void()>& f) {
      path.push_back({condition, taken, open.size(), nullptr});
      f();
      path.pop_back();
    };
    if (x.kind == Expr::reduction) {
      const auto& r = ast::as<ast::Reduction>(x);
      if (!made.count(&r)) made.emplace(&r, path.empty() ? reduce(r) : reduce_where(r, path));
    } else if (x.kind == Expr::if_) {
      const auto& i = ast::as<ast::IfExpr>(x);
      make_reductions(*i.condition, path);
      auto arm = [&](const ast::Block* b) {
        if (!b) return;
        const size_t before = path.size();
        values(*b, [&](const Expr& y, const ast::Bind* let) {
          make_reductions(y, path);
          if (let) path.push_back({nullptr, true, open.size(), let});
        });
        path.resize(before);
      };
      if (!uses_index(*i.condition) && !uses_local(*i.condition))  // structure: then there is one arm
        if (auto known = e.known_bool(e.condition(*i.condition, s, "`if`"))) return arm(*known ? i.then : i.otherwise);
      guarded(i.condition, true, [&] { arm(i.then); });
      guarded(i.condition, false, [&] { arm(i.otherwise); });
    } else if (x.kind == Expr::binary && (ast::as<ast::Binary>(x).op == BinaryOp::and_ || ast::as<ast::Binary>(x).op == BinaryOp::or_)) {
      const auto& b = ast::as<ast::Binary>(x);  // only as far as needed
      make_reductions(*b.a, path);
      guarded(b.a, b.op == BinaryOp::and_, [&] { make_reductions(*b.b, path); });
    } else {
      children(x, [&](const Expr& y) { make_reductions(y, path); });
    }
  }

  // The indices that an element depends on.
  void uses(const Expr& x, std::set<int>& out) {
    if (x.kind == Expr::reduction) {
      auto it = made.find(&ast::as<ast::Reduction>(x));
      if (it != made.end()) out.insert(it->second.axes.begin(), it->second.axes.end());
      return;
    }
    if (x.kind == Expr::name)
      if (int i = find(ast::as<ast::NameRef>(x).id); i >= 0) out.insert(i);
    children(x, [&](const Expr& y) { uses(y, out); });
  }

  Part reduce_where(const ast::Reduction& r, const std::vector<Step>& path) {
    const std::vector<int>& mine = reduced.at(&r);
    const std::string& op = r.op.text;
    std::set<int> used;
    for (auto& step : path) {
      std::vector<int> here(open.begin() + static_cast<long>(step.seen), open.end());
      open.resize(step.seen);
      uses(step.let ? *step.let->value : *step.condition, used);
      open.insert(open.end(), here.begin(), here.end());
    }
    Within within(*this, r);
    std::vector<Step> inner = path;
    make_reductions(*r.body, inner);
    uses(*r.body, used);
    static const std::map<std::string, ir::ReduceKind> kinds{
        {"sum", ir::ReduceKind::sum}, {"mean", ir::ReduceKind::sum}, {"prod", ir::ReduceKind::prod},
        {"max", ir::ReduceKind::max}, {"min", ir::ReduceKind::min}, {"any", ir::ReduceKind::any},
        {"all", ir::ReduceKind::all}};
    auto kind = kinds.find(op);
    if (kind == kinds.end()) {  // which element wins: all of them are looked at
      used.insert(mine.begin(), mine.end());
      return over(r, elements(*r.body, path, {used.begin(), used.end()}, {}, ir::ReduceKind::sum));
    }
    for (int i : mine) used.erase(i);
    Part p = elements(*r.body, path, {used.begin(), used.end()}, mine, kind->second, op);
    if (op != "mean") return p;
    DimId n = e.dims.constant(1);
    for (int i : mine) n = e.dims.mul(n, range(i));
    return {e.binary(BinaryOp::div, p.v, std::make_shared<IntVal>(n), r.loc, r.loc, r.loc), p.axes};
  }

  // The body at every index of `out`, reduced over `red`. Where the path does not lead stands what
  // nobody looks at.
  Part elements(const Expr& body, const std::vector<Step>& path, const std::vector<int>& out,
                const std::vector<int>& red, ir::ReduceKind kind, const std::string& op = "") {
    ir::MapAttr attr;
    attr.kind = kind;
    for (int a : out) attr.out.push_back(range(a));
    for (int a : red) attr.red.push_back(range(a));
    std::vector<int> all = out;
    all.insert(all.end(), red.begin(), red.end());
    e.cx->b.at(body.loc);
    auto params = e.cx->b.open(std::vector<ir::Type>(all.size(), ir::scalar_type(DType::i64)));
    auto position = [&](int a) { return static_cast<size_t>(std::find(all.begin(), all.end(), a) - all.begin()); };
    // The indices that are seen further on, as numbers.
    auto names = [&](const ScopePtr& outer, size_t from, size_t to) {
      if (from == to) return outer;
      auto scope = std::make_shared<Scope>(outer);
      for (size_t k = from; k < to; ++k) {
        if (position(open[k]) == all.size()) continue;
        auto& info = indices[static_cast<size_t>(open[k])];
        Val i = e.int_from(params[position(open[k])]);
        if (info.first) i = e.int_binary(BinaryOp::add, *as<IntVal>(i), *as<IntVal>(info.first), body.loc);
        scope->define(info.name, i, false, info.where);
      }
      return scope;
    };
    const std::function<Val(const ast::Reduction&)> element = [&](const ast::Reduction& r) -> Val {
      auto it = made.find(&r);
      if (it == made.end()) return nullptr;
      Val whole = it->second.v;
      std::vector<ir::Value> at{e.use(e.as_tensor(whole, r.loc))};
      for (int a : it->second.axes) at.push_back(params[position(a)]);
      return at.size() == 1 ? whole : e.tensor(e.cx->b.one(ir::Op::read, at));
    };
    struct Inside {
      Inside(Elab& elab, const std::function<Val(const ast::Reduction&)>& f) : e(elab), before(elab.made_before) {
        ++e.in_map;
        e.made_before = &f;
      }
      ~Inside() {
        --e.in_map;
        e.made_before = before;
      }
      Elab& e;
      const std::function<Val(const ast::Reduction&)>* before;
    };
    const Val never = std::make_shared<NeverVal>();
    std::function<Val(size_t, ScopePtr, size_t)> after = [&](size_t k, ScopePtr scope, size_t seen) -> Val {
      if (k == path.size()) return e.expr(body, names(scope, seen, open.size()));
      const Step& step = path[k];
      scope = names(scope, seen, step.seen);
      if (step.let) {
        scope = std::make_shared<Scope>(scope);
        e.stmt(*step.let, scope);
        return after(k + 1, scope, step.seen);
      }
      auto go_on = [&] { return after(k + 1, scope, step.seen); };
      auto stop = [&] { return never; };
      Val c = e.condition(*step.condition, scope, "`if`");
      if (auto known = e.known_bool(c)) return *known == step.taken ? go_on() : never;
      return step.taken ? e.branches(c, go_on, stop, {}, body.loc, true) : e.branches(c, stop, go_on, {}, body.loc, true);
    };
    Val v;
    {
      Inside inside(e, element);
      v = after(0, s, 0);
      if (is_poison(v)) throw Reported{};
      if (v->kind == Value::never) v = op == "any" || op == "all" ? e.boolean(false) : e.real(0.0);
    }
    const TensorVal& t = e.as_tensor(v, body.loc, "the body of index notation: one number");
    if (!t.type.scalar()) e.error(Code::E0412, body.loc, "the body of index notation is one number, but this is " + e.type_text(v));
    const bool logic = kind == ir::ReduceKind::any || kind == ir::ReduceKind::all;
    if (!red.empty() && logic != (t.type.dtype == DType::boolean))
      e.error(Code::E0401, body.loc, "`" + op + "` works on " + (logic ? "bools" : "numbers") + ", but this is " + e.type_text(v),
              logic ? "" : "cast(x, i64) counts");
    if (op == "mean" && !is_float(t.type.dtype))
      e.error(Code::E0401, body.loc, "`mean` of " + e.type_text(v), "convert it first: mean(cast(x, f32))");
    ir::Value y = e.use(t);
    std::vector<ir::Region> regions;
    regions.push_back(e.cx->b.close({y}));
    numbers_alone(regions.back(), body.loc);
    e.cx->b.at(body.loc);
    return {e.tensor(e.cx->b.emit(ir::Op::map, {}, attr, std::move(regions)).results[0]), out};
  }

  // What a function brings into the body of a map is numbers and choices between them (ir/verify.cpp).
  void numbers_alone(const ir::Region& region, Loc body) {
    using ir::Op;
    for (const ir::Node& n : region.nodes) {
      const bool number = std::all_of(n.results.begin(), n.results.end(), [&](ir::Value v) { return e.cx->fn->type(v).scalar(); });
      const bool may = ir::is_scalar(n.op) || n.op == Op::constant || n.op == Op::read || n.op == Op::size || n.op == Op::if_ || n.op == Op::stop_gradient;
      if (!number || !may) {
        const std::string what = n.op == Op::for_ || n.op == Op::while_ ? "a loop" : n.op == Op::check || n.op == Op::debug || n.op == Op::host ? "an effect" : "a tensor";
        e.error(Code::E0412, n.loc, what + " cannot stand in a function that index notation calls for each element",
                "a comprehension can do it: [f(v) for v in x]", {{body, "in this index notation"}});
      }
      for (const ir::Region& inner : n.regions) numbers_alone(inner, body);
    }
  }

  Val whole(const Expr& body, const std::vector<int>& left) {
    Part p = part(body);
    for (int a : p.axes)
      if (std::find(left.begin(), left.end(), a) == left.end())
        e.error(Code::E0412, body.loc, beyond_reach(indices[static_cast<size_t>(a)].name), std::string(kReach));
    return left.empty() ? p.v : aligned(p, left);
  }

 private:
  std::map<const ast::Reduction*, Part> made;  // of those inside what is computed element by element
};

Val Elab::index_bind(const ast::IndexBind& b, const ScopePtr& s) {
  IndexNotation n(*this, s);
  std::vector<int> left;
  for (auto& i : b.indices) {
    for (int k : left)
      if (b.indices[static_cast<size_t>(k)].id.text == i.id.text) error(Code::E0412, i.id.loc, "the index `" + i.id.text + "` stands twice on the left");
    left.push_back(n.add(i));
  }
  n.see(left);
  n.declare(*b.value);
  n.find_ranges(*b.value);
  return n.whole(*b.value, left);
}

Val Elab::reduction(const ast::Reduction& r, const ScopePtr& s) {
  if (in_map) {
    Val v = made_before ? (*made_before)(r) : nullptr;
    if (v) return v;
    error(Code::E0412, r.loc, "a reduction cannot stand in a function that is called for each element",
          "give it a name before: let s[i] = sum[k] ..");
  }
  IndexNotation n(*this, s);
  n.declare(r);
  n.find_ranges(r);
  return n.whole(r, {});
}

}  // namespace tenon::elab
