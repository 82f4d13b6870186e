// The lists of passes and the runner of the prefix (ir/passes.h).

#include <algorithm>

#include "ir/passes.h"
#include "ir/passes/differentiate.h"
#include "ir/passes/rewrite.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

constexpr Pass kPrefix[] = {
    {"canonicalise",
     "gives every reduction one of the two orders of accumulation, and makes elementwise operations "
     "of what says so in index notation",
     Pass::prefix, canonicalise},
    {"differentiate", "replaces derivatives by functions that compute them", Pass::prefix,
     differentiate},
    {"dce", "drops what nobody needs", Pass::prefix,
     [](Module& module, const Function& fn) { return drop_dead(module, fn); }},
};

constexpr Pass kExact[] = {
    {"inline", "replaces calls of small functions by their bodies", Pass::exact, inline_calls},
    {"pointwise", "makes elementwise operations of maps that are", Pass::exact, pointwise},
    {"simplify", "applies the rewrites that change no bit", Pass::exact, simplify},
    {"join", "writes the parts of a tensor in one", Pass::exact, join_updates},
    {"cse", "computes equal things once", Pass::exact, share_common},
    {"dce", "drops what nobody needs and cannot fail", Pass::exact, drop_dead_exact},
};

// Puts a pass's result where the function was: its address is known to others.
void replace(Module& module, FnId id, std::string_view pass, std::unique_ptr<Function> by) {
  verify_after(pass, module, *by);
  module.fn(id) = std::move(*by);
}

void callees(const Function& fn, std::vector<FnId>& out) {
  each_node(fn.body, [&](const Node& n) {
    if (const auto* a = std::get_if<CallAttr>(&n.attr)) out.push_back(a->fn);
    if (const auto* a = std::get_if<DeriveAttr>(&n.attr)) out.push_back(a->fn);
  });
  if (fn.vjp_rule) out.push_back(*fn.vjp_rule);
}

bool derives(const Function& fn) {
  bool found = false;
  each_node(fn.body, [&](const Node& n) { found |= n.op == Op::derive; });
  return found;
}

}  // namespace

std::span<const Pass> prefix_passes() { return kPrefix; }
std::span<const Pass> exact_passes() { return kExact; }

PrefixRunner::PrefixRunner(Module& module)
    : module_(module), effects_(std::make_shared<Effects>(module)) {}

// Three steps, since functions may call each other in a cycle: everything reachable is canonical
// before anything is differentiated; callees come before callers, so that what `derive` takes the
// derivative of has none left itself; and what differentiation writes is finished before it is
// differentiated in its turn.
void PrefixRunner::run(FnId fn) {
  std::vector<FnId> order;  // not done before; callees first
  std::vector<std::pair<FnId, std::vector<FnId>>> stack;
  auto enter = [&](FnId id) {
    if (done_.size() < module_.functions.size()) done_.resize(module_.functions.size(), 0);
    if (done_[id]) return;
    done_[id] = 1;
    verify_after("elaboration", module_, module_.fn(id));
    std::vector<FnId> next;
    callees(module_.fn(id), next);
    std::reverse(next.begin(), next.end());
    stack.emplace_back(id, std::move(next));
  };
  enter(fn);
  while (!stack.empty()) {
    if (stack.back().second.empty()) {
      order.push_back(stack.back().first);
      stack.pop_back();
    } else {
      const FnId next = stack.back().second.back();
      stack.back().second.pop_back();
      enter(next);
    }
  }
  auto canonical = [this](FnId id) {
    if (!ir::canonical(module_, module_.fn(id)))
      replace(module_, id, "canonicalise", canonicalise(module_, module_.fn(id)));
  };
  auto without_dead = [this](FnId id) {
    replace(module_, id, "dce", drop_dead(module_, module_.fn(id), *effects_));
  };
  size_t finished = 0;
  auto finish = [&](FnId id) {
    if (derives(module_.fn(id))) {
      const size_t before = module_.functions.size();
      replace(module_, id, "differentiate", differentiate(module_, module_.fn(id)));
      for (FnId made = FnId(before); made < module_.functions.size(); ++made) {
        verify_after("differentiate", module_, module_.fn(made));
        canonical(made);
        without_dead(made);
      }
      done_.resize(module_.functions.size(), 1);
    }
    without_dead(id);
  };
  try {
    for (FnId id : order) canonical(id);
    for (; finished < order.size(); ++finished) finish(order[finished]);
  } catch (...) {  // no derivative: what is left may be asked for again
    for (; finished < order.size(); ++finished) done_[order[finished]] = 0;
    throw;
  }
}

}  // namespace tenon::ir
