// Host functions: what a `host` node of the IR does outside of it. One table of names; to add one, a
// function in a file host_*.cpp and a row in host.cpp.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "jit/executable.h"
#include "session/session.h"

namespace tenon {

class SessionHost;

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

class SessionHost : public Host {
 public:
  using Output = std::function<void(std::string_view)>;
  SessionHost(const SourceMap& sources, Output output, bool progress)
      : sources_(sources), output_(std::move(output)), show_progress_(progress) {}

  std::vector<Tensor> host(const ir::HostAttr& call, std::vector<Tensor> operands, Loc where) override;
  void debug(std::string_view text, std::span<const Tensor> shown) override;

  void print(std::string_view text);
  // While it is set, what is printed is kept here instead.
  void keep_in(std::string* buffer) { kept_ = buffer; }
  std::string* kept() const { return kept_; }

  const SourceMap& sources() const { return sources_; }

  // Runs an IR function on behalf of a host function (set by the session).
  std::function<std::vector<Tensor>(ir::FnId, std::span<const int64_t>, std::vector<Tensor>)> run;

  // ---- progress: a line on stderr that is written over until it is final
  void progress(const ProgressRow& row, int64_t epochs, int64_t steps);
  void end_progress();  // before anything else is written, and at the end of a run
  const std::vector<ProgressRow>& history() const { return history_; }

 private:
  const SourceMap& sources_;
  Output output_;
  bool show_progress_;
  std::string* kept_ = nullptr;
  bool line_open_ = false;
  std::chrono::steady_clock::time_point last_shown_{};
  std::vector<ProgressRow> history_;
};

// ---- the functions, each in its file
std::vector<Tensor> host_print(HostCall& call);
std::vector<Tensor> host_csv(HostCall& call);
std::vector<Tensor> host_save(HostCall& call);
std::vector<Tensor> host_load(HostCall& call);
std::vector<Tensor> host_progress(HostCall& call);
std::vector<Tensor> host_expect_fails(HostCall& call);

}  // namespace tenon
