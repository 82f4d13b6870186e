// Differentiation: the memo of a module, the pass, and the functions written for reverse and
// forward mode (differentiate.h).

#include "ir/passes/differentiate.h"

#include <algorithm>

#include "ir/passes.h"
#include "ir/passes/differentiate_forward.h"
#include "ir/passes/differentiate_reverse.h"
#include "ir/passes/rewrite.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

// The first effect that running `fn` can come to.
const Node* find_effect(const Module& module, FnId fn, std::set<FnId>& seen) {
  if (!module.fn(fn).effect || !seen.insert(fn).second) return nullptr;
  const Node* found = nullptr;
  each_node(module.fn(fn).body, [&](const Node& n) {
    if (found) return;
    if (n.op == Op::host) found = &n;
    if (n.op == Op::call) found = find_effect(module, n.get<CallAttr>().fn, seen);
  });
  return found;
}

void refuse_effects(const Module& module, FnId fn, Loc where) {
  std::set<FnId> seen;
  const Node* effect = find_effect(module, fn, seen);
  if (!effect) return;
  fail(Code::E0701, effect->loc.known() ? effect->loc : where,
       "`" + effect->get<HostAttr>().name + "` is an effect, inside what is differentiated",
       "debug(x) prints from there; or give the value back and print it outside");
}

// A function in the user's words: what differentiation wrote has the name of what it came from.
std::string shown(const Function& fn) {
  std::string name = fn.name, what;
  for (size_t at; (at = name.rfind("'")) != std::string::npos; name.resize(at))
    what += "the derivative of ";
  return what + "`" + name + "`";
}

std::string shown_result(const Function& fn) {
  const bool written = fn.name.find('\'') != std::string::npos;
  return (written ? "" : "the result of ") + shown(fn);
}

std::string shown(const Leaf& leaf, const char* what, size_t index) {
  return leaf.path.empty() ? what + std::string(" ") + std::to_string(index + 1)
                           : "`" + leaf.path + "`";
}

Loc place_of(const Function& fn, Value v) {
  Loc loc = fn.loc;
  for (const Node& n : fn.body.nodes)
    if (std::find(n.results.begin(), n.results.end(), v) != n.results.end() && n.loc.known())
      loc = n.loc;
  return loc;
}

bool binds_sizes(const Function& fn) {
  for (const Node& n : fn.body.nodes) {
    if (n.op == Op::bind_dim) return true;
    if (n.op == Op::call && !n.get<CallAttr>().fresh.empty()) return true;
  }
  return false;
}

std::unique_ptr<Function> started(const Function& like, std::string name) {
  auto fn = std::make_unique<Function>();
  fn->name = std::move(name);
  fn->loc = like.loc;
  fn->sizes = like.sizes;
  return fn;
}

// Types of results before the body is written, for calls of itself.
void declare_results(Function& fn, const std::vector<Type>& types) {
  for (const Type& t : types) fn.body.results.push_back(fn.new_value(t));
}

}  // namespace

// ---------------------------------------------------------------- the memo

Derivatives::Derivatives(Module& module) : module_(module), flow_(*this) {
  for (const auto& f : module.functions)
    each_node(f->body, [&](const Node& n) {
      if (n.op == Op::push || n.op == Op::pop)
        next_slot_ = std::max(next_slot_, n.get<SlotAttr>().slot + 1);
    });
}

Derivatives& Derivatives::of(Module& module) {
  if (!module.derivatives) module.derivatives = std::make_shared<Derivatives>(module);
  return *static_cast<Derivatives*>(module.derivatives.get());
}

int Derivatives::derived_slot(int slot) {
  const auto [it, first] = derived_slots_.try_emplace(slot, next_slot_);
  next_slot_ += first;
  return it->second;
}

std::string Derivatives::unique_name(const std::string& base) {
  for (; named_ < module_.functions.size(); ++named_)
    names_.insert(module_.functions[named_]->name);
  std::string name = base;
  for (int i = 2; !names_.insert(name).second; ++i) name = base + std::to_string(i);
  return name;
}

FnId Derivatives::callee(const Node& node) {
  if (node.op == Op::call) return node.get<CallAttr>().fn;
  const auto& a = node.get<DeriveAttr>();
  return called_at(node.loc, [&] { return make({a.mode, a.fn, a.wrt, a.seeds}, node.loc); });
}

