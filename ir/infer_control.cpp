// Result types of nodes with regions, of calls and of the tape (infer.h).

#include <algorithm>

#include "ir/infer_rules.h"

namespace tenon::ir {
namespace {

// The types of values, or nothing when one does not exist.
std::optional<std::vector<Type>> types_of(const Rule& r, const std::vector<Value>& values) {
  std::vector<Type> out;
  for (Value v : values) {
    if (v >= r.fn.types.size()) return {};
    out.push_back(r.fn.types[v]);
  }
  return out;
}

bool indices(const Rule& r, const Region& region, size_t n) {
  if (region.params.size() != n) return false;
  for (Value v : region.params)
    if (v >= r.fn.types.size() || r.fn.types[v] != scalar_type(DType::i64)) return false;
  return true;
}

Type substituted(Dims& dims, Type t, const DimSubst& subst) {
  for (DimId& d : t.shape) d = dims.substitute(d, subst);
  return t;
}

struct Callee {
  const Function* fn = nullptr;
  DimSubst subst;
};

// The called function with its sizes replaced; fits the first operands to its parameters.
std::optional<Inferred> enter(const Rule& r, FnId id, const std::vector<DimId>& dims, Callee& out) {
  if (id >= r.module.functions.size()) return r.wrong("no such function");
  out.fn = r.module.functions[id].get();
  if (dims.size() != out.fn->sizes.size()) return r.wrong("one size per size of the function");
  for (size_t i = 0; i < dims.size(); ++i) out.subst.emplace_back(out.fn->sizes[i], dims[i]);
  const std::vector<Value>& params = out.fn->body.params;
  if (r.count() < params.size()) return r.wrong("arguments are missing");
  for (size_t i = 0; i < params.size(); ++i)
    if (r.type(i) != substituted(r.dims(), out.fn->types[params[i]], out.subst))
      return r.wrong("argument " + std::to_string(i) + " has another type than parameter of " +
                     out.fn->name);
  return {};
}

// The carries that come in, and what the body takes and gives, are of the same types.
std::optional<Inferred> same_carries(const Rule& r, size_t first_operand, const Region& body,
                                     size_t first_param) {
  const auto given = types_of(r, body.results), taken = types_of(r, body.params);
  if (!given || !taken) return r.wrong("a value of a region does not exist");
  const size_t n = r.count() - first_operand;
  if (taken->size() != n + first_param) return r.wrong("one parameter of the region per carry");
  if (given->size() != n) return r.wrong("one result of the region per carry");
  for (size_t i = 0; i < n; ++i) {
    const Type& t = r.type(first_operand + i);
    if ((*taken)[first_param + i] != t || (*given)[i] != t)
      return r.wrong("carry " + std::to_string(i) + " changes its type");
  }
  return {};
}

Inferred carried(const Rule& r, size_t first_operand) {
  Inferred out;
  for (size_t i = first_operand; i < r.count(); ++i) out.types.push_back(r.type(i));
  return out;
}

}  // namespace

bool takes_no_attr(Op op) {
  switch (op) {
    case Op::constant:
    case Op::iota:
    case Op::size:
    case Op::broadcast:
    case Op::reshape:
    case Op::retype:
    case Op::transpose:
    case Op::slice:
    case Op::update:
    case Op::concat:
    case Op::reduce:
    case Op::arg_reduce:
    case Op::scan:
    case Op::contract:
    case Op::sort:
    case Op::map:
    case Op::scatter:
    case Op::call:
    case Op::derive:
    case Op::push:
    case Op::pop:
    case Op::bind_dim:
    case Op::check:
    case Op::debug:
    case Op::host:
      return false;
    case Op::read:
    case Op::if_:
    case Op::for_:
    case Op::while_:
    case Op::tape_new:
    case Op::tape_end:
    case Op::stop_gradient:
      return true;
#define SCALAR(name, arity, cls) case Op::name:
      TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
      return op != Op::convert;
  }
  return true;
}

size_t region_count(Op op) {
  if (op == Op::if_ || op == Op::while_) return 2;
  return op == Op::for_ || op == Op::map || op == Op::scatter ? 1 : 0;
}

Inferred map_rule(const Rule& r) {
  if (auto bad = r.operands(0)) return *bad;
  const auto* a = r.attr<MapAttr>();
  if (!a) return r.no_attr();
  const Region& body = r.node.regions[0];
  if (!indices(r, body, a->out.size() + a->red.size())) return r.wrong("one i64 per index");
  const auto given = types_of(r, body.results);
  if (!given || given->size() != 1 || !(*given)[0].scalar())
    return r.wrong("the body gives one scalar");
  const DType t = (*given)[0].dtype;
  if (!a->red.empty() && !fits(a->kind, t)) return r.wrong("the reduction does not suit the dtype");
  return r.one({t, a->out});
}

Inferred scatter_rule(const Rule& r) {
  if (auto bad = r.tensors(1)) return *bad;
  const auto* a = r.attr<ScatterAttr>();
  if (!a) return r.no_attr();
  const Region& body = r.node.regions[0];
  const Type& x = r.type(0);
  if (x.dtype == DType::boolean) return r.wrong("a bool is no number");
  if (!indices(r, body, a->dims.size())) return r.wrong("one i64 per index");
  const auto given = types_of(r, body.results);
  if (!given || given->size() != x.rank() + 1) return r.wrong("a target per axis and one scalar");
  for (size_t i = 0; i < x.rank(); ++i)
    if ((*given)[i] != scalar_type(DType::i64)) return r.wrong("a target is an i64 scalar");
  if (given->back() != scalar_type(x.dtype)) return r.wrong("what is added has another dtype");
  return r.one(x);
}

Inferred call_rule(const Rule& r) {
  const auto* a = r.attr<CallAttr>();
  if (!a) return r.no_attr();
  Callee callee;
  if (auto bad = enter(r, a->fn, a->dims, callee)) return *bad;
  if (r.count() != callee.fn->body.params.size()) return r.wrong("too many arguments");
  for (const auto& [inner, outer] : a->fresh) {
    if (inner >= r.dims().symbol_count() || outer >= r.dims().symbol_count())
      return r.wrong("no such symbol");
    callee.subst.emplace_back(inner, r.dims().symbol(outer));
  }
  Inferred out;
  for (Value v : callee.fn->body.results)
    out.types.push_back(substituted(r.dims(), callee.fn->types[v], callee.subst));
  return out;
}

Inferred derive_rule(const Rule& r) {
  const auto* a = r.attr<DeriveAttr>();
  if (!a) return r.no_attr();
  Callee callee;
  if (auto bad = enter(r, a->fn, a->dims, callee)) return *bad;
  const Function& f = *callee.fn;
  auto listed = [&](const std::vector<int>& list, const std::vector<Value>& of) {
    std::vector<Type> out;
    for (int i : list) {
      if (i < 0 || size_t(i) >= of.size()) return std::optional<std::vector<Type>>{};
      const Type& t = f.types[of[i]];
      if (t.tape || !is_float(t.dtype)) return std::optional<std::vector<Type>>{};
      out.push_back(substituted(r.dims(), t, callee.subst));
    }
    return std::optional{out};
  };
  const auto wrt = listed(a->wrt, f.body.params), seeds = listed(a->seeds, f.body.results);
  if (!wrt) return r.wrong("wrt names no float parameter");
  if (!seeds) return r.wrong("seeds name no float result");
  const std::vector<Type>& in = a->mode == DeriveAttr::vjp ? *seeds : *wrt;
  const std::vector<Type>& extra = a->mode == DeriveAttr::vjp ? *wrt : *seeds;
  if (r.count() != f.body.params.size() + in.size()) return r.wrong("one seed each");
  for (size_t i = 0; i < in.size(); ++i)
    if (r.type(f.body.params.size() + i) != in[i]) return r.wrong("a seed has another type");
  Inferred out;
  for (Value v : f.body.results) {
    const Type t = substituted(r.dims(), f.types[v], callee.subst);
    // A size that the function binds inside would have no name here.
    for (DimId d : f.types[v].shape)
      for (SymId s : r.dims().symbols(d))
        if (std::find(f.sizes.begin(), f.sizes.end(), s) == f.sizes.end())
          return r.wrong("a result's size is only known inside");
    out.types.push_back(t);
  }
  out.types.insert(out.types.end(), extra.begin(), extra.end());
  return out;
}

Inferred if_rule(const Rule& r) {
  if (auto bad = r.operands(1)) return *bad;
  if (r.type(0) != scalar_type(DType::boolean)) return r.wrong("the condition is no bool");
  const Region &yes = r.node.regions[0], &no = r.node.regions[1];
  if (!yes.params.empty() || !no.params.empty()) return r.wrong("a branch has parameters");
  const auto a = types_of(r, yes.results), b = types_of(r, no.results);
  if (!a || !b) return r.wrong("a value of a region does not exist");
  if (*a != *b) return r.wrong("the branches give different types");
  return {*a, {}};
}

Inferred for_rule(const Rule& r) {
  if (r.count() < 2 || !r.i64(0) || !r.i64(1)) return r.wrong("the bounds are i64 scalars");
  const Region& body = r.node.regions[0];
  if (body.params.empty() || body.params[0] >= r.fn.types.size() ||
      r.fn.types[body.params[0]] != scalar_type(DType::i64))
    return r.wrong("the body takes an i64 first");
  if (auto bad = same_carries(r, 2, body, 1)) return *bad;
  return carried(r, 2);
}

Inferred while_rule(const Rule& r) {
  const Region& cond = r.node.regions[0];
  const auto taken = types_of(r, cond.params), given = types_of(r, cond.results);
  if (!taken || !given) return r.wrong("a value of a region does not exist");
  if (taken->size() != r.count()) return r.wrong("one parameter of the condition per carry");
  for (size_t i = 0; i < r.count(); ++i)
    if ((*taken)[i] != r.type(i)) return r.wrong("the condition takes other types");
  if (given->size() != 1 || (*given)[0] != scalar_type(DType::boolean))
    return r.wrong("the condition gives one bool");
  if (auto bad = same_carries(r, 0, r.node.regions[1], 0)) return *bad;
  return carried(r, 0);
}

Inferred push_rule(const Rule& r) {
  if (auto bad = r.operands(2)) return *bad;
  const auto* a = r.attr<SlotAttr>();
  if (!a) return r.no_attr();
  if (!r.type(0).tape || r.type(1).tape) return r.wrong("a tape and a tensor");
  if (r.type(1) != a->type) return r.wrong("the value is not of the slot's type");
  return r.one(tape_type());
}

Inferred pop_rule(const Rule& r) {
  if (auto bad = r.operands(1)) return *bad;
  const auto* a = r.attr<SlotAttr>();
  if (!a) return r.no_attr();
  if (!r.type(0).tape || a->type.tape) return r.wrong("a tape, and a tensor from it");
  return {{tape_type(), a->type}, {}};
}

Inferred tape_new_rule(const Rule& r) {
  if (auto bad = r.operands(0)) return *bad;
  return r.one(tape_type());
}

Inferred tape_end_rule(const Rule& r) {
  if (auto bad = r.operands(1)) return *bad;
  if (!r.type(0).tape) return r.wrong("not a tape");
  return {};
}

}  // namespace tenon::ir
