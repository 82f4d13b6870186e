// What the accesses of emulated kernels would cost a GPU (TENON_SIM_COUNT=FILE): of each instruction of a warp the
// 32-byte sectors of memory that it touches, and the turns that it takes in the 32 banks of shared memory. Kernels
// are compiled with a call in front of every access (GCC's kernel-address instrumentation); an instruction is a
// place in the code, and a warp's threads are taken to meet there at their first, second, .. time, as they do
// unless they part ways. At the end of the process FILE gets a line for each kernel.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tenon::cuda {

class SimCount {
 public:
  static SimCount* wanted();      // null where nobody asked
  static const char* options();   // of the compiler
  static const char* text();      // behind the kernels
  using Touch = void (*)(const void* site, long long at, long long bytes);

  enum class Where : uint8_t { memory, shared };
  void touched(int thread, const void* site, long long at, long long bytes, Where where);
  void end_block(const std::string& kernel);  // of a kernel, to be told from others of the same name

 private:
  struct Access {
    int warp;
    const void* site;
    int turn;  // of its thread at that place
    int lane;
    long long at, bytes;
    Where where;
    auto key() const { return std::tuple(warp, site, turn, where); }
  };
  struct Sum {
    int64_t blocks = 0;
    int64_t requests[2] = {0, 0};       // instructions of warps: memory, shared memory
    int64_t taken[2] = {0, 0}, least[2] = {0, 0};  // sectors or turns, and how few would do
  };
  SimCount();
  void write() const;

  std::string path_;
  std::vector<Access> block_;
  std::map<std::pair<int, const void*>, int> turns_;
  std::map<std::string, Sum> sums_;
};

}  // namespace tenon::cuda
