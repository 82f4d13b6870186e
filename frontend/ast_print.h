// The syntax tree as text, for `tenon explain --emit=ast` and for tests: one node a line, its parts
// indented below it. Equal trees give equal text; places are left out.
#pragma once

#include <string>

#include "frontend/ast.h"

namespace tenon {

std::string print_ast(const ast::Module& module);
std::string print_ast(const ast::Expr& expr);
std::string print_ast(const ast::TypeExpr& type);  // in one line, as it would be written

}  // namespace tenon
