# Edges of what works element by element: nothing, one number, NaN, infinities, both zeros, ends of domains, large numbers.
# Values everywhere; gradients but at NaN, where there is none.
import math

import numpy as np
import scipy.special
import torch
from torch.nn import functional as F

IMPORTS = ["nn"]
nan, inf = math.nan, math.inf


def scipy_of(f):
    return lambda x: torch.as_tensor(f(x.detach().numpy()))


def unary(name, f, call=None, smooth=True, outside=(), large=(), skip=(), **more):
    """skip: points at which the gradient is not compared (kinks where PyTorch has another one, see `differs`)."""
    call = call or f"{name}(x)"
    o.edge("empty", name, call, f, grad=None if smooth else (), x=np.zeros((0, 3)), **more)
    o.edge("one", name, call, f, grad=None if smooth else (), x=np.float64(0.625), **more)
    o.edge("nan inf zero", name, call, f, grad=(), x=np.array([nan, inf, -inf, 0.0, -0.0]), **more)
    if smooth:
        points = [v for v in [inf, -inf, 0.0, 1.0, -1.0, *outside, *large] if v not in skip]
        o.edge("inf zero" + (" outside" if outside else "") + (" large" if large else ""), name, call, f, x=np.array(points), **more)
    elif outside or large:
        o.edge(("outside " if outside else "") + ("large" if large else ""), name, call, f, grad=(), x=np.array([*outside, *large]), **more)


big = [1e300, -1e300, 745.0, -745.0, 1e-300]
for name, f, outside, large in [
    ("abs", torch.abs, (), big), ("exp", torch.exp, (), big), ("expm1", torch.expm1, (), big), ("log", torch.log, (-2.0,), big[2:]),
    ("log1p", torch.log1p, (-2.0,), [1e300, 1e-300]), ("sqrt", torch.sqrt, (-2.0,), [1e300, 1e-300]), ("sin", torch.sin, (), [1e6]), ("cos", torch.cos, (), [1e6]),
    ("tan", torch.tan, (), [1e6]), ("tanh", torch.tanh, (), big), ("erf", torch.erf, (), big), ("asin", torch.asin, (1.5, -1.5), ()),
    ("acos", torch.acos, (1.5, -1.5), ()), ("atan", torch.atan, (), [1e6]), ("sinh", torch.sinh, (), big), ("cosh", torch.cosh, (), big),
    ("asinh", torch.asinh, (), [1e200, -1e200]), ("acosh", torch.acosh, (0.5,), [1e100]), ("atanh", torch.atanh, (1.5, -1.5), ()), ("exp2", torch.exp2, (), [1100.0, -1100.0]),
    ("log2", torch.log2, (-2.0,), [1e300]), ("log10", torch.log10, (-2.0,), [1e300]), ("reciprocal", torch.reciprocal, (), [1e150]),
    ("rsqrt", torch.rsqrt, (-2.0,), [1e150]), ("square", torch.square, (), [1e200]), ("sinc", torch.sinc, (), [2.5]), ("frac", torch.frac, (), [1e300]),
    ("deg2rad", torch.deg2rad, (), [1e300]), ("rad2deg", torch.rad2deg, (), [1e300]), ("logit", torch.logit, (1.5, -0.5), ()),
    ("sigmoid", torch.sigmoid, (), big), ("softplus", F.softplus, (), big), ("log_sigmoid", F.logsigmoid, (), big), ("relu", F.relu, (), big),
    ("gelu", F.gelu, (), [40.0, -40.0]), ("silu", F.silu, (), [745.0, -745.0]), ("erfc", torch.erfc, (), [30.0, -30.0]), ("erfinv", torch.erfinv, (1.5, -1.5), ()),
    ("lgamma", torch.lgamma, (-1.0, -2.5), [1e10]), ]:
    unary(name, f, outside=outside, large=large, skip=(-inf, -1.0) if name == "acosh" else ())
unary("digamma", torch.digamma, smooth=False, outside=(-1.0, -2.5), large=[1e10])  # PyTorch's gradient has ten digits
for name, f in [("i0", torch.special.i0), ("i1", torch.special.i1)]:
    o.edge("empty", name, f"{name}(x)", f, x=np.zeros(0))
    o.edge("one nan zero large", name, f"{name}(x)", f, x=np.array([0.0, 1.0, nan, 20.0, -20.0]), grad=())
    o.edge("inf", name, f"{name}(x)", lambda x: torch.tensor([inf, inf if name == "i0" else -inf]).double(), x=np.array([inf, -inf]), grad=(),
           differs="the limit at infinity, where PyTorch gives NaN.", pytorch=f)
