#!/usr/bin/env python3
"""Holds the #include lines to the architecture, and files to a readable size. Run by the suite.

    check_includes.py [ROOT]

Fails on: an include that follows no arrow of docs/architecture.md; a third-party header outside
its door, or in a header that others include; a C++ file of more than 800 lines.
"""

import re
import subprocess
import sys
from pathlib import Path

HARD_LIMIT = 800  # lines

# room -> the rooms whose headers it may include (itself always). The rooms of jit/ count apart.
ARROWS = {
    "support": [],
    "ir": ["support"],
    "frontend": ["support", "ir"],
    "runtime": ["support", "ir"],
    "io": ["support", "ir", "runtime"],
    "kernels": ["support", "ir", "runtime"],
    "jit": ["support", "ir", "runtime"],  # what the four have in common, in jit/ itself
    "jit/interp": ["jit", "support", "ir", "runtime", "io", "kernels"],
    "jit/plan": ["jit", "support", "ir", "runtime", "io", "kernels", "jit/loop"],
    "jit/loop": ["jit", "support", "ir", "runtime", "io", "kernels", "jit/plan"],
    "jit/llvm": ["jit", "support", "ir", "runtime", "io", "kernels", "jit/plan", "jit/loop"],
    "jit/cuda": ["jit", "support", "ir", "runtime", "io", "kernels", "jit/plan", "jit/loop"],
    "stdlib": [],
    "session": ["support", "ir", "frontend", "runtime", "io", "kernels", "jit", "jit/interp",
                "jit/plan", "jit/loop", "jit/llvm", "jit/cuda", "stdlib"],
    # embed is the whole API of the command line too; what lies below it comes through it, except
    # that the command shows syntax trees and messages, whose types are support's and frontend's.
    "embed": ["support", "session"],
    "repl": ["support", "frontend", "io", "session", "embed"],
    "examples": [],  # and <tenon/...>
    "tools": [],
}
FREE = {"tests", "bench"}  # these may look into any room

# Third parties: what their headers look like, and the only files that may include them.
DOORS = {
    "ANTLR": (r"antlr4-runtime|antlr4|Tenon(Lexer|Parser|Visitor|Listener|Base)\w*\.h",
              r"frontend/parse(_build\w*)?\.cpp|frontend/parse_build\w*\.h|grammar/.*"),
    "LLVM": (r"llvm/|llvm-c/", r"jit/llvm/\w+\.(cpp|h)"),
    "CUDA": (r"cuda|nvrtc|cublas", r"nothing: CUDA is found by dlopen"),
    "libedit": (r"histedit\.h|editline/|readline/", r"repl/\w+\.cpp"),
    "nlohmann::json": (r"nlohmann/", r"(io|session|repl)/\w+\.cpp"),
    "zlib": (r"zlib\.h", r"io/inflate\.cpp"),
    "libpng, libjpeg": (r"png\.h|jpeglib\.h", r"io/image\.cpp"),
    "GoogleTest": (r"gtest/|gmock/", r"tests/unit/.*"),
    "Boost": (r"boost/", r"runtime/\w+\.(h|cpp)|"  # intrusive_ptr: a word, not a framework
                        r"jit/cuda/sim\.cpp"),      # the fibres of the emulator
}
# Types of third parties must not be named in a header that files outside of the door can see.
FOREIGN = {"LLVM": r"\bllvm::", "ANTLR": r"\bantlr(4|cpp)::", "nlohmann::json": r"\bnlohmann::"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    parts = path.split("/")
    if parts[0] == "jit" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def files(root):
    try:
        names = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                               capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # no git here: all but build folders
        names = [str(p.relative_to(root)) for p in Path(root).rglob("*")]
        names = [n for n in names if not n.startswith((".", "build/", "build-"))]
    return sorted(n for n in set(names)
                  if n.endswith((".h", ".cpp", ".def", ".inc")) and (Path(root) / n).is_file())


def parties_of(name, lines):
    """The third parties that a header needs or names."""
    out = set()
    for line in lines:
        include = INCLUDE.match(line)
        for party, (headers, _) in DOORS.items():
            if party != "Boost" and include and re.match(headers, include.group(2)):
                out.add(party)
        for party, types in FOREIGN.items():
            if re.search(types, line.split("//")[0]):
                out.add(party)
    return out


def check(root):
    errors = []
    texts = {n: (Path(root) / n).read_text(errors="replace").splitlines() for n in files(root)}
    tainted = {n: parties_of(n, lines) for n, lines in texts.items() if n.endswith(".h")}
    for name, lines in texts.items():
        room = room_of(name)
        if room not in ARROWS and room not in FREE and room != "grammar":
            errors.append(f"{name}: no room of the architecture is called {room}")
            continue
        if len(lines) > HARD_LIMIT:
            errors.append(f"{name}: {len(lines)} lines; the limit is {HARD_LIMIT}")
        for party in sorted(tainted.get(name, ())):
            if room not in FREE and not re.fullmatch(DOORS[party][1], name):
                errors.append(f"{name}: a public header shows {party}")
        for number, line in enumerate(lines, 1):
            where = f"{name}:{number}"
            if not (include := INCLUDE.match(line)):
                continue
            quoted, target = include.group(1) == '"', include.group(2)
            for party, (headers, door) in DOORS.items():
                shown = re.match(headers, target) or party in tainted.get(target, ())
                if shown and party != "GoogleTest" and not re.fullmatch(door, name):
                    errors.append(f"{where}: {party} comes with {target} through no door ({door})")
            if room in FREE or room == "grammar":
                continue
            if target.startswith("tenon/"):
                if room not in ("embed", "repl", "examples"):
                    errors.append(f"{where}: {room} may not use the embedding interface")
            elif quoted:
                to = room_of(target)
                if target not in texts:
                    if not any(re.match(h, target) for h, _ in DOORS.values()):
                        errors.append(f"{where}: {target} is no file; includes start at the root")
                elif to != room and to not in ARROWS.get(room, []):
                    errors.append(f"{where}: {room} may not include {to} ({target})")
    return errors


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).resolve().parent.parent)
    errors = check(root)
    print("\n".join(errors) if errors else "includes: every arrow is in the architecture")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
