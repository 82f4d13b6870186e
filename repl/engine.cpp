// The engine until the session is there: it parses, and says honestly that it cannot do more.
#include "repl/engine.h"

#include "frontend/parse.h"
#include "io/file.h"

namespace tenon {
namespace {

class ParsingEngine : public Engine {
 public:
  SourceMap& sources() override { return sources_; }

  Diagnostics check(const std::string& path) override {
    try {
      return parse(sources_, sources_.add(path, io::read_file(path, {}))).errors;
    } catch (UserError& error) {
      error.diagnostic.fault = Fault::program;  // the program's own path is the command line's
      return {error.diagnostic};
    }
  }
  Diagnostics run(const std::string& path) override { return or_missing(check(path)); }
  Diagnostics test(const std::string& path, const std::string&) override { return run(path); }
  Diagnostics bench(const std::string& path, bool) override { return run(path); }
  Diagnostics explain(const std::string& path, const std::string&, const std::string&) override {
    return run(path);
  }
  Evaluation evaluate(std::string_view text) override {
    ParseResult parsed = parse(sources_, sources_.add("input", std::string(text)));
    return {parsed.incomplete, or_missing(std::move(parsed.errors))};
  }
  std::vector<std::string> names() const override { return {}; }
  void interrupt() override {}

 private:
  static Diagnostics or_missing(Diagnostics found) {
    if (found.empty())
      found.push_back({Code::E1002, {}, "this build can parse programs but not run them", {}, {}});
    return found;
  }
  SourceMap sources_;
};

}  // namespace

std::unique_ptr<Engine> make_engine(const RunSettings&) {
  return std::make_unique<ParsingEngine>();
}

std::string compiler_version() { return {}; }

}  // namespace tenon
