# Edges of layers: no samples, one place, windows as large as what they look at, NaN that must not vanish.
import math

import numpy as np
import torch
from torch.nn import functional as F

nan, inf = math.nan, math.inf
NOT_A_NUMBER = lambda *shape: torch.full(shape, nan).double()
IMPORTS = ["nn"]


def none(name, call, *shape, out, at="x"):
    """No samples, or no steps: a result of that shape, and a gradient of the argument's."""
    o.edge("empty", name, call, lambda x: torch.zeros(*out).double() + 0 * x.sum(), x=np.zeros(shape))


def spreads(name, call, *shape):
    """NaN among the numbers comes through."""
    x = np.ones(shape)
    x.flat[0] = nan
    o.edge("nan", name, f"any(isnan({call}))", lambda x: torch.tensor(True), grad=(), x=x)


none("Linear", "Linear(3, 2, T = f64)(x)", 0, 3, out=(0, 2))
none("Linear", "Linear(3, 2, T = f64)(x)", 4, 0, 3, out=(4, 0, 2))
spreads("Linear", "Linear(3, 2, T = f64)(x)", 2, 3)
o.edge("one", "Linear", "shape(Linear(1, 1)(zeros(1)))[0] + 0", lambda: torch.tensor(1), grad=())
for name in ["LayerNorm", "RMSNorm"]:
    none(name, f"nn.{name}(3, T = f64)(x)", 0, 3, out=(0, 3))
    spreads(name, f"nn.{name}(3, T = f64)(x)", 2, 3)
o.edge("one", "LayerNorm", "nn.LayerNorm(1, T = f64)(x)", lambda x: F.layer_norm(x, (1,)), x=np.array([[2.0], [-1.0]]))
o.edge("one zero", "RMSNorm", "nn.RMSNorm(1, T = f64)(x)", lambda x: F.rms_norm(x, (1,), eps=1e-6), x=np.array([[2.0], [0.0]]))
o.edge("empty", "layer_norm", "nn.layer_norm(x)", lambda x: F.layer_norm(x, (3,)), x=np.zeros((0, 3)))
o.edge("one ties", "layer_norm", "nn.layer_norm(x)", lambda x: F.layer_norm(x, (3,)), x=np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]]))
o.edge("nan inf large", "layer_norm", "nn.layer_norm(x)", lambda x: F.layer_norm(x, (2,)), grad=(), x=np.array([[nan, 2.0], [inf, 1.0], [1e150, -1e150]]))
o.edge("empty", "rms_norm", "nn.rms_norm(x)", lambda x: F.rms_norm(x, (3,), eps=1e-6), x=np.zeros((0, 3)))
o.edge("zero", "rms_norm", "nn.rms_norm(x)", lambda x: F.rms_norm(x, (3,), eps=1e-6), x=np.zeros((1, 3)))
o.edge("nan inf", "rms_norm", "nn.rms_norm(x)", lambda x: F.rms_norm(x, (2,), eps=1e-6), grad=(), x=np.array([[nan, 2.0], [inf, 1.0]]))
o.edge("empty", "group_norm", "nn.group_norm(x, 2)", lambda x: x, x=np.zeros((0, 4, 3)))
o.edge("one ties", "group_norm", "nn.group_norm(x, 2)", lambda x: F.group_norm(x, 2), x=np.array([[[2.0], [2.0], [1.0], [3.0]]]))
spreads("group_norm", "nn.group_norm(x, 2)", 2, 4, 3)
none("GroupNorm", "nn.GroupNorm(2, 4, T = f64)(x)", 0, 4, 3, out=(0, 4, 3))
spreads("GroupNorm", "nn.GroupNorm(2, 4, T = f64)(x)", 2, 4, 3)
o.refused("outside", "GroupNorm", "nn.GroupNorm(2, 3)(x)", "", pytorch=lambda x: torch.nn.GroupNorm(2, 3)(x.float()), x=np.zeros((1, 3)))
o.edge("empty", "instance_norm", "nn.instance_norm(x)", lambda x: x, x=np.zeros((0, 2, 3)))
o.edge("one", "instance_norm", "nn.instance_norm(x)", lambda x: 0 * x, x=np.array([[[2.0], [3.0]]]), differs="one place for a channel gives 0, in PyTorch an error.", pytorch=F.instance_norm)
o.edge("ties", "instance_norm", "nn.instance_norm(x)", F.instance_norm, x=np.array([[[2.0, 2.0], [3.0, 1.0]]]))
spreads("instance_norm", "nn.instance_norm(x)", 1, 2, 3)
none("InstanceNorm", "nn.InstanceNorm(2, T = f64)(x)", 0, 2, 3, out=(0, 2, 3))
spreads("InstanceNorm", "nn.InstanceNorm(2, affine = true, T = f64)(x)", 1, 2, 3)
none("BatchNorm", "nn.BatchNorm(2, T = f64)(x)", 0, 2, out=(0, 2))
none("BatchNorm", "nn.BatchNorm(2, T = f64)(x)", 3, 2, 0, out=(3, 2, 0))
o.edge("one", "BatchNorm", "train_mode(nn.BatchNorm(2, T = f64))(x)", lambda x: 0 * x, grad=(), x=o.normal(1, 2), differs="one value for a channel in training gives 0, in PyTorch an error.", pytorch=lambda x: torch.nn.BatchNorm1d(2).double()(x))
spreads("BatchNorm", "train_mode(nn.BatchNorm(2, T = f64))(x)", 3, 2)
spreads("BatchNorm", "nn.BatchNorm(2, T = f64)(x)", 3, 2)

