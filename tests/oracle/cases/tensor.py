# Making, cutting, moving and joining; values that do not come out of arithmetic are compared all the same.
import numpy as np
import torch

for shape in [(5,), (3, 4), (2, 3, 4)]:
    for axis in [0, -1]:
        o.case("flip", f"flip(x, axis = {axis})", lambda x: torch.flip(x, [axis]), x=o.normal(*shape))
        for shift in [1, -2, 7]:
            o.case("roll", f"roll(x, {shift}, axis = {axis})", lambda x: torch.roll(x, shift, axis), x=o.normal(*shape))
        o.case("repeat", f"repeat(x, 3, axis = {axis})", lambda x: torch.repeat_interleave(x, 3, axis), x=o.normal(*shape))
        times = [1] * len(shape)
        times[axis] = 2
        o.case("tile", f"tile(x, 2, axis = {axis})", lambda x: torch.tile(x, times), x=o.normal(*shape))
        o.case("unsqueeze", f"unsqueeze(x, {axis})", lambda x: x.unsqueeze(axis), x=o.normal(*shape))
        o.case("diff", f"diff(x, axis = {axis})", lambda x: torch.diff(x, dim=axis), x=o.normal(*shape))
        o.case("cumsum", f"cumsum(x, axis = {axis})", lambda x: torch.cumsum(x, axis), x=o.normal(*shape))
        o.case("cumprod", f"cumprod(x, axis = {axis})", lambda x: torch.cumprod(x, axis), x=o.normal(*shape))
        o.case("cummax", f"cummax(x, axis = {axis})", lambda x: torch.cummax(x, axis)[0], x=o.normal(*shape))
        o.case("cummin", f"cummin(x, axis = {axis})", lambda x: torch.cummin(x, axis)[0], x=o.normal(*shape))
        o.case("logcumsumexp", f"logcumsumexp(x, axis = {axis})", lambda x: torch.logcumsumexp(x, axis), x=o.normal(*shape))
        o.case("sort", f"sort(x, axis = {axis})", lambda x: torch.sort(x, axis)[0], x=o.normal(*shape))
        o.case("argsort", f"argsort(x, axis = {axis})", lambda x: torch.argsort(x, axis), x=o.normal(*shape))
        for k in [1, 2]:
            o.case("top_k", f"top_k(x, {k}, axis = {axis})", lambda x: tuple(torch.topk(x, k, axis)), x=o.normal(*shape))
            o.case("top_k", f"top_k(x, {k}, axis = {axis}, largest = false)",
                   lambda x: tuple(torch.topk(x, k, axis, largest=False)), x=o.normal(*shape))
        n = shape[axis]
        o.case("take", f"take(x, ids, axis = {axis})", lambda x, ids: torch.index_select(x, axis, ids),
               x=o.normal(*shape), ids=o.integers(6, hi=n))
        small = list(shape)
        small[axis] = 3
        o.case("gather", f"gather(x, index, axis = {axis})", lambda x, i: torch.gather(x, axis, i),
               x=o.normal(*shape), index=o.integers(*small, hi=n))
        o.case("scatter_add", f"scatter_add(x, index, source, axis = {axis})",
               lambda x, i, s: torch.scatter_add(x, axis, i, s),
               x=o.normal(*shape), index=o.integers(*small, hi=n), source=o.normal(*small))
        distinct = np.argsort(o.normal(*shape), axis=axis)
        o.case("scatter", f"scatter(x, index, source, axis = {axis})", lambda x, i, s: torch.scatter(x, axis, i, s),
               x=o.normal(*shape), index=np.take(distinct, range(min(2, n)), axis), source=o.normal(*[min(2, n) if k == axis % len(shape) else d for k, d in enumerate(shape)]))
        o.case("split_sizes", f"split_sizes(x, (1, {n - 1}), axis = {axis})", lambda x: torch.split(x, [1, n - 1], axis), x=o.normal(*shape))
        o.case("slice", f"slice(x, 1, {n}, axis = {axis})", lambda x: x.narrow(axis, 1, n - 1), x=o.normal(*shape))
    o.case("flatten", "flatten(x)", torch.flatten, x=o.normal(*shape))
    o.case("ones_like", "ones_like(x)", torch.ones_like, grad=(), x=o.normal(*shape))
    o.case("full_like", "full_like(x, 2.5)", lambda x: torch.full_like(x, 2.5), grad=(), x=o.normal(*shape))
    for mode, name in [("constant", "constant"), ("edge", "replicate"), ("reflect", "reflect"), ("wrap", "circular")]:
        o.case("pad", f'pad(x, 2, 1, mode = "{mode}")',
               lambda x: torch.nn.functional.pad(x.reshape(1, -1, shape[-1]), (2, 1), mode=name).reshape(*shape[:-1], -1), x=o.normal(*shape))
    o.case("pad", "pad(x, 0, 2, axis = 0, value = -1.5)",
           lambda x: torch.cat([x, torch.full((2, *shape[1:]), -1.5, dtype=torch.float64)]), x=o.normal(*shape))

