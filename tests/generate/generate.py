#!/usr/bin/env python3
"""Random programs of the whole language, and what must hold for each of them (laws.py):

    generate.py TENON IR_IDENTITY [--count N] [--seed S] [--jobs J] [--keep FOLDER]

Eager and graph, with one thread and three, print the same bytes; derivatives are the limits of
differences; the IR's text is read back to the same text; the formatter is idempotent and changes no
tree. A program that fails is cut down and printed; the run ends with code 1. Without --seed a new
one is taken, and printed: the same seed writes the same programs.

    generate.py --show SEED      prints a program and does nothing else
"""

import argparse
import random
import re
import secrets
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from laws import Failure, Laws
from shrink import shrink
from tree import Layout, render
from writer import Writer


def write(seed):
    source = random.Random(seed)
    dtype = source.choice(["f64"] * 8 + ["f32", "f16", "bf16"])
    sizes = source.choice([(5, 3), (4, 4), (1, 2), (3, 1), (7, 2), (17, 9), (70, 3)])
    order = 2 if source.random() < 0.25 else 1
    return Writer(source, dtype).program(sizes, order)


class Run:
    def __init__(self, options, folder):
        self.laws = Laws(str(Path(options.tenon).resolve()), str(Path(options.ir_identity).resolve()), folder)
        self.options, self.lock, self.failed = options, threading.Lock(), 0

    def outcome(self, program, name, seed, all_legs, only=None):
        try:
            self.laws.check(name, render(program), render(program, Layout(random.Random(seed))), all_legs, only)
        except Failure as failure:
            return failure
        return None

    def one(self, number):
        seed = f"{self.options.seed}.{number}"
        if self.failed >= self.options.failures:
            return
        program = write(seed)
        failure = self.outcome(program, f"p{number}", seed, number % 4 == 0)
        if failure is None:
            return
        with self.lock:
            self.failed += 1
        kind = failure.kind
        before = len(render(program).splitlines())
        if not self.options.no_shrink:
            def still_fails(smaller):
                found = self.outcome(smaller, f"s{number}", seed, number % 4 == 0, kind)
                return found is not None and found.kind == kind
            shrink(program, still_fails)
            failure = self.outcome(program, f"s{number}", seed, number % 4 == 0) or failure
        with self.lock:
            print(f"\nFAILED {seed}: {kind} (cut from {before} lines)\n{failure.text}\n--- program\n{render(program)}---",
                  flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tenon", nargs="?")
    parser.add_argument("ir_identity", nargs="?")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", type=int, default=5)
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--show", default=None)
    options = parser.parse_args()
    if options.show is not None:
        print(render(write(options.show)), end="")
        return 0
    options.seed = options.seed or str(secrets.randbelow(10**6))
    print(f"seed {options.seed}, {options.count} programs", flush=True)
    start = time.time()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options, folder)
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(run.one, range(options.first, options.first + options.count)))
        laws = run.laws
    print(f"{options.count} programs in {time.time() - start:.1f} s, {run.failed} failed; "
          f"{laws.compared} derivatives compared with differences, {laws.skipped} too near a kink")
    if run.failed == 0 and laws.compared < 2 * laws.skipped:
        print("too many of the derivatives were not compared")
        return 1
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