# ---- convolutions and pooling
for d in [1, 2, 3]:
    c = f"conv{d}d"
    conv, trans = getattr(F, c), getattr(F, f"conv_transpose{d}d")
    o.edge("empty", c, f"nn.{c}(x, w)", conv, x=np.zeros((0, 2) + (3,) * d), w=o.normal(1, 2, *(2,) * d))
    o.edge("one", c, f"nn.{c}(x, w)", conv, x=o.normal(1, 1, *(3,) * d), w=o.normal(1, 1, *(3,) * d))
    o.edge("one", c, f"nn.{c}(x, w)", conv, x=o.normal(1, 1, *(1,) * d), w=o.normal(2, 1, *(1,) * d))
    x = o.normal(1, 1, *(3,) * d)
    x.flat[0], x.flat[-1] = nan, inf
    o.edge("nan inf", c, f"nn.{c}(x, w)", conv, grad=(), x=x, w=o.normal(1, 1, *(2,) * d))
    o.refused("outside", c, f"nn.{c}(x, w)", "", pytorch=conv, x=np.zeros((1, 1) + (2,) * d), w=np.zeros((1, 1) + (3,) * d))
    none(f"Conv{d}d", f"nn.Conv{d}d(2, 3, 2, T = f64)(x)", *(0, 2) + (4,) * d, out=(0, 3) + (3,) * d)
    spreads(f"Conv{d}d", f"nn.Conv{d}d(2, 3, 2, T = f64)(x)", *(1, 2) + (3,) * d)
    o.edge("empty", f"conv_transpose{d}d", f"nn.conv_transpose{d}d(x, w)", lambda x, w: torch.zeros((0, 1) + (4,) * d).double() + 0 * (x.sum() + w.sum()), x=np.zeros((0, 2) + (3,) * d), w=o.normal(2, 1, *(2,) * d))
    o.edge("one", f"conv_transpose{d}d", f"nn.conv_transpose{d}d(x, w)", trans, x=o.normal(1, 1, *(1,) * d), w=o.normal(1, 1, *(2,) * d))
    o.edge("nan inf", f"conv_transpose{d}d", f"nn.conv_transpose{d}d(x, w)", trans, grad=(), x=x, w=o.normal(1, 1, *(2,) * d))
    none(f"ConvTranspose{d}d", f"nn.ConvTranspose{d}d(2, 3, 2, T = f64)(x)", *(0, 2) + (3,) * d, out=(0, 3) + (4,) * d)
    spreads(f"ConvTranspose{d}d", f"nn.ConvTranspose{d}d(2, 3, 2, T = f64)(x)", *(1, 2) + (3,) * d)
    for p in ["max_pool", "avg_pool"]:
        pool = getattr(F, f"{p}{d}d")
        call = f"nn.{p}{d}d(x, 2)"
        none(f"{p}{d}d", call, *(0, 2) + (4,) * d, out=(0, 2) + (2,) * d)
        o.edge("one", f"{p}{d}d", call, lambda x: pool(x, 2), x=o.normal(1, 1, *(2,) * d))
        o.edge("one", f"{p}{d}d", f"nn.{p}{d}d(x, 1)", lambda x: pool(x, 1), x=o.normal(1, 1, *(1,) * d))
        o.edge("ties", f"{p}{d}d", call, lambda x: pool(x, 2), x=np.ones((1, 1) + (4,) * d))
        o.edge("nan inf", f"{p}{d}d", f"nn.{p}{d}d(x, 2, stride = 1)", lambda x: pool(x, 2, 1), grad=(), x=x)
        o.refused("outside", f"{p}{d}d", f"nn.{p}{d}d(x, 3)", "", pytorch=lambda x: pool(x, 3), x=np.zeros((1, 1) + (2,) * d))
    a = f"adaptive_avg_pool{d}d"
    pool = getattr(F, a)
    none(a, f"nn.{a}(x, 2)", *(0, 2) + (3,) * d, out=(0, 2) + (2,) * d)
    o.edge("one", a, f"nn.{a}(x, 1)", lambda x: pool(x, 1), x=o.normal(1, 1, *(3,) * d))
    o.edge("one", a, f"nn.{a}(x, 2)", lambda x: pool(x, 2), x=o.normal(1, 1, *(1,) * d))
    spreads(a, f"nn.{a}(x, 1)", *(1, 1) + (3,) * d)
    if d < 3:
        m = f"adaptive_max_pool{d}d"
        most = getattr(F, m)
        none(m, f"nn.{m}(x, 2)", *(0, 2) + (3,) * d, out=(0, 2) + (2,) * d)
        o.edge("one", m, f"nn.{m}(x, 2)", lambda x: most(x, 2), x=o.normal(1, 1, *(1,) * d))
        o.edge("ties", m, f"nn.{m}(x, 1)", lambda x: most(x, 1), x=np.ones((1, 1) + (3,) * d))
        o.edge("nan inf", m, f"nn.{m}(x, 2)", lambda x: most(x, 2), grad=(), x=x)
