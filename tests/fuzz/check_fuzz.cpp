// rooms: support frontend ir stdlib
// The elaborator, with the whole library behind it: any program is refused with messages, all of
// which can be shown, or becomes IR. The verifier runs inside and ends the run where that is wrong.
#include <map>

#include "frontend/elaborate.h"
#include "frontend/parse.h"
#include "stdlib/library.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

namespace {

class LibraryOnly : public Texts {
 public:
  LibraryOnly() {
    for (const LibraryFile& f : library_files())
      texts_[std::string(f.name)] = {"stdlib/" + std::string(f.name) + ".model", std::string(f.text)};
  }
  std::vector<std::string> library_modules() override {
    std::vector<std::string> out;
    for (const auto& [name, text] : texts_) out.push_back(name);
    return out;
  }
  const TextSource* library(std::string_view module) override {
    auto at = texts_.find(std::string(module));
    return at == texts_.end() ? nullptr : &at->second;
  }
  std::optional<TextSource> file(std::string_view, Loc) override { return std::nullopt; }

 private:
  std::map<std::string, TextSource> texts_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static LibraryOnly texts;
  SourceMap sources;
  const ParseResult parsed = parse(sources, sources.add("input.model", std::string(fuzz::text_of(data, size))));
  if (!parsed.module) return 0;
  ir::Module module;
  Elaborator elaborator(module, sources, texts);
  std::vector<Diagnostic> messages;
  bool ok = false;
  try {
    Unit unit = elaborator.unit(parsed.module, {});
    ok = unit.ok;
    messages = std::move(unit.messages);
  } catch (const UserError& error) {
    messages = {error.diagnostic};
  }
  bool errors = false;
  for (const Diagnostic& d : messages) {
    render(d, sources);
    errors |= !d.warning;
  }
  fuzz::hold(ok || errors, "a program is accepted, or something is said against it");
  return 0;
}
