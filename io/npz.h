// NumPy's .npz files: a zip of .npy members.
#pragma once

#include <string>

#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

// The array `name`. E0901 if the file cannot be read; E0903 if it is damaged, or has no such array (the
// message lists those it has).
Tensor read_npz(const std::string& path, const std::string& name, Loc where);

}  // namespace tenon::io
