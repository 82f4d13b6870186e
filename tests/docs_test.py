#!/usr/bin/env python3
"""Runs the programs of docs/language.md, the blocks marked ```tenon, as run_models.py runs tests/lang.

    docs_test.py TENON DOCS
"""

import re
import sys
import tempfile
from pathlib import Path

import run_models


def main():
    tenon, docs = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2])
    failed = count = 0
    for page in sorted(docs.glob("*.md")):
        text = page.read_text()
        for block in re.finditer(r"^```tenon\n(.*?)^```$", text, re.M | re.S):
            count += 1
            line = text.count("\n", 0, block.start()) + 2
            with tempfile.TemporaryDirectory() as folder:
                model = Path(folder) / "page" / f"{page.stem}_{line}.model"  # alone: its folder's neighbours are linked beside each run
                model.parent.mkdir()
                model.write_text(block.group(1) + "# compiles nothing\n")
                try:
                    run_models.check_program(tenon, model, own_folder=False)
                except run_models.Failure as failure:
                    failed += 1
                    print(f"FAILED {page}:{line}\n{failure}\n")
    print(f"{count} programs, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
