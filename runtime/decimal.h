// Between format.cpp and format_tensor.cpp: a number's decimal digits, cut or shortest.
#pragma once

#include <functional>
#include <string>

#include "runtime/tensor.h"

namespace tenon {

// d.ddd * 10^exponent, of a finite number's absolute value.
struct Decimal {
  std::string digits;  // at least one; the first is 0 for zero only
  int exponent = 0;

  void trim();                           // drops trailing zeros
  bool increment();                      // of the last digit; false if it is 9
  int fraction() const;                  // digits behind the point when written out
  std::string positional() const;        // 120.0  0.5: always with a point
  std::string scientific(int at_least) const;  // 1e+16, 1.50e-07 with at least so many behind the point
};

Decimal shortest(DType t, const void* element);  // that reads back the same in its dtype
Decimal decimal_with(double v, int fraction);    // so many digits behind the first, rounded exactly
std::string fixed(double v, int fraction);       // |v| < 1e308 written out
std::string general(double v, int precision);    // printf's %g

double real_of(DType t, const void* element);
int64_t integer_of(DType t, const void* element);

// A tensor of rank >= 1 in brackets and aligned columns.
std::string format_plain_tensor(const Tensor& value);
std::string format_tensor(const Tensor& value, const std::function<std::string(const void*)>& element);

}  // namespace tenon
