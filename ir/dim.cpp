// The normal form of sizes (dim.h): sums of products of atoms, each kept once. Whole-number
// arithmetic wraps, as everywhere in the IR; nothing here ever traps.

#include "ir/dim.h"

#include <algorithm>
#include <numeric>

#include "support/diagnostic.h"

namespace tenon {
namespace {

using Atom = Dims::Atom;
using Term = Dims::Term;
using Poly = Dims::Poly;

int64_t wrap_add(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }
int64_t wrap_sub(int64_t a, int64_t b) { return int64_t(uint64_t(a) - uint64_t(b)); }
int64_t wrap_mul(int64_t a, int64_t b) { return int64_t(uint64_t(a) * uint64_t(b)); }

int64_t floor_quotient(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return wrap_sub(0, a);
  const int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

uint64_t magnitude(int64_t a) { return a < 0 ? 0 - uint64_t(a) : uint64_t(a); }

uint64_t mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2);
  return h * 0xff51afd7ed558ccdull;
}

uint64_t hash_of(const Poly& p) {
  uint64_t h = mix(0x7e11, uint64_t(p.constant));
  for (const Term& t : p.terms) {
    h = mix(h, uint64_t(t.coefficient));
    for (const Atom& a : t.atoms)
      h = mix(mix(h, (uint64_t(a.kind) << 32) | a.s), (uint64_t(a.a) << 32) | a.b);
  }
  return h ^ (h >> 29);
}

// p + factor * q, both sorted by atoms.
Poly combine(const Poly& p, const Poly& q, int64_t factor) {
  Poly r;
  r.constant = wrap_add(p.constant, wrap_mul(factor, q.constant));
  r.terms.reserve(p.terms.size() + q.terms.size());
  size_t i = 0, j = 0;
  while (i < p.terms.size() || j < q.terms.size()) {
    const bool left =
        j == q.terms.size() || (i < p.terms.size() && p.terms[i].atoms < q.terms[j].atoms);
    const bool both = !left && i < p.terms.size() && p.terms[i].atoms == q.terms[j].atoms;
    if (left) {
      r.terms.push_back(p.terms[i++]);
      continue;
    }
    Term t = q.terms[j++];
    t.coefficient = wrap_mul(factor, t.coefficient);
    if (both) t.coefficient = wrap_add(t.coefficient, p.terms[i++].coefficient);
    if (t.coefficient != 0) r.terms.push_back(std::move(t));
  }
  return r;
}

Poly times(const Poly& p, const Term& t) {
  Poly r;
  if (t.atoms.empty()) {
    r.constant = wrap_mul(p.constant, t.coefficient);
    for (Term s : p.terms) {
      s.coefficient = wrap_mul(s.coefficient, t.coefficient);
      if (s.coefficient != 0) r.terms.push_back(std::move(s));
    }
    return r;
  }
  auto push = [&](int64_t c, std::vector<Atom> atoms) {
    if (c == 0) return;
    atoms.insert(atoms.end(), t.atoms.begin(), t.atoms.end());
    std::sort(atoms.begin(), atoms.end());
    r.terms.push_back({c, std::move(atoms)});
  };
  push(wrap_mul(p.constant, t.coefficient), {});
  for (const Term& s : p.terms) push(wrap_mul(s.coefficient, t.coefficient), s.atoms);
  std::sort(r.terms.begin(), r.terms.end(),
            [](const Term& x, const Term& y) { return x.atoms < y.atoms; });
  return r;
}

// The quotient of two products when it is a product.
std::optional<Term> divide(const Term& a, const Term& b) {
  if (b.coefficient == 0 || (b.coefficient == -1 && a.coefficient == INT64_MIN)) return {};
  if (a.coefficient % b.coefficient != 0) return {};
  Term q{a.coefficient / b.coefficient, {}};
  size_t j = 0;
  for (const Atom& x : a.atoms) {
    if (j < b.atoms.size() && b.atoms[j] == x)
      ++j;
    else
      q.atoms.push_back(x);
  }
  if (j != b.atoms.size()) return {};
  return q;
}

// Graded lexicographic order: it respects products, which long division needs.
bool leads(const Term& a, const Term& b) {
  if (a.atoms.size() != b.atoms.size()) return a.atoms.size() > b.atoms.size();
  return a.atoms < b.atoms;
}

std::vector<Term> all_terms(const Poly& p) {
  std::vector<Term> out = p.terms;
  if (p.constant != 0) out.push_back({p.constant, {}});
  return out;
}

Term leading(const Poly& p) {
  std::vector<Term> terms = all_terms(p);
  return *std::min_element(terms.begin(), terms.end(), leads);
}

Poly of_term(const Term& t) {
  if (t.atoms.empty()) return {t.coefficient, {}};
  return {0, {t}};
}

// No coefficient of a product is larger than the product of the weights.
double weight(const Poly& p) {
  double sum = double(magnitude(p.constant));
  for (const Term& t : p.terms) sum += double(magnitude(t.coefficient));
  return sum;
}

bool zero(const Poly& p) { return p.constant == 0 && p.terms.empty(); }

// a = b * quotient + rest. By a single product, term by term; by a sum, all or nothing.
void split(const Poly& a, const Poly& b, Poly& quotient, Poly& rest) {
  quotient = {};
  rest = a;
  if (all_terms(b).size() == 1) {
    const Term by = all_terms(b)[0];
    for (const Term& t : all_terms(a))
      if (auto q = divide(t, by)) {
        quotient = combine(quotient, of_term(*q), 1);
        rest = combine(rest, of_term(t), -1);
      }
    return;
  }
  const Term by = leading(b);
  // Each step lowers the leading term; the bound is for wrapped coefficients only.
  for (int step = 0; step < 64 && !zero(rest); ++step) {
    auto q = divide(leading(rest), by);
    if (!q) break;
    quotient = combine(quotient, of_term(*q), 1);
    rest = combine(rest, times(b, *q), -1);
  }
  if (!zero(rest)) {
    quotient = {};
    rest = a;
  }
}

// The single atom of a size that is `constant + atom`.
const Atom* lone_atom(const Poly& p) {
  if (p.terms.size() != 1 || p.terms[0].coefficient != 1 || p.terms[0].atoms.size() != 1)
    return nullptr;
  return &p.terms[0].atoms[0];
}

void collect(const Dims& dims, DimId d, std::vector<SymId>& out) {
  for (const Term& t : dims.poly(d).terms)
    for (const Atom& a : t.atoms) {
      if (a.kind == Atom::sym) {
        out.push_back(a.s);
      } else {
        collect(dims, a.a, out);
        collect(dims, a.b, out);
      }
    }
}

}  // namespace

