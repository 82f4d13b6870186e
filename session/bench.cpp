// `tenon bench`: the `bench` blocks of a file in turns, after the top level has run once, so that
// whatever else the machine does meanwhile meets all of them alike. The time of a run is taken over
// enough runs that the clock does not matter; what is told is the median and the best, what was
// computed and moved, and how much of the machine's measured limits that is.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "session/measure.h"

namespace tenon {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kWarmUp = 0.1, kSample = 0.01, kTotal = 1.0;  // seconds for each block
constexpr size_t kLeastSamples = 3, kMostSamples = 140;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Row {
  std::string title;
  Elaborator::Bench made;
  UnitCost cost;
  int64_t batch = 1;
  std::vector<double> times;  // of a run, in seconds
  double median = 0, best = 0;
  double gflops = 0, gbytes = 0, peak_share = 0, copy_share = 0;
};

std::string duration(double seconds) {
  char text[48];
  const double us = seconds * 1e6;
  if (us < 999.995) std::snprintf(text, sizeof text, "%.2f us", us);
  else if (us < 999995) std::snprintf(text, sizeof text, "%.2f ms", us / 1e3);
  else std::snprintf(text, sizeof text, "%.2f s", us / 1e6);
  return text;
}

std::string rate(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value);
  return value > 0 ? text : "-";
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %%", share >= 0.0995 ? 0 : 1, 100 * share);
  return share > 0 ? text : "-";
}

// Columns under their headings: the first to the left, the others to the right.
std::string table(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths;
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) {
      if (i >= widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], line[i].size());
    }
  std::string out;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string fill(widths[i] - line[i].size(), ' ');
      out += i == 0 ? line[i] + fill : "  " + fill + line[i];
    }
    out += "\n";
  }
  return out;
}

std::string as_table(const std::vector<Row>& rows, Limits& limits, int threads) {
  std::vector<std::vector<std::string>> lines{
      {"", "median", "best", "flop", "bytes", "GFLOP/s", "of peak", "GB/s", "of a copy"}};
  for (const Row& r : rows)
    lines.push_back({r.title, duration(r.median), duration(r.best), with_prefix(r.cost.work.total()),
                     with_prefix(r.cost.bytes), rate(r.gflops), percent(r.peak_share),
                     rate(r.gbytes), percent(r.copy_share)});
  char peak[160];
  std::snprintf(peak, sizeof peak,
                "Peak of this machine, %d %s: %.0f GFLOP/s in f32, %.0f in f64; rates are those of "
                "the median.\n",
                threads, threads == 1 ? "thread" : "threads", limits.peak().f32 / 1e9,
                limits.peak().f64 / 1e9);
  return table(lines) + peak;
}

std::string as_json(const std::vector<Row>& rows, Limits& limits, int threads) {
  auto rounded = [](double value, double step) { return std::round(value / step) * step; };
  nlohmann::ordered_json out;
  out["rows"] = nlohmann::ordered_json::array();
  for (const Row& r : rows)
    out["rows"].push_back({{"name", r.title},
                           {"median_us", rounded(r.median * 1e6, 1e-3)},
                           {"best_us", rounded(r.best * 1e6, 1e-3)},
                           {"flops", r.cost.work.total()},
                           {"bytes", r.cost.bytes},
                           {"gflops", r.gflops},
                           {"gbytes", r.gbytes},
                           {"peak_share", r.peak_share},
                           {"copy_share", r.copy_share}});
  out["threads"] = threads;
  out["peak_gflops"] = {{"f32", limits.peak().f32 / 1e9}, {"f64", limits.peak().f64 / 1e9}};
  return out.dump(2) + "\n";
}

// Times alone, as they are on other devices than the CPU.
std::string times_of(const std::vector<Row>& rows, const std::string& device, bool json) {
  nlohmann::ordered_json out;
  out["rows"] = nlohmann::ordered_json::array();
  out["device"] = device;
  std::vector<std::vector<std::string>> lines{{"on " + device, "median", "best"}};
  for (const Row& r : rows) {
    lines.push_back({r.title, duration(r.median), duration(r.best)});
    out["rows"].push_back({{"name", r.title}, {"median_us", r.median * 1e6}, {"best_us", r.best * 1e6}});
  }
  return json ? out.dump(2) + "\n" : table(lines);
}

void start(Session::Impl& s, const Unit& unit) {
  std::vector<Tensor> values = s.run(unit.fn, {}, {}, unit.inputs);
  for (size_t i = 0; i < values.size(); ++i) {
    if (unit.outputs[i] >= s.kept.size()) s.kept.resize(unit.outputs[i] + 1);
    s.kept[unit.outputs[i]] = std::move(values[i]);
  }
}

