// Files in and out: what is refused, and that nothing half-written is ever left behind.
// rooms: io support
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/file.h"
#include "tests/unit/temp_folder.h"

namespace tenon::io {
namespace {

TEST(ReadFile, Whole) {
  TempFolder folder;
  std::string text(100'000, 'x');
  text[5] = '\0';
  EXPECT_EQ(read_file(folder.put("a", text), {}), text);
  EXPECT_EQ(read_file(folder.put("b", ""), {}), "");
}

TEST(ReadFile, Refusals) {
  TempFolder folder;
  EXPECT_CONTAINS(error_of(Code::E0901, [&] { read_file(folder / "none", {}); }), "no such file");
  EXPECT_CONTAINS(error_of(Code::E0901, [&] { read_file(folder.path(), {}); }), "folder");
  std::string below = folder.put("file", "") + "/deeper";
  EXPECT_CONTAINS(error_of(Code::E0901, [&] { read_file(below, {}); }), "not a folder");
}

TEST(Locate, HereThenBesideTheProgram) {
  TempFolder folder;
  folder.put("digits.csv", "");
  EXPECT_EQ(locate("digits.csv", folder.path(), {}), folder / "digits.csv");
  EXPECT_EQ(locate(folder / "digits.csv", "/", {}), folder / "digits.csv");
  std::string message = error_of(Code::E0901, [&] { locate("digit.csv", folder.path(), {}); });
  EXPECT_CONTAINS(message, "digits.csv'");
  EXPECT_CONTAINS(message, "beside the program");
  error_of(Code::E0901, [&] { locate(std::string("a\0b", 3), folder.path(), {}); });
  error_of(Code::E0901, [&] { locate("", folder.path() + "/none", {}); });
}

TEST(WriteFile, ReplacesAtOnceAndKeepsMode) {
  TempFolder folder;
  std::string path = folder.put("a", "old");
  chmod(path.c_str(), 0640);
  write_file(path, "new", {});
  EXPECT_EQ(folder.get("a"), "new");
  struct stat info {};
  stat(path.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_EQ(folder.count(), 1);
}

TEST(WriteFile, WithoutCommitNothingChanges) {
  TempFolder folder;
  std::string path = folder.put("a", "old");
  {
    OutputFile file(path, {});
    file.write("half", 4);
  }
  EXPECT_EQ(folder.get("a"), "old");
  EXPECT_EQ(folder.count(), 1);
}

TEST(WriteFile, FollowsALink) {
  TempFolder folder;
  folder.put("a", "old");
  std::filesystem::create_symlink("a", folder / "link");
  write_file(folder / "link", "new", {});
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(folder.get("a"), "new");
}

TEST(WriteFile, Refusals) {
  TempFolder folder;
  std::string message = error_of(Code::E0902, [&] { write_file(folder / "no/file", "x", {}); });
  EXPECT_CONTAINS(message, "hint: make the folder");
  EXPECT_CONTAINS(error_of(Code::E0902, [&] { write_file(folder.path(), "x", {}); }), "folder");
  error_of(Code::E0902, [&] { write_file("", "x", {}); });
  error_of(Code::E0902, [&] { write_file("/proc/tenon", "x", {}); });
  if (geteuid() != 0) {  // root may write anywhere
    chmod(folder.path().c_str(), 0555);
    EXPECT_CONTAINS(error_of(Code::E0902, [&] { write_file(folder / "a", "x", {}); }),
                    "permission");
    chmod(folder.path().c_str(), 0755);
  }
  EXPECT_EQ(folder.count(), 0);
}

TEST(WriteFile, FullDiskLeavesTheOldFile) {
  TempFolder folder;
  EXPECT_CONTAINS(error_of(Code::E0902, [] { write_file("/dev/full", "x", {}); }), "disk is full");
  std::string path = folder.put("a", "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message =
      error_of(Code::E0902, [&] { write_file(path, std::string(1 << 20, 'x'), {}); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_CONTAINS(message, "size");
  EXPECT_EQ(folder.get("a"), "old");
  EXPECT_EQ(folder.count(), 1);
}

TEST(Shown, CutsAndCleans) {
  EXPECT_EQ(shown("a\x01\nb"), "a??b");
  std::string long_text;
  for (int i = 0; i < 200; ++i) long_text += "\xC3\xA9";
  EXPECT_TRUE(shown(long_text).ends_with("\xC3\xA9..."));
}

}  // namespace
}  // namespace tenon::io
