// `tenon explain --emit=plan`: what is fused, what is not and why, and what lies in memory between,
// in terms of the source.
#pragma once

#include <string>

#include "ir/function.h"
#include "jit/compiled.h"

namespace tenon {

class SourceMap;

namespace plan {

// fn is behind the exact passes already.
std::string explain(const ir::Function& fn, const Dims& dims, const CompileOptions& options,
                    const SourceMap& sources);

}  // namespace plan
}  // namespace tenon
