// See stories.h.
#include "support/stories.h"

#include <utility>

namespace tenon {

std::string_view more_of_story(Code code) {
  static constexpr std::pair<Code, std::string_view> kStories[] = {
#define STORY(id, more) {Code::id, more},
#include "support/stories.def"
#undef STORY
  };
  for (const auto& [of, more] : kStories)
    if (of == code) return more.substr(1);  // behind the newline that begins it
  return {};
}

}  // namespace tenon
