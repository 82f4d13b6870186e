// One DriverPlanner per function; see arena.h.
#include "jit/plan/arena.h"

#include <algorithm>
#include <set>

namespace tenon::plan {
namespace {

using loop::Block;
using loop::Callee;
using loop::ExprNode;
using loop::kNone;
using loop::Runtime;

class Bits {
 public:
  explicit Bits(size_t n = 0) : w_((n + 63) / 64) {}
  void set(size_t i) { w_[i / 64] |= uint64_t{1} << (i % 64); }
  void reset(size_t i) { w_[i / 64] &= ~(uint64_t{1} << (i % 64)); }
  bool test(size_t i) const { return w_[i / 64] >> (i % 64) & 1; }
  Bits& operator|=(const Bits& o) {
    for (size_t i = 0; i < w_.size(); ++i) w_[i] |= o.w_[i];
    return *this;
  }
  template <class F>
  void each(F&& f) const {
    for (size_t i = 0; i < w_.size(); ++i)
      for (uint64_t w = w_[i]; w; w &= w - 1)
        f(i * 64 + static_cast<size_t>(__builtin_ctzll(w)));
  }
  friend bool operator==(const Bits&, const Bits&) = default;

 private:
  std::vector<uint64_t> w_;
};

// What a caller has to know of a function.
struct Summary {
  bool recursive = false, framed = false;
  std::vector<std::set<size_t>> gives;  // per parameter: the results that may be its block
  std::vector<char> keeps;              // per parameter: it may stay somewhere
  std::vector<char> placed;             // per result: its caller may say where it lies
  // Behind the arguments go the frame, the layout, and a place for each result that has one.
};

// Something that may make a fresh block: an allocation, an update in place whose operand somebody
// else has too, or a call for one of its results.
struct Site {
  enum Kind : uint8_t { allocate, in_place, result } kind;
  Stmt* stmt;
  Var var;
  Request asked;
  bool sure;
  size_t which = 0;             // result: its number
  std::vector<Var> reach{};     // the variables that may hold the block, or its address
  bool leaves = false;          // nobody knows for how long it lives
  int gives = -1;               // it is this result of the function and nothing else leaves
  bool shared = false;          // two owners may have it
  bool never = false;           // in place: the operand always is the only one's
  bool bare = false;            // needs no header: nobody asks who else has it
  int copies = 1;               // how many may live at once
  uint32_t slot = kNone;
};

class DriverPlanner {
 public:
  DriverPlanner(Unit& unit, uint32_t index, std::vector<Summary>& summaries,
                std::vector<loop::FramePlan>& plans)
      : unit_(unit),
        index_(index),
        f_(unit.program.functions[index]),
        sig_(unit.signatures[index]),
        summaries_(summaries),
        mine_(summaries[index]),
        plan_(plans[index]),
        kind_(f_.vars.size(), Kind::other),
        flows_(f_.vars.size()),
        gives_(f_.vars.size()),
        keeps_(f_.vars.size()),
        shared_(f_.vars.size()) {}

  void run() {
    if (!mine_.recursive) {
      find_sites(f_.body, true);
      find_parts();
      follow();
      for (Site& s : sites_) s.reach = reach(s.var);
      summarise();
      decide();
      live();
      bare();
      number();
    }
    rewrite();
  }

 private:
  enum class Kind : uint8_t { other, block, address };

  const ExprNode& expr(Expr e) const { return f_.exprs[e]; }
  bool is_konst(Expr e, uint64_t v) const {
    return expr(e).op == Op::konst && expr(e).imm == v;
  }
  // The variable when e is nothing but one.
  Var plain(Expr e) const { return expr(e).op == Op::var ? expr(e).a : kNone; }
  // The block whose elements' address e loads.
  Var loads_data_of(Expr e) const {
    const ExprNode& n = expr(e);
    if (n.op != Op::load || n.ty != Ty::i64 || !is_konst(n.b, 1)) return kNone;
    const Var v = plain(n.a);
    return v != kNone && kind_[v] == Kind::block ? v : kNone;
  }
  bool tensor_param(size_t i) const {
    if (i < sig_.sizes.size() || i - sig_.sizes.size() >= sig_.params.size()) return false;
    const ir::Type& t = sig_.params[i - sig_.sizes.size()];
    return !t.scalar() && !t.tape;
  }

