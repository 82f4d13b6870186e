// What `tenon doc` tells: every name that a program may use without defining it, with its head as
// written and the ## lines above it. The library's texts are the only source; primitives, which have
// no text, have a row in the table of builtins, and words of the language one in statement_docs.cpp.
#pragma once

#include <string>
#include <vector>

namespace tenon {

struct DocEntry {
  std::string module;  // "" for the prelude, "nn" ..: what is imported
  std::string page;    // the library file it stands in, "statements" and "primitives" for what is built in
  std::string name;    // as it is written in a program: "softmax", "nn.conv2d"
  std::string head;    // "fn softmax(x: T[...], axis: int = -1) -> T[...] where T: float"
  std::string text;    // the ## lines; empty if there are none
};

struct DocPage {
  std::string name;   // "loss", "nn/convolution", "primitives"
  std::string intro;  // the comment at the top of the file
  std::vector<DocEntry> entries;
};

std::vector<DocPage> library_docs();  // statements, primitives, then the files by name

}  // namespace tenon
