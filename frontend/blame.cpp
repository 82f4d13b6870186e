// See blame.h.
#include "frontend/blame.h"

#include <algorithm>
#include <string>

namespace tenon {

void blame(Diagnostic& d, const std::vector<Loc>& all_calls, const std::function<bool(Loc)>& library) {
  constexpr size_t kMost = 6;  // calls shown; of a recursion, the innermost ones and the first
  std::vector<Loc> calls;
  std::vector<size_t> times;
  for (const Loc& call : all_calls) {
    if (!call.known() || library(call)) continue;
    auto at = std::find(calls.begin(), calls.end(), call);
    if (at == calls.end()) {
      calls.push_back(call);
      times.push_back(1);
    } else {
      ++times[static_cast<size_t>(at - calls.begin())];
    }
  }
  if (d.where.known() && library(d.where) && !calls.empty()) {
    d.notes.insert(d.notes.begin(), {d.where, "it shows here, in the library"});
    d.where = calls[0];
    calls.erase(calls.begin());
    times.erase(times.begin());
  }
  auto around = [&](const Loc& call) {  // a call that holds the place is seen with it
    return call.file == d.where.file && call.begin <= d.where.begin && d.where.end <= call.end;
  };
  size_t left_out = calls.size() > kMost ? calls.size() - kMost : 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (left_out && i == kMost - 1) {
      d.notes.push_back({{}, "and through " + std::to_string(left_out) + " calls more"});
      i += left_out;
    }
    if (around(calls[i])) continue;
    d.notes.push_back({calls[i], "in this call" + (times[i] > 2 ? ", " + std::to_string(times[i]) + " times over" : "")});
  }
}

}  // namespace tenon
