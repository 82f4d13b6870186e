// simplify (exact): the closed list of rewrites that change no bit of any result (law 1). What is
// not on it is not allowed, however tempting: x + 0.0, x * 0.0, x - x, 1 / c, any other order of
// sums.
//
//   numbers   x * 1, x / 1, x - (+0.0) and -(-x) are x; for integers x + 0, too
//             x / 2^k is x * 2^-k where 2^-k is a number of the dtype
//             an operation on constants is the constant its scalar program gives
//   truth     select of a constant or of two equal values; not(not x); x and true, x or false
//   views     two transposes, reshapes or broadcasts in a row are one; one that changes nothing is
//             none; a transpose before a contraction is a change of its index expressions, and one
//             behind it, where nobody else uses the contraction, of the order of its result's axes; an
//             operation on repeated scalars is the repeated scalar; a slice or update of everything
//   control   `if` on a constant is its branch; a `for` over nothing is none; check(true) is
//   nothing marks     stop_gradient is its operand (after differentiation it has no meaning)

#include <algorithm>
#include <cmath>
#include <utility>

#include "ir/eval_const.h"
#include "ir/literal.h"
#include "ir/passes/rewrite.h"

namespace tenon::ir {
namespace {

class Simplifier {
 public:
  Simplifier(Module& module, Function& fn) : dims_(module.dims), fn_(fn) {
    uses_.resize(fn.types.size());
    count(fn.body);
  }

  void region(Region& r) {
    const int outer = std::exchange(region_, ++regions_);
    std::vector<Node> nodes;
    nodes.reserve(r.nodes.size());
    block(r.nodes, nodes);
    r.nodes = std::move(nodes);
    renames_.apply(r.results);
    region_ = outer;
  }

 private:
  using Out = std::vector<Node>;

  void count(const Region& r) {
    for (const Node& n : r.nodes) {
      for (Value v : n.operands) ++uses_[v];
      for (const Region& inner : n.regions) count(inner);
    }
    for (Value v : r.results) ++uses_[v];
  }

  void block(std::vector<Node>& from, Out& out) {
    for (Node& n : from) {
      renames_.apply(n.operands);
      if (branch(n, out)) continue;
      for (Region& inner : n.regions) region(inner);
      put(std::move(n), out);
    }
  }

  // Puts a node, or what it is equal to.
  void put(Node n, Out& out) {
    if (n.op == Op::check) {
      const auto c = scalar_of(n.operands[0]);
      if (c && constant(*c) && integer_at(*constant(*c), 0) == 1) return;
    }
    if (n.op == Op::for_) {
      const Literal *lo = constant(n.operands[0]), *hi = constant(n.operands[1]);
      if (lo && hi && integer_at(*lo, 0) >= integer_at(*hi, 0)) {
        for (size_t i = 0; i < n.results.size(); ++i) renames_.set(n.results[i], n.operands[i + 2]);
        return;
      }
    }
    if (n.results.size() == 1 && n.regions.empty()) {
      if (const auto v = same_as(n)) {
        renames_.set(n.results[0], *v);
        return;
      }
      if (becomes(n, out)) {
        put(std::move(n), out);  // perhaps more
        return;
      }
      remember(n);
    }
    out.push_back(std::move(n));
  }

  // An `if` whose condition is known.
  bool branch(Node& n, Out& out) {
    if (n.op != Op::if_) return false;
    const Literal* c = constant(n.operands[0]);
    if (!c) return false;
    Region taken = std::move(n.regions[integer_at(*c, 0) ? 0 : 1]);
    block(taken.nodes, out);
    renames_.apply(taken.results);
    for (size_t i = 0; i < n.results.size(); ++i) renames_.set(n.results[i], taken.results[i]);
    return true;
  }

  // ---- what is known of values
  struct Def {
    Op op;
    std::vector<Value> operands;
    Attr attr;
    int region;
  };
  void remember(const Node& n) {
    static constexpr Op kAskedFor[] = {Op::constant, Op::broadcast, Op::transpose, Op::reshape,
                                       Op::neg,      Op::not_,      Op::contract};
    if (std::find(std::begin(kAskedFor), std::end(kAskedFor), n.op) != std::end(kAskedFor))
      defs_[n.results[0]] = {n.op, n.operands, n.attr, region_};
  }
  const Def* def(Value v, Op op) const {
    const auto at = defs_.find(v);
    return at != defs_.end() && at->second.op == op ? &at->second : nullptr;
  }
  const Literal* constant(Value v) const {  // a rank-0 constant
    const Def* d = def(v, Op::constant);
    if (!d) return nullptr;
    const Literal* l = std::get<ConstantAttr>(d->attr).literal.get();
    return l->shape.empty() ? l : nullptr;
  }
  // The scalar that a tensor repeats.
  std::optional<Value> scalar_of(Value v) const {
    if (fn_.types[v].scalar()) return v;
    const Def* d = def(v, Op::broadcast);
    if (d && fn_.types[d->operands[0]].scalar()) return d->operands[0];
    return {};
  }
  const Literal* splat(Value v) const {
    const auto s = scalar_of(v);
    return s ? constant(*s) : nullptr;
  }
  bool is_number(Value v, double number) const {
    const Literal* l = splat(v);
    if (!l || l->dtype == DType::boolean) return false;
    const double x = number_at(*l, 0);
    return x == number && std::signbit(x) == std::signbit(number);
  }
  bool is_bool(Value v, bool b) const {
    const Literal* l = splat(v);
    return l && l->dtype == DType::boolean && (integer_at(*l, 0) != 0) == b;
  }

