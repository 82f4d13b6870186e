// Outlining of pure runs (span.h). Exact: the nodes themselves are not changed, and their order is kept.
#include "session/span.h"

#include <algorithm>
#include <set>

#include "ir/passes/rewrite.h"
#include "ir/verify.h"

namespace tenon {

using namespace ir;

namespace {

constexpr size_t kSmallConstant = 256;  // bytes: copied into a span instead of handed over

class Cut {
 public:
  Cut(Module& module, Function& fn, const std::function<FnId(FnId)>& callee)
      : module_(module), fn_(fn), callee_(callee) {}

  // Compiled code gives back tensors whose sizes its types tell. What has none there (`_`) leaves a
  // span with its sizes, and loses them outside.
  void find_sizes() {
    each_node(fn_.body, [this](const Node& n) {
      if (n.op == Op::bind_dim) size_value_[n.get<BindAttr>().symbol] = n.operands[0];
      if (n.op == Op::retype && fn_.type(n.operands[0]).unsized(module_.dims))
        sized_[n.operands[0]] = n.get<ShapeAttr>().shape;
    });
  }

  void region(Region& r) {
    std::vector<Node> nodes = std::move(r.nodes);
    r.nodes.clear();
    std::vector<Node> run;
    for (size_t i = 0; i < nodes.size(); ++i) {
      Node& n = nodes[i];
      if (!effect(n)) {
        if (n.op == Op::constant) constants_[n.results[0]] = n;
        run.push_back(std::move(n));
        continue;
      }
      for (size_t k = i; k < nodes.size(); ++k) rest_.push_back(&nodes[k]);
      close(run, r);
      rest_.clear();
      if (n.op == Op::call) std::get<CallAttr>(n.attr).fn = callee_(n.get<CallAttr>().fn);
      for (Region& inner : n.regions) region(inner);
      r.nodes.push_back(std::move(n));
    }
    close(run, r);
  }

 private:
  bool effect(const Node& n) {
    if (n.op == Op::host) return true;
    if (n.op == Op::call && module_.fn(n.get<CallAttr>().fn).effect) return true;
    bool inside = false;
    for (const Region& r : n.regions)
      each_node(r, [&](const Node& m) {
        inside |= m.op == Op::host || (m.op == Op::call && module_.fn(m.get<CallAttr>().fn).effect);
      });
    return inside;
  }

  // Worth a call: something that works on tensors or loops.
  bool worthy(const Node& n) const {
    if (!n.regions.empty() || n.op == Op::call) return true;
    if (n.op == Op::constant || n.op == Op::size || n.op == Op::bind_dim || n.op == Op::retype)
      return false;
    for (Value v : n.operands)
      if (!fn_.type(v).scalar()) return true;
    for (Value v : n.results)
      if (!fn_.type(v).scalar()) return true;
    return false;
  }

  static void mention(const Node& n, const std::function<void(Value)>& value,
                      const std::function<void(const Node&)>& node) {
    node(n);
    for (Value v : n.operands) value(v);
    for (const Region& r : n.regions) {
      for (const Node& m : r.nodes) mention(m, value, node);
      for (Value v : r.results) value(v);
    }
  }
  void symbols_of(const Type& t, std::set<SymId>& out) const {
    for (DimId d : t.shape)
      for (SymId s : module_.dims.symbols(d)) out.insert(s);
  }
  void symbols_of(const Node& n, std::set<SymId>& out) const {
    mention(n, [&](Value v) { symbols_of(fn_.type(v), out); },
            [&](const Node& m) {
              each_dim(m.attr, [&](DimId d) {
                for (SymId s : module_.dims.symbols(d)) out.insert(s);
              });
              for (Value v : m.results) symbols_of(fn_.type(v), out);
              for (const Region& r : m.regions)
                for (Value v : r.params) symbols_of(fn_.type(v), out);
            });
  }

