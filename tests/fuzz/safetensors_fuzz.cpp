// rooms: support ir runtime io
// The reader of safetensors files: any bytes are tensors, or an error.
#include "io/safetensors.h"
#include "tests/fuzz/fuzz.h"

using namespace tenon;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const io::TensorFile file = io::read_safetensors(fuzz::as_file(data, size, "safetensors"), {});
    for (const io::NamedTensor& t : file.tensors) {
      const Tensor packed = t.tensor.packed();
      fuzz::read_every_byte(packed.raw(), packed.bytes());
      fuzz::hold(file.find(t.name) != nullptr, "a tensor is found under its name");
    }
  } catch (const UserError&) {
  }
  return 0;
}
