#!/usr/bin/env python3
"""The sweep over the names that every program sees: the built-in tensor functions and the prelude.

    library.py TENON ROOT [--only NAME] [--jobs J] [--all]

Each function is called on every dtype that it takes, on scalars, vectors and matrices, empty, single,
odd and large, contiguous, transposed, cut out and repeated, with NaN, infinities, both zeros and
denormals among the numbers: eager with 1 and 8 threads and graph with 3 (--all: both with 1, 2, 3 and
8) must print the same bytes.
Where it is smooth, its first and second derivative in f64 are compared with differences (the
tolerance is that of tests/generate/laws.py).

The names come from the rows in frontend/builtins_tensor.cpp and from the prelude's files. A function
of one tensor is swept as it is; one of more needs a call in CALLS, and a name that is in neither
fails this test."""

import argparse
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "generate"))
from laws import Failure, Laws  # noqa: E402

FLOATS = ["f64", "f32", "f16", "bf16"]
WHOLE = ["i64", "i32", "i8", "u8"]
NUMBERS = FLOATS + WHOLE
ALL = NUMBERS + ["bool"]

# name: (dtypes, ranks, calls, smooth). In a call x and y are tensors of one shape, b a bool tensor of
# that shape; the gradient is taken by x.
CALLS = {
    "abs": (NUMBERS, (0, 1, 2), ["abs(x)"], True),
    "atan2": (FLOATS, (0, 1, 2), ["atan2(x, y)"], True),
    "bit_and": (WHOLE + ["bool"], (0, 1, 2), ["bit_and(x, y)"], False),
    "bit_or": (WHOLE + ["bool"], (0, 1, 2), ["bit_or(x, y)"], False),
    "bit_xor": (WHOLE + ["bool"], (0, 1, 2), ["bit_xor(x, y)"], False),
    "bit_not": (WHOLE + ["bool"], (0, 1, 2), ["bit_not(x)"], False),
    "shift_left": (WHOLE, (0, 1, 2), ["shift_left(x, 3)"], False),
    "shift_right": (WHOLE, (0, 1, 2), ["shift_right(x, 3)"], False),
    "maximum": (NUMBERS, (0, 1, 2), ["maximum(x, y)", "maximum(x, 1)"], True),
    "minimum": (NUMBERS, (0, 1, 2), ["minimum(x, y)", "minimum(x, 1)"], True),
    "where": (ALL, (0, 1, 2), ["where(b, x, y)"], True),
    "clamp": (FLOATS, (0, 1, 2), ["clamp(x, -0.7, 0.55)"], True),
    "cast": (ALL, (0, 1, 2), [f"cast(x, {t})" for t in ALL], False),
    "sum": (NUMBERS, (1, 2), ["sum(x)", "sum(x, axis = 0)", "sum(x, axis = -1, keep = true)"], True),
    "prod": (NUMBERS, (1, 2), ["prod(x)", "prod(x, axis = 0)", "prod(x, axis = -1, keep = true)"], True),
    "mean": (FLOATS, (1, 2), ["mean(x)", "mean(x, axis = 0)", "mean(x, axis = -1, keep = true)"], True),
    "max": (NUMBERS, (1, 2), ["max(x)", "max(x, axis = 0)", "max(x, axis = -1, keep = true)"], True),
    "min": (NUMBERS, (1, 2), ["min(x)", "min(x, axis = 0)", "min(x, axis = -1, keep = true)"], True),
    "any": (["bool"], (1, 2), ["any(x)", "any(x, axis = 0)", "any(x, axis = -1)"], False),
    "all": (["bool"], (1, 2), ["all(x)", "all(x, axis = 0)", "all(x, axis = -1)"], False),
    "argmax": (NUMBERS, (1, 2), ["argmax(concat(x, x, axis = 0), axis = -1)"], False),
    "argmin": (NUMBERS, (1, 2), ["argmin(concat(x, x, axis = 0), axis = -1)"], False),
    "cumsum": (NUMBERS, (1, 2), ["cumsum(x, axis = 0)", "cumsum(x, axis = -1)"], True),
    "cumprod": (NUMBERS, (1, 2), ["cumprod(x, axis = 0)", "cumprod(x, axis = -1)"], True),
    "sort": (NUMBERS, (1, 2), ["sort(x, axis = 0)", "sort(x, axis = -1)"], True),
    "argsort": (NUMBERS, (1, 2), ["argsort(x, axis = 0)", "argsort(x, axis = -1)"], False),
    "reshape": (ALL, (1, 2), ["reshape(x, -1)", "reshape(transpose(x), -1)"], True),
    "transpose": (ALL, (1, 2), ["transpose(x)"], True),
    "broadcast": (ALL, (0, 1), ["broadcast(x, ...)"], True),
    "concat": (ALL, (1, 2), ["concat(x, y, x)", "concat(x, y, axis = -1)"], True),
    "stack": (ALL, (0, 1, 2), ["stack(x, y)", "stack(x, y, axis = -1)"], True),
    "full": (ALL, (0,), ["full(x, 3)", "full(x, 2, 0)"], True),
    "len": (ALL, (1, 2), ["arange(len(x))"], False),
    "rank": (ALL, (0, 1, 2), ["arange(rank(x))"], False),
    "softmax": (FLOATS, (1, 2), ["softmax(x)", "softmax(x, axis = 0)"], True),
    "log_softmax": (FLOATS, (1, 2), ["log_softmax(x)", "log_softmax(x, axis = 0)"], True),
    "logsumexp": (FLOATS, (1, 2), ["logsumexp(x)", "logsumexp(x, axis = 0)"], True),
    "variance": (FLOATS, (1, 2), ["variance(x)"], True),
    "mse": (FLOATS, (0, 1, 2), ["mse(x, y)"], True),
    "cross_entropy": (FLOATS, (2,), ["cross_entropy(x, cast(arange(len(x)) % 2, i64))"], True),
    "accuracy": (FLOATS, (2,), ["accuracy(x, cast(arange(len(x)) % 2, i64))"], False),
    "norm": (FLOATS, (1, 2), ["norm(x)"], True),
    "scale": (FLOATS, (0, 1, 2), ["scale(x, 1.7)"], True),
    "add": (FLOATS, (0, 1, 2), ["add(x, y)"], True),
    "clip": (FLOATS, (1, 2), ["clip(x, 1.5)"], True),
    "zeros_like": (FLOATS, (0, 1, 2), ["zeros_like(x)"], False),
    "dropout": (FLOATS, (1, 2), ["dropout(x, 0.5)"], False),
    "floor": (FLOATS, (0, 1, 2), ["floor(x)"], False),
    "ceil": (FLOATS, (0, 1, 2), ["ceil(x)"], False),
    "trunc": (FLOATS, (0, 1, 2), ["trunc(x)"], False),
    "round": (FLOATS, (0, 1, 2), ["round(x)"], False),
    "sign": (FLOATS, (0, 1, 2), ["sign(x)"], False),
}