// What the block goes on from belongs to the run alone, so that it may be changed in place.
void run_once(Session::Impl& s, const Elaborator::Bench& bench) {
  std::vector<Tensor> arguments = s.arguments_of(bench.unit.fn, {}, bench.unit.inputs);
  for (const auto& [kept, result] : bench.carried) s.kept[kept] = {};
  std::vector<Tensor> results = s.run(bench.unit.fn, {}, std::move(arguments), {});
  for (const auto& [kept, result] : bench.carried) s.kept[kept] = std::move(results[result]);
}

}  // namespace

Diagnostics Session::bench_file(const std::string& path, const BenchOptions& options) {
  Impl& s = *impl_;
  s.interrupted = false;
  ParseResult parsed = s.parse_file(path);
  if (!parsed.module) return parsed.errors;
  Elaborator::Options how;
  how.check_all = false;
  Unit top;
  Diagnostics out = guarded([&] { top = s.elaborator.unit(parsed.module, how); });
  for (Diagnostic& d : top.messages)
    if (!d.warning) out.push_back(std::move(d));
  if (!out.empty()) return out;

  const std::string& filter = options.filter;
  auto has = [&](const UnitTest& b) { return b.title.find(filter) != std::string::npos; };
  const bool named = std::any_of(top.benches.begin(), top.benches.end(), [&](const UnitTest& b) { return b.title == filter; });
  if (!filter.empty() && std::none_of(top.benches.begin(), top.benches.end(), has))
    return no_title("bench", path, filter, top.benches);

  std::string printed;
  s.host.keep_in(&printed);
  out = s.run_unit(top);
  std::vector<Row> rows;
  for (const UnitTest& bench : top.benches) {
    if (!out.empty()) break;
    if (named ? bench.title != filter : !has(bench)) continue;
    Row row;
    row.title = bench.title;
    out = guarded([&] { row.made = s.elaborator.bench(*bench.stmt); });
    for (const Unit* unit : {&row.made.start, &row.made.unit})
      for (const Diagnostic& d : unit->messages)
        if (!d.warning) out.push_back(d);
    if (out.empty()) out = guarded([&] { start(s, row.made.start); });
    rows.push_back(std::move(row));
  }
  if (!out.empty() || rows.empty()) {
    s.host.keep_in(nullptr);
    if (out.empty() && options.json) s.host.print("{\n  \"rows\": []\n}\n");
    else if (out.empty()) s.host.print(path + ": there is no `bench` block\n");
    return out;
  }

  // What a run computes and moves is counted, and compared with what the machine can, for the CPU alone: the
  // counting runs it there, which takes minutes where a GPU takes milliseconds.
  const bool counted = s.options.device == "cpu" && !options.times;
  Limits limits(s.threads);
  out = guarded([&] {
    auto once = [&](const Row& row) {
      run_once(s, row.made);
      printed.clear();
    };
    // Long enough for the compiler to be done and the caches to be warm.
    for (Row& row : rows) {
      if (counted) row.cost = count_cost(s, row.made.unit);
      int64_t runs = 0;
      const auto start = Clock::now();
      do {
        once(row);
        s.tier.wait();  // a GPU is far behind else
        ++runs;
      } while (runs < 3 || seconds_since(start) < kWarmUp);
      const double each = seconds_since(start) / static_cast<double>(runs);
      row.batch = std::max<int64_t>(1, static_cast<int64_t>(kSample / each));
    }
    const auto begin = Clock::now();
    const double total = kTotal * static_cast<double>(rows.size());
    for (size_t round = 0; round < kMostSamples; ++round) {
      if (round >= kLeastSamples && seconds_since(begin) > total) break;
      for (Row& row : rows) {
        const auto start = Clock::now();
        for (int64_t i = 0; i < row.batch; ++i) once(row);
        s.tier.wait();
        row.times.push_back(seconds_since(start) / static_cast<double>(row.batch));
      }
    }
    for (Row& row : rows) {
      std::sort(row.times.begin(), row.times.end());
      row.median = row.times[row.times.size() / 2];
      row.best = row.times[0];
      if (!counted) continue;
      row.gflops = row.cost.work.total() / row.median / 1e9;
      row.gbytes = row.cost.bytes / row.median / 1e9;
      row.peak_share = limits.least_seconds(row.cost.work) / row.median;
      row.copy_share = row.cost.bytes / limits.copy_rate(row.cost.bytes) / row.median;
    }
  });
  s.host.keep_in(nullptr);
  if (!out.empty()) return out;
  const int threads = s.threads.count();
  if (counted) s.host.print(options.json ? as_json(rows, limits, threads) : as_table(rows, limits, threads));
  else s.host.print(times_of(rows, s.options.device, options.json));
  return {};
}

}  // namespace tenon
