// The shared part of the passes (rewrite.h).

#include "ir/passes/rewrite.h"

#include <algorithm>

#include "ir/literal.h"

namespace tenon::ir {

size_t node_count(const Region& region) {
  size_t n = region.nodes.size();
  for (const Node& node : region.nodes)
    for (const Region& inner : node.regions) n += node_count(inner);
  return n;
}

void each_node(const Region& region, const std::function<void(const Node&)>& visit) {
  for (const Node& node : region.nodes) {
    visit(node);
    for (const Region& inner : node.regions) each_node(inner, visit);
  }
}

// ---------------------------------------------------------------- facts

namespace {

// Whether the last element taken along each axis is proved to lie inside.
bool inside(const Module& module, const Function& fn, const Node& node,
            const std::unordered_map<Value, int64_t>& known) {
  const auto& a = node.get<SliceAttr>();
  const size_t first = node.op == Op::slice ? 1 : 2;
  const Type& x = fn.types[node.operands[0]];
  Dims& dims = const_cast<Dims&>(module.dims);  // interns sizes, changes none
  for (size_t i = 0; i < x.rank(); ++i) {
    const auto start = known.find(node.operands[first + i]);
    if (start == known.end() || start->second < 0) return false;
    // start + stride * (count - 1) + 1 <= size
    const DimId end = dims.add(dims.mul(dims.constant(a.strides[i]), a.shape[i]),
                               dims.constant(start->second + 1 - a.strides[i]));
    if (!dims.known_nonnegative(dims.sub(x.shape[i], end))) return false;
  }
  return true;
}

// A read at plain indices of the map whose ranges are no larger than the axes.
bool reads_inside(const Module& module, const Function& fn, const Region& body,
                  const std::vector<DimId>& ranges, const Node& read) {
  Dims& dims = const_cast<Dims&>(module.dims);
  const Type& x = fn.types[read.operands[0]];
  for (size_t i = 0; i < x.rank(); ++i) {
    const auto at = std::find(body.params.begin(), body.params.end(), read.operands[i + 1]);
    if (at == body.params.end()) return false;
    const DimId range = ranges[size_t(at - body.params.begin())];
    if (!dims.known_nonnegative(dims.sub(x.shape[i], range))) return false;
  }
  return true;
}

}  // namespace

// Searches what a function reaches for a node, since a cycle of calls has no first function. Where
// nothing is found, nothing is to be found in any of the functions searched.
template <class Memo, class F>
static bool search(const Module& module, FnId fn, Memo& memo, F&& found_in) {
  if (const auto at = memo.find(fn); at != memo.end()) return at->second;
  std::vector<FnId> seen{fn};
  bool found = false;
  for (size_t i = 0; i < seen.size() && !found; ++i) {
    const Function& f = module.fn(seen[i]);
    each_node(f.body, [&](const Node& n) {
      if (found) return;
      const auto* call = std::get_if<CallAttr>(&n.attr);
      const auto* derive = std::get_if<DeriveAttr>(&n.attr);
      if (!call && !derive) {
        found = found_in(f, n);
        return;
      }
      const FnId to = call ? call->fn : derive->fn;
      if (const auto at = memo.find(to); at != memo.end())
        found = at->second;
      else if (std::find(seen.begin(), seen.end(), to) == seen.end())
        seen.push_back(to);
    });
  }
  if (found) return memo[fn] = true;
  for (FnId id : seen) memo[id] = false;
  return false;
}

static bool effect_here(const Node& n) {
  return n.op == Op::check || n.op == Op::debug || n.op == Op::host;
}

bool Effects::operator()(FnId fn) {
  return search(module_, fn, memo_, [](const Function&, const Node& n) { return effect_here(n); });
}

bool Effects::operator()(const Node& node) {
  if (effect_here(node)) return true;
  if (node.op == Op::call) return (*this)(node.get<CallAttr>().fn);
  if (node.op == Op::derive) return (*this)(node.get<DeriveAttr>().fn);
  for (const Region& r : node.regions)
    for (const Node& inner : r.nodes)
      if ((*this)(inner)) return true;
  return false;
}

const std::unordered_map<Value, int64_t>& Traps::constants(const Function& fn) {
  const auto [at, fresh] = constants_.try_emplace(&fn);
  if (fresh)
    each_node(fn.body, [&](const Node& n) {
      if (n.op != Op::constant) return;
      const Literal& l = *n.get<ConstantAttr>().literal;
      if (l.dtype == DType::i64 && l.shape.empty()) at->second[n.results[0]] = integer_at(l, 0);
    });
  return at->second;
}

// The node itself, without its regions and what it calls.
bool Traps::here(const Function& fn, const Node& node) {
  switch (node.op) {
#define SCALAR(name, arity, cls) case Op::name:
    TENON_SCALAR_OPS(SCALAR)
#undef SCALAR
    return (node.op == Op::div || node.op == Op::rem) &&
           !is_float(fn.types[node.operands[0]].dtype);
    case Op::slice:
    case Op::update:
      return !inside(module_, fn, node, constants(fn));
    case Op::arg_reduce: {  // there is no first of none
      Dims& dims = const_cast<Dims&>(module_.dims);
      const DimId size = fn.types[node.operands[0]].shape[node.get<ArgReduceAttr>().axis];
      return !dims.known_nonnegative(dims.sub(size, dims.constant(1)));
    }
    case Op::map: {
      const auto& a = node.get<MapAttr>();
      std::vector<DimId> ranges = a.out;
      ranges.insert(ranges.end(), a.red.begin(), a.red.end());
      bool bad = false;
      each_node(node.regions[0], [&](const Node& n) {
        if (n.op == Op::read) bad |= !reads_inside(module_, fn, node.regions[0], ranges, n);
      });
      return bad;
    }
    case Op::call:
      return called(node.get<CallAttr>().fn);
    case Op::scatter:   // its targets are data
    case Op::while_:    // may never end
    case Op::bind_dim:  // a negative number is no size
    case Op::check:
    case Op::host:
    case Op::derive:
      return true;
    case Op::constant:
    case Op::iota:
    case Op::size:
    case Op::broadcast:
    case Op::reshape:
    case Op::retype:
    case Op::transpose:
    case Op::concat:
    case Op::reduce:
    case Op::scan:
    case Op::contract:
    case Op::sort:
    case Op::read:  // the map or scatter around it answers
    case Op::if_:
    case Op::for_:
    case Op::push:
    case Op::pop:
    case Op::tape_new:
    case Op::tape_end:
    case Op::debug:
    case Op::stop_gradient:
      return false;
  }
  return true;
}

bool Traps::operator()(const Function& fn, const Node& node) {
  if (here(fn, node)) return true;
  for (const Region& r : node.regions)
    for (const Node& inner : r.nodes)
      if ((*this)(fn, inner)) return true;
  return false;
}

// A recursion may be too deep.
bool Traps::called(FnId fn) {
  if (module_.fn(fn).recursive) return true;
  return search(module_, fn, memo_,
                [this](const Function& f, const Node& n) { return f.recursive || here(f, n); });
}

void bound_symbols(const Node& node, std::vector<SymId>& out) {
  if (const auto* a = std::get_if<BindAttr>(&node.attr)) out.push_back(a->symbol);
  if (const auto* a = std::get_if<HostAttr>(&node.attr))
    out.insert(out.end(), a->binds.begin(), a->binds.end());
  if (const auto* a = std::get_if<CallAttr>(&node.attr))
    for (const auto& pair : a->fresh) out.push_back(pair.second);
}

// ---------------------------------------------------------------- attributes

namespace {

// One walk over the sizes of an attribute serves looking and replacing.
struct DimWalk {
  const std::function<DimId(DimId)>& dim;
  const std::function<SymId(SymId)>& binding;