for name, f in [("sin", torch.sin), ("cos", torch.cos)]:
    o.edge("large", name, f"{name}(x)", lambda x: x * nan, grad=(), x=np.array([1e15, -1e300]), differs="in f64 beyond 2 ** 45 NaN, where the numbers lie further apart than 0.007; PyTorch gives the value.", pytorch=f)
unary("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), large=[40.0, -40.0])
unary("cbrt", scipy_of(np.cbrt), smooth=False, large=[1e300, -1e-300])
unary("trigamma", scipy_of(lambda x: np.where(x <= 0, np.where(x == 0, inf, nan * x), scipy.special.polygamma(1, x))), smooth=False)
for name, f in [("floor", torch.floor), ("ceil", torch.ceil), ("trunc", torch.trunc), ("round", torch.round), ("sign", torch.sign), ("isnan", torch.isnan), ("isinf", torch.isinf), ("isfinite", torch.isfinite)]:
    unary(name, f, smooth=False, large=[1e300, -1e300, 4503599627370497.5])
unary("nan_to_num", lambda x: torch.nan_to_num(x, 5.0, 6.0, -7.0), call="nan_to_num(x, to = 5.0, positive = 6.0, negative = -7.0)", large=[1e300])
unary("heaviside", lambda x: torch.heaviside(x, torch.tensor(0.5, dtype=torch.float64)), smooth=False)
unary("polygamma", scipy_of(lambda x: np.where(x < 0, nan, scipy.special.polygamma(2, x))), call="polygamma(2, x)", smooth=False, large=[1e8])

for name, f, large in [
    ("leaky_relu", F.leaky_relu, big), ("elu", F.elu, big), ("selu", F.selu, big), ("celu", F.celu, big), ("mish", F.mish, [745.0, -745.0]), ("hardtanh", F.hardtanh, big),
    ("relu6", F.relu6, big), ("hardsigmoid", lambda x: F.relu6(x + 3.0) / 6.0, big), ("hardswish", F.hardswish, big), ("softsign", F.softsign, [1e150]), ("tanhshrink", F.tanhshrink, big),
    ("softshrink", F.softshrink, big), ("hardshrink", F.hardshrink, big), ("log_sigmoid", F.logsigmoid, big),
]:
    unary(name, f, call=f"nn.{name}(x)", large=large)
unary("threshold", lambda x: F.threshold(x, 0.5, -3.0), call="nn.threshold(x, 0.5, -3.0)", large=big)
unary("rrelu", lambda x: F.rrelu(x, 0.1, 0.3), call="nn.rrelu(x, 0.1, 0.3)", large=big)

# ---- of two: every pair of special numbers
points = [nan, inf, -inf, 0.0, -0.0, 1.0, -2.0]
left, right = (np.array(v) for v in zip(*[(a, b) for a in points for b in points]))


def binary(name, call, f, smooth=True, pairs=(), **more):
    """pairs: where gradients are compared, too."""
    o.edge("empty", name, call, f, grad=None if smooth else (), x=np.zeros((2, 0)), y=np.zeros((2, 0)), **more)
    o.edge("one", name, call, f, grad=None if smooth else (), x=np.float64(0.5), y=np.float64(0.75), **more)
    o.edge("nan inf zero", name, call, f, grad=(), x=left, y=right, **more)
    if pairs:
        a, b = (np.array(v) for v in zip(*pairs))
        o.edge("ties", name, call, f, x=a, y=b, **more)


binary("atan2", "atan2(x, y)", torch.atan2, pairs=[(0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (2.0, 2.0)])
binary("hypot", "hypot(x, y)", torch.hypot, pairs=[(0.0, 1.0), (1.0, 0.0), (2.0, 2.0)])
o.edge("zero", "hypot", "hypot(x, y)", lambda x, y: 0 * (x + y), x=np.zeros(1), y=np.zeros(1), differs="its derivative at (0, 0) is 0, where PyTorch's is NaN.", pytorch=lambda x, y: torch.autograd.grad(torch.hypot(x, y).sum(), x)[0])
o.edge("large", "hypot", "hypot(x, y)", torch.hypot, grad=(), x=np.array([1e300, 1e-300]), y=np.array([1e300, 1e-300]))
binary("logaddexp", "logaddexp(x, y)", torch.logaddexp, pairs=[(1.0, 1.0), (-800.0, 800.0), (0.0, 0.0)])
binary("xlogy", "xlogy(x, y)", torch.xlogy, pairs=[(2.0, 1.0), (2.0, 0.5)])
binary("maximum", "maximum(x, y)", torch.maximum, pairs=[(1.0, 2.0), (3.0, 2.0)])
binary("minimum", "minimum(x, y)", torch.minimum, pairs=[(1.0, 2.0), (3.0, 2.0)])
for name, f in [("maximum", torch.maximum), ("minimum", torch.minimum)]:
    o.edge("ties", name, f"{name}(x, y)", lambda x, y: x.detach() + y - y.detach(), x=np.array([1.0, 0.0]), y=np.array([1.0, -0.0]),
           differs="at a tie the second has the derivative; in PyTorch each has half of it.", pytorch=lambda x, y: torch.autograd.grad(f(x, y).sum(), y)[0])
binary("fmod", "fmod(x, y)", torch.fmod, smooth=False)
binary("copysign", "copysign(x, y)", torch.copysign, smooth=False)
binary("lerp", "lerp(x, y, 0.25)", lambda x, y: x + 0.25 * (y - x), pairs=[(1.0, 1.0)])
binary("where", "where(x > 0, x, y)", lambda x, y: torch.where(x > 0, x, y), pairs=[(1.0, nan), (nan, 1.0), (inf, 0.0)])
binary("fma", "fma(x, y, 0.0 * x + 1.0)", lambda x, y: x * y + (0.0 * x + 1.0), pairs=[(0.0, 1.0)])
o.edge("empty", "log_beta", "log_beta(x, x)", lambda x: x, x=np.zeros(0))
o.edge("one nan large", "log_beta", "log_beta(x, y)", lambda x, y: torch.as_tensor(scipy.special.betaln(x.detach().numpy(), y.detach().numpy())), grad=(), x=np.array([1.0, nan, 1.0, 1e8, 1e-8]), y=np.array([1.0, 1.0, nan, 1e8, 1e-8]))
for name, call, f in [("clamp", "clamp(x, -1.0, 1.0)", lambda x: x.clamp(-1.0, 1.0))]:
    o.edge("empty", name, call, f, x=np.zeros(0))
    o.edge("one nan inf zero", name, call, f, grad=(), x=np.array([nan, inf, -inf, 0.0, -0.0]))
    o.edge("inf", name, call, f, x=np.array([inf, -inf, 0.5]))
    o.edge("ties", name, call, lambda x: x.clamp(-1.0, 1.0).detach() + 0 * x, x=np.array([1.0, -1.0]), differs="at its ends the derivative is 0, in PyTorch 1.", pytorch=lambda x: torch.autograd.grad(x.clamp(-1.0, 1.0).sum(), x)[0])
whole = np.array([0, 1, -1, 2 ** 63 - 1, -2 ** 63, 5])
for name, f in [("bit_and", torch.bitwise_and), ("bit_or", torch.bitwise_or), ("bit_xor", torch.bitwise_xor)]:
    o.edge("empty", name, f"{name}(x, x)", lambda x: f(x, x), x=np.zeros(0, dtype=np.int64))
    o.edge("one zero large", name, f"{name}(x, y)", f, x=whole, y=whole[::-1].copy())
o.edge("empty", "bit_not", "bit_not(x)", torch.bitwise_not, x=np.zeros(0, dtype=np.int64))
o.edge("one zero large", "bit_not", "bit_not(x)", torch.bitwise_not, x=whole[1:])
for name, f in [("shift_left", torch.bitwise_left_shift), ("shift_right", torch.bitwise_right_shift)]:
    o.edge("empty", name, f"{name}(x, 1)", lambda x: f(x, 1), x=np.zeros(0, dtype=np.int64))
    o.edge("one zero large", name, f"{name}(x, y)", f, x=np.array([0, 1, -1, 2 ** 63 - 1, 5]), y=np.array([0, 63, 63, 1, 0]))
o.edge("outside", "shift_left", "shift_left(x, 64)", lambda x: x, x=np.array([0, 1, 5]), differs="a count of 64 or more is taken modulo the number of bits, in PyTorch it gives 0.", pytorch=lambda x: torch.bitwise_left_shift(x, 64))
o.edge("outside", "shift_right", "shift_right(x, 64)", lambda x: x, x=np.array([0, 1, 5]), differs="a count of 64 or more is taken modulo the number of bits, in PyTorch it gives 0 or -1.", pytorch=lambda x: torch.bitwise_right_shift(x, 64))
binary("pow", "x ** y", torch.pow, smooth=False)
binary("remainder", "x % y", torch.remainder, smooth=False)
o.edge("empty one nan inf large", "cast", "(cast(x, i64), cast(cast(x, i32), i64), cast(cast(x, u8), i64), cast(zeros(0), i64))",
       lambda x: (torch.tensor([0, 2 ** 63 - 1, -2 ** 63, 2 ** 63 - 1, 0]), torch.tensor([0, 2 ** 31 - 1, -2 ** 31, 2 ** 31 - 1, 0]), torch.tensor([0, 255, 0, 255, 0]), torch.zeros(0, dtype=torch.int64)), grad=(),
       x=np.array([nan, inf, -inf, 1e300, -0.0]), differs="to an integer saturates, NaN gives 0; in PyTorch that is left to the machine.", pytorch=lambda x: (x.long(), x.int().long(), x.to(torch.uint8).long(), torch.zeros(0)))
o.edge("nan large", "cast", "cast(cast(x, f16), f64)", lambda x: x.half().double(), grad=(), x=np.array([nan, inf, 65519.0, 65520.0, 1e-8]))
o.edge("zero", "int", "int(x) + 0", lambda x: torch.tensor(0), grad=(), x=np.float64(-0.0))
o.edge("nan", "int", "int(x) + 0", lambda x: torch.tensor(0), grad=(), x=np.float64(nan), differs="NaN gives 0, in PyTorch int(x) fails.")
o.edge("nan inf", "float", "(float(x) * 2.0, float(y))", lambda x, y: (2 * x, y), grad=(), x=np.float64(inf), y=np.float64(nan))
o.edge("nan inf zero", "close", "(close(x, x), close(x, x, nan = true), close(y, y), close(y, z), close(zeros(0), zeros(0)))", lambda x, y, z: tuple(torch.tensor(v) for v in (False, True, True, True, True)), grad=(), x=np.array([nan]), y=np.array([inf, -inf]), z=np.array([inf, -inf]))
o.edge("ties", "close", "(close(x, -x), close(y, -y))", lambda x, y: (torch.tensor(False), torch.tensor(True)), grad=(), x=np.array([inf]), y=np.array([0.0]))

# ---- gates and the like
o.edge("empty", "glu", "nn.glu(x)", F.glu, x=np.zeros((3, 0)))
o.edge("one inf zero", "glu", "nn.glu(x)", F.glu, x=np.array([[1.0, 0.0], [0.0, inf], [2.0, -inf]]))
o.edge("nan", "glu", "nn.glu(x)", F.glu, grad=(), x=np.array([[nan, 0.0], [1.0, nan]]))
for name, act in [("swiglu", F.silu), ("geglu", F.gelu)]:
    o.edge("empty", name, f"nn.{name}(x, x)", lambda x: act(x) * x, x=np.zeros((0, 2)))
    o.edge("one nan inf zero", name, f"nn.{name}(x, y)", lambda x, y: act(y) * x, grad=(), x=np.array([1.0, nan, inf, 0.0, 2.0]), y=np.array([1.0, 1.0, 1.0, -0.0, nan]))
o.edge("empty", "prelu", "nn.prelu(x, s)", F.prelu, x=np.zeros((0, 2, 3)), s=np.array([0.1, 0.2]))
o.edge("one nan inf zero", "prelu", "nn.prelu(x, s)", F.prelu, grad=(), x=np.array([[nan, -1.0], [inf, -inf], [0.0, -0.0]]), s=np.array([0.1, 0.2]))
o.edge("zero", "prelu", "nn.prelu(x, s)", F.prelu, x=np.array([[0.0, -1.0]]), s=np.array([0.0, 0.0]))
o.edge("one nan zero", "PReLU", "nn.PReLU(T = f64)(x)", lambda x: F.prelu(x, torch.tensor([0.25]).double()), grad=(), x=np.array([[nan, 0.0, -inf]]))
o.edge("empty", "PReLU", "nn.PReLU(T = f64)(x)", lambda x: x, x=np.zeros((0, 3)))
