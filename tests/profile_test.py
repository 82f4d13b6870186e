#!/usr/bin/env python3
"""`tenon run --profile` and `--trace`, in both modes.   profile_test.py TENON"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TENON = os.path.abspath(sys.argv[1])
failures = []

PROGRAM = """\
let a: f32[300, 300] ~ normal(0, 1)
fn work(a: f32[N, N]) -> f32 {
  var x = a
  for i in 0..20 {
    x = tanh(x @ a) + 0.5
  }
  sum(x)
}
print(work(a))
"""


def expect(ok, text):
    if not ok:
        failures.append(text)


with tempfile.TemporaryDirectory() as folder:
    path, trace = os.path.join(folder, "p.model"), os.path.join(folder, "t.json")
    with open(path, "w") as f:
        f.write(PROGRAM)

    def run(*options):
        return subprocess.run([TENON, "run", path, *options], capture_output=True, text=True,
                              timeout=120, env={**os.environ, "TENON_TIERING": "off"})

    plain = run()
    expect(plain.stderr == "", f"without --profile: {plain.stderr}")
    for mode in ("eager", "graph"):
        done = run("--mode", mode, "--profile", "--trace", trace)
        expect(done.returncode == 0, done.stderr)
        expect(done.stdout == plain.stdout, f"{mode}: a profile changes what is printed")
        rows = {}
        for line in done.stderr.splitlines():
            found = re.match(r"\s*([\d.]+ (?:us|ms|s))\s+([\d.]+)%\s+(\d+)\s+[\d.]+ \w+\s+(\S+)\s.*p\.model:(\d+)",
                             line)
            if found:
                rows[found.group(4), int(found.group(5))] = (float(found.group(2)), int(found.group(3)))
        expect(rows.get(("product", 5), (0, 0))[1] == 20, f"{mode}: no 20 products:\n{done.stderr}")
        expect(rows.get(("product", 5), (0, 0))[0] > 5, f"{mode}: the products take no time:\n{done.stderr}")
        expect("GFLOP/s" in done.stderr, f"{mode}: no rate:\n{done.stderr}")
        if mode == "graph":
            expect(any(what.startswith("kernel") and line == 5 and calls >= 20
                       for (what, line), (_, calls) in rows.items()),
                   f"no kernel of line 5:\n{done.stderr}")
            expect("compiling" in done.stderr, done.stderr)
        with open(trace) as f:
            events = json.load(f)["traceEvents"]
        products = [e for e in events if e["name"] == "product"]
        expect(len(products) == 20, f"{mode}: {len(products)} products in the trace")
        expect(all(e["ph"] == "X" and e["dur"] > 0 and e["args"]["place"].endswith("p.model:5")
                   for e in products), f"{mode}: {products[:1]}")
        expect(all(a["ts"] + a["dur"] <= b["ts"] + 0.01 for a, b in zip(products, products[1:])),
               f"{mode}: the products overlap")

    # Names of compiled code, for perf and for gdb.
    process = subprocess.Popen([TENON, "run", path, "--code-names"], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "TENON_TIERING": "off"})
    stdout = process.communicate(timeout=120)[0]
    names = f"/tmp/perf-{process.pid}.map"
    expect(stdout == plain.stdout, f"names change what is printed: {stdout}")
    with open(names) as f:
        lines = [line.split(" ", 2) for line in f.read().splitlines()]
    os.remove(names)
    expect(all(int(begin, 16) > 0 and int(size, 16) > 0 for begin, size, _ in lines), f"{lines}")
    expect(any(re.match(r"kernel\d+ p\.model:5\b", name) for _, _, name in lines), f"no kernel of line 5: {lines}")
    expect(any("main.span" in name for _, _, name in lines), f"no function: {lines}")
    if shutil.which("gdb"):
        done = subprocess.run(["gdb", "-nx", "-batch", "-ex", "catch syscall exit_group", "-ex", "run", "-ex", "info proc",
                               "-ex", "info functions p[.]model", "--args", TENON, "run", path, "--code-names"],
                              capture_output=True, text=True, timeout=300, env={**os.environ, "TENON_TIERING": "off"})
        if ran := re.search(r"^process (\d+)", done.stdout, re.M):  # else it may not trace here
            os.remove(f"/tmp/perf-{ran.group(1)}.map")
            expect(re.search(r"kernel\d+ p\.model:5\b", done.stdout), f"gdb: {done.stdout}{done.stderr}")

print("\n".join(failures) if failures else "profile: both modes")
sys.exit(1 if failures else 0)
