#!/usr/bin/env python3
"""Runs every program of tests/lang and the examples on a GPU and in eager mode on the CPU, side by side, and
compares exit codes, output and messages byte for byte.

    check.py TENON [--device gpu] [--seconds N] [--jobs N] [--only TEXT] [--under COMMAND]

What the seconds do not suffice for is counted and named. --under runs the device's side under a command, as
"compute-sanitizer --error-exitcode 9"; then only its exit code is looked at."""
import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("tenon")
parser.add_argument("--device", default="gpu")
parser.add_argument("--seconds", type=float, default=500)
parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
parser.add_argument("--only", default="")
parser.add_argument("--under", default="")
options = parser.parse_args()
tenon, under = str(Path(options.tenon).resolve()), shlex.split(options.under)
root, begin = Path(__file__).resolve().parents[2], time.time()


def said(stderr):
    return "".join(line for line in stderr.decode(errors="replace").splitlines(True) if not line.startswith("stats: "))


def check(model):
    runs = []
    for how in ([] if under else [["--mode", "eager"]]) + [["--device", options.device]]:
        left = options.seconds - (time.time() - begin)
        if left < 1:
            return "no time", ""
        # What a program writes must not be there when it runs again.
        with tempfile.TemporaryDirectory() as fresh:
            try:
                done = subprocess.run((under if "eager" not in how else []) + [tenon, "run", *how, str(model)], cwd=fresh,
                                      capture_output=True, timeout=left, stdin=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                return "no time", ""
            runs.append((done.returncode, done.stdout, said(done.stderr).replace(fresh, "FOLDER")))
    there = runs[-1]
    if under:
        bad = there[0] not in (0, 1)
        return ("different", (there[1].decode(errors="replace") + there[2])[-1500:]) if bad else ("equal", "")
    host = runs[0]
    # Each device has its own memory: where it runs out, the words differ.
    same = host[:2] == there[:2] and (host[2] == there[2] or "error[E0805]" in host[2])
    return ("equal", "") if same else ("different", there[2][-500:] or "other output")


models = sorted((root / "tests/lang").rglob("*.model")) + sorted((root / "examples").glob("*.model"))
models = [m for m in models if options.only in str(m.relative_to(root))]
with ThreadPoolExecutor(options.jobs) as pool:
    outcomes = list(zip(models, pool.map(check, models)))
equal = sum(o == "equal" for _, (o, _) in outcomes)
late = [m for m, (o, _) in outcomes if o == "no time"]
different = [(m, why) for m, (o, why) in outcomes if o == "different"]
what = "end well under " + under[0] if under else "give the CPU's bytes and messages"
print(f"\n## Correctness: {equal} of {len(models)} programs {what} on {options.device}"
      f" ({time.time() - begin:.0f} s, {options.jobs} at once)")
if late:
    print(f"- no time was left for {len(late)}: " + ", ".join(str(m.relative_to(root)) for m in late[:20]))
for model, why in different:
    print(f"- {model.relative_to(root)}: {why}")
sys.exit(1 if different or not models else 0)
