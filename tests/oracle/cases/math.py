# Elementwise functions: values and gradients. Their errors in units in the last place: ulp.py.
import math
import numpy as np
import torch

def each(name, f, lo, hi, also=(), at=(), call=None, **kw):
    x = np.concatenate([o.uniform(9, lo=lo, hi=hi), np.asarray(at, dtype=float)])
    o.case(name, call or f"{name}(x)", f, x=x, **kw)

for name, f, lo, hi in [
    ("exp", torch.exp, -5, 5), ("expm1", torch.expm1, -2, 2), ("log", torch.log, 0.1, 9), ("log1p", torch.log1p, -0.9, 3),
    ("sqrt", torch.sqrt, 0.1, 9), ("rsqrt", torch.rsqrt, 0.1, 9), ("square", torch.square, -3, 3), ("sin", torch.sin, -9, 9),
    ("cos", torch.cos, -9, 9), ("tan", torch.tan, -1.4, 1.4), ("sinh", torch.sinh, -4, 4), ("cosh", torch.cosh, -4, 4),
    ("tanh", torch.tanh, -3, 3), ("asin", torch.asin, -0.99, 0.99), ("acos", torch.acos, -0.99, 0.99), ("atan", torch.atan, -9, 9),
    ("asinh", torch.asinh, -9, 9), ("acosh", torch.acosh, 1.1, 9), ("atanh", torch.atanh, -0.99, 0.99), ("erf", torch.erf, -3, 3),
    ("erfc", torch.erfc, -3, 6), ("erfinv", torch.erfinv, -0.99, 0.99), ("lgamma", torch.lgamma, 0.1, 20), 
    ("exp2", torch.exp2, -5, 5), ("log2", torch.log2, 0.1, 9), ("log10", torch.log10, 0.1, 9), ("sigmoid", torch.sigmoid, -9, 9),
    ("logit", torch.logit, 0.01, 0.99), ("log_sigmoid", torch.nn.functional.logsigmoid, -9, 9), ("sinc", torch.sinc, -4, 4),
    ("i0", torch.special.i0, -12, 12), ("i1", torch.special.i1, -12, 12), ("reciprocal", torch.reciprocal, 0.2, 5), ("frac", torch.frac, -5, 5),
    ("deg2rad", torch.deg2rad, -180, 180), ("rad2deg", torch.rad2deg, -3, 3), ("abs", torch.abs, -3, 3), ("relu", torch.relu, -3, 3),
]:
    each(name, f, lo, hi)

each("lgamma", torch.lgamma, -4.9, -0.1)
# PyTorch's trigamma is good to 1e-9 only, so SciPy says these, and a gradient is compared as a value.
from scipy import special

def scipy(f):
    return lambda x: f(x.detach().numpy())

each("digamma", scipy(special.digamma), 0.1, 20)
each("digamma", scipy(special.digamma), -4.9, -0.1)
each("digamma", scipy(lambda x: special.polygamma(1, x)), 0.1, 20, call="grad(fn(v) = sum(digamma(v)))(x)")
each("trigamma", scipy(lambda x: special.polygamma(1, x)), 0.1, 20)
each("trigamma", scipy(lambda x: math.pi ** 2 / np.sin(math.pi * x) ** 2 - special.polygamma(1, 1 - x)), -3.9, -0.1)
for n in [1, 2, 3, 5]:
    each("polygamma", scipy(lambda x: special.polygamma(n, x)), 0.3, 20, call=f"polygamma({n}, x)")
    each("polygamma", scipy(lambda x: special.polygamma(n + 1, x)), 0.3, 20, call=f"grad(fn(v) = sum(polygamma({n}, v)))(x)")
each("abs", torch.abs, -1, 1, at=[0.0])
each("sinc", torch.sinc, -1, 1, at=[0.0, 1.0, -2.0], atol=1e-11)
each("sinh", torch.sinh, -1e-3, 1e-3, at=[0.0])
each("i1", torch.special.i1, -1, 1, at=[0.0])
each("erfinv", torch.erfinv, -1e-3, 1e-3, at=[0.0])
each("sigmoid", torch.sigmoid, -40, -20)
each("cbrt", lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), -30, 30)
each("square", torch.square, -3, 3, call="x ** 2", also=("pow",))

for name, f in [("floor", torch.floor), ("ceil", torch.ceil), ("trunc", torch.trunc), ("round", torch.round), ("sign", torch.sign)]:
    each(name, f, -4, 4, at=[-2.5, -0.5, 0.5, 1.5, 2.5, 0.0], grad=())
