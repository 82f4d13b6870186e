// What an expression is while a program is being elaborated: a structure that is known when compiling
// (records, tuples, models, functions, strings) over leaves that are values of the IR. Everything
// that is not a leaf has vanished when the IR function is done.
//
// A leaf belongs to one IR function under construction (`owner`), or to the session (owner 0), where
// it is the number of a kept tensor. Using a leaf in another function imports it as a hidden
// parameter (see elab.h). Values are immutable and shared.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/ast.h"
#include "ir/function.h"

namespace tenon::elab {

struct Value;
using Val = std::shared_ptr<const Value>;
struct Scope;
using ScopePtr = std::shared_ptr<Scope>;

struct Leaf {
  uint32_t owner = 0;
  ir::Value v = ir::kNoValue;
  friend auto operator<=>(const Leaf&, const Leaf&) = default;
};

struct Value {
  enum Kind {
    unit, poison, never, tensor, integer, real, weak, string, tuple, list, record, range, sequence,
    function, model, model_class, dtype, module, type
  };
  const Kind kind;
  virtual ~Value() = default;

 protected:
  explicit Value(Kind k) : kind(k) {}
};

struct UnitVal : Value {
  UnitVal() : Value(unit) {}
};

// Stands for the value of something that has been reported as wrong: whoever meets it says nothing.
struct PoisonVal : Value {
  PoisonVal() : Value(poison) {}
};

// The value of fail(..): an expression of any type that is never reached.
struct NeverVal : Value {
  NeverVal() : Value(never) {}
};

// A tensor of rank 0 and up. `known`: its elements, when they are known while compiling.
// `share`: which param, state or part of a model it was named as; 0: as none. Two places of one model
// with the same number hold one tensor (rule 7, elab_share.cpp): whoever walks over leaves meets it once.
struct TensorVal : Value {
  TensorVal(Leaf l, ir::Type t, std::shared_ptr<const ir::Literal> k = {}, uint32_t s = 0)
      : Value(tensor), leaf(l), type(std::move(t)), known(std::move(k)), share(s) {}
  Leaf leaf;
  ir::Type type;
  std::shared_ptr<const ir::Literal> known;
  uint32_t share;
};

// A host whole number: a size where that is possible (a constant is one), else an i64 scalar.
struct IntVal : Value {
  explicit IntVal(DimId d) : Value(integer), dim(d) {}
  explicit IntVal(Leaf l) : Value(integer), leaf(l) {}
  std::optional<DimId> dim;
  Leaf leaf;                    // when there is no dim: an i64 scalar,
  std::optional<DimId> offset;  // to which this is added: x[i..i + 3] has 3 elements
};

// A host real number: a double that is known, else an f64 scalar.
struct FloatVal : Value {
  explicit FloatVal(double v) : Value(real), known(v) {}
  explicit FloatVal(Leaf l) : Value(real), leaf(l) {}
  std::optional<double> known;
  Leaf leaf;
};

// A bracket of literals that no `let` has named yet: it still takes the dtype of what it meets.
struct WeakVal : Value {
  WeakVal() : Value(weak) {}
  std::vector<int64_t> shape;
  bool real = false;
  std::vector<double> reals;       // when real
  std::vector<int64_t> integers;   // when not
};

// Text with holes: what is filled in when the program runs.
struct TextPiece {
  std::string text;
  Val hole;  // a tensor, integer or real leaf; else null
  std::string format;
};
struct StringVal : Value {
  explicit StringVal(std::vector<TextPiece> p) : Value(string), pieces(std::move(p)) {}
  std::vector<TextPiece> pieces;  // neighbouring texts are joined
  // The text itself when nothing is left to fill in.
  std::optional<std::string> known() const {
    if (pieces.empty()) return std::string();
    if (pieces.size() == 1 && !pieces[0].hole) return pieces[0].text;
    return std::nullopt;
  }
};

struct TupleVal : Value {
  explicit TupleVal(std::vector<Val> e) : Value(tuple), elements(std::move(e)) {}
  std::vector<Val> elements;
};
struct ListVal : Value {
  explicit ListVal(std::vector<Val> e) : Value(list), elements(std::move(e)) {}
  std::vector<Val> elements;
};
struct RecordVal : Value {
  explicit RecordVal(std::vector<std::pair<std::string, Val>> f) : Value(record), fields(std::move(f)) {}
  std::vector<std::pair<std::string, Val>> fields;
  Val find(std::string_view name) const {
    for (auto& [n, v] : fields)
      if (n == name) return v;
    return nullptr;
  }
};

struct RangeVal : Value {  // lo..hi, half open
  RangeVal(Val l, Val h) : Value(range), lo(std::move(l)), hi(std::move(h)) {}
  Val lo, hi;  // IntVal
};

// What `for` runs over when its elements are computed: get(0), get(1), .. get(count - 1).
struct SequenceVal : Value {
  SequenceVal(Val c, Val g) : Value(sequence), count(std::move(c)), get(std::move(g)) {}
  Val count;  // IntVal
  Val get;    // a function of one int
};

struct DTypeVal : Value {
  explicit DTypeVal(DType t) : Value(dtype), value(t) {}
  DType value;
};

struct Builtin;  // elab.h: a row of the table of primitives

// The derivative forms and modes that wrap a function.
enum class Wrap { grad, value_and_grad, jvp, vjp_pull, jacobian, train_mode, eval_mode };

struct FunctionVal : Value {
  enum What { named, lambda, builtin, wrapped };
  explicit FunctionVal(What w) : Value(function), what(w) {}
  What what;
  const ast::FnDecl* decl = nullptr;    // named
  const ast::Lambda* fn = nullptr;      // lambda
  ScopePtr scope;                       // named, lambda: where it was made
  Val self;                             // named: the model a method belongs to, or null
  const Builtin* primitive = nullptr;   // builtin
  Wrap wrap{};                          // wrapped
  Val inner;                            // wrapped: the function
  std::vector<std::string> wrt;         // wrapped: names of parameters; empty: the first
  std::vector<Val> held;                // vjp_pull: the arguments
  uint64_t id = 0;                      // lambda: tells closures apart
};

struct ModelClassVal : Value {
  ModelClassVal(const ast::ModelDecl* d, ScopePtr s) : Value(model_class), decl(d), scope(std::move(s)) {}
  const ast::ModelDecl* decl;
  ScopePtr scope;
};

struct ModelField {
  enum Role { argument, param, state, part } role;
  std::string name;
  Val value;  // null: a param whose condition was false
};
struct ModelVal : Value {
  ModelVal() : Value(model) {}
  const ast::ModelDecl* decl = nullptr;
  ScopePtr scope;                  // where the model was declared
  std::vector<ModelField> fields;  // constructor arguments first, then members in order
  bool training = false;           // rule 1
  Loc made;                        // the call that made it, in the user's text where there is one
  // What the `train` block that gave this value has reported, by name; null: it comes from none.
  std::shared_ptr<const std::vector<std::string>> curve;
  const ModelField* find(std::string_view name) const {
    for (auto& f : fields)
      if (f.name == name) return &f;
    return nullptr;
  }
};

struct ModuleVal : Value {
  explicit ModuleVal(ScopePtr s, std::string n) : Value(module), scope(std::move(s)), name(std::move(n)) {}
  ScopePtr scope;  // null: a module of the library
  std::string name;
};

struct TypeVal : Value {  // a name that `type` gave; its own names are looked up where it was declared
  TypeVal(const ast::TypeExpr* t, ScopePtr s) : Value(Value::type), written(t), scope(std::move(s)) {}
  const ast::TypeExpr* written;
  ScopePtr scope;
};

template <class T>
const T* as(const Val& v);
#define TENON_VALUE_KIND(T, K) \
  template <> inline const T* as<T>(const Val& v) { \
    return v && v->kind == Value::K ? static_cast<const T*>(v.get()) : nullptr; \
  }
TENON_VALUE_KIND(UnitVal, unit)
TENON_VALUE_KIND(TensorVal, tensor)
TENON_VALUE_KIND(IntVal, integer)
TENON_VALUE_KIND(FloatVal, real)
TENON_VALUE_KIND(WeakVal, weak)
TENON_VALUE_KIND(StringVal, string)
TENON_VALUE_KIND(TupleVal, tuple)
TENON_VALUE_KIND(ListVal, list)
TENON_VALUE_KIND(RecordVal, record)
TENON_VALUE_KIND(RangeVal, range)
TENON_VALUE_KIND(SequenceVal, sequence)
TENON_VALUE_KIND(FunctionVal, function)
TENON_VALUE_KIND(ModelVal, model)
TENON_VALUE_KIND(ModelClassVal, model_class)
TENON_VALUE_KIND(DTypeVal, dtype)
TENON_VALUE_KIND(ModuleVal, module)
TENON_VALUE_KIND(TypeVal, type)
#undef TENON_VALUE_KIND

// ---------------------------------------------------------------- scopes

struct Binding {
  std::string name;
  Val value;              // null: declared at the top level, not yet reached
  bool mutable_ = false;
  Loc where;
  const ast::TypeExpr* growing = nullptr;  // a var's type that writes `_`: such a size may change in a loop
  bool letter = false;  // a size that the type of a `let` has named: no size of the functions around
};

// Names of one block. Closures hold scopes, so they are shared; a `var` is frozen where one is made.
struct Scope {
  explicit Scope(ScopePtr p, bool top_ = false) : parent(std::move(p)), top(top_) {}
  ScopePtr parent;
  bool top;  // a file's top level
  bool function = false;  // of a function or a model: letters of `let`s around it are no sizes in it
  std::vector<Binding> bindings;
  std::vector<std::string> local_names;  // what this block defined itself (double definitions)

  Binding* find_here(std::string_view name) {
    for (auto it = bindings.rbegin(); it != bindings.rend(); ++it)
      if (it->name == name) return &*it;
    return nullptr;
  }
  void define(std::string name, Val value, bool mutable_, Loc where) {
    bindings.push_back({std::move(name), std::move(value), mutable_, where});
  }
};

}  // namespace tenon::elab