  // The variables that each expression's value is made of, where that may be an address: whether by
  // themselves, or as the block whose data it loads. Expressions share their parts, so each is looked
  // at once.
  void find_parts() {
    parts_.resize(f_.exprs.size());
    for (Expr e = 0; e < f_.exprs.size(); ++e) {
      const ExprNode& n = expr(e);
      auto& list = parts_[e];
      if (n.ty != Ty::i64 || n.op == Op::konst) continue;
      if (n.op == Op::var) {
        list.push_back({n.a, false});
      } else if (n.op == Op::load) {
        if (is_konst(n.b, 1) && plain(n.a) != kNone) list.push_back({plain(n.a), true});
      } else {
        for (Expr o : {n.a, n.b, n.c})
          if (o != kNone) list.insert(list.end(), parts_[o].begin(), parts_[o].end());
        std::sort(list.begin(), list.end());
        list.erase(std::unique(list.begin(), list.end()), list.end());
      }
    }
  }
  // The blocks and addresses that e's value is made of; what is loaded from memory is not.
  std::vector<Var> sources(Expr e) const {
    std::vector<Var> out;
    if (e == kNone) return out;
    for (auto [v, loaded] : parts_[e])
      if (kind_[v] == Kind::block || (kind_[v] == Kind::address && !loaded)) out.push_back(v);
    return out;
  }

  // ---- who may make a block

  void find_sites(Block& block, bool sure) {
    for (Stmt& s : block) {
      if (s.kind == StmtKind::call && s.callee == Callee::runtime) {
        const auto r = static_cast<Runtime>(s.id);
        const bool in_place = r == Runtime::unique || r == Runtime::reuse;
        if (r == Runtime::allocate || r == Runtime::grow || in_place) {
          const Request& asked = unit_.requests[index_].at(s.outs[0]);
          sites_.push_back(
              {in_place ? Site::in_place : Site::allocate, &s, s.outs[0], asked, sure});
          sites_.back().leaves = r == Runtime::grow;  // how much room it gets is decided in the run
        }
      }
      if (s.kind == StmtKind::call && s.callee == Callee::function) {
        calls_.push_back(&s);
        sure_call_.push_back(sure);
        const CallSite& site = unit_.calls[s.var];
        for (size_t i = 0; i < site.results.size(); ++i) {
          const ir::Type& t = site.results[i];
          if (t.scalar() || t.tape) continue;
          sites_.push_back(
              {Site::result, &s, s.outs[i],
               {t.dtype, static_cast<int64_t>(size_of(t.dtype)), t.shape, site.where}, sure, i});
        }
      }
      const bool inner = sure && s.kind != StmtKind::if_ && s.kind != StmtKind::for_ &&
                         s.kind != StmtKind::while_;
      find_sites(s.body, inner);
      find_sites(s.other, inner);
    }
  }

  // ---- which variables hold what

  void follow() {
    for (const Site& s : sites_) kind_[s.var] = Kind::block;
    for (size_t i = 0; i < f_.params.size(); ++i)
      if (tensor_param(i)) kind_[f_.params[i]] = Kind::block;
    for (bool changed = true; changed;) {
      changed = false;
      follow(f_.body, changed);
    }
    mark(f_.body);
  }

  void follow(const Block& block, bool& changed) {
    for (const Stmt& s : block) {
      if (s.kind == StmtKind::set) {
        const Var from = plain(s.a);
        for (Var v : sources(s.a)) changed |= flows_[v].insert(s.var).second;
        Kind k = from != kNone ? kind_[from] : Kind::other;
        if (from == kNone && !sources(s.a).empty()) k = Kind::address;
        if (k != Kind::other && kind_[s.var] != k) {
          require(kind_[s.var] == Kind::other, "a variable is a block and an address");
          kind_[s.var] = k;
          changed = true;
        }
      } else if (s.kind == StmtKind::call && s.callee == Callee::runtime) {
        const auto r = static_cast<Runtime>(s.id);
        if (r == Runtime::unique || r == Runtime::reuse || r == Runtime::grow)
          for (Var v : sources(s.args[0])) changed |= flows_[v].insert(s.outs[0]).second;
      } else if (s.kind == StmtKind::call) {
        const Summary& callee = summaries_[s.id];
        for (size_t i = 0; i < s.args.size() && i < callee.gives.size(); ++i)
          for (Var v : sources(s.args[i]))
            for (size_t j : callee.gives[i]) changed |= flows_[v].insert(s.outs[j]).second;
      }
      follow(s.body, changed);
      follow(s.other, changed);
    }
  }

