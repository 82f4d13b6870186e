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

# The elementwise part is long enough to be a line of its own (from 1 in 2000 on), however slowly a busy
# machine compiles.
PROGRAM = """\
let a: f32[200, 200] ~ normal(0, 0.1)
fn work(a: f32[N, N]) -> f32 {
  var x = a
  for i in 0..100 {
    x = tanh(sin(x @ a) + cos(x)) + exp(-x * x)
  }
  sum(x)
}
print(work(a))
"""
TURNS = 100
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def rounded(number, unit):  # the least and the most that a printed time may stand for, in microseconds
    half = 0.51 * 10.0 ** -len(number.partition(".")[2])
    return (float(number) - half) * UNITS[unit], (float(number) + half) * UNITS[unit]


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
        rows = {}  # (what, line): microseconds at least and at most, share, calls
        found = re.search(r"^profile: ([\d.]+) (us|ms|s) in all", done.stderr, re.M)
        expect(found, f"{mode}: no time in all:\n{done.stderr}")
        least, most = rounded(*found.groups()) if found else (1.0, 1.0)
        for line in done.stderr.splitlines():
            found = re.match(r"\s*([\d.]+) (us|ms|s)\s+([\d.]+)%\s+(\d+)\s+[\d.]+ \w+\s+(\S+)\s.*p\.model:(\d+)",
                             line)
            if found:
                time, unit, share, calls, what, line_number = found.groups()
                rows[what, int(line_number)] = (*rounded(time, unit), float(share), int(calls))
        low, high, _, calls = rows.get(("product", 5), (0.0, 0.0, 0.0, 0))
        expect(calls == TURNS, f"{mode}: no {TURNS} products:\n{done.stderr}")
        for (what, line), (low_, high_, share, _) in rows.items():
            expect(100 * low_ / most - 0.06 < share < 100 * high_ / least + 0.06,
                   f"{mode}: the share of {what}:\n{done.stderr}")
        expect("GFLOP/s" in done.stderr, f"{mode}: no rate:\n{done.stderr}")
        if mode == "graph":
            expect(any(what.startswith("kernel") and line == 5 and calls >= TURNS
                       for (what, line), (_, _, _, calls) in rows.items()),
                   f"no kernel of line 5:\n{done.stderr}")
            expect("compiling" in done.stderr, done.stderr)
        with open(trace) as f:
            events = json.load(f)["traceEvents"]
        products = [e for e in events if e["name"] == "product"]
        expect(len(products) == TURNS, f"{mode}: {len(products)} products in the trace")
        traced = sum(e["dur"] for e in products)
        expect(0 < low < 1.001 * traced and traced < 1.001 * high, f"{mode}: {traced} us in the trace:\n{done.stderr}")
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
