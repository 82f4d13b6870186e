#!/usr/bin/env python3
"""Runs the examples in the doc comments of the library, eager and compiled:   library_examples.py TENON STDLIB

An example is a line `##   EXPRESSION -> RESULT`; further lines of the result begin with `##    `. What
the expression prints must be the result, blanks at the ends of lines aside. Every definition with a doc comment
has one. TENON_UPDATE=1 writes what is printed into the comments, to be read and thought about.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLE = re.compile(r"^##   (\S.*?) -> (.*)$")
MORE = re.compile(r"^##    +(\S.*)$")
MARK = "=== example ==="
DEFINITION = re.compile(r"^(?:fn|model|let) (\w+)")


def examples(text):
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        if found := EXAMPLE.match(line):
            out.append([number, found.group(1), [found.group(2).strip()]])
        elif (found := MORE.match(line)) and out and out[-1][0] + len(out[-1][2]) == number:
            out[-1][2].append(found.group(1).strip())
    return out


def bare(text):
    """The definitions whose comment has no example, with their lines."""
    documented = example = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("##"):
            documented, example = True, example or bool(EXAMPLE.match(line))
            continue
        if documented and not example and (found := DEFINITION.match(line)) and not found.group(1).startswith("_"):
            yield number, found.group(1)
        documented = example = False


def written(text, found, shown):
    """The text with the results that were printed."""
    lines = text.splitlines()
    for (number, expression, wanted), new in sorted(zip(found, shown), reverse=True):
        lines[number - 1:number - 1 + len(wanted)] = [
            f"##   {expression} -> {new[0]}", *[f"##    {more}" for more in new[1:]]]
    return "\n".join(lines) + "\n"


def main():
    update = "TENON_UPDATE" in os.environ
    tenon, stdlib = os.path.abspath(sys.argv[1]), Path(sys.argv[2])
    count = failed = 0
    for file in sorted(stdlib.rglob("*.model")):
        text = file.read_text()
        found = examples(text)
        for line, name in bare(text):
            failed += 1
            print(f"{file}:{line}: {name} has no example")
        if not found:
            continue
        module = "" if text.startswith("# prelude") else f"import {file.relative_to(stdlib).with_suffix('').parts[0]}\n"
        program = module + "".join(f'print({e})\nprint("{MARK}")\n' for _, e, _ in found)
        count += len(found)
        for mode in ("eager", "graph"):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "examples.model").write_text(program)
                done = subprocess.run([tenon, "run", "--mode", mode, "examples.model"], cwd=folder, capture_output=True,
                                      text=True, timeout=300, env={**os.environ, "TENON_TIERING": "off"})
            parts = done.stdout.split(MARK + "\n")
            if done.returncode != 0:
                failed += 1
                print(f"{file}, --mode {mode}: exit code {done.returncode}\n{done.stderr}")
                continue
            printed = [[s.strip() for s in part.strip().splitlines()] for part in parts[:len(found)]]
            if update and mode == "graph":
                file.write_text(written(text, found, printed))
                continue
            for (line, expression, wanted), lines in zip(found, printed):
                if lines != wanted:
                    failed += 1
                    print(f"{file}:{line}, --mode {mode}: {expression}\n  says   {wanted}\n  prints {lines}")
    print(f"{count} examples, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