  void list(std::vector<DimId>& dims) const {
    for (DimId& d : dims) d = dim(d);
  }
  void operator()(std::monostate&) const {}
  void operator()(ConstantAttr&) const {}
  void operator()(IotaAttr& a) const { list(a.shape); }
  void operator()(DimAttr& a) const { a.dim = dim(a.dim); }
  void operator()(ShapeAttr& a) const { list(a.shape); }
  void operator()(BroadcastAttr& a) const { list(a.shape); }
  void operator()(AxesAttr&) const {}
  void operator()(SliceAttr& a) const { list(a.shape); }
  void operator()(AxisAttr&) const {}
  void operator()(ReduceAttr&) const {}
  void operator()(ArgReduceAttr&) const {}
  void operator()(ScanAttr&) const {}
  void operator()(ContractAttr& a) const {
    auto spec = std::make_shared<ContractSpec>(*a.spec);
    list(spec->range);
    for (Affine& x : spec->a) x.offset = dim(x.offset);
    for (Affine& x : spec->b) x.offset = dim(x.offset);
    if (*spec != *a.spec) a.spec = std::move(spec);
  }
  void operator()(MapAttr& a) const {
    list(a.out);
    list(a.red);
  }
  void operator()(ScatterAttr& a) const { list(a.dims); }
  void operator()(ConvertAttr&) const {}
  void operator()(CallAttr& a) const {
    list(a.dims);
    for (auto& pair : a.fresh) pair.second = binding(pair.second);
  }
  void operator()(DeriveAttr& a) const { list(a.dims); }
  void operator()(SlotAttr& a) const { list(a.type.shape); }
  void operator()(BindAttr& a) const { a.symbol = binding(a.symbol); }
  void operator()(CheckAttr&) const {}
  void operator()(TextAttr&) const {}
  void operator()(HostAttr& a) const {
    for (Type& t : a.results) list(t.shape);
    for (SymId& s : a.binds) s = binding(s);
  }
};

}  // namespace

void each_dim(const Attr& attr, const std::function<void(DimId)>& visit) {
  if (std::holds_alternative<std::monostate>(attr) || std::holds_alternative<ConstantAttr>(attr))
    return;
  Attr copy = attr;
  const std::function<DimId(DimId)> dim = [&](DimId d) {
    visit(d);
    return d;
  };
  const std::function<SymId(SymId)> binding = [](SymId s) { return s; };
  std::visit(DimWalk{dim, binding}, copy);
}

Attr substitute(Module& module, const Attr& attr, const DimSubst& subst) {
  Attr copy = attr;
  if (subst.empty()) return copy;
  Dims& dims = module.dims;
  const std::function<DimId(DimId)> dim = [&](DimId d) { return dims.substitute(d, subst); };
  const std::function<SymId(SymId)> binding = [&](SymId s) {
    for (const auto& [from, to] : subst)
      if (from == s) {
        const auto name = dims.as_symbol(to);
        require(name.has_value(), "a bound size can only be replaced by a symbol");
        return *name;
      }
    return s;
  };
  std::visit(DimWalk{dim, binding}, copy);
  return copy;
}

Type substitute(Dims& dims, const Type& type, const DimSubst& subst) {
  Type t = type;
  for (DimId& d : t.shape) d = dims.substitute(d, subst);
  return t;
}

// ---------------------------------------------------------------- numbering

namespace {

struct Compactor {
  Function& fn;
  std::vector<Value> to;
  std::vector<Type> types;

  void define(std::vector<Value>& values) {
    for (Value& v : values) {
      to[v] = static_cast<Value>(types.size());
      types.push_back(std::move(fn.types[v]));
      v = to[v];
    }
  }
  void use(std::vector<Value>& values) {
    for (Value& v : values) {
      require(v < to.size() && to[v] != kNoValue, "a pass left a value without a definition");
      v = to[v];
    }
  }
  void region(Region& r) {
    define(r.params);
    for (Node& n : r.nodes) {
      use(n.operands);
      for (Region& inner : n.regions) region(inner);
      define(n.results);
    }
    use(r.results);
  }
};

}  // namespace

void compact(Function& fn) {
  Compactor c{fn, std::vector<Value>(fn.types.size(), kNoValue), {}};
  c.region(fn.body);
  fn.types = std::move(c.types);
}

}  // namespace tenon::ir