Dims::Dims() {
  intern({});  // DimId 0 is the size 0
  any_ = symbol(fresh("_", {}, true));
}

SymId Dims::fresh(std::string name, Loc where, bool rigid, bool signed_) {
  symbols_.push_back({std::move(name), where, rigid, signed_});
  return static_cast<SymId>(symbols_.size() - 1);
}

DimId Dims::intern(Poly p) {
  const uint64_t h = hash_of(p);
  if (polys_.size() * 2 >= table_.size()) {  // at most half full
    std::vector<DimId> bigger(std::max<size_t>(64, table_.size() * 2), 0);
    for (DimId d = 0; d < polys_.size(); ++d) {
      size_t i = hashes_[d] & (bigger.size() - 1);
      while (bigger[i] != 0) i = (i + 1) & (bigger.size() - 1);
      bigger[i] = d + 1;
    }
    table_ = std::move(bigger);
  }
  const size_t mask = table_.size() - 1;
  size_t i = h & mask;
  for (; table_[i] != 0; i = (i + 1) & mask) {
    const DimId d = table_[i] - 1;
    if (hashes_[d] == h && polys_[d] == p) return d;
  }
  polys_.push_back(std::move(p));
  hashes_.push_back(h);
  table_[i] = static_cast<DimId>(polys_.size());
  return static_cast<DimId>(polys_.size() - 1);
}

