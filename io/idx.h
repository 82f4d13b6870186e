// The idx files of MNIST and its relatives, plain or packed with gzip.
#pragma once

#include <string>

#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

// E0901 if the file cannot be read; E0903 if it is not a whole idx file of a dtype that Tenon has.
Tensor read_idx(const std::string& path, Loc where);

}  // namespace tenon::io