const std::vector<DimId>& Derivatives::sizes(const Node& node) const {
  return node.op == Op::call ? node.get<CallAttr>().dims : node.get<DeriveAttr>().dims;
}

bool Derivatives::recursive(FnId fn) {
  if (auto it = recursive_.find(fn); it != recursive_.end()) return it->second;
  std::set<FnId> seen;
  std::vector<FnId> todo{fn};
  while (!todo.empty()) {
    const FnId at = todo.back();
    todo.pop_back();
    each_node(module_.fn(at).body, [&](const Node& n) {
      if (n.op != Op::call && n.op != Op::derive) return;
      const FnId to = n.op == Op::call ? n.get<CallAttr>().fn : n.get<DeriveAttr>().fn;
      if (seen.insert(to).second) todo.push_back(to);
    });
  }
  return recursive_[fn] = seen.count(fn) > 0;
}

FnId Derivatives::vjp(FnId fn, std::vector<int> wrt, std::vector<int> seeds, Loc where) {
  return make({DeriveAttr::vjp, fn, std::move(wrt), std::move(seeds)}, where);
}
FnId Derivatives::jvp(FnId fn, std::vector<int> wrt, std::vector<int> seeds, Loc where) {
  return make({DeriveAttr::jvp, fn, std::move(wrt), std::move(seeds)}, where);
}

FnId Derivatives::make(Order order, Loc where) {
  if (auto it = made_.find(order); it != made_.end()) return it->second;
  const Function& fn = module_.fn(order.fn);
  if (!where.known()) where = fn.loc;
  if (in_progress_.count(order))
    fail(Code::E0501, where,
         "the derivative of " + shown(fn) +
             " needs itself: inside its own recursion it has no order",
         "differentiate from outside, once the recursion is done");
  refuse_effects(module_, order.fn, where);
  in_progress_.insert(order);
  struct Leave {
    std::set<Order>& set;
    const Order& order;
    ~Leave() { set.erase(order); }
  } leave{in_progress_, order};

  const std::vector<BitSet>& depends = flow_.depends(order.fn);
  for (int seed : order.seeds) {
    bool any = false;
    for (int i : order.wrt) any |= fn.vjp_rule || depends[seed].has(i);
    if (any) continue;
    const Loc at = place_of(fn, fn.body.results[seed]);
    std::string of;
    for (int i : order.wrt) of += (of.empty() ? "" : ", ") + shown(fn.params[i], "parameter", i);
    fail(Code::E0501, at.known() ? at : where,
         shown_result(fn) + " does not depend on " + of +
             ", so it has no derivative with respect to it",
         "integers, bools and stop_gradient(...) carry no derivative");
  }
  FnId id = 0;
  all_or_nothing([&] {
    id = order.mode == DeriveAttr::vjp ? write_vjp(order) : write_jvp(order);
    made_[order] = id;
    written_.push_back([this, order] { made_.erase(order); });
  });
  return id;
}

// What is refused half way leaves nothing behind: neither in the memo nor, but for empty functions
// that nobody calls, in the module. A program that goes on, as a REPL does, can ask again.
void Derivatives::all_or_nothing(const std::function<void()>& write) {
  const size_t memo = written_.size(), functions = module_.functions.size();
  try {
    write();
  } catch (...) {
    for (size_t i = written_.size(); i-- > memo;) written_[i]();
    written_.resize(memo);
    for (size_t i = functions; i < module_.functions.size(); ++i) {
      Function& fn = *module_.functions[i];
      fn.body = {};
      fn.params.clear();
      fn.results.clear();
    }
    throw;
  }
}

