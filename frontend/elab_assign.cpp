// place = value (rule 4): which var is meant, the changed copy of what it holds, and what to say where
// something cannot be assigned to.
#include "frontend/elab_subscript.h"

namespace tenon::elab {

namespace {

using ast::Expr;

// What a field or a part becomes: it keeps its type, as a var does.
Val in_place_of(Elab& e, const Val& old, const Val& value, Loc loc, const std::string& what) {
  std::string why;
  Val v = e.named_value(value);
  if (!e.same_kind(old, v, why))
    e.error(Code::E0401, loc, what + " is " + e.type_text(old) + " and cannot become " + e.type_text(v) + (why.empty() ? "" : ": " + why));
  if (auto* t = as<TensorVal>(old); t && e.is_weak(v)) v = e.tensor(e.to_dtype(v, t->type.dtype, loc));
  return v;
}

// What has elements for a reader, or none at all, but none that can be assigned to.
void refuse_elements(Elab& e, const Val& object, const ast::Subscript& x, Loc loc) {
  const std::string written(e.sources.text(x.object->loc));
  auto refuse = [&](const std::string& message, const std::string& hint) { e.error(Code::E0404, loc, message, hint); };
  if (object->kind == Value::string)
    refuse("a string is not changed in places", "build the new one: + joins strings");
  if (object->kind == Value::record)
    refuse("rows of a record are read, not assigned to", "assign to a field of it: " + written + "." +
           (as<RecordVal>(object)->fields.empty() ? "x" : as<RecordVal>(object)->fields[0].first) + "[i] = ..");
  if (object->kind == Value::range || object->kind == Value::sequence)
    refuse("`" + written + "` is " + e.type_text(object) + ": its elements are computed, not kept", "a tensor keeps numbers that change");
  if (!e.is_numberlike(object)) refuse("this is " + e.type_text(object) + " and has no elements", "");
  auto* t = as<TensorVal>(object);
  if (object->kind == Value::integer || object->kind == Value::real || (t && t->type.scalar()))
    refuse("`" + written + "` is one number (" + e.type_text(object) + ") and has no elements", "without a subscript: " + written + " = ..");
}

[[noreturn]] void refuse_many(Elab& e, const Val& index, const ast::Expr& place, Loc loc) {
  const std::string written(e.sources.text(ast::as<ast::Subscript>(place).object->loc));
  auto* t = as<TensorVal>(index);
  if (!t) e.error(Code::E0401, loc, "a subscript is an int, but this is " + e.type_text(index));
  if (t->type.dtype == DType::boolean)
    e.error(Code::E0404, loc, "a mask picks no places to assign to", written + " = where(mask, new, " + written + ")");
  if (!is_integer(t->type.dtype)) e.error(Code::E0401, loc, "a subscript is an int, but this is " + e.type_text(index));
  e.error(Code::E0404, loc, "many places are not assigned to at once: this is " + e.type_text(index),
        "one after the other: for (k, i) in enumerate(ids) { " + written + "[i] = new[k] }");
}

// A name that is no var: what it is, and where a var comes from.
[[noreturn]] void refuse_fixed(Elab& e, const std::string& id, const Binding& b, Loc loc, const ScopePtr& s) {
  const std::vector<Note> defined{{b.where, "`" + id + "` was defined here"}};
  auto refuse = [&](const std::string& what, const std::string& hint) {
    e.error(Code::E0404, loc, "`" + id + "` is " + what, hint, defined);
  };
  Scope* home = s.get();
  while (home && home->find_here(id) != &b) home = home->parent.get();
  if (home && home->function && id != "self")
    refuse("not a var: what a function is given stays as it is", "begin the function with `var " + id + " = " + id + "`");
  if (e.lookup_is_frozen(id, s))
    refuse("not a var of this function", "a function works on what it saw when it was made; give the value back as a result");
  auto* f = as<FunctionVal>(b.value);
  if (f && f->what == FunctionVal::named && f->decl->id.loc == b.where) refuse("a function and stays one", "choose another name: var f = " + id);
  if (b.value->kind == Value::model_class) refuse("a model and stays one", "a value of it can be changed: var net = " + id + "(..)");
  if (b.value->kind == Value::module) refuse("a module, whose names are not assigned to", "choose another name");
  if (b.value->kind == Value::type) refuse("a type", "choose another name");
  std::string_view before = b.where.known() ? e.sources.text(b.where.file).substr(0, b.where.begin) : "";
  before = before.substr(before.rfind('\n') + 1);
  if (before.rfind("for ") != before.npos && before.find("let ") == before.npos)
    refuse("not a var: each turn of the loop gives it its value", "name a var of the turn: var y = " + id);
  e.error(Code::E0404, loc, "`" + id + "` is not a var", "define it with `var " + id + " = ..`", defined);
}

}  // namespace

void Elab::assign(const ast::Assign& a, const ScopePtr& s) {
  Val v;
  if (a.op) {
    Val old = expr(*a.place, s);
    Val by = expr(*a.value, s);
    v = binary(*a.op, old, by, a.loc, a.place->loc, a.value->loc);
  } else {
    v = expr(*a.value, s);
  }
  cx->b.at(a.loc);
  assign_to(*a.place, v, s);
}

void Elab::assign_to(const ast::Expr& place, const Val& value, const ScopePtr& s) {
  if (is_poison(value)) throw Reported{};
  if (place.kind == ast::Expr::tuple) {
    const auto& t = ast::as<ast::TupleExpr>(place);
    auto* v = as<TupleVal>(value);
    if (!v || v->elements.size() != t.elements.size())
      error(Code::E0401, place.loc, "this names " + std::to_string(t.elements.size()) + " places, but the value is " + type_text(value));
    for (size_t i = 0; i < t.elements.size(); ++i) assign_to(*t.elements[i], v->elements[i], s);
    return;
  }
  const ast::Expr* base = &place;
  while (true) {
    if (base->kind == ast::Expr::member) base = ast::as<ast::Member>(*base).object;
    else if (base->kind == ast::Expr::subscript) base = ast::as<ast::Subscript>(*base).object;
    else break;
  }
  if (base->kind != ast::Expr::name)
    error(Code::E0404, place.loc, base->kind == Expr::call ? "what a function gives is a value, not a place that can be assigned to"
                                                           : "this is not a place that can be assigned to",
          base->kind == Expr::call ? "give it a name first: var y = " + std::string(sources.text(base->loc))
                                   : "a place is a var, an element of one (x[i]) or a field of one (net.head)");
  const std::string& id = ast::as<ast::NameRef>(*base).id;
  if (id == "_" ) return;
  Binding* b = lookup(id, s);
  if (!b && !library_name(id) && !find_builtin(id)) {
    s->define(id, poison(), true, base->loc);  // one message, not one per use
    error(Code::E0201, base->loc, "`" + id + "` is not defined, so nothing can be assigned to it",
          "define it first: let " + id + " = .., or var " + id + " = .. where it changes");
  }
  if (!b || !b->value) {
    if (b) force_top(*b, id, base->loc);
    name_value(id, base->loc, s);
    error(Code::E0404, base->loc, "`" + id + "` is of the library and cannot be assigned to");
  }
  if (is_poison(b->value)) return;
  Binding* me = lookup("self", s);
  auto* model = me ? as<ModelVal>(me->value) : nullptr;
  if (auto* field = model ? model->find(id) : nullptr; field && !b->mutable_ && b->value == field->value)
    error(Code::E0404, base->loc, "`" + id + "` belongs to the model, which a function of it does not change",
          field->role == ModelField::state ? "`update " + id + " = ..` carries a state along, in training"
                                           : "a function gives a changed copy back: var next = self, then next." + id + " = ..");
  if (!b->mutable_) refuse_fixed(*this, id, *b, base->loc, s);
  const Val before = b->value;
  const bool part = &place != base;
  // What is put into a place of a model is that place alone (rule 7).
  Val next = assign_place(before, place, part ? one_of_a_kind(value) : value, s);
  if (part) note_broken_shares(id, before, next, place.loc);
  b = lookup(id, s);  // evaluating subscripts may have defined names
  if (!part) {
    std::string why;
    Val v = named_value(next);
    if (!same_kind(b->value, v, why))
      error(Code::E0401, place.loc, "`" + id + "` is " + type_text(b->value) + " and cannot become " + type_text(v) +
            (why.empty() ? "" : ": " + why), "a var keeps its type; use another name", {{b->where, "`" + id + "` was defined here"}});
    // A float var keeps its dtype when a weak number is assigned.
    if (auto t = as<TensorVal>(b->value); t && (v->kind == Value::integer || v->kind == Value::real))
      v = tensor(to_dtype(v, t->type.dtype, place.loc));
    b->value = v;
  } else {
    b->value = next;
  }
}

bool Elab::lookup_is_frozen(std::string_view id, const ScopePtr& s) {
  bool first = true;
  for (Scope* at = s.get(); at; at = at->parent.get())
    if (Binding* b = at->find_here(id)) {
      if (!first && b->mutable_) return true;
      if (b->mutable_) return false;
      first = false;
    }
  return false;
}

// The changed value of what `place` is a part of, up to the var itself.
Val Elab::assign_place(const Val& base, const ast::Expr& place, const Val& value, const ScopePtr& s) {
  switch (place.kind) {
    case ast::Expr::name: return value;
    case ast::Expr::member: {
      const auto& m = ast::as<ast::Member>(place);
      Val object = expr(*m.object, s);
      Val old = member(object, m.id, place.loc);
      if (auto* mm = as<ModelVal>(object); mm && !mm->find(m.id.text))
        error(Code::E0404, place.loc, "`" + m.id.text + "` is a function of the model and cannot be assigned to",
              "a function that changes is an argument of the model");
      if (object->kind == Value::module)
        error(Code::E0404, place.loc, "`" + m.id.text + "` belongs to the module " + as<ModuleVal>(object)->name + " and cannot be assigned to");
      const Val v = in_place_of(*this, old, value, place.loc, "`" + m.id.text + "`");
      Val changed;
      if (auto* r = as<RecordVal>(object)) {
        auto fields = r->fields;
        for (auto& [n, x] : fields)
          if (n == m.id.text) x = v;
        changed = std::make_shared<RecordVal>(std::move(fields));
      } else if (auto* mm = as<ModelVal>(object)) {
        changed = with_field(*mm, m.id.text, v);
      } else {
        error(Code::E0404, place.loc, "a field of " + type_text(object) + " cannot be assigned to");
      }
      return assign_place(base, *m.object, changed, s);
    }
    case ast::Expr::subscript: {
      const auto& x = ast::as<ast::Subscript>(place);
      Val object = expr(*x.object, s);
      const auto* tuple = as<TupleVal>(object);
      if (tuple || as<ListVal>(object)) {
        auto parts = tuple ? tuple->elements : as<ListVal>(object)->elements;
        const std::string what = tuple ? "the tuple" : "the list";
        if (x.subs.size() != 1 || x.subs[0].kind != ast::Sub::index)
          error(Code::E0404, place.loc, "one part of " + what + " is assigned at a time");
        Val& old = parts[part_at(*this, x.subs[0], parts.size(), what, s)];
        old = in_place_of(*this, old, value, place.loc, "this part of " + what);
        Val changed = tuple ? Val(std::make_shared<TupleVal>(std::move(parts))) : std::make_shared<ListVal>(std::move(parts));
        return assign_place(base, *x.object, changed, s);
      }
      refuse_elements(*this, object, x, place.loc);
      const TensorVal t = as_tensor(object, x.object->loc);
      for (auto& sub : x.subs)  // x[ids] and x[mask] are read only
        if (sub.kind == ast::Sub::index)
          if (Val i = index_int(*sub.at, s); i->kind != Value::integer) refuse_many(*this, i, place, sub.loc);
      std::vector<Cut> list = cuts(t.type.shape, x.subs, place.loc, s, "the tensor");
      std::vector<DimId> kept;
      ir::SliceAttr attr;
      for (auto& c : list) {
        if (!c.drop) kept.push_back(c.count);
        attr.shape.push_back(c.count);
        attr.strides.push_back(1);
      }
      ir::Value v = to_dtype(value, t.type.dtype, place.loc);
      const auto have = cx->fn->type(v).shape;
      if (have.size() > kept.size())
        error(Code::E0303, place.loc, "a value of shape " + shape_text(have) + " does not fit a place of shape " + shape_text(kept));
      bool checked = false;
      std::vector<DimId> aligned(kept.end() - static_cast<long>(have.size()), kept.end());
      for (size_t i = 0; i < have.size(); ++i)
        if (dims.value(have[i]) != int64_t{1})
          checked |= require_equal(have[i], aligned[i], place.loc, "the value does not fit its place", "", {}) == Sizes::checked;
      if (checked) v = reshape_as(v, aligned);
      v = reshape_as(stretch(v, kept), attr.shape);
      std::vector<ir::Value> operands{use(t), v};
      for (auto& c : list) operands.push_back(int_value(*as<IntVal>(c.start)));
      cx->b.at(place.loc);
      return assign_place(base, *x.object, tensor(cx->b.one(ir::Op::update, operands, attr)), s);
    }
    case Expr::int_lit: case Expr::float_lit: case Expr::bool_lit: case Expr::string_lit: case Expr::unary:
    case Expr::binary: case Expr::range: case Expr::call: case Expr::tuple: case Expr::bracket:
    case Expr::comprehension: case Expr::record: case Expr::if_: case Expr::lambda: case Expr::reduction: break;
  }
  error(Code::E0404, place.loc, "this is not a place that can be assigned to");
}

}  // namespace tenon::elab
