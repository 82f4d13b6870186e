// Numbers as text, as `print` shows them (rule 16): a scalar as the shortest decimal that reads back
// the same in its dtype; a tensor the way NumPy prints one, in aligned columns, cut after 1000
// numbers; and Python's format mini-language for both.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/tensor.h"

namespace tenon {

// One element at `element`, as `print` shows a scalar: 3  3.0  1e+16  -inf  nan  true.
std::string format_element(DType t, const void* element);

// [[fill]align][sign][0][width][.precision][type], with type one of d e f g s %, or nothing. On a
// tensor the format holds for every element. Throws Trap E0401 where the format does not fit the
// dtype (`d` of a float, a precision of a whole number) or is none.
std::string format(const Tensor& value, std::string_view spec = {});

// What is wrong with the format for this dtype; empty when nothing is.
std::string wrong_format(std::string_view spec, DType t);

// `text` with its holes {} and {:spec} filled with the values in order; {{ and }} stand for braces.
// {difference} takes two values: where two tensors of one shape first differ, and by how much at most.
// `plain` shows what a hole without a format holds.
std::string format_plain(const Tensor& value);
std::string fill_template(std::string_view text, std::span<const Tensor> values,
                          std::string (*plain)(const Tensor&) = format_plain);

// Pads text of known contents by a format without a type, or with type s: "{name:>10}".
std::string format_text(std::string_view text, std::string_view spec);

}  // namespace tenon