FnId Derivatives::write_vjp(const Order& order) {
  const Function& source = module_.fn(order.fn);
  auto owned = started(source, unique_name(source.name + "'vjp"));
  Function& fn = *owned;
  Builder b(module_, fn);
  std::vector<Value> params, cts;
  for (size_t i = 0; i < source.body.params.size(); ++i)
    params.push_back(b.param(source.type(source.body.params[i]), source.params[i]));
  for (int k : order.seeds) cts.push_back(b.param(source.type(source.body.results[k])));
  if (source.vjp_rule) {
    by_rule(b, order, params, cts);
    verify_after("differentiate", module_, fn);
    return module_.add(std::move(owned));
  }
  Reverse reverse(*this, order.fn, order.wrt, order.seeds, b, b, Frame::direct);
  reverse.bind_params(params);
  fn.body.results = reverse.forward();
  const std::vector<Value> out = reverse.backward(cts);
  if (reverse.root().tape != kNoValue)
    b.emit(Op::tape_end, {reverse.residuals().back_tape(reverse.root())});
  fn.body.results.insert(fn.body.results.end(), out.begin(), out.end());
  fn.results = source.results;
  for (int i : order.wrt) fn.results.push_back(source.params[i]);
  verify_after("differentiate", module_, fn);
  return module_.add(std::move(owned));
}

// The function itself, and then the rule that the user gave for it.
void Derivatives::by_rule(Builder& b, const Order& order, const std::vector<Value>& params,
                          const std::vector<Value>& cts) {
  const Function& source = module_.fn(order.fn);
  std::vector<DimId> dims;
  for (SymId s : source.sizes) dims.push_back(module_.dims.symbol(s));
  b.at(source.loc);
  const std::vector<Value> results = b.call(order.fn, dims, params);
  std::vector<Value> operands = params;
  operands.insert(operands.end(), results.begin(), results.end());
  for (size_t k = 0; k < results.size(); ++k) {
    if (!is_float(b.type(results[k]).dtype)) continue;
    const auto seed = std::find(order.seeds.begin(), order.seeds.end(), int(k));
    operands.push_back(seed != order.seeds.end() ? cts[seed - order.seeds.begin()]
                                                 : b.zeros(b.type(results[k])));
  }
  const std::vector<Value> given = b.call(*source.vjp_rule, dims, operands);
  Function& fn = b.fn();
  fn.body.results = results;
  fn.results = source.results;
  for (int wrt : order.wrt) {
    size_t at = 0;  // among the float parameters
    for (int i = 0; i < wrt; ++i) at += is_float(b.type(params[i]).dtype);
    fn.body.results.push_back(given[at]);
    fn.results.push_back(source.params[wrt]);
  }
}

FnId Derivatives::write_jvp(const Order& order) {
  return tangent({order.fn, order.wrt, order.seeds}).fn;
}

// ---------------------------------------------------------------- pairs

const Pair& Derivatives::pair(const PairKey& key) {
  auto [it, first] = pairs_.try_emplace(key);
  if (!first) return *it->second;  // perhaps not written yet: a call of itself
  it->second = std::make_unique<Pair>();
  it->second->key = key;
  all_or_nothing([&] { write_pair(*it->second); });
  return *it->second;
}

