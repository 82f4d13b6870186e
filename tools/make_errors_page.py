#!/usr/bin/env python3
"""Writes docs/errors.md from support/codes.def:   make_errors_page.py [--check] [ROOT]

With --check it writes nothing and fails when the page is not what the table says.
"""

import re
import sys
from pathlib import Path

ROW = re.compile(r'CODE\((E\d{4}),\s*"((?:[^"\\]|\\.)*)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
PART = re.compile(r'"((?:[^"\\]|\\.)*)"')
GROUPS = {"E01": "Syntax", "E02": "Names", "E03": "Sizes and shapes", "E04": "Types",
          "E05": "Derivatives", "E06": "Models and training", "E07": "Effects",
          "E08": "Run time: numbers and indices", "E09": "Files and data",
          "E10": "The command line and the machine"}


def page(table, examples):
    out = ["# Messages", "",
           "Every message of Tenon has a code. This page is made from `support/codes.def` by "
           "`tools/make_errors_page.py`; `tenon explain E0301` prints one of its entries.", "",
           "A program that is wrong ends with code 2, data and files that are wrong with code 1.", ""]
    group = None
    for code, title, parts in ROW.findall(table):
        story = "".join(PART.findall(parts)).replace('\\"', '"').replace("\\\\", "\\")
        if code[:3] != group:
            group = code[:3]
            out += [f"## {GROUPS[group]}", ""]
        out += [f"### {code}: {title}", "", story, ""]
        if code in examples:
            out += ["```", examples[code].rstrip(), "```", ""]
    return "\n".join(out)


def shortest_examples(folder):
    """A message of each code, from the suite: the shortest that says one thing."""
    best = {}
    for file in sorted(folder.rglob("*.expected")):
        text = file.read_text(encoding="utf-8", errors="replace")
        codes = re.findall(r"^error\[(E\d{4})\]", text, re.M)
        if len(codes) != 1 or max(map(len, text.splitlines())) > 130:
            continue
        if codes[0] not in best or len(text) < len(best[codes[0]]):
            best[codes[0]] = text
    return best


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    text = page((root / "support/codes.def").read_text(), shortest_examples(root / "tests/errors"))
    target = root / "docs/errors.md"
    if "--check" in sys.argv:
        # The examples come from the suite and may grow shorter there: only the table counts.
        bare = lambda page: re.sub(r"\n```\n.*?\n```\n", "", page, flags=re.S)
        if not target.exists() or bare(target.read_text()) != bare(text):
            print("docs/errors.md is not what support/codes.def says: run tools/make_errors_page.py")
            return 1
        return 0
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
