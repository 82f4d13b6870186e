// dlopen with a memory of what was tried (library.h).
#include "jit/cuda/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace tenon::cuda {

namespace fs = std::filesystem;

bool Library::open(const std::vector<std::string>& names, const std::vector<std::string>& folders) {
  if (handle_) return true;
  auto attempt = [&](const std::string& path, int flags) {
    handle_ = dlopen(path.c_str(), flags);
    if (handle_) path_ = path;
    // One that is there and cannot be opened lacks something itself.
    if (const char* why = handle_ ? nullptr : dlerror(); why && fs::path(path).is_absolute() && fs::exists(path))
      tried_ += (tried_.empty() ? "" : ", ") + path + " (" + why + ")";
    return handle_ != nullptr;
  };
  // One that the process already has: inside of a Python with torch, that is torch's.
  for (const std::string& n : names)
    if (attempt(n, RTLD_NOW | RTLD_NOLOAD)) return true;
  for (const std::string& n : names) {
    tried_ += (tried_.empty() ? "" : ", ") + n;
    if (attempt(n, RTLD_NOW | RTLD_LOCAL)) return true;
  }
  for (const std::string& folder : folders) {
    tried_ += ", " + folder;
    for (const std::string& n : names)
      if (fs::exists(fs::path(folder) / n) && attempt((fs::path(folder) / n).string(), RTLD_NOW | RTLD_LOCAL)) return true;
  }
  return false;
}

void* Library::symbol(const char* name) const { return handle_ ? dlsym(handle_, name) : nullptr; }

std::vector<std::string> cuda_folders(const std::string& wheel) {
  std::vector<std::string> found;
  auto add = [&](const fs::path& p) {
    std::error_code e;
    if (fs::is_directory(p, e)) found.push_back(p.string());
  };
  auto variable = [](const char* name) {
    const char* v = std::getenv(name);
    return std::string(v ? v : "");
  };
  auto toolkit = [&](const fs::path& root) {
    add(root / "lib64");
    add(root / "targets" / "x86_64-linux" / "lib");
  };
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (std::string root = variable(name); !root.empty()) toolkit(root);
  std::error_code e;
  std::vector<fs::path> roots;
  for (const auto& entry : fs::directory_iterator("/usr/local", e))
    if (entry.path().filename().string().starts_with("cuda")) roots.push_back(entry.path());
  std::sort(roots.rbegin(), roots.rend());  // the newest first
  for (const auto& root : roots) toolkit(root);
  add("/opt/cuda/lib64");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const std::string root = variable(name);
    if (root.empty()) continue;
    for (const auto& entry : fs::directory_iterator(fs::path(root) / "lib", e)) {
      const fs::path nvidia = entry.path() / "site-packages" / "nvidia";
      add(nvidia / "cu13" / "lib");
      add(nvidia / wheel / "lib");
    }
    if (std::string_view(name) == "CONDA_PREFIX") add(fs::path(root) / "lib");
  }
  return found;
}

}  // namespace tenon::cuda
