// Reading and writing safetensors; see safetensors.h.
#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "io/file.h"

namespace tenon::io {
namespace {

using nlohmann::json;

// The format's own limit, as its first implementation has it: no header needs more.
constexpr uint64_t kLongestHeader = 100'000'000;

// How the format spells our dtypes, in the order of DType.
constexpr std::string_view kSpelling[kDTypeCount] = {"BOOL", "I8",   "U8",  "I32", "I64",
                                                     "F16",  "BF16", "F32", "F64"};

// Dtypes the format has and Tenon has not: these files are well formed all the same.
constexpr std::string_view kOthers[] = {
    "I16", "U16", "U32", "U64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "F6_E3M2", "C64"};

struct Entry {
  std::string name;
  DType dtype;
  Extents shape;
  uint64_t begin = 0, end = 0;  // in the data, behind the header
};

// Builds the document as nlohmann does, but refuses what it would let pass: a name that is there
// twice, and nesting deeper than the format has.
class HeaderSax : public nlohmann::detail::json_sax_dom_parser<json> {
  using Base = nlohmann::detail::json_sax_dom_parser<json>;

 public:
  explicit HeaderSax(json& result) : Base(result, false) {}
  std::string problem;

  bool start_object(std::size_t n) {
    if (++depth_ > 2) return refuse("it is nested too deeply");
    keys_.emplace_back();
    return Base::start_object(n);
  }
  bool end_object() {
    --depth_;
    keys_.pop_back();
    return Base::end_object();
  }
  bool start_array(std::size_t n) {
    if (++depth_ > 3) return refuse("it is nested too deeply");
    return Base::start_array(n);
  }
  bool end_array() {
    --depth_;
    return Base::end_array();
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) return refuse("it has '" + shown(name) + "' twice");
    return Base::key(name);
  }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception&) {
    return refuse("it is not valid JSON at byte " + std::to_string(position + 8));
  }

 private:
  bool refuse(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }
  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;
};

class Reader {
 public:
  Reader(const std::string& path, Loc where) : path_(path), where_(where), file_(path, where) {}