DimId Dims::constant(int64_t value) { return value == 0 ? 0 : intern({value, {}}); }

DimId Dims::symbol(SymId s) { return intern({0, {{1, {{Atom::sym, s, 0, 0}}}}}); }

DimId Dims::atom(Atom::Kind kind, DimId a, DimId b) {
  return intern({0, {{1, {{kind, 0, a, b}}}}});
}

DimId Dims::add(DimId a, DimId b) {
  if (a == 0) return b;
  if (b == 0) return a;
  return intern(combine(polys_[a], polys_[b], 1));
}

DimId Dims::sub(DimId a, DimId b) {
  if (b == 0) return a;
  return a == b ? 0 : intern(combine(polys_[a], polys_[b], -1));
}

DimId Dims::mul(DimId a, DimId b) {
  if (a == 0 || b == 0) return 0;
  const Poly& p = polys_[a];
  const Poly& q = polys_[b];
  if (q.terms.empty() && q.constant == 1) return a;
  if (p.terms.empty() && p.constant == 1) return b;
  Poly r = times(p, {q.constant, {}});
  for (const Term& t : q.terms) r = combine(r, times(p, t), 1);
  return intern(std::move(r));
}

DimId Dims::floordiv(DimId a, DimId b) {
  const Poly& by = polys_[b];
  if (by.terms.empty()) {
    // No positive number is the opposite of the lowest one.
    if (by.constant == 0 || by.constant == INT64_MIN) return atom(Atom::floordiv, a, b);
    if (by.constant == 1) return a;
    if (by.constant < 0) return floordiv(sub(0, a), constant(wrap_sub(0, by.constant)));
  }
  Poly quotient, rest;
  if (by.terms.empty()) {
    const int64_t k = by.constant;  // every coefficient of the rest ends in 0..k-1
    quotient.constant = floor_quotient(polys_[a].constant, k);
    rest.constant = polys_[a].constant - quotient.constant * k;
    for (const Term& t : polys_[a].terms) {
      const int64_t q = floor_quotient(t.coefficient, k), r = t.coefficient - q * k;
      if (q != 0) quotient.terms.push_back({q, t.atoms});
      if (r != 0) rest.terms.push_back({r, t.atoms});
    }
    if (rest.terms.empty()) return intern(std::move(quotient));
  } else {
    split(polys_[a], by, quotient, rest);
    if (zero(rest)) return intern(std::move(quotient));
  }
  Poly divisor = by;

  // (g*x + c) // (g*y) is (x + c // g) // y.
  uint64_t g = magnitude(divisor.constant);
  for (const Term& t : divisor.terms) g = std::gcd(g, magnitude(t.coefficient));
  for (const Term& t : rest.terms) g = std::gcd(g, magnitude(t.coefficient));
  bool changed = false;
  if (g > 1 && g <= uint64_t(INT64_MAX)) {
    for (Term& t : rest.terms) t.coefficient /= int64_t(g);
    for (Term& t : divisor.terms) t.coefficient /= int64_t(g);
    rest.constant = floor_quotient(rest.constant, int64_t(g));
    divisor.constant /= int64_t(g);
    changed = true;
  }
  // (s*x) // (s*y) is x // y for a product s of symbols: it is not zero, since the divisor is not.
  if (rest.constant == 0 && divisor.constant == 0) {
    std::vector<Atom> common = divisor.terms[0].atoms;
    auto keep = [&](const std::vector<Term>& terms) {
      for (const Term& t : terms) {
        std::vector<Atom> both;
        std::set_intersection(common.begin(), common.end(), t.atoms.begin(), t.atoms.end(),
                              std::back_inserter(both));
        common = std::move(both);
      }
    };
    keep(divisor.terms);
    keep(rest.terms);
    if (!common.empty()) {
      auto cancel = [&](const Poly& p) {
        Poly out;
        for (const Term& t : p.terms) out = combine(out, of_term(*divide(t, {1, common})), 1);
        return out;
      };
      rest = cancel(rest);
      divisor = cancel(divisor);
      changed = true;
    }
  }
  const DimId whole = intern(std::move(quotient));
  if (changed) return add(whole, floordiv(intern(std::move(rest)), intern(std::move(divisor))));

  // (x // y + c) // z is (x + y*c) // (y*z), where these products do not wrap.
  if (const Atom* inner = lone_atom(rest);
      inner && inner->kind == Atom::floordiv && value(inner->b) != int64_t{0} &&
      weight(polys_[inner->b]) * std::max(weight(divisor), weight({rest.constant, {}})) < 0x1p62) {
    const Atom in = *inner;
    const DimId top = add(in.a, mul(in.b, constant(rest.constant)));
    return add(whole, floordiv(top, mul(in.b, intern(std::move(divisor)))));
  }
  const DimId r = intern(std::move(rest));
  return add(whole, atom(Atom::floordiv, r, intern(std::move(divisor))));
}

