// rooms: support ir runtime session
// What programs do with tensors from files: `load` into a model, `read` with a type, and a training that
// goes on from a checkpoint. Any file gives numbers, or an error of the data.
#include <cmath>
#include <fstream>

#include "session/session.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

namespace {

constexpr const char* kProgram = R"(
model Net(width: int) {
  param w: f32[width] = ones(width)
  state seen: f32[width] = zeros(width)
  fn forward(x: f32[B, width]) -> f32[B] {
    update seen = 0.9 * seen
    x @ w
  }
}
fn loaded() -> f32[2] {
  let net = load(Net(2), "FILE")
  net.w + net.seen
}
fn given() -> f32 {
  let r: {w: f32[_], seen: f32[_]} = read("FILE")
  sum(r.w) + sum(r.seen)
}
fn trained() -> f32[2] {
  var net = Net(2)
  let d = {x: ones(4, 2), y: ones(4)}
  train net on d {
    loss(batch) = mse(net(batch.x), batch.y)
    optimizer   = adam(lr = 0.1)
    batch       = 2
    steps       = 4
    validate    = d
    patience    = 3
    checkpoint  = "FILE"
  }
  net.w
}
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = fuzz::own_folder() + "/file";
  static Session& session = *[] {
    std::string text = kProgram;
    for (size_t at; (at = text.find("FILE")) != std::string::npos;) text.replace(at, 4, path);
    SessionOptions options;
    options.threads = 1;
    options.output = [](std::string_view) {};
    auto* made = new Session(options);
    for (const Diagnostic& d : made->run_text("load", text, false).diagnostics)
      fuzz::hold(d.warning, render(d, made->sources()));
    return made;
  }();
  for (const char* function : {"loaded", "given", "trained"}) {
    std::ofstream(path, std::ios::binary) << fuzz::text_of(data, size);
    const Session::CallResult called = session.call(function, {});
    fuzz::hold(called.results.empty() != called.diagnostics.empty(), "numbers, or an error");
    for (const Diagnostic& d : called.diagnostics) {
      const std::string shown = render(d, session.sources());
      fuzz::hold(d.fault == Fault::data, shown);
    }
  }
  return 0;
}
