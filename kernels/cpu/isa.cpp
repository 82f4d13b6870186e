// Which object of the kernels runs: asked of the CPU once.
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/point_table.h"
#include "support/diagnostic.h"

namespace tenon::kernels {
namespace {

Isa choose() {
  require(supported(Isa::v3), "the CPU has no AVX2 and FMA");
  if (const char* wanted = std::getenv("TENON_ISA")) {
    if (std::string_view(wanted) == "v3") return Isa::v3;
    if (std::string_view(wanted) == "v4" && supported(Isa::v4)) return Isa::v4;
  }
  return supported(Isa::v4) ? Isa::v4 : Isa::v3;
}

Isa& current() {
  static Isa isa = choose();
  return isa;
}

PointTable make_table(Isa isa) {
  PointTable t;
  if (isa == Isa::v4) {
    v4::fill_integer(t);
    v4::fill_f32(t);
    v4::fill_f64(t);
  } else {
    v3::fill_integer(t);
    v3::fill_f32(t);
    v3::fill_f64(t);
  }
  return t;
}

}  // namespace

bool supported(Isa isa) {
  // What tests say of the CPU, to see what becomes of programs on one that is too old.
  if (const char* wanted = std::getenv("TENON_ISA"); wanted && std::string_view(wanted) == "v2")
    return false;
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2");
  if (isa == Isa::v3) return v3;
  return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
Isa isa() { return current(); }
void set_isa(Isa isa) {
  require(supported(isa), "the CPU lacks the instruction set asked for");
  current() = isa;
}

const PointTable& point_table() {
  static const PointTable* tables[2] = {};
  // Each is made at its first use.
  static std::once_flag once[2];
  auto i = static_cast<size_t>(current());
  std::call_once(once[i], [&] { tables[i] = new PointTable(make_table(current())); });
  return *tables[i];
}

}  // namespace tenon::kernels
