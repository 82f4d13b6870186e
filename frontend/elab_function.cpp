// An IR function under construction: its sizes, its end, and the keys of the draws in it.
#include <algorithm>

#include "frontend/elab.h"

namespace tenon::elab {

std::unique_ptr<FnCx> Elab::new_cx(std::string name, Loc loc, ir::FnId& id) {
  auto f = std::make_unique<ir::Function>();
  f->name = std::move(name);
  f->loc = loc;
  ir::Function* raw = f.get();
  id = module.add(std::move(f));
  auto c = std::make_unique<FnCx>(next_owner++, module, raw);
  c->b.at(loc);
  return c;
}

std::vector<SymId> Elab::free_symbols(const ir::Function& fn) {
  std::set<SymId> used, bound;
  auto dim = [&](DimId d) {
    for (SymId s : dims.symbols(d)) used.insert(s);
  };
  auto all = [&](const std::vector<DimId>& ds) {
    for (DimId d : ds) dim(d);
  };
  struct Visit {
    std::function<void(const ir::Region&)> region;
  } visit;
  // Only values that are there: what was elaborated in vain has left types behind.
  visit.region = [&](const ir::Region& r) {
    for (ir::Value v : r.params) all(fn.type(v).shape);
    for (const ir::Node& n : r.nodes) {
      for (ir::Value v : n.results) all(fn.type(v).shape);
      if (auto* a = std::get_if<ir::DimAttr>(&n.attr)) dim(a->dim);
      if (auto* a = std::get_if<ir::ShapeAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::IotaAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::BroadcastAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::SliceAttr>(&n.attr)) all(a->shape);
      if (auto* a = std::get_if<ir::MapAttr>(&n.attr)) all(a->out), all(a->red);
      if (auto* a = std::get_if<ir::ScatterAttr>(&n.attr)) all(a->dims);
      if (auto* a = std::get_if<ir::SlotAttr>(&n.attr)) all(a->type.shape);
      if (auto* a = std::get_if<ir::DeriveAttr>(&n.attr)) all(a->dims);
      if (auto* a = std::get_if<ir::BindAttr>(&n.attr)) bound.insert(a->symbol);
      if (auto* a = std::get_if<ir::ContractAttr>(&n.attr)) {
        all(a->spec->range);
        for (auto& x : a->spec->a) dim(x.offset);
        for (auto& x : a->spec->b) dim(x.offset);
      }
      if (auto* a = std::get_if<ir::CallAttr>(&n.attr)) {
        all(a->dims);
        for (auto& [from, to] : a->fresh) bound.insert(to);
      }
      if (auto* a = std::get_if<ir::HostAttr>(&n.attr)) {
        for (SymId s : a->binds) bound.insert(s);
        for (auto& t : a->results) all(t.shape);
      }
      for (const ir::Region& inner : n.regions) visit.region(inner);
    }
  };
  visit.region(fn.body);
  std::vector<SymId> out;
  for (SymId s : used)
    if (!bound.count(s)) out.push_back(s);
  return out;
}

bool Elab::visible_symbol(SymId s) {
  // Bound inside a region that has been dropped or is still open: not outside of it.
  std::function<bool(const ir::Region&)> binds = [&](const ir::Region& r) {
    for (const ir::Node& n : r.nodes) {
      if (auto* a = std::get_if<ir::BindAttr>(&n.attr); a && a->symbol == s) return true;
      if (auto* a = std::get_if<ir::CallAttr>(&n.attr))
        for (auto& [from, to] : a->fresh) if (to == s) return true;
      if (auto* a = std::get_if<ir::HostAttr>(&n.attr))
        for (SymId x : a->binds) if (x == s) return true;
    }
    return false;
  };
  if (dims.symbol_info(s).rigid) return true;
  for (size_t d = 0; d < cx->b.depth(); ++d)
    if (binds(cx->b.region_at(d))) return true;
  // A symbol of an enclosing function or of the arguments.
  for (SymId x : cx->fn->sizes) if (x == s) return true;
  for (ir::Value p : cx->fn->body.params)
    for (DimId dd : cx->fn->type(p).shape)
      for (SymId x : dims.symbols(dd)) if (x == s) return true;
  return false;
}

void Elab::finish_function(FnCx& f, const std::vector<ir::Value>& results, const std::vector<FlatLeaf>& leaves) {
  f.fn->body.results = results;
  f.fn->results.clear();
  for (auto& l : leaves) f.fn->results.push_back({l.role, l.path});
  f.fn->results.resize(results.size());
  f.fn->effect = f.effect;
  for (SymId s : free_symbols(*f.fn))
    if (std::find(f.fn->sizes.begin(), f.fn->sizes.end(), s) == f.fn->sizes.end()) f.fn->sizes.push_back(s);
}

void Elab::require_effect(Loc loc, std::string_view what) {
  if (cx->pure_only)
    error(Code::E0701, loc, std::string(what) + " has an effect, which is not allowed in what is differentiated",
          "print after it, or use debug(x)");
  cx->effect = true;
}

// ---------------------------------------------------------------- keys of draws

ir::Value Elab::current_key() {
  ir::Value k = cx->key != ir::kNoValue ? cx->key : use(Leaf{kKeyOwner, 0}, ir::scalar_type(DType::i64));
  for (size_t i = 0; i < cx->loops.size(); ++i) {
    const Leaf& turn = cx->loops[i].turn;
    if (turn.v == ir::kNoValue) throw NeedsCounter{i};
    k = cx->b.scalar(ir::Op::rng, {k, use(turn, ir::scalar_type(DType::i64))});
  }
  return k;
}

ir::Value Elab::next_key() {
  ir::Value k = current_key();
  // Ordinals are negative, so that they never meet the number of a turn.
  return cx->b.scalar(ir::Op::rng, {k, cx->b.integer(-1 - cx->draws++)});
}

}  // namespace tenon::elab
