// rooms: cuda io kernels cuda_kernels runtime ir support
// Whether NVRTC takes every kernel that the suite has run on the emulated GPU: each that its texts in the cache
// hold, once, for one of the architectures of every generation, with the registers and spills that it comes to.
//
//   nvrtc_kernels FOLDER      the texts, as the emulator keeps them
//
// In the environment: TENON_NVRTC_SECONDS (20) is when no other kernel is begun, "all" takes every one for every
// architecture. What has been compiled is known in FOLDER/nvrtc, so that another run takes others.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "jit/cuda/nvrtc.h"
#include "kernels/cuda/kernels.h"

using namespace tenon;
namespace fs = std::filesystem;

namespace {

constexpr const char* kArchitectures[] = {"sm_80", "sm_90a", "sm_100"};
constexpr size_t kLong = 8000;   // characters of a kernel that takes NVRTC seconds
constexpr size_t kPiece = 6000;  // of kernels that share a compilation

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

// FNV-1a, which is the same in every run.
std::string name_of(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  char name[24];
  std::snprintf(name, sizeof name, "k%016llx", static_cast<unsigned long long>(h));
  return name;
}

// Every kernel behind today's families, under a name of its own: name and text.
std::map<std::string, std::string> kernels_in(const fs::path& folder) {
  const std::string prelude(kernels::cuda_prelude()), start = "TN_KERNEL ";
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".cu") continue;
    const std::string text = read(entry.path());
    if (!text.starts_with(prelude) || text.find("bad", prelude.size()) != std::string::npos) continue;  // planted bugs
    if (text.find("TN_WARPGROUP", prelude.size()) != std::string::npos) continue;  // their own test compiles them
    for (size_t at = text.find(start, prelude.size()); at != std::string::npos; at = text.find(start, at + 1)) {
      const size_t arguments = text.find('(', at), end = text.find("\n}\n", at);
      if (arguments == std::string::npos || end == std::string::npos) break;
      const std::string body = text.substr(arguments, end + 3 - arguments), name = name_of(prelude + body);
      found[name] = start + name + body;
    }
  }
  return found;
}

struct Work {
  std::string arch, text;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: nvrtc_kernels FOLDER\n", 2;
  if (!cuda::nvrtc_state().found) {
    std::cout << "NVRTC was not found (./dev nvrtc fetches it): nothing was compiled\n";
    return 0;
  }
  const fs::path folder = argv[1], known_file = folder / "nvrtc";
  if (!fs::exists(folder)) return std::cerr << "no kernels in " << folder << ": run the entries of cudasim first\n", 1;
  const char* const limit = std::getenv("TENON_NVRTC_SECONDS");
  const bool all = limit && std::string_view(limit) == "all";
  const double seconds = limit && !all ? std::atof(limit) : 20;
  const auto kernels = kernels_in(folder);
  if (kernels.empty()) return std::cerr << "no kernels of today's families in " << folder << "\n", 1;

  // Lines of the file: architecture, kernel, registers, bytes spilled.
  const std::string version = cuda::nvrtc_state().text;
  std::map<std::pair<std::string, std::string>, std::pair<int, int64_t>> known;
  std::ifstream before(known_file);
  std::string line, arch, name;
  if (std::getline(before, line) && line == version) {
    int registers;
    int64_t spilled;
    while (before >> arch >> name >> registers >> spilled)
      if (kernels.contains(name)) known[{arch, name}] = {registers, spilled};
  }

  size_t wanted = 0;
  std::vector<Work> work;
  for (size_t a = 0; a < std::size(kArchitectures); ++a) {
    work.push_back({kArchitectures[a], ""});
    for (const auto& [k, text] : kernels) {
      const bool its_own = static_cast<size_t>(k.back()) % std::size(kArchitectures) == a;
      if (!all && (!its_own || text.size() > kLong)) continue;
      ++wanted;
      if (known.contains({kArchitectures[a], k})) continue;
      if (work.back().text.size() + text.size() > kPiece && !work.back().text.empty()) work.push_back({kArchitectures[a], ""});
      work.back().text += text;
    }
  }
  std::erase_if(work, [](const Work& w) { return w.text.empty(); });
  // The architectures take turns, the long ones come last.
  std::stable_sort(work.begin(), work.end(), [](const Work& a, const Work& b) { return name_of(a.text) < name_of(b.text); });
  std::stable_sort(work.begin(), work.end(), [](const Work& a, const Work& b) {
    return (a.text.size() > kLong) < (b.text.size() > kLong);
  });
  const auto start = std::chrono::steady_clock::now();
  std::mutex lock;
  size_t next = 0;
  auto compile = [&] {
    for (;;) {
      Work w;
      {
        const std::lock_guard hold(lock);
        if (next == work.size()) return;
        if (!all && std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds) return;
        w = work[next++];
      }
      std::string log;
      cuda::compile_cubin(w.text, w.arch, &log);  // what it refuses ends the run with the kernel and the line
      const std::lock_guard hold(lock);
      for (const cuda::KernelUse& u : cuda::uses_of(log)) known[{w.arch, u.name}] = {u.registers, u.spilled};
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) others.emplace_back(compile);
  compile();
  for (std::thread& t : others) t.join();

  std::ofstream after(known_file);
  after << version << "\n";
  std::set<std::string> which;
  int most = 0, spilling = 0;
  for (const auto& [key, use] : known) {
    after << key.first << " " << key.second << " " << use.first << " " << use.second << "\n";
    which.insert(key.second);
    most = std::max(most, use.first);
    if (use.second == 0) continue;
    ++spilling;
    std::cout << key.second << " spills " << use.second << " bytes for " << key.first << ":\n" << kernels.at(key.second).substr(0, 2000) << "\n";
  }
  std::cout << "NVRTC has taken " << known.size() << " of " << wanted << " compilations asked for (" << which.size() << " of "
            << kernels.size() << " kernels): at most " << most << " registers, " << spilling << " spill\n";
  return spilling > 0;
}
