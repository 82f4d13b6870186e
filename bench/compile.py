#!/usr/bin/env python3
"""What starting and compiling costs: from `tenon -e 1+1` to the training step of a small language model.

    bench/compile.py [--tenon build/tenon] [--against OTHER] [--rounds 9]

Each program takes three steps with small tensors: the first is interpreted, the second compiles, the
third is compiled code. `compile` is the time that --stats tells, in a process that finds nothing in
the cache (cold) and in one that finds all (warm); `whole` is that of the process from start to end.
--against measures another build in turns with this one. Milliseconds, medians, the best behind them."""
import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

GRADIENT = """\
let x = draw(normal(0, 1), 8, 4)
let w = draw(normal(0, 1), 4, 3)
let b = draw(normal(0, 1), 3)
for i in 0..2 {
  let (loss, g) = value_and_grad(fn(w, b) = mean(tanh(x @ w + b) ** 2), wrt = ("w", "b"))(w, b)
  print(loss)
}
"""
# Of bench/rows: the definitions, then steps on less data.
STEPS = {
    "mlp": ("mlp", """\
let x = draw(normal(0, 1), 8, 28)
let y = labels(8, 10)
var net = Mlp(28, 32, 10)
var opt = adam(net, lr = 1.0e-3)
for i in 0..3 {
  let (loss, g) = value_and_grad(fn(m) = cross_entropy(m(x), y))(net)
  (net, opt) = opt.step(net, g)
  print(loss)
}
"""),
    "cnn": ("cnn", """\
let x = draw(normal(0, 1), 2, 28, 28, 1)
let y = argmax(draw(uniform(0, 1), 2, 10), axis = 1)
var net = Cnn(10)
var opt = momentum(net, lr = 0.01)
for i in 0..3 {
  let (loss, g) = value_and_grad(fn(m) = cross_entropy(m(x), y))(net)
  (net, opt) = opt.step(net, g)
  print(loss)
}
"""),
    "lstm": ("lstm", """\
let x = draw(normal(0, 1), 4, 2, 8)
let wx = draw(normal(0, 0.1), 8, 32)
let wh = draw(normal(0, 0.1), 8, 32)
let bias = draw(normal(0, 0.1), 32)
for i in 0..3 {
  let (loss, g) = value_and_grad(fn(wx, wh, bias) = lstm(x, wx, wh, bias), wrt = ("wx", "wh", "bias"))(wx, wh, bias)
  print(loss, sum(g[0]))
}
"""),
    "block": ("transformer", """\
let x = draw(normal(0, 1), 2, 4, 16)
let block = Block(16, 2)
for i in 0..3 {
  let (loss, g) = value_and_grad(fn(m) = mean(m(x) ** 2))(block)
  print(loss, sum(g.qkv.weight))
}
"""),
    "gpt": ("transformer", """\
var gpt = Gpt(16, 8, 16, 2, 4)
var gpt_opt = adamw(gpt, lr = 3.0e-4, weight_decay = 0.01)
let ids = cast(floor(draw(uniform(0, 16), 2, 8)), i64)
let next = cast(floor(draw(uniform(0, 16), 16)), i64)
for i in 0..3 {
  let (loss, g) = value_and_grad(fn(m) = cross_entropy(reshape(m(ids), 16, 16), next))(gpt)
  (gpt, gpt_opt) = gpt_opt.step(gpt, g)
  print(loss)
}
"""),
}


def program(rows, steps):
    text = (HERE / "rows" / f"{rows}.model").read_text()
    return text[:re.search(r"^let \w+ = draw", text, re.M).start()] + steps


def measured(command, cache):
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TENON_CACHE": cache})
    whole = 1e3 * (time.perf_counter() - begin)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    found = re.search(r"^stats: .*compiled \d+ in ([\d.]+) ms", done.stderr, re.M)
    return whole, float(found.group(1)) if found else 0.0


def column(values):
    return f"{statistics.median(values):7.1f} ({min(values):6.1f})"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tenon", default=str(HERE.parent / "build" / "tenon"))
    arguments.add_argument("--against")
    arguments.add_argument("--rounds", type=int, default=9)
    options = arguments.parse_args()
    builds = [b for b in (options.tenon, options.against) if b]
    with tempfile.TemporaryDirectory() as folder:
        programs = {"-e 1+1": None, "gradient": GRADIENT, **{n: program(*s) for n, s in STEPS.items()}}
        for name, text in programs.items():
            if text:
                (Path(folder) / f"{name}.model").write_text(text)
        print(f"{'':10} {'':8} {'compile cold':>16} {'compile warm':>16} {'whole cold':>16} {'whole warm':>16}")
        for name, text in programs.items():
            how = ["run", "--stats", f"{folder}/{name}.model"] if text else ["-e", "1+1"]
            times = {b: ([], []) for b in builds}
            for b in builds:  # pages in memory, caches filled
                measured([b, *how], f"{folder}/{builds.index(b)}")
            for turn in range(options.rounds):
                for b in builds if turn % 2 else builds[::-1]:
                    times[b][0].append(measured([b, *how], "off"))
                    times[b][1].append(measured([b, *how], f"{folder}/{builds.index(b)}"))
            for b in builds:
                cold, warm = times[b]
                compile_columns = [column([t[1] for t in r]) if text else f"{'':16}" for r in (cold, warm)]
                print(f"{name:10} {'other' if b == options.against else '':8}", *compile_columns,
                      column([t[0] for t in cold]), column([t[0] for t in warm]))


main()
