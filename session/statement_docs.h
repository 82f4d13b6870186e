// The pages of `tenon doc` about the words of the language: let, model, train ..
#pragma once

#include <vector>

#include "frontend/elaborate.h"

namespace tenon {

std::vector<PrimitiveDoc> statement_docs();

}  // namespace tenon
