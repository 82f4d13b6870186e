// What is found out while elaborating, written down for a reader: `tenon explain --emit=types|train`.
#include "frontend/elab.h"

namespace tenon::elab {

namespace {

// The tensors inside a model, one a line.
std::string parts_of(Elab& e, const Val& v) {
  if (!v || v->kind != Value::model) return "";
  std::vector<Elab::FlatLeaf> leaves;
  e.flatten(v, leaves);
  std::string out;
  for (const auto& l : leaves)
    if (!l.argument) out += "\n" + l.path + ": " + e.type_text(l.type);
  return out;
}

// A type, and a number that is known: what a function is specialised for.
std::string shown(Elab& e, const Val& v) {
  if (!v) return "nothing";
  if (auto n = e.known_int(v); n && v->kind == Value::integer) return "int = " + std::to_string(*n);
  if (auto* s = as<StringVal>(v); s && s->known()) return "string";
  return e.type_text(v);
}

}  // namespace

void Elab::find_name(const ast::Name& id, const Val& v, bool mutable_) {
  if (!findings || in_library(id.loc) || is_poison(v)) return;
  if (v && v->kind == Value::function && as<FunctionVal>(v)->what == FunctionVal::named) return;
  findings->types.push_back({id.loc, stack.size() > 1 ? cx->fn->name : std::string(),
                             (mutable_ ? "var " : "let ") + id.text + ": " + shown(*this, v) +
                                 parts_of(*this, v)});
}

void Elab::find_function(const Callee& c, const Instance& inst) {
  if (!findings || in_library(c.loc)) return;
  std::string text = "fn " + c.name + "(";
  for (size_t i = 0; i < inst.param_values.size(); ++i)
    text += (i ? ", " : "") + c.sig->params[i].id.text + ": " + shown(*this, inst.param_values[i]);
  text += ") -> " + shown(*this, inst.result);
  findings->types.push_back({c.loc, c.name, std::move(text)});
}

// train net on d {..} as the assignment that it stands for.
void Elab::find_train(const ast::Train& t, const Args& args) {
  if (!findings) return;
  const std::string place(sources.text(t.place->loc));
  std::string text = place + " = _train(" + place + ", " + std::string(sources.text(t.data->loc));
  for (const Args::One& a : args.list) {
    if (a.name.empty()) continue;
    text += ",\n  " + a.name + " = ";
    for (const ast::Setting& e : t.settings) {
      if (e.id.text != a.name) continue;
      if (as<FunctionVal>(a.value)) {
        text += "fn(" + place;
        if (a.name == "optimizer") text += ", steps";
        if (e.params)
          for (const ast::Param& p : *e.params) text += ", " + p.id.text;
        text += e.body.block ? ") " : ") = ";
      }
      std::string value(sources.text(e.loc()));
      if (a.name == "optimizer" && e.body.expr->kind == ast::Expr::call) {
        const auto& call = ast::as<ast::Call>(*e.body.expr);
        const size_t open = value.find('(', sources.text(call.callee->loc).size());
        if (open != value.npos)
          value.insert(open + 1, place + (call.args.empty() ? "" : ", "));
        if (value.ends_with(")") && takes_steps(expr(*call.callee, top_)))
          value.insert(value.size() - 1, ", steps = steps");
      }
      text += value;
    }
  }
  findings->trains.push_back({t.loc, text + "\n)"});
  Binding* trainer = library_name("_train");
  if (auto* f = trainer ? as<FunctionVal>(trainer->value) : nullptr; f && f->decl)
    findings->trainer = f->decl->loc;
}

}  // namespace tenon::elab
