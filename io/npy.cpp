// Reading and writing .npy, versions 1 to 3 (numpy/lib/format.py describes them); see npy.h.
#include "io/npy.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "io/file.h"

namespace tenon::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

// How numpy spells our dtypes, in the order of DType; numpy has no bf16.
constexpr std::string_view kSpelling[kDTypeCount] = {"|b1", "|i1", "|u1", "<i4", "<i8",
                                                     "<f2", "",    "<f4", "<f8"};

// The header is a Python dictionary of a fixed shape:
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Header {
 public:
  explicit Header(std::string_view text) : rest_(text) {}

  bool parse() {
    if (!eat("{")) return false;
    while (!eat("}")) {
      auto key = quoted();
      if (!key || !eat(":")) return false;
      if (*key == "descr" && !descr) {
        if (!(descr = quoted())) return false;
      } else if (*key == "fortran_order" && !fortran) {
        if (eat("True"))
          fortran = true;
        else if (eat("False"))
          fortran = false;
        else
          return false;
      } else if (*key == "shape" && !shape) {
        if (!parse_shape()) return false;
      } else {
        return false;
      }
      if (!eat(",") && !starts("}")) return false;
    }
    blanks();
    return rest_.empty() && descr && fortran && shape;
  }

  std::optional<std::string_view> descr;
  std::optional<bool> fortran;
  std::optional<std::vector<int64_t>> shape;

 private:
  void blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t'))
      rest_.remove_prefix(1);
  }
  bool starts(std::string_view what) {
    blanks();
    return rest_.starts_with(what);
  }
  bool eat(std::string_view what) {
    if (!starts(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  std::optional<std::string_view> quoted() {
    blanks();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return std::nullopt;
    size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view out = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return out;
  }
  bool parse_shape() {
    if (!eat("(")) return false;
    shape.emplace();
    while (!eat(")")) {
      blanks();
      int64_t n = 0;
      auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n);
      if (error != std::errc() || n < 0) return false;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      eat("L");  // Python 2 wrote 3L
      shape->push_back(n);
      if (!eat(",") && !starts(")")) return false;
    }
    return true;
  }
  std::string_view rest_;
};

[[noreturn]] void fault(const std::string& path, Loc where, const std::string& why,
                        std::string hint = {}) {
  fail(Code::E0903, where, "'" + shown(path) + "' " + why, std::move(hint), {}, Fault::data);
}

}  // namespace

namespace {

// `file` has size() and read(offset, into, bytes): a file, or a member of an .npz file in memory.
template <class File>
Tensor read_from(const File& file, const std::string& path, Loc where) {
  unsigned char start[12] = {};
  if (file.size() < 12) fault(path, where, "is not an .npy file: it is too short");
  file.read(0, start, sizeof start);
  if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0 || start[6] < 1 || start[6] > 3)
    fault(path, where, "is not an .npy file");
  // Version 1 has a length of two bytes, later ones of four.
  uint64_t begin = start[6] == 1 ? 10 : 12;
  uint64_t length = start[8] | start[9] << 8;
  if (start[6] != 1)
    length |= static_cast<uint64_t>(start[10]) << 16 | static_cast<uint64_t>(start[11]) << 24;
  if (length > file.size() - begin) fault(path, where, "is cut off: it ends inside its header");
  std::string text(length, '\0');
  file.read(begin, text.data(), length);
  Header header(text);
  if (!header.parse()) fault(path, where, "has a header that is not one of an .npy file");

  std::optional<DType> dtype;
  for (int i = 0; i < kDTypeCount; ++i) {
    std::string_view mine = kSpelling[i], theirs = *header.descr;
    bool one_byte = !mine.empty() && mine[0] == '|';
    if (theirs.size() == 3 && mine.size() == 3 && theirs.substr(1) == mine.substr(1) &&
        (one_byte || theirs[0] == mine[0] || theirs[0] == '='))
      dtype = static_cast<DType>(i);
  }
  if (!dtype)
    fault(path, where,
          "has elements of the kind \"" + shown(*header.descr) + "\", which Tenon has not",
          "convert it with astype('float32') where it was made");
  if (header.shape->size() > static_cast<size_t>(kMaxRank))
    fault(path, where,
          "has " + std::to_string(header.shape->size()) +
              " dimensions; Tenon's tensors have at most " + std::to_string(kMaxRank));
  uint64_t bytes = size_of(*dtype);
  bool empty = false;
  Extents shape, reversed;
  std::vector<int> axes;
  for (size_t i = 0; i < header.shape->size(); ++i) {
    int64_t n = (*header.shape)[i];
    shape.push_back(n);
    reversed.push_back((*header.shape)[header.shape->size() - 1 - i]);
    axes.push_back(static_cast<int>(header.shape->size() - 1 - i));
    if (n == 0)
      empty = true;
    else if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes))
      fault(path, where, "is damaged: its shape is beyond all memory");
  }
  if (empty) bytes = 0;
  uint64_t data = file.size() - begin - length;
  if (data < bytes) fault(path, where, "is cut off: it ends inside its numbers");
  if (data > bytes) fault(path, where, "is damaged: it goes on after its numbers");

  Tensor tensor(*dtype, *header.fortran ? reversed : shape);
  file.read(begin + length, tensor.raw(), bytes);
  if (*dtype == DType::boolean)
    for (int64_t i = 0; i < tensor.count(); ++i)
      if (tensor.data<uint8_t>()[i] > 1)
        fault(path, where, "is damaged: a bool is neither 0 nor 1");
  return *header.fortran ? tensor.transposed(axes).packed() : tensor;
}

struct InMemory {
  std::string_view bytes;
  uint64_t size() const { return bytes.size(); }
  void read(uint64_t offset, void* into, size_t count) const {
    if (count) std::memcpy(into, bytes.data() + offset, count);
  }
};

}  // namespace

Tensor read_npy(const std::string& path, Loc where) { return read_from(InputFile(path, where), path, where); }

Tensor parse_npy(std::string_view bytes, const std::string& name, Loc where) { return read_from(InMemory{bytes}, name, where); }

void write_npy(const std::string& path, const Tensor& tensor, Loc where) {
  std::string_view descr = kSpelling[static_cast<int>(tensor.dtype)];
  if (descr.empty())
    fail(Code::E0902, where, "cannot write '" + shown(path) + "': .npy has no bf16",
         "cast(x, f32) first", {}, Fault::data);
  std::string text = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < tensor.rank(); ++i)
    text += (i ? " " : "") + std::to_string(tensor.shape[i]) + ",";
  if (tensor.rank() > 1) text.pop_back();
  text += "), }";
  text.append(63 - (10 + text.size()) % 64, ' ');  // numpy starts the numbers at a multiple of 64
  text += '\n';
  OutputFile file(path, where);
  std::string start = std::string(kMagic) + std::string("\x01\x00", 2);
  start += static_cast<char>(text.size() & 255);
  start += static_cast<char>(text.size() >> 8);
  file.write(start.data(), start.size());
  file.write(text.data(), text.size());
  Tensor packed = tensor.packed();
  file.write(packed.raw(), static_cast<size_t>(packed.bytes()));
  file.commit();
}

}  // namespace tenon::io
