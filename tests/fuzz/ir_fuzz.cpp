// rooms: support ir
// The reader of the IR's text and the verifier: any text is refused, or read; what is printed of it
// reads back to the same text; the verifier looks at any function that can be read.
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string error;
  const auto module = ir::parse_text(fuzz::text_of(data, size), error);
  fuzz::hold(bool(module) == error.empty(), "a module, or a message");
  if (!module) return 0;
  const std::string once = ir::print(*module);
  const auto again = ir::parse_text(once, error);
  if (!again) std::fprintf(stderr, "%s\n%s\n", error.c_str(), once.c_str());
  fuzz::hold(bool(again), "what is printed can be read");
  fuzz::hold(ir::print(*again) == once, "and prints as the same");
  for (const auto& fn : module->functions) ir::verify(*module, *fn);
  return 0;
}
