// The name that CPUID tells (cpu_name.h).
#include "support/cpu_name.h"

#include <cpuid.h>
#include <cstring>

namespace tenon {

std::string cpu_name() {
  unsigned words[12] = {};
  unsigned highest = __get_cpuid_max(0x80000000, nullptr);
  if (highest < 0x80000004) return "unknown";
  for (unsigned i = 0; i < 3; ++i)
    __get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
                &words[4 * i + 3]);
  std::string name(reinterpret_cast<const char*>(words), sizeof words);
  name.resize(std::strlen(name.c_str()));
  size_t first = name.find_first_not_of(' ');
  return first == std::string::npos ? "unknown"
                                    : name.substr(first, name.find_last_not_of(' ') + 1);
}

}  // namespace tenon
