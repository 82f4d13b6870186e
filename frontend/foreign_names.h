// What other languages and libraries call things: for a name that is not known here, the way Tenon
// says it. The words that show while parsing are in parse_foreign.cpp.
#pragma once

#include <string_view>

namespace tenon {

// Where the unknown word stands.
enum class Place { name, member, parameter, type };

struct ForeignName {
  std::string_view word;
  std::string_view hint;
  // A name of the library that the hint uses: it is only given where that is known.
  std::string_view needs = "";
};

// Null: nobody is known to call it that.
const ForeignName* foreign_name(Place place, std::string_view word);

}  // namespace tenon
