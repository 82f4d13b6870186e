// `tenon doc [NAME]`: what the library offers.
#include <algorithm>
#include <cctype>
#include <cstdio>

#include "frontend/foreign_names.h"
#include "frontend/foreign_page.h"
#include "repl/command.h"
#include "session/library_doc.h"

namespace tenon {
namespace {

std::string first_sentence(const std::string& text) {
  size_t end = text.find(". ");  // but not that of "et al. 2016"
  while (end != text.npos && end + 2 < text.size() &&
         !std::isupper(static_cast<unsigned char>(text[end + 2])))
    end = text.find(". ", end + 1);
  std::string line = text.substr(0, end == text.npos ? text.npos : end + 1);
  line = line.substr(0, line.find('\n'));
  return line;
}

void print_entry(const DocEntry& e) {
  std::printf("%s\n", e.head.c_str());
  if (!e.module.empty()) std::printf("  import %s\n", e.module.c_str());
  if (!e.text.empty()) {
    std::string text = "  " + e.text;
    for (size_t i = text.find('\n'); i != text.npos; i = text.find('\n', i + 3))
      text.insert(i + 1, "  ");
    std::printf("%s\n", text.c_str());
  }
  if (e.page != "primitives" && e.page != "statements") std::printf("  (stdlib/%s.model)\n", e.page.c_str());
}

void print_list(const std::vector<DocPage>& pages) {
  for (const DocPage& page : pages) {
    if (page.entries.empty()) continue;
    std::printf("%s\n", page.name.c_str());
    for (const DocEntry& e : page.entries)
      std::printf("  %-22s %s\n", e.name.c_str(), first_sentence(e.text).c_str());
  }
  std::puts("\n`tenon doc NAME` tells more about one.");
}

// The pages of docs/library, one behind the other; tools/make_library_pages.py cuts them apart.
void print_markdown(const std::vector<DocPage>& pages) {
  for (const DocPage& page : pages) {
    if (page.entries.empty()) continue;
    std::printf("<!-- page %s -->\n# %s\n\n", page.name.c_str(), page.name.c_str());
    if (!page.intro.empty()) std::printf("%s\n\n", page.intro.c_str());
    if (!page.entries[0].module.empty())
      std::printf("`import %s`\n\n", page.entries[0].module.c_str());
    for (const DocEntry& e : page.entries) {
      std::printf("## %s\n\n```\n%s\n```\n\n", e.name.c_str(), e.head.c_str());
      if (!e.text.empty()) std::printf("%s\n\n", e.text.c_str());
    }
  }
}

}  // namespace

int command_doc(const Invocation& invocation) {
  const std::vector<DocPage> pages = library_docs();
  if (invocation.has("--markdown")) {
    print_markdown(pages);
    return 0;
  }
  if (invocation.operands.empty()) {
    print_list(pages);
    return 0;
  }
  const std::string& name = invocation.operands[0];
  std::vector<std::string> names;
  bool found = false;
  for (const DocPage& page : pages)
    for (const DocEntry& e : page.entries) {
      names.push_back(e.name);
      const bool without_module = !e.module.empty() && e.name == e.module + "." + name;
      if (e.name != name && e.module != name && !without_module) continue;
      if (found) std::putchar('\n');
      print_entry(e);
      found = true;
    }
  if (found) return 0;
  // What others call it: the same words as in the message about a name that is not known.
  auto* foreign = foreign_name(Place::name, name);
  if (!foreign) foreign = foreign_name(Place::member, name);
  if (const std::string here = foreign ? std::string(foreign->hint) : foreign_page(name); !here.empty()) {
    std::printf("`%s` is a name of other libraries. Here: %s\n", name.c_str(), here.c_str());
    return 0;
  }
  std::vector<std::string> near = near_misses(name, names);
  fail(Code::E1001, {}, "neither the language nor the library has '" + name + "'",
       near.empty() ? "`tenon doc` lists what it has" : "did you mean " + near[0] + "?");
}

}  // namespace tenon