o.case("chunk", "chunk(x, 2)", lambda x: torch.chunk(x, 2), x=o.normal(6))
o.case("chunk", "chunk(x, 3, axis = 1)", lambda x: torch.chunk(x, 3, 1), x=o.normal(2, 6, 2))
o.case("squeeze", "squeeze(x, 1)", lambda x: x.squeeze(1), x=o.normal(3, 1, 2))
o.case("swap_axes", "swap_axes(x, 0, 2)", lambda x: x.swapaxes(0, 2), x=o.normal(2, 3, 4))
o.case("swap_axes", "swap_axes(x, -1, 1)", lambda x: x.swapaxes(-1, 1), x=o.normal(2, 3, 4, 2))
for a, b in [(0, -1), (2, 0), (1, 1), (-1, 1)]:
    o.case("move_axis", f"move_axis(x, {a}, {b})", lambda x: torch.movedim(x, a, b), x=o.normal(2, 3, 4, 2))
o.case("transpose", "transpose(x)", lambda x: x.mT, x=o.normal(3, 4))
o.case("transpose", "transpose(x, 2, 0, 1)", lambda x: x.permute(2, 0, 1), x=o.normal(2, 3, 4))
o.case("reshape", "reshape(x, 3, -1)", lambda x: x.reshape(3, -1), x=o.normal(2, 3, 4))
o.case("concat", "concat(x, y, x, axis = 1)", lambda x, y: torch.cat([x, y, x], 1), x=o.normal(2, 3), y=o.normal(2, 1))
o.case("stack", "stack(x, y, axis = 1)", lambda x, y: torch.stack([x, y], 1), x=o.normal(2, 3), y=o.normal(2, 3))
o.case("broadcast", "broadcast(x, 2, 3, 4)", lambda x: x.broadcast_to(2, 3, 4), x=o.normal(3, 1))
for lo, hi, step in [(2, 7, 1), (0, 10, 3), (5, 0, -2), (3, 3, 1), (0, 9, 3)]:
    o.case("stepped", f"stepped({lo}, {hi}, step = {step})", lambda: torch.arange(lo, hi, step))
for lo, hi, n in [(0, 1, 5), (-1, 2, 7), (3, 3, 1), (2, -1, 4), (0, 1, 1)]:
    o.case("linspace", f"linspace({lo}, {hi}, {n}, dtype = f64)", lambda: torch.linspace(lo, hi, n, dtype=torch.float64))
