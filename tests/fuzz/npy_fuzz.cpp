// rooms: support ir runtime io
// The reader of .npy files: any bytes are a tensor, or an error.
#include "io/npy.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Tensor packed = io::read_npy(fuzz::as_file(data, size, "npy"), {}).packed();
    uint64_t sum = 0;  // every byte is there
    for (int64_t i = 0; i < packed.bytes(); ++i) sum += static_cast<const uint8_t*>(packed.raw())[i];
    fuzz::hold(sum <= static_cast<uint64_t>(packed.bytes()) * 255, "bytes are bytes");
  } catch (const UserError&) {
  }
  return 0;
}
