# Edges of making, cutting, moving and joining tensors: nothing, one element, sizes and shifts out of range.
import math

import numpy as np
import torch

nan, inf = math.nan, math.inf
IMPORTS = ["nn"]
SHAPES = [(0, 3), (2, 0), (1, 1)]
x3 = np.array([1.0, nan, -0.0])


def moved(name, call, f, shapes=SHAPES, also_nan=True):
    for shape in shapes:
        o.edge("empty" if 0 in shape else "one", name, call, f, x=np.zeros(shape) if 0 in shape else o.normal(*shape))
    if also_nan:
        o.edge("nan inf", name, call, f, x=np.array([[nan, inf, 0.0], [1.0, -inf, nan]]))


moved("swap_axes", "swap_axes(x, 0, 1)", lambda x: x.swapaxes(0, 1))
moved("move_axis", "move_axis(x, 0, -1)", lambda x: x.movedim(0, -1))
moved("transpose", "transpose(x)", lambda x: x.T)
moved("flatten", "flatten(x)", torch.flatten)
moved("reshape", "reshape(x, -1)", lambda x: x.reshape(-1))
o.edge("one", "reshape", "reshape(x, 1, 1)", lambda x: x.reshape(1, 1), x=np.float64(2.0))
o.edge("empty", "reshape", "reshape(x, 3, 0)", lambda x: x.reshape(3, 0), x=np.zeros((0, 2)))
o.refused("empty", "reshape", "reshape(zeros(0, 3), 0, -1)", "divide", pytorch=lambda x: x.reshape(0, -1), x=np.zeros((0, 3)))
moved("unsqueeze", "unsqueeze(x, 1)", lambda x: x.unsqueeze(1))
o.edge("one", "unsqueeze", "unsqueeze(x, 0)", lambda x: x.unsqueeze(0), x=np.float64(2.0))
moved("squeeze", "squeeze(x, 0)", lambda x: x.squeeze(0), shapes=[(1, 0), (1, 1)], also_nan=False)
moved("flip", "flip(x)", lambda x: x.flip(1))
moved("flip", "flip(x, axis = 0)", lambda x: x.flip(0))
moved("roll", "roll(x, 5)", lambda x: x.roll(5, 1))
moved("roll", "roll(x, -1, axis = 0)", lambda x: x.roll(-1, 0))
moved("tile", "tile(x, 2)", lambda x: x.repeat(1, 2))
moved("tile", "tile(x, 0)", lambda x: x.repeat(1, 0))
moved("repeat", "repeat(x, 2)", lambda x: x.repeat_interleave(2, 1))
moved("repeat", "repeat(x, 0)", lambda x: x[:, :0])
for mode, there in [("constant", "constant"), ("edge", "replicate"), ("wrap", "circular")]:
    o.edge("one", "pad", f'pad(x, 1, 1, mode = "{mode}")', lambda x: torch.nn.functional.pad(x[None], (1, 1), mode=there)[0], x=o.normal(2, 1))
o.edge("empty nan", "pad", "(pad(x, 1, 2), pad(y, 0, 0), pad(y, 1, 0, value = 3))", lambda x, y: (torch.nn.functional.pad(x, (1, 2)), y, torch.nn.functional.pad(y, (1, 0), value=3)), grad=(), x=np.zeros((2, 0)), y=np.array([[nan, inf]]))
o.edge("one", "pad", 'pad(x, 0, 0, mode = "reflect")', lambda x: x, x=o.normal(2, 1))
moved("slice", "slice(x, 0, 0)", lambda x: x[:, :0])
o.edge("one", "slice", "slice(x, 2, 3)", lambda x: x[2:3], x=x3)
o.refused("outside", "slice", "slice(x, 1, 4)", "", x=np.zeros(3))
o.edge("empty one", "chunk", "(chunk(x, 2)[1], chunk(y, 1)[0], chunk(z, 3)[2])", lambda x, y, z: (x, y, z[2:]), x=np.zeros((2, 0)), y=o.normal(1), z=o.normal(3))
o.refused("outside", "chunk", "chunk(x, 2)", "", x=np.zeros(3))
o.edge("empty one", "split_sizes", "(split_sizes(x, (0, 3))[0], split_sizes(x, (1, 2, 0))[0])", lambda x: (x[:0], x[:1]), x=x3, grad=())
o.refused("outside", "split_sizes", "split_sizes(x, (2, 2))", "", pytorch=lambda x: x.split((2, 2)), x=np.zeros(3))
o.edge("empty one", "stepped", "(stepped(2, 2), stepped(5, 2), stepped(2, 3), stepped(3, 0, -2))", lambda: tuple(torch.tensor(v, dtype=torch.int64) for v in ([], [], [2], [3, 1])), grad=())
o.edge("empty one", "linspace", "(linspace(0, 1, 0, dtype = f64), linspace(3, 1, 1, dtype = f64), linspace(2, 2, 3, dtype = f64))", lambda: tuple(torch.linspace(*a, dtype=torch.float64) for a in [(0, 1, 0), (3, 1, 1), (2, 2, 3)]), grad=())
o.edge("empty one", "logspace", "(logspace(0, 1, 0, dtype = f64), logspace(2, 1, 1, dtype = f64))", lambda: tuple(torch.logspace(*a, dtype=torch.float64) for a in [(0, 1, 0), (2, 1, 1)]), grad=())
o.edge("empty one", "eye", "(eye(0, dtype = f64), eye(1, dtype = f64), eye(2, 0, dtype = f64), eye(1, 3, dtype = f64))", lambda: (torch.eye(0).double(), torch.eye(1).double(), torch.zeros(2, 0).double(), torch.eye(1, 3).double()), grad=())
for name, f in [("ones_like", torch.ones_like), ("zeros_like", torch.zeros_like)]:
    o.edge("empty one nan", name, f"({name}(x), {name}(y), {name}(z))", lambda x, y, z: (f(x), f(y), f(z)), grad=(), x=np.zeros((0, 2)), y=np.float64(1.0), z=x3)
