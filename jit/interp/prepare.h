// From IR functions to prepared code: flattens regions into jumps, gives every value a slot, knows
// where each value is used for the last time, and picks the handler of each node (prepare_ops.cpp).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "jit/interp/code.h"

namespace tenon::interp {

// The values whose last use is the item at hand. A handler may take one over (`take`); what is left
// is dropped behind the item.
class Dying {
 public:
  explicit Dying(std::vector<ir::Value> values) : values_(std::move(values)) {}
  bool has(ir::Value v) const;
  bool take(ir::Value v);
  const std::vector<ir::Value>& left() const { return values_; }

 private:
  std::vector<ir::Value> values_;
};

// What becomes one instruction (or a nest of them): a node, or point nodes of one shape fused.
struct Item {
  const ir::Node* node = nullptr;      // null: a group
  std::vector<const ir::Node*> group;  // in order
  std::vector<ir::Value> uses;         // of a group: what it reads from outside
  std::vector<ir::Value> defs;         // of a group: what others read
};

class Preparer {
 public:
  Preparer(ir::Module& module, const ir::Function& fn);
  std::unique_ptr<Prepared> run();

 private:
  using Finish = std::function<void(Dying&)>;

  // ---- slots
  uint32_t new_slot(SlotKind kind);
  void free_slot(uint32_t slot);
  uint32_t define(ir::Value v);      // a new slot for it
  uint32_t pinned_slot(Slot start);  // a scalar of its own, set when the frame is made
  uint32_t slot(ir::Value v) const;
  SlotKind kind(ir::Value v) const;
  const ir::Type& type(ir::Value v) const { return fn_.type(v); }
  bool rank0(ir::Value v) const { return type(v).scalar(); }
  uint32_t symbol_slot(SymId s);
  SizeRef size_ref(DimId d);
  ShapeRef shape_ref(const std::vector<DimId>& shape);
  void size_code(DimId d);

  // ---- instructions
  Instr& emit(Handler h, uint32_t out = 0, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0);
  int here() const { return static_cast<int>(code_->instrs.size()); }
  void land(int from) { code_->instrs[from].jump = here() - from; }
  template <class T>
  T* own(T value) {
    auto p = std::make_shared<T>(std::move(value));
    code_->owned.push_back(p);
    return p.get();
  }
  std::vector<Use> uses(const std::vector<ir::Value>& values, Dying& dying);
  Use borrow(ir::Value v) const { return {slot(v), false, kind(v), type(v).dtype}; }
  void drop(ir::Value v);
  struct Move {
    ir::Value from;
    uint32_t to;
  };
  void moves(std::vector<Move> list, Dying& dying);  // all at once

  // ---- what goes together: prepare_plan.cpp
  bool is_point(const ir::Node& n) const;
  std::vector<Item> plan(const ir::Region& r);
  // The scalar that a point node reads where `v` is its broadcast; else v.
  ir::Value splat_of(ir::Value v) const { return splat_[v] == ir::kNoValue ? v : splat_[v]; }
  bool only_splat(const ir::Node& n) const;
  void find_elements();

  // ---- control: prepare.cpp
  const std::vector<ir::Value>& used_in(const ir::Region& r);
  static void direct_uses(const Item& item, std::vector<ir::Value>& out);
  void region(const ir::Region& r, const std::vector<ir::Value>& owned, const Finish& finish);
  void compact_views(const ir::Node& n, int k, const Dying& dying, const std::set<ir::Value>& local);
  void node(const ir::Node& n, Dying& dying);
  void if_node(const ir::Node& n, Dying& dying);
  void for_node(const ir::Node& n, Dying& dying);
  void while_node(const ir::Node& n, Dying& dying);
  void call_node(const ir::Node& n, Dying& dying);
  // The slots of a loop's carries; moves the initial values in.
  std::vector<uint32_t> carries(const ir::Node& n, size_t first, Dying& dying);

  // ---- operations: prepare_ops.cpp
  void scalar_node(const ir::Node& n);
  void group(const Item& item, Dying& dying);
  void map_node(const ir::Node& n, Dying& dying);
  void check_node(const ir::Node& n);
  void host_node(const ir::Node& n, Dying& dying);
  void tensor_node(const ir::Node& n, Dying& dying);

  ir::Module& module_;
  const ir::Function& fn_;
  std::unique_ptr<Prepared> code_;
  Loc loc_;
  const ir::Node* node_ = nullptr;  // whose instructions are written
  std::vector<uint32_t> slot_of_;  // per value
  std::vector<int> last_;          // scratch of region()
  std::vector<uint32_t> owner_;    // scratch of region(): which region answers for a value's end
  uint32_t regions_ = 0;
  std::vector<uint32_t> free_[3];  // per kind
  std::map<const ir::Region*, std::vector<ir::Value>> used_in_;
  std::vector<int> use_count_;        // of each value, in the whole function
  std::vector<ir::Value> splat_;      // a broadcast of a scalar -> the scalar
  std::vector<char> needed_whole_;    // a value that others than point nodes read
  std::vector<const ir::Node*> def_;  // of each value; null: a parameter
  // One element between a tensor and a scalar (x[i], x[i] = v): a tensor of ones as type, whose
  // only maker and reader are slice and reshape, or reshape and update, lies as a scalar in its
  // slot.
  std::vector<char> element_;
  std::set<uint32_t> pinned_;  // slots that are never free
};

}  // namespace tenon::interp
