// Collecting and telling a profile (profile.h).
#include "session/profile.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon {

namespace {

constexpr size_t kMostEvents = 500'000;  // of a trace: about 60 MB of JSON
constexpr size_t kMostRows = 30;

std::string name_of(const Step& step) {
  if (!step.node) return step.work.total() > 0 ? "elementwise" : "moves";
  switch (step.node->op) {
    case ir::Op::host: return step.node->get<ir::HostAttr>().name;
    case ir::Op::call: return "around kernels";
    case ir::Op::contract: return "product";
    default: return std::string(ir::name(step.node->op));
  }
}

std::string duration(double seconds) {
  char text[32];
  if (seconds < 1e-3) std::snprintf(text, sizeof text, "%.1f us", seconds * 1e6);
  else if (seconds < 1) std::snprintf(text, sizeof text, "%.1f ms", seconds * 1e3);
  else std::snprintf(text, sizeof text, "%.2f s", seconds);
  return text;
}

double since(Profiler::Clock::time_point a, Profiler::Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace

Profile::Profile(const SourceMap& sources, const Tier& tier)
    : sources_(sources), tier_(tier), start_(Clock::now()) {}

double Profile::compiled_seconds() const { return tier_.stats().compile_ms / 1e3; }

void Profile::add(const std::string& what, Loc where, double seconds, double flops) {
  const uint32_t line = where.known() ? sources_.line_column(where.file, where.begin).line : 0;
  Row& row = rows_[{where.file, line, what}];
  row.seconds += seconds;
  row.flops += flops;
  ++row.calls;
}

void Profile::event(const std::string& what, Loc where, Clock::time_point begin, double seconds) {
  if (events_.size() < kMostEvents) events_.push_back({what, where, since(start_, begin), seconds});
}

void Profile::before(const Step& step) {
  what_ = name_of(step);
  where_ = step.where;
  step_flops_ = step.work.total();
  inner_ = 0;
  compile_before_ = compiled_seconds();
  step_start_ = Clock::now();
}

void Profile::after() {
  const double all = since(step_start_, Clock::now());
  const double compiling = compiled_seconds() - compile_before_;
  if (compiling > 0) add("compiling", where_, compiling, 0);
  add(what_, where_, std::max(0.0, all - inner_ - compiling), step_flops_);
  event(what_, where_, step_start_, all);
}

void Profile::record(std::string_view what, Loc where, Clock::time_point begin, double flops) {
  const double seconds = since(begin, Clock::now());
  inner_ += seconds;
  add(std::string(what), where, seconds, flops);
  event(std::string(what), where, begin, seconds);
}

std::string Profile::report(Limits& limits) const {
  using Entry = std::pair<std::tuple<FileId, uint32_t, std::string>, Row>;
  std::vector<Entry> list(rows_.begin(), rows_.end());
  std::sort(list.begin(), list.end(),
            [](const Entry& a, const Entry& b) { return a.second.seconds > b.second.seconds; });
  const double all = since(start_, Clock::now());
  std::string out = "profile: " + duration(all) + " in all\n";
  char text[256];
  std::snprintf(text, sizeof text, "%10s %6s %9s %10s  %-15s %-22s %s\n", "time", "share", "calls",
                "per call", "what", "rate", "where");
  out += text;
  double rest = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto& [key, row] = list[i];
    const auto& [file, line, what] = key;
    if (i >= kMostRows || row.seconds < 0.0005 * all) {
      rest += row.seconds;
      continue;
    }
    std::string rate;
    if (row.flops > 0 && row.seconds > 0) {
      const double gflops = row.flops / row.seconds / 1e9;
      std::snprintf(text, sizeof text, "%.3g GFLOP/s (%.2g %%)", gflops,
                    100 * gflops / (limits.peak().f32 / 1e9));
      rate = text;
    }
    std::string place = "-";
    if (file != 0) {
      std::string name(sources_.name(file));
      place = name.substr(name.rfind('/') + 1) + ":" + std::to_string(line);
      if (place.find('>') != place.npos) place.erase(place.find('>'), 1);
      std::string source(sources_.line(file, line));
      source.erase(0, std::min(source.find_first_not_of(' '), source.size()));
      place += "  " + source.substr(0, 50);
    }
    std::snprintf(text, sizeof text, "%10s %5.1f%% %9llu %10s  %-15s %-22s ",
                  duration(row.seconds).c_str(), 100 * row.seconds / all,
                  static_cast<unsigned long long>(row.calls),
                  duration(row.seconds / static_cast<double>(row.calls)).c_str(), what.c_str(),
                  rate.c_str());
    out += text + place + "\n";
  }
  double known = 0;
  for (const Entry& e : list) known += e.second.seconds;
  std::snprintf(text, sizeof text, "%10s %5.1f%%  other lines\n%10s %5.1f%%  reading and checking "
                "the program, and the watching itself\n",
                duration(rest).c_str(), 100 * rest / all, duration(std::max(0.0, all - known)).c_str(),
                100 * std::max(0.0, all - known) / all);
  return out + text;
}

std::string Profile::trace() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Event& e : events_) {
    nlohmann::ordered_json one = {{"name", e.what},       {"ph", "X"}, {"ts", e.start * 1e6},
                                  {"dur", e.seconds * 1e6}, {"pid", 1},  {"tid", 1}};
    if (e.where.known())
      one["args"] = {{"place", std::string(sources_.name(e.where.file)) + ":" +
                                   std::to_string(sources_.line_column(e.where.file, e.where.begin).line)},
                     {"source", std::string(sources_.text(e.where)).substr(0, 200)}};
    list.push_back(std::move(one));
  }
  return nlohmann::ordered_json{{"traceEvents", std::move(list)}}.dump() + "\n";
}

}  // namespace tenon
