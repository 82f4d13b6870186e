// What the host's processor calls itself: for `tenon doctor`, and to refuse one by name.
#pragma once

#include <string>

namespace tenon {

std::string cpu_name();  // "unknown" where it does not say

}  // namespace tenon
