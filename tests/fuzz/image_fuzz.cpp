// rooms: support ir runtime io
// The reader of PNG and JPEG pictures: any bytes are a tensor, or an error.
#include "io/image.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (int channels : {1, 3, 4}) {
    try {
      const Tensor packed = io::read_image(fuzz::as_file(data, size, "image"), channels, {}).packed();
      fuzz::read_every_byte(packed.raw(), packed.bytes());
    } catch (const UserError&) {
    }
  }
  return 0;
}
