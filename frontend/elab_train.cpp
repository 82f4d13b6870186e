// train net on data { .. } is sugar over `_train` of stdlib/train.model: each entry that uses the model
// becomes a function of it (rule 11).
#include <algorithm>

#include "frontend/builtins.h"

namespace tenon::elab {
namespace {

constexpr std::string_view kEntries[] = {"loss", "optimizer", "batch", "epochs", "steps", "seed", "shuffle",
                                         "metrics", "validate", "patience", "clip", "log", "checkpoint", "shards"};
constexpr std::string_view kLater[] = {"shards"};

// The rows are as many in every field, and not none: there would be no batch to take a step with.
void some_rows(Elab& e, const Val& data, Loc loc, const std::string& what) {
  const Val rows = std::make_shared<IntVal>(e.first_size(data, loc));
  const std::string message = what + " has no rows";
  if (auto known = e.known_int(rows)) {
    if (*known < 1) e.error(Code::E0602, loc, message);
    return;
  }
  ir::Value n = e.to_dtype(rows, DType::i64, loc);
  ir::Value ok = e.cx->b.scalar(ir::Op::lt, {e.cx->b.integer(0), n});
  e.cx->b.at(loc);
  e.cx->b.emit(ir::Op::check, {ok}, ir::CheckAttr{Code::E0602, message, "", Fault::data});
}

// What an entry may be, said at its own line: inside the library nobody would know what is meant.
class Entry {
 public:
  Entry(Elab& e, const ast::Setting& s, const Val& v) : e_(e), name_("`" + s.id.text + "`"), v_(v), loc_(s.loc()) {}

  void check() const {
    const std::string_view id = std::string_view(name_).substr(1, name_.size() - 2);
    if (id == "batch") whole(1);
    else if (id == "epochs" || id == "steps") whole(0);
    else if (id == "patience") whole(1);
    else if (id == "seed") whole(std::nullopt);
    else if (id == "shuffle") boolean();
    else if (id == "clip") positive();
    else if (id == "validate") rows();
    else if (id == "log") text("the name of a folder", "log = \"runs/first\"");
    else text("the name of a file", "checkpoint = \"net.ckpt\"");
  }

 private:
  [[noreturn]] void wrong(const std::string& what, const std::string& hint = {}) const {
    e_.error(Code::E0602, loc_, name_ + " is " + what + ", but this is " + e_.type_text(v_), hint);
  }
  void whole(std::optional<int64_t> least) const {
    auto* t = as<TensorVal>(v_);
    if (v_->kind != Value::integer && !(t && t->type.scalar() && t->type.dtype == DType::i64)) wrong("a whole number");
    if (!least) return;
    const std::string rule = name_ + " is at least " + std::to_string(*least) + ", but this is ";
    if (auto k = e_.known_int(v_)) {
      if (*k < *least) e_.error(Code::E0602, loc_, rule + std::to_string(*k));
      return;
    }
    ir::Value n = e_.to_dtype(v_, DType::i64, loc_);
    ir::Value ok = e_.cx->b.scalar(ir::Op::lt, {e_.cx->b.integer(*least - 1), n});
    e_.cx->b.at(loc_);
    e_.cx->b.emit(ir::Op::check, {ok, n}, ir::CheckAttr{Code::E0602, rule + "{}", "", Fault::data});
  }
  void boolean() const {
    auto* t = as<TensorVal>(v_);
    if (!t || !t->type.scalar() || t->type.dtype != DType::boolean) wrong("true or false");
  }
  void positive() const {
    auto* t = as<TensorVal>(v_);
    if (v_->kind != Value::integer && v_->kind != Value::real && !(t && t->type.scalar() && is_float(t->type.dtype)))
      wrong("the largest norm that a gradient may have, a number", "clip = 1.0");
    auto* f = as<FloatVal>(v_);
    auto i = e_.known_int(v_);
    if ((f && f->known && !(*f->known > 0)) || (i && *i <= 0)) e_.error(Code::E0602, loc_, name_ + " is more than 0: the largest norm that a gradient may have");
  }
  void rows() const {
    auto* r = as<RecordVal>(v_);
    if (!r || r->fields.empty()) wrong("a data set, a record of tensors", "validate = held");
    some_rows(e_, v_, loc_, name_);
  }
  void text(const std::string& what, const std::string& hint) const {
    if (v_->kind != Value::string) wrong(what, hint);
  }

