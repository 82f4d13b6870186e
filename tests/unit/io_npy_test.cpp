// .npy: there and back, numpy's own bytes, and damage.
// rooms: io runtime ir support
#include <cstring>
#include <random>

#include "io/npy.h"
#include "tests/unit/temp_folder.h"

namespace tenon::io {
namespace {

// What numpy.save writes for header `dict`, padded as version `version`.
std::string npy(const std::string& dict, std::string_view data, char version = 1) {
  std::string out = "\x93NUMPY";
  out += version;
  out += '\0';
  out += static_cast<char>(dict.size());
  out += '\0';
  if (version > 1) out += std::string(2, '\0');
  return out + dict + std::string(data);
}

Tensor read(const std::string& contents) {
  TempFolder folder;
  return read_npy(folder.put("a.npy", contents), {});
}
std::string fault(const std::string& contents) {
  return error_of(Code::E0903, [&] { read(contents); });
}

TEST(Npy, ThereAndBack) {
  TempFolder folder;
  for (const Extents& shape : {Extents{}, Extents{3}, Extents{2, 3}, Extents{0, 2}}) {
    Tensor t(DType::f64, shape);
    for (int64_t i = 0; i < t.count(); ++i) t.data<double>()[i] = static_cast<double>(i) / 3;
    write_npy(folder / "a.npy", t, {});
    Tensor back = read_npy(folder / "a.npy", {});
    EXPECT_EQ(back.shape, shape);
    EXPECT_EQ(std::memcmp(back.raw(), t.raw(), static_cast<size_t>(t.bytes())), 0);
    EXPECT_EQ((folder.get("a.npy").size() - static_cast<size_t>(t.bytes())) % 64, 0u);
  }
  Tensor half(DType::bf16, {1});
  error_of(Code::E0902, [&] { write_npy(folder / "b.npy", half, {}); });
}

TEST(Npy, AsNumpyWritesIt) {
  std::string dict = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }  \n";
  Tensor t = read(npy(dict, std::string_view("\x00\x03\x01\x04\x02\x05", 6)));  // columns first
  EXPECT_EQ(t.shape, (Extents{2, 3}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(t.data<uint8_t>()[i], i);
  EXPECT_EQ(read(npy("{'shape': (), 'descr': '<i4', 'fortran_order': False}",
                     std::string_view("\7\0\0\0", 4), 2))
                .data<int32_t>()[0],
            7);
}

TEST(Npy, Faults) {
  std::string ok = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
  EXPECT_CONTAINS(fault(""), "too short");
  EXPECT_CONTAINS(fault("something else entirely"), "is not an .npy file");
  EXPECT_CONTAINS(fault(npy(ok, "")), "cut off");
  EXPECT_CONTAINS(fault(npy(ok, "12345")), "goes on");
  EXPECT_CONTAINS(fault(npy(ok, "1234").substr(0, 40)), "cut off");
  for (const char* bad :
       {"{}", "", "{'descr': '<f4', 'fortran_order': False}", "{'descr': 4}", "{'x': 'y'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x"})
    EXPECT_CONTAINS(fault(npy(bad, "1234")), "header");
  for (const char* bad : {">f4", "<c8", "|O", "", "<f44", "4"})
    EXPECT_CONTAINS(
        fault(npy("{'descr': '" + std::string(bad) + "', 'fortran_order': False, 'shape': (1,)}",
                  "1234")),
        "Tenon has not");
  EXPECT_CONTAINS(
      fault(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2)}",
                "1234")),
      "beyond all memory");
}

TEST(Npy, RandomDamage) {
  std::mt19937 random(3);
  const std::string good =
      npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1, 3), }\n", std::string(24, 'a'));
  TempFolder folder;
  for (int turn = 0; turn < 5000; ++turn) {
    std::string text = good;
    if (random() % 4 == 0) text.resize(random() % text.size());
    for (int n = random() % 4; n > 0 && !text.empty(); --n)
      text[random() % text.size()] =
          static_cast<char>(random() % 2 ? random() : "0,()'{}: "[random() % 9]);
    try {
      ASSERT_LE(read_npy(folder.put("a", text), {}).bytes(), 1000);
    } catch (const UserError& e) {
      ASSERT_EQ(e.diagnostic.code, Code::E0903) << e.what();
    }
  }
}

}  // namespace
}  // namespace tenon::io
