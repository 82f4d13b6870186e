// An own derivative against the automatic one, at drawn points: what `tenon test` checks of each
// `derivative of` (rule 12). The test is elaborated like any other; its numbers are drawn when it runs.
#include "frontend/elab.h"

namespace tenon::elab {
namespace {

// What a written type is filled with: drawn floats, zeros for integers, small sizes, all different.
class Points {
 public:
  Points(Elab& elab, const ast::FnDecl& f, Val distribution)
      : e(elab), decl_(f), distribution_(std::move(distribution)) {
    types.scope = e.top_scope();
    types.signature = true;
    for (auto& c : f.sig.constraints) types.bounds[c.variable.text] = c.bound.text;
  }

  // Null: nothing can be drawn for such a parameter.
  Val argument(const ast::Param& p) {
    if (!p.type) return drawn({DType::f32, {e.dims.constant(3)}, false});
    if (e.host_type(*p.type) == "int") {
      Val n = e.integer(size_of(p.id.text));
      return n;
    }
    return of_type(*p.type);
  }
  Val drawn(const ir::Type& t) { return e.draw(distribution_, t, decl_.loc); }

 private:
  int64_t size_of(const std::string& name) {
    auto [at, fresh] = sizes_.emplace(name, next_);
    if (fresh) {
      ++next_;
      types.sizes[name] = e.dims.constant(at->second);
    }
    return at->second;
  }
  void bind(const ast::DimExpr* d) {
    if (!d) return;
    if (d->kind == ast::DimExpr::variable && !e.size_named(d->id, types)) size_of(d->id);
    bind(d->a);
    bind(d->b);
  }

  Val of_type(const ast::TypeExpr& t) {
    std::string_view host = e.host_type(t);
    if (host == "float") {
      Val x = drawn(ir::scalar_type(DType::f64));
      return std::make_shared<FloatVal>(as<TensorVal>(x)->leaf);
    }
    if (host == "dtype") return std::make_shared<DTypeVal>(DType::f64);
    if (auto* named = e.type_named(t, types.scope)) return of_type(*named->written);
    switch (t.kind) {
      case ast::TypeExpr::tuple: {
        std::vector<Val> out;
        for (auto* x : t.elements) {
          out.push_back(of_type(*x));
          if (!out.back()) return nullptr;
        }
        return std::make_shared<TupleVal>(std::move(out));
      }
      case ast::TypeExpr::record: {
        std::vector<std::pair<std::string, Val>> out;
        for (auto& f : t.fields) {
          out.emplace_back(f.id.text, of_type(*f.type));
          if (!out.back().second) return nullptr;
        }
        return std::make_shared<RecordVal>(std::move(out));
      }
      case ast::TypeExpr::list:
      case ast::TypeExpr::function: return nullptr;
      case ast::TypeExpr::named: break;
    }
    if (!e.is_dtype_name(t, types)) return nullptr;
    auto d = e.type_dtype(t, types);
    if (!d) {
      d = types.bounds[t.path[0].text] == "integer" ? DType::i64 : DType::f64;
      types.dtypes[t.path[0].text] = *d;
    }
    ir::Type type{*d, {}, false};
    for (auto* x : t.dims) {
      if (x->kind == ast::DimExpr::rest) {
        if (!types.rest) types.rest = {e.dims.constant(2), e.dims.constant(3)};
        type.shape.insert(type.shape.end(), types.rest->begin(), types.rest->end());
      } else if (x->kind == ast::DimExpr::wildcard) {
        type.shape.push_back(e.dims.constant(next_++));
      } else {
        bind(x);
        type.shape.push_back(*e.dim(*x, types));
      }
    }
    if (is_float(type.dtype)) return drawn(type);
    return e.tensor(e.cx->b.zeros(type));
  }