# What takes no tensor, or has no value of its own to compare.
ELSEWHERE = {
    "int": "host numbers", "float": "host numbers", "zeros": "no tensor comes in",
    "ones": "no tensor comes in", "arange": "no tensor comes in", "dtype_of": "gives a dtype",
    "shape": "gives a tuple",
    # draws, steps of training and data sets: tests/lang/random, training, data
    "uniform": "a distribution", "normal": "a distribution", "bernoulli": "a distribution",
    "kaiming_uniform": "a distribution", "xavier_uniform": "a distribution",
    "permutation": "draws", "split": "data sets", "batches": "data sets",
    "constant": "schedules", "cosine": "schedules", "sgd": "optimizers", "momentum": "optimizers",
    "adam": "optimizers", "adamw": "optimizers",
    "cummax": "tests/oracle", "cummin": "tests/oracle", "fma": "tests/oracle",
    **dict.fromkeys(["truncated_normal", "rademacher", "integers", "exponential", "laplace", "gumbel", "logistic",
                     "cauchy", "log_normal", "gamma", "beta", "dirichlet", "student_t", "poisson", "categorical",
                     "sample_categorical", "choice", "kaiming_normal", "xavier_normal", "lecun_normal",
                     "orthogonal"], "draws"),
}

SHAPES = {  # rank: how x is made of `base`, a vector of 13 numbers
    0: ["base[1]", "base[7]"],
    1: ["base", "base[..0]", "base[..1]", "base[1..8]", "transpose(grid)[2]", "broadcast(base[3], 5)"],
    2: ["grid", "transpose(grid)", "grid[1..3, 1..]", "grid[..0]", "grid[.., ..1]",
        "broadcast(base[..4], 3, 4)"],
}
SPECIAL = "[0.3, -1.7, nan, inf, -inf, 0.0, -0.0, 1e-310, 1e-40, 88.0, -745.0, 2.5, -3.0]"
WHOLE_NUMBERS = "[0, 1, -1, 7, -128, 100, 3, 255, 2, 5, -7, 64, 31]"


