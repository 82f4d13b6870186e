// What the files of index notation share (elab_index.cpp): its indices, where each of them is seen, and
// over which range it runs. Everything is found from the text before a value is made.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/elab.h"

namespace tenon::elab {

// What is said of an index that stands beside its reduction instead of in it (rule 6b).
inline std::string beyond_reach(std::string_view index) {
  return "the index `" + std::string(index) + "` is used beyond the reach of its reduction";
}
inline constexpr std::string_view kReach =
    "a reduction reaches over a product, not over + or a comparison: put the sum into parentheses";

struct IndexInfo {
  std::string name;
  Loc where;
  std::optional<DimId> range;  // how many
  Val first;                   // IntVal: where a written range begins; null: 0
  bool written = false;
};

// sum of coefficient * index + offset
struct AffineUse {
  std::map<int, int64_t> terms;
  Val offset;  // IntVal
};

class IndexRanges {
 public:
  IndexRanges(Elab& elab, ScopePtr scope) : e(elab), s(std::move(scope)) {}

  int add(const ast::Index& i);
  void see(const std::vector<int>& left) { open = left; }
  // Opens the reductions inside, so that their indices get ranges with all others.
  void declare(const ast::Expr& x);
  // One round: every subscript says what it knows. Plain uses must agree; windows narrow.
  void find_ranges(const ast::Expr& x);

 protected:
  // While it lives: inside of a reduction, whose indices are seen.
  struct Within {
    Within(IndexRanges& ranges, const ast::Reduction& r) : n(ranges), before(ranges.open.size()) {
      const std::vector<int>& mine = n.reduced.at(&r);
      n.open.insert(n.open.end(), mine.begin(), mine.end());
    }
    ~Within() { n.open.resize(before); }
    Within(const Within&) = delete;
    IndexRanges& n;
    size_t before;
  };

  // The innermost index of that name: of the reductions around the place, or of the left side; or -1.
  int find(const std::string& name) const;
  bool uses_index(const ast::Expr& x);
  bool uses_local(const ast::Expr& x);
  bool is_local(const std::string& name) const;
  void children(const ast::Expr& x, const std::function<void(const ast::Expr&)>& f);
  // The values in an arm: of its `let`s, whose names are then known, and its own.
  void values(const ast::Block& b, const std::function<void(const ast::Expr&, const ast::Bind*)>& f);
  // Everything in x, each where its own indices are seen.
  void walk(const ast::Expr& x, const std::function<void(const ast::Expr&)>& f);
  // An index of a reduction that is over (rule 6b), and names that nobody knows.
  void refuse_closed(const ast::Expr& x);
  // Null: the subscript has to be computed.
  std::optional<AffineUse> affine(const ast::Expr& x);
  Val base(const ast::Subscript& x);
  DimId range(int i) const { return *indices[static_cast<size_t>(i)].range; }

  Elab& e;
  ScopePtr s;
  std::vector<IndexInfo> indices;
  std::vector<int> open;  // the indices that are seen at the place: of the left side, then of reductions
  std::vector<std::string> locals;  // the names of `let`s in the arms around the place
  std::map<const ast::Reduction*, std::vector<int>> reduced;
  std::map<const ast::Subscript*, Val> bases;
  std::vector<std::pair<Val, Loc>> factors;  // of indices, not known when compiling
};

}  // namespace tenon::elab
