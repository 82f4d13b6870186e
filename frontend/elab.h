// The elaborator's inside: one class, its methods spread over elab_*.cpp by what they do.
//   elab_unit.cpp       units, top-level names, modules, keeping results
//   elab_stmt.cpp       blocks and statements, jumps
//   elab_control.cpp    if, for, while; joining the values of branches
//   elab_expr.cpp       expressions
//   elab_operator.cpp   operators, equality, the matrix product
//   elab_name.cpp       names and members
//   elab_subscript.cpp  x[..] read and x[..] = v
//   elab_tensor.cpp     from host numbers to tensors, broadcasting, sizes
//   elab_type.cpp       written types against values
//   elab_call.cpp       calls, instances of functions
//   elab_model.cpp      models
//   elab_share.cpp      one tensor in several places of a model
//   elab_derive.cpp     grad and its relatives
//   elab_text.cpp       strings, print
//   elab_findings.cpp   what is told of it for a reader
//   builtins_*.cpp      the primitives that the library is written on
//
// A function is elaborated once per *instance*: the types of its arguments and what about them is
// static (design.md a1). An instance is an IR function; what it uses from around it becomes hidden
// parameters (`imports`), and sizes it uses become its size symbols. While an instance is being made
// its `int` and `bool` parameters are run-time numbers; when one turns out to be needed at compile
// time (an axis), `DemandStatic` unwinds to the maker, which starts again with that one static.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "frontend/elaborate.h"
#include "frontend/value.h"
#include "ir/builder.h"

namespace tenon::elab {

class Elab;

// Someone has reported an error already; unwinds to the enclosing statement without a word.
struct Reported {};
// An argument must be static: caught by the maker of the instance `owner`.
struct DemandStatic {
  uint32_t owner;
  int param;
};
// A loop must be unrolled since its index is needed at compile time.
struct DemandUnroll {
  uint64_t loop;
};
struct NeedsCounter {  // a draw inside a `while` needs the number of the turn
  size_t frame;
};
struct Args {
  struct One {
    std::string name;  // empty: by position
    Val value;
    Loc loc;
  };
  std::vector<One> list;
  Loc loc;  // of the whole call
};

struct Builtin {
  std::string_view name;
  std::string_view signature;  // for messages and documentation
  Val (*call)(Elab&, const Args&);
};
const Builtin* find_builtin(std::string_view name);
std::vector<std::string> builtin_names();

// A loop around the place that is being elaborated, in the same IR function.
struct LoopFrame {
  Leaf turn;  // i64 number of the turn, for the keys of draws
};

// One IR function under construction.
struct FnCx {
  FnCx(uint32_t id_, ir::Module& module, ir::Function* f) : id(id_), fn(f), b(module, *fn) {}
  uint32_t id;
  ir::Function* fn;  // owned by the module
  ir::Builder b;
  std::vector<std::pair<Leaf, ir::Value>> imports;
  std::vector<LoopFrame> loops;
  ir::Value key = ir::kNoValue;  // set by _reseed; else the hidden parameter is used
  int64_t draws = 0;             // ordinal of the next draw or of a call that draws
  bool effect = false;
  bool training = false;         // the mode `training` reads outside of models
  const void* decl = nullptr;    // whose static parameters are recorded
  // Where each symbol and each bool leaf of a parameter came from, for DemandStatic.
  std::map<SymId, int> symbol_param;
  std::map<ir::Value, int> value_param;
  // `update`s of state leaves: the parameter's leaf -> the new value.
  std::vector<std::pair<Leaf, Val>> updates;
  bool pure_only = false;        // inside what is differentiated: effects are E0701
};

// A made instance: how to call it.
struct Instance {
  ir::FnId fn = 0;
  uint32_t owner = 0;
  Val result;                                     // over the callee's leaves
  std::vector<std::pair<Leaf, ir::Type>> imports;  // hidden parameters after the written ones
  bool draws = false;                             // a key follows
  bool effect = false;
  bool in_progress = false;
  bool called_recursively = false;
  bool failed = false;                            // its errors have been reported
  ScopePtr scope;                                 // kept alive: the key holds its address
  struct OwnSize {                                // a size symbol of its own, and what it is for a caller
    SymId symbol;
    enum From { of_int, of_name, of_axis } from;
    int param;         // of_int, of_axis
    int leaf, axis;    // of_axis: of the argument's leaves
    std::string name;  // of_name: a size of the signature
  };
  std::vector<OwnSize> own_sizes;
  std::vector<Val> param_values;                  // over the callee's leaves; for `derivative of`
  Val self_value;                                 // likewise
  std::map<std::string, DimId> size_names;
  std::vector<std::pair<Leaf, Val>> updates;      // over callee's leaves
};

class Elab {
 public:
  Elab(ir::Module& module, SourceMap& sources, Texts& texts);