none("global_avg_pool", "nn.global_avg_pool(x)", 0, 2, 3, out=(0, 2))
o.edge("one nan", "global_avg_pool", "nn.global_avg_pool(x)", lambda x: x.mean(2), grad=(), x=np.array([[[1.0], [nan]]]))
none("global_max_pool", "nn.global_max_pool(x)", 0, 2, 3, out=(0, 2))
o.edge("one nan", "global_max_pool", "nn.global_max_pool(x)", lambda x: x.amax(2), grad=(), x=np.array([[[1.0], [nan]]]))

# ---- images
none("pixel_shuffle", "nn.pixel_shuffle(x, 2)", 0, 4, 3, 3, out=(0, 1, 6, 6))
o.edge("one nan", "pixel_shuffle", "nn.pixel_shuffle(x, 1)", lambda x: F.pixel_shuffle(x, 1), x=np.array([[[[nan, 1.0]]]]))
none("pixel_unshuffle", "nn.pixel_unshuffle(x, 2)", 0, 1, 4, 4, out=(0, 4, 2, 2))
o.edge("one nan", "pixel_unshuffle", "nn.pixel_unshuffle(x, 1)", lambda x: F.pixel_unshuffle(x, 1), x=np.array([[[[nan, 1.0]]]]))
none("pad2d", "nn.pad2d(x, 1)", 0, 1, 2, 2, out=(0, 1, 4, 4))
o.edge("one nan", "pad2d", "nn.pad2d(x, 1)", lambda x: F.pad(x, (1, 1, 1, 1)), x=np.array([[[[nan]]]]))
for mode, there in [("nearest", "nearest"), ("linear", "bilinear")]:
    align = {} if mode == "nearest" else {"align_corners": False}
    none("interpolate", f'nn.interpolate(x, (2, 2), mode = "{mode}")', 0, 1, 3, 3, out=(0, 1, 2, 2))
    for size in [(1, 1), (1, 4), (3, 3)]:
        o.edge("one", "interpolate", f'nn.interpolate(x, {size}, mode = "{mode}")', lambda x: F.interpolate(x, size, mode=there, **align), x=o.normal(1, 1, 3, 3))
    o.edge("one", "interpolate", f'nn.interpolate(x, (3, 2), mode = "{mode}")', lambda x: F.interpolate(x, (3, 2), mode=there, **align), x=o.normal(1, 1, 1, 1))
    o.edge("nan", "interpolate", f'nn.interpolate(x, (2, 2), mode = "{mode}")', lambda x: F.interpolate(x, (2, 2), mode=there, **align), grad=(), x=np.array([[[[nan, 1.0], [2.0, 3.0]]]]))
