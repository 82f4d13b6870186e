// cse (exact): a node equal to one that has run before, in this region or one around it, is
// replaced by it. Nodes with regions, tapes, bound sizes or effects are left alone; a node that may
// trap may be shared, since its equal has trapped already.

#include <string_view>

#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

// The bytes that two equal nodes share.
class Key {
 public:
  template <class T>
  void number(T v) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof(v));
  }
  template <class T>
  void list(const std::vector<T>& values) {
    number(values.size());
    for (const T& v : values) number(v);
  }
  void text(std::string_view s) {
    number(s.size());
    bytes_ += s;
  }
  void affine(const std::vector<Affine>& axes) {
    number(axes.size());
    for (const Affine& a : axes) {
      number(a.terms.size());
      for (const Affine::Term& t : a.terms) {
        number(t.index);
        number(t.coefficient);
      }
      number(a.offset);
    }
  }

  void operator()(const std::monostate&) {}
  void operator()(const ConstantAttr& a) {
    number(a.literal->dtype);
    list(a.literal->shape);
    text(a.literal->bytes);
  }
  void operator()(const IotaAttr& a) {
    number(a.dtype);
    list(a.shape);
    number(a.axis);
  }
  void operator()(const DimAttr& a) { number(a.dim); }
  void operator()(const ShapeAttr& a) { list(a.shape); }
  void operator()(const BroadcastAttr& a) {
    list(a.shape);
    list(a.axes);
  }
  void operator()(const AxesAttr& a) { list(a.axes); }
  void operator()(const SliceAttr& a) {
    list(a.shape);
    list(a.strides);
  }
  void operator()(const AxisAttr& a) { number(a.axis); }
  void operator()(const ReduceAttr& a) {
    number(a.kind);
    list(a.axes);
  }
  void operator()(const ArgReduceAttr& a) {
    number(a.kind);
    number(a.axis);
  }
  void operator()(const ScanAttr& a) {
    number(a.kind);
    number(a.axis);
    number(a.reverse);
  }
  void operator()(const ContractAttr& a) {
    list(a.spec->range);
    affine(a.spec->a);
    affine(a.spec->b);
    list(a.spec->out);
  }
  void operator()(const MapAttr&) {}      // nodes with regions are not shared
  void operator()(const ScatterAttr&) {}  // likewise
  void operator()(const ConvertAttr& a) { number(a.to); }
  void operator()(const CallAttr& a) {
    number(a.fn);
    list(a.dims);
  }
  void operator()(const DeriveAttr& a) {
    number(a.mode);
    number(a.fn);
    list(a.dims);
    list(a.wrt);
    list(a.seeds);
  }
  void operator()(const SlotAttr&) {}  // tapes are not shared
  void operator()(const BindAttr&) {}
  void operator()(const CheckAttr&) {}
  void operator()(const TextAttr&) {}
  void operator()(const HostAttr&) {}

  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Sharer {
 public:
  Sharer(Module& module, Function& fn) : fn_(fn), effects_(module) {}

  void region(Region& r) {
    std::vector<std::string> added;
    std::vector<Node> nodes;
    nodes.reserve(r.nodes.size());
    for (Node& n : r.nodes) {
      renames_.apply(n.operands);
      for (Region& inner : n.regions) region(inner);
      if (sharable(n)) {
        Key key;
        key.number(n.op);
        key.list(n.operands);
        std::visit(key, n.attr);
        const auto [at, fresh] = seen_.try_emplace(key.take(), n.results);
        if (!fresh) {
          for (size_t i = 0; i < n.results.size(); ++i) renames_.set(n.results[i], at->second[i]);
          continue;
        }
        added.push_back(at->first);
      }
      nodes.push_back(std::move(n));
    }
    r.nodes = std::move(nodes);
    renames_.apply(r.results);
    for (const std::string& key : added) seen_.erase(key);
  }

 private:
  bool sharable(const Node& n) {
    if (!n.regions.empty() || n.results.empty() || n.op == Op::host || effects_(n)) return false;
    if (const auto* call = std::get_if<CallAttr>(&n.attr); call && !call->fresh.empty())
      return false;
    for (Value v : n.operands)
      if (fn_.types[v].tape) return false;
    for (Value v : n.results)
      if (fn_.types[v].tape) return false;
    return true;
  }

  Function& fn_;
  Effects effects_;
  Renames renames_;
  std::unordered_map<std::string, std::vector<Value>> seen_;
};

}  // namespace

std::unique_ptr<Function> share_common(Module& module, const Function& fn) {
  auto out = std::make_unique<Function>(fn);
  Sharer(module, *out).region(out->body);
  compact(*out);
  return out;
}

}  // namespace tenon::ir
