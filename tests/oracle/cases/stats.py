# Reductions, norms and statistics.
import numpy as np
import torch

for shape in [(5,), (3, 4), (2, 3, 4)]:
    every = tuple(range(len(shape)))
    for axis in [None, 0, -1] + ([(0, 1)] if len(shape) > 1 else []):
        a = every if axis is None else axis
        tell = "" if axis is None else f", axis = {axis}"
        for keep in [False, True]:
            k = ", keep = true" if keep else ""
            o.case("sum", f"sum(x{tell}{k})", lambda x: x.sum(a, keepdim=keep), x=o.normal(*shape))
            o.case("mean", f"mean(x{tell}{k})", lambda x: x.mean(a, keepdim=keep), x=o.normal(*shape))
            o.case("max", f"max(x{tell}{k})", lambda x: x.amax(a, keepdim=keep), x=o.normal(*shape))
            o.case("min", f"min(x{tell}{k})", lambda x: x.amin(a, keepdim=keep), x=o.normal(*shape))
            o.case("any", f"any(x{tell}{k})", lambda x: torch.any(x, dim=a, keepdim=keep), x=o.bools(*shape, share=0.3))
            o.case("all", f"all(x{tell}{k})", lambda x: torch.all(x, dim=a, keepdim=keep), x=o.bools(*shape, share=0.7))
            for c in [0, 1]:
                o.case("variance", f"variance(x{tell}, correction = {c}{k})", lambda x: torch.var(x, a, correction=c, keepdim=keep), x=o.normal(*shape))
                o.case("std", f"std(x{tell}, correction = {c}{k})", lambda x: torch.std(x, a, correction=c, keepdim=keep), x=o.normal(*shape))
        for p in [0, 1, 2, 3.5, float("inf")]:
            o.case("vector_norm", f"vector_norm(x, p = {p}{tell})", lambda x: torch.linalg.vector_norm(x, p, a), x=o.normal(*shape), grad=() if p == 0 else None)
    for axis in [0, -1]:
        o.case("prod", f"prod(x, axis = {axis})", lambda x: x.prod(axis), x=o.normal(*shape))
        o.case("argmax", f"argmax(x, axis = {axis})", lambda x: x.argmax(axis), x=o.normal(*shape))
        o.case("argmin", f"argmin(x, axis = {axis})", lambda x: x.argmin(axis), x=o.normal(*shape))
        o.case("normalize", f"normalize(x, axis = {axis})", lambda x: torch.nn.functional.normalize(x, dim=axis), x=o.normal(*shape))
        o.case("zscore", f"zscore(x, axis = {axis})", lambda x: (x - x.mean(axis, keepdim=True)) / x.std(axis, correction=0, keepdim=True), x=o.normal(*shape))
        for q in [0, 0.1, 0.5, 0.83, 1]:
            o.case("quantile", f"quantile(x, {q}, axis = {axis})", lambda x: torch.quantile(x, q, dim=axis), x=o.normal(*shape))
        o.case("median", f"median(x, axis = {axis})", lambda x: torch.quantile(x, 0.5, dim=axis), x=o.normal(*shape))
    o.case("median", "median(x)", lambda x: torch.quantile(x, 0.5), x=o.normal(*shape))
    o.case("argmax", "argmax(x)", torch.argmax, x=o.normal(*shape))
    o.case("norm", "norm(x)", torch.linalg.vector_norm, x=o.normal(*shape))
o.case("norm", "norm(x)", torch.linalg.vector_norm, x=np.zeros(3))
o.case("vector_norm", "vector_norm(x, axis = 1)", lambda x: torch.linalg.vector_norm(x, dim=1), x=np.array([[0.0, 0.0], [3.0, 4.0]]))
o.case("covariance", "covariance(x, correction = 1)", lambda x: torch.cov(x.T), x=o.normal(6, 3))
o.case("correlation", "correlation(x)", lambda x: torch.corrcoef(x.T), x=o.normal(6, 3))
