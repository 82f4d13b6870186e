// Counted memory over a device; see buffer.h.
#include "runtime/buffer.h"

#include "runtime/device.h"

namespace tenon {

boost::intrusive_ptr<Buffer> Buffer::allocate(size_t bytes, Device& device) {
  std::byte* p = device.take(bytes);
  auto* b = new Buffer;
  b->device_ = &device;
  b->data_ = p;
  b->size_ = bytes;
  return boost::intrusive_ptr<Buffer>(b);
}

boost::intrusive_ptr<Buffer> Buffer::borrow(void* data, size_t bytes,
                                            std::function<void()> release) {
  auto* b = new Buffer;
  b->data_ = static_cast<std::byte*>(data);
  b->size_ = bytes;
  b->device_ = &cpu();
  b->borrowed_ = true;
  b->release_ = std::move(release);
  return boost::intrusive_ptr<Buffer>(b);
}

void Buffer::destroy(Buffer* b) {
  if (b->borrowed_) {
    if (b->release_) b->release_();
  } else {
    b->device_->give(b->data_, b->size_);
  }
  delete b;
}

MemoryUse memory_use() { return cpu().use(); }
void reset_peak_memory() { cpu().reset_peak(); }

}  // namespace tenon
