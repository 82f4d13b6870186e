#!/usr/bin/env python3
"""The page docs/hosting.md: its program is examples/host/scores.cpp, which prints what the page says, and its
project finds Tenon as a folder of its own (configured only; building it is what this build has done).

    hosting_test.py EXAMPLE ROOT
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path


def block(page, kind):
    return re.search(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S).group(1)


def program(path):
    """A program without the lines that open it: comments."""
    lines = path.read_text().splitlines(keepends=True)
    while lines and re.match(r"(//|#)( |$)", lines[0]):
        lines.pop(0)
    return "".join(lines)


def main():
    example, root = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    page = (root / "docs/hosting.md").read_text()
    host = root / "examples/host"
    failed = []
    for kind, name in (("cpp", "scores.cpp"), ("tenon", "scores.model")):
        if block(page, kind) != program(host / name):
            failed.append(f"the {kind} block of docs/hosting.md is not examples/host/{name}")
    said = re.search(r"It prints (\S+) and (\S+)\. ", page).groups()
    done = subprocess.run([example], cwd=root / "examples", capture_output=True, text=True, timeout=60)
    if tuple(done.stdout.split()) != said:
        failed.append(f"it prints {done.stdout.split()}, the page says {said}\n{done.stderr}")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "CMakeLists.txt").write_text(block(page, "cmake"))
        (Path(folder) / "main.cpp").write_text(block(page, "cpp"))
        (Path(folder) / "tenon").symlink_to(root)
        done = subprocess.run(["cmake", "-B", "build", "-G", "Ninja"], cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            failed.append(f"the project of docs/hosting.md cannot be configured:\n{done.stdout}{done.stderr}")
        else:
            plan = subprocess.run(["ninja", "-C", "build", "-t", "commands", "app"], cwd=folder, capture_output=True, text=True, timeout=300)
            if plan.returncode != 0 or "libtenon_embed" not in plan.stdout:
                failed.append(f"the project does not build tenon_embed:\n{plan.stdout[-2000:]}{plan.stderr}")
    print("\n".join(failed) or "docs/hosting.md holds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