void Derivatives::write_pair(Pair& pair) {
  const PairKey& key = pair.key;
  written_.push_back([this, key = key] { pairs_.erase(key); });
  const Function& source = module_.fn(key.fn);
  refuse_effects(module_, key.fn, source.loc);
  const bool recurses = recursive(key.fn);
  const bool taped = recurses || binds_sizes(source);
  pair.tape = taped;

  const FnId fwd_id = pair.fwd = module_.add(started(source, unique_name(source.name + "'fwd")));
  const FnId bwd_id = pair.bwd = module_.add(started(source, unique_name(source.name + "'bwd")));
  Function &fwd = module_.fn(fwd_id), &bwd = module_.fn(bwd_id);
  fwd.recursive = bwd.recursive = recurses;
  for (Value v : source.body.results)
    for (DimId d : source.type(v).shape)
      for (SymId s : module_.dims.symbols(d))
        if (std::find(bwd.sizes.begin(), bwd.sizes.end(), s) == bwd.sizes.end()) {
          bwd.sizes.push_back(s);
          pair.result_sizes.push_back(s);
        }

  Builder f(module_, fwd), b(module_, bwd);
  std::vector<Value> params, cts;
  std::vector<Type> given, asked;  // the results of both
  for (size_t i = 0; i < source.body.params.size(); ++i)
    params.push_back(f.param(source.type(source.body.params[i]), source.params[i]));
  for (Value v : source.body.results) given.push_back(source.type(v));
  for (int k : key.results) cts.push_back(b.param(source.type(source.body.results[k])));
  for (int i : key.params) asked.push_back(source.type(source.body.params[i]));
  Reverse reverse(*this, key.fn, key.params, key.results, f, b,
                  taped ? Frame::taped : Frame::results);
  Frame& root = reverse.root();
  Residuals& residuals = reverse.residuals();
  Value bwd_tape = kNoValue;
  if (taped) {
    root.tape = root.tape_in = f.param(tape_type());
    bwd_tape = b.param(tape_type());
    given.push_back(tape_type());
    asked.push_back(tape_type());
    declare_results(fwd, given);
    declare_results(bwd, asked);
  }
  for (SymId s : pair.result_sizes) residuals.declare(s);
  reverse.bind_params(params);
  const std::vector<Value> results = reverse.forward();
  std::vector<Value> out = reverse.backward(cts);

  fwd.body.results = results;
  if (taped) {
    residuals.push_saved(root);
    std::vector<Node> pops;
    const Value start = residuals.pop_saved(root, pops, source.loc);
    prepend(bwd.body, std::move(pops));
    out.push_back(root.back_tape);
    bwd.body.results = out;
    rename_uses(bwd.body, {{start, bwd_tape}});
    fwd.body.results.push_back(root.tape);
  } else {
    std::vector<Value> stand_ins;
    for (const auto& [forward, stand_in] : root.saved) {
      stand_ins.push_back(stand_in);
      const auto p = std::find(params.begin(), params.end(), forward);
      const auto r = std::find(results.begin(), results.end(), forward);
      if (p != params.end()) {
        pair.residuals.push_back({Pair::Residual::param, size_t(p - params.begin())});
      } else if (r != results.end()) {
        pair.residuals.push_back({Pair::Residual::result, size_t(r - results.begin())});
      } else {
        pair.residuals.push_back({Pair::Residual::extra, pair.extras++});
        fwd.body.results.push_back(forward);
      }
    }
    bwd.body.params.insert(bwd.body.params.begin(), stand_ins.begin(), stand_ins.end());
    pair.tape = root.tape != kNoValue;
    if (pair.tape) {
      fwd.body.params.push_back(root.tape_in);
      fwd.params.emplace_back();
      fwd.body.results.push_back(root.tape);
      bwd.body.params.push_back(root.popped);
      out.push_back(root.back_tape);
    }
    bwd.body.results = out;
  }
  bwd.params.assign(bwd.body.params.size(), {});
  fwd.results = source.results;
  fwd.results.resize(fwd.body.results.size());
  bwd.results.clear();
  for (int i : key.params) bwd.results.push_back(source.params[i]);
  bwd.results.resize(bwd.body.results.size());
  verify_after("differentiate", module_, fwd);
  verify_after("differentiate", module_, bwd);
}

// ---------------------------------------------------------------- forward mode

const Tangent& Derivatives::tangent(const PairKey& key) {
  auto [it, first] = tangents_.try_emplace(key);
  if (!first) return *it->second;
  it->second = std::make_unique<Tangent>();
  it->second->key = key;
  all_or_nothing([&] { write_tangent(*it->second); });
  return *it->second;
}

void Derivatives::write_tangent(Tangent& tangent) {
  const PairKey& key = tangent.key;
  written_.push_back([this, key = key] { tangents_.erase(key); });
  const Function& source = module_.fn(key.fn);
  refuse_effects(module_, key.fn, source.loc);
  tangent.fn = module_.add(started(source, unique_name(source.name + "'jvp")));
  Function& fn = module_.fn(tangent.fn);
  fn.recursive = recursive(key.fn);
  Builder b(module_, fn);
  std::vector<Value> params, tangents;
  for (size_t i = 0; i < source.body.params.size(); ++i)
    params.push_back(b.param(source.type(source.body.params[i]), source.params[i]));
  for (int i : key.params) tangents.push_back(b.param(source.type(source.body.params[i])));
  std::vector<Type> given;
  for (Value v : source.body.results) given.push_back(source.type(v));
  for (int k : key.results) given.push_back(source.type(source.body.results[k]));
  declare_results(fn, given);
  if (source.vjp_rule) {
    tangent_by_rule(b, key, params, tangents);
  } else {
    Forward forward(*this, key, b);
    fn.body.results = forward.run(params, tangents);
  }
  fn.results = source.results;
  for (int k : key.results) fn.results.push_back(source.results[k]);
  verify_after("differentiate", module_, fn);
}

