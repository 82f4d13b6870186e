// Elements of constants: numbers to and from the bytes of their dtype. f16 and bf16 round to
// nearest, ties to even, straight from the f64; an integer dtype takes the number's whole part and
// saturates.
#pragma once

#include <cstdint>
#include <string>

#include "ir/function.h"

namespace tenon::ir {

void append_number(std::string& bytes, DType t, double v);
void append_integer(std::string& bytes, DType t, int64_t v);  // wraps to the dtype; bool is v != 0

double number_at(const Literal& literal, size_t i);    // exact for all but i64 beyond 2^53
int64_t integer_at(const Literal& literal, size_t i);  // of an integer or bool literal
uint64_t bits_at(const Literal& literal, size_t i);    // the element's bytes as one word

Literal number_literal(DType t, double v);
Literal integer_literal(DType t, int64_t v);
size_t element_count(const std::vector<int64_t>& shape);

}  // namespace tenon::ir
