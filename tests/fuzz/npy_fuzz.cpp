// rooms: support ir runtime io
// The reader of .npy files: any bytes are a tensor, or an error.
#include "io/npy.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Tensor packed = io::read_npy(fuzz::as_file(data, size, "npy"), {}).packed();
    fuzz::read_every_byte(packed.raw(), packed.bytes());
  } catch (const UserError&) {
  }
  return 0;
}