  // What leaves, and what gets a second owner.
  void mark(const Block& block) {
    for (const Stmt& s : block) {
      switch (s.kind) {
        case StmtKind::fetch:
          break;
        case StmtKind::store: {
          for (Var v : sources(s.c)) keeps_[v] = 1;
          const Var b = plain(s.a);
          if (b != kNone && kind_[b] == Kind::block) shared_[b] = 1;
          break;
        }
        case StmtKind::ret:
          for (size_t i = 0; i < s.args.size(); ++i)
            for (Var v : sources(s.args[i])) gives_[v].insert(i);
          break;
        case StmtKind::call:
          if (s.callee == Callee::function) {
            const Summary& callee = summaries_[s.id];
            for (size_t i = 0; i < s.args.size(); ++i)
              for (Var v : sources(s.args[i])) {
                shared_[v] = 1;
                if (callee.recursive || callee.keeps[i]) keeps_[v] = 1;
              }
          }
          break;
        case StmtKind::set:
        case StmtKind::if_:
        case StmtKind::while_:
        case StmtKind::for_:
        case StmtKind::fold:
        case StmtKind::tile:
        case StmtKind::launch:
        case StmtKind::trap:
          break;
      }
      mark(s.body);
      mark(s.other);
    }
  }

  std::vector<Var> reach(Var from) const {
    std::vector<Var> out{from};
    std::set<Var> seen{from};
    for (size_t i = 0; i < out.size(); ++i)
      for (Var v : flows_[out[i]])
        if (seen.insert(v).second) out.push_back(v);
    return out;
  }

  void summarise() {
    mine_.gives.resize(f_.params.size());
    mine_.keeps.resize(f_.params.size());
    for (size_t i = 0; i < f_.params.size(); ++i) {
      if (!tensor_param(i)) continue;
      for (Var v : reach(f_.params[i])) {
        foreign_.insert(v);
        mine_.keeps[i] |= keeps_[v];
        mine_.gives[i].insert(gives_[v].begin(), gives_[v].end());
      }
    }
  }

  // ---- what is planned

  bool known(const std::vector<DimId>& sizes) const {
    for (DimId d : sizes)
      for (SymId s : unit_.dims.symbols(d))
        if (std::find(sig_.sizes.begin(), sig_.sizes.end(), s) == sig_.sizes.end()) return false;
    return true;
  }

  void decide() {
    std::vector<std::vector<size_t>> holds(f_.vars.size());  // per variable: sites
    for (size_t i = 0; i < sites_.size(); ++i)
      for (Var v : sites_[i].reach) holds[v].push_back(i);
    mine_.placed.assign(sig_.results.size(), 0);
    for (Site& s : sites_) {
      std::set<size_t> results;
      s.shared = s.kind == Site::result;
      for (Var v : s.reach) {
        s.leaves |= keeps_[v] != 0;
        s.shared |= shared_[v] != 0;
        results.insert(gives_[v].begin(), gives_[v].end());
      }
      s.leaves |= !unit_.options.plan_numbers && s.asked.shape.empty();
      if (s.leaves || results.empty()) continue;
      // A result of the outermost function has a buffer of its own.
      if (results.size() == 1 && index_ != 0)
        s.gives = static_cast<int>(*results.begin());
      else
        s.leaves = true;
    }
    for (Site& s : sites_) {
      if (s.kind != Site::in_place) continue;
      const Var operand = plain(s.stmt->args[0]);
      s.never = operand != kNone && kind_[operand] == Kind::block && !foreign_.contains(operand);
      if (s.never)
        for (size_t i : holds[operand]) s.never &= !sites_[i].shared;
    }
    for (Site& s : sites_) {
      if (s.never) continue;
      if (s.gives >= 0) {
        if (s.kind == Site::result && !summaries_[s.stmt->id].recursive)
          s.leaves |= !summaries_[s.stmt->id].placed[s.which];
        s.leaves |= s.kind == Site::result && summaries_[s.stmt->id].recursive;
        if (!s.leaves) mine_.placed[static_cast<size_t>(s.gives)] = 1;
        continue;
      }
      s.leaves |= !known(s.asked.shape);
      if (s.kind == Site::result && (summaries_[s.stmt->id].recursive ||
                                     !summaries_[s.stmt->id].placed[s.which]))
        s.leaves = true;
    }
  }
  bool planned(const Site& s) const { return !s.never && !s.leaves && s.gives < 0; }