o.case("logspace", "logspace(-1, 2, 4, dtype = f64)", lambda: torch.logspace(-1, 2, 4, dtype=torch.float64))
o.case("logspace", "logspace(0, 3, 4, base = 2.0, dtype = f64)", lambda: torch.logspace(0, 3, 4, base=2.0, dtype=torch.float64))
o.case("eye", "eye(3, dtype = f64)", lambda: torch.eye(3, dtype=torch.float64))
o.case("eye", "eye(2, 4, dtype = f64)", lambda: torch.eye(2, 4, dtype=torch.float64))
o.case("arange", "arange(5)", lambda: torch.arange(5))
o.case("zeros", "zeros(2, 3, dtype = f64)", lambda: torch.zeros(2, 3, dtype=torch.float64))
o.case("ones", "ones(2, 3, dtype = f64)", lambda: torch.ones(2, 3, dtype=torch.float64))
o.case("full", "full(x, 2, 3)", lambda x: x.expand(2, 3), x=o.normal())
o.case("diag", "diag(x)", torch.diag, x=o.normal(4))
for k in [-2, -1, 0, 1, 3]:
    for shape in [(3, 4), (4, 3), (2, 3, 3)]:
        o.case("tril", f"tril(x, {k})", lambda x: torch.tril(x, k), x=o.normal(*shape))
        o.case("triu", f"triu(x, {k})", lambda x: torch.triu(x, k), x=o.normal(*shape))
        o.case("diagonal", f"diagonal(x, offset = {k})", lambda x: torch.diagonal(x, k, -2, -1), x=o.normal(*shape))
o.case("trace", "trace(x)", torch.trace, x=o.normal(3, 3))
o.case("trace", "trace(x)", lambda x: x.diagonal(0, -2, -1).sum(-1), x=o.normal(2, 3, 4))
o.case("outer", "outer(x, y)", torch.outer, x=o.normal(3), y=o.normal(4))
o.case("kron", "kron(x, y)", torch.kron, x=o.normal(2, 3), y=o.normal(3, 2))
o.case("cross", "cross(x, y)", lambda x, y: torch.linalg.cross(x, y), x=o.normal(3), y=o.normal(3))
o.case("cross", "cross(x, y)", lambda x, y: torch.linalg.cross(x, y), x=o.normal(4, 3), y=o.normal(4, 3))
o.case("meshgrid", "meshgrid(x, y)", lambda x, y: torch.meshgrid(x, y, indexing="xy"), x=o.normal(3), y=o.normal(2))
o.case("where", "where(x > 0, x, y)", lambda x, y: torch.where(x > 0, x, y), x=o.normal(3, 4), y=o.normal(3, 4))
for shape in [(4,), (2, 3)]:
    o.case("one_hot", "one_hot(x, 5, dtype = i64)", lambda x: torch.nn.functional.one_hot(x, 5), x=o.integers(*shape, hi=5))
    o.case("unique", "unique(x)", torch.unique, x=o.integers(*shape, hi=3))
    o.case("unique", "unique(x)", torch.unique, grad=(), x=o.integers(*shape, hi=3) * 0.5)
    o.case("unique_counts", "unique_counts(x)", lambda x: torch.unique(x, return_counts=True), x=o.integers(*shape, hi=3))
    for right in [False, True]:
        o.case("searchsorted", f"searchsorted(s, x, right = {str(right).lower()})", lambda s, x: torch.searchsorted(s, x, right=right),
               grad=(), s=np.sort(o.normal(7, digits=1)), x=o.normal(*shape, digits=1))
o.case("nonzero", "nonzero(x)", lambda x: torch.nonzero(x).flatten(), x=o.bools(9))
o.case("bincount", "bincount(x, 6)", lambda x: torch.bincount(x, minlength=6), x=o.integers(11, hi=6))
o.case("histogram", "histogram(x, 4, -1, 2)", lambda x: torch.histc(x, 4, -1, 2).long(), grad=(), x=o.normal(20))
for shape in [(6,), (6, 3)]:
    o.case("segment_sum", "segment_sum(x, ids, 4)", lambda x, i: torch.zeros(4, *shape[1:], dtype=torch.float64).index_add(0, i, x),
           x=o.normal(*shape), ids=o.integers(6, hi=4))
    o.case("segment_mean", "segment_mean(x, ids, 4)",
           lambda x, i: torch.zeros(4, *shape[1:], dtype=torch.float64).index_reduce(0, i, x, "mean", include_self=False),
           x=o.normal(*shape), ids=o.integers(6, hi=4))
