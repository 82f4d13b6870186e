// train net on data { .. } is sugar over `_train` of stdlib/train.model: each entry that uses the model
// becomes a function of it (rule 11).
#include <algorithm>

#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

constexpr std::string_view kEntries[] = {"loss", "optimizer", "batch", "epochs", "steps", "seed", "shuffle",
                                         "metrics", "validate", "patience", "clip", "log", "checkpoint", "shards"};
constexpr std::string_view kLater[] = {"shards"};

}  // namespace

void Elab::train(const ast::Train& t, const ScopePtr& s) {
  require_effect(t.loc, "`train`");
  // `train net.head on d` trains a part: `id` is the var that holds it.
  const ast::Expr* base = t.place;
  while (base->kind == ast::Expr::member) base = ast::as<ast::Member>(*base).object;
  if (base->kind != ast::Expr::name)
    error(Code::E0602, t.place->loc, "`train` takes a var, or a part of one: net, net.head");
  const std::string id = ast::as<ast::NameRef>(*base).id;
  const bool part = base != t.place;
  const std::string trained_name = part ? "_part" : id;
  Val net = expr(*t.place, s);
  if (is_poison(net)) throw Reported{};
  Binding* b = lookup(id, s);
  if (!b || !b->mutable_)
    error(Code::E0602, base->loc, "`" + id + "` is not a var, so training cannot change it", "define it with `var " + id + " = ..`",
          b ? std::vector<Note>{{b->where, "`" + id + "` is defined here"}} : std::vector<Note>{});
  Val data = expr(*t.data, s);
  if (is_poison(data)) throw Reported{};
  if (data->kind != Value::record)
    error(Code::E0602, t.data->loc, "`train` needs a data set, a record of tensors, but this is " + type_text(data),
          "{x: inputs, y: labels}");

  // Entries by name; each at most once.
  std::map<std::string, const ast::Setting*> entries;
  for (auto& e : t.settings) {
    std::vector<std::string> known(std::begin(kEntries), std::end(kEntries));
    if (std::find(known.begin(), known.end(), e.id.text) == known.end()) {
      std::string hint;
      for (auto& n : near_misses(e.id.text, known)) hint += (hint.empty() ? "did you mean `" : "`, `") + n;
      if (!hint.empty()) hint += "`?";
      else for (auto& n : known) hint += (hint.empty() ? "entries are " : ", ") + n;
      error(Code::E0602, e.id.loc, "`train` has no entry `" + e.id.text + "`", hint);
    }
    for (auto later : kLater)
      if (later == e.id.text) error(Code::E0411, e.id.loc, "the entry `" + e.id.text + "` is not built yet", "training works without it");
    if (!entries.emplace(e.id.text, &e).second) error(Code::E0602, e.id.loc, "the entry `" + e.id.text + "` stands twice");
  }
  auto need = [&](const char* name, const char* hint) {
    if (!entries.count(name)) error(Code::E0602, t.loc, std::string("`train` needs the entry `") + name + "`", hint);
    return entries[name];
  };
  auto tree = std::make_shared<ast::Module>();
  modules.push_back(tree);
  ScopePtr frozen = freeze(s);
  // fn(net, params..) = e
  auto function = [&](const ast::Setting& e, std::vector<ast::Param> params, const ast::Expr* body) -> Val {
    auto* l = tree->make<ast::Lambda>(e.value->loc);
    l->sig.params.push_back({{trained_name, e.id.loc}, nullptr, false, nullptr});
    for (auto& p : params) l->sig.params.push_back(p);
    l->sig.loc = e.id.loc;
    if (!part) {
      l->body.expr = body;
      return closure(*l, frozen);
    }
    // Inside, the var holds the part of that moment: { var net = net; net.head = _part; e }
    auto name_of = [&](const std::string& n) {
      auto* r = tree->make<ast::NameRef>(e.id.loc);
      r->id = n;
      return r;
    };
    auto* copy = tree->make<ast::Bind>(e.id.loc);
    copy->mutable_ = true;
    copy->pattern.id = {id, e.id.loc};
    copy->value = name_of(id);
    auto* put = tree->make<ast::Assign>(e.id.loc);
    put->place = t.place;
    put->value = name_of(trained_name);
    auto* give_back = tree->make<ast::ExprStmt>(e.id.loc);
    give_back->value = body;
    auto* block = tree->make_plain<ast::Block>();
    block->stmts = {copy, put, give_back};
    l->body.block = block;
    return closure(*l, frozen);
  };
  const ast::Setting* loss = need("loss", "loss(batch) = cross_entropy(net(batch.x), batch.y)");
  if (!loss->params || loss->params->size() != 1)
    error(Code::E0602, loss->id.loc, "the loss is a function of the batch", "loss(batch) = cross_entropy(net(batch.x), batch.y)");
  const ast::Setting* opt = need("optimizer", "optimizer = adam(lr = 1e-3)");
  if (opt->value->kind != ast::Expr::call)
    error(Code::E0602, opt->value->loc, "the optimizer is a call, into which the model is put first", "optimizer = adam(lr = 1e-3)");
  // optimizer = f(a, k = v) becomes fn(net, steps) = f(net, a, k = v, steps = steps)
  const auto& oc = ast::as<ast::Call>(*opt->value);
  auto* call_tree = tree->make<ast::Call>(oc.loc);
  auto* net_ref = tree->make<ast::NameRef>(oc.loc);
  net_ref->id = trained_name;
  call_tree->callee = oc.callee;
  call_tree->args.push_back({std::nullopt, net_ref});
  for (auto& a : oc.args) call_tree->args.push_back(a);
  auto* steps_ref = tree->make<ast::NameRef>(oc.loc);
  steps_ref->id = "steps";
  if (takes_steps(expr(*oc.callee, s))) call_tree->args.push_back({ast::Name{"steps", oc.loc}, steps_ref});
  ast::Param steps_param{{"steps", oc.loc}, nullptr, false, nullptr};
  Args args;
  args.loc = t.loc;
  auto give = [&](const std::string& name, Val v, Loc loc) { args.list.push_back({name, std::move(v), loc}); };
  give("", net, t.place->loc);
  give("", data, t.data->loc);
  give("loss", function(*loss, *loss->params, loss->value), loss->value->loc);
  give("optimizer", function(*opt, {steps_param}, call_tree), opt->value->loc);
  for (const char* name : {"batch", "epochs", "steps", "seed", "shuffle", "validate", "clip", "patience", "log", "checkpoint"})
    if (entries.count(name)) {
      if (entries[name]->params) error(Code::E0602, entries[name]->id.loc, std::string("`") + name + "` is no function");
      give(name, named_value(expr(*entries[name]->value, s)), entries[name]->value->loc);
    }
  if (entries.count("epochs") && entries.count("steps"))
    error(Code::E0602, entries["steps"]->id.loc, "`epochs` and `steps` stand together", "one of them says how long to train");
  if (!entries.count("epochs") && !entries.count("steps")) error(Code::E0602, t.loc, "`train` needs `epochs` or `steps`", "epochs = 10");
  if (entries.count("patience") && !entries.count("validate"))
    error(Code::E0602, entries["patience"]->id.loc, "`patience` waits for a better loss on held-out data, but there is none",
          "name it: validate = held");
  auto curve = std::make_shared<std::vector<std::string>>(1, "loss");
  const bool held = entries.count("validate") != 0;
  if (held) curve->push_back(std::string(kHeld) + "loss");
  if (entries.count("metrics")) {
    const ast::Setting& metrics = *entries["metrics"];
    Val list = expr(*metrics.value, frozen);
    auto* r = as<RecordVal>(list);
    if (!r) error(Code::E0602, metrics.value->loc, "metrics are a record of functions, but this is " + type_text(list), "{accuracy: fn(batch) = ..}");
    for (auto& [n, f] : r->fields) curve->push_back((held ? std::string(kHeld) : "") + n);
    give("metrics", function(metrics, {}, metrics.value), metrics.value->loc);
  }
  Binding* trainer = library_name("_train");
  require(trainer && trainer->value, "the library has no _train");
  find_train(t, args);
  Val trained = call(trainer->value, args);
  if (auto* m = as<ModelVal>(trained)) {
    auto with_curve = std::make_shared<ModelVal>(*m);
    with_curve->curve = curve;
    trained = with_curve;
  }
  assign_to(*t.place, trained, s);
}

bool Elab::takes_steps(const Val& callee) {
  const std::vector<ast::Param>* params = nullptr;
  if (auto* f = as<FunctionVal>(callee); f && f->decl) params = &f->decl->sig.params;
  if (auto* f = as<FunctionVal>(callee); f && f->fn) params = &f->fn->sig.params;
  if (auto* m = as<ModelClassVal>(callee)) params = &m->decl->params;
  if (!params) return false;
  return std::any_of(params->begin(), params->end(), [](const ast::Param& p) { return p.id.text == "steps"; });
}

}  // namespace tenon::elab