  ir::Module& module;
  SourceMap& sources;
  Texts& texts;
  Dims& dims;
  FnCx* cx = nullptr;
  std::vector<Diagnostic> messages;

  // ---- messages
  [[noreturn]] void error(Code code, Loc where, std::string message, std::string hint = {},
                          std::vector<Note> notes = {});
  void report(const Diagnostic& d);  // keeps it once

  // ---- leaves
  ir::Value use(const Leaf& leaf, const ir::Type& type);
  ir::Value use(const TensorVal& t);
  Val tensor(ir::Value v);  // of the current function
  Leaf leaf(ir::Value v) { return {cx->id, v}; }
  // Rebuilds a structure; `f` maps each leaf with its type, `subst` its sizes.
  // What is shared within a model is visited once, here and in flatten.
  using Met = std::map<uint32_t, Val>;  // by `share`, inside of one outermost model
  // A function's result has the shares of the call it was made for: what each of them is at another call.
  using Renamed = std::map<uint32_t, uint32_t>;
  Val rebuild(const Val& v, const std::function<Leaf(const Leaf&, const ir::Type&)>& f,
              const DimSubst* subst = nullptr,
              const std::function<ir::Type(const ir::Type&)>* types = nullptr, Met* met = nullptr);
  struct FlatLeaf {
    Leaf leaf;
    ir::Type type;
    std::string path;
    ir::Leaf::Role role = ir::Leaf::data;
    bool part = false;      // of some model: neither alone nor only a constructor's argument
    bool argument = false;  // of a model's constructor, and no part of a model there: not saved
    std::vector<std::string> also{};  // the other places of a model that hold it
  };
  void flatten(const Val& v, std::vector<FlatLeaf>& out, const std::string& path = "",
               ir::Leaf::Role role = ir::Leaf::data);
  struct LeafPlace;  // where flatten is
  void flatten_at(const Val& v, std::vector<FlatLeaf>& out, const LeafPlace& at);
  std::string type_text(const Val& v);
  std::string type_text(const ir::Type& t);
  std::string shape_text(const std::vector<DimId>& shape);

  // ---- numbers and tensors (elab_tensor.cpp)
  Val integer(int64_t v) { return std::make_shared<IntVal>(dims.constant(v)); }
  Val real(double v) { return std::make_shared<FloatVal>(v); }
  Val boolean(bool v);
  Val unit() { return unit_; }
  Val string(std::string text);
  ir::Value int_value(const IntVal& i);         // as an i64 scalar
  ir::Value float_value(const FloatVal& f);     // as an f64 scalar
  DimId int_dim(const IntVal& i);               // as a size; binds one when it has to
  Val int_from(ir::Value v) { return std::make_shared<IntVal>(leaf(v)); }
  // A tensor on its own: int -> i64, float -> f32, weak -> either. Errors for what is no tensor.
  const TensorVal& as_tensor(Val& v, Loc loc, std::string_view what = "a tensor");
  // As a tensor of this dtype; weak numbers take it, others must have it.
  ir::Value to_dtype(const Val& v, DType t, Loc loc);
  bool is_numberlike(const Val& v);             // tensor, integer, real, weak
  bool is_weak(const Val& v);                   // takes the dtype of what it meets
  std::optional<DType> dtype_of(const Val& v);  // of a tensor; nothing for weak ones
  // Brings operands to one dtype and one shape (one-sided broadcasting); rank 0 and host numbers stretch.
  struct Operands {
    std::vector<ir::Value> values;
    DType dtype;
    std::vector<DimId> shape;
  };
  Operands together(const std::vector<Val>& vs, const std::vector<Loc>& locs, Loc op_loc,
                    std::string_view op, std::optional<DType> force = {});
  ir::Value stretch(ir::Value v, const std::vector<DimId>& shape);  // trailing alignment
  Val elementwise(ir::Op op, const std::vector<Val>& vs, const std::vector<Loc>& locs, Loc loc,
                  std::string_view name);

