// Kernels over threads: a launch cuts its range into pieces, streams large results past the caches, and
// has the slow interpreter find out which trap it was when a piece met one.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <emmintrin.h>

#include "jit/loop/runtime.h"
#include "runtime/distance.h"

namespace tenon::loop {

namespace {

// Results beyond this size are not in the caches any more when somebody reads them; stored past
// the caches they cost no reading of what they replace.
constexpr int64_t kStreamed = int64_t{16} << 20;

// Whole lines of 64 bytes, past the caches; `to` begins one.
void stream_out(std::byte* to, const std::byte* from, int64_t bytes) {
  const int64_t whole = bytes & ~int64_t{63};
  for (int64_t i = 0; i < whole; i += 16)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm_load_si128(reinterpret_cast<const __m128i*>(from + i)));
  std::memcpy(to + whole, from + whole, static_cast<size_t>(bytes - whole));
}

bool streams(const Function& kernel, const int64_t* args, int64_t range) {
  int64_t bytes = 0;
  for (const Streamed& s : kernel.streamed) {
    bytes += s.bytes * range;
    if (args[s.param] & 63) return false;
  }
  return bytes >= kStreamed;
}

// fn over [lo, hi), lo a multiple of 64: what it streams is made block by block in the first cache
// and goes to memory from there.
int64_t run_streaming(Context* context, const Function& kernel, KernelFn fn, const int64_t* args,
                      int64_t lo, int64_t hi) {
  constexpr int64_t kBlock = 8192;  // bytes of each
  constexpr size_t kMost = 4;
  if (kernel.streamed.size() > kMost) return fn(context, args, lo, hi);
  alignas(64) thread_local std::byte memory[kMost * kBlock];
  std::vector<int64_t> own(args, args + kernel.params.size());
  int64_t step = kBlock;
  for (const Streamed& s : kernel.streamed) step = std::min(step, kBlock / s.bytes);
  int64_t status = 0;
  for (int64_t at = lo; at < hi && status == 0; at += step) {
    const int64_t end = std::min(hi, at + step);
    for (size_t i = 0; i < kernel.streamed.size(); ++i) {
      const Streamed& s = kernel.streamed[i];
      own[s.param] = reinterpret_cast<int64_t>(memory + i * kBlock) - at * s.bytes;
    }
    status = fn(context, own.data(), at, end);
    for (size_t i = 0; i < kernel.streamed.size() && status == 0; ++i) {
      const Streamed& s = kernel.streamed[i];
      stream_out(reinterpret_cast<std::byte*>(args[s.param]) + at * s.bytes, memory + i * kBlock,
                 (end - at) * s.bytes);
    }
  }
  _mm_sfence();
  return status;
}

int64_t run_kernel(Context* context, uint32_t kernel, KernelFn fn, const int64_t* args,
                   int64_t range, int64_t work) {
  // About 10 us of simple work a chunk; what fits in one is not worth another thread.
  constexpr int64_t kGrain = 32768, kNear = 4 * kGrain;  // below: only for a core that is near
  if (range <= 0) return 0;
  int64_t chunk = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work));
  // Much work in few long pieces: what lies behind the end of one is fetched ahead by the machine,
  // though it is another core's to write.
  constexpr int64_t kPieces = 16;  // a thread
  chunk = std::max(chunk, range / (kPieces * context->run.threads.count()));
  if (chunk > 64) chunk &= ~int64_t{63};
  int64_t chunks = (range + chunk - 1) / chunk;
  int64_t failed = -1;
  const Function& code = context->program.kernels[kernel];
  const bool stream = !code.streamed.empty() && chunk % 64 == 0 && streams(code, args, range);
  if (chunks == 1 || context->run.threads.count() == 1 ||
      (range * work < kNear && cores_are_far())) {
    if ((stream ? run_streaming(context, code, fn, args, 0, range)
                : fn(context, args, 0, range)) == 0)
      return 0;
    context->error.reset();
    return interpret_kernel(*context, kernel, args, 0, range);
  }
  std::atomic<int64_t> lowest{chunks};
  context->run.threads.each(chunks, [&](int64_t i) {
    const int64_t lo = i * chunk, hi = std::min(range, lo + chunk);
    if ((stream ? run_streaming(context, code, fn, args, lo, hi) : fn(context, args, lo, hi)) == 0)
      return;
    int64_t seen = lowest.load();
    while (i < seen && !lowest.compare_exchange_weak(seen, i)) {
    }
  });
  failed = lowest.load();
  if (failed == chunks) return 0;
  context->error.reset();  // of a chunk that came to an end without a trap: it is tried again
  if (context->program.kernels[kernel].replay_all)
    return interpret_kernel(*context, kernel, args, 0, range);
  return interpret_kernel(*context, kernel, args, failed * chunk,
                          std::min(range, (failed + 1) * chunk));
}

}  // namespace

int64_t launch(Context* context, uint32_t kernel, KernelFn fn, const int64_t* args, int64_t range,
               int64_t work) {
  Profiler* profiler = context->run.profiler;
  if (!profiler) [[likely]]
    return run_kernel(context, kernel, fn, args, range, work);
  const auto begin = Profiler::Clock::now();
  const int64_t status = run_kernel(context, kernel, fn, args, range, work);
  const Function& k = context->program.kernels[kernel];
  profiler->record(k.name, k.places.empty() ? Loc{} : k.places[0], begin, 0);
  return status;
}

}  // namespace tenon::loop
