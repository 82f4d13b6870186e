// The rest of the story of a code, behind the sentence in the table of codes: the usual cause, an
// example, the way out. For `tenon explain E0301` and docs/errors.md.
#pragma once

#include <string_view>

#include "support/diagnostic.h"

namespace tenon {

std::string_view more_of_story(Code code);  // empty where the sentence says it all

}  // namespace tenon
