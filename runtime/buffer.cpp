// Counted memory over a device; see buffer.h.
#include "runtime/buffer.h"

#include "runtime/device.h"
#include "runtime/trap.h"

namespace tenon {

boost::intrusive_ptr<Buffer> Buffer::allocate(size_t bytes, Device& device) {
  std::byte* p = device.take(bytes);
  auto* b = new Buffer;
  if (device.host_memory()) {
    b->data_ = p;
  } else {
    b->device_ = &device;
    b->mirror_ = p;
  }
  b->size_ = bytes;
  return boost::intrusive_ptr<Buffer>(b);
}

boost::intrusive_ptr<Buffer> Buffer::borrow(void* data, size_t bytes,
                                            std::function<void()> release) {
  auto* b = new Buffer;
  b->data_ = static_cast<std::byte*>(data);
  b->size_ = bytes;
  b->borrowed_ = true;
  b->release_ = std::move(release);
  return boost::intrusive_ptr<Buffer>(b);
}

boost::intrusive_ptr<Buffer> Buffer::grown(size_t bytes) const {
  Device& device = mirror_ ? *device_ : cpu();
  boost::intrusive_ptr<Buffer> b;
  if (appended_) {
    try {
      b = allocate(2 * bytes, device);
    } catch (const Trap&) {  // then without room to spare
    }
  }
  if (!b) b = allocate(bytes, device);
  b->appended_ = true;
  return b;
}

void Buffer::destroy(Buffer* b) {
  b->forget();
  if (b->mirror_) b->device_->give(b->mirror_, b->size_);
  if (b->borrowed_) {
    if (b->release_) b->release_();
  } else if (b->data_) {
    cpu().give(b->data_, b->size_);
  }
  delete b;
}

void Buffer::forget() { delete derived_.exchange(nullptr, std::memory_order_acq_rel); }

Derived& Buffer::derived(Derived* (*make)()) {
  Derived* known = derived_.load(std::memory_order_acquire);
  if (known) return *known;
  Derived* fresh = make();
  if (derived_.compare_exchange_strong(known, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *known;
}

void Buffer::fetch() {
  std::byte* p = cpu().take(size_);
  device_->copy_out(p, mirror_, size_);
  data_ = p;
}

std::byte* Buffer::on(Device& device) {
  if (device.host_memory()) return data();
  if (mirror_ && device_ == &device) return mirror_;
  if (mirror_) {  // on another one: by way of the host
    data();
    device_->give(mirror_, size_);
  }
  mirror_ = device.take(size_);
  device_ = &device;
  device.copy_in(mirror_, data_, size_);
  return mirror_;
}

MemoryUse memory_use() { return cpu().use(); }
void reset_peak_memory() { cpu().reset_peak(); }

}  // namespace tenon
