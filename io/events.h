// TensorBoard's event files: records of protocol buffers, framed as TFRecord does. Written only; what
// TensorBoard reads is checked by tests/events_test.py, which shares no line with this writer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::io {

// One event file of its own in a folder, which is made where it is missing. E0902 for whatever goes
// wrong. What has been flushed is in the file even if the process is killed after it.
class EventWriter {
 public:
  // `step`: the first that the run will log. TensorBoard drops what older files of the folder say of it and
  // of later ones: a run that was killed had logged steps that its successor does again.
  EventWriter(const std::string& folder, int64_t step, Loc where);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void scalar(std::string_view tag, int64_t step, double value);
  void flush();
  const std::string& path() const { return path_; }

 private:
  void record(std::string_view event);
  [[noreturn]] void fail_with(int error);

  std::string path_;
  Loc where_;
  int descriptor_ = -1;
  std::string pending_;
};

// CRC-32C (Castagnoli), as iSCSI, ext4 and TFRecord use it.
uint32_t crc32c(std::string_view bytes);

}  // namespace tenon::io
