// One run of `train` as the host sees it: what it has reported, where it is logged, and how often it
// is asked. The numbers themselves are computed by stdlib/train.model and depend on nothing here.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/events.h"
#include "session/session.h"

namespace tenon {

struct Training {
  using Clock = std::chrono::steady_clock;

  int64_t epochs = 0, steps = 0;
  std::vector<ProgressRow> rows;  // one an epoch
  std::unique_ptr<io::EventWriter> events;

  // ---- how many steps are done between two looks
  int64_t pace = 0;
  Clock::time_point paced{};

  // ---- checkpoints: written as often as a small share of the time allows
  Clock::time_point begun = Clock::now();
  double writing = 0;  // seconds
  std::string checkpoint;  // the file, once there is one
  int64_t checkpoint_step = 0;
  bool keeps_best = false;

  // ---- the lines of who watches
  Clock::time_point shown{};
};

}  // namespace tenon
