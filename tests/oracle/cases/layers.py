# Activations, normalisations, containers and dropout (in evaluation mode) of nn.
import torch
import torch.nn as tn
import torch.nn.functional as F

IMPORTS = ["nn"]
for shape in [(9,), (3, 4)]:
    for name, call, f in [
            ("leaky_relu", "nn.leaky_relu(x, 0.2)", lambda x: F.leaky_relu(x, 0.2)), ("elu", "nn.elu(x, 1.3)", lambda x: F.elu(x, 1.3)),
            ("selu", "nn.selu(x)", F.selu), ("celu", "nn.celu(x, 0.5)", lambda x: F.celu(x, 0.5)), ("mish", "nn.mish(x)", F.mish),
            ("hardtanh", "nn.hardtanh(x)", F.hardtanh), ("relu6", "nn.relu6(x)", F.relu6), ("hardsigmoid", "nn.hardsigmoid(x)", lambda x: F.relu6(x + 3) / 6),
            ("hardswish", "nn.hardswish(x)", F.hardswish), ("softsign", "nn.softsign(x)", F.softsign), ("tanhshrink", "nn.tanhshrink(x)", F.tanhshrink),
            ("softshrink", "nn.softshrink(x)", F.softshrink), ("hardshrink", "nn.hardshrink(x)", F.hardshrink),
            ("log_sigmoid", "nn.log_sigmoid(x)", F.logsigmoid), ("threshold", "nn.threshold(x, 0.4, -2.0)", lambda x: F.threshold(x, 0.4, -2.0)),
            ("softmin", "nn.softmin(x)", lambda x: F.softmin(x, -1))]:
        o.case(name, call, f, x=o.normal(*shape, sd=3.0))
# far out and at 0: no overflow in a branch that is not taken may reach the derivative
far = o.array([-800.0, -30.0, -0.0, 0.0, 30.0, 800.0])
for name, f in [("elu", F.elu), ("selu", F.selu), ("celu", F.celu), ("leaky_relu", F.leaky_relu), ("log_sigmoid", F.logsigmoid), ("hardswish", F.hardswish), ("softsign", F.softsign)]:
    o.case(name, f"nn.{name}(x)", f, x=far)
o.case("glu", "nn.glu(x)", F.glu, x=o.normal(2, 3, 6))
o.case("swiglu", "nn.swiglu(x, g)", lambda x, g: F.silu(g) * x, x=o.normal(2, 3), g=o.normal(2, 3))
o.case("prelu", "nn.prelu(x, s)", F.prelu, x=o.normal(2, 3, 4), s=o.normal(3))
o.case("PReLU", "var m = nn.PReLU(T = f64)\nm.slope = s\nm(x)", F.prelu, x=o.normal(2, 3), s=o.normal(1))

for shape in [(4,), (2, 5), (2, 3, 6)]:
    o.case("layer_norm", "nn.layer_norm(x)", lambda x: F.layer_norm(x, shape[-1:]), x=o.normal(*shape))
    o.case("rms_norm", "nn.rms_norm(x, 1.0e-6)", lambda x: F.rms_norm(x, shape[-1:], eps=1e-6), x=o.normal(*shape))
    o.case("normalize", "nn.normalize(x)", lambda x: F.normalize(x, dim=-1), x=o.normal(*shape))
    o.case("LayerNorm", f"var m = nn.LayerNorm({shape[-1]}, T = f64)\nm.weight = w\nm.offset = b\nm(x)",
           lambda x, w, b: F.layer_norm(x, shape[-1:], w, b), x=o.normal(*shape), w=o.normal(shape[-1]), b=o.normal(shape[-1]))
    o.case("RMSNorm", f"var m = nn.RMSNorm({shape[-1]}, T = f64)\nm.weight = w\nm(x)",
           lambda x, w: F.rms_norm(x, shape[-1:], w, 1e-6), x=o.normal(*shape), w=o.normal(shape[-1]))
