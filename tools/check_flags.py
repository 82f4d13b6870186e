#!/usr/bin/env python3
"""Law 1 in the build: every C++ file is compiled with -ffp-contract=off and nothing looser.

    check_flags.py BUILD_FOLDER
"""

import json
import sys
from pathlib import Path

FORBIDDEN = ("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fassociative-math",
             "-freciprocal-math", "-ffinite-math-only", "-fno-signed-zeros", "-ffp-contract=fast",
             "-ffp-contract=on", "-march=native", "-fopenmp")


def main():
    commands = json.loads((Path(sys.argv[1]) / "compile_commands.json").read_text())
    errors = []
    for entry in commands:
        flags = entry["command"].split()
        contract = [f for f in flags if f.startswith("-ffp-contract")]
        if not contract or contract[-1] != "-ffp-contract=off":
            errors.append(f"{entry['file']}: compiled without -ffp-contract=off")
        errors += [f"{entry['file']}: compiled with {f}" for f in flags if f in FORBIDDEN]
    if not commands:
        errors.append("compile_commands.json is empty")
    print("\n".join(errors) if errors else f"flags: {len(commands)} files keep to law 1")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
