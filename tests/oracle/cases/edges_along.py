# Edges of what works along axes: sums, extremes, statistics, sorting, searching, running totals.
import math

import numpy as np
import torch

nan, inf = math.nan, math.inf
IMPORTS = ["nn"]
special = np.array([[1.0, nan, 2.0], [inf, 1.0, -inf], [inf, inf, 0.0], [-inf, -inf, -0.0], [nan, inf, -inf]])
equal = np.array([[2.0, 2.0, 1.0], [3.0, 3.0, 3.0], [0.0, -0.0, 0.0]])
single = np.array([[2.5], [-1.0]])
wholes = np.array([[3, 3, 1], [5, 5, 5], [-2, 7, 7]])


def first(x, axis, sign):
    """The extreme of each row, its derivative to the first of equal ones."""
    at = torch.argmax(sign * x, axis, keepdim=True)
    return x.gather(axis, at).squeeze(axis)


def rows(name, f, call=None, smooth=True, nans=True, kinds_of_empty=((0, 3), (2, 0)), **more):
    """f of the rows of a matrix: no rows, rows of nothing, of one, of equal ones, with NaN and infinities."""
    call = call or f"{name}(x, axis = 1)"
    for shape in kinds_of_empty:
        o.edge("empty", name, call, f, grad=None if smooth else (), x=np.zeros(shape), **more)
    o.edge("one", name, call, f, grad=None if smooth else (), x=single, **more)
    o.edge("ties zero", name, call, f, grad=None if smooth else (), x=equal, **more)
    if nans:
        o.edge("nan inf", name, call, f, grad=(), x=special, **more)


def whole(name, f, smooth=True, empty=True, **more):
    """f of everything there is."""
    if empty:
        o.edge("empty", name, f"{name}(x)", f, grad=None if smooth else (), x=np.zeros(0), **more)
    o.edge("one", name, f"{name}(x)", f, grad=None if smooth else (), x=np.array([1.5]), **more)
    for row in special:
        o.edge("nan inf", name, f"{name}(x)", f, grad=(), x=row, **more)


rows("sum", lambda x: x.sum(1))
whole("sum", torch.sum)
rows("prod", lambda x: x.prod(1))
whole("prod", torch.prod)
o.edge("zero", "prod", "prod(x)", torch.prod, x=np.array([2.0, 0.0, 3.0]))
o.edge("zero", "prod", "prod(x)", torch.prod, x=np.array([0.0, 0.0, 3.0]))
rows("mean", lambda x: x.mean(1))
whole("mean", torch.mean)
for name, f, sign, none in [("max", torch.amax, 1, -inf), ("min", torch.amin, -1, inf)]:
    rows(name, lambda x: first(x, 1, sign), kinds_of_empty=((0, 3),))
    o.edge("empty", name, f"{name}(x, axis = 1)", lambda x: torch.full((2,), none).double(), x=np.zeros((2, 0)), grad=(),
           differs=f"of nothing is {none}, in PyTorch an error.", pytorch=lambda x: f(x, 1))
    o.edge("one nan inf", name, f"{name}(x)", f, x=np.array([inf]))
    o.edge("ties", name, f"{name}(x)", lambda x: x[1], x=np.array([0.0, 5.0, 5.0] if sign > 0 else [0.0, -5.0, -5.0]),
           differs="at a tie the first has the derivative; PyTorch's amax and amin share it.", pytorch=lambda x: torch.autograd.grad(f(x), x)[0])
    for row in special:
        o.edge("nan inf", name, f"{name}(x)", f, grad=(), x=row)
    o.edge("empty ties", name, f"({name}(n, axis = 1), {name}(m))", lambda n, m: (f(n, 1), torch.tensor(-2 ** 63 if sign > 0 else 2 ** 63 - 1)), n=wholes, m=np.zeros(0, dtype=np.int64), grad=())
bools = np.array([[True, False], [False, False], [True, True]])
for name, f in [("any", torch.any), ("all", torch.all)]:
    for shape in [(0, 3), (2, 0)]:
        o.edge("empty", name, f"{name}(x, axis = 1)", lambda x: f(x, dim=1), x=np.zeros(shape, dtype=bool))
    o.edge("one ties", name, f"({name}(x, axis = 1), {name}(y, axis = 1), {name}(x))", lambda x, y: (f(x, dim=1), f(y, dim=1), f(x)), x=bools, y=bools[:, :1])
