# Activations and softmax along an axis.
import torch
import torch.nn.functional as F

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
