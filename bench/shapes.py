#!/usr/bin/env python3
"""Times matrix products of skinny, odd and small shapes in Tenon and in PyTorch (oneDNN and OpenBLAS or MKL behind it), in turns.

    bench/shapes.py [--tenon build/tenon] [--python PYTHON] [--rounds 2] [--threads 2] [--shapes 1x1000x1000,..]

A shape is ROWSxCOLUMNSxDEPTH; `t` behind it: b lies transposed, as the weights of a layer do. PYTHON is one that has torch; without it
Tenon's times stand alone. A figure is the median of the rounds' medians; ratios above 1 say that Tenon is faster.
"""
import argparse
import json
import math
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHAPES = ("1x1000x1000 1x1000x1000t 1x4096x1024t 2x1024x1024t 4x1024x1024 4x1024x1024t 8x1024x1024t 16x512x512t 16x4096x1024t "
          "33x65x17 100x100x100 127x129x131 200x10x500 1000x10x100t 1000x1x1000 10000x16x16 10000x64x3 64x10000x64 64x64x10000 "
          "8x8x20000 1000x33x1000 256x1000x100t 50x50x50 7x7x7 1024x64x1024 1024x1024x64 3000x200x30").split()
TORCH = """
import json, statistics, sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
out = {}
for shape in sys.argv[2:]:
    m, n, k = map(int, shape.rstrip("t").split("x"))
    a = torch.randn(m, k)
    b = torch.randn(n, k).t() if shape.endswith("t") else torch.randn(k, n)
    with torch.no_grad():
        begin, runs = time.perf_counter(), 0
        while runs < 3 or time.perf_counter() - begin < 0.05: a @ b; runs += 1
        count = max(1, int(0.005 * runs / (time.perf_counter() - begin)))
        times = []
        for _ in range(40):
            begin = time.perf_counter()
            for _ in range(count): a @ b
            times.append((time.perf_counter() - begin) / count)
    out[shape] = statistics.median(times) * 1e6
print(json.dumps(out))
"""


def program(shapes):
    lines = []
    for i, shape in enumerate(shapes):
        m, n, k = map(int, shape.rstrip("t").split("x"))
        turned = shape.endswith("t")
        lines += [f"let a{i} = draw(normal(0, 1), {m}, {k})",
                  f"let b{i} = draw(normal(0, 1), {n}, {k})" if turned else f"let b{i} = draw(normal(0, 1), {k}, {n})",
                  f'bench "{shape}" {{', f"  a{i} @ " + (f"transpose(b{i})" if turned else f"b{i}"), "}"]
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tenon", default=str(ROOT / "build" / "tenon"))
    p.add_argument("--python")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--shapes", default=",".join(SHAPES))
    options = p.parse_args()
    shapes = options.shapes.split(",")
    ours, theirs, shares = {}, {}, {}
    with tempfile.NamedTemporaryFile("w", suffix=".model") as f:
        f.write(program(shapes))
        f.flush()
        for _ in range(options.rounds):
            done = subprocess.run([options.tenon, "bench", "--json", "--threads", str(options.threads), f.name],
                                  capture_output=True, text=True, check=True)
            for r in json.loads(done.stdout)["rows"]:
                ours.setdefault(r["name"], []).append(r["median_us"])
                shares.setdefault(r["name"], []).append(r["peak_share"])
            if options.python:
                done = subprocess.run([options.python, "-c", TORCH, str(options.threads), *shapes],
                                      capture_output=True, text=True, check=True)
                for name, us in json.loads(done.stdout).items():
                    theirs.setdefault(name, []).append(us)
    print("| shape | Tenon | of peak | PyTorch | PyTorch / Tenon |\n|---|---|---|---|---|")
    ratios = []
    for shape in shapes:
        us = statistics.median(ours[shape])
        row = f"| {shape} | {us:.1f} us | {100 * statistics.median(shares[shape]):.0f} % | "
        if options.python:
            other = statistics.median(theirs[shape])
            ratios.append(other / us)
            row += f"{other:.1f} us | {other / us:.2f} |"
        else:
            row += "- | - |"
        print(row)
    if ratios:
        print(f"\nGeometric mean: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}.")


if __name__ == "__main__":
    main()
