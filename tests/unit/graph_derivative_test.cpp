// rooms: support ir runtime kernels interp loop llvm
// The tests of derivatives, run in graph mode.
#include "tests/unit/graph_interpreter.h"

#include "tests/unit/differentiate_rules_test.cpp"
#include "tests/unit/differentiate_test.cpp"