o.edge("empty one nan", "full_like", "(full_like(x, 7), full_like(y, nan), full_like(z, inf))", lambda x, y, z: (torch.full_like(x, 7), torch.full_like(y, nan), torch.full_like(z, inf)), grad=(), x=np.zeros((0, 2)), y=np.float64(1.0), z=x3)
o.edge("empty one nan", "full", "(full(f64(7), 0, 2), full(f64(nan), 1), full(x, 2))", lambda x: (torch.zeros(0, 2).double(), torch.tensor([nan]).double(), x.expand(2)), grad=(), x=np.float64(inf))
for name, v in [("zeros", 0.0), ("ones", 1.0)]:
    o.edge("empty one", name, f"({name}(0, 3, dtype = f64), {name}(1, dtype = f64))", lambda: (torch.full((0, 3), v).double(), torch.full((1,), v).double()), grad=())
    o.refused("outside", name, f"{name}(n)", "", pytorch=lambda n: torch.zeros(int(n)), n=np.array(-1))
o.edge("empty one", "arange", "(arange(0), arange(1), arange(3) + 0)", lambda: (torch.arange(0), torch.arange(1), torch.arange(3)), grad=())
o.edge("empty one", "diag", "(diag(x), diag(y))", lambda x, y: (torch.diag(x), torch.diag(y)), x=np.zeros(0), y=o.normal(1))
o.edge("nan", "diag", "diag(x)", torch.diag, grad=(), x=x3)
moved("diagonal", "diagonal(x)", torch.diagonal)
for k in [1, -1, 5]:
    o.edge("one outside", "diagonal", f"diagonal(x, offset = {k})", (lambda x: torch.diagonal(x, k)) if k < 5 else (lambda x: torch.zeros(0).double()), grad=None if k < 5 else (), x=o.normal(2, 3))
moved("trace", "trace(x)", torch.trace, shapes=[(0, 0), (1, 1)])
for name, f in [("tril", torch.tril), ("triu", torch.triu)]:
    moved(name, f"{name}(x)", f)
    for k in [3, -3]:
        o.edge("outside", name, f"{name}(x, {k})", lambda x: f(x, k), x=o.normal(2, 2))
o.edge("empty one", "outer", "(outer(x, y), outer(y, y))", lambda x, y: (torch.outer(x, y), torch.outer(y, y)), x=np.zeros(0), y=o.normal(1))
o.edge("nan", "outer", "outer(x, x)", lambda x: torch.outer(x, x), grad=(), x=x3)
o.edge("empty one", "kron", "(kron(x, y), kron(y, y))", lambda x, y: (torch.kron(x, y), torch.kron(y, y)), x=np.zeros((0, 2)), y=o.normal(1, 1))
o.edge("empty", "cross", "cross(x, x)", lambda x: torch.linalg.cross(x, x), x=np.zeros((0, 3)))
o.edge("ties zero nan", "cross", "cross(x, x)", lambda x: torch.linalg.cross(x, x), grad=(), x=np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [nan, 1.0, 0.0]]))
o.edge("empty one", "meshgrid", "(meshgrid(x, y)[0], meshgrid(x, y)[1], meshgrid(y, y)[0])", lambda x, y: (torch.meshgrid(x, y, indexing="xy")[0], torch.meshgrid(x, y, indexing="xy")[1], y[None]), x=np.zeros(0), y=o.normal(1))
o.edge("empty one", "concat", "(concat(x, y), concat(x, x), concat(y))", lambda x, y: (torch.cat([x, y]), torch.cat([x, x]), y), x=np.zeros((0, 2)), y=o.normal(1, 2))
o.edge("empty one", "stack", "(stack(x, x), stack(y))", lambda x, y: (torch.stack([x, x]), torch.stack([y])), x=np.zeros(0), y=o.normal(2))
o.edge("empty one nan", "broadcast", "(broadcast(x, 0), broadcast(x, 2, 1), broadcast(y, 3, 0))", lambda x, y: (x.expand(0), x.expand(2, 1), y.expand(3, 0)), grad=(), x=np.float64(nan), y=np.zeros(0))
moved("flatten", "nn.flatten(x)", lambda x: x.reshape(x.shape[0], x[0].numel() if len(x) else x.shape[1]))
