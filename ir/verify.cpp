// The checker of functions (verify.h). One walk in the order of execution keeps what is visible:
// values, size symbols, and which tapes have been used up.

#include "ir/verify.h"

#include <algorithm>

#include "ir/infer.h"

namespace tenon::ir {
namespace {

class Verifier {
 public:
  Verifier(Module& module, const Function& fn)
      : module_(module),
        fn_(fn),
        value_(fn.types.size(), unseen),
        depth_(fn.types.size(), 0),
        bound_(module.dims.symbol_count(), 0) {}

  std::string run() {
    header();
    if (error_.empty()) region(fn_.body, Kind::function);
    if (error_.empty() && fn_.results.size() != fn_.body.results.size())
      wrong("one leaf per result");
    return error_.empty() ? error_ : "fn " + fn_.name + ": " + error_;
  }

 private:
  enum class Kind { function, branch, loop, condition, point };  // point: the body of map, scatter
  enum State : uint8_t { unseen, visible, used, hidden };        // used: a tape that was consumed

  void wrong(std::string what) {
    if (!error_.empty()) return;
    if (node_) {
      error_ = std::string(name(node_->op));
      if (!node_->results.empty()) error_ += " (value " + std::to_string(node_->results[0]) + ")";
      error_ += ": ";
    }
    error_ += what;
  }

  // ---- sizes
  void bind(SymId s) {
    if (s >= bound_.size()) return wrong("no such size symbol");
    if (bound_[s]) return wrong("size " + symbol(s) + " is bound twice");
    bound_[s] = 1;
    bindings_.push_back(s);
  }
  std::string symbol(SymId s) const { return module_.dims.symbol_info(s).name; }

  void size(DimId d) {
    if (d < known_.size() && known_[d] == epoch_) return;
    if (d >= module_.dims.dim_count()) return wrong("no such size");
    for (SymId s : module_.dims.symbols(d))
      if (s >= bound_.size() || !bound_[s])
        return wrong("size " + symbol(s) + " is not bound here");
    if (known_.size() <= d) known_.resize(module_.dims.dim_count(), 0);
    known_[d] = epoch_;  // holds until a region closes over a symbol
  }
  void sizes(const std::vector<DimId>& dims) {
    for (DimId d : dims) size(d);
  }

  // ---- values
  void define(Value v) {
    if (v >= value_.size()) return wrong("a value has no type");
    if (value_[v] != unseen) return wrong("value " + std::to_string(v) + " is defined twice");
    if (fn_.types[v].tape && !fn_.types[v].shape.empty()) return wrong("a tape with a shape");
    sizes(fn_.types[v].shape);
    value_[v] = visible;
    depth_[v] = static_cast<uint32_t>(regions_.size());
    defined_.push_back(v);
  }

  void use(Value v) {
    if (v >= value_.size()) return wrong("an operand does not exist");
    switch (static_cast<State>(value_[v])) {
      case unseen:
        return wrong("value " + std::to_string(v) + " is used before it is defined");
      case hidden:
        return wrong("value " + std::to_string(v) + " is used outside its region");
      case used:
        return wrong("tape " + std::to_string(v) + " is used twice");
      case visible:
        break;
    }
    if (!fn_.types[v].tape) return;
    // Between the tape's region and here only branches may lie: a loop would use it many times.
    for (size_t i = depth_[v]; i < regions_.size(); ++i)
      if (regions_[i] != Kind::branch) return wrong("a tape is used from inside a loop");
    value_[v] = used;
    consumed_.push_back(v);
  }

  // ---- structure
  void header() {
    if (fn_.params.size() != fn_.body.params.size()) wrong("one leaf per parameter");
    if (fn_.vjp_rule && *fn_.vjp_rule >= module_.functions.size())
      wrong("the rule of its derivative does not exist");
    for (SymId s : fn_.sizes) bind(s);
  }

  bool in_point() const {
    return std::find(regions_.begin(), regions_.end(), Kind::point) != regions_.end();
  }