none("upsample", "nn.upsample(x, 2)", 0, 1, 2, 2, out=(0, 1, 4, 4))
o.edge("one nan", "upsample", "nn.upsample(x, 2)", lambda x: F.interpolate(x, scale_factor=2), x=np.array([[[[nan]]]]))
o.edge("one", "affine_grid", "nn.affine_grid(t, 1, 1)", lambda t: F.affine_grid(t, (1, 1, 1, 1), align_corners=False), t=o.normal(1, 2, 3))
o.edge("empty", "affine_grid", "nn.affine_grid(t, 2, 2)", lambda t: torch.zeros(0, 2, 2, 2).double() + 0 * t.sum(), t=np.zeros((0, 2, 3)))
o.edge("outside", "grid_sample", "nn.grid_sample(x, g)", lambda x, g: F.grid_sample(x, g, align_corners=False), x=o.normal(1, 1, 2, 2), g=np.array([[[[5.0, 0.1], [-1.2, 0.3]]]]))
o.edge("one", "grid_sample", "nn.grid_sample(x, g)", lambda x, g: F.grid_sample(x, g, align_corners=False), x=o.normal(1, 1, 1, 1), g=np.array([[[[0.2, 0.1]]]]))
o.edge("nan", "grid_sample", "nn.grid_sample(x, g)", lambda x, g: F.grid_sample(x, g, align_corners=False), grad=(), x=np.array([[[[nan, 1.0], [2.0, 3.0]]]]), g=np.array([[[[-0.5, -0.5], [0.5, 0.5]]]]))
none("unfold", "nn.unfold(x, 2)", 0, 1, 3, 3, out=(0, 4, 4))
o.edge("one nan", "unfold", "nn.unfold(x, 2)", lambda x: F.unfold(x, 2), grad=(), x=np.array([[[[nan, 1.0], [2.0, 3.0]]]]))
o.edge("one nan", "fold", "nn.fold(x, 2, 2, 2)", lambda x: F.fold(x, (2, 2), 2), grad=(), x=np.array([[[nan], [1.0], [2.0], [3.0]]]))

# ---- attention, positions, recurrences, containers
sdpa = F.scaled_dot_product_attention
o.edge("empty", "attention", "nn.attention(q, k, v)", sdpa, q=np.zeros((0, 1, 3, 2)), k=np.zeros((0, 1, 4, 2)), v=np.zeros((0, 1, 4, 2)))
o.edge("empty", "attention", "nn.attention(q, k, v)", sdpa, grad=(), q=o.normal(1, 1, 2, 2), k=np.zeros((1, 1, 0, 2)), v=np.zeros((1, 1, 0, 2)))
o.edge("one", "attention", "nn.attention(q, k, v, causal = true)", lambda q, k, v: sdpa(q, k, v, is_causal=True), q=o.normal(1, 1, 1, 2), k=o.normal(1, 1, 1, 2), v=o.normal(1, 1, 1, 2))
o.edge("ties", "attention", "nn.attention(q, k, v)", sdpa, q=o.normal(1, 1, 2, 2), k=np.ones((1, 1, 3, 2)), v=o.normal(1, 1, 3, 2))
o.edge("large", "attention", "nn.attention(q, k, v)", sdpa, grad=(), q=np.array([[[[1e150, 0.0]]]]), k=o.normal(1, 1, 3, 2), v=o.normal(1, 1, 3, 2))
o.edge("nan", "attention", "isnan(nn.attention(q, k, v))", lambda q, k, v: torch.tensor([[[[True, True], [False, False]]]]), grad=(), q=np.array([[[[nan, 1.0], [1.0, 0.0]]]]), k=o.normal(1, 1, 3, 2), v=o.normal(1, 1, 3, 2),
       differs="NaN in a query gives NaN, in PyTorch 0.", pytorch=lambda q, k, v: sdpa(q, k, v).isnan())