  // Equality of two sizes: proved, refuted (error), or left to one check when the program runs.
  enum class Sizes { equal, checked };
  Sizes require_equal(DimId a, DimId b, Loc loc, const std::string& what, const std::string& hint,
                      std::vector<Note> notes);
  std::vector<Note> size_notes(DimId a, DimId b);
  struct Differing {  // what require_equal complained about last
    DimId have, want;
    std::string name;  // of the dimension that the type writes; may be empty
    Loc where;
  };
  std::optional<Differing> differing;
  // Where the two sizes came from that an argument and a layer disagree about: a note for each.
  void explain_sizes(Diagnostic& d, const Val& callee, const ast::Call& c, const ScopePtr& s);
  ir::Value reshape_as(ir::Value v, const std::vector<DimId>& shape);

  // ---- what must be static
  int64_t static_int(const Val& v, Loc loc, std::string_view who);
  bool static_bool(const Val& v, Loc loc, std::string_view who);
  std::optional<bool> known_bool(const Val& v);
  std::optional<int64_t> known_int(const Val& v);
  [[noreturn]] void demand_static(const Val& v, Loc loc, std::string_view who);
  std::string static_string(const Val& v, Loc loc, std::string_view who);
  std::vector<int> static_axes(const Val& v, int rank, Loc loc);

  // ---- expressions (elab_expr.cpp)
  Val expr(const ast::Expr& e, const ScopePtr& s);
  Val condition(const ast::Expr& e, const ScopePtr& s, std::string_view who);  // one bool
  Val unary(ast::UnaryOp op, const Val& a, Loc loc, Loc a_loc);
  Val binary(ast::BinaryOp op, const Val& a, const Val& b, Loc loc, Loc a_loc, Loc b_loc);
  Val bracket(std::vector<Val> elements, const std::vector<Loc>& locs, Loc loc);
  Val matmul(Val a, Val b, Loc loc, Loc a_loc, Loc b_loc);
  Val int_binary(ast::BinaryOp op, const IntVal& a, const IntVal& b, Loc loc);
  Val float_binary(ast::BinaryOp op, const Val& a, const Val& b, Loc loc, Loc a_loc, Loc b_loc);
  Val power(const Val& a, const Val& b, Loc loc, Loc a_loc, Loc b_loc, bool host);
  ir::Value compare_values(ast::BinaryOp op, ir::Value x, ir::Value y);
  Val comprehension(const ast::Comprehension& c, const ScopePtr& s);
  Val reduction(const ast::Reduction& r, const ScopePtr& s);
  class IndexNotation;  // elab_index.cpp
  int in_map = 0;       // inside the body of a `map`: subscripts read one element,
  const std::function<Val(const ast::Reduction&)>* made_before = nullptr;  // and so do reductions
  Val closure(const ast::Lambda& l, const ScopePtr& s);
  ScopePtr freeze(const ScopePtr& s);
  Val member(const Val& object, const ast::Name& name, Loc loc);
  Val name_value(const std::string& id, Loc loc, const ScopePtr& s);
  bool known_name(std::string_view id, const ScopePtr& s);
  std::string unknown_name_hint(const std::string& id, const ScopePtr& s);
  Binding* lookup(std::string_view id, const ScopePtr& s);
  Val equal(const Val& a, const Val& b, Loc loc);  // one bool

