// Writing TensorBoard's event files; see events.h. The messages are Event and Summary of
// tensorflow/core/util/event.proto and framework/summary.proto, of which scalars need eight fields.
#include "io/events.h"

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "io/file.h"

namespace tenon::io {
namespace {

constexpr size_t kPending = 1 << 16;

constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
    t[i] = c;
  }
  return t;
}();

// TFRecord rotates and shifts a checksum, so that one of data that holds checksums is none of them.
uint32_t masked(std::string_view bytes) {
  const uint32_t c = crc32c(bytes);
  return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

// ---- protocol buffers: a field is its number and its kind, then its value

enum Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void put_varint(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out += static_cast<char>(v);
}
void put_key(std::string& out, int field, Wire wire) { put_varint(out, static_cast<uint64_t>(field << 3 | wire)); }
template <class T>
void put_fixed(std::string& out, T v) {  // little-endian, as every machine that Tenon runs on
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}
void put_bytes(std::string& out, int field, std::string_view text) {
  put_key(out, field, bytes);
  put_varint(out, text.size());
  out += text;
}

// Event: wall_time = 1, step = 2
std::string event_at(int64_t step) {
  std::string out;
  put_key(out, 1, fixed64);
  put_fixed(out, std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
  put_key(out, 2, varint);
  put_varint(out, static_cast<uint64_t>(step));
  return out;
}

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "localhost";
  for (char& c : name)
    if (c == '/') c = '_';
  return name;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t c = ~0u;
  for (char b : bytes) c = kTable[(c ^ static_cast<unsigned char>(b)) & 255] ^ (c >> 8);
  return ~c;
}

EventWriter::EventWriter(const std::string& folder, int64_t step, Loc where) : path_(folder), where_(where) {
  std::error_code wrong;
  std::filesystem::create_directories(folder, wrong);
  if (wrong) fail_with(wrong.value());
  static std::atomic<int> serial{0};
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  path_ = folder + "/events.out.tfevents." + std::to_string(now.count()) + "." + machine_name() + "." +
          std::to_string(::getpid()) + "." + std::to_string(serial++);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_with(errno);
  std::string version = event_at(0);
  put_bytes(version, 3, "brain.Event:2");  // file_version
  record(version);
  std::string session, start = event_at(step);
  put_key(session, 1, varint);  // SessionLog: status = START
  put_varint(session, 1);
  put_bytes(start, 7, session);
  record(start);
  flush();
}

EventWriter::~EventWriter() {
  if (descriptor_ < 0) return;
  try {
    flush();
  } catch (const UserError&) {  // said before, or too late to say
  }
  ::close(descriptor_);
}

void EventWriter::scalar(std::string_view tag, int64_t step, double value) {
  std::string item;  // Summary.Value: tag = 1, simple_value = 2
  put_bytes(item, 1, tag);
  put_key(item, 2, fixed32);
  put_fixed(item, static_cast<float>(value));
  std::string summary, event = event_at(step);
  put_bytes(summary, 1, item);
  put_bytes(event, 5, summary);
  record(event);
}

void EventWriter::record(std::string_view event) {
  std::string length;
  put_fixed(length, static_cast<uint64_t>(event.size()));
  pending_ += length;
  put_fixed(pending_, masked(length));
  pending_ += event;
  put_fixed(pending_, masked(event));
  if (pending_.size() >= kPending) flush();
}

void EventWriter::flush() {
  const char* at = pending_.data();
  size_t left = pending_.size();
  while (left > 0) {
    const ssize_t put = ::write(descriptor_, at, left);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      pending_.clear();
      fail_with(errno);
    }
    at += put;
    left -= static_cast<size_t>(put);
  }
  pending_.clear();
}

void EventWriter::fail_with(int error) {
  fail(Code::E0902, where_, "cannot write '" + shown(path_) + "': " + because(error), {}, {}, Fault::data);
}

}  // namespace tenon::io
