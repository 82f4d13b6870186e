// Finding a member by the zip's central directory (PKWARE's APPNOTE, sections 4.3.12 and 4.3.16); see npz.h.
#include "io/npz.h"

#include "io/file.h"
#include "io/inflate.h"
#include "io/npy.h"

namespace tenon::io {
namespace {

constexpr size_t kEnd = 22, kEntry = 46, kLocal = 30;  // the sizes of a zip's records without their names

[[noreturn]] void fault(const std::string& path, Loc where, const std::string& why, const std::string& hint = "") {
  fail(Code::E0903, where, "'" + shown(path) + "' " + why, hint, {}, Fault::data);
}

}  // namespace

Tensor read_npz(const std::string& path, const std::string& name, Loc where) {
  const std::string bytes = read_file(path, where);
  auto number = [&](size_t at, size_t width) {
    uint64_t n = 0;
    for (size_t i = width; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[at + i]);
    return n;
  };
  if (!bytes.starts_with("PK")) fault(path, where, "is not an .npz file");
  // The end record stands last but for a comment, of which numpy writes none.
  const size_t end = bytes.rfind("PK\5\6");
  if (end == std::string::npos || bytes.size() - end < kEnd) fault(path, where, "is cut off or damaged");
  const uint64_t count = number(end + 10, 2);
  size_t at = number(end + 16, 4);
  std::string have;
  for (uint64_t i = 0; i < count; ++i) {
    if (at > end || end - at < kEntry || bytes.compare(at, 4, "PK\1\2") != 0) fault(path, where, "is cut off or damaged");
    const size_t length = number(at + 28, 2);
    if (end - at - kEntry < length) fault(path, where, "is cut off or damaged");
    std::string member = bytes.substr(at + kEntry, length);
    if (member.ends_with(".npy")) member.resize(member.size() - 4);
    have += (have.empty() ? "" : ", ") + shown(member);
    if (member == name) {
      const uint64_t method = number(at + 10, 2), packed = number(at + 20, 4), size = number(at + 24, 4), local = number(at + 42, 4);
      if (packed == 0xffffffff || size == 0xffffffff || local == 0xffffffff) fault(path, where, "has arrays of more than 4 GiB", "save that array as .npy");
      if (local > bytes.size() || bytes.size() - local < kLocal || bytes.compare(local, 4, "PK\3\4") != 0) fault(path, where, "is cut off or damaged");
      const uint64_t begin = local + kLocal + number(local + 26, 2) + number(local + 28, 2);
      if (begin > bytes.size() || bytes.size() - begin < packed) fault(path, where, "is cut off or damaged");
      const std::string_view data = std::string_view(bytes).substr(begin, packed);
      const std::string label = path + "[" + name + "]";
      if (method == 0) return parse_npy(data, label, where);
      std::string unpacked;
      if (method != 8 || !inflate_raw(data, unpacked, size)) fault(path, where, "is cut off or damaged");
      return parse_npy(unpacked, label, where);
    }
    at += kEntry + length + number(at + 30, 2) + number(at + 32, 2);
  }
  fault(path, where, "has no array `" + shown(name) + "`", have.empty() ? "it is empty" : "it has " + have);
}

}  // namespace tenon::io
