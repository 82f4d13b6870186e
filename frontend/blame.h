// Which place a message is about, and what of the calls that led there it tells.
#pragma once

#include <functional>
#include <vector>

#include "support/diagnostic.h"

namespace tenon {

// Makes the message one about the innermost place in the user's own text, when the mistake shows in
// the library. What shows there and the other calls on the way become notes. `calls`: innermost first.
void blame(Diagnostic& d, const std::vector<Loc>& calls, const std::function<bool(Loc)>& library);

}  // namespace tenon