  // ---- who lives when

  void live() {
    for (size_t i = 0; i < sites_.size(); ++i)
      if (planned(sites_[i])) {
        sites_[i].slot = static_cast<uint32_t>(chosen_.size());
        chosen_.push_back(i);
      }
    dense_.assign(f_.vars.size(), kNone);
    for (Var v = 0; v < f_.vars.size(); ++v)
      if (kind_[v] != Kind::other) dense_[v] = static_cast<uint32_t>(count_++);
    holds_.assign(count_, Bits(chosen_.size()));
    for (size_t k = 0; k < chosen_.size(); ++k)
      for (Var v : sites_[chosen_[k]].reach) holds_[dense_[v]].set(k);
    used_.resize(f_.exprs.size());
    for (Expr e = 0; e < f_.exprs.size(); ++e) {
      const ExprNode& n = f_.exprs[e];
      auto& list = used_[e];
      if (n.op == Op::var) {
        if (dense_[n.a] != kNone) list.push_back(dense_[n.a]);
        continue;
      }
      if (n.op == Op::konst) continue;
      for (Expr o : {n.a, n.b, n.c})
        if (o != kNone) list.insert(list.end(), used_[o].begin(), used_[o].end());
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
    }
    together_.assign(chosen_.size(), Bits(chosen_.size()));
    during_.assign(calls_.size(), Bits(chosen_.size()));
    for (size_t i = 0; i < calls_.size(); ++i) call_number_[calls_[i]] = i;
    for (size_t i = 0; i < sites_.size(); ++i) site_of_[sites_[i].stmt].push_back(i);
    backward(f_.body, Bits(count_), true);
  }

  void use(Expr e, Bits& set) const {
    if (e == kNone) return;
    for (uint32_t v : used_[e]) set.set(v);
  }

  // What is live before the block when `after` is live behind it. Notes who meets whom if asked to.
  Bits backward(const Block& block, Bits after, bool note) {
    for (size_t i = block.size(); i-- > 0;) {
      const Stmt& s = block[i];
      switch (s.kind) {
        case StmtKind::if_: {
          Bits before = backward(s.body, after, note);
          before |= backward(s.other, after, note);
          use(s.a, before);
          after = std::move(before);
          break;
        }
        case StmtKind::for_: {
          Bits turn = after;
          for (;;) {
            Bits next = turn;
            next |= backward(s.body, turn, false);
            if (next == turn) break;
            turn = std::move(next);
          }
          if (note) backward(s.body, turn, true);
          use(s.a, turn);
          use(s.b, turn);
          after = std::move(turn);
          break;
        }
        case StmtKind::while_: {
          Bits head(count_);
          auto turn = [&](bool n) {
            Bits test = backward(s.other, head, n);
            test |= after;
            use(s.a, test);
            return backward(s.body, std::move(test), n);
          };
          for (;;) {
            Bits next = head;
            next |= turn(false);
            if (next == head) break;
            head = std::move(next);
          }
          if (note) turn(true);
          after = std::move(head);
          break;
        }
        case StmtKind::set:
        case StmtKind::store:
        case StmtKind::fetch:
        case StmtKind::fold:
        case StmtKind::tile:
        case StmtKind::call:
        case StmtKind::launch:
        case StmtKind::trap:
        case StmtKind::ret: {
          Bits before = after, all = after;
          auto define = [&](Var v) {
            if (v == kNone || dense_[v] == kNone) return;
            before.reset(dense_[v]);
            all.set(dense_[v]);
          };
          if (s.kind == StmtKind::set) define(s.var);
          for (Var v : s.outs) define(v);
          for (Expr e : {s.a, s.b, s.c, s.d}) use(e, before);
          for (Expr e : s.args) use(e, before);
          all |= before;
          if (note) meet(s, all, before);
          after = std::move(before);
          break;
        }
      }
    }
    return after;
  }

  Bits sites_in(const Bits& vars) const {
    Bits out(chosen_.size());
    vars.each([&](size_t v) { out |= holds_[v]; });
    return out;
  }

