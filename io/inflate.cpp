// The one file that knows zlib; see inflate.h.
#include "io/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "io/file.h"

namespace tenon::io {
namespace {

constexpr size_t kPiece = 1 << 20;

uInt piece_of(size_t left) { return static_cast<uInt>(std::min<size_t>(left, std::numeric_limits<uInt>::max())); }

}  // namespace

bool inflate_raw(std::string_view packed, std::string& into, size_t size) {
  z_stream z{};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return false;
  // Grown as it comes: a size that a damaged file claims is not believed before there is something behind it.
  into.clear();
  size_t taken = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t have = into.size();
    into.resize(have + std::min(kPiece, size + 1 - have));
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
    z.avail_in = piece_of(packed.size() - taken);
    const uInt given = z.avail_in;
    z.next_out = reinterpret_cast<Bytef*>(into.data() + have);
    z.avail_out = static_cast<uInt>(into.size() - have);
    state = inflate(&z, Z_NO_FLUSH);
    taken += given - z.avail_in;
    into.resize(into.size() - z.avail_out);
    if (into.size() > size) break;
  }
  inflateEnd(&z);
  return state == Z_STREAM_END && into.size() == size;
}

std::string read_file_or_gzip(const std::string& path, Loc where) {
  std::string bytes = read_file(path, where);
  if (!bytes.starts_with("\x1f\x8b")) return bytes;
  std::string out;
  z_stream z{};
  if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) bug("zlib does not start");
  size_t taken = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t have = out.size();
    out.resize(have + kPiece);
    z.next_in = reinterpret_cast<Bytef*>(bytes.data() + taken);
    z.avail_in = piece_of(bytes.size() - taken);
    const uInt given = z.avail_in;
    z.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    z.avail_out = kPiece;
    state = inflate(&z, Z_NO_FLUSH);
    taken += given - z.avail_in;
    out.resize(out.size() - z.avail_out);
    // Several gzip streams one behind the other are one file.
    if (state == Z_STREAM_END && taken < bytes.size()) state = inflateReset(&z);
  }
  inflateEnd(&z);
  if (state != Z_STREAM_END)
    fail(Code::E0903, where, "'" + shown(path) + "' is cut off or damaged: its gzip stream cannot be unpacked", "", {}, Fault::data);
  return out;
}

}  // namespace tenon::io
