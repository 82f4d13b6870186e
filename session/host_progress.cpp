// What training reports: kept as its history, and shown as one line an epoch.
#include <cstdio>
#include <unistd.h>

#include "runtime/format.h"
#include "session/host.h"

namespace tenon {

namespace {

constexpr auto kPause = std::chrono::milliseconds(100);  // a line that is written over changes no faster

std::string line_of(const ProgressRow& row, int64_t epochs, int64_t steps) {
  std::string out = "epoch " + std::to_string(row.epoch + 1) + "/" + std::to_string(epochs) + "  step " +
                    std::to_string(row.step) + "/" + std::to_string(steps);
  for (const auto& [name, value] : row.values)
    out += "  " + name + " " + format(Tensor::scalar(DType::f64, value), ".4g");
  return out;
}

}  // namespace

void SessionHost::progress(const ProgressRow& row, int64_t epochs, int64_t steps) {
  // Several reports of one epoch: the last one stands.
  const bool same_epoch = !history_.empty() && history_.back().epoch == row.epoch && row.step > history_.back().step;
  if (same_epoch) history_.back() = row;
  else history_.push_back(row);
  if (!show_progress_ || kept_) return;
  const bool last = row.step >= steps;
  if (!::isatty(STDERR_FILENO)) {
    std::fprintf(stderr, "%s\n", line_of(row, epochs, steps).c_str());
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!last && now - last_shown_ < kPause) return;
  last_shown_ = now;
  std::fprintf(stderr, "\r\033[K%s", line_of(row, epochs, steps).c_str());
  line_open_ = true;
  if (last) end_progress();
  std::fflush(stderr);
}

void SessionHost::end_progress() {
  if (!line_open_) return;
  line_open_ = false;
  std::fputc('\n', stderr);
}

// progress {names..}(epoch, epochs, step, steps, a number per name)
std::vector<Tensor> host_progress(HostCall& call) {
  const auto& names = call.attr.args;
  ProgressRow row{call.operands.at(0).as_int(), call.operands.at(2).as_int(), {}};
  for (size_t i = 0; i < names.size(); ++i) row.values.emplace_back(names[i], call.operands.at(i + 4).as_double());
  call.host.progress(row, call.operands[1].as_int(), call.operands[3].as_int());
  return {};
}

}  // namespace tenon