  void meet(const Stmt& s, const Bits& all, const Bits& before) {
    if (all == last_ && s.kind != StmtKind::call) return;
    last_ = all;
    const Bits here = sites_in(all);
    here.each([&](size_t k) { together_[k] |= here; });
    if (auto it = call_number_.find(&s); it != call_number_.end()) during_[it->second] |= here;
    if (auto it = site_of_.find(&s); it != site_of_.end()) {
      const Bits old = sites_in(before);
      for (size_t i : it->second) {
        Site& site = sites_[i];
        // In place, and never shared: what is alive of its own kind is the operand, which it stays.
        if (site.kind == Site::in_place && !site.shared) continue;
        if (site.slot != kNone && old.test(site.slot)) site.copies = 2;
      }
    }
  }

  // ---- which need no header

  // Blocks that are made, read by their address, updated in place and given up, and nothing else.
  void bare() {
    struct Uses {
      bool other = false;
      std::vector<Stmt*> in_place;
    };
    std::map<Var, Uses> uses;
    std::vector<Var> var_of(count_);
    for (Var v = 0; v < f_.vars.size(); ++v)
      if (dense_[v] != kNone) var_of[dense_[v]] = v;
    auto other = [&](Expr e) {
      if (e == kNone) return;
      for (uint32_t d : used_[e])
        if (kind_[var_of[d]] == Kind::block) uses[var_of[d]].other = true;
    };
    std::function<void(Block&)> walk = [&](Block& block) {
      for (Stmt& s : block) {
        if (s.kind == StmtKind::set && loads_data_of(s.a) != kNone) continue;
        size_t first = 0;
        if (s.kind == StmtKind::call && s.callee == Callee::runtime) {
          const auto r = static_cast<Runtime>(s.id);
          if (r == Runtime::release || r == Runtime::unique || r == Runtime::reuse)
            if (Var b = plain(s.args[0]); b != kNone && kind_[b] == Kind::block) {
              first = 1;
              if (r != Runtime::release) uses[b].in_place.push_back(&s);
            }
        }
        for (Expr e : {s.a, s.b, s.c, s.d}) other(e);
        for (size_t i = first; i < s.args.size(); ++i) other(s.args[i]);
        walk(s.body);
        walk(s.other);
      }
    };
    walk(f_.body);
    for (size_t i : chosen_) {
      Site& s = sites_[i];
      if (s.kind != Site::allocate || s.copies > 1) continue;
      std::vector<Var> chain{s.var};
      bool ok = true;
      for (size_t k = 0; k < chain.size() && ok; ++k) {
        const Uses& u = uses[chain[k]];
        ok = !u.other;
        for (Stmt* p : u.in_place) {
          chain.push_back(p->outs[0]);
          for (size_t t : site_of_.at(p)) ok &= sites_[t].never;
        }
      }
      if (!ok) continue;
      s.bare = true;
      bare_.insert(chain.begin(), chain.end());
    }
  }

  // ---- the plan