def names(root):
    """name -> text of its parameters, of all that is to be swept."""
    found = {}
    rows = (root / "frontend/builtins_tensor.cpp").read_text()
    for name, parameters in re.findall(r'^    \{"(\w+)", "\w+\((.*?)\)"', rows, re.M):
        if not name.startswith("_"):
            found[name] = parameters
    for file in sorted((root / "stdlib").rglob("*.model")):
        text = file.read_text()
        if not text.startswith("# prelude"):
            continue
        for name, parameters in re.findall(r"^fn (\w+)\(((?:[^()]|\([^()]*\))*)\)", text, re.M):
            if not name.startswith("_"):
                found[name] = parameters
    return found


def oracle():
    """What the programs of tests/oracle compare with PyTorch, in both modes, as their heads say; what is
    of one tensor and everywhere (stdlib/math.model, the primitives) is swept all the same."""
    root = Path(__file__).resolve().parent.parent.parent
    swept = set(re.findall(r"^fn (\w+)", (root / "stdlib/math.model").read_text(), re.M))
    swept |= set(re.findall(r'^    \{"(\w+)", "', (root / "frontend/builtins_tensor.cpp").read_text(), re.M))
    heads = (line for file in (Path(__file__).resolve().parent.parent / "oracle").glob("*.model")
             for line in file.read_text().splitlines()[:40] if line.startswith("# covers "))
    return {part.rpartition(":")[0] for line in heads for part in line.split()[2:]} - swept


def calls(name, parameters):
    if name in CALLS:
        return CALLS[name]
    if name in ELSEWHERE or name in oracle():
        return None
    rest = parameters.split(",")
    if all("=" in p for p in rest[1:]) and (parameters == "x" or rest[0].startswith("x: T[...]")):
        return FLOATS, (0, 1, 2), [f"{name}(x)"], True
    raise Failure("no call", f"`{name}({parameters})` is a new function of several arguments: say in "
                  "tests/sweep/library.py how it is called (CALLS), or where it is tested (ELSEWHERE)")