for shape in [(2, 6), (3, 6, 4), (2, 6, 3, 2)]:
    o.case("GroupNorm", "var m = nn.GroupNorm(3, 6, T = f64)\nm.weight = w\nm.offset = b\nm(x)",
           lambda x, w, b: F.group_norm(x, 3, w, b), also=["group_norm"], x=o.normal(*shape), w=o.normal(6), b=o.normal(6))
    # the model as what is differentiated: training mode; else evaluation
    o.case("BatchNorm", "var m = nn.BatchNorm(6, T = f64)\nm.weight = w\nm.offset = b\ntrain_mode(m)(x)",
           lambda x, w, b: F.batch_norm(x, None, None, w, b, True), x=o.normal(*shape), w=o.normal(6), b=o.normal(6))
    o.case("BatchNorm", "var m = nn.BatchNorm(6, T = f64)\nm.weight = w\nm.offset = b\nm.running_mean = r\nm.running_var = v\nm(x)",
           lambda x, w, b, r, v: F.batch_norm(x, r, v, w, b, False), grad=("x", "w", "b"),
           x=o.normal(*shape), w=o.normal(6), b=o.normal(6), r=o.normal(6), v=o.uniform(6, lo=0.5, hi=2.0))

    def running(x):
        m = tn.BatchNorm1d(6).double() if x.ndim < 4 else tn.BatchNorm2d(6).double()
        m(x), m(2 * x + 1)
        return m.running_mean, m.running_var
    o.case("BatchNorm", """var m = nn.BatchNorm(6, T = f64)
let a = grad(fn(m) = sum(m(x)))(m)
m.running_mean = a.running_mean
m.running_var = a.running_var
let b = grad(fn(m) = sum(m(2.0 * x + 1.0)))(m)
(b.running_mean, b.running_var)""", running, note="running mean and variance after two steps", grad=(), x=o.normal(*shape))
for shape in [(2, 3, 4), (2, 3, 3, 2)]:
    o.case("InstanceNorm", "var m = nn.InstanceNorm(3, affine = true, T = f64)\nm.weight = w\nm.offset = b\nm(x)",
           lambda x, w, b: F.instance_norm(x, weight=w, bias=b), also=["instance_norm"], x=o.normal(*shape), w=o.normal(3), b=o.normal(3))

o.case("Linear", "var m = Linear(4, 3, T = f64)\nm.weight = w\nm.offset = b\nm(x)", F.linear, x=o.normal(2, 5, 4), w=o.normal(3, 4), b=o.normal(3))
o.case("Linear", "var m = Linear(4, 3, bias = false, T = f64)\nm.weight = w\nm(x)", F.linear, x=o.normal(4), w=o.normal(3, 4))
for shape in [(3,), (2, 3, 3)]:
    o.case("Bilinear", "var m = nn.Bilinear(3, 4, 2, T = f64)\nm.weight = w\nm.offset = b\nm(x, z)",
           F.bilinear, x=o.normal(*shape[:-1], 3), z=o.normal(*shape[:-1], 4), w=o.normal(2, 3, 4), b=o.normal(2))
    o.case("Embedding", "var m = nn.Embedding(7, 3, T = f64)\nm.weight = w\nm(ids)", F.embedding, also=["embedding"],
           ids=o.integers(*shape, hi=7), w=o.normal(7, 3))
o.case("Sequential", "var m = nn.Sequential([Linear(4, 5, T = f64), relu, nn.Residual(Linear(5, 5, T = f64)), nn.Identity()])\nm.layers[0].weight = w\nm.layers[0].offset = zeros(5, dtype = f64)\nm.layers[2].inner.weight = u\nm.layers[2].inner.offset = zeros(5, dtype = f64)\nm(x)",
       lambda x, w, u: torch.relu(x @ w.T) + torch.relu(x @ w.T) @ u.T, also=["Residual", "Identity"], x=o.normal(2, 4), w=o.normal(5, 4), u=o.normal(5, 5))
o.case("flatten", "nn.flatten(x)", lambda x: torch.flatten(x, 1), x=o.normal(2, 3, 4))
for name in ("alpha_dropout", "dropout_channels", "drop_path"):
    o.case(name, f"nn.{name}(x, 0.5)", lambda x: x * 1, x=o.normal(2, 3, 4))
o.case("Dropout", "nn.Dropout(0.5)(x)", lambda x: x * 1, x=o.normal(2, 3))