  // ---- subscripts
  Val subscript(const Val& object, const std::vector<ast::Sub>& subs, Loc loc, const ScopePtr& s);
  Val gather_rows(const Val& v, const Val& ids, Loc loc);  // every tensor leaf along its first axis
  struct Cut {   // one axis of a slice
    Val start;   // IntVal
    DimId count;
    bool drop = false;  // the axis goes away
    Loc loc;
    int64_t step = 1;
  };
  std::vector<Cut> cuts(const std::vector<DimId>& shape, const std::vector<ast::Sub>& subs, Loc loc,
                        const ScopePtr& s, const std::string& what);
  [[noreturn]] void out_of_range(const ast::Sub& sub, int64_t index, size_t axis, const std::string& size);
  ir::Value slice_value(ir::Value x, const std::vector<Cut>& list, Loc loc);
  Val index_int(const ast::Expr& e, const ScopePtr& s);
  Val slice_rows(const Val& v, const Cut& cut, Loc loc);
  Val row(const Val& v, ir::Value index, Loc loc);
  DimId first_size(const Val& v, Loc loc);                 // len
  Val assign_place(const Val& base, const ast::Expr& place, const Val& value, const ScopePtr& s);

  // ---- statements (elab_stmt.cpp)
  Val block(const ast::Block& b, const ScopePtr& s);  // in a new scope inside s
  Val stmts(const std::vector<const ast::Stmt*>& list, const ScopePtr& s, bool last_is_value);
  void stmt(const ast::Stmt& st, const ScopePtr& s);
  Val stmt_value(const ast::Stmt& st, const ScopePtr& s, bool want);
  // Runs f; an error in it is reported and poisons what the statement defines. False: there was one.
  bool guarded(const ast::Stmt& st, const ScopePtr& s, const std::function<void()>& f);
  void poison_names(const ast::Stmt& st, const ScopePtr& s);
  void define(const ScopePtr& s, const ast::Name& id, Val v, bool mutable_);
  Val declared(const ast::TypeExpr& t, const Val& v, const ScopePtr& s, Loc loc);  // let x: T = v
  Val index_bind(const ast::IndexBind& b, const ScopePtr& s);
  void update_state(const ast::Update& u, const ScopePtr& s);
  void assert_fails(const ast::Call& c, const ScopePtr& s);
  bool lookup_is_frozen(std::string_view id, const ScopePtr& s);
  void bind_pattern(const ast::Pattern& p, const Val& v, bool mutable_, const ScopePtr& s);
  void assign(const ast::Assign& a, const ScopePtr& s);
  void assign_to(const ast::Expr& place, const Val& value, const ScopePtr& s);
  Val named_value(const Val& v);  // what `let` makes of it: weak tensors get their dtype
  void assert_stmt(const ast::Assert& a, const ScopePtr& s);
  Val draw_value(const ast::Expr& distribution, const ast::TypeExpr* type, const ScopePtr& s, Loc loc);

  // Code in tail position, where jumps end the region (elab_stmt.cpp).
  struct Cont {
    const std::vector<const ast::Stmt*>* list;
    size_t at;
    ScopePtr scope;
    const Cont* next;
  };
  struct Tail {
    std::function<Val(const Val&)> end;                  // fell off the end, with the last value
    std::function<Val(const Val&, Loc)> on_return;       // null: not allowed here
    std::function<Val(Loc)> on_break, on_continue;
    bool want_value = false;
  };
  struct LoopReturn {  // a loop that may return from its function
    Val flag;          // null: it cannot, after all
    Val value;
  };
  Val tail(const Cont* c, const Tail& t);
  Val join_and_go_on(const ast::IfExpr& e, const Val& cond, const ScopePtr& s, const Cont& rest, const Tail& t);
  const Cont& keep_cont(const Cont& c);
  Val body_value(const ast::FnBody& body, const ScopePtr& s);  // a function's body

