// Index notation: let c[i, j] = sum[k] a[i, k] * b[k, j].
#include "frontend/elab.h"

namespace tenon::elab {

Val Elab::index_bind(const ast::IndexBind& b, const ScopePtr&) {
  error(Code::E0411, b.loc, "index notation is not built yet");
}

Val Elab::reduction(const ast::Reduction& r, const ScopePtr&) {
  error(Code::E0411, r.loc, "index notation is not built yet");
}

}  // namespace tenon::elab
