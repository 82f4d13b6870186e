// What each primitive does, in a sentence, for `tenon doc`. Their signatures stand in the tables of
// builtins_*.cpp.
#include <map>

#include "frontend/builtins.h"

namespace tenon {

namespace {

const std::map<std::string_view, std::string_view>& texts() {
  static const std::map<std::string_view, std::string_view> kTexts = {
      {"exp", "e to the power of each element."},
      {"expm1", "exp(x) - 1, exact for small x too."},
      {"log", "The natural logarithm of each element."},
      {"log1p", "log(1 + x), exact for small x too."},
      {"sqrt", "The square root of each element, rounded correctly."},
      {"sin", "The sine of each element, in radians."},
      {"cos", "The cosine of each element, in radians."},
      {"tanh", "The hyperbolic tangent of each element."},
      {"erf", "The error function of each element."},
      {"floor", "The largest whole number not above each element."},
      {"ceil", "The smallest whole number not below each element."},
      {"trunc", "Each element without its fraction."},
      {"round", "The nearest whole number; halves go to the even one."},
      {"atan2", "The angle of the point (x, y), from -pi to pi."},
      {"fma", "a * b + c, rounded once."},
      {"bit_and", "Bit by bit, of integers."},
      {"bit_or", "Bit by bit, of integers."},
      {"bit_xor", "Bit by bit, of integers."},
      {"bit_not", "All bits turned over, of integers."},
      {"shift_left", "Bits moved up by n places."},
      {"shift_right", "Bits moved down by n places; the sign is kept."},
      {"abs", "Without the sign; its derivative at 0 is 0."},
      {"maximum", "The larger of two, element by element; a tie gives its gradient to the second."},
      {"minimum", "The smaller of two, element by element; a tie gives its gradient to the second."},
      {"where", "a where the condition holds and b elsewhere, element by element."},
      {"cast", "The same numbers in another dtype; fractions are cut, overflow wraps or is infinite."},
      {"int", "A host number made of one number, whose fraction is cut, or of a text such as an argument: int(args[0])."},
      {"float", "A host number made of one number, or of a text: float(\"1e-3\")."},
      {"sum", "The sum along an axis, several, or over all; `keep` leaves an axis of size 1."},
      {"prod", "The product along an axis, several, or over all."},
      {"max", "The largest element along an axis, several, or over all; NaN wins."},
      {"min", "The smallest element along an axis, several, or over all; NaN wins."},
      {"any", "Whether one of the bools is true, along an axis, several, or over all."},
      {"all", "Whether all bools are true, along an axis, several, or over all."},
      {"mean", "The mean along an axis, several, or over all; of floats."},
      {"argmax", "Where the largest element lies along an axis; the first of equal ones."},
      {"argmin", "Where the smallest element lies along an axis; the first of equal ones."},
      {"cumsum", "The sums so far along an axis."},
      {"cumprod", "The products so far along an axis."},
      {"cummax", "The greatest so far along an axis; NaN stays."},
      {"cummin", "The least so far along an axis; NaN stays."},
      {"sort", "Ascending along an axis; NaN last."},
      {"argsort", "The order that sorts: x[argsort(x)] is sorted; equal elements keep their order."},
      {"zeros", "A tensor of zeros: zeros(2, 3), zeros(n, dtype = f64)."},
      {"ones", "A tensor of ones: ones(2, 3), ones(n, dtype = f64)."},
      {"full", "A tensor of one number: full(0.5, 2, 3)."},
      {"arange", "0, 1, .. n - 1, as i64 unless told."},
      {"shape", "The sizes as a tuple of ints."},
      {"len", "The first size; of a record of tensors, their number of rows."},
      {"rank", "How many axes there are."},
      {"dtype_of", "The dtype of a tensor, a value like any other."},
      {"reshape", "The same elements in another shape; one size may be -1."},
      {"transpose", "The last two axes swapped, or all axes in the order given."},
      {"concat", "Tensors put one behind the other along an axis."},
      {"stack", "Tensors of one shape put beside each other along a new axis."},
      {"broadcast", "Repeated to these sizes."},
      {"map", "f on every float tensor of structures alike: models, records, tuples, lists. What else is in them comes "
              "from the first, a model's states from the last: map(fn(p, d) = p - lr * d, net, g) is a whole step."},
      {"leaves", "The float tensors of a structure, as a tuple."},
      {"parameters", "How many numbers a model learns."},
      {"stop_gradient", "The same value, which derivatives take for a constant."},
      {"grad", "The function that gives the gradient of f with respect to its first argument, or `wrt`."},
      {"value_and_grad", "Like grad, with the value before it: let (loss, g) = value_and_grad(f)(x)."},
      {"jacobian", "The function that gives the derivative of each element of f's result by each element of its argument, or `wrt`."},
      {"hessian", "The function that gives the second derivatives of f with respect to its first argument, or `wrt`."},
      {"jvp", "The value of f at x and its derivative in the direction dx, by forward mode."},
      {"vjp", "The value of f at x, and the function that takes a cotangent back to x."},
      {"train_mode", "f with models in training mode."},
      {"eval_mode", "f with models in evaluation mode."},
      {"draw", "Numbers drawn from a distribution: draw(normal(0, 1), 2, 3)."},
      {"random_bits", "Random i64 numbers, all 64 bits."},
      {"seed", "Where the draws of a program begin; its first statement, if any."},
      {"sequence", "What `for` may run over: get(0), get(1), .. get(count - 1)."},
      {"tuple", "The tuple of get(0), get(1), .., of a length known while compiling."},
      {"is_function", "Whether a value is a function."},
      {"is_list", "Whether a value is a list or a tuple."},
      {"is_string", "Whether a value is a string."},
      {"reverse", "The elements of a range or along the first axis, backwards, for `for`."},
      {"enumerate", "Pairs of a number from 0 and an element, for `for`."},
      {"zip", "Pairs of elements of two, for `for`."},
      {"print", "Shows values, a blank between them and a newline behind them."},
      {"debug", "Shows a value from inside of what is differentiated or compiled, and gives it back."},
      {"fail", "Ends the run with a message; an expression of any type."},
      {"close", "Whether |a - b| <= atol + rtol * |b| everywhere; the defaults go by the dtype."},
      {"csv", "The numbers of a csv file as f32[rows, columns], or {x, y} with `label`. `columns` chooses those of x; `classes` names words that stand for 0, 1, ..; `missing` is what an empty field is read as."},
      {"save", "Writes the tensors of a value to a safetensors file, under their paths."},
      {"read", "What a file holds, its type found out when the program runs."},
      {"history", "What the training that gave these very numbers has reported, a row an epoch."},
      {"load", "A model like the one given, with the numbers of a safetensors file."},
  };
  return kTexts;
}

}  // namespace

std::vector<PrimitiveDoc> primitive_docs() {
  std::vector<PrimitiveDoc> out;
  for (auto table : elab::builtin_tables())
    for (const elab::Builtin& b : table) {
      auto text = texts().find(b.name);
      out.push_back({b.name, b.signature, text == texts().end() ? "" : text->second});
    }
  return out;
}

}  // namespace tenon