  void region(const Region& r, Kind kind) {
    const size_t values = defined_.size(), symbols = bindings_.size();
    regions_.push_back(kind);
    for (Value v : r.params) define(v);
    for (const Node& n : r.nodes) {
      if (!error_.empty()) return;
      node(n);
    }
    node_ = nullptr;
    for (Value v : r.results) use(v);
    if (!error_.empty()) return;
    for (size_t i = values; i < defined_.size(); ++i) {
      const Value v = defined_[i];
      // The condition of a `while` sees the tape that its body carries on.
      if (fn_.types[v].tape && value_[v] == visible && kind != Kind::condition)
        return wrong("tape " + std::to_string(v) + " is never used");
      value_[v] = hidden;
    }
    defined_.resize(values);
    regions_.pop_back();
    if (kind == Kind::function) return;
    if (bindings_.size() > symbols) ++epoch_;
    for (size_t i = symbols; i < bindings_.size(); ++i) bound_[bindings_[i]] = 0;
    bindings_.resize(symbols);
  }

  // Both branches start from the same tapes and have to use up the same ones.
  void branches(const Node& n) {
    const size_t mark = consumed_.size();
    region(n.regions[0], Kind::branch);
    std::vector<Value> first(consumed_.begin() + mark, consumed_.end());
    std::erase_if(first, [&](Value v) { return value_[v] == hidden; });
    for (Value v : first) value_[v] = visible;
    consumed_.resize(mark);
    node_ = &n;
    region(n.regions[1], Kind::branch);
    node_ = &n;
    if (!error_.empty()) return;
    std::vector<Value> second(consumed_.begin() + mark, consumed_.end());
    std::erase_if(second, [&](Value v) { return value_[v] == hidden; });
    std::sort(first.begin(), first.end());
    std::sort(second.begin(), second.end());
    if (first != second) wrong("the branches use up different tapes");
  }

  void node(const Node& n) {
    node_ = &n;
    const bool point = in_point();
    if (point) point_node(n);
    if (n.op == Op::read && !point) wrong("only map and scatter read");
    for (size_t i = 0; i < n.operands.size(); ++i) {
      use(n.operands[i]);
      if (!error_.empty()) return;
      if (point && !fn_.types[n.operands[i]].scalar() && !(n.op == Op::read && i == 0))
        return wrong("only scalars inside map and scatter");
    }
    attribute(n);
    if (!error_.empty()) return;
    if (n.op == Op::if_ && n.regions.size() == 2) {
      branches(n);
    } else {
      for (size_t i = 0; i < n.regions.size(); ++i) {
        const bool pointwise = n.op == Op::map || n.op == Op::scatter;
        const bool condition = n.op == Op::while_ && i == 0;
        region(n.regions[i], pointwise ? Kind::point : condition ? Kind::condition : Kind::loop);
        node_ = &n;
      }
    }
    if (!error_.empty()) return;
    const Inferred inferred = infer(module_, fn_, n);
    if (!inferred.error.empty()) return wrong(inferred.error);
    if (inferred.types.size() != n.results.size()) return wrong("a wrong number of results");
    for (size_t i = 0; i < n.results.size(); ++i) {
      define(n.results[i]);
      if (!error_.empty()) return;
      if (fn_.types[n.results[i]] != inferred.types[i]) return wrong("a result has another type");
      if (point && !fn_.types[n.results[i]].scalar())
        return wrong("only scalars inside map and scatter");
    }
  }

  void point_node(const Node& n) {
    const bool allowed = is_scalar(n.op) || n.op == Op::constant || n.op == Op::read ||
                         n.op == Op::size || n.op == Op::if_ || n.op == Op::stop_gradient;
    if (!allowed) wrong("not allowed inside map and scatter");
  }

