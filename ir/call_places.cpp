// The table of calls that are gone (call_places.h).
#include "ir/call_places.h"

#include <utility>

namespace tenon::ir {

uint32_t CallPlaces::inside(Loc call) {
  auto [at, fresh] = known_.emplace(call, static_cast<uint32_t>(calls_.size() + 1));
  if (fresh) calls_.push_back(call);
  return at->second;
}

uint32_t CallPlaces::inside(uint32_t via, Loc call) {
  if (!call.known()) return via;
  if (via == 0) return inside(call);
  Loc inner = calls_[via - 1];
  inner.via = inside(inner.via, call);
  return inside(inner);
}

void CallPlaces::spell_out(Diagnostic& d) const {
  std::vector<Loc> out;
  auto follow = [&](Loc place) {
    for (uint32_t via = place.via; via != 0; via = calls_[via - 1].via) {
      Loc call = calls_[via - 1];
      call.via = 0;
      out.push_back(call);
    }
  };
  follow(d.where);
  d.where.via = 0;
  for (Loc call : d.calls) {
    out.push_back(call);
    out.back().via = 0;
    follow(call);
  }
  d.calls = std::move(out);
}

}  // namespace tenon::ir
