// What the text of a file alone tells about its names, without a call and without types: names that
// nothing defines, in functions that nobody calls too, and names that nobody uses. `tenon check` asks
// this beside elaborating, which sees only what is reached with types.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "frontend/ast.h"
#include "support/diagnostic.h"

namespace tenon {

struct LintResult {
  struct Unknown {
    std::string name;
    Loc where;
  };
  std::vector<Unknown> unknown;   // names that are neither defined in reach nor `outside`
  std::vector<Diagnostic> notes;  // what is defined and not used; all are warnings
  std::vector<Diagnostic> wrong;  // what is wrong in a signature whoever calls it
};

// `outside`: whether a name is known without this file (the library, dtypes).
LintResult lint(const ast::Module& module, const std::function<bool(const std::string&)>& outside);

}  // namespace tenon
