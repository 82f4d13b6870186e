// The safetensors format (huggingface.co/docs/safetensors): an 8-byte length, a JSON header, and
// the tensors' bytes. Read strictly: nothing in a file is believed before it is checked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/tensor.h"
#include "support/diagnostic.h"

namespace tenon::io {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct TensorFile {
  std::vector<NamedTensor> tensors;  // sorted by name
  std::map<std::string, std::string> metadata;

  const Tensor* find(std::string_view name) const;
};

// E0901 if the file cannot be read, E0903 if it is not a whole and well-formed safetensors file.
TensorFile read_safetensors(const std::string& path, Loc where);

// Atomic (see OutputFile), and the same bytes for the same tensors, in whatever order they come.
// E0902 if it cannot be written.
void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata, Loc where);

}  // namespace tenon::io
