// The table of other people's names (foreign_names.h). To add one: a row in the list of its place.
#include "frontend/foreign_names.h"

#include <span>

namespace tenon {
namespace {

constexpr ForeignName kNames[] = {
    // Python and other languages
    {"range", "a range is written 0..n"},
    {"xrange", "a range is written 0..n"},
    {"None", "there is no null: a size of 0, or a bool beside the value"},
    {"null", "there is no null: a size of 0, or a bool beside the value"},
    {"nil", "there is no null: a size of 0, or a bool beside the value"},
    {"undefined", "there is no null: a size of 0, or a bool beside the value"},
    {"str", "a value goes into a string by a hole: \"{x}\""},
    {"this", "the model itself is `self`"},
    {"exit", "a program ends with its last line; fail(\"why\") ends it before"},
    {"quit", "a program ends with its last line; fail(\"why\") ends it before"},
    {"sorted", "sort(x) gives the sorted tensor", "sort"},
    {"append", "xs + [x] is the longer list"},
    {"pow", "a power is x ** y"},
    {"sqr", "square(x), or x ** 2", "square"},
    {"ln", "the natural logarithm is log(x)", "log"},
    {"println", "print(x) ends its line", "print"},
    {"printf", "print(\"loss {x:.3f}\") formats in the string", "print"},
    {"format", "a format stands in the string: \"{x:.3f}\""},
    // NumPy and PyTorch: making tensors
    {"np", "the library's functions need no prefix: exp(x), sum(x)"},
    {"torch", "the library's functions need no prefix: exp(x), sum(x)"},
    {"jnp", "the library's functions need no prefix: exp(x), sum(x)"},
    {"tf", "the library's functions need no prefix: exp(x), sum(x)"},
    {"F", "the library's functions need no prefix: relu(x), softmax(x)"},
    {"tensor", "a bracket of numbers is a tensor: [1.0, 2.0]"},
    {"Tensor", "a tensor's type is its dtype and sizes: f32[N, 3]"},
    {"array", "a bracket of numbers is a tensor: [1.0, 2.0]"},
    {"asarray", "a bracket of numbers is a tensor: [1.0, 2.0]"},
    {"rand", "draw(uniform(0, 1), 3) draws three numbers; so does let x: f32[3] ~ uniform(0, 1)", "uniform"},
    {"randn", "draw(normal(0, 1), 3) draws three numbers; so does let x: f32[3] ~ normal(0, 1)", "normal"},
    {"randint", "i64(floor(draw(uniform(0, 10), 3))) draws three whole numbers below 10", "uniform"},
    {"randperm", "permutation(n, seed = 1)", "permutation"},
    {"identity", "let e[i in 0..n, j in 0..n] = if i == j { 1.0 } else { 0.0 }"},
    // shapes
    {"cat", "concat(a, b, axis = 0)", "concat"},
    {"concatenate", "concat(a, b, axis = 0)", "concat"},
    {"vstack", "concat(a, b, axis = 0)", "concat"},
    {"hstack", "concat(a, b, axis = 1)", "concat"},
    {"view", "reshape(x, 2, -1)", "reshape"},
    {"expand_dims", "reshape(x, ..) adds an axis of size 1", "reshape"},
    {"ravel", "reshape(x, -1)", "reshape"},
    {"permute", "transpose(x, 0, 2, 1)", "transpose"},
    {"swapaxes", "transpose(x, 0, 2, 1)", "transpose"},
    {"size", "shape(x) is the tuple of the sizes, len(x) the first of them", "shape"},
    {"einsum", "index notation: let c[i, j] = sum[k] a[i, k] * b[k, j]"},
    {"matmul", "the matrix product is a @ b"},
    {"mm", "the matrix product is a @ b"},
    {"bmm", "the matrix product is a @ b"},
    {"dot", "the matrix product is a @ b"},
    // statistics and losses
    {"mae", "mean(abs(a - b))"},
    {"l1_loss", "mean(abs(a - b))"},
    {"mse_loss", "mse(a, b)", "mse"},
    {"MSELoss", "mse(a, b)", "mse"},
    {"CrossEntropyLoss", "cross_entropy(logits, labels)", "cross_entropy"},
    {"nll_loss", "cross_entropy(logits, labels)", "cross_entropy"},
    {"bce", "mean(softplus(z) - y * z), of logits z and labels y that are 0.0 or 1.0", "softplus"},
    {"BCELoss", "mean(softplus(z) - y * z), of logits z and labels y that are 0.0 or 1.0", "softplus"},
    // training
    {"backward", "value_and_grad(f)(net) gives the value and the gradient", "value_and_grad"},
    {"autograd", "grad(f)(x), value_and_grad(f)(net)", "grad"},
    {"no_grad", "nothing is recorded that is not differentiated; stop_gradient(x) holds a value fixed", "stop_gradient"},
    {"detach", "stop_gradient(x)", "stop_gradient"},
    {"item", "a tensor with no axes is a number already"},
    {"RMSprop", "optim.rmsprop(net, lr = 1e-3), of the module optim"},
    {"SGD", "sgd(net, lr = 0.1), with momentum momentum(net, lr = 0.1)", "sgd"},
    {"Dropout", "dropout(x, 0.1) is a function: x |> fc1 |> dropout(0.1)", "dropout"},
    {"Sequential", "a model's forward is a pipe: x |> fc1 |> relu |> fc2"},
    {"Module", "a model is `model Name(sizes) { param .. fn forward(x) .. }`"},
    {"Parameter", "a parameter is `param w: f32[n] ~ normal(0, 0.02)`, in a model"},
    {"DataLoader", "batches(data, 64, seed = 7)", "batches"},
    {"vmap", "a comprehension maps over rows: [f(x) for x in xs]"},
    {"float32", "it is called f32 here"},
    {"float64", "it is called f64 here"},
    {"double", "it is called f64 here"},
    {"float16", "it is called f16 here"},
    {"half", "it is called f16 here"},
    {"bfloat16", "it is called bf16 here"},
    {"int8", "it is called i8 here"},
    {"int32", "it is called i32 here"},
    {"int64", "it is called i64 here"},
    {"long", "it is called i64 here"},
    {"uint8", "it is called u8 here"},
};

constexpr ForeignName kMembers[] = {
    {"T", "transpose(x)"},
    {"backward", "value_and_grad(f)(net) gives the value and the gradient", "value_and_grad"},
    {"grad", "grad(f)(x) gives the derivative of f at x", "grad"},
    {"requires_grad", "what is differentiated is said where it is: grad(f)(x)", "grad"},
    {"zero_grad", "gradients are values: nothing has to be cleared"},
    {"append", "xs + [x] is the longer list; concat(a, b, axis = 0) the longer tensor", "concat"},
    {"extend", "xs + ys is the longer list; concat(a, b, axis = 0) the longer tensor", "concat"},
    {"shape", "shape(x) is the tuple of the sizes, len(x) the first of them", "shape"},
    {"size", "shape(x) is the tuple of the sizes, len(x) the first of them", "shape"},
    {"dtype", "dtype_of(x)", "dtype_of"},
    {"ndim", "len(shape(x))", "shape"},
    {"item", "a tensor with no axes is a number already"},
    {"numpy", "print(x) shows it, save({x: x}, \"x.safetensors\") writes it", "save"},
    {"tolist", "print(x) shows it, save({x: x}, \"x.safetensors\") writes it", "save"},
    {"detach", "stop_gradient(x)", "stop_gradient"},
    {"clone", "tensors are values: let y = x is as good as a copy"},
    {"copy", "tensors are values: let y = x is as good as a copy"},
    {"to", "cast(x, f64) converts; the device is chosen by --device", "cast"},
    {"cuda", "the device is chosen for the whole program: tenon run --device gpu"},
    {"cpu", "the device is chosen for the whole program: tenon run --device cpu"},
    {"type", "cast(x, f64) converts", "cast"},
    {"astype", "cast(x, f64) converts", "cast"},
    {"float", "cast(x, f32) converts", "cast"},
    {"long", "cast(x, i64) converts", "cast"},
    {"view", "reshape(x, 2, -1)", "reshape"},
    {"flatten", "reshape(x, -1)", "reshape"},
    {"unsqueeze", "reshape(x, ..) adds an axis of size 1", "reshape"},
    {"squeeze", "reshape(x, ..) takes axes of size 1 away", "reshape"},
    {"permute", "transpose(x, 0, 2, 1)", "transpose"},
    {"matmul", "the matrix product is a @ b"},
    {"mm", "the matrix product is a @ b"},
    {"dot", "the matrix product is a @ b"},
    {"std", "sqrt(variance(x))", "variance"},
    {"pow", "a power is x ** y"},
    {"train", "a model is in training mode exactly where it is differentiated; train_mode(f) asks for it", "train_mode"},
    {"eval", "a model is in evaluation mode wherever it is not differentiated"},
    {"parameters", "parameters(net) counts them, leaves(net) lists them", "leaves"},
    {"named_parameters", "print(net) lists them with their paths, leaves(net) gives the tensors", "leaves"},
    {"state_dict", "save(net, \"net.safetensors\") writes the parameters under their paths", "save"},
    {"load_state_dict", "load(net, \"net.safetensors\") gives the model with those numbers", "load"},
    {"weight_decay", "it is an option of the optimizer: adamw(net, lr = 1e-3, weight_decay = 0.01)"},
};

constexpr ForeignName kParameters[] = {
    {"dim", "axis"},       {"axes", "axis"},       {"keepdim", "keep"},    {"keepdims", "keep"},
    {"learning_rate", "lr"}, {"alpha", "lr"},      {"batch_size", "batch"}, {"betas", "beta1"},
    {"wd", "weight_decay"}, {"in_features", "inputs"}, {"out_features", "outputs"},
    {"in_channels", "inputs"}, {"out_channels", "outputs"}, {"rate", "p"}, {"prob", "p"},
    {"mean", "mu"},        {"std", "sd"},          {"sigma", "sd"},        {"loc", "mu"},
    {"low", "lo"},         {"high", "hi"},         {"min", "lo"},          {"max", "hi"},
    {"random_state", "seed"}, {"shuffle", "seed"}, {"num_epochs", "epochs"},
};

constexpr ForeignName kTypes[] = {
    {"float32", "it is called f32 here"},
    {"float64", "it is called f64 here"},
    {"float16", "it is called f16 here"},
    {"bfloat16", "it is called bf16 here"},
    {"double", "it is called f64 here"},
    {"int8", "it is called i8 here"},
    {"int32", "it is called i32 here"},
    {"int64", "it is called i64 here"},
    {"long", "it is called i64 here"},
    {"uint8", "it is called u8 here"},
    {"str", "it is called string here"},
    {"String", "it is called string here"},
    {"Int", "it is called int here"},
    {"Float", "it is called float here"},
    {"Bool", "it is called bool here"},
    {"boolean", "it is called bool here"},
    {"Tensor", "a tensor's type is its dtype and sizes: f32[N, 3]; a parameter may also go without a type"},
    {"tensor", "a tensor's type is its dtype and sizes: f32[N, 3]; a parameter may also go without a type"},
    {"Array", "a tensor's type is its dtype and sizes: f32[N, 3]; a parameter may also go without a type"},
    {"list", "a list's type is that of its elements: [Block]"},
    {"List", "a list's type is that of its elements: [Block]"},
    {"tuple", "a tuple's type is those of its parts: (f32, i64)"},
    {"dict", "a record's type is those of its fields: {x: f32[N, 2], y: i64[N]}"},
    {"Dict", "a record's type is those of its fields: {x: f32[N, 2], y: i64[N]}"},
    {"Callable", "a function's type is fn(f32[N]) -> f32"},
    {"function", "a function's type is fn(f32[N]) -> f32"},
    {"Optional", "there is no null: a size of 0, or a bool beside the value"},
    {"void", "a function without a value has no result type"},
    {"None", "a function without a value has no result type"},
};

std::span<const ForeignName> rows(Place place) {
  switch (place) {
    case Place::name: return kNames;
    case Place::member: return kMembers;
    case Place::parameter: return kParameters;
    case Place::type: return kTypes;
  }
  return {};
}

}  // namespace

const ForeignName* foreign_name(Place place, std::string_view word) {
  for (const ForeignName& row : rows(place))
    if (row.word == word) return &row;
  return nullptr;
}

}  // namespace tenon
