"""What must hold for every generated program. check() gives the first thing that does not, as a
Failure whose `kind` stays the same while the program is cut down."""

import math
import os
import re
import struct
import subprocess
from pathlib import Path

TIMEOUT = 300  # seconds; the programs take well under one, on a machine of their own


TEXT_KINDS = ("explain", "ir text", "layout", "fmt", "fmt changes the tree", "fmt twice", "ast")


class Failure(Exception):
    def __init__(self, kind, text):
        super().__init__(text)
        self.kind, self.text = kind, text


class Skipped(Exception):
    """Differences say nothing here: a kink is near, or numbers are not finite."""


def command(arguments, folder):
    try:
        done = subprocess.run(arguments, cwd=folder, capture_output=True, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, env={**os.environ, "TENON_TIERING": "off"})
    except subprocess.TimeoutExpired:
        raise Failure("hang", f"{' '.join(arguments)}: still running after {TIMEOUT} s")
    stderr = done.stderr.decode(errors="replace")
    # The address sanitizer says once that a program has stacks of its own.
    stderr = re.sub(r"==\d+==WARNING: ASan doesn't fully support makecontext.*\n", "", stderr)
    if done.returncode not in (0, 1, 2):
        said = re.search(r"internal error: (.*)", stderr)
        raise Failure(f"crash {said.group(1) if said else ''}", f"{' '.join(arguments)}: exit code {done.returncode}\n{stderr}")
    return done.returncode, done.stdout.decode(errors="replace"), stderr


def said_by(stderr):
    """The messages but for names and numbers: a program that is cut down keeps them."""
    lines = re.findall(r"error\[E\d{4}\]: .*", stderr)
    return " ".join(sorted({re.sub(r"`[^`]*`|\d+", "_", line.split("error", 1)[1]) for line in lines}))


class Laws:
    def __init__(self, tenon, ir_identity, folder):
        # ir_identity: the program that reads IR and prints it again; the sweep needs none.
        self.tenon, self.ir_identity, self.folder = tenon, ir_identity, Path(folder)
        self.compared = self.skipped = 0

    # ---- every law in turn

    def check(self, name, plain, messy, all_legs, only=None):
        """`plain` and `messy` are the same program in two layouts. `only` is the kind of a failure:
        what cannot fail in this way is left out."""
        path = self.folder / f"{name}.model"
        path.write_text(plain)
        of_text = only is not None and only.startswith(TEXT_KINDS)
        if not of_text:
            legs = [("eager", 1), ("eager", 3), ("graph", 3)] + ([("graph", 1)] if all_legs else [])
            output = self.same_bytes(path, legs)
            self.derivatives(output)
        if only is None or of_text:
            self.ir_prints_and_parses(path)
            self.format_keeps(name, plain, messy)

    def same_bytes(self, path, legs):
        first = None
        for mode, threads in legs:
            arguments = [self.tenon, "run", "--mode", mode, "--threads", str(threads), path.name]
            code, stdout, stderr = command(arguments, self.folder)
            if code == 2:
                raise Failure(f"refused {said_by(stderr)}", stderr)
            if "internal error" in stderr:
                raise Failure("internal error", stderr)
            found = (code, stdout, stderr)
            if first is None:
                first = found
            elif found != first:
                raise Failure("other bytes", f"--mode {mode} --threads {threads}: exit code {code}"
                              f" after {first[0]}\n" + difference(first, found))
        return first[1]

    def derivatives(self, output):
        """Each `slope G forward F` with its three `difference h low high` lines: G and F are the
        same number in reverse and in forward mode, and both are the limit of the differences.
        Tolerance: 1e-6 of the sizes involved, plus ten times what the extrapolations differ by."""
        found = []
        for line in output.splitlines():
            words = line.split()
            if words[:1] == ["slope"]:
                found.append((float(words[1]), float(words[3]), []))
            elif words[:1] == ["difference"]:
                found[-1][2].append(tuple(map(float, words[1:])))
        for slope, forward, lines in found:
            size = 1 + abs(slope)
            if not math.isfinite(slope) and not math.isfinite(forward):
                self.skipped += 1
                continue
            if not abs(slope - forward) <= 1e-8 * size:
                raise Failure("modes differ", f"reverse mode gives {slope}, forward mode {forward}")
            if len(lines) < 3:
                continue  # the run ended before, which same_bytes has compared
            values = [v for _, low, high in lines for v in (low, high)]
            if not all(map(math.isfinite, values)):
                self.skipped += 1
                continue
            central = [(high - low) / (2 * h) for h, low, high in lines]
            better = [(4 * b - a) / 3 for a, b in zip(central, central[1:])]
            size += max(map(abs, values))
            unsure = abs(better[0] - better[1]) + 1e-12 * size / lines[-1][0]
            # At a kink in the middle all differences agree on the mean of the slopes at its sides;
            # there the values at -h, h and the slope do not lie on one curve.
            bends = [high + low for _, low, high in lines]
            second = [(bends[0] - b) / (lines[0][0] ** 2 - h ** 2) for (h, _, _), b in zip(lines[1:], bends[1:])]
            if unsure > 1e-4 * size or abs(second[0] - second[1]) > 1e-2 * (1 + max(map(abs, second))) + 1e-9 * size / lines[-1][0] ** 2:
                self.skipped += 1
                continue
            self.compared += 1
            if not abs(slope - better[1]) <= 1e-6 * size + 10 * unsure:
                raise Failure("wrong derivative",
                              f"the derivative is {slope}, differences tend to {better[1]}\n{lines}")

    def ir_prints_and_parses(self, path):
        code, text, stderr = command([self.tenon, "explain", "--emit=ir", path.name], self.folder)
        if code != 0:
            raise Failure(f"explain {said_by(stderr)}", stderr)
        file = path.with_suffix(".ir")
        file.write_text(text)
        code, _, stderr = command([self.ir_identity, file.name], self.folder)
        if code != 0:
            raise Failure("ir text", stderr)

    def format_keeps(self, name, plain, messy):
        """The formatter puts both layouts into one, which is its own, and neither it nor the layout
        changes the tree."""
        files = [self.folder / f"{name}_{kind}.model" for kind in ("plain", "messy")]
        for file, text in zip(files, (plain, messy)):
            file.write_text(text)
        trees = [self.tree(f) for f in files]
        if trees[0] != trees[1]:
            raise Failure("layout", "two layouts of one program have different trees\n"
                          + difference(("", trees[0], ""), ("", trees[1], "")))
        names = [f.name for f in files]
        code, _, stderr = command([self.tenon, "fmt", *names], self.folder)
        if code != 0:
            raise Failure("fmt", stderr)
        for file in files:
            tree = self.tree(file)
            if tree != trees[0]:
                raise Failure("fmt changes the tree", difference(("", trees[0], ""), ("", tree, "")))
        once = [f.read_text() for f in files]
        command([self.tenon, "fmt", *names], self.folder)
        for before, file in zip(once, files):
            if file.read_text() != before:
                raise Failure("fmt twice", difference(("", before, ""), ("", file.read_text(), "")))

    def tree(self, file):
        code, text, stderr = command([self.tenon, "explain", "--emit=ast", file.name], self.folder)
        if code != 0:
            raise Failure("ast", stderr)
        return text


def difference(a, b):
    import difflib
    lines = []
    for x, y in zip(a[1:], b[1:]):
        lines += difflib.unified_diff(x.splitlines(), y.splitlines(), lineterm="", n=1)
    return "\n".join(lines[:40])