for name, f in [("argmax", torch.argmax), ("argmin", torch.argmin)]:
    rows(name, lambda x: f(x, 1), smooth=False, kinds_of_empty=((0, 3),))
    o.refused("empty", name, f"{name}(x, axis = 1)", "", pytorch=lambda x: f(x, 1), x=np.zeros((2, 0)))
    o.edge("ties", name, f"{name}(n, axis = 1)", lambda n: torch.as_tensor((np.argmax if name == "argmax" else np.argmin)(n.numpy(), 1)), n=wholes, grad=())
for c in [0, 1]:
    for name, f in [("variance", torch.var), ("std", torch.std)]:
        for shape in [(0, 3), (2, 0)]:
            o.edge("empty", name, f"{name}(x, axis = 1, correction = {c})", lambda x: f(x, 1, correction=c), grad=(), x=np.zeros(shape))
        o.edge("one", name, f"{name}(x, axis = 1, correction = {c})", lambda x: f(x, 1, correction=c), grad=(), x=single)
        o.edge("nan inf", name, f"{name}(x, axis = 1, correction = {c})", lambda x: f(x, 1, correction=c), grad=(), x=special)
    o.edge("ties", "variance", f"variance(x, axis = 1, correction = {c})", lambda x: torch.var(x, 1, correction=c), x=equal)
    o.edge("ties", "std", f"std(x, axis = 1, correction = {c})", lambda x: torch.std(x, 1, correction=c), grad=(), x=equal)
for p, text in [(2, "2"), (1, "1"), (0, "0"), (3, "3"), (inf, "inf")]:
    smooth = p in (1, 3)
    o.edge("empty", "vector_norm", f"vector_norm(x, p = {text}, axis = 1)", lambda x: torch.linalg.vector_norm(x, p, 1), grad=(), x=np.zeros((0, 3)))
    o.edge("empty", "vector_norm", f"vector_norm(x, p = {text}, axis = 1)", lambda x: torch.zeros(2).double(), grad=(), x=np.zeros((2, 0)))
    o.edge("one zero ties", "vector_norm", f"vector_norm(x, p = {text}, axis = 1)", lambda x: torch.linalg.vector_norm(x, p, 1), grad=None if smooth else (), x=equal)
    o.edge("nan inf", "vector_norm", f"vector_norm(x, p = {text}, axis = 1)", lambda x: torch.linalg.vector_norm(x, p, 1), grad=(), x=special)
o.edge("zero", "vector_norm", "vector_norm(x, axis = 1)", lambda x: torch.linalg.vector_norm(x, 2, 1), x=np.zeros((2, 3)))
whole("norm", torch.linalg.vector_norm, smooth=False)
o.edge("zero", "norm", "norm(x)", torch.linalg.vector_norm, x=np.zeros(3))
for name, f in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
    rows(name, lambda x: f(x, 1))
    o.edge("inf", name, f"{name}(x)", lambda x: f(x, -1), x=np.array([0.0, -inf, 1.0]))
    o.edge("large", name, f"{name}(x)", lambda x: f(x, -1), x=np.array([1e300, -1e300, 1e300]))
rows("softmin", lambda x: torch.softmax(-x, 1), call="nn.softmin(x, axis = 1)")
rows("logsumexp", lambda x: torch.logsumexp(x, 1), kinds_of_empty=((0, 3),))
o.edge("empty", "logsumexp", "logsumexp(x, axis = 1)", lambda x: torch.logsumexp(x, 1), grad=(), x=np.zeros((2, 0)))
o.edge("inf", "logsumexp", "logsumexp(x, axis = 1)", lambda x: torch.logsumexp(x, 1), x=np.array([[-inf, 1.0]]))
o.edge("large ties", "logsumexp", "logsumexp(x, axis = 1)", lambda x: torch.log(torch.exp(x - x.detach()).sum(1)) + x.detach()[:, 0], x=np.array([[1e300, 1e300], [-1e300, -1e300]]),
       differs="the derivative is softmax(x) for large x, too, where PyTorch's is 1 for each of equal ones.", pytorch=lambda x: torch.autograd.grad(torch.logsumexp(x, 1).sum(), x)[0])
