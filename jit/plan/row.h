// The part of a kernel that goes over rows: the passes of softmax, of normalisations and losses. A row
// group is nothing else (row.cpp); in a block it stands between products (block.cpp).
#pragma once

#include <set>

#include "jit/plan/kernel.h"

namespace tenon::plan {

class Rows {
 public:
  // `made`: what the kernel has in slots before the first pass, an element per place.
  Rows(FunctionLowering& driver, std::vector<const ir::Node*> nodes, std::vector<DimId> space,
       const std::set<ir::Value>& made = {});

  // Where elements go. In memory: every result, and what one pass hands to a later one. In slots: what
  // is made before, what passes hand on, and of the results those that only `taken` has: the memory of
  // a block of rows, shared where lifetimes allow.
  void place_in_memory();
  void place_in_slots(const std::set<ir::Value>& taken);
  struct Slot {
    DType dtype;
    Expr address = loop::kNone;  // in the kernel: where row 0 of the space would start
  };
  std::vector<Slot> slots;
  int slot_of(ir::Value v) const;  // -1: in memory
  const Place& place_of(ir::Value v) const;  // of a result in memory

  // The rows [lo, hi), numbered over all axes of the space but the last; with `slab`, which is where
  // they lie along all axes but the last two, over the last but one, behind `above` rows of others.
  void emit(KernelBuilder& k, Expr lo, Expr hi, std::vector<Expr> slab = {},
            Expr above = loop::kNone);
  // Binds the results in the driver.
  void finish();

 private:
  // A value of the group, or one that it reads.
  struct Item {
    const ir::Node* node = nullptr;  // null: read
    RowRole role = RowRole::none;
    int stage = 0;               // the pass in which it can be computed
    int last_stage = 0;          // the last pass that uses it
    bool wide = false;           // an element per place; else per row
    bool heavy = false;          // not computed twice
    bool stored = false;         // lies in memory once its pass is done
    int slot = -1;               // there instead
    Expr address = loop::kNone;  // memory, in the driver
    std::vector<DimId> strides;  // wide: per axis of the space
    Expr base = loop::kNone;     // in the kernel: where the row starts
  };

  bool outside(ir::Value v) const;
  bool look(ir::Value v) const;
  void find_wanted();
  void result_in_memory(ir::Value v);
  bool hands_over(int stage) const;
  void take_slot(ir::Value v, int from, int to);
  void partial_results();
  Expr address_of(const Item& item, KernelBuilder& k, const char* name) const;

  FunctionLowering& driver_;
  const std::vector<const ir::Node*> nodes_;
  const std::vector<DimId> space_;
  std::vector<DimId> outer_;
  DimId row_, one_;
  std::map<ir::Value, Item> items_;
  std::vector<ir::Value> order_;  // the group's own, in order
  int stages_ = 0;
  const std::set<ir::Value> made_;
  std::set<ir::Value> taken_, wanted_;
  std::vector<std::pair<ir::Value, Place>> outs_;
  // What lies where another value will: by the pass in which that is written. It is read before.
  std::map<int, std::vector<ir::Value>> replaced_;
  struct Lodger {
    ir::Value value;
    int to;
  };
  std::vector<Lodger> lodgers_;  // the last value of each slot
  Expr chunks_in_driver_ = loop::kNone;
  Place partials_;  // of rows longer than a chunk
};

}  // namespace tenon::plan
