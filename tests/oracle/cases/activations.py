# Activations and softmax along an axis.
import torch
import torch.nn.functional as F

IMPORTS = ["nn"]

for shape in [(7,), (3, 4), (2, 3, 5)]:
    o.case("gelu", "gelu(x)", F.gelu, x=o.normal(*shape, sd=2.0))
    o.case("gelu_tanh", "gelu_tanh(x)", lambda x: F.gelu(x, approximate="tanh"), x=o.normal(*shape, sd=2.0))
    o.case("silu", "silu(x)", F.silu, x=o.normal(*shape, sd=3.0))
    o.case("sigmoid", "sigmoid(x)", torch.sigmoid, x=o.normal(*shape, sd=3.0))
    o.case("softplus", "softplus(x)", F.softplus, x=o.normal(*shape, sd=3.0))
    o.case("relu", "relu(x)", F.relu, x=o.normal(*shape))
    for axis in {-1, 0}:
        o.case("softmax", f"softmax(x, axis = {axis})", lambda x: torch.softmax(x, axis), x=o.normal(*shape))
        o.case("log_softmax", f"log_softmax(x, axis = {axis})", lambda x: torch.log_softmax(x, axis), x=o.normal(*shape))
        o.case("logsumexp", f"logsumexp(x, axis = {axis})", lambda x: torch.logsumexp(x, axis), x=o.normal(*shape))
# exactly 0, where the pieces of a formula meet
for name, f in [("gelu", F.gelu), ("silu", F.silu), ("sigmoid", torch.sigmoid), ("softplus", F.softplus), ("relu", F.relu), ("log_sigmoid", F.logsigmoid)]:
    o.case(name, f"{name}(x)", f, x=o.array([0.0, 1.0, -1.0, 30.0, -30.0]))
o.case("geglu", "nn.geglu(x, g)", lambda x, g: x * F.gelu(g), x=o.normal(5), g=o.normal(5))
o.case("rrelu", "nn.rrelu(x, 0.1, 0.4)", lambda x: F.rrelu(x, 0.1, 0.4, training=False), x=o.normal(7))
# draws: what must hold for all of them
o.case("rrelu", "let y = train_mode(fn(v) = nn.rrelu(v, 0.1, 0.4))(x)\nlet slope = y / x\n(all(where(x > 0, slope == 1, slope >= 0.1 and slope <= 0.4)), max(slope[500..]) - min(slope[500..]) > 0.28)",
       lambda x: (torch.tensor(True), torch.tensor(True)), grad=(), x=o.array([1.5] * 500 + [-2.0] * 500))
o.case("gumbel_softmax", "sum(nn.gumbel_softmax(x, 0.5), axis = -1)", lambda x: F.gumbel_softmax(x, 0.5).sum(-1), grad=(), x=o.normal(3, 4))
o.case("gumbel_softmax", "let y = nn.gumbel_softmax(broadcast(x, 20000, 3), hard = true)\n(max(y), mean(y, axis = 0))",
       lambda x: (torch.tensor(1.0).double(), torch.softmax(x, 0)), grad=(), atol=0.014, note="how often each class is drawn", x=o.array([0.0, 1.0, 2.0]))
