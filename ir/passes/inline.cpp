// inline (exact): a call of a small function, or of one called only here, becomes its body. Sizes
// are replaced by those passed, and what the body binds gets symbols of its own. Functions that
// take part in a recursion stay calls: they count the depth.

#include <algorithm>

#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

constexpr size_t kSmall = 40;       // nodes
constexpr size_t kOnce = 2000;      // of a function called from one place
constexpr size_t kLargest = 20000;  // of the whole result

class Inliner {
 public:
  Inliner(Module& module, Function& fn) : module_(module), fn_(fn), size_(node_count(fn.body)) {
    each_node(fn.body, [this](const Node& n) {
      if (n.op == Op::call) ++calls_[n.get<CallAttr>().fn];
    });
  }

  void region(Region& r, int depth = 0) {
    std::vector<Node> nodes;
    nodes.reserve(r.nodes.size());
    for (Node& n : r.nodes) {
      renames_.apply(n.operands);
      for (Region& inner : n.regions) region(inner, depth);
      if (n.op == Op::call) pass_roles(n);
      if (n.op == Op::call && wanted(n.get<CallAttr>().fn, depth))
        expand(n, nodes, depth);
      else
        nodes.push_back(std::move(n));
    }
    r.nodes = std::move(nodes);
    renames_.apply(r.results);
  }

 private:
  // What is a model's parameter for a function that is called is one here, too: imports of a unit and
  // what a span takes do not know it by themselves.
  void pass_roles(const Node& call) {
    const Function& f = module_.fn(call.get<CallAttr>().fn);
    for (size_t i = 0; i < f.params.size(); ++i) {
      if (f.params[i].role != Leaf::param) continue;
      const auto own = std::find(fn_.body.params.begin(), fn_.body.params.end(), call.operands[i]);
      if (own != fn_.body.params.end())
        fn_.params[static_cast<size_t>(own - fn_.body.params.begin())].role = Leaf::param;
    }
  }

  bool wanted(FnId id, int depth) {
    const Function& f = module_.fn(id);
    if (depth > 50 || in_cycle(id)) return false;
    const size_t n = node_count(f.body);
    if (size_ + n > kLargest) return false;
    return n < kSmall || (calls_[id] == 1 && n < kOnce);
  }

  bool in_cycle(FnId id) {
    if (const auto at = cyclic_.find(id); at != cyclic_.end()) return at->second;
    bool cyclic = module_.fn(id).recursive || &module_.fn(id) == &fn_;
    std::vector<FnId> seen{id};
    for (size_t i = 0; i < seen.size() && !cyclic; ++i)
      each_node(module_.fn(seen[i]).body, [&](const Node& n) {
        const auto* call = std::get_if<CallAttr>(&n.attr);
        if (!call) return;
        cyclic |= call->fn == id;
        if (std::find(seen.begin(), seen.end(), call->fn) == seen.end()) seen.push_back(call->fn);
      });
    return cyclic_[id] = cyclic;
  }

  // One body on its way into the function: its values and sizes under their new names.
  struct Copy {
    const Function& from;
    std::vector<Value> value;
    DimSubst sizes;
    Loc call;
    std::unordered_map<uint32_t, uint32_t> via;  // of a node in the body -> of its copy
  };

  void expand(const Node& call, std::vector<Node>& out, int depth) {
    const auto& attr = call.get<CallAttr>();
    const Function& f = module_.fn(attr.fn);
    size_ += node_count(f.body);
    Copy copy{f, std::vector<Value>(f.types.size(), kNoValue), {}, call.loc, {}};
    for (size_t i = 0; i < f.sizes.size(); ++i) copy.sizes.emplace_back(f.sizes[i], attr.dims[i]);
    for (const auto& [inner, outer] : attr.fresh)
      copy.sizes.emplace_back(inner, module_.dims.symbol(outer));
    for (size_t i = 0; i < f.body.params.size(); ++i)
      copy.value[f.body.params[i]] = call.operands[i];

    Region body;
    for (const Node& n : f.body.nodes) body.nodes.push_back(node(n, copy));
    for (Value v : f.body.results) body.results.push_back(copy.value[v]);
    each_node(body, [this](const Node& n) {
      if (n.op == Op::call) ++calls_[n.get<CallAttr>().fn];
    });
    --calls_[attr.fn];
    region(body, depth + 1);  // what it calls may be wanted, too
    for (Node& n : body.nodes) out.push_back(std::move(n));
    for (size_t i = 0; i < call.results.size(); ++i) renames_.set(call.results[i], body.results[i]);
  }

  std::vector<Value> mapped(const std::vector<Value>& values, const Copy& copy) const {
    std::vector<Value> out;
    out.reserve(values.size());
    for (Value v : values) out.push_back(copy.value[v]);
    return out;
  }
  std::vector<Value> defined(const std::vector<Value>& values, Copy& copy) {
    for (Value v : values)
      copy.value[v] = fn_.new_value(substitute(module_.dims, copy.from.types[v], copy.sizes));
    return mapped(values, copy);
  }

  Node node(const Node& n, Copy& copy) {
    // A symbol that is bound here gets a name of its own, unless the call gave it one.
    std::vector<SymId> bound;
    bound_symbols(n, bound);
    for (SymId s : bound) {
      const bool named = std::any_of(copy.sizes.begin(), copy.sizes.end(),
                                     [s](const auto& pair) { return pair.first == s; });
      if (named) continue;
      const Symbol info = module_.dims.symbol_info(s);
      const SymId own = module_.dims.fresh(info.name, info.where, info.rigid, info.signed_);
      copy.sizes.emplace_back(s, module_.dims.symbol(own));
    }
    Node out{n.op, mapped(n.operands, copy), {}, substitute(module_, n.attr, copy.sizes), {},
             n.loc};
    auto [via, fresh_via] = copy.via.emplace(n.loc.via, 0);
    if (fresh_via) via->second = module_.places.inside(n.loc.via, copy.call);
    out.loc.via = via->second;
    for (const Region& r : n.regions) {
      Region inner;
      inner.params = defined(r.params, copy);
      inner.nodes.reserve(r.nodes.size());
      for (const Node& m : r.nodes) inner.nodes.push_back(node(m, copy));
      inner.results = mapped(r.results, copy);
      out.regions.push_back(std::move(inner));
    }
    out.results = defined(n.results, copy);
    return out;
  }

  Module& module_;
  Function& fn_;
  size_t size_;
  Renames renames_;
  std::unordered_map<FnId, size_t> calls_;
  std::unordered_map<FnId, bool> cyclic_;
};

}  // namespace

std::unique_ptr<Function> inline_calls(Module& module, const Function& fn) {
  auto out = std::make_unique<Function>(fn);
  Inliner(module, *out).region(out->body);
  compact(*out);
  return out;
}

}  // namespace tenon::ir
