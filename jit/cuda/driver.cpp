#include "jit/cuda/gpu.h"
#include "support/diagnostic.h"
namespace tenon::cuda {
Gpu& gpu() { fail(Code::E1002, {}, "no NVIDIA driver was found", "use --device cpu", {}, Fault::data); }
}