special = np.array([math.nan, math.inf, -math.inf, 0.0, 1.0])
o.case("isnan", "isnan(x)", torch.isnan, grad=(), x=special)
o.case("isinf", "isinf(x)", torch.isinf, grad=(), x=special)
o.case("isfinite", "isfinite(x)", torch.isfinite, grad=(), x=special)
o.case("nan_to_num", "nan_to_num(x, to = 5.0, positive = 6.0, negative = -7.0)", lambda x: torch.nan_to_num(x, 5.0, 6.0, -7.0), grad=(), x=special)
o.case("heaviside", "heaviside(x)", lambda x: torch.heaviside(x, torch.tensor([0.5], dtype=torch.float64)), grad=(), x=o.array([-1.0, 0.0, 2.0]))
for name, f in [("exp", torch.exp), ("expm1", torch.expm1), ("log", torch.log), ("log1p", torch.log1p), ("sqrt", torch.sqrt), ("sin", torch.sin),
                ("tanh", torch.tanh), ("sinh", torch.sinh), ("cosh", torch.cosh), ("asinh", torch.asinh), ("acosh", torch.acosh), ("atanh", torch.atanh),
                ("atan", torch.atan), ("asin", torch.asin), ("erf", torch.erf), ("erfc", torch.erfc), ("erfinv", torch.erfinv), ("lgamma", torch.lgamma),
                ("sigmoid", torch.sigmoid), ("log2", torch.log2), ("log10", torch.log10), ("exp2", torch.exp2), ("softplus", torch.nn.functional.softplus),
                ("log_sigmoid", torch.nn.functional.logsigmoid), ("logit", torch.logit)]:
    o.case(name, f"{name}(x)", f, grad=(), x=special, note="NaN, infinities")

pair = dict(x=o.normal(7), y=o.normal(7))
positive = dict(x=o.uniform(7, lo=0.2, hi=4), y=o.normal(7))
o.case("atan2", "atan2(x, y)", torch.atan2, **pair)
o.case("hypot", "hypot(x, y)", torch.hypot, **pair)
o.case("logaddexp", "logaddexp(x, y)", torch.logaddexp, **pair)
o.case("logaddexp", "logaddexp(x, y)", torch.logaddexp, x=o.array([1.0, 700.0, -math.inf]), y=o.array([1.0, 710.0, 3.0]), grad=())
o.case("maximum", "maximum(x, y)", torch.maximum, **pair)
o.case("minimum", "minimum(x, y)", torch.minimum, **pair)
o.case("copysign", "copysign(x, y)", torch.copysign, grad=("x",), **pair)
o.case("fmod", "fmod(x, y)", torch.fmod, x=o.normal(7, sd=5), y=o.uniform(7, lo=0.3, hi=2))
o.case("fmod", "fmod(x, y)", torch.fmod, x=o.normal(7, sd=5), y=-o.uniform(7, lo=0.3, hi=2), grad=("x",))
o.case("remainder", "x % y", torch.remainder, x=o.normal(7, sd=5), y=o.uniform(7, lo=0.3, hi=2))
o.case("pow", "x ** y", torch.pow, **positive)
o.case("pow", "x ** 3", lambda x: x ** 3, x=o.normal(5))
o.case("pow", "x ** -1.5", lambda x: x ** -1.5, x=o.uniform(5, lo=0.3, hi=3))
o.case("xlogy", "xlogy(y, x)", lambda x, y: torch.xlogy(y, x), **positive)
o.case("lerp", "lerp(x, y, t)", torch.lerp, x=o.normal(4), y=o.normal(4), t=o.uniform(4))
o.case("clamp", "clamp(x, -0.5, 0.75)", lambda x: torch.clamp(x, -0.5, 0.75), x=o.normal(12))
o.case("fma", "fma(x, y, z)", lambda x, y, z: x * y + z, x=o.normal(4), y=o.normal(4), z=o.normal(4))
o.case("log_beta", "log_beta(x, y)", lambda x, y: torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y), x=o.uniform(6, lo=0.2, hi=5), y=o.uniform(6, lo=0.2, hi=5))
o.case("bit_and", "bit_and(x, y)", torch.bitwise_and, x=o.integers(6, lo=-99, hi=99), y=o.integers(6, lo=-99, hi=99))
o.case("bit_or", "bit_or(x, y)", torch.bitwise_or, x=o.integers(6, lo=-99, hi=99), y=o.integers(6, lo=-99, hi=99))
o.case("bit_xor", "bit_xor(x, y)", torch.bitwise_xor, x=o.integers(6, lo=-99, hi=99), y=o.integers(6, lo=-99, hi=99))
o.case("bit_not", "bit_not(x)", torch.bitwise_not, x=o.integers(6, lo=-99, hi=99))
o.case("shift_left", "shift_left(x, y)", torch.bitwise_left_shift, x=o.integers(6, lo=-99, hi=99), y=o.integers(6, lo=0, hi=9))
o.case("shift_right", "shift_right(x, y)", torch.bitwise_right_shift, x=o.integers(6, lo=-99, hi=99), y=o.integers(6, lo=0, hi=9))
o.case("floor_divide", "x // y", lambda x, y: torch.div(x, y, rounding_mode="floor"), x=o.integers(9, lo=-20, hi=20), y=o.integers(9, lo=1, hi=6))
o.case("remainder", "x % y", torch.remainder, x=o.integers(9, lo=-20, hi=20), y=o.integers(9, lo=1, hi=6))
