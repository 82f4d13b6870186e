// What a kernel throws when numbers or sizes at run time make it impossible to go on. It knows no
// place in the program: whoever runs the node adds that and makes it a UserError.
#pragma once

#include <exception>
#include <string>

#include "support/diagnostic.h"

namespace tenon {

struct Trap : std::exception {
  Trap(Code c, std::string m, std::string h = {}, Fault f = Fault::data)
      : code(c), message(std::move(m)), hint(std::move(h)), fault(f) {}
  const char* what() const noexcept override { return message.c_str(); }
  Code code;
  std::string message;
  std::string hint;
  Fault fault;
};

}  // namespace tenon