  // ---- control (elab_control.cpp)
  // A place where a var is kept; scopes may grow meanwhile.
  struct Var {
    Scope* scope;
    size_t at;
    Val& value() const { return scope->bindings[at].value; }
  };
  Val if_expr(const ast::IfExpr& e, const ScopePtr& s, bool want_value);
  // Two arms under a run-time condition; both values and all vars assigned in them are joined.
  Val branches(const Val& cond, const std::function<Val()>& then, const std::function<Val()>& otherwise,
               const std::vector<Var>& assigned, Loc loc, bool want_value);
  void for_stmt(const ast::For& f, const ScopePtr& s, LoopReturn* returns);
  void while_stmt(const ast::While& w, const ScopePtr& s, LoopReturn* returns);
  struct LoopSpec;
  void run_loop(LoopSpec& spec, LoopReturn* returns);
  void unrolled(const ast::For& f, const std::vector<Val>& items, const ScopePtr& s, LoopReturn* returns);
  void unrolled_with_jumps(const ast::For& f, const std::vector<Val>& list, const ScopePtr& s, LoopReturn* returns);
  std::vector<Var> vars_named(const std::set<std::string>& names, const ScopePtr& s);
  std::vector<Var> every_var(const ScopePtr& s);
  // Elements of what `for` and comprehensions run over: known one by one, or counted.
  struct Items {
    std::optional<std::vector<Val>> known;
    Val lo, hi;                           // IntVal
    std::function<Val(const Val&)> get;   // of an index
  };
  Items items(const Val& source, Loc loc);
  // Whether a size symbol means something outside of the regions that are open now.
  bool visible_symbol(SymId s);
  // Same kind, dtype and rank: what a var may be assigned.
  bool same_kind(const Val& a, const Val& b, std::string& why);
  // The common type of two values: leaves carry types only. Null when there is none (why: set).
  // `resize`: sizes may differ, and are `_` in the type of both.
  Val join(const Val& a, const Val& b, std::string& why, bool resize = false);
  bool any_size_wanted = false;  // in a value whose written type has `_`: its branches may differ in sizes
  static bool writes_any_size(const ast::TypeExpr& t);
  std::string size_hint(const Var& var, const Val& a, const Val& b, std::string otherwise);
  Val join_var(const Var& var, const Val& a, const Val& b, std::string& why);
  // Over the border of a loop's or a branch's region: a value as `target` says, each tensor whose
  // sizes the target does not tell behind those sizes, as i64.
  void hand_on(const Val& v, const Val& target, std::vector<ir::Value>& out);
  Val receive(const Val& target, const std::vector<ir::Value>& values, size_t& next);
  Val without_hidden_sizes(const Val& v);  // sizes that were bound inside a closed region become `_`
  Val coerce(const Val& v, const Val& target);                    // to a joined type, emitting converts
  void leaf_values(const Val& v, std::vector<ir::Value>& out);    // in the current function
  Val dynamic(const Val& v);  // numbers that change become leaves

  // ---- types (elab_type.cpp)
  struct TypeCx {  // what a signature's names stand for at one call
    std::map<std::string, DimId> sizes;
    std::map<std::string, DType> dtypes;
    std::optional<std::vector<DimId>> rest;
    std::map<std::string, std::string> bounds;  // dtype variable -> float, integer, ..
    std::map<std::string, Loc> size_where;
    ScopePtr scope;                             // where other names are looked up
    bool bind = true;                           // unknown names are bound, not errors
    bool signature = false;                     // of a function: its letters are its own
  };
  Binding* size_named(std::string_view id, const TypeCx& t);
  std::optional<DimId> dim(const ast::DimExpr& e, TypeCx& t, bool partial = false);
  std::optional<DType> type_dtype(const ast::TypeExpr& e, TypeCx& t);
  bool is_dtype_name(const ast::TypeExpr& e, TypeCx& t);
  std::string_view host_type(const ast::TypeExpr& e);  // "int", "float", "bool", "string", .. or ""
  // Checks v against the type, binds its names, and gives v as that type (weak numbers take dtypes).
  Val match(const ast::TypeExpr& e, const Val& v, TypeCx& t, Loc loc, const std::string& what);
  void bind_dims(const ast::TypeExpr& e, const ir::Type& type, TypeCx& t);
  ir::Type tensor_type(const ast::TypeExpr& e, TypeCx& t);  // everything bound
  struct ParamCx {     // while the parameters of an instance are made
    TypeCx types;      // in the instance's own symbols
    Instance* inst = nullptr;
    int param = 0;     // which parameter, and how many leaves of it have been made
    int leaf = 0;
  };
  Val parameter(const ast::TypeExpr* e, const Val& arg, ParamCx& p, const std::string& path);
  // What `type` named, of this file or of a module; null: the type is something else.
  const TypeVal* type_named(const ast::TypeExpr& e, const ScopePtr& s);
  std::string unknown_type_hint(const std::string& id, const ScopePtr& s);

