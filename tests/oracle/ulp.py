#!/usr/bin/env python3
"""Measures the elementwise functions of the library against mpmath, in units in the last place, f32 and f64.

    ulp.py TENON [NAME..]      (needs mpmath and numpy from PyPI)
    ulp.py TENON --write       and write the worst points of each, and some others, with their exact values
                               into accuracy.model, which CI holds to the table of today

The table it prints is what docs/semantics.md states. Points: spread evenly and over all exponents of the
domain, around zeros, and at its ends. The error of y against the exact value t is |y - t| over the distance
of the two floats around t; results below the least normal number are compared at its spacing.
"""

import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 60
INF = float("inf")

# name: (exact function, [(lo, hi), ..] where it is defined and bounded; "log": over exponents too)
def real(f):
    def g(x):
        try:
            r = f(mp.mpf(x))
            return r.real if isinstance(r, mp.mpc) else r
        except (ValueError, ZeroDivisionError, OverflowError):
            return mp.nan
    return g


def cbrt(x):
    return mp.sign(x) * mp.cbrt(abs(x))


FUNCTIONS = {
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), [(-700, 40), (-1, 1)]),
    "softplus": (lambda x: mp.log1p(mp.exp(x)) if x < 200 else x + mp.exp(-x), [(-700, 800), (-1, 1)]),
    "log_sigmoid": (lambda x: -mp.log1p(mp.exp(-x)) if x > -200 else x - mp.exp(x), [(-800, 700), (-1, 1)]),
    "exp2": (lambda x: mp.power(2, x), [(-1070, 1023), (-1, 1)]),
    "log2": (lambda x: mp.log(x, 2), [(1e-300, 1e300), (0.5, 2), (0.99, 1.01)]),
    "log10": (mp.log10, [(1e-300, 1e300), (0.5, 2), (0.99, 1.01)]),
    "cbrt": (cbrt, [(-1e300, 1e300), (-2, 2)]),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), [(1e-300, 1e300), (0.5, 4)]),
    "reciprocal": (lambda x: 1 / x, [(1e-300, 1e300)]),
    "tan": (mp.tan, [(-1.5, 1.5), (-100, 100), (-1e6, 1e6)]),
    "asin": (mp.asin, [(-1, 1), (0.9, 1)]),
    "acos": (mp.acos, [(-1, 1), (0.9, 1)]),
    "atan": (mp.atan, [(-1e20, 1e20), (-2, 2)]),
    "sinh": (mp.sinh, [(-709, 709), (-1, 1), (-25, 25)]),
    "cosh": (mp.cosh, [(-709, 709), (-1, 1), (-25, 25)]),
    "asinh": (mp.asinh, [(-1e300, 1e300), (-2, 2)]),
    "acosh": (mp.acosh, [(1, 1e300), (1, 2)]),
    "atanh": (mp.atanh, [(-1, 1), (-0.1, 0.1)]),
    "sinc": (lambda x: mp.sincpi(x), [(-0.9, 0.9), (-100, 100)]),
    "logit": (lambda x: mp.log(x / (1 - x)), [(0, 1), (0.4, 0.6)]),
    "erfc": (mp.erfc, [(-6, 26), (0.3, 0.7), (-1, 1)]),
    "erfinv": (mp.erfinv, [(-0.999, 0.999), (0.9999, 1), (-0.01, 0.01)]),
    "lgamma": (lambda x: mp.loggamma(x), [(1e-5, 3), (0.9, 1.1), (1.9, 2.1), (3, 20), (1e-300, 1e300)]),
    "digamma": (mp.digamma, [(1e-5, 2), (2, 20), (20, 1e300)]),
    "trigamma": (lambda x: mp.polygamma(1, x), [(1e-5, 3), (3, 1e100)]),
    "i0": (lambda x: mp.besseli(0, x), [(-700, 700), (-9, 9)]),
    "i1": (lambda x: mp.besseli(1, x), [(-700, 700), (-9, 9)]),
}
# name: (call of x and y, exact function, [(range of x, range of y), ..], units of at least 1's). Pairs are drawn evenly, and
# over all exponents where a range is marked "log".
PAIRS = {
    "pow": ("x ** y", mp.power, [((0.01, 100, "log"), (-30, 30)), ((0.9, 1.1), (-300, 300)), ((1e-30, 1e30, "log"), (-1.2, 1.2))], False),
    "atan2": ("atan2(x, y)", lambda y, x: mp.atan2(y, x), [((-5, 5), (-5, 5)), ((1e-12, 1e12, "log"), (1e-12, 1e12, "log")), ((1e-12, 1e12, "log"), (-9, 0))], False),
    "hypot": ("hypot(x, y)", lambda a, b: mp.sqrt(a * a + b * b), [((-5, 5), (-5, 5)), ((1e-30, 1e30, "log"), (1e-30, 1e30, "log")), ((1, 2), (0.9, 2.2))], False),
    "fmod": ("fmod(x, y)", lambda a, b: mp.sign(a) * mp.fmod(abs(a), abs(b)), [((-100, 100), (0.5, 9)), ((1, 1e5, "log"), (0.1, 9)), ((-1, 1), (0.001, 2))], False),
    "%": ("x % y", lambda a, b: a - mp.floor(a / b) * b, [((0, 100), (0.5, 9)), ((1, 1e5, "log"), (0.1, 9))], False),
    "logaddexp": ("logaddexp(x, y)", lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))), [((-5, 5), (-5, 5)), ((-80, 80), (-80, 80))], True),
    "xlogy": ("xlogy(x, y)", lambda a, b: a * mp.log(b), [((-5, 5), (1e-30, 1e30, "log")), ((0.1, 2), (0.9, 1.1))], False),
    "log_beta": ("log_beta(x, y)", lambda a, b: mp.log(mp.beta(a, b)), [((0.01, 20), (0.01, 20)), ((0.001, 1, "log"), (0.001, 50, "log"))], True),
    "lerp": ("lerp(x, y, 0.25)", lambda a, b: a + mp.mpf("0.25") * (b - a), [((0.1, 5), (0.1, 5))], False),
    "copysign": ("copysign(x, y)", lambda a, b: mp.sign(b) * abs(a), [((-5, 5), (-5, 5))], False),
    **{f"polygamma, n = {n}": (f"polygamma({n}, x)", lambda a, b, n=n: mp.polygamma(n, a), [((0.01, 9), (0, 1)), ((9, 1e6, "log"), (0, 1))], False) for n in (1, 2, 3, 5, 8)},
    "ndtr": ("ndtr(x)", lambda a, b: mp.ncdf(a), [((-37, 8), (0, 1)), ((-5, 5), (0, 1))], False),
    "log_ndtr": ("log_ndtr(x)", lambda a, b: mp.log(mp.ncdf(a)), [((-1000, -5), (0, 1)), ((-13, 5), (0, 1))], False),
    "ndtri": ("ndtri(x)", lambda a, b: mp.sqrt(2) * mp.erfinv(2 * a - 1), [((0.001, 0.999), (0, 1))], True),
    "gelu": ("gelu(x)", lambda a, b: a * mp.ncdf(a), [((-1, 8), (0, 1))], False),
    "silu": ("silu(x)", lambda a, b: a / (1 + mp.exp(-a)), [((-80, 80), (0, 1)), ((-1, 1), (0, 1))], False),
}
# Near a zero that is no point of symmetry only the absolute error can be small: these count in units of at least 1's.
ABSOLUTE = {"digamma"}