namespace {

// Numbers between 0.5 and 1.5, no two alike: none of them is a special case for anybody. (The type by
// value: the builder moves its own when it makes new values.)
Value some_numbers(Builder& b, Type type) {
  DimId n = b.module().dims.constant(1);
  for (DimId d : type.shape) n = b.module().dims.mul(n, d);
  const Value at = b.one(Op::iota, {}, IotaAttr{DType::f64, {n}, 0});
  const Value turns = b.one(Op::mul, {at, b.fill(b.number(DType::f64, 0.6180339887498949), {n})});
  const Value part = b.one(Op::sub, {turns, b.one(Op::floor, {turns})});
  const Value x = b.one(Op::add, {part, b.fill(b.number(DType::f64, 0.5), {n})});
  return b.reshape(b.convert(x, type.dtype), type.shape);
}

}  // namespace

// The rule that the user gave takes the cotangents of the results to those of the parameters. It is
// linear in them, so its own derivative with respect to them is its transpose, which takes the
// tangents of the parameters to those of the results. Where it is taken makes no difference, but for
// a rule that treats a cotangent of 0 apart, to leave out a division by nothing.
void Derivatives::tangent_by_rule(Builder& b, const PairKey& key, const std::vector<Value>& params,
                                  const std::vector<Value>& tangents) {
  const Function& source = module_.fn(key.fn);
  const FnId rule = *source.vjp_rule;
  std::vector<DimId> dims;
  for (SymId s : source.sizes) dims.push_back(module_.dims.symbol(s));
  b.at(source.loc);
  const std::vector<Value> results = b.call(key.fn, dims, params);
  std::vector<Value> operands = params;
  operands.insert(operands.end(), results.begin(), results.end());
  std::map<int, int> cotangent_of;  // result -> parameter of the rule
  for (size_t k = 0; k < results.size(); ++k) {
    if (!is_float(b.type(results[k]).dtype)) continue;
    cotangent_of[int(k)] = int(operands.size());
    operands.push_back(some_numbers(b, b.type(results[k])));
  }
  std::vector<int> wrt, seeds;
  for (int k : key.results) wrt.push_back(cotangent_of.at(k));
  const std::vector<BitSet> depends = flow_.depends(rule);
  for (size_t i = 0; i < key.params.size(); ++i) {
    int at = 0;  // among the float parameters
    for (int p = 0; p < key.params[i]; ++p) at += is_float(b.type(params[p]).dtype);
    const bool any = std::any_of(wrt.begin(), wrt.end(), [&](int w) { return depends[at].has(w); });
    if (!any) continue;  // the rule gives nothing to this parameter
    seeds.push_back(at);
    operands.push_back(tangents[i]);
  }
  Function& fn = b.fn();
  fn.body.results = results;
  if (seeds.empty()) {
    for (int k : key.results) fn.body.results.push_back(b.zeros(b.type(results[k])));
    return;
  }
  const std::vector<Value> given = b.call(vjp(rule, wrt, seeds, source.loc), dims, operands);
  fn.body.results.insert(fn.body.results.end(), given.end() - long(wrt.size()), given.end());
}

// ---------------------------------------------------------------- copying and renaming

std::vector<Value> Copier::values(const std::vector<Value>& source) const {
  std::vector<Value> out;
  for (Value v : source) out.push_back(map[v]);
  return out;
}

std::vector<Type> Copier::types(const std::vector<Value>& source) const {
  std::vector<Type> out;
  for (Value v : source) out.push_back(source_.type(v));
  return out;
}

const Node& Copier::emit(const Node& node) {
  std::vector<Value> operands = values(node.operands);
  std::vector<Region> regions;
  for (const Region& r : node.regions) regions.push_back(region(r));
  Op op = node.op;
  Attr attr = node.attr;
  if (op == Op::derive) {
    attr = CallAttr{memo_.callee(node), memo_.sizes(node), {}};
    op = Op::call;
  }
  b_.at(node.loc);
  const Node& made = b_.emit(op, std::move(operands), std::move(attr), std::move(regions));
  for (size_t i = 0; i < node.results.size(); ++i) map[node.results[i]] = made.results[i];
  return made;
}

