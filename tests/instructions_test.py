#!/usr/bin/env python3
"""How many instructions programs take, compared with what is stored: times are too noisy to be tested.

    instructions_test.py TENON        TENON_UPDATE=1 stores what is counted, for review

Each program of tests/instructions takes a number of turns; what a turn takes is the difference of two runs,
so that neither starting nor compiling counts, which are rows of their own. Valgrind's callgrind counts. It
knows no AVX-512, so what is seen is the code for x86-64-v3, on one thread. A count that has moved
by more than 4 % fails, in either direction: a gain is to be stored, or a later loss would not be seen.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "instructions"
STORED = FOLDER / "counts.json"
ROWS = [  # program, mode, the turns of two runs: far enough apart for the start, which varies by some 25,000
    ("mlp", "graph", (4, 16)),
    ("mlp", "eager", (4, 16)),
    ("convolution", "graph", (2, 10)),
    ("attention", "graph", (2, 10)),
    ("lstm", "graph", (2, 8)),
    ("rows", "graph", (4, 24)),
    ("newton", "graph", (50, 450)),
    ("calls", "eager", (20, 100)),
]
SPREAD = 0.04


def count(command, folder):
    """The instructions of a command, by callgrind."""
    environment = dict(os.environ, TENON_CACHE=f"{folder}/cache")
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind.out"] + command,
                          capture_output=True, text=True, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return int(found.group(1))


def measure(tenon):
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        counts["start"] = count([tenon, "-e", "1 + 1", "--threads", "1"], folder)
        counts["check mlp"] = count([tenon, "check", str(FOLDER / "mlp.model"), "--", "4"], folder)
        for program, mode, turns in ROWS:
            def command(n):
                return [tenon, "run", "--mode", mode, "--cpu", "x86-64-v3", "--threads", "1",
                        str(FOLDER / f"{program}.model"), "--", str(n)]
            for n in turns:  # the code is on disk afterwards
                subprocess.run(command(n), check=True, stdout=subprocess.DEVNULL,
                               env=dict(os.environ, TENON_CACHE=f"{folder}/cache"))
            few, many = (count(command(n), folder) for n in turns)
            counts[f"{program}, {mode}, a turn"] = (many - few) // (turns[1] - turns[0])
    return counts


def main():
    if not shutil.which("valgrind"):
        print("there is no valgrind here; ./dev test installs it")
        sys.exit(77)
    counts = measure(sys.argv[1])
    if os.environ.get("TENON_UPDATE"):
        STORED.write_text(json.dumps(counts, indent=2) + "\n")
    stored = json.loads(STORED.read_text())
    failed = 0
    if set(stored) != set(counts):
        sys.exit(f"counted: {sorted(counts)}, stored: {sorted(stored)}: TENON_UPDATE=1 stores them anew")
    for name, now in counts.items():
        moved = now / stored[name] - 1
        wrong = abs(moved) > SPREAD
        failed += wrong
        print(f"{'WRONG ' if wrong else ''}{name}: {now} instructions, {moved:+.1%} of what is stored")
    if failed:
        sys.exit(f"{failed} of {len(counts)} have moved by more than {SPREAD:.0%}. Where that is meant, store the new counts:\n"
                 f"    TENON_UPDATE=1 python3 {Path(__file__).name} TENON")


main()