def points(ranges, dtype, count, rng):
    out = []
    small, big = (1e-37, 1e37) if dtype is np.float32 else (1e-300, 1e300)
    for lo, hi in ranges:
        if dtype is np.float32:
            lo, hi = max(lo, -big), min(hi, big)
            if lo in (-700, -709, -800, -1070):
                lo = {-700: -85, -709: -87, -800: -800, -1070: -125}[lo]
            if hi in (700, 709, 1023):
                hi = {700: 85, 709: 87, 1023: 127}[hi]
            if hi == 26:
                hi = 9
            lo = lo if lo == 0 or abs(lo) > small else np.sign(lo) * small
        out.append(rng.uniform(lo, hi, count))
        for sign in (1, -1):
            ends = sorted(abs(e) for e in (lo, hi) if np.sign(e) == sign or e == 0)
            if not ends:
                continue
            a = max(ends[0] if lo * hi > 0 else small, small)
            b = ends[-1]
            if b > a:
                out.append(sign * np.exp(rng.uniform(np.log(a), np.log(b), count)))
        out.append(np.array([lo, hi], dtype=float))
    x = np.concatenate(out).astype(dtype)
    return np.unique(x[np.isfinite(x)])


def pairs(ranges, count, dtype, rng):
    def drawn(lo, hi, kind=None):
        return np.exp(rng.uniform(np.log(lo), np.log(hi), count)) if kind else rng.uniform(lo, hi, count)
    parts = [np.stack([drawn(*x), drawn(*y)], 1) for x, y in ranges]
    return np.concatenate(parts).astype(dtype)