  Elab& e_;
  std::string name_;
  const Val& v_;
  Loc loc_;
};

// The loss gives one float; the place is that of the loss.
Val loss_value(Elab& e, const Args& args) {
  Val given = args.list.at(0).value, head = given;
  if (auto* t = as<TupleVal>(head); t && !t->elements.empty()) head = t->elements[0];
  auto* t = as<TensorVal>(head);
  const bool number = head->kind == Value::real || (t && t->type.scalar() && is_float(t->type.dtype));
  if (!number)
    e.error(Code::E0602, args.loc, "the loss is one float, but this is " + e.type_text(given),
            t && !t->type.scalar() && is_float(t->type.dtype) ? "the mean of it, or a loss: mse(a, b)" : "");
  return head;
}
// An optimizer is a model with a function `step`.
Val optimizer_value(Elab& e, const Args& args) {
  const auto& given = args.list.at(0);
  auto* m = as<ModelVal>(given.value);
  if (!m || !e.method(*m->decl, "step"))
    e.error(Code::E0602, given.loc, "an optimizer is a model with a function `step`, but this is " + e.type_text(given.value),
            "optimizer = adam(lr = 1e-3)");
  auto* lr = m->find("lr");
  if (lr && lr->value && !e.is_numberlike(lr->value) && lr->value->kind != Value::function)
    e.error(Code::E0602, given.loc, "the learning rate `lr` is a number or a schedule, but this is " + e.type_text(lr->value), "lr = 1e-3");
  return given.value;
}
constexpr Builtin kLossValue{"loss", "loss", loss_value}, kOptimizerValue{"optimizer", "optimizer", optimizer_value};

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

