// The engine of the command line: a Session with the settings of the command (engine.h).
#include "embed/engine.h"

namespace tenon {
namespace {

class SessionEngine : public Engine {
 public:
  explicit SessionEngine(SessionOptions options) : session_(std::move(options)) {}

  SourceMap& sources() override { return session_.sources(); }
  Diagnostics check(const std::string& path) override { return session_.check_file(path); }
  Diagnostics run(const std::string& path) override { return session_.run_file(path); }
  Diagnostics test(const std::string& path, const std::string& filter) override {
    return session_.test_file(path, filter);
  }
  Diagnostics bench(const std::string& path, const BenchOptions& options) override {
    return session_.bench_file(path, options);
  }
  Diagnostics explain(const std::string& path, const std::string& stage, const std::string& function) override {
    return session_.explain_file(path, stage, function);
  }
  Evaluation evaluate(std::string_view text) override {
    // Each entry has a name of its own, so that a message says which one it means.
    const std::string name = "input " + std::to_string(entries_ + 1);
    Session::TextResult done = session_.run_text(name, text, true);
    if (!done.incomplete) ++entries_;
    return {done.incomplete, std::move(done.diagnostics)};
  }
  std::vector<std::string> names() const override { return session_.names(); }
  std::string stats() const override { return session_.stats(); }
  void start_profile() override { session_.start_profile(); }
  std::string profile_report() override { return session_.profile_report(); }
  std::string profile_trace() const override { return session_.profile_trace(); }
  void interrupt() override { session_.interrupt(); }

 private:
  Session session_;
  int entries_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_engine(const RunSettings& settings) {
  SessionOptions options;
  options.mode = settings.mode;
  options.device = settings.device;
  options.tf32 = settings.tf32;
  options.threads = settings.threads;
  options.seed = settings.seed;
  options.code_names = settings.code_names;
  options.progress = settings.progress;
  options.echo_types = settings.echo_types;
  options.cpu = settings.cpu;
  options.arguments = settings.arguments;
  return std::make_unique<SessionEngine>(std::move(options));
}

std::string compiler_version() { return session_compiler_version(); }

}  // namespace tenon