Region Copier::region(const Region& region, const std::vector<Type>& more) {
  std::vector<Type> params = types(region.params);
  params.insert(params.end(), more.begin(), more.end());
  const std::vector<Value> opened = b_.open(params);
  for (size_t i = 0; i < region.params.size(); ++i) map[region.params[i]] = opened[i];
  for (const Node& n : region.nodes) emit(n);
  return b_.close(values(region.results));
}

Attr with_dims(Module& module, const Attr& attr, const std::function<DimId(DimId)>& dim) {
  DimSubst subst;
  each_dim(attr, [&](DimId d) {
    for (SymId s : module.dims.symbols(d)) {
      const DimId from = module.dims.symbol(s), to = dim(from);
      if (to != from) subst.emplace_back(s, to);
    }
  });
  return subst.empty() ? attr : substitute(module, attr, subst);
}

void rename_uses(Region& region, const std::map<Value, Value>& to) {
  auto rename = [&](Value& v) {
    if (auto it = to.find(v); it != to.end()) v = it->second;
  };
  for (Node& n : region.nodes) {
    for (Value& v : n.operands) rename(v);
    for (Region& r : n.regions) rename_uses(r, to);
  }
  for (Value& v : region.results) rename(v);
}

std::vector<Value> captures(const Region& region) {
  std::vector<Value> out;
  std::set<Value> own, seen;
  auto walk = [&](auto& self, const Region& r) -> void {
    own.insert(r.params.begin(), r.params.end());
    auto use = [&](Value v) {
      if (!own.count(v) && seen.insert(v).second) out.push_back(v);
    };
    for (const Node& n : r.nodes) {
      for (Value v : n.operands) use(v);
      for (const Region& inner : n.regions) self(self, inner);
      own.insert(n.results.begin(), n.results.end());
    }
    for (Value v : r.results) use(v);
  };
  walk(walk, region);
  return out;
}

void prepend(Region& region, std::vector<Node> nodes) {
  for (Node& n : region.nodes) nodes.push_back(std::move(n));
  region.nodes = std::move(nodes);
}

std::unordered_map<Value, Type> sized_types(const Dims& dims, const Function& fn) {
  std::unordered_map<Value, Type> out;
  each_node(fn.body, [&](const Node& n) {
    if (n.op != Op::retype) return;
    const Value x = n.operands[0], y = n.results[0];
    const bool from = fn.type(x).unsized(dims), to = fn.type(y).unsized(dims);
    if (from && !to) out.emplace(x, fn.type(y));
    if (to && !from) out.emplace(y, fn.type(x));
  });
  return out;
}

// ---------------------------------------------------------------- the pass

std::unique_ptr<Function> differentiate(Module& module, const Function& fn) {
  Derivatives& memo = Derivatives::of(module);
  auto out = started(fn, fn.name);
  out->params = fn.params;
  out->results = fn.results;
  out->effect = fn.effect;
  out->recursive = fn.recursive;
  out->vjp_rule = fn.vjp_rule;
  Builder b(module, *out);
  Copier copy(memo, fn, b);
  out->body.params.reserve(fn.body.params.size());
  for (Value v : fn.body.params) {
    copy.map[v] = out->new_value(fn.type(v));
    out->body.params.push_back(copy.map[v]);
  }
  memo.all_or_nothing([&] {
    for (const Node& n : fn.body.nodes) copy.emit(n);
  });
  out->body.results = copy.values(fn.body.results);
  return out;
}

FnId make_vjp(Module& module, FnId fn, const std::vector<int>& wrt, const std::vector<int>& seeds) {
  return Derivatives::of(module).vjp(fn, wrt, seeds);
}

FnId make_jvp(Module& module, FnId fn, const std::vector<int>& wrt, const std::vector<int>& seeds) {
  return Derivatives::of(module).jvp(fn, wrt, seeds);
}

}  // namespace tenon::ir
