// rooms: support ir runtime io
// The reader of .npz archives (a zip of .npy files): any bytes are a tensor, or an error.
#include "io/npz.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Tensor packed = io::read_npz(fuzz::as_file(data, size, "npz"), "a", {}).packed();
    fuzz::read_every_byte(packed.raw(), packed.bytes());
  } catch (const UserError&) {
  }
  return 0;
}
