// What `tenon doc train` tells: a page for each word of the language itself. How it is written, what it
// means, and a program. docs/language.md says the rest.
#include "session/statement_docs.h"

namespace tenon {

std::vector<PrimitiveDoc> statement_docs() {
  return {
      {"let", "let NAME = e    let NAME: f32[N, 3] = e    let (a, b) = e    let c[i, j] = e",
       R"(Names a value, which it keeps. The type may be written, and is then checked; a size letter in it gets a
value. With indices it is index notation: sizes follow from the uses of i and j.

    let x: f32[N, 2] = [[1.0, 2.0], [3.0, 4.0]]
    let total[i] = sum[k] x[i, k]
    print(N, total))"},
      {"var", "var NAME = e    var NAME: f32[_] = e",
       R"(Names a place that can be rebound: x = e, x += e, x[i, j] = e, r.field = e, net.head = e. Whoever holds the
old value keeps it. A var keeps its type; a size that changes in a loop is written `_`.

    var x = [1.0, 2.0]
    x[0] = 5.0
    x *= 2.0
    print(x))"},
      {"fn", "fn NAME(x: f32[N], k: int = 3) -> f32[N] = e    fn NAME(x) { .. }    fn(x) = e",
       R"(A function; the last expression of a block is its value, `return` leaves early. Capital letters in types are
sizes that a call decides, and ints in the body. Types may be left out, but that of the result not where a function
calls itself. Without a name it is a function value, which holds what it saw when it was made.

    fn average(x: f32[N]) -> f32 = sum(x) / N
    let twice = fn(x) = 2.0 * x
    print(average([1.0, 2.0]), twice(3.0)))"},
      {"if", "if c { .. } else if d { .. } else { .. }",
       R"(A choice, as a statement or as a value: then both arms have one type. The condition is one bool: any(..) and
all(..) make one of a tensor. Element by element choose with where(c, a, b).

    let x = 3.0
    print(if x > 0.0 { 1 } else { -1 }))"},
      {"for", "for x in e { .. }    [e for x in xs]",
       R"(Goes over a range 0..n (the end is not in it), a list, the rows of a tensor or of a data set, reverse(..),
enumerate(..), zip(..), batches(..). `break` leaves the loop, `continue` begins its next turn. In brackets it
makes a list, or of numbers and tensors a tensor.

    for i in 0..3 { print(i) }
    print([i * i for i in 0..4]))"},
      {"while", "while c { .. }",
       R"(Repeats as long as the condition, one bool, holds. Derivatives go through it.

    var x = 100.0
    while x > 1.0 { x = x / 2.0 }
    print(x))"},
      {"break", "break", "Leaves the loop around it. See `tenon doc for`."},
      {"continue", "continue", "Begins the next turn of the loop around it. See `tenon doc for`."},
      {"return", "return    return e", "Ends the function with this value. The last expression of a block needs no `return`."},
      {"assert", "assert c    assert c, \"text\"    assert fails(e, \"text\")",
       R"(Ends the program with a message where c, a bool or a tensor of bools, does not hold. For == and close the message
shows both sides and where they differ.

    assert close(sum(softmax([1.0, 2.0])), 1.0)
    assert fails(zeros(2) + zeros(3), "sizes"))"},
      {"model", "model NAME(inputs: int, ..) { param .. state .. let .. fn forward(x) .. }",
       R"(A function with parameters. NAME(3) makes one: its params are drawn, its `let`s are parts (other models, lists of
them). A call runs `forward`, other functions are net.encode(x). A model is a value: net.fc1, print(net),
save(net, path), net == other. It is in training mode exactly where it is differentiated (`training` is a bool inside).

    model Mlp(inputs: int, hidden: int) {
      let fc1 = Linear(inputs, hidden)
      let fc2 = Linear(hidden, 1)
      fn forward(x: f32[B, inputs]) -> f32[B, 1] = x |> fc1 |> relu |> dropout(0.1) |> fc2
    }
    let net = Mlp(4, 8)
    print(shape(net(zeros(5, 4))), parameters(net)))"},
      {"param", "param NAME: f32[n] ~ normal(0, 0.02)    param NAME: f32[n] = zeros(n)    .. if c",
       R"(What a model learns: drawn from a distribution, or starting as written. With `if c`, known when compiling, it may
be left out.

    model Shift(n: int) {
      param by: f32[n] = zeros(n)
      fn forward(x: f32[..., n]) -> f32[..., n] = x + by
    }
    print(Shift(2)([1.0, 2.0])))"},
      {"state", "state NAME: f32[n] = zeros(n)",
       R"(What a model carries along without learning it, such as running means. `update NAME = e` changes it, in training
alone. A gradient holds its new value, and the optimizers put that into the model.

    model Mean(n: int) {
      state center: f32[n] = zeros(n)
      fn forward(x: f32[B, n]) -> f32[B, n] {
        update center = 0.9 * center + 0.1 * mean(x, axis = 0)
        x - center
      }
    }
    print(Mean(1)([[1.0], [3.0]])))"},
      {"update", "update NAME = e", "Gives a `state` of the model a new value, in training alone. See `tenon doc state`."},
      {"train", "train NET on DATA { loss(batch) = e  optimizer = adam(lr = 1e-3)  epochs = 10 }",
       R"(Trains the model in a var, or a part of it (net.head), on a data set: a record of tensors that share their first
size. Inside the braces the name is the model of that moment.

    loss(batch) = e      what is made small, one float; of several lines: loss(batch) { .. }
    optimizer = f(..)    sgd, momentum, adam, adamw, optim.lion ..: the model is put in first
    epochs = 10          times over the data; or steps = 500
    batch = 32           rows of a step
    seed = 0             of the order of the rows, and of draws
    shuffle = true       or the rows as they come
    metrics = {..}       {accuracy: fn(batch) = accuracy(net(batch.x), batch.y)}
    validate = held      a data set that is not trained on; its loss and metrics are told after each epoch
    patience = 5         end after so many epochs without a better held-out loss, and give the best model
    clip = 1.0           the largest norm of a gradient
    log = "runs/a"       a folder of TensorBoard event files
    checkpoint = "a.ckpt"  a run that was stopped goes on from there, to the same bits

history(net) is what was reported. `tenon explain --emit=train FILE` shows the call that it stands for.)"},
      {"test", "test \"name\" { .. }",
       R"(A block that `tenon test FILE` runs, on a copy of what the top level has made.

    test "softmax sums to one" { assert close(sum(softmax([1.0, 2.0, 3.0])), 1.0) })"},
      {"bench", "bench \"name\" { .. }",
       R"(A block that `tenon bench FILE` measures: time, floating-point operations, bytes.

    let a = ones(256, 256)
    bench "product" { a @ a })"},
      {"derivative", "derivative of f(x) -> y, dy { .. }",
       R"(A rule of one's own: y is what f gave, dy the gradient of that, the block gives the gradient of x, of several
parameters a tuple. `tenon test` compares it with the automatic derivative.

    fn soft(x: f32[N]) -> f32[N] = log(1.0 + exp(x))
    derivative of soft(x) -> y, dy { dy * sigmoid(x) }
    print(grad(fn(x) = sum(soft(x)))([0.0, 1.0])))"},
      {"import", "import nn    import \"layers.model\" as layers",
       R"(Takes a module of the library, or a file beside this one; then nn.Conv2d(..), layers.Block(8). `tenon doc nn`
lists a module.

    import nn
    print(shape(nn.Conv2d(1, 4, 3)(zeros(1, 1, 8, 8)))))"},
      {"type", "type NAME = {left: f32, right: f32}",
       R"(Names a type, most often that of a record.

    type Pair = {left: f32, right: f32}
    fn total(p: Pair) -> f32 = p.left + p.right
    print(total({left: 1.0, right: 2.0})))"},
      {"~", "let NAME: f32[n] ~ normal(0, 1)    param NAME: f32[n] ~ kaiming_uniform(n)",
       R"(Draws from a distribution; the written type gives shape and dtype. Within an expression it is
draw(normal(0, 1), n). The numbers depend on the seed and on the place in the program: `--seed 7`, or seed(7) as the
first statement, gives others.

    let x: f32[2, 3] ~ normal(0, 1)
    print(shape(x)))"},
      {"|>", "x |> f    x |> f(a)",
       R"(Right of it stands a call, into which the left side is put first, or anything else, which is called with it.

    print([1.0, -2.0] |> relu |> sum(axis = 0)))"},
  };
}

}  // namespace tenon
