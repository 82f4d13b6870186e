// NumPy's .npy files: one tensor each.
#pragma once

#include <string>
#include <string_view>

#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

// E0901 if the file cannot be read; E0903 if it is not a whole .npy file of a dtype that Tenon has.
Tensor read_npy(const std::string& path, Loc where);
// The same from the contents of a file; `name` stands in messages.
Tensor parse_npy(std::string_view bytes, const std::string& name, Loc where);
void write_npy(const std::string& path, const Tensor& tensor, Loc where);

}  // namespace tenon::io
