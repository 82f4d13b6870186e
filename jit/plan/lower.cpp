// Control: functions, regions, if, for, while, calls and the tape, and who owns what in them.
#include "jit/plan/lower.h"

#include <algorithm>
#include <climits>

#include "ir/literal.h"
#include "ir/passes.h"
#include "ir/verify.h"
#include "jit/plan/arena.h"

namespace tenon::plan {

using ir::Node;
using ir::Region;
using ir::Value;
using loop::Block;
using loop::Callee;
using loop::kNone;

namespace {
constexpr int kEnd = INT_MAX;

// So small that a second copy of it, packed, is nothing beside what a program has anyway.
bool known_to_be_small(const Dims& dims, const ir::Type& type) {
  constexpr int64_t kSmall = int64_t{4} << 20;
  int64_t bytes = static_cast<int64_t>(size_of(type.dtype));
  for (DimId d : type.shape) {
    const auto n = dims.value(d);
    if (!n || *n > kSmall) return false;
    bytes *= std::max<int64_t>(1, *n);
    if (bytes > kSmall) return false;
  }
  return true;
}
}  // namespace

// ---------------------------------------------------------------- a unit

uint32_t Unit::add_kernel(loop::Function f, Loc where) {
  std::string key;
  loop::append_bytes(f, key);
  std::function<void(const Block&)> traps = [&](const Block& block) {  // which the bytes leave out
    for (const Stmt& s : block) {
      if (s.kind == StmtKind::trap) key += " " + std::to_string(s.id);
      traps(s.body);
      traps(s.other);
    }
  };
  traps(f.body);
  auto [it, fresh] = kernel_index.try_emplace(std::move(key), static_cast<uint32_t>(program.kernels.size()));
  ++stats.launches;
  if (fresh) {
    f.name = "kernel" + std::to_string(it->second);
    program.kernels.push_back(std::move(f));
  }
  std::vector<Loc>& places = program.kernels[it->second].places;
  if (std::find(places.begin(), places.end(), where) == places.end()) places.push_back(where);
  return it->second;
}

uint32_t Unit::trap_site(Code code, Loc where, std::string text, std::string hint, Fault fault) {
  program.traps.push_back({code, where, std::move(text), std::move(hint), fault});
  return static_cast<uint32_t>(program.traps.size() - 1);
}

void Unit::lower(ir::FnId id) {
  std::vector<ir::FnId> order;
  std::function<void(ir::FnId)> reach = [&](ir::FnId f) {
    if (!function_index.emplace(f, static_cast<uint32_t>(order.size())).second) return;
    order.push_back(f);
    auto fn = std::make_unique<ir::Function>(module.fn(f));
    if (options.optimise)
      for (const ir::Pass& pass : ir::exact_passes()) {
        fn = pass.run(module, *fn);
        if (options.verify) ir::verify_after(pass.name, module, *fn);
      }
    std::function<void(const Region&)> calls = [&](const Region& r) {
      for (const Node& n : r.nodes) {
        if (n.op == ir::Op::call) reach(n.get<ir::CallAttr>().fn);
        for (const Region& inner : n.regions) calls(inner);
      }
    };
    const ir::Function& body = *(optimised[f] = std::move(fn));
    calls(body.body);
  };
  reach(id);
  dims = module.dims;
  for (ir::FnId f : order) {
    const ir::Function& f_ir = fn(f);
    loop::Signature s;
    s.deep =
        std::any_of(order.begin(), order.end(), [&](ir::FnId g) { return module.fn(g).recursive; });
    s.sizes = f_ir.sizes;
    for (Value v : f_ir.body.params) s.params.push_back(f_ir.type(v));
    for (Value v : f_ir.body.results) {
      s.results.push_back(f_ir.type(v));
      for (DimId d : f_ir.type(v).shape)
        for (SymId sym : dims.symbols(d))
          if (std::find(s.sizes.begin(), s.sizes.end(), sym) == s.sizes.end() &&
              std::find(s.bound.begin(), s.bound.end(), sym) == s.bound.end())
            s.bound.push_back(sym);
    }
    signatures.push_back(std::move(s));
  }
  for (ir::FnId f : order) {
    requests.emplace_back();
    program.functions.push_back(FunctionLowering(*this, f).run());
  }
  if (options.plan_memory) plan_arena(*this, order);
  for (auto& l : tables.literals) tables.literal_data.push_back(l->bytes.data());
  stats.functions = static_cast<int>(program.functions.size());
  stats.kernels = static_cast<int>(program.kernels.size());
}

// ---------------------------------------------------------------- a function

FunctionLowering::FunctionLowering(Unit& unit, ir::FnId id)
    : unit_(unit), fn_(unit.fn(id)), x_(out_fn_) {
  out_fn_.name = "fn" + std::to_string(unit.function_index.at(id)) + "." + fn_.name;
  places_.resize(fn_.types.size());
  loc_ = fn_.loc;
}

loop::Function FunctionLowering::run() {
  const loop::Signature& sig = unit_.signatures[unit_.program.functions.size()];
  out_fn_.ctx = fresh(Ty::i64, "ctx");
  for (SymId s : sig.sizes)
    out_fn_.params.push_back(fresh(Ty::i64, unit_.dims.symbol_info(s).name));
  for (size_t i = 0; i < sig.params.size(); ++i) out_fn_.params.push_back(fresh(Ty::i64, "p"));
  out_fn_.results = static_cast<uint32_t>(sig.results.size() + sig.bound.size());
  out_ = &out_fn_.body;
  region(
      fn_.body,
      [&] {
        for (size_t i = 0; i < sig.sizes.size(); ++i)
          frames_.back().symbols[sig.sizes[i]] = x_.var(out_fn_.params[i]);
        for (size_t i = 0; i < fn_.body.params.size(); ++i) {
          const Value v = fn_.body.params[i];
          bind_slot(v, x_.var(out_fn_.params[sig.sizes.size() + i]));
          const bool param = fn_.params[i].role == ir::Leaf::param;
          if (place(v).kind != Place::memory || !(param || known_to_be_small(unit_.dims, type(v))))
            continue;
          Root& root = roots_[static_cast<size_t>(place(v).root)];
          root.weight = true;
          root.only_multiplied = param && only_multiplied(v);
        }
      },
      [&] {
        std::vector<Expr> results = slots_of(fn_.body.results, {});
        for (SymId s : sig.bound) results.push_back(dim(unit_.dims.symbol(s)));
        results_ = std::move(results);
      });
  Stmt ret{StmtKind::ret};
  ret.args = std::move(results_);
  emit(std::move(ret));
  return std::move(out_fn_);
}

// Whether all that reads a parameter, through whatever views, are products.
bool FunctionLowering::only_multiplied(Value parameter) const {
  std::set<Value> same{parameter};
  auto has = [&](const std::vector<Value>& list) {
    return std::any_of(list.begin(), list.end(), [&](Value v) { return same.contains(v); });
  };
  bool only = true;
  std::function<void(const Region&)> scan = [&](const Region& r) {
    for (const Node& n : r.nodes) {
      if (has(n.operands)) {
        if (is_view(n.op))
          same.insert(n.results[0]);
        else
          only &= n.op == ir::Op::contract || n.op == ir::Op::call;
      }
      for (const Region& inner : n.regions) scan(inner);
    }
    only &= !has(r.results);
  };
  scan(fn_.body);
  return only;
}

// ---------------------------------------------------------------- statements

void FunctionLowering::set(Var v, Expr e) {
  Stmt s{StmtKind::set};
  s.var = v;
  s.a = e;
  emit(std::move(s));
}

Expr FunctionLowering::keep(Expr e, std::string name) {
  loop::Op op = out_fn_.exprs[e].op;
  if (op == Op::konst) return e;
  Var v = fresh(out_fn_.type(e), std::move(name));
  set(v, e);
  return x_.var(v);
}

void FunctionLowering::runtime(loop::Runtime r, std::vector<Expr> args, std::vector<Var> outs) {
  Stmt s{StmtKind::call};
  s.callee = Callee::runtime;
  s.id = static_cast<uint32_t>(r);
  s.args = std::move(args);
  s.outs = std::move(outs);
  emit(std::move(s));
}

void FunctionLowering::trap(Expr when, Code code, std::string text, std::string hint,
                            std::vector<Expr> values, Fault fault) {
  Stmt s{StmtKind::trap};
  s.a = when;
  s.id = unit_.trap_site(code, loc_, std::move(text), std::move(hint), fault);
  s.args = std::move(values);
  emit(std::move(s));
}

// Stops when the user asked for it.
void FunctionLowering::poll() {
  Expr flag =
      x_.load(Ty::i8, x_.load(Ty::i64, x_.var(out_fn_.ctx), x_.i64(loop::kInterrupted)), x_.i64(0));
  trap(x_.compare(Op::ne, flag, x_.konst(Ty::i8, 0)), Code::E0807, "interrupted", {}, {});
}

// ---------------------------------------------------------------- regions

void FunctionLowering::region(const Region& r, const std::function<void()>& begin,
                              const std::function<void()>& end) {
  std::vector<Group> groups = plan_region(fn_, unit_.dims, r, unit_.options);
  Frame frame;
  for (size_t i = 0; i < groups.size(); ++i)
    for (const Node* n : groups[i].nodes) {
      for (Value v : n->operands)
        if (!computes_again(groups[i], v)) frame.last[v] = static_cast<int>(i);
      for (const Region& inner : n->regions)
        for (Value v : used_in(inner)) frame.last[v] = static_cast<int>(i);
    }
  for (Value v : r.results) frame.last[v] = kEnd;
  frame.at = -1;
  frames_.push_back(std::move(frame));
  begin();
  release_dead();
  for (size_t i = 0; i < groups.size(); ++i) {
    frames_.back().at = static_cast<int>(i);
    frames_.back().again.clear();
    for (const Node* n : groups[i].again) frames_.back().again.insert(n->results[0]);
    for (const Node* n : groups[i].nodes) {
      loc_ = n->loc;
      if (!groups[i].again.contains(n)) break;
    }
    group(groups[i]);
    release_dead();
  }
  frames_.back().at = kEnd;
  end();
  release_dead();
  frames_.pop_back();
}

void FunctionLowering::group(const Group& g) {
  switch (g.kind) {
    case Group::point:
      point_group(g);
      return;
    case Group::row:
      row_group(g);
      return;
    case Group::block:
      block_group(g);
      return;
    case Group::tile:
      tile_group(g);
      return;
    case Group::node:
      node(*g.nodes[0]);
      return;
  }
}

void FunctionLowering::node(const Node& n) {
  if (is_scalar(n.op)) {
    scalar_node(n);
    return;
  }
  switch (n.op) {
#define SCALAR(name, arity, cls) case ir::Op::name:
    TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
    case ir::Op::derive:
    case ir::Op::host:
    case ir::Op::read:
      bug("a node that cannot be compiled here: " + std::string(ir::name(n.op)));
    case ir::Op::constant: {
      const auto& literal = n.get<ir::ConstantAttr>().literal;
      Place p;
      if (literal->shape.empty()) {
        p.kind = Place::scalar;
        p.e = literal_element(x_, *literal);
      } else {
        p.kind = Place::memory;
        Expr table = x_.load(Ty::i64, x_.var(out_fn_.ctx), x_.i64(loop::kLiterals));
        p.e = keep(
            x_.load(Ty::i64, table, x_.i64(static_cast<int64_t>(unit_.tables.literals.size()))),
            "literal");
        p.strides = row_major(type(n.results[0]).shape);
        unit_.tables.literals.push_back(literal);
      }
      bind(n.results[0], std::move(p));
      return;
    }
    case ir::Op::size: {
      Place p;
      p.kind = Place::scalar;
      p.e = dim(n.get<ir::DimAttr>().dim);
      bind(n.results[0], std::move(p));
      return;
    }
    case ir::Op::bind_dim: {
      Expr v = place(n.operands[0]).e;
      trap(x_.compare(Op::lt, v, x_.i64(0)), Code::E0803, "a size comes to {}, which is negative",
           {}, {v});
      frames_.back().symbols[n.get<ir::BindAttr>().symbol] = keep(v, "size");
      return;
    }
    case ir::Op::iota:
    case ir::Op::broadcast:
    case ir::Op::reshape:
    case ir::Op::transpose:
    case ir::Op::retype:
    case ir::Op::stop_gradient:
      view_node(n);
      return;
    case ir::Op::slice:
      slice_node(n);
      return;
    case ir::Op::update:
      update_node(n);
      return;
    case ir::Op::concat:
      concat_node(n);
      return;
    case ir::Op::reduce:
    case ir::Op::arg_reduce:
    case ir::Op::scan:
    case ir::Op::contract:
    case ir::Op::sort:
      eager_node(n);
      return;
    case ir::Op::map:
      map_node(n);
      return;
    case ir::Op::scatter:
      scatter_node(n);
      return;
    case ir::Op::call:
      call_node(n);
      return;
    case ir::Op::if_:
      if_node(n);
      return;
    case ir::Op::for_:
      for_node(n);
      return;
    case ir::Op::while_:
      while_node(n);
      return;
    case ir::Op::push:
      push_node(n);
      return;
    case ir::Op::pop:
      pop_node(n);
      return;
    case ir::Op::tape_new: {
      Var t = fresh(Ty::i64, "tape");
      runtime(loop::Runtime::tape_new, {}, {t});
      bind_slot(n.results[0], x_.var(t));
      return;
    }
    case ir::Op::tape_end:
      runtime(loop::Runtime::tape_end, {place(n.operands[0]).e});
      return;
    case ir::Op::check:
    case ir::Op::debug:
      check_node(n);
      return;
  }
}

// ---------------------------------------------------------------- if, for, while

void FunctionLowering::if_node(const Node& n) {
  Expr cond = place(n.operands[0]).e;
  std::vector<Var> results;
  for (Value v : n.results) results.push_back(slot_var(v, "if"));
  // What dies here is handed to the branches, so that they may write into it.
  std::vector<size_t> handed;
  for (size_t i = 0; i < roots_.size(); ++i)
    if (dies(static_cast<int>(i))) handed.push_back(i);
  const std::vector<Root> saved = roots_;
  Block blocks[2];
  for (int branch = 0; branch < 2; ++branch) {
    roots_ = saved;
    const Region& r = n.regions[branch];
    blocks[branch] = inside([&] {
      region(
          r,
          [&] {
            for (size_t i : handed) roots_[i].frame = static_cast<int>(frames_.size()) - 1;
          },
          [&] { assign_slots(results, r.results); });
    });
  }
  roots_ = saved;
  for (size_t i : handed) roots_[i].frame = -1;
  Stmt s{StmtKind::if_};
  s.a = cond;
  s.body = std::move(blocks[0]);
  s.other = std::move(blocks[1]);
  emit(std::move(s));
  for (size_t i = 0; i < results.size(); ++i) bind_variable(n.results[i], results[i]);
}

// The variable that carries a value from one turn to the next: a scalar's own type, else a slot.
Var FunctionLowering::slot_var(Value v, std::string name) {
  const ir::Type& t = type(v);
  return fresh(t.scalar() ? register_type(t.dtype) : Ty::i64, std::move(name));
}

void FunctionLowering::bind_variable(Value v, Var var) {
  if (type(v).scalar()) {
    Place p;
    p.kind = Place::scalar;
    p.e = x_.var(var);
    bind(v, std::move(p));
  } else {
    bind_slot(v, x_.var(var));
  }
}

// All at once: the values are taken before a variable changes.
void FunctionLowering::assign_slots(const std::vector<Var>& vars,
                                    const std::vector<Value>& values) {
  std::vector<Expr> slots = slots_of(values, {}, true);
  std::vector<Expr> kept;
  for (Expr e : slots) kept.push_back(slots.size() == 1 ? e : keep(e, "next"));
  for (size_t i = 0; i < vars.size(); ++i) set(vars[i], kept[i]);
}

std::vector<Var> FunctionLowering::carries(const Node& n, size_t first) {
  // What the body reads itself has to outlive the loop.
  std::vector<Value> captured;
  for (const Region& r : n.regions) {
    auto used = used_in(r);
    captured.insert(captured.end(), used.begin(), used.end());
  }
  std::vector<Value> starts(n.operands.begin() + static_cast<long>(first), n.operands.end());
  std::vector<Expr> slots = slots_of(starts, captured, true);
  std::vector<Var> vars;
  for (size_t i = 0; i < starts.size(); ++i) {
    vars.push_back(slot_var(starts[i], "carry"));
    set(vars.back(), slots[i]);
  }
  return vars;
}

void FunctionLowering::for_node(const Node& n) {
  const Region& body = n.regions[0];
  Expr lo = place(n.operands[0]).e, hi = place(n.operands[1]).e;
  std::vector<Var> vars = carries(n, 2);
  Var i = fresh(Ty::i64, "i");
  Stmt s{StmtKind::for_};
  s.var = i;
  s.a = lo;
  s.b = hi;
  s.body = inside([&] {
    poll();
    region(
        body,
        [&] {
          bind_variable(body.params[0], i);
          for (size_t k = 0; k < vars.size(); ++k) bind_variable(body.params[k + 1], vars[k]);
        },
        [&] { assign_slots(vars, body.results); });
  });
  emit(std::move(s));
  for (size_t k = 0; k < vars.size(); ++k) bind_variable(n.results[k], vars[k]);
}

void FunctionLowering::while_node(const Node& n) {
  const Region &cond = n.regions[0], &body = n.regions[1];
  std::vector<Var> vars = carries(n, 0);
  Stmt s{StmtKind::while_};
  s.body = inside([&] {
    region(
        cond,
        [&] {
          for (size_t k = 0; k < vars.size(); ++k) {
            bind_variable(cond.params[k], vars[k]);
            const Place& p = place(cond.params[k]);
            if (p.kind == Place::memory) roots_[p.root].frame = -1;  // borrowed from the loop
          }
        },
        [&] {
          Var c = fresh(Ty::i1, "again");
          set(c, place(cond.results[0]).e);
          s.a = x_.var(c);
        });
  });
  s.other = inside([&] {
    poll();
    region(
        body,
        [&] {
          for (size_t k = 0; k < vars.size(); ++k) bind_variable(body.params[k], vars[k]);
        },
        [&] { assign_slots(vars, body.results); });
  });
  emit(std::move(s));
  for (size_t k = 0; k < vars.size(); ++k) bind_variable(n.results[k], vars[k]);
}

// ---------------------------------------------------------------- calls and the tape

void FunctionLowering::call_node(const Node& n) {
  const auto& attr = n.get<ir::CallAttr>();
  const uint32_t callee = unit_.function_index.at(attr.fn);
  const loop::Signature& sig = unit_.signatures[callee];
  const ir::Function& target = unit_.module.fn(attr.fn);
  const Expr ctx = x_.var(out_fn_.ctx);
  Expr depth = kNone;
  if (target.recursive) {
    poll();
    depth = keep(x_.load(Ty::i64, ctx, x_.i64(loop::kDepth)), "depth");
    Expr limit = x_.load(Ty::i64, ctx, x_.i64(loop::kDepthLimit));
    trap(x_.compare(Op::le, limit, depth), Code::E0806,
         "`" + target.name + "` calls itself more than {} times without coming back",
         "check the condition that ends the recursion", {limit});
    emit(store_element(x_, DType::i64, ctx, x_.i64(loop::kDepth), x_.add(depth, x_.i64(1))));
  }
  Stmt s{StmtKind::call};
  s.id = callee;
  s.var = static_cast<Var>(unit_.calls.size());
  CallSite site{attr.dims, {}, n.loc};
  for (Value v : n.results) site.results.push_back(type(v));
  unit_.calls.push_back(std::move(site));
  if (n.loc.known()) s.place = place_of(n.loc);
  for (DimId d : attr.dims) s.args.push_back(dim(d));
  for (Expr e : slots_of(n.operands, {})) s.args.push_back(e);
  for (size_t i = 0; i < sig.results.size() + sig.bound.size(); ++i)
    s.outs.push_back(fresh(Ty::i64, "r"));
  std::vector<Var> outs = s.outs;
  emit(std::move(s));
  if (target.recursive) emit(store_element(x_, DType::i64, ctx, x_.i64(loop::kDepth), depth));
  for (auto& [theirs, ours] : attr.fresh) {
    auto it = std::find(sig.bound.begin(), sig.bound.end(), theirs);
    require(it != sig.bound.end(), "a call binds a size that its function does not give");
    size_t k = sig.results.size() + static_cast<size_t>(it - sig.bound.begin());
    frames_.back().symbols[ours] = x_.var(outs[k]);
  }
  for (size_t i = 0; i < n.results.size(); ++i) bind_slot(n.results[i], x_.var(outs[i]));
}

void FunctionLowering::push_node(const Node& n) {
  Expr t = place(n.operands[0]).e;
  Expr value = slots_of({n.operands[1]}, {})[0];
  Var top = fresh(Ty::i64, "top");
  set(top, x_.load(Ty::i64, t, x_.i64(0)));
  Stmt full{StmtKind::if_};
  full.a = x_.compare(Op::eq, x_.var(top), x_.load(Ty::i64, t, x_.i64(1)));
  full.body = inside([&] {
    runtime(loop::Runtime::tape_grow, {t});
    set(top, x_.load(Ty::i64, t, x_.i64(0)));
  });
  emit(std::move(full));
  emit(store_element(x_, DType::i64, x_.var(top), x_.i64(0), value));
  emit(store_element(x_, DType::i64, t, x_.i64(0), x_.add(x_.var(top), x_.i64(8))));
  Place p;
  p.kind = Place::tape;
  p.e = t;
  bind(n.results[0], std::move(p));
}

void FunctionLowering::pop_node(const Node& n) {
  Expr t = place(n.operands[0]).e;
  Var top = fresh(Ty::i64, "top");
  set(top, x_.load(Ty::i64, t, x_.i64(0)));
  Stmt empty{StmtKind::if_};
  empty.a = x_.compare(Op::eq, x_.var(top), x_.load(Ty::i64, t, x_.i64(2)));
  empty.body = inside([&] {
    runtime(loop::Runtime::tape_shrink, {t});
    set(top, x_.load(Ty::i64, t, x_.i64(0)));
  });
  emit(std::move(empty));
  Var v = fresh(Ty::i64, "popped");
  set(v, x_.load(Ty::i64, x_.var(top), x_.i64(-1)));
  emit(store_element(x_, DType::i64, t, x_.i64(0), x_.add(x_.var(top), x_.i64(-8))));
  Place p;
  p.kind = Place::tape;
  p.e = t;
  bind(n.results[0], std::move(p));
  bind_slot(n.results[1], x_.var(v));
}

}  // namespace tenon::plan
