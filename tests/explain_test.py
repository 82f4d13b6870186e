#!/usr/bin/env python3
"""`tenon explain`: every stage that help names shows something true.   explain_test.py TENON"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TENON = os.path.abspath(sys.argv[1])
failures = []

PROGRAM = """\
model Net(inputs: int, outputs: int) {
  let fc = Linear(inputs, outputs)
  fn forward(x: f32[B, inputs]) -> f32[B, outputs] = x / 2 |> fc |> relu
}
fn spread(x: f32[N]) -> (f32, f32) {
  let low = min(x)
  (low, max(x))
}
var net = Net(4, 3)
let data = {x: ones(8, 4), y: zeros(8, 3)}
let w = 3
train net on data {
  loss(batch) = mse(net(batch.x), batch.y)
  optimizer   = adam(lr = 1e-2)
  epochs      = 2
}
print(spread([1.0, 2.0]))
bench "net" { net(data.x) }
"""

# the stage and a function, texts that must stand in this order
CASES = [
    ("ast", "", ["model Net", "train"]),
    ("types", "", ["   3  fn Net.forward(x: f32[B, 4]) -> f32[B, 3]\n",
                   "   5  fn spread(x: f32[N]) -> (f32, f32)\n",
                   "   9  var net: model Net\n        fc.weight: f32[3, 4]\n        fc.offset: f32[3]\n",
                   "  10  let data: {x: f32[8, 4], y: f32[8, 3]}\n", "  11  let w: int = 3\n"]),
    ("types", "spread", ["   5  fn spread", "   6  let low: f32\n"]),
    ("types", "forward", ["   3  fn Net.forward"]),
    ("types", "w", []),
    ("train", "", ["# line 12", "net = _train(net, data,",
                   "loss = fn(net, batch) = mse(net(batch.x), batch.y)",
                   "optimizer = fn(net, steps) = adam(net, lr = 1e-2, steps = steps)",
                   "epochs = 2", "fn _train(", "value_and_grad"]),
    ("ir", "spread", ["fn @", "reduce"]),
    ("ir-opt", "forward", ["fn @", "contract"]),
    ("plan", "forward", ["fn Net.forward", "1. one pass: mul", "x / 2",
                         "in memory: f32[B, 4], 16*B bytes",
                         "read by 2: a product reads its operands from memory",
                         "2. tiles of a matrix product: product", "layers.model:",
                         "read by 3: a product writes whole tiles",
                         "3. one pass over the elements: add, max", "a result"]),
    ("plan", "", ["product"]),
    ("loop", "forward", ["kernel"]),
    ("llvm", "forward", ["define"]),
    ("asm", "forward", ["ret"]),
]


def explain(stage, function):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "p.model")
        with open(path, "w") as f:
            f.write(PROGRAM)
        words = [TENON, "explain", "--emit", stage, path] + ([function] if function else [])
        return subprocess.run(words, capture_output=True, text=True, timeout=120)


for stage, function, texts in CASES:
    done = explain(stage, function)
    if (stage, function) == ("types", "w"):
        if done.returncode != 2 or "`w` is a value" not in done.stderr:
            failures.append(f"types of a value: {done.stdout}{done.stderr}")
        continue
    at = 0
    for text in texts:
        found = done.stdout.find(text, at)
        if found < 0:
            failures.append(f"--emit={stage} {function} lacks {text!r}:\n{done.stdout}{done.stderr}")
            break
        at = found + len(text)

done = explain("ir", "sprad")
if "did you mean `spread`?" not in done.stderr:
    failures.append(done.stderr)
done = explain("plan", "w")
if "`w` is a value" not in done.stderr or done.returncode != 2:
    failures.append(done.stderr)


# The programs in the stories of the codes: one with `# E0301` ends with that code, the others run.
def programs(text):
    out, lines = [], []
    for line in [*text.splitlines(), "end"]:
        if line.startswith("    ") or (not line and lines):
            lines.append(line[4:])
        elif lines:
            out.append("\n".join(lines).rstrip() + "\n")
            lines = []
    # a wrong program and the right one behind it stand side by side, a blank line apart
    return [p + "\n" for whole in out for p in whole.rstrip().split("\n\n")]


count = 0
for code in re.findall(r"^CODE\((E\d{4})", (Path(__file__).parent.parent / "support/codes.def").read_text(), re.M):
    story = subprocess.run([TENON, "explain", code], capture_output=True, text=True, timeout=60).stdout
    if not story.startswith(code + ": "):
        failures.append(f"explain {code}: {story}")
    for program in programs(story):
        count += 1
        wanted = re.findall(r"# (E\d{4})", program)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "story.model").write_text(program)
            done = subprocess.run([TENON, "run", "--mode", "eager", "story.model"], cwd=folder, capture_output=True,
                                  text=True, timeout=60)
        shown = re.findall(r"^error\[(E\d{4})\]", done.stderr, re.M)
        if shown != wanted or (done.returncode == 0) != (not wanted):
            failures.append(f"the story of {code}:\n{program}{done.stdout}{done.stderr}")
if count < 50:
    failures.append(f"only {count} programs were found in the stories")

print("\n\n".join(failures) if failures else f"explain: {len(CASES) + 2} cases, {count} programs in stories")
sys.exit(1 if failures else 0)
