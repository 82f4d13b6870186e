#!/usr/bin/env python3
"""What compiling costs does not depend on numbers: compile_test.py TENON

- The code made of a loop of 10 and of 10,000 turns is the same text but for that number: IR, loop IR
  and machine code have the same number of lines, and --stats the same number of compiled spans. So
  has its gradient.
- One compile serves 200 pairs (batch, length): --stats says the same number of compiled spans for 200
  random pairs as for two, and the numbers are those of eager mode.
- A step of a training on a GPU, here the emulated one, is one batch of launches, which is replayed as a
  graph from its third time on, and makes the host wait once."""

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TENON = os.path.abspath(sys.argv[1])
EXAMPLE = str(Path(__file__).resolve().parents[1] / "examples" / "xor.model")
failures = served = 0

LOOPS = {
    "for": """fn run(x: f32[N]) -> f32[N] {
  var y = x
  for i in 0..TURNS { y = tanh(y * 1.01 + sin(x)) }
  y
}
""",
    "for with an index and a jump": """fn run(x: f32[N]) -> f32[N] {
  var y = x
  for i in 0..TURNS {
    if y[0] > 0.5 { break }
    y = y * 0.999 + cast(i % 3, f32) * 1e-5
  }
  y
}
""",
    "while": """fn run(x: f32[N]) -> f32[N] {
  var (y, k) = (x, 0)
  while k < TURNS {
    y = cos(y) * x
    k += 1
  }
  y
}
""",
    "recursion": """fn down(n: int, x: f32[N]) -> f32[N] = if n == 0 { x } else { sin(down(n - 1, x)) }
fn run(x: f32[N]) -> f32[N] = down(TURNS, x)
""",
}

CALLS = """print(sum(run([0.1, 0.2, 0.3])))
print(sum(grad(fn(x) = sum(run(x)))([0.1, 0.2, 0.3])))
"""

PAIRS = """fn last(x: f32[B, T, D], w: f32[D, D]) -> f32[B, D] {
  var h = zeros(B, D)
  for t in 0..T { h = tanh(h @ w + x[.., t]) }
  h
}
fn loss(w: f32[D, D], x: f32[B, T, D]) -> f32 = mean(square(softmax(last(x, w)))) / T
let w[i in 0..4, j in 0..4] = sin(f32(i) + 2.0 * f32(j))
let pairs = PAIRS
var total = 0.0 * w
for p in pairs {
  let (b, t) = (p[0], p[1])
  let x = reshape(cos(cast(arange(b * t * 4), f32)), int(b), int(t), 4)
  total = total + grad(loss)(w, x)
}
print(total)
"""


def expect(name, ok, detail):
    global failures
    if not ok:
        failures += 1
        print(f"FAILED {name}\n{detail}")


def tenon(*arguments):
    done = subprocess.run([TENON, *arguments], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "TENON_TIERING": "off"})
    return done.returncode, done.stdout, done.stderr


def compiled(stderr):
    found = re.search(r"^stats: .*\bcompiled (\d+)", stderr, re.M)
    return int(found.group(1)) if found else None


def check_loop(name, text, folder):
    seen = []
    for turns in (10, 10000):
        path = folder / "loop.model"
        path.write_text(text.replace("TURNS", str(turns)) + CALLS)
        code, _, stderr = tenon("run", "--stats", str(path))
        expect(f"{name}, {turns} turns: run", code == 0, stderr)
        lines = {"compiled": compiled(stderr)}
        for stage in ("ir", "ir-opt", "loop", "asm"):
            code, stdout, stderr = tenon("explain", f"--emit={stage}", str(path))
            expect(f"{name}: explain {stage}", code == 0, stderr)
            # The number itself, in whatever form it stands there, may need another instruction.
            lines[stage] = len(stdout.splitlines())
        seen.append(lines)
    expect(f"{name}: 10 and 10,000 turns", seen[0] == seen[1] and (seen[0]["compiled"] or 0) > 0,
           f"{seen[0]}\n{seen[1]}")


def check_pairs(folder):
    source = random.Random(7)
    many = [[source.randrange(1, 20), source.randrange(1, 30)] for _ in range(200)]
    counts, path = [], folder / "pairs.model"
    for pairs in (many[:2], many):
        path.write_text(PAIRS.replace("PAIRS", str(pairs)))
        code, graph, stderr = tenon("run", "--stats", str(path))
        expect("pairs: graph", code == 0, stderr)
        counts.append(compiled(stderr))
        code, eager, stderr = tenon("run", "--mode", "eager", str(path))
        expect("pairs: eager == graph", code == 0 and eager == graph, f"{graph}\n{eager}\n{stderr}")
    global served
    served = counts[1]
    expect("one compile serves 200 pairs", counts[0] == counts[1] and (counts[0] or 0) > 0, counts)


def check_step():
    code, _, stderr = tenon("run", "--device", "cudasim", "--stats", EXAMPLE)
    found = re.search(r"launched (\d+), in batches (\d+), replayed in graphs (\d+), waits of the host (\d+)", stderr)
    expect("a training on cudasim", code == 0 and found, stderr)
    if not found:
        return
    launched, batches, replayed, waits = map(int, found.groups())
    steps = 400  # examples/xor.model
    expect("a step is one batch, with one wait", batches <= steps + 20 and waits <= steps + 20, stderr)
    expect("steps are replayed", launched > 5 * steps and replayed > 0.9 * launched, stderr)


with tempfile.TemporaryDirectory() as folder:
    check_step()
    for name, text in LOOPS.items():
        check_loop(name, text, Path(folder))
    check_pairs(Path(folder))
print(f"{len(LOOPS)} loops, 200 pairs by {served} compiled spans, {failures} failed")
sys.exit(1 if failures else 0)
