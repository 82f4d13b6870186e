// Numbers as short text for messages at run time, the same in every way of running: the shortest
// decimal that reads back, tensors in brackets on one line and cut short. (`print` takes format.h.)
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace tenon {

std::string show_element(DType t, const void* element);
std::string show(const Tensor& t);

// `text` with its holes {} and {:spec} filled with the values in order; {{ and }} stand for braces.
std::string fill_holes(std::string_view text, std::span<const Tensor> values);

}  // namespace tenon
