// Which calls a node came in by, once the call itself is gone: a body that was put in place of its
// call keeps the place of that call as `Loc::via`. So a message can name every call on the way, and
// a program that runs pays nothing for it.
#pragma once

#include <unordered_map>
#include <vector>

#include "support/diagnostic.h"
#include "support/source.h"

namespace tenon::ir {

class CallPlaces {
 public:
  // What `via` is for a node put in place of the call at `call` (whose own via tells the calls
  // around that one).
  uint32_t inside(Loc call);
  // The same for a node that came in by `via` into a body that is put in place of `call` in turn.
  uint32_t inside(uint32_t via, Loc call);

  // Replaces every `via` of a diagnostic by the calls it stands for, in `Diagnostic::calls`.
  void spell_out(Diagnostic& d) const;

 private:
  struct Hash {
    size_t operator()(const Loc& l) const {
      return ((static_cast<size_t>(l.file) * 1000003 + l.begin) * 1000003 + l.end) * 1000003 + l.via;
    }
  };
  std::vector<Loc> calls_;  // via counts from 1
  std::unordered_map<Loc, uint32_t, Hash> known_;
};

}  // namespace tenon::ir