  void number() {
    plan_.sizes = sig_.sizes;
    std::vector<std::vector<uint32_t>> slots_of(chosen_.size());  // per chosen site
    auto add = [&](size_t k) {
      const Site& s = sites_[chosen_[k]];
      for (int c = 0; c < s.copies; ++c) {
        slots_of[k].push_back(static_cast<uint32_t>(plan_.slots.size()));
        plan_.slots.push_back({s.asked.dtype, s.asked.unit, s.asked.shape, s.asked.where,
                               s.sure && c == 0});
      }
    };
    for (size_t k = 0; k < chosen_.size(); ++k)
      if (!sites_[chosen_[k]].bare) add(k);
    plan_.headers = static_cast<uint32_t>(plan_.slots.size());
    for (size_t k = 0; k < chosen_.size(); ++k)
      if (sites_[chosen_[k]].bare) add(k);
    for (size_t k = 0; k < chosen_.size(); ++k) sites_[chosen_[k]].slot = slots_of[k][0];
    const size_t slots = plan_.slots.size();
    std::vector<int> frame_of(calls_.size(), -1);
    for (size_t c = 0; c < calls_.size(); ++c) {
      const Stmt& s = *calls_[c];
      const auto& sizes = unit_.calls[s.var].sizes;
      if (!summaries_[s.id].framed || !known(sizes)) continue;
      frame_of[c] = static_cast<int>(plan_.calls.size());
      inner_[&s] = static_cast<uint32_t>(plan_.calls.size());
      plan_.calls.push_back({s.id, sizes, sure_call_[c] != 0});
    }
    plan_.apart.resize(slots + plan_.calls.size());
    auto both = [&](uint32_t a, uint32_t b) {
      if (a == b) return;
      plan_.apart[a].push_back(b);
      plan_.apart[b].push_back(a);
    };
    for (size_t k = 0; k < chosen_.size(); ++k) {
      together_[k].each([&](size_t m) {
        if (m > k)
          for (uint32_t a : slots_of[k])
            for (uint32_t b : slots_of[m]) both(a, b);
      });
      if (slots_of[k].size() > 1) both(slots_of[k][0], slots_of[k][1]);
    }
    for (size_t c = 0; c < calls_.size(); ++c)
      if (frame_of[c] >= 0)
        during_[c].each([&](size_t k) {
          for (uint32_t a : slots_of[k])
            both(a, static_cast<uint32_t>(slots + static_cast<size_t>(frame_of[c])));
        });
    bool places = false;
    for (char p : mine_.placed) places |= p != 0;
    mine_.framed = plan_.framed = index_ == 0 || slots > 0 || !plan_.calls.empty() || places;
    unit_.stats.planned += static_cast<int>(chosen_.size());
    for (const Site& s : sites_)
      unit_.stats.counted += s.kind != Site::result && s.leaves && !s.never;
  }

  // ---- the driver again, with the plan

  void rewrite() {
    Exprs x(f_);
    if (mine_.framed) {
      frame_ = x.fresh(Ty::i64, "frame");
      layout_ = x.fresh(Ty::i64, "layout");
      f_.params.push_back(frame_);
      f_.params.push_back(layout_);
      place_of_result_.assign(mine_.placed.size(), kNone);
      for (size_t i = 0; i < mine_.placed.size(); ++i)
        if (mine_.placed[i]) {
          place_of_result_[i] = x.fresh(Ty::i64, "place");
          f_.params.push_back(place_of_result_[i]);
        }
    }
    block(x, f_.body);
    if (plan_.headers > 0) {
      Stmt s{StmtKind::call};
      s.callee = Callee::runtime;
      s.id = static_cast<uint32_t>(Runtime::enter);
      s.args = {x.var(frame_), x.var(layout_)};
      f_.body.insert(f_.body.begin(), std::move(s));
    }
  }

  Expr word(Exprs& x, int64_t i) { return x.load(Ty::i64, x.var(layout_), x.i64(i)); }

  // The argument that says where the site's fresh block lies.
  Expr memory(Exprs& x, const Site& s) {
    if (s.never || s.leaves) return x.i64(0);
    if (s.gives >= 0) return x.var(place_of_result_[static_cast<size_t>(s.gives)]);
    return x.add(x.var(frame_), x.i64(s.slot * loop::kHeader + s.copies - 1));
  }

  void block(Exprs& x, Block& list) {
    Block out;
    out.reserve(list.size());
    for (Stmt& s : list) {
      auto at = site_of_.find(&s);
      const std::vector<size_t> sites = at == site_of_.end() ? std::vector<size_t>{} : at->second;
      const auto frame = inner_.find(&s);
      const int inner = frame == inner_.end() ? -1 : static_cast<int>(frame->second);
      block(x, s.body);
      block(x, s.other);
      if (s.kind == StmtKind::set) {
        if (Var b = loads_data_of(s.a); b != kNone && bare_.contains(b)) s.a = x.var(b);
      } else if (s.kind == StmtKind::call && s.callee == Callee::runtime) {
        const auto r = static_cast<Runtime>(s.id);
        if (r == Runtime::release && bare_.contains(plain(s.args[0]))) continue;
        if (!sites.empty()) {
          const Site& site = sites_[sites[0]];
          if (site.bare || bare_.contains(site.var)) {
            Stmt set{StmtKind::set};
            set.var = site.var;
            set.a = site.bare ? x.add(x.var(frame_), word(x, plan_.slot_word(site.slot)))
                              : s.args[0];
            out.push_back(std::move(set));
            continue;
          }
          s.args.back() = memory(x, site);
        }
      } else if (s.kind == StmtKind::call && summaries_[s.id].framed) {
        call(x, s, sites, inner, out);
        continue;
      }
      out.push_back(std::move(s));
    }
    list = std::move(out);
  }