o.edge("inf", "logsumexp", "logsumexp(x, axis = 1)", lambda x: torch.logsumexp(x, 1), grad=(), x=np.array([[-inf, -inf], [inf, inf]]))
rows("logcumsumexp", lambda x: torch.logcumsumexp(x, 1))
rows("cumsum", lambda x: x.cumsum(1))
rows("cumprod", lambda x: x.cumprod(1), nans=False)
o.edge("nan inf", "cumprod", "cumprod(x, axis = 1)", lambda x: x.cumprod(1), grad=(), x=special)
for name, f in [("cummax", torch.cummax), ("cummin", torch.cummin)]:
    rows(name, lambda x: f(x, 1).values, smooth=False)
rows("diff", lambda x: x.diff(dim=1), kinds_of_empty=((0, 3),))
o.refused("empty", "diff", "diff(x, axis = 1)", "", x=np.zeros((2, 0)))
for name, f in [("sort", lambda x: x.sort(dim=1, stable=True).values), ("argsort", lambda x: x.argsort(dim=1, stable=True))]:
    rows(name, f, smooth=name == "sort")
    o.edge("ties", name, f"{name}(n, axis = 1)", f, n=wholes, grad=())
rows("top_k", lambda x: (x[:, :1].sort(1).values, torch.zeros(x.shape[0], 1).long()) if x.shape[1] < 2 else tuple(x.sort(dim=1, descending=True, stable=True))[:2], call="top_k(x, shape(x)[1], axis = 1)", smooth=False, nans=False, kinds_of_empty=((0, 3),))
o.edge("empty", "top_k", "top_k(x, 0, axis = 1)", lambda x: (x[:, :0], torch.zeros(2, 0).long()), grad=(), x=np.zeros((2, 3)))
o.refused("outside", "top_k", "top_k(x, 4)", "", pytorch=lambda x: x.topk(4), x=np.zeros(3))
o.edge("ties", "top_k", "(top_k(n, 2, axis = 1)[0], top_k(n, 2, axis = 1)[1])", lambda n: (n.sort(1, descending=True).values[:, :2], torch.tensor([[0, 1], [0, 1], [1, 2]])), n=wholes, grad=())
o.edge("nan inf", "top_k", "top_k(x, 3)", lambda x: (torch.tensor([inf, 2.0, -inf]).double(), torch.tensor([2, 0, 3])), grad=(), x=np.array([2.0, nan, inf, -inf]),
       differs="NaN counts as least, in PyTorch as greatest.", pytorch=lambda x: tuple(x.topk(3)))
rows("normalize", lambda x: torch.nn.functional.normalize(x, dim=1))
o.edge("zero", "normalize", "normalize(x, axis = 1)", lambda x: torch.nn.functional.normalize(x, dim=1), x=np.zeros((1, 2)))
rows("zscore", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True).clamp(min=1e-12), call="zscore(x, axis = 1)", smooth=False)
rows("quantile", lambda x: torch.quantile(x, 0.3, dim=1) if x.numel() else x[:, 0], call="quantile(x, 0.3, axis = 1)", smooth=False, nans=False, kinds_of_empty=((0, 3),))
rows("median", lambda x: torch.quantile(x, 0.5, dim=1) if x.numel() else x[:, 0], smooth=False, nans=False, kinds_of_empty=((0, 3),))
for q in [0.0, 0.5, 1.0]:
    o.edge("nan inf ties", "quantile", f"quantile(x, {q}, axis = 1)", lambda x: torch.as_tensor(np.quantile(x.numpy(), q, axis=1)), grad=(), x=np.array([[1.0, nan, 2.0], [2.0, 2.0, 2.0], [inf, 1.0, 0.0]]))
