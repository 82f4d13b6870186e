# Pooling, with ties (small whole numbers) for max.
import torch
import torch.nn.functional as F

IMPORTS = ["nn"]
for kind, shape in [(1, (2, 3, 11)), (2, (2, 2, 7, 8)), (3, (1, 2, 5, 4, 6))]:
    for window, stride, padding in [(2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 3, 1)]:
        call = f"x, {window}, stride = {stride}, padding = {padding}"
        mx, av = getattr(F, f"max_pool{kind}d"), getattr(F, f"avg_pool{kind}d")
        o.case(f"max_pool{kind}d", f"nn.max_pool{kind}d({call})", lambda x: mx(x, window, stride, padding), x=o.normal(*shape))
        o.case(f"avg_pool{kind}d", f"nn.avg_pool{kind}d({call})", lambda x: av(x, window, stride, padding), x=o.normal(*shape))
    o.case(f"max_pool{kind}d", f"nn.max_pool{kind}d(x, 2)", lambda x: mx(x, 2), x=o.normal(*shape, digits=0))
for n, size in [(7, 3), (8, 4), (5, 5), (3, 5), (6, 1)]:
    o.case("adaptive_avg_pool1d", f"nn.adaptive_avg_pool1d(x, {size})", lambda x: F.adaptive_avg_pool1d(x, size), x=o.normal(2, 2, n))
    o.case("adaptive_max_pool1d", f"nn.adaptive_max_pool1d(x, {size})", lambda x: F.adaptive_max_pool1d(x, size), x=o.normal(2, 2, n))
    o.case("adaptive_avg_pool2d", f"nn.adaptive_avg_pool2d(x, {size}, 2)", lambda x: F.adaptive_avg_pool2d(x, (size, 2)), x=o.normal(2, 2, n, 5))
    o.case("adaptive_max_pool2d", f"nn.adaptive_max_pool2d(x, {size}, 2)", lambda x: F.adaptive_max_pool2d(x, (size, 2)), x=o.normal(2, 2, n, 5))
o.case("global_avg_pool", "nn.global_avg_pool(x)", lambda x: x.mean((2, 3)), x=o.normal(2, 3, 4, 5))
o.case("global_max_pool", "nn.global_max_pool(x)", lambda x: x.amax((2, 3)), x=o.normal(2, 3, 4, 5))
o.case("adaptive_avg_pool3d", "nn.adaptive_avg_pool3d(x, 2, 3, 1)", lambda x: F.adaptive_avg_pool3d(x, (2, 3, 1)), x=o.normal(1, 2, 5, 4, 3))
# a number for each axis
for name, f in [("max_pool2d", F.max_pool2d), ("avg_pool2d", F.avg_pool2d)]:
    o.case(name, f"nn.{name}(x, (2, 3), stride = (1, 2), padding = (1, 0))", lambda x: f(x, (2, 3), (1, 2), (1, 0)), x=o.normal(2, 2, 5, 6))
for name, f in [("max_pool3d", F.max_pool3d), ("avg_pool3d", F.avg_pool3d)]:
    o.case(name, f"nn.{name}(x, (1, 2, 3), stride = (1, 2, 1), padding = (0, 1, 1))", lambda x: f(x, (1, 2, 3), (1, 2, 1), (0, 1, 1)), x=o.normal(1, 2, 3, 4, 4))
# NaN comes through, infinities stay
odd = o.array([[[1.0, float("nan"), 2.0, -float("inf"), float("inf"), 0.0]]])
o.case("max_pool1d", "nn.max_pool1d(x, 2)", lambda x: F.max_pool1d(x, 2), grad=(), x=odd)
o.case("avg_pool1d", "nn.avg_pool1d(x, 2)", lambda x: F.avg_pool1d(x, 2), grad=(), x=odd)