  // ---- equal to a value that is there already
  std::optional<Value> same_as(const Node& n) const {
    if (auto v = same_number(n)) return v;
    if (auto v = same_truth(n)) return v;
    return same_view(n);
  }

  std::optional<Value> same_number(const Node& n) const {
    if (n.op == Op::neg) {
      if (const Def* d = def(n.operands[0], Op::neg)) return d->operands[0];
      return {};
    }
    if (n.operands.size() != 2) return {};
    const Value a = n.operands[0], b = n.operands[1];
    if (n.op == Op::mul && is_number(b, 1)) return a;
    if (n.op == Op::mul && is_number(a, 1)) return b;
    if (n.op == Op::div && is_number(b, 1)) return a;
    if (n.op == Op::sub && is_number(b, 0)) return a;
    const bool whole = !is_float(fn_.types[n.results[0]].dtype);  // -0.0 + 0.0 is +0.0
    if (n.op == Op::add && whole && is_number(b, 0)) return a;
    if (n.op == Op::add && whole && is_number(a, 0)) return b;
    return {};
  }

  std::optional<Value> same_truth(const Node& n) const {
    if (n.op == Op::not_) {
      if (const Def* d = def(n.operands[0], Op::not_)) return d->operands[0];
    } else if (n.op == Op::and_ || n.op == Op::or_) {
      const bool neutral = n.op == Op::and_;
      if (is_bool(n.operands[1], neutral)) return n.operands[0];
      if (is_bool(n.operands[0], neutral)) return n.operands[1];
    } else if (n.op == Op::select) {
      if (n.operands[1] == n.operands[2] || is_bool(n.operands[0], true)) return n.operands[1];
      if (is_bool(n.operands[0], false)) return n.operands[2];
    }
    return {};
  }

  std::optional<Value> same_view(const Node& n) const {
    if (n.operands.empty()) return {};
    const Value x = n.operands[0];
    bool same = n.op == Op::stop_gradient || (n.op == Op::concat && n.operands.size() == 1);
    if (n.op == Op::convert || n.op == Op::broadcast || n.op == Op::reshape ||
        n.op == Op::retype)
      same = fn_.types[x] == fn_.types[n.results[0]];  // a broadcast of equal shape moves no axis
    if (n.op == Op::transpose)
      same = std::is_sorted(n.get<AxesAttr>().axes.begin(), n.get<AxesAttr>().axes.end());
    if (n.op == Op::slice) same = everything(n, 1);
    if (n.op == Op::update && everything(n, 2)) return n.operands[1];
    return same ? std::optional(x) : std::nullopt;
  }
  bool everything(const Node& n, size_t first_start) const {
    const auto& a = n.get<SliceAttr>();
    if (a.shape != fn_.types[n.operands[0]].shape) return false;
    for (size_t i = 0; i < a.shape.size(); ++i)
      if (a.strides[i] != 1 || !is_number(n.operands[first_start + i], 0)) return false;
    return true;
  }

  // ---- equal to another node: n is changed; nodes before it go to `out`
  bool becomes(Node& n, Out& out) {
    if (is_scalar(n.op)) return fold(n) || by_power_of_two(n, out) || repeated(n, out);
    if (n.op == Op::size) {
      const auto v = dims_.value(n.get<DimAttr>().dim);
      if (v) to_constant(n, integer_literal(DType::i64, *v));
      return v.has_value();
    }
    if (n.op == Op::transpose) return transpose(n);
    if (n.op == Op::reshape) return reshape(n);
    if (n.op == Op::broadcast) return broadcast(n);
    return n.op == Op::contract && contract(n);
  }

  static void to_constant(Node& n, Literal l) {
    n.op = Op::constant;
    n.operands.clear();
    n.attr = ConstantAttr{std::make_shared<const Literal>(std::move(l))};
  }

  bool fold(Node& n) {
    std::vector<Literal> operands;
    for (Value v : n.operands) {
      const Literal* l = constant(v);
      if (!l) return false;
      operands.push_back(*l);
    }
    auto folded = eval_const(n.op, operands, fn_.types[n.results[0]].dtype);
    if (!folded) return false;
    to_constant(n, std::move(*folded));
    return true;
  }

  Value emit(Op op, std::vector<Value> operands, Attr attr, Type type, Loc loc, Out& out) {
    const Value v = fn_.new_value(std::move(type));
    put({op, std::move(operands), {v}, std::move(attr), {}, loc}, out);
    return renames_(v);
  }

