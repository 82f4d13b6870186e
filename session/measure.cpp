// Counting and measuring (measure.h).
#include "session/measure.h"

#include <cmath>
#include <cstdio>
#include <set>

#include "ir/passes.h"
#include "ir/passes/rewrite.h"

namespace tenon {

namespace {

// Copies functions, with all that they call, behind the exact passes: what graph mode compiles.
class Optimised {
 public:
  explicit Optimised(ir::Module& module) : module_(module) {}

  ir::FnId of(ir::FnId id) {
    if (auto at = made_.find(id); at != made_.end()) return at->second;
    auto copy = std::make_unique<ir::Function>(module_.fn(id));
    if (!copy->effect)
      for (const ir::Pass& pass : ir::exact_passes()) copy = pass.run(module_, *copy);
    const ir::FnId made = module_.add(std::move(copy));
    made_[id] = made;  // before its calls: functions may call themselves
    redirect(module_.fn(made).body);
    return made;
  }

 private:
  void redirect(ir::Region& region) {
    for (ir::Node& n : region.nodes) {
      if (auto* call = std::get_if<ir::CallAttr>(&n.attr)) call->fn = of(call->fn);
      for (ir::Region& inner : n.regions) redirect(inner);
    }
  }

  ir::Module& module_;
  std::map<ir::FnId, ir::FnId> made_;
};

class Counter : public StepWatcher {
 public:
  void before(const Step& step) override { work += step.work; }
  void after() override {}
  ir::Work work;
};

double bytes_of(const std::vector<Tensor>& list) {
  std::set<const void*> seen;  // what several names share is moved once
  double bytes = 0;
  for (const Tensor& t : list)
    if (seen.insert(t.raw()).second)
      bytes += static_cast<double>(t.count()) * static_cast<double>(size_of(t.dtype));
  return bytes;
}

}  // namespace

UnitCost count_cost(Session::Impl& s, const Unit& unit) {
  UnitCost cost;
  SpanCutter cutter(s.module);
  const ir::FnId fn = Optimised(s.module).of(cutter.cut(unit.fn));
  Counter counter;
  Interpreter interpreter(s.module);
  interpreter.watch(&counter);
  RunContext context = s.context();
  std::vector<Tensor> arguments = s.arguments_of(unit.fn, {}, unit.inputs);
  cost.bytes = bytes_of(arguments);
  cost.bytes += bytes_of(interpreter.run(fn, {}, std::move(arguments), context));
  cost.work = counter.work;
  return cost;
}

const kernels::PeakRate& Limits::peak() {
  if (!peak_) peak_ = kernels::measure_peak(threads_);
  return *peak_;
}

double Limits::copy_rate(double bytes) {
  const auto size = static_cast<int64_t>(std::exp2(std::ceil(std::log2(std::max(1.0, bytes)))));
  auto [at, fresh] = copies_.try_emplace(size, 0.0);
  if (fresh) at->second = kernels::measure_copy(size, threads_);
  return at->second;
}

std::string with_prefix(double value) {
  static constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < std::size(kPrefixes)) value /= 1000, ++prefix;
  char text[32];
  const int digits = prefix == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f %s", digits, value, kPrefixes[prefix]);
  return text;
}

}  // namespace tenon
