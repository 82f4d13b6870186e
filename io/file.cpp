// Reading, and writing that cannot leave half a file; see file.h.
#include "io/file.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <new>
#include <sys/stat.h>
#include <unistd.h>

namespace tenon::io {
namespace {

constexpr size_t kPending = 1 << 18;

[[noreturn]] void unreadable(const std::string& path, int error, Loc where) {
  std::string hint;
  if (error == EISDIR) hint = "name a file inside the folder";
  fail(Code::E0901, where, "cannot read '" + shown(path) + "': " + because(error), hint, {},
       Fault::data);
}

int open_retrying(const char* path, int flags, mode_t mode = 0) {
  int descriptor;
  do descriptor = ::open(path, flags | O_CLOEXEC, mode);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A name beside the file that is to be replaced, which no other process uses.
std::string next_temporary(const std::string& target) {
  static std::atomic<int> serial{0};
  return folder_of(target) + "/.tenon-" + std::to_string(::getpid()) + "-" + std::to_string(serial++) + ".tmp";
}

}  // namespace

// A few causes get a sentence of their own; the C library's words do for the rest.
std::string because(int error) {
  switch (error) {
    case ENOENT:
      return "there is no such file or folder";
    case EACCES:
    case EPERM:
      return "permission is missing";
    case EISDIR:
      return "it is a folder";
    case ENOTDIR:
      return "a part of its path is not a folder";
    case EROFS:
      return "the file system is read-only";
    case ENOSPC:
      return "the disk is full";
    case EDQUOT:
      return "the disk quota is used up";
    case EFBIG:
      return "it grows beyond the size that a file may have here";
    case ENAMETOOLONG:
      return "its name is too long";
    case EMFILE:
    case ENFILE:
      return "too many files are open";
    default:
      return std::strerror(error);
  }
}

std::string shown(std::string_view text) {
  constexpr size_t kLongest = 200;
  std::string out;
  for (char c : text.substr(0, kLongest)) {
    auto byte = static_cast<unsigned char>(c);
    out += byte < 32 || byte == 127 ? '?' : c;
  }
  if (text.size() > kLongest) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    out += "...";
  }
  return out;
}

std::string locate(const std::string& path, const std::string& program_folder, Loc where) {
  if (path.find('\0') != std::string::npos)
    fail(Code::E0901, where, "a path cannot contain the character 0", {}, {}, Fault::data);
  std::error_code ignored;
  namespace fs = std::filesystem;
  if (fs::exists(path, ignored)) return path;
  bool relative = !path.empty() && path[0] != '/';
  std::string beside = (program_folder.empty() ? std::string(".") : program_folder) + "/" + path;
  if (relative && fs::exists(beside, ignored)) return beside;
  std::vector<Note> notes;
  if (relative) {
    notes.push_back({{}, "looked in " + shown(fs::current_path(ignored).string())});
    if (!fs::equivalent(program_folder.empty() ? "." : program_folder, ".", ignored))
      notes.push_back({{}, "and beside the program, in " + shown(program_folder)});
  }
  std::vector<std::string> neighbours;
  std::string folder = folder_of(path), name = path.substr(path.rfind('/') + 1);
  for (const std::string& at : {folder, folder_of(beside)})
    for (auto it = fs::directory_iterator(at, ignored); !ignored && it != fs::directory_iterator();
         it.increment(ignored)) {
      neighbours.push_back(it->path().filename().string());
      if (neighbours.size() > 1000) break;
    }
  std::vector<std::string> near = near_misses(name, neighbours);
  fail(Code::E0901, where, "cannot read '" + shown(path) + "': " + because(ENOENT),
       near.empty() ? "" : "there is a file '" + shown(near[0]) + "'", std::move(notes),
       Fault::data);
}

// ---------------------------------------------------------------- reading

InputFile::InputFile(const std::string& path, Loc where) : path_(path), where_(where) {
  descriptor_ = open_retrying(path.c_str(), O_RDONLY);
  if (descriptor_ < 0) unreadable(path, errno, where);
  struct stat info {};
  int error = ::fstat(descriptor_, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
  if (error != 0) {
    ::close(descriptor_);
    unreadable(path, error, where);
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(uint64_t offset, void* into, size_t bytes) const {
  char* at = static_cast<char*>(into);
  while (bytes > 0) {
    ssize_t got = ::pread(descriptor_, at, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) unreadable(path_, errno, where_);
    if (got == 0)
      fail(Code::E0901, where_, "cannot read '" + shown(path_) + "': it ends before it should", {},
           {}, Fault::data);
    at += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

std::string read_file(const std::string& path, Loc where) {
  InputFile checked(path, where);
  int descriptor = open_retrying(path.c_str(), O_RDONLY);
  if (descriptor < 0) unreadable(path, errno, where);
  std::string out;
  try {
    size_t used = 0;
    out.resize(checked.size() + 1);  // one more, so that the end shows without another turn
    for (;;) {
      ssize_t got = ::read(descriptor, out.data() + used, out.size() - used);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        int error = errno;
        ::close(descriptor);
        unreadable(path, error, where);
      }
      if (got == 0) break;
      used += static_cast<size_t>(got);
      if (used == out.size()) out.resize(std::max<size_t>(out.size() * 2, 1 << 16));
    }
    out.resize(used);
  } catch (const std::bad_alloc&) {
    ::close(descriptor);
    fail(Code::E0805, where, "'" + shown(path) + "' does not fit into memory", {}, {}, Fault::data);
  }
  ::close(descriptor);
  return out;
}

// ---------------------------------------------------------------- writing

OutputFile::OutputFile(const std::string& path, Loc where)
    : path_(path), target_(path), where_(where) {
  if (path.empty()) fail_with(ENOENT);
  if (path.find('\0') != std::string::npos) fail_with(EINVAL);
  struct stat info {};
  bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) fail_with(EISDIR);
  if (exists && ::access(path.c_str(), W_OK) != 0) fail_with(errno);
  if (exists && !S_ISREG(info.st_mode)) {
    descriptor_ = open_retrying(path.c_str(), O_WRONLY);
    if (descriptor_ < 0) fail_with(errno);
    return;
  }
  // A link stays a link: what it points to is replaced.
  if (char* real = ::realpath(path.c_str(), nullptr)) {
    target_ = real;
    std::free(real);
  }
  // A file without a name, where the file system has them: a process that is killed leaves nothing.
  temporary_ = next_temporary(target_);
  if (::access("/proc/self/fd", X_OK) == 0)  // through which commit() gives it its name
    descriptor_ = open_retrying(folder_of(target_).c_str(), O_WRONLY | O_TMPFILE, 0666);
  for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {
    temporary_ = next_temporary(target_);
    descriptor_ = open_retrying(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0) {
    int error = errno;
    temporary_.clear();
    fail_with(error);
  }
  if (exists) (void)!::fchmod(descriptor_, info.st_mode & 07777);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::fail_with(int error) {
  std::string hint;
  if (error == ENOENT && !path_.empty() && path_.find('/') != std::string::npos)
    hint = "make the folder '" + shown(folder_of(path_)) + "' first";
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
  fail(Code::E0902, where_, "cannot write '" + shown(path_) + "': " + because(error),
       std::move(hint), {}, Fault::data);
}

void OutputFile::flush() {
  const char* at = pending_.data();
  size_t left = pending_.size();
  while (left > 0) {
    ssize_t put = ::write(descriptor_, at, left);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_with(errno);
    at += put;
    left -= static_cast<size_t>(put);
  }
  pending_.clear();
}

void OutputFile::write(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    size_t part = std::min(bytes, kPending - pending_.size());
    pending_.append(from, part);
    from += part;
    bytes -= part;
    if (pending_.size() == kPending) flush();
  }
}

void OutputFile::commit() {
  flush();
  // Not every file system and no pipe knows fsync; that alone is no reason to refuse.
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
    fail_with(errno);
  // Only a name can be renamed onto another, so a file without one is given one for that moment.
  struct stat info {};
  if (!temporary_.empty() && ::fstat(descriptor_, &info) == 0 && info.st_nlink == 0) {
    const std::string self = "/proc/self/fd/" + std::to_string(descriptor_);
    while (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      if (errno != EEXIST) fail_with(errno);
      temporary_ = next_temporary(target_);
    }
  }
  int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) fail_with(errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_with(errno);
  temporary_.clear();
  // The new name must survive a power cut as well; where a folder cannot be synced, it is done.
  int folder = open_retrying(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY);
  if (folder >= 0) {
    (void)::fsync(folder);
    ::close(folder);
  }
}

void write_file(const std::string& path, std::string_view contents, Loc where) {
  OutputFile file(path, where);
  file.write(contents.data(), contents.size());
  file.commit();
}

}  // namespace tenon::io
