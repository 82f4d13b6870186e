// `tenon run FILE` and `tenon -e TEXT`: with Ctrl-C asking the run to stop.
#include "repl/run.h"

#include <atomic>
#include <cstdio>
#include <signal.h>
#include <unistd.h>

#include "io/file.h"
#include "repl/command.h"

namespace tenon {
namespace {

std::atomic<Engine*> stopping{nullptr};
std::atomic<int> asked{0};

// The first Ctrl-C asks; whoever presses it a third time wants to leave whatever it costs.
void on_interrupt(int) {
  if (Engine* engine = stopping.load()) engine->interrupt();
  if (++asked >= 3) ::_exit(130);
}

}  // namespace

InterruptGuard::InterruptGuard(Engine& engine) {
  asked = 0;
  stopping = &engine;
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // no SA_RESTART: a read that waits must come back
  sigaction(SIGINT, &action, &before_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &before_, nullptr);
  stopping = nullptr;
}

int each_program(const Invocation& invocation, const std::function<Diagnostics(Engine&, const std::string&)>& work) {
  const RunSettings settings = run_settings(invocation, Mode::graph);
  auto fits_none = [](const Diagnostics& d) { return d.size() == 1 && d[0].code == Code::E1001; };
  int code = 0;
  size_t without = 0;
  for (const std::string& path : invocation.operands) {
    auto engine = make_engine(settings);
    InterruptGuard guard(*engine);
    const Diagnostics wrong = work(*engine, path);
    if (fits_none(wrong) && ++without < invocation.operands.size()) continue;
    code = std::max(code, report(wrong, engine->sources()));
    if (code == 130) break;
  }
  return code;
}

namespace {

// Training shows its progress on stderr: a line that is written over, or a few lines in a log.
std::unique_ptr<Engine> watched_engine(RunSettings settings) {
  settings.progress = true;
  return make_engine(settings);
}

void start(const Invocation& invocation, Engine& engine) {
  if (invocation.has("--profile") || invocation.has("--trace")) engine.start_profile();
}

int finish(const Invocation& invocation, Engine& engine, const Diagnostics& diagnostics) {
  const int code = report(diagnostics, engine.sources());
  if (invocation.has("--profile"))
    std::fprintf(stderr, "%s", engine.profile_report().c_str());
  if (invocation.has("--trace"))
    io::write_file(invocation.value("--trace"), engine.profile_trace(), {});
  if (invocation.has("--stats")) std::fprintf(stderr, "%s\n", engine.stats().c_str());
  return code;
}

}  // namespace

int command_run(const Invocation& invocation) {
  auto engine = watched_engine(run_settings(invocation, Mode::graph));
  InterruptGuard guard(*engine);
  start(invocation, *engine);
  return finish(invocation, *engine, engine->run(invocation.operands[0]));
}

int command_eval(const Invocation& invocation) {
  auto engine = watched_engine(run_settings(invocation, Mode::eager));
  InterruptGuard guard(*engine);
  start(invocation, *engine);
  return finish(invocation, *engine, engine->evaluate(invocation.operands[0]).diagnostics);
}

}  // namespace tenon