def program(dtypes, ranks, templates, smooth):
    """Prints what every call gives."""
    lines = ["fn show(x: T[...]) where T: any {", "  for v in reshape(x, -1) { print(v) }", "}"]
    fits = lambda template, rank: rank != 1 or "transpose(x)" not in template
    for rank in ranks:  # all calls first: what prints stands between what is compiled
        uses = [t.replace("...", "2, 3" + (", len(x)" if rank == 1 else "")) for t in templates if fits(t, rank)]
        lines += [f"fn use_{rank}(x, y, b) {{", *[f"  let r{k} = {call}" for k, call in enumerate(uses)],
                  *[f"  show(r{k})" for k in range(len(uses))], "}"]
    for dtype in dtypes:
        numbers = SPECIAL if dtype in FLOATS else WHOLE_NUMBERS
        start = f"f64({numbers})" if dtype in FLOATS else numbers
        made = f"{start} > 2" if dtype == "bool" else f"cast({start}, {dtype})"
        lines += [f"fn {dtype}_sweep() {{", f"  let base = {made}",
                  "  let grid = transpose(reshape(base[..12], 4, 3))",
                  f"  let long = base[arange(3000) * 5 % 13]",
                  f"  let wide = reshape(base[arange(2100) * 3 % 13], 70, 30)"]
        for rank in ranks:
            for x in SHAPES[rank] + {1: ["long"], 2: ["wide"]}.get(rank, []):
                labelled = any("cross_entropy" in t or "accuracy" in t for t in templates)
                if labelled and x == "grid[.., ..1]":
                    continue  # its labels are 0 and 1
                if any(fits(t, rank) for t in templates):
                    lines.append(f"  use_{rank}({x}, {x}, bool_of({x}))")
        lines += ["}", f"{dtype}_sweep()"]
    lines.insert(3, "fn bool_of(x: T[...]) where T: any = cast(x, i64) % 2 == 0")
    if smooth:
        n = {0: "at[3]", 1: "at", 2: "reshape(at[..6], 2, 3)"}
        lines += ["let at = f64([0.31, 0.82, 0.47, 0.93, 0.22, 0.71, 0.56])"]
        for rank in ranks:
            for k, template in enumerate(templates):
                if not fits(template, rank):
                    continue
                call = template.replace("...", "2, 3" + (", len(x)" if rank == 1 else ""))
                f = f"along{k}_{rank}"
                lines += [
                    f"let at{k}_{rank} = {n[rank]}",
                    f"let y{k}_{rank} = cos(at{k}_{rank} * 2.1)",
                    f"let b{k}_{rank} = at{k}_{rank} > 0.5",
                    f"fn {f}(t: f64) -> f64 {{",
                    f"  let x = at{k}_{rank} + t * sin(at{k}_{rank} * 5.3)",
                    f"  let (y, b) = (y{k}_{rank}, b{k}_{rank})",
                    f"  let r = reshape({call}, -1)",
                    "  sum(sin(r) * cos(cast(arange(len(r)), f64) * 1.7 + 0.3)) + 0.1 * t * t",
                    "}",
                ]
                for g in (f, f"grad({f})"):
                    lines += [f'print("slope {{grad({g})(f64(0))}} forward {{jvp({g}, f64(0), f64(1))[1]}}")',
                              f'for h in f64([0.001, 0.0005, 0.00025]) {{ print("difference {{h}} {{({g})(-h)}} {{({g})(h)}}") }}']
    return "\n".join(lines) + "\n"


class Sweep(Laws):
    legs = [("eager", 1), ("eager", 8), ("graph", 3)]

    def sweep(self, name, parts):
        path = self.folder / f"{name}.model"
        path.write_text(program(*parts))
        self.derivatives(self.same_bytes(path, self.legs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tenon")
    parser.add_argument("root", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(str(Path(options.tenon).resolve()), None, folder)

        if options.all:
            sweep.legs = [(mode, threads) for mode in ("eager", "graph") for threads in (1, 2, 3, 8)]

        def one(item):
            name, parameters = item
            if options.only and name != options.only:
                return 0
            try:
                parts = calls(name, parameters)
                if parts and options.show:
                    print(program(*parts))
                elif parts:
                    sweep.sweep(name, parts)
            except Failure as failure:
                print(f"FAILED {name}: {failure.kind}\n{failure.text}\n", flush=True)
                return 1
            return 0

        found = names(options.root)
        with ThreadPoolExecutor(options.jobs) as pool:
            failed = sum(pool.map(one, found.items()))
        print(f"{len(found)} functions, {failed} failed; {sweep.compared} derivatives compared with "
              f"differences, {sweep.skipped} too near a kink")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
