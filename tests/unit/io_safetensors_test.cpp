// safetensors: there and back, and every way in which a file can be broken.
// rooms: io runtime ir support
#include <cstring>
#include <random>

#include "io/safetensors.h"
#include "tests/unit/temp_folder.h"

namespace tenon::io {
namespace {

Tensor counting(DType dtype, const Extents& shape) {
  Tensor t(dtype, shape);
  auto* bytes = static_cast<uint8_t*>(t.raw());
  for (int64_t i = 0; i < t.bytes(); ++i)
    bytes[i] = static_cast<uint8_t>(dtype == DType::boolean ? i % 2 : i);
  return t;
}

std::string with_header(std::string header, std::string_view data) {
  uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + header + std::string(data);
}

std::string fault(const std::string& contents) {
  TempFolder folder;
  std::string path = folder.put("m", contents);
  return error_of(Code::E0903, [&] { read_safetensors(path, {}); });
}

TEST(Safetensors, ThereAndBack) {
  TempFolder folder;
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < kDTypeCount; ++i) {
    DType dtype = static_cast<DType>(i);
    tensors.push_back({"t." + std::string(name(dtype)), counting(dtype, {2, 3})});
  }
  tensors.push_back({"empty", Tensor(DType::f32, {0, 4})});
  tensors.push_back({"scalar \"\xC3\xA9\"", counting(DType::f64, {})});
  std::string path = folder / "m.safetensors";
  write_safetensors(path, tensors, {{"step", "7"}, {"by", "tenon"}}, {});
  TensorFile file = read_safetensors(path, {});
  EXPECT_EQ(file.metadata.at("step"), "7");
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (const NamedTensor& t : tensors) {
    const Tensor* back = file.find(t.name);
    ASSERT_NE(back, nullptr) << t.name;
    EXPECT_EQ(back->dtype, t.tensor.dtype);
    EXPECT_EQ(back->shape, t.tensor.shape);
    EXPECT_EQ(std::memcmp(back->raw(), t.tensor.raw(), static_cast<size_t>(t.tensor.bytes())), 0);
  }
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST(Safetensors, SameBytesInAnyOrder) {
  TempFolder folder;
  std::vector<NamedTensor> tensors = {{"b", counting(DType::u8, {3})},
                                      {"a", counting(DType::f32, {2})}};
  write_safetensors(folder / "1", tensors, {}, {});
  std::swap(tensors[0], tensors[1]);
  write_safetensors(folder / "2", tensors, {}, {});
  EXPECT_EQ(folder.get("1"), folder.get("2"));
  std::string header = folder.get("1").substr(8);
  EXPECT_TRUE(header.starts_with(
      R"({"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2]},"b":{"data_offsets":[8,11])"));
  EXPECT_EQ(folder.get("1")[0] % 8, 0);
}

TEST(Safetensors, ViewsAreWrittenAsTheyLook) {
  TempFolder folder;
  Tensor t = counting(DType::u8, {2, 3});
  int axes[] = {1, 0};
  write_safetensors(folder / "m", {{"t", t.transposed(axes)}}, {}, {});
  TensorFile file = read_safetensors(folder / "m", {});
  EXPECT_EQ(file.tensors[0].tensor.data<uint8_t>()[1], 3);
}

TEST(Safetensors, Empty) {
  TempFolder folder;
  write_safetensors(folder / "m", {}, {}, {});
  EXPECT_TRUE(read_safetensors(folder / "m", {}).tensors.empty());
}

TEST(Safetensors, Faults) {
  const std::string four(4, '\0');
  auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  };
  std::string f = entry("\"F32\"", "[1]", "[0,4]");
  EXPECT_CONTAINS(fault(""), "too short");
  EXPECT_CONTAINS(fault("PK\x03\x04 a zip file, perhaps"), "is not a safetensors file");
  EXPECT_CONTAINS(fault(std::string(64, '\xff')), "is not a safetensors file");
  EXPECT_CONTAINS(fault(with_header("[1]", "")), "is not a safetensors file");
  std::string huge = with_header("{}", "");
  uint64_t length = 99'999'999;
  std::memcpy(huge.data(), &length, 8);
  EXPECT_CONTAINS(fault(huge), "cut off");
  EXPECT_CONTAINS(fault(with_header("{\"a\":", "")), "not valid JSON");
  EXPECT_CONTAINS(fault(with_header("{} x", "")), "not valid JSON");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + f + "}", "")), "cut off");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + f + "}", four + "x")), "after its last tensor");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + f + ",\"a\":" + f + "}", four)), "twice");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + f + ",\"b\":" + f + "}", four)), "overlaps");
  std::string late = entry("\"F32\"", "[1]", "[4,8]");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + late + "}", four + four)), "gap");
  for (const std::string& bad : {entry("\"F32\"", "[2]", "[0,4]"), entry("\"F32\"", "[1]", "[4,0]"),
                                 entry("\"F32\"", "[4294967296,4294967296,4294967296]", "[0,4]")})
    EXPECT_CONTAINS(fault(with_header("{\"a\":" + bad + "}", four)), "damaged");
  for (const std::string& bad :
       {entry("\"F33\"", "[1]", "[0,4]"), entry("1", "[1]", "[0,4]"),
        entry("\"F32\"", "[-1]", "[0,4]"), entry("\"F32\"", "[1.5]", "[0,4]"),
        entry("\"F32\"", "1", "[0,4]"), entry("\"F32\"", "[1]", "[0,4,4]"),
        entry("\"F32\"", "[[[1]]]", "[0,4]"), entry("\"F32\"", "[1e99]", "[0,4]"), std::string("3"),
        std::string("{}"), std::string(R"({"dtype":"F32"})")})
    EXPECT_CONTAINS(fault(with_header("{\"a\":" + bad + "}", four)), "header");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + entry("\"U16\"", "[2]", "[0,4]") + "}", four)),
                  "dtype U16");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + entry("\"BOOL\"", "[1]", "[0,1]") + "}", "\x02")),
                  "neither 0 nor 1");
  EXPECT_CONTAINS(fault(with_header("{\"__metadata__\":{\"a\":1}}", "")), "not a text");
  EXPECT_CONTAINS(fault(with_header("{\"__metadata__\":3}", "")), "not an object");
  EXPECT_CONTAINS(
      fault(with_header("{\"a\":" + entry("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]") + "}", four)),
      "9 dimensions");
  EXPECT_CONTAINS(fault(with_header("{\"a\":" + std::string(100000, '['), "")), "too deeply");
}