  void call(Exprs& x, Stmt& s, const std::vector<size_t>& sites, int inner, Block& out) {
    const Summary& callee = summaries_[s.id];
    auto runtime = [&](Runtime r, std::vector<Expr> args, std::vector<Var> outs) {
      Stmt c{StmtKind::call};
      c.callee = Callee::runtime;
      c.id = static_cast<uint32_t>(r);
      c.args = std::move(args);
      c.outs = std::move(outs);
      out.push_back(std::move(c));
    };
    Var own = kNone;
    if (inner >= 0) {
      const int64_t w = plan_.call_word(static_cast<uint32_t>(inner));
      s.args.push_back(x.add(x.var(frame_), word(x, w)));
      s.args.push_back(word(x, w + 1));
    } else {
      // A frame by itself: the sizes are known only now, or who calls has none.
      own = x.fresh(Ty::i64, "frame");
      const Var layout = x.fresh(Ty::i64, "layout");
      unit_.tables.places.push_back(unit_.calls[s.var].where);
      std::vector<Expr> args{x.i64(s.id),
                             x.i64(static_cast<int64_t>(unit_.tables.places.size()) - 1)};
      args.insert(args.end(), s.args.begin(),
                  s.args.begin() + static_cast<long>(unit_.calls[s.var].sizes.size()));
      runtime(Runtime::frame, std::move(args), {own, layout});
      s.args.push_back(x.load(Ty::i64, x.var(own), x.i64(1)));
      s.args.push_back(x.var(layout));
    }
    for (size_t j = 0; j < callee.placed.size(); ++j) {
      if (!callee.placed[j]) continue;
      Expr where = x.i64(0);
      for (size_t i : sites)
        if (sites_[i].which == j) where = memory(x, sites_[i]);
      s.args.push_back(where);
    }
    out.push_back(std::move(s));
    if (own != kNone) runtime(Runtime::release, {x.var(own)}, {});
  }

  Unit& unit_;
  const uint32_t index_;
  loop::Function& f_;
  const loop::Signature& sig_;
  std::vector<Summary>& summaries_;
  Summary& mine_;
  loop::FramePlan& plan_;

  std::vector<Site> sites_;
  std::vector<Stmt*> calls_;
  std::vector<char> sure_call_;
  std::vector<std::vector<std::pair<Var, bool>>> parts_;
  std::vector<Kind> kind_;
  std::vector<std::set<Var>> flows_;
  std::vector<std::set<size_t>> gives_;
  std::vector<char> keeps_, shared_;
  std::set<Var> foreign_;  // may hold a block that somebody else made

  std::vector<size_t> chosen_;  // sites with a place in the frame
  std::vector<uint32_t> dense_;
  size_t count_ = 0;
  std::vector<Bits> holds_;  // per variable: chosen sites
  std::vector<std::vector<uint32_t>> used_;  // per expression: variables
  std::vector<Bits> together_, during_;
  Bits last_;
  std::map<const Stmt*, size_t> call_number_;
  std::map<const Stmt*, std::vector<size_t>> site_of_;
  std::map<const Stmt*, uint32_t> inner_;
  std::set<Var> bare_;

  Var frame_ = kNone, layout_ = kNone;
  std::vector<Var> place_of_result_;
};

}  // namespace

void plan_arena(Unit& unit, const std::vector<ir::FnId>& order) {
  std::vector<Summary> summaries(order.size());
  std::vector<loop::FramePlan> plans(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    summaries[i].recursive = unit.module.fn(order[i]).recursive;
  // Callees first.
  std::vector<char> seen(order.size());
  std::function<void(uint32_t)> visit = [&](uint32_t i) {
    if (seen[i]) return;
    seen[i] = 1;
    std::function<void(const Block&)> calls = [&](const Block& block) {
      for (const Stmt& s : block) {
        if (s.kind == StmtKind::call && s.callee == Callee::function) visit(s.id);
        calls(s.body);
        calls(s.other);
      }
    };
    calls(unit.program.functions[i].body);
    DriverPlanner(unit, i, summaries, plans).run();
  };
  for (uint32_t i = 0; i < order.size(); ++i) visit(i);
  unit.tables.layouts = std::make_unique<loop::Layouts>(unit.dims, std::move(plans));
}

}  // namespace tenon::plan