  Elab& e;
  const ast::FnDecl& decl_;
  Val distribution_;
  Elab::TypeCx types;
  std::map<std::string, int64_t> sizes_;
  int64_t next_ = 3;
};

}  // namespace

void Elab::test_rule(const ast::FnDecl& f, const ast::Derivative& rule, int point) {
  // Two points around zero, one inside (0, 1), where logarithms and roots are at home.
  auto distribution = [&](const char* name, double a, double b) {
    Args args{{{"", real(a), rule.loc}, {"", real(b), rule.loc}}, rule.loc};
    return call(library_name(name)->value, args);
  };
  Points points(*this, f, point < 2 ? distribution("normal", 0.0, 1.0) : distribution("uniform", 0.1, 0.9));
  auto own = std::make_shared<FunctionVal>(FunctionVal::named);
  own->decl = &f;
  own->scope = top_scope();
  Args args;
  args.loc = rule.loc;
  auto wrapped = std::make_shared<FunctionVal>(FunctionVal::wrapped);
  wrapped->wrap = Wrap::vjp_pull;
  wrapped->inner = own;
  for (auto& p : f.sig.params) {
    Val v = p.rest ? nullptr : points.argument(p);
    if (!v)
      error(Code::E0411, p.id.loc, "no value can be drawn for `" + p.id.text + "`");
    std::vector<FlatLeaf> flat;
    flatten(v, flat);
    for (auto& l : flat)
      if (is_float(l.type.dtype)) {
        wrapped->wrt.push_back(p.id.text);
        break;
      }
    args.list.push_back({"", v, rule.loc});
  }
  Val y = call(own, args);
  Val dy = rebuild(y, [&](const Leaf& l, const ir::Type& t) {
    return is_float(t.dtype) ? as<TensorVal>(points.drawn(t))->leaf : l;
  });
  Val by_rule = derive(Wrap::vjp_pull, *wrapped, args, {dy});
  using Op = ast::BinaryOp;
  const Loc at = rule.loc;
  // A check for each float tensor of the gradients that two of them are near each other.
  auto compare = [&](const Val& left, const Val& right, const std::string& what, const std::string& names, const std::string& hint) {
    for (size_t i = 0; i < wrapped->wrt.size(); ++i) {
      auto part = [&](const Val& v) { return wrapped->wrt.size() == 1 ? v : as<TupleVal>(v)->elements[i]; };
      std::vector<FlatLeaf> a, b;
      flatten(part(left), a);
      flatten(part(right), b);
      for (size_t k = 0; k < a.size() && k < b.size(); ++k) {
        const ir::Type& t = a[k].type;
        if (!is_float(t.dtype)) continue;
        Val x = std::make_shared<TensorVal>(a[k].leaf, t), z = std::make_shared<TensorVal>(b[k].leaf, b[k].type);
        auto absolute = [&](const Val& v) { return elementwise(ir::Op::abs, {v}, {at}, at, "abs"); };
        const double far = t.dtype == DType::f64 ? 1e-6 : t.dtype == DType::f32 ? 1e-3 : 5e-2;
        Val bound = binary(Op::add, real(far * 0.1), binary(Op::mul, real(far), absolute(z), at, at, at), at, at, at);
        Val near = binary(Op::le, absolute(binary(Op::sub, x, z, at, at, at)), bound, at, at, at);
        // Outside of what the function is defined for neither says anything.
        Val finite = binary(Op::eq, binary(Op::sub, z, z, at, at, at), real(0.0), at, at, at);
        Val ok = binary(Op::or_, near, unary(ast::UnaryOp::not_, finite, at, at), at, at, at);
        ir::Value shown_x = use(*as<TensorVal>(x)), shown_z = use(*as<TensorVal>(z));
        std::vector<ir::Value> operands{use(*as<TensorVal>(ok)), shown_x, shown_z};
        std::string text = "the derivative of `" + f.id.text + "` with respect to `" + wrapped->wrt[i] + "` " + what +
                           (cx->training ? ", in training" : "") + names;
        if (!t.scalar()) {
          operands.insert(operands.end(), {shown_x, shown_z});
          text += "\n  {difference}";
        }
        cx->b.at(rule.id.loc);
        cx->b.emit(ir::Op::check, operands, ir::CheckAttr{Code::E0804, text, hint, Fault::data});
      }
    }
  };
  auto scaled = [&](const Val& v) {  // by a power of 2, so that what is linear gives the same digits
    return rebuild(v, [&](const Leaf& l, const ir::Type& t) {
      if (!is_float(t.dtype)) return l;
      Val x = binary(Op::mul, real(-2.0), std::make_shared<TensorVal>(l, t), at, at, at);
      return as<TensorVal>(x)->leaf;
    });
  };
  compare(derive(Wrap::vjp_pull, *wrapped, args, {scaled(dy)}), scaled(by_rule), "is not linear in `" + rule.cotangent.text + "`",
          "\n  of -2 " + rule.cotangent.text + ":       {}\n  -2 times of " + rule.cotangent.text + ": {}",
          "the block gives the gradient: `" + rule.cotangent.text + "` times slopes, which depend on the arguments alone");
  automatic = &f;
  struct Back {
    Elab& e;
    ~Back() { e.automatic = nullptr; }
  } back{*this};
  compare(by_rule, derive(Wrap::vjp_pull, *wrapped, args, {dy}), "is not what the function itself gives",
          "\n  the rule:  {}\n  automatic: {}", "a difference that is meant is written in the function, with stop_gradient");
}

}  // namespace tenon::elab