TEST(Safetensors, RandomDamage) {
  TempFolder folder;
  write_safetensors(folder / "m",
                    {{"fc1.weight", counting(DType::f32, {3, 4})},
                     {"fc1.offset", counting(DType::f32, {3})},
                     {"mask", counting(DType::boolean, {5})}},
                    {{"step", "7"}}, {});
  const std::string good = folder.get("m");
  std::mt19937 random(2);
  for (int turn = 0; turn < 5000; ++turn) {
    std::string text = good;
    switch (random() % 4) {
      case 0:
        text.resize(random() % text.size());
        break;
      case 1:
        text.insert(random() % text.size(), 1, static_cast<char>(random()));
        break;
      case 2:
        text.erase(random() % text.size(), 1 + random() % 9);
        break;
      default:
        for (int n = 1 + random() % 3; n > 0; --n)
          text[random() % (turn % 2 ? 280 : text.size())] = static_cast<char>(random());
    }
    std::string path = folder.put("broken", text);
    try {
      TensorFile file = read_safetensors(path, {});
      for (const NamedTensor& t : file.tensors) ASSERT_LE(t.tensor.bytes(), 1000);
    } catch (const UserError& e) {
      ASSERT_EQ(e.diagnostic.code, Code::E0903) << e.what();
    }
  }
}

}  // namespace
}  // namespace tenon::io
