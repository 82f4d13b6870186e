// What PyTorch calls things and what stands here, out of docs/from_pytorch.md: one source for those who
// read the page, for messages and for `tenon doc`.
#pragma once

#include <string>
#include <string_view>

namespace tenon {

// What the page says of a name of PyTorch; empty: it does not name it.
std::string foreign_page(std::string_view word);
extern const std::string_view kFromPytorch;  // the page, put in when building

}  // namespace tenon
