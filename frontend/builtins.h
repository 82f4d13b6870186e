// The primitives that the library is written on: one table over several files, a row each. A row is
// (name, signature for people, function). Whatever can be said in the language is in stdlib/, not here.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "frontend/elab.h"

namespace tenon::elab {

std::span<const Builtin> tensor_builtins();   // elementwise, reductions
std::span<const Builtin> shape_builtins();    // zeros, reshape, concat
std::span<const Builtin> program_builtins();  // derivatives, randomness, structures
std::span<const Builtin> file_builtins();     // csv, save, load, read
std::span<const Builtin> text_builtins();     // lines, words, bytes, string
std::span<const Builtin> train_builtins();    // what `train` is made of
inline auto builtin_tables() {
  return std::array{tensor_builtins(), shape_builtins(), program_builtins(), file_builtins(), text_builtins(), train_builtins()};
}

// How training names what it measures on held-out data.
inline constexpr std::string_view kHeld = "held-out ";

// Arguments of a primitive by position and name, in the order of `params`; a missing one is null.
class Taken {
 public:
  Taken(Elab& e, const Args& args, std::string_view fn, std::initializer_list<std::string_view> params,
        size_t required);
  const Val& operator[](size_t i) const { return values_[i]; }
  Loc loc(size_t i) const { return locs_[i]; }

 private:
  std::vector<Val> values_;
  std::vector<Loc> locs_;
};

// The positional arguments of a primitive that takes any number, and the ones by name.
struct TakenRest {
  std::vector<Val> values;
  std::vector<Loc> locs;
  std::vector<Val> named;  // in the order of `names`, null where missing
  TakenRest(Elab& e, const Args& args, std::string_view fn, std::initializer_list<std::string_view> names);
};

// The number that a text says, for a conversion to this dtype: an int, a float, or a bool. E0401 if it says none.
Val number_in(Elab& e, const StringVal& text, DType to, Loc loc);

}  // namespace tenon::elab
