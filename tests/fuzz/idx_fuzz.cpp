// rooms: support ir runtime io
// The reader of idx files, packed or plain: any bytes are a tensor, or an error.
#include "io/idx.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Tensor packed = io::read_idx(fuzz::as_file(data, size, "idx"), {}).packed();
    fuzz::read_every_byte(packed.raw(), packed.bytes());
  } catch (const UserError&) {
  }
  return 0;
}
