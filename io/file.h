// Whole files in and out: the one place of the io room that opens, reads, writes and renames.
// Every failure is a UserError of Fault::data that names the file; `where` is the place in the
// program that asked for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::io {

// Where a reader finds `path`: as it stands (from where the command was started), else, if it is
// relative, beside the program. Throws E0901, naming both places, if it is in neither.
std::string locate(const std::string& path, const std::string& program_folder, Loc where);

// A file open for reading. E0901 for what is missing, a folder, or may not be read.
class InputFile {
 public:
  InputFile(const std::string& path, Loc where);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  uint64_t size() const { return size_; }
  // Fills `into` from `offset`. E0901 if the disk or the file's length do not allow it.
  void read(uint64_t offset, void* into, size_t bytes) const;

 private:
  std::string path_;
  Loc where_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

// The contents of a file, or of a pipe.
std::string read_file(const std::string& path, Loc where);

// A file that appears under its name all at once or not at all: written without a name (or beside it,
// where the file system has no such files), brought to the disk, renamed by commit(). Without commit()
// nothing is left behind. E0902 for whatever goes wrong. A device or pipe (/dev/stdout) is written directly.
class OutputFile {
 public:
  OutputFile(const std::string& path, Loc where);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail_with(int error);
  void flush();
  std::string path_, target_, temporary_;  // temporary_ is empty where writing is direct
  Loc where_;
  int descriptor_ = -1;
  std::string pending_;
};

void write_file(const std::string& path, std::string_view contents, Loc where);

// Why the system refused, in words for a message: `error` is an errno.
std::string because(int error);

// Text from a file as a message may show it: cut, and without control bytes.
std::string shown(std::string_view text);

}  // namespace tenon::io
