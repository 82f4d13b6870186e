// Questions about syntax that need no types: which names a piece of program assigns, and whether it
// jumps out of itself.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "frontend/ast.h"

namespace tenon::elab {

struct Jumps {
  bool breaks = false;   // break or continue of a loop around it
  bool returns = false;  // return of the function around it
};
Jumps scan_jumps(const std::vector<const ast::Stmt*>& list);

// Whether what stands after the list can be reached from its end: false where it ends with a jump on
// every path.
bool may_fall_through(const std::vector<const ast::Stmt*>& list);

// Names on the left of an assignment anywhere inside, nested blocks and loops included.
std::set<std::string> assigned_names(const std::vector<const ast::Stmt*>& list);
std::set<std::string> assigned_names(const ast::Expr& e);
// The fields of names on the left of an assignment: lr of `next.lr = ..`.
std::set<std::string> assigned_fields(const ast::FnBody& body);

}  // namespace tenon::elab
