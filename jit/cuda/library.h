// A shared library of NVIDIA's, opened when it is first asked for (law 8): nothing of CUDA is linked, and
// no header of theirs is needed. The few types are declared in driver.cpp and nvrtc.cpp.
#pragma once

#include <string>
#include <vector>

namespace tenon::cuda {

class Library {
 public:
  // Tries the names in their order: as they are, then in the folders. `tried` tells what was looked for.
  bool open(const std::vector<std::string>& names, const std::vector<std::string>& folders);
  bool loaded() const { return handle_ != nullptr; }
  const std::string& path() const { return path_; }
  const std::string& tried() const { return tried_; }

  // Null when the library has no such symbol.
  void* symbol(const char* name) const;

 private:
  void* handle_ = nullptr;
  std::string path_, tried_;
};

// Where toolkits, conda and wheels of Python put CUDA's libraries (shared/gpu.md 2), those that exist.
// `wheel`: the folder below site-packages/nvidia, "cuda_nvrtc".
std::vector<std::string> cuda_folders(const std::string& wheel);

}  // namespace tenon::cuda
