// Which loops over elements may be printed so that a thread takes several elements at a time: 16 bytes of
// what lies beside each other in memory are then one access (print.cpp; tn_take and tn_give in
// kernels/cuda/prelude.cuh). It asks the loop IR alone, and is exact: no order of anything changes.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "jit/cuda/idiom.h"
#include "jit/loop/loop.h"

namespace tenon::cuda {

class Wide {
 public:
  // Of a `for` or a `fold`; at most so many at a time.
  Wide(const loop::Function& f, const loop::Stmt& loop, int most = 8);

  // Elements of a thread at a time; 1 where nothing lies side by side, a body is more than a line of
  // statements, or has so much to compute that memory is not what it waits for.
  int width() const { return width_; }
  // Whether what element i + 1 accesses lies behind what element i does.
  bool beside(loop::Expr address, loop::Expr index) const { return stride(address) == 0 && stride(index) == 1; }
  bool sets(loop::Var v) const { return set_.contains(v); }
  loop::Var index() const { return index_; }
  // The accesses of that kind, each as address, index and type.
  struct Access {
    loop::Expr address, index;
    loop::Ty ty;
  };
  const std::vector<Access>& accesses() const { return accesses_; }

 private:
  // How far an index moves from one element to the next; none where it is anything else.
  std::optional<int64_t> stride(loop::Expr e) const;
  // False where an element's statements cannot be taken one after the other for several elements.
  bool line(const loop::Stmt& loop);
  void look(loop::Expr e, std::set<loop::Expr>& seen);

  const loop::Function& f_;
  Idioms idioms_;
  loop::Var index_;
  int width_ = 1;
  std::map<loop::Var, loop::Expr> set_;  // by the body; kNone: more than once
  std::vector<Access> accesses_;
};

// The loop over its items, where a kernel in the shape `thread` is nothing but that and takes several at a time.
const loop::Stmt* wide_items(const loop::Function& f);
int items_each(const loop::Function& f);  // of a thread at a time

}  // namespace tenon::cuda
