// What every fuzz target has in common. A target is one function over bytes that must come back, for
// any bytes: a reader answers with a diagnostic or with what it read, and what it read satisfies the
// laws that the target checks with `hold`. libFuzzer drives it (./dev fuzz), or driver.cpp (the suite).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace tenon::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Ends the run, and with it keeps the input, when a law does not hold.
inline void hold(bool law, std::string_view what) {
  if (law) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// The bytes as a file, for readers that take a path. It lies in memory and goes with the process.
const std::string& as_file(const uint8_t* data, size_t size, const char* name);

// A new folder for files that have to lie somewhere; it goes when the process ends as it should.
std::string own_folder();

// So that a sanitizer sees memory that is not there.
void read_every_byte(const void* bytes, int64_t count);

}  // namespace tenon::fuzz
