// What stdlib/train.model tells the host while it trains, and asks of it: how far to go before the next
// look, lines for who watches, event files, and the record that `history` gives.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "io/file.h"
#include "runtime/format.h"
#include "session/host.h"
#include "session/training.h"

namespace tenon {

namespace {

using Clock = Training::Clock;
using std::chrono::milliseconds;

constexpr auto kLook = milliseconds(100);           // between two looks at a training
constexpr auto kQuiet = std::chrono::seconds(60);   // the longest silence in a log
constexpr int64_t kLines = 10;                      // epochs of a training that a log shows
constexpr int64_t kPoints = 10'000;                 // of one curve in an event file
constexpr std::string_view kHeld = "held-out ";     // as frontend/builtins.h has it

std::string number(double v) { return format(Tensor::scalar(DType::f64, v), ".4g"); }

std::string line_of(const Training& t, const ProgressRow& row) {
  std::string out = "epoch " + std::to_string(row.epoch + 1) + "/" + std::to_string(t.epochs) + "  step " +
                    std::to_string(row.step) + "/" + std::to_string(t.steps);
  for (const auto& [name, value] : row.values) out += "  " + name + " " + number(value);
  return out;
}

// A fingerprint of tensors: 128 bits of two FNV-like sums, over 8 bytes at a time.
void fingerprint(const std::vector<Tensor>& tensors, uint64_t (&out)[2]) {
  uint64_t a = 0xcbf29ce484222325u, b = 0x9e3779b97f4a7c15u;
  auto mix = [&](uint64_t word) {
    a = (a ^ word) * 0x100000001b3u;
    a ^= a >> 29;
    b = (b + word) * 0xd6e8feb86659fd93u;
    b ^= b >> 32;
  };
  for (const Tensor& t : tensors) {
    mix(static_cast<uint64_t>(t.dtype));
    for (int64_t n : t.shape) mix(static_cast<uint64_t>(n));
    const Tensor packed = t.packed();
    const char* at = static_cast<const char*>(packed.raw());
    for (size_t left = static_cast<size_t>(packed.bytes()); left > 0;) {
      uint64_t word = 0;
      const size_t part = std::min(left, sizeof word);
      std::memcpy(&word, at, part);
      mix(word);
      at += part;
      left -= part;
    }
  }
  out[0] = a;
  out[1] = b;
}

}  // namespace

// ---------------------------------------------------------------- lines on stderr

void SessionHost::show_training(const ProgressRow& row, bool epoch_over) {
  if (!shows_progress()) return;
  Training& t = training();
  const auto now = Clock::now();
  const bool last = row.step >= t.steps;
  const std::string line = line_of(t, row);
  if (!::isatty(STDERR_FILENO)) {
    const int64_t every = (t.epochs + kLines - 1) / kLines;
    const bool due = epoch_over && (last || row.epoch == 0 || (row.epoch + 1) % every == 0);
    if (!due && now - t.shown < kQuiet) return;
    t.shown = now;
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  if (!last && now - t.shown < kLook) return;
  t.shown = now;
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  line_open_ = true;
  std::fflush(stderr);
}

void SessionHost::end_progress() {
  if (!line_open_) return;
  line_open_ = false;
  std::fputc('\n', stderr);
}

void SessionHost::say(const std::string& text) {
  if (!shows_progress()) return;
  end_progress();
  std::fprintf(stderr, "%s\n", text.c_str());
}

// ---------------------------------------------------------------- the run

Training& SessionHost::training() {
  require(!trainings_.empty(), "no training is under way");
  return *trainings_.back();
}

SessionHost::SessionHost(const SourceMap& sources, Output output, bool progress)
    : sources_(sources), output_(std::move(output)), show_progress_(progress) {}
SessionHost::~SessionHost() = default;

void SessionHost::end_run() {
  end_progress();
  trainings_.clear();
  resumed_.clear();
  resumed_from_.clear();
}

void SessionHost::resumed(const std::string& path, std::vector<ProgressRow> rows) {
  resumed_from_ = path;
  resumed_ = std::move(rows);
}

// train_begin {log?}(rows, batch, epochs, steps, step)
std::vector<Tensor> host_train_begin(HostCall& call) { return call.host.train_begin(call); }

std::vector<Tensor> SessionHost::train_begin(HostCall& call) {
  auto t = std::make_unique<Training>();
  t->epochs = call.operands.at(2).as_int();
  t->steps = call.operands.at(3).as_int();
  t->rows = std::move(resumed_);
  t->shown = Clock::now();
  resumed_.clear();
  if (!resumed_from_.empty()) {
    const int64_t step = call.operands.at(4).as_int();
    say("'" + io::shown(resumed_from_) + "': " +
        (step < t->steps ? "goes on from step " + std::to_string(step) + " of " + std::to_string(t->steps)
                         : "the training is finished, nothing is left to do"));
    resumed_from_.clear();
  }
  if (!call.attr.args.empty())
    t->events = std::make_unique<io::EventWriter>(call.attr.args[0], call.operands.at(4).as_int() + 1, call.where);
  trainings_.push_back(std::move(t));
  return {};
}

// train_pace() -> steps
std::vector<Tensor> host_train_pace(HostCall& call) {
  Training& t = call.host.training();
  const auto now = Clock::now();
  const auto took = now - t.paced;
  if (t.pace == 0) t.pace = 1;
  else if (took < kLook / 2) t.pace = std::min<int64_t>(t.pace * 4, 1 << 20);
  else if (took > kLook * 2) t.pace = std::max<int64_t>(1, t.pace * kLook / took);
  t.paced = now;
  return {Tensor::scalar(DType::i64, t.pace)};
}

// train_step(ok, epoch, step, loss)
std::vector<Tensor> host_train_step(HostCall& call) {
  Training& t = call.host.training();
  const int64_t epoch = call.operands.at(1).as_int(), step = call.operands.at(2).as_int();
  const double loss = call.operands.at(3).as_double();
  if (call.operands.at(0).as_int() != 0) {
    call.host.show_training({epoch, step, {{"loss", loss}}}, false);
    return {};
  }
  if (t.events) t.events->flush();
  std::vector<Note> notes;
  if (!t.checkpoint.empty())
    notes.push_back({{}, "'" + io::shown(t.checkpoint) + "' holds the state after step " + std::to_string(t.checkpoint_step) +
                             (t.keeps_best ? " and the best model so far" : "") + "; load(net, path) reads it"});
  fail(Code::E0808, call.where,
       "the loss is " + std::string(std::isnan(loss) ? "nan" : loss > 0 ? "inf" : "-inf") + " at step " + std::to_string(step + 1) +
           " of " + std::to_string(t.steps) + ", in epoch " + std::to_string(epoch + 1),
       "a smaller learning rate (lr), a warm-up, or gradients cut to a norm (clip = 1.0) often help", std::move(notes), Fault::data);
}

// train_epoch {names..}(epoch, step, a number per name)
std::vector<Tensor> host_train_epoch(HostCall& call) {
  const auto& names = call.attr.args;
  ProgressRow row{call.operands.at(0).as_int(), call.operands.at(1).as_int(), {}};
  for (size_t i = 0; i < names.size(); ++i) row.values.emplace_back(names[i], call.operands.at(i + 2).as_double());
  Training& t = call.host.training();
  if (t.events) {
    for (const auto& [name, value] : row.values) {
      const bool held = name.starts_with(kHeld);
      if (!held && name == "loss") continue;  // each step's is there
      t.events->scalar(held ? "held-out/" + name.substr(kHeld.size()) : "train/" + name, row.step, value);
    }
    t.events->flush();
  }
  t.rows.push_back(row);
  call.host.keep_history(row);
  call.host.show_training(row, true);
  return {};
}

// train_log(step, count, losses, rates): of the steps before `step`, the last `count`
std::vector<Tensor> host_train_log(HostCall& call) {
  Training& t = call.host.training();
  const int64_t end = call.operands.at(0).as_int(), count = call.operands.at(1).as_int();
  const Tensor losses = call.operands.at(2).packed(), rates = call.operands.at(3).packed();
  const int64_t every = std::max<int64_t>(1, (t.steps + kPoints - 1) / kPoints);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t step = end - count + i + 1;
    if (step % every != 0 && step != t.steps) continue;
    t.events->scalar("train/loss", step, losses.data<double>()[i]);
    t.events->scalar("train/learning rate", step, rates.data<double>()[i]);
  }
  t.events->flush();
  return {};
}

// train_end(the leaves of the model it gives)
std::vector<Tensor> host_train_end(HostCall& call) { return call.host.train_end(call); }

std::vector<Tensor> SessionHost::train_end(HostCall& call) {
  end_progress();
  TrainedRecord record;
  fingerprint(call.operands, record.fingerprint);
  record.rows = std::move(training().rows);
  trainings_.pop_back();
  trained_.push_back(std::move(record));
  return {};
}

// history {columns..}(the leaves of a model) -> epoch[E], step[E], a column of numbers for each
std::vector<Tensor> host_history(HostCall& call) {
  TrainedRecord asked;
  fingerprint(call.operands, asked.fingerprint);
  const TrainedRecord* found = call.host.trained(asked.fingerprint);
  if (!found)
    fail(Code::E0602, call.where, "no training of this run has given this model, so it has no history",
         "ask for it before the model is changed", {}, Fault::data);
  const auto& names = call.attr.args;
  const auto n = static_cast<int64_t>(found->rows.size());
  std::vector<Tensor> out{Tensor(DType::i64, {n}), Tensor(DType::i64, {n})};
  for (size_t c = 0; c < names.size(); ++c) out.emplace_back(DType::f64, Extents{n});
  for (int64_t i = 0; i < n; ++i) {
    const ProgressRow& row = found->rows[static_cast<size_t>(i)];
    out[0].data<int64_t>()[i] = row.epoch + 1;
    out[1].data<int64_t>()[i] = row.step;
    for (size_t c = 0; c < names.size(); ++c) {
      auto at = std::find_if(row.values.begin(), row.values.end(), [&](auto& v) { return v.first == names[c]; });
      out[c + 2].data<double>()[i] = at == row.values.end() ? std::nan("") : at->second;
    }
  }
  return out;
}

const TrainedRecord* SessionHost::trained(const uint64_t (&fingerprint)[2]) const {
  for (auto it = trained_.rbegin(); it != trained_.rend(); ++it)
    if (std::equal(std::begin(fingerprint), std::end(fingerprint), it->fingerprint)) return &*it;
  return nullptr;
}

}  // namespace tenon