o.refused("empty", "quantile", "quantile(x, 0.5)", "", pytorch=lambda x: torch.quantile(x.double(), 0.5), x=np.zeros(0))
o.refused("outside", "quantile", "quantile(x, 1.5)", "share", pytorch=lambda x: torch.quantile(x.double(), 1.5), x=np.zeros(3))
o.refused("empty", "median", "median(x)", "", x=np.zeros(0))
o.edge("nan inf", "median", "median(x)", lambda x: torch.tensor(nan).double(), grad=(), x=np.array([1.0, nan, inf]))
o.edge("ties", "median", "median(x)", lambda x: (x[0] + x[2]) / 2, x=np.array([1.0, 9.0, 2.0, 0.0]), differs="of an even number is the mean of the two in the middle, in PyTorch the lower one.", pytorch=torch.median)
o.edge("one", "covariance", "covariance(x)", lambda x: torch.cov(x.T, correction=0), grad=(), x=np.array([[1.0, 2.0]]))
o.edge("one", "covariance", "covariance(x, correction = 1)", lambda x: torch.full((2, 2), nan).double(), grad=(), x=np.array([[1.0, 2.0]]))
o.edge("ties", "covariance", "covariance(x)", lambda x: torch.cov(x.T, correction=0), x=np.array([[1.0, 2.0], [1.0, 3.0]]))
o.edge("nan", "covariance", "covariance(x)", lambda x: torch.cov(x.T, correction=0), grad=(), x=np.array([[nan, 2.0], [1.0, 3.0], [0.0, 1.0]]))
o.edge("one ties", "correlation", "correlation(x)", lambda x: torch.corrcoef(x.T), grad=(), x=np.array([[1.0, 2.0], [1.0, 3.0]]))
o.edge("nan", "correlation", "correlation(x)", lambda x: torch.corrcoef(x.T), grad=(), x=np.array([[nan, 2.0], [1.0, 3.0], [0.0, 1.0]]))

# ---- searching and counting
for name, f in [("unique", torch.unique), ("unique_counts", lambda x: torch.unique(x, return_counts=True))]:
    for values in [np.zeros(0), np.array([4.0]), np.array([2.0, 2.0, 2.0]), np.array([0.0, -0.0, inf, inf, -inf])]:
        o.edge({0: "empty", 1: "one"}.get(values.size, "ties inf zero"), name, f"{name}(x)", f, grad=(), x=values)
    o.edge("empty ties", name, f"{name}(n)", f, n=np.zeros(0, dtype=np.int64))
    o.edge("nan", name, f"{name}(x)", f, grad=(), x=np.array([nan, 1.0, nan, 1.0]))
