#!/usr/bin/env python3
"""Lines of code per room, as the notes report them: blank lines and comments are not counted.

    size_budget.py [ROOT]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_includes  # noqa: E402


def code_lines(text):
    count = 0
    in_comment = False
    for line in text.splitlines():
        line = line.strip()
        if in_comment:
            in_comment = "*/" not in line
        elif line.startswith("/*"):
            in_comment = "*/" not in line
        elif line and not line.startswith("//"):
            count += 1
    return count


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    rooms = {}
    for name in check_includes.files(str(root)):
        lines = code_lines((root / name).read_text(errors="replace"))
        total = rooms.setdefault(check_includes.room_of(name), [0, 0, 0, ""])
        total[0] += 1
        total[1] += lines
        if lines > total[2]:
            total[2], total[3] = lines, name
    for model in sorted(root.glob("stdlib/**/*.model")):
        total = rooms.setdefault("stdlib (.model)", [0, 0, 0, ""])
        lines = sum(1 for l in model.read_text().splitlines() if l.strip() and l.strip()[0] != "#")
        total[0] += 1
        total[1] += lines
        if lines > total[2]:
            total[2], total[3] = lines, str(model.relative_to(root))
    print(f"{'room':18}{'files':>6}{'lines':>8}   longest file")
    for room, (number, lines, longest, name) in sorted(rooms.items()):
        print(f"{room:18}{number:6}{lines:8}   {name} ({longest})")
    print(f"{'all':18}{sum(r[0] for r in rooms.values()):6}{sum(r[1] for r in rooms.values()):8}")


if __name__ == "__main__":
    main()