  // Ends a run: cuts it where a size that it binds is needed outside, and outlines the parts.
  void close(std::vector<Node>& run, Region& r) {
    if (run.empty()) return;
    std::set<SymId> later;
    std::set<Value> used(r.results.begin(), r.results.end());
    for (Value v : r.results) symbols_of(fn_.type(v), later);
    for (const Node* n : rest_) {
      mention(*n, [&](Value v) { used.insert(v); }, [](const Node&) {});
      symbols_of(*n, later);
    }
    // From the end: parts, between nodes that must stay where they are. A size that is bound and
    // needed inside one part is that part's own affair.
    std::vector<std::vector<Node>> parts;  // last first; a node that stays is alone
    std::vector<bool> stays;
    std::set<SymId> own;  // what the part that is open mentions
    for (size_t i = run.size(); i-- > 0;) {
      Node& n = run[i];
      std::vector<SymId> bound;
      bound_symbols(n, bound);
      const bool binds = std::any_of(bound.begin(), bound.end(), [&](SymId s) { return later.count(s) != 0; });
      bool tape = n.op == Op::retype;  // stays as well
      for (Value v : n.operands) tape |= fn_.type(v).tape;
      for (Value v : n.results) tape |= fn_.type(v).tape;
      if (binds || tape) {
        later.insert(own.begin(), own.end());
        own.clear();
        symbols_of(n, later);
      } else {
        symbols_of(n, own);
      }
      if (binds || tape || parts.empty() || stays.back()) {
        parts.emplace_back();
        stays.push_back(binds || tape);
      }
      parts.back().push_back(std::move(n));
    }
    run.clear();
    // What each part must give: what is used behind it.
    std::vector<std::vector<Value>> gives(parts.size());
    for (size_t p = 0; p < parts.size(); ++p) {
      for (Node& n : parts[p])
        for (Value v : n.results)
          if (used.count(v)) gives[p].push_back(v);
      for (Node& n : parts[p]) mention(n, [&](Value v) { used.insert(v); }, [](const Node&) {});
      std::sort(gives[p].begin(), gives[p].end());
    }
    for (size_t p = parts.size(); p-- > 0;) {
      std::reverse(parts[p].begin(), parts[p].end());
      const bool worth = !stays[p] && std::any_of(parts[p].begin(), parts[p].end(), [&](const Node& n) { return worthy(n); });
      if (worth) outline(std::move(parts[p]), gives[p], r.nodes);
      else for (Node& n : parts[p]) r.nodes.push_back(std::move(n));
    }
  }
  void outline(std::vector<Node> nodes, std::vector<Value> gives, std::vector<Node>& out_nodes) {
    auto span = std::make_unique<Function>();
    span->name = fn_.name + ".span";
    span->loc = nodes[0].loc;
    std::map<Value, Value> to;
    std::set<Value> defined;
    std::vector<Value> takes;
    std::vector<Node> constants;
    std::function<void(const Node&)> scan = [&](const Node& n) {
      auto use = [&](Value v) {
        if (defined.insert(v).second) {
          auto c = constants_.find(v);
          if (c != constants_.end() && c->second.get<ConstantAttr>().literal->bytes.size() <= kSmallConstant)
            constants.push_back(c->second);
          else takes.push_back(v);
        }
      };
      for (Value v : n.operands) use(v);
      for (const Region& r : n.regions) {
        for (Value v : r.params) defined.insert(v);
        for (const Node& m : r.nodes) scan(m);
        for (Value v : r.results) use(v);
      }
      for (Value v : n.results) defined.insert(v);
    };
    for (const Node& n : nodes) scan(n);

    std::set<SymId> symbols, bound;
    auto fresh = [&](Value v) { return to[v] = span->new_value(fn_.type(v)); };
    for (Value v : takes) {
      span->body.params.push_back(fresh(v));
      const auto own = std::find(fn_.body.params.begin(), fn_.body.params.end(), v);
      span->params.push_back({});
      if (own != fn_.body.params.end())
        span->params.back() = fn_.params[static_cast<size_t>(own - fn_.body.params.begin())];
      symbols_of(fn_.type(v), symbols);
    }
    std::function<Node(const Node&)> copy = [&](const Node& n) {
      std::vector<SymId> own;
      bound_symbols(n, own);
      bound.insert(own.begin(), own.end());
      Node out{n.op, {}, {}, n.attr, {}, n.loc};
      for (Value v : n.operands) out.operands.push_back(to.at(v));
      for (const Region& r : n.regions) {
        Region inner;
        for (Value v : r.params) inner.params.push_back(fresh(v));
        for (const Node& m : r.nodes) inner.nodes.push_back(copy(m));
        for (Value v : r.results) inner.results.push_back(to.at(v));
        out.regions.push_back(std::move(inner));
      }
      for (Value v : n.results) out.results.push_back(fresh(v));
      return out;
    };
    for (const Node& n : constants) span->body.nodes.push_back(copy(n));
    for (const Node& n : nodes) {
      symbols_of(n, symbols);
      span->body.nodes.push_back(copy(n));
    }
    CallAttr attr;
    std::vector<Node> behind;
    const Loc loc = span->loc;
    for (Value& v : gives) {
      Value inner = to.at(v);
      if (fn_.type(v).unsized(module_.dims)) {
        std::vector<DimId> shape = sized_.at(v), here = shape;
        for (size_t k = 0; k < shape.size(); ++k) {
          if (fn_.type(v).shape[k] != module_.dims.any()) continue;
          const auto symbol = module_.dims.as_symbol(shape[k]);
          require(symbol.has_value(), "a size that comes back has no name");
          const Symbol info = module_.dims.symbol_info(*symbol);
          const SymId own = module_.dims.fresh(info.name, info.where, false);
          const SymId ours = module_.dims.fresh(info.name, info.where, false);
          span->body.nodes.push_back({Op::bind_dim, {to.at(size_value_.at(*symbol))}, {}, BindAttr{own}, {}, loc});
          bound.insert(own);
          attr.fresh.emplace_back(own, ours);
          shape[k] = module_.dims.symbol(own);
          here[k] = module_.dims.symbol(ours);
        }
        inner = span->new_value({fn_.type(v).dtype, shape});
        span->body.nodes.push_back({Op::retype, {to.at(v)}, {inner}, ShapeAttr{shape}, {}, loc});
        const Value sized = fn_.new_value({fn_.type(v).dtype, here});
        behind.push_back({Op::retype, {sized}, {v}, ShapeAttr{fn_.type(v).shape}, {}, loc});
        v = sized;
      }
      span->body.results.push_back(inner);
      span->results.push_back({});
    }
    for (SymId s : symbols)
      if (!bound.count(s)) {
        span->sizes.push_back(s);
        attr.dims.push_back(module_.dims.symbol(s));
      }
    attr.fn = module_.add(std::move(span));
    verify_after("cutting spans", module_, module_.fn(attr.fn));
    out_nodes.push_back({Op::call, takes, gives, std::move(attr), {}, {}});  // no call of the program: no place
    for (Node& n : behind) out_nodes.push_back(std::move(n));
  }

  Module& module_;
  Function& fn_;
  const std::function<FnId(FnId)>& callee_;
  std::vector<const Node*> rest_;
  std::map<Value, Node> constants_;
  std::map<SymId, Value> size_value_;              // what bind_dim was given
  std::map<Value, std::vector<DimId>> sized_;      // the shape that `retype` gives back
};

}  // namespace

FnId SpanCutter::cut(FnId fn) {
  if (!module_.fn(fn).effect) return fn;
  if (auto at = done_.find(fn); at != done_.end()) return at->second;
  // Known before it is made: functions with effects may call themselves.
  const FnId made = module_.add(std::make_unique<Function>(module_.fn(fn)));
  done_[fn] = made;
  Function& f = module_.fn(made);
  const std::function<FnId(FnId)> callee = [this](FnId id) { return cut(id); };
  Cut cutter(module_, f, callee);
  cutter.find_sizes();
  cutter.region(f.body);
  compact(f);
  verify_after("cutting spans", module_, f);
  return made;
}

}  // namespace tenon
