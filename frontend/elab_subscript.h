// What reading x[..] and assigning to it share.
#pragma once

#include "frontend/elab.h"

namespace tenon::elab {

// Which part of a tuple or a list (`what`) a subscript names; -1 counts from the end.
size_t part_at(Elab& e, const ast::Sub& sub, size_t count, const std::string& what, const ScopePtr& s);

}  // namespace tenon::elab