bool Dims::nonnegative(const Poly& p) const {
  if (p.constant < 0) return false;
  for (const Term& t : p.terms) {
    if (t.coefficient < 0) return false;
    for (const Atom& a : t.atoms) switch (a.kind) {
        case Atom::sym:
          if (symbols_[a.s].signed_) return false;
          break;
        case Atom::floordiv:
          if (!nonnegative(polys_[a.a]) || !nonnegative(polys_[a.b])) return false;
          break;
        case Atom::min:
          if (!nonnegative(polys_[a.a]) || !nonnegative(polys_[a.b])) return false;
          break;
        case Atom::max:
          if (!nonnegative(polys_[a.a]) && !nonnegative(polys_[a.b])) return false;
          break;
      }
  }
  return true;
}

bool Dims::known_nonnegative(DimId d) const { return nonnegative(polys_[d]); }

// The operands of a minimum of minima, as one list: constants outside move inside.
void Dims::flatten(Atom::Kind kind, DimId d, std::vector<DimId>& out) {
  const Poly& p = polys_[d];
  const Atom* inner = lone_atom(p);
  if (!inner || inner->kind != kind) {
    out.push_back(d);
    return;
  }
  const DimId outside = constant(p.constant);
  flatten(kind, add(inner->a, outside), out);
  flatten(kind, add(inner->b, outside), out);
}

DimId Dims::extreme(Atom::Kind kind, DimId a, DimId b) {
  if (a == b) return a;
  std::vector<DimId> all, kept;
  flatten(kind, a, all);
  flatten(kind, b, all);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    bool needless = false;  // some other operand is always at least as extreme
    for (size_t j = 0; j < all.size() && !needless; ++j) {
      if (i == j) continue;
      auto ahead = [&](DimId x, DimId y) {  // y never loses against x
        return kind == Atom::min ? nonnegative(combine(polys_[x], polys_[y], -1))
                                 : nonnegative(combine(polys_[y], polys_[x], -1));
      };
      needless = ahead(all[i], all[j]) && (!ahead(all[j], all[i]) || j < i);
    }
    if (!needless) kept.push_back(all[i]);
  }
  int64_t common = INT64_MAX;
  for (DimId d : kept) common = std::min(common, polys_[d].constant);
  if (kept.size() == 1 || common == INT64_MIN) common = 0;
  const DimId shift = constant(common);
  for (DimId& d : kept) d = sub(d, shift);
  std::sort(kept.begin(), kept.end());
  DimId r = kept[0];
  for (size_t i = 1; i < kept.size(); ++i) r = atom(kind, r, kept[i]);
  return add(r, shift);
}

