// The element types of tensors and what is known of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

enum class DType : uint8_t { boolean, i8, u8, i32, i64, f16, bf16, f32, f64 };
inline constexpr int kDTypeCount = 9;

struct DTypeFacts {
  std::string_view name;  // as written in the language
  uint8_t bytes;
  bool is_float;
  bool is_integer;  // bool is neither
  bool is_signed;
};

inline constexpr DTypeFacts kDTypes[kDTypeCount] = {
    {"bool", 1, false, false, false}, {"i8", 1, false, true, true},  {"u8", 1, false, true, false},
    {"i32", 4, false, true, true},    {"i64", 8, false, true, true}, {"f16", 2, true, false, true},
    {"bf16", 2, true, false, true},   {"f32", 4, true, false, true}, {"f64", 8, true, false, true},
};

constexpr const DTypeFacts& facts(DType t) { return kDTypes[static_cast<int>(t)]; }
constexpr std::string_view name(DType t) { return facts(t).name; }
constexpr size_t size_of(DType t) { return facts(t).bytes; }
constexpr bool is_float(DType t) { return facts(t).is_float; }
constexpr bool is_integer(DType t) { return facts(t).is_integer; }

constexpr std::optional<DType> dtype_named(std::string_view text) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kDTypes[i].name == text) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace tenon
