// The types of a node's results follow from its operation, operands, attribute and regions, and from
// nothing else. The builder asks here, the verifier asks again.
#pragma once

#include <string>

#include "ir/function.h"

namespace tenon::ir {

// Result types, or what is wrong in `error` (a sentence for our own eyes: the frontend has spoken to
// the user before). `node.results` is not looked at.
struct Inferred {
  std::vector<Type> types;
  std::string error;
};
Inferred infer(Module& module, const Function& fn, const Node& node);

}  // namespace tenon::ir