  bool by_power_of_two(Node& n, Out& out) {
    const Type type = fn_.types[n.results[0]];
    if (n.op != Op::div || !is_float(type.dtype)) return false;
    const Literal* l = splat(n.operands[1]);
    if (!l) return false;
    int exponent = 0;
    const double divisor = number_at(*l, 0);
    if (!std::isfinite(divisor) || std::fabs(std::frexp(divisor, &exponent)) != 0.5) return false;
    Literal inverse = number_literal(type.dtype, 1 / divisor);
    if (number_at(inverse, 0) != 1 / divisor) return false;
    Value by =
        emit(Op::constant, {}, ConstantAttr{std::make_shared<const Literal>(std::move(inverse))},
             scalar_type(type.dtype), n.loc, out);
    if (!type.scalar())
      by = emit(Op::broadcast, {by}, BroadcastAttr{type.shape, {}}, type, n.loc, out);
    n.op = Op::mul;
    n.operands[1] = by;
    return true;
  }

  // Not where it may trap: over no elements it would not have.
  bool repeated(Node& n, Out& out) {
    const Type type = fn_.types[n.results[0]];
    if (type.scalar()) return false;
    if ((n.op == Op::div || n.op == Op::rem) && !is_float(type.dtype)) return false;
    std::vector<Value> scalars;
    for (Value v : n.operands) {
      const auto s = scalar_of(v);
      if (!s) return false;
      scalars.push_back(*s);
    }
    const Value one = emit(n.op, std::move(scalars), n.attr, scalar_type(type.dtype), n.loc, out);
    n.op = Op::broadcast;
    n.operands = {one};
    n.attr = BroadcastAttr{type.shape, {}};
    return true;
  }

  bool to_repeated(Node& n) {  // a view of a repeated scalar
    const Type& x = fn_.types[n.operands[0]];
    const auto s = scalar_of(n.operands[0]);
    if (!s || x.scalar()) return false;
    n.op = Op::broadcast;
    n.operands = {*s};
    n.attr = BroadcastAttr{fn_.types[n.results[0]].shape, {}};
    return true;
  }

  bool transpose(Node& n) {
    if (to_repeated(n)) return true;
    if (const Def* c = def(n.operands[0], Op::contract);
        c && c->region == region_ && uses_[n.operands[0]] == 1) {
      auto spec = std::make_shared<ContractSpec>(*std::get<ContractAttr>(c->attr).spec);
      const std::vector<uint8_t> before = spec->out;
      const auto& axes = n.get<AxesAttr>().axes;
      for (size_t i = 0; i < axes.size(); ++i) spec->out[i] = before[static_cast<size_t>(axes[i])];
      n.op = Op::contract;
      n.operands = c->operands;
      n.attr = ContractAttr{std::move(spec)};
      return true;
    }
    const Def* d = def(n.operands[0], Op::transpose);
    if (!d) return false;
    AxesAttr a = n.get<AxesAttr>();
    for (int& axis : a.axes) axis = std::get<AxesAttr>(d->attr).axes[axis];
    n.operands = d->operands;
    n.attr = std::move(a);
    return true;
  }

  bool reshape(Node& n) {
    if (to_repeated(n)) return true;
    const Def* d = def(n.operands[0], Op::reshape);
    if (!d) return false;
    n.operands = d->operands;
    return true;
  }

  bool broadcast(Node& n) {
    const Def* d = def(n.operands[0], Op::broadcast);
    if (!d) return false;
    BroadcastAttr a = n.get<BroadcastAttr>();
    std::vector<int> axes = std::get<BroadcastAttr>(d->attr).axes;
    for (int& axis : axes) axis = a.axes[axis];
    a.axes = std::move(axes);
    n.operands = d->operands;
    n.attr = std::move(a);
    return true;
  }

  bool contract(Node& n) {
    bool changed = false;
    for (size_t side = 0; side < 2; ++side) {
      const Def* d = def(n.operands[side], Op::transpose);
      if (!d) continue;
      const auto& axes = std::get<AxesAttr>(d->attr).axes;
      auto spec = std::make_shared<ContractSpec>(*n.get<ContractAttr>().spec);
      std::vector<Affine>& reads = side == 0 ? spec->a : spec->b;
      const std::vector<Affine> before = reads;
      for (size_t i = 0; i < axes.size(); ++i) reads[axes[i]] = before[i];
      n.operands[side] = d->operands[0];
      n.attr = ContractAttr{std::move(spec)};
      changed = true;
    }
    return changed;
  }

  Dims& dims_;
  Function& fn_;
  Renames renames_;
  std::unordered_map<Value, Def> defs_;
  std::vector<int> uses_;           // before anything was changed
  int region_ = 0, regions_ = 0;    // the region at hand: a contraction is not moved into a loop
};

}  // namespace

std::unique_ptr<Function> simplify(Module& module, const Function& fn) {
  auto out = std::make_unique<Function>(fn);
  Simplifier(module, *out).region(out->body);
  compact(*out);
  return out;
}

}  // namespace tenon::ir