def run(tenon, call, x, dtype):
    """What `call` of the columns x, y of an array gives."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        np.savetxt(here / "x.csv", x.astype(np.float64), fmt="%.17g", delimiter=",", header=",".join("xy"[:x.shape[1]]), comments="")
        d = "f32" if dtype is np.float32 else "f64"
        lines = ['let rows = csv("x.csv", dtype = f64)', f"let x = cast(rows[.., 0], {d})", f"let y = cast(rows[.., -1], {d})"]
        (here / "m.model").write_text("\n".join(lines) + f'\nsave({{y: {call}}}, "y.safetensors")\n')
        subprocess.run([tenon, "run", "m.model"], cwd=here, check=True)
        raw = (here / "y.safetensors").read_bytes()
        n = struct.unpack("<Q", raw[:8])[0]
        at = json.loads(raw[8:8 + n])["y"]["data_offsets"]
        return np.frombuffer(raw[8 + n + at[0]:8 + n + at[1]], dtype)


def spacing(t, dtype):
    digits, least = (24, -149) if dtype is np.float32 else (53, -1074)
    e = mp.frexp(t)[1] if t else least
    return mp.ldexp(1, max(e - digits, least))


def test_of_pairs(name, dtype, chosen, worst):
    d, digits = ("f32", "#.9g") if dtype is np.float32 else ("f64", "#.17g")
    number = lambda v: format(float(v), digits) + ("0" if format(float(v), digits).endswith(".") else "")
    array = lambda values: f"{d}([" + ", ".join(number(v) for v in values) + "])"
    call, _, _, absolute = PAIRS[name]
    size = lambda t: spacing(max(abs(t), 1) if absolute else t, dtype)
    lines = [f'test "{name} {d}" {{', f"  let x = {array(x[0] for _, x, _ in chosen)}"]
    if re.search(r"\by\b", call):
        lines.append(f"  let y = {array(x[1] for _, x, _ in chosen)}")
    return "\n".join(lines + [f"  let exact = {array(dtype(t) for _, _, t in chosen)}", f"  let unit = {array(size(t) for _, _, t in chosen)}",
                              f"  assert abs({call} - exact) <= {mp.nstr(worst * 1.1 + 0.5, 3)} * unit", "}"])


def test(name, dtype, chosen, worst):
    """A test block: the values within the measured error, a tenth more, and the rounding of what is written."""
    d, digits = ("f32", "#.9g") if dtype is np.float32 else ("f64", "#.17g")
    number = lambda v: format(float(v), digits) + ("0" if format(float(v), digits).endswith(".") else "")
    array = lambda values: f"{d}([" + ", ".join(number(v) for v in values) + "])"
    lines = [f'test "{name} {d}" {{', f"  let x = {array(x for _, x, _ in chosen)}", f"  let exact = {array(dtype(t) for _, _, t in chosen)}",
             f"  let unit = {array(unit(name, t, dtype) for _, _, t in chosen)}",
             f"  assert abs({name}(x) - exact) <= {mp.nstr(worst * 1.1 + 0.5, 3)} * unit", "}"]
    return "\n".join(lines)


def unit(name, t, dtype):
    return spacing(max(abs(t), 1) if name in ABSOLUTE else t, dtype)


def main():
    names = [a for a in sys.argv[2:] if a != "--write"] or [*FUNCTIONS, *PAIRS]
    tenon, program = str(Path(sys.argv[1]).resolve()), []
    print("| function | f32 | f64 |\n|---|---|---|")
    for name in names:
        call, exact, ranges, absolute = PAIRS[name] if name in PAIRS else (f"{name}(x)", *FUNCTIONS[name], name in ABSOLUTE)
        exact = exact if name in PAIRS else real(exact)
        cells, worst_at = [], []
        for dtype in (np.float32, np.float64):
            rng = np.random.default_rng(7)
            x = pairs(ranges, 2000, dtype, rng) if name in PAIRS else points(ranges, dtype, 700, rng)[:, None]
            y = run(tenon, call, x, dtype)
            top = mp.mpf(float(np.finfo(dtype).max))
            worst, where, seen = mp.mpf(0), None, []
            for a, b in zip(x, y):
                t = exact(*(mp.mpf(float(v)) for v in a)) if name in PAIRS else exact(float(a[0]))
                a = tuple(float(v) for v in a) if name in PAIRS else float(a[0])
                if mp.isnan(t) or mp.isinf(t) or abs(t) > top:
                    continue
                if not np.isfinite(b):
                    worst, where = mp.inf, a
                    break
                e = abs(mp.mpf(float(b)) - t) / spacing(max(abs(t), 1) if absolute else t, dtype)
                seen.append((e, a, t))
                if e > worst:
                    worst, where = e, a
            cells.append(mp.nstr(worst, 3))
            seen.sort()
            program.append((test_of_pairs if name in PAIRS else test)(name, dtype, seen[-6:] + seen[::max(1, len(seen) // 10)], worst))
            worst_at.append(repr(where))
        print(f"| `{name}` | {cells[0]} | {cells[1]} |   worst at {worst_at[0]}, {worst_at[1]}", flush=True)
    if "--write" in sys.argv:
        covers = "# Written by tests/oracle/ulp.py: exact values by mpmath, and how many units in the last place are allowed.\n"
        (Path(__file__).resolve().parent / "accuracy.model").write_text(covers + "\n" + "\n\n".join(program) + "\n")


if __name__ == "__main__":
    main()
