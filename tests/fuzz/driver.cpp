// Drives a fuzz target without libFuzzer: every file of the corpus, then inputs made of them by
// random changes, the same ones in every run: so many, or for some seconds. For the suite; to find
// more, use `./dev fuzz`, whose libFuzzer sees which code an input reaches.
//
//   fuzz_NAME [--inputs N] [--seconds N] [--seed N] [--tokens DICTIONARY] FILE_OR_FOLDER ...
//
// An input that crashes, takes more than 20 s of the processor or breaks a law is written to ./crash-NAME.
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

constexpr unsigned kPatience = 20;      // seconds for one input
constexpr size_t kLongest = 16 * 1024;  // bytes of a made input

std::string current, crash_name;

void keep_input() {
  const int file = open(crash_name.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (file >= 0) {
    [[maybe_unused]] ssize_t done = write(file, current.data(), current.size());
    close(file);
  }
}

void on_signal(int signal) {
  keep_input();
  const char* what = signal == SIGPROF ? "hangs" : "crashes";
  char line[256];
  const int n = std::snprintf(line, sizeof line, "%s: signal %d; the input is in %s\n", what, signal,
                              crash_name.c_str());
  [[maybe_unused]] ssize_t done = write(2, line, static_cast<size_t>(n));
  _exit(77);
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

// The tokens of a dictionary in libFuzzer's format: name="text", with \\ \" \xAB inside.
std::vector<std::string> tokens_of(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t from = line.find('"'), to = line.rfind('"');
    if (line.starts_with('#') || from == std::string::npos || to <= from) continue;
    std::string token;
    for (size_t i = from + 1; i < to; ++i) {
      if (line[i] != '\\') {
        token += line[i];
      } else if (line[i + 1] == 'x') {
        token += static_cast<char>(std::stoi(line.substr(i + 2, 2), nullptr, 16));
        i += 3;
      } else {
        token += line[++i];
      }
    }
    out.push_back(token);
  }
  return out;
}

class Maker {
 public:
  Maker(std::vector<std::string> corpus, std::vector<std::string> tokens, uint32_t seed)
      : corpus_(std::move(corpus)), tokens_(std::move(tokens)), random_(seed) {}

  std::string make() {
    std::string s = some();
    if (s.size() > 4096 && roll(4)) {  // a part of a large one, or small ones would be rare
      const size_t from = line_start(s, roll(s.size()));
      s = s.substr(from, 256 + roll(2048));
    }
    for (size_t changes = 1 + roll(6); changes > 0; --changes) change(s);
    if (s.size() > kLongest) s.resize(kLongest);
    return s;
  }

 private:
  size_t roll(size_t n) { return n == 0 ? 0 : random_() % n; }
  const std::string& some() { return corpus_[roll(corpus_.size())]; }

  static size_t line_start(const std::string& s, size_t at) {
    const size_t found = s.rfind('\n', at);
    return found == std::string::npos ? 0 : found + 1;
  }
  // A word, number, blank or sign around a place: (from, length).
  static std::pair<size_t, size_t> word_at(const std::string& s, size_t at) {
    if (s.empty()) return {0, 0};
    auto in_word = [&](size_t i) {
      return isalnum(static_cast<unsigned char>(s[i])) || s[i] == '_' || s[i] == '.';
    };
    if (!in_word(at)) return {at, 1};
    size_t from = at, to = at + 1;
    while (from > 0 && in_word(from - 1)) --from;
    while (to < s.size() && in_word(to)) ++to;
    return {from, to - from};
  }

  void change(std::string& s) {
    static const std::string kNumbers[] = {"0", "1", "-1", "2", "3.5", "1e308", "1e400", "255",
                                           "9223372036854775807", "18446744073709551616", "nan"};
    const size_t at = roll(s.size());
    switch (roll(12)) {
      case 0:  // a bit
        if (!s.empty()) s[at] = static_cast<char>(s[at] ^ (1 << roll(8)));
        return;
      case 1:  // a byte
        if (!s.empty()) s[at] = static_cast<char>(roll(256));
        return;
      case 2:
        if (!s.empty()) s.erase(at, 1 + roll(roll(4) ? 4 : 64));
        return;
      case 3:
        s.insert(at, 1, static_cast<char>(roll(256)));
        return;
      case 4: {  // twice, or often
        const std::string part = s.substr(at, 1 + roll(roll(3) ? 8 : 80));
        for (size_t n = roll(20) ? 1 : roll(200); n > 0; --n) s.insert(at, part);
        return;
      }
      case 5: {  // from another one
        const std::string& other = some();
        const size_t from = roll(other.size());
        s.insert(at, other.substr(from, 1 + roll(80)));
        return;
      }
      case 6: {  // a line of another one
        const std::string& other = some();
        const size_t from = line_start(other, roll(other.size()));
        s.insert(line_start(s, at), other.substr(from, other.find('\n', from) - from + 1));
        return;
      }
      case 7: {  // two words change places
        const auto [a, an] = word_at(s, at);
        const auto [b, bn] = word_at(s, roll(s.size()));
        if (a + an > b) return;
        const std::string x = s.substr(a, an), y = s.substr(b, bn);
        s.replace(b, bn, x);
        s.replace(a, an, y);
        return;
      }
      case 8: {
        const auto [a, n] = word_at(s, at);
        s.replace(a, n, kNumbers[roll(std::size(kNumbers))]);
        return;
      }
      case 9: {
        const auto [a, n] = word_at(s, at);
        s.erase(a, n);
        return;
      }
      case 10:
        if (!s.empty() && roll(4) == 0) s.resize(at);
        return;
      default:
        if (tokens_.empty()) return change(s);
        const auto [a, n] = word_at(s, at);
        s.replace(a, roll(2) ? n : 0, tokens_[roll(tokens_.size())]);
    }
  }

  std::vector<std::string> corpus_, tokens_;
  std::mt19937 random_;
};

// Of the processor's time: a busy machine is no hang.
void patience(unsigned seconds) {
  itimerval timer{};
  timer.it_value.tv_sec = seconds;
  setitimer(ITIMER_PROF, &timer, nullptr);
}

void feed(const std::string& input) {
  current = input;
  patience(kPatience);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
  patience(0);
}

}  // namespace

int main(int count, char** arguments) {
  double seconds = 0;
  size_t inputs = 0;
  uint32_t seed = 1;
  std::vector<std::string> corpus, tokens;
  crash_name = "crash-" + std::filesystem::path(arguments[0]).filename().string();
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--seconds") {
      seconds = std::stod(arguments[++i]);
    } else if (word == "--inputs") {
      inputs = std::stoul(arguments[++i]);
    } else if (word == "--seed") {
      seed = static_cast<uint32_t>(std::stoul(arguments[++i]));
    } else if (word == "--tokens") {
      tokens = tokens_of(arguments[++i]);
    } else if (std::filesystem::is_directory(word)) {
      std::vector<std::filesystem::path> files;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(word))
        if (entry.is_regular_file()) files.push_back(entry.path());
      std::sort(files.begin(), files.end());  // the same order on every machine
      for (const auto& file : files) corpus.push_back(contents(file));
    } else {
      corpus.push_back(contents(word));
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus\n");
    return 2;
  }
  for (int s : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGPROF}) signal(s, on_signal);
  for (const std::string& input : corpus) feed(input);
  Maker maker(corpus, tokens, seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  size_t made = 0;
  for (; made < inputs || std::chrono::steady_clock::now() < end; ++made) feed(maker.make());
  std::printf("%zu files of the corpus, %zu inputs made of them\n", corpus.size(), made);
  return 0;
}