  // ---- calls (elab_call.cpp, elab_instance.cpp)
  Val call_expr(const ast::Call& c, const ScopePtr& s);
  Val call(const Val& callee, const Args& args);
  // What is called: a named function or method, or a lambda.
  struct Callee {
    const void* decl;          // identity: FnDecl or Lambda
    std::string name;
    const ast::FnSig* sig;
    const ast::FnBody* body;
    ScopePtr scope;            // where it was made
    Val self;                  // a method's model
    uint64_t id = 0;           // tells closures of one text apart
    Loc loc;
    bool training = false;
    ScopePtr names;            // what its types and defaults see: a method's, the model's fields too
  };
  Callee callee_of(const FunctionVal& f);
  // Arguments in the order of the parameters, defaults filled in, checked against their types.
  struct Bound {
    std::vector<Val> values;
    std::vector<Loc> locs;
    TypeCx types;
    bool alone = false;  // no call: a function is checked by its text
  };
  Bound bind_args(const Callee& c, const Args& args);
  Val call_inline(const Callee& c, const Args& args);
  Val call_instance(const Callee& c, const Args& args);
  Instance* instance(const Callee& c, const Bound& bound, const std::string& key, DimSubst& sizes);
  void make_body(const Callee& c, const Bound& bound, Instance& inst,
                 const std::vector<std::pair<Leaf, ir::Type>>& assumed, const std::vector<SymId>& assumed_sizes);
  void make_rule(const Callee& c, const ast::Derivative& d, Instance& inst);
  Val placeholder(const ast::TypeExpr& e, TypeCx& t);
  void caller_sizes(const Instance& inst, const Bound& bound, DimSubst& sizes);
  bool names_size(const ast::FnSig& sig, const std::string& id);
  Val cast(const Val& v, DType to, Loc loc);
  uint32_t making_owner = 0;  // the function whose making a DemandStatic has just ended
  Val emit_call(Instance& inst, std::vector<ir::Value> operands, const DimSubst& sizes, Loc loc, const Renamed& shares);
  // Ends the function under construction: results, size symbols, verification.
  void finish_function(FnCx& f, const std::vector<ir::Value>& results, const std::vector<FlatLeaf>& leaves);
  std::unique_ptr<FnCx> new_cx(std::string name, Loc loc, ir::FnId& id);
  std::vector<SymId> free_symbols(const ir::Function& fn);
  using Order = std::map<uint32_t, size_t>;  // in which order what may be shared was met
  std::string key_of(const Val& v, Order* met = nullptr);
  std::string key_as_written(const ast::TypeExpr* e, const Val& v, TypeCx& t);
  void require_effect(Loc loc, std::string_view what);
  ir::Value current_key();  // of the place: folded with the loop turns
  ir::Value next_key();     // and with the next ordinal
  std::vector<Loc> calls;   // places of the calls that lead to what is elaborated now
  // While it lives: a call whose body is put in its place.
  struct InPlace {
    InPlace(Elab& elab, Loc call) : e(elab), cx(elab.cx), before(cx->b.via()) {
      e.calls.push_back(call);
      call.via = before;
      if (call.known()) cx->b.via(e.module.places.inside(call));
    }
    ~InPlace() {
      e.calls.pop_back();
      cx->b.via(before);
    }
    InPlace(const InPlace&) = delete;
    Elab& e;
    FnCx* cx;
    uint32_t before;
  };