  void attribute(const Node& n) {
    struct {
      Verifier& v;
      void operator()(const std::monostate&) {}
      void operator()(const ConstantAttr& a) {
        if (!a.literal || a.literal->dtype != DType::boolean) return;
        for (char c : a.literal->bytes)
          if (c != 0 && c != 1) v.wrong("a bool is 0 or 1");
      }
      void operator()(const IotaAttr& a) { v.sizes(a.shape); }
      void operator()(const DimAttr& a) { v.size(a.dim); }
      void operator()(const ShapeAttr& a) { v.sizes(a.shape); }
      void operator()(const BroadcastAttr& a) { v.sizes(a.shape); }
      void operator()(const AxesAttr&) {}
      void operator()(const SliceAttr& a) { v.sizes(a.shape); }
      void operator()(const AxisAttr&) {}
      void operator()(const ReduceAttr&) {}
      void operator()(const ArgReduceAttr&) {}
      void operator()(const ScanAttr&) {}
      void operator()(const ContractAttr& a) {
        if (!a.spec) return;
        v.sizes(a.spec->range);
        for (const Affine& x : a.spec->a) v.size(x.offset);
        for (const Affine& x : a.spec->b) v.size(x.offset);
      }
      void operator()(const MapAttr& a) {
        v.sizes(a.out);
        v.sizes(a.red);
      }
      void operator()(const ScatterAttr& a) { v.sizes(a.dims); }
      void operator()(const ConvertAttr&) {}
      void operator()(const CallAttr& a) {
        v.sizes(a.dims);
        v.callee(a.fn);
        if (!v.error_.empty()) return;
        const Function& f = v.module_.fn(a.fn);
        auto has = [](const std::vector<SymId>& list, SymId s) {
          return std::find(list.begin(), list.end(), s) != list.end();
        };
        std::vector<SymId> inner = f.sizes;
        for (const auto& [from, to] : a.fresh) {
          if (has(inner, from)) return v.wrong("a fresh size of the function is named twice");
          inner.push_back(from);
          v.bind(to);
        }
        for (Value r : f.body.results)
          for (DimId d : f.types[r].shape)
            for (SymId s : v.module_.dims.symbols(d))
              if (!has(inner, s)) v.wrong("size " + v.symbol(s) + " of a result has no name here");
      }
      void operator()(const DeriveAttr& a) {
        v.sizes(a.dims);
        v.callee(a.fn);
        if (v.error_.empty() && v.module_.fn(a.fn).effect) v.wrong("an effect has no derivative");
      }
      void operator()(const SlotAttr& a) {
        if (a.slot < 0) v.wrong("no such slot");
        v.sizes(a.type.shape);
      }
      void operator()(const BindAttr& a) { v.bind(a.symbol); }
      void operator()(const CheckAttr&) {}
      void operator()(const TextAttr&) {}
      void operator()(const HostAttr& a) {
        if (!v.fn_.effect) return v.wrong("an effect in a pure function");
        for (SymId s : a.binds) v.bind(s);
        for (const Type& t : a.results) v.sizes(t.shape);
      }
    } visitor{*this};
    std::visit(visitor, n.attr);
  }

  void callee(FnId id) {
    if (id >= module_.functions.size()) return wrong("no such function");
    if (module_.fn(id).effect && !fn_.effect) wrong("a pure function calls one with effects");
  }

  Module& module_;
  const Function& fn_;
  std::string error_;
  const Node* node_ = nullptr;
  std::vector<uint8_t> value_;   // State of each value
  std::vector<uint32_t> depth_;  // regions open at its definition
  std::vector<Value> defined_;   // in the open regions
  std::vector<Value> consumed_;  // tapes, in order
  std::vector<Kind> regions_;
  std::vector<char> bound_;
  std::vector<SymId> bindings_;  // in the open regions
  std::vector<uint32_t> known_;  // by DimId: the epoch in which it was found to be bound
  uint32_t epoch_ = 1;
};

}  // namespace

std::string verify(Module& module, const Function& fn) { return Verifier(module, fn).run(); }

void verify_after(std::string_view pass, Module& module, const Function& fn) {
  const std::string error = verify(module, fn);
  if (!error.empty()) bug("after " + std::string(pass) + ": " + error);
}

}  // namespace tenon::ir
