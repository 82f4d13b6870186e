// The cache on disk: entries come back whole or not at all.
// rooms: support ir runtime io
#include "io/cache.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/temp_folder.h"

namespace tenon::io {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  ::chmod(path.c_str(), 0600);
}
// As if it had been used for the last time so many seconds ago.
void age(const std::string& path, int seconds) {
  timespec times[2];
  ::clock_gettime(CLOCK_REALTIME, &times[0]);
  times[0].tv_sec -= seconds;
  times[1] = times[0];
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

class DiskCacheTest : public testing::Test {
 protected:
  TempFolder temp;
  std::string folder = (temp / "cache/deep");
  std::string at(const std::string& key) { return folder + "/" + key; }
};

TEST_F(DiskCacheTest, Keeps) {
  DiskCache cache(folder, 1000000);
  EXPECT_EQ(cache.get("a"), std::nullopt);
  const std::string text("x\0y", 3), large(100001, 'l');
  cache.put("a", text);
  cache.put("b", large);
  cache.put("c", "");
  DiskCache later(folder, 1000000);
  EXPECT_EQ(later.get("a"), text);
  EXPECT_EQ(later.get("b"), large);
  EXPECT_EQ(later.get("c"), "");
  EXPECT_EQ(later.get("d"), std::nullopt);
  EXPECT_EQ(later.use().entries, 3);
  later.put("a", "other");
  EXPECT_EQ(cache.get("a"), "other");
}

TEST_F(DiskCacheTest, TakesDamagedEntriesAway) {
  DiskCache cache(folder, 1000000);
  const std::string text = "the quick brown fox";
  cache.put("a", text);
  const std::string good = bytes_of(at("a"));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ 16);
    write(at("a"), flipped);
    EXPECT_EQ(cache.get("a"), std::nullopt) << "byte " << i;
    EXPECT_FALSE(fs::exists(at("a"))) << "byte " << i;
    write(at("a"), good.substr(0, i));
    EXPECT_EQ(cache.get("a"), std::nullopt) << "first " << i;
    EXPECT_FALSE(fs::exists(at("a"))) << "first " << i;
  }
  write(at("a"), good + "x");
  EXPECT_EQ(cache.get("a"), std::nullopt);
  write(at("b"), good);  // an entry under another's name
  EXPECT_EQ(cache.get("b"), std::nullopt);
  write(at("a"), good);
  EXPECT_EQ(cache.get("a"), text);
}

TEST_F(DiskCacheTest, WhatWasNotUsedForLongestGoes) {
  DiskCache cache(folder, 10000);
  const std::string block(900, 'x');
  for (int i = 0; i < 10; ++i) {
    cache.put("k" + std::to_string(i), block);
    age(at("k" + std::to_string(i)), 100000 - i * 1000);
  }
  EXPECT_TRUE(cache.get("k0"));  // now it is the one used last
  cache.put("new", std::string(1200, 'y'));
  const DiskCache::Use use = cache.use();
  EXPECT_LE(use.bytes, 10000);
  EXPECT_GE(use.bytes, 5000);
  EXPECT_TRUE(cache.get("k0"));
  EXPECT_TRUE(cache.get("k9"));
  EXPECT_TRUE(cache.get("new"));
  EXPECT_FALSE(cache.get("k1"));
  cache.put("huge", std::string(10001, 'z'));  // would take the place of all others
  EXPECT_FALSE(cache.get("huge"));
  for (int i = 0; i < 200; ++i) cache.put("m" + std::to_string(i), block);
  EXPECT_LE(cache.use().bytes, 12000);  // looked through every eighth of the limit
}

TEST_F(DiskCacheTest, RemovesWhatKilledProcessesLeft) {
  DiskCache cache(folder, 10000);
  cache.put("a", "x");
  write(at("b.part1.0"), "half");
  write(at("c.part1.1"), "half, but of a process that may still be at it");
  age(at("b.part1.0"), 4000);
  EXPECT_EQ(cache.use().entries, 1);
  DiskCache(folder, 10000).put("d", "x");
  EXPECT_FALSE(fs::exists(at("b.part1.0")));
  EXPECT_TRUE(fs::exists(at("c.part1.1")));
}

TEST_F(DiskCacheTest, ReadsNothingThatOthersCouldHaveWritten) {
  DiskCache cache(folder, 10000);
  cache.put("a", "x");
  ::chmod(at("a").c_str(), 0666);
  EXPECT_EQ(cache.get("a"), std::nullopt);
  ::chmod(at("a").c_str(), 0644);
  EXPECT_EQ(cache.get("a"), "x");
  fs::create_symlink(at("a"), at("b"));
  EXPECT_EQ(cache.get("b"), std::nullopt);
  fs::create_directory(at("c"));
  EXPECT_EQ(cache.get("c"), std::nullopt);
}

TEST_F(DiskCacheTest, AFolderThatCannotBeIsNoFault) {
  write((temp / "file"), "x");
  for (const std::string& wrong : {(temp / "file") + "/cache", std::string("/proc/tenon"), std::string("/dev/null")}) {
    DiskCache cache(wrong, 10000);
    cache.put("a", "x");
    EXPECT_EQ(cache.get("a"), std::nullopt) << wrong;
    EXPECT_EQ(cache.use().entries, 0) << wrong;
  }
}

}  // namespace
}  // namespace tenon::io
