#!/usr/bin/env python3
"""What grows row by row takes memory in proportion to its length: growth_test.py TENON

Each program appends to a `var` that is declared with `_`, in both modes, for n and for 2n turns. `--stats` says
how many bytes were handed out in all: about twice as many for twice the turns, where a copy of
everything in each turn would make it four times."""

import os
import re
import subprocess
import sys
import tempfile

TENON = os.path.abspath(sys.argv[1])
TURNS = 1500
failures = 0

PROGRAMS = {
    "rows": """fn run(n: int) -> f32 {
  var rows: f32[_, 64] = zeros(0, 64)
  for i in 0..n { rows = concat(rows, [ones(64) * f32(i)]) }
  sum(rows)
}
print(run(TURNS))
""",
    "several at once, by a function, in a branch": """fn push(xs: f32[_, 64], v: f32) -> f32[_, 64] = concat(xs, [ones(64) * v], zeros(2, 64))
fn run(n: int) -> f32 {
  var xs: f32[_, 64] = zeros(0, 64)
  for i in 0..n { if i % 3 > 0 { xs = push(xs, f32(i)) } }
  sum(xs)
}
print(run(TURNS))
""",
    "while, in a record": """fn run(n: int) -> f64 {
  var r: {xs: f64[_, 1, 64], n: int} = {xs: zeros(0, 1, 64, dtype = f64), n: 0}
  while len(r.xs) < n {
    r.xs = concat(r.xs, ones(1, 1, 64, dtype = f64))
    r.n += 2
  }
  sum(r.xs) + f64(r.n)
}
print(run(TURNS))
""",
    "looking back": """fn run(n: int) -> f32 {
  var rows: f32[_, 64] = ones(1, 64)
  for i in 1..n {
    let last = rows[i - 1]
    rows = concat(rows, [sin(last) + 0.5])
    if last[0] > 5 { rows = rows * 0.5 }
  }
  sum(rows)
}
print(run(TURNS))
""",
    "with effects": """var rows: f32[_, 64] = zeros(0, 64)
for i in 0..TURNS {
  rows = concat(rows, [ones(64) * f32(i)])
  if i % 1000 == 999 { print(i) }
}
print(sum(rows))
""",
    "a queue": """fn run(n: int) -> f32 {
  var queue: f32[_, 64] = zeros(n, 64)
  for i in 0..n { queue = concat(queue[1..], [ones(64) * f32(i)]) }
  sum(queue)
}
print(run(TURNS))
""",
    "a stack": """fn run(n: int) -> f32 {
  var (stack, total): (f32[_, 64], f32) = (zeros(0, 64), 0.0)
  for i in 0..n { stack = concat(stack, [ones(64) * f32(i)]) }
  for i in 0..n {
    let top = stack[-1]
    stack = stack[..-1]
    total = total * 0.5 + top[3]
    if i % 3 > 0 { stack = concat(stack, [top + 0.5]) }
  }
  total + f32(len(stack))
}
print(run(TURNS))
""",
    "the gradient of rows": """fn run(x: f32[64], n: int) -> f32 {
  var rows: f32[_, 64] = zeros(0, 64)
  for i in 0..n { rows = concat(rows, [x * f32(i % 7)]) }
  mean(rows * rows)
}
print(sum(grad(run)(ones(64), TURNS)))
""",
    "the gradient of looking back": """fn run(x: f32[64], n: int) -> f32 {
  var rows: f32[_, 64] = [x]
  for i in 1..n { rows = concat(rows, [sin(rows[i - 1]) + x]) }
  mean(rows)
}
print(sum(grad(run)(ones(64), TURNS)))
""",
}


def taken(path, mode):
    done = subprocess.run([TENON, "run", "--mode", mode, "--stats", path], capture_output=True, text=True,
                          timeout=600, env={**os.environ, "TENON_TIERING": "off"})
    found = re.search(r"memory taken ([0-9.]+) MiB", done.stderr)
    return done.returncode, done.stdout, float(found.group(1)) if found else None, done.stderr


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "growing.model")
    for name, text in PROGRAMS.items():
        printed = {}
        for mode in ("eager", "graph"):
            seen = []
            for turns in (TURNS, 2 * TURNS):
                with open(path, "w") as f:
                    f.write(text.replace("TURNS", str(turns)))
                code, out, mib, stderr = taken(path, mode)
                seen.append(mib)
                printed.setdefault(turns, set()).add(out)
                if code != 0 or mib is None:
                    failures += 1
                    print(f"FAILED {name}, {mode}: {stderr}")
            if None not in seen and not 0.2 < seen[1] < 2.7 * seen[0]:
                failures += 1
                print(f"FAILED {name}, {mode}: {seen[0]} MiB for {TURNS} turns and {seen[1]} for twice as many")
            if "-v" in sys.argv:
                print(name, mode, seen)
        if any(len(outs) != 1 for outs in printed.values()):
            failures += 1
            print(f"FAILED {name}: {printed}")
print(f"{len(PROGRAMS)} programs that grow, {failures} failed")
sys.exit(1 if failures else 0)
