// NumPy's .npy files: one tensor each.
#pragma once

#include <string>

#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

// E0901 if the file cannot be read; E0903 if it is not a whole .npy file of a dtype that Tenon has.
Tensor read_npy(const std::string& path, Loc where);
void write_npy(const std::string& path, const Tensor& tensor, Loc where);

}  // namespace tenon::io
