// Looks a name of PyTorch up in the tables of docs/from_pytorch.md, whose rows are `| there | here |`.
#include <algorithm>
#include <cctype>
#include <vector>

#include "frontend/foreign_page.h"

namespace tenon {
namespace {

// The pieces between backticks.
std::vector<std::string_view> codes(std::string_view cell) {
  std::vector<std::string_view> out;
  for (size_t at = cell.find('`'); at != cell.npos;) {
    const size_t end = cell.find('`', at + 1);
    if (end == cell.npos) break;
    out.push_back(cell.substr(at + 1, end - at - 1));
    at = cell.find('`', end + 1);
  }
  return out;
}

// Whether a cell is nothing but a list of pieces of code: then they stand in the order of the other cell's.
bool plain_list(std::string_view cell, const std::vector<std::string_view>& pieces) {
  size_t length = 2 * (pieces.size() - 1);  // the commas, each with its blank
  for (std::string_view piece : pieces) length += piece.size() + 2;
  return length == cell.size();
}

// torch.cat, x.view(n, -1) and F.pad(..) begin with a path whose last name is what it is called.
bool calls_it(std::string_view code, std::string_view word) {
  size_t end = 0;
  while (end < code.size() && (std::isalnum(static_cast<unsigned char>(code[end])) || code[end] == '_' || code[end] == '.')) ++end;
  const std::string_view path = code.substr(0, end);
  return path == word || (path.size() > word.size() && path.ends_with(word) && path[path.size() - word.size() - 1] == '.');
}

// As it reads without Markdown.
std::string plain(std::string_view cell) {
  std::string out;
  for (size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] == '`' || (cell[i] == '*' && i + 1 < cell.size() && cell[i + 1] == '*') || (cell[i] == '*' && i > 0 && cell[i - 1] == '*')) continue;
    if (cell[i] == '\\' && i + 1 < cell.size() && cell[i + 1] == '|') continue;
    if (cell[i] == ']' && i + 1 < cell.size() && cell[i + 1] == '(') {  // of a link, its text stays
      i = std::min(cell.find(')', i), cell.size() - 1);
      continue;
    }
    if (cell[i] == '[' && cell.find("](", i) < cell.find(']', i) + 1 && cell.find("](", i) != cell.npos) continue;
    out += cell[i];
  }
  return out;
}

}  // namespace

std::string foreign_page(std::string_view word) {
  if (word.size() < 2) return "";
  std::string_view page = kFromPytorch;
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(line.size() + 1, page.size()));
    const size_t middle = line.find(" | ");
    if (!line.starts_with("| ") || !line.ends_with(" |") || middle == line.npos || middle + 3 > line.size() - 2) continue;
    const std::string_view there = line.substr(2, middle - 2), here = line.substr(middle + 3, line.size() - 2 - (middle + 3));
    const auto names = codes(there), ours = codes(here);
    for (size_t i = 0; i < names.size(); ++i)
      if (calls_it(names[i], word)) return names.size() == ours.size() && plain_list(here, ours) ? plain(ours[i]) : plain(here);
  }
  return "";
}

}  // namespace tenon