DimId Dims::min(DimId a, DimId b) { return extreme(Atom::min, a, b); }
DimId Dims::max(DimId a, DimId b) { return extreme(Atom::max, a, b); }

std::optional<int64_t> Dims::value(DimId d) const {
  const Poly& p = polys_[d];
  if (p.terms.empty()) return p.constant;
  return {};
}

std::optional<SymId> Dims::as_symbol(DimId d) const {
  const Poly& p = polys_[d];
  const Atom* a = lone_atom(p);
  if (a && p.constant == 0 && a->kind == Atom::sym) return a->s;
  return {};
}

std::vector<SymId> Dims::symbols(DimId d) const {
  std::vector<SymId> out;
  collect(*this, d, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  std::erase(out, kAnySize);
  return out;
}

bool Dims::has_existential(DimId d) const {
  for (SymId s : symbols(d))
    if (!symbols_[s].rigid) return true;
  return false;
}

std::optional<int64_t> Dims::distance(DimId a, DimId b) const {
  if (a == b) return 0;
  const Poly p = combine(polys_[a], polys_[b], -1);
  if (p.terms.empty()) return p.constant;
  return {};
}

std::optional<Dims::Solution> Dims::solve(DimId p, DimId a, const std::vector<SymId>& unknown) {
  std::optional<SymId> s;
  for (SymId used : symbols(p)) {
    if (std::find(unknown.begin(), unknown.end(), used) == unknown.end()) continue;
    if (s) return {};
    s = used;
  }
  if (!s) return {};
  // p = coefficient * s + rest.
  Poly coefficient, rest{polys_[p].constant, {}};
  const Atom target{Atom::sym, *s, 0, 0};
  for (const Term& t : polys_[p].terms) {
    const auto uses = std::count(t.atoms.begin(), t.atoms.end(), target);
    if (uses > 1) return {};
    const Term without = uses == 1 ? *divide(t, {1, {target}}) : t;
    for (const Atom& x : without.atoms) {
      if (x.kind == Atom::sym) continue;
      for (DimId inner : {x.a, x.b}) {
        const std::vector<SymId> in = symbols(inner);
        if (std::find(in.begin(), in.end(), *s) != in.end()) return {};
      }
    }
    Poly& to = uses == 1 ? coefficient : rest;
    to = combine(to, of_term(without), 1);
  }
  if (zero(coefficient)) return {};
  DimId by = intern(std::move(coefficient));
  DimId top = sub(a, intern(std::move(rest)));
  if (auto c = value(by); c && *c < 0) {
    by = constant(wrap_sub(0, *c));
    top = sub(0, top);
  }
  const DimId v = floordiv(top, by);
  return Solution{*s, v, mul(v, by) == top};
}

DimId Dims::substitute(DimId d, const DimSubst& subst) {
  if (subst.empty() || polys_[d].terms.empty()) return d;
  auto replaced = [&](SymId s) -> std::optional<DimId> {
    for (const auto& [from, to] : subst)
      if (from == s) return to;
    return {};
  };
  if (auto s = as_symbol(d)) return replaced(*s).value_or(d);
  bool touched = false;
  for (SymId s : symbols(d)) touched |= replaced(s).has_value();
  if (!touched) return d;
  const Poly& p = polys_[d];
  DimId sum = constant(p.constant);
  for (const Term& t : p.terms) {
    DimId product = constant(t.coefficient);
    for (const Atom& x : t.atoms) {
      DimId v = 0;
      switch (x.kind) {
        case Atom::sym:
          v = replaced(x.s).value_or(0);
          if (!replaced(x.s)) v = symbol(x.s);
          break;
        case Atom::floordiv:
          v = floordiv(substitute(x.a, subst), substitute(x.b, subst));
          break;
        case Atom::min:
          v = min(substitute(x.a, subst), substitute(x.b, subst));
          break;
        case Atom::max:
          v = max(substitute(x.a, subst), substitute(x.b, subst));
          break;
      }
      product = mul(product, v);
    }
    sum = add(sum, product);
  }
  return sum;
}

int64_t Dims::evaluate(DimId d, const std::function<int64_t(SymId)>& value_of) const {
  const Poly& p = polys_[d];
  int64_t sum = p.constant;
  for (const Term& t : p.terms) {
    int64_t product = t.coefficient;
    for (const Atom& x : t.atoms) {
      int64_t v = 0;
      if (x.kind == Atom::sym) {
        v = value_of(x.s);
      } else {
        const int64_t a = evaluate(x.a, value_of), b = evaluate(x.b, value_of);
        switch (x.kind) {
          case Atom::sym:
            break;
          case Atom::floordiv:
            v = floor_quotient(a, b);
            break;
          case Atom::min:
            v = std::min(a, b);
            break;
          case Atom::max:
            v = std::max(a, b);
            break;
        }
      }
      product = wrap_mul(product, v);
    }
    sum = wrap_add(sum, product);
  }
  return sum;
}

std::string Dims::text(DimId d) const {
  return text(d, [this](SymId s) { return symbols_[s].name; });
}

// Ordered by degree and text, so that the same size prints the same in every module.
std::string Dims::text(DimId d, const std::function<std::string(SymId)>& name) const {
  const Poly& p = polys_[d];
  if (p.terms.empty()) return std::to_string(p.constant);
  auto operand = [&](DimId x) {
    std::string s = text(x, name);
    return as_symbol(x) || (value(x) && *value(x) >= 0) ? s : "(" + s + ")";
  };
  auto extreme_text = [&](const Atom& x) {
    std::vector<std::string> parts;
    const std::function<void(DimId)> gather = [&](DimId y) {
      const Atom* in = lone_atom(polys_[y]);
      if (in && in->kind == x.kind && polys_[y].constant == 0) {
        gather(in->a);
        gather(in->b);
      } else {
        parts.push_back(text(y, name));
      }
    };
    gather(x.a);
    gather(x.b);
    std::sort(parts.begin(), parts.end());
    std::string s = x.kind == Atom::min ? "min(" : "max(";
    for (size_t i = 0; i < parts.size(); ++i) s += (i ? ", " : "") + parts[i];
    return s + ")";
  };
  struct Piece {
    size_t degree;
    std::string text;
    bool negative;
  };
  std::vector<Piece> pieces;
  for (const Term& t : p.terms) {
    std::vector<std::string> factors;
    const uint64_t c = magnitude(t.coefficient);
    for (const Atom& x : t.atoms) switch (x.kind) {
        case Atom::sym:
          factors.push_back(name(x.s));
          break;
        case Atom::floordiv: {
          const std::string s = operand(x.a) + "//" + operand(x.b);
          factors.push_back(t.atoms.size() > 1 || c != 1 ? "(" + s + ")" : s);
          break;
        }
        case Atom::min:
        case Atom::max:
          factors.push_back(extreme_text(x));
          break;
      }
    std::sort(factors.begin(), factors.end());
    std::string s = c == 1 ? "" : std::to_string(c);
    for (const std::string& f : factors) s += (s.empty() ? "" : "*") + f;
    pieces.push_back({t.atoms.size(), std::move(s), t.coefficient < 0});
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    if (a.negative != b.negative) return b.negative;
    if (a.degree != b.degree) return a.degree > b.degree;
    return a.text < b.text;
  });
  std::string out;
  auto append = [&](const std::string& s, bool negative) {
    if (out.empty())
      out = negative ? "-" + s : s;
    else
      out += (negative ? " - " : " + ") + s;
  };
  const bool constant_first = p.constant > 0 && pieces[0].negative;
  if (constant_first) append(std::to_string(p.constant), false);
  for (const Piece& piece : pieces) append(piece.text, piece.negative);
  if (p.constant != 0 && !constant_first)
    append(std::to_string(magnitude(p.constant)), p.constant < 0);
  return out;
}

}  // namespace tenon
