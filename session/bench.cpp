// `tenon bench`: each `bench` block many times, after the top level has run once. The time of one run
// is taken over enough runs that the clock does not matter; what is told is the median and the best.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "session/impl.h"

namespace tenon {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kWarmUp = 0.1, kSample = 0.01, kTotal = 1.0;  // seconds
constexpr int kSamples = 7;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string duration(double us) {
  char text[48];
  if (us < 1000) std::snprintf(text, sizeof text, "%.2f us", us);
  else if (us < 1e6) std::snprintf(text, sizeof text, "%.2f ms", us / 1e3);
  else std::snprintf(text, sizeof text, "%.2f s", us / 1e6);
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 32) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", c);
      out += code;
      continue;
    }
    out += c;
  }
  return out + "\"";
}

}  // namespace

Diagnostics Session::bench_file(const std::string& path, bool json) {
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
  std::string printed;
  s.host.keep_in(&printed);
  out = s.run_unit(top);
  std::string rows;
  for (const UnitTest& bench : top.benches) {
    if (!out.empty()) break;
    Unit unit;
    out = guarded([&] { unit = s.elaborator.test(*bench.stmt); });
    for (Diagnostic& d : unit.messages)
      if (!d.warning) out.push_back(std::move(d));
    if (!out.empty()) break;
    std::vector<double> times;
    out = guarded([&] {
      auto once = [&] {
        s.run(unit.fn, {}, {}, unit.inputs);
        printed.clear();
      };
      // Long enough for the compiler to be done and the caches to be warm.
      int64_t runs = 0;
      const auto start = Clock::now();
      do once(), ++runs;
      while (runs < 3 || seconds_since(start) < kWarmUp);
      const double each = seconds_since(start) / static_cast<double>(runs);
      const auto batch = std::max<int64_t>(1, static_cast<int64_t>(kSample / each));
      const auto begin = Clock::now();
      while (times.size() < 3 || (times.size() < kSamples * 20 && seconds_since(begin) < kTotal)) {
        const auto t = Clock::now();
        for (int64_t i = 0; i < batch; ++i) once();
        times.push_back(seconds_since(t) / static_cast<double>(batch) * 1e6);
      }
    });
    if (!out.empty()) break;
    std::sort(times.begin(), times.end());
    const double median = times[times.size() / 2], best = times[0];
    if (json) {
      char numbers[96];
      std::snprintf(numbers, sizeof numbers, ", \"median_us\": %.3f, \"best_us\": %.3f}", median, best);
      rows += (rows.empty() ? "\n  {\"name\": " : ",\n  {\"name\": ") + quoted(bench.title) + numbers;
    } else {
      s.host.keep_in(nullptr);
      s.host.print(bench.title + ": median " + duration(median) + ", best " + duration(best) + "\n");
      s.host.keep_in(&printed);
    }
  }
  s.host.keep_in(nullptr);
  if (json && out.empty()) s.host.print("{\"rows\": [" + rows + "\n]}\n");
  return out;
}

}  // namespace tenon
