#!/usr/bin/env python3
"""`tenon bench`: what it counts is known to the last operation.   bench_test.py TENON"""

import json
import os
import subprocess
import sys
import tempfile

TENON = os.path.abspath(sys.argv[1])
failures = []

# A bench per line of the table: its body, floating-point operations, bytes.
PROGRAM = """
let a = ones(8, 16)
let b = ones(16, 4)
let d = f64([1.0, 2.0, 3.0])
let table = ones(50, 4)
let ids = [1, 2, 3]
let k = [1, 2, 3, 4]
"""
CASES = {
    "product": ("a @ b", 2 * 8 * 16 * 4, 4 * (8 * 16 + 16 * 4 + 8 * 4)),
    # the same by index notation: a contraction too
    "indices": ("let c[i, j] = sum[p] a[i, p] * b[p, j]\n  c", 2 * 8 * 16 * 4, 4 * (128 + 64 + 32)),
    "sum": ("sum(a)", 128, 4 * 128 + 4),
    "elements": ("a * 2.0 + exp(a)", 128 * (1 + 1 + 8), 2 * 4 * 128),
    "double": ("sqrt(d) / 3.0", 3 * (4 + 4), 2 * 8 * 3),
    "rows": ("table[ids]", 0, 4 * 200 + 8 * 3 + 4 * 12),
    "integers": ("k * 2", 0, 2 * 8 * 4),
    "loop": ("var x = 1.0\n  for i in 0..10 { x = x * 0.5 + a[0, i] }\n  x", 20, 4 * 128 + 4),
    # the graph's own count: the product is computed once though it is written twice
    "shared": ("a @ b + a @ b", 2 * 8 * 16 * 4 + 32, 4 * (128 + 64 + 32)),
}


def expect(ok, text):
    if not ok:
        failures.append(text)


def bench(text, *options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "b.model")
        with open(path, "w") as f:
            f.write(text)
        return subprocess.run([TENON, "bench", *options, path], capture_output=True, text=True,
                              timeout=120)


text = PROGRAM + "".join(f'bench "{n}" {{\n  {body}\n}}\n' for n, (body, _, _) in CASES.items())
done = bench(text, "--json")
expect(done.returncode == 0, done.stderr)
out = json.loads(done.stdout)
expect([r["name"] for r in out["rows"]] == list(CASES), "the rows are not the blocks in order")
for row in out["rows"]:
    _, flops, moved = CASES[row["name"]]
    expect(row["flops"] == flops, f"{row['name']}: {row['flops']} operations, expected {flops}")
    expect(row["bytes"] == moved, f"{row['name']}: {row['bytes']} bytes, expected {moved}")
    expect(0 < row["best_us"] <= row["median_us"], f"{row['name']}: times {row}")
    expect(0 <= row["peak_share"] < 1, f"{row['name']}: share {row['peak_share']}")
    expect((row["peak_share"] > 0) == (flops > 0), f"{row['name']}: share {row['peak_share']}")
    expect(abs(row["gflops"] * row["median_us"] * 1e3 - flops) < 0.01 * flops + 1,
           f"{row['name']}: rate {row['gflops']}")
expect(out["peak_gflops"]["f32"] > out["peak_gflops"]["f64"] > 1, f"peak {out['peak_gflops']}")

# The table says the same, what a block prints is not shown, and an effect does not stop it.
done = bench('let a = ones(100, 100)\nbench "loud" {\n  print("no")\n  a @ a\n}\n')
expect(done.returncode == 0, done.stderr)
expect("no\n" not in done.stdout, done.stdout)
line = next((l for l in done.stdout.splitlines() if l.startswith("loud")), "")
expect(line.split()[5:9] == ["2.00", "M", "80.0", "k"], f"the row of the table: {done.stdout}")

# What a block assigns to a `var` is there for its next run, numbers included: the fourth run clears five
# of four elements, and stops. A `var` of the block itself is new in every run.
STEPS = """
var left = 3
var x = ones(4)
fn down(x: f32[4], n: int) -> f32[4] {
  var y = x
  for i in 0..n { y[i] = 0.0 }
  y
}
"""
done = bench(STEPS + 'bench "counts" {\n  left = left - 1\n  x = down(x, 4 - left)\n  sum(x)\n}\n')
expect(done.returncode == 1 and "index 4 is outside axis 0 of `y`, which has size 4" in done.stderr,
       f"a var does not go on from run to run: {done.stdout}{done.stderr}")
done = bench(STEPS + 'bench "once" {\n  left\n}\nbench "forgets" {\n  var left = 4\n  left = left - 1\n  x = down(x, left)\n}\n')
expect(done.returncode == 0, f"a var of the block itself goes on: {done.stderr}")

done = bench("let x = 1\n")
expect(done.returncode == 0 and "no `bench` block" in done.stdout, done.stdout)
expect(json.loads(bench("let x = 1\n", "--json").stdout) == {"rows": []}, "no rows in JSON")
done = bench('bench "wrong" { [1.0, 2.0] @ 3 }\n')
expect(done.returncode == 2 and "error[" in done.stderr, done.stderr)

# --filter: the one that is called so, or all that contain it.
THREE = 'bench "step" {\n  ones(3)\n}\nbench "step of two" {\n  ones(2)\n}\nbench "other" {\n  ones(1)\n}\n'
for given, want in (("step", ["step"]), ("ste", ["step", "step of two"]), ("other", ["other"])):
    done = bench(THREE, "--json", "--filter", given)
    found = [r["name"] for r in json.loads(done.stdout)["rows"]]
    expect(found == want, f"--filter {given}: {found}")
done = bench(THREE, "--times", "--json")
expect(set(json.loads(done.stdout)["rows"][0]) == {"name", "median_us", "best_us"}, done.stdout)
done = bench(THREE, "--filter", "none")
expect(done.returncode == 2 and 'there are "step", "step of two", "other"' in done.stderr, done.stderr)

print("\n".join(failures) if failures else f"bench: {len(CASES)} counts")
sys.exit(1 if failures else 0)