o.edge("ties", "searchsorted", "(searchsorted(s, x), searchsorted(s, x, right = true))", lambda s, x: (torch.searchsorted(s, x), torch.searchsorted(s, x, right=True)), grad=(), s=np.array([1.0, 2.0, 2.0, 5.0]), x=np.array([2.0, 0.0, 9.0, 5.0]))
o.edge("empty", "searchsorted", "(searchsorted(s, x), searchsorted(x, s))", lambda s, x: (torch.searchsorted(s, x), torch.searchsorted(x, s)), grad=(), s=np.zeros(0), x=np.array([1.0, 2.0]))
o.edge("one nan inf", "searchsorted", "(searchsorted(s, x), searchsorted(s, x, right = true))", lambda s, x: (torch.searchsorted(s, x), torch.searchsorted(s, x, right=True)), grad=(), s=np.array([1.0]), x=np.array([inf, -inf, 1.0]))
o.edge("nan", "searchsorted", "searchsorted(s, x)", lambda s, x: torch.as_tensor(np.searchsorted(s.numpy(), x.numpy())), grad=(), s=np.array([1.0, 2.0]), x=np.array([nan]))
o.edge("empty one ties", "bincount", "(bincount(n, 3), bincount(m, 2), bincount(n[..1], 1))", lambda n, m: (torch.bincount(n, minlength=3), torch.bincount(m, minlength=2), torch.tensor([1])), n=np.array([0, 2, 2]), m=np.zeros(0, dtype=np.int64))
o.edge("outside", "bincount", "bincount(n, 2)", lambda n: torch.tensor([1, 0]), n=np.array([0, 2, -1]), differs="what is not from 0 to count - 1 is not counted; PyTorch makes room for greater numbers and refuses negative ones.", pytorch=lambda n: torch.bincount(n, minlength=2))
o.edge("ties one", "histogram", "histogram(x, 4, 0, 2)", lambda x: torch.as_tensor(np.histogram(x.numpy(), 4, (0, 2))[0]), grad=(), x=np.array([0.0, 0.5, 0.5, 2.0, 2.1, -0.1]))
o.edge("empty", "histogram", "histogram(x, 2, 0, 1)", lambda x: torch.tensor([0, 0]), grad=(), x=np.zeros(0))
o.edge("nan inf", "histogram", "histogram(x, 2, 0, 1)", lambda x: torch.tensor([1, 0]), grad=(), x=np.array([nan, inf, -inf, 0.25]))
o.edge("empty one ties", "nonzero", "(nonzero(a), nonzero(b), nonzero(a[..1]), nonzero(zeros(0) > 0))", lambda a, b: (a.nonzero()[:, 0], b.nonzero()[:, 0], a[:1].nonzero()[:, 0], torch.zeros(0).long()), a=np.array([True, True, False]), b=np.array([False, False]))
o.edge("empty", "one_hot", "one_hot(n, 3, dtype = i64)", lambda n: torch.nn.functional.one_hot(n, 3), n=np.zeros((2, 0), dtype=np.int64))
o.edge("one", "one_hot", "one_hot(n, 1, dtype = i64)", lambda n: torch.nn.functional.one_hot(n, 1), n=np.array(0))
o.edge("outside", "one_hot", "one_hot(n, 2, dtype = i64)", lambda n: torch.zeros(2, 2).long(), n=np.array([-1, 2]), differs="a label that is no class gives a row of zeros, in PyTorch an error.", pytorch=lambda n: torch.nn.functional.one_hot(n, 2))
ids, none = np.array([2, 0, 2]), np.zeros(0, dtype=np.int64)
o.edge("empty ties", "take", "(take(x, i, axis = 1), take(x, j, axis = 1), take(y, i, axis = 1))", lambda x, y, i, j: (x[:, i], x[:, j], y[:, i]), x=o.normal(2, 3), y=np.zeros((0, 3)), i=ids, j=none)
o.refused("outside", "take", "take(x, i)", "", pytorch=lambda x, i: x[i], x=np.zeros(2), i=ids)
o.edge("ties nan", "gather", "gather(x, i, axis = 1)", lambda x, i: x.gather(1, i), x=np.array([[1.0, nan, 2.0]]), i=np.array([[0, 0, 1, 1]]))
o.edge("empty", "gather", "gather(x, i, axis = 1)", lambda x, i: x.gather(1, i), x=o.normal(2, 3), i=np.zeros((2, 0), dtype=np.int64))
o.refused("outside", "gather", "gather(x, i)", "", pytorch=lambda x, i: x.gather(0, i), x=np.zeros(2), i=ids)
o.edge("ties nan", "scatter_add", "scatter_add(x, i, s)", lambda x, i, s: x.scatter_add(0, i, s), x=np.array([1.0, nan, 0.0]), i=ids, s=np.array([1.0, inf, -3.0]))
o.edge("empty", "scatter_add", "scatter_add(x, i, s)", lambda x, i, s: x.scatter_add(0, i, s), x=o.normal(3), i=none, s=np.zeros(0))
o.edge("ties nan", "scatter", "scatter(x, i, s)", lambda x, i, s: torch.stack([s[1], x[1], s[2]]), x=np.array([1.0, nan, 0.0]), i=ids, s=np.array([1.0, inf, -3.0]))
o.edge("empty", "scatter", "scatter(x, i, s)", lambda x, i, s: x.scatter(0, i, s), x=o.normal(3), i=none, s=np.zeros(0))
o.edge("ties nan", "segment_sum", "segment_sum(x, i, 3)", lambda x, i: torch.zeros(3).double().index_add(0, i, x), x=np.array([1.0, nan, 2.0]), i=ids)
o.edge("empty", "segment_sum", "segment_sum(x, i, 2)", lambda x, i: torch.zeros(2, 3).double().index_add(0, i, x), x=np.zeros((0, 3)), i=none)
o.edge("empty ties nan", "segment_mean", "segment_mean(x, i, 3)", lambda x, i: torch.stack([x[1], 0 * x[1].detach().nan_to_num(), (x[0] + x[2]) / 2]), grad=(), x=np.array([1.0, nan, 2.0]), i=ids)
