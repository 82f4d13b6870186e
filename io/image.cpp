// The one file that knows libpng and libjpeg; see image.h.
#include "io/image.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it before itself

#include <jpeglib.h>
#include <png.h>

#include "io/file.h"

namespace tenon::io {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 31;  // of one picture; larger ones are damaged headers

// libjpeg reports by a callback that must not return: it jumps back to the reader.
struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf back;
};
void jump_back(j_common_ptr codec) { std::longjmp(reinterpret_cast<JpegErrors*>(codec->err)->back, 1); }
void count_warning(j_common_ptr codec, int level) {
  if (level < 0) ++codec->err->num_warnings;
}
void say_nothing(j_common_ptr) {}

enum class Read { whole, damaged, too_large };

// Nothing here may have a destructor that a jump would skip: the tensor is the caller's.
Read read_jpeg(const std::string& bytes, int channels, Tensor& out) {
  jpeg_decompress_struct codec;
  JpegErrors errors;
  codec.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = jump_back;
  errors.base.emit_message = count_warning;
  errors.base.output_message = say_nothing;
  if (setjmp(errors.back)) {
    jpeg_destroy_decompress(&codec);
    return Read::damaged;
  }
  jpeg_create_decompress(&codec);
  jpeg_mem_src(&codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&codec, TRUE);
  codec.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_EXT_RGBA;
  codec.dct_method = JDCT_ISLOW;
  if (static_cast<uint64_t>(codec.image_width) * codec.image_height * static_cast<uint64_t>(channels) > kMostBytes) {
    jpeg_destroy_decompress(&codec);
    return Read::too_large;
  }
  jpeg_start_decompress(&codec);
  out = Tensor(DType::u8, {codec.output_height, codec.output_width, channels});
  while (codec.output_scanline < codec.output_height) {
    JSAMPROW row = out.data<uint8_t>() + static_cast<size_t>(codec.output_scanline) * codec.output_width * static_cast<size_t>(channels);
    jpeg_read_scanlines(&codec, &row, 1);
  }
  jpeg_finish_decompress(&codec);
  const bool warned = errors.base.num_warnings > 0;  // it was cut off, and the rest made up
  jpeg_destroy_decompress(&codec);
  return warned ? Read::damaged : Read::whole;
}

Read read_png(const std::string& bytes, int channels, Tensor& out) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) return Read::damaged;
  image.format = channels == 1 ? PNG_FORMAT_GRAY : channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  if (static_cast<uint64_t>(image.width) * image.height * static_cast<uint64_t>(channels) > kMostBytes) {
    png_image_free(&image);
    return Read::too_large;
  }
  out = Tensor(DType::u8, {image.height, image.width, channels});
  const png_color black{0, 0, 0};  // behind what is transparent, where no alpha is asked for
  const bool read = png_image_finish_read(&image, &black, out.raw(), 0, nullptr) != 0;
  const bool warned = image.warning_or_error != 0;
  png_image_free(&image);
  return read && !warned ? Read::whole : Read::damaged;
}

}  // namespace

Tensor read_image(const std::string& path, int channels, Loc where) {
  const std::string bytes = read_file(path, where);
  auto fault = [&](const std::string& why) {
    fail(Code::E0903, where, "'" + shown(path) + "' " + why, "", {}, Fault::data);
  };
  Tensor out;
  Read read = Read::damaged;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) read = read_png(bytes, channels, out);
  else if (bytes.starts_with("\xff\xd8\xff")) read = read_jpeg(bytes, channels, out);
  else fault("is neither a PNG nor a JPEG picture");
  if (read == Read::damaged) fault("is cut off or damaged: the picture cannot be read");
  if (read == Read::too_large) fault("is larger than 2 GiB, or damaged");
  return out;
}

}  // namespace tenon::io
