// Plans the arena: which blocks of the drivers need no memory of their own, since all that lives in
// them is known before the run. Runs over finished drivers, callees first, and changes nothing but
// where fresh blocks lie.
//
// A block is followed by the variables that may hold it (through copies, loops, calls and updates in
// place) and lives while one of them, or an address made of one, is still used. Blocks that leave the
// run (results of the outermost function), go onto a tape, or whose size only the run knows stay
// counted; so does everything in a function that is part of a recursion. A result of a called function
// lies in its caller's frame.
#pragma once

#include "jit/plan/lower.h"

namespace tenon::plan {

// `order`: the functions of the unit by their number.
void plan_arena(Unit& unit, const std::vector<ir::FnId>& order);

}  // namespace tenon::plan