o.edge("outside", "attention", "nn.attention(q, k, v, mask = m)", lambda q, k, v, m: torch.cat([sdpa(q, k, v, m)[:, :, :1], NOT_A_NUMBER(1, 1, 1, 2)], 2), grad=(), differs="a step that may see nothing gives NaN, in PyTorch 0.", pytorch=sdpa, q=o.normal(1, 1, 2, 2), k=o.normal(1, 1, 3, 2), v=o.normal(1, 1, 3, 2), m=np.array([[True, False, True], [False, False, False]]))
none("MultiHeadAttention", "nn.MultiHeadAttention(4, 2, T = f64)(x)", 0, 3, 4, out=(0, 3, 4))
spreads("MultiHeadAttention", "nn.MultiHeadAttention(4, 2, T = f64)(x)", 1, 2, 4)
none("FeedForward", "nn.FeedForward(4, 8, T = f64)(x)", 0, 3, 4, out=(0, 3, 4))
spreads("FeedForward", "nn.FeedForward(4, 8, T = f64)(x)", 1, 2, 4)
for name, make in [("TransformerEncoderLayer", "nn.TransformerEncoderLayer(4, 2, T = f64)(x)"), ("TransformerEncoder", "nn.TransformerEncoder(1, 4, 2, T = f64)(x, causal = true)"),
                   ("TransformerDecoderLayer", "nn.TransformerDecoderLayer(4, 2, T = f64)(x, x)"), ("TransformerDecoder", "nn.TransformerDecoder(1, 4, 2, T = f64)(x, x, causal = true)")]:
    none(name, make, 0, 3, 4, out=(0, 3, 4))
    spreads(name, make, 1, 1, 4)
o.edge("empty one", "sinusoidal_positions", "let p = nn.sinusoidal_positions(0, 4)\nlet q = nn.sinusoidal_positions(1, 4)\n(cast(p, f64), cast(q, f64))", lambda: (torch.zeros(0, 4).double(), torch.tensor([[0.0, 1.0, 0.0, 1.0]]).double()), grad=())
none("rotary", "nn.rotary(x)", 1, 1, 0, 4, out=(1, 1, 0, 4))
o.edge("one", "rotary", "nn.rotary(x)", lambda x: x, x=o.normal(1, 1, 1, 4))
spreads("rotary", "nn.rotary(x)", 1, 1, 2, 4)
for name in ["RNN", "GRU", "LSTM"]:
    none(name, f"nn.{name}(3, 2, T = f64)(x)[0]", 0, 4, 3, out=(0, 4, 2))
    spreads(name, f"nn.{name}(3, 2, T = f64)(x)[0]", 1, 2, 3)
    o.edge("one", name, f"shape(nn.{name}(3, 2, layers = 2, bidirectional = true, T = f64)(x)[0])[2] + 0", lambda x: torch.tensor(4), grad=(), x=o.normal(1, 1, 3))
    o.edge("empty", name, f"nn.{name}(3, 2, T = f64)(x)[0]", lambda x: torch.zeros(2, 0, 2).double(), grad=(), x=np.zeros((2, 0, 3)), differs="a sequence of no steps gives no steps, in PyTorch an error.", pytorch=lambda x: getattr(torch.nn, name)(3, 2, batch_first=True).double()(x)[0])
    cell = f"nn.{name}Cell(3, 2, T = f64)(x)" + ("[0]" if name == "LSTM" else "")
    none(f"{name}Cell", cell, 0, 3, out=(0, 2))
    spreads(f"{name}Cell", cell, 1, 3)
