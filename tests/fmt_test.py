#!/usr/bin/env python3
"""The .model files of the project are in the standard form, and bringing a program into it changes
no program.   fmt_test.py TENON ROOT

Every file of stdlib, examples, bench and tests (but for tests/errors, whose layout is part of the
mistake, and what tests/oracle/make.py writes) must pass `tenon fmt --check`. All that parse, those
of tests/errors too, must have the same syntax tree behind `tenon fmt`, and formatting them again
must change nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TENON, ROOT = os.path.abspath(sys.argv[1]), Path(sys.argv[2]).resolve()
FOLDERS = ["stdlib", "examples", "bench", "tests"]
failures = []


def tenon(*words):
    return subprocess.run([TENON, *map(str, words)], capture_output=True, text=True,
                          errors="replace", timeout=300)


files = sorted(f for folder in FOLDERS for f in (ROOT / folder).rglob("*.model"))
tidy = [f for f in files
        if not {"errors", "oracle", "fuzz"} & set(f.relative_to(ROOT).parts)
        and "expect format" not in f.read_text(errors="replace")]
done = tenon("fmt", "--check", *tidy)
if done.returncode != 0:
    failures.append("not in the standard form (run `tenon fmt` on them):\n" + done.stdout + done.stderr)

with tempfile.TemporaryDirectory() as folder:
    copies = {}
    for i, f in enumerate(files):
        copy = Path(folder) / f"{i}.model"
        shutil.copyfile(f, copy)
        copies[copy] = f
    trees = {}
    for copy in copies:
        before = tenon("explain", "--emit=ast", copy)
        if before.returncode == 0:
            trees[copy] = before.stdout
    tenon("fmt", *trees)
    texts = {copy: copy.read_bytes() for copy in trees}
    again = tenon("fmt", "--check", *trees)
    for line in again.stdout.splitlines():
        failures.append(f"formatting twice changes {copies.get(Path(line), line)}")
    for copy, tree in trees.items():
        if tenon("explain", "--emit=ast", copy).stdout != tree:
            failures.append(f"formatting changes the program {copies[copy]}")

print("\n".join(failures) if failures else f"fmt: {len(tidy)} in the standard form, {len(trees)} kept their tree")
sys.exit(1 if failures else 0)
