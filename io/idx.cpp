// Reading idx: two zeros, the dtype, the rank, a big-endian size for each axis, the numbers. See idx.h.
#include "io/idx.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "io/file.h"
#include "io/inflate.h"

namespace tenon::io {
namespace {

std::optional<DType> dtype_of(unsigned char code) {
  switch (code) {
    case 0x08: return DType::u8;
    case 0x09: return DType::i8;
    case 0x0C: return DType::i32;
    case 0x0D: return DType::f32;
    case 0x0E: return DType::f64;
    default: return std::nullopt;  // 0x0B is i16
  }
}

}  // namespace

Tensor read_idx(const std::string& path, Loc where) {
  const std::string bytes = read_file_or_gzip(path, where);
  auto fault = [&](const std::string& why, const std::string& hint = "") {
    fail(Code::E0903, where, "'" + shown(path) + "' " + why, hint, {}, Fault::data);
  };
  auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() < 4 || byte(0) != 0 || byte(1) != 0) fault("is not an idx file", "idx files begin with two zero bytes, a dtype and a rank");
  const std::optional<DType> dtype = dtype_of(byte(2));
  if (!dtype) fault(byte(2) == 0x0B ? "holds 16-bit integers, which Tenon has not" : "is not an idx file: it names no dtype");
  const size_t rank = byte(3);
  if (rank > static_cast<size_t>(kMaxRank))
    fault("has " + std::to_string(rank) + " dimensions; Tenon's tensors have at most " + std::to_string(kMaxRank));
  const size_t begin = 4 + 4 * rank;
  if (bytes.size() < begin) fault("is cut off: it ends inside its header");
  Extents shape;
  uint64_t want = size_of(*dtype);
  for (size_t i = 0; i < rank; ++i) {
    uint64_t n = 0;
    for (size_t k = 0; k < 4; ++k) n = n << 8 | byte(4 + 4 * i + k);
    shape.push_back(static_cast<int64_t>(n));
    if (__builtin_mul_overflow(want, n, &want)) fault("is damaged: its shape is beyond all memory");
  }
  const uint64_t have = bytes.size() - begin;
  if (have < want) fault("is cut off: it ends inside its numbers");
  if (have > want) fault("is damaged: it goes on after its numbers");
  Tensor tensor(*dtype, shape);
  char* to = static_cast<char*>(tensor.raw());
  std::memcpy(to, bytes.data() + begin, want);
  if (const size_t width = size_of(*dtype); width > 1)
    for (uint64_t i = 0; i < want; i += width) std::reverse(to + i, to + i + width);
  return tensor;
}

}  // namespace tenon::io
