// Pictures: PNG by libpng and JPEG by libjpeg, told apart by their first bytes.
#pragma once

#include <string>

#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

// u8[height, width, channels]; channels: 1 grey, 3 red green blue, 4 and alpha. E0901 if the file cannot
// be read; E0903 if it is not a whole picture.
Tensor read_image(const std::string& path, int channels, Loc where);

}  // namespace tenon::io
