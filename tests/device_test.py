#!/usr/bin/env python3
"""What a device other than the CPU does with its memory, on cudasim.  device_test.py TENON

Memory that runs out is an error of the run that names the largest tensors and what would fit; what fits in
less than all that might be made still runs; and the host waits no more often than it has to."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

tenon = Path(sys.argv[1]).resolve()

LARGE = """
fn two(x: f32[N, M]) -> f32[N] {
  let y = sort(x, axis = 1)
  let z = sort(transpose(x) * 2.0, axis = 1)
  sum(y * transpose(z), axis = 1)
}
let x = reshape(cast(arange(600 * 1000) % 97, f32), 600, 1000)
print(sum(two(x)))
"""
# Of the two branches one is taken, and the other would not fit.
BRANCHES = """
fn either(x: f32[N], wide: bool) -> f32 {
  if wide {
    let a[i, j] = x[i] * x[j]
    sum(sort(reshape(a, -1))) + 0.0
  } else { sum(sort(x)) }
}
let x = cast(arange(3000) % 7, f32)
print(either(x, sum(x) < 0))
"""
STEPS = """
fn step(x: f32[N, N], w: f32[N, N]) -> f32[N, N] = tanh(x @ w) + x * 0.5
let w: f32[12, 12] ~ normal(0, 1)
var x = zeros(12, 12) + 0.1
for i in 0..60 { x = step(x, w) }
print(sum(x) == sum(x))
"""


# Elements that lie 64 apart, and a matrix that is turned in shared memory.
APART = """
let x = reshape(cast(arange(4096) % 97, f32), 64, 64)
print(sum(x[.., 3]))
print(sum(concat(transpose(x), transpose(x), axis = 1)[.., 7]))
"""


def run(text, memory=None, code=0, **more):
    with tempfile.NamedTemporaryFile("w", suffix=".model") as f:
        f.write(text)
        f.flush()
        env = {**os.environ, "TENON_SIM_ARENA": "on", **more}
        if memory:
            env["TENON_SIM_MEMORY"] = str(memory)
        done = subprocess.run([tenon, "run", "--device", "cudasim", "--stats", f.name], env=env, capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"memory {memory}: exit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def expect(good, what):
    if not good:
        sys.exit(f"not as expected: {what}")


def number(name, said):
    line = next(line for line in said.splitlines() if line.startswith("stats: device "))
    return int(re.search(rf"{name} (\d+)", line).group(1))


out, said = run(LARGE)
expect(number("largest arena", said) > 1000 and number("tensors planned", said) > 2, said)
_, said = run(LARGE, memory=8, code=1)
expect("error[E0805]" in said and "MiB are asked for on the GPU" in said and "600" in said, said)
expect(re.search(r"the largest tensors are .*, .* and f32\[600, 1000\]", said) and re.search(r"\d+ % of it would fit", said), said)
_, said = run(LARGE, memory=1, code=1)
expect(re.search(r"the largest tensor is \w+\[600", said), said)
expect(run(LARGE, memory=200)[0] == out, "enough memory changes nothing")

out, said = run(BRANCHES)
small, said = run(BRANCHES, memory=10)
expect(small == out and number("largest arena", said) == 0, "what is not made needs no memory: " + said)

_, said = run(STEPS)
expect(number("waits of the host", said) <= 3, "a loop of steps does not wait: " + said)

# What accesses would cost: a sector for each of 64 elements that 8 would hold; a turn of the banks for each line.
with tempfile.NamedTemporaryFile("r") as counts:
    run(APART, TENON_SIM_COUNT=counts.name)
    counted = {line.split("@")[0]: [int(n) for n in re.findall(r" (\d+)", line)] for line in counts}
sums = next(numbers for kernel, numbers in counted.items() if kernel.startswith("tn_reduce_run"))
expect(sums[2] > 4 * sums[3], f"elements far apart take a sector each: {counted}")
turned = next(numbers for kernel, numbers in counted.items() if kernel.startswith("tn_transpose"))
expect(turned[5] == turned[6] > 0 and turned[2] == turned[3], f"tiles have no bank conflicts: {counted}")
