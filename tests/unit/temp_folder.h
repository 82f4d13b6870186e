// A folder of a test's own, gone when the test is; and the message of an expected UserError.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <unistd.h>

#include "support/diagnostic.h"

namespace tenon {

class TempFolder {
 public:
  TempFolder() {
    // In memory where that is possible: the tests that damage files at random write thousands.
    std::string name = "/dev/shm/tenon-test-XXXXXX";
    if (const char* made = mkdtemp(name.data())) {
      path_ = made;
      return;
    }
    name = (std::filesystem::temp_directory_path() / "tenon-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  std::string put(const std::string& name, std::string_view contents) const {
    std::ofstream(*this / name, std::ios::binary) << contents;
    return *this / name;
  }
  std::string get(const std::string& name) const {
    std::ifstream in(*this / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  int count() const {
    auto all = std::filesystem::directory_iterator(path_);
    return static_cast<int>(std::distance(begin(all), end(all)));
  }

 private:
  std::string path_;
};

// Runs `f`, which must throw a UserError with this code and the data's fault; gives its message.
template <class F>
std::string error_of(Code code, F&& f) {
  try {
    f();
  } catch (const UserError& e) {
    EXPECT_EQ(code_name(e.diagnostic.code), code_name(code)) << e.what();
    EXPECT_EQ(e.diagnostic.fault, Fault::data) << e.what();
    std::string all = e.diagnostic.message;
    for (const Note& note : e.diagnostic.notes) all += "\nnote: " + note.text;
    if (!e.diagnostic.hint.empty()) all += "\nhint: " + e.diagnostic.hint;
    return all;
  }
  ADD_FAILURE() << "no error";
  return {};
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
#define EXPECT_CONTAINS(text, part) EXPECT_PRED2(::tenon::contains, text, part)

}  // namespace tenon