  if (as<RecordVal>(data)->fields.empty()) error(Code::E0602, t.data->loc, "this data set has no fields", "{x: inputs, y: labels}");
  some_rows(*this, data, t.data->loc, "the data set");

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
    if (e.params && e.id.text != "loss") error(Code::E0602, e.id.loc, "`" + e.id.text + "` is no function", "write `" + e.id.text + " = ..`");
  }
  auto need = [&](const char* name, const char* hint) {
    if (!entries.count(name)) error(Code::E0602, t.loc, std::string("`train` needs the entry `") + name + "`", hint);
    return entries[name];
  };
  auto tree = std::make_shared<ast::Module>();
  modules.push_back(tree);
  ScopePtr frozen = freeze(s);
  // What an entry gives goes through a check that knows its place. No program can write these names.
  auto checks = std::make_shared<Scope>(frozen);
  for (const Builtin* check : {&kLossValue, &kOptimizerValue}) {
    auto f = std::make_shared<FunctionVal>(FunctionVal::builtin);
    f->primitive = check;
    checks->define("check " + std::string(check->name), f, false, t.loc);
  }
  frozen = checks;
  auto checked = [&](const std::string& name, const ast::Expr* value, Loc at) -> const ast::Expr* {
    auto* c = tree->make<ast::Call>(at);
    auto* f = tree->make<ast::NameRef>(at);
    f->id = "check " + name;
    c->callee = f;
    c->args.push_back({std::nullopt, value});
    return c;
  };
  // fn(net, params..) = e
  auto function = [&](const ast::Setting& e, std::vector<ast::Param> params, const ast::Expr* body) -> Val {
    auto* l = tree->make<ast::Lambda>(e.loc());
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
  const ast::Expr* made = opt->body.expr;
  if (made->kind != ast::Expr::call)
    error(Code::E0602, made->loc, "the optimizer is a call, into which the model is put first", "optimizer = adam(lr = 1e-3)");
  // optimizer = f(a, k = v) becomes fn(net, steps) = f(net, a, k = v, steps = steps)
  const auto& oc = ast::as<ast::Call>(*made);
  auto* call_tree = tree->make<ast::Call>(oc.loc);
  auto* net_ref = tree->make<ast::NameRef>(oc.loc);
  net_ref->id = trained_name;
  call_tree->callee = oc.callee;
  call_tree->args.push_back({std::nullopt, net_ref});
  for (auto& a : oc.args) call_tree->args.push_back(a);
  auto* steps_ref = tree->make<ast::NameRef>(oc.loc);
  steps_ref->id = "steps";
  const Val maker = expr(*oc.callee, s);
  check_takes_model(maker, oc);
  if (takes_steps(maker)) call_tree->args.push_back({ast::Name{"steps", oc.loc}, steps_ref});
  ast::Param steps_param{{"steps", oc.loc}, nullptr, false, nullptr};
  Args args;
  args.loc = t.loc;
  auto give = [&](const std::string& name, Val v, Loc loc) { args.list.push_back({name, std::move(v), loc}); };
  give("", net, t.place->loc);
  give("", data, t.data->loc);
  // A loss of several statements is a function called on the spot; its value stands in its last line.
  const ast::Expr* loss_body = loss->body.expr;
  Loc loss_at = loss->loc();
  if (const ast::Block* b = loss->body.block) {
    auto* f = tree->make<ast::Lambda>(b->loc);
    f->sig.loc = b->loc;
    f->body = loss->body;
    auto* c = tree->make<ast::Call>(b->loc);
    c->callee = f;
    loss_body = c;
    const ast::Stmt* last = b->stmts.empty() ? nullptr : b->stmts.back();
    loss_at = last ? last->loc : loss->id.loc;
    if (!last || last->kind == ast::Stmt::bind || last->kind == ast::Stmt::index_bind || last->kind == ast::Stmt::assign)
      error(Code::E0602, loss_at, "this loss ends without a value", "its last line is the loss: mse(y, batch.y)");
  }
  give("loss", function(*loss, *loss->params, checked("loss", loss_body, loss_at)), loss->loc());
  give("optimizer", function(*opt, {steps_param}, checked("optimizer", call_tree, made->loc)), made->loc);
  for (const char* name : {"batch", "epochs", "steps", "seed", "shuffle", "validate", "clip", "patience", "log", "checkpoint"})
    if (entries.count(name)) {
      Val v = named_value(expr(*entries[name]->body.expr, s));
      if (is_poison(v)) throw Reported{};
      Entry(*this, *entries[name], v).check();
      give(name, v, entries[name]->loc());
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
    Val list = expr(*metrics.body.expr, frozen);
    auto* r = as<RecordVal>(list);
    if (!r) error(Code::E0602, metrics.loc(), "metrics are a record of functions, but this is " + type_text(list), "{accuracy: fn(batch) = ..}");
    for (auto& [n, f] : r->fields) {
      if (f->kind != Value::function && f->kind != Value::model) {
        Loc at = metrics.loc();
        if (metrics.body.expr->kind == ast::Expr::record)
          for (auto& field : ast::as<ast::RecordExpr>(*metrics.body.expr).fields)
            if (field.id.text == n) at = field.value->loc;
        error(Code::E0602, at, "the metric `" + n + "` is a function of the batch, but this is " + type_text(f),
              n + ": fn(batch) = accuracy(" + id + "(batch.x), batch.y)");
      }
      curve->push_back((held ? std::string(kHeld) : "") + n);
    }
    give("metrics", function(metrics, {}, metrics.body.expr), metrics.loc());
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

// The parameters of what an optimizer is made with; null of what has none that are known.
static const std::vector<ast::Param>* params_of(const Val& callee) {
  if (auto* f = as<FunctionVal>(callee)) {
    if (f->decl) return &f->decl->sig.params;
    if (f->fn) return &f->fn->sig.params;
  }
  if (auto* m = as<ModelClassVal>(callee)) return &m->decl->params;
  return nullptr;
}

bool Elab::takes_steps(const Val& callee) {
  auto* params = params_of(callee);
  return params && std::any_of(params->begin(), params->end(), [](const ast::Param& p) { return p.id.text == "steps"; });
}

// An optimizer of one's own that leaves the model out of its parameters would meet it as its learning rate.
void Elab::check_takes_model(const Val& callee, const ast::Call& c) {
  auto* params = params_of(callee);
  if (!params) return;
  const std::string name(sources.text(c.callee->loc));
  if (params->empty() || (params->front().type && !host_type(*params->front().type).empty()))
    error(Code::E0602, c.loc,
          "`train` puts the model in first, but `" + name + "` takes " +
              (params->empty() ? "nothing" : "`" + params->front().id.text + "` there"),
          "give it one more parameter, before the others: " + name + "(net" + (params->empty() ? ")" : ", " + params->front().id.text + ", ..)"));
}

}  // namespace tenon::elab
