// rooms: support ir runtime kernels interp loop llvm
// The interpreter's own tests, run in graph mode: the same programs and the same expectations.
#include "tests/unit/graph_interpreter.h"

#include "tests/unit/interp_derivative_test.cpp"
#include "tests/unit/interp_random_test.cpp"
#include "tests/unit/interp_tensor_test.cpp"
#include "tests/unit/interp_test.cpp"
