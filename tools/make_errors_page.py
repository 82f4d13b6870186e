#!/usr/bin/env python3
"""Writes docs/errors.md from support/codes.def and support/stories.def:   make_errors_page.py [--check] [ROOT]

With --check it writes nothing and fails when the page is not what the table says.
"""

import re
import sys
from pathlib import Path

ROW = re.compile(r'CODE\((E\d{4}),\s*"((?:[^"\\]|\\.)*)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
PART = re.compile(r'"((?:[^"\\]|\\.)*)"')
STORY = re.compile(r'^STORY\((E\d{4}), R"\(\n(.*?)\)"\)$', re.M | re.S)
GROUPS = {"E01": "Syntax", "E02": "Names", "E03": "Sizes and shapes", "E04": "Types",
          "E05": "Derivatives", "E06": "Models and training", "E07": "Effects",
          "E08": "Run time: numbers and indices", "E09": "Files and data",
          "E10": "The command line and the machine"}


def page(table, stories, example):
    out = ["# Messages", "",
           "Every message of Tenon has a code. This page is made from `support/codes.def` and `stories.def` by "
           "`tools/make_errors_page.py`; `tenon explain E0301` prints one of its entries.", "",
           "A message says what is wrong, where, and what it has to do with other places; the hint is one way out.", "",
           "```", example.rstrip(), "```", "",
           "A program that is wrong ends with code 2, data and files that are wrong with code 1. In the programs below "
           "a comment such as `# E0301` marks the line that ends with this code; those without one run.", ""]
    group = None
    more = dict(STORY.findall(stories))
    for code, title, parts in ROW.findall(table):
        story = "".join(PART.findall(parts)).replace('\\"', '"').replace("\\\\", "\\")
        if code[:3] != group:
            group = code[:3]
            out += [f"## {GROUPS[group]}", ""]
        out += [f"### {code}: {title}", "", story, ""]
        out += [more[code], ""] if code in more else []
    return "\n".join(out)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    stories = (root / "support/stories.def").read_text()
    if stories.count("\nSTORY(") != len(STORY.findall(stories)):
        sys.exit("support/stories.def has a row that this program cannot read")
    text = page((root / "support/codes.def").read_text(), stories,
                (root / "tests/errors/sizes/both_grow.expected").read_text())
    target = root / "docs/errors.md"
    if "--check" in sys.argv:
        if not target.exists() or target.read_text() != text:
            print("docs/errors.md is not what support/codes.def and stories.def say: run tools/make_errors_page.py")
            return 1
        return 0
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
