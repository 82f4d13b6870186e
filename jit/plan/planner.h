// The state of the grouping, and its steps. A group knows which groups it waits for, directly and
// in all; a node may join a group when nothing that it needs waits for that group. groups.cpp
// places nodes and merges groups, group_rows.cpp makes passes over rows of them.
#pragma once

#include <map>
#include <random>
#include <set>

#include "jit/plan/groups.h"
#include "jit/plan/tile.h"

namespace tenon::plan {

// A set of small numbers.
class Bits {
 public:
  bool has(int i) const { return word(i) < words_.size() && words_[word(i)] >> (i % 64) & 1; }
  void add(int i) {
    if (word(i) >= words_.size()) words_.resize(word(i) + 1);
    words_[word(i)] |= uint64_t{1} << (i % 64);
  }
  void remove(int i) {
    if (has(i)) words_[word(i)] &= ~(uint64_t{1} << (i % 64));
  }
  void add(const Bits& other) {
    if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
    for (size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  }

 private:
  static size_t word(int i) { return static_cast<size_t>(i) / 64; }
  std::vector<uint64_t> words_;
};

class Planner {
 public:
  Planner(const ir::Function& fn, const Dims& dims, const ir::Region& region,
          const CompileOptions& options)
      : fn_(fn), dims_(dims), region_(region), options_(options), random_(options.random_cuts) {}

  std::vector<Group> run() {
    if (options_.fuse_tiles) tiles_ = find_tiles(fn_, dims_, region_);
    for (size_t i = 0; i < region_.nodes.size(); ++i)
      if (const auto it = tiles_.cones.find(i); it != tiles_.cones.end()) tile(i, it->second);
      else if (!tiles_.inside.contains(i)) place(i);
    if (options_.fuse_rows) {
      rows();
      sink();
      if (options_.fuse_blocks) blocks();
    }
    if (options_.compute_again) again();
    return in_order();
  }

 private:
  struct Work {
    Group group;
    std::vector<DimId> shape;  // of a point group; of a row group with its last axis
    std::set<int> needs;       // directly
    Bits waits;                // for which groups in all
    size_t last = 0;           // the place of its last node
    bool ordered = false;      // holds a node that keeps order
    bool gone = false;         // merged into another
  };

  // ---- which groups wait for which, and the nodes in them (groups.cpp)
  bool waits(int a, int b) const { return groups_[a].waits.has(b); }  // a for b
  void add_need(int g, int need);
  std::set<int> needs_of(size_t i);  // of the node at i
  // The symbols that a node's types and attributes mention, and those of the nodes inside it.
  std::vector<SymId> symbols_in(const ir::Node& n) const;
  ir::Value root(ir::Value v) const {
    auto it = root_.find(v);
    return it == root_.end() ? v : it->second;
  }
  bool made_by(size_t g, ir::Value v) const {
    const auto at = made_.find(v);
    return at != made_.end() && at->second == static_cast<int>(g);
  }
  // A map reads elements of whole tensors: what the group has only in registers is no tensor yet.
  bool reads_whole(const ir::Node& n, int g) const;
  // Whether a map of one reads, at places of its own choice, what the other makes.
  static bool reads_from(const Work& reader, const Work& maker);
  // Does the body of one of the group's nodes read elements of it?
  static bool read_whole_by(const Group& g, ir::Value v);

  // ---- elementwise groups (groups.cpp)
  void place(size_t i);
  // A reduction or a product with what makes its operand, which others may make again (tile.h).
  void tile(size_t i, const std::vector<size_t>& cone);
  bool may_join(const ir::Node& n, int g, const std::set<int>& needs);
  void join(int g, size_t i, const std::set<int>& needs);
  void record(int g, size_t i);
  int fresh(size_t i, Group::Kind kind, const std::set<int>& needs);
  // Merges b into a when nothing stands between them; unless `row`, both are of one kind and shape.
  void merge(int a, int b, bool row = false);
  std::vector<Group> in_order();

  // ---- passes over rows, and products around them (group_rows.cpp)
  // Around each reduction of rows: whatever walks over the same rows, before it and behind it.
  void rows();
  // What a group makes for one other group alone, out of what is in memory anyway, is made there:
  // so it is neither written nor read. (A derivative's factors are made beside the values that they
  // are of, since those are what they need.)
  void sink();
  void sink(int a, int b, const ir::Node* last, std::map<ir::Value, std::set<int>>& users);
  // Around each row group: products that make what it goes over, and those that take what it makes.
  void blocks();
  const ir::Node* product_by_itself(size_t g) const;
  bool may_take(const ir::Node& n, const std::vector<DimId>& space, int side) const;
  void join_block(size_t a, size_t b);
  void make_again(size_t a);
  RowRole role_of(const Group& g, ir::Value v, const std::vector<DimId>& space) const;
  bool used_wide(const Group& g, ir::Value v, const std::vector<DimId>& space) const;
  bool fits(const Work& w, const std::vector<DimId>& space) const;

  // ---- what is computed twice (group_again.cpp)
  struct Makers {
    std::map<ir::Value, const ir::Node*> of;  // the node that makes a value of the region
    std::set<ir::Value> changed;              // roots that something changes in place: they are read where they were
  };
  Makers makers() const;
  struct Again {
    int group;
    const Makers& makers;
    std::map<ir::Value, std::set<int>>& users;    // of a value in memory; -1: a result of the region
    std::set<ir::Value> has, wanted;              // what it reads; what it would rather compute
    std::set<const ir::Node*> nodes;              // that compute it
  };
  void again();
  bool may_repeat(const Again& a, ir::Value v) const;
  bool needed_elsewhere(const Again& a, ir::Value v) const;
  double gain_of(Again& a) const;
  double cost_of_reading(const Again& a, ir::Value v) const;
  void repeat(const Again& a);
  std::map<ir::Value, std::set<int>> users() const;  // by groups; -1: a result of the region

  const ir::Function& fn_;
  const Dims& dims_;
  const ir::Region& region_;
  const CompileOptions& options_;
  Tiles tiles_;
  std::mt19937 random_;
  std::vector<Work> groups_;
  std::map<ir::Value, int> made_;               // value -> group
  std::map<SymId, int> bound_;                  // size bound in this region -> group
  std::map<ir::Value, ir::Value> root_;         // view -> whose memory it looks at
  std::map<ir::Value, std::set<int>> readers_;  // root -> groups that read it
  int last_ordered_ = -1;
};

}  // namespace tenon::plan