  // ---- models (elab_model.cpp)
  Val construct(const ModelClassVal& c, const Args& args);
  Val random_bits(const std::vector<DimId>& shape, Loc loc);  // i64, of the next key
  Val draw(const Val& distribution, const ir::Type& t, Loc loc);
  std::map<const ast::ModelDecl*, ast::FnSig> model_sigs;
  Val with_field(const ModelVal& m, std::string_view name, Val v);
  // ---- one tensor in several places (elab_share.cpp)
  Val with_shares(const Val& v, const std::function<uint32_t(const TensorVal&)>& f);
  Val named_parts(const Val& v);     // what has no share yet gets one
  Val one_of_a_kind(const Val& v);   // what was read of it before is no part of it: new shares
  Val shares_settled(const Val& model);  // of a new model: two places are one if share and leaf agree
  uint32_t share_of_both(uint32_t a, uint32_t b);
  // Places of one model, those that are one tensor together.
  std::map<uint32_t, std::vector<std::string>> shared_places(const Val& v);
  void note_broken_shares(const std::string& name, const Val& before, const Val& after, Loc loc);
  void rename_shares(const Val& inside, const Val& outside, Renamed& names);
  static bool has_shares(const Val& v);
  uint32_t next_share = 1;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> joined_shares;
  Val with_training(const Val& v, bool on);
  ScopePtr model_scope(const Val& self, const ScopePtr& outer);
  const ast::FnDecl* method(const ast::ModelDecl& d, std::string_view name);
  Val bound_method(const ast::FnDecl& d, const Val& self);
  void summary(const ModelVal& m, std::vector<TextPiece>& out, Loc loc);

  // ---- derivatives (elab_derive.cpp)
  Val call_wrapped(const FunctionVal& f, const Args& args);
  Val derive(Wrap kind, const FunctionVal& f, const Args& args, const std::vector<Val>& given);
  Val floats_as_tensors(const Val& v, Loc loc);  // host floats inside a structure, as f32 tensors
  Val like(const Val& value, const Val& given, Loc loc);
  Val jacobian(ir::DeriveAttr attr, const std::vector<ir::Value>& operands, const Val& value,
               const std::vector<FlatLeaf>& results, const std::vector<Val>& arguments,
               const std::vector<std::vector<FlatLeaf>>& inside);
  void push_like(const std::vector<FlatLeaf>& want, const std::vector<FlatLeaf>& have,
                 std::vector<ir::Value>& operands, Loc loc, const std::string& what);

  // ---- text (elab_text.cpp)
  Val string_lit(const ast::StringLit& s, const ScopePtr& sc);
  void show(const Val& v, const std::string& format, std::vector<TextPiece>& out, Loc loc, bool nested = false);
  std::vector<TextPiece> pieces_of(const Val& v, Loc loc);  // a string's pieces, or the value shown
  void emit_text(std::string_view host_name, const std::vector<TextPiece>& pieces, Loc loc);
  // For host calls: text with {} holes and the operands for them.
  std::string holes(const std::vector<TextPiece>& pieces, std::vector<ir::Value>& operands);
  std::vector<Val> host(const std::string& name, std::vector<std::string> args,
                        std::vector<ir::Value> operands, std::vector<ir::Type> results,
                        std::vector<SymId> binds, Loc loc);

  // ---- train (elab_train.cpp)
  bool takes_steps(const Val& callee);
  void check_takes_model(const Val& callee, const ast::Call& c);  // of an optimizer in `train`
  void train(const ast::Train& t, const ScopePtr& s);

  // ---- for a reader (elab_findings.cpp)
  Findings* findings = nullptr;
  void find_name(const ast::Name& id, const Val& v, bool mutable_);
  void find_function(const Callee& c, const Instance& inst);
  void find_train(const ast::Train& t, const Args& args);

