// `tenon run --profile`: where the time of a run went, by line of the source and kernel, with its
// rate against the machine's peak; and the same as a trace for Perfetto or chrome://tracing.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "session/measure.h"

namespace tenon {

// Sees the steps of the interpreter and, inside of them, the kernels of compiled code. What a step
// takes beside its kernels and beside the compiler is its own.
class Profile : public StepWatcher, public Profiler {
 public:
  Profile(const SourceMap& sources, const Tier& tier);

  void before(const Step& step) override;
  void after() override;
  void record(std::string_view what, Loc where, Clock::time_point begin, double flops) override;

  std::string report(Limits& limits) const;
  std::string trace() const;  // JSON

 private:
  struct Row {
    double seconds = 0, flops = 0;
    uint64_t calls = 0;
  };
  struct Event {
    std::string what;
    Loc where;
    double start, seconds;
  };
  void add(const std::string& what, Loc where, double seconds, double flops);
  void event(const std::string& what, Loc where, Clock::time_point begin, double seconds);
  double compiled_seconds() const;

  const SourceMap& sources_;
  const Tier& tier_;
  Clock::time_point start_;
  std::map<std::tuple<FileId, uint32_t, std::string>, Row> rows_;  // by line and what
  std::vector<Event> events_;
  std::string what_;  // of the step at hand
  Loc where_;
  Clock::time_point step_start_;
  double inner_ = 0, step_flops_ = 0, compile_before_ = 0;
};

}  // namespace tenon