  TensorFile read() {
    read_header();
    check_layout();
    TensorFile out;
    out.metadata = std::move(metadata_);
    for (Entry& entry : entries_) {
      Tensor tensor(entry.dtype, entry.shape);
      file_.read(data_begin_ + entry.begin, tensor.raw(), entry.end - entry.begin);
      if (entry.dtype == DType::boolean) check_bools(entry, tensor);
      out.tensors.push_back({std::move(entry.name), std::move(tensor)});
    }
    std::sort(out.tensors.begin(), out.tensors.end(),
              [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
    return out;
  }

 private:
  [[noreturn]] void fault(const std::string& why, std::string hint = {}) {
    fail(Code::E0903, where_, "'" + shown(path_) + "' " + why, std::move(hint), {}, Fault::data);
  }
  [[noreturn]] void bad_header(const std::string& why) {
    fault("has a header that is not one of safetensors: " + why);
  }
  [[noreturn]] void bad_entry(const std::string& name, const std::string& why) {
    fault("is damaged: the tensor '" + shown(name) + "' " + why);
  }

  void read_header() {
    uint64_t length = 0;
    if (file_.size() < 8) fault("is not a safetensors file: it is too short");
    file_.read(0, &length, 8);  // little-endian, as every machine that Tenon runs on
    char first = 0;
    if (file_.size() > 8) file_.read(8, &first, 1);
    if (length < 2 || length > kLongestHeader || first != '{') fault("is not a safetensors file");
    if (length > file_.size() - 8) fault("is cut off: it ends inside its header");
    std::string text(length, '\0');
    file_.read(8, text.data(), length);
    data_begin_ = 8 + length;

    json document;
    HeaderSax sax(document);
    bool ok = json::sax_parse(text, &sax, json::input_format_t::json, /*strict=*/true);
    if (!ok || !sax.problem.empty())
      bad_header(sax.problem.empty() ? "it is not valid JSON" : sax.problem);
    if (!document.is_object()) bad_header("it is not a JSON object");
    for (const auto& [name, value] : document.items()) {
      if (name == "__metadata__")
        read_metadata(value);
      else
        entries_.push_back(read_entry(name, value));
    }
  }

  void read_metadata(const json& value) {
    if (!value.is_object()) bad_header("its metadata is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) bad_header("the metadata '" + shown(key) + "' is not a text");
      metadata_[key] = text.get<std::string>();
    }
  }

  Entry read_entry(const std::string& name, const json& value) {
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
        !value.contains("shape") || !value.contains("data_offsets"))
      bad_header("'" + shown(name) + "' is not {dtype, shape, data_offsets}");
    const json& dtype = value["dtype"];
    const json& shape = value["shape"];
    const json& offsets = value["data_offsets"];
    if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2 ||
        !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
      bad_header("'" + shown(name) + "' has an entry of the wrong kind");

    Entry entry;
    entry.name = name;
    entry.dtype = read_dtype(name, dtype.get<std::string>());
    entry.begin = offsets[0].get<uint64_t>();
    entry.end = offsets[1].get<uint64_t>();
    if (shape.size() > static_cast<size_t>(kMaxRank))
      fault("has a tensor of " + std::to_string(shape.size()) + " dimensions, '" + shown(name) +
            "'; Tenon's have at most " + std::to_string(kMaxRank));
    uint64_t bytes = size_of(entry.dtype);
    bool empty = false;
    for (const json& size : shape) {
      if (!size.is_number_unsigned() || size.get<uint64_t>() > INT64_MAX)
        bad_header("'" + shown(name) + "' has a shape that is not made of sizes");
      uint64_t n = size.get<uint64_t>();
      entry.shape.push_back(static_cast<int64_t>(n));
      if (n == 0)
        empty = true;
      else if (__builtin_mul_overflow(bytes, n, &bytes))
        bad_entry(name, "has a shape beyond all memory");
    }
    if (empty) bytes = 0;
    if (entry.begin > entry.end || entry.end - entry.begin != bytes)
      bad_entry(name, "has " + std::to_string(bytes) + " bytes by its shape, and other offsets");
    return entry;
  }

  DType read_dtype(const std::string& name, const std::string& spelling) {
    for (int i = 0; i < kDTypeCount; ++i)
      if (kSpelling[i] == spelling) return static_cast<DType>(i);
    if (std::find(std::begin(kOthers), std::end(kOthers), spelling) != std::end(kOthers))
      fault("has a tensor of dtype " + spelling + ", '" + shown(name) + "', which Tenon has not",
            "convert it where the file was made");
    bad_header("'" + shown(name) + "' has the unknown dtype \"" + shown(spelling) + "\"");
  }

  // The tensors lie one behind the other: no gap, no overlap, nothing after the last.
  void check_layout() {
    std::vector<const Entry*> order;
    for (const Entry& entry : entries_) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
      return std::tie(a->begin, a->end, a->name) < std::tie(b->begin, b->end, b->name);
    });
    uint64_t data = file_.size() - data_begin_, at = 0;
    for (const Entry* entry : order) {
      if (entry->end > data)
        fault("is cut off: it ends inside the tensor '" + shown(entry->name) + "'");
      if (entry->begin < at) bad_entry(entry->name, "overlaps another one");
      if (entry->begin > at) bad_entry(entry->name, "begins after a gap");
      at = entry->end;
    }
    if (at != data)
      fault("is damaged: it goes on for " + std::to_string(data - at) +
            " bytes after its last tensor");
  }

  void check_bools(const Entry& entry, const Tensor& tensor) {
    const uint8_t* bytes = tensor.data<uint8_t>();
    for (int64_t i = 0, n = tensor.count(); i < n; ++i)
      if (bytes[i] > 1) bad_entry(entry.name, "has bools that are neither 0 nor 1");
  }

  const std::string& path_;
  Loc where_;
  InputFile file_;
  uint64_t data_begin_ = 0;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const {
  auto at = std::lower_bound(tensors.begin(), tensors.end(), name,
                             [](const NamedTensor& t, std::string_view n) { return t.name < n; });
  return at != tensors.end() && at->name == name ? &at->tensor : nullptr;
}

TensorFile read_safetensors(const std::string& path, Loc where) {
  return Reader(path, where).read();
}

void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata, Loc where) {
  std::sort(tensors.begin(), tensors.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  json header = json::object();  // nlohmann keeps its keys sorted
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const NamedTensor& t : tensors) {
    require(!header.contains(t.name), "two tensors of one name to save");
    uint64_t bytes = static_cast<uint64_t>(t.tensor.bytes());
    json shape = json::array();
    for (int64_t n : t.tensor.shape) shape.push_back(static_cast<uint64_t>(n));
    header[t.name] = {{"data_offsets", {at, at + bytes}},
                      {"dtype", kSpelling[static_cast<int>(t.tensor.dtype)]},
                      {"shape", std::move(shape)}};
    at += bytes;
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data begin at a multiple of 8
  uint64_t length = text.size();

  OutputFile file(path, where);
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const NamedTensor& t : tensors) {
    Tensor packed = t.tensor.packed();
    file.write(packed.raw(), static_cast<size_t>(packed.bytes()));
  }
  file.commit();
}

}  // namespace tenon::io