  // ---- units (elab_unit.cpp)
  ScopePtr top_scope() { return top_; }
  // Of the prelude, or of a module of the library, which is a file or a folder of files.
  Binding* library_name(std::string_view id, const std::string& module = std::string());
  Binding* library_name(std::string_view id, Loc from);  // also what other files of the same module define
  const std::map<std::string, std::string, std::less<>>* library_names(const std::string& module);
  Val module_named(const std::string& path, bool file, Loc loc);
  void declare(const std::vector<const ast::Stmt*>& list, const ScopePtr& s);
  // A name of a top level that has no value yet: a library `let` is elaborated when first used; one of
  // this file is used before it is defined.
  void force_top(Binding& b, const std::string& id, Loc loc);
  bool in_library(Loc loc) const { return sources.library(loc.file); }
  ScopePtr load_library(const std::string& module_name);
  // A function or a block that nothing has called yet, checked by what its text says alone.
  void check_function(const ast::FnDecl& d, const ScopePtr& s, const Val& self = nullptr);
  void check_model(const ast::ModelDecl& d, const ScopePtr& s);
  std::set<const ast::ModelDecl*> made_models;
  void check_block(const ast::Block& b, const ScopePtr& s, bool gives_value);
  // Emits checks that an own derivative gives what the automatic one does (elab_rule_test.cpp).
  void test_rule(const ast::FnDecl& f, const ast::Derivative& rule, int point);
  const ast::FnDecl* automatic = nullptr;  // whose own derivative is left out
  // What only the run can tell, for `check`; notes, kept apart from what is wrong.
  bool noting = false;
  std::vector<Diagnostic> left_to_run, check_notes;
  void leave_to_run(Loc loc, DimId a, DimId b);

  struct FnFacts {
    std::set<int> static_params;
    bool inline_always = false;  // gives a function back, which lives where it is called
  };
  std::map<const void*, FnFacts> facts;
  std::map<std::string, std::unique_ptr<Instance>> instances;
  std::vector<std::string> instance_order;  // keys in order of making, to forget the newest
  std::vector<FnCx*> stack;                 // functions under construction, outermost first
  std::map<Leaf, uint64_t> loop_of_index;   // the index of a loop that could be unrolled
  uint64_t next_id = 1;
  uint32_t next_owner = 1;
  int call_depth = 0;
  struct CallSite { Loc loc; };
  std::vector<std::shared_ptr<ast::Module>> modules;  // kept: values point into them
  std::map<std::string, ScopePtr> loaded;             // module name -> its scope
  // module ("" is the prelude) -> name -> library file that defines it
  std::map<std::string, std::map<std::string, std::string, std::less<>>> library_index;
  std::map<std::string, const ast::Derivative*> derivatives;  // by address text of the FnDecl
  ScopePtr top_, library_;
  std::map<FileId, std::string> library_files;  // -> the module it belongs to
  std::vector<ir::FnId> extra_functions;   // run by host nodes, so the prefix has to be told of them
  std::set<std::string> loading;
  const ast::TypeExpr* wanted = nullptr;     // the type that a `let` writes for what is elaborated now,
  ScopePtr wanted_scope;                     // and where its names are looked up
  bool recovering = true;                    // report errors and go on; off inside assert fails(..)
  std::vector<ScopePtr> kept_scopes;
  std::vector<std::unique_ptr<Cont>> conts;
  std::map<const ast::FnDecl*, const ast::Derivative*> own_derivative;
  std::map<const ast::FnDecl*, ScopePtr> own_derivative_scope;

 private:
  Val unit_ = std::make_shared<UnitVal>();
};

// The leaf that stands for "the key my caller gives me" in a list of imports.
inline constexpr uint32_t kKeyOwner = ~0u;

// An argument that was left out where its default is {}, whatever type is written: mask: bool[L] = {}.
inline bool left_out(const ast::Param& p, const Val& v) {
  if (!p.default_value || p.default_value->kind != ast::Expr::record) return false;
  auto* r = as<RecordVal>(v);
  return r && r->fields.empty() && ast::as<ast::RecordExpr>(*p.default_value).fields.empty();
}
// "did you mean `a`, `b`?", or nothing when no candidate is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

inline Val poison() { return std::make_shared<PoisonVal>(); }
inline bool is_poison(const Val& v) { return v && v->kind == Value::poison; }

}  // namespace tenon::elab
