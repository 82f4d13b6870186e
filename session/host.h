// Host functions: what a `host` node of the IR does outside of it. One table of names; to add one, a
// function in a file host_*.cpp and a row in host.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jit/executable.h"
#include "session/session.h"

namespace tenon {

class SessionHost;
struct Training;
namespace io {
struct TensorFile;
}

// `where` is the place of the call. Throws Trap or UserError; gives one tensor per result.
struct HostCall {
  SessionHost& host;
  const ir::HostAttr& attr;
  std::vector<Tensor> operands;
  Loc where;
};
using HostFunction = std::vector<Tensor> (*)(HostCall& call);

struct HostRow {
  std::string_view name;
  HostFunction function;
};
std::span<const HostRow> host_functions();

// What a training has reported, by the numbers of the model it gave.
struct TrainedRecord {
  uint64_t fingerprint[2];
  std::vector<ProgressRow> rows;
};

class SessionHost : public Host {
 public:
  using Output = std::function<void(std::string_view)>;
  SessionHost(const SourceMap& sources, Output output, bool progress);
  ~SessionHost();

  std::vector<Tensor> host(const ir::HostAttr& call, std::vector<Tensor> operands, Loc where) override;
  void debug(std::string_view text, std::span<const Tensor> shown) override;

  void print(std::string_view text);
  // While it is set, what is printed is kept here instead.
  void keep_in(std::string* buffer) { kept_ = buffer; }
  std::string* kept() const { return kept_; }

  const SourceMap& sources() const { return sources_; }

  // Runs an IR function on behalf of a host function (set by the session).
  std::function<std::vector<Tensor>(ir::FnId, std::span<const int64_t>, std::vector<Tensor>)> run;

  uint64_t seed = 0;  // of the session (--seed)

  // ---- training (host_train.cpp)
  void show_training(const ProgressRow& row, bool epoch_over);  // a line on stderr
  void say(const std::string& text);                            // the same, of something that happens once
  void end_progress();  // ends a line that is written over, before anything else is written
  void end_run();       // of a unit, however it ended
  Training& training();
  std::vector<Tensor> train_begin(HostCall& call);
  std::vector<Tensor> train_end(HostCall& call);
  // The next training goes on from a checkpoint, which has this to tell of what was before.
  void resumed(const std::string& path, std::vector<ProgressRow> rows);
  const TrainedRecord* trained(const uint64_t (&fingerprint)[2]) const;
  void keep_history(const ProgressRow& row) { history_.push_back(row); }
  const std::vector<ProgressRow>& history() const { return history_; }

 private:
  bool shows_progress() const { return show_progress_ && !kept_; }

  const SourceMap& sources_;
  Output output_;
  bool show_progress_;
  std::string* kept_ = nullptr;
  bool line_open_ = false;
  std::vector<std::unique_ptr<Training>> trainings_;  // under way, innermost last
  std::string resumed_from_;
  std::vector<ProgressRow> resumed_;
  std::vector<TrainedRecord> trained_;
  std::vector<ProgressRow> history_;
};

// Of host_files.cpp, for whoever loads: for each operand of `call` the tensor of its name, of its dtype
// and shape. E0904, listing all that is missing, extra or of another shape; names that `skip` takes may
// be there or not.
std::vector<Tensor> fitted(const HostCall& call, const io::TensorFile& file,
                           const std::function<bool(std::string_view)>& skip, const std::string& hint);

// ---- the functions, each in its file
std::vector<Tensor> host_print(HostCall& call);
std::vector<Tensor> host_csv(HostCall& call);
std::vector<Tensor> host_read(HostCall& call);
std::vector<Tensor> host_npy(HostCall& call);
std::vector<Tensor> host_npz(HostCall& call);
std::vector<Tensor> host_idx(HostCall& call);
std::vector<Tensor> host_image(HostCall& call);
std::vector<Tensor> host_text(HostCall& call);
std::vector<Tensor> host_save(HostCall& call);
std::vector<Tensor> host_load(HostCall& call);
std::vector<Tensor> host_checkpoint(HostCall& call);
std::vector<Tensor> host_resume(HostCall& call);
std::vector<Tensor> host_history(HostCall& call);
std::vector<Tensor> host_train_begin(HostCall& call);
std::vector<Tensor> host_train_pace(HostCall& call);
std::vector<Tensor> host_train_step(HostCall& call);
std::vector<Tensor> host_train_epoch(HostCall& call);
std::vector<Tensor> host_train_log(HostCall& call);
std::vector<Tensor> host_train_end(HostCall& call);
std::vector<Tensor> host_expect_fails(HostCall& call);

}  // namespace tenon
