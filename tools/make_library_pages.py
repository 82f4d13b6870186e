#!/usr/bin/env python3
"""Writes docs/library/*.md from what the library says of itself:

    make_library_pages.py TENON [--check] [ROOT]

`tenon doc --markdown` gives all pages; this cuts them apart. The index counts what tests/oracle compares with
PyTorch, SciPy or scikit-learn. With --check it writes nothing and fails when a page is not what the library says.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

CONSTANTS = ("pi", "inf", "nan")
NOTE = "\n<!-- made by tools/make_library_pages.py from the comments in stdlib/ -->\n"


def oracle(root):
    spec = importlib.util.spec_from_file_location("oracle", root / "tests/oracle/make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    return make


def edges(root, pages):
    """The page of functions by edges, and of what differs from PyTorch there."""
    make = oracle(root)
    have, differs = make.edges()
    lines = ["# Edges", "", "What the functions give where there is nothing, one element or equal ones; for NaN, infinities and zeros; outside of what is defined, for very",
             "large numbers, and for singular matrices. A mark says that `tests/oracle/edges_*.model` compares it, values and the gradients that are defined, with PyTorch,",
             "NumPy or SciPy in both modes. A function without a mark fails the suite. NaN comes through, unless something else is said.", "",
             "## Where we differ from PyTorch on purpose", ""]
    lines += [f"- `{d.partition(':')[0]}`:{d.partition(':')[2]}" for d in sorted(differs)]
    for file, body in pages.items():
        names = [n for n in re.findall(r"^## (\S+)$", body, re.M) if n.rpartition(".")[2] in have]
        if not names or file == "statements.md":
            continue
        lines += ["", f"## {body.splitlines()[0].removeprefix('# ')}", "", "| | " + " | ".join(make.KINDS) + " |", "|---" * (len(make.KINDS) + 1) + "|"]
        lines += [f"| `{n}` | " + " | ".join("x" if k in have[n.rpartition('.')[2]] else "" for k in make.KINDS) + " |" for n in names]
    return "\n".join(lines) + "\n" + NOTE


def compared(root, pages):
    """How many of the names are compared with another library, and which are not."""
    make = oracle(root)
    have = make.covered()
    names = [n for file, body in pages.items() if file != "statements.md"  # words, not functions
             for n in re.findall(r"^## (\S+)$", body, re.M)]
    bare = {n: n.rpartition(".")[2] for n in names}
    missing = [n for n in names if bare[n] not in have and bare[n] not in CONSTANTS]
    cases = sum(count for name, count in have.items() if name in bare.values())
    return [f"{len(names)} names. {len(names) - len(missing) - len(CONSTANTS)} functions and layers are compared with what PyTorch, SciPy or scikit-learn give,",
            f"values and gradients (of draws: their distribution), eager and compiled, in {cases} cases ([tests/oracle](../../tests/oracle/README.md)); {len(CONSTANTS)} are constants.",
            f"{len(missing)} have no counterpart there, since they read, write, show or ask what a value is; `tests/lang` and `tests/files` check them:",
            ", ".join(f"`{n}`" for n in missing) + ".", "",
            "What they give at the edges (nothing, ties, NaN ..), and where that is not what PyTorch gives: [edges.md](edges.md).", ""]


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    root = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).resolve().parent.parent
    text = subprocess.run([arguments[0], "doc", "--markdown"], capture_output=True, text=True,
                          check=True).stdout
    parts = re.split(r"^<!-- page (\S+) -->\n", text, flags=re.M)[1:]
    pages = {name.replace("/", "_") + ".md": body.rstrip() + "\n" + NOTE
             for name, body in zip(parts[::2], parts[1::2])}
    index = ["# The library", "", "What a program may use without defining it. `tenon doc NAME` "
             "shows one entry, `tenon doc` lists all. Every definition in `stdlib/` has an example that the suite runs.", "",
             *compared(root, pages)]
    for file, body in pages.items():
        title = body.splitlines()[0].removeprefix("# ")
        names = re.findall(r"^## (\S+)$", body, re.M)
        index.append(f"- [{title}]({file}): {', '.join(names)}")
    pages["edges.md"] = edges(root, pages)
    pages["README.md"] = "\n".join(index) + "\n" + NOTE
    folder = root / "docs/library"
    if "--check" in sys.argv:
        have = {p.name: p.read_text() for p in folder.glob("*.md")}
        for name in sorted(have.keys() | pages.keys()):
            if have.get(name) != pages.get(name):
                print(f"docs/library/{name} is not what the library says: run "
                      "tools/make_library_pages.py build/tenon")
                return 1
        return 0
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, body in pages.items():
        (folder / name).write_text(body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
