// Sizes: polynomials with whole coefficients over size symbols, floor-divisions, minima and maxima.
// Every Dim of a module is kept once in its normal form, so two sizes are known to be equal exactly
// when their DimIds are (design.md a4).
//
// A symbol is *rigid* when a signature names it: it stands for every size, so two rigid symbols are
// never equal by luck and `x: f32[N] + y: f32[M]` is an error at once. It is *existential* when data
// or a computed number brings it: equality with another size is then left to one check at run time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/source.h"

namespace tenon {

using SymId = uint32_t;
using DimId = uint32_t;

struct Symbol {
  std::string name;
  Loc where;  // the place that bound it, for messages
  bool rigid = true;
  bool signed_ = false;  // a number that the program passes, which may be below 0: no size, no length
};

// The size that a type does not tell: `_`. It stands only in types of values that cross a loop, a
// branch or a call while their size changes; `retype` brings it in and takes it out (function.h).
inline constexpr SymId kAnySize = 0;

// symbol -> size, sorted or not; symbols without an entry stay as they are.
using DimSubst = std::vector<std::pair<SymId, DimId>>;

class Dims {
 public:
  Dims();

  SymId fresh(std::string name, Loc where, bool rigid, bool signed_ = false);
  const Symbol& symbol_info(SymId s) const { return symbols_[s]; }
  size_t symbol_count() const { return symbols_.size(); }

  DimId constant(int64_t value);
  DimId symbol(SymId s);
  DimId any() const { return any_; }  // `_`
  DimId add(DimId a, DimId b);
  DimId sub(DimId a, DimId b);
  DimId mul(DimId a, DimId b);
  DimId floordiv(DimId a, DimId b);  // b > 0 is the caller's promise; floordiv(k*x, k) is x
  DimId min(DimId a, DimId b);
  DimId max(DimId a, DimId b);

  std::optional<int64_t> value(DimId d) const;     // when d is a constant
  std::optional<SymId> as_symbol(DimId d) const;   // when d is one symbol and nothing else
  std::vector<SymId> symbols(DimId d) const;       // all that occur but `_`, ascending
  bool has_existential(DimId d) const;

  // The difference a - b when it is a constant.
  std::optional<int64_t> distance(DimId a, DimId b) const;
  // Whether d >= 0 shows in its form: sizes are never negative, numbers that a program passes may be.
  bool known_nonnegative(DimId d) const;

  // Solves p == a for the one symbol of `unknown` that p is linear in; nullopt when p has none, more
  // than one or not linearly. `exact` tells whether the division by its coefficient is proved even.
  struct Solution {
    SymId symbol;
    DimId value;
    bool exact;
  };
  std::optional<Solution> solve(DimId p, DimId a, const std::vector<SymId>& unknown);

  DimId substitute(DimId d, const DimSubst& subst);
  int64_t evaluate(DimId d, const std::function<int64_t(SymId)>& value_of) const;
  std::string text(DimId d) const;  // "2*H + 1"
  std::string text(DimId d, const std::function<std::string(SymId)>& name) const;

  // For those who compile a size: the normal form itself.
  struct Atom {
    enum Kind : uint8_t { sym, floordiv, min, max } kind = sym;
    SymId s = 0;
    DimId a = 0, b = 0;
    auto operator<=>(const Atom&) const = default;
  };
  struct Term {
    int64_t coefficient = 0;
    std::vector<Atom> atoms;  // sorted; a product
    auto operator<=>(const Term&) const = default;
  };
  struct Poly {
    int64_t constant = 0;
    std::vector<Term> terms;  // sorted by atoms, coefficients not zero
    auto operator<=>(const Poly&) const = default;
  };
  const Poly& poly(DimId d) const { return polys_[d]; }  // stays where it is
  size_t dim_count() const { return polys_.size(); }

 private:
  DimId intern(Poly p);
  DimId atom(Atom::Kind kind, DimId a, DimId b);
  DimId extreme(Atom::Kind kind, DimId a, DimId b);
  void flatten(Atom::Kind kind, DimId d, std::vector<DimId>& out);
  bool nonnegative(const Poly& p) const;

  DimId any_ = 0;
  std::vector<Symbol> symbols_;
  std::deque<Poly> polys_;       // by DimId; a deque, so that a Poly& stays good
  std::vector<uint64_t> hashes_;  // of each
  std::vector<DimId> table_;     // open addressing: DimId + 1, or 0 for an empty slot
};

}  // namespace tenon