o.edge("empty", "Sequential", "nn.Sequential([relu, relu])(x)", lambda x: x, x=np.zeros((0, 2)))
o.edge("one nan", "Sequential", "nn.Sequential([relu])(x)", F.relu, grad=(), x=np.array([nan]))
o.edge("empty", "Residual", "nn.Residual(relu)(x)", lambda x: x, x=np.zeros((0, 2)))
o.edge("one nan", "Residual", "nn.Residual(relu)(x)", lambda x: x + F.relu(x), grad=(), x=np.array([nan, -1.0]))
o.edge("empty one nan", "Identity", "(nn.Identity()(x), nn.Identity()(y))", lambda x, y: (x, y), x=np.zeros((0, 2)), y=np.array([nan]))
o.edge("empty", "embedding", "nn.embedding(i, w)", F.embedding, i=np.zeros((2, 0), dtype=np.int64), w=o.normal(3, 2))
o.edge("ties one", "embedding", "nn.embedding(i, w)", F.embedding, i=np.array([1, 1, 1]), w=o.normal(3, 2))
o.refused("outside", "embedding", "nn.embedding(i, w)", "", pytorch=F.embedding, i=np.array([3]), w=np.zeros((3, 2)))
o.edge("empty", "Embedding", "nn.Embedding(5, 2, T = f64)(i)", lambda i: torch.zeros(0, 3, 2).double(), grad=(), i=np.zeros((0, 3), dtype=np.int64))
o.refused("outside", "Embedding", "nn.Embedding(3, 2)(i)", "", pytorch=torch.nn.Embedding(3, 2), i=np.array([-1]))
o.edge("empty", "Bilinear", "nn.Bilinear(2, 3, 4, T = f64)(x, y)", lambda x, y: torch.zeros(0, 4).double() + 0 * (x.sum() + y.sum()), x=np.zeros((0, 2)), y=np.zeros((0, 3)))
o.edge("nan", "Bilinear", "any(isnan(nn.Bilinear(2, 3, 4, T = f64)(x, y)))", lambda x, y: torch.tensor(True), grad=(), x=np.array([[nan, 1.0]]), y=np.ones((1, 3)))
for name, call, there in [("dropout", "dropout(x, {p})", F.dropout), ("Dropout", "nn.Dropout({p})(x)", F.dropout), ("dropout_channels", "nn.dropout_channels(x, {p})", F.dropout1d), ("alpha_dropout", "nn.alpha_dropout(x, {p})", F.alpha_dropout), ("drop_path", "nn.drop_path(x, {p})", F.dropout)]:
    o.edge("empty", name, f"train_mode(fn(x) = {call.format(p=0.5)})(x)", lambda x: x, x=np.zeros((0, 2, 3)))
    o.edge("zero one", name, f"train_mode(fn(x) = {call.format(p=0.0)})(x)", lambda x: x, x=o.normal(1, 2, 1))
    o.edge("nan", name, f"any(isnan(train_mode(fn(x) = {call.format(p=0.0)})(x)))", lambda x: torch.tensor(True), grad=(), x=np.array([[[nan, 1.0]]]))
    o.refused("outside", name, call.format(p=1.5), "", pytorch=lambda x: there(x, 1.5), x=np.zeros((1, 2, 3)))
o.edge("one", "gumbel_softmax", "nn.gumbel_softmax(x)", lambda x: torch.ones(3, 1).double(), grad=(), x=np.zeros((3, 1)))
o.edge("empty", "gumbel_softmax", "nn.gumbel_softmax(x, hard = true)", lambda x: x, x=np.zeros((0, 3)))
o.edge("inf", "gumbel_softmax", "nn.gumbel_softmax(x, hard = true)", lambda x: torch.tensor([[0.0, 1.0, 0.0]]).double(), grad=(), x=np.array([[-inf, 0.0, -inf]]))
